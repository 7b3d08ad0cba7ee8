//! The request layer: blocks both ways, Observe, options, and hostile order.

mod strangers;

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::endpoint::Buf;
use crate::message::{Kind, Token};

/// Strangers, all of them.
impl Peer for u8 {
    fn is_proven(&self) -> bool {
        false
    }
}

type Ours = Server<u8, Buf<256>, [Upload<u8, Buf<256>>; 2], [Download<u8, Buf<256>>; 2]>;

const HEAD: Head = Head { kind: Kind::Ack, id: 7, token: Token::EMPTY };

fn ours() -> Ours {
    Server::new(Default::default(), Default::default(), 2) // blocks of 64
}

fn request(code: Code, options: &[(u16, &[u8])], payload: &[u8]) -> Vec<u8> {
    let mut buf = [0; 2048];
    let mut writer = Writer::new(&mut buf, Kind::Con, code, 1, Token::EMPTY);
    for (number, value) in options {
        writer.option(OptionNumber(*number), value).unwrap();
    }
    writer.payload(payload).unwrap();
    writer.finish().unwrap().to_vec()
}

fn body(code: Code, options: &[(u16, &[u8])], payload: &[u8]) -> Vec<u8> {
    request(code, options, payload)
        .get(1..2)
        .unwrap()
        .iter()
        .chain(&request(code, options, payload)[4..])
        .copied()
        .collect()
}

fn bytes(value: u32) -> Vec<u8> {
    value.to_be_bytes().into_iter().skip_while(|&byte| byte == 0).collect()
}

fn block(number: u32, more: bool, exponent: u8) -> Vec<u8> {
    bytes(Block::new(number, more, exponent).unwrap().to_uint())
}

/// R7252-5.4.1-01, R7252-5.4.1-02, R7252-5.4.3-01, R7252-5.4.5-01, R7252-5.7.2-01, R7959-2.2-01
#[test]
fn critical_options_are_known_or_refused() {
    let long = [b'a'; 256];
    // (options, known besides, refused number)
    let rows: &[(&[(u16, &[u8])], Known<'_>, Option<u16>)] = &[
        (&[(3, b"host"), (7, &[1, 2]), (11, b"a"), (11, b"b"), (15, b"q"), (15, b"r"), (17, &[19])], &[], None),
        (&[(9, b"")], &[], Some(9)),
        (&[(1, b"x")], &[], Some(1)),
        (&[(1, b"x")], &[OptionNumber::IF_MATCH], None),
        (&[(5, b"")], &[], Some(5)),
        (&[(13, b"")], &[], Some(13)),
        (&[(21, b"")], &[], Some(21)),
        (&[(21, b"")], &[OptionNumber::EDHOC], None),
        (&[(19, &[0])], &[], Some(19)),
        (&[(11, b"door"), (65_001, b"")], &[], Some(65_001)),
        (&[(11, b"door"), (65_000, b"")], &[], None),
        (&[(258, &[26]), (292, b"t")], &[], None),
        (&[(3, b"")], &[], Some(3)),
        (&[(3, b"a"), (3, b"b")], &[], Some(3)),
        (&[(3, &long)], &[], Some(3)),
        (&[(7, &[1, 2, 3])], &[], Some(7)),
        (&[(11, &long)], &[], Some(11)),
        (&[(17, &[1, 2, 3])], &[], Some(17)),
        (&[(17, &[1]), (17, &[1])], &[], Some(17)),
        (&[(23, &[7])], &[], Some(23)),
        (&[(23, &[0, 0, 0, 0])], &[], Some(23)),
        (&[(27, &[6]), (27, &[6])], &[], Some(27)),
        (&[(27, &[7])], &[], Some(27)),
    ];
    for (options, known, refused) in rows {
        let datagram = request(Code::POST, options, b"");
        let outcome = check(&Message::parse(&datagram).unwrap(), known);
        assert_eq!(outcome.err(), refused.map(|n| Refusal::BadOption(OptionNumber(n))), "{options:?}");
    }
    for number in [35, 39] {
        let datagram = request(Code::GET, &[(11, b"a"), (number, b"coap")], b"");
        assert_eq!(check(&Message::parse(&datagram).unwrap(), &[]), Err(Refusal::NoProxy));
    }
}

/// R7252-5.4.1-02
#[test]
fn critical_options_of_responses() {
    let rows: &[(&[(u16, &[u8])], Option<u16>)] = &[
        (&[(4, b"tag"), (6, &[1]), (8, b"l"), (12, &[60]), (14, &[60]), (23, &[6]), (27, &[6]), (28, &[1])], None),
        (&[(11, b"a")], Some(11)),
        (&[(9, b"")], Some(9)),
        (&[(23, &[7])], Some(23)),
        (&[(65_001, b"")], Some(65_001)),
    ];
    for (options, refused) in rows {
        let datagram = request(Code::CONTENT, options, b"");
        let outcome = check_response(&Message::parse(&datagram).unwrap());
        assert_eq!(outcome.err(), refused.map(OptionNumber), "{options:?}");
    }
}

/// R7959-2.2-01
#[test]
fn blocks() {
    for (value, parsed) in [
        (&[][..], Some((0, false, 16))),
        (&[0x0e], Some((0, true, 1024))),
        (&[0x1a], Some((1, true, 64))),
        (&[0xff, 0xff, 0xf6], Some((0xf_ffff, false, 1024))),
        (&[7], None),
        (&[0, 0, 0, 0], None),
    ] {
        let block = Block::parse(value);
        assert_eq!(block.map(|block| (block.number, block.more, block.size())), parsed, "{value:02x?}");
        if let Some(block) = block {
            assert_eq!(block.to_bytes().as_bytes(), value);
        }
    }
    assert_eq!(Block::new(1 << 20, false, 0), None);
}

/// What the server makes of one block: the code it sends at once, or the payload it hands on.
fn offer(ours: &mut Ours, now: u64, peer: u8, options: &[(u16, &[u8])], payload: &[u8]) -> Result<Vec<u8>, Code> {
    let datagram = request(Code::POST, options, payload);
    match ours.receive(Millis(now), peer, &Message::parse(&datagram).unwrap()) {
        Step::Run(_, payload) => Ok(payload.to_vec()),
        Step::Proceed(_) => Err(Code::CONTINUE),
        Step::Refuse(_, refusal) => Err(refusal.code()),
    }
}

/// R7959-2.3-01, R7959-2.5-01, R7959-2.9.3-01, R7959-7-01, R9175-3.3-01
#[test]
fn an_upload_is_atomic() {
    let (a, b) = ([1; 64], [2; 64]);
    let path = (11, &b"a"[..]);
    let tag = |tag: &'static [u8]| (292, tag);
    // a row is one message: time, peer, options after the path, payload, outcome
    type Row<'r> = (u64, u8, Vec<(u16, Vec<u8>)>, &'r [u8], Result<usize, Code>);
    let block1 = |number, more, exponent| vec![(27, block(number, more, exponent))];
    let tagged =
        |number, more, value: &'static [u8]| vec![(27, block(number, more, 2)), (tag(value).0, value.to_vec())];
    let (cont, incomplete) = (Err(Code::CONTINUE), Err(Code::REQUEST_ENTITY_INCOMPLETE));
    let bad = Err(Code::BAD_REQUEST);
    let runs: &[(&str, Vec<Row<'_>>)] = &[
        ("one block", vec![(0, 1, block1(0, false, 2), b"x", Ok(1))]),
        (
            "three blocks",
            vec![
                (0, 1, block1(0, true, 2), &a, cont),
                (0, 1, block1(1, true, 2), &b, cont),
                (0, 1, block1(2, false, 2), b"x", Ok(129)),
                (0, 1, block1(2, false, 2), b"x", incomplete),
            ],
        ),
        ("the first is missing", vec![(0, 1, block1(1, false, 2), b"x", incomplete)]),
        ("a gap", vec![(0, 1, block1(0, true, 2), &a, cont), (0, 1, block1(2, false, 2), b"x", incomplete)]),
        (
            "another peer goes on",
            vec![(0, 1, block1(0, true, 2), &a, cont), (0, 2, block1(1, false, 2), b"x", incomplete)],
        ),
        (
            "too long ago",
            vec![(0, 1, block1(0, true, 2), &a, cont), (247_000, 1, block1(1, false, 2), b"x", incomplete)],
        ),
        ("just in time", vec![(0, 1, block1(0, true, 2), &a, cont), (246_999, 1, block1(1, false, 2), b"x", Ok(65))]),
        (
            "a new beginning replaces",
            vec![
                (0, 1, block1(0, true, 2), &a, cont),
                (0, 1, block1(0, true, 2), &b, cont),
                (0, 1, block1(1, false, 2), b"x", Ok(65)),
            ],
        ),
        ("a short block in the middle", vec![(0, 1, block1(0, true, 2), &a[..63], bad)]),
        ("a long block", vec![(0, 1, block1(0, false, 1), &a, bad)]),
        (
            "smaller blocks midway",
            vec![(0, 1, block1(0, true, 2), &a, cont), (0, 1, block1(2, false, 1), b"x", Ok(65))],
        ),
        (
            "two operations told apart by Request-Tag",
            vec![
                (0, 1, tagged(0, true, b"1"), &a, cont),
                (0, 1, tagged(0, true, b"2"), &b, cont),
                (0, 1, tagged(1, false, b"3"), b"x", incomplete),
                (0, 1, block1(1, false, 2), b"x", incomplete),
                (0, 1, tagged(1, false, b"1"), b"x", Ok(65)),
                (0, 1, tagged(1, false, b"2"), b"x", Ok(65)),
            ],
        ),
        (
            "the quietest gives way",
            vec![
                (0, 1, block1(0, true, 2), &a, cont),
                (1, 2, block1(0, true, 2), &a, cont),
                (2, 1, block1(1, true, 2), &a, cont),
                (3, 3, block1(0, true, 2), &a, cont),
                (4, 2, block1(1, false, 2), b"x", incomplete),
                (4, 1, block1(2, false, 2), b"x", Ok(129)),
            ],
        ),
        (
            "larger than we keep",
            vec![
                (0, 1, block1(0, true, 2), &a, cont),
                (0, 1, block1(1, true, 2), &a, cont),
                (0, 1, block1(2, true, 2), &a, cont),
                (0, 1, block1(3, true, 2), &a, cont),
                (0, 1, block1(4, false, 2), b"x", Err(Code::REQUEST_ENTITY_TOO_LARGE)),
                (0, 1, block1(4, false, 2), b"x", incomplete),
            ],
        ),
        (
            "announced larger than we keep",
            vec![(
                0,
                1,
                [block1(0, true, 2), vec![(60, bytes(257))]].concat(),
                &a,
                Err(Code::REQUEST_ENTITY_TOO_LARGE),
            )],
        ),
    ];
    for (name, rows) in runs {
        let mut ours = ours();
        for (index, (now, peer, options, payload, outcome)) in rows.iter().enumerate() {
            let mut all = vec![path];
            all.extend(options.iter().map(|(number, value)| (*number, &value[..])));
            let got = offer(&mut ours, *now, *peer, &all, payload);
            assert_eq!(got.map(|body| body.len()), *outcome, "{name}, message {index}");
        }
    }
}

/// R7959-2.5-01
#[test]
fn blocks_of_different_resources_do_not_mix() {
    let first = block(0, true, 2);
    let last = block(1, false, 2);
    for (path, query, code) in [(&b"b"[..], &b""[..], Code::POST), (b"a", b"q", Code::POST), (b"a", b"", Code::PUT)] {
        let mut ours = ours();
        assert_eq!(offer(&mut ours, 0, 1, &[(11, b"a"), (27, &first)], &[0; 64]), Err(Code::CONTINUE));
        let mut options: Vec<(u16, &[u8])> = vec![(11, path)];
        if !query.is_empty() {
            options.push((15, query));
        }
        options.push((27, &last));
        let datagram = request(code, &options, b"x");
        let step = ours.receive(Millis(0), 1, &Message::parse(&datagram).unwrap());
        assert!(matches!(step, Step::Refuse(_, Refusal::Incomplete)), "{path:?} {query:?} {code}");
    }
}

/// R7959-2.9.3-01
#[test]
fn what_the_server_writes() {
    let mut ours = ours();
    let mut out = [0; 256];
    let message = request(Code::POST, &[(11, b"a"), (27, &block(0, true, 2))], &[0; 64]);
    let Step::Proceed(pending) = ours.receive(Millis(0), 1, &Message::parse(&message).unwrap()) else { panic!() };
    let answer = Message::parse(ours.proceed(Millis(0), pending, HEAD, &mut out).unwrap()).unwrap();
    assert_eq!((answer.code, answer.options.get(OptionNumber::BLOCK1)), (Code::CONTINUE, Some(&[0x0a][..])));

    let message = request(Code::POST, &[(11, b"a"), (27, &block(0, true, 2)), (60, &bytes(1000))], &[0; 64]);
    let Step::Refuse(pending, refusal) = ours.receive(Millis(0), 1, &Message::parse(&message).unwrap()) else {
        panic!()
    };
    let answer = Message::parse(ours.refuse(pending, refusal, HEAD, &mut out).unwrap()).unwrap();
    assert_eq!((answer.code, answer.options.uint(OptionNumber::SIZE1)), (Code::REQUEST_ENTITY_TOO_LARGE, Some(256)));
    assert_eq!(answer.options.get(OptionNumber::BLOCK1), Some(&[0x02][..]), "final: nothing more is awaited");
}

/// Asks for every block of a response and returns what came together, with the number of handler runs.
fn fetch(ours: &mut Ours, code: Code, exponent: Option<u8>, payload: &[u8]) -> (Vec<u8>, usize) {
    let (mut whole, mut runs, mut next, mut etag) = (Vec::new(), 0, exponent.map(|e| block(0, false, e)), None);
    loop {
        let mut options = vec![(11, &b"a"[..])];
        if let Some(block) = &next {
            options.push((23, block));
        }
        let message = request(code, &options, b"");
        let mut out = [0; 512];
        let answer = match ours.receive(Millis(0), 1, &Message::parse(&message).unwrap()) {
            Step::Run(pending, _) => {
                runs += 1;
                ours.answer(Millis(0), pending, HEAD, &body(Code::CONTENT, &[(12, &[60])], payload), None, &mut out)
                    .unwrap()
            }
            Step::Proceed(pending) => ours.proceed(Millis(0), pending, HEAD, &mut out).unwrap(),
            Step::Refuse(..) => panic!("refused"),
        };
        let answer = Message::parse(answer).unwrap();
        whole.extend_from_slice(answer.payload);
        assert_eq!(answer.options.uint(OptionNumber::CONTENT_FORMAT), Some(60));
        let Some(part) = answer.options.get(OptionNumber::BLOCK2).and_then(Block::parse) else { return (whole, runs) };
        let tag = answer.options.get(OptionNumber::ETAG).map(<[u8]>::to_vec);
        assert!(tag.is_some() && (etag.is_none() || etag == tag));
        etag = tag;
        if !part.more {
            return (whole, runs);
        }
        next = Some(block(part.number + 1, false, part.exponent()));
    }
}

/// R7959-2.4-01, R9175-3.8-01
#[test]
fn a_download_runs_its_handler_once() {
    for code in [Code::GET, Code::POST, Code::FETCH] {
        for exponent in [None, Some(0), Some(1), Some(2), Some(6)] {
            for size in [0, 1, 63, 64, 65, 128, 200] {
                let payload: Vec<u8> = (0..size).collect();
                assert_eq!(fetch(&mut ours(), code, exponent, &payload), (payload, 1), "{code} {exponent:?} {size}");
            }
        }
    }
}

#[test]
fn the_middle_of_a_download_without_its_beginning() {
    let options = |number| vec![(11, b"a".to_vec()), (23, block(number, false, 2))];
    for (code, number, outcome) in [
        (Code::GET, 1, Ok(Code::CONTENT)),
        (Code::GET, 9, Ok(Code::BAD_REQUEST)),
        (Code::POST, 1, Err(Refusal::Incomplete)),
    ] {
        let mut ours = ours();
        let options = options(number);
        let options: Vec<_> = options.iter().map(|(number, value)| (*number, &value[..])).collect();
        let message = request(code, &options, b"");
        let got = match ours.receive(Millis(0), 1, &Message::parse(&message).unwrap()) {
            Step::Run(pending, _) => {
                let mut out = [0; 256];
                let written =
                    ours.answer(Millis(0), pending, HEAD, &body(Code::CONTENT, &[], &[0; 100]), None, &mut out);
                Ok(Message::parse(written.unwrap()).unwrap().code)
            }
            Step::Refuse(_, refusal) => Err(refusal),
            Step::Proceed(_) => panic!(),
        };
        assert_eq!(got, outcome, "{code} {number}");
    }
}

/// R7641-4.1-01, R7641-4.4-01, R7641-4.5-01, R7641-4.5.1-01, R7641-7-01
#[test]
fn observers() {
    let request = body(Code::GET, &[(11, b"a")], b"");
    let mut outgoing = crate::endpoint::exchange::FixedExchanges::<u8, 1, 4, 64>::fixed(0);
    let mut send = || {
        let datagram = super::tests::request(Code::CONTENT, &[], b"");
        outgoing.send(Millis(0), 1, &datagram, 0).unwrap()
    };
    let mut observers: Observers<u8, (), Buf<32>, [Observer<u8, (), Buf<32>>; 2]> = Observers::new(Default::default());
    let (one, two, three) = (Token::new(&[1]).unwrap(), Token::new(&[2]).unwrap(), Token::new(&[3]).unwrap());
    assert_eq!(observers.register(1, one, &request, ()), Ok(1));
    assert_eq!(observers.register(1, one, &request, ()), Ok(2), "renewed, not doubled");
    assert_eq!(observers.register(1, two, &[0; 40], ()), Err(Full), "request too large to keep");
    assert_eq!(observers.register(1, two, &request, ()), Ok(1));
    assert_eq!(observers.register(1, three, &request, ()), Err(Full));
    observers.changed("/a");
    assert!(observers.due().is_none(), "not before the response");
    observers.out(1, one);
    observers.out(1, two);
    assert_eq!(observers.due().map(|n| (n.token, n.number)), Some((one, 3)));
    assert_eq!(observers.due().map(|n| (n.token, n.number)), Some((two, 2)));
    observers.out(1, one);
    observers.out(1, two);
    observers.changed("/b");
    assert!(observers.due().is_none());
    observers.changed("/a");
    observers.changed("/a");
    assert_eq!(observers.due().map(|n| (n.token, n.number)), Some((one, 4)));
    let sent = send();
    observers.sent(1, one, sent);
    assert_eq!(observers.due().map(|n| n.token), Some(two));
    observers.changed("/a");
    assert!(observers.due().is_none(), "one is not acknowledged, the other not even sent");
    observers.acknowledged(sent);
    assert_eq!(observers.due().map(|n| (n.token, n.number)), Some((one, 5)));
    let sent = send();
    observers.sent(1, one, sent);
    assert!(observers.lost(sent) && !observers.lost(sent));
    assert!(observers.deregister(1, two) && !observers.deregister(1, two));
    assert_eq!(observers.count(), 0);
}

/// Lets the client and the server talk and returns the payloads the server saw, the response, and the messages it took.
fn talk(client_exponent: u8, upload: &[u8], download: &[u8]) -> (Vec<Vec<u8>>, Vec<u8>, usize) {
    let mut ours = ours();
    let whole = body(Code::POST, &[(6, b""), (11, b"a"), (12, &[60])], upload);
    let mut transfer: Transfer<'_, Buf<256>> = Transfer::new(Body::parse(&whole).unwrap(), b"tag", client_exponent);
    let (mut seen, mut messages) = (Vec::new(), 0);
    loop {
        let mut message = [0; 512];
        let message = transfer.write(HEAD, Some((OptionNumber::ECHO, b"echo")), &mut message).unwrap();
        messages += 1;
        let message = Message::parse(message).unwrap();
        assert_eq!(message.options.get(OptionNumber::ECHO), Some(&b"echo"[..]));
        check(&message, &[]).unwrap();
        let mut out = [0; 512];
        let answer = match ours.receive(Millis(0), 1, &message) {
            Step::Run(pending, payload) => {
                seen.push(payload.to_vec());
                ours.answer(Millis(0), pending, HEAD, &body(Code::CHANGED, &[], download), None, &mut out).unwrap()
            }
            Step::Proceed(pending) => ours.proceed(Millis(0), pending, HEAD, &mut out).unwrap(),
            Step::Refuse(_, refusal) => panic!("{refusal:?}"),
        };
        let answer = Message::parse(answer).unwrap();
        check_response(&answer).unwrap();
        if transfer.receive(&answer).unwrap() == Progress::Done {
            return (seen, transfer.payload().to_vec(), messages);
        }
    }
}

#[test]
fn client_and_server_understand_each_other() {
    for exponent in [0, 2, 6] {
        for up in [0usize, 16, 64, 65, 256] {
            for down in [0, 64, 65, 200] {
                let (upload, download): (Vec<u8>, Vec<u8>) = ((0..up).map(|n| n as u8).collect(), (0..down).collect());
                let (seen, got, messages) = talk(exponent, &upload, &download);
                assert_eq!((&seen[..], got), (&[upload][..], download), "{exponent} {up} {down}");
                let blocks = up.div_ceil(16 << exponent).max(1) + usize::from(down).div_ceil(64).max(1) - 1;
                assert_eq!(messages, blocks);
            }
        }
    }
}

/// R7959-2.3-01, R7959-2.4-02
#[test]
fn a_client_refuses_what_does_not_fit_together() {
    use TransferError::{Changed, OutOfOrder, TooLarge};
    let part = |number, more, tag: &[u8], payload: &[u8]| {
        request(Code::CONTENT, &[(4, tag), (23, &block(number, more, 2))], payload)
    };
    let p = [0; 64];
    let rows: &[(&str, Vec<Vec<u8>>, Result<Progress, TransferError>)] = &[
        ("whole", vec![part(0, true, b"a", &p), part(1, false, b"a", b"x")], Ok(Progress::Done)),
        ("not the first", vec![part(1, false, b"a", b"x")], Err(OutOfOrder)),
        ("skipped", vec![part(0, true, b"a", &p), part(2, false, b"a", b"x")], Err(OutOfOrder)),
        ("twice", vec![part(0, true, b"a", &p), part(0, true, b"a", &p)], Err(OutOfOrder)),
        ("short", vec![part(0, true, b"a", b"x")], Err(OutOfOrder)),
        ("other version", vec![part(0, true, b"a", &p), part(1, false, b"b", b"x")], Err(Changed)),
        ("no block", vec![part(0, true, b"a", &p), request(Code::CONTENT, &[(4, b"a")], b"x")], Err(OutOfOrder)),
        ("without end", (0..5).map(|n| part(n, true, b"a", &p)).collect(), Err(TooLarge)),
        ("continue what", vec![request(Code::CONTINUE, &[], b"")], Err(OutOfOrder)),
        ("an error midway", vec![part(0, true, b"a", &p), request(Code::NOT_FOUND, &[], b"x")], Ok(Progress::Done)),
    ];
    for (name, responses, outcome) in rows {
        let get = body(Code::GET, &[(11, b"a")], b"");
        let mut transfer: Transfer<'_, Buf<256>> = Transfer::new(Body::parse(&get).unwrap(), b"", 6);
        let mut last = Ok(Progress::Continue);
        for response in responses {
            assert_eq!(last, Ok(Progress::Continue), "{name}");
            transfer.write(HEAD, None, &mut [0; 512]).unwrap();
            last = transfer.receive(&Message::parse(response).unwrap());
        }
        assert_eq!(last, *outcome, "{name}");
    }
}

/// R7959-2.3-02
#[test]
fn a_server_may_ask_for_smaller_blocks() {
    let whole = body(Code::POST, &[(11, b"a")], &[7; 200]);
    for (code, sizes) in [(Code::CONTINUE, &[128, 32, 32, 8][..]), (Code::REQUEST_ENTITY_TOO_LARGE, &[128, 32, 32])] {
        let mut transfer: Transfer<'_, Buf<256>> = Transfer::new(Body::parse(&whole).unwrap(), b"", 3);
        for size in sizes {
            let mut out = [0; 512];
            let message = Message::parse(transfer.write(HEAD, None, &mut out).unwrap()).unwrap();
            assert_eq!(message.payload.len(), *size, "{code}");
            let number = message.options.get(OptionNumber::BLOCK1).and_then(Block::parse).unwrap().number;
            assert_eq!(number as usize * 32 % 32, 0);
            let code = if *size == 128 { code } else { Code::CONTINUE };
            if *size != 8 {
                transfer.receive(&Message::parse(&request(code, &[(27, &block(0, true, 1))], b"")).unwrap()).unwrap();
            }
        }
    }
}

proptest! {
    #[test]
    fn no_request_panics(messages in prop::collection::vec(
        (0u8..3, 1u8..8, prop::collection::vec((prop::sample::select(vec![6u16, 11, 15, 23, 27, 60, 292]),
            prop::collection::vec(any::<u8>(), 0..4)), 0..5), 0usize..130), 0..20)) {
        let mut ours = ours();
        for (now, (peer, code, mut options, size)) in messages.into_iter().enumerate() {
            options.sort_by_key(|(number, _)| *number);
            let options: Vec<_> = options.iter().map(|(number, value)| (*number, &value[..])).collect();
            let datagram = request(Code(code), &options, &[0; 130][..size]);
            let message = Message::parse(&datagram).unwrap();
            if check(&message, &[]).is_err() {
                continue;
            }
            let now = Millis(now as u64 * 30_000);
            let mut out = [0; 512];
            match ours.receive(now, peer, &message) {
                Step::Run(pending, _) => { let _ = ours.answer(now, pending, HEAD, &body(Code::CONTENT, &[], &[0; 150]), Some(1), &mut out); }
                Step::Proceed(pending) => { ours.proceed(now, pending, HEAD, &mut out).unwrap(); }
                Step::Refuse(pending, refusal) => { ours.refuse(pending, refusal, HEAD, &mut out).unwrap(); }
            }
        }
    }
}
