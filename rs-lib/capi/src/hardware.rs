//! Peripherals for cryptography, as the firmware offers them.

use core::ffi::c_void;
use latchwork_crypto::{Blocks, CryptoError, P256Peer, P256Public, Secret};

/// What a crypto accelerator does. Each function gets the context of the board as its first argument, may fail, and may not call
/// back into the lock. One that is null is done by the library, if it was built with the software for it: so a firmware whose
/// accelerator does all of these links neither AES nor P-256.
///
/// All numbers are 32 bytes, big-endian. What is secret is for the function alone: nothing of it may stay anywhere.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Hardware {
    /// AES-128: encrypts the 16 bytes of `block` in place under the 16 bytes of `key`. False if it failed. AES-CCM, which calls it
    /// many times under one key, is made of it. Without it the library must have the feature `aes`.
    pub aes128: Option<unsafe extern "C" fn(context: *mut c_void, key: *const u8, block: *mut u8) -> bool>,
    /// ECDSA on P-256 (FIPS 186-5 §6.4.2): 1 if `signature`, r and s, is one of the SHA-256 `digest` under `public_key`, x and y; 0 if
    /// it is not, which r or s being zero or not below n makes it, and a public key that is not on the curve; any other value if it
    /// failed. Without it the library must have a feature `es256-…`, or ES256 is refused.
    pub p256_verify: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            public_key: *const u8,
            digest: *const u8,
            signature: *const u8,
        ) -> i32,
    >,
    /// A new key pair on P-256 for one handshake, which nobody can predict: 32 bytes that `p256_agree` is then given, a scalar or
    /// what stands for one, and the x coordinate of the public half. False if it failed. Null if and only if `p256_agree` is.
    pub p256_generate:
        Option<unsafe extern "C" fn(context: *mut c_void, private_key: *mut u8, public_x: *mut u8) -> bool>,
    /// ECDH on P-256 (SP 800-56A §5.7.1.2): writes the x coordinate of the shared point. 1 if it did; 0 if the peer's is not a point
    /// of the curve, *which must be checked*: whoever comes chooses it, and one that is not gives the private key away; any other
    /// value if it failed.
    ///
    /// `private_key` is what `p256_generate` made, or the one of `Config::own_key`, or null for the lock's own where that never leaves
    /// the hardware. `peer_y` may be null: only x was sent (RFC 9528 §3.7), and either of the two points gives the same secret.
    pub p256_agree: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            private_key: *const u8,
            peer_x: *const u8,
            peer_y: *const u8,
            shared_x: *mut u8,
        ) -> i32,
    >,
}

/// The same with the context that the functions want.
#[derive(Clone, Copy)]
pub(crate) struct Peripherals {
    pub(crate) context: *mut c_void,
    pub(crate) hardware: Hardware,
}

impl Peripherals {
    pub(crate) fn verify(
        &self,
        public: &P256Public,
        digest: &[u8; 32],
        signature: &[u8; 64],
    ) -> Option<Result<(), CryptoError>> {
        let verify = self.hardware.p256_verify?;
        let mut point = [0; 64];
        point.iter_mut().zip(public.x.iter().chain(&public.y)).for_each(|(to, from)| *to = *from);
        // SAFETY: a function of the firmware, called as it wants to be: with 64, 32 and 64 bytes.
        let verified = unsafe { verify(self.context, point.as_ptr(), digest.as_ptr(), signature.as_ptr()) };
        Some(match verified {
            1 => Ok(()),
            0 => Err(CryptoError::Forged),
            _ => Err(CryptoError::Backend),
        })
    }

    /// The private half, and x of the public one.
    #[cfg_attr(not(feature = "edhoc"), expect(dead_code))]
    pub(crate) fn generate(&self) -> Option<Result<(Secret<32>, [u8; 32]), CryptoError>> {
        let generate = self.hardware.p256_generate?;
        let (mut private, mut x) = (Secret::new([0; 32]), [0; 32]);
        // SAFETY: as above; both places have 32 bytes.
        let made = unsafe { generate(self.context, private.expose_mut().as_mut_ptr(), x.as_mut_ptr()) };
        Some(if made { Ok((private, x)) } else { Err(CryptoError::Backend) })
    }

    /// With the lock's own key if there is none.
    #[cfg_attr(not(feature = "edhoc"), expect(dead_code))]
    pub(crate) fn agree(
        &self,
        private: Option<&Secret<32>>,
        peer: &P256Peer,
    ) -> Option<Result<Secret<32>, CryptoError>> {
        let agree = self.hardware.p256_agree?;
        let private = private.map_or(core::ptr::null(), |private| private.expose().as_ptr());
        let y = match peer {
            P256Peer::X(_) => core::ptr::null(),
            P256Peer::Point(P256Public { y, .. }) => y.as_ptr(),
        };
        let mut shared = Secret::new([0; 32]);
        // SAFETY: as above; every pointer that is not null has 32 bytes behind it.
        let agreed = unsafe { agree(self.context, private, peer.x().as_ptr(), y, shared.expose_mut().as_mut_ptr()) };
        Some(match agreed {
            // Hardware that says so and wrote nothing: both ends of such would agree on it.
            1 if latchwork_crypto::ct_eq(shared.expose(), &[0; 32]) => Err(CryptoError::Backend),
            1 => Ok(shared),
            0 => Err(CryptoError::BadKey),
            _ => Err(CryptoError::Backend),
        })
    }
}

impl Blocks for Peripherals {
    fn encrypt(&self, key: &[u8; 16], block: &mut [u8; 16]) -> Result<(), CryptoError> {
        let aes128 = self.hardware.aes128.ok_or(CryptoError::Unsupported)?;
        // SAFETY: as above; both have 16 bytes.
        let encrypted = unsafe { aes128(self.context, key.as_ptr(), block.as_mut_ptr()) };
        if encrypted { Ok(()) } else { Err(CryptoError::Backend) }
    }
}
