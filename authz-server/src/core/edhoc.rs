//! EDHOC with clients (RFC 9528): whose credential is whose, and which handshakes and sessions are remembered. Whoever speaks it
//! is [`shell::coap`](crate::shell::coap).
//!
//! A client's credential is a CCS whose key is called as the client is: so it is found by a name, and no list has to be kept.

use super::bytes::{Blob, hex, unhex};
use super::jwk::PublicKey;
use super::names::ClientId;
use super::records::{Client, ClientAuth};
use latchwork_ace::{Claims, Cnf, CoseKey};
use latchwork_crypto::{P256Peer, P256Public};
use latchwork_edhoc::{ConnectionId, Credential, IdCred, Method};
use std::collections::HashMap;

/// Methods 1 and 3: we have a static Diffie-Hellman key, clients have one or sign.
pub const METHODS: &[Method] = &[Method::SignatureStaticDh, Method::StaticDhStaticDh];

/// The credential of this point, under this name.
#[must_use]
pub fn ccs(kid: &[u8], x: &[u8; 32], y: &[u8; 32]) -> Option<Blob> {
    let key = CoseKey { kid: Some(kid), ..CoseKey::p256(x, y) };
    let claims = Claims { cnf: Some(Cnf::CoseKey(key)), ..Claims::default() };
    let mut room = [0; 192];
    claims.encode(&mut room).ok().map(|ccs| Blob(ccs.to_vec()))
}

/// A client's declared credential: a CCS, a COSE_Key without one (`{8: {1: COSE_Key}}` is then made of it), both in hexadecimal, or a
/// JWK. `None`: it is none of these, its point is not on the curve, or its `kid` is not the client's id.
#[must_use]
pub fn declared(id: &ClientId, text: &str) -> Option<Blob> {
    let bytes = unhex(text)?;
    if is_of(id, &bytes) {
        return Some(Blob(bytes));
    }
    let dressed = [&[0xa1, 8, 0xa1, 1], &bytes[..]].concat();
    let (Credential { kid, .. }, key) = (Credential::ccs(&dressed).ok()?, key(&dressed)?);
    kid.is_none_or(|kid| kid == id.as_str().as_bytes()).then(|| of_key(id, &key))?
}

/// The same of a key alone.
#[must_use]
pub fn of_key(id: &ClientId, key: &PublicKey) -> Option<Blob> {
    let PublicKey::P256 { x, y } = key else { return None };
    ccs(id.as_str().as_bytes(), x, y).filter(|ccs| is_of(id, &ccs.0))
}

fn is_of(id: &ClientId, ccs: &[u8]) -> bool {
    let named = Credential::ccs(ccs).is_ok_and(|it| it.kid == Some(id.as_str().as_bytes()));
    named && ccs.len() <= MAX_CCS && key(ccs).is_some()
}

/// The key in a credential; `None` unless it has both coordinates, on the curve.
#[must_use]
pub fn key(ccs: &[u8]) -> Option<PublicKey> {
    let P256Peer::Point(P256Public { x, y }) = Credential::ccs(ccs).ok()?.key else { return None };
    let point = [&[4], &x[..], &y[..]].concat();
    p256::PublicKey::from_sec1_bytes(&point).is_ok().then_some(PublicKey::P256 { x, y })
}

/// Who the initiator says it is. Nothing is proved yet.
#[must_use]
pub fn claimed(id_cred: IdCred<'_>) -> Option<ClientId> {
    let kid = match id_cred {
        IdCred::Kid(kid) => kid,
        IdCred::Kccs(ccs) => Credential::ccs(ccs).ok()?.kid?,
        IdCred::Other(_) => return None,
    };
    std::str::from_utf8(kid).ok()?.parse().ok()
}

/// The credential that a client so named has to prove: the registered one, if that is what it refers to.
#[must_use]
pub fn expected<'c>(client: &'c Client, id_cred: IdCred<'_>) -> Option<Credential<'c>> {
    let ClientAuth::Edhoc(ccs) = &client.auth else { return None };
    Credential::ccs(&ccs.0).ok().filter(|credential| credential.is_meant_by(id_cred))
}

/// What the transport calls the other end of a session: the client and the key that it proved.
#[must_use]
pub fn name(client: &ClientId, key: &PublicKey) -> String {
    match key {
        PublicKey::P256 { x, y } => format!("{client} {}{}", hex(x), hex(y)),
        PublicKey::Ed25519 { x } => format!("{client} {}", hex(x)),
    }
}

/// The counterpart of [`name`]. A client's id has no space in it, so nothing else is taken for one.
#[must_use]
pub fn named(name: &str) -> Option<(ClientId, PublicKey)> {
    let (client, key) = name.split_once(' ')?;
    let bytes = unhex(key)?;
    let (x, y) = bytes.split_first_chunk::<32>()?;
    Some((client.parse().ok()?, PublicKey::P256 { x: *x, y: y.try_into().ok()? }))
}

/// The client of a channel, by its name there, whether by EDHOC or by a context of its own.
#[must_use]
pub fn owner(name: &str) -> &str {
    name.split_once(' ').map_or(name, |(client, _)| client)
}

/// Handshakes that wait for message_3. Anybody may begin one, so they are few, and short.
pub struct Handshakes<S, P> {
    waiting: Vec<Waiting<S, P>>,
    /// How many were begun, in which second.
    begun: (i64, u32),
}

struct Waiting<S, P> {
    c_r: ConnectionId,
    from: P,
    since: i64,
    state: S,
}

impl<S, P> Default for Handshakes<S, P> {
    fn default() -> Self {
        Self { waiting: Vec::new(), begun: (0, 0) }
    }
}

impl<S, P: PartialEq> Handshakes<S, P> {
    /// Whether there is time for one more, which is then spent. Each costs four operations on the curve (RFC 9528 §9.7).
    pub fn has_time(&mut self, now: i64) -> bool {
        if self.begun.0 != now {
            self.begun = (now, 0);
        }
        self.begun.1 = self.begun.1.saturating_add(1);
        self.begun.1 <= PER_SECOND
    }

    /// Whether one of them has this name.
    pub fn has(&self, c_r: &ConnectionId) -> bool {
        self.waiting.iter().any(|waiting| waiting.c_r == *c_r)
    }

    /// Keeps one. If there is no room, those that waited too long go; else the oldest of the party that has most: so whoever begins
    /// one after the other pushes out itself first.
    pub fn put(&mut self, c_r: ConnectionId, from: P, state: S, now: i64) {
        self.waiting.retain(|waiting| lives(waiting.since, PATIENCE, now));
        if self.waiting.len() >= WAITING {
            let crowd = |from: &P| self.waiting.iter().filter(|waiting| waiting.from == *from).count();
            // In the order of their coming; the first of several equals is the oldest.
            let worst = self.waiting.iter().enumerate().rev().max_by_key(|(_, waiting)| crowd(&waiting.from));
            if let Some((at, _)) = worst {
                self.waiting.remove(at);
            }
        }
        self.waiting.push(Waiting { c_r, from, since: now, state });
    }

    /// Takes the one of this name out: it goes on, or is over.
    pub fn take(&mut self, c_r: &ConnectionId, now: i64) -> Option<S> {
        let at = self.waiting.iter().position(|waiting| waiting.c_r == *c_r)?;
        let waiting = self.waiting.remove(at);
        lives(waiting.since, PATIENCE, now).then_some(waiting.state)
    }
}

/// What came of the handshakes: one session for each client, by the name in its requests.
pub struct Sessions<T> {
    by_kid: HashMap<Vec<u8>, Open<T>>,
}

struct Open<T> {
    client: ClientId,
    used: i64,
    session: T,
}

impl<T> Default for Sessions<T> {
    fn default() -> Self {
        Self { by_kid: HashMap::new() }
    }
}

impl<T: Clone> Sessions<T> {
    /// Keeps one, in the place of the one that this client had. If there is no room, those that idle too long go, else the one that
    /// idles longest. Only registered clients get here.
    pub fn open(&mut self, kid: &[u8], client: ClientId, session: T, now: i64) {
        self.by_kid.retain(|_, open| open.client != client && lives(open.used, IDLE, now));
        if self.by_kid.len() >= SESSIONS {
            let worst = self.by_kid.iter().min_by_key(|(_, open)| open.used).map(|(kid, _)| kid.clone());
            worst.map(|kid| self.by_kid.remove(&kid));
        }
        self.by_kid.insert(kid.to_vec(), Open { client, used: now, session });
    }

    /// The session of this name. Whoever asks has proved nothing, so it is not used by this.
    #[must_use]
    pub fn find(&self, kid: &[u8], now: i64) -> Option<T> {
        self.by_kid.get(kid).filter(|open| lives(open.used, IDLE, now)).map(|open| open.session.clone())
    }

    /// A request verified under it.
    pub fn used(&mut self, kid: &[u8], now: i64) {
        if let Some(open) = self.by_kid.get_mut(kid) {
            open.used = now;
        }
    }
}

/// A clock that was set back ends what began after it.
fn lives(since: i64, seconds: i64, now: i64) -> bool {
    now.checked_sub(since).is_some_and(|age| (0..=seconds).contains(&age))
}

/// How long message_3 may take, in seconds: CoAP sends a message for the last time after 45 (RFC 7252 §4.8.2).
pub const PATIENCE: i64 = 60;
/// How long a session may idle, in seconds.
pub const IDLE: i64 = 3600;
/// Handshakes begun in a second.
pub const PER_SECOND: u32 = if cfg!(test) { 16 } else { 50 };
/// Handshakes that wait.
pub const WAITING: usize = if cfg!(test) { 4 } else { 256 };
/// Sessions.
pub const SESSIONS: usize = if cfg!(test) { 2 } else { 4096 };
/// Bytes of a client's credential.
const MAX_CCS: usize = 256;

#[cfg(test)]
mod tests;
