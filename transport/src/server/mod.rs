//! The server: one socket, one loop that never waits for anybody, one task for each request.

mod answer;
mod message;
pub mod resources;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use latchwork_coap::Token;
use latchwork_coap::endpoint::exchange::{Due, Exchange, Received};
use latchwork_coap::endpoint::request::{self, Download, Observer, Upload};
use tokio::net::{ToSocketAddrs, UdpSocket};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::heap::{Heap, MAX_REQUEST};
use crate::oscore::{Contexts, Identity};
use crate::{Exchanges, MAX_DATAGRAM, exchanges, is_harmless};
use answer::Observation;
pub use message::{Handler, Peer, Request, Response};

/// A CoAP server on one UDP socket.
pub struct Server {
    socket: UdpSocket,
    contexts: Option<Arc<dyn Contexts>>,
    notifier: Notifier,
}

impl Server {
    /// Binds the socket; port 0 takes a free one.
    pub async fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        let state = State {
            exchanges: exchanges(REMEMBERED, UNDER_WAY)?,
            bodies: request::Server::new(table(BODIES), table(BODIES), BLOCK_EXPONENT).with_uploads_up_to(MAX_REQUEST),
            observers: request::Observers::new(table(OBSERVERS)),
            notifying: 0,
            changes: 0,
        };
        let notifier = Notifier(Arc::new(Shared { state: Mutex::new(state), changed: Notify::new() }));
        Ok(Self { socket: UdpSocket::bind(addr).await?, contexts: None, notifier })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Accepts OSCORE under these contexts. Without, a protected request is answered 4.02.
    pub fn with_contexts(self, contexts: Arc<dyn Contexts>) -> Self {
        Self { contexts: Some(contexts), ..self }
    }

    /// Tells observers about changes.
    pub fn notifier(&self) -> Notifier {
        self.notifier.clone()
    }

    /// Serves until the future is dropped, which ends the handlers too; fails only with the socket.
    pub async fn serve(self, handler: impl Handler) -> io::Result<()> {
        let serving = Arc::new(Serving {
            socket: self.socket,
            contexts: self.contexts,
            shared: self.notifier.0,
            clock: Clock::start(),
            handler,
        });
        let mut tasks = JoinSet::new();
        let mut buf = vec![0; MAX_DATAGRAM];
        loop {
            let due = serving.shared.lock().exchanges.next_due();
            let until = due.map(|due| serving.clock.until(due));
            tokio::select! {
                received = serving.socket.recv_from(&mut buf) => match received {
                    Ok((length, peer)) => {
                        serving.receive(&mut tasks, peer, buf.get(..length).unwrap_or_default()).await;
                    }
                    Err(error) if is_harmless(&error) => {}
                    Err(error) => return Err(error),
                },
                () = tokio::time::sleep(until.unwrap_or_default()), if until.is_some() => serving.poll().await,
                // its answer may have brought a new time to wake up
                Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
                () = serving.shared.changed.notified() => {}
            }
            // What is done leaves its place to the next request: a round of notifications ends thousands at once.
            while tasks.try_join_next().is_some() {}
            serving.notify(&mut tasks);
        }
    }
}

/// Tells observers about changes. Cheap to clone.
#[derive(Clone)]
pub struct Notifier(Arc<Shared>);

impl Notifier {
    /// The resource at `path` has a new state: its handler runs once more for each observer.
    pub fn changed(&self, path: &str) {
        self.changed_for(path, |_| true);
    }

    /// What some peers see of the resource at `path` has a new state: its handler runs once more for these. They are known by the
    /// identity that they proved when they asked.
    pub fn changed_for(&self, path: &str, whom: impl Fn(Option<&Identity>) -> bool) {
        let mut state = self.0.lock();
        state.changes = state.changes.wrapping_add(1);
        state.observers.changed_for(path, |observation| whom(observation.peer.identity.as_ref()));
        drop(state);
        self.0.changed.notify_one();
    }

    /// How many observers there are, of all resources.
    pub fn observers(&self) -> usize {
        self.0.lock().observers.count()
    }
}

struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells blocks apart: the address, and the context that proved it.
type BlockPeer = (SocketAddr, Option<u64>);

type Bodies<P> = request::Server<P, Heap, Vec<Upload<P, Heap>>, Vec<Download<P, Heap>>>;
type Observers<P, X> = request::Observers<P, X, Heap, Vec<Observer<P, X, Heap>>>;

struct State {
    exchanges: Exchanges<SocketAddr>,
    bodies: Bodies<BlockPeer>,
    observers: Observers<SocketAddr, Arc<Observation>>,
    /// Notifications that are being made.
    notifying: usize,
    /// Counts what [`Notifier`] was told.
    changes: u64,
}

struct Serving<H> {
    socket: UdpSocket,
    contexts: Option<Arc<dyn Contexts>>,
    shared: Arc<Shared>,
    clock: Clock,
    handler: H,
}

/// A notification to make, taken out of the table.
struct Notification {
    peer: SocketAddr,
    token: Token,
    number: u32,
    request: Vec<u8>,
    observation: Arc<Observation>,
}

impl<H: Handler> Serving<H> {
    async fn receive(self: &Arc<Self>, tasks: &mut JoinSet<()>, peer: SocketAddr, datagram: &[u8]) {
        let reply = {
            let mut state = self.shared.lock();
            let State { exchanges, observers, .. } = &mut *state;
            match exchanges.receive(self.clock.now(), peer, datagram) {
                Received::Request(exchange, _) => {
                    self.start(tasks, exchanges, exchange, datagram);
                    None
                }
                Received::Reply(bytes) => Some(bytes.to_vec()),
                Received::Acknowledged(sent) => {
                    observers.acknowledged(sent);
                    None
                }
                Received::Reset(sent) => {
                    observers.lost(sent);
                    None
                }
                Received::Response { .. } | Received::Ignored(_) => None, // we ask nothing
            }
        };
        if let Some(bytes) = reply {
            self.send(peer, &bytes).await;
        }
    }

    fn start(
        self: &Arc<Self>,
        tasks: &mut JoinSet<()>,
        exchanges: &mut Exchanges<SocketAddr>,
        exchange: Exchange<SocketAddr>,
        datagram: &[u8],
    ) {
        if tasks.len() < CONCURRENT {
            let (serving, datagram) = (self.clone(), datagram.to_vec());
            tasks.spawn(async move { serving.answer(exchange, &datagram).await });
        } else {
            exchanges.abandon(exchange); // it will be sent again
        }
    }

    async fn poll(&self) {
        loop {
            let (peer, bytes) = {
                let mut state = self.shared.lock();
                let State { exchanges, observers, .. } = &mut *state;
                match exchanges.poll(self.clock.now()) {
                    Some(Due::Send(peer, bytes)) => (peer, bytes.to_vec()),
                    Some(Due::GaveUp(sent, _)) => {
                        observers.lost(sent);
                        continue;
                    }
                    None => return,
                }
            };
            self.send(peer, &bytes).await;
        }
    }

    fn notify(self: &Arc<Self>, tasks: &mut JoinSet<()>) {
        loop {
            let notification = {
                let mut state = self.shared.lock();
                let State { exchanges, observers, notifying, .. } = &mut *state;
                // The rest goes out when some of these were acknowledged.
                let room = || exchanges.room() > notifying.saturating_add(RESERVED);
                if observers.is_idle() || *notifying >= NOTIFYING || !room() {
                    return;
                }
                let Some(due) = observers.due() else { return };
                *notifying += 1;
                Notification {
                    peer: due.peer,
                    token: due.token,
                    number: due.number,
                    request: due.request.to_vec(),
                    observation: due.extra.clone(),
                }
            };
            let serving = self.clone();
            tasks.spawn(async move {
                serving.send_notification(notification).await;
                let mut state = serving.shared.lock();
                state.notifying = state.notifying.saturating_sub(1);
            });
        }
    }

    async fn send(&self, peer: SocketAddr, bytes: &[u8]) {
        if let Err(error) = self.socket.send_to(bytes, peer).await {
            tracing::debug!(%peer, %error, "datagram not sent"); // as good as lost on the way
        }
    }
}

fn table<T: Default>(size: usize) -> Vec<T> {
    std::iter::repeat_with(T::default).take(size).collect()
}

/// Requests whose answers are remembered for repetitions.
const REMEMBERED: usize = 4096;
/// Separate responses and notifications that wait for an acknowledgement.
const UNDER_WAY: usize = 1024;
/// Block-wise transfers at once, in either direction.
const BODIES: usize = 64;
/// Observers of all resources together; whoever comes after them is answered once (RFC 7641 §4.1).
const OBSERVERS: usize = 10_240;
/// Observations of one peer, so that none takes the place of others.
const OBSERVATIONS: usize = 16;
/// Notifications made at once.
const NOTIFYING: usize = 256;
/// Of [`UNDER_WAY`], what notifications leave to others.
const RESERVED: usize = 128;
/// Requests worked on at once.
const CONCURRENT: usize = 512;
/// Blocks of 1024 bytes: with OSCORE they still fit an Ethernet frame.
const BLOCK_EXPONENT: u8 = 6;
