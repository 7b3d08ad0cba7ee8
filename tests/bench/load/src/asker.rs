//! One client: a connection, and the request that it repeats.

use std::convert::Infallible;
use std::fs;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::rt::{Read, Write};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use latchwork_ace::registry::GrantType;
use latchwork_ace::{Scope, TokenRequest};
use latchwork_coap::{Code, ContentFormat};
use latchwork_crypto::RustCrypto;
use latchwork_oscore::{Context, SenderNumbers};
use latchwork_transport::CoapClient;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::declaration::{CLIENT, SECRET, with_material};
use crate::jwt::{Key, now};
use crate::{By, Fault, Load};

/// A client that is connected.
pub(crate) enum Asker {
    Http(Box<Http>),
    Coap(Box<Coap>),
}

impl Asker {
    pub(crate) async fn connect(load: &Load, number: u8) -> Result<Self, Fault> {
        Ok(match load.by {
            By::Oscore => Self::Coap(Box::new(Coap::connect(load, number).await?)),
            _ => Self::Http(Box::new(Http::connect(load).await?)),
        })
    }

    /// Asks once; whether there was a token.
    pub(crate) async fn ask(&mut self) -> Result<bool, Fault> {
        match self {
            Self::Http(http) => http.ask().await,
            Self::Coap(coap) => coap.ask().await,
        }
    }
}

pub(crate) struct Http {
    sender: SendRequest<Full<Bytes>>,
    by: By,
    key: Key,
    basic: String,
    host: String,
    issuer: String,
    form: String,
    /// What the next proof must repeat (RFC 9449 §8).
    nonce: Option<String>,
}

impl Http {
    async fn connect(load: &Load) -> Result<Self, Fault> {
        let (scheme, host) = load.server.split_once("://").ok_or("no scheme")?;
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        let sender = match scheme {
            "https" => {
                let address = stream.peer_addr()?.ip();
                let file = load.ca.as_ref().ok_or("https:// needs --ca")?;
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(&fs::read(file)?)?)?;
                let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
                let tls = TlsConnector::from(Arc::new(tls));
                speak(TokioIo::new(tls.connect(ServerName::from(address), stream).await?)).await?
            }
            _ => speak(TokioIo::new(stream)).await?,
        };
        Ok(Self {
            sender,
            by: load.by,
            key: Key::new()?,
            basic: format!("Basic {}", BASE64.encode(format!("{CLIENT}:{SECRET}"))),
            host: host.to_owned(),
            issuer: load.issuer.clone(),
            form: format!(
                "grant_type=client_credentials&scope={}&audience={}",
                SCOPE.replace(':', "%3A"),
                load.audience.replace(':', "%3A")
            ),
            nonce: None,
        })
    }

    async fn ask(&mut self) -> Result<bool, Fault> {
        let mut request =
            Request::post("/token").header(HOST, &self.host).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let mut form = self.form.clone();
        match self.by {
            By::Assertion => {
                form.push_str(
                    "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer",
                );
                form.push_str("&client_assertion=");
                form.push_str(&self.key.assertion(&self.issuer)?);
            }
            By::Dpop => {
                let proof = self.key.proof(&format!("{}/token", self.issuer), self.nonce.as_deref())?;
                request = request.header(AUTHORIZATION, &self.basic).header("DPoP", proof);
            }
            By::Secret | By::Oscore => request = request.header(AUTHORIZATION, &self.basic),
        }
        let answer = self.sender.send_request(request.body(Full::from(form))?).await?;
        let granted = answer.status() == StatusCode::OK;
        if let Some(nonce) = answer.headers().get("dpop-nonce") {
            self.nonce = Some(nonce.to_str()?.to_owned());
        }
        answer.into_body().collect().await?;
        Ok(granted)
    }
}

async fn speak(stream: impl Read + Write + Unpin + Send + 'static) -> Result<SendRequest<Full<Bytes>>, Fault> {
    let (sender, connection) = handshake(stream).await?;
    // What ends it shows in the next request.
    tokio::spawn(async { drop(connection.await) });
    Ok(sender)
}

pub(crate) struct Coap {
    client: CoapClient,
    payload: Vec<u8>,
}

impl Coap {
    async fn connect(load: &Load, number: u8) -> Result<Self, Fault> {
        // Above all that a run before this one used: a second has room for more than one context can ask in it.
        let below = now()? << 8;
        let context = with_material(number, |material| Context::restore(&RustCrypto, material, below, [0; 8]));
        let mut context = context.map_err(|_| "not a context")?;
        context.reserve(u32::MAX, &mut Forgotten).map_err(|_| "no sender numbers")?;
        let mut client = CoapClient::connect(load.server.trim_start_matches("coap://")).await?;
        client.set_context(Some(context));
        let request = TokenRequest {
            grant_type: Some(GrantType::CLIENT_CREDENTIALS),
            audience: Some(&load.audience),
            scope: Some(Scope::Text(SCOPE)),
            ..TokenRequest::default()
        };
        let mut buffer = [0; 512];
        let payload = request.encode(&mut buffer).map_err(|_| "a long request")?.to_vec();
        Ok(Self { client, payload })
    }

    async fn ask(&mut self) -> Result<bool, Fault> {
        let format = Some(ContentFormat::ACE_CBOR);
        let answer = self.client.request(Code::POST, "/token", format, format, &self.payload).await?;
        Ok(answer.protected && answer.code == Code::CREATED)
    }
}

/// The numbers are good for as long as the keys are: one load.
struct Forgotten;

impl SenderNumbers for Forgotten {
    type Error = Infallible;

    fn reserve(&mut self, _below: u64) -> Result<(), Infallible> {
        Ok(())
    }
}

const SCOPE: &str = "door:open";
