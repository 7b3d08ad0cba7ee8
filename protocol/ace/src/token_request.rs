//! Asking for a token (RFC 9200 §5.8.1, RFC 9201 §3.1).

use core::fmt;

use latchwork_cbor::{Full, Kind};

use crate::{
    Cnf, EdhocInfo, Error, Scope,
    codec::{self, Hidden, Null, Put, some},
    registry::{GrantType, Param, Profile},
};

/// The payload of a request to `/token`. Which of these a grant needs is the server's business. Unknown parameters are ignored
/// (RFC 6749 §3.2), a parameter that comes twice is refused.
#[derive(Clone, Copy, Default)]
pub struct TokenRequest<'a> {
    /// The key to bind the token to; absent: the server makes one.
    pub req_cnf: Option<Cnf<'a>>,
    /// The resource server that the token is for.
    pub audience: Option<&'a str>,
    /// What the client wants to do.
    pub scope: Option<Scope<'a>>,
    /// The client's name.
    pub client_id: Option<&'a str>,
    /// The client's secret.
    pub client_secret: Option<&'a [u8]>,
    /// Where the authorization code was sent.
    pub redirect_uri: Option<&'a str>,
    /// An authorization code.
    pub code: Option<&'a [u8]>,
    /// Absent means client_credentials; see [`TokenRequest::grant`].
    pub grant_type: Option<GrantType>,
    /// A person's name, in a grant that nobody should offer.
    pub username: Option<&'a str>,
    /// A person's password, in a grant that nobody should offer.
    pub password: Option<&'a str>,
    /// A refresh token.
    pub refresh_token: Option<&'a [u8]>,
    /// Whether the answer must name the profile.
    pub ace_profile: Option<AskedProfile>,
    /// Copied from the hints of the resource server (RFC 9200 §5.8.4.4).
    pub cnonce: Option<&'a [u8]>,
    /// Names the token series whose rights are to be updated (draft-ietf-ace-edhoc-oscore-profile §3.1).
    pub edhoc_info: Option<EdhocInfo<'a>>,
}

/// The `ace_profile` of a request (RFC 9200 §5.8.4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskedProfile {
    /// `null`: the answer must say which.
    Tell,
    /// This one. No RFC gives it a meaning in a request.
    Named(Profile),
}

impl<'a> TokenRequest<'a> {
    /// The grant, after the default of RFC 9200 §5.8.1.
    pub fn grant(&self) -> GrantType {
        self.grant_type.unwrap_or(GrantType::CLIENT_CREDENTIALS)
    }

    /// Reads a whole payload.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut request = Self::default();
        codec::whole_map(bytes, |label, r| {
            match label.map(Param) {
                Some(Param::REQ_CNF) => request.req_cnf = Some(Cnf::read(r)?),
                Some(Param::AUDIENCE) => request.audience = Some(r.text()?),
                Some(Param::SCOPE) => request.scope = Some(Scope::read(r)?),
                Some(Param::CLIENT_ID) => request.client_id = Some(r.text()?),
                Some(Param::CLIENT_SECRET) => request.client_secret = Some(r.bytes()?),
                Some(Param::REDIRECT_URI) => request.redirect_uri = Some(r.text()?),
                Some(Param::CODE) => request.code = Some(r.bytes()?),
                Some(Param::GRANT_TYPE) => request.grant_type = Some(GrantType(r.uint()?)),
                Some(Param::USERNAME) => request.username = Some(r.text()?),
                Some(Param::PASSWORD) => request.password = Some(r.text()?),
                Some(Param::REFRESH_TOKEN) => request.refresh_token = Some(r.bytes()?),
                Some(Param::ACE_PROFILE) => {
                    request.ace_profile = Some(match r.peek()? {
                        Kind::Null => r.null().map(|()| AskedProfile::Tell)?,
                        _ => AskedProfile::Named(Profile(r.int()?)),
                    });
                }
                Some(Param::CNONCE) => request.cnonce = Some(r.bytes()?),
                Some(Param::EDHOC_INFO) => request.edhoc_info = Some(EdhocInfo::read(r)?),
                _ => r.skip()?,
            }
            Ok(())
        })?;
        Ok(request)
    }

    /// Writes a whole payload.
    pub fn encode<'w>(&self, out: &'w mut [u8]) -> Result<&'w [u8], Full> {
        codec::whole(out, |w| {
            codec::write_map(
                w,
                &[
                    some(Param::REQ_CNF.0, &self.req_cnf),
                    some(Param::AUDIENCE.0, &self.audience),
                    some(Param::SCOPE.0, &self.scope),
                    some(Param::CLIENT_ID.0, &self.client_id),
                    some(Param::CLIENT_SECRET.0, &self.client_secret),
                    some(Param::REDIRECT_URI.0, &self.redirect_uri),
                    some(Param::CODE.0, &self.code),
                    some(Param::GRANT_TYPE.0, &self.grant_type.map(|grant| grant.0)),
                    some(Param::USERNAME.0, &self.username),
                    some(Param::PASSWORD.0, &self.password),
                    some(Param::REFRESH_TOKEN.0, &self.refresh_token),
                    some(Param::ACE_PROFILE.0, &self.ace_profile),
                    some(Param::CNONCE.0, &self.cnonce),
                    some(Param::EDHOC_INFO.0, &self.edhoc_info),
                ],
            )
        })
    }
}

impl Put for AskedProfile {
    fn put(&self, w: &mut latchwork_cbor::Writer<'_>) -> Result<(), Full> {
        match self {
            Self::Tell => Null.put(w),
            Self::Named(profile) => profile.0.put(w),
        }
    }
}

impl fmt::Debug for TokenRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRequest")
            .field("req_cnf", &self.req_cnf)
            .field("audience", &self.audience)
            .field("scope", &self.scope)
            .field("client_id", &self.client_id)
            .field("client_secret", &self.client_secret.map(Hidden))
            .field("redirect_uri", &self.redirect_uri)
            .field("code", &self.code.map(Hidden))
            .field("grant_type", &self.grant_type)
            .field("username", &self.username)
            .field("password", &self.password.map(|password| Hidden(password.as_bytes())))
            .field("refresh_token", &self.refresh_token.map(Hidden))
            .field("ace_profile", &self.ace_profile)
            .field("cnonce", &self.cnonce)
            .field("edhoc_info", &self.edhoc_info)
            .finish()
    }
}
