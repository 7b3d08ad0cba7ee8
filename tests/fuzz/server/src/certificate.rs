//! Certificates that TLS clients show (RFC 8705): what may be believed of one that a fuzzer made.

use std::path::Path;
use std::sync::LazyLock;

use latchwork_authz_server::core::bytes::Hash32;
use latchwork_authz_server::core::channel::{Certificate, CertificateName, ChannelIdentity};
use latchwork_authz_server::core::jwk::PublicKey;
use latchwork_authz_server::core::records::ClientAuth;
use latchwork_authz_server::core::time::Timestamp;
use latchwork_authz_server::shell::tls::{self, AnyCertificate, Authorities};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;

use crate::NOW;

/// What a certificate showed.
pub struct Shown {
    /// Whether the authority of `ca.pem` vouches for it.
    pub vouched: bool,
    /// Whether it is the one that is registered by itself.
    pub registered: bool,
}

impl Shown {
    /// Looks at a certificate as the listener does; none where it cannot be read.
    ///
    /// # Panics
    /// Something is believed that nobody signed.
    #[must_use]
    pub fn read(der: &[u8]) -> Option<Self> {
        static AUTHORITIES: LazyLock<Authorities> = LazyLock::new(|| {
            tls::install_provider();
            Authorities::load(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/ca.pem"))).expect("an authority")
        });
        let own = CertificateDer::from(der);
        let certificate = AUTHORITIES.judge(std::slice::from_ref(&own), NOW);
        let taken = AnyCertificate::new().expect("a provider").verify_client_cert(&own, &[], UnixTime::now());
        assert_eq!(taken.is_ok(), certificate.is_some() && der.len() <= 16 << 10);
        let certificate = certificate?;
        assert!(Certificate::read(&[der, &[0]].concat(), true).is_none(), "something behind it");
        assert_eq!(certificate.thumbprint(), Hash32::of(&[der]));
        if let Some(PublicKey::P256 { x, y }) = certificate.key() {
            assert!(contains(der, &[&x[..], y].concat()), "a key that is not in it");
        }

        let registered = ClientAuth::SelfSignedTls(vec![Hash32::of(&[SELF_SIGNED])]);
        let named = || NAMES.iter().map(|name| ClientAuth::TlsClientAuth(name()));
        let shows = |certificate: Certificate, auth: &ClientAuth, now| {
            let key = certificate.key().cloned();
            match ChannelIdentity::Tls(certificate).shows(auth, now).expect("registered for this") {
                Ok(shown) => {
                    assert_eq!(shown, key);
                    true
                }
                Err(_) => false,
            }
        };
        let vouched = named().any(|auth| shows(certificate.clone(), &auth, NOW));
        if vouched {
            assert!(
                SIGNED.iter().any(|known| contains(der, to_be_signed(known))),
                "the authority signed no such thing"
            );
        }
        let by_itself = shows(certificate.clone(), &registered, NOW);
        assert!(!by_itself || der == SELF_SIGNED);
        for auth in named().chain([registered]) {
            let alone = Certificate::read(der, false).expect("read before");
            let by_name = matches!(auth, ClientAuth::TlsClientAuth(_));
            assert!(!(by_name && shows(alone, &auth, NOW)), "nobody vouched for it");
            for never in [Timestamp(i64::MIN), Timestamp(i64::MAX)] {
                assert!(!shows(certificate.clone(), &auth, never), "out of time");
            }
        }
        Some(Self { vouched, registered: by_itself })
    }
}

/// What a certificate's signature is over: the first member.
fn to_be_signed(der: &[u8]) -> &[u8] {
    let inside = &der[4..];
    let length = match inside {
        [0x30, 0x81, length, ..] => 3 + usize::from(*length),
        [0x30, 0x82, high, low, ..] => 4 + usize::from(u16::from_be_bytes([*high, *low])),
        _ => panic!("a certificate of another size"),
    };
    &inside[..length]
}

fn contains(all: &[u8], part: &[u8]) -> bool {
    all.windows(part.len()).any(|window| window == part)
}

const NAMES: [fn() -> CertificateName; 5] = [
    || CertificateName::SubjectDn("CN=robot,O=Doors\\, Inc.".into()),
    || CertificateName::SanDns("robot.example".into()),
    || CertificateName::SanUri("urn:robot:7".into()),
    || CertificateName::SanEmail("robot@example.com".into()),
    || CertificateName::SanIp(std::net::Ipv4Addr::new(192, 0, 2, 7).into()),
];
/// What the authority of `ca.pem` signed.
const SIGNED: [&[u8]; 4] = [
    include_bytes!("../../seeds/server_certificate/vouched_p256"),
    include_bytes!("../../seeds/server_certificate/vouched_ed25519"),
    include_bytes!("../../seeds/server_certificate/vouched_rsa"),
    include_bytes!("../../seeds/server_certificate/late"),
];
const SELF_SIGNED: &[u8] = include_bytes!("../../seeds/server_certificate/registered");

#[cfg(test)]
mod tests {
    use super::Shown;

    #[test]
    fn the_seeds_show_what_they_say() {
        for seed in std::fs::read_dir("../seeds/server_certificate").expect("seeds") {
            let path = seed.expect("a seed").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            let shown = Shown::read(&std::fs::read(&path).expect("a seed")).unwrap_or_else(|| panic!("{name}"));
            let expected = (name.starts_with("vouched"), name.starts_with("registered"));
            assert_eq!((shown.vouched, shown.registered), expected, "{name}");
        }
    }
}
