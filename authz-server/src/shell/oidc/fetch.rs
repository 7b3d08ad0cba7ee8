//! The only HTTP client the server has, and it only ever talks to configured providers: no redirects, no proxy, 1 MiB, five
//! seconds, https (plain http to this machine alone). No URL that a client supplies comes near it.

use std::future::Future;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use openidconnect::url::{Host, Url};
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};

/// How long a provider may take for one answer.
pub const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest answer read from a provider, in bytes.
pub const MAX_ANSWER: usize = 1 << 20;

/// Fetches from one provider.
pub struct Fetch(reqwest::Client);

/// Why a fetch gave nothing. The text is for our log, never for the browser.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The URL is neither https nor on this machine.
    #[error("the address {0} is neither https nor on this machine")]
    NotAllowed(String),
    /// No connection, a broken one, or no answer in time.
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// The answer is longer than [`MAX_ANSWER`].
    #[error("an answer of more than 1 MiB")]
    TooLong,
    /// The provider sent us elsewhere, which we do not follow.
    #[error("a redirect, which is not followed")]
    Redirect,
    /// The request or answer could not be put into the types of the HTTP library.
    #[error("not HTTP: {0}")]
    NotHttp(String),
}

/// Why no client could be made: a CA file that cannot be read or holds no certificate.
#[derive(Debug, thiserror::Error)]
#[error("ca_file: {0}")]
pub struct BadCaFile(String);

impl Fetch {
    /// `ca_file` holds PEM certificates that are trusted *instead of* the system's.
    ///
    /// # Errors
    /// The file cannot be read or holds no certificate.
    pub fn new(ca_file: Option<&std::path::Path>) -> Result<Self, BadCaFile> {
        crate::shell::tls::install_provider();
        let loopback: [SocketAddr; 2] = [(Ipv4Addr::LOCALHOST, 0).into(), (Ipv6Addr::LOCALHOST, 0).into()];
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(TIMEOUT)
            .connect_timeout(TIMEOUT)
            .referer(false)
            .user_agent("latchwork")
            .resolve_to_addrs("localhost", &loopback);
        if let Some(path) = ca_file {
            let pem = std::fs::read(path).map_err(|e| BadCaFile(format!("{}: {e}", path.display())))?;
            let roots = reqwest::Certificate::from_pem_bundle(&pem)
                .map_err(|e| BadCaFile(format!("{}: {e}", path.display())))?;
            if roots.is_empty() {
                return Err(BadCaFile(format!("{}: no certificate", path.display())));
            }
            builder = builder.tls_certs_only(roots);
        }
        builder.build().map(Self).map_err(|e| BadCaFile(e.to_string()))
    }

    async fn fetch(&self, request: HttpRequest) -> Result<HttpResponse, FetchError> {
        let request = reqwest::Request::try_from(request).map_err(|e| FetchError::NotHttp(e.to_string()))?;
        if !allowed(request.url()) {
            return Err(FetchError::NotAllowed(request.url().origin().ascii_serialization()));
        }
        let mut answer = self.0.execute(request).await.map_err(no_answer)?;
        if answer.status().is_redirection() {
            return Err(FetchError::Redirect);
        }
        let mut whole = openidconnect::http::Response::builder().status(answer.status().as_u16());
        if let Some(kind) = answer.headers().get("content-type") {
            whole = whole.header("content-type", kind.as_bytes());
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(no_answer)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(FetchError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        whole.body(body).map_err(|e| FetchError::NotHttp(e.to_string()))
    }
}

impl<'c> AsyncHttpClient<'c> for Fetch {
    type Error = FetchError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, FetchError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.fetch(request))
    }
}

/// May the server speak to this URL? https anywhere, http only to this machine, never with a user name or password in it.
#[must_use]
pub fn allowed(url: &Url) -> bool {
    let plain = url.username().is_empty() && url.password().is_none();
    let local = match url.host() {
        Some(Host::Ipv4(ip)) => ip == Ipv4Addr::LOCALHOST,
        Some(Host::Ipv6(ip)) => ip == Ipv6Addr::LOCALHOST,
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    plain && url.host().is_some() && (url.scheme() == "https" || (url.scheme() == "http" && local))
}

/// reqwest prints the whole URL, query included; codes and tokens have no place in a log.
fn no_answer(error: reqwest::Error) -> FetchError {
    let mut text = error.without_url().to_string();
    // (`without_url` consumed the error; its source is in the text where reqwest prints one.)
    text.truncate(200);
    FetchError::NoAnswer(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    /// A provider that answers every request with these bytes.
    fn provider(answer: Vec<u8>) -> String {
        use std::io::{Read as _, Write as _};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(&answer);
            }
        });
        address
    }

    /// Each way in which a fetch gives nothing.
    #[actix_web::test]
    async fn what_gives_nothing() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let long = [b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec(), vec![b'x'; MAX_ANSWER + 1]].concat();
        let elsewhere = b"HTTP/1.1 302 Found\r\nlocation: http://id.example/\r\ncontent-length: 0\r\n\r\n".to_vec();
        let broken = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".to_vec();
        type Is = fn(&FetchError) -> bool;
        let cases: [(String, Is); 6] = [
            ("http://id.example/".into(), |why| matches!(why, FetchError::NotAllowed(_))),
            (format!("http://{closed}/"), |why| matches!(why, FetchError::NoAnswer(_))),
            (provider(broken), |why| matches!(why, FetchError::NoAnswer(_))),
            (provider(long), |why| matches!(why, FetchError::TooLong)),
            (provider(elsewhere), |why| matches!(why, FetchError::Redirect)),
            ("/nowhere".into(), |why| matches!(why, FetchError::NotHttp(_))),
        ];
        let fetch = Fetch::new(None).unwrap();
        for (url, is) in cases {
            let request = openidconnect::http::Request::get(url.as_str()).body(Vec::new()).unwrap();
            let why = fetch.fetch(request).await.unwrap_err();
            assert!(is(&why), "{url}: {why}");
        }
        let good = provider(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_vec());
        let request = openidconnect::http::Request::get(good.as_str()).body(Vec::new()).unwrap();
        assert_eq!(fetch.fetch(request).await.unwrap().body(), b"{}");
    }

    #[test]
    fn only_https_or_this_machine() {
        for (url, may) in [
            ("https://id.example/x", true),
            ("http://127.0.0.1:9000/x", true),
            ("http://[::1]:9000/x", true),
            ("http://localhost:9000/x", true),
            ("http://id.example/x", false),
            ("http://127.0.0.2/x", false),
            ("http://localhost.example/x", false),
            ("http://127.0.0.1.example/x", false),
            ("http://0.0.0.0/x", false),
            ("https://user:pw@id.example/x", false),
            ("file:///etc/passwd", false),
            ("ftp://127.0.0.1/x", false),
            ("data:text/plain,x", false),
        ] {
            assert_eq!(allowed(&Url::parse(url).unwrap()), may, "{url}");
        }
    }
}
