//! Which token fits the key, the client and every lock of the audience: always what they all can do, never a guess.

use super::lock::{Abilities, AceProfile, KeyKind, Lock, Protection, TokenForm};
use super::names::Audience;
use super::refusal::{AudienceFault, KeyFault, Refusal};
use super::request::ProfileAsked;
use crate::keys::Alg;
use std::collections::BTreeSet;

/// The key that a token is to be bound to, as far as the choice hangs on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// A symmetric one that the server makes, the default of RFC 9200 §5.8.1.
    Fresh,
    /// A symmetric one that lives at the lock and is used by this protocol.
    Living(AceProfile),
    /// The client's public key.
    Key(KeyKind),
    /// The client's public key in a credential for EDHOC.
    Credential(KeyKind),
}

/// What was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// How the client speaks to the locks.
    pub profile: AceProfile,
    /// What the token is.
    pub shape: Shape,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// COSE_Encrypt0 under the lock's key, with a signature inside or without.
    Encrypted(Option<Alg>),
    /// COSE_Sign1.
    Signed(Alg),
    /// COSE_Mac0 under a key of the one lock.
    Maced,
    /// Random bytes.
    Reference,
}

/// What is asked for, and by whom.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'w> {
    /// The key.
    pub bound: Bound,
    /// The profile that the request names.
    pub profile: Option<ProfileAsked>,
    /// The profiles that the client speaks; none means any.
    pub client: &'w BTreeSet<AceProfile>,
    /// The algorithm to take where there is a choice.
    pub alg: Alg,
}

/// How an app with an installation key gets tokens for a lock, if it can: EDHOC with that key before a secret from us.
#[must_use]
pub fn offered(lock: &Lock, client: &BTreeSet<AceProfile>) -> Option<AceProfile> {
    let alg = Alg::Es256; // first of those that there are; none is left out
    let chosen = |bound| choose(&Wish { bound, profile: None, client, alg }, &lock.audience(), &[lock]);
    let ways = [Bound::Credential(KeyKind::P256), Bound::Fresh];
    ways.into_iter().find_map(|bound| chosen(bound).ok()).map(|choice| choice.profile)
}

/// Chooses for all locks of an audience at once.
///
/// # Errors
/// `unsupported_pop_key` where a lock cannot work with the key, `incompatible_ace_profiles` where there is no common protocol (RFC 9200
/// §5.8.3) or the lock has no key of its own to be proved, `invalid_target` where the locks of a group have no token in common.
pub fn choose(wish: &Wish<'_>, audience: &Audience, locks: &[&Lock]) -> Result<Choice, Refusal> {
    let group = matches!(audience, Audience::Group(_));
    let everybody = |can: &dyn Fn(&Abilities) -> bool| locks.iter().all(|lock| can(&lock.abilities));
    let public = match wish.bound {
        Bound::Key(kind) | Bound::Credential(kind) => Some(kind),
        Bound::Fresh | Bound::Living(_) => None,
    };
    match public {
        Some(kind) if !everybody(&|can| can.pop_keys.contains(&kind)) => return Err(KeyFault::NotAtThisLock.into()),
        // RFC 9200 §6.1, §6.9: what several locks read is no secret.
        None if group => return Err(KeyFault::GroupNeedsPublicKey.into()),
        _ => {}
    }
    let candidates: &[AceProfile] = match wish.bound {
        Bound::Fresh => &[AceProfile::CoapOscore, AceProfile::CoapDtls],
        Bound::Living(AceProfile::CoapOscore) => &[AceProfile::CoapOscore],
        Bound::Living(AceProfile::CoapDtls) | Bound::Key(_) => &[AceProfile::CoapDtls],
        Bound::Living(AceProfile::CoapEdhocOscore) | Bound::Credential(_) => &[AceProfile::CoapEdhocOscore],
    };
    let fits = |profile: &AceProfile| {
        (wish.client.is_empty() || wish.client.contains(profile))
            && wish.profile.is_none_or(|asked| asked.admits(*profile))
            && everybody(&|can| speaks(can, *profile))
    };
    let profile = candidates.iter().copied().find(fits).ok_or(KeyFault::NoCommonProfile)?;
    let alg = || {
        let common = |alg: &Alg| everybody(&|can| can.algs.contains(alg));
        let found = [wish.alg, Alg::Es256, Alg::EdDsa].into_iter().find(common);
        found.ok_or_else(|| AudienceFault::NothingInCommon(audience.clone()))
    };
    let lock = locks.first().ok_or_else(|| AudienceFault::Unknown(audience.to_string()))?;
    // The client has to know it (RFC 9201 §3.2); a group has no one key of its own (§5).
    if public.is_some() && !group && lock.credential.is_none() {
        return Err(KeyFault::NoLockCredential.into());
    }
    let references = locks.iter().filter(|lock| lock.abilities.form == TokenForm::Reference).count();
    let shape = if references == locks.len() {
        Shape::Reference
    } else if references > 0 {
        return Err(AudienceFault::NothingInCommon(audience.clone()).into());
    } else if group {
        Shape::Signed(alg()?)
    } else if public.is_none()
        && !(lock.abilities.wrapped && wish.bound == Bound::Fresh && profile == AceProfile::CoapDtls)
    {
        Shape::Encrypted(if lock.signed { Some(alg()?) } else { None })
    } else if lock.abilities.protection == Protection::Maced {
        Shape::Maced
    } else {
        Shape::Signed(alg()?)
    };
    Ok(Choice { profile, shape })
}

/// A token for EDHOC comes in EAD_3, where no lock waits to ask what a reference means.
fn speaks(can: &Abilities, profile: AceProfile) -> bool {
    can.profiles.contains(&profile) && !(profile == AceProfile::CoapEdhocOscore && can.form == TokenForm::Reference)
}

#[cfg(test)]
mod tests;
