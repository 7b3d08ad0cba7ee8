//! Encodings with two meanings, and second forms of what was good once: each has a defined answer and keeps nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use latchwork_coap::Code;
use latchwork_rs_lib::{Event, Refusal, Uptime};
use support::mint::*;
use support::*;

const SECRET: &[u8] = b"sixteen secrets!";

fn token() -> Claims {
    good(osc(b"7", SECRET))
}

/// Where these bytes stand in those.
fn find(bytes: &[u8], wanted: &[u8]) -> usize {
    bytes.windows(wanted.len()).position(|window| window == wanted).unwrap()
}

fn replaced(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let at = find(bytes, old);
    [&bytes[..at], new, &bytes[at + old.len()..]].concat()
}

/// R8392-7.2-04
#[test]
fn claims_that_are_encoded_twice_over() {
    let claims = token().encode();
    let date = u32::try_from(NOW + 600).unwrap().to_be_bytes();
    let exp = [&[0x1a][..], &date].concat();
    let long = |bytes: &[u8]| [&[0x1b, 0, 0, 0, 0][..], bytes].concat();
    let indefinite = [&[0xbf], &claims[1..], &[0xff]].concat();
    for (what, claims) in [
        ("a map of indefinite length", indefinite),
        ("a map with a long length", [&[0xb8, claims[0] & 0x1f], &claims[1..]].concat()),
        ("a label that is longer than it need be", [&claims[..1], &[0x18, 1], &claims[2..]].concat()),
        ("a date that is longer than it need be", replaced(&claims, &exp, &long(&date))),
        ("a text of indefinite length", replaced(&claims, &[0x72], &[0x7f, 0x72])),
        ("a byte behind it", [&claims[..], &[0]].concat()),
        ("cut short", claims[..claims.len() - 1].to_vec()),
        ("nothing", vec![]),
    ] {
        let mut lock = Lock::new();
        let (code, refusal) = lock.refusal(&encrypted_with(header(KID, &[9; 13]), &KEY, &claims));
        assert_eq!(code, Code::BAD_REQUEST, "{what}: {refusal:?}");
        assert!(matches!(refusal, Some(Refusal::NotClaims(_))), "{what}: {refusal:?}");
        assert_eq!((lock.sessions.live(), lock.sessions.pending()), (0, 0), "{what}");
    }
    // The same claims as they should be.
    let strict = encrypted_with(header(KID, &[9; 13]), &KEY, &claims);
    assert_eq!(Lock::new().refusal(&strict), (Code::CREATED, None));
}

#[test]
fn envelopes_that_are_encoded_twice_over() {
    let token = encrypted(&token());
    assert_eq!(token[..4], [0xd8, 61, 0xd0, 0x83]);
    for (what, token) in [
        ("an array of indefinite length", [&token[..3], &[0x9f], &token[4..], &[0xff]].concat()),
        ("an array with a long length", [&token[..3], &[0x98, 3], &token[4..]].concat()),
        ("a long tag", [&[0xd9, 0, 61], &token[2..]].concat()),
        ("the tag twice", [&token[..2], &token[..]].concat()),
        ("another tag", [&token[..2], &[0xd1], &token[3..]].concat()),
    ] {
        let (code, refusal) = Lock::new().refusal(&token);
        assert_eq!(code, Code::BAD_REQUEST, "{what}: {refusal:?}");
        assert!(matches!(refusal, Some(Refusal::NotAToken(_))), "{what}: {refusal:?}");
    }
}

/// A float is a date as good as any (RFC 8392 §2), if it is one at all.
#[test]
fn dates_that_are_floats() {
    for (exp, is_good) in [
        (NOW as f64 + 1.5, true),
        (NOW as f64 + 0.5, false),
        (f64::NAN, false),
        (f64::INFINITY, false),
        (f64::NEG_INFINITY, false),
        (1e300, false),
        (-1e300, false),
        (-0.0, false),
    ] {
        let (code, refusal) = Lock::new().refusal(&encrypted(&token().set(EXP, exp)));
        assert_eq!(code == Code::CREATED, is_good, "{exp}: {refusal:?}");
    }
}

/// R8747-4-02
#[test]
fn an_eddsa_signature_in_its_second_form() {
    let token = signed_eddsa(&token().set(CNF, public_key()));
    assert_eq!(Lock::new().refusal(&token).1, Some(Refusal::NotForOscore), "good but for its kind");
    const L: [u8; 16] = 0x14de_f9de_a2f7_9cd6_5812_631a_5cf5_d3ed_u128.to_le_bytes();
    let mut twin = token.clone();
    let at = twin.len() - 32;
    let mut carry = 0;
    for (byte, add) in twin[at..].iter_mut().zip(L.into_iter().chain([0; 15]).chain([0x10])) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    assert_eq!((carry, twin == token), (0, false));
    assert_eq!(Lock::new().refusal(&twin), (Code::UNAUTHORIZED, Some(Refusal::Forged)));
}

/// ES256 takes s and n - s alike. A token that counts from receipt is known by its number, so its twin is no second one.
#[test]
fn the_twin_of_a_token_that_counts() {
    let cti = [LOCK.as_bytes(), &5u64.to_be_bytes()].concat();
    let inner = signed(&token().without(EXP).set(EXI, 600).set(CTI, bytes(&cti)));
    let twin = twin(&inner);
    let nested = |inner: &[u8]| encrypted_with(header(KID, &[9; 13]), &KEY, &inner[2..]);
    for (first, second) in [(&inner, &twin), (&twin, &inner)] {
        let mut lock = Lock::counting(Chip::default());
        let mut phone = lock.open(&nested(first), b"me", SECRET);
        assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED);
        lock.now.uptime = Uptime(lock.now.uptime.0 + 600);
        assert_eq!(lock.refusal(&nested(second)), (Code::UNAUTHORIZED, Some(Refusal::Expired)));
        let mut rebooted = Lock::counting(lock.flash);
        assert_eq!(rebooted.refusal(&nested(second)), (Code::UNAUTHORIZED, Some(Refusal::Expired)));
    }
}

/// Without random numbers there is no nonce: the token was good, and nobody is inside.
#[test]
fn a_generator_that_fails() {
    let mut lock = Lock::new();
    let before = lock.random.0;
    lock.random = Counting(u64::MAX);
    let refused = lock.upload(&encrypted(&token()));
    assert!(matches!(refused.event, Event::Refused(Refusal::Broken)), "{:?}", refused.event);
    assert_eq!(refused.code(), Code::INTERNAL_SERVER_ERROR);
    lock.random = Counting(before);
    let mut phone = lock.open(&encrypted(&token()), b"me", SECRET);
    assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED);
}
