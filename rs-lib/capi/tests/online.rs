//! What a server says to a lock in C that has a network: of tokens that only it understands, and of revoked ones.
#![allow(unsafe_code, reason = "the functions are C's")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand;
#[path = "../../tests/support/mod.rs"]
mod support;

use ciborium::value::Value;
use core::ffi::c_void;
use latchwork::*;
use latchwork_coap::{Code, OptionNumber};
use stand::*;
use std::ptr::{null, null_mut};
use support::mint::*;

const REFERENCE: &[u8] = b"an opaque reference to a token";

unsafe extern "C" fn introspect(context: *mut c_void, question: *const Question, answer: *mut Answer) -> i32 {
    let (bench, question, answer) = unsafe { (bench(context), &*question, &mut *answer) };
    let token = unsafe { std::slice::from_raw_parts(question.token, question.token_len) };
    assert_ne!(question.hash, [0; 32]);
    bench.asked.push(token.to_vec());
    let Some((_, (said, issuer, payload))) = bench.answers.iter().find(|(about, _)| about == token) else { return -1 };
    let (said, issuer) = (*said, *issuer);
    assert!(payload.len() <= answer.payload_size);
    unsafe { answer.payload.copy_from_nonoverlapping(payload.as_ptr(), payload.len()) };
    (answer.issuer, answer.payload_len) = (issuer, payload.len());
    said
}

fn asking(said: Said) -> Stand {
    let answers = vec![(REFERENCE.to_vec(), said)];
    start(Bench { answers, ..bench_of(Some(NOW)) }, |_, board| board.introspect = Some(introspect)).unwrap()
}

fn active() -> Claims {
    token().set(10, true)
}

#[test]
fn a_reference_opens_once_the_server_has_answered() {
    let mut stand = asking((0, 0, vec![]));
    let (code, came, event) = stand.upload(REFERENCE);
    assert_eq!((code, event.kind), (Code::SERVICE_UNAVAILABLE, EventKind::Refused));
    assert_eq!(came.message().options.uint(OptionNumber::MAX_AGE), Some(2));
    unsafe { &mut *stand.bench }.answers[0].1 = (1, 0, active().encode());
    let mut phone = stand.enter(REFERENCE);
    assert_eq!(stand.ask(&mut phone, Code::POST, "/door").2, EventKind::Served);
    assert_eq!(stand.ask(&mut phone, Code::POST, "/light").2, EventKind::Denied);
    stand.enter(&encrypted(&token()));
    assert_eq!(unsafe { &*stand.bench }.asked, [REFERENCE, REFERENCE], "what can be read here is not asked about");
}

#[test]
fn answers_that_open_nothing() {
    for (what, said, code) in [
        ("it cannot be asked", (-1, 0, vec![]), Code::BAD_REQUEST),
        ("any other value", (7, 0, active().encode()), Code::BAD_REQUEST),
        ("nothing", (1, 0, vec![]), Code::BAD_REQUEST),
        ("half", (1, 0, active().encode()[..20].to_vec()), Code::BAD_REQUEST),
        ("inactive", (1, 0, active().set(10, false).encode()), Code::UNAUTHORIZED),
        ("expired", (1, 0, active().set(EXP, NOW).encode()), Code::UNAUTHORIZED),
        ("for another lock", (1, 0, active().set(AUD, "x").encode()), Code::FORBIDDEN),
        ("of an issuer that is not there", (1, 1, active().encode()), Code::UNAUTHORIZED),
        ("of no issuer", (1, usize::MAX, active().encode()), Code::BAD_REQUEST),
    ] {
        let (got, _, event) = asking(said).upload(REFERENCE);
        assert_eq!((got, event.kind), (code, EventKind::Refused), "{what}");
    }
    // Nobody to ask.
    assert_eq!(Stand::new().upload(REFERENCE).0, Code::BAD_REQUEST);
    // A function that claims more than there was room for.
    unsafe extern "C" fn boasts(_: *mut c_void, _: *const Question, answer: *mut Answer) -> i32 {
        let answer = unsafe { &mut *answer };
        (answer.issuer, answer.payload_len) = (0, answer.payload_size + 1);
        1
    }
    let mut stand = start(bench_of(Some(NOW)), |_, board| board.introspect = Some(boasts)).unwrap();
    assert_eq!(stand.upload(REFERENCE).0, Code::BAD_REQUEST);
}

/// RFC 9200 §5.9.1: a map with the token as a byte string under 11.
#[test]
fn the_question_in_cbor() {
    let (mut out, mut length) = ([0u8; 64], 0);
    let ask = |token: *const u8, out: *mut u8, room, length| unsafe {
        latchwork_introspection_request(token, REFERENCE.len(), out, room, length)
    };
    assert_eq!(ask(REFERENCE.as_ptr(), out.as_mut_ptr(), 64, &raw mut length), Status::Ok);
    let asked: Value = ciborium::from_reader(&out[..length]).unwrap();
    assert_eq!(asked, map([(11, bytes(REFERENCE))]));
    assert_eq!(ask(REFERENCE.as_ptr(), out.as_mut_ptr(), length - 1, &raw mut length), Status::NoRoom);
    assert_eq!(length, 0);
    assert_eq!(ask(null(), out.as_mut_ptr(), 64, &raw mut length), Status::Null);
    assert_eq!(ask(REFERENCE.as_ptr(), null_mut(), 64, &raw mut length), Status::Null);
    assert_eq!(ask(REFERENCE.as_ptr(), out.as_mut_ptr(), 64, null_mut()), Status::Null);
}

fn learn(stand: &Stand, payload: &[u8]) -> Status {
    unsafe { latchwork_learn(stand.lock, 0, payload.as_ptr(), payload.len()) }
}

fn kept(stand: &Stand) -> Vec<[u8; 32]> {
    let mut hash = [0; 32];
    let mut all = vec![];
    while unsafe { latchwork_revoked(stand.lock, all.len(), hash.as_mut_ptr()) } == Status::Ok {
        all.push(hash);
    }
    all
}

/// From the server's list (RFC 9770 §7.2), to a lock that does not forget it over a reboot.
#[test]
fn a_list_of_revoked_tokens() {
    let mut stand = Stand::new();
    let secret = encrypted(&token());
    let (_, came, event) = stand.upload(&secret);
    let mut phone = support::Phone::derive(&came, &[], b"me", SECRET, None);
    let hash = [&[1][..], &event.token].concat();
    let list = |hashes: Vec<Value>| encode(&map([(0, Value::Array(hashes))]));
    assert_eq!(learn(&stand, &list(vec![bytes(&hash)])), Status::Ok);
    assert_eq!(stand.ask(&mut phone, Code::POST, "/door").2, EventKind::Unauthorized);
    assert_eq!(stand.upload(&secret).0, Code::UNAUTHORIZED);
    assert_eq!(kept(&stand), [event.token]);
    for (what, noise) in
        [("nothing", &b""[..]), ("no map", b"\x80"), ("no list", b"\xa1\x00\x01"), ("half", b"\xa1\x00")]
    {
        assert_eq!(learn(&stand, noise), Status::BadPayload, "{what}");
    }
    assert_eq!(kept(&stand), [event.token]);

    let mut again = Stand::new();
    assert_eq!(kept(&again), [] as [[u8; 32]; 0]);
    for hash in kept(&stand) {
        assert_eq!(unsafe { latchwork_revoke(again.lock, 0, hash.as_ptr()) }, Status::Ok);
    }
    assert_eq!(again.upload(&secret).0, Code::UNAUTHORIZED);
    unsafe {
        assert_eq!(latchwork_learn(null_mut(), 0, [0xa0].as_ptr(), 0), Status::BadPayload);
        assert_eq!(latchwork_learn(null_mut(), 0, list(vec![]).as_ptr(), list(vec![]).len()), Status::Null);
        assert_eq!(latchwork_learn(stand.lock, 0, null(), 0), Status::Null);
        assert_eq!(latchwork_revoked(stand.lock, 0, null_mut()), Status::Null);
        assert_eq!(latchwork_revoked(null_mut(), 0, [0; 32].as_mut_ptr()), Status::Null);
        assert_eq!(latchwork_revoke(null_mut(), 0, [0; 32].as_ptr()), Status::Null);
    }
}
