//! Storage of the endpoint's tables on a machine that has a heap.

use latchwork_coap::Full;
use latchwork_coap::endpoint::Keep;

/// Bytes on the heap, at most [`MAX_BODY`]: empty slots of a table cost nothing.
#[derive(Debug, Default)]
pub(crate) struct Heap(Vec<u8>);

/// The largest response that is put together from blocks: a revocation list of 10,000 hashes is a third of it.
pub(crate) const MAX_BODY: usize = 1 << 20;
/// The largest request that a server puts together from blocks.
pub(crate) const MAX_REQUEST: usize = 65_536;

impl Keep for Heap {
    fn append(&mut self, bytes: &[u8]) -> Result<(), Full> {
        if self.0.len() + bytes.len() > MAX_BODY {
            return Err(Full);
        }
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn kept(&self) -> &[u8] {
        &self.0
    }

    fn forget(&mut self) {
        self.0 = Vec::new();
    }

    fn capacity(&self) -> usize {
        MAX_BODY
    }
}
