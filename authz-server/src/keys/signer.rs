//! The two signers. AWS-LC does the work where it is built in; otherwise the portable crates do.

use ed25519_dalek::SigningKey as Ed25519;
use p256::SecretKey;
use p256::elliptic_curve::sec1::ToSec1Point;

use super::{Alg, Key32, KeyError, Public, Signer};

/// Signs with ES256.
pub struct P256Signer {
    secret: SecretKey,
    public: Public,
    kid: [u8; 8],
    #[cfg(feature = "aws-lc")]
    fast: aws_lc_rs::signature::EcdsaKeyPair,
    #[cfg(feature = "aws-lc")]
    random: aws_lc_rs::rand::SystemRandom,
}

impl P256Signer {
    /// Around a key.
    pub fn new(secret: SecretKey) -> Result<Self, KeyError> {
        let point = secret.public_key().to_sec1_point(false);
        let (Some(x), Some(y)) = (point.x(), point.y()) else {
            return Err(KeyError::Refused);
        };
        let public = Public::P256 { x: (*x).into(), y: (*y).into() };
        Ok(Self {
            #[cfg(feature = "aws-lc")]
            fast: aws_lc_rs::signature::EcdsaKeyPair::from_private_key_and_public_key(
                &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING,
                &secret.to_bytes(),
                point.as_bytes(),
            )
            .map_err(|_| KeyError::Refused)?,
            #[cfg(feature = "aws-lc")]
            random: aws_lc_rs::rand::SystemRandom::new(),
            kid: public.kid(),
            public,
            secret,
        })
    }

    /// Around a new key.
    pub fn random() -> Result<Self, KeyError> {
        loop {
            // A draw at or above the group order (about one in 2^32) is drawn again.
            if let Ok(secret) = SecretKey::from_slice(Key32::random()?.expose()) {
                return Self::new(secret);
            }
        }
    }

    /// The private bytes, to be sealed.
    pub(super) fn secret_bytes(&self) -> Key32 {
        Key32::from(<[u8; 32]>::from(self.secret.to_bytes()))
    }
}

impl Signer for P256Signer {
    fn alg(&self) -> Alg {
        Alg::Es256
    }

    fn kid(&self) -> [u8; 8] {
        self.kid
    }

    fn public(&self) -> Public {
        self.public
    }

    #[cfg(feature = "aws-lc")]
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        let signature = self.fast.sign(&self.random, message).map_err(|_| KeyError::Refused)?;
        signature.as_ref().try_into().map_err(|_| KeyError::Refused)
    }

    #[cfg(not(feature = "aws-lc"))]
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        use p256::ecdsa::signature::Signer as _;
        let key = p256::ecdsa::SigningKey::from(&self.secret);
        let signature: p256::ecdsa::Signature = key.try_sign(message).map_err(|_| KeyError::Refused)?;
        Ok(signature.to_bytes().into())
    }
}

/// Signs with EdDSA on Ed25519.
pub struct Ed25519Signer {
    secret: Ed25519,
    public: Public,
    kid: [u8; 8],
    #[cfg(feature = "aws-lc")]
    fast: aws_lc_rs::signature::Ed25519KeyPair,
}

impl Ed25519Signer {
    /// Around a key.
    pub fn new(secret: Ed25519) -> Result<Self, KeyError> {
        let x = secret.verifying_key().to_bytes();
        let public = Public::Ed25519 { x };
        Ok(Self {
            #[cfg(feature = "aws-lc")]
            fast: aws_lc_rs::signature::Ed25519KeyPair::from_seed_and_public_key(secret.as_bytes(), &x)
                .map_err(|_| KeyError::Refused)?,
            kid: public.kid(),
            public,
            secret,
        })
    }

    /// Around a new key.
    pub fn random() -> Result<Self, KeyError> {
        Self::new(Ed25519::from_bytes(Key32::random()?.expose()))
    }

    /// The private bytes, to be sealed.
    pub(super) fn secret_bytes(&self) -> Key32 {
        Key32::from(self.secret.to_bytes())
    }
}

impl Signer for Ed25519Signer {
    fn alg(&self) -> Alg {
        Alg::EdDsa
    }

    fn kid(&self) -> [u8; 8] {
        self.kid
    }

    fn public(&self) -> Public {
        self.public
    }

    #[cfg(feature = "aws-lc")]
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        self.fast.sign(message).as_ref().try_into().map_err(|_| KeyError::Refused)
    }

    #[cfg(not(feature = "aws-lc"))]
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        use ed25519_dalek::Signer as _;
        Ok(self.secret.try_sign(message).map_err(|_| KeyError::Refused)?.to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Keys;

    /// The other implementation verifies what this one signs, and nothing else.
    #[test]
    fn signatures_verify_elsewhere() {
        let keys = Keys::random().unwrap();
        let now = crate::core::time::Timestamp(0);
        let api = keys.api_signer(now).unwrap();
        let [es256, eddsa] = [Alg::Es256, Alg::EdDsa].map(|alg| keys.signer(alg, now).unwrap());
        for signer in [&es256, &eddsa, &api] {
            let signature = signer.sign(b"message").unwrap();
            assert!(verifies(signer.public(), b"message", &signature), "{:?}", signer.alg());
            assert!(!verifies(signer.public(), b"massage", &signature), "{:?}", signer.alg());
            assert_eq!(signer.kid(), signer.public().kid());
            assert_eq!(signer.alg(), signer.public().alg());
        }
        assert_ne!(es256.kid(), api.kid());
    }

    fn verifies(public: Public, message: &[u8], signature: &[u8; 64]) -> bool {
        use p256::ecdsa::signature::Verifier as _;
        match public {
            Public::P256 { x, y } => {
                let point = p256::Sec1Point::from_affine_coordinates(&x.into(), &y.into(), false);
                let key = p256::ecdsa::VerifyingKey::from_sec1_point(&point).unwrap();
                key.verify(message, &p256::ecdsa::Signature::from_slice(signature).unwrap()).is_ok()
            }
            Public::Ed25519 { x } => {
                let key = ed25519_dalek::VerifyingKey::from_bytes(&x).unwrap();
                key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok()
            }
        }
    }
}
