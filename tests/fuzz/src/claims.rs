//! Claims as coset and ciborium read them, which nobody here wrote: what we take says the same to them.

use ciborium::Value;
use coset::iana::{self, EnumI64 as _, WithPrivateRange as _};
use coset::{CborSerializable as _, CoseEncrypt0, CoseMac0, CoseSign1, Header, RegisteredLabelWithPrivate};
use latchwork_ace::cose::Token;
use latchwork_ace::cose_key::Key;
use latchwork_ace::registry::{Alg, Claim, CnfMember};
use latchwork_ace::{Aif, Audience, Claims, Cnf, CoseKey, OscMaterial, Scope};

/// A map from CBOR that we took.
pub struct Theirs(Vec<(Value, Value)>);

impl Theirs {
    /// What ciborium reads. None where there may be bignums, which are integers to it and nothing to us.
    pub fn read(cbor: &[u8]) -> Option<Self> {
        if cbor.iter().any(|byte| matches!(byte, 0xc2 | 0xc3)) {
            return None;
        }
        let value: Value = ciborium::from_reader(cbor).expect("ciborium refuses what we take");
        Some(Self(value.into_map().expect("a map, to us")))
    }

    /// The only member of this number.
    pub fn find(&self, label: i64) -> Option<&Value> {
        let mut members = self.0.iter().filter(|(key, _)| key.as_integer().map(i128::from) == Some(label.into()));
        let found = members.next();
        assert!(members.next().is_none(), "{label} comes twice");
        found.map(|(_, value)| value)
    }

    /// A text of this number.
    pub fn text(&self, label: i64) -> Option<&str> {
        self.find(label).map(|value| value.as_text().expect("a text, to us"))
    }

    /// Bytes of this number.
    pub fn bytes(&self, label: i64) -> Option<&[u8]> {
        self.find(label).map(|value| value.as_bytes().expect("bytes, to us").as_slice())
    }

    /// An integer of this number.
    pub fn int(&self, label: i64) -> Option<i128> {
        self.find(label).map(|value| value.as_integer().expect("an integer, to us").into())
    }

    /// A date of this number, in whole seconds.
    pub fn time(&self, label: i64) -> Option<i128> {
        self.find(label).map(|value| match value {
            Value::Float(seconds) => seconds.floor() as i128,
            value => value.as_integer().expect("a date, to us").into(),
        })
    }

    /// The map of this number.
    fn map(&self, label: i64) -> Option<Self> {
        self.find(label).map(|value| Self(value.as_map().expect("a map, to us").clone()))
    }

    /// The audiences.
    pub fn audiences(&self) -> Vec<&str> {
        match self.find(AUD) {
            None => Vec::new(),
            Some(Value::Text(one)) => vec![one],
            Some(several) => {
                several.as_array().expect("a list, to us").iter().map(|one| one.as_text().expect("a text")).collect()
            }
        }
    }
}

/// Holds claims that we took against ciborium's reading of the same bytes.
pub fn agree(ours: &Claims<'_>, cbor: &[u8]) {
    let Some(theirs) = Theirs::read(cbor) else { return };
    assert_eq!(ours.iss, theirs.text(ISS));
    assert_eq!(ours.sub, theirs.text(SUB));
    assert_eq!(ours.aud.iter().flat_map(Audience::iter).collect::<Vec<_>>(), theirs.audiences());
    assert_eq!(ours.exp.map(i128::from), theirs.time(EXP));
    assert_eq!(ours.nbf.map(i128::from), theirs.time(NBF));
    assert_eq!(ours.iat.map(i128::from), theirs.time(IAT));
    assert_eq!(ours.cti, theirs.bytes(CTI));
    assert_eq!(ours.ace_profile.map(|profile| profile.0.into()), theirs.int(PROFILE));
    assert_eq!(ours.cnonce, theirs.bytes(CNONCE));
    assert_eq!(ours.exi.map(i128::from), theirs.int(EXI));
    match ours.scope {
        None => assert!(theirs.find(SCOPE).is_none()),
        Some(Scope::Text(text)) => assert_eq!(Some(text), theirs.text(SCOPE)),
        Some(Scope::Bytes(bytes)) => {
            assert_eq!(Some(bytes), theirs.bytes(SCOPE));
            rights(bytes);
        }
    }
    match (ours.cnf, theirs.map(CNF)) {
        (None, None) => {}
        (Some(ours), Some(theirs)) => confirmation(&ours, &theirs),
        (ours, _) => panic!("only one of us sees a key: {ours:?}"),
    }
    let series = theirs.map(Claim::EDHOC_INFO.0);
    assert_eq!(ours.edhoc_info.is_some(), series.is_some());
    assert_eq!(ours.edhoc_info.and_then(|info| info.session_id), series.as_ref().and_then(|info| info.bytes(0)));
}

/// Whether coset knows the algorithm: it refuses headers with numbers that nobody registered, where we leave them to whoever verifies.
pub fn is_known(alg: Alg) -> bool {
    iana::Algorithm::from_i64(alg.0).is_some() || iana::Algorithm::is_private(alg.0)
}

/// Holds a token that we took, of an algorithm that [is known](is_known), against coset's reading of it.
pub fn envelope(ours: &Token<'_>, token: &[u8]) {
    // Tag 61, which may be missing inside of another token, and the tag of the COSE object (RFC 8392 §6, §7.1).
    let object = &token.strip_prefix(&[0xd8, 0x3d]).unwrap_or(token)[1..];
    let (header, content, authenticator) = match ours {
        Token::Encrypt0(_) => {
            let theirs = CoseEncrypt0::from_slice(object).expect("coset refuses what we take");
            (theirs.protected.header, theirs.ciphertext, Vec::new())
        }
        Token::Mac0(_) => {
            let theirs = CoseMac0::from_slice(object).expect("coset refuses what we take");
            (theirs.protected.header, theirs.payload, theirs.tag)
        }
        Token::Sign1(_) => {
            let theirs = CoseSign1::from_slice(object).expect("coset refuses what we take");
            (theirs.protected.header, theirs.payload, theirs.signature)
        }
    };
    let (alg, kid, iv, ours, tag): (Alg, _, &[u8], _, &[u8]) = match ours {
        Token::Encrypt0(ours) => (ours.alg, ours.kid, ours.iv, ours.ciphertext, &[]),
        Token::Mac0(ours) => (ours.alg, ours.kid, &[], ours.payload, ours.tag),
        Token::Sign1(ours) => (ours.alg, ours.kid, &[], ours.payload, ours.signature),
    };
    assert_eq!((ours, tag), (content.as_deref().unwrap_or_default(), &*authenticator));
    assert_eq!((alg.0, kid, iv), (algorithm(&header), &*header.key_id, &*header.iv));
}

fn algorithm(header: &Header) -> i64 {
    match header.alg {
        Some(RegisteredLabelWithPrivate::Assigned(alg)) => alg.to_i64(),
        Some(RegisteredLabelWithPrivate::PrivateUse(alg)) => alg,
        ref other => panic!("a number, to us: {other:?}"),
    }
}

/// Rights are pairs of a path and the bits of its methods (RFC 9237).
fn rights(bytes: &[u8]) {
    let Ok(ours) = Aif::parse(bytes) else { return };
    let theirs: Value = ciborium::from_reader(bytes).expect("ciborium refuses what we take");
    let theirs = theirs.as_array().expect("a list, to us");
    assert_eq!(ours.iter().count(), theirs.len());
    for ((path, methods), theirs) in ours.iter().zip(theirs) {
        let [their_path, their_methods] = theirs.as_array().expect("a pair").as_slice() else { panic!("a pair") };
        assert_eq!(Some(path), their_path.as_text());
        assert_eq!(Some(i128::from(methods.0)), their_methods.as_integer().map(i128::from));
    }
}

fn confirmation(ours: &Cnf<'_>, theirs: &Theirs) {
    match ours {
        Cnf::CoseKey(ours) => cose_key(ours, &theirs.map(1).expect("a key")),
        Cnf::EncryptedCoseKey(ours) => same(ours, theirs.find(2)),
        Cnf::Kid(ours) => assert_eq!(Some(*ours), theirs.bytes(3)),
        Cnf::Osc(ours) => oscore(ours, &theirs.map(4).expect("material")),
        Cnf::Ckt(ours) => assert_eq!(Some(*ours), theirs.bytes(5)),
        Cnf::Kccs(ours) => same(ours, theirs.find(CnfMember::KCCS.0)),
        Cnf::Kcwt(ours) => same(ours, theirs.find(CnfMember::KCWT.0)),
        Cnf::Certificate(member, ours) => same(ours, theirs.find(member.0)),
        Cnf::Unknown => (1..=5).for_each(|label| assert!(theirs.find(label).is_none())),
    }
}

fn oscore(ours: &OscMaterial<'_>, theirs: &Theirs) {
    assert_eq!((Some(ours.id), Some(ours.ms)), (theirs.bytes(0), theirs.bytes(2)));
    assert_eq!(i128::from(ours.version), theirs.int(1).unwrap_or(1));
    // Algorithms may be named in text.
    for (ours, label, default) in [(ours.hkdf, 3, 5), (ours.alg, 4, 10)] {
        if theirs.find(label).is_none_or(Value::is_integer) {
            assert_eq!(i128::from(ours.0), theirs.int(label).unwrap_or(default));
        }
    }
    assert_eq!((ours.salt, ours.context_id), (theirs.bytes(5), theirs.bytes(6)));
    let known = |(key, _): &(Value, Value)| key.as_integer().is_some_and(|key| (0..=6).contains(&i128::from(key)));
    assert_eq!(ours.unrecognized, !theirs.0.iter().all(known));
}

fn cose_key(ours: &CoseKey<'_>, theirs: &Theirs) {
    assert_eq!(ours.kid, theirs.bytes(2));
    let kty = theirs.find(1).and_then(Value::as_integer).map(i128::from);
    match ours.key {
        Key::Ec2 { crv, x, y } => {
            assert_eq!((Some(2), Some(crv.0.into())), (kty, theirs.int(-1)));
            assert_eq!((Some(x), Some(y)), (theirs.bytes(-2), theirs.bytes(-3)));
        }
        Key::Okp { crv, x } => {
            assert_eq!((Some(1), Some(crv.0.into()), Some(x)), (kty, theirs.int(-1), theirs.bytes(-2)));
        }
        Key::Symmetric { k } => assert_eq!((Some(4), Some(k)), (kty, theirs.bytes(-1))),
        Key::Other { kty: ours, .. } => assert_eq!(ours.map(|kty| kty.0.into()), kty),
    }
}

/// One item that we keep as it came.
fn same(ours: &[u8], theirs: Option<&Value>) {
    let ours: Result<Value, _> = ciborium::from_reader(ours);
    let theirs = theirs.expect("the member that we found");
    // Not a number is not itself.
    assert_eq!(ours.ok().map(|ours| format!("{ours:?}")), Some(format!("{theirs:?}")));
}

const ISS: i64 = 1;
const SUB: i64 = 2;
/// `aud`.
pub const AUD: i64 = 3;
/// `exp`.
pub const EXP: i64 = 4;
/// `nbf`.
pub const NBF: i64 = 5;
const IAT: i64 = 6;
const CTI: i64 = 7;
const CNF: i64 = 8;
const SCOPE: i64 = 9;
const PROFILE: i64 = 38;
const CNONCE: i64 = 39;
/// `exi`.
pub const EXI: i64 = 40;
