//! What `/authorize` takes, and what it refuses.

use super::super::testing::{House, NOW, REDIRECT, machine, native, person, varied, who};
use super::*;
use crate::core::change::{Record, Write};
use crate::core::entropy::Os;
use crate::core::records::ClientAuth;

fn query(change: &[(&str, Option<&str>)], more: &[(&str, &str)]) -> Vec<(String, String)> {
    let jkt = Hash32::of(&[b"key"]).to_string();
    let good = [
        ("client_id", "app"),
        ("redirect_uri", REDIRECT),
        ("response_type", "code"),
        ("state", "xyz"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
        ("dpop_jkt", &jkt),
        ("scope", "door:open"),
        ("audience", "urn:latchwork:lock:front"),
    ];
    let mut query = varied(&good, change);
    query.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    query
}

#[test]
fn a_good_request_and_several_audiences() {
    let app = native("app", &["http://127.0.0.1/cb"]);
    let more = [
        ("audience", "urn:latchwork:lock:back"),
        ("audience", "urn:latchwork:lock:front"),
        ("audience", "https://as.example:8443/api/v1"),
    ];
    let request = check(&query(&[], &more), Some(&app)).unwrap();
    assert_eq!(request.audience, ["front".parse().unwrap(), "back".parse().unwrap()]);
    assert_eq!((request.state.as_deref(), request.redirect_uri.as_str()), (Some("xyz"), REDIRECT));
}

/// R6749-3.1.2.2-01, R6749-3.1.2.4-01, R9700-2.1-02, R9700-4.11.2-01
#[test]
fn what_is_told_on_a_page_and_never_redirected() {
    let app = native("app", &["http://127.0.0.1/cb"]);
    let elsewhere = AuthorizationFault::Redirect.into();
    for (query, client, refusal) in [
        (query(&[("client_id", None)], &[]), Some(&app), Refusal::NotPresented),
        (query(&[("client_id", Some("other"))], &[]), Some(&app), Refusal::UnknownClient("other".parse().unwrap())),
        (query(&[], &[]), None, Refusal::UnknownClient("app".parse().unwrap())),
        (query(&[], &[("client_id", "app")]), Some(&app), Refusal::Repeated("client_id".into())),
        (query(&[("redirect_uri", None)], &[]), Some(&app), elsewhere),
        (
            query(&[("redirect_uri", Some("http://localhost:1/cb"))], &[]),
            Some(&app),
            AuthorizationFault::Redirect.into(),
        ),
        (
            query(&[("redirect_uri", Some("http://127.0.0.1:1/cb2"))], &[]),
            Some(&app),
            AuthorizationFault::Redirect.into(),
        ),
        (
            query(&[("redirect_uri", Some("https://evil.example/cb"))], &[]),
            Some(&app),
            AuthorizationFault::Redirect.into(),
        ),
        (query(&[], &[("redirect_uri", REDIRECT)]), Some(&app), Refusal::Repeated("redirect_uri".into())),
    ] {
        assert_eq!(check(&query, client), Err(Denied::Page(refusal)), "{query:?}");
    }
}

/// R6749-3.1.1-01, R6749-4.1.2-02, R7636-4.3-02, R7636-4.4.1-01, R8252-8.1-01, R9700-2.1.1-03, R9700-2.1.2-01
#[test]
fn what_the_client_hears_of() {
    let app = native("app", &["http://127.0.0.1/cb"]);
    let long = "x".repeat(1025);
    let unknown = |audience: &str| AudienceFault::Unknown(audience.to_owned()).into();
    for (query, expected) in [
        (query(&[("response_type", None)], &[]), Refusal::Malformed("")),
        (query(&[("response_type", Some("token"))], &[]), AuthorizationFault::ResponseType.into()),
        (query(&[("code_challenge", None)], &[]), AuthorizationFault::Challenge.into()),
        (query(&[("code_challenge", Some("short"))], &[]), AuthorizationFault::Challenge.into()),
        (query(&[("code_challenge_method", None)], &[]), AuthorizationFault::Challenge.into()),
        (query(&[("code_challenge_method", Some("plain"))], &[]), AuthorizationFault::Challenge.into()),
        (query(&[("dpop_jkt", None)], &[]), AuthorizationFault::Jkt.into()),
        (query(&[("dpop_jkt", Some("x"))], &[]), AuthorizationFault::Jkt.into()),
        (query(&[("scope", Some("a\"b"))], &[]), Refusal::UnknownScope("(no scope)".into())),
        (query(&[("audience", Some("door.example"))], &[]), unknown("door.example")),
        (query(&[("audience", Some("urn:latchwork:group:all"))], &[]), unknown("urn:latchwork:group:all")),
        (query(&[], &[("scope", "door:open")]), Refusal::Repeated("scope".into())),
        (query(&[], &[("state", "again")]), Refusal::Repeated("state".into())),
        (query(&[], &[("nonce", "1"), ("nonce", "1")]), Refusal::Repeated("nonce".into())),
        (query(&[], &[("request_uri", "https://evil.example/r")]), Refusal::Malformed("")),
        (query(&[("state", Some(&long))], &[]), Refusal::Malformed("")),
    ] {
        match check(&query, Some(&app)) {
            Err(Denied::Redirect { refusal, redirect_uri, state }) => {
                // The words of what is malformed are for people.
                let refusal = if matches!(refusal, Refusal::Malformed(_)) { Refusal::Malformed("") } else { refusal };
                assert_eq!((refusal, redirect_uri.as_str()), (expected, REDIRECT), "{query:?}");
                let plain = query.iter().filter(|(name, _)| name == "state").map(|(_, value)| value);
                let plain = plain.collect::<Vec<_>>().try_into().is_ok_and(|[state]: [&String; 1]| state == "xyz");
                assert_eq!(state.as_deref(), plain.then_some("xyz"), "{query:?}");
            }
            other => panic!("{query:?}: {other:?}"),
        }
    }
    let mut machine = machine("app", ClientAuth::Oscore);
    machine.kind = native("app", &[REDIRECT]).kind;
    let denied = check(&query(&[], &[]), Some(&machine)).unwrap_err();
    assert!(matches!(denied, Denied::Redirect { refusal: Refusal::GrantNotAllowed(_), .. }));
}

/// R6749-3.1-02
#[test]
fn what_is_empty_was_not_sent_and_what_is_unknown_does_no_harm() {
    let app = native("app", &["http://127.0.0.1/cb"]);
    let plain = check(&query(&[("scope", None), ("state", None)], &[]), Some(&app)).unwrap();
    let empty =
        query(&[("scope", Some("")), ("state", Some(""))], &[("audience", ""), ("nonce", ""), ("prompt", "none")]);
    let request = check(&empty, Some(&app)).unwrap();
    assert_eq!(format!("{request:?}"), format!("{plain:?}"));
    for (name, error) in [
        ("response_type", "invalid_request"),
        ("code_challenge", "invalid_request"),
        ("code_challenge_method", "invalid_request"),
        ("dpop_jkt", "invalid_request"),
    ] {
        match check(&query(&[(name, Some(""))], &[]), Some(&app)) {
            Err(Denied::Redirect { refusal, .. }) => assert_eq!(refusal.error().name, error, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    for name in ["client_id", "redirect_uri"] {
        assert!(matches!(check(&query(&[(name, Some(""))], &[]), Some(&app)), Err(Denied::Page(_))), "{name}");
    }
    let twice = query(&[("scope", Some(""))], &[("scope", "door:open")]);
    assert!(check(&twice, Some(&app)).is_err(), "sent twice, once without a value");
}

#[test]
fn what_each_door_takes() {
    let mut house = House::new();
    let app = native("app", &[REDIRECT]);
    let request = check(&query(&[], &[]), Some(&app)).unwrap();
    let ask = |house: &House, person: &Person, door: &str| {
        let target = house.target(door, Some(&person.id)).unwrap();
        consents_needed(&request.scope, &app, person, &[target], &house.policy, NOW).map(|mut needs| needs.remove(0))
    };
    let open: Scope = "door:open".parse().unwrap();
    let (staff, visitor, owner) = (person("erik", &["staff"]), person("vera", &["visitors"]), person("olga", &[]));
    for (who, door, need) in [
        (&staff, "front", Ok(Need::Nothing(open.clone()))),
        (&staff, "vault", Err(Refusal::NothingGranted)),
        (&visitor, "front", Ok(Need::Owner(open.clone()))),
        (&visitor, "vault", Err(Refusal::NothingGranted)),
        (&owner, "front", Ok(Need::Nothing(open.clone()))),
        (&owner, "vault", Err(Refusal::NothingGranted)),
        (&person("nils", &[]), "front", Err(Refusal::NothingGranted)),
    ] {
        assert_eq!(ask(&house, who, door), need, "{} {door}", who.name);
    }
    let consent = |owner: &str, until| AdvanceConsent {
        door: "front".parse().unwrap(),
        owner: who(owner),
        who: who("vera"),
        scope: Scope::default(),
        from: None,
        until,
    };
    house.put(consent("mallory", NOW.plus(60)));
    assert_eq!(ask(&house, &visitor, "front"), Ok(Need::Owner(open.clone())), "a consent by who owns nothing");
    house.put(consent("olga", NOW));
    assert_eq!(ask(&house, &visitor, "front"), Ok(Need::Owner(open.clone())), "a consent that has ended");
    house.put(consent("olga", NOW.plus(60)));
    assert_eq!(ask(&house, &visitor, "front"), Ok(Need::Nothing(open.clone())));
    for (scope, need) in [("door:open", Need::Nothing(open.clone())), ("door:state", Need::Owner(open.clone()))] {
        house.put(AdvanceConsent { scope: scope.parse().unwrap(), ..consent("olga", NOW.plus(60)) });
        assert_eq!(ask(&house, &visitor, "front"), Ok(need), "a consent to {scope}");
    }
}

#[test]
fn only_an_owner_of_that_door_answers_once_and_not_for_themselves() {
    let house = House::new();
    let door = house.target("front", None).unwrap().door;
    let question = |asker: &str, state, expires| ConsentRequest {
        id: Hash32::of(&[b"question"]),
        door: "front".parse().unwrap(),
        asker: person(asker, &["visitors"]),
        client: "app".parse().unwrap(),
        scope: "door:open".parse().unwrap(),
        until: NOW.plus(3600),
        expires,
        state,
    };
    let waiting = question("vera", Answer::Waiting, NOW.plus(60));
    let changes = answer(&waiting, Rev(1), &door, &who("olga"), true, NOW).unwrap();
    let Write::Put(Record::Consent(consent)) = &changes[1].write else { panic!() };
    assert_eq!((consent.until, &consent.scope), (NOW.plus(3600), &waiting.scope), "what was asked, and no more");
    assert_eq!(answer(&waiting, Rev(1), &door, &who("olga"), false, NOW).unwrap().len(), 1);
    let mut other = door.clone();
    other.name = "back".parse().unwrap();
    for (question, door, by, why) in [
        (&waiting, &door, "vera", "the asker"),
        (&waiting, &door, "mallory", "who owns nothing"),
        (&waiting, &other, "olga", "for another door"),
        (&question("olga", Answer::Waiting, NOW.plus(60)), &door, "olga", "an owner for herself"),
        (&question("vera", Answer::Waiting, NOW), &door, "olga", "too late"),
        (&question("vera", Answer::Denied { by: who("olga") }, NOW.plus(60)), &door, "olga", "a second answer"),
    ] {
        assert_eq!(answer(question, Rev(1), door, &who(by), true, NOW), None, "{why}");
    }
}

/// R6749-10.3-01, R6749-10.10-01, R7636-4.4-02
#[test]
fn a_code_is_kept_by_its_hash() {
    let app = native("app", &[REDIRECT]);
    let request = check(&query(&[], &[]), Some(&app)).unwrap();
    let granted = [("front".parse().unwrap(), "door:open".parse().unwrap())];
    let (text, change) = code(&request, &person("erik", &["staff"]), &granted, Seconds(17), NOW, &mut Os).unwrap();
    let Write::Put(Record::Code(record)) = change.write else { panic!() };
    assert_eq!(record.hash, Hash32::of(&[text.expose()]));
    assert_eq!((text.expose().len(), record.expires), (43, NOW.plus(17)));
}
