//! An uptime, and no date.

use crate::board::{TICKS_PER_SECOND, ticks};
use latchwork_coap::endpoint::Millis;
use latchwork_rs_lib::{Now, Uptime, Wall};

/// Counts from boot.
pub(crate) struct Clock {
    /// Ticks that are counted.
    last: u32,
    seconds: u64,
    /// Beyond them.
    millis: u32,
}

impl Clock {
    /// At zero.
    pub(crate) fn start() -> Self {
        Self { last: ticks(), seconds: 0, millis: 0 }
    }

    /// Has to be called before the timer goes over, within 171 seconds.
    pub(crate) fn advance(&mut self) {
        let passed = ticks().wrapping_sub(self.last) / TICKS_PER_MILLI;
        self.last = self.last.wrapping_add(passed.wrapping_mul(TICKS_PER_MILLI));
        let millis = self.millis.wrapping_add(passed);
        self.seconds = self.seconds.wrapping_add((millis / 1000).into());
        self.millis = millis % 1000;
    }

    /// The present, for what decides.
    pub(crate) fn now(&self) -> Now {
        Now { wall: Wall::Unknown, uptime: Uptime(self.seconds) }
    }

    /// The present, for the message layer; it goes on between two calls of `advance`.
    pub(crate) fn millis(&self) -> Millis {
        let passed = ticks().wrapping_sub(self.last) / TICKS_PER_MILLI;
        Millis(self.seconds.wrapping_mul(1000).wrapping_add(self.millis.wrapping_add(passed).into()))
    }
}

const TICKS_PER_MILLI: u32 = TICKS_PER_SECOND / 1000;
