//! What is chosen, row by row.

use super::*;
use crate::core::testing::{House, LOCK_KEY};
use AceProfile::{CoapDtls, CoapEdhocOscore, CoapOscore};

type Change = fn(&mut Lock);

fn locks(changes: &[Change]) -> Vec<Lock> {
    let house = House::new();
    assert_eq!(LOCK_KEY.len(), 16);
    let made = changes.iter().zip(["front", "vault"]).map(|(change, name)| {
        let mut lock = house.target(name, None).unwrap().lock;
        change(&mut lock);
        lock
    });
    made.collect()
}

const PLAIN: Change = |_| {};
const DTLS_ONLY: Change = |lock| lock.abilities.profiles = [CoapDtls].into();
const OSCORE_ONLY: Change = |lock| lock.abilities.profiles = [CoapOscore].into();
const P256_ONLY: Change = |lock| lock.abilities.pop_keys = [KeyKind::P256].into();
const EDDSA_ONLY: Change = |lock| lock.abilities.algs = [Alg::EdDsa].into();
const ES256_ONLY: Change = |lock| lock.abilities.algs = [Alg::Es256].into();
const MACED: Change = |lock| lock.abilities.protection = Protection::Maced;
const REFERENCE: Change = |lock| lock.abilities.form = TokenForm::Reference;
const NAMELESS: Change = |lock| lock.credential = None;
const SIGNED: Change = |lock| lock.signed = true;
const WRAPPED: Change = |lock| (lock.abilities.wrapped, lock.abilities.profiles) = (true, [CoapDtls].into());
const SIGNED_EDDSA: Change = |lock| (lock.signed, lock.abilities.algs) = (true, [Alg::EdDsa].into());

fn chosen(
    bound: Bound,
    asked: Option<ProfileAsked>,
    client: &[AceProfile],
    group: bool,
    made: &[Change],
) -> Result<Choice, Refusal> {
    let locks = locks(made);
    let locks: Vec<&Lock> = locks.iter().collect();
    let audience = if group { "urn:latchwork:group:g" } else { "urn:latchwork:lock:front" }.parse().unwrap();
    let client = client.iter().copied().collect();
    choose(&Wish { bound, profile: asked, client: &client, alg: Alg::Es256 }, &audience, &locks)
}

/// One lock. R9200-5.8.3-04, R9200-5.8.3-05, R9202-3.3.1-03
#[test]
fn one_lock() {
    use Bound::{Credential, Fresh, Key, Living};
    use Shape::{Encrypted, Maced, Reference, Signed};
    let p256 = Key(KeyKind::P256);
    let only = |profile: AceProfile| Some(ProfileAsked::only(profile.number()));
    let unsupported = || Err(KeyFault::NotAtThisLock.into());
    let incompatible = || Err(KeyFault::NoCommonProfile.into());
    let all: &[AceProfile] = &[];
    let ok = |profile, shape| Ok(Choice { profile, shape });
    for (row, (bound, asked, client, lock, expected)) in [
        (Fresh, None, all, PLAIN, ok(CoapOscore, Encrypted(None))),
        (Fresh, Some(ProfileAsked::Tell), all, PLAIN, ok(CoapOscore, Encrypted(None))),
        (Fresh, only(CoapDtls), all, PLAIN, ok(CoapDtls, Encrypted(None))),
        (Fresh, only(CoapEdhocOscore), all, PLAIN, incompatible()),
        (Fresh, Some(ProfileAsked::Only(None)), all, PLAIN, incompatible()),
        (Fresh, None, &[CoapDtls], PLAIN, ok(CoapDtls, Encrypted(None))),
        (Fresh, None, &[CoapDtls], OSCORE_ONLY, incompatible()),
        (Fresh, only(CoapOscore), all, DTLS_ONLY, incompatible()),
        (Fresh, None, all, DTLS_ONLY, ok(CoapDtls, Encrypted(None))),
        (Fresh, None, all, SIGNED, ok(CoapOscore, Encrypted(Some(Alg::Es256)))),
        (Fresh, None, all, SIGNED_EDDSA, ok(CoapOscore, Encrypted(Some(Alg::EdDsa)))),
        // Neither a signature nor a MAC makes a secret of what it protects.
        (Fresh, None, all, MACED, ok(CoapOscore, Encrypted(None))),
        (Fresh, None, all, WRAPPED, ok(CoapDtls, Signed(Alg::Es256))),
        (Fresh, None, all, REFERENCE, ok(CoapOscore, Reference)),
        (Living(CoapOscore), None, all, PLAIN, ok(CoapOscore, Encrypted(None))),
        (Living(CoapDtls), None, all, PLAIN, ok(CoapDtls, Encrypted(None))),
        (Living(CoapDtls), None, all, WRAPPED, ok(CoapDtls, Encrypted(None))),
        (Living(CoapOscore), None, all, DTLS_ONLY, incompatible()),
        (p256, None, all, PLAIN, ok(CoapDtls, Signed(Alg::Es256))),
        (p256, None, all, EDDSA_ONLY, ok(CoapDtls, Signed(Alg::EdDsa))),
        (p256, None, all, MACED, ok(CoapDtls, Maced)),
        (p256, None, all, REFERENCE, ok(CoapDtls, Reference)),
        (p256, None, all, OSCORE_ONLY, incompatible()),
        (p256, only(CoapOscore), all, PLAIN, incompatible()),
        (Key(KeyKind::Ed25519), None, all, P256_ONLY, unsupported()),
        (Key(KeyKind::Ed25519), None, all, PLAIN, ok(CoapDtls, Signed(Alg::Es256))),
        (Credential(KeyKind::P256), None, all, PLAIN, ok(CoapEdhocOscore, Signed(Alg::Es256))),
        (Credential(KeyKind::P256), None, all, OSCORE_ONLY, incompatible()),
        (Credential(KeyKind::Ed25519), None, all, P256_ONLY, unsupported()),
        // No lock asks about what comes in EAD_3.
        (Credential(KeyKind::P256), None, all, REFERENCE, incompatible()),
        (Credential(KeyKind::P256), only(CoapEdhocOscore), all, REFERENCE, incompatible()),
        (Credential(KeyKind::Ed25519), None, all, REFERENCE, incompatible()),
        (Credential(KeyKind::P256), None, all, NAMELESS, Err(KeyFault::NoLockCredential.into())),
        (p256, None, all, NAMELESS, Err(KeyFault::NoLockCredential.into())),
        (Fresh, None, all, NAMELESS, ok(CoapOscore, Encrypted(None))),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(chosen(bound, asked, client, false, &[lock]), expected, "row {row}: {bound:?} {asked:?}");
    }
}

/// Groups: whatever all of them can do, always signed, never a shared secret.
/// R9200-5.8.3-04, R9200-5.8.3-05, R9200-6.1-02, R9200-6.9-01
#[test]
fn a_group_by_intersection() {
    let group = || "urn:latchwork:group:g".parse().unwrap();
    let nothing = || Err(AudienceFault::NothingInCommon(group()).into());
    let signed = |alg| Ok(Choice { profile: CoapDtls, shape: Shape::Signed(alg) });
    for (row, (bound, locks, expected)) in [
        (Bound::Fresh, [PLAIN, PLAIN], Err(KeyFault::GroupNeedsPublicKey.into())),
        (Bound::Living(CoapOscore), [PLAIN, PLAIN], Err(KeyFault::GroupNeedsPublicKey.into())),
        (Bound::Key(KeyKind::P256), [PLAIN, PLAIN], signed(Alg::Es256)),
        (Bound::Key(KeyKind::P256), [PLAIN, EDDSA_ONLY], signed(Alg::EdDsa)),
        (Bound::Key(KeyKind::P256), [ES256_ONLY, EDDSA_ONLY], nothing()),
        (Bound::Key(KeyKind::P256), [MACED, MACED], signed(Alg::Es256)),
        (Bound::Key(KeyKind::P256), [DTLS_ONLY, OSCORE_ONLY], Err(KeyFault::NoCommonProfile.into())),
        (Bound::Key(KeyKind::Ed25519), [PLAIN, P256_ONLY], Err(KeyFault::NotAtThisLock.into())),
        (Bound::Key(KeyKind::P256), [PLAIN, REFERENCE], nothing()),
        (Bound::Credential(KeyKind::P256), [PLAIN, REFERENCE], Err(KeyFault::NoCommonProfile.into())),
        (Bound::Credential(KeyKind::P256), [REFERENCE, REFERENCE], Err(KeyFault::NoCommonProfile.into())),
        (Bound::Key(KeyKind::P256), [PLAIN, NAMELESS], signed(Alg::Es256)),
        (Bound::Key(KeyKind::P256), [REFERENCE, REFERENCE], Ok(Choice { profile: CoapDtls, shape: Shape::Reference })),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(chosen(bound, None, &[], true, &locks), expected, "row {row}: {bound:?}");
    }
}

/// What an app is told to use for a lock is what it then gets there.
#[test]
fn what_an_app_is_offered() {
    const EDHOC_ONLY: Change = |lock| lock.abilities.profiles = [CoapEdhocOscore].into();
    const NAMELESS_EDHOC: Change = |lock| (EDHOC_ONLY(lock), NAMELESS(lock)).1;
    const REFERENCE_EDHOC: Change = |lock| (EDHOC_ONLY(lock), REFERENCE(lock)).1;
    const ED25519_ONLY: Change = |lock| lock.abilities.pop_keys = [KeyKind::Ed25519].into();
    for (row, (lock, client, expected)) in [
        (PLAIN, &[][..], Some(CoapEdhocOscore)),
        (PLAIN, &[CoapOscore], Some(CoapOscore)),
        (PLAIN, &[CoapDtls], Some(CoapDtls)),
        (NAMELESS, &[], Some(CoapOscore)),
        (NAMELESS, &[CoapEdhocOscore], None),
        (REFERENCE, &[], Some(CoapOscore)),
        (REFERENCE, &[CoapEdhocOscore], None),
        (OSCORE_ONLY, &[], Some(CoapOscore)),
        (OSCORE_ONLY, &[CoapEdhocOscore, CoapDtls], None),
        (DTLS_ONLY, &[], Some(CoapDtls)),
        (EDHOC_ONLY, &[], Some(CoapEdhocOscore)),
        (NAMELESS_EDHOC, &[], None),
        (REFERENCE_EDHOC, &[], None),
        (ED25519_ONLY, &[], Some(CoapOscore)),
    ]
    .into_iter()
    .enumerate()
    {
        let lock = locks(&[lock]).remove(0);
        let client = client.iter().copied().collect();
        assert_eq!(offered(&lock, &client), expected, "row {row}: {client:?}");
    }
}
