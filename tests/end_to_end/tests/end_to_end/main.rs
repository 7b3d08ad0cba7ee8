//! From sign-in to an open door, with every part real.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod begins;
mod board;
mod clients;
mod edhoc;
mod exchange;
mod interop;
mod isolation;
mod machine;
mod nonce;
mod providers;
mod revocation;
mod secrets;
mod update;
