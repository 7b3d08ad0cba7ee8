//! A line to a board: frames come out whole and go back as they came, and a packet in one has one meaning.
#![no_main]

use latchwork_door_lock_slip::{Decoder, HEADERS, Packet, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    packet(data);
    let mut line = Decoder::<SIZE>::new();
    for &byte in data {
        let Some(frame) = line.push(byte) else { continue };
        assert!((1..=SIZE).contains(&frame.len()));
        // Bytes before it on the line do not hurt a frame.
        let mut again = Decoder::<SIZE>::new();
        let mut came = 0;
        encode(frame, |byte| {
            if let Some(copy) = again.push(byte) {
                assert_eq!(copy, frame);
                came += 1;
            }
        });
        assert_eq!(came, 1);
        packet(frame);
    }
});

fn packet(bytes: &[u8]) {
    let Some(packet) = Packet::parse(bytes) else { return };
    assert!(packet.payload.len() + HEADERS <= bytes.len());
    let mut room = vec![0; packet.payload.len() + HEADERS];
    let written = packet.write(&mut room).expect("room for what was taken");
    assert_eq!(Packet::parse(written), Some(packet));
    assert_eq!(packet.write(&mut vec![0; packet.payload.len() + HEADERS - 1]), None);
}

const SIZE: usize = 64;
