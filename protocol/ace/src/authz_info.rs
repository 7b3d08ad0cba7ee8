//! Posting a token to `/authz-info` under the OSCORE profile (RFC 9203 §4.1, §4.2).

use core::fmt;

use latchwork_cbor::Full;

use crate::{
    Error,
    codec::{self, Hidden, some},
    registry::Param,
};

/// What the client posts. Nonce and identifier must be there for a new context; in an update of rights, which comes under an
/// existing context, they are absent or ignored.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The token, as the authorization server gave it.
    pub access_token: &'a [u8],
    /// N1.
    pub nonce1: Option<&'a [u8]>,
    /// ID1: the client's Recipient ID, hence the resource server's Sender ID.
    pub client_recipient_id: Option<&'a [u8]>,
}

impl<'a> Request<'a> {
    /// Reads a whole payload.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Error> {
        let (mut access_token, mut nonce1, mut client_recipient_id) = (None, None, None);
        codec::whole_map(bytes, |label, r| {
            match label.map(Param) {
                Some(Param::ACCESS_TOKEN) => access_token = Some(r.bytes()?),
                Some(Param::NONCE1) => nonce1 = Some(r.bytes()?),
                Some(Param::CLIENT_RECIPIENT_ID) => client_recipient_id = Some(r.bytes()?),
                _ => r.skip()?,
            }
            Ok(())
        })?;
        let access_token = access_token.ok_or(Error::Missing(Param::ACCESS_TOKEN.0))?;
        Ok(Self { access_token, nonce1, client_recipient_id })
    }

    /// Writes a whole payload.
    pub fn encode<'w>(&self, out: &'w mut [u8]) -> Result<&'w [u8], Full> {
        codec::whole(out, |w| {
            codec::write_map(
                w,
                &[
                    some(Param::ACCESS_TOKEN.0, &Some(self.access_token)),
                    some(Param::NONCE1.0, &self.nonce1),
                    some(Param::CLIENT_RECIPIENT_ID.0, &self.client_recipient_id),
                ],
            )
        })
    }
}

/// What the resource server answers with 2.01 to a new context. An update of rights is answered without a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Response<'a> {
    /// N2.
    pub nonce2: &'a [u8],
    /// ID2: the resource server's Recipient ID, hence the client's Sender ID.
    pub server_recipient_id: &'a [u8],
}

impl<'a> Response<'a> {
    /// Reads a whole payload.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Error> {
        let (mut nonce2, mut server_recipient_id) = (None, None);
        codec::whole_map(bytes, |label, r| {
            match label.map(Param) {
                Some(Param::NONCE2) => nonce2 = Some(r.bytes()?),
                Some(Param::SERVER_RECIPIENT_ID) => server_recipient_id = Some(r.bytes()?),
                _ => r.skip()?,
            }
            Ok(())
        })?;
        Ok(Self {
            nonce2: nonce2.ok_or(Error::Missing(Param::NONCE2.0))?,
            server_recipient_id: server_recipient_id.ok_or(Error::Missing(Param::SERVER_RECIPIENT_ID.0))?,
        })
    }

    /// Writes a whole payload.
    pub fn encode<'w>(&self, out: &'w mut [u8]) -> Result<&'w [u8], Full> {
        codec::whole(out, |w| {
            codec::write_map(
                w,
                &[
                    some(Param::NONCE2.0, &Some(self.nonce2)),
                    some(Param::SERVER_RECIPIENT_ID.0, &Some(self.server_recipient_id)),
                ],
            )
        })
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("access_token", &Hidden(self.access_token))
            .field("nonce1", &self.nonce1)
            .field("client_recipient_id", &self.client_recipient_id)
            .finish()
    }
}
