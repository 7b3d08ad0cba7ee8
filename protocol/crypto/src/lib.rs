//! The few cryptographic operations that Latchwork needs on a device, as small fallible traits.
//!
//! A hardware peripheral can stand behind each of them: every call may fail, takes `&self`, and allocates nothing. [`RustCrypto`] is
//! the portable backend. Keys and nonces come from the caller; nothing here remembers any.
#![no_std]

mod error;
mod hkdf;
mod private;
#[cfg(any(feature = "rustcrypto", feature = "es256-p256", feature = "ecdh-p256", feature = "eddsa-small"))]
mod rustcrypto;
mod secret;
mod symmetric;
mod verify;

pub use error::CryptoError;
pub use hkdf::{hkdf_sha256_expand, hkdf_sha256_extract};
pub use private::{Agree, Ephemeral, P256Peer, Sign};
#[cfg(feature = "ecdh-p256")]
pub use rustcrypto::P256Private;
#[cfg(any(feature = "rustcrypto", feature = "es256-p256", feature = "ecdh-p256", feature = "eddsa-small"))]
pub use rustcrypto::RustCrypto;
pub use secret::{Secret, ct_eq};
pub use subtle::ConstantTimeEq;
pub use symmetric::Symmetric;
pub use verify::{P256Public, Verify};

/// A source of randomness that an adversary cannot predict.
pub trait Random {
    /// Fills all of `out`, or fails and leaves it unfit for use.
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError>;
}
