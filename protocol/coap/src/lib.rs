//! CoAP, sans-IO: messages, the message layer and the request layer, for both roles.
//!
//! No heap, no clock, no sockets, no randomness of its own: time is an argument ([`endpoint::Millis`]), random
//! numbers are arguments, tables have the size the caller gives them.
//!
//! Two layers, so that OSCORE fits between them: `endpoint::exchange` works on datagrams (deduplication,
//! retransmission, RFC 7252 §4), `endpoint::request` on the messages that are left once a datagram was accepted and,
//! where it was protected, decrypted (options, block-wise transfer, Observe).

#![no_std]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::type_complexity))]

#[cfg(test)]
extern crate std;

pub mod endpoint;
pub mod message;

pub use message::{
    Code, ContentFormat, Full, Kind, Message, OptionNumber, Options, ParseError, Token, Writer, shortest,
};
