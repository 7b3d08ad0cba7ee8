//! `latchwork lock enroll NAME`, `lock list`, `lock remove NAME`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use reqwest::Method;
use zeroize::Zeroizing;

use super::Failure;
use super::server::Server;
use crate::core::bytes::base64url;
use crate::core::bytes::unhex;
use crate::core::names::{DoorName, GroupName, LockName};
use crate::core::records::ClockMode;
use crate::files;
use crate::shell::http::admin::{Enrolment, LockFile};

/// Enrol locks, list them, remove them
#[derive(Args)]
pub(super) struct Lock {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Create the lock, or give it a new key, and write NAME.lock for it
    Enroll(Enroll),
    /// List the locks
    List {
        #[command(flatten)]
        server: Server,
    },
    /// Remove a lock; no token for it is minted any more
    Remove {
        /// Its name
        name: LockName,
        #[command(flatten)]
        server: Server,
    },
}

#[derive(Args)]
struct Enroll {
    /// Its name; the audience is urn:latchwork:lock:NAME
    name: LockName,
    /// The credential that the lock printed (door-lock keygen); needed for signed tokens only
    #[arg(long, value_name = "FILE")]
    credential: Option<PathBuf>,
    /// A group whose signed tokens it takes, too; may repeat
    #[arg(long = "group", value_name = "G")]
    groups: Vec<GroupName>,
    /// The door it moves, if not of its own name
    #[arg(long)]
    door: Option<DoorName>,
    /// Where people reach it
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<String>,
    /// What it knows of the time: clock, exi or nonce
    #[arg(long, value_parser = clock)]
    clock: Option<ClockMode>,
    /// Where the lock reaches this server by CoAP; it may then ask about its tokens (introspection, revocation list)
    #[arg(long, value_name = "HOST:PORT")]
    online: Option<String>,
    /// Give a lock that has a key a new one; its old file is void then
    #[arg(long)]
    replace: bool,
    /// Where to write its file [default: NAME.lock]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    server: Server,
}

impl Lock {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.verb {
            Verb::Enroll(enroll) => enroll.run(),
            Verb::List { server } => server.connect()?.list("locks"),
            Verb::Remove { name, server } => server.connect()?.remove("locks", name.as_str()),
        }
    }
}

impl Enroll {
    fn run(self) -> Result<(), Failure> {
        let out = self.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}.lock", self.name)));
        if out.exists() && !self.replace {
            let taken = std::io::Error::new(std::io::ErrorKind::AlreadyExists, "exists already; nothing was changed");
            return Err(Failure::io(out.display(), taken));
        }
        let credential = match &self.credential {
            Some(file) => Some(credential(&std::fs::read(file).map_err(|cause| Failure::io(file.display(), cause))?)),
            None => None,
        };
        let wanted = Enrolment {
            credential,
            groups: self.groups.into_iter().collect(),
            door: self.door,
            address: self.address,
            clock: self.clock,
            replace: self.replace,
            online: self.online,
        };
        let path = format!("locks/{}/enroll", self.name);
        let made: Option<LockFile> = self.server.connect()?.ask(Method::POST, &path, Some(&wanted))?;
        let text = Zeroizing::new(toml::to_string(&made).map_err(|cause| Failure::Other(cause.into()))?);
        if out.exists() {
            std::fs::remove_file(&out).map_err(|cause| Failure::io(out.display(), cause))?;
        }
        files::create_secret(&out, text.as_bytes()).map_err(|cause| Failure::io(out.display(), cause))?;
        super::say_line(&format!("{} enrolled; its file is {}", self.name, out.display()))
    }
}

/// The CCS as base64url, whether the file holds its bytes or their hexadecimal or base64url text.
fn credential(file: &[u8]) -> String {
    let text = std::str::from_utf8(file).map(str::trim).unwrap_or_default();
    match (unhex(text), text.is_empty()) {
        (Some(bytes), false) => base64url(&bytes),
        (None, false) if text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') => text.to_owned(),
        _ => base64url(file),
    }
}

fn clock(text: &str) -> Result<ClockMode, String> {
    match text {
        "clock" => Ok(ClockMode::Clock),
        "exi" => Ok(ClockMode::Exi),
        "nonce" => Ok(ClockMode::Nonce),
        _ => Err("one of: clock, exi, nonce".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_in_any_of_its_forms() {
        for file in [&b"\xa1\x08\xa0"[..], b"a108a0\n", b"oQig\n"] {
            assert_eq!(credential(file), "oQig", "{file:?}");
        }
    }
}
