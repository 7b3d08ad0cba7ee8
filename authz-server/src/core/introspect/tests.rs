//! Who hears what of which token.

use super::*;
use crate::core::change::{Key, Record};
use crate::core::channel::ChannelIdentity;
use crate::core::names::Audience;
use crate::core::names::LockName;
use crate::core::records::{AdvanceConsent, ClientAuth, ClientKind, Protection, Revoked, RevokedWhy, TokenForm};
use crate::core::request::{Credential, GrantAsked, ReqCnf, TokenRequest};
use crate::core::response::{self, NewKey};
use crate::core::testing::*;
use latchwork_ace::Cnf;

/// A lock's own client, on its OSCORE context.
fn own(house: &mut House, id: &str, locks: &[&str]) -> Presented {
    let mut client = machine(id, ClientAuth::Oscore);
    client.grants.clear();
    client.kind = ClientKind::ResourceServer { locks: locks.iter().map(|lock| lock.parse().unwrap()).collect() };
    house.put(client);
    Presented {
        credential: Credential::Channel { id: id.parse().unwrap(), channel: ChannelIdentity::Oscore },
        proof: None,
    }
}

fn facts(house: &House, presented: &Presented, question: &Question) -> Facts {
    let mut facts = Facts::default();
    if let Some((Record::Client(client), _)) = presented.claimed_client().and_then(|id| house.find(&Key::Client(id))) {
        facts.client = Some(client);
    }
    if let Some((Record::Token(token), _)) = house.find(&Key::Token(question.hash())) {
        if let Some((Record::Grant(grant), _)) = token.grant.and_then(|id| house.find(&Key::Grant(id))) {
            facts.grant = Some(grant);
        }
        facts.token = Some(token);
    }
    let all = ["front", "back", "shed", "safe", "vault"];
    facts.locks.extend(all.iter().filter_map(|lock| house.target(lock, None)).map(|target| target.lock));
    facts
}

fn ask(house: &House, who: &Presented, token: &[u8]) -> Result<Answer, Refusal> {
    let question = Question::of_bytes(Face::CborCoap, token);
    let facts = facts(house, who, &question);
    match introspect(who, &question, &facts, &house.keys, ISSUER, house.now) {
        Ok(answered) => Ok(answered.answer),
        Err(refused) => Err(refused.0),
    }
}

/// What the audit log says of a token that is not good; the answer says the same of all.
fn why(house: &House, who: &Presented, token: &[u8]) -> Option<String> {
    let question = Question::of_bytes(Face::CborCoap, token);
    let answered = introspect(who, &question, &facts(house, who, &question), &house.keys, ISSUER, house.now).unwrap();
    assert!(!active(&answered.answer));
    match answered.entry.result {
        Found::Told { reason, .. } => reason,
        Found::Refused(_) => None,
    }
}

fn active(answer: &Answer) -> bool {
    let body = answer.to_cbor();
    let read = IntrospectionResponse::decode(&body).unwrap();
    let json = answer.to_json();
    assert_eq!(json["active"], read.active, "the two forms agree");
    if !read.active {
        // R7662-2.2-03: nothing else.
        assert_eq!((&body[..], json), (&[0xa1, 10, 0xf4][..], serde_json::json!({ "active": false })));
    }
    read.active
}

fn bytes(token: &response::Token) -> Vec<u8> {
    match token {
        response::Token::Cwt(bytes) => bytes.clone(),
        response::Token::Jwt(text) => text.clone().into_bytes(),
    }
}

fn machines(lock: &str) -> TokenRequest {
    request(GrantAsked::ClientCredentials, lock)
}

/// Every form of token is told with the key that its holder has. R9200-5.9.2-01, R9200-5.9.2-04, R9201-4-01, R9201-5-01
#[test]
fn every_form_is_told_to_its_lock() {
    let phone = Pair::new(1);
    for form in [TokenForm::SelfContained, TokenForm::Reference] {
        for (protection, signed, key) in [
            (Protection::Signed, false, false),
            (Protection::Signed, true, false),
            (Protection::Signed, false, true),
            (Protection::Maced, false, true),
        ] {
            let mut house = House::new();
            let mut lock = house.target("front", None).unwrap().lock;
            (lock.abilities.form, lock.abilities.protection, lock.signed) = (form, protection, signed);
            house.put(lock);
            let front = own(&mut house, "lock:front", &["front"]);
            let asked = TokenRequest { req_cnf: key.then(|| ReqCnf::Key(phone.public())), ..machines("front") };
            let presented = Presented { proof: Some(phone.proof("p")), ..robot() };
            let issued = house.ask(&presented, &asked).unwrap();
            let token = bytes(&issued.response.token);
            let answer = ask(&house, &front, &token).unwrap();
            assert!(active(&answer), "{form:?} {protection:?} {signed}");
            let body = answer.to_cbor();
            let read = IntrospectionResponse::decode(&body).unwrap();
            assert_eq!((read.client_id, read.token_type), (Some("robot"), Some(TokenType::POP)));
            assert_eq!(
                (read.claims.iss, read.claims.exp, read.claims.iat),
                (Some(ISSUER), Some(NOW.0 + 3600), Some(NOW.0))
            );
            assert!(read.claims.aud.unwrap().contains("urn:latchwork:lock:front") && read.claims.cti.is_some());
            assert_eq!(read.claims.scope, Some(Scope::Bytes(&[0x81, 0x82, 0x65, b'/', b'd', b'o', b'o', b'r', 2])));
            let json = answer.to_json();
            assert_eq!(
                (json["client_id"].as_str(), json["aud"].as_str()),
                (Some("robot"), Some("urn:latchwork:lock:front"))
            );
            match (&issued.response.cnf, read.claims.cnf) {
                (Some(NewKey::Osc(osc)), Some(Cnf::Osc(told))) => {
                    assert_eq!((told.id, told.ms), (&osc.id.0[..], osc.ms.expose()));
                    assert_eq!(json["cnf"]["osc"]["ms"], base64url(osc.ms.expose()));
                    assert_eq!(read.claims.ace_profile, Some(Profile::COAP_OSCORE));
                }
                (None, Some(Cnf::CoseKey(told))) => {
                    assert_eq!(cnf::public_key(&told), Some(phone.public()));
                    assert_eq!(
                        (json["cnf"]["jwk"]["crv"].as_str(), json["ace_profile"].as_str()),
                        (Some("P-256"), Some("coap_dtls"))
                    );
                }
                (had, told) => panic!("{had:?} {told:?}"),
            }
        }
    }
}

/// R7662-2.2-02, R7662-4-01, R7662-5-01, R9200-5.9.3-04, R9200-5.9-02: unknown, expired, revoked, foreign: all the same answer.
#[test]
fn what_is_not_good_is_not_told_why() {
    let mut house = House::new();
    let phone = Pair::new(1);
    let front = own(&mut house, "lock:front", &["front"]);
    let back = own(&mut house, "lock:back", &["back", "vault"]);
    let token = bytes(&house.ask(&robot(), &machines("front")).unwrap().response.token);
    assert!(active(&ask(&house, &front, &token).unwrap()));
    assert_eq!(why(&house, &back, &token), Some(Inactive::Foreign.to_string()), "another lock's");
    for bad in [&token[..token.len() - 1], &[&token[..], &[0]].concat(), b"", &[0; 32], b"\xd8\x3d\xd0"] {
        assert!(!active(&ask(&house, &front, bad).unwrap()), "{bad:02x?}");
    }
    house.now = NOW.plus(3600);
    assert_eq!(why(&house, &front, &token), Some(Inactive::Expired.to_string()), "expired");
    house.now = NOW;

    let question = Question::of_bytes(Face::Form, &token);
    let (Record::Token(record), _) = house.find(&Key::Token(question.hash())).unwrap() else { panic!() };
    house.put(TokenRecord { revoked: Some(NOW), ..record.clone() });
    assert_eq!(why(&house, &front, &token), Some(Inactive::Revoked.to_string()), "revoked");
    house.put(record);
    let mut lock = house.target("front", None).unwrap().lock;
    lock.token_kid = crate::core::bytes::Blob(vec![9]);
    house.put(lock);
    assert_eq!(why(&house, &front, &token), Some(Inactive::Retired.to_string()), "under a key rotated since");

    // A person's: with its grant, and never the refresh token or the API's.
    let mut house = House::new();
    let front = own(&mut house, "lock:front", &["front"]);
    let code = house.code(&person("erik", &["staff"]), &["front"], &phone);
    let issued = house.ask(&app(phone.proof("a")), &request(redeeming(&code), "front")).unwrap();
    let token = bytes(&issued.response.token);
    let refresh = issued.response.refresh_token.unwrap();
    assert!(active(&ask(&house, &front, &token).unwrap()));
    assert!(!active(&ask(&house, &front, refresh.expose()).unwrap()), "no lock's business");
    let api = TokenRequest {
        audience: vec![format!("{ISSUER}/api/v1")],
        scope: None,
        ..request(refreshing(&refresh), "front")
    };
    let jwt = bytes(&house.ask(&app(phone.proof("b")), &api).unwrap().response.token);
    let question = Question::of_text(Face::Form, std::str::from_utf8(&jwt).unwrap());
    let known = facts(&house, &front, &question);
    assert!(known.token.is_some());
    let answered = introspect(&front, &question, &known, &house.keys, ISSUER, NOW).unwrap();
    assert!(!active(&answered.answer), "the people API's");
    let (Record::Grant(grant), _) = house.find(&Key::Grant(issued.entry.grant.unwrap())).unwrap() else { panic!() };
    house.put(Grant { revoked: Some(Revoked { at: NOW, why: RevokedWhy::Asked }), ..grant.clone() });
    assert_eq!(why(&house, &front, &token), Some(Inactive::Revoked.to_string()), "its family is revoked");
    house.records.remove(&Key::Grant(grant.id));
    assert!(!active(&ask(&house, &front, &token).unwrap()), "its grant is gone with its client");
}

/// R7662-4-01, R8392-3.1.5-01
#[test]
fn what_has_not_begun() {
    for form in [TokenForm::Reference, TokenForm::SelfContained] {
        let mut house = House::new();
        let mut lock = house.target("front", None).unwrap().lock;
        lock.abilities.form = form;
        house.put(lock);
        let front = own(&mut house, "lock:front", &["front"]);
        house.put(AdvanceConsent {
            door: "front".parse().unwrap(),
            owner: who("olga"),
            who: who("vera"),
            scope: Default::default(),
            from: Some(NOW.plus(60)),
            until: NOW.plus(600),
        });
        let phone = Pair::new(1);
        let code = house.code(&person("vera", &["visitors"]), &["front"], &phone);
        let issued = house.ask(&app(phone.proof("a")), &request(redeeming(&code), "front")).unwrap();
        let token = bytes(&issued.response.token);
        for (after, good) in [(0, false), (59, false), (60, true), (599, true), (600, false)] {
            house.now = NOW.plus(after);
            let answer = ask(&house, &front, &token).unwrap();
            assert_eq!(active(&answer), good, "{after} s");
            let json = answer.to_json();
            assert_eq!(json["nbf"].as_i64(), good.then_some(NOW.0 + 60), "{after} s: {json}");
        }
    }
}

/// RFC 9200 §5.9: the group's locks, each for itself. R9201-5-04
#[test]
fn a_groups_token_is_told_to_each_of_its_locks() {
    let mut house = House::new();
    let phone = Pair::new(1);
    for lock in ["shed", "safe", "vault"] {
        let mut record = house.target(lock, None).unwrap().lock;
        record.groups.clear();
        house.put(record);
    }
    let (back, vault) = (own(&mut house, "b", &["back"]), own(&mut house, "v", &["vault", "shed"]));
    let asked = TokenRequest {
        audience: vec!["urn:latchwork:group:building".into()],
        req_cnf: Some(ReqCnf::Key(phone.public())),
        ..machines("front")
    };
    let presented = Presented { proof: Some(phone.proof("p")), ..robot() };
    let token = bytes(&house.ask(&presented, &asked).unwrap().response.token);
    assert!(active(&ask(&house, &back, &token).unwrap()));
    assert!(!active(&ask(&house, &vault, &token).unwrap()), "in no group");
}

/// R9200-5.9.3-02, R9200-5.9.3-03, R7662-2.1-02, R7662-4-02
#[test]
fn only_a_resource_server_that_shows_itself_hears_anything() {
    let mut house = House::new();
    let front = own(&mut house, "lock:front", &["front"]);
    let token = bytes(&house.ask(&robot(), &machines("front")).unwrap().response.token);
    let id = |text: &str| text.parse::<ClientId>().unwrap();
    let secret = |id: ClientId| Presented {
        credential: Credential::Secret { id, secret: Hidden::new(b"guess".to_vec()) },
        proof: None,
    };
    let public = |id: ClientId| Presented { credential: Credential::Public { id }, proof: None };
    for (who, refusal, status) in [
        (robot(), Refusal::NotAResourceServer(id("robot")), 403),
        (secret(id("robot")), Refusal::WrongSecret(id("robot")), 401),
        (secret(id("lock:front")), Refusal::OtherMethod(id("lock:front")), 401),
        (public(id("lock:front")), Refusal::OtherMethod(id("lock:front")), 401),
        (public(id("app")), Refusal::OtherMethod(id("app")), 401),
        (public(id("nobody")), Refusal::UnknownClient(id("nobody")), 401),
        (Presented { credential: Credential::Nothing, proof: None }, Refusal::NotPresented, 401),
    ] {
        let got = ask(&house, &who, &token).unwrap_err();
        assert_eq!((got.error().http, got), (status, refusal));
    }
    assert!(active(&ask(&house, &front, &token).unwrap()));
    let lock: LockName = "front".parse().unwrap();
    assert!(house.target("front", None).unwrap().lock.is_in(&Audience::Lock(lock)));
}

/// A credential may be as large as its client likes: what a token says of it is told whole, in both forms.
#[test]
fn a_large_token_is_told_whole() {
    let mut house = House::new();
    let lock = own(&mut house, "lock:front", &["front"]);
    let phone = Pair::new(1);
    // A claim of its own, before the key: {1: text, 8: ...}.
    let mut large = vec![0xa2, 0x01, 0x79, 0x20, 0x00];
    large.extend([b'x'; 0x2000]);
    large.extend(&ccs(&phone.public()).0[1..]);
    let code = house.code(&person("erik", &["staff"]), &["front"], &phone);
    let api =
        TokenRequest { audience: vec![format!("{ISSUER}/api/v1")], scope: None, ..request(redeeming(&code), "front") };
    let refresh = house.ask(&app(phone.proof("api")), &api).unwrap().response.refresh_token.unwrap();
    let asked = TokenRequest {
        face: Face::CborHttp,
        req_cnf: Some(ReqCnf::Kccs { ccs: crate::core::bytes::Blob(large.clone()), key: phone.public() }),
        ..request(refreshing(&refresh), "front")
    };
    let issued = house.ask(&app(phone.proof("door")), &asked).unwrap();
    let answer = ask(&house, &lock, &bytes(&issued.response.token)).unwrap();
    let body = answer.to_cbor();
    let read = IntrospectionResponse::decode(&body).unwrap();
    assert!(read.active);
    assert!(matches!(read.claims.cnf, Some(Cnf::Kccs(told)) if told == large));
    assert_eq!(answer.to_json()["cnf"]["kccs"], crate::core::bytes::base64url(&large));
}
