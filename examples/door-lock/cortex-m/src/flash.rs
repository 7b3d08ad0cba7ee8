//! The flash chip: the page that enrolment wrote, and numbers that must survive a power cut.
//!
//! QEMU has no flash on this board. 16 MiB of its RAM are a file on the host, which outlives QEMU, and [`Flash::program`]
//! behaves as flash does: bits only ever go from 1 to 0 until a whole sector is erased.

#![allow(unsafe_code, reason = "the chip has no other address")]

use core::ptr::{read_volatile, write_volatile};
use core::slice;

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

    /// The number of this boot, which no other boot has: written before it is returned.
    ///
    /// Two sectors take turns, so that one of them is whole at any moment.
    pub(crate) fn count_boot(&self) -> Option<u64> {
        let places = || (0..PLACES).map(|place| BOOTS + place * PLACE);
        let last = places().filter_map(|place| Some((self.number(place)?, place))).max();
        let (number, place) = last.map_or((0, BOOTS), |(number, place)| (number + 1, place + PLACE));
        let end = BOOTS + PLACES * PLACE;
        let free = (place..end).step_by(PLACE).take_while(|place| place % SECTOR != 0 || *place == BOOTS);
        let place = free.into_iter().find(|&place| self.is_erased(place)).unwrap_or_else(|| {
            let next = if (BOOTS..BOOTS + SECTOR).contains(&(place - 1)) { BOOTS + SECTOR } else { BOOTS };
            self.erase(next);
            next
        });
        self.program(place, number);
        self.program(place + 8, !number);
        (self.number(place) == Some(number)).then_some(number)
    }

    /// The number at a place, if it was written to its end.
    fn number(&self, place: usize) -> Option<u64> {
        let number = self.read(place);
        (number == !self.read(place + 8) && !self.is_erased(place)).then_some(number)
    }

    fn is_erased(&self, place: usize) -> bool {
        self.read(place) == u64::MAX && self.read(place + 8) == u64::MAX
    }

    fn read(&self, place: usize) -> u64 {
        // SAFETY: within the chip, aligned, and never borrowed as a slice.
        unsafe { read_volatile((CHIP + place) as *const u64) }
    }

    fn program(&self, place: usize, value: u64) {
        let value = self.read(place) & value;
        // SAFETY: as for `read`.
        unsafe { write_volatile((CHIP + place) as *mut u64, value) }
    }

    fn erase(&self, sector: usize) {
        for place in (sector..sector + SECTOR).step_by(8) {
            // SAFETY: as for `read`.
            unsafe { write_volatile((CHIP + place) as *mut u64, u64::MAX) }
        }
    }
}

const CHIP: usize = 0x2100_0000;
const SECTOR: usize = 4096;

/// Where boots are counted: the second and third sector, in places of 16 bytes.
const BOOTS: usize = SECTOR;
const PLACE: usize = 16;
const PLACES: usize = 2 * SECTOR / PLACE;
