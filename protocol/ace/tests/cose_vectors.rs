//! RFC 8392 Appendix A, RFC 8747 §3 and RFC 9770 §3: the COSE layer against published bytes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::hex;
use latchwork_ace::{
    Claims, Cnf, CoseKey, Error,
    claims::Audience,
    cose::{self, Envelope, Kind, Token},
    cose_key::Key,
    registry::{Alg, Curve},
};
use latchwork_crypto::{P256Public, RustCrypto, Symmetric, Verify};

const CLAIMS: &str =
    "a70175636f61703a2f2f61732e6578616d706c652e636f6d02656572696b77037818636f61703a2f2f6c696768742e657861
    6d706c652e636f6d041a5612aeb0051a5610d9f0061a5610d9f007420b71";
const KEY_128: &str = "a42050231f4c4d4d3051fdc2ec0a3851d5b3830104024c53796d6d6574726963313238030a";
const KEY_256: &str =
    "a4205820403697de87af64611c1d32a05dab0fe1fcb715a86ab435f1ec99192d795693880104024c53796d6d65747269633235
    36030a";
const KEY_P256_PRIVATE: &str = "a72358206c1382765aec5358f117733d281c1c7bdc39884d04a45a1e6c67c858bc206c1922582060f7f1a780d8a783bf
    b7a2dd6b2796e8128dbbcef9d3d168db9529971a36e7b9215820143329cce7868e416927599cf65a34f3ce2ffda55a7eca69ed8919a394d42f0f2001010202
    524173796d6d657472696345434453413235360326";
const KEY_P256_X: &str = "143329cce7868e416927599cf65a34f3ce2ffda55a7eca69ed8919a394d42f0f";
const KEY_P256_Y: &str = "60f7f1a780d8a783bfb7a2dd6b2796e8128dbbcef9d3d168db9529971a36e7b9";
const SIGNED: &str = "d28443a10126a104524173796d6d657472696345434453413235365850a70175636f61703a2f2f61732e6578616d706c652e636f
    6d02656572696b77037818636f61703a2f2f6c696768742e6578616d706c652e636f6d041a5612aeb0051a5610d9f0061a5610d9f007420b7158405427c1ff
    28d23fbad1f29c4c7c6a555e601d6fa29f9179bc3d7438bacaca5acd08c8d4d4f96131680c429a01f85951ecee743a52b9b63632c57209120e1c9e30";
const MACED: &str = "d83dd18443a10104a1044c53796d6d65747269633235365850a70175636f61703a2f2f61732e6578616d706c652e636f6d02656572
    696b77037818636f61703a2f2f6c696768742e6578616d706c652e636f6d041a5612aeb0051a5610d9f0061a5610d9f007420b7148093101ef6d789200";
const ENCRYPTED: &str = "d08343a1010aa2044c53796d6d6574726963313238054d99a0d7846e762c49ffe8a63e0b5858b918a11fd81e438b7f973d9e2e
    119bcb22424ba0f38a80f27562f400ee1d0d6c0fdb559c02421fd384fc2ebe22d7071378b0ea7428fff157444d45f7e6afcda1aae5f6495830c58627087fc5
    b4974f319a8707a635dd643b";
const NESTED: &str = "d08343a1010aa2044c53796d6d6574726963313238054d4a0694c0e69ee6b5956655c7b258b7f6b0914f993de822cc47e5e57a188d
    7960b528a747446fe12f0e7de05650dec74724366763f167a29c002dfd15b34d8993391cf49bc91127f545dba8703d66f5b7f1ae91237503d371e6333df970
    8d78c4fb8a8386c8ff09dc49af768b23179deab78d96490a66d5724fb33900c60799d9872fac6da3bdb89043d67c2a05414ce331b5b8f1ed8ff7138f45905d
    b2c4d5bc8045ab372bff142631610a7e0f677b7e9b0bc73adefdcee16d9d5d284c616abeab5d8c291ce0";
const MACED_FLOAT: &str = "d18443a10104a1044c53796d6d65747269633235364ba106fb41d584367c20000048b8816f34c0542892";

/// `ENCRYPTED` in the form of RFC 9770 Figure 2: headers protected, tagged. (Its MAC is that of the original and fails.)
const RFC9770_FIGURE_2: &str = "d83dd0835820a3010a044c53796d6d6574726963313238054d99a0d7846e762c49ffe8a63e0ba05858b918a11fd81e43
    8b7f973d9e2e119bcb22424ba0f38a80f27562f400ee1d0d6c0fdb559c02421fd384fc2ebe22d7071378b0ea7428fff157444d45f7e6afcda1aae5f6495830
    c58627087fc5b4974f319a8707a635dd643b";

fn secret(key: &str) -> Vec<u8> {
    match CoseKey::decode(&hex(key)).unwrap().key {
        Key::Symmetric { k } => k.to_vec(),
        other => panic!("{other:?}"),
    }
}

/// Decrypts an Encrypt0 of AES-CCM-16-64-128.
fn open(envelope: &Envelope<'_>, key: &[u8]) -> Vec<u8> {
    assert_eq!(envelope.protected.alg, Some(Alg::AES_CCM_16_64_128));
    let mut aad = [0; 64];
    let aad = cose::join(&envelope.enc_structure(), &mut aad).unwrap();
    let (ciphertext, tag) = envelope.content.split_at(envelope.content.len() - 8);
    let mut plaintext = ciphertext.to_vec();
    let nonce = envelope.iv().unwrap().try_into().unwrap();
    RustCrypto.ccm_open(key.try_into().unwrap(), nonce, aad, &mut plaintext, tag).unwrap();
    plaintext
}

fn check_signature(envelope: &Envelope<'_>) {
    assert_eq!((envelope.kind, envelope.protected.alg), (Kind::Sign1, Some(Alg::ES256)));
    let public = P256Public { x: hex(KEY_P256_X).try_into().unwrap(), y: hex(KEY_P256_Y).try_into().unwrap() };
    let signature = envelope.authenticator.try_into().unwrap();
    RustCrypto.es256(&public, &envelope.sig_structure(), signature).unwrap();
    let mut forged = *signature;
    forged[40] ^= 1;
    RustCrypto.es256(&public, &envelope.sig_structure(), &forged).unwrap_err();
}

#[test]
fn claims_of_a_1() {
    let bytes = hex(CLAIMS);
    let claims = Claims::decode(&bytes).unwrap();
    assert_eq!(claims.iss, Some("coap://as.example.com"));
    assert_eq!(claims.sub, Some("erikw"));
    assert_eq!(claims.aud, Some(Audience::One("coap://light.example.com")));
    assert_eq!((claims.exp, claims.nbf, claims.iat), (Some(1444064944), Some(1443944944), Some(1443944944)));
    assert_eq!(claims.cti, Some(&[0x0b, 0x71][..]));
    assert_eq!(claims.encode(&mut [0; 128]).unwrap(), bytes);
}

#[test]
fn keys_of_a_2() {
    let bytes = hex(KEY_128);
    let key = CoseKey::decode(&bytes).unwrap();
    assert_eq!((key.kid, key.alg), (Some(&b"Symmetric128"[..]), Some(Alg::AES_CCM_16_64_128)));
    assert_eq!(secret(KEY_256).len(), 32);
    assert_eq!(CoseKey::decode(&hex(KEY_P256_PRIVATE)).unwrap_err(), Error::PrivateKey);
}

#[test]
fn signed_token_of_a_3() {
    let bytes = hex(SIGNED);
    let envelope = Envelope::parse(&bytes).unwrap();
    assert_eq!(envelope.kid(), Some(&b"AsymmetricECDSA256"[..]));
    assert_eq!(envelope.content, hex(CLAIMS));
    check_signature(&envelope);
}

/// Figure 7 of RFC 8392 mislabels the key; as the bytes have it, HMAC 256/64 with the raw key verifies.
/// R8392-4-01
#[test]
fn maced_tokens_of_a_4_and_a_7() {
    for (token, payload) in [(MACED, hex(CLAIMS)), (MACED_FLOAT, hex("a106fb41d584367c200000"))] {
        let bytes = hex(token);
        let envelope = Envelope::parse(&bytes).unwrap();
        assert_eq!((envelope.kind, envelope.protected.alg), (Kind::Mac0, Some(Alg::HMAC_256_64)));
        assert_eq!(envelope.content, payload);
        let mac = RustCrypto.hmac_sha256(&secret(KEY_256), &envelope.mac_structure()).unwrap();
        assert_eq!(&mac[..8], envelope.authenticator);
    }
    let claims = hex("a106fb41d584367c200000");
    assert_eq!(Claims::decode(&claims).unwrap().iat, Some(1443944944), "a float with half a second");
}

#[test]
fn encrypted_token_of_a_5() {
    let bytes = hex(ENCRYPTED);
    assert_eq!(open(&Envelope::parse(&bytes).unwrap(), &secret(KEY_128)), hex(CLAIMS));
}

#[test]
fn nested_token_of_a_6() {
    let bytes = hex(NESTED);
    let plaintext = open(&Envelope::parse(&bytes).unwrap(), &secret(KEY_128));
    let inner = Envelope::parse(&plaintext).unwrap();
    assert_eq!(inner.content, hex(CLAIMS));
    check_signature(&inner);
    assert_eq!(Token::parse_nested(&plaintext).unwrap_err(), Error::Unprotected);
}

/// They carry the key's name in the unprotected header, and most have no tag 61 (RFC 9770 §3).
#[test]
fn none_of_them_is_a_token_of_ours() {
    for (token, error) in [
        (SIGNED, Error::Tag),
        (MACED, Error::Unprotected),
        (ENCRYPTED, Error::Tag),
        (NESTED, Error::Tag),
        (MACED_FLOAT, Error::Tag),
    ] {
        assert_eq!(Token::parse(&hex(token)).unwrap_err(), error, "{token}");
    }
    for token in [SIGNED, ENCRYPTED, NESTED, MACED_FLOAT] {
        let tagged = [&hex("d83d"), &hex(token)[..]].concat();
        assert_eq!(Token::parse(&tagged).unwrap_err(), Error::Unprotected, "{token}");
    }
}

#[test]
fn token_of_rfc_9770_figure_2() {
    let bytes = hex(RFC9770_FIGURE_2);
    let Token::Encrypt0(token) = Token::parse(&bytes).unwrap() else { panic!("not an Encrypt0") };
    assert_eq!((token.alg, token.kid), (Alg::AES_CCM_16_64_128, &b"Symmetric128"[..]));
    assert_eq!(token.iv, hex("99a0d7846e762c49ffe8a63e0b"));
    assert_eq!(token.ciphertext.len(), 0x58);
    let aad = hex("8368456e63727970743058 20a3010a044c53796d6d6574726963313238054d99a0d7846e762c49ffe8a63e0b40");
    assert_eq!(token.aad(&mut [0; 64]).unwrap(), aad);
    assert!(token.aad(&mut [0; 40]).is_err(), "one byte too few");
    // Written by ourselves it is the same.
    let mut header = [0; 64];
    let header = cose::protected(token.alg, token.kid, Some(token.iv), &mut header).unwrap();
    assert_eq!(cose::token(Kind::Encrypt0, header, token.ciphertext, None, &mut [0; 256]).unwrap(), bytes);
}

/// R9201-3.1-03
#[test]
fn confirmations_of_rfc_8747() {
    let bytes = hex("a401781a636f6170733a2f2f7365727665722e6578616d706c652e636f6d03781a636f6170733a2f2f636c69656e742e6578616d706c
        652e6f7267041a70004b4f08a101a401022001215820d7cc072de2205bdc1537a543d53c60a6acb62eccd890c7fa27c9e354089bbe13225820f95e1d4b
        851a2cc80fff87d8e23f22afb725d535e515d020731e79a3b4e47120");
    let claims = Claims::decode(&bytes).unwrap();
    let Some(Cnf::CoseKey(key)) = claims.cnf else { panic!("{claims:?}") };
    let (x, y) = key.as_p256().unwrap();
    assert_eq!((x[0], y[0]), (0xd7, 0xf9));
    assert!(matches!(key.key, Key::Ec2 { crv: Curve::P_256, .. }));
    assert_eq!(claims.encode(&mut [0; 256]).unwrap(), bytes);

    let bytes = hex(
        "a40176636f6170733a2f2f61732e6578616d706c652e636f6d03781c636f6170733a2f2f7265736f757263652e6578616d706c652e6f
        7267041a51254c2808a10350dfd1aa976d8d4575a0fe34b96de2bfad",
    );
    let claims = Claims::decode(&bytes).unwrap();
    let Some(Cnf::Kid(kid)) = claims.cnf else { panic!("{claims:?}") };
    assert_eq!(kid, hex("dfd1aa976d8d4575a0fe34b96de2bfad"));
    assert_eq!(claims.encode(&mut [0; 256]).unwrap(), bytes);
}

#[test]
fn encrypted_key_of_rfc_8747_section_3_3() {
    let bytes = hex("a601781a636f6170733a2f2f7365727665722e6578616d706c652e636f6d02683234343030333230036a7336426864526b717433041a
        4e289332061a4e288f4a08a1028343a1010aa1054d636898994ff0ec7bfcf6d3f95b58300573318a3573eb983e55a7c2f06cadd0796c9e584f1d0e3ea8
        c5b052592a8b2694be9654f0431f38d5bbc8049fa7f13f");
    let claims = Claims::decode(&bytes).unwrap();
    assert_eq!(claims.encode(&mut [0; 256]).unwrap(), bytes);
    let Some(Cnf::EncryptedCoseKey(wrapped)) = claims.cnf else { panic!("{claims:?}") };
    let key =
        open(&Envelope::parse_untagged(Kind::Encrypt0, wrapped).unwrap(), &hex("6162630405060708090a0b0c0d0e0f10"));
    let key = CoseKey::decode(&key).unwrap();
    assert_eq!(key.alg, Some(Alg::HMAC_256_256));
    assert!(matches!(key.key, Key::Symmetric { k } if k.len() == 32));
}
