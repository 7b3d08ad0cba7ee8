//! UDP in IPv4, as little of it as two ends of one line need: no options, no fragments.

use core::net::{Ipv4Addr, SocketAddrV4};

/// A datagram on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'p> {
    /// Its sender.
    pub from: SocketAddrV4,
    /// Its receiver.
    pub to: SocketAddrV4,
    /// What it carries.
    pub payload: &'p [u8],
}

impl<'p> Packet<'p> {
    /// Reads a packet; None for everything that is not a whole UDP datagram in IPv4.
    pub fn parse(packet: &'p [u8]) -> Option<Self> {
        let (&ip, rest) = packet.split_first_chunk::<IP_LEN>()?;
        let total = usize::from(be16(&ip, 2)?);
        let fragment = be16(&ip, 6)? & 0x3fff;
        let is_udp = ip.first() == Some(&VERSION_AND_LEN) && ip.get(9) == Some(&UDP);
        if !is_udp || fragment != 0 || checksum(&ip) != 0 {
            return None;
        }
        let udp = rest.get(..total.checked_sub(IP_LEN)?)?;
        let length = usize::from(be16(udp, 4)?);
        let payload = udp.get(UDP_LEN..length)?;
        Some(Self {
            from: SocketAddrV4::new(address(&ip, 12)?, be16(udp, 0)?),
            to: SocketAddrV4::new(address(&ip, 16)?, be16(udp, 2)?),
            payload,
        })
    }

    /// Writes the packet, if there is room for it. UDP goes without its checksum, as it may (RFC 768).
    pub fn write<'o>(&self, out: &'o mut [u8]) -> Option<&'o [u8]> {
        let udp_len = u16::try_from(UDP_LEN + self.payload.len()).ok()?;
        let total = u16::try_from(IP_LEN).ok()?.checked_add(udp_len)?;
        let out = out.get_mut(..usize::from(total))?;
        let (ip, udp) = out.split_first_chunk_mut::<IP_LEN>()?;
        let (header, payload) = udp.split_first_chunk_mut::<UDP_LEN>()?;

        let ([total_high, total_low], [length_high, length_low]) = (total.to_be_bytes(), udp_len.to_be_bytes());
        let [a, b, c, d] = self.from.ip().octets();
        let [e, f, g, h] = self.to.ip().octets();
        let with = |[high, low]: [u8; 2]| {
            [VERSION_AND_LEN, 0, total_high, total_low, 0, 0, 0x40, 0, TTL, UDP, high, low, a, b, c, d, e, f, g, h]
        };
        *ip = with(checksum(&with([0; 2])).to_be_bytes());
        let ([from_high, from_low], [to_high, to_low]) = (self.from.port().to_be_bytes(), self.to.port().to_be_bytes());
        *header = [from_high, from_low, to_high, to_low, length_high, length_low, 0, 0];
        payload.iter_mut().zip(self.payload).for_each(|(to, from)| *to = *from);
        Some(out)
    }
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

fn address(bytes: &[u8], at: usize) -> Option<Ipv4Addr> {
    bytes.get(at..)?.first_chunk::<4>().map(|&octets| Ipv4Addr::from(octets))
}

/// The ones' complement of the sum of all words (RFC 1071); 0 over a header that has its own in it.
fn checksum(header: &[u8; IP_LEN]) -> u16 {
    let words = header.chunks_exact(2).filter_map(|word| be16(word, 0));
    let sum: u32 = words.map(u32::from).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or(0)
}

/// What IPv4 and UDP add to a datagram.
pub const HEADERS: usize = IP_LEN + UDP_LEN;

const IP_LEN: usize = 20;
const UDP_LEN: usize = 8;
const VERSION_AND_LEN: u8 = 0x45;
const TTL: u8 = 64;
const UDP: u8 = 17;

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by hand; the checksum worked out by the method of RFC 1071.
    const GOOD: &[u8] = b"\x45\0\0\x1f\0\0\x40\0\x40\x11\x3c\xcb\x7f\0\0\x01\x7f\0\0\x02\x16\x33\x16\x34\0\x0b\0\0abc";

    #[test]
    fn a_packet_is_read_and_written() {
        let packet =
            Packet { from: "127.0.0.1:5683".parse().unwrap(), to: "127.0.0.2:5684".parse().unwrap(), payload: b"abc" };
        let mut out = [0; 64];
        assert_eq!(packet.write(&mut out), Some(GOOD));
        assert_eq!(Packet::parse(GOOD), Some(packet));
        assert_eq!(packet.write(&mut [0; 30]), None);
    }

    #[test]
    fn what_is_no_whole_datagram_is_dropped() {
        for (at, byte, what) in [
            (0, 0x46, "options"),
            (0, 0x65, "another version"),
            (3, 0x20, "longer than it is"),
            (3, 0x13, "shorter than its header"),
            (6, 0x20, "more fragments follow"),
            (7, 0x01, "a later fragment"),
            (9, 6, "TCP"),
            (11, 0xcc, "the checksum"),
            (25, 0x0c, "UDP longer than the packet"),
            (25, 0x07, "UDP shorter than its header"),
        ] {
            let mut packet = [0; 31];
            packet.copy_from_slice(GOOD);
            packet[at] = byte;
            // Each fault by itself: the checksum is made right again, unless it is the fault.
            if at != 11 {
                let ip = packet.first_chunk_mut::<IP_LEN>().unwrap();
                ip[10..12].fill(0);
                let sum = checksum(ip).to_be_bytes();
                ip[10..12].copy_from_slice(&sum);
            }
            assert_eq!(Packet::parse(&packet), None, "{what}");
        }
        for len in 0..GOOD.len() {
            assert_eq!(Packet::parse(&GOOD[..len]), None, "cut at {len}");
        }
    }
}
