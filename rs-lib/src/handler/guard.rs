//! Latchwork as a resource tree of somebody else's stack.

use super::Unwritten;
use coap_handler::Handler;
use coap_message::{Code as _, MessageOption, MinimalWritableMessage, MutableWritableMessage, OptionNumber as _};
use coap_message::{ReadableMessage, error::RenderableOnMinimal};
use latchwork_coap::endpoint::exchange::Head;
use latchwork_coap::{Code, Full, Kind, Message, OptionNumber, Token, Writer};

/// The root of a stack that deals with message ids, tokens and repetitions itself: every request goes to `answer`, which asks a
/// [`ResourceServer`](crate::ResourceServer). `L` bounds requests and responses, in bytes.
///
/// Such a stack does not say who asks. `answer` may know (the address of the datagram that it just took from the
/// network), or takes everybody for one peer: then strangers who upload tokens in blocks at the same time disturb each other, and no one else.
pub struct Guard<F, const L: usize> {
    answer: F,
    request: [u8; L],
    response: [u8; L],
}

impl<F, const L: usize> Guard<F, L>
where
    F: FnMut(&Message<'_>, Head, &mut [u8]) -> Result<usize, Full>,
{
    /// `answer` writes the response to a message and returns its length, as that of
    /// [`Answer::datagram`](crate::Answer::datagram).
    pub const fn new(answer: F) -> Self {
        Self { answer, request: [0; L], response: [0; L] }
    }

    /// The length of the answer, in `response`.
    fn run(&mut self, request: &impl ReadableMessage) -> Result<usize, Full> {
        let code = Code(request.code().into());
        let mut writer = Writer::new(&mut self.request, Kind::Con, code, 0, Token::EMPTY);
        for option in request.options() {
            writer.option(OptionNumber(option.number()), option.value())?;
        }
        writer.payload(request.payload())?;
        let request = Message::parse(writer.finish()?).map_err(|_| Full)?;
        let head = Head { kind: Kind::Ack, id: 0, token: Token::EMPTY };
        (self.answer)(&request, head, &mut self.response)
    }
}

/// The request or its answer was too long. Whoever asked gets 5.00.
impl<F, const L: usize> Handler for Guard<F, L>
where
    F: FnMut(&Message<'_>, Head, &mut [u8]) -> Result<usize, Full>,
{
    type RequestData = usize;
    type ExtractRequestError = Unwritten;
    type BuildResponseError<M: MinimalWritableMessage> = Unbuilt<M::UnionError>;

    fn extract_request_data<M: ReadableMessage>(&mut self, request: &M) -> Result<usize, Unwritten> {
        self.run(request).map_err(|_| Unwritten)
    }

    fn estimate_length(&mut self, length: &usize) -> usize {
        *length
    }

    fn build_response<M: MutableWritableMessage>(
        &mut self,
        response: &mut M,
        length: usize,
    ) -> Result<(), Unbuilt<M::UnionError>> {
        let datagram = self.response.get(..length).ok_or(Unbuilt::Ours)?;
        let answer = Message::parse(datagram).map_err(|_| Unbuilt::Ours)?;
        let copy = |response: &mut M| {
            response.set_code(M::Code::new(answer.code.0).map_err(M::convert_code_error)?);
            for (number, value) in answer.options {
                let number = M::OptionNumber::new(number.0).map_err(M::convert_option_number_error)?;
                response.add_option(number, value).map_err(M::convert_add_option_error)?;
            }
            response.set_payload(answer.payload).map_err(M::convert_set_payload_error)
        };
        copy(response).map_err(Unbuilt::Theirs)
    }
}

/// Why an answer did not become a message of the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unbuilt<E> {
    /// It is none.
    Ours,
    /// The stack did not take it.
    Theirs(E),
}

impl<E: RenderableOnMinimal> RenderableOnMinimal for Unbuilt<E> {
    type Error<IE: RenderableOnMinimal + core::fmt::Debug> = Unbuilt<E::Error<IE>>;

    fn render<M: MinimalWritableMessage>(self, message: &mut M) -> Result<(), Self::Error<M::UnionError>> {
        match self {
            Self::Ours => {
                // A stack that cannot say 5.00 says what it likes.
                let _ = Unwritten.render(message);
                Ok(())
            }
            Self::Theirs(error) => error.render(message).map_err(Unbuilt::Theirs),
        }
    }
}
