//! The server's own key in EDHOC (RFC 9528): static Diffie-Hellman on P-256, and the credential that clients know it by.

use std::path::Path;

use latchwork_crypto::{P256Private, P256Public, Secret};

use super::{EDHOC, Kek, Key32, KeyError, Public, file};

/// The key. It agrees and never signs (RFC 9528 §9.2).
pub struct EdhocKey {
    secret: Key32,
    private: P256Private,
    ccs: Vec<u8>,
}

impl EdhocKey {
    pub(super) fn random() -> Result<Self, KeyError> {
        // A scalar of zero or past the order of the curve comes once in 2^32 tries.
        (0..4).find_map(|_| Key32::random().ok().and_then(Self::new)).ok_or(KeyError::Random)
    }

    pub(super) fn read(dir: &Path, secret: Key32) -> Result<Self, KeyError> {
        Self::new(secret).ok_or_else(|| KeyError::Content { file: dir.join(EDHOC) })
    }

    fn new(secret: Key32) -> Option<Self> {
        let private = P256Private::new(Secret::new(*secret.expose())).ok()?;
        let P256Public { x, y } = private.public().ok()?;
        let ccs = crate::core::edhoc::ccs(&Public::P256 { x, y }.kid(), &x, &y)?.0;
        Some(Self { secret, private, ccs })
    }

    /// Makes the file in a directory that has none.
    ///
    /// # Errors
    /// See [`KeyError`]; a file that is there is not replaced.
    pub fn create(dir: &Path, kek: &Kek) -> Result<Self, KeyError> {
        let key = Self::random()?;
        file::write(&dir.join(EDHOC), &file::sealed(&kek.make(dir)?, EDHOC, &key.secret)?)?;
        Ok(key)
    }

    /// What clients know the server by: a CCS, named by the first 8 bytes of the key's thumbprint.
    #[must_use]
    pub fn ccs(&self) -> &[u8] {
        &self.ccs
    }

    /// The private half.
    #[must_use]
    pub fn private(&self) -> &P256Private {
        &self.private
    }

    pub(super) fn secret(&self) -> &Key32 {
        &self.secret
    }
}
