//! What the end-to-end tests need beside the stage: a service that asks by HTTP, and Python peers.

pub mod peer;
pub mod secrets;
pub mod service;
