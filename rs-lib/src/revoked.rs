//! Revoked tokens, as the application learns of them (RFC 9770 §11.1).
//!
//! Their sessions end and their hashes stay: a token that comes again is refused until it was seen *and* is known to
//! have expired. When memory is short, those go first of which both holds, then the earliest. A hash that goes takes the
//! number of its token with it, if that one counted from receipt: the number is over from then on, so the token cannot
//! come back.

use crate::clock::{Ends, Now, Standing};
use crate::holder::{Holder, Names, TokenHash};
use crate::replay::{Flash, FlashFailed};
use crate::session::Sessions;
use crate::trust::IssuerId;

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
    added: u64,
    seen: Option<Seen>,
    /// The server said that it expired, by listing it no longer. It decides about tokens without a date.
    unlisted: bool,
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
    /// Whether this token was revoked.
    pub fn contains(&self, token: &TokenHash) -> bool {
        self.tokens().any(|revoked| revoked == *token)
    }

    /// The hashes that are kept: what to write down where they shall outlive a reboot, and to
    /// [revoke](Sessions::revoke) again after it.
    pub fn tokens(&self) -> impl Iterator<Item = TokenHash> {
        self.entries.iter().flatten().map(|entry| entry.token)
    }

    /// The same with the order in which they came, for who writes them down: the earliest goes first when memory is short.
    pub fn numbered(&self) -> impl Iterator<Item = (u64, TokenHash)> {
        self.entries.iter().flatten().map(|entry| (entry.added, entry.token))
    }

    /// The server says that this token has expired.
    pub(crate) fn expired(&mut self, token: &TokenHash) {
        if let Some(entry) = self.entries.iter_mut().flatten().find(|entry| entry.token == *token) {
            entry.unlisted = true;
        }
    }

    /// Under which of its names this token was revoked, if it was.
    pub(crate) fn find(&self, names: &Names) -> Option<TokenHash> {
        self.tokens().find(|revoked| names.contain(revoked))
    }

    /// A revoked token came. It tells its number and its end, which are kept beside its hash.
    pub(crate) fn saw(&mut self, token: &TokenHash, seen: Seen) {
        let entry = self.entries.iter_mut().flatten().find(|entry| entry.token == *token);
        if let Some(entry) = entry {
            // The first receipt counts.
            entry.seen.get_or_insert(seen);
        }
    }

    /// Keeps a hash; what had to go for it.
    fn keep(&mut self, token: TokenHash, seen: Option<Seen>, now: &Now) -> Option<Seen> {
        if let Some(entry) = self.entries.iter_mut().flatten().find(|entry| entry.token == token) {
            entry.unlisted = false;
            entry.seen = entry.seen.or(seen);
            return None;
        }
        self.added = self.added.wrapping_add(1);
        let entry = Entry { token, added: self.added, seen, unlisted: false };
        // A free place, else that of one that is not needed any more, else that of the earliest.
        let rank = |entry: &Entry| (!entry.is_done(now), entry.added);
        let place = self.entries.iter_mut().min_by_key(|place| place.as_ref().map(rank));
        match place {
            Some(place) => place.replace(entry)?.seen,
            None => seen,
        }
    }
}

impl<const N: usize, const P: usize, const I: usize> Sessions<N, P, I> {
    /// Takes a token back: ends every session that rests on it and keeps its hash. Fails if flash did not take the
    /// number of a token that was forgotten for it; the token is revoked all the same.
    pub fn revoke(
        &mut self,
        token: TokenHash,
        revoked: &mut Revoked,
        flash: &mut dyn Flash,
        now: &Now,
    ) -> Result<(), FlashFailed> {
        let seen = self.expunge(&token);
        match revoked.keep(token, seen, now) {
            Some(forgotten) => self.forget(&forgotten, flash),
            None => Ok(()),
        }
    }

    /// The server's whole list of revoked tokens does not have these any more, because they have expired: `is_listed`
    /// says which ones it has. Their hashes go as soon as their tokens were seen, if those did not say until when they run.
    pub fn unlist(&mut self, is_listed: impl Fn(&TokenHash) -> bool, revoked: &mut Revoked) {
        for entry in revoked.entries.iter_mut().flatten() {
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
