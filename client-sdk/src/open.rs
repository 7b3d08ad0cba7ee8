//! Opening a door over UDP: the token at `/authz-info`, then the request under the context that both ends derive (RFC 9203 §4).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use latchwork_ace::{Hints, authz_info};
use latchwork_coap::{Code, ContentFormat};
use latchwork_crypto::RustCrypto;
use latchwork_oscore::{Context, Material, master_salt};
use latchwork_transport::client::Response;
use latchwork_transport::{CoapClient, Traffic};

use crate::clock;
use crate::door::{Door, Permission};
use crate::encoding::random;
use crate::error::Error;

/// What it took to open a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Messages that were answered.
    pub round_trips: u64,
    /// Bytes of CoAP sent.
    pub sent: u64,
    /// Bytes of CoAP received.
    pub received: u64,
    /// From the first byte out to the last byte in.
    pub took: Duration,
}

/// A connection to a lock under a context that it accepted.
pub(crate) struct Session {
    client: CoapClient,
    /// Which permission it came from: a newer one starts anew.
    token_id: Vec<u8>,
}

/// How long a lock may be silent. CoAP repeats a message four times in this time (RFC 7252 §4.8).
const PATIENCE: Duration = Duration::from_secs(20);

const ACE_CBOR: ContentFormat = ContentFormat::ACE_CBOR;
const DOOR: &str = "/door";

/// Opens `door`. Where a context lives already, one message does it; else the token goes first.
pub(crate) async fn open(
    sessions: &mut HashMap<String, Session>,
    door: &Door,
    permission: &Permission,
) -> Result<Opened, Error> {
    let started = clock::instant();
    if let Some(mut session) = sessions.remove(&door.audience).filter(|session| session.token_id == permission.id) {
        let before = session.client.traffic();
        let response = unlock(&mut session.client).await?;
        // A lock that forgot us says so without protection: the token helps. Anything else it says is its word.
        if response.protected {
            let spent = since(&session.client, before, started);
            let outcome = opened(&response, spent);
            sessions.insert(door.audience.clone(), session);
            return outcome;
        }
    }
    let mut session = Session::start(door, permission).await?;
    let response = unlock(&mut session.client).await?;
    if !response.protected {
        return Err(refused(door, &response));
    }
    let outcome = opened(&response, since(&session.client, Traffic::default(), started));
    sessions.insert(door.audience.clone(), session);
    outcome
}

async fn unlock(client: &mut CoapClient) -> Result<Response, Error> {
    client.request(Code::POST, DOOR, None, None, &[]).await.map_err(silent)
}

fn opened(response: &Response, spent: Opened) -> Result<Opened, Error> {
    match response.code {
        Code::CHANGED => Ok(spent),
        Code(code) => Err(Error::LockRefused { code }),
    }
}

fn since(client: &CoapClient, before: Traffic, started: Instant) -> Opened {
    let now = client.traffic();
    Opened {
        round_trips: now.round_trips - before.round_trips,
        sent: now.sent - before.sent,
        received: now.received - before.received,
        took: started.elapsed(),
    }
}

impl Session {
    /// Uploads the token with our nonce and identifier, and derives the context from the lock's (RFC 9203 §4.1, §4.3).
    async fn start(door: &Door, permission: &Permission) -> Result<Self, Error> {
        let mut client = CoapClient::connect(&door.address).await.map_err(|_| Error::LockSilent)?;
        client.set_patience(PATIENCE);
        let (nonce1, id1): ([u8; 8], [u8; 2]) = (random()?, random()?);
        let upload = authz_info::Request {
            access_token: &permission.token,
            nonce1: Some(&nonce1),
            client_recipient_id: Some(&id1),
        };
        let mut payload = vec![0; permission.token.len() + 64];
        let payload = upload.encode(&mut payload).map_err(|_| Error::Nonsense("a token that is too long"))?;
        let response =
            client.request(Code::POST, "/authz-info", Some(ACE_CBOR), Some(ACE_CBOR), payload).await.map_err(silent)?;
        if response.code != Code::CREATED {
            return Err(refused(door, &response));
        }
        let answer =
            authz_info::Response::decode(&response.payload).map_err(|_| Error::Nonsense("the lock's nonce"))?;
        // Equal identifiers would make both ends use the same keys: stop (RFC 9203 §4.3).
        if answer.server_recipient_id == id1 {
            return Err(Error::Nonsense("the lock calls itself by our name"));
        }
        client.set_context(Some(derive(permission, &nonce1, &id1, &answer)?));
        Ok(Self { client, token_id: permission.id.clone() })
    }
}

fn derive(
    permission: &Permission,
    nonce1: &[u8],
    id1: &[u8],
    answer: &authz_info::Response<'_>,
) -> Result<Context, Error> {
    let salt = permission.salt.as_deref().unwrap_or_default();
    let mut buffer = vec![0; salt.len() + nonce1.len() + answer.nonce2.len() + 32];
    let master_salt =
        master_salt(salt, nonce1, answer.nonce2, &mut buffer).map_err(|_| Error::Nonsense("the lock's nonce"))?;
    let material = Material {
        master_secret: &permission.master_secret,
        master_salt,
        sender_id: answer.server_recipient_id,
        recipient_id: id1,
        id_context: permission.context_id.as_deref(),
    };
    Context::derive(&RustCrypto, &material).map_err(|_| Error::Nonsense("the lock's nonce"))
}

/// What an unprotected refusal means. It may come from anybody, so it tells us where to ask only if our own list agrees.
fn refused(door: &Door, response: &Response) -> Error {
    if response.code == Code::UNAUTHORIZED && response.content_format() == Some(ACE_CBOR) {
        match Hints::decode(&response.payload) {
            Ok(hints) if !agrees(door, &hints) => return Error::ForeignHints,
            Ok(_) => {}
            Err(_) => return Error::Nonsense("the lock's hints"),
        }
    }
    Error::LockRefused { code: response.code.0 }
}

fn agrees(door: &Door, hints: &Hints<'_>) -> bool {
    hints.as_uri.is_none_or(|uri| uri == door.as_uri) && hints.audience.is_none_or(|audience| audience == door.audience)
}

fn silent(error: latchwork_transport::Error) -> Error {
    use latchwork_transport::Error as Coap;
    match error {
        Coap::Io(_) | Coap::Timeout | Coap::Reset => Error::LockSilent,
        Coap::Oscore(_) | Coap::Transfer(_) | Coap::BadOption(_) | Coap::Unfit => Error::Nonsense("the lock's answer"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_followed_only_where_our_list_agrees() {
        let door = Door {
            name: "front".into(),
            title: String::new(),
            audience: "urn:latchwork:lock:front".into(),
            address: "127.0.0.1:5683".into(),
            as_uri: "https://as.example/token".into(),
            scopes: String::new(),
            standing: Default::default(),
        };
        for (as_uri, audience, follows) in [
            (Some("https://as.example/token"), Some("urn:latchwork:lock:front"), true),
            (None, None, true),
            (Some("https://evil.example/token"), Some("urn:latchwork:lock:front"), false),
            (Some("https://as.example/token"), Some("urn:latchwork:lock:vault"), false),
            (Some("https://as.example/token/"), None, false),
        ] {
            let hints = Hints { as_uri, audience, ..Hints::default() };
            assert_eq!(agrees(&door, &hints), follows, "{as_uri:?} {audience:?}");
            let mut payload = [0; 256];
            let response = Response {
                code: Code::UNAUTHORIZED,
                options: vec![(latchwork_coap::OptionNumber::CONTENT_FORMAT, vec![19])],
                payload: hints.encode(&mut payload).unwrap().to_vec(),
                protected: false,
            };
            assert_eq!(matches!(refused(&door, &response), Error::ForeignHints), !follows);
        }
    }
}
