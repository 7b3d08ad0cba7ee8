//! `/authorize`: what an app may ask a person, and which owners must be asked too.

use super::authenticate::is_public;
use super::bytes::{Hash32, Hidden, base64url};
use super::change::{Change, Rev};
use super::entropy::{Entropy, NoEntropy, fresh};
use super::facts::Target;
use super::names::{Audience, ClientId, Jkt, LockName, PersonId};
use super::pkce;
use super::policy::{Policy, Who};
use super::records::{AdvanceConsent, Answer, Client, Code, ConsentRequest, Consented, Door, GrantKind, Person};
use super::redirect;
use super::refusal::{AudienceFault, AuthorizationFault, Refusal};
use super::request::AuthorizationRequest;
use super::rights;
use super::scope::Scope;
use super::time::{Seconds, Timestamp};

/// A request that cannot go on, and who hears of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The person, on a page: there is no target that could be trusted.
    Page(Refusal),
    /// The client, at its registered target.
    Redirect {
        /// Where.
        redirect_uri: String,
        /// Echoed.
        state: Option<String>,
        /// Why.
        refusal: Refusal,
    },
}

/// The client that a query names, for reading its record.
pub fn client_id(query: &[(String, String)]) -> Result<ClientId, Refusal> {
    only(query, "client_id")?.and_then(|id| id.parse().ok()).ok_or(Refusal::NotPresented)
}

/// The record of the client that a query names.
pub(super) fn known<'f>(query: &[(String, String)], client: Option<&'f Client>) -> Result<&'f Client, Denied> {
    let id = client_id(query).map_err(Denied::Page)?;
    client.filter(|client| client.id == id).ok_or(Denied::Page(Refusal::UnknownClient(id)))
}

/// Checks the parameters of `/authorize` (RFC 6749 §4.1.1, RFC 7636 §4.3, RFC 9449 §10, RFC 8693 §2.1).
///
/// `audience` may repeat; anything else twice is refused. The person's API needs not be named.
pub fn check(query: &[(String, String)], client: Option<&Client>) -> Result<AuthorizationRequest, Denied> {
    let client = known(query, client)?;
    let request = check_parameters(query, client, None)?;
    if client.pushed_only {
        let AuthorizationRequest { redirect_uri, state, .. } = request;
        return Err(denied(client, redirect_uri, state, AuthorizationFault::NotPushed.into()));
    }
    Ok(request)
}

/// The same for a client that is known already. A key that was `shown` needs not be named.
pub(super) fn check_parameters(
    query: &[(String, String)],
    client: &Client,
    shown: Option<Jkt>,
) -> Result<AuthorizationRequest, Denied> {
    if !client.is_admitted() {
        return Err(Denied::Page(AuthorizationFault::NotAdmitted.into()));
    }
    let redirect_uri = match only(query, "redirect_uri").map_err(Denied::Page)? {
        Some(uri) if redirect::is_registered(client, uri) => uri.to_owned(),
        _ => return Err(Denied::Page(AuthorizationFault::Redirect.into())),
    };
    // A state that is not plain is not echoed either.
    let state = only(query, "state").ok().flatten().filter(|state| state.len() <= MAX_STATE).map(str::to_owned);
    rest(query, client, shown, &redirect_uri, state.clone())
        .map_err(|refusal| denied(client, redirect_uri, state, refusal))
}

/// How a client learns of an error before anybody signed in: at its target if an administrator wrote that down. Nobody is sent
/// unasked to where a client that registered itself says it lives (RFC 9700 §4.11.2).
pub(super) fn denied(client: &Client, redirect_uri: String, state: Option<String>, refusal: Refusal) -> Denied {
    match client.registered {
        None => Denied::Redirect { redirect_uri, state, refusal },
        Some(_) => Denied::Page(refusal),
    }
}

fn rest(
    query: &[(String, String)],
    client: &Client,
    shown: Option<Jkt>,
    redirect_uri: &str,
    state: Option<String>,
) -> Result<AuthorizationRequest, Refusal> {
    for (name, _) in query.iter().filter(|(name, _)| name != "audience") {
        only(query, name)?;
    }
    if only(query, "client_id")?.is_some_and(|id| id != client.id.as_str()) {
        return Err(Refusal::Malformed("client_id is another's"));
    }
    if only(query, "state")?.map(str::len) != state.as_ref().map(String::len) {
        return Err(Refusal::Malformed("state is too long"));
    }
    if only(query, "request")?.or(only(query, "request_uri")?).is_some() {
        return Err(Refusal::Malformed("request objects are not taken"));
    }
    match only(query, "response_type")? {
        Some("code") => {}
        Some(_) => return Err(AuthorizationFault::ResponseType.into()),
        None => return Err(Refusal::Malformed("response_type is missing")),
    }
    if !client.grants.contains(&GrantKind::AuthorizationCode) {
        return Err(Refusal::GrantNotAllowed(client.id.clone()));
    }
    if only(query, "code_challenge_method")? != Some("S256") {
        return Err(AuthorizationFault::Challenge.into());
    }
    let challenge = only(query, "code_challenge")?.and_then(pkce::challenge).ok_or(AuthorizationFault::Challenge)?;
    let jkt = match only(query, "dpop_jkt")? {
        Some(text) => Some(text.parse().map_err(|_| AuthorizationFault::Jkt)?),
        None if is_public(client) && shown.is_none() => return Err(AuthorizationFault::Jkt.into()),
        None => None,
    };
    let request = AuthorizationRequest {
        client: client.id.clone(),
        redirect_uri: redirect_uri.to_owned(),
        state,
        challenge,
        jkt,
        audience: locks(query)?,
        scope: scope(query)?,
        device: None,
    };
    if request.fits() { Ok(request) } else { Err(Refusal::Malformed("the request is too long")) }
}

/// The scope named, if any.
pub(super) fn scope(query: &[(String, String)]) -> Result<Scope, Refusal> {
    match only(query, "scope")? {
        Some(text) => text.parse().map_err(|_| Refusal::UnknownScope("(no scope)".into())),
        None => Ok(Scope::default()),
    }
}

/// The locks named, each once; the people API is in every grant and named in vain.
pub(super) fn locks(query: &[(String, String)]) -> Result<Vec<LockName>, Refusal> {
    let mut locks = Vec::new();
    for (_, text) in query.iter().filter(|(name, text)| name == "audience" && !text.is_empty()) {
        match text.parse() {
            Ok(Audience::Lock(lock)) if !locks.contains(&lock) => locks.push(lock),
            Ok(Audience::Lock(_) | Audience::Api(_)) => {}
            _ => return Err(AudienceFault::Unknown(text.chars().filter(|c| !c.is_control()).take(96).collect()).into()),
        }
    }
    if locks.len() > MAX_LOCKS { Err(Refusal::Malformed("too many audiences")) } else { Ok(locks) }
}

/// The value of a parameter that may come once; one without a value counts as not sent (RFC 6749 §3.1).
pub(super) fn only<'q>(query: &'q [(String, String)], name: &str) -> Result<Option<&'q str>, Refusal> {
    let mut values = query.iter().filter(|(other, _)| other == name);
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(Refusal::Repeated(name.chars().filter(|c| !c.is_control()).take(64).collect())),
        (first, None) => Ok(first.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())),
    }
}

/// What it takes to let a person through one door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing more: policy grants these words, or an owner consented before.
    Nothing(Scope),
    /// An owner's consent to these words.
    Owner(Scope),
}

/// What each door takes, in the order of `targets`; an empty `scope` asks for all that a lock offers. Policy that grants nothing even with consent refuses the whole request.
pub fn consents_needed(
    scope: &Scope,
    client: &Client,
    person: &Person,
    targets: &[Target],
    policy: &dyn Policy,
    now: Timestamp,
) -> Result<Vec<Need>, Refusal> {
    let who = Who::Person { person, app: client };
    let need = |target: &Target| {
        let offered: Scope = target.lock.scopes.keys().cloned().collect();
        let asked = if scope.is_empty() { &offered } else { scope };
        let words = asked.only(|word| offered.contains(word) && rights::below(client, word));
        let (with, _) = rights::ask(policy, who, target, true, now, &words)?;
        let granted = rights::granted(policy, who, target, now, &words)?;
        // A consent to other words is no reason not to ask for these.
        if !granted.words.is_empty() && (granted.until.is_none() || with.within(&granted.words)) {
            Ok(Need::Nothing(granted.words))
        } else if !with.is_empty() && target.door.owners.iter().any(|owner| *owner != person.id) {
            Ok(Need::Owner(with))
        } else {
            Err(Refusal::NothingGranted)
        }
    };
    targets.iter().map(need).collect()
}

/// Whether this person may answer the question: an owner of that door, and not the one who asks.
#[must_use]
pub fn may_answer(question: &ConsentRequest, door: &Door, person: &PersonId, now: Timestamp) -> bool {
    question.door == door.name
        && door.owners.contains(person)
        && question.asker.id != *person
        && question.state == Answer::Waiting
        && question.expires > now
}

/// Records an owner's answer; a yes becomes a consent that lasts as long as was asked. `None` if it is not theirs to give.
#[must_use]
pub fn answer(
    question: &ConsentRequest,
    rev: Rev,
    door: &Door,
    by: &PersonId,
    yes: bool,
    now: Timestamp,
) -> Option<Vec<Change>> {
    if !may_answer(question, door, by, now) {
        return None;
    }
    let state = if yes { Answer::Granted { by: by.clone() } } else { Answer::Denied { by: by.clone() } };
    let mut changes = vec![Change::replace(ConsentRequest { state, ..question.clone() }, rev)];
    if yes {
        changes.push(Change::put(AdvanceConsent {
            door: question.door.clone(),
            owner: by.clone(),
            who: question.asker.id.clone(),
            scope: question.scope.clone(),
            from: None,
            until: question.until,
        }));
    }
    Some(changes)
}

/// The code that ends a sign-in, good for `life` (RFC 6749 §4.1.2: short): its text for the redirect, and the record to commit before it is sent.
/// A device has the text of its own already.
pub fn code(
    request: &AuthorizationRequest,
    person: &Person,
    granted: &[(LockName, Scope)],
    life: Seconds,
    now: Timestamp,
    entropy: &mut dyn Entropy,
) -> Result<(Hidden, Change), NoEntropy> {
    let text = Hidden::new(base64url(&fresh::<32>(entropy)?).into_bytes());
    let member =
        |(lock, scope): &(LockName, Scope)| Consented { audience: Audience::Lock(lock.clone()), scope: scope.clone() };
    let record = Code {
        hash: request.device.as_ref().map_or_else(|| Hash32::of(&[text.expose()]), |device| device.device_code),
        client: request.client.clone(),
        by_device: request.device.is_some(),
        redirect_uri: request.redirect_uri.clone(),
        challenge: request.challenge,
        jkt: request.jkt,
        person: person.clone(),
        consented: granted.iter().map(member).collect(),
        // A device polls until it gives up.
        expires: request.device.as_ref().map_or(now + life, |device| device.expires),
        redeemed: None,
    };
    Ok((text, Change::create(record)))
}

const MAX_STATE: usize = 1024;
const MAX_LOCKS: usize = 32;

#[cfg(test)]
mod tests;
