//! COSE envelopes of tokens (RFC 9052), and what is signed, MACed or authenticated in them.
//!
//! [`Token::parse`] takes the one form in which an access token may travel (RFC 9770 §3). [`Envelope::parse`] takes COSE as others
//! write it, with headers anywhere; there is no way from an `Envelope` to a `Token`.

mod envelope;
mod headers;
mod token;

pub use envelope::Envelope;
pub use headers::Headers;
pub use token::{Encrypt0, Mac0, Sign1, Token};

use latchwork_cbor::{Full, Writer};

use crate::{
    codec::{self, Put, some},
    registry::{Alg, Header, TAG_CWT},
};

/// The COSE structures with one recipient and one signer; their CBOR tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Encrypted (tag 16).
    Encrypt0,
    /// MACed (tag 17).
    Mac0,
    /// Signed (tag 18).
    Sign1,
}

impl Kind {
    /// The CBOR tag (RFC 9052 §2, Table 1).
    pub const fn tag(self) -> u64 {
        match self {
            Self::Encrypt0 => 16,
            Self::Mac0 => 17,
            Self::Sign1 => 18,
        }
    }

    fn of_tag(tag: u64) -> Option<Self> {
        [Self::Encrypt0, Self::Mac0, Self::Sign1].into_iter().find(|kind| kind.tag() == tag)
    }
}

/// Enc_structure of an Encrypt0 (RFC 9052 §5.3), in parts that follow each other: the additional data of its AEAD.
///
/// `protected` is the protected header as it stands in the object, a CBOR byte string. The external data is empty, as in every CWT.
pub const fn enc_structure(protected: &[u8]) -> [&[u8]; 3] {
    [b"\x83\x68Encrypt0", protected, EMPTY_BYTES]
}

/// Sig_structure of a Sign1 (RFC 9052 §4.4), in parts that follow each other. Both arguments are CBOR byte strings as in the object.
pub const fn sig_structure<'t>(protected: &'t [u8], payload: &'t [u8]) -> [&'t [u8]; 4] {
    [b"\x84\x6aSignature1", protected, EMPTY_BYTES, payload]
}

/// MAC_structure of a Mac0 (RFC 9052 §6.3), in parts that follow each other. Both arguments are CBOR byte strings as in the object.
pub const fn mac_structure<'t>(protected: &'t [u8], payload: &'t [u8]) -> [&'t [u8]; 4] {
    [b"\x84\x64MAC0", protected, EMPTY_BYTES, payload]
}

/// Puts parts one behind the other, for who cannot take them in parts.
pub fn join<'o>(parts: &[&[u8]], out: &'o mut [u8]) -> Result<&'o [u8], Full> {
    let mut w = Writer::new(out);
    for part in parts {
        w.raw(part)?;
    }
    Ok(w.finish())
}

/// Writes the protected header of a token, as the CBOR byte string that stands in the object. At most 255 bytes.
pub fn protected<'o>(alg: Alg, kid: &[u8], iv: Option<&[u8]>, out: &'o mut [u8]) -> Result<&'o [u8], Full> {
    let mut map = [0; 255];
    let map = codec::whole(&mut map, |w| {
        codec::write_map(
            w,
            &[some(Header::ALG.0, &Some(alg.0)), some(Header::KID.0, &Some(kid)), some(Header::IV.0, &iv)],
        )
    })?;
    codec::whole(out, |w| map.put(w))
}

/// Writes a token in the form of RFC 9770 §3. `protected` is what [`protected()`] wrote; `content` is the ciphertext or the payload;
/// `authenticator`, absent for an Encrypt0, the signature or MAC.
pub fn token<'o>(
    kind: Kind,
    protected: &[u8],
    content: &[u8],
    authenticator: Option<&[u8]>,
    out: &'o mut [u8],
) -> Result<&'o [u8], Full> {
    let mut w = Writer::new(out);
    w.tag(TAG_CWT)?.tag(kind.tag())?.array(3 + usize::from(authenticator.is_some()))?;
    w.raw(protected)?.map(0)?.bytes(content)?;
    if let Some(authenticator) = authenticator {
        w.bytes(authenticator)?;
    }
    Ok(w.finish())
}

const EMPTY_BYTES: &[u8] = b"\x40";
