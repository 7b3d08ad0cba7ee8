//! The rim: bytes in, [`crate::core`] decides, bytes out. Errors become status codes here, once.

pub mod cbor;
pub mod declaration;
pub mod form;
pub mod oidc;
pub mod throttle;
pub mod tls;
