//! The bytes of tokens: canonical, read by the strict parser of the firmware and by coset, with the right claims for each lock.

use super::*;
use coset::{CoseEncrypt0, CoseSign1, TaggedCborSerializable};
use latchwork_ace::cose::{Token as Strict, join};
use latchwork_ace::registry::Profile;
use latchwork_ace::{Aif, Claims as StrictClaims, Cnf, TokenResponse};
use latchwork_crypto::{RustCrypto, Symmetric};

fn token(issued: &Issued) -> &[u8] {
    match &issued.response.token {
        Token::Cwt(bytes) => bytes,
        Token::Jwt(text) => panic!("{text}"),
    }
}

/// The claims of an encrypted token, opened with what only the lock has.
fn open(token: &[u8]) -> Vec<u8> {
    assert_eq!(&token[..3], [0xd8, 0x3d, 0xd0]);
    let Ok(Strict::Encrypt0(strict)) = Strict::parse(token) else { panic!() };
    assert_eq!((strict.kid, strict.alg.0), (&[1_u8, 2, 3][..], 30));
    let coset = CoseEncrypt0::from_tagged_slice(&token[2..]).unwrap();
    assert!(coset.unprotected.is_empty());
    assert_eq!([&token[..2], &coset.to_tagged_vec().unwrap()].concat(), token, "coset writes the same bytes");
    let mut aad = [0; 256];
    let aad = join(&strict.aad_parts(), &mut aad).unwrap();
    let (ciphertext, tag) = strict.ciphertext.split_last_chunk::<16>().unwrap();
    let mut plaintext = ciphertext.to_vec();
    RustCrypto.ccm_open(&LOCK_KEY, strict.iv.try_into().unwrap(), aad, &mut plaintext, tag).unwrap();
    plaintext
}

/// R9200-3.1-01, R9200-5.8.2-06, R9200-5.10-01, R9200-5.10.1.1-02, R9200-5.10.4-01, R9200-6.1-01, R9200-6.8-02,
/// R9201-3.2-01, R9201-3.2-02, R9203-3.2-02, R9203-3.2-03, R9203-3.2-04, R9203-3.2-05, R9237-2-01, R8392-2-01,
/// R9770-3-01, R9770-3-02, R9700-2.2.1-01
#[test]
fn encrypted_for_a_lock_with_a_clock() {
    let house = House::new();
    let asked = TokenRequest { ace_profile: Some(ProfileAsked::Tell), ..machine_request("front") };
    let issued = house.decide(&robot(), &asked).unwrap();
    let plaintext = open(token(&issued));
    let claims = StrictClaims::decode(&plaintext).unwrap();
    assert_eq!((claims.iss, claims.exp, claims.iat), (Some(ISSUER), Some(NOW.0 + 3600), Some(NOW.0)));
    assert_eq!((claims.exi, claims.cnonce, claims.cti.map(<[u8]>::len)), (None, None, Some(16)));
    let Some(latchwork_ace::Audience::One(aud)) = claims.aud else { panic!() };
    assert_eq!(aud, "urn:latchwork:lock:front");
    let Some(latchwork_ace::Scope::Bytes(scope)) = claims.scope else { panic!() };
    assert_eq!(Aif::parse(scope).unwrap().as_bytes(), [0x81, 0x82, 0x65, b'/', b'd', b'o', b'o', b'r', 2]);
    let (Some(Cnf::Osc(inside)), Some(NewKey::Osc(outside))) = (claims.cnf, &issued.response.cnf) else { panic!() };
    assert_eq!(
        (inside.id, inside.ms, inside.salt),
        (&outside.id.0[..], outside.ms.expose(), Some(&outside.salt.0[..]))
    );
    assert_eq!((inside.ms.len(), inside.unrecognized), (16, false));
    let in_clear = |secret: &[u8]| token(&issued).windows(secret.len()).any(|window| window == secret);
    assert!(!in_clear(outside.ms.expose()) && !in_clear(&outside.salt.0));
    assert!(issued.response.rs_cnf.is_none(), "no public key has to do with it");

    let body = issued.response.to_cbor().unwrap();
    let read = TokenResponse::decode(&body).unwrap();
    assert_eq!((read.access_token, read.expires_in), (token(&issued), Some(3600)));
    assert_eq!(read.ace_profile, Some(Profile::COAP_OSCORE));
    assert_eq!(read.scope, Some(latchwork_ace::Scope::Text("door:open")));
    assert!(matches!(read.cnf, Some(Cnf::Osc(osc)) if osc.ms == outside.ms.expose()));
    let json = issued.response.to_json();
    let ms = crate::core::bytes::base64url(outside.ms.expose());
    assert_eq!((json["token_type"].as_str(), json["ace_profile"].as_str()), (Some("PoP"), Some("coap_oscore")));
    assert_eq!((json["cnf"]["osc"]["ms"].as_str(), json["scope"].as_str()), (Some(ms.as_str()), Some("door:open")));

    let again = house.decide(&robot(), &machine_request("front")).unwrap();
    let Some(NewKey::Osc(other)) = again.response.cnf else { panic!() };
    assert_ne!(other.ms.expose(), outside.ms.expose(), "fresh material for every token");
}

/// R9200-6.1-03, R9203-3.2-06
/// Whoever knows one secret, or is one lock, learns nothing about another client or lock.
#[test]
fn every_secret_is_its_own() {
    let house = House::new();
    let signer = assertion(Pair::new(9).assertion_with("signer", |_, _| {}));
    let mut seen = BTreeSet::new();
    for (who, lock) in
        [(robot(), "front"), (robot(), "front"), (robot(), "back"), (signer, "front"), (oscore(), "front")]
    {
        let face = if matches!(who.credential, Credential::Channel { .. }) { Face::CborCoap } else { Face::Form };
        let asked = TokenRequest { face, ..machine_request(lock) };
        let Some(NewKey::Osc(osc)) = house.decide(&who, &asked).unwrap().response.cnf else { panic!() };
        assert!(seen.insert(osc.ms.expose().to_vec()) && seen.insert(osc.id.0.clone()), "{who:?} {lock}");
    }
}

/// A claim is there because a lock needs it, and none is tagged.
/// R9200-7-01, R8392-5-01
#[test]
fn a_token_says_no_more_than_it_must() {
    let house = House::new();
    let phone = Pair::new(1);
    let public = TokenRequest { req_cnf: Some(ReqCnf::Key(phone.public())), ..machine_request("front") };
    let nonce = TokenRequest { cnonce: Some(Blob(vec![7; 8])), ..machine_request("safe") };
    for (asked, claims) in [
        (machine_request("front"), &[1, 2, 3, 4, 6, 7, 8, 9][..]), // iss sub aud exp iat cti cnf scope
        (public, &[1, 2, 3, 4, 6, 7, 8, 9]),
        (machine_request("shed"), &[1, 2, 3, 7, 8, 9, 40]), // exi for exp and iat
        (nonce, &[1, 2, 3, 7, 8, 9, 39]),                   // cnonce for both
    ] {
        let presented = Presented { proof: asked.req_cnf.as_ref().map(|_| phone.proof("p")), ..robot() };
        let issued = house.decide(&presented, &asked).unwrap();
        let token = token(&issued);
        let plaintext = match Strict::parse(token) {
            Ok(Strict::Sign1(signed)) => signed.payload.to_vec(),
            _ => open(token),
        };
        let ciborium::Value::Map(map) = ciborium::from_reader(&plaintext[..]).unwrap() else { panic!() };
        let labels: Vec<i128> = map.iter().map(|(label, _)| label.as_integer().unwrap().into()).collect();
        let expected: Vec<i128> = claims.iter().map(|label| i128::from(*label)).collect();
        assert_eq!(labels, expected, "{asked:?}");
        assert!(map.iter().all(|(_, value)| !value.is_tag()), "{map:?}");
    }
}

/// R9200-5.3.1-03, R9200-5.10-02, R9200-5.10.3-01, R9200-5.10.3-02
#[test]
fn no_clock_counts_and_a_nonce_is_copied() {
    let mut house = House::new();
    for number in [1_u64, 2, 3] {
        let issued = house.ask(&robot(), &machine_request("shed")).unwrap();
        let plaintext = open(token(&issued));
        let claims = StrictClaims::decode(&plaintext).unwrap();
        let cti = [b"urn:latchwork:lock:shed", &number.to_be_bytes()[..]].concat();
        assert_eq!((claims.exi, claims.exp, claims.iat, claims.cti), (Some(3600), None, None, Some(&cti[..])));
    }
    let [first, second] = [0, 1].map(|_| house.decide(&robot(), &machine_request("shed")).unwrap());
    house.commit(&first.changes).unwrap();
    assert!(house.commit(&second.changes).is_err(), "a number is used once");

    let nonce = |nonce: Option<u8>, lock: &str| TokenRequest {
        cnonce: nonce.map(|len| Blob((0..len).collect())),
        ..machine_request(lock)
    };
    for (len, lock) in [(None, "safe"), (Some(0), "safe"), (Some(7), "safe"), (Some(33), "safe"), (Some(7), "front")] {
        assert_eq!(refused(&house, &robot(), &nonce(len, lock)), Refusal::Cnonce, "{len:?} {lock}");
    }
    for len in [8, 32] {
        let asked = nonce(Some(len), "safe");
        let issued = house.decide(&robot(), &asked).unwrap();
        let plaintext = open(token(&issued));
        let claims = StrictClaims::decode(&plaintext).unwrap();
        let copied = asked.cnonce.as_ref().map(|nonce| &nonce.0[..]);
        assert_eq!((claims.cnonce, claims.exp, claims.exi), (copied, None, None));
    }
}

/// R9203-3.2-07
#[test]
fn an_update_names_the_context_and_carries_no_secret() {
    let mut house = House::new();
    let id = house.ask(&robot(), &machine_request("front")).unwrap().response.cnf.unwrap().id().clone();
    let update = TokenRequest { req_cnf: Some(ReqCnf::Kid(id.clone())), ..machine_request("front") };
    let plaintext = open(token(&house.decide(&robot(), &update).unwrap()));
    assert!(matches!(StrictClaims::decode(&plaintext).unwrap().cnf, Some(Cnf::Kid(kid)) if kid == id.0));
}

/// R9200-5.8.1-04, R9200-5.8.2-06, R9200-5.10-01, R9200-5.10.1.1-02, R9770-3-01, R9770-3-02
#[test]
fn signed_by_both_algorithms() {
    let house = House::new();
    let phone = Pair::new(1);
    let presented = Presented { proof: Some(phone.proof("p")), ..robot() };
    for (alg, cose) in [(Alg::Es256, -7), (Alg::EdDsa, -8)] {
        for cnf in [ReqCnf::Key(phone.public()), kccs(&phone)] {
            let asked = TokenRequest { face: Face::CborHttp, req_cnf: Some(cnf.clone()), ..machine_request("front") };
            let minting = Minting { alg, ..house.minting() };
            let issued = issue(&presented, &asked, &house.facts(&presented, &asked), &minting, NOW, &mut Os).unwrap();
            let token = token(&issued);
            assert_eq!(&token[..3], [0xd8, 0x3d, 0xd2]);
            let Ok(Strict::Sign1(strict)) = Strict::parse(token) else { panic!() };
            let signer = house.keys.signer(alg, NOW).unwrap();
            assert_eq!((strict.kid, strict.alg.0), (&signer.kid()[..], cose));
            let signature: &[u8; 64] = strict.signature.try_into().unwrap();
            let mut signed = [0; 1024];
            let signed = join(&strict.signed(), &mut signed).unwrap();
            match signer.public() {
                crate::keys::Public::P256 { x, y } => {
                    use p256::ecdsa::signature::Verifier as _;
                    let point = [&[4_u8][..], &x, &y].concat();
                    let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).unwrap();
                    key.verify(signed, &p256::ecdsa::Signature::from_slice(signature).unwrap()).unwrap();
                }
                crate::keys::Public::Ed25519 { x } => {
                    let key = ed25519_dalek::VerifyingKey::from_bytes(&x).unwrap();
                    key.verify_strict(signed, &ed25519_dalek::Signature::from_slice(signature).unwrap()).unwrap();
                }
            }
            let coset = CoseSign1::from_tagged_slice(&token[2..]).unwrap();
            assert!(coset.unprotected.is_empty());
            assert_eq!([&token[..2], &coset.to_tagged_vec().unwrap()].concat(), token);
            let claims = StrictClaims::decode(strict.payload).unwrap();
            match (claims.cnf, cnf) {
                (Some(Cnf::CoseKey(_)), ReqCnf::Key(_)) => {}
                (Some(Cnf::Kccs(inside)), ReqCnf::Kccs { ccs, .. }) => assert_eq!(inside, ccs.0, "the same bytes"),
                _ => panic!(),
            }
            assert!(issued.response.rs_cnf.is_some() && issued.response.cnf.is_none());
        }
    }
}

/// R9770-4.2.1-01, R9770-4.2.2-01, R6749-10.3-01
#[test]
fn the_record_of_a_token_is_its_hash() {
    let house = House::new();
    let issued = house.decide(&robot(), &machine_request("front")).unwrap();
    let text = crate::core::bytes::base64url(token(&issued));
    let expected = Hash32::of(&[text.as_bytes()]);
    let record = issued.changes.iter().find_map(|change| match &change.write {
        Write::Put(Record::Token(record)) => Some(record.clone()),
        _ => None,
    });
    assert_eq!(record.unwrap().hash, expected);
    assert!(matches!(issued.entry.outcome, Outcome::Granted { token, .. } if token == expected));
    let line = serde_json::to_string(&issued.entry).unwrap();
    assert!(!line.contains(&text) && line.contains(&expected.to_string()), "{line}");
}

#[test]
fn signed_inside_where_the_lock_wants_it() {
    let mut house = House::new();
    let mut lock = house.target("front", None).unwrap().lock;
    lock.signed = true;
    house.put(lock);
    let plaintext = open(token(&house.decide(&robot(), &machine_request("front")).unwrap()));
    let Ok(Some(Strict::Sign1(inside))) = Strict::parse_nested(&plaintext) else { panic!() };
    assert_eq!(inside.kid, house.keys.signer(Alg::Es256, NOW).unwrap().kid());
    assert!(matches!(StrictClaims::decode(inside.payload).unwrap().cnf, Some(Cnf::Osc(_))));
}

/// A first token and an update of its rights, in one series.
/// EDHOC-3.1-07, EDHOC-3.1-10, EDHOC-3.2-01, EDHOC-3.3-03, EDHOC-3.3-05, EDHOC-3.3-06, EDHOC-3.3.1-01, EDHOC-3.3.1-02, EDHOC-3.3.1-03,
/// EDHOC-3.3.1-04, EDHOC-3.3.3-01
#[test]
fn a_token_series() {
    let (mut house, phone) = (House::new(), Pair::new(1));
    let proven = |pair: &Pair, jti: &str| Presented { proof: Some(pair.proof(jti)), ..robot() };
    let first = TokenRequest { req_cnf: Some(kccs(&phone)), face: Face::CborHttp, ..machine_request("front") };
    let issued = house.decide(&proven(&phone, "1"), &first).unwrap();
    house.commit(&issued.changes).unwrap();
    let claims = |issued: &Issued| {
        let coset = CoseSign1::from_tagged_slice(&token(issued)[2..]).unwrap();
        let payload = coset.payload.unwrap();
        let claims = StrictClaims::decode(&payload).unwrap();
        let (Some(info), Some(Cnf::Kccs(ccs))) = (claims.edhoc_info, claims.cnf) else { panic!("{claims:?}") };
        let id = info.session_id.unwrap().to_vec();
        assert_eq!(info, latchwork_ace::EdhocInfo::series(&id), "nothing else");
        (id, ccs.to_vec())
    };
    let (id, ccs) = claims(&issued);
    let body = issued.response.to_cbor().unwrap();
    let answer = TokenResponse::decode(&body).unwrap();
    assert_eq!(answer.edhoc_info, Some(latchwork_ace::EdhocInfo::series(&id)));
    assert!(matches!(answer.rs_cnf, Some(Cnf::Kccs(_))) && answer.cnf.is_none());
    assert_eq!(answer.ace_profile, Some(Profile::COAP_EDHOC_OSCORE));

    let update = TokenRequest { req_cnf: None, series: Some(Blob(id.clone())), ..first.clone() };
    let updated = house.decide(&proven(&phone, "2"), &update).unwrap();
    assert_eq!(claims(&updated), (id.clone(), ccs), "the same series, the same credential");
    let body = updated.response.to_cbor().unwrap();
    let answer = TokenResponse::decode(&body).unwrap();
    assert!(answer.edhoc_info.is_none() && answer.rs_cnf.is_none() && answer.cnf.is_none());

    let again = house.decide(&proven(&phone, "3"), &first).unwrap();
    assert_ne!(claims(&again).0, id, "another series");

    let unknown = Refusal::Key(KeyFault::UnknownSeries);
    for (what, who, request, expected) in [
        (
            "another name",
            proven(&phone, "4"),
            TokenRequest { series: Some(Blob(vec![1; 8])), ..update.clone() },
            &unknown,
        ),
        ("a key beside", proven(&phone, "5"), TokenRequest { req_cnf: Some(kccs(&phone)), ..update.clone() }, &unknown),
        (
            "another lock",
            proven(&phone, "6"),
            TokenRequest { audience: machine_request("back").audience, ..update.clone() },
            &unknown,
        ),
        ("another key", proven(&Pair::new(2), "7"), update.clone(), &Refusal::Key(KeyFault::NotProven)),
        ("no key", robot(), update.clone(), &Refusal::Key(KeyFault::NotProven)),
    ] {
        assert_eq!(&refused(&house, &who, &request), expected, "{what}");
    }
    house.now = house.now + Seconds(3600);
    let late =
        Presented { proof: Some(phone.proof_with("9", |_, claims| claims["iat"] = house.now.0.into())), ..robot() };
    assert_eq!(refused(&house, &late, &update), unknown, "its last token is over");
}
