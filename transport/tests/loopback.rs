//! Real sockets on the loopback interface.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::type_complexity)]
#![allow(missing_docs, unreachable_pub)]

mod common;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use common::{Peers, contexts, derived, house, house_with};
use latchwork_coap::{Code, ContentFormat, Kind, Message, OptionNumber, Token, Writer};
use latchwork_transport::client::Response;
use latchwork_transport::{BoxFuture, CoapClient, Contexts, Error, Security};
use tokio::net::UdpSocket;

/// R7252-5.8-01
#[tokio::test]
async fn requests() {
    let house = house().await;
    let mut client = CoapClient::connect(house.addr).await.unwrap();
    let text = Some(ContentFormat::TEXT);
    let large = vec![b'x'; 5000];
    let rows: &[(Code, &str, &[u8], Code, &[u8])] = &[
        (Code::POST, "/echo", b"hello", Code::CHANGED, b"hello"),
        (Code::POST, "/echo", b"", Code::CHANGED, b""),
        (Code::POST, "/echo", &large, Code::CHANGED, &large),
        (Code::POST, "/echo", &large[..1024], Code::CHANGED, &large[..1024]),
        (Code::POST, "/echo", &large[..1025], Code::CHANGED, &large[..1025]),
        (Code::POST, "/echo", &vec![0; 65_537], Code::REQUEST_ENTITY_TOO_LARGE, b""),
        (Code::GET, "/who", b"", Code::CONTENT, b"nobody"),
        (Code::GET, "/who/", b"", Code::NOT_FOUND, b""),
        (Code::GET, "/who/else", b"", Code::NOT_FOUND, b""),
        (Code::GET, "/Who", b"", Code::NOT_FOUND, b""),
        (Code::GET, "//who", b"", Code::NOT_FOUND, b""),
        (Code::GET, "/", b"", Code::NOT_FOUND, b""),
        (Code(9), "/who", b"", Code::METHOD_NOT_ALLOWED, b""),
        (Code::GET, "/panic", b"", Code::INTERNAL_SERVER_ERROR, b""),
        (Code::GET, "/who", b"", Code::CONTENT, b"nobody"),
    ];
    for (method, path, payload, code, answer) in rows {
        let response = client.request(*method, path, text, None, payload).await.unwrap();
        assert_eq!((response.code, &response.payload[..]), (*code, *answer), "{method} {path}");
    }
    let core = client.request(Code::GET, "/.well-known/core", None, None, b"").await.unwrap();
    assert_eq!(core.content_format(), Some(ContentFormat::LINK_FORMAT));
    assert_eq!(core.payload, b"</echo>;rt=\"echo\",</counter>;obs");
    assert!(matches!(client.request(Code::GET, "who", None, None, b"").await, Err(Error::Unfit)));
}

/// R7252-5.4.1-02, R7252-5.7.2-01, R7959-2.2-01, R7959-2.3-01
#[tokio::test]
async fn datagrams() {
    let post = |kind, id, options: &[(u16, &[u8])], payload: &[u8]| {
        let mut buf = [0; 2048];
        let mut writer = Writer::new(&mut buf, kind, Code::POST, id, Token::new(&[id as u8]).unwrap());
        for (number, value) in options {
            writer.option(OptionNumber(*number), value).unwrap();
        }
        writer.payload(payload).unwrap();
        writer.finish().unwrap().to_vec()
    };
    let count = (11, &b"runs"[..]);
    let unknown = post(Kind::Con, 20, &[count, (65_001, b"")], b"");
    // what is sent, and the type and code of what comes back
    let rows: &[(&str, Vec<u8>, Option<(Kind, Code)>)] = &[
        ("ping", vec![0x40, 0, 0, 1], Some((Kind::Rst, Code::EMPTY))),
        ("malformed", vec![0x40, 1, 0, 2, 0xff], Some((Kind::Rst, Code::EMPTY))),
        ("unknown critical option", unknown, Some((Kind::Ack, Code::BAD_OPTION))),
        ("the same in a NON", post(Kind::Non, 21, &[count, (65_001, b"")], b""), Some((Kind::Rst, Code::EMPTY))),
        ("OSCORE without contexts", post(Kind::Con, 22, &[(9, b""), count], b"x"), Some((Kind::Ack, Code::BAD_OPTION))),
        (
            "Proxy-Uri",
            post(Kind::Con, 23, &[count, (35, b"coap://a/b")], b""),
            Some((Kind::Ack, Code::PROXYING_NOT_SUPPORTED)),
        ),
        (
            "Proxy-Scheme",
            post(Kind::Con, 24, &[count, (39, b"coap")], b""),
            Some((Kind::Ack, Code::PROXYING_NOT_SUPPORTED)),
        ),
        ("path is no UTF-8", post(Kind::Con, 25, &[(11, &[0xff])], b""), Some((Kind::Ack, Code::BAD_REQUEST))),
        (
            "second block first",
            post(Kind::Con, 26, &[count, (27, &[0x10])], b"x"),
            Some((Kind::Ack, Code::REQUEST_ENTITY_INCOMPLETE)),
        ),
        (
            "reserved block size",
            post(Kind::Con, 27, &[count, (27, &[0x07])], b"x"),
            Some((Kind::Ack, Code::BAD_OPTION)),
        ),
        ("short block", post(Kind::Con, 28, &[count, (27, &[0x08])], b"x"), Some((Kind::Ack, Code::BAD_REQUEST))),
        ("first block", post(Kind::Con, 29, &[count, (27, &[0x08])], &[0; 16]), Some((Kind::Ack, Code::CONTINUE))),
        ("CON", post(Kind::Con, 30, &[count], b""), Some((Kind::Ack, Code::CHANGED))),
        ("NON", post(Kind::Non, 31, &[count], b""), Some((Kind::Non, Code::CHANGED))),
    ];
    let house = house().await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(house.addr).await.unwrap();
    let mut buf = [0; 2048];
    for (name, datagram, answer) in rows {
        socket.send(datagram).await.unwrap();
        let length = socket.recv(&mut buf).await.unwrap();
        let message = Message::parse(&buf[..length]).unwrap();
        assert_eq!(Some((message.kind, message.code)), *answer, "{name}");
    }
    assert_eq!(house.runs.load(Relaxed), 2, "only the good ones ran");
}

/// R7252-4.5-01
#[tokio::test]
async fn duplicates_run_once() {
    let house = house().await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(house.addr).await.unwrap();
    let request = [&[0x41, 2, 0, 9, 0xaa, 0xb4][..], b"runs"].concat();
    for _ in 0..3 {
        socket.send(&request).await.unwrap();
    }
    let mut buf = [0; 64];
    let length = socket.recv(&mut buf).await.unwrap();
    let first = buf[..length].to_vec();
    socket.send(&request).await.unwrap();
    let length = socket.recv(&mut buf).await.unwrap();
    assert_eq!(buf[..length], first);
    assert_eq!((Message::parse(&first).unwrap().payload, house.runs.load(Relaxed)), (&b"1"[..], 1));
}

/// R7252-5.2.2-01
#[tokio::test]
async fn a_slow_handler_is_acknowledged_first() {
    let house = house().await;
    let mut client = CoapClient::connect(house.addr).await.unwrap();
    let request = tokio::spawn(async move { client.request(Code::GET, "/slow", None, None, b"").await });
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(house.addr).await.unwrap();
    socket.send(&[&[0x41, 1, 0, 9, 0xaa, 0xb4][..], b"slow"].concat()).await.unwrap();
    let mut buf = [0; 64];
    let length = socket.recv(&mut buf).await.unwrap();
    assert_eq!(buf[..length], [0x60, 0, 0, 9], "an empty acknowledgement");
    house.gate.add_permits(2);
    let length = socket.recv(&mut buf).await.unwrap();
    let message = Message::parse(&buf[..length]).unwrap();
    assert_eq!((message.kind, message.payload), (Kind::Con, &b"slow"[..]));
    let first = buf[..length].to_vec();
    let length = socket.recv(&mut buf).await.unwrap();
    assert_eq!(buf[..length], first, "sent again until acknowledged");
    assert_eq!(request.await.unwrap().unwrap().payload, b"slow");
}

/// R7641-3.6-01, R7641-4.1-02, R7641-4.2-01
#[tokio::test]
async fn observing() {
    for oscore in [false, true] {
        let (server, client_context) = contexts();
        let house = house_with(oscore.then(|| Peers::known(server))).await;
        let mut client = CoapClient::connect(house.addr).await.unwrap();
        client.set_context(oscore.then_some(client_context));
        let (first, observation) = client.observe("/counter", None).await.unwrap();
        assert_eq!((&first.payload[..], first.protected), (&b"0"[..], oscore));
        let mut observation = observation.unwrap();
        for n in 1..4 {
            house.count();
            let next = observation.next().await.unwrap();
            assert_eq!((next.payload, next.protected), (n.to_string().into_bytes(), oscore));
        }
        observation.cancel().await.unwrap();
        assert_eq!(house.notifier.observers(), 0);
        let (_, none) = client.observe("/who", None).await.unwrap();
        assert!(none.is_none(), "not observable");
    }
}

/// What comes while the blocks of an earlier notification are fetched is kept; where it makes them void, it is what counts.
/// R7641-3.4-01
#[tokio::test]
async fn a_notification_between_the_blocks_of_another() {
    // (what the second block of version 1 says it belongs to, what the client hears)
    for (etag, hears) in [(b"1", &[&b"0"[..], &[[b'1'; 16], [b'1'; 16]].concat(), b"2"][..]), (b"2", &[b"0", b"2"])] {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let mut client = CoapClient::connect(socket.local_addr().unwrap()).await.unwrap();
        client.set_patience(Duration::from_secs(5));
        let serve = async {
            let (mut buf, mut out) = ([0; 256], [0; 256]);
            let (length, peer) = socket.recv_from(&mut buf).await.unwrap();
            let asked = buf[..length].to_vec();
            let asked = Message::parse(&asked).unwrap();
            let told = |id, observe: &[u8], more: &[(u16, &[u8])], payload: &[u8], out: &mut [u8]| {
                let request = Message { id, kind: Kind::Con, ..asked.clone() };
                let mut options = [&[(6, observe)], more].concat();
                options.sort_unstable();
                let length = reply(&request, Code::CONTENT, &options, payload, out);
                out[0] &= !0x30; // confirmable
                length
            };
            let length = reply(&asked, Code::CONTENT, &[(6, b"\x01")], b"0", &mut out);
            socket.send_to(&out[..length], peer).await.unwrap();
            // Version 1 has two blocks of 16 bytes.
            let length = told(1, b"\x02", &[(4, b"1"), (23, &[0x08])], &[b'1'; 16], &mut out);
            socket.send_to(&out[..length], peer).await.unwrap();
            let mut late = None;
            loop {
                let (length, _) = socket.recv_from(&mut buf).await.unwrap();
                let message = Message::parse(&buf[..length]).unwrap();
                if message.code != Code::GET {
                    if late == Some(message.id) {
                        break; // the client acknowledged version 2
                    }
                    continue;
                }
                assert_eq!(message.options.get(OptionNumber::BLOCK2), Some(&[0x10][..]));
                assert_eq!(message.options.get(OptionNumber::OBSERVE), None);
                let block = message.clone();
                let length = told(2, b"\x03", &[], b"2", &mut out);
                socket.send_to(&out[..length], peer).await.unwrap();
                late = Some(2);
                let length = reply(&block, Code::CONTENT, &[(4, etag), (23, &[0x10])], &[b'1'; 16], &mut out);
                socket.send_to(&out[..length], peer).await.unwrap();
            }
        };
        let watch = async {
            let (first, watching) = client.observe("/", None).await.unwrap();
            let (mut heard, mut watching) = (vec![first.payload], watching.unwrap());
            while heard.len() < hears.len() {
                let next = tokio::time::timeout(Duration::from_secs(5), watching.next());
                heard.push(next.await.expect("a notification is lost").unwrap().payload);
            }
            heard
        };
        let ((), heard) = tokio::join!(serve, watch);
        assert_eq!(heard, hears, "{etag:?}");
    }
}

/// One socket, one context: other requests between the notifications, none of which is lost; and asked anew, a server that forgot
/// its observers remembers again. R7641-3.1-01
#[tokio::test]
async fn requests_beside_an_observation() {
    let (server, context) = contexts();
    let house = house_with(Some(Peers::known(server))).await;
    let mut client = CoapClient::connect(house.addr).await.unwrap();
    client.set_context(Some(context));
    let mut watching = client.observe("/counter", None).await.unwrap().1.unwrap();
    for n in 1..4_u32 {
        house.count();
        let large = vec![7; 3000];
        let answer = watching.request(Code::POST, "/echo", None, None, &large).await.unwrap();
        assert_eq!(answer.payload, large);
        assert_eq!(watching.next().await.unwrap().payload, n.to_string().into_bytes());
        let again = watching.renew().await.unwrap();
        assert_eq!((again.payload, house.notifier.observers()), (n.to_string().into_bytes(), 1));
    }
    // Nobody waits for a notification that was not sent, and giving up the wait loses none.
    assert!(tokio::time::timeout(Duration::from_millis(50), watching.next()).await.is_err());
    house.count();
    assert_eq!(watching.next().await.unwrap().payload, b"4");
    drop(watching);
    assert!(matches!(client.observe("/who", None).await, Ok((_, None))));
}

/// R7641-4.5-01
#[tokio::test]
async fn an_observer_that_resets_is_forgotten() {
    let house = house().await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(house.addr).await.unwrap();
    let mut buf = [0; 64];
    socket.send(&[&[0x41, 1, 0, 9, 0xaa, 0x60, 0x57][..], b"counter"].concat()).await.unwrap();
    socket.recv(&mut buf).await.unwrap();
    assert_eq!(house.notifier.observers(), 1);
    house.count();
    socket.recv(&mut buf).await.unwrap();
    socket.send(&[0x70, 0, buf[2], buf[3]]).await.unwrap();
    socket.send(&[0x40, 0, 0, 1]).await.unwrap(); // a ping: its answer shows that the reset was read
    socket.recv(&mut buf).await.unwrap();
    assert_eq!(house.notifier.observers(), 0);
}

/// 10,000 relations of one peer: the first few are kept, the others are answered once (RFC 7641 §4.1), and nobody else is shut out.
#[tokio::test]
async fn ten_thousand_observations_of_one_peer() {
    let house = house().await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(house.addr).await.unwrap();
    let (mut observed, mut buf) = (0, [0; 64]);
    for n in 0..10_000_u16 {
        let [high, low] = n.to_be_bytes();
        let get = [&[0x42, 1, high, low, high, low, 0x60, 0x57][..], b"counter"].concat();
        socket.send(&get).await.unwrap();
        let length = socket.recv(&mut buf).await.unwrap();
        assert_eq!((buf[0], buf[1], &buf[4..6]), (0x62, 0x45, &[high, low][..]), "2.05 for each");
        observed += usize::from(buf[6] >> 4 == 6 && length > 8);
    }
    assert_eq!((observed, house.notifier.observers()), (16, 16));
    let mut other = CoapClient::connect(house.addr).await.unwrap();
    other.set_context(None);
    let (_, refused) = other.observe("/counter", None).await.unwrap();
    assert!(refused.is_none(), "without an identity, an address counts as one peer");
    house.count();
    for _ in 0..16 {
        socket.recv(&mut buf).await.unwrap();
    }
}

/// More observers than messages that may be under way: nobody is dropped for want of room, each is told in its turn.
#[tokio::test]
async fn more_observers_than_room() {
    const MANY: u16 = 1500;
    let secret = |n: u16| [b"a secret", &n.to_be_bytes()[..]].concat();
    let names: Vec<_> = (0..MANY).map(|n| n.to_be_bytes()).collect();
    let peers = Crowd(
        names
            .iter()
            .zip(0..)
            .map(|(name, n)| {
                let (server, _) = derived(&secret(n), b"s", name);
                (name.to_vec(), Security::new(&format!("{n}"), server))
            })
            .collect(),
    );
    let house = house_with(Some(Arc::new(peers))).await;
    let mut clients = Vec::new();
    for (name, n) in names.iter().zip(0..) {
        let mut client = CoapClient::connect(house.addr).await.unwrap();
        client.set_context(Some(derived(&secret(n), b"s", name).1));
        clients.push(client);
    }
    let mut watching = Vec::new();
    for client in &mut clients {
        watching.push(client.observe("/counter", None).await.unwrap().1.unwrap());
    }
    assert_eq!(house.notifier.observers(), usize::from(MANY));
    // A third of them hear only that what they see has changed.
    house.notifier.changed_for("/counter", |identity| identity.is_some_and(|identity| identity.name.ends_with('0')));
    for (n, watching) in watching.iter_mut().enumerate().filter(|(n, _)| n % 10 == 0) {
        assert_eq!(watching.next().await.unwrap().payload, b"0", "{n}");
    }
    house.count();
    for (n, watching) in watching.iter_mut().enumerate() {
        assert_eq!(watching.next().await.unwrap().payload, b"1", "{n}: no notification in between");
    }
    assert_eq!(house.notifier.observers(), usize::from(MANY));
}

/// Many peers by their kid.
struct Crowd(HashMap<Vec<u8>, Arc<Security>>);

impl Contexts for Crowd {
    fn find<'a>(&'a self, kid: &'a [u8], _: Option<&'a [u8]>) -> BoxFuture<'a, Option<Arc<Security>>> {
        Box::pin(async move { self.0.get(kid).cloned() })
    }

    fn reserve<'a>(&'a self, security: &'a Security) -> BoxFuture<'a, ()> {
        Box::pin(async {
            let mut context = security.context();
            if let Some(below) = context.reservation(64) {
                context.reserved(below);
            }
        })
    }
}

#[tokio::test]
async fn protected_requests() {
    let (server, context) = contexts();
    let house = house_with(Some(Peers::known(server))).await;
    let mut client = CoapClient::connect(house.addr).await.unwrap();
    let plain = client.request(Code::GET, "/who", None, None, b"").await.unwrap();
    assert_eq!((&plain.payload[..], plain.protected), (&b"nobody"[..], false));
    client.set_context(Some(context));
    let large = vec![7; 3000];
    for (method, path, payload, answer) in [
        (Code::GET, "/who", &b""[..], &b"phone"[..]),
        (Code::POST, "/echo", b"x", b"x"),
        (Code::POST, "/echo", &large, &large),
    ] {
        let response = client.request(method, path, None, None, payload).await.unwrap();
        assert!(response.protected && response.payload == answer, "{path}");
    }
    let trips = client.traffic().round_trips;
    client.request(Code::GET, "/who", None, None, b"").await.unwrap();
    assert_eq!(client.traffic().round_trips, trips + 1, "warm: one round trip");
}

/// R9175-2.3-02
#[tokio::test]
async fn a_restarted_server_asks_for_an_echo_once() {
    let (server, context) = common::restored();
    let house = house_with(Some(Peers::known(server))).await;
    let mut client = CoapClient::connect(house.addr).await.unwrap();
    client.set_context(Some(context));
    for trips in [2, 3, 4] {
        let response = client.request(Code::POST, "/runs", None, None, b"").await.unwrap();
        assert_eq!((response.code, response.protected), (Code::CHANGED, true));
        assert_eq!(client.traffic().round_trips, trips);
    }
    assert_eq!(house.runs.load(Relaxed), 3);
}

/// R9200-5-02, R8613-8.2-01
#[tokio::test]
async fn what_cannot_be_verified() {
    let (server, _) = contexts();
    let house = house_with(Some(Peers::known(server))).await;
    let (_, stranger) = common::derived(b"other secret", b"s", b"c");
    let (_, unknown) = common::derived(b"secret", b"s", b"x");
    for (name, context, code) in
        [("wrong key", stranger, Code::BAD_REQUEST), ("unknown kid", unknown, Code::UNAUTHORIZED)]
    {
        let mut client = CoapClient::connect(house.addr).await.unwrap();
        client.set_context(Some(context));
        let response = client.request(Code::POST, "/runs", None, None, b"").await.unwrap();
        assert_eq!((response.code, response.protected), (code, false), "{name}");
    }
    // the same bytes under another message ID, from another port
    let (server, mut context) = contexts();
    let house = house_with(Some(Peers::known(server))).await;
    let mut buf = [0; 128];
    let plain = [&[0x41, 2, 0, 9, 0xaa, 0xb4][..], b"runs"].concat();
    let crypto = latchwork_crypto::RustCrypto;
    let (protected, _) = context.protect_request(&crypto, &Message::parse(&plain).unwrap(), &mut buf).unwrap();
    let mut protected = protected.to_vec();
    for (id, code) in [(9, Code::CHANGED), (10, Code::UNAUTHORIZED)] {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        protected[3] = id;
        socket.send_to(&protected, house.addr).await.unwrap();
        let mut answer = [0; 128];
        let length = socket.recv(&mut answer).await.unwrap();
        assert_eq!(Message::parse(&answer[..length]).unwrap().code, code);
    }
    assert_eq!(house.runs.load(Relaxed), 1);
}

/// R7252-5.4.1-01
#[tokio::test]
async fn options_are_checked_inside_and_outside() {
    let (server, mut context) = contexts();
    let house = house_with(Some(Peers::known(server))).await;
    let crypto = latchwork_crypto::RustCrypto;
    let runs = (11, &b"runs"[..]);
    // options as the client protects them; class U options stay outside. The answer is protected, too.
    let rows: &[(&[(u16, &[u8])], Code)] = &[
        (&[runs], Code::CHANGED),
        (&[(3, b"lock"), runs], Code::CHANGED),
        (&[runs, (65_000, b"")], Code::CHANGED),
        (&[runs, (65_001, b"")], Code::BAD_OPTION),
        (&[(1, b"tag"), runs], Code::BAD_OPTION),
        (&[runs, (27, &[7])], Code::BAD_OPTION),
        (&[runs, (39, b"coap")], Code::PROXYING_NOT_SUPPORTED),
    ];
    for (id, (options, code)) in (1u8..).zip(rows) {
        let (mut plain, mut buf, mut answer, mut opened) = ([0; 128], [0; 256], [0; 256], [0; 256]);
        let mut writer = Writer::new(&mut plain, Kind::Con, Code::POST, id.into(), Token::new(&[id]).unwrap());
        for (number, value) in *options {
            writer.option(OptionNumber(*number), value).unwrap();
        }
        let plain = Message::parse(writer.finish().unwrap()).unwrap();
        let (datagram, mut sent) = context.protect_request(&crypto, &plain, &mut buf).unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.send_to(datagram, house.addr).await.unwrap();
        let length = socket.recv(&mut answer).await.unwrap();
        let outer = Message::parse(&answer[..length]).unwrap();
        let response = context.unprotect_response(&crypto, &mut sent, &outer, &mut opened).unwrap();
        assert_eq!(response.code, *code, "{options:?}");
    }
    assert_eq!(house.runs.load(Relaxed), 3);
}

#[tokio::test]
async fn a_dropped_request_leaves_nothing_behind() {
    let house = house().await;
    let mut client = CoapClient::connect(house.addr).await.unwrap();
    for _ in 0..20 {
        let request = client.request(Code::GET, "/slow", None, None, b"");
        assert!(tokio::time::timeout(Duration::from_millis(1), request).await.is_err());
    }
    let response = client.request(Code::GET, "/who", None, None, b"").await.unwrap();
    assert_eq!((&response.payload[..], client.traffic().retransmissions), (&b"nobody"[..], 0));
}

/// Blocks of one upload are not taken for those of another (RFC 9175 §3.4): each has a tag of its own.
/// R9175-3.4-01
#[tokio::test]
async fn an_upload_has_its_own_tag() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut client = CoapClient::connect(socket.local_addr().unwrap()).await.unwrap();
    let mut tags = Vec::new();
    for _ in 0..3 {
        let mut buf = [0; 2048];
        let upload = client.request(Code::POST, "/echo", None, None, &[0; 2000]);
        let length = tokio::select! {
            answered = upload => panic!("{answered:?}"),
            length = socket.recv(&mut buf) => length.unwrap(),
        };
        tags.push(Message::parse(&buf[..length]).unwrap().options.get(OptionNumber(292)).unwrap().to_vec());
    }
    assert!(tags[0] != tags[1] && tags[1] != tags[2] && tags[0] != tags[2], "{tags:?}");
}

#[tokio::test]
async fn a_server_that_was_away() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let addr = socket.local_addr().unwrap();
    drop(socket);
    let mut client = CoapClient::connect(addr).await.unwrap();
    let nobody = client.request(Code::GET, "/who", None, None, b"").await;
    assert!(matches!(nobody, Err(Error::Io(_))), "at once, not after 93 seconds: {nobody:?}");
    let nobody = client.request(Code::GET, "/who", None, None, b"").await;
    assert!(matches!(nobody, Err(Error::Io(_))), "{nobody:?}");
}

/// R9200-5-02, R7252-5.3.2-01, R9175-2.3-02, R9175-4.2-01, R8613-8.4-01
#[tokio::test]
async fn a_client_is_not_fooled() {
    // A server that answers whatever it is told to, in order.
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let addr = socket.local_addr().unwrap();
    type Make = fn(&Message<'_>, &mut [u8]) -> usize;
    let forged: Make = |request, out| reply(request, Code::CONTENT, &[], b"forged", out);
    let critical: Make = |request, out| reply(request, Code::CONTENT, &[(65_001, b"")], b"x", out);
    let good: Make = |request, out| reply(request, Code::CONTENT, &[], b"good", out);
    let echo: Make = |request, out| reply(request, Code::UNAUTHORIZED, &[(252, b"12345678")], b"echo", out);
    let other: Make = |request, out| {
        let other = Message { token: Token::new(b"else").unwrap(), ..request.clone() };
        reply(&other, Code::CONTENT, &[], b"forged", out)
    };
    let reset: Make = |request, out| {
        out[..4].copy_from_slice(&[0x70, 0, (request.id >> 8) as u8, request.id as u8]);
        4
    };
    type Row = (&'static str, bool, Vec<Make>, Result<&'static str, &'static str>);
    let rows: Vec<Row> = vec![
        ("another token", false, vec![other, good], Ok("good")),
        ("unknown critical option", false, vec![critical], Err("response with unknown critical option 65001")),
        ("reset", false, vec![reset], Err("the server rejected the message")),
        ("success in the clear", true, vec![forged], Err("no response in time")),
        ("an Echo in the clear", true, vec![echo], Ok("echo")),
    ];
    for (name, oscore, answers, outcome) in rows {
        let mut client = CoapClient::connect(addr).await.unwrap();
        client.set_context(oscore.then(|| contexts().1));
        client.set_patience(Duration::from_millis(300));
        let serve = async {
            let (mut buf, mut out) = ([0; 256], [0; 256]);
            let (length, peer) = socket.recv_from(&mut buf).await.unwrap();
            for make in answers {
                let length = make(&Message::parse(&buf[..length]).unwrap(), &mut out);
                socket.send_to(&out[..length], peer).await.unwrap();
            }
        };
        let (response, ()) = tokio::join!(client.request(Code::GET, "/", None, None, b""), serve);
        let got = response.map(|response: Response| String::from_utf8(response.payload).unwrap());
        assert_eq!(got.map_err(|error| error.to_string()), outcome.map(String::from).map_err(String::from), "{name}");
    }
}

fn reply(request: &Message<'_>, code: Code, options: &[(u16, &[u8])], payload: &[u8], out: &mut [u8]) -> usize {
    let mut writer = Writer::new(out, Kind::Ack, code, request.id, request.token);
    for (number, value) in options {
        writer.option(OptionNumber(*number), value).unwrap();
    }
    writer.payload(payload).unwrap();
    writer.finish().unwrap().len()
}
