//! AES-CCM, SHA-256 and HMAC over the RustCrypto crates.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::RustCrypto;
use crate::CryptoError;

impl RustCrypto {
    pub(crate) fn hash(parts: &[&[u8]]) -> [u8; 32] {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part);
        }
        hash.finalize().into()
    }

    pub(crate) fn mac(key: &[u8], parts: &[&[u8]]) -> Result<[u8; 32], CryptoError> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| CryptoError::BadLength)?;
        for part in parts {
            mac.update(part);
        }
        Ok(mac.finalize().into_bytes().into())
    }
}

#[cfg(feature = "aes128")]
mod with_aes {
    use aes::Aes128;
    use aes::cipher::{BlockCipherEncrypt, KeyInit};

    use crate::ccm::{self, Block};
    use crate::{CryptoError, RustCrypto, Symmetric};

    impl Block for Aes128 {
        fn encrypt(&self, block: &mut [u8; 16]) -> Result<(), CryptoError> {
            self.encrypt_block(block.into());
            Ok(())
        }
    }

    impl Symmetric for RustCrypto {
        fn ccm_seal(
            &self,
            key: &[u8; 16],
            nonce: &[u8; 13],
            aad: &[u8],
            buf: &mut [u8],
            tag: &mut [u8],
        ) -> Result<(), CryptoError> {
            ccm::seal(&Aes128::new(key.into()), nonce, aad, buf, tag)
        }

        fn ccm_open(
            &self,
            key: &[u8; 16],
            nonce: &[u8; 13],
            aad: &[u8],
            buf: &mut [u8],
            tag: &[u8],
        ) -> Result<(), CryptoError> {
            ccm::open(&Aes128::new(key.into()), nonce, aad, buf, tag)
        }

        fn sha256(&self, parts: &[&[u8]]) -> Result<[u8; 32], CryptoError> {
            Ok(Self::hash(parts))
        }

        fn hmac_sha256(&self, key: &[u8], parts: &[&[u8]]) -> Result<[u8; 32], CryptoError> {
            Self::mac(key, parts)
        }
    }
}
