//! Blocks in any order, to a server and to a client: bodies stay within their buffers, and whatever is answered is CoAP.
#![no_main]

use latchwork_coap::endpoint::exchange::Head;
use latchwork_coap::endpoint::request::{
    Body, Download, Progress, Server, Step, Transfer, Upload, check, check_response,
};
use latchwork_coap::endpoint::{Buf, Millis};
use latchwork_coap::{Kind, Message, Token};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let uploads = core::array::from_fn(|_| Upload::default());
    let downloads = core::array::from_fn(|_| Download::default());
    let mut server = Ours::new(uploads, downloads, 1);
    let request = Body::parse(REQUEST).expect("a request");
    let mut client = Transfer::<Buf<SIZE>>::new(request, b"tag", 0);
    let mut asks = true;

    let mut script = data;
    while let Some((&[step, length], rest)) = script.split_first_chunk() {
        let (datagram, rest) = rest.split_at(usize::from(length).min(rest.len()));
        script = rest;
        let Ok(message) = Message::parse(datagram) else { continue };
        if message.code.is_request() && check(&message, &[]).is_ok() {
            let peer = (step & 1, (step & 2 != 0).then_some(()));
            serve(&mut server, Millis(u64::from(step >> 2) * 60_000), peer, &message);
        }
        if asks && message.code.is_response() && check_response(&message).is_ok() {
            client.write(HEAD, None, &mut [0; 128]).expect("room for a block");
            asks = client.receive(&message) == Ok(Progress::Continue);
            assert!(client.payload().len() <= SIZE);
        }
    }
});

const SIZE: usize = 96;
const HEAD: Head = Head { kind: Kind::Ack, id: 7, token: Token::EMPTY };
/// A POST of 40 bytes to `/a`, as a body.
const REQUEST: &[u8] = b"\x02\xb1a\xff0123456789012345678901234567890123456789";
/// A 2.05 of 80 bytes, which leaves in blocks.
const RESPONSE: &[u8] = &{
    let mut response = [b'x'; 82];
    (response[0], response[1]) = (0x45, 0xff);
    response
};

/// Two addresses, of strangers or not.
type Peer = (u8, Option<()>);
type Ours = Server<Peer, Buf<SIZE>, [Upload<Peer, Buf<SIZE>>; 2], [Download<Peer, Buf<SIZE>>; 2]>;

fn serve(server: &mut Ours, now: Millis, peer: Peer, message: &Message<'_>) {
    let mut out = [0; 256];
    let answer = match server.receive(now, peer, message) {
        Step::Run(pending, payload) => {
            assert!(payload.len() <= SIZE.max(message.payload.len()));
            server.answer(now, pending, HEAD, RESPONSE, None, &mut out)
        }
        Step::Proceed(pending) => server.proceed(now, pending, HEAD, &mut out),
        Step::Refuse(pending, refusal) => server.refuse(pending, refusal, HEAD, &mut out),
    };
    server.sweep(now);
    let answer = Message::parse(answer.expect("room for a block")).expect("a message");
    assert!(answer.code.is_response() && answer.payload.len() <= 32);
}
