//! Programs that run beside us, and end with us.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

/// How long a program may take until it says that it is ready, in polls of [`POLL`].
const PATIENCE: u32 = 3000;
const POLL: Duration = Duration::from_millis(10);

/// A program of the stage; killed when dropped. Both its outputs go to one file.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    /// Where its part of the log begins; earlier runs may have written there.
    begin: u64,
}

impl Process {
    /// Starts `command`; what it prints goes to `logs/NAME.log`.
    pub fn start(name: &str, logs: &Path, command: &mut Command) -> io::Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let out = File::options().create(true).append(true).open(&log)?;
        let begin = out.metadata()?.len();
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .map_err(|e| io::Error::new(e.kind(), format!("{name}: {e}")))?;
        Ok(Self { name: name.to_owned(), child, log, begin })
    }

    /// Waits for a line that starts with `prefix` and returns the rest of it.
    pub fn line(&mut self, prefix: &str) -> io::Result<String> {
        for _ in 0..PATIENCE {
            let printed = self.printed()?;
            let complete = printed.rsplit_once('\n').map_or("", |(lines, _)| lines);
            if let Some(rest) = complete.lines().find_map(|line| line.strip_prefix(prefix)) {
                return Ok(rest.trim().to_owned());
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("{} ended with {status}:\n{printed}", self.name)));
            }
            thread::sleep(POLL);
        }
        Err(io::Error::new(ErrorKind::TimedOut, format!("{} never printed {prefix:?}", self.name)))
    }

    /// The file that what it prints goes to.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Waits until a line that it prints has these words.
    pub fn says(&mut self, words: &str) -> io::Result<()> {
        for _ in 0..PATIENCE {
            if self.printed()?.contains(words) {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("{} ended with {status}", self.name)));
            }
            thread::sleep(POLL);
        }
        Err(io::Error::new(ErrorKind::TimedOut, format!("{} never said {words:?}", self.name)))
    }

    /// Ends the program as a power cut would.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Waits until the program ends by itself.
    pub fn end(&mut self) -> io::Result<ExitStatus> {
        for _ in 0..PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(POLL);
        }
        Err(io::Error::new(ErrorKind::TimedOut, format!("{} did not end", self.name)))
    }

    /// Everything it printed so far.
    pub fn printed(&self) -> io::Result<String> {
        let mut log = File::open(&self.log)?;
        log.seek(SeekFrom::Start(self.begin))?;
        let mut printed = String::new();
        log.read_to_string(&mut printed)?;
        Ok(printed)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
