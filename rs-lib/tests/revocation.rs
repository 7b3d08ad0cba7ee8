//! Revoked tokens (RFC 9770 §11.1): expunged, remembered, refused, and forgotten when it is safe to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use ciborium::value::Value;
use latchwork_ace::TrlResponse;
use latchwork_coap::Code;
use latchwork_rs_lib::{Event, NoFlash, Now, Refusal, Revoked, Sessions, TokenHash, Uptime, Wall};
use support::mint::*;
use support::visitor::{FORMAT_61, Visitor};
use support::*;

const SECRET: &[u8] = b"sixteen secrets!";

fn token(id: u8) -> Vec<u8> {
    encrypted(&good(osc(&[id], SECRET)))
}

fn numbered(number: u64) -> Vec<u8> {
    let cti = [LOCK.as_bytes(), &number.to_be_bytes()].concat();
    let claims = good(osc(&number.to_be_bytes(), SECRET)).without(EXP).set(EXI, 600).set(CTI, bytes(&cti));
    encrypted(&claims)
}

fn name(lock: &mut Lock, token: &[u8]) -> TokenHash {
    match lock.upload(token).event {
        Event::Uploaded(hash) => hash,
        event => panic!("{event:?}"),
    }
}

fn refused(lock: &mut Lock, token: &[u8]) -> bool {
    match lock.refusal(token) {
        (Code::CREATED, None) => false,
        (Code::UNAUTHORIZED, Some(Refusal::Revoked)) => true,
        other => panic!("{other:?}"),
    }
}

fn sweep(lock: &mut Lock) {
    lock.sessions.sweep(&lock.now);
    lock.sessions.sweep_revoked(&mut lock.revoked, &mut lock.flash, &lock.now).unwrap();
}

fn kept(lock: &Lock) -> usize {
    lock.revoked.tokens().count()
}

/// With a clock, and flash for tokens without a date.
fn dated_and_counting() -> Lock {
    let mut lock = Lock::counting(Chip::default());
    lock.now.wall = Wall::exact(NOW);
    lock
}

/// A list as a whole.
fn full(hashes: impl IntoIterator<Item = TokenHash>) -> Vec<u8> {
    encode(&map([(0, set(hashes))]))
}

fn set(hashes: impl IntoIterator<Item = TokenHash>) -> Value {
    Value::Array(hashes.into_iter().map(|hash| bytes(&[&[1], &hash.0[..]].concat())).collect())
}

fn learn(lock: &mut Lock, list: &[u8]) {
    learn_from(0, lock, list);
}

fn learn_from(issuer: u8, lock: &mut Lock, list: &[u8]) {
    let list = TrlResponse::decode(list).unwrap();
    lock.sessions.learn(issuer, &list, &mut lock.revoked, &mut lock.flash, &lock.now).unwrap();
}

fn unlist(lock: &mut Lock) {
    lock.sessions.unlist(0, |_| false, &mut lock.revoked);
}

/// R9770-11.1-01, R9770-11.1-02, R9770-11.1-03
#[test]
fn expunged_kept_and_refused() {
    let mut lock = Lock::new();
    let mut live = lock.open(&token(1), b"me", SECRET);
    assert_eq!(lock.ask(&mut live, Code::POST, "/door").0, Code::CHANGED);
    let mut pending = lock.open(&token(1), b"me", SECRET);
    let mut other = lock.open(&token(2), b"me", SECRET);
    let hash = lock.door.0[0];
    lock.revoke(hash);
    for phone in [&mut live, &mut pending] {
        assert_eq!(lock.ask(phone, Code::POST, "/door").0, Code::UNAUTHORIZED);
    }
    assert_eq!(lock.ask(&mut other, Code::POST, "/door").0, Code::CHANGED);
    lock.revoke(hash);
    assert_eq!(kept(&lock), 1, "once is enough");
    assert!(lock.revoked.contains(0, &hash) && refused(&mut lock, &token(1)) && refused(&mut lock, &token(1)));
}

/// Somebody inside, and what they may post to.
type Inside = (Lock, Phone, &'static str);

/// The holder of a signed token came with its other signature, and the list names the first; or the other way round
/// (R9770-11.1-01).
#[test]
fn a_session_by_the_other_signature_ends_too() {
    for fill in 0..3 {
        let ada = || Visitor::new(1);
        let filled = |claims: Claims| claims.set(CTI, bytes(&vec![7; fill]));
        let token = signed(&filled(visitor::claims(&ada().ccs, b"s1")));
        let more = signed(&filled(ada().more()));
        let by_handshake = |token: &[u8]| {
            let mut lock = Lock::new();
            let mut phone = ada().enter(&mut lock, token);
            assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED);
            (lock, phone, "/door")
        };
        let by_update = |more: &[u8]| {
            let (mut lock, mut phone, _) = by_handshake(&token);
            let update = request(Code::POST, "/authz-info", FORMAT_61, more);
            assert_eq!(lock.ask_with(&mut phone, &update).0, Code::CREATED);
            assert_eq!(lock.ask(&mut phone, Code::POST, "/light").0, Code::CHANGED);
            (lock, phone, "/light")
        };
        let check = |enter: &dyn Fn(&[u8]) -> Inside, token: &[u8]| {
            let twin = twin(token);
            let names = [token, &twin].map(|form| *enter(form).0.door.0.last().unwrap());
            assert_ne!(names[0], names[1]);
            for form in [token, &twin] {
                for name in names {
                    let (mut lock, mut phone, path) = enter(form);
                    lock.revoke(TokenHash([1; 32]));
                    assert_eq!(lock.ask(&mut phone, Code::POST, path).0, Code::CHANGED, "another token");
                    lock.revoke(name);
                    assert_eq!(lock.ask(&mut phone, Code::POST, path).0, Code::UNAUTHORIZED, "{fill} {path}");
                    lock.now.wall = Wall::exact(NOW + 600);
                    sweep(&mut lock);
                    assert!(!lock.revoked.contains(0, &name), "it was seen");
                }
            }
        };
        check(&by_handshake, &token);
        check(&by_update, &more);
    }
}

/// A hash stays until its token was seen and has expired: R9770-11.1-05. Of a token with a date, the list does not decide.
#[test]
fn kept_until_seen_and_expired() {
    let end = NOW + 600;
    for (what, dated, seen, listed, now, keeps) in [
        ("neither", true, false, true, NOW, true),
        ("seen", true, true, true, end - 1, true),
        ("expired, for all we could know", true, false, true, end, true),
        ("unlisted", true, false, false, NOW, true),
        ("unlisted, without a date", false, false, false, NOW, true),
        ("seen and expired", true, true, true, end, false),
        ("seen and unlisted", true, true, false, end - 1, true),
        ("seen, unlisted and expired", true, true, false, end, false),
        ("seen, without a date", false, true, true, NOW, true),
        ("seen and unlisted, without a date", false, true, false, NOW, false),
    ] {
        let mut lock = dated_and_counting();
        let token = if dated { token(1) } else { numbered(5) };
        let hash = name(&mut dated_and_counting(), &token);
        lock.revoke(hash);
        if seen {
            assert!(refused(&mut lock, &token), "{what}");
        }
        if !listed {
            unlist(&mut lock);
        }
        lock.now.wall = Wall::exact(now);
        sweep(&mut lock);
        assert_eq!(lock.revoked.contains(0, &hash), keeps, "{what}");
    }
}

/// A server that was restored from a backup, or one that lies, makes a lock forget nothing that still runs.
#[test]
fn a_list_that_forgot() {
    for wall in [Wall::exact(NOW), Wall::Unknown] {
        let mut lock = Lock::new();
        let hash = name(&mut lock, &token(1));
        learn(&mut lock, &full([hash]));
        let removed = Value::Array(vec![Value::Array(vec![set([hash]), set([])])]);
        for list in [full([]), encode(&map([(1, removed), (3, false.into())]))] {
            learn(&mut lock, &list);
            lock.now.wall = wall;
            sweep(&mut lock);
            lock.now.wall = Wall::exact(NOW + 599);
            assert!(refused(&mut lock, &token(1)), "{wall:?}");
        }
        lock.now.wall = Wall::exact(NOW + 600);
        sweep(&mut lock);
        assert_eq!(kept(&lock), 0, "its date has come");
    }
}

/// Seen also means: it was inside when it was revoked.
#[test]
fn what_was_expunged_was_seen() {
    let mut lock = Lock::new();
    let hash = name(&mut lock, &token(1));
    lock.revoke(hash);
    lock.now.wall = Wall::exact(NOW + 600);
    sweep(&mut lock);
    assert_eq!(kept(&lock), 0);
}

/// What is revoked again, and what comes back to the list, stays.
#[test]
fn listed_again() {
    let mut lock = dated_and_counting();
    let hash = name(&mut lock, &numbered(5));
    lock.revoke(hash);
    unlist(&mut lock);
    lock.revoke(hash);
    sweep(&mut lock);
    assert!(lock.revoked.contains(0, &hash));
}

/// A full table forgets the earliest (R9770-11.1-06).
#[test]
fn the_earliest_goes_first() {
    let mut lock = Lock::new();
    let hashes = [1, 2, 3, 4, 5, 6].map(|byte| TokenHash([byte; 32]));
    for hash in hashes {
        lock.revoke(hash);
    }
    assert_eq!(hashes.map(|hash| lock.revoked.contains(0, &hash)), [false, false, true, true, true, true]);
}

/// What was seen and has expired goes before all others, the others in the order in which they came (R9770-11.1-06).
#[test]
fn what_is_over_goes_before_what_came_earlier() {
    // The third one, of a full table, and what makes room for a fifth.
    for (what, third, seen, unlisted, later, goes) in [
        ("seen and expired", token(1), true, false, 600, 2),
        ("seen, counted, and gone from the list", numbered(5), true, true, 0, 2),
        ("running", token(1), true, false, 599, 0),
        ("counting", numbered(5), true, false, 599, 0),
        ("expired, for all we could know", token(1), false, false, 600, 0),
        ("gone from the list, but not seen", numbered(5), false, true, 0, 0),
    ] {
        let mut lock = dated_and_counting();
        let third_hash = name(&mut dated_and_counting(), &third);
        let [first, second, fourth, fifth] = [1, 2, 4, 5].map(|byte| TokenHash([byte; 32]));
        let hashes = [first, second, third_hash, fourth];
        hashes.into_iter().for_each(|hash| lock.revoke(hash));
        assert!(!seen || refused(&mut lock, &third), "{what}");
        if unlisted {
            lock.sessions.unlist(0, |hash| *hash != third_hash, &mut lock.revoked);
        }
        lock.now.wall = Wall::exact(NOW + later);
        lock.revoke(fifth);
        let kept = hashes.map(|hash| lock.revoked.contains(0, &hash));
        assert_eq!(kept, [0, 1, 2, 3].map(|place| place != goes), "{what}");
    }
}

/// While a whole list is read, what stands further down in it is not taken for gone.
#[test]
fn a_whole_list_is_read_as_one() {
    let mut lock = Lock::counting(Chip::default());
    let hash = name(&mut Lock::counting(Chip::default()), &numbered(5));
    (1..=3).for_each(|byte| lock.revoke(TokenHash([byte; 32])));
    lock.revoke(hash);
    assert!(refused(&mut lock, &numbered(5)));
    learn(&mut lock, &full([TokenHash([4; 32]), hash]));
    assert!(lock.revoked.contains(0, &hash) && !lock.revoked.contains(0, &TokenHash([1; 32])));
    assert!(!refused(&mut lock, &numbered(4)), "its number is not over");
}

/// Before the hash of a token with `exi` goes, its number is over, for good (R9770-11.1-07); while it stays, tokens with
/// lower numbers are left alone.
#[test]
fn a_number_outlives_its_hash() {
    for seen in ["inside", "on the doorstep", "refused"] {
        let mut lock = Lock::counting(Chip::default());
        let hash = name(&mut Lock::counting(Chip::default()), &numbered(5));
        match seen {
            "inside" => {
                let mut phone = lock.open(&numbered(5), b"me", SECRET);
                assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED);
                lock.revoke(hash);
            }
            "on the doorstep" => {
                lock.upload(&numbered(5));
                lock.revoke(hash);
            }
            _ => {
                lock.revoke(hash);
                assert!(refused(&mut lock, &numbered(5)));
            }
        }
        assert!(!refused(&mut lock, &numbered(4)), "{seen}");
        // Pushed out by others, or known to have expired.
        if seen == "refused" {
            lock.now.uptime = Uptime(1000 + 600);
            sweep(&mut lock);
        } else {
            (1..=4).for_each(|byte| lock.revoke(TokenHash([byte; 32])));
        }
        assert!(!lock.revoked.contains(0, &hash));
        for _ in 0..2 {
            for number in [4, 5] {
                assert_eq!(lock.refusal(&numbered(number)).1, Some(Refusal::Expired), "{seen} {number}");
            }
            assert_eq!(lock.refusal(&numbered(6)).1, None);
            lock = Lock::counting(lock.flash);
        }
    }
}

/// A revoked token is known by its content, not its carrier: no form of it comes past the list (R9770-11.1-04).
#[test]
fn no_other_form_of_it() {
    let mut lock = Lock::new();
    let good = token(1);
    let hash = name(&mut lock, &good);
    lock.revoke(hash);
    let untagged = good[2..].to_vec();
    let long_tag = [&[0xd9, 0, 61][..], &good[2..]].concat();
    let wrong_tag = [&[0xd8, 61, 0xd2][..], &good[3..]].concat();
    for (what, token) in [("untagged", untagged), ("a tag in long form", long_tag), ("as Sign1", wrong_tag)] {
        let (code, refusal) = lock.refusal(&token);
        assert_eq!(code, Code::BAD_REQUEST, "{what}");
        assert!(matches!(refusal, Some(Refusal::NotAToken(_))), "{what}: {refusal:?}");
    }
}

/// An update by a revoked token changes nothing, and is seen.
#[test]
fn an_update_that_was_revoked() {
    let mut lock = Lock::new();
    let mut phone = lock.open(&token(1), b"me", SECRET);
    let update = encrypted(&good(map([])).set(CNF, map([(3, bytes(&[1]))])).set(SCOPE, aif(&[("/light", 2)])));
    let request = request(Code::POST, "/authz-info", FORMAT_19, &upload_payload(&update, None, None));
    let mut twin = Lock::new();
    let mut at_twin = twin.open(&token(1), b"me", SECRET);
    let (datagram, _) = at_twin.protect(&request);
    let Event::Updated(hash) = twin.receive(&datagram).event else { panic!("good before") };
    lock.revoke(hash);
    assert_eq!(lock.ask_with(&mut phone, &request).0, Code::UNAUTHORIZED);
    assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED);
    lock.now.wall = Wall::exact(NOW + 600);
    sweep(&mut lock);
    assert_eq!(kept(&lock), 0);
}

/// A token of the second server, without a date.
fn of_the_other(number: u64) -> Vec<u8> {
    let cti = [LOCK.as_bytes(), &number.to_be_bytes()].concat();
    let claims = good(osc(&number.to_be_bytes(), SECRET)).without(EXP).set(EXI, 600).set(CTI, bytes(&cti));
    encrypted_with(header(b"other-1", &[9; 13]), &[3; 16], &claims.set(ISS, "https://other.example").encode())
}

/// A server takes back its own tokens: the hashes of others on its list mean nothing, and what its list lacks is still on
/// the list of another.
#[test]
fn each_server_speaks_of_its_own_tokens() {
    let tokens = [numbered(5), of_the_other(5)];
    let hashes = [0, 1].map(|of: usize| name(&mut Lock::counting(Chip::default()), &tokens[of]));
    for (revoker, other) in [(0, 1), (1, 0)] {
        let [own, foreign] = [revoker, other].map(usize::from);
        let mut lock = Lock::counting(Chip::default());
        let mut inside = lock.open(&tokens[foreign], b"me", SECRET);
        assert_eq!(lock.ask(&mut inside, Code::POST, "/door").0, Code::CHANGED);
        learn_from(revoker, &mut lock, &full(hashes));
        assert_eq!(lock.ask(&mut inside, Code::POST, "/door").0, Code::CHANGED, "{revoker}: another's session");
        assert!(refused(&mut lock, &tokens[own]) && !refused(&mut lock, &tokens[foreign]), "{revoker}");

        learn_from(other, &mut lock, &full([hashes[foreign]]));
        assert_eq!(lock.ask(&mut inside, Code::POST, "/door").0, Code::UNAUTHORIZED);
        assert!(refused(&mut lock, &tokens[foreign]));
        let removed = Value::Array(vec![Value::Array(vec![set([hashes[foreign]]), set([])])]);
        for list in [full([]), encode(&map([(1, removed), (3, false.into())]))] {
            learn_from(revoker, &mut lock, &list);
            sweep(&mut lock);
            assert!(refused(&mut lock, &tokens[foreign]), "{revoker}: its list lacks what another revoked");
        }
    }
}

/// How many of the first, second, … server's hashes a lock keeps that has `K` places, after each of these servers in turn revoked another token.
fn kept_of<const K: usize>(order: &[u8]) -> Vec<[usize; 4]> {
    let (mut sessions, mut revoked) = (Sessions::<1, 1>::new(), Revoked::<[_; K]>::new());
    let now = Now { wall: Wall::Unknown, uptime: Uptime(0) };
    let hash = |turn: usize| TokenHash(core::array::from_fn(|at| turn.to_be_bytes().get(at).copied().unwrap_or(0)));
    let after = |(turn, &issuer): (usize, &u8)| {
        sessions.revoke(issuer, hash(turn), &mut revoked, &mut NoFlash, &now).unwrap();
        assert!(revoked.contains(issuer, &hash(turn)), "{order:?}: what is new is kept");
        [0, 1, 2, 3].map(|of| {
            let own = || order[..=turn].iter().enumerate().filter(|(_, by)| **by == of).map(|(turn, _)| turn);
            let count = revoked.in_order().filter(|(_, kept)| kept.issuer == of).count();
            let latest = own().skip(own().count() - count).all(|turn| revoked.contains(of, &hash(turn)));
            assert!(latest, "{order:?}: the earliest of a server go first");
            count
        })
    };
    order.iter().enumerate().map(after).collect()
}

/// Whatever the order in which servers revoke, and however many of them there are: nobody's flood costs another one that has no more than its
/// share of the places, and a place is lost only to who has fewer.
#[test]
fn no_server_pushes_out_what_others_revoked() {
    fn check<const K: usize>(servers: u8, length: u32) {
        for order in 0..u32::from(servers).pow(length) {
            let by = |turn: u32| (order / u32::from(servers).pow(turn) % u32::from(servers)) as u8;
            let order: Vec<u8> = (0..length).map(by).collect();
            let mut before = [0; 4];
            for (turn, (after, &adds)) in kept_of::<K>(&order).into_iter().zip(&order).enumerate() {
                let what = format!("{K} places, {servers} servers, {order:?} at {turn}: {before:?}, then {after:?}");
                assert_eq!(after.iter().sum::<usize>(), K.min(turn + 1), "{what}");
                for of in (0..servers).filter(|of| *of != adds).map(usize::from) {
                    let loses = after[of] < before[of];
                    assert!(!loses || before[of] * usize::from(servers) > K, "{what}: a fair share");
                    assert!(!loses || before[of] > before[usize::from(adds)], "{what}: to who has fewer");
                }
                before = after;
            }
        }
    }
    check::<1>(2, 4);
    check::<4>(2, 8);
    check::<5>(2, 8);
    check::<3>(3, 6);
    check::<4>(3, 6);
    check::<6>(3, 7);
    check::<3>(4, 5);
    check::<4>(4, 5);
    check::<5>(4, 6);
}

/// The same, to read: who revokes how many, one after the other, and how many of each are left of six places.
#[test]
fn who_gives_way() {
    for (order, left) in [
        (&[(0, 9)][..], [6, 0, 0, 0]),
        (&[(1, 2), (0, 100)], [4, 2, 0, 0]),
        (&[(0, 100), (1, 2)], [4, 2, 0, 0]),
        (&[(0, 100), (1, 100)], [3, 3, 0, 0]),
        (&[(0, 100), (1, 100), (0, 100)], [3, 3, 0, 0]),
        (&[(1, 1), (2, 1), (0, 100)], [4, 1, 1, 0]),
        (&[(0, 100), (1, 100), (2, 100)], [2, 2, 2, 0]),
        (&[(0, 2), (1, 2), (2, 2), (3, 1)], [1, 2, 2, 1]),
        (&[(0, 100), (1, 100), (2, 100), (3, 100)], [1, 2, 2, 1]),
        (&[(3, 1), (2, 1), (1, 1), (0, 100)], [3, 1, 1, 1]),
    ] {
        let turns: Vec<u8> = order.iter().flat_map(|&(issuer, many)| vec![issuer; many]).collect();
        assert_eq!(kept_of::<6>(&turns).last(), Some(&left), "{order:?}");
    }
}

/// After a reboot a revoked token that was seen is still known by its number: pushed out by others, it does not come back.
#[test]
fn a_number_outlives_a_reboot_and_its_hash() {
    let mut lock = Lock::counting(Chip::default());
    let hash = name(&mut lock, &numbered(5));
    lock.revoke(hash);
    let kept: Vec<_> = lock.revoked.in_order().map(|(_, kept)| kept).collect();
    assert_eq!(kept.iter().map(|kept| kept.number).collect::<Vec<_>>(), [Some(5)]);
    let mut lock = Lock::counting(lock.flash);
    for kept in &kept {
        lock.sessions.revoke_again(kept, &mut lock.revoked, &mut lock.flash, &lock.now).unwrap();
    }
    sweep(&mut lock);
    assert!(!refused(&mut lock, &numbered(4)), "those below are left alone while it is kept");
    (1..=4).for_each(|byte| lock.revoke(TokenHash([byte; 32])));
    assert!(!lock.revoked.contains(0, &hash));
    assert_eq!(lock.refusal(&numbered(5)).1, Some(Refusal::Expired));
}
