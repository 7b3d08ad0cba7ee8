//! A lock without a clock: it hands out a nonce, and opens to a token that carries it (RFC 9200 §5.3.1).

use std::fs;

use latchwork_building::people::EMMA;
use latchwork_building::{Building, Lock};

/// R9200-5.3.1-02, R9200-5.8.1-02, R9200-5.8.1-05, R9200-5.8.4.4-01, R9203-3-01
#[test]
fn a_lock_without_a_clock_opens_to_a_phone_and_to_a_machine() {
    let mut building = Building::open().unwrap();
    let (directory, file) = (building.path("server"), building.path("locks/shed.lock"));
    let (directory, out) = (directory.to_string_lossy(), file.to_string_lossy());
    building.latchwork(&["lock", "enroll", "shed", "--clock", "nonce", "--dir", &directory, "--out", &out]).unwrap();
    let lock = Lock::start("shed", &file, None, &building.path("locks"), &building.path("logs"), "info").unwrap();
    lock.lose_clock().unwrap();
    let address = lock.corridor.address.to_string();
    let declared = building.path("shed.toml");
    let text = format!(
        "[[lock]]\nname = \"shed\"\ndoor = \"shed\"\naddress = {address:?}\n\n\
         [[door]]\nname = \"shed\"\nlock = \"shed\"\nzone = \"office\"\n"
    );
    fs::write(&declared, text).unwrap();
    building.latchwork(&["apply", "-f", &declared.to_string_lossy(), "--dir", &directory]).unwrap();

    let phone = building.phone("emma");
    phone.sign_in(&building.browser().unwrap(), EMMA, &[]).unwrap();
    let refused = phone.run(&["fetch", "shed"]).unwrap_err().to_string();
    assert!(refused.contains("invalid_request"), "nobody knows the nonce before the lock is asked: {refused}");
    phone.run(&["open", "shed"]).unwrap();
    assert_eq!(lock.moves().unwrap(), 1);

    let robot = building.path("robot.toml");
    let (issuer, server, secret) = (&building.issuer, &building.coap, &building.robot_secret);
    let text = format!(
        "issuer = {issuer:?}\nserver = {server:?}\n\n[oscore]\nmaster_secret = {secret:?}\nsender_id = \"0a\"\n\
         recipient_id = \"0b\"\n\n[[door]]\nname = \"shed\"\naudience = \"urn:latchwork:lock:shed\"\n\
         address = {address:?}\nas_uri = \"{issuer}/token\"\nscopes = \"door:open\"\n"
    );
    fs::write(&robot, text).unwrap();
    building.phone("robot").run(&["machine", "--config", &robot.to_string_lossy(), "shed"]).unwrap();
    assert_eq!(lock.moves().unwrap(), 2);

    // A reboot forgets the nonces: the token in the phone is stale, and the phone gets another one.
    drop(lock);
    let lock =
        Lock::start("shed-rebooted", &file, None, &building.path("locks"), &building.path("logs"), "info").unwrap();
    lock.lose_clock().unwrap();
    let home = phone.home().join("tokens.json");
    let moved = fs::read_to_string(&home).unwrap().replace(&address, &lock.corridor.address.to_string());
    fs::write(&home, &moved).unwrap();
    phone.run(&["open", "shed"]).unwrap();
    assert_eq!(lock.moves().unwrap(), 1);
    let renewed = fs::read_to_string(&home).unwrap();
    assert_ne!(renewed, moved, "the token that opened is kept");

    // It opens again without a server while the lock remembers.
    building.stop_server();
    phone.run(&["open", "shed"]).unwrap();
    assert_eq!(lock.moves().unwrap(), 2);
}
