//! A whole lock, sans-IO: datagram in, datagram out.

use crate::{Bolt, Door};
use core::hash::Hash;
use latchwork_ace::TrlResponse;
use latchwork_coap::Kind;
use latchwork_coap::endpoint::Millis;
use latchwork_coap::endpoint::exchange::{FixedExchanges, Received};
use latchwork_coap::endpoint::request;
use latchwork_crypto::{CryptoError, Random, Symmetric, Verify};
use latchwork_rs_lib::{
    Edhoc, Event, Flash, FlashFailed, Introspect, Now, ResourceServer, Revoked, Room, Sessions, TokenHash, Trust,
    revoked,
};

/// The memory of a lock: `N` people inside at a time, `P` on the doorstep, `K` revoked tokens. `A` is the address of a peer; `E` holds those on
/// the way in by EDHOC, or is [`NoEdhoc`](latchwork_rs_lib::NoEdhoc).
pub struct Lock<'k, A, B, C, R, E, F, const N: usize, const P: usize, const K: usize = REVOKED> {
    trust: Trust<'k>,
    crypto: C,
    random: R,
    flash: F,
    remembers: bool,
    door: Door<B>,
    sessions: Sessions<N, P, ISSUERS>,
    edhoc: E,
    revoked: Revoked<[Option<revoked::Entry>; K]>,
    exchanges: FixedExchanges<A, REMEMBERED, 1, MAX_RESPONSE>,
    room: Room<A, MAX_DATAGRAM, 2>,
}

/// A datagram to send, and what happened.
pub struct Sent<'o> {
    /// To be sent to whom the last datagram came from.
    pub datagram: &'o [u8],
    /// None for a repetition.
    pub event: Option<Event>,
}

impl<'k, A, B, C, R, E, F, const N: usize, const P: usize, const K: usize> Lock<'k, A, B, C, R, E, F, N, P, K>
where
    A: Copy + Eq + Hash,
    B: Bolt,
    C: Symmetric + Verify,
    R: Random,
    E: Edhoc<C, A>,
    F: Flash,
{
    /// A lock that was just switched on: it locks, and nobody is inside. A flash that cannot be read makes a lock that takes
    /// no tokens that count from receipt ([`remembers`](Self::remembers)).
    #[inline(never)] // or a caller that goes on for good would hold the parts of the lock beside it
    pub fn new(
        trust: Trust<'k>,
        crypto: C,
        mut random: R,
        edhoc: E,
        mut flash: F,
        bolt: B,
    ) -> Result<Self, CryptoError> {
        let mut seed = [0; 8];
        random.fill(&mut seed)?;
        let mut sessions = Sessions::new();
        let remembers = sessions.remember(&trust, &mut flash, &crypto).is_ok();
        Ok(Self {
            trust,
            crypto,
            random,
            flash,
            remembers,
            door: Door::new(bolt),
            sessions,
            edhoc,
            revoked: Revoked::new(),
            exchanges: FixedExchanges::fixed(u64::from_be_bytes(seed)),
            room: Room::new(),
        })
    }

    /// Takes in a datagram. `clock` counts milliseconds since boot, and goes on while the lock computes. `introspect` can ask a server about a token, on a board that can.
    #[inline(never)] // so that what it needs of the stack is measured
    pub fn receive<'o>(
        &'o mut self,
        clock: &dyn Fn() -> Millis,
        now: Now,
        peer: A,
        datagram: &[u8],
        introspect: Option<&mut dyn Introspect>,
        out: &'o mut [u8],
    ) -> Option<Sent<'o>> {
        let millis = clock();
        let (exchange, message) = match self.exchanges.receive(millis, peer, datagram) {
            Received::Request(exchange, message) => (exchange, message),
            Received::Reply(datagram) => {
                let datagram = out.get_mut(..datagram.len()).map(|out| {
                    out.iter_mut().zip(datagram).for_each(|(to, from)| *to = *from);
                    &*out
                })?;
                return Some(Sent { datagram, event: None });
            }
            _ => return None,
        };
        let head = self.exchanges.head(&exchange);
        let mut server = ResourceServer {
            trust: &self.trust,
            sessions: &mut self.sessions,
            edhoc: &mut self.edhoc,
            flash: &mut self.flash,
            revoked: &mut self.revoked,
            introspect: introspect.map(|server| server as &mut dyn Introspect),
            now,
            clock,
            crypto: &self.crypto,
            random: &mut self.random,
        };
        let answer = server.answer(peer, &message, head, &mut self.door, &mut self.room, out);
        // A non-confirmable message with an unknown critical option is rejected (RFC 7252 §5.4.1).
        let rejected =
            |event| head.kind == Kind::Non && matches!(event, Event::BadRequest(request::Refusal::BadOption(_)));
        let answer = match answer {
            Ok(answer) if !rejected(answer.event) => answer,
            _ => {
                self.exchanges.refused(exchange);
                return None;
            }
        };
        // Answers are small and immediate, so the only failure is a response too long to be remembered: sent once.
        let _ = self.exchanges.answered(millis, exchange, answer.datagram, 0);
        Some(Sent { datagram: answer.datagram, event: Some(answer.event) })
    }

    /// Whether flash could be read.
    pub fn remembers(&self) -> bool {
        self.remembers
    }

    /// What time brings about: the bolt goes back, sessions and handshakes end.
    pub fn tick(&mut self, now: &Now) {
        self.door.relock(now);
        self.sessions.sweep(now);
        self.edhoc.sweep(now.uptime);
        self.room.wipe(now.uptime);
        // What flash does not take is over until the next reboot, and then still on the server's list.
        let _ = self.sessions.sweep_revoked(&mut self.revoked, &mut self.flash, now);
    }

    /// The server at this position of the lock's [`Trust`] revoked a token of its own (RFC 9770 §11.1): its sessions end, and it is refused from now on.
    pub fn revoke(&mut self, issuer: u8, token: TokenHash, now: &Now) -> Result<(), FlashFailed> {
        self.sessions.revoke(issuer, token, &mut self.revoked, &mut self.flash, now)
    }

    /// What was revoked before a reboot stays so.
    pub fn revoke_again(&mut self, kept: &revoked::Kept, now: &Now) -> Result<(), FlashFailed> {
        self.sessions.revoke_again(kept, &mut self.revoked, &mut self.flash, now)
    }

    /// Takes in what this server's list of revoked tokens says (RFC 9770 §11.1).
    pub fn learn(&mut self, issuer: u8, answer: &TrlResponse<'_>, now: &Now) -> Result<(), FlashFailed> {
        self.sessions.learn(issuer, answer, &mut self.revoked, &mut self.flash, now)
    }

    /// The tokens that are refused because they were revoked.
    pub fn revoked(&self) -> &Revoked {
        &self.revoked
    }
}

/// The longest datagram that a lock takes: a token of 512 bytes and what travels with it.
pub const MAX_DATAGRAM: usize = 1152;

/// How many requests are remembered to answer their repetitions.
const REMEMBERED: usize = 32;

/// The longest answer that is remembered; hints with long addresses.
const MAX_RESPONSE: usize = 384;

/// How many revoked tokens a lock knows at a time, if it does not say otherwise.
const REVOKED: usize = 64;

/// How many authorization servers can issue tokens that count from receipt.
const ISSUERS: usize = 4;
