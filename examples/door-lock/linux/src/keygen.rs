//! The lock's own key, for signed tokens.

use latchwork_ace::{Claims, Cnf, CoseKey};
use latchwork_crypto::{P256Private, Secret};
use latchwork_transport::edhoc::System;
use std::io::{Error, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use zeroize::Zeroizing;

/// Writes a new private key, in hex, and prints its credential.
#[allow(clippy::print_stdout)] // the credential is the output
pub(crate) fn keygen(path: &Path) -> std::io::Result<()> {
    let key = P256Private::generate(&mut System).map_err(Error::other)?;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", *hex(key.expose()))?;
    file.sync_all()?;
    println!("{}", *hex(&ccs(&key)?));
    Ok(())
}

/// Reads what [`keygen`] wrote. The error quotes nothing.
pub(crate) fn read(path: &Path) -> std::io::Result<P256Private> {
    let wrong = || Error::new(ErrorKind::InvalidData, "no private key as `door-lock keygen` writes it");
    let text = Zeroizing::new(std::fs::read_to_string(path)?);
    let digits = text.trim_end().as_bytes();
    let mut scalar = Secret::new([0; 32]);
    if digits.len() != 2 * scalar.expose().len() {
        return Err(wrong());
    }
    for (byte, pair) in scalar.expose_mut().iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *byte = match pair {
            [high, low] => digit(*high).zip(digit(*low)).map(|(high, low)| high << 4 | low).ok_or_else(wrong)?,
            _ => return Err(wrong()),
        };
    }
    P256Private::new(scalar).map_err(|_| wrong())
}

/// The credential of a key, always the same bytes: `{cnf: {COSE_Key: {..}}}` and no `sub`.
pub(crate) fn ccs(key: &P256Private) -> std::io::Result<Vec<u8>> {
    let public = key.public().map_err(Error::other)?;
    let key = CoseKey { kid: Some(KID), ..CoseKey::p256(&public.x, &public.y) };
    let claims = Claims { cnf: Some(Cnf::CoseKey(key)), ..Claims::default() };
    Ok(claims.encode(&mut [0; 96]).map_err(Error::other)?.to_vec())
}

fn hex(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What the lock calls its key in EDHOC. Every lock the same: to a client, which knows whom it talks to, that says enough, and to
/// everyone else nothing.
const KID: &[u8] = &[0];

#[cfg(test)]
mod tests {
    use super::*;
    use latchwork_edhoc::Credential;

    #[test]
    fn the_credential_reads_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock.key");
        keygen(&path).unwrap();
        let key = read(&path).unwrap();
        let ccs = ccs(&key).unwrap();
        let claims = Claims::decode(&ccs).unwrap();
        assert!(matches!(claims.cnf, Some(Cnf::CoseKey(_))), "{claims:?}");
        assert_eq!(claims.sub, None);
        assert_eq!(Credential::ccs(&ccs).unwrap().kid, Some(KID));
        assert!(keygen(&path).is_err(), "nothing is overwritten");
        for text in ["", "00", &"0".repeat(64), &"f".repeat(64), &"zz".repeat(32), &"0".repeat(66)] {
            std::fs::write(&path, text).unwrap();
            assert!(read(&path).is_err(), "{text}");
        }
    }
}
