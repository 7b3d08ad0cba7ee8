//! The phone's side of Latchwork: signs a person in, fetches permissions ahead, and opens doors that have no network.
//!
//! ```text
//! App::new(server, key, store)     key: in secure hardware, behind the trait PopKey
//!   .sign_in(browser, &[])         the company's provider, in the person's own browser
//!   .fetch("front")                a token for one lock, ahead of the moment
//!   .open("front")                 CoAP with OSCORE to the lock, after EDHOC where it speaks that; no server involved
//! ```
//!
//! [`Machine`] is the same for what has no person: it asks over CoAP, under an OSCORE context that it shares with
//! the server, or that EDHOC makes of its own key.
//!
//! What a lock says before it has proved itself is never followed: addresses, audiences and servers come from the
//! person's own list of doors ([`Door`]).

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod app;
mod browser;
mod clock;
mod door;
mod dpop;
mod edhoc;
mod encoding;
mod error;
mod key;
mod machine;
mod numbers;
mod open;
mod server;
mod sign_in;
mod store;

pub use app::{App, Readiness};
pub use browser::Browser;
pub use door::{Door, LockCredential, Standing};
pub use error::Error;
pub use key::{KeyUnavailable, PopKey, SoftwareKey};
pub use machine::{Acquaintance, Machine, MachineConfig, SharedContext};
pub use open::Opened;
pub use server::Server;
pub use store::{FileStore, TokenStore};
