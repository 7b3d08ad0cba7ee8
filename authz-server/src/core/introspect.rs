//! `/introspect`: one pure function for every face (RFC 7662, RFC 9200 §5.9). Only a resource server hears anything, and only of
//! tokens for its own locks; of every other token it hears that it is not good, and no more.
//!
//! Every token has a record under the hash of its bytes, so who finds the record holds what we issued, bit for bit.

use super::authenticate;
use super::bytes::{Hash32, Hidden, base64url, from_base64url};
use super::change::Change;
use super::cnf;
use super::entry::Outcome;
use super::names::{Audience, ClientId};
use super::records::{Client, Grant, Lock, TokenRecord};
use super::refusal::{ProofFault, Refusal, ServerFault};
use super::request::{Face, Presented};
use super::subject;
use super::time::Timestamp;
use crate::keys::Keys;
use crate::keys::seal::StorageKey;
use latchwork_ace::cose::{Token, join};
use latchwork_ace::introspection::IntrospectionResponse;
use latchwork_ace::registry::{Profile, TokenType};
use latchwork_ace::{Claims, Scope};
use latchwork_crypto::{RustCrypto, Symmetric};
use serde::Serialize;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

/// Which token is asked about.
#[derive(Clone, Debug)]
pub struct Question {
    /// How the question came.
    pub face: Face,
    token: Hidden,
}

impl Question {
    /// About the text of a token, as JSON and forms have it.
    #[must_use]
    pub fn of_text(face: Face, token: &str) -> Self {
        Self { face, token: Hidden::new(token.as_bytes().to_vec()) }
    }

    /// About the bytes of a token, as CBOR has them.
    #[must_use]
    pub fn of_bytes(face: Face, token: &[u8]) -> Self {
        Self::of_text(face, &base64url(token))
    }

    /// The name of the token's record: the RFC 9770 §4.2 hash without its first byte.
    #[must_use]
    pub fn hash(&self) -> Hash32 {
        Hash32::of(&[self.token.expose()])
    }
}

/// What the store knows of it. Expired records may be among it.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The record of [`Presented::claimed_client`].
    pub client: Option<Client>,
    /// The record of [`Question::hash`].
    pub token: Option<TokenRecord>,
    /// The grant it came from.
    pub grant: Option<Grant>,
    /// The locks of its audience that the client speaks for.
    pub locks: Vec<Lock>,
}

/// What came of a question, once `changes` are durable.
#[derive(Debug)]
pub struct Answered {
    /// What to send.
    pub answer: Answer,
    /// What to commit first: a spent assertion.
    pub changes: Vec<Change>,
    /// What to log.
    pub entry: Entry,
}

/// The answer.
#[derive(Debug)]
pub enum Answer {
    /// Not good, for whatever reason.
    Inactive,
    /// Good.
    Active(Box<Active>),
}

/// What is told of a good token.
pub struct Active {
    client: ClientId,
    profile: Option<Profile>,
    /// Who acts for the subject (RFC 8693 §4.1).
    actor: Option<String>,
    claims: Zeroizing<Vec<u8>>,
}

/// What the audit log says about one question.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    at: Timestamp,
    event: &'static str,
    face: Face,
    client: Option<ClientId>,
    token: Hash32,
    #[serde(skip_serializing_if = "Option::is_none")]
    audience: Option<Audience>,
    #[serde(flatten)]
    result: Found,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
enum Found {
    Told {
        active: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    Refused(Outcome),
}

impl Entry {
    /// The same question, refused after all.
    #[must_use]
    pub fn refused(&self, refusal: &Refusal) -> Self {
        Self { result: Found::Refused(Outcome::refused(refusal)), ..self.clone() }
    }
}

/// Why a token is not good; the asker learns only that it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Inactive {
    /// Not ours, or long gone.
    #[error("unknown token")]
    Unknown,
    /// Not for a lock that the asker speaks for.
    #[error("not for this resource server")]
    Foreign,
    /// Past its end.
    #[error("expired")]
    Expired,
    /// Not yet begun.
    #[error("not yet valid")]
    Early,
    /// It or its grant was revoked, or its client removed.
    #[error("revoked")]
    Revoked,
    /// Under a key that was rotated since.
    #[error("under a retired key")]
    Retired,
}

/// Decides a question.
///
/// # Errors
/// The asker is not who it says, or no resource server.
pub fn introspect(
    presented: &Presented,
    question: &Question,
    facts: &Facts,
    keys: &Keys,
    issuer: &str,
    now: Timestamp,
) -> Result<Answered, Box<(Refusal, Entry)>> {
    let entry = |result| Entry {
        at: now,
        event: "introspection",
        face: question.face,
        client: presented.claimed_client(),
        token: question.hash(),
        audience: facts.token.as_ref().map(|token| token.audience.clone()),
        result,
    };
    let refused = |refusal: Refusal| {
        let entry = entry(Found::Refused(Outcome::refused(&refusal)));
        Box::new((refusal, entry))
    };
    let who = authenticate::client(presented, facts.client.as_ref(), &keys.secrets, issuer, now)
        .map_err(|refusal| match (refusal, presented.claimed_client()) {
            // An app that keeps no secret has no way to authenticate here.
            (Refusal::Proof(ProofFault::Missing), Some(id)) => Refusal::OtherMethod(id),
            (refusal, _) => refusal,
        })
        .map_err(refused)?;
    if who.client().kind.locks().is_none() {
        return Err(refused(Refusal::NotAResourceServer(who.client().id.clone())));
    }
    let changes = who.spend();
    match told(who.client(), question, facts, keys, now) {
        Ok(active) => {
            let entry = entry(Found::Told { active: true, reason: None });
            Ok(Answered { answer: Answer::Active(Box::new(active)), changes, entry })
        }
        Err(Stop::Inactive(why)) => {
            let entry = entry(Found::Told { active: false, reason: Some(why.to_string()) });
            Ok(Answered { answer: Answer::Inactive, changes, entry })
        }
        Err(Stop::Ours(fault)) => Err(refused(fault.into())),
    }
}

enum Stop {
    Inactive(Inactive),
    Ours(ServerFault),
}

impl From<Inactive> for Stop {
    fn from(why: Inactive) -> Self {
        Self::Inactive(why)
    }
}

impl From<ServerFault> for Stop {
    fn from(fault: ServerFault) -> Self {
        Self::Ours(fault)
    }
}

fn told(client: &Client, question: &Question, facts: &Facts, keys: &Keys, now: Timestamp) -> Result<Active, Stop> {
    let token = facts.token.as_ref().filter(|token| token.hash == question.hash()).ok_or(Inactive::Unknown)?;
    let spoken_for = |lock: &&Lock| client.kind.locks().is_some_and(|locks| locks.contains(&lock.name));
    let locks: Vec<&Lock> = facts.locks.iter().filter(|lock| lock.is_in(&token.audience)).filter(spoken_for).collect();
    if locks.is_empty() {
        return Err(Inactive::Foreign.into());
    }
    if token.expires <= now {
        return Err(Inactive::Expired.into());
    }
    // A client that is removed takes its grants along.
    let grant_stands = token
        .grant
        .is_none_or(|id| facts.grant.as_ref().is_some_and(|grant| grant.id == id && grant.revoked.is_none()));
    if !grant_stands || token.revoked.is_some() {
        return Err(Inactive::Revoked.into());
    }
    let claims = match &token.claims {
        Some(sealed) => {
            let label = TokenRecord::claims_label(&token.hash);
            keys.storage.open(&label, &sealed.0.0).map_err(|_| ServerFault::Seal)?
        }
        None => content(question, &locks, &keys.storage)?,
    };
    let read = Claims::decode(&claims).map_err(|_| ServerFault::Records)?;
    if read.exp.is_some_and(|exp| exp <= now.0) {
        return Err(Inactive::Expired.into());
    }
    if read.nbf.is_some_and(|nbf| nbf > now.0) {
        return Err(Inactive::Early.into());
    }
    let actor = token.is_exchanged().then(|| subject::of_client(&keys.pairwise, &token.client, &token.audience));
    Ok(Active { client: token.client.clone(), actor, profile: token.profile.map(|profile| profile.number()), claims })
}

/// The claims in a token that we issued.
fn content(question: &Question, locks: &[&Lock], storage: &StorageKey) -> Result<Zeroizing<Vec<u8>>, Stop> {
    let text = std::str::from_utf8(question.token.expose()).map_err(|_| Inactive::Unknown)?;
    let token = from_base64url(text).ok_or(Inactive::Unknown)?;
    match Token::parse(&token).map_err(|_| Inactive::Unknown)? {
        Token::Sign1(token) => Ok(Zeroizing::new(token.payload.to_vec())),
        Token::Mac0(token) => Ok(Zeroizing::new(token.payload.to_vec())),
        Token::Encrypt0(token) => {
            let lock = locks.iter().find(|lock| lock.token_kid.0 == token.kid).ok_or(Inactive::Retired)?;
            let key = storage.open(&lock.key_label(), &lock.token_key.0.0).map_err(|_| ServerFault::Seal)?;
            let key: &[u8; 16] = key.as_slice().try_into().map_err(|_| ServerFault::Records)?;
            let mut aad = [0; 512];
            let aad = join(&token.aad_parts(), &mut aad).map_err(|_| ServerFault::Records)?;
            let (text, tag) = token.ciphertext.split_last_chunk::<16>().ok_or(Inactive::Unknown)?;
            let iv = token.iv.try_into().map_err(|_| Inactive::Unknown)?;
            let mut text = Zeroizing::new(text.to_vec());
            RustCrypto.ccm_open(key, iv, aad, &mut text, tag).map_err(|_| Inactive::Retired)?;
            match Token::parse_nested(&text).map_err(|_| ServerFault::Records)? {
                Some(Token::Sign1(inside)) => Ok(Zeroizing::new(inside.payload.to_vec())),
                Some(_) => Err(ServerFault::Records.into()),
                None => Ok(text),
            }
        }
    }
}

impl Answer {
    /// The body as JSON (RFC 7662 §2.2): binary as base64url, keys as `jwk`. It may hold a secret.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Self::Active(active) = self else { return json!({ "active": false }) };
        let Ok(claims) = Claims::decode(&active.claims) else { return json!({ "active": false }) };
        let mut body = Map::new();
        let mut add = |name: &str, value: Option<Value>| drop(value.map(|value| body.insert(name.to_owned(), value)));
        add("active", Some(json!(true)));
        add("client_id", Some(json!(active.client)));
        add("token_type", Some(json!(TokenType::POP.name())));
        add("iss", claims.iss.map(|iss| json!(iss)));
        add("sub", claims.sub.map(|sub| json!(sub)));
        // Its CBOR form has no number.
        add("act", active.actor.as_ref().map(|actor| json!({ "sub": actor })));
        add("aud", claims.aud.and_then(|aud| aud.iter().next()).map(|aud| json!(aud)));
        add("exp", claims.exp.map(|exp| json!(exp)));
        add("nbf", claims.nbf.map(|nbf| json!(nbf)));
        add("iat", claims.iat.map(|iat| json!(iat)));
        add("cti", claims.cti.map(|cti| json!(base64url(cti))));
        add("cnf", claims.cnf.as_ref().and_then(cnf::to_json));
        add(
            "scope",
            claims.scope.map(|scope| match scope {
                Scope::Text(text) => json!(text),
                Scope::Bytes(bytes) => json!(base64url(bytes)),
            }),
        );
        add("ace_profile", active.profile.and_then(Profile::name).map(|name| json!(name)));
        add("cnonce", claims.cnonce.map(|nonce| json!(base64url(nonce))));
        add("exi", claims.exi.map(|exi| json!(exi)));
        Value::Object(body)
    }

    /// The body as CBOR (`application/ace+cbor`). It may hold a secret.
    #[must_use]
    pub fn to_cbor(&self) -> Vec<u8> {
        let inactive = IntrospectionResponse::default();
        let claims = match self {
            Self::Inactive => 0,
            Self::Active(active) => active.claims.len(),
        };
        let response = match self {
            Self::Inactive => inactive,
            Self::Active(active) => Claims::decode(&active.claims).map_or(inactive, |claims| IntrospectionResponse {
                active: true,
                claims: Claims { ace_profile: active.profile, ..claims },
                client_id: Some(active.client.as_str()),
                token_type: Some(TokenType::POP),
            }),
        };
        // As large as what it repeats, and what is beside that: a client's name, and numbers.
        let mut out = vec![0; claims.saturating_add(512)];
        let len = response.encode(&mut out).map_or(0, <[u8]>::len);
        out.truncate(len);
        out
    }
}

impl std::fmt::Debug for Active {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a token of {}", self.client)
    }
}

#[cfg(test)]
mod tests;
