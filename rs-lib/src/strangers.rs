//! How much of its time a lock gives to strangers: half, however slow it is.
//!
//! A handshake takes three operations on the curve, and a signature one, for whoever asks (RFC 9528 §9.7, RFC 9200 §5.10.1.2). With
//! `p256` on a Cortex-M4 of 64 MHz message_1 alone is half a second; in assembly, on a faster chip or with a peripheral it is much less. So
//! the time is measured, not the number: whatever strangers took, they leave alone for as long again.

use latchwork_coap::endpoint::Millis;

/// What strangers took.
pub(crate) struct Strangers {
    /// When they have left alone as long as they took.
    even: Millis,
}

impl Strangers {
    pub(crate) const fn new() -> Self {
        Self { even: Millis(0) }
    }

    /// Whether there is time for one more. A few come at once to a door; they may be ahead by less than a second.
    pub(crate) fn have_time(&self, now: Millis) -> bool {
        self.even <= now.plus(AHEAD)
    }

    /// Something for strangers went on from then until now, and counts as `least` milliseconds at least.
    pub(crate) fn took(&mut self, began: Millis, now: Millis, least: u64) {
        let took = now.0.saturating_sub(began.0).max(least);
        self.even = self.even.max(began).plus(took.saturating_mul(2));
    }
}

/// What a handshake or a signature counts as at least, in milliseconds: four a second, for the sake of the battery and of a clock
/// that stands still while the processor is busy.
pub(crate) const LEAST: u64 = 125;

const AHEAD: u64 = 750;

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever comes without a break, whatever it takes: in a minute strangers get half of it, and the one that was begun. So
    /// it is for those that come once in a while.
    #[test]
    fn half_of_the_time_at_most() {
        for (took, pause) in [(0, 1), (1, 1), (20, 1), (125, 1), (500, 1), (500, 400), (2000, 10), (40_000, 1)] {
            let (mut strangers, mut now, mut busy, mut admitted) = (Strangers::new(), Millis(5000), 0, 0);
            while now < Millis(65_000) {
                if strangers.have_time(now) {
                    let began = now;
                    now = now.plus(took);
                    strangers.took(began, now, LEAST);
                    (busy, admitted) = (busy + took, admitted + 1);
                }
                now = now.plus(pause);
            }
            assert!(busy <= 30_000 + took + AHEAD, "{took} {pause}: busy for {busy} ms");
            assert!(admitted <= 4 * 61, "{took} {pause}: {admitted}");
            // And they get it, or nobody would ever come in.
            assert!(busy >= 25_000 || took <= LEAST || pause > 1, "{took} {pause}: busy for {busy} ms");
            assert!(admitted >= 240 || took >= LEAST, "{took} {pause}: {admitted}");
        }
    }
}
