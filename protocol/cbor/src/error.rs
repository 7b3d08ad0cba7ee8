//! What can go wrong, and what was found instead.

use core::fmt;

/// What an item is, as far as its first bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An integer from 0 to 2^64 - 1.
    Uint,
    /// An integer from -2^64 to -1.
    Nint,
    /// A byte string.
    Bytes,
    /// A text string.
    Text,
    /// An array.
    Array,
    /// A map.
    Map,
    /// A tag, with its content behind it.
    Tag,
    /// `false` or `true`.
    Bool,
    /// `null`.
    Null,
    /// A float of any width.
    Float,
}

/// Why a [`Reader`](crate::Reader) refused. It then stands where it stood before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The input ends inside an item, or a length reaches beyond it.
    Truncated,
    /// An indefinite length, or a break without one.
    Indefinite,
    /// An integer or a length in more bytes than it needs.
    NotShortest,
    /// A reserved head, `undefined`, or a simple value without a meaning here.
    Reserved,
    /// A text string that is not UTF-8.
    NotUtf8,
    /// Arrays, maps and tags nest deeper than [`MAX_DEPTH`](crate::MAX_DEPTH).
    TooDeep,
    /// A map with more entries than [`MAX_ENTRIES`](crate::MAX_ENTRIES).
    TooManyEntries,
    /// The same key twice in one map.
    DuplicateKey,
    /// A sound item of another kind than asked for.
    Unexpected(Kind),
    /// An array of another length than asked for.
    WrongLength,
    /// A number that the asked-for type does not hold, NaN and the infinities among them.
    OutOfRange,
    /// Bytes behind the end.
    Trailing,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("CBOR ends inside an item"),
            Self::Indefinite => f.write_str("CBOR item of indefinite length"),
            Self::NotShortest => f.write_str("CBOR integer or length not in its shortest form"),
            Self::Reserved => f.write_str("CBOR value without a meaning"),
            Self::NotUtf8 => f.write_str("CBOR text is not UTF-8"),
            Self::TooDeep => f.write_str("CBOR items nest too deep"),
            Self::TooManyEntries => f.write_str("CBOR map has too many entries"),
            Self::DuplicateKey => f.write_str("CBOR map has the same key twice"),
            Self::Unexpected(found) => {
                write!(f, "CBOR item of another kind than expected: {found:?}")
            }
            Self::WrongLength => f.write_str("CBOR array of another length than expected"),
            Self::OutOfRange => f.write_str("CBOR number out of range"),
            Self::Trailing => f.write_str("bytes behind the CBOR item"),
        }
    }
}

impl core::error::Error for Error {}

/// The buffer has no room for the next item. Nothing of that item was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the buffer for CBOR is full")
    }
}

impl core::error::Error for Full {}
