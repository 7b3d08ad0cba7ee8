//! EDHOC_Information: what guides two peers towards EDHOC (draft-ietf-ace-edhoc-oscore-profile §3.4).

use latchwork_cbor::{Full, Kind, Reader, Writer};

use crate::{
    Error,
    codec::{self, Put, some},
    registry::EdhocInfoMember as Member,
};

/// The value of `edhoc_info`, as a parameter and as a claim. Members that we do not act on are ignored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EdhocInfo<'i> {
    /// Names the token series (§3.2).
    pub session_id: Option<&'i [u8]>,
    /// The methods that the resource server has (RFC 9528 §3.2).
    pub methods: Option<Numbers<'i>>,
    /// The cipher suites that it has (RFC 9528 §3.6).
    pub cipher_suites: Option<Numbers<'i>>,
    /// Whether message_4 must be sent. Prescriptive: who cannot do it gives up.
    pub message_4: Option<bool>,
    /// Whether message_3 and the first request may come as one (RFC 9668).
    pub comb_req: Option<bool>,
    /// The path of its EDHOC resource, where that is not the well-known one.
    pub uri_path: Option<&'i str>,
}

impl<'i> EdhocInfo<'i> {
    /// Names a token series and says nothing more: all that a token for an update of rights may carry (§3.3.3).
    pub fn series(session_id: &'i [u8]) -> Self {
        Self { session_id: Some(session_id), ..Self::default() }
    }

    /// Reads one map.
    pub fn read(r: &mut Reader<'i>) -> Result<Self, Error> {
        let mut info = Self::default();
        codec::map(r, |label, r| {
            match label.map(Member) {
                Some(Member::SESSION_ID) => info.session_id = Some(r.bytes()?),
                Some(Member::METHODS) => info.methods = Some(Numbers::read(r)?),
                Some(Member::CIPHER_SUITES) => info.cipher_suites = Some(Numbers::read(r)?),
                Some(Member::MESSAGE_4) => info.message_4 = Some(r.bool()?),
                Some(Member::COMB_REQ) => info.comb_req = Some(r.bool()?),
                Some(Member::URI_PATH) => info.uri_path = Some(r.text()?),
                _ => r.skip()?,
            }
            Ok(())
        })?;
        Ok(info)
    }

    /// Writes one map.
    pub fn write(&self, w: &mut Writer<'_>) -> Result<(), Full> {
        codec::write_map(
            w,
            &[
                some(Member::SESSION_ID.0, &self.session_id),
                some(Member::METHODS.0, &self.methods),
                some(Member::CIPHER_SUITES.0, &self.cipher_suites),
                some(Member::MESSAGE_4.0, &self.message_4),
                some(Member::COMB_REQ.0, &self.comb_req),
                some(Member::URI_PATH.0, &self.uri_path),
            ],
        )
    }
}

impl Put for EdhocInfo<'_> {
    fn put(&self, w: &mut Writer<'_>) -> Result<(), Full> {
        self.write(w)
    }
}

/// A set of numbers: one alone stands bare, several in an array of at least two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers<'n> {
    /// As it came.
    Encoded(&'n [u8]),
    /// To be written.
    Plain(&'n [i64]),
}

impl<'n> Numbers<'n> {
    fn read(r: &mut Reader<'n>) -> Result<Self, Error> {
        let mut at_start = *r;
        if r.peek()? != Kind::Array {
            r.int()?;
        } else {
            let count = r.array()?;
            if count < 2 {
                return Err(Error::LoneNumber);
            }
            for _ in 0..count {
                r.int()?;
            }
        }
        Ok(Self::Encoded(at_start.item()?))
    }

    /// Whether the number is among them.
    pub fn contains(&self, wanted: i64) -> bool {
        match *self {
            Self::Plain(numbers) => numbers.contains(&wanted),
            Self::Encoded(encoded) => {
                let mut r = Reader::new(encoded);
                let count = if r.peek() == Ok(Kind::Array) { r.array().unwrap_or(0) } else { 1 };
                (0..count).any(|_| r.int() == Ok(wanted))
            }
        }
    }
}

impl Put for Numbers<'_> {
    fn put(&self, w: &mut Writer<'_>) -> Result<(), Full> {
        match self {
            Self::Encoded(encoded) => w.raw(encoded).map(drop),
            Self::Plain([one]) => w.int(*one).map(drop),
            Self::Plain(several) => {
                w.array(several.len())?;
                several.iter().try_for_each(|number| w.int(*number).map(drop))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::vec::Vec;

    /// The members of Figure 8 that we know, and those that we do not (EDHOC-3.4-01).
    #[test]
    fn there_and_back() {
        let plain = |numbers| Some(Numbers::Plain(numbers));
        for (info, wire) in [
            (EdhocInfo::default(), &[0xa0][..]),
            (EdhocInfo::series(&[1]), &[0xa1, 0, 0x41, 1]),
            (
                EdhocInfo { methods: plain(&[0, 1, 2, 3]), cipher_suites: plain(&[0]), ..EdhocInfo::series(&[1]) },
                &[0xa3, 0, 0x41, 1, 1, 0x84, 0, 1, 2, 3, 2, 0],
            ),
            (
                EdhocInfo {
                    message_4: Some(false),
                    comb_req: Some(true),
                    uri_path: Some("/e"),
                    ..EdhocInfo::default()
                },
                &[0xa3, 3, 0xf4, 4, 0xf5, 5, 0x62, b'/', b'e'],
            ),
        ] {
            let mut out = [0; 32];
            let mut w = Writer::new(&mut out);
            info.write(&mut w).unwrap();
            assert_eq!(w.finish(), wire, "{info:?}");
            let read = EdhocInfo::read(&mut Reader::new(wire)).unwrap();
            assert_eq!((read.session_id, read.message_4), (info.session_id, info.message_4));
            assert_eq!((read.comb_req, read.uri_path), (info.comb_req, info.uri_path));
            for number in -1..5 {
                let has = |numbers: Option<Numbers<'_>>| numbers.map(|numbers| numbers.contains(number));
                assert_eq!(has(read.methods), has(info.methods), "{number}");
                assert_eq!(has(read.cipher_suites), has(info.cipher_suites), "{number}");
            }
        }
        let ignored = [0xa2, 0, 0x41, 1, 11, 0xa1, 0, 0xa1, 4, 0x40];
        assert_eq!(EdhocInfo::read(&mut Reader::new(&ignored)), Ok(EdhocInfo::series(&[1])));
    }

    #[test]
    fn what_is_refused() {
        let refused: Vec<&[u8]> = [
            &[0xa1, 0, 1][..],               // session_id is no byte string
            &[0xa1, 1, 0x81, 1],             // a set of one in an array
            &[0xa1, 1, 0x80],                // a set of none
            &[0xa1, 2, 0x82, 1, 0x61, b'x'], // text among numbers
            &[0xa1, 3, 1],                   // a number for a truth
            &[0xa1, 5, 0x41, 1],             // bytes for a path
            &[0xa2, 0, 0x41, 1, 0, 0x41, 1], // twice
            &[0x80],
        ]
        .into();
        for wire in refused {
            assert!(EdhocInfo::read(&mut Reader::new(wire)).is_err(), "{wire:x?}");
        }
    }
}
