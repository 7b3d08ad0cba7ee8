//! An authorization server as far as a lock can see it: tokens by coset and ciborium, which share nothing with the
//! code under test.

use aes::Aes128;
use ccm::consts::{U13, U16};
use ccm::{AeadInOut, Ccm, KeyInit};
use ciborium::value::Value;
use coset::{
    CoseEncrypt0Builder, CoseMac0Builder, CoseSign1Builder, Header, HeaderBuilder, TaggedCborSerializable, iana,
};
use p256::ecdsa::signature::Signer;

pub const ISSUER: &str = "https://as.example";
pub const LOCK: &str = "urn:latchwork:lock:front";
pub const GROUP: &str = "urn:latchwork:group:house";
pub const NOW: i64 = 1_800_000_000;

/// The key that the lock shares with its server.
pub const KID: &[u8] = b"front-1";
pub const KEY: [u8; 16] = *b"the lock's key..";

/// Its key for tokens under a MAC.
pub const MAC_KID: &[u8] = b"mac-1";
pub const MAC_KEY: [u8; 32] = *b"the lock's other key, for MACs..";

/// The claims of a token, by number.
#[derive(Clone)]
pub struct Claims(pub Vec<(i64, Value)>);

impl Claims {
    pub fn set(mut self, claim: i64, value: impl Into<Value>) -> Self {
        let value = value.into();
        match self.0.iter_mut().find(|(number, _)| *number == claim) {
            Some((_, old)) => *old = value,
            None => self.0.push((claim, value)),
        }
        self
    }

    pub fn without(mut self, claim: i64) -> Self {
        self.0.retain(|(number, _)| *number != claim);
        self
    }

    pub fn encode(&self) -> Vec<u8> {
        encode(&map(self.0.clone()))
    }
}

pub const ISS: i64 = 1;
pub const SUB: i64 = 2;
pub const AUD: i64 = 3;
pub const EXP: i64 = 4;
pub const NBF: i64 = 5;
pub const CTI: i64 = 7;
pub const CNF: i64 = 8;
pub const SCOPE: i64 = 9;
pub const PROFILE: i64 = 38;
pub const CNONCE: i64 = 39;
pub const EXI: i64 = 40;

/// A token that opens the door for the next ten minutes.
pub fn good(osc: Value) -> Claims {
    Claims(vec![
        (ISS, ISSUER.into()),
        (AUD, LOCK.into()),
        (EXP, (NOW + 600).into()),
        (CTI, Value::Bytes(vec![7; 16])),
        (CNF, map([(4, osc)])),
        (SCOPE, aif(&[("/door", 2)])),
    ])
}

/// OSCORE input material with nothing but what must be there.
pub fn osc(id: &[u8], secret: &[u8]) -> Value {
    map([(0, bytes(id)), (2, bytes(secret))])
}

/// A scope claim.
pub fn aif(entries: &[(&str, u64)]) -> Value {
    let entries = entries.iter().map(|&(path, mask)| Value::Array(vec![path.into(), mask.into()]));
    Value::Bytes(encode(&Value::Array(entries.collect())))
}

pub fn bytes(bytes: &[u8]) -> Value {
    Value::Bytes(bytes.to_vec())
}

pub fn map(members: impl IntoIterator<Item = (i64, Value)>) -> Value {
    Value::Map(members.into_iter().map(|(label, value)| (label.into(), value)).collect())
}

pub fn encode(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    ciborium::into_writer(value, &mut out).unwrap();
    out
}

/// The protected header of an encrypted token.
pub fn header(kid: &[u8], iv: &[u8]) -> Header {
    let alg = iana::Algorithm::AES_CCM_16_128_128;
    HeaderBuilder::new().algorithm(alg).key_id(kid.to_vec()).iv(iv.to_vec()).build()
}

/// `61(16([...]))`, under the lock's key.
pub fn encrypted(claims: &Claims) -> Vec<u8> {
    encrypted_with(header(KID, &[9; 13]), &KEY, &claims.encode())
}

pub fn encrypted_with(header: Header, key: &[u8; 16], plaintext: &[u8]) -> Vec<u8> {
    let iv = <[u8; 13]>::try_from(&header.iv[..]).unwrap();
    let seal = |plaintext: &[u8], aad: &[u8]| {
        let mut buf = plaintext.to_vec();
        let cipher = Ccm::<Aes128, U16, U13>::new(key.into());
        let tag = cipher.encrypt_inout_detached(&iv.into(), aad, (&mut buf[..]).into()).unwrap();
        buf.extend_from_slice(&tag);
        buf
    };
    let token = CoseEncrypt0Builder::new().protected(header).create_ciphertext(plaintext, &[], seal).build();
    tagged(&token.to_tagged_vec().unwrap())
}

pub fn es256() -> p256::ecdsa::SigningKey {
    p256::ecdsa::SigningKey::from_slice(&[5; 32]).unwrap()
}

pub fn ed25519() -> ed25519_compact::KeyPair {
    ed25519_compact::KeyPair::from_seed(ed25519_compact::Seed::new([6; 32]))
}

/// The second server's.
pub fn other() -> ed25519_compact::KeyPair {
    ed25519_compact::KeyPair::from_seed(ed25519_compact::Seed::new([66; 32]))
}

/// `61(18([...]))` by ES256.
pub fn signed(claims: &Claims) -> Vec<u8> {
    let sign = |message: &[u8]| {
        let signature: p256::ecdsa::Signature = es256().sign(message);
        signature.to_bytes().to_vec()
    };
    signed_with(iana::Algorithm::ES256, b"sign-1", claims, sign)
}

/// A token by ES256 with its other signature: n - s in the place of s.
pub fn twin(token: &[u8]) -> Vec<u8> {
    let (before, signature) = token.split_at(token.len() - 64);
    let (r, s) = p256::ecdsa::Signature::from_slice(signature).unwrap().split_scalars();
    let twin = p256::ecdsa::Signature::from_scalars(r.to_bytes(), (-*s).to_bytes()).unwrap();
    [before, &twin.to_bytes()].concat()
}

/// `61(18([...]))` by EdDSA.
pub fn signed_eddsa(claims: &Claims) -> Vec<u8> {
    let sign = |message: &[u8]| ed25519().sk.sign(message, None).to_vec();
    signed_with(iana::Algorithm::EdDSA, b"sign-2", claims, sign)
}

pub fn signed_with(alg: iana::Algorithm, kid: &[u8], claims: &Claims, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let header = HeaderBuilder::new().algorithm(alg).key_id(kid.to_vec()).build();
    let token = CoseSign1Builder::new().protected(header).payload(claims.encode());
    tagged(&token.create_signature(&[], sign).build().to_tagged_vec().unwrap())
}

/// `61(17([...]))`, HMAC 256/256 under the lock's key.
pub fn maced(claims: &Claims) -> Vec<u8> {
    maced_with(iana::Algorithm::HMAC_256_256, MAC_KID, &MAC_KEY, claims, 32)
}

/// The same under another algorithm, key or length of tag.
pub fn maced_with(alg: iana::Algorithm, kid: &[u8], key: &[u8; 32], claims: &Claims, length: usize) -> Vec<u8> {
    let header = HeaderBuilder::new().algorithm(alg).key_id(kid.to_vec()).build();
    let token = CoseMac0Builder::new().protected(header).payload(claims.encode());
    let mac = |message: &[u8]| {
        let tag = latchwork_crypto::Symmetric::hmac_sha256(&latchwork_crypto::RustCrypto, key, &[message]).unwrap();
        tag[..length].to_vec()
    };
    tagged(&token.create_tag(&[], mac).build().to_tagged_vec().unwrap())
}

/// A public-key confirmation, as signed tokens carry it.
pub fn public_key() -> Value {
    let point = es256().verifying_key().to_sec1_point(false);
    let (x, y) = (point.x().unwrap().to_vec(), point.y().unwrap().to_vec());
    map([(1, map([(1, 2.into()), (-1, 1.into()), (-2, Value::Bytes(x)), (-3, Value::Bytes(y))]))])
}

fn tagged(cose: &[u8]) -> Vec<u8> {
    [&[0xd8, 61], cose].concat()
}
