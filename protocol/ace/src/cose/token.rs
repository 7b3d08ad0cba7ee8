//! Access tokens in the one form in which they may travel.

use core::fmt;

use latchwork_cbor::{Full, Kind as Cbor, Reader};

use super::{Headers, Kind, enc_structure, join, mac_structure, sig_structure};
use crate::{
    Error,
    codec::Hidden,
    registry::{Alg, Header, TAG_CWT},
};

/// An access token as it must travel: `61(16([..]))`, `61(17([..]))` or `61(18([..]))`, every header parameter protected, and the
/// unprotected map exactly `a0` (RFC 9770 §3). Read, not verified.
///
/// So strict because its bytes are hashed for revocation: a second form of the same token would be a token nobody revoked (§14.6).
#[derive(Debug, Clone, Copy)]
pub enum Token<'t> {
    /// Encrypted for the resource server.
    Encrypt0(Encrypt0<'t>),
    /// MACed by a key that the resource server shares.
    Mac0(Mac0<'t>),
    /// Signed by the authorization server.
    Sign1(Sign1<'t>),
}

/// An encrypted token.
#[derive(Clone, Copy)]
pub struct Encrypt0<'t> {
    /// AEAD.
    pub alg: Alg,
    /// Names the key.
    pub kid: &'t [u8],
    /// Nonce. That its length fits the algorithm is for the cryptography to check.
    pub iv: &'t [u8],
    /// Ciphertext, with the authentication tag at its end.
    pub ciphertext: &'t [u8],
    protected: &'t [u8],
}

/// A MACed token.
#[derive(Clone, Copy)]
pub struct Mac0<'t> {
    /// MAC.
    pub alg: Alg,
    /// Names the key.
    pub kid: &'t [u8],
    /// The claims set.
    pub payload: &'t [u8],
    /// The MAC's value.
    pub tag: &'t [u8],
    protected: &'t [u8],
    raw_payload: &'t [u8],
}

/// A signed token.
#[derive(Clone, Copy)]
pub struct Sign1<'t> {
    /// Signature algorithm.
    pub alg: Alg,
    /// Names the key.
    pub kid: &'t [u8],
    /// The claims set.
    pub payload: &'t [u8],
    /// The signature.
    pub signature: &'t [u8],
    protected: &'t [u8],
    raw_payload: &'t [u8],
}

impl<'t> Token<'t> {
    /// Reads a whole token.
    pub fn parse(bytes: &'t [u8]) -> Result<Self, Error> {
        let mut r = Reader::new(bytes);
        if tag(&mut r)? != TAG_CWT {
            return Err(Error::Tag);
        }
        Self::read(&mut r)
    }

    /// Reads what an encrypted token turned out to hold: `None` for a claims set, or the token nested in it (RFC 8392 §7.1), which has
    /// the same strict form, its outer tag 61 optional.
    pub fn parse_nested(plaintext: &'t [u8]) -> Result<Option<Self>, Error> {
        let mut r = Reader::new(plaintext);
        if r.peek()? == Cbor::Map {
            return Ok(None);
        }
        let mut inside = r;
        if tag(&mut inside)? == TAG_CWT {
            r = inside;
        }
        Self::read(&mut r).map(Some)
    }

    /// Which of the three it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Encrypt0(_) => Kind::Encrypt0,
            Self::Mac0(_) => Kind::Mac0,
            Self::Sign1(_) => Kind::Sign1,
        }
    }

    /// The algorithm that protects it.
    pub fn alg(&self) -> Alg {
        match self {
            Self::Encrypt0(token) => token.alg,
            Self::Mac0(token) => token.alg,
            Self::Sign1(token) => token.alg,
        }
    }

    /// Names the key that protects it.
    pub fn kid(&self) -> &'t [u8] {
        match self {
            Self::Encrypt0(token) => token.kid,
            Self::Mac0(token) => token.kid,
            Self::Sign1(token) => token.kid,
        }
    }

    fn read(r: &mut Reader<'t>) -> Result<Self, Error> {
        let kind = Kind::of_tag(tag(r)?).ok_or(Error::Tag)?;
        r.array_of(if kind == Kind::Encrypt0 { 3 } else { 4 })?;
        let (protected, headers) = byte_string(r)?;
        let headers = Headers::read_protected(headers)?;
        if r.map()? != 0 {
            return Err(Error::Unprotected);
        }
        if r.peek()? == Cbor::Null {
            return Err(Error::Detached);
        }
        let (raw_payload, payload) = byte_string(r)?;
        if headers.partial_iv.is_some() {
            return Err(Error::PartialIv);
        }
        let alg = headers.alg.ok_or(Error::Missing(Header::ALG.0))?;
        let kid = headers.kid.ok_or(Error::Missing(Header::KID.0))?;
        let token = match kind {
            Kind::Encrypt0 => {
                let iv = headers.iv.ok_or(Error::Missing(Header::IV.0))?;
                Self::Encrypt0(Encrypt0 { alg, kid, iv, ciphertext: payload, protected })
            }
            Kind::Mac0 => Self::Mac0(Mac0 { alg, kid, payload, tag: r.bytes()?, protected, raw_payload }),
            Kind::Sign1 => Self::Sign1(Sign1 { alg, kid, payload, signature: r.bytes()?, protected, raw_payload }),
        };
        r.end()?;
        Ok(token)
    }
}

impl<'t> Encrypt0<'t> {
    /// The additional authenticated data, in parts.
    pub fn aad_parts(&self) -> [&'t [u8]; 3] {
        enc_structure(self.protected)
    }

    /// The additional authenticated data, written into `out`: 12 bytes more than the protected header.
    pub fn aad<'o>(&self, out: &'o mut [u8]) -> Result<&'o [u8], Full> {
        join(&self.aad_parts(), out)
    }
}

impl<'t> Mac0<'t> {
    /// What the MAC is over, in parts.
    pub fn maced(&self) -> [&'t [u8]; 4] {
        mac_structure(self.protected, self.raw_payload)
    }
}

impl<'t> Sign1<'t> {
    /// What the signature is over, in parts.
    pub fn signed(&self) -> [&'t [u8]; 4] {
        sig_structure(self.protected, self.raw_payload)
    }
}

impl fmt::Debug for Encrypt0<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Encrypt0({:?}, {:02x?}, {:?})", self.alg, self.kid, Hidden(self.ciphertext))
    }
}

impl fmt::Debug for Mac0<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mac0({:?}, {:02x?}, {:?})", self.alg, self.kid, Hidden(self.payload))
    }
}

impl fmt::Debug for Sign1<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sign1({:?}, {:02x?}, {:?})", self.alg, self.kid, Hidden(self.payload))
    }
}

/// A tag; anything else is not tagged as it must be.
pub(super) fn tag(r: &mut Reader<'_>) -> Result<u64, Error> {
    match r.peek()? {
        Cbor::Tag => Ok(r.tag()?),
        _ => Err(Error::Tag),
    }
}

/// A byte string as it stands, and what is in it.
pub(super) fn byte_string<'t>(r: &mut Reader<'t>) -> Result<(&'t [u8], &'t [u8]), Error> {
    let mut at_start = *r;
    let bytes = r.bytes()?;
    Ok((at_start.item()?, bytes))
}
