//! Ending grants and tokens before their time: `/revoke` (RFC 7009), people, administrators, and grants that were abused.
//!
//! A [`Revocation`] is a promise. It is made durable first; then its grants end, so that no further token comes from them; then
//! their live tokens go on the revocation list, some at a time. A process that dies in between goes on when it starts again.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::authenticate::{self, Authenticated};
use super::bytes::{Hash32, Hidden};
use super::change::{Change, Key, Rev};
use super::names::{Audience, ClientId, GrantId, GroupName, Jkt, LockName, PersonId};
use super::records::{Client, Code, Consented, Grant, Revoked, RevokedWhy, TokenRecord};
use super::refusal::{GrantFault, Refusal};
use super::request::{Presented, refresh_from_text};
use super::secret::same;
use super::time::Timestamp;
use super::trl::{self, Collections, Limits, ListEntry, Listed, Patch, Portion, Requester};
use crate::keys::Key32;

/// What is to end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// One access token, by its RFC 9770 hash without the leading 0x01.
    Token(Hash32),
    /// A grant and all that came from it: a family.
    Grant(GrantId),
    /// Every grant, code and token of a client.
    Client(ClientId),
    /// Every grant and code of a person.
    Person(PersonId),
    /// Every grant and code bound to an installation key: a lost phone.
    Device(Jkt),
    /// Every token that a lock takes, those for its groups included. Grants go on.
    Lock(LockName),
    /// What a lock that was removed leaves behind: the tokens for it alone, and its place in grants and codes. A lock of the same name
    /// starts with none.
    Removed(LockName),
}

/// A revocation that was promised and is not finished.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Revocation {
    /// What.
    pub target: Target,
    /// Since when.
    pub at: Timestamp,
    /// Why.
    pub why: RevokedWhy,
}

impl Target {
    /// Whether a code that nobody redeemed yet ends with it: what was agreed to before becomes no grant after.
    #[must_use]
    pub fn ends(&self, code: &Code) -> bool {
        let named = match self {
            Self::Client(id) => code.client == *id,
            Self::Person(id) => code.person.id == *id,
            Self::Device(jkt) => code.jkt.as_ref() == Some(jkt),
            Self::Token(_) | Self::Grant(_) | Self::Lock(_) | Self::Removed(_) => false,
        };
        named && code.redeemed.is_none()
    }

    /// Whether a code can end or change with it. If not, nobody has to look at any.
    #[must_use]
    pub fn reaches_codes(&self) -> bool {
        !matches!(self, Self::Token(_) | Self::Grant(_) | Self::Lock(_))
    }

    /// What becomes of a code.
    #[must_use]
    pub fn of_code(&self, code: &Code, rev: Rev) -> Option<Change> {
        match self {
            Self::Removed(lock) => code_without(code, rev, lock),
            _ => self.ends(code).then(|| Change::remove(Key::Code(code.hash), rev)),
        }
    }
}

impl Revocation {
    /// The name of its record: whoever promises the same twice makes one promise.
    #[must_use]
    pub fn id(&self) -> Hash32 {
        let (kind, name) = match &self.target {
            Target::Token(hash) => ("token", hash.to_string()),
            Target::Grant(id) => ("grant", id.to_string()),
            Target::Client(id) => ("client", id.to_string()),
            Target::Person(id) => ("person", id.to_string()),
            Target::Device(jkt) => ("device", jkt.to_string()),
            Target::Lock(name) => ("lock", name.to_string()),
            Target::Removed(name) => ("removed", name.to_string()),
        };
        Hash32::of(&[kind.as_bytes(), &[0], name.as_bytes()])
    }
}

/// Ends the grant, unless it has ended.
#[must_use]
pub fn end(grant: &Grant, rev: Rev, why: RevokedWhy, now: Timestamp) -> Option<Change> {
    let live = grant.revoked.is_none() && now < grant.ends;
    live.then(|| Change::replace(Grant { revoked: Some(Revoked { at: now, why }), ..grant.clone() }, rev))
}

/// Takes a lock that was removed out of a grant.
#[must_use]
pub fn grant_without(grant: &Grant, rev: Rev, lock: &LockName) -> Option<Change> {
    let consented = others(&grant.consented, lock)?;
    Some(Change::replace(Grant { consented, ..grant.clone() }, rev))
}

/// Takes a lock that was removed out of a code.
fn code_without(code: &Code, rev: Rev, lock: &LockName) -> Option<Change> {
    let consented = others(&code.consented, lock)?;
    Some(Change::replace(Code { consented, ..code.clone() }, rev))
}

/// What was consented for others; None if nothing was for this one.
fn others(consented: &[Consented], lock: &LockName) -> Option<Vec<Consented>> {
    let other = |member: &&Consented| !matches!(&member.audience, Audience::Lock(name) if name == lock);
    let others: Vec<_> = consented.iter().filter(other).cloned().collect();
    (others.len() < consented.len()).then_some(others)
}

/// Whose tokens they are, in the store's index: of a grant, or of a client that asked for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Tokens of this grant.
    Grant(GrantId),
    /// Tokens that this client got without a grant.
    Client(ClientId),
}

impl TokenRecord {
    /// Whose it is.
    #[must_use]
    pub fn holder(&self) -> Holder {
        self.grant.map_or_else(|| Holder::Client(self.client.clone()), Holder::Grant)
    }

    /// Where it is found: with its grant, and what was exchanged also with the client that got it.
    #[must_use]
    pub fn holders(&self) -> Vec<Holder> {
        let service = self.is_exchanged().then(|| Holder::Client(self.client.clone()));
        [Some(self.holder()), service].into_iter().flatten().collect()
    }

    /// Whether it is neither revoked nor expired.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && now < self.expires
    }
}

/// Who requests what, for one update of the list.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// The locks of each group.
    pub members: BTreeMap<GroupName, Vec<LockName>>,
    /// The resource servers that speak for each lock.
    pub speakers: BTreeMap<LockName, Vec<ClientId>>,
}

impl Around {
    /// Whose part of the list a portion is.
    fn requesters(&self, portion: &Portion) -> Vec<Requester> {
        match portion {
            Portion::All => vec![Requester::Administrator],
            Portion::Client(id) => vec![Requester::Client(id.clone())],
            Portion::Grant(id) => vec![Requester::Grant(*id)],
            Portion::Lock(name) => {
                self.speakers.get(name).into_iter().flatten().cloned().map(Requester::Client).collect()
            }
        }
    }

    fn patches(&self, of: impl Iterator<Item = (Hash32, BTreeSet<Portion>)>, into: fn(&mut Patch, Hash32)) -> Patches {
        let mut patches = Patches::new();
        for (hash, portions) in of {
            let requesters: BTreeSet<_> = portions.iter().flat_map(|portion| self.requesters(portion)).collect();
            for requester in requesters {
                into(patches.entry(requester).or_default(), hash);
            }
        }
        patches
    }
}

/// What an update changes, for each requester that it concerns.
pub type Patches = BTreeMap<Requester, Patch>;

/// Puts live tokens on the list, as one update.
#[derive(Debug)]
pub struct Listing {
    tokens: Vec<(TokenRecord, Rev, BTreeSet<Portion>)>,
    patches: Patches,
}

impl Listing {
    /// Of these tokens; those that are not live are left out.
    #[must_use]
    pub fn new(tokens: Vec<(TokenRecord, Rev)>, around: &Around, now: Timestamp) -> Self {
        let live = tokens.into_iter().filter(|(token, _)| token.is_live(now));
        let tokens: Vec<_> = live
            .map(|(token, rev)| {
                let portions = trl::portions(&token, &around.members);
                (token, rev, portions)
            })
            .collect();
        let added = tokens.iter().map(|(token, _, portions)| (token.hash, portions.clone()));
        let patches = around.patches(added, |patch, hash| patch.added.push(hash));
        Self { tokens, patches }
    }

    /// How many tokens it revokes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Whose collections [`changes`](Self::changes) needs; also whom to notify.
    pub fn requesters(&self) -> impl Iterator<Item = &Requester> {
        self.patches.keys()
    }

    /// What to commit.
    #[must_use]
    pub fn changes(&self, collections: &Collections, limits: Limits, now: Timestamp) -> Vec<Change> {
        let mut changes = Vec::new();
        for (token, rev, portions) in &self.tokens {
            let (hash, expires) = (token.hash, token.expires);
            changes.push(Change::replace(TokenRecord { revoked: Some(now), ..token.clone() }, *rev));
            changes.push(Change::put(Listed { expires, hash, portions: portions.clone() }));
            changes.extend(portions.iter().map(|portion| Change::put(ListEntry { portion: portion.clone(), hash })));
        }
        changes.extend(trl::update(self.patches.clone(), collections, limits, now));
        changes
    }
}

/// Takes expired tokens off the list, as one update.
#[derive(Debug)]
pub struct Expiry {
    listed: Vec<(Listed, Rev)>,
    patches: Patches,
}

impl Expiry {
    /// Of these; those that are not expired are left out.
    #[must_use]
    pub fn new(listed: Vec<(Listed, Rev)>, around: &Around, now: Timestamp) -> Self {
        let listed: Vec<_> = listed.into_iter().filter(|(token, _)| token.expires <= now).collect();
        let removed = listed.iter().map(|(token, _)| (token.hash, token.portions.clone()));
        let patches = around.patches(removed, |patch, hash| patch.removed.push(hash));
        Self { listed, patches }
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// Whose collections [`changes`](Self::changes) needs; also whom to notify.
    pub fn requesters(&self) -> impl Iterator<Item = &Requester> {
        self.patches.keys()
    }

    /// What to commit.
    #[must_use]
    pub fn changes(&self, collections: &Collections, limits: Limits, now: Timestamp) -> Vec<Change> {
        let mut changes = Vec::new();
        for (token, rev) in &self.listed {
            let Listed { expires, hash, portions } = token;
            changes.push(Change::remove(Key::Listed((*expires, *hash)), *rev));
            let entries = portions.iter().map(|portion| Change::delete(Key::ListEntry((portion.clone(), *hash))));
            changes.extend(entries);
        }
        changes.extend(trl::update(self.patches.clone(), collections, limits, now));
        changes
    }
}

/// A token presented at `/revoke`: what it can be, found without looking it up.
#[derive(Debug)]
pub struct Named {
    /// The refresh token that the text is, if it has that form.
    refresh: Hidden,
    /// The hash of the text as an access token.
    hash: Hash32,
}

impl Named {
    /// From the `token` parameter. `token_type_hint` is not needed: a text is looked for as both kinds (RFC 7009 §2.1).
    #[must_use]
    pub fn new(token: &str) -> Self {
        Self { refresh: refresh_from_text(token), hash: Hash32::of(&[token.as_bytes()]) }
    }

    /// The grant to read.
    #[must_use]
    pub fn grant(&self) -> Option<GrantId> {
        self.refresh.expose().first_chunk().copied().map(GrantId)
    }

    /// The token record to read.
    #[must_use]
    pub fn token(&self) -> Hash32 {
        self.hash
    }
}

/// What the store knows about a request at `/revoke`.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The client that the request claims to be from.
    pub client: Option<Client>,
    /// The record of [`Named::token`].
    pub token: Option<TokenRecord>,
    /// The grant of [`Named::grant`], else the one that the token came from.
    pub grant: Option<Grant>,
}

/// A request at `/revoke`, decided.
#[derive(Debug)]
pub struct Decided {
    /// What ends; None if the token is unknown or has ended already, which is no error (RFC 7009 §2.2).
    pub target: Option<Target>,
    /// What to commit with the revocation: the spent proofs.
    pub changes: Vec<Change>,
}

/// Decides a request at `/revoke` (RFC 7009 §2.1). The client authenticates as at `/token`.
///
/// # Errors
/// The client is not who it claims to be, or the token is another's.
pub fn decide(
    presented: &Presented,
    named: &Named,
    facts: &Facts,
    secrets: &Key32,
    issuer: &str,
    now: Timestamp,
) -> Result<Decided, Refusal> {
    let who = authenticate::client(presented, facts.client.as_ref(), secrets, issuer, now)?;
    let changes = who.spend();
    let target = match (refreshed(named, facts), &facts.token) {
        (Some(grant), _) => {
            owned(&who, &grant.client, Some(grant))?;
            let live = grant.revoked.is_none() && now < grant.ends;
            live.then_some(Target::Grant(grant.id))
        }
        (None, Some(token)) => {
            let grant = facts.grant.as_ref().filter(|grant| Some(grant.id) == token.grant);
            if grant.is_none() && authenticate::is_public(who.client()) {
                return Err(GrantFault::Key.into()); // whose installation's it was, nobody knows any more
            }
            owned(&who, &token.client, grant.filter(|_| !token.is_exchanged()))?;
            token.is_live(now).then_some(Target::Token(token.hash))
        }
        (None, None) => None,
    };
    Ok(Decided { target, changes })
}

/// The grant whose refresh token was presented: the one that works, or the one before, whose answer may have been lost.
fn refreshed<'f>(named: &Named, facts: &'f Facts) -> Option<&'f Grant> {
    let grant = facts.grant.as_ref().filter(|grant| Some(grant.id) == named.grant())?;
    let refresh = grant.refresh.as_ref()?;
    let presented = Hash32::of(&[named.refresh.expose()]);
    let previous = refresh.previous.as_ref().is_some_and(|(previous, _)| same(&presented, previous));
    (same(&presented, &refresh.current) || previous).then_some(grant)
}

/// The token was issued to this client, and to this installation of it.
fn owned(who: &Authenticated<'_>, client: &ClientId, grant: Option<&Grant>) -> Result<(), Refusal> {
    if *client != who.client().id {
        return Err(GrantFault::OtherClient.into());
    }
    match grant.and_then(|grant| grant.jkt) {
        Some(jkt) if who.jkt() != Some(jkt) => Err(GrantFault::Key.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
