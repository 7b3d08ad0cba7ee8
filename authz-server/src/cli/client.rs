//! `latchwork client list`, `client remove ID`. Clients are made by `apply`.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::Value;

use super::Failure;
use super::server::Server;
use crate::core::names::ClientId;

/// List clients, remove them
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
}

impl Client {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.verb {
            Verb::List { server } => {
                let list: Option<Value> = server.connect()?.ask(Method::GET, "clients", None::<&Value>)?;
                super::say(&list.unwrap_or_default())
            }
            Verb::Remove { id, server } => {
                let id: String = openidconnect::url::form_urlencoded::byte_serialize(id.as_str().as_bytes()).collect();
                let _: Option<Value> =
                    server.connect()?.ask(Method::DELETE, &format!("clients/{id}"), None::<&Value>)?;
                Ok(())
            }
        }
    }
}
