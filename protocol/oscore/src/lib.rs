//! OSCORE (RFC 8613): CoAP messages protected end to end. No IO, no clock, no randomness, no heap.
//!
//! A [`Context`] is derived from [`Material`] that both ends share. Four functions use it:
//!
//! | | request | response |
//! |---|---|---|
//! | client | [`protect_request`](Context::protect_request) → [`SentRequest`] | [`unprotect_response`](Context::unprotect_response) |
//! | server | [`unprotect_request`](Context::unprotect_request) → [`ReceivedRequest`] | [`protect_response`](Context::protect_response) |
//!
//! They sit between the message layer, which retransmits datagrams as they are, and the request layer, which sees only
//! what was verified. [`OscoreOption::of`] tells which context a message wants.
//!
//! What must not happen twice cannot: sender numbers are spent before they are used, neither a context nor a
//! [`ReceivedRequest`] can be cloned, and a context that outlives a restart ([`Context::restore`]) sends only under
//! numbers that were durably reserved ([`SenderNumbers`]) and accepts nothing until its peer has shown an Echo.
//!
//! Not here: other algorithms than AES-CCM-16-64-128 with HKDF SHA-256, Appendix B.2, HTTP, the decomposition of
//! Proxy-Uri, group communication.

#![no_std]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod context;
mod cose;
mod error;
mod id;
mod numbers;
mod option;
mod piv;
mod protect;
mod request;
mod salt;
mod unprotect;
mod window;

pub use context::{Context, Material};
pub use error::{BadMaterial, Error};
pub use id::{Id, IdContext, Short};
pub use numbers::SenderNumbers;
pub use option::{Malformed, OscoreOption};
pub use piv::PartialIv;
pub use protect::MAX_OVERHEAD;
pub use request::{ReceivedRequest, SentRequest};
pub use salt::master_salt;
pub use unprotect::Incoming;

#[cfg(test)]
fn hex(text: &str) -> std::vec::Vec<u8> {
    assert_eq!(text.len() % 2, 0, "{text}");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
#[cfg(test)]
extern crate std;
