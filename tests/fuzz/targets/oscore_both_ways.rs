//! Whatever message one end protects, the other end reads the same.
#![no_main]

use latchwork_coap::{Message, OptionNumber};
use latchwork_crypto::RustCrypto;
use latchwork_oscore::{Context, Incoming, MAX_OVERHEAD, Material};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((length, data)) = data.split_first() else { return };
    let Some((request, response)) = data.split_at_checked(usize::from(*length)) else { return };
    let (Ok(request), Ok(response)) = (Message::parse(request), Message::parse(response)) else { return };

    let client = Material {
        master_secret: b"sixteen secrets.",
        master_salt: b"salt",
        sender_id: b"\x01",
        recipient_id: b"",
        id_context: Some(b"here"),
    };
    let server = Material { sender_id: client.recipient_id, recipient_id: client.sender_id, ..client };
    let mut client = Context::derive(&RustCrypto, &client).expect("sound material");
    let mut server = Context::derive(&RustCrypto, &server).expect("sound material");

    let (mut datagram, mut out) = (vec![0; 300 + MAX_OVERHEAD], vec![0; 1024]);
    let Ok((datagram, mut sent)) = client.protect_request(&RustCrypto, &request, &mut datagram) else {
        assert!(!request.code.is_request() || !regular(&request), "{request:?}");
        return;
    };
    let outer = Message::parse(datagram).expect("a datagram");
    let incoming = server.unprotect_request(&RustCrypto, &outer, &mut out).expect("genuine");
    let Incoming::Request(read, mut received) = incoming else { panic!("the window is open") };
    assert_same(&request, &read);

    let (mut datagram, mut out) = (vec![0; data.len() + MAX_OVERHEAD], vec![0; 2 * data.len() + 64]);
    let Ok(datagram) = server.protect_response(&RustCrypto, &mut received, &response, &mut datagram) else {
        assert!(!response.code.is_response() || !regular(&response), "{response:?}");
        return;
    };
    let outer = Message::parse(datagram).expect("a datagram");
    match client.unprotect_response(&RustCrypto, &mut sent, &outer, &mut out) {
        Ok(read) => assert_same(&response, &read),
        Err(error) => {
            let observe = OptionNumber::OBSERVE;
            let stray = response.options.get(observe).is_some() && request.options.get(observe).is_none();
            assert!(stray, "{error:?} {response:?}");
        }
    }
});

/// Messages with an OSCORE option or a Proxy-Uri are not protected. Others fit [`MAX_OVERHEAD`] if Observe, which travels twice, is
/// what RFC 7641 §2 makes it: there once, in 3 bytes at most.
fn regular(message: &Message<'_>) -> bool {
    let mut observe = message.options.all(OptionNumber::OBSERVE);
    [OptionNumber::OSCORE, OptionNumber::PROXY_URI].iter().all(|number| message.options.get(*number).is_none())
        && observe.next().is_none_or(|value| value.len() <= 3)
        && observe.next().is_none()
}

fn assert_same(sent: &Message<'_>, read: &Message<'_>) {
    assert_eq!((sent.kind, sent.code, sent.id, sent.token), (read.kind, read.code, read.id, read.token));
    assert_eq!(sent.payload, read.payload);
    // The value of a notification's Observe is for the way only (RFC 8613 §4.1.3.5.2).
    let notification = sent.code.is_response();
    let options = |message: &Message<'_>| {
        message
            .options
            .map(|(number, value)| match number {
                OptionNumber::OBSERVE if notification => (number, Vec::new()),
                _ => (number, value.to_vec()),
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(options(sent), options(read));
}
