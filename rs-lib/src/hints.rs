//! What a client learns that has no session: where to get a token, and for what (RFC 9200 §5.3).

use crate::authorize::methods;
use crate::clock::Now;
use crate::server::Reply;
use crate::trust::{Freshness, Trust};
use latchwork_ace::registry::Method;
use latchwork_ace::{Hints, Scope};
use latchwork_coap::{Code, ContentFormat, Message};
use latchwork_crypto::Symmetric;

/// A 4.01 with hints. Of a protected request nobody knows what it asked for; then they name no scope.
pub(crate) fn reply<'r>(
    trust: &Trust<'_>,
    request: Option<&Message<'_>>,
    now: &Now,
    crypto: &impl Symmetric,
    room: &'r mut [u8],
) -> Reply<'r> {
    let nonce = match trust.freshness {
        Freshness::Nonce(nonces) => nonces.make(now.uptime, crypto).ok(),
        Freshness::Clock => None,
    };
    let scope = request.and_then(|request| {
        let fits = |methods: latchwork_ace::aif::Methods| methods.contains(Method(request.code.0));
        trust.scopes.iter().find(|scope| fits(methods(&scope.grants, request)))
    });
    let hints = Hints {
        as_uri: trust.issuers.first().map(|issuer| issuer.token_uri),
        kid: None,
        audience: Some(trust.audience),
        scope: scope.map(|scope| Scope::Text(scope.name)),
        cnonce: nonce.as_ref().map(|nonce| &nonce[..]),
    };
    let payload = hints.encode(room).unwrap_or_default();
    Reply { code: Code::UNAUTHORIZED, format: (!payload.is_empty()).then_some(ContentFormat::ACE_CBOR), payload }
}
