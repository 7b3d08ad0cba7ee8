//! New rights for whoever is inside: what an app asks of its server for them, and what it brings to a lock.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchwork_ace::registry::unassigned::EAD_ACCESS_TOKEN;
use latchwork_ace::{Claims, Cnf, CoseKey, EdhocInfo, TokenRequest, TokenResponse};
use latchwork_client_sdk::{App, Error, FileStore, PopKey as _, Server, SoftwareKey};
use latchwork_coap::{Code, Kind, Message, OptionNumber, Writer};
use latchwork_crypto::{P256Private, RustCrypto, Secret};
use latchwork_edhoc::correlation::Posted;
use latchwork_edhoc::responder::ReceivedMessage1;
use latchwork_edhoc::{ConnectionId, Credential, Identity, Method};
use latchwork_oscore::{Context, Incoming};
use latchwork_transport::edhoc::{self, System};
use support::{Answer, FRONT, FakeServer};

fn ccs(x: &[u8; 32], y: &[u8; 32], kid: &[u8]) -> Vec<u8> {
    let key = CoseKey { kid: Some(kid), ..CoseKey::p256(x, y) };
    Claims { cnf: Some(Cnf::CoseKey(key)), ..Claims::default() }.encode(&mut [0; 96]).unwrap().to_vec()
}

fn lock_key() -> (P256Private, Vec<u8>) {
    let key = P256Private::new(Secret::new([9; 32])).unwrap();
    let public = key.public().unwrap();
    (key, ccs(&public.x, &public.y, &[0]))
}

/// What a lock saw.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    /// Message_3, with this token.
    Handshake(Vec<u8>),
    /// A request under the context of the last handshake: its path, its format, and what is in it.
    Inside(String, Option<u32>, Vec<u8>),
    /// Anything else.
    Outside,
}

fn open_door() -> Seen {
    Seen::Inside("door".into(), None, vec![])
}

fn update(token: &[u8]) -> Seen {
    Seen::Inside("authz-info".into(), Some(61), token.to_vec())
}

/// How a lock answers a request inside.
#[derive(Clone, Copy, Debug)]
enum Says {
    Protected(Code),
    InTheOpen(Code),
}

/// A lock that takes every token, and says what the test wants to requests inside, by what it saw until then, the request included.
fn lock(phone: Vec<u8>, says: impl Fn(&[Seen]) -> Says + Send + 'static) -> (SocketAddr, Arc<Mutex<Vec<Seen>>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    thread::spawn(move || {
        let (key, own) = lock_key();
        let (mut buffer, mut out, mut inner, mut message) = ([0; 2048], [0; 2048], [0; 2048], [0; 2048]);
        let (mut waiting, mut context) = (None, None);
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let outer = Message::parse(&buffer[..length]).unwrap();
            let reply = |code, payload: &[u8], out: &mut [u8]| {
                let mut writer = Writer::new(out, Kind::Ack, code, outer.id, outer.token);
                writer.payload(payload).unwrap();
                writer.finish().unwrap().to_vec()
            };
            let mut seen = log.lock().unwrap();
            let answer = if outer.options.get(OptionNumber::OSCORE).is_some() {
                let context: &mut Context = context.as_mut().unwrap();
                let incoming = context.unprotect_request(&RustCrypto, &outer, &mut inner).unwrap();
                let Incoming::Request(request, mut reference) = incoming else { panic!("not again") };
                assert_eq!(request.code, Code::POST);
                let path = request.options.uri_path().map(String::from_utf8_lossy).collect();
                let format = request.options.uint(OptionNumber::CONTENT_FORMAT);
                seen.push(Seen::Inside(path, format, request.payload.to_vec()));
                match says(&seen) {
                    Says::InTheOpen(code) => reply(code, &[], &mut out),
                    Says::Protected(code) => {
                        let plain = reply(code, &[], &mut message);
                        let plain = Message::parse(&plain).unwrap();
                        context.protect_response(&RustCrypto, &mut reference, &plain, &mut out).unwrap().to_vec()
                    }
                }
            } else if outer.options.uint(OptionNumber::CONTENT_FORMAT) != Some(65) {
                seen.push(Seen::Outside);
                reply(Code::UNAUTHORIZED, &[], &mut out)
            } else {
                let mut payload = outer.payload.to_vec();

                match Posted::parse(&mut payload).unwrap() {
                    Posted::First(posted) => {
                        let received = ReceivedMessage1::parse(posted, &[Method::SignatureStaticDh], &[]).unwrap();
                        let (identity, c_r) =
                            (Identity::ccs(&own, &key as _).unwrap(), ConnectionId::new(b"lock").unwrap());
                        let answered =
                            received.answer(&RustCrypto, &mut System, &identity, c_r, &[], &mut message).unwrap();
                        waiting = Some(answered.0);
                        reply(Code::CHANGED, answered.1, &mut out)
                    }
                    Posted::Next(_, posted) => {
                        let sent = waiting.take().unwrap();
                        let received = sent.receive(&RustCrypto, posted, &[EAD_ACCESS_TOKEN]).unwrap();
                        seen.push(Seen::Handshake(received.eads().iter().next().unwrap().value.unwrap().to_vec()));
                        let verified = received.verify(&RustCrypto, &Credential::ccs(&phone).unwrap()).unwrap();
                        let keys = verified.finish().oscore(&RustCrypto).unwrap();
                        context = Some(edhoc::context(&keys).unwrap());
                        reply(Code::CHANGED, &[], &mut out)
                    }
                }
            };
            socket.send_to(&answer, from).unwrap();
        }
    });
    (address, seen)
}

/// A phone with the permission `old` of series `s1` for a lock that says this, and a server that answers that.
async fn stage(
    says: impl Fn(&[Seen]) -> Says + Send + 'static,
    answers: impl Fn(usize) -> Answer + Send + 'static,
) -> (tempfile::TempDir, App, FakeServer, Arc<Mutex<Vec<Seen>>>) {
    let key = SoftwareKey::generate().unwrap();
    let (x, y) = key.public();
    let (address, seen) = lock(ccs(&x, &y, &[1]), says);
    let turns = AtomicUsize::new(0);
    let server = FakeServer::start(move |_| answers(turns.fetch_add(1, Ordering::Relaxed))).await;
    let directory = tempfile::tempdir().unwrap();
    let (issuer, own) = (server.issuer.clone(), URL_SAFE_NO_PAD.encode(lock_key().1));
    let state = format!(
        r#"{{"issuer":{issuer:?},"refresh_token":"Zmlyc3Q","permissions":{{{FRONT:?}:{{"token":"b2xk","lock":{own:?},
            "series":"czE","combined":false,"message_4":false,"path":"/.well-known/edhoc","expires":99999999999}}}},
            "doors":[{{"name":"front","audience":{FRONT:?},"address":"{address}","as_uri":"{issuer}/token",
              "profile":"coap_edhoc_oscore","rs_cnf":{{"kccs":{own:?}}}}}]}}"#
    );
    std::fs::write(directory.path().join("tokens.json"), state).unwrap();
    let store = FileStore::new(directory.path().join("tokens.json"));
    let server_of_app = Server { issuer, client_id: "phone".to_owned(), certificate: None };
    let app = App::new(server_of_app, Arc::new(key), Arc::new(store)).unwrap();
    (directory, app, server, seen)
}

const CBOR: &str = "content-type: application/ace+cbor\r\n";

/// The answer of a server: of a series that begins, or of one that goes on.
fn granted(token: &[u8], begins: Option<&[u8]>) -> Answer {
    let mut response = TokenResponse::new(token);
    response.expires_in = Some(600);
    response.refresh_token = Some(b"successor");
    let own = lock_key().1;
    if let Some(series) = begins {
        response.rs_cnf = Some(Cnf::Kccs(&own));
        response.edhoc_info = Some(EdhocInfo { comb_req: Some(false), ..EdhocInfo::series(series) });
    }
    (200, CBOR, response.encode(&mut [0; 512]).unwrap().to_vec())
}

/// `invalid_request` (RFC 9200 §8.5).
fn unknown_series() -> Answer {
    (400, CBOR, b"\xa1\x18\x1e\x01".to_vec())
}

/// What the server was asked for: whether with a key, in which series, for whom.
fn asked(body: &[u8]) -> (bool, Option<Vec<u8>>, String) {
    let request = TokenRequest::decode(body).unwrap();
    let series = request.edhoc_info.map(|info| {
        assert_eq!(info, EdhocInfo::series(info.session_id.unwrap()), "nothing else");
        info.session_id.unwrap().to_vec()
    });
    (request.req_cnf.is_some(), series, request.audience.unwrap().to_owned())
}

const CHANGED: Says = Says::Protected(Code::CHANGED);

/// What is asked for while inside goes on with the series; it goes to the lock as it is, under the context that is there, before the next
/// request, and once. A lock that does not take it gets it in a new handshake.
/// R9200-5.10.1-02, EDHOC-3.1-07, EDHOC-3.1-08, EDHOC-3.1-09, EDHOC-4.6.1-01
#[tokio::test]
async fn a_newer_token_goes_into_the_session() {
    let new = Seen::Handshake(b"new".to_vec());
    for (what, says, then) in [
        ("taken", Says::Protected(Code::CREATED), vec![]),
        ("refused", Says::Protected(Code::UNAUTHORIZED), vec![new.clone()]),
        ("a success that is none", Says::Protected(Code::CHANGED), vec![new.clone()]),
        ("forgotten", Says::InTheOpen(Code::UNAUTHORIZED), vec![new.clone()]),
        ("broken", Says::Protected(Code::INTERNAL_SERVER_ERROR), vec![new.clone()]),
    ] {
        let says = move |seen: &[Seen]| if seen.last() == Some(&update(b"new")) { says } else { CHANGED };
        let (_directory, app, server, seen) = stage(says, |_| granted(b"new", None)).await;
        app.open("front").await.unwrap();
        app.fetch("front").await.unwrap();
        let opened = app.open("front").await.unwrap();
        app.open("front").await.unwrap();
        let before = [Seen::Handshake(b"old".to_vec()), open_door(), update(b"new")];
        let expected = [&before[..], &then, &[open_door(), open_door()]].concat();
        assert_eq!(*seen.lock().unwrap(), expected, "{what}");
        assert!(then.is_empty() != (opened.round_trips > 2), "{what}: {}", opened.round_trips);
        let bodies = server.bodies.lock().unwrap();
        assert_eq!(bodies.len(), 1, "{what}");
        assert_eq!(asked(&bodies[0]), (false, Some(b"s1".to_vec()), FRONT.to_owned()), "{what}");
    }
}

/// The lock says that the rights are too few; the server has more by now. Only a server that has no more is a refusal.
#[tokio::test]
async fn whoever_lacks_rights_inside_gets_more_and_stays_inside() {
    for code in [Code::METHOD_NOT_ALLOWED, Code::FORBIDDEN] {
        for (what, widens) in [("more", true), ("the same", false)] {
            let says = move |seen: &[Seen]| match seen.last() {
                Some(last) if *last == update(b"new") => Says::Protected(Code::CREATED),
                _ if widens && seen.contains(&update(b"new")) => CHANGED,
                _ => Says::Protected(code),
            };
            let (_directory, app, server, seen) = stage(says, |_| granted(b"new", None)).await;
            let opened = app.open("front").await;
            match opened {
                Ok(_) => assert!(widens, "{what}"),
                Err(Error::LockRefused { code: said }) => assert!(!widens && Code(said) == code, "{what}"),
                Err(error) => panic!("{what}: {error}"),
            }
            let inside = [Seen::Handshake(b"old".to_vec()), open_door(), Seen::Outside, update(b"new"), open_door()];
            assert_eq!(*seen.lock().unwrap(), inside, "{what}, after {code:?}");
            let bodies = server.bodies.lock().unwrap();
            assert_eq!(bodies.iter().map(|body| asked(body).1).collect::<Vec<_>>(), [Some(b"s1".to_vec())], "{what}");
        }
    }
}

/// A series that ended at the server: another begins, and a handshake with it.
#[tokio::test]
async fn a_series_that_ended_gives_way_to_another() {
    let answers = |turn| if turn == 0 { unknown_series() } else { granted(b"new", Some(b"s2")) };
    let (directory, app, server, seen) = stage(|_| CHANGED, answers).await;
    app.open("front").await.unwrap();
    app.fetch("front").await.unwrap();
    app.open("front").await.unwrap();
    let expected = [Seen::Handshake(b"old".to_vec()), open_door(), Seen::Handshake(b"new".to_vec()), open_door()];
    assert_eq!(*seen.lock().unwrap(), expected);
    let bodies: Vec<_> = server.bodies.lock().unwrap().iter().map(|body| asked(body)).collect();
    assert_eq!(bodies, [(false, Some(b"s1".to_vec()), FRONT.to_owned()), (true, None, FRONT.to_owned())]);
    let stored = std::fs::read_to_string(directory.path().join("tokens.json")).unwrap();
    assert!(stored.contains(&URL_SAFE_NO_PAD.encode("s2")), "{stored}");
}

/// Who is not inside asks with the key: an update is for a context that lives (§3.1).
#[tokio::test]
async fn outside_a_series_begins() {
    let (_directory, app, server, seen) = stage(|_| CHANGED, |_| granted(b"new", Some(b"s2"))).await;
    app.fetch("front").await.unwrap();
    app.open("front").await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [Seen::Handshake(b"new".to_vec()), open_door()]);
    assert_eq!(asked(&server.bodies.lock().unwrap()[0]), (true, None, FRONT.to_owned()));
}
