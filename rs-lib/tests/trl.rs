//! Following a list of revoked tokens (RFC 9770): what is asked after what, and what becomes of tokens.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use latchwork_ace::TrlResponse;
use latchwork_cbor::Writer;
use latchwork_rs_lib::trl::{Follower, Nonsense, Pace, Query};
use latchwork_rs_lib::{TokenHash, Uptime};
use support::Lock;

const START: Uptime = Uptime(1000);

/// What a server answers: hashes by their first byte.
enum Says<'a> {
    Full(&'a [u8], Option<Option<u64>>),
    /// Newest first: what was removed, what was added.
    Diff(&'a [(&'a [u8], &'a [u8])], Option<Option<u64>>, bool),
}
use Says::{Diff, Full};

impl Says<'_> {
    fn payload(&self) -> Vec<u8> {
        let mut out = vec![0; 2000];
        let mut w = Writer::new(&mut out);
        let set = |w: &mut Writer<'_>, hashes: &[u8]| {
            w.array(hashes.len()).unwrap();
            for hash in hashes {
                w.bytes(&[&[1], &[*hash; 32][..]].concat()).unwrap();
            }
        };
        let cursor = match self {
            Full(_, cursor) | Diff(_, cursor, _) => cursor,
        };
        let more = usize::from(matches!(self, Diff(..)));
        w.map(2 + more + usize::from(cursor.is_some())).unwrap();
        match self {
            Full(hashes, _) => {
                w.uint(0).unwrap();
                set(&mut w, hashes);
            }
            Diff(updates, _, more) => {
                w.uint(1).unwrap().array(updates.len()).unwrap();
                for (removed, added) in *updates {
                    w.array(2).unwrap();
                    set(&mut w, removed);
                    set(&mut w, added);
                }
                w.uint(3).unwrap().bool(*more).unwrap();
            }
        }
        if let Some(cursor) = cursor {
            w.uint(2).unwrap();
            match cursor {
                Some(index) => w.uint(*index).unwrap(),
                None => w.null().unwrap(),
            };
        }
        w.uint(77).unwrap().text("from the future").unwrap();
        w.finish().to_vec()
    }
}

/// After the whole list was heard at `held`, the watched update says `says`: what is asked then.
fn after_latest(held: Option<Option<u64>>, says: Says<'_>) -> (Option<Query>, Query) {
    let mut follower = Follower::new(Pace::every(60));
    assert_eq!(follower.next(START), Some(Query::Full), "the whole list comes first");
    let full = Full(&[], held).payload();
    follower.heard(Query::Full, &TrlResponse::decode(&full).unwrap(), START).unwrap();
    assert_eq!(follower.next(START), None);
    let watched = follower.watch();
    let payload = says.payload();
    follower.heard(watched, &TrlResponse::decode(&payload).unwrap(), START).unwrap();
    (follower.next(START), watched)
}

/// R9770-6.3-03, R9770-7-03, R9770-9.2.3-02
#[test]
fn what_is_asked_next() {
    let one: &[(&[u8], &[u8])] = &[(&[], &[5])];
    for (what, held, says, next) in [
        ("the one that we know", Some(Some(4)), Diff(one, Some(Some(4)), false), None),
        ("the next", Some(Some(4)), Diff(one, Some(Some(5)), false), None),
        ("the first", Some(None), Diff(one, Some(Some(0)), false), None),
        ("still none", Some(None), Diff(&[], Some(None), false), None),
        ("one was missed", Some(Some(4)), Diff(one, Some(Some(6)), false), Some(Query::After(4))),
        ("the index began anew", Some(Some(4)), Diff(one, Some(Some(0)), false), Some(Query::After(4))),
        ("the first was missed", Some(None), Diff(one, Some(Some(1)), false), Some(Query::Full)),
        ("the server forgot all", Some(Some(4)), Diff(&[], Some(None), false), Some(Query::Full)),
        ("no cursor any more", Some(Some(4)), Diff(one, None, false), Some(Query::Full)),
        ("no diff any more", Some(Some(4)), Full(&[5], Some(Some(9))), None),
    ] {
        let (asked, watched) = after_latest(held, says);
        assert_eq!((asked, watched), (next, Query::Latest), "{what}");
    }
    assert_eq!(after_latest(None, Full(&[], None)), (None, Query::Full), "a server without cursor");
    for (query, text) in
        [(Query::Full, ""), (Query::Latest, "?diff=1"), (Query::After(u64::MAX), "?diff=0&cursor=18446744073709551615")]
    {
        assert_eq!(query.to_string(), text);
    }
}

/// Batch after batch to the end; a cursor that the server lost, and a query that it refuses, lead to the whole list.
/// R9770-9.2.3-02
#[test]
fn catching_up() {
    let one: &[(&[u8], &[u8])] = &[(&[], &[5])];
    let missed = || {
        let mut follower = Follower::new(Pace::every(60));
        for (query, says) in [(Query::Full, Full(&[], Some(Some(0)))), (Query::Latest, Diff(one, Some(Some(9)), false))]
        {
            follower.heard(query, &TrlResponse::decode(&says.payload()).unwrap(), START).unwrap();
        }
        assert_eq!(follower.next(START), Some(Query::After(0)));
        follower
    };
    let hears = |follower: &mut Follower, query, says: Says<'_>| {
        let payload = says.payload();
        follower.heard(query, &TrlResponse::decode(&payload).unwrap(), START).map(|()| follower.next(START))
    };
    let mut follower = missed();
    let asked = [
        hears(&mut follower, Query::After(0), Diff(one, Some(Some(3)), true)),
        hears(&mut follower, Query::After(3), Diff(one, Some(Some(6)), true)),
        hears(&mut follower, Query::After(6), Diff(one, Some(Some(9)), false)),
        hears(&mut follower, Query::Latest, Diff(one, Some(Some(9)), false)),
    ];
    assert_eq!(asked, [Ok(Some(Query::After(3))), Ok(Some(Query::After(6))), Ok(None), Ok(None)]);
    for (what, query, says, expected) in [
        ("lost", Query::After(0), Diff(&[], Some(None), true), Ok(Some(Query::Full))),
        ("empty", Query::After(0), Diff(&[], Some(None), false), Ok(Some(Query::Full))),
        ("on the spot", Query::After(0), Diff(&[], Some(Some(0)), true), Err(Nonsense)),
        ("backwards, and more", Query::After(3), Diff(one, Some(Some(2)), true), Ok(Some(Query::Full))),
        ("the index went round", Query::After(3), Diff(one, Some(Some(2)), false), Ok(Some(Query::Full))),
        ("nothing new, and no more", Query::After(0), Diff(&[], Some(Some(0)), false), Ok(None)),
        ("a diff for the whole list", Query::Full, Diff(one, Some(Some(1)), false), Err(Nonsense)),
    ] {
        assert_eq!(hears(&mut missed(), query, says), expected, "{what}");
    }
    let mut follower = missed();
    assert_eq!((follower.refused(Query::After(0)), follower.next(START)), (Ok(()), Some(Query::Full)));
    assert_eq!(follower.refused(Query::Full), Err(Nonsense));
}

/// A server that always has more, or leads round in circles, does not keep a lock asking: in the end it is asked for the whole list, and
/// then for nothing.
#[test]
fn a_server_that_never_comes_to_an_end() {
    let one: &[(&[u8], &[u8])] = &[(&[], &[5])];
    type Step = fn(u64) -> u64;
    for (what, step, at_most) in [
        ("a step each time", (|index| index + 1) as Step, 200),
        ("to and fro", |index| if index < 8 { 9 } else { 7 }, 2),
    ] {
        let mut follower = Follower::new(Pace::every(60));
        for (query, says) in [(Query::Full, Full(&[], Some(Some(0)))), (Query::Latest, Diff(one, Some(Some(9)), false))]
        {
            follower.heard(query, &TrlResponse::decode(&says.payload()).unwrap(), START).unwrap();
        }
        let mut asked = 0;
        while let Some(Query::After(index)) = follower.next(START) {
            let payload = Diff(one, Some(Some(step(index))), true).payload();
            follower.heard(Query::After(index), &TrlResponse::decode(&payload).unwrap(), START).unwrap();
            asked += 1;
            assert!(asked <= at_most, "{what}");
        }
        assert_eq!((asked, follower.next(START)), (at_most, Some(Query::Full)), "{what}");
        let full = Full(&[5], Some(Some(9))).payload();
        follower.heard(Query::Full, &TrlResponse::decode(&full).unwrap(), START).unwrap();
        assert_eq!(follower.next(START), None, "{what}");
    }
}

/// Nobody has to tell it: it looks by itself, and from time to time at the whole list (R9770-11-02, R9770-14.3-01, R9770-14.5-01).
#[test]
fn it_does_not_rely_on_being_told() {
    let mut follower = Follower::new(Pace { poll: 60, full: 150 });
    let heard = |follower: &mut Follower, query, at: u64| {
        let says = if query == Query::Full { Full(&[], Some(Some(0))) } else { Diff(&[], Some(Some(0)), false) };
        follower.heard(query, &TrlResponse::decode(&says.payload()).unwrap(), START.plus(at)).unwrap();
        follower.polls_at().since(START)
    };
    assert_eq!(heard(&mut follower, Query::Full, 0), 60);
    assert_eq!(heard(&mut follower, Query::Latest, 60), 120);
    assert_eq!(heard(&mut follower, Query::Latest, 120), 150, "the whole list is due before the next look");
    assert_eq!([149, 150].map(|at| follower.next(START.plus(at))), [None, Some(Query::Full)]);
    assert_eq!(heard(&mut follower, Query::Full, 150), 210);
}

/// What an answer does to the hashes that a lock keeps; those of another algorithm name no token of ours.
#[test]
fn what_is_learnt() {
    let mut lock = Lock::new();
    let mut learn = |says: Says<'_>| {
        let payload = says.payload();
        let list = TrlResponse::decode(&payload).unwrap();
        lock.sessions.learn(0, &list, &mut lock.revoked, &mut lock.flash, &lock.now).unwrap();
        [1, 2, 3].map(|byte| lock.revoked.contains(0, &TokenHash([byte; 32])))
    };
    assert_eq!(learn(Full(&[1], Some(None))), [true, false, false]);
    assert_eq!(learn(Diff(&[(&[1], &[3]), (&[], &[2])], Some(None), false)), [true, true, true], "expired, not seen");
    assert_eq!(learn(Full(&[], Some(None))), [true, true, true]);
    let foreign = [&[0xa1, 0, 0x81, 0x58, 33, 2][..], &[9; 32]].concat();
    let TrlResponse::Full { revoked, .. } = TrlResponse::decode(&foreign).unwrap() else { panic!("a full set") };
    assert_eq!(revoked.sha_256().count(), 0);
}

#[test]
fn what_is_no_answer() {
    for payload in [
        &[0xa0][..],
        &[0x80],
        &[0xa2, 0, 0x80, 1, 0x80],
        &[0xa1, 0, 0x81, 1],
        &[0xa1, 1, 0x81, 0x80],
        &[0xa1, 1, 0x81, 0x81, 0x80],
        &[0xa2, 0, 0x80, 2, 0x20],
        &[0xa2, 1, 0x80, 3, 0],
        &[0xa1, 0, 0x9f, 0xff],
        &[0xa1, 0, 0x80, 0],
    ] {
        assert!(TrlResponse::decode(payload).is_err(), "{payload:02x?}");
    }
}
