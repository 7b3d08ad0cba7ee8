//! What the store keeps: plain data, CBOR on disk. A record never holds a secret in the clear: keyed hashes or [`Sealed`].

use super::bytes::{Blob, Hash32, Sealed};
use super::channel::CertificateName;
pub use super::device::Device;
pub use super::exchange::Exchange;
use super::jwk::PublicKey;
pub use super::lock::{Abilities, AceProfile, ClockMode, KeyKind, Lock, MacKey, Protection, TokenForm};
use super::names::{Audience, ClientId, DoorName, GrantId, Jkt, LockName, Origin, PersonId};
pub use super::revoke::Revocation;
use super::scope::Scope;
pub use super::series::Series;
use super::time::Timestamp;
pub use super::trl::{Collection, ListEntry, Listed, SeriesItem};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

pub use super::rotation::SigningKey;

/// An application that asks for tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Client {
    /// Its name.
    pub id: ClientId,
    /// What people see on the consent page.
    pub title: String,
    /// Native or confidential (RFC 6749 §2.1).
    pub kind: ClientKind,
    /// How it proves who it is.
    pub auth: ClientAuth,
    /// The grants it may use.
    pub grants: BTreeSet<GrantKind>,
    /// Whether it must push what it asks at `/authorize` (RFC 9126 §6).
    #[serde(default)]
    pub pushed_only: bool,
    /// The most it may ever ask for; empty means whatever policy allows.
    #[serde(default)]
    pub ceiling: Scope,
    /// The ACE profiles that it speaks; empty means any.
    #[serde(default)]
    pub profiles: BTreeSet<AceProfile>,
    /// What policy may look at, such as `role = "cleaning"`.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// Web origins of the pages it runs in, which may read what this server answers (CORS).
    #[serde(default)]
    pub origins: BTreeSet<Origin>,
    /// How it came here, if no administrator declared it.
    #[serde(default)]
    pub registered: Option<Registered>,
}

impl Client {
    /// Whether an administrator wants it here: one that registered itself waits to be admitted.
    #[must_use]
    pub fn is_admitted(&self) -> bool {
        self.registered.as_ref().is_none_or(|registered| registered.admitted)
    }

    /// Whether its people's other things are its business: their doors that it was not granted, and what they granted to other apps. One
    /// that registered itself was let in for what people grant to it, and for no more.
    #[must_use]
    pub fn sees_beyond_its_grant(&self) -> bool {
        self.registered.is_none()
    }
}

/// A client that registered itself (RFC 7591).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Registered {
    /// HMAC-SHA256 of its registration access token (RFC 7592) under the server's secret-hash key.
    pub token: Hash32,
    /// Since when.
    pub at: Timestamp,
    /// Whether an administrator admitted it as it is now.
    pub admitted: bool,
    /// Whether it sends its secret in the form; both ways work.
    #[serde(default)]
    pub post: bool,
}

/// Lets so many clients register themselves (RFC 7591 §1.2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InitialToken {
    /// HMAC-SHA256 of it under the server's secret-hash key.
    pub hash: Hash32,
    /// How many more; never 0.
    pub uses: u32,
    /// Good until.
    pub expires: Timestamp,
}

/// Whether a client can keep a secret, and which side of a token it is on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientKind {
    /// An app on a person's device (RFC 8252), bound to its installation key by DPoP.
    Native {
        /// Registered redirect targets.
        redirect_uris: Vec<String>,
    },
    /// A service that authenticates.
    Confidential {
        /// Registered redirect targets; empty for machines.
        #[serde(default)]
        redirect_uris: Vec<String>,
    },
    /// A resource server, or what speaks for several: it gets no tokens, and may ask about those for its locks (RFC 7662, RFC 9770).
    ResourceServer {
        /// The locks it speaks for.
        locks: BTreeSet<LockName>,
    },
}

impl ClientKind {
    /// As a declaration calls it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Native { .. } => "native",
            Self::Confidential { .. } => "confidential",
            Self::ResourceServer { .. } => "resource_server",
        }
    }

    /// The registered redirect targets.
    #[must_use]
    pub fn redirect_uris(&self) -> &[String] {
        match self {
            Self::Native { redirect_uris } | Self::Confidential { redirect_uris } => redirect_uris,
            Self::ResourceServer { .. } => &[],
        }
    }

    /// The locks it speaks for; none if it is no resource server.
    #[must_use]
    pub fn locks(&self) -> Option<&BTreeSet<LockName>> {
        match self {
            Self::ResourceServer { locks } => Some(locks),
            Self::Native { .. } | Self::Confidential { .. } => None,
        }
    }
}

/// How a client authenticates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// Not at all: a public client.
    None,
    /// `client_secret_basic` or `_post`: HMAC-SHA256 of the secret under the server's secret-hash key (`secret::keyed_hash`).
    SecretHash(Hash32),
    /// `private_key_jwt` (RFC 7523): the keys it may sign with.
    PrivateKeyJwt(Vec<ClientKey>),
    /// The OSCORE context of the same name (RFC 9203), over CoAP only.
    Oscore,
    /// `tls_client_auth` (RFC 8705 §2.1): a certificate of an authority, with this name.
    TlsClientAuth(CertificateName),
    /// `self_signed_tls_client_auth` (RFC 8705 §2.2): one of the certificates with these SHA-256 thumbprints.
    SelfSignedTls(Vec<Hash32>),
    /// The DTLS pre-shared key of this identity.
    DtlsPsk(Blob),
    /// One of these keys, as a DTLS raw public key (RFC 7250).
    RawPublicKey(Vec<PublicKey>),
    /// EDHOC (RFC 9528) by the key in this CCS, whose `kid` is the client's id; over CoAP only.
    Edhoc(Blob),
}

impl ClientAuth {
    /// The method's name at `token_endpoint_auth_method`, or ours where OAuth has none.
    #[must_use]
    pub const fn method(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::SecretHash(_) => "client_secret",
            Self::PrivateKeyJwt(_) => "private_key_jwt",
            Self::Oscore => "oscore",
            Self::TlsClientAuth(_) => "tls_client_auth",
            Self::SelfSignedTls(_) => "self_signed_tls_client_auth",
            Self::DtlsPsk(_) => "dtls_psk",
            Self::RawPublicKey(_) => "dtls_raw_public_key",
            Self::Edhoc(_) => "edhoc",
        }
    }
}

/// A key a client signs assertions with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientKey {
    /// The `kid` its assertions name, if any.
    #[serde(default)]
    pub kid: Option<String>,
    /// The key.
    pub key: PublicKey,
}

/// The grants of RFC 6749 that this server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantKind {
    /// RFC 6749 §4.1.
    AuthorizationCode,
    /// RFC 6749 §4.4.
    ClientCredentials,
    /// RFC 6749 §6.
    RefreshToken,
    /// RFC 8628.
    DeviceCode,
    /// RFC 8693.
    TokenExchange,
}

/// A door.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Door {
    /// Its name.
    pub name: DoorName,
    /// What people call it.
    pub title: String,
    /// The lock on it.
    pub lock: LockName,
    /// Who may consent for it.
    #[serde(default)]
    pub owners: Vec<PersonId>,
    /// The zone it is in, for policy.
    #[serde(default)]
    pub zone: Option<String>,
    /// What else policy may look at.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

/// An owner's consent, given in advance or on the owner's page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdvanceConsent {
    /// For this door only.
    pub door: DoorName,
    /// Who gave it; counts only while this person owns the door.
    pub owner: PersonId,
    /// To whom.
    pub who: PersonId,
    /// To what; empty means all that policy lets a consent open. A page asks for certain words, and its yes means no others.
    #[serde(default)]
    pub scope: Scope,
    /// From when; a token may be fetched before, and says so (`nbf`). None: at once.
    #[serde(default)]
    pub from: Option<Timestamp>,
    /// Until when; no token outlives it.
    pub until: Timestamp,
}

/// What the provider said of a person at sign-in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Person {
    /// Who.
    pub id: PersonId,
    /// What to call them on a page.
    #[serde(default)]
    pub name: String,
    /// Groups at the provider, for policy.
    #[serde(default)]
    pub groups: BTreeSet<String>,
    /// When they signed in.
    pub signed_in: Timestamp,
}

/// One member of a grant: an audience and the scope consented for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Consented {
    /// Whom tokens may be for.
    pub audience: Audience,
    /// The most they may say.
    pub scope: Scope,
}

/// What a person granted to an app, for as long as it lasts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Grant {
    /// Its name.
    pub id: GrantId,
    /// To which client.
    pub client: ClientId,
    /// By whom.
    pub person: Person,
    /// The installation key it is bound to; `None` for confidential clients only.
    pub jkt: Option<Jkt>,
    /// For what.
    pub consented: Vec<Consented>,
    /// Since when.
    pub created: Timestamp,
    /// When it ends in any case.
    pub ends: Timestamp,
    /// When it ends unless refreshed.
    pub idle_ends: Timestamp,
    /// The state of its refresh token; `None` when the client may not refresh.
    pub refresh: Option<Refresh>,
    /// When and why it was revoked.
    pub revoked: Option<Revoked>,
}

/// A refresh token's state: hashes only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refresh {
    /// SHA-256 of the token that works.
    pub current: Hash32,
    /// The one before, and when it was spent.
    pub previous: Option<(Hash32, Timestamp)>,
}

/// The end of a grant before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub why: RevokedWhy,
}

/// Why a grant was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevokedWhy {
    /// Its code was redeemed twice (RFC 6749 §4.1.2).
    CodeReused,
    /// A spent refresh token came back with the key (RFC 9700 §4.14.2).
    RefreshReused,
    /// A person or an administrator ended it.
    Asked,
}

/// An authorization code, by its hash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Code {
    /// SHA-256 of the code.
    pub hash: Hash32,
    /// Whose.
    pub client: ClientId,
    /// Whether a device redeems it, by its device code (RFC 8628): then it has neither target nor challenge.
    #[serde(default)]
    pub by_device: bool,
    /// The redirect target of the request, which the client must repeat.
    pub redirect_uri: String,
    /// The PKCE challenge, S256 (RFC 7636 §4.2).
    pub challenge: Hash32,
    /// The installation key named at `/authorize` (RFC 9449 §10).
    pub jkt: Option<Jkt>,
    /// Who signed in.
    pub person: Person,
    /// What was consented.
    pub consented: Vec<Consented>,
    /// Good until.
    pub expires: Timestamp,
    /// The grant it became.
    pub redeemed: Option<GrantId>,
}

/// A request at `/authorize` whose person has signed in and not finished. Bound to the browser by a cookie whose hash is the name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Authorization {
    /// SHA-256 of the browser's cookie value.
    pub id: Hash32,
    /// What the client asked, checked.
    pub request: super::request::AuthorizationRequest,
    /// How far it is.
    pub stage: Stage,
    /// Good until.
    pub expires: Timestamp,
}

/// How far a sign-in is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Signed in; the app's page waits for an answer.
    Consenting {
        /// Who.
        person: Person,
    },
    /// Waiting for owners.
    AwaitingOwners {
        /// Who.
        person: Person,
        /// Their questions.
        requests: Vec<Hash32>,
    },
}

/// A question to the owners of a door.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConsentRequest {
    /// Its name, drawn at random.
    pub id: Hash32,
    /// Which door.
    pub door: DoorName,
    /// Who asks.
    pub asker: Person,
    /// By which app.
    pub client: ClientId,
    /// For what.
    pub scope: Scope,
    /// Until when the consent would last.
    pub until: Timestamp,
    /// How long an answer is awaited.
    pub expires: Timestamp,
    /// The answer.
    pub state: Answer,
}

/// An owner's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// None yet.
    Waiting,
    /// Yes.
    Granted {
        /// By this owner.
        by: PersonId,
    },
    /// No.
    Denied {
        /// By this owner.
        by: PersonId,
    },
}

/// All that is kept of a token: no part of its content, unless it is a reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// The RFC 9770 §4.2 token hash, without its leading 0x01.
    pub hash: Hash32,
    /// When it ends everywhere.
    pub expires: Timestamp,
    /// Whom it was given to.
    pub client: ClientId,
    /// Whom it is for.
    pub audience: Audience,
    /// The grant it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantId>,
    /// The token that it was exchanged for (RFC 8693), with which it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Hash32>,
    /// When it was revoked: it is on the revocation list until it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Timestamp>,
    /// How its holder speaks to the lock; none for the people API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<AceProfile>,
    /// What a reference stands for: its claims, sealed with [`TokenRecord::claims_label`]. A token that says so itself has none here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<Sealed>,
}

impl TokenRecord {
    /// Whether a service got it for a person (RFC 8693). The app behind its grant asked for the one that it was exchanged for, and never
    /// held this one: to that app, and to its installation key, it is nobody's.
    #[must_use]
    pub fn is_exchanged(&self) -> bool {
        self.subject.is_some()
    }

    /// What the claims of a reference are sealed for.
    #[must_use]
    pub fn claims_label(hash: &Hash32) -> String {
        format!("token {hash}")
    }
}

/// A symmetric key that lives at a lock, so that `req_cnf` may name it (RFC 9203 §3.1, RFC 9202 §4). No secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LiveContext {
    /// At which lock.
    pub lock: LockName,
    /// The `id` of its `osc`, or the `kid` of its COSE_Key.
    pub id: Blob,
    /// By which protocol it is used.
    #[serde(default)]
    pub profile: AceProfile,
    /// Whose.
    pub client: ClientId,
    /// Under which grant; another installation of the same app may not touch it.
    pub grant: Option<GrantId>,
    /// Until when.
    pub expires: Timestamp,
}

/// Something that may happen once: a `jti` of an assertion or a proof.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// What, hashed with its kind and its owner.
    pub what: Hash32,
    /// Until when it could be replayed, by a clock that is not set back; it is kept for longer.
    pub until: Timestamp,
}

/// The sequence number of tokens for a lock without a clock (RFC 9200 §5.10.3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExiCounter {
    /// Which lock.
    pub lock: LockName,
    /// The last number used.
    pub last: u64,
}

/// A client's OSCORE context with this server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OscoreClient {
    /// Whose.
    pub client: ClientId,
    /// The client's recipient id, our sender id.
    pub client_id: Blob,
    /// Our recipient id, the client's sender id.
    pub server_id: Blob,
    /// The id context, if any.
    #[serde(default)]
    pub id_context: Option<Blob>,
    /// The master secret, sealed with [`OscoreClient::label`].
    pub master_secret: Sealed,
    /// The master salt, sealed with the same label.
    #[serde(default)]
    pub master_salt: Option<Sealed>,
}

impl OscoreClient {
    /// What its secrets are sealed for.
    #[must_use]
    pub fn label(&self) -> String {
        format!("oscore {}", self.client)
    }

    /// What its requests call it.
    #[must_use]
    pub fn name(&self) -> OscoreName {
        OscoreName { kid: self.server_id.clone(), id_context: self.id_context.clone(), client: self.client.clone() }
    }
}

/// Whose context a request names (RFC 8613 §8.2, step 2); no two clients have the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OscoreName {
    /// The client's sender id.
    pub kid: Blob,
    /// The id context, if any.
    #[serde(default)]
    pub id_context: Option<Blob>,
    /// Whose.
    pub client: ClientId,
}

/// How far our sender numbers under one key are spoken for (RFC 8613 B.1.1). It belongs to the key, not to the client: a secret
/// that goes and comes back goes on where it was, for a number used twice would give the key away.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SenderNumbers {
    /// A hash of all that makes the key.
    pub key: Hash32,
    /// Every number below may have been used.
    pub below: u64,
}

/// A key to the administration, by its hash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdminToken {
    /// SHA-256 of the token.
    pub hash: Hash32,
    /// Good until.
    pub expires: Timestamp,
}
