//! A machine: no person, no browser. It shares an OSCORE context with the server and asks for tokens over CoAP (RFC 9203 §3).

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use latchwork_ace::registry::GrantType;
use latchwork_ace::token_request::AskedProfile;
use latchwork_ace::{ErrorResponse, Scope, TokenRequest, TokenResponse};
use latchwork_coap::{Code, ContentFormat};
use latchwork_crypto::RustCrypto;
use latchwork_oscore::{Context, Material, SenderNumbers};
use latchwork_transport::CoapClient;
use serde::Deserialize;
use tokio::sync::Mutex;
use zeroize::{Zeroize as _, Zeroizing};

use crate::clock::now;
use crate::door::{Door, Permission};
use crate::encoding::{hex, random};
use crate::error::Error;
use crate::open::{Opened, Session, Source};
use crate::store::{FileStore, TokenStore as _};

/// What a machine is configured with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MachineConfig {
    /// The issuer whose tokens it uses.
    pub issuer: String,
    /// The server over CoAP, host and port.
    pub server: String,
    /// The context it shares with the server.
    pub oscore: SharedContext,
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

/// A machine that opens doors.
pub struct Machine {
    config: MachineConfig,
    numbers: NumberFile,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    server: Option<CoapClient>,
    permissions: HashMap<String, Permission>,
    sessions: HashMap<String, Option<Session>>,
}

impl Machine {
    /// `numbers` is a file where the machine reserves its sender numbers: no number is used twice, also after a crash
    /// (RFC 8613 B.1.1). Its directory must exist.
    pub fn new(config: MachineConfig, numbers: PathBuf) -> Result<Self, Error> {
        Ok(Self { config, numbers: NumberFile::open(numbers)?, inner: Mutex::default() })
    }

    /// Opens a door; asks the server for a token where none is valid, or where the lock refuses it. One door after the other:
    /// calls wait for each other.
    pub async fn open(&self, door: &str) -> Result<Opened, Error> {
        let door = self.config.doors.iter().find(|known| known.name == door).ok_or(Error::UnknownDoor)?;
        let inner = &mut *self.inner.lock().await;
        let known = inner.permissions.get(&door.audience).filter(|permission| permission.is_valid(now())).cloned();
        let session = inner.sessions.entry(door.audience.clone()).or_default();
        let mut asking = Asking { machine: self, server: &mut inner.server };
        let (opened, permission) = crate::open::open(session, door, known, &mut asking, None).await?;
        inner.permissions.insert(door.audience.clone(), permission);
        Ok(opened)
    }

    /// `POST /token` over CoAP and OSCORE: client credentials, where the context says who asks (RFC 9200 §5.8).
    async fn ask(
        &self,
        server: &mut Option<CoapClient>,
        door: &Door,
        cnonce: Option<&[u8]>,
    ) -> Result<Permission, Error> {
        let client = match server {
            Some(client) => client,
            None => server.insert(self.connect().await?),
        };
        let context = client.context().ok_or(Error::SignedOut)?;
        if context.numbers_left() < NUMBERS_OF_A_REQUEST {
            context.reserve(BLOCK, &mut &self.numbers)?;
        }
        let request = TokenRequest {
            grant_type: Some(GrantType::CLIENT_CREDENTIALS),
            audience: Some(&door.audience),
            scope: Some(&*door.scopes).filter(|scopes| !scopes.is_empty()).map(Scope::Text),
            ace_profile: Some(AskedProfile::Tell),
            cnonce,
            ..TokenRequest::default()
        };
        let mut payload = [0; 512];
        let payload = request.encode(&mut payload).map_err(|_| Error::Nonsense("a token request that is too long"))?;
        let format = Some(ContentFormat::ACE_CBOR);
        let response = client
            .request(Code::POST, "/token", format, format, payload)
            .await
            .map_err(|error| Error::Unreachable(Box::new(error)))?;
        if !response.protected {
            // It may come from anybody, and there is nothing in it that we could use.
            return Err(Error::Refused(format!("{}.{:02}", response.code.class(), response.code.detail())));
        }
        if response.code != Code::CREATED {
            let error =
                ErrorResponse::decode(&response.payload).map_err(|_| Error::Nonsense("an error of the server"))?;
            return Err(Error::Refused(error.error.name().unwrap_or("an unknown error").to_owned()));
        }
        let answer = TokenResponse::decode(&response.payload).map_err(|_| Error::Nonsense("a token response"))?;
        Permission::granted(&answer, door, now())
    }

    async fn connect(&self) -> Result<CoapClient, Error> {
        let shared = &self.config.oscore;
        let bytes = |text: &str| {
            hex(text).map(Zeroizing::new).ok_or(Error::Configuration("oscore: not the hexadecimal of a context"))
        };
        let id_context = shared.id_context.as_deref().map(bytes).transpose()?;
        let (master_secret, master_salt) = (bytes(&shared.master_secret)?, bytes(&shared.master_salt)?);
        let (sender_id, recipient_id) = (bytes(&shared.sender_id)?, bytes(&shared.recipient_id)?);
        let material = Material {
            master_secret: &master_secret,
            master_salt: &master_salt,
            sender_id: &sender_id,
            recipient_id: &recipient_id,
            id_context: id_context.as_ref().map(|id| id.as_slice()),
        };
        let context = Context::restore(&RustCrypto, &material, self.numbers.read()?, random()?)
            .map_err(|_| Error::Configuration("oscore: not the hexadecimal of a context"))?;
        let unreachable = |error| Error::Unreachable(Box::new(error));
        let mut client = CoapClient::connect(&self.config.server).await.map_err(unreachable)?;
        client.set_context(Some(context));
        Ok(client)
    }
}

struct Asking<'m> {
    machine: &'m Machine,
    server: &'m mut Option<CoapClient>,
}

impl Source for Asking<'_> {
    async fn permission(&mut self, door: &Door, cnonce: Option<&[u8]>) -> Result<Permission, Error> {
        self.machine.ask(self.server, door, cnonce).await
    }
}

/// How many sender numbers one reservation takes: a write for each 64 messages.
const BLOCK: u32 = 64;

/// A request and its repetition with an Echo, each with a few blocks.
const NUMBERS_OF_A_REQUEST: u64 = 8;

/// The bound below which sender numbers may have been used, in a file. It is one process's as long as this lives: two that take
/// numbers from it would encrypt twice under one nonce.
struct NumberFile {
    path: PathBuf,
    _lock: File,
}

impl NumberFile {
    /// The lock lies beside the file, which is replaced with each block.
    fn open(path: PathBuf) -> Result<Self, Error> {
        let mut beside = path.clone().into_os_string();
        beside.push(".lock");
        let lock = File::options().write(true).create(true).truncate(false).mode(0o600).open(beside)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::Configuration("another process uses this machine's context")),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    fn read(&self) -> Result<u64, Error> {
        match fs::read_to_string(&self.path) {
            Ok(text) => text.trim().parse().map_err(|_| Error::Nonsense("the file of sender numbers")),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}

impl SenderNumbers for &NumberFile {
    type Error = Error;

    fn reserve(&mut self, below: u64) -> Result<(), Error> {
        if below <= self.read()? {
            return Err(Error::Nonsense("the file of sender numbers"));
        }
        Ok(FileStore::new(&self.path).save(below.to_string().as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sender_number_is_anybody_elses() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("numbers");
        let mine = NumberFile::open(path.clone()).unwrap();
        assert!(matches!(NumberFile::open(path.clone()), Err(Error::Configuration(_))));
        (&mine).reserve(64).unwrap();
        // A file that another hand moved on, or that came back from a backup of another machine.
        assert!(matches!((&mine).reserve(64), Err(Error::Nonsense(_))));
        (&mine).reserve(128).unwrap();
        drop(mine);
        assert_eq!(NumberFile::open(path).unwrap().read().unwrap(), 128);
    }
}
