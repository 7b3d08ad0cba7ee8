//! Why something did not work, and what the person holding the phone can do about it.

use latchwork_transport::client::Response;

use crate::key::KeyUnavailable;

/// What happened to us. [`Error::advice`] is for the person.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The app was set up wrongly; the person can do nothing.
    #[error("configuration: {0}")]
    Configuration(&'static str),
    /// Nobody signed in on this phone.
    #[error("nobody is signed in")]
    SignedOut,
    /// The person, the company or the door's owner said no (RFC 6749 §4.1.2.1).
    #[error("the sign-in was refused: {0}")]
    SignInRefused(String),
    /// An answer came to our redirect that is not the answer to our question: wrong `state` or `iss` (RFC 9207).
    #[error("the answer to the sign-in is not for us")]
    ForeignAnswer,
    /// The server refused the request with this OAuth error (RFC 6749 §5.2, RFC 9200 §5.8.3), or with this HTTP status.
    /// `invalid_grant` means that the sign-in has ended.
    #[error("the server refused: {0}")]
    Refused(String),
    /// The server cannot be reached, or TLS failed.
    #[error("the server cannot be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server or the lock sent something that makes no sense.
    #[error("an answer makes no sense: {0}")]
    Nonsense(&'static str),
    /// This person has no such door.
    #[error("no such door")]
    UnknownDoor,
    /// The lock did not answer.
    #[error("the lock does not answer")]
    LockSilent,
    /// The lock answered, and did not open.
    #[error("the lock refused: {0}.{1:02}", code >> 5, code & 0x1f)]
    LockRefused {
        /// The CoAP code (RFC 7252 §5.9).
        code: u8,
    },
    /// Whoever answered is not the server of our configuration: it does not have that server's key.
    #[error("this is not the server of our configuration")]
    OtherServer,
    /// Whoever answered is not the lock of our list: it does not have that lock's key.
    #[error("this is not the lock of our list")]
    OtherLock,
    /// The lock pointed to a server or an audience that is not in this person's list: it may be a trap (RFC 9200 §6.4).
    #[error("the lock points elsewhere than our list of doors")]
    ForeignHints,
    /// The installation key could not be used.
    #[error(transparent)]
    Key(#[from] KeyUnavailable),
    /// The system gave no randomness.
    #[error("no randomness")]
    NoRandomness,
    /// What must be kept could not be written or read.
    #[error("the app's own storage failed")]
    Storage(#[from] std::io::Error),
}

impl Error {
    /// Whether it was the request that the server refused, and not us. A first request for a lock without a clock lacks a `cnonce`; an
    /// update names a series that has ended (draft-ietf-ace-edhoc-oscore-profile §3.1), and one that begins does as well.
    pub(crate) fn is_of_request(&self) -> bool {
        matches!(self, Self::Refused(error) if error == "invalid_request")
    }

    /// What the person can do.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::SignedOut | Self::ForeignAnswer => "Sign in again.",
            Self::SignInRefused(error) | Self::Refused(error) => match error.as_str() {
                "invalid_grant" => "Sign in again.",
                "access_denied" | "invalid_scope" | "invalid_target" => "Ask the owner of the door.",
                "invalid_client" | "unauthorized_client" | "unsupported_grant_type" | "invalid_request" => OURS,
                _ => "Wait a moment and try again.",
            },
            Self::Unreachable(_) => "Check the network and try again.",
            Self::UnknownDoor => "Look for the door in your list.",
            Self::LockSilent => "Go nearer to the lock and try again.",
            Self::LockRefused { .. } => {
                "Your permission does not open this door, or has ended. Go online, so that the app can fetch a new one."
            }
            Self::ForeignHints | Self::OtherLock => "Do not use this lock; tell the facility manager.",
            Self::OtherServer => "Tell whoever runs the server.",
            Self::Key(_) => "Unlock the phone and try again.",
            Self::Configuration(_) => OURS,
            Self::Nonsense(_) | Self::NoRandomness | Self::Storage(_) => "Try again; if it stays, reinstall the app.",
        }
    }
}

impl Error {
    /// What a CoAP answer without protection says. It may come from anybody, and there is nothing in it that we could use.
    pub(crate) fn unprotected(response: &Response) -> Self {
        Self::Refused(format!("{}.{:02}", response.code.class(), response.code.detail()))
    }
}

const OURS: &str = "Update the app; if it stays, tell whoever runs it.";

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        // The URL of a request may carry a code or a state.
        Self::Unreachable(Box::new(error.without_url()))
    }
}
