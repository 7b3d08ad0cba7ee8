//! Signing keys over their lives, as those who verify and those who administer see them.

use std::cell::Cell;
use std::sync::{Arc, Mutex};

use super::*;
use crate::core::api_token;
use crate::core::bytes::from_base64url;
use crate::core::entropy::Os;
use crate::core::names::Audience;
use crate::core::records::{Grant, SigningKey};
use crate::core::rotation::{Purpose, Schedule};
use crate::core::testing::{Pair, person};
use crate::core::time::Seconds;
use crate::keys::ring::Schedules;
use crate::keys::{Key32, Ring};

thread_local! {
    static NOW: Cell<i64> = const { Cell::new(0) };
}

fn now() -> Timestamp {
    Timestamp(NOW.get())
}

const DAY: i64 = 86_400;
const TURN: Schedule =
    Schedule { announce: Seconds(30 * 86_400), sign: Some(Seconds(365 * 86_400)), retire: Seconds(31 * 86_400) };

/// A server; on the store and with the files of `first`, if there is one.
async fn server(first: Option<&World>) -> World {
    let mut world = World::at(now).await;
    let other = Arc::into_inner(std::mem::replace(&mut world.shell, web::Data::new(hollow())).into_inner()).unwrap();
    let records = first.map_or(other.records.clone(), |first| first.shell.records.clone());
    world.shell = web::Data::new(Shell { keys: keys(), records, ..other });
    world
}

pub(super) fn hollow() -> Shell {
    Shell {
        issuer: String::new(),
        mtls_url: None,
        records: Records::new(Arc::new(Memory::default())),
        keys: keys(),
        policy: Arc::new(Cedar::embedded().unwrap()),
        providers: Vec::new(),
        lifetimes: Config::parse("", &Default::default(), std::path::Path::new(".")).unwrap().lifetimes,
        clock: now,
        audit: Audit::open(None).unwrap(),
        throttle: Mutex::new(Throttle::new(Rates { per_address: 0, per_client: 0 })),
        devices: Default::default(),
        trl: Default::default(),
    }
}

fn keys() -> Keys {
    let key = |byte: u8| Key32::from([byte; 32]);
    Keys {
        signing: Ring::new(Schedules { cwt: TURN, api: TURN }),
        storage: key(1).into(),
        secrets: key(2),
        pairwise: key(3),
        refresh: key(4),
        edhoc: None,
    }
}

async fn get(world: &World, path: &str) -> Value {
    let asked = TestRequest::get().uri(path).insert_header(("authorization", format!("Bearer {ADMIN}")));
    world.ask(asked).await.json()
}

/// The phases of one purpose's keys, oldest first.
async fn phases(world: &World, purpose: &str) -> Vec<String> {
    let listed = get(world, "/admin/api/v1/keys").await;
    let keys = listed["keys"].as_array().unwrap().iter().filter(|key| key["purpose"] == purpose);
    keys.map(|key| key["phase"].as_str().unwrap().to_owned()).collect()
}

async fn jwks_kids(world: &World) -> Vec<String> {
    let jwks = get(world, "/jwks.json").await;
    jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// A JWT of the people API, and whether the server takes it.
fn api_token(world: &World, phone: &Pair) -> String {
    let grant = Grant {
        id: crate::core::names::GrantId([7; 16]),
        client: "app".parse().unwrap(),
        person: person("emma", &[]),
        jkt: None,
        consented: Vec::new(),
        created: now(),
        ends: now().plus(DAY),
        idle_ends: now().plus(DAY),
        refresh: None,
        revoked: None,
    };
    let jkt = phone.public().thumbprint();
    {
        let aud = &Audience::api_of(ISSUER);
        let says = api_token::Says { issuer: ISSUER, aud, scope: None, jkt, life: Seconds(3 * 86_400) };
        api_token::mint(&grant, &says, &world.shell.keys, now(), &mut Os)
    }
    .unwrap()
}

fn takes(world: &World, token: &str, phone: &Pair) -> bool {
    let url = format!("{ISSUER}/api/v1/doors");
    let mut proof = phone.proof_with("x", |_, claims| {
        claims["ath"] = crate::core::bytes::base64url(&Hash32::of(&[token.as_bytes()]).0).into();
        claims["htm"] = "GET".into();
        claims["htu"] = url.clone().into();
        claims["iat"] = now().0.into();
    });
    (proof.method, proof.url) = ("GET".into(), url);
    api_token::check(token, &proof, ISSUER, &world.shell.keys.api_published(now()), now()).is_ok()
}

#[actix_web::test]
async fn a_key_is_announced_signs_and_retires_while_its_tokens_live() {
    NOW.set(DAY);
    let world = server(None).await;
    let turn = async || world.shell.turn_signing_keys().await.unwrap();
    turn().await;
    assert_eq!(phases(&world, "api").await, ["signing"]);
    let first = jwks_kids(&world).await;
    assert_eq!(first.len(), 3, "one of each purpose");

    NOW.set(DAY + 335 * DAY);
    turn().await;
    turn().await;
    assert_eq!(phases(&world, "api").await, ["signing", "announced"]);
    let both = jwks_kids(&world).await;
    assert_eq!(both.len(), 6);
    assert!(first.iter().all(|kid| both.contains(kid)), "kids stay");
    let set = world.ask(TestRequest::get().uri("/keys")).await;
    let set = <coset::CoseKeySet as coset::CborSerializable>::from_slice(&set.body).unwrap();
    assert_eq!(set.0.len(), 4, "announced keys are in the COSE_KeySet; the API's never are");
    let got = world.ask(admin("locks/front/enroll", &json!({}))).await;
    assert_eq!(got.json()["as_keys"].as_array().unwrap().len(), 4, "and in a lock's file");

    let phone = Pair::new(5);
    NOW.set(DAY + 365 * DAY - 1);
    let before = api_token(&world, &phone);
    assert!(takes(&world, &before, &phone));
    NOW.set(DAY + 365 * DAY);
    turn().await;
    assert_eq!(phases(&world, "api").await, ["retired", "signing"]);
    let after = api_token(&world, &phone);
    let kid = |token: &str| {
        let header: Value = serde_json::from_slice(&from_base64url(token.split('.').next().unwrap()).unwrap()).unwrap();
        header["kid"].as_str().unwrap().to_owned()
    };
    assert_ne!(kid(&before), kid(&after));
    assert!(takes(&world, &before, &phone) && takes(&world, &after, &phone), "the key before still verifies");

    // An hour back: the key before signs again, and what the next one signed still verifies.
    NOW.set(DAY + 365 * DAY - 3600);
    turn().await;
    assert_eq!(phases(&world, "api").await, ["signing", "announced"]);
    assert_eq!(kid(&api_token(&world, &phone)), kid(&before));
    assert!(takes(&world, &after, &phone));

    NOW.set(DAY + (365 + 31) * DAY);
    turn().await;
    assert_eq!(phases(&world, "api").await, ["ended", "signing"]);
    let last = jwks_kids(&world).await;
    assert!(last.len() == 3 && !last.iter().any(|kid| first.contains(kid)));
    NOW.set(DAY + (365 + 32) * DAY);
    turn().await;
    assert_eq!(phases(&world, "api").await, ["signing"]);
    assert_eq!(world.shell.records.all::<SigningKey>().await.unwrap().len(), 3, "deleted a day after its end");
}

#[actix_web::test]
async fn two_servers_of_one_store_make_one_key_and_both_know_it() {
    NOW.set(0);
    let one = server(None).await;
    let two = server(Some(&one)).await;
    let both = async || {
        let (a, b) = tokio::join!(one.shell.turn_signing_keys(), two.shell.turn_signing_keys());
        a.and(b).unwrap();
        // Whoever was slower finds what the other made at its next turn.
        one.shell.turn_signing_keys().await.unwrap();
        two.shell.turn_signing_keys().await.unwrap();
    };
    for (day, keys) in [(0, 3), (335, 6)] {
        NOW.set(day * DAY);
        both().await;
        assert_eq!(jwks_kids(&one).await, jwks_kids(&two).await);
        assert_eq!(jwks_kids(&one).await.len(), keys);
    }
    let phone = Pair::new(6);
    assert!(takes(&two, &api_token(&one, &phone), &phone));
}

#[actix_web::test]
async fn an_administrator_rotates() {
    NOW.set(0);
    let world = server(None).await;
    world.shell.turn_signing_keys().await.unwrap();
    let rotate = async |body: Value| world.ask(admin("keys/rotate", &body)).await;
    let remove = async |kid: &str| {
        let uri = format!("/admin/api/v1/keys/{kid}");
        let asked = TestRequest::delete().uri(&uri).insert_header(("authorization", format!("Bearer {ADMIN}")));
        world.ask(asked).await.status.as_u16()
    };
    NOW.set(DAY);
    for (body, status, expected) in [
        (json!({ "purpose": "es256" }), 200, ["signing", "announced"].as_slice()),
        (json!({ "purpose": "es256" }), 409, &["signing", "announced"]),
        (json!({}), 409, &["signing", "announced"]),
        (json!({ "purpose": "es256", "now": true }), 200, &["retired", "retired", "signing"]),
        (json!({ "purpose": "rsa" }), 422, &["retired", "retired", "signing"]),
        (json!({ "at": 7 }), 422, &["retired", "retired", "signing"]),
    ] {
        let got = rotate(body.clone()).await;
        assert_eq!(got.status, status, "{body}: {}", got.text());
        assert_eq!(phases(&world, "es256").await, expected, "{body}");
    }
    assert!(world.entries().contains("\"event\":\"signing_key\",\"action\":\"announce\",\"purpose\":\"es256\""));

    let listed = get(&world, "/admin/api/v1/keys").await;
    let kid = |phase: &str| {
        let found = listed["keys"].as_array().unwrap().iter().find(|key| key["phase"] == phase).unwrap();
        found["kid"].as_str().unwrap().to_owned()
    };
    for (kid, status) in [(kid("signing"), 409), (kid("retired"), 204), (kid("retired"), 404), ("x".into(), 404)] {
        assert_eq!(remove(&kid).await, status, "{kid}");
    }
    assert_eq!(phases(&world, "es256").await, ["retired", "signing"]);
    for _ in 0..14 {
        assert_eq!(rotate(json!({ "purpose": "es256", "now": true })).await.status, 200);
    }
    assert_eq!(rotate(json!({ "purpose": "es256", "now": true })).await.status, 409, "there is an end to it");
    let text = listed.to_string();
    assert!(!text.contains("secret") && !text.contains("sealed"));
}

#[actix_web::test]
async fn keys_of_a_server_before_are_taken_over_once() {
    NOW.set(DAY);
    let world = server(None).await;
    let old = [Key32::from([7; 32]), Key32::from([8; 32])];
    assert!(world.shell.adopt_signing_keys(Purpose::Es256, &old).await.unwrap());
    assert!(!world.shell.adopt_signing_keys(Purpose::Es256, &old).await.unwrap());
    assert!(!world.shell.adopt_signing_keys(Purpose::Eddsa, &[]).await.unwrap());
    world.shell.turn_signing_keys().await.unwrap();
    assert_eq!(phases(&world, "es256").await, ["retired", "signing"]);
    let expected = crate::keys::ring::signer(Purpose::Es256, &old[1]).unwrap();
    let signs = world.shell.keys.signer(crate::keys::Alg::Es256, now()).unwrap();
    assert_eq!(signs.kid(), expected.kid());
}

/// A sealed key opens under its own number only, and under no other server's storage key.
#[actix_web::test]
async fn a_key_of_another_server_is_no_key_of_ours() {
    NOW.set(0);
    let one = server(None).await;
    one.shell.turn_signing_keys().await.unwrap();
    let (mut key, _) = one.shell.records.all::<SigningKey>().await.unwrap().remove(0);
    key.number += 1;
    one.shell.records.commit(&[Change::put(key)]).await.unwrap();
    assert!(one.shell.turn_signing_keys().await.is_err());
    assert_eq!(jwks_kids(&one).await.len(), 3, "what was ready stays in use");
}
