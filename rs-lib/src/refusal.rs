//! Why a token was refused, and what the sender learns of it.

use latchwork_coap::Code;

/// Why a token was refused. The variant is for our log; the sender learns no more than `code()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The payload does not parse to a token as RFC 9770 §3 wants it.
    NotAToken(latchwork_ace::Error),
    /// Longer than this lock has room for.
    TooLong,
    /// More signatures to check than there is time for.
    TooMany,
    /// No server we trust has a key of this name.
    UnknownKey,
    /// The key of this name went out of use.
    RetiredKey,
    /// The key does not fit the algorithm or the envelope.
    WrongAlgorithm,
    /// Not protected by the key that it names: forged, damaged, or for another lock.
    Forged,
    /// On the list of revoked tokens (RFC 9770 §11.1).
    Revoked,
    /// What the envelope protects is not a set of claims.
    NotClaims(latchwork_ace::Error),
    /// `iss` is not the server whose key protects the token.
    WrongIssuer,
    /// `exp` has passed, or may have; or the number of a token with `exi` is one that is over.
    Expired,
    /// `exp` or `nbf` is a date, and this lock does not know the date.
    ClockUnknown,
    /// `nbf` has not certainly passed.
    NotYetValid,
    /// `exi` counts from first receipt, and this lock keeps no record of receipts over a reboot.
    ExiUnsupported,
    /// `exi` without a `cti` of the lock's audience and a number.
    NotNumbered,
    /// `cnonce` is missing, too old, or none that we made.
    StaleNonce,
    /// Nothing says when the rights end.
    Endless,
    /// `aud` does not name this lock, or names a group in a token that is not signed.
    WrongAudience,
    /// `scope` is missing, no AIF, or nothing in it exists here.
    UnknownScope,
    /// `ace_profile` is one that this lock does not speak.
    WrongProfile,
    /// `cnf` is missing, or holds a kind of key that may not stand in such an envelope.
    WrongConfirmation,
    /// The client left out `nonce1` or its Recipient ID, or sent one too long (RFC 9203 §4.1).
    NoNonce,
    /// `osc` has a member that we do not know (RFC 9203 §4.2).
    UnknownMember,
    /// `osc` asks for an algorithm, version or length that we do not have.
    UnsupportedMaterial,
    /// A token bound to a bare public key opens no OSCORE session.
    NotForOscore,
    /// A token bound to a credential came in the open; it belongs into EDHOC
    /// (draft-ietf-ace-edhoc-oscore-profile §4.1).
    InTheOpen,
    /// A token bound to a credential does not say which series it belongs to (§3.3.1 there).
    NoSeries,
    /// EAD_3 holds no token, several, or one that is not critical (§4.3.3 there).
    NotOneToken,
    /// Who runs EDHOC is not whom the token is for (§4.2 there).
    OtherCredential,
    /// An update of rights for another context than the one it came in (RFC 9203 §4.2).
    OtherContext,
    /// The server that was asked says that the token is not, or no longer, good.
    Inactive,
    /// It takes a server to understand this token, and none can be asked or its answer is none.
    Unknowable,
    /// A server is being asked.
    Later,
    /// The cryptography or the random numbers failed.
    Broken,
}

impl Refusal {
    /// The answer at an unprotected `/authz-info` (RFC 9200 §5.10.1.1, RFC 9203 §4.2).
    pub fn code(self) -> Code {
        match self {
            Self::UnknownKey
            | Self::RetiredKey
            | Self::WrongAlgorithm
            | Self::Forged
            | Self::Revoked
            | Self::WrongIssuer
            | Self::Expired
            | Self::ClockUnknown
            | Self::NotYetValid
            | Self::ExiUnsupported
            | Self::NotNumbered
            | Self::StaleNonce
            | Self::Endless
            | Self::InTheOpen
            | Self::OtherCredential
            | Self::Inactive
            | Self::OtherContext => Code::UNAUTHORIZED,
            Self::WrongAudience => Code::FORBIDDEN,
            Self::NotAToken(_)
            | Self::NotClaims(_)
            | Self::UnknownScope
            | Self::WrongProfile
            | Self::WrongConfirmation
            | Self::NoNonce
            | Self::UnknownMember
            | Self::UnsupportedMaterial
            | Self::NoSeries
            | Self::NotOneToken
            | Self::Unknowable
            | Self::NotForOscore => Code::BAD_REQUEST,
            Self::TooLong => Code::REQUEST_ENTITY_TOO_LARGE,
            Self::TooMany => Code::TOO_MANY_REQUESTS,
            Self::Later => Code::SERVICE_UNAVAILABLE,
            Self::Broken => Code::INTERNAL_SERVER_ERROR,
        }
    }

    /// The answer to an update of rights: "if any verification fails" it is 4.01 (RFC 9203 §4.2). What does not parse,
    /// or cannot be processed, stays what it was.
    pub fn update_code(self) -> Code {
        match self.code() {
            Code::FORBIDDEN => Code::UNAUTHORIZED,
            other => other,
        }
    }

    /// The answer to an update in a series: "if any validation fails" it is 4.01
    /// (draft-ietf-ace-edhoc-oscore-profile §4.6.2).
    pub fn series_code(self) -> Code {
        match self.code() {
            Code::FORBIDDEN | Code::BAD_REQUEST => Code::UNAUTHORIZED,
            other => other,
        }
    }
}
