//! The functions that C calls, called as C does: a lock opens for a token, and for nothing else.
#![allow(unsafe_code, reason = "the functions are C's")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand;
#[path = "../../tests/support/mod.rs"]
mod support;

use core::ffi::c_void;
use latchwork::*;
use latchwork_coap::{Code, Message};
use latchwork_crypto::RustCrypto;
use latchwork_rs_lib::Event as Happened;
use stand::*;
use std::ptr::{null, null_mut};
use support::mint::*;
use support::{Phone, Response as Came, request};

#[test]
fn a_token_opens() {
    let mut stand = Stand::new();
    let mut phone = stand.enter(&encrypted(&token()));
    assert_eq!(stand.ask(&mut phone, Code::POST, "/door"), (Code::CHANGED, b"!".to_vec(), EventKind::Served));
    assert_eq!(unsafe { &*stand.bench }.served, [(2, 1, b"door".to_vec())]);
    for (method, path, code) in [
        (Code::GET, "/door", Code::METHOD_NOT_ALLOWED),
        (Code::POST, "/light", Code::FORBIDDEN),
        (Code::POST, "/Door", Code::FORBIDDEN),
    ] {
        let (got, _, event) = stand.ask(&mut phone, method, path);
        assert_eq!((got, event), (code, EventKind::Denied), "{method:?} {path}");
    }
    assert_eq!(stand.served(), 1);
}

#[test]
fn nothing_else_does() {
    let mut stand = Stand::new();
    let forged = encrypted_with(header(KID, &[9; 13]), &[8; 16], &token().encode());
    for (what, token, code) in [
        ("forged", forged, Code::UNAUTHORIZED),
        ("retired", encrypted_with(header(b"front-0", &[9; 13]), &[2; 16], &token().encode()), Code::UNAUTHORIZED),
        ("expired", encrypted(&token().set(EXP, NOW)), Code::UNAUTHORIZED),
        ("for another", encrypted(&token().set(AUD, "urn:latchwork:lock:back")), Code::FORBIDDEN),
        ("noise", vec![0x5a; 40], Code::BAD_REQUEST),
    ] {
        let (got, _, event) = stand.upload(&token);
        assert_eq!((got, event.kind, event.code), (code, EventKind::Refused, code.0), "{what}");
    }
    let (_, datagram, event) = stand.receive(&request(Code::POST, "/door", &[], &[]));
    assert_eq!(event.kind, EventKind::Unauthorized);
    Came { datagram, event: Happened::Block }.assert_hints();
    let mut thief = {
        let (_, came, _) = stand.upload(&encrypted(&token()));
        Phone::derive(&came, &[], b"me", b"a guessed secret", None)
    };
    assert_eq!(stand.ask(&mut thief, Code::POST, "/door").2, EventKind::NotVerified);
    assert_eq!(stand.served(), 0);
    for noise in [&b"\x40"[..], b"\x00\x00\x00\x00", &[0xff; 1200]] {
        assert_eq!(stand.receive_again(noise).0, Status::Silent, "{noise:02x?}");
    }
}

#[test]
fn a_repetition_runs_nothing() {
    let mut stand = Stand::new();
    let mut phone = stand.enter(&encrypted(&token()));
    let (datagram, _) = phone.protect(&request(Code::POST, "/door", &[], &[]));
    let first = stand.receive_again(&datagram);
    let again = stand.receive_again(&datagram);
    assert_eq!((first.0, &first.1), (again.0, &again.1));
    assert_eq!((again.2.kind, stand.served()), (EventKind::None, 1));
}

#[test]
fn revoked_lapsed_and_rebooted() {
    let mut stand = Stand::new();
    let mut phone = stand.enter(&encrypted(&token()));
    let (_, _, event) = stand.upload(&encrypted(&token()));
    assert_eq!(unsafe { latchwork_revoke(stand.lock, 0, event.token.as_ptr()) }, Status::Ok);
    assert_eq!(stand.upload(&encrypted(&token())).0, Code::UNAUTHORIZED);
    assert_eq!(stand.ask(&mut phone, Code::POST, "/door").2, EventKind::Unauthorized);

    let mut stand = Stand::new();
    let mut phone = stand.enter(&encrypted(&token()));
    unsafe { &mut *stand.bench }.date = None;
    assert_eq!(stand.ask(&mut phone, Code::POST, "/door").2, EventKind::Lapsed, "the clock was lost");
    assert_eq!(unsafe { latchwork_tick(stand.lock) }, Status::Ok);

    // A token that counts from receipt runs once, whatever happens to the lock in between.
    let numbered = |number: u64| {
        let cti = [LOCK.as_bytes(), &number.to_be_bytes()].concat();
        encrypted(&token().without(EXP).set(EXI, 600).set(CTI, bytes(&cti)))
    };
    let mut stand = start(bench_of(None), |_, _| {}).unwrap();
    let mut phone = stand.enter(&numbered(3));
    assert_eq!(stand.ask(&mut phone, Code::POST, "/door").2, EventKind::Served);
    let flash = unsafe { &*stand.bench }.flash.clone();
    assert_eq!(flash.iter().map(|(_, number)| *number).collect::<Vec<_>>(), [3]);
    drop(stand);
    let mut stand = start(Bench { flash, ..bench_of(None) }, |_, _| {}).unwrap();
    assert_eq!(stand.upload(&numbered(3)).0, Code::UNAUTHORIZED);
    assert_eq!(stand.upload(&numbered(4)).0, Code::CREATED);
    let without = start(bench_of(None), |_, board| (board.flash_read, board.flash_write) = (None, None));
    assert_eq!(without.unwrap().upload(&numbered(4)).0, Code::UNAUTHORIZED);
}

#[test]
fn a_lock_without_a_clock() {
    let mut stand = start(bench_of(None), |config, board| {
        (config.nonce_fresh, config.nonce_rights) = (600, 3600);
        board.clock = None;
    })
    .unwrap();
    let (_, datagram, _) = stand.receive(&request(Code::POST, "/door", &[], &[]));
    let message = Message::parse(&datagram).unwrap();
    let nonce = latchwork_ace::Hints::decode(message.payload).unwrap().cnonce.unwrap();
    let fresh = encrypted(&token().without(EXP).set(CNONCE, bytes(nonce)));
    let mut phone = stand.enter(&fresh);
    assert_eq!(stand.ask(&mut phone, Code::POST, "/door").2, EventKind::Served);
    assert_eq!(stand.upload(&encrypted(&token())).0, Code::UNAUTHORIZED);
}

unsafe extern "C" fn clock_that_writes_nothing(_: *mut c_void, _: *mut i64, _: *mut i64) -> bool {
    true
}

unsafe extern "C" fn clock_that_writes_half(_: *mut c_void, earliest: *mut i64, _: *mut i64) -> bool {
    unsafe { earliest.write(1) };
    true
}

/// Such a clock would say 1970, and no token would ever end.
#[test]
fn a_clock_that_says_nothing() {
    for change in [(|_, board| board.clock = Some(clock_that_writes_nothing)) as Change, |_, board| {
        board.clock = Some(clock_that_writes_half)
    }] {
        let mut stand = start(bench_of(Some(NOW)), change).unwrap();
        for end in [NOW - 1, NOW + 1000] {
            assert_eq!(stand.upload(&encrypted(&token().set(EXP, end))).0, Code::UNAUTHORIZED, "{end}");
        }
    }
}

#[test]
fn what_does_not_start() {
    for (what, change, status) in [
        ("random", (|_, board| board.random = None) as Change, Status::BadBoard),
        ("uptime", |_, board| board.uptime = None, Status::BadBoard),
        ("serve", |_, board| board.serve = None, Status::BadBoard),
        ("half a flash", |_, board| board.flash_write = None, Status::BadBoard),
        ("no issuer", |config, _| config.issuers_len = 0, Status::BadConfig),
        ("null issuers", |config, _| config.issuers = null(), Status::BadConfig),
        ("too many paths", |config, _| config.paths_len = 9, Status::BadConfig),
        ("too many issuers", |config, _| config.issuers_len = 5, Status::BadConfig),
        ("too many groups", |config, _| config.groups_len = 9, Status::BadConfig),
        ("too many scopes", |config, _| config.scopes_len = 9, Status::BadConfig),
        ("a scope that is none", |config, _| config.scopes = Box::leak(Box::new(no_scope())), Status::BadConfig),
        ("null groups", |config, _| config.groups_len = 1, Status::BadConfig),
        ("null scopes", |config, _| config.scopes = null(), Status::BadConfig),
        ("null paths", |config, _| config.paths = null(), Status::BadConfig),
        ("misaligned issuers", |config, _| config.issuers = odd(config.issuers), Status::BadConfig),
        ("misaligned scopes", |config, _| config.scopes = odd(config.scopes), Status::BadConfig),
        ("misaligned paths", |config, _| config.paths = odd(config.paths), Status::BadConfig),
        ("null text", |config, _| config.audience.data = null(), Status::BadConfig),
        ("text without end", |config, _| config.audience.len = usize::MAX, Status::BadConfig),
        ("no text", |config, _| config.audience = bytes_of(&[0xff]), Status::BadConfig),
    ] {
        assert_eq!(start(bench_of(None), change).err(), Some(status), "{what}");
    }
    let silent = Bench { has_random: false, ..bench_of(None) };
    assert_eq!(start(silent, |_, _| {}).err(), Some(Status::NoRandom));
    for kind in [0, 2, 3, 4] {
        let key = Key { kind, ..key_of(b"k", [0; 16]) };
        let wrong = start_with(vec![issuer_of(vec![key])]);
        assert_eq!(wrong.err(), Some(Status::BadConfig), "{kind}");
    }
}

/// Neither the keys of the issuer before nor those of the next come in the place of what cannot be read.
#[test]
fn keys_stay_with_their_issuer() {
    let two = |change: fn(&mut Issuer)| {
        let mut issuers = vec![issuer_of(vec![key_of(b"a", [1; 16])]), issuer_of(vec![key_of(b"b", [2; 16])])];
        change(&mut issuers[0]);
        start_with(issuers).err()
    };
    assert_eq!(two(|_| {}), None);
    for (what, change) in [
        ("null keys", (|issuer| issuer.keys = null()) as fn(&mut Issuer)),
        ("misaligned keys", |issuer| issuer.keys = odd(issuer.keys)),
        ("too many keys", |issuer| issuer.keys_len = usize::MAX),
        ("null name", |issuer| issuer.name.data = null()),
        ("null ceiling", |issuer| issuer.ceiling = Bytes { data: null(), len: 1 }),
        ("null kid", |issuer| issuer.keys = vec![Key { kid: NOWHERE, ..key_of(b"a", [1; 16]) }].leak().as_ptr()),
        ("null key", |issuer| issuer.keys = vec![Key { key: NOWHERE, ..key_of(b"a", [1; 16]) }].leak().as_ptr()),
    ] {
        assert_eq!(two(change), Some(Status::BadConfig), "{what}");
    }
}

const NOWHERE: Bytes = Bytes { data: null(), len: 16 };

/// A pointer that no table begins at.
fn odd<T>(table: *const T) -> *const T {
    table.wrapping_byte_add(1)
}

fn key_of(kid: &'static [u8], key: [u8; 16]) -> Key {
    let key = bytes_of(key.to_vec().leak());
    Key { kind: KeyKind::AesCcm as u8, retired: false, kid: bytes_of(kid), key }
}

fn issuer_of(keys: Vec<Key>) -> Issuer {
    let keys: &[Key] = keys.leak();
    Issuer {
        name: bytes_of(b"i"),
        token_uri: bytes_of(b"u"),
        keys: keys.as_ptr(),
        keys_len: keys.len(),
        ceiling: bytes_of(b""),
    }
}

fn start_with(issuers: Vec<Issuer>) -> Result<Stand, Status> {
    let issuers: &[Issuer] = issuers.leak();
    start(bench_of(None), |config, _| (config.issuers, config.issuers_len) = (issuers.as_ptr(), issuers.len()))
}

fn no_scope() -> Scope {
    Scope { name: bytes_of(b"door"), grants: bytes_of(b"\x01") }
}

#[test]
fn calls_that_are_wrong() {
    let stand = Stand::new();
    let (mut out, mut length) = ([0u8; 8], 0);
    let to = out.as_mut_ptr();
    unsafe {
        assert_eq!(latchwork_receive(null_mut(), 0, to, 0, to, 8, &raw mut length, null_mut()), Status::Null);
        assert_eq!(latchwork_receive(stand.lock, 0, null(), 0, to, 8, &raw mut length, null_mut()), Status::Null);
        assert_eq!(latchwork_receive(stand.lock, 0, to, 0, null_mut(), 8, &raw mut length, null_mut()), Status::Null);
        assert_eq!(latchwork_receive(stand.lock, 0, to, 0, to, 8, null_mut(), null_mut()), Status::Null);
        let hello = request(Code::GET, "/", &[], &[]);
        let small = latchwork_receive(stand.lock, 0, hello.as_ptr(), hello.len(), to, 8, &raw mut length, null_mut());
        assert_eq!((small, length), (Status::NoRoom, 0));
        assert_eq!(latchwork_tick(null_mut()), Status::Null);
        assert_eq!(latchwork_stop(null_mut()), Status::Null);
        assert_eq!(latchwork_revoke(stand.lock, 0, null()), Status::Null);
        let board = null();
        assert_eq!(latchwork_start(to.cast(), 8, null(), board, null_mut()), Status::Null);
    }
    assert!(latchwork_size() <= LATCHWORK_SIZE && latchwork_align() <= LATCHWORK_ALIGN);
    let _ = RustCrypto;
}

#[test]
fn a_call_within_a_call() {
    let mut stand = Stand::new();
    unsafe { &mut *stand.bench }.nested = Some((stand.lock, None));
    let mut phone = stand.enter(&encrypted(&token()));
    assert_eq!(stand.ask(&mut phone, Code::POST, "/door").2, EventKind::Served);
    assert_eq!(unsafe { &*stand.bench }.nested.unwrap().1, Some(Status::Nested));
    assert_eq!(unsafe { latchwork_tick(stand.lock) }, Status::Ok);
}
