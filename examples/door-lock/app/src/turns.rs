//! The loop of a lock without interrupts: it takes turns between the time and what arrives.

/// One round: looks at the time, then takes in what has arrived. No flood keeps it from the time for longer than [`TURNS`]: a bolt goes back.
///
/// `tick` does what time brings about; `take` takes in a byte, a frame or a datagram, and says whether there was one; `idle` waits where
/// there was none.
pub fn round<S>(state: &mut S, tick: impl FnOnce(&mut S), mut take: impl FnMut(&mut S) -> bool, idle: impl FnOnce()) {
    tick(state);
    for _ in 0..TURNS {
        if !take(state) {
            return idle();
        }
    }
}

/// How much may arrive, bytes or frames, before a lock looks at the time.
pub const TURNS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bolt, Door, Stuck};
    use latchwork_rs_lib::{Allowed, Now, Uptime, Wall};

    /// Stuck at the start, so that it is to go back at the next look at the time, and counts how often it went.
    struct Counted(u32);

    impl Bolt for Counted {
        fn unlock(&mut self, _: &Allowed<'_>) -> Result<(), Stuck> {
            Ok(())
        }

        fn lock(&mut self) -> Result<(), Stuck> {
            self.0 += 1;
            if self.0 == 1 { Err(Stuck) } else { Ok(()) }
        }
    }

    /// Frames without end: the bolt goes back all the same, and everything is taken in.
    #[test]
    fn a_flood_does_not_keep_a_bolt_drawn() {
        let mut state = (Door::new(Counted(0)), 0);
        let tick = |(door, _): &mut (Door<Counted>, usize)| {
            door.relock(&Now { wall: Wall::Unknown, uptime: Uptime(7) });
        };
        let take = |(_, taken): &mut (Door<Counted>, usize)| {
            *taken += 1;
            assert!(*taken < 10_000, "it never looks at the time");
            true
        };
        assert!(state.0.relocks().is_some());
        for rounds in 1..=3 {
            round(&mut state, tick, take, || panic!("there is always more"));
            assert_eq!((state.0.relocks(), state.1), (None, rounds * TURNS));
        }
    }

    /// Where nothing arrives it waits, once, and looks at the time again.
    #[test]
    fn it_waits_where_nothing_comes() {
        for come in [0, 1, TURNS - 1, TURNS] {
            let (mut left, mut ticks, mut idles) = (come, 0, 0);
            let take = |left: &mut usize| {
                let is_there = *left > 0;
                *left = left.saturating_sub(1);
                is_there
            };
            round(&mut left, |_| ticks += 1, take, || idles += 1);
            assert_eq!((left, ticks, idles), (0, 1, usize::from(come < TURNS)), "{come}");
        }
    }
}
