//! Who is inside: one security context and the rights of one token for each (RFC 9200 §5.10.1, RFC 9203 §4.3, §6).
//!
//! An upload opens a *pending* session and touches no other. It becomes a live one at the first request that verifies
//! on it, and only then ends the one that the same proof-of-possession key had before: whoever replays a sniffed token
//! gets no further than the pending slots. Those are few, apart, and evicted first.

use crate::clock::{Ends, Now, Standing, Uptime};
use crate::trust::IssuerId;
use latchwork_ace::Aif;
use latchwork_oscore::Context;

/// `N` live sessions and `P` pending ones, in memory that the application gives.
pub struct Sessions<const N: usize, const P: usize> {
    live: [Option<Session>; N],
    pending: [Option<Session>; P],
    /// Counts uploads, to tell the older of two pending sessions.
    uploads: u64,
    /// How many signatures were checked for strangers, in which second.
    signatures: (u8, Uptime),
}

pub(crate) struct Session {
    pub(crate) context: Context,
    pub(crate) holder: Holder,
    /// The last request that verified; of a pending session none did yet.
    used: Uptime,
    upload: u64,
}

/// What a token granted, for as long as its session lasts.
pub struct Holder {
    pub(crate) token: TokenHash,
    pub(crate) key: KeyName,
    pub(crate) ends: Ends,
    pub(crate) scope: HeldScope,
}

/// Names the token in logs and records; SHA-256 over the token as RFC 9770 §4 hashes it, without the leading 0x01.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenHash(pub [u8; 32]);

impl core::fmt::Display for TokenHash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl core::fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}

impl Holder {
    /// The token that this session rests on.
    pub fn token(&self) -> TokenHash {
        self.token
    }

    /// When its rights end.
    pub fn ends(&self) -> Ends {
        self.ends
    }
}

/// Which proof-of-possession key a session has: the server that made it and the name it gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyName {
    pub(crate) issuer: IssuerId,
    len: u8,
    id: [u8; Self::MAX_LEN],
}

impl KeyName {
    pub(crate) const MAX_LEN: usize = 32;

    pub(crate) fn new(issuer: IssuerId, name: &[u8]) -> Option<Self> {
        let mut id = [0; Self::MAX_LEN];
        id.get_mut(..name.len())?.copy_from_slice(name);
        let len = u8::try_from(name.len()).ok()?;
        Some(Self { issuer, len, id })
    }
}

/// A copy of a token's scope.
#[derive(Clone, Copy)]
pub(crate) struct HeldScope {
    len: u8,
    aif: [u8; Self::MAX_LEN],
}

impl HeldScope {
    /// What `Aif` takes at most.
    const MAX_LEN: usize = 96;

    pub(crate) fn new(scope: &[u8]) -> Option<Self> {
        let mut aif = [0; Self::MAX_LEN];
        aif.get_mut(..scope.len())?.copy_from_slice(scope);
        let len = u8::try_from(scope.len()).ok()?;
        Some(Self { len, aif })
    }

    /// The scope again; it was checked before it was copied.
    pub(crate) fn aif(&self) -> Option<Aif<'_>> {
        Aif::parse(self.aif.get(..usize::from(self.len))?).ok()
    }
}

/// Where a session sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seat {
    Live(usize),
    Pending(usize),
}

/// Every live session was used within the last [`IN_USE`] seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy;

impl<const N: usize, const P: usize> Default for Sessions<N, P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize, const P: usize> Sessions<N, P> {
    /// Nobody is inside.
    pub const fn new() -> Self {
        Self { live: [const { None }; N], pending: [const { None }; P], uploads: 0, signatures: (0, Uptime(0)) }
    }

    /// How many live sessions there are.
    pub fn live(&self) -> usize {
        self.live.iter().flatten().count()
    }

    /// How many sessions wait for their first request.
    pub fn pending(&self) -> usize {
        self.pending.iter().flatten().count()
    }

    /// Ends every session that rests on this token, because it was revoked (RFC 9770 §11.1).
    pub fn revoke(&mut self, token: &TokenHash) {
        self.end_where(|session| session.holder.token == *token);
    }

    /// Ends every session whose rights are over. To be called from time to time; requests check for themselves.
    pub fn sweep(&mut self, now: &Now) {
        self.end_where(|session| session.holder.ends.standing(now) == Standing::Over);
    }

    /// Whether there is time to check one more signature for a stranger, which is then spent.
    pub(crate) fn has_time_for_signature(&mut self, now: &Now) -> bool {
        if self.signatures.1 != now.uptime {
            self.signatures = (0, now.uptime);
        }
        let has_time = self.signatures.0 < SIGNATURES_PER_SECOND;
        self.signatures.0 += u8::from(has_time);
        has_time
    }

    /// Puts a context derived from an uploaded token among the pending ones.
    pub(crate) fn open(&mut self, context: Context, holder: Holder, now: &Now) {
        let slot = self.pending_slot(now);
        self.uploads = self.uploads.wrapping_add(1);
        let upload = self.uploads;
        if let Some(slot) = self.pending.get_mut(slot) {
            *slot = Some(Session { context, holder, used: now.uptime, upload });
        }
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

    pub(crate) fn end(&mut self, seat: Seat) {
        if let Some(slot) = self.slot(seat) {
            *slot = None;
        }
    }

    /// A request verified on this session: a pending one becomes live and ends its predecessor. Returns its live seat.
    pub(crate) fn used(&mut self, seat: Seat, now: &Now) -> Result<usize, Busy> {
        let index = match seat {
            Seat::Live(index) => index,
            Seat::Pending(pending) => self.settle(pending, now)?,
        };
        if let Some(session) = self.at_mut(Seat::Live(index)) {
            session.used = now.uptime;
        }
        Ok(index)
    }

    fn settle(&mut self, pending: usize, now: &Now) -> Result<usize, Busy> {
        let key = self.at(Seat::Pending(pending)).ok_or(Busy)?.holder.key;
        let slot = self.live_slot(key, now)?;
        let session = self.pending.get_mut(pending).and_then(Option::take);
        // One session per key: whatever else it opened is superseded, uploads that nobody went on with included.
        self.end_where(|session| session.holder.key == key);
        *self.live.get_mut(slot).ok_or(Busy)? = session;
        Ok(slot)
    }

    /// Where the next live session goes: to its predecessor's place, a free one, one whose rights are over, or the one
    /// that was idle longest. Never to that of one in use.
    fn live_slot(&self, key: KeyName, now: &Now) -> Result<usize, Busy> {
        let rank = |slot: &Option<Session>| match slot {
            Some(session) if session.holder.key == key => Some((0, Uptime(0))),
            None => Some((1, Uptime(0))),
            Some(session) if session.holder.ends.standing(now) == Standing::Over => Some((2, session.used)),
            Some(session) => (now.uptime.since(session.used) >= IN_USE).then_some((3, session.used)),
        };
        let best = self.live.iter().zip(0..).filter_map(|(slot, index)| Some((rank(slot)?, index)));
        best.min().map(|(_, index)| index).ok_or(Busy)
    }

    /// Where the next upload goes: a free place, one whose rights are over, else the oldest upload of the key that
    /// holds most places. So a token that is uploaded over and over pushes out itself and nobody else.
    fn pending_slot(&self, now: &Now) -> usize {
        let crowd = |key| {
            let same = |session: &&Session| session.holder.key == key;
            self.pending.iter().flatten().filter(same).count()
        };
        let rank = |slot: &Option<Session>| match slot {
            None => (0, 0, 0),
            Some(session) if session.holder.ends.standing(now) == Standing::Over => (1, 0, 0),
            Some(session) => (2, P - crowd(session.holder.key), session.upload),
        };
        let worst = self.pending.iter().zip(0..).min_by_key(|(slot, _)| rank(slot));
        worst.map_or(0, |(_, index)| index)
    }

    fn end_where(&mut self, ends: impl Fn(&Session) -> bool) {
        for slot in self.live.iter_mut().chain(&mut self.pending) {
            if slot.as_ref().is_some_and(&ends) {
                *slot = None;
            }
        }
    }

    fn slot(&mut self, seat: Seat) -> Option<&mut Option<Session>> {
        match seat {
            Seat::Live(index) => self.live.get_mut(index),
            Seat::Pending(index) => self.pending.get_mut(index),
        }
    }
}

/// How many signatures are checked in a second for whoever sends them. More would leave a small processor no time for
/// those inside (RFC 9200 §5.10.1.2); encrypted tokens cost too little to be counted.
const SIGNATURES_PER_SECOND: u8 = 4;

/// A session counts as in use for this many seconds after a request; nobody is evicted within.
pub const IN_USE: u64 = 60;
