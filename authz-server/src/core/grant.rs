//! What a person granted: from a code once, then by refresh tokens that rotate (RFC 6749 §4.1.3 and §6, RFC 9700 §4.14.2).

use super::authenticate::{Authenticated, is_public};
use super::bytes::{Hash32, Hidden};
use super::change::{Change, Key, Rev};
use super::entropy::{Entropy, fresh};
use super::names::{GrantId, Jkt};
use super::pkce;
use super::records::{Code, Grant, GrantKind, Refresh, Revocation, Revoked, RevokedWhy};
use super::refusal::{GrantFault, Refusal, ServerFault};
use super::revoke::Target;
use super::secret::{mac, same};
use super::time::{Seconds, Timestamp};
use crate::keys::Key32;

/// A grant in use: as it will be once `changes` are committed.
#[derive(Debug)]
pub struct InUse {
    /// The grant.
    pub grant: Grant,
    /// What to commit.
    pub changes: Vec<Change>,
    /// The refresh token that works from then on.
    pub refresh_token: Option<Hidden>,
}

/// Why a grant is not used, and what that costs: a revoked family, or nothing.
#[derive(Debug)]
pub struct Stop {
    /// Why.
    pub refusal: Refusal,
    /// What to commit all the same.
    pub changes: Vec<Change>,
}

impl<R: Into<Refusal>> From<R> for Stop {
    fn from(refusal: R) -> Self {
        Self { refusal: refusal.into(), changes: Vec::new() }
    }
}

/// How long grants last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// A grant in any case.
    pub grant: Seconds,
    /// A grant that nobody refreshes.
    pub idle: Seconds,
    /// A JWT for `ISSUER/api/v1`.
    pub api: Seconds,
}

impl Default for Lifetimes {
    /// 90 days, 30 days, 5 minutes.
    fn default() -> Self {
        Self { grant: Seconds(90 * 86_400), idle: Seconds(30 * 86_400), api: Seconds(300) }
    }
}

/// What comes with a code.
#[derive(Clone, Copy)]
pub enum Shown<'s> {
    /// An app's (RFC 6749 §4.1.3, RFC 7636 §4.5).
    Redirect {
        /// The target of the request.
        uri: Option<&'s str>,
        /// The PKCE verifier.
        verifier: Option<&'s [u8]>,
    },
    /// Nothing: it is a device's own code (RFC 8628 §3.4).
    Device,
}

/// Turns a code into a grant. Who lacks the verifier or the key learns nothing and changes nothing; who has both and comes
/// twice ends the grant.
#[allow(clippy::too_many_arguments)] // each is one thing that the decision depends on
pub fn redeem(
    code: Option<&(Code, Rev)>,
    grant: Option<&(Grant, Rev)>,
    shown: Shown<'_>,
    who: &Authenticated<'_>,
    lifetimes: &Lifetimes,
    now: Timestamp,
    entropy: &mut dyn Entropy,
) -> Result<InUse, Stop> {
    let (code, rev) = code.ok_or(GrantFault::Unknown)?;
    if code.client != who.client().id {
        return Err(GrantFault::OtherClient.into());
    }
    bound(code.jkt, who)?;
    match shown {
        Shown::Device if code.by_device => {}
        Shown::Redirect { uri, .. } if !code.by_device && uri != Some(&code.redirect_uri) => {
            return Err(GrantFault::Redirect.into());
        }
        Shown::Redirect { verifier, .. } if !code.by_device => {
            if !verifier.is_some_and(|verifier| pkce::verify(verifier, &code.challenge)) {
                return Err(GrantFault::Verifier.into());
            }
        }
        // A code of one kind is none of the other.
        Shown::Device | Shown::Redirect { .. } => return Err(GrantFault::Unknown.into()),
    }
    if code.redeemed.is_some() {
        return Err(revoke(grant, RevokedWhy::CodeReused, GrantFault::Reused, who, now));
    }
    if code.expires <= now {
        return Err(GrantFault::Expired.into());
    }
    let id = GrantId(fresh(entropy).map_err(|_| ServerFault::Entropy)?);
    let refresh_token = if who.client().grants.contains(&GrantKind::RefreshToken) {
        let secret = fresh::<32>(entropy).map_err(|_| ServerFault::Entropy)?;
        Some(Hidden::new([id.0.as_slice(), &secret].concat()))
    } else {
        None
    };
    let ends = now + lifetimes.grant;
    let grant = Grant {
        id,
        client: code.client.clone(),
        person: code.person.clone(),
        jkt: code.jkt,
        consented: code.consented.clone(),
        created: now,
        ends,
        idle_ends: ends.min(now + lifetimes.idle),
        refresh: refresh_token.as_ref().map(|token| Refresh { current: hash(token), previous: None }),
        revoked: None,
    };
    let spent = Code { redeemed: Some(id), ..code.clone() };
    let changes = vec![Change::replace(spent, *rev), Change::create(grant.clone())];
    Ok(InUse { grant, changes, refresh_token })
}

/// Uses a refresh token, which spends it. A repeat within 30 seconds gets the same successor, for an answer may be lost. Later
/// reuse by whoever holds the key revokes the family; without the key nothing changes.
pub fn refresh(
    token: &Hidden,
    grant: Option<&(Grant, Rev)>,
    who: &Authenticated<'_>,
    key: &Key32,
    lifetimes: &Lifetimes,
    now: Timestamp,
) -> Result<InUse, Stop> {
    let (old, rev) = grant.ok_or(GrantFault::Unknown)?;
    let state = old.refresh.as_ref().filter(|_| token.expose().len() == TOKEN_LEN).ok_or(GrantFault::Unknown)?;
    if old.client != who.client().id {
        return Err(GrantFault::OtherClient.into());
    }
    bound(old.jkt, who)?;
    if old.revoked.is_some() {
        return Err(GrantFault::Revoked.into());
    }
    if old.ends <= now || old.idle_ends <= now {
        return Err(GrantFault::Expired.into());
    }
    let presented = hash(token);
    let successor = Hidden::new([old.id.0.as_slice(), &mac(key, &[b"refresh", token.expose()]).0].concat());
    if same(&presented, &state.current) {
        let refresh = Refresh { current: hash(&successor), previous: Some((presented, now)) };
        let idle_ends = old.ends.min(now + lifetimes.idle);
        let grant = Grant { refresh: Some(refresh), idle_ends, ..old.clone() };
        let changes = vec![Change::replace(grant.clone(), *rev)];
        return Ok(InUse { grant, changes, refresh_token: Some(successor) });
    }
    // A clock that was set back makes no long window of a short one.
    let soon = |at: &Timestamp| now.since(*at).unsigned_abs() <= REPEAT;
    let repeat = state.previous.as_ref().is_some_and(|(previous, at)| same(&presented, previous) && soon(at));
    if repeat && same(&hash(&successor), &state.current) {
        // Not if it ends at this moment.
        let changes = vec![Change::still(Key::Grant(old.id), *rev)];
        return Ok(InUse { grant: old.clone(), changes, refresh_token: Some(successor) });
    }
    Err(revoke(grant, RevokedWhy::RefreshReused, GrantFault::Reused, who, now))
}

/// Whoever has no secret must have a key, and the one that code or grant is bound to: what a client got while it still had a secret is of no
/// use once it has none.
fn bound(jkt: Option<Jkt>, who: &Authenticated<'_>) -> Result<(), GrantFault> {
    match jkt {
        Some(jkt) if who.jkt() != Some(jkt) => Err(GrantFault::Key),
        None if is_public(who.client()) => Err(GrantFault::Key),
        _ => Ok(()),
    }
}

/// Ends the family. The proof is spent with it, so that recorded bytes, sent again, end nothing.
fn revoke(
    grant: Option<&(Grant, Rev)>,
    why: RevokedWhy,
    fault: GrantFault,
    who: &Authenticated<'_>,
    now: Timestamp,
) -> Stop {
    let changes = match grant {
        Some((grant, rev)) if grant.revoked.is_none() => {
            let mut changes = who.spend();
            changes.push(Change::replace(Grant { revoked: Some(Revoked { at: now, why }), ..grant.clone() }, *rev));
            changes.push(Change::put(Revocation { target: Target::Grant(grant.id), at: now, why }));
            changes
        }
        _ => Vec::new(),
    };
    Stop { refusal: fault.into(), changes }
}

fn hash(token: &Hidden) -> Hash32 {
    Hash32::of(&[token.expose()])
}

/// A grant id and 32 bytes that are a secret.
const TOKEN_LEN: usize = 48;
/// Seconds in which a repeat is taken for a lost answer.
const REPEAT: u64 = 30;
