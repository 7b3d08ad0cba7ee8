//! Devices that poll, and people who type codes (RFC 8628 §3.5, §5.1). A pure state machine: time is an argument, memory is bounded,
//! and what it forgets in a restart only forgives.

use std::collections::HashMap;

use crate::core::bytes::Hash32;
use crate::core::time::Timestamp;

use super::throttle::Party;

/// The state.
#[derive(Default)]
pub struct Devices {
    polls: HashMap<Hash32, Poll>,
    /// The span of time that the counts below are of.
    span: i64,
    tries: Counts,
    asked: Counts,
}

/// What was counted in a span of time. What is refused is not counted, so nobody can use up what is everybody's.
#[derive(Default)]
struct Counts {
    each: HashMap<Who, u32>,
    all: u32,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Who {
    Person(Box<str>),
    Party(Option<Party>),
}

impl Counts {
    /// Counts once more for each of these, unless one has had as many as it may, or all together have.
    fn count<const N: usize>(&mut self, whose: [(Who, u32); N], most: u32) -> bool {
        let full = |(who, most): &(Who, u32)| self.each.get(who).is_some_and(|count| count >= most);
        if self.all >= most || whose.iter().any(full) {
            return false;
        }
        self.all = self.all.saturating_add(1);
        for (who, _) in whose {
            let count = self.each.entry(who).or_default();
            *count = count.saturating_add(1);
        }
        true
    }
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

    /// Counts a typed code before it is looked up; false: this person, this network or everybody together typed too many.
    pub fn may_try(&mut self, person: &str, from: Option<Party>, now: Timestamp) -> bool {
        self.turn(now);
        self.tries.count([(Who::Person(person.into()), PER_PERSON), (Who::Party(from), PER_PARTY)], IN_ALL)
    }

    /// Counts a device that asks for a code; false: from this network, or in all, too many did.
    pub fn may_wait(&mut self, from: Option<Party>, now: Timestamp) -> bool {
        self.turn(now);
        self.asked.count([(Who::Party(from), WAITING_PER_PARTY)], WAITING)
    }

    fn turn(&mut self, now: Timestamp) {
        let span = now.0.div_euclid(SPAN);
        if span != self.span {
            self.span = span;
            (self.tries, self.asked) = Default::default();
        }
    }
}

/// Seconds between two polls, as devices are told.
pub const INTERVAL: i64 = 5;
/// Seconds over which typed codes are counted.
pub const SPAN: i64 = 600;
/// Codes typed by one person, from one network, and by all in a span: with 34 bits in a code and ten thousand devices that wait, people who
/// use all of it hit one in a fortnight, and have then let a stranger's device in as themselves.
const PER_PERSON: u32 = 10;
const PER_PARTY: u32 = 30;
const IN_ALL: u32 = 1_000;
/// Devices that ask in a span: anybody can, and each is a record for a while.
const WAITING_PER_PARTY: u32 = 100;
const WAITING: u32 = 10_000;
const MAX_DEVICES: usize = 65_536;

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

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
    fn tries_are_counted_by_person_by_network_and_in_all() {
        let now = Timestamp(6_000);
        let v4 = |n: u32| Some(Party::from(IpAddr::from(n.to_be_bytes())));
        let v6 = |n: u32| {
            let [a, b, c, d] = n.to_be_bytes();
            Some(Party::from(IpAddr::from([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, a, b, c, d, 0, 0, 0, 1])))
        };
        let same = |_: u32| v4(7);
        let tries =
            |devices: &mut Devices, n: u32, person: &dyn Fn(u32) -> String, from: &dyn Fn(u32) -> Option<Party>| {
                (0..n).filter(|n| devices.may_try(&person(*n), from(*n), now)).count()
            };
        let (one, each) = (|_: u32| "x".to_owned(), |n: u32| n.to_string());
        let mut devices = Devices::default();
        assert_eq!(tries(&mut devices, 50_000, &one, &v4), 10, "one person from anywhere");
        assert!(devices.may_try("another", v4(1 << 30), now), "nobody else is harmed");
        assert!(devices.tries.each.len() < 20, "what is refused is not remembered");
        for (name, from) in [("one address", &same as &dyn Fn(u32) -> _), ("one /64", &v6)] {
            let mut devices = Devices::default();
            assert_eq!(tries(&mut devices, 5_000, &each, from), 30, "many people from {name}");
            assert!(devices.may_try("another", v4(1 << 30), now), "nobody else is harmed");
        }
        let mut devices = Devices::default();
        assert_eq!(tries(&mut devices, 5_000, &each, &v4), 1_000, "many people from many");
        assert!(!devices.may_try("new", v4(1 << 30), now));
        assert!(devices.may_try("new", v4(1 << 30), now.plus(SPAN)), "in time");
    }

    /// R8628-5.1-01
    #[test]
    fn devices_that_wait_are_bounded() {
        let now = Timestamp(6_000);
        let network = |n: u32| Some(Party::from(IpAddr::from(n.to_be_bytes())));
        let mut devices = Devices::default();
        assert_eq!((0..5_000).filter(|_| devices.may_wait(network(7), now)).count(), 100);
        assert!(devices.may_wait(network(8), now), "nobody else is harmed");
        assert_eq!((0..50_000).filter(|n| devices.may_wait(network(*n), now)).count(), 10_000 - 101);
        assert!(devices.may_wait(network(7), now.plus(SPAN)), "in time");
    }
}
