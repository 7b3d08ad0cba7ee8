//! EDHOC (RFC 9528): authenticated key exchange in three small messages. No IO, no clock, no randomness of its own, no heap.
//!
//! Methods 1 (the initiator signs, the responder has a static Diffie-Hellman key) and 3 (both have one), cipher suite 2, both roles. A
//! state is a type, and a step eats the one before; a step that fails ends the session, and [`Error::answer`] is what to send.
//!
//! | | [`initiator`] | [`responder`] |
//! |---|---|---|
//! | message_1 | [`start`](initiator::start) → [`SentMessage1`](initiator::SentMessage1) | [`ReceivedMessage1`](responder::ReceivedMessage1) |
//! | message_2 | [`ReceivedMessage2`](initiator::ReceivedMessage2) → [`VerifiedMessage2`](initiator::VerifiedMessage2) | [`SentMessage2`](responder::SentMessage2) |
//! | message_3 | [`SentMessage3`](initiator::SentMessage3) | [`ReceivedMessage3`](responder::ReceivedMessage3) → [`VerifiedMessage3`](responder::VerifiedMessage3) |
//! | then | [`Session`], maybe message_4 | [`Session`], maybe message_4 |
//!
//! Between `Received` and `Verified` stands the application: it reads ID_CRED and the external authorization data, finds the
//! credential, and decides whether to trust it. Messages are decrypted where they lie and made where they are to lie, of any length
//! that fits; credentials are hashed where the application keeps them. Private keys are behind traits of `latchwork-crypto`, and may be
//! in hardware. Every point of a peer is checked.
//!
//! Not here: methods 0 and 2, other suites, credentials other than P-256 keys, deduplication, which is CoAP's.
#![no_std]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod correlation;
pub mod initiator;
pub mod responder;

mod cose;
mod credential;
mod ead;
mod error;
mod id_cred;
mod identifier;
mod item;
mod kdf;
mod method;
mod session;
mod suites;
mod transcript;
mod wire;

pub use cose::SIGNATURE_LEN;
pub use credential::{Credential, Identity, NotACcs};
pub use ead::{Ead, Eads};
pub use error::{Error, ErrorMessage};
pub use id_cred::IdCred;
pub use identifier::ConnectionId;
pub use method::Method;
pub use session::{OscoreKeys, Session};
pub use suites::{SUITE_2, Suites};

#[cfg(test)]
extern crate std;

#[cfg(test)]
fn hex(text: &str) -> std::vec::Vec<u8> {
    assert_eq!(text.len() % 2, 0, "{text}");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
