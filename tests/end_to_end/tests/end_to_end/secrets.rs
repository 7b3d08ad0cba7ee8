//! Nothing that is logged, at the most talkative level, helps anybody to open a door.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchwork_building::building::program;
use latchwork_building::people::{EMMA, OLIVIA, THEO, VICTOR};
use latchwork_building::story::{self, Teller};
use latchwork_building::{Building, sniffer};
use latchwork_end_to_end::derived::{oscore, oscore_of, verifiers_in};
use latchwork_end_to_end::secrets::{Secrets, from_hex, jws_in, without_page};
use latchwork_end_to_end::service::ask;
use serde_json::Value;

fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_file() && path.to_string_lossy().ends_with(ending)).collect()
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap().trim().to_owned()
}

/// Everything private that people, phones, locks and the provider have had in this building.
fn collect(building: &Building, secrets: &mut Secrets) {
    for (what, secret) in building.witness.told() {
        secrets.text(&what, &secret);
    }
    for phone in fs::read_dir(building.path("phones")).unwrap() {
        if let Ok(key) = fs::read(phone.unwrap().path().join("installation.key")) {
            secrets.bytes("an installation key", &key);
        }
    }
    for (name, password) in [EMMA, VICTOR, OLIVIA, THEO] {
        secrets.bytes(&format!("the password of {name}"), password.as_bytes());
    }
    secrets.text("the service's own secret", &building.service_secret);
    secrets.text("the robot's secret", &building.robot_secret);
    for (what, key) in oscore(&from_hex(&building.robot_secret).unwrap(), b"", [&[0x0a], &[0x0b]]) {
        secrets.bytes(&format!("{what} of the robot and the server"), &key);
    }
    secrets.text("the admin token", &text(&building.path("server/admin.token")));
    secrets.text("our secret at the provider", &text(&building.path("provider.secret")));
    for issued in text(&building.path("provider.issued")).lines() {
        let issued: Value = serde_json::from_str(issued).unwrap();
        for name in ["id_token", "access_token"] {
            secrets.text(&format!("the provider's {name}"), issued[name].as_str().unwrap());
        }
    }
    locks(&building.path("locks"), secrets);
}

/// Token keys, MAC keys and secrets with the server, as `lock enroll` wrote them, and the private keys of those that speak EDHOC.
fn locks(directory: &Path, secrets: &mut Secrets) {
    let (mut token_keys, mut with_server) = (0, 0);
    let enrolled = files(directory, ".lock");
    for file in &enrolled {
        let lock = text(file);
        let value_of = |wanted| {
            let values = lock.lines().filter_map(|line| line.split_once(" = "));
            values.filter(|(name, _)| *name == wanted).find_map(|(_, value)| from_hex(value.trim_matches('"')))
        };
        if let Some(secret) = value_of("master_secret") {
            let names = ["client_sender_id", "server_sender_id"].map(|name| value_of(name).expect("a name"));
            for (what, key) in oscore(&secret, b"", [&names[0], &names[1]]) {
                secrets.bytes(&format!("{what} of a lock and the server"), &key);
            }
        }
        for (name, value) in lock.lines().filter_map(|line| line.split_once(" = \"")) {
            if matches!(name, "key" | "mac_key" | "master_secret") {
                token_keys += u32::from(name == "key");
                with_server += u32::from(name == "master_secret");
                let key = from_hex(value.trim_end_matches('"')).expect("hexadecimal");
                secrets.bytes(&format!("{name} in {:?}", file.file_name().unwrap()), &key);
            }
        }
    }
    assert_eq!((enrolled.len(), token_keys, with_server), (5, 5, 1), "the locks, and the one with a network");
    let own = files(directory, ".key");
    assert_eq!(own.len(), 2, "the locks that speak EDHOC");
    for key in own {
        secrets.text(&format!("{:?}", key.file_name().unwrap()), &text(&key));
    }
}

/// The robot's token, and what Emma's phone and the lock agree on when she opens the door once more.
fn at_the_front_door(building: &Building, secrets: &mut Secrets) {
    let front = building.lock("front").unwrap();
    let uploads = sniffer::uploads(&front.corridor.take());
    assert!(!uploads.is_empty(), "the robot opened the front door");
    uploads.iter().for_each(|upload| secrets.bytes("the robot's token", &upload.token));

    building.phone("emma").run(&["open", "front"]).unwrap();
    let uploads = sniffer::uploads(&front.corridor.take());
    let [upload] = &uploads[..] else { panic!("{} uploads", uploads.len()) };
    let state: Value = serde_json::from_str(&text(&building.phone("emma").home().join("tokens.json"))).unwrap();
    let permission = &state["permissions"]["urn:latchwork:lock:front"];
    assert!(permission["context_id"].is_null());
    let [secret, salt] = ["master_secret", "salt"]
        .map(|name| permission[name].as_str().map(|text| URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap_or_default());
    for (what, key) in oscore_of(upload, &secret, &salt) {
        secrets.bytes(&format!("{what} of Emma's phone and the front door"), &key);
    }
}

/// The keys of the stopped server: those in files, each in the clear, and those that lie sealed in the store.
fn server_keys(building: &Building, secrets: &mut Secrets) {
    let (server, copy) = (building.path("server"), building.path("server-in-the-clear"));
    fs::create_dir_all(copy.join("keys")).unwrap();
    fs::copy(server.join("latchwork.toml"), copy.join("latchwork.toml")).unwrap();
    for key in files(&server.join("keys"), "") {
        fs::copy(&key, copy.join("keys").join(key.file_name().unwrap())).unwrap();
    }
    building.latchwork(&["keys", "seal", "--plain", "--dir", &copy.to_string_lossy()]).unwrap();
    let mut names = Vec::new();
    for file in files(&copy.join("keys"), "") {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        secrets.bytes(&name, &from_hex(&text(&file)).expect("a key in the clear"));
        names.push(name);
    }
    names.sort();
    assert_eq!(names, ["edhoc.key", "kek.key", "pairwise.key", "refresh.key", "secrets.key", "storage.key"]);

    let output = Command::new(program("examples/signing_keys").unwrap()).arg(&server).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed.lines().count(), 3, "one for each purpose: {}", String::from_utf8_lossy(&output.stderr));
    for key in printed.lines() {
        secrets.bytes("a signing key", &from_hex(key).unwrap());
    }
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
    started.end(&page).unwrap();
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
    at_the_front_door(&building, &mut secrets);
    story::offline(&mut building, &mut told).unwrap();
    assert_eq!(told.good, told.all, "the story did not go well");
    assert!(told.all >= 15);
    collect(&building, &mut secrets);
    server_keys(&building, &mut secrets);
    let seen = building.witness.told();
    for what in [
        "code at /callback",
        "code at /callback/company",
        "state at /callback",
        "state at /callback/company",
        "refresh_token of a phone",
        "token of a phone",
        "master_secret of a phone",
    ] {
        assert!(seen.iter().any(|(seen, _)| seen == what), "nobody saw {what}: {seen:?}");
    }
    assert!(seen.iter().any(|(what, secret)| what == "code at /callback" && *secret == code));
    // Of the phones at our server, and of our server at the provider.
    let challenges = building.witness.challenges();
    assert!(challenges.len() >= 12, "{challenges:?}");

    let logs = files(&building.path("logs"), "");
    assert!(logs.len() >= 5, "{logs:?}");
    let mut traced = 0;
    for log in logs {
        let all = fs::read(&log).unwrap();
        let of_app = log.file_name().is_some_and(|name| name.to_string_lossy().starts_with("phone-"));
        let text = if of_app { without_page(&all) } else { all };
        traced += text.windows(5).filter(|word| word == b"TRACE").count();
        assert_eq!(secrets.found_in(&text), [].into(), "in {log:?}");
        assert_eq!(jws_in(&text), [""; 0], "in {log:?}");
        assert_eq!(verifiers_in(&text, &challenges), [""; 0], "in {log:?}");
    }
    assert!(traced > 100, "only {traced} lines at trace level: the test looks at the wrong thing");
    for (what, told) in
        [("code at /callback, raw", code), ("kek.key, hexadecimal", text(&building.path("server/keys/kek.key")))]
    {
        assert!(secrets.found_in(told.as_bytes()).contains(what), "the test finds {what}");
    }
}
