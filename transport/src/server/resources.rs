//! The resource tree, which is that of the `coap-server` crate.
//!
//! `coap-server` finds the handler for a path and runs it. It is fed through its own [`Transport`], with one packet for
//! each request that came out of our endpoint: whole, deduplicated, checked, decrypted. Its endpoint type, [`Caller`],
//! carries the request itself and takes the answer back, so that nothing is translated twice and no type of coap-lite
//! leaves this module.
//!
//! What `coap-server` 0.1.1 does besides is kept from happening: its block-wise transfer hands handlers single blocks (it
//! is switched off), its error path remembers every failed request for two minutes (the root resource answers unknown
//! paths, so that there is none), it matches prefixes (we compare what is left over), drops methods that it does not
//! know (we answer 4.05), and separates links with line feeds (we write `/.well-known/core`, RFC 6690).

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering as Atomic};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use async_trait::async_trait;
use coap_lite::{CoapOption, MessageType, Packet, RequestType};
use coap_server::app::{self, ResourceBuilder};
use coap_server::packet_handler::IntoHandler;
use coap_server::transport::{
    BoxedFramedBinding, FramedBinding, FramedItem, FramedReadError, FramedWriteError, Transport, TransportError,
};
use coap_server::{CoapServer, FatalServerError};
use futures_core::Stream;
use futures_sink::Sink;
use latchwork_coap::{Code, ContentFormat};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::{Handler, Peer, Request, Response};
use crate::oscore::BoxFuture;

/// Resources by path.
#[derive(Default)]
pub struct Resources {
    handlers: BTreeMap<String, Boxed>,
    links: Vec<String>,
}

type Boxed = Arc<dyn Fn(Request) -> BoxFuture<'static, Response> + Send + Sync>;

impl Resources {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves `path`, exactly: neither what is below it nor the same with a slash behind. `attributes` are those of its
    /// link in `/.well-known/core`, `rt="ace.ai"` say; None leaves it out there.
    pub fn resource(mut self, path: &str, attributes: Option<&str>, handler: impl Handler) -> Self {
        if let Some(attributes) = attributes {
            let separator = if attributes.is_empty() { "" } else { ";" };
            self.links.push(format!("<{path}>{separator}{attributes}"));
        }
        self.handlers.insert(path.to_owned(), boxed(handler));
        self
    }

    /// Starts the tree; it ends when it is dropped.
    pub async fn start(mut self) -> io::Result<Tree> {
        let links = self.links.join(",");
        let core = move |request: Request| {
            let links = links.clone();
            async move {
                match request.method {
                    Code::GET => Response::with(Code::CONTENT, ContentFormat::LINK_FORMAT, links),
                    _ => Response::new(Code::METHOD_NOT_ALLOWED),
                }
            }
        };
        self.handlers.entry(CORE.to_owned()).or_insert_with(|| boxed(core));
        self.handlers.entry("/".to_owned()).or_insert_with(|| boxed(not_found));
        let app = self.handlers.into_iter().map(|(path, handler)| resource(&path, handler)).collect();
        let app = app::new().not_discoverable().resources(app).into_handler(None);
        let (calls, feed) = mpsc::channel(QUEUE);
        let server = CoapServer::bind(Feed(feed)).await.map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Tree { calls, serving: tokio::spawn(server.serve(app)), next: AtomicU64::new(0) })
    }
}

fn boxed(handler: impl Handler) -> Boxed {
    let handler = Arc::new(handler);
    Arc::new(move |request| {
        let handler = handler.clone();
        Box::pin(async move { handler.handle(request).await })
    })
}

fn resource(path: &str, handler: Boxed) -> ResourceBuilder<Caller> {
    let serve = move |found: app::Request<Caller>| {
        let handler = handler.clone();
        async move {
            if let Some(Call { request, answer }) = found.original.source.as_ref().and_then(Caller::take) {
                let response = match found.unmatched_path.is_empty() {
                    true => handler(request).await,
                    false => Response::new(Code::NOT_FOUND),
                };
                let _ = answer.send(response); // whoever waited may be gone
            }
            Ok(found.new_response())
        }
    };
    app::resource(path).not_discoverable().disable_block_transfer().default_handler(serve)
}

async fn not_found(_: Request) -> Response {
    Response::new(Code::NOT_FOUND)
}

/// A running resource tree: a [`Handler`].
pub struct Tree {
    calls: mpsc::Sender<FramedItem<Caller>>,
    serving: JoinHandle<Result<(), FatalServerError>>,
    next: AtomicU64,
}

impl Handler for Tree {
    async fn handle(&self, request: Request) -> Response {
        let Some(method) = known(request.method) else { return Response::new(Code::METHOD_NOT_ALLOWED) };
        let mut packet = Packet::new();
        packet.header.set_type(MessageType::Confirmable);
        packet.header.code = coap_lite::MessageClass::Request(method);
        for segment in &request.path {
            packet.add_option(CoapOption::UriPath, segment.clone().into());
        }
        let (answer, answered) = oneshot::channel();
        let number = self.next.fetch_add(1, Atomic::Relaxed);
        let peer = request.peer.clone();
        let caller = Caller { number, peer, call: Arc::new(Mutex::new(Some(Call { request, answer }))) };
        if self.calls.send((packet, caller)).await.is_err() {
            return Response::new(Code::SERVICE_UNAVAILABLE);
        }
        answered.await.unwrap_or_else(|_| Response::new(Code::INTERNAL_SERVER_ERROR)) // the handler panicked
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn known(method: Code) -> Option<RequestType> {
    Some(match method {
        Code::GET => RequestType::Get,
        Code::POST => RequestType::Post,
        Code::PUT => RequestType::Put,
        Code::DELETE => RequestType::Delete,
        Code::FETCH => RequestType::Fetch,
        Code::PATCH => RequestType::Patch,
        Code::IPATCH => RequestType::IPatch,
        _ => return None,
    })
}

/// One request on its way through `coap-server`: who asks and with which proven identity, what, and where the answer
/// goes. Each is a different endpoint, because nothing may be remembered from one to the next.
#[derive(Clone)]
struct Caller {
    number: u64,
    peer: Peer,
    call: Arc<Mutex<Option<Call>>>,
}

struct Call {
    request: Request,
    answer: oneshot::Sender<Response>,
}

impl Caller {
    fn take(&self) -> Option<Call> {
        self.call.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.peer.fmt(f)
    }
}

impl PartialEq for Caller {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Caller {}

impl PartialOrd for Caller {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Caller {
    fn cmp(&self, other: &Self) -> Ordering {
        self.number.cmp(&other.number)
    }
}

impl Hash for Caller {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

/// Hands requests to `coap-server`. The packets that come back say nothing: answers take the way of [`Call`].
struct Feed(mpsc::Receiver<FramedItem<Caller>>);

#[async_trait]
impl Transport for Feed {
    type Endpoint = Caller;

    async fn bind(self) -> Result<BoxedFramedBinding<Caller>, TransportError> {
        Ok(Box::pin(self))
    }
}

impl FramedBinding<Caller> for Feed {
    fn mtu(&self) -> Option<u32> {
        None
    }
}

impl Stream for Feed {
    type Item = Result<FramedItem<Caller>, FramedReadError<Caller>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|item| item.map(Ok))
    }
}

impl Sink<FramedItem<Caller>> for Feed {
    type Error = FramedWriteError;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, _: FramedItem<Caller>) -> Result<(), Self::Error> {
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }
}

const CORE: &str = "/.well-known/core";
/// Requests between us and `coap-server`.
const QUEUE: usize = 64;
