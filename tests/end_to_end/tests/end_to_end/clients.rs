//! A strict OAuth client that we did not write (openid-client over oauth4webapi), with a person at the real provider.

use std::fs;
use std::process::Command;

use latchwork_building::building::repository;
use latchwork_building::people::{EMMA, sign_in_at_provider};
use latchwork_building::{Building, Process};
use serde_json::{Value, json};

/// Starts the client; what it prints is read line by line.
fn openid_client(building: &Building, flow: &str) -> Process {
    let root = repository().unwrap();
    let mut command = Command::new(root.join("target/tools/bin/node"));
    command.arg(root.join("tests/interop/peers/openid_client.mjs")).args([&building.issuer, flow]);
    command.env("NODE_EXTRA_CA_CERTS", building.certificate());
    Process::start("openid-client", &building.path("logs"), &mut command).unwrap()
}

/// What it says at its end: it listed doors, refreshed, listed again, and could revoke nothing without a proof.
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
}

/// R8414-3-01, R9126-2.2-01, R9449-8.1-01, R9207-2-01
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
