//! The message layer (RFC 7252 §4): what to do with a datagram before anybody looks at its options.
//!
//! A request comes out of [`Exchanges::receive`] once, however often it arrives; its repetitions get the same bytes
//! as an answer. What we send confirmably is sent again until acknowledged.

mod incoming;
mod outgoing;

use core::hash::Hash;
use core::marker::PhantomData;

pub use incoming::Incoming;
use incoming::State;
pub use outgoing::{Outgoing, SentId};
use outgoing::{Phase, Role};

use super::{Buf, Keep, Millis, times};
use crate::message::{Code, Full, Header, Kind, Message, Token};

/// All exchanges of one socket, in both roles. `P` tells peers apart: an address, or `()` on a point-to-point link.
pub struct Exchanges<P, K, I, O> {
    incoming: I,
    outgoing: O,
    next_id: u16,
    seed: u64,
    /// Nothing is due before.
    soonest: Option<Millis>,
    /// The reset that was sent last, so that a reply can borrow it.
    reset: [u8; 4],
    of: PhantomData<(P, K)>,
}

/// The same with everything in place: `IN` requests remembered, `OUT` messages under way, `B` bytes for each.
pub type FixedExchanges<P, const IN: usize, const OUT: usize, const B: usize> =
    Exchanges<P, Buf<B>, [Incoming<P, Buf<B>>; IN], [Outgoing<P, Buf<B>>; OUT]>;

/// What a datagram turned out to be.
#[derive(Debug)]
pub enum Received<'s, 'd, P> {
    /// A request that was not seen before. It is to be answered, or dropped, exactly once.
    Request(Exchange<P>, Message<'d>),
    /// A response to a message of ours. Others may follow until the caller [forgets](Exchanges::forget) the request:
    /// this one may be forged, which only OSCORE can tell, or the first of many notifications. Send `ack` back, or the bytes of [`Exchanges::reject`] if the response must be
    /// rejected (RFC 7252 §4.2).
    Response {
        /// The request it answers.
        to: SentId,
        /// The response itself.
        message: Message<'d>,
        /// To be sent back if present.
        ack: Option<[u8; 4]>,
    },
    /// To be sent back as it is; nothing else is to be done.
    Reply(&'s [u8]),
    /// A message of ours that expects no response was acknowledged.
    Acknowledged(SentId),
    /// A message of ours was rejected. A notification's observer is to be forgotten (RFC 7641 §3.6).
    Reset(SentId),
    /// Nothing to do.
    Ignored(Why),
}

/// Why a datagram was dropped in silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Not CoAP, malformed, or a combination of type and code that does not exist.
    Malformed,
    /// Seen before, and either still being worked on or not confirmable.
    Duplicate,
    /// Acknowledges or resets nothing that we know of.
    Unrelated,
    /// Every slot holds a request that is still being worked on.
    Busy,
}

/// A request to be answered.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "answer it or drop it through Exchanges"]
pub struct Exchange<P> {
    /// Who asked.
    pub peer: P,
    token: Token,
    id: u16,
    confirmable: bool,
}

/// How the header of a message must look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Message type.
    pub kind: Kind,
    /// Message ID.
    pub id: u16,
    /// Token.
    pub token: Token,
}

/// What time has brought about.
#[derive(Debug)]
pub enum Due<'s, P> {
    /// Send these bytes: a retransmission, or the acknowledgement for a slow handler.
    Send(P, &'s [u8]),
    /// Nobody acknowledged, or no response came.
    GaveUp(SentId, P),
}

/// No slot is free for another message, or the message does not fit one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

impl From<Full> for Busy {
    fn from(_: Full) -> Self {
        Self
    }
}

/// The empty acknowledgement of `id`.
pub const fn ack(id: u16) -> [u8; 4] {
    let [high, low] = id.to_be_bytes();
    [0x60, 0, high, low]
}

/// The reset of `id`.
pub const fn rst(id: u16) -> [u8; 4] {
    let [high, low] = id.to_be_bytes();
    [0x70, 0, high, low]
}

impl<P, K: Keep, const IN: usize, const OUT: usize> Exchanges<P, K, [Incoming<P, K>; IN], [Outgoing<P, K>; OUT]>
where
    P: Copy + Eq + Hash,
{
    /// With arrays as tables. `random` is fresh: its low half becomes the first message ID (RFC 7252 §4.4).
    pub fn fixed(random: u64) -> Self {
        Self::new(core::array::from_fn(|_| Incoming::default()), core::array::from_fn(|_| Outgoing::default()), random)
    }
}

impl<P, K, I, O> Exchanges<P, K, I, O>
where
    P: Copy + Eq + Hash,
    K: Keep,
    I: AsRef<[Incoming<P, K>]> + AsMut<[Incoming<P, K>]>,
    O: AsRef<[Outgoing<P, K>]> + AsMut<[Outgoing<P, K>]>,
{
    /// With tables of empty slots. `random` is fresh: it becomes the first message ID (RFC 7252 §4.4) and spreads the
    /// peers over the table.
    pub fn new(incoming: I, outgoing: O, random: u64) -> Self {
        Self { incoming, outgoing, next_id: random as u16, seed: random, soonest: None, reset: rst(0), of: PhantomData }
    }

    /// A message ID that was not used for the last 65535 messages.
    pub fn fresh_id(&mut self) -> u16 {
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        id
    }

    /// Takes in one datagram.
    pub fn receive<'d>(&mut self, now: Millis, peer: P, datagram: &'d [u8]) -> Received<'_, 'd, P> {
        let Some(header) = Header::parse(datagram) else { return Received::Ignored(Why::Malformed) };
        let known_code = header.code == Code::EMPTY || header.code.is_request() || header.code.is_response();
        let message = match Message::parse(datagram) {
            Ok(message) if known_code => message,
            _ if header.kind == Kind::Con => return self.reply_reset(header.id),
            _ => return Received::Ignored(Why::Malformed),
        };
        match message.kind {
            Kind::Con if message.code == Code::EMPTY => self.reply_reset(message.id),
            Kind::Con | Kind::Non if message.code.is_request() => self.request(now, peer, message),
            Kind::Con | Kind::Non if message.code.is_response() => self.separate(now, peer, message),
            Kind::Ack if message.code == Code::EMPTY => self.acknowledged(now, peer, message.id),
            Kind::Ack if message.code.is_response() => self.piggybacked(now, peer, message),
            Kind::Rst if message.code == Code::EMPTY => self.reset(peer, message.id),
            _ => Received::Ignored(Why::Malformed),
        }
    }

    /// How the answer's header must look: piggybacked while the request is unacknowledged, else a message of its own
    /// (RFC 7252 §5.2). The answer is to follow soon, since no acknowledgement goes out before it any more.
    pub fn head(&mut self, exchange: &Exchange<P>) -> Head {
        let index = self.remembered(exchange);
        let slot = index.and_then(|index| self.incoming.as_mut().get_mut(index));
        let unacknowledged = slot.is_some_and(Incoming::begin_answer);
        let token = exchange.token;
        match (exchange.confirmable, unacknowledged) {
            (true, true) => Head { kind: Kind::Ack, id: exchange.id, token },
            (true, false) => Head { kind: Kind::Con, id: self.fresh_id(), token },
            (false, _) => Head { kind: Kind::Non, id: self.fresh_id(), token },
        }
    }

    /// Remembers the answer, a datagram under the [`Head`] that was just asked for, so that a repetition of the request
    /// gets it again. The caller sends it. `spread` is random.
    ///
    /// On `Busy` the answer may be sent still, but nothing stands behind it.
    pub fn answered(&mut self, now: Millis, exchange: Exchange<P>, datagram: &[u8], spread: u16) -> Result<(), Busy> {
        let kind = Header::parse(datagram).ok_or(Busy)?.kind;
        if let Some(slot) = self.remembered(&exchange).and_then(|index| self.incoming.as_mut().get_mut(index)) {
            slot.answer(if kind == Kind::Ack { Some(datagram) } else { None })?;
        }
        if kind == Kind::Con { self.send(now, exchange.peer, datagram, spread).map(|_| ()) } else { Ok(()) }
    }

    /// The request gets no answer at all. A confirmable one is acknowledged with the bytes returned, which are to be sent.
    pub fn unanswered(&mut self, exchange: Exchange<P>) -> Option<[u8; 4]> {
        let index = self.remembered(&exchange)?;
        let slot = self.incoming.as_mut().get_mut(index)?;
        if !exchange.confirmable || !slot.is_unacknowledged() {
            slot.answer(None).ok()?;
            return None;
        }
        let ack = ack(exchange.id);
        slot.answer(Some(&ack)).ok()?;
        Some(ack)
    }

    /// Refuses a request as a message: a non-confirmable one with an unknown critical option (RFC 7252 §5.4.1). Returns
    /// the reset, which may be sent.
    pub fn refused(&mut self, exchange: Exchange<P>) -> [u8; 4] {
        let rst = rst(exchange.id);
        if let Some(slot) = self.remembered(&exchange).and_then(|index| self.incoming.as_mut().get_mut(index)) {
            let _ = slot.answer(exchange.confirmable.then_some(&rst[..]));
        }
        rst
    }

    /// Registers a message of ours that the caller sends now: a request, a notification, a separate response. It is
    /// sent again if confirmable, and waits for a response if it is a request. `spread` is random.
    pub fn send(&mut self, now: Millis, peer: P, datagram: &[u8], spread: u16) -> Result<SentId, Busy> {
        let message = Message::parse(datagram).map_err(|_| Busy)?;
        let role = if message.code.is_request() { Role::Request } else { Role::Response };
        let phase = match message.kind {
            Kind::Con => {
                let timeout = times::ACK_TIMEOUT + ((times::ACK_SPREAD * u64::from(spread)) >> 16);
                Phase::Unacknowledged { due: now.plus(timeout), timeout, retransmissions: 0 }
            }
            _ => Phase::Waiting { until: now.plus(times::NON_LIFETIME) },
        };
        let index = self.outgoing.as_ref().iter().position(Outgoing::is_free).ok_or(Busy)?;
        let slot = self.outgoing.as_mut().get_mut(index).ok_or(Busy)?;
        let generation = slot.fill(peer, message.id, message.token, role, phase, datagram)?;
        self.wake_at(phase.due());
        Ok(SentId { index, generation })
    }

    /// How many more messages of ours can be under way.
    pub fn room(&self) -> usize {
        self.outgoing.as_ref().iter().filter(|slot| slot.is_free()).count()
    }

    /// Waits for notifications without end, until the request is [forgotten](Self::forget) (RFC 7641).
    pub fn observe(&mut self, sent: SentId) {
        if let Some(slot) = self.outgoing.as_mut().get_mut(sent.index).filter(|slot| slot.is(sent)) {
            slot.observe();
        }
    }

    /// The request did not reach anybody: if it comes again, it is new.
    pub fn abandon(&mut self, exchange: Exchange<P>) {
        if let Some(slot) = self.remembered(&exchange).and_then(|index| self.incoming.as_mut().get_mut(index)) {
            *slot = Incoming::default();
        }
    }

    /// Stops caring about a message of ours: no retransmission, and a late response is rejected.
    pub fn forget(&mut self, sent: SentId) {
        if let Some(slot) = self.outgoing.as_mut().get_mut(sent.index).filter(|slot| slot.is(sent)) {
            slot.clear();
        }
    }

    /// Rejects a response that was just received (RFC 7252 §4.2); the bytes are to be sent instead of its `ack`.
    /// For a piggybacked one there is nothing to send.
    pub fn reject(&mut self, peer: P, message: &Message<'_>) -> Option<[u8; 4]> {
        let rst = rst(message.id);
        match message.kind {
            Kind::Con => {
                let index = self.find_in(peer, message.id)?;
                self.incoming.as_mut().get_mut(index)?.answer(Some(&rst)).ok()?;
                Some(rst)
            }
            Kind::Non => Some(rst),
            Kind::Ack | Kind::Rst => None,
        }
    }

    /// When [`poll`](Self::poll) has to be called next, at the latest.
    pub fn next_due(&self) -> Option<Millis> {
        self.soonest
    }

    /// To be called until it returns `None`, whenever [`next_due`](Self::next_due) has passed.
    pub fn poll(&mut self, now: Millis) -> Option<Due<'_, P>> {
        if self.soonest.is_none_or(|soonest| now < soonest) {
            return None;
        }
        if let Some(index) = self.incoming.as_ref().iter().position(|slot| slot.ack_due().is_some_and(|due| due <= now))
        {
            let slot = self.incoming.as_mut().get_mut(index)?;
            let (peer, bytes) = slot.acknowledge()?;
            return Some(Due::Send(peer, bytes));
        }
        if let Some(index) = self.outgoing.as_ref().iter().position(|slot| slot.due().is_some_and(|due| due <= now)) {
            let slot = self.outgoing.as_mut().get_mut(index)?;
            return slot.expire(now, index);
        }
        let acks = self.incoming.as_ref().iter().filter_map(Incoming::ack_due).min();
        let sends = self.outgoing.as_ref().iter().filter_map(Outgoing::due).min();
        self.soonest = [acks, sends].into_iter().flatten().min();
        None
    }

    fn request<'d>(&mut self, now: Millis, peer: P, message: Message<'d>) -> Received<'_, 'd, P> {
        let confirmable = message.kind == Kind::Con;
        if let Some(index) = self.find_in(peer, message.id).filter(|&index| self.is_live(index, now)) {
            return self.repeat(index, confirmable);
        }
        let Some(slot) = self.free_in(now, peer, message.id) else { return Received::Ignored(Why::Busy) };
        slot.fill(peer, message.id, now, State::Running { unacknowledged: confirmable });
        if confirmable {
            self.wake_at(Some(now.plus(times::ACK_DELAY)));
        }
        Received::Request(Exchange { peer, token: message.token, id: message.id, confirmable }, message)
    }

    /// A separate response, or a notification.
    fn separate<'d>(&mut self, now: Millis, peer: P, message: Message<'d>) -> Received<'_, 'd, P> {
        let confirmable = message.kind == Kind::Con;
        if let Some(index) = self.find_in(peer, message.id).filter(|&index| self.is_live(index, now)) {
            return self.repeat(index, confirmable);
        }
        let index = self.outgoing.as_ref().iter().position(|slot| slot.awaits(peer, message.token));
        let Some((index, slot)) = index.and_then(|index| Some((index, self.outgoing.as_mut().get_mut(index)?))) else {
            return self.reply_reset(message.id);
        };
        let to = slot.responded(now, index);
        let ack = ack(message.id);
        if let Some(slot) = self.free_in(now, peer, message.id) {
            slot.fill(peer, message.id, now, State::Running { unacknowledged: false });
            let _ = slot.answer(confirmable.then_some(&ack[..]));
        }
        Received::Response { to, message, ack: confirmable.then_some(ack) }
    }

    fn piggybacked<'d>(&mut self, now: Millis, peer: P, message: Message<'d>) -> Received<'_, 'd, P> {
        let index = self
            .outgoing
            .as_ref()
            .iter()
            .position(|slot| slot.has_id(peer, message.id) && slot.awaits(peer, message.token));
        match index.and_then(|index| Some((index, self.outgoing.as_mut().get_mut(index)?))) {
            Some((index, slot)) => Received::Response { to: slot.responded(now, index), message, ack: None },
            None => Received::Ignored(Why::Unrelated),
        }
    }

    fn acknowledged(&mut self, now: Millis, peer: P, id: u16) -> Received<'static, 'static, P> {
        let index = self.outgoing.as_ref().iter().position(|slot| slot.has_id(peer, id));
        let Some((index, slot)) = index.and_then(|index| Some((index, self.outgoing.as_mut().get_mut(index)?))) else {
            return Received::Ignored(Why::Unrelated);
        };
        let sent = slot.sent_id(index);
        if slot.acknowledged(now) { Received::Ignored(Why::Duplicate) } else { Received::Acknowledged(sent) }
    }

    fn reset(&mut self, peer: P, id: u16) -> Received<'static, 'static, P> {
        let index = self.outgoing.as_ref().iter().position(|slot| slot.has_id(peer, id));
        let Some((index, slot)) = index.and_then(|index| Some((index, self.outgoing.as_mut().get_mut(index)?))) else {
            return Received::Ignored(Why::Unrelated);
        };
        let sent = slot.sent_id(index);
        slot.clear();
        Received::Reset(sent)
    }

    fn repeat<'d>(&self, index: usize, confirmable: bool) -> Received<'_, 'd, P> {
        match self.slot_in(index).map(Incoming::answer_bytes) {
            Some(bytes) if confirmable && !bytes.is_empty() => Received::Reply(bytes),
            _ => Received::Ignored(Why::Duplicate),
        }
    }
}

mod tables;
#[cfg(test)]
mod tests;
