//! The slot for hardware: every operation goes to the part that does it.
#![allow(missing_docs, clippy::unwrap_used)]

use latchwork_crypto::{
    Agree, Backend, CryptoError, Ephemeral, Nothing, P256Peer, P256Public, Random, RustCrypto, Secret, Symmetric,
    Verify,
};
use std::cell::Cell;

/// A peripheral that counts its calls and fails.
#[derive(Default)]
struct Peripheral(Cell<usize>);

impl Peripheral {
    fn used<T>(&self) -> Result<T, CryptoError> {
        self.0.set(self.0.get() + 1);
        Err(CryptoError::Backend)
    }
}

impl Symmetric for Peripheral {
    fn ccm_seal(&self, _: &[u8; 16], _: &[u8; 13], _: &[u8], _: &mut [u8], _: &mut [u8]) -> Result<(), CryptoError> {
        self.used()
    }

    fn ccm_open(&self, _: &[u8; 16], _: &[u8; 13], _: &[u8], _: &mut [u8], _: &[u8]) -> Result<(), CryptoError> {
        self.used()
    }

    fn sha256(&self, _: &[&[u8]]) -> Result<[u8; 32], CryptoError> {
        self.used()
    }

    fn hmac_sha256(&self, _: &[u8], _: &[&[u8]]) -> Result<[u8; 32], CryptoError> {
        self.used()
    }
}

impl Verify for Peripheral {
    fn es256(&self, _: &P256Public, _: &[&[u8]], _: &[u8; 64]) -> Result<(), CryptoError> {
        self.used()
    }

    fn eddsa(&self, _: &[u8; 32], _: &[&[u8]], _: &[u8; 64]) -> Result<(), CryptoError> {
        self.used()
    }
}

struct Nobody;

impl Agree for Nobody {
    fn agree(&self, _: &P256Peer) -> Result<Secret<32>, CryptoError> {
        Err(CryptoError::Backend)
    }
}

impl Ephemeral for Peripheral {
    type Key = Nobody;

    fn ephemeral(&self, _: &mut (impl Random + ?Sized)) -> Result<(Nobody, [u8; 32]), CryptoError> {
        self.used()
    }
}

struct Zeros;

impl Random for Zeros {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        out.fill(0);
        Ok(())
    }
}

#[test]
fn every_operation_goes_to_its_part() {
    let backend: Backend<Peripheral, Peripheral, Peripheral, Peripheral> = Backend::default();
    let point = P256Public { x: [0; 32], y: [0; 32] };
    let failed = Err(CryptoError::Backend);
    assert_eq!(backend.ccm_seal(&[0; 16], &[0; 13], &[], &mut [], &mut [0; 8]), failed);
    assert_eq!(backend.ccm_open(&[0; 16], &[0; 13], &[], &mut [], &[0; 8]), failed);
    assert_eq!(backend.sha256(&[]), Err(CryptoError::Backend));
    assert_eq!(backend.hmac_sha256(&[], &[]), Err(CryptoError::Backend));
    assert_eq!(backend.es256(&point, &[], &[0; 64]), failed);
    assert_eq!(backend.eddsa(&[0; 32], &[], &[0; 64]), failed);
    assert!(backend.ephemeral(&mut Zeros).is_err());
    let Backend { symmetric, es256, eddsa, ephemeral } = backend;
    assert_eq!([symmetric, es256, eddsa, ephemeral].map(|part| part.0.get()), [4, 1, 1, 1]);
}

/// A lock that takes no signatures has no code for them.
#[test]
fn what_is_left_out_is_refused() {
    let backend = Backend { symmetric: RustCrypto, es256: Nothing, eddsa: Nothing, ephemeral: () };
    let point = P256Public { x: [0; 32], y: [0; 32] };
    assert_eq!(backend.es256(&point, &[], &[0; 64]), Err(CryptoError::Unsupported));
    assert_eq!(backend.eddsa(&[0; 32], &[], &[0; 64]), Err(CryptoError::Unsupported));
    assert_eq!(backend.sha256(&[b"abc"]), RustCrypto.sha256(&[b"abc"]));
}

/// AES by a peripheral: it counts blocks, and fails at one of them.
struct Engine {
    left: Cell<usize>,
}

impl latchwork_crypto::Blocks for Engine {
    fn encrypt(&self, key: &[u8; 16], block: &mut [u8; 16]) -> Result<(), CryptoError> {
        use aes::cipher::{BlockCipherEncrypt, KeyInit};
        self.left.set(self.left.get().checked_sub(1).ok_or(CryptoError::Backend)?);
        aes::Aes128::new(key.into()).encrypt_block(block.into());
        Ok(())
    }
}

/// The same as software, for every length of text, data and tag; and whichever block fails, no text goes out.
#[test]
fn modes_over_a_peripheral() {
    let by = |blocks| latchwork_crypto::OverBlocks(Engine { left: Cell::new(blocks) });
    let (key, nonce) = ([7; 16], [8; 13]);
    for (text_len, aad_len, tag_len) in [(0, 0, 8), (1, 1, 8), (16, 14, 16), (17, 15, 8), (100, 300, 16)] {
        let (text, aad) = (vec![3; text_len], vec![4; aad_len]);
        let (mut expected, mut expected_tag) = (text.clone(), vec![0; tag_len]);
        RustCrypto.ccm_seal(&key, &nonce, &aad, &mut expected, &mut expected_tag).unwrap();
        let enough = 1000;
        let engine = by(enough);
        let (mut sealed, mut tag) = (text.clone(), vec![0; tag_len]);
        engine.ccm_seal(&key, &nonce, &aad, &mut sealed, &mut tag).unwrap();
        assert_eq!((&sealed, &tag), (&expected, &expected_tag), "{text_len} {aad_len}");
        let used = enough - engine.0.left.get();
        for blocks in 0..used {
            let (mut out, mut out_tag) = (text.clone(), vec![9; tag_len]);
            let failed = by(blocks).ccm_seal(&key, &nonce, &aad, &mut out, &mut out_tag);
            assert_eq!(failed, Err(CryptoError::Backend), "{blocks} of {used}");
            assert!(out.iter().chain(&out_tag).all(|byte| *byte == 0), "{blocks} of {used}");
            let mut out = sealed.clone();
            assert_eq!(by(blocks).ccm_open(&key, &nonce, &aad, &mut out, &tag), Err(CryptoError::Backend));
            assert!(out.iter().all(|byte| *byte == 0), "{blocks} of {used}");
        }
        engine.ccm_open(&key, &nonce, &aad, &mut sealed, &tag).unwrap();
        assert_eq!(sealed, text);
        tag[0] ^= 1;
        assert_eq!(engine.ccm_open(&key, &nonce, &aad, &mut sealed, &tag), Err(CryptoError::Forged));
    }
    assert_eq!(by(9).ccm_seal(&key, &nonce, &[], &mut [0; 4], &mut [0; 4]), Err(CryptoError::BadLength));
    assert_eq!(by(0).sha256(&[b"abc"]), RustCrypto.sha256(&[b"abc"]));
    assert_eq!(by(0).hmac_sha256(b"key", &[b"abc"]), RustCrypto.hmac_sha256(b"key", &[b"abc"]));
}
