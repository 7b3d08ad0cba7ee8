//! The key that makes a phone this phone.

use async_trait::async_trait;
use latchwork_ace::{Claims, Cnf, CoseKey};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::encoding::{base64url, random};
use crate::error::Error;

/// An installation's P-256 key, which may live in secure hardware and never leaves it.
///
/// Signing may ask the user for a finger, take a second, or fail: hence asynchronous and fallible.
#[async_trait]
pub trait PopKey: Send + Sync {
    /// The public point: x and y, 32 bytes each, big-endian.
    fn public(&self) -> ([u8; 32], [u8; 32]);
    /// An ES256 signature (r and s, 32 bytes each) over `message`.
    async fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyUnavailable>;
}

/// The key could not be used: locked, refused by the user, or gone.
#[derive(Debug, thiserror::Error)]
#[error("the installation key cannot be used")]
pub struct KeyUnavailable;

/// A key, and what it is called in EDHOC.
#[derive(Clone, Copy)]
pub(crate) struct Named<'k> {
    pub(crate) key: &'k dyn PopKey,
    kid: &'k [u8],
}

impl<'k> Named<'k> {
    /// As every installation calls its key: the token has the credential itself.
    pub(crate) const fn installation(key: &'k dyn PopKey) -> Self {
        Self { key, kid: &[1] }
    }

    /// As the server finds a client that has no person: by its id.
    pub(crate) const fn client(key: &'k dyn PopKey, id: &'k str) -> Self {
        Self { key, kid: id.as_bytes() }
    }

    /// The public half as the credential that EDHOC and tokens name it by, always the same bytes: a CWT Claims Set with `cnf` alone
    /// (RFC 9528 §3.5.2).
    pub(crate) fn ccs(&self) -> Result<Vec<u8>, Error> {
        let (x, y) = self.key.public();
        let key = CoseKey { kid: Some(self.kid), ..CoseKey::p256(&x, &y) };
        let claims = Claims { cnf: Some(Cnf::CoseKey(key)), ..Claims::default() };
        let mut out = vec![0; self.kid.len() + 96];
        Ok(claims.encode(&mut out).map_err(|_| Error::Configuration("a key that has no such name"))?.to_vec())
    }
}

/// The public half as a JWK with the members that its thumbprint needs, in their order (RFC 7638 §3.2).
pub(crate) fn public_jwk(key: &dyn PopKey) -> Value {
    let (x, y) = key.public();
    json!({ "crv": "P-256", "kty": "EC", "x": base64url(&x), "y": base64url(&y) })
}

/// A key in memory, for phones without secure hardware, command lines and tests.
pub struct SoftwareKey(SigningKey);

impl SoftwareKey {
    /// Makes a new key from the system's randomness.
    pub fn generate() -> Result<Self, KeyUnavailable> {
        // A scalar of zero or past the order of the curve comes once in 2^32 tries.
        for _ in 0..8 {
            let scalar = Zeroizing::new(random::<32>().map_err(|_| KeyUnavailable)?);
            if let Ok(key) = Self::from_scalar(&*scalar) {
                return Ok(key);
            }
        }
        Err(KeyUnavailable)
    }

    /// Takes the 32 bytes that [`SoftwareKey::scalar`] gave.
    pub fn from_scalar(scalar: &[u8]) -> Result<Self, KeyUnavailable> {
        SigningKey::from_slice(scalar).map(Self).map_err(|_| KeyUnavailable)
    }

    /// The private scalar, to be kept where only this app can read it.
    pub fn scalar(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes().into())
    }
}

#[async_trait]
impl PopKey for SoftwareKey {
    fn public(&self) -> ([u8; 32], [u8; 32]) {
        let point = self.0.verifying_key().to_sec1_point(false);
        let half = |bytes: Option<&_>| bytes.map(|b: &p256::FieldBytes| (*b).into()).unwrap_or_default();
        (half(point.x()), half(point.y()))
    }

    async fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyUnavailable> {
        let signature: Signature = self.0.try_sign(message).map_err(|_| KeyUnavailable)?;
        Ok(signature.to_bytes().into())
    }
}
