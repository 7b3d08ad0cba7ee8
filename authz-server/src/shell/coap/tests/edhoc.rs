//! EDHOC with the server: the initiator is `latchwork-edhoc`'s.

use latchwork_ace::introspection::{IntrospectionRequest, IntrospectionResponse};
use latchwork_ace::{Cnf, CoseKey};
use latchwork_crypto::{P256Private, P256Public};
use latchwork_edhoc::initiator::{self, Key as Proof, Offer};
use latchwork_edhoc::{ConnectionId, Credential, ErrorMessage, IdCred, Identity, Method, correlation};
use latchwork_transport::edhoc::{System, context};

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::core::edhoc::{PER_SECOND, WAITING, ccs};
use crate::core::names::ClientId;
use crate::core::revoke::Target;
use crate::shell::revoke::By;
use crate::store::{self, Batch, Outcome, Store, StoreError, Stored};

const PATH: &str = "/.well-known/edhoc";
const BOTH: [Method; 2] = [Method::SignatureStaticDh, Method::StaticDhStaticDh];

/// A client's key, and the credential that it shows.
struct Robot {
    key: P256Private,
    ccs: Vec<u8>,
}

impl Robot {
    fn new(id: &str) -> Self {
        let key = P256Private::generate(&mut System).unwrap();
        let P256Public { x, y } = key.public().unwrap();
        Self { key, ccs: ccs(id.as_bytes(), &x, &y).unwrap().0 }
    }

    fn declared(&self, id: &str) -> Value {
        json!({ "id": id, "kind": "confidential", "edhoc": hex(&self.ccs), "attributes": { "role": "cleaning" } })
    }

    /// The credential as a kid, or by value.
    fn identity<'i>(&'i self, by_value: bool, key: Proof<'i>) -> Identity<'i, Proof<'i>> {
        let mut identity = Identity::ccs(&self.ccs, key).unwrap();
        if by_value {
            identity.id_cred = IdCred::Kccs(&self.ccs);
        }
        identity
    }
}

fn hex(bytes: &[u8]) -> String {
    crate::core::bytes::hex(bytes)
}

async fn send(client: &mut CoapClient, c_r: Option<&ConnectionId>, message: &[u8]) -> Response {
    let mut payload = vec![0; 16];
    let length = correlation::prefix(c_r, &mut payload).unwrap();
    payload.truncate(length);
    payload.extend_from_slice(message);
    client.request(Code::POST, PATH, Some(ContentFormat::CID_EDHOC_CBOR_SEQ), None, &payload).await.unwrap()
}

/// Where a handshake is after message_2: what to send, and the context that it would give.
struct Third {
    c_r: ConnectionId,
    message: Vec<u8>,
    context: Context,
}

/// As far as message_3.
async fn begin(world: &World, client: &mut CoapClient, robot: &Robot, method: Method, by_value: bool) -> Third {
    let c_i = ConnectionId::new(&[0x2a]).unwrap();
    let offer = Offer { method, prefer: &[], c_i, eads: &[] };
    let mut buffer = vec![0; 1024];
    let (sent, message_1) = initiator::start(&RustCrypto, &mut System, &offer, &mut buffer).unwrap();
    let mut got = send(client, None, message_1).await;
    assert_eq!((got.code, got.protected), (Code::CHANGED, false), "{got:?}");
    assert_eq!(got.content_format(), Some(ContentFormat::EDHOC_CBOR_SEQ));
    let received = sent.receive(&RustCrypto, &mut got.payload, &[]).unwrap();
    let server = world.shell.keys.edhoc.as_ref().unwrap().ccs();
    let credential = Credential::ccs(server).unwrap();
    assert!(credential.is_meant_by(received.id_cred()));
    let verified = received.verify(&RustCrypto, &credential).unwrap();
    let c_r = verified.c_r();
    let key = match method {
        Method::SignatureStaticDh => Proof::Sign(&robot.key),
        Method::StaticDhStaticDh => Proof::Agree(&robot.key),
    };
    let identity = robot.identity(by_value, key);
    let (sent, message) = verified.answer(&RustCrypto, &identity, &[], &mut buffer).unwrap();
    let keys = sent.session().oscore(&RustCrypto).unwrap();
    Third { c_r, message: message.to_vec(), context: context(&keys).unwrap() }
}

/// A whole handshake, after which the client speaks OSCORE.
async fn shake(world: &World, life: &Life, robot: &Robot, method: Method, by_value: bool) -> CoapClient {
    let mut client = life.client(None).await;
    let third = begin(world, &mut client, robot, method, by_value).await;
    let got = send(&mut client, Some(&third.c_r), &third.message).await;
    assert_eq!((got.code, got.payload.len()), (Code::CHANGED, 0), "{}", world.entries());
    client.set_context(Some(third.context));
    client
}

/// The robot of EDHOC, and a lock that takes tokens for keys.
async fn house(robot: &Robot) -> World {
    let world = World::new().await;
    world
        .declare(json!({
            "client": [robot.declared("cleaner")],
        }))
        .await;
    let name: LockName = "front".parse().unwrap();
    let (mut lock, _) = world.shell.records.find::<Lock>(&Key::Lock(name)).await.unwrap().unwrap();
    let Ok(P256Public { x, y }) = P256Private::generate(&mut System).unwrap().public() else { panic!() };
    lock.credential = ccs(&[1], &x, &y);
    world.shell.records.commit(&[Change::put(lock)]).await.unwrap();
    world
}

fn asked_for(key: &P256Public) -> Vec<u8> {
    let mut request = TokenRequest {
        grant_type: Some(GrantType::CLIENT_CREDENTIALS),
        audience: Some(FRONT),
        scope: Some(Scope::Text("door:open")),
        ..TokenRequest::default()
    };
    request.req_cnf = Some(Cnf::CoseKey(CoseKey::p256(&key.x, &key.y)));
    let mut buffer = [0; 512];
    request.encode(&mut buffer).unwrap().to_vec()
}

/// EDHOC-3.1-03
/// By both methods, named and by value: a token by client_credentials, and one for the very key that was proved.
#[tokio::test]
async fn a_robot_gets_tokens_by_its_own_key() {
    let robot = Robot::new("cleaner");
    let world = house(&robot).await;
    let life = world.start().await;
    for method in BOTH {
        for by_value in [false, true] {
            let mut client = shake(&world, &life, &robot, method, by_value).await;
            let entry = world.last_entry();
            assert_eq!((&entry["handshake"], &entry["client"]), (&json!("authenticated"), &json!("cleaner")));
            assert!(is_token(&post(&mut client, &asked()).await), "{method:?}: {}", world.entries());
            assert_eq!(client.traffic().round_trips, 3, "no challenge: the context is new to both");

            let own = robot.key.public().unwrap();
            let got = post(&mut client, &asked_for(&own)).await;
            assert!(is_token(&got), "{method:?}: {}", world.entries());
            let token = TokenResponse::decode(&got.payload).unwrap();
            assert!(token.cnf.is_none(), "the client knows its own key");
            let needle = [&own.x[..]].concat();
            assert!(token.access_token.windows(32).any(|part| part == needle), "{method:?}: it is bound to that key");

            let other = P256Private::generate(&mut System).unwrap().public().unwrap();
            let got = post(&mut client, &asked_for(&other)).await;
            assert!(!is_token(&got), "a key that nobody proved");

            // It is no resource server, and sees its own part of the list.
            let got = client.request(Code::GET, "/trl", None, None, b"").await.unwrap();
            assert_eq!((got.code, got.protected), (Code::CONTENT, true));
            let ace = Some(ContentFormat::ACE_CBOR);
            let got = client.request(Code::POST, "/introspect", ace, None, &[0xa1, 0x0b, 0x41, 0]).await.unwrap();
            assert_eq!((got.code, got.protected), (Code::FORBIDDEN, true), "{}", world.entries());
        }
    }
}

/// R9528-5.4.3-01
/// What ends a handshake: an EDHOC error that says nothing of credentials, a line in the audit log, no session.
#[tokio::test]
async fn handshakes_that_lead_nowhere() {
    let (robot, stranger) = (Robot::new("cleaner"), Robot::new("stranger"));
    let (thief, registered_otherwise) = (Robot::new("cleaner"), Robot::new("robot"));
    let world = house(&robot).await;
    let life = world.start().await;
    // Whose key, under whose credential.
    let pretender = Robot { key: thief.key.clone(), ccs: robot.ccs.clone() };
    for (what, who, by_value, reason) in [
        ("nobody's name", &stranger, false, "no client has this credential"),
        ("nobody's credential", &stranger, true, "no client has this credential"),
        ("another key by its value", &thief, true, "no client has this credential"),
        ("another key under the name", &thief, false, ""),
        ("the credential without its key", &pretender, true, ""),
        ("a client of another way", &registered_otherwise, false, "no client has this credential"),
    ] {
        for method in BOTH {
            let mut client = life.client(None).await;
            let third = begin(&world, &mut client, who, method, by_value).await;
            let got = send(&mut client, Some(&third.c_r), &third.message).await;
            assert_eq!(got.code, Code::BAD_REQUEST, "{what}");
            assert!(matches!(ErrorMessage::parse(&got.payload), Ok(ErrorMessage::Unspecified(_))), "{what}: {got:?}");
            let entry = world.last_entry();
            assert_eq!(entry["handshake"], "refused", "{what}");
            assert!(entry["reason"].as_str().is_some_and(|real| real.contains(reason)), "{what}: {entry}");
            // Each of these is a line of the audit log, too, and a second has twenty.
            if method == BOTH[0] {
                client.set_context(Some(third.context));
                let got = post(&mut client, &asked()).await;
                assert_eq!((got.code, got.protected), (Code::UNAUTHORIZED, false), "{what}: there is no session");
            }
        }
        // The clock of the world stands still.
        world.forget_guesses();
    }
    assert_eq!(world.tokens().await, 0);
}

/// R9528-3.3.3-01, R9528-5.4.3-01
/// message_3 twice, changed, of a forgotten or an unknown handshake; and what a session is worth after its client changed.
#[tokio::test]
async fn message_3_counts_once() {
    let robot = Robot::new("cleaner");
    let world = house(&robot).await;
    let life = world.start().await;
    let mut client = life.client(None).await;
    let third = begin(&world, &mut client, &robot, BOTH[0], false).await;
    let mut changed = third.message.clone();
    *changed.last_mut().unwrap() ^= 1;
    let nowhere = ConnectionId::new(&[7; 7]).unwrap();
    for (what, c_r, message, code) in [
        ("an unknown handshake", &nowhere, &third.message, Code::BAD_REQUEST),
        ("a changed bit", &third.c_r, &changed, Code::BAD_REQUEST),
        ("the right one, too late", &third.c_r, &third.message, Code::BAD_REQUEST),
    ] {
        assert_eq!(send(&mut client, Some(c_r), message).await.code, code, "{what}");
    }
    let third = begin(&world, &mut client, &robot, BOTH[1], false).await;
    assert_eq!(send(&mut client, Some(&third.c_r), &third.message).await.code, Code::CHANGED);
    let again = send(&mut client, Some(&third.c_r), &third.message).await;
    assert_eq!(again.code, Code::BAD_REQUEST, "a replay");
    client.set_context(Some(third.context));
    assert!(is_token(&post(&mut client, &asked()).await), "the session is none the worse");

    // Another handshake of the same client takes its place.
    let mut newer = shake(&world, &life, &robot, BOTH[0], false).await;
    let got = post(&mut client, &asked()).await;
    assert_eq!((got.code, got.protected), (Code::UNAUTHORIZED, false));
    assert!(is_token(&post(&mut newer, &asked()).await));

    // The key is replaced: what was proved is nothing any more.
    world.declare(json!({ "client": [Robot::new("cleaner").declared("cleaner")] })).await;
    let got = post(&mut newer, &asked()).await;
    assert_eq!((got.code, error(&got.payload)), (Code::UNAUTHORIZED, 2), "{}", world.last_entry());

    // A restart forgets all of them.
    world.declare(json!({ "client": [robot.declared("cleaner")] })).await;
    assert!(is_token(&post(&mut newer, &asked()).await));
    drop(life);
    let life = world.start().await;
    let mut client = life.client(newer.set_context(None)).await;
    let got = post(&mut client, &asked()).await;
    assert_eq!((got.code, got.protected), (Code::UNAUTHORIZED, false));
}

/// R9528-3.8-01, R9528-5.2.3-01
/// Payloads that are no message_1, methods and formats that are not ours.
#[tokio::test]
async fn first_messages_that_are_refused() {
    let world = house(&Robot::new("cleaner")).await;
    let life = world.start().await;
    let mut client = life.client(None).await;
    let point = format!("5820{}", "00".repeat(31) + "05");
    let off = format!("5820{}", "ff".repeat(32));
    let cid = Some(ContentFormat::CID_EDHOC_CBOR_SEQ);
    for (what, method, format, payload, code) in [
        ("nothing", Code::POST, cid, "", Code::BAD_REQUEST),
        ("true alone", Code::POST, cid, "f5", Code::BAD_REQUEST),
        ("method 0", Code::POST, cid, &format!("f50002{point}2a"), Code::BAD_REQUEST),
        ("method 2", Code::POST, cid, &format!("f50202{point}2a"), Code::BAD_REQUEST),
        ("suite 0", Code::POST, cid, &format!("f50100{point}2a"), Code::BAD_REQUEST),
        ("off the curve", Code::POST, cid, &format!("f50102{off}2a"), Code::BAD_REQUEST),
        ("a critical item", Code::POST, cid, &format!("f50102{point}2a28"), Code::BAD_REQUEST),
        ("too long", Code::POST, cid, &format!("f50102{point}2a{}", "00".repeat(1100)), Code::REQUEST_ENTITY_TOO_LARGE),
        ("an error message", Code::POST, cid, "47070707070707070160", Code::CHANGED),
        ("JSON", Code::POST, Some(ContentFormat::JSON), "f5", Code::UNSUPPORTED_CONTENT_FORMAT),
        ("GET", Code::GET, None, "", Code::METHOD_NOT_ALLOWED),
    ] {
        let got = client.request(method, PATH, format, None, &unhex(payload).unwrap()).await.unwrap();
        assert_eq!((got.code, got.protected), (code, false), "{what}");
        if code == Code::BAD_REQUEST {
            assert!(ErrorMessage::parse(&got.payload).is_ok(), "{what}: {got:?}");
        }
    }
}

/// A store that cannot be read: our fault, and no session
#[tokio::test]
async fn a_store_that_fails() {
    let robot = Robot::new("cleaner");
    let mut world = house(&robot).await;
    let failing = Arc::new(AtomicBool::new(false));
    let shell = Arc::get_mut(&mut world.shell).unwrap();
    let whole = std::mem::replace(&mut shell.records, Records::new(Arc::new(Memory::default())));
    shell.records = Records::new(Arc::new(Failing(whole, Arc::clone(&failing))));
    let life = world.start().await;
    let mut client = life.client(None).await;
    let third = begin(&world, &mut client, &robot, BOTH[0], false).await;
    failing.store(true, Ordering::SeqCst);
    let got = send(&mut client, Some(&third.c_r), &third.message).await;
    assert_eq!((got.code, got.protected), (Code::INTERNAL_SERVER_ERROR, false));
    assert_eq!(ErrorMessage::parse(&got.payload), Ok(ErrorMessage::Unspecified("")), "and nothing of where");
    failing.store(false, Ordering::SeqCst);
    client.set_context(Some(third.context));
    let got = post(&mut client, &asked()).await;
    assert_eq!((got.code, got.protected), (Code::UNAUTHORIZED, false));
    assert!(is_token(&post(&mut shake(&world, &life, &robot, BOTH[0], false).await, &asked()).await));
}

/// Reads from another store while it is well.
struct Failing(Records, Arc<AtomicBool>);

#[async_trait::async_trait]
impl Store for Failing {
    async fn get(&self, key: &store::Key) -> Result<Option<Stored>, StoreError> {
        match self.1.load(Ordering::SeqCst) {
            true => Err(StoreError::Io { dir: "/srv/secret-place".into(), cause: "input/output error".into() }),
            false => self.0.store().get(key).await,
        }
    }

    async fn scan(
        &self,
        prefix: &[u8],
        after: Option<&store::Key>,
        limit: usize,
    ) -> Result<Vec<(store::Key, Stored)>, StoreError> {
        self.0.store().scan(prefix, after, limit).await
    }

    async fn commit(&self, batch: Batch) -> Result<Outcome, StoreError> {
        self.0.store().commit(batch).await
    }
}

/// A lock with a key of its own asks and watches; what it watches ends with its session, and with its key.
#[tokio::test]
async fn a_lock_asks_and_watches() {
    let (robot, rs) = (Robot::new("cleaner"), Robot::new("rs"));
    let world = house(&robot).await;
    let declared =
        |key: &Robot| json!({ "id": "rs", "kind": "resource_server", "locks": ["front"], "edhoc": hex(&key.ccs) });
    world.declare(json!({ "client": [declared(&rs)] })).await;
    let life = world.start().await;

    let mut asking = shake(&world, &life, &robot, BOTH[0], false).await;
    let wanted = asked_with(|request| request.req_cnf = Some(Cnf::Kccs(robot.ccs.clone().leak())));
    let got = post(&mut asking, &wanted).await;
    assert!(is_token(&got), "{}", world.entries());
    let token = TokenResponse::decode(&got.payload).unwrap();
    assert!(token.access_token.windows(robot.ccs.len()).any(|part| part == robot.ccs), "its credential, as it is");
    let foreign = asked_with(|request| request.req_cnf = Some(Cnf::Kccs(rs.ccs.clone().leak())));
    assert!(!is_token(&post(&mut asking, &foreign).await), "somebody else's credential");

    let mut lock = shake(&world, &life, &rs, BOTH[1], false).await;
    let mut room = vec![0; token.access_token.len() + 64];
    let question = IntrospectionRequest::new(token.access_token).encode(&mut room).unwrap();
    let ace = Some(ContentFormat::ACE_CBOR);
    let got = lock.request(Code::POST, "/introspect", ace, None, question).await.unwrap();
    assert_eq!((got.code, got.protected), (Code::CREATED, true), "{}", world.entries());
    assert!(IntrospectionResponse::decode(&got.payload).unwrap().active);

    let revoke = async || {
        let [hash] = super::trl::tokens(&world, "front", 1).await[..] else { panic!() };
        world.shell.revoke_for(By::Administrator, Target::Token(hash), Vec::new()).await.unwrap().unwrap();
    };
    let (first, watching) = lock.observe("/trl", None).await.unwrap();
    assert_eq!((first.code, first.protected), (Code::CONTENT, true));
    let mut watching = watching.unwrap();
    revoke().await;
    assert_eq!(watching.next().await.unwrap().code, Code::CONTENT);
    // Another session of the same lock takes the place of this one.
    let mut newer = shake(&world, &life, &rs, BOTH[1], false).await;
    let (_, second) = newer.observe("/trl", None).await.unwrap();
    let mut second = second.unwrap();
    world
        .shell
        .revoke_for(By::Administrator, Target::Lock("front".parse().unwrap()), Vec::new())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(second.next().await.unwrap().code, Code::CONTENT);
    let ended = watching.next().await.unwrap();
    assert_eq!((ended.code, ended.payload.len(), watching.is_alive()), (Code::UNAUTHORIZED, 0, false));
    // The key is replaced.
    world.declare(json!({ "client": [declared(&Robot::new("rs"))] })).await;
    let [late] = super::trl::tokens(&world, "front", 2).await[..1] else { panic!() };
    world.shell.revoke_for(By::Administrator, Target::Token(late), Vec::new()).await.unwrap().unwrap();
    let ended = second.next().await.unwrap();
    assert_eq!((ended.code, second.is_alive()), (Code::UNAUTHORIZED, false));
}

/// Handshakes cost: no more than so many a second, and whoever begins too many pushes out its own.
#[tokio::test]
async fn a_flood_of_handshakes() {
    let robot = Robot::new("cleaner");
    let world = house(&robot).await;
    let life = world.start().await;
    let mut client = life.client(None).await;
    let first = begin(&world, &mut client, &robot, BOTH[0], false).await;
    for _ in 1..PER_SECOND {
        begin(&world, &mut client, &robot, BOTH[0], false).await;
    }
    assert!(usize::try_from(PER_SECOND).unwrap() > WAITING);
    let offer = Offer { method: BOTH[0], prefer: &[], c_i: ConnectionId::new(&[1]).unwrap(), eads: &[] };
    let mut buffer = [0; 128];
    let (_, message_1) = initiator::start(&RustCrypto, &mut System, &offer, &mut buffer).unwrap();
    let got = send(&mut client, None, message_1).await;
    assert_eq!((got.code, got.option(OptionNumber::MAX_AGE)), (Code::TOO_MANY_REQUESTS, Some(&[1][..])));
    let got = send(&mut client, Some(&first.c_r), &first.message).await;
    assert_eq!(got.code, Code::BAD_REQUEST, "pushed out");
    let mut honest = life.client(Some(clients("0a", SECRET))).await;
    assert!(is_token(&post(&mut honest, &asked()).await), "who has a context does not notice");
}

/// Keys that are none are refused when they are declared, and ways that exclude each other.
#[tokio::test]
async fn declarations() {
    let robot = Robot::new("cleaner");
    let world = World::new().await;
    let id: ClientId = "cleaner".parse().unwrap();
    let jwk = json!(crate::core::edhoc::key(&robot.ccs).unwrap());
    let mut off = jwk.clone();
    off["y"] = off["x"].clone();
    for (what, client, good) in [
        ("a CCS", robot.declared("cleaner"), true),
        ("a JWK", json!({ "id": id, "kind": "confidential", "edhoc": jwk }), true),
        ("a JWK off the curve", json!({ "id": id, "kind": "confidential", "edhoc": off }), false),
        ("another's CCS", robot.declared("other"), false),
        ("a native app", json!({ "id": id, "kind": "native", "edhoc": jwk }), false),
        ("two ways", json!({ "id": id, "kind": "confidential", "edhoc": jwk, "secret": "0".repeat(32) }), false),
    ] {
        let tried = world.try_declare(json!({ "client": [client] })).await;
        assert_eq!(tried.is_ok(), good, "{what}: {tried:?}");
    }
}
