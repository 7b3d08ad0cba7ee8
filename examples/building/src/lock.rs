//! A door lock with no network but the socket it is spoken to on, and the record of what its bolt did.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::board::{self, Board, IN_C, Pace};
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
    body: Body,
}

enum Body {
    Linux { process: Process, again: Again },
    Board { _board: Board, image: (&'static str, Pace) },
}

/// How to start a lock again.
struct Again {
    arguments: Vec<OsString>,
    logs: PathBuf,
    filter: String,
}

impl Again {
    /// At an address of its choice, or at the one that it had.
    fn start(&self, name: &str, listen: &str) -> Outcome<Process> {
        let mut command = Command::new(program("door-lock")?);
        command.env("RUST_LOG", &self.filter).args(["serve", "--listen", listen]).args(&self.arguments);
        Ok(Process::start(&format!("lock-{name}"), &self.logs, &mut command)?)
    }
}

impl Lock {
    /// Starts the lock of `file`, as `latchwork lock enroll` wrote it. With a `key` of its own it speaks EDHOC. What it remembers is
    /// in `directory`.
    pub fn start(
        name: &str,
        file: &Path,
        key: Option<&Path>,
        directory: &Path,
        logs: &Path,
        filter: &str,
    ) -> Outcome<Self> {
        Self::start_with(name, file, key, (directory, logs), filter, &[])
    }

    /// The same with further arguments.
    pub fn start_with(
        name: &str,
        file: &Path,
        key: Option<&Path>,
        (directory, logs): (&Path, &Path),
        filter: &str,
        more: &[&str],
    ) -> Outcome<Self> {
        let (record, clock) = (directory.join(format!("{name}.moves")), directory.join(format!("{name}.clock")));
        fs::write(&clock, "0")?;
        let mut arguments: Vec<OsString> =
            vec!["--config".into(), file.into(), "--record".into(), record.clone().into()];
        // Whether the kernel of this machine says that something keeps its clock is not what is shown here.
        arguments.extend(["--system-clock".into(), "trusted".into()]);
        arguments.extend(["--clock-offset-file".into(), clock.clone().into()]);
        arguments.extend(["--state".into(), directory.join(format!("{name}.state")).into()]);
        if let Some(key) = key {
            arguments.extend(["--key".into(), key.into()]);
        }
        arguments.extend(more.iter().map(OsString::from));
        let again = Again { arguments, logs: logs.to_owned(), filter: filter.to_owned() };
        let mut process = again.start(name, "127.0.0.1:0")?;
        let address = process.line("listening on coap://")?.parse()?;
        let corridor = Sniffer::before(address)?;
        let body = Body::Linux { process, again };
        Ok(Self { name: name.to_owned(), address, corridor, record, clock: Some(clock), body })
    }

    /// Cuts the power of a lock on Linux and gives it back.
    pub fn reboot(&mut self) -> Outcome<()> {
        let Body::Linux { process, again } = &mut self.body else { return Err("a board starts from its chip".into()) };
        process.kill()?;
        *process = again.start(&self.name, &self.address.to_string())?;
        process.line("listening on coap://")?;
        Ok(())
    }

    /// Cuts the power of a lock on Linux.
    pub fn stop(&mut self) -> Outcome<()> {
        match &mut self.body {
            Body::Linux { process, .. } => Ok(process.kill()?),
            Body::Board { .. } => Err("drop a board to stop it".into()),
        }
    }

    /// Waits until it logs these words.
    pub fn says(&mut self, words: &str) -> Outcome<()> {
        match &mut self.body {
            Body::Linux { process, .. } => Ok(process.says(words)?),
            Body::Board { .. } => Err("a board logs nothing".into()),
        }
    }

    /// Starts the same lock on a microcontroller. Its chip is kept in `directory`: a second start is a reboot.
    pub fn on_board(
        name: &str,
        file: &Path,
        key: Option<&Path>,
        (directory, logs): (&Path, &Path),
        (variant, pace): (&'static str, Pace),
    ) -> Outcome<Self> {
        let chip = directory.join(format!("{name}.chip"));
        if !chip.exists() {
            let write = if variant == IN_C { board::link_chip } else { board::write_chip };
            write(file, key, &chip)?;
        }
        let board = Board::start(&format!("lock-{name}"), variant, &chip, logs, pace)?;
        let (address, record) = (board.address(), board.process.log().to_owned());
        let corridor = Sniffer::before(address)?;
        let body = Body::Board { _board: board, image: (variant, pace) };
        Ok(Self { name: name.to_owned(), address, corridor, record, clock: None, body })
    }

    /// The variant of the image that a board runs, and how fast.
    pub fn image(&self) -> Option<(&'static str, Pace)> {
        match &self.body {
            Body::Linux { .. } => None,
            Body::Board { image, .. } => Some(*image),
        }
    }

    /// Whether it knows the date.
    pub fn has_clock(&self) -> bool {
        self.clock.is_some()
    }

    /// What it did and what each step cost, as a board says it on its console: `did WHAT ticks N stack N held N`.
    pub fn costs(&self) -> Outcome<Vec<String>> {
        let said = fs::read_to_string(&self.record)?;
        // It may be writing its last line.
        let whole = said.rsplit_once('\n').map_or("", |(whole, _)| whole);
        Ok(whole.lines().filter(|line| line.starts_with("did ")).map(str::to_owned).collect())
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
