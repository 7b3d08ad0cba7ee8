//! The board's Ethernet controller, an SMSC LAN9118: frames in, frames out, polled.

#![allow(unsafe_code, reason = "registers have no other address")]

use crate::board::ticks;
use core::ptr::{read_volatile, write_volatile};

/// The controller.
pub(crate) struct Lan9118(());

impl Lan9118 {
    /// Resets it and has it receive what is for its address or for everybody; none where there is no controller, or none
    /// with an address. To be called once.
    pub(crate) fn start() -> Option<(Self, [u8; 6])> {
        if read(BYTE_TEST) != 0x8765_4321 {
            return None;
        }
        write(HW_CFG, SOFT_RESET);
        until(|| read(HW_CFG) & SOFT_RESET == 0)?;
        // What it is told to send stays in its memory until it is on the wire.
        write(HW_CFG, STORE_AND_FORWARD | TX_FIFO_5_KIB);
        // The address comes from the EEPROM beside it.
        until(|| read(E2P_COMMAND) & E2P_BUSY == 0)?;
        let (low, high) = (mac_read(ADDRESS_LOW)?, mac_read(ADDRESS_HIGH)?);
        let ([a, b, c, d], [e, f, ..]) = (low.to_le_bytes(), high.to_le_bytes());
        let address = [a, b, c, d, e, f];
        if a & MULTICAST != 0 || address == [0; 6] {
            return None;
        }
        write(FIFO_INT, 0);
        write(INT_STATUS, u32::MAX);
        write(INT_ENABLE, FRAME_RECEIVED);
        write(IRQ_CFG, IRQ_ENABLE | IRQ_ACTIVE_HIGH | IRQ_PUSH_PULL);
        write(TX_CFG, TX_ON);
        mac_write(MAC_CONTROL, FULL_DUPLEX | TX_ENABLE | RX_ENABLE)?;
        Some((Self(()), address))
    }

    /// The next frame, if one arrived; empty if it was damaged or, with its check sequence, longer than `buffer`.
    pub(crate) fn receive<'b>(&mut self, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
        write(INT_STATUS, FRAME_RECEIVED);
        if read(RX_FIFO_INFO) & FRAMES == 0 {
            return None;
        }
        let status = read(RX_STATUS);
        let length = usize::try_from(status >> 16 & 0x3fff).unwrap_or(0);
        let mut places = buffer.as_chunks_mut::<4>().0.iter_mut();
        let mut over = [0; 4];
        // The check sequence comes after the frame; whatever has no place is read nevertheless, to come to the next frame.
        for _ in 0..length.div_ceil(4) {
            *places.next().unwrap_or(&mut over) = read(RX_DATA).to_le_bytes();
        }
        let whole = length.checked_sub(CHECK_SEQUENCE).filter(|_| status & RX_ERROR == 0);
        Some(whole.and_then(|length| buffer.get(..length)).unwrap_or_default())
    }

    /// Sends a frame; drops it if there is no room or nothing in it.
    pub(crate) fn send(&mut self, frame: &[u8]) {
        while read(TX_FIFO_INFO) & STATUSES != 0 {
            read(TX_STATUS);
        }
        let Some(length) = u32::try_from(frame.len()).ok().filter(|length| (1..=0x7ff).contains(length)) else {
            return;
        };
        if read(TX_FIFO_INFO) & 0xffff < length + COMMANDS {
            return;
        }
        write(TX_DATA, FIRST_SEGMENT | LAST_SEGMENT | length);
        write(TX_DATA, length);
        for word in frame.chunks(4) {
            let mut bytes = [0; 4];
            bytes.iter_mut().zip(word).for_each(|(to, from)| *to = *from);
            write(TX_DATA, u32::from_le_bytes(bytes));
        }
    }
}

/// Reads a register of the part behind the registers.
fn mac_read(register: u32) -> Option<u32> {
    write(MAC_COMMAND, MAC_BUSY | MAC_READ | register);
    until(|| read(MAC_COMMAND) & MAC_BUSY == 0)?;
    Some(read(MAC_DATA))
}

fn mac_write(register: u32, value: u32) -> Option<()> {
    write(MAC_DATA, value);
    write(MAC_COMMAND, MAC_BUSY | register);
    until(|| read(MAC_COMMAND) & MAC_BUSY == 0)
}

/// Waits for what takes microseconds; none after 100 ms.
fn until(mut is_so: impl FnMut() -> bool) -> Option<()> {
    let started = ticks();
    while !is_so() {
        if ticks().wrapping_sub(started) > PATIENCE {
            return None;
        }
    }
    Some(())
}

fn read(register: u8) -> u32 {
    // SAFETY: the controller has 256 bytes of registers here, which may be read at any time.
    unsafe { read_volatile((BASE + u32::from(register & !3)) as *const u32) }
}

fn write(register: u8, value: u32) {
    // SAFETY: as for `read`; the controller does not reach into memory.
    unsafe { write_volatile((BASE + u32::from(register & !3)) as *mut u32, value) }
}

const BASE: u32 = 0x4020_0000;

const RX_DATA: u8 = 0x00;
const TX_DATA: u8 = 0x20;
const RX_STATUS: u8 = 0x40;
const TX_STATUS: u8 = 0x48;
const IRQ_CFG: u8 = 0x54;
const INT_STATUS: u8 = 0x58;
const INT_ENABLE: u8 = 0x5c;
const BYTE_TEST: u8 = 0x64;
const FIFO_INT: u8 = 0x68;
const TX_CFG: u8 = 0x70;
const HW_CFG: u8 = 0x74;
const RX_FIFO_INFO: u8 = 0x7c;
const TX_FIFO_INFO: u8 = 0x80;
const MAC_COMMAND: u8 = 0xa4;
const MAC_DATA: u8 = 0xa8;
const E2P_COMMAND: u8 = 0xb0;
const E2P_BUSY: u32 = 1 << 31;

const SOFT_RESET: u32 = 1;
const STORE_AND_FORWARD: u32 = 1 << 20;
const TX_FIFO_5_KIB: u32 = 5 << 16;
const TX_ON: u32 = 1 << 1;
const IRQ_ENABLE: u32 = 1 << 8;
const IRQ_ACTIVE_HIGH: u32 = 1 << 4;
const IRQ_PUSH_PULL: u32 = 1;
const FRAME_RECEIVED: u32 = 1 << 3;
const FRAMES: u32 = 0xff << 16;
const STATUSES: u32 = 0xff << 16;
const RX_ERROR: u32 = 1 << 15;
const FIRST_SEGMENT: u32 = 1 << 13;
const LAST_SEGMENT: u32 = 1 << 12;
/// Bytes of the two command words before a frame, and of what its last word may have too many.
const COMMANDS: u32 = 12;
const CHECK_SEQUENCE: usize = 4;

const MAC_BUSY: u32 = 1 << 31;
const MAC_READ: u32 = 1 << 30;
const MAC_CONTROL: u32 = 1;
const ADDRESS_HIGH: u32 = 2;
const ADDRESS_LOW: u32 = 3;
const FULL_DUPLEX: u32 = 1 << 20;
const TX_ENABLE: u32 = 1 << 3;
const RX_ENABLE: u32 = 1 << 2;
const MULTICAST: u8 = 1;

/// 100 ms.
const PATIENCE: u32 = 2_500_000;
