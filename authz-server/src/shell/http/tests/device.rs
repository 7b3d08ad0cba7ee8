//! Device authorization over HTTP (RFC 8628): the device polls, a person types.

use actix_web::test::TestRequest;
use serde_json::{Value, json};

use super::authorize::{Browser, between};
use super::provider::Idp;
use super::{Got, ISSUER, SECRET, World, admin, form};
use crate::clock;
use crate::core::records::Grant;
use crate::core::refusal::{DeviceFault, Refusal};
use crate::core::testing::Pair;
use crate::shell::throttle::Rates;

const FRONT: &str = "urn:latchwork:lock:front";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

async fn world(idp: &Idp) -> World {
    let world = World::new(vec![idp.provider()]).await;
    let tv = json!({ "client": [
        { "id": "panel", "title": "Hall panel", "kind": "native", "grants": ["device_code", "refresh_token"] },
        { "id": "kiosk", "title": "Kiosk", "kind": "confidential", "secret": SECRET, "grants": ["device_code"] },
    ] });
    assert_eq!(world.ask(admin("apply", &tv)).await.status, 200);
    world
}

fn proof(path: &str, jti: &str) -> String {
    let made = Pair::new(5).proof_with(jti, |_, claims| {
        claims["htu"] = json!(format!("{ISSUER}{path}"));
        claims["iat"] = json!(clock::now().0);
    });
    made.jwt
}

async fn ask(world: &World, jti: &str) -> Value {
    let fields = [("client_id", "panel"), ("audience", FRONT), ("scope", "door:open")];
    let got = world
        .ask(form("/device_authorization", &fields).insert_header(("dpop", proof("/device_authorization", jti))))
        .await;
    assert_eq!(got.status, 200, "{}", got.text());
    assert_eq!(got.header("cache-control"), Some("no-store"));
    got.json()
}

async fn poll(world: &World, codes: &Value, jti: &str) -> Got {
    let code = codes["device_code"].as_str().unwrap();
    let fields = [("grant_type", GRANT), ("client_id", "panel"), ("device_code", code)];
    world.ask(form("/token", &fields).insert_header(("dpop", proof("/token", jti)))).await
}

async fn type_code(browser: &mut Browser<'_>, page: &Got, code: &str) -> Got {
    let csrf = between(&page.text(), "name=\"csrf\" value=\"", "\"");
    browser.send(form("/device", &[("csrf", &csrf), ("user_code", code)])).await
}

/// R8628-3.2-01, R8628-3.3-01, R8628-3.3.1-01, R8628-3.4-01, R8628-3.5-04, R8628-5.4-01: from the device's question to its tokens.
#[actix_web::test]
async fn a_person_says_yes_and_the_device_gets_tokens() {
    let idp = Idp::start();
    let world = world(&idp).await;
    let codes = ask(&world, "one").await;
    let user_code = codes["user_code"].as_str().unwrap();
    assert_eq!((codes["expires_in"].as_i64(), codes["interval"].as_i64()), (Some(600), Some(5)));
    assert_eq!(codes["verification_uri"], "https://as.example/device");
    let complete = codes["verification_uri_complete"].as_str().unwrap();
    assert_eq!(poll(&world, &codes, "p1").await.json(), json!({ "error": "authorization_pending" }));
    let too_fast = Refusal::from(DeviceFault::SlowDown).error().name;
    assert_eq!(poll(&world, &codes, "p2").await.json(), json!({ "error": too_fast }));

    let mut browser = Browser::new(&world);
    let back = browser.sign_in(&idp, complete.strip_prefix(ISSUER).unwrap(), "emma", &["staff"]).await;
    let page = browser.get(back.location()).await;
    assert!(page.text().contains(&format!("value=\"{user_code}\"")), "{}", page.text());
    assert!(page.text().contains("emma the tester"));
    // Looking is no answer.
    assert_eq!(poll(&world, &codes, "p3").await.json(), json!({ "error": "slow_down" }));
    let typed = type_code(&mut browser, &page, &user_code.to_lowercase().replace('-', " ")).await;
    assert_eq!(typed.status, 303, "{}", typed.text());
    let consent = browser.get(typed.location()).await;
    for shown in ["Hall panel", "panel", "Front door", "Open it", "192.0.2.7", "device in front of you"] {
        assert!(consent.text().contains(shown), "{shown}: {}", consent.text());
    }
    let done = browser.press(&consent, "allow").await;
    assert_eq!(done.status, 200);
    assert!(done.text().contains("Your device is connected"), "{}", done.text());

    let got = poll(&world, &codes, "p4").await;
    assert_eq!(got.status, 200, "{}", got.text());
    assert!(got.json()["access_token"].is_string() && got.json()["refresh_token"].is_string());
    assert_eq!(got.json()["scope"], "door:open");
    assert_eq!(world.last_entry()["grant_type"], "device_code");
    for secret in [codes["device_code"].as_str().unwrap(), user_code] {
        assert!(!world.entries().contains(secret), "{secret} in the log");
    }
    assert_eq!(poll(&world, &codes, "p5").await.json()["error"], "invalid_grant");
    let grants = world.shell.records.all::<Grant>().await.unwrap();
    assert!(grants.len() == 1 && grants[0].0.revoked.is_some(), "a code used twice ends its family");
    // The page is over, and so is the code.
    assert_eq!(browser.press(&consent, "allow").await.status, 400);
    let page = browser.get("/device").await;
    assert!(type_code(&mut browser, &page, user_code).await.text().contains("No device waits"));
}

/// R8628-3.5-03: a no of the person, of policy, of an owner.
#[actix_web::test]
async fn a_no_is_access_denied() {
    let idp = Idp::start();
    let world = world(&idp).await;
    for (n, who, groups, consents) in
        [(0, "emma", "staff", true), (1, "nora", "nobody", false), (2, "vera", "visitors", true)]
    {
        let codes = ask(&world, &format!("ask {n}")).await;
        let user_code = codes["user_code"].as_str().unwrap();
        let mut browser = Browser::new(&world);
        let back = browser.sign_in(&idp, "/device", who, &[groups]).await;
        let page = browser.get(back.location()).await;
        let typed = type_code(&mut browser, &page, user_code).await;
        let mut page = browser.get(typed.location()).await;
        if who == "vera" {
            let asked = browser.press(&page, "allow").await;
            page = browser.get(asked.location()).await;
            assert!(page.text().contains("Waiting for the owner"), "{}", page.text());
        }
        if consents {
            page = browser.press(&page, "deny").await;
        }
        assert!(page.text().contains("The device gets nothing"), "{who}: {}", page.text());
        assert_eq!(
            poll(&world, &codes, &format!("poll {n}")).await.json(),
            json!({ "error": "access_denied" }),
            "{who}"
        );
    }
    assert!(world.shell.records.all::<Grant>().await.unwrap().is_empty());
}

/// R8628-5.1-01
#[actix_web::test]
async fn codes_are_not_guessed() {
    let idp = Idp::start();
    let world = world(&idp).await;
    let codes = ask(&world, "one").await;
    let mut browser = Browser::new(&world);
    assert_eq!(browser.send(form("/device", &[("user_code", "BCDF-GHJK")])).await.status, 400, "not signed in");
    let back = browser.sign_in(&idp, "/device", "emma", &["staff"]).await;
    let page = browser.get(back.location()).await;
    let forged = form("/device", &[("csrf", "forged"), ("user_code", codes["user_code"].as_str().unwrap())]);
    assert_eq!(browser.send(forged).await.status, 400, "a forged form");
    for wrong in ["", "BCDF", "<b>x</b>", "BCDF-GHJK", "AEIO-UAEI", "bcdf ghjk", "1", "2", "3", "4"] {
        let got = type_code(&mut browser, &page, wrong).await;
        assert_eq!(got.status, 404, "{wrong}");
        assert!(!got.text().contains("<b>x"), "{}", got.text());
    }
    let got = type_code(&mut browser, &page, codes["user_code"].as_str().unwrap()).await;
    assert_eq!(got.status, 429, "the right one comes too late: {}", got.text());
    assert_eq!(world.last_entry()["reason"], "too many tries");
}

/// R8628-3.1-01, R8628-3.1-02
#[actix_web::test]
async fn devices_that_get_no_code() {
    use base64::Engine as _;
    let world = world(&Idp::start()).await;
    let basic = |secret: &str| {
        let text = base64::engine::general_purpose::STANDARD.encode(format!("kiosk:{secret}"));
        ("authorization", format!("Basic {text}"))
    };
    let ask = |pairs: &[(&str, &str)]| form("/device_authorization", pairs);
    for (what, request, status, error) in [
        ("a secret", ask(&[]).insert_header(basic(SECRET)), 200, ""),
        ("a wrong secret", ask(&[]).insert_header(basic("wrong")), 401, "invalid_client"),
        ("nobody", ask(&[]), 401, "invalid_client"),
        ("no key", ask(&[("client_id", "panel")]), 400, "invalid_request"),
        ("an app without this grant", ask(&[("client_id", "app"), ("dpop_jkt", "x")]), 400, "unauthorized_client"),
        (
            "a parameter twice",
            ask(&[("scope", "a"), ("scope", "a")]).insert_header(basic(SECRET)),
            400,
            "invalid_request",
        ),
        ("JSON", ask(&[]).insert_header(("content-type", "application/json")), 400, "invalid_request"),
        ("by GET", TestRequest::get().uri("/device_authorization"), 405, ""),
    ] {
        let got = world.ask(request).await;
        assert_eq!(got.status.as_u16(), status, "{what}: {}", got.text());
        if !error.is_empty() {
            assert_eq!(got.json(), json!({ "error": error }), "{what}");
        }
    }
}

/// R8628-5.1-01: whoever asks in the name of an app uses up nothing that its users need, and not the store.
#[actix_web::test]
async fn who_asks_for_an_app_harms_nobody() {
    let world = World::with_rates(Rates { per_address: 0, per_client: 1 }).await;
    let panel = json!({ "client": [{ "id": "panel", "kind": "native", "grants": ["device_code"] }] });
    assert_eq!(world.ask(admin("apply", &panel)).await.status, 200);
    let jkt = Pair::new(5).public().thumbprint().to_string();
    let fields = [("client_id", "panel"), ("dpop_jkt", jkt.as_str())];
    let mut statuses = Vec::new();
    for _ in 0..105 {
        statuses.push(world.ask(form("/device_authorization", &fields)).await.status.as_u16());
    }
    assert_eq!(statuses, [vec![200; 100], vec![429; 5]].concat());
    let poll = [("grant_type", GRANT), ("client_id", "panel"), ("device_code", "AAAA")];
    assert_ne!(world.ask(form("/token", &poll)).await.status, 429, "its users may still ask");
}
