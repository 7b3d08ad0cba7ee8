//! Who gets in, who stays in, and what an attacker with a copy of everything on the wire can do about it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use latchwork_coap::endpoint::request::Block;
use latchwork_coap::{Code, Message, OptionNumber};
use latchwork_crypto::RustCrypto;
use latchwork_rs_lib::authorize::authorize;
use latchwork_rs_lib::proof::by_oscore;
use latchwork_rs_lib::{Denied, Event, Refusal, Uptime, Wall};
use support::mint::*;
use support::visitor::Visitor;
use support::*;

const SECRET: &[u8] = b"sixteen secrets!";

/// A token for the client that calls its key by this name.
fn token(id: &[u8]) -> Vec<u8> {
    encrypted(&good(osc(id, SECRET)))
}

/// Every optional member of `osc`, honoured: the client derives with them and gets in (RFC 9203 §4.3).
/// R9203-4.2-04, R9203-4.3-03
#[test]
fn members_of_osc_that_are_honoured() {
    for (what, extra, salt, context) in [
        ("salt", vec![(5, bytes(b"salt"))], &b"salt"[..], None),
        ("empty salt", vec![(5, bytes(b""))], b"", None),
        ("context", vec![(6, bytes(b"context"))], b"", Some(&b"context"[..])),
        ("defaults said", vec![(1, 1.into()), (3, 5.into()), (4, 10.into())], b"", None),
        ("algorithms by name", vec![(3, "HMAC 256/256".into()), (4, "AES-CCM-16-64-128".into())], b"", None),
        ("all", vec![(5, bytes(&[1; 64])), (6, bytes(&[2; 32]))], &[1; 64], Some(&[2; 32][..])),
    ] {
        let members = [(0, bytes(b"7")), (2, bytes(SECRET))].into_iter().chain(extra);
        let mut lock = Lock::new();
        let response = lock.upload(&encrypted(&good(map(members))));
        let mut phone = Phone::derive(&response, salt, b"me", SECRET, context);
        assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED, "{what}");
        assert_eq!(lock.moves(), 1, "{what}");
    }
}

/// Tokens that are unusual and good.
/// R9200-5.2-04, R9200-5.10.1-03, R9203-4.2-01, R8392-3-01, R8392-4-01
#[test]
fn tokens_that_are_taken() {
    let good = || good(osc(b"7", SECRET));
    for (what, claims) in [
        ("end as a float", good().set(EXP, NOW as f64 + 1.5)),
        ("one second left", good().set(EXP, NOW + 1)),
        ("begun this second", good().set(NBF, NOW)),
        ("no issuer", good().without(ISS)),
        ("no name", good().without(CTI)),
        ("one of several audiences", good().set(AUD, ciborium::value::Value::Array(vec!["x".into(), LOCK.into()]))),
        ("the profile said", good().set(PROFILE, 2)),
        ("a claim from the future", good().set(4000, "what?")),
        ("rights elsewhere too", good().set(SCOPE, aif(&[("/window", 1), ("/door", 2)]))),
    ] {
        let mut lock = Lock::new();
        let mut phone = lock.open(&encrypted(&claims), b"me", SECRET);
        assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED, "{what}");
    }
}

/// A token signed by one of our servers inside of one encrypted for us.
/// R8392-7.2-03
#[test]
fn a_nested_token() {
    let inner = signed(&good(osc(b"7", SECRET)));
    let token = encrypted_with(header(KID, &[9; 13]), &KEY, &inner[2..]);
    let mut lock = Lock::new();
    let mut phone = lock.open(&token, b"me", SECRET);
    assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED);
    let forged = signed_with(coset::iana::Algorithm::ES256, b"sign-1", &good(osc(b"7", SECRET)), |_| vec![1; 64]);
    let token = encrypted_with(header(KID, &[9; 13]), &KEY, &forged[2..]);
    assert_eq!(lock.refusal(&token).0, Code::UNAUTHORIZED);
}

/// The identifiers of an upload (RFC 9203 §4.2): never the client's own, never one of ours.
/// R9203-4.2-03, R8613-3.3-01
#[test]
fn recipient_ids_differ() {
    let mut lock = Lock::<8, 8>::sized();
    let next = |lock: &Lock<8, 8>| lock.random.0 + 2; // one draw for N2, then the identifier
    let id = (next(&lock) as u32).to_be_bytes();
    let response = lock.upload_payload(&upload_payload(&token(b"0"), Some(&[1; 8]), Some(&id[1..])));
    let first = Phone::derive(&response, &[], &id[1..], SECRET, None);
    // The draw repeats an identifier that is taken: another one is drawn.
    lock.random = Counting(lock.random.0 - 2);
    let second = lock.open(&token(b"1"), b"me", SECRET);
    assert_ne!(first.0.sender_id().as_bytes(), second.0.sender_id().as_bytes());
}

/// Nobody can wait at a lock: an Observe is a plain request, and a notification never comes (RFC 9200 §5.10.3).
/// R9200-5.10.3-04, R7641-4.1-03
#[test]
fn nothing_lasts_longer_than_its_answer() {
    let mut lock = Lock::new();
    let mut phone = lock.open(&encrypted(&good(osc(b"7", SECRET)).set(SCOPE, aif(&[("/door", 1)]))), b"me", SECRET);
    let (datagram, mut sent) = phone.protect(&request(Code::GET, "/door", &[(OptionNumber::OBSERVE, &[])], &[]));
    let response = lock.receive(&datagram);
    assert!(response.is_protected() && response.message().options.get(OptionNumber::OBSERVE).is_none());
    let mut out = [0; 256];
    let inner = phone.0.unprotect_response(&RustCrypto, &mut sent, &response.message(), &mut out).unwrap();
    assert_eq!((inner.code, inner.options.get(OptionNumber::OBSERVE)), (Code::CHANGED, None));
}

/// N2 is drawn for each upload, and a lock that was restarted draws others (RFC 9203 §7).
/// R9203-7-01
#[test]
fn nonces_do_not_come_again() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in [1, 1 << 20, 1 << 40] {
        let mut lock = Lock::<4, 4>::sized();
        lock.random = Counting(seed);
        for _ in 0..20 {
            let response = lock.upload(&token(b"7"));
            let answer = latchwork_ace::authz_info::Response::decode(response.message().payload).unwrap();
            assert!(answer.nonce2.len() >= 8 && seen.insert(answer.nonce2.to_vec()), "{:02x?}", answer.nonce2);
        }
    }
}

/// An upload changes nothing for who is inside; the first request on the new context ends the old one (RFC 9203 §6).
/// R9200-5.10.1-05, R9203-6-02, R9203-7-02
#[test]
fn the_old_context_ends_with_the_first_request_on_the_new_one() {
    let mut lock = Lock::new();
    let mut old = lock.open(&token(b"7"), b"me", SECRET);
    assert_eq!(lock.ask(&mut old, Code::POST, "/door").0, Code::CHANGED);
    let mut new = lock.open(&token(b"7"), b"me", SECRET);
    assert_eq!(lock.ask(&mut old, Code::POST, "/door").0, Code::CHANGED, "an upload proves nothing");
    assert_eq!(lock.ask(&mut new, Code::POST, "/light").0, Code::FORBIDDEN, "any request that verifies will do");
    assert_eq!((lock.sessions.live(), lock.sessions.pending()), (1, 0));
    assert_eq!(lock.ask(&mut old, Code::POST, "/door").0, Code::UNAUTHORIZED);
    assert_eq!(lock.ask(&mut new, Code::POST, "/door").0, Code::CHANGED);
}

/// Another client with another key is another session.
/// R9203-4.3-06
#[test]
fn sessions_do_not_mix() {
    let mut lock = Lock::new();
    let mut opener = lock.open(&token(b"7"), b"me", SECRET);
    let other = good(osc(b"8", b"another secret..")).set(SCOPE, aif(&[("/light", 2)]));
    let mut lighter = lock.open(&encrypted(&other), b"me", b"another secret..");
    assert_eq!(lock.ask(&mut opener, Code::POST, "/light").0, Code::FORBIDDEN);
    assert_eq!(lock.ask(&mut lighter, Code::POST, "/door").0, Code::FORBIDDEN);
    assert_eq!(lock.ask(&mut lighter, Code::POST, "/light").0, Code::CHANGED);
    assert_eq!(lock.ask(&mut opener, Code::POST, "/door").0, Code::CHANGED);
    assert_eq!(lock.sessions.live(), 2);
}

/// New rights in the same session: nonces ignored, an empty protected 2.01, the old rights gone (RFC 9203 §4.2).
/// R9200-5.10.1-05, R9203-4.2-05, R9203-4.2-07
#[test]
fn rights_are_updated_in_place() {
    let mut lock = Lock::new();
    let mut phone = lock.open(&token(b"7"), b"me", SECRET);
    let more = good(osc(b"7", SECRET)).set(CNF, map([(3, bytes(b"7"))])).set(SCOPE, aif(&[("/light", 2)]));
    for nonces in [None, Some(&[9; 8][..])] {
        let payload = upload_payload(&encrypted(&more), nonces, nonces.map(|nonce| &nonce[..2]));
        let (datagram, mut sent) = phone.protect(&request(Code::POST, "/authz-info", FORMAT_19, &payload));
        let response = lock.receive(&datagram);
        assert!(matches!(response.event, Event::Updated(_)), "{:?}", response.event);
        assert!(response.is_protected());
        assert_eq!(phone.open(&mut sent, &response), (Code::CREATED, vec![]));
        assert_eq!(lock.ask(&mut phone, Code::POST, "/light").0, Code::CHANGED);
        assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::FORBIDDEN);
    }
    assert_eq!((lock.sessions.live(), lock.sessions.pending()), (1, 0));
}

/// Whoever saw an upload can repeat it. It fills the doorstep with itself and harms nobody, inside or on the doorstep.
/// R9200-5.10.1.2-02
#[test]
fn a_sniffed_upload_replayed_without_end() {
    let mut lock = Lock::<4, 4>::sized();
    let mut inside = lock.open(&token(b"7"), b"me", SECRET);
    assert_eq!(lock.ask(&mut inside, Code::POST, "/door").0, Code::CHANGED);
    let mut waiting = lock.open(&token(b"8"), b"me", SECRET);
    for _ in 0..1000 {
        assert_eq!(lock.upload(&token(b"7")).code(), Code::CREATED);
        assert!(lock.sessions.pending() <= 4);
    }
    assert_eq!(lock.ask(&mut inside, Code::POST, "/door").0, Code::CHANGED);
    assert_eq!(lock.ask(&mut waiting, Code::POST, "/door").0, Code::CHANGED);
}

/// A failed proof leaves the pending session to its owner.
#[test]
fn a_failed_proof_changes_nothing() {
    let mut lock = Lock::new();
    let mut owner = lock.open(&token(b"7"), b"me", SECRET);
    let (mut forged, _) = owner.protect(&request(Code::POST, "/door", &[], &[]));
    *forged.last_mut().unwrap() ^= 1;
    for _ in 0..100 {
        assert_eq!(lock.receive(&forged).code(), Code::BAD_REQUEST);
    }
    assert_eq!((lock.sessions.live(), lock.sessions.pending()), (0, 1));
    assert_eq!(lock.ask(&mut owner, Code::POST, "/door").0, Code::CHANGED);
}

/// A full house: whoever was idle longest goes, whoever is in use stays, and the newcomer is told to come again.
#[test]
fn nobody_is_evicted_while_inside() {
    let mut lock = Lock::<2, 2>::sized();
    let mut first = lock.open(&token(b"1"), b"me", SECRET);
    assert_eq!(lock.ask(&mut first, Code::POST, "/door").0, Code::CHANGED);
    lock.now.uptime = Uptime(1010);
    let mut second = lock.open(&token(b"2"), b"me", SECRET);
    assert_eq!(lock.ask(&mut second, Code::POST, "/door").0, Code::CHANGED);

    let mut third = lock.open(&token(b"3"), b"me", SECRET);
    assert_eq!(lock.ask(&mut third, Code::POST, "/door").0, Code::SERVICE_UNAVAILABLE);
    assert_eq!((lock.sessions.live(), lock.sessions.pending()), (2, 1));
    lock.now.uptime = Uptime(1059);
    assert_eq!(lock.ask(&mut third, Code::POST, "/door").0, Code::SERVICE_UNAVAILABLE);
    lock.now.uptime = Uptime(1060);
    assert_eq!(lock.ask(&mut third, Code::POST, "/door").0, Code::CHANGED, "the first has been idle for a minute");
    assert_eq!(lock.ask(&mut first, Code::POST, "/door").0, Code::UNAUTHORIZED);
    assert_eq!(lock.ask(&mut second, Code::POST, "/door").0, Code::CHANGED);
}

/// Whose rights are over goes before anyone who is idle.
#[test]
fn the_worst_goes_first() {
    let mut lock = Lock::<2, 2>::sized();
    let mut idle = lock.open(&token(b"1"), b"me", SECRET);
    assert_eq!(lock.ask(&mut idle, Code::POST, "/door").0, Code::CHANGED);
    lock.now.uptime = Uptime(2000);
    let mut short = lock.open(&encrypted(&good(osc(b"2", SECRET)).set(EXP, NOW + 1)), b"me", SECRET);
    assert_eq!(lock.ask(&mut short, Code::POST, "/door").0, Code::CHANGED);
    lock.now.wall = latchwork_rs_lib::Wall::exact(NOW + 1);
    let mut third = lock.open(&token(b"3"), b"me", SECRET);
    assert_eq!(lock.ask(&mut third, Code::POST, "/door").0, Code::CHANGED);
    assert_eq!(lock.ask(&mut idle, Code::POST, "/door").0, Code::CHANGED);
    assert_eq!(lock.ask(&mut short, Code::POST, "/door").0, Code::UNAUTHORIZED);
}

#[test]
fn what_is_over_is_swept() {
    let mut lock = Lock::new();
    let mut phone = lock.open(&token(b"7"), b"me", SECRET);
    assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED);
    lock.open(&token(b"8"), b"me", SECRET);
    lock.sessions.sweep(&lock.now);
    assert_eq!((lock.sessions.live(), lock.sessions.pending()), (1, 1));
    lock.now.wall = latchwork_rs_lib::Wall::exact(NOW + 600);
    lock.sessions.sweep(&lock.now);
    assert_eq!((lock.sessions.live(), lock.sessions.pending()), (0, 0));
}

/// A token in blocks (RFC 7959), plain as an upload and protected as an update.
/// R7959-2.5-01, R7959-7-01
#[test]
fn a_token_in_blocks() {
    let mut lock = Lock::new();
    let claims = good(osc(b"7", SECRET)).set(4000, bytes(&[0; 250]));
    let payload = upload_payload(&encrypted(&claims), Some(&[1; 8]), Some(b"me"));
    let parts = |payload: &[u8]| -> Vec<Vec<u8>> {
        let count = payload.chunks(64).len();
        let part = |(number, chunk): (usize, &[u8])| {
            let block = Block::new(number as u32, number + 1 < count, 2).unwrap().to_bytes();
            let options = [(OptionNumber::CONTENT_FORMAT, &[19][..]), (OptionNumber::BLOCK1, block.as_bytes())];
            request(Code::POST, "/authz-info", &options, chunk)
        };
        payload.chunks(64).enumerate().map(part).collect()
    };
    let mut last = None;
    for part in parts(&payload) {
        if let Some(response) = last.replace(lock.receive(&part)) {
            assert_eq!((response.code(), response.event), (Code::CONTINUE, Event::Block));
        }
    }
    let mut phone = Phone::derive(&last.unwrap(), &[], b"me", SECRET, None);
    assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED);

    let update = claims.set(CNF, map([(3, bytes(b"7"))])).set(SCOPE, aif(&[("/light", 2)]));
    let mut codes = Vec::new();
    for part in parts(&upload_payload(&encrypted(&update), None, None)) {
        codes.push(lock.ask_with(&mut phone, &part).0);
    }
    assert_eq!(codes.pop(), Some(Code::CREATED));
    assert!(codes.iter().all(|&code| code == Code::CONTINUE), "{codes:?}");
    assert_eq!(lock.ask(&mut phone, Code::POST, "/light").0, Code::CHANGED);

    let stray = parts(&payload).pop().unwrap();
    assert_eq!(lock.receive(&stray).code(), Code::REQUEST_ENTITY_INCOMPLETE);
}

/// Strangers take the places for blocks that are free, and each other's; never that of somebody who has proved who it is,
/// who takes theirs.
#[test]
fn strangers_push_out_no_blocks_of_those_inside() {
    let first = |path: &str| {
        let options = [(OptionNumber::CONTENT_FORMAT, &[19][..]), (OptionNumber::BLOCK1, &[0x0a])];
        request(Code::POST, path, &options, &[0; 64])
    };
    let mut lock = Lock::new();
    let mut phone = lock.open(&token(b"7"), b"me", SECRET);
    let update = good(osc(b"7", SECRET)).set(CNF, map([(3, bytes(b"7"))])).set(SCOPE, aif(&[("/light", 2)]));
    let update = upload_payload(&encrypted(&update), None, None);
    let parts: Vec<_> = update.chunks(64).enumerate().collect();
    let last = parts.len() - 1;
    for (number, chunk) in parts {
        let block = Block::new(number as u32, number < last, 2).unwrap().to_bytes();
        let options = [(OptionNumber::CONTENT_FORMAT, &[19][..]), (OptionNumber::BLOCK1, block.as_bytes())];
        let code = lock.ask_with(&mut phone, &request(Code::POST, "/authz-info", &options, chunk)).0;
        assert_eq!(code, if number < last { Code::CONTINUE } else { Code::CREATED }, "{number}");
        let codes: Vec<_> = (2..6).map(|stranger| lock.receive_from(stranger, &first("/authz-info")).code()).collect();
        assert_eq!(codes, [Code::CONTINUE; 4], "the other place is theirs");
    }
    assert_eq!(lock.ask(&mut phone, Code::POST, "/light").0, Code::CHANGED);

    // Both places are in use inside.
    let mut others: Vec<_> = [b"8", b"9"].map(|id| lock.open(&token(id), b"me", SECRET)).into();
    for phone in &mut others {
        assert_eq!(lock.ask_with(phone, &first("/door")).0, Code::CONTINUE);
    }
    let response = lock.receive_from(2, &first("/authz-info"));
    assert_eq!(response.code(), Code::SERVICE_UNAVAILABLE);
    assert_eq!(response.message().options.uint(OptionNumber::MAX_AGE), Some(5));
    for phone in &mut others {
        let end = request(
            Code::POST,
            "/door",
            &[(OptionNumber::CONTENT_FORMAT, &[19]), (OptionNumber::BLOCK1, &[0x12])],
            b"x",
        );
        assert_eq!(lock.ask_with(phone, &end).0, Code::CHANGED);
    }
    assert_eq!(lock.receive_from(2, &first("/authz-info")).code(), Code::CONTINUE);
}

/// The same for what leaves in blocks: message_1 that wants its answer in crumbs gets none while somebody inside reads on.
#[test]
fn strangers_push_out_no_answer_to_those_inside() {
    let crumbs = |path: &str, number: u8, format: &'static [u8], payload: &[u8]| {
        let options = [(OptionNumber::CONTENT_FORMAT, format), (OptionNumber::BLOCK2, &[number << 4])];
        request(Code::POST, path, &options, payload)
    };
    let mut lock = Lock::new();
    let (_, message_1) = Visitor::new(2).message_1(&[]);
    let mut phone = lock.open(&token(b"7"), b"me", SECRET);
    let (code, hints) = lock.ask(&mut phone, Code::POST, "/light");
    assert_eq!(code, Code::FORBIDDEN);
    assert!(hints.len() > 32);
    for (number, part) in (0..).zip(hints.chunks(16)) {
        let (code, payload) = lock.ask_with(&mut phone, &crumbs("/light", number, &[], &[]));
        assert_eq!((code, &payload[..]), (Code::FORBIDDEN, part), "{number}");
        let response = lock.receive_from(2, &crumbs("/.well-known/edhoc", 0, &[65], &message_1));
        let expected = if number == 0 { Code::SERVICE_UNAVAILABLE } else { response.code() };
        assert_eq!(response.code(), expected);
    }
}

/// Any bytes at all are answered or dropped, and nothing is kept of them.
/// R8392-7.2-01
#[test]
fn noise() {
    let mut lock = Lock::new();
    let mut phone = lock.open(&token(b"7"), b"me", SECRET);
    let (protected, _) = phone.protect(&request(Code::POST, "/door", &[], &[]));
    let upload =
        request(Code::POST, "/authz-info", FORMAT_19, &upload_payload(&token(b"7"), Some(&[1; 8]), Some(b"me")));
    for good in [protected, upload] {
        for at in 0..good.len() {
            for change in [0x01, 0x80, 0xff] {
                let mut bytes = good.clone();
                bytes[at] ^= change;
                if Message::parse(&bytes).is_ok() {
                    lock.receive(&bytes);
                }
            }
            if Message::parse(&good[..at]).is_ok() {
                lock.receive(&good[..at]);
            }
        }
    }
    // The header belongs to the message layer, so a change of it leaves the request genuine: once.
    assert_eq!(lock.moves(), 1);
    assert!(lock.sessions.pending() <= 2);
}

/// Fetched ahead: no sooner, and then without another token. R8392-3.1.5-01
#[test]
fn a_token_opens_when_it_begins() {
    let mut lock = Lock::new();
    let ahead = encrypted(&good(osc(b"7", b"sixteen secrets!")).set(NBF, NOW + 60));
    for (seconds, refused) in [(0, true), (59, true), (60, false)] {
        lock.now.wall = Wall::exact(NOW + seconds);
        if refused {
            assert_eq!(lock.refusal(&ahead), (Code::UNAUTHORIZED, Some(Refusal::NotYetValid)), "{seconds} s");
        }
    }
    let mut phone = lock.open(&ahead, b"me", b"sixteen secrets!");
    assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED);
    assert_eq!(lock.moves(), 1);
}

/// The power goes between any two steps of a token with a date, an update of its rights included: what was begun is over, a
/// replay from before opens nothing, and the token opens anew with the rights that it says. One for a nonce never opens again: the
/// next needs a nonce of the lock that woke.
#[test]
fn a_reboot_between_any_two_steps() {
    let update = good(map([])).set(CNF, map([(3, bytes(b"7"))])).set(SCOPE, aif(&[("/light", 2)]));
    let update = request(Code::POST, "/authz-info", FORMAT_19, &upload_payload(&encrypted(&update), None, None));
    let requests = [request(Code::POST, "/door", &[], &[]), update, request(Code::POST, "/light", &[], &[])];
    for cut in 0..=requests.len() {
        let mut lock = Lock::new();
        let mut phone = lock.open(&token(b"7"), b"me", SECRET);
        let mut before = Vec::new();
        for (step, request) in requests.iter().enumerate() {
            if step == cut {
                lock.reboot();
            }
            let (datagram, _) = phone.protect(request);
            let response = lock.receive(&datagram);
            assert_eq!(response.is_protected(), step < cut, "{cut} {step}: {:?}", response.event);
            before.push(datagram);
        }
        lock.reboot();
        let moves = lock.moves();
        before.iter().for_each(|datagram| lock.receive(datagram).assert_hints());
        assert_eq!(lock.moves(), moves, "{cut}");
        let mut phone = lock.open(&token(b"7"), b"me", SECRET);
        assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED, "{cut}");
        assert_eq!(lock.ask(&mut phone, Code::POST, "/light").0, Code::FORBIDDEN, "{cut}");
    }

    // The steps of a nonce: given in the hints, in a token that is uploaded, in a session that asks.
    let nonce_of = |lock: &mut Lock| {
        let response = lock.plain(Code::POST, "/door", &[], &[]);
        latchwork_ace::Hints::decode(response.message().payload).unwrap().cnonce.unwrap().to_vec()
    };
    let with = |nonce: &[u8]| encrypted(&good(osc(b"7", SECRET)).without(EXP).set(CNONCE, bytes(nonce)));
    for cut in 0..3 {
        let mut lock = Lock::with_nonces();
        let mut woken = 1 << 41;
        let mut reboot = |lock: &mut Lock| {
            woken += 1;
            lock.reboot();
            lock.trust = Lock::with_nonces_of(woken).trust;
        };
        let token = with(&nonce_of(&mut lock));
        if cut == 0 {
            reboot(&mut lock);
            assert_eq!(lock.refusal(&token), (Code::UNAUTHORIZED, Some(Refusal::StaleNonce)));
            continue;
        }
        let mut phone = lock.open(&token, b"me", SECRET);
        if cut == 1 {
            reboot(&mut lock);
        }
        let (datagram, _) = phone.protect(&requests[0]);
        assert_eq!(lock.receive(&datagram).is_protected(), cut == 2, "{cut}");
        if cut == 2 {
            reboot(&mut lock);
        }
        let moves = lock.moves();
        lock.receive(&datagram).assert_hints();
        assert_eq!(lock.refusal(&token), (Code::UNAUTHORIZED, Some(Refusal::StaleNonce)), "{cut}");
        assert_eq!((moves, lock.moves()), (cut - 1, cut - 1), "a replay opened");
        let token = with(&nonce_of(&mut lock));
        let mut phone = lock.open(&token, b"me", SECRET);
        assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED, "{cut}");
    }
}

/// A firmware that goes the steps itself decides late: what was proved in a session says nothing of who sits in its place by then.
#[test]
fn a_proof_is_of_its_session_and_no_other() {
    let mut lock = Lock::<1, 2>::sized();
    let mut ada = lock.open(&token(b"a"), b"ad", SECRET);
    assert_eq!(lock.ask(&mut ada, Code::POST, "/door").0, Code::CHANGED);
    let (datagram, _) = ada.protect(&request(Code::POST, "/door", &[], &[]));
    let (outer, mut out) = (Message::parse(&datagram).unwrap(), [0; 1152]);
    let proven = by_oscore(&mut lock.sessions, &outer, &lock.now, &RustCrypto, &mut out).unwrap();
    let key = proven.verified.enter(&mut lock.sessions, &lock.now).unwrap();
    let decide = |lock: &mut Lock<1, 2>| {
        let allowed = authorize(&key, &proven.request, &mut lock.sessions, &mut lock.flash, &lock.trust, None);
        allowed.map(|allowed| allowed.holder().token())
    };
    let hash = decide(&mut lock).unwrap();
    lock.revoke(hash);
    assert_eq!(decide(&mut lock), Err(Denied::NoSession), "nobody is there");
    let mut bob = lock.open(&token(b"b"), b"bo", SECRET);
    assert_eq!(lock.ask(&mut bob, Code::POST, "/door").0, Code::CHANGED);
    assert_eq!(decide(&mut lock), Err(Denied::NoSession), "somebody else is");
    assert!(proven.verified.enter(&mut lock.sessions, &lock.now).is_none(), "nor does it become a proof of theirs");
}
