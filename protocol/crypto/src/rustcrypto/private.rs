//! Private keys on P-256 by `p256`.

#[cfg(feature = "es256-p256")]
use p256::ecdsa::{Signature, SigningKey, signature::MultipartSigner};
use p256::{PublicKey, Sec1Point, SecretKey, elliptic_curve::point::AffineCoordinates};
use zeroize::Zeroize;

use super::RustCrypto;
use crate::{Agree, CryptoError, Ephemeral, P256Peer, P256Public, Random, Secret};

/// A P-256 private key in memory: wiped when dropped, never printed.
#[derive(Clone, Debug)]
pub struct P256Private(Secret<32>);

impl P256Private {
    /// Takes a scalar, big-endian; 0, and n and above, are [`CryptoError::BadKey`].
    pub fn new(scalar: Secret<32>) -> Result<Self, CryptoError> {
        SecretKey::from_slice(scalar.expose()).map_err(|_| CryptoError::BadKey)?;
        Ok(Self(scalar))
    }

    /// A new key.
    pub fn generate(random: &mut (impl Random + ?Sized)) -> Result<Self, CryptoError> {
        // One draw in 2^32 is not below n. A source that fails more often than that is broken.
        for _ in 0..ATTEMPTS {
            let mut scalar = Secret::new([0; 32]);
            random.fill(scalar.expose_mut())?;
            if let Ok(key) = Self::new(scalar) {
                return Ok(key);
            }
        }
        Err(CryptoError::Backend)
    }

    /// The public half.
    pub fn public(&self) -> Result<P256Public, CryptoError> {
        let point = *self.key()?.public_key().as_affine();
        Ok(P256Public { x: point.x().into(), y: point.y().into() })
    }

    /// The scalar, to be stored where nobody else reads it.
    pub const fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }

    fn key(&self) -> Result<SecretKey, CryptoError> {
        SecretKey::from_slice(self.0.expose()).map_err(|_| CryptoError::BadKey)
    }
}

impl Agree for P256Private {
    fn agree(&self, peer: &P256Peer) -> Result<Secret<32>, CryptoError> {
        let peer = point(peer)?;
        let mut shared = (peer.to_projective() * *self.key()?.to_nonzero_scalar()).to_affine();
        let secret = Secret::new(shared.x().into());
        shared.zeroize();
        Ok(secret)
    }
}

#[cfg(feature = "es256-p256")]
impl crate::Sign for P256Private {
    /// Deterministic (RFC 6979): no randomness to get wrong.
    fn sign_es256(&self, message: &[&[u8]]) -> Result<[u8; 64], CryptoError> {
        let signature: Signature =
            SigningKey::from(self.key()?).try_multipart_sign(message).map_err(|_| CryptoError::Backend)?;
        Ok(signature.to_bytes().into())
    }
}

impl Ephemeral for RustCrypto {
    type Key = P256Private;

    fn ephemeral(&self, random: &mut (impl Random + ?Sized)) -> Result<(P256Private, [u8; 32]), CryptoError> {
        let key = P256Private::generate(random)?;
        let public = key.public()?;
        Ok((key, public.x))
    }
}

/// Refuses coordinates that are not below p, and points that are not on the curve. P-256 has no points of small order.
fn point(peer: &P256Peer) -> Result<PublicKey, CryptoError> {
    let sec1 = match peer {
        P256Peer::X(x) => {
            let mut compressed = [2; 33];
            compressed.iter_mut().skip(1).zip(x).for_each(|(to, from)| *to = *from);
            Sec1Point::from_bytes(compressed).map_err(|_| CryptoError::BadKey)?
        }
        P256Peer::Point(P256Public { x, y }) => Sec1Point::from_affine_coordinates(&(*x).into(), &(*y).into(), false),
    };
    PublicKey::from_sec1_bytes(sec1.as_bytes()).map_err(|_| CryptoError::BadKey)
}

const ATTEMPTS: usize = 4;
