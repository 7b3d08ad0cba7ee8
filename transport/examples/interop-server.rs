//! A server for other implementations to talk to: prints its address, then serves until it is killed.
//!
//! `/echo` gives back what it gets, `/large` gives 5000 bytes, `/runs` counts the runs of its handler, `/who` names who
//! proved to be asking, `/counter` can be observed and POST moves it on, `/slow` takes two seconds.
//! Under OSCORE it knows one client: master secret 00..0f, master salt `salt`, client `c`, server `s`.
#![allow(clippy::print_stdout, missing_docs)]

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use latchwork_coap::{Code, ContentFormat};
use latchwork_crypto::RustCrypto;
use latchwork_oscore::{Context, Material};
use latchwork_transport::{BoxFuture, Contexts, Request, Resources, Response, Security, Server};

struct One(Arc<Security>);

impl Contexts for One {
    fn find<'a>(&'a self, kid: &'a [u8], _: Option<&'a [u8]>) -> BoxFuture<'a, Option<Arc<Security>>> {
        Box::pin(async move { (*self.0.identity().kid == *kid).then(|| self.0.clone()) })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let secret: Vec<u8> = (0..16).collect();
    let material = Material {
        master_secret: &secret,
        master_salt: b"salt",
        sender_id: b"s",
        recipient_id: b"c",
        id_context: None,
    };
    let context = Context::derive(&RustCrypto, &material).map_err(|_| "bad material")?;
    let server = Server::bind("127.0.0.1:0").await?.with_contexts(Arc::new(One(Security::new("client", context))));
    let notifier = server.notifier();
    let (runs, counter) = (AtomicU32::new(0), Arc::new(AtomicU32::new(0)));
    let tree = Resources::new()
        .resource("/echo", Some(""), async |request: Request| Response {
            content_format: request.content_format,
            ..Response::with(Code::CHANGED, ContentFormat::TEXT, request.payload)
        })
        .resource("/large", Some(""), async |_: Request| {
            let payload: Vec<u8> = (b'a'..=b'z').cycle().take(5000).collect();
            Response::with(Code::CONTENT, ContentFormat::TEXT, payload)
        })
        .resource("/runs", Some(""), move |_: Request| {
            let runs = runs.fetch_add(1, Relaxed) + 1;
            async move { text(Code::CHANGED, runs.to_string()) }
        })
        .resource("/who", Some(""), async |request: Request| {
            text(Code::CONTENT, request.peer.identity.map_or("nobody".into(), |identity| identity.name.to_string()))
        })
        .resource("/slow", Some(""), async |_: Request| {
            tokio::time::sleep(Duration::from_secs(2)).await;
            text(Code::CONTENT, "slow".into())
        })
        .resource("/counter", Some("obs"), move |request: Request| {
            let step = u32::from(request.method == Code::POST);
            let count = counter.fetch_add(step, Relaxed) + step;
            if step > 0 {
                notifier.changed("/counter");
            }
            async move { text(Code::CONTENT, count.to_string()).observable() }
        })
        .start()
        .await?;
    println!("listening on coap://{}", server.local_addr()?);
    std::io::stdout().flush()?;
    server.serve(tree).await?;
    Ok(())
}

fn text(code: Code, payload: String) -> Response {
    Response::with(code, ContentFormat::TEXT, payload)
}
