//! Blocks of strangers beside those of who has proved who it is.

use super::*;

/// Strangers give way to each other and to who has proved who it is; who has gives way to none of them.
#[test]
fn strangers_give_way() {
    type Places = Server<
        (u8, Option<u8>),
        Buf<256>,
        [Upload<(u8, Option<u8>), Buf<256>>; 2],
        [Download<(u8, Option<u8>), Buf<256>>; 1],
    >;
    let (first, last) = (block(0, true, 2), block(1, false, 2));
    let (stranger, proven) = (|n| (n, None), |n| (n, Some(n)));
    let (cont, missing, busy) = (Code::CONTINUE, Code::REQUEST_ENTITY_INCOMPLETE, Code::SERVICE_UNAVAILABLE);
    let runs: &[(&str, &[(u64, (u8, Option<u8>), &[u8], Code)])] = &[
        (
            "the other place",
            &[
                (0, proven(1), &first, cont),
                (1, stranger(2), &first, cont),
                (2, stranger(3), &first, cont),
                (3, stranger(2), &last, missing),
                (3, proven(1), &last, Code::CHANGED),
            ],
        ),
        (
            "the same address",
            &[
                (0, proven(1), &first, cont),
                (0, proven(2), &first, cont),
                (1, stranger(1), &first, busy),
                (3, proven(1), &last, Code::CHANGED),
            ],
        ),
        (
            "a stranger first",
            &[
                (0, proven(1), &first, cont),
                (9, stranger(2), &first, cont),
                (9, proven(3), &first, cont),
                (9, stranger(2), &last, missing),
                (9, proven(1), &last, Code::CHANGED),
            ],
        ),
        (
            "the quietest inside",
            &[
                (0, proven(1), &first, cont),
                (1, proven(2), &first, cont),
                (2, proven(3), &first, cont),
                (3, proven(1), &last, missing),
                (3, proven(2), &last, Code::CHANGED),
            ],
        ),
        (
            "long ago",
            &[(0, proven(1), &first, cont), (0, proven(2), &first, cont), (247_000, stranger(3), &first, cont)],
        ),
    ];
    for (name, rows) in runs {
        let mut places: Places = Server::new(Default::default(), Default::default(), 2);
        for (index, &(now, peer, block, expected)) in rows.iter().enumerate() {
            let payload = &[7; 64][..if block == first { 64 } else { 1 }];
            let datagram = request(Code::POST, &[(11, b"a"), (27, block)], payload);
            let code = match places.receive(Millis(now), peer, &Message::parse(&datagram).unwrap()) {
                Step::Run(..) => Code::CHANGED,
                Step::Proceed(_) => Code::CONTINUE,
                Step::Refuse(pending, refusal) => {
                    let mut out = [0; 64];
                    let refused = places.refuse(pending, refusal, HEAD, &mut out).unwrap();
                    let refused = Message::parse(refused).unwrap();
                    let again = refused.options.uint(OptionNumber::MAX_AGE);
                    assert_eq!(again, (refusal == Refusal::NoPlace).then_some(5), "{name}, message {index}");
                    refused.code
                }
            };
            assert_eq!(code, expected, "{name}, message {index}");
        }
    }
    // What leaves in blocks.
    let mut places: Places = Server::new(Default::default(), Default::default(), 2);
    let mut ask = |peer, number: u32| {
        let datagram = request(Code::GET, &[(11, b"a"), (23, &block(number, false, 0))], b"");
        let mut out = [0; 128];
        let answer = match places.receive(Millis(0), peer, &Message::parse(&datagram).unwrap()) {
            Step::Run(pending, _) => {
                places.answer(Millis(0), pending, HEAD, &body(Code::CONTENT, &[], &[7; 40]), None, &mut out)
            }
            Step::Proceed(pending) => places.proceed(Millis(0), pending, HEAD, &mut out),
            Step::Refuse(pending, refusal) => places.refuse(pending, refusal, HEAD, &mut out),
        };
        Message::parse(answer.unwrap()).unwrap().code
    };
    assert_eq!(ask(stranger(1), 0), Code::CONTENT);
    assert_eq!(ask(stranger(2), 0), Code::CONTENT);
    assert_eq!(ask(proven(1), 0), Code::CONTENT);
    assert_eq!(ask(stranger(2), 0), busy);
    assert_eq!(ask(proven(1), 1), Code::CONTENT);
    assert_eq!(ask(proven(2), 0), Code::CONTENT);
}
