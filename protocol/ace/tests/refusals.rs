//! What must be refused, and what must not be: one table per trap.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{bstr, hex};
use latchwork_ace::{
    Audience, Claims, Cnf, CoseKey, Error, ErrorResponse, Hints, OscMaterial, TokenRequest, TokenResponse, authz_info,
    cose::{Envelope, Kind, Token},
    cose_key::Key,
    registry::{Alg, CnfMember, Profile},
};
use latchwork_cbor::{Error as Cbor, Kind as Item, Reader};

/// alg 30, kid "k", a 13-byte IV.
const PROTECTED: &str = "a301181e04416b054d00112233445566778899aabbcc";

fn object(tags: &str, head: &str, protected: &str, rest: &str) -> Vec<u8> {
    [hex(tags), hex(head), bstr(&hex(protected)), hex(rest)].concat()
}

fn encrypt0(protected: &str) -> Vec<u8> {
    object("d83dd0", "83", protected, "a041ff")
}

fn unexpected(kind: Item) -> Error {
    Error::Cbor(Cbor::Unexpected(kind))
}

/// Traps 21 and 23: one form only, for the bytes of a token are hashed.
/// R8392-6-01, R8392-7.2-01, R8392-7.2-02, R9770-11.1-04
#[test]
fn tags_of_a_token() {
    let ok = object("d83dd0", "83", PROTECTED, "a041ff");
    assert!(matches!(Token::parse(&ok), Ok(Token::Encrypt0(_))));
    assert!(matches!(
        Token::parse(&object("d83dd2", "84", PROTECTED, "a041ff4101")),
        Ok(Token::Sign1(token)) if token.signature == [1]
    ));
    assert!(matches!(
        Token::parse(&object("d83dd1", "84", PROTECTED, "a041ff4101")),
        Ok(Token::Mac0(token)) if token.tag == [1]
    ));
    for (tags, error, why) in [
        ("", Error::Tag, "no tag"),
        ("d0", Error::Tag, "no tag 61"),
        ("d83d", Error::Tag, "tag 61 alone"),
        ("d83dd83dd0", Error::Tag, "tag 61 twice"),
        ("d0d83d", Error::Tag, "the tags in the wrong order"),
        ("d9d9f7d83dd0", Error::Tag, "a further tag around"),
        ("d83dd0d0", Error::Cbor(Cbor::Unexpected(Item::Tag)), "the COSE tag twice"),
        ("d83dd860", Error::Tag, "a COSE_Encrypt"),
        ("d83dd861", Error::Tag, "a COSE_Mac"),
        ("d83dd862", Error::Tag, "a COSE_Sign, with several signers (trap 11)"),
        ("d83dd3", Error::Tag, "a COSE_Countersignature"),
        ("d83dd810", Error::Cbor(Cbor::NotShortest), "tag 16 in two bytes"),
        ("d9003dd0", Error::Cbor(Cbor::NotShortest), "tag 61 in three bytes"),
        ("d83dd2", Error::Cbor(Cbor::WrongLength), "the tag of a signed token, the length of an encrypted one"),
    ] {
        let token = object(tags, "83", PROTECTED, "a041ff");
        assert_eq!(Token::parse(&token).unwrap_err(), error, "{why}");
    }
    for (bytes, why) in [
        ("", "nothing"),
        ("d83d", "nothing behind 61"),
        ("d83dd0", "nothing behind 16"),
        ("d83da101616b", "61 around claims"),
        ("d83dd0a101616b", "16 around claims"),
        ("a101616b", "bare claims"),
        ("d83d43d08300", "bytes around it"),
    ] {
        assert!(Token::parse(&hex(bytes)).is_err(), "{why}");
    }
    let longer = [&ok[..], &[0]].concat();
    assert_eq!(Token::parse(&longer).unwrap_err(), Error::Cbor(Cbor::Trailing));
    for end in 0..ok.len() {
        assert!(Token::parse(&ok[..end]).is_err(), "cut to {end} bytes");
    }
}

/// Traps 12, 22 and 24: everything in the protected header, nothing in the other, no `crit`.
/// R8392-7.2-02, R9770-11.1-04
#[test]
fn headers_of_a_token() {
    let missing = Error::Missing;
    for (protected, error, why) in [
        ("a204416b054d00112233445566778899aabbcc", missing(1), "no alg"),
        ("a201181e054d00112233445566778899aabbcc", missing(4), "no kid"),
        ("a201181e04416b", missing(5), "no IV"),
        ("", missing(1), "an empty header"),
        ("a0", missing(1), "an empty map"),
        ("a401181e0281010441 6b054d00112233445566778899aabbcc", Error::Critical, "crit with a label we know"),
        ("a401181e028119 03e70441 6b054d00112233445566778899aabbcc", Error::Critical, "crit with one we do not"),
        ("a401181e04416b054d00112233445566778899aabbcc0641 01", Error::PartialIv, "IV and Partial IV"),
        ("a301181e04416b064101", Error::PartialIv, "a Partial IV instead"),
        ("a301181e01181e04416b", Error::Cbor(Cbor::DuplicateKey), "alg twice"),
        ("a301181e04416b04416b", Error::Cbor(Cbor::DuplicateKey), "kid twice"),
        ("a3016161 04416b054d00112233445566778899aabbcc", Error::UnknownAlgorithm, "alg by a name nobody knows"),
        ("a301181e04616b054d00112233445566778899aabbcc", unexpected(Item::Text), "kid as text"),
        ("a301181e0401054d00112233445566778899aabbcc", unexpected(Item::Uint), "kid as a number"),
        ("a301181e04416b054d00112233445566778899aabbcc00", Error::Cbor(Cbor::Trailing), "more in the byte string"),
        ("83011804", Error::Cbor(Cbor::Unexpected(Item::Array)), "no map"),
        ("bf01181e04416bff", Error::Cbor(Cbor::Indefinite), "a map of indefinite length"),
    ] {
        assert_eq!(Token::parse(&encrypt0(protected)).unwrap_err(), error, "{why}");
    }
    for (protected, why) in [
        ("a401181e03183d04416b054d00112233445566778899aabbcc", "content type"),
        ("a401181e04416b054d00112233445566778899aabbcc1903e701", "a label nobody knows"),
        ("a401181e04416b054d00112233445566778899aabbcc617801", "a label that is text"),
        ("a3 04416b01181e054d00112233445566778899aabbcc", "another order"),
        ("a30172 4145532d43434d2d31362d3132382d31323804416b054d00112233445566778899aabbcc", "alg by its name"),
    ] {
        let bytes = encrypt0(protected);
        let Ok(Token::Encrypt0(token)) = Token::parse(&bytes) else { panic!("{why}") };
        assert_eq!((token.alg, token.kid, token.iv.len()), (Alg::AES_CCM_16_128_128, &b"k"[..], 13), "{why}");
    }
    for (rest, error, why) in [
        ("a104416b41ff", Error::Unprotected, "kid in the unprotected header"),
        ("a1617801 41ff", Error::Unprotected, "anything in the unprotected header"),
        ("b80041ff", Error::Cbor(Cbor::NotShortest), "an empty map in two bytes"),
        ("bfff41ff", Error::Cbor(Cbor::Indefinite), "an empty map of indefinite length"),
        ("8041ff", unexpected(Item::Array), "an array for a header"),
        ("40 41ff", unexpected(Item::Bytes), "a byte string for a header"),
        ("a0f6", Error::Detached, "a ciphertext that travels elsewhere"),
        ("a0 61ff", unexpected(Item::Text), "a ciphertext that is text"),
        ("a05801ff", Error::Cbor(Cbor::NotShortest), "a length in two bytes"),
        ("a05f41ffff", Error::Cbor(Cbor::Indefinite), "a ciphertext in pieces"),
    ] {
        let token = object("d83dd0", "83", PROTECTED, rest);
        assert_eq!(Token::parse(&token).unwrap_err(), error, "{why}");
    }
    for (tag, rest, error, why) in [
        ("d2", "a0f64101", Error::Detached, "a detached payload, signed"),
        ("d1", "a0f64101", Error::Detached, "a detached payload, MACed"),
        ("d2", "a041fff6", unexpected(Item::Null), "no signature"),
        ("d2", "a104416b41ff4101", Error::Unprotected, "kid unprotected, signed"),
        ("d1", "a104416b41ff4101", Error::Unprotected, "kid unprotected, MACed"),
    ] {
        let token = object(&format!("d83d{tag}"), "84", PROTECTED, rest);
        assert_eq!(Token::parse(&token).unwrap_err(), error, "{why}");
    }
    // The protected header must be a byte string.
    let bare = [hex("d83dd083"), hex(PROTECTED), hex("a041ff")].concat();
    assert_eq!(Token::parse(&bare).unwrap_err(), unexpected(Item::Map));
}

/// RFC 8392 §7.1: what an encrypted token may hold.
/// R8392-7.2-03
#[test]
fn nested_tokens() {
    let sign1 = |tags: &str| object(tags, "84", PROTECTED, "a041ff4101");
    assert!(matches!(Token::parse_nested(&hex("a0")), Ok(None)));
    assert!(matches!(Token::parse_nested(&sign1("d2")), Ok(Some(Token::Sign1(_)))));
    assert!(matches!(Token::parse_nested(&sign1("d83dd2")), Ok(Some(Token::Sign1(_)))));
    for (plaintext, why) in [
        (sign1(""), "no tag"),
        (sign1("d83d"), "61 alone"),
        (sign1("d83dd83dd2"), "61 twice"),
        (object("d2", "84", PROTECTED, "a104416b41ff4101"), "something unprotected"),
        (vec![], "nothing"),
    ] {
        assert!(Token::parse_nested(&plaintext).is_err(), "{why}");
    }
}

/// The lenient layer is lenient about places, not about the rest.
#[test]
fn envelopes_of_others() {
    let parse = |protected: &str, unprotected: &str| {
        let bytes = object("d0", "83", protected, &format!("{unprotected}41ff"));
        Envelope::parse(&bytes).map(|envelope| (envelope.kid().map(<[u8]>::to_vec), envelope.enc_structure().concat()))
    };
    let empty = hex("8368456e637279707430 4040");
    for (protected, unprotected, expected) in [
        ("", "a0", Ok((None, empty.clone()))),
        ("a0", "a0", Ok((None, empty.clone()))),
        ("", "a104416b", Ok((Some(b"k".to_vec()), empty.clone()))),
        ("a104416b", "a104416c", Err(Error::HeaderTwice)),
        ("a1617801", "a1617802", Err(Error::HeaderTwice)),
        ("a1054101", "a1064101", Err(Error::PartialIv)),
        ("a1064101", "a1054101", Err(Error::PartialIv)),
        ("a1028101", "a0", Err(Error::Critical)),
        ("", "a1028101", Err(Error::Critical)),
        ("", "a204416b04416b", Err(Error::Cbor(Cbor::DuplicateKey))),
    ] {
        assert_eq!(parse(protected, unprotected), expected, "{protected} {unprotected}");
    }
    for (tags, error) in [("", Error::Tag), ("d860", Error::Tag), ("d862", Error::Tag), ("d83d", Error::Tag)] {
        assert_eq!(Envelope::parse(&object(tags, "83", PROTECTED, "a041ff")).unwrap_err(), error, "{tags}");
    }
    let untagged = object("", "83", PROTECTED, "a041ff");
    assert!(Envelope::parse_untagged(Kind::Encrypt0, &untagged).is_ok());
    assert!(Envelope::parse_untagged(Kind::Sign1, &untagged).is_err());
    assert_eq!(Envelope::parse(&object("d0", "83", "", "a0f6")).unwrap_err(), Error::Detached);
    assert!(Envelope::parse(&object("d0", "83", "", "a041ff00")).is_err(), "more after the end");
}

/// Trap 7: dates are integers or floats of any width, without a tag.
/// R8392-2-01, R8392-4-01
#[test]
fn dates() {
    for (date, expected) in [
        ("1a5612aeb0", Ok(1444064944)),
        ("fb41d584abac000000", Ok(1444064944)),
        ("fb41d584abac200000", Ok(1444064944)),
        ("fa4ed2f000", Ok(1769472000)),
        ("f97bff", Ok(65504)),
        ("f93e00", Ok(1)),
        ("f9be00", Ok(-2)),
        ("00", Ok(0)),
        ("20", Ok(-1)),
        ("c11a5612aeb0", Err(unexpected(Item::Tag))),
        ("c074323031332d30332d32315432303a30343a30305a", Err(unexpected(Item::Tag))),
        ("6a32303133", Err(Error::Cbor(Cbor::Truncated))),
        ("6431393730", Err(unexpected(Item::Text))),
        ("f6", Err(unexpected(Item::Null))),
        ("f97e00", Err(Error::Cbor(Cbor::OutOfRange))),
        ("f97c00", Err(Error::Cbor(Cbor::OutOfRange))),
        ("fbfff0000000000000", Err(Error::Cbor(Cbor::OutOfRange))),
        ("fb7e37e43c8800759c", Err(Error::Cbor(Cbor::OutOfRange))),
        ("1bffffffffffffffff", Err(Error::Cbor(Cbor::OutOfRange))),
    ] {
        for label in 4..=6_u8 {
            let bytes = [&[0xa1, label][..], &hex(date)].concat();
            let found = Claims::decode(&bytes).map(|claims| claims.exp.or(claims.nbf).or(claims.iat).unwrap());
            assert_eq!(found, expected, "{label}: {date}");
        }
    }
}

/// Traps 8 and 34: claims and members that we do not know are ignored, and old labels are among them.
/// R8392-3-01, R8747-3.1-01, R6749-5.1-02
#[test]
fn unknown_members_are_ignored() {
    let bytes = hex("a9 016169 19ffff83010203 0c6572656164 1819a1014101 3af1f2f3f4a0 646e616d6501 1bffffffffffffffff00
        3bffffffffffffffff01 08a0");
    let claims = Claims::decode(&bytes).unwrap();
    assert_eq!(claims.iss, Some("i"));
    assert!(claims.scope.is_none(), "12 is no scope");
    assert!(matches!(claims.cnf, Some(Cnf::Unknown)), "25 is no cnf, and an empty one confirms nothing");

    for (cnf, why) in [
        ("a2 186301 034101", "an unknown number"),
        ("a2 034101 617801", "a text"),
        ("a2 3863f6 034101", "a negative number"),
    ] {
        assert!(matches!(cnf_of(&hex(cnf)), Ok(Cnf::Kid(&[1]))), "{why}");
    }
    assert!(matches!(cnf_of(&hex("a1186301")), Ok(Cnf::Unknown)));
    assert!(TokenRequest::decode(&hex("a218641819617880")).is_ok());
    assert!(TokenResponse::decode(&hex("a2014101186401")).is_ok());
    assert!(Hints::decode(&hex("a1186401")).is_ok());
    assert!(ErrorResponse::decode(&hex("a2181e01186401")).is_ok());
    assert!(authz_info::Request::decode(&hex("a2014101186401")).is_ok());
    assert!(authz_info::Response::decode(&hex("a3182a4101182c4102186401")).is_ok());
}

fn cnf_of(bytes: &[u8]) -> Result<Cnf<'static>, Error> {
    let bytes: &'static [u8] = bytes.to_vec().leak();
    let mut r = Reader::new(bytes);
    let cnf = Cnf::read(&mut r)?;
    r.end()?;
    Ok(cnf)
}

/// Trap 9: nothing twice, however deep.
/// R8392-7.2-04
#[test]
fn nothing_comes_twice() {
    let twice = Error::Cbor(Cbor::DuplicateKey);
    for (claims, why) in [
        ("a2016161016161", "iss"),
        ("a20400041a5612aeb0", "exp"),
        ("a3040008a10341010401", "exp, with cnf between"),
        ("a2186301186302", "a claim that nobody knows"),
        ("a108a2034101034102", "kid in cnf"),
        ("a108a2186301186302", "an unknown member of cnf"),
        ("a108a104a3004101024101024102", "ms in osc"),
        ("a108a101a4010420410120410202 41 03", "k in a COSE_Key"),
        ("a1186381a201010102", "something in something unknown"),
    ] {
        assert_eq!(Claims::decode(&hex(claims)).unwrap_err(), twice, "{why}");
    }
    assert_eq!(TokenRequest::decode(&hex("a2056161056162")).unwrap_err(), twice);
    assert_eq!(TokenResponse::decode(&hex("a301410101410202 01")).unwrap_err(), twice);
    assert_eq!(Hints::decode(&hex("a2016161016162")).unwrap_err(), twice);
    assert_eq!(ErrorResponse::decode(&hex("a2181e01181e02")).unwrap_err(), twice);
    assert_eq!(authz_info::Request::decode(&hex("a201410101 4102")).unwrap_err(), twice);
    assert_eq!(authz_info::Response::decode(&hex("a3182a4101182a4101182c4102")).unwrap_err(), twice);
}

/// Trap 10 and RFC 8747 §3.1: one key.
/// R9201-3.1-03, R8747-3.1-02
#[test]
fn confirmation_names_one_key() {
    let methods = [
        ("01a20104204101", "COSE_Key"),
        ("0283404041ff", "Encrypted_COSE_Key"),
        ("034101", "kid"),
        ("04a2004101024102", "osc"),
        ("054101", "ckt"),
        ("0601", "x5t"),
        ("0ad28440a04040", "kcwt"),
        ("0ba0", "kccs"),
        ("181841ff", "x5chain"),
    ];
    for (a, first) in &methods {
        let alone = cnf_of(&hex(&format!("a1{a}"))).unwrap();
        assert!(!matches!(alone, Cnf::Unknown), "{first}");
        let mut out = [0; 64];
        let mut w = latchwork_cbor::Writer::new(&mut out);
        alone.write(&mut w).unwrap();
        assert_eq!(w.written(), hex(&format!("a1{a}")), "{first}");
        for (b, second) in &methods {
            if a != b {
                let both = cnf_of(&hex(&format!("a2{a}{b}")));
                assert_eq!(both.unwrap_err(), Error::SeveralKeys, "{first} and {second}");
            }
        }
    }
    for (cnf, error, why) in [
        ("a1024101", unexpected(Item::Bytes), "an encrypted key that is no COSE structure"),
        ("a1036161", unexpected(Item::Text), "kid as text"),
        ("a10380", unexpected(Item::Array), "kid as an array"),
        ("a10b4101", unexpected(Item::Bytes), "kccs as bytes"),
        ("a104a0", Error::Missing(0), "empty osc"),
        ("a10541", Error::Cbor(Cbor::Truncated), "an end too soon"),
        ("80", unexpected(Item::Array), "no map"),
    ] {
        assert_eq!(cnf_of(&hex(cnf)).unwrap_err(), error, "{why}");
    }
    assert!(matches!(cnf_of(&hex("a1182401")), Ok(Cnf::Unknown)));
    assert!(matches!(cnf_of(&hex("a1181841ff")), Ok(Cnf::Certificate(CnfMember::X5CHAIN, &[0x41, 0xff]))));
}

/// Trap 25: which confirmations give the key away.
/// R8747-3.2-02
#[test]
fn confirmations_that_tell_a_secret() {
    for (cnf, secret) in [
        ("a101a20104204101", true),
        ("a104a20041010241 02", true),
        ("a101a1011863", true),
        ("a102834040 41ff", false),
        ("a1034101", false),
        ("a10ba0", false),
        ("a101a301012006215820 0000000000000000000000000000000000000000000000000000000000000000", false),
    ] {
        assert_eq!(cnf_of(&hex(cnf)).unwrap().tells_a_secret(), secret, "{cnf}");
    }
}

/// R8747-3.2-01
#[test]
fn keys() {
    let (x, y) = (format!("5820{}", "11".repeat(32)), format!("5820{}", "22".repeat(32)));
    let short = format!("581f{}", "11".repeat(31));
    for (key, error, why) in [
        (format!("a401022001 21{x}22{y}"), None, "P-256"),
        (format!("a422{y}21{x}20010102"), None, "P-256, kty last"),
        (format!("a50102200121{x}22{y}23{y}"), Some(Error::PrivateKey), "the private half too"),
        (format!("a401012006 21{x}23{y}"), Some(Error::PrivateKey), "the private half of Ed25519"),
        (format!("a40102200121{x}22f5"), Some(Error::CompressedPoint), "y as a sign"),
        (format!("a40102200121{short}22{y}"), Some(Error::KeyLength), "a short x"),
        (format!("a40102200121{x}22{short}"), Some(Error::KeyLength), "a short y"),
        (format!("a40102200221{x}22{y}"), Some(Error::KeyLength), "P-384 with 32 bytes"),
        (format!("a30102200121{x}"), Some(Error::Missing(-3)), "no y"),
        (format!("a30102200122{y}"), Some(Error::Missing(-2)), "no x"),
        (format!("a3010221{x}22{y}"), Some(Error::Missing(-1)), "no curve"),
        (format!("a3200121{x}22{y}"), Some(Error::Missing(1)), "no kty"),
        (format!("a301012006 21{x}"), None, "Ed25519"),
        (format!("a301012006 21{short}"), Some(Error::KeyLength), "Ed25519, short"),
        ("a20104204101".into(), None, "a shared secret"),
        ("a201042040".into(), Some(Error::KeyLength), "an empty secret"),
        ("a10104".into(), Some(Error::Missing(-1)), "no secret"),
        ("a201042001".into(), Some(unexpected(Item::Uint)), "a number for a secret"),
        ("a10103".into(), None, "RSA, which we do not know"),
        ("a1016141".into(), None, "a type by a name"),
        ("a301042041010341 01".into(), Some(unexpected(Item::Bytes)), "alg as bytes"),
        (format!("a50102200121{x}22{y}042f"), None, "key_ops, which we do not read"),
        ("a0".into(), Some(Error::Missing(1)), "nothing"),
        ("a2010420410100".into(), Some(Error::Cbor(Cbor::Trailing)), "more after the end"),
    ] {
        assert_eq!(CoseKey::decode(&hex(&key)).err(), error, "{why}");
    }
    let bytes = hex("a2010320 4101");
    let key = CoseKey::decode(&bytes).unwrap();
    assert!(matches!(key.key, Key::Other { raw, .. } if raw == bytes));
    let mut out = [0; 16];
    let mut w = latchwork_cbor::Writer::new(&mut out);
    key.write(&mut w).unwrap();
    assert_eq!(w.written(), bytes);
    assert!(key.as_p256().is_none() && key.as_ed25519().is_none());
}

/// Trap 35: nothing in the input material is passed over in silence.
/// R9203-3.2.1-01
#[test]
fn osc_members() {
    let read = |members: &str| {
        let bytes: &'static [u8] = hex(members).leak();
        OscMaterial::read(&mut Reader::new(bytes))
    };
    let all = read("a7 004101 0102 024102 0307 04181e 054103 064104").unwrap();
    assert_eq!((all.id, all.version, all.ms), (&[1][..], 2, &[2][..]));
    assert_eq!((all.hkdf, all.alg), (Alg::HMAC_512_512, Alg::AES_CCM_16_128_128));
    assert_eq!((all.salt, all.context_id, all.unrecognized), (Some(&[3][..]), Some(&[4][..]), false));

    let named = read("a4 004101 024102 036c484d4143203235362f323536 04714145532d43434d2d31362d36342d313238").unwrap();
    assert_eq!((named.hkdf, named.alg), (Alg::HMAC_256_256, Alg::AES_CCM_16_64_128));

    let empty = read("a4 0040 024102 0540 0640").unwrap();
    assert_eq!((empty.id, empty.salt, empty.context_id), (&[][..], Some(&[][..]), Some(&[][..])));

    for (members, why) in [
        ("a3 004101 024102 0701", "the next number"),
        ("a3 004101 024102 2001", "a negative number"),
        ("a3 004101 024102 617801", "a text"),
    ] {
        assert!(read(members).unwrap().unrecognized, "{why}");
    }
    for (members, error, why) in [
        ("a1 024102", Error::Missing(0), "no id"),
        ("a1 004101", Error::Missing(2), "no ms"),
        ("a3 004101 024102 046161", Error::UnknownAlgorithm, "an AEAD nobody knows"),
        ("a3 004101 024102 036161", Error::UnknownAlgorithm, "an HKDF nobody knows"),
        ("a3 004101 024102 0441 01", unexpected(Item::Bytes), "an AEAD as bytes"),
        ("a3 004101 024102 0120", unexpected(Item::Nint), "a negative version"),
        ("a3 004101 024102 056161", unexpected(Item::Text), "a salt as text"),
        ("a3 004101 024102 05f6", unexpected(Item::Null), "a salt that is null"),
        ("a2 0001 024102", unexpected(Item::Uint), "an id as a number"),
    ] {
        assert_eq!(read(members).unwrap_err(), error, "{why}");
    }
}

/// Traps 32 and 33: each map has its own numbers, and CBOR has numbers where JSON has texts.
/// R9200-5.8.4.1-01, R9200-5.8.4.2-01, R9200-5.8.4.3-01
#[test]
fn numbers_of_one_map_mean_nothing_in_another() {
    // 40 is exi in a token and nonce1 at authz-info; 4 is exp, req_cnf and osc; 33 is grant_type and token_type_hint.
    assert!(Claims::decode(&hex("a118284101")).is_err(), "nonce1 in a token");
    assert!(authz_info::Request::decode(&hex("a2014101182801")).is_err(), "exi at authz-info");
    assert!(Claims::decode(&hex("a104a1034101")).is_err(), "req_cnf in a token");
    assert!(TokenRequest::decode(&hex("a10400")).is_err(), "exp in a request");
    assert!(TokenRequest::decode(&hex("a103656c6f636b31")).unwrap().audience.is_none(), "aud in a request");
    assert!(Claims::decode(&hex("a105656c6f636b31")).is_err(), "audience in a token");
    assert!(TokenResponse::decode(&hex("a2014101 04a1034101")).unwrap().cnf.is_none(), "req_cnf in a response");
    assert!(TokenRequest::decode(&hex("a108a1034101")).unwrap().req_cnf.is_none(), "cnf in a request");
    assert_eq!(authz_info::Response::decode(&hex("a218284101182b4102")).unwrap_err(), Error::Missing(42));
    for (request, why) in [
        ("a1182172636c69656e745f63726564656e7469616c73", "grant_type by name"),
        ("a1182120", "a negative grant_type"),
        ("a1182669636f61705f64746c73", "ace_profile by name"),
        ("a1182640", "ace_profile as bytes"),
        ("a1181d6161", "code as text"),
        ("a118196161", "client_secret as text"),
        ("a118256161", "refresh_token as text"),
        ("a118184161", "client_id as bytes"),
        ("a1054161", "audience as bytes"),
        ("a105816161", "audience as a list"),
        ("a10901", "scope as a number"),
        ("a118276161", "cnonce as text"),
        ("a104f6", "req_cnf null"),
        ("80", "no map"),
        ("", "nothing"),
        ("a000", "more after the end"),
        ("bfff", "an indefinite length"),
    ] {
        assert!(TokenRequest::decode(&hex(request)).is_err(), "{why}");
    }
    for (response, why) in [
        ("a0", "no token"),
        ("a1016161", "a token as text"),
        ("a20141010220", "a negative lifetime"),
        ("a20141010 2f93c00", "a lifetime as a float"),
        ("a2014101182263506f50", "token_type by name"),
        ("a2014101182669636f61705f64746c73", "ace_profile by name"),
        ("a20141011826f6", "ace_profile null"),
        ("a1181e01", "an error"),
    ] {
        assert!(TokenResponse::decode(&hex(response)).is_err(), "{why}");
    }
    for (error, why) in [
        ("a0", "no error"),
        ("a1181e6f696e76616c69645f72657175657374", "an error by name"),
        ("a2181e01181f4161", "a description as bytes"),
    ] {
        assert!(ErrorResponse::decode(&hex(error)).is_err(), "{why}");
    }
    for (hints, why) in
        [("a1014161", "AS as bytes"), ("a1026161", "kid as text"), ("a1182701", "cnonce as a number"), ("40", "no map")]
    {
        assert!(Hints::decode(&hex(hints)).is_err(), "{why}");
    }
    for (upload, why) in [
        ("a218284101182b4102", "no token"),
        ("a2014101182b6161", "an identifier as text"),
        ("d83dd08340a041ff", "a bare token (trap 41)"),
    ] {
        assert!(authz_info::Request::decode(&hex(upload)).is_err(), "{why}");
    }
    assert_eq!(Claims::decode(&hex("a1182602")).unwrap().ace_profile, Some(Profile::COAP_OSCORE));
    assert!(Claims::decode(&hex("a1182669636f61705f64746c73")).is_err(), "ace_profile by name in a token");
}

#[test]
fn audiences() {
    for (aud, ours, foreign) in
        [("656c6f636b31", true, false), ("82656c6f636b31656c6f636b32", true, true), ("81656c6f636b32", false, true)]
    {
        let bytes = hex(&format!("a103{aud}"));
        let aud = Claims::decode(&bytes).unwrap().aud.unwrap();
        assert_eq!((aud.contains("lock1"), aud.contains("lock2")), (ours, foreign), "{aud:?}");
        for near in ["", "lock", "lock11", "Lock1", "lock1\0"] {
            assert!(!aud.contains(near), "{near}");
        }
    }
    assert_eq!(Claims::decode(&hex("a10380")).unwrap_err(), Error::NoAudience);
    for (aud, why) in [
        ("8101", "a number"),
        ("a0", "a map"),
        ("41 61", "bytes"),
        ("8181616c", "a list in a list"),
        ("9f6161ff", "an indefinite list"),
    ] {
        assert!(Claims::decode(&hex(&format!("a103{aud}"))).is_err(), "{why}");
    }
    let mut out = [0; 32];
    let list = Audience::list(&["lock1", "group"], &mut out).unwrap();
    assert_eq!(list.iter().collect::<Vec<_>>(), ["lock1", "group"]);
    let bytes = Claims { aud: Some(list), ..Claims::default() }.encode(&mut [0; 64]).unwrap().to_vec();
    assert_eq!(Claims::decode(&bytes).unwrap().aud, Some(list));
    assert!(Audience::list(&[], &mut [0; 8]).is_err());
    assert!(Audience::list(&["lock1"], &mut [0; 4]).is_err());
}

/// Whoever writes into too small a buffer gets an error at every size, and what fits at last is whole.
#[test]
fn small_buffers() {
    let request = TokenRequest { client_id: Some("phone"), audience: Some("lock"), ..TokenRequest::default() };
    let whole = request.encode(&mut [0; 64]).unwrap().to_vec();
    for size in 0..whole.len() {
        assert!(request.encode(&mut vec![0; size]).is_err(), "{size}");
    }
    assert_eq!(request.encode(&mut vec![0; whole.len()]).unwrap(), whole);
}
