//! AES-128-CCM with nonces of 13 bytes (RFC 3610, with L = 2): a block of the MAC and one of the key stream at a time. Modes for every
//! length and for many blocks at a time would cost a small lock 6 KB.

#![cfg(any(feature = "aes128", feature = "sha256"))]

use zeroize::Zeroize;

use crate::{CryptoError, ct_eq};

/// AES-128 under one key.
pub(crate) trait Cipher {
    /// Encrypts one or two blocks in place.
    fn encrypt(&self, blocks: &mut [[u8; BLOCK]]) -> Result<(), CryptoError>;
}

/// As [`Symmetric::ccm_seal`](crate::Symmetric::ccm_seal).
pub(crate) fn seal(
    cipher: &dyn Cipher,
    nonce: &[u8; 13],
    aad: &[u8],
    buf: &mut [u8],
    tag: &mut [u8],
) -> Result<(), CryptoError> {
    let made = run(cipher, nonce, aad, buf, tag.len(), Way::Seal);
    match &made {
        Ok(made) => tag.iter_mut().zip(made).for_each(|(to, from)| *to = *from),
        Err(_) => {
            buf.zeroize();
            tag.zeroize();
        }
    }
    made.map(drop)
}

/// As [`Symmetric::ccm_open`](crate::Symmetric::ccm_open).
pub(crate) fn open(
    cipher: &dyn Cipher,
    nonce: &[u8; 13],
    aad: &[u8],
    buf: &mut [u8],
    tag: &[u8],
) -> Result<(), CryptoError> {
    let made = run(cipher, nonce, aad, buf, tag.len(), Way::Open);
    let opened = match made {
        Ok(made) if made.get(..tag.len()).is_some_and(|made| ct_eq(made, tag)) => Ok(()),
        Ok(_) => Err(CryptoError::Forged),
        Err(error) => Err(error),
    };
    if opened.is_err() {
        buf.zeroize();
    }
    opened
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Seal,
    Open,
}

/// Encrypts or decrypts (§2.3), and makes the tag over the plaintext (§2.2), encrypted; its first `tag_len` bytes count.
#[inline(never)] // one for both ways
fn run(
    cipher: &dyn Cipher,
    nonce: &[u8; 13],
    aad: &[u8],
    buf: &mut [u8],
    tag_len: usize,
    way: Way,
) -> Result<[u8; BLOCK], CryptoError> {
    if !TAGS.contains(&tag_len) {
        return Err(CryptoError::BadLength);
    }
    let length = u16::try_from(buf.len()).map_err(|_| CryptoError::BadLength)?;
    let aad_len = u32::try_from(aad.len()).map_err(|_| CryptoError::BadLength)?.to_be_bytes();
    // From 2 to 16, so that three bits hold it.
    let tag_bits = (tag_len / 2).saturating_sub(1) as u8 & 7;
    let flags = u8::from(!aad.is_empty()) << 6 | tag_bits << 3 | (L - 1);
    // Behind the last block of the key stream comes the one that encrypts the tag, which has number 0.
    let last = length.div_ceil(BLOCK as u16);
    let after = |number: u16| framed(L - 1, nonce, if number < last { number + 1 } else { 0 });

    let mut blocks = [framed(flags, nonce, length), after(0)];
    cipher.encrypt(&mut blocks)?;
    let head: &[u8] = match &aad_len {
        _ if aad.is_empty() => &[],
        [0, 0, short @ ..] if *short < [0xff, 0] => short,
        [a, b, c, d] => &[0xff, 0xfe, *a, *b, *c, *d],
    };
    authenticate(cipher, head, aad, &mut blocks)?;
    for (number, chunk) in (1..).zip(buf.chunks_mut(BLOCK)) {
        let [mac, stream] = &mut blocks;
        if way == Way::Open {
            add(stream, chunk);
        }
        add(chunk, mac);
        if way == Way::Seal {
            add(stream, chunk);
        }
        *stream = after(number);
        cipher.encrypt(&mut blocks)?;
    }
    let [mut tag, stream] = blocks;
    add(&stream, &mut tag);
    blocks.zeroize();
    Ok(tag)
}

/// Takes the additional data into the MAC, which is the first of the blocks; what is missing of its last block is zero.
fn authenticate(
    cipher: &dyn Cipher,
    head: &[u8],
    aad: &[u8],
    blocks: &mut [[u8; BLOCK]; 2],
) -> Result<(), CryptoError> {
    let [mac, _] = blocks;
    let mut bytes = head.iter().chain(aad).peekable();
    while bytes.peek().is_some() {
        mac.iter_mut().zip(&mut bytes).for_each(|(to, from)| *to ^= from);
        cipher.encrypt(core::slice::from_mut(mac))?;
    }
    Ok(())
}

/// The nonce between flags and a number: the first block of the MAC, and what a block of the key stream is made of.
fn framed(flags: u8, nonce: &[u8; 13], number: u16) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let [first, middle @ .., high, low] = &mut block;
    (*first, *middle) = (flags, *nonce);
    [*high, *low] = number.to_be_bytes();
    block
}

fn add(from: &[u8], to: &mut [u8]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to ^= from);
}

const BLOCK: usize = 16;

/// Bytes of the length field.
const L: u8 = 2;

/// The lengths of tags that COSE has with nonces of 13 bytes (RFC 9053 §4.2).
const TAGS: [usize; 2] = [8, 16];
