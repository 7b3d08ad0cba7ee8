//! A door lock with no network but the socket it is spoken to on, and the record of what its bolt did.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::building::program;
use crate::{Outcome, Process, Sniffer};

/// A running lock.
pub struct Lock {
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Who stands in the corridor before it; phones are told this address.
    pub corridor: Sniffer,
    record: PathBuf,
    clock: PathBuf,
    /// Ends with the lock.
    _process: Process,
}

impl Lock {
    /// Starts the lock of `file`, as `latchwork lock enroll` wrote it.
    /// With a `key` of its own it speaks EDHOC.
    pub fn start(
        name: &str,
        file: &Path,
        key: Option<&Path>,
        directory: &Path,
        logs: &Path,
        filter: &str,
    ) -> Outcome<Self> {
        let (record, clock) = (directory.join(format!("{name}.moves")), directory.join(format!("{name}.clock")));
        fs::write(&clock, "0")?;
        let mut command = Command::new(program("door-lock")?);
        command.env("RUST_LOG", filter).args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(file);
        command.arg("--record").arg(&record).arg("--clock-offset-file").arg(&clock);
        if let Some(key) = key {
            command.arg("--key").arg(key);
        }
        let mut process = Process::start(&format!("lock-{name}"), logs, &mut command)?;
        let address = process.line("listening on coap://")?.parse()?;
        let corridor = Sniffer::before(address)?;
        Ok(Self { name: name.to_owned(), address, corridor, record, clock, _process: process })
    }

    /// How often the bolt was drawn back, as its actuator wrote it down.
    pub fn moves(&self) -> Outcome<usize> {
        let record = match fs::read_to_string(&self.record) {
            Ok(record) => record,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error.into()),
        };
        Ok(record.lines().filter(|line| line.contains("\"bolt\":\"unlocked\"")).count())
    }

    /// Sets the lock's clock ahead of the true time.
    pub fn set_clock(&self, seconds_ahead: i64) -> Outcome<()> {
        Ok(fs::write(&self.clock, seconds_ahead.to_string())?)
    }

    /// Takes the lock's clock away.
    pub fn lose_clock(&self) -> Outcome<()> {
        Ok(fs::write(&self.clock, "unknown")?)
    }
}
