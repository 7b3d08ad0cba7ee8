//! AES-CCM, SHA-256 and HMAC.

use crate::CryptoError;

/// The symmetric operations.
///
/// `parts` are hashed one after the other, as if they were joined.
pub trait Symmetric {
    /// Encrypts `buf` in place by AES-128-CCM and writes the tag.
    ///
    /// A tag of 8 bytes makes it AES-CCM-16-64-128 (COSE algorithm 10), one of 16 bytes AES-CCM-16-128-128 (30), both of RFC 9053
    /// §4.2. A nonce must never come twice with one key. On failure `buf` and `tag` are wiped, so that no plaintext goes out by mistake.
    fn ccm_seal(
        &self,
        key: &[u8; 16],
        nonce: &[u8; 13],
        aad: &[u8],
        buf: &mut [u8],
        tag: &mut [u8],
    ) -> Result<(), CryptoError>;

    /// Checks `tag`, of 8 or 16 bytes as in [`ccm_seal`](Self::ccm_seal), and decrypts `buf` in place. On failure `buf` is wiped.
    fn ccm_open(
        &self,
        key: &[u8; 16],
        nonce: &[u8; 13],
        aad: &[u8],
        buf: &mut [u8],
        tag: &[u8],
    ) -> Result<(), CryptoError>;

    /// SHA-256 (FIPS 180-4).
    fn sha256(&self, parts: &[&[u8]]) -> Result<[u8; 32], CryptoError>;

    /// HMAC with SHA-256 (RFC 2104), for keys of any length. Compare tags by [`ct_eq`](crate::ct_eq).
    fn hmac_sha256(&self, key: &[u8], parts: &[&[u8]]) -> Result<[u8; 32], CryptoError>;
}
