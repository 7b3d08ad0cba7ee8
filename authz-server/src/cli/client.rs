//! `latchwork client …`. Clients are made by `apply`, or register themselves with a token that `client token` writes.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;
use zeroize::Zeroizing;

use super::Failure;
use super::server::Server;
use crate::core::change::Rev;
use crate::core::names::ClientId;
use crate::files;
use crate::shell::http::admin::{Admission, Given, Wanted};

/// List clients, remove them, let them register themselves
#[derive(Args)]
pub(super) struct Client {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List the clients, without their secrets
    List {
        #[command(flatten)]
        server: Server,
    },
    /// Remove a client; it gets no token any more
    Remove {
        /// Its id
        id: ClientId,
        #[command(flatten)]
        server: Server,
    },
    /// Admit a client that registered itself, as `client list` shows it: it may have what policy gives
    Admit {
        /// Its id
        id: ClientId,
        /// The revision that `client list` shows with it; if it changed since, look again
        revision: u64,
        #[command(flatten)]
        server: Server,
    },
    /// Write a token with which clients register themselves (RFC 7591)
    Token {
        /// How many clients
        #[arg(long, default_value_t = 1)]
        uses: u32,
        /// For how many hours
        #[arg(long, default_value_t = 24)]
        hours: u32,
        /// Where to write it; the file must not exist
        #[arg(long, value_name = "FILE", default_value = "registration.token")]
        out: PathBuf,
        #[command(flatten)]
        server: Server,
    },
    /// List the tokens for registration that are good, by their ids
    Tokens {
        #[command(flatten)]
        server: Server,
    },
    /// Void a token for registration
    Void {
        /// Its id, as `client tokens` lists it
        #[arg(allow_hyphen_values = true)]
        id: String,
        #[command(flatten)]
        server: Server,
    },
}

impl Client {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.verb {
            Verb::List { server } => server.connect()?.list("clients"),
            Verb::Remove { id, server } => server.connect()?.remove("clients", id.as_str()),
            Verb::Admit { id, revision, server } => {
                let id: String = openidconnect::url::form_urlencoded::byte_serialize(id.as_str().as_bytes()).collect();
                let path = format!("clients/{id}/admit");
                let admission = Admission { revision: Rev(revision) };
                server.connect()?.ask::<Value>(Method::POST, &path, Some(&admission)).map(drop)
            }
            Verb::Token { uses, hours, out, server } => {
                if out.exists() {
                    let taken =
                        std::io::Error::new(std::io::ErrorKind::AlreadyExists, "exists already; no token was made");
                    return Err(Failure::io(out.display(), taken));
                }
                let wanted = Wanted { uses, seconds: hours.saturating_mul(3600) };
                let given: Option<Given> = server.connect()?.ask(Method::POST, "registration-tokens", Some(&wanted))?;
                let Some(given) = given else { return Err(Failure::Other("the server gave no token".into())) };
                let token = Zeroizing::new(given.token);
                files::create_secret(&out, format!("{}\n", *token).as_bytes())
                    .map_err(|cause| Failure::io(out.display(), cause))?;
                super::say_line(&format!("{} is token {}, for {} clients", out.display(), given.id, given.uses))
            }
            Verb::Tokens { server } => server.connect()?.list("registration-tokens"),
            Verb::Void { id, server } => server.connect()?.remove("registration-tokens", &id),
        }
    }
}
