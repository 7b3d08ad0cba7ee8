//! A door opens where there is nothing but a lock and a phone.

use std::process::Command;

use latchwork_building::building::program;
use latchwork_building::people::EMMA;
use latchwork_building::{Building, Outcome};

/// Lock and phone in a network namespace of their own: no server, no provider, no route to anywhere.
#[test]
fn a_lock_alone_with_a_phone_opens() {
    let mut building = Building::open().unwrap();
    let phone = building.phone("emma");
    phone.sign_in(&building.browser().unwrap(), EMMA, &[]).unwrap();
    phone.run(&["fetch", "front"]).unwrap();
    let front = building.locks.remove("front").unwrap();
    let address = front.corridor.address.to_string();
    drop(front); // out there; inside the namespace one like it starts at the address that the phone knows
    let printed = alone(&building, &phone.home().to_string_lossy(), &address).unwrap();
    let record = std::fs::read_to_string(building.path("locks/alone.moves")).unwrap();
    assert_eq!(record.matches("\"bolt\":\"unlocked\"").count(), 1, "{printed}");
}

/// `unshare` makes the namespace; as root, or as root of a user namespace where one is allowed.
fn alone(building: &Building, home: &str, address: &str) -> Outcome<String> {
    let script = r#"
        set -eu
        ip link set lo up
        test "$(ip -o link | wc -l)" = 1
        "$DOOR_LOCK" serve --config "$LOCK" --listen "$ADDRESS" --record "$RECORD" --system-clock trusted > "$LOG" 2>&1 &
        lock=$!
        trap 'kill $lock' EXIT
        until grep -q 'listening on' "$LOG"; do kill -0 $lock; done
        "$PHONE" --home "$PHONE_HOME" open front
    "#;
    let output = Command::new("unshare")
        .args(["--map-root-user", "--net", "bash", "-c", script])
        .env("DOOR_LOCK", program("door-lock")?)
        .env("PHONE", program("phone")?)
        .env("PHONE_HOME", home)
        .env("ADDRESS", address)
        .env("LOCK", building.path("locks/front.lock"))
        .env("RECORD", building.path("locks/alone.moves"))
        .env("LOG", building.path("logs/alone.log"))
        .output()?;
    let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(printed) } else { Err(printed.into()) }
}
