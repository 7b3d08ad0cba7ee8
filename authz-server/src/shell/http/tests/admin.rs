//! The administration: idempotent, write-only for secrets, closed to everybody else.

use actix_web::test::TestRequest;
use serde_json::{Value, json};

use super::{ADMIN, SECRET, World, admin, building};
use crate::core::bytes::{Blob, hex, unhex};
use crate::core::change::{Key, OnConflict};
use crate::core::names::ClientId;
use crate::core::records::{Client, ClientAuth, Lock, OscoreClient, OscoreName};
use crate::shell::declaration::Declaration;
use crate::shell::http::admin::existing;
use crate::store::facts::Committed;

fn actions(answer: &Value) -> Vec<String> {
    let line = |it: &Value| {
        format!("{} {} {}", it["action"].as_str().unwrap(), it["kind"].as_str().unwrap(), it["name"].as_str().unwrap())
    };
    answer["differences"].as_array().unwrap().iter().map(line).collect()
}

#[actix_web::test]
async fn applying_twice_changes_nothing_the_second_time() {
    let world = World::new(Vec::new()).await;
    let got = world.ask(admin("apply", &building("https://idp.example"))).await;
    assert!(actions(&got.json()).iter().all(|line| line.starts_with("keep")), "{}", got.text());
}

#[actix_web::test]
async fn a_difference_names_fields_and_shows_no_secret() {
    let world = World::new(Vec::new()).await;
    let new_secret = "another secret of more than 32 characters";
    let change = json!({ "client": [{ "id": "robot", "kind": "confidential", "secret": new_secret, "attributes": { "role": "mowing" } }] });
    let dry = world.ask(admin("apply?dry_run=true", &change)).await.json();
    assert_eq!(
        dry["differences"][0],
        json!({ "kind": "client", "name": "robot", "action": "update", "fields": ["attributes", "auth"] })
    );
    let found = world.shell.records.find::<Client>(&Key::Client("robot".parse().unwrap())).await.unwrap().unwrap().0;
    assert_eq!(found.attributes["role"], "cleaning", "dry");
    let wet = world.ask(admin("apply", &change)).await;
    assert_eq!(wet.json()["differences"], dry["differences"]);
    let found = world.shell.records.find::<Client>(&Key::Client("robot".parse().unwrap())).await.unwrap().unwrap().0;
    assert_eq!(found.attributes["role"], "mowing");
    for place in [wet.text(), world.entries(), format!("{found:?}")] {
        assert!(!place.contains(new_secret) && !place.contains(SECRET), "{place}");
    }
    let list = world
        .ask(
            TestRequest::get().uri("/admin/api/v1/clients").insert_header(("authorization", format!("Bearer {ADMIN}"))),
        )
        .await;
    assert_eq!(list.status, 200);
    assert!(!list.text().contains("hash"), "{}", list.text());
}

#[actix_web::test]
async fn a_left_out_secret_is_kept() {
    let world = World::new(Vec::new()).await;
    let change = json!({ "client": [{ "id": "robot", "kind": "confidential", "title": "Mop" }] });
    assert_eq!(world.ask(admin("apply", &change)).await.status, 200);
    let found = world.shell.records.find::<Client>(&Key::Client("robot".parse().unwrap())).await.unwrap().unwrap().0;
    assert!(matches!(found.auth, ClientAuth::SecretHash(_)));
    assert_eq!(found.title, "Mop");
}

fn entries(numbers: std::ops::Range<u8>) -> Value {
    numbers.map(|number| json!([format!("/{number}"), 1])).collect()
}

/// R9770-14.2-01, R6749-3.1.2-01, R6749-10.1-01, R8252-8.4-01, R8252-8.4-03, R8252-8.5-01
#[actix_web::test]
async fn declarations_that_are_refused() {
    let world = World::new(Vec::new()).await;
    for (problem, declaration) in [
        ("unknown field", json!({ "clients": [] })),
        ("unknown field", json!({ "client": [{ "id": "x", "kind": "native", "secrt": "x" }] })),
        ("client id", json!({ "client": [{ "id": "a b", "kind": "native" }] })),
        ("32 characters", json!({ "client": [{ "id": "x", "kind": "confidential", "secret": "short" }] })),
        ("needs a secret", json!({ "client": [{ "id": "x", "kind": "confidential" }] })),
        ("keeps no secret", json!({ "client": [{ "id": "x", "kind": "native", "secret": SECRET }] })),
        (
            "no client_credentials",
            json!({ "client": [{ "id": "x", "kind": "native", "grants": ["client_credentials"] }] }),
        ),
        (
            "redirect URI",
            json!({ "client": [{ "id": "x", "kind": "native", "redirect_uris": ["http://localhost/cb"] }] }),
        ),
        ("redirect URI", json!({ "client": [{ "id": "x", "kind": "native", "redirect_uris": ["myapp:/cb"] }] })),
        (
            "redirect URI",
            json!({ "client": [{ "id": "x", "kind": "native", "redirect_uris": ["https://a.example/cb#f"] }] }),
        ),
        ("[[oscore]]", json!({ "client": [{ "id": "x", "kind": "confidential", "oscore": true }] })),
        (
            "no client of this name",
            json!({ "oscore": [{ "client": "x", "client_sender_id": "01", "server_sender_id": "02", "master_secret": "00112233445566778899aabbccddeeff" }] }),
        ),
        (
            "must differ",
            json!({ "oscore": [{ "client": "robot", "client_sender_id": "01", "server_sender_id": "01", "master_secret": "00112233445566778899aabbccddeeff" }] }),
        ),
        (
            "at most 7",
            json!({ "oscore": [{ "client": "robot", "client_sender_id": "0102030405060708", "server_sender_id": "01", "master_secret": "00112233445566778899aabbccddeeff" }] }),
        ),
        (
            "16 bytes",
            json!({ "oscore": [{ "client": "robot", "client_sender_id": "01", "server_sender_id": "02", "master_secret": "00" }] }),
        ),
        (
            "hexadecimal",
            json!({ "oscore": [{ "client": "robot", "client_sender_id": "0x", "server_sender_id": "02", "master_secret": "00" }] }),
        ),
        ("one lock or more", json!({ "client": [{ "id": "x", "kind": "resource_server", "secret": SECRET }] })),
        ("needs a secret", json!({ "client": [{ "id": "x", "kind": "resource_server", "locks": ["front"] }] })),
        (
            "no lock of a name",
            json!({ "client": [{ "id": "x", "kind": "resource_server", "secret": SECRET, "locks": ["front", "nowhere"] }] }),
        ),
        (
            "gets no tokens",
            json!({ "client": [{ "id": "x", "kind": "resource_server", "secret": SECRET, "locks": ["front"], "grants": ["client_credentials"] }] }),
        ),
        (
            "gets no tokens",
            json!({ "client": [{ "id": "x", "kind": "resource_server", "secret": SECRET, "locks": ["front"], "redirect_uris": ["https://x.example/cb"] }] }),
        ),
        (
            "only a resource server",
            json!({ "client": [{ "id": "x", "kind": "confidential", "secret": SECRET, "locks": ["front"] }] }),
        ),
        ("HOST:PORT", json!({ "lock": [{ "name": "x", "address": "nowhere" }] })),
        ("HOST:PORT", json!({ "lock": [{ "name": "x", "address": "host:http" }] })),
        ("declared twice", json!({ "lock": [{ "name": "x" }, { "name": "x" }] })),
        ("lock name", json!({ "lock": [{ "name": "Front" }] })),
        ("lifetime", json!({ "lock": [{ "name": "x", "lifetime": 0 }] })),
        ("scopes", json!({ "lock": [{ "name": "x", "scopes": { "door:open": [["door", 2]] } }] })),
        ("together", json!({ "lock": [{ "name": "x", "scopes": {} }] })),
        ("together", json!({ "lock": [{ "name": "x", "scopes": { "a": [] } }] })),
        ("together", json!({ "lock": [{ "name": "x", "scopes": { "a": [["/a", 0]] } }] })),
        // Each word fits a session, both do not.
        ("together", json!({ "lock": [{ "name": "x", "scopes": { "a": entries(0..5), "b": entries(5..9) } }] })),
        (
            "together",
            json!({ "lock": [{ "name": "x", "scopes": { "a": [["/".to_owned() + &"a".repeat(60), 1]], "b": [["/".to_owned() + &"b".repeat(60), 1]] } }] }),
        ),
        ("no lock", json!({ "door": [{ "name": "x", "lock": "nowhere" }] })),
        (
            "no door",
            json!({ "consent": [{ "door": "nowhere", "owner": { "issuer": "https://i", "subject": "o" }, "who": { "issuer": "https://i", "subject": "w" }, "until": 5 }] }),
        ),
        (
            "a time in UTC",
            json!({ "consent": [{ "door": "front", "owner": { "issuer": "https://i", "subject": "o" }, "who": { "issuer": "https://i", "subject": "w" }, "until": "tomorrow" }] }),
        ),
        (
            "ends before it begins",
            json!({ "consent": [{ "door": "front", "owner": { "issuer": "https://i", "subject": "o" }, "who": { "issuer": "https://i", "subject": "w" }, "from": "2027-01-31T18:00:00Z", "until": 5 }] }),
        ),
    ] {
        let got = world.ask(admin("apply", &declaration)).await;
        assert_eq!(got.status, 422, "{declaration}: {}", got.text());
        let said = got.json()["error"].as_str().unwrap().to_owned();
        assert!(said.contains(problem), "{declaration}: {said}");
    }
}

#[actix_web::test]
async fn an_oscore_context_is_kept_until_it_changes() {
    let world = World::new(Vec::new()).await;
    let declared = |secret: &str| {
        json!({
            "client": [{ "id": "mower", "kind": "confidential", "oscore": true }],
            "oscore": [{ "client": "mower", "client_sender_id": "01", "server_sender_id": "02", "master_secret": secret, "master_salt": "9e7c" }],
        })
    };
    let first = declared("000102030405060708090a0b0c0d0e0f");
    for (declaration, expected) in [
        (&first, ["create client mower", "create oscore mower"]),
        (&first, ["keep client mower", "keep oscore mower"]),
        (&declared("ff0102030405060708090a0b0c0d0e0f"), ["keep client mower", "update oscore mower"]),
    ] {
        assert_eq!(actions(&world.ask(admin("apply", declaration)).await.json()), expected);
    }
    let found =
        world.shell.records.find::<OscoreClient>(&Key::Oscore("mower".parse().unwrap())).await.unwrap().unwrap().0;
    let opened = world.shell.keys.storage.open(&found.label(), &found.master_secret.0.0).unwrap();
    assert_eq!(opened[0], 0xff);
    assert_eq!((found.client_id.0, found.server_id.0), (vec![2], vec![1]));
}

#[actix_web::test]
async fn a_lock_shows_its_key_once() {
    let world = World::new(Vec::new()).await;
    let got = world.ask(admin("locks/front/enroll", &json!({}))).await;
    assert_eq!(got.status, 409, "{}", got.text());
    let got = world.ask(admin("locks/front/enroll", &json!({ "replace": true, "groups": ["floor-1"] }))).await;
    assert_eq!(got.status, 201);
    let file = got.json();
    assert_eq!(file["aud"], "urn:latchwork:lock:front");
    assert_eq!(file["groups"], json!(["urn:latchwork:group:floor-1"]));
    assert_eq!(file["as_uri"], "https://as.example/token");
    assert_eq!(
        file["scopes"],
        json!([{ "name": "door:open", "aif": [["/door", 2]] }, { "name": "door:state", "aif": [["/door", 1]] }])
    );
    assert_eq!(file["as_keys"].as_array().unwrap().len(), 2);
    let lock = world.shell.records.find::<Lock>(&Key::Lock("front".parse().unwrap())).await.unwrap().unwrap().0;
    let key = world.shell.keys.storage.open(&lock.key_label(), &lock.token_key.0.0).unwrap();
    assert_eq!(file["token_key"]["key"], crate::core::bytes::hex(&key));
    assert!(!world.entries().contains(file["token_key"]["key"].as_str().unwrap()));

    let got = world.ask(admin("locks/back/enroll", &json!({ "credential": "AAAA" }))).await;
    assert_eq!(got.status, 422);
    let got = world.ask(admin("locks/back/enroll", &json!({}))).await;
    assert_eq!(got.status, 201, "a new lock with a door of its name");
    assert_eq!(world.ask(admin("locks/No%20Name/enroll", &json!({}))).await.status, 422);
}

/// A resource server is a client that gets no tokens. RFC 9200 §5.9: it authenticates as one.
#[actix_web::test]
async fn a_resource_server_is_declared_and_gets_no_token() {
    let world = World::new(Vec::new()).await;
    let declared = json!({
        "client": [{ "id": "floor", "kind": "resource_server", "secret": SECRET, "locks": ["front", "new"] }],
        "lock": [{ "name": "new" }],
    });
    for expected in [["create client floor", "create lock new"], ["keep client floor", "keep lock new"]] {
        assert_eq!(actions(&world.ask(admin("apply", &declared)).await.json()), expected);
    }
    let asked = [
        ("grant_type", "client_credentials"),
        ("client_id", "floor"),
        ("client_secret", SECRET),
        ("audience", "urn:latchwork:lock:front"),
    ];
    let got = world.ask(super::form("/token", &asked)).await;
    assert_eq!((got.status.as_u16(), &got.json()["error"]), (400, &json!("unauthorized_client")));
    let grant = [("response_type", "code"), ("client_id", "floor"), ("redirect_uri", "https://x.example/cb")];
    let uri = format!("/authorize?{}", super::encoded(&grant));
    assert_eq!(world.ask(TestRequest::get().uri(&uri)).await.status, 400);
}

/// A lock enrolled online has a context of its own; enrolling it again voids the one before, and it goes with the lock. Its file says
/// what a requester of the revocation list has to know: R9770-6.2-02, R9770-6.2.1-03.
#[actix_web::test]
async fn a_lock_that_speaks_to_the_server_itself() {
    let world = World::new(Vec::new()).await;
    let (id, records) = ("lock:front".parse::<ClientId>().unwrap(), &world.shell.records);
    let context = || async { records.find::<OscoreClient>(&Key::Oscore(id.clone())).await.unwrap().map(|it| it.0) };
    let named = |kid: &str| {
        let name = Key::OscoreName((Blob(unhex(kid).unwrap()), None));
        async move { records.find::<OscoreName>(&name).await.unwrap().map(|it| it.0.client) }
    };
    let asked = json!({ "replace": true, "online": "192.0.2.1:5683" });
    let mut before: Option<String> = None;
    for _ in 0..2 {
        let got = world.ask(admin("locks/front/enroll", &asked)).await;
        assert_eq!(got.status, 201, "{}", got.text());
        let file = got.json()["online"].clone();
        assert_eq!((&file["server"], &file["client"]), (&json!("192.0.2.1:5683"), &json!("lock:front")));
        assert_eq!(file["trl"], json!({ "hash": "sha-256", "max_n": 64, "max_diff_batch": 16 }));
        let text = |name: &str| file[name].as_str().unwrap().to_owned();
        let (kid, secret) = (text("client_sender_id"), text("master_secret"));
        let known = context().await.unwrap();
        let opened = world.shell.keys.storage.open(&known.label(), &known.master_secret.0.0).unwrap();
        assert_eq!((hex(&opened), hex(&known.server_id.0)), (secret.clone(), kid.clone()));
        assert_eq!(hex(&known.client_id.0), text("server_sender_id"));
        assert_eq!(named(&kid).await, Some(id.clone()));
        assert!(!world.entries().contains(&secret));
        if let Some(before) = before.replace(kid) {
            assert_eq!(named(&before).await, None, "the name of the context before");
        }
    }
    let client = records.find::<Client>(&Key::Client(id.clone())).await.unwrap().unwrap().0;
    assert_eq!(
        client.kind.locks().map(|locks| locks.iter().map(ToString::to_string).collect()),
        Some(vec!["front".to_owned()])
    );
    assert!(client.grants.is_empty() && client.auth == ClientAuth::Oscore);

    let floor = json!({ "client": [{ "id": "floor", "kind": "resource_server", "secret": SECRET, "locks": ["front", "side"] }] });
    assert_eq!(world.ask(admin("apply", &floor)).await.status, 200);
    let gone = TestRequest::delete().uri("/admin/api/v1/locks/front");
    let got = world.ask(gone.insert_header(("authorization", format!("Bearer {ADMIN}")))).await;
    assert_eq!(got.status, 204, "{}", got.text());
    assert!(context().await.is_none() && named(&before.unwrap()).await.is_none());
    assert!(records.find::<Client>(&Key::Client(id)).await.unwrap().is_none());
    let floor = records.find::<Client>(&Key::Client("floor".parse().unwrap())).await.unwrap().unwrap().0;
    assert_eq!(floor.kind.locks().map(std::collections::BTreeSet::len), Some(1));
}

#[actix_web::test]
async fn a_lock_takes_no_other_clients_name_and_no_bad_address() {
    let world = World::new(Vec::new()).await;
    let other = json!({ "client": [{ "id": "lock:front", "kind": "confidential", "secret": SECRET }] });
    assert_eq!(world.ask(admin("apply", &other)).await.status, 200);
    let long = "a".repeat(60);
    for (lock, server, status) in [
        ("front", "192.0.2.1:5683", 422),
        ("side", "192.0.2.1", 422),
        (&long, "192.0.2.1:5683", 422),
        ("side", "[::1]:5683", 201),
    ] {
        let asked = json!({ "replace": true, "online": server });
        let got = world.ask(admin(&format!("locks/{lock}/enroll"), &asked)).await;
        assert_eq!(got.status, status, "{lock} {server}: {}", got.text());
    }
}

#[actix_web::test]
async fn nobody_else_administers() {
    let world = World::new(Vec::new()).await;
    for (method, path) in [
        ("POST", "apply"),
        ("GET", "clients"),
        ("DELETE", "clients/robot"),
        ("GET", "locks"),
        ("DELETE", "locks/front"),
        ("POST", "locks/new/enroll"),
    ] {
        for authorization in
            [None, Some("Bearer wrong".to_owned()), Some("Bearer ".into()), Some(format!("Basic {ADMIN}"))]
        {
            let world = World { shell: world.shell.clone(), audit: tempfile::NamedTempFile::new().unwrap() };
            *world.shell.throttle.lock().unwrap() =
                crate::shell::throttle::Throttle::new(crate::shell::throttle::Rates { per_address: 0, per_client: 0 });
            let mut request = TestRequest::default()
                .method(method.parse().unwrap())
                .uri(&format!("/admin/api/v1/{path}"))
                .set_json(json!({}));
            if let Some(authorization) = &authorization {
                request = request.insert_header(("authorization", authorization.clone()));
            }
            let got = world.ask(request).await;
            assert_eq!(got.status, 401, "{method} {path} {authorization:?}");
            assert!(got.header("www-authenticate").is_some());
        }
    }
    // An administrator's token is no client's credential.
    let request = super::form("/token", &[("grant_type", "client_credentials")])
        .insert_header(("authorization", format!("Bearer {ADMIN}")));
    assert_eq!(world.ask(request).await.status, 401);
}

/// Whoever applies a file while a lock's key is rotated must not bring the old key back.
#[actix_web::test]
async fn a_declaration_does_not_undo_what_happens_at_the_same_time() {
    let world = World::new(Vec::new()).await;
    let declaration = serde_json::from_value(json!({ "lock": [{ "name": "front", "lifetime": 60 }] })).unwrap();
    let existing = existing(&world.shell).await.unwrap();
    let (changes, _) = Declaration::compare(declaration, &existing, &world.shell.keys).unwrap();
    let got = world.ask(admin("locks/front/enroll", &json!({ "replace": true }))).await;
    assert_eq!(got.status, 201, "{}", got.text());
    let committed = world.shell.records.commit(&changes).await.unwrap();
    assert!(matches!(committed, Committed::Conflict(OnConflict::Retry)), "{committed:?}");
}
