//! Names are types made only by parsing (DESIGN: a lock's `aud` is one opaque text, never an address).

use super::bytes::{Hash32, base64url, from_base64url};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Text that is not the name it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a {what}: {rule}")]
pub struct NotAName {
    /// What it should have been.
    pub what: &'static str,
    /// What such a name looks like.
    pub rule: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl FromStr for $name {
            type Err = NotAName;
            fn from_str(text: &str) -> Result<Self, NotAName> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.into())) } else { Err(NotAName { what: $what, rule: $rule }) }
            }
        }
        impl TryFrom<&str> for $name {
            type Error = NotAName;
            fn try_from(text: &str) -> Result<Self, NotAName> {
                text.parse()
            }
        }
        impl TryFrom<String> for $name {
            type Error = NotAName;
            fn try_from(text: String) -> Result<Self, NotAName> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.into()
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// The name an administrator gave a client.
    ClientId, "client id", "1 to 64 visible ASCII characters",
    |text| (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
);
name!(
    /// A lock's name; its audience is `urn:latchwork:lock:NAME`.
    LockName, "lock name", "1 to 64 of a-z 0-9 . -", is_label
);
name!(
    /// A group of locks; its audience is `urn:latchwork:group:NAME`, for signed tokens only.
    GroupName, "group name", "1 to 64 of a-z 0-9 . -", is_label
);
name!(
    /// A door's name.
    DoorName, "door name", "1 to 64 of a-z 0-9 . -", is_label
);
name!(
    /// A web origin (RFC 6454 §6.2) as browsers write it: scheme and host in small letters, no default port, no path.
    Origin, "origin", "https://host or http://127.0.0.1:port, with a port if not the default; no path", is_origin
);
name!(
    /// One word of a scope (RFC 6749 §3.3), such as `door:open`.
    ScopeName, "scope", "1 to 64 of the characters of RFC 6749 §3.3",
    |text| (1..=64).contains(&text.len()) && text.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
);

fn is_origin(text: &str) -> bool {
    let Ok(url) = openidconnect::url::Url::parse(text) else { return false };
    let host = url.host_str().unwrap_or_default();
    let secure = url.scheme() == "https" || (url.scheme() == "http" && ["127.0.0.1", "[::1]"].contains(&host));
    secure && text.len() <= 256 && url.origin().ascii_serialization() == text
}

fn is_label(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-'))
}

/// Who a token is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Audience {
    /// One lock.
    Lock(LockName),
    /// A group of locks; asymmetric tokens only (RFC 9200 §6.1).
    Group(GroupName),
    /// A service that acts for people (RFC 8693), by its name as a client.
    Service(ClientId),
    /// A server's own people API, `ISSUER/api/v1`; whose, the holder compares.
    Api(Box<str>),
}

impl Audience {
    /// The people API of this issuer.
    #[must_use]
    pub fn api_of(issuer: &str) -> Self {
        Self::Api(format!("{}{API}", issuer.trim_end_matches('/')).into())
    }
}

impl FromStr for Audience {
    type Err = NotAName;
    fn from_str(text: &str) -> Result<Self, NotAName> {
        if let Some(name) = text.strip_prefix(LOCK) {
            name.parse().map(Self::Lock)
        } else if let Some(name) = text.strip_prefix(GROUP) {
            name.parse().map(Self::Group)
        } else if let Some(name) = text.strip_prefix(SERVICE) {
            name.parse().map(Self::Service)
        } else if (text.starts_with("https://") || text.starts_with("http://"))
            && text.ends_with(API)
            && text.len() <= 512
        {
            Ok(Self::Api(text.into()))
        } else {
            Err(NotAName {
                what: "audience",
                rule: "urn:latchwork:lock:NAME, urn:latchwork:group:NAME, urn:latchwork:service:CLIENT or ISSUER/api/v1",
            })
        }
    }
}

impl TryFrom<String> for Audience {
    type Error = NotAName;
    fn try_from(text: String) -> Result<Self, NotAName> {
        text.parse()
    }
}

impl From<Audience> for String {
    fn from(audience: Audience) -> Self {
        audience.to_string()
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lock(name) => write!(f, "{LOCK}{name}"),
            Self::Group(name) => write!(f, "{GROUP}{name}"),
            Self::Service(name) => write!(f, "{SERVICE}{name}"),
            Self::Api(url) => f.write_str(url),
        }
    }
}

/// A person: an issuer and its subject, never an e-mail address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawPerson")]
pub struct PersonId {
    issuer: Box<str>,
    subject: Box<str>,
}

impl PersonId {
    /// Both as the provider's ID token has them (OpenID Connect Core §2: `sub` is at most 255 ASCII characters).
    pub fn new(issuer: &str, subject: &str) -> Result<Self, NotAName> {
        let subject_fits = (1..=255).contains(&subject.len()) && !subject.chars().any(char::is_control);
        // An issuer has no fragment, so `ISSUER#SUBJECT` names one person only.
        let issuer_fits =
            (1..=255).contains(&issuer.len()) && issuer.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
        if subject_fits && issuer_fits {
            Ok(Self { issuer: issuer.into(), subject: subject.into() })
        } else {
            Err(NotAName { what: "person", rule: "an issuer URL and a subject of 1 to 255 characters" })
        }
    }

    /// The provider's issuer URL.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The subject at that provider.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.issuer, self.subject)
    }
}

#[derive(Deserialize)]
struct RawPerson {
    issuer: String,
    subject: String,
}

impl TryFrom<RawPerson> for PersonId {
    type Error = NotAName;
    fn try_from(raw: RawPerson) -> Result<Self, NotAName> {
        Self::new(&raw.issuer, &raw.subject)
    }
}

/// The thumbprint of an installation key (RFC 7638, RFC 9449 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Jkt(pub Hash32);

impl FromStr for Jkt {
    type Err = NotAName;
    fn from_str(text: &str) -> Result<Self, NotAName> {
        Hash32::from_text(text).map(Self).ok_or(NotAName { what: "key thumbprint", rule: "43 characters of base64url" })
    }
}

impl fmt::Display for Jkt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names a grant: 16 random bytes, also the first bytes of its refresh tokens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GrantId(pub [u8; 16]);

impl fmt::Display for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64url(&self.0))
    }
}

impl fmt::Debug for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<GrantId> for String {
    fn from(id: GrantId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for GrantId {
    type Error = NotAName;
    fn try_from(text: String) -> Result<Self, NotAName> {
        let bytes = from_base64url(&text).and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(NotAName { what: "grant id", rule: "22 characters of base64url" })
    }
}

const LOCK: &str = "urn:latchwork:lock:";
const GROUP: &str = "urn:latchwork:group:";
const SERVICE: &str = "urn:latchwork:service:";
const API: &str = "/api/v1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_what_is_none() {
        let long = "a".repeat(65);
        for (text, lock, client, scope) in [
            ("front", true, true, true),
            ("front-2.east", true, true, true),
            ("Front", false, true, true),
            ("door:open", false, true, true),
            ("a\"b", false, true, false),
            ("a b", false, false, false),
            ("a\n", false, false, false),
            ("\u{e4}", false, false, false),
            ("", false, false, false),
            (&long, false, false, false),
            (&long[..64], true, true, true),
        ] {
            assert_eq!(text.parse::<LockName>().is_ok(), lock, "lock {text:?}");
            assert_eq!(text.parse::<ClientId>().is_ok(), client, "client {text:?}");
            assert_eq!(text.parse::<ScopeName>().is_ok(), scope, "scope {text:?}");
        }
    }

    #[test]
    fn audiences_round_trip_or_are_none() {
        for text in ["urn:latchwork:lock:front", "urn:latchwork:group:all", "https://as.example/api/v1"] {
            assert_eq!(text.parse::<Audience>().map(|audience| audience.to_string()), Ok(text.to_owned()));
        }
        assert_eq!(Audience::api_of("https://as.example/"), "https://as.example/api/v1".parse().unwrap());
        for text in [
            "",
            "front",
            "urn:latchwork:lock:",
            "urn:latchwork:lock:A",
            "coap://x",
            "URN:latchwork:lock:a",
            "ftp://x/api/v1",
        ] {
            assert!(text.parse::<Audience>().is_err(), "{text}");
        }
    }

    #[test]
    fn persons_never_run_together() {
        assert!(PersonId::new("https://a", "b#c").is_ok());
        for (issuer, subject) in
            [("https://a#b", "c"), ("", "x"), ("https://a", ""), ("https://a", "x\ny"), ("a b", "x")]
        {
            assert!(PersonId::new(issuer, subject).is_err(), "{issuer:?} {subject:?}");
        }
    }
}
