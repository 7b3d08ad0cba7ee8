//! The directory that stands for the phone's storage.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use latchwork_client_sdk::{FileStore, PopKey, Server, SoftwareKey, TokenStore};
use serde::{Deserialize, Serialize};

pub(crate) struct Home(PathBuf);

#[derive(Serialize, Deserialize)]
struct Remembered {
    issuer: String,
    client_id: String,
    certificate: Option<String>,
}

impl Home {
    pub(crate) fn at(path: PathBuf) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// The installation key; made at the first call.
    pub(crate) fn key(&self) -> Result<Arc<dyn PopKey>, Box<dyn std::error::Error>> {
        let file = FileStore::new(self.0.join("installation.key"));
        let key = match file.load()? {
            Some(scalar) => SoftwareKey::from_scalar(&scalar)?,
            None => {
                let key = SoftwareKey::generate()?;
                file.save(&*key.scalar())?;
                key
            }
        };
        Ok(Arc::new(key))
    }

    pub(crate) fn tokens(&self) -> Arc<dyn TokenStore> {
        Arc::new(FileStore::new(self.0.join("tokens.json")))
    }

    /// The file of a machine's reserved sender numbers.
    pub(crate) fn numbers(&self) -> PathBuf {
        self.0.join("sender-number")
    }

    pub(crate) fn remember(&self, server: &Server) -> Result<(), Box<dyn std::error::Error>> {
        let certificate = server.certificate.clone().map(String::from_utf8).transpose()?;
        let remembered = Remembered { issuer: server.issuer.clone(), client_id: server.client_id.clone(), certificate };
        Ok(fs::write(self.0.join("server.json"), serde_json::to_vec_pretty(&remembered)?)?)
    }

    pub(crate) fn server(&self) -> Result<Server, Box<dyn std::error::Error>> {
        let remembered = fs::read(self.0.join("server.json")).map_err(|_| "sign in first")?;
        let Remembered { issuer, client_id, certificate } = serde_json::from_slice(&remembered)?;
        Ok(Server { issuer, client_id, certificate: certificate.map(String::into_bytes) })
    }
}
