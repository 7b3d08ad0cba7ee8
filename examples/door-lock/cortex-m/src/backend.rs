//! The cryptography of the image: what its features ask for, or one that nothing is known of.

#[cfg(not(feature = "link-proof"))]
pub(crate) use latchwork_crypto::RustCrypto as Symmetrical;
#[cfg(feature = "link-proof")]
pub(crate) use opaque::{BACKEND, Private, Symmetrical};
#[cfg(not(feature = "link-proof"))]
pub(crate) use real::BACKEND;
#[cfg(all(feature = "edhoc", not(feature = "link-proof")))]
pub(crate) use real::Private;

#[cfg(not(feature = "link-proof"))]
mod real {
    use latchwork_crypto::{Backend, RustCrypto};

    /// P-256 by assembly before portable code.
    #[cfg(feature = "es256-cortex-m4")]
    use latchwork_crypto::CortexM4 as P256;
    #[cfg(feature = "es256-cortex-m4")]
    pub(crate) use latchwork_crypto::CortexM4Private as Private;
    #[cfg(all(feature = "ecdh-p256", not(feature = "es256-cortex-m4")))]
    pub(crate) use latchwork_crypto::P256Private as Private;
    #[cfg(not(feature = "es256-cortex-m4"))]
    use latchwork_crypto::RustCrypto as P256;

    #[cfg(feature = "eddsa")]
    use latchwork_crypto::Dalek as EdDsa;
    #[cfg(not(feature = "eddsa"))]
    use latchwork_crypto::RustCrypto as EdDsa;

    pub(crate) const BACKEND: Backend<RustCrypto, P256, EdDsa, P256> =
        Backend { symmetric: RustCrypto, es256: P256, eddsa: EdDsa, ephemeral: P256 };
}

/// Computes nothing. What it returns is read from a register, so that the compiler has to keep both what follows a success
/// and what follows a failure; and it cannot panic. An image over it shows what of our own code can.
#[cfg(feature = "link-proof")]
mod opaque {
    use crate::board::ticks;
    use latchwork_crypto::{Agree, CryptoError, Ephemeral, P256Peer, P256Public, Random, Secret, Symmetric, Verify};

    #[derive(Clone, Copy)]
    pub(crate) struct Opaque;

    pub(crate) const BACKEND: Opaque = Opaque;
    pub(crate) use Opaque as Symmetrical;

    pub(crate) struct Private;

    impl Private {
        pub(crate) fn new(_: Secret<32>) -> Result<Self, CryptoError> {
            done().map(|()| Self)
        }
    }

    impl Symmetric for Opaque {
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

    impl Verify for Opaque {
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

    impl Ephemeral for Opaque {
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
