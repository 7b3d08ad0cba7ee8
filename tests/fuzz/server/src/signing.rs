//! A key of a client.

use ed25519_dalek::Signer as _;
use latchwork_authz_server::core::bytes::base64url;
use latchwork_authz_server::core::jwk::PublicKey;

/// Signs JWTs with EdDSA.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// The same key in every run.
    #[must_use]
    pub fn fixed() -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(&[7; 32]))
    }

    /// What is registered of it.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey::Ed25519 { x: self.0.verifying_key().to_bytes() }
    }

    /// `header.claims`, both encoded, with the signature.
    #[must_use]
    pub fn sign(&self, message: &str) -> String {
        format!("{message}.{}", base64url(&self.0.sign(message.as_bytes()).to_bytes()))
    }
}
