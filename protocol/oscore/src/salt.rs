//! The Master Salt of the OSCORE profile of ACE (RFC 9203 §4.3).

use latchwork_cbor::{Full, Writer};

/// The Master Salt of the OSCORE profile: input salt and both nonces, each as a CBOR byte string (RFC 9203 §4.3).
/// No input salt is the empty one, `0x40`.
///
/// ```
/// let mut out = [0; 64];
/// let salt = latchwork_oscore::master_salt(&[], &[1, 2], &[3], &mut out).unwrap();
/// assert_eq!(salt, [0x40, 0x42, 1, 2, 0x41, 3]);
/// ```
pub fn master_salt<'o>(salt: &[u8], nonce1: &[u8], nonce2: &[u8], out: &'o mut [u8]) -> Result<&'o [u8], Full> {
    let mut cbor = Writer::new(out);
    cbor.bytes(salt)?.bytes(nonce1)?.bytes(nonce2)?;
    Ok(cbor.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex;

    /// R9203-3-01, R9203-4.3-01
    #[test]
    fn salts_of_rfc_9203() {
        for (what, salt, expected) in [
            (
                "Figure 13 as printed; its input salt is the Master Secret of Figure 4",
                "f9af838368e353e78888e1426bd94e6f",
                "50f9af838368e353e78888e1426bd94e6f48018a278f7faab55a4825a8991cd700ac01",
            ),
            ("no input salt", "", "4048018a278f7faab55a4825a8991cd700ac01"),
        ] {
            let (nonce1, nonce2) = (hex("018a278f7faab55a"), hex("25a8991cd700ac01"));
            let mut out = [0; 64];
            assert_eq!(master_salt(&hex(salt), &nonce1, &nonce2, &mut out).unwrap(), hex(expected), "{what}");
            let short = &mut out[..hex(expected).len() - 1];
            assert_eq!(master_salt(&hex(salt), &nonce1, &nonce2, short), Err(Full), "{what}");
        }
    }
}
