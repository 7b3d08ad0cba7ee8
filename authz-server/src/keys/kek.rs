//! The key-encryption key, under which all other keys lie at rest: from a file, from the environment, or held by a hardware module.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::seal::StorageKey;
use super::{Key32, KeyError, file};

/// Where it comes from.
#[derive(Clone)]
pub enum Kek {
    /// A file of mode 0600 with 64 hexadecimal digits.
    File(PathBuf),
    /// 64 hexadecimal digits, from `LATCHWORK_KEYS_KEK`.
    Given(Given),
    /// A file that only an AES key inside a hardware module opens.
    Pkcs11(Pkcs11),
}

/// A key that was given as text.
#[derive(Clone)]
pub struct Given(Zeroizing<[u8; 32]>);

/// An AES key in a hardware module (PKCS#11 v2.40).
#[derive(Clone)]
pub struct Pkcs11 {
    /// The module's library.
    pub module: PathBuf,
    /// Which token.
    pub token: Token,
    /// The user's PIN.
    pub pin: Zeroizing<String>,
    /// `CKA_LABEL` of the key, which `init` makes where it is missing.
    pub label: String,
}

/// How a token is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// By its label.
    Label(String),
    /// By its slot's number.
    Slot(u64),
}

impl Kek {
    /// From text.
    #[must_use]
    pub fn given(text: &str) -> Option<Self> {
        file::from_hex(text).map(|key| Self::Given(Given(Zeroizing::new(*key.expose()))))
    }

    /// Opens it.
    ///
    /// # Errors
    /// It is not there, or not usable.
    pub fn open(&self, dir: &Path) -> Result<StorageKey, KeyError> {
        match self {
            Self::File(file) => {
                let key = file::from_hex(&file::read(file)?);
                key.map(StorageKey::from).ok_or_else(|| KeyError::Content { file: file.clone() })
            }
            Self::Given(Given(key)) => Ok(Key32::from(**key).into()),
            Self::Pkcs11(module) => unwrapped(module, &dir.join(WRAPPED)).map(StorageKey::from),
        }
    }

    /// Makes it where it is missing, and opens it.
    ///
    /// # Errors
    /// It cannot be made, or not opened.
    pub fn make(&self, dir: &Path) -> Result<StorageKey, KeyError> {
        match self {
            Self::File(at) if !at.exists() => file::write(at, &file::hex(&Key32::random()?))?,
            Self::Pkcs11(module) if !dir.join(WRAPPED).exists() => wrap(module, &dir.join(WRAPPED))?,
            _ => {}
        }
        self.open(dir)
    }
}

impl std::fmt::Debug for Kek {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(file) => write!(f, "{}", file.display()),
            Self::Given(_) => f.write_str("(given)"),
            Self::Pkcs11(Pkcs11 { module, token, label, .. }) => write!(f, "{} {token:?} {label}", module.display()),
        }
    }
}

/// The key that only the module opens.
const WRAPPED: &str = "kek.wrapped";

#[cfg(feature = "pkcs11")]
use super::pkcs11::{unwrapped, wrap};

#[cfg(not(feature = "pkcs11"))]
fn unwrapped(_: &Pkcs11, _: &Path) -> Result<Key32, KeyError> {
    Err(KeyError::Hardware("this build has no feature pkcs11".to_owned()))
}

#[cfg(not(feature = "pkcs11"))]
fn wrap(module: &Pkcs11, file: &Path) -> Result<(), KeyError> {
    unwrapped(module, file).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Keys;

    #[test]
    fn given_as_text() {
        let dir = tempfile::tempdir().unwrap();
        for (text, good) in [
            ("ab".repeat(32), true),
            (format!(" {}\n", "AB".repeat(32)), true),
            ("ab".repeat(31), false),
            ("xy".repeat(32), false),
            (String::new(), false),
        ] {
            assert_eq!(Kek::given(&text).is_some(), good, "{text}");
        }
        let (right, wrong) = (Kek::given(&"ab".repeat(32)).unwrap(), Kek::given(&"cd".repeat(32)).unwrap());
        Keys::create(dir.path(), &right).unwrap();
        assert!(Keys::load(dir.path(), &right).is_ok());
        assert!(matches!(Keys::load(dir.path(), &wrong), Err(KeyError::Kek { .. })));
        assert!(!format!("{right:?}").contains("ab"), "no Debug of a key");
    }
}
