//! Secrets that nobody ever sends: the keys of an OSCORE context, and the verifier behind a challenge of PKCE. Written down here
//! once more, apart from the programs that are looked at.

#![allow(clippy::expect_used)]

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchwork_building::sniffer::Upload;
use latchwork_crypto::{RustCrypto, hkdf_sha256_expand, hkdf_sha256_extract};
use sha2::{Digest as _, Sha256};

/// Both keys and the Common IV of an OSCORE context without an ID Context (RFC 8613 §3.2.1), by what they are.
///
/// # Panics
/// A name or the salt is too long for this short CBOR.
#[must_use]
pub fn oscore(master_secret: &[u8], master_salt: &[u8], names: [&[u8]; 2]) -> [(&'static str, Vec<u8>); 3] {
    let prk = hkdf_sha256_extract(&RustCrypto, master_salt, master_secret).expect("software does not fail");
    let expand = |name: &[u8], kind: &str, length: u8| {
        // [id, id_context: nil, alg_aead: AES-CCM-16-64-128, type, L]
        let mut info = vec![0x85];
        info.extend(byte_string(name));
        info.extend([0xf6, 10, 0x60 | u8::try_from(kind.len()).expect("short")]);
        info.extend(kind.as_bytes());
        info.push(length);
        let mut key = vec![0; length.into()];
        hkdf_sha256_expand(&RustCrypto, &prk, &info, &mut key).expect("software does not fail");
        key
    };
    let [one, other] = names;
    [
        ("OSCORE key", expand(one, "Key", 16)),
        ("OSCORE key", expand(other, "Key", 16)),
        ("Common IV", expand(b"", "IV", 13)),
    ]
}

/// The same for the context that follows an upload (RFC 9203 §4.3).
#[must_use]
pub fn oscore_of(upload: &Upload, master_secret: &[u8], salt: &[u8]) -> [(&'static str, Vec<u8>); 3] {
    let master_salt = [byte_string(salt), byte_string(&upload.phone.0), byte_string(&upload.lock.0)].concat();
    oscore(master_secret, &master_salt, [&upload.phone.1, &upload.lock.1])
}

/// The verifiers in a log of challenges that were seen (RFC 7636 §4.2).
///
/// Whatever could be one is hashed. Ours have the alphabet of base64url alone.
#[must_use]
pub fn verifiers_in(log: &[u8], challenges: &BTreeSet<String>) -> Vec<String> {
    let words = log.split(|byte| !byte.is_ascii_alphanumeric() && !b"-_".contains(byte));
    let long = words.filter(|word| (43..=128).contains(&word.len()));
    let is_one = |word: &&[u8]| challenges.contains(&URL_SAFE_NO_PAD.encode(Sha256::digest(word)));
    long.filter(is_one).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

fn byte_string(bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).expect("short");
    let head = if length < 24 { vec![0x40 | length] } else { vec![0x58, length] };
    [&head, bytes].concat()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::secrets::from_hex;

    /// RFC 8613, Appendix C.1.1.
    #[test]
    fn the_keys_are_those_of_the_rfc() {
        let hex = |text| from_hex(text).unwrap();
        let secret = hex("0102030405060708090a0b0c0d0e0f10");
        let keys = oscore(&secret, &hex("9e7ca92223786340"), [b"", &[1]]);
        let expected =
            ["f0910ed7295e6ad4b54fc793154302ff", "ffb14e093c94c9cac9471648b4f98710", "4622d4dd6d944168eefb54987c"];
        assert_eq!(keys.map(|(_, key)| key), expected.map(hex));
    }

    /// RFC 9203 §4.3, with lengths of its example.
    #[test]
    fn salt_and_nonces_are_byte_strings() {
        let upload = Upload { token: vec![], phone: (vec![1; 8], vec![2]), lock: (vec![3; 24], vec![4]) };
        let salt = [&[0x42, 9, 9, 0x48][..], &[1; 8], &[0x58, 24], &[3; 24]].concat();
        assert_eq!(oscore_of(&upload, b"0123456789abcdef", &[9, 9]), oscore(b"0123456789abcdef", &salt, [&[2], &[4]]));
    }

    /// RFC 7636, Appendix B.
    #[test]
    fn a_verifier_is_found_by_its_challenge() {
        let challenges = ["E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned()].into();
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        for told in [format!("code_verifier={verifier}&"), format!("Verifier({verifier:?})"), verifier.to_owned()] {
            assert_eq!(verifiers_in(format!("TRACE {told}").as_bytes(), &challenges), [verifier], "{told}");
        }
        let other = verifier.replace('d', "e");
        assert!(verifiers_in(other.as_bytes(), &challenges).is_empty());
        assert!(verifiers_in(b"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", &challenges).is_empty());
    }
}
