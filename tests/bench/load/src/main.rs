//! Asks a server for tokens, over and over, and says how many it gave for a second of its processor time.
//!
//! `load declaration` prints what `latchwork apply` has to know beforehand: the clients' keys are constants, good for nothing else.

mod asker;
mod declaration;
mod jwt;

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use asker::Asker;

type Fault = Box<dyn Error + Send + Sync>;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Print the clients, for `latchwork apply`
    Declaration,
    /// Ask, and print one row
    Ask(Load),
}

/// How a client shows who it is.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    /// client_secret_basic
    Secret,
    /// private_key_jwt, ES256, a new `jti` each
    Assertion,
    /// client_secret_basic, and a DPoP proof with a new `jti` each
    Dpop,
    /// An OSCORE context over CoAP
    Oscore,
}

#[derive(clap::Args, Clone)]
struct Load {
    by: By,
    /// What the row is called
    #[arg(long)]
    name: String,
    /// http://, https:// or coap://, with an address and a port
    #[arg(long)]
    server: String,
    /// The server's name, as assertions and proofs have it
    #[arg(long)]
    issuer: String,
    /// The PEM certificate of an https:// server
    #[arg(long)]
    ca: Option<PathBuf>,
    /// The lock that the tokens are for
    #[arg(long)]
    audience: String,
    /// The server's process
    #[arg(long)]
    pid: u32,
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Seconds before anything is counted
    #[arg(long, default_value_t = 2)]
    warm_up: u64,
    /// Connections, each with one request at a time
    #[arg(long, default_value_t = declaration::CONTEXTS)]
    clients: u8,
    /// Requests per second of all of them together; left out: as many as are answered
    #[arg(long)]
    rate: Option<u32>,
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = match Arguments::parse().verb {
        Verb::Declaration => declaration::print(),
        Verb::Ask(load) => runtime.map_err(Fault::from).and_then(|runtime| runtime.block_on(load.run())),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("load: {fault}");
            ExitCode::FAILURE
        }
    }
}

/// What came of the requests of one client.
#[derive(Default)]
struct Tally {
    micros: Vec<u32>,
    failed: u32,
}

impl Load {
    #[allow(clippy::print_stdout)]
    async fn run(self) -> Result<(), Fault> {
        let begin = Instant::now() + Duration::from_secs(self.warm_up);
        let end = begin + Duration::from_secs(self.seconds);
        let mut clients = JoinSet::new();
        for number in 0..self.clients {
            let asker = Asker::connect(&self, number).await?;
            clients.spawn(client(asker, self.clone(), begin, end));
        }
        tokio::time::sleep_until(begin).await;
        let before = Usage::of(self.pid)?;
        tokio::time::sleep_until(end).await;
        let after = Usage::of(self.pid)?;
        let mut all = Tally::default();
        while let Some(ended) = clients.join_next().await {
            let Tally { micros, failed } = ended??;
            all.micros.extend(micros);
            all.failed += failed;
        }
        all.micros.sort_unstable();
        let answered = all.micros.len() as f64;
        let p99 = all.micros.get(all.micros.len() * 99 / 100).copied().unwrap_or_default();
        println!(
            "{:<34} {:>9.0} {:>9.0} {:>7.1} ms {:>7} {:>8.1}",
            self.name,
            answered / (after.seconds - before.seconds),
            answered / self.seconds as f64,
            f64::from(p99) / 1000.0,
            all.failed,
            after.megabytes
        );
        Ok(())
    }
}

/// Asks until `end`; counts from `begin`.
async fn client(mut asker: Asker, load: Load, begin: Instant, end: Instant) -> Result<Tally, Fault> {
    let mut tally = Tally::default();
    let mut pace = load.rate.map(|rate| {
        let mut pace = interval(Duration::from_secs(1) * u32::from(load.clients) / rate.max(1));
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pace
    });
    loop {
        if let Some(pace) = &mut pace {
            pace.tick().await;
        }
        let asked = Instant::now();
        if asked >= end {
            return Ok(tally);
        }
        let granted = asker.ask().await?;
        if asked < begin {
            continue;
        }
        match granted {
            true => tally.micros.push(u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX)),
            false => tally.failed += 1,
        }
    }
}

/// What a process has used.
struct Usage {
    seconds: f64,
    megabytes: f64,
}

impl Usage {
    fn of(pid: u32) -> Result<Self, Fault> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // After the name, which may contain spaces: utime and stime are the 14th and 15th of all fields.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
        let ticks = fields.skip(11).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next());
        let kilobytes: f64 = resident.ok_or("no VmRSS")?.parse()?;
        Ok(Self { seconds: ticks / TICKS, megabytes: kilobytes / 1024.0 })
    }
}

/// Per second, in /proc, on every Linux of today (USER_HZ).
const TICKS: f64 = 100.0;
