//! Header parameters.

use latchwork_cbor::Reader;

use crate::{
    Error, codec,
    registry::{Alg, Header},
};

/// The header parameters we use (RFC 9052 §3.1). Others are ignored, unless `crit` names some: then the object is refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Headers<'t> {
    /// Algorithm.
    pub alg: Option<Alg>,
    /// Names the key.
    pub kid: Option<&'t [u8]>,
    /// Full nonce.
    pub iv: Option<&'t [u8]>,
    /// Part of a nonce.
    pub partial_iv: Option<&'t [u8]>,
}

impl<'t> Headers<'t> {
    /// Reads one map.
    pub(super) fn read(r: &mut Reader<'t>) -> Result<Self, Error> {
        let mut headers = Self::default();
        codec::map(r, |label, r| {
            match label.map(Header) {
                Some(Header::ALG) => headers.alg = Some(codec::algorithm(r)?),
                Some(Header::CRIT) => return Err(Error::Critical),
                Some(Header::KID) => headers.kid = Some(r.bytes()?),
                Some(Header::IV) => headers.iv = Some(r.bytes()?),
                Some(Header::PARTIAL_IV) => headers.partial_iv = Some(r.bytes()?),
                _ => r.skip()?,
            }
            Ok(())
        })?;
        Ok(headers)
    }

    /// Reads the content of the byte string that a protected header is; empty for no parameters.
    pub(super) fn read_protected(bytes: &'t [u8]) -> Result<Self, Error> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let mut r = Reader::new(bytes);
        let headers = Self::read(&mut r)?;
        r.end()?;
        Ok(headers)
    }
}
