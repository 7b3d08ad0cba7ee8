//! What the store knows about a request: plain data, read at once before deciding.

use super::change::Rev;
use super::names::{Audience, GrantId, PersonId};
use super::records::{AdvanceConsent, Client, Code, Device, Door, ExiCounter, Grant, LiveContext, Lock};
use super::request::{Presented, ReqCnf, TokenRequest};
use super::series::Series;

/// Everything `issue` may look at. Expired records may be among it; the core compares times itself.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The record of [`Presented::claimed_client`].
    pub client: Option<(Client, Rev)>,
    /// The record of [`TokenRequest::code_hash`].
    pub code: Option<(Code, Rev)>,
    /// The record of [`TokenRequest::device`].
    pub device: Option<Device>,
    /// The grant of [`TokenRequest::refresh_grant`], or the one the code became ([`Code::redeemed`]).
    pub grant: Option<(Grant, Rev)>,
    /// The lock of [`audience`], or every lock of its group; empty if there is none.
    pub targets: Vec<Target>,
    /// The sequence number of a lock in mode `exi`.
    pub exi: Option<(ExiCounter, Rev)>,
    /// The context that `req_cnf` = kid names at the lock.
    pub context: Option<LiveContext>,
    /// The series that the request names, of this client and audience.
    pub series: Option<Series>,
}

/// A lock, its door, and what its owners said about the person.
#[derive(Clone, Debug)]
pub struct Target {
    /// The lock.
    pub lock: Lock,
    /// Its revision.
    pub rev: Rev,
    /// The door it is on.
    pub door: Door,
    /// The owner's consent for the grant's person, if any.
    pub consent: Option<AdvanceConsent>,
}

/// The one audience a request is about: the one it names, or the only lock of its grant. For reading facts and deciding alike.
#[must_use]
pub fn audience(request: &TokenRequest, code: Option<&Code>, grant: Option<&Grant>) -> Option<Audience> {
    match request.audience.as_slice() {
        [one] => one.parse().ok(),
        [] => {
            let consented = code.map(|code| &code.consented).or(grant.map(|grant| &grant.consented))?;
            let mut locks = consented.iter().map(|member| &member.audience).filter(|a| !matches!(a, Audience::Api(_)));
            match (locks.next(), locks.next()) {
                (Some(lock), None) => Some(lock.clone()),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The person whose consents count for this request.
#[must_use]
pub fn person<'f>(code: Option<&'f Code>, grant: Option<&'f Grant>) -> Option<&'f PersonId> {
    code.map(|code| &code.person.id).or(grant.map(|grant| &grant.person.id))
}

/// The grant to read: named by the refresh token, or the one the code became.
#[must_use]
pub fn grant_id(request: &TokenRequest, code: Option<&Code>) -> Option<GrantId> {
    request.refresh_grant().or(code.and_then(|code| code.redeemed))
}

/// The context id to read, if the request names one.
#[must_use]
pub fn context_id(request: &TokenRequest) -> Option<&super::bytes::Blob> {
    match &request.req_cnf {
        Some(ReqCnf::Kid(kid)) => Some(kid),
        _ => None,
    }
}

/// What a request presents and asks, in one place for the store's reader.
#[derive(Clone, Copy, Debug)]
pub struct Question<'q> {
    /// Who asks.
    pub presented: &'q Presented,
    /// What for.
    pub request: &'q TokenRequest,
}
