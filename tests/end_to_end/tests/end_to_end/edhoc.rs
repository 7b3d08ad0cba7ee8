//! The door that speaks EDHOC, with every part real.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchwork_building::people::EMMA;
use latchwork_building::{Building, Lock, Phone};
use latchwork_end_to_end::peer::python;
use serde_json::json;

fn emma(building: &Building) -> Phone {
    let phone = building.phone("emma");
    phone.sign_in(&building.browser().unwrap(), EMMA, &[]).unwrap();
    phone.run(&["fetch", "side"]).unwrap();
    phone
}

fn permission(phone: &Phone) -> serde_json::Value {
    let state: serde_json::Value =
        serde_json::from_slice(&fs::read(phone.home().join("tokens.json")).unwrap()).unwrap();
    state["permissions"]["urn:latchwork:lock:side"].clone()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Two round trips cold and one warm; a lock that was off and on again is opened with the token that is here, and no server.
/// R9200-5.8.1-03, EDHOC-3.1-01, EDHOC-3.1-02, EDHOC-3.1-04, EDHOC-3.1-05, EDHOC-3.3-01, EDHOC-3.3-02, EDHOC-3.3-04,
/// EDHOC-4.2-01, EDHOC-4.2-02, EDHOC-4.8-01
#[test]
fn a_phone_opens_by_its_own_key() {
    let mut building = Building::open().unwrap();
    let phone = emma(&building);
    building.stop_server();
    building.stop_provider();
    let opened = phone.run(&["open", "side", "--times", "2"]).unwrap();
    let lines: Vec<_> = opened.lines().collect();
    assert!(lines[0].starts_with("opened side: 2 round trips") && lines[1].starts_with("opened side: 1 round trips"));
    assert_eq!(building.lock("side").unwrap().moves().unwrap(), 2);
    let permission = permission(&phone);
    assert!(permission["master_secret"].is_null(), "no secret came with it");
    // Somebody else's phone, with the list, the permission and the token of this one.
    let thief = building.phone("theo");
    fs::create_dir_all(thief.home()).unwrap();
    for file in ["tokens.json", "server.json"] {
        fs::copy(phone.home().join(file), thief.home().join(file)).unwrap();
    }
    let refusal = thief.run(&["open", "side"]).unwrap_err().to_string();
    assert!(refusal.contains("4.00"), "{refusal}");
    assert_eq!(building.lock("side").unwrap().moves().unwrap(), 2);
    phone.run(&["open", "side"]).unwrap();
    assert_eq!(building.lock("side").unwrap().moves().unwrap(), 3);
}

/// The phone wants the lock of its list: another one, at the same address with a credential of its own, gets no token.
/// EDHOC-3.3.2-01
#[test]
fn a_lock_with_another_key_gets_no_token() {
    let building = Building::open().unwrap();
    let phone = emma(&building);
    let mut state: serde_json::Value =
        serde_json::from_slice(&fs::read(phone.home().join("tokens.json")).unwrap()).unwrap();
    let annex = URL_SAFE_NO_PAD.encode(building.credential("annex").unwrap());
    state["permissions"]["urn:latchwork:lock:side"]["lock"] = json!(annex);
    for door in state["doors"].as_array_mut().unwrap() {
        door["rs_cnf"]["kccs"] = json!(annex);
    }
    fs::write(phone.home().join("tokens.json"), state.to_string()).unwrap();
    let side = building.lock("side").unwrap();
    side.corridor.take();
    let refusal = phone.run(&["open", "side"]).unwrap_err().to_string();
    assert!(refusal.contains("not the lock of our list"), "{refusal}");
    let sent = side.corridor.take().iter().filter(|datagram| datagram.to_lock).count();
    assert_eq!((sent, side.moves().unwrap()), (1, 0), "message_1 and no more");
}

/// The lock shares a key for MACs with the server, so that a token costs it no signature: what the server mints opens it, and what the
/// phone changed does not. R9200-5.10-01, R8392-7.1-01
#[test]
fn a_maced_token_opens_for_the_phone() {
    let mut building = Building::open().unwrap();
    let declared = building.path("maced.toml");
    fs::write(&declared, "[[lock]]\nname = \"side\"\ntokens = { protection = \"maced\" }\n").unwrap();
    let directory = building.path("server").to_string_lossy().into_owned();
    building.latchwork(&["apply", "-f", &declared.to_string_lossy(), "--dir", &directory]).unwrap();
    drop(building.locks.remove("side"));
    let (key, locks, logs) = (building.path("locks/side.key"), building.path("locks"), building.path("logs"));
    fs::remove_file(&key).unwrap();
    let file = building.enroll_with("side", &["--replace"]).unwrap();
    assert!(fs::read_to_string(&file).unwrap().contains("[mac_key]"));
    let side = Lock::start("side", &file, Some(&key), &locks, &logs, "info").unwrap();
    building.locks.insert("side".to_owned(), side);
    building.apply().unwrap();

    let phone = emma(&building);
    building.stop_server();
    let token = URL_SAFE_NO_PAD.decode(permission(&phone)["token"].as_str().unwrap()).unwrap();
    assert_eq!(hex(&token[..3]), "d83dd1", "61(17(...))");
    phone.run(&["open", "side"]).unwrap();
    assert_eq!(building.lock("side").unwrap().moves().unwrap(), 1);

    // The last byte is of the MAC.
    let path = phone.home().join("tokens.json");
    let kept = fs::read(&path).unwrap();
    let mut state: serde_json::Value = serde_json::from_slice(&kept).unwrap();
    let (last, whole) = token.split_last().unwrap();
    let forged = [whole, &[last ^ 1]].concat();
    state["permissions"]["urn:latchwork:lock:side"]["token"] = json!(URL_SAFE_NO_PAD.encode(forged));
    fs::write(&path, state.to_string()).unwrap();
    building.locks.get_mut("side").unwrap().reboot().unwrap();
    let refusal = phone.run(&["open", "side"]).unwrap_err().to_string();
    assert!(refusal.contains("4.0"), "{refusal}");
    assert_eq!(building.lock("side").unwrap().moves().unwrap(), 1);
    fs::write(&path, kept).unwrap();
    phone.run(&["open", "side"]).unwrap();
    assert_eq!(building.lock("side").unwrap().moves().unwrap(), 2);
}

/// EDHOC-4.1-01, EDHOC-4.3.3-01
#[test]
fn interop_edhoc_of_others_opens_our_lock() {
    let building = Building::open().unwrap();
    let phone = emma(&building);
    let token = URL_SAFE_NO_PAD.decode(permission(&phone)["token"].as_str().unwrap()).unwrap();
    let given = json!({
        "token": hex(&token),
        "key": hex(&fs::read(phone.home().join("installation.key")).unwrap()),
        "lock": hex(&building.credential("side").unwrap()),
    });
    let side = building.lock("side").unwrap();
    let answers = python("open_door_edhoc.py", &[&format!("coap://{}", side.address)], &given).unwrap();
    for method in [1, 3] {
        assert_eq!(answers[format!("message_3 of method {method}")], "2.04 Changed", "{answers}");
        assert_eq!(answers[format!("unlock by method {method}")], "2.04 Changed", "{answers}");
    }
    for refused in ["no token", "no token, by lakers"] {
        assert_eq!(answers[refused], json!(["4.00 Bad Request", 64, "0160"]), "{refused}");
    }
    assert_eq!(answers["in the open"], "4.01 Unauthorized");
    assert_eq!(side.moves().unwrap(), 2);
}
