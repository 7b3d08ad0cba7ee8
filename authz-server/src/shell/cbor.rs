//! The CBOR face of `/token` (RFC 9200 §5.8), the same over HTTP and CoAP. Only grants whose parameters have numbers:
//! client_credentials and refresh_token.

use latchwork_ace as ace;
use latchwork_ace::registry::GrantType;
use latchwork_ace::token_request::AskedProfile;

use crate::core::bytes::{Blob, Hidden};
use crate::core::jwk::PublicKey;
use crate::core::names::ClientId;
use crate::core::refusal::Refusal;
use crate::core::request::{Credential, Face, GrantAsked, ProfileAsked, ReqCnf, TokenRequest};
use crate::core::scope::ScopeAsked;

/// Reads a payload into what is asked and who says so.
///
/// # Errors
/// It is not the strict CBOR of RFC 9200, or a value is not of its form.
pub fn token_request(face: Face, payload: &[u8]) -> Result<(TokenRequest, Credential), Refusal> {
    let message = ace::TokenRequest::decode(payload).map_err(|_| Refusal::Malformed("not a CBOR token request"))?;
    let grant = match message.grant() {
        GrantType::CLIENT_CREDENTIALS => GrantAsked::ClientCredentials,
        GrantType::REFRESH_TOKEN => GrantAsked::RefreshToken {
            token: message.refresh_token.ok_or(Refusal::Malformed("refresh_token is missing"))?.into(),
        },
        other => GrantAsked::Other(other.name().map_or_else(|| other.0.to_string(), str::to_owned)),
    };
    let scope = match message.scope {
        None => None,
        Some(ace::Scope::Text(text)) => {
            Some(ScopeAsked::Text(text.parse().map_err(|_| Refusal::UnknownScope("(no scope)".into()))?))
        }
        Some(ace::Scope::Bytes(bytes)) => Some(ScopeAsked::Aif(Blob(bytes.to_vec()))),
    };
    let request = TokenRequest {
        face,
        grant,
        audience: message.audience.map(str::to_owned).into_iter().collect(),
        scope,
        req_cnf: message.req_cnf.as_ref().map(req_cnf),
        ace_profile: message.ace_profile.map(|asked| match asked {
            AskedProfile::Tell => ProfileAsked::Tell,
            AskedProfile::Named(profile) => ProfileAsked::only(profile),
        }),
        cnonce: message.cnonce.map(|nonce| Blob(nonce.to_vec())),
        series: message.edhoc_info.and_then(|info| info.session_id).map(|id| Blob(id.to_vec())),
    };
    let id = message
        .client_id
        .map(|id| id.parse::<ClientId>().map_err(|_| Refusal::Malformed("client_id is none")))
        .transpose()?;
    let credential = match (id, message.client_secret) {
        (Some(id), Some(secret)) => Credential::Secret { id, secret: Hidden::from(secret) },
        (Some(id), None) => Credential::Public { id },
        (None, None) => Credential::Nothing,
        (None, Some(_)) => return Err(Refusal::Malformed("client_secret without client_id")),
    };
    Ok((request, credential))
}

fn req_cnf(cnf: &ace::Cnf<'_>) -> ReqCnf {
    match cnf {
        ace::Cnf::CoseKey(key) => public_key(key).map_or(ReqCnf::Unsupported, ReqCnf::Key),
        ace::Cnf::Kid(kid) => ReqCnf::Kid(Blob(kid.to_vec())),
        ace::Cnf::Kccs(ccs) => kccs(ccs),
        _ => ReqCnf::Unsupported,
    }
}

/// A CCS: kept byte for byte, with the COSE_Key in its `cnf`.
pub(crate) fn kccs(ccs: &[u8]) -> ReqCnf {
    let key = ace::Claims::decode(ccs).ok().and_then(|claims| match claims.cnf {
        Some(ace::Cnf::CoseKey(key)) => public_key(&key),
        _ => None,
    });
    key.map_or(ReqCnf::Unsupported, |key| ReqCnf::Kccs { ccs: Blob(ccs.to_vec()), key })
}

fn public_key(key: &ace::CoseKey<'_>) -> Option<PublicKey> {
    if let Some((x, y)) = key.as_p256() {
        return Some(PublicKey::P256 { x: *x, y: *y });
    }
    key.as_ed25519().map(|x| PublicKey::Ed25519 { x: *x })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::bytes::from_base64url;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    /// R9200-5.8.4.1-01
    #[test]
    fn payloads_that_are_refused() {
        for (what, payload) in [
            ("empty", ""),
            ("an array", "80"),
            ("a form", "6772616e743d31"),
            ("a key twice", "a2182102182102"),
            ("trailing bytes", "a1182102ff"),
            ("indefinite length", "bf182102ff"),
            ("long form", "a118211900 02"),
            ("audience as bytes", "a2182102054161"),
            ("secret as text", "a218186172181961 61"),
            ("grant type as text", "a118216161"),
            ("refresh without token", "a1182103"),
            ("secret without id", "a118194161"),
        ] {
            let payload = bytes(&payload.replace(' ', ""));
            let refusal = token_request(Face::CborHttp, &payload).expect_err(what);
            assert_eq!(refusal.error().number, 1, "{what}: {refusal}");
        }
    }

    /// R9200-5.8.1-01
    #[test]
    fn grant_type_defaults_to_client_credentials() {
        let (request, credential) = token_request(Face::CborCoap, &bytes("a1056161")).unwrap();
        assert!(matches!(request.grant, GrantAsked::ClientCredentials));
        assert!(matches!(credential, Credential::Nothing));
        assert_eq!(request.audience, ["a"]);
        let (request, _) = token_request(Face::CborCoap, &bytes("a1182101")).unwrap();
        assert!(matches!(request.grant, GrantAsked::Other(name) if name == "authorization_code"));
        assert!(from_base64url("AA").is_some());
    }
}
