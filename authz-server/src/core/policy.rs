//! What a policy is asked and what it answers. Cedar is behind it (`cedar`); nothing above knows.

use super::names::ScopeName;
use super::records::{Client, Door, Person};
use super::time::Timestamp;

/// Decides who may do what at which door. Deny is the default.
pub trait Policy: Send + Sync {
    /// One verdict for each scope word, in their order.
    fn decide(&self, asked: &Asked<'_>, words: &[&ScopeName]) -> Result<Vec<Verdict>, PolicyFailed>;
}

/// Who wants to use which door, and how things stand.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'q> {
    /// Who.
    pub who: Who<'q>,
    /// Which door.
    pub door: &'q Door,
    /// Whether an owner's consent stands.
    pub owner_consent: bool,
    /// When.
    pub now: Timestamp,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub enum Who<'q> {
    /// Somebody, by an app.
    Person {
        /// Who.
        person: &'q Person,
        /// The app.
        app: &'q Client,
    },
    /// A machine for itself.
    Machine(&'q Client),
}

/// The answer for one scope word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Granted or not.
    pub allowed: bool,
    /// The policies that decided; none when nothing permitted.
    pub by: Vec<String>,
}

/// The policy could not be evaluated; nothing is granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("policy failed: {0}")]
pub struct PolicyFailed(pub String);
