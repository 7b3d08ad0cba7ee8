//! Finding and freeing slots.

use core::hash::{Hash, Hasher};

use super::{Exchange, Exchanges, Incoming, Keep, Millis, Outgoing, Received};
use crate::endpoint::Fnv;

/// How many slots a message may be in: enough to evict fairly, few enough to look through.
const WAYS: usize = 8;

impl<P, K, I, O> Exchanges<P, K, I, O>
where
    P: Copy + Eq + Hash,
    K: Keep,
    I: AsRef<[Incoming<P, K>]> + AsMut<[Incoming<P, K>]>,
    O: AsRef<[Outgoing<P, K>]> + AsMut<[Outgoing<P, K>]>,
{
    pub(super) fn remembered(&self, exchange: &Exchange<P>) -> Option<usize> {
        self.find_in(exchange.peer, exchange.id)
    }

    pub(super) fn slot_in(&self, index: usize) -> Option<&Incoming<P, K>> {
        self.incoming.as_ref().get(index)
    }

    pub(super) fn is_live(&self, index: usize, now: Millis) -> bool {
        self.slot_in(index).is_some_and(|slot| !slot.is_free(now))
    }

    pub(super) fn find_in(&self, peer: P, id: u16) -> Option<usize> {
        let ways = self.ways(peer, id);
        let start = ways.start;
        let slots = self.incoming.as_ref().get(ways)?;
        slots.iter().position(|slot| slot.is(peer, id)).map(|index| start + index)
    }

    /// A slot for a new message: a free one, else that of the oldest answered one. What is still being worked on stays.
    pub(super) fn free_in(&mut self, now: Millis, peer: P, id: u16) -> Option<&mut Incoming<P, K>> {
        let ways = self.ways(peer, id);
        let slots = self.incoming.as_mut().get_mut(ways)?;
        slots.iter_mut().min_by_key(|slot| slot.worth(now)).filter(|slot| slot.is_evictable(now))
    }

    pub(super) fn wake_at(&mut self, due: Option<Millis>) {
        self.soonest = [self.soonest, due].into_iter().flatten().min();
    }

    pub(super) fn reply_reset<'d>(&mut self, id: u16) -> Received<'_, 'd, P> {
        self.reset = super::rst(id);
        Received::Reply(&self.reset)
    }

    fn ways(&self, peer: P, id: u16) -> core::ops::Range<usize> {
        let len = self.incoming.as_ref().len();
        let sets = len / WAYS;
        if sets < 2 {
            return 0..len;
        }
        let mut fnv = Fnv::new(self.seed);
        (peer, id).hash(&mut fnv);
        let set = (fnv.finish() >> 16) as usize % sets;
        set * WAYS..set * WAYS + WAYS
    }
}
