//! UDP over a serial line: SLIP frames (RFC 1055), each an IPv4 packet (RFC 791) with a UDP datagram (RFC 768).
//!
//! Both ends use it, the board and whatever passes datagrams on to it. So the board sees the true address of each peer,
//! and the same packets would travel in Ethernet frames.

#![no_std]

mod frame;
mod packet;

pub use frame::{Decoder, encode};
pub use packet::{HEADERS, Packet};
