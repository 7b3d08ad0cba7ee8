//! Numbers that only grow and must survive a power cut, on NOR flash: bits go from 1 to 0 until a whole sector is erased.
//!
//! Each series has two sectors that take turns, so that one of them is whole at any moment: the next is erased only when
//! the other is full, and its last number is then the highest of all. A place is a series, a number and the complements of
//! the number and of the series, programmed in this order: one that was cut short is passed over, when it was written as when it was
//! erased, in whatever order the chip erases words.

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
        // A sector whose erasing was cut short begins with erased places too.
        if place.is_multiple_of(SECTOR) && !(place..place + SECTOR).step_by(PLACE).all(|place| self.is_erased(place)) {
            self.0.erase(place);
        }
        for (word, value) in [series, number, !number, !series].into_iter().enumerate() {
            self.0.program(place + word * WORD, value);
        }
        if self.at(place) == Some((series, number)) { Ok(()) } else { Err(FlashFailed) }
    }

    /// Where the two sectors of a series begin, and whether nothing is in them yet; none if all are other series'.
    fn counter(&self, series: u64) -> Option<(usize, bool)> {
        let mut free = None;
        for counter in (0..COUNTERS).map(|index| SECTOR + index * 2 * SECTOR) {
            match places(counter).find_map(|place| self.at(place)) {
                Some((owner, _)) if owner == series => return Some((counter, false)),
                Some(_) => {}
                None => free = free.or(Some((counter, true))),
            }
        }
        free
    }

    /// The highest number of a counter, and where it is.
    fn newest(&self, counter: usize) -> Option<(u64, usize)> {
        places(counter).filter_map(|place| Some((self.at(place)?.1, place))).max()
    }

    /// What is at a place, if it was written to its end and nothing of it is erased.
    fn at(&self, place: usize) -> Option<(u64, u64)> {
        // Most places are erased, and known by the first two words.
        let (series, not_series) = (self.word(place, 0), self.word(place, 3));
        if series != !not_series {
            return None;
        }
        let (number, not_number) = (self.word(place, 1), self.word(place, 2));
        (number == !not_number).then_some((series, number))
    }

    fn is_erased(&self, place: usize) -> bool {
        (0..WORDS).all(|word| self.word(place, word) == u64::MAX)
    }

    fn word(&self, place: usize, word: usize) -> u64 {
        self.0.read(place + word * WORD)
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
const WORDS: usize = 4;
const PLACE: usize = WORDS * WORD;

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
        /// How many words there is power for, to program or to erase.
        power: usize,
        /// The bits that the last of them still changes.
        last: u64,
    }

    impl Memory {
        fn new() -> Self {
            Self { words: std::vec![u64::MAX; (1 + 2 * COUNTERS) * SECTOR / WORD], power: usize::MAX, last: 0 }
        }

        /// The bits of a word that there is power to change.
        fn step(&mut self) -> u64 {
            let changes = match self.power {
                0 => 0,
                1 => self.last,
                _ => u64::MAX,
            };
            self.power = self.power.saturating_sub(1);
            changes
        }
    }

    impl Chip for Memory {
        fn read(&self, place: usize) -> u64 {
            self.words[place / WORD]
        }

        fn program(&mut self, place: usize, value: u64) {
            self.words[place / WORD] &= value | !self.step();
        }

        fn erase(&mut self, sector: usize) {
            assert!(sector >= SECTOR && sector.is_multiple_of(SECTOR), "{sector}");
            for word in sector / WORD..(sector + SECTOR) / WORD {
                self.words[word] |= self.step();
            }
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

    /// The power goes at every word that some boots and writes about the turn of a sector program or erase, between two
    /// words or within one: no boot has the number of another, and of a series there is what was acknowledged, or what was
    /// just being written.
    #[test]
    fn a_power_cut_at_any_word_loses_nothing() {
        let per_sector = SECTOR as u64 / PLACE as u64;
        for (start, erases) in [(0, 0), (per_sector - 2, 0), (2 * per_sector - 1, 2)] {
            let before = used(start);
            for last in [u64::MAX, 0xffff_0000_ffff_0000] {
                let mut power = 1;
                while cut(&before, start, power, last) {
                    power += 1;
                }
                assert!(power > erases * SECTOR / WORD, "from {start}: the power was cut at {power} words only");
            }
        }
    }

    /// Whether the power was cut at all.
    fn cut(before: &Memory, start: u64, power: usize, last: u64) -> bool {
        let at = std::format!("from {start}, cut at {power} with {last:x}");
        let mut counters = Counters(Memory { power, last, ..before.clone() });
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
        let was_cut = counters.0.power == 0;
        counters.0.power = usize::MAX;
        for again in 1..3 {
            let boot = counters.count_boot().unwrap();
            assert!(Some(boot) > booted, "{at}: boot {boot} after {booted:?}");
            booted = Some(boot);
            let read = counters.read(ONE).unwrap();
            let either = [known, tried].map(|number| number.map(|number| 7 * number));
            assert!(either.contains(&read), "{at}: {read:?} of {either:?}");
            assert_eq!(counters.read(OTHER), Ok(start.checked_sub(1).map(|number| 7 * number)), "{at}");
            let next = 7 * (start + 4 + again);
            counters.write(ONE, next).unwrap();
            (known, tried) = (Some(start + 4 + again), Some(start + 4 + again));
            assert_eq!(counters.read(ONE), Ok(Some(next)), "{at}");
        }
        was_cut
    }
}
