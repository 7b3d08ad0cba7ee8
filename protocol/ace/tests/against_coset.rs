//! Two readers of the same bytes: whatever ours accepts, ciborium and coset accept too, and read the same in it. The server mints
//! with them, so a difference would be a token that means one thing to the server and another to the lock.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use ciborium::Value;
use common::hex;
use coset::{
    CborSerializable, CoseEncrypt0, CoseMac0, CoseSign1, EncryptionContext, Header, RegisteredLabelWithPrivate, iana,
};
use latchwork_ace::{
    Aif, Audience, Claims, Cnf, CoseKey, EdhocInfo, ErrorResponse, Hints, OscMaterial, Scope, TokenRequest,
    TokenResponse,
    aif::Methods,
    authz_info,
    cose::{self, Envelope, Kind, Token},
    cose_key::Key,
    registry::{Alg, Curve, ErrorCode, GrantType, Profile, TokenType},
    token_request::AskedProfile,
};
use proptest::prelude::*;

/// The value of a label in a map whose labels all differ.
fn at(map: &Value, label: i64) -> Option<&Value> {
    let entries = map.as_map().expect("a map");
    for (place, (key, _)) in entries.iter().enumerate() {
        assert!(entries[..place].iter().all(|(other, _)| other != key), "{key:?} twice");
    }
    entries.iter().find(|(key, _)| key.as_integer() == Some(label.into())).map(|(_, value)| value)
}

fn text(map: &Value, label: i64) -> Option<&str> {
    at(map, label).map(|value| value.as_text().expect("a text"))
}

fn bytes(map: &Value, label: i64) -> Option<&[u8]> {
    at(map, label).map(|value| value.as_bytes().expect("bytes").as_slice())
}

fn int(map: &Value, label: i64) -> Option<i128> {
    at(map, label).map(|value| value.as_integer().expect("an integer").into())
}

fn seconds(map: &Value, label: i64) -> Option<i64> {
    at(map, label).map(|value| match value {
        Value::Float(float) => {
            assert!(float.is_finite());
            #[allow(clippy::cast_possible_truncation)]
            let floor = float.floor() as i64;
            floor
        }
        other => i128::from(other.as_integer().expect("an integer")).try_into().unwrap(),
    })
}

fn same_scope(ours: Option<Scope<'_>>, theirs: Option<&Value>) {
    match ours {
        None => assert_eq!(theirs, None),
        Some(Scope::Text(text)) => assert_eq!(theirs, Some(&Value::from(text))),
        Some(Scope::Bytes(bytes)) => assert_eq!(theirs, Some(&Value::from(bytes))),
    }
}

fn decoded(bytes: &[u8]) -> Value {
    let mut rest = bytes;
    let value = ciborium::from_reader(&mut rest).unwrap();
    assert!(rest.is_empty(), "bytes left over");
    value
}

fn same_alg(ours: Alg, theirs: &Value) {
    match theirs {
        Value::Text(name) => assert_eq!(Alg::from_name(name), Some(ours)),
        number => assert_eq!(number.as_integer(), Some(ours.0.into())),
    }
}

fn same_cnf(ours: Option<Cnf<'_>>, theirs: Option<&Value>) {
    let (Some(ours), Some(theirs)) = (ours, theirs) else {
        assert!(ours.is_none() && theirs.is_none());
        return;
    };
    match ours {
        Cnf::CoseKey(key) => same_key(&key, at(theirs, 1).unwrap()),
        Cnf::EncryptedCoseKey(raw) => assert_eq!(&decoded(raw), at(theirs, 2).unwrap()),
        Cnf::Kid(kid) => assert_eq!(Some(kid), bytes(theirs, 3)),
        Cnf::Osc(osc) => same_osc(&osc, at(theirs, 4).unwrap()),
        Cnf::Ckt(hash) => assert_eq!(Some(hash), bytes(theirs, 5)),
        Cnf::Kccs(raw) => assert_eq!(&decoded(raw), at(theirs, 11).unwrap()),
        Cnf::Kcwt(raw) => assert_eq!(&decoded(raw), at(theirs, 10).unwrap()),
        Cnf::Certificate(member, raw) => assert_eq!(&decoded(raw), at(theirs, member.0).unwrap()),
        Cnf::Unknown => {}
    }
    let known = (1..=11).chain(24..=27).filter(|&label| at(theirs, label).is_some()).count();
    assert_eq!(known, usize::from(!matches!(ours, Cnf::Unknown)));
}

fn same_osc(ours: &OscMaterial<'_>, theirs: &Value) {
    assert_eq!((Some(ours.id), Some(ours.ms)), (bytes(theirs, 0), bytes(theirs, 2)));
    assert_eq!(i128::from(ours.version), int(theirs, 1).unwrap_or(1));
    at(theirs, 3).map_or_else(|| assert_eq!(ours.hkdf.0, 5), |hkdf| same_alg(ours.hkdf, hkdf));
    at(theirs, 4).map_or_else(|| assert_eq!(ours.alg.0, 10), |alg| same_alg(ours.alg, alg));
    assert_eq!((ours.salt, ours.context_id), (bytes(theirs, 5), bytes(theirs, 6)));
    let known = (0..=6).filter(|&label| at(theirs, label).is_some()).count();
    assert_eq!(ours.unrecognized, theirs.as_map().unwrap().len() > known);
}

fn same_key(ours: &CoseKey<'_>, theirs: &Value) {
    assert_eq!(ours.kid, bytes(theirs, 2));
    match ours.alg {
        None => assert_eq!(at(theirs, 3), None),
        Some(alg) => same_alg(alg, at(theirs, 3).unwrap()),
    }
    match ours.key {
        Key::Ec2 { crv, x, y } => {
            assert_eq!((int(theirs, 1), int(theirs, -1)), (Some(2), Some(crv.0.into())));
            assert_eq!((Some(x), Some(y), None), (bytes(theirs, -2), bytes(theirs, -3), at(theirs, -4)));
        }
        Key::Okp { crv, x } => {
            assert_eq!((int(theirs, 1), int(theirs, -1)), (Some(1), Some(crv.0.into())));
            assert_eq!((Some(x), None), (bytes(theirs, -2), at(theirs, -4)));
        }
        Key::Symmetric { k } => assert_eq!((int(theirs, 1), bytes(theirs, -1)), (Some(4), Some(k))),
        Key::Other { raw, .. } => assert_eq!(&decoded(raw), theirs),
    }
}

fn same_claims(input: &[u8]) {
    let Ok(ours) = Claims::decode(input) else { return };
    let theirs = &decoded(input);
    assert_eq!((ours.iss, ours.sub), (text(theirs, 1), text(theirs, 2)));
    match at(theirs, 3) {
        None => assert_eq!(ours.aud, None),
        Some(Value::Text(one)) => assert_eq!(ours.aud, Some(Audience::One(one))),
        Some(list) => {
            let list: Vec<_> = list.as_array().unwrap().iter().map(|one| one.as_text().unwrap()).collect();
            assert_eq!(ours.aud.unwrap().iter().collect::<Vec<_>>(), list);
        }
    }
    assert_eq!((ours.exp, ours.nbf, ours.iat), (seconds(theirs, 4), seconds(theirs, 5), seconds(theirs, 6)));
    assert_eq!((ours.cti, ours.cnonce), (bytes(theirs, 7), bytes(theirs, 39)));
    assert_eq!(ours.ace_profile.map(|profile| profile.0.into()), int(theirs, 38));
    assert_eq!(ours.exi.map(i128::from), int(theirs, 40));
    same_cnf(ours.cnf, at(theirs, 8));
    same_scope(ours.scope, at(theirs, 9));
}

fn same_request(input: &[u8]) {
    let Ok(ours) = TokenRequest::decode(input) else { return };
    let theirs = &decoded(input);
    same_cnf(ours.req_cnf, at(theirs, 4));
    same_scope(ours.scope, at(theirs, 9));
    assert_eq!((ours.audience, ours.client_id), (text(theirs, 5), text(theirs, 24)));
    assert_eq!((ours.client_secret, ours.code), (bytes(theirs, 25), bytes(theirs, 29)));
    assert_eq!(
        (ours.redirect_uri, ours.username, ours.password),
        (text(theirs, 27), text(theirs, 35), text(theirs, 36))
    );
    assert_eq!(ours.grant_type.map(|grant| grant.0.into()), int(theirs, 33));
    assert_eq!((ours.refresh_token, ours.cnonce), (bytes(theirs, 37), bytes(theirs, 39)));
    match ours.ace_profile {
        None => assert_eq!(at(theirs, 38), None),
        Some(AskedProfile::Tell) => assert_eq!(at(theirs, 38), Some(&Value::Null)),
        Some(AskedProfile::Named(profile)) => assert_eq!(int(theirs, 38), Some(profile.0.into())),
    }
}

fn same_response(input: &[u8]) {
    let Ok(ours) = TokenResponse::decode(input) else { return };
    let theirs = &decoded(input);
    assert_eq!((Some(ours.access_token), ours.refresh_token), (bytes(theirs, 1), bytes(theirs, 37)));
    assert_eq!(ours.expires_in.map(i128::from), int(theirs, 2));
    assert_eq!(ours.token_type.map(|kind| kind.0.into()), int(theirs, 34));
    assert_eq!(ours.ace_profile.map(|profile| profile.0.into()), int(theirs, 38));
    same_cnf(ours.cnf, at(theirs, 8));
    same_cnf(ours.rs_cnf, at(theirs, 41));
    same_scope(ours.scope, at(theirs, 9));
}

fn same_small_messages(input: &[u8]) {
    if let Ok(ours) = ErrorResponse::decode(input) {
        let theirs = &decoded(input);
        assert_eq!(Some(ours.error.0.into()), int(theirs, 30));
        assert_eq!((ours.description, ours.uri), (text(theirs, 31), text(theirs, 32)));
    }
    if let Ok(ours) = Hints::decode(input) {
        let theirs = &decoded(input);
        assert_eq!((ours.as_uri, ours.audience), (text(theirs, 1), text(theirs, 5)));
        assert_eq!((ours.kid, ours.cnonce), (bytes(theirs, 2), bytes(theirs, 39)));
        same_scope(ours.scope, at(theirs, 9));
    }
    if let Ok(ours) = authz_info::Request::decode(input) {
        let theirs = &decoded(input);
        assert_eq!((Some(ours.access_token), ours.nonce1), (bytes(theirs, 1), bytes(theirs, 40)));
        assert_eq!(ours.client_recipient_id, bytes(theirs, 43));
    }
    if let Ok(ours) = authz_info::Response::decode(input) {
        let theirs = &decoded(input);
        assert_eq!(Some(ours.nonce2), bytes(theirs, 42));
        assert_eq!(Some(ours.server_recipient_id), bytes(theirs, 44));
    }
    if let Ok(ours) = Aif::parse(input) {
        let theirs = decoded(input);
        let theirs: Vec<_> = theirs.as_array().unwrap().iter().map(|entry| entry.as_array().unwrap()).collect();
        assert_eq!(ours.iter().count(), theirs.len());
        for ((path, methods), theirs) in ours.iter().zip(theirs) {
            assert_eq!(theirs[..], [Value::from(path), Value::from(methods.0)]);
        }
    }
    if let Ok(ours) = CoseKey::decode(input) {
        same_key(&ours, &decoded(input));
    }
}

fn alg_of(header: &Header) -> Option<Alg> {
    header.alg.as_ref().map(|alg| match alg {
        RegisteredLabelWithPrivate::Assigned(alg) => Alg(iana::EnumI64::to_i64(alg)),
        RegisteredLabelWithPrivate::PrivateUse(number) => Alg(*number),
        RegisteredLabelWithPrivate::Text(name) => Alg::from_name(name).unwrap(),
    })
}

/// What coset finds: protected header, unprotected header, content, authenticator, and what is signed, MACed or bound.
type Found = (Header, Header, Vec<u8>, Vec<u8>, Vec<u8>);

fn by_coset(kind: Kind, object: &[u8]) -> Option<Found> {
    match kind {
        Kind::Encrypt0 => {
            let theirs = CoseEncrypt0::from_slice(object).ok()?;
            let aad = coset::enc_structure_data(EncryptionContext::CoseEncrypt0, theirs.protected.clone(), &[]);
            Some((theirs.protected.header, theirs.unprotected, theirs.ciphertext.unwrap(), vec![], aad))
        }
        Kind::Mac0 => {
            let theirs = CoseMac0::from_slice(object).ok()?;
            let maced = coset::mac_structure_data(
                coset::MacContext::CoseMac0,
                theirs.protected.clone(),
                &[],
                theirs.payload.as_ref().unwrap(),
            );
            Some((theirs.protected.header, theirs.unprotected, theirs.payload.unwrap(), theirs.tag, maced))
        }
        Kind::Sign1 => {
            let theirs = CoseSign1::from_slice(object).ok()?;
            let signed = theirs.tbs_data(&[]);
            Some((theirs.protected.header, theirs.unprotected, theirs.payload.unwrap(), theirs.signature, signed))
        }
    }
}

fn same_token(input: &[u8], must_read: bool) {
    let Ok(ours) = Token::parse(input) else { return };
    // coset refuses algorithms that IANA has not assigned and content types it dislikes; those headers we read or ignore.
    let Some((protected, unprotected, content, authenticator, structure)) = by_coset(ours.kind(), &input[3..]) else {
        assert!(!must_read);
        assert!(decoded(input).is_tag());
        return;
    };
    assert_eq!((Some(ours.alg()), ours.kid()), (alg_of(&protected), &protected.key_id[..]));
    assert!(unprotected.is_empty() && protected.crit.is_empty() && protected.partial_iv.is_empty());
    match ours {
        Token::Encrypt0(ours) => {
            assert_eq!((ours.iv, ours.ciphertext), (&protected.iv[..], &content[..]));
            assert_eq!(ours.aad_parts().concat(), structure);
        }
        Token::Mac0(ours) => {
            assert_eq!((ours.payload, ours.tag), (&content[..], &authenticator[..]));
            assert_eq!(ours.maced().concat(), structure);
        }
        Token::Sign1(ours) => {
            assert_eq!((ours.payload, ours.signature), (&content[..], &authenticator[..]));
            assert_eq!(ours.signed().concat(), structure);
        }
    }
}

fn same_envelope(input: &[u8]) {
    for kind in [Kind::Encrypt0, Kind::Mac0, Kind::Sign1] {
        let Ok(ours) = Envelope::parse_untagged(kind, input) else { continue };
        let Some((protected, unprotected, content, authenticator, structure)) = by_coset(kind, input) else { continue };
        assert_eq!((ours.protected.alg, ours.unprotected.alg), (alg_of(&protected), alg_of(&unprotected)));
        assert_eq!(ours.protected.kid.unwrap_or_default(), protected.key_id);
        assert_eq!(ours.unprotected.kid.unwrap_or_default(), unprotected.key_id);
        assert_eq!((ours.content, ours.authenticator), (&content[..], &authenticator[..]));
        let parts = match kind {
            Kind::Encrypt0 => ours.enc_structure().concat(),
            Kind::Mac0 => ours.mac_structure().concat(),
            Kind::Sign1 => ours.sig_structure().concat(),
        };
        assert_eq!(parts, structure);
    }
}

fn same(input: &[u8]) {
    same_claims(input);
    same_request(input);
    same_response(input);
    same_small_messages(input);
    same_token(input, false);
    same_envelope(input);
}

/// Good messages, from which the hostile ones are made.
fn seeds() -> Vec<Vec<u8>> {
    let ms = [7; 16];
    let (x, y) = ([1; 32], [2; 32]);
    let osc = OscMaterial { salt: Some(b"salt"), context_id: Some(b"c"), alg: Alg(30), ..OscMaterial::new(b"1", &ms) };
    let mut buffers = [[0; 512]; 12];
    let [a, b, c, d, e, f, g, h, i, j, k, l] = &mut buffers;
    let claims = Claims {
        iss: Some("https://as"),
        sub: Some("ada"),
        aud: Some(Audience::One("lock")),
        exp: Some(1_800_000_000),
        nbf: Some(1),
        iat: Some(-1),
        cti: Some(b"0123456789abcdef"),
        cnf: Some(Cnf::Osc(osc)),
        scope: Some(Scope::Bytes(b"\x81\x82\x65/door\x02")),
        ace_profile: Some(Profile::COAP_OSCORE),
        cnonce: Some(b"12345678"),
        exi: Some(600),
        edhoc_info: Some(EdhocInfo::series(b"1")),
    };
    let kccs = Claims { cnf: Some(Cnf::CoseKey(CoseKey::p256(&x, &y))), ..Claims::default() }.encode(a).unwrap();
    let seeds = vec![
        kccs.to_vec(),
        claims.encode(b).unwrap().to_vec(),
        Claims { cnf: Some(Cnf::Kccs(kccs)), aud: Some(Audience::list(&["lock", "group"], c).unwrap()), ..claims }
            .encode(d)
            .unwrap()
            .to_vec(),
        TokenRequest {
            req_cnf: Some(Cnf::Kid(b"1")),
            audience: Some("lock"),
            scope: Some(Scope::Text("door:open")),
            client_id: Some("phone"),
            client_secret: Some(b"secret"),
            grant_type: Some(GrantType::REFRESH_TOKEN),
            refresh_token: Some(b"refresh"),
            ace_profile: Some(AskedProfile::Tell),
            ..TokenRequest::default()
        }
        .encode(e)
        .unwrap()
        .to_vec(),
        TokenResponse {
            expires_in: Some(600),
            cnf: Some(Cnf::Osc(osc)),
            scope: Some(Scope::Text("door:open")),
            token_type: Some(TokenType::POP),
            ace_profile: Some(Profile::COAP_OSCORE),
            rs_cnf: Some(Cnf::CoseKey(CoseKey {
                kid: Some(b"k"),
                alg: Some(Alg::EDDSA),
                key: Key::Okp { crv: Curve::ED25519, x: &x },
            })),
            ..TokenResponse::new(b"token")
        }
        .encode(f)
        .unwrap()
        .to_vec(),
        ErrorResponse { error: ErrorCode(9), description: Some("no"), uri: Some("u:") }.encode(g).unwrap().to_vec(),
        Hints { as_uri: Some("coap://as"), kid: Some(b"k"), scope: Some(Scope::Bytes(b"s")), ..Hints::default() }
            .encode(h)
            .unwrap()
            .to_vec(),
        authz_info::Request { access_token: b"t", nonce1: Some(b"nonce"), client_recipient_id: Some(b"\x01") }
            .encode(i)
            .unwrap()
            .to_vec(),
        authz_info::Response { nonce2: b"nonce", server_recipient_id: b"\x02" }.encode(j).unwrap().to_vec(),
        Aif::encode(&[("/door", Methods(2)), ("/a?x", Methods(1 << 33))], k).unwrap().as_bytes().to_vec(),
    ];
    let encrypted = cose::protected(Alg::AES_CCM_16_128_128, b"kid", Some(&[9; 13]), l).unwrap().to_vec();
    let signed = cose::protected(Alg::ES256, b"kid", None, l).unwrap().to_vec();
    let mut out = [0; 512];
    let tokens = [
        cose::token(Kind::Encrypt0, &encrypted, &[5; 24], None, &mut out).unwrap().to_vec(),
        cose::token(Kind::Sign1, &signed, &seeds[2], Some(&[6; 64]), &mut out).unwrap().to_vec(),
        cose::token(Kind::Mac0, &signed, &seeds[2], Some(&[6; 8]), &mut out).unwrap().to_vec(),
    ];
    let untagged = tokens.each_ref().map(|token| token[3..].to_vec());
    let others = [hex("8343a1010aa204416b054100 4100"), hex("8440a20126044161404100")];
    seeds.into_iter().chain(tokens).chain(untagged).chain(others).collect()
}

#[test]
fn good_messages_are_read_alike() {
    let mut tokens = 0;
    for seed in seeds() {
        same(&seed);
        same_token(&seed, true);
        tokens += usize::from(Token::parse(&seed).is_ok());
    }
    assert_eq!(tokens, 3);
}

/// One hostile change: another byte, a byte more, a byte less, or a piece twice.
fn change(bytes: &mut Vec<u8>, (what, place, value): (u8, prop::sample::Index, u8)) {
    let place = place.index(bytes.len() + 1).min(bytes.len().saturating_sub(1));
    match what {
        _ if bytes.is_empty() => bytes.push(value),
        0 | 1 => bytes[place] = value,
        2 => bytes[place] = bytes[place].wrapping_add(value % 3).wrapping_sub(1),
        3 => bytes.insert(place, value),
        4 => drop(bytes.remove(place)),
        5 => bytes.truncate(place),
        _ => {
            let end = (place + usize::from(value % 40)).min(bytes.len());
            let piece = bytes[place..end].to_vec();
            bytes.splice(place..place, piece);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_messages_are_refused_or_read_alike(
        seed in prop::sample::select(seeds()),
        changes in prop::collection::vec((0..7_u8, any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = seed;
        for one in changes {
            change(&mut bytes, one);
        }
        same(&bytes);
    }

    #[test]
    fn noise_is_refused_or_read_alike(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        same(&bytes);
    }

    #[test]
    fn claims_come_back_as_they_went(
        iss in prop::option::of("\\PC{0,20}"),
        aud in prop::collection::vec("\\PC{0,20}", 0..4),
        times in any::<[Option<i64>; 3]>(),
        cti in prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
        scope in prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
        osc in any::<(Option<[u8; 16]>, u64, i64, i64)>(),
        exi in any::<Option<u64>>(),
        profile in any::<Option<i64>>(),
    ) {
        let mut list = [0; 512];
        let names: Vec<_> = aud.iter().map(String::as_str).collect();
        let [exp, nbf, iat] = times;
        let (ms, version, hkdf, alg) = osc;
        let claims = Claims {
            iss: iss.as_deref(),
            aud: Audience::list(&names, &mut list).ok(),
            exp,
            nbf,
            iat,
            cti: cti.as_deref(),
            scope: scope.as_deref().map(Scope::Bytes),
            cnf: ms.as_ref().map(|ms| Cnf::Osc(OscMaterial {
                version,
                hkdf: Alg(hkdf),
                alg: Alg(alg),
                ..OscMaterial::new(b"id", ms)
            })),
            exi,
            ace_profile: profile.map(Profile),
            ..Claims::default()
        };
        let mut out = [0; 1024];
        let bytes = claims.encode(&mut out).unwrap();
        let again = Claims::decode(bytes).unwrap();
        prop_assert_eq!(format!("{again:?}"), format!("{claims:?}"));
        same_claims(bytes);
    }
}
