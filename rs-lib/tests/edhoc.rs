//! Tokens in EDHOC: who gets in by them, who does not, and how long.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use coset::iana;
use latchwork_coap::Code;
use latchwork_edhoc::{Ead, Error};
use latchwork_rs_lib::{Event, Refusal};
use support::mint::*;
use support::visitor::*;
use support::*;

/// Cold in two exchanges, warm in one: both methods, the credential by name and by value.
/// EDHOC-4.1-01, EDHOC-4.2-04, EDHOC-4.9-01
#[test]
fn two_exchanges_open_the_door() {
    for method in BOTH {
        for by_value in [false, true] {
            let (mut lock, mut ada) = (Lock::new(), Visitor { method, by_value, ..Visitor::new(1) });
            let token = ada.token();
            let greeted = ada.greet(&mut lock);
            let (message, mut phone) = ada.message_3(greeted, &[with(&token)]);
            let (datagram, mut sent) = phone.protect(&door());
            let response = lock.receive_from(ada.peer, &combined(&datagram, &message));
            assert!(response.is_protected(), "{:?}", response.event);
            assert_eq!(phone.open(&mut sent, &response).0, Code::CHANGED, "{method:?} {by_value}");
            assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED, "warm");
            assert_eq!(lock.ask(&mut phone, Code::POST, "/light").0, Code::FORBIDDEN);
            assert_eq!(lock.ask(&mut phone, Code::GET, "/door").0, Code::METHOD_NOT_ALLOWED);
            assert_eq!((lock.moves(), lock.sessions.live(), lock.sessions.pending()), (2, 1, 0));
            assert_eq!(lock.edhoc.waiting(), 0);
        }
    }
}

/// One message after the other does it too.
#[test]
fn three_exchanges_open_the_door() {
    for method in BOTH {
        let (mut lock, mut ada) = (Lock::new(), Visitor { method, ..Visitor::new(1) });
        let token = ada.token();
        let mut phone = ada.enter(&mut lock, &token);
        assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED);
    }
}

/// Both ways in, the same refusal: nothing is kept, nothing moves, the handshake is over, and who was inside stays.
fn refused(what: &str, ada: &mut Visitor, eads: &[Ead<'_>], expected: impl Fn(Event) -> bool) {
    let (mut lock, mut inside) = (Lock::new(), Visitor::new(77));
    let token = inside.token();
    let mut friend = inside.enter(&mut lock, &token);
    for together in [false, true] {
        let greeted = ada.greet(&mut lock);
        let c_r = greeted.c_r();
        let (message, mut phone) = ada.message_3(greeted, eads);
        let alone = request(Code::POST, "/.well-known/edhoc", FORMAT_65, &posted(Some(&c_r), &message));
        let datagram = if together { combined(&phone.protect(&door()).0, &message) } else { alone.clone() };
        let response = lock.receive_from(ada.peer, &datagram);
        assert!(expected(response.event), "{what}: {:?}", response.event);
        assert_edhoc_error(&response, what);
        assert_eq!((lock.sessions.live(), lock.sessions.pending(), lock.edhoc.waiting()), (1, 0, 0), "{what}");
        assert_eq!(lock.receive_from(ada.peer, &alone).event, Event::NoHandshake, "{what}");
        lock.receive_from(ada.peer, &phone.protect(&door()).0).assert_hints();
    }
    assert_eq!(lock.moves(), 0, "{what}");
    assert_eq!(lock.ask(&mut friend, Code::POST, "/door").0, Code::CHANGED, "{what}");
}

/// EDHOC-4.3.3-01
#[test]
fn message_3_without_exactly_one_token() {
    let mut ada = Visitor::new(1);
    let token = ada.token();
    let not_one = |event| event == Event::Refused(Refusal::NotOneToken);
    refused("none", &mut ada, &[], not_one);
    refused("something else", &mut ada, &[Ead::new(7, &token)], not_one);
    refused("two", &mut ada, &[with(&token), with(&token)], not_one);
    refused("one of each kind", &mut ada, &[with(&token), Ead::new(24, &token)], not_one);
    refused("not critical", &mut ada, &[Ead::new(24, &token)], not_one);
    refused("no value", &mut ada, &[Ead { label: 24, critical: true, value: None }], not_one);
}

/// EDHOC-4.3.3-02, EDHOC-4.2-04
#[test]
fn tokens_that_do_not_count_in_message_3() {
    let mut ada = Visitor::new(1);
    let good = || claims(&Visitor::new(1).ccs, b"s1");
    let forged = signed_with(iana::Algorithm::ES256, b"sign-1", &good(), |_| vec![1; 64]);
    let cut = ada.token()[..60].to_vec();
    for (what, token, refusal) in [
        ("expired", signed(&good().set(EXP, NOW)), Refusal::Expired),
        ("of another lock", signed(&good().set(AUD, "urn:latchwork:lock:back")), Refusal::WrongAudience),
        ("of another issuer", signed(&good().set(ISS, "https://evil.example")), Refusal::WrongIssuer),
        ("forged", forged, Refusal::Forged),
        ("scope of elsewhere", signed(&good().set(SCOPE, aif(&[("/vault", 2)]))), Refusal::UnknownScope),
        ("no series", signed(&good().without(EDHOC_INFO)), Refusal::NoSeries),
        ("a series without a name", signed(&good().set(EDHOC_INFO, map([(1, 3.into())]))), Refusal::NoSeries),
        ("another profile", signed(&good().set(PROFILE, 2)), Refusal::WrongProfile),
        ("a secret", encrypted(&support::mint::good(osc(b"7", &[1; 16]))), Refusal::WrongConfirmation),
        ("encrypted", encrypted(&good()), Refusal::WrongConfirmation),
        ("a secret under a MAC", maced(&support::mint::good(osc(b"7", &[1; 16]))), Refusal::WrongConfirmation),
        ("another's MAC", maced_with(iana::Algorithm::HMAC_256_256, MAC_KID, &[1; 32], &good(), 32), Refusal::Forged),
        ("a group's MAC", maced(&good().set(AUD, GROUP)), Refusal::WrongAudience),
        ("no key in the credential", signed(&good().set(CNF, map([(KCCS, map([]))]))), Refusal::WrongConfirmation),
        ("a name too long", signed(&good().set(EDHOC_INFO, map([(0, bytes(&[1; 17]))]))), Refusal::UnsupportedMaterial),
    ] {
        refused(what, &mut ada, &[with(&token)], |event| event == Event::Refused(refusal));
    }
    for token in [&cut[..], b"", &[0; 200]] {
        refused("noise", &mut ada, &[with(token)], |event| matches!(event, Event::Refused(Refusal::NotAToken(_))));
    }
}

/// The profile's own number in the token, and longest names, are good.
#[test]
fn tokens_that_count_in_message_3() {
    let claims = claims(&Visitor::new(1).ccs, &[1; 16]);
    for token in [
        signed(&claims),
        signed_eddsa(&claims),
        maced(&claims),
        signed(&claims.clone().set(PROFILE, 4)),
        signed(&claims.clone().set(AUD, GROUP)),
        signed(
            &claims.clone().set(EDHOC_INFO, map([(0, bytes(b"")), (1, 3.into()), (4, true.into()), (99, 1.into())])),
        ),
    ] {
        let (mut lock, mut ada) = (Lock::new(), Visitor::new(1));
        let (response, (code, _)) = ada.burst_in(&mut lock, &[with(&token)], &door());
        assert_eq!(code, Code::CHANGED, "{:?}", response.event);
    }
}

/// A thief has the token and another key: by its own credential it is not whom the token is for.
/// EDHOC-4.2-03
#[test]
fn a_stolen_token_under_ones_own_name() {
    let stolen = Visitor::new(1).token();
    for by_value in [false, true] {
        let mut thief = Visitor { by_value, ..Visitor::new(2) };
        refused("a thief", &mut thief, &[with(&stolen)], |event| event == Event::Refused(Refusal::OtherCredential));
    }
}

/// By the owner's credential it would have to prove the owner's key.
#[test]
fn a_stolen_token_under_the_owners_name() {
    let owner = Visitor::new(1);
    for method in BOTH {
        for (by_value, ccs) in [(true, owner.ccs.clone()), (false, owner.ccs.clone()), (false, ccs(&key(2), &[1]))] {
            let mut thief = Visitor { by_value, method, ccs, ..Visitor::new(2) };
            let failed = |event| event == Event::HandshakeFailed(Error::NotAuthenticated);
            refused("a thief", &mut thief, &[with(&owner.token())], failed);
        }
    }
}

/// EDHOC-4.1-01: critical items that nobody knows end it, others do not.
#[test]
fn items_beside_the_token() {
    let mut ada = Visitor::new(1);
    let token = ada.token();
    let (mut lock, unknown) = (Lock::new(), Ead::critical(25, b"?"));
    let greeted = ada.greet(&mut lock);
    let c_r = greeted.c_r();
    let (message, _) = ada.message_3(greeted, &[with(&token), unknown]);
    let response = ada.say(&mut lock, &posted(Some(&c_r), &message));
    assert_eq!(response.event, Event::HandshakeFailed(Error::UnknownCriticalEad(-25)));
    assert_eq!((response.code(), lock.sessions.live()), (Code::BAD_REQUEST, 0));
    // In message_1 even the token is nothing that we know: everybody could read it there.
    for item in [unknown, with(&token)] {
        let (_, message) = ada.message_1(&[item]);
        let response = ada.say(&mut lock, &message);
        assert!(matches!(response.event, Event::HandshakeFailed(Error::UnknownCriticalEad(_))), "{:?}", response.event);
    }
    lock.now.uptime = lock.now.uptime.plus(1);
    let items = [Ead::padding(Some(&[0; 30])), Ead::new(25, b"?"), with(&token), Ead::padding(None)];
    assert_eq!(ada.burst_in(&mut lock, &items, &door()).1.0, Code::CHANGED);
}

/// Items and tokens on both sides of the lengths where the encoding changes, up to the longest token.
#[test]
fn every_length_of_ead_3() {
    for length in [60, 200, 255, 256, 512] {
        let (mut lock, mut ada) = (Lock::new(), Visitor::new(1));
        let (token, padding) = (ada.token(), vec![1; length]);
        let (response, (code, _)) = ada.burst_in(&mut lock, &[with(&token), Ead::new(25, &padding)], &door());
        assert_eq!(code, Code::CHANGED, "{length} {:?}", response.event);
    }
    // What must be in it makes no token as short as 60 bytes: of that length there is noise, which is refused as such. A MAC makes
    // one of 200, a signature the longer ones; fill that nobody knows does the rest, in two claims where one skips a length.
    let (mut lock, mut ada) = (Lock::new(), Visitor::new(1));
    let (response, _) = ada.enter_with(&mut lock, &[with(&[0x40; 60])]);
    assert!(matches!(response.event, Event::Refused(Refusal::NotAToken(_))), "{:?}", response.event);
    let bare = || claims(&Visitor::new(1).ccs, b"s1").without(ISS).without(SUB).without(CTI);
    for (length, mint) in [(200, maced as fn(&Claims) -> Vec<u8>), (255, signed), (256, signed), (512, signed)] {
        let filled = |fill: usize| bare().set(4000, bytes(&vec![0; fill]));
        let fills = (0..length).flat_map(|fill| [filled(fill), filled(fill).set(4001, bytes(&[]))]);
        let token = fills.map(|claims| mint(&claims)).find(|token| token.len() == length);
        let token = token.unwrap_or_else(|| panic!("no token of {length}; the shortest has {}", mint(&bare()).len()));
        let (mut lock, mut ada) = (Lock::new(), Visitor::new(1));
        let (response, (code, _)) = ada.burst_in(&mut lock, &[with(&token)], &door());
        assert_eq!(code, Code::CHANGED, "{length} {:?}", response.event);
    }
}

/// EDHOC-4.1-01, R9200-5.10.1: bare or in a map, it gets nowhere, and nothing is kept.
#[test]
fn a_token_for_edhoc_in_the_open() {
    let mut lock = Lock::new();
    let token = Visitor::new(1).token();
    let in_a_map = upload_payload(&token, Some(&[1; 8]), Some(b"me"));
    for (format, payload) in [(FORMAT_61, &token), (FORMAT_19, &in_a_map)] {
        let response = lock.plain(Code::POST, "/authz-info", format, payload);
        assert_eq!(response.code(), Code::UNAUTHORIZED);
        assert_eq!(response.event, Event::Refused(Refusal::InTheOpen));
        assert_eq!((lock.sessions.live(), lock.sessions.pending()), (0, 0));
    }
    // A bare token of the other kind has no nonce with it.
    let secret = encrypted(&good(osc(b"7", &[1; 16])));
    let response = lock.plain(Code::POST, "/authz-info", FORMAT_61, &secret);
    assert_eq!((response.code(), response.event), (Code::BAD_REQUEST, Event::Refused(Refusal::NoNonce)));
}

/// New rights in the same session: bare, protected, answered by an empty 2.01; the old rights are gone.
/// R9200-5.10.1-02, EDHOC-4.6.1-01, EDHOC-4.6.1-02, EDHOC-4.6.1-03, EDHOC-4.6.2-01
#[test]
fn rights_are_updated_in_place() {
    let (mut lock, mut ada) = (Lock::new(), Visitor::new(1));
    let token = ada.token();
    let mut phone = ada.enter(&mut lock, &token);
    let update = request(Code::POST, "/authz-info", FORMAT_61, &signed(&ada.more()));
    assert_eq!(lock.ask_with(&mut phone, &update), (Code::CREATED, vec![]));
    assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::FORBIDDEN);
    assert_eq!(lock.ask(&mut phone, Code::POST, "/light").0, Code::CHANGED);
    assert_eq!((lock.sessions.live(), lock.sessions.pending()), (1, 0));
}

/// EDHOC-4.6.1-02, EDHOC-4.6.2-01: whatever is wrong, it is 4.01, and nothing changes.
#[test]
fn an_update_of_another_series() {
    let (mut lock, mut ada) = (Lock::new(), Visitor::new(1));
    let token = ada.token();
    let mut phone = ada.enter(&mut lock, &token);
    let more = || Visitor::new(1).more();
    let other = Visitor::new(2);
    let forged = signed_with(iana::Algorithm::ES256, b"sign-1", &more(), |_| vec![1; 64]);
    for (what, format, payload) in [
        ("another series", FORMAT_61, signed(&more().set(EDHOC_INFO, map([(0, bytes(b"s2"))])))),
        ("a longer name", FORMAT_61, signed(&more().set(EDHOC_INFO, map([(0, bytes(b"s1\0"))])))),
        ("another credential", FORMAT_61, signed(&other.more())),
        ("expired", FORMAT_61, signed(&more().set(EXP, NOW))),
        ("another lock", FORMAT_61, signed(&more().set(AUD, "x"))),
        ("unknown scope", FORMAT_61, signed(&more().set(SCOPE, "light"))),
        ("forged", FORMAT_61, forged),
        ("no token", FORMAT_61, b"nonsense".to_vec()),
        ("in a map", FORMAT_19, upload_payload(&signed(&more()), None, None)),
        ("a secret", FORMAT_61, encrypted(&good(osc(b"7", &[1; 16])))),
        ("the name of a secret", FORMAT_61, encrypted(&good(osc(b"7", &[1; 16])).set(CNF, map([(3, bytes(b"7"))])))),
    ] {
        let update = request(Code::POST, "/authz-info", format, &payload);
        assert_eq!(lock.ask_with(&mut phone, &update).0, Code::UNAUTHORIZED, "{what}");
        assert_eq!(lock.ask(&mut phone, Code::POST, "/light").0, Code::FORBIDDEN, "{what}");
        assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED, "{what}");
    }
    // A session of the other profile takes no token of this one.
    let mut old = lock.open(&encrypted(&good(osc(b"7", &[1; 16]))), b"me", &[1; 16]);
    let update = request(Code::POST, "/authz-info", FORMAT_61, &signed(&more()));
    assert_eq!(lock.ask_with(&mut old, &update).0, Code::UNAUTHORIZED);
}

/// EDHOC-4.2-05, EDHOC-4.8-01, EDHOC-12-01: a credential has one session; the handshake that completes ends the one before.
/// EDHOC-4.12-01, EDHOC-12-02
#[test]
fn a_credential_has_one_session() {
    let (mut lock, mut ada) = (Lock::new(), Visitor::new(1));
    let token = ada.token();
    let narrow = signed(&ada.more());
    let mut first = ada.enter(&mut lock, &token);
    assert_eq!(lock.ask(&mut first, Code::POST, "/door").0, Code::CHANGED);
    let greeted = ada.greet(&mut lock);
    assert_eq!(lock.ask(&mut first, Code::POST, "/door").0, Code::CHANGED, "message_1 proves nothing");
    drop(greeted);
    let mut second = ada.enter(&mut lock, &token);
    assert_eq!(lock.ask(&mut first, Code::POST, "/door").0, Code::UNAUTHORIZED);
    assert_eq!(lock.ask(&mut second, Code::POST, "/door").0, Code::CHANGED);
    let mut third = ada.enter(&mut lock, &narrow);
    assert_eq!(lock.ask(&mut second, Code::POST, "/door").0, Code::UNAUTHORIZED);
    assert_eq!(lock.ask(&mut third, Code::POST, "/light").0, Code::CHANGED);
    assert_eq!(lock.sessions.live(), 1);
}

/// EDHOC-4.10-01: expired, or revoked, the session is over.
/// EDHOC-4.7-02
#[test]
fn the_session_ends_with_its_token() {
    let (mut lock, mut ada) = (Lock::new(), Visitor::new(1));
    let token = ada.token();
    let mut phone = ada.enter(&mut lock, &token);
    lock.now.wall = latchwork_rs_lib::Wall::exact(NOW + 600);
    let response = lock.receive(&phone.protect(&door()).0);
    response.assert_hints();
    assert_eq!((response.event, lock.sessions.live()), (Event::Lapsed, 0));
}
