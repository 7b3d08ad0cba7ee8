//! The serial line: UDP in IPv4 in SLIP frames.

use crate::board::uart;
use crate::guard::Fault;
use latchwork_door_lock_app::MAX_DATAGRAM;
use latchwork_door_lock_slip::{Decoder, HEADERS, Packet, encode};

/// The line.
pub(crate) struct Line {
    decoder: Decoder<FRAME>,
    frame: [u8; FRAME],
}

impl Line {
    /// Ready to receive.
    pub(crate) fn open() -> Result<Self, Fault> {
        Ok(Self { decoder: Decoder::new(), frame: [0; FRAME] })
    }

    /// What arrived, if something did, and the datagram that is whole now.
    pub(crate) fn receive(&mut self) -> Option<Option<Packet<'_>>> {
        let byte = uart::receive()?;
        Some(self.decoder.push(byte).and_then(Packet::parse))
    }

    /// Sends a datagram.
    pub(crate) fn send(&mut self, packet: &Packet<'_>) {
        encode(packet.write(&mut self.frame).unwrap_or_default(), uart::send);
    }

    /// How deep the stack went in here: less deep than anywhere else.
    pub(crate) fn stack(&self) -> u32 {
        0
    }
}

const FRAME: usize = MAX_DATAGRAM + HEADERS;
