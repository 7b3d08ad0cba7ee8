//! Proof of possession: a [`ProvenKey`] exists only where a request verified under a session's key.

use crate::check::refuse_unless;
use crate::clock::{Now, Standing};
use crate::session::{Seat, Session, Sessions};
use latchwork_coap::Message;
use latchwork_crypto::Symmetric;
use latchwork_oscore::{Error, Incoming, OscoreOption, ReceivedRequest};

/// The sender of one request has shown that it holds the key of one session. OSCORE makes it here, under keys of either
/// profile; DTLS will.
///
/// ```compile_fail,E0451
/// let forged = latchwork_rs_lib::proof::ProvenKey { seat: 0, session: 0 };
/// ```
pub struct ProvenKey {
    pub(crate) seat: usize,
    /// Which session that was: another may sit there by the time of the decision.
    session: u64,
}

impl ProvenKey {
    /// Of whoever sits there now.
    pub(crate) fn at<const N: usize, const P: usize, const I: usize>(
        seat: usize,
        sessions: &Sessions<N, P, I>,
    ) -> Option<Self> {
        sessions.at(Seat::Live(seat)).map(|session| Self { seat, session: session.upload })
    }

    /// The session, if it is still there.
    pub(crate) fn session<'s, const N: usize, const P: usize, const I: usize>(
        &self,
        sessions: &'s Sessions<N, P, I>,
    ) -> Option<&'s Session> {
        sessions.at(self.seat()).filter(|session| session.upload == self.session)
    }

    /// Where to [answer](Sessions::answer).
    pub fn seat(&self) -> Seat {
        Seat::Live(self.seat)
    }
}

/// A request verified under the key of this session, which need not be live yet.
#[derive(Clone, Copy)]
pub struct Verified {
    seat: Seat,
    session: u64,
}

impl Verified {
    /// Where its session is now, to [answer](Sessions::answer).
    pub fn seat(self) -> Seat {
        self.seat
    }

    /// Makes its session a live one, which ends the one before it. None if it has to wait for a seat, or has ended. To be called once the
    /// critical options of the request are known ([`check`](latchwork_coap::endpoint::request::check)): one with others
    /// changes nothing.
    pub fn enter<const N: usize, const P: usize, const I: usize>(
        self,
        sessions: &mut Sessions<N, P, I>,
        now: &Now,
    ) -> Option<ProvenKey> {
        sessions.at(self.seat).filter(|session| session.upload == self.session)?;
        sessions.used(self.seat, now).map(|seat| ProvenKey { seat, session: self.session })
    }
}

/// A request that verified.
pub struct Proven<'o> {
    /// That whoever sent it has the key.
    pub verified: Verified,
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
}

/// Verifies a request under the session that it names, and changes nothing but the replay window there. `out` takes the decrypted
/// request.
pub fn by_oscore<'o, const N: usize, const P: usize, const I: usize>(
    sessions: &mut Sessions<N, P, I>,
    outer: &Message<'_>,
    now: &Now,
    crypto: &impl Symmetric,
    out: &'o mut [u8],
) -> Result<Proven<'o>, Unproven> {
    let option = OscoreOption::of(outer).map_err(|_| Unproven::Oscore(Error::Malformed))?;
    let kid = option.and_then(|option| option.kid).ok_or(Unproven::Oscore(Error::Malformed))?;
    let seat = sessions.find(kid).ok_or(Unproven::NoSession)?;
    // Before decryption: an expired context must not be used at all (RFC 9203 §4.3).
    if sessions.is_overtaken(seat) {
        sessions.end(seat);
        return Err(Unproven::Lapsed);
    }
    let session = sessions.at_mut(seat).ok_or(Unproven::NoSession)?;
    let standing = session.holder.ends.standing(now);
    if standing == Standing::Over && !cfg!(latchwork_disable = "lapsed") {
        sessions.end(seat);
        return Err(Unproven::Lapsed);
    }
    refuse_unless!("lapsed", standing == Standing::Running, Unproven::Lapsed);
    let verified = Verified { seat, session: session.upload };
    let incoming = session.context.unprotect_request(crypto, outer, out);
    match incoming.map_err(Unproven::Oscore)? {
        Incoming::Request(request, reference) => Ok(Proven { verified, request, reference }),
        // Our contexts never outlive a reboot, so their windows are never lost.
        Incoming::Unproven(_) => Err(Unproven::NoSession),
    }
}
