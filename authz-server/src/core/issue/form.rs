//! Which token a request gets, and its making: by the key that the client wants it bound to and has shown to possess.

use super::Decision;
use crate::core::authenticate::Authenticated;
use crate::core::bytes::{Blob, Sealed};
use crate::core::change::Change;
use crate::core::cnf;
use crate::core::entropy::Entropy;
use crate::core::facts::Target;
use crate::core::jwk::PublicKey;
use crate::core::mint::{self, AnyCnf, Claims, Osc, PublicCnf, SharedCnf, SharedKey};
use crate::core::names::Audience;
use crate::core::negotiate::{self, Bound, Choice, Shape, Wish};
use crate::core::records::{AceProfile, ClientAuth, Grant, LiveContext, Lock};
use crate::core::refusal::{AudienceFault, KeyFault, Refusal, ServerFault};
use crate::core::request::{Face, ReqCnf};
use crate::core::response::{NewKey, RsCnf};
use crate::core::series::{self, Series};
use crate::core::time::Timestamp;

/// A token that is settled but not made.
pub(super) struct Form {
    choice: Choice,
    bound: Key,
    rs_cnf: Option<RsCnf>,
    series: Option<InSeries>,
}

/// Where it stands in a token series; none but under the profile of EDHOC and OSCORE.
enum InSeries {
    First(Blob),
    Later(Blob),
}

/// What it is bound to.
enum Key {
    Shared(SharedCnf),
    Public(PublicCnf),
}

/// A token, and what the client has to know beside it.
pub(super) struct Minted {
    pub(super) token: Vec<u8>,
    pub(super) cnf: Option<NewKey>,
    pub(super) rs_cnf: Option<RsCnf>,
    /// A series that begins.
    pub(super) series: Option<Blob>,
    pub(super) claims: Option<Sealed>,
}

impl Form {
    pub(super) fn profile(&self) -> AceProfile {
        self.choice.profile
    }

    /// The series that it begins or goes on with.
    pub(super) fn series(&self) -> Option<&Blob> {
        self.series.as_ref().map(|(InSeries::First(id) | InSeries::Later(id))| id)
    }

    /// Whether the lock can read it without asking us.
    pub(super) fn speaks_for_itself(&self) -> bool {
        self.choice.shape != Shape::Reference
    }

    /// Whether something in it is encrypted under the lock's key.
    pub(super) fn uses_token_key(&self) -> bool {
        match (&self.bound, self.choice.shape) {
            (_, Shape::Reference) => false,
            (_, Shape::Encrypted(_)) | (Key::Shared(_), Shape::Signed(_) | Shape::Maced) => true,
            (Key::Public(_), Shape::Signed(_) | Shape::Maced) => false,
        }
    }
}

impl Decision<'_> {
    pub(super) fn form(
        &self,
        who: &Authenticated<'_>,
        grant: Option<&Grant>,
        audience: &Audience,
        targets: &[Target],
        entropy: &mut dyn Entropy,
    ) -> Result<Form, Refusal> {
        let locks: Vec<&Lock> = targets.iter().map(|target| &target.lock).collect();
        let lock = *locks.first().ok_or_else(|| AudienceFault::Unknown(audience.to_string()))?;
        let choose = |bound| {
            let client = who.client();
            let wish =
                Wish { bound, profile: self.request.ace_profile, client: &client.profiles, alg: self.minting.alg };
            negotiate::choose(&wish, audience, &locks)
        };
        let shown = |key: &PublicKey| {
            if who.client().auth == ClientAuth::Oscore {
                Err(KeyFault::OscOnly)
            } else if who.possesses(key) {
                Ok(())
            } else {
                Err(KeyFault::NotProven)
            }
        };
        // RFC 9201 §5: a group has no one key of its own.
        let credential = lock.credential.as_ref().filter(|_| matches!(audience, Audience::Lock(_)));
        let (choice, bound, rs_cnf) = match &self.request.req_cnf {
            sent if self.request.series.is_some() => {
                let living = self.facts.series.as_ref().filter(|series| {
                    series.client == who.client().id
                        && series.audience == *audience
                        && Some(&series.id) == self.request.series.as_ref()
                        && series.grant == grant.map(|grant| grant.id)
                        && series.expires > self.now
                });
                let Series { ccs, .. } = living.filter(|_| sent.is_none()).ok_or(KeyFault::UnknownSeries)?;
                let key = credential_key(ccs)?;
                shown(&key)?;
                // Neither rs_cnf nor edhoc_info in the answer (draft-ietf-ace-edhoc-oscore-profile §3.3.3).
                (choose(Bound::Credential(key.kind()))?, Key::Public(PublicCnf::Kccs(ccs.clone())), None)
            }
            Some(ReqCnf::Unsupported) => return Err(KeyFault::Unsupported.into()),
            Some(ReqCnf::Kccs { .. }) if self.request.face == Face::Form => return Err(Refusal::CborOnly),
            Some(ReqCnf::Kccs { ccs, key }) => {
                shown(key)?;
                let choice = choose(Bound::Credential(key.kind()))?;
                let rs_cnf = credential.cloned().map(RsCnf::Kccs);
                (choice, Key::Public(PublicCnf::Kccs(ccs.clone())), rs_cnf)
            }
            Some(ReqCnf::Key(key)) => {
                shown(key)?;
                let choice = choose(Bound::Key(key.kind()))?;
                let rs_cnf = credential.map(credential_key).transpose()?.map(RsCnf::Key);
                (choice, Key::Public(PublicCnf::Key(key.clone())), rs_cnf)
            }
            Some(ReqCnf::Kid(kid)) => {
                let known = self.facts.context.as_ref().filter(|known| known.lock == lock.name && known.id == *kid);
                let ours = known.filter(|known| {
                    known.client == who.client().id
                        && known.grant == grant.map(|grant| grant.id)
                        && known.expires > self.now
                });
                match ours {
                    Some(known) => {
                        let choice = choose(Bound::Living(known.profile))?;
                        (choice, Key::Shared(SharedCnf::Kid(kid.clone())), None)
                    }
                    None => self.unknown_kid(known, choose(Bound::Fresh)?, entropy)?,
                }
            }
            None => fresh(choose(Bound::Fresh)?, entropy)?,
        };
        if choice.shape == Shape::Maced && lock.mac.is_none() {
            return Err(AudienceFault::NotEnrolled(audience.clone()).into());
        }
        let series = match (&self.request.series, &bound) {
            (Some(id), _) => Some(InSeries::Later(id.clone())),
            (None, Key::Public(PublicCnf::Kccs(_))) => Some(InSeries::First(series::fresh_id(entropy)?)),
            (None, _) => None,
        };
        Ok(Form { choice, bound, rs_cnf, series })
    }

    /// What a kid that names no living key of the client gets: OSCORE refuses it (RFC 9203 §3.1); DTLS refuses somebody else's (RFC 9202
    /// §4) and makes a new key for one that nobody has (§3.3.1).
    fn unknown_kid(
        &self,
        known: Option<&LiveContext>,
        choice: Choice,
        entropy: &mut dyn Entropy,
    ) -> Result<(Choice, Key, Option<RsCnf>), Refusal> {
        match (choice.profile, known) {
            (AceProfile::CoapDtls, None) => fresh(choice, entropy),
            (AceProfile::CoapDtls, Some(_)) => Err(KeyFault::ForeignKey.into()),
            _ => Err(KeyFault::UnknownContext.into()),
        }
    }

    /// Makes the token.
    pub(super) fn mint(
        &self,
        claims: &Claims<'_>,
        form: Form,
        lock: &Lock,
        entropy: &mut dyn Entropy,
    ) -> Result<Minted, ServerFault> {
        let keys = self.minting.keys;
        let Form { choice, bound, rs_cnf, series } = form;
        let mut sealed = None;
        let token = match (choice.shape, &bound) {
            (Shape::Reference, bound) => {
                let cnf = match bound {
                    Key::Shared(cnf) => AnyCnf::Shared(cnf),
                    Key::Public(cnf) => AnyCnf::Public(cnf),
                };
                let (token, claims) = mint::reference(claims, cnf, &keys.storage, entropy)?;
                sealed = Some(claims);
                token
            }
            (Shape::Encrypted(alg), Key::Shared(cnf)) => {
                let signer = alg.map(|alg| self.signer(alg)).transpose()?;
                mint::encrypted(claims, cnf, lock, &keys.storage, signer.as_deref(), entropy)?
            }
            (Shape::Signed(alg), Key::Public(cnf)) => mint::signed(claims, cnf, &*self.signer(alg)?, entropy)?,
            (Shape::Maced, Key::Public(cnf)) => mint::maced(claims, cnf, lock, &keys.storage, entropy)?,
            (Shape::Signed(_) | Shape::Maced, Key::Shared(SharedCnf::Key(key))) => {
                let wrapped = PublicCnf::Wrapped(mint::wrap(key, lock, &keys.storage, entropy)?);
                match choice.shape {
                    Shape::Signed(alg) => mint::signed(claims, &wrapped, &*self.signer(alg)?, entropy)?,
                    _ => mint::maced(claims, &wrapped, lock, &keys.storage, entropy)?,
                }
            }
            (Shape::Encrypted(_), Key::Public(_)) | (Shape::Signed(_) | Shape::Maced, Key::Shared(_)) => {
                return Err(ServerFault::Records);
            }
        };
        let cnf = match bound {
            Key::Shared(SharedCnf::Osc(osc)) => Some(NewKey::Osc(osc)),
            Key::Shared(SharedCnf::Key(key)) => Some(NewKey::Key(key)),
            Key::Shared(SharedCnf::Kid(_)) | Key::Public(_) => None,
        };
        let series = match series {
            Some(InSeries::First(id)) => Some(id),
            Some(InSeries::Later(_)) | None => None,
        };
        Ok(Minted { token, cnf, rs_cnf, series, claims: sealed })
    }

    /// Remembers that a symmetric key lives at the lock, without its secret, or a series, so that a later request may name it.
    #[expect(clippy::too_many_arguments, reason = "what a record is made of")]
    pub(super) fn remember(
        &self,
        who: &Authenticated<'_>,
        grant: Option<&Grant>,
        lock: &Lock,
        audience: &Audience,
        form: &Form,
        expires: Timestamp,
        changes: &mut Vec<Change>,
    ) {
        let context = |id: &Blob| LiveContext {
            lock: lock.name.clone(),
            id: id.clone(),
            profile: form.choice.profile,
            client: who.client().id.clone(),
            grant: grant.map(|grant| grant.id),
            expires,
        };
        match &form.bound {
            Key::Shared(SharedCnf::Osc(Osc { id, .. }) | SharedCnf::Key(SharedKey { kid: id, .. })) => {
                changes.push(Change::create(context(id)));
            }
            Key::Shared(SharedCnf::Kid(kid)) => changes.push(Change::put(context(kid))),
            Key::Public(PublicCnf::Kccs(ccs)) => {
                let series = |id: &Blob| Series {
                    client: who.client().id.clone(),
                    audience: audience.clone(),
                    id: id.clone(),
                    grant: grant.map(|grant| grant.id),
                    ccs: ccs.clone(),
                    expires,
                };
                changes.extend(form.series.as_ref().map(|place| match place {
                    InSeries::First(id) => Change::create(series(id)),
                    InSeries::Later(id) => Change::put(series(id)),
                }));
            }
            Key::Public(_) => {}
        }
    }

    pub(super) fn wear(
        &self,
        lock: &Lock,
        entropy: &mut dyn Entropy,
        changes: &mut Vec<Change>,
    ) -> Result<(), Refusal> {
        if mint::wears(entropy)?
            && let Some(target) = self.facts.targets.first()
        {
            let worn = Lock { token_key_wear: lock.token_key_wear.saturating_add(1), ..lock.clone() };
            changes.push(Change::replace(worn, target.rev));
        }
        Ok(())
    }
}

/// A secret of the kind that the profile uses.
fn fresh(choice: Choice, entropy: &mut dyn Entropy) -> Result<(Choice, Key, Option<RsCnf>), Refusal> {
    let cnf = match choice.profile {
        AceProfile::CoapDtls => SharedCnf::Key(SharedKey::fresh(entropy)?),
        AceProfile::CoapOscore | AceProfile::CoapEdhocOscore => SharedCnf::Osc(Osc::fresh(entropy)?),
    };
    Ok((choice, Key::Shared(cnf), None))
}

/// The COSE_Key in a CCS.
fn credential_key(ccs: &Blob) -> Result<PublicKey, Refusal> {
    let claims = latchwork_ace::Claims::decode(&ccs.0).map_err(|_| ServerFault::Records)?;
    let Some(latchwork_ace::Cnf::CoseKey(key)) = claims.cnf else { return Err(ServerFault::Records.into()) };
    cnf::public_key(&key).ok_or_else(|| KeyFault::NoLockCredential.into())
}
