//! Block-wise transfer on the client (RFC 7959): one request, however many messages it takes.

use super::{Block, Body, Code, Full, Head, Keep, Message, OptionNumber, Writer, merge};
use crate::message::shortest;

/// One request with its payload, and the response as far as it has come.
#[derive(Debug)]
pub struct Transfer<'p, K> {
    request: Body<'p>,
    /// Names this operation among others to the same resource (RFC 9175 §3.2); empty for none.
    tag: &'p [u8],
    sent: usize,
    sending: usize,
    exponent: u8,
    in_blocks: bool,
    shrunk: bool,
    response: K,
    etag: Option<([u8; 8], usize)>,
    next: Option<Block>,
}

/// What a message added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Write and send the next message.
    Continue,
    /// The response is complete: its code and options are those of the last message, its payload is
    /// [`Transfer::payload`].
    Done,
}

/// Why a transfer ends without a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferError {
    /// A block out of order, of the wrong size, or without end.
    OutOfOrder,
    /// The blocks belong to different versions of the resource (RFC 7959 §2.4).
    Changed,
    /// The response outgrew our buffer.
    TooLarge,
}

/// The options of one message of a transfer.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// The Block1 option, if the request goes in blocks.
    pub block1: Option<Block>,
    /// The Block2 option, once the response comes in blocks.
    pub block2: Option<Block>,
}

impl<'p, K: Keep> Transfer<'p, K> {
    /// `request` is the whole request. Its payload goes in blocks if it is larger than 2^(4 + exponent) bytes.
    pub fn new(request: Body<'p>, tag: &'p [u8], exponent: u8) -> Self {
        let exponent = exponent.min(Block::MAX_EXPONENT);
        let in_blocks = request.payload.len() > 16usize << exponent;
        Self {
            request,
            tag,
            sent: 0,
            sending: 0,
            exponent,
            in_blocks,
            shrunk: false,
            response: K::default(),
            etag: None,
            next: None,
        }
    }

    /// Writes the next message. `more` is a further option: Echo, say.
    pub fn write<'o>(
        &mut self,
        head: Head,
        more: Option<(OptionNumber, &[u8])>,
        out: &'o mut [u8],
    ) -> Result<&'o [u8], Full> {
        let Part { block1, block2 } = self.part()?;
        let payload = self.slice(block1);
        let first = self.sent == 0 && self.next.is_none();
        let size1 = u32::try_from(self.request.payload.len()).map_err(|_| Full)?.to_be_bytes();
        let (block1, block2) = (block1.map(Block::to_bytes), block2.map(Block::to_bytes));
        let ours = [
            block2.as_ref().map(|block| (OptionNumber::BLOCK2, block.as_bytes())),
            block1.as_ref().map(|block| (OptionNumber::BLOCK1, block.as_bytes())),
            (self.in_blocks && first).then(|| (OptionNumber::SIZE1, shortest(&size1))),
            (self.in_blocks && !self.tag.is_empty()).then_some((OptionNumber::REQUEST_TAG, self.tag)),
            more,
        ];
        let ours = sorted(ours);
        let mut writer = Writer::new(out, head.kind, self.request.code, head.id, head.token);
        // Observe belongs to the first message only (RFC 7959 §2.6).
        let drop_observe = self.next.is_some();
        let options = self.request.options.filter(|&(number, _)| !drop_observe || number != OptionNumber::OBSERVE);
        merge(&mut writer, options, &ours)?;
        writer.payload(payload)?;
        self.sending = self.sent + payload.len();
        writer.finish()
    }

    /// Takes in the response to the message written last.
    pub fn receive(&mut self, response: &Message<'_>) -> Result<Progress, TransferError> {
        let options = &response.options;
        let acknowledged = options.get(OptionNumber::BLOCK1).and_then(Block::parse);
        let uploading = self.next.is_none() && self.in_blocks;
        match response.code {
            Code::CONTINUE if uploading && self.sending < self.request.payload.len() => {
                self.shrink(acknowledged);
                self.sent = self.sending;
                Ok(Progress::Continue)
            }
            Code::CONTINUE => Err(TransferError::OutOfOrder),
            // The server prefers smaller blocks, or blocks at all (RFC 7959 §2.9.3).
            Code::REQUEST_ENTITY_TOO_LARGE if self.sent == 0 && !self.shrunk && self.shrink(acknowledged) => {
                self.in_blocks = true;
                self.shrunk = true;
                Ok(Progress::Continue)
            }
            _ => self.collect(response),
        }
    }

    /// The response's payload, once it is complete.
    pub fn payload(&self) -> &[u8] {
        self.response.kept()
    }

    fn collect(&mut self, response: &Message<'_>) -> Result<Progress, TransferError> {
        let block = response.options.get(OptionNumber::BLOCK2).and_then(Block::parse);
        let expected = self.response.kept().len();
        match block {
            _ if !response.code.is_success() => self.response.forget(),
            Some(block) if block.offset() != expected => return Err(TransferError::OutOfOrder),
            Some(block) if block.more && response.payload.len() != block.size() => {
                return Err(TransferError::OutOfOrder);
            }
            None if self.next.is_some() => return Err(TransferError::OutOfOrder),
            _ => {}
        }
        let etag = response.options.get(OptionNumber::ETAG).and_then(fixed);
        if response.code.is_success() && self.next.is_some() && etag != self.etag {
            return Err(TransferError::Changed);
        }
        self.etag = etag;
        self.response.append(response.payload).map_err(|_| TransferError::TooLarge)?;
        match block {
            Some(block) if block.more && response.code.is_success() => {
                let next = block.number.checked_add(1).and_then(|number| Block::new(number, false, block.exponent()));
                self.next = Some(next.ok_or(TransferError::TooLarge)?);
                Ok(Progress::Continue)
            }
            _ => Ok(Progress::Done),
        }
    }

    /// True if the server's block is smaller than ours, which then becomes ours.
    fn shrink(&mut self, block: Option<Block>) -> bool {
        match block {
            Some(block) if block.exponent() < self.exponent => {
                self.exponent = block.exponent();
                true
            }
            _ => false,
        }
    }

    fn part(&self) -> Result<Part, Full> {
        if let Some(next) = self.next {
            return Ok(Part { block1: None, block2: Some(next) });
        }
        if !self.in_blocks {
            return Ok(Part { block1: None, block2: None });
        }
        let size = 16usize << self.exponent;
        let number = u32::try_from(self.sent.checked_div(size).ok_or(Full)?).map_err(|_| Full)?;
        let more = self.request.payload.len() > self.sent + size;
        Ok(Part { block1: Some(Block::new(number, more, self.exponent).ok_or(Full)?), block2: None })
    }

    fn slice(&self, block1: Option<Block>) -> &'p [u8] {
        if self.next.is_some() {
            return &[]; // the request went before (RFC 7959 §2.7)
        }
        let rest = self.request.payload.get(self.sent..).unwrap_or_default();
        match block1 {
            Some(block) => rest.get(..block.size()).unwrap_or(rest),
            None => rest,
        }
    }
}

fn fixed(etag: &[u8]) -> Option<([u8; 8], usize)> {
    let mut bytes = [0; 8];
    bytes.get_mut(..etag.len())?.iter_mut().zip(etag).for_each(|(to, from)| *to = *from);
    Some((bytes, etag.len()))
}

fn sorted<const N: usize>(mut options: [Option<(OptionNumber, &[u8])>; N]) -> [Option<(OptionNumber, &[u8])>; N] {
    options.sort_unstable_by_key(|option| option.map(|(number, _)| number));
    options
}
