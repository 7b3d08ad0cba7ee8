//! AES-CCM, SHA-256 and HMAC over the RustCrypto crates.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

use super::RustCrypto;
use super::ccm::Ccm;
use crate::{CryptoError, Symmetric, ct_eq};

impl Symmetric for RustCrypto {
    fn ccm_seal(
        &self,
        key: &[u8; 16],
        nonce: &[u8; 13],
        aad: &[u8],
        buf: &mut [u8],
        tag: &mut [u8],
    ) -> Result<(), CryptoError> {
        let sealed = seal(key, nonce, aad, buf, tag);
        if sealed.is_err() {
            buf.zeroize();
            tag.zeroize();
        }
        sealed
    }

    fn ccm_open(
        &self,
        key: &[u8; 16],
        nonce: &[u8; 13],
        aad: &[u8],
        buf: &mut [u8],
        tag: &[u8],
    ) -> Result<(), CryptoError> {
        let opened = open(key, nonce, aad, buf, tag);
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

fn seal(key: &[u8; 16], nonce: &[u8; 13], aad: &[u8], buf: &mut [u8], tag: &mut [u8]) -> Result<(), CryptoError> {
    if !TAGS.contains(&tag.len()) {
        return Err(CryptoError::BadLength);
    }
    let ccm = Ccm::new(key, nonce, tag.len());
    let made = ccm.tag(aad, buf)?;
    ccm.apply(buf);
    tag.iter_mut().zip(made).for_each(|(to, from)| *to = from);
    Ok(())
}

fn open(key: &[u8; 16], nonce: &[u8; 13], aad: &[u8], buf: &mut [u8], tag: &[u8]) -> Result<(), CryptoError> {
    if !TAGS.contains(&tag.len()) {
        return Err(CryptoError::BadLength);
    }
    let ccm = Ccm::new(key, nonce, tag.len());
    ccm.apply(buf);
    let made = ccm.tag(aad, buf)?;
    let same = made.get(..tag.len()).is_some_and(|made| ct_eq(made, tag));
    if same { Ok(()) } else { Err(CryptoError::Forged) }
}

/// The lengths of tags that COSE has with nonces of 13 bytes (RFC 9053 §4.2).
const TAGS: [usize; 2] = [8, 16];
