//! The strict reader.

use crate::{
    Error, Kind,
    head::{HALF, Head, SINGLE, TRUE},
    time, walk,
};

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
        Head::read(self.rest).map(|(head, _)| head.kind)
    }

    /// An unsigned integer.
    pub fn uint(&mut self) -> Result<u64, Error> {
        self.expect(Kind::Uint)
    }

    /// An integer of either sign; beyond the 64 bits of the type it is out of range.
    pub fn int(&mut self) -> Result<i64, Error> {
        let (head, rest) = Head::read(self.rest)?;
        let number = integer(&head)?;
        self.rest = rest;
        Ok(number)
    }

    /// A byte string.
    pub fn bytes(&mut self) -> Result<&'b [u8], Error> {
        let mut ahead = *self;
        let length = ahead.expect(Kind::Bytes)? as usize;
        let (bytes, rest) = ahead.rest.split_at_checked(length).ok_or(Error::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// A text string.
    pub fn text(&mut self) -> Result<&'b str, Error> {
        let mut ahead = *self;
        let length = ahead.expect(Kind::Text)? as usize;
        let (text, rest) = walk::text(ahead.rest, length)?;
        self.rest = rest;
        Ok(text)
    }

    /// `false` or `true`.
    pub fn bool(&mut self) -> Result<bool, Error> {
        self.expect(Kind::Bool).map(|value| value == TRUE.into())
    }

    /// `null`.
    pub fn null(&mut self) -> Result<(), Error> {
        self.expect(Kind::Null).map(drop)
    }

    /// The number of a tag; its content comes next.
    pub fn tag(&mut self) -> Result<u64, Error> {
        self.expect(Kind::Tag)
    }

    /// The number of items of an array; they come next, unchecked as yet.
    pub fn array(&mut self) -> Result<usize, Error> {
        self.expect(Kind::Array).map(|items| items as usize)
    }

    /// The head of an array of exactly this many items.
    pub fn array_of(&mut self, items: usize) -> Result<(), Error> {
        let mut ahead = *self;
        if ahead.array()? != items {
            return Err(Error::WrongLength);
        }
        *self = ahead;
        Ok(())
    }

    /// The number of entries of a map; keys and values come next, one after the other.
    ///
    /// The whole map is checked first: no key comes twice (RFC 8949 §5.6), here or in maps within, and everything in it is sound.
    pub fn map(&mut self) -> Result<usize, Error> {
        let mut ahead = *self;
        let entries = ahead.expect(Kind::Map)? as usize;
        walk::item(self.rest)?;
        *self = ahead;
        Ok(entries)
    }

    /// A NumericDate (RFC 8392 §2): whole seconds of an integer or a finite float of any width, rounded down; without a tag.
    pub fn time(&mut self) -> Result<i64, Error> {
        let (head, rest) = Head::read(self.rest)?;
        let seconds = match (head.kind, head.info) {
            (Kind::Float, HALF) => time::HALF.floor(head.argument)?,
            (Kind::Float, SINGLE) => time::SINGLE.floor(head.argument)?,
            (Kind::Float, _) => time::DOUBLE.floor(head.argument)?,
            _ => integer(&head)?,
        };
        self.rest = rest;
        Ok(seconds)
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

    /// The argument of a head of this kind. Lengths and counts fit a usize.
    fn expect(&mut self, kind: Kind) -> Result<u64, Error> {
        let (head, rest) = Head::read(self.rest)?;
        if head.kind != kind {
            return Err(Error::Unexpected(head.kind));
        }
        self.rest = rest;
        Ok(head.argument)
    }
}

fn integer(head: &Head) -> Result<i64, Error> {
    let number = i64::try_from(head.argument).map_err(|_| Error::OutOfRange);
    match head.kind {
        Kind::Uint => number,
        Kind::Nint => number.map(|number| !number),
        other => Err(Error::Unexpected(other)),
    }
}
