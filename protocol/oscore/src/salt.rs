use latchwork_cbor::{Full, Writer};

/// The Master Salt of the OSCORE profile: input salt and both nonces, each as a CBOR byte string (RFC 9203 §4.3).
/// No input salt is the empty one, `0x40`.
///
/// ```
/// let mut out = [0; 64];
/// let salt = latchwork_oscore::master_salt(&[], &[1, 2], &[3], &mut out).unwrap();
/// assert_eq!(salt, [0x40, 0x42, 1, 2, 0x41, 3]);
/// ```
pub fn master_salt<'o>(
    salt: &[u8],
    nonce1: &[u8],
    nonce2: &[u8],
    out: &'o mut [u8],
) -> Result<&'o [u8], Full> {
    let mut cbor = Writer::new(out);
    cbor.bytes(salt)?.bytes(nonce1)?.bytes(nonce2)?;
    Ok(cbor.finish())
}
