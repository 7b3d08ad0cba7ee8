//! Who asks too often, and who guesses (RFC 6749 §2.3.1, §10.10). A pure state machine: time is an argument, memory is bounded.
//!
//! Guessing is counted per client *and* address together, and per address alone, never per client alone: else anybody could lock
//! a robot out by guessing at its secret from somewhere else. For the same reason a client's rate counts only
//! what it asked authenticated.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};

/// Milliseconds of a clock. One that is set back forgives.
pub type Millis = u64;

/// Wait so many seconds, then ask again: the value of `Retry-After`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait(pub u64);

/// How many requests are fine.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Requests per second and address, in the long run; 0 means no limit.
    pub per_address: u32,
    /// Authenticated requests per second and client, in the long run; 0 means no limit.
    pub per_client: u32,
}

/// An address as far as it names one party: an IPv6 host has a whole /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Party(IpAddr);

impl From<IpAddr> for Party {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                Self(IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)))
            }
            v4 => Self(v4),
        }
    }
}

/// The state.
pub struct Throttle {
    rates: Rates,
    addresses: Bounded<Party, Bucket>,
    clients: Bounded<Box<str>, Bucket>,
    guesses_by_pair: Bounded<(Party, Box<str>), Guesses>,
    guesses_by_address: Bounded<Party, Guesses>,
}

impl Throttle {
    /// Nobody has asked yet.
    #[must_use]
    pub fn new(rates: Rates) -> Self {
        Self {
            rates,
            addresses: Bounded::default(),
            clients: Bounded::default(),
            guesses_by_pair: Bounded::default(),
            guesses_by_address: Bounded::default(),
        }
    }

    /// Counts a request before anything else is done for it.
    ///
    /// # Errors
    /// The address or the client it claims to be has to wait.
    pub fn admit(&mut self, party: Party, client: Option<&str>, now: Millis) -> Result<(), Wait> {
        let refused = |guesses: Option<&Guesses>| guesses.and_then(|g| g.wait(now));
        let by_address = refused(self.guesses_by_address.get(&party));
        let by_pair = client.and_then(|c| refused(self.guesses_by_pair.get(&(party, c.into()))));
        if let Some(wait) = by_address.max_by_seconds(by_pair) {
            return Err(wait);
        }
        if self.rates.per_address > 0 {
            self.addresses
                .entry(party, || Bucket::full(self.rates.per_address, now))
                .take(self.rates.per_address, now)?;
        }
        let bucket = client.and_then(|client| self.clients.map.get_mut(client));
        let level = bucket.map(|bucket| bucket.refill(self.rates.per_client, now));
        if level.is_some_and(|level| level < REQUEST) { Err(Wait(1)) } else { Ok(()) }
    }

    /// Its authentication failed.
    pub fn failed(&mut self, party: Party, client: Option<&str>, now: Millis) {
        self.guesses_by_address.entry(party, Guesses::default).failed(GRACE_ADDRESS, now);
        if let Some(client) = client {
            self.guesses_by_pair.entry((party, client.into()), Guesses::default).failed(GRACE_PAIR, now);
        }
    }

    /// Its authentication succeeded: what this client got wrong here before is forgotten, and one failure of its address is made
    /// good, so that a single mistaken neighbour behind the same proxy does not stop everybody. It counts towards the client's rate.
    pub fn succeeded(&mut self, party: Party, client: &str, now: Millis) {
        if self.rates.per_client > 0 {
            let bucket = self.clients.entry(client.into(), || Bucket::full(self.rates.per_client, now));
            // What was under way together may overdraw it.
            let _ = bucket.take(self.rates.per_client, now);
        }
        if !self.guesses_by_pair.is_empty() {
            self.guesses_by_pair.remove(&(party, client.into()));
        }
        if let Some(guesses) = self.guesses_by_address.map.get_mut(&party) {
            guesses.count = guesses.count.saturating_sub(1);
        }
    }
}

trait Longer {
    fn max_by_seconds(self, other: Option<Wait>) -> Option<Wait>;
}

impl Longer for Option<Wait> {
    fn max_by_seconds(self, other: Option<Wait>) -> Option<Wait> {
        self.into_iter().chain(other).max_by_key(|wait| wait.0)
    }
}

/// A token bucket of two seconds' depth, in thousandths of a request.
struct Bucket {
    level: u64,
    at: Millis,
}

impl Bucket {
    fn full(rate: u32, now: Millis) -> Self {
        Self { level: u64::from(rate) * DEPTH, at: now }
    }

    /// What there is now.
    fn refill(&mut self, rate: u32, now: Millis) -> u64 {
        let rate = u64::from(rate);
        let gained = now.saturating_sub(self.at).saturating_mul(rate);
        self.level = self.level.saturating_add(gained).min(rate * DEPTH);
        self.at = now;
        self.level
    }

    fn take(&mut self, rate: u32, now: Millis) -> Result<(), Wait> {
        match self.refill(rate, now).checked_sub(REQUEST) {
            Some(left) => {
                self.level = left;
                Ok(())
            }
            None => Err(Wait(1)),
        }
    }
}

/// Failed attempts in a row, and until when the next one must wait.
#[derive(Default)]
struct Guesses {
    count: u32,
    last: Millis,
    until: Millis,
}

impl Guesses {
    fn failed(&mut self, grace: u32, now: Millis) {
        if now.saturating_sub(self.last) > FORGET {
            self.count = 0;
        }
        self.last = now;
        self.count = self.count.saturating_add(1);
        let excess = self.count.saturating_sub(grace);
        if excess > 0 {
            let seconds = 1_u64.checked_shl(excess - 1).unwrap_or(MAX_WAIT).min(MAX_WAIT);
            self.until = now.saturating_add(seconds * 1000);
        }
    }

    fn wait(&self, now: Millis) -> Option<Wait> {
        // More than the longest wait: the clock was set back.
        let left = self.until.checked_sub(now).filter(|left| (1..=MAX_WAIT * 1000).contains(left))?;
        Some(Wait(left.div_ceil(1000)))
    }
}

/// A map that forgets its oldest entry when full.
struct Bounded<K, V> {
    map: HashMap<K, V>,
    order: VecDeque<K>,
}

impl<K, V> Default for Bounded<K, V> {
    fn default() -> Self {
        Self { map: HashMap::new(), order: VecDeque::new() }
    }
}

impl<K: Clone + Eq + Hash, V> Bounded<K, V> {
    fn get(&self, key: &K) -> Option<&V> {
        self.map.get(key)
    }

    fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    fn remove(&mut self, key: &K) {
        // Its place in `order` stays: it is skipped, or finds the key's next life, when it comes up.
        self.map.remove(key);
    }

    fn entry(&mut self, key: K, new: impl FnOnce() -> V) -> &mut V {
        if !self.map.contains_key(&key) {
            while self.order.len() >= MAX_ENTRIES {
                if let Some(oldest) = self.order.pop_front() {
                    self.map.remove(&oldest);
                }
            }
            self.order.push_back(key.clone());
        }
        self.map.entry(key).or_insert_with(new)
    }
}

/// Failures that cost nothing: people mistype, deployments race.
const GRACE_PAIR: u32 = 3;
/// The same for a whole address, behind which many may sit.
const GRACE_ADDRESS: u32 = 50;
/// The longest wait, in seconds.
const MAX_WAIT: u64 = 300;
/// Failures older than this are forgiven, in milliseconds.
const FORGET: Millis = 3_600_000;
const REQUEST: u64 = 1000;
/// Two seconds of requests.
const DEPTH: u64 = 2_000;
/// Of each kind.
const MAX_ENTRIES: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    const NO_RATES: Rates = Rates { per_address: 0, per_client: 0 };

    fn party(text: &str) -> Party {
        Party::from(text.parse::<IpAddr>().unwrap())
    }

    #[test]
    fn guessing_waits_longer_each_time() {
        let (mut throttle, thief) = (Throttle::new(NO_RATES), party("192.0.2.1"));
        let mut now = 0;
        for expected in [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            let wait = throttle.admit(thief, Some("robot"), now).err().map_or(0, |w| w.0);
            assert_eq!(wait, expected);
            now += wait * 1000;
            assert_eq!(throttle.admit(thief, Some("robot"), now), Ok(()));
            throttle.failed(thief, Some("robot"), now);
        }
        assert_eq!(throttle.admit(party("192.0.2.2"), Some("robot"), now), Ok(()), "the robot itself, elsewhere");
        assert_eq!(throttle.admit(thief, Some("other"), now), Ok(()), "an honest neighbour");
        throttle.succeeded(thief, "robot", now);
        assert_eq!(throttle.admit(thief, Some("robot"), now), Ok(()), "forgiven");
        for _ in 0..4 {
            throttle.failed(thief, Some("robot"), now);
        }
        assert_eq!(throttle.admit(thief, Some("robot"), now), Err(Wait(1)));
        assert_eq!(throttle.admit(thief, Some("robot"), 0), Ok(()), "the clock was set back by an hour");
    }

    #[test]
    fn one_address_guessing_at_many_clients_waits_too() {
        let (mut throttle, thief) = (Throttle::new(NO_RATES), party("2001:db8::1"));
        for n in 0..=GRACE_ADDRESS {
            throttle.failed(thief, Some(&format!("client{n}")), 0);
        }
        assert_eq!(throttle.admit(thief, Some("fresh"), 0), Err(Wait(1)));
        assert_eq!(throttle.admit(party("2001:db8::ffff"), None, 0), Err(Wait(1)), "the same /64");
        assert_eq!(throttle.admit(party("2001:db8:0:1::1"), None, 0), Ok(()), "another");
        assert_eq!(throttle.admit(thief, None, 1000), Ok(()), "after the wait");
        throttle.succeeded(thief, "neighbour", 1000);
        throttle.failed(thief, None, 1000);
        assert_eq!(throttle.admit(thief, None, 1000), Err(Wait(1)), "one success makes good one failure");
    }

    #[test]
    fn rates_allow_bursts_and_refill() {
        let mut throttle = Throttle::new(Rates { per_address: 5, per_client: 0 });
        let one = party("192.0.2.1");
        for n in 0..10 {
            assert_eq!(throttle.admit(one, None, 0), Ok(()), "{n}");
        }
        assert_eq!(throttle.admit(one, None, 0), Err(Wait(1)));
        assert_eq!(throttle.admit(one, None, 199), Err(Wait(1)));
        assert_eq!(throttle.admit(one, None, 200), Ok(()));
        assert_eq!(throttle.admit(party("192.0.2.9"), None, 0), Ok(()));
        let mut throttle = Throttle::new(Rates { per_address: 0, per_client: 1 });
        for (n, from) in ["192.0.2.1", "192.0.2.2", "192.0.2.3"].into_iter().enumerate() {
            assert_eq!(throttle.admit(party(from), Some("robot"), 0).is_ok(), n < 2, "{n}");
            throttle.succeeded(party(from), "robot", 0);
        }
        for n in 0..10 {
            assert_eq!(throttle.admit(party("192.0.2.4"), Some("other"), 0), Ok(()), "{n}: whoever only uses its name");
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut throttle = Throttle::new(Rates { per_address: 1, per_client: 1 });
        for n in 0..u32::try_from(MAX_ENTRIES * 2).unwrap() {
            let from = Party::from(IpAddr::from(n.to_be_bytes()));
            let name = format!("c{n}");
            let _ = throttle.admit(from, Some(&name), 0);
            throttle.failed(from, Some(&name), 0);
            throttle.succeeded(from, &name, 0);
        }
        for len in [throttle.addresses.order.len(), throttle.clients.order.len(), throttle.guesses_by_pair.order.len()]
        {
            assert!(len <= MAX_ENTRIES);
        }
        assert!(throttle.guesses_by_address.map.len() <= MAX_ENTRIES);
    }
}
