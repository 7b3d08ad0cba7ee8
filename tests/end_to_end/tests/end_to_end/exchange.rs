//! A service that acts for a person (RFC 8693), through the real server, at a lock on Linux.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchwork_building::people::VICTOR;
use latchwork_building::{Building, Phone};
use latchwork_end_to_end::service::{Answer, Key, ask, ask_as_app};
use serde_json::{Value, json};

use super::begins::{invite, now};
use super::revocation::refuses;

const LAB: &str = "urn:latchwork:lock:lab";

const SERVICE: &str = r#"
[[client]]
id = "service"
kind = "confidential"
grants = ["client_credentials", "token_exchange"]

[[exchange]]
service = "service"
group = "visitors"
audience = "urn:latchwork:lock:lab"
scope = "door:open"
"#;

fn state(phone: &Phone) -> Value {
    serde_json::from_slice(&fs::read(phone.home().join("tokens.json")).unwrap()).unwrap()
}

/// What the person's app asks for the service, by the phone's own key and refresh token.
fn subject(building: &Building, phone: &Phone) -> String {
    let key = Key::from_scalar(&fs::read(phone.home().join("installation.key")).unwrap()).unwrap();
    let kept = state(phone);
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", "phone"),
        ("refresh_token", kept["refresh_token"].as_str().unwrap()),
        ("audience", "urn:latchwork:service:service"),
    ];
    let answer = ask_as_app(building, &form, (&key, now())).unwrap();
    assert_eq!((answer.status, &answer.body["token_type"]), (200, &json!("DPoP")), "{}", answer.body);
    answer.body["access_token"].as_str().unwrap().to_owned()
}

fn exchange(building: &Building, subject: &str) -> Answer {
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", subject),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("audience", LAB),
    ];
    ask(building, &form, None).unwrap()
}

/// The service at the door: a device that knows the lock, and has what the exchange gave and nothing else.
fn device(building: &Building, like: &Phone, granted: &Value) -> Phone {
    let device = building.phone("device");
    fs::create_dir_all(device.home()).unwrap();
    fs::copy(like.home().join("server.json"), device.home().join("server.json")).unwrap();
    let mut kept = state(like);
    kept["refresh_token"] = Value::Null;
    let osc = &granted["cnf"]["osc"];
    let permission = json!({
        "token": granted["access_token"], "id": osc["id"], "master_secret": osc["ms"], "salt": osc["salt"],
        "context_id": null, "expires": now() + granted["expires_in"].as_u64().unwrap(),
    });
    kept["permissions"] = json!({ LAB: permission });
    fs::write(device.home().join("tokens.json"), kept.to_string()).unwrap();
    device
}

/// R8693-2.2.1-01
#[test]
fn a_service_opens_for_a_visitor_until_the_visitor_is_revoked() {
    let building = Building::open().unwrap();
    invite(&building, 0, SERVICE);
    let phone = building.phone("victor");
    phone.sign_in(&building.browser().unwrap(), VICTOR, &[LAB]).unwrap();
    let subject = subject(&building, &phone);
    let answer = exchange(&building, &subject);
    assert_eq!((answer.status, &answer.body["scope"]), (200, &json!("door:open")), "{}", answer.body);

    let lab = building.lock("lab").unwrap();
    let service = device(&building, &phone, &answer.body);
    service.run(&["open", "lab"]).unwrap();
    assert_eq!(lab.moves().unwrap(), 1);

    let victor = format!("{}#victor", building.provider_url);
    let server = building.path("server").to_string_lossy().into_owned();
    building.latchwork(&["revoke", "--person", &victor, "--dir", &server]).unwrap();
    let token = URL_SAFE_NO_PAD.decode(answer.body["access_token"].as_str().unwrap()).unwrap();
    refuses(lab, &token);
    service.run(&["open", "lab"]).unwrap_err();
    assert_eq!(lab.moves().unwrap(), 1);
    let again = exchange(&building, &subject);
    assert_eq!((again.status, &again.body["error"]), (400, &json!("invalid_request")));
}
