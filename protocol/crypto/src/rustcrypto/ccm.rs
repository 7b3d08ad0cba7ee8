//! AES-128-CCM with nonces of 13 bytes (RFC 3610, with L = 2), one block after the other. Modes for every length and for
//! many blocks at a time would cost a small lock 6 KB.

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use zeroize::Zeroize;

use crate::CryptoError;

/// One key, one nonce, and a tag of `tag_len` bytes (an even number from 4 to 16).
pub(super) struct Ccm<'n> {
    cipher: Aes128,
    nonce: &'n [u8; 13],
    tag_len: usize,
}

impl<'n> Ccm<'n> {
    pub(super) fn new(key: &[u8; 16], nonce: &'n [u8; 13], tag_len: usize) -> Self {
        Self { cipher: Aes128::new(key.into()), nonce, tag_len }
    }

    /// Encrypts or decrypts (§2.3).
    pub(super) fn apply(&self, buf: &mut [u8]) {
        let mut counter = 0u16;
        for chunk in buf.chunks_mut(BLOCK) {
            counter = counter.wrapping_add(1);
            let mut stream = self.key_stream(counter);
            chunk.iter_mut().zip(&stream).for_each(|(to, from)| *to ^= from);
            stream.zeroize();
        }
    }

    /// The tag over plaintext (§2.2), encrypted; its first `tag_len` bytes count.
    pub(super) fn tag(&self, aad: &[u8], plaintext: &[u8]) -> Result<[u8; BLOCK], CryptoError> {
        let length = u16::try_from(plaintext.len()).map_err(|_| CryptoError::BadLength)?.to_be_bytes();
        let aad_len = u32::try_from(aad.len()).map_err(|_| CryptoError::BadLength)?.to_be_bytes();
        // From 2 to 16, so that three bits hold it.
        let tag_bits = (self.tag_len / 2).saturating_sub(1) as u8 & 7;
        let flags = u8::from(!aad.is_empty()) << 6 | tag_bits << 3 | (L - 1);

        let mut mac = Mac { cipher: &self.cipher, block: [0; BLOCK], at: 0 };
        mac.absorb(&[flags]);
        mac.absorb(self.nonce);
        mac.absorb(&length);
        if !aad.is_empty() {
            match aad_len {
                [0, 0, high, low] if high < 0xff => mac.absorb(&[high, low]),
                [a, b, c, d] => mac.absorb(&[0xff, 0xfe, a, b, c, d]),
            }
            mac.absorb(aad);
            mac.pad();
        }
        mac.absorb(plaintext);
        mac.pad();
        let mut tag = mac.block;
        mac.block.zeroize();
        tag.iter_mut().zip(self.key_stream(0)).for_each(|(to, from)| *to ^= from);
        Ok(tag)
    }

    fn key_stream(&self, counter: u16) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        let parts = [L - 1].into_iter().chain(*self.nonce).chain(counter.to_be_bytes());
        block.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
        self.cipher.encrypt_block((&mut block).into());
        block
    }
}

/// CBC-MAC.
struct Mac<'c> {
    cipher: &'c Aes128,
    block: [u8; BLOCK],
    at: usize,
}

impl Mac<'_> {
    fn absorb(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if let Some(place) = self.block.get_mut(self.at) {
                *place ^= byte;
            }
            self.at += 1;
            if self.at == BLOCK {
                self.pad();
            }
        }
    }

    /// What is missing of a block is zero.
    fn pad(&mut self) {
        if self.at > 0 {
            self.cipher.encrypt_block((&mut self.block).into());
            self.at = 0;
        }
    }
}

const BLOCK: usize = 16;

/// Bytes of the length field.
const L: u8 = 2;
