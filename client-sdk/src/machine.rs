//! A machine: no person, no browser. It asks for tokens over CoAP and OSCORE: under a context that it shares with the server
//! (RFC 9203 §3), or under one that EDHOC makes of its own key and the server's (draft-ietf-ace-edhoc-oscore-profile §3.1).

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use latchwork_ace::registry::GrantType;
use latchwork_ace::token_request::AskedProfile;
use latchwork_ace::{Cnf, EdhocInfo, ErrorResponse, Scope, TokenRequest, TokenResponse};
use latchwork_coap::{Code, ContentFormat};
use latchwork_crypto::RustCrypto;
use latchwork_oscore::{Context, Material};
use latchwork_transport::CoapClient;
use latchwork_transport::client::Response;
use serde::Deserialize;
use tokio::sync::Mutex;
use zeroize::{Zeroize as _, Zeroizing};

use crate::clock::now;
use crate::door::{Door, Permission};
use crate::edhoc;
use crate::encoding::{hex, random};
use crate::error::Error;
use crate::key::{Named, PopKey};
use crate::numbers::NumberFile;
use crate::open::{Opened, Session, Source};

/// What a machine is configured with: how it speaks to the server, by `oscore` or by `edhoc`, and its doors.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MachineConfig {
    /// The issuer whose tokens it uses.
    pub issuer: String,
    /// The server over CoAP, host and port.
    pub server: String,
    /// The context it shares with the server.
    pub oscore: Option<SharedContext>,
    /// Whom it has to meet there, if it has a key of its own.
    pub edhoc: Option<Acquaintance>,
    /// Its doors.
    #[serde(rename = "door")]
    pub doors: Vec<Door>,
}

/// An OSCORE context with the server. All in hexadecimal.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedContext {
    /// Master Secret.
    pub master_secret: String,
    /// Master Salt, if any.
    #[serde(default)]
    pub master_salt: String,
    /// The machine's Sender ID.
    pub sender_id: String,
    /// The server's Sender ID.
    pub recipient_id: String,
    /// ID Context, if any.
    pub id_context: Option<String>,
}

impl Drop for SharedContext {
    fn drop(&mut self) {
        self.master_secret.zeroize();
        self.master_salt.zeroize();
    }
}

/// What machine and server know of each other. Nothing of it is secret.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acquaintance {
    /// The machine's client id, by which the server finds its key.
    pub client_id: String,
    /// The server's credential in hexadecimal, as `latchwork keys edhoc` prints it.
    pub server: String,
}

/// A machine that opens doors.
pub struct Machine {
    server: String,
    doors: Vec<Door>,
    line: Line,
    inner: Mutex<Inner>,
}

/// How it speaks to the server.
enum Line {
    Shared { context: SharedContext, numbers: NumberFile },
    Own { client_id: String, server: Vec<u8>, key: Arc<dyn PopKey> },
}

#[derive(Default)]
struct Inner {
    server: Option<CoapClient>,
    permissions: HashMap<String, Permission>,
    sessions: HashMap<String, Option<Session>>,
}

impl Machine {
    /// A machine that shares a context. `numbers` is a file where it reserves its sender numbers: no number is used twice, also after a
    /// crash (RFC 8613 B.1.1). Its directory must exist.
    ///
    /// # Errors
    /// The configuration is not one with `oscore` alone, or the file is another process's.
    pub fn new(config: MachineConfig, numbers: PathBuf) -> Result<Self, Error> {
        let MachineConfig { server, oscore: Some(context), edhoc: None, doors, .. } = config else {
            return Err(Error::Configuration("a machine that shares a context has `oscore`, and no `edhoc`"));
        };
        let line = Line::Shared { context, numbers: NumberFile::open(numbers)? };
        Ok(Self { server, doors, line, inner: Mutex::default() })
    }

    /// A machine with a key of its own, which signs (RFC 9528, method 1) for the server and for locks that speak EDHOC.
    ///
    /// # Errors
    /// The configuration is not one with `edhoc` alone, or the server's credential is not hexadecimal.
    pub fn with_key(config: MachineConfig, key: Arc<dyn PopKey>) -> Result<Self, Error> {
        let MachineConfig { server, oscore: None, edhoc: Some(known), doors, .. } = config else {
            return Err(Error::Configuration("a machine with a key has `edhoc`, and no `oscore`"));
        };
        let credential = hex(&known.server).ok_or(Error::Configuration("edhoc.server: not hexadecimal"))?;
        let line = Line::Own { client_id: known.client_id, server: credential, key };
        Ok(Self { server, doors, line, inner: Mutex::default() })
    }

    /// What the server has to be told of such a machine's key, as `edhoc` of its `[[client]]`: its credential.
    ///
    /// # Errors
    /// The name is too long for one.
    pub fn credential(client_id: &str, key: &dyn PopKey) -> Result<Vec<u8>, Error> {
        Named::client(key, client_id).ccs()
    }

    /// Opens a door; asks the server for a token where none is valid, or where the lock refuses it. One door after the other:
    /// calls wait for each other.
    pub async fn open(&self, door: &str) -> Result<Opened, Error> {
        let door = self.doors.iter().find(|known| known.name == door).ok_or(Error::UnknownDoor)?;
        let inner = &mut *self.inner.lock().await;
        let known = inner.permissions.get(&door.audience).filter(|permission| permission.is_valid(now())).cloned();
        let session = inner.sessions.entry(door.audience.clone()).or_default();
        let mut asking = Asking { machine: self, server: &mut inner.server };
        let (opened, permission) = crate::open::open(session, door, known, &mut asking, self.line.key()).await?;
        inner.permissions.insert(door.audience.clone(), permission);
        Ok(opened)
    }

    /// `POST /token`: client credentials, where the context says who asks (RFC 9200 §5.8).
    async fn ask(
        &self,
        server: &mut Option<CoapClient>,
        door: &Door,
        cnonce: Option<&[u8]>,
        living: Option<&Permission>,
    ) -> Result<Permission, Error> {
        // The name of a series stands for the key (draft-ietf-ace-edhoc-oscore-profile §3.1).
        let living = living.and_then(|living| Some((living, living.series()?)));
        let key = self.line.key().filter(|_| door.is_for_edhoc() && living.is_none());
        let key = key.map(|key| key.ccs()).transpose()?;
        let request = TokenRequest {
            grant_type: Some(GrantType::CLIENT_CREDENTIALS),
            audience: Some(&door.audience),
            scope: Some(&*door.scopes).filter(|scopes| !scopes.is_empty()).map(Scope::Text),
            req_cnf: key.as_deref().map(Cnf::Kccs),
            edhoc_info: living.map(|(_, series)| EdhocInfo::series(series)),
            ace_profile: Some(AskedProfile::Tell),
            cnonce,
            ..TokenRequest::default()
        };
        let mut payload = [0; 512];
        let payload = request.encode(&mut payload).map_err(|_| Error::Nonsense("a token request that is too long"))?;
        let known = server.is_some();
        let mut response = self.post(server, payload).await?;
        if known && !response.protected && matches!(self.line, Line::Own { .. }) {
            // It may come from anybody, but so says a server that forgot us: it keeps no session over a restart.
            *server = None;
            response = self.post(server, payload).await?;
        }
        if !response.protected {
            return Err(Error::unprotected(&response));
        }
        if response.code != Code::CREATED {
            let error =
                ErrorResponse::decode(&response.payload).map_err(|_| Error::Nonsense("an error of the server"))?;
            return Err(Error::Refused(error.error.name().unwrap_or("an unknown error").to_owned()));
        }
        let answer = TokenResponse::decode(&response.payload).map_err(|_| Error::Nonsense("a token response"))?;
        match living {
            Some((living, _)) => living.updated(&answer, now()),
            None => Permission::granted(&answer, door, now()),
        }
    }

    async fn post(&self, server: &mut Option<CoapClient>, payload: &[u8]) -> Result<Response, Error> {
        let client = match server {
            Some(client) => client,
            None => server.insert(self.line.connect(&self.server).await?),
        };
        self.line.reserve(client)?;
        let format = Some(ContentFormat::ACE_CBOR);
        let asked = client.request(Code::POST, "/token", format, format, payload).await;
        asked.map_err(|error| Error::Unreachable(Box::new(error)))
    }
}

impl Line {
    /// The key that the machine proves to locks, too.
    fn key(&self) -> Option<Named<'_>> {
        match self {
            Self::Shared { .. } => None,
            Self::Own { client_id, key, .. } => Some(Named::client(&**key, client_id)),
        }
    }

    async fn connect(&self, server: &str) -> Result<CoapClient, Error> {
        let mut client = CoapClient::connect(server).await.map_err(|error| Error::Unreachable(Box::new(error)))?;
        match self {
            Self::Shared { context, numbers } => {
                client.set_context(Some(context.restore(numbers.read()?)?));
            }
            Self::Own { client_id, server, key } => {
                edhoc::with_server(&mut client, server, Named::client(&**key, client_id)).await?;
            }
        }
        Ok(client)
    }

    /// A context of EDHOC ends with the process, so its numbers need no file.
    fn reserve(&self, client: &mut CoapClient) -> Result<(), Error> {
        let (Self::Shared { numbers, .. }, Some(context)) = (self, client.context()) else { return Ok(()) };
        if context.numbers_left() < NUMBERS_OF_A_REQUEST {
            context.reserve(BLOCK, &mut &*numbers)?;
        }
        Ok(())
    }
}

impl SharedContext {
    fn restore(&self, below: u64) -> Result<Context, Error> {
        const WRONG: Error = Error::Configuration("oscore: not the hexadecimal of a context");
        let bytes = |text: &str| hex(text).map(Zeroizing::new).ok_or(WRONG);
        let id_context = self.id_context.as_deref().map(bytes).transpose()?;
        let (master_secret, master_salt) = (bytes(&self.master_secret)?, bytes(&self.master_salt)?);
        let (sender_id, recipient_id) = (bytes(&self.sender_id)?, bytes(&self.recipient_id)?);
        let material = Material {
            master_secret: &master_secret,
            master_salt: &master_salt,
            sender_id: &sender_id,
            recipient_id: &recipient_id,
            id_context: id_context.as_ref().map(|id| id.as_slice()),
        };
        Context::restore(&RustCrypto, &material, below, random()?).map_err(|_| WRONG)
    }
}

struct Asking<'m> {
    machine: &'m Machine,
    server: &'m mut Option<CoapClient>,
}

impl Source for Asking<'_> {
    async fn ask(
        &mut self,
        door: &Door,
        cnonce: Option<&[u8]>,
        living: Option<&Permission>,
    ) -> Result<Permission, Error> {
        self.machine.ask(self.server, door, cnonce, living).await
    }
}

/// How many sender numbers one reservation takes: a write for each 64 messages.
const BLOCK: u32 = 64;

/// A request and its repetition with an Echo, each with a few blocks.
const NUMBERS_OF_A_REQUEST: u64 = 8;
