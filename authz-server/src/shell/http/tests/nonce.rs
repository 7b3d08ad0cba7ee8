//! DPoP nonces over HTTP (RFC 9449 §8, §9).

use actix_web::test::TestRequest;
use actix_web::web;
use serde_json::{Value, json};
use std::sync::Arc;

use super::keys::hollow;
use super::provider::Idp;
use super::{Got, ISSUER, World, form};
use crate::clock;
use crate::core::bytes::Hash32;
use crate::core::dpop::Nonces;
use crate::core::testing::Pair;
use crate::core::time::Timestamp;
use crate::keys::Key32;
use crate::shell::Shell;

const WINDOW: u32 = 300;

/// A server that asks for nonces.
async fn asking(idp: &Idp) -> World {
    let mut world = World::new(vec![idp.provider()]).await;
    let shell = Arc::into_inner(std::mem::replace(&mut world.shell, web::Data::new(hollow())).into_inner());
    let mut shell = shell.unwrap();
    shell.lifetimes.dpop_nonce = WINDOW;
    world.shell = web::Data::new(Shell { ..shell });
    world
}

fn proof(path: &str, jti: &str, nonce: Option<&str>, token: Option<&str>) -> String {
    let made = Pair::new(5).proof_with(jti, |_, claims| {
        claims["htm"] = json!(if token.is_some() { "GET" } else { "POST" });
        claims["htu"] = json!(format!("{ISSUER}{path}"));
        claims["iat"] = json!(clock::now().0);
        if let Some(nonce) = nonce {
            claims["nonce"] = json!(nonce);
        }
        if let Some(token) = token {
            claims["ath"] = json!(Hash32::of(&[token.as_bytes()]).to_string());
        }
    });
    made.jwt
}

fn push(proof: String) -> TestRequest {
    let challenge = Hash32::of(&[b"verifier"]).to_string();
    form(
        "/par",
        &[
            ("response_type", "code"),
            ("client_id", "app"),
            ("redirect_uri", "http://127.0.0.1:7777/cb"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ],
    )
    .insert_header(("dpop", proof))
}

fn ask_for_token(proof: Option<String>) -> TestRequest {
    use base64::Engine as _;
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("robot:{}", super::SECRET));
    let fields =
        [("grant_type", "client_credentials"), ("audience", "urn:latchwork:lock:front"), ("scope", "door:open")];
    let request = form("/token", &fields).insert_header(("authorization", format!("Basic {basic}")));
    match proof {
        Some(proof) => request.insert_header(("dpop", proof)),
        None => request,
    }
}

fn nonce_of(got: &Got) -> Option<String> {
    got.header("dpop-nonce").map(str::to_owned)
}

fn made(window: i64, key: &Key32) -> String {
    Nonces::at(Timestamp(clock::now().0 + window * i64::from(WINDOW)), WINDOW, key, ISSUER).unwrap().current()
}

/// R9449-8-01, R9449-8.1-01, R9449-8.2-01: asked for once, then good again and again; the answer says when there is another.
#[actix_web::test]
async fn a_nonce_is_asked_for_once_and_given_with_every_success() {
    let world = asking(&Idp::start()).await;
    for (path, status, request) in [
        ("/token", 200, (|proof| ask_for_token(Some(proof))) as fn(String) -> TestRequest),
        ("/par", 201, push as fn(String) -> TestRequest),
    ] {
        let got = world.ask(request(proof(path, &format!("{path} first"), None, None))).await;
        assert_eq!((got.status.as_u16(), got.json()), (400, json!({ "error": "use_dpop_nonce" })), "{path}");
        assert_eq!(got.header("cache-control"), Some("no-store"));
        let mut nonce = nonce_of(&got).unwrap();
        assert!(nonce.bytes().all(|byte| (0x21..=0x7e).contains(&byte) && byte != b'"' && byte != b'\\'));
        for n in 0..3 {
            let got = world.ask(request(proof(path, &format!("{path} {n}"), Some(&nonce), None))).await;
            assert_eq!(got.status.as_u16(), status, "{path} {n}: {}", got.text());
            nonce = nonce_of(&got).unwrap();
        }
        // The same proof again is a replay, whatever its nonce; nobody is told to try with another one.
        let used = proof(path, &format!("{path} used"), Some(&nonce), None);
        assert_eq!(world.ask(request(used.clone())).await.status.as_u16(), status);
        let got = world.ask(request(used)).await;
        assert_eq!((got.json(), nonce_of(&got)), (json!({ "error": "invalid_dpop_proof" }), None), "{path}");
    }
    // Who proves nothing is asked for nothing.
    let got = world.ask(ask_for_token(None)).await;
    assert_eq!((got.status.as_u16(), nonce_of(&got)), (200, None));
}

/// R9449-8-02
#[actix_web::test]
async fn nonces_that_are_not_taken() {
    let world = asking(&Idp::start()).await;
    let key = &world.shell.keys.secrets;
    for (what, nonce, status) in [
        ("this window's", made(0, key), 200),
        ("a stale one", made(-2, key), 400),
        ("another server's", made(0, &Key32::from([9; 32])), 400),
        ("a forged one", "x".repeat(43), 400),
        ("one that is none", "nonce".to_owned(), 400),
    ] {
        let got = world.ask(ask_for_token(Some(proof("/token", what, Some(&nonce), None)))).await;
        assert_eq!(got.status.as_u16(), status, "{what}: {}", got.text());
        assert!(nonce_of(&got).is_some(), "{what}: with the one to use");
        if status == 400 {
            assert_eq!(got.json()["error"], "use_dpop_nonce", "{what}");
            assert_eq!(world.last_entry()["error"], "use_dpop_nonce", "{what}");
        }
    }
}

/// R9449-9-01, R9449-9-02: a resource server says it in its challenge.
#[actix_web::test]
async fn the_people_api_asks_with_a_challenge() {
    let idp = Idp::start();
    let world = asking(&idp).await;
    let nonce = made(0, &world.shell.keys.secrets);
    let code = super::doors::code(&world, &idp).await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", "app"),
        ("code", &code),
        ("redirect_uri", "http://127.0.0.1:7777/cb"),
        ("code_verifier", super::authorize::VERIFIER),
        ("audience", "https://as.example/api/v1"),
    ];
    let redeem = form("/token", &fields).insert_header(("dpop", proof("/token", "r", Some(&nonce), None)));
    let got = world.ask(redeem).await;
    assert_eq!(got.status, 200, "{}", got.text());
    let answer: Value = got.json();
    let token = answer["access_token"].as_str().unwrap();
    for path in ["/api/v1/doors", "/api/v1/grants"] {
        let list = |nonce: Option<&str>| {
            let proof = proof(path, &format!("{path} {nonce:?}"), nonce, Some(token));
            TestRequest::get()
                .uri(path)
                .insert_header(("authorization", format!("DPoP {token}")))
                .insert_header(("dpop", proof))
        };
        let got = world.ask(list(None)).await;
        assert_eq!(got.status, 401);
        let challenge = got.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("DPoP ") && challenge.contains("error=\"use_dpop_nonce\""), "{challenge}");
        let given = nonce_of(&got).unwrap();
        let got = world.ask(list(Some(&given))).await;
        assert_eq!(got.status, 200, "{}", got.text());
        assert!(nonce_of(&got).is_some());
    }
}
