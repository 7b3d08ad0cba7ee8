//! `/token` over CoAP: what it answers, row by row.

use super::*;
use latchwork_ace::cose_key::Key;
use latchwork_ace::registry::Profile;
use latchwork_ace::token_request::AskedProfile;
use latchwork_ace::{Cnf, CoseKey};

/// R9200-5-05, R9200-5.8-03, R9200-5.8.2-01, R9200-5.8.2-02, R9201-3.2-01, R9203-3.2-02, R9203-5-01
#[tokio::test]
async fn a_robot_gets_a_token() {
    let world = World::new().await;
    let life = world.start().await;
    let mut client = life.client(Some(clients("0a", SECRET))).await;
    let first = asked_with(|request| request.ace_profile = Some(AskedProfile::Tell));
    let named = asked_with(|request| request.client_id = Some("robot"));
    for (count, payload, round_trips) in [(1, &first, 2), (2, &named, 3), (3, &first, 4)] {
        let got = post(&mut client, payload).await;
        assert!(is_token(&got), "{got:?} {}", world.entries());
        assert_eq!(got.content_format(), Some(ContentFormat::ACE_CBOR));
        let response = TokenResponse::decode(&got.payload).unwrap();
        let Some(Cnf::Osc(osc)) = response.cnf else { panic!("{response:?}") };
        assert_eq!(response.ace_profile, Some(Profile::COAP_OSCORE));
        let entry = world.last_entry();
        assert_eq!(
            (&entry["face"], &entry["client"], &entry["outcome"]),
            (&json!("cbor_coap"), &json!("robot"), &json!("granted"))
        );
        assert!(!world.entries().contains(&crate::core::bytes::base64url(osc.ms)), "a secret in the log");
        assert_eq!(world.tokens().await, count);
        assert_eq!(client.traffic().round_trips, round_trips, "an Echo once, then one round trip each");
    }
    assert!(!world.entries().contains(SECRET));
}

/// R9200-5-05, R9200-5-06, R9200-5.8.3-01, R9200-5.8.3-02, R9200-5.8.3-03, R9200-5.8.3-05, R9201-3.1-01,
/// R9203-3.1-02, R7252-5.8-01, R7252-5.10.4-01
#[tokio::test]
async fn requests_that_get_no_token() {
    let world = World::new().await;
    let life = world.start().await;
    let mut client = life.client(Some(clients("0a", SECRET))).await;
    let ace = Some(ContentFormat::ACE_CBOR);
    let (good, key) = (asked(), CoseKey::ed25519(&[9; 32]));
    let deep: Vec<u8> = [&[0xa1, 0x18, 0x63][..], &[0x81; 40], &[0]].concat();
    let long =
        |length: usize| [&[0xa1, 0x18, 0x63, 0x5a][..], &(length as u32).to_be_bytes(), &vec![0; length]].concat();
    let scoped = |words| asked_with(move |request| request.scope = Some(Scope::Text(words)));
    let of = |audience| asked_with(move |request| request.audience = Some(audience));
    let granting = |grant| asked_with(move |request| request.grant_type = Some(grant));
    let rows = vec![
        ("PUT", Code::PUT, ace, None, good.clone(), Code::METHOD_NOT_ALLOWED, None),
        ("FETCH", Code::FETCH, ace, ace, good.clone(), Code::METHOD_NOT_ALLOWED, None),
        ("DELETE", Code::DELETE, None, None, vec![], Code::METHOD_NOT_ALLOWED, None),
        ("a form", Code::POST, ace, None, b"grant_type=client_credentials".to_vec(), Code::BAD_REQUEST, Some(1)),
        (
            "a key twice",
            Code::POST,
            ace,
            None,
            [&[0xa2][..], &[0x18, 33, 2], &[0x18, 33, 2]].concat(),
            Code::BAD_REQUEST,
            Some(1),
        ),
        ("truncated", Code::POST, ace, None, good[..good.len() - 1].to_vec(), Code::BAD_REQUEST, Some(1)),
        ("more behind", Code::POST, ace, None, [&good[..], &[0]].concat(), Code::BAD_REQUEST, Some(1)),
        ("a float", Code::POST, ace, None, vec![0xa1, 0x18, 33, 0xf9, 0x40, 0x00], Code::BAD_REQUEST, Some(1)),
        ("indefinite length", Code::POST, ace, None, vec![0xbf, 0x18, 33, 2, 0xff], Code::BAD_REQUEST, Some(1)),
        ("nested deeply", Code::POST, ace, None, deep, Code::BAD_REQUEST, Some(1)),
        (
            "no audience",
            Code::POST,
            ace,
            None,
            asked_with(|request| request.audience = None),
            Code::BAD_REQUEST,
            Some(1),
        ),
        ("a lock that is none", Code::POST, ace, None, of("urn:latchwork:lock:nowhere"), Code::BAD_REQUEST, Some(1)),
        ("no lock's name", Code::POST, ace, None, of("coap://127.0.0.1"), Code::BAD_REQUEST, Some(1)),
        ("the people API", Code::POST, ace, None, of("https://as.example/api/v1"), Code::BAD_REQUEST, Some(1)),
        (
            "another's client_id",
            Code::POST,
            ace,
            None,
            asked_with(|it| it.client_id = Some("other")),
            Code::BAD_REQUEST,
            Some(1),
        ),
        (
            "a secret as well",
            Code::POST,
            ace,
            None,
            asked_with(|it| (it.client_id, it.client_secret) = (Some("robot"), Some(&b"x"[..]))),
            Code::BAD_REQUEST,
            Some(1),
        ),
        ("a grant without number", Code::POST, ace, None, granting(GrantType(99)), Code::BAD_REQUEST, Some(5)),
        ("a password", Code::POST, ace, None, granting(GrantType::PASSWORD), Code::BAD_REQUEST, Some(5)),
        ("a code", Code::POST, ace, None, granting(GrantType::AUTHORIZATION_CODE), Code::BAD_REQUEST, Some(5)),
        (
            "a refresh token of nobody",
            Code::POST,
            ace,
            None,
            asked_with(|it| (it.grant_type, it.refresh_token) = (Some(GrantType::REFRESH_TOKEN), Some(&[7; 48][..]))),
            Code::BAD_REQUEST,
            Some(4),
        ),
        ("a scope that is none", Code::POST, ace, None, scoped("door:burn"), Code::BAD_REQUEST, Some(6)),
        ("beyond policy", Code::POST, ace, None, of("urn:latchwork:lock:vault"), Code::BAD_REQUEST, Some(6)),
        (
            "a public key",
            Code::POST,
            ace,
            None,
            {
                let mut request = TokenRequest { audience: Some(FRONT), ..TokenRequest::default() };
                request.req_cnf = Some(Cnf::CoseKey(key));
                let mut buffer = [0; 256];
                request.encode(&mut buffer).unwrap().to_vec()
            },
            Code::BAD_REQUEST,
            Some(8),
        ),
        (
            "a secret of its own choosing",
            Code::POST,
            ace,
            None,
            asked_with(|it| {
                let key = Key::Symmetric { k: b"0123456789abcdef" };
                it.req_cnf = Some(Cnf::CoseKey(CoseKey { kid: None, alg: None, key }));
            }),
            Code::BAD_REQUEST,
            Some(7),
        ),
        (
            "an update of no context",
            Code::POST,
            ace,
            None,
            asked_with(|it| it.req_cnf = Some(Cnf::Kid(&[1, 2]))),
            Code::BAD_REQUEST,
            Some(1),
        ),
        ("larger than a body may be", Code::POST, ace, None, long(BODY), Code::REQUEST_ENTITY_TOO_LARGE, None),
        ("larger than any", Code::POST, ace, None, long(70_000), Code::REQUEST_ENTITY_TOO_LARGE, None),
    ];
    for (what, method, format, accept, payload, code, number) in misfits(&good).into_iter().chain(rows) {
        let before = world.entries().lines().count();
        let got = client.request(method, "/token", format, accept, &payload).await.unwrap();
        assert_eq!((got.code, got.protected), (code, true), "{what}: {got:?} {}", world.entries());
        assert_eq!(number, (!got.payload.is_empty()).then(|| error(&got.payload)), "{what}: {}", world.entries());
        let lines = usize::from(number.is_some());
        assert_eq!(world.entries().lines().count(), before + lines, "{what}: one audit line for each decision");
        if number.is_some() {
            assert_eq!(got.content_format(), ace, "{what}");
            let entry = world.last_entry();
            assert!(entry["reason"].is_string() && entry["client"] == "robot", "{what}: {entry}");
        }
        assert_eq!(world.tokens().await, 0, "{what}");
    }
    for path in ["/", "/token/", "/token/x", "/tok", "/introspect/"] {
        let got = client.request(Code::POST, path, ace, None, &good).await.unwrap();
        assert_eq!((got.code, got.payload.len()), (Code::NOT_FOUND, 0), "{path}");
    }
    assert!(is_token(&post(&mut client, &good).await), "after all that, still at work");
}

/// R9200-5-01, R9200-5-02, R9200-5.8.3-02, R9200-6.2-01, R9203-2-01, EDHOC-3.1-01
#[tokio::test]
async fn who_shows_nothing_gets_nothing() {
    let world = World::new().await;
    world
        .declare(json!({
            "client": [{ "id": "service", "kind": "confidential", "secret": "0123456789abcdef0123456789abcdef" }],
            "oscore": [context("service", "0c", OTHER)],
        }))
        .await;
    let life = world.start().await;
    // (what, context, code, error in CBOR, reason in the audit log)
    for (what, context, code, number, reason) in [
        ("no protection", None, Code::UNAUTHORIZED, Some(2), None),
        ("an unknown kid", Some(clients("0d", SECRET)), Code::UNAUTHORIZED, None, Some("")),
        ("an id context too much", Some(clients_in("0a", SECRET, Some(&[1]))), Code::UNAUTHORIZED, None, Some("")),
        ("a long kid", Some(clients("01020304050607", SECRET)), Code::UNAUTHORIZED, None, Some("")),
        ("another key", Some(clients("0a", OTHER)), Code::BAD_REQUEST, None, Some("")),
        ("registered for another way", Some(clients("0c", OTHER)), Code::UNAUTHORIZED, Some(2), Some("another way")),
    ] {
        let before = world.entries().lines().count();
        let mut client = life.client(context).await;
        let got = post(&mut client, &asked()).await;
        assert_eq!(got.code, code, "{what}: {got:?}");
        if let Some(number) = number {
            assert_eq!(error(&got.payload), number, "{what}");
        } else {
            assert!(!got.protected, "{what}");
        }
        let entries = world.entries();
        assert_eq!(entries.lines().count(), before + usize::from(reason.is_some()), "{what}: {entries}");
        if let Some(reason) = reason {
            let entry = world.last_entry();
            assert!(entry["reason"].as_str().is_some_and(|real| real.contains(reason)), "{what}: {entry}");
        }
        assert_eq!(world.tokens().await, 0, "{what}");
    }
    for (what, method, path) in [("GET", Code::GET, "/token"), ("PUT", Code::PUT, "/token")] {
        let got = life.client(None).await.request(method, path, None, None, b"").await.unwrap();
        assert_eq!(got.code, Code::UNAUTHORIZED, "{what}");
    }
    for context in [None, Some(clients("0a", SECRET))] {
        let mut client = life.client(context).await;
        let got = client.request(Code::GET, "/.well-known/core", None, None, b"").await.unwrap();
        assert_eq!((got.code, got.content_format()), (Code::CONTENT, Some(ContentFormat::LINK_FORMAT)));
        assert_eq!(got.payload, b"</token>;ct=19;osc,</introspect>;ct=19;osc,</trl>;ct=262;obs;osc,</.well-known/edhoc>;rt=core.edhoc;ed-r;ed-csuite=2");
    }
}

#[tokio::test]
async fn lies_do_not_fill_the_log() {
    let world = World::new().await;
    let life = world.start().await;
    let mut client = life.client(Some(clients("0d", SECRET))).await;
    for _ in 0..40 {
        assert_eq!(post(&mut client, &asked()).await.code, Code::UNAUTHORIZED);
    }
    assert_eq!(world.entries().lines().count(), 20, "in one second of the clock");
    let mut honest = life.client(Some(clients("0a", SECRET))).await;
    assert!(is_token(&post(&mut honest, &asked()).await), "nobody waits for what others wrote");
    assert_eq!(world.last_entry()["outcome"], "granted");
}

#[tokio::test]
async fn who_asks_too_often_waits() {
    let world = World::with(Rates { per_address: 0, per_client: 1 }).await;
    let life = world.start().await;
    let mut client = life.client(Some(clients("0a", SECRET))).await;
    for payload in [&asked()[..], &[0x80]] {
        assert_ne!(post(&mut client, payload).await.code, Code::TOO_MANY_REQUESTS);
    }
    for payload in [&asked()[..], &[0x80]] {
        let got = post(&mut client, payload).await;
        assert_eq!((got.code, got.option(OptionNumber::MAX_AGE)), (Code::TOO_MANY_REQUESTS, Some(&[1][..])));
        assert_eq!(error(&got.payload), 1);
    }
    assert_eq!(world.tokens().await, 1);
}

/// R9200-5-04
/// Parameters are the payload's CBOR map (RFC 9200 §5); a query is none of them.
#[tokio::test]
async fn a_query_says_nothing() {
    let world = World::new().await;
    let life = world.start().await;
    let mut client = life.client(Some(clients("0a", SECRET))).await;
    assert!(is_token(&post(&mut client, &asked()).await));
    let mut context = client.set_context(None).unwrap();
    let query: &[(u16, &[u8])] = &[(15, b"audience=urn:latchwork:lock:front"), (15, b"grant_type=2")];
    for (id, payload, code) in [(1, vec![], Code::BAD_REQUEST), (2, vec![0xa0], Code::BAD_REQUEST)] {
        let (sent, mut request) = datagram(&mut context, id, query, &payload);
        let answer = exchange(&socket().await, life.addr, &sent).await;
        let mut opened = [0; 1024];
        let outer = Message::parse(&answer).unwrap();
        let response = context.unprotect_response(&RustCrypto, &mut request, &outer, &mut opened).unwrap();
        assert_eq!((response.code, error(response.payload)), (code, 1), "{payload:?}");
    }
    assert_eq!(world.tokens().await, 1);
}

/// R9200-5-01, R7641-2-01
#[tokio::test]
async fn never_two_tokens_for_one_request() {
    let world = World::new().await;
    let life = world.start().await;
    let mut client = life.client(Some(clients("0a", SECRET))).await;
    assert!(is_token(&post(&mut client, &asked()).await));
    let mut context = client.set_context(None).unwrap();
    // Observe means nothing on POST (RFC 7641 §2).
    let (sent, mut request) = datagram(&mut context, 1, &[(6, &[])], &asked());
    let here = socket().await;
    let answer = exchange(&here, life.addr, &sent).await;
    let mut opened = [0; 1024];
    let outer = Message::parse(&answer).unwrap();
    let response = context.unprotect_response(&RustCrypto, &mut request, &outer, &mut opened).unwrap();
    assert_eq!((response.code, response.options.get(OptionNumber::OBSERVE)), (Code::CREATED, None));
    assert_eq!(world.tokens().await, 2);

    assert_eq!(exchange(&here, life.addr, &sent).await, answer, "a repetition gets the same bytes");
    let mut again = sent.clone();
    again[3] ^= 0xff;
    for (what, from, bytes) in
        [("new message id", &here, &again), ("other port", &socket().await, &sent), ("both", &socket().await, &again)]
    {
        let answer = exchange(from, life.addr, bytes).await;
        assert_eq!(Message::parse(&answer).unwrap().code, Code::UNAUTHORIZED, "{what}");
        let entry = world.last_entry();
        assert_eq!((&entry["face"], &entry["kid"]), (&json!("cbor_coap"), &json!("0a")), "{what}: {entry}");
    }
    assert_eq!(world.tokens().await, 2);
}
