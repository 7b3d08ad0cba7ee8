//! Where the server's security contexts come from.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use latchwork_oscore::{Context, Error};

/// A future on the heap.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The application's security contexts. The server asks for one per protected request; who holds it, how long it lives
/// and where its sender numbers are written down is the application's business.
pub trait Contexts: Send + Sync + 'static {
    /// The context that a request names (RFC 8613 §8.2, step 2). Whoever sent it has proved nothing yet.
    fn find<'a>(&'a self, kid: &'a [u8], kid_context: Option<&'a [u8]>) -> BoxFuture<'a, Option<Arc<Security>>>;

    /// Called before a message takes a sender number: a notification, or the challenge after a restart. A context that
    /// outlives a restart has to reserve some durably (RFC 8613 B.1.1). The default does nothing.
    fn reserve<'a>(&'a self, security: &'a Security) -> BoxFuture<'a, ()> {
        let _ = security;
        Box::pin(async {})
    }

    /// Told of every protected request that did not verify, for the record. Address and `kid` are what the sender wrote.
    /// The default does nothing.
    fn refused(&self, peer: SocketAddr, kid: Option<&[u8]>, error: &Error) {
        let _ = (peer, kid, error);
    }
}

/// A context and whose it is, shared between the application and the requests under way.
pub struct Security {
    identity: Identity,
    serial: u64,
    context: Mutex<Context>,
}

impl Security {
    /// `name` is the application's own for the peer.
    pub fn new(name: &str, context: Context) -> Arc<Self> {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let identity = Identity {
            name: name.into(),
            kid: context.recipient_id().as_bytes().into(),
            id_context: context.id_context().map(|id| id.as_bytes().into()),
        };
        Arc::new(Self { identity, serial: SERIAL.fetch_add(1, Ordering::Relaxed), context: Mutex::new(context) })
    }

    /// Whose it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The context. Do not hold it across an `await`.
    pub fn context(&self) -> MutexGuard<'_, Context> {
        self.context.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Differs between any two contexts of this process, even under the same identifiers.
    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.identity.fmt(f)
    }
}

/// Whom a verified request came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The application's name for the peer, from [`Security::new`].
    pub name: Arc<str>,
    /// The peer's sender identifier.
    pub kid: Arc<[u8]>,
    /// The context's identifier.
    pub id_context: Option<Arc<[u8]>>,
}
