//! `latchwork admin-token`: a new administrator's token where the old one has ended or is in wrong hands.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use zeroize::Zeroizing;

use super::Failure;
use crate::clock;
use crate::config::Config;
use crate::core::bytes::{Hash32, base64url};
use crate::core::change::{Change, Key};
use crate::core::records::AdminToken as Record;
use crate::files;
use crate::keys::Key32;
use crate::store::facts::Records;
use crate::store::sled::Sled;

/// Write a new admin.token, which voids the old one; while the server is stopped
#[derive(Args)]
pub(super) struct AdminToken {
    /// The server's directory
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

impl AdminToken {
    pub(super) fn run(self) -> Result<(), Failure> {
        make(&self.dir, &Config::load(&self.dir)?)?;
        super::say_line(&format!("{}/{FILE} is new, and good for a year", self.dir.display()))
    }
}

/// The token goes into a file that only its owner reads, its hash into the store. Those before are void.
pub(super) fn make(dir: &Path, settings: &Config) -> Result<(), Failure> {
    let token = Zeroizing::new(base64url(Key32::random()?.expose()));
    let records = Records::new(Arc::new(Sled::open(&settings.store.path, settings.store.cache)?));
    let runtime =
        tokio::runtime::Builder::new_current_thread().build().map_err(|cause| Failure::io("starting", cause))?;
    let old = runtime.block_on(records.all::<Record>())?;
    let mut changes: Vec<_> = old.into_iter().map(|(old, _)| Change::delete(Key::AdminToken(old.hash))).collect();
    changes.push(Change::put(Record { hash: Hash32::of(&[token.as_bytes()]), expires: clock::now().plus(YEAR) }));
    runtime.block_on(records.commit(&changes))?;
    let file = dir.join(FILE);
    match std::fs::remove_file(&file) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => return Err(Failure::io(file.display(), cause)),
        _ => {}
    }
    files::create_secret(&file, format!("{}\n", *token).as_bytes()).map_err(|cause| Failure::io(file.display(), cause))
}

const FILE: &str = "admin.token";
const YEAR: i64 = 365 * 86_400;
