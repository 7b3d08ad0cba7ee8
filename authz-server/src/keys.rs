//! The server's own keys. Those that never change are files of mode 0600 in `keys/`, made once by `init`, read once by `serve`,
//! sealed under the key-encryption key ([`kek`]). Those that sign change on a schedule and lie in the store, sealed by
//! `storage.key`; [`ring`] holds them ready.
//!
//! | file | what for |
//! |---|---|
//! | `storage.key` | seals signing keys, lock keys and OSCORE secrets in the store |
//! | `secrets.key` | keys the hash of client secrets |
//! | `pairwise.key` | makes `sub` different for each audience |
//! | `refresh.key` | makes a refresh token's successor |
//! | `edhoc.key` | the static Diffie-Hellman key of EDHOC over CoAP; without it the server does not speak EDHOC |

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::core::rotation::Purpose;
use crate::core::time::Timestamp;

mod edhoc;
mod file;
pub mod kek;
#[cfg(feature = "pkcs11")]
mod pkcs11;
pub mod ring;
pub mod seal;
mod signer;

pub use edhoc::EdhocKey;
pub use file::{legacy, reseal};
pub use kek::Kek;
pub use ring::Ring;
pub use signer::{Ed25519Signer, P256Signer};

/// A signature algorithm of the server's own tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Alg {
    /// ECDSA on P-256 with SHA-256; COSE -7.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519; COSE -8.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Alg {
    /// The name in JOSE and in our configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// What its signing keys are for.
    #[must_use]
    pub fn purpose(self) -> Purpose {
        match self {
            Self::Es256 => Purpose::Es256,
            Self::EdDsa => Purpose::Eddsa,
        }
    }

    /// The number in COSE.
    #[must_use]
    pub fn cose(self) -> i32 {
        match self {
            Self::Es256 => -7,
            Self::EdDsa => -8,
        }
    }
}

/// The half of a key that everybody may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Public {
    /// A point on P-256, affine.
    P256 {
        /// Big-endian.
        x: [u8; 32],
        /// Big-endian.
        y: [u8; 32],
    },
    /// A point on Ed25519, compressed.
    Ed25519 {
        /// RFC 8032 §5.1.2.
        x: [u8; 32],
    },
}

impl Public {
    /// The algorithm it verifies.
    #[must_use]
    pub fn alg(&self) -> Alg {
        match self {
            Self::P256 { .. } => Alg::Es256,
            Self::Ed25519 { .. } => Alg::EdDsa,
        }
    }

    /// The first 8 bytes of the COSE Key Thumbprint (RFC 9679): the `kid` in our tokens.
    #[must_use]
    pub fn kid(&self) -> [u8; 8] {
        let mut hash = Sha256::new();
        match self {
            Self::P256 { x, y } => {
                hash.update([0xa4, 0x01, 0x02, 0x20, 0x01, 0x21, 0x58, 0x20]);
                hash.update(x);
                hash.update([0x22, 0x58, 0x20]);
                hash.update(y);
            }
            Self::Ed25519 { x } => {
                hash.update([0xa3, 0x01, 0x01, 0x20, 0x06, 0x21, 0x58, 0x20]);
                hash.update(x);
            }
        }
        let digest: [u8; 32] = hash.finalize().into();
        digest.first_chunk().copied().unwrap_or_default()
    }
}

/// Something that signs.
pub trait Signer: Send + Sync {
    /// The algorithm.
    fn alg(&self) -> Alg;
    /// The key's name in a token.
    fn kid(&self) -> [u8; 8];
    /// What verifies the signatures.
    fn public(&self) -> Public;
    /// 64 bytes: `r || s` (RFC 9053 §2.1) or `R || S` (RFC 8032 §5.1.6).
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError>;
}

/// 32 random bytes that key a MAC or an AEAD.
pub struct Key32(Zeroizing<[u8; 32]>);

impl Key32 {
    /// From the operating system's randomness.
    pub fn random() -> Result<Self, KeyError> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(key.as_mut()).map_err(|_| KeyError::Random)?;
        Ok(Self(key))
    }

    /// The bytes, for the primitive that takes them.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Key32 {
    fn from(key: [u8; 32]) -> Self {
        Self(Zeroizing::new(key))
    }
}

impl fmt::Debug for Key32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key32")
    }
}

/// All of them.
pub struct Keys {
    /// Sign CWTs and JWTs.
    pub signing: Ring,
    /// Seals what the store keeps secret.
    pub storage: seal::StorageKey,
    /// Keys the hash of client secrets.
    pub secrets: Key32,
    /// Keys `sub`.
    pub pairwise: Key32,
    /// Keys the succession of refresh tokens.
    pub refresh: Key32,
    /// The server's own key in EDHOC; a directory that was made before there was one has none.
    pub edhoc: Option<EdhocKey>,
}

impl Keys {
    /// New keys, in memory only, with one that signs for each purpose: for tests.
    pub fn random() -> Result<Self, KeyError> {
        let keys = Self::fresh()?;
        keys.signing.replace(Purpose::ALL.map(ring::Held::first).into_iter().collect::<Result<_, _>>()?);
        Ok(keys)
    }

    /// Makes and writes the files, sealed under `kek`, which is made where it is missing. Refuses to replace a file.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn create(dir: &Path, kek: &Kek) -> Result<Self, KeyError> {
        let keys = Self::fresh()?;
        let kek = kek.make(dir)?;
        for (name, key) in keys.files() {
            file::write(&dir.join(name), &file::sealed(&kek, name, key)?)?;
        }
        Ok(keys)
    }

    /// Reads what [`create`](Self::create) wrote. Refuses a file that others can read. The ring is empty: the store has the rest.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn load(dir: &Path, kek: &Kek) -> Result<Self, KeyError> {
        let mut opened = None;
        let mut key = |name| file::read_key(dir, name, kek, &mut opened);
        Ok(Self {
            storage: key(STORAGE)?.into(),
            secrets: key(SECRETS)?,
            pairwise: key(PAIRWISE)?,
            refresh: key(REFRESH)?,
            edhoc: if dir.join(EDHOC).exists() { Some(EdhocKey::read(dir, key(EDHOC)?)?) } else { None },
            signing: Ring::default(),
        })
    }

    /// The signer of CWTs for `alg`.
    ///
    /// # Errors
    /// There is none.
    pub fn signer(&self, alg: Alg, now: Timestamp) -> Result<Arc<dyn Signer>, KeyError> {
        self.signing.signer(alg.purpose(), now)
    }

    /// The signer of JWTs for `ISSUER/api/v1`.
    ///
    /// # Errors
    /// There is none.
    pub fn api_signer(&self, now: Timestamp) -> Result<Arc<dyn Signer>, KeyError> {
        self.signing.signer(Purpose::Api, now)
    }

    /// What verifies CWTs: the keys that sign, that will, and that did while their tokens live.
    #[must_use]
    pub fn published(&self, now: Timestamp) -> Vec<Public> {
        let mut keys = self.signing.published(Purpose::Es256, now);
        keys.extend(self.signing.published(Purpose::Eddsa, now));
        keys
    }

    /// What verifies JWTs for `ISSUER/api/v1`.
    #[must_use]
    pub fn api_published(&self, now: Timestamp) -> Vec<Public> {
        self.signing.published(Purpose::Api, now)
    }

    fn fresh() -> Result<Self, KeyError> {
        Ok(Self {
            signing: Ring::default(),
            storage: Key32::random()?.into(),
            secrets: Key32::random()?,
            pairwise: Key32::random()?,
            refresh: Key32::random()?,
            edhoc: Some(EdhocKey::random()?),
        })
    }

    fn files(&self) -> Vec<(&'static str, &Key32)> {
        let mut files = vec![
            (STORAGE, self.storage.key()),
            (SECRETS, &self.secrets),
            (PAIRWISE, &self.pairwise),
            (REFRESH, &self.refresh),
        ];
        files.extend(self.edhoc.as_ref().map(|key| (EDHOC, key.secret())));
        files
    }
}

const STORAGE: &str = "storage.key";
const SECRETS: &str = "secrets.key";
const PAIRWISE: &str = "pairwise.key";
const REFRESH: &str = "refresh.key";
const EDHOC: &str = "edhoc.key";

/// A key that cannot be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("{}: {cause}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// Others than its owner may read it.
    #[error("{}: others can read this key (mode {mode:03o}); it must have mode 600", file.display())]
    Open {
        /// The file.
        file: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Its content is no key of this kind.
    #[error("{}: this is not a key of the expected kind", file.display())]
    Content {
        /// The file.
        file: PathBuf,
    },
    /// It is sealed under another key-encryption key, or is another file's content.
    #[error("{}: the key-encryption key of keys.kek… does not open it", file.display())]
    Kek {
        /// The file.
        file: PathBuf,
    },
    /// The hardware module refused, or is not there.
    #[error("PKCS#11: {0}")]
    Hardware(String),
    /// Nothing signs for this purpose.
    #[error("there is no {0} signing key")]
    NoSigner(Purpose),
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    Random,
    /// The cryptographic library refused.
    #[error("the cryptographic library refused")]
    Refused,
    /// A sealed value was not sealed by this key for this place.
    #[error("a sealed value does not open: another storage.key sealed it, or it was moved")]
    Sealed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn come_back_as_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let kek = Kek::File(dir.path().join("kek.key"));
        let made = Keys::create(dir.path(), &kek).unwrap();
        assert!(matches!(Keys::create(dir.path(), &kek), Err(KeyError::File { .. })), "never replaces a key");
        let read = Keys::load(dir.path(), &kek).unwrap();
        for ((_, read), (name, made)) in read.files().into_iter().zip(made.files()) {
            assert_eq!(read.expose(), made.expose(), "{name}");
        }
        for (name, key) in made.files() {
            let text = std::fs::read_to_string(dir.path().join(name)).unwrap();
            assert!(!text.contains(&crate::core::bytes::hex(key.expose())), "{name} lies in the clear");
        }
    }

    /// The example of RFC 9679 §6, cut to 8 bytes.
    #[test]
    fn kid_is_a_thumbprint() {
        let hex = |text: &str| -> [u8; 32] {
            let bytes: Vec<_> = (0..32).map(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).unwrap()).collect();
            bytes.try_into().unwrap()
        };
        let key = Public::P256 {
            x: hex("65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d"),
            y: hex("1e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c"),
        };
        assert_eq!(key.kid(), [0x49, 0x6b, 0xd8, 0xaf, 0xad, 0xf3, 0x07, 0xe5]);
    }
}
