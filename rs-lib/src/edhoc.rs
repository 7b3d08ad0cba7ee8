//! EDHOC at the door (draft-ietf-ace-edhoc-oscore-profile §4.3): handshakes that wait for message_3.
//!
//! Anybody may begin one, so they are few, apart from the sessions, bounded in time and number, and evicted worst first. How many are begun is
//! a question of the time that strangers get (`strangers`).

use crate::clock::Uptime;
use latchwork_ace::registry::unassigned::EAD_ACCESS_TOKEN;
use latchwork_crypto::{Agree, CryptoError, Ephemeral, P256Peer, Random, Secret, Symmetric};
use latchwork_edhoc::responder::{ReceivedMessage1, SentMessage2};
use latchwork_edhoc::{ConnectionId, Error, Identity, Method};

/// What a resource server does at `/.well-known/edhoc`: [`Handshakes`], or [`NoEdhoc`] in firmware that has no room for it.
pub trait Edhoc<C, A> {
    /// The ephemeral keys.
    type Key: Agree;

    /// Whether there is such a resource at all.
    fn is_spoken(&self) -> bool;

    /// Answers message_1 of `peer`. `is_taken` tells the identifiers that somebody has already.
    fn begin<'o>(
        &mut self,
        peer: A,
        message_1: &[u8],
        now: Uptime,
        with: (&C, &mut dyn Random),
        is_taken: &dyn Fn(&[u8]) -> bool,
        out: &'o mut [u8],
    ) -> Result<&'o [u8], NotBegun>;

    /// Takes the handshake of this name out: it goes on, or is over.
    fn take(&mut self, c_r: &ConnectionId, now: Uptime) -> Option<SentMessage2<Self::Key>>;

    /// Forgets handshakes that waited too long, and their keys. To be called from time to time.
    fn sweep(&mut self, now: Uptime);
}

/// Why message_1 got no message_2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotBegun {
    /// More handshakes are begun than there is time for. Those inside come first.
    TooMany,
    /// EDHOC refused it.
    Edhoc(Error),
}

impl From<Error> for NotBegun {
    fn from(error: Error) -> Self {
        Self::Edhoc(error)
    }
}

/// For a lock that speaks the OSCORE profile alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoEdhoc;

/// There is none of these.
#[derive(Clone, Copy, Debug)]
pub enum NoKey {}

impl Agree for NoKey {
    fn agree(&self, _: &P256Peer) -> Result<Secret<32>, CryptoError> {
        match *self {}
    }
}

impl<C, A> Edhoc<C, A> for NoEdhoc {
    type Key = NoKey;

    fn is_spoken(&self) -> bool {
        false
    }

    fn begin<'o>(
        &mut self,
        _: A,
        _: &[u8],
        _: Uptime,
        _: (&C, &mut dyn Random),
        _: &dyn Fn(&[u8]) -> bool,
        _: &'o mut [u8],
    ) -> Result<&'o [u8], NotBegun> {
        Err(NotBegun::TooMany)
    }

    fn take(&mut self, _: &ConnectionId, _: Uptime) -> Option<SentMessage2<NoKey>> {
        None
    }

    fn sweep(&mut self, _: Uptime) {}
}

/// For a lock that learns at its start whether it has a key.
impl<C, A, E: Edhoc<C, A>> Edhoc<C, A> for Option<E> {
    type Key = E::Key;

    fn is_spoken(&self) -> bool {
        self.as_ref().is_some_and(E::is_spoken)
    }

    fn begin<'o>(
        &mut self,
        peer: A,
        message_1: &[u8],
        now: Uptime,
        with: (&C, &mut dyn Random),
        is_taken: &dyn Fn(&[u8]) -> bool,
        out: &'o mut [u8],
    ) -> Result<&'o [u8], NotBegun> {
        let edhoc = self.as_mut().ok_or(NotBegun::TooMany)?;
        edhoc.begin(peer, message_1, now, with, is_taken, out)
    }

    fn take(&mut self, c_r: &ConnectionId, now: Uptime) -> Option<SentMessage2<E::Key>> {
        self.as_mut()?.take(c_r, now)
    }

    fn sweep(&mut self, now: Uptime) {
        if let Some(edhoc) = self {
            edhoc.sweep(now);
        }
    }
}

/// At most `H` handshakes that wait for message_3, under ephemeral keys `K`, with peers at addresses `A`. `D` is the lock's own key.
pub struct Handshakes<'k, K, A, const H: usize, D = &'k dyn Agree> {
    identity: Identity<'k, D>,
    methods: &'k [Method],
    waiting: [Option<Waiting<K, A>>; H],
    /// Counts those that were begun, to tell the older.
    count: u64,
}

struct Waiting<K, A> {
    peer: A,
    sent: SentMessage2<K>,
    since: Uptime,
    number: u64,
}

impl<'k, K, A, const H: usize, D> Handshakes<'k, K, A, H, D> {
    /// `identity` is the lock's: its credential and the static Diffie-Hellman key in it. `methods` are those that it takes.
    pub const fn new(identity: Identity<'k, D>, methods: &'k [Method]) -> Self {
        Self { identity, methods, waiting: [const { None }; H], count: 0 }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.iter().flatten().count()
    }
}

impl<K, A> Waiting<K, A> {
    fn is_over(&self, now: Uptime) -> bool {
        now.since(self.since) > PATIENCE
    }
}

impl<K: Agree, A: Copy + Eq, const H: usize, D> Handshakes<'_, K, A, H, D> {
    /// Where the next one goes: a free place, one that waited too long, else the oldest of the peer that has most. So
    /// whoever begins one after the other pushes out itself first.
    fn place(&self, now: Uptime) -> usize {
        let crowd = |peer| self.waiting.iter().flatten().filter(|waiting| waiting.peer == peer).count();
        let rank = |slot: &Option<Waiting<K, A>>| match slot {
            None => (0, 0, 0),
            Some(waiting) if waiting.is_over(now) => (1, 0, 0),
            Some(waiting) => (2, H.saturating_sub(crowd(waiting.peer)), waiting.number),
        };
        let worst = self.waiting.iter().zip(0..).min_by_key(|(slot, _)| rank(slot));
        worst.map_or(0, |(_, index)| index)
    }

    fn find(&self, c_r: &ConnectionId) -> Option<usize> {
        self.waiting.iter().position(|slot| slot.as_ref().is_some_and(|waiting| waiting.sent.c_r() == *c_r))
    }
}

impl<C, A, const H: usize, D> Edhoc<C, A> for Handshakes<'_, C::Key, A, H, D>
where
    C: Symmetric + Ephemeral,
    A: Copy + Eq,
    D: Agree,
{
    type Key = C::Key;

    fn is_spoken(&self) -> bool {
        true
    }

    fn begin<'o>(
        &mut self,
        peer: A,
        message_1: &[u8],
        now: Uptime,
        (crypto, random): (&C, &mut dyn Random),
        is_taken: &dyn Fn(&[u8]) -> bool,
        out: &'o mut [u8],
    ) -> Result<&'o [u8], NotBegun> {
        // No critical item has a meaning in EAD_1: a token there would be readable by everyone.
        let received = ReceivedMessage1::parse(message_1, self.methods, &[])?;
        let c_r = self.free_id(received.c_i(), random, is_taken)?;
        let Identity { id_cred, cred, key } = &self.identity;
        let identity = Identity { id_cred: *id_cred, cred, key: key as &dyn Agree };
        let (sent, message) = received.answer(crypto, random, &identity, c_r, &[], out)?;
        let place = self.place(now);
        let slot = self.waiting.get_mut(place).ok_or(NotBegun::TooMany)?;
        *slot = Some(Waiting { peer, sent, since: now, number: self.count });
        self.count = self.count.wrapping_add(1);
        Ok(message)
    }

    fn take(&mut self, c_r: &ConnectionId, now: Uptime) -> Option<SentMessage2<C::Key>> {
        let place = self.find(c_r)?;
        let slot = self.waiting.get_mut(place)?;
        slot.take().filter(|waiting| !waiting.is_over(now)).map(|waiting| waiting.sent)
    }

    fn sweep(&mut self, now: Uptime) {
        for slot in &mut self.waiting {
            if slot.as_ref().is_some_and(|waiting| waiting.is_over(now)) {
                *slot = None;
            }
        }
    }
}

impl<K: Agree, A: Copy + Eq, const H: usize, D> Handshakes<'_, K, A, H, D> {
    /// A name that neither the peer nor any session or handshake of ours has (RFC 9668 §4.1.2).
    fn free_id(
        &self,
        c_i: ConnectionId,
        random: &mut dyn Random,
        is_taken: &dyn Fn(&[u8]) -> bool,
    ) -> Result<ConnectionId, Error> {
        for _ in 0..ATTEMPTS {
            let mut id = [0; ID_LEN];
            random.fill(&mut id).map_err(Error::Crypto)?;
            let Some(c_r) = ConnectionId::new(&id) else { continue };
            if c_r != c_i && !is_taken(&id) && self.find(&c_r).is_none() {
                return Ok(c_r);
            }
        }
        Err(Error::Crypto(CryptoError::Backend))
    }
}

/// The labels of critical items in EAD_3 that mean something here.
pub(crate) const KNOWN_IN_3: &[u32] = &[EAD_ACCESS_TOKEN];

/// How long message_3 may take, in seconds: CoAP sends a message for the last time after 45 (RFC 7252 §4.8.2).
pub const PATIENCE: u64 = 60;

/// As long as the Recipient IDs of the other profile, for the same reason.
const ID_LEN: usize = crate::authz_info::ID_LEN;

/// With 2^24 identifiers and a handful in use, one attempt nearly always does.
const ATTEMPTS: usize = 8;
