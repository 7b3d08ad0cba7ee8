//! Why something was refused.

use core::fmt;

/// Why a message or token was refused. For our log; what the peer learns is the caller's matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// Not the strict CBOR we read, a value of the wrong type, a member twice, or bytes left over.
    Cbor(latchwork_cbor::Error),
    /// The member of this label must be there.
    Missing(i64),
    /// `cnf` carries both COSE_Key and Encrypted_COSE_Key, or any other two keys (RFC 8747 §3.1).
    SeveralKeys,
    /// A private key where only a public or shared one may stand.
    PrivateKey,
    /// A curve point given by one coordinate and a sign. We do not decompress.
    CompressedPoint,
    /// A key or coordinate whose length does not fit its type.
    KeyLength,
    /// An algorithm named by a text that we do not know.
    UnknownAlgorithm,
    /// Not tagged as a token must be: 61, then the tag of a single-recipient COSE object (RFC 9770 §3).
    Tag,
    /// Something in an unprotected header, where a token may have nothing (RFC 9770 §3).
    Unprotected,
    /// A header parameter in both headers (RFC 9052 §3).
    HeaderTwice,
    /// A `crit` header parameter. We understand no extension that would need one.
    Critical,
    /// IV and Partial IV together (RFC 9052 §3.1), or a Partial IV, which needs a context that tokens do not have.
    PartialIv,
    /// The payload travels elsewhere.
    Detached,
    /// More entries than we take.
    TooMany,
    /// Longer than we take.
    TooLong,
    /// A list of audiences without an audience.
    NoAudience,
    /// An array where one number has to stand alone, or without any.
    LoneNumber,
}

impl From<latchwork_cbor::Error> for Error {
    fn from(error: latchwork_cbor::Error) -> Self {
        Self::Cbor(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cbor(error) => write!(f, "not the CBOR we read: {error:?}"),
            Self::Missing(label) => write!(f, "member {label} is missing"),
            other => fmt::Debug::fmt(other, f),
        }
    }
}

impl core::error::Error for Error {}
