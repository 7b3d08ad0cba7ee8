//! `/introspect` over HTTP: who hears what of which token, in both faces.

use std::cell::Cell;

use actix_web::http::Method;
use base64::Engine as _;
use latchwork_ace::introspection::{Hint, IntrospectionRequest, IntrospectionResponse};
use latchwork_ace::registry::{Profile, TokenType};
use latchwork_ace::{Cnf, ErrorResponse};

use super::*;
use crate::core::bytes::from_base64url;
use crate::core::testing::Pair;

thread_local! {
    static NOW: Cell<i64> = const { Cell::new(START) };
}

fn now() -> Timestamp {
    Timestamp(NOW.get())
}

fn at(seconds: i64) {
    NOW.set(seconds);
}

/// The building, with resource servers for the front and the side door, and locks that want MACs (side) or references (vault).
async fn world() -> World {
    at(START);
    let world = World::at(now).await;
    let mut building = building("https://idp.example");
    for client in [
        json!({ "id": "rs", "kind": "resource_server", "secret": SECRET, "locks": ["front", "vault"] }),
        json!({ "id": "rs-side", "kind": "resource_server", "secret": SECRET, "locks": ["side"] }),
        json!({ "id": "rs-key", "kind": "resource_server", "keys": [{ "key": Pair::new(5).public() }], "locks": ["front"] }),
    ] {
        building["client"].as_array_mut().unwrap().push(client);
    }
    building["lock"][2]["tokens"] = json!({ "form": "reference" });
    building["door"][2]["zone"] = "office".into();
    let got = world.ask(admin("apply", &building)).await;
    assert_eq!(got.status, 200, "{}", got.text());
    for lock in ["front", "vault", "side"] {
        assert_eq!(world.ask(admin(&format!("locks/{lock}/enroll"), &json!({}))).await.status, 201, "{lock}");
    }
    world
}

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}")))
}

/// A robot's token for a door, and the whole answer that it came in.
async fn minted(world: &World, door: &str) -> (String, Value) {
    let audience = format!("urn:latchwork:lock:{door}");
    let asked = [("grant_type", "client_credentials"), ("audience", &audience), ("scope", "door:open")];
    let got = world.ask(form("/token", &asked).insert_header(("authorization", basic("robot", SECRET)))).await;
    assert_eq!(got.status, 200, "{} {}", got.text(), world.last_entry());
    let body = got.json();
    (body["access_token"].as_str().unwrap().to_owned(), body)
}

async fn by_form(world: &World, who: &str, pairs: &[(&str, &str)]) -> Got {
    world.ask(form("/introspect", pairs).insert_header(("authorization", basic(who, SECRET)))).await
}

fn in_cbor(payload: Vec<u8>) -> TestRequest {
    TestRequest::post().uri("/introspect").insert_header(("content-type", ACE)).set_payload(payload)
}

fn question(token: &[u8], hint: Option<Hint<'_>>) -> Vec<u8> {
    let mut out = vec![0; token.len() + 64];
    IntrospectionRequest { token, hint }.encode(&mut out).unwrap().to_vec()
}

async fn by_cbor(world: &World, who: &str, token: &[u8]) -> Got {
    world.ask(in_cbor(question(token, None)).insert_header(("authorization", basic(who, SECRET)))).await
}

/// The same told in JSON and in CBOR, of a token that says so itself and of a reference, whatever the hint.
/// R7662-2.1-01, R7662-2.2-01, R9200-5.9-01, R9200-5.9-03, R9200-5.9.2-04, R9200-5.9.4-01, R9201-4-01, R9201-5-01
#[actix_web::test]
async fn a_good_token_is_told_with_its_key() {
    let world = world().await;
    for door in ["front", "vault"] {
        let (token, issued) = minted(&world, door).await;
        for hint in [
            &[][..],
            &[("token_type_hint", "access_token")],
            &[("token_type_hint", "refresh_token")],
            &[("token_type_hint", "x")],
        ] {
            let pairs: Vec<_> = [("token", &*token)].into_iter().chain(hint.iter().copied()).collect();
            let got = by_form(&world, "rs", &pairs).await;
            assert_eq!((got.status.as_u16(), got.header("content-type")), (200, Some("application/json")), "{hint:?}");
            assert_eq!(got.header("cache-control"), Some("no-store"));
            let told = got.json();
            assert_eq!(
                (&told["active"], &told["client_id"], &told["token_type"], &told["aud"]),
                (&json!(true), &json!("robot"), &json!("PoP"), &json!(format!("urn:latchwork:lock:{door}"))),
                "{told}"
            );
            assert_eq!(
                (&told["iss"], &told["iat"], &told["exp"]),
                (&json!(ISSUER), &json!(START), &json!(START + LIFE))
            );
            assert_eq!((&told["cnf"], &told["ace_profile"]), (&issued["cnf"], &json!("coap_oscore")), "{door}");
        }
        let bytes = from_base64url(&token).unwrap();
        for hint in [None, Some(Hint::Text("refresh_token")), Some(Hint::Number(9))] {
            let asked = in_cbor(question(&bytes, hint)).insert_header(("authorization", basic("rs", SECRET)));
            let got = world.ask(asked).await;
            assert_eq!((got.status.as_u16(), got.header("content-type")), (200, Some(ACE)), "{hint:?}");
            let told = IntrospectionResponse::decode(&got.body).unwrap();
            assert_eq!((told.active, told.client_id, told.token_type), (true, Some("robot"), Some(TokenType::POP)));
            let Some(Cnf::Osc(osc)) = told.claims.cnf else { panic!("{told:?}") };
            assert_eq!(crate::core::bytes::base64url(osc.ms), issued["cnf"]["osc"]["ms"]);
            assert_eq!(told.claims.ace_profile, Some(Profile::COAP_OSCORE));
        }
        let entry = world.last_entry();
        assert_eq!(
            (&entry["event"], &entry["client"], &entry["active"], &entry["face"]),
            (&json!("introspection"), &json!("rs"), &json!(true), &json!("cbor_http"))
        );
        let hash = Hash32::of(&[token.as_bytes()]).to_string();
        assert_eq!((&entry["token"], &entry["audience"]), (&json!(hash), &issued_audience(door)));
        for secret in [&token, issued["cnf"]["osc"]["ms"].as_str().unwrap(), SECRET] {
            assert!(!world.entries().contains(secret), "a secret in the log");
        }
    }
}

fn issued_audience(door: &str) -> Value {
    json!(format!("urn:latchwork:lock:{door}"))
}

/// Whatever is wrong with it, the answer is the same, byte for byte, and only the log says why.
/// R7662-2.2-01, R7662-2.2-02, R7662-2.2-03, R7662-4-01, R7662-5-01, R9200-5.9-02, R9200-5.9.3-04
#[actix_web::test]
async fn what_is_not_good_is_not_told_why() {
    let world = world().await;
    let (token, _) = minted(&world, "front").await;
    let (side, _) = minted(&world, "side").await;
    let (reference, _) = minted(&world, "vault").await;
    let (revoked, _) = minted(&world, "front").await;
    let ended = world
        .ask(form("/revoke", &[("token", &revoked)]).insert_header(("authorization", basic("robot", SECRET))))
        .await;
    assert_eq!(ended.status, 200);
    let mut flipped = from_base64url(&token).unwrap();
    *flipped.last_mut().unwrap() ^= 1;
    let flipped = crate::core::bytes::base64url(&flipped);
    for (what, who, token, moment, why) in [
        ("another lock's", "rs-side", &*token, START, "not for this resource server"),
        ("another lock's reference", "rs-side", &reference, START, "not for this resource server"),
        ("of a lock beside its own", "rs", &side, START, "not for this resource server"),
        ("expired", "rs", &token, START + LIFE, "expired"),
        ("an expired reference", "rs", &reference, START + LIFE, "expired"),
        ("revoked", "rs", &revoked, START, "revoked"),
        ("a bit flipped", "rs", &flipped, START, "unknown token"),
        ("nobody's", "rs", "AAAA", START, "unknown token"),
        ("no base64url", "rs", "?!", START, "unknown token"),
        ("a client's secret", "rs", SECRET, START, "unknown token"),
    ] {
        at(moment);
        let got = by_form(&world, who, &[("token", token)]).await;
        assert_eq!((got.status.as_u16(), &got.text()[..]), (200, r#"{"active":false}"#), "{what}");
        let entry = world.last_entry();
        assert_eq!((&entry["active"], &entry["reason"]), (&json!(false), &json!(why)), "{what}");
        if let Some(bytes) = from_base64url(token) {
            let got = by_cbor(&world, who, &bytes).await;
            assert_eq!((got.status.as_u16(), &got.body[..]), (200, &[0xa1, 10, 0xf4][..]), "{what}");
            assert_eq!(world.last_entry()["reason"], why, "{what}");
        }
        // The clock set back by an hour: who was good stays good, and who was over is judged by the clock there is.
        at(START);
    }
    let (late, _) = minted(&world, "front").await;
    at(START - 3_600);
    assert_eq!(by_form(&world, "rs", &[("token", &late)]).await.json()["active"], true, "the clock was set back");
    at(START + LIFE);
    assert_eq!(by_form(&world, "rs", &[("token", &late)]).await.json()["active"], false);
}

/// R7662-2-01, R7662-2.1-02, R7662-2.3-01, R7662-4-02, R7662-4-03, R9200-5.9.3-02, R9200-5.9.3-03
#[actix_web::test]
async fn who_hears_nothing() {
    let world = world().await;
    let (token, _) = minted(&world, "front").await;
    let good = encoded(&[("token", &token)]);
    let rs = || Some(basic("rs", SECRET));
    let float = vec![0xa1, 11, 0xf9, 0x40, 0x00];
    let bytes = question(&from_base64url(&token).unwrap(), None);
    let twice = [&[0xa2, 11, 0x41, 1][..], &[11, 0x41, 1]].concat();
    for (what, kind, authorization, body, status, error) in [
        ("no credential", FORM, None, good.clone().into_bytes(), 401, Some("invalid_client")),
        ("no credential, in CBOR", ACE, None, bytes.clone(), 401, Some("2")),
        ("a wrong secret", FORM, Some(basic("rs", "guess")), good.clone().into_bytes(), 401, Some("invalid_client")),
        (
            "an unknown client",
            FORM,
            Some(basic("nobody", SECRET)),
            good.clone().into_bytes(),
            401,
            Some("invalid_client"),
        ),
        (
            "a bearer token",
            FORM,
            Some(format!("Bearer {token}")),
            good.clone().into_bytes(),
            401,
            Some("invalid_client"),
        ),
        ("a name alone", FORM, None, format!("{good}&client_id=rs").into_bytes(), 401, Some("invalid_client")),
        ("an app", FORM, None, format!("{good}&client_id=app").into_bytes(), 401, Some("invalid_client")),
        ("no resource server", FORM, Some(basic("robot", SECRET)), good.clone().into_bytes(), 403, None),
        ("no resource server, in CBOR", ACE, Some(basic("robot", SECRET)), bytes.clone(), 403, None),
        (
            "two ways at once",
            FORM,
            rs(),
            format!("{good}&client_id=rs&client_secret=x").into_bytes(),
            400,
            Some("invalid_request"),
        ),
        ("no token", FORM, rs(), b"token_type_hint=access_token".to_vec(), 400, Some("invalid_request")),
        ("an empty token", FORM, rs(), b"token=".to_vec(), 400, Some("invalid_request")),
        ("two tokens", FORM, rs(), format!("{good}&{good}").into_bytes(), 400, Some("invalid_request")),
        ("JSON", "application/json", rs(), b"{}".to_vec(), 400, Some("invalid_request")),
        ("CBOR that is none", ACE, rs(), b"token".to_vec(), 400, Some("1")),
        ("no token in CBOR", ACE, rs(), vec![0xa0], 400, Some("1")),
        ("a text for a token", ACE, rs(), vec![0xa1, 11, 0x61, b'x'], 400, Some("1")),
        ("a float for a token", ACE, rs(), float, 400, Some("1")),
        ("a token twice", ACE, rs(), twice, 400, Some("1")),
        ("64 KiB", FORM, rs(), [b"token=".to_vec(), vec![b'A'; 64 << 10]].concat(), 413, None),
        ("64 KiB in CBOR", ACE, rs(), question(&vec![0; 64 << 10], None), 413, None),
    ] {
        let mut request =
            TestRequest::post().uri("/introspect").insert_header(("content-type", kind)).set_payload(body);
        if let Some(authorization) = authorization {
            request = request.insert_header(("authorization", authorization));
        }
        let got = world.ask(request).await;
        assert_eq!(got.status.as_u16(), status, "{what}: {}", got.text());
        match error {
            Some(error) if kind == ACE => {
                assert_eq!(ErrorResponse::decode(&got.body).unwrap().error.0.to_string(), error, "{what}");
            }
            Some(error) => assert_eq!(got.json(), json!({ "error": error }), "{what}"),
            None if status == 403 => assert_eq!((got.body.len(), got.header("content-type")), (0, None), "{what}"),
            None => {}
        }
        assert_eq!(got.header("www-authenticate").is_some(), status == 401, "{what}");
        if status != 413 {
            assert!(world.last_entry()["reason"].is_string(), "{what}: {}", world.last_entry());
        }
        assert!(!got.text().contains("active"), "{what}");
    }
    for (method, query) in [(Method::GET, "?token=x"), (Method::PUT, ""), (Method::DELETE, "")] {
        let request = TestRequest::with_uri(&format!("/introspect{query}")).method(method.clone());
        let got = world.ask(request.insert_header(("authorization", basic("rs", SECRET)))).await;
        assert!(got.status.is_client_error(), "{method}: no token belongs into a URL");
    }
}

/// By the same means as any client, each once. R7662-2.1-02
#[actix_web::test]
async fn a_resource_server_shows_itself_with_its_key() {
    let world = world().await;
    let (token, _) = minted(&world, "front").await;
    let jwt = Pair::new(5).assertion_with("rs-key", |_, claims| {
        claims["aud"] = ISSUER.into();
        claims["iat"] = START.into();
        claims["exp"] = (START + 60).into();
    });
    let asked = [
        ("token", &*token),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", &jwt),
    ];
    let got = world.ask(form("/introspect", &asked)).await;
    assert_eq!((got.status.as_u16(), &got.json()["active"]), (200, &json!(true)), "{}", world.last_entry());
    let again = world.ask(form("/introspect", &asked)).await;
    assert_eq!((again.status.as_u16(), &again.json()["error"]), (401, &json!("invalid_client")), "replayed");
    assert_eq!(world.last_entry()["outcome"], "refused", "{}", world.last_entry());
}

/// Guessing waits here as it does at `/token`.
#[actix_web::test]
async fn guessing_is_slowed() {
    let world = World::with_rates(Rates { per_address: 5, per_client: 0 }).await;
    let mut got = by_form(&world, "nobody", &[("token", "x")]).await;
    assert_eq!(got.status, 401);
    for _ in 0..8 {
        got = by_form(&world, "nobody", &[("token", "x")]).await;
    }
    assert!(got.status == 429 && got.header("retry-after").is_some(), "{} {}", got.status, got.text());
}

const START: i64 = 1_800_000_000;
/// Of a lock's tokens, by default.
const LIFE: i64 = 8 * 3_600;
const FORM: &str = "application/x-www-form-urlencoded";
const ACE: &str = "application/ace+cbor";
