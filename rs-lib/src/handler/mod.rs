//! Resource trees written for the traits of [`coap-handler`](coap_handler) 0.2, which many embedded CoAP stacks share.
//!
//! [`Guarded`] puts such a tree behind Latchwork: nothing in it is asked but by a holder whose token permits the request.
//! [`Guard`] is Latchwork itself as such a tree, for a stack that brings its own message layer.
//!
//! A panic in somebody else's tree is nothing that we can catch; see [`Guarded`] for what is done to avoid known ones.

mod guard;
mod request;
mod response;

pub use guard::{Guard, Unbuilt};
pub use request::Request;
pub use response::{Response, Unwritten};

use crate::authorize::Allowed;
use crate::clock::Now;
use crate::server::{Reply, Resources};
use coap_handler::Handler;
use coap_message::error::RenderableOnMinimal;
use latchwork_coap::endpoint::request::Block;
use latchwork_coap::{Code, Message};

/// A tree of resources that holders may use.
///
/// Its resources see whole bodies: block-wise transfer is Latchwork's. One that sends block after block by itself, as
/// `SimpleRendered` does, is asked for each until its answer is whole; it sees no option of block-wise transfer but the
/// Block2 of such a question. One that would get less than [`MIN_ROOM`] bytes to answer in is not asked at all: resources of
/// `coap-handler-implementations` panic then.
///
/// Nobody has created anything in it: a request of `coap-handler` 0.2 does not say who sends it, and a response has no way to say that
/// something is its sender's from now on. So Dynamic methods of a scope (RFC 9237 §2.3) permit nothing here; a tree that needs them
/// implements [`Resources`], which sees the holder.
pub struct Guarded<'p, H> {
    /// The tree.
    pub handler: H,
    /// The absolute paths in it that scopes may name.
    pub paths: &'p [&'p str],
}

impl<H: Handler> Resources for Guarded<'_, H> {
    fn paths(&self) -> &[&str] {
        self.paths
    }

    fn serve<'r>(&mut self, _: Allowed<'_>, request: &Message<'_>, _: &Now, room: &'r mut [u8]) -> Reply<'r> {
        let mut whole = Response::new(room);
        let code = match self.ask(request, &mut whole) {
            Ok(()) => return whole.reply(),
            Err(code) => code,
        };
        whole.clear();
        whole.set(code);
        whole.reply()
    }
}

impl<H: Handler> Guarded<'_, H> {
    /// Asks for a response, in as many blocks as it takes.
    fn ask(&mut self, request: &Message<'_>, whole: &mut Response<'_>) -> Result<(), Code> {
        let mut block = self.ask_once(&Request::whole(request), whole)?;
        while let Some(more) = block.filter(|block| block.more) {
            // Reading on is harmless; doing again is not (RFC 7959 §2.4).
            let readable = matches!(request.code, Code::GET | Code::FETCH);
            let number = u32::try_from(whole.payload_len() / more.size()).ok();
            let next = number.filter(|_| readable).and_then(|number| Block::new(number, false, more.exponent()));
            let next = next.ok_or(Code::INTERNAL_SERVER_ERROR)?;
            let mut rest = whole.rest();
            block = self.ask_once(&Request::block(request, next), &mut rest)?;
            let (part, code) = (rest.part(), rest.code());
            // Anything but the block that was asked for ends it, and so does one with nothing in it.
            let follows = block.is_some_and(|block| block.offset() == whole.payload_len() && part.1 > 0);
            if !follows || code != whole.code() {
                return Err(Code::INTERNAL_SERVER_ERROR);
            }
            whole.append(part).map_err(|_| Code::INTERNAL_SERVER_ERROR)?;
        }
        Ok(())
    }

    /// The Block2 of its response, if it has one.
    fn ask_once(&mut self, request: &Request<'_, '_>, response: &mut Response<'_>) -> Result<Option<Block>, Code> {
        if response.room() < MIN_ROOM {
            return Err(Code::INTERNAL_SERVER_ERROR);
        }
        match self.handler.extract_request_data(request) {
            Ok(data) => {
                if let Err(error) = self.handler.build_response(response, data) {
                    render(error, response)?;
                }
            }
            Err(error) => render(error, response)?,
        }
        Ok(response.take_block2())
    }
}

fn render(error: impl RenderableOnMinimal, response: &mut Response<'_>) -> Result<(), Code> {
    response.clear();
    error.render(response).map_err(|_| Code::INTERNAL_SERVER_ERROR)
}

/// The least room, in bytes, in which a resource is asked to answer.
pub const MIN_ROOM: usize = 64;
