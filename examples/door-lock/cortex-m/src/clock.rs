//! An uptime, and no date.

use crate::board::{TICKS_PER_SECOND, ticks};
use latchwork_coap::endpoint::Millis;
use latchwork_rs_lib::{Now, Uptime, Wall};

/// Counts from boot.
pub(crate) struct Clock {
    last: u32,
    elapsed: u64,
}

impl Clock {
    /// At zero.
    pub(crate) fn start() -> Self {
        Self { last: ticks(), elapsed: 0 }
    }

    /// Has to be called before the timer goes over, within 171 seconds.
    pub(crate) fn advance(&mut self) {
        let now = ticks();
        self.elapsed = self.elapsed.wrapping_add(now.wrapping_sub(self.last).into());
        self.last = now;
    }

    /// The present, for what decides.
    pub(crate) fn now(&self) -> Now {
        Now { wall: Wall::Unknown, uptime: Uptime(self.elapsed / TICKS_PER_SECOND) }
    }

    /// The present, for the message layer; it goes on between two calls of `advance`.
    pub(crate) fn millis(&self) -> Millis {
        let elapsed = self.elapsed.wrapping_add(ticks().wrapping_sub(self.last).into());
        Millis(elapsed / (TICKS_PER_SECOND / 1000))
    }
}
