//! What the server says about itself: metadata, keys, health, the pages' style sheet.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use latchwork_ace::registry::Alg;
use latchwork_ace::{CoseKey, Full};
use latchwork_cbor::Writer;
use serde_json::{Value, json};

use crate::core::bytes::base64url;
use crate::core::exchange;
use crate::keys::Public;
use crate::shell::Shell;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/.well-known/oauth-authorization-server{path:.*}", web::get().to(metadata))
        .route("/jwks.json", web::get().to(jwks))
        .route("/keys", web::get().to(keys))
        .route("/healthz", web::get().to(healthz))
        .route("/readyz", web::get().to(readyz))
        .route("/style.css", web::get().to(style));
}

/// RFC 8414 §2 and §3. Where the issuer has a path, it follows the well-known one.
async fn metadata(path: web::Path<String>, shell: web::Data<Shell>) -> HttpResponse {
    let issuer = &shell.issuer;
    let own = issuer.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path);
    if !path.is_empty() && path.strip_prefix('/') != Some(own) {
        return HttpResponse::NotFound().finish();
    }
    let methods = ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"];
    // A resource server always shows who it is.
    let [_, asking @ ..] = methods;
    let algorithms = ["ES256", "EdDSA"];
    let mut metadata = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "pushed_authorization_request_endpoint": format!("{issuer}/par"),
        "token_endpoint": format!("{issuer}/token"),
        "revocation_endpoint": format!("{issuer}/revoke"),
        "introspection_endpoint": format!("{issuer}/introspect"),
        "introspection_endpoint_auth_methods_supported": asking,
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "device_authorization_endpoint": format!("{issuer}/device_authorization"),
        "registration_endpoint": format!("{issuer}/register"),
        "jwks_uri": format!("{issuer}/jwks.json"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": [
            "authorization_code", "client_credentials", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code",
            exchange::GRANT_TYPE,
        ],
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "code_challenge_methods_supported": ["S256"],
        "dpop_signing_alg_values_supported": algorithms,
        "authorization_response_iss_parameter_supported": true,
        "require_pushed_authorization_requests": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "scopes_supported": ["door:open", "door:state"],
        "ace_profiles_supported": ["coap_oscore"],
    });
    if let (Some(alias), Some(members)) = (&shell.mtls_url, metadata.as_object_mut()) {
        // RFC 8705 §5. Tokens are bound to keys, never to certificates (§3).
        members.insert(
            "mtls_endpoint_aliases".into(),
            json!({
                "token_endpoint": format!("{alias}/token"),
                "pushed_authorization_request_endpoint": format!("{alias}/par"),
                "revocation_endpoint": format!("{alias}/revoke"),
                "introspection_endpoint": format!("{alias}/introspect"),
                "device_authorization_endpoint": format!("{alias}/device_authorization"),
            }),
        );
        members.insert("tls_client_certificate_bound_access_tokens".into(), false.into());
        for endpoint in ["token", "introspection"] {
            if let Some(Value::Array(methods)) = members.get_mut(&format!("{endpoint}_endpoint_auth_methods_supported"))
            {
                methods.extend(["tls_client_auth", "self_signed_tls_client_auth"].map(Value::from));
            }
        }
    }
    HttpResponse::Ok().json(metadata)
}

/// The public halves of the keys that sign tokens and API tokens (RFC 7517).
async fn jwks(shell: web::Data<Shell>) -> HttpResponse {
    let now = shell.now();
    let keys: Vec<Value> = shell.keys.published(now).iter().chain(&shell.keys.api_published(now)).map(jwk).collect();
    HttpResponse::Ok().json(json!({ "keys": keys }))
}

/// The public halves of the keys that sign CWTs, as a COSE_KeySet (RFC 9052 §7), for locks and other resource servers.
async fn keys(shell: web::Data<Shell>) -> HttpResponse {
    match key_set(&shell.keys.published(shell.now())) {
        Ok(body) => HttpResponse::Ok().content_type("application/cose-key-set").body(body),
        Err(Full) => HttpResponse::InternalServerError().finish(),
    }
}

fn key_set(keys: &[Public]) -> Result<Vec<u8>, Full> {
    let mut out = vec![0; keys.len().saturating_mul(MAX_COSE_KEY).saturating_add(MAX_COSE_KEY)];
    let mut set = Writer::new(&mut out);
    set.array(keys.len())?;
    for key in keys {
        let kid = key.kid();
        let bare = match key {
            Public::P256 { x, y } => CoseKey::p256(x, y),
            Public::Ed25519 { x } => CoseKey::ed25519(x),
        };
        CoseKey { kid: Some(&kid), alg: Some(Alg(key.alg().cose().into())), ..bare }.write(&mut set)?;
    }
    let len = set.written().len();
    out.truncate(len);
    Ok(out)
}

fn jwk(key: &Public) -> Value {
    let (alg, kid) = (key.alg().name(), base64url(&key.kid()));
    match key {
        Public::P256 { x, y } => {
            json!({ "kty": "EC", "crv": "P-256", "x": base64url(x), "y": base64url(y), "alg": alg, "use": "sig", "kid": kid })
        }
        Public::Ed25519 { x } => {
            json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(x), "alg": alg, "use": "sig", "kid": kid })
        }
    }
}

/// The process answers.
async fn healthz() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n")
}

/// The store answers as well.
async fn readyz(shell: web::Data<Shell>) -> HttpResponse {
    match shell.records.store().scan(b"client", None, 1).await {
        Ok(_) => HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ready\n"),
        Err(cause) => {
            tracing::error!(%cause, "not ready");
            HttpResponse::ServiceUnavailable()
                .content_type("text/plain; charset=utf-8")
                .body("the store does not answer\n")
        }
    }
}

async fn style() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "public, max-age=3600"))
        .content_type("text/css; charset=utf-8")
        .body(crate::web::STYLE)
}

/// Bytes of a public key with its name, and more.
const MAX_COSE_KEY: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use coset::CborSerializable;
    use coset::iana::{Algorithm, EnumI64};

    /// Another implementation reads the same keys out of both sets.
    #[test]
    fn the_key_set_is_what_signs() {
        let keys = crate::keys::Keys::random().unwrap();
        let now = crate::core::time::Timestamp(0);
        let published = keys.published(now);
        let set = coset::CoseKeySet::from_slice(&key_set(&published).unwrap()).unwrap();
        assert_eq!(set.0.len(), published.len());
        for (shown, key) in set.0.iter().zip(&published) {
            let algorithm = Algorithm::from_i64(key.alg().cose().into()).unwrap();
            assert_eq!(shown.alg, Some(coset::Algorithm::Assigned(algorithm)));
            assert_eq!(shown.key_id, key.kid());
            let mut coordinates = shown.params.iter().filter_map(|(_, value)| value.as_bytes());
            match key {
                Public::P256 { x, y } => {
                    assert_eq!(coordinates.next(), Some(&x.to_vec()));
                    assert_eq!(coordinates.next(), Some(&y.to_vec()));
                }
                Public::Ed25519 { x } => assert_eq!(coordinates.next(), Some(&x.to_vec())),
            }
            assert_eq!(coordinates.next(), None, "nothing private");
        }
        assert!(
            !published.iter().any(|key| key.kid() == keys.api_signer(now).unwrap().kid()),
            "the key of JWTs signs no CWT"
        );
    }
}
