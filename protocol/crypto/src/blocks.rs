//! The slot for an AES peripheral.

use crate::CryptoError;
#[cfg(feature = "sha256")]
use crate::{RustCrypto, Symmetric, ccm};

/// AES-128, a block at a time: all that AES-CCM asks of it, and what every AES peripheral does.
pub trait Blocks {
    /// Encrypts `block` in place (FIPS 197). Subsequent blocks tend to be under the same key.
    fn encrypt(&self, key: &[u8; 16], block: &mut [u8; 16]) -> Result<(), CryptoError>;
}

/// AES-CCM over the blocks of a peripheral; SHA-256 and HMAC by [`RustCrypto`].
#[cfg(feature = "sha256")]
#[derive(Clone, Copy, Debug, Default)]
pub struct OverBlocks<B>(
    /// Who does the blocks.
    pub B,
);

#[cfg(feature = "sha256")]
struct Keyed<'k, B>(&'k B, &'k [u8; 16]);

#[cfg(feature = "sha256")]
impl<B: Blocks> ccm::Cipher for Keyed<'_, B> {
    fn encrypt(&self, blocks: &mut [[u8; 16]]) -> Result<(), CryptoError> {
        blocks.iter_mut().try_for_each(|block| self.0.encrypt(self.1, block))
    }
}

#[cfg(feature = "sha256")]
impl<B: Blocks> Symmetric for OverBlocks<B> {
    fn ccm_seal(
        &self,
        key: &[u8; 16],
        nonce: &[u8; 13],
        aad: &[u8],
        buf: &mut [u8],
        tag: &mut [u8],
    ) -> Result<(), CryptoError> {
        ccm::seal(&Keyed(&self.0, key), nonce, aad, buf, tag)
    }

    fn ccm_open(
        &self,
        key: &[u8; 16],
        nonce: &[u8; 13],
        aad: &[u8],
        buf: &mut [u8],
        tag: &[u8],
    ) -> Result<(), CryptoError> {
        ccm::open(&Keyed(&self.0, key), nonce, aad, buf, tag)
    }

    fn sha256(&self, parts: &[&[u8]]) -> Result<[u8; 32], CryptoError> {
        Ok(RustCrypto::hash(parts))
    }

    fn hmac_sha256(&self, key: &[u8], parts: &[&[u8]]) -> Result<[u8; 32], CryptoError> {
        Ok(RustCrypto::mac(key, parts))
    }
}
