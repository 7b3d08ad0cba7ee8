//! Public keys as they come in JWK form (RFC 7517, RFC 8037), the two kinds we take: P-256 and Ed25519.

use super::bytes::{Hash32, base64url, from_base64url};
use super::lock::KeyKind;
use super::names::Jkt;
use serde::{Deserialize, Serialize};

/// A public key. That the P-256 point lies on the curve is checked where a signature is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Jwk", into = "Jwk")]
pub enum PublicKey {
    /// Affine coordinates on P-256, for ES256.
    P256 {
        /// x, big-endian.
        x: [u8; 32],
        /// y, big-endian.
        y: [u8; 32],
    },
    /// An Ed25519 point, for EdDSA.
    Ed25519 {
        /// The encoded point.
        x: [u8; 32],
    },
}

impl PublicKey {
    /// Which kind it is.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        match self {
            Self::P256 { .. } => KeyKind::P256,
            Self::Ed25519 { .. } => KeyKind::Ed25519,
        }
    }

    /// The RFC 7638 thumbprint: SHA-256 over the required members in their fixed order.
    #[must_use]
    pub fn thumbprint(&self) -> Jkt {
        let canonical = match self {
            Self::P256 { x, y } => {
                format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, base64url(x), base64url(y))
            }
            Self::Ed25519 { x } => {
                format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, base64url(x))
            }
        };
        Jkt(Hash32::of(&[canonical.as_bytes()]))
    }
}

/// The members of a JWK that matter. Private members make it no public key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Jwk {
    kty: String,
    crv: String,
    x: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    #[serde(default, skip_serializing)]
    d: Option<serde::de::IgnoredAny>,
}

/// A JWK that is no public key we take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a public P-256 or Ed25519 key")]
pub struct NotAKey;

impl TryFrom<Jwk> for PublicKey {
    type Error = NotAKey;
    fn try_from(jwk: Jwk) -> Result<Self, NotAKey> {
        if jwk.d.is_some() {
            return Err(NotAKey);
        }
        let coordinate = |text: &str| from_base64url(text).and_then(|bytes| bytes.try_into().ok()).ok_or(NotAKey);
        match (jwk.kty.as_str(), jwk.crv.as_str(), &jwk.y) {
            ("EC", "P-256", Some(y)) => Ok(Self::P256 { x: coordinate(&jwk.x)?, y: coordinate(y)? }),
            ("OKP", "Ed25519", None) => Ok(Self::Ed25519 { x: coordinate(&jwk.x)? }),
            _ => Err(NotAKey),
        }
    }
}

impl From<PublicKey> for Jwk {
    fn from(key: PublicKey) -> Self {
        let (kty, crv, x, y) = match key {
            PublicKey::P256 { x, y } => ("EC", "P-256", x, Some(base64url(&y))),
            PublicKey::Ed25519 { x } => ("OKP", "Ed25519", x, None),
        };
        Self { kty: kty.into(), crv: crv.into(), x: base64url(&x), y, d: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R9201-3.1-01
    #[test]
    fn thumbprints_and_what_is_no_public_key() {
        let ed = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#; // RFC 8037 A.3
        let key: PublicKey = serde_json::from_str(ed).unwrap();
        assert_eq!(key.thumbprint().to_string(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert_eq!(serde_json::from_str::<PublicKey>(&serde_json::to_string(&key).unwrap()).unwrap(), key);
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        for bad in [
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","d":"{x}"}}"#),
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","y":"{x}"}}"#),
            format!(r#"{{"kty":"OKP","crv":"X25519","x":"{x}"}}"#),
            format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}"}}"#),
            format!(r#"{{"kty":"EC","crv":"P-384","x":"{x}","y":"{x}"}}"#),
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}A"}}"#),
            r#"{"kty":"oct","k":"AAAA"}"#.to_owned(),
        ] {
            assert!(serde_json::from_str::<PublicKey>(&bad).is_err(), "{bad}");
        }
    }
}
