//! Random numbers for a board that has no source of them: HMAC over a secret of the factory and a number that never
//! comes twice. A board with a hardware source uses that instead.

use crate::backend::Symmetrical;
use latchwork_crypto::{CryptoError, Random, Secret, Symmetric};

/// The generator.
pub(crate) struct Entropy {
    seed: Secret<32>,
    boot: u64,
    drawn: u64,
}

impl Entropy {
    /// `boot` differs at each start, whatever happened before.
    pub(crate) fn new(seed: Secret<32>, boot: u64) -> Self {
        Self { seed, boot, drawn: 0 }
    }
}

impl Random for Entropy {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        for chunk in out.chunks_mut(32) {
            let number = [&self.boot.to_be_bytes()[..], &self.drawn.to_be_bytes()];
            let block = Symmetrical.hmac_sha256(self.seed.expose(), &number)?;
            self.drawn = self.drawn.checked_add(1).ok_or(CryptoError::Backend)?;
            chunk.iter_mut().zip(block).for_each(|(to, from)| *to = from);
        }
        Ok(())
    }
}
