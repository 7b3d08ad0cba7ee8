//! What a token costs: minting alone, policy alone, and the whole decision without store and wire.
#![allow(missing_docs, clippy::unwrap_used)]

use criterion::{Criterion, criterion_group, criterion_main};
use latchwork_authz_server::core::bytes::{Blob, Hidden, Sealed, base64url};
use latchwork_authz_server::core::cedar::Cedar;
use latchwork_authz_server::core::change::Rev;
use latchwork_authz_server::core::entropy::Os;
use latchwork_authz_server::core::facts::{Facts, Target};
use latchwork_authz_server::core::grant::Lifetimes;
use latchwork_authz_server::core::issue::{Minting, issue};
use latchwork_authz_server::core::jwk::PublicKey;
use latchwork_authz_server::core::mint::{self, Claims, Life, Osc, PublicCnf, SharedCnf};
use latchwork_authz_server::core::policy::{Asked, Policy, Who};
use latchwork_authz_server::core::records::{Client, ClientAuth, ClientKind, ClockMode, Door, GrantKind, Lock};
use latchwork_authz_server::core::request::{Credential, Face, GrantAsked, Presented, Proof, ReqCnf, TokenRequest};
use latchwork_authz_server::core::scope::{AifEntry, Scope, ScopeAsked, ScopeMap};
use latchwork_authz_server::core::secret;
use latchwork_authz_server::core::time::{Seconds, Timestamp};
use latchwork_authz_server::keys::{Alg, Keys, Public, Signer};
use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;

const ISSUER: &str = "https://as.example";
const NOW: Timestamp = Timestamp(1_790_000_000);
const SECRET: &[u8] = b"a secret drawn at random";

fn client(keys: &Keys) -> Client {
    let id = "robot".parse().unwrap();
    Client {
        auth: ClientAuth::SecretHash(secret::keyed_hash(&keys.secrets, &id, SECRET)),
        id,
        title: "Robot".into(),
        kind: ClientKind::Confidential { redirect_uris: Vec::new() },
        grants: BTreeSet::from([GrantKind::ClientCredentials]),
        pushed_only: false,
        origins: Default::default(),
        registered: None,
        ceiling: Scope::default(),
        profiles: BTreeSet::new(),
        attributes: BTreeMap::from([("role".into(), "cleaning".into())]),
    }
}

fn target(keys: &Keys, key: &PublicKey) -> Target {
    let PublicKey::P256 { x, y } = key else { unreachable!() };
    let ccs = [&[0xa1, 8, 0xa1, 1, 0xa4, 1, 2, 0x20, 1, 0x21, 0x58, 0x20][..], x, &[0x22, 0x58, 0x20], y].concat();
    let mut lock = Lock {
        name: "front".parse().unwrap(),
        door: "front".parse().unwrap(),
        groups: BTreeSet::new(),
        clock: ClockMode::Clock,
        token_kid: Blob(vec![1, 2, 3, 4]),
        token_key: Sealed(Blob(Vec::new())),
        token_key_wear: 0,
        mac: None,
        signed: false,
        credential: Some(Blob(ccs)),
        address: "127.0.0.1:5683".into(),
        scopes: ScopeMap::from([("door:open".parse().unwrap(), vec![AifEntry("/door".into(), 2)])]),
        default_scope: Scope::default(),
        abilities: Default::default(),
        lifetime: Seconds(3600),
    };
    lock.token_key = Sealed(Blob(keys.storage.seal(&lock.key_label(), &[7; 16]).unwrap()));
    let door = Door {
        name: "front".parse().unwrap(),
        title: "Front door".into(),
        lock: lock.name.clone(),
        owners: Vec::new(),
        zone: Some("office".into()),
        attributes: BTreeMap::new(),
    };
    Target { lock, rev: Rev(1), door, consent: None }
}

/// A DPoP proof by a key of ours, since that is what can sign here.
fn proof(signer: &dyn Signer, key: &PublicKey) -> Proof {
    let header = serde_json::json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": key });
    let claims = serde_json::json!({ "jti": "1", "htm": "POST", "htu": "https://as.example/token", "iat": NOW.0 });
    let signed = format!("{}.{}", base64url(header.to_string().as_bytes()), base64url(claims.to_string().as_bytes()));
    let signature = base64url(&signer.sign(signed.as_bytes()).unwrap());
    Proof {
        jwt: format!("{signed}.{signature}"),
        method: "POST".into(),
        url: "https://as.example/token".into(),
        nonces: None,
    }
}

fn mint(c: &mut Criterion) {
    let keys = Keys::random().unwrap();
    let api = keys.api_signer(NOW).unwrap();
    let Public::P256 { x, y } = api.public() else { unreachable!() };
    let key = PublicKey::P256 { x, y };
    let target = target(&keys, &key);
    let (audience, scope) = (target.lock.audience(), Blob(b"\x81\x82\x65/door\x02".to_vec()));
    let life = Life::Until { iat: NOW, nbf: None, exp: NOW.plus(3600) };
    let sub = "0".repeat(43);
    let claims = Claims { iss: ISSUER, sub: &sub, aud: &audience, scope: &scope, life, cnonce: None, series: None };
    c.bench_function("mint Encrypt0 with osc", |b| {
        b.iter(|| {
            let cnf = SharedCnf::Osc(Osc::fresh(&mut Os).unwrap());
            black_box(mint::encrypted(&claims, &cnf, &target.lock, &keys.storage, None, &mut Os).unwrap())
        });
    });
    let cnf = PublicCnf::Key(key.clone());
    for (name, alg) in [("mint Sign1 ES256", Alg::Es256), ("mint Sign1 EdDSA", Alg::EdDsa)] {
        c.bench_function(name, |b| {
            b.iter(|| black_box(mint::signed(&claims, &cnf, &*keys.signer(alg, NOW).unwrap(), &mut Os).unwrap()))
        });
    }
    let policy = Cedar::embedded().unwrap();
    let client = client(&keys);
    let word = "door:open".parse().unwrap();
    let asked = Asked { who: Who::Machine(&client), door: &target.door, owner_consent: false, now: NOW };
    c.bench_function("policy", |b| b.iter(|| black_box(policy.decide(&asked, &[&word]).unwrap())));

    let minting =
        Minting { issuer: ISSUER, keys: &keys, alg: Alg::Es256, policy: &policy, lifetimes: &Lifetimes::default() };
    let facts = Facts { client: Some((client.clone(), Rev(1))), targets: vec![target.clone()], ..Facts::default() };
    let credential = Credential::Secret { id: client.id.clone(), secret: Hidden::new(SECRET.to_vec()) };
    let plain = Presented { credential, proof: None };
    let osc = TokenRequest {
        face: Face::Form,
        grant: GrantAsked::ClientCredentials,
        audience: vec![audience.to_string()],
        scope: Some(ScopeAsked::Text("door:open".parse().unwrap())),
        req_cnf: None,
        ace_profile: None,
        cnonce: None,
        series: None,
    };
    let proven = Presented { proof: Some(proof(&*api, &key)), ..plain.clone() };
    let signed = TokenRequest { req_cnf: Some(ReqCnf::Key(key)), ..osc.clone() };
    let mut nested = facts.clone();
    nested.targets.iter_mut().for_each(|target| target.lock.signed = true);
    for (name, presented, request, facts) in [
        ("issue Encrypt0, client secret", &plain, &osc, &facts),
        ("issue Sign1 ES256 in Encrypt0, client secret", &plain, &osc, &nested),
        ("issue Sign1 ES256, client secret and DPoP", &proven, &signed, &facts),
    ] {
        c.bench_function(name, |b| {
            b.iter(|| black_box(issue(presented, request, facts, &minting, NOW, &mut Os).unwrap()))
        });
    }
}

criterion_group!(benches, mint);
criterion_main!(benches);
