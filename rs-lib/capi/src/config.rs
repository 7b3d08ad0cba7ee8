//! What a lock was told when it was enrolled, as C says it, and as `rs-lib` wants it.

use crate::edhoc::OwnKey;
use crate::lock::Status;
use crate::{LATCHWORK_ISSUERS, LATCHWORK_KEYS, LATCHWORK_NAMES};
use core::slice;
use latchwork_ace::Aif;
use latchwork_crypto::{P256Public, Secret};
use latchwork_rs_lib::nonce::Nonces;
use latchwork_rs_lib::trust::{self, Freshness, NamedScope, TokenKey, Trust};

/// Bytes that somebody else owns; text is UTF-8 without a zero at the end. May be null if there are none.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Bytes {
    /// The first of them.
    pub data: *const u8,
    /// How many.
    pub len: usize,
}

/// What a key is good for.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// AES-CCM-16-128-128, 16 bytes, shared by the lock and its server. Copied at the start.
    AesCcm = 1,
    /// The server's public ES256 key: x and y, 32 bytes each, big-endian.
    Es256 = 2,
    /// The server's public EdDSA key, 32 bytes.
    EdDsa = 3,
}

/// A key that tokens are protected with.
#[repr(C)]
pub struct Key {
    /// What it is good for: a `KeyKind`.
    pub kind: u8,
    /// The rotation is over: tokens under this key are refused.
    pub retired: bool,
    /// The name by which tokens refer to it.
    pub kid: Bytes,
    /// The key.
    pub key: Bytes,
}

/// An authorization server.
#[repr(C)]
pub struct Issuer {
    /// Its `iss`; text.
    pub name: Bytes,
    /// Where to ask for tokens; goes into hints; text.
    pub token_uri: Bytes,
    /// Every key that it protects tokens with: during a rotation both the old one and the new.
    pub keys: *const Key,
    /// How many.
    pub keys_len: usize,
    /// The most that its tokens may grant here, as AIF in CBOR (RFC 9237); empty for whatever they say.
    pub ceiling: Bytes,
}

/// A scope as people say it, and what it stands for.
#[repr(C)]
pub struct Scope {
    /// For example `door:open`; text.
    pub name: Bytes,
    /// What tokens carry for it: AIF in CBOR (RFC 9237).
    pub grants: Bytes,
}

/// What a lock was told when it was enrolled. It and all that it points to stay as they are while the lock is used; only
/// AES keys and the private key may be wiped after the start.
#[repr(C)]
pub struct Config {
    /// The audience that names this lock and no other; text.
    pub audience: Bytes,
    /// Further audiences that it shares with others; they count in signed tokens only. Text.
    pub groups: *const Bytes,
    /// How many.
    pub groups_len: usize,
    /// Whom it trusts.
    pub issuers: *const Issuer,
    /// How many.
    pub issuers_len: usize,
    /// What hints suggest to ask for.
    pub scopes: *const Scope,
    /// How many.
    pub scopes_len: usize,
    /// The absolute paths that exist here, `/door` say; text. A token whose scope mentions none of them is refused.
    pub paths: *const Bytes,
    /// How many.
    pub paths_len: usize,
    /// For a lock without a clock, which wants its own nonce back in every token (RFC 9200 §5.3.1): how many seconds a client
    /// may take to fetch a token. 0 for a lock that goes by what tokens say: `exp` by the clock, `exi` by the flash.
    pub nonce_fresh: u64,
    /// How many seconds rights last that rest on a nonce, from the making of the nonce.
    pub nonce_rights: u64,
    /// The lock's own key; null for a lock that speaks no EDHOC. Needs a library with the feature `edhoc`, and somebody who computes on
    /// P-256: its feature `ecdh-p256` or `es256-cortex-m4`, or `Hardware`.
    pub own_key: *const OwnKey,
}

/// The AES keys, in the order in which the issuers have them.
pub(crate) type Secrets = [Secret<16>; LATCHWORK_KEYS];

impl Bytes {
    /// # Safety
    /// If not null, `data` points to `len` bytes that stay as they are for `'c`.
    pub(crate) unsafe fn bytes<'c>(self) -> Result<&'c [u8], Status> {
        // SAFETY: the caller's.
        unsafe { elements(self.data, self.len) }
    }

    /// # Safety
    /// As for [`bytes`](Self::bytes).
    unsafe fn text<'c>(self) -> Result<&'c str, Status> {
        // SAFETY: the caller's.
        core::str::from_utf8(unsafe { self.bytes() }?).map_err(|_| Status::BadConfig)
    }
}

/// Refuses a pointer to nothing, which is not as good as an empty table: what comes after would move up.
///
/// # Safety
/// If neither null nor misaligned, `data` points to `len` values that stay as they are for `'c`.
unsafe fn elements<'c, T>(data: *const T, len: usize) -> Result<&'c [T], Status> {
    if len == 0 {
        return Ok(&[]);
    }
    if data.is_null() || !data.is_aligned() || len.saturating_mul(size_of::<T>()) > isize::MAX as usize {
        return Err(Status::BadConfig);
    }
    // SAFETY: not null, aligned and not too long; the rest is the caller's.
    Ok(unsafe { slice::from_raw_parts(data, len) })
}

impl Config {
    /// Copies the AES keys out.
    ///
    /// # Safety
    /// The config keeps its promises.
    pub(crate) unsafe fn secrets(&self) -> Result<Secrets, Status> {
        let mut secrets: Secrets = core::array::from_fn(|_| Secret::new([0; 16]));
        let mut places = secrets.iter_mut();
        if self.issuers_len > LATCHWORK_ISSUERS {
            return Err(Status::BadConfig);
        }
        // SAFETY: the caller's.
        let issuers = unsafe { elements(self.issuers, self.issuers_len) }?;
        for issuer in issuers {
            if issuer.keys_len > LATCHWORK_KEYS {
                return Err(Status::BadConfig);
            }
            // SAFETY: the caller's.
            for key in unsafe { elements(issuer.keys, issuer.keys_len) }? {
                let place = places.next().ok_or(Status::BadConfig)?;
                if key.kind == KeyKind::AesCcm as u8 {
                    // SAFETY: the caller's.
                    let bytes = unsafe { key.key.bytes() }?;
                    *place = Secret::try_from(bytes).map_err(|_| Status::BadConfig)?;
                }
            }
        }
        Ok(secrets)
    }

    /// Runs `then` with all of it.
    ///
    /// # Safety
    /// The config keeps its promises.
    pub(crate) unsafe fn trust<T>(
        &self,
        secrets: &Secrets,
        nonces: Option<&Nonces>,
        then: impl FnOnce(&Trust<'_>) -> T,
    ) -> Result<T, Status> {
        // Before anything is read past what there is room for.
        if self.issuers_len > LATCHWORK_ISSUERS || self.groups_len.max(self.scopes_len) > LATCHWORK_NAMES {
            return Err(Status::BadConfig);
        }
        // SAFETY: the caller's.
        unsafe {
            let listed = elements(self.issuers, self.issuers_len)?;
            let mut keys: [TokenKey<'_>; LATCHWORK_KEYS] =
                core::array::from_fn(|_| TokenKey { kid: &[], key: trust::Key::EdDsa([0; 32]), retired: true });
            let mut used = 0;
            for issuer in listed {
                for key in elements(issuer.keys, issuer.keys_len)? {
                    let place = keys.get_mut(used).ok_or(Status::BadConfig)?;
                    *place = key.read(secrets.get(used).ok_or(Status::BadConfig)?)?;
                    used = used.saturating_add(1);
                }
            }
            let mut rest = &keys[..];
            let mut issuers: [trust::Issuer<'_>; LATCHWORK_ISSUERS] = core::array::from_fn(|_| trust::Issuer {
                name: "",
                token_uri: "",
                keys: &[],
                ceiling: None,
                audiences: None,
            });
            for (place, issuer) in issuers.iter_mut().zip(listed) {
                let (own, others) = rest.split_at_checked(issuer.keys_len).ok_or(Status::BadConfig)?;
                rest = others;
                let ceiling = issuer.ceiling.bytes()?;
                let ceiling = if ceiling.is_empty() { None } else { Some(aif(ceiling)?) };
                let (name, token_uri) = (issuer.name.text()?, issuer.token_uri.text()?);
                *place = trust::Issuer { name, token_uri, keys: own, ceiling, audiences: None };
            }
            let nothing = aif(&[0x80])?;
            let listed = elements(self.scopes, self.scopes_len)?;
            let mut scopes: [NamedScope<'_>; LATCHWORK_NAMES] =
                core::array::from_fn(|_| NamedScope { name: "", grants: nothing });
            for (place, scope) in scopes.iter_mut().zip(listed) {
                *place = NamedScope { name: scope.name.text()?, grants: aif(scope.grants.bytes()?)? };
            }
            let groups = texts(self.groups, self.groups_len)?;
            Ok(then(&Trust {
                audience: self.audience.text()?,
                groups: groups.get(..self.groups_len).ok_or(Status::BadConfig)?,
                issuers: issuers.get(..self.issuers_len).filter(|_| used > 0).ok_or(Status::BadConfig)?,
                freshness: nonces.map_or(Freshness::Clock, Freshness::Nonce),
                scopes: scopes.get(..self.scopes_len).ok_or(Status::BadConfig)?,
            }))
        }
    }

    /// # Safety
    /// The config keeps its promises.
    pub(crate) unsafe fn own_key<'c>(&self) -> Result<Option<&'c OwnKey>, Status> {
        if self.own_key.is_null() {
            return Ok(None);
        }
        // SAFETY: the caller's.
        unsafe { elements(self.own_key, 1) }.map(<[_]>::first)
    }

    /// The paths; those past [`paths_len`](Self::paths_len) are empty.
    ///
    /// # Safety
    /// The config keeps its promises.
    pub(crate) unsafe fn paths<'c>(&self) -> Result<[&'c str; LATCHWORK_NAMES], Status> {
        if self.paths_len > LATCHWORK_NAMES {
            return Err(Status::BadConfig);
        }
        // SAFETY: the caller's.
        unsafe { texts(self.paths, self.paths_len) }
    }
}

impl Key {
    /// # Safety
    /// The key keeps its promises.
    unsafe fn read<'c>(&self, secret: &'c Secret<16>) -> Result<TokenKey<'c>, Status> {
        // SAFETY: the caller's.
        let (kid, bytes) = unsafe { (self.kid.bytes()?, self.key.bytes()?) };
        let key = match self.kind {
            kind if kind == KeyKind::AesCcm as u8 => trust::Key::AesCcm(secret),
            kind if kind == KeyKind::Es256 as u8 => {
                let (x, y) = bytes.split_at_checked(32).ok_or(Status::BadConfig)?;
                let half = |half: &[u8]| half.try_into().map_err(|_| Status::BadConfig);
                trust::Key::Es256(P256Public { x: half(x)?, y: half(y)? })
            }
            kind if kind == KeyKind::EdDsa as u8 => trust::Key::EdDsa(bytes.try_into().map_err(|_| Status::BadConfig)?),
            _ => return Err(Status::BadConfig),
        };
        Ok(TokenKey { kid, key, retired: self.retired })
    }
}

/// # Safety
/// `data` points to `len` texts that keep their promises.
unsafe fn texts<'c>(data: *const Bytes, len: usize) -> Result<[&'c str; LATCHWORK_NAMES], Status> {
    let mut texts = [""; LATCHWORK_NAMES];
    // SAFETY: the caller's.
    for (place, text) in texts.iter_mut().zip(unsafe { elements(data, len) }?) {
        // SAFETY: the caller's.
        *place = unsafe { text.text() }?;
    }
    Ok(texts)
}

fn aif(bytes: &[u8]) -> Result<Aif<'_>, Status> {
    Aif::parse(bytes).map_err(|_| Status::BadConfig)
}
