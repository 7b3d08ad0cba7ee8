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
        ("the same, and it names none", (1, 1, active().without(ISS).encode()), Code::UNAUTHORIZED),
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

fn learn(stand: &Stand, issuer: u8, payload: &[u8]) -> Status {
    unsafe { latchwork_learn(stand.lock, issuer, payload.as_ptr(), payload.len()) }
}

/// A revoked token that the lock keeps: issuer, hash, number.
type Kept = (u8, [u8; 32], Option<u64>);

const NONE: Revoked = Revoked { token: [0; 32], issuer: 0, is_numbered: false, number: 0 };

fn kept(stand: &Stand) -> Vec<Kept> {
    let mut revoked = NONE;
    let mut all = vec![];
    while unsafe { latchwork_revoked(stand.lock, all.len(), &raw mut revoked) } == Status::Ok {
        all.push((revoked.issuer, revoked.token, revoked.is_numbered.then_some(revoked.number)));
    }
    all
}

/// Hands in what another lock kept.
fn again(stand: &Stand, all: &[Kept]) {
    for &(issuer, token, number) in all {
        let revoked = Revoked { token, issuer, is_numbered: number.is_some(), number: number.unwrap_or_default() };
        assert_eq!(unsafe { latchwork_revoke_again(stand.lock, &raw const revoked) }, Status::Ok);
    }
}

fn list(hashes: &[[u8; 32]]) -> Vec<u8> {
    let hashes = hashes.iter().map(|hash| bytes(&[&[1], &hash[..]].concat())).collect();
    encode(&map([(0, Value::Array(hashes))]))
}

/// From the server's list (RFC 9770 §7.2), to a lock that does not forget it over a reboot.
#[test]
fn a_list_of_revoked_tokens() {
    let mut stand = Stand::new();
    let secret = encrypted(&token());
    let (_, came, event) = stand.upload(&secret);
    let mut phone = support::Phone::derive(&came, &[], b"me", SECRET, None);
    assert_eq!(learn(&stand, 0, &list(&[event.token])), Status::Ok);
    assert_eq!(stand.ask(&mut phone, Code::POST, "/door").2, EventKind::Unauthorized);
    assert_eq!(stand.upload(&secret).0, Code::UNAUTHORIZED);
    assert_eq!(kept(&stand), [(0, event.token, None)]);
    for (what, noise) in
        [("nothing", &b""[..]), ("no map", b"\x80"), ("no list", b"\xa1\x00\x01"), ("half", b"\xa1\x00")]
    {
        assert_eq!(learn(&stand, 0, noise), Status::BadPayload, "{what}");
    }
    assert_eq!(kept(&stand), [(0, event.token, None)]);

    let mut rebooted = Stand::new();
    assert_eq!(kept(&rebooted), []);
    again(&rebooted, &kept(&stand));
    assert_eq!(rebooted.upload(&secret).0, Code::UNAUTHORIZED);
    let (empty, mut revoked) = (list(&[]), NONE);
    unsafe {
        assert_eq!(latchwork_learn(null_mut(), 0, [0xa0].as_ptr(), 0), Status::BadPayload);
        assert_eq!(latchwork_learn(null_mut(), 0, empty.as_ptr(), empty.len()), Status::Null);
        assert_eq!(latchwork_learn(stand.lock, 0, null(), 0), Status::Null);
        assert_eq!(latchwork_revoked(stand.lock, 0, null_mut()), Status::Null);
        assert_eq!(latchwork_revoked(null_mut(), 0, &raw mut revoked), Status::Null);
        assert_eq!(latchwork_revoke(null_mut(), 0, [0; 32].as_ptr()), Status::Null);
        assert_eq!(latchwork_revoke_again(stand.lock, null()), Status::Null);
        assert_eq!(latchwork_revoke_again(null_mut(), &raw const revoked), Status::Null);
    }
}

/// An issuer that the config does not have revokes nothing.
#[test]
fn no_such_issuer() {
    let mut stand = Stand::new();
    let mut phone = stand.enter(&encrypted(&token()));
    assert_eq!(stand.ask(&mut phone, Code::POST, "/door").2, EventKind::Served);
    let hash = stand.upload(&encrypted(&token())).2.token;
    for issuer in [1, 2, 4, u8::MAX] {
        let revoked = Revoked { token: hash, issuer, ..NONE };
        unsafe {
            assert_eq!(latchwork_revoke(stand.lock, issuer, hash.as_ptr()), Status::NoIssuer, "{issuer}");
            assert_eq!(latchwork_revoke_again(stand.lock, &raw const revoked), Status::NoIssuer, "{issuer}");
        }
        assert_eq!(learn(&stand, issuer, &list(&[hash])), Status::NoIssuer, "{issuer}");
        assert_eq!(kept(&stand), []);
    }
    assert_eq!(stand.ask(&mut phone, Code::POST, "/door").2, EventKind::Served);
}

/// A token of one of two servers that counts from its receipt.
fn numbered(issuer: u8, number: u64) -> Vec<u8> {
    let cti = [LOCK.as_bytes(), &number.to_be_bytes()].concat();
    let claims = good(osc(&number.to_be_bytes(), SECRET)).without(EXP).set(EXI, 600).set(CTI, bytes(&cti));
    match issuer {
        0 => encrypted(&claims),
        _ => encrypted_with(header(b"other-1", &[9; 13]), &[3; 16], &claims.set(ISS, "https://other.example").encode()),
    }
}

/// A lock that trusts a second server, with what an earlier life left in its flash.
fn of_two(flash: Vec<([u8; 8], u64)>) -> Stand {
    start(Bench { flash, ..bench_of(None) }, |config, _| {
        let leak = |bytes: &[u8]| bytes_of(bytes.to_vec().leak());
        let key = Key { kind: KeyKind::AesCcm as u8, retired: false, kid: leak(b"other-1"), key: leak(&[3; 16]) };
        let first = unsafe { config.issuers.read() };
        let second = Issuer {
            name: leak(b"https://other.example"),
            token_uri: leak(b"https://other.example/token"),
            keys: Box::leak(Box::new(key)),
            keys_len: 1,
            ceiling: Bytes { data: null(), len: 0 },
        };
        (config.issuers, config.issuers_len) = (vec![first, second].leak().as_ptr(), 2);
    })
    .unwrap()
}

/// Of two servers' revoked tokens a reboot loses neither whose they are, nor the numbers of those that were seen, nor the order.
#[test]
fn a_reboot_loses_nothing_of_what_two_servers_revoked() {
    let hash = |issuer, number| of_two(vec![]).upload(&numbered(issuer, number)).2.token;
    let (first, second) = (hash(0, 5), hash(1, 7));
    assert_ne!(first, second);
    let mut stand = of_two(vec![]);
    unsafe {
        // One was here, one comes after it was revoked, one never.
        stand.upload(&numbered(1, 7));
        assert_eq!(latchwork_revoke(stand.lock, 1, second.as_ptr()), Status::Ok);
        assert_eq!(latchwork_revoke(stand.lock, 0, first.as_ptr()), Status::Ok);
        assert_eq!(latchwork_revoke(stand.lock, 0, [9; 32].as_ptr()), Status::Ok);
    }
    assert_eq!(stand.upload(&numbered(0, 5)).0, Code::UNAUTHORIZED);
    let before = kept(&stand);
    assert_eq!(before, [(1, second, Some(7)), (0, first, Some(5)), (0, [9; 32], None)]);

    let flash = unsafe { &*stand.bench }.flash.clone();
    let mut rebooted = of_two(flash);
    again(&rebooted, &before);
    assert_eq!(kept(&rebooted), before);
    for (issuer, number, code) in [
        (0, 5, Code::UNAUTHORIZED),
        (1, 7, Code::UNAUTHORIZED),
        (0, 7, Code::CREATED),
        (0, 4, Code::CREATED),
        (1, 6, Code::CREATED),
    ] {
        assert_eq!(rebooted.upload(&numbered(issuer, number)).0, code, "{issuer} {number}");
    }
    // Each list says nothing of the other's. Pushed out by others of its own server, a token's number is over: it does not come back.
    assert_eq!(learn(&rebooted, 0, &list(&[])), Status::Ok);
    assert_eq!(kept(&rebooted), before);
    for byte in 100..140 {
        assert_eq!(unsafe { latchwork_revoke(rebooted.lock, 0, [byte; 32].as_ptr()) }, Status::Ok);
    }
    let left = kept(&rebooted);
    assert!(left.contains(&(1, second, Some(7))) && !left.contains(&(0, first, Some(5))), "{left:?}");
    for (issuer, number, code) in [
        (0, 5, Code::UNAUTHORIZED),
        (0, 4, Code::UNAUTHORIZED),
        (0, 6, Code::CREATED),
        (1, 7, Code::UNAUTHORIZED),
        (1, 6, Code::CREATED),
    ] {
        assert_eq!(rebooted.upload(&numbered(issuer, number)).0, code, "{issuer} {number}, its hash gone");
    }
}
