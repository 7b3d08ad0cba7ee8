//! The cryptography of a lock: the peripherals that the firmware has, and for the rest what the features of the library ask for.

use crate::hardware::Peripherals;
#[cfg(feature = "aes")]
use latchwork_crypto::RustCrypto;
use latchwork_crypto::{CryptoError, OverBlocks, P256Public, Symmetric, Verify};

/// Assembly before portable code.
#[cfg(all(feature = "es256-cortex-m4", target_arch = "arm"))]
type Es256 = latchwork_crypto::CortexM4;
#[cfg(all(feature = "es256-p256", not(all(feature = "es256-cortex-m4", target_arch = "arm"))))]
type Es256 = latchwork_crypto::RustCrypto;
#[cfg(not(any(feature = "es256-p256", all(feature = "es256-cortex-m4", target_arch = "arm"))))]
type Es256 = latchwork_crypto::Nothing;

/// The small one before the large one.
#[cfg(feature = "eddsa-small")]
type EdDsa = latchwork_crypto::RustCrypto;
#[cfg(all(feature = "eddsa", not(feature = "eddsa-small")))]
type EdDsa = latchwork_crypto::Dalek;
#[cfg(not(any(feature = "eddsa", feature = "eddsa-small")))]
type EdDsa = latchwork_crypto::Nothing;

/// Whether the library itself can verify ES256.
#[cfg(feature = "edhoc")]
pub(crate) const HAS_ES256: bool =
    cfg!(any(feature = "es256-p256", all(feature = "es256-cortex-m4", target_arch = "arm")));

/// The cryptography of a lock.
#[derive(Clone, Copy)]
pub(crate) struct Crypto(pub(crate) Peripherals);

impl Crypto {
    /// Whether AES is done by somebody, and of a pair of functions neither is missing.
    pub(crate) fn is_whole(&self) -> bool {
        let hardware = &self.0.hardware;
        let has_aes = cfg!(feature = "aes") || hardware.aes128.is_some();
        has_aes && hardware.p256_generate.is_some() == hardware.p256_agree.is_some()
    }
}

impl Symmetric for Crypto {
    fn ccm_seal(
        &self,
        key: &[u8; 16],
        nonce: &[u8; 13],
        aad: &[u8],
        buf: &mut [u8],
        tag: &mut [u8],
    ) -> Result<(), CryptoError> {
        #[cfg(feature = "aes")]
        if self.0.hardware.aes128.is_none() {
            return RustCrypto.ccm_seal(key, nonce, aad, buf, tag);
        }
        OverBlocks(self.0).ccm_seal(key, nonce, aad, buf, tag)
    }

    fn ccm_open(
        &self,
        key: &[u8; 16],
        nonce: &[u8; 13],
        aad: &[u8],
        buf: &mut [u8],
        tag: &[u8],
    ) -> Result<(), CryptoError> {
        #[cfg(feature = "aes")]
        if self.0.hardware.aes128.is_none() {
            return RustCrypto.ccm_open(key, nonce, aad, buf, tag);
        }
        OverBlocks(self.0).ccm_open(key, nonce, aad, buf, tag)
    }

    fn sha256(&self, parts: &[&[u8]]) -> Result<[u8; 32], CryptoError> {
        OverBlocks(self.0).sha256(parts)
    }

    fn hmac_sha256(&self, key: &[u8], parts: &[&[u8]]) -> Result<[u8; 32], CryptoError> {
        OverBlocks(self.0).hmac_sha256(key, parts)
    }
}

impl Verify for Crypto {
    fn es256(&self, public: &P256Public, message: &[&[u8]], signature: &[u8; 64]) -> Result<(), CryptoError> {
        if self.0.hardware.p256_verify.is_none() {
            return Es256::default().es256(public, message, signature);
        }
        let digest = self.sha256(message)?;
        self.0.verify(public, &digest, signature).unwrap_or(Err(CryptoError::Unsupported))
    }

    fn eddsa(&self, public: &[u8; 32], message: &[&[u8]], signature: &[u8; 64]) -> Result<(), CryptoError> {
        EdDsa::default().eddsa(public, message, signature)
    }
}
