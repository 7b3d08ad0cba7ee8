//! Numbers that only grow and must survive a power cut, on NOR flash: bits go from 1 to 0 until a whole sector is erased.
//!
//! Each series has two sectors that take turns, so that one of them is whole at any moment: the next is erased only when
//! the other is full, and its last number is then the highest of all. A place is a series, a number and the number's
//! complement, programmed in this order: one that was cut short is passed over.

use latchwork_rs_lib::{Flash, FlashFailed, Series};

/// A flash chip, in words of 8 bytes; places are bytes from its beginning.
pub trait Chip {
    /// Reads a word.
    fn read(&self, place: usize) -> u64;

    /// Clears the bits of a word that are clear in `value`.
    fn program(&mut self, place: usize, value: u64);

    /// Sets all bits of the sector that begins there.
    fn erase(&mut self, sector: usize);
}

/// The counters on a chip. The first sector is left alone: enrolment writes it.
pub struct Counters<C>(pub C);

impl<C: Chip> Counters<C> {
    /// The number of this boot, which no other boot has: written before it is returned.
    pub fn count_boot(&mut self) -> Result<u64, FlashFailed> {
        let number = match self.last(BOOTS)? {
            Some(last) => last.checked_add(1).ok_or(FlashFailed)?,
            None => 0,
        };
        self.keep(BOOTS, number)?;
        Ok(number)
    }

    /// The highest number of a series.
    fn last(&self, series: u64) -> Result<Option<u64>, FlashFailed> {
        let (counter, is_new) = self.counter(series).ok_or(FlashFailed)?;
        if is_new {
            return Ok(None);
        }
        Ok(self.newest(counter).map(|(number, _)| number))
    }

    fn keep(&mut self, series: u64, number: u64) -> Result<(), FlashFailed> {
        let (counter, _) = self.counter(series).ok_or(FlashFailed)?;
        let place = match self.newest(counter) {
            None => counter,
            Some((_, newest)) => {
                let sector = newest - newest % SECTOR;
                let free = (newest..sector + SECTOR).step_by(PLACE).find(|place| self.is_erased(*place));
                free.unwrap_or(if sector == counter { counter + SECTOR } else { counter })
            }
        };
        if !self.is_erased(place) {
            self.0.erase(place - place % SECTOR);
        }
        for (word, value) in [series, number, !number].into_iter().enumerate() {
            self.0.program(place + word * WORD, value);
        }
        if self.at(place) == Some((series, number)) { Ok(()) } else { Err(FlashFailed) }
    }

    /// Where the two sectors of a series begin, and whether nothing is in them yet; none if all are other series'.
    fn counter(&self, series: u64) -> Option<(usize, bool)> {
        let counters = || (0..COUNTERS).map(|index| SECTOR + index * 2 * SECTOR);
        let owner = |counter: usize| places(counter).find_map(|place| self.at(place)).map(|(owner, _)| owner);
        let own = counters().find(|counter| owner(*counter) == Some(series)).map(|counter| (counter, false));
        own.or_else(|| counters().find(|counter| owner(*counter).is_none()).map(|counter| (counter, true)))
    }

    /// The highest number of a counter, and where it is.
    fn newest(&self, counter: usize) -> Option<(u64, usize)> {
        places(counter).filter_map(|place| Some((self.at(place)?.1, place))).max()
    }

    /// What is at a place, if it was written to its end.
    fn at(&self, place: usize) -> Option<(u64, u64)> {
        let [series, number, check] = [0, 1, 2].map(|word| self.0.read(place + word * WORD));
        (number == !check && !self.is_erased(place)).then_some((series, number))
    }

    fn is_erased(&self, place: usize) -> bool {
        [0, 1, 2].iter().all(|word| self.0.read(place + word * WORD) == u64::MAX)
    }
}

impl<C: Chip> Flash for Counters<C> {
    fn read(&mut self, Series(series): Series) -> Result<Option<u64>, FlashFailed> {
        self.last(u64::from_be_bytes(series))
    }

    fn write(&mut self, Series(series): Series, number: u64) -> Result<(), FlashFailed> {
        self.keep(u64::from_be_bytes(series), number)
    }
}

fn places(counter: usize) -> impl Iterator<Item = usize> {
    (counter..counter + 2 * SECTOR).step_by(PLACE)
}

/// What is erased at once, in bytes.
pub const SECTOR: usize = 4096;

/// How many series there is room for: boots, and four servers.
pub const COUNTERS: usize = 5;

const WORD: usize = 8;
const PLACE: usize = 4 * WORD;

/// The series of boots; the hashes that name the others are this with a chance of 2^-64.
const BOOTS: u64 = 0xb007;

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::vec::Vec;

    /// A chip that loses its power in the middle of a step.
    #[derive(Clone)]
    struct Memory {
        words: Vec<u64>,
        /// How many steps there is power for; half of the last one is done.
        power: usize,
    }

    impl Memory {
        fn new() -> Self {
            Self { words: std::vec![u64::MAX; (1 + 2 * COUNTERS) * SECTOR / WORD], power: usize::MAX }
        }

        fn step(&mut self) -> usize {
            self.power = self.power.saturating_sub(1);
            self.power
        }
    }

    impl Chip for Memory {
        fn read(&self, place: usize) -> u64 {
            self.words[place / WORD]
        }

        fn program(&mut self, place: usize, value: u64) {
            let half = 0xffff_0000_ffff_0000;
            self.words[place / WORD] &= match (self.power, self.step()) {
                (0, _) => u64::MAX,
                (_, 0) => value | half,
                _ => value,
            };
        }

        fn erase(&mut self, sector: usize) {
            assert!(sector >= SECTOR && sector.is_multiple_of(SECTOR), "{sector}");
            let all = SECTOR / WORD;
            let erased = match (self.power, self.step()) {
                (0, _) => 0,
                (_, 0) => all / 2,
                _ => all,
            };
            self.words[sector / WORD..][..erased].fill(u64::MAX);
        }
    }

    const ONE: Series = Series([1; 8]);
    const OTHER: Series = Series([0; 8]);

    /// A chip on which both sectors of each counter were used already, and the next number that is not.
    fn used(records: u64) -> Memory {
        let mut counters = Counters(Memory::new());
        for number in 0..records {
            assert_eq!(counters.count_boot(), Ok(number));
            for series in [ONE, OTHER] {
                counters.write(series, 7 * number).unwrap();
                assert_eq!(counters.read(series), Ok(Some(7 * number)));
            }
        }
        counters.0
    }

    #[test]
    fn numbers_outlive_many_turns_of_the_sectors() {
        let per_sector = SECTOR as u64 / PLACE as u64;
        let mut counters = Counters(used(3 * per_sector + 5));
        assert_eq!(counters.count_boot(), Ok(3 * per_sector + 5));
        assert_eq!(counters.read(Series([2; 8])), Ok(None));
    }

    #[test]
    fn more_servers_than_there_is_room_for() {
        let mut counters = Counters(Memory::new());
        for series in 0..COUNTERS as u8 {
            assert_eq!(counters.write(Series([series; 8]), 1), Ok(()));
        }
        assert_eq!(counters.write(Series([9; 8]), 1), Err(FlashFailed));
        assert_eq!(counters.read(Series([9; 8])), Err(FlashFailed), "not known is not none");
        assert_eq!(counters.count_boot(), Err(FlashFailed));
        assert_eq!(counters.read(ONE), Ok(Some(1)));
    }

    /// The power goes at every step of some boots and writes about the turn of a sector: no boot has the number of
    /// another, and of a series there is what was acknowledged, or what was just being written.
    #[test]
    fn a_power_cut_at_any_step_loses_nothing() {
        let per_sector = SECTOR as u64 / PLACE as u64;
        for start in [0, per_sector - 2, 2 * per_sector - 1] {
            let before = used(start);
            for power in 1..40 {
                let mut counters = Counters(before.clone());
                counters.0.power = power;
                let mut known = start.checked_sub(1);
                let mut tried = known;
                let mut booted = known;
                for number in start..start + 4 {
                    // A board without power returns nothing to anybody.
                    match counters.count_boot() {
                        Ok(boot) if counters.0.power > 0 => booted = Some(boot),
                        _ => break,
                    }
                    tried = Some(number);
                    match counters.write(ONE, 7 * number) {
                        Ok(()) if counters.0.power > 0 => known = Some(number),
                        _ => break,
                    }
                }
                counters.0.power = usize::MAX;
                for again in 1..3 {
                    let boot = counters.count_boot().unwrap();
                    assert!(Some(boot) > booted, "from {start}, cut at {power}: boot {boot} twice");
                    booted = Some(boot);
                    let read = counters.read(ONE).unwrap();
                    let either = [known, tried].map(|number| number.map(|number| 7 * number));
                    assert!(either.contains(&read), "from {start}, cut at {power}: {read:?} of {either:?}");
                    assert_eq!(counters.read(OTHER), Ok(start.checked_sub(1).map(|number| 7 * number)));
                    let next = 7 * (start + 4 + again);
                    counters.write(ONE, next).unwrap();
                    (known, tried) = (Some(start + 4 + again), Some(start + 4 + again));
                    assert_eq!(counters.read(ONE), Ok(Some(next)));
                }
            }
        }
    }
}
