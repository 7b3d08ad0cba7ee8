//! `latchwork keys list`, `keys rotate`, `keys remove KID` at the running server; `keys seal` on the files.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;

use super::Failure;
use super::server::Server;
use crate::config::Config;
use crate::core::bytes::hex;
use crate::core::rotation::Purpose;
use crate::keys;
use crate::shell::http::admin::Rotation;

/// Show the server's signing keys, make new ones, seal its key files anew
#[derive(Args)]
pub(super) struct Keys {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List the signing keys: announced, signing, retired, ended
    List {
        #[command(flatten)]
        server: Server,
    },
    /// Announce the next key; it signs when keys.announce_days have passed
    Rotate {
        /// Of one purpose only: es256, eddsa (CWTs) or api (the people API's JWTs)
        #[arg(long, value_parser = purpose)]
        purpose: Option<Purpose>,
        /// Sign with the new key at once; whoever verifies offline does not have it yet
        #[arg(long)]
        now: bool,
        #[command(flatten)]
        server: Server,
    },
    /// Publish a key no more that does not sign; what it signed is void for whoever fetches the keys anew
    Remove {
        /// Its kid, in hexadecimal
        kid: String,
        #[command(flatten)]
        server: Server,
    },
    /// Print the credential (CCS) by which clients know this server in EDHOC; makes the key in a directory that has none
    Edhoc {
        /// The server's directory
        #[arg(long, default_value = ".")]
        dir: PathBuf,
    },
    /// Seal the key files under the key-encryption key of the configuration; while the server is stopped
    Seal {
        /// The server's directory
        #[arg(long, default_value = ".")]
        dir: PathBuf,
        /// Write them in the clear, so that the configuration may name another key-encryption key
        #[arg(long)]
        plain: bool,
    },
}

impl Keys {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.verb {
            Verb::List { server } => server.connect()?.list("keys"),
            Verb::Rotate { purpose, now, server } => {
                let wanted = Rotation { purpose, now };
                let list: Option<Value> = server.connect()?.ask(Method::POST, "keys/rotate", Some(&wanted))?;
                super::say(&list.unwrap_or_default())
            }
            Verb::Remove { kid, server } => server.connect()?.remove("keys", &kid),
            Verb::Edhoc { dir } => {
                let kek = Config::load(&dir)?.keys.kek;
                let dir = dir.join("keys");
                let key = match keys::Keys::load(&dir, &kek)?.edhoc {
                    Some(key) => key,
                    None => keys::EdhocKey::create(&dir, &kek)?,
                };
                super::say_line(&hex(key.ccs()))
            }
            Verb::Seal { dir, plain } => {
                let kek = Config::load(&dir)?.keys.kek;
                let dir = dir.join("keys");
                keys::reseal(&dir, &keys::Keys::load(&dir, &kek)?, (!plain).then_some(&kek))?;
                super::say_line(if plain { "the key files lie in the clear" } else { "the key files are sealed" })
            }
        }
    }
}

fn purpose(text: &str) -> Result<Purpose, String> {
    let known = Purpose::ALL.into_iter().find(|purpose| purpose.name() == text);
    known.ok_or_else(|| "one of: es256, eddsa, api".to_owned())
}
