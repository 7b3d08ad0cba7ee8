//! The rules of the house, as tests.

mod conformance;
mod dependencies;
mod files;
mod refusals;
mod secrets;
mod threats;
