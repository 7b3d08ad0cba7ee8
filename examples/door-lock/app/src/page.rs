//! What enrolment gives to a lock, as a page of its flash: the lock's file, for boards that have no files.

use latchwork_ace::Aif;
use latchwork_cbor::{Full, Reader, Writer};
use latchwork_crypto::{P256Public, Secret};
use latchwork_rs_lib::{Issuer, Key, NamedScope, TokenKey};

/// The page, with everything borrowed from it but the secrets, which are copied to where they are wiped.
pub struct Page<'p> {
    /// The audience that names this lock.
    pub audience: &'p str,
    /// `iss` of its server.
    pub issuer: &'p str,
    /// Where to ask for tokens.
    pub token_uri: &'p str,
    /// The key of encrypted tokens, and its name.
    pub token_key: (&'p [u8], Secret<16>),
    /// The server's public keys, and their names.
    pub public_keys: [Option<(&'p [u8], Public)>; MAX_KEYS],
    /// What hints suggest; places without a name are empty.
    pub scopes: [NamedScope<'p>; MAX_SCOPES],
    /// Random bytes from the factory, where the board has no source of its own.
    pub seed: Secret<32>,
    /// Whether tokens count from their receipt (`exi`). Else they answer a nonce of the lock's own (`cnonce`).
    pub counts: bool,
    /// The lock's static Diffie-Hellman key, and the credential (a CCS) that has its public half; None for a lock that
    /// speaks no EDHOC.
    pub own_key: Option<(Secret<32>, &'p [u8])>,
}

/// A public key that tokens are signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Public {
    /// ES256.
    Es256(P256Public),
    /// EdDSA.
    EdDsa([u8; 32]),
}

/// This is no page, or one with more in it than a lock can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAPage;

impl From<latchwork_cbor::Error> for NotAPage {
    fn from(_: latchwork_cbor::Error) -> Self {
        Self
    }
}

impl<'p> Page<'p> {
    /// Reads a page. What follows it in the flash is not looked at.
    pub fn parse(flash: &'p [u8]) -> Result<Self, NotAPage> {
        let whole = Reader::new(flash).item()?;
        let mut r = Reader::new(whole);
        r.array_of(ITEMS)?;
        let (audience, issuer, token_uri) = (r.text()?, r.text()?, r.text()?);
        let token_key = (r.bytes()?, r.bytes()?.try_into().map_err(|_| NotAPage)?);
        let public_keys = table(&mut r, |r| {
            let width = r.array()?;
            let kid = r.bytes()?;
            let x = coordinate(r)?;
            let key = match width {
                2 => Public::EdDsa(x),
                3 => Public::Es256(P256Public { x, y: coordinate(r)? }),
                _ => return Err(NotAPage),
            };
            Ok((kid, key))
        })?;
        let mut named = table::<_, MAX_SCOPES>(&mut r, |r| {
            r.array_of(2)?;
            let (name, grants) = (r.text()?, r.bytes()?);
            Ok(NamedScope { name, grants: Aif::parse(grants).map_err(|_| NotAPage)? })
        })?
        .into_iter()
        .flatten();
        let nothing = Aif::parse(&[0x80]).map_err(|_| NotAPage)?;
        let scopes = core::array::from_fn(|_| named.next().unwrap_or(NamedScope { name: "", grants: nothing }));
        let seed = r.bytes()?.try_into().map_err(|_| NotAPage)?;
        let counts = match r.uint()? {
            0 => false,
            1 => true,
            _ => return Err(NotAPage),
        };
        let own_key = match r.array()? {
            0 => None,
            2 => Some((r.bytes()?.try_into().map_err(|_| NotAPage)?, r.bytes()?)),
            _ => return Err(NotAPage),
        };
        Ok(Self { audience, issuer, token_uri, token_key, public_keys, scopes, seed, counts, own_key })
    }

    /// Writes the page.
    pub fn write<'o>(&self, out: &'o mut [u8]) -> Result<&'o [u8], Full> {
        let mut w = Writer::new(out);
        w.array(ITEMS)?.text(self.audience)?.text(self.issuer)?.text(self.token_uri)?;
        w.bytes(self.token_key.0)?.bytes(self.token_key.1.expose())?;
        w.array(self.public_keys.iter().flatten().count())?;
        for (kid, key) in self.public_keys.iter().flatten() {
            match key {
                Public::EdDsa(x) => w.array(2)?.bytes(kid)?.bytes(x)?,
                Public::Es256(P256Public { x, y }) => w.array(3)?.bytes(kid)?.bytes(x)?.bytes(y)?,
            };
        }
        w.array(self.scopes().len())?;
        for scope in self.scopes() {
            w.array(2)?.text(scope.name)?.bytes(scope.grants.as_bytes())?;
        }
        w.bytes(self.seed.expose())?.uint(self.counts.into())?;
        match &self.own_key {
            None => w.array(0)?,
            Some((key, ccs)) => w.array(2)?.bytes(key.expose())?.bytes(ccs)?,
        };
        Ok(w.finish())
    }

    /// Every key that tokens may be protected with, and how many there are of them.
    pub fn keys(&self) -> ([TokenKey<'_>; 1 + MAX_KEYS], usize) {
        let (kid, secret) = &self.token_key;
        let symmetric = || TokenKey { kid, key: Key::AesCcm(secret), retired: false };
        let mut keys = core::array::from_fn(|_| symmetric());
        let mut count = 1;
        for (&(kid, public), place) in self.public_keys.iter().flatten().zip(keys.iter_mut().skip(1)) {
            let key = match public {
                Public::Es256(key) => Key::Es256(key),
                Public::EdDsa(key) => Key::EdDsa(key),
            };
            *place = TokenKey { kid, key, retired: false };
            count += 1;
        }
        (keys, count)
    }

    /// The server of these keys.
    pub fn issuer<'k>(&self, keys: &'k [TokenKey<'k>]) -> Issuer<'k>
    where
        'p: 'k,
    {
        Issuer { name: self.issuer, token_uri: self.token_uri, keys, ceiling: None, audiences: None }
    }

    /// What hints suggest.
    pub fn scopes(&self) -> &[NamedScope<'p>] {
        let count = self.scopes.iter().take_while(|scope| !scope.name.is_empty()).count();
        self.scopes.get(..count).unwrap_or_default()
    }
}

fn table<'p, T, const N: usize>(
    r: &mut Reader<'p>,
    mut row: impl FnMut(&mut Reader<'p>) -> Result<T, NotAPage>,
) -> Result<[Option<T>; N], NotAPage> {
    let mut rows = [const { None }; N];
    let count = r.array()?;
    if count > N {
        return Err(NotAPage);
    }
    for place in rows.iter_mut().take(count) {
        *place = Some(row(r)?);
    }
    Ok(rows)
}

fn coordinate(r: &mut Reader<'_>) -> Result<[u8; 32], NotAPage> {
    r.bytes()?.try_into().map_err(|_| NotAPage)
}

/// How many public keys a page holds: two, for a rotation.
pub const MAX_KEYS: usize = 2;

/// How many named scopes a page holds.
pub const MAX_SCOPES: usize = 4;

/// Bytes that are enough for any page.
pub const MAX_LEN: usize = 2048;

const ITEMS: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn page(aif: &mut [u8; Aif::MAX_LEN]) -> Page<'_> {
        let grants = Aif::encode(&[("/door", latchwork_ace::aif::Methods(2))], aif).unwrap();
        let nothing = Aif::parse(&[0x80]).unwrap();
        Page {
            audience: "urn:latchwork:lock:front",
            issuer: "https://as.example",
            token_uri: "https://as.example/token",
            token_key: (b"front", Secret::new([7; 16])),
            public_keys: [
                Some((b"01", Public::Es256(P256Public { x: [1; 32], y: [2; 32] }))),
                Some((b"02", Public::EdDsa([3; 32]))),
            ],
            scopes: [("door:open", grants), ("", nothing), ("", nothing), ("", nothing)]
                .map(|(name, grants)| NamedScope { name, grants }),
            seed: Secret::new([9; 32]),
            counts: true,
            own_key: Some((Secret::new([5; 32]), b"ccs")),
        }
    }

    #[test]
    fn a_page_reads_back() {
        let (mut flash, mut aif) = ([0xff; MAX_LEN], [0; Aif::MAX_LEN]);
        page(&mut aif).write(&mut flash).unwrap();
        let read = Page::parse(&flash).unwrap();
        assert_eq!((read.audience, read.issuer), ("urn:latchwork:lock:front", "https://as.example"));
        assert_eq!(read.token_uri, "https://as.example/token");
        assert_eq!((read.token_key.0, read.token_key.1.expose()), (&b"front"[..], &[7; 16]));
        assert_eq!(read.seed.expose(), &[9; 32]);
        assert!(read.counts);
        assert_eq!(read.own_key.as_ref().map(|(key, ccs)| (key.expose(), *ccs)), Some((&[5; 32], &b"ccs"[..])));
        let (keys, count) = read.keys();
        assert_eq!(count, 3);
        assert!(matches!(keys[1], TokenKey { kid: b"01", key: Key::Es256(P256Public { x: [1, ..], .. }), .. }));
        assert!(matches!(keys[2], TokenKey { kid: b"02", key: Key::EdDsa([3, ..]), .. }));
        let [scope] = read.scopes() else { panic!("one scope") };
        assert_eq!((scope.name, scope.grants.as_bytes()), ("door:open", &b"\x81\x82\x65/door\x02"[..]));
    }

    #[test]
    fn what_is_no_page_is_refused_whole() {
        let (mut flash, mut aif) = ([0xff; MAX_LEN], [0; Aif::MAX_LEN]);
        let length = page(&mut aif).write(&mut flash).unwrap().len();
        for cut in 0..length {
            assert!(Page::parse(&flash[..cut]).is_err(), "cut at {cut}");
        }
        assert!(Page::parse(&[0xff; MAX_LEN]).is_err(), "erased flash");
    }
}
