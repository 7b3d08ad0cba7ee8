//! Revoked tokens, as the application learns of them (RFC 9770 §11.1).
//!
//! Their sessions end and their hashes stay: a token that comes again is refused until it was seen *and* is known to
//! have expired. When memory is short, those go first of which both holds, then the earliest. A hash that goes takes the
//! number of its token with it, if that one counted from receipt: the number is over from then on, so the token cannot
//! come back.
//!
//! A server takes back its own tokens and no others: a hash belongs to the server that named it, by its position in
//! [`Trust::issuers`](crate::Trust::issuers). One that names many makes room among its own: what a server revoked is pushed out by
//! another only while it has more than its share of the places.

use crate::clock::{Ends, Now, Standing};
use crate::holder::{Holder, Names, TokenHash};
use crate::replay::{Flash, FlashFailed};
use crate::session::Sessions;
use crate::trust::IssuerId;
use core::cmp::Reverse;

/// Hashes of revoked tokens, in memory that the application gives: `Revoked::<[_; 64]>::new()`.
pub struct Revoked<T: ?Sized = [Option<Entry>]> {
    /// Counts entries, to tell which came first.
    added: u64,
    entries: T,
}

/// One revoked token.
#[derive(Clone, Copy)]
pub struct Entry {
    token: TokenHash,
    issuer: IssuerId,
    added: u64,
    seen: Option<Seen>,
    /// The server said that it expired, by listing it no longer. It decides about tokens without a date.
    unlisted: bool,
}

/// A revoked token, for who writes it down ([`Revoked::in_order`], [`Sessions::revoke_again`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its hash.
    pub token: TokenHash,
    /// The position of its server in [`Trust::issuers`](crate::Trust::issuers).
    pub issuer: u8,
    /// If it was seen and counts from receipt: what is over once the hash goes.
    pub number: Option<u64>,
}

/// What a revoked token said of itself, when it was here or came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) issuer: IssuerId,
    pub(crate) ends: Ends,
    /// If it counts from receipt.
    pub(crate) number: Option<u64>,
}

impl Seen {
    pub(crate) fn of(holder: &Holder) -> Self {
        Self { issuer: holder.key.issuer, ends: holder.ends, number: holder.number() }
    }
}

impl Entry {
    fn is_of(&self, issuer: IssuerId) -> bool {
        self.issuer == issuer
    }

    fn is(&self, issuer: IssuerId, token: &TokenHash) -> bool {
        self.is_of(issuer) && self.token == *token
    }

    /// Whether this hash has done its work. A token that told its date ends then, whatever the list says: a server that
    /// was restored from a backup lacks what was revoked since.
    fn is_done(&self, now: &Now) -> bool {
        self.seen.is_some_and(|seen| {
            (self.unlisted && seen.ends.date.is_none()) || seen.ends.standing(now) == Standing::Over
        })
    }
}

impl<const K: usize> Revoked<[Option<Entry>; K]> {
    /// Nothing is revoked.
    pub const fn new() -> Self {
        Self { added: 0, entries: [const { None }; K] }
    }
}

impl<const K: usize> Default for Revoked<[Option<Entry>; K]> {
    fn default() -> Self {
        Self::new()
    }
}

/// Of whatever size, it is used as one without.
impl<const K: usize> core::ops::Deref for Revoked<[Option<Entry>; K]> {
    type Target = Revoked;

    fn deref(&self) -> &Revoked {
        self
    }
}

impl Revoked {
    /// Whether the server at this position revoked this token.
    pub fn contains(&self, issuer: u8, token: &TokenHash) -> bool {
        self.entries.iter().flatten().any(|entry| entry.is(IssuerId(issuer), token))
    }

    /// The hashes that are kept.
    pub fn tokens(&self) -> impl Iterator<Item = TokenHash> {
        self.entries.iter().flatten().map(|entry| entry.token)
    }

    /// What to write down where it shall outlive a reboot, with the order in which it came: the earliest goes first when
    /// memory is short. After the reboot, [revoke it again](Sessions::revoke_again) in that order.
    pub fn in_order(&self) -> impl Iterator<Item = (u64, Kept)> {
        self.entries.iter().flatten().map(|entry| {
            let number = entry.seen.and_then(|seen| seen.number);
            (entry.added, Kept { token: entry.token, issuer: entry.issuer.0, number })
        })
    }

    fn entry(&mut self, issuer: IssuerId, token: &TokenHash) -> Option<&mut Entry> {
        self.entries.iter_mut().flatten().find(|entry| entry.is(issuer, token))
    }

    /// The server says that this token has expired.
    pub(crate) fn expired(&mut self, issuer: IssuerId, token: &TokenHash) {
        if let Some(entry) = self.entry(issuer, token) {
            entry.unlisted = true;
        }
    }

    /// Under which of its names this token was revoked by its server, if it was.
    pub(crate) fn find(&self, issuer: IssuerId, names: &Names) -> Option<TokenHash> {
        let mut own = self.entries.iter().flatten().filter(|entry| entry.is_of(issuer)).map(|entry| entry.token);
        own.find(|revoked| names.contain(revoked))
    }

    /// Of which server one has to go when `adding` names another token: of the one that would then have most. Where several have as
    /// many it is the one that adds, else the one with the earliest. So nobody loses one of no more than a fair share to another.
    fn gives(&self, adding: IssuerId) -> Option<IssuerId> {
        let issuers = self.entries.iter().flatten().map(|entry| entry.issuer.0);
        let rank = |issuer| {
            let own = || self.entries.iter().flatten().filter(|entry| entry.is_of(issuer));
            let earliest = own().map(|entry| entry.added).min()?;
            let adds = issuer == adding;
            Some((own().count().saturating_add(usize::from(adds)), adds, Reverse(earliest), issuer.0))
        };
        let (.., issuer) = (0..=issuers.max()?).map(IssuerId).filter_map(rank).max()?;
        Some(IssuerId(issuer))
    }

    /// A revoked token came. It tells its number and its end, which are kept beside its hash.
    pub(crate) fn saw(&mut self, token: &TokenHash, seen: Seen) {
        if let Some(entry) = self.entry(seen.issuer, token) {
            // The first receipt counts.
            entry.seen = entry.seen.or(Some(seen));
        }
    }

    /// Keeps a hash; what had to go for it.
    fn keep(&mut self, issuer: IssuerId, token: TokenHash, seen: Option<Seen>, now: &Now) -> Option<Seen> {
        if let Some(entry) = self.entry(issuer, &token) {
            entry.unlisted = false;
            entry.seen = entry.seen.or(seen);
            return None;
        }
        self.added = self.added.wrapping_add(1);
        let entry = Entry { token, issuer, added: self.added, seen, unlisted: false };
        // A free place, else that of one that is not needed any more, else that of the earliest of the server that has most.
        let is_full = self.entries.iter().all(Option::is_some);
        let gives = if is_full { self.gives(issuer) } else { None };
        let rank = |entry: &Entry| (!entry.is_done(now), gives.is_some_and(|gives| entry.issuer != gives), entry.added);
        let place = self.entries.iter_mut().min_by_key(|place| place.as_ref().map(rank));
        match place {
            Some(place) => place.replace(entry)?.seen,
            None => seen,
        }
    }
}

impl<const N: usize, const P: usize, const I: usize> Sessions<N, P, I> {
    /// The server at this position in [`Trust::issuers`](crate::Trust::issuers) takes a token back: ends every session that
    /// rests on it and keeps its hash. A token of another server is not touched. Fails if flash did not take the number of a
    /// token that was forgotten for it; the token is revoked all the same.
    pub fn revoke(
        &mut self,
        issuer: u8,
        token: TokenHash,
        revoked: &mut Revoked,
        flash: &mut dyn Flash,
        now: &Now,
    ) -> Result<(), FlashFailed> {
        let seen = self.expunge(IssuerId(issuer), &token);
        self.keep(IssuerId(issuer), token, seen, (revoked, flash, now))
    }

    /// The same for what was revoked before a reboot, with what was known of it.
    pub fn revoke_again(
        &mut self,
        kept: &Kept,
        revoked: &mut Revoked,
        flash: &mut dyn Flash,
        now: &Now,
    ) -> Result<(), FlashFailed> {
        let issuer = IssuerId(kept.issuer);
        let ends = Ends { date: None, uptime: None };
        let written_down = kept.number.map(|number| Seen { issuer, ends, number: Some(number) });
        let seen = self.expunge(issuer, &kept.token).or(written_down);
        self.keep(issuer, kept.token, seen, (revoked, flash, now))
    }

    fn keep(
        &mut self,
        issuer: IssuerId,
        token: TokenHash,
        seen: Option<Seen>,
        (revoked, flash, now): (&mut Revoked, &mut dyn Flash, &Now),
    ) -> Result<(), FlashFailed> {
        match revoked.keep(issuer, token, seen, now) {
            Some(forgotten) => self.forget(&forgotten, flash),
            None => Ok(()),
        }
    }

    /// The whole list of the server at this position does not have these of its tokens any more, because they have expired:
    /// `is_listed` says which ones it has. Their hashes go as soon as their tokens were seen, if those did not say until when
    /// they run.
    pub fn unlist(&mut self, issuer: u8, is_listed: impl Fn(&TokenHash) -> bool, revoked: &mut Revoked) {
        for entry in revoked.entries.iter_mut().flatten().filter(|entry| entry.is_of(IssuerId(issuer))) {
            entry.unlisted = !is_listed(&entry.token);
        }
    }

    /// Forgets the hashes of tokens that were seen and have expired; from time to time, with [`sweep`](Self::sweep).
    pub fn sweep_revoked(
        &mut self,
        revoked: &mut Revoked,
        flash: &mut dyn Flash,
        now: &Now,
    ) -> Result<(), FlashFailed> {
        let mut forgotten = Ok(());
        for place in &mut revoked.entries {
            if let Some(Entry { seen: Some(seen), .. }) = place.take_if(|entry| entry.is_done(now)) {
                forgotten = self.forget(&seen, flash).and(forgotten);
            }
        }
        forgotten
    }

    /// A hash goes, and the number of its token is over (RFC 9770 §11.1).
    fn forget(&mut self, seen: &Seen, flash: &mut dyn Flash) -> Result<(), FlashFailed> {
        match seen.number {
            Some(number) => self.over_for_good(seen.issuer, number, flash),
            None => Ok(()),
        }
    }
}
