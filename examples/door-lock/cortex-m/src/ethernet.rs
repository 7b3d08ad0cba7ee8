//! The network: UDP in IPv4 over the board's Ethernet controller.

use crate::guard::Fault;
use crate::lan9118::Lan9118;
use crate::measure;
use core::net::{Ipv4Addr, SocketAddrV4};
use latchwork_door_lock_app::MAX_DATAGRAM;
use latchwork_door_lock_ethernet::{EthernetAddress, Frame, MAX_FRAME, Station};
use latchwork_door_lock_slip::Packet;

/// The network.
pub(crate) struct Line {
    chip: Lan9118,
    own: Station,
    /// Who passed the last datagram on, and gets the answer.
    station: EthernetAddress,
    frame: [u8; RECEIVED],
    answer: [u8; MAX_FRAME],
    stack: u32,
}

impl Line {
    /// Ready to receive.
    pub(crate) fn open() -> Result<Self, Fault> {
        let (chip, hardware) = Lan9118::start().ok_or(Fault("no Ethernet controller"))?;
        let own = Station { hardware: EthernetAddress(hardware), socket: SOCKET };
        Ok(Self { chip, own, station: own.hardware, frame: [0; RECEIVED], answer: [0; MAX_FRAME], stack: 0 })
    }

    /// What arrived, if something did, and the datagram that it is.
    pub(crate) fn receive(&mut self) -> Option<Option<Packet<'_>>> {
        let frame = self.chip.receive(&mut self.frame)?;
        let (read, cost) = measure::cost(|| self.own.read(frame));
        self.stack = self.stack.max(cost.stack);
        Some(match read {
            Some(Frame::Datagram(station, packet)) => {
                self.station = station;
                Some(packet).filter(|packet| packet.payload.len() <= MAX_DATAGRAM)
            }
            Some(Frame::Question(question)) => {
                self.chip.send(self.own.tell(&question, &mut self.answer).unwrap_or_default());
                None
            }
            None => None,
        })
    }

    /// Answers the last datagram.
    pub(crate) fn send(&mut self, packet: &Packet<'_>) {
        let frame = self.own.write(self.station, packet.to, packet.payload, &mut self.answer);
        self.chip.send(frame.unwrap_or_default());
    }

    /// How deep the stack went in here.
    pub(crate) fn stack(&self) -> u32 {
        self.stack
    }
}

/// Where QEMU's network has the one board of it, and the port of CoAP. A lock in a building asks DHCP, or enrolment writes it.
const SOCKET: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 15), 5683);

/// A frame and its check sequence, in whole words.
const RECEIVED: usize = (MAX_FRAME + 4).next_multiple_of(4);
