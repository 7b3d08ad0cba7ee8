//! `latchwork exchange …`: the rows by which services act for people (RFC 8693). They are made by `apply`.

use clap::{Args, Subcommand};

use super::Failure;
use super::server::Server;

/// List the rows by which services act for people, and remove them
#[derive(Args)]
pub(super) struct Exchange {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List the rows
    List {
        #[command(flatten)]
        server: Server,
    },
    /// Remove a row as if it had never been; a wider one counts then, if there is one
    Remove {
        /// Its id, as `exchange list` shows it
        #[arg(allow_hyphen_values = true)]
        id: String,
        #[command(flatten)]
        server: Server,
    },
}

impl Exchange {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.verb {
            Verb::List { server } => server.connect()?.list("exchanges"),
            Verb::Remove { id, server } => server.connect()?.remove("exchanges", &id),
        }
    }
}
