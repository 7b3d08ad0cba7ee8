//! What an app sends: to the person's browser, to its server, to a lock.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchwork_ace::authz_info;
use latchwork_client_sdk::{Browser, Error};
use latchwork_coap::{Code, Message, OptionNumber};
use sha2::{Digest as _, Sha256};
use support::{FakeBrowser, FakeServer, OLD, SignedIn, fake_lock, granted, json};

/// A browser that remembers where it was sent.
struct Watched<'q>(FakeBrowser<'q>, Mutex<Vec<String>>);

impl Browser for Watched<'_> {
    fn open(&self, url: &str) -> std::io::Result<()> {
        self.1.lock().unwrap().push(url.to_owned());
        self.0.open(url)
    }
}

fn pairs(query: &str) -> BTreeMap<String, String> {
    reqwest::Url::parse(&format!("http://x/?{query}")).unwrap().query_pairs().into_owned().collect()
}

/// R9200-5.8.1-06, R6749-3.2-01, R6749-3.2.1-01, R7636-4.1-01, R7636-4.2-01, R7636-4.3-01, R7636-4.5-01,
/// R7636-7.2-01, R8252-5-01, R8252-6-01, R8252-8.3-01, R8252-8.9-01, R8252-8.12-01, R9700-2.1.1-01, R9700-4.3.2-01
#[tokio::test]
async fn what_a_sign_in_sends() {
    let server = FakeServer::start(|request| match request.starts_with("POST /token") {
        true => json(200, r#"{"access_token":"api","token_type":"DPoP","refresh_token":"r"}"#),
        false => json(200, "[]"),
    })
    .await;
    let phone = SignedIn::new(&server.issuer, "127.0.0.1:1", None);
    let browser = FakeBrowser { issuer: server.issuer.clone(), queries: &["code=c&state=STATE&iss=ISS"] };
    let browser = Watched(browser, Mutex::default());
    for _ in 0..2 {
        phone.app().sign_in(&browser, &["urn:latchwork:lock:front".to_owned()]).await.unwrap();
    }
    let (urls, asked) = (browser.1.into_inner().unwrap(), server.asked());
    assert_eq!((urls.len(), asked.len()), (2, 4));
    let mut once = BTreeSet::new();
    for (url, exchange) in urls.iter().zip(asked.chunks(2)) {
        let (page, query) = url.split_once('?').unwrap();
        let asked = pairs(query);
        assert_eq!(page, format!("{}/authorize", server.issuer));
        assert_eq!((&*asked["response_type"], &*asked["client_id"]), ("code", "phone"));
        let port: u16 = asked["redirect_uri"]
            .strip_prefix("http://127.0.0.1:")
            .and_then(|rest| rest.strip_suffix("/callback")?.parse().ok())
            .unwrap_or_else(|| panic!("no loopback address: {}", asked["redirect_uri"]));
        assert!(port > 1024);
        assert_eq!((asked["code_challenge_method"].as_str(), asked["dpop_jkt"].len()), ("S256", 43));

        let (head, body) = exchange[0].split_once("\r\n\r\n").unwrap();
        let (head, form) = (head.to_lowercase(), pairs(body));
        assert!(head.starts_with("post /token http/1.1"), "nothing in the URL: {head}");
        assert!(head.contains("content-type: application/x-www-form-urlencoded"), "{head}");
        assert_eq!((&*form["grant_type"], &*form["code"], &*form["client_id"]), ("authorization_code", "c", "phone"));
        assert_eq!(form["redirect_uri"], asked["redirect_uri"]);
        let verifier = &form["code_verifier"];
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        assert!((43..=128).contains(&verifier.len()) && verifier.bytes().all(unreserved), "{verifier}");
        assert_eq!(asked["code_challenge"], URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)));
        assert!(asked["state"].len() >= 43 && !url.contains(verifier.as_str()), "{url}");
        for secret in [&asked["state"], verifier, &asked["code_challenge"]] {
            assert!(once.insert(secret.clone()), "{secret} twice");
        }

        let head = exchange[1].to_lowercase();
        assert!(head.starts_with("get /api/v1/doors http/1.1"), "no token in the URL: {head}");
        assert!(head.contains("authorization: dpop api\r\n"), "{head}");
    }
}

/// A request as a lock sees it.
struct Seen {
    code: Code,
    path: String,
    format: Option<u32>,
    protected: bool,
    payload: Vec<u8>,
}

/// A lock that takes every token and loses its contexts at once; and what it saw.
fn forgetful_lock() -> (String, Arc<Mutex<Vec<Seen>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let address = fake_lock(move |request: &Message<'_>| {
        let path = request.options.filter(|(number, _)| *number == OptionNumber::URI_PATH);
        log.lock().unwrap().push(Seen {
            code: request.code,
            path: path.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect(),
            format: request.options.uint(OptionNumber::CONTENT_FORMAT),
            protected: request.options.get(OptionNumber::OSCORE).is_some(),
            payload: request.payload.to_vec(),
        });
        if !request.options.path_eq("/authz-info") {
            return (Code::UNAUTHORIZED, Vec::new());
        }
        let answer = authz_info::Response { nonce2: b"87654321", server_recipient_id: b"lock" };
        (Code::CREATED, answer.encode(&mut [0; 64]).unwrap().to_vec())
    });
    (address, seen)
}

/// R9200-5.10.1-01, R9200-6.8-01, R9203-3.2-01, R9203-4.1-01, R9203-4.1-03, R9203-4.1-04, R9203-4.3-05, R9203-7-01
#[tokio::test]
async fn an_upload_and_what_follows() {
    let server = FakeServer::start(|_| granted(|_, _| {})).await;
    let (address, seen) = forgetful_lock();
    let phone = SignedIn::new(&server.issuer, &address, Some(OLD));
    let opened = phone.app().open("front").await;
    assert!(matches!(opened, Err(Error::LockRefused { code: 0x81 })), "{opened:?}");
    let seen = seen.lock().unwrap();
    let shape: Vec<_> = seen.iter().map(|it| (it.code, &*it.path, it.format, it.protected)).collect();
    let upload = (Code::POST, "authz-info", Some(19), false);
    let protected = (Code::POST, "", None, true);
    // The lock forgot the context: the phone lets go of it, asks for hints with nothing in hand, and begins anew.
    assert_eq!(shape, [upload, protected, (Code::POST, "door", None, false), upload, protected]);
    assert_eq!(seen[2].payload, b"", "what everybody can read says nothing");
    let mut nonces = BTreeSet::new();
    for (upload, token) in [(&seen[0], &b"old"[..]), (&seen[3], b"a token")] {
        let read = authz_info::Request::decode(&upload.payload).unwrap();
        let (nonce1, id1) = (read.nonce1.unwrap(), read.client_recipient_id.unwrap());
        assert_eq!((read.access_token, nonce1.len()), (token, 8));
        assert_eq!(upload.payload[0], 0xa3, "access_token, nonce1, ace_client_recipientid, and nothing else");
        assert!(nonces.insert(nonce1.to_vec()) && !id1.is_empty());
    }
}

/// R9200-5.10.2-01, R9203-6-01, EDHOC-4.7-01
#[tokio::test]
async fn an_expired_token_is_not_shown() {
    let expired = OLD.replace("99999999999", "1000000000");
    assert_ne!(expired, OLD);
    let (address, seen) = forgetful_lock();
    let phone = SignedIn::new("http://127.0.0.1:1", &address, Some(&expired));
    let opened = phone.app().open("front").await;
    assert!(matches!(opened, Err(Error::Unreachable(_))), "{opened:?}");
    assert_eq!(seen.lock().unwrap().len(), 0, "the lock hears nothing");

    let server = FakeServer::start(|_| granted(|_, _| {})).await;
    let phone = SignedIn::new(&server.issuer, &address, Some(&expired));
    assert!(phone.app().open("front").await.is_err());
    let seen = seen.lock().unwrap();
    let uploads = seen.iter().filter(|it| it.path == "authz-info").map(|it| it.payload.clone());
    assert!(uploads.clone().count() >= 1 && !uploads.flatten().collect::<Vec<_>>().windows(3).any(|it| it == b"old"));
}
