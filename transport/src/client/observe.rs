//! Observing a resource (RFC 7641).

use latchwork_coap::endpoint::Millis;
use latchwork_coap::endpoint::request::Progress;
use latchwork_coap::{Code, ContentFormat, OptionNumber, Token};

use super::wire::Sent;
use super::{CoapClient, Error, Reply, Response, new_transfer, whole, write_body};
use crate::random;

/// A resource under observation. Dropped, it is forgotten: the next notification is rejected, which ends it.
pub struct Observation<'c> {
    client: &'c mut CoapClient,
    path: String,
    accept: Option<ContentFormat>,
    token: Token,
    sent: Sent,
    /// The newest notification: its number and when it came.
    newest: Option<(u32, Millis)>,
}

impl CoapClient {
    /// Asks for the resource and for its changes. Returns its present state, and the observation if the server agreed.
    pub async fn observe(
        &mut self,
        path: &str,
        accept: Option<ContentFormat>,
    ) -> Result<(Response, Option<Observation<'_>>), Error> {
        let body = write_body(Code::GET, path, Some(0), None, accept, &[])?;
        let token = Token::from(random::u64()?.to_be_bytes());
        let mut transfer = new_transfer(&body, &[])?;
        let (sent, reply) = self.round_trip(&mut transfer, token, None).await?;
        let number = number_of(&reply)?;
        match number {
            Some(_) => self.exchanges.observe(sent.id),
            None => self.exchanges.forget(sent.id),
        }
        let response = self.rest(&body, &reply).await?;
        let now = self.clock.now();
        let observation = number.map(|number| Observation {
            client: self,
            path: path.to_owned(),
            accept,
            token,
            sent,
            newest: Some((number, now)),
        });
        Ok((response, observation))
    }

    /// Fetches the blocks that a first message left out.
    async fn rest(&mut self, body: &[u8], reply: &Reply) -> Result<Response, Error> {
        let message = reply.message()?;
        let mut transfer = new_transfer(body, &[])?;
        match transfer.receive(&message).map_err(Error::Transfer)? {
            Progress::Done => Ok(whole(&message, transfer.payload(), reply.protected)),
            Progress::Continue => self.transfer(&mut transfer).await,
        }
    }
}

impl Observation<'_> {
    /// The next state. Waits as long as it takes; an error code ends the observation (RFC 7641 §3.2).
    pub async fn next(&mut self) -> Result<Response, Error> {
        loop {
            let reply = self.client.response(&mut self.sent).await?;
            let number = number_of(&reply)?;
            // Under OSCORE the numbers were compared there (RFC 8613 §4.1.3.5.2).
            if !reply.protected && number.is_some_and(|number| !self.is_fresh(number)) {
                continue;
            }
            self.newest = number.map(|number| (number, self.client.clock.now()));
            let body = write_body(Code::GET, &self.path, Some(0), None, self.accept, &[])?;
            return self.client.rest(&body, &reply).await;
        }
    }

    /// Tells the server that we have seen enough (RFC 7641 §3.6).
    pub async fn cancel(self) -> Result<(), Error> {
        let body = write_body(Code::GET, &self.path, Some(1), None, self.accept, &[])?;
        let mut transfer = new_transfer(&body, &[])?;
        self.client.exchanges.forget(self.sent.id);
        let (sent, _) = self.client.round_trip(&mut transfer, self.token, None).await?;
        self.client.exchanges.forget(sent.id);
        Ok(())
    }

    /// RFC 7641 §3.4: newer by number, or so late that numbers say nothing.
    fn is_fresh(&self, number: u32) -> bool {
        self.newest.is_none_or(|(newest, at)| {
            let ahead = number.wrapping_sub(newest) & 0xff_ffff;
            (1..1 << 23).contains(&ahead) || at.plus(128_000) < self.client.clock.now()
        })
    }
}

impl Drop for Observation<'_> {
    fn drop(&mut self) {
        self.client.exchanges.forget(self.sent.id);
    }
}

/// The Observe value of a notification.
fn number_of(reply: &Reply) -> Result<Option<u32>, Error> {
    let message = reply.message()?;
    Ok(message.options.uint(OptionNumber::OBSERVE).filter(|_| message.code.is_success()))
}
