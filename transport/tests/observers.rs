//! Every place for an observer taken, over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(missing_docs, unreachable_pub, dead_code)]

mod common;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use common::{House, house};
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// What docs/operations.md says.
const PLACES: usize = 10_240;
/// Of one peer, which without an identity is an address.
const EACH: u8 = 16;

/// Somebody at an address of their own.
struct Watcher {
    socket: UdpSocket,
    id: u16,
}

impl Watcher {
    /// 127.0.1.1 and on.
    async fn new(house: &House, number: usize) -> Self {
        let [.., high, low] = (257 + number).to_be_bytes();
        let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, high, low), 0)).await.unwrap();
        socket.connect(house.addr).await.unwrap();
        Self { socket, id: 0 }
    }

    /// Asks for the counter; `observe` is the option's value. Whether the answer says that it goes on.
    async fn get(&mut self, token: u8, observe: &[u8]) -> bool {
        self.id += 1;
        let [high, low] = self.id.to_be_bytes();
        let length = u8::try_from(observe.len()).unwrap();
        let get = [&[0x41, 1, high, low, token, 0x60 | length], observe, &[0x57], b"counter"].concat();
        self.socket.send(&get).await.unwrap();
        let mut buf = [0; 64];
        loop {
            let length = timeout(Duration::from_secs(20), self.socket.recv(&mut buf)).await.expect("answered").unwrap();
            // What is told in between, a second time.
            if buf[0] == 0x41 {
                self.socket.send(&[ACK, 0, buf[2], buf[3]]).await.unwrap();
                continue;
            }
            assert_eq!((buf[0], buf[1], buf[4]), (0x61, 0x45, token), "2.05 for each");
            return buf[5] >> 4 == 6 && length > 6;
        }
    }

    /// The token of the next notification that says `count`. `how` is the answer to it: an acknowledgement, or a rejection. What was
    /// sent again, because nobody read here for two seconds, is acknowledged once more.
    async fn told(&self, count: u8, how: u8) -> u8 {
        loop {
            let mut buf = [0; 64];
            let length = timeout(Duration::from_secs(60), self.socket.recv(&mut buf)).await.expect("told").unwrap();
            assert_eq!((buf[0], buf[1]), (0x41, 0x45), "a notification, to be acknowledged");
            let said = buf[length - 1];
            assert!(said <= count, "{said} before {count}");
            let answer = if said == count { how } else { ACK };
            self.socket.send(&[answer, 0, buf[2], buf[3]]).await.unwrap();
            if said == count {
                return buf[4];
            }
        }
    }

    /// These of what is watched here hear of `count`.
    async fn all_told(&self, count: u8, tokens: impl IntoIterator<Item = u8>) {
        let mut missing: BTreeSet<u8> = tokens.into_iter().collect();
        while !missing.is_empty() {
            missing.remove(&self.told(count, ACK).await);
        }
    }
}

/// R7641-4.1-01
/// Whoever comes when all places are taken is answered once; those before hear of every change, and a place that is given back, or
/// whose owner rejects what it is told, is the next one's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_place_taken() {
    let house = house().await;
    let mut watchers = Vec::new();
    for number in 0..PLACES / usize::from(EACH) {
        let mut watcher = Watcher::new(&house, number).await;
        for token in 0..EACH {
            assert!(watcher.get(token, REGISTER).await, "{number} {token}");
        }
        watchers.push(watcher);
    }
    assert_eq!(house.notifier.observers(), PLACES);

    let mut late = Watcher::new(&house, watchers.len()).await;
    for token in 0..3 {
        assert!(!late.get(token, REGISTER).await, "answered once");
    }
    assert!(watchers[7].get(3, REGISTER).await, "whoever has a place keeps it");
    assert!(!watchers[7].get(EACH, REGISTER).await, "and gets no second one");
    assert_eq!(house.notifier.observers(), PLACES);

    house.count();
    for watcher in &watchers {
        watcher.all_told(b'1', 0..EACH).await;
    }
    assert_eq!(house.notifier.observers(), PLACES, "nobody was dropped for want of room");

    // One goes, and one says that it knows of nothing.
    assert!(!watchers[0].get(0, DEREGISTER).await);
    assert_eq!(house.notifier.observers(), PLACES - 1);
    house.count();
    let gone = watchers[1].told(b'2', RST).await;
    watchers[0].all_told(b'2', 1..EACH).await;
    watchers[1].all_told(b'2', (0..EACH).filter(|token| *token != gone)).await;
    for watcher in &watchers[2..] {
        watcher.all_told(b'2', 0..EACH).await;
    }
    assert_eq!(house.notifier.observers(), PLACES - 2);
    let got = [late.get(0, REGISTER).await, late.get(1, REGISTER).await, late.get(2, REGISTER).await];
    assert_eq!(got, [true, true, false], "two places came back");
    assert_eq!(house.notifier.observers(), PLACES);
    house.count();
    late.all_told(b'3', 0..2).await;
}

const REGISTER: &[u8] = &[];
const DEREGISTER: &[u8] = &[1];
/// The first byte of a message without a token.
const ACK: u8 = 0x60;
const RST: u8 = 0x70;
