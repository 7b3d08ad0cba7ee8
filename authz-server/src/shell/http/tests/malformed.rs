//! What cannot be read, at every endpoint that is posted to: the error that the endpoint's RFC defines, one line in the audit log, and
//! nothing kept. However deep it is, nothing of ours recurses over it.

use actix_web::http::Method;
use base64::Engine as _;
use latchwork_ace::introspection::IntrospectionRequest;
use latchwork_ace::{ErrorResponse, TokenRequest};

use super::*;
use crate::core::bytes::base64url;
use crate::core::records::{Grant, TokenRecord};
use crate::shell::tests::garbage;

const FRONT: &str = "urn:latchwork:lock:front";

fn basic() -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("robot:{SECRET}")))
}

fn posted(path: &str, kind: &str, authorization: &str, body: Vec<u8>) -> TestRequest {
    TestRequest::post()
        .uri(path)
        .insert_header(("content-type", kind))
        .insert_header(("authorization", authorization))
        .set_payload(body)
}

/// What a refusal must not have changed.
async fn kept(world: &World) -> (usize, usize, usize) {
    let records = &world.shell.records;
    let clients = records.all::<Client>().await.unwrap().len();
    (clients, records.all::<TokenRecord>().await.unwrap().len(), records.all::<Grant>().await.unwrap().len())
}

/// R9200-5.8.3-02, R9200-5.9.3-01
#[actix_web::test]
async fn cbor_that_is_none() {
    let world = World::new(Vec::new()).await;
    let mut room = [0; 256];
    let request = TokenRequest {
        audience: Some(FRONT),
        scope: Some(latchwork_ace::Scope::Text("door:open")),
        ..Default::default()
    };
    let request = request.encode(&mut room).unwrap().to_vec();
    let question = IntrospectionRequest { token: b"a token", hint: None }.encode(&mut room).unwrap().to_vec();
    for (path, good, status) in [("/token", request, 200), ("/introspect", question, 403)] {
        let before = kept(&world).await;
        for (what, body) in garbage::cbor(&good) {
            let lines = world.entries().lines().count();
            let got = world.ask(posted(path, "application/ace+cbor", &basic(), body)).await;
            assert_eq!(got.status, 400, "{path}, {what}");
            assert_eq!(got.header("content-type"), Some("application/ace+cbor"), "{path}, {what}");
            let error = ErrorResponse::decode(&got.body).unwrap();
            assert_eq!((error.error.0, error.description), (1, None), "{path}, {what}: invalid_request");
            assert_eq!(world.entries().lines().count(), lines + 1, "{path}, {what}");
            let entry = world.last_entry();
            assert_eq!((&entry["face"], &entry["error"]), (&json!("cbor_http"), &json!("invalid_request")), "{what}");
        }
        assert_eq!(kept(&world).await, before, "{path}");
        let got = world.ask(posted(path, "application/ace+cbor", &basic(), good)).await;
        assert_eq!(got.status, status, "{path}: what the rows begin with is a message");
    }
}

/// JSON inside of forms and headers: a key, an assertion, a proof.
#[actix_web::test]
async fn json_within_a_form_that_is_none() {
    let world = World::new(Vec::new()).await;
    let before = kept(&world).await;
    let deep = "[".repeat(10_000);
    let form = "application/x-www-form-urlencoded";
    let asked = format!("grant_type=client_credentials&audience={FRONT}&scope=door:open");
    let assertion = |jwt: String| {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        format!("{asked}&client_id=robot&client_assertion_type={kind}&client_assertion={jwt}")
    };
    let jws =
        |header: &str, claims: &str| format!("{}.{}.AA", base64url(header.as_bytes()), base64url(claims.as_bytes()));
    let header = r#"{"typ":"dpop+jwt","alg":"ES256"}"#;
    for (what, body, authorization, proof, status, error) in [
        ("a deep key", format!("{asked}&req_cnf={deep}"), basic(), None, 400, "invalid_request"),
        ("one in a member", format!("{asked}&req_cnf={{\"jwk\":{deep}"), basic(), None, 400, "invalid_request"),
        ("no JSON as a key", format!("{asked}&req_cnf=x"), basic(), None, 400, "invalid_request"),
        ("an assertion with a deep header", assertion(jws(&deep, "{}")), String::new(), None, 401, "invalid_client"),
        (
            "one with deep claims",
            assertion(jws(r#"{"alg":"ES256"}"#, &deep)),
            String::new(),
            None,
            401,
            "invalid_client",
        ),
        ("a proof with a deep header", asked.clone(), basic(), Some(jws(&deep, "{}")), 400, "invalid_dpop_proof"),
        ("one with deep claims", asked.clone(), basic(), Some(jws(header, &deep)), 400, "invalid_dpop_proof"),
        ("no JWT as a proof", asked.clone(), basic(), Some("x".into()), 400, "invalid_dpop_proof"),
    ] {
        let lines = world.entries().lines().count();
        let mut request = TestRequest::post().uri("/token").insert_header(("content-type", form)).set_payload(body);
        if !authorization.is_empty() {
            request = request.insert_header(("authorization", authorization));
        }
        if let Some(proof) = proof {
            request = request.insert_header(("dpop", proof));
        }
        let got = world.ask(request).await;
        assert_eq!(
            (got.status.as_u16(), &got.json()["error"]),
            (status, &json!(error)),
            "{what}: {}",
            world.last_entry()
        );
        assert_eq!(world.entries().lines().count(), lines + 1, "{what}");
        assert_eq!(world.last_entry()["error"], error, "{what}");
    }
    assert_eq!(kept(&world).await, before);
}

/// RFC 7591 §3.2.2: invalid_client_metadata, whatever is wrong with the document. A member that nobody knows is passed over however deep
/// it is, as §2 asks, and is not kept.
#[actix_web::test]
async fn a_registration_that_is_none() {
    let world = World::new(Vec::new()).await;
    let given = world.ask(admin("registration-tokens", &json!({ "uses": 9 }))).await.json();
    let bearer = format!("Bearer {}", given["token"].as_str().unwrap());
    let app = json!({ "token_endpoint_auth_method": "none", "redirect_uris": ["http://127.0.0.1/cb"] });
    let deep = format!("{{\"x\":{}{},{}", "[".repeat(8_000), "]".repeat(8_000), &app.to_string()[1..]);
    let mut made = Value::Null;
    for (what, body) in [("as it should be", app.to_string()), ("with a member that nobody knows", deep)] {
        let got = world.ask(posted("/register", "application/json", &bearer, body.into_bytes())).await;
        assert_eq!(got.status, 201, "{what}: {}", got.text());
        assert!(got.json().get("x").is_none(), "{what}");
        made = got.json();
    }
    let own = format!("Bearer {}", made["registration_access_token"].as_str().unwrap());
    let place = format!("/register/{}", made["client_id"].as_str().unwrap());
    let before = kept(&world).await;
    for (method, path, authorization) in [(Method::POST, "/register", &bearer), (Method::PUT, &place, &own)] {
        for member in ["redirect_uris", "jwks", "client_name"] {
            for (what, body) in garbage::json(member) {
                let lines = world.entries().lines().count();
                let request = posted(path, "application/json", authorization, body).method(method.clone());
                let got = world.ask(request).await;
                assert_eq!(got.status, 400, "{method} {member}, {what}: {}", got.text());
                assert_eq!(got.json()["error"], "invalid_client_metadata", "{method} {member}, {what}");
                assert_eq!(world.entries().lines().count(), lines + 1, "{method} {member}, {what}");
                let entry = world.last_entry();
                assert_eq!((&entry["event"], &entry["outcome"]), (&json!("registration"), &json!("refused")), "{what}");
            }
        }
    }
    assert_eq!(kept(&world).await, before);
}

/// An administrator's mistake is told what it is, changes nothing, and leaves no line: those are for what was done.
#[actix_web::test]
async fn what_an_administrator_posts_that_is_none() {
    let world = World::new(Vec::new()).await;
    let before = kept(&world).await;
    for (path, member) in [
        ("apply", "client"),
        ("apply", "door"),
        ("revoke", "client"),
        ("locks/front/enroll", "credential"),
        ("registration-tokens", "uses"),
        ("clients/robot/admit", "revision"),
    ] {
        for (what, body) in garbage::json(member) {
            let lines = world.entries().lines().count();
            let bearer = format!("Bearer {ADMIN}");
            let got = world.ask(posted(&format!("/admin/api/v1/{path}"), "application/json", &bearer, body)).await;
            assert_eq!(got.status, 422, "{path} {member}, {what}: {}", got.text());
            assert!(got.json()["error"].is_string(), "{path} {member}, {what}");
            assert_eq!(world.entries().lines().count(), lines, "{path} {member}, {what}");
        }
    }
    assert_eq!(kept(&world).await, before);
}

/// The pages of people: a form that is none is a page that says so, and signs nobody in.
#[actix_web::test]
async fn what_a_browser_posts_that_is_none() {
    let world = World::new(Vec::new()).await;
    let before = kept(&world).await;
    for path in ["/authorize/abcdefgh", "/device", "/approvals/abc", "/approvals/sign-out", "/apps/abc"] {
        for (what, kind, body) in [
            ("nothing", "application/x-www-form-urlencoded", Vec::new()),
            ("no form", "application/json", b"{}".to_vec()),
            ("a parameter twice", "application/x-www-form-urlencoded", b"csrf=a&csrf=b&answer=yes".to_vec()),
            ("no UTF-8", "application/x-www-form-urlencoded", b"csrf=%ff&answer=yes".to_vec()),
            ("too much", "application/x-www-form-urlencoded", [&b"csrf="[..], &[b'a'; 20_000]].concat()),
        ] {
            let got = world.ask(posted(path, kind, "", body)).await;
            assert!(matches!(got.status.as_u16(), 303 | 400..=422), "{path}, {what}: {}", got.status);
            assert!(got.cookies().iter().all(|(_, value)| value.is_empty()), "{path}, {what}");
        }
    }
    assert_eq!(kept(&world).await, before);
}
