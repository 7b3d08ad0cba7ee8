//! Who watches what, and what they have not heard yet (RFC 7641).

use super::{Full, Keep};
use crate::endpoint::exchange::SentId;
use crate::message::{OptionNumber, Token};

/// Who observes what (RFC 7641). `X` is what the application needs to answer an observer again.
pub struct Observers<P, X, K, S> {
    slots: S,
    /// Nothing is due: a table of thousands is not searched for every datagram.
    idle: bool,
    of: core::marker::PhantomData<(P, X, K)>,
}

/// One registration.
#[derive(Clone, Debug)]
pub struct Observer<P, X, K> {
    entry: Option<Entry<P, X>>,
    request: K,
}

#[derive(Clone, Debug)]
struct Entry<P, X> {
    peer: P,
    token: Token,
    number: u32,
    extra: X,
    flight: Flight,
    stale: bool,
}

/// A notification on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flight {
    None,
    Making,
    Sent(SentId),
}

impl<P, X, K: Keep> Default for Observer<P, X, K> {
    fn default() -> Self {
        Self { entry: None, request: K::default() }
    }
}

/// A notification to be made: run `request` again and send the outcome to `peer`.
#[derive(Debug)]
pub struct Notification<'s, P, X> {
    /// To whom.
    pub peer: P,
    /// Under which token.
    pub token: Token,
    /// The value of Observe.
    pub number: u32,
    /// The request as it was made, a body.
    pub request: &'s [u8],
    /// What the application stored.
    pub extra: &'s X,
}

impl<P, X, K, S> Observers<P, X, K, S>
where
    P: Copy + Eq,
    K: Keep,
    S: AsMut<[Observer<P, X, K>]>,
{
    /// With a table of empty slots.
    pub fn new(slots: S) -> Self {
        Self { slots, idle: true, of: core::marker::PhantomData }
    }

    /// Adds an observer, or renews the one under the same token, and returns the Observe value of the response. Nothing
    /// is due before that response is [`out`](Self::out). Without room the request is answered like any other
    /// (RFC 7641 §4.1).
    pub fn register(&mut self, peer: P, token: Token, request: &[u8], extra: X) -> Result<u32, Full> {
        let slots = self.slots.as_mut();
        let known = slots.iter().position(|slot| slot.is(peer, token));
        let index = known.or_else(|| slots.iter().position(|slot| slot.entry.is_none())).ok_or(Full)?;
        let slot = slots.get_mut(index).ok_or(Full)?;
        let number = slot.entry.as_ref().map_or(1, |entry| entry.number + 1);
        slot.entry = None;
        slot.request.keep(request)?;
        slot.entry = Some(Entry { peer, token, number, extra, flight: Flight::Making, stale: false });
        Ok(number)
    }

    /// The response to the registration went out.
    pub fn out(&mut self, peer: P, token: Token) {
        self.fly(peer, token, Flight::None);
    }

    /// Whether there is one under this token.
    pub fn knows(&mut self, peer: P, token: Token) -> bool {
        self.slots.as_mut().iter().any(|slot| slot.is(peer, token))
    }

    /// Removes an observer; true if there was one.
    pub fn deregister(&mut self, peer: P, token: Token) -> bool {
        self.remove(|slot| slot.is(peer, token))
    }

    /// The peer rejected a notification, or never acknowledged it (RFC 7641 §4.5).
    pub fn lost(&mut self, sent: SentId) -> bool {
        self.remove(|slot| slot.entry.as_ref().is_some_and(|entry| entry.flight == Flight::Sent(sent)))
    }

    /// A notification was acknowledged, so that the next may go out.
    pub fn acknowledged(&mut self, sent: SentId) {
        let mut entries = self.slots.as_mut().iter_mut().filter_map(|slot| slot.entry.as_mut());
        if let Some(entry) = entries.find(|entry| entry.flight == Flight::Sent(sent)) {
            entry.flight = Flight::None;
            self.idle = false;
        }
    }

    /// The resource at `path` changed: its observers are to be notified.
    pub fn changed(&mut self, path: &str) {
        self.changed_for(path, |_| true);
    }

    /// What some observers see of the resource at `path` changed: these are to be notified.
    pub fn changed_for(&mut self, path: &str, whom: impl Fn(&X) -> bool) {
        for slot in self.slots.as_mut() {
            let Some(entry) = slot.entry.as_mut().filter(|entry| whom(&entry.extra)) else { continue };
            if super::Body::parse(slot.request.kept()).is_ok_and(|body| body.options.path_eq(path)) {
                entry.stale = true;
                self.idle = false;
            }
        }
    }

    /// What this observer was last told may be old already: notify it.
    pub fn stale(&mut self, peer: P, token: Token) {
        if let Some(entry) =
            self.slots.as_mut().iter_mut().find(|slot| slot.is(peer, token)).and_then(|slot| slot.entry.as_mut())
        {
            entry.stale = true;
            self.idle = false;
        }
    }

    /// Whether nothing is [due](Self::due) for certain.
    pub fn is_idle(&self) -> bool {
        self.idle
    }

    /// The next notification to make, then [`sent`](Self::sent) or [`deregister`](Self::deregister): one at a time for each observer, always of the latest state (RFC 7641 §4.5.1).
    pub fn due(&mut self) -> Option<Notification<'_, P, X>> {
        if self.idle {
            return None;
        }
        let slots = self.slots.as_mut();
        let due = |slot: &Observer<P, X, K>| {
            slot.entry.as_ref().is_some_and(|entry| entry.stale && entry.flight == Flight::None)
        };
        let Some(index) = slots.iter().position(due) else {
            self.idle = true;
            return None;
        };
        let slot = slots.get_mut(index)?;
        let entry = slot.entry.as_mut()?;
        entry.stale = false;
        entry.flight = Flight::Making;
        entry.number = entry.number.wrapping_add(1) & 0xff_ffff;
        let (peer, token, number) = (entry.peer, entry.token, entry.number);
        Some(Notification { peer, token, number, request: slot.request.kept(), extra: &entry.extra })
    }

    /// The notification for `peer` and `token` is under way as `sent`.
    pub fn sent(&mut self, peer: P, token: Token, sent: SentId) {
        self.fly(peer, token, Flight::Sent(sent));
    }

    /// How many there are.
    pub fn count(&mut self) -> usize {
        self.count_of(|_| true)
    }

    /// How many of these there are.
    pub fn count_of(&mut self, which: impl Fn(&X) -> bool) -> usize {
        self.slots.as_mut().iter().filter(|slot| slot.entry.as_ref().is_some_and(|entry| which(&entry.extra))).count()
    }

    fn fly(&mut self, peer: P, token: Token, flight: Flight) {
        self.idle = false;
        let slot = self.slots.as_mut().iter_mut().find(|slot| slot.is(peer, token));
        if let Some(entry) = slot.and_then(|slot| slot.entry.as_mut()) {
            entry.flight = flight;
        }
    }

    fn remove(&mut self, which: impl Fn(&Observer<P, X, K>) -> bool) -> bool {
        match self.slots.as_mut().iter_mut().find(|slot| which(slot)) {
            Some(slot) => {
                slot.entry = None;
                slot.request.forget();
                true
            }
            None => false,
        }
    }
}

impl<P: Eq + Copy, X, K> Observer<P, X, K> {
    fn is(&self, peer: P, token: Token) -> bool {
        self.entry.as_ref().is_some_and(|entry| entry.peer == peer && entry.token == token)
    }
}

/// What a request says about observing: true to begin, false to end (RFC 7641 §2).
pub fn observe_wish(options: &crate::message::Options<'_>) -> Option<bool> {
    match options.uint(OptionNumber::OBSERVE)? {
        0 => Some(true),
        1 => Some(false),
        _ => None,
    }
}
