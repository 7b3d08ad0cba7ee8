//! One socket, one thread.

use crate::bolt::Record;
use crate::clock::Clock;
use crate::config::{ClockMode, Config, Wrong};
use crate::keygen;
use crate::state::State;
use latchwork_crypto::{CryptoError, P256Private, Random, RustCrypto};
use latchwork_door_lock_app::{Lock, MAX_DATAGRAM};
use latchwork_edhoc::{Identity, Method};
use latchwork_rs_lib::nonce::Nonces;
use latchwork_rs_lib::{Event, Handshakes};
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why the lock does not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// A file or the socket.
    #[error("{0}: {1}")]
    File(PathBuf, std::io::Error),
    /// The socket.
    #[error("{0}: {1}")]
    Socket(SocketAddr, std::io::Error),
    /// The configuration.
    #[error("{0}: {1}")]
    Config(PathBuf, Wrong),
    /// A lock of clock mode `exi` without a readable state.
    #[error("a lock with clock = \"exi\" needs --state, a directory that it can read and write")]
    Forgetful,
    /// No random numbers.
    #[error("no random numbers: {0}")]
    Random(#[from] CryptoError),
    /// Anything else that the system refuses.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

pub(crate) struct System;

impl Random for System {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        getrandom::fill(out).map_err(|_| CryptoError::Backend)
    }
}

/// Guards the door until killed.
#[allow(clippy::print_stdout)] // whoever started us wants to know the port
pub(crate) fn serve(
    config: &Path,
    key: Option<&Path>,
    listen: SocketAddr,
    record: &Path,
    state: Option<PathBuf>,
    offset: Option<PathBuf>,
) -> Result<(), Fault> {
    let file = |error| Fault::File(config.to_owned(), error);
    let wrong = |error| Fault::Config(config.to_owned(), error);
    let text = std::fs::read_to_string(config).map_err(file)?;
    let config = Config::parse(&text).map_err(wrong)?;
    let door = config.door.clone();
    let counts = config.clock == ClockMode::Exi;
    let trust = config.trust(Nonces::new(&mut System, NONCE_FRESH, NONCE_RIGHTS)?).map_err(wrong)?;
    let edhoc = key.map(handshakes).transpose()?;

    let clock = Clock::new(offset);
    let state = State::open(state.clone()).map_err(|error| Fault::File(state.unwrap_or_default(), error))?;
    let bolt = Record::open(record, &clock).map_err(|error| Fault::File(record.to_owned(), error))?;
    let mut lock =
        Box::new(Lock::<_, _, _, _, _, _, INSIDE, DOORSTEP>::new(trust, RustCrypto, System, edhoc, state, bolt)?);
    if counts && !lock.remembers() {
        return Err(Fault::Forgetful);
    }

    let failed = |error| Fault::Socket(listen, error);
    let socket = UdpSocket::bind(listen).map_err(failed)?;
    socket.set_read_timeout(Some(TICK)).map_err(failed)?;
    let address = socket.local_addr().map_err(failed)?;
    println!("listening on coap://{address}");
    tracing::info!(%address, door, "locked, and waiting");

    let (mut incoming, mut outgoing) = ([0; MAX_DATAGRAM + 1], [0; MAX_DATAGRAM]);
    loop {
        let received = socket.recv_from(&mut incoming);
        lock.tick(&clock.now());
        let (length, peer) = match received {
            Ok(received) => received,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            // Interrupted, or an ICMP error for an earlier answer: nothing that stops a door.
            Err(error) => {
                tracing::debug!(%error, "receive");
                continue;
            }
        };
        // One byte more than we take: whoever fills it sent a datagram that was cut.
        let Some(datagram) = incoming.get(..length).filter(|_| length <= MAX_DATAGRAM) else {
            tracing::debug!(%peer, length, "too long");
            continue;
        };
        if let Some(sent) = lock.receive(clock.millis(), clock.now(), peer, datagram, None, &mut outgoing) {
            if let Some(event) = sent.event {
                log(peer, event);
            }
            if let Err(error) = socket.send_to(sent.datagram, peer) {
                tracing::debug!(%peer, %error, "send");
            }
        }
    }
}

/// The lock as EDHOC knows it, for as long as the process lives.
fn handshakes(path: &Path) -> Result<Handshakes<'static, P256Private, SocketAddr, DOORSTEP>, Fault> {
    let file = |error| Fault::File(path.to_owned(), error);
    let key = keygen::read(path).map_err(file)?;
    let ccs = keygen::ccs(&key).map_err(file)?.leak();
    let key: &'static P256Private = Box::leak(Box::new(key));
    let identity = Identity::ccs(ccs, key as _).map_err(|error| file(std::io::Error::other(error)))?;
    Ok(Handshakes::new(identity, &[Method::SignatureStaticDh, Method::StaticDhStaticDh]))
}

/// Names tokens by their hashes and nothing by its content.
fn log(peer: SocketAddr, event: Event) {
    match event {
        Event::Refused(_)
        | Event::Denied(..)
        | Event::NotVerified(_)
        | Event::HandshakeFailed(_)
        | Event::Busy
        | Event::FlashFailed => {
            tracing::warn!(%peer, ?event);
        }
        Event::Uploaded(_) | Event::Updated(_) | Event::Served(..) | Event::Lapsed => tracing::info!(%peer, ?event),
        Event::Unauthorized
        | Event::NotAnUpload(_)
        | Event::Begun
        | Event::NoHandshake
        | Event::GivenUp
        | Event::BadRequest(_)
        | Event::Block => {
            tracing::debug!(%peer, ?event);
        }
    }
}

/// How many people can be inside, and how many on the doorstep.
const INSIDE: usize = 32;
const DOORSTEP: usize = 8;

/// How often the bolt is looked after.
const TICK: Duration = Duration::from_millis(200);

/// How long a client may take to fetch a token for a nonce, and how long its rights then last, in seconds.
const NONCE_FRESH: u64 = 600;
const NONCE_RIGHTS: u64 = 3600;
