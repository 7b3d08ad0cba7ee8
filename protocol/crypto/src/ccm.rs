//! AES-128-CCM with nonces of 13 bytes (RFC 3610, with L = 2), one block after the other. Modes for every length and for
//! many blocks at a time would cost a small lock 6 KB.

#![cfg(any(feature = "aes128", feature = "sha256"))]

use zeroize::Zeroize;

use crate::{CryptoError, ct_eq};

/// AES-128 under one key.
pub(crate) trait Block {
    /// Encrypts a block in place.
    fn encrypt(&self, block: &mut [u8; BLOCK]) -> Result<(), CryptoError>;
}

/// As [`Symmetric::ccm_seal`](crate::Symmetric::ccm_seal).
pub(crate) fn seal(
    cipher: &impl Block,
    nonce: &[u8; 13],
    aad: &[u8],
    buf: &mut [u8],
    tag: &mut [u8],
) -> Result<(), CryptoError> {
    let sealed = sealed(cipher, nonce, aad, buf, tag);
    if sealed.is_err() {
        buf.zeroize();
        tag.zeroize();
    }
    sealed
}

/// As [`Symmetric::ccm_open`](crate::Symmetric::ccm_open).
pub(crate) fn open(
    cipher: &impl Block,
    nonce: &[u8; 13],
    aad: &[u8],
    buf: &mut [u8],
    tag: &[u8],
) -> Result<(), CryptoError> {
    let opened = opened(cipher, nonce, aad, buf, tag);
    if opened.is_err() {
        buf.zeroize();
    }
    opened
}

fn sealed(
    cipher: &impl Block,
    nonce: &[u8; 13],
    aad: &[u8],
    buf: &mut [u8],
    tag: &mut [u8],
) -> Result<(), CryptoError> {
    let ccm = Ccm::new(cipher, nonce, tag.len())?;
    let made = ccm.tag(aad, buf)?;
    ccm.apply(buf)?;
    tag.iter_mut().zip(made).for_each(|(to, from)| *to = from);
    Ok(())
}

fn opened(cipher: &impl Block, nonce: &[u8; 13], aad: &[u8], buf: &mut [u8], tag: &[u8]) -> Result<(), CryptoError> {
    let ccm = Ccm::new(cipher, nonce, tag.len())?;
    ccm.apply(buf)?;
    let made = ccm.tag(aad, buf)?;
    let same = made.get(..tag.len()).is_some_and(|made| ct_eq(made, tag));
    if same { Ok(()) } else { Err(CryptoError::Forged) }
}

/// One key, one nonce, and a tag of `tag_len` bytes.
struct Ccm<'n, C> {
    cipher: &'n C,
    nonce: &'n [u8; 13],
    tag_len: usize,
}

impl<'n, C: Block> Ccm<'n, C> {
    fn new(cipher: &'n C, nonce: &'n [u8; 13], tag_len: usize) -> Result<Self, CryptoError> {
        if !TAGS.contains(&tag_len) {
            return Err(CryptoError::BadLength);
        }
        Ok(Self { cipher, nonce, tag_len })
    }

    /// Encrypts or decrypts (§2.3).
    fn apply(&self, buf: &mut [u8]) -> Result<(), CryptoError> {
        let mut counter = 0u16;
        for chunk in buf.chunks_mut(BLOCK) {
            counter = counter.wrapping_add(1);
            let mut stream = self.key_stream(counter)?;
            chunk.iter_mut().zip(&stream).for_each(|(to, from)| *to ^= from);
            stream.zeroize();
        }
        Ok(())
    }

    /// The tag over plaintext (§2.2), encrypted; its first `tag_len` bytes count.
    fn tag(&self, aad: &[u8], plaintext: &[u8]) -> Result<[u8; BLOCK], CryptoError> {
        let length = u16::try_from(plaintext.len()).map_err(|_| CryptoError::BadLength)?.to_be_bytes();
        let aad_len = u32::try_from(aad.len()).map_err(|_| CryptoError::BadLength)?.to_be_bytes();
        // From 2 to 16, so that three bits hold it.
        let tag_bits = (self.tag_len / 2).saturating_sub(1) as u8 & 7;
        let flags = u8::from(!aad.is_empty()) << 6 | tag_bits << 3 | (L - 1);

        let mut mac = Mac { cipher: self.cipher, block: [0; BLOCK], at: 0 };
        mac.absorb(&[flags])?;
        mac.absorb(self.nonce)?;
        mac.absorb(&length)?;
        if !aad.is_empty() {
            match aad_len {
                [0, 0, high, low] if high < 0xff => mac.absorb(&[high, low])?,
                [a, b, c, d] => mac.absorb(&[0xff, 0xfe, a, b, c, d])?,
            }
            mac.absorb(aad)?;
            mac.pad()?;
        }
        mac.absorb(plaintext)?;
        mac.pad()?;
        let mut tag = mac.block;
        mac.block.zeroize();
        tag.iter_mut().zip(self.key_stream(0)?).for_each(|(to, from)| *to ^= from);
        Ok(tag)
    }

    fn key_stream(&self, counter: u16) -> Result<[u8; BLOCK], CryptoError> {
        let mut block = [0; BLOCK];
        let parts = [L - 1].into_iter().chain(*self.nonce).chain(counter.to_be_bytes());
        block.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
        self.cipher.encrypt(&mut block)?;
        Ok(block)
    }
}

/// CBC-MAC.
struct Mac<'c, C> {
    cipher: &'c C,
    block: [u8; BLOCK],
    at: usize,
}

impl<C: Block> Mac<'_, C> {
    fn absorb(&mut self, bytes: &[u8]) -> Result<(), CryptoError> {
        for byte in bytes {
            if let Some(place) = self.block.get_mut(self.at) {
                *place ^= byte;
            }
            self.at += 1;
            if self.at == BLOCK {
                self.pad()?;
            }
        }
        Ok(())
    }

    /// What is missing of a block is zero.
    fn pad(&mut self) -> Result<(), CryptoError> {
        if self.at > 0 {
            self.cipher.encrypt(&mut self.block)?;
            self.at = 0;
        }
        Ok(())
    }
}

const BLOCK: usize = 16;

/// Bytes of the length field.
const L: u8 = 2;

/// The lengths of tags that COSE has with nonces of 13 bytes (RFC 9053 §4.2).
const TAGS: [usize; 2] = [8, 16];
