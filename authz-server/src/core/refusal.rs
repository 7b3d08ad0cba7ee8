//! Why the server refused. The variant is for our log; the client learns no more than [`Refusal::error`].

use super::names::{Audience, ClientId};

/// Whatever is not granted, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The message is not what its RFC says.
    #[error("malformed request: {0}")]
    Malformed(&'static str),
    /// A parameter came twice.
    #[error("parameter {0} came twice")]
    Repeated(String),
    /// The body is longer than this server reads.
    #[error("the body is too long")]
    TooLong,
    /// The body did not come in time.
    #[error("the body did not come in time")]
    TooSlow,
    /// No credential came.
    #[error("the client presented nothing")]
    NotPresented,
    /// `Authorization` of a scheme that is none of clients, such as `Bearer`.
    #[error("Authorization is not Basic")]
    OtherScheme,
    /// Nobody enrolled this client.
    #[error("unknown client {0}")]
    UnknownClient(ClientId),
    /// The client is registered for another method.
    #[error("client {0} is registered for another way to authenticate")]
    OtherMethod(ClientId),
    /// The secret is wrong.
    #[error("wrong secret for client {0}")]
    WrongSecret(ClientId),
    /// The assertion does not hold (RFC 7523 §3).
    #[error("assertion refused: {0}")]
    Assertion(#[from] AssertionFault),
    /// The certificate does not show this client (RFC 8705 §2).
    #[error("certificate refused: {0}")]
    Certificate(#[from] CertificateFault),
    /// The DPoP proof does not hold (RFC 9449 §4.3).
    #[error("DPoP proof refused: {0}")]
    Proof(#[from] ProofFault),
    /// It asks about a token and is no resource server.
    #[error("client {0} is no resource server")]
    NotAResourceServer(ClientId),
    /// The client may not use this grant.
    #[error("client {0} may not use this grant")]
    GrantNotAllowed(ClientId),
    /// We do not offer the grant here.
    #[error("unsupported grant type {0}")]
    UnsupportedGrant(String),
    /// The code or refresh token does not hold.
    #[error("grant refused: {0}")]
    Grant(#[from] GrantFault),
    /// The device has to wait, or waits in vain (RFC 8628 §3.5).
    #[error("device: {0}")]
    Device(#[from] DeviceFault),
    /// The token cannot be exchanged (RFC 8693 §2.2.2).
    #[error("exchange refused: {0}")]
    Exchange(#[from] ExchangeFault),
    /// The audience cannot be served.
    #[error("audience refused: {0}")]
    Audience(#[from] AudienceFault),
    /// The lock knows no such scope, or none was asked for and there is no consented one.
    #[error("unknown scope {0}")]
    UnknownScope(String),
    /// Policy grants nothing of what was asked.
    #[error("policy grants nothing of what was asked")]
    NothingGranted,
    /// The right begins later than a token fetched now may live.
    #[error("the right begins later than a token fetched now may live")]
    TooEarly,
    /// The confirmation key cannot be used.
    #[error("key refused: {0}")]
    Key(#[from] KeyFault),
    /// `cnonce` missing, or not 8 to 32 bytes.
    #[error("the lock asks for a cnonce of 8 to 32 bytes")]
    Cnonce,
    /// This door's tokens are asked for in CBOR.
    #[error("tokens of this profile are asked for in CBOR")]
    CborOnly,
    /// The `/authorize` request cannot go on.
    #[error("authorization refused: {0}")]
    Authorization(#[from] AuthorizationFault),
    /// The same grant was being used at the same moment, several times over.
    #[error("the grant was in use at the same moment")]
    Busy,
    /// Our own trouble.
    #[error("server fault: {0}")]
    Server(#[from] ServerFault),
}

/// What is wrong with a client's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// Past its end or before its start.
    #[error("expired or not yet valid")]
    Time,
    /// No authority of ours vouches for it.
    #[error("no authority vouches for it")]
    Untrusted,
    /// Vouched for, but of somebody else.
    #[error("it has another name")]
    OtherName,
    /// Not one that was registered.
    #[error("not registered")]
    NotRegistered,
}

/// What is wrong with a client assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssertionFault {
    /// No JWT, or without a claim it needs.
    #[error("malformed")]
    Malformed,
    /// An algorithm outside ES256 and EdDSA.
    #[error("algorithm not allowed")]
    Algorithm,
    /// No registered key has this kid.
    #[error("no registered key has its kid")]
    UnknownKey,
    /// The signature fails.
    #[error("bad signature")]
    Signature,
    /// `iss`, `sub` or `client_id` differ.
    #[error("iss, sub and client_id differ")]
    Subject,
    /// Not for this server.
    #[error("for another audience")]
    Audience,
    /// Past its end or before its start.
    #[error("expired or not yet valid")]
    Time,
    /// Its end lies more than five minutes ahead.
    #[error("lives longer than five minutes")]
    TooLong,
    /// Used before.
    #[error("replayed")]
    Replayed,
}

/// What is wrong with a DPoP proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofFault {
    /// A public client sent none.
    #[error("missing")]
    Missing,
    /// No JWT of type dpop+jwt with the claims it needs.
    #[error("malformed")]
    Malformed,
    /// An algorithm outside ES256 and EdDSA.
    #[error("algorithm not allowed")]
    Algorithm,
    /// The signature fails.
    #[error("bad signature")]
    Signature,
    /// For another method or URL.
    #[error("for another method or URL")]
    Target,
    /// Too old, or from the future.
    #[error("outside its time window")]
    Time,
    /// `ath` does not hash the token.
    #[error("for another token")]
    TokenHash,
    /// Used before.
    #[error("replayed")]
    Replayed,
    /// Another key than the one bound.
    #[error("by another key")]
    ForeignKey,
    /// Without the nonce that the server asks for (RFC 9449 §8).
    #[error("without a nonce")]
    NonceMissing,
    /// With a nonce that is not, or no longer, this server's.
    #[error("with a nonce that is not good any more")]
    Nonce,
}

/// What is wrong with a code or a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantFault {
    /// Never issued, or long gone.
    #[error("unknown")]
    Unknown,
    /// Past its end.
    #[error("expired")]
    Expired,
    /// Of another client.
    #[error("of another client")]
    OtherClient,
    /// Used before.
    #[error("used before")]
    Reused,
    /// Its family is revoked.
    #[error("revoked")]
    Revoked,
    /// `redirect_uri` is not the one of the request.
    #[error("redirect_uri differs from the request's")]
    Redirect,
    /// The PKCE verifier does not match.
    #[error("wrong code_verifier")]
    Verifier,
    /// The proof is by another key than the grant's, or missing.
    #[error("not proven by the grant's key")]
    Key,
}

/// Why a device that polls gets no tokens (RFC 8628 §3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceFault {
    /// Nobody has answered yet.
    #[error("nobody has answered yet")]
    Pending,
    /// The same, and it polls faster than it may.
    #[error("it polls too fast")]
    SlowDown,
    /// A person, policy or an owner said no.
    #[error("refused")]
    Denied,
    /// Nobody answered in time.
    #[error("expired")]
    Expired,
}

/// Why a token is not exchanged (RFC 8693 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeFault {
    /// The subject token is not ours.
    #[error("unknown subject token")]
    Unknown,
    /// It was issued for somebody else.
    #[error("the subject token is not for this service")]
    OtherAudience,
    /// It is past its end.
    #[error("the subject token has expired")]
    Expired,
    /// It, or the grant it came from, was revoked.
    #[error("the subject token was revoked")]
    Revoked,
    /// It is said to be of a type that is not exchanged here.
    #[error("only access tokens of this server are exchanged")]
    SubjectTokenType,
    /// Something else than an access token is wanted.
    #[error("only access tokens are given")]
    RequestedTokenType,
    /// The actor is the client that authenticated, and nobody else.
    #[error("the actor is the client that asks; no actor_token is taken")]
    ActorToken,
    /// A URI names the target.
    #[error("a lock is named by audience, never by a resource URI")]
    Resource,
    /// Several targets are named.
    #[error("one token is for one lock")]
    Several,
    /// Nobody declared that this service acts for this person there.
    #[error("no row lets this service act for this person there")]
    NoRow,
    /// It was so, and ended.
    #[error("the row that let this service act for this person there is over")]
    RowOver,
}

/// What is wrong with an audience.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AudienceFault {
    /// None named, and the grant has several.
    #[error("none named")]
    Missing,
    /// `/token` answers for one at a time.
    #[error("several named")]
    Several,
    /// No such lock or group.
    #[error("unknown: {0}")]
    Unknown(String),
    /// Not part of the grant.
    #[error("{0} is not part of the grant")]
    NotGranted(Audience),
    /// Nothing that a machine can be granted.
    #[error("{0} is for people")]
    PeopleOnly(Audience),
    /// A lock that was never enrolled: nobody has the key that its tokens would be under.
    #[error("{0} was never enrolled")]
    NotEnrolled(Audience),
    /// Some of its locks have no clock.
    #[error("{0} has locks without a clock")]
    GroupWithoutClock(Audience),
    /// The lock has no clock, and only one that has would keep the token to its time.
    #[error("{0} has no clock, and this token would need one")]
    NeedsClock(Audience),
    /// No token would do for all of its locks.
    #[error("no form of token or signature does for all locks of {0}")]
    NothingInCommon(Audience),
}

/// What is wrong with a confirmation key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// A form of key we do not take, or malformed.
    #[error("unsupported form of key")]
    Unsupported,
    /// A lock of the audience cannot work with this kind of key.
    #[error("a lock of the audience cannot work with this kind of key")]
    NotAtThisLock,
    /// `kid` names a key of somebody else, or one that has ended.
    #[error("kid names a key of somebody else, or one that has ended")]
    ForeignKey,
    /// Client, request and locks have no profile in common.
    #[error("client, request and locks have no profile in common")]
    NoCommonProfile,
    /// Its possession was not shown in this request.
    #[error("possession not shown")]
    NotProven,
    /// `kid` names no live context of this client.
    #[error("kid names no live context of this client")]
    UnknownContext,
    /// `session_id` names no series of this client and audience with a token that is still good.
    #[error("session_id names no living series of this client")]
    UnknownSeries,
    /// The lock takes no signed tokens: no credential of it is known.
    #[error("the lock has no credential for signed tokens")]
    NoLockCredential,
    /// A group takes signed tokens with a public key only.
    #[error("a group needs a public key")]
    GroupNeedsPublicKey,
    /// A client on an OSCORE context gets `osc` tokens only.
    #[error("an OSCORE client gets osc tokens only")]
    OscOnly,
}

/// What is wrong with an `/authorize` request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizationFault {
    /// The redirect target is not registered: show a page, never redirect.
    #[error("redirect_uri not registered")]
    Redirect,
    /// `response_type` is not `code`.
    #[error("unsupported response type")]
    ResponseType,
    /// No PKCE challenge, or not S256.
    #[error("code_challenge with S256 is required")]
    Challenge,
    /// A public client must name its installation key.
    #[error("dpop_jkt is required")]
    Jkt,
    /// `request_uri` is none of ours, of another client, over, or used.
    #[error("request_uri is not good here")]
    RequestUri,
    /// It registered itself, and no administrator has admitted it.
    #[error("no administrator has admitted this client")]
    NotAdmitted,
    /// This client pushes its requests (RFC 9126 §6).
    #[error("the client must push its requests")]
    NotPushed,
    /// The person said no.
    #[error("the person refused")]
    PersonRefused,
    /// An owner said no, or nobody answered in time.
    #[error("the owner refused or did not answer")]
    OwnerRefused,
}

/// What went wrong on our side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerFault {
    /// No randomness.
    #[error("no entropy")]
    Entropy,
    /// A sealed record does not open.
    #[error("a sealed record does not open")]
    Seal,
    /// The signer failed.
    #[error("signing failed")]
    Signing,
    /// A record contradicts another.
    #[error("inconsistent records")]
    Records,
    /// A token key has sealed 2^31 tokens and must be rotated.
    #[error("the lock's token key is worn out; rotate it")]
    TokenKeyWornOut,
    /// The policy cannot be evaluated.
    #[error("policy failed")]
    Policy,
    /// The store failed.
    #[error("store failed")]
    Store,
    /// The audit log cannot be written.
    #[error("the audit log cannot be written")]
    Audit,
}

/// What the peer may learn: an OAuth error, by name, by number where it has one (RFC 9200 §5.8.3), and its status codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OAuthError {
    /// The `error` of the JSON face.
    pub name: &'static str,
    /// The `error` of the CBOR face; what has no number goes out as invalid_request.
    pub number: i32,
    /// The HTTP status.
    pub http: u16,
    /// The CoAP code: class in the upper three bits, detail below.
    pub coap: u8,
}

impl OAuthError {
    const fn new(name: &'static str, number: i32) -> Self {
        Self { name, number, http: 400, coap: COAP_4_00 }
    }
    /// RFC 6749 §5.2.
    pub const INVALID_REQUEST: Self = Self::new("invalid_request", 1);
    /// RFC 6749 §5.2, of a body over the limit (RFC 9110 §15.5.14, RFC 7252 §5.9.2.9).
    pub const TOO_LONG: Self = Self { http: 413, coap: COAP_4_13, ..Self::new("invalid_request", 1) };
    /// RFC 6749 §5.2, of a body that does not come (RFC 9110 §15.5.9).
    pub const TOO_SLOW: Self = Self { http: 408, ..Self::new("invalid_request", 1) };
    /// RFC 6749 §5.2; 401 and 4.01.
    pub const INVALID_CLIENT: Self = Self { name: "invalid_client", number: 2, http: 401, coap: COAP_4_01 };
    /// RFC 6749 §5.2.
    pub const INVALID_GRANT: Self = Self::new("invalid_grant", 3);
    /// RFC 6749 §5.2.
    pub const UNAUTHORIZED_CLIENT: Self = Self::new("unauthorized_client", 4);
    /// RFC 6749 §5.2.
    pub const UNSUPPORTED_GRANT_TYPE: Self = Self::new("unsupported_grant_type", 5);
    /// RFC 6749 §5.2.
    pub const INVALID_SCOPE: Self = Self::new("invalid_scope", 6);
    /// RFC 9200 §5.8.3.
    pub const UNSUPPORTED_POP_KEY: Self = Self::new("unsupported_pop_key", 7);
    /// RFC 9200 §5.8.3.
    pub const INCOMPATIBLE_ACE_PROFILES: Self = Self::new("incompatible_ace_profiles", 8);
    /// RFC 8693 §2.2.2; no number.
    pub const INVALID_TARGET: Self = Self::new("invalid_target", 1);
    /// RFC 9449 §12.2; no number.
    pub const INVALID_DPOP_PROOF: Self = Self::new("invalid_dpop_proof", 1);
    /// RFC 9449 §8; no number: the `DPoP-Nonce` header says it.
    pub const USE_DPOP_NONCE: Self = Self::new("use_dpop_nonce", 1);
    /// RFC 9200 §5.9.3: no right to ask. It goes out by its status alone; the name is for our log.
    pub const FORBIDDEN: Self = Self { name: "forbidden", number: 1, http: 403, coap: COAP_4_03 };
    /// RFC 6749 §4.1.2.1; at `/authorize` only.
    pub const ACCESS_DENIED: Self = Self { name: "access_denied", number: 1, http: 403, coap: COAP_4_03 };
    /// RFC 8628 §3.5; no number.
    pub const AUTHORIZATION_PENDING: Self = Self::new("authorization_pending", 1);
    /// RFC 8628 §3.5; no number.
    pub const SLOW_DOWN: Self = Self::new("slow_down", 1);
    /// RFC 8628 §3.5; no number.
    pub const EXPIRED_TOKEN: Self = Self::new("expired_token", 1);
    /// RFC 8628 §3.5, at `/token`; no number.
    pub const DEVICE_DENIED: Self = Self::new("access_denied", 1);
    /// RFC 6749 §4.1.2.1; at `/authorize` only.
    pub const UNSUPPORTED_RESPONSE_TYPE: Self = Self::new("unsupported_response_type", 1);
    /// RFC 9101 §7, for RFC 9126; at `/authorize` only.
    pub const INVALID_REQUEST_URI: Self = Self::new("invalid_request_uri", 1);
    /// RFC 6749 §4.1.2.1.
    pub const TEMPORARILY_UNAVAILABLE: Self =
        Self { name: "temporarily_unavailable", number: 1, http: 503, coap: COAP_5_03 };
    /// RFC 6585 §4, RFC 8516.
    pub const TOO_MANY: Self = Self { name: "temporarily_unavailable", number: 1, http: 429, coap: COAP_4_29 };
    /// RFC 6749 §4.1.2.1.
    pub const SERVER_ERROR: Self = Self { name: "server_error", number: 1, http: 500, coap: COAP_5_00 };
}

impl Refusal {
    /// What the peer may learn.
    #[must_use]
    pub const fn error(&self) -> OAuthError {
        match self {
            Self::Malformed(_) | Self::Repeated(_) | Self::Cnonce | Self::CborOnly => OAuthError::INVALID_REQUEST,
            Self::TooLong => OAuthError::TOO_LONG,
            Self::TooSlow => OAuthError::TOO_SLOW,
            Self::NotPresented
            | Self::OtherScheme
            | Self::UnknownClient(_)
            | Self::OtherMethod(_)
            | Self::WrongSecret(_)
            | Self::Assertion(_)
            | Self::Certificate(_) => OAuthError::INVALID_CLIENT,
            Self::Proof(ProofFault::NonceMissing | ProofFault::Nonce) => OAuthError::USE_DPOP_NONCE,
            Self::Proof(_) => OAuthError::INVALID_DPOP_PROOF,
            Self::GrantNotAllowed(_) => OAuthError::UNAUTHORIZED_CLIENT,
            Self::UnsupportedGrant(_) => OAuthError::UNSUPPORTED_GRANT_TYPE,
            Self::Grant(_) => OAuthError::INVALID_GRANT,
            Self::Device(DeviceFault::Pending) => OAuthError::AUTHORIZATION_PENDING,
            Self::Device(DeviceFault::SlowDown) => OAuthError::SLOW_DOWN,
            Self::Device(DeviceFault::Denied) => OAuthError::DEVICE_DENIED,
            Self::Device(DeviceFault::Expired) => OAuthError::EXPIRED_TOKEN,
            Self::Exchange(
                ExchangeFault::Resource | ExchangeFault::Several | ExchangeFault::NoRow | ExchangeFault::RowOver,
            ) => OAuthError::INVALID_TARGET,
            Self::Exchange(_) => OAuthError::INVALID_REQUEST,
            Self::Audience(AudienceFault::Missing | AudienceFault::Several) => OAuthError::INVALID_REQUEST,
            Self::Audience(_) => OAuthError::INVALID_TARGET,
            Self::UnknownScope(_) | Self::NothingGranted | Self::TooEarly => OAuthError::INVALID_SCOPE,
            Self::NotAResourceServer(_) => OAuthError::FORBIDDEN,
            Self::Key(KeyFault::Unsupported | KeyFault::NotAtThisLock | KeyFault::ForeignKey) => {
                OAuthError::UNSUPPORTED_POP_KEY
            }
            Self::Key(
                KeyFault::NoLockCredential
                | KeyFault::GroupNeedsPublicKey
                | KeyFault::OscOnly
                | KeyFault::NoCommonProfile,
            ) => OAuthError::INCOMPATIBLE_ACE_PROFILES,
            Self::Key(_) => OAuthError::INVALID_REQUEST,
            Self::Authorization(AuthorizationFault::PersonRefused | AuthorizationFault::OwnerRefused) => {
                OAuthError::ACCESS_DENIED
            }
            Self::Authorization(AuthorizationFault::NotAdmitted) => OAuthError::UNAUTHORIZED_CLIENT,
            Self::Authorization(AuthorizationFault::ResponseType) => OAuthError::UNSUPPORTED_RESPONSE_TYPE,
            Self::Authorization(AuthorizationFault::RequestUri) => OAuthError::INVALID_REQUEST_URI,
            Self::Authorization(_) => OAuthError::INVALID_REQUEST,
            Self::Busy => OAuthError::TEMPORARILY_UNAVAILABLE,
            Self::Server(_) => OAuthError::SERVER_ERROR,
        }
    }
}

const COAP_4_00: u8 = 0x80;
const COAP_4_01: u8 = 0x81;
const COAP_4_03: u8 = 0x83;
const COAP_4_13: u8 = 0x8d;
const COAP_4_29: u8 = 0x9d;
const COAP_5_00: u8 = 0xa0;
const COAP_5_03: u8 = 0xa3;
