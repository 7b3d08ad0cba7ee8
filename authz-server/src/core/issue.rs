//! `/token`: one pure function for every face and grant.

use super::authenticate::{self, Authenticated};
use super::bytes::{Hash32, Sealed};
use super::change::{Change, Key};
use super::device::Device;
use super::entropy::Entropy;
use super::entry::{Entry, Outcome};
use super::exchange;
use super::facts::{self, Facts, Target};
use super::grant::{self, InUse, Lifetimes, Stop};
use super::mint::{self, Claims, Life};
use super::names::Audience;
use super::policy::{Policy, Who};
use super::records::{AceProfile, ClientAuth, ClientKind, ClockMode, ExiCounter, Grant, GrantKind, Lock, TokenRecord};
use super::refusal::{
    AudienceFault, AuthorizationFault, DeviceFault, ExchangeFault, GrantFault, ProofFault, Refusal, ServerFault,
};
use super::request::{Face, GrantAsked, Presented, TokenRequest};
use super::response::{IssuedResponse, Token};
use super::rights::{self, Rights};
use super::scope::{self, Scope, ScopeAsked};
use super::subject;
use super::time::{Seconds, Timestamp};
use crate::keys::{Alg, Keys, Signer};
use exchange_tokens::Acting;
use std::collections::BTreeSet;
use std::sync::Arc;

mod exchange_tokens;
mod form;

/// What the server mints with.
#[derive(Clone, Copy)]
pub struct Minting<'m> {
    /// `iss` of every token.
    pub issuer: &'m str,
    /// The server's keys.
    pub keys: &'m Keys,
    /// The algorithm of signed tokens.
    pub alg: Alg,
    /// Who may do what.
    pub policy: &'m dyn Policy,
    /// How long grants last.
    pub lifetimes: &'m Lifetimes,
}

/// A token, once `changes` are durable. Until then nothing may be sent.
#[derive(Debug)]
pub struct Issued {
    /// What to send.
    pub response: IssuedResponse,
    /// What to commit first.
    pub changes: Vec<Change>,
    /// What to log.
    pub entry: Entry,
}

/// No token.
#[derive(Debug)]
pub struct Refused {
    /// Why; the client learns [`Refusal::error`].
    pub refusal: Refusal,
    /// What to commit all the same: a revoked family, else nothing.
    pub changes: Vec<Change>,
    /// What to log.
    pub entry: Entry,
}

/// Decides a request at `/token`.
///
/// On [`OnConflict::Retry`](super::change::OnConflict::Retry) at the commit, read the facts again and call this again.
pub fn issue(
    presented: &Presented,
    request: &TokenRequest,
    facts: &Facts,
    minting: &Minting<'_>,
    now: Timestamp,
    entropy: &mut dyn Entropy,
) -> Result<Issued, Box<Refused>> {
    let mut by = BTreeSet::new();
    let decided = Decision { request, facts, minting, now }.token(presented, &mut by, entropy);
    let code = facts.code.as_ref().map(|(code, _)| code);
    let grant = facts.grant.as_ref().map(|(grant, _)| grant);
    let entry = |outcome, id, row| Entry {
        at: now,
        face: request.face,
        grant_type: grant_type(&request.grant).to_owned(),
        client: presented.claimed_client(),
        person: facts::person(code, grant).cloned(),
        audience: facts::audience(request, code, grant),
        grant: id,
        subject_token: request.subject_token(),
        row,
        policies: by.iter().cloned().collect(),
        outcome,
    };
    match decided {
        Ok(made) => {
            let outcome =
                Outcome::Granted { token: made.hash, scope: made.scope, begins: made.begins, expires: made.expires };
            Ok(Issued {
                response: made.response,
                changes: made.changes,
                entry: entry(outcome, made.grant, made.acted.map(|acted| acted.row)),
            })
        }
        Err(Stop { refusal, changes }) => {
            let entry = entry(Outcome::refused(&refusal), grant.map(|grant| grant.id), None);
            Err(Box::new(Refused { refusal, changes, entry }))
        }
    }
}

/// The name of a grant type, for the log.
fn grant_type(grant: &GrantAsked) -> &str {
    match grant {
        GrantAsked::AuthorizationCode { .. } => "authorization_code",
        GrantAsked::ClientCredentials => "client_credentials",
        GrantAsked::RefreshToken { .. } => "refresh_token",
        GrantAsked::DeviceCode { .. } => "device_code",
        GrantAsked::TokenExchange { .. } => "token_exchange",
        GrantAsked::Other(name) => name,
    }
}

struct Decision<'d> {
    request: &'d TokenRequest,
    facts: &'d Facts,
    minting: &'d Minting<'d>,
    now: Timestamp,
}

struct Made {
    response: IssuedResponse,
    changes: Vec<Change>,
    hash: Hash32,
    scope: Scope,
    begins: Option<Timestamp>,
    expires: Timestamp,
    grant: Option<super::names::GrantId>,
    profile: Option<AceProfile>,
    /// What a reference stands for.
    claims: Option<Sealed>,
    /// What it was exchanged for.
    acted: Option<Acted>,
}

struct Acted {
    subject: Hash32,
    row: String,
}

impl Decision<'_> {
    fn token(&self, presented: &Presented, by: &mut BTreeSet<String>, entropy: &mut dyn Entropy) -> Result<Made, Stop> {
        let Minting { issuer, keys, .. } = *self.minting;
        let client = self.facts.client.as_ref().map(|(client, _)| client);
        let who = authenticate::client(presented, client, &keys.secrets, issuer, self.now).map_err(|refusal| {
            match (&self.request.grant, refusal) {
                // A refresh token without its key is no grant.
                (GrantAsked::RefreshToken { .. }, Refusal::Proof(ProofFault::Missing)) => GrantFault::Key.into(),
                (_, refusal) => refusal,
            }
        })?;
        let used = self.grant(&who, entropy)?;
        let audience = self.audience(used.as_ref().map(|used| &used.grant))?;
        let acting = self.acting(&who, &audience)?;
        let mut made = match (&audience, &used) {
            (Audience::Api(_), Some(used)) => self.api_token(&who, &used.grant, entropy)?,
            (Audience::Service(service), Some(used)) => self.service_token(&who, &used.grant, service, entropy)?,
            (Audience::Api(_) | Audience::Service(_), None) => return Err(AudienceFault::PeopleOnly(audience).into()),
            _ => {
                let grant = used.as_ref().map(|used| &used.grant);
                self.lock_token(&who, grant, acting.as_ref(), &audience, by, entropy)?
            }
        };
        made.changes.extend(who.spend());
        made.changes.extend(acting.into_iter().flat_map(|acting| acting.guards));
        if let Some(InUse { grant, changes, refresh_token }) = used {
            made.grant = Some(grant.id);
            made.changes.extend(changes);
            made.response.refresh_token = refresh_token;
        }
        made.changes.push(Change::put(TokenRecord {
            hash: made.hash,
            expires: made.expires,
            client: who.client().id.clone(),
            audience,
            grant: made.grant,
            subject: made.acted.as_ref().map(|acted| acted.subject),
            revoked: None,
            profile: made.profile,
            claims: made.claims.take(),
        }));
        // Else a client that is removed at this moment would leave with a token that nobody finds.
        made.changes.extend(
            self.facts.client.as_ref().map(|(client, rev)| Change::still(Key::Client(client.id.clone()), *rev)),
        );
        Ok(made)
    }

    /// The grant that the request uses; none for a machine.
    fn grant(&self, who: &Authenticated<'_>, entropy: &mut dyn Entropy) -> Result<Option<InUse>, Stop> {
        let Facts { code, grant, .. } = self.facts;
        let Minting { keys, lifetimes, .. } = self.minting;
        let client = who.client();
        if !client.is_admitted() {
            return Err(Refusal::from(AuthorizationFault::NotAdmitted).into());
        }
        let may = |kind| match client.grants.contains(&kind) {
            true => Ok(()),
            false => Err(Refusal::GrantNotAllowed(client.id.clone())),
        };
        match &self.request.grant {
            GrantAsked::ClientCredentials => {
                may(GrantKind::ClientCredentials)?;
                // RFC 6749 §4.4: confidential clients only.
                match (&client.kind, &client.auth) {
                    (ClientKind::Native { .. }, _) | (_, ClientAuth::None) => {
                        Err(Refusal::GrantNotAllowed(client.id.clone()).into())
                    }
                    _ => Ok(None),
                }
            }
            GrantAsked::AuthorizationCode { .. } | GrantAsked::TokenExchange { .. }
                if self.request.face != Face::Form =>
            {
                Err(Refusal::UnsupportedGrant(format!("{} in CBOR", grant_type(&self.request.grant))).into())
            }
            GrantAsked::AuthorizationCode { redirect_uri, verifier, .. } => {
                may(GrantKind::AuthorizationCode)?;
                let verifier = verifier.as_ref().map(super::bytes::Hidden::expose);
                let shown = grant::Shown::Redirect { uri: redirect_uri.as_deref(), verifier };
                grant::redeem(code.as_ref(), grant.as_ref(), shown, who, lifetimes, self.now, entropy).map(Some)
            }
            GrantAsked::DeviceCode { code: text } => {
                may(GrantKind::DeviceCode)?;
                if code.is_none() {
                    let name = Hash32::of(&[text.expose()]);
                    return Err(Device::standing(self.facts.device.as_ref(), name, who, self.now).into());
                }
                let shown = grant::Shown::Device;
                grant::redeem(code.as_ref(), grant.as_ref(), shown, who, lifetimes, self.now, entropy)
                    .map(Some)
                    .map_err(|stop| match stop.refusal {
                        Refusal::Grant(GrantFault::Expired) => DeviceFault::Expired.into(),
                        _ => stop,
                    })
            }
            GrantAsked::RefreshToken { token } => {
                may(GrantKind::RefreshToken)?;
                grant::refresh(token, grant.as_ref(), who, &keys.refresh, lifetimes, self.now).map(Some)
            }
            GrantAsked::TokenExchange { token } => {
                may(GrantKind::TokenExchange)?;
                Ok(Some(self.exchanged(who, token)?))
            }
            GrantAsked::Other(name) => Err(Refusal::UnsupportedGrant(name.clone()).into()),
        }
    }

    /// The one audience of this request.
    fn audience(&self, grant: Option<&Grant>) -> Result<Audience, Refusal> {
        let named = match self.request.audience.as_slice() {
            [] => facts::audience(self.request, None, grant).ok_or(AudienceFault::Missing)?,
            [one] => one.parse().map_err(|_| AudienceFault::Unknown(shortened(one)))?,
            _ if self.request.subject_token().is_some() => return Err(ExchangeFault::Several.into()),
            _ => return Err(AudienceFault::Several.into()),
        };
        match &named {
            Audience::Api(_) if named != Audience::api_of(self.minting.issuer) => {
                Err(AudienceFault::Unknown(shortened(&named.to_string())).into())
            }
            _ => Ok(named),
        }
    }

    fn lock_token(
        &self,
        who: &Authenticated<'_>,
        grant: Option<&Grant>,
        acting: Option<&Acting<'_>>,
        audience: &Audience,
        by: &mut BTreeSet<String>,
        entropy: &mut dyn Entropy,
    ) -> Result<Made, Refusal> {
        let Minting { issuer, keys, policy, .. } = *self.minting;
        let targets = self.targets(audience)?;
        let lock = &targets.first().ok_or_else(|| AudienceFault::Unknown(audience.to_string()))?.lock;
        let consented = match grant {
            None => None,
            Some(grant) => {
                let member = grant.consented.iter().find(|member| member.audience == *audience);
                Some(&member.ok_or_else(|| AudienceFault::NotGranted(audience.clone()))?.scope)
            }
        };
        let narrowed = acting.zip(consented).map(|(acting, words)| words.only(|word| acting.scope.contains(word)));
        let consented = narrowed.as_ref().or(consented);
        let asker = match grant {
            Some(grant) => Who::Person { person: &grant.person, app: who.client() },
            None => Who::Machine(who.client()),
        };
        let form = self.form(who, grant, audience, targets, entropy)?;
        let decide = |asker, asked: Option<&ScopeAsked>, by: &mut BTreeSet<String>| {
            rights::decide(asker, asked, consented, targets, policy, self.now, by)
        };
        let mut rights = match (acting, grant) {
            (Some(acting), Some(grant)) => {
                // What the app would not get, the service does not get for it.
                let apps =
                    decide(Who::Person { person: &grant.person, app: acting.app }, self.request.scope.as_ref(), by)?;
                decide(asker, Some(&ScopeAsked::Text(apps.words.clone())), by)?.within(&apps)
            }
            _ => decide(asker, self.request.scope.as_ref(), by)?,
        };
        rights.from = rights.from.max(acting.and_then(|acting| acting.standing.from()).filter(|from| *from > self.now));
        let scope = scope::encode(&rights.aif).ok_or(ServerFault::Records)?;
        let life = self.life(grant, acting, &rights, targets)?;
        let mut changes = Vec::new();
        let clock = if form.speaks_for_itself() { lock.clock } else { ClockMode::Clock };
        // Only a clock keeps a token to a begin, or to the end of another.
        if clock != ClockMode::Clock && (rights.from.is_some() || acting.is_some()) {
            return Err(AudienceFault::NeedsClock(audience.clone()).into());
        }
        // Else a lock that is removed at this moment would be left with a token that nobody finds.
        changes.extend(targets.iter().map(|target| Change::still(Key::Lock(target.lock.name.clone()), target.rev)));
        let told = self.told(lock, clock, rights.from, life, &mut changes)?;
        let sub = match grant {
            Some(grant) => subject::of_person(&keys.pairwise, &grant.person.id, audience),
            None => subject::of_client(&keys.pairwise, &who.client().id, audience),
        };
        let cnonce = self.request.cnonce.as_ref();
        let in_transit = if matches!(told, Life::FromArrival { .. } | Life::Nonce) { IN_TRANSIT } else { Seconds(0) };
        let expires = self.now + life + in_transit;
        self.remember(who, grant, lock, audience, &form, expires, &mut changes);
        if form.uses_token_key() {
            self.wear(lock, entropy, &mut changes)?;
        }
        let (profile, series) = (form.profile(), form.series().cloned());
        let claims = Claims {
            iss: issuer,
            sub: &sub,
            aud: audience,
            scope: &scope,
            life: told,
            cnonce,
            series: series.as_ref(),
        };
        let minted = self.mint(&claims, form, lock, entropy)?;
        let said = match self.request.scope {
            Some(ScopeAsked::Aif(_)) => ScopeAsked::Aif(scope),
            _ => ScopeAsked::Text(rights.words.clone()),
        };
        Ok(Made {
            hash: mint::token_hash(&minted.token),
            response: IssuedResponse {
                token: Token::Cwt(minted.token),
                expires_in: life.0,
                scope: Some(said),
                cnf: minted.cnf,
                rs_cnf: minted.rs_cnf,
                profile: Some(profile.number()),
                series: minted.series,
                refresh_token: None,
                issued_token_type: acting.map(|_| exchange::ACCESS_TOKEN),
            },
            changes,
            scope: rights.words,
            begins: rights.from,
            expires,
            grant: grant.map(|grant| grant.id),
            profile: Some(profile),
            claims: minted.claims,
            acted: acting.map(|acting| Acted { subject: acting.subject, row: acting.standing.to_string() }),
        })
    }

    /// What signs CWTs at this moment.
    fn signer(&self, alg: Alg) -> Result<Arc<dyn Signer>, ServerFault> {
        self.minting.keys.signer(alg, self.now).map_err(|_| ServerFault::Signing)
    }

    /// The locks of the audience. A fact about another one is no fact about this.
    fn targets(&self, audience: &Audience) -> Result<&[Target], Refusal> {
        let targets = &self.facts.targets;
        let fits = |target: &Target| target.door.name == target.lock.door && target.lock.is_in(audience);
        if targets.is_empty() || !targets.iter().all(fits) {
            return Err(AudienceFault::Unknown(audience.to_string()).into());
        }
        if matches!(audience, Audience::Lock(_)) && targets.iter().any(|target| target.lock.token_kid.0.is_empty()) {
            return Err(AudienceFault::NotEnrolled(audience.clone()).into());
        }
        // exi counts per audience at one lock, and a nonce is one lock's own.
        if matches!(audience, Audience::Group(_)) && targets.iter().any(|target| target.lock.clock != ClockMode::Clock)
        {
            return Err(AudienceFault::GroupWithoutClock(audience.clone()).into());
        }
        Ok(targets)
    }

    /// How long the token lives: no longer than the shortest of its locks' lifetimes, its grant, the consent it hangs on, and
    /// the token it was exchanged for.
    fn life(
        &self,
        grant: Option<&Grant>,
        acting: Option<&Acting<'_>>,
        rights: &Rights,
        targets: &[Target],
    ) -> Result<Seconds, Refusal> {
        let locks = targets.iter().map(|target| target.lock.lifetime.0).min().unwrap_or(0);
        let ends = [grant.map(|grant| grant.ends), rights.until, acting.map(|acting| acting.ends)];
        let mut life = locks;
        for end in ends.into_iter().flatten() {
            life = life.min(self.left(end)?);
        }
        if life == 0 { Err(ServerFault::Records.into()) } else { Ok(Seconds(life)) }
    }

    fn left(&self, end: Timestamp) -> Result<u32, Refusal> {
        match u32::try_from(end.since(self.now)) {
            Ok(0) | Err(_) if end <= self.now => Err(GrantFault::Expired.into()),
            Ok(left) => Ok(left),
            Err(_) => Ok(u32::MAX),
        }
    }

    /// How the lock is told. A sequence number is used up by a change that only one request can make.
    ///
    /// What a reference means the lock hears from us, who have a clock.
    fn told(
        &self,
        lock: &Lock,
        clock: ClockMode,
        from: Option<Timestamp>,
        life: Seconds,
        changes: &mut Vec<Change>,
    ) -> Result<Life, Refusal> {
        if self.request.cnonce.as_ref().is_some_and(|nonce| !CNONCE.contains(&nonce.0.len())) {
            return Err(Refusal::Cnonce);
        }
        if from.is_some_and(|from| from >= self.now + life) {
            return Err(Refusal::TooEarly);
        }
        match clock {
            ClockMode::Clock => Ok(Life::Until { iat: self.now, nbf: from, exp: self.now + life }),
            ClockMode::Nonce if self.request.cnonce.is_none() => Err(Refusal::Cnonce),
            ClockMode::Nonce => Ok(Life::Nonce),
            ClockMode::Exi => {
                let counter = self.facts.exi.as_ref().filter(|(counter, _)| counter.lock == lock.name);
                let number = match counter {
                    Some((counter, _)) => counter.last.checked_add(1).ok_or(ServerFault::Records)?,
                    None => 1,
                };
                let next = ExiCounter { lock: lock.name.clone(), last: number };
                changes.push(match counter {
                    Some((_, rev)) => Change::replace(next, *rev),
                    None => Change::create(next),
                });
                Ok(Life::FromArrival { exi: life.0, number })
            }
        }
    }
}

/// Enough of a foreign text for the log.
fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(96).collect()
}

/// Sizes of a cnonce, in bytes.
const CNONCE: std::ops::RangeInclusive<usize> = 8..=32;
/// How long a token for a lock without a clock may be under way before its time starts; for our records only.
const IN_TRANSIT: Seconds = Seconds(86_400);

#[cfg(test)]
mod tests;
