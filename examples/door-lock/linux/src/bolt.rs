//! A bolt made of a file: every move is a line.

use latchwork_door_lock_app::{Bolt, Stuck};
use latchwork_rs_lib::{Allowed, Wall};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use crate::clock::Clock;

/// Appends one JSON line per move, and returns only when the line is with the kernel.
pub(crate) struct Record<'c> {
    file: File,
    clock: &'c Clock,
}

#[derive(serde::Serialize)]
struct Move<'m> {
    /// Seconds since 1970 by the lock's clock; null if it does not know.
    at: Option<i64>,
    bolt: &'static str,
    /// Hash of the token that permitted it; null when the bolt goes back by itself.
    holder: Option<&'m str>,
}

impl<'c> Record<'c> {
    /// Goes on where an earlier record ends.
    pub(crate) fn open(path: &Path, clock: &'c Clock) -> std::io::Result<Self> {
        Ok(Self { file: OpenOptions::new().create(true).append(true).open(path)?, clock })
    }

    fn write(&mut self, bolt: &'static str, holder: Option<&str>) -> Result<(), Stuck> {
        let at = match self.clock.now().wall {
            Wall::Between { latest, .. } => Some(latest),
            Wall::Unknown => None,
        };
        let written =
            serde_json::to_vec(&Move { at, bolt, holder }).map_err(std::io::Error::from).and_then(|mut line| {
                line.push(b'\n');
                self.file.write_all(&line)
            });
        written
            .inspect(|()| tracing::info!(bolt, holder, "the bolt moved"))
            .inspect_err(|error| tracing::error!(bolt, %error, "the bolt is stuck"))
            .map_err(|_| Stuck)
    }
}

impl Bolt for Record<'_> {
    fn unlock(&mut self, allowed: &Allowed<'_>) -> Result<(), Stuck> {
        self.write("unlocked", Some(&allowed.holder().token().to_string()))
    }

    fn lock(&mut self) -> Result<(), Stuck> {
        self.write("locked", None)
    }
}
