//! Who is inside: one security context and the rights of one token for each (RFC 9200 §5.10.1, RFC 9203 §4.3, §6).
//!
//! An upload opens a *pending* session and touches no other. It becomes a live one at the first request that verifies
//! on it, and only then ends the one that the same proof-of-possession key had before: whoever replays a sniffed token
//! gets no further than the pending slots. Those are few, apart, and evicted first.

use crate::clock::{Ends, Now, Standing, Uptime};
pub use crate::holder::{Holder, Subject, TokenHash};
use crate::replay::{Count, Flash, FlashFailed, Record, Records};
use crate::revoked::Seen;
pub use crate::seats::IN_USE;
use crate::strangers::Strangers;
use crate::trust::{IssuerId, Trust};
use latchwork_coap::Message;
use latchwork_crypto::Symmetric;
use latchwork_oscore::{Context, Error, ReceivedRequest};

/// `N` live sessions and `P` pending ones, in memory that the application gives, and what is known of the tokens of `I`
/// servers that count from receipt.
pub struct Sessions<const N: usize, const P: usize, const I: usize = 1> {
    pub(crate) live: [Option<Session>; N],
    pub(crate) pending: [Option<Session>; P],
    records: Records<I>,
    /// Counts uploads, to tell the older of two pending sessions.
    uploads: u64,
    /// The time that strangers took.
    pub(crate) strangers: Strangers,
}

pub(crate) struct Session {
    pub(crate) context: Context,
    pub(crate) holder: Holder,
    /// The last request that verified; of a pending session none did yet.
    pub(crate) used: Uptime,
    pub(crate) upload: u64,
}

impl Session {
    /// Whether its rights are over.
    pub(crate) fn is_over(&self, now: &Now) -> bool {
        self.holder.ends.standing(now) == Standing::Over
    }
}

/// Where a session sits, for whoever answers in it. It proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seat {
    /// Among those inside.
    Live(usize),
    /// Among those that no request verified on, or whose first one got no seat.
    Pending(usize),
}

impl<const N: usize, const P: usize, const I: usize> Default for Sessions<N, P, I> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize, const P: usize, const I: usize> Sessions<N, P, I> {
    /// Nobody is inside, and tokens that count from receipt are refused.
    pub const fn new() -> Self {
        Self {
            live: [const { None }; N],
            pending: [const { None }; P],
            records: Records::new(),
            uploads: 0,
            strangers: Strangers::new(),
        }
    }

    /// Reads from flash which tokens that count from receipt are over; once, before the first message. Without it they
    /// are refused, as are those of a server beyond the first `I`.
    pub fn remember(
        &mut self,
        trust: &Trust<'_>,
        flash: &mut dyn Flash,
        crypto: &impl Symmetric,
    ) -> Result<(), FlashFailed> {
        self.records.read(trust, flash, crypto)
    }

    /// What is known of tokens that count from receipt, for [`Verifier`](crate::verify::Verifier).
    pub fn records(&self) -> &[Option<Record>] {
        self.records.all()
    }

    /// How many live sessions there are.
    pub fn live(&self) -> usize {
        self.live.iter().flatten().count()
    }

    /// How many sessions wait for their first request.
    pub fn pending(&self) -> usize {
        self.pending.iter().flatten().count()
    }

    /// Ends every session whose rights are over. To be called from time to time; requests check for themselves.
    pub fn sweep(&mut self, now: &Now) {
        self.end_where(|session| session.is_over(now));
    }

    /// Ends every session that rests on this token of this server, and tells what it said of itself. Its number is not over yet: its
    /// hash, which is kept, refuses it, and leaves those below alone.
    pub(crate) fn expunge(&mut self, issuer: IssuerId, token: &TokenHash) -> Option<Seen> {
        let mut seen = None;
        for slot in self.live.iter_mut().chain(&mut self.pending) {
            let rests =
                |session: &mut Session| session.holder.key.issuer == issuer && session.holder.names.contain(token);
            if let Some(session) = slot.take_if(rests) {
                seen = Some(Seen::of(&session.holder));
            }
        }
        seen
    }

    /// A number is over, and stays so after a reboot.
    pub(crate) fn over_for_good(
        &mut self,
        issuer: IssuerId,
        number: u64,
        flash: &mut dyn Flash,
    ) -> Result<(), FlashFailed> {
        self.records.over(issuer, number);
        self.records.start(issuer, number, flash)
    }

    /// Puts a new context among the pending ones. A token that is here already goes on counting from its first receipt
    /// (RFC 9200 §5.10.1.1).
    pub(crate) fn open(&mut self, context: Context, mut holder: Holder, now: &Now) -> Seat {
        holder.ends = self.receipt(&holder).unwrap_or(holder.ends);
        let place = self.pending_slot(holder.subject, now);
        self.uploads = self.uploads.wrapping_add(1);
        let upload = self.uploads;
        if let Some(slot) = self.pending.get_mut(place) {
            *slot = Some(Session { context, holder, used: now.uptime, upload });
        }
        Seat::Pending(place)
    }

    /// The end that was set when the token with this number was first received, if it is still here.
    fn receipt(&self, holder: &Holder) -> Option<Ends> {
        let number = holder.number()?;
        let mut first: Option<&Session> = None;
        for session in [&self.live[..], &self.pending].into_iter().flatten().flatten() {
            let other = &session.holder;
            let same = other.key.issuer == holder.key.issuer && other.number() == Some(number);
            if same && first.is_none_or(|first| other.ends.uptime < first.holder.ends.uptime) {
                first = Some(session);
            }
        }
        first.map(|session| session.holder.ends)
    }

    /// Gives a live session the rights of a new token for the same key. Refused (false) is a token with a lower number
    /// than the one it would replace: that number is over with it.
    pub(crate) fn update(&mut self, seat: usize, mut holder: Holder) -> bool {
        holder.ends = self.receipt(&holder).unwrap_or(holder.ends);
        let Some(Some(session)) = self.live.get_mut(seat) else {
            return false;
        };
        let old = session.holder.count;
        match (old, &mut holder.count) {
            (Some(old), Some(new)) if old.number == new.number => new.started = old.started,
            (Some(old), Some(new)) if new.number < old.number => return false,
            (Some(old), _) if old.started => self.records.over(session.holder.key.issuer, old.number),
            _ => {}
        }
        session.holder = holder;
        true
    }

    /// The session whose Recipient ID this is. `open` never gives one identifier twice.
    pub(crate) fn find(&self, kid: &[u8]) -> Option<Seat> {
        let here = |session: &Option<Session>| {
            session.as_ref().is_some_and(|session| session.context.recipient_id().as_bytes() == kid)
        };
        let live = self.live.iter().position(here).map(Seat::Live);
        live.or_else(|| self.pending.iter().position(here).map(Seat::Pending))
    }

    pub(crate) fn at(&self, seat: Seat) -> Option<&Session> {
        match seat {
            Seat::Live(index) => self.live.get(index)?.as_ref(),
            Seat::Pending(index) => self.pending.get(index)?.as_ref(),
        }
    }

    pub(crate) fn at_mut(&mut self, seat: Seat) -> Option<&mut Session> {
        self.slot(seat)?.as_mut()
    }

    /// Protects the answer to a request that verified (RFC 8613 §8.3) and writes the datagram into `out`; None if the session has
    /// ended since.
    pub fn answer<'o>(
        &mut self,
        seat: Seat,
        request: &mut ReceivedRequest,
        response: &Message<'_>,
        crypto: &impl Symmetric,
        out: &'o mut [u8],
    ) -> Option<Result<&'o [u8], Error>> {
        let context = &mut self.at_mut(seat)?.context;
        Some(context.protect_response(crypto, request, response, out))
    }

    pub(crate) fn end(&mut self, seat: Seat) {
        let slot = match seat {
            Seat::Live(index) => self.live.get_mut(index),
            Seat::Pending(index) => self.pending.get_mut(index),
        };
        if let Some(slot) = slot {
            end(slot, &mut self.records, |_| true);
        }
    }

    /// Whether the token of this session counts from receipt, no request on it was allowed yet, and its number is over by now; or
    /// would be with the session that it is to replace.
    pub(crate) fn is_overtaken(&self, seat: Seat) -> bool {
        let Some(holder) = self.at(seat).map(|session| &session.holder) else { return false };
        let Some(Count { number, started: false }) = holder.count else { return false };
        let goes_back = |other: &Session| {
            let count = other.holder.count.filter(|count| count.started);
            let same = other.holder.key == holder.key && other.holder.key.issuer == holder.key.issuer;
            same && count.is_some_and(|count| count.number > number)
        };
        let goes_back = self.live.iter().flatten().any(goes_back) && !cfg!(latchwork_disable = "exi-back");
        goes_back || self.records.is_over(holder.key.issuer, number)
    }

    /// A request verified on this session: a pending one becomes live and ends its predecessor. Returns its live seat; None if
    /// none is to be had, for those that are taken are in use.
    pub(crate) fn used(&mut self, seat: Seat, now: &Now) -> Option<usize> {
        let index = match seat {
            Seat::Live(index) => index,
            Seat::Pending(pending) => {
                let &Holder { key, subject, .. } = &self.at(seat)?.holder;
                let index = self.live_slot(key, subject, now)?;
                self.settle(pending, index);
                index
            }
        };
        self.at_mut(Seat::Live(index))?.used = now.uptime;
        Some(index)
    }

    /// A request on this live session is about to be allowed: if its token counts from receipt, flash knows of that when this
    /// returns.
    pub(crate) fn start(&mut self, seat: usize, flash: &mut dyn Flash) -> Result<(), FlashFailed> {
        let Some(Some(session)) = self.live.get_mut(seat) else { return Ok(()) };
        if let Some(count) = session.holder.count.as_mut().filter(|count| !count.started) {
            self.records.start(session.holder.key.issuer, count.number, flash)?;
            count.started = true;
        }
        Ok(())
    }

    /// Moves a pending session to a live seat. One session per key: whatever else it opened is superseded, uploads that
    /// nobody went on with included. Under the same number it goes on with what was allowed before.
    fn settle(&mut self, pending: usize, seat: usize) {
        let Some(mut session) = self.pending.get_mut(pending).and_then(Option::take) else {
            return;
        };
        for slot in self.live.iter_mut().chain(&mut self.pending) {
            if let Some(old) = slot
                && old.holder.key == session.holder.key
            {
                // A credential may come by two servers, whose numbers have nothing to do with each other.
                let same = old.holder.key.issuer == session.holder.key.issuer;
                match (&mut session.holder.count, old.holder.count) {
                    (Some(count), Some(old)) if same && old.number == count.number => count.started |= old.started,
                    _ => self.records.ended(&old.holder),
                }
                *slot = None;
            }
        }
        if let Some(slot) = self.live.get_mut(seat) {
            end(slot, &mut self.records, |_| true);
            *slot = Some(session);
        }
    }

    fn end_where(&mut self, ends: impl Fn(&Session) -> bool) {
        for slot in self.live.iter_mut().chain(&mut self.pending) {
            end(slot, &mut self.records, &ends);
        }
    }

    fn slot(&mut self, seat: Seat) -> Option<&mut Option<Session>> {
        match seat {
            Seat::Live(index) => self.live.get_mut(index),
            Seat::Pending(index) => self.pending.get_mut(index),
        }
    }
}

/// Ends the session in a slot, where it lies: to take it out would take its room on the stack.
fn end<const I: usize>(slot: &mut Option<Session>, records: &mut Records<I>, ends: impl Fn(&Session) -> bool) {
    if let Some(session) = slot
        && ends(session)
    {
        records.ended(&session.holder);
        *slot = None;
    }
}
