//! Proofs of the installation key on HTTP requests (RFC 9449).

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::clock::now;
use crate::encoding::{base64url, random_text};
use crate::error::Error;
use crate::key::{PopKey, public_jwk};

/// The RFC 7638 thumbprint of the installation key: `dpop_jkt` at `/authorize`.
pub(crate) fn thumbprint(key: &dyn PopKey) -> String {
    base64url(&Sha256::digest(public_jwk(key).to_string()))
}

/// A proof for one request (RFC 9449 §4.2). `url` is without query and fragment.
pub(crate) struct Proof<'a> {
    pub(crate) method: &'a str,
    pub(crate) url: &'a str,
    /// The access token that the request carries, if it does (`ath`).
    pub(crate) access_token: Option<&'a str>,
    /// The nonce that the server asked for (§8).
    pub(crate) nonce: Option<&'a str>,
}

impl Proof<'_> {
    /// The value of the `DPoP` header.
    pub(crate) async fn sign(&self, key: &dyn PopKey) -> Result<String, Error> {
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": public_jwk(key) });
        let mut claims = Map::new();
        claims.insert("jti".into(), random_text()?.into());
        claims.insert("htm".into(), self.method.into());
        claims.insert("htu".into(), self.url.into());
        claims.insert("iat".into(), now().into());
        if let Some(token) = self.access_token {
            claims.insert("ath".into(), base64url(&Sha256::digest(token)).into());
        }
        if let Some(nonce) = self.nonce {
            claims.insert("nonce".into(), nonce.into());
        }
        let signed = format!(
            "{}.{}",
            base64url(header.to_string().as_bytes()),
            base64url(Value::Object(claims).to_string().as_bytes())
        );
        let signature = key.sign(signed.as_bytes()).await?;
        Ok(format!("{signed}.{}", base64url(&signature)))
    }
}
