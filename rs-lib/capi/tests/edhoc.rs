//! A lock in C answers EDHOC with its own key: in software, or by peripherals of the firmware.
#![allow(unsafe_code, reason = "the functions are C's")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand;
#[path = "../../tests/support/mod.rs"]
mod support;

use latchwork::*;
use latchwork_coap::Code;
use latchwork_edhoc::{ConnectionId, ErrorMessage};
use stand::visit::*;
use stand::*;
use std::ptr::null;
use support::mint::*;
use support::request;
use support::visitor::*;

fn lock() -> Stand {
    start(bench_of(Some(NOW)), with_own_key).unwrap()
}

/// Cold in two exchanges, warm in one, by either method.
#[test]
fn a_key_opens() {
    for method in BOTH {
        let (mut stand, mut ada) = (lock(), Visitor { method, ..Visitor::new(1) });
        let token = ada.token();
        let (code, mut phone, event) = stand.burst_in(&mut ada, &[with(&token)], &door());
        assert_eq!((code, event.kind), (Code::CHANGED, EventKind::Served), "{method:?}");
        assert_eq!(stand.ask(&mut phone, Code::POST, "/door").2, EventKind::Served);
        assert_eq!(stand.ask(&mut phone, Code::POST, "/light").2, EventKind::Denied);
        assert_eq!(stand.served(), 2);
        assert_eq!(unsafe { latchwork_revoke(stand.lock, 0, event.token.as_ptr()) }, Status::Ok);
        assert_eq!(stand.ask(&mut phone, Code::POST, "/door").2, EventKind::Unauthorized);

        let greeted = stand.greet(&mut ada);
        let c_r = greeted.c_r();
        let (message, _) = ada.message_3(greeted, &[with(&signed(&ada.more()))]);
        let (came, event) = stand.say_third(&c_r, &message);
        assert_eq!((came.code(), event.kind), (Code::CHANGED, EventKind::Uploaded), "one message after the other");
    }
}

#[test]
fn nothing_else_does() {
    let (mut stand, mut ada) = (lock(), Visitor::new(1));
    let stolen = Visitor::new(2).token();
    let expired = signed(&claims(&ada.ccs, b"s1").set(EXP, NOW));
    let (none, token) = ([], ada.token());
    for (what, eads, kind) in [
        ("no token", &none[..], EventKind::Refused),
        ("expired", &[with(&expired)], EventKind::Refused),
        ("of somebody else", &[with(&stolen)], EventKind::Refused),
        ("in secret", &[with(&encrypted(&stand::token()))], EventKind::Refused),
    ] {
        let (code, _, event) = stand.burst_in(&mut ada, eads, &door());
        assert_eq!((code, event.kind), (Code::BAD_REQUEST, kind), "{what}");
    }
    let mut thief = Visitor { ccs: ada.ccs.clone(), ..Visitor::new(2) };
    let (code, _, event) = stand.burst_in(&mut thief, &[with(&token)], &door());
    assert_eq!((code, event.kind), (Code::BAD_REQUEST, EventKind::HandshakeFailed));
    let payload = support::upload_payload(&token, Some(&[1; 8]), Some(b"me"));
    let (_, _, event) = stand.receive(&request(Code::POST, "/authz-info", support::FORMAT_19, &payload));
    assert_eq!((event.kind, event.code), (EventKind::Refused, 0x81), "in the open");
    assert_eq!(stand.served(), 0);
    assert_eq!(stand.burst_in(&mut ada, &[with(&token)], &door()).0, Code::CHANGED);
}

/// In any order but the right one, cut, off the curve, too late: an error or nothing, and the lock goes on.
#[test]
fn messages_that_lead_nowhere() {
    let (mut stand, mut ada) = (lock(), Visitor::new(1));
    let token = ada.token();
    let greeted = stand.greet(&mut ada);
    let c_r = greeted.c_r();
    let (message_3, _) = ada.message_3(greeted, &[with(&token)]);
    let off_curve = [&[0xf5, 1, 2, 0x58, 0x20][..], &[0; 31], &[1, 1]].concat();
    let method_2 = [&[0xf5, 2, 2, 0x58, 0x20][..], &[0; 31], &[5, 1]].concat();
    let other_suite = [&[0xf5, 1, 6, 0x58, 0x20][..], &[0; 31], &[5, 1]].concat();
    for (what, payload, kind) in [
        ("nothing", vec![], EventKind::HandshakeFailed),
        ("not on the curve", off_curve, EventKind::HandshakeFailed),
        ("a method that is not spoken", method_2, EventKind::HandshakeFailed),
        ("another suite", other_suite, EventKind::HandshakeFailed),
        ("message_3 of nobody", posted(ConnectionId::new(&[9; 3]).as_ref(), &message_3), EventKind::NoHandshake),
        ("an error", posted(Some(&c_r), &[1, 0x60]), EventKind::GivenUp),
        ("58 ff", posted(Some(&c_r), &[0x58, 0xff]), EventKind::HandshakeFailed),
        ("after that", posted(Some(&c_r), &message_3), EventKind::NoHandshake),
    ] {
        let (came, event) = stand.say(&payload);
        assert_eq!(event.kind, kind, "{what}");
        if kind == EventKind::HandshakeFailed {
            assert_eq!(came.code(), Code::BAD_REQUEST, "{what}");
            assert!(ErrorMessage::parse(came.message().payload).is_ok(), "{what}");
        }
    }
    let greeted = stand.greet(&mut ada);
    let c_r = greeted.c_r();
    let (message_3, _) = ada.message_3(greeted, &[with(&token)]);
    unsafe { &mut *stand.bench }.uptime += 61_000;
    assert_eq!(unsafe { latchwork_tick(stand.lock) }, Status::Ok);
    assert_eq!(stand.say_third(&c_r, &message_3).1.kind, EventKind::NoHandshake, "too late");
    assert_eq!(stand.served(), 0);
}

/// Without a key of its own, the path is one that does not exist.
#[test]
fn a_lock_without_a_key() {
    let (mut stand, mut ada) = (Stand::new(), Visitor::new(1));
    let (came, event) = stand.say(&ada.message_1(&[]).1);
    assert_eq!(event.kind, EventKind::Unauthorized);
    came.assert_hints();
}

#[test]
fn keys_that_do_not_serve() {
    let ccs = lock_ccs();
    let scalar = key(9);
    for (what, credential, private, status) in [
        ("as it should be", &ccs[..], &scalar.expose()[..], None),
        ("no credential", b"", scalar.expose(), Some(Status::BadConfig)),
        ("one without a key", b"\xa0", scalar.expose(), Some(Status::BadConfig)),
        ("cut", &ccs[..ccs.len() - 1], scalar.expose(), Some(Status::BadConfig)),
        ("a key that is short", &ccs, &scalar.expose()[1..], Some(Status::BadConfig)),
        ("a key that is zero", &ccs, &[0; 32], Some(Status::BadConfig)),
        ("a key above the order", &ccs, &[0xff; 32], Some(Status::BadConfig)),
        ("a key in hardware that is not there", &ccs, b"", Some(Status::BadConfig)),
    ] {
        let started = start(bench_of(Some(NOW)), |config, _| own_key(config, credential, private));
        assert_eq!(started.err(), status, "{what}");
    }
    for (what, change) in [
        ("misaligned", (|config, _| config.own_key = config.own_key.wrapping_byte_add(1)) as Change),
        ("null credential", |config, _| own(config, |own| own.credential.data = null())),
        ("null key", |config, _| own(config, |own| own.private_key.data = null())),
        ("a credential without end", |config, _| own(config, |own| own.credential.len = usize::MAX)),
    ] {
        let started = start(bench_of(Some(NOW)), |config, board| {
            with_own_key(config, board);
            change(config, board);
        });
        assert_eq!(started.err(), Some(Status::BadConfig), "{what}");
    }
}

fn own(config: &mut Config, change: fn(&mut OwnKey)) {
    change(unsafe { &mut *config.own_key.cast_mut() });
}

/// Both handshakes at a time, a third pushes out the eldest of who has most; nobody inside is harmed.
#[test]
fn a_crowd_on_the_doorstep() {
    let (mut stand, mut ada) = (lock(), Visitor::new(1));
    let token = ada.token();
    let (_, mut phone, _) = stand.burst_in(&mut ada, &[with(&token)], &door());
    let first = stand.greet(&mut ada);
    let c_r = first.c_r();
    for _ in 0..2 {
        stand.greet(&mut Visitor { c_i: vec![7], ..Visitor::new(3) });
    }
    let (message_3, _) = ada.message_3(first, &[with(&token)]);
    assert_eq!(stand.say_third(&c_r, &message_3).1.kind, EventKind::NoHandshake);
    assert_eq!(stand.ask(&mut phone, Code::POST, "/door").2, EventKind::Served);
    // In one second only few are begun.
    let mut kinds = vec![];
    for _ in 0..6 {
        let message = request(Code::POST, "/.well-known/edhoc", FORMAT_65, &ada.message_1(&[]).1);
        kinds.push(stand.receive(&message).2.code);
    }
    assert_eq!(kinds.iter().filter(|code| **code == Code::TOO_MANY_REQUESTS.0).count(), 2, "{kinds:02x?}");
}
