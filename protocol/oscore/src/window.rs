//! The replay window, and how it is won back when it was lost (RFC 8613 §7.4, B.1.2).

use latchwork_crypto::ct_eq;

/// Which of the peer's sequence numbers have been accepted (RFC 8613 §7.4; the sliding window of RFC 6347 §4.1.2.6).
///
/// A number is checked before decryption and marked only after it, so that no forgery moves the window.
#[derive(Clone, Debug)]
pub(crate) enum Window {
    Known(Seen),
    /// Lost in a restart. Nothing is accepted until a request brings the challenge back (Appendix B.1.2).
    Unknown(Challenge),
}

/// The window itself: bit `i` of `bits` stands for the number `next - 1 - i`; older ones count as seen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// One past the highest number accepted.
    next: u64,
    bits: u32,
}

/// The Echo value of one restart. One value serves every request until the first that returns it: fresh then
/// means made after the restart (RFC 9175 §2.3, event-based freshness).
#[derive(Clone, Debug)]
pub(crate) struct Challenge(pub(crate) [u8; 8]);

impl Seen {
    /// Everything up to and including `number` counts as seen.
    pub(crate) fn up_to(number: u64) -> Self {
        Self { next: number.saturating_add(1), bits: u32::MAX }
    }

    pub(crate) fn contains(&self, number: u64) -> bool {
        match self.next.checked_sub(number) {
            None | Some(0) => false,
            Some(back) => back > u64::from(u32::BITS) || self.bits >> (back - 1) & 1 == 1,
        }
    }

    pub(crate) fn mark(&mut self, number: u64) {
        match self.next.checked_sub(number) {
            Some(back @ 1..) if back <= u64::from(u32::BITS) => self.bits |= 1 << (back - 1),
            Some(1..) => {}
            _ => {
                let forward = number.saturating_add(1).saturating_sub(self.next);
                let shifted = u32::try_from(forward).ok().and_then(|forward| self.bits.checked_shl(forward));
                self.bits = shifted.unwrap_or(0) | 1;
                self.next = number.saturating_add(1);
            }
        }
    }
}

impl Challenge {
    pub(crate) fn answered_by(&self, echo: &[u8]) -> bool {
        ct_eq(&self.0, echo)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    /// R8613-7.4-01
    #[test]
    fn slides() {
        let mut seen = Seen::default();
        assert!(!seen.contains(0));
        for (number, already) in [
            (0, false),
            (0, true),
            (5, false),
            (3, false),
            (3, true),
            (5, true),
            (36, false), // 5 is now the oldest in the window
            (4, true),   // fell out unseen: refused all the same
            (5, true),
            (6, false),
            (37, false),
            (6, true),
            (1000, false),
            (969, false),
            (968, true),
            (1 << 39, false),
            ((1 << 40) - 1, false),
            ((1 << 40) - 1, true),
        ] {
            assert_eq!(seen.contains(number), already, "{number}");
            if !already {
                seen.mark(number);
            }
        }
    }

    #[test]
    fn lower_limit() {
        let seen = Seen::up_to(50);
        for (number, contained) in [(0, true), (19, true), (49, true), (50, true), (51, false)] {
            assert_eq!(seen.contains(number), contained, "{number}");
        }
    }

    /// R9175-2.2-01
    #[test]
    fn a_challenge_is_answered_by_itself_only() {
        let challenge = Challenge([7; 8]);
        for (echo, answered) in
            [(&[7; 8][..], true), (&[7; 7], false), (&[7; 9], false), (&[], false), (&[6; 8], false)]
        {
            assert_eq!(challenge.answered_by(echo), answered, "{echo:?}");
        }
    }

    proptest! {
        /// Against the obvious set: nothing is accepted twice, and whatever is new and recent is accepted.
        #[test]
        fn like_a_set(numbers in proptest::collection::vec(0_u64..120, 1..200)) {
            let (mut window, mut set) = (Seen::default(), HashSet::new());
            for number in numbers {
                let recent = set.iter().max().is_none_or(|highest: &u64| number + 32 > *highest);
                prop_assert_eq!(!window.contains(number), recent && !set.contains(&number));
                if !window.contains(number) {
                    window.mark(number);
                    set.insert(number);
                }
            }
        }
    }
}
