//! The CoAP face over real sockets, with a memory store.

mod contexts;
mod edhoc;
mod introspect;
mod malformed;
mod token;
mod trl;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use latchwork_ace::registry::GrantType;
use latchwork_ace::{ErrorResponse, Scope, TokenRequest, TokenResponse};
use latchwork_coap::{Code, ContentFormat, Kind, Message, OptionNumber, Token, Writer};
use latchwork_crypto::RustCrypto;
use latchwork_oscore::{Context, Material, SentRequest};
use latchwork_transport::CoapClient;
use latchwork_transport::client::Response;
use serde_json::{Value, json};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use super::Coap;
use crate::audit::Audit;
use crate::config::Config;
use crate::core::bytes::unhex;
use crate::core::cedar::Cedar;
use crate::core::change::{Change, Key};
use crate::core::names::LockName;
use crate::core::records::{Lock, TokenRecord};
use crate::core::time::Timestamp;
use crate::keys::Keys;
use crate::shell::declaration::{Declaration, rekey};
use crate::shell::http::admin::existing;
use crate::shell::throttle::{Rates, Throttle};
use crate::shell::{Shell, tls};
use crate::store::facts::Records;
use crate::store::memory::Memory;

const FRONT: &str = "urn:latchwork:lock:front";
const SECRET: &str = "000102030405060708090a0b0c0d0e0f";
const OTHER: &str = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";
/// Bytes of a body.
const BODY: usize = 2048;

/// What outlives a restart.
struct World {
    shell: Arc<Shell>,
    audit: tempfile::NamedTempFile,
}

/// A running server.
struct Life {
    addr: SocketAddr,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Drop for Life {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl World {
    /// With the robot, kid 0a, and the doors front and vault.
    async fn new() -> Self {
        Self::with(Rates { per_address: 0, per_client: 0 }).await
    }

    async fn with(rates: Rates) -> Self {
        tls::install_provider();
        let audit = tempfile::NamedTempFile::new().unwrap();
        let shell = Shell {
            issuer: "https://as.example".to_owned(),
            mtls_url: None,
            records: Records::new(Arc::new(Memory::default())),
            keys: Keys::random().unwrap(),
            policy: Arc::new(Cedar::embedded().unwrap()),
            providers: Vec::new(),
            lifetimes: Config::parse("", &Default::default(), std::path::Path::new(".")).unwrap().lifetimes,
            clock: || Timestamp(1_800_000_000),
            audit: Audit::open(Some(audit.path())).unwrap(),
            throttle: Mutex::new(Throttle::new(rates)),
            devices: Default::default(),
            trl: Default::default(),
        };
        let world = Self { shell: Arc::new(shell), audit };
        world
            .declare(json!({
                "client": [robot("robot")],
                "oscore": [context("robot", "0a", SECRET)],
                "lock": [{ "name": "front" }, { "name": "vault" }],
                "door": [
                    { "name": "front", "lock": "front", "zone": "office" },
                    { "name": "vault", "lock": "vault", "zone": "server-room" },
                ],
            }))
            .await;
        for name in ["front", "vault"] {
            let name: LockName = name.parse().unwrap();
            let (mut lock, _) = world.shell.records.find::<Lock>(&Key::Lock(name)).await.unwrap().unwrap();
            rekey(&mut lock, &world.shell.keys).unwrap();
            world.shell.records.commit(&[Change::put(lock)]).await.unwrap();
        }
        world
    }

    async fn declare(&self, declaration: Value) {
        self.try_declare(declaration).await.unwrap();
    }

    async fn try_declare(&self, declaration: Value) -> Result<(), String> {
        let existing = existing(&self.shell).await.unwrap();
        let declaration: Declaration = serde_json::from_value(declaration).unwrap();
        let compared = declaration.compare(&existing, &self.shell.keys);
        let (changes, _) = compared.map_err(|cause| cause.to_string())?;
        self.shell.records.commit(&changes).await.unwrap();
        Ok(())
    }

    /// Starts a server, or starts it again.
    async fn start(&self) -> Life {
        let coap = Coap::bind(Arc::clone(&self.shell), ([127, 0, 0, 1], 0).into(), BODY).await.unwrap();
        Life { addr: coap.address().unwrap(), serving: tokio::spawn(coap.serve()) }
    }

    fn entries(&self) -> String {
        std::fs::read_to_string(self.audit.path()).unwrap()
    }

    fn last_entry(&self) -> Value {
        serde_json::from_str(self.entries().lines().last().unwrap()).unwrap()
    }

    /// As if enough time had passed.
    fn forget_guesses(&self) {
        *self.shell.throttle.lock().unwrap() = Throttle::new(Rates { per_address: 0, per_client: 0 });
    }

    async fn tokens(&self) -> usize {
        self.shell.records.all::<TokenRecord>().await.unwrap().len()
    }
}

impl Life {
    async fn client(&self, context: Option<Context>) -> CoapClient {
        let mut client = CoapClient::connect(self.addr).await.unwrap();
        client.set_context(context);
        client
    }
}

fn robot(id: &str) -> Value {
    json!({ "id": id, "kind": "confidential", "oscore": true, "attributes": { "role": "cleaning" } })
}

fn context(client: &str, kid: &str, secret: &str) -> Value {
    json!({ "client": client, "client_sender_id": kid, "server_sender_id": "0b", "master_secret": secret })
}

/// The client's side of [`context`].
fn clients(kid: &str, secret: &str) -> Context {
    clients_in(kid, secret, None)
}

fn clients_in(kid: &str, secret: &str, id_context: Option<&[u8]>) -> Context {
    let (kid, secret) = (unhex(kid).unwrap(), unhex(secret).unwrap());
    let material =
        Material { master_secret: &secret, master_salt: &[], sender_id: &kid, recipient_id: &[0x0b], id_context };
    Context::derive(&RustCrypto, &material).unwrap()
}

/// A request for the front door.
fn asked() -> Vec<u8> {
    asked_with(|_| {})
}

fn asked_with(change: impl FnOnce(&mut TokenRequest<'static>)) -> Vec<u8> {
    let mut request = TokenRequest {
        grant_type: Some(GrantType::CLIENT_CREDENTIALS),
        audience: Some(FRONT),
        scope: Some(Scope::Text("door:open")),
        ..TokenRequest::default()
    };
    change(&mut request);
    let mut buffer = [0; 512];
    request.encode(&mut buffer).unwrap().to_vec()
}

async fn post(client: &mut CoapClient, payload: &[u8]) -> Response {
    client.request(Code::POST, "/token", Some(ContentFormat::ACE_CBOR), None, payload).await.unwrap()
}

/// What is sent, how, and what comes of it: a code, and the number of the error where there is one.
type Row = (&'static str, Code, Option<ContentFormat>, Option<ContentFormat>, Vec<u8>, Code, Option<i64>);

/// What is no question in CBOR at any endpoint; `good` would be one.
fn misfits(good: &[u8]) -> Vec<Row> {
    let ace = Some(ContentFormat::ACE_CBOR);
    let (json, cbor, good) = (Some(ContentFormat::JSON), Some(ContentFormat::CBOR), || good.to_vec());
    vec![
        ("JSON", Code::POST, json, None, b"{}".to_vec(), Code::UNSUPPORTED_CONTENT_FORMAT, None),
        ("plain CBOR", Code::POST, cbor, None, good(), Code::UNSUPPORTED_CONTENT_FORMAT, None),
        ("no format", Code::POST, None, None, good(), Code::UNSUPPORTED_CONTENT_FORMAT, None),
        ("JSON wanted", Code::POST, ace, json, good(), Code::NOT_ACCEPTABLE, None),
        ("GET", Code::GET, None, None, vec![], Code::METHOD_NOT_ALLOWED, None),
        ("nothing", Code::POST, ace, None, vec![], Code::BAD_REQUEST, Some(1)),
        ("no map", Code::POST, ace, None, vec![0x80], Code::BAD_REQUEST, Some(1)),
    ]
}

fn error(payload: &[u8]) -> i64 {
    ErrorResponse::decode(payload).unwrap().error.0
}

fn is_token(response: &Response) -> bool {
    response.code == Code::CREATED && response.protected && TokenResponse::decode(&response.payload).is_ok()
}

/// A protected `POST /token` as a datagram, with further options before and after the path.
fn datagram(context: &mut Context, id: u16, more: &[(u16, &[u8])], payload: &[u8]) -> (Vec<u8>, SentRequest) {
    let (mut plain, mut out) = ([0; 512], [0; 640]);
    let mut options = vec![(11, &b"token"[..]), (12, &[19][..])];
    options.extend(more);
    options.sort_by_key(|(number, _)| *number);
    let mut writer = Writer::new(&mut plain, Kind::Con, Code::POST, id, Token::new(&id.to_be_bytes()).unwrap());
    for (number, value) in options {
        writer.option(OptionNumber(number), value).unwrap();
    }
    writer.payload(payload).unwrap();
    let message = Message::parse(writer.finish().unwrap()).unwrap();
    let (datagram, sent) = context.protect_request(&RustCrypto, &message, &mut out).unwrap();
    (datagram.to_vec(), sent)
}

/// Sends a datagram from a socket and returns what comes back.
async fn exchange(socket: &UdpSocket, to: SocketAddr, datagram: &[u8]) -> Vec<u8> {
    let mut buf = [0; 2048];
    socket.send_to(datagram, to).await.unwrap();
    let length = socket.recv(&mut buf).await.unwrap();
    buf[..length].to_vec()
}

async fn socket() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.unwrap()
}
