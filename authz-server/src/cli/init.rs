//! `latchwork init DIR`: everything a server needs before it first starts.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use openidconnect::url::{Host, Url};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, SanType, date_time_ymd};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{Failure, admin_token};
use crate::clock;
use crate::config::{self, Config, FILE, TEMPLATE};
use crate::core::bytes::hex;
use crate::core::cases::CASES;
use crate::core::cedar::{POLICIES, SCHEMA};
use crate::files;
use crate::keys::Keys;

/// Write a configuration, keys, policies, a development certificate and an administrator's token
#[derive(Args)]
pub(super) struct Init {
    /// The directory to create; must be empty if it is there
    dir: PathBuf,
    /// The URL by which clients, locks and people will know this server
    #[arg(long)]
    issuer: Option<String>,
}

impl Init {
    pub(super) fn run(self) -> Result<(), Failure> {
        let dir = &self.dir;
        let config = self.config()?;
        let settings = Config::parse(&config, &config::variables(), dir)?;
        if std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
            let taken = std::io::Error::new(std::io::ErrorKind::AlreadyExists, "is not empty; nothing was changed");
            return Err(Failure::io(dir.display(), taken));
        }
        for part in ["", "keys", "tls", "policies", "policies/cases"] {
            let part = dir.join(part);
            files::create_dir(&part).map_err(|cause| Failure::io(part.display(), cause))?;
        }
        // It may have been there, open to all.
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))
            .map_err(|cause| Failure::io(dir.display(), cause))?;
        let keys = Keys::create(&dir.join("keys"), &settings.keys.kek)?;
        let fingerprint = certificate(&settings)?;
        public(&dir.join("policies/latchwork.cedarschema"), SCHEMA)?;
        for (name, text) in POLICIES {
            public(&dir.join("policies").join(name), text)?;
        }
        public(&dir.join("policies/cases/doors.toml"), CASES)?;
        admin_token::make(dir, &settings)?;
        // Last: a directory with a configuration is a complete one. It may come to hold a secret.
        secret(&dir.join(FILE), config.as_bytes())?;
        self.say(&fingerprint, &keys).map_err(|cause| Failure::io("standard output", cause))
    }

    fn config(&self) -> Result<String, Failure> {
        let Some(issuer) = &self.issuer else { return Ok(TEMPLATE.to_owned()) };
        // The first such line; a provider has an issuer too.
        let Some((before, (_, after))) =
            TEMPLATE.split_once("\n#issuer = ").and_then(|(before, rest)| Some((before, rest.split_once('\n')?)))
        else {
            return Err(Failure::Other("the template has no issuer".into()));
        };
        let issuer = toml::Value::from(issuer.as_str());
        Ok(format!("{before}\nissuer = {issuer}\n{after}"))
    }

    fn say(&self, fingerprint: &str, keys: &Keys) -> std::io::Result<()> {
        let dir = self.dir.display();
        let mut out = std::io::stdout().lock();
        writeln!(out, "configuration   {dir}/{FILE}")?;
        writeln!(out, "policies        {dir}/policies")?;
        writeln!(out, "administration  {dir}/admin.token, good for a year")?;
        writeln!(out, "certificate     {dir}/tls/cert.pem, for development")?;
        writeln!(out, "fingerprint     sha256:{fingerprint}")?;
        if let Some(key) = &keys.edhoc {
            writeln!(out, "EDHOC           {}", hex(key.ccs()))?;
        }
        writeln!(out, "next            latchwork serve --dir {dir}")
    }
}

/// A self-signed certificate for this machine and the issuer's host. Returns the SHA-256 of its DER, in hexadecimal.
fn certificate(settings: &Config) -> Result<String, Failure> {
    let failed = |error: rcgen::Error| Failure::Other(error.into());
    let mut names = vec!["localhost".to_owned()];
    let mut addresses = vec![IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
    match settings.issuer.as_deref().and_then(|issuer| Url::parse(issuer).ok()).as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) if name != "localhost" => names.push(name.to_owned()),
        Some(Host::Ipv4(address)) if !address.is_loopback() => addresses.push(address.into()),
        Some(Host::Ipv6(address)) if !address.is_loopback() => addresses.push(address.into()),
        _ => {}
    }
    let mut params = CertificateParams::new(names).map_err(failed)?;
    params.subject_alt_names.extend(addresses.into_iter().map(SanType::IpAddress));
    params.distinguished_name.push(DnType::CommonName, "Latchwork development");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let now = date_time_ymd(1970, 1, 1) + Duration::from_secs(clock::now().0.unsigned_abs());
    params.not_before = now - DAY;
    params.not_after = now + 397 * DAY;
    let key = KeyPair::generate().map_err(failed)?;
    let certificate = params.self_signed(&key).map_err(failed)?;
    secret(&settings.http.tls_key, Zeroizing::new(key.serialize_pem()).as_bytes())?;
    public(&settings.http.tls_cert, &certificate.pem())?;
    let digest = Sha256::digest(certificate.der());
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn secret(file: &Path, content: &[u8]) -> Result<(), Failure> {
    files::create_secret(file, content).map_err(|cause| Failure::io(file.display(), cause))
}

fn public(file: &Path, content: &str) -> Result<(), Failure> {
    files::create_public(file, content.as_bytes()).map_err(|cause| Failure::io(file.display(), cause))
}

const DAY: Duration = Duration::from_secs(86_400);
