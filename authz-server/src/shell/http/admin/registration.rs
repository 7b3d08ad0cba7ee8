//! Who may register a client without an administrator (RFC 7591 §1.2), and which of those clients are admitted.

use actix_web::{HttpResponse, Scope, web};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{AdminError, Posted, Presented, commit, gone, object, written_down};
use crate::core::bytes::{Hash32, from_base64url};
use crate::core::change::{Change, Key, Rev};
use crate::core::entropy::Os;
use crate::core::names::ClientId;
use crate::core::records::{Client, InitialToken, Registered};
use crate::core::registration::initial_token;
use crate::core::time::Timestamp;
use crate::shell::Shell;
use crate::shell::declaration::{Action, Difference};

pub(super) fn routes(scope: Scope) -> Scope {
    scope
        .service(web::resource("/clients/{id}/admit").route(web::post().to(admit)))
        .service(web::resource("/registration-tokens").route(web::post().to(make)).route(web::get().to(list)))
        .service(web::resource("/registration-tokens/{id}").route(web::delete().to(void)))
}

/// What `client token` asks for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Wanted {
    /// How many clients may register with it.
    pub uses: u32,
    /// For how long, in seconds.
    pub seconds: u32,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { uses: 1, seconds: 86_400 }
    }
}

/// An initial access token, shown this once.
#[derive(Serialize, Deserialize)]
pub struct Given {
    /// Its name, no secret.
    pub id: String,
    /// Itself.
    pub token: String,
    /// How many clients may register with it.
    pub uses: u32,
    /// Good until.
    pub expires: Timestamp,
}

async fn make(who: Presented, shell: web::Data<Shell>, body: Posted<Wanted>) -> Result<HttpResponse, AdminError> {
    who.check(&shell).await?;
    let wanted = object(body)?;
    if !(1..=MAX_USES).contains(&wanted.uses) || !(1..=MAX_SECONDS).contains(&wanted.seconds) {
        return Err(AdminError::Wrong("a token is for 1 to 10000 clients, and for 1 second to 366 days".into()));
    }
    let expires = shell.now().plus(i64::from(wanted.seconds));
    let (record, token) = initial_token(wanted.uses, expires, &shell.keys.secrets, &mut Os)
        .map_err(|cause| AdminError::Ours(cause.to_string()))?;
    let id = record.hash.to_string();
    commit(&shell, &[Change::create(record)]).await?;
    written_down(
        &shell,
        &Difference { kind: KIND.into(), name: id.clone(), action: Action::Create, fields: Vec::new() },
    );
    let given = Given { id, token: token.as_str().to_owned(), uses: wanted.uses, expires };
    Ok(HttpResponse::Created().json(given))
}

async fn list(who: Presented, shell: web::Data<Shell>) -> Result<HttpResponse, AdminError> {
    who.check(&shell).await?;
    let tokens = shell.records.all::<InitialToken>().await?.into_iter();
    let good = tokens.filter(|(token, _)| shell.now() < token.expires);
    let list: Vec<_> =
        good.map(|(token, _)| json!({ "id": token.hash, "uses": token.uses, "expires": token.expires })).collect();
    Ok(HttpResponse::Ok().json(json!({ "registration_tokens": list })))
}

async fn void(who: Presented, shell: web::Data<Shell>, id: web::Path<String>) -> Result<HttpResponse, AdminError> {
    who.check(&shell).await?;
    let hash = from_base64url(&id).and_then(|bytes| bytes.try_into().ok()).map(Hash32).ok_or(AdminError::NotFound)?;
    let key = Key::InitialToken(hash);
    shell.records.find::<InitialToken>(&key).await?.ok_or(AdminError::NotFound)?;
    commit(&shell, &[Change::delete(key)]).await?;
    written_down(&shell, &gone(KIND, id.into_inner()));
    Ok(HttpResponse::NoContent().finish())
}

/// Which state of a client is admitted: what the administrator looked at, so that the client cannot change in between.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admission {
    /// As the list of clients shows it.
    pub revision: Rev,
}

/// Lets a client that registered itself have what policy gives, as it was shown; what it changes of itself later takes this back.
async fn admit(
    who: Presented,
    shell: web::Data<Shell>,
    id: web::Path<String>,
    body: Posted<Admission>,
) -> Result<HttpResponse, AdminError> {
    who.check(&shell).await?;
    let Admission { revision } = object(body)?;
    let id: ClientId = id.parse().map_err(|_| AdminError::NotFound)?;
    let (client, rev) = shell.records.find::<Client>(&Key::Client(id.clone())).await?.ok_or(AdminError::NotFound)?;
    let Some(registered) = client.registered.clone() else {
        return Err(AdminError::NotNow("an administrator declared this client; it needs no admission".into()));
    };
    if rev != revision {
        return Err(AdminError::NotNow("the client is not what it was at this revision; look at it again".into()));
    }
    let admitted = Client { registered: Some(Registered { admitted: true, ..registered }), ..client };
    commit(&shell, &[Change::replace(admitted, revision)]).await?;
    written_down(
        &shell,
        &Difference {
            kind: "client".into(),
            name: id.to_string(),
            action: Action::Update,
            fields: vec!["admitted".into()],
        },
    );
    Ok(HttpResponse::NoContent().finish())
}

const KIND: &str = "registration-token";
const MAX_USES: u32 = 10_000;
const MAX_SECONDS: u32 = 366 * 86_400;
