//! The server's own keys: files of mode 0600 in `keys/`, made once by `init`, read once by `serve`.
//!
//! | file | what for |
//! |---|---|
//! | `es256.pem`, `eddsa.pem` | sign CWTs; `es256-*.pem` and `eddsa-*.pem` beside them are retired: published, never used |
//! | `jwt.pem` | signs the JWTs of our own API |
//! | `storage.key` | seals lock keys and OSCORE secrets in the store |
//! | `secrets.key` | keys the hash of client secrets |
//! | `pairwise.key` | makes `sub` different for each audience |
//! | `refresh.key` | makes a refresh token's successor |

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use p256::pkcs8::{DecodePrivateKey, EncodePrivateKey, LineEnding};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::files;

pub mod seal;
mod signer;

pub use signer::{Ed25519Signer, P256Signer};

/// A signature algorithm of the server's own tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alg {
    /// ECDSA on P-256 with SHA-256; COSE -7.
    Es256,
    /// Ed25519; COSE -8.
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

/// Something that signs: a file's key now, a hardware module later.
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
    /// Signs CWTs with ES256.
    pub es256: P256Signer,
    /// Signs CWTs with EdDSA.
    pub eddsa: Ed25519Signer,
    /// Signed CWTs once; published until their tokens have ended.
    pub retired: Vec<Public>,
    /// Signs JWTs for `ISSUER/api/v1`, with ES256.
    pub jwt: P256Signer,
    /// Seals what the store keeps secret.
    pub storage: seal::StorageKey,
    /// Keys the hash of client secrets.
    pub secrets: Key32,
    /// Keys `sub`.
    pub pairwise: Key32,
    /// Keys the succession of refresh tokens.
    pub refresh: Key32,
}

impl Keys {
    /// New keys, in memory only: for tests, and for `init` to write.
    pub fn random() -> Result<Self, KeyError> {
        Ok(Self {
            es256: P256Signer::random()?,
            eddsa: Ed25519Signer::random()?,
            retired: Vec::new(),
            jwt: P256Signer::random()?,
            storage: Key32::random()?.into(),
            secrets: Key32::random()?,
            pairwise: Key32::random()?,
            refresh: Key32::random()?,
        })
    }

    /// The signer of CWTs for `alg`.
    #[must_use]
    pub fn signer(&self, alg: Alg) -> &dyn Signer {
        match alg {
            Alg::Es256 => &self.es256,
            Alg::EdDsa => &self.eddsa,
        }
    }

    /// What `/keys` publishes: the keys in use, then the retired ones.
    pub fn published(&self) -> impl Iterator<Item = Public> {
        [self.es256.public(), self.eddsa.public()].into_iter().chain(self.retired.iter().copied())
    }

    /// Makes and writes all keys. Refuses to replace a file.
    pub fn create(dir: &Path) -> Result<Self, KeyError> {
        let keys = Self::random()?;
        for (name, pem) in
            [("es256.pem", keys.es256.to_pem()?), ("eddsa.pem", keys.eddsa.to_pem()?), ("jwt.pem", keys.jwt.to_pem()?)]
        {
            write(&dir.join(name), pem.as_bytes())?;
        }
        for (name, key) in [
            ("storage.key", keys.storage.key()),
            ("secrets.key", &keys.secrets),
            ("pairwise.key", &keys.pairwise),
            ("refresh.key", &keys.refresh),
        ] {
            write(&dir.join(name), hex(key.expose()).as_bytes())?;
        }
        Ok(keys)
    }

    /// Reads what [`create`](Self::create) wrote. Refuses a file that others can read.
    pub fn load(dir: &Path) -> Result<Self, KeyError> {
        Ok(Self {
            es256: P256Signer::from_pem(&dir.join("es256.pem"))?,
            eddsa: Ed25519Signer::from_pem(&dir.join("eddsa.pem"))?,
            retired: retired(dir)?,
            jwt: P256Signer::from_pem(&dir.join("jwt.pem"))?,
            storage: key32(&dir.join("storage.key"))?.into(),
            secrets: key32(&dir.join("secrets.key"))?,
            pairwise: key32(&dir.join("pairwise.key"))?,
            refresh: key32(&dir.join("refresh.key"))?,
        })
    }
}

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

fn retired(dir: &Path) -> Result<Vec<Public>, KeyError> {
    let failed = |cause| KeyError::File { file: dir.to_owned(), cause };
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        files.push(entry.map_err(failed)?.path());
    }
    files.sort();
    let mut keys = Vec::new();
    for file in files {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !name.ends_with(".pem") {
            continue;
        }
        if name.starts_with("es256-") {
            keys.push(P256Signer::from_pem(&file)?.public());
        } else if name.starts_with("eddsa-") {
            keys.push(Ed25519Signer::from_pem(&file)?.public());
        }
    }
    Ok(keys)
}

fn write(file: &Path, content: &[u8]) -> Result<(), KeyError> {
    files::create_secret(file, content).map_err(|cause| KeyError::File { file: file.to_owned(), cause })
}

fn read(file: &Path) -> Result<Zeroizing<String>, KeyError> {
    let failed = |cause| KeyError::File { file: file.to_owned(), cause };
    let mode = files::mode(file).map_err(failed)?;
    if mode & 0o077 != 0 {
        return Err(KeyError::Open { file: file.to_owned(), mode });
    }
    fs::read_to_string(file).map(Zeroizing::new).map_err(failed)
}

fn key32(file: &Path) -> Result<Key32, KeyError> {
    let text = read(file)?;
    let bad = || KeyError::Content { file: file.to_owned() };
    let digits = text.trim();
    if digits.len() != 64 || !digits.is_ascii() {
        return Err(bad());
    }
    let mut key = Zeroizing::new([0_u8; 32]);
    for (byte, pair) in key.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| bad())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
    }
    Ok(Key32(key))
}

fn hex(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() * 2 + 1));
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(nibble.into(), 16).unwrap_or_default());
        }
    }
    text.push('\n');
    text
}

impl P256Signer {
    fn from_pem(file: &Path) -> Result<Self, KeyError> {
        let bad = || KeyError::Content { file: file.to_owned() };
        let key = p256::SecretKey::from_pkcs8_pem(&read(file)?).map_err(|_| bad())?;
        Self::new(key).map_err(|_| bad())
    }

    fn to_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        self.secret().to_pkcs8_pem(LineEnding::LF).map_err(|_| KeyError::Refused)
    }
}

impl Ed25519Signer {
    fn from_pem(file: &Path) -> Result<Self, KeyError> {
        let bad = || KeyError::Content { file: file.to_owned() };
        let key = ed25519_dalek::SigningKey::from_pkcs8_pem(&read(file)?).map_err(|_| bad())?;
        Self::new(key).map_err(|_| bad())
    }

    fn to_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        self.secret().to_pkcs8_pem(LineEnding::LF).map_err(|_| KeyError::Refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn come_back_as_they_were_and_publish_the_retired() {
        let dir = tempfile::tempdir().unwrap();
        let made = Keys::create(dir.path()).unwrap();
        assert!(matches!(Keys::create(dir.path()), Err(KeyError::File { .. })), "never replaces a key");
        let old = P256Signer::random().unwrap();
        files::create_secret(&dir.path().join("es256-2026.pem"), old.to_pem().unwrap().as_bytes()).unwrap();
        let read = Keys::load(dir.path()).unwrap();
        let published: Vec<_> = read.published().collect();
        assert_eq!(published, [made.es256.public(), made.eddsa.public(), old.public()]);
        assert_eq!(read.jwt.public(), made.jwt.public());
        for (read, made) in [
            (read.storage.key(), made.storage.key()),
            (&read.secrets, &made.secrets),
            (&read.pairwise, &made.pairwise),
            (&read.refresh, &made.refresh),
        ] {
            assert_eq!(read.expose(), made.expose());
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
