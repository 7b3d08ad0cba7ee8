//! What a token may say: never more than was asked, than the person consented, than the client's ceiling, than policy allows.

use super::facts::Target;
use super::names::ScopeName;
use super::policy::{Asked, Policy, Who};
use super::records::{AdvanceConsent, Client};
use super::refusal::{Refusal, ServerFault};
use super::scope::{self, AifEntry, Scope, ScopeAsked, ScopeMap};
use super::time::Timestamp;
use std::collections::BTreeSet;

/// Rights that were granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    /// As words.
    pub words: Scope,
    /// As the lock reads them.
    pub aif: Vec<AifEntry>,
    /// When they begin, if that is still to come.
    pub from: Option<Timestamp>,
    /// When the owner's consent ends, where the rights hang on it.
    pub until: Option<Timestamp>,
    /// The policies that decided.
    pub by: BTreeSet<String>,
}

impl Rights {
    /// These as far as they are among others too, at the times when both are.
    #[must_use]
    pub fn within(self, other: &Self) -> Self {
        Self {
            words: self.words.only(|word| other.words.contains(word)),
            aif: scope::intersection(&self.aif, &other.aif),
            from: self.from.max(other.from),
            until: self.until.into_iter().chain(other.until).min(),
            by: self.by,
        }
    }
}

/// Decides what `who` gets at the locks of one audience. No lock, no rights.
pub fn decide(
    who: Who<'_>,
    asked: Option<&ScopeAsked>,
    consented: Option<&Scope>,
    targets: &[Target],
    policy: &dyn Policy,
    now: Timestamp,
    by: &mut BTreeSet<String>,
) -> Result<Rights, Refusal> {
    let client = match who {
        Who::Person { app, .. } => app,
        Who::Machine(client) => client,
    };
    let first = &targets.first().ok_or(Refusal::NothingGranted)?.lock;
    let map = &first.scopes;
    let named = named(asked, map, &first.default_scope)?;
    let common = |word: &ScopeName| targets.iter().all(|target| target.lock.scopes.get(word) == map.get(word));
    let mut words = named
        .only(|word| consented.is_none_or(|consented| consented.contains(word)) && below(client, word) && common(word));
    let (mut from, mut until): (Option<Timestamp>, Option<Timestamp>) = (None, None);
    for target in targets {
        if words.is_empty() {
            break;
        }
        let granted = granted(policy, who, target, now, &words)?;
        by.extend(granted.by);
        from = from.max(granted.from);
        until = until.into_iter().chain(granted.until).min();
        words = granted.words;
    }
    if words.is_empty() {
        return Err(Refusal::NothingGranted);
    }
    let all = scope::union(map, words.iter());
    let aif = match asked {
        Some(ScopeAsked::Aif(aif)) => scope::intersection(&scope::decode(aif).unwrap_or_default(), &all),
        _ => all,
    };
    if aif.is_empty() {
        return Err(Refusal::NothingGranted);
    }
    Ok(Rights { words, aif, from, until, by: by.clone() })
}

/// What policy grants at one door, as the consents stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// The words.
    pub words: Scope,
    /// The policies that decided.
    pub by: BTreeSet<String>,
    /// When they begin, where they all hang on an owner's consent that has not begun.
    pub from: Option<Timestamp>,
    /// When the owner's consent ends, where one of the words hangs on it.
    pub until: Option<Timestamp>,
}

/// The words of `words` that policy grants at one door, with the owner's consent for those that it covers. One that has not begun
/// counts only where nothing is granted without it: what holds now does not wait.
pub fn granted(
    policy: &dyn Policy,
    who: Who<'_>,
    target: &Target,
    now: Timestamp,
    words: &Scope,
) -> Result<Granted, Refusal> {
    let Some(consent) = standing_consent(target, who, now) else {
        let (words, by) = ask(policy, who, target, false, now, words)?;
        return Ok(Granted { words, by, from: None, until: None });
    };
    let from = consent.from.filter(|from| *from > now);
    if from.is_some() {
        let (words, by) = ask(policy, who, target, false, now, words)?;
        if !words.is_empty() {
            return Ok(Granted { words, by, from: None, until: None });
        }
    }
    let covers = |word: &ScopeName| consent.scope.is_empty() || consent.scope.contains(word);
    let (with, mut by) = ask(policy, who, target, true, now, &words.only(covers))?;
    let (without, reasons) = ask(policy, who, target, false, now, &words.only(|word| !covers(word)))?;
    by.extend(reasons);
    let words = words.only(|word| with.contains(word) || without.contains(word));
    let (anyhow, _) = ask(policy, who, target, false, now, &with)?;
    Ok(Granted { words, by, from, until: (!with.within(&anyhow)).then_some(consent.until) })
}

/// The words of `words` that policy grants at one door, and the policies that decided.
pub fn ask(
    policy: &dyn Policy,
    who: Who<'_>,
    target: &Target,
    owner_consent: bool,
    now: Timestamp,
    words: &Scope,
) -> Result<(Scope, BTreeSet<String>), Refusal> {
    let asked = Asked { who, door: &target.door, owner_consent, now };
    let list: Vec<&ScopeName> = words.iter().collect();
    if list.is_empty() {
        return Ok((Scope::default(), BTreeSet::new()));
    }
    let verdicts = policy.decide(&asked, &list).map_err(|_| ServerFault::Policy)?;
    let allowed = list.iter().zip(&verdicts).filter(|(_, verdict)| verdict.allowed).map(|(word, _)| (*word).clone());
    Ok((allowed.collect(), verdicts.iter().flat_map(|verdict| verdict.by.iter().cloned()).collect()))
}

/// An owner's consent that stands: given by who owns the door now, to this person, and not over. It may be still to begin.
fn standing_consent<'t>(target: &'t Target, who: Who<'_>, now: Timestamp) -> Option<&'t AdvanceConsent> {
    let Who::Person { person, .. } = who else { return None };
    let consent = target.consent.as_ref()?;
    let stands = consent.door == target.door.name
        && consent.who == person.id
        && target.door.owners.contains(&consent.owner)
        && consent.until > now;
    stands.then_some(consent)
}

/// The lock's words that the request names; if it names none, the lock's default, and all of them where that is empty.
fn named(asked: Option<&ScopeAsked>, map: &ScopeMap, default: &Scope) -> Result<Scope, Refusal> {
    match asked {
        None if !default.is_empty() => Ok(default.clone()),
        None => Ok(map.keys().cloned().collect()),
        Some(ScopeAsked::Text(words)) => match words.iter().find(|word| !map.contains_key(*word)) {
            Some(unknown) => Err(Refusal::UnknownScope(unknown.to_string())),
            None => Ok(words.clone()),
        },
        Some(ScopeAsked::Aif(aif)) => {
            let wanted = scope::decode(aif).ok_or_else(|| Refusal::UnknownScope("(no AIF)".into()))?;
            let touched = map.iter().filter(|(_, entries)| !scope::intersection(&wanted, entries).is_empty());
            let words: Scope = touched.map(|(word, _)| word.clone()).collect();
            if words.is_empty() { Err(Refusal::UnknownScope("(AIF)".into())) } else { Ok(words) }
        }
    }
}

/// Whether the client may have this word anywhere: an administrator admitted it, and the word is under its ceiling.
#[must_use]
pub fn below(client: &Client, word: &ScopeName) -> bool {
    client.is_admitted() && (client.ceiling.is_empty() || client.ceiling.contains(word))
}
