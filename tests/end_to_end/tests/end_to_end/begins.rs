//! A guest's right that begins later: the phone fetches its token ahead, the lock waits for the hour.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use latchwork_building::Building;
use latchwork_building::people::VICTOR;

const LAB: &str = "urn:latchwork:lock:lab";

#[allow(clippy::disallowed_methods, reason = "a consent begins at a time of today")]
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Olivia lets Victor into her laboratory, from this second of the epoch on.
pub(crate) fn invite(building: &Building, from: u64, more: &str) {
    let (declared, provider) = (building.path("guests.toml"), &building.provider_url);
    let text = format!(
        "{more}\n[[consent]]\ndoor = \"lab\"\nowner = {{ issuer = {provider:?}, subject = \"olivia\" }}\n\
         who = {{ issuer = {provider:?}, subject = \"victor\" }}\nfrom = {from}\nuntil = \"2100-01-01T00:00:00Z\"\n"
    );
    fs::write(&declared, text).unwrap();
    let server = building.path("server").to_string_lossy().into_owned();
    building.latchwork(&["apply", "-f", &declared.to_string_lossy(), "--dir", &server]).unwrap();
}

/// R8392-3.1.5-01
#[test]
fn a_lock_opens_to_a_guest_when_their_hour_comes_and_no_sooner() {
    let mut building = Building::open().unwrap();
    invite(&building, now() + 3600, "");
    let phone = building.phone("victor");
    phone.sign_in(&building.browser().unwrap(), VICTOR, &[LAB]).unwrap();
    phone.run(&["fetch", "lab"]).unwrap();
    building.stop_server();
    let lab = building.lock("lab").unwrap();
    for (ahead, moves) in [(0, 0), (3500, 0), (3700, 1)] {
        lab.set_clock(ahead).unwrap();
        let opened = phone.run(&["open", "lab"]);
        assert_eq!((opened.is_ok(), lab.moves().unwrap()), (moves == 1, moves), "{ahead} s: {opened:?}");
    }
}
