//! What the app keeps between two starts.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

/// Where the app keeps its tokens; on a phone, storage that only this app can read. Called from asynchronous code: be quick.
pub trait TokenStore: Send + Sync {
    /// What was saved last, or nothing.
    fn load(&self) -> io::Result<Option<Vec<u8>>>;
    /// Replaces what was saved. When this returns, it survives a power cut; before, the old state does.
    fn save(&self, state: &[u8]) -> io::Result<()>;
}

/// One file, readable by its owner alone. For one process at a time.
pub struct FileStore(PathBuf);

impl FileStore {
    /// The file need not exist; its directory must.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }
}

impl TokenStore for FileStore {
    fn load(&self) -> io::Result<Option<Vec<u8>>> {
        match fs::read(&self.0) {
            Ok(state) => Ok(Some(state)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn save(&self, state: &[u8]) -> io::Result<()> {
        let mut next = self.0.clone().into_os_string();
        next.push(".next");
        // What a crash left, or somebody put there with another mode.
        match fs::remove_file(&next) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&next)?;
        file.write_all(state)?;
        file.sync_all()?;
        fs::rename(&next, &self.0)?;
        match self.0.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            Some(parent) => File::open(parent)?.sync_all(),
            None => File::open(".")?.sync_all(),
        }
    }
}
