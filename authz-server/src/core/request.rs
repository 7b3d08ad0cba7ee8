//! What a client asks and presents, whichever face it came by: form over HTTP, CBOR over HTTP, CBOR over CoAP.

use super::bytes::{Blob, Hash32, Hidden, from_base64url};
use super::channel::ChannelIdentity;
use super::jwk::PublicKey;
use super::lock::AceProfile;
use super::names::{ClientId, GrantId, Jkt};
use super::scope::{Scope, ScopeAsked};
use latchwork_ace::registry::Profile;
use serde::{Deserialize, Serialize};

/// How the message came, and how the answer goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Face {
    /// A form over HTTP (RFC 6749).
    Form,
    /// CBOR over HTTP.
    CborHttp,
    /// CBOR over CoAP.
    CborCoap,
}

/// A request at `/token` (RFC 9200 §5.8.1).
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// How it came.
    pub face: Face,
    /// The grant.
    pub grant: GrantAsked,
    /// Every `audience` that came.
    pub audience: Vec<String>,
    /// The scope, in its form.
    pub scope: Option<ScopeAsked>,
    /// The key to bind to (RFC 9201 §3.1).
    pub req_cnf: Option<ReqCnf>,
    /// What `ace_profile` said.
    pub ace_profile: Option<ProfileAsked>,
    /// The lock's nonce (RFC 9200 §5.8.4.4).
    pub cnonce: Option<Blob>,
    /// The token series whose rights are to change (draft-ietf-ace-edhoc-oscore-profile §3.1).
    pub series: Option<Blob>,
}

/// The `ace_profile` of a request (RFC 9200 §5.8.4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileAsked {
    /// Null or empty: the answer must say which.
    Tell,
    /// This one and no other; `None` is one that we do not know. A request of ours: RFC 9200 gives a named one no meaning.
    Only(Option<AceProfile>),
}

impl ProfileAsked {
    /// What a number asks for.
    #[must_use]
    pub fn only(number: Profile) -> Self {
        Self::Only(AceProfile::ALL.into_iter().find(|known| known.number() == number))
    }

    /// Whether the profile may be this one.
    #[must_use]
    pub fn admits(self, profile: AceProfile) -> bool {
        match self {
            Self::Tell => true,
            Self::Only(only) => only == Some(profile),
        }
    }
}

/// The grant a client uses.
#[derive(Clone, Debug)]
pub enum GrantAsked {
    /// RFC 6749 §4.1.3, with PKCE.
    AuthorizationCode {
        /// The code, as text.
        code: Hidden,
        /// The redirect target of the request.
        redirect_uri: Option<String>,
        /// RFC 7636 §4.5.
        verifier: Option<Hidden>,
    },
    /// RFC 6749 §4.4.
    ClientCredentials,
    /// RFC 6749 §6.
    RefreshToken {
        /// The token's 48 bytes: a byte string in CBOR, base64url in a form ([`refresh_from_text`]).
        token: Hidden,
    },
    /// RFC 8628 §3.4.
    DeviceCode {
        /// The code, as text.
        code: Hidden,
    },
    /// RFC 8693 §2.1; what else belongs to it is checked (`exchange::Named`).
    TokenExchange {
        /// The subject token, as text.
        token: Hidden,
    },
    /// One we do not know, or not on this face.
    Other(String),
}

/// The key a client wants its token bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReqCnf {
    /// A plain public key: COSE_Key or `jwk`.
    Key(PublicKey),
    /// A CCS: the CBOR map as it came, and the key inside it.
    Kccs {
        /// The bytes that go into the token unchanged.
        ccs: Blob,
        /// The COSE_Key in its `cnf`.
        key: PublicKey,
    },
    /// A live context's id (RFC 9203 §3.1).
    Kid(Blob),
    /// Anything else.
    Unsupported,
}

/// Who asks, as far as shown so far.
#[derive(Clone, Debug)]
pub struct Presented {
    /// The credential.
    pub credential: Credential,
    /// The DPoP proof, with what it must be for.
    pub proof: Option<Proof>,
}

/// How a client says who it is.
#[derive(Clone, Debug)]
pub enum Credential {
    /// Nothing came.
    Nothing,
    /// Only `client_id`: a public client.
    Public {
        /// Its name.
        id: ClientId,
    },
    /// `client_secret_basic`, `_post` or the CBOR parameters 24 and 25.
    Secret {
        /// Its name.
        id: ClientId,
        /// What it sent.
        secret: Hidden,
    },
    /// `private_key_jwt`.
    Assertion {
        /// The `client_id` beside it, if any.
        id: Option<ClientId>,
        /// The JWT.
        jwt: Hidden,
    },
    /// It is at the other end of a channel that proved something.
    Channel {
        /// Its name, from the channel or from the request.
        id: ClientId,
        /// What was proved.
        channel: ChannelIdentity,
    },
}

/// A DPoP proof and the request it came with (RFC 9449 §4.3).
#[derive(Clone, Debug)]
pub struct Proof {
    /// The JWT of the `DPoP` header.
    pub jwt: String,
    /// The request's method.
    pub method: String,
    /// The request's URL as the client knows it: from the issuer, without query and fragment.
    pub url: String,
    /// The server's nonces, one of which it must carry; `None`: none is asked for.
    pub nonces: Option<super::dpop::Nonces>,
}

impl Presented {
    /// The client these credentials claim, unverified: for looking up its record.
    #[must_use]
    pub fn claimed_client(&self) -> Option<ClientId> {
        match &self.credential {
            Credential::Nothing => None,
            Credential::Public { id } | Credential::Secret { id, .. } | Credential::Channel { id, .. } => {
                Some(id.clone())
            }
            Credential::Assertion { id: Some(id), .. } => Some(id.clone()),
            Credential::Assertion { id: None, jwt } => {
                #[derive(Deserialize)]
                struct Claims {
                    sub: ClientId,
                }
                let text = std::str::from_utf8(jwt.expose()).ok()?;
                let payload = from_base64url(text.split('.').nth(1)?)?;
                serde_json::from_slice::<Claims>(&payload).ok().map(|claims| claims.sub)
            }
        }
    }
}

impl TokenRequest {
    /// What a form may say more than once: an exchange names its targets by these (RFC 8693 §2.1).
    pub const MAY_REPEAT: [&str; 2] = ["audience", "resource"];

    /// The name of the code's record.
    #[must_use]
    pub fn code_hash(&self) -> Option<Hash32> {
        match &self.grant {
            GrantAsked::AuthorizationCode { code, .. } | GrantAsked::DeviceCode { code } => {
                Some(Hash32::of(&[code.expose()]))
            }
            _ => None,
        }
    }

    /// The name of the record of the device that asks.
    #[must_use]
    pub fn device(&self) -> Option<Hash32> {
        match &self.grant {
            GrantAsked::DeviceCode { code } => super::device::named_by(code),
            _ => None,
        }
    }

    /// The name of the subject token's record.
    #[must_use]
    pub fn subject_token(&self) -> Option<Hash32> {
        match &self.grant {
            GrantAsked::TokenExchange { token } => Some(Hash32::of(&[token.expose()])),
            _ => None,
        }
    }

    /// The grant a refresh token names in its first bytes.
    #[must_use]
    pub fn refresh_grant(&self) -> Option<GrantId> {
        match &self.grant {
            GrantAsked::RefreshToken { token } => token.expose().first_chunk().copied().map(GrantId),
            _ => None,
        }
    }
}

/// A refresh token from its base64url text. What is no base64url comes back empty and matches nothing.
#[must_use]
pub fn refresh_from_text(text: &str) -> Hidden {
    Hidden::new(from_base64url(text).unwrap_or_default())
}

/// A request at `/authorize`, checked (`authorize::check`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// Who asks.
    pub client: ClientId,
    /// Where the answer goes: registered, exact.
    pub redirect_uri: String,
    /// Echoed.
    pub state: Option<String>,
    /// The PKCE challenge, S256.
    pub challenge: Hash32,
    /// The installation key.
    pub jkt: Option<Jkt>,
    /// Whom tokens shall be for, as named; locks only, each once.
    pub audience: Vec<super::names::LockName>,
    /// What for; empty means all that each lock offers.
    pub scope: Scope,
    /// The device that gets the answer (RFC 8628); then there is neither target nor challenge.
    #[serde(default)]
    pub device: Option<super::device::Asking>,
}

impl AuthorizationRequest {
    /// Whether a browser can carry it, sealed, in a cookie.
    pub(super) fn fits(&self) -> bool {
        let mut bytes = Vec::new();
        ciborium::into_writer(self, &mut bytes).is_ok() && bytes.len() <= MAX_REQUEST
    }
}

/// Bytes of a request at `/authorize`: with what is sealed beside it, less than the 4096 that a cookie may have (RFC 6265 §6.1).
const MAX_REQUEST: usize = 2_400;
