//! Asking a server about a token (RFC 9200 §5.9): one that is a mere reference, or that is under a key we do not know.
//!
//! A lock answers at once or not at all, so [`Introspect`] does not wait: it begins to ask, says so, and has the answer
//! when the client comes again. A lock without it, or without a network, opens as ever to tokens that it can judge.

use crate::Refusal;
use crate::clock::Now;
use crate::holder::TokenHash;
use latchwork_cbor::{Kind, Reader};

/// Whoever can ask a server. It keeps few questions and few answers, and none for long.
pub trait Introspect {
    /// What is known of this token. The answer of a server goes into `room`.
    fn introspect<'r>(&mut self, token: &[u8], hash: &TokenHash, now: &Now, room: &'r mut [u8]) -> Introspected<'r>;
}

/// What a server said, if it did.
#[derive(Clone, Copy)]
pub enum Introspected<'r> {
    /// Its answer over a protected channel.
    Answer {
        /// The position in [`Trust::issuers`](crate::Trust) of the server that was asked.
        issuer: u8,
        /// The payload: a CBOR map (RFC 9200 §5.9.2).
        payload: &'r [u8],
    },
    /// It was asked, or will be. The client shall come again ([`ASK_AGAIN`]).
    Later,
    /// It cannot be asked. Nobody gets in without an answer (RFC 9200 §6.10).
    Unreachable,
}

/// Seconds until a client comes again, the Max-Age of a 5.03.
pub const ASK_AGAIN: u32 = 2;

/// Whether the server says that the token is good. The claims stand in the same map, under their usual numbers.
pub(crate) fn check_active(payload: &[u8]) -> Result<(), Refusal> {
    let unknowable = |_| Refusal::Unknowable;
    let mut r = Reader::new(payload);
    let mut active = None;
    for _ in 0..r.map().map_err(unknowable)? {
        if r.peek().map_err(unknowable)? == Kind::Uint && r.clone().uint() == Ok(ACTIVE) {
            r.skip().map_err(unknowable)?;
            active = Some(r.bool().map_err(unknowable)?);
        } else {
            r.skip().map_err(unknowable)?;
            r.skip().map_err(unknowable)?;
        }
    }
    match active {
        Some(true) => Ok(()),
        Some(false) => Err(Refusal::Inactive),
        None => Err(Refusal::Unknowable),
    }
}

/// RFC 9200 §5.9.5, Table 6.
const ACTIVE: u64 = 10;
