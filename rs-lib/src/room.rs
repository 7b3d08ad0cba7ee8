//! Memory to work in, given by the application.

use crate::clock::Uptime;
use latchwork_coap::endpoint::Buf;
use latchwork_coap::endpoint::request::{Download, Peer, Server, Upload};
use latchwork_oscore::Id;
use zeroize::optimization_barrier;

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
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sender<A> {
    pub(crate) peer: A,
    /// The context that verified; None of a stranger.
    pub(crate) kid: Option<Id>,
}

impl<A: Copy + Eq> Peer for Sender<A> {
    fn is_proven(&self) -> bool {
        self.kid.is_some() || cfg!(latchwork_disable = "transfers")
    }
}

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

    /// Wipes what is in nobody's use any more: a token's secret, or what was said in a session, was in here. A server does it after every
    /// message; from time to time it ends transfers of which nothing was heard for long.
    pub fn wipe(&mut self, now: Uptime) {
        for buffer in [&mut self.request, &mut self.text, &mut self.reply, &mut self.message] {
            // Words at a time; `zeroize` by itself goes byte by byte.
            buffer.fill(0);
            optimization_barrier(buffer);
        }
        self.blocks.sweep(now.millis());
    }
}

impl<A: Copy + Eq, const S: usize, const U: usize> Default for Room<A, S, U> {
    fn default() -> Self {
        Self::new()
    }
}

/// Blocks of ours have 2^(4 + 5) = 512 bytes.
const BLOCK_EXPONENT: u8 = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use latchwork_coap::endpoint::exchange::Head;
    use latchwork_coap::endpoint::request::Step;
    use latchwork_coap::endpoint::times::EXCHANGE_LIFETIME;
    use latchwork_coap::{Code, Kind, Message, OptionNumber, Token, Writer};

    const HEAD: Head = Head { kind: Kind::Ack, id: 0, token: Token::EMPTY };

    /// What is under way stays; what is complete, or came to a standstill, leaves nothing.
    #[test]
    fn wiped() {
        let mut room = Room::<u8, 64, 2>::new();
        let now = Uptime(1000);
        for whole in [&mut room.request, &mut room.text, &mut room.reply, &mut room.message] {
            whole.fill(b'!');
        }
        // One upload that goes on, one that is complete, and an answer that leaves in blocks.
        for (peer, block) in [(1, [0x08]), (2, [0x08]), (2, [0x10])] {
            let mut datagram = [0; 64];
            let mut writer = Writer::new(&mut datagram, Kind::Con, Code::POST, 0, Token::EMPTY);
            writer.option(OptionNumber::BLOCK2, &[]).expect("room"); // in crumbs of 16
            writer.option(OptionNumber::BLOCK1, &block).expect("room");
            writer.payload(b"sixteen secrets!").expect("room");
            let message = Message::parse(writer.finish().expect("room")).expect("a message");
            let step = room.blocks.receive(now.millis(), Sender { peer, kid: None }, &message);
            assert_eq!(matches!(step, Step::Run(..)), block == [0x10]);
            let Step::Run(pending, _) = step else { continue };
            let mut body = [b'!'; 41];
            (body[0], body[1]) = (Code::CONTENT.0, 0xff);
            let mut out = [0; 64];
            room.blocks.answer(now.millis(), pending, HEAD, &body, None, &mut out).expect("room");
        }
        assert_eq!(room.blocks.kept().filter(|kept| !kept.is_empty()).count(), 3);
        room.wipe(now);
        for whole in [&room.request, &room.text, &room.reply, &room.message] {
            assert_eq!(whole, &[0; 64]);
        }
        let kept: [&[u8]; 3] = core::array::from_fn(|index| room.blocks.kept().nth(index).expect("three places"));
        assert_eq!(kept.map(<[u8]>::len), [16, 0, 41]);
        room.wipe(now.plus(EXCHANGE_LIFETIME / 1000 - 1));
        assert_eq!(room.blocks.kept().filter(|kept| !kept.is_empty()).count(), 2);
        room.wipe(now.plus(EXCHANGE_LIFETIME / 1000));
        assert!(room.blocks.kept().all(<[u8]>::is_empty));
    }
}
