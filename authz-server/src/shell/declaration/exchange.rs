//! `[[exchange]]`: which services may act for which people at which locks (RFC 8693).

use serde::Deserialize;

use super::{Instant, Undeclarable, wrong};
use crate::core::exchange::{Exchange, Whose};
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
    /// `may` knows of each client whether it can be a service, `is_lock` which locks there are.
    pub(super) fn record(
        self,
        may: impl Fn(&ClientId) -> Option<bool>,
        is_lock: impl Fn(&LockName) -> bool,
    ) -> Result<Exchange, Undeclarable> {
        let refuse = |problem| Err(wrong("exchange", &self.service, problem));
        let whose = match (self.who, self.group) {
            (Some(id), None) => Whose::Person(id),
            (None, Some(name)) if name.is_empty() || name.len() > 256 || name.chars().any(char::is_control) => {
                return refuse("a group has 1 to 256 characters, none of them a control character");
            }
            (None, Some(name)) => Whose::Group(name),
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
