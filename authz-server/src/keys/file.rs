//! Keys in files: 32 bytes sealed under the key-encryption key, or in hexadecimal as servers before wrote them.

use std::fs;
use std::path::Path;

use p256::pkcs8::DecodePrivateKey;
use zeroize::Zeroizing;

use super::seal::StorageKey;
use super::{Ed25519Signer, Kek, Key32, KeyError, Keys, P256Signer};
use crate::core::bytes::{base64url, from_base64url};
use crate::core::rotation::Purpose;
use crate::files;

/// What a file says of a key: sealed for the file's own name, so that two cannot be exchanged.
pub(super) fn sealed(kek: &StorageKey, name: &str, key: &Key32) -> Result<Zeroizing<String>, KeyError> {
    Ok(Zeroizing::new(format!("{SEALED}{}\n", base64url(&kek.seal(&place(name), key.expose())?))))
}

/// Reads a key. `opened` keeps the key-encryption key for the next file; nobody asks for it before a file needs it.
pub(super) fn read_key(dir: &Path, name: &str, kek: &Kek, opened: &mut Option<StorageKey>) -> Result<Key32, KeyError> {
    let file = dir.join(name);
    let text = read(&file)?;
    let content = || KeyError::Content { file: file.clone() };
    let Some(sealed) = text.trim().strip_prefix(SEALED) else { return from_hex(&text).ok_or_else(content) };
    let sealed = from_base64url(sealed).ok_or_else(content)?;
    let kek = match opened {
        Some(kek) => kek,
        None => opened.insert(kek.open(dir)?),
    };
    let bytes = kek.open(&place(name), &sealed).map_err(|_| KeyError::Kek { file: file.clone() })?;
    <[u8; 32]>::try_from(bytes.as_slice()).map(Key32::from).map_err(|_| content())
}

/// Writes the files anew, under `kek` or, with `None`, in the clear: to give them another key-encryption key. Each is replaced whole.
///
/// # Errors
/// A file cannot be read or written.
pub fn reseal(dir: &Path, keys: &Keys, kek: Option<&Kek>) -> Result<(), KeyError> {
    let kek = kek.map(|kek| kek.make(dir)).transpose()?;
    for (name, key) in keys.files() {
        let text = match &kek {
            Some(kek) => sealed(kek, name, key)?,
            None => hex(key),
        };
        let failed = |cause| KeyError::File { file: dir.join(name), cause };
        let new = dir.join(format!("{name}.new"));
        if new.exists() {
            fs::remove_file(&new).map_err(failed)?;
        }
        files::create_secret(&new, text.as_bytes()).map_err(failed)?;
        fs::rename(&new, dir.join(name)).and_then(|()| files::sync_dir(dir)).map_err(failed)?;
    }
    Ok(())
}

/// The private bytes of the signing keys that servers before kept as `es256.pem`, `eddsa.pem` and `jwt.pem`, each purpose's
/// retired ones first.
///
/// # Errors
/// A file is there and cannot be read.
pub fn legacy(dir: &Path, purpose: Purpose) -> Result<Vec<Key32>, KeyError> {
    let stem = match purpose {
        Purpose::Es256 => "es256",
        Purpose::Eddsa => "eddsa",
        Purpose::Api => "jwt",
    };
    let failed = |cause| KeyError::File { file: dir.to_owned(), cause };
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        names.extend(name.to_str().filter(|name| name.ends_with(".pem")).map(str::to_owned));
    }
    names.retain(|name| name == &format!("{stem}.pem") || name.starts_with(&format!("{stem}-")));
    // `es256-2026.pem` before `es256.pem`: '-' comes before '.'.
    names.sort();
    names.iter().map(|name| pem(&dir.join(name), purpose)).collect()
}

fn pem(file: &Path, purpose: Purpose) -> Result<Key32, KeyError> {
    let bad = || KeyError::Content { file: file.to_owned() };
    let text = read(file)?;
    match purpose {
        Purpose::Es256 | Purpose::Api => {
            let key = p256::SecretKey::from_pkcs8_pem(&text).map_err(|_| bad())?;
            Ok(P256Signer::new(key).map_err(|_| bad())?.secret_bytes())
        }
        Purpose::Eddsa => {
            let key = ed25519_dalek::SigningKey::from_pkcs8_pem(&text).map_err(|_| bad())?;
            Ok(Ed25519Signer::new(key).map_err(|_| bad())?.secret_bytes())
        }
    }
}

pub(super) fn write(file: &Path, text: &str) -> Result<(), KeyError> {
    files::create_secret(file, text.as_bytes()).map_err(|cause| KeyError::File { file: file.to_owned(), cause })
}

pub(super) fn read(file: &Path) -> Result<Zeroizing<String>, KeyError> {
    let failed = |cause| KeyError::File { file: file.to_owned(), cause };
    let mode = files::mode(file).map_err(failed)?;
    if mode & 0o077 != 0 {
        return Err(KeyError::Open { file: file.to_owned(), mode });
    }
    fs::read_to_string(file).map(Zeroizing::new).map_err(failed)
}

/// 64 hexadecimal digits, and space around them.
pub(super) fn from_hex(text: &str) -> Option<Key32> {
    let (pairs, rest) = text.trim().as_bytes().as_chunks::<2>();
    let mut key = Zeroizing::new([0_u8; 32]);
    if pairs.len() != key.len() || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in key.iter_mut().zip(pairs) {
        let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
        *byte = u8::try_from(high? << 4 | low?).ok()?;
    }
    Some(Key32(key))
}

pub(super) fn hex(key: &Key32) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(65));
    for byte in key.expose() {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(nibble.into(), 16).unwrap_or_default());
        }
    }
    text.push('\n');
    text
}

fn place(name: &str) -> String {
    format!("file {name}")
}

const SEALED: &str = "sealed:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_servers_before_still_open_and_can_be_sealed_and_unsealed() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (Kek::File(dir.path().join("one")), Kek::File(dir.path().join("two")));
        let made = Keys::create(dir.path(), &one).unwrap();
        let same = |kek: &Kek| {
            let read = Keys::load(dir.path(), kek).unwrap();
            read.files().iter().zip(made.files()).all(|((_, read), (_, made))| read.expose() == made.expose())
        };
        reseal(dir.path(), &made, None).unwrap();
        assert!(fs::read_to_string(dir.path().join("storage.key")).unwrap().len() == 65, "as servers before wrote it");
        assert!(same(&Kek::File(dir.path().join("nowhere"))), "in the clear no key-encryption key is asked for");
        reseal(dir.path(), &made, Some(&two)).unwrap();
        assert!(same(&two));
        one.make(dir.path()).unwrap();
        assert!(matches!(Keys::load(dir.path(), &one), Err(KeyError::Kek { .. })));
    }

    #[test]
    fn what_cannot_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let kek = Kek::File(dir.path().join("kek"));
        Keys::create(dir.path(), &kek).unwrap();
        let storage = dir.path().join("storage.key");
        let text = fs::read_to_string(&storage).unwrap();
        let swapped = fs::read_to_string(dir.path().join("refresh.key")).unwrap();
        let flipped = text.replacen("sealed:", "sealed:A", 1);
        for (content, fits) in [
            (text.as_str(), None),
            ("sealed:", Some("kek")),
            ("sealed:!", Some("content")),
            (&flipped[..text.len()], Some("kek")),
            (&swapped, Some("kek")),
            ("00", Some("content")),
            (&"0g".repeat(32), Some("content")),
            ("", Some("content")),
        ] {
            fs::write(&storage, content).unwrap();
            let found = match Keys::load(dir.path(), &kek) {
                Ok(_) => None,
                Err(KeyError::Kek { .. }) => Some("kek"),
                Err(KeyError::Content { .. }) => Some("content"),
                Err(other) => panic!("{content}: {other}"),
            };
            assert_eq!(found, fits, "{content}");
        }
        fs::remove_file(dir.path().join("kek")).unwrap();
        fs::write(&storage, &text).unwrap();
        assert!(matches!(Keys::load(dir.path(), &kek), Err(KeyError::File { .. })), "no key-encryption key");
    }

    #[test]
    fn signing_keys_of_servers_before() {
        use p256::pkcs8::EncodePrivateKey as _;
        let dir = tempfile::tempdir().unwrap();
        let keys: Vec<_> = (1..=3).map(|seed| p256::SecretKey::from_slice(&[seed; 32]).unwrap()).collect();
        for (name, key) in ["es256.pem", "es256-2026.pem", "jwt.pem"].iter().zip(&keys) {
            let pem = key.to_pkcs8_pem(p256::pkcs8::LineEnding::LF).unwrap();
            files::create_secret(&dir.path().join(name), pem.as_bytes()).unwrap();
        }
        let found =
            |purpose| -> Vec<u8> { legacy(dir.path(), purpose).unwrap().iter().map(|key| key.expose()[0]).collect() };
        assert_eq!(found(Purpose::Es256), [2, 1], "the retired one first");
        assert_eq!(found(Purpose::Api), [3]);
        assert_eq!(found(Purpose::Eddsa), [0_u8; 0]);
    }
}
