//! A machine that has a key of its own and no secret with anybody: EDHOC with the server, EDHOC with the lock.

use std::fs;
use std::sync::Arc;

use latchwork_building::{Building, Phone, Sniffer};
use latchwork_client_sdk::{Error, Machine, MachineConfig, SoftwareKey};
use latchwork_end_to_end::peer::python;
use serde_json::json;

const ID: &str = "rover";
const SIDE: &str = "urn:latchwork:lock:side";

/// Declares `rover` with the key of this storage.
fn declare(building: &Building, storage: &Phone) -> String {
    let credential = storage.run(&["credential", "--client", ID]).unwrap();
    let declared = building.path("rover.toml");
    let client = format!(
        "[[client]]\nid = {ID:?}\ntitle = \"Rover\"\nkind = \"confidential\"\nedhoc = {credential:?}\n\
         attributes = {{ role = \"cleaning\" }}\n"
    );
    fs::write(&declared, client).unwrap();
    let directory = building.path("server").to_string_lossy().into_owned();
    building.latchwork(&["apply", "-f", &declared.to_string_lossy(), "--dir", &directory]).unwrap();
    credential
}

/// The server's credential in hexadecimal.
fn server(building: &Building) -> String {
    let directory = building.path("server").to_string_lossy().into_owned();
    building.latchwork(&["keys", "edhoc", "--dir", &directory]).unwrap().trim().to_owned()
}

fn key(storage: &Phone) -> Vec<u8> {
    fs::read(storage.home().join("installation.key")).unwrap()
}

fn machine(building: &Building, key: &[u8], server: &str) -> Machine {
    machine_at(building, &building.coap, key, server)
}

fn machine_at(building: &Building, coap: &str, key: &[u8], server: &str) -> Machine {
    let door = |name: &str, profile: &str| {
        let address = building.lock(name).unwrap().corridor.address.to_string();
        json!({
            "name": name, "audience": format!("urn:latchwork:lock:{name}"), "address": address,
            "as_uri": format!("{}/token", building.issuer), "scopes": "door:open", "profile": profile,
        })
    };
    let config: MachineConfig = serde_json::from_value(json!({
        "issuer": building.issuer, "server": coap, "edhoc": { "client_id": ID, "server": server },
        "door": [door("side", "coap_edhoc_oscore"), door("front", "coap_oscore"), door("lab", "coap_oscore")],
    }))
    .unwrap();
    Machine::with_key(config, Arc::new(SoftwareKey::from_scalar(key).unwrap())).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// It goes on after the server forgot it; a key that was replaced gets nothing more, in an old session or in a new one.
/// EDHOC-3.1-03, EDHOC-3.1-04, EDHOC-3.3-01
#[tokio::test]
async fn a_machine_opens_by_its_own_key() {
    let mut building = Building::open().unwrap();
    let storage = building.phone("rover");
    declare(&building, &storage);
    let server = server(&building);
    let rover = machine(&building, &key(&storage), &server);
    let moves = |building: &Building, door| building.lock(door).unwrap().moves().unwrap();
    assert_eq!(rover.open("side").await.unwrap().round_trips, 2, "message_3 goes with the request");
    assert_eq!(rover.open("side").await.unwrap().round_trips, 1);
    assert_eq!(moves(&building, "side"), 2);

    building.stop_server();
    assert!(matches!(rover.open("front").await, Err(Error::Unreachable(_))), "there is no token for this one yet");
    rover.open("side").await.unwrap();
    building.start_server().unwrap();
    rover.open("front").await.unwrap();
    assert_eq!((moves(&building, "side"), moves(&building, "front")), (3, 1));
    let refused = |outcome: Result<_, Error>| match outcome {
        Err(Error::Refused(error)) => error,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("opened"),
    };
    assert_eq!(refused(rover.open("lab").await), "invalid_scope", "it is who it was, and may not do more");

    let other = building.phone("rover-after-repair");
    declare(&building, &other);
    assert_eq!(refused(rover.open("lab").await), "invalid_client");
    let old = machine(&building, &key(&storage), &server);
    assert_eq!(refused(old.open("side").await), "4.00");
    machine(&building, &key(&other), &server).open("side").await.unwrap();
    assert_eq!((moves(&building, "side"), moves(&building, "lab")), (4, 0));
}

/// Whoever sits at the server's address without its key learns nothing, not even who asks.
#[tokio::test]
async fn a_server_with_another_key_is_told_nothing() {
    let building = Building::open().unwrap();
    let storage = building.phone("rover");
    let credential = declare(&building, &storage);
    // Any credential but the server's.
    let between = Sniffer::before(building.coap.parse().unwrap()).unwrap();
    let rover = machine_at(&building, &between.address.to_string(), &key(&storage), &credential);
    assert!(matches!(rover.open("side").await, Err(Error::OtherServer)));
    let sent = between.take().iter().filter(|datagram| datagram.to_lock).count();
    assert_eq!(sent, 1, "message_1 and no more");
}

/// The program does the same, from a file.
#[test]
fn a_machine_of_the_command_line() {
    let building = Building::open().unwrap();
    let storage = building.phone("rover");
    declare(&building, &storage);
    let config = building.path("rover-machine.toml");
    let text = format!(
        "issuer = {issuer:?}\nserver = {coap:?}\n\n[edhoc]\nclient_id = {ID:?}\nserver = {server:?}\n\n[[door]]\nname = \"side\"\n\
         audience = {SIDE:?}\naddress = \"{address}\"\nas_uri = \"{issuer}/token\"\nscopes = \"door:open\"\n\
         profile = \"coap_edhoc_oscore\"\n",
        issuer = building.issuer,
        coap = building.coap,
        server = server(&building),
        address = building.lock("side").unwrap().corridor.address,
    );
    fs::write(&config, text).unwrap();
    let said = storage.run(&["machine", "--config", &config.to_string_lossy(), "side"]).unwrap();
    assert!(said.starts_with("opened side: 2 round trips"), "{said}");
}

/// Python from the RFC alone, and lakers: EDHOC-3.1-03
#[test]
fn interop_edhoc_of_others_gets_tokens_of_our_server() {
    let building = Building::open().unwrap();
    let (storage, other) = (building.phone("rover"), building.phone("stranger"));
    let credential = declare(&building, &storage);
    other.run(&["credential", "--client", ID]).unwrap();
    let given = json!({
        "key": hex(&key(&storage)), "cred": credential, "other": hex(&key(&other)), "server": server(&building),
    });
    let coap = format!("coap://{}", building.coap);
    let said = python("token_over_edhoc.py", &[&coap, SIDE, "door:open"], &given).unwrap();
    let point = &credential[credential.len() - 134..][..64];
    for way in [
        "method 1 named",
        "method 1 by value",
        "method 3 named",
        "method 3 by value",
        "lakers named",
        "lakers by value",
    ] {
        let (code, answer) = (&said[way]["code"], &said[way]["answer"]);
        assert_eq!((code, &answer["38"]), (&json!("2.01 Created"), &json!(4)), "{way}: {said}");
        assert!(answer["1"].as_str().unwrap().contains(point), "{way}: bound to its own key");
        assert!(answer["8"].is_null() && answer["41"].is_object(), "{way}: no secret, and the lock's key");
    }
    for method in [1, 3] {
        let way = format!("another key, method {method}");
        assert_eq!(said[&way], json!(["4.00 Bad Request", 64, "0160"]), "{way}");
    }
}
