//! The directory that stands for the phone's storage.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
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
        let path = self.0.join("installation.key");
        let key = match fs::read(&path) {
            Ok(scalar) => SoftwareKey::from_scalar(&scalar)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let key = SoftwareKey::generate()?;
                write_private(&path, key.scalar().as_slice())?;
                key
            }
            Err(error) => return Err(error.into()),
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

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::File::options().write(true).create_new(true).mode(0o600).open(path)?;
    io::Write::write_all(&mut file, bytes)?;
    file.sync_all()
}
