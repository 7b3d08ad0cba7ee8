//! `/token` over HTTP: both faces and their refusals.

use std::cell::Cell;

use actix_web::test::TestRequest;
use base64::Engine as _;
use serde_json::json;

use super::{ISSUER, SECRET, World, admin, building, encoded, form};
use crate::clock;
use crate::core::records::Seen;
use crate::core::testing::{NOW, Pair};
use crate::core::time::Timestamp;
use crate::shell::throttle::Rates;
use crate::store::sweep::Sweeper;

const FRONT: &str = "urn:latchwork:lock:front";

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}")))
}

fn robot(pairs: &[(&str, &str)]) -> TestRequest {
    form("/token", pairs).insert_header(("authorization", basic("robot", SECRET)))
}

/// R9200-5.8-03, R9200-5.8.2-01, R9200-5.10.4-01, R6749-2.3.1-01, R6749-3.3-01, R6749-4.4-01, R6749-5.1-01
#[actix_web::test]
async fn a_robot_gets_a_token_in_each_face() {
    let world = World::new(Vec::new()).await;
    let asked = [("grant_type", "client_credentials"), ("audience", FRONT), ("scope", "door:open")];
    let got = world.ask(robot(&asked)).await;
    assert_eq!(got.status, 200, "{} {}", got.text(), world.last_entry());
    assert_eq!((got.header("cache-control"), got.header("pragma")), (Some("no-store"), Some("no-cache")));
    let body = got.json();
    assert_eq!(body["token_type"], "PoP");
    assert_eq!(body["ace_profile"], "coap_oscore");
    assert_eq!(body["scope"], "door:open");
    assert!(body["cnf"]["osc"]["ms"].is_string(), "{body}");
    assert!(body["expires_in"].as_u64().is_some_and(|seconds| seconds > 0), "{body}");
    assert!(body.get("refresh_token").is_none(), "a machine asks again: {body}");
    let entry = world.last_entry();
    assert_eq!(entry["outcome"], "granted");
    for secret in [&body["access_token"], &body["cnf"]["osc"]["ms"]] {
        assert!(!world.entries().contains(secret.as_str().unwrap()), "a secret in the log");
    }
    assert!(!world.entries().contains(SECRET));

    let got = world.ask(robot(&asked).insert_header(("accept", "application/ace+cbor"))).await;
    assert_eq!(got.header("content-type"), Some("application/ace+cbor"));
    assert!(latchwork_ace::TokenResponse::decode(&got.body).is_ok());

    let mut buffer = [0; 256];
    let request = latchwork_ace::TokenRequest {
        audience: Some(FRONT),
        scope: Some(latchwork_ace::Scope::Text("door:open")),
        client_id: Some("robot"),
        client_secret: Some(SECRET.as_bytes()),
        ..Default::default()
    };
    let payload = request.encode(&mut buffer).unwrap().to_vec();
    let got = world
        .ask(
            TestRequest::post()
                .uri("/token")
                .insert_header(("content-type", "application/ace+cbor"))
                .set_payload(payload),
        )
        .await;
    assert_eq!(got.status, 200);
    let response = latchwork_ace::TokenResponse::decode(&got.body).unwrap();
    assert!(matches!(response.cnf, Some(latchwork_ace::Cnf::Osc(_))));
}

/// R9200-5.8-02, R6749-2.3-02, R6749-3.2.1-01, R6749-5.1-01, R6749-5.2-01, R9700-2.4-01
#[actix_web::test]
async fn requests_that_get_no_token() {
    let world = World::new(Vec::new()).await;
    let good = encoded(&[("grant_type", "client_credentials"), ("audience", FRONT), ("scope", "door:open")]);
    let right = basic("robot", SECRET);
    let plain = "application/x-www-form-urlencoded";
    let vault = encoded(&[("grant_type", "client_credentials"), ("audience", "urn:latchwork:lock:vault")]);
    let nowhere = encoded(&[("grant_type", "client_credentials"), ("audience", "urn:latchwork:lock:nowhere")]);
    let password = encoded(&[("grant_type", "password"), ("username", "x"), ("password", "y")]);
    let code = encoded(&[("grant_type", "authorization_code"), ("code", "x"), ("client_id", "robot")]);
    for (what, kind, authorization, body, status, error) in [
        ("a wrong secret", plain, Some(basic("robot", "wrong")), good.clone(), 401, "invalid_client"),
        ("an unknown client", plain, Some(basic("nobody", SECRET)), good.clone(), 401, "invalid_client"),
        ("no credential", plain, None, good.clone(), 401, "invalid_client"),
        ("a client that names itself only", plain, None, format!("{good}&client_id=robot"), 401, "invalid_client"),
        (
            "two ways at once",
            plain,
            Some(right.clone()),
            format!("{good}&client_secret=x&client_id=robot"),
            400,
            "invalid_request",
        ),
        ("JSON where a form is due", "application/json", Some(right.clone()), "{}".into(), 400, "invalid_request"),
        ("no content type", "", Some(right.clone()), good.clone(), 400, "invalid_request"),
        ("a parameter twice", plain, Some(right.clone()), format!("{good}&scope=door:open"), 400, "invalid_request"),
        (
            "two audiences",
            plain,
            Some(right.clone()),
            format!("{good}&audience=urn:latchwork:lock:side"),
            400,
            "invalid_request",
        ),
        ("a door that policy refuses", plain, Some(right.clone()), vault, 400, "invalid_scope"),
        ("a door that is none", plain, Some(right.clone()), nowhere, 400, "invalid_target"),
        ("an unknown grant", plain, Some(right.clone()), password, 400, "unsupported_grant_type"),
        ("a grant of others", plain, Some(right.clone()), code, 400, "unauthorized_client"),
        ("CBOR that is none", "application/ace+cbor", Some(right.clone()), "x".into(), 400, "1"),
    ] {
        let mut request = TestRequest::post().uri("/token").set_payload(body);
        if !kind.is_empty() {
            request = request.insert_header(("content-type", kind));
        }
        if let Some(authorization) = authorization {
            request = request.insert_header(("authorization", authorization));
        }
        let before = world.entries().lines().count();
        let got = world.ask(request).await;
        assert_eq!(got.status.as_u16(), status, "{what}: {}", got.text());
        assert_eq!(got.header("cache-control"), Some("no-store"), "{what}");
        if kind == "application/ace+cbor" {
            let refused = latchwork_ace::ErrorResponse::decode(&got.body).unwrap();
            assert_eq!(refused.error.0.to_string(), error, "{what}");
        } else {
            assert_eq!(got.json(), serde_json::json!({ "error": error }), "{what}");
        }
        assert_eq!(got.header("www-authenticate").is_some(), status == 401, "{what}");
        let entry = world.last_entry();
        assert!(entry["reason"].is_string(), "{what}: {entry}");
        assert_eq!(world.entries().lines().count(), before + 1, "{what}: one line, no more");
    }
}

/// Secrets and parameters in a URL end in logs; nothing there is read, and no token comes by GET.
/// R7009-2-03, R6749-2.3.1-01, R6749-3.2-01
#[actix_web::test]
async fn what_a_query_says_counts_for_nothing() {
    let world = World::new(Vec::new()).await;
    let asked = [("grant_type", "client_credentials"), ("audience", FRONT), ("scope", "door:open")];
    let secret = [("client_id", "robot"), ("client_secret", SECRET)];
    for (what, request, status) in [
        ("a secret in the URL", form(&format!("/token?{}", encoded(&secret)), &asked), 401),
        ("all in the URL", form(&format!("/token?{}", encoded(&[&asked[..], &secret].concat())), &[]), 400),
        ("by GET", TestRequest::get().uri(&format!("/token?{}", encoded(&[&asked[..], &secret].concat()))), 405),
        (
            "another audience in the URL",
            form("/token?audience=urn:latchwork:lock:vault", &[&asked[..], &secret].concat()),
            200,
        ),
    ] {
        let got = world.ask(request).await;
        assert_eq!(got.status.as_u16(), status, "{what}: {}", got.text());
        assert!(status != 200 || world.last_entry()["audience"] == FRONT, "{what}: {}", world.last_entry());
    }
}

/// RFC 8414 §2: what a client needs, and nothing that is not there.
/// R7636-7.2-02, R9700-2.1.1-04, R9700-2.1.2-01, R9700-2.5-01, R9700-2.6-01, R8414-2-01, R8414-2-02, R8414-3-01,
/// R8414-3.2-01, R8414-3.3-01, R9207-2.3-01
#[actix_web::test]
async fn the_metadata_claims_what_is_there() {
    let world = World::new(Vec::new()).await;
    let got = world.ask(TestRequest::get().uri("/.well-known/oauth-authorization-server")).await;
    assert_eq!((got.status.as_u16(), got.header("content-type")), (200, Some("application/json")));
    let metadata = got.json();
    assert_eq!(metadata["issuer"], ISSUER);
    for (member, has, has_not) in [
        ("response_types_supported", "code", "token"),
        ("grant_types_supported", "authorization_code", "password"),
        ("grant_types_supported", "refresh_token", "implicit"),
        ("grant_types_supported", "urn:ietf:params:oauth:grant-type:token-exchange", "token_exchange"),
        ("code_challenge_methods_supported", "S256", "plain"),
        ("token_endpoint_auth_methods_supported", "private_key_jwt", "client_secret_jwt"),
        ("token_endpoint_auth_signing_alg_values_supported", "ES256", "none"),
        ("dpop_signing_alg_values_supported", "ES256", "HS256"),
    ] {
        let values: Vec<&str> = metadata[member].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
        assert!(values.contains(&has) && !values.contains(&has_not), "{member}: {values:?}");
    }
    for (member, there) in [("authorization_endpoint", 400), ("jwks_uri", 200)] {
        let url = metadata[member].as_str().unwrap().strip_prefix(ISSUER).unwrap().to_owned();
        assert_eq!(world.ask(TestRequest::get().uri(&url)).await.status, there, "{member}");
    }
}

/// R9449-4.3-01
#[actix_web::test]
async fn a_proof_header_comes_once() {
    let world = World::new(Vec::new()).await;
    let asked = [("grant_type", "client_credentials"), ("audience", FRONT), ("scope", "door:open")];
    let proof = |jti| {
        let made = Pair::new(3).proof_with(jti, |_, claims| {
            claims["htu"] = serde_json::json!(format!("{ISSUER}/token"));
            claims["iat"] = serde_json::json!(clock::now().0);
        });
        made.jwt
    };
    let one = proof("one");
    for (what, headers, error) in [
        ("one", vec![one.clone()], None),
        ("the same again", vec![one], Some("invalid_dpop_proof")),
        ("two", vec![proof("two"), proof("three")], Some("invalid_dpop_proof")),
        ("garbage", vec!["x".to_owned()], Some("invalid_dpop_proof")),
    ] {
        let mut request = robot(&asked);
        for header in headers {
            request = request.append_header(("dpop", header));
        }
        let got = world.ask(request).await;
        assert_eq!(got.json()["error"].as_str(), error, "{what}: {}", got.text());
    }
}

/// R6749-2.3.1-01
#[actix_web::test]
async fn who_guesses_waits() {
    let world = World::new(Vec::new()).await;
    let asked = [("grant_type", "client_credentials"), ("audience", FRONT), ("scope", "door:open")];
    let guess = || form("/token", &asked).insert_header(("authorization", basic("robot", "wrong")));
    for _ in 0..4 {
        assert_eq!(world.ask(guess()).await.status, 401);
    }
    let got = world.ask(guess()).await;
    assert_eq!(got.status, 429);
    assert!(got.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(world.ask(robot(&asked)).await.status, 429, "the right secret from there waits as well");
}

/// The proxy on this machine appends the address that it saw; whatever else such headers say is the stranger's own word.
/// Behind TLS of our own not even that is read (`command_line.rs`).
/// R9700-4.13-01
#[actix_web::test]
async fn what_a_proxy_might_have_said_is_not_believed() {
    let world = World::new(Vec::new()).await;
    let asked = [("grant_type", "client_credentials"), ("audience", FRONT), ("scope", "door:open")];
    let from = |n: usize| {
        form("/token", &asked)
            .insert_header(("authorization", basic("robot", "wrong")))
            .insert_header(("x-forwarded-for", format!("198.51.100.{n}, 203.0.113.5")))
            .insert_header(("forwarded", format!("for=198.51.100.{n};host=evil.example;proto=https")))
            .insert_header(("x-real-ip", format!("198.51.100.{n}")))
            .insert_header(("x-forwarded-host", "evil.example"))
    };
    for n in 0..4 {
        assert_eq!(world.ask(from(n)).await.status, 401);
    }
    assert_eq!(world.ask(from(9)).await.status, 429, "the same stranger");
    let names = ["x-client-cert", "x-ssl-client-cert", "ssl-client-cert", "client-cert", "x-forwarded-client-cert"];
    let named = names.iter().fold(form("/token", &asked), |request, name| request.insert_header((*name, "robot")));
    let world = World::new(Vec::new()).await;
    assert_eq!(world.ask(named).await.json()["error"], "invalid_client");
    let metadata = TestRequest::get()
        .uri("/.well-known/oauth-authorization-server")
        .insert_header(("host", "evil.example"))
        .insert_header(("x-forwarded-host", "evil.example"));
    assert!(!world.ask(metadata).await.text().contains("evil"));
}

/// Whatever is wrong with it, the client hears one word (RFC 7523 §3.2).
/// R7523-3.2-01
#[actix_web::test]
async fn an_assertion_that_does_not_hold() {
    let world = World::new(Vec::new()).await;
    let pair = Pair::new(9);
    let unsigned = pair.assertion_with("robot", |header, _| header["alg"] = "none".into());
    for (what, jwt) in [
        ("of a client that has a secret", pair.assertion_with("robot", |_, _| {})),
        ("of nobody", pair.assertion_with("nobody", |_, _| {})),
        ("unsigned", unsigned),
        ("no JWT", "a.b.c".to_owned()),
        ("two", format!("{0}~{0}", pair.assertion_with("robot", |_, _| {}))),
    ] {
        let asked = [
            ("grant_type", "client_credentials"),
            ("audience", FRONT),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &jwt),
        ];
        let got = world.ask(form("/token", &asked)).await;
        assert_eq!(
            (got.status.as_u16(), &got.json()["error"]),
            (401, &"invalid_client".into()),
            "{what}: {}",
            got.text()
        );
        assert!(!world.entries().contains(&jwt), "{what}: in the log");
    }
}

#[actix_web::test]
async fn long_bodies_are_not_read() {
    let world = World::new(Vec::new()).await;
    let got = world.ask(robot(&[("grant_type", &"x".repeat(64 << 10))])).await;
    assert_eq!(got.status, 413);
}

#[actix_web::test]
async fn who_is_refused_for_now_leaves_no_line() {
    let world = World::with_rates(Rates { per_address: 1, per_client: 0 }).await;
    let unread = || form("/token", &[("nonsense", "")]);
    for status in [400, 400, 429, 429] {
        assert_eq!(world.ask(unread()).await.status, status);
    }
    assert_eq!(world.entries().matches("grant_type is missing").count(), 2);
}

/// Whoever may be refused without showing anything must not clear an address of its guesses.
#[actix_web::test]
async fn a_public_client_forgives_no_guesses() {
    let world = World::new(Vec::new()).await;
    let asked = [("grant_type", "client_credentials"), ("audience", FRONT)];
    for guess in 0.. {
        let robot = form("/token", &asked).insert_header(("authorization", basic(&format!("robot{guess}"), "wrong")));
        match world.ask(robot).await.status.as_u16() {
            429 => break,
            status => assert_eq!((status, guess < 60), (401, true)),
        }
        let public = world
            .ask(form("/token", &[("grant_type", "refresh_token"), ("client_id", "app"), ("refresh_token", "AA")]))
            .await;
        assert_ne!(public.status, 401);
    }
}

/// An assertion or a proof is spent, is over, and is swept away; then the clock is set back by an hour, so that it would be in time.
#[actix_web::test]
async fn what_was_spent_stays_so_when_the_clock_is_set_back() {
    thread_local!(static CLOCK: Cell<i64> = const { Cell::new(NOW.0) });
    let world = World::at(|| Timestamp(CLOCK.get())).await;
    let mut building = building("https://idp.example");
    let signer = json!({ "id": "signer", "kind": "confidential", "keys": [{ "key": Pair::new(5).public() }],
        "attributes": { "role": "cleaning" } });
    building["client"].as_array_mut().unwrap().push(signer);
    assert_eq!(world.ask(admin("apply", &building)).await.status, 200);
    assert_eq!(world.ask(admin("locks/front/enroll", &json!({}))).await.status, 201);
    let asked = [("grant_type", "client_credentials"), ("audience", FRONT), ("scope", "door:open")];
    let assertion = Pair::new(5).assertion_with("signer", |_, claims| claims["aud"] = ISSUER.into());
    let by_assertion = || {
        let shown = [
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
        ];
        form("/token", &[&asked[..], &shown].concat())
    };
    let proof = Pair::new(6).proof_with("once", |_, claims| claims["htu"] = format!("{ISSUER}/token").into()).jwt;
    let with_proof = || robot(&asked).insert_header(("dpop", proof.clone()));
    let sweep = async || {
        let (store, now) = (world.shell.records.store(), world.shell.now().0);
        Sweeper::default().step(store, now, usize::MAX).await.unwrap();
    };
    for request in [by_assertion(), with_proof()] {
        let got = world.ask(request).await;
        assert_eq!(got.status, 200, "{} {}", got.text(), world.last_entry());
    }
    CLOCK.set(NOW.0 + 3_600);
    sweep().await;
    for after in [3_600, 0] {
        CLOCK.set(NOW.0 + after);
        for (what, request) in [("an assertion", by_assertion()), ("a proof", with_proof())] {
            let got = world.ask(request).await;
            assert!(matches!(got.status.as_u16(), 400 | 401), "{what}, {after}: {}", got.text());
            let reason = world.last_entry()["reason"].to_string();
            assert_eq!(reason.contains("replayed"), after == 0, "{what}, {after}: {reason}");
        }
    }
    // And is not kept for ever.
    CLOCK.set(NOW.0 + 9_000);
    sweep().await;
    assert_eq!(world.shell.records.all::<Seen>().await.unwrap().len(), 0);
}
