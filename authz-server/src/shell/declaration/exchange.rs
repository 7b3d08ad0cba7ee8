//! `[[exchange]]`: which services may act for which people at which locks (RFC 8693).

use serde::Deserialize;

use super::{Instant, Undeclarable, wrong};
use crate::core::exchange::{Exchange, PeopleGroup, Whose};
use crate::core::names::{Audience, ClientId, LockName, PersonId};
use crate::core::records::{Client, GrantKind};
use crate::core::scope::Scope;

/// A row.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredExchange {
    service: ClientId,
    /// One person; or `group`.
    who: Option<PersonId>,
    /// Whoever a provider lists in this group; or `who`.
    group: Option<String>,
    /// That provider's issuer; left out, it is the only one's.
    issuer: Option<String>,
    /// A lock, or a group of locks.
    audience: Audience,
    #[serde(default)]
    scope: Scope,
    from: Option<Instant>,
    until: Option<Instant>,
}

/// Whether a client can be the service of a row.
pub(super) fn may(client: &Client) -> bool {
    client.grants.contains(&GrantKind::TokenExchange)
}

impl DeclaredExchange {
    /// `may` knows of each client whether it can be a service, `is_lock` which locks there are; `issuers` are those of the providers.
    pub(super) fn record(
        self,
        may: impl Fn(&ClientId) -> Option<bool>,
        is_lock: impl Fn(&LockName) -> bool,
        issuers: &[String],
    ) -> Result<Exchange, Undeclarable> {
        let refuse = |problem| Err(wrong("exchange", &self.service, problem));
        let whose = match (self.who, self.group) {
            (Some(_), None) if self.issuer.is_some() => return refuse("issuer goes with group; who has its own"),
            (Some(id), None) => Whose::Person(id),
            (None, Some(name)) if name.is_empty() || name.len() > 256 || name.chars().any(char::is_control) => {
                return refuse("a group has 1 to 256 characters, none of them a control character");
            }
            (None, Some(name)) => match (self.issuer, issuers) {
                // A provider that is added later must not bring people into this row.
                (None, [only]) => Whose::Group(PeopleGroup { issuer: only.clone(), name }),
                (None, _) => return refuse("name the issuer of the group: there are several providers, or none"),
                (Some(issuer), _) if !issuers.contains(&issuer) => {
                    return refuse("issuer is that of none of the providers, spelt as in their configuration");
                }
                (Some(issuer), _) => Whose::Group(PeopleGroup { issuer, name }),
            },
            _ => return refuse("give one of who and group"),
        };
        match may(&self.service) {
            Some(true) => {}
            Some(false) => return refuse("the client has no token_exchange among its grants"),
            None => return refuse("there is no client of this name"),
        }
        match &self.audience {
            Audience::Lock(name) if is_lock(name) => {}
            Audience::Lock(_) => return refuse("there is no lock of the name it gives"),
            Audience::Group(_) => {}
            Audience::Service(_) | Audience::Api(_) => return refuse("the audience is a lock or a group of locks"),
        }
        let (from, until) = (self.from.map(|from| from.0), self.until.map(|until| until.0));
        if from.zip(until).is_some_and(|(from, until)| from >= until) {
            return refuse("it ends before it begins");
        }
        Ok(Exchange { service: self.service, whose, audience: self.audience, scope: self.scope, from, until })
    }
}
