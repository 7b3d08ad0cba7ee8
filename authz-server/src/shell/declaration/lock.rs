//! `[[lock]]`: what a lock is like, and the keys it is given.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{Undeclarable, wrong};
use crate::core::bytes::{Blob, Sealed};
use crate::core::names::{DoorName, GroupName, LockName};
use crate::core::records::{Abilities, ClockMode, Lock, MacKey};
use crate::core::scope::{self, AifEntry, Scope, ScopeMap};
use crate::core::time::Seconds;
use crate::keys::Keys;
use zeroize::Zeroizing;

/// A lock. Its token key is made here and handed out once, by `lock enroll`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredLock {
    pub(super) name: LockName,
    door: Option<DoorName>,
    address: Option<String>,
    clock: Option<ClockMode>,
    groups: Option<BTreeSet<GroupName>>,
    scopes: Option<ScopeMap>,
    lifetime: Option<Seconds>,
    /// Whether its tokens are signed inside; it then needs the server's public keys.
    signed: Option<bool>,
    /// What a request without a scope asks for.
    default_scope: Option<Scope>,
    /// Which tokens and keys it can work with.
    tokens: Option<Abilities>,
}

impl DeclaredLock {
    pub(super) fn record(self, old: Option<&Lock>, keys: &Keys) -> Result<Lock, Undeclarable> {
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
        lock.default_scope = self.default_scope.unwrap_or(lock.default_scope);
        if !lock.default_scope.iter().all(|word| lock.scopes.contains_key(word)) {
            return Err(wrong("lock", &self.name, "default_scope: words of the lock's scopes"));
        }
        if let Some(tokens) = self.tokens {
            if tokens.profiles.is_empty() || tokens.pop_keys.is_empty() || tokens.algs.is_empty() {
                return Err(wrong("lock", &self.name, "tokens: profiles, pop_keys and algs have one or more each"));
            }
            lock.abilities = tokens;
        }
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
        mac: None,
        signed: false,
        credential: None,
        address: String::new(),
        scopes: default_scopes(),
        default_scope: Scope::default(),
        abilities: Abilities::default(),
        lifetime: Seconds(DEFAULT_LIFETIME),
    };
    rekey(&mut lock, keys)?;
    lock.token_kid = Blob::default();
    Ok(lock)
}

/// New keys and kids for a lock; the keys themselves, for the lock's file.
///
/// # Errors
/// No randomness.
pub fn rekey(lock: &mut Lock, keys: &Keys) -> Result<LockKeys, Undeclarable> {
    let mut made = LockKeys { token: Zeroizing::new([0; 16]), mac: Zeroizing::new([0; 32]) };
    let (mut kid, mut mac_kid) = ([0_u8; 8], [0_u8; 8]);
    for out in [&mut made.token[..], &mut made.mac[..], &mut kid, &mut mac_kid] {
        getrandom::fill(out).map_err(|_| crate::keys::KeyError::Random)?;
    }
    lock.token_key = Sealed(Blob(keys.storage.seal(&lock.key_label(), made.token.as_ref())?));
    lock.token_kid = Blob(kid.to_vec());
    lock.token_key_wear = 0;
    let key = Sealed(Blob(keys.storage.seal(&lock.mac_label(), made.mac.as_ref())?));
    lock.mac = Some(MacKey { kid: Blob(mac_kid.to_vec()), key });
    Ok(made)
}

/// A lock's keys in the clear, on their way into its file.
pub struct LockKeys {
    /// Decrypts its tokens.
    pub token: Zeroizing<[u8; 16]>,
    /// Checks its MACed tokens.
    pub mac: Zeroizing<[u8; 32]>,
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

const DEFAULT_LIFETIME: u32 = 8 * 3600;
const MAX_LIFETIME: u32 = 30 * 86_400;
