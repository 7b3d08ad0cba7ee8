//! The revocation list over CoAP: queries, Observe, lists of many blocks.

use std::time::Duration;

use super::*;
use crate::core::bytes::Hash32;
use crate::core::names::ClientId;
use crate::core::revoke::Target;
use crate::shell::revoke::By;
use latchwork_cbor::Reader;

const DOOR: &str = "101112131415161718191a1b1c1d1e1f";
const VAULT: &str = "202122232425262728292a2b2c2d2e2f";

/// The robot and two resource servers: kid 0c for the front door, 0d for the vault.
async fn world() -> World {
    let world = World::new().await;
    let rs = |id: &str, lock: &str| json!({ "id": id, "kind": "resource_server", "oscore": true, "locks": [lock] });
    world
        .declare(json!({
            "client": [rs("rs", "front"), rs("rs-vault", "vault")],
            "oscore": [context("rs", "0c", DOOR), context("rs-vault", "0d", VAULT)],
        }))
        .await;
    world
}

/// Live tokens of the robot for a door.
pub(super) async fn tokens(world: &World, door: &str, count: u32) -> Vec<Hash32> {
    let token = |n: u32| TokenRecord {
        hash: Hash32::of(&[door.as_bytes(), &n.to_be_bytes()]),
        expires: Timestamp(1_800_000_600),
        client: "robot".parse().unwrap(),
        audience: format!("urn:latchwork:lock:{door}").parse().unwrap(),
        grant: None,
        subject: None,
        revoked: None,
        profile: None,
        claims: None,
    };
    let changes: Vec<_> = (0..count).map(|n| Change::put(token(n))).collect();
    world.shell.records.commit(&changes).await.unwrap();
    (0..count).map(|n| token(n).hash).collect()
}

async fn revoke(world: &World, target: Target) -> usize {
    world.shell.revoke_for(By::Administrator, target, Vec::new()).await.unwrap().unwrap().tokens
}

async fn get(client: &mut CoapClient, query: &str) -> Response {
    client.request(Code::GET, &format!("/trl{query}"), None, None, &[]).await.unwrap()
}

fn full_set(payload: &[u8]) -> (Vec<Hash32>, Option<u64>) {
    let mut reader = Reader::new(payload);
    assert_eq!((reader.map().unwrap(), reader.uint().unwrap()), (2, 0));
    let hash = |bytes: &[u8]| Hash32(bytes.strip_prefix(&[1]).unwrap().try_into().unwrap());
    let hashes = (0..reader.array().unwrap()).map(|_| hash(reader.bytes().unwrap())).collect();
    assert_eq!(reader.uint().unwrap(), 2);
    let cursor = reader.uint().ok();
    (hashes, cursor)
}

/// R9770-6-01, R9770-6-02, R9770-6-03, R9770-6.3-01, R9770-7-01, R9770-14.1-01
#[tokio::test]
async fn each_sees_its_own_part() {
    let world = world().await;
    let life = world.start().await;
    let [front, ..] = tokens(&world, "front", 2).await[..] else { panic!() };
    revoke(&world, Target::Token(front)).await;
    let mut plain = life.client(None).await;
    assert_eq!(get(&mut plain, "").await.code, Code::UNAUTHORIZED, "unprotected");
    for (kid, secret, sees) in [
        ("0a", SECRET, Some(&[front][..])),
        ("0c", DOOR, Some(&[front])),
        ("0d", VAULT, Some(&[])),
        ("0e", OTHER, None),
    ] {
        let mut client = life.client(Some(clients(kid, secret))).await;
        let got = get(&mut client, "?foo=1").await;
        let Some(sees) = sees else {
            assert_eq!((got.code, got.protected), (Code::UNAUTHORIZED, false), "{kid}");
            continue;
        };
        assert_eq!((got.code, got.protected), (Code::CONTENT, true), "{kid}");
        assert_eq!(got.content_format(), Some(ContentFormat::ACE_TRL_CBOR));
        let cursor = (!sees.is_empty()).then_some(0);
        assert_eq!(full_set(&got.payload), (sees.to_vec(), cursor), "{kid}");
        for method in [Code::POST, Code::PUT, Code::DELETE, Code::FETCH, Code::PATCH] {
            let got = client.request(method, "/trl", None, None, &[]).await.unwrap();
            assert_eq!(got.code, Code::METHOD_NOT_ALLOWED, "{kid} {method:?}");
        }
        let json = client.request(Code::GET, "/trl", None, Some(ContentFormat::JSON), &[]).await.unwrap();
        assert_eq!(json.code, Code::NOT_ACCEPTABLE);
        for (query, id) in [("?diff=x", 0), ("?cursor=0", 1), ("?diff", 0), ("?diff=1&cursor=", 0)] {
            let got = get(&mut client, query).await;
            assert_eq!(got.content_format(), Some(ContentFormat::CONCISE_PROBLEM_DETAILS), "{query}");
            assert_eq!(
                (got.code, &got.payload[..2], &got.payload[3..5]),
                (Code::BAD_REQUEST, &[0xa3, 1][..], &[0, id][..]),
                "{query}"
            );
        }
    }
    let removed = vec![Change::delete(Key::Client("rs".parse::<ClientId>().unwrap()))];
    let mut rs = life.client(Some(clients("0c", DOOR))).await;
    get(&mut rs, "").await;
    world.shell.records.commit(&removed).await.unwrap();
    assert_eq!(get(&mut rs, "").await.code, Code::UNAUTHORIZED, "not registered any more");
}

/// Two watch; only the one whose part changed hears of it. Both kinds of query can be watched, and what expires is told as well.
///
/// R9770-11-01, R9770-5.1-01
#[tokio::test]
async fn observers_hear_of_their_own_part_only() {
    let world = world().await;
    let life = world.start().await;
    let mut front = life.client(Some(clients("0c", DOOR))).await;
    let mut vault = life.client(Some(clients("0d", VAULT))).await;
    get(&mut front, "").await;
    get(&mut vault, "").await;
    let (first, watching) = front.observe("/trl", None).await.unwrap();
    assert_eq!(full_set(&first.payload), (vec![], None));
    let mut front = watching.unwrap();
    let (first, watching) = vault.observe("/trl?diff=3", None).await.unwrap();
    assert_eq!(first.payload, [0xa3, 1, 0x80, 2, 0xf6, 3, 0xf4]);
    let mut vault = watching.unwrap();

    let hashes = tokens(&world, "front", 2).await;
    for (n, hash) in (0..).zip(&hashes) {
        revoke(&world, Target::Token(*hash)).await;
        let told = front.next().await.unwrap();
        let (set, cursor) = full_set(&told.payload);
        assert!(set.contains(hash) && cursor == Some(n), "{told:?}");
    }
    let quiet = tokio::time::timeout(Duration::from_millis(100), vault.next()).await;
    assert!(quiet.is_err(), "the vault's door heard of the front door's: {quiet:?}");
    let [hash] = tokens(&world, "vault", 1).await[..] else { panic!() };
    revoke(&world, Target::Token(hash)).await;
    let told = vault.next().await.unwrap();
    let h = [&[0x58, 33, 1], &hash.0[..]].concat();
    assert_eq!(told.payload, [&[0xa3, 1, 0x81, 0x82, 0x80, 0x81][..], &h, &[2, 0, 3, 0xf4]].concat());
}

/// 10,000 hashes: 350,000 bytes in 342 blocks, and as a notification.
#[tokio::test]
async fn a_list_of_ten_thousand() {
    let world = world().await;
    let life = world.start().await;
    let mut client = life.client(Some(clients("0c", DOOR))).await;
    get(&mut client, "").await;
    let mut hashes = tokens(&world, "front", 10_000).await;
    let lock = || Target::Lock("front".parse().unwrap());
    assert_eq!(revoke(&world, lock()).await, 10_000);
    let (first, watching) = client.observe("/trl", None).await.unwrap();
    hashes.sort();
    assert_eq!(full_set(&first.payload), (hashes.clone(), Some(156)), "157 updates of at most 64");
    let mut watching = watching.unwrap();
    let late = tokens(&world, "vault", 1).await[0];
    hashes.push(late);
    let (token, rev) = world.shell.records.find::<TokenRecord>(&Key::Token(late)).await.unwrap().unwrap();
    let token = TokenRecord { audience: FRONT.parse().unwrap(), ..token };
    world.shell.records.commit(&[Change::replace(token, rev)]).await.unwrap();
    assert_eq!(revoke(&world, lock()).await, 1);
    hashes.sort();
    let told = watching.next().await.unwrap();
    assert_eq!(full_set(&told.payload), (hashes.clone(), Some(157)));
    watching.cancel().await.unwrap();
    let got = get(&mut client, "").await;
    assert_eq!(full_set(&got.payload).0, hashes);
    assert!(client.traffic().round_trips > 340);
    // What a device missed by far more than MAX_N updates is lost, and says so.
    let lost = get(&mut client, "?diff=0&cursor=3").await;
    assert_eq!(lost.payload, [0xa3, 1, 0x80, 2, 0xf6, 3, 0xf5]);
    let mut next = "?diff=0".to_owned();
    let mut batches = 0;
    loop {
        let got = get(&mut client, &next).await;
        batches += 1;
        let more = got.payload.last() == Some(&0xf5);
        let cursor = u64::from(got.payload[got.payload.len() - 3]);
        next = format!("?diff=0&cursor={cursor}");
        if !more {
            assert_eq!(cursor, 157);
            break;
        }
    }
    assert_eq!(batches, 4, "64 updates, 16 an answer");
}

/// A list of 10,000 hashes as aiocoap and cbor2 read it: in full and in blocks, by diff and cursor, wrongly, and observed.
/// R9770-7-01, R9770-8-01, R9770-9.2.3-01, R9770-11-01, R9770-6.1-01
#[tokio::test]
async fn interop_aiocoap_reads_a_list_of_ten_thousand() {
    use sha2::{Digest as _, Sha256};
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

    let world = world().await;
    let life = world.start().await;
    let mut hashes = tokens(&world, "front", 10_000).await;
    assert_eq!(revoke(&world, Target::Lock("front".parse().unwrap())).await, 10_000);
    hashes.sort();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut peer = tokio::process::Command::new(root.join("target/tools/python/bin/python"))
        .arg(root.join("tests/interop/revocation_list.py"))
        .arg(format!("coap://{}", life.addr))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the Python peers; make setup installs them");
    let context = json!({ "secret": DOOR, "sender_id": "0c", "recipient_id": "0b" });
    peer.stdin.take().unwrap().write_all(format!("{context}\n").as_bytes()).await.unwrap();
    let mut said = BufReader::new(peer.stdout.take().unwrap()).lines();
    let mut next = async || -> Value {
        let line = said.next_line().await.unwrap().expect("it says why it failed");
        serde_json::from_str(&line).unwrap()
    };

    let all: Vec<u8> = hashes.iter().flat_map(|hash| [&[1], &hash.0[..]].concat()).collect();
    let whole = next().await;
    assert_eq!((&whole["hashes"], &whole["cursor"]), (&json!(10_000), &json!(156)));
    assert_eq!(whole["digest"], crate::core::bytes::hex(&Sha256::digest(all)));
    assert!(whole["bytes"].as_u64().unwrap() > 340_000);
    assert_eq!(next().await, json!({ "batches": 4, "added": 63 * 64 + 16, "cursor": 156 }), "64 updates, 16 an answer");
    assert_eq!(next().await, "observing");
    let late = tokens(&world, "vault", 1).await[0];
    let (token, rev) = world.shell.records.find::<TokenRecord>(&Key::Token(late)).await.unwrap().unwrap();
    let token = TokenRecord { audience: FRONT.parse().unwrap(), ..token };
    world.shell.records.commit(&[Change::replace(token, rev)]).await.unwrap();
    assert_eq!(revoke(&world, Target::Token(late)).await, 1);
    let told = json!({ "told": format!("01{}", crate::core::bytes::hex(&late.0)), "cursor": 157, "of": 157 });
    assert_eq!(next().await, told);
    assert!(peer.wait().await.unwrap().success());
}
