//! Ending tokens and grants over HTTP, and the list that tells of it.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use base64::Engine as _;
use latchwork_cbor::Reader;
use serde_json::json;

use super::authorize::{Browser, between, request_with};
use super::doors::{proof, redeem};
use super::provider::Idp;
use super::{ADMIN, Got, ISSUER, SECRET, World, admin, as_if_it_registered_itself, form, parameter};
use crate::core::bytes::Hash32;
use crate::core::change::{Change, Key};
use crate::core::names::GrantId;
use crate::core::records::{Grant, Listed, Revocation, RevokedWhy, TokenRecord};
use crate::core::revoke::Target;
use crate::core::testing::Pair;

const API: &str = "https://as.example/api/v1";
const FRONT: &str = "urn:latchwork:lock:front";

pub(super) fn basic(id: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{id}:{SECRET}")))
}

pub(super) fn hash(token: &str) -> Hash32 {
    Hash32::of(&[token.as_bytes()])
}

/// A robot's token for the front or the side door.
async fn minted(world: &World, door: &str) -> String {
    let audience = format!("urn:latchwork:lock:{door}");
    let asked = [("grant_type", "client_credentials"), ("audience", &audience), ("scope", "door:open")];
    let got = world.ask(form("/token", &asked).insert_header(("authorization", basic("robot")))).await;
    assert_eq!(got.status, 200, "{} {}", got.text(), world.last_entry());
    got.json()["access_token"].as_str().unwrap().to_owned()
}

async fn revoke(world: &World, id: &str, pairs: &[(&str, &str)]) -> Got {
    world.ask(form("/revoke", pairs).insert_header(("authorization", basic(id)))).await
}

async fn query(world: &World, authorization: &str, query: &str) -> Got {
    world.ask(TestRequest::get().uri(&format!("/trl{query}")).insert_header(("authorization", authorization))).await
}

/// The hashes of a full query.
pub(super) async fn listed(world: &World, authorization: &str) -> Vec<Hash32> {
    let got = query(world, authorization, "").await;
    assert_eq!(
        (got.status.as_u16(), got.header("content-type")),
        (200, Some("application/ace-trl+cbor")),
        "{}",
        got.text()
    );
    let mut reader = Reader::new(&got.body);
    assert_eq!((reader.map().unwrap(), reader.uint().unwrap()), (2, 0));
    let hash = |bytes: &[u8]| Hash32(bytes.strip_prefix(&[1]).unwrap().try_into().unwrap());
    (0..reader.array().unwrap()).map(|_| hash(reader.bytes().unwrap())).collect()
}

fn as_admin() -> String {
    format!("Bearer {ADMIN}")
}

/// A resource server for the front door, one for the side door, and a robot of somebody else.
async fn world() -> World {
    world_of(World::new(Vec::new()).await).await
}

async fn world_of(world: World) -> World {
    let more = json!({ "client": [
        { "id": "rs", "kind": "resource_server", "secret": SECRET, "locks": ["front"] },
        { "id": "rs-side", "kind": "resource_server", "secret": SECRET, "locks": ["side", "vault"] },
        { "id": "other", "kind": "confidential", "secret": SECRET },
    ]});
    let got = world.ask(admin("apply", &more)).await;
    assert_eq!(got.status, 200, "{}", got.text());
    world
}

/// R9770-5.1-01, R9770-14.1-01, R7009-2-01, R7009-2-03, R7009-2.1-01, R7009-2.1-02, R7009-2.2-01
#[actix_web::test]
async fn a_client_ends_its_own_token() {
    let world = world().await;
    let (kept, token) = (minted(&world, "front").await, minted(&world, "front").await);
    for (what, who, pairs, status, error) in [
        ("a foreign token", "other", vec![("token", &*token)], 400, "invalid_grant"),
        ("no token", "robot", vec![], 400, "invalid_request"),
        ("no token, only a hint", "robot", vec![("token_type_hint", "access_token")], 400, "invalid_request"),
        ("two tokens", "robot", vec![("token", &*token), ("token", &*kept)], 400, "invalid_request"),
        ("nobody", "nobody", vec![("token", &*token)], 401, "invalid_client"),
    ] {
        let got = revoke(&world, who, &pairs).await;
        assert_eq!((got.status.as_u16(), got.json()["error"].as_str()), (status, Some(error)), "{what}");
        assert!(!world.last_entry()["reason"].as_str().unwrap().is_empty(), "{what}");
    }
    let bare = world.ask(form("/revoke", &[("token", &token)])).await;
    assert_eq!((bare.status.as_u16(), bare.json()["error"].as_str()), (401, Some("invalid_client")));
    let get =
        TestRequest::get().uri(&format!("/revoke?token={token}")).insert_header(("authorization", basic("robot")));
    assert_eq!(world.ask(get).await.status, 405, "a GET revokes nothing, and no token belongs into a URL");
    assert_eq!(listed(&world, &as_admin()).await, []);

    for (what, pairs) in [
        ("garbage", vec![("token", "what?")]),
        ("a wrong hint", vec![("token", &*token), ("token_type_hint", "refresh_token")]),
        ("again, with a hint nobody knows", vec![("token", &*token), ("token_type_hint", "x")]),
    ] {
        let got = revoke(&world, "robot", &pairs).await;
        assert_eq!((got.status.as_u16(), got.text()), (200, String::new()), "{what}");
    }
    let entry = world.last_entry();
    assert_eq!((&entry["event"], &entry["by"]["client"]), (&json!("revocation"), &json!("robot")));
    assert_eq!((&entry["target"]["token"], &entry["tokens"]), (&json!(hash(&token).to_string()), &json!(1)));
    assert!(!world.entries().contains(&token));
    for (who, sees) in [
        (as_admin(), true),
        (basic("robot"), true),
        (basic("rs"), true),
        (basic("rs-side"), false),
        (basic("other"), false),
    ] {
        let expected = if sees { vec![hash(&token)] } else { vec![] };
        assert_eq!(listed(&world, &who).await, expected, "{who}");
    }
}

/// Whoever guesses credentials here waits as at `/token`.
/// R7009-5-01
#[actix_web::test]
async fn guessing_at_revocation_waits() {
    let world = world().await;
    let statuses = [401, 401, 401, 401, 429];
    for status in statuses {
        assert_eq!(revoke(&world, "nobody", &[("token", "guess")]).await.status, status);
    }
}

/// RFC 9770 over HTTP: who asks, and how wrong questions are answered.
///
/// R9770-6-02, R9770-6-03, R9770-6.1-01, R9770-10-01
#[actix_web::test]
async fn who_may_read_the_list() {
    let world = world().await;
    for (what, authorization) in [
        ("nothing", None),
        ("a wrong secret", Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode("rs:wrong")))),
        ("nobody", Some(basic("nobody"))),
        ("a public client", Some(basic("app"))),
        ("another administrator's token", Some("Bearer nobody's".to_owned())),
        ("an assertion of nobody", Some("Bearer e30.e30.x".to_owned())),
        ("no scheme", Some("x".to_owned())),
        ("a DPoP token that is none", Some("DPoP x".to_owned())),
    ] {
        let request = TestRequest::get().uri("/trl");
        let got = match authorization {
            Some(value) => world.ask(request.insert_header(("authorization", value))).await,
            None => world.ask(request).await,
        };
        assert!([400, 401].contains(&got.status.as_u16()), "{what}: {}", got.status);
        assert!(got.json()["error"].is_string(), "{what}");
    }
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
        let request = TestRequest::with_uri("/trl").method(method.clone()).insert_header(("authorization", as_admin()));
        assert_eq!(world.ask(request).await.status, 405, "{method}");
    }
    for (asked, error, cursor) in
        [("?diff=x", 0, None), ("?cursor=1", 1, None), ("?diff=1&cursor=x", 0, Some(())), ("?diff=%2d1", 0, None)]
    {
        let got = query(&world, &basic("rs"), asked).await;
        let format = Some("application/concise-problem-details+cbor");
        assert_eq!((got.status.as_u16(), got.header("content-type")), (400, format), "{asked}");
        let mut reader = Reader::new(&got.body);
        assert_eq!((reader.map().unwrap(), reader.uint().unwrap()), (3, 1), "{asked}: ace-trl-error");
        assert_eq!(reader.map().unwrap(), if cursor.is_some() { 2 } else { 1 }, "{asked}");
        assert_eq!((reader.uint().unwrap(), reader.uint().unwrap()), (0, error), "{asked}");
    }
}

/// A private_key_jwt client has no body to put its assertion in.
#[actix_web::test]
async fn an_assertion_reads_the_list_once() {
    let world = World::new(Vec::new()).await;
    let key = Pair::new(9);
    let signer = json!({ "client": [{ "id": "signer", "kind": "confidential", "keys": [{ "key": key.public() }] }] });
    let got = world.ask(admin("apply", &signer)).await;
    assert_eq!(got.status, 200, "{}", got.text());
    let now = crate::clock::now().0;
    let jwt = key.assertion_with("signer", |_, claims| {
        claims["aud"] = ISSUER.into();
        claims["exp"] = (now + 60).into();
    });
    assert_eq!(listed(&world, &format!("Bearer {jwt}")).await, []);
    assert_eq!(query(&world, &format!("Bearer {jwt}"), "").await.status, 401, "replayed");
}

/// The same on a page, for whoever has no app at hand. Each sees and ends their own only, and by a form of ours.
#[actix_web::test]
async fn a_person_ends_an_app_on_a_page() {
    let idp = Idp::start();
    let world = world_of(World::new(vec![idp.provider()]).await).await;
    let phone = Pair::new(5);
    let family = signed_in_as(&world, &idp, "emma", &phone, "a").await;
    signed_in_as(&world, &idp, "erik", &Pair::new(6), "b").await;
    let (mut emma, mut erik) = (Browser::new(&world), Browser::new(&world));
    assert_eq!(emma.sign_in(&idp, "/apps", "emma", &["staff"]).await.location(), "/apps");
    erik.sign_in(&idp, "/apps", "erik", &["staff"]).await;
    let (own, other) = (emma.get("/apps").await, erik.get("/apps").await);
    for shown in ["Door app", "Front door", &phone.public().thumbprint().to_string()] {
        assert!(own.text().contains(shown), "{shown}: {}", own.text());
    }
    assert!(!own.text().contains("registered itself"), "declared");
    as_if_it_registered_itself(&world, "app").await;
    let marked = "<code>app</code> (registered itself)";
    assert!(emma.get("/apps").await.text().contains(marked), "it may have chosen another's title");
    let id = |page: &Got| between(&page.text(), "action=\"/apps/", "\"");
    let csrf = |page: &Got| between(&page.text(), "name=\"csrf\" value=\"", "\"");
    assert_ne!(id(&own), id(&other));
    let path = format!("/apps/{}", id(&own));
    assert_eq!(emma.send(form(&path, &[("csrf", "forged")])).await.status, 400, "a forged form");
    assert_eq!(emma.send(form(&path, &[("csrf", &csrf(&other))])).await.status, 400, "a form of another browser");
    assert_eq!(erik.send(form(&path, &[("csrf", &csrf(&other))])).await.status, 400, "another's app");
    assert_eq!(world.ask(form(&path, &[("csrf", &csrf(&own))])).await.status, 400, "nobody signed in");
    assert_eq!(emma.send(form("/apps/x", &[("csrf", &csrf(&own))])).await.status, 400, "no app");
    assert_eq!(emma.get("/apps").await.text().matches("action=\"/apps/").count(), 1, "nothing happened yet");

    assert_eq!(emma.send(form(&path, &[("csrf", &csrf(&own))])).await.status, 303);
    assert_eq!(world.last_entry()["event"], "revocation");
    assert_eq!(refresh(&world, &family.refresh, &phone, "c").await.json()["error"], "invalid_grant");
    assert!(!emma.get("/apps").await.text().contains("action=\"/apps/"));
    assert!(erik.get("/apps").await.text().contains("action=\"/apps/"));
    assert_eq!(emma.send(form(&path, &[("csrf", &csrf(&own))])).await.status, 400, "ended already");
}

/// R7009-2.1-03, R9770-5.1-01
#[actix_web::test]
async fn a_refresh_token_ends_its_family() {
    let idp = Idp::start();
    let world = world_of(World::new(vec![idp.provider()]).await).await;
    let (phone, thief) = (Pair::new(5), Pair::new(6));
    let family = signed_in(&world, &idp, &phone, "a").await;
    let door = refreshed(&world, &family, &phone, "b").await;
    let other = signed_in(&world, &idp, &Pair::new(7), "c").await;
    let asked = |token: &str, key: Option<&Pair>, jti: &str| {
        let request = form("/revoke", &[("client_id", "app"), ("token", token)]);
        match key {
            Some(key) => request.insert_header(("dpop", proof(key, jti, "POST", &format!("{ISSUER}/revoke"), None))),
            None => request,
        }
    };
    for (what, request, error) in [
        ("without the key", asked(&family.refresh, None, ""), "invalid_dpop_proof"),
        ("with another key", asked(&family.refresh, Some(&thief), "d"), "invalid_grant"),
        ("an access token with another key", asked(&door, Some(&thief), "e"), "invalid_grant"),
    ] {
        let got = world.ask(request).await;
        assert_eq!((got.status.as_u16(), got.json()["error"].as_str()), (400, Some(error)), "{what}");
    }
    assert_eq!(listed(&world, &as_admin()).await, []);
    assert_eq!(world.ask(asked(&family.refresh, Some(&phone), "f")).await.status, 200);
    assert_eq!(world.ask(asked(&family.refresh, Some(&phone), "f")).await.status, 400, "the proof is spent");
    assert_eq!(world.ask(asked(&family.refresh, Some(&phone), "g")).await.status, 200, "ended already");
    let mut ended = vec![hash(&door), hash(&family.api)];
    ended.sort();
    assert_eq!(listed(&world, &as_admin()).await, ended);
    assert_eq!(listed(&world, &basic("rs")).await, [hash(&door)], "the API's token is none of the lock's");
    assert_eq!(doors(&world, &family.api, &phone, "h").await.status, 401, "not at our own API");
    assert_eq!(doors(&world, &other.api, &Pair::new(7), "i").await.status, 200, "another phone's goes on");
}

/// A spent refresh token that comes back with the key takes the family's tokens along.
#[actix_web::test]
async fn reuse_puts_the_familys_tokens_on_the_list() {
    let idp = Idp::start();
    let world = World::new(vec![idp.provider()]).await;
    let phone = Pair::new(5);
    let family = signed_in(&world, &idp, &phone, "a").await;
    let second = refresh(&world, &family.refresh, &phone, "b").await.json();
    refresh(&world, second["refresh_token"].as_str().unwrap(), &phone, "c").await;
    let reused = refresh(&world, &family.refresh, &phone, "d").await;
    assert_eq!(reused.json()["error"], "invalid_grant");
    assert_eq!(listed(&world, &as_admin()).await.len(), 3, "the API's and two for the door");
    assert_eq!(world.shell.records.all::<Revocation>().await.unwrap(), [], "the promise is kept");
}

/// Every way an administrator ends things, and what is left.
#[actix_web::test]
async fn an_administrator_ends_what_a_target_names() {
    let idp = Idp::start();
    let phones = [Pair::new(5), Pair::new(6)];
    let person = |subject: &str| json!({ "issuer": idp.provider().issuer(), "subject": subject });
    let device = |place: usize| phones[place].public().thumbprint().to_string();
    for (place, (what, grants, tokens)) in [
        (json!({ "client": "robot" }), 0, 2),
        (json!({ "client": "app" }), 2, 3),
        (json!({ "client": "nobody" }), 0, 0),
        (json!({ "person": person("emma") }), 2, 3),
        (json!({ "person": person("nobody") }), 0, 0),
        (json!({ "device": device(0) }), 1, 2),
        (json!({ "device": device(1) }), 1, 1),
        (json!({ "lock": "front" }), 0, 2),
        (json!({ "lock": "vault" }), 0, 0),
    ]
    .into_iter()
    .enumerate()
    {
        let world = world_of(World::new(vec![idp.provider()]).await).await;
        let first = signed_in(&world, &idp, &phones[0], "a").await;
        refreshed(&world, &first, &phones[0], "b").await;
        signed_in(&world, &idp, &phones[1], "c").await;
        minted(&world, "front").await;
        minted(&world, "side").await;
        let got = world.ask(admin("revoke", &what)).await;
        assert_eq!(got.json(), json!({ "grants": grants, "tokens": tokens }), "row {place}: {what}");
        assert_eq!(listed(&world, &as_admin()).await.len(), tokens, "row {place}: {what}");
        assert_eq!(world.last_entry()["by"], "administrator");
        let again = world.ask(admin("revoke", &what)).await;
        assert_eq!(again.json(), json!({ "grants": 0, "tokens": 0 }), "row {place}: again");
    }
}

#[actix_web::test]
async fn an_administrator_ends_one_grant_or_token() {
    let idp = Idp::start();
    let world = World::new(vec![idp.provider()]).await;
    let phone = Pair::new(5);
    let family = signed_in(&world, &idp, &phone, "a").await;
    let token = minted(&world, "front").await;
    let id = world.shell.records.all::<Grant>().await.unwrap().remove(0).0.id;
    for (target, said) in [
        (json!({ "token": hash(&token).to_string() }), json!({ "grants": 0, "tokens": 1 })),
        (json!({ "grant": id.to_string() }), json!({ "grants": 1, "tokens": 1 })),
        (json!({ "grant": GrantId([0; 16]).to_string() }), json!({ "grants": 0, "tokens": 0 })),
    ] {
        assert_eq!(world.ask(admin("revoke", &target)).await.json(), said, "{target}");
    }
    assert_eq!(refresh(&world, &family.refresh, &phone, "b").await.json()["error"], "invalid_grant");
    for wrong in
        [json!({}), json!({ "client": "" }), json!({ "client": "a", "lock": "b" }), json!({ "all": true }), json!("x")]
    {
        assert_eq!(world.ask(admin("revoke", &wrong)).await.status, 422, "{wrong}");
    }
    let anybody = TestRequest::post().uri("/admin/api/v1/revoke").set_json(json!({ "client": "robot" }));
    assert_eq!(world.ask(anybody).await.status, 401);
}

/// A client that is removed leaves no live token, and its name takes nothing over.
#[actix_web::test]
async fn a_removed_client_leaves_its_tokens_on_the_list() {
    let world = world().await;
    let token = minted(&world, "front").await;
    let gone = TestRequest::delete().uri("/admin/api/v1/clients/robot").insert_header(("authorization", as_admin()));
    assert_eq!(world.ask(gone).await.status, 204);
    assert_eq!(listed(&world, &basic("rs")).await, [hash(&token)]);
}

/// A person's own view: what was granted, and its end from another phone.
#[actix_web::test]
async fn a_person_lists_and_ends_own_grants() {
    let idp = Idp::start();
    let world = World::new(vec![idp.provider()]).await;
    let (lost, new, stranger) = (Pair::new(5), Pair::new(6), Pair::new(7));
    let old = signed_in(&world, &idp, &lost, "a").await;
    let own = signed_in(&world, &idp, &new, "b").await;
    let foreign = signed_in_as(&world, &idp, "mallory", &stranger, "c").await;
    let list = grants(&world, &own.api, &new, "d").await.json();
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 2, "not the stranger's");
    let theirs = |this: bool| list.iter().find(|grant| grant["this"] == this).unwrap();
    assert_eq!(theirs(false)["device"], lost.public().thumbprint().to_string());
    assert_eq!(theirs(true)["title"], "Door app");
    let id = theirs(false)["id"].as_str().unwrap();

    assert_eq!(end(&world, &foreign.api, &stranger, id, "e").await.status, 404, "not for strangers");
    assert_eq!(end(&world, &own.api, &lost, id, "f").await.status, 401, "nor with another key");
    assert_eq!(end(&world, &own.api, &new, "nonsense", "g").await.status, 404);
    assert_eq!(doors(&world, &old.api, &lost, "h").await.status, 200);
    assert_eq!(end(&world, &own.api, &new, id, "i").await.status, 204);
    assert_eq!(world.last_entry()["by"]["person"]["subject"], "emma");
    assert_eq!(end(&world, &own.api, &new, id, "j").await.status, 404, "it has ended");
    assert_eq!(doors(&world, &old.api, &lost, "k").await.status, 401, "the lost phone's tokens ended with it");
    assert_eq!(listed(&world, &as_admin()).await, [hash(&old.api)]);
    assert_eq!(grants(&world, &own.api, &new, "l").await.json().as_array().unwrap().len(), 1);
    // An app sees its own part of the list, which does not have the other phone's token.
    let own_part = TestRequest::get()
        .uri("/trl")
        .insert_header(("authorization", format!("DPoP {}", own.api)))
        .insert_header(("dpop", proof(&new, "m", "GET", &format!("{ISSUER}/trl"), Some(&own.api))));
    let got = world.ask(own_part).await;
    assert_eq!((got.status.as_u16(), got.body), (200, vec![0xa2, 0, 0x80, 2, 0xf6]));
}

/// An app that registered itself sees and ends what its person granted to it, on any phone; nothing of other apps, and no door beyond.
#[actix_web::test]
async fn an_app_that_registered_itself_sees_its_own_part() {
    let idp = Idp::start();
    let world = World::new(vec![idp.provider()]).await;
    let (key, other) = (Pair::new(5), Pair::new(6));
    let own = signed_in(&world, &idp, &key, "a").await;
    signed_in(&world, &idp, &other, "b").await;
    let (mut foreign, _) = world.shell.records.all::<Grant>().await.unwrap().remove(0);
    (foreign.id, foreign.client) = (GrantId([9; 16]), "robot".parse().unwrap());
    world.shell.records.commit(&[Change::create(foreign)]).await.unwrap();
    let id = GrantId([9; 16]).to_string();

    // Declared, registered, declared again: only what is asked in between differs.
    let names = |got: Got, member: &str| -> Vec<String> {
        got.json().as_array().unwrap().iter().map(|it| it[member].as_str().unwrap().to_owned()).collect()
    };
    let mut clients = names(grants(&world, &own.api, &key, "c").await, "client");
    clients.sort();
    assert_eq!(clients, ["app", "app", "robot"]);
    assert_eq!(names(doors(&world, &own.api, &key, "d").await, "name"), ["front", "side"]);
    let declared = as_if_it_registered_itself(&world, "app").await;
    let seen = grants(&world, &own.api, &key, "e").await;
    assert_eq!(names(seen, "client"), ["app", "app"]);
    assert_eq!(names(doors(&world, &own.api, &key, "f").await, "name"), ["front"], "what it was granted");
    assert_eq!(end(&world, &own.api, &key, &id, "g").await.status, 404, "another app's");
    let list = grants(&world, &own.api, &key, "h").await.json();
    let phone = list.as_array().unwrap().iter().find(|grant| grant["this"] == false).unwrap().clone();
    assert_eq!(end(&world, &own.api, &key, phone["id"].as_str().unwrap(), "i").await.status, 204, "its own");
    world.shell.records.commit(&[Change::put(declared)]).await.unwrap();
    assert_eq!(end(&world, &own.api, &key, &id, "j").await.status, 204, "an administrator's app may");
}

/// The list forgets what expired, tells so, and keeps its history over a restart of the process (it is all in the store).
///
/// R9770-5.1-01, R9770-6.2-01
#[actix_web::test]
async fn expired_tokens_leave_the_list() {
    let world = world().await;
    let token = minted(&world, "front").await;
    revoke(&world, "robot", &[("token", &token)]).await;
    world.shell.expire_listed().await.unwrap();
    assert_eq!(listed(&world, &basic("rs")).await, [hash(&token)], "not before its time");
    age(&world).await;
    world.shell.expire_listed().await.unwrap();
    assert_eq!(listed(&world, &basic("rs")).await, []);
    assert_eq!(world.shell.records.all::<Listed>().await.unwrap(), []);
    let got = query(&world, &basic("rs"), "?diff=0").await;
    let h = [&[0x58, 33, 1], &hash(&token).0[..]].concat();
    let expected = [&[0xa3, 1, 0x82, 0x82, 0x81][..], &h, &[0x80, 0x82, 0x80, 0x81], &h, &[2, 1, 3, 0xf4]].concat();
    assert_eq!(got.body, expected, "removed, before that added; the cursor is 1 and there is no more");
    assert_eq!(query(&world, &basic("rs-side"), "?diff=0").await.body, [0xa3, 1, 0x80, 2, 0xf6, 3, 0xf4]);
}

/// A promise that a process did not live to keep is kept by the next one, in parts of 64.
#[actix_web::test]
async fn a_promise_outlives_its_process() {
    let world = world().await;
    for _ in 0..70 {
        minted(&world, "side").await;
    }
    let promise = Revocation {
        target: Target::Client("robot".parse().unwrap()),
        at: crate::clock::now(),
        why: RevokedWhy::Asked,
    };
    world.shell.records.commit(&[Change::put(promise)]).await.unwrap();
    assert_eq!(listed(&world, &as_admin()).await, []);
    world.shell.resume_revocations().await.unwrap();
    assert_eq!(listed(&world, &basic("rs-side")).await.len(), 70);
    assert_eq!(world.shell.records.all::<Revocation>().await.unwrap(), []);
    let (collection, _) = world
        .shell
        .records
        .find::<crate::core::records::Collection>(&Key::Collection(crate::core::trl::Requester::Administrator))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(collection.added, 2, "64 and 6");
}

struct Family {
    api: String,
    refresh: String,
}

async fn signed_in(world: &World, idp: &Idp, key: &Pair, jti: &str) -> Family {
    signed_in_as(world, idp, "emma", key, jti).await
}

async fn signed_in_as(world: &World, idp: &Idp, who: &'static str, key: &Pair, jti: &str) -> Family {
    let request = request_with(|pairs| {
        pairs.retain(|(name, _)| *name != "dpop_jkt");
        pairs.push(("dpop_jkt", key.public().thumbprint().to_string()));
    });
    let mut browser = Browser::new(world);
    let page = browser.sign_in(idp, &request, who, &["staff"]).await;
    let page = browser.get(page.location()).await;
    let done = browser.press(&page, "allow").await;
    let code = parameter(done.location(), "code").unwrap();
    let got = world.ask(redeem(&code, key, jti)).await;
    assert_eq!(got.status, 200, "{} {}", got.text(), world.last_entry());
    let text = |name: &str| got.json()[name].as_str().unwrap().to_owned();
    Family { api: text("access_token"), refresh: text("refresh_token") }
}

async fn refresh(world: &World, token: &str, key: &Pair, jti: &str) -> Got {
    let pairs = [("grant_type", "refresh_token"), ("client_id", "app"), ("refresh_token", token), ("audience", FRONT)];
    let proof = proof(key, jti, "POST", &format!("{ISSUER}/token"), None);
    world.ask(form("/token", &pairs).insert_header(("dpop", proof))).await
}

/// The front door's token; the refresh token of `family` is the one before then.
async fn refreshed(world: &World, family: &Family, key: &Pair, jti: &str) -> String {
    let got = refresh(world, &family.refresh, key, jti).await;
    got.json()["access_token"].as_str().unwrap_or_else(|| panic!("{}", got.text())).to_owned()
}

async fn call(world: &World, method: Method, path: &str, token: &str, key: &Pair, jti: &str) -> Got {
    let proof = proof(key, jti, method.as_str(), &format!("{API}/{path}"), Some(token));
    let request = TestRequest::with_uri(&format!("/api/v1/{path}")).method(method);
    let request = request.insert_header(("authorization", format!("DPoP {token}"))).insert_header(("dpop", proof));
    world.ask(request).await
}

async fn doors(world: &World, token: &str, key: &Pair, jti: &str) -> Got {
    call(world, Method::GET, "doors", token, key, jti).await
}

async fn grants(world: &World, token: &str, key: &Pair, jti: &str) -> Got {
    call(world, Method::GET, "grants", token, key, jti).await
}

async fn end(world: &World, token: &str, key: &Pair, id: &str, jti: &str) -> Got {
    call(world, Method::DELETE, &format!("grants/{id}"), token, key, jti).await
}

/// Makes every listed token expire now.
async fn age(world: &World) {
    let records = &world.shell.records;
    let (token, _) = records.all::<TokenRecord>().await.unwrap().remove(0);
    for (listed, rev) in records.all::<Listed>().await.unwrap() {
        assert_eq!(listed.hash, token.hash);
        let old = Change::remove(Key::Listed((listed.expires, listed.hash)), rev);
        let new = Listed { expires: crate::clock::now(), ..listed };
        records.commit(&[old, Change::put(new)]).await.unwrap();
    }
}

/// What was agreed to before a revocation becomes no grant after it.
#[actix_web::test]
async fn a_code_that_waits_ends_too() {
    let idp = Idp::start();
    let world = World::new(vec![idp.provider()]).await;
    let key = Pair::new(5);
    for (what, target) in [
        ("person", json!({ "person": { "issuer": idp.provider().issuer(), "subject": "emma" } })),
        ("device", json!({ "device": key.public().thumbprint().to_string() })),
        ("client", json!({ "client": "app" })),
        ("another client", json!({ "client": "web" })),
    ] {
        let code = super::doors::code(&world, &idp).await;
        let got = world.ask(admin("revoke", &target)).await;
        assert_eq!(got.status, 200, "{what}: {}", got.text());
        let got = world.ask(super::doors::redeem(&code, &key, what)).await;
        let error = (what != "another client").then_some("invalid_grant");
        assert_eq!(got.json()["error"].as_str(), error, "{what}: {}", got.text());
    }
}
