//! Who gets a seat when there are more people than seats: the worst goes first, never one in use, and whoever holds
//! most gives first.
//!
//! A person is a `sub` of a server. Somebody with many tokens could keep every seat in use; so the last quarter of the
//! free ones is for people who hold none, and nobody's session gives way to somebody who holds as many.

use crate::clock::{Now, Uptime};
use crate::holder::{KeyName, Subject};
use crate::session::{Session, Sessions};
use core::cmp::Reverse;

impl<const N: usize, const P: usize, const I: usize> Sessions<N, P, I> {
    /// Where the next live session of this person goes: to its predecessor's place, a free one, or that of a session
    /// that is idle. None if they have to wait.
    pub(crate) fn live_slot(&self, key: KeyName, subject: Subject, now: &Now) -> Option<usize> {
        let predecessor = |slot: &Option<Session>| slot.as_ref().is_some_and(|session| session.holder.key == key);
        if let Some(index) = self.live.iter().position(predecessor) {
            return Some(index);
        }
        let held = crowd(&self.live, |session| session.holder.subject == subject && !session.is_over(now));
        let free = |slot: &&Option<Session>| slot.as_ref().is_none_or(|session| session.is_over(now));
        let reserved = if held == 0 || cfg!(latchwork_disable = "reserve") { 0 } else { N / 4 };
        if self.live.iter().filter(free).count() > reserved {
            return self.live.iter().position(|slot| free(&slot));
        }
        let mut worst: Option<(usize, Uptime, usize)> = None;
        for (index, slot) in self.live.iter().enumerate() {
            let Some(session) = slot.as_ref().filter(|session| !session.is_over(now)) else { continue };
            let idle = now.uptime.since(session.used) >= IN_USE;
            let same = |other: &Session| other.holder.subject == session.holder.subject && !other.is_over(now);
            let crowd = crowd(&self.live, same) + usize::from(session.holder.subject == subject);
            let gives = crowd > held || cfg!(latchwork_disable = "fair");
            let worse = |(most, used, _)| crowd > most || crowd == most && session.used < used;
            if idle && gives && worst.is_none_or(worse) {
                worst = Some((crowd, session.used, index));
            }
        }
        worst.map(|(_, _, index)| index)
    }

    /// Where the next upload of this person goes: a free place, one whose rights are over, else the oldest upload of
    /// the key with most places of the person who holds most. So a token that is uploaded over and over pushes out
    /// itself, and many tokens of one person each other.
    pub(crate) fn pending_slot(&self, subject: Subject, now: &Now) -> usize {
        let rank = |slot: &Option<Session>| {
            let Some(session) = slot.as_ref().filter(|session| !session.is_over(now)) else {
                return (false, Reverse(0), Reverse(0), 0);
            };
            let holder = &session.holder;
            let person = crowd(&self.pending, |other| other.holder.subject == holder.subject);
            let key = crowd(&self.pending, |other| other.holder.key == holder.key);
            (true, Reverse(person + usize::from(holder.subject == subject)), Reverse(key), session.upload)
        };
        let worst = self.pending.iter().enumerate().min_by_key(|(_, slot)| rank(slot));
        worst.map_or(0, |(index, _)| index)
    }
}

fn crowd(slots: &[Option<Session>], which: impl Fn(&Session) -> bool) -> usize {
    slots.iter().flatten().filter(|session| which(session)).count()
}

/// A session counts as in use for this many seconds after a request; nobody is evicted within.
pub const IN_USE: u64 = 60;
