//! What a lock that speaks EDHOC can do to an app, and what it makes of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchwork_ace::{Claims, Cnf, CoseKey, Hints};
use latchwork_client_sdk::{App, Error, FileStore, Machine, MachineConfig, Server, SoftwareKey};
use latchwork_coap::{Code, Kind, Message, OptionNumber, Writer};
use latchwork_crypto::{P256Private, RustCrypto, Secret};
use latchwork_edhoc::responder::ReceivedMessage1;
use latchwork_edhoc::{ConnectionId, Identity, Method};
use latchwork_transport::edhoc::System;
use support::FRONT;

fn key(number: u8) -> P256Private {
    P256Private::new(Secret::new([number; 32])).unwrap()
}

fn ccs(key: &P256Private) -> Vec<u8> {
    let public = key.public().unwrap();
    let key = CoseKey { kid: Some(&[0]), ..CoseKey::p256(&public.x, &public.y) };
    Claims { cnf: Some(Cnf::CoseKey(key)), ..Claims::default() }.encode(&mut [0; 96]).unwrap().to_vec()
}

/// Message_2 of a lock with this key.
fn message_2(key: &P256Private, c_r: Option<&[u8]>, payload: &[u8]) -> Vec<u8> {
    let received = ReceivedMessage1::parse(payload.strip_prefix(&[0xf5]).unwrap(), &[Method::SignatureStaticDh], &[]);
    let received = received.unwrap();
    assert_eq!(received.eads().iter().count(), 0, "nothing that everybody could read");
    let c_r = c_r.map_or(received.c_i(), |c_r| ConnectionId::new(c_r).unwrap());
    let ccs = ccs(key);
    let identity = Identity::ccs(&ccs, key as _).unwrap();
    let mut out = [0; 256];
    match received.answer(&RustCrypto, &mut System, &identity, c_r, &[], &mut out) {
        Ok((_, message)) => message.to_vec(),
        // Our responder does not call itself by the visitor's name; whoever does, says something like this.
        Err(_) => vec![0x41, 0],
    }
}

/// A lock that answers each message in turn; what comes after the last has no answer. Counts what it got.
fn lock(answer: impl Fn(usize, &Message<'_>) -> (Code, Vec<u8>) + Send + 'static) -> (SocketAddr, Arc<AtomicUsize>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (address, got) = (socket.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&got);
    thread::spawn(move || {
        let (mut buffer, mut out) = ([0; 2048], [0; 2048]);
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let request = Message::parse(&buffer[..length]).unwrap();
            let (code, payload) = answer(count.fetch_add(1, Ordering::SeqCst), &request);
            let mut writer = Writer::new(&mut out, Kind::Ack, code, request.id, request.token);
            if code == Code::UNAUTHORIZED {
                writer.uint_option(OptionNumber::CONTENT_FORMAT, 19).unwrap();
            }
            writer.payload(&payload).unwrap();
            socket.send_to(writer.finish().unwrap(), from).unwrap();
        }
    });
    (address, got)
}

/// A phone with a permission for the lock at this address, and a server that is not there.
fn phone(lock: SocketAddr, more: &str) -> (tempfile::TempDir, App) {
    phone_that(lock, more, true)
}

/// The same, that sends message_3 together with its request or alone.
fn phone_that(lock: SocketAddr, more: &str, combined: bool) -> (tempfile::TempDir, App) {
    let directory = tempfile::tempdir().unwrap();
    let ccs = URL_SAFE_NO_PAD.encode(ccs(&key(9)));
    let issuer = "http://127.0.0.1:1";
    let state = format!(
        r#"{{"issuer":{issuer:?},"refresh_token":"Zmlyc3Q","permissions":{{{FRONT:?}:{{"token":"b2xk","lock":{ccs:?},
            "combined":{combined},"message_4":false,"path":"/.well-known/edhoc","expires":99999999999{more}}}}},"doors":[
            {{"name":"front","audience":{FRONT:?},"address":"{lock}","as_uri":"{issuer}/token",
              "profile":"coap_edhoc_oscore","rs_cnf":{{"kccs":{ccs:?}}}}}]}}"#
    );
    std::fs::write(directory.path().join("tokens.json"), state).unwrap();
    let server = Server { issuer: issuer.to_owned(), client_id: "phone".to_owned(), certificate: None };
    let store = FileStore::new(directory.path().join("tokens.json"));
    let app = App::new(server, Arc::new(SoftwareKey::generate().unwrap()), Arc::new(store)).unwrap();
    (directory, app)
}

fn name(outcome: Result<latchwork_client_sdk::Opened, Error>) -> String {
    match outcome {
        Ok(_) => "opened".to_owned(),
        Err(Error::LockRefused { code }) => format!("lock {code:#x}"),
        Err(Error::Nonsense(_)) => "nonsense".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

/// R9200-5.3-01, EDHOC-3.3.2-01, EDHOC-4.7-01
#[tokio::test]
async fn answers_of_a_lock() {
    let hints = |as_uri| {
        let hints = Hints { as_uri: Some(as_uri), ..Hints::default() };
        hints.encode(&mut [0; 64]).unwrap().to_vec()
    };
    let (ours, foreign) = (hints("http://127.0.0.1:1/token"), hints("https://evil.example/token"));
    let good = |payload: &[u8]| message_2(&key(9), Some(&[0x2a, 0x2a, 0x2a]), payload);
    type Answer = Box<dyn Fn(usize, &Message<'_>) -> (Code, Vec<u8>) + Send>;
    let then = |code, payload: Vec<u8>| -> Answer {
        Box::new(move |turn, request| match turn {
            0 => (Code::CHANGED, good(request.payload)),
            _ => (code, payload.clone()),
        })
    };
    let first = |code, payload: Vec<u8>| -> Answer { Box::new(move |_, _| (code, payload.clone())) };
    let cases: Vec<(&str, Answer, &str, usize)> = vec![
        (
            "another key",
            Box::new(|_, request| (Code::CHANGED, message_2(&key(8), Some(&[0x2a]), request.payload))),
            "OtherLock",
            1,
        ),
        (
            "our own name",
            Box::new(|_, request| (Code::CHANGED, message_2(&key(9), None, request.payload))),
            "nonsense",
            1,
        ),
        ("noise", first(Code::CHANGED, vec![0x5a; 50]), "nonsense", 1),
        ("58 ff", first(Code::CHANGED, vec![0x58, 0xff]), "nonsense", 1),
        ("nothing", first(Code::CHANGED, vec![]), "nonsense", 1),
        ("an error for message_1", first(Code::BAD_REQUEST, vec![1, 0x60]), "lock 0x80", 2),
        ("hints for message_1", first(Code::UNAUTHORIZED, ours), "lock 0x81", 2),
        ("hints of somebody else", first(Code::UNAUTHORIZED, foreign), "ForeignHints", 1),
        ("an error for message_3", then(Code::BAD_REQUEST, vec![1, 0x60]), "lock 0x80", 3),
        ("a success in the clear", then(Code::CHANGED, vec![]), "lock 0x44", 2),
    ];
    for (what, answer, expected, messages) in cases {
        let (address, got) = lock(answer);
        let (_directory, app) = phone(address, "");
        let outcome = tokio::time::timeout(std::time::Duration::from_secs(3), app.open("front")).await;
        let outcome = outcome.map_or_else(|_| "silent".to_owned(), name);
        // An unprotected success is dropped, or no success: never an opened door.
        assert!(outcome == expected || (what == "a success in the clear" && outcome != "opened"), "{what}: {outcome}");
        assert!(got.load(Ordering::SeqCst) >= messages, "{what}: {}", got.load(Ordering::SeqCst));
    }
}

/// The well-known path goes as its number; spelled out where that is not understood, and then for all of the handshake.
#[tokio::test]
async fn the_path_goes_abbreviated() {
    const ABBREV: OptionNumber = OptionNumber(13);
    for (what, understands, expected) in
        [("understood", true, vec![Some(2), Some(2)]), ("not understood", false, vec![Some(2), None, None])]
    {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let (address, _) = lock(move |_, request| {
            let value = request.options.uint(ABBREV);
            if request.options.uint(OptionNumber::CONTENT_FORMAT) != Some(65) {
                return (Code::UNAUTHORIZED, vec![]);
            }
            let spelled = request.options.path_eq("/.well-known/edhoc");
            assert!(spelled != value.is_some() && (spelled || request.options.uri_path().next().is_none()));
            let mut seen = log.lock().unwrap();
            seen.push(value);
            match request.payload {
                _ if value.is_some() && !understands => (Code::BAD_OPTION, vec![]),
                [0xf5, ..] => (Code::CHANGED, message_2(&key(9), Some(&[0x2a, 0x2a, 0x2a]), request.payload)),
                _ => (Code::FORBIDDEN, vec![]),
            }
        });
        let (_directory, app) = phone_that(address, "", false);
        assert_eq!(name(app.open("front").await), "lock 0x83", "{what}");
        assert_eq!(*seen.lock().unwrap(), expected, "{what}");
    }
}

fn config(edhoc: &str, oscore: bool, server: &str) -> MachineConfig {
    let context = r#", "oscore": { "master_secret": "00", "sender_id": "01", "recipient_id": "02" }"#;
    let text = format!(
        r#"{{ "issuer": "https://as.example", "server": {server:?}{edhoc}{}, "door": [{{ "name": "front", "audience": {FRONT:?},
            "address": "127.0.0.1:1", "as_uri": "https://as.example/token" }}] }}"#,
        if oscore { context } else { "" },
    );
    serde_json::from_str(&text).unwrap()
}

/// Anybody can say 4.01 in the server's name: it costs a machine no more than one handshake each time that it asks.
#[tokio::test]
async fn a_server_that_forgets() {
    let (address, got) = lock(|_, request| match request.payload {
        _ if request.options.path_eq("/token") || request.options.get(OptionNumber::OSCORE).is_some() => {
            (Code::UNAUTHORIZED, vec![])
        }
        [0xf5, ..] => (Code::CHANGED, message_2(&key(9), Some(&[0x2a, 0x2a, 0x2a]), request.payload)),
        _ => (Code::CHANGED, vec![]),
    });
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let edhoc = format!(r#", "edhoc": {{ "client_id": "rover", "server": "{}" }}"#, hex(ccs(&key(9))));
    let own = || Arc::new(SoftwareKey::generate().unwrap());
    let machine = Machine::with_key(config(&edhoc, false, &address.to_string()), own()).unwrap();
    // Message_1, message_3, the question; then the question, and all three again.
    for messages in [3, 7, 11] {
        let refused = machine.open("front").await;
        assert!(matches!(&refused, Err(Error::Refused(code)) if code == "4.01"), "{:?}", refused.err());
        assert_eq!(got.load(Ordering::SeqCst), messages);
    }

    let other = edhoc.replace(&hex(ccs(&key(9))), &hex(ccs(&key(8))));
    let machine = Machine::with_key(config(&other, false, &address.to_string()), own()).unwrap();
    assert!(matches!(machine.open("front").await, Err(Error::OtherServer)));
    assert_eq!(got.load(Ordering::SeqCst), 12, "and hears no message_3");

    let directory = tempfile::tempdir().unwrap();
    let numbers = directory.path().join("numbers");
    for (what, edhoc, oscore) in [("both", &*edhoc, true), ("neither", "", false)] {
        for made in [
            Machine::with_key(config(edhoc, oscore, "127.0.0.1:1"), own()).err(),
            Machine::new(config(edhoc, oscore, "127.0.0.1:1"), numbers.clone()).err(),
        ] {
            assert!(matches!(made, Some(Error::Configuration(_))), "{what}: {made:?}");
        }
    }
    for server in ["zz", "a", "a0"] {
        let edhoc = format!(r#", "edhoc": {{ "client_id": "rover", "server": "{server}" }}"#);
        let refused = match Machine::with_key(config(&edhoc, false, &address.to_string()), own()) {
            Ok(machine) => machine.open("front").await.err(),
            Err(error) => Some(error),
        };
        assert!(matches!(refused, Some(Error::Configuration(_) | Error::Nonsense(_))), "{server}: {refused:?}");
    }
}
