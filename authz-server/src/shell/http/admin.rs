//! `/admin/api/v1`: what the command line speaks to. Bearer tokens of administrators only, by their hash; never valid at `/token`.

use std::collections::{BTreeMap, BTreeSet};
use std::future::{Ready, ready};

use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError, web};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::token::peer;
use crate::core::bytes::{Blob, Hash32, from_base64url, hex};
use crate::core::change::{Change, Key, OnConflict};
use crate::core::names::{Audience, ClientId, DoorName, GroupName, LockName};
use crate::core::records::{
    AdminToken, AdvanceConsent, Client, ClockMode, Door, Exchange, Lock, OscoreClient, Protection,
};
use crate::core::revoke::Target;
use crate::keys::Public;
use crate::shell::declaration::{
    Action, Declaration, Difference, Existing, Online, Undeclarable, fresh_lock, is_address, online, own_client, rekey,
    without,
};
use crate::shell::revocation::Lost;
use crate::shell::revoke::By;
use crate::shell::throttle::Wait;
use crate::shell::{Shell, cbor};
use crate::store::StoreError;
use crate::store::facts::Committed;

mod clients;
mod exchanges;
mod keys;
mod object;
mod registration;

pub use keys::Rotation;
use object::{Posted, object};
pub use registration::{Admission, Given, Wanted};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(exchanges::routes(registration::routes(keys::routes(
        web::scope("/admin/api/v1")
            .service(web::resource("/openapi.json").route(web::get().to(openapi)))
            .service(web::resource("/apply").route(web::post().to(apply)))
            .service(web::resource("/clients").route(web::get().to(clients)))
            .service(web::resource("/clients/{id}").route(web::delete().to(remove_client)))
            .service(web::resource("/revoke").route(web::post().to(revoke)))
            .service(web::resource("/locks").route(web::get().to(locks)))
            .service(web::resource("/locks/{name}").route(web::delete().to(remove_lock)))
            .service(web::resource("/locks/{name}/enroll").route(web::post().to(enroll))),
    ))));
}

/// This API, as an OpenAPI document.
async fn openapi(who: Presented, shell: web::Data<Shell>) -> Result<HttpResponse, AdminError> {
    who.check(&shell).await?;
    Ok(HttpResponse::Ok().content_type("application/json").body(OPENAPI))
}

#[derive(Deserialize)]
struct Mode {
    #[serde(default)]
    dry_run: bool,
}

/// Makes the declaration true, or with `dry_run=true` says what that would take.
async fn apply(
    who: Presented,
    shell: web::Data<Shell>,
    mode: Result<web::Query<Mode>, actix_web::Error>,
    body: Posted<Declaration>,
) -> Result<HttpResponse, AdminError> {
    who.check(&shell).await?;
    let Mode { dry_run } = mode.map_err(|cause| AdminError::Wrong(cause.to_string()))?.into_inner();
    let declaration = object(body)?;
    let (changes, differences) = declaration.compare(&existing(&shell).await?, &shell.keys)?;
    if !dry_run {
        commit(&shell, &changes).await?;
        for difference in differences.iter().filter(|difference| difference.action != Action::Keep) {
            written_down(&shell, difference);
        }
    }
    Ok(HttpResponse::Ok().json(json!({ "dry_run": dry_run, "differences": differences })))
}

/// What there is, for comparing a declaration with it.
pub(crate) async fn existing(shell: &Shell) -> Result<Existing, StoreError> {
    let records = &shell.records;
    let row = |row: &Exchange| (row.service.clone(), row.whose.clone(), row.audience.clone());
    let named = |consent: &AdvanceConsent| (consent.door.clone(), consent.who.clone());
    Ok(Existing {
        clients: records.all::<Client>().await?.into_iter().map(|it| (it.0.id.clone(), it)).collect(),
        oscore: records.all::<OscoreClient>().await?.into_iter().map(|it| (it.0.client.clone(), it)).collect(),
        locks: records.all::<Lock>().await?.into_iter().map(|it| (it.0.name.clone(), it)).collect(),
        issuers: shell.providers.iter().map(|provider| provider.issuer().to_owned()).collect(),
        doors: records.all::<Door>().await?.into_iter().map(|it| (it.0.name.clone(), it)).collect(),
        exchanges: records.all::<Exchange>().await?.into_iter().map(|it| (row(&it.0), it)).collect(),
        consents: records.all::<AdvanceConsent>().await?.into_iter().map(|it| (named(&it.0), it)).collect(),
    })
}

async fn clients(who: Presented, shell: web::Data<Shell>) -> Result<HttpResponse, AdminError> {
    who.check(&shell).await?;
    let list: Vec<_> =
        shell.records.all::<Client>().await?.iter().map(|(client, rev)| clients::shown(client, *rev)).collect();
    Ok(HttpResponse::Ok().json(json!({ "clients": list })))
}

async fn remove_client(
    who: Presented,
    shell: web::Data<Shell>,
    id: web::Path<String>,
) -> Result<HttpResponse, AdminError> {
    who.check(&shell).await?;
    let id: ClientId = id.parse().map_err(|_| AdminError::NotFound)?;
    let key = Key::Client(id.clone());
    shell.records.find::<Client>(&key).await?.ok_or(AdminError::NotFound)?;
    shell.remove_client(By::Administrator, &id).await?.map_err(|Lost(_)| AdminError::Conflict)?;
    written_down(&shell, &gone("client", id.to_string()));
    Ok(HttpResponse::NoContent().finish())
}

/// Ends grants and tokens: the body is one [`Target`], such as `{"client": "robot"}`. What is unknown ends nothing, which is no error.
async fn revoke(who: Presented, shell: web::Data<Shell>, body: Posted<Target>) -> Result<HttpResponse, AdminError> {
    who.check(&shell).await?;
    let target = object(body)?;
    if let Target::Removed(_) = target {
        return Err(AdminError::Wrong("a lock is removed by DELETE /locks/{name}".into()));
    }
    let revoked =
        shell.revoke_for(By::Administrator, target, Vec::new()).await?.map_err(|Lost(_)| AdminError::Conflict)?;
    Ok(HttpResponse::Ok().json(revoked))
}

async fn locks(who: Presented, shell: web::Data<Shell>) -> Result<HttpResponse, AdminError> {
    who.check(&shell).await?;
    let list: Vec<_> = shell
        .records
        .all::<Lock>()
        .await?
        .into_iter()
        .map(|(lock, _)| {
            json!({
                "name": lock.name, "aud": lock.audience(), "door": lock.door, "address": lock.address, "clock": lock.clock,
                "groups": lock.groups, "lifetime": lock.lifetime, "enrolled": !lock.token_kid.0.is_empty(),
                "signed_tokens": lock.credential.is_some(),
            })
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "locks": list })))
}

async fn remove_lock(
    who: Presented,
    shell: web::Data<Shell>,
    name: web::Path<String>,
) -> Result<HttpResponse, AdminError> {
    who.check(&shell).await?;
    let name: LockName = name.parse().map_err(|_| AdminError::NotFound)?;
    let key = Key::Lock(name.clone());
    shell.records.find::<Lock>(&key).await?.ok_or(AdminError::NotFound)?;
    let questions = shell.records.all().await?.into_iter().map(|(question, _)| question).collect();
    let with = without(&name, existing(&shell).await?, questions);
    let target = Target::Removed(name.clone());
    shell.revoke_for(By::Administrator, target, with).await?.map_err(|Lost(_)| AdminError::Conflict)?;
    written_down(&shell, &gone("lock", name.to_string()));
    Ok(HttpResponse::NoContent().finish())
}

/// What `lock enroll` sends.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Enrolment {
    /// The CCS that the lock printed, base64url; needed for signed tokens only.
    pub credential: Option<String>,
    /// Further audiences, for signed tokens.
    pub groups: BTreeSet<GroupName>,
    /// The door, if not of the lock's name.
    pub door: Option<DoorName>,
    /// Where the door's people reach it.
    pub address: Option<String>,
    /// What it knows of the time.
    pub clock: Option<ClockMode>,
    /// Replace the key of a lock that has one. Its old file is void then.
    pub replace: bool,
    /// Where the lock reaches this server by CoAP, `HOST:PORT`: it becomes a client that may ask about its tokens.
    pub online: Option<String>,
}

/// What the lock has to know: the content of its file, shown this once.
#[derive(Serialize, Deserialize)]
pub struct LockFile {
    issuer: String,
    aud: String,
    groups: Vec<String>,
    as_uri: String,
    door: DoorName,
    clock: ClockMode,
    token_key: TokenKey,
    /// For a lock whose tokens are MACed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mac_key: Option<TokenKey>,
    as_keys: Vec<AsKey>,
    scopes: Vec<NamedScope>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    online: Option<Online>,
}

#[derive(Serialize, Deserialize)]
struct TokenKey {
    kid: String,
    key: String,
}

#[derive(Serialize, Deserialize)]
struct AsKey {
    kid: String,
    alg: String,
    x: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct NamedScope {
    name: String,
    aif: Vec<(String, u64)>,
}

/// Creates the lock where it is missing, gives it a new token key, and shows that key this once.
async fn enroll(
    who: Presented,
    shell: web::Data<Shell>,
    name: web::Path<String>,
    body: Posted<Enrolment>,
) -> Result<HttpResponse, AdminError> {
    who.check(&shell).await?;
    let name: LockName =
        name.parse().map_err(|cause: crate::core::names::NotAName| AdminError::Wrong(cause.to_string()))?;
    let wanted = object(body)?;
    let found = shell.records.find::<Lock>(&Key::Lock(name.clone())).await?;
    let mut lock = match &found {
        Some((lock, _)) if !lock.token_kid.0.is_empty() && !wanted.replace => return Err(AdminError::Enrolled),
        Some((lock, _)) => lock.clone(),
        None => fresh_lock(name, &shell.keys)?,
    };
    if let Some(credential) = wanted.credential {
        let ccs = from_base64url(&credential).unwrap_or_default();
        if !matches!(cbor::kccs(&ccs), crate::core::request::ReqCnf::Kccs { .. }) {
            return Err(AdminError::Wrong("the credential is not the CCS of a lock (door-lock keygen)".into()));
        }
        lock.credential = Some(Blob(ccs));
    }
    if ![&wanted.address, &wanted.online].into_iter().flatten().all(|address| is_address(address)) {
        return Err(AdminError::Wrong("an address is HOST:PORT".into()));
    }
    lock.groups.extend(wanted.groups);
    lock.door = wanted.door.unwrap_or(lock.door);
    lock.address = wanted.address.unwrap_or(lock.address);
    lock.clock = wanted.clock.unwrap_or(lock.clock);
    let key = rekey(&mut lock, &shell.keys)?;
    let mut changes = vec![match &found {
        Some((_, rev)) => Change::replace(lock.clone(), *rev),
        None => Change::create(lock.clone()),
    }];
    if shell.records.find::<Door>(&Key::Door(lock.door.clone())).await?.is_none() {
        changes.push(Change::create(Door {
            name: lock.door.clone(),
            title: lock.door.to_string(),
            lock: lock.name.clone(),
            owners: Vec::new(),
            zone: None,
            attributes: BTreeMap::new(),
        }));
    }
    let mut own = None;
    if let Some(server) = wanted.online {
        let id = own_client(&lock.name)?;
        let client = shell.records.find(&Key::Client(id.clone())).await?;
        let context = shell.records.find(&Key::Oscore(id)).await?;
        let (made, file) =
            online(&lock.name, server, client.as_ref(), context.as_ref(), &shell.keys, shell.trl.limits)?;
        changes.extend(made);
        own = Some(file);
    }
    commit(&shell, &changes).await?;
    let action = if found.is_some() { Action::Update } else { Action::Create };
    written_down(
        &shell,
        &Difference { kind: "lock".into(), name: lock.name.to_string(), action, fields: vec!["token_key".into()] },
    );
    let groups = lock.groups.iter().map(|group| Audience::Group(group.clone()).to_string()).collect();
    Ok(HttpResponse::Created().json(LockFile {
        issuer: shell.issuer.clone(),
        aud: lock.audience().to_string(),
        groups,
        as_uri: format!("{}/token", shell.issuer),
        door: lock.door.clone(),
        clock: lock.clock,
        token_key: TokenKey { kid: hex(&lock.token_kid.0), key: hex(key.token.as_ref()) },
        mac_key: lock
            .mac
            .as_ref()
            .filter(|_| lock.abilities.protection == Protection::Maced)
            .map(|mac| TokenKey { kid: hex(&mac.kid.0), key: hex(key.mac.as_ref()) }),
        as_keys: shell.keys.published(shell.now()).iter().map(as_key).collect(),
        scopes: lock
            .scopes
            .iter()
            .map(|(word, entries)| NamedScope {
                name: word.to_string(),
                aif: entries.iter().map(|entry| (entry.0.clone(), entry.1)).collect(),
            })
            .collect(),
        online: own,
    }))
}

fn as_key(key: &Public) -> AsKey {
    let (kid, alg) = (hex(&key.kid()), key.alg().name().to_owned());
    match key {
        Public::P256 { x, y } => AsKey { kid, alg, x: hex(x), y: Some(hex(y)) },
        Public::Ed25519 { x } => AsKey { kid, alg, x: hex(x), y: None },
    }
}

async fn commit(shell: &Shell, changes: &[Change]) -> Result<(), AdminError> {
    match shell.records.commit(changes).await? {
        Committed::Done(_) => Ok(()),
        Committed::Conflict(OnConflict::Retry | OnConflict::Refuse(_)) => Err(AdminError::Conflict),
    }
}

fn gone(kind: &str, name: String) -> Difference {
    Difference { kind: kind.to_owned(), name, action: Action::Delete, fields: Vec::new() }
}

fn written_down(shell: &Shell, difference: &Difference) {
    #[derive(Serialize)]
    struct Line<'l> {
        at: i64,
        event: &'static str,
        #[serde(flatten)]
        difference: &'l Difference,
    }
    shell.audit.record(&Line { at: shell.now().0, event: "administration", difference });
}

/// The bearer token of the request, if one came.
struct Presented {
    token: Option<String>,
    from: Option<std::net::IpAddr>,
}

/// Whether the request is an administrator's, for the one resource outside this API that they read as well.
pub(super) async fn is_admin(request: &HttpRequest, shell: &Shell) -> Result<(), AdminError> {
    Presented::of(request).check(shell).await
}

impl FromRequest for Presented {
    type Error = AdminError;
    type Future = Ready<Result<Self, AdminError>>;

    fn from_request(request: &HttpRequest, _: &mut actix_web::dev::Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}

impl Presented {
    fn of(request: &HttpRequest) -> Self {
        let token = request
            .headers()
            .get("authorization")
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer"))
            .map(|(_, token)| token.trim().to_owned());
        Self { token, from: peer(request) }
    }

    async fn check(&self, shell: &Shell) -> Result<(), AdminError> {
        shell.admit(self.from, Some(ADMIN)).map_err(AdminError::Slow)?;
        let token = self.token.as_deref().unwrap_or_default();
        let key = Key::AdminToken(Hash32::of(&[token.as_bytes()]));
        let known = shell.records.find::<AdminToken>(&key).await?;
        let good = known.is_some_and(|(known, _)| shell.now() < known.expires);
        shell.authenticated(self.from, Some(ADMIN), good);
        if good { Ok(()) } else { Err(AdminError::NotAdmin) }
    }
}

/// The document; a test holds it to the routes, and Schemathesis to the answers.
pub(crate) const OPENAPI: &str = include_str!("admin/openapi.json");

/// Stands for administrators where clients are counted; no client can have this name.
const ADMIN: &str = " admin";

/// What an administrator's request can come to. The text is for the administrator: no secret in it.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdminError {
    #[error("this needs an administrator's token that is still good")]
    NotAdmin,
    #[error("{0}")]
    Wrong(String),
    #[error("nothing of this name")]
    NotFound,
    #[error("this lock has a key already; enrolling it again voids its file and needs --replace")]
    Enrolled,
    #[error("somebody changed the same records at this moment; try again")]
    Conflict,
    #[error("{0}")]
    NotNow(String),
    #[error("too many tries; wait {} s", .0.0)]
    Slow(Wait),
    #[error("{0}")]
    Ours(String),
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        Self::Ours(error.to_string())
    }
}

impl From<Undeclarable> for AdminError {
    fn from(error: Undeclarable) -> Self {
        match error {
            Undeclarable::Wrong { .. } => Self::Wrong(error.to_string()),
            Undeclarable::Keys(_) => Self::Ours(error.to_string()),
        }
    }
}

impl ResponseError for AdminError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::NotAdmin => StatusCode::UNAUTHORIZED,
            Self::Wrong(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Enrolled | Self::NotNow(_) | Self::Conflict => StatusCode::CONFLICT,
            Self::Slow(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Ours(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status_code());
        match self {
            Self::NotAdmin => drop(answer.insert_header(("www-authenticate", "Bearer realm=\"admin\""))),
            Self::Slow(Wait(seconds)) => drop(answer.insert_header(("retry-after", *seconds))),
            Self::Ours(cause) => tracing::error!(%cause, "administration failed"),
            _ => {}
        }
        answer.json(json!({ "error": self.to_string() }))
    }
}
