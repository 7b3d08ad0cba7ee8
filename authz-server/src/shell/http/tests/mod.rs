//! The HTTP face over a memory store, with a provider that can lie.

mod admin;
mod authorize;
mod cors;
mod device;
mod disk;
mod doors;
mod exchange;
mod guards;
mod introspect;
mod keys;
mod malformed;
mod meta;
mod mtls;
mod nonce;
mod openapi;
mod par;
mod parallel;
mod provider;
mod register;
mod revoke;
mod token;

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use actix_web::body::to_bytes;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use actix_web::test::TestRequest;
use actix_web::{App, test, web};
use serde_json::{Value, json};

use super::{Listeners, Times, guard, routes};
use crate::audit::Audit;
use crate::clock;
use crate::config::Config;
use crate::core::bytes::Hash32;
use crate::core::cedar::Cedar;
use crate::core::change::Change;
use crate::core::records::{AdminToken, Client, Registered};
use crate::core::time::Timestamp;
use crate::keys::Keys;
use crate::shell::oidc::Provider;
use crate::shell::throttle::{Rates, Throttle};
use crate::shell::{Shell, tls};
use crate::store::facts::Records;
use crate::store::memory::Memory;

pub(super) const ISSUER: &str = "https://as.example";
pub(super) const ADMIN: &str = "an administrator's token";
pub(super) const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A server, its audit log, and a way to ask it.
pub(super) struct World {
    pub(super) shell: web::Data<Shell>,
    audit: tempfile::NamedTempFile,
}

/// What came back.
pub(super) struct Got {
    pub(super) status: StatusCode,
    pub(super) headers: actix_web::http::header::HeaderMap,
    pub(super) body: Vec<u8>,
}

impl World {
    /// With these providers, and the building of [`building`].
    pub(super) async fn new(providers: Vec<Provider>) -> Self {
        let world = Self::empty(providers, Rates { per_address: 0, per_client: 0 }).await;
        let issuer = world.shell.providers.first().map_or("https://idp.example", |p| p.issuer());
        let got = world.ask(admin("apply", &building(issuer))).await;
        assert_eq!(got.status, 200, "{}", got.text());
        for lock in ["front", "vault", "side"] {
            let got = world.ask(admin(&format!("locks/{lock}/enroll"), &json!({}))).await;
            assert_eq!(got.status, 201, "{}", got.text());
        }
        world
    }

    /// With nothing but limits.
    pub(super) async fn with_rates(rates: Rates) -> Self {
        Self::empty(Vec::new(), rates).await
    }

    /// With nothing but a clock of the test's, and an administrator for ever.
    pub(super) async fn at(clock: fn() -> Timestamp) -> Self {
        Self::made(Vec::new(), Rates { per_address: 0, per_client: 0 }, clock).await
    }

    async fn empty(providers: Vec<Provider>, rates: Rates) -> Self {
        Self::made(providers, rates, clock::now).await
    }

    async fn made(providers: Vec<Provider>, rates: Rates, clock: fn() -> Timestamp) -> Self {
        tls::install_provider();
        let audit = tempfile::NamedTempFile::new().unwrap();
        let mut lifetimes = Config::parse("", &Default::default(), std::path::Path::new(".")).unwrap().lifetimes;
        // Tests that are about nonces ask for them.
        lifetimes.dpop_nonce = 0;
        let shell = web::Data::new(Shell {
            issuer: ISSUER.to_owned(),
            mtls_url: None,
            records: Records::new(Arc::new(Memory::default())),
            keys: Keys::random().unwrap(),
            policy: Arc::new(Cedar::embedded().unwrap()),
            providers,
            lifetimes,
            clock,
            audit: Audit::open(Some(audit.path())).unwrap(),
            throttle: Mutex::new(Throttle::new(rates)),
            devices: Default::default(),
            trl: Default::default(),
        });
        let token = AdminToken { hash: Hash32::of(&[ADMIN.as_bytes()]), expires: Timestamp(i64::MAX) };
        shell.records.commit(&[Change::put(token)]).await.unwrap();
        Self { shell, audit }
    }

    pub(super) async fn ask(&self, request: TestRequest) -> Got {
        let shell = self.shell.clone();
        let app = App::new()
            .wrap(from_fn(super::cors::cors))
            .wrap(guard::headers())
            .configure(|config| routes(config, shell, 16 << 10));
        let app = test::init_service(app).await;
        let request = request.peer_addr("192.0.2.7:4711".parse().unwrap()).to_request();
        let answer: ServiceResponse<_> = app.call(request).await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = to_bytes(answer.into_body()).await.ok().unwrap().to_vec();
        Got { status, headers, body }
    }

    /// The last line of the audit log.
    pub(super) fn last_entry(&self) -> Value {
        let text = std::fs::read_to_string(self.audit.path()).unwrap();
        serde_json::from_str(text.lines().last().unwrap()).unwrap()
    }

    /// The whole audit log.
    pub(super) fn entries(&self) -> String {
        std::fs::read_to_string(self.audit.path()).unwrap()
    }
}

impl Got {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(super) fn location(&self) -> &str {
        self.header("location").unwrap_or_else(|| panic!("{}: no redirect: {}", self.status, self.text()))
    }

    /// The cookies set, as a browser would send them back; those it is told to forget are gone.
    pub(super) fn cookies(&self) -> Vec<(String, String)> {
        let parse = |value: &actix_web::http::header::HeaderValue| {
            let text = value.to_str().unwrap();
            assert!(text.starts_with("__Host-"), "{text}");
            for part in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
                assert!(text.contains(part), "{part} in {text}");
            }
            assert!(!text.contains("Domain"), "{text}");
            let (name, value) = text.split(';').next().unwrap().split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        };
        self.headers.get_all("set-cookie").map(parse).collect()
    }
}

/// A free port of this machine, to be served in the clear.
pub(super) fn plain(workers: usize, times: Times) -> (SocketAddr, Listeners) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let address = socket.local_addr().unwrap();
    let plain = Some(socket);
    (address, Listeners { https: None, mtls: None, plain, workers, body: 16 << 10, connections: 100, times })
}

/// A request of the administrator.
pub(super) fn admin(path: &str, body: &Value) -> TestRequest {
    TestRequest::post()
        .uri(&format!("/admin/api/v1/{path}"))
        .insert_header(("authorization", format!("Bearer {ADMIN}")))
        .set_json(body)
}

/// Makes a declared client one that registered itself; gives what it was.
pub(super) async fn as_if_it_registered_itself(world: &World, id: &str) -> Client {
    let key = crate::core::change::Key::Client(id.parse().unwrap());
    let (declared, _) = world.shell.records.find::<Client>(&key).await.unwrap().unwrap();
    let own = Hash32::of(&[b"its token"]);
    let registered = Some(Registered { token: own, at: Timestamp(1), admitted: true, post: false });
    world.shell.records.commit(&[Change::put(Client { registered, ..declared.clone() })]).await.unwrap();
    declared
}

/// A form from a page.
pub(super) fn form(uri: &str, pairs: &[(&str, &str)]) -> TestRequest {
    TestRequest::post()
        .uri(uri)
        .insert_header(("content-type", "application/x-www-form-urlencoded"))
        .set_payload(encoded(pairs))
}

pub(super) fn encoded(pairs: &[(&str, &str)]) -> String {
    openidconnect::url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// A parameter of a URL's query.
pub(super) fn parameter(url: &str, name: &str) -> Option<String> {
    let url = openidconnect::url::Url::parse(url).unwrap();
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

/// A robot, an app, a web service; an office door and a server room, both owned by olga.
fn building(issuer: &str) -> Value {
    let olga = json!({ "issuer": issuer, "subject": "olga" });
    let oscar = json!({ "issuer": issuer, "subject": "oscar" });
    json!({
        "client": [
            { "id": "robot", "kind": "confidential", "secret": SECRET, "attributes": { "role": "cleaning" } },
            { "id": "app", "title": "Door app", "kind": "native", "redirect_uris": ["http://127.0.0.1/cb", "com.example.app:/cb"] },
            { "id": "web", "title": "Web", "kind": "confidential", "secret": SECRET, "redirect_uris": ["https://web.example/cb"] },
        ],
        "lock": [
            { "name": "front", "address": "127.0.0.1:5683" },
            { "name": "side", "address": "127.0.0.1:5684" },
            { "name": "vault", "address": "127.0.0.1:5685" },
        ],
        "door": [
            { "name": "front", "title": "Front door", "lock": "front", "zone": "office", "owners": [olga] },
            { "name": "side", "title": "Side door", "lock": "side", "zone": "office", "owners": [oscar] },
            { "name": "vault", "title": "Server room", "lock": "vault", "zone": "server-room", "owners": [olga] },
        ],
    })
}
