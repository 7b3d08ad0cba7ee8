//! AES-CCM, SHA-256 and HMAC over the RustCrypto crates.

use sha2::{Digest, Sha256};

use super::RustCrypto;
use crate::Secret;

impl RustCrypto {
    pub(crate) fn hash(parts: &[&[u8]]) -> [u8; 32] {
        hash_behind(&[], parts)
    }

    /// HMAC (RFC 2104 §2).
    pub(crate) fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
        let mut place = Secret::new([0; BLOCK]);
        let hashed;
        let key = if key.len() > BLOCK {
            hashed = Secret::new(Self::hash(&[key]));
            hashed.expose()
        } else {
            key
        };
        let mut keyed = |pad: u8, parts: &[&[u8]]| {
            let key = key.iter().copied().chain(core::iter::repeat(0));
            place.expose_mut().iter_mut().zip(key).for_each(|(to, from)| *to = from ^ pad);
            hash_behind(place.expose(), parts)
        };
        let inner = keyed(0x36, parts);
        keyed(0x5c, &[&inner])
    }
}

fn hash_behind(first: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(first);
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// What SHA-256 takes at a time, in bytes.
const BLOCK: usize = 64;

#[cfg(feature = "aes128")]
mod with_aes {
    use aes::Aes128;
    use aes::cipher::{
        BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, KeyInit, ParBlocks,
        consts::U16,
    };

    use crate::{CryptoError, RustCrypto, Symmetric, ccm};

    /// Always as many blocks as the software encrypts at a time, so that there is one way through it.
    struct Batch<'b, B>(&'b B);

    impl<B: BlockCipherEncBackend<BlockSize = U16>> ccm::Cipher for Batch<'_, B> {
        fn encrypt(&self, blocks: &mut [[u8; 16]]) -> Result<(), CryptoError> {
            for some in blocks.chunks_mut(ParBlocks::<B>::default().len()) {
                let mut batch = ParBlocks::<B>::default();
                batch.iter_mut().zip(&*some).for_each(|(to, from)| to.0 = *from);
                self.0.encrypt_par_blocks_inplace(&mut batch);
                some.iter_mut().zip(&batch).for_each(|(to, from)| *to = from.0);
            }
            Ok(())
        }
    }

    /// What is done under one key.
    struct Work<F>(F);

    impl<F> BlockSizeUser for Work<F> {
        type BlockSize = U16;
    }

    impl<F: FnOnce(&dyn ccm::Cipher)> BlockCipherEncClosure for Work<F> {
        fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
            self.0(&Batch(backend));
        }
    }

    #[inline(never)] // its stack is not wanted beside that of the work
    fn expanded(key: &[u8; 16]) -> Aes128 {
        Aes128::new(key.into())
    }

    #[inline(never)] // one for both ways
    fn under(
        key: &[u8; 16],
        work: &mut dyn FnMut(&dyn ccm::Cipher) -> Result<(), CryptoError>,
    ) -> Result<(), CryptoError> {
        let mut done = Err(CryptoError::Backend);
        expanded(key).encrypt_with_backend(Work(|cipher: &dyn ccm::Cipher| done = work(cipher)));
        done
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
            under(key, &mut |cipher| ccm::seal(cipher, nonce, aad, buf, tag))
        }

        fn ccm_open(
            &self,
            key: &[u8; 16],
            nonce: &[u8; 13],
            aad: &[u8],
            buf: &mut [u8],
            tag: &[u8],
        ) -> Result<(), CryptoError> {
            under(key, &mut |cipher| ccm::open(cipher, nonce, aad, buf, tag))
        }

        fn sha256(&self, parts: &[&[u8]]) -> Result<[u8; 32], CryptoError> {
            Ok(Self::hash(parts))
        }

        fn hmac_sha256(&self, key: &[u8], parts: &[&[u8]]) -> Result<[u8; 32], CryptoError> {
            Ok(Self::mac(key, parts))
        }
    }
}
