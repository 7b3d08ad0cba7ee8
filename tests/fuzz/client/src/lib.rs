//! A phone between a server, a lock and a browser that say what a fuzzer wants, over real sockets: nothing of the SDK is turned off,
//! and nothing of it is opened for this.
#![allow(clippy::expect_used, clippy::panic)]

mod lock;
mod script;
mod server;
mod world;

pub use script::{Answer, Script};
pub use world::{Played, World};
