//! The few cryptographic operations that Latchwork needs on a device, as small fallible traits.
//!
//! A hardware peripheral can stand behind each of them: every call may fail, takes `&self`, and allocates nothing. [`Backend`] is the
//! slot for it. Keys and nonces come from the caller; nothing here remembers any.
//!
//! | feature | what | by |
//! |---|---|---|
//! | `rustcrypto` | AES-CCM, SHA-256, HMAC | [`RustCrypto`], portable |
//! | `sha256` alone | AES-CCM, SHA-256, HMAC | [`OverBlocks`] of an AES peripheral |
//! | `es256-p256` | ES256 verified; with `ecdh-p256` also signed | [`RustCrypto`], portable |
//! | `es256-cortex-m4` | ES256 verified, key agreement | `CortexM4`: assembly, on cores with DSP (M4, M7, M33) |
//! | `ecdh-p256` | key agreement | [`RustCrypto`], portable |
//! | `eddsa-small` | EdDSA verified | [`RustCrypto`], portable |
//! | `eddsa` | EdDSA verified | `Dalek`, portable, larger |
//!
//! On small processors build with `RUSTFLAGS='--cfg aes_backend_soft="compact" --cfg sha2_backend_soft="compact" --cfg cpubits="32"'`: `aes`
//! and `sha2` then keep their tables and loops small (SHA-256 takes 1.7 KB instead of 8.4, and half as long again), and AES takes two
//! blocks at a time, which fit the registers, instead of four. A library cannot ask for that, the firmware has to.
#![no_std]

mod backend;
mod blocks;
mod ccm;
#[cfg(all(feature = "es256-cortex-m4", target_arch = "arm"))]
mod cortex_m4;
#[cfg(feature = "eddsa")]
mod dalek;
mod error;
mod hkdf;
mod private;
#[cfg(any(feature = "sha256", feature = "es256-p256", feature = "ecdh-p256", feature = "eddsa-small"))]
mod rustcrypto;
mod secret;
mod symmetric;
mod verify;

pub use backend::{Backend, Nothing};
pub use blocks::Blocks;
#[cfg(feature = "sha256")]
pub use blocks::OverBlocks;
#[cfg(all(feature = "es256-cortex-m4", target_arch = "arm"))]
pub use cortex_m4::{CortexM4, CortexM4Private};
#[cfg(feature = "eddsa")]
pub use dalek::Dalek;
pub use error::CryptoError;
pub use hkdf::{hkdf_sha256_expand, hkdf_sha256_extract};
pub use private::{Agree, Ephemeral, P256Peer, Sign};
#[cfg(feature = "ecdh-p256")]
pub use rustcrypto::P256Private;
#[cfg(any(feature = "sha256", feature = "es256-p256", feature = "ecdh-p256", feature = "eddsa-small"))]
pub use rustcrypto::RustCrypto;
pub use secret::{Secret, ct_eq};
pub use subtle::ConstantTimeEq;
pub use symmetric::Symmetric;
pub use verify::{P256Public, Verify};

/// A source of randomness that an adversary cannot predict.
pub trait Random {
    /// Fills all of `out`, or fails and leaves it unfit for use.
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError>;
}
