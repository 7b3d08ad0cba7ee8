//! A lock that learns of revoked tokens by itself, whatever happens to it, its server and the network in between.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchwork_building::attack::Attacker;
use latchwork_building::people::EMMA;
use latchwork_building::{Building, Lock};
use latchwork_end_to_end::service::http;
use serde_json::Value;

const SHED: &str = "urn:latchwork:lock:shed";

fn token(building: &Building, who: &str) -> Vec<u8> {
    let state = fs::read(building.phone(who).home().join("tokens.json")).unwrap();
    let state: Value = serde_json::from_slice(&state).unwrap();
    URL_SAFE_NO_PAD.decode(state["permissions"][SHED]["token"].as_str().unwrap()).unwrap()
}

/// The shed and its door, with further keys of the lock.
fn declare(building: &Building, lock: &Lock, more: &str) {
    let declared = building.path("shed.toml");
    let address = lock.corridor.address.to_string();
    let text = format!(
        "[[lock]]\nname = \"shed\"\ndoor = \"shed\"\naddress = {address:?}\n{more}\n\
         [[door]]\nname = \"shed\"\nlock = \"shed\"\nzone = \"office\"\n"
    );
    fs::write(&declared, text).unwrap();
    let server = building.path("server").to_string_lossy().into_owned();
    building.latchwork(&["apply", "-f", &declared.to_string_lossy(), "--dir", &server]).unwrap();
}

fn is_refused(lock: &Lock, token: &[u8]) -> bool {
    match &*Attacker::at(lock.address).unwrap().upload(token).unwrap().code {
        "2.01" => false,
        "4.01" => true,
        code => panic!("{code}"),
    }
}

pub(crate) fn refuses(lock: &Lock, token: &[u8]) {
    for _ in 0..1500 {
        if is_refused(lock, token) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("the lock does not hear of it");
}

/// What is revoked while the lock is off is learnt when it comes back, before anybody tells it; what it learnt it keeps without a
/// network; and others come in all the time. R9770-9.2.3-02, R9770-11-02, R9770-14.3-01
#[test]
fn a_lock_learns_what_it_missed_and_keeps_it() {
    let mut building = Building::open().unwrap();
    let file = building.enroll_with("shed", &["--online", &building.coap.clone()]).unwrap();
    let mut lock = Lock::start("shed", &file, None, &building.path("locks"), &building.path("logs"), "info").unwrap();
    declare(&building, &lock, "");
    let server = building.path("server").to_string_lossy().into_owned();
    let revoke = |building: &Building, token: &[u8]| {
        building.latchwork(&["revoke", "--token", &URL_SAFE_NO_PAD.encode(token), "--dir", &server]).unwrap()
    };

    let mut tokens = Vec::new();
    for phone in ["one", "two", "three"] {
        let phone_of = building.phone(phone);
        phone_of.sign_in(&building.browser().unwrap(), EMMA, &[]).unwrap();
        phone_of.run(&["open", "shed"]).unwrap();
        tokens.push(token(&building, phone));
    }
    assert_eq!(lock.moves().unwrap(), 3);
    lock.says("the server will tell of revoked tokens").unwrap();

    // Told.
    revoke(&building, &tokens[0]);
    refuses(&lock, &tokens[0]);
    assert!(!is_refused(&lock, &tokens[1]));

    // Off while it happens.
    lock.stop().unwrap();
    revoke(&building, &tokens[1]);
    lock.reboot().unwrap();
    refuses(&lock, &tokens[1]);
    assert!(is_refused(&lock, &tokens[0]));

    // Nobody there any more.
    building.stop_server();
    lock.reboot().unwrap();
    assert_eq!([0, 1, 2].map(|n: usize| is_refused(&lock, &tokens[n])), [true, true, false]);
    building.phone("three").run(&["open", "shed"]).unwrap();
    assert_eq!(lock.moves().unwrap(), 4);
}

/// A token that only the server can read: the lock asks it, tells the phone to come again, and opens once it knows. Without a server
/// nobody gets in by such a token (RFC 9200 §6.10). R9200-5.9.1-01, R9200-5.9.1-02
#[test]
fn a_lock_asks_about_references() {
    let mut building = Building::open().unwrap();
    let file = building.enroll_with("shed", &["--online", &building.coap.clone()]).unwrap();
    let (locks, logs) = (building.path("locks"), building.path("logs"));
    let mut lock = Lock::start_with("shed", &file, None, (&locks, &logs), "info", &["--introspect"]).unwrap();
    declare(&building, &lock, "[lock.tokens]\nform = \"reference\"\n");
    let phone = building.phone("emma");
    phone.sign_in(&building.browser().unwrap(), EMMA, &[]).unwrap();
    phone.run(&["fetch", "shed"]).unwrap();
    let reference = token(&building, "emma");
    assert_eq!(reference.len(), 32, "it says nothing");
    lock.says("the server will tell of revoked tokens").unwrap();

    let mut door = Attacker::at(lock.address).unwrap();
    assert_eq!(door.upload(&reference).unwrap().code, "5.03", "it has to ask");
    let answer = (0..500).map(|_| door.upload(&reference).unwrap().code).find(|code| code != "5.03").unwrap();
    assert_eq!(answer, "2.01");
    phone.run(&["open", "shed"]).unwrap();
    assert_eq!(lock.moves().unwrap(), 1);
    let noise = [7; 32];
    let answer = (0..500).map(|_| door.upload(&noise).unwrap().code).find(|code| code != "5.03").unwrap();
    assert_eq!(answer, "4.01", "the server knows no such token");

    building.stop_server();
    lock.reboot().unwrap();
    let answer = (0..500).map(|_| door.upload(&reference).unwrap().code).find(|code| code != "5.03");
    assert_eq!(answer.as_deref(), Some("4.00"), "nobody who could be asked");
    assert_eq!(lock.moves().unwrap(), 1);
}

/// Whoever runs the server finds in its log what a requester does wrong: R9770-6.1-02.
#[test]
fn a_query_that_makes_no_sense_is_in_the_log() {
    let building = Building::open().unwrap();
    let ask = |query: &str| {
        let url = format!("{}/trl{query}", building.issuer);
        let request = http(&building).unwrap().get(url).basic_auth("service", Some(&building.service_secret));
        request.send().unwrap().status().as_u16()
    };
    for (query, detail) in [("?cursor=1", "cursor without diff"), ("?diff=x", "diff is not 0 or positive")] {
        let log = || fs::read_to_string(building.path("logs/server.log")).unwrap();
        assert!(!log().contains(detail));
        assert_eq!(ask(query), 400);
        assert!(log().contains(detail), "{query}");
    }
}
