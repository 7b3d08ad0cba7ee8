//! Options as they lie in the message (RFC 7252 §3.1).

use super::{OptionNumber, ParseError};

/// The options of a message in ascending order; iterating yields `(number, value)`.
///
/// Every constructor has walked the bytes once, so iterating has nothing left to refuse.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'m> {
    bytes: &'m [u8],
    number: u16,
}

impl<'m> Options<'m> {
    /// No options at all.
    pub const EMPTY: Self = Self { bytes: &[], number: 0 };

    /// Checks options and payload as they stand in a message behind the token, or in an OSCORE plaintext behind the
    /// code (RFC 8613 §5.3). Returns the payload too, empty if there was no marker.
    pub fn parse(bytes: &'m [u8]) -> Result<(Self, &'m [u8]), ParseError> {
        let mut rest = bytes;
        let mut number = 0u16;
        loop {
            match rest.split_first() {
                None => return Ok((Self { bytes, number: 0 }, &[])),
                Some((&MARKER, [])) => return Err(ParseError::EmptyPayload),
                Some((&MARKER, payload)) => {
                    let length = bytes.len() - rest.len();
                    let bytes = bytes.get(..length).unwrap_or_default();
                    return Ok((Self { bytes, number: 0 }, payload));
                }
                Some(_) => (number, _, rest) = one(rest, number)?,
            }
        }
    }

    /// The first value of `number`.
    pub fn get(&self, number: OptionNumber) -> Option<&'m [u8]> {
        self.all(number).next()
    }

    /// Every value of a repeatable option, in order.
    pub fn all(&self, number: OptionNumber) -> impl Iterator<Item = &'m [u8]> + Clone + use<'m> {
        let options = *self;
        options.skip_while(move |&(n, _)| n < number).take_while(move |&(n, _)| n == number).map(|(_, value)| value)
    }

    /// An option of format uint (RFC 7252 §3.2). Leading zeros are accepted; more than 4 bytes are no number.
    pub fn uint(&self, number: OptionNumber) -> Option<u32> {
        let value = self.get(number)?;
        (value.len() <= 4).then(|| value.iter().fold(0u32, |sum, &byte| sum << 8 | u32::from(byte)))
    }

    /// The same for options that are defined as two bytes at most.
    pub fn uint16(&self, number: OptionNumber) -> Option<u16> {
        u16::try_from(self.uint(number)?).ok()
    }

    /// The segments of Uri-Path, raw: no percent-decoding takes place in CoAP.
    pub fn uri_path(&self) -> impl Iterator<Item = &'m [u8]> + Clone + use<'m> {
        self.all(OptionNumber::URI_PATH)
    }

    /// The arguments of Uri-Query.
    pub fn uri_query(&self) -> impl Iterator<Item = &'m [u8]> + Clone + use<'m> {
        self.all(OptionNumber::URI_QUERY)
    }

    /// Whether Uri-Path spells exactly this absolute path (RFC 7252 §6.4): `/a/b` is two segments, `/a/` is `a` and an
    /// empty one, `/` is none. Case, dots and percent signs stand for themselves.
    pub fn path_eq(&self, path: &str) -> bool {
        Path::new(path).is_some_and(|path| self.uri_path().eq(path.map(str::as_bytes)))
    }
}

impl<'m> Iterator for Options<'m> {
    type Item = (OptionNumber, &'m [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (number, value, rest) = one(self.bytes, self.number).ok()?;
        *self = Self { bytes: rest, number };
        Some((OptionNumber(number), value))
    }
}

/// The segments of an absolute path, as Uri-Path carries them.
#[derive(Clone, Debug)]
pub struct Path<'p>(Option<&'p str>);

impl<'p> Path<'p> {
    /// None if `path` does not begin with a slash; the empty text counts as `/`.
    pub fn new(path: &'p str) -> Option<Self> {
        if path.is_empty() {
            return Some(Self(None));
        }
        let rest = path.strip_prefix('/')?;
        Some(Self((!rest.is_empty()).then_some(rest)))
    }
}

impl<'p> Iterator for Path<'p> {
    type Item = &'p str;

    fn next(&mut self) -> Option<&'p str> {
        let path = self.0?;
        let end = path.bytes().position(|byte| byte == b'/').unwrap_or(path.len());
        let (segment, rest) = path.split_at_checked(end)?;
        self.0 = rest.strip_prefix('/');
        Some(segment)
    }
}

/// Takes one option off the front: its number, its value, the rest.
fn one(bytes: &[u8], previous: u16) -> Result<(u16, &[u8], &[u8]), ParseError> {
    let (&first, rest) = bytes.split_first().ok_or(ParseError::Truncated)?;
    let (delta, rest) = extended(first >> 4, rest)?;
    let (length, rest) = extended(first & 0x0f, rest)?;
    let number = u32::from(previous) + delta;
    let number = u16::try_from(number).map_err(|_| ParseError::NumberTooLarge)?;
    let length = usize::try_from(length).map_err(|_| ParseError::Truncated)?;
    let (value, rest) = rest.split_at_checked(length).ok_or(ParseError::Truncated)?;
    Ok((number, value, rest))
}

/// The extended form of a delta or length (RFC 7252 §3.1).
fn extended(nibble: u8, bytes: &[u8]) -> Result<(u32, &[u8]), ParseError> {
    match nibble {
        0..=12 => Ok((u32::from(nibble), bytes)),
        13 => match bytes.split_first() {
            Some((&byte, rest)) => Ok((u32::from(byte) + 13, rest)),
            None => Err(ParseError::Truncated),
        },
        14 => match bytes.split_first_chunk::<2>() {
            Some((&pair, rest)) => Ok((u32::from(u16::from_be_bytes(pair)) + 269, rest)),
            None => Err(ParseError::Truncated),
        },
        _ => Err(ParseError::ReservedNibble),
    }
}

pub(super) const MARKER: u8 = 0xff;
