//! The portable backend, each algorithm behind its feature.

#[cfg(feature = "eddsa-small")]
mod eddsa;
#[cfg(feature = "es256-p256")]
mod es256;
#[cfg(feature = "ecdh-p256")]
mod private;
#[cfg(feature = "sha256")]
mod symmetric;

#[cfg(any(feature = "es256-p256", feature = "eddsa-small"))]
use crate::CryptoError;
use crate::Verify;
#[cfg(feature = "ecdh-p256")]
pub use private::P256Private;

/// The algorithms in portable Rust: `aes` and `sha2` (feature `rustcrypto`), `p256` (`es256-p256`, `ecdh-p256`) and `ed25519-compact` (`eddsa-small`).
#[derive(Clone, Copy, Debug, Default)]
pub struct RustCrypto;

impl Verify for RustCrypto {
    #[cfg(feature = "es256-p256")]
    fn es256(&self, public: &crate::P256Public, message: &[&[u8]], signature: &[u8; 64]) -> Result<(), CryptoError> {
        es256::verify(public, message, signature)
    }

    #[cfg(feature = "eddsa-small")]
    fn eddsa(&self, public: &[u8; 32], message: &[&[u8]], signature: &[u8; 64]) -> Result<(), CryptoError> {
        eddsa::verify(public, message, signature)
    }
}
