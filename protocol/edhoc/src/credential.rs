//! CRED_I and CRED_R (RFC 9528 §3.5.2), and how a key is found in one.

use core::fmt;

use latchwork_cbor::{Error, Kind, Reader};
use latchwork_crypto::{P256Peer, P256Public};

use crate::id_cred::IdCred;

/// A peer's credential, as the application knows or accepts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credential<'c> {
    /// CRED_x: one CBOR item, the same bytes as at the peer.
    pub cred: &'c [u8],
    /// The public key in it.
    pub key: P256Peer,
    /// The name of that key, if it has one.
    pub kid: Option<&'c [u8]>,
}

impl<'c> Credential<'c> {
    /// A CWT Claims Set with a P-256 `COSE_Key` in its `cnf`. Whether to trust it is another question.
    pub fn ccs(cred: &'c [u8]) -> Result<Self, NotACcs> {
        let (key, kid) = key_of(cred).map_err(|_| NotACcs)?.ok_or(NotACcs)?;
        Ok(Self { cred, key, kid })
    }

    /// Whether this is the credential that a peer refers to, or sent, byte for byte. A `kid` need not be unique: that the
    /// peer holds this very credential is shown by its proof alone.
    pub fn is_meant_by(&self, id_cred: IdCred<'_>) -> bool {
        match id_cred {
            IdCred::Kid(kid) => self.kid == Some(kid),
            IdCred::Kccs(ccs) => self.cred == ccs,
            IdCred::Other(_) => false,
        }
    }
}

/// What we are called, what vouches for us, and the key that proves it.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'i, K> {
    /// How the peer finds CRED_x.
    pub id_cred: IdCred<'i>,
    /// CRED_x: one CBOR item, the same bytes as at the peer.
    pub cred: &'i [u8],
    /// The private key of the public one in CRED_x. It should serve either signatures or agreement, not both (RFC 9528 §9.2).
    pub key: K,
}

impl<'i, K> Identity<'i, K> {
    /// Refers to a CWT Claims Set by the `kid` of its key, and sends it by value where that has none.
    pub fn ccs(cred: &'i [u8], key: K) -> Result<Self, NotACcs> {
        let id_cred = Credential::ccs(cred)?.kid.map_or(IdCred::Kccs(cred), IdCred::Kid);
        Ok(Self { id_cred, cred, key })
    }
}

/// The bytes are no CWT Claims Set with a P-256 public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotACcs;

impl fmt::Display for NotACcs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a CWT Claims Set with a P-256 public key")
    }
}

impl core::error::Error for NotACcs {}

/// A key and its name.
type Named<'c> = (P256Peer, Option<&'c [u8]>);

fn key_of(ccs: &[u8]) -> Result<Option<Named<'_>>, Error> {
    let mut cbor = Reader::new(ccs);
    let mut key = None;
    for _ in 0..cbor.map()? {
        if cbor.item()? != CNF {
            cbor.skip()?;
            continue;
        }
        for _ in 0..cbor.map()? {
            match cbor.item()? {
                COSE_KEY => key = cose_key(&mut Reader::new(cbor.item()?))?,
                _ => cbor.skip()?,
            }
        }
    }
    cbor.end()?;
    Ok(key)
}

/// A `COSE_Key` of type EC2 (RFC 9053 §7.1.1). One with a private half is refused: it is not private any more.
fn cose_key<'c>(cbor: &mut Reader<'c>) -> Result<Option<Named<'c>>, Error> {
    let (mut ec2, mut p256, mut x, mut y, mut kid) = (false, false, None, None, None);
    for _ in 0..cbor.map()? {
        match cbor.item()? {
            [0x01] => ec2 = cbor.item()? == [2],
            [0x02] => kid = Some(cbor.bytes()?),
            [0x20] => p256 = cbor.item()? == [1],
            [0x21] => x = Some(coordinate(cbor)?),
            // The sign alone does not help: agreement needs none, and verification wants the number.
            [0x22] if cbor.peek()? == Kind::Bool => cbor.skip()?,
            [0x22] => y = Some(coordinate(cbor)?),
            [0x23] => return Ok(None),
            _ => cbor.skip()?,
        }
    }
    let key = |x| match y {
        Some(y) => P256Peer::Point(P256Public { x, y }),
        None => P256Peer::X(x),
    };
    Ok(x.filter(|_| ec2 && p256).map(|x| (key(x), kid)))
}

fn coordinate(cbor: &mut Reader<'_>) -> Result<[u8; 32], Error> {
    cbor.bytes()?.try_into().map_err(|_| Error::WrongLength)
}

/// The claim `cnf` (RFC 8747 §3.1) and its member `COSE_Key`, encoded.
const CNF: &[u8] = &[8];
const COSE_KEY: &[u8] = &[1];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex;
    use std::{format, string::String};

    #[test]
    fn keys_in_claims() {
        let (x, y) = ("bb".repeat(32), "45".repeat(32));
        let both = P256Peer::Point(P256Public { x: [0xbb; 32], y: [0x45; 32] });
        let dress = |key: &str| format!("a108a101{key}");
        for (ccs, key) in [
            (dress(&format!("a401022001215820{x}225820{y}")), Some(both)),
            (format!("a2026b6578616d706c652e65647508a101a501020241322001215820{x}225820{y}"), Some(both)),
            (format!("a208a202f601a401022001215820{x}225820{y}0340"), Some(both)),
            (dress(&format!("a401022001215820{x}22f5")), Some(P256Peer::X([0xbb; 32]))),
            (dress(&format!("a301022001215820{x}")), Some(P256Peer::X([0xbb; 32]))),
            (dress(&format!("a501022001215820{x}225820{y}235820{x}")), None),
            (dress(&format!("a401012001215820{x}225820{y}")), None),
            (dress(&format!("a401022002215820{x}225820{y}")), None),
            (dress(&format!("a301022001225820{y}")), None),
            (dress(&format!("a40102200121581f{}225820{y}", &x[2..])), None),
            (dress(&format!("a401022001215820{x}22581f{}", &y[2..])), None),
            (dress(&format!("a401022001215820{x}225820{y}00")), None),
            ("a108a10241aa".into(), None),
            ("a108f6".into(), None),
            ("a0".into(), None),
            ("80".into(), None),
            (String::new(), None),
        ] {
            let bytes = hex(&ccs);
            assert_eq!(Credential::ccs(&bytes).ok().map(|credential| credential.key), key, "{ccs}");
        }
    }

    /// By its bytes, or by the name of its key; then in a CCS without name by value alone (RFC 9528 §3.5.3).
    #[test]
    fn who_is_meant() {
        let point = format!("2001215820{}225820{}", "bb".repeat(32), "45".repeat(32));
        let (named, nameless) = (hex(&format!("a108a101a501020241aa{point}")), hex(&format!("a108a101a40102{point}")));
        let credential = Credential::ccs(&named).unwrap();
        for (id_cred, meant) in [
            (IdCred::Kid(&[0xaa]), true),
            (IdCred::Kccs(&named), true),
            (IdCred::Kid(&[0xab]), false),
            (IdCred::Kid(&[]), false),
            (IdCred::Kccs(&nameless), false),
            (IdCred::Other(&[0xa0]), false),
        ] {
            assert_eq!(credential.is_meant_by(id_cred), meant, "{id_cred:?}");
            assert_eq!(Credential::ccs(&nameless).unwrap().is_meant_by(id_cred), id_cred == IdCred::Kccs(&nameless));
        }
        assert_eq!(Identity::ccs(&named, ()).unwrap().id_cred, IdCred::Kid(&[0xaa]));
        assert_eq!(Identity::ccs(&nameless, ()).unwrap().id_cred, IdCred::Kccs(&nameless));
        assert_eq!(Identity::ccs(&[0xa0], ()).map(|_| ()), Err(NotACcs));
    }
}
