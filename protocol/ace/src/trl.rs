//! What the token revocation list answers (RFC 9770 §7 to §9), as a requester reads it.

use core::fmt;

use latchwork_cbor::{Kind, Reader};

use crate::{Error, codec, registry::Trl, token_hash};

/// The payload of a 2.05 (or 200) of `/trl`. What we do not know in it is ignored.
#[derive(Clone, Copy)]
pub enum TrlResponse<'a> {
    /// To a full query, and of a server that knows no diff queries to every query (§6.3).
    Full {
        /// Every token that pertains to the requester and is revoked but not expired.
        revoked: TokenHashes<'a>,
        /// Where the list stands.
        cursor: Cursor,
    },
    /// To a diff query.
    Diff {
        /// What changed.
        updates: Updates<'a>,
        /// Where the list stood after the newest of them.
        cursor: Cursor,
        /// Whether there is more to ask for.
        more: bool,
    },
}

/// A place in the series of updates (§9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// The server does not support it.
    Unsupported,
    /// There is no update, or none that the requester's cursor leads to (§9.2.3).
    Null,
    /// The index of an update.
    At(u64),
}

impl<'a> TrlResponse<'a> {
    /// Reads a whole payload.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Error> {
        let (mut revoked, mut updates, mut cursor, mut more) = (None, None, Cursor::Unsupported, false);
        codec::whole_map(bytes, |label, r| {
            match label.map(Trl) {
                Some(Trl::FULL_SET) => revoked = Some(TokenHashes::read(r)?),
                Some(Trl::DIFF_SET) => updates = Some(Updates::read(r)?),
                Some(Trl::CURSOR) => {
                    cursor = match r.peek()? {
                        Kind::Null => r.null().map(|()| Cursor::Null)?,
                        _ => Cursor::At(r.uint()?),
                    }
                }
                Some(Trl::MORE) => more = r.bool()?,
                _ => r.skip()?,
            }
            Ok(())
        })?;
        match (revoked, updates) {
            (Some(revoked), None) => Ok(Self::Full { revoked, cursor }),
            (None, Some(updates)) => Ok(Self::Diff { updates, cursor, more }),
            _ => Err(Error::Missing(Trl::FULL_SET.0)),
        }
    }
}

/// A set of token hashes.
#[derive(Clone, Copy)]
pub struct TokenHashes<'a> {
    /// The items of the array.
    items: Reader<'a>,
    count: usize,
}

impl<'a> TokenHashes<'a> {
    fn read(r: &mut Reader<'a>) -> Result<Self, Error> {
        let count = r.array()?;
        let items = *r;
        for _ in 0..count {
            r.bytes()?;
        }
        Ok(Self { items, count })
    }

    /// The digests of those that are made by SHA-256, which is how we hash (§4.4); others name no token of ours.
    pub fn sha_256(self) -> impl Iterator<Item = [u8; token_hash::LEN - 1]> {
        let mut items = self.items;
        (0..self.count).filter_map(move |_| {
            let (prefix, digest) = items.bytes().ok()?.split_first()?;
            digest.try_into().ok().filter(|_| *prefix == token_hash::PREFIX)
        })
    }
}

/// Updates of the list, the newest first.
#[derive(Clone, Copy)]
pub struct Updates<'a> {
    items: Reader<'a>,
    count: usize,
}

/// One update of the list: `diff_entry` of §8.
#[derive(Clone, Copy, Debug)]
pub struct Update<'a> {
    /// Tokens that have expired.
    pub removed: TokenHashes<'a>,
    /// Tokens that were revoked.
    pub added: TokenHashes<'a>,
}

impl<'a> Updates<'a> {
    fn read(r: &mut Reader<'a>) -> Result<Self, Error> {
        let count = r.array()?;
        let items = *r;
        for _ in 0..count {
            Update::read(r)?;
        }
        Ok(Self { items, count })
    }

    /// How many there are.
    pub fn len(self) -> usize {
        self.count
    }

    /// Whether nothing changed.
    pub fn is_empty(self) -> bool {
        self.count == 0
    }

    /// In the order in which they happened. Answers hold few of them, so the way to each is gone anew.
    pub fn eldest_first(self) -> impl Iterator<Item = Update<'a>> {
        (0..self.count).rev().filter_map(move |newer| {
            let mut items = self.items;
            (0..newer).try_for_each(|_| items.skip()).ok()?;
            Update::read(&mut items).ok()
        })
    }
}

impl<'a> Update<'a> {
    fn read(r: &mut Reader<'a>) -> Result<Self, Error> {
        r.array_of(2)?;
        Ok(Self { removed: TokenHashes::read(r)?, added: TokenHashes::read(r)? })
    }
}

impl fmt::Debug for TokenHashes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} hashes", self.count)
    }
}

impl fmt::Debug for Updates<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} updates", self.count)
    }
}

impl fmt::Debug for TrlResponse<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { revoked, cursor } => write!(f, "{revoked:?}, {cursor:?}"),
            Self::Diff { updates, cursor, more } => write!(f, "{updates:?}, {cursor:?}, more: {more}"),
        }
    }
}
