//! The only place that asks for the time.
#![allow(clippy::disallowed_methods)] // see above

use crate::kernel::{self, Reading};
use latchwork_coap::endpoint::Millis;
use latchwork_rs_lib::{Now, Uptime, Wall};
use rustix::time::{ClockId, clock_gettime};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// The system's clock, as far as it is believed, moved by what a file says.
pub(crate) struct Clock {
    system: SystemClock,
    offset: Option<PathBuf>,
}

/// When the system's clock is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum SystemClock {
    /// While the kernel says that something keeps it (NTP, PTP), and no better than the kernel says. A time that was saved before the
    /// machine was switched off is not believed.
    Synchronized,
    /// Always, to the second: a battery keeps it while the power is off, or a hypervisor does, and the kernel does not know.
    Trusted,
}

impl Clock {
    /// A clock that is moved by what the file says, if there is one.
    pub(crate) fn new(system: SystemClock, offset: Option<PathBuf>) -> Self {
        Self { system, offset }
    }

    /// The present, for what decides.
    pub(crate) fn now(&self) -> Now {
        Now { wall: self.wall(), uptime: uptime() }
    }

    fn wall(&self) -> Wall {
        let offset = match &self.offset {
            None => Some(0),
            Some(file) => match std::fs::read_to_string(file) {
                Ok(text) => text.trim().parse::<i64>().ok(),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some(0),
                Err(_) => None,
            },
        };
        let within = match self.system {
            SystemClock::Synchronized => kernel::read().and_then(kept),
            SystemClock::Trusted => {
                let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
                let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
                Some((seconds, seconds))
            }
        };
        wall(within, offset)
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

fn boottime() -> (u64, u64) {
    let time = clock_gettime(ClockId::Boottime);
    // No time at all would end no right: what cannot be is as late as can be.
    (u64::try_from(time.tv_sec).unwrap_or(u64::MAX), u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// The seconds that the true time lies within, if something keeps the clock.
fn kept(Reading { micros, max_error, is_kept }: Reading) -> Option<(i64, i64)> {
    let seconds = |micros: i64| micros.div_euclid(1_000_000);
    (is_kept && max_error >= 0)
        .then(|| (seconds(micros.saturating_sub(max_error)), seconds(micros.saturating_add(max_error))))
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
            assert_eq!(wall(kept(reading), Some(0)), expected, "{what}");
        }
        assert_eq!(wall(None, Some(0)), Wall::Unknown, "the kernel does not say");
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
