//! Assertions (RFC 7523) and proofs (RFC 9449), each with a `jti` of its own.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde_json::{Value, json};

use crate::{Fault, declaration};

/// The key of the load. Everybody knows it.
pub(crate) struct Key {
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl Key {
    pub(crate) fn new() -> Result<Self, Fault> {
        let pair = EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, &PRIVATE, &PUBLIC);
        Ok(Self { pair: pair.map_err(|_| "not a key")?, random: SystemRandom::new() })
    }

    /// x and y, in base64url.
    pub(crate) fn point(&self) -> [String; 2] {
        let point = self.pair.public_key().as_ref();
        [1..33, 33..65].map(|half| BASE64URL.encode(point.get(half).unwrap_or_default()))
    }

    /// An assertion for this server.
    pub(crate) fn assertion(&self, issuer: &str) -> Result<String, Fault> {
        let (now, me) = (now()?, declaration::SIGNING);
        let claims = json!({ "iss": me, "sub": me, "aud": issuer, "exp": now + 60, "jti": self.jti()? });
        self.sign(&json!({ "alg": "ES256" }), &claims)
    }

    /// A proof for a `POST` there.
    pub(crate) fn proof(&self, url: &str, nonce: Option<&str>) -> Result<String, Fault> {
        let [x, y] = self.point();
        let jwk = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y });
        let claims = json!({ "jti": self.jti()?, "htm": "POST", "htu": url, "iat": now()?, "nonce": nonce });
        self.sign(&json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk }), &claims)
    }

    fn jti(&self) -> Result<String, Fault> {
        let mut bytes = [0; 16];
        self.random.fill(&mut bytes).map_err(|_| "no randomness")?;
        Ok(BASE64URL.encode(bytes))
    }

    fn sign(&self, header: &Value, claims: &Value) -> Result<String, Fault> {
        let [header, claims] = [header, claims].map(|part| BASE64URL.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let signature = self.pair.sign(&self.random, signed.as_bytes()).map_err(|_| "not signed")?;
        Ok(format!("{signed}.{}", BASE64URL.encode(signature)))
    }
}

/// Unix seconds.
#[allow(clippy::disallowed_methods)] // The clock of this program.
pub(crate) fn now() -> Result<u64, Fault> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

/// The example key of RFC 7515 A.3.
const PRIVATE: [u8; 32] = [
    0x8e, 0x9b, 0x10, 0x9e, 0x71, 0x90, 0x98, 0xbf, 0x98, 0x04, 0x87, 0xdf, 0x1f, 0x5d, 0x77, 0xe9, 0xcb, 0x29, 0x60,
    0x6e, 0xbe, 0xd2, 0x26, 0x3b, 0x5f, 0x57, 0xc2, 0x13, 0xdf, 0x84, 0xf4, 0xb2,
];
/// Its point, uncompressed.
const PUBLIC: [u8; 65] = [
    0x04, 0x7f, 0xcd, 0xce, 0x27, 0x70, 0xf6, 0xc4, 0x5d, 0x41, 0x83, 0xcb, 0xee, 0x6f, 0xdb, 0x4b, 0x7b, 0x58, 0x07,
    0x33, 0x35, 0x7b, 0xe9, 0xef, 0x13, 0xba, 0xcf, 0x6e, 0x3c, 0x7b, 0xd1, 0x54, 0x45, 0xc7, 0xf1, 0x44, 0xcd, 0x1b,
    0xbd, 0x9b, 0x7e, 0x87, 0x2c, 0xdf, 0xed, 0xb9, 0xee, 0xb9, 0xf4, 0xb3, 0x69, 0x5d, 0x6e, 0xa9, 0x0b, 0x24, 0xad,
    0x8a, 0x46, 0x23, 0x28, 0x85, 0x88, 0xe5, 0xad,
];
