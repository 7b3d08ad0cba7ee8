//! Sender numbers of a context that outlives the process (RFC 8613 B.1.1).

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use latchwork_oscore::SenderNumbers;

use crate::error::Error;
use crate::store::{FileStore, TokenStore as _};

/// The bound below which sender numbers may have been used, in a file. It is one process's as long as this lives: two that take
/// numbers from it would encrypt twice under one nonce.
pub(crate) struct NumberFile {
    path: PathBuf,
    _lock: File,
}

impl NumberFile {
    /// The lock lies beside the file, which is replaced with each block.
    pub(crate) fn open(path: PathBuf) -> Result<Self, Error> {
        let mut beside = path.clone().into_os_string();
        beside.push(".lock");
        let lock = File::options().write(true).create(true).truncate(false).mode(0o600).open(beside)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::Configuration("another process uses this machine's context")),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    pub(crate) fn read(&self) -> Result<u64, Error> {
        match fs::read_to_string(&self.path) {
            Ok(text) => text.trim().parse().map_err(|_| Error::Nonsense("the file of sender numbers")),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}

impl SenderNumbers for &NumberFile {
    type Error = Error;

    fn reserve(&mut self, below: u64) -> Result<(), Error> {
        if below <= self.read()? {
            return Err(Error::Nonsense("the file of sender numbers"));
        }
        Ok(FileStore::new(&self.path).save(below.to_string().as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sender_number_is_anybody_elses() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("numbers");
        let mine = NumberFile::open(path.clone()).unwrap();
        assert!(matches!(NumberFile::open(path.clone()), Err(Error::Configuration(_))));
        (&mine).reserve(64).unwrap();
        // A file that another hand moved on, or that came back from a backup of another machine.
        assert!(matches!((&mine).reserve(64), Err(Error::Nonsense(_))));
        (&mine).reserve(128).unwrap();
        drop(mine);
        assert_eq!(NumberFile::open(path).unwrap().read().unwrap(), 128);
    }
}
