//! The flash chip: the page that enrolment wrote, and the counters behind it.
//!
//! QEMU has no flash on this board. 16 MiB of its RAM are a file on the host, which outlives QEMU, and [`Chip::program`]
//! behaves as flash does: bits only ever go from 1 to 0 until a whole sector is erased.

#![allow(unsafe_code, reason = "the chip has no other address")]

use core::ptr::{read_volatile, write_volatile};
use core::slice;
use latchwork_door_lock_app::counters::{Chip, SECTOR};

/// The chip.
pub(crate) struct Flash(());

impl Flash {
    /// The one on the board; to be called once.
    pub(crate) fn of_board() -> Self {
        Self(())
    }

    /// What enrolment wrote.
    pub(crate) fn page(&self) -> &'static [u8] {
        // SAFETY: the chip begins at this address; nothing writes to its first sector.
        unsafe { slice::from_raw_parts(CHIP as *const u8, SECTOR) }
    }
}

impl Chip for Flash {
    fn read(&self, place: usize) -> u64 {
        // SAFETY: within the chip, aligned, and never borrowed as a slice.
        unsafe { read_volatile((CHIP + place) as *const u64) }
    }

    fn program(&mut self, place: usize, value: u64) {
        let value = self.read(place) & value;
        // SAFETY: as for `read`.
        unsafe { write_volatile((CHIP + place) as *mut u64, value) }
    }

    fn erase(&mut self, sector: usize) {
        for place in (sector..sector + SECTOR).step_by(8) {
            // SAFETY: as for `read`.
            unsafe { write_volatile((CHIP + place) as *mut u64, u64::MAX) }
        }
    }
}

const CHIP: usize = if cfg!(an505) { 0x8000_0000 } else { 0x2100_0000 };
