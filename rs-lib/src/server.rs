//! The whole resource server, sans-IO: one message in, one message out.
//!
//! It stands above the message layer, which has dealt with duplicates, and takes messages with their OSCORE protection
//! still on. What the application does is behind [`Resources`], which is asked only with an [`Allowed`] in hand.

use crate::authorize::{Allowed, Denied, authorize};
use crate::clock::Now;
use crate::hints;
use crate::proof::{Proven, ProvenKey, Unproven, by_oscore};
use crate::session::{Seat, Sessions, TokenHash};
use crate::trust::Trust;
use crate::verify::Verifier;
use crate::{Refusal, authz_info};
use latchwork_ace::authz_info::{Request, Response};
use latchwork_coap::{Code, ContentFormat, Full, Kind, Message, OptionNumber, Token, Writer};
use latchwork_crypto::{Random, Symmetric, Verify};
use latchwork_oscore::{Error, ReceivedRequest};
use zeroize::Zeroize;

/// What an application serves to those who are allowed.
pub trait Resources {
    /// The absolute paths that exist here. A scope that mentions none of them is refused.
    const PATHS: &'static [&'static str];

    /// Serves one request. The payload of the reply may be written into `room`.
    fn serve<'r>(&mut self, allowed: Allowed<'_>, request: &Message<'_>, now: &Now, room: &'r mut [u8]) -> Reply<'r>;
}

/// What a resource answers.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'r> {
    /// Response code.
    pub code: Code,
    /// Content-Format of the payload.
    pub format: Option<ContentFormat>,
    /// The payload; may be empty.
    pub payload: &'r [u8],
}

impl Reply<'static> {
    /// A reply that says all by its code.
    pub const fn code(code: Code) -> Self {
        Self { code, format: None, payload: &[] }
    }
}

/// Header of the response, from the message layer.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// Acknowledgement, or a message of its own.
    pub kind: Kind,
    /// Message ID.
    pub id: u16,
    /// The token of the request.
    pub token: Token,
}

/// The parts that make a resource server, borrowed for one message.
pub struct ResourceServer<'a, 'k, C, const N: usize, const P: usize> {
    /// Whom the lock trusts.
    pub trust: &'a Trust<'k>,
    /// Who is inside.
    pub sessions: &'a mut Sessions<N, P>,
    /// Revoked tokens, as the application learnt of them (RFC 9770 §11.1).
    pub revoked: &'a [TokenHash],
    /// The present.
    pub now: Now,
    /// The cryptography.
    pub crypto: &'a C,
}

/// Memory to work in: `S` bytes for each step. They bound the size of messages and, times 3/4, of tokens. Wiped after
/// every message.
pub struct Room<const S: usize> {
    request: [u8; S],
    text: [u8; S],
    reply: [u8; S],
}

impl<const S: usize> Room<S> {
    /// Empty memory.
    pub const fn new() -> Self {
        Self { request: [0; S], text: [0; S], reply: [0; S] }
    }

    fn wipe(&mut self) {
        self.request.zeroize();
        self.text.zeroize();
        self.reply.zeroize();
    }
}

impl<const S: usize> Default for Room<S> {
    fn default() -> Self {
        Self::new()
    }
}

/// A response, and what to write into the log about it.
#[derive(Debug)]
pub struct Answer<'o> {
    /// The datagram.
    pub datagram: &'o [u8],
    /// What happened.
    pub event: Event,
}

/// What happened to a message. Holds nothing secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A token was good; a session waits for its holder.
    Uploaded(TokenHash),
    /// A live session got the rights of a new token.
    Updated(TokenHash),
    /// A token was refused.
    Refused(Refusal),
    /// `/authz-info` was asked for something that it does not do.
    NotAnUpload(Code),
    /// A request without protection, or for a session that is not there; it got hints.
    Unauthorized,
    /// The session was over; it got hints.
    Lapsed,
    /// A protected request did not verify.
    NotVerified(Error),
    /// A holder asked for more than its token grants.
    Denied(Denied),
    /// A resource served a holder, with this code.
    Served(TokenHash, Code),
    /// An unknown critical option.
    BadOption(OptionNumber),
    /// All sessions are in use.
    Busy,
}

impl<C: Symmetric + Verify, const N: usize, const P: usize> ResourceServer<'_, '_, C, N, P> {
    /// Answers one request, protected or not, and writes the response into `out`.
    pub fn answer<'o, R: Resources, const S: usize>(
        &mut self,
        outer: &Message<'_>,
        header: Header,
        random: &mut impl Random,
        resources: &mut R,
        room: &mut Room<S>,
        out: &'o mut [u8],
    ) -> Result<Answer<'o>, Full> {
        let answer = if outer.options.get(OptionNumber::OSCORE).is_some() {
            self.protected(outer, header, resources, room, out)
        } else {
            self.plain(outer, header, random, resources, room, out)
        };
        room.wipe();
        answer
    }

    fn plain<'o, R: Resources, const S: usize>(
        &mut self,
        outer: &Message<'_>,
        header: Header,
        random: &mut impl Random,
        resources: &mut R,
        room: &mut Room<S>,
        out: &'o mut [u8],
    ) -> Result<Answer<'o>, Full> {
        let Room { text, reply, .. } = room;
        let (event, answer) = match options_known(outer) {
            Err(option) => (Event::BadOption(option), Reply::code(Code::BAD_OPTION)),
            Ok(()) if outer.options.path_eq(AUTHZ_INFO) => match self.upload(outer, random, R::PATHS, text) {
                Ok((token, opened)) => {
                    let response = Response { nonce2: &opened.nonce2, server_recipient_id: &opened.recipient_id };
                    let payload = response.encode(reply).map_err(|_| Full)?;
                    let created = Reply { code: Code::CREATED, format: Some(ContentFormat::ACE_CBOR), payload };
                    (Event::Uploaded(token), created)
                }
                Err(not) => not.answer(Refusal::code),
            },
            Ok(()) => match self.unproved(outer, resources, text) {
                Some(served) => served,
                None => {
                    let hints = hints::reply(self.trust, Some(outer), &self.now, self.crypto, reply);
                    (Event::Unauthorized, hints)
                }
            },
        };
        write(&answer, header, out).map(|datagram| Answer { datagram, event })
    }

    /// Only for the test that leaves the proof of possession out: whoever comes is taken for the first who uploaded.
    fn unproved<'r, R: Resources>(
        &mut self,
        request: &Message<'_>,
        resources: &mut R,
        room: &'r mut [u8],
    ) -> Option<(Event, Reply<'r>)> {
        if !cfg!(latchwork_disable = "proof") {
            return None;
        }
        let seat = self.sessions.used(Seat::Pending(0), &self.now).ok()?;
        Some(self.decide(&ProvenKey { seat }, request, resources, room))
    }

    fn protected<'o, R: Resources, const S: usize>(
        &mut self,
        outer: &Message<'_>,
        header: Header,
        resources: &mut R,
        room: &mut Room<S>,
        out: &'o mut [u8],
    ) -> Result<Answer<'o>, Full> {
        let Room { request, text, reply } = room;
        let proven = by_oscore(self.sessions, outer, &self.now, self.crypto, request);
        let protected = match proven {
            Ok(Proven { key, request, mut reference }) => {
                let (event, answer) = self.decide(&key, &request, resources, text);
                let seat = Seat::Live(key.seat);
                self.protect(seat, &mut reference, &answer, header, reply, out).map(|length| (length, event))
            }
            Err(Unproven::Busy(seat, mut reference)) => {
                let busy = Reply::code(Code::SERVICE_UNAVAILABLE);
                self.protect(seat, &mut reference, &busy, header, reply, out).map(|length| (length, Event::Busy))
            }
            Err(Unproven::NoSession | Unproven::Oscore(Error::UnknownContext)) => {
                Err(Failure::Hints(Event::Unauthorized))
            }
            Err(Unproven::Lapsed) => Err(Failure::Hints(Event::Lapsed)),
            Err(Unproven::Oscore(error)) => Err(Failure::Oscore(error)),
        };
        // Errors go out unprotected (RFC 8613 §8.2, RFC 9203 §4.3).
        let (event, answer) = match protected {
            Ok((length, event)) => {
                let datagram = out.get(..length).ok_or(Full)?;
                return Ok(Answer { datagram, event });
            }
            Err(Failure::Hints(event)) => (event, hints::reply(self.trust, None, &self.now, self.crypto, reply)),
            Err(Failure::Oscore(error)) => {
                let code = error.response_code().unwrap_or(Code::INTERNAL_SERVER_ERROR);
                (Event::NotVerified(error), Reply::code(code))
            }
        };
        write(&answer, header, out).map(|datagram| Answer { datagram, event })
    }

    /// What a verified request leads to.
    fn decide<'r, R: Resources>(
        &mut self,
        key: &ProvenKey,
        request: &Message<'_>,
        resources: &mut R,
        room: &'r mut [u8],
    ) -> (Event, Reply<'r>) {
        if let Err(option) = options_known(request) {
            return (Event::BadOption(option), Reply::code(Code::BAD_OPTION));
        }
        if request.options.path_eq(AUTHZ_INFO) {
            return match self.update(key, request, R::PATHS, room) {
                Ok(token) => (Event::Updated(token), Reply::code(Code::CREATED)),
                Err(not) => not.answer(Refusal::update_code),
            };
        }
        match authorize(key, request, self.sessions, self.trust) {
            Ok(allowed) => {
                let token = allowed.holder().token();
                let reply = resources.serve(allowed, request, &self.now, room);
                (Event::Served(token, reply.code), reply)
            }
            Err(denied) => (Event::Denied(denied), Reply::code(denied.code())),
        }
    }

    /// A token that came in the open (RFC 9203 §4.1).
    fn upload(
        &mut self,
        message: &Message<'_>,
        random: &mut impl Random,
        paths: &[&str],
        room: &mut [u8],
    ) -> Result<(TokenHash, authz_info::Opened), NotAnUpload> {
        let request = upload_request(message)?;
        let bearer = self.verifier(paths).verify(request.access_token, room)?;
        let opened = authz_info::open(self.sessions, &bearer, &request, &self.now, random, self.crypto)?;
        Ok((bearer.token(), opened))
    }

    /// A token that came inside a session (RFC 9203 §4.2).
    fn update(
        &mut self,
        key: &ProvenKey,
        message: &Message<'_>,
        paths: &[&str],
        room: &mut [u8],
    ) -> Result<TokenHash, NotAnUpload> {
        let request = upload_request(message)?;
        let bearer = self.verifier(paths).verify(request.access_token, room)?;
        authz_info::update(self.sessions, key.seat, &bearer)?;
        Ok(bearer.token())
    }

    fn verifier<'v>(&'v self, resources: &'v [&'v str]) -> Verifier<'v, 'v, C> {
        Verifier { trust: self.trust, revoked: self.revoked, resources, now: &self.now, crypto: self.crypto }
    }

    /// Protects a response under the session's context; the length of what is then in `out`.
    fn protect(
        &mut self,
        seat: Seat,
        reference: &mut ReceivedRequest,
        answer: &Reply<'_>,
        header: Header,
        room: &mut [u8],
        out: &mut [u8],
    ) -> Result<usize, Failure> {
        // Gone only if the application revoked the token while it was being served.
        let session = self.sessions.at_mut(seat).ok_or(Failure::Hints(Event::Lapsed))?;
        let response = write(answer, header, room).map_err(|_| Failure::Oscore(Error::NoRoom))?;
        let response = Message::parse(response).map_err(|_| Failure::Oscore(Error::NoRoom))?;
        let protected = session.context.protect_response(self.crypto, reference, &response, out);
        protected.map(<[u8]>::len).map_err(Failure::Oscore)
    }
}

/// Why a protected request gets an unprotected answer.
enum Failure {
    Hints(Event),
    Oscore(Error),
}

/// Why `/authz-info` did not take something.
enum NotAnUpload {
    /// It was no upload at all.
    Request(Code),
    /// The token, or what came with it, was refused.
    Token(Refusal),
}

impl From<Refusal> for NotAnUpload {
    fn from(refusal: Refusal) -> Self {
        Self::Token(refusal)
    }
}

impl NotAnUpload {
    fn answer(self, code: fn(Refusal) -> Code) -> (Event, Reply<'static>) {
        match self {
            Self::Request(code) => (Event::NotAnUpload(code), Reply::code(code)),
            Self::Token(refusal) => (Event::Refused(refusal), Reply::code(code(refusal))),
        }
    }
}

/// A POST of a map in the right format (RFC 9203 §4.1); every other method is refused (RFC 9200 §5.10.1.2).
fn upload_request<'m>(message: &Message<'m>) -> Result<Request<'m>, NotAnUpload> {
    let is = |option, expected: ContentFormat| {
        let named = message.options.get(option).is_some();
        !named || message.options.uint16(option) == Some(expected.0)
    };
    if message.code != Code::POST {
        return Err(NotAnUpload::Request(Code::METHOD_NOT_ALLOWED));
    }
    if !is(OptionNumber::CONTENT_FORMAT, ContentFormat::ACE_CBOR) {
        return Err(NotAnUpload::Request(Code::UNSUPPORTED_CONTENT_FORMAT));
    }
    if !is(OptionNumber::ACCEPT, ContentFormat::ACE_CBOR) {
        return Err(NotAnUpload::Request(Code::NOT_ACCEPTABLE));
    }
    Request::decode(message.payload).map_err(|error| Refusal::NotAToken(error).into())
}

/// Refuses a critical option that we do not act on, before anything else is decided (RFC 7252 §5.4.1).
fn options_known(message: &Message<'_>) -> Result<(), OptionNumber> {
    let known = |number| {
        matches!(
            number,
            OptionNumber::URI_HOST
                | OptionNumber::URI_PORT
                | OptionNumber::URI_PATH
                | OptionNumber::URI_QUERY
                | OptionNumber::ACCEPT
                | OptionNumber::BLOCK1
                | OptionNumber::BLOCK2
        )
    };
    let unknown = |&(number, _): &(OptionNumber, &[u8])| number.is_critical() && !known(number);
    match message.options.clone().find(unknown) {
        Some((number, _)) if !cfg!(latchwork_disable = "critical-options") => Err(number),
        _ => Ok(()),
    }
}

fn write<'o>(reply: &Reply<'_>, header: Header, out: &'o mut [u8]) -> Result<&'o [u8], Full> {
    let mut writer = Writer::new(out, header.kind, reply.code, header.id, header.token);
    if let Some(format) = reply.format {
        writer.uint_option(OptionNumber::CONTENT_FORMAT, format.0.into())?;
    }
    writer.payload(reply.payload)?;
    writer.finish()
}

/// Where tokens are uploaded (RFC 9200 §5.10.1).
pub const AUTHZ_INFO: &str = "/authz-info";
