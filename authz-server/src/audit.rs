//! The audit log: one JSON line per decision, with the real reason and never a secret.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// Where the lines go. One `write` per line, so that lines stay whole and a killed process loses none.
pub struct Audit {
    sink: Sink,
    required: bool,
}

/// The log is required, and a line of it could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit log cannot be written")]
pub struct Unwritten;

enum Sink {
    StandardError,
    File(Mutex<File>),
}

impl Audit {
    /// Appends to `file` (mode 0600 when new), or writes to standard error.
    pub fn open(file: Option<&Path>) -> io::Result<Self> {
        let sink = match file {
            None => Sink::StandardError,
            Some(file) => Sink::File(Mutex::new(OpenOptions::new().append(true).create(true).mode(0o600).open(file)?)),
        };
        Ok(Self { sink, required: true })
    }

    /// Whether what must not happen unseen waits for its line; it does unless told otherwise here.
    #[must_use]
    pub fn required(self, required: bool) -> Self {
        Self { required, ..self }
    }

    /// Writes the line of something that must not happen unseen.
    ///
    /// # Errors
    /// It cannot be written, and the log is required.
    pub fn record_first(&self, entry: &impl Serialize) -> Result<(), Unwritten> {
        if self.write(entry) || !self.required { Ok(()) } else { Err(Unwritten) }
    }

    /// Writes one line, of something that has happened already or grants nothing: a failure is for the operator to see.
    pub fn record(&self, entry: &impl Serialize) {
        self.write(entry);
    }

    fn write(&self, entry: &impl Serialize) -> bool {
        let written = serde_json::to_vec(entry).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            match &self.sink {
                Sink::StandardError => io::stderr().lock().write_all(&line),
                Sink::File(file) => file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line),
            }
        });
        if let Err(error) = &written {
            tracing::error!(%error, "the audit log cannot be written");
        }
        written.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files;

    /// `/dev/full` is a disk without room.
    #[test]
    fn a_required_line_is_written_or_refused() {
        let full = || Audit::open(Some(Path::new("/dev/full"))).unwrap();
        for (audit, expected) in [
            (full(), Err(Unwritten)),
            (full().required(false), Ok(())),
            (Audit::open(Some(Path::new("/dev/null"))).unwrap(), Ok(())),
        ] {
            assert_eq!(audit.record_first(&"line"), expected);
            audit.record(&"line");
        }
    }

    #[test]
    fn appends_whole_lines_to_a_private_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("audit.jsonl");
        for run in 0..2 {
            let audit = Audit::open(Some(&file)).unwrap();
            audit.record(&(run, "line\nbreak"));
        }
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text, "[0,\"line\\nbreak\"]\n[1,\"line\\nbreak\"]\n");
        assert_eq!(files::mode(&file).unwrap(), 0o600);
    }
}
