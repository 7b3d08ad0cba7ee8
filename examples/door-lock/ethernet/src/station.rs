//! A station: what a frame is to it, and the frames that it sends.

use core::net::{Ipv4Addr, SocketAddrV4};
use latchwork_door_lock_slip::Packet;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, ETHERNET_HEADER_LEN, EthernetAddress, EthernetFrame, EthernetProtocol,
    EthernetRepr, IPV4_HEADER_LEN, IpProtocol, Ipv4Packet, Ipv4Repr, UDP_HEADER_LEN, UdpPacket, UdpRepr,
};

/// A station that listens on one UDP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Station {
    /// Its hardware address.
    pub hardware: EthernetAddress,
    /// Its address and the port that it listens on.
    pub socket: SocketAddrV4,
}

/// What a frame is to a station.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'f> {
    /// A datagram, and the station that passed it on.
    Datagram(EthernetAddress, Packet<'f>),
    /// Somebody wants to know its hardware address.
    Question(Question),
}

/// Who asks for a hardware address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    hardware: EthernetAddress,
    address: Ipv4Addr,
}

impl Station {
    /// What a frame is, if it is anything to this station.
    #[inline(never)] // a function of its own, so that whoever reads the machine code finds what belongs to it
    pub fn read<'f>(&self, frame: &'f [u8]) -> Option<Frame<'f>> {
        let frame = EthernetFrame::new_checked(frame).ok()?;
        if !frame.src_addr().is_unicast() {
            return None;
        }
        let to_all = frame.dst_addr().is_broadcast();
        match frame.ethertype() {
            EthernetProtocol::Arp if to_all || frame.dst_addr() == self.hardware => {
                self.question(frame.payload()).map(Frame::Question)
            }
            EthernetProtocol::Ipv4 if frame.dst_addr() == self.hardware => {
                self.datagram(frame.payload()).map(|packet| Frame::Datagram(frame.src_addr(), packet))
            }
            _ => None,
        }
    }

    /// The frame that tells this station's hardware address to who asked.
    pub fn tell<'o>(&self, question: &Question, out: &'o mut [u8]) -> Option<&'o [u8]> {
        let reply = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Reply,
            source_hardware_addr: self.hardware,
            source_protocol_addr: *self.socket.ip(),
            target_hardware_addr: question.hardware,
            target_protocol_addr: question.address,
        };
        let mut frame = self.frame(question.hardware, EthernetProtocol::Arp, reply.buffer_len(), out)?;
        reply.emit(&mut ArpPacket::new_unchecked(frame.payload_mut()));
        Some(frame.into_inner())
    }

    /// The frame that takes a datagram of this station to another, if there is room for it.
    pub fn write<'o>(
        &self,
        station: EthernetAddress,
        to: SocketAddrV4,
        payload: &[u8],
        out: &'o mut [u8],
    ) -> Option<&'o [u8]> {
        let payload_len = payload.len().checked_add(UDP_HEADER_LEN)?;
        let length = u16::try_from(payload_len.checked_add(IPV4_HEADER_LEN)?).ok()?;
        let mut frame = self.frame(station, EthernetProtocol::Ipv4, length.into(), out)?;
        let mut ip = Ipv4Packet::new_unchecked(frame.payload_mut());
        let (src_addr, dst_addr) = (*self.socket.ip(), *to.ip());
        Ipv4Repr { src_addr, dst_addr, next_header: IpProtocol::Udp, payload_len, hop_limit: TTL }
            .emit(&mut ip, &ChecksumCapabilities::default());
        UdpRepr { src_port: self.socket.port(), dst_port: to.port() }.emit(
            &mut UdpPacket::new_unchecked(ip.payload_mut()),
            &src_addr.into(),
            &dst_addr.into(),
            payload.len(),
            |out| out.iter_mut().zip(payload).for_each(|(to, from)| *to = *from),
            &ChecksumCapabilities::default(),
        );
        Some(frame.into_inner())
    }

    fn question(&self, packet: &[u8]) -> Option<Question> {
        let packet = ArpPacket::new_checked(packet).ok()?;
        let ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_hardware_addr: hardware,
            source_protocol_addr: address,
            target_protocol_addr,
            ..
        } = ArpRepr::parse(&packet).ok()?
        else {
            return None;
        };
        (target_protocol_addr == *self.socket.ip() && hardware.is_unicast()).then_some(Question { hardware, address })
    }

    fn datagram<'f>(&self, packet: &'f [u8]) -> Option<Packet<'f>> {
        let packet = Ipv4Packet::new_checked(packet).ok()?;
        let ip = Ipv4Repr::parse(&packet, &ChecksumCapabilities::default()).ok()?;
        if ip.next_header != IpProtocol::Udp || ip.dst_addr != *self.socket.ip() || !self.can_answer(ip.src_addr) {
            return None;
        }
        let packet = UdpPacket::new_checked(packet.payload()).ok()?;
        let udp =
            UdpRepr::parse(&packet, &ip.src_addr.into(), &ip.dst_addr.into(), &ChecksumCapabilities::default()).ok()?;
        (udp.dst_port == self.socket.port() && udp.src_port != 0).then(|| Packet {
            from: SocketAddrV4::new(ip.src_addr, udp.src_port),
            to: self.socket,
            payload: packet.payload(),
        })
    }

    fn can_answer(&self, peer: Ipv4Addr) -> bool {
        let is_nobody = peer.is_unspecified() || peer.is_loopback() || peer.is_broadcast() || peer.is_multicast();
        !is_nobody && peer != *self.socket.ip()
    }

    fn frame<'o>(
        &self,
        dst_addr: EthernetAddress,
        ethertype: EthernetProtocol,
        length: usize,
        out: &'o mut [u8],
    ) -> Option<EthernetFrame<&'o mut [u8]>> {
        let out = out.get_mut(..length.checked_add(ETHERNET_HEADER_LEN)?)?;
        let mut frame = EthernetFrame::new_unchecked(out);
        EthernetRepr { src_addr: self.hardware, dst_addr, ethertype }.emit(&mut frame);
        Some(frame)
    }
}

const TTL: u8 = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MAX_FRAME;

    const OWN: Station = Station {
        hardware: EthernetAddress([2, 0, 0, 0, 0, 1]),
        socket: SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 15), 5683),
    };
    const PEER: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 2]);

    /// Written by hand; the checksums worked out by the method of RFC 1071. Padded, as short frames are.
    const DATAGRAM: &[u8; 60] = b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\0\
        \x45\0\0\x1f\0\0\x40\0\x40\x11\x22\xbe\x0a\0\x02\x02\x0a\0\x02\x0f\
        \x30\x39\x16\x33\0\x0b\xdc\xf8\x61\x62\x63\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

    /// RFC 826: who has 10.0.2.15?
    const QUESTION: &[u8; 42] = b"\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x02\x08\x06\
        \0\x01\x08\0\x06\x04\0\x01\x02\0\0\0\0\x02\x0a\0\x02\x02\0\0\0\0\0\0\x0a\0\x02\x0f";

    fn peer() -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 2), 12345)
    }

    #[test]
    fn a_datagram_is_read_and_answered() {
        let packet = Packet { from: peer(), to: OWN.socket, payload: b"abc" };
        assert_eq!(OWN.read(DATAGRAM), Some(Frame::Datagram(PEER, packet)));
        let mut out = [0; 64];
        let answer = OWN.write(PEER, peer(), b"abc", &mut out).unwrap();
        // The peer reads it with our eyes turned round.
        let other = Station { hardware: PEER, socket: peer() };
        let packet = Packet { from: OWN.socket, to: peer(), payload: b"abc" };
        assert_eq!(other.read(answer), Some(Frame::Datagram(OWN.hardware, packet)));
        assert_eq!(OWN.write(PEER, peer(), b"abc", &mut [0; 44]), None, "no room");
        assert_eq!(OWN.write(PEER, peer(), &[0; 65536], &mut [0; 70000]), None, "no IPv4 packet is so long");
    }

    #[test]
    fn a_question_is_answered() {
        let Some(Frame::Question(question)) = OWN.read(QUESTION) else { panic!("no question") };
        let mut out = [0; 64];
        let told = OWN.tell(&question, &mut out).unwrap();
        let expected = b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\x06\
            \0\x01\x08\0\x06\x04\0\x02\x02\0\0\0\0\x01\x0a\0\x02\x0f\x02\0\0\0\0\x02\x0a\0\x02\x02";
        assert_eq!(told, expected);
        assert_eq!(OWN.read(told), None, "nobody answers answers");
        assert_eq!(OWN.tell(&question, &mut [0; 41]), None, "no room");
    }

    #[test]
    fn what_is_nothing_to_us_is_dropped() {
        for (at, byte, what) in [
            (5, 9, "for another station"),
            (0, 0xff, "to a group"),
            (6, 3, "from a group"),
            (12, 0x86, "another protocol"),
            (14, 0x65, "another version"),
            (14, 0x44, "a header shorter than any"),
            (14, 0x4f, "a header longer than the packet"),
            (16, 0x01, "longer than the frame"),
            (17, 0x13, "shorter than its header"),
            (20, 0x60, "more fragments follow"),
            (21, 0x01, "a later fragment"),
            (23, 6, "TCP"),
            (23, 1, "ICMP"),
            (24, 0x23, "the checksum of IPv4"),
            (26, 0x7f, "from a loopback"),
            (26, 0xe0, "from a group of addresses"),
            (29, 0x0f, "from us"),
            (33, 0x10, "for another address"),
            (33, 0xff, "for everybody"),
            (37, 0x34, "for another port"),
            (39, 0x0c, "UDP longer than the packet"),
            (39, 0x07, "UDP shorter than its header"),
            (40, 0xdd, "the checksum of UDP"),
            (42, 0x62, "other data than the checksum says"),
        ] {
            let mut frame = *DATAGRAM;
            frame[at] = byte;
            let fields = &mut frame[14..34];
            // Each fault by itself: the other checksums are made right again.
            if at != 24 && fields[0] == 0x45 {
                Ipv4Packet::new_unchecked(fields).fill_checksum();
            }
            if !(38..45).contains(&at) {
                frame[40..42].fill(0);
            }
            assert_eq!(OWN.read(&frame), None, "{what}");
        }
        let mut without = *DATAGRAM;
        without[40..42].fill(0);
        assert!(OWN.read(&without).is_some(), "a UDP checksum may be left out (RFC 768)");
        without[34..36].fill(0);
        assert_eq!(OWN.read(&without), None, "from port 0");
        for (at, byte, what) in [
            (15, 6, "another kind of hardware"),
            (16, 0x86, "another kind of address"),
            (18, 8, "longer hardware addresses"),
            (19, 16, "longer addresses"),
            (21, 2, "an answer"),
            (22, 3, "from a group"),
            (41, 0x10, "about another station"),
        ] {
            let mut frame = *QUESTION;
            frame[at] = byte;
            assert_eq!(OWN.read(&frame), None, "{what}");
        }
    }

    /// Whatever a frame says of its lengths, and wherever it is cut.
    #[test]
    fn no_frame_is_read_past_its_end() {
        for good in [&DATAGRAM[..45], QUESTION] {
            let mut frame = [0; MAX_FRAME];
            for cut in 0..good.len() {
                assert_eq!(OWN.read(&good[..cut]), None, "cut at {cut}");
                for byte in 0..=255 {
                    frame[..good.len()].copy_from_slice(good);
                    frame[cut] = byte;
                    for length in [cut + 1, good.len(), MAX_FRAME] {
                        let _ = OWN.read(&frame[..length]);
                    }
                }
            }
        }
    }
}
