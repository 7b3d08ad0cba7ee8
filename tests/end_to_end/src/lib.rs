//! What the end-to-end tests need beside the stage: a service that asks by HTTP, Python peers, and what to look for in logs.

pub mod derived;
pub mod peer;
pub mod secrets;
pub mod service;
