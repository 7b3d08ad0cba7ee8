//! Token exchange (RFC 8693): a service acts for a person at a lock.
//!
//! Three things have to come together: the service shows who it is; an administrator declared a row that names it, the person (or
//! a group of theirs) and the lock; and the service holds a token that the person's app asked for *for this service*. A token for
//! anybody else, a lock or the people API is no subject token, so whoever comes by one gains nothing here. The service cannot
//! prove the app's key, and need not: it proves a key of its own, to which the new token is bound.

use super::api_token;
use super::bytes::{Hash32, Hidden};
use super::change::Rev;
use super::facts::Facts;
use super::names::{Audience, ClientId, PersonId};
use super::records::{Client, Grant, Lock, Person, TokenRecord};
use super::refusal::{ExchangeFault, Refusal};
use super::scope::Scope;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A row: this service may act for these people at these locks. Without one nothing is exchanged; with one, policy and the
/// owner's consent are asked as for the person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// Who acts.
    pub service: ClientId,
    /// For whom.
    pub whose: Whose,
    /// Where: a lock, or each lock of a group.
    pub audience: Audience,
    /// The most that it may do; empty means whatever the subject token has.
    #[serde(default)]
    pub scope: Scope,
    /// From when. None: at once.
    #[serde(default)]
    pub from: Option<Timestamp>,
    /// Until when. None: until it is declared otherwise.
    #[serde(default)]
    pub until: Option<Timestamp>,
}

/// The people of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// One person.
    Person(PersonId),
    /// Whoever a provider lists in this group at sign-in.
    Group(String),
}

impl Whose {
    /// The rows that can be about a person: their own first, then those of their groups.
    pub fn of(person: &Person) -> impl Iterator<Item = Self> {
        let groups = person.groups.iter().cloned().map(Self::Group);
        std::iter::once(Self::Person(person.id.clone())).chain(groups)
    }

    fn includes(&self, person: &Person) -> bool {
        match self {
            Self::Person(id) => *id == person.id,
            Self::Group(name) => person.groups.contains(name),
        }
    }
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(id) => id.fmt(f),
            Self::Group(name) => write!(f, "group {name}"),
        }
    }
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {} at {}", self.service, self.whose, self.audience)
    }
}

impl Exchange {
    /// Whether it is about this service and person and not over; it may be still to begin.
    #[must_use]
    pub fn concerns(&self, service: &ClientId, person: &Person, now: Timestamp) -> bool {
        self.service == *service && self.whose.includes(person) && self.until.is_none_or(|until| until > now)
    }
}

/// The row that counts at a lock, alone: the first of `rows`, a lock's own before those of its groups. They come as [`Whose::of`]
/// has them.
#[must_use]
pub fn row<'f>(
    rows: &'f [(Exchange, Rev)],
    service: &ClientId,
    person: &Person,
    lock: &Lock,
    now: Timestamp,
) -> Option<&'f (Exchange, Rev)> {
    let concerns = |(row, _): &&(Exchange, Rev)| row.concerns(service, person, now) && lock.is_in(&row.audience);
    let first = rows.iter().find(concerns)?;
    let own = |found: &&(Exchange, Rev)| found.0.audience == lock.audience() && found.0.whose == first.0.whose;
    Some(rows.iter().filter(concerns).find(own).unwrap_or(first))
}

/// A subject token that is good, with what it is good for.
#[derive(Clone, Debug)]
pub struct Subject<'f> {
    /// Its record.
    pub token: &'f (TokenRecord, Rev),
    /// The grant it came from.
    pub grant: &'f (Grant, Rev),
    /// The app that asked for it.
    pub app: &'f Client,
    /// What it says.
    pub scope: Scope,
}

/// Checks a subject token (RFC 8693 §2.1). Every token has a record under the hash of its bytes: who finds the record holds
/// what we issued, bit for bit.
///
/// # Errors
/// It is none that this service can exchange.
pub fn subject<'f>(
    token: &Hidden,
    service: &Client,
    facts: &'f Facts,
    now: Timestamp,
) -> Result<Subject<'f>, ExchangeFault> {
    let hash = Hash32::of(&[token.expose()]);
    let known = facts.subject.as_ref().filter(|(record, _)| record.hash == hash).ok_or(ExchangeFault::Unknown)?;
    let record = &known.0;
    if record.audience != Audience::Service(service.id.clone()) {
        return Err(ExchangeFault::OtherAudience);
    }
    if record.expires <= now {
        return Err(ExchangeFault::Expired);
    }
    let grant = facts.grant.as_ref().filter(|(grant, _)| Some(grant.id) == record.grant);
    let grant = grant.filter(|(grant, _)| grant.revoked.is_none() && grant.ends > now);
    let app = facts.app.as_ref().filter(|app| grant.is_some_and(|(grant, _)| grant.client == app.id));
    let (Some(grant), Some(app), None) = (grant, app, record.revoked) else { return Err(ExchangeFault::Revoked) };
    let scope = api_token::scope(token).ok_or(ExchangeFault::Unknown)?;
    Ok(Subject { token: known, grant, app, scope })
}

/// Parameters of an exchange beside the subject token, as they came: all have one answer (RFC 8693 §2.1).
#[derive(Clone, Copy, Debug, Default)]
pub struct Named<'p> {
    /// `subject_token_type`.
    pub subject_token_type: Option<&'p str>,
    /// `requested_token_type`.
    pub requested_token_type: Option<&'p str>,
    /// Whether an `actor_token` came.
    pub actor_token: bool,
    /// Whether an `actor_token_type` came.
    pub actor_token_type: bool,
    /// Whether a `resource` came.
    pub resource: bool,
}

impl Named<'_> {
    /// Checks them.
    ///
    /// # Errors
    /// They ask for what is not to be had.
    pub fn check(&self) -> Result<(), Refusal> {
        let kind = self.subject_token_type.ok_or(Refusal::Malformed("subject_token_type is missing"))?;
        if ![ACCESS_TOKEN, JWT].contains(&kind) {
            return Err(ExchangeFault::SubjectTokenType.into());
        }
        if self.requested_token_type.is_some_and(|kind| kind != ACCESS_TOKEN) {
            return Err(ExchangeFault::RequestedTokenType.into());
        }
        match (self.actor_token, self.actor_token_type) {
            (true, _) => Err(ExchangeFault::ActorToken.into()),
            (false, true) => Err(Refusal::Malformed("actor_token_type without actor_token")),
            (false, false) if self.resource => Err(ExchangeFault::Resource.into()),
            (false, false) => Ok(()),
        }
    }
}

/// The grant type.
pub const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// What is exchanged, and what comes of it (RFC 8693 §3).
pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// A subject token is also this.
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
