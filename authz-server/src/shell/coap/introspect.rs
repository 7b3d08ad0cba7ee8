//! `POST /introspect` over CoAP (RFC 9200 §5.9): CBOR in, CBOR out, the resource server known by its OSCORE context.

use std::sync::Arc;

use latchwork_ace::IntrospectionRequest;
use latchwork_coap::{Code, ContentFormat};
use latchwork_transport::{Handler, Request, Response};

use super::contexts::Contexts;
use super::token::{fits, refused, slow};
use crate::core::introspect::Question;
use crate::core::refusal::{OAuthError, Refusal};
use crate::core::request::{Credential, Face, Presented};
use crate::shell::Shell;
use crate::shell::token::Denied;

/// The resource.
pub(super) struct Introspect {
    shell: Arc<Shell>,
    contexts: Arc<Contexts>,
    body: usize,
}

impl Introspect {
    /// Payloads have at most `body` bytes.
    pub(super) fn new(shell: Arc<Shell>, contexts: Arc<Contexts>, body: usize) -> Self {
        Self { shell, contexts, body }
    }
}

impl Handler for Introspect {
    async fn handle(&self, request: Request) -> Response {
        let Some((id, channel)) = self.contexts.who(&request) else { return refused(&OAuthError::INVALID_CLIENT) };
        if let Err(refused) = fits(&request, self.body) {
            return refused;
        }
        let from = Some(request.peer.addr.ip());
        let decided = match IntrospectionRequest::decode(&request.payload) {
            Ok(asked) => {
                let credential = Credential::Channel { id, channel };
                let presented = Presented { credential, proof: None };
                let question = Question::of_bytes(Face::CborCoap, asked.token);
                self.shell.introspect(&presented, &question, from).await
            }
            Err(_) => self.shell.unread_by(Face::CborCoap, id, from, Refusal::Malformed("not a CBOR question")),
        };
        match decided {
            Ok(answer) => Response::with(Code::CREATED, ContentFormat::ACE_CBOR, answer.to_cbor()),
            // Not even a reason (RFC 9200 §5.9.3).
            Err(Denied::Refused(Refusal::NotAResourceServer(_))) => Response::new(Code::FORBIDDEN),
            Err(Denied::Refused(refusal)) => refused(&refusal.error()),
            Err(Denied::Slow(wait)) => slow(wait),
        }
    }
}
