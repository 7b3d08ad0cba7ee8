//! What reads a stranger's bytes: whatever comes, no panic, and nothing but the original passes where a signature speaks.

mod faces;
pub(super) mod garbage;

use std::collections::BTreeMap;
use std::path::Path;

use latchwork_ace as ace;
use proptest::prelude::*;
use proptest::test_runner::Config;

use super::declaration::{Declaration, Existing};
use super::form::Form;
use super::{cbor, form};
use crate::config;
use crate::core::records::ClientKey;
use crate::core::request::Face;
use crate::core::testing::{ISSUER, NOW, Pair, ccs, native};
use crate::core::{api_token, assertion, authorize, dpop};
use crate::keys::Keys;

/// A change to a valid message: a byte replaced, taken out or put in, or the end cut off.
#[derive(Clone, Debug)]
pub(super) enum Wound {
    Replace(usize, u8),
    Remove(usize),
    Insert(usize, u8),
    Cut(usize),
}

pub(super) fn wounds() -> impl Strategy<Value = Vec<Wound>> {
    let wound = prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Wound::Replace(at, byte)),
        any::<usize>().prop_map(Wound::Remove),
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Wound::Insert(at, byte)),
        any::<usize>().prop_map(Wound::Cut),
    ];
    proptest::collection::vec(wound, 1..4)
}

pub(super) fn wounded(message: &[u8], wounds: &[Wound]) -> Vec<u8> {
    let mut bytes = message.to_vec();
    for wound in wounds {
        let place = |at: usize| at % bytes.len().max(1);
        match *wound {
            _ if bytes.is_empty() => {}
            Wound::Replace(at, byte) => {
                let at = place(at);
                bytes[at] = byte;
            }
            Wound::Remove(at) => drop(bytes.remove(place(at))),
            Wound::Insert(at, byte) => bytes.insert(place(at), byte),
            Wound::Cut(at) => bytes.truncate(place(at)),
        }
    }
    bytes
}

const FORM: &str = "grant_type=authorization_code&code=x&redirect_uri=http%3A%2F%2F127.0.0.1%2Fcb&code_verifier=v\
    &client_id=app&audience=urn:latchwork:lock:front&scope=door:open+door:state&cnonce=AAAAAAAAAAA\
    &req_cnf=%7B%22jwk%22%3A%7B%22kty%22%3A%22EC%22%7D%7D&client_assertion=a.b.c\
    &client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";

const BASIC: &str = "Basic cm9ib3Q6czNjcmV0";

const DECLARATION: &str = r#"{
    "client": [{ "id": "robot", "kind": "confidential", "secret": "0123456789abcdef0123456789abcdef", "attributes": { "role": "x" } },
               { "id": "mower", "kind": "confidential", "oscore": true }, { "id": "app", "kind": "native", "redirect_uris": ["http://127.0.0.1/cb"] },
               { "id": "floor", "kind": "resource_server", "secret": "0123456789abcdef0123456789abcdef", "locks": ["front"] }],
    "oscore": [{ "client": "mower", "client_sender_id": "01", "server_sender_id": "02", "master_secret": "000102030405060708090a0b0c0d0e0f" }],
    "lock": [{ "name": "front", "address": "127.0.0.1:5683", "clock": "exi", "scopes": { "door:open": [["/door", 2]] }, "lifetime": 60 }],
    "door": [{ "name": "front", "lock": "front", "zone": "office", "owners": [{ "issuer": "https://i", "subject": "o" }] }],
    "consent": [{ "door": "front", "owner": { "issuer": "https://i", "subject": "o" }, "who": { "issuer": "https://i", "subject": "w" }, "until": "2027-01-31T18:00:00Z" }]
}"#;

const QUERY: &str = "response_type=code&client_id=app&redirect_uri=http%3A%2F%2F127.0.0.1%3A7%2Fcb&state=s&scope=door:open\
    &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256\
    &dpop_jkt=0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I&audience=urn:latchwork:lock:front";

fn read_form(body: &[u8]) {
    if let Ok(form) = Form::parse(body, &["audience"]) {
        let _ = form.token_request();
        let _ = form.credential(None);
        let _ = form.credential(Some(BASIC));
    }
}

fn read_query(query: &[u8]) {
    let app = native("app", &["http://127.0.0.1/cb"]);
    let Ok(pairs) = form::pairs(query) else { return };
    if let Ok(request) = authorize::check(&pairs, Some(&app)) {
        // What passes leads back to the app, with its key and a challenge.
        assert!(request.redirect_uri.starts_with("http://127.0.0.1") && request.redirect_uri.ends_with("/cb"));
        assert!(request.jkt.is_some());
    }
}

fn read_declaration(text: &[u8], keys: &Keys) {
    if let Ok(declaration) = serde_json::from_slice::<Declaration>(text) {
        let _ = declaration.compare(&Existing::default(), keys);
    }
}

fn read_config(text: &[u8]) {
    if let Ok(text) = std::str::from_utf8(text) {
        let _ = config::Config::parse(text, &BTreeMap::new(), Path::new("/srv/latchwork"));
    }
}

fn cbor_request(pair: &Pair) -> Vec<u8> {
    let ccs = ccs(&pair.public());
    let request = ace::TokenRequest {
        audience: Some("urn:latchwork:lock:front"),
        scope: Some(ace::Scope::Text("door:open")),
        client_id: Some("robot"),
        client_secret: Some(b"secret"),
        req_cnf: Some(ace::Cnf::Kccs(&ccs.0)),
        ..Default::default()
    };
    request.encode(&mut [0; 512]).unwrap().to_vec()
}

proptest! {
    #![proptest_config(Config::with_cases(500))]

    /// R6749-10.14-01
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in ".{0,200}") {
        let keys = Keys::random().unwrap();
        for input in [&bytes, text.as_bytes()] {
            read_form(input);
            read_query(input);
            read_declaration(input, &keys);
            read_config(input);
            for face in [Face::CborHttp, Face::CborCoap] {
                let _ = cbor::token_request(face, input);
            }
            let _ = cbor::kccs(input);
        }
        let _ = form::basic_credentials(&text);
    }

    #[test]
    fn wounded_messages_are_read_or_refused(wounds in wounds()) {
        let keys = Keys::random().unwrap();
        read_form(&wounded(FORM.as_bytes(), &wounds));
        read_query(&wounded(QUERY.as_bytes(), &wounds));
        read_declaration(&wounded(DECLARATION.as_bytes(), &wounds), &keys);
        read_config(&wounded(config::TEMPLATE.replace("\n#", "\n").as_bytes(), &wounds));
        read_config(&wounded(config::TEMPLATE.as_bytes(), &wounds));
        let _ = cbor::token_request(Face::CborHttp, &wounded(&cbor_request(&Pair::new(1)), &wounds));
        if let Ok(header) = String::from_utf8(wounded(BASIC.as_bytes(), &wounds)) {
            let _ = form::basic_credentials(&header);
        }
    }

    /// The only JWTs that pass are those that were signed.
    /// R7523-3-04
    #[test]
    fn wounded_jwts_never_pass(wounds in wounds()) {
        let pair = Pair::new(9);
        let client = "signer".parse().unwrap();
        let registered = [ClientKey { kid: None, key: pair.public() }];
        let jwt = pair.assertion_with("signer", |_, _| {});
        assertion::check(jwt.as_bytes(), &client, &registered, ISSUER, NOW).unwrap();
        let bent = wounded(jwt.as_bytes(), &wounds);
        if bent != jwt.as_bytes() {
            prop_assert!(assertion::check(&bent, &client, &registered, ISSUER, NOW).is_err());
        }

        let proof = pair.proof("p");
        let jkt = dpop::check(&proof, NOW).unwrap().jkt();
        let bent = wounded(proof.jwt.as_bytes(), &wounds);
        if bent != proof.jwt.as_bytes() && let Ok(jwt) = String::from_utf8(bent) {
            let passed = dpop::check(&crate::core::request::Proof { jwt: jwt.clone(), ..proof.clone() }, NOW);
            prop_assert!(passed.is_err(), "{:?} {jkt:?}", passed);
            let keys = Keys::random().unwrap();
            prop_assert!(api_token::check(&jwt, &proof, ISSUER, &keys.api_published(NOW), NOW).is_err());
        }
    }
}

/// The rows above begin with messages that are good.
#[test]
fn the_originals_are_good() {
    let form = Form::parse(FORM.as_bytes(), &[]).unwrap();
    form.token_request().unwrap();
    form.credential(None).unwrap();
    let app = native("app", &["http://127.0.0.1/cb"]);
    authorize::check(&form::pairs(QUERY.as_bytes()).unwrap(), Some(&app)).unwrap();
    let declaration: Declaration = serde_json::from_str(DECLARATION).unwrap();
    declaration.compare(&Existing::default(), &Keys::random().unwrap()).unwrap();
    cbor::token_request(Face::CborHttp, &cbor_request(&Pair::new(1))).unwrap();
    form::basic_credentials(BASIC).unwrap();
}
