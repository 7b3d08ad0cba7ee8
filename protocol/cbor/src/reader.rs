//! The strict reader.

use crate::{Error, Kind, head::Head, time, walk};

/// A cursor over borrowed CBOR. Whatever it refuses, it stays where it was.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'b> {
    rest: &'b [u8],
}

impl<'b> Reader<'b> {
    /// Reads from the first byte on. Nothing is checked yet.
    pub const fn new(bytes: &'b [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What the next item is.
    pub fn peek(&self) -> Result<Kind, Error> {
        Head::read(self.rest).map(|(head, _)| head.kind())
    }

    /// An unsigned integer.
    pub fn uint(&mut self) -> Result<u64, Error> {
        self.take(|head, rest| match head {
            Head::Uint(number) => Ok((number, rest)),
            other => Err(Error::Unexpected(other.kind())),
        })
    }

    /// An integer of either sign; beyond the 64 bits of the type it is out of range.
    pub fn int(&mut self) -> Result<i64, Error> {
        self.take(|head, rest| match head {
            Head::Uint(number) => Ok((signed(number)?, rest)),
            Head::Nint(number) => Ok((!signed(number)?, rest)),
            other => Err(Error::Unexpected(other.kind())),
        })
    }

    /// A byte string.
    pub fn bytes(&mut self) -> Result<&'b [u8], Error> {
        self.take(|head, rest| match head {
            Head::Bytes(length) => rest.split_at_checked(length).ok_or(Error::Truncated),
            other => Err(Error::Unexpected(other.kind())),
        })
    }

    /// A text string.
    pub fn text(&mut self) -> Result<&'b str, Error> {
        self.take(|head, rest| match head {
            Head::Text(length) => walk::text(rest, length),
            other => Err(Error::Unexpected(other.kind())),
        })
    }

    /// `false` or `true`.
    pub fn bool(&mut self) -> Result<bool, Error> {
        self.take(|head, rest| match head {
            Head::Bool(value) => Ok((value, rest)),
            other => Err(Error::Unexpected(other.kind())),
        })
    }

    /// `null`.
    pub fn null(&mut self) -> Result<(), Error> {
        self.take(|head, rest| match head {
            Head::Null => Ok(((), rest)),
            other => Err(Error::Unexpected(other.kind())),
        })
    }

    /// The number of a tag; its content comes next.
    pub fn tag(&mut self) -> Result<u64, Error> {
        self.take(|head, rest| match head {
            Head::Tag(number) => Ok((number, rest)),
            other => Err(Error::Unexpected(other.kind())),
        })
    }

    /// The number of items of an array; they come next, unchecked as yet.
    pub fn array(&mut self) -> Result<usize, Error> {
        self.take(|head, rest| match head {
            Head::Array(items) => Ok((items, rest)),
            other => Err(Error::Unexpected(other.kind())),
        })
    }

    /// The head of an array of exactly this many items.
    pub fn array_of(&mut self, items: usize) -> Result<(), Error> {
        self.take(|head, rest| match head {
            Head::Array(found) if found == items => Ok(((), rest)),
            Head::Array(_) => Err(Error::WrongLength),
            other => Err(Error::Unexpected(other.kind())),
        })
    }

    /// The number of entries of a map; keys and values come next, one after the other.
    ///
    /// The whole map is checked first: no key comes twice (RFC 8949 §5.6), here or in maps within, and everything in it is sound.
    pub fn map(&mut self) -> Result<usize, Error> {
        let whole = self.rest;
        self.take(|head, rest| match head {
            Head::Map(entries) => walk::item(whole).map(|_| (entries, rest)),
            other => Err(Error::Unexpected(other.kind())),
        })
    }

    /// A NumericDate (RFC 8392 §2): whole seconds of an integer or a finite float of any width, rounded down; without a tag.
    pub fn time(&mut self) -> Result<i64, Error> {
        self.take(|head, rest| match head {
            Head::Uint(number) => Ok((signed(number)?, rest)),
            Head::Nint(number) => Ok((!signed(number)?, rest)),
            Head::Half(bits) => Ok((time::HALF.floor(bits.into())?, rest)),
            Head::Single(bits) => Ok((time::SINGLE.floor(bits.into())?, rest)),
            Head::Double(bits) => Ok((time::DOUBLE.floor(bits)?, rest)),
            other => Err(Error::Unexpected(other.kind())),
        })
    }

    /// The bytes of one whole item of any kind, with everything in it checked.
    pub fn item(&mut self) -> Result<&'b [u8], Error> {
        let (item, rest) = walk::item(self.rest)?;
        self.rest = rest;
        Ok(item)
    }

    /// Passes over one whole item, which is checked like any other.
    pub fn skip(&mut self) -> Result<(), Error> {
        self.item().map(|_| ())
    }

    /// Refuses bytes that nobody read.
    pub fn end(&self) -> Result<(), Error> {
        if self.rest.is_empty() { Ok(()) } else { Err(Error::Trailing) }
    }

    /// What nobody read yet.
    pub const fn rest(&self) -> &'b [u8] {
        self.rest
    }

    /// Moves on only if `read` accepts.
    fn take<T>(&mut self, read: impl FnOnce(Head, &'b [u8]) -> Result<(T, &'b [u8]), Error>) -> Result<T, Error> {
        let (head, rest) = Head::read(self.rest)?;
        let (value, rest) = read(head, rest)?;
        self.rest = rest;
        Ok(value)
    }
}

fn signed(number: u64) -> Result<i64, Error> {
    i64::try_from(number).map_err(|_| Error::OutOfRange)
}
