//! The Latchwork authorization server: `core` decides, [`store`] keeps, `shell` speaks, `web` shows.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod audit;
pub mod cli;
pub mod clock;
pub mod config;
pub mod core;
pub mod files;
pub mod keys;
pub mod shell;
pub mod store;
pub mod web;
