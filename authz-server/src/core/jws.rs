//! A compact JWS (RFC 7515 §7.1) taken apart: what assertions and DPoP proofs have in common.

use super::bytes::{base64url, from_base64url};
use super::jwk::PublicKey;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

/// Its parts. Nothing is verified yet.
pub(super) struct Jws<'t> {
    pub(super) header: Header,
    payload: Vec<u8>,
    signed: &'t str,
    signature: &'t str,
}

#[derive(Deserialize)]
pub(super) struct Header {
    pub(super) alg: String,
    pub(super) typ: Option<String>,
    pub(super) kid: Option<String>,
    pub(super) jwk: Option<PublicKey>,
    /// Extensions that must be understood; we understand none (RFC 7515 §4.1.11).
    crit: Option<IgnoredAny>,
}

impl<'t> Jws<'t> {
    pub(super) fn parse(text: &'t str) -> Option<Self> {
        if text.len() > MAX_LEN {
            return None;
        }
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let header: Header = serde_json::from_slice(&from_base64url(header)?).ok()?;
        if header.crit.is_some() {
            return None;
        }
        Some(Self { header, payload: from_base64url(payload)?, signed, signature })
    }

    /// The claims. A member twice is refused by serde.
    pub(super) fn claims<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.payload).ok()
    }

    /// Whether `alg` is one of ours.
    pub(super) fn alg_allowed(&self) -> bool {
        matches!(self.header.alg.as_str(), "ES256" | "EdDSA")
    }

    /// Whether the key made the signature, by the one algorithm that its kind has.
    pub(super) fn verify(&self, key: &PublicKey) -> bool {
        let (algorithm, name, key) = match key {
            PublicKey::P256 { x, y } => {
                (Algorithm::ES256, "ES256", DecodingKey::from_ec_components(&base64url(x), &base64url(y)))
            }
            PublicKey::Ed25519 { x } => (Algorithm::EdDSA, "EdDSA", DecodingKey::from_ed_components(&base64url(x))),
        };
        let Ok(key) = key else { return false };
        self.header.alg == name
            && jsonwebtoken::crypto::verify(self.signature, self.signed.as_bytes(), &key, algorithm).unwrap_or(false)
    }
}

const MAX_LEN: usize = 8192;
