//! A strict OAuth client that we did not write (openid-client over oauth4webapi), with a person at the real provider.

use std::fs;
use std::process::Command;

use latchwork_building::building::repository;
use latchwork_building::people::{EMMA, sign_in_at_provider};
use latchwork_building::{Building, Process};
use latchwork_end_to_end::peer::said_by;
use latchwork_end_to_end::service::Key;
use serde_json::{Value, json};

/// Starts the client; what it prints is read line by line.
fn openid_client(building: &Building, flow: &str) -> Process {
    let root = repository().unwrap();
    let mut command = Command::new(root.join("target/tools/bin/node"));
    command.arg(root.join("tests/interop/peers/openid_client.mjs")).args([&building.issuer, flow]);
    command.env("NODE_EXTRA_CA_CERTS", building.certificate());
    Process::start("openid-client", &building.path("logs"), &mut command).unwrap()
}

/// What it says at its end: it listed doors, refreshed, listed again, could revoke nothing without a proof, and with one its grant.
fn check(building: &Building, mut client: Process) {
    let status = client.end().unwrap();
    let printed = client.printed().unwrap();
    assert!(status.success(), "{printed}");
    let said: Value = serde_json::from_str(printed.trim().lines().last().unwrap()).unwrap();
    assert_eq!((&said["issuer"], &said["type"]), (&json!(building.issuer), &json!("dpop")), "{said}");
    let doors = said["doors"].as_array().unwrap();
    assert!(doors.contains(&json!("front granted")), "{said}");
    assert_eq!((&said["again"], &said["rotated"]), (&said["doors"], &json!(true)), "{said}");
    assert_eq!(said["unproven"], "invalid_dpop_proof", "{said}");
    assert_eq!((&said["revoked"], &said["dead"]), (&json!("done"), &json!(["invalid_grant", 401])), "{said}");
}

/// R8414-3-01, R9126-2.2-01, R9449-8.1-01, R9207-2-01, R7009-2-01, R7009-2.1-03
#[test]
fn interop_openid_client_signs_in_with_pushed_requests_and_nonces() {
    let building = Building::open().unwrap();
    let mut client = openid_client(&building, "app");
    let browser = building.browser().unwrap();
    let url = client.line("open ").unwrap();
    let page = sign_in_at_provider(&browser, browser.open(&url).unwrap(), EMMA).unwrap();
    assert!(page.html.contains("Corner House Doors"), "{}", page.html);
    let page = browser.press(&page, "Allow", &[]).unwrap();
    assert_eq!(page.html, "Back to the app.");
    check(&building, client);
}

/// R8628-3.2-01, R8628-3.4-01
#[test]
fn interop_openid_client_connects_a_device() {
    let building = Building::open().unwrap();
    let declared = building.path("panel.toml");
    let panel = "[[client]]\nid = \"panel\"\ntitle = \"Hall panel\"\nkind = \"native\"\ngrants = [\"device_code\", \"refresh_token\"]\n";
    fs::write(&declared, panel).unwrap();
    let directory = building.path("server").to_string_lossy().into_owned();
    building.latchwork(&["apply", "-f", &declared.to_string_lossy(), "--dir", &directory]).unwrap();
    let mut client = openid_client(&building, "device");
    let code = client.line("code ").unwrap();
    let url = client.line("open ").unwrap();
    let browser = building.browser().unwrap();
    let page = sign_in_at_provider(&browser, browser.open(&url).unwrap(), EMMA).unwrap();
    let page = browser.press(&page, "Go on", &[("user_code", &code.to_lowercase())]).unwrap();
    for shown in ["Hall panel", "127.0.0.1", "device in front of you"] {
        assert!(page.html.contains(shown), "{shown}: {}", page.html);
    }
    let page = browser.press(&page, "Allow", &[]).unwrap();
    assert!(page.html.contains("Your device is connected"), "{}", page.html);
    check(&building, client);
}

/// openid-client revokes and introspects; oauth4webapi, on which it stands, asks step by step.
/// R7009-2.2-01, R7662-2.2-01, R9126-2.2-01
#[test]
fn interop_oauth4webapi_asks_everything_strictly() {
    let building = Building::open().unwrap();
    building.enroll_with("shed", &[]).unwrap();
    let key = Key::generate().unwrap();
    let (x, y) = (key.jwk()["x"].clone(), key.jwk()["y"].clone());
    let rs = latchwork_building::building::random_hex(32).unwrap();
    let declared = building.path("strict.toml");
    let text = format!(
        "[[client]]\nid = \"rs\"\nkind = \"resource_server\"\nlocks = [\"front\"]\nsecret = \"{rs}\"\n\n\
         [[client]]\nid = \"signer\"\nkind = \"confidential\"\nattributes = {{ role = \"cleaning\" }}\n\
         keys = [{{ kid = \"one\", key = {{ kty = \"EC\", crv = \"P-256\", x = {x}, y = {y} }} }}]\n\n\
         [[door]]\nname = \"shed\"\nlock = \"shed\"\nzone = \"office\"\n"
    );
    fs::write(&declared, text).unwrap();
    let directory = building.path("server").to_string_lossy().into_owned();
    building.latchwork(&["apply", "-f", &declared.to_string_lossy(), "--dir", &directory]).unwrap();
    let mut command = Command::new(repository().unwrap().join("target/tools/bin/node"));
    command.arg(repository().unwrap().join("tests/interop/peers/oauth_strict.mjs")).arg(&building.issuer);
    command.env("NODE_EXTRA_CA_CERTS", building.certificate());
    let given = json!({ "secret": building.service_secret, "rs": rs, "jwk": key.private_jwk(), "kid": "one" });
    let said = said_by(&mut command, &given).unwrap();

    let inactive = json!({ "active": false });
    let (client, ground) = (&said["client"], &said["ground"]);
    for own in [&client["own"], &ground["own"]] {
        assert_eq!((&own["active"], &own["aud"]), (&json!(true), &json!("urn:latchwork:lock:front")), "{said}");
    }
    assert_eq!((&client["live"], &client["others"]), (&json!(true), &inactive), "a foreign audience: {said}");
    assert_eq!((&client["still"], &client["dead"]), (&json!(true), &inactive), "{said}");
    assert_eq!((&client["again"], &client["wrong"]), (&json!("done"), &json!("invalid_client")), "{said}");
    // 403 without a word, as RFC 9200 §5.9.3 wants it.
    assert_eq!(client["nobody"], "OAUTH_RESPONSE_IS_NOT_JSON", "no resource server: {said}");
    assert_eq!((&ground["issuer"], &ground["pushed"]), (&json!(building.issuer), &json!([true, true])), "{said}");
    for (what, error) in [("plain", "invalid_request"), ("elsewhere", "invalid_request"), ("forged", "invalid_client")]
    {
        assert_eq!(ground[what], error, "{what}: {said}");
    }
    assert_eq!((&ground["type"], &ground["dead"]), (&json!("pop"), &inactive), "{said}");
}
