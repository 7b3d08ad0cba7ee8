//! Asking the authorization server about a token (RFC 9200 §5.9, RFC 7662 §2).

use core::fmt;

use latchwork_cbor::{Full, Kind, Reader, Writer};

use crate::{
    Claims, Error,
    codec::{self, Hidden, Put, some},
    registry::{Claim, Introspection, TokenType},
};

/// The payload of a request to `/introspect`. Unknown parameters are ignored, a parameter that comes twice is refused.
#[derive(Clone, Copy)]
pub struct IntrospectionRequest<'a> {
    /// The token, as the resource server got it.
    pub token: &'a [u8],
    /// What kind of token it may be. Table 6 says text, Figure 9 shows a number; both are read.
    pub hint: Option<Hint<'a>>,
}

/// A `token_type_hint`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint<'a> {
    /// As in RFC 7662 §2.1.
    Text(&'a str),
    /// As in RFC 9200 Figure 9.
    Number(i64),
}

impl<'a> IntrospectionRequest<'a> {
    /// A token and nothing else.
    pub fn new(token: &'a [u8]) -> Self {
        Self { token, hint: None }
    }

    /// Reads a whole payload.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Error> {
        let (mut token, mut hint) = (None, None);
        codec::whole_map(bytes, |label, r| {
            match label.map(Introspection) {
                Some(Introspection::TOKEN) => token = Some(r.bytes()?),
                Some(Introspection::TOKEN_TYPE_HINT) => hint = Some(Hint::read(r)?),
                _ => r.skip()?,
            }
            Ok(())
        })?;
        Ok(Self { token: token.ok_or(Error::Missing(Introspection::TOKEN.0))?, hint })
    }

    /// Writes a whole payload.
    pub fn encode<'w>(&self, out: &'w mut [u8]) -> Result<&'w [u8], Full> {
        codec::whole(out, |w| {
            codec::write_map(
                w,
                &[some(Introspection::TOKEN.0, &Some(self.token)), some(Introspection::TOKEN_TYPE_HINT.0, &self.hint)],
            )
        })
    }
}

impl<'a> Hint<'a> {
    fn read(r: &mut Reader<'a>) -> Result<Self, Error> {
        Ok(match r.peek()? {
            Kind::Text => Self::Text(r.text()?),
            _ => Self::Number(r.int()?),
        })
    }
}

impl Put for Hint<'_> {
    fn put(&self, w: &mut Writer<'_>) -> Result<(), Full> {
        match self {
            Self::Text(text) => text.put(w),
            Self::Number(number) => number.put(w),
        }
    }
}

/// The payload of a 2.01 (or 200) of `/introspect`: whether the token is good, and then what it says.
///
/// What describes the token has the numbers and the meaning of its claims, so it is read as [`Claims`]. They may hold a secret.
#[derive(Clone, Copy, Default)]
pub struct IntrospectionResponse<'a> {
    /// Whether the token is good now, for whoever asked.
    pub active: bool,
    /// What it says; empty if it is not good.
    pub claims: Claims<'a>,
    /// Whom it was given to.
    pub client_id: Option<&'a str>,
    /// Absent means PoP.
    pub token_type: Option<TokenType>,
}

impl<'a> IntrospectionResponse<'a> {
    /// Reads a whole payload.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut active = None;
        let mut response = Self { claims: Claims::decode(bytes)?, ..Self::default() };
        codec::whole_map(bytes, |label, r| {
            match label.map(Introspection) {
                Some(Introspection::ACTIVE) => active = Some(r.bool()?),
                Some(Introspection::CLIENT_ID) => response.client_id = Some(r.text()?),
                Some(Introspection::TOKEN_TYPE) => response.token_type = Some(TokenType(r.int()?)),
                _ => r.skip()?,
            }
            Ok(())
        })?;
        response.active = active.ok_or(Error::Missing(Introspection::ACTIVE.0))?;
        Ok(response)
    }

    /// Writes a whole payload.
    pub fn encode<'w>(&self, out: &'w mut [u8]) -> Result<&'w [u8], Full> {
        let Claims { iss, sub, aud, exp, nbf, iat, cti, cnf, scope, .. } = &self.claims;
        let Claims { ace_profile, cnonce, exi, .. } = &self.claims;
        codec::whole(out, |w| {
            codec::write_map(
                w,
                &[
                    some(Claim::ISS.0, iss),
                    some(Claim::SUB.0, sub),
                    some(Claim::AUD.0, aud),
                    some(Claim::EXP.0, exp),
                    some(Claim::NBF.0, nbf),
                    some(Claim::IAT.0, iat),
                    some(Claim::CTI.0, cti),
                    some(Claim::CNF.0, cnf),
                    some(Claim::SCOPE.0, scope),
                    some(Introspection::ACTIVE.0, &Some(self.active)),
                    some(Introspection::CLIENT_ID.0, &self.client_id),
                    some(Introspection::TOKEN_TYPE.0, &self.token_type.map(|kind| kind.0)),
                    some(Claim::ACE_PROFILE.0, &ace_profile.map(|profile| profile.0)),
                    some(Claim::CNONCE.0, cnonce),
                    some(Claim::EXI.0, exi),
                ],
            )
        })
    }
}

impl fmt::Debug for IntrospectionRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectionRequest").field("token", &Hidden(self.token)).field("hint", &self.hint).finish()
    }
}

impl fmt::Debug for IntrospectionResponse<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectionResponse")
            .field("active", &self.active)
            .field("claims", &self.claims)
            .field("client_id", &self.client_id)
            .field("token_type", &self.token_type)
            .finish()
    }
}
