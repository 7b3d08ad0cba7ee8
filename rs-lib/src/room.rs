//! Memory to work in, given by the application.

use latchwork_coap::endpoint::Buf;
use latchwork_coap::endpoint::request::{Download, Server, Upload};
use latchwork_oscore::Id;
use zeroize::Zeroize;

/// `S` bytes for each step of one message, which bound messages and, times 3/4, tokens; and places for `U` uploads that
/// come in blocks, of `S` bytes each, from peers at addresses `A`.
pub struct Room<A, const S: usize, const U: usize> {
    /// A decrypted request.
    pub(crate) request: [u8; S],
    /// The content of a token, then the payload of a reply.
    pub(crate) text: [u8; S],
    /// The body of a reply.
    pub(crate) reply: [u8; S],
    /// A response that is to be encrypted.
    pub(crate) message: [u8; S],
    pub(crate) blocks: Blocks<A, S, U>,
}

/// Who sent a block: blocks under different contexts never mix (RFC 9175 §3.3).
pub(crate) type Sender<A> = (A, Option<Id>);

pub(crate) type Blocks<A, const S: usize, const U: usize> =
    Server<Sender<A>, Buf<S>, [Upload<Sender<A>, Buf<S>>; U], [Download<Sender<A>, Buf<S>>; 1]>;

impl<A: Copy + Eq, const S: usize, const U: usize> Room<A, S, U> {
    /// Empty memory.
    pub fn new() -> Self {
        let uploads = core::array::from_fn(|_| Upload::default());
        Self {
            request: [0; S],
            text: [0; S],
            reply: [0; S],
            message: [0; S],
            blocks: Server::new(uploads, [Download::default()], BLOCK_EXPONENT),
        }
    }

    /// After every message: a token's secret, or what was said in a session, was in here.
    pub(crate) fn wipe(&mut self) {
        self.request.zeroize();
        self.text.zeroize();
        self.reply.zeroize();
        self.message.zeroize();
    }
}

impl<A: Copy + Eq, const S: usize, const U: usize> Default for Room<A, S, U> {
    fn default() -> Self {
        Self::new()
    }
}

/// Blocks of ours have 2^(4 + 5) = 512 bytes.
const BLOCK_EXPONENT: u8 = 5;
