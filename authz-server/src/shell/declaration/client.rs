//! `[[client]]`: apps, services and resource servers.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Undeclarable, wrong};
use crate::core::bytes::{Blob, Hash32, unhex};
use crate::core::channel::CertificateName;
use crate::core::edhoc;
use crate::core::jwk::PublicKey;
use crate::core::names::{ClientId, LockName, Origin};
use crate::core::records::{AceProfile, Client, ClientAuth, ClientKey, ClientKind, GrantKind};
use crate::core::redirect;
use crate::core::scope::Scope;
use crate::core::secret;
use crate::keys::Keys;

/// A client.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredClient {
    pub(super) id: ClientId,
    title: Option<String>,
    kind: Kind,
    #[serde(default)]
    redirect_uris: Vec<String>,
    /// Left out: all that this kind of client can use.
    grants: Option<BTreeSet<GrantKind>>,
    #[serde(default)]
    require_pushed_authorization_requests: bool,
    #[serde(default)]
    ceiling: Scope,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    /// Web origins of a browser-based client.
    #[serde(default)]
    origins: BTreeSet<Origin>,
    secret: Option<Zeroizing<String>>,
    #[serde(default)]
    keys: Vec<ClientKey>,
    #[serde(default)]
    oscore: bool,
    /// The key that it proves in EDHOC: a JWK, or a COSE_Key or CCS in hexadecimal.
    edhoc: Option<EdhocKey>,
    /// The one name in its certificate, which an authority of `http.mtls_ca` vouches for.
    tls_client_auth: Option<CertificateName>,
    /// SHA-256 of its own certificates, in hexadecimal.
    #[serde(default)]
    certificates: Vec<String>,
    /// The ACE profiles that it speaks; none means any.
    #[serde(default)]
    profiles: BTreeSet<AceProfile>,
    /// The locks a resource server speaks for.
    #[serde(default)]
    locks: BTreeSet<LockName>,
}

/// A client's credential for EDHOC, in one of its forms.
#[derive(Deserialize)]
#[serde(untagged)]
enum EdhocKey {
    Cbor(String),
    Jwk(PublicKey),
}

impl EdhocKey {
    fn credential(&self, id: &ClientId) -> Option<Blob> {
        match self {
            Self::Cbor(text) => edhoc::declared(id, text),
            Self::Jwk(key) => edhoc::of_key(id, key),
        }
    }
}

impl std::fmt::Debug for DeclaredClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "client {}", self.id)
    }
}

/// Native or confidential (RFC 6749 §2.1), or no client of tokens at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An app on a person's device.
    Native,
    /// A service that authenticates.
    Confidential,
    /// A lock, or what speaks for several: it authenticates, and asks about tokens.
    ResourceServer,
}

impl DeclaredClient {
    pub(super) fn record(
        self,
        old: Option<&Client>,
        with_context: &BTreeSet<ClientId>,
        keys: &Keys,
    ) -> Result<Client, Undeclarable> {
        let refuse = |problem| wrong("client", &self.id, problem);
        let ways = usize::from(self.secret.is_some())
            + usize::from(!self.keys.is_empty())
            + usize::from(self.oscore)
            + usize::from(self.edhoc.is_some())
            + usize::from(self.tls_client_auth.is_some())
            + usize::from(!self.certificates.is_empty());
        if ways > 1 {
            return Err(refuse(
                "give one of secret, keys, oscore, edhoc, tls_client_auth and certificates, not several",
            ));
        }
        if self.kind == Kind::Native && (self.tls_client_auth.is_some() || !self.certificates.is_empty()) {
            return Err(refuse("a native app has no certificate of its own; its installation key speaks for it"));
        }
        if self.tls_client_auth.as_ref().is_some_and(|name| !name.is_one()) {
            return Err(refuse(
                "tls_client_auth is one of subject_dn, san_dns, san_uri, san_ip, san_email; no pattern",
            ));
        }
        let thumbprints: Option<Vec<Hash32>> = self.certificates.iter().map(|text| thumbprint(text)).collect();
        let thumbprints = thumbprints.ok_or_else(|| refuse("certificates are SHA-256 fingerprints in hexadecimal"))?;
        if self.kind == Kind::Native && self.edhoc.is_some() {
            return Err(refuse(
                "a native app has no key of its own for EDHOC here; its installation key speaks for it",
            ));
        }
        let credential = match &self.edhoc {
            Some(key) => Some(key.credential(&self.id).ok_or_else(|| {
                refuse(
                    "edhoc is a P-256 key: a JWK, or a COSE_Key or CCS in hexadecimal; a kid in it is the client's id",
                )
            })?),
            None => None,
        };
        let auth = match (self.kind, &self.secret, self.oscore) {
            (_, None, false) if let [name] = self.tls_client_auth.as_slice() => ClientAuth::TlsClientAuth(name.clone()),
            (_, None, false) if let Some(ccs) = credential => ClientAuth::Edhoc(ccs),
            (Kind::Native, None, false) if self.keys.is_empty() => ClientAuth::None,
            (Kind::Native, ..) => {
                return Err(refuse("a native app keeps no secret; its installation key speaks for it"));
            }
            (_, Some(text), _) if text.len() < MIN_SECRET => {
                return Err(refuse("a secret needs at least 32 characters; make one at random"));
            }
            (_, Some(text), _) => ClientAuth::SecretHash(secret::keyed_hash(&keys.secrets, &self.id, text.as_bytes())),
            (_, None, true) if with_context.contains(&self.id) => ClientAuth::Oscore,
            (_, None, true) => {
                return Err(refuse("oscore = true needs an [[oscore]] with this client"));
            }
            (_, None, false) if !thumbprints.is_empty() => ClientAuth::SelfSignedTls(thumbprints),
            (_, None, false) if !self.keys.is_empty() => ClientAuth::PrivateKeyJwt(self.keys.clone()),
            (_, None, false) => match old.map(|old| old.auth.clone()) {
                Some(kept) if kept != ClientAuth::None => kept,
                _ => {
                    return Err(refuse(
                        "a confidential client needs a secret, keys, oscore = true, edhoc, tls_client_auth or certificates",
                    ));
                }
            },
        };
        match (self.kind, self.locks.is_empty()) {
            (Kind::ResourceServer, true) => return Err(refuse("a resource server speaks for one lock or more")),
            (Kind::Native | Kind::Confidential, false) => {
                return Err(refuse("only a resource server has locks"));
            }
            _ => {}
        }
        let wants_tokens = !self.redirect_uris.is_empty() || self.grants.iter().flatten().next().is_some();
        if self.kind == Kind::ResourceServer && wants_tokens {
            return Err(refuse("a resource server gets no tokens: it has no grants and no redirect URIs"));
        }
        for uri in &self.redirect_uris {
            if redirect::kind(uri).is_none() {
                return Err(refuse(
                    "a redirect URI is http://127.0.0.1/…, http://[::1]/…, https://…, or a private scheme with a dot; no fragment",
                ));
            }
        }
        let grants = self.grants.unwrap_or_else(|| match (self.kind, self.redirect_uris.is_empty()) {
            (Kind::Native, _) | (Kind::Confidential, false) => {
                [GrantKind::AuthorizationCode, GrantKind::RefreshToken].into()
            }
            (Kind::Confidential, true) => [GrantKind::ClientCredentials].into(),
            (Kind::ResourceServer, _) => BTreeSet::new(),
        });
        if self.kind == Kind::Native && grants.contains(&GrantKind::TokenExchange) {
            return Err(wrong("client", &self.id, "a native app exchanges no tokens: it cannot prove to be itself"));
        }
        if self.kind == Kind::Native && grants.contains(&GrantKind::ClientCredentials) {
            return Err(wrong(
                "client",
                &self.id,
                "a native app has no client_credentials: it cannot prove to be itself",
            ));
        }
        Ok(Client {
            title: self.title.or(old.map(|old| old.title.clone())).unwrap_or_else(|| self.id.to_string()),
            id: self.id,
            kind: match self.kind {
                Kind::Native => ClientKind::Native { redirect_uris: self.redirect_uris },
                Kind::Confidential => ClientKind::Confidential { redirect_uris: self.redirect_uris },
                Kind::ResourceServer => ClientKind::ResourceServer { locks: self.locks },
            },
            auth,
            grants,
            pushed_only: self.require_pushed_authorization_requests,
            ceiling: self.ceiling,
            profiles: self.profiles,
            attributes: self.attributes,
            origins: self.origins,
            // Whoever declares a client that registered itself takes it over: its registration access token is void.
            registered: None,
        })
    }
}

/// As `openssl x509 -fingerprint -sha256` prints it, with or without its colons.
fn thumbprint(text: &str) -> Option<Hash32> {
    let digits: String = text.trim_start_matches("sha256:").chars().filter(|c| *c != ':').collect();
    unhex(&digits)?.try_into().ok().map(Hash32)
}

/// Characters of a client secret: 32 of base64url are 192 bits.
const MIN_SECRET: usize = 32;
