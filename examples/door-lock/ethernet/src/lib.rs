//! UDP over Ethernet for a station that only answers: frames are read and written by `smoltcp::wire`.
//!
//! Nothing is kept from one frame to the next. An answer goes back to the station that passed the question on, so there is no
//! table of neighbours that somebody could fill, and no answer waits for the address of a peer that does not exist. What
//! is no whole datagram to this station, or a question for its hardware address (RFC 826), is dropped: fragments, wrong
//! checksums, broadcasts, addresses that nobody can answer to.

#![no_std]

mod station;

pub use smoltcp::wire::EthernetAddress;
pub use station::{Frame, Question, Station};

/// The longest frame, without its check sequence.
pub const MAX_FRAME: usize = 1514;
