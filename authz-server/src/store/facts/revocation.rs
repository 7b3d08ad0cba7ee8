//! What revoking and the revocation list read.

use std::collections::BTreeSet;

use super::index::{self, Prefix};
use super::{Kept, Name, PAGE, Records};
use crate::core::bytes::Hash32;
use crate::core::change::Rev;
use crate::core::names::{Audience, ClientId, GrantId, GroupName, LockName};
use crate::core::records::{Client, Collection, Grant, ListEntry, Listed, Lock, SeriesItem, TokenRecord};
use crate::core::request::Presented;
use crate::core::revoke::{Around, Facts, Holder, Named, Target};
use crate::core::time::Timestamp;
use crate::core::trl::{Collections, Patch, Portion, Requester};
use crate::store::{Key, StoreError};

impl Records {
    /// What a request at `/revoke` is decided by.
    pub async fn revocation_facts(&self, presented: &Presented, named: &Named) -> Result<Facts, StoreError> {
        let client = match presented.claimed_client() {
            Some(id) => self.find(&Name::Client(id)).await?.map(|(client, _)| client),
            None => None,
        };
        let grant: Option<Grant> = match named.grant() {
            Some(id) => self.find(&Name::Grant(id)).await?.map(|(grant, _)| grant),
            None => None,
        };
        let token: Option<TokenRecord> = self.find(&Name::Token(named.token())).await?.map(|(token, _)| token);
        let grant = match (grant, token.as_ref().and_then(|token| token.grant)) {
            (None, Some(id)) => self.find(&Name::Grant(id)).await?.map(|(grant, _)| grant),
            (grant, _) => grant,
        };
        Ok(Facts { client, token, grant })
    }

    /// The grants that end with a target, ended ones included.
    pub async fn grants_of(&self, target: &Target) -> Result<Vec<(Grant, Rev)>, StoreError> {
        let prefix = match target {
            Target::Grant(id) => return Ok(self.find(&Name::Grant(*id)).await?.into_iter().collect()),
            Target::Client(id) => index::grants_of_client(id),
            Target::Person(id) => index::grants_of_person(id),
            Target::Device(jkt) => index::grants_of_device(jkt),
            Target::Token(_) | Target::Lock(_) | Target::Removed(_) => return Ok(Vec::new()),
        };
        let mut grants = Vec::new();
        for name in self.names_under(&prefix).await? {
            let Ok(id) = name.as_slice().try_into().map(GrantId) else { continue };
            grants.extend(self.find(&Name::Grant(id)).await?);
        }
        Ok(grants)
    }

    /// A page of the tokens of a holder, after that place; and the place to go on after, if there are more.
    pub async fn tokens_of(
        &self,
        holder: &Holder,
        after: Option<Key>,
        limit: usize,
    ) -> Result<(Vec<(TokenRecord, Rev)>, Option<Key>), StoreError> {
        let prefix = index::tokens_of(holder);
        let found = self.store.scan(prefix.bytes(), after.as_ref(), limit).await?;
        let hash = |key: &Key| key.bytes().last_chunk::<32>().copied().map(Hash32);
        let last = found.last().filter(|_| found.len() == limit).map(|(key, _)| key.clone());
        let mut tokens = Vec::new();
        for hash in found.iter().filter_map(|(key, _)| hash(key)) {
            tokens.extend(
                self.find::<TokenRecord>(&Name::Token(hash)).await?.filter(|(t, _)| t.holders().contains(holder)),
            );
        }
        Ok((tokens, last))
    }

    /// Whom an update of the list that concerns these locks and groups is for.
    pub async fn around(
        &self,
        locks: impl IntoIterator<Item = LockName>,
        groups: BTreeSet<GroupName>,
    ) -> Result<Around, StoreError> {
        let mut around = Around::default();
        for group in groups {
            let members = self.members(&group).await?;
            around.members.insert(group, members);
        }
        let locks: BTreeSet<_> = around.members.values().flatten().cloned().chain(locks).collect();
        for lock in locks {
            let mut speakers = Vec::new();
            for name in self.names_under(&index::speakers_for(&lock)).await? {
                let Some(id) = std::str::from_utf8(&name).ok().and_then(|id| id.parse::<ClientId>().ok()) else {
                    continue;
                };
                let known = self.find::<Client>(&Name::Client(id)).await?;
                let speaks = |client: &Client| client.kind.locks().is_some_and(|locks| locks.contains(&lock));
                speakers.extend(known.filter(|(client, _)| speaks(client)).map(|(client, _)| client.id));
            }
            around.speakers.insert(lock, speakers);
        }
        Ok(around)
    }

    /// The audiences whose tokens a lock takes.
    pub async fn audiences_of(&self, lock: &LockName) -> Result<BTreeSet<Audience>, StoreError> {
        let known = self.find::<Lock>(&Name::Lock(lock.clone())).await?;
        let groups = known.into_iter().flat_map(|(lock, _)| lock.groups).map(Audience::Group);
        Ok(groups.chain([Audience::Lock(lock.clone())]).collect())
    }

    /// The update collections of these.
    pub async fn collections<'r>(
        &self,
        requesters: impl Iterator<Item = &'r Requester>,
    ) -> Result<Collections, StoreError> {
        let mut collections = Collections::new();
        for requester in requesters {
            if let Some(found) = self.find::<Collection>(&Name::Collection(requester.clone())).await? {
                collections.insert(requester.clone(), found);
            }
        }
        Ok(collections)
    }

    /// Up to `limit` listed tokens that expired by `now`, the earliest first.
    pub async fn expired(&self, now: Timestamp, limit: usize) -> Result<Vec<(Listed, Rev)>, StoreError> {
        let listed = self.page::<Listed>(None, limit).await?;
        Ok(listed.into_iter().take_while(|(token, _)| token.expires <= now).collect())
    }

    /// The hashes in a portion of the list.
    pub async fn listed(&self, portion: &Portion) -> Result<Vec<Hash32>, StoreError> {
        let prefix = Prefix::of_kind(ListEntry::KIND, &index::portion(portion));
        let names = self.names_under(&prefix).await?;
        Ok(names.into_iter().filter_map(|name| name.try_into().ok().map(Hash32)).collect())
    }

    /// A series item's content, while it is kept.
    pub async fn patch(&self, requester: &Requester, number: u64) -> Result<Option<Patch>, StoreError> {
        let name = Name::SeriesItem((requester.clone(), number));
        Ok(self.find::<SeriesItem>(&name).await?.map(|(item, _)| item.patch))
    }

    /// What comes behind the prefix in each key under it.
    pub(super) async fn names_under(&self, prefix: &Prefix) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut names = Vec::new();
        let mut after: Option<Key> = None;
        loop {
            let page = self.store.scan(prefix.bytes(), after.as_ref(), PAGE).await?;
            let last = page.len() < PAGE;
            for (key, _) in page {
                names.extend(key.bytes().strip_prefix(prefix.bytes()).map(<[u8]>::to_vec));
                after = Some(key);
            }
            if last {
                return Ok(names);
            }
        }
    }
}
