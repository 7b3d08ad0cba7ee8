//! A lock on a microcontroller, opened by the same phone.

use std::fs;

use latchwork_building::people::EMMA;
use latchwork_building::{Building, Front, Lock};

#[test]
fn a_phone_opens_a_lock_on_a_microcontroller() {
    let mut building = Building::open_staged("info", "", Front::Board).unwrap();
    let front = |building: &Building| building.lock("front").unwrap().moves().unwrap();
    let phone = building.phone("emma");
    phone.sign_in(&building.browser().unwrap(), EMMA, &[]).unwrap();
    phone.run(&["open", "front"]).unwrap();
    assert_eq!(front(&building), 1);
    let said = phone.run(&["open", "front", "--times", "2"]).unwrap();
    assert!(said.lines().nth(1).unwrap_or_default().contains(" 1 round trips"), "the second opening is warm: {said}");
    assert_eq!(front(&building), 3);

    // A power cut: the chip keeps what enrolment wrote, and the nonces of before are stale.
    let old = building.locks.remove("front").unwrap();
    let old_address = old.corridor.address.to_string();
    drop(old);
    let (file, locks, logs) = (building.path("locks/front.lock"), building.path("locks"), building.path("logs"));
    let again = Lock::on_board("front", &file, &locks, &logs).unwrap();
    let home = phone.home().join("tokens.json");
    let moved = fs::read_to_string(&home).unwrap().replace(&old_address, &again.corridor.address.to_string());
    fs::write(&home, moved).unwrap();
    building.locks.insert("front".to_owned(), again);
    phone.run(&["open", "front"]).unwrap();
    assert_eq!(front(&building), 4);

    // A lock that knows its holder needs no server.
    building.stop_server();
    phone.run(&["open", "front"]).unwrap();
    assert_eq!(front(&building), 5);
}
