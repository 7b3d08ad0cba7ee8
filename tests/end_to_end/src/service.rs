//! The client `service` of the building: asks for tokens with its secret, over HTTPS.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchwork_building::{Building, Outcome};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use reqwest::Certificate;
use reqwest::blocking::Client;
use serde_json::{Value, json};

/// Status and body of an answer.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, where it is JSON.
    pub body: Value,
}

/// An HTTP client that trusts the building's server.
pub fn http(building: &Building) -> Outcome<Client> {
    // Fails where it was done before.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let certificate = Certificate::from_pem(&std::fs::read(building.certificate())?)?;
    Ok(Client::builder().tls_certs_only([certificate]).build()?)
}

/// `POST /token` as `service`, with the form's further fields and, perhaps, proofs of a key, made at `now`.
pub fn ask(building: &Building, form: &[(&str, &str)], key: Option<(&Key, u64)>) -> Outcome<Answer> {
    post(building, Some("service"), form, key)
}

/// The same as an app, which has its key and no secret; the form has its `client_id`.
pub fn ask_as_app(building: &Building, form: &[(&str, &str)], key: (&Key, u64)) -> Outcome<Answer> {
    post(building, None, form, Some(key))
}

fn post(
    building: &Building,
    service: Option<&str>,
    form: &[(&str, &str)],
    key: Option<(&Key, u64)>,
) -> Outcome<Answer> {
    let url = format!("{}/token", building.issuer);
    let send = |nonce: Option<&str>| -> Outcome<_> {
        let mut request = http(building)?.post(&url).form(form);
        if let Some(id) = service {
            request = request.basic_auth(id, Some(&building.service_secret));
        }
        if let Some((key, now)) = key {
            request = request.header("DPoP", key.proof(&url, now, nonce)?);
        }
        Ok(request.header("Accept", "application/json").send()?)
    };
    let mut response = send(None)?;
    if let Some(nonce) = response.headers().get("DPoP-Nonce").filter(|_| response.status() == 400) {
        response = send(Some(nonce.to_str()?))?;
    }
    Ok(Answer { status: response.status().as_u16(), body: response.json().unwrap_or_default() })
}

/// Base64url text as hexadecimal text.
pub fn hex_of(base64url: &Value) -> Outcome<String> {
    let bytes = URL_SAFE_NO_PAD.decode(base64url.as_str().ok_or("no base64url text")?)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A key of a client, and its proofs (RFC 9449).
pub struct Key(SigningKey);

impl Key {
    /// A new one.
    pub fn generate() -> Outcome<Self> {
        let mut scalar = [0; 32];
        getrandom::fill(&mut scalar)?;
        // Far below the order of the curve.
        scalar[0] = 0;
        Ok(Self(SigningKey::from_slice(&scalar)?))
    }

    /// One that somebody keeps, such as a phone in a file.
    pub fn from_scalar(scalar: &[u8]) -> Outcome<Self> {
        Ok(Self(SigningKey::from_slice(scalar)?))
    }

    /// The public half.
    pub fn jwk(&self) -> Value {
        let point = self.0.verifying_key().to_sec1_point(false);
        let half = |bytes: Option<&p256::FieldBytes>| URL_SAFE_NO_PAD.encode(bytes.copied().unwrap_or_default());
        json!({ "kty": "EC", "crv": "P-256", "x": half(point.x()), "y": half(point.y()) })
    }

    /// All of it.
    pub fn private_jwk(&self) -> Value {
        let mut jwk = self.jwk();
        jwk["d"] = URL_SAFE_NO_PAD.encode(self.0.to_bytes()).into();
        jwk
    }

    /// A proof for `POST` to `url`.
    fn proof(&self, url: &str, now: u64, nonce: Option<&str>) -> Outcome<String> {
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk() });
        let jti = latchwork_building::building::random_hex(16)?;
        let mut claims = json!({ "jti": jti, "htm": "POST", "htu": url, "iat": now });
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce.into();
        }
        let text = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", text(&header), text(&claims));
        let signature: Signature = self.0.sign(signed.as_bytes());
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes())))
    }
}
