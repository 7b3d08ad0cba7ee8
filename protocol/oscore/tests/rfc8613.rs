//! The messages of RFC 8613, Appendix C.4 to C.8, made and read. The keys of C.1 to C.3 are tested beside the context.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{CLIENT, answer, ask, content, hear, hex, server, swapped, take};
use latchwork_coap::Message;
use latchwork_crypto::RustCrypto;
use latchwork_oscore::{Context, Material};

/// A client whose next number is 20.
fn at_20(material: &Material<'_>) -> Context {
    let mut client = Context::restore(&RustCrypto, material, 20, [0; 8]).unwrap();
    client.reserved(30);
    client
}

const C1: Material<'static> = CLIENT;
const C2: Material<'static> = Material { master_salt: &[], sender_id: &[0], ..CLIENT };
const C3: Material<'static> =
    Material { id_context: Some(&[0x37, 0xcb, 0xf3, 0x21, 0x00, 0x17, 0xa2, 0xd3]), ..CLIENT };

const C4_PROTECTED: &str = "44025d1f00003974396c6f63616c686f7374620914ff612f1092f1776f1c1668b3825e";
const C4_PLAIN: &str = "44015d1f00003974396c6f63616c686f737483747631";

/// R8613-5.2-01
#[test]
fn requests() {
    for (name, material, plain, protected) in [
        ("C.4", C1, C4_PLAIN, C4_PROTECTED),
        (
            "C.5",
            C2,
            "440171c30000b932396c6f63616c686f737483747631",
            "440271c30000b932396c6f63616c686f737463091400ff4ed339a5a379b0b8bc731fffb0",
        ),
        (
            "C.6",
            C3,
            "44012f8eef9bbf7a396c6f63616c686f737483747631",
            "44022f8eef9bbf7a396c6f63616c686f73746b19140837cbf3210017a2d3ff72cd7273fd331ac45cffbe55c3",
        ),
    ] {
        let (plain, protected) = (hex(plain), hex(protected));
        let (made, sent) = ask(&mut at_20(&material), &plain).unwrap();
        assert_eq!(made, protected, "{name}");
        assert_eq!(sent.piv().number(), 20, "{name}");

        let mut server = Context::derive(&RustCrypto, &swapped(material)).unwrap();
        let (read, _) = take(&mut server, &protected).unwrap();
        assert_eq!(read, Some(content(&Message::parse(&plain).unwrap())), "{name}");
    }
}

/// R8613-5.2-01, R8613-8.3-01
#[test]
fn responses() {
    let plain = hex("64455d1f00003974ff48656c6c6f20576f726c6421");
    let (mut server, request) = (server(), hex(C4_PROTECTED));
    let (_, mut received) = take(&mut server, &request).unwrap();
    for (name, protected) in [
        ("C.7", "64445d1f0000397490ffdbaad1e9a7e7b2a813d3c31524378303cdafae119106"),
        ("C.8", "64445d1f00003974920100ff4d4c13669384b67354b2b6175ff4b8658c666a6cf88e"),
    ] {
        let protected = hex(protected);
        // The first response may use the request's nonce, the second must have number 0: as it happens, C.7 and C.8.
        assert_eq!(answer(&mut server, &mut received, &plain).unwrap(), protected, "{name}");

        let mut client = at_20(&C1);
        let (_, mut sent) = ask(&mut client, &hex(C4_PLAIN)).unwrap();
        let read = hear(&client, &mut sent, &protected).unwrap();
        assert_eq!(read, content(&Message::parse(&plain).unwrap()), "{name}");
    }
}
