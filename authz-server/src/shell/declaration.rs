//! What an administrator declares (`latchwork apply -f FILE`) and how it differs from what is there. Pure: records in, changes out.
//!
//! A declaration names what shall exist; what it does not name stays. Secrets go in and never come out: an unchanged one is
//! recognized, a left-out one is kept.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::core::change::{Change, Rev};
use crate::core::exchange::{Exchange, Whose};
use crate::core::names::{Audience, ClientId, DoorName, LockName, PersonId};
use crate::core::records::{AdvanceConsent, Client, Door, Lock, OscoreClient};
use crate::core::scope::Scope;
use crate::core::time::Timestamp;
use crate::keys::Keys;

mod client;
mod exchange;
mod lock;
mod online;
mod oscore;

pub use client::{DeclaredClient, Kind};
pub use exchange::DeclaredExchange;
pub use lock::{DeclaredLock, fresh_lock, is_address, rekey};
pub use online::{Online, online, own_client, without};
pub use oscore::DeclaredOscore;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    /// `[[client]]`
    #[serde(default)]
    pub client: Vec<DeclaredClient>,
    /// `[[oscore]]`
    #[serde(default)]
    pub oscore: Vec<DeclaredOscore>,
    /// `[[lock]]`
    #[serde(default)]
    pub lock: Vec<DeclaredLock>,
    /// `[[door]]`
    #[serde(default)]
    pub door: Vec<DeclaredDoor>,
    /// `[[consent]]`
    #[serde(default)]
    pub consent: Vec<DeclaredConsent>,
    /// `[[exchange]]`
    #[serde(default)]
    pub exchange: Vec<DeclaredExchange>,
}

/// A door.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredDoor {
    name: DoorName,
    title: Option<String>,
    lock: LockName,
    #[serde(default)]
    owners: Vec<PersonId>,
    zone: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

/// An owner's consent in advance.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredConsent {
    door: DoorName,
    owner: PersonId,
    who: PersonId,
    #[serde(default)]
    scope: Scope,
    from: Option<Instant>,
    until: Instant,
}

/// Seconds since 1970, or RFC 3339 text in UTC.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "Written")]
pub struct Instant(pub Timestamp);

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Seconds(i64),
    Text(String),
}

impl TryFrom<Written> for Instant {
    type Error = &'static str;
    fn try_from(written: Written) -> Result<Self, Self::Error> {
        match written {
            Written::Seconds(seconds) => Ok(Self(Timestamp(seconds))),
            Written::Text(text) => rfc3339(&text).map(Self).ok_or("not a time in UTC such as 2027-01-31T18:00:00Z"),
        }
    }
}

/// What is there already, by the names in the declaration, with the revisions that the changes must find again: whoever
/// rotates a lock's key meanwhile must not get the old one back.
#[derive(Debug, Default)]
pub struct Existing {
    /// Clients.
    pub clients: BTreeMap<ClientId, (Client, Rev)>,
    /// OSCORE contexts.
    pub oscore: BTreeMap<ClientId, (OscoreClient, Rev)>,
    /// Locks.
    pub locks: BTreeMap<LockName, (Lock, Rev)>,
    /// Doors.
    pub doors: BTreeMap<DoorName, (Door, Rev)>,
    /// Consents.
    pub consents: BTreeMap<(DoorName, PersonId), (AdvanceConsent, Rev)>,
    /// The issuers of the providers.
    pub issuers: Vec<String>,
    /// What services may exchange.
    pub exchanges: BTreeMap<(ClientId, Whose, Audience), (Exchange, Rev)>,
}

/// One line of the difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// `client`, `lock`, …
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What happens to it.
    pub action: Action,
    /// Which fields change; secrets by name only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
}

/// What happens to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is new.
    Create,
    /// It changes.
    Update,
    /// It is as declared.
    Keep,
    /// It goes.
    Delete,
}

/// Why a declaration cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum Undeclarable {
    /// Something in it is wrong.
    #[error("{kind} {name}: {problem}")]
    Wrong {
        /// `client`, `lock`, …
        kind: &'static str,
        /// Its name.
        name: String,
        /// What is wrong, and what would be right.
        problem: &'static str,
    },
    /// Our own trouble with keys.
    #[error(transparent)]
    Keys(#[from] crate::keys::KeyError),
}

impl Declaration {
    /// What has to be written, and how to say so.
    ///
    /// # Errors
    /// The first thing in the declaration that is wrong.
    pub fn compare(self, existing: &Existing, keys: &Keys) -> Result<(Vec<Change>, Vec<Difference>), Undeclarable> {
        let mut plan = Plan::default();
        let declared_doors: BTreeSet<DoorName> = self.door.iter().map(|door| door.name.clone()).collect();
        let declared_locks: BTreeSet<LockName> = self.lock.iter().map(|lock| lock.name.clone()).collect();
        let with_context: BTreeSet<ClientId> =
            self.oscore.iter().map(|context| context.client.clone()).chain(existing.oscore.keys().cloned()).collect();
        let declared_clients: BTreeSet<ClientId> = self.client.iter().map(|client| client.id.clone()).collect();
        let mut services: BTreeMap<ClientId, bool> =
            existing.clients.iter().map(|(id, (client, _))| (id.clone(), exchange::may(client))).collect();
        for client in self.client {
            let old = existing.clients.get(&client.id);
            let new = client.record(old.map(|(old, _)| old), &with_context, keys)?;
            let known = |lock: &LockName| declared_locks.contains(lock) || existing.locks.contains_key(lock);
            if !new.kind.locks().into_iter().flatten().all(known) {
                return Err(wrong("client", &new.id, "there is no lock of a name it gives"));
            }
            services.insert(new.id.clone(), exchange::may(&new));
            plan.add("client", new.id.to_string(), old, new)?;
        }
        let mut names = oscore::Names::new(&existing.oscore);
        for context in self.oscore {
            if !declared_clients.contains(&context.client) && !existing.clients.contains_key(&context.client) {
                return Err(wrong("oscore", &context.client, "there is no client of this name"));
            }
            let old = existing.oscore.get(&context.client);
            let new = context.record(old.map(|(old, _)| old), keys)?;
            names.declare(&new);
            plan.add("oscore", new.client.to_string(), old, new)?;
        }
        names.have_their_own_secrets(keys)?;
        plan.changes.extend(names.changes()?);
        for lock in self.lock {
            let old = existing.locks.get(&lock.name);
            let new = lock.record(old.map(|(old, _)| old), keys)?;
            plan.add("lock", new.name.to_string(), old, new)?;
        }
        for door in self.door {
            if !declared_locks.contains(&door.lock) && !existing.locks.contains_key(&door.lock) {
                return Err(wrong("door", &door.name, "there is no lock of the name it gives"));
            }
            let old = existing.doors.get(&door.name);
            let new = Door {
                title: door.title.or(old.map(|(old, _)| old.title.clone())).unwrap_or_else(|| door.name.to_string()),
                name: door.name,
                lock: door.lock,
                owners: door.owners,
                zone: door.zone,
                attributes: door.attributes,
            };
            plan.add("door", new.name.to_string(), old, new)?;
        }
        for consent in self.consent {
            if !declared_doors.contains(&consent.door) && !existing.doors.contains_key(&consent.door) {
                return Err(wrong("consent", &consent.door, "there is no door of this name"));
            }
            let old = existing.consents.get(&(consent.door.clone(), consent.who.clone()));
            let from = consent.from.map(|from| from.0);
            if from.is_some_and(|from| from >= consent.until.0) {
                return Err(wrong("consent", &consent.door, "it ends before it begins"));
            }
            let new = AdvanceConsent {
                door: consent.door,
                owner: consent.owner,
                who: consent.who,
                scope: consent.scope,
                from,
                until: consent.until.0,
            };
            plan.add("consent", format!("{} for {}", new.door, new.who), old, new)?;
        }
        for row in self.exchange {
            let new = row.record(
                |service| services.get(service).copied(),
                |lock| declared_locks.contains(lock) || existing.locks.contains_key(lock),
                &existing.issuers,
            )?;
            let old = existing.exchanges.get(&(new.service.clone(), new.whose.clone(), new.audience.clone()));
            plan.add("exchange", new.to_string(), old, new)?;
        }
        Ok((plan.changes, plan.differences))
    }
}

#[derive(Default)]
struct Plan {
    changes: Vec<Change>,
    differences: Vec<Difference>,
}

impl Plan {
    fn add<T>(&mut self, kind: &'static str, name: String, old: Option<&(T, Rev)>, new: T) -> Result<(), Undeclarable>
    where
        T: Clone + PartialEq + Serialize + Into<crate::core::change::Record>,
    {
        if self.differences.iter().any(|other| other.kind == kind && other.name == name) {
            return Err(wrong(kind, &name, "declared twice"));
        }
        let (action, fields) = match old {
            None => (Action::Create, Vec::new()),
            Some((old, _)) if *old == new => (Action::Keep, Vec::new()),
            Some((old, _)) => (Action::Update, differing(old, &new)),
        };
        self.differences.push(Difference { kind: kind.to_owned(), name, action, fields });
        if action != Action::Keep {
            self.changes.push(match old {
                Some((_, rev)) => Change::replace(new, *rev),
                None => Change::create(new),
            });
        }
        Ok(())
    }
}

/// The names of the fields in which two records differ.
fn differing<T: Serialize>(old: &T, new: &T) -> Vec<String> {
    let fields = |it: &T| match serde_json::to_value(it) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (old, new) = (fields(old), fields(new));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    names.into_iter().filter(|name| old.get(*name) != new.get(*name)).cloned().collect()
}

fn wrong(kind: &'static str, name: &impl ToString, problem: &'static str) -> Undeclarable {
    Undeclarable::Wrong { kind, name: name.to_string(), problem }
}

/// `YYYY-MM-DDTHH:MM:SSZ`, nothing else.
fn rfc3339(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let fixed = bytes.len() == 20
        && [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'Z')]
            .iter()
            .all(|(at, c)| bytes.get(*at) == Some(c));
    if !fixed {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u32>().ok().map(i64::from);
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=last).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = y.div_euclid(400);
    let of_era = y.rem_euclid(400);
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * m + 2) / 5 + day - 1 - 719_468;
    Some(Timestamp(days * 86_400 + hour * 3_600 + minute * 60 + second))
}
