//! What a stranger sends to either end, and what a peer that knows the keys could have put inside.
#![no_main]

use latchwork_coap::{Code, Message, OptionNumber, Options};
use latchwork_crypto::{RustCrypto, Symmetric};
use latchwork_fuzz::TakesEveryTag;
use latchwork_oscore::{Context, Incoming, Material, OscoreOption};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut value = [0; 255];
    if let Ok(option) = OscoreOption::parse(data) {
        assert_eq!(option.write(&mut value).map(|length| &value[..length]), Some(data), "{option:?}");
    }
    let Ok(outer) = Message::parse(data) else { return };
    let _ = OscoreOption::of(&outer);
    let mut out = vec![0; 2 * data.len() + 32];
    forged(&outer, &mut out);
    genuine(&outer, &mut out);
});

/// RFC 8613 §C.1.
fn context(crypto: &impl Symmetric, sender_id: &[u8], recipient_id: &[u8]) -> Context {
    let material = Material {
        master_secret: &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
        master_salt: &[0x9e, 0x7c, 0xa9, 0x22, 0x23, 0x78, 0x63, 0x40],
        sender_id,
        recipient_id,
        id_context: None,
    };
    Context::derive(crypto, &material).expect("sound material")
}

/// A tag of 8 bytes is not guessed: only what the keys made may pass, and nothing of a refused message stays readable.
fn forged(outer: &Message<'_>, out: &mut [u8]) {
    let mut server = context(&RustCrypto, &[1], &[]);
    let passed = server.unprotect_request(&RustCrypto, outer, out).is_ok();
    let seed: &[u8] = include_bytes!("../seeds/oscore_received/rfc8613_c4");
    assert!(!passed || outer.payload == Message::parse(seed).expect("a seed").payload, "forged");
}

/// With every tag taken, anything may stand inside.
fn genuine(outer: &Message<'_>, out: &mut [u8]) {
    let mut server = context(&TakesEveryTag, &[1], &[]);
    if let Ok(incoming) = server.unprotect_request(&TakesEveryTag, outer, out) {
        let Incoming::Request(request, _) = incoming else { panic!("the window is open") };
        assert!(request.code.is_request());
        check(&request);
        assert!(server.unprotect_request(&TakesEveryTag, outer, out).is_err(), "replayed");
    }

    let mut client = context(&TakesEveryTag, &[], &[1]);
    for observe in [false, true] {
        let get = Message {
            kind: outer.kind,
            code: Code::GET,
            id: 1,
            token: outer.token,
            options: if observe { Options::parse(&[0x60]).expect("Observe: 0").0 } else { Options::EMPTY },
            payload: &[],
        };
        let mut datagram = [0; 64];
        let (_, mut sent) = client.protect_request(&TakesEveryTag, &get, &mut datagram).expect("a request");
        if let Ok(response) = client.unprotect_response(&TakesEveryTag, &mut sent, outer, out) {
            assert!(response.code.is_response());
            assert!(observe || response.options.get(OptionNumber::OBSERVE).is_none());
            check(&response);
        }
    }
}

fn check(message: &Message<'_>) {
    assert!(message.options.get(OptionNumber::OSCORE).is_none(), "protection does not nest");
    let mut room = vec![0; 4096 + 64];
    let written = message.write(&mut room).expect("no longer than what came");
    Message::parse(written).expect("a message");
}
