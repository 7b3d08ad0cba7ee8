//! The one place that reads the clock.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::core::time::Timestamp;

/// Now, in whole seconds.
#[must_use]
#[allow(clippy::disallowed_methods)]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
