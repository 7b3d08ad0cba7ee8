//! Devices that poll, and people who type codes (RFC 8628 §3.5, §5.1). A pure state machine: time is an argument, memory is bounded,
//! and what it forgets in a restart only forgives.

use std::collections::HashMap;

use crate::core::bytes::Hash32;
use crate::core::time::Timestamp;

/// The state.
#[derive(Default)]
pub struct Devices {
    polls: HashMap<Hash32, Poll>,
    /// The span of time that the counts below are of.
    span: i64,
    tries: HashMap<Box<str>, u32>,
    all: u32,
}

#[derive(Clone, Copy)]
struct Poll {
    last: Timestamp,
    interval: i64,
}

impl Devices {
    /// Whether a device polls faster than it was told; each time, it has to wait five seconds longer from then on.
    pub fn too_fast(&mut self, device: Hash32, now: Timestamp) -> bool {
        let Some(poll) = self.polls.get_mut(&device) else {
            if self.polls.len() >= MAX_DEVICES {
                self.polls.clear();
            }
            self.polls.insert(device, Poll { last: now, interval: INTERVAL });
            return false;
        };
        let early = now.since(poll.last) < poll.interval;
        poll.last = now;
        if early {
            poll.interval = poll.interval.saturating_add(INTERVAL);
        }
        early
    }

    /// Counts a typed code before it is looked up; false: this person, this address or everybody together typed too many.
    pub fn may_try(&mut self, person: &str, from: &str, now: Timestamp) -> bool {
        let span = now.0.div_euclid(SPAN);
        if span != self.span {
            self.span = span;
            self.tries.clear();
            self.all = 0;
        }
        self.all = self.all.saturating_add(1);
        let mut count = |name: String, most| {
            let count = self.tries.entry(name.into()).or_default();
            *count = count.saturating_add(1);
            *count <= most
        };
        let (person, from) =
            (count(format!("person {person}"), PER_PERSON), count(format!("from {from}"), PER_ADDRESS));
        person && from && self.all <= IN_ALL
    }
}

/// Seconds between two polls, as devices are told.
pub const INTERVAL: i64 = 5;
/// Seconds over which typed codes are counted.
const SPAN: i64 = 600;
/// Codes typed by one person, from one address, and by all in a span: with 34 bits in a code, and a thousand devices that wait, somebody
/// who uses all of it hits one in some centuries.
const PER_PERSON: u32 = 10;
const PER_ADDRESS: u32 = 30;
const IN_ALL: u32 = 1_000;
const MAX_DEVICES: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    /// R8628-3.5-04
    #[test]
    fn who_polls_too_fast_waits_longer() {
        let mut devices = Devices::default();
        let (one, other) = (Hash32([1; 32]), Hash32([2; 32]));
        for (device, at, early) in [
            (one, 0, false),
            (one, 5, false),
            (one, 9, true),
            (other, 9, false),
            (one, 18, true),
            (one, 33, false),
            (other, 14, false),
            (one, 34, true),
        ] {
            assert_eq!(devices.too_fast(device, Timestamp(at)), early, "at {at}");
        }
        for n in 0..u32::try_from(MAX_DEVICES * 2).unwrap() {
            devices.too_fast(Hash32::of(&[&n.to_be_bytes()]), Timestamp(50));
        }
        assert!(devices.polls.len() <= MAX_DEVICES);
    }

    /// R8628-5.1-01
    #[test]
    fn tries_are_counted_by_person_by_address_and_in_all() {
        let mut devices = Devices::default();
        let now = Timestamp(6_000);
        let tries = |devices: &mut Devices, n: u32, person: &dyn Fn(u32) -> String, from: &dyn Fn(u32) -> String| {
            (0..n).filter(|n| devices.may_try(&person(*n), &from(*n), now)).count()
        };
        let (same, each) = (|_: u32| "x".to_owned(), |n: u32| n.to_string());
        assert_eq!(tries(&mut devices, 50, &same, &each), 10, "one person from anywhere");
        assert!(devices.may_try("another", "elsewhere", now), "nobody else is harmed");
        let mut devices = Devices::default();
        assert_eq!(tries(&mut devices, 50, &each, &same), 30, "many people from one address");
        let mut devices = Devices::default();
        assert_eq!(tries(&mut devices, 5_000, &each, &each), 1_000, "many people from many");
        assert!(!devices.may_try("new", "new", now));
        assert!(devices.may_try("new", "new", now.plus(SPAN)), "in time");
        assert!(devices.tries.len() <= 10_000);
    }
}
