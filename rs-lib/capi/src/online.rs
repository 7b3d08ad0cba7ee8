//! What a server says, where the firmware has a network: of one token, and which were revoked.

use crate::LATCHWORK_HASH;
use crate::board::Board;
use crate::lock::{Inner, Lock, Status, enter};
use core::slice;
use latchwork_ace::{IntrospectionRequest, TrlResponse};
use latchwork_rs_lib::{Introspect, Introspected, Now, TokenHash, revoked};

/// A token that only its server understands: a reference, or one under a key that the lock does not have (RFC 9200 §5.9).
#[repr(C)]
pub struct Question {
    /// The token, as it came.
    pub token: *const u8,
    /// How many bytes it has.
    pub token_len: usize,
    /// Its name: by it the firmware finds the answer when the same question comes again.
    pub hash: [u8; LATCHWORK_HASH],
}

/// What the server said.
#[repr(C)]
pub struct Answer {
    /// Which of `Config::issuers` was asked, counted from 0.
    pub issuer: usize,
    /// Where to write the payload of its answer, a CBOR map (RFC 9200 §5.9.2), just as it came.
    pub payload: *mut u8,
    /// How many bytes it may have.
    pub payload_size: usize,
    /// How many it has.
    pub payload_len: usize,
}

/// A revoked token: all that a reboot must not lose of it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Revoked {
    /// Its hash, without the leading 0x01.
    pub token: [u8; LATCHWORK_HASH],
    /// Which of `Config::issuers` revoked it, counted from 0.
    pub issuer: u8,
    /// It was seen, and counts from its receipt (`exi`).
    pub is_numbered: bool,
    /// The number in its `cti`, if `is_numbered`: over for good once the lock forgets the hash.
    pub number: u64,
}

/// Asks by the function of the board.
pub(crate) struct Asking(pub(crate) Board);

impl Introspect for Asking {
    fn introspect<'r>(&mut self, token: &[u8], hash: &TokenHash, _: &Now, room: &'r mut [u8]) -> Introspected<'r> {
        let Some(introspect) = self.0.introspect else { return Introspected::Unreachable };
        let question = Question { token: token.as_ptr(), token_len: token.len(), hash: hash.0 };
        let mut answer =
            Answer { issuer: usize::MAX, payload: room.as_mut_ptr(), payload_size: room.len(), payload_len: 0 };
        // SAFETY: a function of the firmware; both live until it returns, and `room` is as long as it is said to be.
        match unsafe { introspect(self.0.context, &raw const question, &raw mut answer) } {
            0 => Introspected::Later,
            1 => match (u8::try_from(answer.issuer), room.get(..answer.payload_len)) {
                (Ok(issuer), Some(payload)) => Introspected::Answer { issuer, payload },
                _ => Introspected::Unreachable,
            },
            _ => Introspected::Unreachable,
        }
    }
}

/// Writes the payload that asks a server about a token, for `POST /introspect` in Content-Format 19 (RFC 9200 §5.9.1), into `out`, and
/// its length into `out_len`. To be sent over a channel that proves the server and hides what is said: the answer may hold a key.
///
/// # Safety
/// `token` points to `token_len` bytes, `out` to `out_size` others; `out_len` is a place for a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn latchwork_introspection_request(
    token: *const u8,
    token_len: usize,
    out: *mut u8,
    out_size: usize,
    out_len: *mut usize,
) -> Status {
    if token.is_null() || out.is_null() || out_len.is_null() || token_len.max(out_size) > isize::MAX as usize {
        return Status::Null;
    }
    // SAFETY: the caller's.
    let (token, out) = unsafe { (slice::from_raw_parts(token, token_len), slice::from_raw_parts_mut(out, out_size)) };
    let (status, length) = match IntrospectionRequest::new(token).encode(out) {
        Ok(written) => (Status::Ok, written.len()),
        Err(_) => (Status::NoRoom, 0),
    };
    // SAFETY: the caller's.
    unsafe { out_len.write(length) };
    status
}

/// The issuer at this position of `Config::issuers`, counted from 0, revoked a token of its own (RFC 9770 §11.1): its sessions end, and it is refused from now on. `token` is
/// `LATCHWORK_HASH` bytes: its hash, without the leading 0x01. `NoIssuer` if there is none at this position; then nothing has changed. What the lock knows is gone after a
/// reboot: `latchwork_revoked` tells what to hand in to `latchwork_revoke_again`.
///
/// # Safety
/// `lock` is one that was started and not stopped; `token` points to that many bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn latchwork_revoke(lock: *mut Lock, issuer: u8, token: *const u8) -> Status {
    // SAFETY: the caller's.
    let Some(token) = (unsafe { token.cast::<[u8; LATCHWORK_HASH]>().as_ref() }) else { return Status::Null };
    let revoke = |inner: &mut Inner| {
        inner.has_issuer(issuer)?;
        let now = inner.board.now();
        let revoked = inner.sessions.revoke(issuer, TokenHash(*token), &mut inner.revoked, &mut inner.board, &now);
        revoked.map_err(|_| Status::FlashFailed)
    };
    // SAFETY: the caller's.
    unsafe { enter(lock, revoke) }.map_or_else(|status| status, |()| Status::Ok)
}

/// Takes in what a server's list of revoked tokens says: `payload` is the answer to a GET of its `/trl`, in Content-Format 262, of a
/// full or a diff query (RFC 9770 §7, §8), and `issuer` the position of that server in the configuration, counted from 0: its list ends only
/// tokens of its own. `BadPayload` if it is none, `NoIssuer` if there is none at this position; then nothing has changed.
///
/// # Safety
/// `lock` is one that was started and not stopped; `payload` points to `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn latchwork_learn(lock: *mut Lock, issuer: u8, payload: *const u8, len: usize) -> Status {
    if payload.is_null() || len > isize::MAX as usize {
        return Status::Null;
    }
    // SAFETY: the caller's.
    let payload = unsafe { slice::from_raw_parts(payload, len) };
    let Ok(answer) = TrlResponse::decode(payload) else { return Status::BadPayload };
    let learn = |inner: &mut Inner| {
        inner.has_issuer(issuer)?;
        let now = inner.board.now();
        let learnt = inner.sessions.learn(issuer, &answer, &mut inner.revoked, &mut inner.board, &now);
        learnt.map_err(|_| Status::FlashFailed)
    };
    // SAFETY: the caller's.
    unsafe { enter(lock, learn) }.map_or_else(|status| status, |()| Status::Ok)
}

/// The `index`-th revoked token that the lock keeps, counted from 0 in the order in which they came, into `revoked`; `Silent` if there are no
/// more. To be written down where they shall outlive a reboot: after `latchwork_revoke` and `latchwork_learn`, and after an upload that was
/// refused, since a revoked token that comes tells its number.
///
/// # Safety
/// `lock` is one that was started and not stopped; `revoked` is a place for one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn latchwork_revoked(lock: *mut Lock, index: usize, revoked: *mut Revoked) -> Status {
    if revoked.is_null() || !revoked.is_aligned() {
        return Status::Null;
    }
    let find = |inner: &mut Inner| {
        let all = || inner.revoked.in_order();
        let is_the_one = |(order, _): &(u64, _)| all().filter(|(earlier, _)| earlier < order).count() == index;
        Ok(all().find(is_the_one).map(|(_, kept)| kept))
    };
    // SAFETY: the caller's.
    match unsafe { enter(lock, find) } {
        Ok(Some(revoked::Kept { token, issuer, number })) => {
            let (is_numbered, number) = (number.is_some(), number.unwrap_or_default());
            // SAFETY: the caller's.
            unsafe { revoked.write(Revoked { token: token.0, issuer, is_numbered, number }) };
            Status::Ok
        }
        Ok(None) => Status::Silent,
        Err(status) => status,
    }
}

/// Revokes again what `latchwork_revoked` told before a reboot: after the start, one after the other in the same order, before the first datagram.
/// `NoIssuer` if there is none at that position; then nothing has changed.
///
/// # Safety
/// `lock` is one that was started and not stopped; `revoked` points to one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn latchwork_revoke_again(lock: *mut Lock, revoked: *const Revoked) -> Status {
    if revoked.is_null() || !revoked.is_aligned() {
        return Status::Null;
    }
    // SAFETY: the caller's.
    let &Revoked { token, issuer, is_numbered, number } = unsafe { &*revoked };
    let kept = revoked::Kept { token: TokenHash(token), issuer, number: is_numbered.then_some(number) };
    let revoke = |inner: &mut Inner| {
        inner.has_issuer(issuer)?;
        let now = inner.board.now();
        let again = inner.sessions.revoke_again(&kept, &mut inner.revoked, &mut inner.board, &now);
        again.map_err(|_| Status::FlashFailed)
    };
    // SAFETY: the caller's.
    unsafe { enter(lock, revoke) }.map_or_else(|status| status, |()| Status::Ok)
}
