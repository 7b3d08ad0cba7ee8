//! The conversation with the authorization server over HTTPS.

use latchwork_ace::ErrorResponse;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;
use serde::Deserialize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use zeroize::Zeroizing;

use crate::dpop::Proof;
use crate::error::Error;
use crate::key::PopKey;

const PATIENCE: Duration = Duration::from_secs(15);

/// RFC 9200 §8.13.
pub(crate) const ACE_CBOR: &str = "application/ace+cbor";

/// The longest answer that we read.
const MAX_ANSWER: usize = 1 << 20;

/// Which server, and who this app is there.
#[derive(Clone, Debug)]
pub struct Server {
    /// The issuer URL: https, without a slash at its end. Plain http is taken for 127.0.0.1 and \[::1\] only.
    pub issuer: String,
    /// The app's client identifier.
    pub client_id: String,
    /// A certificate (PEM) to trust instead of the system's list, for a server with a development certificate.
    pub certificate: Option<Vec<u8>>,
}

pub(crate) struct Connection {
    http: Client,
    /// The newest nonce for proofs that the server gave (RFC 9449 §8.2).
    nonce: Mutex<Option<String>>,
    pub(crate) server: Server,
}

#[derive(Deserialize)]
struct OAuthError {
    error: String,
}

impl Connection {
    pub(crate) fn new(server: Server) -> Result<Self, Error> {
        if !is_safe(&server.issuer) {
            return Err(Error::Configuration("the issuer is no https URL, or ends with a slash"));
        }
        let mut builder = Client::builder().redirect(Policy::none()).timeout(PATIENCE);
        builder = builder.tls_backend_preconfigured(tls(server.certificate.as_deref())?);
        Ok(Self { http: builder.build()?, nonce: Mutex::default(), server })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.issuer)
    }

    /// `POST /token` by form, with a proof of `key` (RFC 9449 §5), once more if the server asks for its nonce (§8).
    pub(crate) async fn token(&self, key: &dyn PopKey, accept: &str, form: &[(&str, &str)]) -> Result<Answer, Error> {
        let url = self.url("/token");
        let request = || self.http.post(&url).form(form).header(ACCEPT, accept);
        let proof = Proof { method: "POST", url: &url, access_token: None, nonce: None };
        self.send(key, request, proof).await
    }

    /// `POST /token` in CBOR, in the same way (RFC 9200 §5.8).
    pub(crate) async fn token_in_cbor(&self, key: &dyn PopKey, payload: &[u8]) -> Result<Answer, Error> {
        let url = self.url("/token");
        let request =
            || self.http.post(&url).body(payload.to_vec()).header(CONTENT_TYPE, ACE_CBOR).header(ACCEPT, ACE_CBOR);
        let proof = Proof { method: "POST", url: &url, access_token: None, nonce: None };
        self.send(key, request, proof).await
    }

    /// `GET` of one of our own API's resources, with a DPoP-bound access token (RFC 9449 §7).
    pub(crate) async fn get(&self, key: &dyn PopKey, path: &str, access_token: &str) -> Result<Answer, Error> {
        let url = self.url(path);
        let mut authorization =
            HeaderValue::try_from(format!("DPoP {access_token}")).map_err(|_| Error::Nonsense("access token"))?;
        authorization.set_sensitive(true);
        let request = || self.http.get(&url).header(AUTHORIZATION, authorization.clone());
        let proof = Proof { method: "GET", url: &url, access_token: Some(access_token), nonce: None };
        self.send(key, request, proof).await
    }

    async fn send(
        &self,
        key: &dyn PopKey,
        request: impl Fn() -> RequestBuilder,
        proof: Proof<'_>,
    ) -> Result<Answer, Error> {
        let known = self.nonce.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let signed = Proof { nonce: known.as_deref(), ..proof }.sign(key).await?;
        let mut response = request().header("DPoP", signed).send().await?;
        let given = self.keep_nonce(response.headers());
        if given.is_some() && given != known && asks_again(response.status()) {
            let signed = Proof { nonce: given.as_deref(), ..proof }.sign(key).await?;
            response = request().header("DPoP", signed).send().await?;
            self.keep_nonce(response.headers());
        }
        answer(response).await
    }

    /// The nonce that came with an answer; the next proof carries it, so that asking costs no round trip each time.
    fn keep_nonce(&self, headers: &HeaderMap) -> Option<String> {
        let given = headers.get("DPoP-Nonce")?.to_str().ok()?.to_owned();
        *self.nonce.lock().unwrap_or_else(PoisonError::into_inner) = Some(given.clone());
        Some(given)
    }
}

/// The body of an answer: it may hold tokens and their secrets.
type Answer = Zeroizing<Vec<u8>>;

/// Whether what we send there is read by that server alone: https, or this machine.
fn is_safe(issuer: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(issuer) else { return false };
    let here = matches!(url.host_str(), Some("127.0.0.1" | "[::1]"));
    (url.scheme() == "https" || url.scheme() == "http" && here) && !issuer.ends_with('/')
}

/// TLS with the cryptography that the program chose, else AWS-LC; nothing is chosen for the rest of the program.
fn tls(certificate: Option<&[u8]>) -> Result<ClientConfig, Error> {
    let crypto = CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(aws_lc_rs::default_provider()));
    let builder = ClientConfig::builder_with_provider(crypto)
        .with_safe_default_protocol_versions()
        .map_err(|_| Error::Configuration("the program's cryptography has no TLS 1.2 or 1.3"))?;
    let builder = match certificate {
        Some(pem) => {
            let wrong = |_| Error::Configuration("the server's certificate is no PEM");
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(pem) {
                roots.add(certificate.map_err(wrong)?).map_err(|_| Error::Configuration("the server's certificate"))?;
            }
            builder.with_root_certificates(roots)
        }
        None => builder
            .with_platform_verifier()
            .map_err(|_| Error::Configuration("the system has no list of certificates to trust"))?,
    };
    Ok(builder.with_no_client_auth())
}

/// Whether an answer that brings a nonce means: the same again, with it.
fn asks_again(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED)
}

async fn answer(mut response: Response) -> Result<Answer, Error> {
    let status = response.status();
    let cbor = response.headers().get(CONTENT_TYPE).is_some_and(|t| t.as_bytes().starts_with(ACE_CBOR.as_bytes()));
    let mut body = Answer::default();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(Error::Nonsense("an answer without end"));
        }
        body.extend_from_slice(&chunk);
    }
    if status.is_success() {
        return Ok(body);
    }
    Err(Error::Refused(if cbor { cbor_error(&body) } else { json_error(&body) }.unwrap_or_else(|| status.to_string())))
}

fn json_error(body: &[u8]) -> Option<String> {
    serde_json::from_slice::<OAuthError>(body).ok().map(|e| e.error)
}

fn cbor_error(body: &[u8]) -> Option<String> {
    let error = ErrorResponse::decode(body).ok()?.error;
    Some(error.name().map_or_else(|| error.0.to_string(), str::to_owned))
}
