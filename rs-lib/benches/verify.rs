//! What a token costs a lock: from its bytes to what it says.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../tests/support/mod.rs"]
mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use latchwork_crypto::RustCrypto;
use latchwork_rs_lib::verify::Verifier;
use latchwork_rs_lib::{Now, Revoked, Uptime, Wall};
use support::mint::{CNF, NOW, bytes, encrypted, es256, good, map, osc, signed, signed_eddsa};

fn verify(criterion: &mut Criterion) {
    let trust = support::trust(None);
    let now = Now { wall: Wall::exact(NOW), uptime: Uptime(1000) };
    let revoked = Revoked::<[_; 0]>::new();
    let verifier = Verifier {
        trust: &trust,
        revoked: &revoked,
        records: &[],
        resources: &["/door"],
        now: &now,
        crypto: &RustCrypto,
    };
    let claims = good(osc(b"1", &[3; 16]));
    // A signed token tells no secret, so it confirms a public key.
    let point = es256().verifying_key().to_sec1_point(false);
    let key = [(1, 2.into()), (-1, 1.into()), (-2, bytes(point.x().unwrap())), (-3, bytes(point.y().unwrap()))];
    let public = claims.clone().set(CNF, map([(1, map(key))]));
    let tokens =
        [("Encrypt0", encrypted(&claims)), ("Sign1, ES256", signed(&public)), ("Sign1, EdDSA", signed_eddsa(&public))];
    for (name, token) in tokens {
        let mut room = [0; 1024];
        verifier.verify(&token, &mut room).unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
        criterion.bench_function(name, |b| b.iter(|| verifier.verify(&token, &mut room).is_ok()));
    }
}

criterion_group!(benches, verify);
criterion_main!(benches);
