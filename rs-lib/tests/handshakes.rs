//! EDHOC at the door, message by message: replays, noise, floods, reboots, and what it costs those inside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use latchwork_coap::{Code, OptionNumber};
use latchwork_crypto::{P256Private, RustCrypto};
use latchwork_edhoc::{ConnectionId, Error};
use latchwork_rs_lib::edhoc::PATIENCE;
use latchwork_rs_lib::{Event, Handshakes, NoEdhoc, Sessions, Uptime};
use support::mint::signed;
use support::visitor::*;
use support::*;

/// A datagram that comes again changes nothing for who is inside, and gets nothing.
#[test]
fn replays() {
    let (mut lock, mut ada) = (Lock::new(), Visitor::new(1));
    let token = ada.token();
    let (sent, message_1) = ada.message_1(&[]);
    let response = ada.say(&mut lock, &message_1);
    let greeted = ada.verify(sent, &response);
    let again = ada.say(&mut lock, &message_1);
    assert_ne!(again.message().payload, response.message().payload, "another ephemeral key");
    let (message_3, mut phone) = ada.message_3(greeted, &[with(&token)]);
    let (datagram, _) = phone.protect(&door());
    let datagram = combined(&datagram, &message_3);
    assert!(matches!(lock.receive(&datagram).event, Event::Served(..)));
    assert_eq!(lock.receive(&datagram).event, Event::NoHandshake);
    let other = lock.receive_from(9, &datagram);
    assert_edhoc_error(&other, "from elsewhere");
    assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED);
    assert_eq!(lock.moves(), 2);
}

/// What a stranger can send for a message: nobody panics, nothing is kept.
#[test]
fn messages_that_are_none() {
    let off_curve = [&[0xf5, 1, 2, 0x58, 0x20][..], &[0; 31], &[1], &[0x0c]].concat();
    let above_p = [&[0xf5, 1, 2, 0x58, 0x20][..], &[0xff; 32], &[0x0c]].concat();
    for (what, payload, expected) in [
        ("nothing", vec![], Some(Error::Malformed)),
        ("false", vec![0xf4], Some(Error::Malformed)),
        ("a lone true", vec![0xf5], Some(Error::Malformed)),
        ("text", b"\x65hello".to_vec(), Some(Error::Malformed)),
        ("method 0", [&[0xf5, 0][..], &off_curve[2..]].concat(), Some(Error::MethodNotSupported)),
        ("off the curve", off_curve, Some(Error::BadPoint)),
        ("above p", above_p, Some(Error::BadPoint)),
        ("message_3 of 58 ff for nobody", vec![0x41, 0x63, 0x58, 0xff], None),
    ] {
        let (mut lock, ada) = (Lock::new(), Visitor::new(1));
        let response = ada.say(&mut lock, &payload);
        let event = expected.map_or(Event::NoHandshake, Event::HandshakeFailed);
        assert_eq!((response.event, response.code()), (event, Code::BAD_REQUEST), "{what}");
        assert_eq!(response.message().options.uint16(OptionNumber::CONTENT_FORMAT), Some(64), "{what}");
        assert_eq!((lock.sessions.live(), lock.sessions.pending(), lock.edhoc.waiting()), (0, 0, 0), "{what}");
    }
    for message_3 in [&[0x58, 0xff][..], &[0x40], &[0x47, 1, 2, 3, 4, 5, 6, 7], &[0x48, 1, 2, 3, 4, 5, 6, 7, 8], &[]] {
        let (mut lock, mut ada) = (Lock::new(), Visitor::new(1));
        let c_r = ada.greet(&mut lock).c_r();
        let response = ada.say(&mut lock, &posted(Some(&c_r), message_3));
        assert!(matches!(response.event, Event::HandshakeFailed(_)), "{message_3:x?} {:?}", response.event);
        assert_edhoc_error(&response, "message_3");
        assert_eq!((lock.sessions.pending(), lock.edhoc.waiting()), (0, 0));
    }
}

/// A combined request that is half one.
#[test]
fn halves_of_a_combined_request() {
    let (mut lock, mut ada) = (Lock::new(), Visitor::new(1));
    let token = ada.token();
    let without_oscore = request(Code::POST, "/door", &[(OptionNumber::EDHOC, &[])], b"\x41\x01rest");
    assert_eq!(lock.receive(&without_oscore).code(), Code::BAD_REQUEST);
    for (what, payload) in [("nothing behind it", &b"\x43abc"[..]), ("nothing", b"\x40"), ("58 ff", b"\x58\xff")] {
        let c_r = ada.greet(&mut lock).c_r();
        let oscore = [&[9, 0][..], c_r.as_bytes()].concat();
        let options = [(OptionNumber::OSCORE, &oscore[..]), (OptionNumber::EDHOC, &[])];
        let response = lock.receive(&raw(&options, payload));
        assert_edhoc_error(&response, what);
    }
    lock.now.uptime = lock.now.uptime.plus(1);
    // Good as far as EDHOC goes, and then garbled: OSCORE has the say (RFC 9668 §3.3.1), and who came in is in.
    let greeted = ada.greet(&mut lock);
    let (message, mut phone) = ada.message_3(greeted, &[with(&token)]);
    let mut datagram = combined(&phone.protect(&door()).0, &message);
    *datagram.last_mut().unwrap() ^= 1;
    let response = lock.receive(&datagram);
    assert_eq!(response.event, Event::NotVerified(latchwork_oscore::Error::DecryptionFailed));
    assert_eq!((response.code(), response.message().payload, lock.moves()), (Code::BAD_REQUEST, &b""[..], 0));
    assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED);
    // Inside of the protection the option means nothing.
    let (datagram, mut sent) = phone.protect(&door());
    let response = lock.receive(&combined(&datagram, b""));
    assert_eq!(phone.open(&mut sent, &response).0, Code::BAD_REQUEST);
}

fn raw(options: &[(OptionNumber, &[u8])], payload: &[u8]) -> Vec<u8> {
    use latchwork_coap::{Kind, Token, Writer};
    let mut out = [0; 256];
    let mut writer = Writer::new(&mut out, Kind::Con, Code::POST, 7, Token::EMPTY);
    for &(number, value) in options {
        writer.option(number, value).unwrap();
    }
    writer.payload(payload).unwrap();
    writer.finish().unwrap().to_vec()
}

/// ID1 = ID2: the lock never calls itself what the visitor calls itself, nor what somebody is called already.
#[test]
fn identifiers_differ() {
    let (mut lock, mut ada) = (Lock::new(), Visitor::new(1));
    // What the lock is going to draw first.
    let drawn = (lock.random.0 as u32 + 1).to_be_bytes();
    ada.c_i = drawn[1..].to_vec();
    let greeted = ada.greet(&mut lock);
    assert_ne!(greeted.c_r().as_bytes(), ada.c_i);
    assert_eq!(greeted.c_r(), ConnectionId::new(&(lock.random.0 as u32 - 1).to_be_bytes()[1..]).unwrap());
    // The same draw again, while the first waits.
    let taken = greeted.c_r();
    lock.random = Counting(lock.random.0 - 2);
    let mut eve = Visitor::new(2);
    assert_ne!(eve.greet(&mut lock).c_r(), taken);
    // And once it is the name of a session.
    let token = ada.token();
    let (message, _) = ada.message_3(greeted, &[with(&token)]);
    assert_eq!(ada.say(&mut lock, &posted(Some(&taken), &message)).code(), Code::CHANGED);
    let before = lock.random.0;
    let number = taken.as_bytes().iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    lock.random = Counting(number - 1);
    assert_ne!(eve.greet(&mut lock).c_r(), taken);
    lock.random = Counting(before);
}

/// Off and on between any two steps: what was begun is over, and begins anew without harm.
#[test]
fn a_reboot_between_any_two_steps() {
    for step in 0..3 {
        let (mut lock, mut ada) = (Lock::new(), Visitor::new(1));
        let token = ada.token();
        let (sent, message_1) = ada.message_1(&[]);
        let response = ada.say(&mut lock, &message_1);
        if step == 0 {
            lock.reboot();
        }
        let greeted = ada.verify(sent, &response);
        let (message_3, mut phone) = ada.message_3(greeted, &[with(&token)]);
        let datagram = combined(&phone.protect(&door()).0, &message_3);
        if step == 1 {
            lock.reboot();
        }
        let response = lock.receive(&datagram);
        match step {
            0 | 1 => assert_edhoc_error(&response, "message_3 after a reboot"),
            _ => assert!(matches!(response.event, Event::Served(..)), "{:?}", response.event),
        }
        if step == 2 {
            lock.reboot();
            lock.receive(&phone.protect(&door()).0).assert_hints();
            assert_eq!(lock.receive(&datagram).event, Event::NoHandshake, "a replay from before");
        }
        let mut phone = ada.enter(&mut lock, &token);
        assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED, "{step}");
    }
    // Message_3 by itself, and an update of its rights: what was changed is gone with the session, and the first token is
    // good as it was.
    let update = request(Code::POST, "/authz-info", FORMAT_61, &signed(&Visitor::new(1).more()));
    let light = request(Code::POST, "/light", &[], &[]);
    let requests = [&update, &light, &update];
    for cut in 0..=requests.len() {
        let (mut lock, mut ada) = (Lock::new(), Visitor::new(1));
        let token = ada.token();
        let mut phone = ada.enter(&mut lock, &token);
        let mut before = Vec::new();
        for (step, request) in requests.iter().enumerate() {
            if step == cut {
                lock.reboot();
            }
            let (datagram, mut sent) = phone.protect(request);
            let response = lock.receive(&datagram);
            assert_eq!(response.is_protected(), step < cut, "{cut} {step}: {:?}", response.event);
            if step < cut {
                assert!(phone.open(&mut sent, &response).0.is_success(), "{cut} {step}");
            }
            before.push(datagram);
        }
        lock.reboot();
        let moves = lock.moves();
        before.iter().for_each(|datagram| lock.receive(datagram).assert_hints());
        assert_eq!((lock.moves(), moves), (moves, usize::from(cut > 1)), "{cut}");
        let mut phone = ada.enter(&mut lock, &token);
        assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED, "{cut}");
        assert_eq!(lock.ask(&mut phone, Code::POST, "/light").0, Code::FORBIDDEN, "{cut}");
    }
}

/// EDHOC-4.2-07, EDHOC-4.2-08: its path, spelled out and abbreviated; POST of its own format and nothing else.
#[test]
fn the_edhoc_resource() {
    let abbreviated = |value: &'static [u8]| [(OptionNumber::CONTENT_FORMAT, &[65][..]), (OptionNumber(13), value)];
    let (_, message_1) = Visitor::new(1).message_1(&[]);
    for (method, path, options, expected) in [
        (Code::POST, "", &abbreviated(&[2])[..], Code::CHANGED),
        (Code::POST, "", &abbreviated(&[0, 2]), Code::CHANGED),
        (Code::GET, "", &abbreviated(&[2]), Code::METHOD_NOT_ALLOWED),
        (Code::POST, "", &abbreviated(&[1]), Code::BAD_OPTION),
        (Code::POST, "", &abbreviated(&[]), Code::BAD_OPTION),
        (Code::POST, "", &abbreviated(&[1, 0, 0, 0, 2]), Code::BAD_OPTION),
        (Code::POST, "/.well-known/edhoc", &abbreviated(&[2]), Code::BAD_OPTION),
        (Code::POST, "", &[(OptionNumber(13), &[2]), (OptionNumber(13), &[2])], Code::BAD_OPTION),
        (Code::POST, "/.well-known/edhoc", FORMAT_65, Code::CHANGED),
        (Code::POST, "/.well-known/edhoc", &[], Code::CHANGED),
        (Code::POST, "/.well-known/edhoc", FORMAT_19, Code::UNSUPPORTED_CONTENT_FORMAT),
        (Code::GET, "/.well-known/edhoc", FORMAT_65, Code::METHOD_NOT_ALLOWED),
        (Code::PUT, "/.well-known/edhoc", FORMAT_65, Code::METHOD_NOT_ALLOWED),
        (Code::DELETE, "/.well-known/edhoc", FORMAT_65, Code::METHOD_NOT_ALLOWED),
        (Code::FETCH, "/.well-known/edhoc", FORMAT_65, Code::METHOD_NOT_ALLOWED),
        (Code::POST, "/.well-known/edhoc/", FORMAT_65, Code::UNAUTHORIZED),
        (Code::POST, "/.well-known/core", FORMAT_65, Code::UNAUTHORIZED),
    ] {
        let mut lock = Lock::new();
        let response = lock.plain(method, path, options, &message_1);
        assert_eq!(response.code(), expected, "{method:?} {path} {options:?}");
    }
    // Inside of a session it is no resource, however it is spelled.
    let (mut lock, mut ada) = (Lock::new(), Visitor::new(1));
    let token = ada.token();
    let mut phone = ada.enter(&mut lock, &token);
    for (path, options) in [("/.well-known/edhoc", FORMAT_65), ("", &abbreviated(&[2])[..])] {
        let asked = request(Code::POST, path, options, &message_1);
        assert_eq!(lock.ask_with(&mut phone, &asked).0, Code::FORBIDDEN, "{path}");
    }
}

/// A lock that speaks no EDHOC has no such resource, and knows none of its options.
#[test]
fn a_lock_without_edhoc() {
    let (_, message_1) = Visitor::new(1).message_1(&[]);
    let abbreviated = [(OptionNumber::CONTENT_FORMAT, &[65][..]), (OptionNumber(13), &[2])];
    let combined = [(OptionNumber::EDHOC, &[][..])];
    for (path, options, expected) in [
        ("/.well-known/edhoc", FORMAT_65, Code::UNAUTHORIZED),
        ("", &abbreviated[..], Code::BAD_OPTION),
        ("/door", &combined, Code::BAD_OPTION),
    ] {
        let message = request(Code::POST, path, options, &message_1);
        assert_eq!(Lock::new().receive_with(&mut NoEdhoc, 1, &message).code(), expected, "{path}");
        let mut none: Option<Handshakes<'_, P256Private, u8, 1>> = None;
        assert_eq!(Lock::new().receive_with(&mut none, 1, &message).code(), expected, "{path}");
    }
}

/// More handshakes than there is time for: refused before they cost anything, and who is inside does not notice.
#[test]
fn a_flood_of_handshakes() {
    let (mut lock, mut ada) = (Lock::new(), Visitor::new(1));
    let token = ada.token();
    let mut phone = ada.enter(&mut lock, &token);
    lock.now.uptime = lock.now.uptime.plus(1);
    let (_, message_1) = Visitor::new(2).message_1(&[]);
    let message_1 = request(Code::POST, "/.well-known/edhoc", FORMAT_65, &message_1);
    let codes: Vec<_> = (0..6).map(|peer| lock.receive_from(peer, &message_1).code()).collect();
    assert_eq!(codes, [[Code::CHANGED; 2], [Code::CHANGED; 2], [Code::TOO_MANY_REQUESTS; 2]].concat());
    assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED);
    lock.now.uptime = lock.now.uptime.plus(1);
    assert_eq!(lock.receive_from(7, &message_1).code(), Code::CHANGED, "a second later");
    assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED);
    assert_eq!((lock.edhoc.waiting(), lock.sessions.live(), lock.moves()), (3, 1, 2));
}

/// A slow processor, half a second for each message_1, and strangers who send one after the other: they get half of its
/// time, and between two of theirs whoever is inside is served. Of forged tokens and of handshakes together.
#[test]
fn strangers_get_half_of_the_time() {
    for (took, at_most) in [(500, 30_000), (5000, 30_000), (20, 4800), (0, 0)] {
        let (mut lock, mut ada) = (Lock::new(), Visitor::new(1));
        let token = ada.token();
        let mut phone = ada.enter(&mut lock, &token);
        (lock.took, lock.busy) = (took, 0);
        let (_, message_1) = Visitor::new(2).message_1(&[]);
        let message_1 = request(Code::POST, "/.well-known/edhoc", FORMAT_65, &message_1);
        let forged = upload_payload(&ada.token(), Some(&[1; 8]), Some(b"me"));
        let forged = request(Code::POST, "/authz-info", FORMAT_19, &forged);
        let (begin, mut begun, mut served) = (lock.now.uptime, 0, 0);
        // The uptime of the lock is what passed here and what it computed; ten seconds of both at a time is too coarse for nobody.
        while (lock.now.uptime.since(begin) * 1000) + lock.busy < 60_000 {
            for _ in 0..5 {
                let codes = [&message_1, &forged].map(|datagram| lock.receive_from(9, datagram).code());
                assert!([Code::CHANGED, Code::TOO_MANY_REQUESTS].contains(&codes[0]), "{codes:?}");
                assert!([Code::UNAUTHORIZED, Code::TOO_MANY_REQUESTS].contains(&codes[1]), "{codes:?}");
                begun += codes.iter().filter(|&&code| code != Code::TOO_MANY_REQUESTS).count();
            }
            served += usize::from(lock.ask(&mut phone, Code::POST, "/door").0 == Code::CHANGED);
            lock.now.uptime = lock.now.uptime.plus(1);
        }
        assert!(lock.busy <= at_most + took + 750, "{took}: {} ms", lock.busy);
        assert!((2..=4 * 61).contains(&begun), "{took}: {begun}");
        assert_eq!(served, lock.moves(), "{took}: those inside do not wait");
        assert!(served >= 5, "{took}: {served}");
    }
}

/// Message_3 of a handshake that was begun has its time, which is missing for the next message_1.
#[test]
fn what_was_begun_comes_to_its_end() {
    let (mut lock, mut ada) = (Lock::new(), Visitor::new(1));
    let token = ada.token();
    lock.took = 3000;
    let greeted = ada.greet(&mut lock);
    let c_r = greeted.c_r();
    let (_, message_1) = Visitor::new(2).message_1(&[]);
    let stranger = |lock: &mut Lock| Visitor::new(2).say(lock, &message_1).code();
    assert_eq!(stranger(&mut lock), Code::TOO_MANY_REQUESTS);
    let (message, mut phone) = ada.message_3(greeted, &[with(&token)]);
    assert_eq!(ada.say(&mut lock, &posted(Some(&c_r), &message)).code(), Code::CHANGED);
    assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED);
    lock.now.uptime = lock.now.uptime.plus(3);
    assert_eq!(stranger(&mut lock), Code::TOO_MANY_REQUESTS, "even with message_1 alone");
    lock.now.uptime = lock.now.uptime.plus(3);
    assert_eq!(stranger(&mut lock), Code::CHANGED);
}

/// Whoever begins one handshake after the other pushes out its own, not those of others.
#[test]
fn the_worst_handshake_is_evicted_first() {
    let (mut lock, mut ada) = (Lock::new(), Visitor::new(1));
    let token = ada.token();
    let greeted = ada.greet(&mut lock);
    let c_r = greeted.c_r();
    let mut eve = Visitor::new(2);
    for _ in 0..9 {
        lock.now.uptime = lock.now.uptime.plus(1);
        eve.greet(&mut lock);
    }
    let (message, mut phone) = ada.message_3(greeted, &[with(&token)]);
    assert_eq!(ada.say(&mut lock, &posted(Some(&c_r), &message)).code(), Code::CHANGED);
    assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED);
}

#[test]
fn message_3_must_not_take_too_long() {
    for (seconds, in_time) in [(PATIENCE, true), (PATIENCE + 1, false)] {
        for sweeps in [false, true] {
            let (mut lock, mut ada) = (Lock::new(), Visitor::new(1));
            let token = ada.token();
            let greeted = ada.greet(&mut lock);
            lock.now.uptime = lock.now.uptime.plus(seconds);
            if sweeps {
                latchwork_rs_lib::Edhoc::<RustCrypto, u8>::sweep(&mut lock.edhoc, lock.now.uptime);
                assert_eq!(lock.edhoc.waiting(), usize::from(in_time));
            }
            let c_r = greeted.c_r();
            let (message, _) = ada.message_3(greeted, &[with(&token)]);
            let response = ada.say(&mut lock, &posted(Some(&c_r), &message));
            assert_eq!(response.code() == Code::CHANGED, in_time, "{seconds} {:?}", response.event);
        }
    }
}

/// Nobody in use is pushed out: who comes by EDHOC waits outside, and is told so.
#[test]
fn all_places_are_taken() {
    let mut lock = Lock::new();
    let mut phones: Vec<_> = (1..=4)
        .map(|number| {
            lock.now.uptime = lock.now.uptime.plus(1);
            let mut visitor = Visitor::new(number);
            let token = visitor.token();
            visitor.enter(&mut lock, &token)
        })
        .collect();
    lock.now.uptime = lock.now.uptime.plus(1);
    let mut late = Visitor::new(5);
    let token = late.token();
    let (response, (code, _)) = late.burst_in(&mut lock, &[with(&token)], &door());
    assert_eq!((response.event, code), (Event::Busy, Code::SERVICE_UNAVAILABLE));
    for phone in &mut phones {
        assert_eq!(lock.ask(phone, Code::POST, "/door").0, Code::CHANGED);
    }
    lock.now.uptime = Uptime(lock.now.uptime.0 + latchwork_rs_lib::session::IN_USE);
    let (_, (code, _)) = late.burst_in(&mut lock, &[with(&token)], &door());
    assert_eq!(code, Code::CHANGED, "a place is idle");
}

/// An error message may come from anybody: it ends nothing, and is not answered by another (RFC 9528 §6).
#[test]
fn a_forged_error_ends_nothing() {
    let (mut lock, mut ada) = (Lock::new(), Visitor::new(1));
    let token = ada.token();
    let greeted = ada.greet(&mut lock);
    let c_r = greeted.c_r();
    let response = ada.say(&mut lock, &posted(Some(&c_r), &[1, 0x60]));
    assert_eq!((response.event, response.message().payload), (Event::GivenUp, &b""[..]));
    let (message, _) = ada.message_3(greeted, &[with(&token)]);
    assert_eq!(ada.say(&mut lock, &posted(Some(&c_r), &message)).code(), Code::CHANGED);
}

/// A suite that is not ours is named in the answer (RFC 9528 §6.3).
#[test]
fn another_suite() {
    let (mut lock, ada) = (Lock::new(), Visitor::new(1));
    let message_1 = [&[0xf5, 1, 6, 0x58, 0x20][..], &[7; 32], &[0x0c]].concat();
    let response = ada.say(&mut lock, &message_1);
    assert_eq!(response.event, Event::HandshakeFailed(Error::WrongSuite));
    assert_eq!((response.code(), response.message().payload), (Code::BAD_REQUEST, &[2, 2][..]));
}

/// Half a kilobyte in all for one who is inside, a quarter for one on the way in (the ephemeral key and the transcript).
#[test]
fn what_a_peer_costs() {
    type Waiting<const H: usize> = Handshakes<'static, P256Private, [u8; 18], H>;
    let handshake = size_of::<Waiting<2>>() - size_of::<Waiting<1>>();
    let session = size_of::<Sessions<2, 1>>() - size_of::<Sessions<1, 1>>();
    assert!(handshake <= 256, "{handshake}");
    assert!(session <= 512, "{session}");
}
