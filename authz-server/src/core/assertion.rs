//! `private_key_jwt` (RFC 7523 §3, OpenID Connect Core §9): a client signs that it is itself, for us, now, and once.

use super::bytes::Hash32;
use super::change::Change;
use super::jwk::PublicKey;
use super::jws::Jws;
use super::names::ClientId;
use super::records::{ClientKey, Seen};
use super::refusal::{AssertionFault, Refusal};
use super::time::Timestamp;
use serde::Deserialize;

/// Checks an assertion of `client` and gives the key that signed it, and the change that spends its `jti`.
///
/// `aud` must name the issuer or an endpoint where clients authenticate (RFC 9126 §2); `exp` may lie at most five minutes ahead.
pub fn check(
    jwt: &[u8],
    client: &ClientId,
    keys: &[ClientKey],
    issuer: &str,
    now: Timestamp,
) -> Result<(PublicKey, Change), AssertionFault> {
    let text = std::str::from_utf8(jwt).map_err(|_| AssertionFault::Malformed)?;
    let jws = Jws::parse(text).ok_or(AssertionFault::Malformed)?;
    if !jws.alg_allowed() {
        return Err(AssertionFault::Algorithm);
    }
    let claims: Claims = jws.claims().ok_or(AssertionFault::Malformed)?;
    if claims.iss != client.as_str() || claims.sub != client.as_str() {
        return Err(AssertionFault::Subject);
    }
    let mut candidates = keys.iter().filter(|key| jws.header.kid.is_none() || key.kid == jws.header.kid).peekable();
    if candidates.peek().is_none() {
        return Err(AssertionFault::UnknownKey);
    }
    let key = candidates.find(|key| jws.verify(&key.key)).ok_or(AssertionFault::Signature)?;
    let ours = |aud: &str| {
        aud == issuer || aud.strip_prefix(issuer.trim_end_matches('/')).is_some_and(|path| ENDPOINTS.contains(&path))
    };
    let for_us = match &claims.aud {
        OneOrMany::One(aud) => ours(aud),
        OneOrMany::Many(all) => all.iter().any(|aud| ours(aud)),
    };
    if !for_us {
        return Err(AssertionFault::Audience);
    }
    let exp = Timestamp(claims.exp as i64);
    let early = |time: Option<f64>| time.is_some_and(|time| time > (now.0 + SKEW) as f64);
    if exp <= now || early(claims.nbf) || early(claims.iat) {
        return Err(AssertionFault::Time);
    }
    if exp.since(now) > MAX_LIFE + SKEW {
        return Err(AssertionFault::TooLong);
    }
    if !(1..=MAX_JTI).contains(&claims.jti.len()) {
        return Err(AssertionFault::Malformed);
    }
    let what = Hash32::of(&[b"assertion", &Hash32::of(&[client.as_str().as_bytes()]).0, claims.jti.as_bytes()]);
    let spend = Change::once(Seen { what, until: exp.plus(1) }, Refusal::Assertion(AssertionFault::Replayed));
    Ok((key.key.clone(), spend))
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: OneOrMany,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    jti: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// Paths behind the issuer that name us as well.
const ENDPOINTS: [&str; 2] = ["/token", "/par"];
/// Seconds an assertion may live on.
const MAX_LIFE: i64 = 300;
/// Seconds by which clocks may differ.
const SKEW: i64 = 30;
const MAX_JTI: usize = 256;
