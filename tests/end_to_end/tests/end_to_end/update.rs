//! Who is inside gets other rights and stays inside, with every part real (draft-ietf-ace-edhoc-oscore-profile §4.6).

use std::fs;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchwork_building::people::EMMA;
use latchwork_building::sniffer::Datagram;
use latchwork_building::{Body, Building, Phone};
use latchwork_client_sdk::{App, Error, FileStore, Server, SoftwareKey};
use latchwork_coap::{Message, OptionNumber};
use latchwork_end_to_end::peer::python;
use serde_json::{Value, json};

/// Says what a token for the side door grants by itself.
fn grant(building: &Building, scope: &str) {
    let declared = building.path("side.toml");
    fs::write(&declared, format!("[[lock]]\nname = \"side\"\ndefault_scope = {scope:?}\n")).unwrap();
    let directory = building.path("server").to_string_lossy().into_owned();
    building.latchwork(&["apply", "-f", &declared.to_string_lossy(), "--dir", &directory]).unwrap();
}

/// The app in this process, with the storage of a phone.
fn app(building: &Building, phone: &Phone) -> App {
    let key = SoftwareKey::from_scalar(&fs::read(phone.home().join("installation.key")).unwrap()).unwrap();
    let certificate = Some(fs::read(building.certificate()).unwrap());
    let server = Server { issuer: building.issuer.clone(), client_id: "phone".into(), certificate };
    App::new(server, Arc::new(key), Arc::new(FileStore::new(phone.home().join("tokens.json")))).unwrap()
}

fn token(phone: &Phone) -> Vec<u8> {
    let state: Value = serde_json::from_slice(&fs::read(phone.home().join("tokens.json")).unwrap()).unwrap();
    URL_SAFE_NO_PAD.decode(state["permissions"]["urn:latchwork:lock:side"]["token"].as_str().unwrap()).unwrap()
}

/// Messages of EDHOC among what went to the lock.
fn handshakes(seen: &[Datagram]) -> usize {
    let to_lock = seen.iter().filter(|datagram| datagram.to_lock);
    let of_edhoc = |datagram: &&Datagram| {
        let message = Message::parse(&datagram.bytes).unwrap();
        message.options.get(OptionNumber::EDHOC).is_some()
            || message.options.uint(OptionNumber::CONTENT_FORMAT) == Some(65)
    };
    to_lock.filter(of_edhoc).count()
}

/// Somebody may look at the door, and is inside by that. Rights to open it come, and open it in the session that is there; so does a newer
/// token that is fetched ahead.
fn stays_inside(building: &Building) -> (Phone, Vec<u8>) {
    grant(building, "door:state");
    let phone = building.phone("emma");
    phone.sign_in(&building.browser().unwrap(), EMMA, &[]).unwrap();
    phone.run(&["fetch", "side"]).unwrap();
    let narrow = token(&phone);
    let (app, side) = (app(building, &phone), building.lock("side").unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();

    side.corridor.take();
    let refused = runtime.block_on(app.open("side"));
    assert!(matches!(refused, Err(Error::LockRefused { code: 0x85 })), "{refused:?}");
    assert_eq!((handshakes(&side.corridor.take()), side.moves().unwrap()), (2, 0), "message_1, and 3 with a request");

    grant(building, "door:state door:open");
    runtime.block_on(app.open("side")).unwrap();
    assert_eq!((handshakes(&side.corridor.take()), side.moves().unwrap()), (0, 1));
    let wide = token(&phone);
    assert_ne!(narrow, wide);

    runtime.block_on(app.fetch("side")).unwrap();
    assert_eq!(runtime.block_on(app.open("side")).unwrap().round_trips, 2, "the token, and the request");
    assert_eq!(runtime.block_on(app.open("side")).unwrap().round_trips, 1);
    assert_eq!((handshakes(&side.corridor.take()), side.moves().unwrap()), (0, 3));
    assert_ne!(token(&phone), wide, "a newer one");
    (phone, narrow)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// On Linux; and by a peer that we did not write, which tries the wrong ones first.
/// EDHOC-4.6.1-01, EDHOC-4.6.1-02, EDHOC-4.6.1-03, EDHOC-4.6.2-01
#[test]
fn interop_rights_are_updated_in_place() {
    let building = Building::open().unwrap();
    let (phone, narrow) = stays_inside(&building);
    let wide = token(&phone);
    // Of the same phone and the same lock: the program is not inside, so it begins another series.
    phone.run(&["fetch", "side"]).unwrap();
    let given = json!({
        "token": hex(&narrow), "wide": hex(&wide), "other": hex(&token(&phone)),
        "key": hex(&fs::read(phone.home().join("installation.key")).unwrap()),
        "lock": hex(&building.credential("side").unwrap()),
    });
    let side = building.lock("side").unwrap();
    let before = side.moves().unwrap();
    let said = python("update_rights.py", &[&format!("coap://{}", side.address)], &given).unwrap();
    for wrong in ["another series", "forged", "no token", "in a map"] {
        assert_eq!(said[wrong], json!(["4.01 Unauthorized", "4.05 Method Not Allowed"]), "{wrong}: {said}");
    }
    assert_eq!(said["the next of its series"], json!(["2.01 Created", "2.04 Changed"]), "{said}");
    assert_eq!(said["payload"], "", "{said}");
    assert_eq!(side.moves().unwrap(), before + 1);
}

/// On a microcontroller, with tokens that count. EDHOC-4.6.1-03
#[test]
fn rights_are_updated_in_place_on_a_microcontroller() {
    stays_inside(&Building::open_staged("info", "", Body::Board("exi")).unwrap());
}
