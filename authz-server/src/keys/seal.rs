//! Secrets at rest: AES-CCM under the storage key, tied to the place they lie in.

use latchwork_crypto::{RustCrypto, Symmetric, hkdf_sha256_expand};
use zeroize::Zeroizing;

use super::{Key32, KeyError};

/// Seals lock keys and OSCORE secrets, so that a copy of the store alone opens no door.
pub struct StorageKey(Key32);

impl From<Key32> for StorageKey {
    fn from(key: Key32) -> Self {
        Self(key)
    }
}

impl StorageKey {
    pub(super) fn key(&self) -> &Key32 {
        &self.0
    }

    /// `salt (16) || ciphertext || tag (16)`. `place` is authenticated: what was sealed for one record opens in no other.
    pub fn seal(&self, place: &str, secret: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut salt = [0_u8; SALT];
        getrandom::fill(&mut salt).map_err(|_| KeyError::Random)?;
        let (key, nonce) = self.derive(&salt)?;
        let mut text = Zeroizing::new(secret.to_vec());
        let mut tag = [0_u8; TAG];
        RustCrypto.ccm_seal(&key, &nonce, place.as_bytes(), &mut text, &mut tag).map_err(|_| KeyError::Refused)?;
        Ok([&salt[..], &text[..], &tag[..]].concat())
    }

    /// What [`seal`](Self::seal) was given.
    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let (salt, rest) = sealed.split_first_chunk::<SALT>().ok_or(KeyError::Sealed)?;
        let (text, tag) = rest.split_last_chunk::<TAG>().ok_or(KeyError::Sealed)?;
        let (key, nonce) = self.derive(salt)?;
        let mut text = Zeroizing::new(text.to_vec());
        RustCrypto.ccm_open(&key, &nonce, place.as_bytes(), &mut text, tag).map_err(|_| KeyError::Sealed)?;
        Ok(text)
    }

    /// A key and a nonce of its own for every value: the salt makes a repeated pair as unlikely as a repeated 16 bytes.
    fn derive(&self, salt: &[u8; SALT]) -> Result<(Zeroizing<[u8; 16]>, [u8; 13]), KeyError> {
        let mut out = Zeroizing::new([0_u8; 29]);
        hkdf_sha256_expand(&RustCrypto, self.0.expose(), salt, out.as_mut()).map_err(|_| KeyError::Refused)?;
        let (key, nonce) = out.split_first_chunk::<16>().ok_or(KeyError::Refused)?;
        Ok((Zeroizing::new(*key), nonce.try_into().map_err(|_| KeyError::Refused)?))
    }
}

const SALT: usize = 16;
const TAG: usize = 16;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn opens_only_what_it_sealed_and_where() {
        let key = StorageKey::from(Key32::random().unwrap());
        let other = StorageKey::from(Key32::random().unwrap());
        let sealed = key.seal("lock/front", b"0123456789abcdef").unwrap();
        assert_eq!(key.open("lock/front", &sealed).unwrap().as_slice(), b"0123456789abcdef");
        assert_ne!(sealed, key.seal("lock/front", b"0123456789abcdef").unwrap());
        assert!(key.open("lock/back", &sealed).is_err(), "moved");
        assert!(other.open("lock/front", &sealed).is_err(), "another key");
        for length in 0..sealed.len() {
            assert!(key.open("lock/front", &sealed[..length]).is_err(), "cut at {length}");
        }
        for bit in 0..sealed.len() * 8 {
            let mut bent = sealed.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            assert!(key.open("lock/front", &bent).is_err(), "bit {bit}");
        }
    }
}
