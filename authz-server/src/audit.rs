//! The audit log: one JSON line per decision, with the real reason and never a secret.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// Where the lines go. One `write` per line, so that lines stay whole and a killed process loses none.
pub struct Audit(Sink);

enum Sink {
    StandardError,
    File(Mutex<File>),
}

impl Audit {
    /// Appends to `file` (mode 0600 when new), or writes to standard error.
    pub fn open(file: Option<&Path>) -> io::Result<Self> {
        Ok(Self(match file {
            None => Sink::StandardError,
            Some(file) => Sink::File(Mutex::new(OpenOptions::new().append(true).create(true).mode(0o600).open(file)?)),
        }))
    }

    /// Writes one line. A log that cannot be written is an error of the operator's to see, not of the client's.
    pub fn record(&self, entry: &impl Serialize) {
        let written = serde_json::to_vec(entry).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            match &self.0 {
                Sink::StandardError => io::stderr().lock().write_all(&line),
                Sink::File(file) => file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line),
            }
        });
        if let Err(error) = written {
            tracing::error!(%error, "the audit log cannot be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files;

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
