//! Scope, as text or as bytes.

use latchwork_cbor::{Full, Kind, Reader, Writer};

use crate::{Error, codec::Put};

/// What a token permits, or a client asks for: text (RFC 6749 §3.3) or bytes such as an [`Aif`](crate::Aif) (RFC 9200 §5.8.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// Scope tokens separated by single spaces.
    Text(&'a str),
    /// A form of the application's own.
    Bytes(&'a [u8]),
}

impl<'a> Scope<'a> {
    pub(crate) fn read(r: &mut Reader<'a>) -> Result<Self, Error> {
        Ok(match r.peek()? {
            Kind::Text => Self::Text(r.text()?),
            _ => Self::Bytes(r.bytes()?),
        })
    }
}

impl Put for Scope<'_> {
    fn put(&self, w: &mut Writer<'_>) -> Result<(), Full> {
        match self {
            Self::Text(text) => w.text(text),
            Self::Bytes(bytes) => w.bytes(bytes),
        }
        .map(drop)
    }
}
