//! One message and its response.

use std::io;

use latchwork_coap::endpoint::exchange::{Due, Received, SentId};
use latchwork_coap::endpoint::request::{Transfer, check_response};
use latchwork_coap::{Message, OptionNumber, Token, Writer};
use latchwork_crypto::RustCrypto;
use latchwork_oscore::{MAX_OVERHEAD, SentRequest};
use tokio::net::UdpSocket;

use super::observe::Watched;
use super::{CoapClient, Error};
use crate::heap::Heap;
use crate::random;

/// A request under way.
pub(super) struct Sent {
    pub(super) id: SentId,
    /// What its responses are verified against, if it went out protected.
    pub(super) protection: Option<SentRequest>,
}

/// A response that was accepted: a message as it was before protection.
#[derive(Clone)]
pub(super) struct Reply {
    bytes: Vec<u8>,
    pub(super) protected: bool,
}

impl Reply {
    fn new(message: &Message<'_>, protected: bool) -> Result<Self, Error> {
        let options: usize = message.options.map(|(_, value)| value.len() + 5).sum();
        let mut bytes = vec![0; options + message.payload.len() + 16];
        let length = message.write(&mut bytes)?.len();
        bytes.truncate(length);
        Ok(Self { bytes, protected })
    }

    pub(super) fn message(&self) -> Result<Message<'_>, Error> {
        Message::parse(&self.bytes).map_err(|_| Error::Unfit)
    }
}

impl CoapClient {
    /// Sends the next message of a transfer and waits for its response. The caller forgets the request.
    pub(super) async fn round_trip(
        &mut self,
        transfer: &mut Transfer<'_, Heap>,
        token: Token,
        more: Option<(OptionNumber, &[u8])>,
    ) -> Result<(Sent, Reply), Error> {
        if let Some(abandoned) = self.under_way.take() {
            self.exchanges.forget(abandoned);
        }
        let mut sent = self.send(transfer, token, more).await?;
        let reply = tokio::time::timeout(self.patience, self.response(Some(&mut sent))).await;
        self.under_way = None;
        match reply.map_err(|_| Error::Timeout).flatten().and_then(|reply| reply.ok_or(Error::Timeout)) {
            Ok(reply) => {
                self.traffic.round_trips += 1;
                Ok((sent, reply))
            }
            Err(error) => {
                self.exchanges.forget(sent.id);
                Err(error)
            }
        }
    }

    async fn send(
        &mut self,
        transfer: &mut Transfer<'_, Heap>,
        token: Token,
        more: Option<(OptionNumber, &[u8])>,
    ) -> Result<Sent, Error> {
        let head = self.head(token);
        let mut buf = vec![0; MAX_REQUEST];
        let plain = transfer.write(head, more, &mut buf)?;
        let mut out = vec![0; plain.len() + MAX_OVERHEAD];
        let (datagram, protection) = match &mut self.context {
            None => (plain, None),
            Some(context) => {
                let message = Message::parse(plain).map_err(|_| Error::Unfit)?;
                let protected = context.protect_request(&RustCrypto, &message, &mut out).map_err(Error::Oscore)?;
                (protected.0, Some(protected.1))
            }
        };
        let combined;
        let datagram = match self.message_3.take() {
            Some(message_3) => {
                combined = combine(datagram, &message_3)?;
                &combined
            }
            None => datagram,
        };
        let sent = self.exchanges.send(self.clock.now(), (), datagram, random::u16()?);
        let id = sent.map_err(|_| Error::Unfit)?;
        self.under_way = Some(id);
        self.traffic.sent += datagram.len() as u64;
        transmit(&self.socket, datagram).await?;
        Ok(Sent { id, protection })
    }

    /// Waits for a response to `sent` that holds; without `sent`, for news of what is observed, which is then there.
    pub(super) async fn response(&mut self, mut sent: Option<&mut Sent>) -> Result<Option<Reply>, Error> {
        loop {
            if sent.is_none() && self.watched.as_ref().is_none_or(Watched::has_news) {
                return Ok(None);
            }
            let until = self.exchanges.next_due().map(|due| self.clock.until(due));
            let received = tokio::select! {
                received = self.socket.recv(&mut self.buf) => Some(received?),
                () = tokio::time::sleep(until.unwrap_or_default()), if until.is_some() => None,
            };
            match received {
                Some(length) => {
                    if let Some(reply) = self.receive(length, sent.as_deref_mut()).await? {
                        return Ok(Some(reply));
                    }
                }
                None => self.poll(sent.as_deref().map(|sent| sent.id)).await?,
            }
        }
    }

    async fn poll(&mut self, sent: Option<SentId>) -> Result<(), Error> {
        while let Some(due) = self.exchanges.poll(self.clock.now()) {
            match due {
                Due::Send((), bytes) => {
                    self.traffic.retransmissions += 1;
                    self.traffic.sent += bytes.len() as u64;
                    transmit(&self.socket, bytes).await?;
                }
                Due::GaveUp(id, ()) if Some(id) == sent => return Err(Error::Timeout),
                Due::GaveUp(..) => {}
            }
        }
        Ok(())
    }

    /// Takes in a datagram. News of what is observed is kept, whatever else is waited for.
    async fn receive(&mut self, length: usize, sent: Option<&mut Sent>) -> Result<Option<Reply>, Error> {
        self.traffic.received += length as u64;
        let now = self.clock.now();
        let datagram = self.buf.get(..length).unwrap_or_default();
        let (reply, outcome) = match self.exchanges.receive(now, (), datagram) {
            Received::Response { to, message, ack } => {
                let sent = sent.filter(|sent| sent.id == to);
                let watched = self.watched.as_mut().filter(|watched| watched.is(to));
                let mut inner = vec![0; 2 * length];
                let mut judge = |asked: &mut Sent| {
                    let accepted = accept(self.context.as_ref(), asked, &message, &mut inner);
                    accepted.map(|(message, protected)| match check_response(&message) {
                        Ok(()) => Reply::new(&message, protected),
                        Err(number) => Err(Error::BadOption(number.0)),
                    })
                };
                let (outcome, news) = match (sent, watched) {
                    (Some(sent), _) => (judge(sent), None),
                    (None, Some(watched)) => (None, judge(&mut watched.sent).map(|news| (watched, news))),
                    (None, None) => (None, None),
                };
                let rejected = matches!(outcome, Some(Err(_))) || matches!(news, Some((_, Err(_))));
                let reply = if rejected { self.exchanges.reject((), &message) } else { ack };
                if let Some((watched, news)) = news {
                    watched.hear(news, now);
                }
                (reply.map(Vec::from), outcome)
            }
            Received::Reset(id) if sent.is_some_and(|sent| sent.id == id) => return Err(Error::Reset),
            Received::Reply(bytes) => (Some(bytes.to_vec()), None),
            Received::Request(exchange, _) => (Some(self.exchanges.refused(exchange).to_vec()), None), // we serve nothing
            Received::Reset(_) | Received::Acknowledged(_) | Received::Ignored(_) => (None, None),
        };
        if let Some(bytes) = reply {
            self.traffic.sent += bytes.len() as u64;
            transmit(&self.socket, &bytes).await?;
        }
        outcome.transpose()
    }
}

/// A protected request and the message_3 that its context rests on, in one (RFC 9668 §3.2.1).
fn combine(protected: &[u8], message_3: &[u8]) -> Result<Vec<u8>, Error> {
    let request = Message::parse(protected).map_err(|_| Error::Unfit)?;
    let mut out = vec![0; protected.len() + message_3.len() + 4];
    let mut writer = Writer::new(&mut out, request.kind, request.code, request.id, request.token);
    let mut marked = false;
    for (number, value) in request.options {
        if number > OptionNumber::EDHOC && !marked {
            writer.option(OptionNumber::EDHOC, &[])?;
            marked = true;
        }
        writer.option(number, value)?;
    }
    if !marked {
        writer.option(OptionNumber::EDHOC, &[])?;
    }
    writer.payload(&[message_3, request.payload].concat())?;
    let length = writer.finish()?.len();
    out.truncate(length);
    // In one piece or not at all (RFC 9668 §3.2.2).
    if length > MAX_REQUEST { Err(Error::Unfit) } else { Ok(out) }
}

/// An error that an *earlier* datagram earned is reported once, in place of sending this one.
async fn transmit(socket: &UdpSocket, bytes: &[u8]) -> io::Result<usize> {
    match socket.send(bytes).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => socket.send(bytes).await,
        sent => sent,
    }
}

/// Takes the protection off. None drops the response: waiting goes on (RFC 8613 §8.4).
fn accept<'o>(
    context: Option<&latchwork_oscore::Context>,
    sent: &mut Sent,
    message: &Message<'o>,
    inner: &'o mut [u8],
) -> Option<(Message<'o>, bool)> {
    let (Some(context), Some(request)) = (context, sent.protection.as_mut()) else {
        return Some((message.clone(), false));
    };
    if message.options.get(OptionNumber::OSCORE).is_some() {
        let message = context.unprotect_response(&RustCrypto, request, message, inner);
        return message.inspect_err(|error| tracing::debug!(%error, "response dropped")).ok().map(|m| (m, true));
    }
    // The server could not verify our request and says so in the clear (RFC 8613 §8.2).
    matches!(message.code.class(), 4 | 5).then(|| (message.clone(), false))
}

/// Room for one message: a block, and options.
const MAX_REQUEST: usize = 8192;
