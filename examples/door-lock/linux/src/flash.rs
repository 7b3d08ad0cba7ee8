//! The lock's file as the flash chip of a board without files.

use crate::config::Config;
use crate::keygen;
use crate::serve::Fault;
use latchwork_crypto::Secret;
use latchwork_door_lock_app::page::MAX_LEN;
use std::io::{Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes the page of `config`, and of the lock's own key where it has one, to the start of a new file that is one whole
/// chip, otherwise erased.
pub(crate) fn flash(config: &Path, key: Option<&Path>, chip: &Path) -> Result<(), Fault> {
    let text = std::fs::read_to_string(config).map_err(|error| Fault::File(config.to_owned(), error))?;
    let wrong = |error| Fault::Config(config.to_owned(), error);
    let config = Config::parse(&text).map_err(wrong)?;
    let mut seed = Secret::new([0; 32]);
    getrandom::fill(seed.expose_mut()).map_err(std::io::Error::other)?;
    let file = |error| Fault::File(key.unwrap_or(chip).to_owned(), error);
    let key =
        key.map(|path| keygen::read(path).and_then(|key| Ok((keygen::ccs(&key)?, key)))).transpose().map_err(file)?;
    let own_key = key.as_ref().map(|(ccs, key)| (Secret::new(*key.expose()), ccs.as_slice()));
    let mut page = [ERASED; MAX_LEN];
    config.write_page(seed, own_key, &mut page).map_err(wrong)?;

    let file = |error| Fault::File(chip.to_owned(), error);
    let mut out = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(chip).map_err(file)?;
    out.write_all(&[ERASED; ERASED_LEN]).map_err(file)?;
    out.rewind().map_err(file)?;
    out.write_all(&page).map_err(file)?;
    out.set_len(CHIP_LEN).and_then(|()| out.sync_all()).map_err(file)
}

const ERASED: u8 = 0xff;

/// What the lock uses of its chip.
const ERASED_LEN: usize = 64 << 10;

/// QEMU's board wants a chip of exactly this size.
const CHIP_LEN: u64 = 16 << 20;
