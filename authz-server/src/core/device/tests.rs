//! From the device's question to its tokens.

use super::*;
use crate::core::bytes::Hash32;
use crate::core::change::{Change, Key, Record, Write};
use crate::core::entropy::Os;
use crate::core::records::{Client, Code, Grant};
use crate::core::request::{GrantAsked, Presented, Proof};
use crate::core::testing::*;
use crate::core::{authenticate, authorize};

fn tv() -> Client {
    let mut client = native("app", &[REDIRECT]);
    client.grants.insert(GrantKind::DeviceCode);
    client
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn asked(
    house: &House,
    presented: &Presented,
    client: &Client,
    parameters: &[(&str, &str)],
) -> Result<(Codes, Device), Refusal> {
    let who = authenticate::by_method(presented, Some(client), &house.keys.secrets, ISSUER, house.now)?;
    let (codes, change) = ask(&who, &pairs(parameters), "192.0.2.7".into(), Seconds(600), house.now, &mut Os)?;
    let Write::Put(Record::Device(device)) = change.write else { panic!("{change:?}") };
    Ok((codes, device))
}

const FRONT: (&str, &str) = ("audience", "urn:latchwork:lock:front");

/// A device that waits.
fn waiting(key: &Pair) -> (House, Codes, Device) {
    let mut house = House::new();
    house.put(tv());
    let (codes, device) = asked(&house, &app(key.proof("ask")), &tv(), &[FRONT]).unwrap();
    house.put(device.clone());
    (house, codes, device)
}

fn poll(house: &mut House, proof: Proof, code: &Hidden) -> Result<Option<Hidden>, Refusal> {
    let request = request(GrantAsked::DeviceCode { code: code.clone() }, "front");
    house.ask(&app(proof), &request).map(|issued| issued.response.refresh_token)
}

fn say(house: &mut House, device: &Device, yes: bool) {
    let (record, rev) = house.find(&Key::Device(device.user_code)).unwrap();
    let Record::Device(device) = record else { panic!() };
    let answer = if yes { Answer::Yes } else { Answer::No };
    let mut changes = vec![Change::replace(Device { answer, ..device.clone() }, rev)];
    if yes {
        let granted = [("front".parse().unwrap(), "door:open".parse().unwrap())];
        let emma = person("emma", &["staff"]);
        let (_, code) = authorize::code(&device.request(), &emma, &granted, Seconds(60), house.now, &mut Os).unwrap();
        changes.push(code);
    }
    house.commit(&changes).unwrap();
}

/// R8628-3.4-01, R8628-3.5-01, R8628-3.5-02: pending, then tokens, once.
#[test]
fn a_device_code_is_good_once_after_a_yes() {
    let key = Pair::new(5);
    let (mut house, codes, device) = waiting(&key);
    for n in 0..2 {
        let refusal = poll(&mut house, key.proof(&format!("wait {n}")), &codes.device_code).unwrap_err();
        assert_eq!(refusal, DeviceFault::Pending.into());
    }
    say(&mut house, &device, true);
    assert!(poll(&mut house, key.proof("now"), &codes.device_code).unwrap().is_some(), "with a refresh token");
    let grants = |house: &House| {
        let grants = house.records.values().filter_map(|(record, _)| match record {
            Record::Grant(grant) => Some(grant.clone()),
            _ => None,
        });
        grants.collect::<Vec<Grant>>()
    };
    assert_eq!(grants(&house).len(), 1);
    assert_eq!(grants(&house)[0].jkt, Some(key.public().thumbprint()));
    let refusal = poll(&mut house, key.proof("again"), &codes.device_code).unwrap_err();
    assert_eq!(refusal, GrantFault::Reused.into());
    assert!(grants(&house)[0].revoked.is_some(), "whoever has code and key twice ends the family");
}

/// R8628-3.5-03, R8628-5.2-01
#[test]
fn polls_that_get_nothing() {
    type Change = fn(&mut House, &Device);
    let (key, foreign) = (Pair::new(5), Pair::new(6));
    let not_its_grant = Refusal::GrantNotAllowed("app".parse().unwrap());
    let cases: [(&str, Change, &Pair, Refusal, &str); 7] = [
        ("pending", |_, _| {}, &key, DeviceFault::Pending.into(), "authorization_pending"),
        ("no", |house, device| say(house, device, false), &key, DeviceFault::Denied.into(), "access_denied"),
        ("late", |house, _| house.now = house.now.plus(600), &key, DeviceFault::Expired.into(), "expired_token"),
        ("foreign key", |_, _| {}, &foreign, GrantFault::Key.into(), "invalid_grant"),
        (
            "yes, foreign key",
            |house, device| say(house, device, true),
            &foreign,
            GrantFault::Key.into(),
            "invalid_grant",
        ),
        (
            "yes, late",
            |house, device| {
                say(house, device, true);
                house.now = house.now.plus(700);
            },
            &key,
            DeviceFault::Expired.into(),
            "expired_token",
        ),
        ("not its grant", |house, _| house.put(native("app", &[REDIRECT])), &key, not_its_grant, "unauthorized_client"),
    ];
    for (what, change, with, expected, error) in cases {
        let (mut house, codes, device) = waiting(&key);
        change(&mut house, &device);
        let now = house.now.0;
        let proof = with.proof_with("poll", |_, claims| claims["iat"] = now.into());
        let refusal = poll(&mut house, proof, &codes.device_code).unwrap_err();
        assert_eq!((refusal.error().name, &refusal), (error, &expected), "{what}");
        assert_eq!(refusal.error().http, 400, "{what}");
    }
    let (mut house, codes, device) = waiting(&key);
    // The user code's name alone, a code of nobody, no code at all.
    let forged = base64url(&[device.user_code.0, [7; 32]].concat());
    for text in [base64url(&device.user_code.0), forged, "x".into(), codes.user_code] {
        let refusal = poll(&mut house, key.proof(&text), &Hidden::new(text.clone().into_bytes())).unwrap_err();
        assert_eq!(refusal, GrantFault::Unknown.into(), "{text}");
    }
}

/// A code of one kind is none of the other.
#[test]
fn kinds_of_codes_do_not_mix() {
    let key = Pair::new(5);
    let (mut house, codes, device) = waiting(&key);
    say(&mut house, &device, true);
    let as_code = request(redeeming(&codes.device_code), "front");
    assert_eq!(house.ask(&app(key.proof("a")), &as_code).unwrap_err(), GrantFault::Unknown.into());
    let code = house.code(&person("emma", &["staff"]), &["front"], &key);
    assert_eq!(poll(&mut house, key.proof("b"), &code).unwrap_err(), GrantFault::Unknown.into());
    let Some((Record::Code(Code { redeemed, .. }), _)) = house.find(&Key::Code(Hash32::of(&[code.expose()]))) else {
        panic!()
    };
    assert_eq!(redeemed, None, "nothing was spent");
}

/// R8628-3.1-01, R8628-3.2-01
#[test]
fn questions_that_are_refused() {
    let house = House::new();
    let key = Pair::new(5);
    let foreign = Pair::new(6).public().thumbprint().to_string();
    let own = key.public().thumbprint().to_string();
    let bare = Presented { proof: None, ..app(key.proof("x")) };
    for (what, presented, client, parameters, error) in [
        ("good", app(key.proof("a")), tv(), vec![FRONT], None),
        ("several doors", app(key.proof("a")), tv(), vec![FRONT, ("audience", "urn:latchwork:lock:back")], None),
        ("key named only", bare.clone(), tv(), vec![("dpop_jkt", &*own)], None),
        ("no key", bare.clone(), tv(), vec![FRONT], Some("invalid_request")),
        ("two keys", app(key.proof("a")), tv(), vec![("dpop_jkt", &*foreign)], Some("invalid_dpop_proof")),
        ("a bad key", bare, tv(), vec![("dpop_jkt", "x")], Some("invalid_request")),
        ("twice", app(key.proof("a")), tv(), vec![("scope", "a"), ("scope", "b")], Some("invalid_request")),
        ("an unknown door", app(key.proof("a")), tv(), vec![("audience", "urn:x")], Some("invalid_target")),
        ("no scope", app(key.proof("a")), tv(), vec![("scope", "\"")], Some("invalid_scope")),
        ("not its grant", app(key.proof("a")), native("app", &[]), vec![FRONT], Some("unauthorized_client")),
    ] {
        let got = asked(&house, &presented, &client, &parameters).map(drop);
        assert_eq!(got.err().map(|refusal| refusal.error().name), error, "{what}");
    }
}

/// R8628-5.1-01, R8628-6.1-01
#[test]
fn user_codes_as_people_type_them() {
    let (house, key) = (House::new(), Pair::new(5));
    let mut seen = std::collections::BTreeSet::new();
    for n in 0..200 {
        let (codes, device) = asked(&house, &app(key.proof(&n.to_string())), &tv(), &[]).unwrap();
        let (left, right) = codes.user_code.split_once('-').unwrap();
        assert!([left, right].iter().all(|half| half.len() == 4 && half.bytes().all(|b| ALPHABET.contains(&b))));
        for typed in [
            codes.user_code.clone(),
            codes.user_code.to_lowercase(),
            format!("{left}{right}"),
            format!(" {left} {right} "),
        ] {
            assert_eq!(name_of(&typed), Some(device.user_code), "{typed}");
        }
        assert_eq!(named_by(&codes.device_code), Some(device.user_code));
        seen.insert(codes.user_code);
    }
    assert_eq!(seen.len(), 200);
    for typed in ["", "BCDF-GHJ", "BCDF-GHJKL", "ACDF-GHJK", "BCDF_GHJK", "ÄCDFGHJ", "BCDF-GHJK<"] {
        assert_eq!(name_of(typed), None, "{typed}");
    }
    // The letters as they come out of bytes: those that would favour a letter are skipped.
    assert_eq!(user_code(&mut Counting(236)).unwrap(), "VWXZBCDF");
}
