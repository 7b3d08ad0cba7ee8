//! Observing a resource (RFC 7641).

use latchwork_coap::endpoint::Millis;
use latchwork_coap::endpoint::exchange::SentId;
use latchwork_coap::endpoint::request::{Progress, TransferError};
use latchwork_coap::{Code, ContentFormat, OptionNumber, Token};
use latchwork_oscore::Context;

use super::wire::Sent;
use super::{CoapClient, Error, Reply, Response, Target, new_transfer, whole, write_body};
use crate::random;

/// A resource under observation. Dropped, it is forgotten: the next notification is rejected, which ends it.
///
/// Other [requests](Self::request) may be made in between, and a notification that comes meanwhile is kept for [`next`](Self::next).
pub struct Observation<'c> {
    client: &'c mut CoapClient,
    /// The request.
    body: Vec<u8>,
    path: String,
    accept: Option<ContentFormat>,
    token: Token,
}

/// What a client observes.
pub(super) struct Watched {
    pub(super) sent: Sent,
    /// The newest notification: its number and when it came.
    newest: Option<(u32, Millis)>,
    /// What nobody has taken yet. Only the latest is kept: it tells the present state (RFC 7641 §1.3).
    news: Option<Result<Reply, Error>>,
    /// Counts the news.
    heard: u64,
}

impl CoapClient {
    /// Asks for the resource and for its changes. Returns its present state, and the observation if the server agreed. Whatever was
    /// observed before is not any more.
    pub async fn observe(
        &mut self,
        path: &str,
        accept: Option<ContentFormat>,
    ) -> Result<(Response, Option<Observation<'_>>), Error> {
        let body = write_body(Code::GET, Target::Path(path), Some(0), None, accept, &[])?;
        let token = Token::from(random::u64()?.to_be_bytes());
        let response = self.register(&body, token).await?;
        let observation =
            self.watched.is_some().then(|| Observation { client: self, body, path: path.to_owned(), accept, token });
        Ok((response, observation))
    }

    /// Begins to watch, if the server agrees.
    async fn register(&mut self, body: &[u8], token: Token) -> Result<Response, Error> {
        self.unwatch();
        let mut echo: Option<Vec<u8>> = None;
        loop {
            let mut transfer = new_transfer(body, &[])?;
            let more = echo.as_ref().map(|value| (OptionNumber::ECHO, &value[..]));
            let (sent, reply) = self.round_trip(&mut transfer, token, more).await?;
            if let Some(value) = self.challenge(&reply)?.filter(|_| echo.is_none()) {
                self.exchanges.forget(sent.id);
                echo = Some(value);
                continue;
            }
            let Some(number) = number_of(&reply)? else {
                self.exchanges.forget(sent.id);
                return self.rest(body, &reply).await;
            };
            self.exchanges.observe(sent.id);
            let newest = Some((number, self.clock.now()));
            self.watched = Some(Watched { sent, newest, news: None, heard: 0 });
            let first = match self.rest(body, &reply).await {
                // It changed under our hands, and we are about to hear of it.
                Err(Error::Transfer(TransferError::Changed)) => {
                    let next = tokio::time::timeout(self.patience, self.next_state(body)).await;
                    next.map_err(|_| Error::Timeout).flatten()
                }
                first => first,
            };
            return first.inspect_err(|_| self.unwatch());
        }
    }

    /// What the next notification tells, whole. Dropped before it is ready, it loses nothing.
    async fn next_state(&mut self, body: &[u8]) -> Result<Response, Error> {
        loop {
            self.response(None).await?;
            let watched = self.watched.as_mut().ok_or(Error::Unobserved)?;
            let heard = watched.heard;
            let reply = match &watched.news {
                Some(Ok(reply)) => reply.clone(),
                Some(Err(_)) => {
                    let news = watched.news.take();
                    self.unwatch();
                    return Err(news.and_then(Result::err).unwrap_or(Error::Unobserved));
                }
                None => continue,
            };
            let state = self.rest(body, &reply).await;
            if let Some(watched) = self.watched.as_mut().filter(|watched| watched.heard == heard) {
                watched.news = None;
            }
            if number_of(&reply)?.is_none() {
                self.unwatch(); // the server ended it (RFC 7641 §3.2)
            }
            match state {
                // There is a newer state already: its notification is here or on its way.
                Err(Error::Transfer(TransferError::Changed)) if self.watched.is_some() => {}
                state => return state,
            }
        }
    }

    /// Fetches the blocks that a first message left out.
    async fn rest(&mut self, body: &[u8], reply: &Reply) -> Result<Response, Error> {
        let message = reply.message()?;
        let mut transfer = new_transfer(body, &[])?;
        match transfer.receive(&message).map_err(Error::Transfer)? {
            Progress::Done => Ok(whole(&message, transfer.payload(), reply.protected)),
            Progress::Continue => {
                let whole = self.transfer(&mut transfer).await?;
                // A block that is not there belongs to a state that is not there any more.
                if whole.code.is_success() { Ok(whole) } else { Err(Error::Transfer(TransferError::Changed)) }
            }
        }
    }

    fn unwatch(&mut self) {
        if let Some(watched) = self.watched.take() {
            self.exchanges.forget(watched.sent.id);
        }
    }
}

impl Observation<'_> {
    /// The next state. Waits as long as it takes; an error code ends the observation (RFC 7641 §3.2). What comes faster than it is
    /// asked for is told once, by its latest state. Dropped before it is ready, this loses nothing.
    pub async fn next(&mut self) -> Result<Response, Error> {
        self.client.next_state(&self.body).await
    }

    /// Asks anew, under the same token: the present state, from a server that may have forgotten us (RFC 7641 §3.3.1). An error, or a
    /// server that does not agree any more, ends the observation.
    pub async fn renew(&mut self) -> Result<Response, Error> {
        self.client.register(&self.body, self.token).await
    }

    /// Whether the server has not ended it.
    pub fn is_alive(&self) -> bool {
        self.client.watched.is_some()
    }

    /// Another request, as [`CoapClient::request`].
    pub async fn request(
        &mut self,
        method: Code,
        path: &str,
        content_format: Option<ContentFormat>,
        accept: Option<ContentFormat>,
        payload: &[u8],
    ) -> Result<Response, Error> {
        self.client.request(method, path, content_format, accept, payload).await
    }

    /// The context, as [`CoapClient::context`].
    pub fn context(&mut self) -> Option<&mut Context> {
        self.client.context()
    }

    /// Tells the server that we have seen enough (RFC 7641 §3.6).
    pub async fn cancel(self) -> Result<(), Error> {
        let body = write_body(Code::GET, Target::Path(&self.path), Some(1), None, self.accept, &[])?;
        let mut transfer = new_transfer(&body, &[])?;
        self.client.unwatch();
        let (sent, _) = self.client.round_trip(&mut transfer, self.token, None).await?;
        self.client.exchanges.forget(sent.id);
        Ok(())
    }
}

impl Drop for Observation<'_> {
    fn drop(&mut self) {
        self.client.unwatch();
    }
}

impl Watched {
    pub(super) fn is(&self, sent: SentId) -> bool {
        self.sent.id == sent
    }

    pub(super) fn has_news(&self) -> bool {
        self.news.is_some()
    }

    /// A notification came.
    pub(super) fn hear(&mut self, news: Result<Reply, Error>, now: Millis) {
        if let Ok(reply) = &news {
            let number = number_of(reply).ok().flatten();
            // Under OSCORE the numbers were compared there (RFC 8613 §4.1.3.5.2).
            if !reply.protected && number.is_some_and(|number| !self.is_fresh(number, now)) {
                return;
            }
            self.newest = number.map(|number| (number, now));
        }
        self.heard = self.heard.wrapping_add(1);
        self.news = Some(news);
    }

    /// RFC 7641 §3.4: newer by number, or so late that numbers say nothing.
    fn is_fresh(&self, number: u32, now: Millis) -> bool {
        self.newest.is_none_or(|(newest, at)| {
            let ahead = number.wrapping_sub(newest) & 0xff_ffff;
            (1..1 << 23).contains(&ahead) || at.plus(128_000) < now
        })
    }
}

/// The Observe value of a notification.
fn number_of(reply: &Reply) -> Result<Option<u32>, Error> {
    let message = reply.message()?;
    Ok(message.options.uint(OptionNumber::OBSERVE).filter(|_| message.code.is_success()))
}
