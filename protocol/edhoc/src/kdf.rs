//! Key derivation with SHA-256 (RFC 9528 §4), over contexts in parts: a credential or a token is hashed where it lies.

use latchwork_crypto::{CryptoError, Secret, Symmetric};

use crate::item::Item;

/// EDHOC_Extract (§4.1.1).
pub(crate) fn extract(c: &impl Symmetric, salt: &[u8; 32], ikm: &Secret<32>) -> Result<Secret<32>, CryptoError> {
    c.hmac_sha256(salt, &[ikm.expose()]).map(Secret::new)
}

/// EDHOC_KDF (§4.1.2) of up to 255 * 32 bytes. `context` is the content of its byte string, of at most [`MAX_PARTS`] parts.
pub(crate) fn derive(
    c: &impl Symmetric,
    prk: &Secret<32>,
    label: i64,
    context: &[&[u8]],
    out: &mut [u8],
) -> Result<(), CryptoError> {
    blocks(c, prk, label, context, out, |to, from| *to = from)
}

/// EDHOC_KDF for a key.
pub(crate) fn key<const N: usize>(
    c: &impl Symmetric,
    prk: &Secret<32>,
    label: i64,
    context: &[&[u8]],
) -> Result<Secret<N>, CryptoError> {
    let mut key = Secret::new([0; N]);
    derive(c, prk, label, context, key.expose_mut())?;
    Ok(key)
}

/// Encrypts or decrypts PLAINTEXT_2 by KEYSTREAM_2, of any length (RFC 9528 §5.3.2 and Appendix G).
pub(crate) fn apply_keystream_2(
    c: &impl Symmetric,
    prk_2e: &Secret<32>,
    th_2: &[u8; 32],
    text: &mut [u8],
) -> Result<(), CryptoError> {
    for (part, label) in text.chunks_mut(LONGEST).zip((i64::MIN..=0).rev()) {
        blocks(c, prk_2e, label, &[th_2], part, |to, from| *to ^= from)?;
    }
    Ok(())
}

/// HKDF-Expand (RFC 5869 §2.3), block by block into `put`.
fn blocks(
    c: &impl Symmetric,
    prk: &Secret<32>,
    label: i64,
    context: &[&[u8]],
    out: &mut [u8],
    put: impl Fn(&mut u8, u8),
) -> Result<(), CryptoError> {
    if context.len() > MAX_PARTS {
        return Err(CryptoError::BadLength);
    }
    let label = Item::int(label);
    let head = Item::bytes_head(context.iter().map(|part| part.len()).sum());
    let length = Item::uint(out.len());
    let mut previous = Secret::new([0; 32]);
    for (index, chunk) in out.chunks_mut(32).enumerate() {
        let counter = [u8::try_from(index + 1).map_err(|_| CryptoError::BadLength)?];
        let before: &[u8] = if index == 0 { &[] } else { previous.expose() };
        let mut parts: [&[u8]; MAX_PARTS + 5] = [&[]; MAX_PARTS + 5];
        let (front, back) = ([before, label.as_bytes(), head.as_bytes()], [length.as_bytes(), &counter]);
        for (slot, part) in parts.iter_mut().zip(front.iter().chain(context).chain(&back)) {
            *slot = part;
        }
        let block = Secret::new(c.hmac_sha256(prk.expose(), &parts)?);
        for (to, from) in chunk.iter_mut().zip(block.expose()) {
            put(to, *from);
        }
        previous = block;
    }
    Ok(())
}

/// The most parts of a context.
pub(crate) const MAX_PARTS: usize = 7;

/// What HKDF-Expand can give: 255 blocks.
const LONGEST: usize = 255 * 32;
