//! TLS: the process-wide choice of a cryptography provider, and clients that show a certificate (RFC 8705 §2).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};

use crate::core::channel::Certificate;
use crate::core::time::Timestamp;

/// Makes the compiled-in provider the default one. Harmless when called twice.
pub fn install_provider() {
    #[cfg(feature = "aws-lc")]
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    #[cfg(not(feature = "aws-lc"))]
    let provider = rustls::crypto::ring::default_provider();
    // An error only says that one is installed already.
    let _ = provider.install_default();
}

/// The authorities that may vouch for clients; without any, only registered certificates count.
#[derive(Clone, Default)]
pub struct Authorities(Option<Arc<dyn ClientCertVerifier>>);

impl Authorities {
    /// From a PEM file.
    ///
    /// # Errors
    /// It cannot be read, or has no certificate in it.
    pub fn load(file: &Path) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(file)? {
            roots.add(certificate?)?;
        }
        Ok(Self(Some(WebPkiClientVerifier::builder(Arc::new(roots)).build()?)))
    }

    /// What a chain of a finished handshake shows: the first certificate, and whether one of us vouches for it now.
    #[must_use]
    pub fn judge(&self, chain: &[CertificateDer<'_>], now: Timestamp) -> Option<Certificate> {
        let (own, intermediates) = chain.split_first()?;
        let time = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now.0).unwrap_or_default()));
        let vouched =
            self.0.as_ref().is_some_and(|verifier| verifier.verify_client_cert(own, intermediates, time).is_ok());
        Certificate::read(own, vouched)
    }
}

/// Asks every client for a certificate and takes any, or none: who it is is decided when a request says so. The handshake still
/// proves possession of its key.
#[derive(Debug)]
pub struct AnyCertificate(Arc<CryptoProvider>);

impl AnyCertificate {
    /// With the default provider.
    #[must_use]
    pub fn new() -> Option<Arc<Self>> {
        CryptoProvider::get_default().cloned().map(|provider| Arc::new(Self(provider)))
    }
}

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// None: a client then offers whichever it has, self-signed ones too.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        own: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let size = own.len() + intermediates.iter().map(|each| each.len()).sum::<usize>();
        if size > MAX_CHAIN || Certificate::read(own, false).is_none() {
            return Err(CertificateError::BadEncoding.into());
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Bytes of a client's whole chain.
const MAX_CHAIN: usize = 16 << 10;
