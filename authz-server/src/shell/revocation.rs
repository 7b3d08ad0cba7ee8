//! Keeping the promise of a [`Revocation`], and the list that tells of it (RFC 9770), whichever face asks.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, broadcast};

use super::Shell;
use crate::core::bytes::Hash32;
use crate::core::change::{Change, Key, OnConflict, Record, Rev, Write};
use crate::core::names::{Audience, GroupName, LockName};
use crate::core::records::{Client, Code, Grant, TokenRecord};
use crate::core::refusal::Refusal;
use crate::core::revoke::{self, Expiry, Holder, Listing, Revocation, Target};
use crate::core::trl::{self, Limits, Plan, Portion, Query, Refused, Requester};
use crate::store::StoreError;
use crate::store::facts::{Committed, Kept};

/// The revocation list's part of a server: one update at a time, and who is told of it.
pub struct Trl {
    /// The constants of RFC 9770 §6.2.
    pub limits: Limits,
    updating: Mutex<()>,
    changed: broadcast::Sender<Requester>,
}

impl Default for Trl {
    fn default() -> Self {
        Self { limits: Limits::default(), updating: Mutex::default(), changed: broadcast::Sender::new(TOLD) }
    }
}

impl Trl {
    /// Whose part of the list changed, from now on. Who lags behind may have missed any.
    pub fn changes(&self) -> broadcast::Receiver<Requester> {
        self.changed.subscribe()
    }

    fn tell<'r>(&self, requesters: impl Iterator<Item = &'r Requester>) {
        for requester in requesters {
            // Nobody may be listening.
            let _ = self.changed.send(requester.clone());
        }
    }
}

/// What came of a revocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// Grants that ended.
    pub grants: usize,
    /// Tokens that went on the list.
    pub tokens: usize,
}

impl Shell {
    /// Revokes: durable when it returns, and after a crash in the middle it goes on by [`resume_revocations`](Self::resume_revocations).
    /// `with` is committed together with the promise.
    ///
    /// # Errors
    /// The store failed, or a guard of `with` did not hold: then nothing was promised.
    pub async fn revoke(
        &self,
        revocation: &Revocation,
        mut with: Vec<Change>,
    ) -> Result<Result<Revoked, Lost>, StoreError> {
        with.push(Change::put(revocation.clone()));
        match self.records.commit(&with).await? {
            Committed::Done(_) => self.fulfil(revocation).await.map(Ok),
            Committed::Conflict(conflict) => Ok(Err(Lost(conflict))),
        }
    }

    /// Fulfils what these changes promise, once they are durable: a grant that was abused takes its tokens with it.
    ///
    /// # Errors
    /// The store failed.
    pub async fn fulfil_all(&self, changes: &[Change]) -> Result<(), StoreError> {
        for change in changes {
            if let Write::Put(Record::Revocation(revocation)) = &change.write {
                self.fulfil(revocation).await?;
            }
        }
        Ok(())
    }

    /// Goes on with every revocation that a process before this one promised.
    ///
    /// # Errors
    /// The store failed.
    pub async fn resume_revocations(&self) -> Result<(), StoreError> {
        for (revocation, _) in self.records.all::<Revocation>().await? {
            tracing::warn!(target = ?revocation.target, "a revocation goes on");
            self.fulfil(&revocation).await?;
        }
        Ok(())
    }

    /// Takes expired tokens off the list.
    ///
    /// # Errors
    /// The store failed.
    pub async fn expire_listed(&self) -> Result<(), StoreError> {
        loop {
            let updating = self.trl.updating.lock().await;
            let listed = self.records.expired(self.now(), BATCH).await?;
            let locks = listed.iter().flat_map(|(token, _)| &token.portions).filter_map(|portion| match portion {
                Portion::Lock(name) => Some(name.clone()),
                _ => None,
            });
            let around = self.records.around(locks.collect::<BTreeSet<_>>(), BTreeSet::new()).await?;
            let expiry = Expiry::new(listed, &around, self.now());
            if expiry.is_empty() {
                return Ok(());
            }
            let collections = self.records.collections(expiry.requesters()).await?;
            let changes = expiry.changes(&collections, self.trl.limits, self.now());
            if let Committed::Done(_) = self.records.commit(&changes).await? {
                drop(updating);
                self.trl.tell(expiry.requesters());
            }
        }
    }

    async fn fulfil(&self, revocation: &Revocation) -> Result<Revoked, StoreError> {
        let mut done = Revoked::default();
        // Codes first: what becomes of one at this moment is a grant by the time those are looked for.
        if revocation.target.reaches_codes() {
            self.change_all(|code: &Code| Key::Code(code.hash), |code, rev| revocation.target.of_code(code, rev))
                .await?;
        }
        let grants = self.end_grants(revocation, &mut done).await?;
        match &revocation.target {
            Target::Token(hash) => {
                if let Some(found) = self.records.find::<TokenRecord>(&Key::Token(*hash)).await? {
                    let grant = found.0.grant;
                    done.tokens += self.list(vec![found]).await?;
                    if let Some(id) = grant {
                        done.tokens += self.list_of(&Holder::Grant(id), |token| token.subject == Some(*hash)).await?;
                    }
                }
            }
            Target::Lock(name) => {
                let audiences = self.records.audiences_of(name).await?;
                done.tokens += self.list_of_audiences(&audiences).await?;
            }
            Target::Removed(name) => {
                let grant = |grant: &Grant, rev| revoke::grant_without(grant, rev, name);
                self.change_all(|grant| Key::Grant(grant.id), grant).await?;
                done.tokens += self.list_of_audiences(&[Audience::Lock(name.clone())].into()).await?;
            }
            Target::Client(id) => done.tokens += self.list_of(&Holder::Client(id.clone()), |_| true).await?,
            Target::Grant(_) | Target::Person(_) | Target::Device(_) => {}
        }
        for grant in grants {
            done.tokens += self.list_of(&Holder::Grant(grant.id), |_| true).await?;
        }
        self.records.commit(&[Change::delete(Key::Revocation(revocation.id()))]).await?;
        Ok(done)
    }

    /// Ends the grants, so that no further token comes from them; all of the target come back.
    async fn end_grants(&self, revocation: &Revocation, done: &mut Revoked) -> Result<Vec<Grant>, StoreError> {
        loop {
            let grants = self.records.grants_of(&revocation.target).await?;
            let ends = |(grant, rev): &(Grant, Rev)| revoke::end(grant, *rev, revocation.why, self.now());
            let changes: Vec<_> = grants.iter().filter_map(ends).collect();
            if changes.is_empty() {
                return Ok(grants.into_iter().map(|(grant, _)| grant).collect());
            }
            for some in changes.chunks(BATCH) {
                // What was in use at this moment is found again in the next round.
                if let Committed::Done(_) = self.records.commit(some).await? {
                    done.grants += some.len();
                }
            }
        }
    }

    /// Those of a holder's tokens that are meant.
    async fn list_of(&self, holder: &Holder, meant: impl Fn(&TokenRecord) -> bool) -> Result<usize, StoreError> {
        let (mut done, mut after) = (0, None);
        loop {
            let (mut tokens, next) = self.records.tokens_of(holder, after, BATCH).await?;
            tokens.retain(|(token, _)| meant(token));
            done += self.list(tokens).await?;
            match next {
                Some(place) => after = Some(place),
                None => return Ok(done),
            }
        }
    }

    /// Changes those records of a kind that there is a change for: the way leads past all of them.
    async fn change_all<T: Kept>(
        &self,
        name: impl Fn(&T) -> Key,
        change: impl Fn(&T, Rev) -> Option<Change>,
    ) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = self.records.page::<T>(after.as_ref(), PAGE).await?;
            let changes: Vec<_> = page.iter().filter_map(|(record, rev)| change(record, *rev)).collect();
            if !changes.is_empty()
                && let Committed::Conflict(_) = self.records.commit(&changes).await?
            {
                continue; // one was in use at this moment: look again
            }
            match page.last().filter(|_| page.len() == PAGE) {
                Some((last, _)) => after = Some(name(last)),
                None => return Ok(()),
            }
        }
    }

    /// There is no index by audience: the way leads past every token.
    async fn list_of_audiences(&self, audiences: &BTreeSet<Audience>) -> Result<usize, StoreError> {
        let (mut done, mut after) = (0, None);
        let mut found: Vec<(TokenRecord, Rev)> = Vec::new();
        loop {
            let page = self.records.page::<TokenRecord>(after.as_ref(), PAGE).await?;
            after = page.last().filter(|_| page.len() == PAGE).map(|(token, _)| Key::Token(token.hash));
            let now = self.now();
            found.extend(
                page.into_iter().filter(|(token, _)| audiences.contains(&token.audience) && token.is_live(now)),
            );
            while found.len() >= BATCH || (after.is_none() && !found.is_empty()) {
                let some = found.drain(..found.len().min(BATCH)).collect();
                done += self.list(some).await?;
            }
            if after.is_none() {
                return Ok(done);
            }
        }
    }

    /// Puts these tokens on the list, as one update; those that are not live are left out.
    async fn list(&self, mut tokens: Vec<(TokenRecord, Rev)>) -> Result<usize, StoreError> {
        loop {
            let updating = self.trl.updating.lock().await;
            let (mut locks, mut groups) = (BTreeSet::<LockName>::new(), BTreeSet::<GroupName>::new());
            for (token, _) in tokens.iter().filter(|(token, _)| token.is_live(self.now())) {
                match &token.audience {
                    Audience::Lock(name) => drop(locks.insert(name.clone())),
                    Audience::Group(name) => drop(groups.insert(name.clone())),
                    _ => {}
                }
            }
            let around = self.records.around(locks, groups).await?;
            let listing = Listing::new(tokens.clone(), &around, self.now());
            if listing.is_empty() {
                return Ok(0);
            }
            let collections = self.records.collections(listing.requesters()).await?;
            let changes = listing.changes(&collections, self.trl.limits, self.now());
            if let Committed::Done(_) = self.records.commit(&changes).await? {
                drop(updating);
                self.trl.tell(listing.requesters());
                return Ok(listing.len());
            }
            // Somebody else revoked one of them: look again.
            let mut again = Vec::new();
            for (token, _) in tokens {
                again.extend(self.records.find::<TokenRecord>(&Key::Token(token.hash)).await?);
            }
            tokens = again;
        }
    }

    /// Answers a query of the list (RFC 9770 §7 to §9), for a requester that showed who it is: a payload, or an error's.
    ///
    /// # Errors
    /// The store failed.
    pub async fn query_list(&self, who: &Requester, query: &Query) -> Result<Result<Vec<u8>, Refused>, StoreError> {
        loop {
            // The collection first: what comes later is told again by the next diff, and does no harm twice.
            let collection = self.records.collections([who].into_iter()).await?.remove(who).map(|(known, _)| known);
            let plan = match trl::plan(query, collection.as_ref(), self.trl.limits) {
                Ok(plan) => plan,
                Err(refused) => return Ok(Err(refused)),
            };
            let answer = match plan {
                Plan::Full { cursor } => {
                    let mut hashes = BTreeSet::<Hash32>::new();
                    for portion in self.portions(who).await? {
                        hashes.extend(self.records.listed(&portion).await?);
                    }
                    trl::full(&hashes.into_iter().collect::<Vec<_>>(), cursor)
                }
                Plan::Diff { items, cursor, more } => {
                    let mut patches = Vec::new();
                    for number in items.clone().rev() {
                        patches.extend(self.records.patch(who, number).await?);
                    }
                    if patches.len() as u64 != items.end - items.start {
                        continue; // newer updates took their place meanwhile
                    }
                    trl::diff(&patches, cursor, more)
                }
            };
            return Ok(Ok(answer.unwrap_or_default()));
        }
    }

    /// What a requester may see.
    async fn portions(&self, who: &Requester) -> Result<Vec<Portion>, StoreError> {
        Ok(match who {
            Requester::Administrator => vec![Portion::All],
            Requester::Grant(id) => vec![Portion::Grant(*id)],
            Requester::Client(id) => {
                let client = self.records.find::<Client>(&Key::Client(id.clone())).await?;
                let locks = client.iter().flat_map(|(client, _)| client.kind.locks()).flatten();
                let locks = locks.cloned().map(Portion::Lock);
                locks.chain([Portion::Client(id.clone())]).collect()
            }
        })
    }
}

/// What was to be committed with the promise did not hold any more.
#[derive(Debug)]
pub struct Lost(pub OnConflict);

impl From<Lost> for Refusal {
    fn from(Lost(conflict): Lost) -> Self {
        conflict.refusal()
    }
}

/// Tokens in one update of the list, so that no answer and no record grows large.
const BATCH: usize = 64;
/// Tokens looked at at once.
const PAGE: usize = 256;
/// Changes that a slow listener may be behind.
const TOLD: usize = 1024;
