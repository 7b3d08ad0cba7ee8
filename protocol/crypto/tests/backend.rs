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
