//! A small building for tests: two locks, a robot, an app, an employee, a visitor, an owner, and keys that are real.

use super::bytes::{Blob, Hash32, Hidden, Sealed, base64url};
use super::cedar::Cedar;
use super::change::{Change, Guard, Key, OnConflict, Record, Rev, Write};
use super::entropy::{Entropy, NoEntropy, Os};
use super::exchange::Whose;
use super::facts::{self, Facts, Target};
use super::grant::Lifetimes;
use super::issue::{Issued, Minting, Refused, issue};
use super::jwk::PublicKey;
use super::names::{Audience, PersonId};
use super::records::*;
use super::refusal::Refusal;
use super::request::{Credential, Face, GrantAsked, Presented, Proof, ReqCnf, TokenRequest};
use super::scope::{AifEntry, Scope, ScopeAsked, ScopeMap};
use super::secret;
use super::time::{Seconds, Timestamp};
use crate::keys::{Alg, Keys};
use p256::ecdsa::signature::Signer as _;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const ISSUER: &str = "https://as.example:8443";
pub(crate) const NOW: Timestamp = Timestamp(1_790_000_000);
pub(crate) const SECRET: &[u8] = b"a secret drawn at random";
pub(crate) const REDIRECT: &str = "http://127.0.0.1:49152/cb";
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const LOCK_KEY: [u8; 16] = [0x42; 16];
pub(crate) const MAC_KEY: [u8; 32] = [0x43; 32];

/// Gives the same bytes each time: the next is one more.
pub(crate) struct Counting(pub(crate) u8);

impl Entropy for Counting {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        for byte in out {
            *byte = self.0;
            self.0 = self.0.wrapping_add(1);
        }
        Ok(())
    }
}

/// Parameters like these, but for the changes: a value replaces every one of that name, `None` removes them.
pub(crate) fn varied(good: &[(&str, &str)], change: &[(&str, Option<&str>)]) -> Vec<(String, String)> {
    let owned = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut parameters: Vec<_> = good.iter().map(|(name, value)| owned(name, value)).collect();
    for (name, value) in change {
        parameters.retain(|(other, _)| other != name);
        parameters.extend(value.map(|value| owned(name, value)));
    }
    parameters
}

pub(crate) fn native(id: &str, redirects: &[&str]) -> Client {
    Client {
        id: id.parse().unwrap(),
        title: "Doors".into(),
        kind: ClientKind::Native { redirect_uris: redirects.iter().map(|uri| (*uri).into()).collect() },
        auth: ClientAuth::None,
        grants: BTreeSet::from([GrantKind::AuthorizationCode, GrantKind::RefreshToken]),
        pushed_only: false,
        origins: Default::default(),
        registered: None,
        ceiling: Scope::default(),
        profiles: BTreeSet::new(),
        attributes: BTreeMap::new(),
    }
}

pub(crate) fn machine(id: &str, auth: ClientAuth) -> Client {
    Client {
        id: id.parse().unwrap(),
        title: "Robot".into(),
        kind: ClientKind::Confidential { redirect_uris: Vec::new() },
        auth,
        grants: BTreeSet::from([GrantKind::ClientCredentials]),
        pushed_only: false,
        origins: Default::default(),
        registered: None,
        ceiling: Scope::default(),
        profiles: BTreeSet::new(),
        attributes: BTreeMap::from([("role".into(), "cleaning".into())]),
    }
}

pub(crate) fn person(subject: &str, groups: &[&str]) -> Person {
    Person {
        id: who(subject),
        name: subject.into(),
        groups: groups.iter().map(|group| (*group).into()).collect(),
        signed_in: NOW,
    }
}

pub(crate) fn who(subject: &str) -> PersonId {
    PersonId::new("https://idp.example", subject).unwrap()
}

/// A client's key pair.
pub(crate) struct Pair(p256::ecdsa::SigningKey);

impl Pair {
    pub(crate) fn new(seed: u8) -> Self {
        Self(p256::ecdsa::SigningKey::from_slice(&[seed; 32]).unwrap())
    }

    pub(crate) fn public(&self) -> PublicKey {
        let point = self.0.verifying_key().to_sec1_point(false);
        let (x, y) = (point.x().unwrap(), point.y().unwrap());
        PublicKey::P256 { x: x.as_slice().try_into().unwrap(), y: y.as_slice().try_into().unwrap() }
    }

    pub(crate) fn jws(&self, header: serde_json::Value, claims: serde_json::Value) -> String {
        let signed =
            format!("{}.{}", base64url(header.to_string().as_bytes()), base64url(claims.to_string().as_bytes()));
        let signature: p256::ecdsa::Signature = self.0.sign(signed.as_bytes());
        format!("{signed}.{}", base64url(&signature.to_bytes()))
    }

    pub(crate) fn proof_with(
        &self,
        jti: &str,
        change: impl FnOnce(&mut serde_json::Value, &mut serde_json::Value),
    ) -> Proof {
        let mut header = serde_json::json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.public() });
        let mut claims =
            serde_json::json!({ "jti": jti, "htm": "POST", "htu": format!("{ISSUER}/token"), "iat": NOW.0 });
        change(&mut header, &mut claims);
        Proof { jwt: self.jws(header, claims), method: "POST".into(), url: format!("{ISSUER}/token"), nonces: None }
    }

    pub(crate) fn proof(&self, jti: &str) -> Proof {
        self.proof_with(jti, |_, _| {})
    }

    pub(crate) fn assertion_with(
        &self,
        client: &str,
        change: impl FnOnce(&mut serde_json::Value, &mut serde_json::Value),
    ) -> String {
        let mut header = serde_json::json!({ "alg": "ES256" });
        let mut claims = serde_json::json!({
            "iss": client, "sub": client, "aud": ISSUER, "exp": NOW.0 + 60, "jti": "one",
        });
        change(&mut header, &mut claims);
        self.jws(header, claims)
    }
}

/// The store of these tests: records by name, with revisions and guards.
pub(crate) struct House {
    pub(crate) records: BTreeMap<Key, (Record, Rev)>,
    rev: u64,
    pub(crate) keys: Keys,
    pub(crate) policy: Cedar,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) now: Timestamp,
}

impl House {
    pub(crate) fn new() -> Self {
        let keys = Keys::random().unwrap();
        let mut house = Self {
            records: BTreeMap::new(),
            rev: 0,
            policy: Cedar::embedded().unwrap(),
            lifetimes: Lifetimes::default(),
            now: NOW,
            keys,
        };
        let robot_hash = secret::keyed_hash(&house.keys.secrets, &"robot".parse().unwrap(), SECRET);
        let jwt_key = ClientKey { kid: None, key: Pair::new(9).public() };
        house.put(machine("robot", ClientAuth::SecretHash(robot_hash)));
        house.put(machine("signer", ClientAuth::PrivateKeyJwt(vec![jwt_key])));
        house.put(machine("coap", ClientAuth::Oscore));
        house.put(native("app", &[REDIRECT]));
        for (name, zone, clock) in [
            ("front", "office", ClockMode::Clock),
            ("back", "office", ClockMode::Clock),
            ("shed", "office", ClockMode::Exi),
            ("safe", "office", ClockMode::Nonce),
            ("vault", "server-room", ClockMode::Clock),
        ] {
            house.lock(name, zone, clock);
        }
        house
    }

    fn lock(&mut self, name: &str, zone: &str, clock: ClockMode) {
        let word = |text: &str| text.parse().unwrap();
        let mut lock = Lock {
            name: name.parse().unwrap(),
            door: name.parse().unwrap(),
            groups: BTreeSet::from(["building".parse().unwrap()]),
            clock,
            token_kid: Blob(vec![1, 2, 3]),
            token_key: Sealed(Blob(Vec::new())),
            token_key_wear: 0,
            mac: None,
            signed: false,
            credential: (name != "back").then(|| ccs(&Pair::new(77).public())),
            address: "127.0.0.1:5683".into(),
            scopes: ScopeMap::from([
                (word("door:open"), vec![AifEntry("/door".into(), 2)]),
                (word("door:state"), vec![AifEntry("/door".into(), 1)]),
            ]),
            default_scope: Scope::default(),
            abilities: Abilities::default(),
            lifetime: Seconds(3600),
        };
        let key = Sealed(Blob(self.keys.storage.seal(&lock.mac_label(), &MAC_KEY).unwrap()));
        lock.mac = Some(MacKey { kid: Blob(vec![4, 5, 6]), key });
        lock.token_key = Sealed(Blob(self.keys.storage.seal(&lock.key_label(), &LOCK_KEY).unwrap()));
        self.put(lock);
        self.put(Door {
            name: name.parse().unwrap(),
            title: name.into(),
            lock: name.parse().unwrap(),
            owners: vec![who("olga")],
            zone: Some(zone.into()),
            attributes: BTreeMap::new(),
        });
    }

    pub(crate) fn put(&mut self, record: impl Into<Record>) {
        self.commit(&[Change::put(record)]).unwrap();
    }

    pub(crate) fn find(&self, key: &Key) -> Option<(Record, Rev)> {
        self.records.get(key).cloned()
    }

    /// All or nothing, as the store does it.
    pub(crate) fn commit(&mut self, changes: &[Change]) -> Result<(), OnConflict> {
        for change in changes {
            let there = self.records.get(&change.key()).map(|(_, rev)| *rev);
            let holds = match change.guard {
                Guard::Any => true,
                Guard::Absent => there.is_none(),
                Guard::At(rev) => there == Some(rev),
            };
            if !holds {
                return Err(change.on_conflict.clone());
            }
        }
        self.rev += 1;
        for change in changes {
            match &change.write {
                Write::Put(record) => drop(self.records.insert(record.key(), (record.clone(), Rev(self.rev)))),
                Write::Delete(key) => drop(self.records.remove(key)),
                Write::Nothing(_) => {}
            }
        }
        Ok(())
    }

    pub(crate) fn target(&self, lock: &str, person: Option<&PersonId>) -> Option<Target> {
        let (Record::Lock(lock), rev) = self.find(&Key::Lock(lock.parse().unwrap()))? else { panic!() };
        let (Record::Door(door), _) = self.find(&Key::Door(lock.door.clone()))? else { panic!() };
        let consent = person.and_then(|person| self.find(&Key::Consent((door.name.clone(), person.clone()))));
        let consent = consent.map(|(record, _)| match record {
            Record::Consent(consent) => consent,
            other => panic!("{other:?}"),
        });
        Some(Target { lock, rev, door, consent })
    }

    pub(crate) fn facts(&self, presented: &Presented, request: &TokenRequest) -> Facts {
        let mut facts = Facts::default();
        if let Some((Record::Client(client), rev)) =
            presented.claimed_client().and_then(|id| self.find(&Key::Client(id)))
        {
            facts.client = Some((client, rev));
        }
        if let Some((Record::Code(code), rev)) = request.code_hash().and_then(|hash| self.find(&Key::Code(hash))) {
            facts.code = Some((code, rev));
        }
        if let Some((Record::Device(device), _)) = request.device().and_then(|name| self.find(&Key::Device(name))) {
            facts.device = Some(device);
        }
        if let Some((Record::Token(token), rev)) = request.subject_token().and_then(|hash| self.find(&Key::Token(hash)))
        {
            if let Some((Record::Client(app), _)) = self.find(&Key::Client(token.client.clone())) {
                facts.app = Some(app);
            }
            facts.subject = Some((token, rev));
        }
        let code = facts.code.as_ref().map(|(code, _)| code);
        let subject = facts.subject.as_ref().map(|(token, _)| token);
        if let Some((Record::Grant(grant), rev)) =
            facts::grant_id(request, code, subject).and_then(|id| self.find(&Key::Grant(id)))
        {
            facts.grant = Some((grant, rev));
        }
        let grant = facts.grant.as_ref().map(|(grant, _)| grant);
        let person = facts::person(code, grant).cloned();
        if let (Some(service), Some(whose)) = (facts::service(request, presented), facts::whose(code, grant)) {
            for whose in Whose::of(whose) {
                let row = |(record, rev): &(Record, Rev)| match record {
                    Record::Exchange(row) if row.service == service && row.whose == whose => Some((row.clone(), *rev)),
                    _ => None,
                };
                let mut rows: Vec<_> = self.records.values().filter_map(row).collect();
                rows.sort_by_key(|(row, _)| row.audience.to_string()); // as the store keeps them
                facts.rows.extend(rows);
            }
        }
        match facts::audience(request, code, grant) {
            Some(Audience::Lock(name)) => {
                facts.targets.extend(self.target(name.as_str(), person.as_ref()));
                if let Some((Record::Exi(counter), rev)) = self.find(&Key::Exi(name.clone())) {
                    facts.exi = Some((counter, rev));
                }
                if let Some(id) = facts::context_id(request)
                    && let Some((Record::Context(context), _)) = self.find(&Key::Context((name, id.clone())))
                {
                    facts.context = Some(context);
                }
            }
            Some(Audience::Group(group)) => {
                for (record, _) in self.records.values() {
                    if let Record::Lock(lock) = record
                        && lock.groups.contains(&group)
                    {
                        facts.targets.extend(self.target(lock.name.as_str(), person.as_ref()));
                    }
                }
            }
            _ => {}
        }
        let audience = facts::audience(
            request,
            facts.code.as_ref().map(|(code, _)| code),
            facts.grant.as_ref().map(|(grant, _)| grant),
        );
        if let (Some(id), Some(client), Some(audience)) = (&request.series, presented.claimed_client(), audience)
            && let Some((Record::Series(series), _)) = self.find(&Key::Series((client, audience, id.clone())))
        {
            facts.series = Some(series);
        }
        facts
    }

    pub(crate) fn minting(&self) -> Minting<'_> {
        Minting { issuer: ISSUER, keys: &self.keys, alg: Alg::Es256, policy: &self.policy, lifetimes: &self.lifetimes }
    }

    pub(crate) fn decide(&self, presented: &Presented, request: &TokenRequest) -> Result<Issued, Box<Refused>> {
        self.decide_with(presented, request, &mut Os)
    }

    pub(crate) fn decide_with(
        &self,
        presented: &Presented,
        request: &TokenRequest,
        entropy: &mut dyn Entropy,
    ) -> Result<Issued, Box<Refused>> {
        issue(presented, request, &self.facts(presented, request), &self.minting(), self.now, entropy)
    }

    /// Decides and commits, as the shell does: again after a lost race, and whatever a refusal costs.
    pub(crate) fn ask(&mut self, presented: &Presented, request: &TokenRequest) -> Result<Issued, Refusal> {
        for _ in 0..3 {
            let (changes, answer) = match self.decide(presented, request) {
                Ok(issued) => (issued.changes.clone(), Ok(issued)),
                Err(refused) => (refused.changes.clone(), Err(refused.refusal)),
            };
            match self.commit(&changes) {
                Ok(()) => return answer,
                Err(OnConflict::Refuse(refusal)) => return Err(refusal),
                Err(OnConflict::Retry) => {}
            }
        }
        Err(Refusal::Busy)
    }

    /// A code for these doors, as `/authorize` leaves it.
    pub(crate) fn code(&mut self, person: &Person, doors: &[&str], key: &Pair) -> Hidden {
        let text = Hidden::new(base64url(&Hash32::of(&[&self.rev.to_be_bytes()]).0).into_bytes());
        let member = |door: &&str| Consented {
            audience: format!("urn:latchwork:lock:{door}").parse().unwrap(),
            scope: "door:open door:state".parse().unwrap(),
        };
        self.put(Code {
            hash: Hash32::of(&[text.expose()]),
            client: "app".parse().unwrap(),
            by_device: false,
            redirect_uri: REDIRECT.into(),
            challenge: Hash32::of(&[VERIFIER.as_bytes()]),
            jkt: Some(key.public().thumbprint()),
            person: person.clone(),
            consented: doors.iter().map(member).collect(),
            expires: self.now.plus(60),
            redeemed: None,
        });
        text
    }
}

pub(crate) fn ccs(key: &PublicKey) -> Blob {
    let PublicKey::P256 { x, y } = key else { panic!() };
    let mut ccs = vec![0xa1, 0x08, 0xa1, 0x01, 0xa4, 0x01, 0x02, 0x20, 0x01, 0x21, 0x58, 0x20];
    ccs.extend(x);
    ccs.extend([0x22, 0x58, 0x20]);
    ccs.extend(y);
    Blob(ccs)
}

pub(crate) fn robot() -> Presented {
    let id = "robot".parse().unwrap();
    Presented { credential: Credential::Secret { id, secret: Hidden::new(SECRET.to_vec()) }, proof: None }
}

pub(crate) fn app(proof: Proof) -> Presented {
    Presented { credential: Credential::Public { id: "app".parse().unwrap() }, proof: Some(proof) }
}

/// The claims of a token, opened with what only the lock has.
pub(crate) fn claims_of(token: &[u8]) -> Vec<u8> {
    use latchwork_ace::cose::{Token, join};
    use latchwork_crypto::{RustCrypto, Symmetric};
    match Token::parse(token).unwrap() {
        Token::Sign1(token) => token.payload.to_vec(),
        Token::Mac0(token) => {
            let expected = RustCrypto.hmac_sha256(&MAC_KEY, &token.maced()).unwrap();
            assert_eq!((token.tag, token.alg.0, token.kid), (&expected[..], 5, &[4_u8, 5, 6][..]));
            token.payload.to_vec()
        }
        Token::Encrypt0(token) => {
            let mut aad = [0; 256];
            let aad = join(&token.aad_parts(), &mut aad).unwrap();
            let (ciphertext, tag) = token.ciphertext.split_last_chunk::<16>().unwrap();
            let mut plaintext = ciphertext.to_vec();
            RustCrypto.ccm_open(&LOCK_KEY, token.iv.try_into().unwrap(), aad, &mut plaintext, tag).unwrap();
            plaintext
        }
    }
}

/// A request for one lock, to be varied.
pub(crate) fn request(grant: GrantAsked, lock: &str) -> TokenRequest {
    TokenRequest {
        face: Face::Form,
        grant,
        audience: vec![format!("urn:latchwork:lock:{lock}")],
        scope: Some(ScopeAsked::Text("door:open".parse().unwrap())),
        req_cnf: None,
        ace_profile: None,
        cnonce: None,
        series: None,
    }
}

pub(crate) fn redeeming(code: &Hidden) -> GrantAsked {
    GrantAsked::AuthorizationCode {
        code: code.clone(),
        redirect_uri: Some(REDIRECT.into()),
        verifier: Some(Hidden::new(VERIFIER.into())),
    }
}

pub(crate) fn refreshing(token: &Hidden) -> GrantAsked {
    GrantAsked::RefreshToken { token: token.clone() }
}

pub(crate) fn kccs(pair: &Pair) -> ReqCnf {
    ReqCnf::Kccs { ccs: ccs(&pair.public()), key: pair.public() }
}
