//! The command line. Exit codes: 0 done; 1 refused or failed; 2 not understood; 74 the store failed; 78 the configuration is wrong.

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::ConfigError;
use crate::keys::KeyError;
use crate::shell::signing::SigningFault;
use crate::store::StoreError;
use crate::store::sled::EXIT_STORE;

mod admin_token;
mod apply;
mod client;
mod exchange;
mod init;
mod keys;
mod lock;
mod policy;
mod revoke;
mod serve;
mod server;
mod token;

/// Short-lived, key-bound permission to use things that may be offline.
#[derive(Parser)]
#[command(name = "latchwork", version)]
struct Line {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Init(init::Init),
    Serve(serve::Serve),
    Apply(apply::Apply),
    Lock(lock::Lock),
    Client(client::Client),
    Exchange(exchange::Exchange),
    Keys(keys::Keys),
    Policy(policy::Policy),
    Revoke(revoke::Revoke),
    Token(token::Token),
    AdminToken(admin_token::AdminToken),
}

/// Runs the verb on this process's command line; says in one line why it failed.
#[must_use]
pub fn run() -> ExitCode {
    crate::shell::tls::install_provider();
    let done = match Line::parse().verb {
        Verb::Init(init) => init.run(),
        Verb::Serve(serve) => serve.run(),
        Verb::Apply(apply) => apply.run(),
        Verb::Lock(lock) => lock.run(),
        Verb::Client(client) => client.run(),
        Verb::Exchange(exchange) => exchange.run(),
        Verb::Keys(keys) => keys.run(),
        Verb::Policy(policy) => policy.run(),
        Verb::Revoke(revoke) => revoke.run(),
        Verb::Token(token) => token.run(),
        Verb::AdminToken(token) => token.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("latchwork: {failure}");
            failure.exit_code()
        }
    }
}

/// Prints an answer of the server as indented JSON.
fn say(answer: &serde_json::Value) -> Result<(), Failure> {
    say_line(&format!("{answer:#}"))
}

/// Prints a line; `println!` would panic on a closed pipe.
fn say_line(line: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    writeln!(std::io::stdout().lock(), "{line}").map_err(|cause| Failure::io("standard output", cause))
}

/// Why a verb failed; its text is what the operator reads.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error(transparent)]
    Signing(#[from] SigningFault),
    /// A configured thing that cannot be used.
    #[error("{key}: {cause}")]
    Setting { key: &'static str, cause: Box<dyn Error + Send + Sync> },
    #[error("{what}: {cause}")]
    Io { what: String, cause: std::io::Error },
    #[error(transparent)]
    Other(#[from] Box<dyn Error + Send + Sync>),
}

impl Failure {
    fn setting(key: &'static str, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Setting { key, cause: cause.into() }
    }

    fn io(what: impl std::fmt::Display, cause: std::io::Error) -> Self {
        Self::Io { what: what.to_string(), cause }
    }

    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_) | Self::Setting { .. } => ExitCode::from(EXIT_CONFIG),
            Self::Store(_) | Self::Signing(SigningFault::Store(_)) => {
                u8::try_from(EXIT_STORE).map_or(ExitCode::FAILURE, ExitCode::from)
            }
            Self::Keys(_) | Self::Signing(_) | Self::Io { .. } | Self::Other(_) => ExitCode::FAILURE,
        }
    }
}

/// EX_CONFIG of sysexits(3).
const EXIT_CONFIG: u8 = 78;
