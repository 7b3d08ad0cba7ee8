//! Numbers that cost as good as nothing, for both generations of `rand_core` that this image has.

/// A counter, mixed.
#[derive(Clone, Copy)]
pub(crate) struct NotRandom(u64);

impl NotRandom {
    pub(crate) fn new() -> Self {
        Self(u64::from(crate::board::ticks()))
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            chunk.iter_mut().zip(self.next().to_le_bytes()).for_each(|(to, from)| *to = from);
        }
    }
}

impl rand_core_06::RngCore for NotRandom {
    fn next_u32(&mut self) -> u32 {
        self.next() as u32
    }

    fn next_u64(&mut self) -> u64 {
        self.next()
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        self.fill(out);
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), rand_core_06::Error> {
        self.fill(out);
        Ok(())
    }
}

impl rand_core_06::CryptoRng for NotRandom {}

impl rand_core_09::RngCore for NotRandom {
    fn next_u32(&mut self) -> u32 {
        self.next() as u32
    }

    fn next_u64(&mut self) -> u64 {
        self.next()
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        self.fill(out);
    }
}

impl rand_core_09::CryptoRng for NotRandom {}
