//! COSE objects in the forms that others use.

use core::fmt;

use latchwork_cbor::{Kind as Cbor, Reader};

use super::{
    EMPTY_BYTES, Headers, Kind, enc_structure, mac_structure, sig_structure,
    token::{byte_string, tag},
};
use crate::{Error, codec::Hidden, registry::TAG_CWT};

/// A COSE object as others write it: header parameters in either header, the tag 61 optional. For credentials, wrapped keys and
/// foreign tokens; never for our access tokens, which are [`Token`](super::Token)s.
#[derive(Clone, Copy)]
pub struct Envelope<'t> {
    /// Which structure.
    pub kind: Kind,
    /// Header parameters under the protection.
    pub protected: Headers<'t>,
    /// Header parameters that anybody may have changed.
    pub unprotected: Headers<'t>,
    /// Ciphertext or payload.
    pub content: &'t [u8],
    /// Signature or MAC; empty for an Encrypt0, which has it at the end of its content.
    pub authenticator: &'t [u8],
    raw_protected: &'t [u8],
    raw_content: &'t [u8],
}

impl<'t> Envelope<'t> {
    /// Reads a whole object that says by its tag what it is.
    pub fn parse(bytes: &'t [u8]) -> Result<Self, Error> {
        let mut r = Reader::new(bytes);
        let mut number = tag(&mut r)?;
        if number == TAG_CWT {
            number = tag(&mut r)?;
        }
        Self::read(Kind::of_tag(number).ok_or(Error::Tag)?, &mut r)
    }

    /// Reads a whole object whose place says what it is.
    pub fn parse_untagged(kind: Kind, bytes: &'t [u8]) -> Result<Self, Error> {
        Self::read(kind, &mut Reader::new(bytes))
    }

    fn read(kind: Kind, r: &mut Reader<'t>) -> Result<Self, Error> {
        r.array_of(if kind == Kind::Encrypt0 { 3 } else { 4 })?;
        let (mut raw_protected, mut headers) = byte_string(r)?;
        if headers == EMPTY_MAP {
            // No parameters are protected as no bytes, however they were sent (RFC 9052 §3).
            (raw_protected, headers) = (EMPTY_BYTES, &[]);
        }
        let protected = Headers::read_protected(headers)?;
        let mut unprotected_map = *r;
        let unprotected = Headers::read(r)?;
        distinct(headers, &mut unprotected_map)?;
        let has = |choose: fn(&Headers<'t>) -> bool| choose(&protected) || choose(&unprotected);
        if has(|headers| headers.iv.is_some()) && has(|headers| headers.partial_iv.is_some()) {
            return Err(Error::PartialIv);
        }
        if r.peek()? == Cbor::Null {
            return Err(Error::Detached);
        }
        let (raw_content, content) = byte_string(r)?;
        let authenticator = if kind == Kind::Encrypt0 { &[] } else { r.bytes()? };
        r.end()?;
        Ok(Self { kind, protected, unprotected, content, authenticator, raw_protected, raw_content })
    }

    /// The key's name, from either header.
    pub fn kid(&self) -> Option<&'t [u8]> {
        self.protected.kid.or(self.unprotected.kid)
    }

    /// The nonce, from either header.
    pub fn iv(&self) -> Option<&'t [u8]> {
        self.protected.iv.or(self.unprotected.iv)
    }

    /// Enc_structure, for an Encrypt0.
    pub fn enc_structure(&self) -> [&'t [u8]; 3] {
        enc_structure(self.raw_protected)
    }

    /// Sig_structure, for a Sign1.
    pub fn sig_structure(&self) -> [&'t [u8]; 4] {
        sig_structure(self.raw_protected, self.raw_content)
    }

    /// MAC_structure, for a Mac0.
    pub fn mac_structure(&self) -> [&'t [u8]; 4] {
        mac_structure(self.raw_protected, self.raw_content)
    }
}

impl fmt::Debug for Envelope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("kind", &self.kind)
            .field("protected", &self.protected)
            .field("unprotected", &self.unprotected)
            .field("content", &Hidden(self.content))
            .finish_non_exhaustive()
    }
}

/// Refuses a label that stands in both headers (RFC 9052 §3).
fn distinct(protected: &[u8], unprotected: &mut Reader<'_>) -> Result<(), Error> {
    for _ in 0..unprotected.map()? {
        let label = unprotected.item()?;
        unprotected.skip()?;
        let mut r = Reader::new(protected);
        let labels = if protected.is_empty() { 0 } else { r.map()? };
        for _ in 0..labels {
            if r.item()? == label {
                return Err(Error::HeaderTwice);
            }
            r.skip()?;
        }
    }
    Ok(())
}

const EMPTY_MAP: &[u8] = b"\xa0";
