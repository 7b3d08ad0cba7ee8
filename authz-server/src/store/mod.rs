//! The store: what must outlive the process.
//!
//! Data in, data out: no closures, borrowed iterators or open transactions, so that an embedded engine and a SQL server
//! can both keep the promise. `Committed` means durable. A failed check is an answer, not an error.
//! The domain's verbs are in [`facts`]; nothing above them sees a key.

use std::fmt;

use async_trait::async_trait;

mod decoded;
pub mod facts;
pub mod memory;
pub mod sled;
pub mod sweep;

/// A number that grows with every commit. A record carries the revision that wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Rev(pub u64);

/// Where a record lies: a short prefix that says what it is, then its name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Key(Box<[u8]>);

impl Key {
    /// `kind` and `name`, with a zero byte between; neither the kinds nor the names of variable length contain one.
    #[must_use]
    pub fn new(kind: &str, name: impl AsRef<[u8]>) -> Self {
        let name = name.as_ref();
        let mut key = Vec::with_capacity(kind.len() + 1 + name.len());
        key.extend_from_slice(kind.as_bytes());
        key.push(0);
        key.extend_from_slice(name);
        Self(key.into())
    }

    /// The bytes, in whose order [`Store::scan`] walks.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Key {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// A record as it lies in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What was put.
    pub value: Vec<u8>,
    /// The commit that put it.
    pub rev: Rev,
    /// Unix seconds after which nobody may rely on it. Advisory: readers check, the sweeper deletes.
    pub expires: Option<i64>,
}

impl Stored {
    /// False once its end has come.
    #[must_use]
    pub fn live(&self, now: i64) -> bool {
        self.expires.is_none_or(|end| now < end)
    }
}

/// What must hold for a batch to be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// No record, not even an expired one.
    Absent,
    /// Some record.
    Present,
    /// The record that this commit wrote, untouched since.
    Rev(Rev),
}

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Creates or replaces.
    Put {
        /// Where.
        key: Key,
        /// What.
        value: Vec<u8>,
        /// Until when, in Unix seconds.
        expires: Option<i64>,
    },
    /// Removes, if there.
    Delete {
        /// Where.
        key: Key,
    },
    /// Adds to a log under `prefix`, after everything that is there; contends with nobody.
    Append {
        /// The log.
        prefix: Key,
        /// What.
        value: Vec<u8>,
        /// Until when, in Unix seconds.
        expires: Option<i64>,
    },
}

/// Checks and writes that happen together or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// All must hold.
    pub checks: Vec<(Key, Check)>,
    /// Applied in order.
    pub ops: Vec<Op>,
}

/// The answer to a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Durable.
    Committed(Rev),
    /// Nothing was written: this entry of [`Batch::checks`] did not hold.
    Conflict {
        /// Index into `checks`.
        check: usize,
    },
}

/// The store cannot answer. Nobody can repair this by trying again with the same process.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it open.
    #[error("the store {0} is in use by another process")]
    Locked(String),
    /// It cannot be read, and a second attempt without its snapshots failed as well.
    #[error("the store {dir} is damaged: {cause}; a copy of it is in {copy}")]
    Damaged {
        /// The directory.
        dir: String,
        /// What the engine said.
        cause: String,
        /// Where the files lie as they were found.
        copy: String,
    },
    /// It opens, but all that it held is gone.
    #[error("the store {0} has lost its content; restore it from a backup")]
    Lost(String),
    /// The disk refuses.
    #[error("the store {dir}: {cause}")]
    Io {
        /// The directory.
        dir: String,
        /// What the system said.
        cause: String,
    },
    /// A record of ours that we cannot read.
    #[error("the store holds a record that is not ours: {0:?}")]
    Record(Key),
    /// The committer is gone: the process is ending.
    #[error("the store is closing")]
    Closed,
}

/// An engine that keeps the promise of the module.
#[async_trait]
pub trait Store: Send + Sync {
    /// The record at `key`, if one is there, expired or not. What is returned is durable.
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError>;

    /// Up to `limit` records whose keys start with `prefix`, in key order, beginning after `after`.
    async fn scan(&self, prefix: &[u8], after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Stored)>, StoreError>;

    /// Applies all of `batch` or nothing, and returns when that is durable.
    async fn commit(&self, batch: Batch) -> Result<Outcome, StoreError>;
}

/// The key of the `index`th append of the commit `rev`.
fn appended(prefix: &Key, rev: Rev, index: u32) -> Key {
    let mut key = prefix.bytes().to_vec();
    key.extend_from_slice(&rev.0.to_be_bytes());
    key.extend_from_slice(&index.to_be_bytes());
    Key(key.into())
}

/// Whether `check` holds for what is there.
fn holds(check: Check, there: Option<Rev>) -> bool {
    match check {
        Check::Absent => there.is_none(),
        Check::Present => there.is_some(),
        Check::Rev(rev) => there == Some(rev),
    }
}
