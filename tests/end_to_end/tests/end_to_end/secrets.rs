//! Nothing that is logged, at the most talkative level, helps anybody to open a door.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use latchwork_building::people::EMMA;
use latchwork_building::{Building, Outcome};
use latchwork_end_to_end::service::{ask, hex_of};
use serde_json::Value;

/// Secrets by what they are, in every form in which they could be printed.
#[derive(Default)]
struct Secrets(BTreeMap<String, (String, Vec<String>)>);

impl Secrets {
    fn bytes(&mut self, what: &str, secret: &[u8]) {
        assert!(secret.len() >= 8, "{what} is too short to be found");
        let debug = format!("{secret:?}");
        let forms = vec![
            secret.iter().map(|byte| format!("{byte:02x}")).collect(),
            secret.iter().map(|byte| format!("{byte:02X}")).collect(),
            URL_SAFE_NO_PAD.encode(secret),
            STANDARD.encode(secret).trim_end_matches('=').to_owned(),
            debug.trim_matches(['[', ']']).to_owned(),
            String::from_utf8_lossy(secret).escape_debug().to_string(),
        ];
        self.0.insert(format!("{what} {}", self.0.len()), (what.to_owned(), forms));
    }

    fn text(&mut self, what: &str, secret: &str) {
        self.bytes(what, secret.as_bytes());
        if let Ok(bytes) = URL_SAFE_NO_PAD.decode(secret) {
            self.bytes(what, &bytes);
        }
    }

    fn found_in(&self, log: &str) -> Vec<&str> {
        let shows = |forms: &[String]| forms.iter().any(|form| log.contains(form.as_str()));
        self.0.values().filter(|(_, forms)| shows(forms)).map(|(what, _)| what.as_str()).collect()
    }
}

/// Every string in a JSON document that is long enough to be a secret, except what is public.
fn strings(value: &Value, secrets: &mut Secrets) {
    match value {
        Value::String(text) => secrets.text("what the phone keeps", text),
        Value::Object(members) => {
            let private = |name: &str| ["refresh_token", "token", "id", "master_secret", "salt"].contains(&name);
            members
                .iter()
                .filter(|(name, value)| private(name) || !value.is_string())
                .for_each(|(_, v)| strings(v, secrets));
        }
        Value::Array(items) => items.iter().for_each(|item| strings(item, secrets)),
        _ => {}
    }
}

fn phone_state(building: &Building, who: &str) -> Outcome<Value> {
    Ok(serde_json::from_slice(&fs::read(building.phone(who).home().join("tokens.json"))?)?)
}

fn files(directory: &Path) -> Vec<std::path::PathBuf> {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect()
}

#[test]
fn no_log_tells_a_key_a_code_or_a_token() {
    let building = Building::open_logging("trace").unwrap();
    let mut secrets = Secrets::default();
    let (browser, phone) = (building.browser().unwrap(), building.phone("emma"));

    let started = phone.start_sign_in(&[]).unwrap();
    let page = started.consent(&browser, EMMA).unwrap();
    let code = page.url.query_pairs().find(|(name, _)| name == "code").expect("a code").1.into_owned();
    secrets.text("the authorization code", &code);
    started.end(&page).unwrap();
    strings(&phone_state(&building, "emma").unwrap(), &mut secrets);
    phone.run(&["fetch", "front"]).unwrap();
    strings(&phone_state(&building, "emma").unwrap(), &mut secrets);
    phone.run(&["open", "front"]).unwrap();

    // What is refused is logged with its reason; still not with the secret.
    let form = [("grant_type", "client_credentials"), ("audience", "urn:latchwork:lock:front")];
    let answer = ask(&building, &form, None).unwrap();
    secrets.text("the service's token", answer.body["access_token"].as_str().unwrap());
    secrets.text("the service's secret for the lock", answer.body["cnf"]["osc"]["ms"].as_str().unwrap());
    assert!(!hex_of(&answer.body["access_token"]).unwrap().is_empty());
    let reused =
        [("grant_type", "authorization_code"), ("code", &*code), ("redirect_uri", "http://127.0.0.1/callback")];
    assert_ne!(ask(&building, &reused, None).unwrap().status, 200);

    secrets.bytes("Emma's password", EMMA.1.as_bytes());
    secrets.bytes("the installation key", &fs::read(phone.home().join("installation.key")).unwrap());
    secrets.text("the service's own secret", &building.service_secret);
    secrets.text("the robot's secret", &building.robot_secret);
    secrets.text("the admin token", fs::read_to_string(building.path("server/admin.token")).unwrap().trim());
    secrets.text("our secret at the provider", &fs::read_to_string(building.path("provider.secret")).unwrap());
    for name in ["front", "lab"] {
        let lock = fs::read_to_string(building.path("locks").join(format!("{name}.lock"))).unwrap();
        let key = lock.lines().find_map(|line| line.strip_prefix("key = \"")?.strip_suffix('"')).expect("a token key");
        let bytes: Vec<u8> =
            (0..key.len()).step_by(2).map(|at| u8::from_str_radix(&key[at..at + 2], 16).unwrap()).collect();
        secrets.bytes("a lock's token key", &bytes);
    }
    let keys = files(&building.path("server/keys"));
    assert!(!keys.is_empty());
    for key in keys {
        secrets.bytes(&format!("{:?}", key.file_name().unwrap()), &fs::read(&key).unwrap());
    }

    let logs = files(&building.path("logs"));
    assert!(logs.len() >= 5, "{logs:?}");
    let mut traced = 0;
    for log in logs {
        // The app prints the page to open, whose address is no secret, and nothing else of worth.
        let text = fs::read_to_string(&log).unwrap();
        traced += text.matches("TRACE").count();
        assert_eq!(secrets.found_in(&text), [""; 0], "in {log:?}");
    }
    assert!(traced > 100, "only {traced} lines at trace level: the test looks at the wrong thing");
    assert!(secrets.found_in(&format!("x {code} y")).contains(&"the authorization code"), "the test finds what is there");
}
