//! Why an operation failed.

use core::fmt;

/// Why an operation failed. A peer learns none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CryptoError {
    /// The tag or the signature does not belong to this message and key.
    Forged,
    /// The public key is no point of its curve, or one of small order.
    BadKey,
    /// An input or output of a length that the algorithm does not take.
    BadLength,
    /// This backend does not have the algorithm.
    Unsupported,
    /// The hardware, or the source of randomness, did not answer.
    Backend,
}

impl fmt::Display for CryptoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forged => "tag or signature does not verify",
            Self::BadKey => "not a usable public key",
            Self::BadLength => "length not supported by the algorithm",
            Self::Unsupported => "algorithm not supported by this backend",
            Self::Backend => "cryptographic backend failed",
        })
    }
}

impl core::error::Error for CryptoError {}
