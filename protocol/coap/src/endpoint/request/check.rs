//! Critical options: what we do not know is refused before anything is decided (RFC 7252 §5.4.1).

use super::Block;
use crate::message::{Code, Message, OptionNumber};

/// Why a request goes no further. It is answered with [`code`](Self::code), except where the message layer has another word
/// for it: see [`Refusal::BadOption`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A critical option that is unknown, malformed, or repeated where it must not be (RFC 7252 §5.4.1, §5.4.3,
    /// §5.4.5). In a confirmable request: 4.02. A non-confirmable one is rejected without a response.
    BadOption(OptionNumber),
    /// Proxy-Uri or Proxy-Scheme (RFC 7252 §5.7.2).
    NoProxy,
    /// A block that contradicts its own option.
    BadBlock,
    /// Blocks before this one are missing (RFC 7959 §2.9.2).
    Incomplete,
    /// The body is larger than the bytes given (RFC 7959 §2.9.3).
    TooLarge(u32),
    /// Every place for blocks is taken by somebody who comes first.
    NoPlace,
}

impl Refusal {
    /// The response code.
    pub fn code(self) -> Code {
        match self {
            Self::BadOption(_) => Code::BAD_OPTION,
            Self::NoProxy => Code::PROXYING_NOT_SUPPORTED,
            Self::BadBlock => Code::BAD_REQUEST,
            Self::Incomplete => Code::REQUEST_ENTITY_INCOMPLETE,
            Self::TooLarge(_) => Code::REQUEST_ENTITY_TOO_LARGE,
            Self::NoPlace => Code::SERVICE_UNAVAILABLE,
        }
    }
}

/// The critical options that the application understands besides those that every resource here does.
pub type Known<'k> = &'k [OptionNumber];

/// Checks the options of a request, before any decision is based on them.
///
/// If-Match and If-None-Match are unknown unless `known` has them: ignoring a condition would be worse than refusing it.
pub fn check(request: &Message<'_>, known: Known<'_>) -> Result<(), Refusal> {
    let options = &request.options;
    if options.get(OptionNumber::PROXY_URI).is_some() || options.get(OptionNumber::PROXY_SCHEME).is_some() {
        return Err(Refusal::NoProxy);
    }
    critical(request, |number, value| match Form::of(number) {
        Some(form) if form.in_request => form.allows(number, value),
        _ => known.contains(&number),
    })
    .map_err(Refusal::BadOption)
}

/// Checks the options of a response. One with an unknown critical option is to be rejected (RFC 7252 §5.4.1).
pub fn check_response(response: &Message<'_>) -> Result<(), OptionNumber> {
    critical(response, |number, value| {
        Form::of(number).is_some_and(|form| form.in_response && form.allows(number, value))
    })
}

fn critical(message: &Message<'_>, known: impl Fn(OptionNumber, &[u8]) -> bool) -> Result<(), OptionNumber> {
    let mut previous = None;
    for (number, value) in message.options {
        let repeated = previous == Some(number) && Form::of(number).is_some_and(|form| !form.repeatable);
        previous = Some(number);
        if number.is_critical() && (repeated || !known(number, value)) {
            return Err(number);
        }
    }
    Ok(())
}

/// What the registry says about a critical option (RFC 7252 §5.10, RFC 7959 §2.1).
struct Form {
    min: usize,
    max: usize,
    repeatable: bool,
    in_request: bool,
    in_response: bool,
}

impl Form {
    fn of(number: OptionNumber) -> Option<Self> {
        let request = Self { min: 0, max: 255, repeatable: false, in_request: true, in_response: false };
        Some(match number {
            OptionNumber::URI_HOST => Self { min: 1, ..request },
            OptionNumber::URI_PORT | OptionNumber::ACCEPT => Self { max: 2, ..request },
            OptionNumber::URI_PATH | OptionNumber::URI_QUERY => Self { repeatable: true, ..request },
            OptionNumber::BLOCK1 | OptionNumber::BLOCK2 => Self { max: 3, in_response: true, ..request },
            _ => return None,
        })
    }

    fn allows(&self, number: OptionNumber, value: &[u8]) -> bool {
        let block = matches!(number, OptionNumber::BLOCK1 | OptionNumber::BLOCK2);
        (self.min..=self.max).contains(&value.len()) && (!block || Block::parse(value).is_some())
    }
}
