//! The exchange layer under a clock of the test's own.

use proptest::prelude::*;
use std::vec::Vec;

use super::*;
use crate::message::{OptionNumber, Writer};

type Ours = FixedExchanges<u8, 4, 2, 64>;

const PEER: u8 = 1;
const GET: [u8; 6] = [0x41, 1, 0, 7, 0xaa, 0xb0];
const NON_GET: [u8; 6] = [0x51, 1, 0, 7, 0xaa, 0xb0];

fn ours() -> Ours {
    Ours::fixed(0x0100)
}

fn datagram(kind: Kind, code: Code, id: u16, token: u8) -> Vec<u8> {
    let mut buf = [0; 16];
    Writer::new(&mut buf, kind, code, id, Token::new(&[token]).unwrap()).finish().unwrap().to_vec()
}

fn take<P>(received: Received<'_, '_, P>) -> Exchange<P> {
    match received {
        Received::Request(exchange, _) => exchange,
        _ => panic!("no request"),
    }
}

fn answer(ours: &mut Ours, now: Millis, exchange: Exchange<u8>, payload: &[u8]) -> Vec<u8> {
    let head = ours.head(&exchange);
    let mut buf = [0; 64];
    let mut writer = Writer::new(&mut buf, head.kind, Code::CONTENT, head.id, head.token);
    writer.payload(payload).unwrap();
    let bytes = writer.finish().unwrap();
    ours.answered(now, exchange, bytes, 0).unwrap();
    bytes.to_vec()
}

/// What goes out by itself until `end`.
fn sends(ours: &mut Ours, end: u64) -> Vec<(u64, Vec<u8>)> {
    let mut all = Vec::new();
    while let Some(now) = ours.next_due().filter(|due| due.0 <= end) {
        while let Some(due) = ours.poll(now) {
            match due {
                Due::Send(_, bytes) => all.push((now.0, bytes.to_vec())),
                Due::GaveUp(..) => all.push((now.0, b"gave up".to_vec())),
            }
        }
    }
    all
}

/// R7252-3-01, R7252-3-02, R7252-4.1-01, R7252-4.2-01, R7252-4.2-02
#[test]
fn what_is_no_exchange() {
    let reset = Some(&[0x70, 0, 0, 7][..]);
    let rows: &[(&[u8], Option<&[u8]>, &str)] = &[
        (&[0x40, 0, 0, 7], reset, "ping"),
        (&[0x50, 0, 0, 7], None, "empty NON"),
        (&[0x40, 1, 0, 7, 0xff], reset, "malformed CON"),
        (&[0x50, 1, 0, 7, 0xff], None, "malformed NON"),
        (&[0x60, 1, 0, 7], None, "request in an ACK"),
        (&[0x70, 1, 0, 7], None, "request in a RST"),
        (&[0x70, 0x45, 0, 7], None, "response in a RST"),
        (&[0x60, 0x45, 0, 7, 0xff], None, "malformed ACK"),
        (&[0x49, 1, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0], reset, "token of 9 bytes"),
        (&[0x40, 0x21, 0, 7], reset, "CON of class 1"),
        (&[0x40, 0xc1, 0, 7], reset, "CON of class 6"),
        (&[0x40, 0xe1, 0, 7], reset, "CON of class 7"),
        (&[0x50, 0xe1, 0, 7], None, "NON of class 7"),
        (&[0x60, 0xe1, 0, 7], None, "ACK of class 7"),
        (&[0x41, 0, 0, 7, 1], reset, "empty CON with a token"),
        (&[0x80, 1, 0, 7], None, "version 2"),
        (&[0x40, 1, 0], None, "three bytes"),
        (&[], None, "nothing"),
        (&[0x40, 0x45, 0, 7], reset, "CON response nobody asked for"),
        (&[0x50, 0x45, 0, 7], reset, "NON response nobody asked for"),
        (&[0x60, 0x45, 0, 7], None, "ACK of nothing"),
        (&[0x60, 0, 0, 7], None, "empty ACK of nothing"),
        (&[0x70, 0, 0, 7], None, "RST of nothing"),
    ];
    for (bytes, reply, name) in rows {
        let mut ours = ours();
        match ours.receive(Millis(0), PEER, bytes) {
            Received::Reply(sent) => assert_eq!(Some(sent), *reply, "{name}"),
            Received::Ignored(_) => assert_eq!(None, *reply, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

/// R7252-4.2-01, R7252-4.5-01, R7252-5.3.1-01
#[test]
fn a_confirmable_request_runs_once() {
    let mut ours = ours();
    let exchange = take(ours.receive(Millis(0), PEER, &GET));
    assert!(matches!(ours.receive(Millis(10), PEER, &GET), Received::Ignored(Why::Duplicate)), "still running");
    let bytes = answer(&mut ours, Millis(20), exchange, b"1");
    assert_eq!(bytes, [0x61, 0x45, 0, 7, 0xaa, 0xff, b'1'], "piggybacked");
    for now in [30, 1000, 246_999] {
        match ours.receive(Millis(now), PEER, &GET) {
            Received::Reply(again) => assert_eq!(again, bytes, "at {now}"),
            other => panic!("at {now}: {other:?}"),
        }
    }
    // another peer, or the end of EXCHANGE_LIFETIME, makes another request of the same bytes
    let _ = take(ours.receive(Millis(30), 2, &GET));
    let _ = take(ours.receive(Millis(247_000), PEER, &GET));
}

/// R7252-4.3-01, R7252-4.4-01
#[test]
fn a_non_confirmable_request_runs_once() {
    let mut ours = ours();
    let exchange = take(ours.receive(Millis(0), PEER, &NON_GET));
    assert!(matches!(ours.receive(Millis(1), PEER, &NON_GET), Received::Ignored(Why::Duplicate)));
    let bytes = answer(&mut ours, Millis(2), exchange, b"1");
    assert_eq!(bytes, [0x51, 0x45, 1, 0, 0xaa, 0xff, b'1'], "a NON with an id of ours");
    assert!(matches!(ours.receive(Millis(3), PEER, &NON_GET), Received::Ignored(Why::Duplicate)));
    assert!(sends(&mut ours, 300_000).is_empty(), "no ACK, no retransmission");
}

/// R7252-4.4-01, R7252-5.2.2-01
#[test]
fn a_slow_handler_answers_separately() {
    let mut ours = ours();
    let exchange = take(ours.receive(Millis(0), PEER, &GET));
    assert_eq!(sends(&mut ours, 1500), [(1000, [0x60, 0, 0, 7].to_vec())]);
    assert!(
        matches!(ours.receive(Millis(1600), PEER, &GET), Received::Reply(&[0x60, 0, 0, 7])),
        "only the ACK was lost"
    );
    let bytes = answer(&mut ours, Millis(2000), exchange, b"1");
    assert_eq!(bytes, [0x41, 0x45, 1, 0, 0xaa, 0xff, b'1'], "a CON of its own");
    assert_eq!(sends(&mut ours, 4000), [(4000, bytes.clone())]);
    assert!(matches!(ours.receive(Millis(4100), PEER, &GET), Received::Reply(&[0x60, 0, 0, 7])));
    assert!(matches!(ours.receive(Millis(4200), PEER, &[0x60, 0, 1, 0]), Received::Acknowledged(_)));
    assert!(sends(&mut ours, 300_000).is_empty());
}

/// R9203-4.1-02, R7252-4.2-03
#[test]
fn retransmission_follows_rfc7252() {
    for (spread, times) in [(0, [2000, 6000, 14_000, 30_000, 62_000]), (u16::MAX, [2999, 8997, 20_993, 44_985, 92_969])]
    {
        let mut ours = ours();
        let request = datagram(Kind::Con, Code::GET, 5, 1);
        ours.send(Millis(0), PEER, &request, spread).unwrap();
        let sent = sends(&mut ours, 300_000);
        assert_eq!(sent.iter().map(|(at, _)| *at).collect::<Vec<_>>(), times);
        assert!(sent.iter().take(4).all(|(_, bytes)| *bytes == request));
        assert_eq!(sent.last().unwrap().1, b"gave up");
    }
}

/// R7252-5.2.3-01, R7252-5.3.2-01
#[test]
fn responses_find_their_request() {
    // (bytes, from, what comes of it)
    let rows: &[(Vec<u8>, u8, &str)] = &[
        (datagram(Kind::Ack, Code::CONTENT, 5, 1), PEER, "response"),
        (datagram(Kind::Con, Code::CONTENT, 9, 1), PEER, "response + ack"),
        (datagram(Kind::Non, Code::CONTENT, 9, 1), PEER, "response"),
        (datagram(Kind::Ack, Code::CONTENT, 6, 1), PEER, "ignored"), // another message ID
        (datagram(Kind::Ack, Code::CONTENT, 5, 2), PEER, "ignored"), // another token
        (datagram(Kind::Ack, Code::CONTENT, 5, 1), 2, "ignored"),    // another peer
        (datagram(Kind::Con, Code::CONTENT, 9, 2), PEER, "reply"),
        (datagram(Kind::Con, Code::CONTENT, 9, 1), 2, "reply"),
        ([0x70, 0, 0, 5].to_vec(), PEER, "reset"),
        ([0x70, 0, 0, 5].to_vec(), 2, "ignored"),
        ([0x60, 0, 0, 5].to_vec(), PEER, "ignored"),
    ];
    for (bytes, peer, outcome) in rows {
        let mut ours = ours();
        let sent = ours.send(Millis(0), PEER, &datagram(Kind::Con, Code::GET, 5, 1), 0).unwrap();
        let got = match ours.receive(Millis(1), *peer, bytes) {
            Received::Response { to, ack: None, .. } if to == sent => "response",
            Received::Response { to, ack: Some([0x60, 0, 0, 9]), .. } if to == sent => "response + ack",
            Received::Reset(to) if to == sent => "reset",
            Received::Reply([0x70, 0, 0, 9]) => "reply",
            Received::Ignored(_) => "ignored",
            other => panic!("{bytes:02x?}: {other:?}"),
        };
        assert_eq!(got, *outcome, "{bytes:02x?} from {peer}");
    }
}

#[test]
fn a_separate_response_is_taken_once_and_acknowledged_always() {
    let mut ours = ours();
    ours.send(Millis(0), PEER, &datagram(Kind::Con, Code::GET, 5, 1), 0).unwrap();
    assert!(matches!(ours.receive(Millis(1), PEER, &[0x60, 0, 0, 5]), Received::Ignored(_)));
    assert!(sends(&mut ours, 100_000).is_empty(), "acknowledged: no retransmission");
    let response = datagram(Kind::Con, Code::CONTENT, 9, 1);
    assert!(matches!(ours.receive(Millis(100_000), PEER, &response), Received::Response { .. }));
    assert!(matches!(ours.receive(Millis(100_001), PEER, &response), Received::Reply(&[0x60, 0, 0, 9])));
}

#[test]
fn a_rejected_response_is_reset_again() {
    let mut ours = ours();
    ours.send(Millis(0), PEER, &datagram(Kind::Con, Code::GET, 5, 1), 0).unwrap();
    let bytes = datagram(Kind::Con, Code::CONTENT, 9, 1);
    let message = Message::parse(&bytes).unwrap();
    assert!(matches!(ours.receive(Millis(1), PEER, &bytes), Received::Response { .. }));
    assert_eq!(ours.reject(PEER, &message), Some([0x70, 0, 0, 9]));
    assert!(matches!(ours.receive(Millis(2), PEER, &bytes), Received::Reply(&[0x70, 0, 0, 9])));
}

/// R7641-3.5-01
#[test]
fn notifications_come_until_forgotten() {
    let mut ours = ours();
    let mut buf = [0; 16];
    let mut writer = Writer::new(&mut buf, Kind::Con, Code::GET, 5, Token::new(&[1]).unwrap());
    writer.uint_option(OptionNumber::OBSERVE, 0).unwrap();
    let sent = ours.send(Millis(0), PEER, writer.finish().unwrap(), 0).unwrap();
    let notification = |kind, id, token: u8| {
        let mut buf = [0; 16];
        let mut writer = Writer::new(&mut buf, kind, Code::CONTENT, id, Token::new(&[token]).unwrap());
        writer.uint_option(OptionNumber::OBSERVE, 3).unwrap();
        writer.finish().unwrap().to_vec()
    };
    assert!(matches!(ours.receive(Millis(1), PEER, &notification(Kind::Ack, 5, 1)), Received::Response { .. }));
    ours.observe(sent);
    for id in 20..24 {
        let bytes = notification(Kind::Con, id, 1);
        let got = ours.receive(Millis(2), PEER, &bytes);
        assert!(matches!(got, Received::Response { to, ack: Some(_), .. } if to == sent));
    }
    assert!(sends(&mut ours, 1_000_000).is_empty());
    ours.forget(sent);
    let late = notification(Kind::Con, 30, 1);
    assert!(matches!(ours.receive(Millis(3), PEER, &late), Received::Reply(&[0x70, 0, 0, 30])), "a RST unsubscribes");
}

/// R7252-4.7-01
#[test]
fn tables_are_bounded() {
    let mut ours = ours();
    let mut running = Vec::new();
    for id in 0..4 {
        running.push(take(ours.receive(Millis(u64::from(id)), PEER, &datagram(Kind::Con, Code::GET, id, 1))));
    }
    let one_more = datagram(Kind::Con, Code::GET, 4, 1);
    assert!(
        matches!(ours.receive(Millis(5), PEER, &one_more), Received::Ignored(Why::Busy)),
        "what runs is not evicted"
    );
    answer(&mut ours, Millis(6), running.remove(2), b"");
    let _ = take(ours.receive(Millis(7), PEER, &one_more));
    // the evicted request is a new one now, but finds no room
    assert!(matches!(
        ours.receive(Millis(8), PEER, &datagram(Kind::Con, Code::GET, 2, 1)),
        Received::Ignored(Why::Busy)
    ));

    for id in 0..2 {
        ours.send(Millis(9), PEER, &datagram(Kind::Con, Code::GET, id, id as u8), 0).unwrap();
    }
    assert_eq!(ours.send(Millis(9), PEER, &datagram(Kind::Con, Code::GET, 9, 9), 0), Err(Busy));
    assert_eq!(ours.send(Millis(9), PEER, &[0; 3], 0), Err(Busy), "no message");
}

#[test]
fn an_answer_too_large_to_remember_is_an_error() {
    let mut ours = ours();
    let exchange = take(ours.receive(Millis(0), PEER, &GET));
    let mut buf = [0; 128];
    let mut writer = Writer::new(&mut buf, Kind::Ack, Code::CONTENT, 7, Token::EMPTY);
    writer.payload(&[0; 100]).unwrap();
    assert_eq!(ours.answered(Millis(1), exchange, writer.finish().unwrap(), 0), Err(Busy));
    assert!(matches!(ours.receive(Millis(2), PEER, &GET), Received::Ignored(_)), "and still it does not run again");
}

#[test]
fn unanswered_and_refused() {
    let mut ours = ours();
    let exchange = take(ours.receive(Millis(0), PEER, &GET));
    assert_eq!(ours.unanswered(exchange), Some([0x60, 0, 0, 7]));
    assert!(matches!(ours.receive(Millis(1), PEER, &GET), Received::Reply(&[0x60, 0, 0, 7])));
    let exchange = take(ours.receive(Millis(2), 2, &NON_GET));
    assert_eq!(ours.refused(exchange), [0x70, 0, 0, 7]);
    assert!(matches!(ours.receive(Millis(3), 2, &NON_GET), Received::Ignored(Why::Duplicate)));
    let exchange = take(ours.receive(Millis(4), 3, &NON_GET));
    assert_eq!(ours.unanswered(exchange), None);
}

#[test]
fn many_peers_share_a_large_table() {
    let incoming: Vec<Incoming<u32, Buf<16>>> = (0..256).map(|_| Incoming::default()).collect();
    let outgoing: Vec<Outgoing<u32, Buf<16>>> = Vec::new();
    let mut ours = Exchanges::new(incoming, outgoing, 77);
    for peer in 0..10_000u32 {
        let exchange = take(ours.receive(Millis(0), peer, &GET));
        ours.unanswered(exchange);
        assert!(matches!(ours.receive(Millis(0), peer, &GET), Received::Reply(_)), "{peer}");
    }
}

#[test]
fn a_forged_response_does_not_end_the_waiting() {
    let mut ours = ours();
    let sent = ours.send(Millis(0), PEER, &datagram(Kind::Con, Code::GET, 5, 1), 0).unwrap();
    for _ in 0..2 {
        let bytes = datagram(Kind::Ack, Code::CONTENT, 5, 1);
        assert!(matches!(ours.receive(Millis(1), PEER, &bytes), Received::Response { to, .. } if to == sent));
    }
    let late = datagram(Kind::Con, Code::CONTENT, 6, 1);
    assert!(matches!(ours.receive(Millis(2), PEER, &late), Received::Response { to, .. } if to == sent));
    assert_eq!(sends(&mut ours, 300_000), [(247_001, b"gave up".to_vec())], "no retransmission");
}

#[test]
fn an_abandoned_request_may_come_again() {
    let mut ours = ours();
    let exchange = take(ours.receive(Millis(0), PEER, &GET));
    ours.abandon(exchange);
    let _ = take(ours.receive(Millis(1), PEER, &GET));
}

proptest! {
    #[test]
    fn no_datagram_panics(datagrams in prop::collection::vec((0u8..3, prop::collection::vec(any::<u8>(), 0..24)), 0..40)) {
        let mut ours = ours();
        for (now, (peer, mut bytes)) in datagrams.into_iter().enumerate() {
            if let Some(first) = bytes.first_mut() {
                *first = *first & 0x33 | 0x40; // mostly well-formed
            }
            let now = Millis(now as u64 * 700);
            if let Received::Request(exchange, _) = ours.receive(now, peer, &bytes)
                && peer > 0 {
                    answer(&mut ours, now, exchange, b"x");
                }
            while ours.poll(now).is_some() {}
        }
    }
}
