//! Token exchange (RFC 8693): what a service gets for a person's token, and all that gets it nothing.

use super::*;
use crate::core::exchange::{ACCESS_TOKEN, Exchange, PeopleGroup, Whose};
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

/// A row for whoever the tests' provider lists in this group.
fn group(name: &str, audience: &str) -> Exchange {
    row(Whose::Group(PeopleGroup { issuer: who("x").issuer().into(), name: name.into() }), audience)
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
        (vec![group("admins", "urn:latchwork:lock:front")], None, ExchangeFault::NoRow.into()),
        (vec![Exchange { until: Some(NOW), ..for_erik("front") }], None, ExchangeFault::NoRow.into()),
        (
            vec![Exchange { until: Some(NOW), ..for_erik("front") }, group("staff", "urn:latchwork:lock:front")],
            None,
            ExchangeFault::NoRow.into(),
        ),
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
    for name in ["token", "grant", "row", "lock"] {
        let mut house = house([for_erik("front")]);
        let token = subject(&mut house, &erik(), &["front"]);
        let issued = house.decide(&desk(), &exchanging(&token, "front")).unwrap();
        let key = match name {
            "token" => Key::Token(Hash32::of(&[token.expose()])),
            "grant" => Key::Grant(issued.entry.grant.unwrap()),
            "lock" => Key::Lock("front".parse().unwrap()),
            _ => Record::from(for_erik("front")).key(),
        };
        let (record, _) = house.find(&key).unwrap();
        house.put(record);
        assert_eq!(house.commit(&issued.changes), Err(crate::core::change::OnConflict::Retry), "{name}");
    }
}

/// R8693-2.2.2-02
///
/// The rows that count: a person's own before those of their groups, a lock's before those of its groups; of the nearest all, and each
/// of them limits, in whatever order they and the groups come.
#[test]
fn which_rows_count() {
    let both = Ok("door:open door:state");
    let (open, state) = (Ok("door:open"), Ok("door:state"));
    let (none, over) = (Err(Refusal::from(ExchangeFault::NoRow)), Err(Refusal::from(ExchangeFault::RowOver)));
    let to = |words: &str, row: Exchange| Exchange { scope: words.parse().unwrap(), ..row };
    let narrow = |row| to("door:state", row);
    let ended = |row| Exchange { until: Some(NOW), ..row };
    let (lock, house_, floor) =
        ("urn:latchwork:lock:front", "urn:latchwork:group:building", "urn:latchwork:group:floor");
    let staff = |audience: &str| group("staff", audience);
    let night = |audience: &str| group("night", audience);
    let foreign = row(Whose::Group(PeopleGroup { issuer: "https://other.example".into(), name: "staff".into() }), lock);
    let own = |audience: &str| row(Whose::Person(who("erik")), audience);
    for (rows, expected) in [
        (vec![staff(house_)], both.clone()),
        (vec![staff(lock)], both.clone()),
        (vec![narrow(staff(lock)), staff(house_)], state.clone()),
        (vec![staff(lock), narrow(staff(house_))], both.clone()),
        (vec![narrow(own(house_)), staff(lock)], state.clone()),
        (vec![narrow(own(lock)), own(house_), staff(house_)], state.clone()),
        (vec![staff("urn:latchwork:lock:back")], none.clone()),
        (vec![staff("urn:latchwork:group:elsewhere")], none.clone()),
        // What ended gives way to nothing wider; to the nearer it does.
        (vec![ended(own(lock)), staff(lock)], over.clone()),
        (vec![ended(own(lock)), own(house_)], over.clone()),
        (vec![ended(own(house_)), staff(lock)], over.clone()),
        (vec![ended(staff(lock)), staff(house_)], over.clone()),
        (vec![ended(staff(lock)), own(house_)], both.clone()),
        (vec![ended(own(house_)), own(lock)], both.clone()),
        // Several groups: each limits.
        (vec![narrow(staff(lock)), night(lock)], state.clone()),
        (vec![staff(lock), to("door:open", night(lock))], open.clone()),
        (vec![narrow(staff(lock)), to("door:open", night(lock))], Err(Refusal::NothingGranted)),
        (vec![staff(lock), ended(night(lock))], over.clone()),
        (vec![ended(staff(lock)), night(lock)], over.clone()),
        (vec![narrow(staff(lock)), night(house_)], state.clone()),
        (vec![night(house_), narrow(staff(floor))], state.clone()),
        (vec![own(house_), ended(own(floor))], over.clone()),
        // A group of the same name at another provider is another.
        (vec![foreign.clone()], none.clone()),
        (vec![ended(foreign), staff(lock)], both.clone()),
    ] {
        let person = person("erik", &["staff", "night"]);
        let mut house = house(rows.clone());
        let front = house.target("front", None).unwrap().lock;
        let groups = ["building", "floor"].map(|name| name.parse().unwrap()).into();
        house.put(Lock { groups, ..front });
        // Where the app gets its token.
        house.put(group("staff", "urn:latchwork:lock:back"));
        let token = subject(&mut house, &person, &["front", "back"]);
        let asked = TokenRequest { scope: None, ..exchanging(&token, "front") };
        let mut facts = house.facts(&desk(), &asked);
        for _ in 0..2 {
            facts.rows.reverse();
            let got = issue(&desk(), &asked, &facts, &house.minting(), house.now, &mut Os);
            let got = got.map_err(|refused| refused.refusal);
            let got = got.map(|issued| issued.response.to_json()["scope"].as_str().unwrap().to_owned());
            assert_eq!(got.as_deref().map_err(Clone::clone), expected.clone(), "{rows:?}");
        }
    }
}

/// Where two rows count, the narrower time of both holds, and the audit line and the guards name both.
#[test]
fn two_rows_that_count_are_one_limit() {
    let lock = "urn:latchwork:lock:front";
    let at = |seconds: i64| Some(NOW.plus(seconds));
    let staff = Exchange { from: at(10), until: at(90), ..group("staff", lock) };
    let night = Exchange { from: at(20), until: at(200), ..group("night", lock) };
    let mut house = house([staff.clone(), night.clone()]);
    let token = subject(&mut house, &person("erik", &["staff", "night"]), &["front"]);
    let issued = house.decide(&desk(), &exchanging(&token, "front")).unwrap();
    let inside = claims_in(&issued);
    let claims = Claims::decode(&inside).unwrap();
    assert_eq!((claims.nbf, claims.exp), (Some(NOW.0 + 20), Some(NOW.0 + 90)));
    let line = serde_json::to_value(&issued.entry).unwrap();
    let of = "of https://idp.example at urn:latchwork:lock:front";
    assert_eq!(line["row"], format!("desk for group night {of}; desk for group staff {of}"));
    for row in [staff, night] {
        house.put(row);
        assert_eq!(house.commit(&issued.changes), Err(crate::core::change::OnConflict::Retry));
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
        let Exchange { whose: staff, .. } = group("staff", "urn:latchwork:lock:front");
        let whose = if group_row { staff } else { Whose::Person(person.id.clone()) };
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
