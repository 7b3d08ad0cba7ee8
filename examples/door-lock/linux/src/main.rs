//! A door lock on Linux: a UDP socket, a clock, and a file in the place of a bolt.

mod bolt;
mod clock;
mod config;
mod flash;
mod kernel;
mod keygen;
mod online;
mod questions;
mod revoked;
mod serve;
mod state;

use clap::{Parser, Subcommand};
use clock::{Clock, SystemClock};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// A door lock.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Guard the door until killed.
    Serve {
        /// What `latchwork lock enroll` wrote for this lock.
        #[arg(long)]
        config: PathBuf,
        /// The private half of the credential that the server knows, as `keygen` wrote it. Without it there is no EDHOC.
        #[arg(long)]
        key: Option<PathBuf>,
        /// Address to listen on; port 0 takes a free one and prints it.
        #[arg(long, default_value = "127.0.0.1:5683")]
        listen: SocketAddr,
        /// Where every move of the bolt is recorded, one JSON line each.
        #[arg(long)]
        record: PathBuf,
        /// A directory for what outlives a restart; a lock enrolled with clock mode `exi` or with `--online` needs it.
        #[arg(long)]
        state: Option<PathBuf>,
        /// How often a lock enrolled with `--online` looks for revoked tokens that nobody told it of.
        #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
        poll: u64,
        /// Ask the server about tokens that the lock cannot read itself: references, say. Needs a lock enrolled with `--online`.
        #[arg(long)]
        introspect: bool,
        /// When the system clock is believed.
        #[arg(long, value_enum, default_value_t = SystemClock::Synchronized)]
        system_clock: SystemClock,
        /// A file with seconds to add to the system clock, or `unknown`; read whenever the time is asked for.
        #[arg(long)]
        clock_offset_file: Option<PathBuf>,
    },
    /// Write the flash chip of a board without files (`examples/door-lock/cortex-m`).
    Flash {
        /// What `latchwork lock enroll` wrote for this lock.
        #[arg(long)]
        config: PathBuf,
        /// The private half of the credential that the server knows, as `keygen` wrote it. Without it there is no EDHOC.
        #[arg(long)]
        key: Option<PathBuf>,
        /// Where the chip goes; must not exist yet.
        #[arg(long)]
        chip: PathBuf,
    },
    /// Write the configuration that the lock in C is compiled with (`examples/door-lock/c`).
    Header {
        /// What `latchwork lock enroll` wrote for this lock.
        #[arg(long)]
        config: PathBuf,
        /// The private half of the credential that the server knows, as `keygen` wrote it. Without it there is no EDHOC.
        #[arg(long)]
        key: Option<PathBuf>,
        /// Where it goes, `DIRECTORY/lock_config.h`; must not exist yet.
        #[arg(long)]
        out: PathBuf,
    },
    /// Make a static Diffie-Hellman key, and print its credential (a CCS, in hex) for the server to know.
    Keygen {
        /// Where the private half goes; must not exist yet.
        #[arg(long)]
        key: PathBuf,
    },
}

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let done = match Arguments::parse().verb {
        Verb::Serve { config, key, listen, record, state, poll, introspect, system_clock, clock_offset_file } => {
            let asked = serve::Asked { poll, introspect };
            serve::serve(
                &config,
                key.as_deref(),
                listen,
                &record,
                state,
                asked,
                Clock::new(system_clock, clock_offset_file),
            )
        }
        Verb::Flash { config, key, chip } => flash::flash(&config, key.as_deref(), &chip),
        Verb::Header { config, key, out } => config::header::header(&config, key.as_deref(), &out),
        Verb::Keygen { key } => keygen::keygen(&key).map_err(serve::Fault::from),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            tracing::error!("{fault}");
            ExitCode::FAILURE
        }
    }
}
