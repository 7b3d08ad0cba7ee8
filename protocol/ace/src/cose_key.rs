//! COSE_Key: the keys that a token is bound to (RFC 9052 §7, RFC 9053 §7).

use core::fmt;

use latchwork_cbor::{Full, Kind, Reader, Writer};

use crate::{
    Error,
    codec::{self, Hidden, Put, Raw, some},
    registry::{Alg, Curve, KeyParam, KeyType},
};

/// A public or shared key. A private key is refused: whoever sends one has already given it away. No `==`: it may hold a secret.
#[derive(Debug, Clone, Copy)]
pub struct CoseKey<'t> {
    /// Names the key; not unique (RFC 9200 §5.8.2).
    pub kid: Option<&'t [u8]>,
    /// The only algorithm this key is for.
    pub alg: Option<Alg>,
    /// The key itself.
    pub key: Key<'t>,
}

/// What a [`CoseKey`] consists of. Lengths on the curves we know are right; whether a point is on its curve is not known here.
#[derive(Clone, Copy)]
pub enum Key<'t> {
    /// A point of a curve with two coordinates, such as P-256.
    Ec2 {
        /// The curve.
        crv: Curve,
        /// Big-endian coordinate.
        x: &'t [u8],
        /// Big-endian coordinate.
        y: &'t [u8],
    },
    /// A point of X25519, Ed25519 and the like.
    Okp {
        /// The curve.
        crv: Curve,
        /// The encoded point.
        x: &'t [u8],
    },
    /// A shared secret. May travel only inside an encrypted token or a protected answer (RFC 8747 §3.2).
    Symmetric {
        /// The secret.
        k: &'t [u8],
    },
    /// A type of key that we do not know, so that a server can answer `unsupported_pop_key`.
    Other {
        /// The type; `None` if it is a text.
        kty: Option<KeyType>,
        /// The whole COSE_Key.
        raw: &'t [u8],
    },
}

impl<'t> CoseKey<'t> {
    /// A point of P-256.
    pub fn p256(x: &'t [u8; 32], y: &'t [u8; 32]) -> Self {
        Self { kid: None, alg: None, key: Key::Ec2 { crv: Curve::P_256, x, y } }
    }

    /// An Ed25519 key.
    pub fn ed25519(x: &'t [u8; 32]) -> Self {
        Self { kid: None, alg: None, key: Key::Okp { crv: Curve::ED25519, x } }
    }

    /// The coordinates, if this is a point of P-256.
    pub fn as_p256(&self) -> Option<(&'t [u8; 32], &'t [u8; 32])> {
        match self.key {
            Key::Ec2 { crv: Curve::P_256, x, y } => Some((x.try_into().ok()?, y.try_into().ok()?)),
            _ => None,
        }
    }

    /// The encoded point, if this is an Ed25519 key.
    pub fn as_ed25519(&self) -> Option<&'t [u8; 32]> {
        match self.key {
            Key::Okp { crv: Curve::ED25519, x } => x.try_into().ok(),
            _ => None,
        }
    }

    /// Reads one COSE_Key that is a whole message.
    pub fn decode(bytes: &'t [u8]) -> Result<Self, Error> {
        let mut r = Reader::new(bytes);
        let key = Self::read(&mut r)?;
        r.end()?;
        Ok(key)
    }

    /// Reads one COSE_Key.
    pub fn read(r: &mut Reader<'t>) -> Result<Self, Error> {
        let mut at_start = *r;
        let (mut kid, mut alg) = (None, None);
        let mut kty = None;
        // The meaning of -1 to -4 depends on the key type, which may come after them.
        let mut params = [None; 4];
        codec::map(r, |label, r| {
            match label.map(KeyParam) {
                Some(KeyParam::KTY) => {
                    kty = Some(match r.peek()? {
                        Kind::Text => r.skip().map(|()| None)?,
                        _ => Some(KeyType(r.int()?)),
                    });
                }
                Some(KeyParam::KID) => kid = Some(r.bytes()?),
                Some(KeyParam::ALG) => alg = Some(codec::algorithm(r)?),
                Some(KeyParam(label @ -4..=-1)) => {
                    if let Some(place) = params.get_mut((-1 - label) as usize) {
                        *place = Some(*r);
                    }
                    r.skip()?;
                }
                _ => r.skip()?,
            }
            Ok(())
        })?;
        let [first, second, third, fourth] = params;
        let key = match kty.ok_or(Error::Missing(KeyParam::KTY.0))? {
            Some(kty @ (KeyType::EC2 | KeyType::OKP)) => {
                if fourth.is_some() {
                    return Err(Error::PrivateKey);
                }
                let crv = Curve(first.ok_or(Error::Missing(CRV))?.int()?);
                let x = second.ok_or(Error::Missing(X))?.bytes()?;
                let y = if kty == KeyType::EC2 { Some(coordinate(third.ok_or(Error::Missing(Y))?)?) } else { None };
                let len = match (kty, crv) {
                    (KeyType::EC2, Curve::P_256) | (KeyType::OKP, Curve::X25519 | Curve::ED25519) => Some(32),
                    (KeyType::EC2, Curve::P_384) => Some(48),
                    (KeyType::EC2, Curve::P_521) => Some(66),
                    (KeyType::OKP, Curve::X448) => Some(56),
                    (KeyType::OKP, Curve::ED448) => Some(57),
                    _ => None,
                };
                if len.is_some_and(|len| x.len() != len || y.is_some_and(|y| y.len() != len)) {
                    return Err(Error::KeyLength);
                }
                y.map_or(Key::Okp { crv, x }, |y| Key::Ec2 { crv, x, y })
            }
            Some(KeyType::SYMMETRIC) => {
                let k = first.ok_or(Error::Missing(K))?.bytes()?;
                if k.is_empty() {
                    return Err(Error::KeyLength);
                }
                Key::Symmetric { k }
            }
            kty => Key::Other { kty, raw: at_start.item()? },
        };
        Ok(Self { kid, alg, key })
    }

    /// Writes one COSE_Key.
    pub fn write(&self, w: &mut Writer<'_>) -> Result<(), Full> {
        let (kty, crv, x, y, k) = match self.key {
            Key::Ec2 { crv, x, y } => (KeyType::EC2, Some(crv.0), Some(x), Some(y), None),
            Key::Okp { crv, x } => (KeyType::OKP, Some(crv.0), Some(x), None, None),
            Key::Symmetric { k } => (KeyType::SYMMETRIC, None, None, None, Some(k)),
            Key::Other { raw, .. } => return Raw(raw).put(w),
        };
        codec::write_map(
            w,
            &[
                some(KeyParam::KTY.0, &Some(kty.0)),
                some(KeyParam::KID.0, &self.kid),
                some(KeyParam::ALG.0, &self.alg.map(|alg| alg.0)),
                some(CRV, &crv),
                some(K, &k),
                some(X, &x),
                some(Y, &y),
            ],
        )
    }
}

/// y, which may not be given by its sign.
fn coordinate<'t>(mut y: Reader<'t>) -> Result<&'t [u8], Error> {
    match y.peek()? {
        Kind::Bool => Err(Error::CompressedPoint),
        _ => Ok(y.bytes()?),
    }
}

impl Put for CoseKey<'_> {
    fn put(&self, w: &mut Writer<'_>) -> Result<(), Full> {
        self.write(w)
    }
}

impl fmt::Debug for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ec2 { crv, x, y } => write!(f, "Ec2({crv:?}, {x:02x?}, {y:02x?})"),
            Self::Okp { crv, x } => write!(f, "Okp({crv:?}, {x:02x?})"),
            Self::Symmetric { k } => write!(f, "Symmetric{:?}", Hidden(k)),
            Self::Other { kty, raw } => write!(f, "Other({kty:?}, {:?})", Hidden(raw)),
        }
    }
}

const CRV: i64 = -1;
const K: i64 = -1;
const X: i64 = -2;
const Y: i64 = -3;
