//! `/token`: one pure function for every face and grant.

use super::api_token;
use super::authenticate::{self, Authenticated};
use super::bytes::{Hash32, Sealed};
use super::change::{Change, Key};
use super::device::Device;
use super::entropy::Entropy;
use super::entry::{Entry, Outcome};
use super::facts::{self, Facts, Target};
use super::grant::{self, InUse, Lifetimes, Stop};
use super::mint::{self, Claims, Life};
use super::names::Audience;
use super::policy::{Policy, Who};
use super::records::{AceProfile, ClientAuth, ClientKind, ClockMode, ExiCounter, Grant, GrantKind, Lock, TokenRecord};
use super::refusal::{AudienceFault, AuthorizationFault, DeviceFault, GrantFault, ProofFault, Refusal, ServerFault};
use super::request::{Face, GrantAsked, Presented, TokenRequest};
use super::response::{IssuedResponse, Token};
use super::rights::{self, Rights};
use super::scope::{self, Scope, ScopeAsked};
use super::subject;
use super::time::{Seconds, Timestamp};
use crate::keys::{Alg, Keys, Signer};
use std::collections::BTreeSet;
use std::sync::Arc;

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
    let entry = |outcome, id| Entry {
        at: now,
        face: request.face,
        grant_type: grant_type(&request.grant).to_owned(),
        client: presented.claimed_client(),
        person: facts::person(code, grant).cloned(),
        audience: facts::audience(request, code, grant),
        grant: id,
        policies: by.iter().cloned().collect(),
        outcome,
    };
    match decided {
        Ok(made) => {
            let outcome =
                Outcome::Granted { token: made.hash, scope: made.scope, begins: made.begins, expires: made.expires };
            Ok(Issued { response: made.response, changes: made.changes, entry: entry(outcome, made.grant) })
        }
        Err(Stop { refusal, changes }) => {
            let entry = entry(Outcome::refused(&refusal), grant.map(|grant| grant.id));
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
        let mut made = match (&audience, &used) {
            (Audience::Api(_), Some(used)) => self.api_token(&who, &used.grant, entropy)?,
            (Audience::Api(_), None) => return Err(AudienceFault::PeopleOnly(audience).into()),
            _ => self.lock_token(&who, used.as_ref().map(|used| &used.grant), &audience, by, entropy)?,
        };
        made.changes.extend(who.spend());
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
            GrantAsked::AuthorizationCode { .. } if self.request.face != Face::Form => {
                Err(Refusal::UnsupportedGrant("authorization_code in CBOR".into()).into())
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
            GrantAsked::Other(name) => Err(Refusal::UnsupportedGrant(name.clone()).into()),
        }
    }

    /// The one audience of this request.
    fn audience(&self, grant: Option<&Grant>) -> Result<Audience, Refusal> {
        let named = match self.request.audience.as_slice() {
            [] => facts::audience(self.request, None, grant).ok_or(AudienceFault::Missing)?,
            [one] => one.parse().map_err(|_| AudienceFault::Unknown(shortened(one)))?,
            _ => return Err(AudienceFault::Several.into()),
        };
        match &named {
            Audience::Api(_) if named != Audience::api_of(self.minting.issuer) => {
                Err(AudienceFault::Unknown(shortened(&named.to_string())).into())
            }
            _ => Ok(named),
        }
    }

    fn api_token(&self, who: &Authenticated<'_>, grant: &Grant, entropy: &mut dyn Entropy) -> Result<Made, Refusal> {
        let Minting { issuer, keys, lifetimes, .. } = *self.minting;
        if self.request.face != Face::Form {
            return Err(Refusal::Malformed("a JWT has no CBOR form"));
        }
        let jkt = who.jkt().ok_or(ProofFault::Missing)?;
        let life = Seconds(lifetimes.api.0.min(self.left(grant.ends)?));
        let token = api_token::mint(grant, jkt, issuer, life, keys, self.now, entropy)?;
        Ok(Made {
            hash: Hash32::of(&[token.as_bytes()]),
            response: IssuedResponse {
                token: Token::Jwt(token),
                expires_in: life.0,
                scope: None,
                cnf: None,
                rs_cnf: None,
                profile: None,
                series: None,
                refresh_token: None,
            },
            changes: Vec::new(),
            scope: Scope::default(),
            begins: None,
            expires: self.now + life,
            grant: Some(grant.id),
            profile: None,
            claims: None,
        })
    }

    fn lock_token(
        &self,
        who: &Authenticated<'_>,
        grant: Option<&Grant>,
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
        let asker = match grant {
            Some(grant) => Who::Person { person: &grant.person, app: who.client() },
            None => Who::Machine(who.client()),
        };
        let form = self.form(who, grant, audience, targets, entropy)?;
        let rights = rights::decide(asker, self.request.scope.as_ref(), consented, targets, policy, self.now, by)?;
        let scope = scope::encode(&rights.aif).ok_or(ServerFault::Records)?;
        let life = self.life(grant, &rights, targets)?;
        let mut changes = Vec::new();
        let told = self.told(lock, form.speaks_for_itself(), rights.from, life, &mut changes)?;
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
            },
            changes,
            scope: rights.words,
            begins: rights.from,
            expires,
            grant: grant.map(|grant| grant.id),
            profile: Some(profile),
            claims: minted.claims,
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

    /// How long the token lives: no longer than the shortest of its locks' lifetimes, its grant, and the consent it hangs on.
    fn life(&self, grant: Option<&Grant>, rights: &Rights, targets: &[Target]) -> Result<Seconds, Refusal> {
        let locks = targets.iter().map(|target| target.lock.lifetime.0).min().unwrap_or(0);
        let ends = [grant.map(|grant| grant.ends), rights.until];
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
        speaks_for_itself: bool,
        from: Option<Timestamp>,
        life: Seconds,
        changes: &mut Vec<Change>,
    ) -> Result<Life, Refusal> {
        if self.request.cnonce.as_ref().is_some_and(|nonce| !CNONCE.contains(&nonce.0.len())) {
            return Err(Refusal::Cnonce);
        }
        let clock = if speaks_for_itself { lock.clock } else { ClockMode::Clock };
        if let Some(from) = from {
            if clock != ClockMode::Clock {
                return Err(AudienceFault::NeedsClock(lock.audience()).into());
            }
            if from >= self.now + life {
                return Err(Refusal::TooEarly);
            }
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
