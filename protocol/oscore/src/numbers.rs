//! Sender sequence numbers, in memory and across restarts (RFC 8613 §7.2, B.1.1).

use crate::{Context, error::Error, piv::PartialIv};

/// The sender's sequence numbers. A number that was taken is spent, whatever became of its message: a nonce must
/// never come twice (RFC 8613 §7.2).
#[derive(Debug)]
pub(crate) struct Numbers {
    next: u64,
    /// Everything below is ours to use.
    below: u64,
}

impl Numbers {
    /// For a key that was never used and will not outlive this process: every number.
    pub(crate) fn fresh() -> Self {
        Self { next: 0, below: END }
    }

    /// For a key that outlives a restart: none until more are reserved.
    pub(crate) fn resumed(below: u64) -> Self {
        Self { next: below, below }
    }

    pub(crate) fn take(&mut self) -> Result<PartialIv, Error> {
        let piv = PartialIv::new(self.next).ok_or(Error::Exhausted)?;
        if self.next >= self.below {
            return Err(Error::NothingReserved);
        }
        self.next += 1;
        Ok(piv)
    }
}

/// Where a context that outlives a restart writes down how far its numbers are spoken for (RFC 8613 B.1.1).
pub trait SenderNumbers {
    /// Why the record could not be made.
    type Error;

    /// Records that every number below `below` may have been used. Returns once a power cut can no longer undo it.
    fn reserve(&mut self, below: u64) -> Result<(), Self::Error>;
}

impl Context {
    /// How many messages can be sent before more numbers must be reserved.
    pub fn numbers_left(&self) -> u64 {
        self.numbers.below.saturating_sub(self.numbers.next)
    }

    /// Reserves another block once less than half a block is left. Call it before sending, or whenever it suits.
    pub fn reserve<S: SenderNumbers>(&mut self, block: u32, store: &mut S) -> Result<(), S::Error> {
        if let Some(below) = self.reservation(block) {
            store.reserve(below)?;
            self.reserved(below);
        }
        Ok(())
    }

    /// What [`reserve`](Self::reserve) would record, for stores that answer later: the new bound, or `None` while
    /// half a block is left or the numbers end. Hand it back to [`reserved`](Self::reserved) once it is durable.
    pub fn reservation(&self, block: u32) -> Option<u64> {
        let below = self.numbers.next.saturating_add(u64::from(block)).min(END);
        (self.numbers_left() <= u64::from(block / 2) && below > self.numbers.below).then_some(below)
    }

    /// The store holds `below` durably: after any restart this context is [restored](Self::restore) from there.
    pub fn reserved(&mut self, below: u64) {
        self.numbers.below = below.min(END).max(self.numbers.below);
    }
}

/// One past the last number.
const END: u64 = PartialIv::MAX + 1;
