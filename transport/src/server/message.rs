//! What a handler sees, in owned form.

use std::future::Future;
use std::net::SocketAddr;

use latchwork_coap::endpoint::request::Body;
use latchwork_coap::{Code, ContentFormat, Full, OptionNumber, Writer};

use crate::oscore::Identity;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    /// Where the request came from. Anybody can write this down.
    pub addr: SocketAddr,
    /// Who proved to have sent it, if it came under OSCORE.
    pub identity: Option<Identity>,
}

/// A whole request, seen for the first time, with no option that would have to be understood and is not.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who asks.
    pub peer: Peer,
    /// The method.
    pub method: Code,
    /// The segments of the path, exactly as sent.
    pub path: Vec<String>,
    /// The arguments of the query, exactly as sent.
    pub query: Vec<String>,
    /// The format of the payload.
    pub content_format: Option<ContentFormat>,
    /// The format wished for.
    pub accept: Option<ContentFormat>,
    /// The body.
    pub payload: Vec<u8>,
    /// Whether nobody asks just now: the answer notifies who asked before (RFC 7641).
    pub notifies: bool,
}

impl Request {
    /// None if a path or query is not UTF-8 (RFC 7252 §5.10.1 demands it).
    pub(super) fn new(peer: Peer, body: &Body<'_>, payload: Vec<u8>) -> Option<Self> {
        let text = |value: &[u8]| String::from_utf8(value.to_vec()).ok();
        let format = |number| body.options.uint16(number).map(ContentFormat);
        Some(Self {
            peer,
            method: body.code,
            path: body.options.uri_path().map(text).collect::<Option<_>>()?,
            query: body.options.uri_query().map(text).collect::<Option<_>>()?,
            content_format: format(OptionNumber::CONTENT_FORMAT),
            accept: format(OptionNumber::ACCEPT),
            payload,
            notifies: false,
        })
    }

    /// The path as text: `/a/b`.
    pub fn path(&self) -> String {
        self.path.iter().fold(String::new(), |path, segment| path + "/" + segment)
    }
}

/// What a handler answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The response code.
    pub code: Code,
    /// The format of the payload.
    pub content_format: Option<ContentFormat>,
    /// The body, of any length up to 1 MiB.
    pub payload: Vec<u8>,
    /// Further options, in any order.
    pub options: Vec<(OptionNumber, Vec<u8>)>,
    /// Whether who asked to observe the resource may (RFC 7641).
    pub observable: bool,
}

impl Response {
    /// A response without payload.
    pub fn new(code: Code) -> Self {
        Self { code, content_format: None, payload: Vec::new(), options: Vec::new(), observable: false }
    }

    /// With a payload.
    pub fn with(code: Code, content_format: ContentFormat, payload: impl Into<Vec<u8>>) -> Self {
        Self { content_format: Some(content_format), payload: payload.into(), ..Self::new(code) }
    }

    /// With one more option.
    pub fn option(mut self, number: OptionNumber, value: impl Into<Vec<u8>>) -> Self {
        self.options.push((number, value.into()));
        self
    }

    /// The resource can be observed.
    pub fn observable(self) -> Self {
        Self { observable: true, ..self }
    }

    /// As code, options and payload.
    pub(super) fn to_body(&self) -> Result<Vec<u8>, Full> {
        let format = self.content_format.map(|format| format.0.to_be_bytes());
        let format = format.as_ref().map(|bytes| bytes.strip_prefix(&[0]).unwrap_or(bytes));
        let format = format.map(|bytes| bytes.strip_prefix(&[0]).unwrap_or(bytes));
        let mut options: Vec<_> = self.options.iter().map(|(number, value)| (*number, &value[..])).collect();
        options.extend(format.map(|bytes| (OptionNumber::CONTENT_FORMAT, bytes)));
        options.sort_by_key(|&(number, _)| number);
        let size: usize = options.iter().map(|(_, value)| value.len() + 5).sum();
        let mut buf = vec![0; size + self.payload.len() + 2];
        let mut writer = Writer::body(&mut buf, self.code);
        for (number, value) in options {
            writer.option(number, value)?;
        }
        writer.payload(&self.payload)?;
        let length = writer.finish()?.len();
        buf.truncate(length);
        Ok(buf)
    }
}

/// Answers requests. Any number run at once; each runs once.
pub trait Handler: Send + Sync + 'static {
    /// Answers one.
    fn handle(&self, request: Request) -> impl Future<Output = Response> + Send;
}

impl<F, R> Handler for F
where
    F: Fn(Request) -> R + Send + Sync + 'static,
    R: Future<Output = Response> + Send,
{
    fn handle(&self, request: Request) -> impl Future<Output = Response> + Send {
        self(request)
    }
}
