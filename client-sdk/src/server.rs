//! The conversation with the authorization server over HTTPS.

use latchwork_ace::ErrorResponse;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use std::time::Duration;

use crate::dpop::Proof;
use crate::error::Error;
use crate::key::PopKey;

const PATIENCE: Duration = Duration::from_secs(15);

/// The longest answer that we read.
const MAX_ANSWER: usize = 1 << 20;

/// Which server, and who this app is there.
#[derive(Clone, Debug)]
pub struct Server {
    /// The issuer URL, without a slash at its end.
    pub issuer: String,
    /// The app's client identifier.
    pub client_id: String,
    /// A certificate (PEM) to trust instead of the system's list, for a server with a development certificate.
    pub certificate: Option<Vec<u8>>,
}

pub(crate) struct Connection {
    http: Client,
    pub(crate) server: Server,
}

#[derive(Deserialize)]
struct OAuthError {
    error: String,
}

impl Connection {
    pub(crate) fn new(server: Server) -> Result<Self, Error> {
        // A program that chose its cryptography already keeps it; one that did not gets AWS-LC.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut builder = Client::builder().redirect(Policy::none()).timeout(PATIENCE);
        if let Some(pem) = &server.certificate {
            builder = builder.tls_certs_only([Certificate::from_pem(pem)?]);
        }
        Ok(Self { http: builder.build()?, server })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.issuer)
    }

    /// `POST /token` by form, with a proof of `key` (RFC 9449 §5), once more if the server asks for its nonce (§8).
    pub(crate) async fn token(&self, key: &dyn PopKey, accept: &str, form: &[(&str, &str)]) -> Result<Vec<u8>, Error> {
        let url = self.url("/token");
        let request = || self.http.post(&url).form(form).header(ACCEPT, accept);
        let proof = Proof { method: "POST", url: &url, access_token: None, nonce: None };
        self.send(key, request, proof).await
    }

    /// `GET` of one of our own API's resources, with a DPoP-bound access token (RFC 9449 §7).
    pub(crate) async fn get(&self, key: &dyn PopKey, path: &str, access_token: &str) -> Result<Vec<u8>, Error> {
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
    ) -> Result<Vec<u8>, Error> {
        let signed = proof.sign(key).await?;
        let mut response = request().header("DPoP", signed).send().await?;
        if let Some(nonce) = nonce_wanted(response.status(), response.headers()) {
            let signed = Proof { nonce: Some(&nonce), ..proof }.sign(key).await?;
            response = request().header("DPoP", signed).send().await?;
        }
        answer(response).await
    }
}

/// The nonce, if the server refused only for want of it.
fn nonce_wanted(status: StatusCode, headers: &HeaderMap) -> Option<String> {
    let refused = matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED);
    refused.then(|| headers.get("DPoP-Nonce")?.to_str().ok().map(str::to_owned))?
}

async fn answer(mut response: Response) -> Result<Vec<u8>, Error> {
    let status = response.status();
    let cbor = response.headers().get(CONTENT_TYPE).is_some_and(|t| t.as_bytes().starts_with(b"application/ace+cbor"));
    let mut body = Vec::new();
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
