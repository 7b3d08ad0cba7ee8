//! A server with a few resources, and contexts for both ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use latchwork_coap::{Code, ContentFormat};
use latchwork_crypto::RustCrypto;
use latchwork_oscore::{Context, Material};
use latchwork_transport::{BoxFuture, Contexts, Notifier, Request, Resources, Response, Security, Server};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

pub struct House {
    pub addr: SocketAddr,
    pub notifier: Notifier,
    pub runs: Arc<AtomicU32>,
    pub gate: Arc<Semaphore>,
    counter: Arc<AtomicU32>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl House {
    pub fn count(&self) {
        self.counter.fetch_add(1, Relaxed);
        self.notifier.changed("/counter");
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub async fn house() -> House {
    house_with(None).await
}

pub async fn house_with(contexts: Option<Arc<dyn Contexts>>) -> House {
    let (runs, counter) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let gate = Arc::new(Semaphore::new(0));
    let (ran, counted, opened) = (runs.clone(), counter.clone(), gate.clone());
    let tree = Resources::new()
        .resource("/echo", Some("rt=\"echo\""), async |request: Request| Response {
            content_format: request.content_format,
            ..Response::with(Code::CHANGED, ContentFormat::TEXT, request.payload)
        })
        .resource("/who", None, async |request: Request| {
            text(Code::CONTENT, request.peer.identity.map_or("nobody".into(), |identity| identity.name.to_string()))
        })
        .resource("/runs", None, move |_: Request| {
            let runs = ran.fetch_add(1, Relaxed) + 1;
            async move { text(Code::CHANGED, runs.to_string()) }
        })
        .resource("/slow", None, move |_: Request| {
            let gate = opened.clone();
            async move {
                gate.acquire().await.unwrap().forget();
                text(Code::CONTENT, "slow".into())
            }
        })
        .resource("/panic", None, async |_: Request| panic!("as the test wants"))
        .resource("/counter", Some("obs"), move |_: Request| {
            let count = counted.load(Relaxed);
            async move { text(Code::CONTENT, count.to_string()).observable() }
        })
        .start()
        .await
        .unwrap();
    let mut server = Server::bind("127.0.0.1:0").await.unwrap();
    if let Some(contexts) = contexts {
        server = server.with_contexts(contexts);
    }
    let (addr, notifier) = (server.local_addr().unwrap(), server.notifier());
    House { addr, notifier, runs, gate, counter, serving: tokio::spawn(server.serve(tree)) }
}

/// One peer, named phone.
pub struct Peers(Arc<Security>);

impl Peers {
    pub fn known(context: Context) -> Arc<dyn Contexts> {
        Arc::new(Self(Security::new("phone", context)))
    }
}

impl Contexts for Peers {
    fn find<'a>(&'a self, kid: &'a [u8], _: Option<&'a [u8]>) -> BoxFuture<'a, Option<Arc<Security>>> {
        Box::pin(async move { (*self.0.identity().kid == *kid).then(|| self.0.clone()) })
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

/// The server's and the client's.
pub fn contexts() -> (Context, Context) {
    derived(b"secret", b"s", b"c")
}

pub fn derived(secret: &[u8], server: &[u8], client: &[u8]) -> (Context, Context) {
    let ours = material(secret, server, client);
    let theirs = material(secret, client, server);
    (Context::derive(&RustCrypto, &ours).unwrap(), Context::derive(&RustCrypto, &theirs).unwrap())
}

/// The same, the server's after a restart.
pub fn restored() -> (Context, Context) {
    let ours = material(b"secret", b"s", b"c");
    (Context::restore(&RustCrypto, &ours, 0, *b"8 random").unwrap(), contexts().1)
}

fn material<'m>(master_secret: &'m [u8], sender_id: &'m [u8], recipient_id: &'m [u8]) -> Material<'m> {
    Material { master_secret, master_salt: b"salt", sender_id, recipient_id, id_context: None }
}

fn text(code: Code, payload: String) -> Response {
    Response::with(code, ContentFormat::TEXT, payload)
}
