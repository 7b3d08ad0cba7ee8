//! What may be pushed, and what a reference is good for.

use super::super::authenticate;
use super::super::request::{Credential, Presented};
use super::super::testing::{House, ISSUER, NOW, Pair, REDIRECT, app, native, varied};
use super::*;

fn parameters(change: &[(&str, Option<&str>)]) -> Vec<(String, String)> {
    let good = [
        ("client_id", "app"),
        ("redirect_uri", REDIRECT),
        ("response_type", "code"),
        ("state", "xyz"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
        ("audience", "urn:latchwork:lock:front"),
        ("audience", "urn:latchwork:lock:back"),
    ];
    varied(&good, change)
}

fn pushed(house: &House, presented: &Presented, parameters: &[(String, String)]) -> Result<String, Refusal> {
    let client = native("app", &[REDIRECT]);
    let who = authenticate::by_method(presented, Some(&client), &house.keys.secrets, ISSUER, NOW)?;
    push(&who, parameters, &house.keys.storage, Seconds(60), NOW)
}

fn shown() -> Presented {
    let proof = Pair::new(5).proof_with("jti", |_, _| {});
    app(proof)
}

fn named_only() -> Presented {
    Presented { credential: Credential::Public { id: "app".parse().unwrap() }, proof: None }
}

/// R9126-2.1-01, R9449-10.1-01, R9449-10.1-02
#[test]
fn a_key_is_named_or_shown_and_both_must_agree() {
    let house = House::new();
    let (own, other) = (Pair::new(5).public().thumbprint(), Pair::new(6).public().thumbprint());
    let (own_text, other_text) = (own.to_string(), other.to_string());
    for (what, presented, named, outcome) in [
        ("shown", shown(), None, Ok(own)),
        ("named", named_only(), Some(other_text.as_str()), Ok(other)),
        ("both", shown(), Some(own_text.as_str()), Ok(own)),
        ("two keys", shown(), Some(other_text.as_str()), Err("invalid_dpop_proof")),
        ("none", named_only(), None, Err("invalid_request")),
    ] {
        let parameters = parameters(&[("dpop_jkt", named)]);
        let got = pushed(&house, &presented, &parameters).map(|reference| {
            let query = [("client_id".to_owned(), "app".to_owned()), ("request_uri".to_owned(), reference)];
            read(&query, Some(&native("app", &[REDIRECT])), &house.keys.storage, NOW).unwrap().request
        });
        match (got, outcome) {
            (Ok(request), Ok(jkt)) => {
                assert_eq!((request.jkt, request.audience.len()), (Some(jkt), 2), "{what}");
            }
            (got, outcome) => assert_eq!(got.map_err(|refusal| refusal.error().name).err(), outcome.err(), "{what}"),
        }
    }
}

/// R9126-2.1-02, R9126-2.1-03
#[test]
fn what_is_not_pushed() {
    let house = House::new();
    for (name, value, error) in [
        ("request_uri", Some("urn:ietf:params:oauth:request_uri:x"), "invalid_request"),
        ("request", Some("x.y.z"), "invalid_request"),
        ("client_id", Some("other"), "invalid_request"),
        ("redirect_uri", Some("https://evil.example/cb"), "invalid_request"),
        ("redirect_uri", None, "invalid_request"),
        ("response_type", Some("token"), "unsupported_response_type"),
        ("response_type", None, "invalid_request"),
        ("code_challenge", None, "invalid_request"),
        ("code_challenge_method", Some("plain"), "invalid_request"),
        ("audience", Some("door.example"), "invalid_target"),
        ("scope", Some("\""), "invalid_scope"),
        ("dpop_jkt", Some("x"), "invalid_request"),
    ] {
        let refusal = pushed(&house, &shown(), &parameters(&[(name, value)])).expect_err(name);
        assert_eq!(refusal.error().name, error, "{name}={value:?}: {refusal}");
    }
    let mut long = parameters(&[]);
    long.extend((0..32).map(|n| ("audience".to_owned(), format!("urn:latchwork:lock:{}{n:02}", "x".repeat(62)))));
    long.retain(|(name, value)| name != "audience" || value.contains("xx"));
    long.push(("state".to_owned(), String::new()));
    let mut long: Vec<_> = long.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    long.iter_mut().filter(|(name, _)| name == "state").for_each(|(_, value)| *value = "s".repeat(1000));
    let refusal = pushed(&house, &shown(), &long).unwrap_err();
    assert_eq!(refusal, Refusal::Malformed("the request is too long"));
}

/// R9126-2.2-02, R9126-2.2-03, R9126-4-01
#[test]
fn a_reference_is_good_for_its_client_alone_and_for_a_while() {
    let house = House::new();
    let reference = pushed(&house, &shown(), &parameters(&[])).unwrap();
    let query = |more: &[(&str, &str)]| -> Vec<(String, String)> {
        let own = [("client_id", "app"), ("request_uri", reference.as_str())];
        own.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let of = |id: &str, reference: &str| {
        vec![("client_id".to_owned(), id.to_owned()), ("request_uri".to_owned(), reference.to_owned())]
    };
    let (mine, thief) = (native("app", &[REDIRECT]), native("thief", &[REDIRECT]));
    let moved = native("app", &["http://127.0.0.1/elsewhere"]);
    let at = reference.len() / 2;
    let letter = if reference[at..].starts_with('A') { "B" } else { "A" };
    let bent = format!("{}{letter}{}", &reference[..at], &reference[at + 1..]);
    // Another text of the same bytes is the same use.
    let sealed = from_base64url(&reference[PREFIX.len()..]).unwrap();
    let name = |text: &str| open(text, &house.keys.storage).map(|(_, what)| what);
    for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".chars() {
        let other = format!("{}{last}", &reference[..reference.len() - 1]);
        if from_base64url(&other[PREFIX.len()..]).as_ref() == Some(&sealed) {
            assert_eq!(name(&other), name(&reference));
        }
    }
    let page = |query: &[(String, String)], client, now| match read(query, Some(client), &house.keys.storage, now) {
        Ok(_) => "good",
        Err(Denied::Page(refusal)) if refusal == AuthorizationFault::RequestUri.into() => "invalid_request_uri",
        Err(Denied::Page(refusal)) => refusal.error().name,
        Err(Denied::Redirect { refusal, redirect_uri, state }) => {
            assert_eq!((redirect_uri.as_str(), state.as_deref()), (REDIRECT, Some("xyz")));
            match refusal.error().name {
                "invalid_request" => "back: invalid_request",
                "invalid_request_uri" => "back: invalid_request_uri",
                other => panic!("{other}"),
            }
        }
    };
    let another = pushed(&house, &shown(), &parameters(&[])).unwrap();
    assert_ne!(reference, another, "no two are alike");
    for (what, query, client, later, outcome) in [
        ("its own", query(&[]), &mine, 59, "good"),
        ("with our own parameter", query(&[("latchwork_provider", "idp")]), &mine, 0, "good"),
        ("beside what it says", query(&[("scope", "door:open")]), &mine, 0, "back: invalid_request"),
        ("beside a redirect", query(&[("redirect_uri", REDIRECT)]), &mine, 0, "back: invalid_request"),
        ("over", query(&[]), &mine, 60, "back: invalid_request_uri"),
        ("twice", query(&[("request_uri", &reference)]), &mine, 0, "invalid_request"),
        ("another client's", of("thief", &reference), &thief, 0, "invalid_request_uri"),
        ("a client that left", of("app", &reference), &thief, 0, "invalid_client"),
        ("a redirect no longer registered", query(&[]), &moved, 0, "invalid_request_uri"),
        ("bent", of("app", &bent), &mine, 0, "invalid_request_uri"),
        ("a URL, which nobody fetches", of("app", "https://evil.example/r"), &mine, 0, "invalid_request_uri"),
        ("empty", of("app", PREFIX), &mine, 0, "invalid_request_uri"),
    ] {
        assert_eq!(page(&query, client, NOW.plus(later)), outcome, "{what}");
    }
}

/// R9126-6-01
#[test]
fn who_must_push_pushes() {
    let house = House::new();
    let app = Client { pushed_only: true, ..native("app", &[REDIRECT]) };
    let jkt = Pair::new(5).public().thumbprint().to_string();
    let denied = read(&parameters(&[("dpop_jkt", Some(&jkt))]), Some(&app), &house.keys.storage, NOW).unwrap_err();
    let Denied::Redirect { refusal, .. } = denied else { panic!("{denied:?}") };
    assert_eq!(refusal, AuthorizationFault::NotPushed.into());
    assert_eq!(refusal.error().name, "invalid_request");
    let reference = pushed(&house, &shown(), &parameters(&[])).unwrap();
    let query = [("client_id".to_owned(), "app".to_owned()), ("request_uri".to_owned(), reference)];
    assert!(read(&query, Some(&app), &house.keys.storage, NOW).is_ok());
}
