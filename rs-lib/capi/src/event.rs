//! What happened to a datagram, for the log of the firmware.

use crate::LATCHWORK_HASH;
use latchwork_rs_lib as rs_lib;

/// What happened to a datagram.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// Nothing: a repetition of what was answered before, or no request at all.
    None = 0,
    /// A token was good; a session waits for its holder, or by EDHOC is there. `token` names it.
    Uploaded = 1,
    /// A live session got the rights of a new token. `token` names it.
    Updated = 2,
    /// A token was refused. `code` is the answer.
    Refused = 3,
    /// A request without protection, or for a session that is not there; it got hints.
    Unauthorized = 4,
    /// The session was over; it got hints.
    Lapsed = 5,
    /// A protected request did not verify.
    NotVerified = 6,
    /// A holder asked for more than its token grants. `token` names it, `code` is the answer.
    Denied = 7,
    /// `serve` was called for a holder. `token` names it, `code` is the answer.
    Served = 8,
    /// Something that cannot be processed: a method, an option, a block. `code` is the answer where it is known.
    BadRequest = 9,
    /// One block of a longer message came or went.
    Block = 10,
    /// All sessions are in use.
    Busy = 11,
    /// The flash did not take the number of a token, so a request on it was not allowed.
    FlashFailed = 12,
    /// Somebody began an EDHOC handshake.
    Begun = 13,
    /// Message_3 for a handshake that is not there: it took too long, was pushed out, or there was a reboot.
    NoHandshake = 14,
    /// An EDHOC handshake ended with an error.
    HandshakeFailed = 15,
    /// Somebody says that a handshake is over. It may be anybody.
    GivenUp = 16,
}

/// What happened to a datagram. Holds nothing secret.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// A response code as CoAP writes it (RFC 7252 §3), 0x81 for 4.01; 0 if it is not known.
    pub code: u8,
    /// The name of the token, or zeros.
    pub token: [u8; LATCHWORK_HASH],
}

impl Event {
    pub(crate) const NONE: Self = Self { kind: EventKind::None, code: 0, token: [0; LATCHWORK_HASH] };

    pub(crate) fn of(event: &rs_lib::Event) -> Self {
        use rs_lib::Event as E;
        let just = |kind, code| Self { kind, code, ..Self::NONE };
        match *event {
            E::Uploaded(token) => Self { kind: EventKind::Uploaded, code: 0x41, token: token.0 },
            E::Updated(token) => Self { kind: EventKind::Updated, code: 0x41, token: token.0 },
            E::Refused(refusal) => just(EventKind::Refused, refusal.code().0),
            E::NotAnUpload(code) => just(EventKind::BadRequest, code.0),
            E::Unauthorized => just(EventKind::Unauthorized, 0x81),
            E::Lapsed => just(EventKind::Lapsed, 0x81),
            E::NotVerified(_) => just(EventKind::NotVerified, 0),
            E::Denied(token, denied) => Self { kind: EventKind::Denied, code: denied.code().0, token: token.0 },
            E::Served(token, code) => Self { kind: EventKind::Served, code: code.0, token: token.0 },
            E::BadRequest(refusal) => just(EventKind::BadRequest, refusal.code().0),
            E::Block => just(EventKind::Block, 0),
            E::Busy => just(EventKind::Busy, 0),
            E::FlashFailed => just(EventKind::FlashFailed, 0),
            E::Begun => just(EventKind::Begun, 0x44),
            E::NoHandshake => just(EventKind::NoHandshake, 0x80),
            E::HandshakeFailed(_) => just(EventKind::HandshakeFailed, 0),
            E::GivenUp => just(EventKind::GivenUp, 0x44),
        }
    }
}
