//! The whole resource server, sans-IO: one message in, one message out.
//!
//! It stands above the message layer, which has dealt with duplicates, and takes messages with their OSCORE protection
//! still on. What the application does is behind [`Resources`], which is asked only with an [`Allowed`] in hand.

mod datagram;
mod edhoc;

pub use crate::target::{AUTHZ_INFO, EDHOC};

use crate::authorize::{Allowed, Created, Denied, authorize};
use crate::check::refuse_unless;
use crate::clock::Now;
use crate::edhoc::Edhoc;
use crate::hints;
use crate::introspect::{ASK_AGAIN, Introspect, Introspected};
use crate::proof::{Proven, ProvenKey, Unproven, by_oscore};
use crate::replay::Flash;
use crate::revoked::Revoked;
use crate::room::{Room, Sender};
use crate::session::{Seat, Sessions, TokenHash};
use crate::strangers;
use crate::target::{self, Target};
use crate::trust::{IssuerId, Trust};
use crate::verify::{Bearer, Rejected, Verifier};
use crate::{Refusal, authz_info};
use latchwork_ace::authz_info::Request;
use latchwork_ace::cose::Token;
use latchwork_ace::registry::Alg;
use latchwork_coap::endpoint::Millis;
use latchwork_coap::endpoint::exchange::Head;
use latchwork_coap::endpoint::request;
use latchwork_coap::{Code, ContentFormat, Full, Message, OptionNumber, Options};
use latchwork_crypto::{Random, Symmetric, Verify};
use latchwork_oscore::Error;

use datagram::{in_blocks, write, write_body};
use edhoc::Ended;

/// What an application serves to those who are allowed.
pub trait Resources {
    /// The absolute paths that exist here. A scope that mentions none of them is refused.
    fn paths(&self) -> &[&str];

    /// Who created the resource that a request names, if it was not always there.
    fn created(&self, request: &Message<'_>) -> Option<Created<'_>> {
        let _ = request;
        None
    }

    /// Serves one request. The payload of the reply may be written into `room`. Accept is the resource's business.
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
    /// For how many seconds it holds; of a 5.03, how soon to come again.
    pub max_age: Option<u32>,
    /// Further options, those of block-wise transfer excepted.
    pub options: Options<'r>,
}

impl Reply<'static> {
    /// A reply that says all by its code.
    pub const fn code(code: Code) -> Self {
        Self { code, format: None, payload: &[], max_age: None, options: Options::EMPTY }
    }
}

/// The parts that make a resource server, borrowed for one message.
pub struct ResourceServer<'a, 'k, C, R, E, const N: usize, const P: usize, const I: usize> {
    /// Whom the lock trusts.
    pub trust: &'a Trust<'k>,
    /// Who is inside.
    pub sessions: &'a mut Sessions<N, P, I>,
    /// Who is on the way in by EDHOC: [`Handshakes`](crate::edhoc::Handshakes) or [`NoEdhoc`](crate::edhoc::NoEdhoc).
    pub edhoc: &'a mut E,
    /// What outlives a reboot.
    pub flash: &'a mut dyn Flash,
    /// Revoked tokens, as the application learnt of them (RFC 9770 §11.1).
    pub revoked: &'a mut Revoked,
    /// Who can ask a server about a token; None if nobody can.
    pub introspect: Option<&'a mut dyn Introspect>,
    /// The present.
    pub now: Now,
    /// Milliseconds since boot, read again and again: it shows how long the cryptography takes on this lock, of which strangers get no
    /// more than half of its time.
    pub clock: &'a dyn Fn() -> Millis,
    /// The cryptography.
    pub crypto: &'a C,
    /// Random numbers.
    pub random: &'a mut R,
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
    /// `/authz-info` or `/.well-known/edhoc` was asked for something that it does not do.
    NotAnUpload(Code),
    /// Somebody began an EDHOC handshake.
    Begun,
    /// Message_3 for a handshake that is not there.
    NoHandshake,
    /// An EDHOC handshake ended with an error.
    HandshakeFailed(latchwork_edhoc::Error),
    /// Somebody says that a handshake is over. It may be anybody.
    GivenUp,
    /// A request without protection, or for a session that is not there; it got hints.
    Unauthorized,
    /// The session was over; it got hints.
    Lapsed,
    /// A protected request did not verify.
    NotVerified(Error),
    /// A holder asked for more than its token grants.
    Denied(TokenHash, Denied),
    /// A resource served a holder, with this code.
    Served(TokenHash, Code),
    /// A critical option that is unknown or malformed, or a block that does not fit the others.
    BadRequest(request::Refusal),
    /// One block of a longer message came or went.
    Block,
    /// All sessions are in use.
    Busy,
    /// Flash did not take the number of a token, so a request on it was not allowed.
    FlashFailed,
}

impl<C: Symmetric + Verify, R: Random, E, const N: usize, const P: usize, const I: usize>
    ResourceServer<'_, '_, C, R, E, N, P, I>
{
    /// Answers one request of `peer`, protected or not, and writes the response under `head` into `out`.
    pub fn answer<'o, A: Copy + Eq, const S: usize, const U: usize>(
        &mut self,
        peer: A,
        outer: &Message<'_>,
        head: Head,
        resources: &mut impl Resources,
        room: &mut Room<A, S, U>,
        out: &'o mut [u8],
    ) -> Result<Answer<'o>, Full>
    where
        E: Edhoc<C, A>,
    {
        let answer = if outer.options.get(OptionNumber::OSCORE).is_some() {
            self.protected(peer, outer, head, resources, room, out)
        } else {
            self.plain(peer, outer, head, resources, room, out)
        };
        room.wipe(self.now.uptime);
        answer
    }

    #[inline(never)] // its buffers and those of `protected` are not wanted at a time
    fn plain<'o, A: Copy + Eq, const S: usize, const U: usize>(
        &mut self,
        peer: A,
        outer: &Message<'_>,
        head: Head,
        resources: &mut impl Resources,
        room: &mut Room<A, S, U>,
        out: &'o mut [u8],
    ) -> Result<Answer<'o>, Full>
    where
        E: Edhoc<C, A>,
    {
        let Room { request, text, reply, blocks, .. } = room;
        // Half of a combined request (RFC 9668 §3.3.1, step 1).
        if self.edhoc.is_spoken() && outer.options.get(OptionNumber::EDHOC).is_some() {
            let datagram = write(&Reply::code(Code::BAD_REQUEST), head, out)?;
            return Ok(Answer { datagram, event: Event::HandshakeFailed(latchwork_edhoc::Error::Malformed) });
        }
        let target = match target::of(outer, self.edhoc.is_spoken()) {
            Ok(target) => target,
            Err(refusal) => {
                let datagram = write(&Reply::code(refusal.code()), head, out)?;
                return Ok(Answer { datagram, event: Event::BadRequest(refusal) });
            }
        };
        // Blocks are collected for tokens only; everything else is answered before it can cost memory.
        if target == Target::Resource {
            let (event, answer) = match self.unproved(outer, resources, text) {
                Some(served) => served,
                None => (Event::Unauthorized, self.hints(Some(outer), reply)),
            };
            return write(&answer, head, out).map(|datagram| Answer { datagram, event });
        }
        let (event, datagram) = in_blocks(
            blocks,
            Sender { peer, kid: None },
            self.now.uptime.millis(),
            outer,
            head,
            reply,
            out,
            &mut |whole, reply| {
                let (event, answer) = match target {
                    Target::Edhoc => self.handshake(peer, whole, resources.paths(), request, text),
                    _ => self.upload(whole, resources.paths(), text),
                };
                Ok((event, write_body(&answer, reply)?))
            },
        )?;
        Ok(Answer { datagram, event })
    }

    #[inline(never)]
    fn protected<'o, A: Copy + Eq, const S: usize, const U: usize>(
        &mut self,
        peer: A,
        outer: &Message<'_>,
        head: Head,
        resources: &mut impl Resources,
        room: &mut Room<A, S, U>,
        out: &'o mut [u8],
    ) -> Result<Answer<'o>, Full>
    where
        E: Edhoc<C, A>,
    {
        let answered = self.proved(peer, outer, head, resources, room, out);
        // Errors go out unprotected (RFC 8613 §8.2, RFC 9203 §4.3).
        let (event, answer) = match answered {
            Ok((length, event)) => {
                let datagram = out.get(..length).ok_or(Full)?;
                return Ok(Answer { datagram, event });
            }
            Err(Unanswered::Hints(event)) => (event, self.hints(None, &mut room.reply)),
            Err(Unanswered::Edhoc(ended)) => (ended.event(), ended.reply(&mut room.reply)),
            Err(Unanswered::Oscore(error)) => {
                let code = error.response_code().unwrap_or(Code::INTERNAL_SERVER_ERROR);
                (Event::NotVerified(error), Reply::code(code))
            }
        };
        write(&answer, head, out).map(|datagram| Answer { datagram, event })
    }

    /// Answers inside the session that the request names; the length of what is then in `out`.
    fn proved<A: Copy + Eq, const S: usize, const U: usize>(
        &mut self,
        peer: A,
        outer: &Message<'_>,
        head: Head,
        resources: &mut impl Resources,
        room: &mut Room<A, S, U>,
        out: &mut [u8],
    ) -> Result<(usize, Event), Unanswered>
    where
        E: Edhoc<C, A>,
    {
        let Room { request, text, reply, message, blocks } = room;
        let rest;
        let outer = if self.edhoc.is_spoken() && outer.options.get(OptionNumber::EDHOC).is_some() {
            rest = self.combined::<A>(outer, resources.paths(), request, text, message).map_err(Unanswered::Edhoc)?;
            &rest
        } else {
            outer
        };
        let Proven { verified, request, mut reference } =
            by_oscore(self.sessions, outer, &self.now, self.crypto, request)?;
        // Options first, then whether there is a seat, then what was asked; a session is a live one from the second on, and its
        // token counts as used from the last (`authorize`).
        let (seat, event, response) = match target::of(&request, self.edhoc.is_spoken()) {
            Err(refusal) => {
                let response = write(&Reply::code(refusal.code()), head, message)?;
                (verified.seat(), Event::BadRequest(refusal), response)
            }
            Ok(target) => match verified.enter(self.sessions, &self.now) {
                None => {
                    let busy = write(&Reply::code(Code::SERVICE_UNAVAILABLE), head, message)?;
                    (verified.seat(), Event::Busy, busy)
                }
                Some(key) => {
                    let sender = Sender { peer, kid: Some(*reference.kid()) };
                    let now = self.now.uptime.millis();
                    let (event, response) =
                        in_blocks(blocks, sender, now, &request, head, reply, message, &mut |whole, reply| {
                            let (event, answer) = self.decide(&key, target, whole, resources, text);
                            Ok((event, write_body(&answer, reply)?))
                        })?;
                    (key.seat(), event, response)
                }
            },
        };
        let response = Message::parse(response).map_err(|_| Full)?;
        let protected = self.sessions.answer(seat, &mut reference, &response, self.crypto, out);
        protected
            .ok_or(Unanswered::Hints(Event::Lapsed))?
            .map(|datagram| (datagram.len(), event))
            .map_err(Unanswered::Oscore)
    }

    fn hints<'r>(&self, request: Option<&Message<'_>>, room: &'r mut [u8]) -> Reply<'r> {
        hints::reply(self.trust, request, &self.now, self.crypto, room)
    }

    /// Only for the test that leaves the proof of possession out: whoever comes is taken for the first who uploaded.
    fn unproved<'r>(
        &mut self,
        request: &Message<'_>,
        resources: &mut impl Resources,
        room: &'r mut [u8],
    ) -> Option<(Event, Reply<'r>)> {
        if !cfg!(latchwork_disable = "proof") {
            return None;
        }
        let seat = self.sessions.used(Seat::Pending(0), &self.now)?;
        let key = ProvenKey::at(seat, self.sessions)?;
        Some(self.decide(&key, Target::Resource, request, resources, room))
    }

    /// What a verified request leads to.
    fn decide<'r, App: Resources>(
        &mut self,
        key: &ProvenKey,
        target: Target,
        request: &Message<'_>,
        resources: &mut App,
        room: &'r mut [u8],
    ) -> (Event, Reply<'r>) {
        let decision = match target {
            Target::AuthzInfo => {
                return match self.update(key, request, resources.paths(), room) {
                    Ok(token) => (Event::Updated(token), Reply::code(Code::CREATED)),
                    Err(not) if is_bare(request) => not.answer(Refusal::series_code),
                    Err(not) => not.answer(Refusal::update_code),
                };
            }
            // No token grants this, however the path is spelled: handshakes do not nest in sessions.
            Target::Edhoc => Err(Denied::Resource),
            Target::Resource => {
                authorize(key, request, self.sessions, self.flash, self.trust, resources.created(request))
            }
        };
        match decision {
            Ok(allowed) => {
                let token = allowed.holder().token();
                let reply = resources.serve(allowed, request, &self.now, room);
                (Event::Served(token, reply.code), reply)
            }
            Err(Denied::NotWritten) => (Event::FlashFailed, Reply::code(Denied::NotWritten.code())),
            Err(denied) => {
                let Some(session) = key.session(self.sessions) else {
                    return (Event::Lapsed, Reply::code(denied.code()));
                };
                let (trust, code) = (self.trust, denied.code());
                let reply = hints::more_rights(trust, code, request, &session.holder, &self.now, self.crypto, room);
                (Event::Denied(session.holder.token(), denied), reply)
            }
        }
    }

    /// What a token leads to that came in the open (RFC 9203 §4.1). One that is bound to a credential belongs into EDHOC.
    fn upload<'r>(&mut self, message: &Message<'_>, paths: &[&str], room: &'r mut [u8]) -> (Event, Reply<'r>) {
        let (token, opened) = match self.open(message, paths, room) {
            Ok(opened) => opened,
            Err(not) => return not.answer(Refusal::code),
        };
        let created = Reply {
            format: Some(ContentFormat::ACE_CBOR),
            payload: opened.response().encode(room).unwrap_or_default(),
            ..Reply::code(Code::CREATED)
        };
        (Event::Uploaded(token), created)
    }

    fn open(
        &mut self,
        message: &Message<'_>,
        paths: &[&str],
        room: &mut [u8],
    ) -> Result<(TokenHash, authz_info::Opened), NotAnUpload> {
        let request = upload_request(message)?;
        self.sessions.sweep(&self.now);
        let token = Token::parse(request.access_token);
        let signed = matches!(token, Ok(Token::Sign1(_)));
        let (clock, began) = (self.clock, (self.clock)());
        let has_time = !signed || self.sessions.strangers.have_time(began);
        refuse_unless!("flood", has_time, NotAnUpload::Token(Refusal::TooMany));
        let bearer = self.bearer(request.access_token, token, paths, room);
        if signed {
            self.sessions.strangers.took(began, clock(), strangers::LEAST);
        }
        let bearer = bearer?;
        let opened = authz_info::open(self.sessions, &bearer, &request, &self.now, self.random, self.crypto)?;
        Ok((bearer.token(), opened))
    }

    /// A token that came inside a session (RFC 9203 §4.2, draft-ietf-ace-edhoc-oscore-profile §4.6).
    fn update(
        &mut self,
        key: &ProvenKey,
        message: &Message<'_>,
        paths: &[&str],
        room: &mut [u8],
    ) -> Result<TokenHash, NotAnUpload> {
        let request = upload_request(message)?;
        let token = Token::parse(request.access_token);
        let bearer = self.bearer(request.access_token, token, paths, room)?;
        authz_info::update(self.sessions, key.seat, &bearer, is_bare(message), self.crypto)?;
        Ok(bearer.token())
    }

    /// Judges a token, by asking a server if it takes one.
    fn bearer<'r>(
        &mut self,
        bytes: &[u8],
        token: Result<Token<'_>, latchwork_ace::Error>,
        paths: &[&str],
        room: &'r mut [u8],
    ) -> Result<Bearer<'r>, Refusal> {
        let foreign = token.map_or(true, |token| self.trust.keys(token.kid()).next().is_none());
        let judged = if foreign && self.introspect.is_some() {
            self.ask(bytes, token.ok().map(|token| token.alg()), paths, room)
        } else {
            self.verifier(paths).judge(bytes, token, room)
        };
        judged.map_err(|rejected| self.rejected(rejected))
    }

    /// Keeps what a revoked token said of itself.
    fn rejected(&mut self, rejected: Rejected) -> Refusal {
        if let Rejected::Revoked(token, Some(seen)) = &rejected {
            self.revoked.saw(token, *seen);
        }
        rejected.into()
    }

    /// Asks a server about a token.
    fn ask<'r>(
        &mut self,
        token: &[u8],
        alg: Option<Alg>,
        paths: &[&str],
        room: &'r mut [u8],
    ) -> Result<Bearer<'r>, Rejected> {
        let names = self.verifier(paths).names(token, alg, room)?;
        let introspect = self.introspect.as_mut().ok_or(Refusal::Unknowable)?;
        match introspect.introspect(token, &names.token, &self.now, room) {
            Introspected::Answer { issuer, payload } => {
                self.verifier(paths).introspected(names, IssuerId(issuer), payload)
            }
            Introspected::Later => Err(Refusal::Later.into()),
            Introspected::Unreachable => Err(Refusal::Unknowable.into()),
        }
    }

    fn verifier<'v>(&'v self, resources: &'v [&'v str]) -> Verifier<'v, 'v, C> {
        Verifier {
            trust: self.trust,
            revoked: self.revoked,
            records: self.sessions.records(),
            resources,
            now: &self.now,
            crypto: self.crypto,
        }
    }
}

/// Why a protected request gets an unprotected answer.
enum Unanswered {
    /// There is no session any more, or none yet.
    Hints(Event),
    /// OSCORE refused the request, or we could not protect the response.
    Oscore(Error),
    /// It came with a message_3 that was refused.
    Edhoc(Ended),
}

impl From<Unproven> for Unanswered {
    fn from(unproven: Unproven) -> Self {
        match unproven {
            Unproven::NoSession | Unproven::Oscore(Error::UnknownContext) => Self::Hints(Event::Unauthorized),
            Unproven::Lapsed => Self::Hints(Event::Lapsed),
            Unproven::Oscore(error) => Self::Oscore(error),
        }
    }
}

impl From<Full> for Unanswered {
    fn from(_: Full) -> Self {
        Self::Oscore(Error::NoRoom)
    }
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
            Self::Token(refusal) => {
                let max_age = (refusal == Refusal::Later).then_some(ASK_AGAIN);
                (Event::Refused(refusal), Reply { max_age, ..Reply::code(code(refusal)) })
            }
        }
    }
}

/// A POST of a map in the right format (RFC 9203 §4.1), or of a token as it is (RFC 9200 §5.10.1); every other method is
/// refused (§5.10.1.2 there).
fn upload_request<'m>(message: &Message<'m>) -> Result<Request<'m>, NotAnUpload> {
    let is = |option, expected: ContentFormat| {
        let named = message.options.get(option).is_some();
        !named || message.options.uint16(option) == Some(expected.0)
    };
    if message.code != Code::POST {
        return Err(NotAnUpload::Request(Code::METHOD_NOT_ALLOWED));
    }
    if is_bare(message) {
        return Ok(Request { access_token: message.payload, nonce1: None, client_recipient_id: None });
    }
    if !is(OptionNumber::CONTENT_FORMAT, ContentFormat::ACE_CBOR) {
        return Err(NotAnUpload::Request(Code::UNSUPPORTED_CONTENT_FORMAT));
    }
    if !is(OptionNumber::ACCEPT, ContentFormat::ACE_CBOR) {
        return Err(NotAnUpload::Request(Code::NOT_ACCEPTABLE));
    }
    Request::decode(message.payload).map_err(|error| Refusal::NotAToken(error).into())
}

/// Whether the payload is a token and nothing else.
fn is_bare(message: &Message<'_>) -> bool {
    message.options.uint16(OptionNumber::CONTENT_FORMAT) == Some(ContentFormat::CWT.0)
}
