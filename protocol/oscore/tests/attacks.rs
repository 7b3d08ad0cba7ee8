//! What an adversary between the ends can do to datagrams, and what becomes of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{CLIENT, answer, ask, client, datagram, hear, server, swapped, take};
use latchwork_coap::{Code, Message};
use latchwork_crypto::{RustCrypto, Symmetric};
use latchwork_oscore::{Context, Error, Incoming, MAX_OVERHEAD, Material};

type Options<'o> = &'o [(u16, &'o [u8])];

const OPEN: Options<'_> = &[(11, b"door")];

fn open() -> Vec<u8> {
    datagram(Code::POST, OPEN, b"now")
}

fn opened() -> Vec<u8> {
    datagram(Code::CHANGED, &[], b"open")
}

/// Where the protected part begins: whatever is in front may be rewritten by any proxy.
fn payload_at(datagram: &[u8]) -> usize {
    datagram.len() - Message::parse(datagram).unwrap().payload.len()
}

/// R9200-5-01, R9200-6.5-02, R8613-7.4-01
#[test]
fn no_flipped_bit_is_accepted() {
    let (mut client, mut server) = (client(), server());
    let (request, mut sent) = ask(&mut client, &open()).unwrap();
    let start = payload_at(&request) - 3; // option value 09 00 and the marker
    for at in start..request.len() {
        for bit in 0..8 {
            let mut forged = request.clone();
            forged[at] ^= 1 << bit;
            let Ok(message) = Message::parse(&forged) else { continue };
            let mut out = [0xaa; 256];
            let verdict = server.unprotect_request(&RustCrypto, &message, &mut out);
            assert!(verdict.is_err(), "byte {at} bit {bit}");
        }
    }
    // Nothing of it moved the window.
    let (read, mut received) = take(&mut server, &request).unwrap();
    assert_eq!(read.unwrap().2, b"now");

    let response = answer(&mut server, &mut received, &opened()).unwrap();
    for at in payload_at(&response)..response.len() {
        for bit in 0..8 {
            let mut forged = response.clone();
            forged[at] ^= 1 << bit;
            assert_eq!(hear(&client, &mut sent, &forged), Err(Error::DecryptionFailed), "byte {at} bit {bit}");
        }
    }
    assert_eq!(hear(&client, &mut sent, &response).unwrap().2, b"open");
}

#[test]
fn no_truncated_message_is_accepted() {
    let (mut client, mut server) = (client(), server());
    let (request, mut sent) = ask(&mut client, &open()).unwrap();
    for length in 0..request.len() {
        let Ok(message) = Message::parse(&request[..length]) else { continue };
        assert!(server.unprotect_request(&RustCrypto, &message, &mut [0; 256]).is_err(), "{length}");
    }
    let mut longer = request.clone();
    longer.push(0);
    assert_eq!(take(&mut server, &longer).unwrap_err(), Error::DecryptionFailed);

    let (_, mut received) = take(&mut server, &request).unwrap();
    let response = answer(&mut server, &mut received, &opened()).unwrap();
    for length in 0..response.len() {
        let Ok(message) = Message::parse(&response[..length]) else { continue };
        assert!(client.unprotect_response(&RustCrypto, &mut sent, &message, &mut [0; 256]).is_err(), "{length}");
    }
    assert!(hear(&client, &mut sent, &response).is_ok());
}

/// R8613-7.4-01
#[test]
fn a_replay_is_refused_also_with_another_header() {
    let (mut client, mut server) = (client(), server());
    let (request, _) = ask(&mut client, &open()).unwrap();
    assert!(take(&mut server, &request).is_ok());
    assert_eq!(take(&mut server, &request).unwrap_err(), Error::Replayed);
    let mut renumbered = request.clone();
    renumbered[3] ^= 1; // message ID
    renumbered[4] ^= 1; // token
    assert_eq!(take(&mut server, &renumbered).unwrap_err(), Error::Replayed);
    // Out of order is fine, once.
    let later: Vec<_> = (0..40).map(|_| ask(&mut client, &open()).unwrap().0).collect();
    assert!(take(&mut server, &later[39]).is_ok());
    assert!(take(&mut server, &later[8]).is_ok());
    assert_eq!(take(&mut server, &later[8]).unwrap_err(), Error::Replayed);
    assert_eq!(take(&mut server, &later[7]).unwrap_err(), Error::Replayed, "older than the window");
}

/// R9200-5-03, R9200-6.5-02, R9175-4.2-01, R8613-5.4-01, R8613-8.4-01
#[test]
fn a_response_answers_its_request_only() {
    let (mut client, mut server) = (client(), server());
    let [(first, mut sent_first), (second, mut sent_second)] = [(), ()].map(|()| ask(&mut client, &open()).unwrap());
    let [to_first, to_second] = [first, second].map(|request| {
        let (_, mut received) = take(&mut server, &request).unwrap();
        let own_nonce = answer(&mut server, &mut received, &opened()).unwrap();
        [own_nonce, answer(&mut server, &mut received, &opened()).unwrap()]
    });
    for with_number in [0, 1] {
        assert_eq!(hear(&client, &mut sent_first, &to_second[with_number]), Err(Error::DecryptionFailed));
        assert_eq!(hear(&client, &mut sent_second, &to_first[with_number]), Err(Error::DecryptionFailed));
    }
    assert!(hear(&client, &mut sent_first, &to_first[0]).is_ok());
    assert_eq!(hear(&client, &mut sent_first, &to_first[0]), Err(Error::Replayed), "one response a request");
    assert_eq!(hear(&client, &mut sent_first, &to_first[1]), Err(Error::Replayed));
    assert!(hear(&client, &mut sent_second, &to_second[1]).is_ok());
}

/// R8613-8.4-01
#[test]
fn a_request_is_no_response_and_does_not_come_back() {
    let (mut client, mut server) = (client(), server());
    let (request, mut sent) = ask(&mut client, &open()).unwrap();
    assert_eq!(hear(&client, &mut sent, &request), Err(Error::UnknownContext), "reflected to its sender");
    assert_eq!(take(&mut client, &request).unwrap_err(), Error::UnknownContext, "reflected as a request");
    let (_, mut received) = take(&mut server, &request).unwrap();
    let response = answer(&mut server, &mut received, &opened()).unwrap();
    assert_eq!(take(&mut server, &response).unwrap_err(), Error::Malformed, "no kid, no Partial IV");
}

/// R8613-8.2-01
#[test]
fn other_keys_and_other_names() {
    let stranger = Material { master_secret: &[9; 16], ..CLIENT };
    let renamed = Material { sender_id: &[7], ..CLIENT };
    let named = Material { id_context: Some(b"elsewhere"), ..CLIENT };
    for (what, material, error, code) in [
        ("wrong key under the right kid", stranger, Error::DecryptionFailed, Code::BAD_REQUEST),
        ("unknown kid", renamed, Error::UnknownContext, Code::UNAUTHORIZED),
        ("unknown kid context", named, Error::UnknownContext, Code::UNAUTHORIZED),
    ] {
        let mut adversary = Context::derive(&RustCrypto, &material).unwrap();
        let (request, _) = ask(&mut adversary, &open()).unwrap();
        let refused = take(&mut server(), &request).unwrap_err();
        assert_eq!((refused, refused.response_code()), (error, Some(code)), "{what}");
    }
}

/// Options that are wrong before any cryptography is done.
/// R8613-6.1-01, R8613-8.2-01
#[test]
fn malformed_options() {
    let payload: &[u8] = &[0; 24];
    let rows: &[(&str, Options<'_>, &[u8], Error)] = &[
        ("no OSCORE option", OPEN, payload, Error::NotProtected),
        ("empty value in a request", &[(9, &[])], payload, Error::Malformed),
        ("two OSCORE options", &[(9, &[0x09, 0]), (9, &[0x09, 0])], payload, Error::Malformed),
        ("no payload", &[(9, &[0x09, 0])], &[], Error::Malformed),
        ("no kid", &[(9, &[0x01, 0])], payload, Error::Malformed),
        ("no Partial IV", &[(9, &[0x08])], payload, Error::Malformed),
        ("reserved bit", &[(9, &[0x89, 0])], payload, Error::Malformed),
        ("Partial IV of 6 bytes", &[(9, &[0x0e, 1, 2, 3, 4, 5, 6])], payload, Error::Malformed),
        ("Partial IV with a leading zero", &[(9, &[0x0a, 0, 1])], payload, Error::Malformed),
        ("kid of 8 bytes", &[(9, &[0x09, 0, 1, 2, 3, 4, 5, 6, 7, 8])], payload, Error::UnknownContext),
        ("shorter than a tag", &[(9, &[0x09, 0])], &[0; 7], Error::DecryptionFailed),
        ("a tag and nothing else", &[(9, &[0x09, 0])], &[0; 8], Error::DecryptionFailed),
    ];
    for (what, options, payload, error) in rows {
        let refused = take(&mut server(), &datagram(Code::POST, options, payload)).unwrap_err();
        assert_eq!(refused, *error, "{what}");
        let code = match error {
            Error::Malformed => Code::BAD_OPTION,
            Error::DecryptionFailed => Code::BAD_REQUEST,
            _ => Code::UNAUTHORIZED,
        };
        assert_eq!(refused.response_code(), Some(code), "{what}");
    }
    let rows: &[(&str, Options<'_>, &[u8], Error)] = &[
        ("no OSCORE option", &[], payload, Error::NotProtected),
        ("two OSCORE options", &[(9, &[]), (9, &[])], payload, Error::Malformed),
        ("flags of zero that are there", &[(9, &[0])], payload, Error::Malformed),
        ("foreign kid", &[(9, &[0x08, 5])], payload, Error::UnknownContext),
        ("foreign kid context", &[(9, &[0x10, 1, 5])], payload, Error::UnknownContext),
        ("no payload", &[(9, &[])], &[], Error::Malformed),
    ];
    for (what, options, payload, error) in rows {
        let mut client = client();
        let (_, mut sent) = ask(&mut client, &open()).unwrap();
        assert_eq!(hear(&client, &mut sent, &datagram(Code::CHANGED, options, payload)), Err(*error), "{what}");
    }
}

/// Encrypts any plaintext the way an end of C.1 would encrypt request number 0 or its response.
fn sealed(key: &str, option: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let key = common::hex(key).try_into().unwrap();
    let nonce = common::hex("4622d4dd6d944168eefb54987c").try_into().unwrap();
    let aad = common::hex("8368456e63727970743040488501810a40410040");
    let mut payload = plaintext.to_vec();
    let mut tag = [0; 8];
    RustCrypto.ccm_seal(&key, &nonce, &aad, &mut payload, &mut tag).unwrap();
    payload.extend(tag);
    datagram(Code::POST, &[(9, option)], &payload)
}

fn sealed_request(plaintext: &[u8]) -> Vec<u8> {
    sealed("f0910ed7295e6ad4b54fc793154302ff", &[0x09, 0], plaintext)
}

fn sealed_response(plaintext: &[u8]) -> Vec<u8> {
    sealed("ffb14e093c94c9cac9471648b4f98710", &[], plaintext)
}

/// The peer has the key and still sends nonsense.
#[test]
fn malformed_plaintexts() {
    let rows: &[(&str, &[u8])] = &[
        ("nothing", &[]),
        ("empty code", &[0]),
        ("response code", &[0x45]),
        ("signalling code", &[0xe1]),
        ("marker without payload", &[0x02, 0xff]),
        ("option cut", &[0x02, 0xb4, b'd', b'o']),
        ("reserved delta", &[0x02, 0xf0]),
        ("reserved length", &[0x02, 0x0f]),
        ("option number past 65535", &[0x02, 0xe0, 0xff, 0xff]),
        ("protected twice", &[0x02, 0x91, 0x00, 0xff, 0x00]),
    ];
    for (what, plaintext) in rows {
        let mut server = server();
        let refused = take(&mut server, &sealed_request(plaintext)).unwrap_err();
        assert_eq!((refused, refused.response_code()), (Error::BadPlaintext, Some(Code::BAD_REQUEST)), "{what}");
        // It was genuine, so its number is used up.
        assert_eq!(take(&mut server, &sealed_request(plaintext)).unwrap_err(), Error::Replayed, "{what}");
    }
    assert!(take(&mut server(), &sealed_request(&[0x02])).is_ok());

    let (mut client, [content, request]) = (client(), [0x45, 0x02]);
    let (_, mut sent) = ask(&mut client, &open()).unwrap();
    for plaintext in [&[][..], &[0], &[request], &[0xe1], &[content, 0xff], &[content, 0x91, 0x00]] {
        assert_eq!(hear(&client, &mut sent, &sealed_response(plaintext)), Err(Error::BadPlaintext), "{plaintext:02x?}");
    }
    assert!(hear(&client, &mut sent, &sealed_response(&[content])).is_ok(), "none of them counted as the response");
}

/// R8613-4.1-01
#[test]
fn what_is_outside_does_not_get_inside() {
    let (mut client, mut server) = (client(), server());
    let inner = datagram(Code::POST, &[(11, b"door"), (2049, b"unknown, critical")], b"now");
    let (request, _) = ask(&mut client, &inner).unwrap();
    let request = Message::parse(&request).unwrap();
    let oscore = request.options.map(|(_, value)| value).next().unwrap();
    let injected: &[(u16, &[u8])] = &[
        (1, b"if-match"),
        (3, b"host"), // class U survives
        (6, &[]),
        (7, &[0x16, 0x33]),
        (9, oscore),
        (11, b"vault"),
        (14, &[0]),
        (17, &[60]),
        (23, &[0x06]),
        (27, &[0x0e]),
        (39, b"coap"),
        (60, &[1]),
        (252, b"echo"),
        (258, &[26]),
        (292, b"tag"),
        (4097, b"unknown, critical"),
    ];
    let outer = datagram(Code::DELETE, injected, request.payload);
    let (read, _) = take(&mut server, &outer).unwrap();
    let (code, options, payload) = read.unwrap();
    assert_eq!((code, &payload[..]), (Code::POST, &b"now"[..]));
    let expected: &[(u16, &[u8])] =
        &[(3, b"host"), (7, &[0x16, 0x33]), (11, b"door"), (39, b"coap"), (2049, b"unknown, critical")];
    assert!(options.iter().map(|(number, value)| (*number, &value[..])).eq(expected.iter().copied()), "{options:?}");
}

/// R8613-4.1-01, R8613-4.2-01
#[test]
fn what_a_proxy_may_see() {
    let options: Options<'_> = &[
        (1, b"tag"),
        (3, b"host"),
        (7, &[0x16, 0x33]),
        (11, b"door"),
        (15, b"who=me"),
        (21, b""), // EDHOC
        (27, &[0x06]),
        (39, b"coap"),
        (252, b"echo"),
        (65535, b"unknown"),
    ];
    let (protected, _) = ask(&mut client(), &datagram(Code::PUT, options, b"now")).unwrap();
    let outer = Message::parse(&protected).unwrap();
    assert_eq!(outer.code, Code::POST);
    let seen: Vec<_> = outer.options.map(|(number, value)| (number.0, value)).collect();
    let expected: Options<'_> = &[(3, b"host"), (7, &[0x16, 0x33]), (9, &[0x09, 0x00]), (21, b""), (39, b"coap")];
    assert_eq!(seen, expected);
}

/// A class U option that the peer protected all the same is not doubled by one from outside.
#[test]
fn what_is_protected_wins() {
    let mut plaintext = vec![0x02, 0x34];
    plaintext.extend(b"mine");
    let protected = sealed_request(&plaintext);
    let payload = Message::parse(&protected).unwrap().payload.to_vec();
    let outer = datagram(Code::POST, &[(3, b"evil"), (7, &[1]), (9, &[0x09, 0])], &payload);
    let (read, _) = take(&mut server(), &outer).unwrap();
    assert_eq!(read.unwrap().1, [(3, b"mine".to_vec()), (7, vec![1])]);
}

/// R8613-7.2-01, R8613-8.3-01
#[test]
fn too_little_room_reuses_no_nonce() {
    let (mut client, mut server) = (client(), server());
    let (open, opened) = (open(), opened());
    let request = Message::parse(&open).unwrap();
    let response = Message::parse(&opened).unwrap();
    let mut buf = [0; 128];
    let needed = ask(&mut client, &open).unwrap().0.len();
    for room in 0..needed {
        let refused = client.protect_request(&RustCrypto, &request, &mut buf[..room]);
        assert_eq!(refused.unwrap_err(), Error::NoRoom, "{room}");
    }
    let (sent, pending) = client.protect_request(&RustCrypto, &request, &mut buf[..needed]).unwrap();
    assert_eq!(pending.piv().number(), needed as u64 + 1, "every failure cost a number");

    let sent = sent.to_vec();
    let message = Message::parse(&sent).unwrap();
    let plaintext = message.payload.len() - 8;
    for room in 0..plaintext {
        let refused = server.unprotect_request(&RustCrypto, &message, &mut buf[..room]);
        assert_eq!(refused.unwrap_err(), Error::NoRoom, "{room}");
    }
    let incoming = server.unprotect_request(&RustCrypto, &message, &mut buf[..plaintext]);
    let Ok(Incoming::Request(_, mut received)) = incoming else { panic!("the window did not move") };

    // The request's nonce is gone with the failed attempt: the response that fits has a number of its own.
    assert_eq!(server.protect_response(&RustCrypto, &mut received, &response, &mut []).unwrap_err(), Error::NoRoom);
    let mut out = [0; 128];
    let answered = server.protect_response(&RustCrypto, &mut received, &response, &mut out).unwrap();
    assert_eq!(Message::parse(answered).unwrap().options.next().unwrap().1, [0x01, 0x00]);
}

#[test]
fn large_messages() {
    let (mut client, mut server) = (client(), server());
    let payload = vec![0x5a; 4096];
    let (request, _) = ask(&mut client, &datagram(Code::PUT, OPEN, &payload)).unwrap();
    assert_eq!(take(&mut server, &request).unwrap().0.unwrap().2, payload);
    let mut small = [0; 1024];
    let (request, _) = ask(&mut client, &datagram(Code::PUT, OPEN, &payload)).unwrap();
    let refused = server.unprotect_request(&RustCrypto, &Message::parse(&request).unwrap(), &mut small);
    assert_eq!(refused.unwrap_err(), Error::NoRoom);
}

#[test]
fn what_cannot_be_protected() {
    let rows: &[(&str, Code, Options<'_>)] = &[
        ("protected already", Code::POST, &[(9, &[0x09, 0])]),
        ("Proxy-Uri shows the path", Code::GET, &[(35, b"coap://lock/door")]),
        ("a response", Code::CONTENT, &[]),
    ];
    for (what, code, options) in rows {
        let mut client = client();
        assert_eq!(ask(&mut client, &datagram(*code, options, &[])).unwrap_err(), Error::Unfit, "{what}");
        assert_eq!(ask(&mut client, &open()).unwrap().1.piv().number(), 0, "{what}: nothing was spent");
    }
    let (mut client, mut server) = (client(), server());
    let (request, _) = ask(&mut client, &open()).unwrap();
    let (_, mut received) = take(&mut server, &request).unwrap();
    assert_eq!(answer(&mut server, &mut received, &open()).unwrap_err(), Error::Unfit, "a request as the response");

    // Under another context of ours, the request's nonce could be one of its own.
    let other = Material { recipient_id: &[5], ..swapped(CLIENT) };
    let mut other = Context::derive(&RustCrypto, &other).unwrap();
    assert_eq!(answer(&mut other, &mut received, &opened()).unwrap_err(), Error::Unfit);
}

#[test]
fn every_length_of_partial_iv() {
    for (number, length) in [
        (0, 1),
        (0xff, 1),
        (0x100, 2),
        (0xffff, 2),
        (0x1_0000, 3),
        (0x100_0000, 4),
        (0x1_0000_0000, 5),
        ((1 << 40) - 1, 5),
    ] {
        let mut client = Context::restore(&RustCrypto, &CLIENT, number, [0; 8]).unwrap();
        client.reserved(number + 1);
        let (request, mut sent) = ask(&mut client, &open()).unwrap();
        let option = Message::parse(&request).unwrap().options.next().unwrap().1.to_vec();
        assert_eq!((option[0], option.len()), (0x08 | length, 1 + usize::from(length)), "{number}");
        let mut server = server();
        let (_, mut received) = take(&mut server, &request).unwrap();
        let response = answer(&mut server, &mut received, &opened()).unwrap();
        assert!(hear(&client, &mut sent, &response).is_ok(), "{number}");
        assert_eq!(take(&mut server, &request).unwrap_err(), Error::Replayed, "{number}");
    }
}

/// R9203-6-01, R9203-6-02, EDHOC-4.7-01, EDHOC-4.7-02, R8613-7.2.1-01
#[test]
fn the_overhead_has_a_bound() {
    let longest = Material { sender_id: &[1; 7], id_context: Some(&[2; 32]), ..CLIENT };
    let mut client = Context::restore(&RustCrypto, &longest, (1 << 40) - 2, [0; 8]).unwrap();
    client.reserved(1 << 40);
    let options: &[(u16, &[u8])] =
        &[(3, b"h"), (6, &[1, 2, 3]), (7, &[1, 2]), (15, b"q"), (21, b""), (39, b"coap"), (292, b"t"), (600, b"")];
    let request = datagram(Code::FETCH, options, &[]);
    let (protected, _) = ask(&mut client, &request).unwrap();
    assert!(protected.len() <= request.len() + MAX_OVERHEAD);
    assert!(ask(&mut client, &request).is_ok(), "the last number");
    assert_eq!(ask(&mut client, &request).unwrap_err(), Error::Exhausted);
}
