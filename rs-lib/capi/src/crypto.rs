//! Which cryptography is in the library: what its features ask for, and nothing else.

use latchwork_crypto::{Backend, RustCrypto};

/// Assembly before portable code.
#[cfg(all(feature = "es256-cortex-m4", target_arch = "arm"))]
type Es256 = latchwork_crypto::CortexM4;
#[cfg(all(feature = "es256-p256", not(all(feature = "es256-cortex-m4", target_arch = "arm"))))]
type Es256 = RustCrypto;
#[cfg(not(any(feature = "es256-p256", all(feature = "es256-cortex-m4", target_arch = "arm"))))]
type Es256 = latchwork_crypto::Nothing;

/// The small one before the large one.
#[cfg(feature = "eddsa-small")]
type EdDsa = RustCrypto;
#[cfg(all(feature = "eddsa", not(feature = "eddsa-small")))]
type EdDsa = latchwork_crypto::Dalek;
#[cfg(not(any(feature = "eddsa", feature = "eddsa-small")))]
type EdDsa = latchwork_crypto::Nothing;

/// Nobody has an ephemeral key here.
pub(crate) type Crypto = Backend<RustCrypto, Es256, EdDsa, ()>;

/// None of its parts has any state.
pub(crate) fn crypto() -> Crypto {
    Crypto::default()
}
