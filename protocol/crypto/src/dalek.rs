//! EdDSA by `ed25519-dalek`.

use ed25519_dalek::{Signature, VerifyingKey};

use crate::{CryptoError, Verify};

/// EdDSA by the crate that most people use.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dalek;

impl Verify for Dalek {
    fn eddsa(&self, public: &[u8; 32], message: &[&[u8]], signature: &[u8; 64]) -> Result<(), CryptoError> {
        let key = VerifyingKey::from_bytes(public).map_err(|_| CryptoError::BadKey)?;
        if key.is_weak() || !is_reduced(public) {
            return Err(CryptoError::BadKey);
        }
        let signature = Signature::from_bytes(signature);
        // `verify_strict` takes one buffer only; its check of R is this one. S >= L is refused below.
        let r = VerifyingKey::from_bytes(signature.r_bytes()).map_err(|_| CryptoError::Forged)?;
        if r.is_weak() {
            return Err(CryptoError::Forged);
        }
        let mut state = key.verify_stream(&signature).map_err(|_| CryptoError::Forged)?;
        for part in message {
            state.update(part);
        }
        state.finalize_and_verify().map_err(|_| CryptoError::Forged)
    }
}

/// Whether y is below the prime 2^255 - 19 (RFC 8032 §5.1.3), which `from_bytes` does not ask.
fn is_reduced(&[lowest, ref middle @ .., highest]: &[u8; 32]) -> bool {
    lowest < 0xed || highest & 0x7f != 0x7f || middle.iter().any(|byte| *byte != 0xff)
}
