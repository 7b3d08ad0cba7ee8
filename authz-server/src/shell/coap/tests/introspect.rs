//! `/introspect` over CoAP: a lock asks about what it cannot judge.

use super::*;
use latchwork_ace::Cnf;
use latchwork_ace::introspection::{Hint, IntrospectionRequest, IntrospectionResponse};
use latchwork_ace::registry::{Profile, TokenType};

const DOOR: &str = "101112131415161718191a1b1c1d1e1f";
const VAULT: &str = "202122232425262728292a2b2c2d2e2f";

/// The robot, and two resource servers: kid 0c for the front door, 0d for the vault. `form` is what the front door takes.
async fn world(form: &str) -> World {
    let world = World::new().await;
    let rs = |id: &str, lock: &str| json!({ "id": id, "kind": "resource_server", "oscore": true, "locks": [lock] });
    world
        .declare(json!({
            "client": [rs("rs", "front"), rs("rs-vault", "vault"), robot("twin")],
            "oscore": [context("rs", "0c", DOOR), context("rs-vault", "0d", VAULT), context("twin", "0f", OTHER)],
            "lock": [{ "name": "front", "tokens": { "form": form } }],
        }))
        .await;
    world
}

fn question(token: &[u8], hint: Option<Hint<'_>>) -> Vec<u8> {
    let mut out = vec![0; token.len() + 64];
    IntrospectionRequest { token, hint }.encode(&mut out).unwrap().to_vec()
}

async fn ask(client: &mut CoapClient, payload: &[u8]) -> Response {
    client.request(Code::POST, "/introspect", Some(ContentFormat::ACE_CBOR), None, payload).await.unwrap()
}

async fn minted(life: &Life) -> Vec<u8> {
    let got = post(&mut life.client(Some(clients("0a", SECRET))).await, &asked()).await;
    TokenResponse::decode(&got.payload).unwrap().access_token.to_vec()
}

/// R9200-5.9-01, R9200-5.9-02, R9200-5.9-03, R9200-5.9.1-02, R9200-5.9.2-01, R9200-5.9.2-04, R9200-5.9.3-04, R9200-5.9.4-01, R9201-4-01,
/// R9201-5-01, R7662-2.1-01
#[tokio::test]
async fn a_lock_hears_of_its_own_tokens() {
    for form in ["self_contained", "reference"] {
        let world = world(form).await;
        let life = world.start().await;
        let mut robot = life.client(Some(clients("0a", SECRET))).await;
        let got = post(&mut robot, &asked()).await;
        let issued = TokenResponse::decode(&got.payload).unwrap();
        let Some(Cnf::Osc(given)) = issued.cnf else { panic!("{issued:?}") };
        let token = issued.access_token;
        assert_eq!(token.len() == 32, form == "reference");
        let mut rs = life.client(Some(clients("0c", DOOR))).await;
        for hint in [None, Some(Hint::Text("refresh_token")), Some(Hint::Number(-1))] {
            let got = ask(&mut rs, &question(token, hint)).await;
            assert_eq!(
                (got.code, got.protected, got.content_format()),
                (Code::CREATED, true, Some(ContentFormat::ACE_CBOR)),
                "{form} {hint:?} {}",
                world.entries()
            );
            let told = IntrospectionResponse::decode(&got.payload).unwrap();
            assert_eq!((told.active, told.client_id, told.token_type), (true, Some("robot"), Some(TokenType::POP)));
            assert_eq!(told.claims.ace_profile, Some(Profile::COAP_OSCORE));
            let Some(Cnf::Osc(osc)) = told.claims.cnf else { panic!("{told:?}") };
            assert_eq!((osc.id, osc.ms, osc.salt), (given.id, given.ms, given.salt));
        }
        let entry = world.last_entry();
        assert_eq!(
            (&entry["event"], &entry["face"], &entry["client"], &entry["active"]),
            (&json!("introspection"), &json!("cbor_coap"), &json!("rs"), &json!(true))
        );
        let mut vault = life.client(Some(clients("0d", VAULT))).await;
        for (what, other, token, why) in [
            ("another lock's", true, token.to_vec(), "not for this resource server"),
            ("nobody's", false, vec![7; 32], "unknown token"),
            ("nothing", false, vec![], "unknown token"),
            ("cut short", false, token[..token.len() - 1].to_vec(), "unknown token"),
            ("larger than any of ours", false, vec![7; 1_024], "unknown token"),
        ] {
            let client = if other { &mut vault } else { &mut rs };
            let got = ask(client, &question(&token, None)).await;
            assert_eq!((got.code, &got.payload[..]), (Code::CREATED, &[0xa1, 10, 0xf4][..]), "{what}");
            assert_eq!(world.last_entry()["reason"], why, "{what}");
        }
    }
}

/// R9200-5.9-01, R9200-5.9.3-01, R9200-5.9.3-02, R9200-5.9.3-03, R9200-5.9.1-02
#[tokio::test]
async fn who_hears_nothing() {
    let world = world("self_contained").await;
    let life = world.start().await;
    let token = minted(&life).await;
    let good = question(&token, None);
    for (what, context, code, payload) in [
        ("no protection", None, Code::UNAUTHORIZED, Some(&[0xa1, 0x18, 30, 2][..])),
        ("an unknown kid", Some(clients("0e", DOOR)), Code::UNAUTHORIZED, None),
        ("another key", Some(clients("0c", VAULT)), Code::BAD_REQUEST, None),
        ("no resource server", Some(clients("0f", OTHER)), Code::FORBIDDEN, Some(&[])),
    ] {
        let got = ask(&mut life.client(context).await, &good).await;
        assert_eq!(got.code, code, "{what}: {got:?}");
        if let Some(payload) = payload {
            assert_eq!(got.payload, payload, "{what}");
        }
        assert!(!what.starts_with("no res") || got.content_format().is_none(), "{what}");
    }
    assert_eq!(world.last_entry()["error"], "forbidden", "{}", world.last_entry());

    let ace = Some(ContentFormat::ACE_CBOR);
    let twice = [&[0xa2, 11, 0x41, 1][..], &[11, 0x41, 1]].concat();
    let mut rs = life.client(Some(clients("0c", DOOR))).await;
    let rows = [
        ("FETCH", Code::FETCH, ace, None, good.clone(), Code::METHOD_NOT_ALLOWED, None),
        ("no token", Code::POST, ace, None, vec![0xa0], Code::BAD_REQUEST, Some(1)),
        ("a text for a token", Code::POST, ace, None, vec![0xa1, 11, 0x61, b'x'], Code::BAD_REQUEST, Some(1)),
        ("a float for a token", Code::POST, ace, None, vec![0xa1, 11, 0xf9, 0x40, 0], Code::BAD_REQUEST, Some(1)),
        ("a token twice", Code::POST, ace, None, twice, Code::BAD_REQUEST, Some(1)),
        ("64 KiB", Code::POST, ace, None, question(&vec![7; 64 << 10], None), Code::REQUEST_ENTITY_TOO_LARGE, None),
    ];
    for (what, method, format, accept, payload, code, number) in misfits(&good).into_iter().chain(rows) {
        let got = rs.request(method, "/introspect", format, accept, &payload).await.unwrap();
        assert_eq!(got.code, code, "{what}: {got:?}");
        if let Some(number) = number {
            assert_eq!((error(&got.payload), got.content_format()), (number, ace), "{what}");
        }
    }
    assert!(!world.entries().contains("\"active\":true"), "nobody was told anything");
}

/// One whom nobody knows any more hears nothing: not the record, not the key decides alone.
#[tokio::test]
async fn a_resource_server_that_was_removed() {
    let world = world("self_contained").await;
    let life = world.start().await;
    let token = minted(&life).await;
    let mut rs = life.client(Some(clients("0c", DOOR))).await;
    assert_eq!(ask(&mut rs, &question(&token, None)).await.code, Code::CREATED);
    let id = "rs".parse::<crate::core::names::ClientId>().unwrap();
    world.shell.records.commit(&[Change::delete(Key::Client(id))]).await.unwrap();
    let got = ask(&mut rs, &question(&token, None)).await;
    assert_eq!((got.code, error(&got.payload)), (Code::UNAUTHORIZED, 2));
}
