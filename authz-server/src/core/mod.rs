//! What decides. Pure: no IO; the clock, entropy and keys arrive as arguments.
//!
//! `issue` answers `/token` for every face and grant, `authorize` checks `/authorize`; both take [`facts::Facts`] read by the
//! store and give back a [`change::Change`] list that must be durable before any answer leaves.

pub mod api_token;
pub mod assertion;
pub mod authenticate;
pub mod authorize;
pub mod bytes;
pub mod cases;
pub mod cedar;
pub mod change;
pub mod channel;
mod cnf;
pub mod device;
pub mod dpop;
pub mod edhoc;
pub mod entropy;
pub mod entry;
pub mod exchange;
pub mod facts;
pub mod grant;
pub mod introspect;
pub mod issue;
pub mod jwk;
mod jws;
pub mod lock;
pub mod mint;
pub mod names;
pub mod negotiate;
pub mod pkce;
pub mod policy;
pub mod pushed;
pub mod records;
pub mod redirect;
pub mod refusal;
pub mod registration;
pub mod request;
pub mod response;
pub mod revoke;
pub mod rights;
pub mod rotation;
pub mod scope;
pub mod secret;
pub mod series;
pub mod subject;
pub mod time;
pub mod trl;

#[cfg(test)]
pub(crate) mod testing;
