//! Which resource a request is for: paths spelled out, or abbreviated (draft-ietf-core-uri-path-abbrev).

use latchwork_ace::registry::unassigned::{ABBREV_EDHOC, OPTION_URI_PATH_ABBREV};
use latchwork_coap::endpoint::request::{Refusal, check};
use latchwork_coap::{Message, OptionNumber};

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `/authz-info`
    AuthzInfo,
    /// `/.well-known/edhoc`
    Edhoc,
    /// What the application serves, or nobody.
    Resource,
}

/// Refuses a critical option that we do not act on, before anything else is decided (RFC 7252 §5.4.1).
///
/// An abbreviation is known where it has to be, in a lock that speaks EDHOC (draft-ietf-ace-edhoc-oscore-profile §4.2). One of
/// something else, or beside a path, is an option that cannot be processed: 4.02, never 4.04.
pub(crate) fn of(message: &Message<'_>, speaks_edhoc: bool) -> Result<Target, Refusal> {
    let known: &[OptionNumber] = if speaks_edhoc { &[ABBREV] } else { &[] };
    match check(message, known) {
        Err(_) if cfg!(latchwork_disable = "critical-options") => {}
        checked => checked?,
    }
    let abbreviated = message.options.get(ABBREV).filter(|_| speaks_edhoc);
    if abbreviated.is_some() {
        let alone = message.options.all(ABBREV).count() == 1 && message.options.uri_path().next().is_none();
        return match message.options.uint(ABBREV) {
            Some(ABBREV_EDHOC) if alone => Ok(Target::Edhoc),
            _ => Err(Refusal::BadOption(ABBREV)),
        };
    }
    Ok(if message.options.path_eq(AUTHZ_INFO) {
        Target::AuthzInfo
    } else if speaks_edhoc && message.options.path_eq(EDHOC) {
        Target::Edhoc
    } else {
        Target::Resource
    })
}

/// Where tokens are uploaded (RFC 9200 §5.10.1).
pub const AUTHZ_INFO: &str = "/authz-info";

/// Where EDHOC messages go (RFC 9528 Appendix A.2).
pub const EDHOC: &str = "/.well-known/edhoc";

const ABBREV: OptionNumber = OptionNumber(OPTION_URI_PATH_ABBREV);
