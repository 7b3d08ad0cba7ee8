//! The first bytes of an item (RFC 8949 §3).

use crate::{Error, Kind, MAX_ENTRIES};

/// A head that passed every check that needs no more than the head: its lengths fit into what follows.
#[derive(Clone, Copy)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    /// The number of an integer (of a negative one, n for -1 - n) or a tag, a length, a count, or the bits of a float.
    pub(crate) argument: u64,
    /// How wide a float is, or which simple value it is: the additional information.
    pub(crate) info: u8,
}

impl Head {
    /// Reads the head, and gives what stands behind it.
    pub(crate) fn read(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        let (&initial, rest) = bytes.split_first().ok_or(Error::Truncated)?;
        let (major, info) = (initial >> 5, initial & 0x1f);
        let (argument, rest) = argument(info, rest)?;
        let longest_before = match info {
            24 => 23,
            25 => u8::MAX.into(),
            26 => u16::MAX.into(),
            27 => u32::MAX.into(),
            _ => 0,
        };
        if major != SIMPLE && info > 23 && argument <= longest_before {
            return Err(Error::NotShortest);
        }
        let (kind, least) = match (major, info) {
            (0, _) => (Kind::Uint, 0),
            (1, _) => (Kind::Nint, 0),
            (2, _) => (Kind::Bytes, 1),
            (3, _) => (Kind::Text, 1),
            (4, _) => (Kind::Array, 1),
            (5, _) if argument > MAX_ENTRIES as u64 => return Err(Error::TooManyEntries),
            (5, _) => (Kind::Map, 2),
            (6, _) => (Kind::Tag, 0),
            (_, FALSE | TRUE) => (Kind::Bool, 0),
            (_, 22) => (Kind::Null, 0),
            (_, HALF | SINGLE | DOUBLE) => (Kind::Float, 0),
            _ => return Err(Error::Reserved),
        };
        // An item takes a byte at least, so a count beyond what is left is a lie, and every count fits a usize.
        if argument.saturating_mul(least) > rest.len() as u64 {
            return Err(Error::Truncated);
        }
        Ok((Self { kind, argument, info }, rest))
    }
}

/// The number in the head, from the additional information itself or from the 1, 2, 4 or 8 bytes that follow it.
fn argument(info: u8, rest: &[u8]) -> Result<(u64, &[u8]), Error> {
    let width = match info {
        0..=23 => return Ok((info.into(), rest)),
        24..=27 => 1 << (info - 24),
        31 => return Err(Error::Indefinite),
        _ => return Err(Error::Reserved),
    };
    let (bytes, rest) = rest.split_at_checked(width).ok_or(Error::Truncated)?;
    Ok((bytes.iter().fold(0, |number, &byte| (number << 8) | u64::from(byte)), rest))
}

/// The major type of simple values and floats.
const SIMPLE: u8 = 7;

/// The additional information of simple values.
const FALSE: u8 = 20;
pub(crate) const TRUE: u8 = 21;

/// That of floats.
pub(crate) const HALF: u8 = 25;
pub(crate) const SINGLE: u8 = 26;
const DOUBLE: u8 = 27;
