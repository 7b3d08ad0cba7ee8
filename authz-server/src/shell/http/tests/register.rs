//! Clients that register themselves (RFC 7591) and look after it (RFC 7592): what they get, and what they never get by it.

use actix_web::test::TestRequest;

use super::authorize::{Browser, request_with, set};
use super::provider::Idp;
use super::*;
use crate::core::change::Key;
use crate::core::records::{Client, InitialToken};
use crate::core::registration::Fault;
use crate::core::testing::Pair;

const FRONT: &str = "urn:latchwork:lock:front";

/// An initial access token for so many clients.
async fn token(world: &World, uses: u32) -> String {
    let got = world.ask(admin("registration-tokens", &json!({ "uses": uses }))).await;
    assert_eq!(got.status, 201, "{}", got.text());
    let given = got.json();
    assert!(!world.entries().contains(given["token"].as_str().unwrap()), "a secret in the log");
    given["token"].as_str().unwrap().to_owned()
}

fn with(request: TestRequest, token: &str) -> TestRequest {
    request.insert_header(("authorization", format!("Bearer {token}")))
}

async fn register(world: &World, token: &str, body: &Value) -> Got {
    world.ask(with(TestRequest::post().uri("/register"), token).set_json(body)).await
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

async fn stored(world: &World, id: &str) -> Option<Client> {
    world.shell.records.find::<Client>(&Key::Client(id.parse().unwrap())).await.unwrap().map(|(client, _)| client)
}

/// The client as an administrator sees it.
async fn listed(world: &World, id: &str) -> Value {
    let list = world.ask(with(TestRequest::get().uri("/admin/api/v1/clients"), ADMIN)).await.json();
    list["clients"].as_array().unwrap().iter().find(|it| it["id"] == id).unwrap().clone()
}

async fn admit_at(world: &World, id: &str, revision: &Value) -> Got {
    world.ask(admin(&format!("clients/{id}/admit"), &json!({ "revision": revision }))).await
}

async fn admit(world: &World, id: &str) {
    let got = admit_at(world, id, &listed(world, id).await["revision"]).await;
    assert_eq!(got.status, 204, "{}", got.text());
}

fn robot() -> Value {
    json!({ "client_name": "Mop", "grant_types": ["client_credentials"], "token_endpoint_auth_method": "client_secret_post" })
}

fn app() -> Value {
    json!({ "client_name": "Doors", "token_endpoint_auth_method": "none", "redirect_uris": ["http://127.0.0.1/cb"],
            "grant_types": ["authorization_code", "refresh_token"] })
}

async fn asks_for_front(world: &World, registered: &Value) -> Got {
    let pairs = [
        ("grant_type", "client_credentials"),
        ("audience", FRONT),
        ("scope", "door:open"),
        ("client_id", text(&registered["client_id"])),
        ("client_secret", text(&registered["client_secret"])),
    ];
    world.ask(form("/token", &pairs)).await
}

/// R7591-3.2.1-01, R7591-3.2.1-02, R7591-3.2.1-03, R7591-5-03, R7592-3-01
#[actix_web::test]
async fn a_client_registers_and_has_no_doors_until_it_is_admitted() {
    let world = World::new(Vec::new()).await;
    let initial = token(&world, 1).await;
    let got = register(&world, &initial, &robot()).await;
    assert_eq!(got.status, 201, "{}", got.text());
    assert_eq!((got.header("cache-control"), got.header("pragma")), (Some("no-store"), Some("no-cache")));
    let made = got.json();
    assert_eq!(made["client_name"], "Mop");
    assert_eq!(made["token_endpoint_auth_method"], "client_secret_post");
    assert_eq!(made["grant_types"], json!(["client_credentials"]));
    assert_eq!(made["response_types"], json!([]));
    assert_eq!(made["client_secret_expires_at"], 0);
    let id = text(&made["client_id"]).to_owned();
    assert_eq!(text(&made["registration_client_uri"]), format!("{ISSUER}/register/{id}"));
    for secret in [&made["client_secret"], &made["registration_access_token"]].map(text) {
        assert!(secret.len() >= 43);
        for place in [world.entries(), format!("{:?}", stored(&world, &id).await)] {
            assert!(!place.contains(secret) && !place.contains(&initial), "{place}");
        }
    }

    let got = asks_for_front(&world, &made).await;
    assert_eq!((got.status.as_u16(), got.json()["error"].clone()), (400, json!("unauthorized_client")));
    assert_eq!(world.last_entry()["reason"], "authorization refused: no administrator has admitted this client");
    admit(&world, &id).await;
    let got = asks_for_front(&world, &made).await;
    assert_eq!(got.json()["error"], "invalid_scope", "admitted, and policy gives it nothing");
    let line = listed(&world, &id).await;
    assert_eq!((line["admitted"].clone(), line["registered"].is_i64()), (true.into(), true), "{line}");
    let declared = listed(&world, "robot").await;
    assert_eq!(admit_at(&world, "robot", &declared["revision"]).await.status, 409, "declared");
    assert_eq!(admit_at(&world, "nobody", &json!(1)).await.status, 404);
    assert_eq!(world.ask(admin(&format!("clients/{id}/admit"), &json!({}))).await.status, 422, "as it was when?");
}

/// What an administrator admits is what was looked at, not what the client has become since.
#[actix_web::test]
async fn only_what_was_seen_is_admitted() {
    let world = World::new(Vec::new()).await;
    let initial = token(&world, 1).await;
    let harmless = json!({
        "client_name": "Mop", "redirect_uris": ["https://mop.example/cb"], "scope": "door:state",
        "token_endpoint_auth_method": "private_key_jwt", "jwks": { "keys": [Pair::new(5).public()] },
    });
    let made = register(&world, &initial, &harmless).await.json();
    let (id, own) = (text(&made["client_id"]), text(&made["registration_access_token"]));
    let seen = listed(&world, id).await;
    assert_eq!((&seen["kind"], &seen["ceiling"]), (&json!("confidential"), &json!(["door:state"])));
    assert_eq!((&seen["keys"], &seen["certificate"]), (&made["jwks"]["keys"], &Value::Null));

    let other_key = json!({ "keys": [Pair::new(6).public()] });
    for (what, member, value, shown) in [
        ("another target", "redirect_uris", json!(["https://evil.example/cb"]), "redirect_uris"),
        ("a wider scope", "scope", json!("door:open door:state"), "ceiling"),
        ("another key", "jwks", other_key, "keys"),
        ("another grant", "grant_types", json!(["authorization_code", "refresh_token"]), "grants"),
        ("another name", "client_name", json!("Broom"), "title"),
    ] {
        let before = listed(&world, id).await;
        let mut changed = harmless.clone();
        changed["client_id"] = json!(id);
        changed[member] = value;
        let put = with(TestRequest::put().uri(&format!("/register/{id}")), own).set_json(&changed);
        assert_eq!(world.ask(put).await.status, 200, "{what}");
        let got = admit_at(&world, id, &before["revision"]).await;
        assert_eq!(got.status, 409, "{what}: {}", got.text());
        assert!(!stored(&world, id).await.unwrap().is_admitted(), "{what}");
        assert_ne!(listed(&world, id).await[shown], seen[shown], "{what} can be seen");
    }
    admit(&world, id).await;
    assert!(stored(&world, id).await.unwrap().is_admitted());
    let before = listed(&world, id).await["revision"].clone();
    let named = json!({ "client_id": id, "token_endpoint_auth_method": "tls_client_auth", "grant_types": ["client_credentials"],
                        "tls_client_auth_san_dns": "evil.example" });
    let put = with(TestRequest::put().uri(&format!("/register/{id}")), own).set_json(&named);
    assert_eq!(world.ask(put).await.status, 200);
    assert_eq!(listed(&world, id).await["certificate"], json!({ "san_dns": "evil.example" }));
    assert_eq!(admit_at(&world, id, &before).await.status, 409);
}

/// R7591-3-01, R7591-3.2.2-02
#[actix_web::test]
async fn who_may_not_register() {
    let world = World::new(Vec::new()).await;
    let once = token(&world, 1).await;
    assert_eq!(register(&world, &once, &json!({ "client_name": 1 })).await.status, 400, "uses nothing up");
    assert_eq!(register(&world, &once, &robot()).await.status, 201);
    let over = token(&world, 1).await;
    let records = world.shell.records.all::<InitialToken>().await.unwrap();
    let late = InitialToken { expires: Timestamp(1), ..records[0].0.clone() };
    world.shell.records.commit(&[Change::put(late)]).await.unwrap();
    let voided = token(&world, 1).await;
    let list = world.ask(with(TestRequest::get().uri("/admin/api/v1/registration-tokens"), ADMIN)).await;
    assert!(!list.text().contains(&voided));
    let id = text(&list.json()["registration_tokens"][0]["id"]).to_owned();
    let void = || with(TestRequest::delete().uri(&format!("/admin/api/v1/registration-tokens/{id}")), ADMIN);
    assert_eq!(world.ask(void()).await.status, 204);
    assert_eq!(world.ask(void()).await.status, 404);
    for (what, header) in [
        ("a token that was used", Some(format!("Bearer {once}"))),
        ("a token that is over", Some(format!("Bearer {over}"))),
        ("a token that was voided", Some(format!("Bearer {voided}"))),
        ("an administrator's", Some(format!("Bearer {ADMIN}"))),
        ("nonsense", Some("Bearer x".to_owned())),
        ("another scheme", Some(format!("Basic {once}"))),
        ("nothing", None),
    ] {
        let mut request = TestRequest::post().uri("/register").set_json(robot());
        if let Some(header) = header {
            request = request.insert_header(("authorization", header));
        }
        let got = world.ask(request).await;
        assert_eq!((got.status.as_u16(), got.json()["error"].clone()), (401, json!("invalid_token")), "{what}");
        assert!(got.header("www-authenticate").unwrap().starts_with("Bearer "), "{what}");
        let entry = world.last_entry();
        assert_eq!((&entry["event"], &entry["outcome"]), (&json!("registration"), &json!("refused")), "{what}");
    }
    for wanted in [json!({ "uses": 0 }), json!({ "uses": 10_001 }), json!({ "seconds": 0 }), json!({ "use": 1 })] {
        assert_eq!(world.ask(admin("registration-tokens", &wanted)).await.status, 422, "{wanted}");
    }
}

/// R7591-2-01, R7591-2-02, R7591-2.1-01, R7591-3.1.1-01, R7591-3.2.2-01, R7591-5-01, R7591-5-02
#[actix_web::test]
async fn what_a_client_may_not_say() {
    let world = World::new(Vec::new()).await;
    let token = token(&world, 1).await;
    let key = serde_json::to_value(Pair::new(7).public()).unwrap();
    let merged = |base: Value, more: Value| {
        let mut all = base.as_object().unwrap().clone();
        all.extend(more.as_object().unwrap().clone());
        Value::Object(all)
    };
    let [uri, metadata, statement] = [Fault::RedirectUri(""), Fault::Metadata(""), Fault::Statement].map(Fault::name);
    assert_eq!((uri, metadata), ("invalid_redirect_uri", "invalid_client_metadata"));
    let mut private = key.clone();
    private["d"] = json!("AAAA");
    for (error, body) in [
        (uri, merged(app(), json!({ "redirect_uris": ["http://localhost/cb"] }))),
        (uri, merged(app(), json!({ "redirect_uris": ["http://app.example/cb"] }))),
        (uri, merged(app(), json!({ "redirect_uris": ["https://app.example/cb#x"] }))),
        (uri, merged(app(), json!({ "redirect_uris": ["https://user@app.example/cb"] }))),
        (uri, merged(app(), json!({ "redirect_uris": ["javascript:alert(1)"] }))),
        (uri, merged(app(), json!({ "redirect_uris": ["app:/cb"] }))),
        (uri, merged(app(), json!({ "redirect_uris": ["http://127.0.0.1/cb", "data:text/html,x"] }))),
        (uri, merged(app(), json!({ "redirect_uris": [] }))),
        (uri, merged(app(), json!({ "redirect_uris": vec!["http://127.0.0.1/cb"; 17] }))),
        (uri, merged(robot(), json!({ "redirect_uris": ["https://app.example/cb"] }))),
        (metadata, merged(app(), json!({ "redirect_uris": "http://127.0.0.1/cb" }))),
        (metadata, merged(app(), json!({ "response_types": ["token"] }))),
        (metadata, merged(app(), json!({ "response_types": ["code", "token"] }))),
        (metadata, merged(app(), json!({ "response_types": [] }))),
        (metadata, merged(robot(), json!({ "response_types": ["code"] }))),
        (metadata, merged(app(), json!({ "grant_types": ["implicit"] }))),
        (metadata, merged(app(), json!({ "grant_types": ["password", "authorization_code"] }))),
        (metadata, merged(app(), json!({ "grant_types": [] }))),
        (metadata, merged(app(), json!({ "grant_types": ["refresh_token"] }))),
        (metadata, merged(app(), json!({ "grant_types": ["authorization_code", "client_credentials"] }))),
        (metadata, merged(robot(), json!({ "token_endpoint_auth_method": "none" }))),
        (metadata, merged(robot(), json!({ "token_endpoint_auth_method": "oscore" }))),
        (metadata, merged(robot(), json!({ "token_endpoint_auth_method": "self_signed_tls_client_auth" }))),
        (metadata, merged(robot(), json!({ "token_endpoint_auth_method": "private_key_jwt" }))),
        (metadata, merged(robot(), json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": { "keys": [] } }))),
        (
            metadata,
            merged(robot(), json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": { "keys": [private] } })),
        ),
        (
            metadata,
            merged(
                robot(),
                json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": { "keys": [{ "kty": "oct", "k": "AAAA" }] } }),
            ),
        ),
        (metadata, merged(robot(), json!({ "jwks": { "keys": [key] } }))),
        (
            metadata,
            merged(
                robot(),
                json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://app.example/jwks" }),
            ),
        ),
        (metadata, merged(robot(), json!({ "jwks_uri": "http://169.254.169.254/" }))),
        (metadata, merged(robot(), json!({ "token_endpoint_auth_method": "tls_client_auth" }))),
        (
            metadata,
            merged(
                robot(),
                json!({ "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "*.example" }),
            ),
        ),
        (
            metadata,
            merged(
                robot(),
                json!({ "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "a.example",
                        "tls_client_auth_san_ip": "192.0.2.1" }),
            ),
        ),
        (metadata, merged(robot(), json!({ "tls_client_auth_san_dns": "a.example" }))),
        (metadata, merged(robot(), json!({ "client_name": "" }))),
        (metadata, merged(robot(), json!({ "client_name": "Doors\u{202e}" }))),
        (metadata, merged(robot(), json!({ "client_name": "Do\u{200b}ors" }))),
        (metadata, merged(robot(), json!({ "client_name": "Do\u{200d}ors" }))),
        (metadata, merged(robot(), json!({ "client_name": "Doors\u{2060}" }))),
        (metadata, merged(robot(), json!({ "client_name": "\u{feff}Doors" }))),
        (metadata, merged(robot(), json!({ "client_name": "Do\u{ad}ors" }))),
        (metadata, merged(robot(), json!({ "client_name": "Doors\u{61c}" }))),
        (metadata, merged(robot(), json!({ "client_name": "Doors\u{e0041}" }))),
        (metadata, merged(robot(), json!({ "client_name": "x".repeat(65) }))),
        (metadata, merged(robot(), json!({ "scope": "a\"b" }))),
        (statement, merged(robot(), json!({ "software_statement": "e30.e30." }))),
        (metadata, json!([])),
        (metadata, json!("x")),
    ] {
        let got = register(&world, &token, &body).await;
        assert_eq!((got.status.as_u16(), got.json()["error"].clone()), (400, json!(error)), "{body}");
        assert!(text(&got.json()["error_description"]).is_ascii(), "{body}");
        assert_eq!(got.header("cache-control"), Some("no-store"));
    }
    for (what, kind, body) in [
        ("a form", "application/x-www-form-urlencoded", "client_name=x"),
        ("no JSON", "application/json", "{"),
        ("a member twice", "application/json", r#"{"client_name":"a","client_name":"b"}"#),
    ] {
        let request = with(TestRequest::post().uri("/register"), &token).insert_header(("content-type", kind));
        let got = world.ask(request.set_payload(body)).await;
        assert_eq!((got.status.as_u16(), got.json()["error"].clone()), (400, json!(metadata)), "{what}");
    }
    assert_eq!(register(&world, &token, &robot()).await.status, 201, "nothing of that used the token up");
}

/// Nothing is fetched, kept or told of what is not understood. R7591-2-01, R7591-5-04
#[actix_web::test]
async fn what_a_client_may_say_beside() {
    let world = World::new(Vec::new()).await;
    let token = token(&world, 3).await;
    let body = json!({
        "token_endpoint_auth_method": "private_key_jwt", "grant_types": ["client_credentials"], "scope": "door:state",
        "jwks": { "keys": [{ "kid": "one", "use": "sig", "kty": "OKP", "crv": "Ed25519",
                             "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }] },
        "logo_uri": "http://169.254.169.254/", "client_uri": "https://app.example", "tos_uri": "file:///etc/passwd",
        "contacts": ["a@app.example"], "unheard_of": {}, "attributes": { "role": "cleaning" }, "admitted": true,
        "origins": ["https://app.example"], "registered": null,
    });
    let got = register(&world, &token, &body).await;
    assert_eq!(got.status, 201, "{}", got.text());
    let made = got.json();
    assert_eq!(made["jwks"]["keys"][0]["kid"], "one");
    assert_eq!(made["scope"], "door:state");
    assert!(made.get("client_secret").is_none(), "{made}");
    let client = stored(&world, text(&made["client_id"])).await.unwrap();
    assert!(client.attributes.is_empty() && client.origins.is_empty() && !client.is_admitted());
    for word in ["169.254", "app.example", "passwd", "unheard_of"] {
        assert!(!got.text().contains(word) && !format!("{client:?}").contains(word), "{word}");
    }
    let body = json!({ "token_endpoint_auth_method": "tls_client_auth", "grant_types": ["client_credentials"],
                       "tls_client_auth_san_dns": "robot.example" });
    let made = register(&world, &token, &body).await.json();
    assert_eq!((made["tls_client_auth_san_dns"].clone(), made.get("client_secret")), (json!("robot.example"), None));
    let plain = register(&world, &token, &json!({ "redirect_uris": ["https://app.example/cb"] })).await.json();
    assert_eq!(plain["token_endpoint_auth_method"], "client_secret_basic", "the default of RFC 7591 section 2");
    assert_eq!((&plain["grant_types"], &plain["response_types"]), (&json!(["authorization_code"]), &json!(["code"])));
}

#[actix_web::test]
async fn a_token_for_two_is_good_for_two_however_fast_they_come() {
    let world = World::new(Vec::new()).await;
    let token = token(&world, 2).await;
    let (a, b, c, d) = (robot(), robot(), robot(), robot());
    let all = tokio::join!(
        register(&world, &token, &a),
        register(&world, &token, &b),
        register(&world, &token, &c),
        register(&world, &token, &d)
    );
    let good = [&all.0, &all.1, &all.2, &all.3].into_iter().filter(|got| got.status == 201).count();
    assert_eq!(good, 2);
}

/// R7592-2.1-01, R7592-2.1-02, R7592-2.2-01, R7592-2.2-02, R7592-2.2-03, R7592-2.3-01, R7592-3-01
#[actix_web::test]
async fn a_client_reads_changes_and_deletes_what_is_registered() {
    let world = World::new(Vec::new()).await;
    let cleaning = json!({ "client": [{ "id": "x", "kind": "confidential", "secret": SECRET }] });
    assert_eq!(world.ask(admin("apply", &cleaning)).await.status, 200);
    let initial = token(&world, 2).await;
    let made = register(&world, &initial, &robot()).await.json();
    let other = register(&world, &initial, &robot()).await.json();
    let (id, own) = (text(&made["client_id"]), text(&made["registration_access_token"]));
    let uri = format!("/register/{id}");
    let read = || with(TestRequest::get().uri(&uri), own);
    let got = world.ask(read()).await;
    assert_eq!((got.status.as_u16(), got.header("cache-control")), (200, Some("no-store")));
    let shown = got.json();
    let mut expected = made.clone();
    for gone in ["client_secret", "client_secret_expires_at"] {
        expected.as_object_mut().unwrap().remove(gone);
    }
    assert_eq!(shown, expected, "all but the secret, of which there is a hash only");

    admit(&world, id).await;
    let put = |body: &Value| with(TestRequest::put().uri(&uri), own).set_json(body);
    let mut same = robot();
    same["client_id"] = json!(id);
    same["client_secret"] = made["client_secret"].clone();
    assert_eq!(world.ask(put(&same)).await.status, 200);
    assert!(stored(&world, id).await.unwrap().is_admitted(), "nothing changed");
    for (what, member, value) in [
        ("another's id", "client_id", json!(text(&other["client_id"]))),
        ("no id", "client_id", Value::Null),
        ("a secret of its own choice", "client_secret", json!(SECRET)),
        ("the registration token", "registration_access_token", json!(own)),
        ("its address", "registration_client_uri", json!("https://app.example")),
        ("the end of its secret", "client_secret_expires_at", json!(0)),
        ("its beginning", "client_id_issued_at", json!(0)),
        ("a URL to fetch", "jwks_uri", json!("https://app.example")),
    ] {
        let mut body = same.clone();
        body[member] = value;
        let got = world.ask(put(&body)).await;
        assert_eq!(
            (got.status.as_u16(), got.json()["error"].clone()),
            (400, json!("invalid_client_metadata")),
            "{what}"
        );
    }
    let before = stored(&world, id).await.unwrap();
    let mut changed = same.clone();
    changed["client_name"] = json!("Broom");
    let got = world.ask(put(&changed)).await;
    assert_eq!((got.status.as_u16(), got.json()["client_name"].clone()), (200, json!("Broom")));
    let after = stored(&world, id).await.unwrap();
    assert_eq!((after.is_admitted(), &after.auth), (false, &before.auth), "admitted as it was, not as it is");
    assert_eq!(asks_for_front(&world, &made).await.json()["error"], "unauthorized_client");

    for (what, uri, token) in [
        ("another client's token", uri.clone(), text(&other["registration_access_token"])),
        ("the initial token", uri.clone(), initial.as_str()),
        ("an administrator's token", uri.clone(), ADMIN),
        ("nonsense", uri.clone(), "x"),
        ("a client that nobody knows", "/register/self-nobody".to_owned(), own),
        ("a declared client", "/register/x".to_owned(), own),
        ("a name that is none", "/register/%20".to_owned(), own),
    ] {
        for request in [TestRequest::get(), TestRequest::put().set_json(&same), TestRequest::delete()] {
            let got = world.ask(with(request.uri(&uri), token)).await;
            assert_eq!((got.status.as_u16(), got.json()["error"].clone()), (401, json!("invalid_token")), "{what}");
        }
    }

    let got = world.ask(with(TestRequest::delete().uri(&uri), own)).await;
    assert_eq!((got.status.as_u16(), got.body.len()), (204, 0));
    assert_eq!(world.last_entry()["outcome"], "deregistered");
    assert!(stored(&world, id).await.is_none());
    assert_eq!(world.ask(read()).await.status, 401);
    assert_eq!(asks_for_front(&world, &made).await.status, 401);
}

/// Whoever changes a registration, or deletes it, ends what it had. R7592-2.3-02
#[actix_web::test]
async fn what_a_registration_had_ends_with_it() {
    let world = World::new(Vec::new()).await;
    for delete in [false, true] {
        let initial = token(&world, 1).await;
        let made = register(&world, &initial, &robot()).await.json();
        let (id, own) = (text(&made["client_id"]), text(&made["registration_access_token"]));
        admit(&world, id).await;
        let mut client = stored(&world, id).await.unwrap();
        client.attributes.insert("role".into(), "cleaning".into());
        world.shell.records.commit(&[Change::put(client)]).await.unwrap();
        assert_eq!(asks_for_front(&world, &made).await.status, 200);
        let revoked = |world: &World| world.entries().lines().filter(|line| line.contains("\"revocation\"")).count();
        let before = revoked(&world);
        let uri = format!("/register/{id}");
        let request = match delete {
            true => TestRequest::delete().uri(&uri),
            false => {
                TestRequest::put().uri(&uri).set_json(json!({ "client_id": id, "grant_types": ["client_credentials"] }))
            }
        };
        assert!(world.ask(with(request, own)).await.status.is_success());
        assert_eq!(revoked(&world), before + 1);
        assert_eq!(
            world.shell.records.all::<crate::core::records::Listed>().await.unwrap().len(),
            1 + usize::from(delete)
        );
    }
}

/// A declaration takes a client over: its registration token is void.
#[actix_web::test]
async fn an_administrator_takes_a_client_over() {
    let world = World::new(Vec::new()).await;
    let initial = token(&world, 1).await;
    let made = register(&world, &initial, &robot()).await.json();
    let (id, own) = (text(&made["client_id"]), text(&made["registration_access_token"]));
    let declared = json!({ "client": [{ "id": id, "kind": "confidential", "attributes": { "role": "cleaning" } }] });
    assert_eq!(world.ask(admin("apply", &declared)).await.status, 200);
    assert_eq!(asks_for_front(&world, &made).await.status, 200, "its secret is kept");
    assert_eq!(world.ask(with(TestRequest::get().uri(&format!("/register/{id}")), own)).await.status, 401);
}

/// What an administrator takes over while the client asks to go, stays.
#[actix_web::test]
async fn a_client_that_was_taken_over_cannot_delete_itself() {
    let world = World::new(Vec::new()).await;
    let initial = token(&world, 1).await;
    let made = register(&world, &initial, &robot()).await.json();
    let (id, own) = (text(&made["client_id"]), text(&made["registration_access_token"]));
    let Ok((client, _, rev)) = world.shell.own_registration(id, own).await else { panic!("its own token") };
    let declared = json!({ "client": [{ "id": id, "kind": "confidential", "attributes": { "role": "cleaning" } }] });
    assert_eq!(world.ask(admin("apply", &declared)).await.status, 200, "between its two steps");
    let gone = world.shell.leave(&client.id, rev).await;
    assert!(matches!(gone, Err(crate::shell::register::NotRegistered::Busy)), "{gone:?}");
    assert_eq!(asks_for_front(&world, &made).await.status, 200, "it is the administrator's");
}

/// Nobody is sent where a client that registered itself says it lives before somebody signed in, and to one that is not admitted
/// not at all. R9700-4.11.2-01
#[actix_web::test]
async fn the_server_is_no_open_redirector() {
    let idp = Idp::start();
    let world = World::new(vec![idp.provider()]).await;
    let initial = token(&world, 1).await;
    let made = register(&world, &initial, &app()).await.json();
    let id = text(&made["client_id"]).to_owned();
    let ask = |name: &'static str, value: &str| {
        request_with(|pairs| {
            set(pairs, "client_id", &id);
            set(pairs, name, value);
        })
    };
    let good = ask("state", "mine");
    let got = Browser::new(&world).get(&good).await;
    assert_eq!((got.status.as_u16(), got.header("location")), (400, None), "not admitted");
    assert!(got.text().contains("not admitted yet"), "{}", got.text());
    let pushed =
        form("/par", &[("client_id", &id), ("response_type", "code"), ("redirect_uri", "http://127.0.0.1/cb")]);
    assert_eq!(world.ask(pushed).await.json()["error"], "unauthorized_client");
    admit(&world, &id).await;
    for (name, value) in [
        ("response_type", "token"),
        ("code_challenge_method", "plain"),
        ("code_challenge", "x"),
        ("scope", "\""),
        ("audience", "urn:nothing"),
        ("request", "x"),
        ("redirect_uri", "https://evil.example/cb"),
    ] {
        let got = Browser::new(&world).get(&ask(name, value)).await;
        assert_eq!((got.status.as_u16(), got.header("location")), (400, None), "{name} {value}: {}", got.text());
    }
    let got = Browser::new(&world).get(&good).await;
    assert!(got.location().starts_with(idp.issuer.as_str()), "to sign in first: {}", got.location());
}
