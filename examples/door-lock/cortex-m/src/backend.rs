//! The cryptography of the image: a real backend, or one that nothing is known of.

#[cfg(not(feature = "link-proof"))]
pub(crate) use latchwork_crypto::RustCrypto as Backend;
#[cfg(all(feature = "edhoc", not(feature = "link-proof")))]
pub(crate) use latchwork_crypto::P256Private as Private;
#[cfg(feature = "link-proof")]
pub(crate) use opaque::{Backend, Private};

/// Computes nothing. What it returns is read from a register, so that the compiler has to keep both what follows a success
/// and what follows a failure; and it cannot panic. An image over it shows what of our own code can.
#[cfg(feature = "link-proof")]
mod opaque {
    use crate::board::ticks;
    use latchwork_crypto::{Agree, CryptoError, Ephemeral, P256Peer, P256Public, Random, Secret, Symmetric, Verify};

    #[derive(Clone, Copy)]
    pub(crate) struct Backend;

    pub(crate) struct Private;

    impl Private {
        pub(crate) fn new(_: Secret<32>) -> Result<Self, CryptoError> {
            done().map(|()| Self)
        }
    }

    impl Symmetric for Backend {
        fn ccm_seal(
            &self,
            _: &[u8; 16],
            _: &[u8; 13],
            _: &[u8],
            buf: &mut [u8],
            tag: &mut [u8],
        ) -> Result<(), CryptoError> {
            fill(buf);
            fill(tag);
            done()
        }

        fn ccm_open(&self, _: &[u8; 16], _: &[u8; 13], _: &[u8], buf: &mut [u8], _: &[u8]) -> Result<(), CryptoError> {
            fill(buf);
            done()
        }

        fn sha256(&self, _: &[&[u8]]) -> Result<[u8; 32], CryptoError> {
            some()
        }

        fn hmac_sha256(&self, _: &[u8], _: &[&[u8]]) -> Result<[u8; 32], CryptoError> {
            some()
        }
    }

    impl Verify for Backend {
        fn es256(&self, _: &P256Public, _: &[&[u8]], _: &[u8; 64]) -> Result<(), CryptoError> {
            done()
        }

        fn eddsa(&self, _: &[u8; 32], _: &[&[u8]], _: &[u8; 64]) -> Result<(), CryptoError> {
            done()
        }
    }

    impl Agree for Private {
        fn agree(&self, _: &P256Peer) -> Result<Secret<32>, CryptoError> {
            some().map(Secret::new)
        }
    }

    impl Ephemeral for Backend {
        type Key = Private;

        fn ephemeral(&self, _: &mut (impl Random + ?Sized)) -> Result<(Private, [u8; 32]), CryptoError> {
            some().map(|x| (Private, x))
        }
    }

    fn some() -> Result<[u8; 32], CryptoError> {
        let mut out = [0; 32];
        fill(&mut out);
        done().map(|()| out)
    }

    #[inline(never)]
    fn fill(out: &mut [u8]) {
        out.fill_with(|| ticks().to_le_bytes()[0]);
    }

    #[inline(never)]
    fn done() -> Result<(), CryptoError> {
        match ticks() & 7 {
            0 => Err(CryptoError::Forged),
            1 => Err(CryptoError::BadKey),
            2 => Err(CryptoError::BadLength),
            3 => Err(CryptoError::Unsupported),
            4 => Err(CryptoError::Backend),
            _ => Ok(()),
        }
    }
}
