//! What a resource sees of a request.

use coap_message::{MessageOption, ReadableMessage};
use latchwork_coap::endpoint::request::{Block, BlockBytes};
use latchwork_coap::{Message, OptionNumber, Options};

/// A request, whole: what came in blocks shows none of it.
pub struct Request<'q, 'm> {
    message: &'q Message<'m>,
    block2: Option<BlockBytes>,
}

impl<'q, 'm> Request<'q, 'm> {
    /// The request as it is.
    pub fn whole(message: &'q Message<'m>) -> Self {
        Self { message, block2: None }
    }

    /// The request for one block of the response.
    pub(super) fn block(message: &'q Message<'m>, block2: Block) -> Self {
        Self { message, block2: Some(block2.to_bytes()) }
    }
}

impl ReadableMessage for Request<'_, '_> {
    type Code = u8;
    type MessageOption<'a>
        = Value<'a>
    where
        Self: 'a;
    type OptionsIter<'a>
        = Iter<'a>
    where
        Self: 'a;

    fn code(&self) -> u8 {
        self.message.code.0
    }

    fn options(&self) -> Iter<'_> {
        Iter { options: self.message.options, block2: self.block2.as_ref() }
    }

    fn payload(&self) -> &[u8] {
        self.message.payload
    }
}

impl coap_message::WithSortedOptions for Request<'_, '_> {}

/// An option of a request.
pub struct Value<'a>(OptionNumber, &'a [u8]);

impl MessageOption for Value<'_> {
    fn number(&self) -> u16 {
        self.0.0
    }

    fn value(&self) -> &[u8] {
        self.1
    }
}

/// The options of a request, ascending.
pub struct Iter<'a> {
    options: Options<'a>,
    block2: Option<&'a BlockBytes>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        loop {
            let mut behind = self.options;
            let next = behind.next();
            let is_due = next.is_none_or(|(number, _)| number > OptionNumber::BLOCK2);
            if let Some(block2) = self.block2.take_if(|_| is_due) {
                return Some(Value(OptionNumber::BLOCK2, block2.as_bytes()));
            }
            let (number, value) = next?;
            self.options = behind;
            if ![OptionNumber::BLOCK1, OptionNumber::BLOCK2].contains(&number) {
                return Some(Value(number, value));
            }
        }
    }
}
