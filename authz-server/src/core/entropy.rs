//! Where randomness comes from: an argument, so that a test can say what it was.

/// A source of unpredictable bytes.
pub trait Entropy {
    /// Fills `out` wholly or fails.
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy>;
}

/// `N` fresh bytes from any source, also behind `dyn`.
pub fn fresh<const N: usize>(entropy: &mut (impl Entropy + ?Sized)) -> Result<[u8; N], NoEntropy> {
    let mut out = [0; N];
    entropy.fill(&mut out)?;
    Ok(out)
}

/// The operating system gave no randomness; nothing may be issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no randomness")]
pub struct NoEntropy;

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct Os;

impl Entropy for Os {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoEntropy> {
        getrandom::fill(out).map_err(|_| NoEntropy)
    }
}
