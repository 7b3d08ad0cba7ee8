//! Guards the door: takes datagrams from the line until the power goes.

use crate::backend::BACKEND;
use crate::clock::Clock;
use crate::edhoc::OwnKey;
use crate::entropy::Entropy;
use crate::flash::Flash;
use crate::line::Line;
use crate::{board, console, measure};
use latchwork_door_lock_app::counters::Counters;
use latchwork_door_lock_app::page::Page;
use latchwork_door_lock_app::turns::round;
use latchwork_door_lock_app::{Bolt, Lock, MAX_DATAGRAM, Sent, Stuck};
use latchwork_door_lock_slip::Packet;
use latchwork_rs_lib::nonce::Nonces;
use latchwork_rs_lib::{Allowed, Event, Freshness, Trust};

/// Why the lock does not run.
pub(crate) struct Fault(pub(crate) &'static str);

/// Guards the door for good; returns what kept it from that.
pub(crate) fn guard() -> Fault {
    match run() {
        Ok(never) => match never {},
        Err(fault) => fault,
    }
}

fn run() -> Result<core::convert::Infallible, Fault> {
    let flash = Flash::of_board();
    let page = Page::parse(flash.page()).map_err(|_| Fault("no page in the flash: enrol the lock"))?;
    let mut counters = Counters(flash);
    let boots = counters.count_boot().map_err(|_| Fault("the flash does not count"))?;
    let mut entropy = Entropy::new(page.seed.clone(), boots);
    let nonces = Nonces::new(&mut entropy, NONCE_FRESH, NONCE_RIGHTS).map_err(|_| Fault("no random numbers"))?;

    let (keys, count) = page.keys();
    let issuers = [page.issuer(keys.get(..count).unwrap_or_default())];
    let trust = Trust {
        audience: page.audience,
        groups: &[],
        issuers: &issuers,
        freshness: if page.counts { Freshness::Clock } else { Freshness::Nonce(&nonces) },
        scopes: page.scopes(),
    };
    let bad_key = |_| Fault("the page has a key that is none");
    let own_key = OwnKey::of(&page).map_err(bad_key)?;
    let edhoc = own_key.handshakes(&page).map_err(bad_key)?;
    let mut made =
        Lock::<_, _, _, _, _, _, INSIDE, DOORSTEP>::new(trust, BACKEND, entropy, edhoc, counters, Solenoid);
    // Where it was made: to move it out would take its 31 KB of stack twice.
    let Ok(lock) = &mut made else {
        return Err(Fault("no random numbers"));
    };
    if page.counts && !lock.remembers() {
        return Err(Fault("the flash cannot be read"));
    }

    let clock = Clock::start();
    let line = Line::open()?;
    let mut out = [0; MAX_DATAGRAM];
    console::line("locked, and waiting");
    let mut state = (lock, clock, line);
    loop {
        round(
            &mut state,
            |(lock, clock, _)| {
                clock.advance();
                lock.tick(&clock.now());
            },
            |(lock, clock, line)| {
                let Some(arrived) = line.receive() else { return false };
                let Some(packet) = arrived else { return true };
                clock.advance();
                let (own, peer) = (packet.to, packet.from);
                let (sent, mut cost) = measure::cost(|| {
                    lock.receive(&|| clock.millis(), clock.now(), peer, packet.payload, None, &mut out)
                });
                let Some(Sent { datagram, event }) = sent else { return true };
                line.send(&Packet { from: own, to: peer, payload: datagram });
                cost.stack = cost.stack.max(line.stack());
                log(event, &cost);
                true
            },
            board::idle,
        );
    }
}

/// What moves the bolt; this one says so on the console.
struct Solenoid;

impl Bolt for Solenoid {
    fn unlock(&mut self, allowed: &Allowed<'_>) -> Result<(), Stuck> {
        console::text("bolt unlocked ");
        console::hex(&allowed.holder().token().0);
        console::line("");
        Ok(())
    }

    fn lock(&mut self) -> Result<(), Stuck> {
        console::line("bolt locked");
        Ok(())
    }
}

/// Names what happened and what it cost; nothing secret.
fn log(event: Option<Event>, cost: &measure::Cost) {
    let what = match event {
        None => "repeated",
        Some(Event::Uploaded(_)) => "uploaded",
        Some(Event::Updated(_)) => "updated",
        Some(Event::Served(..)) => "served",
        Some(Event::Refused(_)) => "refused",
        Some(Event::Denied(..)) => "denied",
        Some(Event::Unauthorized) => "unauthorized",
        Some(Event::Lapsed) => "lapsed",
        Some(Event::NotVerified(_)) => "not-verified",
        Some(Event::Begun) => "begun",
        Some(Event::HandshakeFailed(_)) => "handshake-failed",
        Some(_) => "other",
    };
    console::text("did ");
    console::text(what);
    cost.tell();
}

/// How many people can be inside, and how many on the doorstep.
const INSIDE: usize = 4;
pub(crate) const DOORSTEP: usize = 2;

/// How long a client may take to fetch a token for a nonce, and how long its rights then last, in seconds.
const NONCE_FRESH: u64 = 600;
const NONCE_RIGHTS: u64 = 3600;
