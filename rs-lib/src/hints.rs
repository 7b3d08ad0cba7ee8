//! What a client learns that has no session: where to get a token, and for what (RFC 9200 §5.3).

use crate::authorize::methods;
use crate::clock::Now;
use crate::server::Reply;
use crate::session::Holder;
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
    write(trust, Code::UNAUTHORIZED, request, None, now, crypto, room)
}

/// A 4.03 or 4.05 with hints, for who is inside: with more rights for the same key the session goes on (RFC 9200 §5.3).
pub(crate) fn more_rights<'r>(
    trust: &Trust<'_>,
    code: Code,
    request: &Message<'_>,
    holder: &Holder,
    now: &Now,
    crypto: &impl Symmetric,
    room: &'r mut [u8],
) -> Reply<'r> {
    write(trust, code, Some(request), Some(holder), now, crypto, room)
}

fn write<'r>(
    trust: &Trust<'_>,
    code: Code,
    request: Option<&Message<'_>>,
    holder: Option<&Holder>,
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
    let issuer = holder.and_then(|holder| trust.issuer(holder.key.issuer)).or(trust.issuers.first());
    let hints = Hints {
        as_uri: issuer.map(|issuer| issuer.token_uri),
        kid: holder.and_then(|holder| holder.key.kid()),
        audience: Some(trust.audience),
        scope: scope.map(|scope| Scope::Text(scope.name)),
        cnonce: nonce.as_ref().map(|nonce| &nonce[..]),
    };
    let payload = hints.encode(room).unwrap_or_default();
    let format = (!payload.is_empty()).then_some(ContentFormat::ACE_CBOR);
    Reply { format, payload, ..Reply::code(code) }
}
