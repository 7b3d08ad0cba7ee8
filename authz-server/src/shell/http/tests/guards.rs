//! What a client gets that asks too much, too slowly or in the wrong way, and the line that is left of it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::*;
use crate::shell::http::{self, Times};

const OAUTH: [&str; 5] = ["/token", "/par", "/revoke", "/introspect", "/device_authorization"];

#[actix_web::test]
async fn a_long_body_is_refused_in_oauth_s_words() {
    let world = World::new(Vec::new()).await;
    let long = || "x".repeat(64 << 10);
    for path in OAUTH {
        let lines = world.entries().lines().count();
        let got = world.ask(form(path, &[("grant_type", &long())])).await;
        assert_eq!((got.status.as_u16(), got.json()), (413, json!({ "error": "invalid_request" })), "{path}");
        assert_eq!(got.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(world.entries().lines().count(), lines + 1, "{path}");
        let entry = world.last_entry();
        assert_eq!((&entry["error"], &entry["reason"]), (&json!("invalid_request"), &json!("the body is too long")));
        let got = world.ask(form(path, &[("x", &long())]).insert_header(("accept", "application/ace+cbor"))).await;
        assert_eq!(got.status, 413);
        assert_eq!(latchwork_ace::ErrorResponse::decode(&got.body).unwrap().error.0, 1, "{path}");
    }
    let got = world.ask(admin("revoke", &json!({ "client": "x".repeat(9 << 20) }))).await;
    assert_eq!((got.status.as_u16(), got.json()["error"].is_string()), (422, true), "{}", got.text());
}

/// R6749-5.2-01
#[actix_web::test]
async fn what_is_no_form_is_refused_everywhere() {
    let world = World::new(Vec::new()).await;
    for path in OAUTH {
        for (what, kind, body) in [
            ("JSON where a form is due", "application/json", r#"{"token":"x"}"#),
            ("no content type", "", "token=x"),
            ("text", "text/plain", "token=x"),
            ("a multipart form", "multipart/form-data; boundary=x", "--x\r\n\r\n--x--"),
            ("a parameter twice", "application/x-www-form-urlencoded", "token=x&token=x&client_id=app"),
            ("a client twice", "application/x-www-form-urlencoded", "token=x&client_id=app&client_id=robot"),
            ("bytes that are no UTF-8", "application/x-www-form-urlencoded", "token=%ff&client_id=app"),
            ("a percent sign alone", "application/x-www-form-urlencoded", "token=%&client_id=app"),
        ] {
            let lines = world.entries().lines().count();
            let mut request = TestRequest::post().uri(path).set_payload(body);
            if !kind.is_empty() {
                request = request.insert_header(("content-type", kind));
            }
            let got = world.ask(request).await;
            assert_eq!(
                (got.status.as_u16(), got.json()),
                (400, json!({ "error": "invalid_request" })),
                "{path} {what}"
            );
            assert_eq!(world.entries().lines().count(), lines + 1, "{path} {what}");
        }
    }
}

/// Every answer, whoever gets it, tells browsers to keep it to themselves.
#[actix_web::test]
async fn every_answer_has_its_security_headers() {
    let world = World::new(Vec::new()).await;
    for uri in [
        "/.well-known/oauth-authorization-server",
        "/jwks.json",
        "/keys",
        "/healthz",
        "/readyz",
        "/style.css",
        "/authorize",
        "/authorize/abcdefgh",
        "/callback/nobody",
        "/approvals",
        "/api/v1/doors",
        "/api/v1/grants",
        "/admin/api/v1/clients",
        "/trl",
        "/token",
        "/nothing",
    ] {
        let got = world.ask(TestRequest::get().uri(uri)).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(got.header(name), Some(value), "{uri}");
        }
        assert!(got.header("cache-control").is_some(), "{uri}");
        let policy = got.header("content-security-policy").unwrap();
        for directive in ["default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"] {
            assert!(policy.contains(directive), "{uri}: {policy}");
        }
        assert!(!policy.contains("inline") && !policy.contains("eval"), "{uri}: {policy}");
    }
}

/// Whether a client is registered, and how it authenticates, is nobody's business: whoever guesses hears the same of every name, and
/// waits as long.
#[actix_web::test]
async fn nobody_hears_which_clients_there_are() {
    // It stands still: how long somebody has to wait must not depend on how long the test takes.
    let world = World::at(|| crate::core::testing::NOW).await;
    assert_eq!(world.ask(admin("apply", &building("https://idp.example"))).await.status, 200);
    let more = json!({ "client": [
        { "id": "floor", "kind": "resource_server", "secret": SECRET, "locks": ["front"] },
        { "id": "signer", "kind": "confidential", "keys": [{ "key": crate::core::testing::Pair::new(5).public() }] },
        { "id": "mower", "kind": "confidential", "oscore": true },
    ], "oscore": [
        { "client": "mower", "client_sender_id": "01", "server_sender_id": "02", "master_secret": "00".repeat(16) },
    ] });
    let got = world.ask(admin("apply", &more)).await;
    assert_eq!(got.status, 200, "{}", got.text());
    let assertion =
        |id: &str| crate::core::testing::Pair::new(6).assertion_with(id, |_, claims| claims["aud"] = ISSUER.into());
    for path in ["/token", "/par", "/revoke", "/introspect"] {
        for way in ["secret", "basic", "assertion"] {
            let mut heard = Vec::new();
            for id in ["nobody", "robot", "floor", "signer", "mower", "app"] {
                *world.shell.throttle.lock().unwrap() = Throttle::new(Rates { per_address: 0, per_client: 0 });
                let mut answers = Vec::new();
                for _ in 0..12 {
                    let mut pairs = vec![("grant_type", "client_credentials"), ("token", "x")];
                    let jwt = assertion(id);
                    match way {
                        "secret" => pairs.extend([("client_id", id), ("client_secret", "a guess")]),
                        "assertion" => {
                            pairs.extend([("client_assertion_type", JWT_BEARER), ("client_assertion", &jwt)])
                        }
                        _ => {}
                    }
                    let mut request = form(path, &pairs);
                    if way == "basic" {
                        request = request.insert_header(("authorization", base64_of(id)));
                    }
                    let got = world.ask(request).await;
                    let fields: BTreeMap<String, String> = got
                        .headers
                        .iter()
                        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                        .collect();
                    answers.push((got.status.as_u16(), got.text(), fields));
                }
                assert_eq!(answers[0].0, 401, "{path} {way} {id}: {}", answers[0].1);
                assert_eq!(answers[11].0, 429, "{path} {way} {id}: whoever guesses waits");
                heard.push((id, answers));
            }
            for (id, answers) in &heard {
                assert_eq!(answers, &heard[0].1, "{path} {way}: {id} is not as nobody");
            }
        }
    }
}

fn base64_of(id: &str) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{id}:a guess")))
}

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What a client says to a server with short patience, and how the answer begins.
async fn says(address: SocketAddr, parts: Vec<Vec<u8>>) -> String {
    let talk = move || {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        for part in parts {
            // The server may have hung up already.
            let _ = socket.write_all(&part);
        }
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = socket.read(&mut buffer) {
            answer.extend_from_slice(&buffer[..read]);
            if answer.ends_with(b"}") || answer.ends_with(b"\r\n\r\n") {
                break;
            }
        }
        String::from_utf8_lossy(&answer).into_owned()
    };
    tokio::task::spawn_blocking(talk).await.unwrap()
}

#[actix_web::test]
async fn who_is_slow_or_says_too_much_is_cut_off() {
    let world = World::new(Vec::new()).await;
    let times = Times { head: Duration::from_millis(1000), body: Duration::from_millis(2000) };
    let (address, listeners) = plain(1, times);
    let running = http::serve(Arc::clone(&world.shell), listeners).unwrap();
    let handle = running.handle();
    actix_web::rt::spawn(running);
    let head = "POST /token HTTP/1.1\r\nhost: as.example\r\ncontent-type: application/x-www-form-urlencoded\r\n";
    for (what, said, status, line) in [
        ("half a head", "POST /tok".to_owned(), "408", None),
        (
            "half a body",
            format!("{head}content-length: 100\r\n\r\ngrant"),
            "408",
            Some("the body did not come in time"),
        ),
        (
            "a body that says it is long",
            format!("{head}content-length: 1000000\r\n\r\ngrant"),
            "413",
            Some("the body is too long"),
        ),
        (
            "a body that is long and does not say so",
            format!("{head}transfer-encoding: chunked\r\n\r\n5000\r\n{}\r\n0\r\n\r\n", "x".repeat(0x5000)),
            "413",
            Some("the body is too long"),
        ),
        ("a broken chunk", format!("{head}transfer-encoding: chunked\r\n\r\nxyz\r\n"), "400", None),
        ("two lengths", format!("{head}content-length: 1\r\ncontent-length: 2\r\n\r\nx"), "400", None),
        ("a long field", format!("{head}x: {}\r\n\r\n", "x".repeat(40_000)), "431", None),
        ("an endless field", format!("{head}x: {}", "x".repeat(140_000)), "431", None),
        ("many fields", format!("{head}{}\r\n", "x: y\r\n".repeat(200)), "4", None),
    ] {
        let got = says(address, vec![said.into_bytes()]).await;
        assert!(got.starts_with(&format!("HTTP/1.1 {status}")), "{what}: {got:?}");
        if let Some(reason) = line {
            assert!(got.ends_with(r#"{"error":"invalid_request"}"#), "{what}: {got:?}");
            assert_eq!(world.last_entry()["reason"], reason, "{what}");
        }
    }
    handle.stop(false).await;
}
