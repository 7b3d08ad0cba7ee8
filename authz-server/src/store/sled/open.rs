//! Opening, and repairing what a crash left (steps 1 to 3 of the wrapper).

use std::fs::{self, File, OpenOptions};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::{StoreError, broken};
use crate::files;

/// Steps 1 and 2.
pub(super) fn open(dir: &Path, cache: u64) -> Result<sled::Db, StoreError> {
    let io = |error: io::Error| broken(dir, &error);
    files::create_dir(dir).map_err(io)?;
    for file in snapshots(dir).map_err(io)? {
        if file.extension().is_some_and(|extension| extension == "generating") {
            tracing::warn!(file = %file.display(), "removing an unfinished snapshot");
            fs::remove_file(&file).map_err(io)?;
        }
    }
    let mut attempts = LOCK_ATTEMPTS;
    loop {
        match attempt(dir, cache) {
            Ok(db) => return Ok(db),
            Err(Failure::Locked) if attempts > 1 => {
                attempts -= 1;
                thread::sleep(LOCK_PAUSE);
            }
            Err(Failure::Locked) => return Err(StoreError::Locked(dir.display().to_string())),
            Err(Failure::Io(cause)) => return Err(broken(dir, &cause)),
            Err(Failure::Damaged(cause)) => return repair(dir, cache, &cause),
        }
    }
}

/// Step 3: makes durable what opening wrote, and returns the log.
pub(super) fn settle(dir: &Path, db: &sled::Db) -> Result<File, StoreError> {
    let io = |error: io::Error| broken(dir, &error);
    db.flush().map_err(|error| broken(dir, &error))?;
    let log = OpenOptions::new().read(true).write(true).open(dir.join("db")).map_err(io)?;
    log.sync_all().map_err(io)?;
    File::open(dir.join("conf")).and_then(|conf| conf.sync_all()).map_err(io)?;
    for dir in [dir.join("blobs").as_path(), dir].into_iter().chain(dir.parent()) {
        files::sync_dir(dir).map_err(io)?;
    }
    Ok(log)
}

/// Whether the store has ever been durable; from then on it may not come back empty.
pub(super) fn settled(dir: &Path) -> bool {
    dir.join(SETTLED).exists()
}

/// Remembers that it is.
pub(super) fn mark_settled(dir: &Path) -> Result<(), StoreError> {
    if settled(dir) {
        return Ok(());
    }
    files::create_secret(&dir.join(SETTLED), b"").map_err(|error| broken(dir, &error))
}

enum Failure {
    Locked,
    Io(String),
    Damaged(String),
}

fn attempt(dir: &Path, cache: u64) -> Result<sled::Db, Failure> {
    // The committer flushes; a timer's flush between would only cost.
    let config = sled::Config::new().path(dir).cache_capacity(cache).flush_every_ms(None);
    match catch_unwind(AssertUnwindSafe(|| config.open())) {
        Ok(Ok(db)) => Ok(db),
        Ok(Err(sled::Error::Io(error))) if error.to_string().contains("could not acquire lock") => Err(Failure::Locked),
        // A file cut short reads as damage; a full or failing disk does not.
        Ok(Err(sled::Error::Io(error))) if error.kind() != io::ErrorKind::UnexpectedEof => {
            Err(Failure::Io(error.to_string()))
        }
        Ok(Err(error)) => Err(Failure::Damaged(error.to_string())),
        Err(_) => Err(Failure::Damaged("sled panicked".to_owned())),
    }
}

/// The log has everything; snapshots only make opening fast. So: without them, once.
fn repair(dir: &Path, cache: u64, cause: &str) -> Result<sled::Db, StoreError> {
    let io = |error: io::Error| broken(dir, &error);
    let copy = aside(dir);
    copy_dir(dir, &copy).map_err(io)?;
    tracing::error!(%cause, copy = %copy.display(), "the store is damaged; opening it without its snapshots");
    for file in snapshots(dir).map_err(io)? {
        fs::remove_file(file).map_err(io)?;
    }
    // A panic inside sled may hold the lock for a moment.
    for _ in 0..LOCK_ATTEMPTS {
        match attempt(dir, cache) {
            Ok(db) => return Ok(db),
            Err(Failure::Locked) => thread::sleep(LOCK_PAUSE),
            Err(Failure::Io(cause) | Failure::Damaged(cause)) => {
                return Err(StoreError::Damaged {
                    dir: dir.display().to_string(),
                    cause,
                    copy: copy.display().to_string(),
                });
            }
        }
    }
    Err(StoreError::Locked(dir.display().to_string()))
}

fn snapshots(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let file = entry?.path();
        if file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"snap.")) {
            files.push(file);
        }
    }
    Ok(files)
}

/// `DIR.damaged-N`, the first that is free.
fn aside(dir: &Path) -> PathBuf {
    let mut number = 1_u32;
    loop {
        let mut name = dir.as_os_str().to_owned();
        name.push(format!(".damaged-{number}"));
        let path = PathBuf::from(name);
        if !path.exists() {
            return path;
        }
        number += 1;
    }
}

fn copy_dir(from: &Path, to: &Path) -> io::Result<()> {
    files::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Our file beside sled's.
const SETTLED: &str = "settled";
/// sled keeps its lock a while after the last handle is dropped.
const LOCK_ATTEMPTS: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(50);
