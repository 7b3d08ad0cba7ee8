//! Following a server's list of revoked tokens (RFC 9770): what to ask next, and what an answer means. Asking is the application's.
//!
//! A [`Follower`] asks for the whole list first, then watches its latest update and asks for those that it missed. It relies neither on
//! being told (§14.3) nor on diffs (§11): it looks by itself, and from time to time at the whole list.

use core::fmt;

use latchwork_ace::TrlResponse;
use latchwork_ace::trl::Cursor;

use crate::clock::{Now, Uptime};
use crate::holder::TokenHash;
use crate::replay::{Flash, FlashFailed};
use crate::revoked::Revoked;
use crate::session::Sessions;
use crate::trust::IssuerId;

/// A query of the list; it displays as the query of a URI. There are no others: what it counts is 0 or positive, and a cursor comes with `diff` only (§6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query {
    /// The whole list (§7).
    Full,
    /// Its latest update (§8).
    Latest,
    /// Every update after the one of this index (§9.2.3).
    After(u64),
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => Ok(()),
            Self::Latest => f.write_str("?diff=1"),
            Self::After(index) => write!(f, "?diff=0&cursor={index}"),
        }
    }
}

/// How often to look without being told, in seconds: no longer than it may matter that a token is revoked (§14.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// At what changed.
    pub poll: u64,
    /// At the whole list.
    pub full: u64,
}

impl Pace {
    /// Every `poll` seconds, and at the whole list every twentieth time.
    pub const fn every(poll: u64) -> Self {
        Self { poll, full: poll.saturating_mul(20) }
    }
}

/// An answer that does not belong to its query, or leads nowhere. The application waits a while before it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonsense;

/// Where one requester stands in the list of one server.
#[derive(Debug)]
pub struct Follower {
    pace: Pace,
    /// The latest update that we know.
    held: Cursor,
    /// What is to be asked at once.
    owed: Option<Query>,
    /// How many answers in a row promised more.
    batches: u8,
    poll_at: Uptime,
    full_at: Uptime,
}

impl Follower {
    /// Knows nothing yet.
    pub const fn new(pace: Pace) -> Self {
        Self {
            pace,
            held: Cursor::Unsupported,
            owed: Some(Query::Full),
            batches: 0,
            poll_at: Uptime(0),
            full_at: Uptime(0),
        }
    }

    /// What to ask now; None if all is known that was to be known.
    pub fn next(&self, now: Uptime) -> Option<Query> {
        self.owed.or_else(|| (now >= self.full_at).then_some(Query::Full))
    }

    /// What to observe, and to ask anew when [`polled`](Self::polls_at) time has come.
    pub fn watch(&self) -> Query {
        if self.held == Cursor::Unsupported { Query::Full } else { Query::Latest }
    }

    /// When to look without being told.
    pub fn polls_at(&self) -> Uptime {
        self.poll_at.min(self.full_at)
    }

    /// Takes in the answer to a query, or a notification of what is watched.
    pub fn heard(&mut self, query: Query, answer: &TrlResponse<'_>, now: Uptime) -> Result<(), Nonsense> {
        self.poll_at = now.plus(self.pace.poll);
        match answer {
            // A server that knows no diff queries answers all of them so.
            TrlResponse::Full { cursor, .. } => {
                (self.held, self.owed, self.full_at) = (*cursor, None, now.plus(self.pace.full));
                Ok(())
            }
            TrlResponse::Diff { cursor, more, .. } => {
                self.owed = match query {
                    Query::Full => return Err(Nonsense),
                    Query::Latest => self.latest(*cursor),
                    Query::After(index) => self.after(index, *cursor, *more)?,
                };
                if !matches!(self.owed, Some(Query::After(_))) {
                    self.batches = 0;
                }
                Ok(())
            }
        }
    }

    /// The server did not take the query: it knows less than we do, after a restore from a backup, say.
    pub fn refused(&mut self, query: Query) -> Result<(), Nonsense> {
        self.owed = Some(Query::Full);
        if query == Query::Full { Err(Nonsense) } else { Ok(()) }
    }

    fn latest(&mut self, cursor: Cursor) -> Option<Query> {
        match (self.held, cursor) {
            _ if self.held == cursor => None,
            (Cursor::At(held), Cursor::At(latest)) if held.checked_add(1) == Some(latest) => {
                self.held = cursor;
                None
            }
            (Cursor::Null, Cursor::At(0)) => {
                self.held = cursor;
                None
            }
            (Cursor::At(held), Cursor::At(_)) => Some(Query::After(held)),
            _ => Some(Query::Full),
        }
    }

    fn after(&mut self, index: u64, cursor: Cursor, more: bool) -> Result<Option<Query>, Nonsense> {
        match cursor {
            // It goes on from where we stand, or there is no end to it.
            Cursor::At(reached) if more && reached > index => {
                self.held = cursor;
                self.batches = self.batches.saturating_add(1);
                let next = if self.batches < MAX_BATCHES { Query::After(reached) } else { Query::Full };
                Ok(Some(next))
            }
            Cursor::At(reached) if !more && reached >= index => {
                self.held = cursor;
                Ok(None)
            }
            // An index that went round (§6.2.1), or a server that began anew: the whole list says where we are.
            Cursor::At(reached) if reached < index => Ok(Some(Query::Full)),
            Cursor::At(_) => Err(Nonsense),
            // What came after is not kept any more (§9.2.3), or the server begins anew.
            Cursor::Null | Cursor::Unsupported => Ok(Some(Query::Full)),
        }
    }
}

impl<const N: usize, const P: usize, const I: usize> Sessions<N, P, I> {
    /// Takes in what the list of the server at this position in [`Trust::issuers`](crate::Trust::issuers) says: ends the
    /// sessions of its revoked tokens and keeps their hashes. Fails like
    /// [`revoke`](Self::revoke), with everything revoked all the same.
    pub fn learn(
        &mut self,
        issuer: u8,
        answer: &TrlResponse<'_>,
        revoked: &mut Revoked,
        flash: &mut dyn Flash,
        now: &Now,
    ) -> Result<(), FlashFailed> {
        let mut kept = Ok(());
        match answer {
            TrlResponse::Full { revoked: listed, .. } => {
                self.unlist(issuer, |token| listed.sha_256().any(|digest| digest == token.0), revoked);
                for digest in listed.sha_256() {
                    kept = self.revoke(issuer, TokenHash(digest), revoked, flash, now).and(kept);
                }
            }
            TrlResponse::Diff { updates, .. } => {
                for update in updates.eldest_first() {
                    for digest in update.added.sha_256() {
                        kept = self.revoke(issuer, TokenHash(digest), revoked, flash, now).and(kept);
                    }
                    for digest in update.removed.sha_256() {
                        revoked.expired(IssuerId(issuer), &TokenHash(digest));
                    }
                }
            }
        }
        kept
    }
}

/// After so many batches in a row, the whole list is asked for instead: it is no longer than they were, and it ends.
const MAX_BATCHES: u8 = 200;
