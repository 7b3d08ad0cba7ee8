//! What either end keeps of a request until it is answered (RFC 8613 §7.1).

use latchwork_coap::{Message, OptionNumber};

use crate::{error::Error, id::Id, piv::PartialIv};

/// A request we sent: what verifies its responses. Keep it as long as the token is waited for.
#[derive(Debug)]
pub struct SentRequest {
    pub(crate) kid: Id,
    pub(crate) piv: PartialIv,
    pub(crate) observe: Observe,
    newest: Newest,
}

/// A request we accepted: what its responses are bound to. Keep it until the last one is sent.
///
/// There is no `Clone`: the first response may use the request's own nonce, and only one may.
#[derive(Debug)]
pub struct ReceivedRequest {
    pub(crate) kid: Id,
    pub(crate) piv: PartialIv,
    /// Whether the request's nonce can no longer be used, so that a response needs a number of its own.
    pub(crate) nonce_spent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Observe {
    None,
    Register,
    /// Cancellation, or a value that means nothing.
    Other,
}

/// The newest response that verified; for an observation, the Notification Number (RFC 8613 §7.4.1).
#[derive(Clone, Copy, Debug)]
enum Newest {
    None,
    /// Came without Partial IV: older than any that has one.
    Unnumbered,
    Numbered(PartialIv),
}

impl SentRequest {
    pub(crate) fn new(kid: Id, piv: PartialIv, request: &Message<'_>) -> Self {
        let observe = match request.options.get(OptionNumber::OBSERVE) {
            None => Observe::None,
            Some([] | [0]) => Observe::Register,
            Some(_) => Observe::Other,
        };
        Self { kid, piv, observe, newest: Newest::None }
    }

    /// The number that the request went out under.
    pub fn piv(&self) -> PartialIv {
        self.piv
    }

    /// Refuses what came already: a second response, or a notification not newer than the newest. This keeps them
    /// in order, too, so the layer above has no use for the sequence numbers of RFC 7641 §3.4.
    pub(crate) fn expects(&self, piv: Option<PartialIv>) -> Result<(), Error> {
        match (self.newest, piv) {
            (Newest::None, _) => Ok(()),
            (Newest::Unnumbered, Some(_)) if self.observe == Observe::Register => Ok(()),
            (Newest::Numbered(newest), Some(piv)) if self.observe == Observe::Register && piv > newest => Ok(()),
            _ => Err(Error::Replayed),
        }
    }

    pub(crate) fn verified(&mut self, piv: Option<PartialIv>) {
        self.newest = piv.map_or(Newest::Unnumbered, Newest::Numbered);
    }
}

impl ReceivedRequest {
    /// The client's identifier.
    pub fn kid(&self) -> &Id {
        &self.kid
    }

    /// The number that the request came under.
    pub fn piv(&self) -> PartialIv {
        self.piv
    }
}
