//! The token revocation list (RFC 9770): who may know which part of it, what changed in it, and what a query is answered.
//!
//! A token's hash lies in one or more [`Portion`]s while the token is revoked and not expired. A [`Requester`] sees the union of its
//! portions, and has an update collection (§6.2) of the latest changes in them. Series items are numbered by how many came before;
//! the `index` of §6.2.1 is that number modulo `MAX_INDEX + 1`.

mod encode;
mod query;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::bytes::Hash32;
use super::change::{Change, Key, Rev};
use super::names::{ClientId, GrantId, GroupName, LockName};
use super::records::TokenRecord;
use super::time::Timestamp;

pub use encode::{diff, full, problem};
pub use query::{Plan, Query, Refused, Trouble, plan};

/// A part of the list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Portion {
    /// All of it.
    All,
    /// Tokens issued to a client.
    Client(ClientId),
    /// Tokens issued under a person's grant: to one installation of an app.
    Grant(GrantId),
    /// Tokens that a lock takes.
    Lock(LockName),
}

/// Who queries the list: each has an update collection of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Requester {
    /// An administrator. They share one collection.
    Administrator,
    /// A registered client, or a resource server, or what is both.
    Client(ClientId),
    /// A person's app, known by its grant.
    Grant(GrantId),
}

/// What a token pertains to. `members` has the locks of the groups that exist.
#[must_use]
pub fn portions(token: &TokenRecord, members: &BTreeMap<GroupName, Vec<LockName>>) -> BTreeSet<Portion> {
    use super::names::Audience;
    let mut portions = BTreeSet::from([Portion::All, Portion::Client(token.client.clone())]);
    portions.extend(token.grant.filter(|_| !token.is_exchanged()).map(Portion::Grant));
    match &token.audience {
        Audience::Lock(lock) => drop(portions.insert(Portion::Lock(lock.clone()))),
        Audience::Group(group) => portions.extend(members.get(group).into_iter().flatten().cloned().map(Portion::Lock)),
        _ => {}
    }
    portions
}

/// A hash in a portion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListEntry {
    /// Where.
    pub portion: Portion,
    /// The token hash, without its leading 0x01.
    pub hash: Hash32,
}

/// A revoked token until it expires, by the time when it does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// When it leaves the list.
    pub expires: Timestamp,
    /// Its hash.
    pub hash: Hash32,
    /// Where it was put.
    pub portions: BTreeSet<Portion>,
}

/// A requester's update collection (RFC 9770 §6.2): how many series items it ever got, and how many are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collection {
    /// Whose.
    pub requester: Requester,
    /// Series items ever added; never 0 in the store.
    pub added: u64,
    /// The latest of them, which are kept.
    pub kept: u64,
    /// When it may be swept; none for requesters that stay.
    #[serde(default)]
    pub until: Option<Timestamp>,
}

impl Collection {
    /// The numbers of the series items that are kept, the eldest first.
    #[must_use]
    pub fn numbers(&self) -> Range<u64> {
        self.added.saturating_sub(self.kept)..self.added
    }
}

/// A series item: what one update of the list added and removed, as far as it pertains to the requester.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesItem {
    /// Whose.
    pub requester: Requester,
    /// How many came before.
    pub number: u64,
    /// The change.
    pub patch: Patch,
    /// As in the collection.
    #[serde(default)]
    pub until: Option<Timestamp>,
}

/// What changed: `diff_entry` of RFC 9770 §8.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patch {
    /// Hashes of tokens that expired.
    pub removed: Vec<Hash32>,
    /// Hashes of tokens that were revoked.
    pub added: Vec<Hash32>,
}

/// The constants of RFC 9770 §6.2 and §6.2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    max_n: u64,
    max_index: u64,
    max_diff_batch: u64,
}

impl Limits {
    /// None unless `1 <= max_diff_batch <= max_n` and `max_n - 1 <= max_index`.
    #[must_use]
    pub const fn new(max_n: u64, max_index: u64, max_diff_batch: u64) -> Option<Self> {
        if max_diff_batch >= 1 && max_diff_batch <= max_n && max_n - 1 <= max_index {
            Some(Self { max_n, max_index, max_diff_batch })
        } else {
            None
        }
    }

    /// `MAX_N`: series items kept for each requester.
    #[must_use]
    pub const fn max_n(self) -> u64 {
        self.max_n
    }

    /// `MAX_DIFF_BATCH`: series items in one answer.
    #[must_use]
    pub const fn max_diff_batch(self) -> u64 {
        self.max_diff_batch
    }

    /// The `index` of a series item.
    fn index(self, number: u64) -> u64 {
        self.max_index.checked_add(1).map_or(number, |modulus| number % modulus)
    }
}

impl Default for Limits {
    /// 64, 2^32 - 1 and 16.
    fn default() -> Self {
        const { Self::new(64, u32::MAX as u64, 16).unwrap() }
    }
}

/// The collections that an update concerns, as they are.
pub type Collections = BTreeMap<Requester, (Collection, Rev)>;

/// What is written for one update of the list: a series item for each requester whose part it changes, in `patches`; the eldest
/// go where there are too many (RFC 9770 §6.2, steps 1 to 6).
#[must_use]
pub fn update(
    patches: BTreeMap<Requester, Patch>,
    collections: &Collections,
    limits: Limits,
    now: Timestamp,
) -> Vec<Change> {
    let mut changes = Vec::new();
    for (requester, patch) in patches {
        let until = matches!(requester, Requester::Grant(_)).then_some(now.plus(GRANT_REMEMBERED));
        let known = collections.get(&requester);
        let (added, kept) = known.map_or((0, 0), |(collection, _)| (collection.added, collection.kept));
        let new = Collection {
            requester: requester.clone(),
            added: added.saturating_add(1),
            kept: kept.saturating_add(1).min(limits.max_n),
            until,
        };
        let old = added.saturating_sub(kept)..new.numbers().start;
        changes.extend(old.map(|number| Change::delete(Key::SeriesItem((requester.clone(), number)))));
        changes.push(Change::put(SeriesItem { requester, number: added, patch, until }));
        changes.push(match known {
            Some((_, rev)) => Change::replace(new, *rev),
            None => Change::create(new),
        });
    }
    changes
}

/// Seconds that the collection of a person's app is kept after its last update: longer than grants are meant to last.
const GRANT_REMEMBERED: i64 = 400 * 86_400;

#[cfg(test)]
mod tests;
