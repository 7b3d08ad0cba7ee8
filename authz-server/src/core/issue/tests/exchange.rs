//! Token exchange (RFC 8693): what a service gets for a person's token, and all that gets it nothing.

use super::*;
use crate::core::exchange::{ACCESS_TOKEN, Exchange, Whose};
use crate::core::records::{Abilities, GrantKind as Kind, Person, Revoked, TokenForm};
use latchwork_ace::{Claims, Cnf};
use proptest::prelude::*;
use proptest::test_runner::Config;

const DESK: &str = "urn:latchwork:service:desk";

fn service(house: &mut House, id: &str) {
    let hash = crate::core::secret::keyed_hash(&house.keys.secrets, &id.parse().unwrap(), SECRET);
    let mut client = machine(id, ClientAuth::SecretHash(hash));
    client.grants = BTreeSet::from([Kind::TokenExchange]);
    house.put(client);
}

fn row(whose: Whose, audience: &str) -> Exchange {
    let (service, audience) = ("desk".parse().unwrap(), audience.parse().unwrap());
    Exchange { service, whose, audience, scope: Scope::default(), from: None, until: None }
}

fn for_erik(lock: &str) -> Exchange {
    row(Whose::Person(who("erik")), &format!("urn:latchwork:lock:{lock}"))
}

/// A house with the service `desk`, another one, and these rows.
fn house(rows: impl IntoIterator<Item = Exchange>) -> House {
    let mut house = House::new();
    service(&mut house, "desk");
    service(&mut house, "other");
    rows.into_iter().for_each(|row| house.put(row));
    house
}

fn told(issued: &Issued) -> Hidden {
    match &issued.response.token {
        Token::Jwt(text) => Hidden::new(text.clone().into_bytes()),
        Token::Cwt(bytes) => Hidden::new(crate::core::bytes::base64url(bytes).into_bytes()),
    }
}

/// What the person's app asks for the desk.
fn app_asks(house: &mut House, person: &Person, doors: &[&str], scope: Option<&str>) -> Result<Issued, Refusal> {
    let code = house.code(person, doors, &Pair::new(1));
    let scope = scope.map(|words| ScopeAsked::Text(words.parse().unwrap()));
    let asked = TokenRequest { audience: vec![DESK.into()], scope, ..request(redeeming(&code), "front") };
    let proof = Pair::new(1).proof_with(&crate::core::bytes::base64url(code.expose()), |_, claims| {
        claims["iat"] = house.now.0.into();
    });
    house.ask(&app(proof), &asked)
}

fn subject(house: &mut House, person: &Person, doors: &[&str]) -> Hidden {
    told(&app_asks(house, person, doors, None).unwrap())
}

fn erik() -> Person {
    person("erik", &["staff"])
}

fn exchanging(token: &Hidden, lock: &str) -> TokenRequest {
    request(GrantAsked::TokenExchange { token: token.clone() }, lock)
}

fn desk() -> Presented {
    secret("desk", SECRET)
}

fn claims_in(issued: &Issued) -> Vec<u8> {
    let Token::Cwt(token) = &issued.response.token else { panic!() };
    claims_of(token)
}

/// R8693-2.2.1-01, R8693-2.2.1-02, R8693-2.2.1-03, R8693-6-03
#[test]
fn a_service_acts_for_a_person() {
    let mut house = house([for_erik("front")]);
    let (key, token) = (Pair::new(7), subject(&mut house, &erik(), &["front", "back"]));
    let bound = TokenRequest { req_cnf: Some(ReqCnf::Key(key.public())), ..exchanging(&token, "front") };
    for (presented, asked) in
        [(desk(), exchanging(&token, "front")), (Presented { proof: Some(key.proof("k")), ..desk() }, bound)]
    {
        let issued = house.ask(&presented, &asked).unwrap();
        let body = issued.response.to_json();
        assert_eq!(body["issued_token_type"], ACCESS_TOKEN);
        assert_eq!((&body["token_type"], &body["expires_in"]), (&"PoP".into(), &300.into()));
        assert_eq!(body["scope"], "door:open");
        assert!(body.get("refresh_token").is_none(), "{body}");
        assert!(issued.response.to_cbor().is_none(), "the answer has no CBOR form");
        let inside = claims_in(&issued);
        let claims = Claims::decode(&inside).unwrap();
        let audience = "urn:latchwork:lock:front".parse().unwrap();
        let sub = subject::of_person(&house.keys.pairwise, &who("erik"), &audience);
        assert_eq!(
            (claims.sub, claims.exp),
            (Some(&*sub), Some(NOW.0 + 300)),
            "the person, for as long as the subject"
        );
        match (claims.cnf, &presented.proof) {
            (Some(Cnf::Osc(_)), None) | (Some(Cnf::CoseKey(_)), Some(_)) => {}
            (other, _) => panic!("{other:?}"),
        }
        let line = serde_json::to_value(&issued.entry).unwrap();
        assert_eq!((&line["client"], &line["person"]["subject"]), (&"desk".into(), &"erik".into()));
        assert_eq!(line["row"], "desk for https://idp.example#erik at urn:latchwork:lock:front");
        assert_eq!(line["subject_token"], Hash32::of(&[token.expose()]).to_string());
        assert_eq!(line["policies"], serde_json::json!(["staff-office"]));
        let (Record::Token(record), _) = house
            .find(&Key::Token(mint::token_hash(match &issued.response.token {
                Token::Cwt(bytes) => bytes,
                Token::Jwt(_) => panic!(),
            })))
            .unwrap()
        else {
            panic!()
        };
        assert_eq!(record.subject, Some(Hash32::of(&[token.expose()])));
        assert_eq!(record.grant, issued.entry.grant, "with the grant it ends");
    }
}

/// What the person's app gets for a service: a JWT that is no good at the people API or anywhere else.
/// R8693-6-01, R8693-4.2-01
#[test]
fn a_subject_token_is_for_one_service() {
    let mut house = house([for_erik("front")]);
    let issued = app_asks(&mut house, &erik(), &["front", "back"], Some("door:open door:remove")).unwrap();
    let text = String::from_utf8(told(&issued).expose().to_vec()).unwrap();
    let claims: serde_json::Value =
        serde_json::from_slice(&from_base64url(text.split('.').nth(1).unwrap()).unwrap()).unwrap();
    assert_eq!((&claims["aud"], &claims["scope"]), (&DESK.into(), &"door:open".into()));
    assert_eq!((&claims["client_id"], claims["exp"].as_i64()), (&"app".into(), Some(NOW.0 + 300)));
    assert_eq!(claims["cnf"]["jkt"], Pair::new(1).public().thumbprint().to_string());
    assert_ne!(claims["sub"], "erik");
    assert_eq!(issued.response.to_json()["scope"], "door:open");
    let proof = Pair::new(1).proof_with("api", |_, claims| {
        claims["htm"] = "POST".into();
        claims["ath"] = Hash32::of(&[text.as_bytes()]).to_string().into();
    });
    let at_the_api = api_token::check(&text, &proof, ISSUER, &house.keys.api_published(NOW), NOW);
    assert!(matches!(at_the_api, Err(api_token::ApiRefusal::NotOurs)), "{at_the_api:?}");
    for (rows, scope, refusal) in [
        (vec![], None, Refusal::from(ExchangeFault::NoRow)),
        (vec![row(Whose::Person(who("olga")), "urn:latchwork:lock:front")], None, ExchangeFault::NoRow.into()),
        (vec![row(Whose::Group("admins".into()), "urn:latchwork:lock:front")], None, ExchangeFault::NoRow.into()),
        (vec![Exchange { until: Some(NOW), ..for_erik("front") }], None, ExchangeFault::NoRow.into()),
        (vec![Exchange { service: "other".parse().unwrap(), ..for_erik("front") }], None, ExchangeFault::NoRow.into()),
        (vec![for_erik("front")], Some("door:remove"), Refusal::NothingGranted),
    ] {
        let got = app_asks(&mut self::house(rows), &erik(), &["front"], scope).unwrap_err();
        assert_eq!(got, refusal);
    }
    let machine = TokenRequest { audience: vec![DESK.into()], ..machine_request("front") };
    let audience: Audience = DESK.parse().unwrap();
    assert_eq!(refused(&house, &robot(), &machine), AudienceFault::PeopleOnly(audience).into());
}

/// R8693-2.1-03, R8693-2.1-05, R8693-2.1-06, R8693-2.2.2-01, R8693-2.2.2-02
#[test]
fn what_gets_nothing() {
    let mut house = house([for_erik("front"), for_erik("shed"), for_erik("vault")]);
    let token = subject(&mut house, &erik(), &["front", "back", "shed", "vault"]);
    let api = {
        let code = house.code(&erik(), &["front"], &Pair::new(1));
        let asked = TokenRequest {
            audience: vec![format!("{ISSUER}/api/v1")],
            scope: None,
            ..request(redeeming(&code), "front")
        };
        told(&house.ask(&app(Pair::new(1).proof("api")), &asked).unwrap())
    };
    let door = {
        let code = house.code(&erik(), &["front"], &Pair::new(1));
        told(&house.ask(&app(Pair::new(1).proof("door")), &request(redeeming(&code), "front")).unwrap())
    };
    let mut native = native("kiosk", &[REDIRECT]);
    native.grants.insert(Kind::TokenExchange);
    house.put(native);
    let with = |audience: &[&str]| TokenRequest {
        audience: audience.iter().map(|it| (*it).to_owned()).collect(),
        ..exchanging(&token, "front")
    };
    let lock = |name: &str| -> Audience { format!("urn:latchwork:lock:{name}").parse().unwrap() };
    let id = |name: &str| name.parse().unwrap();
    let kiosk = Presented { credential: Credential::Public { id: id("kiosk") }, proof: Some(Pair::new(1).proof("k")) };
    let not_proven = TokenRequest { req_cnf: Some(ReqCnf::Key(Pair::new(7).public())), ..exchanging(&token, "front") };
    let in_cbor = TokenRequest { face: Face::CborHttp, ..exchanging(&token, "front") };
    let rows: Vec<(&str, Presented, TokenRequest, Refusal, &str)> = vec![
        ("wrong secret", secret("desk", b"x"), with(&[]), Refusal::WrongSecret(id("desk")), "invalid_client"),
        (
            "a client without the grant",
            robot(),
            with(&[]),
            Refusal::GrantNotAllowed(id("robot")),
            "unauthorized_client",
        ),
        (
            "a client that cannot show itself",
            kiosk,
            with(&[]),
            Refusal::GrantNotAllowed(id("kiosk")),
            "unauthorized_client",
        ),
        (
            "stolen by another service",
            secret("other", SECRET),
            with(&["urn:latchwork:lock:front"]),
            ExchangeFault::OtherAudience.into(),
            "invalid_request",
        ),
        ("the people API's", desk(), exchanging(&api, "front"), ExchangeFault::OtherAudience.into(), "invalid_request"),
        ("a lock's", desk(), exchanging(&door, "front"), ExchangeFault::OtherAudience.into(), "invalid_request"),
        (
            "made up",
            desk(),
            exchanging(&Hidden::new(b"x.y.z".to_vec()), "front"),
            ExchangeFault::Unknown.into(),
            "invalid_request",
        ),
        ("no row for this lock", desk(), exchanging(&token, "back"), ExchangeFault::NoRow.into(), "invalid_target"),
        (
            "a lock that is not in the grant",
            desk(),
            exchanging(&token, "safe"),
            ExchangeFault::NoRow.into(),
            "invalid_target",
        ),
        (
            "no lock at all",
            desk(),
            exchanging(&token, "nowhere"),
            AudienceFault::Unknown(lock("nowhere").to_string()).into(),
            "invalid_target",
        ),
        (
            "a group",
            desk(),
            with(&["urn:latchwork:group:building"]),
            AudienceFault::NotGranted("urn:latchwork:group:building".parse().unwrap()).into(),
            "invalid_target",
        ),
        ("itself", desk(), with(&[DESK]), AudienceFault::NotGranted(DESK.parse().unwrap()).into(), "invalid_target"),
        (
            "two locks",
            desk(),
            with(&["urn:latchwork:lock:front", "urn:latchwork:lock:back"]),
            ExchangeFault::Several.into(),
            "invalid_target",
        ),
        ("none named of several", desk(), with(&[]), AudienceFault::Missing.into(), "invalid_request"),
        ("policy forbids", desk(), exchanging(&token, "vault"), Refusal::NothingGranted, "invalid_scope"),
        (
            "a lock without a clock",
            desk(),
            exchanging(&token, "shed"),
            AudienceFault::NeedsClock(lock("shed")).into(),
            "invalid_target",
        ),
        ("a key not shown", desk(), not_proven, KeyFault::NotProven.into(), "invalid_request"),
        (
            "in CBOR",
            desk(),
            in_cbor,
            Refusal::UnsupportedGrant("token_exchange in CBOR".into()),
            "unsupported_grant_type",
        ),
    ];
    for (name, presented, asked, refusal, error) in rows {
        let got = refused(&house, &presented, &asked);
        assert_eq!((&got, got.error().name), (&refusal, error), "{name}");
    }
    house.ask(&desk(), &exchanging(&token, "front")).unwrap();

    // What ends the subject token.
    let (Record::Token(record), _) = house.find(&Key::Token(Hash32::of(&[token.expose()]))).unwrap() else { panic!() };
    let (Record::Grant(grant), _) = house.find(&Key::Grant(record.grant.unwrap())).unwrap() else { panic!() };
    let check = |house: &House, fault: ExchangeFault, what: &str| {
        assert_eq!(refused(house, &desk(), &exchanging(&token, "front")), fault.into(), "{what}");
    };
    house.now = NOW.plus(300);
    check(&house, ExchangeFault::Expired, "its time");
    house.now = NOW;
    house.put(TokenRecord { revoked: Some(NOW), ..record.clone() });
    check(&house, ExchangeFault::Revoked, "its own revocation");
    house.put(record.clone());
    house.put(Grant { revoked: Some(Revoked { at: NOW, why: RevokedWhy::Asked }), ..grant.clone() });
    check(&house, ExchangeFault::Revoked, "its family's");
    house.put(grant.clone());
    house.records.remove(&Key::Client("app".parse().unwrap()));
    check(&house, ExchangeFault::Revoked, "its app's removal");
    house.put(crate::core::testing::native("app", &[REDIRECT]));
    house.ask(&desk(), &exchanging(&token, "front")).unwrap();
    house.records.remove(&Key::Grant(grant.id));
    check(&house, ExchangeFault::Revoked, "its grant's");
}

/// Whatever ends while the decision is made ends it.
#[test]
fn a_race_with_revocation_is_lost() {
    for name in ["token", "grant", "row"] {
        let mut house = house([for_erik("front")]);
        let token = subject(&mut house, &erik(), &["front"]);
        let issued = house.decide(&desk(), &exchanging(&token, "front")).unwrap();
        let key = match name {
            "token" => Key::Token(Hash32::of(&[token.expose()])),
            "grant" => Key::Grant(issued.entry.grant.unwrap()),
            _ => Record::from(for_erik("front")).key(),
        };
        let (record, _) = house.find(&key).unwrap();
        house.put(record);
        assert_eq!(house.commit(&issued.changes), Err(crate::core::change::OnConflict::Retry), "{name}");
    }
}

/// The person's own row counts before their groups', a lock's before its group's; one that is over is none.
#[test]
fn one_row_counts() {
    let staff = |audience: &str| row(Whose::Group("staff".into()), audience);
    let narrow = |row: Exchange| Exchange { scope: "door:state".parse().unwrap(), ..row };
    let (lock, group) = ("urn:latchwork:lock:front", "urn:latchwork:group:building");
    let own = |audience: &str| row(Whose::Person(who("erik")), audience);
    for (rows, expected) in [
        (vec![staff(group)], Some("door:open door:state")),
        (vec![staff(lock)], Some("door:open door:state")),
        (vec![narrow(staff(lock)), staff(group)], Some("door:state")),
        (vec![narrow(own(group)), staff(lock)], Some("door:state")),
        (vec![narrow(own(lock)), own(group), staff(group)], Some("door:state")),
        (vec![Exchange { until: Some(NOW), ..narrow(own(lock)) }, staff(group)], Some("door:open door:state")),
        (vec![staff("urn:latchwork:lock:back")], None),
        (vec![staff("urn:latchwork:group:elsewhere")], None),
    ] {
        let mut house = house(rows.clone());
        let token = subject(&mut house, &erik(), &["front", "back"]);
        let asked = TokenRequest { scope: None, ..exchanging(&token, "front") };
        let got = house.decide(&desk(), &asked).map(|issued| issued.response.to_json()["scope"].clone());
        assert_eq!(got.ok().as_ref().and_then(|it| it.as_str()), expected, "{rows:?}");
    }
}

/// No longer than subject token, row, consent and lock; no sooner than row and consent.
#[test]
fn when_it_begins_and_ends() {
    let visitor = || person("vera", &["visitors"]);
    for (from, until, consent, expected) in [
        (None, None, Some((None, 9000)), Ok((None, 300))),
        (None, Some(60), Some((None, 9000)), Ok((None, 60))),
        (None, None, Some((None, 30)), Ok((None, 30))),
        (Some(20), None, Some((None, 9000)), Ok((Some(20), 300))),
        (Some(20), Some(60), Some((Some(40), 50)), Ok((Some(40), 50))),
        (Some(40), Some(60), Some((Some(20), 90)), Ok((Some(40), 60))),
        (Some(300), None, Some((None, 9000)), Err(Refusal::TooEarly)),
        (None, None, None, Err(Refusal::NothingGranted)),
    ] {
        let mut house = House::new();
        service(&mut house, "desk");
        let at = |seconds: i64| NOW.plus(seconds);
        let whose = Whose::Person(who("vera"));
        house.put(Exchange { from: from.map(at), until: until.map(at), ..row(whose, "urn:latchwork:lock:front") });
        if let Some((begins, ends)) = consent {
            house.put(AdvanceConsent {
                door: "front".parse().unwrap(),
                owner: who("olga"),
                who: who("vera"),
                scope: Scope::default(),
                from: begins.map(at),
                until: at(ends),
            });
        }
        let token = subject(&mut house, &visitor(), &["front"]);
        let got =
            house.decide(&desk(), &exchanging(&token, "front")).map_err(|refused| refused.refusal).map(|issued| {
                let inside = claims_in(&issued);
                let claims = Claims::decode(&inside).unwrap();
                (claims.nbf.map(|nbf| nbf - NOW.0), claims.exp.unwrap() - NOW.0)
            });
        assert_eq!(got, expected, "{from:?} {until:?} {consent:?}");
    }
}

#[test]
fn a_reference_tells_its_time_to_a_lock_without_a_clock() {
    let mut house = house([for_erik("shed")]);
    let lock = house.target("shed", None).unwrap().lock;
    house.put(Lock { abilities: Abilities { form: TokenForm::Reference, ..lock.abilities.clone() }, ..lock });
    let token = subject(&mut house, &erik(), &["shed"]);
    house.decide(&desk(), &exchanging(&token, "shed")).unwrap();
}

fn some_of(all: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    proptest::sample::subsequence(all, 0..=all.len())
}

fn words(of: &[&str]) -> Scope {
    of.iter().map(|word| word.parse().unwrap()).collect()
}

const LOCKS: [&str; 3] = ["front", "back", "vault"];
const WORDS: [&str; 2] = ["door:open", "door:state"];
const GROUPS: [&str; 4] = ["staff", "admins", "visitors", "suspended"];

proptest! {
    #![proptest_config(Config::with_cases(200))]

    /// R8693-5-01
    #[test]
    fn never_more_than_the_subject_token(
        lock in proptest::sample::select(&LOCKS[..]),
        doors in some_of(&LOCKS),
        groups in some_of(&GROUPS),
        of_subject in some_of(&WORDS),
        of_row in some_of(&WORDS),
        of_service in some_of(&WORDS),
        of_app in some_of(&WORDS),
        asked in some_of(&WORDS),
        row_left in proptest::option::of(-10_i64..1000),
        later in 0_i64..310,
        group_row in any::<bool>(),
    ) {
        let mut house = House::new();
        service(&mut house, "desk");
        let (Record::Client(desk_), _) = house.find(&Key::Client("desk".parse().unwrap())).unwrap() else { panic!() };
        house.put(crate::core::records::Client { ceiling: words(&of_service), ..desk_ });
        house.put(crate::core::records::Client { ceiling: words(&of_app), ..crate::core::testing::native("app", &[REDIRECT]) });
        let person = person("pat", &groups);
        let whose = if group_row { Whose::Group("staff".into()) } else { Whose::Person(person.id.clone()) };
        let row = Exchange {
            scope: words(&of_row),
            until: row_left.map(|left| NOW.plus(left)),
            ..row(whose, &format!("urn:latchwork:lock:{lock}"))
        };
        house.put(row.clone());
        let scope = (!of_subject.is_empty()).then(|| of_subject.join(" "));
        let Ok(issued) = app_asks(&mut house, &person, &doors, scope.as_deref()) else { return Ok(()) };
        let token = told(&issued);
        // What the app itself gets for this door, if anything.
        let refresh = issued.response.refresh_token.unwrap();
        let own = TokenRequest { scope: None, ..request(refreshing(&refresh), lock) };
        let own = house.decide(&app(Pair::new(1).proof("own")), &own).ok().map(|issued| issued.response.to_json()["scope"].clone());
        let own: Scope = own.and_then(|it| it.as_str().map(|it| it.parse().unwrap())).unwrap_or_default();
        house.now = NOW.plus(later);
        let scope = (!asked.is_empty()).then(|| ScopeAsked::Text(words(&asked)));
        match house.decide(&desk(), &TokenRequest { scope: scope.clone(), ..exchanging(&token, lock) }) {
            Err(refused) => prop_assert_eq!(refused.changes, []),
            Ok(issued) => {
                prop_assert!(doors.contains(&lock) && later < 300 && (!group_row || groups.contains(&"staff")));
                let Outcome::Granted { scope: granted, expires, .. } = &issued.entry.outcome else { panic!() };
                prop_assert!(!granted.is_empty());
                for (limit, applies) in [
                    (&of_subject, !of_subject.is_empty()),
                    (&of_row, !of_row.is_empty()),
                    (&of_service, !of_service.is_empty()),
                    (&of_app, !of_app.is_empty()),
                    (&asked, !asked.is_empty()),
                ] {
                    prop_assert!(!applies || granted.within(&words(limit)), "{granted:?} in {limit:?}");
                }
                prop_assert!(granted.within(&own), "{granted:?} in the app's own {own:?}");
                prop_assert!(*expires <= NOW.plus(300) && row.until.is_none_or(|until| *expires <= until));
                house.commit(&issued.changes).unwrap();
            }
        }
    }
}
