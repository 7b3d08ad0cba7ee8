//! Programs that we did not write read our tokens, ask our server and open our doors.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use latchwork_building::Building;
use latchwork_end_to_end::peer::python;
use latchwork_end_to_end::service::{Key, ask, hex_of};
use serde_json::json;

const FRONT: &str = "urn:latchwork:lock:front";

/// The `key = "value"` of a lock's file.
fn field(file: &str, key: &str, nth: usize) -> String {
    let values: Vec<&str> = file
        .lines()
        .filter_map(|line| line.split_once('=').filter(|(name, _)| name.trim() == key))
        .map(|(_, value)| value.trim().trim_matches('"'))
        .collect();
    values.get(nth).unwrap_or_else(|| panic!("{key} in {file}")).to_string()
}

#[allow(clippy::disallowed_methods, reason = "a proof has to carry the time")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// R9200-5.10-01, R9203-3.2-05, R8392-7.1-01, R9770-3-01
#[test]
fn interop_pycose_reads_our_encrypted_token() {
    let building = Building::open().unwrap();
    let form = [("grant_type", "client_credentials"), ("audience", FRONT), ("scope", "door:open")];
    let answer = ask(&building, &form, None).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["token_type"].as_str().unwrap().to_lowercase(), "pop");
    assert_eq!(answer.body["scope"], "door:open");
    let lock = fs::read_to_string(building.path("locks/front.lock")).unwrap();
    let given = json!({ "token": hex_of(&answer.body["access_token"]).unwrap(), "key": field(&lock, "key", 0) });
    let claims = python("read_token.py", &["encrypt0"], &given).unwrap();
    assert_eq!(claims["1"], building.issuer.as_str(), "iss");
    assert_eq!(claims["3"], FRONT, "aud");
    assert_eq!(claims["9"], "8182652f646f6f7202", "scope: [[\"/door\", POST]]");
    assert_eq!(
        claims["8"]["4"]["2"],
        hex_of(&answer.body["cnf"]["osc"]["ms"]).unwrap(),
        "the client's secret is the lock's"
    );
    assert!(claims["4"].as_u64().unwrap() > now(), "exp");
    assert_ne!(claims["2"], "service", "sub is pairwise");
}

/// Enrols the lock `vault`, which printed a credential and so may have tokens without a secret; the path of its file.
fn vault(building: &Building, tokens: &str) -> String {
    let credential = building.path("vault.ccs");
    let door_lock = latchwork_building::building::program("door-lock").unwrap();
    let printed = std::process::Command::new(door_lock)
        .args(["keygen", "--key"])
        .arg(building.path("vault.key"))
        .output()
        .unwrap();
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    fs::write(&credential, &printed.stdout).unwrap();
    let declared = building.path("vault.toml");
    let lock = format!("[[lock]]\nname = \"vault\"\n{tokens}\n");
    fs::write(&declared, lock + "[[door]]\nname = \"vault\"\nlock = \"vault\"\nzone = \"office\"\n").unwrap();
    let directory = building.path("server").to_string_lossy().into_owned();
    building.latchwork(&["apply", "-f", &declared.to_string_lossy(), "--dir", &directory]).unwrap();
    let file = building.path("locks/vault.lock").to_string_lossy().into_owned();
    let credential = credential.to_string_lossy().into_owned();
    building
        .latchwork(&["lock", "enroll", "vault", "--credential", &credential, "--dir", &directory, "--out", &file])
        .unwrap();
    file
}

/// R9200-5.8.1-04, R9201-3.1-02, R8392-7.1-01, EDHOC-3.1-06
#[test]
fn interop_cwt_reads_our_signed_token() {
    let building = Building::open().unwrap();
    let file = vault(&building, "");

    let key = Key::generate().unwrap();
    let req_cnf = json!({ "jwk": key.jwk() }).to_string();
    let form = [
        ("grant_type", "client_credentials"),
        ("audience", "urn:latchwork:lock:vault"),
        ("scope", "door:open"),
        ("req_cnf", &req_cnf),
    ];
    let answer = ask(&building, &form, Some((&key, now()))).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let lock = fs::read_to_string(&file).unwrap();
    let token = hex_of(&answer.body["access_token"]).unwrap();
    assert!(token.starts_with("d83dd2"), "61(18(...)): {token}");
    let es256 = lock.split("[[as_keys]]").skip(1).find(|part| part.contains("ES256")).unwrap();
    let given =
        json!({ "token": token, "kid": field(es256, "kid", 0), "x": field(es256, "x", 0), "y": field(es256, "y", 0) });
    let claims = python("read_token.py", &["sign1"], &given).unwrap();
    assert_eq!(claims["3"], "urn:latchwork:lock:vault");
    assert_eq!(claims["1"], building.issuer.as_str());
    assert_eq!(claims["8"]["1"]["-2"], hex_of(&key.jwk()["x"]).unwrap(), "the key that we proved");

    // The same key without its proof (RFC 9201 §3.1: the server checks possession).
    let refused = ask(&building, &form, None).unwrap();
    assert_eq!((refused.status, refused.body["error"].as_str()), (400, Some("invalid_request")));
}

/// R8392-7.1-01, R9770-3-02
#[test]
fn interop_pycose_verifies_our_maced_token() {
    let building = Building::open().unwrap();
    let file = vault(&building, "tokens = { protection = \"maced\" }");
    let key = Key::generate().unwrap();
    let req_cnf = json!({ "jwk": key.jwk() }).to_string();
    let audience = "urn:latchwork:lock:vault";
    let form =
        [("grant_type", "client_credentials"), ("audience", audience), ("scope", "door:open"), ("req_cnf", &req_cnf)];
    let answer = ask(&building, &form, Some((&key, now()))).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let token = hex_of(&answer.body["access_token"]).unwrap();
    let lock = fs::read_to_string(&file).unwrap();
    let maced = lock.split_once("[mac_key]").unwrap().1;
    let read = |key: &str| python("read_token.py", &["mac0"], &json!({ "token": token, "key": key })).unwrap();
    let secret = field(maced, "key", 0);
    let claims = read(&secret);
    assert_eq!((&claims["1"], &claims["3"]), (&json!(building.issuer), &json!(audience)), "iss, aud");
    assert_eq!(claims["9"], "8182652f646f6f7202", "scope: [[\"/door\", POST]]");
    assert_eq!(claims["8"]["1"]["-2"], hex_of(&key.jwk()["x"]).unwrap(), "the key that we proved");
    let flipped = if secret.ends_with('0') { "1" } else { "0" };
    assert_eq!(read(&format!("{}{flipped}", &secret[..63])), json!({ "refused": true }));
}

/// R9203-4.3-02
#[test]
fn interop_aiocoap_opens_our_lock_with_a_context_of_its_own_making() {
    let building = Building::open().unwrap();
    let form = [("grant_type", "client_credentials"), ("audience", FRONT), ("scope", "door:open door:state")];
    let answer = ask(&building, &form, None).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let osc = &answer.body["cnf"]["osc"];
    let given = json!({
        "access_token": hex_of(&answer.body["access_token"]).unwrap(),
        "ms": hex_of(&osc["ms"]).unwrap(),
        "salt": hex_of(&osc["salt"]).unwrap(),
    });
    let front = building.lock("front").unwrap();
    let lock = format!("coap://{}", front.address);
    let answers = python("open_door.py", &[&lock], &given).unwrap();
    assert_eq!(answers["authz-info"], "2.01 Created");
    assert_eq!(answers["unlock"], "2.04 Changed");
    assert_eq!(answers["state"], "2.05 Content");
    assert_eq!(answers["state-payload"], "unlocked");
    assert_eq!(front.moves().unwrap(), 1);
}

/// R9200-5.8.2-02, R9203-3.2-03
#[test]
fn interop_aiocoap_asks_our_token_endpoint_over_oscore() {
    let building = Building::open().unwrap();
    let server = format!("coap://{}", building.coap);
    let context = json!({ "secret": building.robot_secret, "sender_id": "0a", "recipient_id": "0b" });
    let answered = python("token_over_oscore.py", &[&server, FRONT, "door:open"], &context).unwrap();
    assert_eq!(answered["code"], "2.01 Created", "{answered}");
    assert_eq!(answered["format"], 19);
    let answer = &answered["answer"];
    assert_eq!(answer["38"], 2, "ace_profile, because it was asked for");
    let lock = fs::read_to_string(building.path("locks/front.lock")).unwrap();
    let given = json!({ "token": answer["1"], "key": field(&lock, "key", 0) });
    let claims = python("read_token.py", &["encrypt0"], &given).unwrap();
    assert_eq!(claims["8"]["4"], answer["8"]["4"], "the lock's secret is the client's");
}

/// A lock of another stack would ask like this. R9200-5.9.1-02, R9200-5.9.2-01, R9200-5.9.2-04, R9200-5.9.3-01, R9200-5.9.3-02,
/// R9200-5.9.3-04
#[test]
fn interop_aiocoap_introspects_over_oscore() {
    let building = Building::open().unwrap();
    let file = building.enroll_with("shed", &["--online", &building.coap.clone()]).unwrap();
    let declared = building.path("shed.toml");
    fs::write(&declared, "[[door]]\nname = \"shed\"\nlock = \"shed\"\nzone = \"office\"\n").unwrap();
    let directory = building.path("server").to_string_lossy().into_owned();
    building.latchwork(&["apply", "-f", &declared.to_string_lossy(), "--dir", &directory]).unwrap();
    let token = |audience: &str| {
        let form = [("grant_type", "client_credentials"), ("audience", audience), ("scope", "door:open")];
        let answer = ask(&building, &form, None).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        hex_of(&answer.body["access_token"]).unwrap()
    };
    let lock = fs::read_to_string(&file).unwrap();
    let given = json!({
        "secret": field(&lock, "master_secret", 0),
        "sender_id": field(&lock, "client_sender_id", 0),
        "recipient_id": field(&lock, "server_sender_id", 0),
        "own": token("urn:latchwork:lock:shed"),
        "foreign": token(FRONT),
    });
    let said = python("introspect_over_oscore.py", &[&format!("coap://{}", building.coap)], &given).unwrap();
    let own = &said["own"]["answer"];
    assert_eq!((&said["own"]["code"], &own["10"]), (&json!("2.01 Created"), &json!(true)), "{said}");
    assert_eq!((&own["3"], &own["9"]), (&json!("urn:latchwork:lock:shed"), &json!("8182652f646f6f7202")), "{said}");
    for inactive in ["foreign", "noise"] {
        assert_eq!(said[inactive], json!({ "code": "2.01 Created", "answer": { "10": false } }), "{said}");
    }
    assert_eq!((&own["38"], own["8"]["4"]["2"].as_str().unwrap().len()), (&json!(2), 32), "profile and secret: {said}");
    for (refused, code, error) in [("no question", "4.00 Bad Request", 1), ("in the clear", "4.01 Unauthorized", 2)] {
        assert_eq!(said[refused], json!({ "code": code, "answer": { "30": error } }), "{said}");
    }
}
