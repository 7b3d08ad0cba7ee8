//! What can go wrong, and what the peer learns of it (RFC 8613 §8).

use core::fmt;

use latchwork_coap::Code;
use latchwork_crypto::CryptoError;

/// Why a message was not protected or not accepted. The peer learns no more than [`response_code`](Self::response_code).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The message carries no OSCORE option: it was never protected.
    NotProtected,
    /// The OSCORE option or the COSE object cannot be decoded, or a request lacks kid or Partial IV.
    Malformed,
    /// The message names another context than this one.
    UnknownContext,
    /// The number was accepted before, or is too old to tell; for a response: it came already, or a newer one did.
    Replayed,
    /// The tag is wrong: forged, garbled, under another key, or a response to another request.
    DecryptionFailed,
    /// What the peer protected is no CoAP request or response, or contains an OSCORE option itself (RFC 8613 §4.1.3.7).
    BadPlaintext,
    /// A notification in answer to a request that had no Observe option (RFC 8613 §4.1.3.5.2).
    UnexpectedNotification,

    /// Our message cannot be protected: it has an OSCORE option already, a Proxy-Uri (write it as Proxy-Scheme and
    /// Uri-*, RFC 8613 §4.1.3.3), a code of the wrong kind, or answers a request of another context.
    Unfit,
    /// Our buffer is too small.
    NoRoom,
    /// No reserved sender number is left; [`reserve`](crate::Context::reserve) more.
    NothingReserved,
    /// All 2^40 sender numbers are spent: the context must be replaced (RFC 8613 §7.2.1).
    Exhausted,
    /// The cryptography itself failed.
    Crypto(CryptoError),
}

impl Error {
    /// What a server answers, unprotected, to a request it could not verify (RFC 8613 §7.4, §8.2); `None` where the
    /// fault is ours or the message was a response, which is dropped in silence (§8.4).
    pub fn response_code(&self) -> Option<Code> {
        match self {
            Self::Malformed => Some(Code::BAD_OPTION),
            Self::UnknownContext | Self::Replayed | Self::NotProtected => Some(Code::UNAUTHORIZED),
            Self::DecryptionFailed | Self::BadPlaintext => Some(Code::BAD_REQUEST),
            Self::UnexpectedNotification
            | Self::Unfit
            | Self::NoRoom
            | Self::NothingReserved
            | Self::Exhausted
            | Self::Crypto(_) => None,
        }
    }
}

/// In the words that RFC 8613 gives for the diagnostic payload, where it gives any.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotProtected => "Not protected",
            Self::Malformed => "Failed to decode COSE",
            Self::UnknownContext => "Security context not found",
            Self::Replayed => "Replay detected",
            Self::DecryptionFailed => "Decryption failed",
            Self::BadPlaintext => "Decrypted message is malformed",
            Self::UnexpectedNotification => "Notification without registration",
            Self::Unfit => "Message cannot be protected",
            Self::NoRoom => "Buffer too small",
            Self::NothingReserved => "No sender number reserved",
            Self::Exhausted => "Sender numbers exhausted",
            Self::Crypto(_) => "Cryptography failed",
        })
    }
}

impl core::error::Error for Error {}

impl From<latchwork_coap::Full> for Error {
    fn from(_: latchwork_coap::Full) -> Self {
        Self::NoRoom
    }
}

impl From<latchwork_cbor::Full> for Error {
    fn from(_: latchwork_cbor::Full) -> Self {
        Self::NoRoom
    }
}

impl From<crate::option::Malformed> for Error {
    fn from(_: crate::option::Malformed) -> Self {
        Self::Malformed
    }
}

/// Why no context can be derived from this material.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadMaterial {
    /// Sender and Recipient ID are the same: both directions would share one key (RFC 8613 §3.3, RFC 9203 §4.3).
    SameIds,
    /// An identifier is longer than 7 bytes, or the ID Context than 32.
    TooLong,
    /// There is no Master Secret.
    NoSecret,
    /// The cryptography itself failed.
    Crypto(CryptoError),
}

impl fmt::Display for BadMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SameIds => "Sender and Recipient ID are the same",
            Self::TooLong => "identifier too long",
            Self::NoSecret => "no Master Secret",
            Self::Crypto(_) => "Cryptography failed",
        })
    }
}

impl core::error::Error for BadMaterial {}

impl From<CryptoError> for BadMaterial {
    fn from(error: CryptoError) -> Self {
        Self::Crypto(error)
    }
}
