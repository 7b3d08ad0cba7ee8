//! Observe under OSCORE (RFC 8613 §4.1.3.5, §7.4.1, §8.3.1, §8.4.2).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{answer, ask, client, datagram, hear, server, take};
use latchwork_coap::{Code, Message, OptionNumber};
use latchwork_oscore::Error;

const REGISTER: &[(u16, &[u8])] = &[(6, &[]), (11, b"door")];
const CANCEL: &[(u16, &[u8])] = &[(6, &[1]), (11, b"door")];
const READ: &[(u16, &[u8])] = &[(11, b"door")];

fn notification(sequence: u8) -> Vec<u8> {
    datagram(Code::CONTENT, &[(6, &[sequence])], &[sequence])
}

/// R8613-4.1.3.5-01, R8613-4.2-01
#[test]
fn outer_codes_and_options() {
    let observe = OptionNumber::OBSERVE;
    for (options, code, outer_observe) in
        [(REGISTER, Code::FETCH, Some(&[][..])), (CANCEL, Code::FETCH, Some(&[1][..])), (READ, Code::POST, None)]
    {
        let (mut client, mut server) = (client(), server());
        let (request, mut sent) = ask(&mut client, &datagram(Code::GET, options, &[])).unwrap();
        let outer = Message::parse(&request).unwrap();
        assert_eq!((outer.code, outer.options.get(observe)), (code, outer_observe));
        assert_eq!(outer.options.get(OptionNumber::URI_PATH), None, "the path is a secret");

        let (read, mut received) = take(&mut server, &request).unwrap();
        let read = read.unwrap();
        assert_eq!(read.0, Code::GET);
        assert!(read.1.iter().map(|(number, value)| (*number, &value[..])).eq(options.iter().copied()));

        let response = answer(&mut server, &mut received, &datagram(Code::CONTENT, &[], b"locked")).unwrap();
        assert_eq!(Message::parse(&response).unwrap().code, Code::CHANGED);
        assert_eq!(hear(&client, &mut sent, &response).unwrap().0, Code::CONTENT);
    }
}

/// R7641-3.4-01, R8613-4.1.3.5-01, R8613-7.4.1-01
#[test]
fn notifications() {
    let (mut client, mut server) = (client(), server());
    let (request, mut sent) = ask(&mut client, &datagram(Code::GET, REGISTER, &[])).unwrap();
    let (_, mut received) = take(&mut server, &request).unwrap();
    let sent_out: Vec<_> =
        (10..15).map(|sequence| answer(&mut server, &mut received, &notification(sequence)).unwrap()).collect();

    for (n, datagram) in sent_out.iter().enumerate() {
        let outer = Message::parse(datagram).unwrap();
        assert_eq!(outer.code, Code::CONTENT);
        assert_eq!(outer.options.get(OptionNumber::OBSERVE), Some(&[10 + n as u8][..]), "for proxies");
        // Only the first goes without a number of its own.
        let expected: &[u8] = if n == 0 { &[] } else { &[0x01, n as u8 - 1] };
        assert_eq!(outer.options.get(OptionNumber::OSCORE), Some(expected), "{n}");
    }

    for (n, verdict) in [
        (0, Ok(())),               // no Partial IV: the oldest
        (0, Err(Error::Replayed)), // and at most one
        (2, Ok(())),
        (2, Err(Error::Replayed)),
        (1, Err(Error::Replayed)), // stale
        (4, Ok(())),
        (3, Err(Error::Replayed)),
    ] {
        let heard = hear(&client, &mut sent, &sent_out[n]);
        assert_eq!(heard.as_ref().err(), verdict.as_ref().err(), "{n}");
        if let Ok((code, options, payload)) = heard {
            assert_eq!((code, options, payload), (Code::CONTENT, vec![(6, vec![])], vec![10 + n as u8]));
        }
    }
}

/// The first that arrives may have a number; the one without is older and no longer wanted.
/// R7641-3.4-01, R8613-7.4.1-01
#[test]
fn overtaken_by_the_second() {
    let (mut client, mut server) = (client(), server());
    let (request, mut sent) = ask(&mut client, &datagram(Code::GET, REGISTER, &[])).unwrap();
    let (_, mut received) = take(&mut server, &request).unwrap();
    let [first, second] = [1, 2].map(|sequence| answer(&mut server, &mut received, &notification(sequence)).unwrap());
    assert!(hear(&client, &mut sent, &second).is_ok());
    assert_eq!(hear(&client, &mut sent, &first), Err(Error::Replayed));
}

/// A forged notification neither ends the observation nor moves the Notification Number.
/// R8613-8.4-01
#[test]
fn a_forgery_changes_nothing() {
    let (mut client, mut server) = (client(), server());
    let (request, mut sent) = ask(&mut client, &datagram(Code::GET, REGISTER, &[])).unwrap();
    let (_, mut received) = take(&mut server, &request).unwrap();
    let [_, good] = [1, 2].map(|sequence| answer(&mut server, &mut received, &notification(sequence)).unwrap());
    let good_outer = Message::parse(&good).unwrap();
    for piv in [0x7f, 0xff] {
        let forged = datagram(Code::CONTENT, &[(6, &[9]), (9, &[0x01, piv])], good_outer.payload);
        assert_eq!(hear(&client, &mut sent, &forged), Err(Error::DecryptionFailed));
    }
    assert!(hear(&client, &mut sent, &good).is_ok());
}

/// R7641-4.2-01
#[test]
fn an_error_ends_it_under_a_number() {
    let (mut client, mut server) = (client(), server());
    let (request, mut sent) = ask(&mut client, &datagram(Code::GET, REGISTER, &[])).unwrap();
    let (_, mut received) = take(&mut server, &request).unwrap();
    let first = answer(&mut server, &mut received, &notification(1)).unwrap();
    let last = answer(&mut server, &mut received, &datagram(Code::NOT_FOUND, &[], &[])).unwrap();
    assert_eq!(Message::parse(&last).unwrap().options.get(OptionNumber::OSCORE), Some(&[0x01, 0x00][..]));
    assert!(hear(&client, &mut sent, &first).is_ok());
    assert_eq!(hear(&client, &mut sent, &last).unwrap().0, Code::NOT_FOUND);
}

#[test]
fn no_notification_unasked() {
    for (options, verdict) in [(READ, Err(Error::UnexpectedNotification)), (REGISTER, Ok(()))] {
        let (mut client, mut server) = (client(), server());
        let (request, mut sent) = ask(&mut client, &datagram(Code::GET, options, &[])).unwrap();
        let (_, mut received) = take(&mut server, &request).unwrap();
        let notification = answer(&mut server, &mut received, &notification(1)).unwrap();
        assert_eq!(hear(&client, &mut sent, &notification).map(|_| ()), verdict);
    }
}

/// A proxy that strips or adds the outer Observe changes nothing between the ends.
#[test]
fn outer_observe_is_ignored() {
    for (inner, outer) in [(READ, Some(&[][..])), (REGISTER, None), (REGISTER, Some(&[1][..]))] {
        let (mut client, mut server) = (client(), server());
        let (request, _) = ask(&mut client, &datagram(Code::GET, inner, &[])).unwrap();
        let request = Message::parse(&request).unwrap();
        let oscore = request.options.get(OptionNumber::OSCORE).unwrap();
        let mut options = vec![(9, oscore)];
        if let Some(observe) = outer {
            options.insert(0, (6, observe));
        }
        let (read, _) = take(&mut server, &datagram(Code::POST, &options, request.payload)).unwrap();
        assert!(read.unwrap().1.iter().map(|(number, value)| (*number, &value[..])).eq(inner.iter().copied()));
    }
}

/// A cancellation is a request of its own, with one response.
/// R7641-3.6-01
#[test]
fn cancellation() {
    let (mut client, mut server) = (client(), server());
    let (request, mut sent) = ask(&mut client, &datagram(Code::GET, CANCEL, &[])).unwrap();
    let (_, mut received) = take(&mut server, &request).unwrap();
    let [first, second] =
        [1, 2].map(|n| answer(&mut server, &mut received, &datagram(Code::CONTENT, &[], &[n])).unwrap());
    assert!(hear(&client, &mut sent, &first).is_ok());
    assert_eq!(hear(&client, &mut sent, &second), Err(Error::Replayed));
}
