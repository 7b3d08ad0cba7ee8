//! `signing_keys DIR`: the private signing keys of the stopped server in DIR, one in hexadecimal on each line, for a test that
//! looks for them where they must not be.
#![allow(clippy::print_stdout)]

use std::path::PathBuf;
use std::sync::Arc;

use latchwork_authz_server::config::Config;
use latchwork_authz_server::core::bytes::hex;
use latchwork_authz_server::core::records::SigningKey;
use latchwork_authz_server::keys::Keys;
use latchwork_authz_server::store::facts::Records;
use latchwork_authz_server::store::sled::Sled;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = PathBuf::from(std::env::args_os().nth(1).ok_or("signing_keys DIR")?);
    let config = Config::load(&dir)?;
    let keys = Keys::load(&dir.join("keys"), &config.keys.kek)?;
    let records = Records::new(Arc::new(Sled::open(&config.store.path, config.store.cache)?));
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    for (key, _) in runtime.block_on(records.all::<SigningKey>())? {
        println!("{}", hex(&keys.storage.open(&key.label(), &key.secret.0.0)?));
    }
    Ok(())
}
