//! The phone's clock: for proofs, and to know when to fetch a new token. No lock trusts it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970.
#[allow(clippy::disallowed_methods, reason = "this is the clock")]
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// For measuring how long something took.
#[allow(clippy::disallowed_methods, reason = "this is the clock")]
pub(crate) fn instant() -> std::time::Instant {
    std::time::Instant::now()
}
