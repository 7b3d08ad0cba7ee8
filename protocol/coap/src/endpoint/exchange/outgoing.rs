//! Messages that wait for an acknowledgement, and when they are sent again (RFC 7252 §4.2).

use super::{Due, Keep, Millis, times};
use crate::message::{Full, Token};

/// Names a message of ours that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SentId {
    pub(super) index: usize,
    pub(super) generation: u32,
}

/// One message of ours that is under way.
#[derive(Clone, Debug)]
pub struct Outgoing<P, K> {
    entry: Option<Entry<P>>,
    generation: u32,
    datagram: K,
}

#[derive(Clone, Copy, Debug)]
struct Entry<P> {
    peer: P,
    id: u16,
    token: Token,
    role: Role,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Request,
    Response,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    Unacknowledged {
        due: Millis,
        timeout: u64,
        retransmissions: u8,
    },
    /// For a response.
    Waiting {
        until: Millis,
    },
    /// For notifications, until the caller forgets it.
    Observing,
}

impl Phase {
    pub(super) fn due(self) -> Option<Millis> {
        match self {
            Self::Unacknowledged { due, .. } => Some(due),
            Self::Waiting { until } => Some(until),
            Self::Observing => None,
        }
    }
}

impl<P, K: Keep> Default for Outgoing<P, K> {
    fn default() -> Self {
        Self { entry: None, generation: 0, datagram: K::default() }
    }
}

impl<P: Copy + Eq, K: Keep> Outgoing<P, K> {
    pub(super) fn is_free(&self) -> bool {
        self.entry.is_none()
    }

    pub(super) fn fill(
        &mut self,
        peer: P,
        id: u16,
        token: Token,
        role: Role,
        phase: Phase,
        datagram: &[u8],
    ) -> Result<u32, Full> {
        self.datagram.keep(datagram)?;
        self.generation = self.generation.wrapping_add(1);
        self.entry = Some(Entry { peer, id, token, role, phase });
        Ok(self.generation)
    }

    pub(super) fn clear(&mut self) {
        self.entry = None;
        self.datagram.forget();
    }

    pub(super) fn sent_id(&self, index: usize) -> SentId {
        SentId { index, generation: self.generation }
    }

    pub(super) fn is(&self, sent: SentId) -> bool {
        self.entry.is_some() && self.generation == sent.generation
    }

    pub(super) fn has_id(&self, peer: P, id: u16) -> bool {
        self.entry.is_some_and(|entry| entry.id == id && entry.peer == peer)
    }

    /// Whether this is a request whose response may carry this token.
    pub(super) fn awaits(&self, peer: P, token: Token) -> bool {
        self.entry.is_some_and(|entry| entry.role == Role::Request && entry.peer == peer && entry.token == token)
    }

    /// A response came, which may be forged: no retransmission, but others may come still.
    pub(super) fn responded(&mut self, now: Millis, index: usize) -> SentId {
        self.acknowledged(now);
        self.sent_id(index)
    }

    pub(super) fn observe(&mut self) {
        if let Some(entry) = self.entry.as_mut() {
            entry.phase = Phase::Observing;
            self.datagram.forget();
        }
    }

    /// True if a response is still to come.
    pub(super) fn acknowledged(&mut self, now: Millis) -> bool {
        match self.entry.as_mut() {
            Some(Entry { role: Role::Request, phase, .. }) => {
                if matches!(phase, Phase::Unacknowledged { .. }) {
                    *phase = Phase::Waiting { until: now.plus(times::EXCHANGE_LIFETIME) };
                }
                true
            }
            _ => {
                self.clear();
                false
            }
        }
    }

    pub(super) fn due(&self) -> Option<Millis> {
        self.entry?.phase.due()
    }

    /// Its time has come: once more, or no more (RFC 7252 §4.2).
    pub(super) fn expire(&mut self, now: Millis, index: usize) -> Option<Due<'_, P>> {
        let entry = self.entry.as_mut()?;
        let peer = entry.peer;
        match &mut entry.phase {
            Phase::Unacknowledged { due, timeout, retransmissions } if *retransmissions < times::MAX_RETRANSMIT => {
                *retransmissions += 1;
                *timeout *= 2;
                *due = now.plus(*timeout);
                Some(Due::Send(peer, self.datagram.kept()))
            }
            _ => {
                let sent = self.sent_id(index);
                self.clear();
                Some(Due::GaveUp(sent, peer))
            }
        }
    }
}
