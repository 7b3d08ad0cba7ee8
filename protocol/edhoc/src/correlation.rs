//! Which message of which session a CoAP payload holds (RFC 9528 Appendix A.2.1, RFC 9668 §3).

use latchwork_cbor::{Kind, Reader, Writer};

use crate::{error::Error, identifier::ConnectionId};

/// What a client posted to `/.well-known/edhoc`, as application/cid-edhoc+cbor-seq.
#[derive(Debug, PartialEq, Eq)]
pub enum Posted<'m> {
    /// `true`, message_1
    First(&'m mut [u8]),
    /// `C_R`, message_3. An error message may stand there too.
    Next(ConnectionId, &'m mut [u8]),
}

impl<'m> Posted<'m> {
    /// Takes the prefix off.
    pub fn parse(payload: &'m mut [u8]) -> Result<Self, Error> {
        let mut cbor = Reader::new(payload);
        let id = match cbor.peek()? {
            Kind::Bool if cbor.bool()? => None,
            Kind::Bool => return Err(Error::Malformed),
            _ => Some(ConnectionId::read(&mut cbor)?),
        };
        let at = payload.len().checked_sub(cbor.rest().len()).ok_or(Error::Malformed)?;
        let message = payload.get_mut(at..).ok_or(Error::Malformed)?;
        Ok(match id {
            None => Self::First(message),
            Some(c_r) => Self::Next(c_r, message),
        })
    }
}

/// Writes what goes before message_1 (`None`) or message_3, and gives its length.
pub fn prefix(c_r: Option<&ConnectionId>, out: &mut [u8]) -> Result<usize, Error> {
    let mut cbor = Writer::new(out);
    match c_r {
        None => drop(cbor.bool(true)?),
        Some(c_r) => c_r.write(&mut cbor)?,
    }
    Ok(cbor.len())
}

/// Splits the payload of a combined request (RFC 9668 §3.2) into message_3 and the OSCORE ciphertext. C_R is the `kid` there.
pub fn split_combined(payload: &mut [u8]) -> Result<(&mut [u8], &mut [u8]), Error> {
    let mut cbor = Reader::new(payload);
    cbor.bytes()?;
    let at = payload.len().checked_sub(cbor.rest().len()).ok_or(Error::Malformed)?;
    payload.split_at_mut_checked(at).ok_or(Error::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex;
    use std::vec;

    #[test]
    fn prefixes() {
        let id = |bytes| ConnectionId::new(bytes).unwrap();
        for (c_r, wire) in [(None, "f5"), (Some(id(&[0x27])), "27"), (Some(id(&[])), "40"), (Some(id(&[0xff])), "41ff")]
        {
            let mut out = [0; 8];
            let length = prefix(c_r.as_ref(), &mut out).unwrap();
            assert_eq!(out[..length], hex(wire), "{c_r:?}");
            assert_eq!(prefix(c_r.as_ref(), &mut []), Err(Error::NoRoom), "{c_r:?}");
            let (mut payload, mut message) = ([hex(wire), vec![0x58, 0xff]].concat(), [0x58, 0xff]);
            let posted = match c_r {
                None => Posted::First(&mut message),
                Some(c_r) => Posted::Next(c_r, &mut message),
            };
            assert_eq!(Posted::parse(&mut payload), Ok(posted));
        }
        for wire in ["", "f4", "4127", "60", "f6", "41", "480102030405060708"] {
            assert_eq!(Posted::parse(&mut hex(wire)), Err(Error::Malformed), "{wire}");
        }
    }

    #[test]
    fn combined() {
        for (payload, split) in
            [("4201020304", Some(3)), ("40", Some(1)), ("4303", None), ("58ff", None), ("", None), ("03", None)]
        {
            let mut payload = hex(payload);
            assert_eq!(split_combined(&mut payload).ok().map(|(message, _)| message.len()), split, "{payload:x?}");
        }
    }
}
