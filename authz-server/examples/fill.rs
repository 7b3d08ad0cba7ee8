//! Fills a store that nobody serves with tokens that are good for another day: `fill DIR COUNT`, where DIR is the store's own directory.
//! For `tests/bench/records`, which wants to know how fast a server is there with many.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use latchwork_authz_server::clock;
use latchwork_authz_server::core::bytes::Hash32;
use latchwork_authz_server::core::change::Change;
use latchwork_authz_server::core::names::{Audience, ClientId, LockName};
use latchwork_authz_server::core::records::{AceProfile, TokenRecord};
use latchwork_authz_server::store::facts::Records;
use latchwork_authz_server::store::sled::Sled;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dir, count] = arguments.as_slice() else {
        eprintln!("fill DIR COUNT");
        std::process::exit(2);
    };
    let count: u64 = count.parse().unwrap();
    let records = Records::new(Arc::new(Sled::open(Path::new(dir), CACHE).unwrap()));
    let expires = clock::now().plus(DAY);
    for first in (0..count).step_by(TOGETHER) {
        let numbers = first..count.min(first + TOGETHER as u64);
        let changes: Vec<Change> = numbers
            .map(|number| {
                let robot: ClientId = format!("robot-{}", number % 1000).parse().unwrap();
                let lock: LockName = format!("door-{}", number % 5000).parse().unwrap();
                Change::put(TokenRecord {
                    hash: Hash32::of(&[&number.to_be_bytes()]),
                    expires,
                    client: robot,
                    audience: Audience::Lock(lock),
                    grant: None,
                    subject: None,
                    revoked: None,
                    profile: Some(AceProfile::CoapOscore),
                    claims: None,
                })
            })
            .collect();
        records.commit(&changes).await.unwrap();
    }
}

const CACHE: u64 = 16 << 20;
const DAY: i64 = 86_400;
/// Records of one commit.
const TOGETHER: usize = 256;
