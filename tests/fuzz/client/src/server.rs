//! The server: HTTP that is well formed, with answers that need not be.

use std::sync::{Arc, Mutex};

use latchwork_ace::TokenRequest;
use reqwest::Url;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::script::Answer;
use crate::world::Stage;

/// What was asked for.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) grant: Option<String>,
    pub(crate) audience: Option<String>,
    pub(crate) cnonce: Option<Vec<u8>>,
    pub(crate) code: Option<String>,
}

/// Serves for ever.
pub(crate) async fn serve(listener: TcpListener, stage: Arc<Mutex<Stage>>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        tokio::spawn(converse(stream, Arc::clone(&stage)));
    }
}

async fn converse(mut stream: TcpStream, stage: Arc<Mutex<Stage>>) -> std::io::Result<()> {
    // So that ports of connections that are over can be used again at once.
    stream.set_zero_linger()?;
    let mut bytes = Vec::new();
    loop {
        let (head, body) = loop {
            if let Some(whole) = whole(&bytes) {
                break whole;
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
        };
        bytes.clear();
        let answer = {
            let mut stage = stage.lock().expect("no panic before");
            stage.asked.push(read(&head, &body));
            let answer = stage.script.server.pop_front().unwrap_or(Answer { how: UNAVAILABLE, ..Answer::default() });
            let written = written(&answer, stage.said.len());
            stage.said.push((status(answer.how), answer.content));
            written
        };
        stream.write_all(&answer).await?;
    }
}

/// Head and body of a request.
fn whole(bytes: &[u8]) -> Option<(String, Vec<u8>)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, body) = (String::from_utf8(bytes[..end].to_vec()).expect("our own client"), &bytes[end + 4..]);
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    (body.len() >= length.unwrap_or(0)).then(|| (head, body.to_vec()))
}

fn read(head: &str, body: &[u8]) -> Asked {
    let path = head.split(' ').nth(1).expect("a target").to_owned();
    let cbor = head.to_ascii_lowercase().contains("content-type: application/ace+cbor");
    if cbor {
        let request = TokenRequest::decode(body).expect("our own request");
        let text = |text: Option<&str>| text.map(str::to_owned);
        let (audience, cnonce) = (text(request.audience), request.cnonce.map(<[u8]>::to_vec));
        return Asked { path, audience, cnonce, grant: Some("refresh_token".to_owned()), code: None };
    }
    let mut asked = Asked { path, ..Asked::default() };
    let form = Url::parse(&format!("http://h/?{}", String::from_utf8_lossy(body))).expect("a form");
    for (name, value) in form.query_pairs() {
        match &*name {
            "grant_type" => asked.grant = Some(value.into_owned()),
            "audience" => asked.audience = Some(value.into_owned()),
            "cnonce" => asked.cnonce = Some(from_base64url(&value)),
            "code" => asked.code = Some(value.into_owned()),
            _ => {}
        }
    }
    asked
}

fn from_base64url(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).expect("base64url")
}

fn status(how: u8) -> u16 {
    STATUS[usize::from(how) % STATUS.len()]
}

/// A nonce is another each `turn`.
fn written(answer: &Answer, turn: usize) -> Vec<u8> {
    let kind = match answer.more % 4 {
        0 => "content-type: application/json\r\n",
        1 => "content-type: application/ace+cbor\r\n",
        2 => "content-type: text/html\r\n",
        _ => "",
    };
    let nonce = if answer.more & 4 == 0 { String::new() } else { format!("dpop-nonce: {turn}\r\n") };
    let location = if answer.more & 8 == 0 { "" } else { "location: http://192.0.2.1/\r\n" };
    let length = answer.content.len();
    let head = format!("HTTP/1.1 {} X\r\n{kind}{nonce}{location}content-length: {length}\r\n\r\n", status(answer.how));
    [head.as_bytes(), &answer.content].concat()
}

/// Statuses that have a body.
const STATUS: [u16; 8] = [200, 400, 401, 403, 201, 302, 500, 503];
const UNAVAILABLE: u8 = 7;
