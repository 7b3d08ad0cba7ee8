//! Everything a lock refuses, one named test each: what comes in, the code that goes out, the reason for the log.
//! `tests/conformance/disabled-checks` turns the checks of `checks.txt` off in turn and expects to see one of these fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[macro_use]
mod support;

use ciborium::value::Value;
use coset::iana;
use latchwork_ace::token_hash;
use latchwork_coap::{Code, OptionNumber};
use latchwork_crypto::{RustCrypto, Symmetric};
use latchwork_rs_lib::{Denied, Event, Refusal, TokenHash, Uptime, Wall};
use support::mint::*;
use support::*;

const SECRET: &[u8] = b"sixteen secrets!";

/// A token for the phone whose input material is called `7`.
fn token() -> Claims {
    good(osc(b"7", SECRET))
}

fn with_osc(extra: &[(i64, Value)]) -> Vec<u8> {
    let members = [(0, bytes(b"7")), (2, bytes(SECRET))].into_iter();
    let osc = map(members.chain(extra.iter().cloned()));
    encrypted(&good(osc))
}

refuses! {
    // The envelope.
    /// R9200-5.10.1.1-03, R9200-6.5-01
    a_token_under_an_unknown_key: encrypted_with(header(b"nobody", &[9; 13]), &KEY, &token().encode())
        => UNAUTHORIZED, Refusal::UnknownKey,
    /// R9700-2.3-01
    a_token_for_another_lock: encrypted_with(header(KID, &[9; 13]), &[8; 16], &token().encode())
        => UNAUTHORIZED, Refusal::Forged,
    /// R9200-5.10.1.1-03, R8392-7.2-01
    a_token_with_a_bit_flipped: flipped(encrypted(&token()), 60)
        => UNAUTHORIZED, Refusal::Forged,
    /// R9200-5.10.1.1-01
    a_token_with_its_tag_flipped: { let t = encrypted(&token()); let end = t.len() - 1; flipped(t, end) }
        => UNAUTHORIZED, Refusal::Forged,
    a_token_under_a_retired_key: encrypted_with(header(b"front-0", &[9; 13]), &[2; 16], &token().encode())
        => UNAUTHORIZED, Refusal::RetiredKey,
    a_token_under_another_algorithm: {
        let mut header = header(KID, &[9; 13]);
        header.alg = Some(coset::RegisteredLabelWithPrivate::Assigned(iana::Algorithm::AES_CCM_16_64_128));
        encrypted_with(header, &KEY, &token().encode())
    } => UNAUTHORIZED, Refusal::WrongAlgorithm,
    a_signature_under_the_key_of_encryption: signed_with(iana::Algorithm::ES256, KID, &token(), |_| vec![1; 64])
        => UNAUTHORIZED, Refusal::WrongAlgorithm,
    a_signed_token_that_was_changed: { let t = signed(&signed_claims()); let at = t.len() - 100; flipped(t, at) }
        => UNAUTHORIZED, Refusal::Forged,
    /// R9200-5.10.1.1-03
    a_signature_by_another: signed_with(iana::Algorithm::EdDSA, b"sign-2", &signed_claims(), |_| vec![1; 64])
        => UNAUTHORIZED, Refusal::Forged,

    // Payloads that are no token.
    /// R9200-5.10.1-06
    nothing: vec![] => BAD_REQUEST, Refusal::NotAToken(_),
    /// R9200-5.10.1-06, R9770-4.3.1-01
    noise: vec![0x5a; 40] => BAD_REQUEST, Refusal::NotAToken(_),
    /// R9200-5.10.1-06
    half_a_token: encrypted(&token())[..50].to_vec() => BAD_REQUEST, Refusal::NotAToken(_),
    a_token_and_a_byte_more: [&encrypted(&token())[..], &[0]].concat() => BAD_REQUEST, Refusal::NotAToken(_),
    /// R9770-11.1-04
    a_token_without_its_outer_tag: encrypted(&token())[2..].to_vec() => BAD_REQUEST, Refusal::NotAToken(_),
    /// R9770-11.1-04
    a_token_with_an_unprotected_header: unprotected_kid() => BAD_REQUEST, Refusal::NotAToken(_),
    /// R8392-7.2-02
    a_token_with_a_critical_header: {
        let mut header = header(KID, &[9; 13]);
        header.crit.push(coset::RegisteredLabelWithPrivate::Text("future".into()));
        encrypted_with(header, &KEY, &token().encode())
    } => BAD_REQUEST, Refusal::NotAToken(_),
    /// R8392-7.2-04
    a_claim_that_comes_twice: {
        let mut twice = token();
        twice.0.push((EXP, (NOW + 99_999).into()));
        encrypted(&twice)
    } => BAD_REQUEST, Refusal::NotClaims(_),
    /// R9200-5.10.1.1-04, R8392-7.2-04
    claims_that_are_no_map: encrypted_with(header(KID, &[9; 13]), &KEY, &[0x80]) => BAD_REQUEST, Refusal::NotClaims(_),
    an_expiry_with_a_tag: encrypted(&token().set(EXP, Value::Tag(1, Box::new((NOW + 600).into()))))
        => BAD_REQUEST, Refusal::NotClaims(_),

    // Claims, in the order of RFC 9200 §5.10.1.1; each row that follows is wrong in a later claim too.
    /// R9200-5.10.1.1-05, R9200-6.5-01
    a_token_of_another_issuer: encrypted(&token().set(ISS, "https://evil.example"))
        => UNAUTHORIZED, Refusal::WrongIssuer,
    /// R9200-5.10.1.1-05
    a_token_in_the_name_of_another_issuer: encrypted_with(header(b"other-1", &[9; 13]), &[3; 16], &token().encode())
        => UNAUTHORIZED, Refusal::WrongIssuer,
    /// R9200-5.10.1.1-06
    an_expired_token: encrypted(&token().set(EXP, NOW - 1)) => UNAUTHORIZED, Refusal::Expired,
    /// R9200-5.10.1.1-06
    a_token_in_the_second_it_expires: encrypted(&token().set(EXP, NOW)) => UNAUTHORIZED, Refusal::Expired,
    a_token_that_expired_a_fraction_ago: encrypted(&token().set(EXP, NOW as f64 + 0.5)) => UNAUTHORIZED, Refusal::Expired,
    a_token_that_begins_later: encrypted(&token().set(NBF, NOW + 1)) => UNAUTHORIZED, Refusal::NotYetValid,
    a_token_that_counts_from_receipt_without_flash: encrypted(
        &token().without(EXP).set(EXI, 600).set(CTI, bytes(&[LOCK.as_bytes(), &[0; 8]].concat()))
    ) => UNAUTHORIZED, Refusal::ExiUnsupported,
    /// R9200-5.3.1-05
    a_nonce_that_nobody_gave: encrypted(&token().set(CNONCE, bytes(&[1; 20]))) => UNAUTHORIZED, Refusal::StaleNonce,
    a_token_without_an_end: encrypted(&token().without(EXP)) => UNAUTHORIZED, Refusal::Endless,
    /// R9200-5.10.1.1-07, R9700-2.3-01
    a_token_with_the_audience_of_another_lock: encrypted(&token().set(AUD, "urn:latchwork:lock:back"))
        => FORBIDDEN, Refusal::WrongAudience,
    a_token_with_audiences_of_other_locks: encrypted(&token().set(AUD, Value::Array(vec!["a".into(), "b".into()])))
        => FORBIDDEN, Refusal::WrongAudience,
    /// R9237-2.1-01, R8747-4-01
    a_token_without_an_audience: encrypted(&token().without(AUD)) => FORBIDDEN, Refusal::WrongAudience,
    /// R9200-6.1-02
    a_token_for_a_group_that_is_not_signed: encrypted(&token().set(AUD, GROUP)) => FORBIDDEN, Refusal::WrongAudience,
    /// R9200-5.10.1.1-08
    a_scope_in_text: encrypted(&token().set(SCOPE, "door:open")) => BAD_REQUEST, Refusal::UnknownScope,
    a_scope_that_is_no_aif: encrypted(&token().set(SCOPE, bytes(b"\x01\x02"))) => BAD_REQUEST, Refusal::UnknownScope,
    /// R9200-5.10.1.1-08
    a_scope_of_things_that_are_not_here: encrypted(&token().set(SCOPE, aif(&[("/window", 2), ("/doors", 2)])))
        => BAD_REQUEST, Refusal::UnknownScope,
    no_scope: encrypted(&token().without(SCOPE)) => BAD_REQUEST, Refusal::UnknownScope,

    /// R9200-5.10.1.1-09
    the_issuer_is_judged_before_the_expiry: encrypted(&token().set(ISS, "https://evil.example").set(EXP, NOW - 1))
        => UNAUTHORIZED, Refusal::WrongIssuer,
    /// R9200-5.10.1.1-09
    the_expiry_is_judged_before_the_audience: encrypted(&token().set(EXP, NOW - 1).set(AUD, "urn:latchwork:lock:back"))
        => UNAUTHORIZED, Refusal::Expired,
    /// R9200-5.10.1.1-09
    the_audience_is_judged_before_the_scope: encrypted(&token().set(AUD, "urn:latchwork:lock:back").without(SCOPE))
        => FORBIDDEN, Refusal::WrongAudience,
    the_scope_is_judged_before_the_confirmation: encrypted(&token().without(SCOPE).without(CNF))
        => BAD_REQUEST, Refusal::UnknownScope,

    // What has to be proved.
    a_token_for_another_profile: encrypted(&token().set(PROFILE, 1)) => BAD_REQUEST, Refusal::WrongProfile,
    /// R9237-2-01
    a_token_without_confirmation: encrypted(&token().without(CNF)) => BAD_REQUEST, Refusal::WrongConfirmation,
    /// R8747-3.2-02
    a_secret_that_everyone_can_read: signed(&token()) => BAD_REQUEST, Refusal::WrongConfirmation,
    /// R9201-5-03
    an_encrypted_public_key: encrypted(&token().set(CNF, public_key())) => BAD_REQUEST, Refusal::WrongConfirmation,
    /// R8747-3.1-02
    two_keys_in_one_confirmation: encrypted(&token().set(CNF, map([(4, osc(b"7", SECRET)), (3, bytes(b"7"))])))
        => BAD_REQUEST, Refusal::NotClaims(_),
    an_update_outside_of_its_session: encrypted(&token().set(CNF, map([(3, bytes(b"7"))])))
        => BAD_REQUEST, Refusal::WrongConfirmation,
    a_signed_token_for_a_bare_key: signed(&signed_claims()) => BAD_REQUEST, Refusal::NotForOscore,
    a_token_signed_by_eddsa_for_a_bare_key: signed_eddsa(&signed_claims()) => BAD_REQUEST, Refusal::NotForOscore,

    // `osc`: honoured or refused, never ignored.
    /// R9203-4.2-02
    a_member_of_osc_that_nobody_knows: with_osc(&[(7, 1.into())]) => BAD_REQUEST, Refusal::UnknownMember,
    a_member_of_osc_with_a_name: {
        let Value::Map(mut members) = osc(b"7", SECRET) else { unreachable!() };
        members.push(("future".into(), 1.into()));
        encrypted(&good(Value::Map(members)))
    } => BAD_REQUEST, Refusal::UnknownMember,
    /// R9201-5-03, R9203-3.2.1-01, R8747-4-02, R8613-11.3-01
    another_aead: with_osc(&[(4, 30.into())]) => BAD_REQUEST, Refusal::UnsupportedMaterial,
    /// R9201-5-03, R9203-3.2.1-01, R8613-11.3-01
    another_hkdf: with_osc(&[(3, 7.into())]) => BAD_REQUEST, Refusal::UnsupportedMaterial,
    /// R9203-4.2-02
    another_version_of_oscore: with_osc(&[(1, 2.into())]) => BAD_REQUEST, Refusal::UnsupportedMaterial,
    a_context_id_that_is_too_long: with_osc(&[(6, bytes(&[1; 33]))]) => BAD_REQUEST, Refusal::UnsupportedMaterial,
    an_empty_secret: encrypted(&good(osc(b"7", b""))) => BAD_REQUEST, Refusal::UnsupportedMaterial,
    osc_without_an_id: encrypted(&good(map([(2, bytes(SECRET))]))) => BAD_REQUEST, Refusal::NotClaims(_),
    /// R9203-4.2-02
    osc_without_a_secret: encrypted(&good(map([(0, bytes(b"7"))]))) => BAD_REQUEST, Refusal::NotClaims(_),
}

/// A token that is longer than the lock has room for.
#[test]
fn a_token_that_is_too_long() {
    let token = encrypted(&token().set(99, bytes(&[0; 700])));
    assert_eq!(Lock::new().refusal(&token), (Code::REQUEST_ENTITY_TOO_LARGE, Some(Refusal::TooLong)));
}

/// R9770-11.1-02, R9770-11.1-03
#[test]
fn a_revoked_token() {
    let mut lock = Lock::new();
    let token = encrypted(&token());
    let Event::Uploaded(hash) = lock.upload(&token).event else { panic!("was fine before") };
    lock.revoke(hash);
    assert_eq!(lock.refusal(&token), (Code::UNAUTHORIZED, Some(Refusal::Revoked)));
}

/// R9203-6-02, R9770-11.1-01, EDHOC-4.7-02
#[test]
fn a_revoked_token_ends_its_session() {
    let mut lock = Lock::new();
    let mut phone = lock.open(&encrypted(&token()), b"me", SECRET);
    assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED);
    let hash = lock.door.0[0];
    lock.revoke(hash);
    assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::UNAUTHORIZED);
    assert_eq!(lock.moves(), 1);
}

/// Checking a signature takes long on a small processor; who is inside must not wait for strangers.
/// R9200-5.10.1.2-02
#[test]
fn a_flood_of_signed_tokens() {
    let mut lock = Lock::new();
    let mut phone = lock.open(&encrypted(&token()), b"me", SECRET);
    let forged = signed_with(iana::Algorithm::ES256, b"sign-1", &signed_claims(), |_| vec![1; 64]);
    for _ in 0..2 {
        for _ in 0..4 {
            assert_eq!(lock.refusal(&forged), (Code::UNAUTHORIZED, Some(Refusal::Forged)));
        }
        assert_eq!(lock.refusal(&forged), (Code::TOO_MANY_REQUESTS, Some(Refusal::TooMany)));
        assert_eq!(lock.refusal(&encrypted(&token())).0, Code::CREATED);
        assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED);
        lock.now.uptime = Uptime(lock.now.uptime.0 + 1);
    }
}

/// ES256 takes s and n - s alike, which makes two hashes of one signed token.
/// R9770-11.1-03
#[test]
fn a_revoked_token_with_its_other_signature() {
    for cti in 0..3 {
        let token = signed(&signed_claims().set(CTI, bytes(&vec![7; cti])));
        let twin = twin(&token);
        for (revoked, token) in [(&token, &token), (&token, &twin), (&twin, &token)] {
            let mut lock = Lock::new();
            lock.revoke(hash(b"another token"));
            assert_eq!(lock.refusal(token).1, Some(Refusal::NotForOscore), "good but for its kind");
            lock.revoke(hash(revoked));
            assert_eq!(lock.refusal(token), (Code::UNAUTHORIZED, Some(Refusal::Revoked)));
        }
    }
}

/// A lock that does not know the time takes no date for an end, nor for a beginning.
#[test]
fn a_date_while_the_clock_is_unknown() {
    for claims in [token(), token().set(NBF, 0)] {
        let mut lock = Lock::new();
        lock.now.wall = Wall::Unknown;
        assert_eq!(lock.refusal(&encrypted(&claims)), (Code::UNAUTHORIZED, Some(Refusal::ClockUnknown)));
    }
}

/// A lock without a clock asks for its own nonce, fresh (RFC 9200 §5.3.1).
/// R9200-5.3.1-01, R9200-5.3.1-04, R9200-5.3.1-05
#[test]
fn a_token_without_a_fresh_nonce() {
    let mut lock = Lock::with_nonces();
    let response = lock.plain(Code::POST, "/door", &[], &[]);
    let hints = latchwork_ace::Hints::decode(response.message().payload).unwrap();
    let nonce = hints.cnonce.unwrap().to_vec();
    let claims = token().without(EXP);

    for (what, claims) in [
        ("none", claims.clone()),
        ("another", claims.clone().set(CNONCE, bytes(&[1; 20]))),
        ("cut", claims.clone().set(CNONCE, bytes(&nonce[..19]))),
        ("changed", claims.clone().set(CNONCE, bytes(&flipped(nonce.clone(), 19)))),
        ("of another time", claims.clone().set(CNONCE, bytes(&flipped(nonce.clone(), 7)))),
    ] {
        let refused = lock.refusal(&encrypted(&claims));
        assert_eq!(refused, (Code::UNAUTHORIZED, Some(Refusal::StaleNonce)), "{what}");
    }
    let fresh = encrypted(&claims.set(CNONCE, bytes(&nonce)));
    lock.now.uptime = Uptime(1600);
    assert_eq!(lock.refusal(&fresh), (Code::CREATED, None));
    lock.now.uptime = Uptime(1601);
    assert_eq!(lock.refusal(&fresh), (Code::UNAUTHORIZED, Some(Refusal::StaleNonce)));
    let mut rebooted = Lock::with_nonces();
    rebooted.trust =
        trust(Some(Box::leak(Box::new(latchwork_rs_lib::nonce::Nonces::new(&mut Counting(77), 600, 3600).unwrap()))));
    assert_eq!(rebooted.refusal(&fresh), (Code::UNAUTHORIZED, Some(Refusal::StaleNonce)));
}

/// RFC 9203 §4.2: what must come with the token.
/// R9203-4.1-04, R9203-4.2-02
#[test]
fn an_upload_without_nonce_or_id() {
    let token = encrypted(&token());
    let (nonce, id) = (Some(&[1; 8][..]), Some(&b"me"[..]));
    for (nonce1, id, code) in [
        (None, id, Code::BAD_REQUEST),
        (nonce, None, Code::BAD_REQUEST),
        (None, None, Code::BAD_REQUEST),
        (Some(&[][..]), id, Code::BAD_REQUEST),
        (Some(&[1; 65][..]), id, Code::BAD_REQUEST),
        (nonce, Some(&b"8 is max"[..]), Code::BAD_REQUEST),
        (nonce, Some(&b""[..]), Code::CREATED),
        (nonce, id, Code::CREATED),
    ] {
        let response = Lock::new().upload_payload(&upload_payload(&token, nonce1, id));
        assert_eq!(response.code(), code, "{nonce1:?} {id:?} {:?}", response.event);
    }
}

/// RFC 9200 §5.10.1.2, RFC 9203 §4.1.
/// R9200-5.10.1.2-01, R7252-5.10.4-01
#[test]
fn what_authz_info_does_not_do() {
    let payload = upload_payload(&encrypted(&token()), Some(&[1; 8]), Some(b"me"));
    let (format, accept) = (OptionNumber::CONTENT_FORMAT, OptionNumber::ACCEPT);
    for (method, options, expected) in [
        (Code::GET, &[(format, &[19][..])][..], Code::METHOD_NOT_ALLOWED),
        (Code::PUT, &[(format, &[19])], Code::METHOD_NOT_ALLOWED),
        (Code::DELETE, &[(format, &[19])], Code::METHOD_NOT_ALLOWED),
        (Code::FETCH, &[(format, &[19])], Code::METHOD_NOT_ALLOWED),
        (Code::POST, &[(format, &[61])], Code::BAD_REQUEST), // a map is no token
        (Code::POST, &[(format, &[60])], Code::UNSUPPORTED_CONTENT_FORMAT),
        (Code::POST, &[(format, &[19]), (accept, &[0])], Code::NOT_ACCEPTABLE),
        (Code::POST, &[(format, &[19]), (accept, &[19])], Code::CREATED),
    ] {
        let mut lock = Lock::new();
        let response = lock.plain(method, "/authz-info", options, &payload);
        assert_eq!(response.code(), expected, "{method:?} {options:?}");
    }
    for path in ["/authz-info/", "/Authz-info", "//authz-info", "/%61uthz-info"] {
        Lock::new().plain(Code::POST, path, FORMAT_19, &payload).assert_hints();
    }
}

/// Unknown critical options are refused before anything is decided (RFC 7252 §5.4.1).
#[test]
fn a_critical_option_that_nobody_knows() {
    for option in [OptionNumber::IF_MATCH, OptionNumber::IF_NONE_MATCH, OptionNumber(13), OptionNumber(2049)] {
        let mut lock = Lock::new();
        let payload = upload_payload(&encrypted(&token()), Some(&[1; 8]), Some(b"me"));
        let options = [(option, &[][..])];
        for path in ["/authz-info", "/door"] {
            let response = lock.plain(Code::POST, path, &options, &payload);
            assert_eq!(response.code(), Code::BAD_OPTION);
        }
        let mut phone = lock.open(&encrypted(&token()), b"me", SECRET);
        let asked = lock.ask_with(&mut phone, &request(Code::POST, "/door", &options, &[]));
        assert_eq!(asked.0, Code::BAD_OPTION, "{option:?}");
        assert_eq!(lock.moves(), 0);
    }
}

/// Whoever has no session gets hints, whatever it asks for; 4.03 and 4.05 are for holders (RFC 9200 §5.10.2).
/// R9200-5-01, R9200-5.2-01, R9200-5.2-05, R9200-5.2-06, R9200-5.10.2-03, R9200-5.10.2-06, R9200-6.5-02
#[test]
fn a_request_without_proof() {
    let mut lock = Lock::new();
    let _stolen = lock.open(&encrypted(&token()), b"me", SECRET);
    for (method, path) in [(Code::POST, "/door"), (Code::GET, "/door"), (Code::POST, "/nowhere"), (Code::GET, "/")] {
        let response = lock.plain(method, path, &[], &[]);
        response.assert_hints();
        let hints = latchwork_ace::Hints::decode(response.message().payload).unwrap();
        let scope = (method, path) == (Code::POST, "/door");
        assert_eq!(hints.scope, scope.then_some(latchwork_ace::Scope::Text("door:open")));
    }
    assert_eq!(lock.moves(), 0);
}

/// A thief has the token and not the key; its nonces are its own.
/// R9200-5.2-02, R9200-5.10.2-02
#[test]
fn a_stolen_token() {
    let mut lock = Lock::new();
    let token = encrypted(&token());
    let mut thief = lock.open(&token, b"th", b"a guessed secret");
    assert_eq!(lock.ask(&mut thief, Code::POST, "/door").0, Code::BAD_REQUEST, "under a wrong key");
    let mut stranger = lock.open(&token, b"st", SECRET);
    let mut elsewhere = Lock::<4, 2>::new();
    elsewhere.random = Counting(0x9999);
    let (datagram, _) = elsewhere.open(&token, b"st", SECRET).protect(&request(Code::POST, "/door", &[], &[]));
    lock.receive(&datagram).assert_hints();
    assert_eq!((lock.moves(), lock.sessions.live()), (0, 0));
    assert_eq!(lock.ask(&mut stranger, Code::POST, "/door").0, Code::CHANGED, "the owner gets in all the same");
}

/// The same bytes under another message ID (the message layer sees a new message).
/// R9200-5-01, R9200-6.5-02
#[test]
fn a_replayed_request() {
    let mut lock = Lock::new();
    let mut phone = lock.open(&encrypted(&token()), b"me", SECRET);
    let (mut datagram, _) = phone.protect(&request(Code::POST, "/door", &[], &[]));
    assert!(lock.receive(&datagram).is_protected());
    datagram[3] ^= 1;
    let response = lock.receive(&datagram);
    assert_eq!((response.code(), response.is_protected()), (Code::UNAUTHORIZED, false));
    assert_eq!(lock.moves(), 1);
}

/// An expired session is answered in the open and is gone (RFC 9203 §4.3).
/// R9200-5.2-02, R9203-4.3-07, R9203-6-02
#[test]
fn a_request_after_the_end() {
    let mut lock = Lock::new();
    let mut phone = lock.open(&encrypted(&token()), b"me", SECRET);
    assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED);
    lock.now.wall = Wall::exact(NOW + 600);
    let (datagram, _) = phone.protect(&request(Code::POST, "/door", &[], &[]));
    lock.receive(&datagram).assert_hints();
    assert_eq!(lock.sessions.live(), 0);
    lock.now.wall = Wall::exact(NOW);
    let (datagram, _) = phone.protect(&request(Code::POST, "/door", &[], &[]));
    lock.receive(&datagram).assert_hints();
    assert_eq!(lock.moves(), 1);
}

/// A clock that is lost while somebody is inside: nobody can tell whether the rights still stand.
#[test]
fn a_request_after_the_clock_was_lost() {
    let mut lock = Lock::new();
    let mut phone = lock.open(&encrypted(&token()), b"me", SECRET);
    lock.now.wall = Wall::Unknown;
    let (datagram, _) = phone.protect(&request(Code::POST, "/door", &[], &[]));
    lock.receive(&datagram).assert_hints();
    assert_eq!(lock.moves(), 0);
    lock.now.wall = Wall::exact(NOW);
    assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED);
}

#[test]
fn a_session_that_rests_on_a_nonce_ends() {
    let mut lock = Lock::with_nonces();
    let response = lock.plain(Code::POST, "/door", &[], &[]);
    let nonce = latchwork_ace::Hints::decode(response.message().payload).unwrap().cnonce.unwrap().to_vec();
    let token = encrypted(&token().without(EXP).set(CNONCE, bytes(&nonce)));
    lock.now.uptime = Uptime(1300);
    let mut phone = lock.open(&token, b"me", SECRET);
    lock.now.uptime = Uptime(1000 + 3599);
    assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED);
    lock.now.uptime = Uptime(1000 + 3600);
    assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::UNAUTHORIZED);
}

/// RFC 9200 §5.10.2 and RFC 9237 §2.2: byte for byte.
/// R9200-5.2-03, R9200-5.10.2-04, R9203-4.4-01, R9237-3-04
#[test]
fn a_request_for_another_resource() {
    let mut lock = Lock::new();
    let mut phone = lock.open(&encrypted(&token()), b"me", SECRET);
    for path in ["/light", "/", "/door/", "/Door", "//door", "/doo", "/doors", "/door/x", "/%64oor", "/door?x"] {
        assert_eq!(lock.ask(&mut phone, Code::POST, path).0, Code::FORBIDDEN, "{path}");
    }
    let query = [(OptionNumber::URI_QUERY, &b"x=1"[..])];
    assert_eq!(lock.ask_with(&mut phone, &request(Code::POST, "/door", &query, &[])).0, Code::FORBIDDEN);
    assert_eq!(lock.moves(), 0);
    assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED, "the session lives on");
}

/// R9200-5.10.2-05, R9203-4.4-01, R9237-2-02
#[test]
fn a_request_with_another_method() {
    let mut lock = Lock::new();
    let mut phone = lock.open(&encrypted(&token()), b"me", SECRET);
    for method in [Code::GET, Code::PUT, Code::DELETE, Code::FETCH, Code::PATCH, Code::IPATCH, Code(0x1f)] {
        assert_eq!(lock.ask(&mut phone, method, "/door").0, Code::METHOD_NOT_ALLOWED, "{method:?}");
    }
    assert_eq!(lock.moves(), 0);
}

/// A server can grant no more than the lock's owner lets it.
#[test]
fn a_request_above_the_ceiling() {
    let mut lock = Lock::new();
    let claims = token().set(ISS, "https://other.example").set(SCOPE, aif(&[("/door", 3), ("/light", 2)]));
    let token = encrypted_with(header(b"other-1", &[9; 13]), &[3; 16], &claims.encode());
    let mut phone = lock.open(&token, b"me", SECRET);
    for (method, path, code) in [
        (Code::POST, "/light", Code::FORBIDDEN),
        (Code::GET, "/door", Code::METHOD_NOT_ALLOWED),
        (Code::POST, "/door", Code::CHANGED),
    ] {
        assert_eq!(lock.ask(&mut phone, method, path).0, code, "{method:?} {path}");
    }
}

/// A server can mint for no more audiences than the lock's owner lets it: the second one not for the group.
#[test]
fn an_audience_above_the_ceiling() {
    let second = |aud: &str| {
        let claims = signed_claims().set(ISS, "https://other.example").set(AUD, aud);
        signed_with(iana::Algorithm::EdDSA, b"other-2", &claims, |message| other().sk.sign(message, None).to_vec())
    };
    let mut lock = Lock::new();
    assert_eq!(lock.refusal(&second(GROUP)), (Code::FORBIDDEN, Some(Refusal::WrongAudience)));
    assert_eq!(lock.refusal(&second(LOCK)).1, Some(Refusal::NotForOscore), "good but for its kind");
    assert_eq!(lock.refusal(&signed(&signed_claims().set(AUD, GROUP))).1, Some(Refusal::NotForOscore));
}

/// An update must name the key of the session that it comes in (RFC 9203 §4.2); a failed one changes nothing.
/// R9203-4.2-06
#[test]
fn an_update_for_another_session() {
    let mut lock = Lock::new();
    let mut phone = lock.open(&encrypted(&token()), b"me", SECRET);
    let more = token().set(SCOPE, aif(&[("/light", 2)]));
    for (what, claims, code) in [
        ("another name", more.clone().set(CNF, map([(3, bytes(b"8"))])), Refusal::OtherContext.update_code()),
        ("new material", more.clone(), Code::UNAUTHORIZED),
        ("another lock", more.clone().set(CNF, map([(3, bytes(b"7"))])).set(AUD, "x"), Code::UNAUTHORIZED),
        ("expired", more.clone().set(CNF, map([(3, bytes(b"7"))])).set(EXP, NOW), Code::UNAUTHORIZED),
        ("unknown scope", more.clone().set(CNF, map([(3, bytes(b"7"))])).set(SCOPE, "light"), Code::BAD_REQUEST),
    ] {
        let update = request(Code::POST, "/authz-info", FORMAT_19, &upload_payload(&encrypted(&claims), None, None));
        assert_eq!(lock.ask_with(&mut phone, &update).0, code, "{what}");
        assert_eq!(lock.ask(&mut phone, Code::POST, "/light").0, Code::FORBIDDEN, "{what}");
        assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED, "{what}");
    }
    // The same name, given by another server.
    let foreign = more.set(ISS, "https://other.example").set(CNF, map([(3, bytes(b"7"))]));
    let foreign = encrypted_with(header(b"other-1", &[9; 13]), &[3; 16], &foreign.encode());
    let update = request(Code::POST, "/authz-info", FORMAT_19, &upload_payload(&foreign, None, None));
    assert_eq!(lock.ask_with(&mut phone, &update).0, Code::UNAUTHORIZED);
}

/// R8613-8.2-01
#[test]
fn protected_messages_that_are_none() {
    let mut lock = Lock::new();
    let mut phone = lock.open(&encrypted(&token()), b"me", SECRET);
    let (datagram, _) = phone.protect(&request(Code::POST, "/door", &[], &[]));
    let oscore = |value: &[u8], payload: &[u8]| request(Code::POST, "/", &[(OptionNumber::OSCORE, value)], payload);
    for (what, datagram, code) in [
        ("no kid", oscore(&[1, 0], b"ciphertext"), Code::BAD_OPTION),
        ("reserved bits", oscore(&[0xe9, 0, 1], b"ciphertext"), Code::BAD_OPTION),
        ("no payload", oscore(&[9, 0, 1], b""), Code::BAD_OPTION),
        (
            "tag flipped",
            {
                let end = datagram.len() - 1;
                flipped(datagram.clone(), end)
            },
            Code::BAD_REQUEST,
        ),
    ] {
        let response = lock.receive(&datagram);
        assert_eq!((response.code(), response.is_protected()), (code, false), "{what} {:?}", response.event);
    }
    assert_eq!(lock.moves(), 0);
    let hash = |response: Response| response.event;
    assert!(matches!(hash(lock.receive(&datagram)), Event::Served(_, _)), "a forgery moved no window");
}

#[test]
fn denials_say_what_is_missing_in_the_log() {
    let mut lock = Lock::new();
    let mut phone = lock.open(&encrypted(&token()), b"me", SECRET);
    let (datagram, _) = phone.protect(&request(Code::POST, "/light", &[], &[]));
    assert!(matches!(lock.receive(&datagram).event, Event::Denied(_, Denied::Resource)));
}

fn hash(token: &[u8]) -> TokenHash {
    let mut room = vec![0; token_hash::input_len(token.len())];
    TokenHash(RustCrypto.sha256(&[token_hash::input(token, &mut room).unwrap()]).unwrap())
}

/// Claims for the signed kind of token.
fn signed_claims() -> Claims {
    token().set(CNF, public_key())
}

/// A token whose kid stands where anyone could change it.
fn unprotected_kid() -> Vec<u8> {
    use coset::TaggedCborSerializable;
    let mut token = coset::CoseEncrypt0::from_tagged_slice(&encrypted(&token())[2..]).unwrap();
    token.unprotected.key_id = KID.to_vec();
    [&[0xd8, 61][..], &token.to_tagged_vec().unwrap()].concat()
}
