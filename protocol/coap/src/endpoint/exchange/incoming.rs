//! Messages that came: each is answered once, and again with the same bytes (RFC 7252 §4.5).

use super::{Keep, Millis, ack, times};
use crate::message::Full;

/// One remembered message of a peer.
#[derive(Clone, Debug)]
pub struct Incoming<P, K> {
    entry: Option<Entry<P>>,
    /// What a repetition gets: the answer, an empty acknowledgement, or (no bytes) nothing.
    answer: K,
}

#[derive(Clone, Copy, Debug)]
struct Entry<P> {
    peer: P,
    id: u16,
    at: Millis,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Somebody is working on it.
    Running { unacknowledged: bool },
    /// Its answer, which is also its acknowledgement, is being written.
    Answering,
    /// Done with.
    Answered,
}

impl<P, K: Keep> Default for Incoming<P, K> {
    fn default() -> Self {
        Self { entry: None, answer: K::default() }
    }
}

impl<P: Copy + Eq, K: Keep> Incoming<P, K> {
    pub(super) fn fill(&mut self, peer: P, id: u16, at: Millis, state: State) {
        self.entry = Some(Entry { peer, id, at, state });
        self.answer.forget();
    }

    pub(super) fn is(&self, peer: P, id: u16) -> bool {
        self.entry.is_some_and(|entry| entry.id == id && entry.peer == peer)
    }

    pub(super) fn is_free(&self, now: Millis) -> bool {
        self.entry.is_none_or(|entry| entry.at.plus(times::EXCHANGE_LIFETIME) <= now)
    }

    pub(super) fn is_evictable(&self, now: Millis) -> bool {
        self.is_free(now) || self.entry.is_some_and(|entry| entry.state == State::Answered)
    }

    /// The slot worth least is taken first.
    pub(super) fn worth(&self, now: Millis) -> (bool, Millis) {
        match self.entry {
            Some(entry) if !self.is_free(now) => (!self.is_evictable(now), entry.at),
            _ => (false, Millis(0)),
        }
    }

    pub(super) fn is_unacknowledged(&self) -> bool {
        let unacknowledged = |state| matches!(state, State::Running { unacknowledged: true } | State::Answering);
        self.entry.is_some_and(|entry| unacknowledged(entry.state))
    }

    /// Acknowledging is left to the answer from now on, if that is still possible.
    pub(super) fn begin_answer(&mut self) -> bool {
        let possible = self.is_unacknowledged();
        if let Some(entry) = self.entry.as_mut().filter(|_| possible) {
            entry.state = State::Answering;
        }
        possible
    }

    pub(super) fn ack_due(&self) -> Option<Millis> {
        let entry = self.entry.filter(|entry| entry.state == State::Running { unacknowledged: true })?;
        Some(entry.at.plus(times::ACK_DELAY))
    }

    /// Turns the exchange into one with a separate response.
    pub(super) fn acknowledge(&mut self) -> Option<(P, &[u8])> {
        let entry = self.entry.as_mut()?;
        entry.state = State::Running { unacknowledged: false };
        let peer = entry.peer;
        let _ = self.answer.keep(&ack(entry.id)); // four bytes fit anywhere, and a lost acknowledgement is survivable
        Some((peer, self.answer.kept()))
    }

    /// `None` leaves the acknowledgement that went out before, if any.
    pub(super) fn answer(&mut self, bytes: Option<&[u8]>) -> Result<(), Full> {
        if let Some(entry) = self.entry.as_mut() {
            entry.state = State::Answered;
        }
        bytes.map_or(Ok(()), |bytes| self.answer.keep(bytes))
    }

    pub(super) fn answer_bytes(&self) -> &[u8] {
        self.answer.kept()
    }
}
