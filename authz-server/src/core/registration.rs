//! Clients that register themselves (RFC 7591) and look after their registration (RFC 7592): what they may say of themselves, and
//! what becomes of it.
//!
//! All of it is self-asserted, so such a client starts with no doors: an administrator admits it, and any change of its own takes
//! the admission away. No URL is kept but redirect targets, and none is ever fetched.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use zeroize::Zeroizing;

use super::bytes::{Hash32, base64url};
use super::channel::CertificateName;
use super::entropy::{Entropy, NoEntropy, fresh};
use super::jwk::PublicKey;
use super::names::ClientId;
use super::records::{Client, ClientAuth, ClientKey, ClientKind, GrantKind, InitialToken, Registered};
use super::redirect;
use super::scope::Scope;
use super::secret::{self, mac, same};
use super::time::Timestamp;
use crate::keys::Key32;

/// What a client says of itself (RFC 7591 §2, RFC 8705 §2.1.2, RFC 9126 §6). Members that are not here are ignored, as §2 asks.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Metadata {
    redirect_uris: Option<Vec<String>>,
    token_endpoint_auth_method: Option<String>,
    grant_types: Option<BTreeSet<String>>,
    response_types: Option<BTreeSet<String>>,
    client_name: Option<String>,
    scope: Option<String>,
    jwks: Option<Jwks>,
    jwks_uri: Option<IgnoredAny>,
    software_statement: Option<IgnoredAny>,
    require_pushed_authorization_requests: Option<bool>,
    tls_client_auth_subject_dn: Option<String>,
    tls_client_auth_san_dns: Option<String>,
    tls_client_auth_san_uri: Option<String>,
    tls_client_auth_san_ip: Option<std::net::IpAddr>,
    tls_client_auth_san_email: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Zeroizing<String>>,
    registration_access_token: Option<IgnoredAny>,
    registration_client_uri: Option<IgnoredAny>,
    client_id_issued_at: Option<IgnoredAny>,
    client_secret_expires_at: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Value>,
}

/// Why a registration is refused (RFC 7591 §3.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A redirect target that a declared client could not have either.
    #[error("{0}")]
    RedirectUri(&'static str),
    /// Anything else it says.
    #[error("{0}")]
    Metadata(&'static str),
    /// Nobody's statements are approved here.
    #[error("software statements are not taken")]
    Statement,
}

impl Fault {
    /// The `error` of the answer.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RedirectUri(_) => "invalid_redirect_uri",
            Self::Metadata(_) => "invalid_client_metadata",
            Self::Statement => "unapproved_software_statement",
        }
    }
}

/// A registration as it will be stored, and the secrets that are shown this once.
pub struct Made {
    /// The record.
    pub client: Client,
    /// A new secret, if the client has one.
    pub secret: Option<Zeroizing<String>>,
}

/// Reads what a client says of itself.
///
/// # Errors
/// No JSON object, a member twice or of another type.
pub fn read(body: &[u8]) -> Result<Metadata, Fault> {
    // An array would be read by position.
    let object = body.trim_ascii_start().first() == Some(&b'{');
    let read = object.then(|| serde_json::from_slice(body).ok()).flatten();
    read.ok_or(Fault::Metadata("the body is a JSON object with the metadata of RFC 7591, each member once"))
}

/// Makes a new client and its registration access token.
///
/// # Errors
/// See [`Fault`].
pub fn register(
    asked: &Metadata,
    keys: &Key32,
    now: Timestamp,
    entropy: &mut impl Entropy,
) -> Result<Result<(Made, Zeroizing<String>), Fault>, NoEntropy> {
    let Ok(id) = format!("self-{}", base64url(&fresh::<16>(entropy)?)).parse() else { return Err(NoEntropy) };
    let token = secret_text(entropy)?;
    let registered = Registered { token: token_hash(keys, &token), at: now, admitted: false, post: false };
    Ok(record(asked, id, registered, None, keys, entropy)?.map(|made| (made, token)))
}

/// Replaces what a client said of itself before (RFC 7592 §2.2). A change takes its admission away.
///
/// # Errors
/// See [`Fault`].
pub fn update(
    asked: &Metadata,
    old: &Client,
    registered: &Registered,
    keys: &Key32,
    entropy: &mut impl Entropy,
) -> Result<Result<Made, Fault>, NoEntropy> {
    if let Err(fault) = may_say(asked, old, keys) {
        return Ok(Err(fault));
    }
    Ok(record(asked, old.id.clone(), registered.clone(), Some(old), keys, entropy)?.map(|mut made| {
        let changed = made.client != *old;
        if let Some(registered) = &mut made.client.registered {
            registered.admitted &= !changed;
        }
        made
    }))
}

/// What an update has to say, and what it must not (RFC 7592 §2.2).
fn may_say(asked: &Metadata, old: &Client, keys: &Key32) -> Result<(), Fault> {
    if asked.client_id.as_deref() != Some(old.id.as_str()) {
        return Err(Fault::Metadata("client_id is needed, and must be the client's own"));
    }
    let ours = [
        &asked.registration_access_token,
        &asked.registration_client_uri,
        &asked.client_id_issued_at,
        &asked.client_secret_expires_at,
    ];
    if ours.into_iter().any(Option::is_some) {
        return Err(Fault::Metadata("what the server says of a registration is not the client's to set"));
    }
    match (&asked.client_secret, &old.auth) {
        (None, _) => Ok(()),
        (Some(said), ClientAuth::SecretHash(hash)) if secret::matches(keys, &old.id, said.as_bytes(), hash) => Ok(()),
        _ => Err(Fault::Metadata("client_secret is not the client's own; a client does not choose its secret")),
    }
}

fn record(
    asked: &Metadata,
    id: ClientId,
    registered: Registered,
    old: Option<&Client>,
    keys: &Key32,
    entropy: &mut impl Entropy,
) -> Result<Result<Made, Fault>, NoEntropy> {
    let checked = match check(asked) {
        Ok(checked) => checked,
        Err(fault) => return Ok(Err(fault)),
    };
    let mut shown = None;
    let auth = match checked.auth {
        Way::Nothing => ClientAuth::None,
        Way::Keys(keys) => ClientAuth::PrivateKeyJwt(keys),
        Way::Certificate(name) => ClientAuth::TlsClientAuth(name),
        Way::Secret => match old.map(|old| &old.auth) {
            Some(kept @ ClientAuth::SecretHash(_)) => kept.clone(),
            _ => {
                let secret = shown.insert(secret_text(entropy)?);
                ClientAuth::SecretHash(secret::keyed_hash(keys, &id, secret.as_bytes()))
            }
        },
    };
    let redirect_uris = checked.redirect_uris;
    let kind = match auth {
        ClientAuth::None => ClientKind::Native { redirect_uris },
        _ => ClientKind::Confidential { redirect_uris },
    };
    let client = Client {
        title: asked.client_name.clone().unwrap_or_else(|| id.to_string()),
        id,
        kind,
        auth,
        grants: checked.grants,
        pushed_only: asked.require_pushed_authorization_requests.unwrap_or_default(),
        ceiling: checked.ceiling,
        profiles: old.map(|old| old.profiles.clone()).unwrap_or_default(),
        // What administrators gave it stays: no client can give itself an attribute or an origin.
        attributes: old.map(|old| old.attributes.clone()).unwrap_or_default(),
        origins: old.map(|old| old.origins.clone()).unwrap_or_default(),
        registered: Some(Registered { post: checked.post, ..registered }),
    };
    Ok(Ok(Made { client, secret: shown }))
}

struct Checked {
    redirect_uris: Vec<String>,
    grants: BTreeSet<GrantKind>,
    ceiling: Scope,
    auth: Way,
    post: bool,
}

enum Way {
    Nothing,
    Secret,
    Keys(Vec<ClientKey>),
    Certificate(CertificateName),
}

fn check(asked: &Metadata) -> Result<Checked, Fault> {
    let wrong = |what| Err(Fault::Metadata(what));
    if asked.software_statement.is_some() {
        return Err(Fault::Statement);
    }
    if asked.jwks_uri.is_some() {
        return wrong("jwks_uri is never fetched; send jwks");
    }
    if !asked.client_name.as_deref().is_none_or(is_title) {
        return wrong("client_name is 1 to 64 characters that can be shown");
    }
    let auth = way(asked)?;
    if asked.jwks.is_some() && !matches!(auth, Way::Keys(_)) {
        return wrong("jwks is for private_key_jwt");
    }
    if names(asked).next().is_some() && !matches!(auth, Way::Certificate(_)) {
        return wrong("a certificate's name is for tls_client_auth");
    }
    let grants = grants(asked)?;
    let code = grants.contains(&GrantKind::AuthorizationCode);
    if grants.contains(&GrantKind::ClientCredentials) && matches!(auth, Way::Nothing) {
        return wrong("client_credentials is for clients that authenticate");
    }
    if !code && grants.contains(&GrantKind::RefreshToken) {
        return wrong("refresh_token comes with authorization_code");
    }
    let responses = asked.response_types.as_ref().map(|types| types.iter().map(String::as_str).collect::<Vec<_>>());
    match (code, responses.as_deref()) {
        (true, None | Some(["code"])) | (false, None | Some([])) => {}
        _ => return wrong("response_types is code with authorization_code, and nothing without"),
    }
    let redirect_uris = asked.redirect_uris.clone().unwrap_or_default();
    if redirect_uris.is_empty() == code || redirect_uris.len() > MAX_REDIRECTS {
        return Err(Fault::RedirectUri("authorization_code comes with 1 to 16 redirect_uris, other grants with none"));
    }
    if !redirect_uris.iter().all(|uri| redirect::kind(uri).is_some()) {
        return Err(Fault::RedirectUri(
            "a redirect URI is http://127.0.0.1/..., http://[::1]/..., https://..., or a private scheme with a dot; no fragment",
        ));
    }
    let ceiling = match asked.scope.as_deref().map(str::parse) {
        None => Scope::default(),
        Some(Ok(scope)) => scope,
        Some(Err(_)) => return wrong("scope is a list of words (RFC 6749 section 3.3)"),
    };
    let post = asked.token_endpoint_auth_method.as_deref() == Some(POST);
    Ok(Checked { redirect_uris, grants, ceiling, auth, post })
}

fn way(asked: &Metadata) -> Result<Way, Fault> {
    match asked.token_endpoint_auth_method.as_deref().unwrap_or(BASIC) {
        "none" => Ok(Way::Nothing),
        BASIC | POST => Ok(Way::Secret),
        "private_key_jwt" => {
            let keys = asked.jwks.as_ref().map(|set| set.keys.as_slice()).unwrap_or_default();
            let read = |key: &Value| {
                let public = serde_json::from_value::<PublicKey>(key.clone()).ok()?;
                let kid = key.get("kid").map(|kid| kid.as_str().map(str::to_owned));
                let kid = match kid {
                    None => None,
                    Some(Some(kid)) if kid.len() <= MAX_KID => Some(kid),
                    Some(_) => return None,
                };
                Some(ClientKey { kid, key: public })
            };
            match keys.iter().map(read).collect::<Option<Vec<_>>>() {
                Some(keys) if (1..=MAX_KEYS).contains(&keys.len()) => Ok(Way::Keys(keys)),
                _ => Err(Fault::Metadata("private_key_jwt takes a jwks of 1 to 8 public keys, P-256 or Ed25519")),
            }
        }
        "tls_client_auth" => {
            let mut names = names(asked);
            match (names.next(), names.next()) {
                (Some(name), None) if name.is_one() => Ok(Way::Certificate(name)),
                _ => Err(Fault::Metadata("tls_client_auth takes one of the five names of RFC 8705; no pattern")),
            }
        }
        _ => Err(Fault::Metadata("token_endpoint_auth_method is not one for clients that register themselves")),
    }
}

fn names(asked: &Metadata) -> impl Iterator<Item = CertificateName> {
    let dn = asked.tls_client_auth_subject_dn.clone().map(CertificateName::SubjectDn);
    let dns = asked.tls_client_auth_san_dns.clone().map(CertificateName::SanDns);
    let uri = asked.tls_client_auth_san_uri.clone().map(CertificateName::SanUri);
    let email = asked.tls_client_auth_san_email.clone().map(CertificateName::SanEmail);
    let ip = asked.tls_client_auth_san_ip.map(CertificateName::SanIp);
    [dn, dns, uri, email, ip].into_iter().flatten()
}

fn grants(asked: &Metadata) -> Result<BTreeSet<GrantKind>, Fault> {
    let Some(types) = &asked.grant_types else { return Ok([GrantKind::AuthorizationCode].into()) };
    let known = types.iter().map(|name| GRANTS.iter().find(|(known, _)| known == name).map(|(_, kind)| *kind));
    match known.collect::<Option<BTreeSet<_>>>() {
        Some(grants) if !grants.is_empty() => Ok(grants),
        _ => Err(Fault::Metadata("grant_types are authorization_code, refresh_token and client_credentials")),
    }
}

/// What the pages can show as it is: nothing that turns the text around it, and nothing that cannot be seen, else two names that
/// look alike would differ.
fn is_title(text: &str) -> bool {
    let unseen = |c: char| {
        matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
    };
    (1..=64).contains(&text.chars().count())
        && !text.trim().is_empty()
        && !text.chars().any(|c| c.is_control() || unseen(c))
}

/// What is registered now (RFC 7591 §3.2.1), the secrets apart.
#[must_use]
pub fn metadata(client: &Client, registered: &Registered) -> Map<String, Value> {
    let grants = GRANTS.iter().filter(|(_, kind)| client.grants.contains(kind)).map(|(name, _)| *name);
    let code = client.grants.contains(&GrantKind::AuthorizationCode);
    let method = match (&client.auth, registered.post) {
        (ClientAuth::SecretHash(_), true) => POST,
        (ClientAuth::SecretHash(_), false) => BASIC,
        (other, _) => other.method(),
    };
    let mut shown = Map::new();
    let mut say = |name: &str, value: Value| drop(shown.insert(name.to_owned(), value));
    say("client_id", json!(client.id));
    say("client_id_issued_at", json!(registered.at));
    say("client_name", json!(client.title));
    say("token_endpoint_auth_method", json!(method));
    say("grant_types", grants.collect());
    say("response_types", if code { json!(["code"]) } else { json!([]) });
    if code {
        say("redirect_uris", json!(client.kind.redirect_uris()));
    }
    if !client.ceiling.is_empty() {
        say("scope", json!(client.ceiling.to_string()));
    }
    if client.pushed_only {
        say("require_pushed_authorization_requests", true.into());
    }
    match &client.auth {
        ClientAuth::PrivateKeyJwt(keys) => {
            let keys: Vec<Value> = keys.iter().map(jwk).collect();
            say("jwks", json!({ "keys": keys }));
        }
        ClientAuth::TlsClientAuth(name) => match name {
            CertificateName::SubjectDn(dn) => say("tls_client_auth_subject_dn", json!(dn)),
            CertificateName::SanDns(name) => say("tls_client_auth_san_dns", json!(name)),
            CertificateName::SanUri(uri) => say("tls_client_auth_san_uri", json!(uri)),
            CertificateName::SanIp(address) => say("tls_client_auth_san_ip", json!(address)),
            CertificateName::SanEmail(address) => say("tls_client_auth_san_email", json!(address)),
        },
        _ => {}
    }
    shown
}

/// A key of a client as a JWK (RFC 7517).
#[must_use]
pub fn jwk(key: &ClientKey) -> Value {
    let mut jwk = serde_json::to_value(&key.key).unwrap_or_default();
    if let (Some(kid), Some(members)) = (&key.kid, jwk.as_object_mut()) {
        members.insert("kid".into(), json!(kid));
    }
    jwk
}

/// A new initial access token (RFC 7591 §1.2), good so often and until then.
///
/// # Errors
/// No randomness.
pub fn initial_token(
    uses: u32,
    expires: Timestamp,
    keys: &Key32,
    entropy: &mut impl Entropy,
) -> Result<(InitialToken, Zeroizing<String>), NoEntropy> {
    let token = secret_text(entropy)?;
    Ok((InitialToken { hash: initial_hash(keys, &token), uses, expires }, token))
}

/// The name of an initial access token's record.
#[must_use]
pub fn initial_hash(keys: &Key32, token: &str) -> Hash32 {
    mac(keys, &[b"initial access token", token.as_bytes()])
}

/// Whether this is the client's registration access token.
#[must_use]
pub fn is_token_of(registered: &Registered, keys: &Key32, token: &str) -> bool {
    same(&token_hash(keys, token), &registered.token)
}

fn token_hash(keys: &Key32, token: &str) -> Hash32 {
    mac(keys, &[b"registration access token", token.as_bytes()])
}

/// 256 bits as text.
fn secret_text(entropy: &mut impl Entropy) -> Result<Zeroizing<String>, NoEntropy> {
    let bytes = Zeroizing::new(fresh::<32>(entropy)?);
    Ok(Zeroizing::new(base64url(&*bytes)))
}

const BASIC: &str = "client_secret_basic";
const POST: &str = "client_secret_post";
const GRANTS: [(&str, GrantKind); 3] = [
    ("authorization_code", GrantKind::AuthorizationCode),
    ("refresh_token", GrantKind::RefreshToken),
    ("client_credentials", GrantKind::ClientCredentials),
];
const MAX_REDIRECTS: usize = 16;
const MAX_KEYS: usize = 8;
const MAX_KID: usize = 128;
