//! How a lock knows that a token is recent: every mixture of `exp`, `nbf`, `exi` and `cnonce` (RFC 9200 §5.10.3, §5.3.1), by a lock that goes by what
//! tokens say and by one that wants its own nonce back, while the date is known, unknown, and becoming so between two steps.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use latchwork_ace::Hints;
use latchwork_coap::Code;
use latchwork_crypto::RustCrypto;
use latchwork_rs_lib::{Refusal, Uptime, Wall};
use support::mint::*;
use support::*;

const SECRET: &[u8] = b"sixteen secrets!";

/// A claim about time, good or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    /// So many seconds from now.
    Exp(i64),
    Nbf(i64),
    /// Ten minutes, under this number; the lock has seen number 5 come to its end.
    Exi(u64),
    /// The same without a number.
    ExiAlone,
    /// The nonce that the lock gave; one that it would give, if it gives none.
    Cnonce,
    /// One that it never gave.
    Stale,
}
use Says::{Cnonce, Exi, ExiAlone, Exp, Nbf, Stale};

/// How a lock knows that a token is recent, and whether it knows the date.
#[derive(Clone, Copy, Debug)]
struct Kind {
    wants_nonce: bool,
    knows_date: bool,
    has_flash: bool,
}

const CLOCK: Kind = Kind { wants_nonce: false, knows_date: true, has_flash: true };
const NO_DATE: Kind = Kind { knows_date: false, ..CLOCK };
const NONCE: Kind = Kind { wants_nonce: true, knows_date: false, has_flash: true };
const NONCE_AND_DATE: Kind = Kind { knows_date: true, ..NONCE };

const KNOWN: Wall = Wall::exact(NOW);

fn lock(kind: Kind) -> Lock {
    let mut lock = if kind.wants_nonce { Lock::with_nonces() } else { Lock::new() };
    if kind.has_flash {
        lock.sessions.remember(&lock.trust, &mut lock.flash, &RustCrypto).unwrap();
        // Number 5 opened, and is over.
        let mut before = Lock::counting(Chip::default());
        let mut phone = before.open(&encrypted(&claims(&mut Lock::new(), &[Exi(5)])), b"me", SECRET);
        assert_eq!(before.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED);
        lock.flash = Chip { numbers: before.flash.numbers, ..Chip::default() };
        lock.sessions.remember(&lock.trust, &mut lock.flash, &RustCrypto).unwrap();
    }
    lock.now.wall = if kind.knows_date { KNOWN } else { Wall::Unknown };
    lock
}

/// A token that says this of its time, for a client that has just asked this lock.
fn claims(lock: &mut Lock, says: &[Says]) -> Claims {
    let hints = lock.plain(Code::POST, "/door", &[], &[]);
    let nonce = Hints::decode(hints.message().payload).unwrap().cnonce.map_or(vec![1; 20], <[u8]>::to_vec);
    let cti = |number: u64| bytes(&[LOCK.as_bytes(), &number.to_be_bytes()].concat());
    let plain = good(osc(b"7", SECRET)).without(EXP).without(CTI);
    says.iter().fold(plain, |claims, says| match *says {
        Exp(seconds) => claims.set(EXP, NOW + seconds),
        Nbf(seconds) => claims.set(NBF, NOW + seconds),
        Exi(number) => claims.set(EXI, 600).set(CTI, cti(number)),
        ExiAlone => claims.set(EXI, 600),
        Cnonce => claims.set(CNONCE, bytes(&nonce)),
        Stale => claims.set(CNONCE, bytes(&[2; 20])),
    })
}

fn refusal(kind: Kind, says: &[Says]) -> Option<Refusal> {
    let mut lock = lock(kind);
    let token = encrypted(&claims(&mut lock, says));
    match lock.refusal(&token) {
        (Code::CREATED, None) => None,
        (Code::UNAUTHORIZED, Some(refusal)) => Some(refusal),
        other => panic!("{kind:?} {says:?}: {other:?}"),
    }
}

const EXP_: Says = Exp(300);
const NBF_: Says = Nbf(0);
const EXI_: Says = Exi(6);

/// Every mixture of good claims, and what each kind of lock makes of it: with the date and without, and the same of those that want a nonce.
/// The earliest check that fails decides (§5.10.1.1): a date that cannot be judged, then a count, then the nonce, then an end that nobody says.
fn mixtures() -> [(&'static [Says], [Option<Refusal>; 4]); 16] {
    const OK: Option<Refusal> = None;
    const DATE: Option<Refusal> = Some(Refusal::ClockUnknown);
    const STALE: Option<Refusal> = Some(Refusal::StaleNonce);
    const ENDLESS: Option<Refusal> = Some(Refusal::Endless);
    [
        (&[], [ENDLESS, ENDLESS, STALE, STALE]),
        (&[EXP_], [OK, DATE, STALE, DATE]),
        (&[NBF_], [ENDLESS, DATE, STALE, DATE]),
        (&[EXP_, NBF_], [OK, DATE, STALE, DATE]),
        (&[EXI_], [OK, OK, STALE, STALE]),
        (&[EXP_, EXI_], [OK, DATE, STALE, DATE]),
        (&[NBF_, EXI_], [OK, DATE, STALE, DATE]),
        (&[EXP_, NBF_, EXI_], [OK, DATE, STALE, DATE]),
        (&[Cnonce], [STALE, STALE, OK, OK]),
        (&[EXP_, Cnonce], [STALE, DATE, OK, DATE]),
        (&[NBF_, Cnonce], [STALE, DATE, OK, DATE]),
        (&[EXP_, NBF_, Cnonce], [STALE, DATE, OK, DATE]),
        (&[EXI_, Cnonce], [STALE, STALE, OK, OK]),
        (&[EXP_, EXI_, Cnonce], [STALE, DATE, OK, DATE]),
        (&[NBF_, EXI_, Cnonce], [STALE, DATE, OK, DATE]),
        (&[EXP_, NBF_, EXI_, Cnonce], [STALE, DATE, OK, DATE]),
    ]
}

const KINDS: [Kind; 4] = [CLOCK, NO_DATE, NONCE_AND_DATE, NONCE];

/// R9200-5.10.1.1-06, R9200-5.3.1-04, R9200-5.3.1-05
#[test]
fn every_mixture_at_every_kind_of_lock() {
    for (says, expected) in mixtures() {
        for (kind, expected) in KINDS.into_iter().zip(expected) {
            assert_eq!(refusal(kind, says), expected, "{kind:?} {says:?}");
        }
    }
}

/// Those that a lock takes, and what is wrong with one claim of theirs: no other claim makes up for it.
fn taken() -> impl Iterator<Item = (Kind, &'static [Says])> {
    mixtures().into_iter().flat_map(|(says, answers)| {
        let taken = KINDS.into_iter().zip(answers).filter(|(_, answer)| answer.is_none());
        taken.map(move |(kind, _)| (kind, says))
    })
}

#[test]
fn one_bad_claim_is_enough() {
    for (kind, says) in taken() {
        for (good, bad, expected) in [
            (EXP_, Exp(0), Refusal::Expired),
            (NBF_, Nbf(1), Refusal::NotYetValid),
            (EXI_, Exi(5), Refusal::Expired),
            (EXI_, Exi(0), Refusal::Expired),
            (EXI_, ExiAlone, Refusal::NotNumbered),
            (Cnonce, Stale, Refusal::StaleNonce),
        ] {
            if says.contains(&good) {
                let spoilt: Vec<Says> = says.iter().map(|says| if *says == good { bad } else { *says }).collect();
                assert_eq!(refusal(kind, &spoilt), Some(expected), "{kind:?} {spoilt:?}");
            }
        }
        if says.contains(&EXI_) {
            let forgetful = Kind { has_flash: false, ..kind };
            assert_eq!(refusal(forgetful, says), Some(Refusal::ExiUnsupported), "{kind:?} {says:?}");
        }
    }
}

/// Rights end with the first of all that the token says: each alone ends them, in the second that it names, and not one before.
#[test]
fn each_end_ends_alone() {
    for (kind, says) in taken() {
        for (claim, wall, uptime) in [(EXP_, NOW + 300, 1000), (EXI_, NOW, 1000 + 600), (Cnonce, NOW, 1000 + 3600)] {
            // What ends later by the uptime does not end at all once something earlier has.
            let earlier = claim == Cnonce && says.contains(&EXI_);
            if !says.contains(&claim) || earlier {
                continue;
            }
            for (sooner, expected) in [(1, Code::CHANGED), (0, Code::UNAUTHORIZED)] {
                let mut lock = lock(kind);
                let token = encrypted(&claims(&mut lock, says));
                let mut phone = lock.open(&token, b"me", SECRET);
                let by_date = claim == EXP_;
                if kind.knows_date {
                    lock.now.wall = Wall::exact(wall - i64::from(by_date) * sooner);
                }
                lock.now.uptime = Uptime(uptime - u64::from(!by_date) * sooner.unsigned_abs());
                assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, expected, "{kind:?} {says:?} {claim:?}");
            }
        }
    }
}

/// The date becomes known, unknown and wrong between upload, first request and the next: what is answered at each of the three.
#[test]
fn the_clock_changes_between_two_steps() {
    use Wall::Unknown;
    const UP: u64 = 1000;
    let ok = Ok::<Code, Refusal>;
    let (taken, in_, out) = (ok(Code::CREATED), ok(Code::CHANGED), ok(Code::UNAUTHORIZED));
    let no = Err::<Code, Refusal>;
    let between = |earliest, latest| Wall::Between { earliest: NOW + earliest, latest: NOW + latest };
    type Step = (Wall, u64, Result<Code, Refusal>);
    let rows: [(&str, Kind, &[Says], &[Step]); 19] = [
        ("lost, found", CLOCK, &[EXP_], &[(KNOWN, UP, taken), (KNOWN, UP, in_), (Unknown, UP, out), (KNOWN, UP, in_)]),
        ("lost on the doorstep", CLOCK, &[EXP_], &[(KNOWN, UP, taken), (Unknown, UP, out), (KNOWN, UP, in_)]),
        (
            "found too late",
            CLOCK,
            &[EXP_],
            &[(KNOWN, UP, taken), (Unknown, UP, out), (Wall::exact(NOW + 300), UP, out), (KNOWN, UP, out)],
        ),
        (
            "not known at first",
            NO_DATE,
            &[EXP_],
            &[(Unknown, UP, no(Refusal::ClockUnknown)), (KNOWN, UP, taken), (KNOWN, UP, in_)],
        ),
        (
            "less and less exact",
            CLOCK,
            &[EXP_],
            &[
                (between(-100, 100), UP, taken),
                (between(0, 299), UP, in_),
                (between(0, 300), UP, out),
                (KNOWN, UP, out),
            ],
        ),
        ("it may have ended", CLOCK, &[EXP_], &[(between(-9999, 300), UP, no(Refusal::Expired))]),
        (
            "it may not have begun",
            CLOCK,
            &[EXP_, NBF_],
            &[(between(-1, 1), UP, no(Refusal::NotYetValid)), (between(0, 2), UP, taken), (between(-1, 1), UP, in_)],
        ),
        (
            "what has begun goes on",
            NO_DATE,
            &[NBF_, EXI_],
            &[
                (Unknown, UP, no(Refusal::ClockUnknown)),
                (KNOWN, UP, taken),
                (Unknown, UP, in_),
                (Unknown, UP + 599, in_),
                (Unknown, UP + 600, out),
            ],
        ),
        (
            "a count asks for no date",
            NO_DATE,
            &[EXI_],
            &[(Unknown, UP, taken), (KNOWN, UP, in_), (Unknown, UP + 599, in_), (KNOWN, UP + 600, out)],
        ),
        (
            "and none saves it",
            NO_DATE,
            &[EXI_],
            &[
                (Unknown, UP, taken),
                (Unknown, UP, in_),
                (Wall::exact(0), UP + 600, out),
                (Wall::exact(0), UP + 600, no(Refusal::Expired)),
            ],
        ),
        (
            "a date and a count",
            CLOCK,
            &[EXP_, EXI_],
            &[
                (KNOWN, UP, taken),
                (KNOWN, UP, in_),
                (Unknown, UP + 1, out),
                (KNOWN, UP + 599, in_),
                (KNOWN, UP + 600, out),
            ],
        ),
        (
            "the count ends in the dark",
            CLOCK,
            &[EXP_, EXI_],
            &[(KNOWN, UP, taken), (KNOWN, UP, in_), (Unknown, UP + 600, out), (KNOWN, UP, no(Refusal::Expired))],
        ),
        (
            "a nonce asks for no date",
            NONCE,
            &[Cnonce],
            &[(Unknown, UP, taken), (KNOWN, UP, in_), (Unknown, UP + 3599, in_), (KNOWN, UP + 3600, out)],
        ),
        (
            "a nonce grows stale by itself",
            NONCE,
            &[Cnonce],
            &[
                (KNOWN, UP + 601, no(Refusal::StaleNonce)),
                (Unknown, UP + 601, no(Refusal::StaleNonce)),
                (Unknown, UP + 600, taken),
            ],
        ),
        (
            "a nonce and a date",
            NONCE,
            &[EXP_, Cnonce],
            &[
                (Unknown, UP, no(Refusal::ClockUnknown)),
                (KNOWN, UP, taken),
                (KNOWN, UP, in_),
                (Unknown, UP, out),
                (KNOWN, UP + 3599, in_),
                (KNOWN, UP + 3600, out),
            ],
        ),
        (
            "a nonce and a count",
            NONCE,
            &[EXI_, Cnonce],
            &[(Unknown, UP, taken), (Unknown, UP, in_), (KNOWN, UP + 599, in_), (Unknown, UP + 600, out)],
        ),
        (
            "a nonce makes no count begin anew",
            NONCE,
            &[EXI_, Cnonce],
            &[
                (Unknown, UP, taken),
                (Unknown, UP, in_),
                (Unknown, UP + 600, out),
                (Unknown, UP + 600, no(Refusal::Expired)),
            ],
        ),
        (
            "set back, a date runs longer",
            CLOCK,
            &[EXP_],
            &[(KNOWN, UP, taken), (KNOWN, UP, in_), (Wall::exact(NOW - 1000), UP, in_)],
        ),
        (
            "set back, nothing comes back",
            CLOCK,
            &[EXP_],
            &[
                (KNOWN, UP, taken),
                (KNOWN, UP, in_),
                (Wall::exact(NOW + 300), UP, out),
                (KNOWN, UP, out),
                (KNOWN, UP, taken),
            ],
        ),
    ];
    for (what, kind, says, steps) in rows {
        let mut lock = lock(kind);
        let token = encrypted(&claims(&mut lock, says));
        let mut phone = None;
        for (at, &(wall, uptime, expected)) in steps.iter().enumerate() {
            lock.now.wall = wall;
            lock.now.uptime = Uptime(uptime);
            let uploads = matches!(expected, Err(_) | Ok(Code::CREATED));
            match (&mut phone, expected) {
                (_, Err(refusal)) => {
                    assert_eq!(lock.refusal(&token), (Code::UNAUTHORIZED, Some(refusal)), "{what}: {at}")
                }
                _ if uploads => phone = Some(lock.open(&token, b"me", SECRET)),
                (Some(phone), Ok(code)) => assert_eq!(lock.ask(phone, Code::POST, "/door").0, code, "{what}: {at}"),
                (None, _) => panic!("{what}: {at} comes before the upload"),
            }
        }
    }
}
