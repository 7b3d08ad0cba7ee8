//! Datagrams and time, in any order: no request comes out twice in a row, acknowledgements are never answered, time ends.
#![no_main]

use latchwork_coap::endpoint::exchange::{Due, FixedExchanges, Received};
use latchwork_coap::endpoint::{Millis, times};
use latchwork_coap::{Code, Kind, Message, Writer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut exchanges = FixedExchanges::<u8, 3, 3, 128>::fixed(0x1234);
    let mut now = Millis(0);
    let mut script = data;
    while let Some((step, rest)) = script.split_first() {
        script = rest;
        let peer = step >> 3 & 1;
        match step & 7 {
            0 => {
                now = now.plus(1 << (step >> 4)); // up to 32 s
                time(&mut exchanges, now);
            }
            1 => {
                now = now.plus(times::EXCHANGE_LIFETIME);
                time(&mut exchanges, now);
            }
            2 => ask(&mut exchanges, now, peer, *step),
            answer => {
                let Some((length, rest)) = script.split_first() else { return };
                let (datagram, rest) = rest.split_at(usize::from(*length).min(rest.len()));
                script = rest;
                receive(&mut exchanges, now, peer, datagram, answer);
            }
        }
    }
    for _ in 0..16 {
        now = now.plus(times::EXCHANGE_LIFETIME);
        time(&mut exchanges, now);
    }
    assert_eq!(exchanges.next_due(), None, "nothing waits for ever");
});

type Exchanges = FixedExchanges<u8, 3, 3, 128>;

/// Whatever is due now comes to an end.
fn time(exchanges: &mut Exchanges, now: Millis) {
    for _ in 0..64 {
        match exchanges.poll(now) {
            None => return,
            Some(Due::Send(_, datagram)) => drop(Message::parse(datagram).expect("a datagram")),
            Some(Due::GaveUp(..)) => {}
        }
    }
    panic!("polled without end");
}

/// A request of ours, confirmable or not, with a token that the fuzzer can guess.
fn ask(exchanges: &mut Exchanges, now: Millis, peer: u8, step: u8) {
    let kind = if step & 0x10 == 0 { Kind::Con } else { Kind::Non };
    let id = exchanges.fresh_id();
    let mut buffer = [0; 16];
    let token = latchwork_coap::Token::new(&[peer]).expect("one byte");
    let mut writer = Writer::new(&mut buffer, kind, Code::GET, id, token);
    if step & 0x20 != 0 {
        writer.option(latchwork_coap::OptionNumber::OBSERVE, &[]).expect("room");
    }
    let datagram = writer.finish().expect("room");
    match exchanges.send(now, peer, datagram, 0x8000) {
        Ok(sent) if step & 0x40 != 0 => exchanges.forget(sent),
        _ => {}
    }
}

fn receive(exchanges: &mut Exchanges, now: Millis, peer: u8, datagram: &[u8], answer: u8) {
    match exchanges.receive(now, peer, datagram) {
        Received::Request(exchange, message) => {
            assert!(matches!(message.kind, Kind::Con | Kind::Non) && message.code.is_request());
            let again = exchanges.receive(now, peer, datagram);
            assert!(!matches!(again, Received::Request(..)), "twice: {message:?}");
            match answer {
                3 => drop(exchanges.unanswered(exchange)),
                4 => drop(exchanges.refused(exchange)),
                5 => {} // still thinking
                _ => {
                    let head = exchanges.head(&exchange);
                    let mut buffer = [0; 32];
                    let mut writer = Writer::new(&mut buffer, head.kind, Code::CONTENT, head.id, head.token);
                    writer.payload(b"answer").expect("room");
                    let _ = exchanges.answered(now, exchange, writer.finish().expect("room"), 0);
                    let again = exchanges.receive(now, peer, datagram);
                    assert!(!matches!(again, Received::Request(..)), "after its answer: {message:?}");
                }
            }
        }
        Received::Response { message, ack, .. } => {
            assert!(message.code.is_response());
            assert!(ack.is_none() || message.kind == Kind::Con);
            if answer == 4 {
                let _ = exchanges.reject(peer, &message);
            }
        }
        Received::Reply(reply) => {
            let kind = datagram.first().map(|first| first >> 4 & 3);
            assert!(matches!(kind, Some(0 | 1)), "an acknowledgement or reset was answered");
            Message::parse(reply).expect("a datagram");
        }
        Received::Acknowledged(_) | Received::Reset(_) | Received::Ignored(_) => {}
    }
}
