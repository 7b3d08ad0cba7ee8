//! What the server knows of a resource server: its keys, what its scopes mean, and what it can work with.

use super::bytes::{Blob, Sealed};
use super::names::{Audience, DoorName, GroupName, LockName};
use super::scope::{Scope, ScopeMap};
use super::time::Seconds;
use crate::keys::Alg;
use latchwork_ace::registry::Profile;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A resource server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lock {
    /// Its name; its audience follows from it.
    pub name: LockName,
    /// The door it moves.
    pub door: DoorName,
    /// Groups whose signed tokens it takes too.
    #[serde(default)]
    pub groups: BTreeSet<GroupName>,
    /// What it knows of the time.
    pub clock: ClockMode,
    /// The kid of its token key.
    pub token_kid: Blob,
    /// The token key, AES-CCM-16-128-128, sealed with [`Lock::key_label`].
    pub token_key: Sealed,
    /// About how many times 65,536 tokens were minted under this key (`mint::Wear`); rotation sets it to 0.
    #[serde(default)]
    pub token_key_wear: u32,
    /// The key of MACed tokens; made with the token key.
    #[serde(default)]
    pub mac: Option<MacKey>,
    /// Whether its encrypted tokens are signed inside, so that its own token key makes none.
    #[serde(default)]
    pub signed: bool,
    /// Its CCS (a CBOR map `{8: {1: COSE_Key}}`), for signed tokens.
    #[serde(default)]
    pub credential: Option<Blob>,
    /// Where its door's people reach it: `host:port`.
    pub address: String,
    /// What its scope words mean.
    pub scopes: ScopeMap,
    /// What a request without a scope asks for (RFC 6749 §3.3); empty means every word.
    #[serde(default)]
    pub default_scope: Scope,
    /// Which tokens and keys it can work with.
    #[serde(default)]
    pub abilities: Abilities,
    /// How long its tokens live.
    pub lifetime: Seconds,
}

impl Lock {
    /// The lock's audience.
    #[must_use]
    pub fn audience(&self) -> Audience {
        Audience::Lock(self.name.clone())
    }

    /// Whether a token of this audience is for this lock.
    #[must_use]
    pub fn is_in(&self, audience: &Audience) -> bool {
        match audience {
            Audience::Lock(name) => self.name == *name,
            Audience::Group(group) => self.groups.contains(group),
            Audience::Service(_) | Audience::Api(_) => false,
        }
    }

    /// What the token key is sealed for, so that a sealed key of another lock does not fit.
    #[must_use]
    pub fn key_label(&self) -> String {
        format!("lock {}", self.name)
    }

    /// What the MAC key is sealed for.
    #[must_use]
    pub fn mac_label(&self) -> String {
        format!("lock {} mac", self.name)
    }
}

/// A key that a lock and the server share for HMAC 256/256.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MacKey {
    /// Its kid.
    pub kid: Blob,
    /// Its 32 bytes, sealed with [`Lock::mac_label`].
    pub key: Sealed,
}

/// Which tokens and keys a lock can work with. What is not said is: all that its keys allow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Abilities {
    /// The protocols that it speaks with clients.
    pub profiles: BTreeSet<AceProfile>,
    /// The public keys that its clients may have.
    pub pop_keys: BTreeSet<KeyKind>,
    /// The signatures of this server that it verifies.
    pub algs: BTreeSet<Alg>,
    /// Whether a token speaks for itself.
    pub form: TokenForm,
    /// How a token that holds no secret is protected.
    pub protection: Protection,
    /// Whether a symmetric key travels encrypted by itself in a token that is not (RFC 8747 §3.3). Never an OSCORE secret.
    pub wrapped: bool,
}

impl Default for Abilities {
    fn default() -> Self {
        Self {
            profiles: AceProfile::ALL.into(),
            pop_keys: [KeyKind::P256, KeyKind::Ed25519].into(),
            algs: [Alg::Es256, Alg::EdDsa].into(),
            form: TokenForm::SelfContained,
            protection: Protection::Signed,
            wrapped: false,
        }
    }
}

/// An ACE profile (RFC 9200 §8.8) that this server issues tokens for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AceProfile {
    /// RFC 9203.
    #[default]
    CoapOscore,
    /// RFC 9202.
    CoapDtls,
    /// The EDHOC and OSCORE profile.
    CoapEdhocOscore,
}

impl AceProfile {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::CoapOscore, Self::CoapDtls, Self::CoapEdhocOscore];

    /// Its number on the wire.
    #[must_use]
    pub const fn number(self) -> Profile {
        match self {
            Self::CoapOscore => Profile::COAP_OSCORE,
            Self::CoapDtls => Profile::COAP_DTLS,
            Self::CoapEdhocOscore => Profile::COAP_EDHOC_OSCORE,
        }
    }
}

/// A kind of public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum KeyKind {
    /// EC2 on P-256.
    #[serde(rename = "P-256")]
    P256,
    /// OKP on Ed25519.
    Ed25519,
}

/// Whether a token speaks for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenForm {
    /// A CWT.
    #[default]
    SelfContained,
    /// Random bytes; the lock asks the server what they mean (RFC 9200 §5.9).
    Reference,
}

/// How a token that holds no secret is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protection {
    /// By the server's signature (COSE_Sign1).
    #[default]
    Signed,
    /// By a key of this lock alone (COSE_Mac0, HMAC 256/256): no public-key operation at the lock. Groups never.
    Maced,
}

/// What a lock knows of the time (RFC 9200 §5.10.3, §5.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockMode {
    /// A clock: tokens carry `exp`.
    Clock,
    /// None, but it counts seconds: tokens carry `exi` and a sequence number in `cti`.
    Exi,
    /// None: the client brings the lock's `cnonce`.
    Nonce,
}
