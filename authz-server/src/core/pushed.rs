//! Pushed authorization requests (RFC 9126): a client shows who it is, hands over what it will ask, and gets a reference for the
//! browser to carry. The reference is the request itself, sealed: pushing fills no store, and only use is remembered.

use super::authenticate::Authenticated;
use super::authorize::{self, Denied};
use super::bytes::{Hash32, base64url, from_base64url};
use super::records::{Client, Seen};
use super::redirect;
use super::refusal::{AuthorizationFault, ProofFault, Refusal, ServerFault};
use super::request::AuthorizationRequest;
use super::time::{Seconds, Timestamp};
use crate::keys::seal::StorageKey;
use serde::{Deserialize, Serialize};

/// What `/authorize` was asked, however it came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// The request, checked.
    pub request: AuthorizationRequest,
    /// The use of its reference, which may be only one; none for a request that was not pushed.
    pub once: Option<Seen>,
}

#[derive(Serialize, Deserialize)]
struct Pushed {
    request: AuthorizationRequest,
    expires: Timestamp,
}

/// Checks a request that an authenticated client pushes, as `/authorize` would, and gives the reference for it: its `request_uri`
/// (§2.2), good for `life`.
///
/// The key may be named (`dpop_jkt`) or shown by the proof beside it; both must agree (RFC 9449 §10.1).
pub fn push(
    who: &Authenticated<'_>,
    parameters: &[(String, String)],
    keys: &StorageKey,
    life: Seconds,
    now: Timestamp,
) -> Result<String, Refusal> {
    let mut request = match authorize::check_parameters(parameters, who.client(), who.jkt()) {
        Ok(request) => request,
        Err(Denied::Page(refusal) | Denied::Redirect { refusal, .. }) => return Err(refusal),
    };
    if who.jkt().is_some_and(|shown| request.jkt.is_some_and(|named| named != shown)) {
        return Err(ProofFault::ForeignKey.into());
    }
    request.jkt = request.jkt.or(who.jkt());
    let mut plain = Vec::new();
    ciborium::into_writer(&Pushed { request, expires: now + life }, &mut plain).map_err(|_| ServerFault::Records)?;
    let sealed = keys.seal(PLACE, &plain).map_err(|_| ServerFault::Seal)?;
    Ok(format!("{PREFIX}{}", base64url(&sealed)))
}

/// Reads a query of `/authorize`: the request itself, or a reference to a pushed one, never both.
pub fn read(
    query: &[(String, String)],
    client: Option<&Client>,
    keys: &StorageKey,
    now: Timestamp,
) -> Result<Asked, Denied> {
    let Some(reference) = authorize::only(query, "request_uri").map_err(Denied::Page)? else {
        return authorize::check(query, client).map(|request| Asked { request, once: None });
    };
    let client = authorize::known(query, client)?;
    let unknown = || Denied::Page(AuthorizationFault::RequestUri.into());
    let (Pushed { request, expires }, what) = open(reference, keys).ok_or_else(unknown)?;
    // Who pushed it brings it, and what was registered then still is.
    if request.client != client.id || !redirect::is_registered(client, &request.redirect_uri) {
        return Err(unknown());
    }
    if !client.is_admitted() {
        return Err(Denied::Page(AuthorizationFault::NotAdmitted.into()));
    }
    let refuse = |refusal| authorize::denied(client, request.redirect_uri.clone(), request.state.clone(), refusal);
    if query.iter().any(|(name, _)| !BESIDE.contains(&name.as_str())) {
        return Err(refuse(Refusal::Malformed("a pushed request comes alone")));
    }
    if expires <= now {
        return Err(refuse(AuthorizationFault::RequestUri.into()));
    }
    Ok(Asked { request, once: Some(Seen { what, until: expires.plus(1) }) })
}

/// What was pushed, and the name of its use: of the bytes, for one byte string may have several base64url texts.
fn open(reference: &str, keys: &StorageKey) -> Option<(Pushed, Hash32)> {
    let sealed = from_base64url(reference.strip_prefix(PREFIX)?)?;
    let pushed = ciborium::from_reader(keys.open(PLACE, &sealed).ok()?.as_slice()).ok()?;
    Some((pushed, Hash32::of(&[b"request_uri", &sealed])))
}

const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";
const PLACE: &str = "a pushed request";
/// What may come beside a reference: whose it is, and the choice of a provider on our own page.
const BESIDE: [&str; 3] = ["client_id", "request_uri", "latchwork_provider"];

#[cfg(test)]
mod tests;
