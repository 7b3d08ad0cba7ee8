//! The clients' OSCORE contexts: records in the store, live ones in memory (RFC 8613 §3, Appendix B.1).
//!
//! A context that is not in memory is restored: its first request is answered by an Echo challenge, and its sender numbers begin
//! where the store says that none was used. So any may be dropped at any time, and a restart is no special case.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use latchwork_crypto::RustCrypto;
use latchwork_oscore::{BadMaterial, Context, Error, Id, Material};
use latchwork_transport::{BoxFuture, Identity, Request, Security};
use serde::Serialize;

use crate::core::bytes::hex;
use crate::core::bytes::{Blob, Hash32};
use crate::core::change::{Change, Key, Rev};
use crate::core::channel::ChannelIdentity;
use crate::core::edhoc::{self, Sessions};
use crate::core::jwk::PublicKey;
use crate::core::names::ClientId;
use crate::core::records::{OscoreClient, OscoreName, SenderNumbers};
use crate::core::request::Face;
use crate::keys::KeyError;
use crate::shell::Shell;
use crate::store::StoreError;
use crate::store::facts::Committed;

/// All of them.
pub(super) struct Contexts {
    shell: Arc<Shell>,
    live: Mutex<Generations>,
    complaints: Mutex<Complaints>,
    /// What came of EDHOC; never in the store, so a restart ends them.
    sessions: Mutex<Sessions<Arc<Security>>>,
}

/// A context in memory.
#[derive(Clone)]
struct Live {
    /// The revision of the record it came from.
    rev: Rev,
    security: Arc<Security>,
    /// How far its numbers are spoken for in the store; locked while more are.
    numbers: Arc<tokio::sync::Mutex<Reserved>>,
}

struct Reserved {
    key: Hash32,
    /// The revision of what we read or wrote; None: there was nothing.
    rev: Option<Rev>,
}

/// Why there is no context although there is a record.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error("{0:?}")]
    Material(BadMaterial),
}

impl Contexts {
    pub(super) fn new(shell: Arc<Shell>) -> Self {
        Self { shell, live: Mutex::default(), complaints: Mutex::default(), sessions: Mutex::default() }
    }

    /// The context of that name, live or restored. An applied change makes it another.
    async fn named(&self, kid: &[u8], id_context: Option<&[u8]>) -> Result<Option<Arc<Security>>, Unusable> {
        if kid.len() > Id::MAX_LEN {
            return Ok(None);
        }
        if id_context.is_none()
            && let Some(session) = self.sessions().find(kid, self.shell.now().0)
        {
            return Ok(Some(session));
        }
        let records = &self.shell.records;
        let name = Key::OscoreName((Blob(kid.to_vec()), id_context.map(|id| Blob(id.to_vec()))));
        let Some((OscoreName { client, .. }, _)) = records.find(&name).await? else { return Ok(None) };
        let Some((record, rev)) = records.find::<OscoreClient>(&Key::Oscore(client.clone())).await? else {
            return Ok(None);
        };
        if let Some(live) = self.live().find(&client, rev) {
            return Ok(Some(live.security));
        }
        let restored = self.restore(&record, rev).await?;
        Ok(Some(self.live().keep(client, restored).security))
    }

    async fn restore(&self, record: &OscoreClient, rev: Rev) -> Result<Live, Unusable> {
        let Shell { keys, records, .. } = &*self.shell;
        let label = record.label();
        let master_secret = keys.storage.open(&label, &record.master_secret.0.0)?;
        let salt = record.master_salt.as_ref().map(|salt| keys.storage.open(&label, &salt.0.0)).transpose()?;
        let material = Material {
            master_secret: &master_secret,
            master_salt: salt.as_ref().map_or(&[], |salt| salt.as_slice()),
            sender_id: &record.client_id.0,
            recipient_id: &record.server_id.0,
            id_context: record.id_context.as_ref().map(|id| id.0.as_slice()),
        };
        let key = sender_key(&material);
        let reserved = records.find::<SenderNumbers>(&Key::SenderNumbers(key)).await?;
        let below = reserved.as_ref().map_or(0, |(numbers, _)| numbers.below);
        let mut challenge = [0; 8];
        getrandom::fill(&mut challenge).map_err(|_| KeyError::Random)?;
        let context = Context::restore(&RustCrypto, &material, below, challenge).map_err(Unusable::Material)?;
        Ok(Live {
            rev,
            security: Security::new(record.client.as_str(), context),
            numbers: Arc::new(tokio::sync::Mutex::new(Reserved { key, rev: reserved.map(|(_, rev)| rev) })),
        })
    }

    /// Reserves a block of sender numbers: durable first, usable then. If somebody else reserved under the same key, this context
    /// goes; the next request restores one that starts behind.
    async fn reserve_block(&self, security: &Security) -> Result<(), StoreError> {
        let name = &*security.identity().name;
        let Some(live) = self.live().by_name(name).filter(|live| std::ptr::eq(&*live.security, security)) else {
            return Ok(());
        };
        let mut reserved = live.numbers.lock().await;
        let Some(below) = security.context().reservation(BLOCK) else { return Ok(()) };
        let numbers = SenderNumbers { key: reserved.key, below };
        let change = match reserved.rev {
            Some(rev) => Change::replace(numbers, rev),
            None => Change::create(numbers),
        };
        match self.shell.records.commit(&[change]).await? {
            Committed::Done(rev) => {
                reserved.rev = Some(Rev(rev.0));
                security.context().reserved(below);
            }
            Committed::Conflict(_) => {
                tracing::error!(client = name, "another context uses the same OSCORE key");
                self.live().forget(name);
            }
        }
        Ok(())
    }

    /// Who sent a request, by the context that verified it: no more than [`Security::new`] was told, here or by a handshake.
    pub(super) fn who(&self, request: &Request) -> Option<(ClientId, ChannelIdentity)> {
        let Identity { name, kid, .. } = request.peer.identity.as_ref()?;
        if let Some((client, key)) = edhoc::named(name) {
            let now = self.shell.now().0;
            // A notification is nothing that the client did, and an observation ends with the session that it was asked for in.
            if !request.notifies {
                self.sessions().used(kid, now);
            } else if self.sessions().find(kid, now).is_none() {
                return None;
            }
            return Some((client, ChannelIdentity::Edhoc { key }));
        }
        Some((name.parse().ok()?, ChannelIdentity::Oscore))
    }

    /// Whether requests may be called so by somebody.
    pub(super) async fn is_taken(&self, kid: &[u8]) -> Result<bool, StoreError> {
        if self.sessions().find(kid, self.shell.now().0).is_some() {
            return Ok(true);
        }
        let name = Key::OscoreName((Blob(kid.to_vec()), None));
        Ok(self.shell.records.find::<OscoreName>(&name).await?.is_some())
    }

    /// Keeps what came of a handshake of this client.
    pub(super) fn open(&self, client: ClientId, key: &PublicKey, context: Context) {
        let security = Security::new(&edhoc::name(&client, key), context);
        let kid = Arc::clone(&security.identity().kid);
        self.sessions().open(&kid, client, security, self.shell.now().0);
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions<Arc<Security>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there may be one more audit line about somebody who proved nothing.
    pub(super) fn may_complain(&self) -> bool {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).admit(self.shell.now().0)
    }

    fn live(&self) -> MutexGuard<'_, Generations> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl latchwork_transport::Contexts for Contexts {
    fn find<'a>(&'a self, kid: &'a [u8], kid_context: Option<&'a [u8]>) -> BoxFuture<'a, Option<Arc<Security>>> {
        Box::pin(async move {
            self.named(kid, kid_context).await.unwrap_or_else(|cause| {
                tracing::error!(%cause, kid = hex(kid), "an OSCORE context cannot be used");
                None
            })
        })
    }

    fn reserve<'a>(&'a self, security: &'a Security) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if let Err(cause) = self.reserve_block(security).await {
                tracing::error!(%cause, "no sender numbers reserved");
            }
        })
    }

    /// One audit line. The sender is whoever wrote the datagram, so nobody is made to wait for it.
    fn refused(&self, peer: SocketAddr, kid: Option<&[u8]>, error: &Error) {
        let now = self.shell.now().0;
        if self.may_complain() {
            self.shell.audit.record(&Unverified {
                at: now,
                face: Face::CborCoap,
                kid: kid.map(hex),
                from: peer.ip().to_string(),
                reason: error.to_string(),
            });
        }
    }
}

/// What our sender key and its nonces come from, hashed (RFC 8613 §3.2.1). Not keyed: no change of the server's own keys may
/// make it forget a number. The secret has at least 16 random bytes, so the hash tells nothing.
fn sender_key(material: &Material<'_>) -> Hash32 {
    let id_context = material.id_context.map_or(Vec::new(), |id| [&[1], id].concat());
    let parts = [material.master_secret, material.master_salt, material.sender_id, &id_context];
    let lengths = parts.map(|part| (part.len() as u64).to_be_bytes());
    let [a, b, c, d] = &lengths;
    let [secret, salt, id, context] = parts;
    Hash32::of(&[b"latchwork oscore sender key", a, secret, b, salt, c, id, d, context])
}

/// A map that forgets what was not used for a while once there is much: whatever is found in the old half moves to the young one,
/// and a full young half takes the place of the old one.
#[derive(Default)]
struct Generations {
    young: HashMap<Box<str>, Live>,
    old: HashMap<Box<str>, Live>,
}

impl Generations {
    /// The context of that client if it came from this revision.
    fn find(&mut self, client: &ClientId, rev: Rev) -> Option<Live> {
        self.by_name(client.as_str()).filter(|live| live.rev == rev)
    }

    /// Puts a context there, unless another request was faster with the same.
    fn keep(&mut self, client: ClientId, restored: Live) -> Live {
        if let Some(live) = self.find(&client, restored.rev) {
            return live;
        }
        self.put(client.as_str().into(), restored.clone());
        restored
    }

    fn by_name(&mut self, client: &str) -> Option<Live> {
        if let Some(live) = self.young.get(client) {
            return Some(live.clone());
        }
        let (name, live) = self.old.remove_entry(client)?;
        self.put(name, live.clone());
        Some(live)
    }

    fn put(&mut self, client: Box<str>, live: Live) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(&client);
        self.young.insert(client, live);
    }

    fn forget(&mut self, client: &str) {
        self.young.remove(client);
        self.old.remove(client);
    }
}

/// How many audit lines this second has already. Anybody can make one with a single datagram.
#[derive(Default)]
struct Complaints {
    second: i64,
    count: u32,
}

impl Complaints {
    fn admit(&mut self, now: i64) -> bool {
        if self.second != now {
            *self = Self { second: now, count: 0 };
        }
        self.count = self.count.saturating_add(1);
        self.count <= COMPLAINTS
    }
}

/// The audit line of a protected request that did not verify.
#[derive(Serialize)]
struct Unverified {
    at: i64,
    face: Face,
    /// What the request calls its sender; anybody can write this.
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    from: String,
    reason: String,
}

/// Sender numbers reserved at once. Only challenges take one.
const BLOCK: u32 = 256;
/// Live contexts are at most twice as many.
const GENERATION: usize = if cfg!(test) { 4 } else { 8192 };
/// Audit lines a second about requests that did not verify.
const COMPLAINTS: u32 = 20;
