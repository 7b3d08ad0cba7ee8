//! What a holder may do, and what it learns when it may not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use latchwork_ace::{Hints, Scope};
use latchwork_coap::Code;
use support::mint::*;
use support::visitor::*;
use support::*;

const SECRET: &[u8] = b"sixteen secrets!";

fn token(person: &str, scope: &[(&str, u64)]) -> Vec<u8> {
    encrypted(&good(osc(person.as_bytes(), SECRET)).set(SUB, person).set(SCOPE, aif(scope)))
}

/// GET and DELETE on what one created oneself, which is no right to what others did (RFC 9237 §2.3).
/// R9237-3-03
#[test]
fn rights_to_what_one_created() {
    const DYNAMIC_GET_DELETE: u64 = (1 | 8) << 32;
    let mut lock = Lock::new();
    let mut host = lock.open(&token("host", &[("/guests", 2 | DYNAMIC_GET_DELETE)]), b"me", SECRET);
    assert_eq!(lock.ask(&mut host, Code::GET, "/guests/1").0, Code::FORBIDDEN, "nobody created it");
    assert_eq!(lock.ask(&mut host, Code::POST, "/guests").0, Code::CHANGED);
    for (method, path, code) in [
        (Code::GET, "/guests/1", Code::CHANGED),
        (Code::DELETE, "/guests/1", Code::CHANGED),
        (Code::PUT, "/guests/1", Code::METHOD_NOT_ALLOWED),
        (Code::GET, "/guests/2", Code::FORBIDDEN),
        (Code::GET, "/guests", Code::METHOD_NOT_ALLOWED),
        (Code::DELETE, "/guests", Code::METHOD_NOT_ALLOWED),
    ] {
        assert_eq!(lock.ask(&mut host, method, path).0, code, "{method:?} {path}");
    }
    let mut again = lock.open(
        &encrypted(&good(osc(b"new", SECRET)).set(SUB, "host").set(SCOPE, aif(&[("/guests", DYNAMIC_GET_DELETE)]))),
        b"me",
        SECRET,
    );
    assert_eq!(lock.ask(&mut again, Code::GET, "/guests/1").0, Code::CHANGED, "the same person with another token");
    let mut other = lock.open(&token("other", &[("/guests", 2 | DYNAMIC_GET_DELETE)]), b"me", SECRET);
    assert_eq!(lock.ask(&mut other, Code::GET, "/guests/1").0, Code::FORBIDDEN);
    let nameless = good(osc(b"x", SECRET)).set(SCOPE, aif(&[("/guests", DYNAMIC_GET_DELETE)]));
    let mut nameless = lock.open(&encrypted(&nameless), b"me", SECRET);
    assert_eq!(lock.ask(&mut nameless, Code::GET, "/guests/1").0, Code::FORBIDDEN);
}

/// Who is inside and wants more is told for what to ask, and for which key, so that the session can go on.
/// R9200-5.2-06
#[test]
fn a_holder_learns_what_to_ask_for() {
    let mut lock = Lock::new();
    let mut phone = lock.open(&token("7", &[("/light", 2), ("/door", 1)]), b"me", SECRET);
    for (method, path, code, scope) in [
        (Code::POST, "/door", Code::METHOD_NOT_ALLOWED, Some(Scope::Text("door:open"))),
        (Code::POST, "/guests", Code::FORBIDDEN, None),
    ] {
        let (denied, payload) = lock.ask(&mut phone, method, path);
        assert_eq!(denied, code);
        let hints = Hints::decode(&payload).unwrap();
        let expected = Hints {
            as_uri: Some("https://as.example/token"),
            kid: Some(b"7"),
            audience: Some(LOCK),
            scope,
            cnonce: None,
        };
        assert_eq!(hints, expected);
    }
}

/// In a session by EDHOC the key is the client's own, and the series says what is updated: no server knows a name for it
/// that this lock knows, so the hints have none.
#[test]
fn hints_name_no_key_that_no_server_named() {
    let (mut lock, mut ada) = (Lock::new(), Visitor::new(1));
    let token = ada.token();
    let mut phone = ada.enter(&mut lock, &token);
    let (code, payload) = lock.ask(&mut phone, Code::POST, "/light");
    let hints = Hints::decode(&payload).unwrap();
    assert_eq!((code, hints.kid, hints.audience), (Code::FORBIDDEN, None, Some(LOCK)));
    // A name of no bytes is one.
    let mut phone = lock.open(&encrypted(&good(osc(b"", SECRET))), b"me", SECRET);
    let (code, payload) = lock.ask(&mut phone, Code::POST, "/light");
    assert_eq!((code, Hints::decode(&payload).unwrap().kid), (Code::FORBIDDEN, Some(&b""[..])));
}

/// And by a lock that wants its nonce in every token, for which nonce; and where its own server is.
/// R9200-5.3.1-01
#[test]
fn hints_of_a_lock_without_a_clock() {
    let mut lock = Lock::with_nonces();
    let response = lock.plain(Code::POST, "/door", &[], &[]);
    let nonce = Hints::decode(response.message().payload).unwrap().cnonce.unwrap().to_vec();
    let claims = good(osc(b"7", SECRET)).without(EXP).set(ISS, "https://other.example").set(CNONCE, bytes(&nonce));
    let token = encrypted_with(header(b"other-1", &[9; 13]), &[3; 16], &claims.encode());
    let mut phone = lock.open(&token, b"me", SECRET);
    let (code, payload) = lock.ask(&mut phone, Code::POST, "/light");
    let hints = Hints::decode(&payload).unwrap();
    assert_eq!((code, hints.as_uri), (Code::FORBIDDEN, Some("https://other.example/token")));
    assert_eq!((hints.kid, hints.cnonce.map(<[u8]>::len)), (Some(&b"7"[..]), Some(20)));
}

/// During a rotation tokens under both keys are good, and both keep their sessions.
#[test]
fn two_keys_of_one_server() {
    let mut lock = Lock::new();
    let keys = lock.trust.issuers[0].keys;
    assert!(keys.iter().any(|key| key.kid == b"front-2") && keys.iter().any(|key| key.kid == KID));
    let under = |kid: &[u8], key: &[u8; 16], id: &[u8]| {
        encrypted_with(header(kid, &[9; 13]), key, &good(osc(id, SECRET)).encode())
    };
    let mut old = lock.open(&under(KID, &KEY, b"1"), b"me", SECRET);
    let mut new = lock.open(&under(b"front-2", &[4; 16], b"2"), b"me", SECRET);
    for phone in [&mut old, &mut new] {
        assert_eq!(lock.ask(phone, Code::POST, "/door").0, Code::CHANGED);
    }
    // The retired one before both stays refused, and no key stands in for another of its server.
    assert_eq!(lock.refusal(&under(b"front-0", &[2; 16], b"3")).0, Code::UNAUTHORIZED);
    assert_eq!(lock.refusal(&under(b"front-2", &KEY, b"3")).0, Code::UNAUTHORIZED);
}

/// Two servers may give their keys the same name: whichever key fits decides whose token it is.
#[test]
fn two_servers_with_one_key_name() {
    let mut lock = Lock::new();
    let shared = |key: &[u8; 16], iss: &str, id: &[u8]| {
        encrypted_with(header(b"shared", &[9; 13]), key, &good(osc(id, SECRET)).set(ISS, iss).encode())
    };
    for (key, iss, code) in [
        ([5; 16], ISSUER, Code::CREATED),
        ([6; 16], "https://other.example", Code::CREATED),
        ([5; 16], "https://other.example", Code::UNAUTHORIZED),
        ([6; 16], ISSUER, Code::UNAUTHORIZED),
        ([7; 16], ISSUER, Code::UNAUTHORIZED),
    ] {
        assert_eq!(lock.refusal(&shared(&key, iss, b"1")).0, code, "{key:?} {iss}");
    }
}
