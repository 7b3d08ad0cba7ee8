//! HKDF with SHA-256 (RFC 5869), over the HMAC of any backend.

use zeroize::Zeroize;

use crate::{CryptoError, Symmetric};

/// HKDF-Extract (§2.2). An empty salt stands for one of 32 zero bytes.
pub fn hkdf_sha256_extract(c: &(impl Symmetric + ?Sized), salt: &[u8], ikm: &[u8]) -> Result<[u8; 32], CryptoError> {
    c.hmac_sha256(salt, &[ikm])
}

/// HKDF-Expand (§2.3), of 255 * 32 bytes at most. On failure `out` is wiped.
pub fn hkdf_sha256_expand(
    c: &(impl Symmetric + ?Sized),
    prk: &[u8; 32],
    info: &[u8],
    out: &mut [u8],
) -> Result<(), CryptoError> {
    let mut previous = [0; 32];
    let expanded = expand(c, prk, info, out, &mut previous);
    previous.zeroize();
    if expanded.is_err() {
        out.zeroize();
    }
    expanded
}

fn expand(
    c: &(impl Symmetric + ?Sized),
    prk: &[u8; 32],
    info: &[u8],
    out: &mut [u8],
    previous: &mut [u8; 32],
) -> Result<(), CryptoError> {
    for (index, chunk) in out.chunks_mut(previous.len()).enumerate() {
        let counter = u8::try_from(index + 1).map_err(|_| CryptoError::BadLength)?;
        let before: &[u8] = if index == 0 { &[] } else { previous };
        *previous = c.hmac_sha256(prk, &[before, info, &[counter]])?;
        for (to, from) in chunk.iter_mut().zip(&*previous) {
            *to = *from;
        }
    }
    Ok(())
}
