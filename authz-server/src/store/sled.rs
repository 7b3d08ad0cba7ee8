//! sled 0.34, made durable.
//!
//! As published, sled's `flush` promises nothing after a power cut (`sync_file_range` is no barrier), never syncs its own
//! names and configuration, and refuses to open after a crash while it wrote a snapshot. Around it we
//!
//! 1. delete unfinished snapshots before opening;
//! 2. retry an open that failed on the lock; on damage, copy the directory aside, remove all snapshots and try once more;
//!    never begin again with an empty store;
//! 3. sync every file and directory after opening, before the first answer;
//! 4. commit in groups: apply what waits, `flush`, `fsync` the log, then answer, in that order;
//! 5. end the process when step 4 fails, for a failed fsync cannot be repeated;
//! 6. bound the cache.
//!
//! `tests/power_loss` holds this to account.

mod open;

use std::collections::HashMap;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};

use super::{Batch, Key, Op, Outcome, Rev, Store, StoreError, Stored, appended, holds};

/// An open store. Dropping it finishes the commits under way.
pub struct Sled {
    db: sled::Db,
    progress: Arc<Progress>,
    queue: Option<mpsc::Sender<Job>>,
    committer: Option<JoinHandle<()>>,
}

/// How far the log has come. A reader sees what is applied; it may tell what is durable.
struct Progress {
    applied: AtomicU64,
    durable: watch::Sender<u64>,
}

struct Job {
    batch: Batch,
    answer: oneshot::Sender<Outcome>,
}

impl Sled {
    /// Opens or creates the store in `dir`, with at most `cache` bytes of pages in memory.
    pub fn open(dir: &Path, cache: u64) -> Result<Self, StoreError> {
        let db = open::open(dir, cache)?;
        let revisions = db.open_tree(REVISIONS).map_err(|error| broken(dir, &error))?;
        let first = match revisions.get(REVISIONS).map_err(|error| broken(dir, &error))? {
            Some(bytes) => u64_at(&bytes, 0).ok_or_else(|| StoreError::Record(REVISIONS.into()))?,
            None if open::settled(dir) => return Err(StoreError::Lost(dir.display().to_string())),
            None => 1,
        };
        let before = first.saturating_sub(1);
        let mut committer = Committer {
            dir: dir.to_owned(),
            log: open::settle(dir, &db)?,
            db: db.clone(),
            revisions,
            next: first,
            reserved: first,
            progress: Arc::new(Progress { applied: AtomicU64::new(before), durable: watch::Sender::new(before) }),
        };
        committer.reserve()?;
        committer.sync()?;
        open::mark_settled(dir)?;
        let progress = Arc::clone(&committer.progress);
        let (queue, jobs) = mpsc::channel(QUEUE);
        let committer = thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || committer.run(jobs))
            .map_err(|error| broken(dir, &error))?;
        Ok(Self { db, progress, queue: Some(queue), committer: Some(committer) })
    }

    /// Returns once everything that a reader at `seen` could have seen is durable.
    async fn durable(&self, seen: u64) -> Result<(), StoreError> {
        if seen <= *self.progress.durable.borrow() {
            return Ok(());
        }
        let mut durable = self.progress.durable.subscribe();
        durable.wait_for(|durable| seen <= *durable).await.map_err(|_| StoreError::Closed)?;
        Ok(())
    }
}

impl Drop for Sled {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(committer) = self.committer.take() {
            // The thread ends the process rather than panic.
            drop(committer.join());
        }
    }
}

#[async_trait]
impl Store for Sled {
    async fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let found = self.db.get(key.bytes()).map_err(|error| broken(Path::new(""), &error))?;
        match found {
            Some(bytes) => {
                let stored = decode(&bytes).ok_or_else(|| StoreError::Record(key.clone()))?;
                self.durable(stored.rev.0).await?;
                Ok(Some(stored))
            }
            // What took it away may not be durable yet.
            None => {
                self.durable(self.progress.applied.load(Ordering::SeqCst)).await?;
                Ok(None)
            }
        }
    }

    async fn scan(&self, prefix: &[u8], after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Stored)>, StoreError> {
        let mut found = Vec::new();
        let records = match after {
            Some(key) if key.bytes() >= prefix => {
                // The smallest key above `key`.
                let next = [key.bytes(), &[0]].concat();
                self.db.range(next..)
            }
            _ => self.db.range(prefix..),
        };
        for record in records.take(limit) {
            let (key, bytes) = record.map_err(|error| broken(Path::new(""), &error))?;
            if !key.starts_with(prefix) {
                break;
            }
            let key = Key::from(key.as_ref());
            let stored = decode(&bytes).ok_or_else(|| StoreError::Record(key.clone()))?;
            found.push((key, stored));
        }
        self.durable(self.progress.applied.load(Ordering::SeqCst)).await?;
        Ok(found)
    }

    async fn commit(&self, batch: Batch) -> Result<Outcome, StoreError> {
        let (answer, outcome) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        queue.send(Job { batch, answer }).await.map_err(|_| StoreError::Closed)?;
        outcome.await.map_err(|_| StoreError::Closed)
    }
}

/// The one writer.
struct Committer {
    dir: PathBuf,
    db: sled::Db,
    /// sled's log, for a sync that means it.
    log: File,
    revisions: sled::Tree,
    next: u64,
    /// Revisions below this may be in use after a crash.
    reserved: u64,
    progress: Arc<Progress>,
}

impl Committer {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut company = 0;
        while let Some(group) = gather(&mut jobs, company) {
            company = group.len();
            match catch_unwind(AssertUnwindSafe(|| self.commit(&group))) {
                Ok(Ok(outcomes)) => {
                    for (job, outcome) in group.into_iter().zip(outcomes) {
                        // Who asked may be gone; the commit stands.
                        let _ = job.answer.send(outcome);
                    }
                }
                Ok(Err(error)) => give_up(&error),
                Err(_) => give_up(&broken(&self.dir, &"sled panicked")),
            }
        }
    }

    /// Decides each batch after those before it and writes what they come to as one: sled rolls its buffer, and wakes its threads, for
    /// every batch that it is given.
    fn commit(&mut self, group: &[Job]) -> Result<Vec<Outcome>, StoreError> {
        let before = self.next;
        let mut changes = Changes::default();
        let mut outcomes = Vec::with_capacity(group.len());
        for job in group {
            outcomes.push(self.decide(&job.batch, &mut changes)?);
        }
        if self.next != before {
            // Before the first reader can see it.
            self.progress.applied.store(self.next.saturating_sub(1), Ordering::SeqCst);
            self.db.apply_batch(changes.writes).map_err(|error| broken(&self.dir, &error))?;
            self.sync()?;
        }
        Ok(outcomes)
    }

    fn decide(&mut self, batch: &Batch, changes: &mut Changes) -> Result<Outcome, StoreError> {
        for (index, (key, check)) in batch.checks.iter().enumerate() {
            if !holds(*check, self.revision(key, changes)?) {
                return Ok(Outcome::Conflict { check: index });
            }
        }
        if self.next == self.reserved {
            self.reserve()?;
        }
        let rev = Rev(self.next);
        self.next += 1;
        for (index, op) in (0..).zip(&batch.ops) {
            match op {
                Op::Put { key, value, expires } => changes.put(key.clone(), rev, *expires, value),
                Op::Delete { key } => changes.delete(key.clone()),
                Op::Append { prefix, value, expires } => {
                    changes.put(appended(prefix, rev, index), rev, *expires, value)
                }
            }
        }
        Ok(Outcome::Committed(rev))
    }

    /// The revision of the record at `key` once `changes` are in.
    fn revision(&self, key: &Key, changes: &mut Changes) -> Result<Option<Rev>, StoreError> {
        if let Some(rev) = changes.revisions.get(key) {
            return Ok(*rev);
        }
        let rev = match self.db.get(key.bytes()).map_err(|error| broken(&self.dir, &error))? {
            Some(bytes) => Some(Rev(u64_at(&bytes, 0).ok_or_else(|| StoreError::Record(key.clone()))?)),
            None => None,
        };
        // Nobody else writes, and many of a group hang on the same client.
        changes.revisions.insert(key.clone(), rev);
        Ok(rev)
    }

    /// Makes a block of revisions ours: none is used twice, whatever a crash takes back.
    fn reserve(&mut self) -> Result<(), StoreError> {
        let end = self.next.saturating_add(BLOCK);
        self.revisions.insert(REVISIONS, &end.to_be_bytes()).map_err(|error| broken(&self.dir, &error))?;
        self.reserved = end;
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.db.flush().map_err(|error| broken(&self.dir, &error))?;
        self.log.sync_all().map_err(|error| broken(&self.dir, &error))?;
        self.progress.durable.send_replace(self.next.saturating_sub(1));
        Ok(())
    }
}

/// What a group of batches comes to.
#[derive(Default)]
struct Changes {
    writes: sled::Batch,
    /// What the next batch of the group finds where an earlier one looked or wrote.
    revisions: HashMap<Key, Option<Rev>>,
}

impl Changes {
    fn put(&mut self, key: Key, rev: Rev, expires: Option<i64>, value: &[u8]) {
        self.writes.insert(key.bytes(), encode(rev, expires, value));
        self.revisions.insert(key, Some(rev));
    }

    fn delete(&mut self, key: Key) {
        self.writes.remove(key.bytes());
        self.revisions.insert(key, None);
    }
}

/// The jobs that share the next sync. A sync costs as much as many commits, so where the last one had company the next waits for its
/// own, the longer the more there was; whoever comes alone waits for nobody. It sleeps rather than listen: to be woken for each
/// that comes would cost as much as the commits.
fn gather(jobs: &mut mpsc::Receiver<Job>, company: usize) -> Option<Vec<Job>> {
    let mut group = vec![jobs.blocking_recv()?];
    let patience = u64::try_from(company / 4).unwrap_or(PATIENCE).min(PATIENCE);
    if patience > 0 {
        thread::sleep(Duration::from_millis(patience));
    }
    while group.len() < GROUP
        && let Ok(job) = jobs.try_recv()
    {
        group.push(job);
    }
    Some(group)
}

/// What was answered is durable; what was not must not be answered. The service manager starts us again.
fn give_up(error: &StoreError) -> ! {
    tracing::error!(%error, "a commit failed; the server stops");
    eprintln!("latchwork: {error}; the server stops so that it answers nothing it cannot keep");
    std::process::exit(EXIT_STORE)
}

fn broken(dir: &Path, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Io { dir: dir.display().to_string(), cause: error.to_string() }
}

fn encode(rev: Rev, expires: Option<i64>, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD + value.len());
    bytes.extend_from_slice(&rev.0.to_be_bytes());
    bytes.extend_from_slice(&expires.unwrap_or(NEVER).to_be_bytes());
    bytes.extend_from_slice(value);
    bytes
}

fn decode(bytes: &[u8]) -> Option<Stored> {
    let rev = Rev(u64_at(bytes, 0)?);
    let expires = u64_at(bytes, 8)?.cast_signed();
    Some(Stored { value: bytes.get(HEAD..)?.to_vec(), rev, expires: (expires != NEVER).then_some(expires) })
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from_be_bytes(*chunk))
}

/// Exit code after a failed commit: EX_IOERR of sysexits(3).
pub const EXIT_STORE: i32 = 74;

const REVISIONS: &[u8] = b"revisions";
/// Revisions reserved at once.
const BLOCK: u64 = 1 << 20;
/// Revision and expiry before each value, 8 bytes each.
const HEAD: usize = 16;
const NEVER: i64 = i64::MAX;
/// Commits that share one fsync, at most.
const GROUP: usize = 256;
/// Milliseconds that a commit waits for company, at most.
const PATIENCE: u64 = 4;
/// Commits that may wait for the next group.
const QUEUE: usize = 1024;
