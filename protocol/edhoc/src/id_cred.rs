//! ID_CRED_I and ID_CRED_R (RFC 9528 §3.5.3): which credential, or the credential itself.

use latchwork_cbor::{Full, Kind, Reader, Writer};

use crate::{error::Error, identifier, item::Item};

/// A COSE header map that names or carries a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdCred<'i> {
    /// `{4: kid}`, which goes as the bare `kid` (§3.5.3.2). A `kid` need not be unique.
    Kid(&'i [u8]),
    /// `{14: CCS}`: a CWT Claims Set by value. Nothing vouches for it but the proof that the peer holds its key.
    Kccs(&'i [u8]),
    /// Any other header map, encoded: `x5t`, `kcwt`, several parameters.
    Other(&'i [u8]),
}

impl<'i> IdCred<'i> {
    pub(crate) fn read(cbor: &mut Reader<'i>) -> Result<Self, Error> {
        if cbor.peek()? != Kind::Map {
            return identifier::read(cbor).map(Self::Kid);
        }
        let whole = cbor.item()?;
        let mut map = Reader::new(whole);
        let entries = map.map()?;
        match (entries, map.item()?) {
            // A lone kid has another encoding.
            (1, KID) => Err(Error::Malformed),
            (1, KCCS) if map.peek()? == Kind::Map => Ok(Self::Kccs(map.item()?)),
            (1, KCCS) => Err(Error::Malformed),
            _ => Ok(Self::Other(whole)),
        }
    }

    /// As it stands in PLAINTEXT_2 and PLAINTEXT_3.
    pub(crate) fn write(&self, cbor: &mut Writer<'_>) -> Result<(), Full> {
        match self {
            Self::Kid(kid) => identifier::write(kid, cbor),
            _ => {
                let (head, rest) = self.map();
                cbor.raw(head.as_bytes())?.raw(rest).map(drop)
            }
        }
    }

    pub(crate) fn encoded_len(&self) -> usize {
        match self {
            Self::Kid(kid) => identifier::encoded_len(kid),
            _ => self.map_len(),
        }
    }

    /// The whole map, as it stands in hashes, in two parts.
    pub(crate) fn map(&self) -> (Item, &'i [u8]) {
        match self {
            Self::Kid(kid) => (Item::written(|cbor| cbor.map(1)?.raw(KID)?.bytes_head(kid.len()).map(drop)), kid),
            Self::Kccs(ccs) => (Item::written(|cbor| cbor.map(1)?.raw(KCCS).map(drop)), ccs),
            Self::Other(map) => (Item::EMPTY, map),
        }
    }

    pub(crate) fn map_len(&self) -> usize {
        let (head, rest) = self.map();
        head.len().saturating_add(rest.len())
    }
}

/// The COSE header parameters `kid` (RFC 9052 §3.1) and `kccs` (RFC 9528 §10.6), encoded.
const KID: &[u8] = &[4];
const KCCS: &[u8] = &[14];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex;
    use std::{vec, vec::Vec};

    #[test]
    fn one_encoding_each() {
        // RFC 9528 §3.5.3.2 for the first two.
        for (id, wire, map) in [
            (IdCred::Kid(&[0xff]), "41ff", "a10441ff"),
            (IdCred::Kid(&[0x21]), "21", "a1044121"),
            (IdCred::Kid(&[]), "40", "a10440"),
            (IdCred::Kid(&[0x32, 0x10]), "423210", "a104423210"),
            (IdCred::Kccs(&[0xa0]), "a10ea0", "a10ea0"),
            (IdCred::Other(&[0xa1, 0x0d, 0x80]), "a10d80", "a10d80"),
            (IdCred::Other(&[0xa2, 4, 0x40, 10, 0x40]), "a204400a40", "a204400a40"),
        ] {
            let mut room = vec![0; 64];
            let mut cbor = Writer::new(&mut room);
            id.write(&mut cbor).unwrap();
            assert_eq!(cbor.written(), hex(wire), "{id:?}");
            assert_eq!(id.encoded_len(), cbor.len(), "{id:?}");
            let (head, rest) = id.map();
            assert_eq!([head.as_bytes(), rest].concat(), hex(map), "{id:?}");
            assert_eq!(IdCred::read(&mut Reader::new(&hex(wire))), Ok(id));
        }
        let long: Vec<u8> = vec![7; 300];
        let (head, rest) = IdCred::Kid(&long).map();
        assert_eq!((head.as_bytes(), rest.len()), (&hex("a10459012c")[..], 300));
    }

    #[test]
    fn no_other_encoding() {
        // RFC 9529 §4.1.6 and §4.1.7 for the first two.
        for wire in ["a104423210", "4132", "a0", "a10e40", "a104a0", "60", "80", "1818", "f6", "a2044004", ""] {
            assert_eq!(IdCred::read(&mut Reader::new(&hex(wire))), Err(Error::Malformed), "{wire}");
        }
    }
}
