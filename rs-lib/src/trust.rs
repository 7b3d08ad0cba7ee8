//! Whom a lock trusts, with which keys, and how far.

use crate::nonce::Nonces;
use latchwork_ace::Aif;
use latchwork_crypto::{P256Public, Secret};

/// What a lock was told when it was enrolled.
pub struct Trust<'k> {
    /// The audience that names this lock and no other.
    pub audience: &'k str,
    /// Further audiences that it shares with others; they count in signed tokens only, because a shared symmetric key
    /// would let one lock mint for the rest (RFC 9200 §6.1).
    pub groups: &'k [&'k str],
    /// The authorization servers, each with its own keys.
    pub issuers: &'k [Issuer<'k>],
    /// How the lock knows that a token is recent.
    pub freshness: Freshness<'k>,
    /// What hints suggest to ask for.
    pub scopes: &'k [NamedScope<'k>],
}

/// One authorization server.
pub struct Issuer<'k> {
    /// Its `iss`.
    pub name: &'k str,
    /// Where to ask for tokens; goes into hints.
    pub token_uri: &'k str,
    /// Every key that it protects tokens with: during a rotation both the old one and the new.
    pub keys: &'k [TokenKey<'k>],
    /// The most that its tokens may grant here; None for whatever they say.
    pub ceiling: Option<Aif<'k>>,
    /// The audiences that its tokens may be for here, of those that the lock has; None for all of them.
    pub audiences: Option<&'k [&'k str]>,
}

/// A key and the name by which tokens refer to it.
pub struct TokenKey<'k> {
    /// Key identifier, as in the protected header.
    pub kid: &'k [u8],
    /// The key.
    pub key: Key<'k>,
    /// The rotation is over: tokens under this key are refused, and the log can say why.
    pub retired: bool,
}

/// A key by what it is good for.
pub enum Key<'k> {
    /// AES-CCM-16-128-128, shared by the lock and its server.
    AesCcm(&'k Secret<16>),
    /// HMAC 256/256, shared by the lock and its server; no other key of theirs. Good for nothing without the feature `mac0`.
    Hmac(&'k Secret<32>),
    /// The server's public ES256 key.
    Es256(P256Public),
    /// The server's public EdDSA key.
    EdDsa([u8; 32]),
}

/// How a lock knows that a token is recent (RFC 9200 §5.10.3, §5.3.1).
pub enum Freshness<'k> {
    /// By what the token says: `exp` and `nbf` by the clock, `exi` by the record in flash.
    Clock,
    /// By a nonce of its own that the token brings back.
    Nonce(&'k Nonces),
}

/// A scope as people say it, and what it stands for.
pub struct NamedScope<'k> {
    /// For example `door:open`.
    pub name: &'k str,
    /// What tokens carry for it.
    pub grants: Aif<'k>,
}

impl<'k> Trust<'k> {
    /// Every key of this name, with the position of its issuer. Two servers may have chosen the same name.
    pub(crate) fn keys<'s>(&'s self, kid: &'s [u8]) -> impl Iterator<Item = (IssuerId, &'s TokenKey<'k>)> {
        self.issuers
            .iter()
            .zip(0..)
            .flat_map(|(issuer, id)| issuer.keys.iter().map(move |key| (IssuerId(id), key)))
            .filter(move |(_, key)| key.kid == kid || cfg!(latchwork_disable = "kid"))
    }

    pub(crate) fn issuer(&self, IssuerId(id): IssuerId) -> Option<&Issuer<'k>> {
        self.issuers.get(usize::from(id))
    }

    /// Whether a token of this issuer for this audience is for us.
    pub(crate) fn is_audience(&self, name: &str, signed: bool, issuer: IssuerId) -> bool {
        let limit = self.issuer(issuer).and_then(|issuer| issuer.audiences);
        if limit.is_some_and(|audiences| !audiences.contains(&name)) && !cfg!(latchwork_disable = "audience-ceiling") {
            return false;
        }
        let shared = self.groups.contains(&name);
        name == self.audience || shared && (signed || cfg!(latchwork_disable = "group"))
    }
}

/// The position of an issuer in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IssuerId(pub(crate) u8);
