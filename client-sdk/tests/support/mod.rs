//! Servers, browsers and locks that answer what a test wants; all of them behind real sockets.
#![allow(dead_code)] // each test file uses a part

use std::net::UdpSocket;
use std::sync::{Arc, Mutex};
use std::thread;

use latchwork_ace::osc::OscMaterial;
use latchwork_ace::registry::{Alg, Profile};
use latchwork_ace::{Cnf, TokenResponse};
use latchwork_client_sdk::{App, Browser, Error, FileStore, Server, SoftwareKey};
use latchwork_coap::{Code, ContentFormat, Kind, Message, OptionNumber, Writer};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const FRONT: &str = "urn:latchwork:lock:front";

/// Status, further header lines, body.
pub(crate) type Answer = (u16, &'static str, Vec<u8>);

pub(crate) struct FakeServer {
    pub(crate) issuer: String,
    /// What it was asked, head and body.
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
    /// The bodies of that, byte for byte.
    pub(crate) bodies: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl FakeServer {
    pub(crate) async fn start(answer: impl Fn(&str) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let (asked, bodies) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let (log, raw) = (Arc::clone(&asked), Arc::clone(&bodies));
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut bytes = Vec::new();
                while !is_whole(&bytes) {
                    if stream.read_buf(&mut bytes).await.unwrap() == 0 {
                        break;
                    }
                }
                let request = String::from_utf8_lossy(&bytes).into_owned();
                let (status, headers, body) = answer(&request);
                log.lock().unwrap().push(request);
                raw.lock().unwrap().push(split(&bytes).map_or_else(Vec::new, |(_, body)| body.to_vec()));
                let head = format!(
                    "HTTP/1.1 {status} X\r\n{headers}connection: close\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                stream.write_all(&[head.into_bytes(), body].concat()).await.unwrap();
            }
        });
        Self { issuer, asked, bodies }
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn is_whole(request: &[u8]) -> bool {
    let Some((head, body)) = split(request) else { return false };
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

/// Head and body.
fn split(request: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = request.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    Some((&request[..end], &request[end + 4..]))
}

/// A browser that is sent to the app with these queries, one after the other. `STATE` and `ISS` stand for the true ones.
pub(crate) struct FakeBrowser<'q> {
    pub(crate) issuer: String,
    pub(crate) queries: &'q [&'q str],
}

impl Browser for FakeBrowser<'_> {
    fn open(&self, url: &str) -> std::io::Result<()> {
        let url = reqwest::Url::parse(url).unwrap();
        let value = |wanted: &str| url.query_pairs().find(|(name, _)| name == wanted).unwrap().1.into_owned();
        let (redirect, state) = (value("redirect_uri"), value("state"));
        let redirect = reqwest::Url::parse(&redirect).unwrap();
        let address = format!("127.0.0.1:{}", redirect.port().unwrap());
        let visits: Vec<String> = self
            .queries
            .iter()
            .map(|query| query.replace("STATE", &state).replace("ISS", &self.issuer))
            .map(|query| format!("GET {}?{query} HTTP/1.1\r\nhost: {address}\r\n\r\n", redirect.path()))
            .collect();
        tokio::spawn(async move {
            for visit in visits {
                // On a machine that stood still for a moment the app has given the connection up; browsers try again.
                while !matches!(answered(&address, &visit).await, Ok(1..)) {}
            }
        });
        Ok(())
    }
}

/// How many bytes a request is answered with.
async fn answered(address: &str, request: &str) -> std::io::Result<usize> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    stream.read_to_end(&mut Vec::new()).await
}

/// A lock at a port of its own; a payload goes out as ACE CBOR.
pub(crate) fn fake_lock(answer: impl Fn(&Message<'_>) -> (Code, Vec<u8>) + Send + 'static) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let (mut buffer, mut out) = ([0; 2048], [0; 2048]);
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let request = Message::parse(&buffer[..length]).unwrap();
            let (code, payload) = answer(&request);
            let mut writer = Writer::new(&mut out, Kind::Ack, code, request.id, request.token);
            if !payload.is_empty() {
                writer.uint_option(OptionNumber::CONTENT_FORMAT, ContentFormat::ACE_CBOR.0.into()).unwrap();
                writer.payload(&payload).unwrap();
            }
            socket.send_to(writer.finish().unwrap(), from).unwrap();
        }
    });
    address
}

/// What the server answers to a refresh for a door, as a test changes it.
pub(crate) fn granted(change: impl FnOnce(&mut TokenResponse<'_>, &mut OscMaterial<'_>)) -> Answer {
    let mut osc = OscMaterial::new(b"1", b"0123456789abcdef");
    let mut response = TokenResponse::new(b"a token");
    response.expires_in = Some(600);
    response.refresh_token = Some(b"successor");
    response.ace_profile = Some(Profile::COAP_OSCORE);
    osc.alg = Alg::AES_CCM_16_64_128;
    change(&mut response, &mut osc);
    response.cnf = response.cnf.or(Some(Cnf::Osc(osc)));
    let mut out = [0; 512];
    (200, "content-type: application/ace+cbor\r\n", response.encode(&mut out).unwrap().to_vec())
}

pub(crate) fn json(status: u16, body: &str) -> Answer {
    (status, "content-type: application/json\r\n", body.as_bytes().to_vec())
}

/// A phone whose person signed in before and has one door.
pub(crate) struct SignedIn {
    directory: TempDir,
    issuer: String,
}

impl SignedIn {
    /// With `permission` in the store, as JSON.
    pub(crate) fn new(issuer: &str, lock: &str, permission: Option<&str>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let permissions = permission.map(|permission| format!("{FRONT:?}:{permission}")).unwrap_or_default();
        let state = format!(
            r#"{{"issuer":{issuer:?},"refresh_token":"first","permissions":{{{permissions}}},"doors":[
                {{"name":"front","audience":{FRONT:?},"address":{lock:?},"as_uri":"{issuer}/token"}}]}}"#
        );
        std::fs::write(directory.path().join("tokens.json"), state).unwrap();
        Self { directory, issuer: issuer.to_owned() }
    }

    pub(crate) fn app(&self) -> App {
        self.app_of(&self.issuer).unwrap()
    }

    pub(crate) fn app_of(&self, issuer: &str) -> Result<App, Error> {
        self.app_with(issuer, None)
    }

    /// Trusts this certificate (PEM) and no other.
    pub(crate) fn app_trusting(&self, certificate: String) -> App {
        self.app_with(&self.issuer, Some(certificate.into_bytes())).unwrap()
    }

    fn app_with(&self, issuer: &str, certificate: Option<Vec<u8>>) -> Result<App, Error> {
        let server = Server { issuer: issuer.to_owned(), client_id: "phone".to_owned(), certificate };
        let store = FileStore::new(self.directory.path().join("tokens.json"));
        App::new(server, Arc::new(SoftwareKey::generate().unwrap()), Arc::new(store))
    }

    pub(crate) fn stored(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("tokens.json")).unwrap()
    }
}

/// A permission of the store that is good for a long time.
pub(crate) const OLD: &str = r#"{"token":"b2xk","id":"MA","master_secret":"MDEyMzQ1Njc4OWFiY2RlZg","salt":null,"context_id":null,"expires":99999999999}"#;
