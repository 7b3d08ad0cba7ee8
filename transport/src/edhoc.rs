//! What either end of EDHOC needs beside the messages: random numbers, and the context that follows.

use latchwork_crypto::{CryptoError, Random, RustCrypto};
use latchwork_edhoc::OscoreKeys;
use latchwork_oscore::{BadMaterial, Context, Material};

/// The randomness of the operating system.
pub struct System;

impl Random for System {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        getrandom::fill(out).map_err(|_| CryptoError::Backend)
    }
}

/// The OSCORE context of a handshake that is complete (RFC 9528 Appendix A.1).
///
/// # Errors
/// See [`BadMaterial`].
pub fn context(keys: &OscoreKeys) -> Result<Context, BadMaterial> {
    let material = Material {
        master_secret: keys.master_secret.expose(),
        master_salt: keys.master_salt.expose(),
        sender_id: keys.sender_id.as_bytes(),
        recipient_id: keys.recipient_id.as_bytes(),
        id_context: None,
    };
    Context::derive(&RustCrypto, &material)
}
