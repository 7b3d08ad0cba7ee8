//! Tokens that count from their first receipt (RFC 9200 §5.10.3), on a lock that knows no date and has a little flash,
//! with the power going at any moment.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use latchwork_coap::{Code, OptionNumber};
use latchwork_crypto::{RustCrypto, Symmetric};
use latchwork_rs_lib::{Event, Refusal, Series, Uptime, Wall};
use support::mint::*;
use support::visitor::*;
use support::*;

const SECRET: &[u8] = b"sixteen secrets!";

/// Ten minutes from receipt, under this number.
fn numbered(number: u64) -> Claims {
    let cti = [LOCK.as_bytes(), &number.to_be_bytes()].concat();
    good(osc(&number.to_be_bytes(), SECRET)).without(EXP).set(EXI, 600).set(CTI, bytes(&cti))
}

fn token(number: u64) -> Vec<u8> {
    encrypted(&numbered(number))
}

fn counting() -> Lock {
    Lock::counting(Chip::default())
}

/// Switched off and on again.
fn reboot<const N: usize, const P: usize>(lock: Lock<N, P>) -> Lock {
    Lock::counting(lock.flash)
}

impl<const N: usize, const P: usize> Lock<N, P> {
    fn enter(&mut self, number: u64) -> Phone {
        let mut phone = self.open(&token(number), b"me", SECRET);
        assert_eq!(self.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED, "{number}");
        phone
    }

    fn is_over(&mut self, number: u64) -> bool {
        match self.refusal(&token(number)) {
            (Code::CREATED, None) => false,
            (Code::UNAUTHORIZED, Some(Refusal::Expired)) => true,
            other => panic!("{number}: {other:?}"),
        }
    }
}

/// R9200-5.10.1.1-10
#[test]
fn the_count_begins_with_the_first_receipt() {
    let mut lock = counting();
    let mut phone = lock.open(&token(1), b"me", SECRET);
    lock.now.uptime = Uptime(1000 + 599);
    assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED);
    let mut again = lock.open(&token(1), b"me", SECRET);
    assert_eq!(lock.ask(&mut again, Code::POST, "/door").0, Code::CHANGED);
    lock.now.uptime = Uptime(1000 + 600);
    assert_eq!(lock.ask(&mut again, Code::POST, "/door").0, Code::UNAUTHORIZED, "an upload starts no new count");
    assert!(lock.is_over(1));
    assert_eq!(lock.moves(), 2);
}

/// Found over by the sweep, by an upload, by a request: however it ends, its number and all below are over.
/// R9200-5.10.3-03
#[test]
fn what_ran_out_is_over_and_all_below() {
    let late = Uptime(1000 + 600);
    for how in ["sweep", "upload", "request"] {
        let mut lock = counting();
        let mut phone = lock.enter(7);
        lock.now.uptime = late;
        match how {
            "sweep" => lock.sessions.sweep(&lock.now),
            "upload" => drop(lock.upload(&token(9))),
            _ => assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::UNAUTHORIZED),
        }
        for (number, over) in [(8, false), (7, true), (6, true), (0, true)] {
            assert_eq!(lock.is_over(number), over, "{how}: {number}");
        }
    }
}

/// Compared with the highest number that is over, not the highest that was seen.
#[test]
fn numbers_may_come_in_any_order() {
    let mut lock = counting();
    let mut late = lock.enter(9);
    let mut early = lock.enter(3);
    assert_eq!(lock.ask(&mut late, Code::POST, "/door").0, Code::CHANGED);
    assert_eq!(lock.ask(&mut early, Code::POST, "/door").0, Code::CHANGED);
    assert_eq!(lock.flash.writes, 1, "what flash has covers the lower number");
}

/// An upload, however often, costs no write and no number; neither does one that is pushed out.
#[test]
fn an_upload_burns_nothing() {
    let mut lock = counting();
    for number in (1..100).chain([5, 5, 5]) {
        assert_eq!(lock.upload(&token(number)).code(), Code::CREATED);
    }
    assert_eq!((lock.flash.writes, lock.sessions.pending()), (0, 2));
    let mut lock = reboot(lock);
    lock.enter(1);
}

/// A running session that loses its seat is over; it must not begin anew.
#[test]
fn an_evicted_session_is_over() {
    let mut lock = Lock::<1, 2>::sized();
    lock.now.wall = Wall::Unknown;
    lock.sessions.remember(&lock.trust, &mut lock.flash, &RustCrypto).unwrap();
    lock.enter(5);
    lock.now.uptime = Uptime(1100);
    lock.enter(8);
    assert!(lock.is_over(5));
    assert!(!lock.is_over(6), "never ran");
}

/// The doorstep may hold a second context for a token whose session was evicted. It opens nothing any more.
#[test]
fn a_pending_twin_of_an_evicted_session() {
    let mut lock = Lock::<1, 2>::sized();
    lock.now.wall = Wall::Unknown;
    lock.sessions.remember(&lock.trust, &mut lock.flash, &RustCrypto).unwrap();
    lock.enter(5);
    let mut twin = lock.open(&token(5), b"me", SECRET);
    lock.now.uptime = Uptime(1100);
    lock.enter(8);
    assert_eq!(lock.ask(&mut twin, Code::POST, "/door").0, Code::UNAUTHORIZED);
    assert_eq!(lock.moves(), 2);
}

/// A new context for the same token goes on under its number.
#[test]
fn the_same_token_again_is_the_same_number() {
    let mut lock = counting();
    lock.enter(5);
    lock.enter(5);
    lock.enter(4);
    assert_eq!(lock.flash.writes, 1);
    assert!(!lock.is_over(5));
}

/// The power goes between any two steps; afterwards a token that ever moved the bolt moves it no more, and one that did
/// not is good unless its number was just being written.
/// R9200-5.10.3-03
#[test]
fn a_reboot_between_any_two_steps() {
    let upload = |lock: &mut Lock| lock.open(&token(5), b"me", SECRET);
    // before anything
    let mut lock = reboot(counting());
    lock.enter(5);
    // between upload and request
    let mut lock = counting();
    let mut phone = upload(&mut lock);
    let mut lock = reboot(lock);
    assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::UNAUTHORIZED, "the session is gone");
    lock.enter(5);
    // while the number is written, and before the answer
    for (cut, over) in [(Cut::Before, false), (Cut::After, true)] {
        let mut lock = counting();
        let mut phone = upload(&mut lock);
        lock.flash.cut = Some(cut);
        let (datagram, _) = phone.protect(&request(Code::POST, "/door", &[], &[]));
        let response = lock.receive(&datagram);
        assert_eq!((response.event, response.is_protected()), (Event::FlashFailed, true));
        assert_eq!(lock.moves(), 0, "not written, not allowed");
        let mut lock = reboot(lock);
        assert_eq!(lock.is_over(5), over, "{cut:?}");
    }
    // after the first request, the second, the end, and twice
    let mut lock = counting();
    let mut phone = lock.enter(5);
    let mut first = Lock::counting(lock.flash.clone());
    assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED);
    let mut second = Lock::counting(lock.flash.clone());
    lock.now.uptime = Uptime(5000);
    lock.sessions.sweep(&lock.now);
    let mut third = reboot(reboot(lock));
    for lock in [&mut first, &mut second, &mut third] {
        assert!(lock.is_over(5) && lock.is_over(4) && !lock.is_over(6));
    }
}

/// A flash that fails for a while keeps the door shut for new tokens and costs nobody a number.
#[test]
fn a_flash_that_fails() {
    let mut lock = counting();
    let mut inside = lock.enter(4);
    let mut phone = lock.open(&token(5), b"me", SECRET);
    lock.flash.cut = Some(Cut::Before);
    let (code, _) = lock.ask(&mut phone, Code::POST, "/door");
    assert_eq!(code, Code::INTERNAL_SERVER_ERROR);
    assert_eq!(lock.ask(&mut inside, Code::POST, "/door").0, Code::CHANGED, "written already");
    lock.flash.cut = None;
    assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED);
}

/// Nor does one that wrote, and said that it did not: the same number comes again, no greater than what is there.
#[test]
fn a_flash_that_wrote_and_failed() {
    for cut in [Cut::Before, Cut::After] {
        let mut lock = counting();
        let mut phone = lock.open(&token(5), b"me", SECRET);
        for _ in 0..2 {
            lock.flash.cut = Some(cut);
            assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::INTERNAL_SERVER_ERROR, "{cut:?}");
        }
        lock.flash.cut = None;
        assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED, "{cut:?}");
        assert_eq!((lock.moves(), lock.flash.numbers[0].1), (1, 5), "{cut:?}");
        assert!(reboot(lock).is_over(5), "{cut:?}");
    }
}

/// A request that is not allowed writes no number. One with an option that nobody knows changes nothing at all; one for
/// something else has proved whose session it is, which ends the session before it (RFC 9203 §6).
/// R9203-6-02
#[test]
fn a_first_request_that_is_refused() {
    let claims = |number| numbered(number).set(CNF, map([(4, osc(b"7", SECRET))]));
    for (what, refused, code, replaces) in [
        ("If-Match", request(Code::POST, "/door", &[(OptionNumber::IF_MATCH, &[1])], &[]), Code::BAD_OPTION, false),
        ("elsewhere", request(Code::POST, "/light", &[], &[]), Code::FORBIDDEN, true),
        ("a handshake", request(Code::POST, "/.well-known/edhoc", &[], &[]), Code::FORBIDDEN, true),
        ("another method", request(Code::GET, "/door", &[], &[]), Code::METHOD_NOT_ALLOWED, true),
        ("no token", request(Code::POST, "/authz-info", FORMAT_19, &[1]), Code::BAD_REQUEST, true),
    ] {
        let mut lock = counting();
        let mut old = lock.open(&encrypted(&claims(5)), b"me", SECRET);
        assert_eq!(lock.ask(&mut old, Code::POST, "/door").0, Code::CHANGED);
        let mut new = lock.open(&encrypted(&claims(8)), b"me", SECRET);
        for _ in 0..2 {
            assert_eq!(lock.ask_with(&mut new, &refused).0, code, "{what}");
            assert_eq!((lock.flash.writes, lock.moves()), (1, 1), "{what}");
            assert_eq!((lock.sessions.live(), lock.sessions.pending()), (1, usize::from(!replaces)), "{what}");
        }
        // Until now nothing was allowed on the new token: a reboot costs it nothing.
        let mut woken = Lock::counting(lock.flash.clone());
        assert!(woken.is_over(5) && !woken.is_over(8), "{what}");
        let stays = if replaces { Code::UNAUTHORIZED } else { Code::CHANGED };
        assert_eq!(lock.ask(&mut old, Code::POST, "/door").0, stays, "{what}");
        assert_eq!(lock.ask(&mut new, Code::POST, "/door").0, Code::CHANGED, "{what}");
        assert_eq!(lock.flash.writes, 2, "{what}");
        assert!(reboot(lock).is_over(8), "{what}");
    }
}

/// A second context for a token that ran goes on under its number, though its own first request is refused.
#[test]
fn a_number_that_ran_stays_so_in_the_next_context() {
    let mut lock = Lock::<1, 2>::sized();
    lock.now.wall = Wall::Unknown;
    lock.sessions.remember(&lock.trust, &mut lock.flash, &RustCrypto).unwrap();
    lock.enter(5);
    let mut again = lock.open(&token(5), b"me", SECRET);
    assert_eq!(lock.ask(&mut again, Code::POST, "/light").0, Code::FORBIDDEN);
    lock.now.uptime = Uptime(1100);
    lock.enter(8);
    assert!(lock.is_over(5), "pushed out after it ran");
}

/// One credential, and a token older than the one that runs: it would go back, and the number that runs would be over with it.
#[test]
fn a_handshake_with_a_lower_number() {
    let (mut lock, mut ada) = (counting(), Visitor::new(1));
    let token = |number| {
        let claims = claims(&Visitor::new(1).ccs, b"s1").without(EXP).set(EXI, 600);
        signed(&claims.set(CTI, bytes(&[LOCK.as_bytes(), &u64::to_be_bytes(number)].concat())))
    };
    let mut phone = ada.enter(&mut lock, &token(8));
    assert_eq!(lock.flash.writes, 0, "the handshake allows nothing yet");
    assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED);
    assert_eq!(lock.flash.writes, 1);
    let (response, _) = ada.enter_with(&mut lock, &[with(&token(3))]);
    assert_eq!(response.event, Event::Refused(Refusal::Expired));
    assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED, "stays");
    let mut phone = ada.enter(&mut lock, &token(9));
    assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED);
    assert_eq!((lock.flash.writes, lock.sessions.live(), lock.sessions.pending()), (2, 1, 0));
}

/// Each server counts for itself, and for each audience.
#[test]
fn series_do_not_mix() {
    let foreign = |number: u64| {
        let claims = numbered(number).set(ISS, "https://other.example");
        encrypted_with(header(b"other-1", &[9; 13]), &[3; 16], &claims.encode())
    };
    let mut lock = counting();
    lock.enter(9);
    let mut lock = reboot(lock);
    assert!(lock.is_over(9));
    let mut phone = lock.open(&foreign(1), b"me", SECRET);
    assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED);
    let series = |iss: &str, aud: &str| {
        let hash = RustCrypto.sha256(&[iss.as_bytes(), &[0], aud.as_bytes()]).unwrap();
        Series(hash[..8].try_into().unwrap())
    };
    let numbers = [(series(ISSUER, LOCK), 9), (series("https://other.example", LOCK), 1)];
    assert_eq!(lock.flash.numbers, numbers);
}

/// An update of rights counts under its own number: the old one is over, and the count does not begin before a request.
#[test]
fn an_update_takes_the_number_over() {
    let update = |number: u64| {
        let claims = numbered(number).set(CNF, map([(3, bytes(&5u64.to_be_bytes()))])).set(EXI, 60);
        let payload = upload_payload(&encrypted(&claims), None, None);
        request(Code::POST, "/authz-info", FORMAT_19, &payload)
    };
    let mut lock = counting();
    let mut phone = lock.enter(5);
    assert_eq!(lock.ask_with(&mut phone, &update(4)).0, Code::UNAUTHORIZED, "goes back");
    assert_eq!(lock.ask_with(&mut phone, &update(8)).0, Code::CREATED);
    assert_eq!(lock.flash.writes, 1);
    assert!(lock.is_over(5));
    lock.now.uptime = Uptime(1059);
    assert_eq!(lock.ask_with(&mut phone, &update(8)).0, Code::CREATED, "the same again");
    assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED);
    assert_eq!(lock.flash.writes, 2);
    lock.now.uptime = Uptime(1060);
    assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::UNAUTHORIZED);
    assert!(lock.is_over(8));
}

/// Tokens with `exi` and something wrong.
#[test]
fn refused() {
    let cti = |aud: &str, number: &[u8]| bytes(&[aud.as_bytes(), number].concat());
    let number = 9u64.to_be_bytes();
    for (what, claims, expected) in [
        ("no cti", numbered(9).without(CTI), Refusal::NotNumbered),
        ("another lock's", numbered(9).set(CTI, cti("urn:latchwork:lock:back", &number)), Refusal::NotNumbered),
        ("a short number", numbered(9).set(CTI, cti(LOCK, &number[1..])), Refusal::NotNumbered),
        ("a long number", numbered(9).set(CTI, cti(LOCK, &[0; 9])), Refusal::NotNumbered),
        ("random", numbered(9).set(CTI, bytes(&[7; 16])), Refusal::NotNumbered),
        ("a date too", numbered(9).set(EXP, NOW + 600), Refusal::ClockUnknown),
        ("no time at all", numbered(9).set(EXI, 0), Refusal::Expired),
        ("a nonce that nobody gave", numbered(9).set(CNONCE, bytes(&[1; 20])), Refusal::StaleNonce),
    ] {
        let mut lock = counting();
        assert_eq!(lock.refusal(&encrypted(&claims)), (Code::UNAUTHORIZED, Some(expected)), "{what}");
        assert_eq!((lock.sessions.pending(), lock.flash.writes), (0, 0), "{what}");
    }
    let negative = numbered(9).set(EXI, -1);
    assert_eq!(counting().refusal(&encrypted(&negative)).0, Code::BAD_REQUEST);
}

/// With a clock, a date in the token ends it too, whichever is first.
#[test]
fn a_date_and_a_count() {
    for (exp, uptime, wall, good) in [
        (NOW + 100, 1050, NOW + 50, true),
        (NOW + 100, 1100, NOW + 100, false),
        (NOW + 100_000, 1599, NOW + 599, true),
        (NOW + 100_000, 1600, NOW + 600, false),
    ] {
        let mut lock = counting();
        lock.now.wall = Wall::exact(NOW);
        let mut phone = lock.open(&encrypted(&numbered(1).set(EXP, exp)), b"me", SECRET);
        lock.now.uptime = Uptime(uptime);
        lock.now.wall = Wall::exact(wall);
        let code = lock.ask(&mut phone, Code::POST, "/door").0;
        assert_eq!(code == Code::CHANGED, good, "{exp} {uptime} {code:?}");
    }
}

/// The highest number there is, and lifetimes without end in sight.
#[test]
fn limits() {
    let mut lock = counting();
    let mut phone = lock.open(&encrypted(&numbered(u64::MAX).set(EXI, u64::MAX)), b"me", SECRET);
    assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED);
    let mut lock = reboot(lock);
    assert!(lock.is_over(u64::MAX));
}

/// Two servers vouch for one credential, and their numbers have nothing to do with each other: a session that gives way to one by the other
/// server is over for good, also where both count the same; and a lower number of the other's is as good as a higher one.
#[test]
fn one_credential_by_two_servers() {
    for (first, second) in [(5, 5), (5, 6), (6, 5)] {
        let mut ada = Visitor::new(1);
        let of = |ada: &Visitor, number: u64| {
            let cti = [LOCK.as_bytes(), &number.to_be_bytes()].concat();
            support::visitor::claims(&ada.ccs, b"s1").without(EXP).set(EXI, 600).set(CTI, bytes(&cti))
        };
        let by_one = signed(&of(&ada, first));
        let by_other = of(&ada, second).set(ISS, "https://other.example");
        let sign = |message: &[u8]| other().sk.sign(message, None).to_vec();
        let by_other = signed_with(coset::iana::Algorithm::EdDSA, b"other-2", &by_other, sign);
        let mut lock = counting();
        for token in [&by_one, &by_other] {
            let mut phone = ada.enter(&mut lock, token);
            assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED, "{first} {second}");
        }
        assert_eq!(lock.sessions.live(), 1);
        let (response, _) = ada.burst_in(&mut lock, &[with(&by_one)], &door());
        assert_eq!(response.event, Event::Refused(Refusal::Expired), "{first} {second}: it would count anew");
    }
}
