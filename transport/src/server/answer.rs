//! One request, from its datagram to its answer.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use latchwork_coap::endpoint::exchange::{Exchange, Head};
use latchwork_coap::endpoint::request::{self, Body, Pending, Refusal, Step, observe_wish};
use latchwork_coap::{Code, Full, Kind, Message, OptionNumber, Writer};
use latchwork_crypto::RustCrypto;
use latchwork_oscore::{Error, Incoming, MAX_OVERHEAD, OscoreOption, ReceivedRequest};

use super::{BlockPeer, Handler, Notification, OBSERVATIONS, Peer, Request, Response, Serving, State};
use crate::heap::MAX_BODY;
use crate::oscore::Security;
use crate::random;

/// What an observer's notifications need besides the request.
pub(super) struct Observation {
    pub(super) peer: Peer,
    protection: Mutex<Protection>,
}

/// How the answer to a request is protected: like the request.
pub(super) enum Protection {
    None,
    Oscore(Arc<Security>, ReceivedRequest),
}

/// What became of the outer message.
enum Opened<'o> {
    Request(Message<'o>, Protection),
    /// Genuine but perhaps old: challenge it.
    Unproven(Arc<Security>, ReceivedRequest),
    Refused(Error),
}

/// What is to be sent: the request layer's answer, still unprotected.
enum Outcome {
    Body { pending: Pending<BlockPeer>, body: Vec<u8>, observe: Option<u32> },
    Proceed(Pending<BlockPeer>),
    Refuse(Pending<BlockPeer>, Refusal),
    Plain(Response),
}

impl<H: Handler> Serving<H> {
    pub(super) async fn answer(&self, exchange: Exchange<SocketAddr>, datagram: &[u8]) {
        let Ok(outer) = Message::parse(datagram) else { return }; // the exchange layer has parsed it already
        let mut buf = vec![0; 2 * datagram.len()];
        match self.open(&outer, &mut buf).await {
            Opened::Request(message, protection) => self.run(exchange, message, protection).await,
            Opened::Unproven(security, request) => self.challenge(exchange, &security, request).await,
            Opened::Refused(error) => {
                tracing::debug!(peer = %exchange.peer, %error, "protected request refused");
                if let Some(contexts) = &self.contexts {
                    let kid = OscoreOption::of(&outer).ok().flatten().and_then(|option| option.kid);
                    contexts.refused(exchange.peer, kid, &error);
                }
                let code = error.response_code().unwrap_or(Code::INTERNAL_SERVER_ERROR);
                // not to be cached (RFC 8613 §8.2)
                let response = Response { payload: error.to_string().into(), ..Response::new(code) };
                let outcome = Outcome::Plain(response.option(OptionNumber::MAX_AGE, []));
                self.respond(exchange, &mut Protection::None, outcome).await;
            }
        }
    }

    async fn open<'o>(&self, outer: &Message<'o>, buf: &'o mut [u8]) -> Opened<'o> {
        let Some(contexts) = &self.contexts else { return Opened::Request(outer.clone(), Protection::None) };
        let option = match OscoreOption::of(outer) {
            Ok(None) => return Opened::Request(outer.clone(), Protection::None),
            Ok(Some(option)) => option,
            Err(malformed) => return Opened::Refused(malformed.into()),
        };
        let Some(kid) = option.kid else { return Opened::Refused(Error::Malformed) };
        let Some(security) = contexts.find(kid, option.kid_context).await else {
            return Opened::Refused(Error::UnknownContext);
        };
        let unprotected = security.context().unprotect_request(&RustCrypto, outer, buf);
        match unprotected {
            Ok(Incoming::Request(message, request)) => Opened::Request(message, Protection::Oscore(security, request)),
            Ok(Incoming::Unproven(request)) => Opened::Unproven(security, request),
            Err(error) => Opened::Refused(error),
        }
    }

    async fn run(&self, exchange: Exchange<SocketAddr>, message: Message<'_>, protection: Protection) {
        let addr = exchange.peer;
        let (identity, serial) = match &protection {
            Protection::None => (None, None),
            Protection::Oscore(security, _) => (Some(security.identity().clone()), Some(security.serial())),
        };
        let peer = Peer { addr, identity };
        let observation = Arc::new(Observation { peer: peer.clone(), protection: Mutex::new(protection) });
        let outcome = match request::check(&message, &[]) {
            // A non-confirmable message is rejected as such (RFC 7252 §5.4.1).
            Err(Refusal::BadOption(_)) if message.kind == Kind::Non => {
                let rst = self.shared.lock().exchanges.refused(exchange);
                return self.send(addr, &rst).await;
            }
            Err(refusal) => Outcome::Plain(refused(refusal)),
            Ok(()) => {
                let step = {
                    let mut state = self.shared.lock();
                    match state.bodies.receive(self.clock.now(), (addr, serial), &message) {
                        Step::Run(pending, payload) => Ok((pending, payload.to_vec())),
                        Step::Proceed(pending) => Err(Outcome::Proceed(pending)),
                        Step::Refuse(pending, refusal) => Err(Outcome::Refuse(pending, refusal)),
                    }
                };
                match step {
                    Ok((pending, payload)) => self.handle(peer, &message, pending, payload, &observation).await,
                    Err(outcome) => outcome,
                }
            }
        };
        // Only this task has the protection until the answer is out: nothing is due before `out`.
        let registered = matches!(outcome, Outcome::Body { observe: Some(_), .. });
        let mut protection = std::mem::replace(&mut *lock(&observation.protection), Protection::None);
        self.respond(exchange, &mut protection, outcome).await;
        *lock(&observation.protection) = protection;
        if registered {
            self.shared.lock().observers.out(addr, message.token);
        }
    }

    async fn handle(
        &self,
        peer: Peer,
        message: &Message<'_>,
        pending: Pending<BlockPeer>,
        payload: Vec<u8>,
        observation: &Arc<Observation>,
    ) -> Outcome {
        let Some(request) = Request::new(peer, &Body::from(message), payload) else {
            return Outcome::Plain(Response::new(Code::BAD_REQUEST));
        };
        let (addr, token) = (request.peer.addr, message.token);
        let wish = match message.code {
            Code::GET | Code::FETCH => observe_wish(&message.options),
            _ => None,
        };
        if wish == Some(false) {
            self.shared.lock().observers.deregister(addr, token);
        }
        let before = self.shared.lock().changes;
        let response = self.handler.handle(request).await;
        let observe = (wish == Some(true) && response.observable && response.code.is_success())
            .then(|| self.register(message, observation, before))
            .flatten();
        if observe.is_none() && wish == Some(true) {
            self.shared.lock().observers.deregister(addr, token); // what it asked before under this token is over
        }
        match response.to_body() {
            Ok(body) if body.len() <= MAX_BODY => Outcome::Body { pending, body, observe },
            _ => Outcome::Plain(Response::new(Code::INTERNAL_SERVER_ERROR)),
        }
    }

    /// The Observe value of the answer; None leaves the request answered like any other (RFC 7641 §4.1). `before` counts the
    /// changes when the answer was not made yet.
    fn register(&self, message: &Message<'_>, observation: &Arc<Observation>, before: u64) -> Option<u32> {
        let request = body_of(message)?;
        let (addr, token, identity) = (observation.peer.addr, message.token, &observation.peer.identity);
        let same = |other: &Arc<Observation>| match identity {
            Some(identity) => other.peer.identity.as_ref() == Some(identity),
            None => other.peer.identity.is_none() && other.peer.addr.ip() == addr.ip(),
        };
        let mut state = self.shared.lock();
        if state.observers.count_of(same) >= OBSERVATIONS && !state.observers.knows(addr, token) {
            return None;
        }
        let number = state.observers.register(addr, token, &request, observation.clone()).ok()?;
        if state.changes != before {
            state.observers.stale(addr, token); // the answer may be older than the change
        }
        Some(number)
    }

    async fn challenge(&self, exchange: Exchange<SocketAddr>, security: &Arc<Security>, mut request: ReceivedRequest) {
        if let Some(contexts) = &self.contexts {
            contexts.reserve(security).await;
        }
        let peer = exchange.peer;
        let head = self.shared.lock().exchanges.head(&exchange);
        let mut out = [0; 128];
        let challenge =
            security.context().protect_challenge(&RustCrypto, &mut request, head.kind, head.id, head.token, &mut out);
        match challenge {
            Ok(datagram) => self.dispatch(exchange, datagram).await,
            Err(error) => {
                tracing::warn!(%peer, %error, "no challenge");
                let outcome = Outcome::Plain(Response::new(Code::SERVICE_UNAVAILABLE));
                self.respond(exchange, &mut Protection::None, outcome).await;
            }
        }
    }

    async fn respond(&self, exchange: Exchange<SocketAddr>, protection: &mut Protection, outcome: Outcome) {
        let mut buf = vec![0; MAX_MESSAGE];
        let (head, length) = {
            let mut state = self.shared.lock();
            let head = state.exchanges.head(&exchange);
            (head, self.write(&mut state, outcome, head, &mut buf).unwrap_or_default())
        };
        let mut out = vec![0; length + MAX_OVERHEAD];
        let message = buf.get(..length).unwrap_or_default();
        match protect(protection, message, &mut out) {
            Some(datagram) => self.dispatch(exchange, datagram).await,
            None => {
                let mut out = [0; 16];
                let error = Writer::new(&mut out, head.kind, Code::INTERNAL_SERVER_ERROR, head.id, head.token);
                if let Ok(datagram) = error.finish() {
                    self.dispatch(exchange, datagram).await;
                }
            }
        }
    }

    fn write(&self, state: &mut State, outcome: Outcome, head: Head, out: &mut [u8]) -> Result<usize, Full> {
        let now = self.clock.now();
        Ok(match outcome {
            Outcome::Body { pending, body, observe } => state.bodies.answer(now, pending, head, &body, observe, out)?,
            Outcome::Proceed(pending) => state.bodies.proceed(now, pending, head, out)?,
            Outcome::Refuse(pending, refusal) => state.bodies.refuse(pending, refusal, head, out)?,
            Outcome::Plain(response) => {
                let body = response.to_body()?;
                let body = Body::parse(&body).map_err(|_| Full)?;
                let Head { kind, id, token } = head;
                let Body { code, options, payload } = body;
                Message { kind, code, id, token, options, payload }.write(out)?
            }
        }
        .len())
    }

    /// Remembers the answer and sends it.
    async fn dispatch(&self, exchange: Exchange<SocketAddr>, datagram: &[u8]) {
        let peer = exchange.peer;
        let spread = random::u16().unwrap_or_default();
        if self.shared.lock().exchanges.answered(self.clock.now(), exchange, datagram, spread).is_err() {
            tracing::warn!(%peer, "no room to remember an answer");
        }
        self.send(peer, datagram).await;
    }

    pub(super) async fn send_notification(&self, notification: Notification) {
        let Notification { peer, token, .. } = notification;
        if self.try_notification(notification).await.is_none() {
            self.shared.lock().observers.deregister(peer, token);
        }
    }

    /// None ends the observation.
    async fn try_notification(&self, notification: Notification) -> Option<()> {
        let Notification { peer: addr, token, number, request, observation } = notification;
        let body = Body::parse(&request).ok()?;
        let asked = Request::new(observation.peer.clone(), &body, body.payload.to_vec())?;
        let whole = Request { notifies: true, ..asked };
        let response = self.handler.handle(whole).await;
        let goes_on = response.observable && response.code.is_success();
        let body_bytes = response.to_body().ok()?;
        let serial = match &*lock(&observation.protection) {
            Protection::None => None,
            Protection::Oscore(security, _) => Some(security.clone()),
        };
        if let (Some(security), Some(contexts)) = (&serial, &self.contexts) {
            contexts.reserve(security).await;
        }
        let mut buf = vec![0; MAX_MESSAGE];
        let length = {
            let mut state = self.shared.lock();
            let head = Head { kind: Kind::Con, id: state.exchanges.fresh_id(), token };
            let as_message = Message {
                kind: head.kind,
                code: body.code,
                id: head.id,
                token,
                options: body.options,
                payload: body.payload,
            };
            let key = (addr, serial.map(|security| security.serial()));
            let Step::Run(pending, _) = state.bodies.receive(self.clock.now(), key, &as_message) else { return None };
            let observe = goes_on.then_some(number);
            state.bodies.answer(self.clock.now(), pending, head, &body_bytes, observe, &mut buf).ok()?.len()
        };
        let mut out = vec![0; length + MAX_OVERHEAD];
        let mut protection = std::mem::replace(&mut *lock(&observation.protection), Protection::None);
        let datagram = protect(&mut protection, buf.get(..length)?, &mut out);
        *lock(&observation.protection) = protection;
        let datagram = datagram?;
        {
            let mut state = self.shared.lock();
            let spread = random::u16().unwrap_or_default();
            let sent = state.exchanges.send(self.clock.now(), addr, datagram, spread).ok()?;
            state.observers.sent(addr, token, sent);
        }
        self.send(addr, datagram).await;
        goes_on.then_some(())
    }
}

/// The datagram for an inner message.
fn protect<'o>(protection: &mut Protection, message: &[u8], out: &'o mut [u8]) -> Option<&'o [u8]> {
    match protection {
        Protection::None => {
            let place = out.get_mut(..message.len())?;
            place.copy_from_slice(message);
            (!message.is_empty()).then_some(place)
        }
        Protection::Oscore(security, request) => {
            let message = Message::parse(message).ok()?;
            let protected = security.context().protect_response(&RustCrypto, request, &message, out);
            protected.inspect_err(|error| tracing::warn!(%error, "answer not protected")).ok()
        }
    }
}

fn refused(refusal: Refusal) -> Response {
    let response = Response::new(refusal.code());
    match refusal {
        Refusal::BadOption(number) => Response { payload: format!("option {}", number.0).into(), ..response },
        _ => response,
    }
}

fn body_of(message: &Message<'_>) -> Option<Vec<u8>> {
    let options: usize = message.options.map(|(_, value)| value.len() + 5).sum();
    let mut buf = vec![0; options + message.payload.len() + 2];
    let mut writer = Writer::body(&mut buf, message.code);
    for (number, value) in message.options.filter(|&(number, _)| number != OptionNumber::OBSERVE) {
        writer.option(number, value).ok()?;
    }
    writer.payload(message.payload).ok()?;
    let length = writer.finish().ok()?.len();
    buf.truncate(length);
    Some(buf)
}

fn lock(protection: &Mutex<Protection>) -> std::sync::MutexGuard<'_, Protection> {
    protection.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A block of 1024 bytes and any options a handler may add.
const MAX_MESSAGE: usize = 4096;
