//! What the server mints, the lock takes, and finds the granted rights in it; with one bit of it bent, it does not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use latchwork_ace::Claims;
use latchwork_ace::cose::{Token, join};
use latchwork_authz_server::core::bytes::{Blob, Sealed};
use latchwork_authz_server::core::entropy::Os;
use latchwork_authz_server::core::jwk::PublicKey;
use latchwork_authz_server::core::mint::{self, Life, Osc, PublicCnf, SharedCnf};
use latchwork_authz_server::core::names::Audience;
use latchwork_authz_server::core::records::{Abilities, ClockMode, Lock};
use latchwork_authz_server::core::scope::{self, AifEntry, Scope, ScopeMap};
use latchwork_authz_server::core::time::{Seconds, Timestamp};
use latchwork_authz_server::keys::{Ed25519Signer, Keys, P256Signer, Public, Signer};
use latchwork_crypto::{CryptoError, P256Public, Random, RustCrypto, Secret, Symmetric as _};
use latchwork_rs_lib::nonce::Nonces;
use latchwork_rs_lib::verify::Verifier;
use latchwork_rs_lib::{
    Flash, FlashFailed, Freshness, Issuer, Key, Now, Revoked, Series, Sessions, TokenKey, Trust, Uptime, Wall,
};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_the_server_mints_the_lock_takes(
        how in prop_oneof![Just(How::Encrypted), Just(How::Update), Just(How::Nested), Just(How::Key), Just(How::Credential)],
        by_ed25519 in any::<bool>(),
        for_group in any::<bool>(),
        clock in prop_oneof![Just(ClockMode::Clock), Just(ClockMode::Exi), Just(ClockMode::Nonce)],
        lasts in 1_u32..1_000_000,
        number in 1_u64..,
        rights in proptest::collection::btree_map(proptest::sample::select(&PATHS[..]), 1_u64..8, 1..=PATHS.len()),
        subject in "[a-z0-9]{1,43}",
        bent in any::<proptest::sample::Index>(),
        bit in 0_u8..8,
    ) {
        let keys = Keys::random().unwrap();
        let signer: &dyn Signer =
            if by_ed25519 { &Ed25519Signer::random().unwrap() } else { &P256Signer::random().unwrap() };
        let shared = matches!(how, How::Encrypted | How::Update | How::Nested);
        let aud: Audience = if for_group && !shared { GROUP } else { LOCK }.parse().unwrap();
        let lock = enrolled(&keys, clock);
        let nonces = Nonces::new(&mut Ones, 60, u64::from(lasts)).unwrap();
        let nonce = Blob(nonces.make(UPTIME, &RustCrypto).unwrap().to_vec());
        let entries: Vec<_> = rights.iter().map(|(path, methods)| AifEntry((*path).to_owned(), *methods)).collect();
        let granted = scope::encode(&entries).unwrap();
        let series = Blob(vec![1; 8]);
        let claims = mint::Claims {
            iss: ISSUER,
            sub: &subject,
            aud: &aud,
            scope: &granted,
            life: match clock {
                ClockMode::Clock => Life::Until { iat: NOW, nbf: None, exp: NOW.plus(lasts.into()) },
                // A group has no numbers of its own, so its tokens have dates.
                ClockMode::Exi if aud.to_string() == GROUP => Life::Until { iat: NOW, nbf: None, exp: NOW.plus(lasts.into()) },
                ClockMode::Exi => Life::FromArrival { exi: lasts, number },
                ClockMode::Nonce => Life::Nonce,
            },
            cnonce: (clock == ClockMode::Nonce).then_some(&nonce),
            series: (how == How::Credential).then_some(&series),
        };
        let fresh = || SharedCnf::Osc(Osc::fresh(&mut Os).unwrap());
        let storage = &keys.storage;
        let token = match how {
            How::Encrypted => mint::encrypted(&claims, &fresh(), &lock, storage, None, &mut Os),
            How::Update => mint::encrypted(&claims, &SharedCnf::Kid(series.clone()), &lock, storage, None, &mut Os),
            How::Nested => mint::encrypted(&claims, &fresh(), &lock, storage, Some(signer), &mut Os),
            How::Key => mint::signed(&claims, &PublicCnf::Key(PublicKey::Ed25519 { x: [3; 32] }), signer, &mut Os),
            How::Credential => mint::signed(&claims, &PublicCnf::Kccs(Blob(CCS.to_vec())), signer, &mut Os),
        }.unwrap();

        let takes = |token: &[u8], paths: &[&str]| takes(token, paths, signer, clock, &nonces);
        prop_assert!(takes(&token, &PATHS), "{:?}", how);
        for path in PATHS {
            prop_assert_eq!(takes(&token, &[path]), rights.contains_key(path), "{}", path);
        }
        prop_assert_eq!(rights_in(&token), granted.0);

        let mut other = token.clone();
        *bent.get_mut(&mut other) ^= 1 << bit;
        prop_assert!(!takes(&other, &PATHS), "bent: {:02x?} for {:02x?}", other, token);
    }
}

/// How a token is protected, and what it is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Encrypted,
    Update,
    Nested,
    Key,
    Credential,
}

/// Whether a lock with the keys that it was enrolled with takes this token.
fn takes(token: &[u8], paths: &[&str], signer: &dyn Signer, clock: ClockMode, nonces: &Nonces) -> bool {
    let (token_key, kid) = (Secret::new(LOCK_KEY), signer.kid());
    let public = match signer.public() {
        Public::P256 { x, y } => Key::Es256(P256Public { x, y }),
        Public::Ed25519 { x } => Key::EdDsa(x),
    };
    let keys = [
        TokenKey { kid: LOCK_KID, key: Key::AesCcm(&token_key), retired: false },
        TokenKey { kid: &kid, key: public, retired: false },
    ];
    let token_uri = "https://as.example/token";
    let issuers = [Issuer { name: ISSUER, token_uri, keys: &keys, ceiling: None, audiences: None }];
    let freshness = if clock == ClockMode::Nonce { Freshness::Nonce(nonces) } else { Freshness::Clock };
    let trust = Trust { audience: LOCK, groups: &[GROUP], issuers: &issuers, freshness, scopes: &[] };
    let mut sessions = Sessions::<1, 1, 1>::new();
    sessions.remember(&trust, &mut Blank, &RustCrypto).unwrap();
    let verifier = Verifier {
        trust: &trust,
        revoked: &Revoked::<[_; 1]>::new(),
        resources: paths,
        records: sessions.records(),
        now: &Now { wall: Wall::exact(NOW.0), uptime: UPTIME },
        crypto: &RustCrypto,
    };
    verifier.verify(token, &mut vec![0; 4 * token.len().div_ceil(3)]).is_ok()
}

/// The AIF in a token, opened by hand.
fn rights_in(token: &[u8]) -> Vec<u8> {
    let content = match Token::parse(token).unwrap() {
        Token::Sign1(token) => token.payload.to_vec(),
        Token::Mac0(_) => panic!("no lock here has such a key"),
        Token::Encrypt0(token) => {
            let mut aad = [0; 256];
            let aad = join(&token.aad_parts(), &mut aad).unwrap();
            let (ciphertext, tag) = token.ciphertext.split_last_chunk::<16>().unwrap();
            let mut content = ciphertext.to_vec();
            RustCrypto.ccm_open(&LOCK_KEY, token.iv.try_into().unwrap(), aad, &mut content, tag).unwrap();
            match Token::parse_nested(&content).unwrap() {
                Some(Token::Sign1(inner)) => inner.payload.to_vec(),
                _ => content,
            }
        }
    };
    match Claims::decode(&content).unwrap().scope {
        Some(latchwork_ace::Scope::Bytes(aif)) => aif.to_vec(),
        other => panic!("{other:?}"),
    }
}

/// A lock as the server's records have it.
fn enrolled(keys: &Keys, clock: ClockMode) -> Lock {
    let mut lock = Lock {
        name: "front".parse().unwrap(),
        door: "front".parse().unwrap(),
        groups: BTreeSet::from(["building".parse().unwrap()]),
        clock,
        token_kid: Blob(LOCK_KID.to_vec()),
        token_key: Sealed(Blob(Vec::new())),
        token_key_wear: 0,
        mac: None,
        signed: false,
        credential: None,
        address: "127.0.0.1:5683".into(),
        scopes: ScopeMap::new(),
        default_scope: Scope::default(),
        abilities: Abilities::default(),
        lifetime: Seconds(3600),
    };
    lock.token_key = Sealed(Blob(keys.storage.seal(&lock.key_label(), &LOCK_KEY).unwrap()));
    lock
}

/// Flash that was never written.
struct Blank;

impl Flash for Blank {
    fn read(&mut self, _: Series) -> Result<Option<u64>, FlashFailed> {
        Ok(None)
    }

    fn write(&mut self, _: Series, _: u64) -> Result<(), FlashFailed> {
        Err(FlashFailed)
    }
}

struct Ones;

impl Random for Ones {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        out.fill(1);
        Ok(())
    }
}

const ISSUER: &str = "https://as.example:8443";
const LOCK: &str = "urn:latchwork:lock:front";
const GROUP: &str = "urn:latchwork:group:building";
const PATHS: [&str; 3] = ["/door", "/door/state", "/light"];
const LOCK_KEY: [u8; 16] = [0x42; 16];
const LOCK_KID: &[u8] = b"front-1";
const NOW: Timestamp = Timestamp(1_790_000_000);
const UPTIME: Uptime = Uptime(1_000);
/// `{8: {1: {1: 2, -1: 1, -2: h'31…', -3: h'32…'}}}`
const CCS: &[u8] = b"\xa1\x08\xa1\x01\xa4\x01\x02\x20\x01\x21\x58\x2011111111111111111111111111111111\x22\x58\x2022222222222222222222222222222222";
