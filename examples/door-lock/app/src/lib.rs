//! What every door lock does, whatever board it is on: two resources, a bolt, and a table of who is inside.
//!
//! `/authz-info` and `/.well-known/edhoc` take tokens; `/door` unlocks by POST and tells its state by GET. Everything that decides who may is in
//! `latchwork_rs_lib`. The board gives a socket, a clock, random numbers and a [`Bolt`].

#![no_std]

pub mod counters;
mod door;
mod lock;
pub mod page;
pub mod turns;

pub use door::{Bolt, Door, Stuck};
pub use lock::{Lock, MAX_DATAGRAM, Sent};
