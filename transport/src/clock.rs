//! The monotonic clock under every timer.

use std::time::{Duration, Instant};

use latchwork_coap::endpoint::Millis;

/// The monotonic clock that the endpoint's times count on; zero is when it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    #[allow(clippy::disallowed_methods)] // this is the clock module
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(&self) -> Millis {
        Millis(u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn until(&self, due: Millis) -> Duration {
        Duration::from_millis(due.0.saturating_sub(self.now().0))
    }
}
