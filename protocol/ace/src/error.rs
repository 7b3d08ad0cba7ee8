//! The authorization server's refusal (RFC 9200 §5.8.3).

use latchwork_cbor::Full;

use crate::{
    Error,
    codec::{self, some},
    registry::{ErrorCode, Param},
};

/// The payload of an error answer of `/token`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorResponse<'a> {
    /// What went wrong. May be a code newer than us.
    pub error: ErrorCode,
    /// For the developer of the client, not for its user.
    pub description: Option<&'a str>,
    /// Where to read more.
    pub uri: Option<&'a str>,
}

impl<'a> ErrorResponse<'a> {
    /// A refusal without words.
    pub fn new(error: ErrorCode) -> Self {
        Self { error, description: None, uri: None }
    }

    /// Reads a whole payload.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Error> {
        let (mut error, mut description, mut uri) = (None, None, None);
        codec::whole_map(bytes, |label, r| {
            match label.map(Param) {
                Some(Param::ERROR) => error = Some(ErrorCode(r.int()?)),
                Some(Param::ERROR_DESCRIPTION) => description = Some(r.text()?),
                Some(Param::ERROR_URI) => uri = Some(r.text()?),
                _ => r.skip()?,
            }
            Ok(())
        })?;
        Ok(Self { error: error.ok_or(Error::Missing(Param::ERROR.0))?, description, uri })
    }

    /// Writes a whole payload.
    pub fn encode<'w>(&self, out: &'w mut [u8]) -> Result<&'w [u8], Full> {
        codec::whole(out, |w| {
            codec::write_map(
                w,
                &[
                    some(Param::ERROR.0, &Some(self.error.0)),
                    some(Param::ERROR_DESCRIPTION.0, &self.description),
                    some(Param::ERROR_URI.0, &self.uri),
                ],
            )
        })
    }
}
