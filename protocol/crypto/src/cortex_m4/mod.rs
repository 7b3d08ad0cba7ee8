//! P-256 by the assembly of P256-Cortex-M4: ES256, and key agreement.

#![allow(unsafe_code, reason = "the assembly stands behind functions of C")]

mod private;

use p256_cortex_m4_sys::{P256_check_range_p, p256_verify};
use sha2::{Digest, Sha256};

use crate::{CryptoError, P256Public, Verify};
pub use private::CortexM4Private;

/// ES256 verified, and keys agreed, by assembly, on processors with the DSP extension: Cortex-M4, M7, and M33 that have it.
#[derive(Clone, Copy, Debug, Default)]
pub struct CortexM4;

impl Verify for CortexM4 {
    /// A point that is not on the curve is [`CryptoError::Forged`] here: the assembly does not say which of both was wrong.
    fn es256(&self, public: &P256Public, message: &[&[u8]], signature: &[u8; 64]) -> Result<(), CryptoError> {
        let (x, y) = (words(&public.x), words(&public.y));
        let (r, s) = signature.split_first_chunk::<32>().ok_or(CryptoError::BadLength)?;
        let (r, s) = (words(r), words(s.try_into().map_err(|_| CryptoError::BadLength)?));
        // SAFETY: each points to eight aligned words, which are read.
        if !unsafe { P256_check_range_p(x.as_ptr()) && P256_check_range_p(y.as_ptr()) } {
            return Err(CryptoError::BadKey);
        }
        let mut hash = Sha256::new();
        for part in message {
            hash.update(part);
        }
        let hash = hash.finalize();
        // It checks that r and s are in range and the point is on the curve.
        // SAFETY: each points to eight aligned words, `hash` to 32 bytes; all are read only.
        let verified = unsafe { p256_verify(x.as_ptr(), y.as_ptr(), hash.as_ptr(), 32, r.as_ptr(), s.as_ptr()) };
        if verified { Ok(()) } else { Err(CryptoError::Forged) }
    }
}

/// Eight words, the lowest first, from 32 bytes, the highest first.
fn words(bytes: &[u8; 32]) -> [u32; 8] {
    let mut words = [0; 8];
    for (word, bytes) in words.iter_mut().rev().zip(bytes.as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    words
}

/// 32 bytes, the highest first, from eight words, the lowest first.
fn bytes(words: &[u32; 8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (to, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words.iter().rev()) {
        *to = word.to_be_bytes();
    }
    bytes
}
