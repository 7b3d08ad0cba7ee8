//! From a token to a decision and nothing else: what `rs-lib` costs a firmware that has a CoAP stack of its own. No message layer, no
//! blocks, no line, no counters: an encrypted token is verified, a session opened, a request unprotected and allowed.
//!
//! `rs-lib/tests/decision.rs` goes the same steps and holds token and request against its own.

#![no_std]
#![no_main]

#[allow(dead_code, unused_imports, reason = "a lock uses all of it")]
mod backend;
#[allow(dead_code, reason = "a lock uses all of it")]
mod board;
#[allow(dead_code, reason = "a lock uses all of it")]
mod console;
mod measure;
mod panic;

use crate::backend::BACKEND;
use core::hint::black_box;
use latchwork_ace::authz_info::Request;
use latchwork_coap::Message;
use latchwork_crypto::{CryptoError, Random, Secret};
use latchwork_rs_lib::authorize::authorize;
use latchwork_rs_lib::proof::by_oscore;
use latchwork_rs_lib::verify::Verifier;
use latchwork_rs_lib::{
    Freshness, Issuer, Key, NoFlash, Now, Revoked, Sessions, TokenKey, Trust, Uptime, Wall, authz_info, revoked,
};

#[cortex_m_rt::entry]
fn main() -> ! {
    board::start();
    measure::paint();
    let (decided, cost) = measure::cost(decide);
    console::text(if decided.is_some() { "did decision" } else { "refused" });
    cost.tell();
    board::exit(decided.is_some())
}

fn decide() -> Option<()> {
    // What comes over the air, or was enrolled, is nothing that a compiler may know.
    let (token, request): (&[u8], &[u8]) =
        black_box((include_bytes!("decision/token"), include_bytes!("decision/request")));
    let key = black_box(Secret::new(*b"the lock's key.."));
    let keys = [TokenKey { kid: b"front-1", key: Key::AesCcm(&key), retired: false }];
    let issuers =
        [Issuer { name: "https://as.example", token_uri: "", keys: &keys, ceiling: None, audiences: None }];
    let trust = Trust {
        audience: "urn:latchwork:lock:front",
        groups: &[],
        issuers: &issuers,
        freshness: Freshness::Clock,
        scopes: &[],
    };
    let now = black_box(Now { wall: Wall::exact(1_800_000_000), uptime: Uptime(1000) });
    let revoked = Revoked::<[Option<revoked::Entry>; 1]>::new();
    let mut sessions = Sessions::<1, 1, 1>::new();

    let mut room = [0; 512];
    let verifier = Verifier {
        trust: &trust,
        revoked: &revoked,
        resources: &["/door"],
        records: sessions.records(),
        now: &now,
        crypto: &BACKEND,
    };
    let bearer = verifier.verify(token, &mut room).ok()?;
    let upload = Request { access_token: token, nonce1: Some(&[1; 8]), client_recipient_id: Some(&[7]) };
    authz_info::open(&mut sessions, &bearer, &upload, &now, &mut Same, &BACKEND).ok()?;

    let outer = Message::parse(request).ok()?;
    let proven = by_oscore(&mut sessions, &outer, &now, &BACKEND, &mut room).ok()?;
    let key = proven.verified.enter(&mut sessions, &now)?;
    authorize(&key, &proven.request, &mut sessions, &mut NoFlash, &trust, None).ok().map(drop)
}

/// The same bytes each time: the request was made for them.
struct Same;

impl Random for Same {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        out.fill(black_box(0x5a));
        Ok(())
    }
}
