//! The first bytes of an item (RFC 8949 §3).

use crate::{Error, Kind, MAX_ENTRIES};

/// A head that passed every check that needs no more than the head: its lengths fit into what follows.
#[derive(Clone, Copy)]
pub(crate) enum Head {
    Uint(u64),
    /// Stands for -1 - n.
    Nint(u64),
    Bytes(usize),
    Text(usize),
    Array(usize),
    Map(usize),
    Tag(u64),
    Bool(bool),
    Null,
    Half(u16),
    Single(u32),
    Double(u64),
}

impl Head {
    /// Reads the head, and gives what stands behind it.
    pub(crate) fn read(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        let (&initial, rest) = bytes.split_first().ok_or(Error::Truncated)?;
        let (major, info) = (initial >> 5, initial & 0x1f);
        let (argument, rest) = argument(info, rest)?;
        let shortest = match info {
            24 => argument > 23,
            25 => argument > u8::MAX.into(),
            26 => argument > u16::MAX.into(),
            27 => argument > u32::MAX.into(),
            _ => true,
        };
        if major != SIMPLE && !shortest {
            return Err(Error::NotShortest);
        }
        // An item takes a byte at least, so a count beyond what is left is a lie, and every count fits a usize.
        let count = |size: u64| match usize::try_from(argument) {
            Ok(count) if argument.saturating_mul(size) <= rest.len() as u64 => Ok(count),
            _ => Err(Error::Truncated),
        };
        let head = match (major, info) {
            (0, _) => Self::Uint(argument),
            (1, _) => Self::Nint(argument),
            (2, _) => Self::Bytes(count(1)?),
            (3, _) => Self::Text(count(1)?),
            (4, _) => Self::Array(count(1)?),
            (5, _) if argument > MAX_ENTRIES as u64 => return Err(Error::TooManyEntries),
            (5, _) => Self::Map(count(2)?),
            (6, _) => Self::Tag(argument),
            (_, 20) => Self::Bool(false),
            (_, 21) => Self::Bool(true),
            (_, 22) => Self::Null,
            (_, 25) => Self::Half(argument as u16),
            (_, 26) => Self::Single(argument as u32),
            (_, 27) => Self::Double(argument),
            _ => return Err(Error::Reserved),
        };
        Ok((head, rest))
    }

    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Uint(_) => Kind::Uint,
            Self::Nint(_) => Kind::Nint,
            Self::Bytes(_) => Kind::Bytes,
            Self::Text(_) => Kind::Text,
            Self::Array(_) => Kind::Array,
            Self::Map(_) => Kind::Map,
            Self::Tag(_) => Kind::Tag,
            Self::Bool(_) => Kind::Bool,
            Self::Null => Kind::Null,
            Self::Half(_) | Self::Single(_) | Self::Double(_) => Kind::Float,
        }
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
