//! Nothing that is logged, at the most talkative level, helps anybody to open a door.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use latchwork_building::Building;
use latchwork_building::people::{EMMA, OLIVIA, THEO, VICTOR};
use latchwork_building::story::{self, Teller};
use latchwork_end_to_end::service::ask;
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

fn files(directory: &Path) -> Vec<std::path::PathBuf> {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect()
}

/// Everything private that the story has left in its building.
fn collect(building: &Building, secrets: &mut Secrets) {
    for phone in fs::read_dir(building.path("phones")).unwrap() {
        let home = phone.unwrap().path();
        if let Ok(state) = fs::read(home.join("tokens.json")) {
            strings(&serde_json::from_slice(&state).unwrap(), secrets);
        }
        if let Ok(key) = fs::read(home.join("installation.key")) {
            secrets.bytes("an installation key", &key);
        }
    }
    for (name, password) in [EMMA, VICTOR, OLIVIA, THEO] {
        secrets.bytes(&format!("the password of {name}"), password.as_bytes());
    }
    secrets.text("the service's own secret", &building.service_secret);
    let robot: Vec<u8> = hex(&building.robot_secret);
    secrets.bytes("the robot's secret", &robot);
    secrets.text("the admin token", fs::read_to_string(building.path("server/admin.token")).unwrap().trim());
    secrets.text("our secret at the provider", &fs::read_to_string(building.path("provider.secret")).unwrap());
    for name in ["front", "lab"] {
        let lock = fs::read_to_string(building.path("locks").join(format!("{name}.lock"))).unwrap();
        let key = lock.lines().find_map(|line| line.strip_prefix("key = \"")?.strip_suffix('"')).expect("a token key");
        secrets.bytes("a lock's token key", &hex(key));
        let own = lock.lines().find_map(|line| line.strip_prefix("master_secret = \"")?.strip_suffix('"'));
        assert_eq!(own.is_some(), name == "lab", "which lock has a network");
        if let Some(own) = own {
            secrets.bytes("a lock's secret with the server", &hex(own));
        }
    }
    let keys = files(&building.path("server/keys"));
    assert!(!keys.is_empty());
    for key in keys {
        secrets.bytes(&format!("{:?}", key.file_name().unwrap()), &fs::read(&key).unwrap());
    }
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The story is what `make demo` plays. It is played here with every program at trace level.
/// R6749-10.3-01, R9700-4.9.3-01
#[test]
fn the_story_goes_well_and_no_log_of_it_tells_a_key_a_code_or_a_token() {
    let mut building = Building::open_logging("trace").unwrap();
    let mut secrets = Secrets::default();

    // One more sign-in than the story has, by hand, for its code.
    let (browser, phone) = (building.browser().unwrap(), building.phone("emma-by-hand"));
    let started = phone.start_sign_in(&[]).unwrap();
    let page = started.consent(&browser, EMMA).unwrap();
    let code = page.url.query_pairs().find(|(name, _)| name == "code").expect("a code").1.into_owned();
    secrets.text("the authorization code", &code);
    started.end(&page).unwrap();
    collect(&building, &mut secrets); // the refresh token that is about to be spent
    phone.run(&["fetch", "front"]).unwrap();

    // What is refused is logged with its reason; still not with the secret.
    let form = [("grant_type", "client_credentials"), ("audience", "urn:latchwork:lock:front")];
    let answer = ask(&building, &form, None).unwrap();
    secrets.text("the service's token", answer.body["access_token"].as_str().unwrap());
    secrets.text("the service's secret for the lock", answer.body["cnf"]["osc"]["ms"].as_str().unwrap());
    let reused =
        [("grant_type", "authorization_code"), ("code", &*code), ("redirect_uri", "http://127.0.0.1/callback")];
    assert_ne!(ask(&building, &reused, None).unwrap().status, 200);

    let mut told = Teller::default();
    story::online(&mut building, &mut told).unwrap();
    collect(&building, &mut secrets);
    story::offline(&mut building, &mut told).unwrap();
    collect(&building, &mut secrets);
    assert_eq!(told.good, told.all, "the story did not go well");
    assert!(told.all >= 15);

    let logs = files(&building.path("logs"));
    assert!(logs.len() >= 5, "{logs:?}");
    let mut traced = 0;
    for log in logs {
        let text = String::from_utf8_lossy(&fs::read(&log).unwrap()).into_owned();
        traced += text.matches("TRACE").count();
        assert_eq!(secrets.found_in(&text), [""; 0], "in {log:?}");
    }
    assert!(traced > 100, "only {traced} lines at trace level: the test looks at the wrong thing");
    assert!(
        secrets.found_in(&format!("x {code} y")).contains(&"the authorization code"),
        "the test finds what is there"
    );
}
