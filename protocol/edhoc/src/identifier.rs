//! Byte strings that go as one-byte integers where they look like one (RFC 9528 §3.3.2), and the connection identifiers among them.

use core::fmt;

use latchwork_cbor::{Full, Kind, Reader, Writer};

use crate::{
    error::Error,
    item::{Item, bytes_len},
};

/// A connection identifier, C_I or C_R (RFC 9528 §3.3): at most 7 bytes, as OSCORE wants its identifiers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ConnectionId {
    bytes: [u8; Self::MAX_LEN],
    length: u8,
}

impl ConnectionId {
    /// What fits the nonce of AES-CCM-16-64-128 (RFC 8613 §3.3).
    pub const MAX_LEN: usize = 7;

    /// `None` if it is too long. The empty string is one.
    pub fn new(id: &[u8]) -> Option<Self> {
        let mut bytes = [0; Self::MAX_LEN];
        bytes.get_mut(..id.len())?.iter_mut().zip(id).for_each(|(to, from)| *to = *from);
        Some(Self { bytes, length: u8::try_from(id.len()).ok()? })
    }

    /// The byte string, which is also the Recipient ID of whoever chose it (RFC 9528 §3.3.3).
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// How it goes over the wire, also before an EDHOC message in CoAP (RFC 9528 Appendix A.2).
    pub fn read(cbor: &mut Reader<'_>) -> Result<Self, Error> {
        Self::new(read(cbor)?).ok_or(Error::Malformed)
    }

    /// The counterpart of [`read`](Self::read).
    pub fn write(&self, cbor: &mut Writer<'_>) -> Result<(), Full> {
        write(self.as_bytes(), cbor)
    }

    pub(crate) fn encoded(&self) -> Item {
        Item::written(|cbor| self.write(cbor))
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Takes the one encoding that the identifier has.
pub(crate) fn read<'b>(cbor: &mut Reader<'b>) -> Result<&'b [u8], Error> {
    let id = match cbor.peek()? {
        Kind::Bytes => cbor.bytes().map(|id| (id, !is_integer(id))),
        _ => cbor.item().map(|id| (id, is_integer(id))),
    };
    match id? {
        (id, true) => Ok(id),
        (_, false) => Err(Error::Malformed),
    }
}

pub(crate) fn write(id: &[u8], cbor: &mut Writer<'_>) -> Result<(), Full> {
    if is_integer(id) { cbor.raw(id) } else { cbor.bytes(id) }.map(drop)
}

pub(crate) fn encoded_len(id: &[u8]) -> usize {
    if is_integer(id) { 1 } else { bytes_len(id.len()) }
}

/// Whether the bytes are the encoding of one of -24..=23.
fn is_integer(id: &[u8]) -> bool {
    matches!(id, [0x00..=0x17 | 0x20..=0x37])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex;
    use std::format;

    #[test]
    fn one_encoding_each() {
        // RFC 9528 §3.3.2, and the edges of its intervals.
        for (id, wire) in [
            ("21", "21"),
            ("0d", "0d"),
            ("18", "4118"),
            ("38", "4138"),
            ("abcd", "42abcd"),
            ("ff", "41ff"),
            ("", "40"),
            ("00", "00"),
            ("17", "17"),
            ("20", "20"),
            ("37", "37"),
            ("1f", "411f"),
            ("01020304050607", "4701020304050607"),
        ] {
            let id = ConnectionId::new(&hex(id)).unwrap();
            assert_eq!(id.encoded().as_bytes(), hex(wire), "{id:?}");
            assert_eq!(encoded_len(id.as_bytes()), id.encoded().len(), "{id:?}");
            let wire = hex(wire);
            let mut cbor = Reader::new(&wire);
            assert_eq!(ConnectionId::read(&mut cbor), Ok(id));
            cbor.end().unwrap();
        }
        assert_eq!(format!("{:?}", ConnectionId::new(&[0, 0xab]).unwrap()), "0x00ab");
    }

    #[test]
    fn no_other_encoding() {
        for wire in ["4121", "410d", "4100", "4137", "1818", "3818", "60", "80", "a0", "f5", "480102030405060708", ""] {
            assert_eq!(ConnectionId::read(&mut Reader::new(&hex(wire))), Err(Error::Malformed), "{wire}");
        }
    }
}
