//! Who asks. What comes out is the client's record and what this request proved; only [`client`] makes it.

use super::assertion;
use super::change::Change;
use super::dpop::{self, ProvenKey};
use super::jwk::PublicKey;
use super::names::Jkt;
use super::records::{Client, ClientAuth, ClientKind};
use super::refusal::{ProofFault, Refusal};
use super::request::{Credential, Presented};
use super::secret;
use super::time::Timestamp;
use crate::keys::Key32;

/// A client that showed who it is.
#[derive(Debug)]
pub struct Authenticated<'f> {
    client: &'f Client,
    proven: Option<ProvenKey>,
    signed_with: Option<PublicKey>,
    spend: Vec<Change>,
}

impl<'f> Authenticated<'f> {
    /// Its record.
    #[must_use]
    pub fn client(&self) -> &'f Client {
        self.client
    }

    /// The thumbprint of the key that its DPoP proof shows.
    #[must_use]
    pub fn jkt(&self) -> Option<Jkt> {
        self.proven.as_ref().map(ProvenKey::jkt)
    }

    /// Whether this request shows possession of the key: by its DPoP proof, or as the key that authenticated the client.
    #[must_use]
    pub fn possesses(&self, key: &PublicKey) -> bool {
        self.proven.as_ref().is_some_and(|proven| proven.key() == key) || self.signed_with.as_ref() == Some(key)
    }

    /// Spends the assertion and the proof; to be committed with what they were good for.
    #[must_use]
    pub fn spend(&self) -> Vec<Change> {
        self.spend.clone()
    }
}

/// Authenticates the client by the one method it is registered for, and checks its DPoP proof, which a public client must send.
pub fn client<'f>(
    presented: &Presented,
    record: Option<&'f Client>,
    secrets: &Key32,
    issuer: &str,
    now: Timestamp,
) -> Result<Authenticated<'f>, Refusal> {
    let who = by_method(presented, record, secrets, issuer, now)?;
    if who.proven.is_none() && is_public(who.client) {
        return Err(Refusal::Proof(ProofFault::Missing));
    }
    Ok(who)
}

/// The same where a public client needs no proof: what it gets there it can use only with the key that it names.
pub fn by_method<'f>(
    presented: &Presented,
    record: Option<&'f Client>,
    secrets: &Key32,
    issuer: &str,
    now: Timestamp,
) -> Result<Authenticated<'f>, Refusal> {
    let claimed = presented.claimed_client().ok_or(Refusal::NotPresented)?;
    let client = record.filter(|client| client.id == claimed).ok_or(Refusal::UnknownClient(claimed))?;
    let mut spend = Vec::new();
    let mut signed_with = None;
    match (&presented.credential, &client.auth) {
        (Credential::Public { .. }, ClientAuth::None) => {}
        (Credential::Channel { channel, .. }, auth) => {
            let shown = channel.shows(auth, now).ok_or_else(|| Refusal::OtherMethod(client.id.clone()))?;
            signed_with = shown?;
        }
        (Credential::Secret { secret, .. }, ClientAuth::SecretHash(hash)) => {
            if !secret::matches(secrets, &client.id, secret.expose(), hash) {
                return Err(Refusal::WrongSecret(client.id.clone()));
            }
        }
        (Credential::Assertion { jwt, .. }, ClientAuth::PrivateKeyJwt(keys)) => {
            let (key, once) = assertion::check(jwt.expose(), &client.id, keys, issuer, now)?;
            signed_with = Some(key);
            spend.push(once);
        }
        _ => return Err(Refusal::OtherMethod(client.id.clone())),
    }
    let proven = presented.proof.as_ref().map(|proof| dpop::check(proof, now)).transpose()?;
    spend.extend(proven.as_ref().map(ProvenKey::spend));
    Ok(Authenticated { client, proven, signed_with, spend })
}

/// Whether the client cannot keep a secret, so that its installation key takes the place of one.
#[must_use]
pub fn is_public(client: &Client) -> bool {
    matches!(client.kind, ClientKind::Native { .. }) || client.auth == ClientAuth::None
}
