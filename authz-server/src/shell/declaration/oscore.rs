//! `[[oscore]]`: the contexts that clients share with this server, and the names by which their requests find them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{Undeclarable, wrong};
use crate::core::bytes::unhex;
use crate::core::bytes::{Blob, Hash32, Sealed};
use crate::core::change::{Change, Key, Rev};
use crate::core::names::ClientId;
use crate::core::records::{OscoreClient, OscoreName};
use crate::keys::Keys;

/// A client's OSCORE context with this server. Ids and secrets in hexadecimal.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredOscore {
    pub(super) client: ClientId,
    /// The sender id of the client.
    client_sender_id: String,
    /// The sender id of this server.
    server_sender_id: String,
    id_context: Option<String>,
    master_secret: Option<Zeroizing<String>>,
    master_salt: Option<Zeroizing<String>>,
}

impl std::fmt::Debug for DeclaredOscore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "oscore {}", self.client)
    }
}

impl DeclaredOscore {
    pub(super) fn record(self, old: Option<&OscoreClient>, keys: &Keys) -> Result<OscoreClient, Undeclarable> {
        let refuse = |problem| wrong("oscore", &self.client, problem);
        let hex = |text: &str| unhex(text).ok_or_else(|| refuse("ids and secrets are hexadecimal"));
        let client_id = Blob(hex(&self.server_sender_id)?);
        let server_id = Blob(hex(&self.client_sender_id)?);
        if client_id == server_id {
            return Err(refuse("the two sender ids must differ"));
        }
        if client_id.0.len() > MAX_ID || server_id.0.len() > MAX_ID {
            return Err(refuse("a sender id has at most 7 bytes"));
        }
        let id_context = self.id_context.as_deref().map(hex).transpose()?.map(Blob);
        if id_context.as_ref().is_some_and(|id| id.0.len() > MAX_ID_CONTEXT) {
            return Err(refuse("an id context has at most 32 bytes"));
        }
        let label = format!("oscore {}", self.client);
        let opened = |sealed: Option<&Sealed>| sealed.map(|sealed| keys.storage.open(&label, &sealed.0.0)).transpose();
        let old_secret = opened(old.map(|old| &old.master_secret))?;
        let old_salt = opened(old.and_then(|old| old.master_salt.as_ref()))?;
        let secret = match &self.master_secret {
            Some(text) => Some(Zeroizing::new(hex(text)?)),
            None => old_secret.clone(),
        };
        let secret = secret.ok_or_else(|| refuse("master_secret is missing"))?;
        if secret.len() < 16 {
            return Err(refuse("master_secret needs at least 16 bytes"));
        }
        let salt = match &self.master_salt {
            Some(text) => Some(Zeroizing::new(hex(text)?)),
            None if self.master_secret.is_none() => old_salt.clone(),
            None => None,
        };
        if let Some(old) = old {
            let same = alike(old_secret.as_ref(), Some(&secret))
                && alike(old_salt.as_ref(), salt.as_ref())
                && old.client_id == client_id
                && old.server_id == server_id
                && old.id_context == id_context;
            if same {
                return Ok(old.clone());
            }
        }
        let seal = |bytes: &[u8]| keys.storage.seal(&label, bytes).map(|sealed| Sealed(Blob(sealed)));
        Ok(OscoreClient {
            client: self.client,
            client_id,
            server_id,
            id_context,
            master_secret: seal(&secret)?,
            master_salt: salt.map(|salt| seal(&salt)).transpose()?,
        })
    }
}

/// What requests call each context. Two that cannot be told apart are refused, and so are two with one secret.
pub(super) struct Names<'e> {
    before: &'e BTreeMap<ClientId, (OscoreClient, Rev)>,
    declared: BTreeMap<ClientId, OscoreClient>,
}

impl<'e> Names<'e> {
    pub(super) fn new(before: &'e BTreeMap<ClientId, (OscoreClient, Rev)>) -> Self {
        Self { before, declared: BTreeMap::new() }
    }

    pub(super) fn declare(&mut self, context: &OscoreClient) {
        self.declared.insert(context.client.clone(), context.clone());
    }

    /// Whoever loses a device loses its own secret and nobody else's (RFC 9200 §6.3).
    ///
    /// # Errors
    /// A declared secret is that of another client, too.
    pub(super) fn have_their_own_secrets(&self, keys: &Keys) -> Result<(), Undeclarable> {
        let kept = self.before.values().map(|(old, _)| old).filter(|old| !self.declared.contains_key(&old.client));
        let kept = if self.declared.is_empty() { Vec::new() } else { kept.collect() };
        let mut seen = BTreeSet::new();
        for context in kept {
            seen.insert(digest(context, keys)?);
        }
        for context in self.declared.values() {
            if !seen.insert(digest(context, keys)?) {
                let problem = "another client has this master_secret; each needs its own";
                return Err(wrong("oscore", &context.client, problem));
            }
        }
        Ok(())
    }

    /// Names that nobody has any more go, new ones come, in this order.
    pub(super) fn changes(self) -> Result<Vec<Change>, Undeclarable> {
        let Self { before, declared } = self;
        let id = |name: &OscoreName| (name.kid.clone(), name.id_context.clone());
        let before: Vec<&OscoreClient> = before.values().map(|(old, _)| old).collect();
        let kept = before.iter().filter(|old| !declared.contains_key(&old.client)).map(|old| old.name());
        let mut taken = BTreeSet::new();
        for name in kept.chain(declared.values().map(OscoreClient::name)) {
            if !taken.insert(id(&name)) {
                let problem = "another client has this client_sender_id; give it another one, or an id_context";
                return Err(wrong("oscore", &name.client, problem));
            }
        }
        let old = before.iter().filter(|old| declared.contains_key(&old.client)).map(|old| old.name());
        let old: Vec<_> = old.collect();
        let gone = old.iter().map(id).filter(|name| !taken.contains(name));
        let new = declared.into_values().map(|new| new.name()).filter(|name| !old.contains(name));
        Ok(gone.map(|name| Change::delete(Key::OscoreName(name))).chain(new.map(Change::put)).collect())
    }
}

/// Equality in constant time.
fn alike(a: Option<&Zeroizing<Vec<u8>>>, b: Option<&Zeroizing<Vec<u8>>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.ct_eq(b).into(),
        (a, b) => a.is_none() && b.is_none(),
    }
}

fn digest(context: &OscoreClient, keys: &Keys) -> Result<Hash32, Undeclarable> {
    let secret = keys.storage.open(&context.label(), &context.master_secret.0.0)?;
    Ok(Hash32::of(&[&secret]))
}

/// RFC 8613 §3.3: the nonce of AES-CCM-16-64-128 leaves room for 7.
const MAX_ID: usize = 7;
/// The bound of our own OSCORE.
const MAX_ID_CONTEXT: usize = latchwork_oscore::IdContext::MAX_LEN;
