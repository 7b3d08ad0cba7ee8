//! `latchwork client list`, `client remove ID`. Clients are made by `apply`.

use clap::{Args, Subcommand};

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
            Verb::List { server } => server.connect()?.list("clients"),
            Verb::Remove { id, server } => server.connect()?.remove("clients", id.as_str()),
        }
    }
}
