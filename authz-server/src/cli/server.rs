//! The running server, as the other verbs speak to it: `/admin/api/v1` over TLS pinned to the fingerprint that `init` printed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use reqwest::{Method, StatusCode};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::Failure;
use crate::config::Config;
use crate::core::bytes::unhex;

/// Where the server is and how to prove both sides.
#[derive(Args)]
pub(super) struct Server {
    /// The server's directory, which holds the defaults of the other three
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Its URL, such as https://127.0.0.1:8443
    #[arg(long)]
    server: Option<String>,
    /// SHA-256 of its certificate, as `init` printed it
    #[arg(long)]
    fingerprint: Option<String>,
    /// The file with the administrator's token
    #[arg(long)]
    admin_token: Option<PathBuf>,
}

/// A connection that reaches this server or none.
pub(super) struct Admin {
    client: reqwest::Client,
    base: String,
    token: Zeroizing<String>,
}

impl Server {
    pub(super) fn connect(&self) -> Result<Admin, Failure> {
        let needs_config = self.server.is_none() || self.fingerprint.is_none();
        let config = if needs_config { Some(Config::load(&self.dir)?) } else { None };
        let base = match (&self.server, &config) {
            (Some(server), _) => server.clone(),
            (None, Some(config)) if config.issuer.is_some() || config.http.listen.port() != 0 => {
                config.issuer_at(config.http.listen)
            }
            (None, _) => return Err(told("give --server: the configuration names no port")),
        };
        let fingerprint = match (&self.fingerprint, &config) {
            (Some(text), _) => parse_fingerprint(text).ok_or_else(|| told("--fingerprint is 64 hexadecimal digits"))?,
            (None, Some(config)) => fingerprint_of(&config.http.tls_cert)?,
            (None, None) => return Err(told("give --fingerprint")),
        };
        let file = self.admin_token.clone().unwrap_or_else(|| self.dir.join("admin.token"));
        let token = std::fs::read_to_string(&file).map_err(|cause| Failure::io(file.display(), cause))?;
        Admin::new(base.trim_end_matches('/'), fingerprint, Zeroizing::new(token.trim().to_owned()))
    }
}

impl Admin {
    fn new(base: &str, fingerprint: [u8; 32], token: Zeroizing<String>) -> Result<Self, Failure> {
        let provider = CryptoProvider::get_default().cloned().ok_or_else(|| told("no TLS cryptography"))?;
        let pinned = Pinned { fingerprint, provider: Arc::clone(&provider) };
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|cause| Failure::Other(cause.into()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(pinned))
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(30))
            .build()
            .map_err(|cause| Failure::Other(cause.into()))?;
        Ok(Self { client, base: base.to_owned(), token })
    }

    /// Prints the list of this kind.
    pub(super) fn list(&self, kind: &str) -> Result<(), Failure> {
        let list: Option<Value> = self.ask(Method::GET, kind, None::<&Value>)?;
        super::say(&list.unwrap_or_default())
    }

    /// Removes what has this name among its kind.
    pub(super) fn remove(&self, kind: &str, name: &str) -> Result<(), Failure> {
        let name: String = openidconnect::url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
        self.ask::<Value>(Method::DELETE, &format!("{kind}/{name}"), None::<&Value>).map(drop)
    }

    /// Asks and reads the answer; `None` for one without a body. An error of the server comes back in its own words.
    pub(super) fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Option<T>, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|cause| Failure::io("runtime", cause))?;
        runtime.block_on(async {
            let mut request = self.client.request(method, format!("{}/admin/api/v1/{path}", self.base));
            request = request.bearer_auth(self.token.as_str());
            if let Some(body) = body {
                request = request.json(body);
            }
            let unreachable = |cause: reqwest::Error| {
                let mut text = format!("{}: {cause}", self.base);
                let mut inner = std::error::Error::source(&cause);
                while let Some(cause) = inner {
                    text = format!("{text}: {cause}");
                    inner = cause.source();
                }
                Failure::Other(text.into())
            };
            let answer = request.send().await.map_err(unreachable)?;
            let status = answer.status();
            let bytes = answer.bytes().await.map_err(unreachable)?;
            if status == StatusCode::NO_CONTENT {
                return Ok(None);
            }
            if !status.is_success() {
                let said = serde_json::from_slice::<serde_json::Value>(&bytes)
                    .ok()
                    .and_then(|body| body.get("error")?.as_str().map(str::to_owned));
                return Err(Failure::Other(said.unwrap_or_else(|| format!("the server answered {status}")).into()));
            }
            serde_json::from_slice(&bytes).map(Some).map_err(|cause| Failure::Other(cause.into()))
        })
    }
}

fn told(text: &str) -> Failure {
    Failure::Other(text.to_owned().into())
}

fn parse_fingerprint(text: &str) -> Option<[u8; 32]> {
    let digits: String = text.trim_start_matches("sha256:").chars().filter(|c| *c != ':').collect();
    unhex(&digits)?.try_into().ok()
}

fn fingerprint_of(file: &Path) -> Result<[u8; 32], Failure> {
    let certificate = CertificateDer::from_pem_file(file)
        .map_err(|cause| Failure::setting("http.tls_cert", format!("{}: {cause}", file.display())))?;
    Ok(Sha256::digest(certificate).into())
}

/// Trusts one certificate, whoever signed it and whatever names it bears.
#[derive(Debug)]
struct Pinned {
    fingerprint: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let found: [u8; 32] = Sha256::digest(end_entity).into();
        if bool::from(found.ct_eq(&self.fingerprint)) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::Error::General("the server's certificate has another fingerprint".into()))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_as_people_paste_them() {
        let plain = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");
        for (text, good) in [
            (plain.clone(), true),
            (format!("sha256:{plain}"), true),
            (colons, true),
            (plain[..62].to_owned(), false),
            ("x".repeat(64), false),
            (String::new(), false),
        ] {
            assert_eq!(parse_fingerprint(&text), good.then_some([0xab; 32]), "{text}");
        }
    }
}
