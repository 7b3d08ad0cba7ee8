//! What goes under the AEAD: info, nonce and AAD (RFC 8613 §3.2.1, §5.2, §5.4).

use latchwork_cbor::{Full, Writer};

use crate::{id::Id, piv::PartialIv};

/// AES-CCM-16-64-128, in the registry of COSE.
pub(crate) const ALG: i64 = 10;
pub(crate) const TAG_LEN: usize = 8;
pub(crate) const KEY_LEN: usize = 16;
pub(crate) const NONCE_LEN: usize = 13;

/// Room for `info` with the longest identifiers: 5 heads of at most 2 bytes, both identifiers, "Key" and numbers.
pub(crate) const INFO_LEN: usize = 64;
/// Room for the AAD: 12 fixed bytes, 7 of the array, both identifiers.
const AAD_LEN: usize = 12 + 7 + Id::MAX_LEN + PartialIv::MAX_LEN;

/// `info` for the key of `id`, or for the Common IV.
pub(crate) fn info<'b>(
    id: &[u8],
    id_context: Option<&[u8]>,
    kind: &str,
    length: usize,
    buf: &'b mut [u8; INFO_LEN],
) -> Result<&'b [u8], Full> {
    let mut cbor = Writer::new(buf);
    cbor.array(5)?.bytes(id)?;
    match id_context {
        Some(context) => cbor.bytes(context)?,
        None => cbor.null()?,
    };
    cbor.int(ALG)?.text(kind)?.uint(length as u64)?;
    Ok(cbor.finish())
}

/// The nonce made of a Partial IV and the identifier of whoever chose it.
pub(crate) fn nonce(common_iv: &[u8; NONCE_LEN], id: &Id, piv: &PartialIv) -> [u8; NONCE_LEN] {
    let mut nonce = *common_iv;
    let (head, number) = nonce.split_at_mut(NONCE_LEN - PartialIv::MAX_LEN);
    for (place, byte) in number.iter_mut().zip(piv.padded()) {
        *place ^= byte;
    }
    for (place, byte) in head.iter_mut().rev().zip(id.as_bytes().iter().rev()) {
        *place ^= byte;
    }
    let [size, ..] = &mut nonce;
    *size ^= id.as_bytes().len() as u8; // at most 7
    nonce
}

/// The AAD of a request and of every response to it: they are bound together by the request's kid and Partial IV.
pub(crate) struct Aad {
    buf: [u8; AAD_LEN],
    length: usize,
}

impl Aad {
    pub(crate) fn new(request_kid: &Id, request_piv: &PartialIv) -> Result<Self, Full> {
        let (kid, piv) = (request_kid.as_bytes(), request_piv.as_bytes());
        let mut buf = [0; AAD_LEN];
        let mut cbor = Writer::new(&mut buf);
        cbor.array(3)?.text("Encrypt0")?.bytes(&[])?;
        cbor.bytes_head(7 + kid.len() + piv.len())?; // the array of RFC 8613 §5.4, wrapped
        cbor.array(5)?.uint(1)?.array(1)?.int(ALG)?.bytes(kid)?.bytes(piv)?.bytes(&[])?;
        let length = cbor.len();
        Ok(Self { buf, length })
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.buf.get(..self.length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex;

    /// R8613-5.4-01
    #[test]
    fn aad_of_the_rfc() {
        for (kid, piv, aad) in [
            ("00", 0x25, "8368456e63727970743040498501810a4100412540"), // §5.4
            ("", 0x14, "8368456e63727970743040488501810a40411440"),     // C.4
            ("00", 0x14, "8368456e63727970743040498501810a4100411440"), // C.5
        ] {
            let made = Aad::new(&Id::new(&hex(kid)).unwrap(), &PartialIv::new(piv).unwrap()).unwrap();
            assert_eq!(made.as_bytes(), hex(aad), "{kid} {piv}");
        }
        let longest = Aad::new(&Id::new(&[1; 7]).unwrap(), &PartialIv::new(PartialIv::MAX).unwrap()).unwrap();
        assert_eq!(longest.as_bytes().len(), AAD_LEN);
    }

    /// R8613-3.1-01
    #[test]
    fn info_of_the_rfc() {
        let context = hex("37cbf3210017a2d3");
        for (id, id_context, kind, length, info) in [
            ("", None, "Key", 16, "8540f60a634b657910"), // C.1.1
            ("01", None, "Key", 16, "854101f60a634b657910"),
            ("", None, "IV", 13, "8540f60a6249560d"),
            ("", Some(&context[..]), "Key", 16, "85404837cbf3210017a2d30a634b657910"), // C.3.1
            ("01", Some(&context[..]), "Key", 16, "8541014837cbf3210017a2d30a634b657910"),
            ("", Some(&context[..]), "IV", 13, "85404837cbf3210017a2d30a6249560d"),
        ] {
            let mut buf = [0; INFO_LEN];
            assert_eq!(super::info(&hex(id), id_context, kind, length, &mut buf).unwrap(), hex(info));
        }
        assert!(super::info(&[1; 7], Some(&[2; 32]), "Key", 16, &mut [0; INFO_LEN]).is_ok());
    }

    /// R8613-5.2-01
    #[test]
    fn nonces_of_the_rfc() {
        for (iv, id, piv, nonce) in [
            ("4622d4dd6d944168eefb54987c", "", 0, "4622d4dd6d944168eefb54987c"), // C.1
            ("4622d4dd6d944168eefb54987c", "01", 0, "4722d4dd6d944169eefb54987c"),
            ("be35ae297d2dace910c52e99f9", "00", 0, "bf35ae297d2dace910c52e99f9"), // C.2
            ("be35ae297d2dace910c52e99f9", "01", 0, "bf35ae297d2dace810c52e99f9"),
            ("2ca58fb85ff1b81c0b7181b85e", "", 0, "2ca58fb85ff1b81c0b7181b85e"), // C.3
            ("2ca58fb85ff1b81c0b7181b85e", "01", 0, "2da58fb85ff1b81d0b7181b85e"),
            ("4622d4dd6d944168eefb54987c", "", 20, "4622d4dd6d944168eefb549868"), // C.4
            ("be35ae297d2dace910c52e99f9", "00", 20, "bf35ae297d2dace910c52e99ed"), // C.5
            ("00000000000000000000000000", "01020304050607", 0x0a0b0c0d0e, "07010203040506070a0b0c0d0e"),
        ] {
            let iv = hex(iv).try_into().unwrap();
            let made = super::nonce(&iv, &Id::new(&hex(id)).unwrap(), &PartialIv::new(piv).unwrap());
            assert_eq!(made[..], hex(nonce), "{id} {piv}");
        }
    }
}
