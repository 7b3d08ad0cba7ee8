//! What the targets share: a clock that stands, a key that is registered, and a server over a store in memory.
#![allow(clippy::expect_used, clippy::panic)]

mod certificate;
mod edhoc;
mod http;
mod provider;
mod registration;
mod signing;

use latchwork_authz_server::core::time::Timestamp;

pub use certificate::Shown;
pub use edhoc::Talk;
pub use http::{Got, World};
pub use provider::Visit;
pub use registration::register;
pub use signing::SigningKey;

/// The server's name.
pub const ISSUER: &str = "https://as.example";
/// The time at the server, always.
pub const NOW: Timestamp = Timestamp(1_790_000_000);
/// The administrator's token.
pub const ADMIN: &str = "an administrator's token";
