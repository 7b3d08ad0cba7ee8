//! An ACE resource server for firmware (RFC 9200): token, proof, session, decision.
//!
//! No heap, no IO, no clock, no global state. Tables belong to the application and have the size that it gives them;
//! time, keys, randomness and cryptography are arguments.
//!
//! ```text
//! bytes --verify--> Bearer --authz_info--> pending session --proof--> ProvenKey --authorize--> Allowed --> bolt
//!                          --edhoc, which proves the key---> session
//! ```
//!
//! Each arrow has one maker: a [`Bearer`](verify::Bearer) comes from [`verify`] only, a [`ProvenKey`](proof::ProvenKey)
//! from a request that verified under a session's key, an [`Allowed`] from [`authorize`](authorize::authorize). A door
//! whose `unlock` takes an [`Allowed`] cannot be opened by a way around.
//!
//! [`ResourceServer`] does all of it for one message; a firmware that has messages of its own goes the steps itself
//! (`tests/decision.rs` is one that does). A lock needs no network to open: no server is asked, ever.

#![no_std]

pub mod authorize;
pub mod authz_info;
mod check;
pub mod clock;
pub mod edhoc;
#[cfg(feature = "coap-handler")]
pub mod handler;
mod hints;
mod holder;
pub mod introspect;
pub mod nonce;
pub mod proof;
mod refusal;
pub mod replay;
pub mod revoked;
mod room;
mod seats;
pub mod server;
pub mod session;
mod strangers;
mod target;
pub mod trl;
pub mod trust;
pub mod verify;

pub use authorize::Created;
pub use authorize::{Allowed, Denied};
pub use clock::{Now, Uptime, Wall};
pub use edhoc::{Edhoc, Handshakes, NoEdhoc};
pub use introspect::{Introspect, Introspected};
pub use refusal::Refusal;
pub use replay::{Flash, FlashFailed, NoFlash, Series};
pub use revoked::Revoked;
pub use room::Room;
pub use server::{Answer, Event, Reply, ResourceServer, Resources};
pub use session::{Holder, Seat, Sessions, Subject, TokenHash};
pub use trl::Follower;
pub use trust::{Freshness, Issuer, Key, NamedScope, TokenKey, Trust};
