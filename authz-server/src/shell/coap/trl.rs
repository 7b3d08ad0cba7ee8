//! `GET /trl` over CoAP (RFC 9770), with Observe: a client's or a resource server's own part of the list, under its OSCORE context.

use std::sync::Arc;

use latchwork_coap::{Code, ContentFormat};
use latchwork_transport::{Handler, Identity, Notifier, Request, Response};
use tokio::sync::broadcast::error::RecvError;

use super::contexts::Contexts;
use super::token::slow;
use crate::core::edhoc;
use crate::core::request::{Credential, Presented};
use crate::core::trl::{Query, Requester, problem};
use crate::shell::Shell;

/// Its path.
pub(super) const PATH: &str = "/trl";

/// The resource.
pub(super) struct Trl {
    shell: Arc<Shell>,
    contexts: Arc<Contexts>,
}

impl Trl {
    pub(super) fn new(shell: Arc<Shell>, contexts: Arc<Contexts>) -> Self {
        Self { shell, contexts }
    }

    async fn answer(&self, request: &Request) -> Result<Response, Response> {
        let unauthorized = || Response::new(Code::UNAUTHORIZED);
        let (id, channel) = self.contexts.who(request).ok_or_else(unauthorized)?;
        if request.method != Code::GET {
            return Err(Response::new(Code::METHOD_NOT_ALLOWED));
        }
        if request.accept.is_some_and(|format| format != ContentFormat::ACE_TRL_CBOR) {
            return Err(Response::new(Code::NOT_ACCEPTABLE));
        }
        if !request.notifies {
            self.shell.admit(Some(request.peer.addr.ip()), Some(id.as_str())).map_err(slow)?;
        }
        let presented = Presented { credential: Credential::Channel { id, channel }, proof: None };
        let who =
            self.shell.requester(&presented).await.map_err(|refusal| Response::new(Code(refusal.error().coap)))?;
        let pairs = request.query.iter().map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        match self.shell.query_list(&who, &Query::new(pairs)).await {
            Ok(Ok(payload)) => Ok(Response::with(Code::CONTENT, ContentFormat::ACE_TRL_CBOR, payload).observable()),
            Ok(Err(refused)) => {
                tracing::info!(client = ?who, detail = refused.detail, "a query of the revocation list makes no sense");
                let payload = problem(&refused).unwrap_or_default();
                Err(Response::with(Code::BAD_REQUEST, ContentFormat::CONCISE_PROBLEM_DETAILS, payload))
            }
            Err(cause) => {
                tracing::error!(%cause, "the store failed");
                Err(Response::new(Code::INTERNAL_SERVER_ERROR))
            }
        }
    }
}

impl Handler for Trl {
    async fn handle(&self, request: Request) -> Response {
        self.answer(&request).await.unwrap_or_else(|refused| refused)
    }
}

/// Notifies those who observe what changed, and nobody else (RFC 9770 §11), until the server ends.
pub(super) async fn notify(shell: Arc<Shell>, notifier: Notifier) {
    let mut changes = shell.trl.changes();
    loop {
        match changes.recv().await {
            Ok(Requester::Client(id)) => {
                let is = |identity: Option<&Identity>| {
                    identity.is_some_and(|identity| edhoc::owner(&identity.name) == id.as_str())
                };
                notifier.changed_for(PATH, is);
            }
            // These come by HTTP only.
            Ok(Requester::Administrator | Requester::Grant(_)) => {}
            // Whoever was missed is told now.
            Err(RecvError::Lagged(_)) => notifier.changed(PATH),
            Err(RecvError::Closed) => return,
        }
    }
}
