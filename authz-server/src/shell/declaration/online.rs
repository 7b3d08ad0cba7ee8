//! A lock that reaches this server: its own client, which asks about tokens and gets none, and the OSCORE context for it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Existing, Undeclarable, wrong};
use crate::core::bytes::{Blob, Sealed, hex};
use crate::core::change::{Change, Key, Record, Rev};
use crate::core::names::{Audience, ClientId, LockName};
use crate::core::records::{Client, ClientAuth, ClientKind, ConsentRequest, OscoreClient};
use crate::core::scope::Scope;
use crate::core::trl::Limits;
use crate::keys::{KeyError, Keys};

/// How a lock speaks to this server (RFC 8613), for its file. Ids and secret in hexadecimal, named as in `[[oscore]]`.
#[derive(Serialize, Deserialize)]
pub struct Online {
    /// Where it reaches the server by CoAP, `HOST:PORT`.
    server: String,
    client: ClientId,
    client_sender_id: String,
    server_sender_id: String,
    master_secret: zeroize::Zeroizing<String>,
    trl: ListConstants,
}

/// What a requester of the revocation list is told when it is registered (RFC 9770 §6.2, §6.2.1, §10).
#[derive(Serialize, Deserialize)]
struct ListConstants {
    /// How tokens are hashed.
    hash: String,
    max_n: u64,
    max_diff_batch: u64,
}

impl From<Limits> for ListConstants {
    fn from(limits: Limits) -> Self {
        Self { hash: "sha-256".to_owned(), max_n: limits.max_n(), max_diff_batch: limits.max_diff_batch() }
    }
}

/// The name of the client that a lock is: `lock:NAME`.
///
/// # Errors
/// The lock's name is longer than 59 characters.
pub fn own_client(lock: &LockName) -> Result<ClientId, Undeclarable> {
    format!("lock:{lock}").parse().map_err(|_| wrong("lock", lock, "a lock that is a client has a name of at most 59"))
}

/// Makes the lock's client, or gives it a new context; what it had before is void. `server` is where it reaches us.
///
/// # Errors
/// Another client has its name, or there is no randomness.
pub fn online(
    lock: &LockName,
    server: String,
    client: Option<&(Client, Rev)>,
    context: Option<&(OscoreClient, Rev)>,
    keys: &Keys,
    limits: Limits,
) -> Result<(Vec<Change>, Online), Undeclarable> {
    let id = own_client(lock)?;
    let record = Client {
        id: id.clone(),
        title: format!("Lock {lock}"),
        kind: ClientKind::ResourceServer { locks: BTreeSet::from([lock.clone()]) },
        auth: ClientAuth::Oscore,
        grants: BTreeSet::new(),
        pushed_only: false,
        origins: Default::default(),
        registered: None,
        ceiling: Scope::default(),
        profiles: BTreeSet::new(),
        attributes: BTreeMap::new(),
    };
    let mut changes = Vec::new();
    match client {
        None => changes.push(Change::create(record)),
        Some((known, _)) if known.kind == record.kind && known.auth == record.auth => {}
        Some(_) => return Err(wrong("client", &id, "a client of this name is there, and is not this lock")),
    }
    let mut kid = [0_u8; KID];
    let mut secret = zeroize::Zeroizing::new([0_u8; 16]);
    getrandom::fill(&mut kid).map_err(|_| KeyError::Random)?;
    getrandom::fill(secret.as_mut()).map_err(|_| KeyError::Random)?;
    let mut new = OscoreClient {
        client: id.clone(),
        client_id: Blob(SERVER.to_vec()),
        server_id: Blob(kid.to_vec()),
        id_context: None,
        master_secret: Sealed(Blob::default()),
        master_salt: None,
    };
    new.master_secret = Sealed(Blob(keys.storage.seal(&new.label(), secret.as_ref())?));
    changes.push(Change::create(new.name()));
    match context {
        None => changes.push(Change::create(new)),
        Some((old, rev)) => {
            changes.push(Change::delete(Record::from(old.name()).key()));
            changes.push(Change::replace(new, *rev));
        }
    }
    let file = Online {
        server,
        client: id,
        client_sender_id: hex(&kid),
        server_sender_id: hex(&SERVER),
        master_secret: hex(secret.as_ref()).into(),
        trl: limits.into(),
    };
    Ok((changes, file))
}

/// What goes with a lock at once: itself, its place at those that speak for it and those that then speak for none, the rows that name
/// it, and what the owners of a door that then has no lock said and were asked. Its sequence number stays, so that none comes twice.
///
/// Its tokens and its place in grants end with [`Target::Removed`](crate::core::revoke::Target::Removed).
pub fn without(lock: &LockName, existing: Existing, questions: Vec<ConsentRequest>) -> Vec<Change> {
    let mut changes = vec![Change::delete(Key::Lock(lock.clone()))];
    let is_its = |audience: &Audience| matches!(audience, Audience::Lock(name) if name == lock);
    for (row, _) in existing.exchanges.into_values().filter(|(row, _)| is_its(&row.audience)) {
        changes.push(Change::delete(Record::from(row).key()));
    }
    let own = existing.locks.get(lock).map(|(lock, _)| &lock.door);
    let others = existing.locks.values().filter(|(other, _)| other.name != *lock).map(|(other, _)| &other.door);
    let named = existing.doors.values().filter(|(door, _)| door.lock == *lock).map(|(door, _)| &door.name);
    let others: BTreeSet<_> = others.collect();
    let doors: BTreeSet<_> = named.chain(own).filter(|door| !others.contains(door)).collect();
    let consents = existing.consents.values().filter(|(consent, _)| doors.contains(&consent.door));
    changes.extend(consents.map(|(consent, _)| Change::delete(Record::from(consent.clone()).key())));
    let questions = questions.iter().filter(|question| doors.contains(&question.door));
    changes.extend(questions.map(|question| Change::delete(Key::ConsentRequest(question.id))));
    for (mut client, rev) in existing.clients.into_values() {
        let ClientKind::ResourceServer { locks } = &mut client.kind else { continue };
        if !locks.remove(lock) {
            continue;
        }
        if !locks.is_empty() {
            changes.push(Change::replace(client, rev));
            continue;
        }
        if let Some((context, _)) = existing.oscore.get(&client.id) {
            changes.push(Change::delete(Key::Oscore(client.id.clone())));
            changes.push(Change::delete(Record::from(context.name()).key()));
        }
        changes.push(Change::delete(Key::Client(client.id)));
    }
    changes
}

/// Bytes of a lock's sender id: as many as OSCORE has room for, so that none comes twice.
const KID: usize = 7;
/// Our sender id towards every lock.
const SERVER: [u8; 1] = [0];
