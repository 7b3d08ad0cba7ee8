//! `POST /token` over CoAP (RFC 9200 §5.8): CBOR in, CBOR out, the client known by its OSCORE context.

use std::sync::Arc;

use latchwork_ace::ErrorResponse;
use latchwork_ace::registry::ErrorCode;
use latchwork_coap::{Code, ContentFormat, OptionNumber, shortest};
use latchwork_transport::{Handler, Request, Response};

use super::contexts::Contexts;
use crate::core::channel::ChannelIdentity;
use crate::core::names::ClientId;
use crate::core::refusal::{OAuthError, Refusal};
use crate::core::request::{Credential, Face, Presented, TokenRequest};
use crate::core::response::IssuedResponse;
use crate::shell::throttle::Wait;
use crate::shell::token::Denied;
use crate::shell::{Shell, cbor};

/// The resource.
pub(super) struct Token {
    shell: Arc<Shell>,
    contexts: Arc<Contexts>,
    body: usize,
}

impl Token {
    /// Payloads have at most `body` bytes.
    pub(super) fn new(shell: Arc<Shell>, contexts: Arc<Contexts>, body: usize) -> Self {
        Self { shell, contexts, body }
    }
}

impl Handler for Token {
    async fn handle(&self, request: Request) -> Response {
        let Some((client, channel)) = self.contexts.who(&request) else { return refused(&OAuthError::INVALID_CLIENT) };
        if let Err(refused) = fits(&request, self.body) {
            return refused;
        }
        let from = Some(request.peer.addr.ip());
        let decided = match read(&client, channel, &request.payload) {
            Ok((presented, asked)) => self.shell.token(&presented, &asked, from).await,
            Err(refusal) => self.shell.unread_by(Face::CborCoap, client, from, refusal),
        };
        match decided {
            Ok(issued) => granted(&issued),
            Err(Denied::Refused(refusal)) => refused(&refusal.error()),
            Err(Denied::Slow(wait)) => slow(wait),
        }
    }
}

/// Whether method, formats and size are those of a question in CBOR.
pub(super) fn fits(request: &Request, body: usize) -> Result<(), Response> {
    let size = u32::try_from(body).unwrap_or(u32::MAX).to_be_bytes();
    if request.method != Code::POST {
        Err(Response::new(Code::METHOD_NOT_ALLOWED))
    } else if request.content_format != Some(ContentFormat::ACE_CBOR) {
        Err(Response::new(Code::UNSUPPORTED_CONTENT_FORMAT))
    } else if request.accept.is_some_and(|format| format != ContentFormat::ACE_CBOR) {
        Err(Response::new(Code::NOT_ACCEPTABLE))
    } else if request.payload.len() > body {
        Err(Response::new(Code::REQUEST_ENTITY_TOO_LARGE).option(OptionNumber::SIZE1, shortest(&size)))
    } else {
        Ok(())
    }
}

/// What the payload asks for. It may repeat who asks, but no other way of showing it.
fn read(client: &ClientId, channel: ChannelIdentity, payload: &[u8]) -> Result<(Presented, TokenRequest), Refusal> {
    let (asked, inside) = cbor::token_request(Face::CborCoap, payload)?;
    match inside {
        Credential::Nothing => {}
        Credential::Public { id } if id == *client => {}
        Credential::Public { .. } => return Err(Refusal::Malformed("client_id is not the context's")),
        _ => return Err(Refusal::Malformed("the client authenticates in two ways")),
    }
    Ok((Presented { credential: Credential::Channel { id: client.clone(), channel }, proof: None }, asked))
}

fn granted(issued: &IssuedResponse) -> Response {
    match issued.to_cbor() {
        Some(body) => Response::with(Code::CREATED, ContentFormat::ACE_CBOR, body),
        // A JWT of the people API: no client of ours here can have one.
        None => refused(&OAuthError::SERVER_ERROR),
    }
}

pub(super) fn refused(error: &OAuthError) -> Response {
    let mut buffer = [0; 16];
    let body = ErrorResponse::new(ErrorCode(error.number.into())).encode(&mut buffer).unwrap_or_default().to_vec();
    Response::with(Code(error.coap), ContentFormat::ACE_CBOR, body)
}

/// Max-Age says when to come again (RFC 8516 §4).
pub(super) fn slow(Wait(seconds): Wait) -> Response {
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX).to_be_bytes();
    refused(&OAuthError::TOO_MANY).option(OptionNumber::MAX_AGE, shortest(&seconds))
}
