//! The steps by themselves, for a firmware with a CoAP stack of its own: token, session, proof, decision. Token and request are
//! those that the image `decision` of `examples/door-lock/cortex-m` is measured with (`BLESS=1` writes them).
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use latchwork_ace::authz_info::Request;
use latchwork_coap::{Code, Message};
use latchwork_crypto::{CryptoError, Random, RustCrypto};
use latchwork_oscore::{Context, Error, Material, master_salt};
use latchwork_rs_lib::authorize::{Denied, authorize};
use latchwork_rs_lib::authz_info;
use latchwork_rs_lib::proof::{Unproven, by_oscore};
use latchwork_rs_lib::verify::Verifier;
use std::path::Path;
use support::mint::*;
use support::{Lock, Phone, request};

/// The same bytes each time, as the image has them.
struct Same;

impl Random for Same {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        out.fill(0x5a);
        Ok(())
    }
}

const SECRET: [u8; 16] = [0x42; 16];

#[test]
fn from_a_token_to_a_decision() {
    let token = encrypted(&good(osc(b"pop-1", &SECRET)));
    let mut lock = Lock::new();
    let mut room = [0; 512];
    let verifier = Verifier {
        trust: &lock.trust,
        revoked: &lock.revoked,
        resources: &["/door"],
        records: lock.sessions.records(),
        now: &lock.now,
        crypto: &RustCrypto,
    };
    let bearer = verifier.verify(&token, &mut room).unwrap();
    let upload = Request { access_token: &token, nonce1: Some(&[1; 8]), client_recipient_id: Some(&[7]) };
    let opened = authz_info::open(&mut lock.sessions, &bearer, &upload, &lock.now, &mut Same, &RustCrypto).unwrap();
    let answer = opened.response();

    let mut salt = [0; 64];
    let mut phone = Phone(
        Context::derive(
            &RustCrypto,
            &Material {
                master_secret: &SECRET,
                master_salt: master_salt(&[], &[1; 8], answer.nonce2, &mut salt).unwrap(),
                sender_id: answer.server_recipient_id,
                recipient_id: &[7],
                id_context: None,
            },
        )
        .unwrap(),
    );
    for (code, path, denied) in [
        (Code::POST, "/door", None),
        (Code::GET, "/door", Some(Denied::Method)),
        (Code::POST, "/light", Some(Denied::Resource)),
    ] {
        let (datagram, mut sent) = phone.protect(&request(code, path, &[], b"open"));
        if denied.is_none() {
            vectors(&token, &datagram);
        }
        let (outer, mut out) = (Message::parse(&datagram).unwrap(), [0; 256]);
        let proven = by_oscore(&mut lock.sessions, &outer, &lock.now, &RustCrypto, &mut out).unwrap();
        let key = proven.verified.enter(&mut lock.sessions, &lock.now).unwrap();
        let decided = authorize(&key, &proven.request, &mut lock.sessions, &mut lock.flash, &lock.trust, None);
        assert_eq!(decided.map(drop).err(), denied, "{code:?} {path}");

        let (mut reference, response) = (proven.reference, request(Code::CHANGED, "", &[], b"done"));
        let response = Message::parse(&response).unwrap();
        let mut out = [0; 256];
        let protected = lock.sessions.answer(key.seat(), &mut reference, &response, &RustCrypto, &mut out);
        let protected = Message::parse(protected.unwrap().unwrap()).unwrap();
        let mut out = [0; 256];
        let opened = phone.0.unprotect_response(&RustCrypto, &mut sent, &protected, &mut out).unwrap();
        assert_eq!((opened.code, opened.payload), (Code::CHANGED, &b"done"[..]));

        let mut out = [0; 256];
        let again = by_oscore(&mut lock.sessions, &outer, &lock.now, &RustCrypto, &mut out);
        assert!(matches!(again, Err(Unproven::Oscore(Error::Replayed))), "{code:?} {path} a second time");
    }
}

/// Holds the bytes in the image against these.
fn vectors(token: &[u8], request: &[u8]) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/door-lock/cortex-m/src/decision");
    for (name, bytes) in [("token", token), ("request", request)] {
        let file = directory.join(name);
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&file, bytes).unwrap();
        }
        assert_eq!(std::fs::read(&file).unwrap(), bytes, "{name}");
    }
}
