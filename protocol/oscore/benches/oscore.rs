//! What protection costs: a request that unlocks a door, there and back.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use latchwork_coap::{Code, Kind, Message, Token, Writer};
use latchwork_crypto::RustCrypto;
use latchwork_oscore::{Context, Incoming, Material};

fn contexts() -> (Context, Context) {
    let client = Material {
        master_secret: &[7; 16],
        master_salt: &[9; 8],
        sender_id: b"c",
        recipient_id: b"s",
        id_context: None,
    };
    let server = Material { sender_id: b"s", recipient_id: b"c", ..client };
    (Context::derive(&RustCrypto, &client).unwrap(), Context::derive(&RustCrypto, &server).unwrap())
}

fn oscore(criterion: &mut Criterion) {
    let mut buffer = [0; 64];
    let mut writer = Writer::new(&mut buffer, Kind::Con, Code::POST, 1, Token::EMPTY);
    writer.path("/door").unwrap();
    let unlock = writer.finish().unwrap();
    let unlock = Message::parse(unlock).unwrap();
    let mut out = [0; 128];

    criterion.bench_function("derive", |b| b.iter(contexts));
    let (mut client, _) = contexts();
    criterion.bench_function("protect a request", |b| {
        b.iter(|| client.protect_request(&RustCrypto, &unlock, &mut out).unwrap().0.len())
    });
    // The window takes each request once, so each iteration has a fresh one.
    let (mut client, mut server) = contexts();
    criterion.bench_function("unprotect a request", |b| {
        b.iter_batched(
            || client.protect_request(&RustCrypto, &unlock, &mut [0; 128]).unwrap().0.to_vec(),
            |datagram| {
                let request = Message::parse(&datagram).unwrap();
                match server.unprotect_request(&RustCrypto, &request, &mut out).unwrap() {
                    Incoming::Request(inner, _) => inner.code,
                    Incoming::Unproven(_) => panic!("a fresh context knows its window"),
                }
            },
            BatchSize::PerIteration,
        );
    });
}

criterion_group!(benches, oscore);
criterion_main!(benches);
