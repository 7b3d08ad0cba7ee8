//! What ACE-OAuth says on the wire: messages, tokens and registered numbers.
//!
//! RFC 9200 (framework), 9201 (key parameters), 9203 (OSCORE profile), 8392 (CWT), 8747 (confirmation), 9237 (AIF), 9770 (token
//! hashes). Every decoder borrows from its input, checks all of it once, and allocates nothing; whatever it returns has nothing
//! left to refuse. Unknown members are ignored where the RFCs say so; a member that appears twice never is.
//!
//! ```
//! use latchwork_ace::{Hints, Scope, TokenRequest};
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! // A lock said 4.01; its hints become a request to the authorization server.
//! let payload = *b"\xa3\x01\x69coap://as\x05\x64lock\x09\x69door:open";
//! let hints = Hints::decode(&payload)?;
//! assert_eq!(hints.scope, Some(Scope::Text("door:open")));
//!
//! let mut buffer = [0; 64];
//! let request = TokenRequest { audience: hints.audience, scope: hints.scope, cnonce: hints.cnonce, ..Default::default() };
//! assert_eq!(request.encode(&mut buffer)?, b"\xa2\x05\x64lock\x09\x69door:open");
//! # Ok(())
//! # }
//! ```
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
pub mod edhoc_info;
pub mod error;
pub mod hints;
pub mod introspection;
pub mod osc;
mod refusal;
pub mod registry;
mod scope;
pub mod token_hash;
pub mod token_request;
pub mod token_response;
pub mod trl;

pub use latchwork_cbor::Full;

pub use aif::Aif;
pub use claims::{Audience, Claims};
pub use cnf::Cnf;
pub use cose_key::CoseKey;
pub use edhoc_info::EdhocInfo;
pub use error::ErrorResponse;
pub use hints::Hints;
pub use introspection::{IntrospectionRequest, IntrospectionResponse};
pub use osc::OscMaterial;
pub use refusal::Error;
pub use scope::Scope;
pub use token_request::TokenRequest;
pub use token_response::TokenResponse;
pub use trl::TrlResponse;
