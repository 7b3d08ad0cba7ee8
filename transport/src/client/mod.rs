//! The client: one connected socket, one request at a time.

pub mod edhoc;
mod observe;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use latchwork_coap::endpoint::exchange::{Head, SentId};
use latchwork_coap::endpoint::request::{Body, Progress, Transfer, TransferError};
use latchwork_coap::{Code, ContentFormat, Full, Kind, Message, OptionNumber, Token, Writer};
use latchwork_oscore::Context;
use tokio::net::{ToSocketAddrs, UdpSocket};

use crate::clock::Clock;
use crate::heap::Heap;
use crate::{Exchanges, MAX_DATAGRAM, exchanges, random};
pub use edhoc::Abbreviation;
pub use observe::Observation;
use observe::Watched;
use wire::Reply;

/// A client of one server.
pub struct CoapClient {
    socket: UdpSocket,
    exchanges: Exchanges<()>,
    clock: Clock,
    context: Option<Context>,
    /// To go before the next request.
    message_3: Option<Vec<u8>>,
    /// A request whose future may have been dropped since.
    under_way: Option<SentId>,
    /// What is observed, and what was heard of it while other requests were under way.
    watched: Option<Watched>,
    patience: Duration,
    traffic: Traffic,
    buf: Vec<u8>,
}

/// What a client sent and received since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Messages that were answered.
    pub round_trips: u64,
    /// Messages that were sent again.
    pub retransmissions: u64,
    /// Bytes in datagrams sent.
    pub sent: u64,
    /// Bytes in datagrams received.
    pub received: u64,
}

/// A whole response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The response code.
    pub code: Code,
    /// All options of its last message.
    pub options: Vec<(OptionNumber, Vec<u8>)>,
    /// The whole payload.
    pub payload: Vec<u8>,
    /// Whether it was verified under our context. An unverified one under a context is always an error code, and may
    /// come from anybody.
    pub protected: bool,
}

impl Response {
    /// The first value of an option.
    pub fn option(&self, number: OptionNumber) -> Option<&[u8]> {
        self.options.iter().find(|(found, _)| *found == number).map(|(_, value)| &value[..])
    }

    /// The format of the payload.
    pub fn content_format(&self) -> Option<ContentFormat> {
        match self.option(OptionNumber::CONTENT_FORMAT)? {
            [] => Some(ContentFormat(0)),
            [low] => Some(ContentFormat(u16::from(*low))),
            [high, low] => Some(ContentFormat(u16::from_be_bytes([*high, *low]))),
            _ => None,
        }
    }
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The socket failed; nobody listens there, for one.
    #[error("socket: {0}")]
    Io(#[from] io::Error),
    /// No response came in time.
    #[error("no response in time")]
    Timeout,
    /// The server rejected the message itself.
    #[error("the server rejected the message")]
    Reset,
    /// The response has a critical option that we do not know (RFC 7252 §5.4.1).
    #[error("response with unknown critical option {0}")]
    BadOption(u16),
    /// The blocks of the response do not fit together.
    #[error("block-wise transfer: {0:?}")]
    Transfer(TransferError),
    /// The path is no absolute path, or the request is too large.
    #[error("request cannot be written")]
    Unfit,
    /// The request could not be protected: no sender number is left, say.
    #[error("not protected: {0}")]
    Oscore(latchwork_oscore::Error),
    /// The server ended the observation.
    #[error("not observed any more")]
    Unobserved,
}

impl From<Full> for Error {
    fn from(_: Full) -> Self {
        Self::Unfit
    }
}

impl CoapClient {
    /// Opens a socket for one server.
    pub async fn connect(server: impl ToSocketAddrs) -> io::Result<Self> {
        let server = tokio::net::lookup_host(server).await?.next();
        let server = server.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no address"))?;
        let any: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(server).await?;
        Ok(Self {
            socket,
            exchanges: exchanges(64, 8)?,
            clock: Clock::start(),
            context: None,
            message_3: None,
            under_way: None,
            watched: None,
            patience: Duration::from_secs(93), // MAX_TRANSMIT_WAIT
            traffic: Traffic::default(),
            buf: vec![0; MAX_DATAGRAM],
        })
    }

    /// How long a single message may go without response. Without this it is as long as RFC 7252 §4.8.2 says.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// From now on every request goes under this context, or under none. Returns the one before.
    pub fn set_context(&mut self, context: Option<Context>) -> Option<Context> {
        self.message_3 = None;
        std::mem::replace(&mut self.context, context)
    }

    /// From now on every request goes under this context, and the next one takes along the EDHOC message_3 that the server needs to
    /// derive it (RFC 9668). Where the server refuses that, its answer is not protected.
    pub fn set_new_context(&mut self, context: Context, message_3: Vec<u8>) {
        (self.context, self.message_3) = (Some(context), Some(message_3));
    }

    /// The context, to reserve sender numbers, say.
    pub fn context(&mut self) -> Option<&mut Context> {
        self.context.as_mut()
    }

    /// Where the server is.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.peer_addr()
    }

    /// Our own end.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// What was sent and received so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// One request and its whole response. `path` is absolute and may have a query: `/a/b?c=d&e`, nothing escaped. A
    /// server that wants to see the request is fresh (4.01 with Echo, RFC 9175 §2.3) gets its wish, once.
    pub async fn request(
        &mut self,
        method: Code,
        path: &str,
        content_format: Option<ContentFormat>,
        accept: Option<ContentFormat>,
        payload: &[u8],
    ) -> Result<Response, Error> {
        self.request_at(method, Target::Path(path), content_format, accept, payload).await
    }

    async fn request_at(
        &mut self,
        method: Code,
        target: Target<'_>,
        content_format: Option<ContentFormat>,
        accept: Option<ContentFormat>,
        payload: &[u8],
    ) -> Result<Response, Error> {
        let body = write_body(method, target, None, content_format, accept, payload)?;
        let tag = random::u64()?.to_be_bytes();
        let mut transfer = new_transfer(&body, &tag)?;
        self.transfer(&mut transfer).await
    }

    /// Goes on until the response is whole.
    async fn transfer(&mut self, transfer: &mut Transfer<'_, Heap>) -> Result<Response, Error> {
        let mut echo: Option<Vec<u8>> = None;
        let mut echoed = false;
        loop {
            let token = Token::from(random::u64()?.to_be_bytes());
            let option = echo.take();
            let more = option.as_ref().map(|value| (OptionNumber::ECHO, &value[..]));
            let (sent, reply) = self.round_trip(transfer, token, more).await?;
            self.exchanges.forget(sent.id);
            if let Some(value) = self.challenge(&reply)?.filter(|_| !echoed) {
                echo = Some(value);
                echoed = true;
                continue;
            }
            let message = reply.message()?;
            if transfer.receive(&message).map_err(Error::Transfer)? == Progress::Done {
                return Ok(whole(&message, transfer.payload(), reply.protected));
            }
        }
    }

    /// The Echo that a server wants back. It goes the way it came: into a protected request only from a protected response
    /// (RFC 9175 §2.3).
    fn challenge(&self, reply: &Reply) -> Result<Option<Vec<u8>>, Error> {
        let message = reply.message()?;
        let wanted = message.code == Code::UNAUTHORIZED && reply.protected == self.context.is_some();
        Ok(message.options.get(OptionNumber::ECHO).filter(|_| wanted).map(<[u8]>::to_vec))
    }

    fn head(&mut self, token: Token) -> Head {
        Head { kind: Kind::Con, id: self.exchanges.fresh_id(), token }
    }
}

fn new_transfer<'b>(body: &'b [u8], tag: &'b [u8]) -> Result<Transfer<'b, Heap>, Error> {
    let body = Body::parse(body).map_err(|_| Error::Unfit)?;
    Ok(Transfer::new(body, tag, 6))
}

fn whole(message: &Message<'_>, payload: &[u8], protected: bool) -> Response {
    let options = message.options.map(|(number, value)| (number, value.to_vec())).collect();
    Response { code: message.code, options, payload: payload.to_vec(), protected }
}

/// Which resource a request is for.
#[derive(Clone, Copy)]
enum Target<'t> {
    /// An absolute path, and a query if it has one.
    Path(&'t str),
    /// A well-known path by its number.
    Abbreviated(Abbreviation),
}

fn write_body(
    method: Code,
    target: Target<'_>,
    observe: Option<u32>,
    content_format: Option<ContentFormat>,
    accept: Option<ContentFormat>,
    payload: &[u8],
) -> Result<Vec<u8>, Error> {
    let (path, query) = match target {
        Target::Path(path) => path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query))),
        Target::Abbreviated(_) => ("", None),
    };
    let mut buf = vec![0; 2 * path.len() + 2 * query.map_or(0, str::len) + payload.len() + 64];
    let mut writer = Writer::body(&mut buf, method);
    if let Some(observe) = observe {
        writer.uint_option(OptionNumber::OBSERVE, observe)?;
    }
    writer.path(path)?;
    if let Some(format) = content_format {
        writer.uint_option(OptionNumber::CONTENT_FORMAT, format.0.into())?;
    }
    if let Target::Abbreviated(Abbreviation { option, value }) = target {
        writer.uint_option(option, value)?;
    }
    for argument in query.into_iter().flat_map(|query| query.split('&')) {
        writer.option(OptionNumber::URI_QUERY, argument.as_bytes())?;
    }
    if let Some(format) = accept {
        writer.uint_option(OptionNumber::ACCEPT, format.0.into())?;
    }
    writer.payload(payload)?;
    let length = writer.finish()?.len();
    buf.truncate(length);
    Ok(buf)
}
