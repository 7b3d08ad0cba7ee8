//! Pushed authorization requests over HTTP (RFC 9126).

use actix_web::test::TestRequest;
use base64::Engine as _;
use serde_json::json;

use super::authorize::{Browser, VERIFIER, between};
use super::provider::Idp;
use super::{ISSUER, SECRET, World, admin, encoded, form, parameter};
use crate::clock;
use crate::core::bytes::Hash32;
use crate::core::testing::Pair;

const LOOPBACK: &str = "http://127.0.0.1:7777/cb";

fn pairs(client: &'static str, redirect: &'static str) -> Vec<(&'static str, String)> {
    vec![
        ("response_type", "code".to_owned()),
        ("client_id", client.to_owned()),
        ("redirect_uri", redirect.to_owned()),
        ("state", "app state".to_owned()),
        ("code_challenge", Hash32::of(&[VERIFIER.as_bytes()]).to_string()),
        ("code_challenge_method", "S256".to_owned()),
        ("audience", "urn:latchwork:lock:front".to_owned()),
    ]
}

fn proof(path: &str, jti: &str) -> String {
    let made = Pair::new(5).proof_with(jti, |_, claims| {
        claims["htu"] = json!(format!("{ISSUER}{path}"));
        claims["iat"] = json!(clock::now().0);
    });
    made.jwt
}

fn push(pairs: &[(&'static str, String)]) -> TestRequest {
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
    form("/par", &pairs)
}

fn authorize(client: &str, reference: &str) -> String {
    format!("/authorize?{}", encoded(&[("client_id", client), ("request_uri", reference)]))
}

/// R9126-2.1-01, R9126-2.2-01, R9126-4-01, R9449-10.1-01: from the push to a code, and no second time.
#[actix_web::test]
async fn a_pushed_request_leads_to_one_code() {
    let idp = Idp::start();
    let world = World::new(vec![idp.provider()]).await;
    let got = world.ask(push(&pairs("app", LOOPBACK)).insert_header(("dpop", proof("/par", "one")))).await;
    assert_eq!(got.status, 201, "{}", got.text());
    assert_eq!(got.header("cache-control"), Some("no-store"));
    let answer = got.json();
    assert_eq!(answer["expires_in"], 120);
    let reference = answer["request_uri"].as_str().unwrap().to_owned();
    assert!(reference.starts_with("urn:ietf:params:oauth:request_uri:"));
    assert!(!world.entries().contains(&reference), "a reference in the log");

    let uri = authorize("app", &reference);
    let mut late = Browser::new(&world);
    let away = late.get(&uri).await;
    assert_eq!(away.status, 303);
    let mut browser = Browser::new(&world);
    let page = browser.sign_in(&idp, &uri, "emma", &["staff"]).await;
    let page = browser.get(page.location()).await;
    let done = browser.press(&page, "allow").await;
    assert!(done.location().starts_with(LOOPBACK), "{}", done.location());
    assert_eq!(parameter(done.location(), "state").as_deref(), Some("app state"));
    let code = parameter(done.location(), "code").unwrap();

    let again = world.ask(TestRequest::get().uri(&uri)).await;
    assert_eq!(parameter(again.location(), "error").as_deref(), Some("invalid_request_uri"));
    assert_eq!(parameter(again.location(), "iss").as_deref(), Some(ISSUER));
    // Who left with it before comes back too late.
    idp.sign_in(away.location(), "emma", &["staff"]);
    let state = parameter(away.location(), "state").unwrap();
    let back = encoded(&[("code", "the-code"), ("state", &state), ("iss", &idp.issuer)]);
    assert_eq!(late.get(&format!("/callback/idp?{back}")).await.status, 400);

    // The code is bound to the key that pushed.
    let redeem = |key: Pair, jti: &str| {
        let proof = key.proof_with(jti, |_, claims| {
            claims["htu"] = json!(format!("{ISSUER}/token"));
            claims["iat"] = json!(clock::now().0);
        });
        form(
            "/token",
            &[
                ("grant_type", "authorization_code"),
                ("client_id", "app"),
                ("code", &code),
                ("redirect_uri", LOOPBACK),
                ("code_verifier", VERIFIER),
            ],
        )
        .insert_header(("dpop", proof.jwt))
    };
    let got = world.ask(redeem(Pair::new(6), "a")).await;
    assert_eq!(got.json()["error"], "invalid_grant");
    assert_eq!(world.ask(redeem(Pair::new(5), "b")).await.status, 200);
}

/// R9126-2-01, R9126-2.1-02, R9126-2.3-01: a client authenticates as at `/token`, and hears what is wrong.
#[actix_web::test]
async fn pushes_that_are_refused() {
    let world = World::new(Vec::new()).await;
    let basic = |secret: &str| {
        let encoded = base64::engine::general_purpose::STANDARD.encode(format!("web:{secret}"));
        ("authorization", format!("Basic {encoded}"))
    };
    let web = || push(&pairs("web", "https://web.example/cb"));
    let with = |name: &'static str, value: &str| {
        let mut pairs = pairs("web", "https://web.example/cb");
        pairs.push((name, value.to_owned()));
        push(&pairs).insert_header(basic(SECRET))
    };
    let app = || push(&pairs("app", LOOPBACK));
    for (what, request, status, error) in [
        ("a secret", web().insert_header(basic(SECRET)), 201, ""),
        ("a wrong secret", web().insert_header(basic("wrong")), 401, "invalid_client"),
        ("no credential", web(), 401, "invalid_client"),
        ("an unknown client", push(&pairs("nobody", LOOPBACK)), 401, "invalid_client"),
        ("another client's name", with("client_id", "app"), 400, "invalid_request"),
        ("a parameter twice", with("state", "again"), 400, "invalid_request"),
        ("audiences may repeat", with("audience", "urn:latchwork:lock:side"), 201, ""),
        ("a request_uri", with("request_uri", "https://evil.example"), 400, "invalid_request"),
        ("a request object", with("request", "x.y.z"), 400, "invalid_request"),
        ("a public client without a key", app(), 400, "invalid_request"),
        ("a proof for /token", app().insert_header(("dpop", proof("/token", "x"))), 400, "invalid_dpop_proof"),
        ("a proof", app().insert_header(("dpop", proof("/par", "y"))), 201, ""),
        ("the same again", app().insert_header(("dpop", proof("/par", "y"))), 400, "invalid_dpop_proof"),
        (
            "JSON where a form is due",
            web().insert_header(("content-type", "application/json")).insert_header(basic(SECRET)),
            400,
            "invalid_request",
        ),
    ] {
        let got = world.ask(request).await;
        assert_eq!(got.status.as_u16(), status, "{what}: {}", got.text());
        if status != 201 {
            assert_eq!(got.json(), json!({ "error": error }), "{what}");
            assert!(world.last_entry()["reason"].is_string(), "{what}");
        }
    }
}

/// R9126-6-01
#[actix_web::test]
async fn a_client_that_must_push_cannot_do_without() {
    let idp = Idp::start();
    let world = World::new(vec![idp.provider()]).await;
    let declared = json!({ "client": [{
        "id": "strict", "kind": "native", "redirect_uris": ["http://127.0.0.1/cb"],
        "require_pushed_authorization_requests": true,
    }] });
    assert_eq!(world.ask(admin("apply", &declared)).await.status, 200);
    let mut pairs = pairs("strict", LOOPBACK);
    pairs.push(("dpop_jkt", Pair::new(5).public().thumbprint().to_string()));
    let query: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let got = world.ask(TestRequest::get().uri(&format!("/authorize?{}", encoded(&query)))).await;
    assert_eq!(parameter(got.location(), "error").as_deref(), Some("invalid_request"));
    let got = world.ask(push(&pairs)).await;
    let reference = got.json()["request_uri"].as_str().unwrap().to_owned();
    let got = world.ask(TestRequest::get().uri(&authorize("strict", &reference))).await;
    assert!(got.location().starts_with(&idp.issuer), "{}", got.location());
    let got = world.ask(TestRequest::get().uri(&authorize("app", &reference))).await;
    assert_eq!(got.status, 400);
    assert!(between(&got.text(), "<h1>", "</h1>").contains("This link is over"), "{}", got.text());
}
