//! What a channel proved about its other end before any message was read: the one way by which that reaches [`authenticate`].
//!
//! Only whoever ended the handshake, or verified the message, makes one; no header or parameter of a request does.
//!
//! [`authenticate`]: super::authenticate

use super::bytes::{Blob, Hash32, hex};
use super::edhoc;
use super::jwk::PublicKey;
use super::records::ClientAuth;
use super::refusal::CertificateFault;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};

/// Who is at the other end of a channel.
#[derive(Clone, Debug)]
pub enum ChannelIdentity {
    /// The request verified under the OSCORE context of the client that it names (RFC 8613 §8.2).
    Oscore,
    /// The request verified under the OSCORE context that came of an EDHOC handshake, in which the client proved this key
    /// (RFC 9528 §5.4.3, Appendix A.1).
    Edhoc {
        /// The key.
        key: PublicKey,
    },
    /// The TLS handshake was signed by this certificate's key (RFC 8705 §2).
    Tls(Certificate),
    /// The DTLS handshake used the pre-shared key of this identity (RFC 4279 §2).
    DtlsPsk {
        /// Any bytes.
        identity: Blob,
    },
    /// The DTLS handshake was signed by this key (RFC 7250).
    DtlsRawKey {
        /// The key.
        key: PublicKey,
    },
    /// The DTLS handshake was signed by this certificate's key.
    DtlsCertificate(Certificate),
}

impl ChannelIdentity {
    /// Whether this identity is that of a client registered so; with it the key whose possession the handshake showed.
    ///
    /// `None`: the client is registered for something else than this channel shows.
    pub fn shows(&self, auth: &ClientAuth, now: Timestamp) -> Option<Result<Option<PublicKey>, CertificateFault>> {
        Some(match (self, auth) {
            // A public client may have a certificate for all we care; it shows nothing about it.
            (Self::Oscore, ClientAuth::Oscore) | (Self::Tls(_), ClientAuth::None) => Ok(None),
            (Self::Tls(shown) | Self::DtlsCertificate(shown), ClientAuth::TlsClientAuth(name)) => {
                shown.has(name, now).map(|()| shown.key.clone())
            }
            (Self::Tls(shown) | Self::DtlsCertificate(shown), ClientAuth::SelfSignedTls(registered)) => {
                shown.is_one_of(registered, now).map(|()| shown.key.clone())
            }
            (Self::DtlsPsk { identity }, ClientAuth::DtlsPsk(registered)) if identity == registered => Ok(None),
            (Self::DtlsRawKey { key }, ClientAuth::RawPublicKey(registered)) if registered.contains(key) => {
                Ok(Some(key.clone()))
            }
            // A key that was replaced since is none of the client's any more.
            (Self::Edhoc { key }, ClientAuth::Edhoc(ccs)) if edhoc::key(&ccs.0).as_ref() == Some(key) => {
                Ok(Some(key.clone()))
            }
            _ => return None,
        })
    }
}

/// The name by which a certificate of an authority is a client's: exactly one (RFC 8705 §2.1.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateName {
    /// The whole subject as RFC 4514 writes it: `CN=robot,O=Example`.
    SubjectDn(String),
    /// A dNSName; compared without case, and never a pattern.
    SanDns(String),
    /// A uniformResourceIdentifier, byte for byte.
    SanUri(String),
    /// An iPAddress.
    SanIp(IpAddr),
    /// An rfc822Name, byte for byte.
    SanEmail(String),
}

impl CertificateName {
    /// Whether it can be a name at all.
    #[must_use]
    pub fn is_one(&self) -> bool {
        let plain = |text: &str| (1..=MAX_NAME).contains(&text.len()) && !text.chars().any(char::is_control);
        match self {
            Self::SubjectDn(dn) => plain(dn) && dn.contains('='),
            Self::SanDns(name) => plain(name) && !name.contains(['*', '/', ' ']),
            Self::SanUri(uri) => plain(uri) && uri.contains(':'),
            Self::SanEmail(address) => plain(address) && address.contains('@'),
            Self::SanIp(_) => true,
        }
    }

    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::SanDns(a), Self::SanDns(b)) => a.eq_ignore_ascii_case(b),
            _ => self == other,
        }
    }
}

/// A certificate whose private key signed a handshake. What it says is only believed as far as a registration goes.
#[derive(Clone, Debug)]
pub struct Certificate {
    thumbprint: Hash32,
    key: Option<PublicKey>,
    names: Vec<CertificateName>,
    from: Timestamp,
    until: Timestamp,
    vouched: bool,
}

impl Certificate {
    /// Reads one. `vouched` says whether an authority of the configuration vouched for it when the channel was made; its own
    /// dates are looked at again with each request. `None`: it cannot be read.
    #[must_use]
    pub fn read(der: &[u8], vouched: bool) -> Option<Self> {
        let (_, read) = X509Certificate::from_der(der).ok().filter(|(rest, _)| rest.is_empty())?;
        let mut names = vec![CertificateName::SubjectDn(rfc4514(read.subject()))];
        for name in read.subject_alternative_name().ok()?.iter().flat_map(|names| &names.value.general_names) {
            match name {
                GeneralName::DNSName(name) => names.push(CertificateName::SanDns((*name).to_owned())),
                GeneralName::URI(uri) => names.push(CertificateName::SanUri((*uri).to_owned())),
                GeneralName::RFC822Name(address) => names.push(CertificateName::SanEmail((*address).to_owned())),
                GeneralName::IPAddress(bytes) => names.extend(address(bytes).map(CertificateName::SanIp)),
                _ => {}
            }
        }
        Some(Self {
            thumbprint: Hash32::of(&[der]),
            key: public_key(read.public_key().raw),
            names,
            from: Timestamp(read.validity().not_before.timestamp()),
            until: Timestamp(read.validity().not_after.timestamp()),
            vouched,
        })
    }

    /// SHA-256 of its DER.
    #[must_use]
    pub fn thumbprint(&self) -> Hash32 {
        self.thumbprint
    }

    /// The key it is about, if of a kind that tokens are bound to.
    #[must_use]
    pub fn key(&self) -> Option<&PublicKey> {
        self.key.as_ref()
    }

    fn has(&self, wanted: &CertificateName, now: Timestamp) -> Result<(), CertificateFault> {
        self.in_time(now)?;
        if !self.vouched {
            return Err(CertificateFault::Untrusted);
        }
        let found = self.names.iter().any(|name| name.same(wanted));
        if found { Ok(()) } else { Err(CertificateFault::OtherName) }
    }

    fn is_one_of(&self, registered: &[Hash32], now: Timestamp) -> Result<(), CertificateFault> {
        self.in_time(now)?;
        if registered.contains(&self.thumbprint) { Ok(()) } else { Err(CertificateFault::NotRegistered) }
    }

    fn in_time(&self, now: Timestamp) -> Result<(), CertificateFault> {
        if self.from <= now && now <= self.until { Ok(()) } else { Err(CertificateFault::Time) }
    }
}

/// A distinguished name as text (RFC 4514 §2): the last one first.
fn rfc4514(name: &X509Name<'_>) -> String {
    let mut parts: Vec<String> = name
        .iter()
        .map(|several| {
            let one = |attribute: &x509_parser::x509::AttributeTypeAndValue<'_>| {
                let oid = attribute.attr_type().to_id_string();
                let short = SHORT.iter().find(|(known, _)| *known == oid).map_or(oid.as_str(), |(_, short)| short);
                match attribute.as_str() {
                    Ok(value) => format!("{short}={}", escaped(value)),
                    Err(_) => format!("{short}=#{}", hex(attribute.as_slice())),
                }
            };
            several.iter().map(one).collect::<Vec<_>>().join("+")
        })
        .collect();
    parts.reverse();
    parts.join(",")
}

/// RFC 4514 §2.4.
fn escaped(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut text = String::with_capacity(value.len());
    for (at, c) in value.chars().enumerate() {
        let special = matches!(c, '"' | '+' | ',' | ';' | '<' | '>' | '\\');
        if special || (at == 0 && matches!(c, '#' | ' ')) || (at == last && c == ' ') {
            text.push('\\');
        }
        match c {
            '\0' => text.push_str("\\00"),
            c => text.push(c),
        }
    }
    text
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(v4.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

/// The two kinds of key that tokens are bound to, from their SubjectPublicKeyInfo (RFC 5480 §2, RFC 8410 §4).
fn public_key(spki: &[u8]) -> Option<PublicKey> {
    if let Some(point) = spki.strip_prefix(P256_SPKI) {
        let (x, y) = point.split_first_chunk::<32>()?;
        return Some(PublicKey::P256 { x: *x, y: y.try_into().ok()? });
    }
    spki.strip_prefix(ED25519_SPKI)?.try_into().ok().map(|x| PublicKey::Ed25519 { x })
}

/// RFC 4514 §3.
const SHORT: [(&str, &str); 9] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
];
const P256_SPKI: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];
const ED25519_SPKI: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const MAX_NAME: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::{NOW, Pair};
    use rcgen::{CertificateParams, DnType, KeyPair, SanType, date_time_ymd};

    fn certificate() -> (Vec<u8>, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["Robot.example".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Doors, Inc.");
        params.distinguished_name.push(DnType::CommonName, "robot");
        params.subject_alt_names.push(SanType::URI("urn:robot:7".try_into().unwrap()));
        params.subject_alt_names.push(SanType::Rfc822Name("robot@example.com".try_into().unwrap()));
        params.subject_alt_names.push(SanType::IpAddress("192.0.2.7".parse().unwrap()));
        (params.not_before, params.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(2027, 1, 1));
        (params.self_signed(&key).unwrap().der().to_vec(), key)
    }

    /// R8705-2-02, R8705-2.1.2-01, R8705-2.2-01
    #[test]
    fn what_a_certificate_shows() {
        use CertificateFault::{NotRegistered, OtherName, Time, Untrusted};
        let (der, key) = certificate();
        let mine = Hash32::of(&[&der]);
        let text = |text: &str| text.to_owned();
        let in_2028 = Timestamp(1_830_000_000);
        let named = |name| ClientAuth::TlsClientAuth(name);
        for (auth, vouched, now, expected) in [
            (named(CertificateName::SubjectDn(text("CN=robot,O=Doors\\, Inc."))), true, NOW, Ok(())),
            (named(CertificateName::SanDns(text("robot.EXAMPLE"))), true, NOW, Ok(())),
            (named(CertificateName::SanUri(text("urn:robot:7"))), true, NOW, Ok(())),
            (named(CertificateName::SanEmail(text("robot@example.com"))), true, NOW, Ok(())),
            (named(CertificateName::SanIp("192.0.2.7".parse().unwrap())), true, NOW, Ok(())),
            (named(CertificateName::SanDns(text("robot.example"))), false, NOW, Err(Untrusted)),
            (named(CertificateName::SanDns(text("robot.example"))), true, in_2028, Err(Time)),
            (named(CertificateName::SanDns(text("robot.example"))), true, Timestamp(0), Err(Time)),
            (named(CertificateName::SanDns(text("example"))), true, NOW, Err(OtherName)),
            (named(CertificateName::SanDns(text("urn:robot:7"))), true, NOW, Err(OtherName)),
            (named(CertificateName::SanUri(text("URN:robot:7"))), true, NOW, Err(OtherName)),
            (named(CertificateName::SanIp("192.0.2.8".parse().unwrap())), true, NOW, Err(OtherName)),
            (named(CertificateName::SubjectDn(text("CN=robot"))), true, NOW, Err(OtherName)),
            (named(CertificateName::SubjectDn(text("O=Doors\\, Inc.,CN=robot"))), true, NOW, Err(OtherName)),
            (ClientAuth::SelfSignedTls(vec![mine]), false, NOW, Ok(())),
            (ClientAuth::SelfSignedTls(vec![mine]), false, in_2028, Err(Time)),
            (ClientAuth::SelfSignedTls(vec![Hash32([0; 32])]), true, NOW, Err(NotRegistered)),
            (ClientAuth::SelfSignedTls(vec![]), true, NOW, Err(NotRegistered)),
        ] {
            for channel in [ChannelIdentity::Tls, ChannelIdentity::DtlsCertificate] {
                let shown = channel(Certificate::read(&der, vouched).unwrap());
                let got = shown.shows(&auth, now).unwrap();
                assert_eq!(got.clone().map(drop), expected, "{auth:?}");
                if let Ok(possessed) = got {
                    let (x, y) = key.public_key_raw()[1..].split_at(32);
                    let public = PublicKey::P256 { x: x.try_into().unwrap(), y: y.try_into().unwrap() };
                    assert_eq!(possessed, Some(public), "the handshake shows possession of its key");
                }
            }
        }
    }

    /// Each channel speaks for the clients registered for it, and for no others.
    #[test]
    fn a_channel_is_good_for_its_own_registration_only() {
        let (der, _) = certificate();
        let read = || Certificate::read(&der, true).unwrap();
        let key = Pair::new(3).public();
        let channels = [
            ("oscore", ChannelIdentity::Oscore),
            ("certificate", ChannelIdentity::Tls(read())),
            ("certificate", ChannelIdentity::DtlsCertificate(read())),
            ("psk", ChannelIdentity::DtlsPsk { identity: Blob(b"a\0b".to_vec()) }),
            ("other", ChannelIdentity::DtlsPsk { identity: Blob(b"a".to_vec()) }),
            ("raw", ChannelIdentity::DtlsRawKey { key: key.clone() }),
            ("other", ChannelIdentity::DtlsRawKey { key: Pair::new(4).public() }),
            ("edhoc", ChannelIdentity::Edhoc { key: key.clone() }),
            ("other", ChannelIdentity::Edhoc { key: Pair::new(4).public() }),
        ];
        let registrations = [
            ("oscore", ClientAuth::Oscore),
            ("certificate", ClientAuth::SelfSignedTls(vec![Hash32::of(&[&der])])),
            ("certificate", ClientAuth::TlsClientAuth(CertificateName::SanDns("robot.example".into()))),
            ("psk", ClientAuth::DtlsPsk(Blob(b"a\0b".to_vec()))),
            ("raw", ClientAuth::RawPublicKey(vec![key.clone()])),
            ("edhoc", ClientAuth::Edhoc(edhoc::of_key(&"robot".parse().unwrap(), &key).unwrap())),
            ("secret", ClientAuth::SecretHash(Hash32([0; 32]))),
            ("jwt", ClientAuth::PrivateKeyJwt(Vec::new())),
        ];
        for (shows, channel) in &channels {
            for (wants, auth) in &registrations {
                let good = channel.shows(auth, NOW).is_some_and(|shown| shown.is_ok());
                assert_eq!(good, shows == wants, "{channel:?} for {auth:?}");
            }
        }
    }

    #[test]
    fn names_and_what_is_none() {
        let text = |text: &str| text.to_owned();
        for (name, good) in [
            (CertificateName::SanDns(text("a.example")), true),
            (CertificateName::SanDns(text("*.example")), false),
            (CertificateName::SanDns(text("")), false),
            (CertificateName::SubjectDn(text("robot")), false),
            (CertificateName::SanUri(text("robot")), false),
            (CertificateName::SanEmail(text("robot")), false),
            (CertificateName::SanEmail("a@".repeat(300)), false),
        ] {
            assert_eq!(name.is_one(), good, "{name:?}");
        }
        for (value, expected) in
            [("a", "a"), ("#a", "\\#a"), (" a ", "\\ a\\ "), ("a+b\\", "a\\+b\\\\"), ("\0", "\\00")]
        {
            assert_eq!(escaped(value), expected);
        }
        for cut in [0, 1, 50] {
            let (der, _) = certificate();
            assert!(Certificate::read(&der[..cut], true).is_none());
            assert!(Certificate::read(&[&der[..], &[0]].concat(), true).is_none(), "something behind it");
        }
    }
}
