//! DPoP proofs (RFC 9449): this request was made by the holder of this key, just now, and only once.

use super::bytes::{Hash32, base64url};
use super::change::Change;
use super::jwk::PublicKey;
use super::jws::Jws;
use super::names::Jkt;
use super::records::Seen;
use super::refusal::{ProofFault, Refusal};
use super::request::Proof;
use super::time::Timestamp;
use serde::Deserialize;

/// A key whose holder made this request. Made only by [`check`].
#[derive(Clone, Debug)]
pub struct ProvenKey {
    key: PublicKey,
    jkt: Jkt,
    seen: Seen,
}

impl ProvenKey {
    /// The key.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Its thumbprint.
    #[must_use]
    pub fn jkt(&self) -> Jkt {
        self.jkt
    }

    /// Spends the proof: to be committed with whatever it was good for.
    #[must_use]
    pub fn spend(&self) -> Change {
        Change::once(self.seen.clone(), Refusal::Proof(ProofFault::Replayed))
    }
}

/// Checks a proof for a request without an access token (§4.3, steps 1 to 11, and §5).
pub fn check(proof: &Proof, now: Timestamp) -> Result<ProvenKey, ProofFault> {
    check_with(proof, None, now)
}

/// Checks a proof sent with an access token: `ath` must be its hash (§4.3, step 12).
pub fn check_for_token(proof: &Proof, token: &str, now: Timestamp) -> Result<ProvenKey, ProofFault> {
    check_with(proof, Some(token), now)
}

fn check_with(proof: &Proof, token: Option<&str>, now: Timestamp) -> Result<ProvenKey, ProofFault> {
    let jws = Jws::parse(&proof.jwt).ok_or(ProofFault::Malformed)?;
    if jws.header.typ.as_deref() != Some("dpop+jwt") {
        return Err(ProofFault::Malformed);
    }
    if !jws.alg_allowed() {
        return Err(ProofFault::Algorithm);
    }
    let key = jws.header.jwk.clone().ok_or(ProofFault::Malformed)?;
    let claims: Claims = jws.claims().ok_or(ProofFault::Malformed)?;
    if !(1..=MAX_JTI).contains(&claims.jti.len()) {
        return Err(ProofFault::Malformed);
    }
    if claims.htm != proof.method || normal(&claims.htu) != normal(&proof.url) {
        return Err(ProofFault::Target);
    }
    let iat = Timestamp(claims.iat as i64);
    if !(-AHEAD..=MAX_AGE).contains(&now.since(iat)) {
        return Err(ProofFault::Time);
    }
    if let Some(token) = token
        && claims.ath.as_deref() != Some(base64url(&Hash32::of(&[token.as_bytes()]).0).as_str())
    {
        return Err(ProofFault::TokenHash);
    }
    if !jws.verify(&key) {
        return Err(ProofFault::Signature);
    }
    let jkt = key.thumbprint();
    let what = Hash32::of(&[b"dpop", &jkt.0.0, claims.jti.as_bytes()]);
    Ok(ProvenKey { key, jkt, seen: Seen { what, until: iat.plus(MAX_AGE + 1) } })
}

#[derive(Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: f64,
    ath: Option<String>,
}

/// Scheme and host in lower case, no default port, no query, no fragment (§4.3 step 9; RFC 3986 §6.2.2, §6.2.3).
fn normal(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or(url);
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let (scheme, host) = (scheme.to_ascii_lowercase(), host.to_ascii_lowercase());
    let default = match scheme.as_str() {
        "https" => ":443",
        "http" => ":80",
        _ => "",
    };
    let host = host.strip_suffix(default).unwrap_or(&host);
    format!("{scheme}://{host}{path}")
}

/// Seconds a proof stays good; a phone's clock may be slow.
const MAX_AGE: i64 = 120;
/// Seconds a proof may lie ahead; a phone's clock may be fast.
const AHEAD: i64 = 60;
const MAX_JTI: usize = 256;
