//! AS Request Creation Hints: what a resource server tells a client that came without a fitting token (RFC 9200 §5.3).

use latchwork_cbor::Full;

use crate::{
    Error, Scope,
    codec::{self, some},
    registry::HintMember,
};

/// The payload of an unprotected 4.01. Anybody may have written it: a client follows it only where it agrees with what it knows already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hints<'a> {
    /// Absolute URI of the authorization server.
    pub as_uri: Option<&'a str>,
    /// A key that client and resource server share already, to which the new token should be bound.
    pub kid: Option<&'a [u8]>,
    /// The audience to ask for.
    pub audience: Option<&'a str>,
    /// The scope to ask for.
    pub scope: Option<Scope<'a>>,
    /// To be copied into the token request (RFC 9200 §5.3.1).
    pub cnonce: Option<&'a [u8]>,
}

impl<'a> Hints<'a> {
    /// Reads a whole payload.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut hints = Self::default();
        codec::whole_map(bytes, |label, r| {
            match label.map(HintMember) {
                Some(HintMember::AS) => hints.as_uri = Some(r.text()?),
                Some(HintMember::KID) => hints.kid = Some(r.bytes()?),
                Some(HintMember::AUDIENCE) => hints.audience = Some(r.text()?),
                Some(HintMember::SCOPE) => hints.scope = Some(Scope::read(r)?),
                Some(HintMember::CNONCE) => hints.cnonce = Some(r.bytes()?),
                _ => r.skip()?,
            }
            Ok(())
        })?;
        Ok(hints)
    }

    /// Writes a whole payload.
    pub fn encode<'w>(&self, out: &'w mut [u8]) -> Result<&'w [u8], Full> {
        codec::whole(out, |w| {
            codec::write_map(
                w,
                &[
                    some(HintMember::AS.0, &self.as_uri),
                    some(HintMember::KID.0, &self.kid),
                    some(HintMember::AUDIENCE.0, &self.audience),
                    some(HintMember::SCOPE.0, &self.scope),
                    some(HintMember::CNONCE.0, &self.cnonce),
                ],
            )
        })
    }
}
