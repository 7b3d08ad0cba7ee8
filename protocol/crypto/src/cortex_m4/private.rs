//! Private keys on P-256 by the assembly of P256-Cortex-M4.

use p256_cortex_m4_sys::{P256_check_range_n, p256_ecdh_calc_shared_secret, p256_keygen, p256_octet_string_to_point};
use zeroize::Zeroizing;

use super::{CortexM4, bytes, words};
use crate::{Agree, CryptoError, Ephemeral, P256Peer, P256Public, Random, Secret};

/// A P-256 private key in memory, which agrees by assembly: wiped when dropped, never printed.
#[derive(Clone, Debug)]
pub struct CortexM4Private(Secret<32>);

impl CortexM4Private {
    /// Takes a scalar, big-endian; 0, and n and above, are [`CryptoError::BadKey`].
    pub fn new(scalar: Secret<32>) -> Result<Self, CryptoError> {
        let words = Zeroizing::new(words(scalar.expose()));
        // SAFETY: points to eight aligned words, which are read.
        if unsafe { P256_check_range_n(words.as_ptr()) } { Ok(Self(scalar)) } else { Err(CryptoError::BadKey) }
    }

    /// The scalar, to be stored where nobody else reads it.
    pub const fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }
}

impl Agree for CortexM4Private {
    fn agree(&self, peer: &P256Peer) -> Result<Secret<32>, CryptoError> {
        let (x, y) = point(peer)?;
        let scalar = Zeroizing::new(words(self.0.expose()));
        let mut secret = Secret::new([0; 32]);
        // Refuses a point that is not on the curve.
        // SAFETY: writes 32 bytes to the first; the others point to eight aligned words each, which are read.
        let agreed = unsafe {
            p256_ecdh_calc_shared_secret(secret.expose_mut().as_mut_ptr(), scalar.as_ptr(), x.as_ptr(), y.as_ptr())
        };
        if agreed { Ok(secret) } else { Err(CryptoError::BadKey) }
    }
}

impl Ephemeral for CortexM4 {
    type Key = CortexM4Private;

    fn ephemeral(&self, random: &mut (impl Random + ?Sized)) -> Result<(CortexM4Private, [u8; 32]), CryptoError> {
        // One draw in 2^32 is not below n. A source that fails more often than that is broken.
        for _ in 0..ATTEMPTS {
            let mut scalar = Secret::new([0; 32]);
            random.fill(scalar.expose_mut())?;
            let private = Zeroizing::new(words(scalar.expose()));
            let (mut x, mut y) = ([0; 8], [0; 8]);
            // Refuses a scalar out of range.
            // SAFETY: writes eight aligned words to each of the first two and reads as many from the last.
            if unsafe { p256_keygen(x.as_mut_ptr(), y.as_mut_ptr(), private.as_ptr()) } {
                return Ok((CortexM4Private(scalar), bytes(&x)));
            }
        }
        Err(CryptoError::Backend)
    }
}

/// The coordinates, in words. Of an x that is on the curve, one of both points.
fn point(peer: &P256Peer) -> Result<([u32; 8], [u32; 8]), CryptoError> {
    match peer {
        P256Peer::X(x) => {
            let mut compressed = [2; 33];
            compressed.iter_mut().skip(1).zip(x).for_each(|(to, from)| *to = *from);
            let (mut x, mut y) = ([0; 8], [0; 8]);
            // SAFETY: writes eight aligned words to each of the first two and reads 33 bytes.
            let found = unsafe { p256_octet_string_to_point(x.as_mut_ptr(), y.as_mut_ptr(), compressed.as_ptr(), 33) };
            if found { Ok((x, y)) } else { Err(CryptoError::BadKey) }
        }
        P256Peer::Point(P256Public { x, y }) => Ok((words(x), words(y))),
    }
}

const ATTEMPTS: usize = 4;
