//! JWTs for the people API, `ISSUER/api/v1`, and for services that act for people: DPoP-bound, minutes long, valid there only (RFC 9068,
//! RFC 9449 §6.1).

use super::bytes::{Hidden, base64url};
use super::dpop::{self, ProvenKey};
use super::entropy::{Entropy, fresh};
use super::jwk::PublicKey;
use super::jws::Jws;
use super::names::{Audience, ClientId, GrantId, Jkt};
use super::records::Grant;
use super::refusal::{ProofFault, ServerFault};
use super::request::Proof;
use super::scope::Scope;
use super::subject;
use super::time::{Seconds, Timestamp};
use crate::keys::{Keys, Public};
use serde::{Deserialize, Serialize};

/// What one says beside its person and app.
#[derive(Clone, Copy, Debug)]
pub struct Says<'s> {
    /// `iss`.
    pub issuer: &'s str,
    /// Whom it is for.
    pub aud: &'s Audience,
    /// The most that can be got for it (RFC 8693 §4.2); none for the people API.
    pub scope: Option<&'s Scope>,
    /// The thumbprint of its holder's key.
    pub jkt: Jkt,
    /// How long it is good.
    pub life: Seconds,
}

/// Mints one.
pub fn mint(
    grant: &Grant,
    says: &Says<'_>,
    keys: &Keys,
    now: Timestamp,
    entropy: &mut dyn Entropy,
) -> Result<String, ServerFault> {
    let claims = Claims {
        iss: says.issuer.to_owned(),
        sub: subject::of_person(&keys.pairwise, &grant.person.id, says.aud),
        aud: says.aud.to_string(),
        exp: (now + says.life).0,
        iat: now.0,
        jti: base64url(&fresh::<16>(entropy).map_err(|_| ServerFault::Entropy)?),
        client_id: grant.client.clone(),
        scope: says.scope.cloned(),
        cnf: Cnf { jkt: says.jkt },
        grant: grant.id,
    };
    let signer = keys.api_signer(now).map_err(|_| ServerFault::Signing)?;
    let header = format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{}"}}"#, base64url(&signer.kid()));
    let claims = serde_json::to_vec(&claims).map_err(|_| ServerFault::Records)?;
    let signed = format!("{}.{}", base64url(header.as_bytes()), base64url(&claims));
    let signature = signer.sign(signed.as_bytes()).map_err(|_| ServerFault::Signing)?;
    Ok(format!("{signed}.{}", base64url(&signature)))
}

/// Whom a request at the people API is by. The grant is named, not checked: it may have been revoked since.
#[derive(Clone, Debug)]
pub struct ApiHolder {
    /// The grant; its record knows the person and the doors.
    pub grant: GrantId,
    /// The app.
    pub client: ClientId,
    /// The key that this request was made with.
    pub key: ProvenKey,
}

/// Why a request at the people API is refused. The answer is 401 with `WWW-Authenticate: DPoP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiRefusal {
    /// Not one of our tokens.
    #[error("not a token of this server for this API")]
    NotOurs,
    /// Past its end.
    #[error("expired")]
    Expired,
    /// The proof does not hold.
    #[error("DPoP proof refused: {0}")]
    Proof(#[from] ProofFault),
}

/// Checks the token of an `Authorization: DPoP` header and its proof; `keys` are those published. The caller commits `key.spend()`.
pub fn check(
    token: &str,
    proof: &Proof,
    issuer: &str,
    keys: &[Public],
    now: Timestamp,
) -> Result<ApiHolder, ApiRefusal> {
    let jws = Jws::parse(token).ok_or(ApiRefusal::NotOurs)?;
    let named = |key: &&Public| jws.header.kid.as_deref() == Some(&*base64url(&key.kid()));
    let key = match *keys.iter().find(named).ok_or(ApiRefusal::NotOurs)? {
        Public::P256 { x, y } => PublicKey::P256 { x, y },
        Public::Ed25519 { x } => PublicKey::Ed25519 { x },
    };
    if jws.header.typ.as_deref() != Some("at+jwt") || !jws.verify(&key) {
        return Err(ApiRefusal::NotOurs);
    }
    let claims: Claims = jws.claims().ok_or(ApiRefusal::NotOurs)?;
    if claims.iss != issuer || claims.aud != Audience::api_of(issuer).to_string() {
        return Err(ApiRefusal::NotOurs);
    }
    if claims.exp <= now.0 {
        return Err(ApiRefusal::Expired);
    }
    let proven = dpop::check_for_token(proof, token, now)?;
    if proven.jkt() != claims.cnf.jkt {
        return Err(ProofFault::ForeignKey.into());
    }
    Ok(ApiHolder { grant: claims.grant, client: claims.client_id, key: proven })
}

/// The scope of a token that is known to be ours, bit for bit.
#[must_use]
pub fn scope(token: &Hidden) -> Option<Scope> {
    let claims: Claims = Jws::parse(std::str::from_utf8(token.expose()).ok()?)?.claims()?;
    claims.scope
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    exp: i64,
    iat: i64,
    jti: String,
    client_id: ClientId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<Scope>,
    cnf: Cnf,
    grant: GrantId,
}

#[derive(Serialize, Deserialize)]
struct Cnf {
    jkt: Jkt,
}
