//! The rim: bytes in, [`crate::core`] decides, bytes out. Errors become status codes here, once.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::audit::Audit;
use crate::config::Lifetimes;
use crate::core::policy::Policy;
use crate::core::refusal::{Refusal, ServerFault};
use crate::core::time::Timestamp;
use crate::keys::Keys;
use crate::store::StoreError;
use crate::store::facts::Records;

pub mod cbor;
pub mod client;
pub mod coap;
pub mod declaration;
pub mod devices;
pub mod form;
pub mod http;
mod introspect;
pub mod oidc;
pub mod register;
pub mod revocation;
pub mod revoke;
pub mod signing;
pub mod throttle;
pub mod tls;
pub mod token;
pub mod trl;

use throttle::{Party, Throttle, Wait};

/// Everything a listener needs to answer, the same for HTTP and CoAP.
pub struct Shell {
    /// The issuer, without a slash at the end.
    pub issuer: String,
    /// Where clients with certificates come (RFC 8705 §5), without a slash at the end.
    pub mtls_url: Option<String>,
    /// What is remembered.
    pub records: Records,
    /// The server's own keys.
    pub keys: Keys,
    /// What decides.
    pub policy: Arc<dyn Policy>,
    /// Where people sign in, in the order of the configuration.
    pub providers: Vec<oidc::Provider>,
    /// How long things live.
    pub lifetimes: Lifetimes,
    /// The clock.
    pub clock: fn() -> Timestamp,
    /// Where decisions are written down.
    pub audit: Audit,
    /// Who has to wait.
    pub throttle: Mutex<Throttle>,
    /// Devices that poll, and codes that are typed.
    pub devices: Mutex<devices::Devices>,
    /// The token revocation list.
    pub trl: revocation::Trl,
}

impl Shell {
    /// Now, by this server's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// The provider of that name.
    #[must_use]
    pub fn provider(&self, name: &str) -> Option<&oidc::Provider> {
        self.providers.iter().find(|provider| provider.name() == name)
    }

    /// Our own address for the answers of a provider.
    #[must_use]
    pub fn callback(&self, provider: &str) -> String {
        format!("{}/callback/{provider}", self.issuer)
    }

    /// Counts a request of this party, and of the client it claims to be.
    ///
    /// # Errors
    /// It has to wait.
    pub fn admit(&self, from: Option<IpAddr>, client: Option<&str>) -> Result<(), Wait> {
        match from {
            Some(from) => self.throttled(|throttle, now| throttle.admit(Party::from(from), client, now)),
            None => Ok(()),
        }
    }

    /// Takes note of how its authentication went.
    pub fn authenticated(&self, from: Option<IpAddr>, client: Option<&str>, succeeded: bool) {
        let Some(from) = from.map(Party::from) else { return };
        self.throttled(|throttle, now| match (succeeded, client) {
            (true, Some(client)) => throttle.succeeded(from, client, now),
            (true, None) => {}
            (false, client) => throttle.failed(from, client, now),
        });
    }

    /// Counts a typed code; false: there were too many.
    pub(crate) fn may_type(&self, person: &str, from: Option<IpAddr>) -> bool {
        let now = self.now();
        let from = from.map(Party::from);
        self.devices.lock().unwrap_or_else(PoisonError::into_inner).may_try(person, from, now)
    }

    /// Counts a device that asks; false: too many wait already.
    pub(crate) fn may_wait(&self, from: Option<IpAddr>) -> bool {
        let now = self.now();
        let from = from.map(Party::from);
        self.devices.lock().unwrap_or_else(PoisonError::into_inner).may_wait(from, now)
    }

    /// Whether the device that this request names polls too fast.
    fn polls_too_fast(&self, device: Option<crate::core::bytes::Hash32>) -> bool {
        let now = self.now();
        let too_fast = |device| self.devices.lock().unwrap_or_else(PoisonError::into_inner).too_fast(device, now);
        device.is_some_and(too_fast)
    }

    fn throttled<T>(&self, step: impl FnOnce(&mut Throttle, throttle::Millis) -> T) -> T {
        let now = u64::try_from(self.now().0).unwrap_or_default().saturating_mul(1000);
        step(&mut self.throttle.lock().unwrap_or_else(PoisonError::into_inner), now)
    }
}

/// The store failed: the log learns why, the client that we are in trouble.
fn failed(cause: StoreError) -> Refusal {
    tracing::error!(%cause, "the store failed");
    ServerFault::Store.into()
}

#[cfg(test)]
mod tests;
