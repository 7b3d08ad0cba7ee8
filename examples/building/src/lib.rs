//! The stage: a company in its building, with a real provider, server, locks and people. The demo plays on it, and so do the
//! end-to-end tests.

#![allow(clippy::print_stdout, reason = "a story is told on standard output")]

pub mod attack;
pub mod board;
pub mod browser;
pub mod building;
pub mod interrupts;
pub mod lock;
pub mod people;
pub mod process;
pub mod sniffer;
pub mod story;
pub mod witness;

pub use browser::{Browser, Page};
pub use building::{Body, Building};
pub use interrupts::Interrupts;
pub use lock::Lock;
pub use people::Phone;
pub use process::Process;
pub use sniffer::Sniffer;
pub use witness::Witness;

/// Whatever goes wrong on the stage ends the play.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;
