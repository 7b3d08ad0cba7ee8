//! `POST /.well-known/edhoc` (RFC 9528 Appendix A.2): a client with a registered key gets an OSCORE context for the other resources.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use latchwork_coap::{Code, ContentFormat, OptionNumber, shortest};
use latchwork_crypto::{Agree, CryptoError, P256Private, Random as _, RustCrypto};
use latchwork_edhoc::correlation::Posted;
use latchwork_edhoc::responder::{ReceivedMessage1, SentMessage2};
use latchwork_edhoc::{ConnectionId, Error, ErrorMessage, Identity};
use latchwork_transport::edhoc::{System, context};
use latchwork_transport::{Handler, Request, Response};
use serde::Serialize;

use super::contexts::Contexts;
use crate::core::change::Key;
use crate::core::edhoc::{self, Handshakes, METHODS};
use crate::core::names::ClientId;
use crate::core::records::Client;
use crate::core::request::Face;
use crate::keys::EdhocKey;
use crate::shell::Shell;
use crate::shell::throttle::{Party, Wait};
use crate::store::StoreError;

/// Its path.
pub(super) const PATH: &str = "/.well-known/edhoc";

/// The resource.
pub(super) struct Edhoc {
    shell: Arc<Shell>,
    contexts: Arc<Contexts>,
    waiting: Mutex<Waiting>,
}

type Waiting = Handshakes<SentMessage2<P256Private>, Party>;

/// Why a handshake does not begin, or ends.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("no handshake has this name")]
    Unknown,
    #[error("{0}")]
    Edhoc(Error),
    #[error("no client has this credential")]
    UnknownCredential,
    #[error("too many handshakes")]
    TooMany(u64),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self::Edhoc(error)
    }
}

impl From<CryptoError> for Ended {
    fn from(error: CryptoError) -> Self {
        Self::Edhoc(Error::Crypto(error))
    }
}

impl From<Wait> for Ended {
    fn from(Wait(seconds): Wait) -> Self {
        Self::TooMany(seconds)
    }
}

impl Edhoc {
    pub(super) fn new(shell: Arc<Shell>, contexts: Arc<Contexts>) -> Self {
        Self { shell, contexts, waiting: Mutex::default() }
    }

    /// Answers message_1. The peer may be anybody.
    async fn first(&self, key: &EdhocKey, message_1: &[u8], from: IpAddr) -> Result<Vec<u8>, Ended> {
        self.shell.admit(Some(from), None)?;
        // No item of external authorization data has a meaning here.
        let received = ReceivedMessage1::parse(message_1, METHODS, &[])?;
        let now = self.shell.now().0;
        if !self.waiting().has_time(now) {
            return Err(Ended::TooMany(1));
        }
        let c_r = self.free_id(received.c_i()).await?;
        let own = Identity::ccs(key.ccs(), key.private() as &dyn Agree).map_err(|_| Error::WrongKey)?;
        let mut room = [0; 256];
        let (sent, message_2) = received.answer(&RustCrypto, &mut System, &own, c_r, &[], &mut room)?;
        self.waiting().put(c_r, Party::from(from), sent, now);
        Ok(message_2.to_vec())
    }

    /// From message_3 to a context. Before the proof nothing is kept, and the handshake is over however it ends.
    async fn third(
        &self,
        c_r: &ConnectionId,
        message_3: &mut [u8],
        from: IpAddr,
    ) -> Result<ClientId, (Option<ClientId>, Ended)> {
        let nobody = |ended: Error| (None, Ended::from(ended));
        let sent = self.waiting().take(c_r, self.shell.now().0).ok_or((None, Ended::Unknown))?;
        let received = sent.receive(&RustCrypto, message_3, &[]).map_err(nobody)?;
        let id = edhoc::claimed(received.id_cred()).ok_or((None, Ended::UnknownCredential))?;
        let named = |ended: Ended| (Some(id.clone()), ended);
        self.shell.admit(Some(from), Some(id.as_str())).map_err(|wait| named(wait.into()))?;
        let record = self.shell.records.find::<Client>(&Key::Client(id.clone())).await;
        let record = record.map_err(|cause| named(cause.into()))?.map(|(client, _)| client);
        let Some((credential, key)) = record.as_ref().and_then(|client| {
            let credential = edhoc::expected(client, received.id_cred())?;
            Some((credential, edhoc::key(credential.cred)?))
        }) else {
            self.shell.authenticated(Some(from), Some(id.as_str()), false);
            return Err(named(Ended::UnknownCredential));
        };
        let verified = received.verify(&RustCrypto, &credential).map_err(|error| {
            self.shell.authenticated(Some(from), Some(id.as_str()), false);
            named(error.into())
        })?;
        let keys = verified.finish().oscore(&RustCrypto).map_err(|error| named(error.into()))?;
        let context = context(&keys).map_err(|_| named(CryptoError::Backend.into()))?;
        self.contexts.open(id.clone(), &key, context);
        Ok(id)
    }

    /// A name that neither the peer nor any session, handshake or context of ours has (RFC 9528 §3.3.3).
    async fn free_id(&self, c_i: ConnectionId) -> Result<ConnectionId, Ended> {
        for _ in 0..ATTEMPTS {
            let mut id = [0; ConnectionId::MAX_LEN];
            System.fill(&mut id)?;
            let Some(c_r) = ConnectionId::new(&id) else { continue };
            if c_r != c_i && !self.waiting().has(&c_r) && !self.contexts.is_taken(&id).await? {
                return Ok(c_r);
            }
        }
        Err(CryptoError::Backend.into())
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An EDHOC error message, never protected (RFC 9528 §6). Of a credential it says nothing: whether a client is registered is
    /// nobody's business.
    fn refused(&self, client: Option<ClientId>, from: IpAddr, ended: &Ended) -> Response {
        if let Ended::Store(cause) = ended {
            tracing::error!(%cause, "the store failed");
        }
        if self.contexts.may_complain() {
            self.record(client, from, Some(ended.to_string()));
        }
        let (code, message) = match ended {
            Ended::TooMany(seconds) => {
                let seconds = u32::try_from(*seconds).unwrap_or(u32::MAX).to_be_bytes();
                return Response::new(Code::TOO_MANY_REQUESTS).option(OptionNumber::MAX_AGE, shortest(&seconds));
            }
            Ended::Store(_) => (Code::INTERNAL_SERVER_ERROR, ErrorMessage::Unspecified("")),
            Ended::Edhoc(error) if error.is_ours() => (Code::INTERNAL_SERVER_ERROR, error.answer()),
            Ended::Edhoc(error) => (Code::BAD_REQUEST, error.answer()),
            Ended::Unknown | Ended::UnknownCredential => (Code::BAD_REQUEST, ErrorMessage::Unspecified("")),
        };
        let mut room = [0; 64];
        let payload = message.write(&mut room).unwrap_or_default().to_vec();
        Response::with(code, ContentFormat::EDHOC_CBOR_SEQ, payload)
    }

    fn record(&self, client: Option<ClientId>, from: IpAddr, reason: Option<String>) {
        let outcome = if reason.is_none() { "authenticated" } else { "refused" };
        let (at, from) = (self.shell.now().0, from.to_string());
        self.shell.audit.record(&Handshake { at, face: Face::CborCoap, handshake: outcome, client, from, reason });
    }
}

impl Handler for Edhoc {
    async fn handle(&self, mut request: Request) -> Response {
        let Some(key) = &self.shell.keys.edhoc else { return Response::new(Code::NOT_FOUND) };
        if request.method != Code::POST {
            return Response::new(Code::METHOD_NOT_ALLOWED);
        }
        if request.content_format.is_some_and(|format| format != ContentFormat::CID_EDHOC_CBOR_SEQ) {
            return Response::new(Code::UNSUPPORTED_CONTENT_FORMAT);
        }
        if request.payload.len() > MAX_MESSAGE {
            return Response::new(Code::REQUEST_ENTITY_TOO_LARGE);
        }
        let from = request.peer.addr.ip();
        match Posted::parse(&mut request.payload) {
            Ok(Posted::First(message_1)) => match self.first(key, message_1, from).await {
                Ok(message_2) => Response::with(Code::CHANGED, ContentFormat::EDHOC_CBOR_SEQ, message_2),
                Err(ended) => self.refused(None, from, &ended),
            },
            // Anybody can send this, so it ends nothing; and an error is not answered by another (RFC 9528 §6).
            Ok(Posted::Next(_, message)) if ErrorMessage::parse(message).is_ok() => Response::new(Code::CHANGED),
            Ok(Posted::Next(c_r, message_3)) => match self.third(&c_r, message_3, from).await {
                Ok(client) => {
                    self.record(Some(client), from, None);
                    Response::new(Code::CHANGED)
                }
                Err((client, ended)) => self.refused(client, from, &ended),
            },
            Err(error) => self.refused(None, from, &error.into()),
        }
    }
}

/// The audit line of a handshake that ended.
#[derive(Serialize)]
struct Handshake {
    at: i64,
    face: Face,
    handshake: &'static str,
    /// Whom the peer names; proved only if it was authenticated.
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<ClientId>,
    from: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Bytes of a message: a credential by value and a signature.
const MAX_MESSAGE: usize = 1024;
/// With 2^56 identifiers, one attempt nearly always does.
const ATTEMPTS: usize = 4;
