//! EdDSA by `ed25519-compact`.

use ed25519_compact::{PublicKey, Signature};

use crate::CryptoError;

pub(super) fn verify(public: &[u8; 32], message: &[&[u8]], signature: &[u8; 64]) -> Result<(), CryptoError> {
    let key = PublicKey::new(*public);
    key.validate().map_err(|_| CryptoError::BadKey)?;
    // Refuses S >= L, and an R that is no point or of small order.
    let mut state = key.verify_incremental(&Signature::new(*signature)).map_err(|_| CryptoError::Forged)?;
    for part in message {
        state.absorb(part);
    }
    state.verify().map_err(|_| CryptoError::Forged)
}
