//! With every tag and every signature taken: what the lock accepts says to coset and ciborium what it says to the lock, and by
//! what they read it is genuine, current and for this lock.
#![no_main]

use std::sync::LazyLock;

use ciborium::Value;
use latchwork_ace::cose::Token;
use latchwork_ace::registry::Alg;
use latchwork_ace::{Claims, token_hash};
use latchwork_crypto::{P256Public, RustCrypto, Secret, Symmetric as _};
use latchwork_fuzz::TakesEveryTag;
use latchwork_fuzz::claims::{self, EXI, EXP, NBF, Theirs};
use latchwork_rs_lib::verify::Verifier;
use latchwork_rs_lib::{
    Flash, FlashFailed, Freshness, Issuer, Key, Now, Revoked, Series, Sessions, TokenKey, Trust, Uptime, Wall,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    LazyLock::force(&REACHED);
    if accepts(data) {
        let outer = Token::parse(data).expect("it was accepted");
        claims::envelope(&outer, data);
        match outer {
            Token::Encrypt0(outer) => {
                assert_eq!((outer.alg, outer.kid, outer.iv.len()), (Alg::AES_CCM_16_128_128, &b"k"[..], 13));
                let (content, _) = outer.ciphertext.split_last_chunk::<16>().expect("a tag");
                match Token::parse_nested(content).expect("it was accepted") {
                    None => current(content, true),
                    Some(inner) => {
                        claims::envelope(&inner, content);
                        let Token::Sign1(signed) = inner else { panic!("only a signature goes inside: {inner:?}") };
                        assert!(is_signer(signed.alg, signed.kid));
                        current(signed.payload, true);
                    }
                }
            }
            Token::Sign1(signed) => {
                assert!(is_signer(signed.alg, signed.kid));
                current(signed.payload, false);
            }
            Token::Mac0(_) => panic!("the lock has no such key"),
        }
    }
});

/// Seeds are accepted, so there is something to look at.
static REACHED: LazyLock<()> = LazyLock::new(|| {
    let seeds: [&[u8]; 3] = [
        include_bytes!("../seeds/verify/encrypted_whole_osc"),
        include_bytes!("../seeds/verify/nested_eddsa"),
        include_bytes!("../seeds/verify/signed_credential"),
    ];
    assert!(seeds.into_iter().all(accepts), "a seed is not accepted");
});

fn is_signer(alg: Alg, kid: &[u8]) -> bool {
    [(Alg::ES256, &b"s"[..]), (Alg::EDDSA, b"e")].contains(&(alg, kid))
}

/// What RFC 9200 §5.10.1.1 asks for, by ciborium.
fn current(content: &[u8], encrypted: bool) {
    claims::agree(&Claims::decode(content).expect("it was accepted"), content);
    let Some(theirs) = Theirs::read(content) else { return };
    assert!(theirs.text(1).is_none_or(|iss| iss == "as"), "in another's name");
    let audiences = theirs.audiences();
    assert!(audiences.contains(&"lock") || !encrypted && audiences.contains(&"all"), "{audiences:?}");
    assert!(theirs.time(EXP).is_none_or(|exp| exp > NOW.into()), "expired");
    assert!(theirs.time(NBF).is_none_or(|nbf| nbf <= NOW.into()), "not yet valid");
    assert!(theirs.find(EXP).is_some() || theirs.find(EXI).is_some(), "without an end");
    if theirs.find(EXI).is_some() {
        let number = theirs.bytes(7).and_then(|cti| cti.strip_prefix(b"lock")).expect("a number behind the audience");
        assert!(number > &OVER.to_be_bytes()[..], "over");
    }
    assert!(theirs.find(39).is_none(), "a nonce that nobody gave");
    let scope = theirs.bytes(9).expect("rights");
    let scope: Value = ciborium::from_reader(scope).expect("an AIF");
    let paths = scope.as_array().expect("a list").iter().filter_map(|entry| entry.as_array()?.first()?.as_text());
    let mut known = paths.filter(|path| path.split('?').next() == Some("/door"));
    assert!(known.next().is_some(), "about nothing here");
    let cnf = theirs.find(8).and_then(Value::as_map).expect("a key");
    let shared = [4, 3].iter().any(|shared| cnf.iter().any(|(member, _)| *member == Value::from(*shared)));
    assert_eq!(shared, encrypted, "a secret that all can read, or a public key that nobody can");
}

fn accepts(token: &[u8]) -> bool {
    let token_key = Secret::new([7; 16]);
    let point = P256Public { x: [1; 32], y: [2; 32] };
    let key = |kid, key| TokenKey { kid, key, retired: false };
    let keys = [key(b"k", Key::AesCcm(&token_key)), key(b"s", Key::Es256(point)), key(b"e", Key::EdDsa([3; 32]))];
    let issuer =
        Issuer { name: "as", token_uri: "https://as.example/token", keys: &keys, ceiling: None, audiences: None };
    let trust =
        Trust { audience: "lock", groups: &["all"], issuers: &[issuer], freshness: Freshness::Clock, scopes: &[] };
    let mut sessions = Sessions::<1, 1, 1>::new();
    sessions.remember(&trust, &mut Chip, &TakesEveryTag).expect("a chip that reads");
    let verifier = Verifier {
        trust: &trust,
        revoked: &Revoked::<[_; 1]>::new(),
        resources: &["/door"],
        records: sessions.records(),
        now: &Now { wall: Wall::exact(NOW), uptime: Uptime(1_000) },
        crypto: &TakesEveryTag,
    };
    let mut room = vec![0; 4 * token.len().div_ceil(3)];
    let Ok(bearer) = verifier.verify(token, &mut room) else { return false };
    let mut text = vec![0; token_hash::input_len(token.len())];
    let text = token_hash::input(token, &mut text).expect("room");
    assert_eq!(RustCrypto.sha256(&[text]).ok(), Some(bearer.token().0));
    true
}

/// Remembers one number.
struct Chip;

impl Flash for Chip {
    fn read(&mut self, _: Series) -> Result<Option<u64>, FlashFailed> {
        Ok(Some(OVER))
    }

    fn write(&mut self, _: Series, _: u64) -> Result<(), FlashFailed> {
        panic!("a look at a token wrote to flash")
    }
}

const NOW: i64 = 1_800_000_000;
const OVER: u64 = 4;
