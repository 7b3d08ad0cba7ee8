//! What a resource writes.

use crate::server::Reply;
use coap_message::error::RenderableOnMinimal;
use coap_message::{Code as _, MinimalWritableMessage, MutableWritableMessage};
use core::convert::Infallible;
use core::fmt::Debug;
use latchwork_coap::endpoint::request::Block;
use latchwork_coap::{Code, OptionNumber, Options, Writer};

/// A response in the room that there is: options first, the payload behind them.
pub struct Response<'r> {
    room: &'r mut [u8],
    code: Code,
    /// Of the last option.
    number: OptionNumber,
    /// Where the payload begins.
    options: usize,
    payload: usize,
    /// Kept apart: what it says is for us.
    block2: Option<([u8; 3], usize)>,
}

impl<'r> Response<'r> {
    /// An empty 2.05.
    pub(super) fn new(room: &'r mut [u8]) -> Self {
        Self { room, code: Code::CONTENT, number: OptionNumber(0), options: 0, payload: 0, block2: None }
    }

    pub(super) fn clear(&mut self) {
        (self.code, self.number, self.options, self.payload) = (Code::CONTENT, OptionNumber(0), 0, 0);
        self.block2 = None;
    }

    pub(super) fn set(&mut self, code: Code) {
        self.code = code;
    }

    pub(super) fn code(&self) -> Code {
        self.code
    }

    pub(super) fn payload_len(&self) -> usize {
        self.payload
    }

    pub(super) fn take_block2(&mut self) -> Option<Block> {
        let (bytes, length) = self.block2.take()?;
        Block::parse(bytes.get(..length)?)
    }

    /// How many bytes are left.
    pub(super) fn room(&self) -> usize {
        self.room.len().saturating_sub(self.options).saturating_sub(self.payload)
    }

    /// A response behind what is there, to be [appended](Self::append).
    pub(super) fn rest(&mut self) -> Response<'_> {
        let end = self.options.saturating_add(self.payload);
        Response::new(self.room.get_mut(end..).unwrap_or_default())
    }

    /// Where its payload is and how long.
    pub(super) fn part(&self) -> (usize, usize) {
        (self.options, self.payload)
    }

    /// Adds that payload of the [rest](Self::rest) to this one.
    pub(super) fn append(&mut self, (begin, length): (usize, usize)) -> Result<(), Unwritten> {
        let end = self.options.saturating_add(self.payload);
        let rest = self.room.get_mut(end..).ok_or(Unwritten)?;
        let stop = begin.checked_add(length).filter(|&stop| stop <= rest.len()).ok_or(Unwritten)?;
        rest.copy_within(begin..stop, 0);
        self.payload = self.payload.saturating_add(length);
        Ok(())
    }

    pub(super) fn reply(self) -> Reply<'r> {
        let room: &'r [u8] = self.room;
        let (options, rest) = room.split_at_checked(self.options).unwrap_or_default();
        Reply {
            payload: rest.get(..self.payload).unwrap_or_default(),
            options: Options::parse(options).map(|(options, _)| options).unwrap_or_default(),
            ..Reply::code(self.code)
        }
    }

    fn content(&mut self, length: usize) -> Result<&mut [u8], Unwritten> {
        let end = self.options.checked_add(length).ok_or(Unwritten)?;
        let content = self.room.get_mut(self.options..end).ok_or(Unwritten)?;
        self.payload = length;
        Ok(content)
    }
}

/// There is no room, or an option came out of order or behind the payload. Whoever asked gets 5.00.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unwritten;

impl From<Infallible> for Unwritten {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl RenderableOnMinimal for Unwritten {
    type Error<IE: RenderableOnMinimal + Debug> = IE;

    fn render<M: MinimalWritableMessage>(self, message: &mut M) -> Result<(), M::UnionError> {
        let code = M::Code::new(Code::INTERNAL_SERVER_ERROR.0).map_err(M::convert_code_error)?;
        message.set_code(code);
        Ok(())
    }
}

impl MinimalWritableMessage for Response<'_> {
    type Code = u8;
    type OptionNumber = u16;
    type AddOptionError = Unwritten;
    type SetPayloadError = Unwritten;
    type UnionError = Unwritten;

    fn set_code(&mut self, code: u8) {
        self.code = Code(code);
    }

    fn add_option(&mut self, number: u16, value: &[u8]) -> Result<(), Unwritten> {
        let number = OptionNumber(number);
        if number < self.number || self.payload > 0 {
            return Err(Unwritten);
        }
        if number == OptionNumber::BLOCK2 {
            let mut bytes = [0; 3];
            bytes.get_mut(..value.len()).ok_or(Unwritten)?.copy_from_slice(value);
            self.block2 = Some((bytes, value.len()));
            return Ok(());
        }
        let room = self.room.get_mut(self.options..).ok_or(Unwritten)?;
        let mut writer = Writer::behind(room, self.number);
        writer.option(number, value).map_err(|_| Unwritten)?;
        let written = writer.finish().map_err(|_| Unwritten)?.len();
        self.options = self.options.saturating_add(written);
        self.number = number;
        Ok(())
    }

    fn set_payload(&mut self, data: &[u8]) -> Result<(), Unwritten> {
        self.content(data.len())?.copy_from_slice(data);
        Ok(())
    }
}

impl MutableWritableMessage for Response<'_> {
    fn available_space(&self) -> usize {
        self.room.len().saturating_sub(self.options)
    }

    fn payload_mut_with_len(&mut self, len: usize) -> Result<&mut [u8], Unwritten> {
        self.content(len)
    }

    fn truncate(&mut self, len: usize) -> Result<(), Unwritten> {
        self.payload = self.payload.min(len);
        Ok(())
    }

    fn mutate_options<F: FnMut(u16, &mut [u8])>(&mut self, mut callback: F) {
        let mut rest = self.room.get_mut(..self.options).unwrap_or_default();
        let mut before = 0;
        while let Some((number, header, length)) = Options::parse(rest).ok().and_then(|(options, _)| first(options)) {
            let Some((_, at)) = rest.split_at_mut_checked(header) else { return };
            let Some((value, behind)) = at.split_at_mut_checked(length) else { return };
            before += number;
            callback(before, value);
            rest = behind;
        }
        if let Some((bytes, length)) = &mut self.block2 {
            callback(OptionNumber::BLOCK2.0, bytes.get_mut(..*length).unwrap_or_default());
        }
    }
}

/// Delta, length of the header and length of the value of the first option (RFC 7252 §3.1).
fn first(mut options: Options<'_>) -> Option<(u16, usize, usize)> {
    let (delta, value) = options.next()?;
    let extended = |value: usize| match value {
        0..=12 => 0,
        13..=268 => 1,
        _ => 2,
    };
    Some((delta.0, 1 + extended(delta.0.into()) + extended(value.len()), value.len()))
}
