//! The rim: bytes in, [`crate::core`] decides, bytes out. Errors become status codes here, once.

pub mod oidc;
pub mod tls;
