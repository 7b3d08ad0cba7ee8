//! What a provider says, wounded: no panic, and nobody else is signed in.

use openidconnect::core::{CoreJsonWebKey, CoreJsonWebKeySet};
use openidconnect::{IdToken, JsonWebKeySet};
use proptest::prelude::*;
use proptest::test_runner::Config;
use serde_json::json;

use super::*;
use crate::core::testing::Pair;
use crate::shell::tests::{wounded, wounds};

type Token = IdToken<Extra, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;

const IDP: &str = "https://idp.example";

fn discovery() -> String {
    json!({
        "issuer": IDP,
        "authorization_endpoint": format!("{IDP}/authorize"),
        "token_endpoint": format!("{IDP}/token"),
        "jwks_uri": format!("{IDP}/jwks"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256", "none"],
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
        "authorization_response_iss_parameter_supported": true,
    })
    .to_string()
}

fn keys(pair: &Pair) -> String {
    let mut jwk = serde_json::to_value(pair.public()).unwrap();
    jwk["kid"] = json!("one");
    jwk["alg"] = json!("ES256");
    json!({ "keys": [jwk] }).to_string()
}

fn id_token(pair: &Pair) -> String {
    let claims = json!({
        "iss": IDP, "sub": "emma", "aud": "latchwork", "exp": 32_503_680_000_i64, "iat": 0, "nonce": "n",
        "name": "Emma", "groups": ["staff"],
    });
    pair.jws(json!({ "alg": "ES256", "kid": "one" }), claims)
}

/// Who is signed in by this discovery document, these keys and this ID token.
fn signed_in(discovery: &[u8], keys: &[u8], token: &[u8]) -> Option<(String, Vec<String>)> {
    let metadata: Metadata = serde_json::from_slice(discovery).ok()?;
    let keys: CoreJsonWebKeySet = serde_json::from_slice(keys).ok()?;
    let token: Token = std::str::from_utf8(token).ok()?.parse().ok()?;
    let settings = Settings {
        name: "idp".into(),
        issuer: IDP.into(),
        client_id: "latchwork".into(),
        client_secret: Some("shared".to_owned().into()),
        scopes: Vec::new(),
        ca_file: None,
        groups_claim: Some("groups".into()),
    };
    let provider = Provider::new(settings).ok()?;
    let metadata = metadata.set_jwks(JsonWebKeySet::<CoreJsonWebKey>::new(keys.keys().clone()));
    let _ = check_iss(&metadata, &provider.issuer, Some(IDP));
    let party = provider.party(&metadata, "https://as.example/callback/idp").ok()?;
    let verifier = party.id_token_verifier().set_allowed_algs(ALGORITHMS.iter().cloned());
    let claims = token.claims(&verifier, &Nonce::new("n".into())).ok()?;
    Some((claims.subject().to_string(), groups(claims.additional_claims().other.get("groups"))))
}

proptest! {
    #![proptest_config(Config::with_cases(200))]

    #[test]
    fn wounded_answers_sign_nobody_else_in(wounds in wounds(), which in 0..3_usize) {
        let pair = Pair::new(7);
        let mut parts = [discovery(), keys(&pair), id_token(&pair)].map(String::into_bytes);
        let emma = Some(("emma".to_owned(), vec!["staff".to_owned()]));
        prop_assert_eq!(&signed_in(&parts[0], &parts[1], &parts[2]), &emma);
        parts[which] = wounded(&parts[which], &wounds);
        let got = signed_in(&parts[0], &parts[1], &parts[2]);
        prop_assert!(got.is_none() || got == emma, "{:?}", got);
    }
}

#[actix_web::test]
async fn a_provider_that_is_not_there_or_cannot_be() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = |issuer: &str| Settings {
        name: "idp".into(),
        issuer: issuer.into(),
        client_id: "latchwork".into(),
        client_secret: None,
        scopes: Vec::new(),
        ca_file: None,
        groups_claim: None,
    };
    let provider = Provider::new(settings(&format!("http://{closed}"))).unwrap();
    let Err(why) = provider.depart("https://as.example/callback/idp", "", 0).await else { panic!("nobody is there") };
    assert!(matches!(why, SignInError::Unreachable(_)), "{why}");
    for issuer in ["", "id.example", "http://id.example", "https://id.example?x", "https://u:p@id.example"] {
        assert!(
            matches!(Provider::new(settings(issuer)).err(), Some(BadSettings::Issuer(bad)) if bad == issuer),
            "{issuer}"
        );
    }
}
