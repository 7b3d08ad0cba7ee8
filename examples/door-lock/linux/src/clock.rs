//! The only place that asks for the time.
#![allow(clippy::disallowed_methods)] // see above

use crate::kernel::{self, Reading};
use latchwork_coap::endpoint::Millis;
use latchwork_rs_lib::{Now, Uptime, Wall};
use rustix::time::{ClockId, clock_gettime};
use std::cell::Cell;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// The system's clock, as far as it is believed, moved by what a file says.
pub(crate) struct Clock {
    system: SystemClock,
    offset: Option<PathBuf>,
    last: Cell<Option<Kept>>,
}

/// When the system's clock is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum SystemClock {
    /// Once the kernel says that something keeps it (NTP, PTP), and no better than the kernel says; after the last time that it said so, by the
    /// time since, and less exactly by 43 seconds each day. A time that was saved before the machine was switched off is not believed.
    Synchronized,
    /// Always, to the second: a battery keeps it while the power is off, or a hypervisor does, and the kernel does not know.
    Trusted,
}

impl Clock {
    /// A clock that is moved by what the file says, if there is one.
    pub(crate) fn new(system: SystemClock, offset: Option<PathBuf>) -> Self {
        Self { system, offset, last: Cell::new(None) }
    }

    /// The present, for what decides.
    pub(crate) fn now(&self) -> Now {
        Now { wall: self.date().0, uptime: uptime() }
    }

    /// The date, and what it rests on.
    pub(crate) fn date(&self) -> (Wall, Keeping) {
        let offset = match &self.offset {
            None => Some(0),
            Some(file) => match std::fs::read_to_string(file) {
                Ok(text) => text.trim().parse::<i64>().ok(),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some(0),
                Err(_) => None,
            },
        };
        let (within, keeping) = match self.system {
            SystemClock::Synchronized => {
                let (last, keeping) = keep(self.last.get(), kernel::read(), micros());
                self.last.set(last);
                (last.map(|last| last.at(micros())), keeping)
            }
            SystemClock::Trusted => {
                let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
                let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
                (Some((seconds, seconds)), Keeping::Kept)
            }
        };
        match wall(within, offset) {
            Wall::Unknown => (Wall::Unknown, Keeping::Unknown),
            known => (known, keeping),
        }
    }
}

/// What the date rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// Something keeps the system's clock.
    Kept,
    /// Something did since the machine was switched on, and does not any more.
    Alone,
    /// Nothing: the date is not known.
    Unknown,
}

/// Notices when the date comes to rest on something else.
pub(crate) struct Watch(Keeping);

impl Watch {
    /// Takes a date for granted until the first look.
    pub(crate) const fn new() -> Self {
        Self(Keeping::Kept)
    }

    /// What it rests on now, if that has changed since the last look.
    pub(crate) fn look(&mut self, keeping: Keeping) -> Option<Keeping> {
        (std::mem::replace(&mut self.0, keeping) != keeping).then_some(keeping)
    }
}

impl Keeping {
    /// What it means for a lock that takes tokens by their date, for its log.
    pub(crate) const fn means(self) -> &'static str {
        match self {
            Self::Kept => "the system clock is kept (again): tokens open by their date",
            Self::Alone => {
                "nothing keeps the system clock any more: tokens open by the time since, which is less exact by 43 seconds each day, until the lock \
                 is started anew"
            }
            Self::Unknown => {
                "the date is not known: no token opens until the system clock is kept (see --system-clock)"
            }
        }
    }
}

/// The last reading of a clock that something kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kept {
    reading: Reading,
    /// When it was, in microseconds since the machine was switched on.
    read_at: i64,
}

/// Whether a clock is kept, and the last reading of when it was.
fn keep(last: Option<Kept>, reading: Option<Reading>, read_at: i64) -> (Option<Kept>, Keeping) {
    match reading.filter(|reading| reading.is_kept && reading.max_error >= 0) {
        Some(reading) => (Some(Kept { reading, read_at }), Keeping::Kept),
        None => (last, if last.is_some() { Keeping::Alone } else { Keeping::Unknown }),
    }
}

impl Kept {
    /// The seconds that the true time lies within, so long after the machine was switched on. The time since goes wrong by as much as the kernel
    /// reckons with.
    fn at(&self, micros: i64) -> (i64, i64) {
        let since = micros.saturating_sub(self.read_at).max(0);
        let error = self.reading.max_error.saturating_add(since / 1_000_000 * DRIFT);
        let date = self.reading.micros.saturating_add(since);
        let seconds = |micros: i64| micros.div_euclid(1_000_000);
        (seconds(date.saturating_sub(error)), seconds(date.saturating_add(error)))
    }
}

/// Since the machine was switched on, the time that it slept included: a right of an hour ends in an hour.
pub(crate) fn uptime() -> Uptime {
    Uptime(boottime().0)
}

/// The same for the message layer.
pub(crate) fn millis() -> Millis {
    let (seconds, nanos) = boottime();
    Millis(seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000))
}

/// The same in microseconds.
fn micros() -> i64 {
    let (seconds, nanos) = boottime();
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    seconds.saturating_mul(1_000_000).saturating_add(i64::try_from(nanos / 1000).unwrap_or(0))
}

fn boottime() -> (u64, u64) {
    let time = clock_gettime(ClockId::Boottime);
    // No time at all would end no right: what cannot be is as late as can be.
    (u64::try_from(time.tv_sec).unwrap_or(u64::MAX), u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// A clock that stands before this software was written was never set. An offset of `None` is `unknown`, or one that
/// nobody can read.
fn wall(within: Option<(i64, i64)>, offset: Option<i64>) -> Wall {
    match (within, offset) {
        (Some((earliest, latest)), Some(offset)) if earliest >= WRITTEN => {
            Wall::Between { earliest: earliest.saturating_add(offset), latest: latest.saturating_add(offset) }
        }
        _ => Wall::Unknown,
    }
}

/// Microseconds in a second, that a clock goes wrong at most while nothing keeps it (`MAXFREQ` in the kernel's `timex.h`).
const DRIFT: i64 = 500;

/// 2026-01-01.
const WRITTEN: i64 = 1_767_225_600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_until_set() {
        for (seconds, offset, expected) in [
            (0, Some(0), Wall::Unknown),
            (WRITTEN - 1, Some(0), Wall::Unknown),
            (WRITTEN, Some(0), Wall::exact(WRITTEN)),
            (WRITTEN, Some(-10), Wall::exact(WRITTEN - 10)),
            (WRITTEN, Some(3600), Wall::exact(WRITTEN + 3600)),
            (WRITTEN, None, Wall::Unknown),
            (0, Some(WRITTEN + 1), Wall::Unknown),
        ] {
            assert_eq!(wall(Some((seconds, seconds)), offset), expected, "{seconds} {offset:?}");
        }
    }

    /// A time that was restored at boot, with no network since, ends no token that has ended.
    #[test]
    fn unknown_until_something_keeps_it() {
        let second = 1_000_000;
        let micros = (WRITTEN + 100) * second;
        let between = |earliest, latest| Wall::Between { earliest: WRITTEN + earliest, latest: WRITTEN + latest };
        for (what, max_error, is_kept, expected) in [
            ("restored at boot", 16 * second, false, Wall::Unknown),
            ("restored, and the error not known", 0, false, Wall::Unknown),
            ("to the second", 0, true, between(100, 100)),
            ("to the microsecond", 1, true, between(99, 100)),
            ("left alone for a while", 16 * second, true, between(84, 116)),
            ("a whole second and a bit", second + 1, true, between(98, 101)),
            ("reaches back before this was written", 101 * second, true, Wall::Unknown),
            ("nonsense", -1, true, Wall::Unknown),
        ] {
            let reading = Reading { micros, max_error, is_kept };
            let (last, keeping) = keep(None, Some(reading), 0);
            assert_eq!(wall(last.map(|last| last.at(0)), Some(0)), expected, "{what}");
            assert_eq!(keeping == Keeping::Kept, is_kept && max_error >= 0, "{what}");
        }
        assert_eq!(keep(None, None, 0), (None, Keeping::Unknown), "the kernel does not say");
    }

    /// A day in which the network goes: the kernel gives up after nine hours, the lock does not, and says each change once.
    #[test]
    fn after_the_last_word_of_the_network() {
        let (second, hour, first) = (1_000_000, 3600, WRITTEN + 1000);
        let (mut last, mut watch) = (None, Watch::new());
        let between = |since: i64, before, after| Wall::Between {
            earliest: first + since - before,
            latest: first + since + after,
        };
        // What the kernel says, how many seconds after the first word of the network: the time, what it may be wrong by, whether it is kept.
        type Said = Option<(i64, i64, bool)>;
        let unkept: Said = Some((0, 16, false));
        let rows: [(&str, i64, Said, Wall, Option<Keeping>); 12] = [
            ("switched on", -60, unkept, Wall::Unknown, Some(Keeping::Unknown)),
            ("and still nothing", -1, unkept, Wall::Unknown, None),
            ("the network", 0, Some((0, 1, true)), between(0, 1, 1), Some(Keeping::Kept)),
            ("its last word", hour, Some((hour, 0, true)), between(hour, 0, 0), None),
            ("by the kernel", 9 * hour, Some((9 * hour, 15, true)), between(9 * hour, 15, 15), None),
            // 1.8 seconds an hour more, rounded down to whole ones.
            ("it gives up", 10 * hour, unkept, between(10 * hour, 17, 16), Some(Keeping::Alone)),
            ("the next day", 33 * hour, unkept, between(33 * hour, 59, 58), None),
            ("set by hand", 33 * hour, Some((-hour, 16, false)), between(33 * hour, 59, 58), None),
            ("nonsense", 33 * hour, Some((0, -1, true)), between(33 * hour, 59, 58), None),
            ("the kernel does not say", 33 * hour, None, between(33 * hour, 59, 58), None),
            (
                "a minute ahead",
                34 * hour,
                Some((34 * hour + 60, 1, true)),
                between(34 * hour + 60, 1, 1),
                Some(Keeping::Kept),
            ),
            ("and gone", 35 * hour, unkept, between(35 * hour + 60, 3, 2), Some(Keeping::Alone)),
        ];
        for (what, since, said, expected, told) in rows {
            let at = (since + 1000) * second;
            let reading = said.map(|(since, error, is_kept)| Reading {
                micros: (first + since) * second,
                max_error: error * second,
                is_kept,
            });
            let keeping;
            (last, keeping) = keep(last, reading, at);
            assert_eq!(wall(last.map(|last| last.at(at)), Some(0)), expected, "{what}");
            assert_eq!(watch.look(keeping), told, "{what}");
        }
        assert_eq!(keep(None, None, 0).1, Keeping::Unknown, "what was kept is not known to the next start");
    }

    /// A log that says the same of two states, or nothing, would be no help.
    #[test]
    fn each_state_of_the_clock_has_its_words() {
        let words = [Keeping::Kept, Keeping::Alone, Keeping::Unknown].map(Keeping::means);
        let says = ["kept (again)", "nothing keeps", "no token opens"];
        for (words, says) in words.iter().zip(says) {
            assert!(words.contains(says), "{words}");
        }
    }

    #[test]
    fn the_kernel_tells_the_date() {
        let reading = kernel::read().unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
        assert!(i64::try_from(now).unwrap() - reading.micros < 60_000_000, "{reading:?}");
        assert!(reading.micros > WRITTEN * 1_000_000, "{reading:?}");
    }

    /// `/proc/uptime` counts the time that the machine slept.
    #[test]
    fn uptime_goes_on_while_the_machine_sleeps() {
        let kernel = std::fs::read_to_string("/proc/uptime").unwrap();
        let seconds: u64 = kernel.split('.').next().unwrap().parse().unwrap();
        let (uptime, millis) = (uptime().0, millis().0 / 1000);
        assert!((seconds..seconds + 60).contains(&uptime) && millis.abs_diff(uptime) <= 60, "{kernel} {uptime}");
    }
}
