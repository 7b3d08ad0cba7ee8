//! Proof of possession: a [`ProvenKey`] exists only where a request verified under a session's key.

use crate::check::refuse_unless;
use crate::clock::{Now, Standing};
use crate::replay::Flash;
use crate::session::{Seat, Sessions, Unseated};
use latchwork_coap::Message;
use latchwork_crypto::Symmetric;
use latchwork_oscore::{Error, Incoming, OscoreOption, ReceivedRequest};

/// The sender of one request has shown that it holds the key of one session. OSCORE makes it here, under keys of either
/// profile; DTLS will.
///
/// ```compile_fail,E0451
/// let forged = latchwork_rs_lib::proof::ProvenKey { seat: 0 };
/// ```
pub struct ProvenKey {
    pub(crate) seat: usize,
}

impl ProvenKey {
    /// Where to [answer](Sessions::answer).
    pub fn seat(&self) -> Seat {
        Seat::Live(self.seat)
    }
}

/// A request that verified.
pub struct Proven<'o> {
    /// That whoever sent it has the key.
    pub key: ProvenKey,
    /// What was asked.
    pub request: Message<'o>,
    /// What binds the answer to it.
    pub reference: ReceivedRequest,
}

/// Why a protected request proves nothing.
#[derive(Debug)]
pub enum Unproven {
    /// No session has this identifier: evicted, rebooted, or never there.
    NoSession,
    /// The rights of the session are over, or may be.
    Lapsed,
    /// OSCORE refused it: not decodable, replayed, or under another key.
    Oscore(Error),
    /// It verified, but no seat is to be had, and its session stays pending.
    Busy(Seat, ReceivedRequest),
    /// It verified, but flash did not take the number of its token.
    Flash(Seat, ReceivedRequest),
}

/// Verifies a request under the session that it names, and makes that session a live one. `out` takes the decrypted request.
pub fn by_oscore<'o, const N: usize, const P: usize, const I: usize>(
    sessions: &mut Sessions<N, P, I>,
    flash: &mut dyn Flash,
    outer: &Message<'_>,
    now: &Now,
    crypto: &impl Symmetric,
    out: &'o mut [u8],
) -> Result<Proven<'o>, Unproven> {
    let option = OscoreOption::of(outer).map_err(|_| Unproven::Oscore(Error::Malformed))?;
    let kid = option.and_then(|option| option.kid).ok_or(Unproven::Oscore(Error::Malformed))?;
    let seat = sessions.find(kid).ok_or(Unproven::NoSession)?;
    let session = sessions.at_mut(seat).ok_or(Unproven::NoSession)?;
    // Before decryption: an expired context must not be used at all (RFC 9203 §4.3).
    let standing = session.holder.ends.standing(now);
    if standing == Standing::Over && !cfg!(latchwork_disable = "lapsed") {
        sessions.end(seat);
        return Err(Unproven::Lapsed);
    }
    refuse_unless!("lapsed", standing == Standing::Running, Unproven::Lapsed);
    let incoming = session.context.unprotect_request(crypto, outer, out);
    match incoming.map_err(Unproven::Oscore)? {
        Incoming::Request(request, reference) => match sessions.used(seat, now, flash) {
            Ok(seat) => Ok(Proven { key: ProvenKey { seat }, request, reference }),
            Err(Unseated::Busy) => Err(Unproven::Busy(seat, reference)),
            Err(Unseated::Flash) => Err(Unproven::Flash(seat, reference)),
            Err(Unseated::Over) => Err(Unproven::Lapsed),
        },
        // Our contexts never outlive a reboot, so their windows are never lost.
        Incoming::Unproven(_) => Err(Unproven::NoSession),
    }
}
