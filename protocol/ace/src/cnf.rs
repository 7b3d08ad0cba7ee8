//! Confirmation: which key proves that a token belongs to its presenter (RFC 8747 §3).

use core::fmt;

use latchwork_cbor::{Full, Kind, Reader, Writer};

use crate::{
    CoseKey, Error, OscMaterial,
    codec::{self, Hidden, Put, Raw, some},
    cose_key::Key,
    registry::CnfMember,
};

/// The value of `cnf`, `req_cnf` and `rs_cnf`. It names a single key, so two members that we know are refused, whichever they are.
#[derive(Clone, Copy)]
pub enum Cnf<'t> {
    /// The key itself.
    CoseKey(CoseKey<'t>),
    /// The key, encrypted for the resource server: one untagged COSE_Encrypt0 or COSE_Encrypt, not opened here.
    EncryptedCoseKey(&'t [u8]),
    /// A key known by this name.
    Kid(&'t [u8]),
    /// What an OSCORE context is derived from.
    Osc(OscMaterial<'t>),
    /// SHA-256 thumbprint of a COSE_Key (RFC 9679).
    Ckt(&'t [u8]),
    /// A CWT claims set: one map, for [`Claims::decode`](crate::Claims::decode) where its `cnf` is wanted, byte for byte where EDHOC wants it.
    Kccs(&'t [u8]),
    /// A CWT: one item, tagged or not.
    Kcwt(&'t [u8]),
    /// A certificate, or a hash or address of one, as one item.
    Certificate(CnfMember, &'t [u8]),
    /// Only members that we do not know. Nobody can prove possession of that.
    Unknown,
}

impl<'t> Cnf<'t> {
    /// Reads one map.
    pub fn read(r: &mut Reader<'t>) -> Result<Self, Error> {
        let mut found = None;
        codec::map(r, |label, r| {
            let cnf = match label.map(CnfMember) {
                Some(CnfMember::COSE_KEY) => Self::CoseKey(CoseKey::read(r)?),
                Some(CnfMember::ENCRYPTED_COSE_KEY) => Self::EncryptedCoseKey(item_of(r, Kind::Array)?),
                Some(CnfMember::KID) => Self::Kid(r.bytes()?),
                Some(CnfMember::OSC) => Self::Osc(OscMaterial::read(r)?),
                Some(CnfMember::CKT) => Self::Ckt(r.bytes()?),
                Some(CnfMember::KCCS) => Self::Kccs(item_of(r, Kind::Map)?),
                Some(CnfMember::KCWT) => Self::Kcwt(r.item()?),
                Some(
                    member @ (CnfMember::X5T
                    | CnfMember::X5U
                    | CnfMember::C5T
                    | CnfMember::C5U
                    | CnfMember::X5CHAIN
                    | CnfMember::X5BAG
                    | CnfMember::C5C
                    | CnfMember::C5B),
                ) => Self::Certificate(member, r.item()?),
                _ => return Ok(r.skip()?),
            };
            match found.replace(cnf) {
                None => Ok(()),
                Some(_) => Err(Error::SeveralKeys),
            }
        })?;
        Ok(found.unwrap_or(Self::Unknown))
    }

    /// Whether whoever reads this knows the key. Then it may travel only in an encrypted token or a protected answer (RFC 8747 §3.2,
    /// RFC 9203 §3.2), never in a token that is merely signed or MACed.
    pub fn tells_a_secret(&self) -> bool {
        match self {
            Self::Osc(_) => true,
            Self::CoseKey(key) => matches!(key.key, Key::Symmetric { .. } | Key::Other { .. }),
            _ => false,
        }
    }

    /// Writes one map.
    pub fn write(&self, w: &mut Writer<'_>) -> Result<(), Full> {
        let member = match self {
            Self::CoseKey(key) => (CnfMember::COSE_KEY.0, Some(key as &dyn Put)),
            Self::EncryptedCoseKey(raw) => return one(w, CnfMember::ENCRYPTED_COSE_KEY, raw),
            Self::Kid(kid) => (CnfMember::KID.0, Some(kid as &dyn Put)),
            Self::Osc(osc) => (CnfMember::OSC.0, Some(osc as &dyn Put)),
            Self::Ckt(hash) => (CnfMember::CKT.0, Some(hash as &dyn Put)),
            Self::Kccs(raw) => return one(w, CnfMember::KCCS, raw),
            Self::Kcwt(raw) => return one(w, CnfMember::KCWT, raw),
            Self::Certificate(member, raw) => return one(w, *member, raw),
            Self::Unknown => return w.map(0).map(drop),
        };
        codec::write_map(w, &[member])
    }
}

fn one(w: &mut Writer<'_>, member: CnfMember, raw: &[u8]) -> Result<(), Full> {
    codec::write_map(w, &[some(member.0, &Some(Raw(raw)))])
}

/// One item of this kind.
fn item_of<'t>(r: &mut Reader<'t>, kind: Kind) -> Result<&'t [u8], Error> {
    match r.peek()? {
        found if found == kind => Ok(r.item()?),
        found => Err(Error::Cbor(latchwork_cbor::Error::Unexpected(found))),
    }
}

impl Put for Cnf<'_> {
    fn put(&self, w: &mut Writer<'_>) -> Result<(), Full> {
        self.write(w)
    }
}

impl fmt::Debug for Cnf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CoseKey(key) => key.fmt(f),
            Self::EncryptedCoseKey(raw) => write!(f, "EncryptedCoseKey{:?}", Hidden(raw)),
            Self::Kid(kid) => write!(f, "Kid({kid:02x?})"),
            Self::Osc(osc) => osc.fmt(f),
            Self::Ckt(hash) => write!(f, "Ckt({hash:02x?})"),
            Self::Kccs(raw) => write!(f, "Kccs({raw:02x?})"),
            Self::Kcwt(raw) => write!(f, "Kcwt({raw:02x?})"),
            Self::Certificate(member, raw) => write!(f, "Certificate({member:?}, {raw:02x?})"),
            Self::Unknown => f.write_str("Unknown"),
        }
    }
}
