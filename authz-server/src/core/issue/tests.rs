//! Every refusal once, beside the good cases that it guards.

use super::*;
use crate::core::api_token;
use crate::core::bytes::{Blob, Hidden, from_base64url};
use crate::core::change::Key;
use crate::core::change::{Guard, Record, Write};
use crate::core::entropy::{NoEntropy, Os};
use crate::core::records::{AdvanceConsent, RevokedWhy};
use crate::core::refusal::{AssertionFault, KeyFault};
use crate::core::request::{Credential, ProfileAsked, ReqCnf};
use crate::core::response::NewKey;
use crate::core::testing::*;

mod begins;
mod exchange;
mod faults;
mod forms;
mod minted;
mod property;
mod refresh;

fn secret(id: &str, secret: &[u8]) -> Presented {
    let secret = Hidden::new(secret.to_vec());
    Presented { credential: Credential::Secret { id: id.parse().unwrap(), secret }, proof: None }
}

fn assertion(jwt: String) -> Presented {
    Presented { credential: Credential::Assertion { id: None, jwt: Hidden::new(jwt.into_bytes()) }, proof: None }
}

fn oscore() -> Presented {
    Presented {
        credential: Credential::Channel {
            id: "coap".parse().unwrap(),
            channel: crate::core::channel::ChannelIdentity::Oscore,
        },
        proof: None,
    }
}

fn machine_request(lock: &str) -> TokenRequest {
    request(GrantAsked::ClientCredentials, lock)
}

/// What a refusal says, that it stores nothing, and that its audit line has the reason.
fn refused(house: &House, presented: &Presented, request: &TokenRequest) -> Refusal {
    let refused = house.decide(presented, request).expect_err("must be refused");
    assert_eq!(refused.changes, [], "{}", refused.refusal);
    match &refused.entry.outcome {
        Outcome::Refused { reason, .. } => assert_eq!(*reason, refused.refusal.to_string()),
        other => panic!("{other:?}"),
    }
    refused.refusal
}

/// R9200-5.8-02, R6749-2.3-01, R6749-4.1.3-02, R6749-6-01, R8252-8.4-01, R8252-8.5-01
#[test]
fn who_the_client_is() {
    let house = House::new();
    let bob = Pair::new(3);
    let unknown = || Refusal::UnknownClient("nobody".parse().unwrap());
    let other = |id: &str| Refusal::OtherMethod(id.parse().unwrap());
    let nothing = Presented { credential: Credential::Nothing, proof: None };
    let public = |id: &str| Presented { credential: Credential::Public { id: id.parse().unwrap() }, proof: None };
    for (presented, expected) in [
        (nothing, Refusal::NotPresented),
        (secret("nobody", SECRET), unknown()),
        (secret("robot", b"wrong"), Refusal::WrongSecret("robot".parse().unwrap())),
        (secret("robot", b""), Refusal::WrongSecret("robot".parse().unwrap())),
        (public("robot"), other("robot")),
        (public("signer"), other("signer")),
        (public("coap"), other("coap")),
        (secret("app", SECRET), other("app")),
        (secret("signer", SECRET), other("signer")),
        (secret("coap", SECRET), other("coap")),
        (assertion(bob.assertion_with("robot", |_, _| {})), other("robot")),
        (public("app"), Refusal::Proof(ProofFault::Missing)),
    ] {
        assert_eq!(refused(&house, &presented, &machine_request("front")), expected);
    }
    for good in [robot(), assertion(Pair::new(9).assertion_with("signer", |_, _| {}))] {
        house.decide(&good, &machine_request("front")).unwrap();
    }
    let over_coap = TokenRequest { face: Face::CborCoap, ..machine_request("front") };
    house.decide(&oscore(), &over_coap).unwrap();
}

/// R9126-2-02, R9700-2.5-01, R7523-2.2-01, R7523-3-01, R7523-3-02, R7523-3-03, R7523-3-04, R7523-3-05
#[test]
fn assertions() {
    type Change = fn(&mut serde_json::Value, &mut serde_json::Value);
    let mut house = House::new();
    let signer = Pair::new(9);
    let rows: [(Change, AssertionFault); 16] = [
        (|h, _| h["alg"] = "none".into(), AssertionFault::Algorithm),
        (|h, _| h["alg"] = "HS256".into(), AssertionFault::Algorithm),
        (|h, _| h["alg"] = "EdDSA".into(), AssertionFault::Signature),
        (|h, _| h["kid"] = "other".into(), AssertionFault::UnknownKey),
        (|h, _| h["crit"] = serde_json::json!(["b64"]), AssertionFault::Malformed),
        (|_, c| c["iss"] = "robot".into(), AssertionFault::Subject),
        (|_, c| c["aud"] = "https://other.example".into(), AssertionFault::Audience),
        (|_, c| c["aud"] = format!("{ISSUER}/authorize").into(), AssertionFault::Audience),
        (|_, c| c["exp"] = NOW.0.into(), AssertionFault::Time),
        (|_, c| c["nbf"] = (NOW.0 + 60).into(), AssertionFault::Time),
        (|_, c| c["iat"] = (NOW.0 + 60).into(), AssertionFault::Time),
        (|_, c| c["exp"] = (NOW.0 + 3600).into(), AssertionFault::TooLong),
        (|_, c| c["jti"] = "".into(), AssertionFault::Malformed),
        (|_, c| c["jti"] = serde_json::Value::Null, AssertionFault::Malformed),
        (|_, c| c["exp"] = "soon".into(), AssertionFault::Malformed),
        (|_, c| c["aud"] = 1.into(), AssertionFault::Malformed),
    ];
    for (place, (change, fault)) in rows.into_iter().enumerate() {
        let presented = assertion(signer.assertion_with("signer", change));
        assert_eq!(refused(&house, &presented, &machine_request("front")), Refusal::Assertion(fault), "row {place}");
    }
    let foreign = assertion(Pair::new(10).assertion_with("signer", |_, _| {}));
    assert_eq!(refused(&house, &foreign, &machine_request("front")), AssertionFault::Signature.into());
    for change in [
        (|_, c| c["aud"] = format!("{ISSUER}/token").into()) as Change,
        |_, c| c["aud"] = format!("{ISSUER}/par").into(), // RFC 9126 §2
        |_, c| c["aud"] = serde_json::json!(["https://other.example", ISSUER]),
        |_, c| c["exp"] = (NOW.0 as f64 + 60.5).into(),
    ] {
        house.decide(&assertion(signer.assertion_with("signer", change)), &machine_request("front")).unwrap();
    }
    let once = assertion(signer.assertion_with("signer", |_, _| {}));
    house.ask(&once, &machine_request("front")).unwrap();
    assert_eq!(house.ask(&once, &machine_request("front")).unwrap_err(), AssertionFault::Replayed.into());
    assert_eq!(house.ask(&once, &machine_request("back")).unwrap_err(), AssertionFault::Replayed.into());
}

/// R9449-4.3-01, R9449-4.3-02, R9449-4.3-03, R9449-4.3-04, R9449-11.1-01, R9449-11.6-01
#[test]
fn proofs() {
    type Change = fn(&mut serde_json::Value, &mut serde_json::Value);
    let mut house = House::new();
    let phone = Pair::new(1);
    let code = house.code(&person("erik", &["staff"]), &["front"], &phone);
    let asked = request(redeeming(&code), "front");
    let rows: [(Change, ProofFault); 14] = [
        (|h, _| h["typ"] = "JWT".into(), ProofFault::Malformed),
        (|h, _| h["alg"] = "none".into(), ProofFault::Algorithm),
        (|h, _| h["alg"] = "EdDSA".into(), ProofFault::Signature),
        (|h, _| h["jwk"] = serde_json::json!(Pair::new(2).public()), ProofFault::Signature),
        (|h, _| h["jwk"]["d"] = "AA".into(), ProofFault::Malformed),
        (|h, _| drop(h.as_object_mut().unwrap().remove("jwk")), ProofFault::Malformed),
        (|_, c| c["htm"] = "GET".into(), ProofFault::Target),
        (|_, c| c["htu"] = "https://as.example:8443/par".into(), ProofFault::Target),
        (|_, c| c["htu"] = "https://evil.example/token".into(), ProofFault::Target),
        (|_, c| c["htu"] = "https://as.example/token".into(), ProofFault::Target),
        (|_, c| c["iat"] = (NOW.0 - 121).into(), ProofFault::Time),
        (|_, c| c["iat"] = (NOW.0 + 61).into(), ProofFault::Time),
        (|_, c| c["jti"] = "".into(), ProofFault::Malformed),
        (|_, c| drop(c.as_object_mut().unwrap().remove("jti")), ProofFault::Malformed),
    ];
    for (place, (change, fault)) in rows.into_iter().enumerate() {
        let presented = app(phone.proof_with("one", change));
        assert_eq!(refused(&house, &presented, &asked), Refusal::Proof(fault), "row {place}");
    }
    for change in [
        (|_, c| c["htu"] = "HTTPS://AS.example:8443/token?x#y".into()) as Change,
        |_, c| c["iat"] = (NOW.0 - 120).into(),
        |_, c| c["iat"] = (NOW.0 + 60).into(),
    ] {
        house.decide(&app(phone.proof_with("one", change)), &asked).unwrap();
    }
    let issued = house.ask(&app(phone.proof("one")), &asked).unwrap();
    let again = request(refreshing(&issued.response.refresh_token.unwrap()), "front");
    assert_eq!(house.ask(&app(phone.proof("one")), &again).unwrap_err(), ProofFault::Replayed.into());
    house.ask(&app(phone.proof("two")), &again).unwrap();
}

/// R9200-5.8-01, R9200-5.8-02, R6749-4.1.2-01, R6749-4.1.3-01, R7636-4.4-01, R7636-4.6-01, R8252-6-02,
/// R9700-2.1.1-02, R9449-10-01
#[test]
fn codes() {
    let mut house = House::new();
    let (phone, thief) = (Pair::new(1), Pair::new(2));
    house.put(native("other", &[REDIRECT]));
    let code = house.code(&person("erik", &["staff"]), &["front"], &phone);
    let with = |redirect: Option<&str>, verifier: Option<&str>| GrantAsked::AuthorizationCode {
        code: code.clone(),
        redirect_uri: redirect.map(str::to_owned),
        verifier: verifier.map(|text| Hidden::new(text.into())),
    };
    let guess = Hidden::new(b"guess".to_vec());
    let other =
        Presented { credential: Credential::Public { id: "other".parse().unwrap() }, proof: Some(phone.proof("o")) };
    for (presented, grant, fault) in [
        (app(phone.proof("a")), redeeming(&guess), GrantFault::Unknown),
        (other, redeeming(&code), GrantFault::OtherClient),
        (app(thief.proof("a")), redeeming(&code), GrantFault::Key),
        (app(phone.proof("a")), with(None, Some(VERIFIER)), GrantFault::Redirect),
        (app(phone.proof("a")), with(Some("http://127.0.0.1:1/cb"), Some(VERIFIER)), GrantFault::Redirect),
        (app(phone.proof("a")), with(Some(REDIRECT), None), GrantFault::Verifier),
        (
            app(phone.proof("a")),
            with(Some(REDIRECT), Some("wrong-verifier-wrong-verifier-wrong-verifier")),
            GrantFault::Verifier,
        ),
    ] {
        assert_eq!(refused(&house, &presented, &request(grant, "front")), fault.into());
    }
    let asked = request(redeeming(&code), "front");
    house.now = NOW.plus(60);
    assert_eq!(refused(&house, &app(phone.proof("a")), &asked), GrantFault::Expired.into());
    house.now = NOW;
    let cbor = TokenRequest { face: Face::CborHttp, ..asked.clone() };
    assert!(matches!(refused(&house, &app(phone.proof("a")), &cbor), Refusal::UnsupportedGrant(_)));

    let issued = house.ask(&app(phone.proof("a")), &asked).unwrap();
    let id = issued.entry.grant.unwrap();
    let revoked = |house: &House| match house.find(&Key::Grant(id)).unwrap().0 {
        Record::Grant(grant) => grant.revoked,
        other => panic!("{other:?}"),
    };
    // A thief with the code, even with the verifier, ends nothing; the app coming twice ends its grant.
    assert_eq!(house.ask(&app(thief.proof("b")), &asked).unwrap_err(), GrantFault::Key.into());
    assert_eq!(revoked(&house), None);
    assert_eq!(house.ask(&app(phone.proof("c")), &asked).unwrap_err(), GrantFault::Reused.into());
    assert_eq!(revoked(&house).unwrap().why, RevokedWhy::CodeReused);
    let refresh = request(refreshing(&issued.response.refresh_token.unwrap()), "front");
    assert_eq!(refused(&house, &app(phone.proof("d")), &refresh), GrantFault::Revoked.into());
}

/// R6749-4.1.2-01
#[test]
fn a_code_raced_by_itself_is_redeemed_once() {
    let mut house = House::new();
    let phone = Pair::new(1);
    let code = house.code(&person("erik", &["staff"]), &["front"], &phone);
    let asked = request(redeeming(&code), "front");
    let first = house.decide(&app(phone.proof("a")), &asked).unwrap();
    let second = house.decide(&app(phone.proof("b")), &asked).unwrap();
    house.commit(&first.changes).unwrap();
    assert!(house.commit(&second.changes).is_err());
}

/// R6749-2.3-01, R6749-4.4-01, R9700-2.4-01
#[test]
fn grants_that_a_client_may_not_use() {
    let mut house = House::new();
    let phone = Pair::new(1);
    let mut greedy = native("greedy", &[REDIRECT]);
    greedy.grants = BTreeSet::from([GrantKind::ClientCredentials]);
    house.put(greedy);
    let greedy =
        Presented { credential: Credential::Public { id: "greedy".parse().unwrap() }, proof: Some(phone.proof("g")) };
    for (presented, grant, id) in [
        (robot(), redeeming(&Hidden::default()), "robot"),
        (robot(), refreshing(&Hidden::default()), "robot"),
        (app(phone.proof("a")), GrantAsked::ClientCredentials, "app"),
        (greedy, GrantAsked::ClientCredentials, "greedy"),
    ] {
        assert_eq!(
            refused(&house, &presented, &request(grant, "front")),
            Refusal::GrantNotAllowed(id.parse().unwrap())
        );
    }
    let password = GrantAsked::Other("password".into());
    assert_eq!(refused(&house, &robot(), &request(password, "front")), Refusal::UnsupportedGrant("password".into()));
}

/// R9200-5.8.1-08, R9237-2.1-01, R8747-4-01, R6749-6-01, R9700-4.14.2-01
#[test]
fn audiences() {
    let mut house = House::new();
    let phone = Pair::new(1);
    let named = |audience: &[&str]| TokenRequest {
        audience: audience.iter().map(|text| (*text).into()).collect(),
        ..machine_request("front")
    };
    let api = Audience::api_of(ISSUER);
    for (audience, fault) in [
        (vec![], AudienceFault::Missing),
        (vec!["urn:latchwork:lock:front", "urn:latchwork:lock:back"], AudienceFault::Several),
        (vec!["urn:latchwork:lock:front", "urn:latchwork:lock:front"], AudienceFault::Several),
        (vec!["urn:latchwork:lock:none"], AudienceFault::Unknown("urn:latchwork:lock:none".into())),
        (vec!["urn:latchwork:group:none"], AudienceFault::Unknown("urn:latchwork:group:none".into())),
        (vec!["coap://door.example"], AudienceFault::Unknown("coap://door.example".into())),
        (vec![""], AudienceFault::Unknown(String::new())),
        (vec!["https://evil.example/api/v1"], AudienceFault::Unknown("https://evil.example/api/v1".into())),
        (vec!["https://as.example:8443/api/v1"], AudienceFault::PeopleOnly(api)),
    ] {
        assert_eq!(refused(&house, &robot(), &named(&audience)), Refusal::Audience(fault), "{audience:?}");
    }
    let (Record::Lock(mut lock), _) = house.find(&Key::Lock("shed".parse().unwrap())).unwrap() else { panic!() };
    lock.token_kid = Blob::default();
    house.put(lock);
    let shed = || "urn:latchwork:lock:shed".parse().unwrap();
    let proven = || Presented { proof: Some(phone.proof("a")), ..robot() };
    let signed = TokenRequest { req_cnf: Some(ReqCnf::Key(phone.public())), ..machine_request("shed") };
    for (presented, asked) in [(robot(), machine_request("shed")), (proven(), signed)] {
        assert_eq!(refused(&house, &presented, &asked), AudienceFault::NotEnrolled(shed()).into());
    }
    let both = house.code(&person("erik", &["staff"]), &["front", "back"], &phone);
    let missing = TokenRequest { audience: vec![], ..request(redeeming(&both), "front") };
    assert_eq!(refused(&house, &app(phone.proof("a")), &missing), AudienceFault::Missing.into());
    let foreign = request(redeeming(&both), "shed");
    house.put(Lock { token_kid: Blob(vec![1]), ..house.target("shed", None).unwrap().lock });
    assert_eq!(refused(&house, &app(phone.proof("a")), &foreign), AudienceFault::NotGranted(shed()).into());
    let one = house.code(&person("erik", &["staff"]), &["back"], &phone);
    let only = TokenRequest { audience: vec![], ..request(redeeming(&one), "back") };
    let issued = house.decide(&app(phone.proof("a")), &only).unwrap();
    assert_eq!(issued.entry.audience, Some("urn:latchwork:lock:back".parse().unwrap()));
}

/// R9200-5.8.1-07, R9200-6.1-04, R6749-3.3-01
#[test]
fn scopes() {
    let house = House::new();
    let scoped = |scope: Option<ScopeAsked>, lock: &str| TokenRequest { scope, ..machine_request(lock) };
    let text = |text: &str| Some(ScopeAsked::Text(text.parse().unwrap()));
    let aif = |entries: &[(&str, u64)]| {
        let entries: Vec<_> = entries.iter().map(|(path, methods)| scope::AifEntry((*path).into(), *methods)).collect();
        Some(ScopeAsked::Aif(scope::encode(&entries).unwrap()))
    };
    for (scope, lock, refusal) in [
        (text("door:remove"), "front", Refusal::UnknownScope("door:remove".into())),
        (text("door:open door:remove"), "front", Refusal::UnknownScope("door:remove".into())),
        (text("door:open"), "vault", Refusal::NothingGranted),
        (None, "vault", Refusal::NothingGranted),
        (aif(&[("/door", 2)]), "vault", Refusal::NothingGranted),
        (aif(&[("/other", 2)]), "front", Refusal::UnknownScope("(AIF)".into())),
        (aif(&[("/door", 4)]), "front", Refusal::UnknownScope("(AIF)".into())),
        (Some(ScopeAsked::Aif(Blob(vec![0xff]))), "front", Refusal::UnknownScope("(no AIF)".into())),
    ] {
        assert_eq!(refused(&house, &robot(), &scoped(scope.clone(), lock)), refusal, "{scope:?} {lock}");
    }
    for (asked, answered) in [
        (text("door:open"), text("door:open")),
        (None, text("door:open door:state")),
        (aif(&[("/door", 7), ("/other", 1)]), aif(&[("/door", 3)])),
        (aif(&[("/door", 1)]), aif(&[("/door", 1)])),
    ] {
        let issued = house.decide(&robot(), &scoped(asked.clone(), "front")).unwrap();
        assert_eq!(issued.response.scope, answered, "{asked:?}");
    }
}

/// R9200-5.8.1-04, R9200-5.8.2-06, R9201-3.1-02, R9203-3.1-02, R9203-3.2-07, R8747-3.2-02, EDHOC-3.1-06
#[test]
fn keys() {
    let mut house = House::new();
    let (phone, other) = (Pair::new(1), Pair::new(2));
    let signer = |jti: &str| assertion(Pair::new(9).assertion_with("signer", |_, c| c["jti"] = jti.into()));
    let with = |cnf: ReqCnf, face| TokenRequest { req_cnf: Some(cnf), face, ..machine_request("front") };
    let key = |pair: &Pair| ReqCnf::Key(pair.public());
    let proven = |pair: &Pair| Presented { proof: Some(pair.proof("p")), ..robot() };
    let kid = ReqCnf::Kid(Blob(vec![1; 8]));
    for (presented, asked, fault) in [
        (robot(), with(ReqCnf::Unsupported, Face::Form), KeyFault::Unsupported),
        (robot(), with(key(&phone), Face::Form), KeyFault::NotProven),
        (robot(), with(kccs(&phone), Face::CborHttp), KeyFault::NotProven),
        (proven(&other), with(key(&phone), Face::Form), KeyFault::NotProven),
        (signer("1"), with(key(&phone), Face::Form), KeyFault::NotProven),
        (oscore(), with(key(&phone), Face::CborCoap), KeyFault::OscOnly),
        (robot(), with(kid, Face::Form), KeyFault::UnknownContext),
        (
            proven(&phone),
            TokenRequest { audience: vec!["urn:latchwork:lock:back".into()], ..with(key(&phone), Face::Form) },
            KeyFault::NoLockCredential,
        ),
    ] {
        assert_eq!(refused(&house, &presented, &asked), fault.into(), "{:?}", asked.req_cnf);
    }
    assert_eq!(refused(&house, &proven(&phone), &with(kccs(&phone), Face::Form)), Refusal::CborOnly);
    for (presented, asked) in [
        (proven(&phone), with(key(&phone), Face::Form)),
        (proven(&phone), with(kccs(&phone), Face::CborHttp)),
        (signer("2"), with(key(&Pair::new(9)), Face::Form)),
    ] {
        let issued = house.decide(&presented, &asked).unwrap();
        assert!(issued.response.cnf.is_none() && issued.response.rs_cnf.is_some());
    }
    let first = house.ask(&robot(), &machine_request("front")).unwrap();
    let id = first.response.cnf.unwrap().id().clone();
    let update = with(ReqCnf::Kid(id.clone()), Face::Form);
    assert!(house.ask(&robot(), &update).unwrap().response.cnf.is_none());
    assert_eq!(refused(&house, &signer("3"), &update), KeyFault::UnknownContext.into(), "another client's context");
    let elsewhere = TokenRequest { req_cnf: Some(ReqCnf::Kid(id)), ..machine_request("back") };
    assert_eq!(refused(&house, &robot(), &elsewhere), KeyFault::UnknownContext.into(), "another lock's context");
    house.now = NOW.plus(3600);
    assert_eq!(refused(&house, &robot(), &update), KeyFault::UnknownContext.into(), "a context that has ended");
}

/// R9200-6.1-02, R9200-6.9-01, R9201-5-04
#[test]
fn groups_take_signed_tokens_only() {
    let mut house = House::new();
    let phone = Pair::new(1);
    let proven = Presented { proof: Some(phone.proof("p")), ..robot() };
    let group = TokenRequest { audience: vec!["urn:latchwork:group:building".into()], ..machine_request("front") };
    let key = TokenRequest { req_cnf: Some(ReqCnf::Key(phone.public())), ..group.clone() };
    let building = || "urn:latchwork:group:building".parse().unwrap();
    assert_eq!(refused(&house, &proven, &key), AudienceFault::GroupWithoutClock(building()).into());
    for lock in ["shed", "safe"] {
        let mut record = house.target(lock, None).unwrap().lock;
        record.groups.clear();
        house.put(record);
    }
    assert_eq!(refused(&house, &proven, &group), KeyFault::GroupNeedsPublicKey.into());
    assert_eq!(refused(&house, &proven, &key), Refusal::NothingGranted, "one door of the group is the server room");
    let mut vault = house.target("vault", None).unwrap().lock;
    vault.groups.clear();
    house.put(vault);
    let issued = house.decide(&proven, &key).unwrap();
    assert!(issued.response.rs_cnf.is_none());
}

#[test]
fn an_owners_consent_opens_and_ends() {
    let mut house = House::new();
    let phone = Pair::new(1);
    let code = house.code(&person("vera", &["visitors"]), &["front"], &phone);
    let asked = request(redeeming(&code), "front");
    assert_eq!(refused(&house, &app(phone.proof("a")), &asked), Refusal::NothingGranted);
    let until = NOW.plus(600);
    house.put(AdvanceConsent {
        door: "front".parse().unwrap(),
        owner: who("olga"),
        who: who("vera"),
        scope: Scope::default(),
        from: None,
        until,
    });
    let issued = house.ask(&app(phone.proof("a")), &asked).unwrap();
    assert_eq!(issued.response.expires_in, 600, "no token outlives the consent it hangs on");
    assert_eq!(issued.entry.policies, ["visitors-with-consent"]);
    house.now = until;
    let later = request(refreshing(&issued.response.refresh_token.unwrap()), "front");
    let late = app(phone.proof_with("b", |_, c| c["iat"] = until.0.into()));
    assert_eq!(refused(&house, &late, &later), Refusal::NothingGranted);
}

/// The owner was asked about one word; the yes is no yes to another.
#[test]
fn a_consent_covers_what_the_owner_was_asked() {
    let mut house = House::new();
    let phone = Pair::new(1);
    let code = house.code(&person("vera", &["visitors"]), &["front"], &phone);
    for (consented, asked, granted) in [
        ("door:state", Some("door:open"), None),
        ("door:state", Some("door:open door:state"), Some("door:state")),
        ("door:state", None, Some("door:state")),
        ("door:open door:state", Some("door:open"), Some("door:open")),
        ("", Some("door:open"), Some("door:open")),
    ] {
        let scope = Scope::try_from(consented.to_owned()).unwrap();
        let (owner, until) = (who("olga"), NOW.plus(600));
        house.put(AdvanceConsent { door: "front".parse().unwrap(), owner, who: who("vera"), scope, from: None, until });
        let asked = asked.map(|words| ScopeAsked::Text(words.parse().unwrap()));
        let asked = TokenRequest { scope: asked, ..request(redeeming(&code), "front") };
        let got = house.decide(&app(phone.proof("a")), &asked).ok().map(|issued| match issued.response.scope {
            Some(ScopeAsked::Text(words)) => words.to_string(),
            other => panic!("{other:?}"),
        });
        assert_eq!(got.as_deref(), granted, "consent to {consented:?}, asked {:?}", asked.scope);
    }
}

/// R9200-5.8.2-05, R9770-3-03, R9700-2.2.1-01, R9449-5-01, R9449-6-01
#[test]
fn the_people_api_wants_a_proof_and_gives_a_jwt() {
    let mut house = House::new();
    let (phone, thief) = (Pair::new(1), Pair::new(2));
    let code = house.code(&person("erik", &["staff"]), &["front", "back"], &phone);
    let api = format!("{ISSUER}/api/v1");
    let asked = TokenRequest { audience: vec![api.clone()], scope: None, ..request(redeeming(&code), "front") };
    let cbor = TokenRequest { face: Face::CborHttp, ..asked.clone() };
    assert!(house.decide(&app(phone.proof("a")), &cbor).is_err());
    let issued = house.ask(&app(phone.proof("a")), &asked).unwrap();
    let json = issued.response.to_json();
    assert_eq!((json["token_type"].as_str(), json["expires_in"].as_u64()), (Some("DPoP"), Some(300)));
    assert!(issued.response.to_cbor().is_none() && json.get("cnf").is_none());
    let token = json["access_token"].as_str().unwrap();
    let payload = from_base64url(token.split('.').nth(1).unwrap()).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(claims["aud"], api);

    let key = house.keys.api_published(NOW);
    let ath = crate::core::bytes::base64url(&Hash32::of(&[token.as_bytes()]).0);
    let proof = |pair: &Pair, ath: &str| {
        let mut proof = pair.proof_with("x", |_, c| {
            c["ath"] = ath.into();
            c["htm"] = "GET".into();
            c["htu"] = format!("{api}/doors").into();
        });
        (proof.method, proof.url) = ("GET".into(), format!("{api}/doors"));
        proof
    };
    let holder = api_token::check(token, &proof(&phone, &ath), ISSUER, &key, NOW).unwrap();
    assert_eq!(Some(holder.grant), issued.entry.grant);
    use api_token::ApiRefusal::{Expired, NotOurs, Proof};
    let signed_by_another = Keys::random().unwrap().api_published(NOW);
    for (got, expected) in [
        (api_token::check(token, &proof(&thief, &ath), ISSUER, &key, NOW), Proof(ProofFault::ForeignKey)),
        (api_token::check(token, &proof(&phone, "x"), ISSUER, &key, NOW), Proof(ProofFault::TokenHash)),
        (api_token::check(token, &proof(&phone, &ath), "https://other", &key, NOW), NotOurs),
        (api_token::check(token, &proof(&phone, &ath), ISSUER, &signed_by_another, NOW), NotOurs),
        (api_token::check(token, &proof(&phone, &ath), ISSUER, &key, NOW.plus(300)), Expired),
        (api_token::check(&phone.proof("y").jwt, &proof(&phone, &ath), ISSUER, &key, NOW), NotOurs),
    ] {
        assert_eq!(got.unwrap_err(), expected);
    }
}

#[test]
fn without_entropy_or_with_a_worn_key_nothing_is_minted() {
    struct Dry;
    impl Entropy for Dry {
        fn fill(&mut self, _: &mut [u8]) -> Result<(), NoEntropy> {
            Err(NoEntropy)
        }
    }
    let mut house = House::new();
    let refused = house.decide_with(&robot(), &machine_request("front"), &mut Dry).unwrap_err();
    assert_eq!((refused.refusal, refused.changes), (ServerFault::Entropy.into(), vec![]));
    let mut lock = house.target("front", None).unwrap().lock;
    lock.token_key_wear = 1 << 15;
    house.put(lock);
    let refusal = house.decide_with(&robot(), &machine_request("front"), &mut Os).unwrap_err().refusal;
    assert_eq!(refusal, ServerFault::TokenKeyWornOut.into());
}

#[test]
fn one_token_in_65536_wears_the_key() {
    struct Zeros;
    impl Entropy for Zeros {
        fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
            out.fill(0);
            Ok(())
        }
    }
    let house = House::new();
    let issued = house.decide_with(&robot(), &machine_request("front"), &mut Zeros).unwrap();
    let worn = issued.changes.iter().find_map(|change| match &change.write {
        Write::Put(Record::Lock(lock)) => Some((lock.token_key_wear, change.guard)),
        _ => None,
    });
    assert!(matches!(worn, Some((1, Guard::At(_)))));
}
