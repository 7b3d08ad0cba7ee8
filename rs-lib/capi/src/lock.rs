//! A lock in memory of the firmware, and the functions on it.

use crate::board::Board;
use crate::config::{Config, Secrets};
use crate::crypto::Crypto;
use crate::edhoc::{Handshakes, handshakes};
use crate::event::Event;
use crate::online::Asking;
use crate::serve::Served;
use crate::{LATCHWORK_ALIGN, LATCHWORK_DATAGRAM, LATCHWORK_ISSUERS, LATCHWORK_SIZE};
use core::ffi::c_void;
use core::mem::{align_of, size_of};
use core::slice;
use latchwork_coap::Kind;
use latchwork_coap::endpoint::Millis;
use latchwork_coap::endpoint::exchange::{FixedExchanges, Received};
use latchwork_coap::endpoint::request::Refusal;
use latchwork_crypto::Random;
use latchwork_rs_lib::nonce::Nonces;
use latchwork_rs_lib::{Edhoc, Event as Happened, Introspect, ResourceServer, Revoked, Room, Sessions, revoked};

/// How a call ended.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Well.
    Ok = 0,
    /// Well, and there is nothing to send.
    Silent = 1,
    /// A pointer is null that must not be.
    Null = 2,
    /// The memory is smaller than `latchwork_size`, or not aligned to `latchwork_align`.
    BadMemory = 3,
    /// The board lacks a function that it must have: one of those that must not be null, half of a pair, or AES where the library has none.
    BadBoard = 4,
    /// The config has a text that is no UTF-8, a key of the wrong length, an AIF that is none, no issuer, too many of something, or an own
    /// key that nobody can use.
    BadConfig = 5,
    /// There were no random numbers.
    NoRandom = 6,
    /// Called from within a callback of the same lock.
    Nested = 7,
    /// The flash failed; what was to be written is over until the next reboot only.
    FlashFailed = 8,
    /// `out` is too small for the answer, which is lost.
    NoRoom = 9,
    /// The payload is not what it should be.
    BadPayload = 10,
    /// The config has no issuer at this position.
    NoIssuer = 11,
}

/// A lock. What is in it is nobody's business; `latchwork_start` makes it.
pub struct Lock {
    /// A call is under way. Looked at before anything else is borrowed.
    entered: bool,
    inner: Inner,
}

pub(crate) struct Inner {
    config: *const Config,
    pub(crate) board: Board,
    crypto: Crypto,
    secrets: Secrets,
    nonces: Option<Nonces>,
    pub(crate) sessions: Sessions<INSIDE, DOORSTEP, LATCHWORK_ISSUERS>,
    handshakes: Handshakes,
    pub(crate) revoked: Revoked<[Option<revoked::Entry>; REVOKED]>,
    exchanges: FixedExchanges<u64, REMEMBERED, 1, MAX_RESPONSE>,
    room: Room<u64, LATCHWORK_DATAGRAM, 1>,
}

const _: () = assert!(size_of::<Lock>() <= LATCHWORK_SIZE && align_of::<Lock>() <= LATCHWORK_ALIGN);

/// How many bytes of memory a lock takes on this processor.
#[unsafe(no_mangle)]
pub extern "C" fn latchwork_size() -> usize {
    size_of::<Lock>()
}

/// To how many bytes that memory has to be aligned.
#[unsafe(no_mangle)]
pub extern "C" fn latchwork_align() -> usize {
    align_of::<Lock>()
}

/// Makes a lock in `memory`, with nobody inside; once per boot. On `Ok`, `lock` is where it is.
///
/// # Safety
/// `memory` points to `size` bytes that are the lock's until `latchwork_stop`. `config` keeps its promises until then, all functions
/// of `board`, which is copied as its `hardware` is, can be called until then. `lock` is a place for a pointer. None of them is shared with another thread or an interrupt.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn latchwork_start(
    memory: *mut c_void,
    size: usize,
    config: *const Config,
    board: *const Board,
    lock: *mut *mut Lock,
) -> Status {
    // SAFETY: the caller's.
    let (Some(settings), Some(board)) = (unsafe { (config.as_ref(), board.as_ref()) }) else { return Status::Null };
    let place = memory.cast::<Lock>();
    if place.is_null() || lock.is_null() {
        return Status::Null;
    }
    if size < size_of::<Lock>() || !place.is_aligned() {
        return Status::BadMemory;
    }
    if !board.is_whole() {
        return Status::BadBoard;
    }
    // SAFETY: not null, aligned, long enough and the caller's to give; so is the place for the pointer, and the rest.
    unsafe {
        if let Err(status) = start_in(place, config, settings, *board) {
            return status;
        }
        lock.write(place);
    }
    Status::Ok
}

/// Makes the lock part by part where it stays: one that is made elsewhere and moved there takes the stack of a second.
///
/// # Safety
/// `place` is memory for a lock. Both are one config, which keeps its promises.
unsafe fn start_in(place: *mut Lock, config: *const Config, settings: &Config, mut board: Board) -> Result<(), Status> {
    let mut seed = [0; 8];
    board.fill(&mut seed).map_err(|_| Status::NoRandom)?;
    let (fresh, rights) = (settings.nonce_fresh, settings.nonce_rights);
    let nonces = match fresh {
        0 => None,
        _ => Some(Nonces::new(&mut board, fresh, rights).map_err(|_| Status::NoRandom)?),
    };
    // SAFETY: the caller's; a credential stays as it is for as long as the lock is used.
    unsafe {
        let crypto = Crypto(board.peripherals());
        if !crypto.is_whole() {
            return Err(Status::BadBoard);
        }
        let secrets = settings.secrets()?;
        settings.paths()?;
        let handshakes = handshakes(settings.own_key()?, crypto)?;
        // Every field: the compiler holds the list below.
        let inner = &raw mut (*place).inner;
        (&raw mut (*place).entered).write(false);
        (&raw mut (*inner).config).write(config);
        (&raw mut (*inner).board).write(board);
        (&raw mut (*inner).crypto).write(crypto);
        (&raw mut (*inner).secrets).write(secrets);
        (&raw mut (*inner).nonces).write(nonces);
        put(&raw mut (*inner).sessions, Sessions::new);
        (&raw mut (*inner).handshakes).write(handshakes);
        put(&raw mut (*inner).revoked, Revoked::new);
        put(&raw mut (*inner).exchanges, || FixedExchanges::fixed(u64::from_be_bytes(seed)));
        put(&raw mut (*inner).room, Room::new);
        let remembered = remember(&mut *inner, settings);
        if remembered.is_err() {
            core::ptr::drop_in_place(place);
        }
        remembered
    }
}

/// Reads the whole config once, and from flash which tokens are over. A flash that cannot be read makes a lock that takes no tokens
/// that count from receipt.
///
/// # Safety
/// The config keeps its promises.
#[inline(never)] // its tables are not on the stack while the parts are made
unsafe fn remember(inner: &mut Inner, settings: &Config) -> Result<(), Status> {
    let Inner { board, crypto, secrets, sessions, .. } = inner;
    // SAFETY: the caller's.
    unsafe { settings.trust(secrets, None, |trust| sessions.remember(trust, board, &*crypto).is_ok()) }.map(drop)
}

/// Makes a part in a frame of its own: one after the other they take the stack of the largest, not of all.
///
/// # Safety
/// `place` is memory for it.
#[inline(never)]
unsafe fn put<T>(place: *mut T, make: impl FnOnce() -> T) {
    // SAFETY: the caller's.
    unsafe { place.write(make()) }
}

// Whoever adds a field has to write it above.
#[rustfmt::skip]
const _: fn(Lock) = |Lock { entered: _, inner: Inner {
    config: _, board: _, crypto: _, secrets: _, nonces: _, sessions: _, handshakes: _, revoked: _, exchanges: _, room: _,
} }| ();

/// Takes in a datagram of `len` bytes from `peer`, whatever number the firmware gives to an address. On `Ok`, `out_len` bytes of
/// `out` are to be sent back to it. `event`, if not null, says what happened.
///
/// # Safety
/// `lock` is one that was started and not stopped. `datagram` points to `len` bytes, `out` to `out_size` others;
/// `LATCHWORK_DATAGRAM` are enough for any answer. `out_len` is a place for a number, `event` null or a place for one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn latchwork_receive(
    lock: *mut Lock,
    peer: u64,
    datagram: *const u8,
    len: usize,
    out: *mut u8,
    out_size: usize,
    out_len: *mut usize,
    event: *mut Event,
) -> Status {
    if datagram.is_null() || out.is_null() || out_len.is_null() || len.max(out_size) > isize::MAX as usize {
        return Status::Null;
    }
    // SAFETY: the caller's.
    let (datagram, out) = unsafe { (slice::from_raw_parts(datagram, len), slice::from_raw_parts_mut(out, out_size)) };
    // SAFETY: the caller's.
    let received = unsafe { enter(lock, |inner| inner.receive(peer, datagram, out)) };
    let (status, length, happened) = match received {
        Ok((Some(length), happened)) => (Status::Ok, length, happened),
        Ok((None, happened)) => (Status::Silent, 0, happened),
        Err(status) => (status, 0, Event::NONE),
    };
    // SAFETY: the caller's.
    unsafe {
        out_len.write(length);
        if !event.is_null() {
            event.write(happened);
        }
    }
    status
}

/// What time brings about: sessions, pending uploads and handshakes end. To be called every few seconds.
///
/// # Safety
/// `lock` is one that was started and not stopped.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn latchwork_tick(lock: *mut Lock) -> Status {
    let tick = |inner: &mut Inner| {
        let now = inner.board.now();
        inner.sessions.sweep(&now);
        Edhoc::<Crypto, u64>::sweep(&mut inner.handshakes, now.uptime);
        inner.room.wipe(now.uptime);
        inner.sessions.sweep_revoked(&mut inner.revoked, &mut inner.board, &now).map_err(|_| Status::FlashFailed)
    };
    // SAFETY: the caller's.
    unsafe { enter(lock, tick) }.map_or_else(|status| status, |_| Status::Ok)
}

/// Ends a lock and wipes every key in it. Its memory is the firmware's again.
///
/// # Safety
/// `lock` is one that was started and not stopped.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn latchwork_stop(lock: *mut Lock) -> Status {
    // SAFETY: the caller's.
    match unsafe { enter(lock, |_| Ok(())) } {
        // SAFETY: it is one, and nobody is in it.
        Ok(()) => unsafe { core::ptr::drop_in_place(lock) },
        Err(status) => return status,
    }
    Status::Ok
}

/// Runs `call` unless one is under way.
///
/// # Safety
/// `lock` is null, or one that was started and not stopped.
pub(crate) unsafe fn enter<T>(
    lock: *mut Lock,
    call: impl FnOnce(&mut Inner) -> Result<T, Status>,
) -> Result<T, Status> {
    if lock.is_null() || !lock.is_aligned() {
        return Err(Status::Null);
    }
    // SAFETY: a lock that was started; of what lies beside `inner`, nobody has a reference.
    unsafe {
        let entered = &raw mut (*lock).entered;
        if entered.read() {
            return Err(Status::Nested);
        }
        entered.write(true);
        let result = call(&mut (*lock).inner);
        entered.write(false);
        result
    }
}

impl Inner {
    /// Whether the config has an issuer at this position.
    pub(crate) fn has_issuer(&self, issuer: u8) -> Result<(), Status> {
        // SAFETY: whoever started the lock promised that the config stays as it is.
        let config = unsafe { &*self.config };
        if usize::from(issuer) < config.issuers_len { Ok(()) } else { Err(Status::NoIssuer) }
    }

    /// The length of the answer, if there is one, and what happened.
    fn receive(&mut self, peer: u64, datagram: &[u8], out: &mut [u8]) -> Result<(Option<usize>, Event), Status> {
        let millis = Millis(self.board.millis());
        let (exchange, message) = match self.exchanges.receive(millis, peer, datagram) {
            Received::Request(exchange, message) => (exchange, message),
            Received::Reply(reply) => {
                let out = out.get_mut(..reply.len()).ok_or(Status::NoRoom)?;
                out.iter_mut().zip(reply).for_each(|(to, from)| *to = *from);
                return Ok((Some(reply.len()), Event::NONE));
            }
            _ => return Ok((None, Event::NONE)),
        };
        let head = self.exchanges.head(&exchange);
        // SAFETY: whoever started the lock promised that the config stays as it is.
        let config = unsafe { &*self.config };
        // SAFETY: the same.
        let paths = unsafe { config.paths() }?;
        let mut served = Served { board: self.board, paths, paths_len: config.paths_len };
        let (mut flash, mut random) = (self.board, self.board);
        let mut asking = self.board.introspect.map(|_| Asking(self.board));
        let (sessions, revoked, room) = (&mut self.sessions, &mut self.revoked, &mut self.room);
        let (edhoc, crypto) = (&mut self.handshakes, &self.crypto);
        let (now, board) = (self.board.now(), self.board);
        let clock = || Millis(board.millis());
        let answer = |trust: &latchwork_rs_lib::Trust<'_>| {
            let mut server = ResourceServer {
                trust,
                sessions,
                edhoc,
                flash: &mut flash,
                revoked,
                introspect: asking.as_mut().map(|asking| asking as &mut dyn Introspect),
                now,
                clock: &clock,
                crypto,
                random: &mut random,
            };
            let answer = server.answer(peer, &message, head, &mut served, room, out);
            answer.map(|answer| (answer.datagram.len(), answer.event))
        };
        // SAFETY: the same.
        let answer = unsafe { config.trust(&self.secrets, self.nonces.as_ref(), answer) }?;
        let Ok((length, happened)) = answer else {
            self.exchanges.refused(exchange);
            return Err(Status::NoRoom);
        };
        let event = Event::of(&happened);
        // A non-confirmable message with an unknown critical option is rejected (RFC 7252 §5.4.1).
        if head.kind == Kind::Non && matches!(happened, Happened::BadRequest(Refusal::BadOption(_))) {
            self.exchanges.refused(exchange);
            return Ok((None, event));
        }
        let datagram = out.get(..length).ok_or(Status::NoRoom)?;
        // The only failure is a response too long to be remembered: sent once.
        let _ = self.exchanges.answered(millis, exchange, datagram, 0);
        Ok((Some(length), event))
    }
}

/// How many people can be inside, and how many on the doorstep.
const INSIDE: usize = 4;
pub(crate) const DOORSTEP: usize = 2;

/// How many revoked tokens a lock knows at a time.
const REVOKED: usize = 32;

/// How many requests are remembered to answer their repetitions.
const REMEMBERED: usize = 8;

/// The longest answer that is remembered; hints with long addresses.
const MAX_RESPONSE: usize = 384;
