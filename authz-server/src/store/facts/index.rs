//! Further ways to find a record: empty entries written with it, which last as long as it and are hints only. A record that was
//! deleted or changed leaves entries behind, so whoever follows one looks at the record itself.

use super::Key;
use crate::core::change::Record;
use crate::core::exchange::{PeopleGroup, Whose};
use crate::core::names::{ClientId, GrantId, Jkt, LockName, Origin, PersonId};
use crate::core::revoke::Holder;
use crate::core::time::Timestamp;
use crate::core::trl::{Portion, Requester};

/// Where else a new record is found. What they are made of never changes in a record, but in a client: its are
/// put whenever it is.
pub(super) fn of(record: &Record) -> Vec<Key> {
    match record {
        // In the order of their ends: what is new lies side by side, in pages that are in memory.
        Record::Token(token) => {
            let name = [&in_order(token.expires)[..], &token.hash.0].concat();
            token.holders().iter().map(|holder| tokens_of(holder).with(&name)).collect()
        }
        Record::Grant(grant) => {
            let mut found = vec![grants_of_person(&grant.person.id), grants_of_client(&grant.client)];
            found.extend(grant.jkt.as_ref().map(grants_of_device));
            found.into_iter().map(|prefix| prefix.with(&grant.id.0)).collect()
        }
        Record::Client(client) => {
            let locks = client.kind.locks().into_iter().flatten().map(speakers_for);
            let found = locks.chain(client.origins.iter().map(clients_at));
            found.map(|prefix| prefix.with(client.id.as_str().as_bytes())).collect()
        }
        _ => Vec::new(),
    }
}

/// What the entries of one answer begin with.
pub(super) struct Prefix(Vec<u8>);

impl Prefix {
    fn new(kind: &str, name: &[u8]) -> Self {
        Self([Key::new(kind, name).bytes(), &[0]].concat())
    }

    /// Of records themselves: all of a kind whose names begin so.
    pub(super) fn of_kind(kind: &str, name: &[u8]) -> Self {
        Self(Key::new(kind, name).bytes().to_vec())
    }

    fn with(self, name: &[u8]) -> Key {
        Key::from([&self.0[..], name].concat().as_slice())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

pub(super) fn tokens_of(holder: &Holder) -> Prefix {
    match holder {
        Holder::Grant(GrantId(id)) => Prefix::new("tokens-of-grant", id),
        Holder::Client(id) => Prefix::new("tokens-of-client", id.as_str().as_bytes()),
    }
}

pub(super) fn grants_of_person(who: &PersonId) -> Prefix {
    Prefix::new("grants-of-person", [who.issuer(), who.subject()].join("\0").as_bytes())
}

pub(super) fn grants_of_client(id: &ClientId) -> Prefix {
    Prefix::new("grants-of-client", id.as_str().as_bytes())
}

pub(super) fn grants_of_device(Jkt(thumbprint): &Jkt) -> Prefix {
    Prefix::new("grants-of-device", &thumbprint.0)
}

pub(super) fn speakers_for(lock: &LockName) -> Prefix {
    Prefix::new("speakers-for", lock.as_str().as_bytes())
}

pub(super) fn clients_at(origin: &Origin) -> Prefix {
    Prefix::new("clients-at", origin.as_str().as_bytes())
}

/// A portion's name in keys: none is the beginning of another.
pub(super) fn portion(portion: &Portion) -> Vec<u8> {
    match portion {
        Portion::All => b"a\0".to_vec(),
        Portion::Client(id) => text(b'c', id.as_str()),
        Portion::Grant(id) => [b"g", &id.0[..]].concat(),
        Portion::Lock(name) => text(b'l', name.as_str()),
    }
}

/// A requester's name in keys, likewise.
pub(super) fn requester(requester: &Requester) -> Vec<u8> {
    match requester {
        Requester::Administrator => b"a\0".to_vec(),
        Requester::Client(id) => text(b'c', id.as_str()),
        Requester::Grant(id) => [b"g", &id.0[..]].concat(),
    }
}

fn text(kind: u8, name: &str) -> Vec<u8> {
    [&[kind], name.as_bytes(), &[0]].concat()
}

/// What the names of a service's rows for somebody begin with: none is the beginning of another.
pub(super) fn rows(service: &ClientId, whose: &Whose) -> Vec<u8> {
    let whose = match whose {
        Whose::Person(id) => ["p", id.issuer(), "\0", id.subject()].concat(),
        Whose::Group(PeopleGroup { issuer, name }) => ["g", issuer, "\0", name].concat(),
    };
    [service.as_str(), "\0", &whose, "\0"].concat().into_bytes()
}

/// A time in key order, those before 1970 included.
pub(super) fn in_order(at: Timestamp) -> [u8; 8] {
    (at.0.cast_unsigned() ^ (1 << 63)).to_be_bytes()
}
