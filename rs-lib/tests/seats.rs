//! A lock with more people than seats: who waits, who goes, and what somebody with many tokens can do about it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use latchwork_coap::Code;
use latchwork_rs_lib::Uptime;
use support::mint::*;
use support::*;

const SECRET: &[u8] = b"sixteen secrets!";

/// The token of a person, of which they may have any number.
fn token(person: &str, number: u32) -> Vec<u8> {
    let id = [person.as_bytes(), &number.to_be_bytes()].concat();
    encrypted(&good(osc(&id, SECRET)).set(SUB, person))
}

impl<const N: usize, const P: usize> Lock<N, P> {
    fn comes(&mut self, person: &str, number: u32) -> (Phone, Code) {
        let mut phone = self.open(&token(person, number), b"me", SECRET);
        let code = self.ask(&mut phone, Code::POST, "/door").0;
        (phone, code)
    }

    fn enters(&mut self, person: &str, number: u32) -> Phone {
        let (phone, code) = self.comes(person, number);
        assert_eq!(code, Code::CHANGED, "{person} {number}");
        phone
    }

    fn is_inside(&mut self, phone: &mut Phone) -> bool {
        self.ask(phone, Code::POST, "/door").0 == Code::CHANGED
    }
}

/// Thirty-two fresh tokens, each in use: a quarter of the seats stays for everyone else, and who is inside stays.
#[test]
fn one_person_with_many_tokens() {
    let mut lock = Lock::<32, 8>::sized();
    let mut early = lock.enters("early bird", 0);
    let mut many = Vec::new();
    for number in 0..40 {
        let (phone, code) = lock.comes("many", number);
        assert!([Code::CHANGED, Code::SERVICE_UNAVAILABLE].contains(&code));
        if code == Code::CHANGED {
            many.push(phone);
        }
    }
    assert_eq!(many.len(), 23, "and 1, and 8 that are left");
    for person in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        lock.enters(person, 0);
        assert_eq!(lock.comes(person, 1).1, Code::SERVICE_UNAVAILABLE, "a second seat has to wait");
    }
    assert_eq!(lock.comes("i", 0).1, Code::SERVICE_UNAVAILABLE, "nobody in use is evicted");
    assert!(lock.is_inside(&mut early));
    assert!(many.iter_mut().all(|phone| lock.is_inside(phone)));
    // A minute later whoever does not use it gives first, and of those who holds most.
    lock.now.uptime = Uptime(1060);
    assert!(lock.is_inside(&mut early));
    for person in 0..22 {
        lock.enters(&format!("next {person}"), 0);
    }
    assert!(lock.is_inside(&mut early));
    let left = many.iter_mut().map(|phone| usize::from(lock.is_inside(phone))).sum::<usize>();
    assert_eq!(left, 1);
}

/// The idle session of whoever holds most goes, though others were idle for longer.
#[test]
fn who_holds_most_gives_first() {
    let mut lock = Lock::<4, 2>::sized();
    let mut alone = lock.enters("alone", 0);
    lock.now.uptime = Uptime(1010);
    let mut first = lock.enters("two phones", 1);
    let mut second = lock.enters("two phones", 2);
    let mut guest = lock.enters("guest", 0);
    lock.now.uptime = Uptime(1100);
    lock.enters("newcomer", 0);
    assert!(!lock.is_inside(&mut first));
    assert!(lock.is_inside(&mut second) && lock.is_inside(&mut alone) && lock.is_inside(&mut guest));
}

/// Somebody inside does not get a second seat at the cost of somebody who has one; of their own idle ones, at any time.
#[test]
fn nobody_gives_way_to_who_holds_as_many() {
    let mut lock = Lock::<4, 2>::sized();
    let mut people: Vec<_> = ["a", "b", "c", "d"].map(|person| lock.enters(person, 0)).into();
    lock.now.uptime = Uptime(1100);
    assert!(lock.is_inside(&mut people[0]));
    assert_eq!(lock.comes("a", 1).1, Code::SERVICE_UNAVAILABLE);
    lock.now.uptime = Uptime(1160);
    let mut second = lock.enters("a", 1);
    assert!(!lock.is_inside(&mut people[0]), "their own was idle");
    assert!(lock.is_inside(&mut second) && people[1..].iter_mut().all(|phone| lock.is_inside(phone)));
}

/// The doorstep: many tokens of one person push out each other, not the one upload of somebody else.
#[test]
fn uploads_of_one_person_push_out_each_other() {
    let mut lock = Lock::<8, 2>::sized();
    let mut waiting = lock.open(&token("waiting", 0), b"me", SECRET);
    for number in 0..50 {
        lock.open(&token("many", number), b"me", SECRET);
    }
    assert!(lock.is_inside(&mut waiting));
}

/// Tokens that name nobody are one crowd.
#[test]
fn tokens_without_a_subject() {
    let nameless = |number: u8| encrypted(&good(osc(&[number], SECRET)));
    let mut lock = Lock::<8, 2>::sized();
    let mut inside = 0;
    for number in 0..20 {
        let mut phone = lock.open(&nameless(number), b"me", SECRET);
        inside += usize::from(lock.is_inside(&mut phone));
    }
    assert_eq!(inside, 6);
    lock.enters("somebody", 0);
}

/// The same `sub` of another server is somebody else.
#[test]
fn people_of_two_servers() {
    let foreign = |number: u32| {
        let id = number.to_be_bytes();
        let claims = good(osc(&id, SECRET)).set(ISS, "https://other.example").set(SUB, "a");
        encrypted_with(header(b"other-1", &[9; 13]), &[3; 16], &claims.encode())
    };
    let mut lock = Lock::<4, 2>::sized();
    for number in 0..3 {
        let mut phone = lock.open(&foreign(number), b"me", SECRET);
        assert!(lock.is_inside(&mut phone));
    }
    lock.enters("a", 0);
}

/// A sniffed upload is replayed on a lock that is full, while its owner is inside: the owner stays.
#[test]
fn a_replayed_upload_at_a_full_lock() {
    let mut lock = Lock::<4, 2>::sized();
    let mut owner = lock.enters("owner", 0);
    let mut others: Vec<_> = ["a", "b", "c"].map(|person| lock.enters(person, 0)).into();
    for _ in 0..100 {
        assert_eq!(lock.upload(&token("owner", 0)).code(), Code::CREATED);
    }
    assert!(lock.is_inside(&mut owner) && others.iter_mut().all(|phone| lock.is_inside(phone)));
    let mut again = lock.enters("owner", 0);
    assert!(!lock.is_inside(&mut owner) && lock.is_inside(&mut again), "its own seat, though the lock is full");
}

/// A seat whose rights are over is free.
#[test]
fn what_is_over_takes_no_seat() {
    let mut lock = Lock::<2, 2>::sized();
    for number in 0..2 {
        let claims = good(osc(&[number], SECRET)).set(SUB, "short").set(EXP, NOW + 1);
        let mut phone = lock.open(&encrypted(&claims), b"me", SECRET);
        assert!(lock.is_inside(&mut phone));
    }
    assert_eq!(lock.comes("a", 0).1, Code::SERVICE_UNAVAILABLE);
    lock.now.wall = latchwork_rs_lib::Wall::exact(NOW + 1);
    lock.enters("a", 0);
    lock.enters("b", 0);
}
