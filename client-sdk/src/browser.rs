//! The browser of the person, and how its answer finds back to the app (RFC 8252).

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::error::Error;

/// Shows a page of the server to the person: on a phone, the system's browser tab.
pub trait Browser: Send + Sync {
    /// Opens `url` and returns at once.
    fn open(&self, url: &str) -> std::io::Result<()>;
}

/// The longest request line that a browser's redirect may have.
const MAX_REQUEST: usize = 8192;

/// How long one connection may take to send its request.
const PATIENCE: Duration = Duration::from_secs(2);

/// The path of the redirect URI, which the client's registration names.
const PATH: &str = "/callback";

const DONE: &str = "<!doctype html><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
    <title>Signed in</title><p style=\"font:1.2rem system-ui;text-align:center;margin-top:30vh\">You can go back to the app.";

/// Receives the redirect at the end of a sign-in, on a free port of 127.0.0.1 (RFC 8252 §7.3).
pub(crate) struct Loopback(TcpListener);

impl Loopback {
    pub(crate) async fn listen() -> Result<Self, Error> {
        Ok(Self(TcpListener::bind(("127.0.0.1", 0)).await?))
    }

    pub(crate) fn redirect_uri(&self) -> Result<String, Error> {
        Ok(format!("http://127.0.0.1:{}{PATH}", self.0.local_addr()?.port()))
    }

    /// The query of the first request for our path that carries `state`. Other requests, which any program on the
    /// device can make, are turned away and change nothing.
    pub(crate) async fn answer(self, state: &str) -> Result<Vec<(String, String)>, Error> {
        loop {
            let (mut stream, _) = self.0.accept().await?;
            // Another program that connects and says nothing must not keep the browser waiting.
            let Ok(request) = timeout(PATIENCE, request(&mut stream)).await else { continue };
            let query = query_of(&request);
            let ours = query.iter().flatten().any(|(name, value)| name == "state" && value == state);
            let (status, body) = if ours { ("200 OK", DONE) } else { ("404 Not Found", "") };
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\n\
                 cache-control: no-store\r\nreferrer-policy: no-referrer\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            // The person may have closed the tab already: the answer is ours nevertheless.
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
            match query {
                Some(query) if ours => return Ok(query),
                _ => continue,
            }
        }
    }
}

async fn request(stream: &mut TcpStream) -> Vec<u8> {
    let mut request = Vec::new();
    let mut chunk = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < MAX_REQUEST {
        match stream.read(&mut chunk).await {
            Ok(n @ 1..) => request.extend_from_slice(chunk.get(..n).unwrap_or_default()),
            Ok(0) | Err(_) => break,
        }
    }
    request
}

fn query_of(request: &[u8]) -> Option<Vec<(String, String)>> {
    let line = std::str::from_utf8(request).ok()?.lines().next()?;
    let target = line.strip_prefix("GET ")?.split(' ').next()?;
    let query = target.strip_prefix(PATH)?.strip_prefix('?')?;
    let url = reqwest::Url::parse(&format!("http://127.0.0.1/?{query}")).ok()?;
    Some(url.query_pairs().into_owned().collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_our_path_has_a_query() {
        for (request, expected) in [
            ("GET /callback?code=a%20b&state=s HTTP/1.1\r\n\r\n", Some(vec![("code", "a b"), ("state", "s")])),
            ("GET /callback HTTP/1.1\r\n\r\n", None),
            ("GET /favicon.ico?state=s HTTP/1.1\r\n\r\n", None),
            ("POST /callback?state=s HTTP/1.1\r\n\r\n", None),
            ("\u{0}\u{1}", None),
        ] {
            let expected = expected.map(|q| q.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect::<Vec<_>>());
            assert_eq!(query_of(request.as_bytes()), expected, "{request:?}");
        }
    }
}
