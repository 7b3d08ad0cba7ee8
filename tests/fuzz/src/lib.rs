//! What the targets share.

pub mod claims;

use latchwork_crypto::{
    Agree, CryptoError, Ephemeral, P256Peer, P256Public, Random, RustCrypto, Secret, Symmetric, Verify,
};

/// Takes every tag and every signature and encrypts nothing, so that what stands behind the decryption gets the fuzzer's bytes. Keys are derived as ever.
pub struct TakesEveryTag;

impl Symmetric for TakesEveryTag {
    fn ccm_seal(&self, _: &[u8; 16], _: &[u8; 13], _: &[u8], _: &mut [u8], tag: &mut [u8]) -> Result<(), CryptoError> {
        tag.fill(0);
        Ok(())
    }

    fn ccm_open(&self, _: &[u8; 16], _: &[u8; 13], _: &[u8], _: &mut [u8], _: &[u8]) -> Result<(), CryptoError> {
        Ok(())
    }

    fn sha256(&self, parts: &[&[u8]]) -> Result<[u8; 32], CryptoError> {
        RustCrypto.sha256(parts)
    }

    fn hmac_sha256(&self, key: &[u8], parts: &[&[u8]]) -> Result<[u8; 32], CryptoError> {
        RustCrypto.hmac_sha256(key, parts)
    }
}

impl Agree for TakesEveryTag {
    fn agree(&self, _: &P256Peer) -> Result<Secret<32>, CryptoError> {
        Ok(Secret::new([0; 32]))
    }
}

impl Ephemeral for TakesEveryTag {
    type Key = Self;

    fn ephemeral(&self, _: &mut (impl Random + ?Sized)) -> Result<(Self, [u8; 32]), CryptoError> {
        Ok((Self, [0; 32]))
    }
}

impl Verify for TakesEveryTag {
    fn es256(&self, _: &P256Public, _: &[&[u8]], _: &[u8; 64]) -> Result<(), CryptoError> {
        Ok(())
    }

    fn eddsa(&self, _: &[u8; 32], _: &[&[u8]], _: &[u8; 64]) -> Result<(), CryptoError> {
        Ok(())
    }
}
