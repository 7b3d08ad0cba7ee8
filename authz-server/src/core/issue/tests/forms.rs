//! Tokens in every form: MACed, references, keys for DTLS in the clear of an encrypted token or wrapped in a signed one.

use super::*;
use crate::core::change::Rev;
use crate::core::records::{AceProfile, LiveContext, TokenForm};
use latchwork_ace::cose::{Envelope, Kind, Token as Strict};
use latchwork_ace::cose_key::Key as Material;
use latchwork_ace::{Claims as StrictClaims, Cnf, CoseKey};
use latchwork_crypto::{RustCrypto, Symmetric, hkdf_sha256_expand, hkdf_sha256_extract};

fn with(change: impl FnOnce(&mut Lock)) -> House {
    let mut house = House::new();
    let mut lock = house.target("front", None).unwrap().lock;
    change(&mut lock);
    house.put(lock);
    house
}

fn bytes(issued: &Issued) -> &[u8] {
    match &issued.response.token {
        Token::Cwt(bytes) => bytes,
        Token::Jwt(text) => panic!("{text}"),
    }
}

fn dtls() -> TokenRequest {
    TokenRequest { ace_profile: Some(ProfileAsked::only(AceProfile::CoapDtls.number())), ..machine_request("front") }
}

/// R9770-3-01, R9770-3-02, R8392-7.1-01
#[test]
fn maced_for_a_lock_that_wants_no_public_key_operation() {
    let house = with(|lock| lock.abilities.protection = crate::core::records::Protection::Maced);
    let phone = Pair::new(1);
    let presented = Presented { proof: Some(phone.proof("p")), ..robot() };
    let asked = TokenRequest { req_cnf: Some(ReqCnf::Key(phone.public())), ..machine_request("front") };
    let issued = house.decide(&presented, &asked).unwrap();
    assert_eq!(&bytes(&issued)[..3], [0xd8, 0x3d, 0xd1]);
    let payload = claims_of(bytes(&issued));
    assert!(matches!(StrictClaims::decode(&payload).unwrap().cnf, Some(Cnf::CoseKey(key)) if key.as_p256().is_some()));
    let coset = <coset::CoseMac0 as coset::TaggedCborSerializable>::from_tagged_slice(&bytes(&issued)[2..]).unwrap();
    assert!(coset.unprotected.is_empty());
    // Without the key that enrolment makes, there is nobody to read it.
    let bare = with(|lock| {
        lock.abilities.protection = crate::core::records::Protection::Maced;
        lock.mac = None;
    });
    let front = "urn:latchwork:lock:front".parse().unwrap();
    assert_eq!(refused(&bare, &presented, &asked), AudienceFault::NotEnrolled(front).into());
}

/// R9202-3.3.1-03, R9202-3.2.1-05, R9201-3.2-01, R9201-3.2-02, R8747-3.2-02
#[test]
fn a_symmetric_key_for_dtls() {
    let house = House::new();
    let issued = house.decide(&robot(), &dtls()).unwrap();
    let plaintext = claims_of(bytes(&issued));
    let Some(Cnf::CoseKey(CoseKey { kid, key: Material::Symmetric { k }, .. })) =
        StrictClaims::decode(&plaintext).unwrap().cnf
    else {
        panic!()
    };
    let Some(NewKey::Key(told)) = &issued.response.cnf else { panic!() };
    assert_eq!((kid, k), (Some(&told.kid.0[..]), told.k.expose()));
    assert!(matches!(Strict::parse(bytes(&issued)), Ok(Strict::Encrypt0(_))) && k.len() == 16);
    assert!(issued.response.rs_cnf.is_none());
    let json = issued.response.to_json();
    assert_eq!((json["cnf"]["jwk"]["kty"].as_str(), json["ace_profile"].as_str()), (Some("oct"), Some("coap_dtls")));
    let body = issued.response.to_cbor().unwrap();
    let read = latchwork_ace::TokenResponse::decode(&body).unwrap();
    assert!(matches!(read.cnf, Some(Cnf::CoseKey(key)) if key.kid == Some(&told.kid.0)));
}

/// RFC 8747 §3.3: the token can be read by all, the key by the lock. R9200-3.1-01, R9200-6.1-01
#[test]
fn a_symmetric_key_wrapped_in_a_signed_or_maced_token() {
    for protection in [crate::core::records::Protection::Signed, crate::core::records::Protection::Maced] {
        let house = with(|lock| (lock.abilities.wrapped, lock.abilities.protection) = (true, protection));
        let issued = house.decide(&robot(), &dtls()).unwrap();
        let Some(NewKey::Key(told)) = &issued.response.cnf else { panic!() };
        let token = bytes(&issued);
        assert!(!matches!(Strict::parse(token), Ok(Strict::Encrypt0(_)) | Err(_)));
        assert!(!token.windows(16).any(|window| window == told.k.expose()), "in the clear");
        let payload = claims_of(token);
        let Some(Cnf::EncryptedCoseKey(wrapped)) = StrictClaims::decode(&payload).unwrap().cnf else { panic!() };
        let wrapped = Envelope::parse_untagged(Kind::Encrypt0, wrapped).unwrap();
        assert_eq!((wrapped.kid(), wrapped.protected.alg.map(|alg| alg.0)), (Some(&[1_u8, 2, 3][..]), Some(30)));
        let mut aad = [0; 256];
        let aad = latchwork_ace::cose::join(&wrapped.enc_structure(), &mut aad).unwrap();
        let (text, tag) = wrapped.content.split_last_chunk::<16>().unwrap();
        let iv = wrapped.iv().unwrap().try_into().unwrap();
        // The key of tokens does not open it: it cannot be passed off as one.
        RustCrypto.ccm_open(&LOCK_KEY, iv, aad, &mut text.to_vec(), tag).unwrap_err();
        let mut text = text.to_vec();
        let secret = hkdf_sha256_extract(&RustCrypto, &[], &LOCK_KEY).unwrap();
        let mut wrapping = [0; 16];
        hkdf_sha256_expand(&RustCrypto, &secret, b"latchwork Encrypted_COSE_Key", &mut wrapping).unwrap();
        RustCrypto.ccm_open(&wrapping, iv, aad, &mut text, tag).unwrap();
        let key = CoseKey::decode(&text).unwrap();
        assert_eq!(key.kid, Some(&told.kid.0[..]));
        assert!(matches!(key.key, Material::Symmetric { k } if k == told.k.expose()));
        // An OSCORE secret never goes that way.
        let oscore = house.decide(&robot(), &machine_request("front")).unwrap();
        assert!(matches!(Strict::parse(bytes(&oscore)), Ok(Strict::Encrypt0(_))));
    }
}

/// R9202-3.3.1-01, R9202-4-02, R9202-4-03, R9203-3.1-02: three answers to a kid that is none.
#[test]
fn the_name_of_a_key_used_before() {
    let mut house = House::new();
    let first = house.ask(&robot(), &dtls()).unwrap();
    let kid = first.response.cnf.as_ref().unwrap().id().clone();
    let named = |kid: &Blob, asked: TokenRequest| TokenRequest { req_cnf: Some(ReqCnf::Kid(kid.clone())), ..asked };
    let again = house.ask(&robot(), &named(&kid, machine_request("front"))).unwrap();
    let plaintext = claims_of(bytes(&again));
    assert!(matches!(StrictClaims::decode(&plaintext).unwrap().cnf, Some(Cnf::Kid(inside)) if inside == kid.0));
    assert!(again.response.cnf.is_none());
    let nobodys = Blob(vec![9; 8]);
    let fresh = house.decide(&robot(), &named(&nobodys, dtls())).unwrap();
    assert_ne!(*fresh.response.cnf.unwrap().id(), nobodys, "a new key");
    let signer = assertion(Pair::new(9).assertion_with("signer", |_, _| {}));
    assert_eq!(refused(&house, &signer, &named(&kid, dtls())), KeyFault::ForeignKey.into());
    assert_eq!(refused(&house, &signer, &named(&kid, machine_request("front"))), KeyFault::UnknownContext.into());
    house.now = NOW.plus(3600);
    assert_eq!(refused(&house, &robot(), &named(&kid, dtls())), KeyFault::ForeignKey.into(), "it has ended");
    let oscore = LiveContext {
        lock: "front".parse().unwrap(),
        id: nobodys.clone(),
        profile: AceProfile::CoapOscore,
        client: "robot".parse().unwrap(),
        grant: None,
        expires: house.now.plus(60),
    };
    house.put(oscore);
    assert_eq!(
        refused(&house, &robot(), &named(&nobodys, dtls())),
        KeyFault::NoCommonProfile.into(),
        "of another profile"
    );
}

#[test]
fn a_reference_says_nothing_and_its_record_is_sealed() {
    for (lock, cnonce) in [("front", None), ("shed", None), ("safe", Some(Blob(vec![7; 8])))] {
        let mut house = House::new();
        let mut record = house.target(lock, None).unwrap().lock;
        record.abilities.form = TokenForm::Reference;
        house.put(record);
        let issued = house.decide(&robot(), &TokenRequest { cnonce: cnonce.clone(), ..machine_request(lock) }).unwrap();
        assert_eq!(bytes(&issued).len(), 32);
        let Some(NewKey::Osc(osc)) = &issued.response.cnf else { panic!() };
        let record = issued.changes.iter().find_map(|change| match &change.write {
            Write::Put(Record::Token(record)) => Some(record.clone()),
            _ => None,
        });
        let record = record.unwrap();
        let sealed = record.claims.unwrap();
        assert!(!sealed.0.0.windows(16).any(|window| window == osc.ms.expose()), "in the clear");
        let label = crate::core::records::TokenRecord::claims_label(&record.hash);
        let opened = house.keys.storage.open(&label, &sealed.0.0).unwrap();
        let claims = StrictClaims::decode(&opened).unwrap();
        assert!(matches!(claims.cnf, Some(Cnf::Osc(inside)) if inside.ms == osc.ms.expose()));
        assert_eq!(
            (claims.exp, claims.exi, claims.cnonce),
            (Some(NOW.0 + 3600), None, cnonce.as_ref().map(|it| &it.0[..]))
        );
        assert_eq!(record.expires, NOW.plus(3600));
    }
}

/// R9200-5.8.2-02
#[test]
fn the_profile_is_named_whether_asked_for_or_not() {
    let house = House::new();
    for (asked, named) in [
        (None, 2),
        (Some(ProfileAsked::Tell), 2),
        (Some(ProfileAsked::only(AceProfile::CoapOscore.number())), 2),
        (Some(ProfileAsked::only(AceProfile::CoapDtls.number())), 1),
    ] {
        let issued = house.decide(&robot(), &TokenRequest { ace_profile: asked, ..machine_request("front") }).unwrap();
        assert_eq!(issued.response.profile.map(|profile| profile.0), Some(named), "{asked:?}");
    }
    let mut robot_record = machine("robot", ClientAuth::None);
    robot_record.auth = match house.find(&Key::Client("robot".parse().unwrap())).unwrap() {
        (Record::Client(client), Rev(_)) => client.auth,
        other => panic!("{other:?}"),
    };
    robot_record.profiles = [AceProfile::CoapEdhocOscore].into();
    let mut house = house;
    house.put(robot_record);
    assert_eq!(refused(&house, &robot(), &machine_request("front")), KeyFault::NoCommonProfile.into());
}

#[test]
fn what_a_request_without_a_scope_asks_for() {
    let house = with(|lock| lock.default_scope = "door:state".parse().unwrap());
    let issued = house.decide(&robot(), &TokenRequest { scope: None, ..machine_request("front") }).unwrap();
    assert_eq!(issued.response.scope, Some(ScopeAsked::Text("door:state".parse().unwrap())));
}
