//! Whatever a server says of its list of revoked tokens: the lock knows afterwards what ciborium finds in the answer, and what it
//! asks next leads on.
#![no_main]

use std::collections::BTreeSet;

use ciborium::Value;
use latchwork_ace::TrlResponse;
use latchwork_ace::trl::Cursor;
use latchwork_fuzz::claims::Theirs;
use latchwork_rs_lib::trl::{Pace, Query};
use latchwork_rs_lib::{Follower, NoFlash, Now, Revoked, Sessions, TokenHash, Uptime, Wall};
use libfuzzer_sys::fuzz_target;

const NOW: Now = Now { wall: Wall::Unknown, uptime: Uptime(0) };

fuzz_target!(|data: &[u8]| {
    let mut follower = Follower::new(Pace::every(60));
    let (mut sessions, mut revoked) = (Sessions::<1, 1, 1>::new(), Revoked::<[_; ROOM]>::new());
    let (mut now, mut told) = (Uptime(0), BTreeSet::new());

    // Each answer behind its length, and what to do with it before that.
    let mut script = data;
    while let Some(([step, high, low], rest)) = script.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (payload, rest) = rest.split_at(length);
        script = rest;
        now = now.plus(u64::from(step >> 4) * 20);
        let query = match step & 3 {
            0 => follower.next(now).unwrap_or(follower.watch()),
            1 => follower.watch(),
            2 => Query::After(u64::from(step >> 2)),
            _ => {
                let query = follower.next(now).unwrap_or(follower.watch());
                assert_eq!(follower.refused(query).is_err(), query == Query::Full);
                assert_eq!(follower.next(now), Some(Query::Full), "whoever knows less is asked for everything");
                continue;
            }
        };
        let Ok(answer) = TrlResponse::decode(payload) else { continue };
        told.extend(compare(&answer, payload));

        sessions.learn(0, &answer, &mut revoked, &mut NoFlash, &NOW).expect("nothing counts from receipt");
        if told.len() <= ROOM {
            assert!(told.iter().all(|hash| revoked.contains(0, &TokenHash(*hash))), "a revoked token was forgotten");
        }
        assert!(revoked.tokens().all(|hash| told.contains(&hash.0)), "a token was revoked that nobody named");

        let heard = follower.heard(query, &answer, now);
        match answer {
            TrlResponse::Full { .. } => {
                assert_eq!((heard, follower.next(now)), (Ok(()), None), "all is known");
                assert!(follower.polls_at() > now);
            }
            TrlResponse::Diff { .. } if query == Query::Full => assert!(heard.is_err()),
            TrlResponse::Diff { .. } => {
                assert!(heard.is_ok() || follower.next(now).is_some_and(|next| next != Query::Latest))
            }
        }
    }
});

/// More than there is room for in an input.
const ROOM: usize = 64;

/// The hashes that an answer revokes, as ciborium sees them.
fn compare(ours: &TrlResponse<'_>, payload: &[u8]) -> Vec<[u8; 32]> {
    let ours_of = |cursor: &Cursor| match cursor {
        Cursor::Unsupported => None,
        Cursor::Null => Some(Value::Null),
        Cursor::At(index) => Some(Value::from(*index)),
    };
    let theirs = Theirs::read(payload);
    let theirs = theirs.as_ref();
    let find = |label| theirs.and_then(|theirs| theirs.find(label));
    match ours {
        TrlResponse::Full { revoked, cursor } => {
            let revoked: Vec<_> = revoked.sha_256().collect();
            if theirs.is_some() {
                assert_eq!(Some(&*revoked), find(0).map(hashes).as_deref());
                assert_eq!(ours_of(cursor).as_ref(), find(2));
            }
            revoked
        }
        TrlResponse::Diff { updates, cursor, more } => {
            let ours: Vec<_> = updates
                .eldest_first()
                .map(|update| {
                    (update.removed.sha_256().collect::<Vec<_>>(), update.added.sha_256().collect::<Vec<_>>())
                })
                .collect();
            assert_eq!(ours.len(), updates.len());
            if theirs.is_some() {
                let theirs = find(1).and_then(Value::as_array).expect("updates");
                let pair = |update: &Value| match update.as_array().map(Vec::as_slice) {
                    Some([removed, added]) => (hashes(removed), hashes(added)),
                    _ => panic!("a pair, to us"),
                };
                assert_eq!(ours, theirs.iter().rev().map(pair).collect::<Vec<_>>());
                assert_eq!(ours_of(cursor).as_ref(), find(2));
                assert_eq!(*more, find(3).is_some_and(|more| *more == Value::Bool(true)));
            }
            ours.into_iter().flat_map(|(_, added)| added).collect()
        }
    }
}

/// Those of SHA-256 (RFC 9770 §4).
fn hashes(list: &Value) -> Vec<[u8; 32]> {
    let list = list.as_array().expect("a list, to us");
    list.iter().filter_map(|hash| hash.as_bytes().expect("bytes").strip_prefix(&[1])?.try_into().ok()).collect()
}
