//! Tokens that only their server understands (RFC 9200 §5.9).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use ciborium::value::Value;
use latchwork_coap::{Code, OptionNumber};
use latchwork_rs_lib::{Event, Refusal};
use support::mint::*;
use support::*;

const SECRET: &[u8] = b"sixteen secrets!";
const REFERENCE: &[u8] = b"an opaque reference to a token";
const ACTIVE: i64 = 10;

fn active() -> Claims {
    good(osc(b"7", SECRET)).set(ACTIVE, true)
}

fn answers(claims: &Claims) -> Said {
    Said::Answer(0, claims.encode())
}

fn asking(said: Said) -> Lock {
    let mut lock = Lock::new();
    lock.server = Some(Server { answers: vec![(REFERENCE.to_vec(), said)], ..Server::default() });
    lock
}

#[test]
fn a_reference_opens() {
    let mut lock = asking(answers(&active()));
    let mut phone = lock.open(REFERENCE, b"me", SECRET);
    assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED);
    assert_eq!(lock.ask(&mut phone, Code::POST, "/light").0, Code::FORBIDDEN);
    assert_eq!(lock.server.unwrap().asked, [REFERENCE], "asked once, not at every request");
}

/// What can be judged here is not asked about; what is under a key that we lack is.
#[test]
fn who_is_asked_about_what() {
    let unknown = encrypted_with(header(b"rotated", &[9; 13]), &[77; 16], &[0; 40]);
    let mut lock = asking(Said::Unreachable);
    lock.server.as_mut().unwrap().answers.push((unknown.clone(), answers(&active())));
    let own = encrypted(&good(osc(b"7", SECRET)));
    let forged = encrypted_with(header(KID, &[9; 13]), &[8; 16], &[0; 40]);
    assert_eq!(lock.refusal(&own).0, Code::CREATED);
    assert_eq!(lock.refusal(&forged).1, Some(Refusal::Forged));
    assert!(lock.server.as_ref().unwrap().asked.is_empty());
    assert_eq!(lock.refusal(&unknown), (Code::CREATED, None));
    lock.server = None;
    assert_eq!(lock.refusal(&unknown), (Code::UNAUTHORIZED, Some(Refusal::UnknownKey)));
    let (code, refusal) = lock.refusal(REFERENCE);
    assert!(matches!((code, refusal), (Code::BAD_REQUEST, Some(Refusal::NotAToken(_)))));
}

/// No answer, no access (R9200-6.10-01); claims that cannot be had are 4.00 (R9200-5.10.1.1-04); what the server says is
/// checked like any token's claims.
/// R9200-5.9.2-02, R9200-5.9.2-03, R7662-4-05
#[test]
fn what_is_refused() {
    let nonce = || bytes(&[1; 20]);
    for (what, said, code, expected) in [
        ("unreachable", Said::Unreachable, Code::BAD_REQUEST, Refusal::Unknowable),
        ("inactive", answers(&Claims(vec![(ACTIVE, false.into())])), Code::UNAUTHORIZED, Refusal::Inactive),
        ("inactive, and claims", answers(&active().set(ACTIVE, false)), Code::UNAUTHORIZED, Refusal::Inactive),
        ("not said", answers(&active().without(ACTIVE)), Code::BAD_REQUEST, Refusal::Unknowable),
        ("neither", answers(&active().set(ACTIVE, 1)), Code::BAD_REQUEST, Refusal::Unknowable),
        ("no map", Said::Answer(0, vec![0x80]), Code::BAD_REQUEST, Refusal::Unknowable),
        ("nothing", Said::Answer(0, vec![]), Code::BAD_REQUEST, Refusal::Unknowable),
        ("half", Said::Answer(0, active().encode()[..20].to_vec()), Code::BAD_REQUEST, Refusal::Unknowable),
        ("in another's name", Said::Answer(1, active().encode()), Code::UNAUTHORIZED, Refusal::WrongIssuer),
        (
            "of a server that we do not trust, and it names none",
            Said::Answer(2, active().without(ISS).encode()),
            Code::UNAUTHORIZED,
            Refusal::WrongIssuer,
        ),
        ("expired", answers(&active().set(EXP, NOW)), Code::UNAUTHORIZED, Refusal::Expired),
        ("for another lock", answers(&active().set(AUD, "x")), Code::FORBIDDEN, Refusal::WrongAudience),
        ("for nobody", answers(&active().without(AUD)), Code::FORBIDDEN, Refusal::WrongAudience),
        ("unknown scope", answers(&active().set(SCOPE, "door")), Code::BAD_REQUEST, Refusal::UnknownScope),
        ("another profile", answers(&active().set(PROFILE, 1)), Code::BAD_REQUEST, Refusal::WrongProfile),
        (
            "a nonce that we never gave",
            answers(&active().set(CNONCE, nonce())),
            Code::UNAUTHORIZED,
            Refusal::StaleNonce,
        ),
        ("no key", answers(&active().without(CNF)), Code::BAD_REQUEST, Refusal::WrongConfirmation),
    ] {
        let mut lock = asking(said);
        assert_eq!(lock.refusal(REFERENCE), (code, Some(expected)), "{what}");
        assert_eq!(lock.sessions.pending(), 0, "{what}");
    }
}

/// While the server is asked the client is told when to come again.
#[test]
fn come_again() {
    let mut lock = asking(Said::Later);
    let response = lock.upload(REFERENCE);
    assert_eq!((response.code(), response.event), (Code::SERVICE_UNAVAILABLE, Event::Refused(Refusal::Later)));
    assert_eq!(response.message().options.uint(OptionNumber::MAX_AGE), Some(2));
    lock.server.as_mut().unwrap().answers[0].1 = answers(&active());
    assert_eq!(lock.refusal(REFERENCE), (Code::CREATED, None));
}

/// A revoked reference is refused under its hash.
#[test]
fn a_revoked_reference() {
    let mut lock = asking(answers(&active()));
    let Event::Uploaded(hash) = lock.upload(REFERENCE).event else { panic!("good before") };
    lock.revoke(hash);
    assert_eq!(lock.refusal(REFERENCE), (Code::UNAUTHORIZED, Some(Refusal::Revoked)));
}

/// A signed token that only its server can read has two signatures all the same.
#[test]
fn a_revoked_token_that_was_asked_about() {
    let sign = |message: &[u8]| {
        use p256::ecdsa::signature::Signer;
        let signature: p256::ecdsa::Signature = es256().sign(message);
        signature.to_bytes().to_vec()
    };
    let token = signed_with(coset::iana::Algorithm::ES256, b"rotated", &active(), sign);
    let knowing = || {
        let mut lock = asking(answers(&active()));
        lock.server
            .as_mut()
            .unwrap()
            .answers
            .extend([&token, &twin(&token)].map(|form| (form.clone(), answers(&active()))));
        lock
    };
    let Event::Uploaded(hash) = knowing().upload(&token).event else { panic!("good before") };
    for form in [&token, &twin(&token)] {
        let mut lock = knowing();
        let mut phone = lock.open(form, b"me", SECRET);
        assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::CHANGED);
        lock.revoke(hash);
        assert_eq!(lock.ask(&mut phone, Code::POST, "/door").0, Code::UNAUTHORIZED);
        assert_eq!(lock.refusal(form).1, Some(Refusal::Revoked));
    }
}

/// New rights by reference, in the session.
#[test]
fn an_update_by_reference() {
    let rights = active().set(CNF, map([(3, bytes(b"7"))])).set(SCOPE, aif(&[("/light", 2)]));
    let mut lock = asking(answers(&rights));
    let mut phone = lock.open(&encrypted(&good(osc(b"7", SECRET))), b"me", SECRET);
    let update = request(Code::POST, "/authz-info", FORMAT_19, &upload_payload(REFERENCE, None, None));
    assert_eq!(lock.ask_with(&mut phone, &update), (Code::CREATED, vec![]));
    assert_eq!(lock.ask(&mut phone, Code::POST, "/light").0, Code::CHANGED);
}

/// Members with names are not ours, whatever they say.
#[test]
fn members_by_name() {
    let Claims(mut claims) = active();
    claims.retain(|(label, _)| *label != ACTIVE);
    let mut members: Vec<(Value, Value)> = claims.into_iter().map(|(label, value)| (label.into(), value)).collect();
    members.push(("active".into(), true.into()));
    let mut lock = asking(Said::Answer(0, encode(&Value::Map(members))));
    assert_eq!(lock.refusal(REFERENCE).1, Some(Refusal::Unknowable));
}
