//! What survives a restart, and what must not be believed after one (RFC 8613 Appendix B.1).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::HashSet;
use std::convert::Infallible;

use common::{CLIENT, answer, ask, client, content, datagram, hear, server, swapped, take};
use latchwork_coap::{Code, Kind, Message, OptionNumber, Token};
use latchwork_crypto::RustCrypto;
use latchwork_oscore::{Context, Error, ReceivedRequest, SenderNumbers};
use proptest::prelude::*;

/// What a power cut leaves.
#[derive(Default)]
struct Flash(u64);

impl SenderNumbers for Flash {
    type Error = Infallible;

    fn reserve(&mut self, below: u64) -> Result<(), Infallible> {
        assert!(below >= self.0, "the record never shrinks");
        self.0 = below;
        Ok(())
    }
}

/// A store that cannot write.
struct Broken;

impl SenderNumbers for Broken {
    type Error = ();

    fn reserve(&mut self, _: u64) -> Result<(), ()> {
        Err(())
    }
}

fn request() -> Vec<u8> {
    datagram(Code::POST, &[(11, b"door")], b"now")
}

fn restored(below: u64, challenge: [u8; 8]) -> Context {
    Context::restore(&RustCrypto, &swapped(CLIENT), below, challenge).unwrap()
}

fn challenge(server: &mut Context, request: &mut ReceivedRequest) -> Result<Vec<u8>, Error> {
    let mut out = [0; 64];
    let token = Token::new(b"tok").unwrap();
    Ok(server.protect_challenge(&RustCrypto, request, Kind::Ack, 0x1234, token, &mut out)?.to_vec())
}

#[test]
fn nothing_is_sent_unreserved() {
    let mut client = Context::restore(&RustCrypto, &CLIENT, 0, [0; 8]).unwrap();
    assert_eq!(client.numbers_left(), 0);
    assert_eq!(ask(&mut client, &request()).unwrap_err(), Error::NothingReserved);
    assert_eq!(client.reserve(8, &mut Broken), Err(()));
    assert_eq!(ask(&mut client, &request()).unwrap_err(), Error::NothingReserved);

    let mut flash = Flash::default();
    client.reserve(8, &mut flash).unwrap();
    assert_eq!((flash.0, client.numbers_left()), (8, 8));
    for (left, recorded) in [(8, 8), (7, 8), (6, 8), (5, 8), (4, 12), (7, 12)] {
        client.reserve(8, &mut flash).unwrap();
        assert_eq!(flash.0, recorded);
        assert!(client.numbers_left() >= left);
        ask(&mut client, &request()).unwrap();
    }
}

/// Answers of a slow store may come in any order.
#[test]
fn a_reservation_is_not_taken_back() {
    let mut client = Context::restore(&RustCrypto, &CLIENT, 0, [0; 8]).unwrap();
    for (below, left) in [(8, 8), (4, 8), (20, 20), (0, 20), (u64::MAX, 1 << 40)] {
        client.reserved(below);
        assert_eq!(client.numbers_left(), left);
    }
}

/// R8613-7.2.1-01
#[test]
fn the_last_block_ends_with_the_numbers() {
    let mut flash = Flash((1 << 40) - 3);
    let mut client = Context::restore(&RustCrypto, &CLIENT, flash.0, [0; 8]).unwrap();
    for _ in 0..3 {
        client.reserve(100, &mut flash).unwrap();
        assert_eq!(flash.0, 1 << 40);
        ask(&mut client, &request()).unwrap();
    }
    assert_eq!(client.reservation(100), None, "nothing is left to write down");
    assert_eq!(ask(&mut client, &request()).unwrap_err(), Error::Exhausted);
}

proptest! {
    /// However sends, failures and power cuts mix: no number goes out twice.
    /// R8613-7.2-01, R8613-7.5-01
    #[test]
    fn no_number_twice(steps in proptest::collection::vec(0_u8..8, 1..200), block in 1_u32..20) {
        let (mut flash, mut used) = (Flash::default(), HashSet::new());
        let mut client = Context::restore(&RustCrypto, &CLIENT, flash.0, [0; 8]).unwrap();
        for step in steps {
            match step {
                0 => client = Context::restore(&RustCrypto, &CLIENT, flash.0, [0; 8]).unwrap(),
                // Recorded, but the context never hears of it.
                1 => {
                    if let Some(below) = client.reservation(block) {
                        flash.reserve(below).unwrap();
                    }
                }
                2 => drop(client.reserve(block, &mut Broken)),
                3 => drop(client.protect_request(&RustCrypto, &Message::parse(&request()).unwrap(), &mut [0; 8])),
                4 => client.reserve(block, &mut flash).unwrap(),
                _ => {
                    if let Ok((_, sent)) = ask(&mut client, &request()) {
                        prop_assert!(used.insert(sent.piv()), "{:?} twice", sent.piv());
                    }
                }
            }
        }
    }
}

/// R9175-2.3-01, R8613-7.5-01
#[test]
fn the_window_comes_back_by_echo() {
    let mut client = client();
    let (before, _) = ask(&mut client, &request()).unwrap();
    let mut first_life = server();
    take(&mut first_life, &before).unwrap();

    let (mut server, mut flash) = (restored(0, [7; 8]), Flash::default());
    assert!(server.is_unsynchronized());
    // The adversary replays; the honest client asks. Both get the challenge, neither gets the door.
    let (now, mut sent) = ask(&mut client, &request()).unwrap();
    for (what, datagram) in [("replay", &before), ("replayed again", &before), ("honest", &now)] {
        let (read, mut received) = take(&mut server, datagram).unwrap();
        assert_eq!(read, None, "{what}");
        if what == "replay" {
            assert_eq!(challenge(&mut server, &mut received).unwrap_err(), Error::NothingReserved);
            server.reserve(16, &mut flash).unwrap();
        }
        let answered = challenge(&mut server, &mut received).unwrap();
        let outer = Message::parse(&answered).unwrap();
        let option = outer.options.get(OptionNumber::OSCORE).unwrap();
        assert_eq!((option[0], outer.options.get(OptionNumber::ECHO)), (0x01, None), "{what}: own number, inner Echo");
        if what == "honest" {
            let heard = hear(&client, &mut sent, &answered).unwrap();
            assert_eq!(heard, (Code::UNAUTHORIZED, vec![(252, vec![7; 8])], vec![]));
        }
    }

    // Wrong, stale or merely outer Echo values open nothing.
    for options in
        [&[(11, &b"door"[..]), (252, &[6; 8])][..], &[(11, b"door"), (252, &[7; 7])], &[(11, b"door"), (252, &[])]]
    {
        let (wrong, _) = ask(&mut client, &datagram(Code::POST, options, b"now")).unwrap();
        assert_eq!(take(&mut server, &wrong).unwrap().0, None);
    }
    let (plain, _) = ask(&mut client, &request()).unwrap();
    let plain = Message::parse(&plain).unwrap();
    let oscore = plain.options.get(OptionNumber::OSCORE).unwrap();
    let outside = datagram(Code::POST, &[(9, oscore), (252, &[7; 8])], plain.payload);
    assert_eq!(take(&mut server, &outside).unwrap().0, None);

    let echoed = datagram(Code::POST, &[(11, b"door"), (252, &[7; 8])], b"now");
    let (skipped, _) = ask(&mut client, &echoed).unwrap();
    let (fresh, mut sent) = ask(&mut client, &echoed).unwrap();
    let (read, mut received) = take(&mut server, &fresh).unwrap();
    assert_eq!(read, Some(content(&Message::parse(&echoed).unwrap())));
    assert!(!server.is_unsynchronized());
    let response = answer(&mut server, &mut received, &datagram(Code::CHANGED, &[], &[])).unwrap();
    assert!(hear(&client, &mut sent, &response).is_ok());
    // That number is the lower limit: nothing from before comes through any more.
    for (what, datagram) in [("from before", &before), ("unproven", &now), ("skipped", &skipped), ("itself", &fresh)] {
        assert_eq!(take(&mut server, datagram).unwrap_err(), Error::Replayed, "{what}");
    }
    let (next, _) = ask(&mut client, &request()).unwrap();
    assert!(take(&mut server, &next).unwrap().0.is_some());
    assert_eq!(challenge(&mut server, &mut received).unwrap_err(), Error::Unfit, "no challenge is left");
}

/// The Echo of one life is no good in the next.
/// R9175-2.2-01
#[test]
fn an_echo_from_an_earlier_life() {
    let mut client = client();
    let echoed = datagram(Code::POST, &[(11, b"door"), (252, &[7; 8])], b"now");
    let (old, _) = ask(&mut client, &echoed).unwrap();
    assert!(take(&mut restored(0, [7; 8]), &old).unwrap().0.is_some());
    assert_eq!(take(&mut restored(64, [8; 8]), &old).unwrap().0, None);
}

/// An unproven request may have been answered under its own nonce before the restart; no response may use it again.
#[test]
fn an_unproven_request_lends_no_nonce() {
    let mut client = client();
    let (now, _) = ask(&mut client, &request()).unwrap();
    let mut server = restored(40, [7; 8]);
    server.reserved(50);
    let (_, mut received) = take(&mut server, &now).unwrap();
    let response = answer(&mut server, &mut received, &datagram(Code::CHANGED, &[], &[])).unwrap();
    assert_eq!(Message::parse(&response).unwrap().options.get(OptionNumber::OSCORE), Some(&[0x01, 40][..]));
}

/// Forgeries do not synchronize anything.
#[test]
fn a_forgery_gets_no_challenge() {
    let mut client = client();
    let (mut forged, _) = ask(&mut client, &request()).unwrap();
    *forged.last_mut().unwrap() ^= 1;
    let mut server = restored(0, [7; 8]);
    assert_eq!(take(&mut server, &forged).unwrap_err(), Error::DecryptionFailed);
    assert!(server.is_unsynchronized());
}
