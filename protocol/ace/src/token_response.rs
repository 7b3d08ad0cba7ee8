//! The answer with a token: the Access Information (RFC 9200 §5.8.2, RFC 9201 §3.2).

use core::fmt;

use latchwork_cbor::Full;

use crate::{
    Cnf, EdhocInfo, Error, Scope,
    codec::{self, Hidden, some},
    registry::{Param, Profile, TokenType},
};

/// The payload of a 2.01 (or 200) of `/token`.
#[derive(Clone, Copy)]
pub struct TokenResponse<'a> {
    /// The token; opaque to the client.
    pub access_token: &'a [u8],
    /// Lifetime in seconds.
    pub expires_in: Option<u64>,
    /// The key that the client must prove. Absent if it chose the key, or keeps its context (RFC 9203 §3.2).
    pub cnf: Option<Cnf<'a>>,
    /// What was granted, where it differs from what was asked.
    pub scope: Option<Scope<'a>>,
    /// Absent means PoP; see [`TokenResponse::token_type`].
    pub token_type: Option<TokenType>,
    /// For the next token.
    pub refresh_token: Option<&'a [u8]>,
    /// The protocol to speak to the resource server.
    pub ace_profile: Option<Profile>,
    /// The resource server's public key.
    pub rs_cnf: Option<Cnf<'a>>,
    /// How to run EDHOC with the resource server, and the token series.
    pub edhoc_info: Option<EdhocInfo<'a>>,
}

impl<'a> TokenResponse<'a> {
    /// A token and nothing else.
    pub fn new(access_token: &'a [u8]) -> Self {
        Self {
            access_token,
            expires_in: None,
            cnf: None,
            scope: None,
            token_type: None,
            refresh_token: None,
            ace_profile: None,
            rs_cnf: None,
            edhoc_info: None,
        }
    }

    /// How the token is used, after the default of RFC 9200 §5.8.2.
    pub fn token_type(&self) -> TokenType {
        self.token_type.unwrap_or(TokenType::POP)
    }

    /// Reads a whole payload.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut access_token = None;
        let mut response = Self::new(&[]);
        codec::whole_map(bytes, |label, r| {
            match label.map(Param) {
                Some(Param::ACCESS_TOKEN) => access_token = Some(r.bytes()?),
                Some(Param::EXPIRES_IN) => response.expires_in = Some(r.uint()?),
                Some(Param::CNF) => response.cnf = Some(Cnf::read(r)?),
                Some(Param::SCOPE) => response.scope = Some(Scope::read(r)?),
                Some(Param::TOKEN_TYPE) => response.token_type = Some(TokenType(r.int()?)),
                Some(Param::REFRESH_TOKEN) => response.refresh_token = Some(r.bytes()?),
                Some(Param::ACE_PROFILE) => response.ace_profile = Some(Profile(r.int()?)),
                Some(Param::RS_CNF) => response.rs_cnf = Some(Cnf::read(r)?),
                Some(Param::EDHOC_INFO) => response.edhoc_info = Some(EdhocInfo::read(r)?),
                _ => r.skip()?,
            }
            Ok(())
        })?;
        response.access_token = access_token.ok_or(Error::Missing(Param::ACCESS_TOKEN.0))?;
        Ok(response)
    }

    /// Writes a whole payload.
    pub fn encode<'w>(&self, out: &'w mut [u8]) -> Result<&'w [u8], Full> {
        codec::whole(out, |w| {
            codec::write_map(
                w,
                &[
                    some(Param::ACCESS_TOKEN.0, &Some(self.access_token)),
                    some(Param::EXPIRES_IN.0, &self.expires_in),
                    some(Param::CNF.0, &self.cnf),
                    some(Param::SCOPE.0, &self.scope),
                    some(Param::TOKEN_TYPE.0, &self.token_type.map(|kind| kind.0)),
                    some(Param::REFRESH_TOKEN.0, &self.refresh_token),
                    some(Param::ACE_PROFILE.0, &self.ace_profile.map(|profile| profile.0)),
                    some(Param::RS_CNF.0, &self.rs_cnf),
                    some(Param::EDHOC_INFO.0, &self.edhoc_info),
                ],
            )
        })
    }
}

impl fmt::Debug for TokenResponse<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenResponse")
            .field("access_token", &Hidden(self.access_token))
            .field("expires_in", &self.expires_in)
            .field("cnf", &self.cnf)
            .field("scope", &self.scope)
            .field("token_type", &self.token_type)
            .field("refresh_token", &self.refresh_token.map(Hidden))
            .field("ace_profile", &self.ace_profile)
            .field("rs_cnf", &self.rs_cnf)
            .field("edhoc_info", &self.edhoc_info)
            .finish()
    }
}
