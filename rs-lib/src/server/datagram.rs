//! From a reply to a datagram, or to the block of it that was asked for.

use super::{Event, Reply};
use crate::room::{Blocks, Sender};
use latchwork_coap::endpoint::Millis;
use latchwork_coap::endpoint::exchange::Head;
use latchwork_coap::endpoint::request::{self, Step};
use latchwork_coap::{Full, Message, OptionNumber, Writer, shortest};

/// Runs `whole` once all blocks of a request have come, and writes the response, or the block of it that was asked for.
/// `whole` writes a body into `room`.
#[allow(clippy::too_many_arguments)] // one call, two callers
pub(super) fn in_blocks<'o, A: Copy + Eq, const S: usize, const U: usize>(
    blocks: &mut Blocks<A, S, U>,
    sender: Sender<A>,
    now: Millis,
    message: &Message<'_>,
    head: Head,
    room: &mut [u8],
    out: &'o mut [u8],
    whole: Whole<'_>,
) -> Result<(Event, &'o [u8]), Full> {
    let (pending, event, length) = match blocks.receive(now, sender, message) {
        Step::Run(pending, payload) => {
            let (event, length) = whole(&Message { payload, ..message.clone() }, room)?;
            (pending, event, length)
        }
        Step::Proceed(pending) => return Ok((Event::Block, blocks.proceed(now, pending, head, out)?)),
        Step::Refuse(pending, refusal) => {
            return Ok((Event::BadRequest(refusal), blocks.refuse(pending, refusal, head, out)?));
        }
    };
    let body = room.get(..length).ok_or(Full)?;
    Ok((event, blocks.answer(now, pending, head, body, None, out)?))
}

pub(super) fn write<'o>(reply: &Reply<'_>, head: Head, out: &'o mut [u8]) -> Result<&'o [u8], Full> {
    let mut writer = Writer::new(out, head.kind, reply.code, head.id, head.token);
    write_content(reply, &mut writer)?;
    writer.finish()
}

pub(super) fn write_body(reply: &Reply<'_>, out: &mut [u8]) -> Result<usize, Full> {
    let mut writer = Writer::body(out, reply.code);
    write_content(reply, &mut writer)?;
    writer.finish().map(<[u8]>::len)
}

fn write_content(reply: &Reply<'_>, writer: &mut Writer<'_>) -> Result<(), Full> {
    let format = reply.format.map(|format| u32::from(format.0).to_be_bytes());
    let max_age = reply.max_age.map(u32::to_be_bytes);
    let ours = [
        format.as_ref().map(|bytes| (OptionNumber::CONTENT_FORMAT, shortest(bytes))),
        max_age.as_ref().map(|bytes| (OptionNumber::MAX_AGE, shortest(bytes))),
    ];
    request::merge(writer, reply.options, &ours)?;
    writer.payload(reply.payload).map(drop)
}

/// What a whole request leads to, with the length of the body that it writes.
pub(super) type Whole<'w> = &'w mut dyn FnMut(&Message<'_>, &mut [u8]) -> Result<(Event, usize), Full>;
