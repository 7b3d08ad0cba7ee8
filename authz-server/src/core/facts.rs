//! What the store knows about a request: plain data, read at once before deciding.

use super::change::Rev;
use super::names::{Audience, ClientId, GrantId, PersonId};
use super::records::{
    AdvanceConsent, Client, Code, Device, Door, Exchange, ExiCounter, Grant, LiveContext, Lock, Person, TokenRecord,
};
use super::request::{GrantAsked, Presented, ReqCnf, TokenRequest};
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
    /// The record of [`TokenRequest::subject_token`].
    pub subject: Option<(TokenRecord, Rev)>,
    /// The grant of [`TokenRequest::refresh_grant`], the one the code became ([`Code::redeemed`]), or that of the subject token.
    pub grant: Option<(Grant, Rev)>,
    /// The client that the subject token was issued to.
    pub app: Option<Client>,
    /// The rows of [`service`] for the person behind code or grant, those that are over among them.
    pub rows: Vec<(Exchange, Rev)>,
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
            let mut locks = consented.iter().map(|member| &member.audience).filter(|a| matches!(a, Audience::Lock(_)));
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
    whose(code, grant).map(|person| &person.id)
}

/// The same, with all that the provider said.
#[must_use]
pub fn whose<'f>(code: Option<&'f Code>, grant: Option<&'f Grant>) -> Option<&'f Person> {
    code.map(|code| &code.person).or(grant.map(|grant| &grant.person))
}

/// The service whose rows count: the one that exchanges, or the one that a token is asked for.
#[must_use]
pub fn service(request: &TokenRequest, presented: &Presented) -> Option<ClientId> {
    match (&request.grant, request.audience.as_slice()) {
        (GrantAsked::TokenExchange { .. }, _) => presented.claimed_client(),
        (_, [one]) => match one.parse() {
            Ok(Audience::Service(id)) => Some(id),
            _ => None,
        },
        _ => None,
    }
}

/// The grant to read: named by the refresh token, the one the code became, or the one that the subject token came from.
#[must_use]
pub fn grant_id(request: &TokenRequest, code: Option<&Code>, subject: Option<&TokenRecord>) -> Option<GrantId> {
    let redeemed = code.and_then(|code| code.redeemed);
    request.refresh_grant().or(redeemed).or(subject.and_then(|token| token.grant))
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
