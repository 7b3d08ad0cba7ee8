//! Signatures of others.

use crate::CryptoError;

/// The coordinates of a P-256 public key, big-endian. Whether they are on the curve is checked when the key is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct P256Public {
    /// The x coordinate.
    pub x: [u8; 32],
    /// The y coordinate.
    pub y: [u8; 32],
}

/// Verification of signatures. An algorithm that a backend lacks is [`CryptoError::Unsupported`].
///
/// The parts of `message` are taken one after the other, as if they were joined.
pub trait Verify {
    /// ES256: ECDSA with P-256 and SHA-256 (RFC 9053 §2.1), `signature` being r and s.
    ///
    /// Refuses a key that is not on the curve. Both s and n - s are good for a message, so a signature cannot serve as the name of what it signs.
    fn es256(&self, public: &P256Public, message: &[&[u8]], signature: &[u8; 64]) -> Result<(), CryptoError> {
        let _ = (public, message, signature);
        Err(CryptoError::Unsupported)
    }

    /// EdDSA with Ed25519 (RFC 9053 §2.2). Refuses S >= L (RFC 8032 §5.1.7) and keys of small order.
    fn eddsa(&self, public: &[u8; 32], message: &[&[u8]], signature: &[u8; 64]) -> Result<(), CryptoError> {
        let _ = (public, message, signature);
        Err(CryptoError::Unsupported)
    }
}
