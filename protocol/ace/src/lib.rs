//! What ACE-OAuth says on the wire: messages, tokens and registered numbers.
//!
//! RFC 9200 (framework), 9201 (key parameters), 9203 (OSCORE profile), 8392 (CWT), 8747 (confirmation), 9237 (AIF), 9770 (token
//! hashes). Every decoder borrows from its input, checks all of it once, and allocates nothing; whatever it returns has nothing
//! left to refuse. Unknown members are ignored where the RFCs say so; a member that appears twice never is.
//!
//! Nothing here decides, encrypts or does IO. `Debug` prints no key, secret or token.
#![no_std]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod aif;
pub mod authz_info;
pub mod claims;
pub mod cnf;
mod codec;
pub mod cose;
pub mod cose_key;
pub mod error;
pub mod hints;
pub mod osc;
mod refusal;
pub mod registry;
mod scope;
pub mod token_hash;
pub mod token_request;
pub mod token_response;

pub use latchwork_cbor::Full;

pub use aif::Aif;
pub use claims::{Audience, Claims};
pub use cnf::Cnf;
pub use cose_key::CoseKey;
pub use error::ErrorResponse;
pub use hints::Hints;
pub use osc::OscMaterial;
pub use refusal::Error;
pub use scope::Scope;
pub use token_request::TokenRequest;
pub use token_response::TokenResponse;
