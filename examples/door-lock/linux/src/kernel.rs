//! What the kernel says of its clock (`adjtimex`). No crate reads that without `unsafe`, so it stands here, alone.
#![allow(unsafe_code)] // see above

/// One reading of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Microseconds since 1970.
    pub(crate) micros: i64,
    /// How many of them it may be wrong by. Grows by itself while nothing corrects the clock.
    pub(crate) max_error: i64,
    /// Something set the clock by another, and did so lately: `STA_UNSYNC` is not set.
    pub(crate) is_kept: bool,
}

/// Reads the clock, and changes nothing; None where a sandbox does not allow it.
pub(crate) fn read() -> Option<Reading> {
    // SAFETY: a `timex` has members of integers only, which are good as zeros. No bit in `modes` is to set nothing.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the call writes into what it is given, and keeps no pointer.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    #[allow(clippy::useless_conversion)] // where a `long` is shorter
    let [seconds, fraction, max_error] = [timex.time.tv_sec, timex.time.tv_usec, timex.maxerror].map(i64::from);
    let micros = if timex.status & libc::STA_NANO == 0 { fraction } else { fraction / 1000 };
    (state >= 0).then_some(Reading {
        micros: seconds.saturating_mul(1_000_000).saturating_add(micros),
        max_error,
        is_kept: state != libc::TIME_ERROR && timex.status & libc::STA_UNSYNC == 0,
    })
}
