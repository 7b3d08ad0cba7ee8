//! Providers that lie (oauth2-mock-server), and one that is gone: nobody gets in, and the server lives.

use std::process::Command;

use latchwork_building::building::repository;
use latchwork_building::{Building, Process};
use latchwork_end_to_end::service::http;

/// Every lie of `tests/interop/peers/forging_providers.mjs`; `honest` shows that the others fail for their lie.
const LIES: &[&str] =
    &["audience", "nonce", "issuer", "expired", "unsigned", "tampered", "missing", "nonsense", "failing"];

#[test]
fn a_provider_that_lies_lets_nobody_in() {
    let logs = tempfile::tempdir().unwrap();
    let root = repository().unwrap();
    let mut command = Command::new(root.join("target/tools/bin/node"));
    command.arg(root.join("tests/interop/peers/forging_providers.mjs"));
    let mut liars = Process::start("liars", logs.path(), &mut command).unwrap();
    liars.line("ready").unwrap();
    let mut config = String::new();
    for name in LIES.iter().chain(&["honest", "gone"]) {
        let issuer = match *name {
            "gone" => "http://127.0.0.1:9".to_owned(),
            _ => liars.line(&format!("provider {name} ")).unwrap(),
        };
        config += &format!("\n[[provider]]\nname = {name:?}\nissuer = {issuer:?}\nclient_id = \"latchwork\"\n");
    }
    let building = Building::open_configured("info", &config).unwrap();

    for name in LIES.iter().chain(&["honest", "gone"]) {
        let browser = building.browser().unwrap();
        let started = building.phone(name).start_sign_in(&[]).unwrap();
        let choice = browser.open(&started.url).unwrap();
        let page = browser.click(&choice, name).unwrap();
        assert!(page.url.as_str().starts_with(&building.issuer), "{name}: {}", page.url);
        let signed_in = page.html.contains("Signed in as");
        assert_eq!(signed_in, *name == "honest", "{name}: {} {}", page.status, page.html);
        if *name != "honest" {
            assert!(page.status >= 400, "{name}: {}", page.status);
            let helps = ["try", "again", "administrator"].iter().any(|word| page.html.contains(word));
            assert!(helps, "{name}: the page says what to do: {}", page.html);
        }
        let alive = http(&building).unwrap().get(format!("{}/healthz", building.issuer)).send().unwrap();
        assert_eq!(alive.status(), 200, "after {name}");
    }
}
