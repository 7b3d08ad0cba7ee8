//! Rotation, the lost answer, the thief: a missing or foreign key changes nothing.

use super::*;
use crate::core::records::{Client, Code};

fn signed_in(house: &mut House, phone: &Pair) -> Hidden {
    let code = house.code(&person("erik", &["staff"]), &["front", "back"], phone);
    let issued = house.ask(&app(phone.proof("code")), &request(redeeming(&code), "front")).unwrap();
    issued.response.refresh_token.unwrap()
}

fn at(house: &House, pair: &Pair, jti: &str) -> Presented {
    app(pair.proof_with(jti, |_, c| c["iat"] = house.now.0.into()))
}

/// R6749-6-01, R9700-2.2.2-01
#[test]
fn rotates_and_repeats_for_a_lost_answer() {
    let mut house = House::new();
    let phone = Pair::new(1);
    let first = signed_in(&mut house, &phone);
    let next = |house: &mut House, token: &Hidden, jti: &str, lock: &str| {
        let presented = at(house, &phone, jti);
        house.ask(&presented, &request(refreshing(token), lock)).map(|issued| issued.response.refresh_token.unwrap())
    };
    let second = next(&mut house, &first, "1", "back").unwrap();
    assert_ne!(second.expose(), first.expose());
    house.now = NOW.plus(30);
    let repeated = next(&mut house, &first, "2", "front").unwrap();
    assert_eq!(repeated.expose(), second.expose(), "the same successor");
    let third = next(&mut house, &second, "3", "front").unwrap();
    // The answer with `third` was lost, and much later the app still has `second`.
    house.now = NOW.plus(61);
    assert_eq!(next(&mut house, &second, "4", "front").unwrap_err(), GrantFault::Reused.into());
    assert_eq!(
        next(&mut house, &third, "5", "front").unwrap_err(),
        GrantFault::Revoked.into(),
        "the family is revoked"
    );
}

/// What was promised stays so: nothing spent is good again, and what came too late comes too late.
#[test]
fn the_clock_is_set_back_by_an_hour() {
    let mut house = House::new();
    let phone = Pair::new(1);
    let ask = |house: &mut House, jti: &str, request: &TokenRequest| {
        let presented = at(house, &phone, jti);
        house.ask(&presented, request)
    };
    let asked = |token: &Hidden| request(refreshing(token), "front");
    let first = signed_in(&mut house, &phone);
    let second = house.ask(&app(phone.proof("2")), &asked(&first)).unwrap().response.refresh_token.unwrap();

    house.now = Timestamp(NOW.0 - 3_600);
    let early = house.ask(&app(phone.proof("3")), &asked(&second)).unwrap_err();
    assert_eq!(early, ProofFault::Time.into(), "a proof from the future");
    let issued = ask(&mut house, "4", &asked(&second)).unwrap();
    assert_eq!(issued.response.expires_in, 3_600, "from now on, by the clock there is");
    let Outcome::Granted { expires, .. } = issued.entry.outcome else { panic!() };
    assert_eq!(expires, NOW);
    let replayed = ask(&mut house, "4", &asked(issued.response.refresh_token.as_ref().unwrap()));
    assert_eq!(replayed.unwrap_err(), ProofFault::Replayed.into());
    assert_eq!(ask(&mut house, "5", &asked(&first)).unwrap_err(), GrantFault::Reused.into());

    let mut house = House::new();
    let first = signed_in(&mut house, &phone);
    house.ask(&app(phone.proof("1")), &asked(&first)).unwrap();
    house.now = Timestamp(NOW.0 - 3_600);
    let late = ask(&mut house, "6", &asked(&first)).unwrap_err();
    assert_eq!(late, GrantFault::Reused.into(), "the time for a lost answer is no hour longer");
}

/// A code is good once, whatever the clock says.
#[test]
fn a_code_after_the_clock_was_set_back() {
    let mut house = House::new();
    let phone = Pair::new(1);
    let ask = |house: &mut House, jti: &str, request: &TokenRequest| {
        let presented = at(house, &phone, jti);
        house.ask(&presented, request)
    };
    let code = house.code(&person("erik", &["staff"]), &["front"], &phone);
    house.ask(&app(phone.proof("1")), &request(redeeming(&code), "front")).unwrap();
    house.now = Timestamp(NOW.0 - 3_600);
    let again = ask(&mut house, "2", &request(redeeming(&code), "front")).unwrap_err();
    assert_eq!(again, GrantFault::Reused.into());
}

/// R9700-2.2.2-01
#[test]
fn two_generations_back_is_reuse_at_once() {
    let mut house = House::new();
    let phone = Pair::new(1);
    let first = signed_in(&mut house, &phone);
    let asked = |token: &Hidden| request(refreshing(token), "front");
    let second = house.ask(&app(phone.proof("1")), &asked(&first)).unwrap().response.refresh_token.unwrap();
    house.ask(&app(phone.proof("2")), &asked(&second)).unwrap();
    let refused = house.decide(&app(phone.proof("3")), &asked(&first)).unwrap_err();
    assert_eq!(refused.refusal, GrantFault::Reused.into());
    assert_eq!(refused.changes.len(), 3, "the family, its promise and the proof, no more");
}

/// R9449-11.1-01
#[test]
fn recorded_bytes_revoke_nothing() {
    let mut house = House::new();
    let phone = Pair::new(1);
    let first = signed_in(&mut house, &phone);
    let asked = request(refreshing(&first), "front");
    let recorded = app(phone.proof("1"));
    let second = house.ask(&recorded, &asked).unwrap().response.refresh_token.unwrap();
    house.now = NOW.plus(60);
    assert_eq!(house.ask(&recorded, &asked).unwrap_err(), ProofFault::Replayed.into());
    let presented = at(&house, &phone, "2");
    house.ask(&presented, &request(refreshing(&second), "front")).unwrap();
}

/// R6749-6-01, R9700-2.2.2-01, R9449-5-02
#[test]
fn a_missing_or_foreign_key_changes_nothing() {
    let mut house = House::new();
    let (phone, thief) = (Pair::new(1), Pair::new(2));
    let first = signed_in(&mut house, &phone);
    let issued = house.ask(&app(phone.proof("1")), &request(refreshing(&first), "front")).unwrap();
    let second = issued.response.refresh_token.unwrap();
    house.put(native("other", &[REDIRECT]));
    let without = Presented { credential: Credential::Public { id: "app".parse().unwrap() }, proof: None };
    let other =
        Presented { credential: Credential::Public { id: "other".parse().unwrap() }, proof: Some(phone.proof("o")) };
    let short = Hidden::new(second.expose()[..47].to_vec());
    let unknown = Hidden::new(vec![7; 48]);
    for (presented, token, refusal) in [
        (without, &second, GrantFault::Key.into()),
        (app(thief.proof("t")), &second, GrantFault::Key.into()),
        (app(thief.proof("t")), &first, GrantFault::Key.into()),
        (other, &second, GrantFault::OtherClient.into()),
        (app(phone.proof("s")), &short, GrantFault::Unknown.into()),
        (app(phone.proof("s")), &unknown, GrantFault::Unknown.into()),
        (app(phone.proof("s")), &Hidden::default(), GrantFault::Unknown.into()),
    ] {
        assert_eq!(refused(&house, &presented, &request(refreshing(token), "front")), refusal);
    }
    house.ask(&app(phone.proof("2")), &request(refreshing(&second), "front")).unwrap();
}

/// R9700-4.14.2-01
#[test]
fn ends_idle_and_in_any_case() {
    let mut house = House::new();
    let phone = Pair::new(1);
    let day = 86_400;
    let mut token = signed_in(&mut house, &phone);
    for (days, fault) in [(29, None), (58, None), (87, None), (90, Some(GrantFault::Expired))] {
        house.now = NOW.plus(days * day);
        let presented = at(&house, &phone, &days.to_string());
        let answer = house.ask(&presented, &request(refreshing(&token), "front"));
        match (answer, fault) {
            (Ok(issued), None) => token = issued.response.refresh_token.unwrap(),
            (Err(refusal), Some(fault)) => assert_eq!(refusal, fault.into(), "day {days}"),
            (answer, _) => panic!("day {days}: {answer:?}"),
        }
    }
    let mut house = House::new();
    let token = signed_in(&mut house, &phone);
    house.now = NOW.plus(30 * day);
    let presented = at(&house, &phone, "idle");
    assert_eq!(refused(&house, &presented, &request(refreshing(&token), "front")), GrantFault::Expired.into());
}

#[test]
fn a_refused_door_spends_no_token() {
    let mut house = House::new();
    let phone = Pair::new(1);
    let code = house.code(&person("erik", &["staff"]), &["front", "vault"], &phone);
    let issued = house.ask(&app(phone.proof("c")), &request(redeeming(&code), "front")).unwrap();
    let token = issued.response.refresh_token.unwrap();
    assert_eq!(refused(&house, &app(phone.proof("1")), &request(refreshing(&token), "vault")), Refusal::NothingGranted);
    let wide = TokenRequest { scope: None, ..request(refreshing(&token), "front") };
    house.ask(&app(phone.proof("2")), &wide).unwrap();
}

/// What a client with a secret got is bound to no key. If it is declared one without, whoever found its code or refresh token must
/// not be able to use them by any key of their own. R9449-5-02
#[test]
fn nothing_unbound_is_left_to_a_client_without_secret() {
    let web = |house: &mut House, confidential: bool| {
        let hash = crate::core::secret::keyed_hash(&house.keys.secrets, &"app".parse().unwrap(), SECRET);
        let declared = native("app", &[REDIRECT]);
        house.put(match confidential {
            true => Client {
                kind: ClientKind::Confidential { redirect_uris: vec![REDIRECT.into()] },
                auth: ClientAuth::SecretHash(hash),
                ..declared
            },
            false => declared,
        });
    };
    let mut house = House::new();
    web(&mut house, true);
    let code = |house: &mut House| {
        let text = house.code(&person("erik", &["staff"]), &["front"], &Pair::new(1));
        let (Record::Code(code), _) = house.find(&Key::Code(Hash32::of(&[text.expose()]))).unwrap() else { panic!() };
        house.put(Code { jkt: None, ..code });
        text
    };
    let first = code(&mut house);
    let issued = house.ask(&secret("app", SECRET), &request(redeeming(&first), "front")).unwrap();
    let refresh = issued.response.refresh_token.unwrap();
    let second = code(&mut house);
    web(&mut house, false);
    let thief = Pair::new(6);
    for (jti, grant) in [("refresh", refreshing(&refresh)), ("code", redeeming(&second))] {
        let got = refused(&house, &app(thief.proof(jti)), &request(grant, "front"));
        assert_eq!(got, GrantFault::Key.into(), "{jti}");
    }
    web(&mut house, true);
    house.ask(&secret("app", SECRET), &request(refreshing(&refresh), "front")).unwrap();
}
