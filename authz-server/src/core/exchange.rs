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
use super::names::{Audience, ClientId, PersonId, ScopeName};
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
    /// Until when. None: until it is declared otherwise. A row that is over stays, and says no, until it is deleted.
    #[serde(default)]
    pub until: Option<Timestamp>,
}

/// The people of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// One person.
    Person(PersonId),
    /// Whoever a provider lists in a group at sign-in.
    Group(PeopleGroup),
}

/// A group of one provider. Another may have others in one of the same name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PeopleGroup {
    /// Which provider, by its issuer.
    pub issuer: String,
    /// What it calls the group.
    pub name: String,
}

impl Whose {
    /// The rows that can be about a person: their own first, then those of their groups.
    pub fn of(person: &Person) -> impl Iterator<Item = Self> {
        let listed = |name: &String| PeopleGroup { issuer: person.id.issuer().to_owned(), name: name.clone() };
        std::iter::once(Self::Person(person.id.clone())).chain(person.groups.iter().map(listed).map(Self::Group))
    }

    fn includes(&self, person: &Person) -> bool {
        match self {
            Self::Person(id) => *id == person.id,
            Self::Group(PeopleGroup { issuer, name }) => issuer == person.id.issuer() && person.groups.contains(name),
        }
    }
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(id) => id.fmt(f),
            Self::Group(PeopleGroup { issuer, name }) => write!(f, "group {name} of {issuer}"),
        }
    }
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {} at {}", self.service, self.whose, self.audience)
    }
}

impl Exchange {
    /// Its name, for administrators.
    #[must_use]
    pub fn id(&self) -> Hash32 {
        let (kind, issuer, name) = match &self.whose {
            Whose::Person(id) => ("person", id.issuer(), id.subject()),
            Whose::Group(PeopleGroup { issuer, name }) => ("group", &**issuer, &**name),
        };
        let audience = self.audience.to_string();
        let parts = [self.service.as_str(), kind, issuer, name, &audience];
        Hash32::of(
            &parts.map(|part| [&part.len().to_be_bytes(), part.as_bytes()].concat()).each_ref().map(Vec::as_slice),
        )
    }

    fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

/// What the rows that count let a service do: what each of them does.
#[derive(Clone, Debug)]
pub struct Standing<'f> {
    /// They; never none, and none is over.
    pub rows: Vec<&'f (Exchange, Rev)>,
}

impl<'f> Standing<'f> {
    /// Of the rows about a lock. The person's own come before those of their groups, and among these the lock's own before those of its
    /// groups; all that are equally near count, so that the order in which a provider lists groups is nothing to it. One of them that is
    /// over says no: what ended gives way to nothing wider.
    ///
    /// # Errors
    /// There is none, or one is over.
    pub fn at(
        rows: &'f [(Exchange, Rev)],
        service: &ClientId,
        person: &Person,
        lock: &Lock,
        now: Timestamp,
    ) -> Result<Self, ExchangeFault> {
        Self::of(rows, service, person, now, |row| match () {
            () if row.audience == lock.audience() => Some(0),
            () if lock.is_in(&row.audience) => Some(1),
            () => None,
        })
    }

    /// Whether the service may act for this person anywhere, as far as the rows alone tell.
    #[must_use]
    pub fn anywhere(rows: &'f [(Exchange, Rev)], service: &ClientId, person: &Person, now: Timestamp) -> bool {
        rows.iter().any(|(row, _)| {
            let there = |other: &Exchange| (other.audience == row.audience).then_some(0);
            Self::of(rows, service, person, now, there).is_ok()
        })
    }

    fn of(
        rows: &'f [(Exchange, Rev)],
        service: &ClientId,
        person: &Person,
        now: Timestamp,
        distance: impl Fn(&Exchange) -> Option<u8>,
    ) -> Result<Self, ExchangeFault> {
        let distance = |row: &Exchange| {
            let about = row.service == *service && row.whose.includes(person);
            let of_group = matches!(row.whose, Whose::Group(_));
            distance(row).filter(|_| about).map(|distance| (of_group, distance))
        };
        let nearest = rows.iter().filter_map(|(row, _)| distance(row)).min().ok_or(ExchangeFault::NoRow)?;
        let rows: Vec<_> = rows.iter().filter(|(row, _)| distance(row) == Some(nearest)).collect();
        match rows.iter().any(|(row, _)| row.is_over(now)) {
            true => Err(ExchangeFault::RowOver),
            false => Ok(Self { rows }),
        }
    }

    fn each(&self) -> impl Iterator<Item = &'f Exchange> {
        self.rows.iter().map(|(row, _)| row)
    }

    /// Whether it may do this.
    #[must_use]
    pub fn covers(&self, word: &ScopeName) -> bool {
        self.each().all(|row| row.scope.is_empty() || row.scope.contains(word))
    }

    /// From when.
    #[must_use]
    pub fn from(&self) -> Option<Timestamp> {
        self.each().filter_map(|row| row.from).max()
    }

    /// Until when.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        self.each().filter_map(|row| row.until).min()
    }
}

impl fmt::Display for Standing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.each().enumerate().try_for_each(|(place, row)| match place {
            0 => row.fmt(f),
            _ => write!(f, "; {row}"),
        })
    }
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
