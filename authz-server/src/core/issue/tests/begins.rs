//! Rights that begin later: a token fetched ahead says so (`nbf`, RFC 8392 §3.1.5), and none is made that could not keep to it.

use super::*;
use crate::core::records::{Abilities, TokenForm};
use latchwork_ace::Claims;

/// Vera has a code for this door, whose owner consented from `from` seconds ahead until `until`.
fn invited(house: &mut House, door: &str, from: Option<i64>, until: i64) -> TokenRequest {
    house.put(AdvanceConsent {
        door: door.parse().unwrap(),
        owner: who("olga"),
        who: who("vera"),
        scope: Scope::default(),
        from: from.map(|seconds| NOW.plus(seconds)),
        until: NOW.plus(until),
    });
    let code = house.code(&person("vera", &["visitors"]), &[door], &Pair::new(1));
    request(redeeming(&code), door)
}

fn vera() -> Presented {
    app(Pair::new(1).proof("v"))
}

/// What the token says of its time, and the seconds that the answer gives it.
fn times(issued: &Issued) -> (Option<i64>, Option<i64>, u64) {
    let Token::Cwt(token) = &issued.response.token else { panic!() };
    let inside = claims_of(token);
    let claims = Claims::decode(&inside).unwrap();
    (claims.nbf.map(|nbf| nbf - NOW.0), claims.exp.map(|exp| exp - NOW.0), issued.response.expires_in.into())
}

/// R8392-3.1.5-01
#[test]
fn a_token_fetched_ahead_says_when_it_begins() {
    for (from, until, expected) in [
        (None, 600, (None, Some(600), 600)),
        (Some(-1), 600, (None, Some(600), 600)),
        (Some(0), 600, (None, Some(600), 600)),
        (Some(1), 600, (Some(1), Some(600), 600)),
        (Some(300), 600, (Some(300), Some(600), 600)),
        (Some(3599), 90_000, (Some(3599), Some(3600), 3600)),
    ] {
        let mut house = House::new();
        let asked = invited(&mut house, "front", from, until);
        let issued = house.decide(&vera(), &asked).unwrap();
        assert_eq!(times(&issued), expected, "{from:?}");
        let line = serde_json::to_value(&issued.entry).unwrap();
        assert_eq!(line["begins"].as_i64().map(|at| at - NOW.0), expected.0, "{from:?}");
        let body = issued.response.to_json();
        assert_eq!(body["expires_in"], expected.2, "counts from now, whenever it begins");
    }
}

/// R8392-3.1.5-01
#[test]
fn what_could_not_keep_to_its_begin_is_not_made() {
    let audience = |lock: &str| format!("urn:latchwork:lock:{lock}").parse().unwrap();
    for (door, from, until, refusal) in [
        ("front", 3600, 90_000, Refusal::TooEarly),
        ("front", 86_400, 90_000, Refusal::TooEarly),
        ("front", 600, 600, Refusal::TooEarly),
        // The owner's consent is over whatever it says of its begin.
        ("front", 5, 0, Refusal::NothingGranted),
        // A lock without a clock could not tell: rather no token than one without the claim.
        ("shed", 1, 600, AudienceFault::NeedsClock(audience("shed")).into()),
        ("safe", 1, 600, AudienceFault::NeedsClock(audience("safe")).into()),
    ] {
        let mut house = House::new();
        let asked = TokenRequest { cnonce: Some(Blob(vec![7; 8])), ..invited(&mut house, door, Some(from), until) };
        assert_eq!(refused(&house, &vera(), &asked), refusal.clone(), "{door} {from}");
        assert_eq!(refusal.error().name, if door == "front" { "invalid_scope" } else { "invalid_target" });
        if until > from {
            house.now = NOW.plus(from);
            let asked = TokenRequest { cnonce: Some(Blob(vec![7; 8])), ..invited(&mut house, door, Some(from), until) };
            let in_time = app(Pair::new(1).proof_with("in time", |_, claims| claims["iat"] = house.now.0.into()));
            house.decide(&in_time, &asked).unwrap_or_else(|refused| panic!("{door} {from}: {}", refused.refusal));
        }
    }
}

/// Whoever has a right of their own does not wait for what an owner adds to it.
#[test]
fn what_holds_now_does_not_wait_for_what_begins() {
    let mut house = House::new();
    let asked = invited(&mut house, "front", Some(60), 600);
    let erik = house.code(&person("vera", &["visitors", "staff"]), &["front"], &Pair::new(1));
    let issued = house.decide(&vera(), &request(redeeming(&erik), "front")).unwrap();
    assert_eq!(times(&issued), (None, Some(3600), 3600));
    assert_eq!(times(&house.decide(&vera(), &asked).unwrap()).0, Some(60), "a visitor waits");
}

/// What a reference means its lock hears from us, who know the time.
#[test]
fn a_reference_begins_at_any_lock() {
    let mut house = House::new();
    let lock = house.target("shed", None).unwrap().lock;
    house.put(Lock { abilities: Abilities { form: TokenForm::Reference, ..lock.abilities.clone() }, ..lock });
    let asked = invited(&mut house, "shed", Some(60), 600);
    let issued = house.decide(&vera(), &asked).unwrap();
    let Token::Cwt(token) = &issued.response.token else { panic!() };
    let hash = mint::token_hash(token);
    let record = issued.changes.iter().find_map(|change| match &change.write {
        Write::Put(Record::Token(record)) => Some(record),
        _ => None,
    });
    let sealed = record.unwrap().claims.as_ref().unwrap();
    let opened = house.keys.storage.open(&TokenRecord::claims_label(&hash), &sealed.0.0).unwrap();
    assert_eq!(Claims::decode(&opened).unwrap().nbf, Some(NOW.0 + 60));
}
