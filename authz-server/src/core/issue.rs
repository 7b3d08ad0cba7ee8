//! `/token`: one pure function for every face and grant.

use super::api_token;
use super::authenticate::{self, Authenticated};
use super::bytes::{Blob, Hash32};
use super::change::{Change, Key};
use super::entropy::Entropy;
use super::entry::{Entry, Outcome};
use super::facts::{self, Facts, Target};
use super::grant::{self, InUse, Lifetimes, Stop};
use super::jwk::PublicKey;
use super::mint::{self, Claims, Life, Osc, PublicCnf, SharedCnf};
use super::names::Audience;
use super::policy::{Policy, Who};
use super::records::{ClientAuth, ClientKind, ClockMode, ExiCounter, Grant, GrantKind, LiveContext, Lock, TokenRecord};
use super::refusal::{AudienceFault, GrantFault, KeyFault, ProofFault, Refusal, ServerFault};
use super::request::{Face, GrantAsked, Presented, ReqCnf, TokenRequest};
use super::response::{IssuedResponse, RsCnf, Token};
use super::rights::{self, Rights};
use super::scope::{self, Scope, ScopeAsked};
use super::series::{self, Series};
use super::subject;
use super::time::{Seconds, Timestamp};
use crate::keys::{Alg, Keys, Signer};
use latchwork_ace::registry::Profile;
use std::collections::BTreeSet;
use std::sync::Arc;

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
            let outcome = Outcome::Granted { token: made.hash, scope: made.scope, expires: made.expires };
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
    expires: Timestamp,
    grant: Option<super::names::GrantId>,
}

/// Which kind of token, settled before anything is minted.
enum Form {
    Shared(SharedCnf),
    Public(PublicCnf, Option<RsCnf>),
    /// An update in a token series: the credential of its first token.
    Series(Series),
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
                let redirect = redirect_uri.as_deref();
                grant::redeem(code.as_ref(), grant.as_ref(), redirect, verifier, who, lifetimes, self.now, entropy)
                    .map(Some)
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
            expires: self.now + life,
            grant: Some(grant.id),
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
        let form = self.form(who, grant, audience, lock, entropy)?;
        let rights = rights::decide(asker, self.request.scope.as_ref(), consented, targets, policy, self.now, by)?;
        let scope = scope::encode(&rights.aif).ok_or(ServerFault::Records)?;
        let life = self.life(grant, &rights, targets)?;
        let mut changes = Vec::new();
        let told = self.told(lock, life, &mut changes)?;
        let sub = match grant {
            Some(grant) => subject::of_person(&keys.pairwise, &grant.person.id, audience),
            None => subject::of_client(&keys.pairwise, &who.client().id, audience),
        };
        let cnonce = self.request.cnonce.as_ref();
        let series = match &form {
            Form::Series(series) => Some(series.id.clone()),
            Form::Public(PublicCnf::Kccs(_), _) => Some(series::fresh_id(entropy)?),
            Form::Public(PublicCnf::Key(_), _) | Form::Shared(_) => None,
        };
        let claims = Claims {
            iss: issuer,
            sub: &sub,
            aud: audience,
            scope: &scope,
            life: told,
            cnonce,
            series: series.as_ref(),
        };
        let expires = self.now + life + if lock.clock == ClockMode::Clock { Seconds(0) } else { IN_TRANSIT };
        let mut new_series = None;
        let (token, cnf, rs_cnf, profile) = match form {
            Form::Shared(cnf) => {
                let signer = lock.signed.then(|| self.signer()).transpose()?;
                let token = mint::encrypted(&claims, &cnf, lock, &keys.storage, signer.as_deref(), entropy)?;
                self.remember(who, grant, lock, &cnf, expires, &mut changes);
                self.wear(lock, entropy, &mut changes)?;
                let osc = match cnf {
                    SharedCnf::Osc(osc) => Some(osc),
                    SharedCnf::Kid(_) => None,
                };
                (token, osc, None, Profile::COAP_OSCORE)
            }
            Form::Public(cnf, rs_cnf) => {
                let profile = match (&cnf, &series) {
                    (PublicCnf::Kccs(ccs), Some(id)) => {
                        let (client, grant) = (who.client().id.clone(), grant.map(|grant| grant.id));
                        let (audience, id, ccs) = (audience.clone(), id.clone(), ccs.clone());
                        new_series = Some(id.clone());
                        changes.push(Change::create(Series { client, audience, id, grant, ccs, expires }));
                        Profile::COAP_EDHOC_OSCORE
                    }
                    _ => Profile::COAP_DTLS,
                };
                (mint::signed(&claims, &cnf, &*self.signer()?, entropy)?, None, rs_cnf, profile)
            }
            // Neither rs_cnf nor edhoc_info in the answer (draft-ietf-ace-edhoc-oscore-profile §3.3.3).
            Form::Series(series) => {
                let cnf = PublicCnf::Kccs(series.ccs.clone());
                changes.push(Change::put(Series { expires, ..series }));
                (mint::signed(&claims, &cnf, &*self.signer()?, entropy)?, None, None, Profile::COAP_EDHOC_OSCORE)
            }
        };
        let said = match self.request.scope {
            Some(ScopeAsked::Aif(_)) => ScopeAsked::Aif(scope),
            _ => ScopeAsked::Text(rights.words.clone()),
        };
        Ok(Made {
            hash: mint::token_hash(&token),
            response: IssuedResponse {
                token: Token::Cwt(token),
                expires_in: life.0,
                scope: Some(said),
                cnf,
                rs_cnf,
                profile: Some(profile),
                series: new_series,
                refresh_token: None,
            },
            changes,
            scope: rights.words,
            expires,
            grant: grant.map(|grant| grant.id),
        })
    }

    /// What signs CWTs at this moment.
    fn signer(&self) -> Result<Arc<dyn Signer>, Refusal> {
        let Minting { keys, alg, .. } = *self.minting;
        keys.signer(alg, self.now).map_err(|_| ServerFault::Signing.into())
    }

    /// The locks of the audience. A fact about another one is no fact about this.
    fn targets(&self, audience: &Audience) -> Result<&[Target], Refusal> {
        let targets = &self.facts.targets;
        let fits = |target: &Target| {
            target.door.name == target.lock.door
                && match audience {
                    Audience::Lock(name) => target.lock.name == *name,
                    Audience::Group(group) => target.lock.groups.contains(group),
                    Audience::Api(_) => false,
                }
        };
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

    /// Which token, by the key that the client wants it bound to and has shown to possess.
    fn form(
        &self,
        who: &Authenticated<'_>,
        grant: Option<&Grant>,
        audience: &Audience,
        lock: &Lock,
        entropy: &mut dyn Entropy,
    ) -> Result<Form, Refusal> {
        let group = matches!(audience, Audience::Group(_));
        let shown = |key: &PublicKey| {
            if who.client().auth == ClientAuth::Oscore {
                Err(KeyFault::OscOnly)
            } else if who.possesses(key) {
                Ok(())
            } else {
                Err(KeyFault::NotProven)
            }
        };
        let credential = || lock.credential.as_ref().ok_or(KeyFault::NoLockCredential);
        if self.request.series.is_some() {
            let living = self.facts.series.as_ref().filter(|series| {
                series.client == who.client().id
                    && series.audience == *audience
                    && Some(&series.id) == self.request.series.as_ref()
                    && series.grant == grant.map(|grant| grant.id)
                    && series.expires > self.now
            });
            let series = living.filter(|_| self.request.req_cnf.is_none()).ok_or(KeyFault::UnknownSeries)?;
            shown(&credential_key(&series.ccs)?)?;
            return Ok(Form::Series(series.clone()));
        }
        match &self.request.req_cnf {
            Some(ReqCnf::Unsupported) => Err(KeyFault::Unsupported.into()),
            Some(ReqCnf::Kccs { .. }) if self.request.face == Face::Form => Err(Refusal::CborOnly),
            Some(ReqCnf::Kccs { ccs, key }) => {
                shown(key)?;
                let rs_cnf = if group { None } else { Some(RsCnf::Kccs(credential()?.clone())) };
                Ok(Form::Public(PublicCnf::Kccs(ccs.clone()), rs_cnf))
            }
            Some(ReqCnf::Key(key)) => {
                shown(key)?;
                // RFC 9201 §5: a group has no one key of its own.
                let rs_cnf = if group { None } else { Some(RsCnf::Key(credential_key(credential()?)?)) };
                Ok(Form::Public(PublicCnf::Key(key.clone()), rs_cnf))
            }
            _ if group => Err(KeyFault::GroupNeedsPublicKey.into()),
            Some(ReqCnf::Kid(kid)) => {
                let live = self.facts.context.as_ref().is_some_and(|context| {
                    context.lock == lock.name
                        && context.id == *kid
                        && context.client == who.client().id
                        && context.grant == grant.map(|grant| grant.id)
                        && context.expires > self.now
                });
                if live { Ok(Form::Shared(SharedCnf::Kid(kid.clone()))) } else { Err(KeyFault::UnknownContext.into()) }
            }
            None => Ok(Form::Shared(SharedCnf::Osc(Osc::fresh(entropy)?))),
        }
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
    fn told(&self, lock: &Lock, life: Seconds, changes: &mut Vec<Change>) -> Result<Life, Refusal> {
        if self.request.cnonce.as_ref().is_some_and(|nonce| !CNONCE.contains(&nonce.0.len())) {
            return Err(Refusal::Cnonce);
        }
        match lock.clock {
            ClockMode::Clock => Ok(Life::Until { iat: self.now, exp: self.now + life }),
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

    /// Remembers that a context lives, without its secret, so that a later request may name it.
    fn remember(
        &self,
        who: &Authenticated<'_>,
        grant: Option<&Grant>,
        lock: &Lock,
        cnf: &SharedCnf,
        expires: Timestamp,
        changes: &mut Vec<Change>,
    ) {
        let context = |id: &Blob| LiveContext {
            lock: lock.name.clone(),
            id: id.clone(),
            client: who.client().id.clone(),
            grant: grant.map(|grant| grant.id),
            expires,
        };
        changes.push(match cnf {
            SharedCnf::Osc(osc) => Change::create(context(&osc.id)),
            SharedCnf::Kid(kid) => Change::put(context(kid)),
        });
    }

    fn wear(&self, lock: &Lock, entropy: &mut dyn Entropy, changes: &mut Vec<Change>) -> Result<(), Refusal> {
        if mint::wears(entropy)?
            && let Some(target) = self.facts.targets.first()
        {
            let worn = Lock { token_key_wear: lock.token_key_wear.saturating_add(1), ..lock.clone() };
            changes.push(Change::replace(worn, target.rev));
        }
        Ok(())
    }
}

/// The COSE_Key in a CCS.
fn credential_key(ccs: &Blob) -> Result<PublicKey, Refusal> {
    let claims = latchwork_ace::Claims::decode(&ccs.0).map_err(|_| ServerFault::Records)?;
    let Some(latchwork_ace::Cnf::CoseKey(key)) = claims.cnf else { return Err(ServerFault::Records.into()) };
    if let Some((x, y)) = key.as_p256() {
        return Ok(PublicKey::P256 { x: *x, y: *y });
    }
    let x = key.as_ed25519().ok_or(KeyFault::NoLockCredential)?;
    Ok(PublicKey::Ed25519 { x: *x })
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
