//! Locks on microcontrollers, opened by the same phone.

use std::fs;

use latchwork_building::people::EMMA;
use latchwork_building::{Body, Building, Phone};

fn moves(building: &Building, lock: &str) -> usize {
    building.lock(lock).unwrap().moves().unwrap()
}

fn emma(building: &Building) -> Phone {
    let phone = building.phone("emma");
    phone.sign_in(&building.browser().unwrap(), EMMA, &[]).unwrap();
    phone
}

/// Cuts the power of the front door, and tells the phone where its lock is then.
fn reboot(building: &mut Building, phone: &Phone) {
    let address = |building: &Building| building.lock("front").unwrap().corridor.address.to_string();
    let old = address(building);
    building.reboot("front").unwrap();
    let home = phone.home().join("tokens.json");
    let moved = fs::read_to_string(&home).unwrap().replace(&old, &address(building));
    fs::write(&home, moved).unwrap();
}

#[test]
fn a_phone_opens_a_lock_on_a_microcontroller() {
    let mut building = Building::open_staged("info", "", Body::Board("nonce")).unwrap();
    let phone = emma(&building);
    phone.run(&["open", "front"]).unwrap();
    assert_eq!(moves(&building, "front"), 1);
    let said = phone.run(&["open", "front", "--times", "2"]).unwrap();
    assert!(said.lines().nth(1).unwrap_or_default().contains(" 1 round trips"), "the second opening is warm: {said}");
    assert_eq!(moves(&building, "front"), 3);

    // A power cut: the chip keeps what enrolment wrote, and the nonces of before are stale.
    reboot(&mut building, &phone);
    phone.run(&["open", "front"]).unwrap();
    assert_eq!(moves(&building, "front"), 4);

    // A lock that knows its holder needs no server.
    building.stop_server();
    phone.run(&["open", "front"]).unwrap();
    assert_eq!(moves(&building, "front"), 5);
}

/// By EDHOC, method 1, with a token that counts from its receipt: two round trips cold, one warm, and no server.
#[test]
fn a_phone_opens_a_microcontroller_by_its_own_key() {
    let mut building = Building::open_staged("info", "", Body::Board("exi")).unwrap();
    let phone = emma(&building);
    phone.run(&["fetch", "side"]).unwrap();
    building.stop_server();
    building.stop_provider();
    let opened = phone.run(&["open", "side", "--times", "2"]).unwrap();
    let lines: Vec<_> = opened.lines().collect();
    assert!(lines[0].starts_with("opened side: 2 round trips"), "{opened}");
    assert!(lines[1].starts_with("opened side: 1 round trips"), "{opened}");
    assert_eq!(moves(&building, "side"), 2);
}

/// The number of a token that counts is in the flash before it opens anything, and over after a power cut; a later token opens.
#[test]
fn a_token_that_counts_does_not_outlive_a_power_cut() {
    let mut building = Building::open_staged("info", "", Body::Board("exi")).unwrap();
    let phone = emma(&building);
    phone.run(&["open", "front"]).unwrap();
    assert_eq!(moves(&building, "front"), 1);
    let kept = fs::read(phone.home().join("tokens.json")).unwrap();

    reboot(&mut building, &phone);
    phone.run(&["open", "front"]).unwrap();
    assert_eq!(moves(&building, "front"), 2);
    let renewed = fs::read(phone.home().join("tokens.json")).unwrap();
    assert_ne!(kept, renewed, "the phone fetched a token with a higher number");

    reboot(&mut building, &phone);
    building.stop_server();
    let refusal = phone.run(&["open", "front"]).unwrap_err().to_string();
    assert_eq!(moves(&building, "front"), 2, "{refusal}");
}
