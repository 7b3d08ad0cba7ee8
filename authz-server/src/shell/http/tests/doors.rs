//! A person's own doors, and those who ask for another's.

use actix_web::test::TestRequest;
use serde_json::{Value, json};

use super::authorize::{Browser, VERIFIER, request};
use super::provider::Idp;
use super::{ADMIN, Got, ISSUER, World, admin, form, parameter};
use crate::clock;
use crate::core::bytes::{Hash32, base64url};
use crate::core::change::{Change, Key};
use crate::core::records::Grant;
use crate::core::testing::Pair;

const API: &str = "https://as.example/api/v1";

pub(super) fn proof(key: &Pair, jti: &str, method: &str, url: &str, token: Option<&str>) -> String {
    let made = key.proof_with(jti, |_, claims| {
        claims["htm"] = json!(method);
        claims["htu"] = json!(url);
        claims["iat"] = json!(clock::now().0);
        if let Some(token) = token {
            claims["ath"] = json!(Hash32::of(&[token.as_bytes()]).to_string());
        }
    });
    made.jwt
}

fn token_url() -> String {
    format!("{ISSUER}/token")
}

pub(super) fn redeem(code: &str, key: &Pair, jti: &str) -> TestRequest {
    form(
        "/token",
        &[
            ("grant_type", "authorization_code"),
            ("client_id", "app"),
            ("code", code),
            ("redirect_uri", "http://127.0.0.1:7777/cb"),
            ("code_verifier", VERIFIER),
            ("audience", API),
        ],
    )
    .insert_header(("dpop", proof(key, jti, "POST", &token_url(), None)))
}

/// Signs emma in and gets the code.
pub(super) async fn code(world: &World, idp: &Idp) -> String {
    let mut browser = Browser::new(world);
    let page = browser.sign_in(idp, &request(), "emma", &["staff"]).await;
    let page = browser.get(page.location()).await;
    let done = browser.press(&page, "allow").await;
    parameter(done.location(), "code").unwrap()
}

async fn doors(world: &World, token: &str, proof: &str) -> Got {
    let request = TestRequest::get()
        .uri("/api/v1/doors")
        .insert_header(("authorization", format!("DPoP {token}")))
        .insert_header(("dpop", proof));
    world.ask(request).await
}

/// R9200-5.8-01
#[actix_web::test]
async fn an_app_lists_its_persons_doors_and_refreshes_for_one() {
    let idp = Idp::start();
    let world = World::new(vec![idp.provider()]).await;
    let key = Pair::new(5);
    let code = code(&world, &idp).await;
    let got = world.ask(redeem(&code, &key, "r1")).await;
    assert_eq!(got.status, 200, "{} {}", got.text(), world.last_entry());
    let body = got.json();
    assert_eq!(body["token_type"], "DPoP");
    let token = body["access_token"].as_str().unwrap();
    let url = format!("{API}/doors");
    let got = doors(&world, token, &proof(&key, "d1", "GET", &url, Some(token))).await;
    assert_eq!(got.status, 200, "{}", got.text());
    let list = got.json();
    let states: Vec<(&str, &str)> =
        list.as_array().unwrap().iter().map(|d| (d["name"].as_str().unwrap(), d["state"].as_str().unwrap())).collect();
    assert_eq!(states, [("front", "granted"), ("side", "available")], "not the server room");
    let front: &Value = &list[0];
    assert_eq!(front["audience"], "urn:latchwork:lock:front");
    assert_eq!(front["address"], "127.0.0.1:5683");
    assert_eq!(front["as_uri"], "https://as.example/token");
    assert_eq!(front["profile"], "coap_oscore");

    let refresh = form(
        "/token",
        &[
            ("grant_type", "refresh_token"),
            ("client_id", "app"),
            ("refresh_token", body["refresh_token"].as_str().unwrap()),
            ("audience", "urn:latchwork:lock:front"),
        ],
    )
    .insert_header(("dpop", proof(&key, "r2", "POST", &token_url(), None)));
    let got = world.ask(refresh).await;
    assert_eq!(got.status, 200, "{} {}", got.text(), world.last_entry());
    assert_eq!(got.json()["token_type"], "PoP");
    for secret in ["access_token", "refresh_token"] {
        assert!(!world.entries().contains(body[secret].as_str().unwrap()), "{secret} in the log");
    }
}

/// What the list says of a lock is what `/token` then gives for it: EDHOC with a lock that has a key and can read what comes in EAD_3.
#[actix_web::test]
async fn a_door_is_listed_by_what_its_lock_can_do() {
    let idp = Idp::start();
    let world = World::new(vec![idp.provider()]).await;
    let key = Pair::new(5);
    let ccs = base64url(&crate::core::testing::ccs(&Pair::new(77).public()).0);
    let enrolment = json!({ "replace": true, "credential": ccs });
    assert_eq!(world.ask(admin("locks/front/enroll", &enrolment)).await.status, 201);
    let code = code(&world, &idp).await;
    let got = world.ask(redeem(&code, &key, "r1")).await.json();
    let token = got["access_token"].as_str().unwrap();
    let url = format!("{API}/doors");
    for (jti, tokens, expected) in [
        ("1", json!({}), Some("coap_edhoc_oscore")),
        ("2", json!({ "form": "reference" }), Some("coap_oscore")),
        ("3", json!({ "profiles": ["coap_oscore", "coap_dtls"] }), Some("coap_oscore")),
        ("4", json!({ "profiles": ["coap_edhoc_oscore"] }), Some("coap_edhoc_oscore")),
        ("5", json!({ "profiles": ["coap_edhoc_oscore"], "form": "reference" }), None),
    ] {
        let declared = json!({ "lock": [{ "name": "front", "tokens": tokens }] });
        assert_eq!(world.ask(admin("apply", &declared)).await.status, 200);
        let got = doors(&world, token, &proof(&key, jti, "GET", &url, Some(token))).await.json();
        let front = got.as_array().unwrap().iter().find(|door| door["name"] == "front");
        assert_eq!(front.map(|door| door["profile"].as_str().unwrap()), expected, "{tokens}");
    }
}

/// R6749-7-01, R9700-4.3.2-01, R9449-6-01, R9449-7-01, R9449-7.1-01, R9449-7.2-01, R9449-10-01
#[actix_web::test]
async fn who_may_not_list_doors() {
    let idp = Idp::start();
    let world = World::new(vec![idp.provider()]).await;
    let (key, thief) = (Pair::new(5), Pair::new(6));
    let code = code(&world, &idp).await;
    assert_eq!(world.ask(redeem(&code, &thief, "t1")).await.json()["error"], "invalid_grant", "a stolen code");
    let body = world.ask(redeem(&code, &key, "r1")).await.json();
    let token = body["access_token"].as_str().unwrap();
    let url = format!("{API}/doors");
    let used = proof(&key, "used", "GET", &url, Some(token));
    assert_eq!(doors(&world, token, &used).await.status, 200);
    for (what, token, proof) in [
        ("replayed", token, used),
        ("another key", token, proof(&thief, "a", "GET", &url, Some(token))),
        ("no ath", token, proof(&key, "b", "GET", &url, None)),
        ("another token's ath", token, proof(&key, "c", "GET", &url, Some("x"))),
        ("another method", token, proof(&key, "d", "POST", &url, Some(token))),
        ("another URL", token, proof(&key, "e", "GET", &token_url(), Some(token))),
        ("no token", "x", proof(&key, "f", "GET", &url, Some("x"))),
        ("a refresh token", body["refresh_token"].as_str().unwrap(), proof(&key, "g", "GET", &url, Some(token))),
    ] {
        let got = doors(&world, token, &proof).await;
        assert_eq!(got.status, 401, "{what}");
        assert!(got.header("www-authenticate").unwrap().starts_with("DPoP"), "{what}");
    }
    for bare in [
        TestRequest::get().uri("/api/v1/doors"),
        TestRequest::get().uri("/api/v1/doors").insert_header(("authorization", format!("Bearer {token}"))),
    ] {
        assert_eq!(world.ask(bare).await.status, 401);
    }
    // A revoked grant ends it at once.
    let (grant, _) = world.shell.records.all::<Grant>().await.unwrap().remove(0);
    world.shell.records.commit(&[Change::delete(Key::Grant(grant.id))]).await.unwrap();
    let got = doors(&world, token, &proof(&key, "z", "GET", &url, Some(token))).await;
    assert_eq!(got.status, 401);
    assert_eq!(world.ask(redeem(&code, &key, "r2")).await.json()["error"], "invalid_grant", "a code used before");
}

/// A client that was removed and one that gets its name are two.
#[actix_web::test]
async fn a_removed_apps_grants_go_with_it() {
    let idp = Idp::start();
    let world = World::new(vec![idp.provider()]).await;
    let key = Pair::new(5);
    let code = code(&world, &idp).await;
    let got = world.ask(redeem(&code, &key, "r1")).await.json();
    let token = got["refresh_token"].as_str().unwrap().to_owned();
    let gone = TestRequest::delete()
        .uri("/admin/api/v1/clients/app")
        .insert_header(("authorization", format!("Bearer {ADMIN}")));
    assert_eq!(world.ask(gone).await.status, 204);
    let refresh = |jti: &str| {
        form(
            "/token",
            &[("grant_type", "refresh_token"), ("client_id", "app"), ("refresh_token", &token), ("audience", API)],
        )
        .insert_header(("dpop", proof(&key, jti, "POST", &token_url(), None)))
    };
    assert_eq!(world.ask(refresh("r2")).await.json()["error"], "invalid_client");
    let again = json!({ "client": [{ "id": "app", "kind": "native", "redirect_uris": ["http://127.0.0.1/cb"] }] });
    assert_eq!(world.ask(admin("apply", &again)).await.status, 200);
    assert_eq!(world.ask(refresh("r3")).await.json()["error"], "invalid_grant");
}
