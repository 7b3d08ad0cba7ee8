//! ES256 by `p256`.

use p256::{
    Sec1Point,
    ecdsa::{Signature, VerifyingKey, signature::MultipartVerifier},
};

use crate::{CryptoError, P256Public};

pub(super) fn verify(public: &P256Public, message: &[&[u8]], signature: &[u8; 64]) -> Result<(), CryptoError> {
    let point = Sec1Point::from_affine_coordinates(&public.x.into(), &public.y.into(), false);
    // Checks that the point is on the curve.
    let key = VerifyingKey::from_sec1_point(&point).map_err(|_| CryptoError::BadKey)?;
    // Refuses r and s that are zero or not below n.
    let signature = Signature::from_slice(signature).map_err(|_| CryptoError::Forged)?;
    key.multipart_verify(message, &signature).map_err(|_| CryptoError::Forged)
}
