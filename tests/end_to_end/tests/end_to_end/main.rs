//! From sign-in to an open door, with every part real.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod board;
mod clients;
mod edhoc;
mod interop;
mod isolation;
mod nonce;
mod providers;
mod revocation;
mod secrets;
