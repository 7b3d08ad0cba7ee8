//! The domain's verbs over any [`Store`]: the core's records by their names, facts for a decision, changes as one batch.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::decoded::Decoded;
use super::{Batch, Check, Key, Op, Outcome, Rev, Store, StoreError};
use crate::core::change::{Change, Guard, Key as Name, OnConflict, Record, Rev as Seen, Write};
use crate::core::exchange::Whose;
use crate::core::facts::{self, Facts, Target};
use crate::core::names::{Audience, ClientId, GroupName, LockName, PersonId};
use crate::core::records;
use crate::core::request::{Presented, TokenRequest};

/// A store, in the core's terms.
#[derive(Clone)]
pub struct Records {
    store: Arc<dyn Store>,
    decoded: Arc<Decoded>,
}

/// What came of a commit.
#[derive(Clone, Debug, PartialEq)]
pub enum Committed {
    /// Durable.
    Done(Rev),
    /// Nothing was written, and this is what the first change that failed says about it.
    Conflict(OnConflict),
}

/// A kind of record that the store keeps.
pub trait Kept: DeserializeOwned + Clone + Send + Sync + 'static {
    /// What its keys begin with.
    const KIND: &'static str;
}

impl Records {
    /// Over an engine.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, decoded: Arc::default() }
    }

    /// The engine, for what concerns no record in particular.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    /// The record of that name, expired or not. `T` must be the kind that `name` names; anything else is not found.
    pub async fn find<T: Kept>(&self, name: &Name) -> Result<Option<(T, Seen)>, StoreError> {
        let (kind, key) = key(name);
        if kind != T::KIND {
            return Ok(None);
        }
        let Some(stored) = self.store.get(&key).await? else {
            return Ok(None);
        };
        let record = match name {
            Name::Client(_) | Name::Lock(_) | Name::Door(_) => {
                self.decoded.at(&key, stored.rev, || decode(&key, &stored.value))?
            }
            _ => decode(&key, &stored.value)?,
        };
        Ok(Some((record, Seen(stored.rev.0))))
    }

    /// All records of a kind, in the order of their names.
    pub async fn all<T: Kept>(&self) -> Result<Vec<(T, Seen)>, StoreError> {
        self.under(&Key::new(T::KIND, [])).await
    }

    /// A page of them: up to `limit` after the record of that name.
    pub async fn page<T: Kept>(&self, after: Option<&Name>, limit: usize) -> Result<Vec<(T, Seen)>, StoreError> {
        let prefix = Key::new(T::KIND, []);
        let after = after.map(|name| key(name).1);
        let found = self.store.scan(prefix.bytes(), after.as_ref(), limit).await?;
        found.into_iter().map(|(key, stored)| Ok((decode(&key, &stored.value)?, Seen(stored.rev.0)))).collect()
    }

    /// The consents given for a door, expired or not.
    pub async fn consents(
        &self,
        door: &crate::core::names::DoorName,
    ) -> Result<Vec<(records::AdvanceConsent, Seen)>, StoreError> {
        let prefix = Key::new(records::AdvanceConsent::KIND, [door.as_str().as_bytes(), &[0]].concat());
        self.under(&prefix).await
    }

    /// What `issue` may look at for this request.
    pub async fn facts(&self, presented: &Presented, request: &TokenRequest) -> Result<Facts, StoreError> {
        let client = match presented.claimed_client() {
            Some(id) => self.find(&Name::Client(id)).await?,
            None => None,
        };
        let code: Option<(records::Code, _)> = match request.code_hash() {
            Some(hash) => self.find(&Name::Code(hash)).await?,
            None => None,
        };
        let device = match request.device() {
            Some(name) => self.find(&Name::Device(name)).await?.map(|(device, _)| device),
            None => None,
        };
        let known_code = code.as_ref().map(|(code, _)| code);
        let subject: Option<(records::TokenRecord, _)> = match request.subject_token() {
            Some(hash) => self.find(&Name::Token(hash)).await?,
            None => None,
        };
        let known_subject = subject.as_ref().map(|(token, _)| token);
        let grant: Option<(records::Grant, _)> = match facts::grant_id(request, known_code, known_subject) {
            Some(id) => self.find(&Name::Grant(id)).await?,
            None => None,
        };
        let known_grant = grant.as_ref().map(|(grant, _)| grant);
        let person = facts::person(known_code, known_grant);
        let mut targets = Vec::new();
        let mut exi = None;
        let mut context = None;
        match facts::audience(request, known_code, known_grant) {
            Some(Audience::Lock(lock)) => {
                targets.extend(self.target(&lock, person).await?);
                let exi_lock = targets.first().is_some_and(|target| target.lock.clock == records::ClockMode::Exi);
                if exi_lock {
                    exi = self.find(&Name::Exi(lock.clone())).await?;
                }
                if let Some(id) = facts::context_id(request) {
                    context = self.find(&Name::Context((lock, id.clone()))).await?.map(|(context, _)| context);
                }
            }
            Some(Audience::Group(group)) => {
                for lock in self.members(&group).await? {
                    targets.extend(self.target(&lock, person).await?);
                }
            }
            Some(Audience::Api(_) | Audience::Service(_)) | None => {}
        }
        let audience = facts::audience(request, known_code, known_grant);
        let series = match (&request.series, presented.claimed_client(), audience) {
            (Some(id), Some(client), Some(audience)) => {
                self.find(&Name::Series((client, audience, id.clone()))).await?.map(|(series, _)| series)
            }
            _ => None,
        };
        let app = match known_subject {
            Some(token) => self.find(&Name::Client(token.client.clone())).await?.map(|(client, _)| client),
            None => None,
        };
        let rows = match (facts::service(request, presented), facts::whose(known_code, known_grant)) {
            (Some(service), Some(person)) => self.rows(&service, person).await?,
            _ => Vec::new(),
        };
        Ok(Facts { client, code, device, subject, grant, app, rows, targets, exi, context, series })
    }

    /// The rows by which a service may act for a person, over or not: the person's own, then those of their groups.
    pub async fn rows(
        &self,
        service: &ClientId,
        person: &records::Person,
    ) -> Result<Vec<(records::Exchange, Seen)>, StoreError> {
        let mut rows = Vec::new();
        for whose in Whose::of(person) {
            rows.extend(self.under(&Key::new(records::Exchange::KIND, index::rows(service, &whose))).await?);
        }
        Ok(rows)
    }

    /// Every row of a service.
    pub async fn rows_of(&self, service: &ClientId) -> Result<Vec<records::Exchange>, StoreError> {
        let rows = self.under(&Key::new(records::Exchange::KIND, [service.as_str(), "\0"].concat())).await?;
        Ok(rows.into_iter().map(|(row, _)| row).collect())
    }

    /// A lock with its door, and what the door's owners said about `person`. None if either record is missing.
    pub async fn target(&self, lock: &LockName, person: Option<&PersonId>) -> Result<Option<Target>, StoreError> {
        let Some((lock, rev)) = self.find::<records::Lock>(&Name::Lock(lock.clone())).await? else {
            return Ok(None);
        };
        let Some((door, _)) = self.find::<records::Door>(&Name::Door(lock.door.clone())).await? else {
            return Ok(None);
        };
        let consent = match person {
            Some(who) => self.find(&Name::Consent((door.name.clone(), who.clone()))).await?.map(|(consent, _)| consent),
            None => None,
        };
        Ok(Some(Target { lock, rev, door, consent }))
    }

    /// Makes all changes durable, or none.
    pub async fn commit(&self, changes: &[Change]) -> Result<Committed, StoreError> {
        let mut batch = Batch::default();
        let mut guarded = Vec::new();
        for change in changes {
            let (_, key) = key(&change.key());
            let check = match change.guard {
                Guard::Any => None,
                Guard::Absent => Some(Check::Absent),
                Guard::At(rev) => Some(Check::Rev(Rev(rev.0))),
            };
            if let Some(check) = check {
                batch.checks.push((key.clone(), check));
                guarded.push(change);
            }
            match &change.write {
                Write::Put(record) => {
                    let expires = record.expires().map(|at| at.0);
                    // What is replaced has its entries, but for clients: what theirs are made of may change.
                    if !matches!(change.guard, Guard::At(_)) || matches!(record, Record::Client(_)) {
                        let put = |key| Op::Put { key, value: Vec::new(), expires };
                        batch.ops.extend(index::of(record).into_iter().map(put));
                    }
                    batch.ops.push(Op::Put { value: encode(&key, record)?, expires, key });
                }
                Write::Delete(_) => batch.ops.push(Op::Delete { key }),
                Write::Nothing(_) => {}
            }
        }
        Ok(match self.store.commit(batch).await? {
            Outcome::Committed(rev) => Committed::Done(rev),
            Outcome::Conflict { check } => {
                Committed::Conflict(guarded.get(check).map_or(OnConflict::Retry, |change| change.on_conflict.clone()))
            }
        })
    }

    async fn members(&self, group: &GroupName) -> Result<Vec<LockName>, StoreError> {
        let locks = self.all::<records::Lock>().await?;
        Ok(locks.into_iter().filter(|(lock, _)| lock.groups.contains(group)).map(|(lock, _)| lock.name).collect())
    }

    async fn under<T: Kept>(&self, prefix: &Key) -> Result<Vec<(T, Seen)>, StoreError> {
        let mut found = Vec::new();
        let mut after: Option<Key> = None;
        loop {
            let page = self.store.scan(prefix.bytes(), after.as_ref(), PAGE).await?;
            let last = page.len() < PAGE;
            for (key, stored) in page {
                found.push((decode(&key, &stored.value)?, Seen(stored.rev.0)));
                after = Some(key);
            }
            if last {
                return Ok(found);
            }
        }
    }
}

macro_rules! kinds {
    ($($variant:ident($ty:ident) = $kind:literal;)*) => {
        $(impl Kept for records::$ty {
            const KIND: &'static str = $kind;
        })*

        fn encode(key: &Key, record: &Record) -> Result<Vec<u8>, StoreError> {
            let mut bytes = Vec::with_capacity(256);
            let written = match record {
                $(Record::$variant(it) => ciborium::into_writer(it, &mut bytes),)*
            };
            written.map_err(|_| StoreError::Record(key.clone()))?;
            Ok(bytes)
        }
    };
}

// A kind is part of every key on disk: it never changes.
kinds! {
    Client(Client) = "client";
    Oscore(OscoreClient) = "oscore";
    OscoreName(OscoreName) = "oscore-name";
    SenderNumbers(SenderNumbers) = "sender-numbers";
    Lock(Lock) = "lock";
    Door(Door) = "door";
    Consent(AdvanceConsent) = "consent";
    Exchange(Exchange) = "exchange";
    Grant(Grant) = "grant";
    Code(Code) = "code";
    Device(Device) = "device";
    Authorization(Authorization) = "authorization";
    ConsentRequest(ConsentRequest) = "question";
    Token(TokenRecord) = "token";
    Context(LiveContext) = "context";
    Series(Series) = "series";
    Seen(Seen) = "seen";
    Exi(ExiCounter) = "exi";
    Revocation(Revocation) = "revocation";
    Listed(Listed) = "trl";
    ListEntry(ListEntry) = "trl-entry";
    Collection(Collection) = "trl-updates";
    SeriesItem(SeriesItem) = "trl-item";
    AdminToken(AdminToken) = "admin";
    InitialToken(InitialToken) = "initial-token";
    SigningKey(SigningKey) = "signing-key";
}

fn key(name: &Name) -> (&'static str, Key) {
    let (kind, name) = match name {
        Name::Client(id) => (records::Client::KIND, id.as_str().into()),
        Name::Oscore(id) => (records::OscoreClient::KIND, id.as_str().into()),
        Name::OscoreName((kid, id_context)) => {
            // The kid's own end, then whether there is a context: an empty one is not none.
            let length = u8::try_from(kid.0.len()).unwrap_or(u8::MAX);
            let context = id_context.as_ref().map_or(Vec::new(), |id| [&[1], &id.0[..]].concat());
            (records::OscoreName::KIND, [&[length], &kid.0[..], &context[..]].concat())
        }
        Name::SenderNumbers(hash) => (records::SenderNumbers::KIND, hash.0.into()),
        Name::Lock(name) => (records::Lock::KIND, name.as_str().into()),
        Name::Door(name) => (records::Door::KIND, name.as_str().into()),
        Name::Consent((door, who)) => {
            (records::AdvanceConsent::KIND, [door.as_str(), who.issuer(), who.subject()].join("\0").into_bytes())
        }
        Name::Exchange((service, whose, audience)) => {
            let name = [&index::rows(service, whose)[..], audience.to_string().as_bytes()].concat();
            (records::Exchange::KIND, name)
        }
        Name::Grant(id) => (records::Grant::KIND, id.0.into()),
        Name::Device(hash) => (records::Device::KIND, hash.0.into()),
        Name::Code(hash) => (records::Code::KIND, hash.0.into()),
        Name::Authorization(hash) => (records::Authorization::KIND, hash.0.into()),
        Name::ConsentRequest(hash) => (records::ConsentRequest::KIND, hash.0.into()),
        Name::Token(hash) => (records::TokenRecord::KIND, hash.0.into()),
        Name::Context((lock, id)) => (records::LiveContext::KIND, [lock.as_str().as_bytes(), &[0], &id.0].concat()),
        Name::Series((client, audience, id)) => {
            let texts = [client.as_str(), &audience.to_string()].join("\0");
            (records::Series::KIND, [texts.as_bytes(), &[0], &id.0].concat())
        }
        Name::Seen(hash) => (records::Seen::KIND, hash.0.into()),
        Name::Exi(lock) => (records::ExiCounter::KIND, lock.as_str().into()),
        Name::Revocation(id) => (records::Revocation::KIND, id.0.into()),
        Name::Listed((expires, hash)) => (records::Listed::KIND, [&index::in_order(*expires)[..], &hash.0].concat()),
        Name::ListEntry((portion, hash)) => {
            (records::ListEntry::KIND, [&index::portion(portion)[..], &hash.0].concat())
        }
        Name::Collection(requester) => (records::Collection::KIND, index::requester(requester)),
        Name::SeriesItem((requester, number)) => {
            (records::SeriesItem::KIND, [&index::requester(requester)[..], &number.to_be_bytes()].concat())
        }
        Name::AdminToken(hash) => (records::AdminToken::KIND, hash.0.into()),
        Name::InitialToken(hash) => (records::InitialToken::KIND, hash.0.into()),
        Name::SigningKey((purpose, number)) => {
            (records::SigningKey::KIND, [purpose.name().as_bytes(), &[0], &number.to_be_bytes()].concat())
        }
    };
    (kind, Key::new(kind, name))
}

fn decode<T: Kept>(key: &Key, value: &[u8]) -> Result<T, StoreError> {
    ciborium::from_reader(value).map_err(|_| StoreError::Record(key.clone()))
}

mod introspection;

/// Records read at once while listing.
const PAGE: usize = 256;

mod index;
mod origins;
mod revocation;

#[cfg(test)]
mod tests;
