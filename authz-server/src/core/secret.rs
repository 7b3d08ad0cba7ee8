//! Client secrets: kept as a keyed hash, compared in constant time. They are drawn at random, so no password hash is needed.

use super::bytes::Hash32;
use super::names::ClientId;
use crate::keys::Key32;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// HMAC-SHA256 of the secret under the server's key, tied to the client: what [`ClientAuth::SecretHash`] holds.
///
/// [`ClientAuth::SecretHash`]: super::records::ClientAuth::SecretHash
#[must_use]
pub fn keyed_hash(key: &Key32, client: &ClientId, secret: &[u8]) -> Hash32 {
    mac(key, &[b"client secret", client.as_str().as_bytes(), secret])
}

/// Whether `secret` is the one that was hashed.
#[must_use]
pub fn matches(key: &Key32, client: &ClientId, secret: &[u8], expected: &Hash32) -> bool {
    same(&keyed_hash(key, client, secret), expected)
}

/// HMAC-SHA256 over parts, each behind its length, so that no two lists of parts look alike.
#[must_use]
pub(super) fn mac(key: &Key32, parts: &[&[u8]]) -> Hash32 {
    // A key shorter than a block is padded with zeros (RFC 2104 §2).
    let mut block = Zeroizing::new([0; 64]);
    for (to, from) in block.iter_mut().zip(key.expose()) {
        *to = *from;
    }
    let mut mac = <Hmac<Sha256> as KeyInit>::new((&*block).into());
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    Hash32(mac.finalize().into_bytes().into())
}

/// Equality in constant time.
#[must_use]
pub(super) fn same(a: &Hash32, b: &Hash32) -> bool {
    a.0.ct_eq(&b.0).into()
}
