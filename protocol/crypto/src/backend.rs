//! A backend put together from several.

use crate::{CryptoError, Ephemeral, P256Public, Random, Symmetric, Verify};

/// The slot for hardware: each kind of operation by whoever does it best. An AES peripheral implements [`Blocks`](crate::Blocks) and is
/// [`Symmetric`] in `OverBlocks`, a P-256 peripheral [`Verify`] and [`Ephemeral`]; private keys that stay in
/// hardware implement [`Agree`](crate::Agree) and [`Sign`](crate::Sign).
#[derive(Clone, Copy, Debug, Default)]
pub struct Backend<S, Es256, EdDsa, K> {
    /// AES-CCM, SHA-256 and HMAC.
    pub symmetric: S,
    /// Signatures by ES256.
    pub es256: Es256,
    /// Signatures by EdDSA.
    pub eddsa: EdDsa,
    /// Key pairs for one exchange.
    pub ephemeral: K,
}

/// Verifies nothing: for what firmware has no use for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nothing;

impl Verify for Nothing {}

impl<S: Symmetric, E, D, K> Symmetric for Backend<S, E, D, K> {
    fn ccm_seal(
        &self,
        key: &[u8; 16],
        nonce: &[u8; 13],
        aad: &[u8],
        buf: &mut [u8],
        tag: &mut [u8],
    ) -> Result<(), CryptoError> {
        self.symmetric.ccm_seal(key, nonce, aad, buf, tag)
    }

    fn ccm_open(
        &self,
        key: &[u8; 16],
        nonce: &[u8; 13],
        aad: &[u8],
        buf: &mut [u8],
        tag: &[u8],
    ) -> Result<(), CryptoError> {
        self.symmetric.ccm_open(key, nonce, aad, buf, tag)
    }

    fn sha256(&self, parts: &[&[u8]]) -> Result<[u8; 32], CryptoError> {
        self.symmetric.sha256(parts)
    }

    fn hmac_sha256(&self, key: &[u8], parts: &[&[u8]]) -> Result<[u8; 32], CryptoError> {
        self.symmetric.hmac_sha256(key, parts)
    }
}

impl<S, E: Verify, D: Verify, K> Verify for Backend<S, E, D, K> {
    fn es256(&self, public: &P256Public, message: &[&[u8]], signature: &[u8; 64]) -> Result<(), CryptoError> {
        self.es256.es256(public, message, signature)
    }

    fn eddsa(&self, public: &[u8; 32], message: &[&[u8]], signature: &[u8; 64]) -> Result<(), CryptoError> {
        self.eddsa.eddsa(public, message, signature)
    }
}

impl<S, E, D, K: Ephemeral> Ephemeral for Backend<S, E, D, K> {
    type Key = K::Key;

    fn ephemeral(&self, random: &mut (impl Random + ?Sized)) -> Result<(K::Key, [u8; 32]), CryptoError> {
        self.ephemeral.ephemeral(random)
    }
}
