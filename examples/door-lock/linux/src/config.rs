//! The lock's file, as `latchwork lock enroll` writes it.

pub(crate) mod header;

use crate::online::Account;
use latchwork_ace::Aif;
use latchwork_ace::aif::Methods;
use latchwork_crypto::{P256Public, Secret};
use latchwork_door_lock_app::page::{self, Page};
use latchwork_rs_lib::nonce::Nonces;
use latchwork_rs_lib::{Freshness, Issuer, Key, NamedScope, TokenKey, Trust};
use serde::Deserialize;

/// The file, key by key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    issuer: String,
    aud: String,
    #[serde(default)]
    groups: Vec<String>,
    as_uri: String,
    /// The name people know the door by.
    pub(crate) door: String,
    /// How the lock knows that a token is recent.
    pub(crate) clock: ClockMode,
    token_key: Symmetric,
    /// Checks tokens without a secret, where the server gives this lock a MAC in the place of its signature.
    #[serde(default)]
    mac_key: Option<Symmetric>,
    #[serde(default)]
    as_keys: Vec<Public>,
    #[serde(default)]
    scopes: Vec<Scope>,
    /// How this lock speaks to the server itself, where it can (`lock enroll --online`).
    #[serde(default)]
    online: Option<Online>,
}

/// The lock's OSCORE context with the server; ids and secret in hexadecimal.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Online {
    server: String,
    /// The lock's name there, for people.
    #[serde(rename = "client")]
    _client: String,
    client_sender_id: String,
    server_sender_id: String,
    master_secret: zeroize::Zeroizing<String>,
    /// How long the server remembers what changed. It says so itself when it does not any more.
    #[serde(rename = "trl", default)]
    _trl: Option<toml::Table>,
}

/// How a lock knows that a token is recent: it is enrolled with one of three.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ClockMode {
    /// `exp` by the system clock.
    Clock,
    /// `exi` from first receipt, remembered in the lock's state.
    Exi,
    /// `cnonce` of the lock's own.
    Nonce,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Symmetric {
    kid: String,
    key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Public {
    kid: String,
    alg: Alg,
    x: String,
    y: Option<String>,
}

#[derive(Deserialize)]
enum Alg {
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "EdDSA")]
    EdDsa,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scope {
    name: String,
    aif: Vec<(String, u64)>,
}

/// Which key of the file is wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Wrong {
    /// Not this file, or not TOML.
    #[error("{0}")]
    Toml(String),
    /// Not the hex that belongs there.
    #[error("{0}: not {1} bytes in hex")]
    Hex(&'static str, &'static str),
    /// ES256 without y, or EdDSA with it.
    #[error("as_keys.y: belongs to ES256 keys, and to all of them")]
    Coordinate,
    /// More rights than fit a token.
    #[error("scopes.aif: more than tokens can carry")]
    Scope,
    /// Boards have no date, and take no groups and no MACs.
    #[error(
        "clock, groups, mac_key: a board without files wants a lock that was enrolled with `nonce` or `exi`, in no group, and for signed tokens"
    )]
    Board,
    /// The lock in C has no flash for numbers, and its library reads no MACs.
    #[error("clock, mac_key: the lock in C wants to be enrolled with `clock` or `nonce`, and for tokens without a MAC")]
    InC,
    /// More than a page holds.
    #[error("as_keys, scopes: more than fit the flash of a board")]
    Page,
}

impl Wrong {
    /// A value of the wrong type may be a key in the wrong place: then the line number has to do.
    fn toml(text: &str, error: &toml::de::Error) -> Self {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let what = if error.message().contains("invalid type") { "a value of the wrong type" } else { error.message() };
        Self::Toml(format!("line {line}: {what}"))
    }
}

impl Config {
    /// Reads the file's text. The error never quotes a line, since lines hold keys.
    pub(crate) fn parse(text: &str) -> Result<Self, Wrong> {
        toml::from_str(text).map_err(|error| Wrong::toml(text, &error))
    }

    /// The lock's account at its server, if it has one.
    pub(crate) fn account(&self) -> Result<Option<Account>, Wrong> {
        let account = |online: &Online| {
            Account::new(
                online.server.clone(),
                hex("online.client_sender_id", &online.client_sender_id)?,
                hex("online.server_sender_id", &online.server_sender_id)?,
                hex("online.master_secret", &online.master_secret)?,
            )
        };
        self.online.as_ref().map(account).transpose()
    }

    /// Writes what a board without files keeps in its flash; `seed` is what it makes its random numbers of, `own_key` what
    /// it speaks EDHOC with.
    pub(crate) fn write_page(
        &self,
        seed: Secret<32>,
        own_key: Option<(Secret<32>, &[u8])>,
        out: &mut [u8],
    ) -> Result<(), Wrong> {
        if self.clock == ClockMode::Clock || !self.groups.is_empty() || self.mac_key.is_some() {
            return Err(Wrong::Board);
        }
        let kids: Vec<_> = self.as_keys.iter().map(|key| hex("as_keys.kid", &key.kid)).collect::<Result<_, _>>()?;
        let mut public_keys = [const { None }; page::MAX_KEYS];
        if kids.len() > public_keys.len() {
            return Err(Wrong::Page);
        }
        for ((public, kid), place) in self.as_keys.iter().zip(&kids).zip(&mut public_keys) {
            *place = Some((kid.as_slice(), public.key()?));
        }
        let mut grants = [[0; Aif::MAX_LEN]; page::MAX_SCOPES];
        if self.scopes.len() > grants.len() {
            return Err(Wrong::Page);
        }
        let mut scopes = Vec::new();
        for (scope, grants) in self.scopes.iter().zip(&mut grants) {
            scopes.push(NamedScope { name: &scope.name, grants: scope.grants(grants)? });
        }
        let mut scopes = scopes.into_iter();
        let nothing = Aif::parse(&[0x80]).map_err(|_| Wrong::Scope)?;
        let page = Page {
            audience: &self.aud,
            issuer: &self.issuer,
            token_uri: &self.as_uri,
            token_key: (&hex("token_key.kid", &self.token_key.kid)?, self.token_key.key()?),
            public_keys,
            scopes: std::array::from_fn(|_| scopes.next().unwrap_or(NamedScope { name: "", grants: nothing })),
            seed,
            counts: self.clock == ClockMode::Exi,
            own_key,
        };
        page.write(out).map(drop).map_err(|_| Wrong::Page)
    }

    /// What the lock works with, for as long as the process lives.
    pub(crate) fn trust(self, nonces: Nonces) -> Result<Trust<'static>, Wrong> {
        let mut keys = vec![TokenKey {
            kid: leak(hex("token_key.kid", &self.token_key.kid)?),
            key: Key::AesCcm(leak_one(self.token_key.key()?)),
            retired: false,
        }];
        if let Some(mac) = &self.mac_key {
            let key = Secret::new(fixed("mac_key.key", "32", &mac.key)?);
            keys.push(TokenKey {
                kid: leak(hex("mac_key.kid", &mac.kid)?),
                key: Key::Hmac(leak_one(key)),
                retired: false,
            });
        }
        for public in &self.as_keys {
            let key = match public.key()? {
                page::Public::Es256(key) => Key::Es256(key),
                page::Public::EdDsa(key) => Key::EdDsa(key),
            };
            keys.push(TokenKey { kid: leak(hex("as_keys.kid", &public.kid)?), key, retired: false });
        }
        let scopes = self.scopes.into_iter().map(|scope| {
            let grants = scope.grants(leak(vec![0; Aif::MAX_LEN]))?;
            Ok(NamedScope { name: scope.name.leak(), grants })
        });
        Ok(Trust {
            audience: self.aud.leak(),
            groups: leak(self.groups.into_iter().map(|group| &*group.leak()).collect()),
            issuers: leak(vec![Issuer {
                name: self.issuer.leak(),
                token_uri: self.as_uri.leak(),
                keys: leak(keys),
                ceiling: None,
                audiences: None,
            }]),
            freshness: match self.clock {
                ClockMode::Nonce => Freshness::Nonce(leak_one(nonces)),
                ClockMode::Clock | ClockMode::Exi => Freshness::Clock,
            },
            scopes: leak(scopes.collect::<Result<_, Wrong>>()?),
        })
    }
}

impl Symmetric {
    fn key(&self) -> Result<Secret<16>, Wrong> {
        fixed("token_key.key", "16", &self.key).map(Secret::new)
    }
}

impl Public {
    fn key(&self) -> Result<page::Public, Wrong> {
        let x = fixed("as_keys.x", "32", &self.x)?;
        match (&self.alg, &self.y) {
            (Alg::Es256, Some(y)) => Ok(page::Public::Es256(P256Public { x, y: fixed("as_keys.y", "32", y)? })),
            (Alg::EdDsa, None) => Ok(page::Public::EdDsa(x)),
            _ => Err(Wrong::Coordinate),
        }
    }
}

impl Scope {
    fn grants<'o>(&self, out: &'o mut [u8]) -> Result<Aif<'o>, Wrong> {
        let entries: Vec<_> = self.aif.iter().map(|(path, mask)| (path.as_str(), Methods(*mask))).collect();
        Aif::encode(&entries, out).map_err(|_| Wrong::Scope)
    }
}

fn leak<T>(values: Vec<T>) -> &'static mut [T] {
    values.leak()
}

fn leak_one<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn fixed<const N: usize>(key: &'static str, length: &'static str, text: &str) -> Result<[u8; N], Wrong> {
    hex(key, text)?.try_into().map_err(|_| Wrong::Hex(key, length))
}

fn hex(key: &'static str, text: &str) -> Result<Vec<u8>, Wrong> {
    let wrong = || Wrong::Hex(key, "whole");
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0).ok_or_else(wrong)?;
    digits
        .chunks_exact(2)
        .map(|pair| u8::try_from(pair.iter().fold(0, |sum, digit| sum << 4 | digit)).map_err(|_| wrong()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const GOOD: &str = r#"
        issuer = "https://127.0.0.1:8443"
        aud = "urn:latchwork:lock:front"
        groups = []
        as_uri = "https://127.0.0.1:8443/token"
        door = "front"
        clock = "clock"
        [token_key]
        kid = "66726f6e74"
        key = "000102030405060708090a0b0c0d0e0f"
        [[as_keys]]
        kid = "01"
        alg = "EdDSA"
        x = "0000000000000000000000000000000000000000000000000000000000000000"
        [[scopes]]
        name = "door:open"
        aif = [["/door", 2]]
    "#;

    struct Zeros;

    impl latchwork_crypto::Random for Zeros {
        fn fill(&mut self, out: &mut [u8]) -> Result<(), latchwork_crypto::CryptoError> {
            out.fill(0);
            Ok(())
        }
    }

    fn trust(text: &str) -> Result<Trust<'static>, Wrong> {
        Config::parse(text)?.trust(Nonces::new(&mut Zeros, 1, 1).unwrap())
    }

    #[test]
    fn a_good_file() {
        let trust = trust(GOOD).unwrap();
        assert_eq!(trust.audience, "urn:latchwork:lock:front");
        assert_eq!(trust.issuers[0].keys[0].kid, b"front");
        assert_eq!(trust.scopes[0].grants.as_bytes(), b"\x81\x82\x65/door\x02");
    }

    /// A lock whose tokens are MACed: the key is one more, under its own name and for HMAC alone.
    #[test]
    fn a_file_with_a_key_for_macs() {
        let file =
            |key: &str| GOOD.replace("[[as_keys]]", &format!("[mac_key]\nkid = \"0d\"\nkey = \"{key}\"\n[[as_keys]]"));
        let whole = "0405060708".to_owned() + &"ab".repeat(27);
        let trust = trust(&file(&whole)).unwrap();
        let keys = trust.issuers[0].keys;
        assert_eq!((keys.len(), keys[1].kid), (3, &b"\x0d"[..]));
        assert!(matches!(keys[1].key, Key::Hmac(key) if key.expose()[..5] == [4, 5, 6, 7, 8]));
        for wrong in [&whole[2..], &whole[1..], "", &format!("{whole}00")] {
            let error = Config::parse(&file(wrong)).unwrap().trust(Nonces::new(&mut Zeros, 1, 1).unwrap());
            let error = error.err().unwrap().to_string();
            assert!(error.contains("mac_key.key") && !error.contains("0405060708"), "{error}");
        }
        let mut flash = [0xff; page::MAX_LEN];
        let nonce = file(&whole).replace("clock = \"clock\"", "clock = \"nonce\"");
        let written = Config::parse(&nonce).unwrap().write_page(Secret::new([5; 32]), None, &mut flash);
        assert!(matches!(written, Err(Wrong::Board)), "a board has no place for it");
    }

    #[test]
    fn the_page_of_a_board_has_what_the_file_has() {
        let write = |text: &str, page: &mut [u8]| Config::parse(text)?.write_page(Secret::new([5; 32]), None, page);
        let mut flash = [0xff; page::MAX_LEN];
        write(&GOOD.replace("clock = \"clock\"", "clock = \"nonce\""), &mut flash).unwrap();
        let page = Page::parse(&flash).unwrap();
        assert!(!page.counts && page.own_key.is_none());
        assert_eq!((page.audience, page.token_uri), ("urn:latchwork:lock:front", "https://127.0.0.1:8443/token"));
        assert_eq!((page.token_key.0, page.token_key.1.expose()[15]), (&b"front"[..], 15));
        assert_eq!(page.public_keys, [Some((&b"\x01"[..], page::Public::EdDsa([0; 32]))), None]);
        assert_eq!(page.scopes()[0].grants.as_bytes(), b"\x81\x82\x65/door\x02");
        assert!(matches!(write(GOOD, &mut flash), Err(Wrong::Board)), "it has no clock for `exp`");
    }

    #[test]
    fn wrong_files_name_the_key_and_show_no_secret() {
        for (from, to, says) in [
            ("issuer", "isuer", "unknown field `isuer`"),
            ("kid = \"66726f6e74\"", "", "missing field `kid`"),
            ("66726f6e74", "6672zz6e74", "token_key.kid"),
            ("0d0e0f\"", "0d0e\"", "token_key.key"),
            ("0d0e0f\"", "0d0e0\"", "token_key.key"),
            ("EdDSA", "ES256", "as_keys.y"),
            ("EdDSA", "RS256", "unknown variant `RS256`"),
            ("clock = \"clock\"", "clock = \"sundial\"", "unknown variant `sundial`"),
            ("\"/door\", 2", "\"/door\"", "invalid length 1"),
            ("key = \"0001", "key = 0001", "line 10: "),
            ("[token_key]", "token_key = \"000102030405060708\"\n[x]", "line 8: a value of the wrong type"),
        ] {
            let text = GOOD.replace(from, to);
            let error = trust(&text).err().unwrap_or_else(|| panic!("accepted {to}")).to_string();
            assert!(error.contains(says), "{to}: {error}");
            assert!(!error.contains("0405060708"), "{error}");
        }
    }
}
