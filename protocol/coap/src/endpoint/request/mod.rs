//! The request layer, for messages that came through the exchange layer and, where protected, through OSCORE.
//!
//! What reaches the application is whole: its critical options are known ([`check`]), its body is complete
//! ([`Server::receive`]). What the application answers is sent in pieces where it must be ([`Server::answer`]).
//!
//! A body here means `code + options + payload`, as [`Writer::body`] writes it and as OSCORE encrypts it.

mod block;
mod check;
mod observe;
mod server;
mod transfer;

use core::hash::{Hash, Hasher};

pub use block::{Block, BlockBytes};
pub use check::{Known, Refusal, check, check_response};
pub use observe::{Notification, Observer, Observers, observe_wish};
pub use server::{Download, Peer, Pending, Server, Step, Upload};
pub use transfer::{Part, Progress, Transfer, TransferError};

use super::{Fnv, Keep, Millis, exchange::Head, times};
use crate::message::{Code, Full, Message, OptionNumber, Options, ParseError, Writer};

/// A code with its options and payload, without the envelope of a message.
#[derive(Clone, Copy, Debug)]
pub struct Body<'b> {
    /// Method or response code.
    pub code: Code,
    /// All options.
    pub options: Options<'b>,
    /// The payload, possibly empty.
    pub payload: &'b [u8],
}

impl<'b> Body<'b> {
    /// Parses what [`Writer::body`] wrote.
    pub fn parse(bytes: &'b [u8]) -> Result<Self, ParseError> {
        let (&code, rest) = bytes.split_first().ok_or(ParseError::Truncated)?;
        let (options, payload) = Options::parse(rest)?;
        Ok(Self { code: Code(code), options, payload })
    }
}

impl<'m> From<&Message<'m>> for Body<'m> {
    fn from(message: &Message<'m>) -> Self {
        Self { code: message.code, options: message.options, payload: message.payload }
    }
}

/// Writes `options` with `more` merged in; an option number in `more` replaces that of `options`. `more` ascends.
pub fn merge<'o>(
    writer: &mut Writer<'_>,
    options: impl Iterator<Item = (OptionNumber, &'o [u8])>,
    more: &[Option<(OptionNumber, &[u8])>],
) -> Result<(), Full> {
    let more = more.iter().flatten();
    let mut pending = more.clone().peekable();
    for (number, value) in options {
        while let Some(&&(new, value)) = pending.peek().filter(|(new, _)| *new <= number) {
            writer.option(new, value)?;
            pending.next();
        }
        if more.clone().all(|(new, _)| *new != number) {
            writer.option(number, value)?;
        }
    }
    for &(number, value) in pending {
        writer.option(number, value)?;
    }
    Ok(())
}

/// Names the resource and the operation, the same for every part of one block-wise transfer: method and all options
/// that are part of a cache key (RFC 9175 §3.3), without those that number the parts.
///
/// A hash; two requests of *one* peer may collide, at that peer's own cost.
fn operation(body: &Body<'_>, with_tag: bool) -> u64 {
    let mut fnv = Fnv::new(0);
    fnv.write(&[body.code.0]);
    for (number, value) in body.options {
        let numbering = matches!(number, OptionNumber::BLOCK1 | OptionNumber::BLOCK2 | OptionNumber::OBSERVE);
        let tag = number == OptionNumber::REQUEST_TAG && !with_tag;
        if !numbering && !tag && number != OptionNumber::OSCORE && !number.is_no_cache_key() {
            (number.0, value).hash(&mut fnv);
        }
    }
    fnv.finish()
}

#[cfg(test)]
mod tests;
