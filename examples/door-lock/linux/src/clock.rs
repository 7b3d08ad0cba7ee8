//! The only place that asks for the time.
#![allow(clippy::disallowed_methods)] // see above

use latchwork_coap::endpoint::Millis;
use latchwork_rs_lib::{Now, Uptime, Wall};
use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The system's clock, moved by what a file says.
pub(crate) struct Clock {
    started: Instant,
    offset: Option<PathBuf>,
}

impl Clock {
    /// Starts to count the uptime.
    pub(crate) fn new(offset: Option<PathBuf>) -> Self {
        Self { started: Instant::now(), offset }
    }

    /// The present, for what decides.
    pub(crate) fn now(&self) -> Now {
        Now { wall: self.wall(), uptime: Uptime(self.started.elapsed().as_secs()) }
    }

    /// The present, for the message layer.
    pub(crate) fn millis(&self) -> Millis {
        Millis(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn wall(&self) -> Wall {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let offset = match &self.offset {
            None => Some(0),
            Some(file) => match std::fs::read_to_string(file) {
                Ok(text) => text.trim().parse::<i64>().ok(),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some(0),
                Err(_) => None,
            },
        };
        wall(i64::try_from(seconds).unwrap_or(i64::MAX), offset)
    }
}

/// A clock that stands before this software was written was never set. `None` is an offset that is `unknown`, or that
/// nobody can read.
fn wall(seconds: i64, offset: Option<i64>) -> Wall {
    match offset {
        Some(offset) if seconds >= WRITTEN => Wall::exact(seconds.saturating_add(offset)),
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
            assert_eq!(wall(seconds, offset), expected, "{seconds} {offset:?}");
        }
    }
}
