//! AES-CCM, SHA-256 and HMAC by the RustCrypto crates.

use aes::Aes128;
use ccm::{
    AeadInOut, Ccm, KeyInit,
    consts::{U8, U13, U16},
};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

use super::RustCrypto;
use crate::{CryptoError, Symmetric};

impl Symmetric for RustCrypto {
    fn ccm_seal(
        &self,
        key: &[u8; 16],
        nonce: &[u8; 13],
        aad: &[u8],
        buf: &mut [u8],
        tag: &mut [u8],
    ) -> Result<(), CryptoError> {
        let sealed = if let Ok(tag) = <&mut [u8; 8]>::try_from(&mut *tag) {
            Ccm::<Aes128, U8, U13>::new(key.into())
                .encrypt_inout_detached(nonce.into(), aad, (&mut *buf).into())
                .map(|made| *tag = made.into())
        } else if let Ok(tag) = <&mut [u8; 16]>::try_from(&mut *tag) {
            Ccm::<Aes128, U16, U13>::new(key.into())
                .encrypt_inout_detached(nonce.into(), aad, (&mut *buf).into())
                .map(|made| *tag = made.into())
        } else {
            Err(ccm::Error)
        };
        sealed.map_err(|ccm::Error| {
            buf.zeroize();
            tag.zeroize();
            CryptoError::BadLength
        })
    }

    fn ccm_open(
        &self,
        key: &[u8; 16],
        nonce: &[u8; 13],
        aad: &[u8],
        buf: &mut [u8],
        tag: &[u8],
    ) -> Result<(), CryptoError> {
        let opened = if buf.len() > LONGEST {
            Err(CryptoError::BadLength)
        } else if let Ok(tag) = <&[u8; 8]>::try_from(tag) {
            Ccm::<Aes128, U8, U13>::new(key.into())
                .decrypt_inout_detached(nonce.into(), aad, (&mut *buf).into(), tag.into())
                .map_err(|ccm::Error| CryptoError::Forged)
        } else if let Ok(tag) = <&[u8; 16]>::try_from(tag) {
            Ccm::<Aes128, U16, U13>::new(key.into())
                .decrypt_inout_detached(nonce.into(), aad, (&mut *buf).into(), tag.into())
                .map_err(|ccm::Error| CryptoError::Forged)
        } else {
            Err(CryptoError::BadLength)
        };
        if opened.is_err() {
            buf.zeroize();
        }
        opened
    }

    fn sha256(&self, parts: &[&[u8]]) -> Result<[u8; 32], CryptoError> {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part);
        }
        Ok(hash.finalize().into())
    }

    fn hmac_sha256(&self, key: &[u8], parts: &[&[u8]]) -> Result<[u8; 32], CryptoError> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| CryptoError::BadLength)?;
        for part in parts {
            mac.update(part);
        }
        Ok(mac.finalize().into_bytes().into())
    }
}

/// What two bytes of length can say: the nonce takes the other 13 of the block (RFC 3610 §2.2).
const LONGEST: usize = 0xffff;
