//! When a signing key is announced, signs, is retired and goes. Pure: the keys' beginnings and the clock come in.
//!
//! A key's phase follows from the clock and from where the keys after it begin; nothing is stored but beginnings. So a clock
//! that is set back only repeats a phase: the key before signs again, and everybody still has it.

use super::bytes::Sealed;
use super::time::{Seconds, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a signing key is for. Each purpose has its own keys and its own turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// CWTs by ES256.
    Es256,
    /// CWTs by EdDSA.
    Eddsa,
    /// The JWTs of our own API, by ES256.
    Api,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Es256, Self::Eddsa, Self::Api];

    /// Its name, on disk and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "es256",
            Self::Eddsa => "eddsa",
            Self::Api => "api",
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A signing key as the store keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SigningKey {
    /// What it signs.
    pub purpose: Purpose,
    /// Counts up within a purpose, so that of two servers that make the next key at once one succeeds.
    pub number: u32,
    /// When it was made, and so announced.
    pub made: Timestamp,
    /// When it begins to sign; never before the one with the number before.
    pub signs_from: Timestamp,
    /// Its 32 private bytes, sealed with [`SigningKey::label`].
    pub secret: Sealed,
}

impl SigningKey {
    /// What the private bytes are sealed for.
    #[must_use]
    pub fn label(&self) -> String {
        format!("signing key {} {}", self.purpose, self.number)
    }
}

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Published, so that whoever verifies has it in time.
    Announced,
    /// Signs.
    Signing,
    /// Signs no more; published for the tokens it signed.
    Retired,
    /// No token of it is left; not published, soon deleted.
    Ended,
}

/// How long each phase lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// From the making of a key to its first signature.
    pub announce: Seconds,
    /// From its first signature to its successor's; `None`: until somebody asks.
    pub sign: Option<Seconds>,
    /// From its successor's first signature to its end. At least as long as a token lives.
    pub retire: Seconds,
}

impl Schedule {
    /// The phase of each key; `begins` says when each begins to sign, in the order of their numbers.
    #[must_use]
    pub fn phases(&self, begins: &[Timestamp], now: Timestamp) -> Vec<Phase> {
        let signing = signing(begins.iter().copied(), now).unwrap_or(0);
        let phase = |at: usize| match begins.get(at + 1) {
            _ if at == signing => Phase::Signing,
            _ if at > signing => Phase::Announced,
            Some(successor) if *successor + self.retire <= now => Phase::Ended,
            _ => Phase::Retired,
        };
        (0..begins.len()).map(phase).collect()
    }

    /// When a key that has to be made now shall begin to sign; `None`: none has to be made.
    ///
    /// A server that slept through the date still announces first.
    #[must_use]
    pub fn due(&self, begins: &[Timestamp], now: Timestamp) -> Option<Timestamp> {
        let Some(last) = begins.last() else { return Some(now) };
        let begin = *last + self.sign?;
        let announced_already = *last > now;
        (!announced_already && begin <= now + self.announce).then(|| begin.max(now + self.announce))
    }

    /// Whether a key with this successor may be deleted: a day after its end, for a clock that is ahead may be set back.
    #[must_use]
    pub fn gone(&self, successor: Timestamp, now: Timestamp) -> bool {
        successor + self.retire + DAY <= now
    }
}

/// Which one signs: the last that has begun. Before all beginnings (the clock was set back far) the first, for somebody has to.
#[must_use]
pub fn signing(begins: impl IntoIterator<Item = Timestamp>, now: Timestamp) -> Option<usize> {
    let begun = |(at, begin): (usize, Timestamp)| (at == 0 || begin <= now).then_some(at);
    begins.into_iter().enumerate().filter_map(begun).last()
}

const DAY: Seconds = Seconds(86_400);

#[cfg(test)]
mod tests {
    use super::Phase::{Announced, Ended, Retired, Signing};
    use super::*;

    const SCHEDULE: Schedule = Schedule { announce: Seconds(10), sign: Some(Seconds(100)), retire: Seconds(50) };

    fn times(begins: &[i64]) -> Vec<Timestamp> {
        begins.iter().copied().map(Timestamp).collect()
    }

    #[test]
    fn the_phases_of_a_life() {
        for (begins, now, expected) in [
            (&[][..], 5, &[][..]),
            (&[0], 0, &[Signing]),
            (&[0], 100_000, &[Signing]), // nobody took over
            (&[0, 100], 99, &[Signing, Announced]),
            (&[0, 100], 100, &[Retired, Signing]),
            (&[0, 100], 149, &[Retired, Signing]),
            (&[0, 100], 150, &[Ended, Signing]),
            (&[0, 100, 200], 149, &[Retired, Signing, Announced]),
            (&[0, 100, 100], 100, &[Retired, Retired, Signing]), // replaced at once
            (&[0, 0, 100], 100, &[Ended, Retired, Signing]),     // `retire` counts from the successor's beginning
        ] {
            assert_eq!(SCHEDULE.phases(&times(begins), Timestamp(now)), expected, "{begins:?} at {now}");
        }
    }

    /// An hour back: the key before signs again, or the only one there is, and no key is made or lost.
    #[test]
    fn a_clock_that_is_set_back() {
        let hour = 3600;
        let day = Schedule { announce: Seconds(7200), sign: Some(Seconds(86_400)), retire: Seconds(86_400) };
        let begins = times(&[0, 86_400]);
        for (now, expected) in [(86_400 + 60, [Retired, Signing]), (86_400 + 60 - hour, [Signing, Announced])] {
            assert_eq!(day.phases(&begins, Timestamp(now)), expected, "{now}");
            assert_eq!(day.due(&begins, Timestamp(now)), None, "{now}");
        }
        assert_eq!(day.phases(&times(&[hour]), Timestamp(0)), [Signing]);
        assert_eq!(day.due(&times(&[hour]), Timestamp(0)), None);
        // Announced shortly before the clock went back: it is not announced a second time.
        let announced = times(&[0, 86_400, 2 * 86_400]);
        assert_eq!(day.due(&announced, Timestamp(2 * 86_400 - 7200 - hour)), None);
        assert!(!day.gone(Timestamp(86_400), Timestamp(2 * 86_400 + hour)), "ended, but a clock may be an hour ahead");
    }

    #[test]
    fn when_the_next_is_due() {
        let by_hand = Schedule { sign: None, ..SCHEDULE };
        for (schedule, begins, now, expected) in [
            (SCHEDULE, &[][..], 7, Some(7)), // the first signs at once
            (SCHEDULE, &[0], 89, None),
            (SCHEDULE, &[0], 90, Some(100)),
            (SCHEDULE, &[0], 95, Some(105)), // late: the announcement keeps its length
            (SCHEDULE, &[0], 5_000, Some(5_010)),
            (SCHEDULE, &[0, 100], 95, None), // announced already
            (SCHEDULE, &[0, 100], 189, None),
            (SCHEDULE, &[0, 100], 190, Some(200)),
            (by_hand, &[], 7, Some(7)),
            (by_hand, &[0], 5_000, None),
        ] {
            assert_eq!(schedule.due(&times(begins), Timestamp(now)), expected.map(Timestamp), "{begins:?} at {now}");
        }
    }

    /// Whenever somebody verifies, the key that signed is published, from `announce` before to `retire` after.
    #[test]
    fn whoever_signs_is_known_before_and_after() {
        let begins = times(&[0, 100, 200, 300]);
        for now in 0..400 {
            let phases = SCHEDULE.phases(&begins, Timestamp(now));
            assert_eq!(phases.iter().filter(|phase| **phase == Signing).count(), 1, "{now}");
            let signing = phases.iter().position(|phase| *phase == Signing).unwrap();
            for later in now..now + 50 {
                assert_ne!(SCHEDULE.phases(&begins, Timestamp(later)).get(signing), Some(&Ended), "{now} {later}");
            }
        }
    }
}
