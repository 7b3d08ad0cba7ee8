//! Tokens, byte for byte as RFC 9770 §3 wants them: CWT tag, COSE tag, everything in the protected header.
//!
//! The types say which key may be in which token: what is secret ([`SharedCnf`]) goes only into [`encrypted`]; what everybody may
//! see ([`PublicCnf`]: a public key, or a symmetric one that [`wrap`] encrypted) into [`signed`] and [`maced`]. A [`reference()`] says nothing.

use super::bytes::{Blob, Hash32, Hidden, Sealed, base64url};
use super::entropy::{Entropy, fresh};
use super::jwk::PublicKey;
use super::names::Audience;
use super::records::{Lock, TokenRecord};
use super::refusal::ServerFault;
use super::time::Timestamp;
use crate::keys::seal::StorageKey;
use crate::keys::{Alg, Signer};
use ciborium::Value;
use coset::{
    AsCborValue, CoseEncrypt0, CoseEncrypt0Builder, CoseMac0Builder, CoseSign1Builder, Header, HeaderBuilder,
    TaggedCborSerializable, iana,
};
use latchwork_ace::CoseKey;
use latchwork_ace::cose_key::Key;
use latchwork_ace::registry::{Claim, CnfMember, EdhocInfoMember, KeyParam, KeyType, OscMember};
use latchwork_crypto::{RustCrypto, Symmetric, hkdf_sha256_expand, hkdf_sha256_extract};
use zeroize::Zeroizing;

/// What every token says.
#[derive(Clone, Debug)]
pub struct Claims<'c> {
    /// This server.
    pub iss: &'c str,
    /// The pairwise subject.
    pub sub: &'c str,
    /// Whom it is for.
    pub aud: &'c Audience,
    /// The AIF.
    pub scope: &'c Blob,
    /// How its lifetime is told.
    pub life: Life,
    /// The lock's nonce, copied byte for byte (RFC 9200 §5.8.4.4).
    pub cnonce: Option<&'c Blob>,
    /// The token series, under the profile of EDHOC and OSCORE.
    pub series: Option<&'c Blob>,
}

/// How a token tells its lifetime, by what the lock knows of the time.
#[derive(Clone, Copy, Debug)]
pub enum Life {
    /// `iat`, `exp`, `nbf` where the right begins later, and a random `cti`.
    Until {
        /// Now.
        iat: Timestamp,
        /// The begin, if it is still to come.
        nbf: Option<Timestamp>,
        /// The end.
        exp: Timestamp,
    },
    /// `exi` seconds from arrival, and the sequence number in `cti` (RFC 9200 §5.10.3).
    FromArrival {
        /// Seconds.
        exi: u32,
        /// One more than any before for this audience.
        number: u64,
    },
    /// The lock's own nonce limits it.
    Nonce,
}

/// A confirmation that must stay secret, or that only the lock understands.
#[derive(Clone, Debug)]
pub enum SharedCnf {
    /// A new OSCORE context (RFC 9203 §3.2).
    Osc(Osc),
    /// A new key for DTLS (RFC 9202 §3.3).
    Key(SharedKey),
    /// A live key's name: its rights are updated.
    Kid(Blob),
}

/// A confirmation that everybody may see.
#[derive(Clone, Debug)]
pub enum PublicCnf {
    /// A key, for DTLS with raw public keys.
    Key(PublicKey),
    /// A CCS as it came, for EDHOC.
    Kccs(Blob),
    /// A symmetric key that only the lock can read (RFC 8747 §3.3).
    Wrapped(WrappedKey),
}

/// A symmetric COSE_Key encrypted for one lock; only [`wrap`] makes one.
#[derive(Clone, Debug)]
pub struct WrappedKey(Value);

/// A symmetric key that the server made for a client and a lock.
#[derive(Clone, Debug)]
pub struct SharedKey {
    /// Its name at the lock.
    pub kid: Blob,
    /// Its 16 bytes.
    pub k: Hidden,
}

impl SharedKey {
    /// A fresh one.
    pub fn fresh(entropy: &mut dyn Entropy) -> Result<Self, ServerFault> {
        let failed = |_| ServerFault::Entropy;
        let kid = Blob(fresh::<8>(entropy).map_err(failed)?.to_vec());
        Ok(Self { kid, k: Hidden::new(fresh::<16>(entropy).map_err(failed)?.to_vec()) })
    }

    /// As a COSE_Key.
    #[must_use]
    pub fn cose(&self) -> CoseKey<'_> {
        CoseKey { kid: Some(&self.kid.0), alg: None, key: Key::Symmetric { k: self.k.expose() } }
    }

    fn value(&self) -> Value {
        let kty = (int(KeyParam::KTY.0), int(KeyType::SYMMETRIC.0));
        Value::Map(vec![kty, (int(KeyParam::KID.0), bytes(&self.kid.0)), (int(-1), bytes(self.k.expose()))])
    }
}

/// OSCORE input material (RFC 9203 §3.2.1). Algorithms are the defaults: AES-CCM-16-64-128 and HKDF with SHA-256.
#[derive(Clone, Debug)]
pub struct Osc {
    /// Its name at the lock.
    pub id: Blob,
    /// The master secret.
    pub ms: Hidden,
    /// The input salt, always there: who leaves it out makes peers disagree on what its absence means.
    pub salt: Blob,
}

impl Osc {
    /// Fresh material.
    pub fn fresh(entropy: &mut dyn Entropy) -> Result<Self, ServerFault> {
        let failed = |_| ServerFault::Entropy;
        let id = Blob(fresh::<8>(entropy).map_err(failed)?.to_vec());
        let ms = Hidden::new(fresh::<16>(entropy).map_err(failed)?.to_vec());
        let salt = Blob(fresh::<8>(entropy).map_err(failed)?.to_vec());
        Ok(Self { id, ms, salt })
    }
}

/// A token for one lock: AES-CCM-16-128-128 under the key that only it and the server have, with a random IV. With a signer it is
/// signed inside (RFC 8392 §7.1), so that whoever reads the lock's key out of it cannot make tokens.
pub fn encrypted(
    claims: &Claims<'_>,
    cnf: &SharedCnf,
    lock: &Lock,
    storage: &StorageKey,
    signer: Option<&dyn Signer>,
    entropy: &mut dyn Entropy,
) -> Result<Vec<u8>, ServerFault> {
    let mut plaintext = payload(claims, cnf.value(), entropy)?;
    if let Some(signer) = signer {
        plaintext = Zeroizing::new(sign(plaintext.to_vec(), signer)?);
    }
    let key = token_key(lock, storage)?;
    tagged(for_lock(&plaintext, lock, &key, entropy)?)
}

/// Encrypts a symmetric key for a lock, so that a token may carry it that others can read (RFC 8747 §3.3). An OSCORE secret is no
/// COSE_Key and cannot be wrapped.
///
/// The key is not the one of tokens, which no RFC asks for: HKDF-SHA256 of it, without salt, for [`WRAPPING`]. What is wrapped is so no
/// token under any reading.
pub fn wrap(
    key: &SharedKey,
    lock: &Lock,
    storage: &StorageKey,
    entropy: &mut dyn Entropy,
) -> Result<WrappedKey, ServerFault> {
    let mut plaintext = Zeroizing::new(Vec::with_capacity(64));
    ciborium::into_writer(&key.value(), &mut *plaintext).map_err(|_| ServerFault::Records)?;
    let failed = |_| ServerFault::Seal;
    let key = token_key(lock, storage)?;
    let secret = Zeroizing::new(hkdf_sha256_extract(&RustCrypto, &[], &*key).map_err(failed)?);
    let mut wrapping = Zeroizing::new([0; 16]);
    hkdf_sha256_expand(&RustCrypto, &secret, WRAPPING, &mut *wrapping).map_err(failed)?;
    let wrapped = for_lock(&plaintext, lock, &wrapping, entropy)?;
    wrapped.to_cbor_value().map(WrappedKey).map_err(|_| ServerFault::Records)
}

/// The key of the lock's encrypted tokens.
fn token_key(lock: &Lock, storage: &StorageKey) -> Result<Zeroizing<[u8; 16]>, ServerFault> {
    let key = storage.open(&lock.key_label(), &lock.token_key.0.0).map_err(|_| ServerFault::Seal)?;
    let key: &[u8; 16] = key.as_slice().try_into().map_err(|_| ServerFault::Records)?;
    Ok(Zeroizing::new(*key))
}

/// COSE_Encrypt0 under a key that the lock has.
fn for_lock(
    plaintext: &[u8],
    lock: &Lock,
    key: &[u8; 16],
    entropy: &mut dyn Entropy,
) -> Result<CoseEncrypt0, ServerFault> {
    if lock.token_key_wear >= WORN_OUT {
        return Err(ServerFault::TokenKeyWornOut);
    }
    let iv = fresh::<13>(entropy).map_err(|_| ServerFault::Entropy)?;
    let header = HeaderBuilder::new().algorithm(iana::Algorithm::AES_CCM_16_128_128).key_id(lock.token_kid.0.clone());
    let object = CoseEncrypt0Builder::new().protected(header.iv(iv.to_vec()).build()).try_create_ciphertext(
        plaintext,
        &[],
        |plaintext, aad| seal(key, &iv, aad, plaintext),
    )?;
    Ok(object.build())
}

/// A token whose signature any lock checks that knows this server: for a lock or a group of them.
pub fn signed(
    claims: &Claims<'_>,
    cnf: &PublicCnf,
    signer: &dyn Signer,
    entropy: &mut dyn Entropy,
) -> Result<Vec<u8>, ServerFault> {
    sign(payload(claims, cnf.value()?, entropy)?.to_vec(), signer)
}

/// A token for one lock that costs it no public-key operation: HMAC 256/256 under a key that only it and the server have.
pub fn maced(
    claims: &Claims<'_>,
    cnf: &PublicCnf,
    lock: &Lock,
    storage: &StorageKey,
    entropy: &mut dyn Entropy,
) -> Result<Vec<u8>, ServerFault> {
    let mac = lock.mac.as_ref().ok_or(ServerFault::Records)?;
    let key = storage.open(&lock.mac_label(), &mac.key.0.0).map_err(|_| ServerFault::Seal)?;
    let header = HeaderBuilder::new().algorithm(iana::Algorithm::HMAC_256_256).key_id(mac.kid.0.clone()).build();
    let token = CoseMac0Builder::new()
        .protected(header)
        .payload(payload(claims, cnf.value()?, entropy)?.to_vec())
        .try_create_tag(&[], |to_mac| RustCrypto.hmac_sha256(&key, &[to_mac]).map(|tag| tag.to_vec()))
        .map_err(|_| ServerFault::Signing)?
        .build();
    tagged(token)
}

/// What a reference stands for.
#[derive(Clone, Copy, Debug)]
pub enum AnyCnf<'c> {
    /// Only the lock will hear it.
    Shared(&'c SharedCnf),
    /// Everybody might.
    Public(&'c PublicCnf),
}

/// A token that says nothing: 32 random bytes, and the claims that they stand for, sealed for its record.
pub fn reference(
    claims: &Claims<'_>,
    cnf: AnyCnf<'_>,
    storage: &StorageKey,
    entropy: &mut dyn Entropy,
) -> Result<(Vec<u8>, Sealed), ServerFault> {
    let token = fresh::<32>(entropy).map_err(|_| ServerFault::Entropy)?.to_vec();
    let cnf = match cnf {
        AnyCnf::Shared(cnf) => cnf.value(),
        AnyCnf::Public(cnf) => cnf.value()?,
    };
    let claims = payload(claims, cnf, entropy)?;
    let label = TokenRecord::claims_label(&token_hash(&token));
    let sealed = storage.seal(&label, &claims).map_err(|_| ServerFault::Seal)?;
    Ok((token, Sealed(Blob(sealed))))
}

impl SharedCnf {
    fn value(&self) -> Value {
        match self {
            Self::Osc(osc) => member(
                CnfMember::OSC.0,
                Value::Map(vec![
                    (int(OscMember::ID.0), bytes(&osc.id.0)),
                    (int(OscMember::MS.0), bytes(osc.ms.expose())),
                    (int(OscMember::SALT.0), bytes(&osc.salt.0)),
                ]),
            ),
            Self::Key(key) => member(CnfMember::COSE_KEY.0, key.value()),
            Self::Kid(kid) => member(CnfMember::KID.0, bytes(&kid.0)),
        }
    }
}

impl PublicCnf {
    fn value(&self) -> Result<Value, ServerFault> {
        Ok(match self {
            Self::Key(key) => member(CnfMember::COSE_KEY.0, cose_key(key)),
            Self::Kccs(ccs) => {
                let ccs: Value = ciborium::from_reader(ccs.0.as_slice()).map_err(|_| ServerFault::Records)?;
                member(CnfMember::KCCS.0, ccs)
            }
            Self::Wrapped(WrappedKey(object)) => member(CnfMember::ENCRYPTED_COSE_KEY.0, object.clone()),
        })
    }
}

/// Whether this token is the one in 65,536 that adds to the key's wear: a count without a write for every token.
///
/// The count's relative error is below 2 % when it matters, so a key stops well before 2^32 tokens.
pub fn wears(entropy: &mut dyn Entropy) -> Result<bool, ServerFault> {
    fresh::<2>(entropy).map(|draw| draw == [0, 0]).map_err(|_| ServerFault::Entropy)
}

/// The RFC 9770 §4.2 hash of a CWT, without the leading 0x01: SHA-256 of its base64url text.
#[must_use]
pub fn token_hash(token: &[u8]) -> Hash32 {
    Hash32::of(&[base64url(token).as_bytes()])
}

fn sign(payload: Vec<u8>, signer: &dyn Signer) -> Result<Vec<u8>, ServerFault> {
    let alg = match signer.alg() {
        Alg::Es256 => iana::Algorithm::ES256,
        Alg::EdDsa => iana::Algorithm::EdDSA,
    };
    let header: Header = HeaderBuilder::new().algorithm(alg).key_id(signer.kid().to_vec()).build();
    let token = CoseSign1Builder::new()
        .protected(header)
        .payload(payload)
        .try_create_signature(&[], |to_sign| signer.sign(to_sign).map(|signature| signature.to_vec()))
        .map_err(|_| ServerFault::Signing)?
        .build();
    tagged(token)
}

fn seal(key: &[u8; 16], iv: &[u8; 13], aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, ServerFault> {
    let mut sealed = plaintext.to_vec();
    let mut tag = [0; 16];
    RustCrypto.ccm_seal(key, iv, aad, &mut sealed, &mut tag).map_err(|_| ServerFault::Seal)?;
    sealed.extend_from_slice(&tag);
    Ok(sealed)
}

fn payload(claims: &Claims<'_>, cnf: Value, entropy: &mut dyn Entropy) -> Result<Zeroizing<Vec<u8>>, ServerFault> {
    let mut map = vec![
        (int(Claim::ISS.0), text(claims.iss)),
        (int(Claim::SUB.0), text(claims.sub)),
        (int(Claim::AUD.0), text(&claims.aud.to_string())),
    ];
    if let Life::Until { iat, nbf, exp } = claims.life {
        map.push((int(Claim::EXP.0), exp.0.into()));
        map.extend(nbf.map(|nbf| (int(Claim::NBF.0), nbf.0.into())));
        map.push((int(Claim::IAT.0), iat.0.into()));
    }
    let cti = match claims.life {
        Life::FromArrival { number, .. } => [claims.aud.to_string().as_bytes(), &number.to_be_bytes()].concat(),
        _ => fresh::<16>(entropy).map_err(|_| ServerFault::Entropy)?.to_vec(),
    };
    map.push((int(Claim::CTI.0), Value::Bytes(cti)));
    map.push((int(Claim::CNF.0), cnf));
    map.push((int(Claim::SCOPE.0), bytes(&claims.scope.0)));
    if let Some(cnonce) = claims.cnonce {
        map.push((int(Claim::CNONCE.0), bytes(&cnonce.0)));
    }
    if let Life::FromArrival { exi, .. } = claims.life {
        map.push((int(Claim::EXI.0), exi.into()));
    }
    if let Some(series) = claims.series {
        map.push((int(Claim::EDHOC_INFO.0), member(EdhocInfoMember::SESSION_ID.0, bytes(&series.0))));
    }
    let mut out = Zeroizing::new(Vec::with_capacity(512));
    ciborium::into_writer(&Value::Map(map), &mut *out).map_err(|_| ServerFault::Records)?;
    Ok(out)
}

fn cose_key(key: &PublicKey) -> Value {
    Value::Map(match key {
        PublicKey::P256 { x, y } => {
            vec![(int(1), int(2)), (int(-1), int(1)), (int(-2), bytes(x)), (int(-3), bytes(y))]
        }
        PublicKey::Ed25519 { x } => vec![(int(1), int(1)), (int(-1), int(6)), (int(-2), bytes(x))],
    })
}

fn tagged(token: impl TaggedCborSerializable) -> Result<Vec<u8>, ServerFault> {
    let mut out = CWT_TAG.to_vec();
    out.extend(token.to_tagged_vec().map_err(|_| ServerFault::Records)?);
    Ok(out)
}

fn member(label: i64, value: Value) -> Value {
    Value::Map(vec![(int(label), value)])
}

fn int(number: i64) -> Value {
    number.into()
}

fn bytes(bytes: &[u8]) -> Value {
    Value::Bytes(bytes.to_vec())
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// What the key under which [`wrap`] encrypts is derived for.
const WRAPPING: &[u8] = b"latchwork Encrypted_COSE_Key";
/// Tag 61 in shortest form (RFC 8392 §6).
const CWT_TAG: [u8; 2] = [0xd8, 0x3d];
/// Times 65,536 tokens: 2^31, half of what the random IV allows.
const WORN_OUT: u32 = 1 << 15;
