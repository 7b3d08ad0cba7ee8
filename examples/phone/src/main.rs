//! The app as a command line: everything a phone does, with the browser's address printed instead of opened.

mod home;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use latchwork_client_sdk::{App, Browser, Error, Machine, MachineConfig, Opened, Readiness, Server};

use home::Home;

#[derive(Parser)]
#[command(name = "phone", about = "Opens doors with Latchwork, as the app on a phone does")]
struct Arguments {
    /// Where this phone keeps its key and its tokens.
    #[arg(long, default_value = ".phone")]
    home: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Sign in at the company's provider; prints the page to open.
    SignIn {
        /// The authorization server's issuer URL.
        #[arg(long)]
        server: String,
        /// This app's client id there.
        #[arg(long, default_value = "phone")]
        client: String,
        /// A certificate (PEM) to trust instead of the system's.
        #[arg(long)]
        certificate: Option<PathBuf>,
        /// Ask also for this door's audience; its owner may have to agree first. Repeatable.
        #[arg(long = "audience")]
        audiences: Vec<String>,
    },
    /// List the doors.
    Doors,
    /// Fetch a permission ahead of time.
    Fetch {
        /// The door's name.
        door: String,
    },
    /// Open a door.
    Open {
        /// The door's name.
        door: String,
        /// Open it this many times in one go; all but the first use the context that is there.
        #[arg(long, default_value_t = 1)]
        times: u32,
    },
    /// Forget the person, their permissions and their doors.
    SignOut,
    /// Open a door as a machine, which shares an OSCORE context with the server or has a key of its own.
    Machine {
        /// The machine's configuration (TOML).
        #[arg(long)]
        config: PathBuf,
        /// The door's name.
        door: String,
    },
    /// Print the credential of this machine's own key, for `edhoc` of its [[client]] at the server.
    Credential {
        /// The machine's client id there.
        #[arg(long)]
        client: String,
    },
}

/// Prints the address; a person, or a test, opens it.
struct PrintedPage;

impl Browser for PrintedPage {
    fn open(&self, url: &str) -> io::Result<()> {
        say(&format!("open in a browser: {url}"))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(io::stderr)
        .init();
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let advice = error.downcast_ref::<Error>().map(Error::advice).unwrap_or_default();
            eprintln!("phone: {error}. {advice}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let home = Home::at(arguments.home)?;
    match arguments.verb {
        Verb::SignIn { server, client, certificate, audiences } => {
            let certificate = certificate.map(std::fs::read).transpose()?;
            let server = Server { issuer: server, client_id: client, certificate };
            home.remember(&server)?;
            let doors = app(&home)?.sign_in(&PrintedPage, &audiences).await?;
            say(&format!("signed in, {} doors", doors.len()))?;
        }
        Verb::Doors => {
            for (door, readiness) in app(&home)?.doors().await {
                let ready = match readiness {
                    Readiness::Ready => "ready",
                    Readiness::Online => "online",
                    Readiness::SignIn => "sign-in",
                    Readiness::OwnerConsent => "ask-owner",
                };
                say(&format!("{}\t{ready}\t{}\t{}", door.name, door.address, door.title))?;
            }
        }
        Verb::Fetch { door } => {
            app(&home)?.fetch(&door).await?;
            say(&format!("fetched {door}"))?;
        }
        Verb::Open { door, times } => {
            let app = app(&home)?;
            for _ in 0..times {
                report(&door, &app.open(&door).await?)?;
            }
        }
        Verb::SignOut => app(&home)?.sign_out().await?,
        Verb::Machine { config, door } => {
            let config = machine_config(&std::fs::read_to_string(config)?)?;
            let machine = match &config.edhoc {
                Some(_) => Machine::with_key(config, home.key()?)?,
                None => Machine::new(config, home.numbers())?,
            };
            report(&door, &machine.open(&door).await?)?;
        }
        Verb::Credential { client } => {
            let credential = Machine::credential(&client, &*home.key()?)?;
            say(&credential.iter().map(|byte| format!("{byte:02x}")).collect::<String>())?;
        }
    }
    Ok(())
}

fn app(home: &Home) -> Result<App, Box<dyn std::error::Error>> {
    Ok(App::new(home.server()?, home.key()?, home.tokens())?)
}

/// The error never quotes the file, since it holds keys.
fn machine_config(text: &str) -> Result<MachineConfig, String> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        format!("the machine's configuration is wrong in line {}", before.matches('\n').count() + 1)
    })
}

fn report(door: &str, opened: &Opened) -> io::Result<()> {
    let Opened { round_trips, sent, received, took } = opened;
    say(&format!("opened {door}: {round_trips} round trips, {sent} B out, {received} B in, {} us", took.as_micros()))
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_configuration_is_named_without_its_secrets() {
        for text in [
            "issuer = \"i\"\nmaster_secret = \"5ec2e7\"",
            "issuer = \"i\"\nserver = \"5ec2e7\" x",
            "issuer = \"i\"\noscore = \"5ec2e7\"",
        ] {
            let error = machine_config(text).err().unwrap();
            assert!(error.contains("line") && !error.contains("5ec2e7"), "{error}");
        }
    }
}
