//! What outlives a restart: a directory of small files, each replaced as a whole.

use latchwork_rs_lib::{Flash, FlashFailed, Series};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory in the place of flash; without one nothing is remembered.
#[derive(Clone)]
pub(crate) struct State(Option<Arc<Directory>>);

struct Directory {
    path: PathBuf,
    /// Locked for as long as it is open: two processes would count from the same numbers.
    _own: File,
}

impl State {
    /// Creates the directory if need be. [`ErrorKind::WouldBlock`] if another lock has it.
    pub(crate) fn open(directory: Option<PathBuf>) -> std::io::Result<Self> {
        let Some(path) = directory else { return Ok(Self(None)) };
        fs::create_dir_all(&path)?;
        let own = File::options().create(true).append(true).open(path.join(OWN))?;
        own.try_lock()?;
        Ok(Self(Some(Arc::new(Directory { path, _own: own }))))
    }

    /// The content of a file; None if it was never written.
    pub(crate) fn read(&self, name: &str) -> std::io::Result<Option<Vec<u8>>> {
        match fs::read(self.path(name)?) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts `content` in the place of what the file had. When this returns, a power cut leaves the new content; when a
    /// power cut comes before, the old.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> std::io::Result<()> {
        let path = self.path(name)?;
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    }

    /// Whether anything is remembered.
    pub(crate) fn keeps(&self) -> bool {
        self.0.is_some()
    }

    fn path(&self, name: &str) -> std::io::Result<PathBuf> {
        self.0.as_ref().map(|directory| directory.path.join(name)).ok_or_else(|| ErrorKind::Unsupported.into())
    }
}

impl Flash for State {
    fn read(&mut self, series: Series) -> Result<Option<u64>, FlashFailed> {
        match State::read(self, &name(series)) {
            Ok(Some(content)) => {
                let text = String::from_utf8(content).map_err(|_| FlashFailed)?;
                text.trim().parse().map(Some).map_err(|_| FlashFailed)
            }
            Ok(None) => Ok(None),
            Err(_) => Err(FlashFailed),
        }
    }

    fn write(&mut self, series: Series, number: u64) -> Result<(), FlashFailed> {
        State::write(self, &name(series), format!("{number}\n").as_bytes()).map_err(|error| {
            tracing::error!(%error, "cannot remember a token");
            FlashFailed
        })
    }
}

fn name(Series(series): Series) -> String {
    format!("exi-{:016x}", u64::from_be_bytes(series))
}

/// The file that is locked.
const OWN: &str = "in-use";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_over_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (Series([1; 8]), Series([2; 8]));
        let open = || State::open(Some(dir.path().join("state"))).unwrap();
        assert_eq!(Flash::read(&mut open(), one), Ok(None));
        for number in [5, 7] {
            Flash::write(&mut open(), one, number).unwrap();
            assert_eq!(Flash::read(&mut open(), one), Ok(Some(number)));
        }
        assert_eq!(Flash::read(&mut open(), other), Ok(None));
    }

    /// The directory is free again once the last copy of the state is gone.
    #[test]
    fn two_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let open = || State::open(Some(dir.path().to_owned())).map_err(|error| error.kind());
        let copy = open().unwrap().clone();
        assert_eq!(open().err(), Some(ErrorKind::WouldBlock));
        drop(copy);
        assert!(open().is_ok());
    }

    /// A number that cannot be read is not the same as none: then nothing is known, and nothing is taken.
    #[test]
    fn what_cannot_be_read_is_a_failure() {
        let dir = tempfile::tempdir().unwrap();
        let mut state = State::open(Some(dir.path().to_owned())).unwrap();
        let series = Series([1; 8]);
        std::fs::write(dir.path().join(name(series)), "many\n").unwrap();
        assert_eq!(Flash::read(&mut state, series), Err(FlashFailed));
        let mut none = State::open(None).unwrap();
        assert_eq!(
            (Flash::read(&mut none, series), Flash::write(&mut none, series, 1)),
            (Err(FlashFailed), Err(FlashFailed))
        );
    }
}
