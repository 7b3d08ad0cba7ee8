//! What an administrator declares (`latchwork apply -f FILE`) and how it differs from what is there. Pure: records in, changes out.
//!
//! A declaration names what shall exist; what it does not name stays. Secrets go in and never come out: an unchanged one is
//! recognized, a left-out one is kept.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::core::bytes::{Blob, Sealed};
use crate::core::change::{Change, Rev};
use crate::core::names::{ClientId, DoorName, GroupName, LockName, PersonId};
use crate::core::records::{
    AdvanceConsent, Client, ClientAuth, ClientKey, ClientKind, ClockMode, Door, GrantKind, Lock, OscoreClient,
};
use crate::core::redirect;
use crate::core::scope::{self, AifEntry, Scope, ScopeMap};
use crate::core::secret;
use crate::core::time::{Seconds, Timestamp};
use crate::keys::Keys;

mod oscore;

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
}

/// A client.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredClient {
    id: ClientId,
    title: Option<String>,
    kind: Kind,
    #[serde(default)]
    redirect_uris: Vec<String>,
    /// Left out: all that this kind of client can use.
    grants: Option<BTreeSet<GrantKind>>,
    #[serde(default)]
    ceiling: Scope,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    secret: Option<String>,
    #[serde(default)]
    keys: Vec<ClientKey>,
    #[serde(default)]
    oscore: bool,
}

impl std::fmt::Debug for DeclaredClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "client {}", self.id)
    }
}

/// Native or confidential (RFC 6749 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An app on a person's device.
    Native,
    /// A service that authenticates.
    Confidential,
}

/// A lock. Its token key is made here and handed out once, by `lock enroll`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredLock {
    name: LockName,
    door: Option<DoorName>,
    address: Option<String>,
    clock: Option<ClockMode>,
    groups: Option<BTreeSet<GroupName>>,
    scopes: Option<ScopeMap>,
    lifetime: Option<Seconds>,
    /// Whether its tokens are signed inside; it then needs the server's public keys.
    signed: Option<bool>,
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
        for client in self.client {
            let old = existing.clients.get(&client.id);
            let new = client.record(old.map(|(old, _)| old), &with_context, keys)?;
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
            let new = AdvanceConsent {
                door: consent.door,
                owner: consent.owner,
                who: consent.who,
                scope: consent.scope,
                until: consent.until.0,
            };
            plan.add("consent", format!("{} for {}", new.door, new.who), old, new)?;
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

impl DeclaredClient {
    fn record(
        self,
        old: Option<&Client>,
        with_context: &BTreeSet<ClientId>,
        keys: &Keys,
    ) -> Result<Client, Undeclarable> {
        let refuse = |problem| wrong("client", &self.id, problem);
        let ways = usize::from(self.secret.is_some()) + usize::from(!self.keys.is_empty()) + usize::from(self.oscore);
        if ways > 1 {
            return Err(refuse("give one of secret, keys and oscore, not several"));
        }
        let auth = match (self.kind, &self.secret, self.oscore) {
            (Kind::Native, None, false) if self.keys.is_empty() => ClientAuth::None,
            (Kind::Native, ..) => {
                return Err(refuse("a native app keeps no secret; its installation key speaks for it"));
            }
            (Kind::Confidential, Some(text), _) if text.len() < MIN_SECRET => {
                return Err(refuse("a secret needs at least 32 characters; make one at random"));
            }
            (Kind::Confidential, Some(text), _) => {
                ClientAuth::SecretHash(secret::keyed_hash(&keys.secrets, &self.id, text.as_bytes()))
            }
            (Kind::Confidential, None, true) if with_context.contains(&self.id) => ClientAuth::Oscore,
            (Kind::Confidential, None, true) => {
                return Err(refuse("oscore = true needs an [[oscore]] with this client"));
            }
            (Kind::Confidential, None, false) if !self.keys.is_empty() => ClientAuth::PrivateKeyJwt(self.keys.clone()),
            (Kind::Confidential, None, false) => match old.map(|old| old.auth.clone()) {
                Some(kept) if kept != ClientAuth::None => kept,
                _ => return Err(refuse("a confidential client needs a secret, keys or oscore = true")),
            },
        };
        for uri in &self.redirect_uris {
            if redirect::kind(uri).is_none() {
                return Err(refuse(
                    "a redirect URI is http://127.0.0.1/…, http://[::1]/…, https://…, or a private scheme with a dot; no fragment",
                ));
            }
        }
        let grants = self.grants.unwrap_or_else(|| match (self.kind, self.redirect_uris.is_empty()) {
            (Kind::Native, _) | (Kind::Confidential, false) => {
                [GrantKind::AuthorizationCode, GrantKind::RefreshToken].into()
            }
            (Kind::Confidential, true) => [GrantKind::ClientCredentials].into(),
        });
        if self.kind == Kind::Native && grants.contains(&GrantKind::ClientCredentials) {
            return Err(wrong(
                "client",
                &self.id,
                "a native app has no client_credentials: it cannot prove to be itself",
            ));
        }
        Ok(Client {
            title: self.title.or(old.map(|old| old.title.clone())).unwrap_or_else(|| self.id.to_string()),
            id: self.id,
            kind: match self.kind {
                Kind::Native => ClientKind::Native { redirect_uris: self.redirect_uris },
                Kind::Confidential => ClientKind::Confidential { redirect_uris: self.redirect_uris },
            },
            auth,
            grants,
            ceiling: self.ceiling,
            attributes: self.attributes,
        })
    }
}

impl DeclaredLock {
    fn record(self, old: Option<&Lock>, keys: &Keys) -> Result<Lock, Undeclarable> {
        let mut lock = match old {
            Some(old) => old.clone(),
            None => fresh_lock(self.name.clone(), keys)?,
        };
        if let Some(door) = self.door {
            lock.door = door;
        }
        if let Some(address) = self.address {
            if !is_address(&address) {
                return Err(wrong("lock", &self.name, "address is HOST:PORT"));
            }
            lock.address = address;
        }
        if let Some(clock) = self.clock {
            lock.clock = clock;
        }
        if let Some(groups) = self.groups {
            lock.groups = groups;
        }
        if let Some(scopes) = self.scopes {
            // A session keeps all of a token's rights; somebody may ask for every word at once.
            let fits = scope::encode(&scope::union(&scopes, scopes.keys())).is_some();
            let mean = |entries: &Vec<AifEntry>| {
                !entries.is_empty()
                    && entries.iter().all(|AifEntry(path, methods)| path.starts_with('/') && *methods != 0)
            };
            if scopes.len() > 16 || !fits || !scopes.values().all(mean) {
                return Err(wrong(
                    "lock",
                    &self.name,
                    "scopes: 1 to 16 words of entries [\"/path\", methods]; of them all together at most 8 paths and 96 bytes",
                ));
            }
            lock.scopes = scopes;
        }
        if let Some(lifetime) = self.lifetime {
            if !(1..=MAX_LIFETIME).contains(&lifetime.0) {
                return Err(wrong("lock", &self.name, "lifetime is 1 to 2592000 seconds"));
            }
            lock.lifetime = lifetime;
        }
        lock.signed = self.signed.unwrap_or(lock.signed);
        Ok(lock)
    }
}

/// A lock with DESIGN's defaults and a token key that nobody has yet: an empty kid says that it was never enrolled.
///
/// # Errors
/// No randomness.
pub fn fresh_lock(name: LockName, keys: &Keys) -> Result<Lock, Undeclarable> {
    let door = name.as_str().parse().map_err(|_| wrong("lock", &name, "no door can have this name"))?;
    let mut lock = Lock {
        name,
        door,
        groups: BTreeSet::new(),
        clock: ClockMode::Clock,
        token_kid: Blob::default(),
        token_key: Sealed(Blob::default()),
        token_key_wear: 0,
        signed: false,
        credential: None,
        address: String::new(),
        scopes: default_scopes(),
        lifetime: Seconds(DEFAULT_LIFETIME),
    };
    rekey(&mut lock, keys)?;
    lock.token_kid = Blob::default();
    Ok(lock)
}

/// A new token key and kid for a lock; the key itself, for the lock's file.
///
/// # Errors
/// No randomness.
pub fn rekey(lock: &mut Lock, keys: &Keys) -> Result<zeroize::Zeroizing<[u8; 16]>, Undeclarable> {
    let mut key = zeroize::Zeroizing::new([0_u8; 16]);
    let mut kid = [0_u8; 8];
    getrandom::fill(key.as_mut()).map_err(|_| crate::keys::KeyError::Random)?;
    getrandom::fill(&mut kid).map_err(|_| crate::keys::KeyError::Random)?;
    lock.token_key = Sealed(Blob(keys.storage.seal(&lock.key_label(), key.as_ref())?));
    lock.token_kid = Blob(kid.to_vec());
    lock.token_key_wear = 0;
    Ok(key)
}

/// `HOST:PORT`, as far as a text can tell.
#[must_use]
pub fn is_address(text: &str) -> bool {
    let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
    text.len() <= 255
        && port.is_some_and(|port| port.parse::<u16>().is_ok())
        && !text.chars().any(|c| c.is_control() || c.is_whitespace())
}

/// `door:open` is POST on `/door`, `door:state` GET.
fn default_scopes() -> ScopeMap {
    [("door:open", 2), ("door:state", 1)]
        .into_iter()
        .filter_map(|(word, methods)| Some((word.parse().ok()?, vec![AifEntry("/door".to_owned(), methods)])))
        .collect()
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

/// Characters of a client secret: 32 of base64url are 192 bits.
const MIN_SECRET: usize = 32;
const DEFAULT_LIFETIME: u32 = 8 * 3600;
const MAX_LIFETIME: u32 = 30 * 86_400;
