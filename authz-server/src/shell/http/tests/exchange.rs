//! A person signs in, their app asks for a token for a service, the service exchanges it; and all the ways in which that ends.

use serde_json::{Value, json};

use super::authorize::VERIFIER;
use super::doors::{code, proof, redeem};
use super::provider::Idp;
use super::revoke::{basic, hash, listed};
use super::{ADMIN, Got, ISSUER, SECRET, World, admin, form};
use crate::core::exchange::{ACCESS_TOKEN, GRANT_TYPE};
use crate::core::records::{AdvanceConsent, Revocation};
use crate::core::testing::Pair;
use crate::shell::oidc::Provider;
use crate::store::sweep::Sweeper;

const FRONT: &str = "urn:latchwork:lock:front";
const DESK: &str = "urn:latchwork:service:desk";

/// A building with the service `desk`, another one, and whoever speaks for the front door.
async fn building(idp: &Idp) -> World {
    let world = World::new(vec![idp.provider()]).await;
    let client = |id: &str| json!({ "id": id, "kind": "confidential", "secret": SECRET, "grants": ["token_exchange"] });
    let more = json!({
        "client": [
            client("desk"), client("other"),
            { "id": "rs", "kind": "resource_server", "secret": SECRET, "locks": ["front"] },
        ],
        "exchange": [{ "service": "desk", "group": "staff", "audience": FRONT, "until": "2100-01-01T00:00:00Z" }],
    });
    let got = world.ask(admin("apply", &more)).await;
    assert_eq!(got.status, 200, "{}", got.text());
    world
}

/// What the phone holds: a token for the desk, and what gets the next.
struct Phone {
    key: Pair,
    subject: String,
    refresh: String,
}

impl Phone {
    async fn sign_in(world: &World, idp: &Idp) -> Self {
        Self::sign_in_as(world, idp, "redeem").await
    }

    /// `jti` is that of its first proof.
    async fn sign_in_as(world: &World, idp: &Idp, jti: &str) -> Self {
        let key = Pair::new(5);
        let code = code(world, idp).await;
        let got = world.ask(redeem(&code, &key, jti)).await;
        assert_eq!(got.status, 200, "{} {}", got.text(), world.last_entry());
        let refresh = got.json()["refresh_token"].as_str().unwrap().to_owned();
        let mut phone = Self { key, subject: String::new(), refresh };
        let got = phone.asks(world, DESK, &format!("{jti} first")).await;
        assert_eq!(got.status, 200, "{} {}", got.text(), world.last_entry());
        assert_eq!(got.json()["token_type"], "DPoP");
        phone.subject = got.json()["access_token"].as_str().unwrap().to_owned();
        phone
    }

    async fn asks(&mut self, world: &World, audience: &str, jti: &str) -> Got {
        let asked = [
            ("grant_type", "refresh_token"),
            ("client_id", "app"),
            ("refresh_token", &*self.refresh),
            ("audience", audience),
        ];
        let proof = proof(&self.key, jti, "POST", &format!("{ISSUER}/token"), None);
        let got = world.ask(form("/token", &asked).insert_header(("dpop", proof))).await;
        if got.status == 200 {
            self.refresh = got.json()["refresh_token"].as_str().unwrap().to_owned();
        }
        got
    }

    async fn revokes(&self, world: &World, token: &str, jti: &str) {
        let proof = proof(&self.key, jti, "POST", &format!("{ISSUER}/revoke"), None);
        let asked = form("/revoke", &[("client_id", "app"), ("token", token)]).insert_header(("dpop", proof));
        assert_eq!(world.ask(asked).await.status, 200);
    }
}

async fn exchange(world: &World, service: &str, token: &str, more: &[(&str, &str)]) -> Got {
    let mut asked = vec![("grant_type", GRANT_TYPE), ("subject_token", token), ("subject_token_type", ACCESS_TOKEN)];
    asked.extend(more);
    world.ask(form("/token", &asked).insert_header(("authorization", basic(service)))).await
}

async fn exchanged(world: &World, token: &str) -> String {
    let got = exchange(world, "desk", token, &[("audience", FRONT)]).await;
    assert_eq!(got.status, 200, "{} {}", got.text(), world.last_entry());
    got.json()["access_token"].as_str().unwrap().to_owned()
}

async fn introspected(world: &World, token: &str) -> Value {
    world.ask(form("/introspect", &[("token", token)]).insert_header(("authorization", basic("rs")))).await.json()
}

/// R8693-2.2.1-01, R8693-4.1-01. `act` has no number, so that a CWT has none.
#[actix_web::test]
async fn a_service_gets_a_token_that_its_lock_knows() {
    let idp = Idp::start();
    let world = building(&idp).await;
    let phone = Phone::sign_in(&world, &idp).await;
    let got = exchange(&world, "desk", &phone.subject, &[("audience", FRONT), ("scope", "door:open door:state")]).await;
    assert_eq!((got.status.as_u16(), got.header("content-type")), (200, Some("application/json")), "{}", got.text());
    let body = got.json();
    assert_eq!(body["issued_token_type"], ACCESS_TOKEN);
    assert_eq!((&body["scope"], &body["ace_profile"]), (&json!("door:open"), &json!("coap_oscore")), "as consented");
    assert!(body["expires_in"].as_u64().unwrap() <= 300 && body.get("refresh_token").is_none(), "{body}");
    let line = world.last_entry();
    assert_eq!((&line["client"], &line["person"]["subject"]), (&json!("desk"), &json!("emma")), "actor and subject");
    assert_eq!(line["row"], format!("desk for group staff of {} at {FRONT}", idp.provider().issuer()));
    assert_eq!(line["subject_token"], hash(&phone.subject).to_string());
    let told = introspected(&world, body["access_token"].as_str().unwrap()).await;
    assert_eq!((&told["active"], &told["client_id"]), (&json!(true), &json!("desk")));
    assert_ne!(told["act"]["sub"], told["sub"]);
    assert!(told["act"]["sub"].is_string(), "{told}");
    for token in [&phone.subject, body["access_token"].as_str().unwrap(), body["cnf"]["osc"]["ms"].as_str().unwrap()] {
        assert!(!world.entries().contains(token), "in the log");
    }
}

/// R8693-2.1-05, R8693-2.2.2-01, R8693-2.2.2-02
#[actix_web::test]
async fn exchanges_that_are_refused() {
    let idp = Idp::start();
    let world = building(&idp).await;
    let mut phone = Phone::sign_in(&world, &idp).await;
    let token = &phone.subject.clone();
    for (what, service, token, more, status, error) in [
        ("another service", "other", &**token, vec![("audience", FRONT)], 400, "invalid_request"),
        ("a client without the grant", "robot", token, vec![("audience", FRONT)], 400, "unauthorized_client"),
        ("nobody", "nobody", token, vec![("audience", FRONT)], 401, "invalid_client"),
        ("no token of ours", "desk", "x", vec![("audience", FRONT)], 400, "invalid_request"),
        ("another lock", "desk", token, vec![("audience", "urn:latchwork:lock:side")], 400, "invalid_target"),
        ("two locks", "desk", token, vec![("audience", FRONT), ("audience", DESK)], 400, "invalid_target"),
        ("a resource", "desk", token, vec![("resource", "coap://front/")], 400, "invalid_target"),
        (
            "two resources",
            "desk",
            token,
            vec![("resource", "coap://a/"), ("resource", "coap://b/")],
            400,
            "invalid_target",
        ),
        ("an actor", "desk", token, vec![("audience", FRONT), ("actor_token", "x")], 400, "invalid_request"),
        ("a scope twice", "desk", token, vec![("scope", "door:open"), ("scope", "x")], 400, "invalid_request"),
        (
            "a scope that is not consented",
            "desk",
            token,
            vec![("audience", FRONT), ("scope", "door:state")],
            400,
            "invalid_scope",
        ),
    ] {
        let got = exchange(&world, service, token, &more).await;
        assert_eq!(
            (got.status.as_u16(), got.json()["error"].as_str()),
            (status, Some(error)),
            "{what}: {}",
            got.text()
        );
        assert!(!world.last_entry()["reason"].as_str().unwrap().is_empty(), "{what}");
    }
    // The person's only lock need not be named.
    assert_eq!(exchange(&world, "desk", token, &[]).await.status, 200);
    let got = phone.asks(&world, "urn:latchwork:service:other", "none").await;
    assert_eq!((got.status.as_u16(), got.json()["error"].as_str()), (400, Some("invalid_target")), "nobody let it");
    let asks = actix_web::test::TestRequest::get()
        .uri("/api/v1/doors")
        .insert_header(("authorization", format!("DPoP {token}")))
        .insert_header(("dpop", proof(&phone.key, "d", "GET", &format!("{ISSUER}/api/v1/doors"), Some(token))));
    assert_eq!(world.ask(asks).await.status, 401, "no good at the people API");
}

/// RFC 8693 §2.1 leaves it open whether revocation is passed on: here it is.
#[actix_web::test]
async fn what_ends_the_persons_token_ends_the_services() {
    let idp = Idp::start();
    for what in ["subject token", "refresh token", "person", "device", "app", "service", "the token itself"] {
        let world = building(&idp).await;
        let phone = Phone::sign_in(&world, &idp).await;
        let token = exchanged(&world, &phone.subject).await;
        assert_eq!(introspected(&world, &token).await["active"], true);
        let target = match what {
            "subject token" => {
                phone.revokes(&world, &phone.subject, "r").await;
                None
            }
            "refresh token" => {
                phone.revokes(&world, &phone.refresh, "r").await;
                None
            }
            "the token itself" => {
                let asked = form("/revoke", &[("token", &token)]).insert_header(("authorization", basic("desk")));
                assert_eq!(world.ask(asked).await.status, 200);
                None
            }
            "person" => Some(json!({ "person": { "issuer": idp.provider().issuer(), "subject": "emma" } })),
            "device" => Some(json!({ "device": phone.key.public().thumbprint().to_string() })),
            "app" => Some(json!({ "client": "app" })),
            _ => Some(json!({ "client": "desk" })),
        };
        if let Some(target) = target {
            let got = world.ask(admin("revoke", &target)).await;
            assert_eq!(got.status, 200, "{what}: {}", got.text());
        }
        assert_eq!(introspected(&world, &token).await, json!({ "active": false }), "{what}");
        for requester in ["rs", "desk"] {
            assert_eq!(listed(&world, &basic(requester)).await, [hash(&token)], "{what}: {requester}");
        }
        let again = exchange(&world, "desk", &phone.subject, &[("audience", FRONT)]).await;
        let goes_on = ["service", "the token itself"].contains(&what);
        assert_eq!(again.status == 200, goes_on, "{what}: {}", again.text());
        if !goes_on {
            assert_eq!(again.json()["error"], "invalid_request", "{what}");
        }
    }
}

/// A row goes with its service: another client of the same name starts with none.
#[actix_web::test]
async fn rows_go_with_their_service() {
    let idp = Idp::start();
    let world = building(&idp).await;
    let mut phone = Phone::sign_in(&world, &idp).await;
    let remove = actix_web::test::TestRequest::delete()
        .uri("/admin/api/v1/clients/desk")
        .insert_header(("authorization", format!("Bearer {ADMIN}")));
    assert_eq!(world.ask(remove).await.status, 204);
    let again =
        json!({ "client": [{ "id": "desk", "kind": "confidential", "secret": SECRET, "grants": ["token_exchange"] }] });
    assert_eq!(world.ask(admin("apply", &again)).await.status, 200);
    let got = exchange(&world, "desk", &phone.subject, &[("audience", FRONT)]).await;
    assert_eq!((got.status.as_u16(), got.json()["error"].as_str()), (400, Some("invalid_target")));
    assert_eq!(phone.asks(&world, DESK, "again").await.json()["error"], "invalid_target");
}

async fn rows(world: &World) -> Vec<Value> {
    let ask = actix_web::test::TestRequest::get().uri("/admin/api/v1/exchanges");
    let got = world.ask(ask.insert_header(("authorization", format!("Bearer {ADMIN}")))).await;
    got.json()["exchanges"].as_array().unwrap().clone()
}

async fn removed(world: &World, path: &str) -> u16 {
    let ask = actix_web::test::TestRequest::delete().uri(&format!("/admin/api/v1/{path}"));
    world.ask(ask.insert_header(("authorization", format!("Bearer {ADMIN}")))).await.status.as_u16()
}

/// A row that is over says no until it is removed, and whatever is swept; then the wider one counts again.
#[actix_web::test]
async fn a_row_that_is_over_says_no_until_it_is_removed() {
    let idp = Idp::start();
    let world = building(&idp).await;
    let phone = Phone::sign_in(&world, &idp).await;
    let emma = json!({ "issuer": idp.provider().issuer(), "subject": "emma" });
    let over = json!({ "service": "desk", "who": emma, "audience": FRONT, "scope": "door:open", "until": 1 });
    assert_eq!(world.ask(admin("apply", &json!({ "exchange": [over] }))).await.status, 200);
    let (store, now) = (world.shell.records.store(), world.shell.now().0);
    Sweeper::default().step(store, now, usize::MAX).await.unwrap();
    let refused = async || {
        let got = exchange(&world, "desk", &phone.subject, &[("audience", FRONT)]).await;
        (got.json()["error"].as_str() == Some("invalid_target"), world.last_entry()["reason"].to_string())
    };
    let (no, why) = refused().await;
    assert!(no && why.contains("is over"), "{why}");
    let there = rows(&world).await;
    let id = |row: &Value| row["id"].as_str().unwrap().to_owned();
    let own = there.iter().find(|row| row["who"] == emma).unwrap();
    let rest = (&own["service"], &own["group"], &own["issuer"], &own["audience"], &own["scope"], &own["until"]);
    assert_eq!(rest, (&json!("desk"), &Value::Null, &Value::Null, &json!(FRONT), &json!("door:open"), &json!(1)));
    let staff = there.iter().find(|row| row["group"] == "staff").unwrap();
    assert_eq!(staff["issuer"], idp.provider().issuer(), "the only provider's, though it was not named");
    for nothing in ["x".to_owned(), hash("x").to_string()] {
        assert_eq!(removed(&world, &format!("exchanges/{nothing}")).await, 404);
    }
    assert_eq!(removed(&world, &format!("exchanges/{}", id(own))).await, 204);
    let line = world.last_entry();
    assert_eq!((&line["kind"], &line["action"]), (&json!("exchange"), &json!("delete")), "{line}");
    exchanged(&world, &phone.subject).await;
    assert_eq!(removed(&world, &format!("exchanges/{}", id(staff))).await, 204);
    let (no, why) = refused().await;
    assert!(no && why.contains("no row"), "{why}");
    assert_eq!(rows(&world).await, Vec::<Value>::new());
}

/// A group is one provider's.
#[actix_web::test]
async fn with_two_providers_a_group_has_an_issuer() {
    let (idp, other) = (Idp::start(), Idp::start());
    let world = World::new(
        ["one", "two"]
            .into_iter()
            .zip([&idp, &other])
            .map(|(name, idp)| Provider::new(idp.settings(name)).unwrap())
            .collect(),
    )
    .await;
    let desk = json!({ "id": "desk", "kind": "confidential", "secret": SECRET, "grants": ["token_exchange"] });
    let row = json!({ "service": "desk", "group": "staff", "audience": FRONT });
    let got = world.ask(admin("apply", &json!({ "client": [desk], "exchange": [row] }))).await;
    assert!(got.status == 422 && got.text().contains("name the issuer"), "{}", got.text());
    let named = json!({ "service": "desk", "group": "staff", "issuer": other.provider().issuer(), "audience": FRONT });
    let got = world.ask(admin("apply", &json!({ "client": [desk], "exchange": [named] }))).await;
    assert_eq!(got.status, 200, "{}", got.text());
    assert_eq!(rows(&world).await[0]["issuer"], other.provider().issuer());
}

/// A lock of the name of one that was removed starts with no rows, no consents, no place in grants, and no tokens.
#[actix_web::test]
async fn nothing_is_left_to_a_lock_of_the_same_name() {
    let idp = Idp::start();
    let world = building(&idp).await;
    let side = json!({ "service": "desk", "group": "staff", "audience": "urn:latchwork:lock:side" });
    let issuer = idp.provider().issuer().to_owned();
    let consent = |door: &str, owner: &str| {
        let who = |subject: &str| json!({ "issuer": issuer, "subject": subject });
        json!({ "door": door, "owner": who(owner), "who": who("vera"), "until": "2100-01-01T00:00:00Z" })
    };
    let more = json!({ "exchange": [side], "consent": [consent("front", "olga"), consent("side", "oscar")] });
    assert_eq!(world.ask(admin("apply", &more)).await.status, 200);
    let mut phone = Phone::sign_in(&world, &idp).await;
    let got = phone.asks(&world, FRONT, "before").await;
    assert_eq!(got.status, 200, "{}", got.text());
    let door = got.json()["access_token"].as_str().unwrap().to_owned();
    let services = exchanged(&world, &phone.subject).await;
    let waiting = code(&world, &idp).await;

    assert_eq!(removed(&world, "locks/front").await, 204);
    let line = world.last_entry();
    assert_eq!((&line["kind"], &line["name"], &line["action"]), (&json!("lock"), &json!("front"), &json!("delete")));
    let names = rows(&world).await.iter().map(|row| row["audience"].clone()).collect::<Vec<_>>();
    assert_eq!(names, ["urn:latchwork:lock:side"], "other locks keep theirs");
    let consents = world.shell.records.all::<AdvanceConsent>().await.unwrap();
    assert_eq!(consents.iter().map(|(it, _)| it.door.as_str()).collect::<Vec<_>>(), ["side"]);
    assert!(world.shell.records.all::<Revocation>().await.unwrap().is_empty(), "the promise is kept");
    let mut revoked = listed(&world, &format!("Bearer {ADMIN}")).await;
    revoked.sort();
    let mut both = [hash(&door), hash(&services)];
    both.sort();
    assert_eq!(revoked, both);

    let again = json!({
        "lock": [{ "name": "front", "address": "127.0.0.1:5683" }],
        "exchange": [{ "service": "desk", "group": "staff", "audience": FRONT }],
    });
    assert_eq!(world.ask(admin("apply", &again)).await.status, 200);
    assert_eq!(world.ask(admin("locks/front/enroll", &json!({}))).await.status, 201);
    assert_eq!(phone.asks(&world, FRONT, "after").await.json()["error"], "invalid_target", "out of the grant");
    let got = exchange(&world, "desk", &phone.subject, &[("audience", FRONT)]).await;
    assert_eq!(got.json()["error"], "invalid_target", "nor by the service");
    let key = Pair::new(5);
    let url = format!("{ISSUER}/token");
    let redeem = form(
        "/token",
        &[
            ("grant_type", "authorization_code"),
            ("client_id", "app"),
            ("code", &waiting),
            ("redirect_uri", "http://127.0.0.1:7777/cb"),
            ("code_verifier", VERIFIER),
            ("audience", FRONT),
        ],
    )
    .insert_header(("dpop", proof(&key, "late", "POST", &url, None)));
    assert_eq!(world.ask(redeem).await.json()["error"], "invalid_target", "nor by a code from before");
    // Who signs in anew has it.
    let mut phone = Phone::sign_in_as(&world, &idp, "anew").await;
    assert_eq!(phone.asks(&world, FRONT, "anew-door").await.status, 200);
    let got = world.ask(admin("revoke", &json!({ "removed": "front" }))).await;
    assert_eq!(got.status, 422, "a lock is removed in its own place: {}", got.text());
}

#[actix_web::test]
async fn rows_that_cannot_be() {
    let idp = Idp::start();
    let world = building(&idp).await;
    let row = |change: &[(&str, Value)]| {
        let mut row = json!({ "service": "desk", "group": "staff", "audience": FRONT });
        for (name, value) in change {
            match value {
                Value::Null => drop(row.as_object_mut().unwrap().remove(*name)),
                value => row[*name] = value.clone(),
            }
        }
        json!({ "exchange": [row] })
    };
    let issuer = json!(idp.provider().issuer());
    let emma = json!({ "issuer": issuer, "subject": "emma" });
    for (problem, change) in [
        ("no client of this name", vec![("service", json!("nobody"))]),
        ("no token_exchange", vec![("service", json!("robot"))]),
        ("no token_exchange", vec![("service", json!("app"))]),
        ("one of who and group", vec![("group", Value::Null)]),
        ("one of who and group", vec![("who", emma.clone())]),
        ("none of the providers", vec![("issuer", json!("https://idp.example/"))]),
        ("issuer goes with group", vec![("group", Value::Null), ("who", emma.clone()), ("issuer", issuer.clone())]),
        ("control character", vec![("group", json!("a\u{0}b"))]),
        ("control character", vec![("group", json!(""))]),
        ("no lock", vec![("audience", json!("urn:latchwork:lock:nowhere"))]),
        ("a lock or a group", vec![("audience", json!(DESK))]),
        ("a lock or a group", vec![("audience", json!(format!("{ISSUER}/api/v1")))]),
        ("not a audience", vec![("audience", json!("front"))]),
        ("before it begins", vec![("from", json!(6)), ("until", json!(6))]),
        ("a time in UTC", vec![("from", json!("tomorrow"))]),
        ("unknown field", vec![("scopes", json!("door:open"))]),
    ] {
        let got = world.ask(admin("apply", &row(&change))).await;
        assert_eq!(got.status, 422, "{change:?}: {}", got.text());
        assert!(got.text().contains(problem), "{problem}: {}", got.text());
    }
    let native = json!({ "client": [{ "id": "x", "kind": "native", "grants": ["token_exchange"] }] });
    let got = world.ask(admin("apply", &native)).await;
    assert!(got.status == 422 && got.text().contains("exchanges no tokens"), "{}", got.text());
    let own = row(&[("group", Value::Null), ("who", emma), ("audience", json!("urn:latchwork:group:building"))]);
    for action in ["create", "keep"] {
        let got = world.ask(admin("apply", &own)).await.json();
        assert_eq!(got["differences"][0]["action"], action, "{got}");
    }
}
