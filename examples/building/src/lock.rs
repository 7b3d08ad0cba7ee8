//! A door lock with no network but the socket it is spoken to on, and the record of what its bolt did.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::board::{self, Board, Pace};
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
    /// Where its clock is moved; a board has none.
    clock: Option<PathBuf>,
    /// Ends with the lock.
    _body: Body,
}

enum Body {
    Linux { _process: Process },
    Board { _board: Board },
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
        let _body = Body::Linux { _process: process };
        Ok(Self { name: name.to_owned(), address, corridor, record, clock: Some(clock), _body })
    }

    /// Starts the same lock on a microcontroller. Its chip is kept in `directory`: a second start is a reboot.
    pub fn on_board(
        name: &str,
        file: &Path,
        key: Option<&Path>,
        (directory, logs): (&Path, &Path),
        (variant, pace): (&str, Pace),
    ) -> Outcome<Self> {
        let chip = directory.join(format!("{name}.chip"));
        if !chip.exists() {
            board::write_chip(file, key, &chip)?;
        }
        let board = Board::start(&format!("lock-{name}"), &board::image(variant)?, &chip, logs, pace)?;
        let (address, record) = (board.address(), board.process.log().to_owned());
        let corridor = Sniffer::before(address)?;
        let _body = Body::Board { _board: board };
        Ok(Self { name: name.to_owned(), address, corridor, record, clock: None, _body })
    }

    /// Whether it knows the date.
    pub fn has_clock(&self) -> bool {
        self.clock.is_some()
    }

    /// What it did and what each step cost, as a board says it on its console: `did WHAT ticks N stack N held N`.
    pub fn costs(&self) -> Outcome<Vec<String>> {
        let said = fs::read_to_string(&self.record)?;
        Ok(said.lines().filter(|line| line.starts_with("did ")).map(str::to_owned).collect())
    }

    /// How often the bolt was drawn back, as its actuator wrote it down.
    pub fn moves(&self) -> Outcome<usize> {
        let record = match fs::read_to_string(&self.record) {
            Ok(record) => record,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error.into()),
        };
        // A line of JSON from Linux, a line of words from a board.
        let drawn = |line: &&str| line.contains("\"bolt\":\"unlocked\"") || line.starts_with("bolt unlocked");
        Ok(record.lines().filter(drawn).count())
    }

    /// Sets the lock's clock ahead of the true time.
    pub fn set_clock(&self, seconds_ahead: i64) -> Outcome<()> {
        self.write_clock(&seconds_ahead.to_string())
    }

    /// Takes the lock's clock away.
    pub fn lose_clock(&self) -> Outcome<()> {
        self.write_clock("unknown")
    }

    fn write_clock(&self, text: &str) -> Outcome<()> {
        Ok(fs::write(self.clock.as_ref().ok_or("this lock has no clock")?, text)?)
    }
}
