//! Sockets under the CoAP endpoint: a server and a client over UDP, plain or under OSCORE.
//!
//! Everything that decides is in `latchwork-coap` and `latchwork-oscore`; here are sockets, tasks and the clock.
//!
//! ```text
//! UDP -> exchange layer -> OSCORE -> request layer -> Handler          (server, many tasks)
//! UDP <- exchange layer <- OSCORE <- request layer <- CoapClient       (client, one request at a time)
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod client;
mod clock;
pub mod edhoc;
mod heap;
mod oscore;
pub mod server;

pub use client::{CoapClient, Error, Traffic};
pub use oscore::{BoxFuture, Contexts, Identity, Security};
pub use server::{Handler, Notifier, Peer, Request, Response, Server, resources::Resources};

use latchwork_coap::endpoint::exchange;

type Exchanges<P> =
    exchange::Exchanges<P, heap::Heap, Vec<exchange::Incoming<P, heap::Heap>>, Vec<exchange::Outgoing<P, heap::Heap>>>;

/// Tables for `incoming` and `outgoing` messages.
fn exchanges<P: Copy + Eq + std::hash::Hash>(incoming: usize, outgoing: usize) -> std::io::Result<Exchanges<P>> {
    let table = (0..incoming).map(|_| exchange::Incoming::default()).collect();
    Ok(Exchanges::new(table, (0..outgoing).map(|_| exchange::Outgoing::default()).collect(), random::u64()?))
}

mod random {
    use std::io;

    /// From the operating system.
    pub(crate) fn u64() -> io::Result<u64> {
        getrandom::u64().map_err(io::Error::other)
    }

    pub(crate) fn u16() -> io::Result<u16> {
        u64().map(|random| random as u16)
    }
}

/// Time is up, a signal came, or an earlier datagram of ours found nobody: a server's socket is as good as before.
fn is_harmless(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionRefused, ConnectionReset, Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted | ConnectionRefused | ConnectionReset)
}

/// The largest datagram that UDP carries.
const MAX_DATAGRAM: usize = 65_535;
