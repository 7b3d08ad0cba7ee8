//! Who may revoke what, and what that writes.

use super::*;
use crate::core::bytes::{Hidden, base64url};
use crate::core::change::{Record, Write};
use crate::core::records::{Client, ClientAuth, Refresh};
use crate::core::refusal::ProofFault;
use crate::core::request::{Credential, Proof};
use crate::core::testing::{House, ISSUER, NOW, Pair, SECRET, app, machine, native, person, robot};

const CURRENT: [u8; 32] = [7; 32];
const PREVIOUS: [u8; 32] = [6; 32];

fn grant(jkt: Option<Jkt>) -> Grant {
    let hash = |secret: &[u8]| Hash32::of(&[&[9; 16], secret]);
    Grant {
        id: GrantId([9; 16]),
        client: "app".parse().unwrap(),
        person: person("erik", &[]),
        jkt,
        consented: Vec::new(),
        created: NOW,
        ends: NOW.plus(1000),
        idle_ends: NOW.plus(100),
        refresh: Some(Refresh { current: hash(&CURRENT), previous: Some((hash(&PREVIOUS), NOW)) }),
        revoked: None,
    }
}

fn text(secret: &[u8]) -> String {
    base64url(&[&[9; 16], secret].concat())
}

fn token(text: &str, client: &str, grant: Option<GrantId>) -> TokenRecord {
    TokenRecord {
        hash: Hash32::of(&[text.as_bytes()]),
        expires: NOW.plus(60),
        client: client.parse().unwrap(),
        audience: "urn:latchwork:lock:front".parse().unwrap(),
        grant,
        subject: None,
        revoked: None,
        profile: None,
        claims: None,
    }
}

struct Case {
    house: House,
    client: Client,
    token: Option<TokenRecord>,
    grant: Option<Grant>,
}

impl Case {
    fn ask(&self, presented: &Presented, named: &str) -> Result<Option<Target>, Refusal> {
        let named = Named::new(named);
        let token = self.token.clone().filter(|token| token.hash == named.token());
        let of_token = token.as_ref().and_then(|token| token.grant);
        let wanted = |grant: &Grant| Some(grant.id) == named.grant() || Some(grant.id) == of_token;
        let facts =
            Facts { client: Some(self.client.clone()), token, grant: self.grant.clone().filter(|grant| wanted(grant)) };
        let decided = decide(presented, &named, &facts, &self.house.keys.secrets, ISSUER, NOW)?;
        assert_eq!(decided.changes.is_empty(), presented.proof.is_none(), "proofs are spent");
        Ok(decided.target)
    }
}

fn proof(pair: &Pair) -> Presented {
    let made = pair.proof_with("one", |_, claims| claims["htu"] = format!("{ISSUER}/revoke").into());
    app(Proof { url: format!("{ISSUER}/revoke"), ..made })
}

/// An app on a person's phone.
///
/// R7009-2-01, R7009-2.1-01, R7009-2.1-02, R7009-2.1-03, R7009-2.2-01, R7009-2.2.1-01
#[test]
fn what_an_app_can_revoke() {
    let (phone, other) = (Pair::new(1), Pair::new(2));
    let grant = grant(Some(phone.public().thumbprint()));
    let case = |change: fn(&mut Grant, &mut TokenRecord)| {
        let (mut grant, mut token) = (grant.clone(), token("a token", "app", Some(grant.id)));
        change(&mut grant, &mut token);
        Case { house: House::new(), client: native("app", &[]), token: Some(token), grant: Some(grant) }
    };
    let family = Ok(Some(Target::Grant(grant.id)));
    let one = Ok(Some(Target::Token(Hash32::of(&[b"a token"]))));
    let as_is = case(|_, _| {});
    for (what, case, pair, named, expected) in [
        ("refresh token", &as_is, &phone, text(&CURRENT), family.clone()),
        ("the one whose answer was lost", &as_is, &phone, text(&PREVIOUS), family.clone()),
        ("access token", &as_is, &phone, "a token".into(), one.clone()),
        ("a spent one", &as_is, &phone, text(&[5; 32]), Ok(None)),
        ("none of ours", &as_is, &phone, "what?".into(), Ok(None)),
        ("half a refresh token", &as_is, &phone, base64url(&[9; 20]), Ok(None)),
        ("refresh token, another installation", &as_is, &other, text(&CURRENT), Err(GrantFault::Key.into())),
        ("access token, another installation", &as_is, &other, "a token".into(), Err(GrantFault::Key.into())),
        ("ended", &case(|g, _| g.ends = NOW), &phone, text(&CURRENT), Ok(None)),
        (
            "revoked before",
            &case(|g, _| g.revoked = Some(Revoked { at: NOW, why: RevokedWhy::Asked })),
            &phone,
            text(&CURRENT),
            Ok(None),
        ),
        ("token revoked before", &case(|_, t| t.revoked = Some(NOW)), &phone, "a token".into(), Ok(None)),
        ("token expired", &case(|_, t| t.expires = NOW), &phone, "a token".into(), Ok(None)),
        (
            "another app's refresh token",
            &case(|g, _| g.client = "other".parse().unwrap()),
            &phone,
            text(&CURRENT),
            Err(GrantFault::OtherClient.into()),
        ),
        (
            "another app's token",
            &case(|_, t| t.client = "other".parse().unwrap()),
            &phone,
            "a token".into(),
            Err(GrantFault::OtherClient.into()),
        ),
        (
            "a token whose grant is forgotten",
            &Case { grant: None, ..case(|_, _| {}) },
            &phone,
            "a token".into(),
            Err(GrantFault::Key.into()),
        ),
    ] {
        assert_eq!(case.ask(&proof(pair), &named), expected, "{what}");
    }
    let without = Presented { proof: None, ..proof(&phone) };
    assert_eq!(as_is.ask(&without, &text(&CURRENT)), Err(ProofFault::Missing.into()));
    let elsewhere = Presented { proof: Some(phone.proof("one")), ..proof(&phone) };
    let at_token =
        Presented { proof: elsewhere.proof.map(|p| Proof { url: format!("{ISSUER}/revoke"), ..p }), ..elsewhere };
    assert_eq!(as_is.ask(&at_token, &text(&CURRENT)), Err(ProofFault::Target.into()));
}

/// R7009-2.1-02
#[test]
fn a_machine_revokes_its_own() {
    let house = House::new();
    let hash = crate::core::secret::keyed_hash(&house.keys.secrets, &"robot".parse().unwrap(), SECRET);
    let client = machine("robot", ClientAuth::SecretHash(hash));
    let mut case = Case { house, client, token: Some(token("t", "robot", None)), grant: None };
    assert_eq!(case.ask(&robot(), "t"), Ok(Some(Target::Token(Hash32::of(&[b"t"])))));
    assert_eq!(case.ask(&robot(), "u"), Ok(None));
    let id = || "robot".parse().unwrap();
    let wrong =
        Presented { credential: Credential::Secret { id: id(), secret: Hidden::new(b"x".to_vec()) }, proof: None };
    assert_eq!(case.ask(&wrong, "t"), Err(Refusal::WrongSecret(id())));
    let nobody = Presented { credential: Credential::Nothing, proof: None };
    assert_eq!(case.ask(&nobody, "t"), Err(Refusal::NotPresented));
    case.token = Some(token("t", "signer", None));
    assert_eq!(case.ask(&robot(), "t"), Err(GrantFault::OtherClient.into()));
}

/// One update of the list and the one that takes it back, for everybody whom they concern and nobody else.
///
/// R9770-5.1-01, R9770-6.2-01
#[test]
fn an_update_reaches_whom_it_pertains_to() {
    let name = |text: &str| text.parse::<ClientId>().unwrap();
    let lock: LockName = "front".parse().unwrap();
    let around = Around {
        members: BTreeMap::new(),
        speakers: BTreeMap::from([(lock, vec![name("rs")]), ("back".parse().unwrap(), vec![name("other")])]),
    };
    let (live, mut revoked, mut expired) =
        (token("a", "robot", None), token("b", "robot", None), token("c", "app", None));
    revoked.revoked = Some(NOW);
    expired.expires = NOW;
    let (hash, expires) = (live.hash, live.expires);
    let listing = Listing::new([live, revoked, expired].map(|token| (token, Rev(3))).into(), &around, NOW);
    let whom = [Requester::Administrator, Requester::Client(name("robot")), Requester::Client(name("rs"))];
    assert_eq!(listing.len(), 1);
    assert_eq!(listing.requesters().cloned().collect::<Vec<_>>(), whom);

    let mut house = House::new();
    house.put(token("a", "robot", None));
    let Some((Record::Token(found), rev)) = house.find(&Key::Token(hash)) else { panic!() };
    let listing = Listing::new(vec![(found, rev)], &around, NOW);
    house.commit(&listing.changes(&Collections::new(), Limits::default(), NOW)).unwrap();
    assert!(house.commit(&listing.changes(&Collections::new(), Limits::default(), NOW)).is_err(), "not twice");
    let entries = |house: &House| house.records.keys().filter(|key| matches!(key, Key::ListEntry(_))).count();
    assert_eq!(entries(&house), 3);

    let Some((Record::Listed(listed), rev)) = house.find(&Key::Listed((expires, hash))) else { panic!() };
    assert!(Expiry::new(vec![(listed.clone(), rev)], &around, expires.plus(-1)).is_empty());
    let expiry = Expiry::new(vec![(listed, rev)], &around, expires);
    assert_eq!(expiry.requesters().cloned().collect::<Vec<_>>(), whom);
    let collections = whom
        .iter()
        .map(|who| match house.find(&Key::Collection(who.clone())) {
            Some((Record::Collection(known), rev)) => (who.clone(), (known, rev)),
            other => panic!("{other:?}"),
        })
        .collect();
    let changes = expiry.changes(&collections, Limits::default(), expires);
    house.commit(&changes).unwrap();
    assert!(house.commit(&changes).is_err(), "not twice");
    assert_eq!(entries(&house), 0);
    for who in whom {
        let patch = |number| match house.find(&Key::SeriesItem((who.clone(), number))) {
            Some((Record::SeriesItem(item), _)) => item.patch,
            other => panic!("{other:?}"),
        };
        assert_eq!(patch(0), Patch { removed: vec![], added: vec![hash] });
        assert_eq!(patch(1), Patch { removed: vec![hash], added: vec![] });
    }
}

/// A promise made twice is one; two promises are two.
#[test]
fn promises_have_names() {
    let at = |target| Revocation { target, at: NOW, why: RevokedWhy::Asked }.id();
    let targets = [
        Target::Token(Hash32([1; 32])),
        Target::Device(Jkt(Hash32([1; 32]))),
        Target::Grant(GrantId([1; 16])),
        Target::Client("front".parse().unwrap()),
        Target::Lock("front".parse().unwrap()),
        Target::Person(person("front", &[]).id),
    ];
    let names: BTreeSet<_> = targets.iter().cloned().map(at).collect();
    assert_eq!(names.len(), targets.len());
    assert_eq!(at(targets[0].clone()), at(targets[0].clone()));
    let later = Revocation { target: targets[0].clone(), at: NOW.plus(9), why: RevokedWhy::RefreshReused };
    assert_eq!(later.id(), at(targets[0].clone()));
}

#[test]
fn an_ended_grant_does_not_end_again() {
    for (change, ends) in [
        ((|_| {}) as fn(&mut Grant), true),
        (|g| g.ends = NOW, false),
        (|g| g.revoked = Some(Revoked { at: NOW, why: RevokedWhy::CodeReused }), false),
    ] {
        let mut grant = grant(None);
        change(&mut grant);
        let change = end(&grant, Rev(1), RevokedWhy::Asked, NOW);
        assert_eq!(change.is_some(), ends);
        if let Some(Change { write: Write::Put(Record::Grant(grant)), .. }) = change {
            assert_eq!(grant.revoked, Some(Revoked { at: NOW, why: RevokedWhy::Asked }));
        }
    }
}

/// What a service exchanged is its own, whatever installation the grant is bound to; the app behind the grant cannot end it by itself.
/// R7009-2.1-02
#[test]
fn what_a_service_exchanged_is_the_services() {
    let phone = Pair::new(1);
    let grant = grant(Some(phone.public().thumbprint()));
    let exchanged = |client| TokenRecord { subject: Some(Hash32([3; 32])), ..token("a token", client, Some(grant.id)) };
    let case = |client: Client, token: TokenRecord| Case {
        client,
        token: Some(token),
        grant: Some(grant.clone()),
        house: House::new(),
    };
    let house = House::new();
    let hash = crate::core::secret::keyed_hash(&house.keys.secrets, &"robot".parse().unwrap(), SECRET);
    let robots = Case { house, ..case(machine("robot", ClientAuth::SecretHash(hash)), exchanged("robot")) };
    assert_eq!(robots.ask(&robot(), "a token"), Ok(Some(Target::Token(Hash32::of(&[b"a token"])))));
    let apps = case(native("app", &[]), exchanged("robot"));
    assert_eq!(apps.ask(&proof(&phone), "a token"), Err(GrantFault::OtherClient.into()));
    // Under the same grant and not exchanged, it takes the installation's key.
    let own = Case { token: Some(TokenRecord { subject: None, ..exchanged("robot") }), ..robots };
    assert_eq!(own.ask(&robot(), "a token"), Err(GrantFault::Key.into()));
    let of = |token: &TokenRecord| (token.is_exchanged(), token.holders());
    let (by_grant, by_client) = (Holder::Grant(grant.id), Holder::Client("robot".parse().unwrap()));
    assert_eq!(of(&exchanged("robot")), (true, vec![by_grant.clone(), by_client]));
    assert_eq!(of(&token("a token", "app", Some(grant.id))), (false, vec![by_grant]));
}

/// Codes that wait end with whom they are of; one that became a grant stays, so that its reuse is known for what it is.
#[test]
fn which_codes_end() {
    use crate::core::records::Code;
    let (phone, other) = (Pair::new(1).public().thumbprint(), Pair::new(2).public().thumbprint());
    let code = Code {
        hash: Hash32([1; 32]),
        client: "app".parse().unwrap(),
        by_device: false,
        redirect_uri: String::new(),
        challenge: Hash32([2; 32]),
        jkt: Some(phone),
        person: person("erik", &[]),
        consented: Vec::new(),
        expires: NOW,
        redeemed: None,
    };
    let id = |name: &str| name.parse().unwrap();
    for (target, ends) in [
        (Target::Client(id("app")), true),
        (Target::Client(id("apps")), false),
        (Target::Person(person("erik", &[]).id), true),
        (Target::Person(person("olga", &[]).id), false),
        (Target::Device(phone), true),
        (Target::Device(other), false),
        (Target::Grant(GrantId([9; 16])), false),
        (Target::Token(code.hash), false),
        (Target::Lock("front".parse().unwrap()), false),
    ] {
        assert_eq!(target.ends(&code), ends, "{target:?}");
        assert!(!target.ends(&Code { redeemed: Some(GrantId([9; 16])), ..code.clone() }), "{target:?}");
    }
    let unbound = Code { jkt: None, ..code };
    assert!(!Target::Device(phone).ends(&unbound));
}
