//! One socket, one thread.

use crate::bolt::Record;
use crate::clock::{self, Clock, Watch};
use crate::config::{ClockMode, Config, Wrong};
use crate::keygen;
use crate::online::{self, Online};
use crate::questions::OURS;
use crate::revoked::Kept;
use crate::state::State;
use latchwork_ace::TrlResponse;
use latchwork_crypto::{CryptoError, P256Private, RustCrypto};
use latchwork_door_lock_app::{Lock, MAX_DATAGRAM};
use latchwork_edhoc::{Identity, Method};
use latchwork_rs_lib::nonce::Nonces;
use latchwork_rs_lib::trl::Pace;
use latchwork_rs_lib::{Event, Handshakes, Introspect, Now, Refusal};
use latchwork_transport::edhoc::System;
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
    /// A lock of clock mode `exi`, or one that learns of revoked tokens, without a readable state.
    #[error("a lock with clock = \"exi\" or [online] needs --state, a directory that it can read and write")]
    Forgetful,
    /// Two locks would take the same token twice and use the same sender numbers.
    #[error("{0}: another lock uses this state")]
    Taken(PathBuf),
    /// It was to ask a server that it has no account at.
    #[error("--introspect: the lock was not enrolled with --online")]
    Offline,
    /// No random numbers.
    #[error("no random numbers: {0}")]
    Random(#[from] CryptoError),
    /// Anything else that the system refuses.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// What a lock asks its server.
pub(crate) struct Asked {
    /// How often it looks for revoked tokens, in seconds.
    pub(crate) poll: u64,
    /// Whether it asks about tokens that it cannot read.
    pub(crate) introspect: bool,
}

/// Guards the door until killed.
#[allow(clippy::print_stdout)] // whoever started us wants to know the port
pub(crate) fn serve(
    config: &Path,
    key: Option<&Path>,
    listen: SocketAddr,
    record: &Path,
    state: Option<PathBuf>,
    asked: Asked,
    clock: Clock,
) -> Result<(), Fault> {
    let file = |error| Fault::File(config.to_owned(), error);
    let wrong = |error| Fault::Config(config.to_owned(), error);
    let text = std::fs::read_to_string(config).map_err(file)?;
    let config = Config::parse(&text).map_err(wrong)?;
    let door = config.door.clone();
    let mode = config.clock;
    let account = config.account();
    let trust = config.trust(Nonces::new(&mut System, NONCE_FRESH, NONCE_RIGHTS)?).map_err(wrong)?;
    let edhoc = key.map(handshakes).transpose()?;
    let account = account.map_err(wrong)?;
    if asked.introspect && account.is_none() {
        return Err(Fault::Offline);
    }

    let directory = state.clone().unwrap_or_default();
    let unkept = |error| Fault::File(directory.clone(), error);
    let state = State::open(state).map_err(|error| match error.kind() {
        ErrorKind::WouldBlock => Fault::Taken(directory.clone()),
        _ => unkept(error),
    })?;
    if account.is_some() && !state.keeps() {
        return Err(Fault::Forgetful);
    }
    let bolt = Record::open(record, &clock).map_err(|error| Fault::File(record.to_owned(), error))?;
    let flash = state.clone();
    let mut lock = Box::new(Guarded::new(trust, RustCrypto, System, edhoc, flash, bolt)?);
    if mode == ClockMode::Exi && !lock.remembers() {
        return Err(Fault::Forgetful);
    }
    let mut kept = account.is_some().then(|| Kept::read(state.clone())).transpose().map_err(unkept)?;
    for revoked in kept.iter().flat_map(Kept::all) {
        // A number that flash did not take is over until the next reboot, and then still on the server's list.
        let _ = lock.revoke_again(revoked, &clock.now());
    }
    // Before the server is asked: whoever has the address is the lock.
    let failed = |error| Fault::Socket(listen, error);
    let socket = UdpSocket::bind(listen).map_err(failed)?;
    socket.set_read_timeout(Some(TICK)).map_err(failed)?;
    let address = socket.local_addr().map_err(failed)?;
    let online = account.map(|account| online::start(account, state, Pace::every(asked.poll)));
    let mut online = online.transpose().map_err(unkept)?;
    println!("listening on coap://{address}");
    tracing::info!(%address, door, "locked, and waiting");
    // Of no use to a lock that does not go by the date.
    let mut watch = (mode == ClockMode::Clock).then(Watch::new);

    let (mut incoming, mut outgoing) = ([0; MAX_DATAGRAM + 1], [0; MAX_DATAGRAM]);
    loop {
        let received = socket.recv_from(&mut incoming);
        lock.tick(&clock.now());
        if let Some(keeping) = watch.as_mut().and_then(|watch| watch.look(clock.date().1)) {
            tracing::warn!("{}", keeping.means());
        }
        if let (Some(online), Some(kept)) = (&online, &mut kept) {
            learn(&mut lock, online, kept, &clock.now());
        }
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
        let server = online.as_mut().filter(|_| asked.introspect).map(|online| online as &mut dyn Introspect);
        let Some(sent) = lock.receive(&clock::millis, clock.now(), peer, datagram, server, &mut outgoing) else {
            continue;
        };
        let event = sent.event;
        if let Some(event) = event {
            log(peer, event);
        }
        if let Err(error) = socket.send_to(sent.datagram, peer) {
            tracing::debug!(%peer, %error, "send");
        }
        // What it told of itself is kept beside its hash.
        if let (Some(Event::Refused(Refusal::Revoked)), Some(kept)) = (event, &mut kept) {
            write_down(&lock, kept);
        }
    }
}

/// Takes in what the server's list of revoked tokens says: sessions end at once, and then it is written down.
fn learn(lock: &mut Guarded<'_>, online: &Online, kept: &mut Kept, now: &Now) {
    let mut heard = false;
    for payload in online.news.try_iter() {
        let Ok(list) = TrlResponse::decode(&payload) else { continue };
        if lock.learn(OURS, &list, now).is_err() {
            tracing::error!("the number of a revoked token is not in flash");
        }
        heard = true;
    }
    if heard {
        write_down(lock, kept);
    }
}

fn write_down(lock: &Guarded<'_>, kept: &mut Kept) {
    if let Err(error) = kept.write(lock.revoked()) {
        tracing::error!(%error, "revoked tokens are not written down");
    }
}

/// This kind of lock.
type Guarded<'c> = Lock<
    'static,
    SocketAddr,
    Record<'c>,
    RustCrypto,
    System,
    Option<Handshakes<'static, P256Private, SocketAddr, DOORSTEP>>,
    State,
    INSIDE,
    DOORSTEP,
    REVOKED,
>;

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

/// How many revoked tokens are known at a time.
const REVOKED: usize = 4096;

/// How often the bolt is looked after.
const TICK: Duration = Duration::from_millis(200);

/// How long a client may take to fetch a token for a nonce, and how long its rights then last, in seconds.
pub(crate) const NONCE_FRESH: u64 = 600;
pub(crate) const NONCE_RIGHTS: u64 = 3600;
