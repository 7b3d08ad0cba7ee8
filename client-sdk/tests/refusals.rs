//! What servers, browsers and locks can do to an app, and what it makes of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use latchwork_ace::registry::{Alg, Profile};
use latchwork_ace::{Cnf, Hints, authz_info};
use latchwork_client_sdk::{Error, FileStore, Readiness, TokenStore as _};
use latchwork_coap::{Code, Message};
use support::{FRONT, FakeBrowser, FakeServer, OLD, SignedIn, fake_lock, granted, json};

const NO_LOCK: &str = "127.0.0.1:1";

/// A name for what happened, to compare with.
fn name<T>(outcome: &Result<T, Error>) -> String {
    match outcome {
        Ok(_) => "ok".to_owned(),
        Err(Error::Refused(error)) => format!("refused {error}"),
        Err(Error::SignInRefused(error)) => format!("sign-in refused {error}"),
        Err(Error::LockRefused { code }) => format!("lock {code:#x}"),
        Err(Error::Nonsense(_)) => "nonsense".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

const TOKENS: &str = r#"{"access_token":"api","token_type":"DPoP","refresh_token":"r","of_the_future":{"x":1}}"#;

/// R6749-5.1-02, R6749-7.1-01, R6749-10.12-01, R8252-8.9-01, R8252-8.10-01, R9700-2.1-03, R9700-2.1-04,
/// R9700-4.4.2-01, R9207-2.4-01, R9207-2.4-02, R9207-2.4-03, R9449-5-03
#[tokio::test]
async fn answers_to_a_sign_in() {
    for (queries, tokens, expected) in [
        (&["code=c&state=STATE&iss=ISS"][..], TOKENS, "ok"),
        // Another program on the phone is first, and does not know the state (RFC 8252 §8.9).
        (&["code=evil&state=guess&iss=ISS", "code=c&state=STATE&iss=ISS"], TOKENS, "ok"),
        (&["code=c&state=STATE&iss=https://evil.example"], TOKENS, "ForeignAnswer"),
        (&["code=c&state=STATE"], TOKENS, "ForeignAnswer"),
        (&["code=c&error=access_denied&state=STATE&iss=ISS"], TOKENS, "ForeignAnswer"),
        (&["state=STATE&iss=ISS"], TOKENS, "ForeignAnswer"),
        (&["error=access_denied&state=STATE&iss=ISS"], TOKENS, "sign-in refused access_denied"),
        (&["error=access_denied&state=STATE&iss=https://evil.example"], TOKENS, "ForeignAnswer"),
        (
            &["code=c&state=STATE&iss=ISS"],
            r#"{"access_token":"api","token_type":"Bearer","refresh_token":"r"}"#,
            "nonsense",
        ),
        (
            &["code=c&state=STATE&iss=ISS"],
            r#"{"access_token":"api","token_type":"foo","refresh_token":"r"}"#,
            "nonsense",
        ),
        (&["code=c&state=STATE&iss=ISS"], r#"{"access_token":"api","token_type":"DPoP"}"#, "nonsense"),
        (&["code=c&state=STATE&iss=ISS"], "[", "nonsense"),
    ] {
        let server = FakeServer::start(move |request| match request.starts_with("POST /token") {
            true => json(200, tokens),
            false => json(200, "[]"),
        })
        .await;
        let phone = SignedIn::new(&server.issuer, NO_LOCK, Some(OLD));
        let browser = FakeBrowser { issuer: server.issuer.clone(), queries };
        let app = phone.app();
        assert_eq!(name(&app.sign_in(&browser, &[]).await), expected, "{queries:?} {tokens}");
        // Who was signed in stays so until somebody else is.
        assert_eq!(phone.stored().contains("\"first\""), expected != "ok", "{queries:?}");
        if expected.contains("ForeignAnswer") {
            assert_eq!(server.asked().len(), 0, "no code goes out");
        }
        if expected == "ok" {
            assert!(server.asked()[0].contains("code=c&"), "{:?}", server.asked());
        }
    }
}

/// R9200-5.8.2-03, R9200-5.10.4-02, R9200-6.5-03, R9201-5-02, R9203-3.2-01, R6749-6-02
#[tokio::test]
async fn answers_to_a_refresh() {
    type Server = fn() -> support::Answer;
    let cases: [(&str, Server, &str); 11] = [
        ("good", || granted(|_, _| {}), "ok"),
        ("no end", || granted(|response, _| response.expires_in = None), "nonsense"),
        ("profile", || granted(|response, _| response.ace_profile = Some(Profile::COAP_DTLS)), "nonsense"),
        ("another key", || granted(|response, _| response.cnf = Some(Cnf::Kid(b"x"))), "nonsense"),
        ("another cipher", || granted(|_, osc| osc.alg = Alg::AES_CCM_16_128_128), "nonsense"),
        ("another version", || granted(|_, osc| osc.version = 2), "nonsense"),
        ("no successor", || granted(|response, _| response.refresh_token = None), "nonsense"),
        ("no CBOR", || (200, "", b"\xff\xff".to_vec()), "nonsense"),
        (
            "refused",
            || (400, "content-type: application/ace+cbor\r\n", b"\xa1\x18\x1e\x03".to_vec()),
            "refused invalid_grant",
        ),
        ("refused in JSON", || json(400, r#"{"error":"invalid_target"}"#), "refused invalid_target"),
        (
            "redirected",
            || (307, "location: https://evil.example/token\r\n", Vec::new()),
            "refused 307 Temporary Redirect",
        ),
    ];
    for (what, answer, expected) in cases {
        let server = FakeServer::start(move |_| answer()).await;
        let phone = SignedIn::new(&server.issuer, NO_LOCK, None);
        assert_eq!(name(&phone.app().fetch("front").await), expected, "{what}");
        let has_successor = answer().2.windows(9).any(|bytes| bytes == b"successor");
        // Whatever else is wrong, the token that was used up is replaced.
        assert_eq!(phone.stored().contains("\"first\""), !has_successor, "{what}");
        assert_eq!(phone.stored().contains("master_secret"), expected == "ok", "{what}");
    }
}

/// R9449-4.2-01
#[tokio::test]
async fn a_server_gets_the_nonce_it_asks_for_once() {
    for obliging in [true, false] {
        let count = AtomicUsize::new(0);
        let server = FakeServer::start(move |_| match count.fetch_add(1, Ordering::Relaxed) {
            1 if obliging => granted(|_, _| {}),
            _ => (400, "DPoP-Nonce: fresh\r\n", br#"{"error":"use_dpop_nonce"}"#.to_vec()),
        })
        .await;
        let phone = SignedIn::new(&server.issuer, NO_LOCK, None);
        let expected = if obliging { "ok" } else { "refused use_dpop_nonce" };
        assert_eq!(name(&phone.app().fetch("front").await), expected);
        let proofs: Vec<bool> =
            server.asked().iter().map(|request| claims(request).contains(r#""nonce":"fresh""#)).collect();
        assert_eq!(proofs, [false, true]);
    }
}

/// R9449-8.2-02: what the last answer brought is in the next proof, without asking first.
#[tokio::test]
async fn the_newest_nonce_is_kept() {
    let count = AtomicUsize::new(0);
    let server = FakeServer::start(move |_| {
        let (status, head, body) = granted(|_, _| {});
        match count.fetch_add(1, Ordering::Relaxed) {
            0 => (400, "DPoP-Nonce: n0\r\n", br#"{"error":"use_dpop_nonce"}"#.to_vec()),
            1 => (status, "content-type: application/ace+cbor\r\nDPoP-Nonce: n1\r\n", body),
            _ => (status, head, body),
        }
    })
    .await;
    let phone = SignedIn::new(&server.issuer, NO_LOCK, None);
    let app = phone.app();
    for _ in 0..3 {
        assert_eq!(name(&app.fetch("front").await), "ok");
    }
    let asked = server.asked();
    let has = |request: &String, nonce| claims(request).contains(&format!(r#""nonce":"{nonce}""#));
    let nonces: Vec<_> = asked.iter().map(|request| ["n0", "n1"].map(|nonce| has(request, nonce))).collect();
    assert_eq!(nonces, [[false, false], [true, false], [false, true], [false, true]]);
}

/// The claims of the request's DPoP proof.
fn claims(request: &str) -> String {
    use base64::Engine as _;
    let proof = request.lines().find_map(|line| line.strip_prefix("dpop: ")).unwrap();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(proof.split('.').nth(1).unwrap()).unwrap();
    String::from_utf8(claims).unwrap()
}

fn hints(as_uri: &str, audience: &str, cnonce: Option<&[u8]>) -> (Code, Vec<u8>) {
    let hints = Hints { as_uri: Some(as_uri), audience: Some(audience), cnonce, ..Hints::default() };
    let mut out = [0; 256];
    (Code::UNAUTHORIZED, hints.encode(&mut out).unwrap().to_vec())
}

/// `nonce2`, and the client's own identifier as the lock's (RFC 9203 §4.3).
fn same_name(request: &Message<'_>) -> (Code, Vec<u8>) {
    let upload = authz_info::Request::decode(request.payload).unwrap();
    let answer = authz_info::Response { nonce2: b"87654321", server_recipient_id: upload.client_recipient_id.unwrap() };
    let mut out = [0; 64];
    (Code::CREATED, answer.encode(&mut out).unwrap().to_vec())
}

/// R9200-5.1-01, R9200-6.4-01, R9203-4.3-04, R9203-6-01
#[tokio::test]
async fn answers_of_a_lock() {
    type Lock = fn(&Message<'_>) -> (Code, Vec<u8>);
    let cases: [(&str, Lock, &str, usize); 7] = [
        ("our own name", same_name, "nonsense", 0),
        ("another server", |_| hints("https://evil.example/token", FRONT, None), "ForeignHints", 0),
        ("another lock", |_| hints("http://as.example/token", "urn:latchwork:lock:vault", None), "ForeignHints", 0),
        ("no hints", |_| (Code::UNAUTHORIZED, b"\xff".to_vec()), "nonsense", 0),
        ("not for us", |_| (Code::FORBIDDEN, Vec::new()), "lock 0x83", 0),
        // It gets another token, once.
        ("never content", |_| (Code::UNAUTHORIZED, Vec::new()), "lock 0x81", 1),
        ("half an answer", |_| (Code::CREATED, Vec::new()), "nonsense", 0),
    ];
    for (what, lock, expected, asked) in cases {
        let server = FakeServer::start(|_| granted(|_, _| {})).await;
        let phone = SignedIn::new(&server.issuer, &fake_lock(lock), Some(OLD));
        assert_eq!(name(&phone.app().open("front").await), expected, "{what}");
        assert_eq!(server.asked().len(), asked, "{what}");
    }
}

/// R9200-5.3.1-02, R9200-5.8.1-02, R9200-5.8.4.4-01
#[tokio::test]
async fn a_cnonce_of_a_lock_is_asked_for_and_takes_nothing_away() {
    let nonce: &[u8] = &[0xfb; 20];
    for (nonce, expected, asked) in
        [(nonce, "lock 0x81", 1), (&nonce[..7], "nonsense", 0), (&[0; 33][..], "nonsense", 0)]
    {
        let server = FakeServer::start(|_| granted(|_, _| {})).await;
        let (as_uri, mine) = (format!("{}/token", server.issuer), nonce.to_vec());
        let lock = fake_lock(move |request| match request.options.path_eq("/authz-info") {
            true => (Code::UNAUTHORIZED, Vec::new()),
            false => hints(&as_uri, FRONT, Some(&mine)),
        });
        let phone = SignedIn::new(&server.issuer, &lock, Some(OLD));
        assert_eq!(name(&phone.app().open("front").await), expected);
        let forms = server.asked();
        assert_eq!(forms.len(), asked);
        assert!(forms.iter().all(|form| form.ends_with("&cnonce=-_v7-_v7-_v7-_v7-_v7-_v7-_s")), "{forms:?}");
        // Whoever answers in a lock's name must not talk the phone out of a good token.
        assert!(phone.stored().contains("\"b2xk\""), "{}", phone.stored());
    }
}

#[tokio::test]
async fn a_lock_that_is_not_there() {
    // Nobody listens at the port any more.
    let closed = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let phone = SignedIn::new("http://127.0.0.1:1", &closed, Some(OLD));
    assert_eq!(name(&phone.app().open("front").await), "LockSilent");
}

#[tokio::test]
async fn without_a_network_the_word_of_the_lock_counts() {
    let phone = SignedIn::new("http://127.0.0.1:1", &fake_lock(|_| (Code::UNAUTHORIZED, Vec::new())), Some(OLD));
    assert_eq!(name(&phone.app().open("front").await), "lock 0x81");
}

#[tokio::test]
async fn tokens_of_one_server_are_not_shown_to_another() {
    let server = FakeServer::start(|_| granted(|_, _| {})).await;
    let phone = SignedIn::new("https://as.example", NO_LOCK, Some(OLD));
    let app = phone.app_of(&server.issuer).unwrap();
    assert!(app.doors().await.is_empty());
    assert_eq!(name(&app.update().await), "SignedOut");
    assert_eq!(name(&app.open("front").await), "UnknownDoor");
    assert!(server.asked().is_empty());
}

/// R6749-3.2-01
#[test]
fn only_issuers_that_nobody_else_can_read() {
    for (issuer, good) in [
        ("https://as.example", true),
        ("https://as.example/", false),
        ("http://as.example", false),
        ("http://127.0.0.1:8443", true),
        ("http://127.0.0.1.evil.example", false),
        ("as.example", false),
    ] {
        let phone = SignedIn::new(issuer, NO_LOCK, None);
        let made = phone.app_of(issuer);
        assert_eq!(made.is_ok(), good, "{issuer}");
        assert!(made.is_ok() || matches!(made, Err(Error::Configuration(_))), "{issuer}");
    }
}

#[tokio::test]
async fn a_door_is_not_kept_waiting_by_a_slow_server() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (arrived, arrival) = tokio::sync::oneshot::channel();
    let arrived = std::sync::Mutex::new(Some(arrived));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime
        .spawn(FakeServer::start(move |_| {
            arrived.lock().unwrap().take().unwrap().send(()).unwrap();
            let _ = held.recv();
            json(500, "")
        }))
        .await
        .unwrap();
    let phone = SignedIn::new(&server.issuer, &fake_lock(|_| (Code::FORBIDDEN, Vec::new())), Some(OLD));
    let app = std::sync::Arc::new(phone.app());
    let updating = tokio::spawn({
        let app = std::sync::Arc::clone(&app);
        async move { app.update().await }
    });
    arrival.await.unwrap();
    assert_eq!(app.doors().await[0].1, Readiness::Ready);
    let opening = tokio::spawn({
        let app = std::sync::Arc::clone(&app);
        async move { app.open("front").await }
    });
    assert_eq!(name(&opening.await.unwrap()), "lock 0x83");
    release.send(()).unwrap();
    assert_eq!(name(&updating.await.unwrap()), "refused 500 Internal Server Error");
    app.sign_out().await.unwrap();
    assert!(!phone.stored().contains("first") && !phone.stored().contains("b2xk"), "{}", phone.stored());
    runtime.shutdown_background();
}

#[test]
fn the_store_is_private_and_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tokens.json");
    let store = FileStore::new(&path);
    assert!(store.load().unwrap().is_none());
    let next = directory.path().join("tokens.json.next");
    // A crash left half a state; somebody opened it to the world.
    std::fs::write(&next, "half").unwrap();
    std::fs::set_permissions(&next, std::fs::Permissions::from_mode(0o666)).unwrap();
    assert!(store.load().unwrap().is_none());
    for state in ["one", "two, which is longer", ""] {
        store.save(state.as_bytes()).unwrap();
        assert_eq!(store.load().unwrap().unwrap(), state.as_bytes());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!next.exists());
    }
    // A state that cannot be written changes nothing.
    std::fs::create_dir(&next).unwrap();
    assert!(store.save(b"three").is_err());
    assert_eq!(store.load().unwrap().unwrap(), b"");
}
