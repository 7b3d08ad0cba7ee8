//! The HTTP face over a store in memory that can be put back to what it was.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use actix_web::body::to_bytes;
use actix_web::dev::Service as _;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{Method, Uri};
use actix_web::rt::System;
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, web};
use latchwork_authz_server::audit::Audit;
use latchwork_authz_server::config::{Config, Lifetimes};
use latchwork_authz_server::core::bytes::Hash32;
use latchwork_authz_server::core::cedar::Cedar;
use latchwork_authz_server::core::change::Change;
use latchwork_authz_server::core::records::AdminToken;
use latchwork_authz_server::core::time::Timestamp;
use latchwork_authz_server::keys::Keys;
use latchwork_authz_server::shell::http::{guard, routes};
use latchwork_authz_server::shell::throttle::{Rates, Throttle};
use latchwork_authz_server::shell::{Shell, tls};
use latchwork_authz_server::store::facts::Records;
use latchwork_authz_server::store::memory::Memory;
use latchwork_authz_server::store::{Batch, Key, Op, Outcome};

use crate::{ADMIN, ISSUER, NOW};

/// What came back.
pub struct Got {
    /// The HTTP status.
    pub status: u16,
    /// The content.
    pub body: Vec<u8>,
    /// Whether the answer forbids browsers to guess what it is.
    pub nosniff: bool,
}

type Contents = BTreeMap<Key, (Vec<u8>, Option<i64>)>;

/// A server with the building of `building.json`, and what its store held when it was new.
pub struct World {
    system: actix_web::rt::SystemRunner,
    shell: web::Data<Shell>,
    new: Contents,
}

impl World {
    /// Runs `look` with this thread's world.
    pub fn with(look: impl FnOnce(&mut Self)) {
        thread_local!(static WORLD: RefCell<World> = RefCell::new(World::new()));
        WORLD.with_borrow_mut(look);
    }

    fn new() -> Self {
        tls::install_provider();
        let shell = web::Data::new(Shell {
            issuer: ISSUER.to_owned(),
            mtls_url: None,
            records: Records::new(Arc::new(Memory::default())),
            keys: Keys::random().expect("entropy"),
            policy: Arc::new(Cedar::embedded().expect("our own policies")),
            providers: Vec::new(),
            // Without nonces, so that recorded proofs get further.
            lifetimes: Lifetimes {
                dpop_nonce: 0,
                ..Config::parse("", &BTreeMap::new(), Path::new(".")).expect("the defaults").lifetimes
            },
            devices: Default::default(),
            clock: || NOW,
            audit: Audit::open(Some(Path::new("/dev/null"))).expect("/dev/null"),
            throttle: Mutex::new(Throttle::new(Rates { per_address: 0, per_client: 0 })),
            trl: Default::default(),
        });
        let mut world = Self { system: System::new(), shell, new: Contents::new() };
        let token = AdminToken { hash: Hash32::of(&[ADMIN.as_bytes()]), expires: Timestamp(i64::MAX) };
        world.system.block_on(world.shell.records.commit(&[Change::put(token)])).expect("a store in memory");
        for (path, body) in [("apply", include_str!("building.json")), ("locks/front/enroll", "{}")] {
            let head =
                format!("POST /admin/api/v1/{path}\nauthorization: Bearer {ADMIN}\ncontent-type: application/json");
            let got = world.ask(format!("{head}\n\n{body}").as_bytes()).expect("a request");
            assert!(got.status < 300, "{path}: {}", String::from_utf8_lossy(&got.body));
        }
        world.new = world.contents();
        world
    }

    /// Sends a request written as text; none where `data` is no request that HTTP could carry.
    pub fn ask(&self, data: &[u8]) -> Option<Got> {
        let at = data.windows(2).position(|pair| pair == b"\n\n").unwrap_or(data.len());
        let (head, body) = data.split_at(at);
        let mut lines = std::str::from_utf8(head).ok()?.lines();
        let (method, target) = lines.next()?.split_once(' ')?;
        let mut request = TestRequest::default()
            .method(method.parse::<Method>().ok()?)
            .uri(Some(target).filter(|target| target.starts_with('/') && target.parse::<Uri>().is_ok())?)
            .peer_addr(([192, 0, 2, 7], 4711).into())
            .set_payload(body.get(2..).unwrap_or_default().to_vec());
        for line in lines {
            let (name, value) = line.split_once(": ")?;
            let name = name.parse::<HeaderName>().ok()?;
            request = request.append_header((name, HeaderValue::from_str(value).ok()?));
        }
        let shell = self.shell.clone();
        Some(self.system.block_on(async move {
            let app = App::new().wrap(guard::headers()).configure(|config| routes(config, shell, 16 << 10));
            let answer = init_service(app).await.call(request.to_request()).await.expect("an answer");
            let status = answer.status().as_u16();
            let nosniff = answer.headers().contains_key("x-content-type-options");
            let body = to_bytes(answer.into_body()).await.unwrap_or_default().to_vec();
            Got { status, body, nosniff }
        }))
    }

    /// Whether the store holds something else than when it was new.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.contents() != self.new
    }

    /// Puts the store back.
    pub fn restore(&self) {
        let now = self.contents();
        if now == self.new {
            return;
        }
        let keys: BTreeSet<_> = now.keys().chain(self.new.keys()).cloned().collect();
        let ops =
            keys.into_iter().filter(|key| now.get(key) != self.new.get(key)).map(|key| match self.new.get(&key) {
                Some((value, expires)) => Op::Put { key, value: value.clone(), expires: *expires },
                None => Op::Delete { key },
            });
        let batch = Batch { checks: Vec::new(), ops: ops.collect() };
        let outcome = self.system.block_on(self.shell.records.store().commit(batch)).expect("a store in memory");
        assert!(matches!(outcome, Outcome::Committed(_)));
    }

    fn contents(&self) -> Contents {
        let all = self.system.block_on(self.shell.records.store().scan(b"", None, usize::MAX));
        all.expect("a store in memory").into_iter().map(|(key, stored)| (key, (stored.value, stored.expires))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::World;

    /// A seed that no longer is a request, or is refused where it should pass, would leave the target at the door.
    #[test]
    fn the_seeds_are_requests() {
        let mut granted = 0;
        World::with(|world| {
            for seed in std::fs::read_dir("../seeds/server_http").expect("seeds") {
                let path = seed.expect("a seed").path();
                let got = world.ask(&std::fs::read(&path).expect("a seed"));
                let status = got.unwrap_or_else(|| panic!("{}: no request", path.display())).status;
                let known = !matches!(status, 404 | 405) || path.display().to_string().contains("unknown");
                assert!(known, "{}: {status}", path.display());
                granted += usize::from(path.display().to_string().contains("granted") && status == 200);
                world.restore();
                assert!(!world.changed());
            }
        });
        assert_eq!(granted, 2);
    }
}
