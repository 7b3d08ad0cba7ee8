//! One audit entry per decision: what was asked, what was decided, the real reason. Never a secret; tokens by hash only.

use super::bytes::Hash32;
use super::names::{Audience, ClientId, GrantId, PersonId};
use super::refusal::Refusal;
use super::request::Face;
use super::scope::Scope;
use super::time::Timestamp;
use serde::Serialize;

/// What the audit log says about one decision at `/token`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// By which face.
    pub face: Face,
    /// Which grant type was used.
    pub grant_type: String,
    /// Who asked: authenticated if `outcome` is a grant, else only claimed.
    pub client: Option<ClientId>,
    /// For whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonId>,
    /// For what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<Audience>,
    /// Under which grant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantId>,
    /// The token that was exchanged, by its hash (RFC 8693): then `client` acts for `person`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_token: Option<Hash32>,
    /// The row that let it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<String>,
    /// The policies that decided, by their ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// A token.
    Granted {
        /// Its RFC 9770 hash, without the leading 0x01.
        token: Hash32,
        /// What it says.
        scope: Scope,
        /// When it begins, if that is still to come.
        #[serde(skip_serializing_if = "Option::is_none")]
        begins: Option<Timestamp>,
        /// When it ends everywhere.
        expires: Timestamp,
    },
    /// None.
    Refused {
        /// The OAuth error sent.
        error: &'static str,
        /// The real reason.
        reason: String,
    },
}

impl Outcome {
    /// The outcome of a refusal.
    #[must_use]
    pub fn refused(refusal: &Refusal) -> Self {
        Self::Refused { error: refusal.error().name, reason: refusal.to_string() }
    }
}
