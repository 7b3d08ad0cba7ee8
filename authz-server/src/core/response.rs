//! The answer of `/token`, in both its faces (RFC 9200 §5.8.2, RFC 9201 §3.2).

use super::bytes::{Blob, Hidden, base64url};
use super::cnf;
use super::jwk::PublicKey;
use super::mint::{Osc, SharedKey};
use super::scope::ScopeAsked;
use latchwork_ace::registry::{Profile, TokenType};
use latchwork_ace::{Cnf, CoseKey, EdhocInfo, OscMaterial, Scope, TokenResponse};
use serde_json::{Map, Value, json};

/// What a client gets.
#[derive(Clone, Debug)]
pub struct IssuedResponse {
    /// The token.
    pub token: Token,
    /// Seconds it lives; for a lock without a clock, from arrival.
    pub expires_in: u32,
    /// What it says, in the form asked.
    pub scope: Option<ScopeAsked>,
    /// The secret that the server made; absent for updates and public keys.
    pub cnf: Option<NewKey>,
    /// The lock's own key, when it has to be known.
    pub rs_cnf: Option<RsCnf>,
    /// How the lock is spoken to.
    pub profile: Option<Profile>,
    /// The new token series, where EDHOC is spoken.
    pub series: Option<Blob>,
    /// What gets the next token.
    pub refresh_token: Option<Hidden>,
    /// What the token is, where it was exchanged (RFC 8693 §2.2.1).
    pub issued_token_type: Option<&'static str>,
}

/// The token itself.
#[derive(Clone)]
pub enum Token {
    /// For a lock; its type is PoP.
    Cwt(Vec<u8>),
    /// For the people API; its type is DPoP.
    Jwt(String),
}

/// A secret made for the client and the lock.
#[derive(Clone, Debug)]
pub enum NewKey {
    /// For OSCORE.
    Osc(Osc),
    /// For DTLS.
    Key(SharedKey),
}

impl NewKey {
    /// What a later request calls it.
    #[must_use]
    pub fn id(&self) -> &Blob {
        match self {
            Self::Osc(osc) => &osc.id,
            Self::Key(key) => &key.kid,
        }
    }

    /// As the answer says it.
    #[must_use]
    pub fn cnf(&self) -> Cnf<'_> {
        match self {
            Self::Osc(osc) => {
                Cnf::Osc(OscMaterial { salt: Some(&osc.salt.0), ..OscMaterial::new(&osc.id.0, osc.ms.expose()) })
            }
            Self::Key(key) => Cnf::CoseKey(key.cose()),
        }
    }
}

/// A lock's key.
#[derive(Clone, Debug)]
pub enum RsCnf {
    /// For DTLS.
    Key(PublicKey),
    /// For EDHOC, as the lock printed it.
    Kccs(Blob),
}

impl IssuedResponse {
    /// Whether it has to be CBOR whatever the client prefers (draft-ietf-ace-edhoc-oscore-profile §3.3).
    #[must_use]
    pub fn is_cbor_only(&self) -> bool {
        self.profile == Some(Profile::COAP_EDHOC_OSCORE)
    }

    /// The body as JSON: binary as base64url, keys as `jwk` (RFC 7800). A secret; send it with `Cache-Control: no-store`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut body = Map::new();
        let (token, kind) = match &self.token {
            Token::Cwt(bytes) => (base64url(bytes), TokenType::POP),
            Token::Jwt(text) => {
                body.insert("token_type".into(), json!("DPoP"));
                (text.clone(), TokenType::POP)
            }
        };
        body.entry("token_type").or_insert_with(|| json!(kind.name()));
        body.insert("access_token".into(), json!(token));
        body.insert("expires_in".into(), json!(self.expires_in));
        if let Some(scope) = &self.scope {
            body.insert(
                "scope".into(),
                match scope {
                    ScopeAsked::Text(words) => json!(words.to_string()),
                    ScopeAsked::Aif(aif) => json!(base64url(&aif.0)),
                },
            );
        }
        if let Some(key) = self.cnf.as_ref().and_then(|key| cnf::to_json(&key.cnf())) {
            body.insert("cnf".into(), key);
        }
        match &self.rs_cnf {
            Some(RsCnf::Key(key)) => drop(body.insert("rs_cnf".into(), json!({ "jwk": key }))),
            Some(RsCnf::Kccs(ccs)) => drop(body.insert("rs_cnf".into(), json!({ "kccs": base64url(&ccs.0) }))),
            None => {}
        }
        if let Some(name) = self.profile.and_then(Profile::name) {
            body.insert("ace_profile".into(), json!(name));
        }
        if let Some(token) = &self.refresh_token {
            body.insert("refresh_token".into(), json!(base64url(token.expose())));
        }
        if let Some(kind) = self.issued_token_type {
            body.insert("issued_token_type".into(), json!(kind));
        }
        Value::Object(body)
    }

    /// The body as CBOR (`application/ace+cbor`). `None` for a JWT and for what was exchanged, which have no such form, and beyond 64 KiB.
    #[must_use]
    pub fn to_cbor(&self) -> Option<Vec<u8>> {
        let (Token::Cwt(token), None) = (&self.token, self.issued_token_type) else { return None };
        let words = match &self.scope {
            Some(ScopeAsked::Text(words)) => words.to_string(),
            _ => String::new(),
        };
        let mut response = TokenResponse::new(token);
        response.expires_in = Some(self.expires_in.into());
        response.scope = self.scope.as_ref().map(|scope| match scope {
            ScopeAsked::Text(_) => Scope::Text(&words),
            ScopeAsked::Aif(aif) => Scope::Bytes(&aif.0),
        });
        response.cnf = self.cnf.as_ref().map(NewKey::cnf);
        response.rs_cnf = self.rs_cnf.as_ref().map(|key| match key {
            RsCnf::Key(PublicKey::P256 { x, y }) => Cnf::CoseKey(CoseKey::p256(x, y)),
            RsCnf::Key(PublicKey::Ed25519 { x }) => Cnf::CoseKey(CoseKey::ed25519(x)),
            RsCnf::Kccs(ccs) => Cnf::Kccs(&ccs.0),
        });
        response.edhoc_info = self.series.as_ref().map(|id| EdhocInfo::series(&id.0));
        response.ace_profile = self.profile;
        response.refresh_token = self.refresh_token.as_ref().map(Hidden::expose);
        let mut out = vec![0; token.len().checked_add(4096)?];
        let len = response.encode(&mut out).ok()?.len();
        out.truncate(len);
        Some(out)
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(token)")
    }
}
