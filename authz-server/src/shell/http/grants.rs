//! `/api/v1/grants`: what a person granted to which apps, and its end, say of a lost phone's. For any app that holds a grant of this
//! person; ending one opens nothing. An app that registered itself sees and ends what was granted to it, and nothing of other apps.

use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::doors::{NoDoors, holder};
use super::nonce;
use super::token::peer;
use crate::core::change::Key;
use crate::core::names::{Audience, ClientId, GrantId, Jkt, PersonId};
use crate::core::records::{Client, Grant};
use crate::core::revoke::Target;
use crate::core::time::Timestamp;
use crate::shell::Shell;
use crate::shell::revoke::By;
use crate::store::StoreError;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/api/v1/grants").wrap(from_fn(nonce::offer)).route(web::get().to(list)))
        .service(web::resource("/api/v1/grants/{id}").wrap(from_fn(nonce::offer)).route(web::delete().to(end)));
}

/// A grant as its person sees it.
#[derive(Serialize)]
struct OwnGrant {
    id: GrantId,
    client: ClientId,
    title: String,
    /// The installation's key, by its thumbprint.
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<Jkt>,
    audiences: Vec<Audience>,
    created: Timestamp,
    ends: Timestamp,
    /// Whether the app that asks holds this one.
    this: bool,
}

async fn list(request: HttpRequest, shell: web::Data<Shell>) -> Result<HttpResponse, NoDoors> {
    shell.admit(peer(&request), None).map_err(NoDoors::Slow)?;
    let (own, app) = holder(&request, &shell, &Method::GET, "/api/v1/grants").await?;
    let mut list = Vec::new();
    for (grant, _) in shell.records.grants_of(&Target::Person(own.person.id.clone())).await? {
        if !is_live(&grant, &shell) || !concerns(&grant, &app) {
            continue;
        }
        let client = shell.records.find::<Client>(&Key::Client(grant.client.clone())).await?;
        list.push(OwnGrant {
            id: grant.id,
            title: client.map_or_else(|| grant.client.to_string(), |(client, _)| client.title),
            client: grant.client,
            device: grant.jkt,
            audiences: grant.consented.into_iter().map(|member| member.audience).collect(),
            created: grant.created,
            ends: grant.ends.min(grant.idle_ends),
            this: grant.id == own.id,
        });
    }
    Ok(HttpResponse::Ok().json(list))
}

async fn end(request: HttpRequest, id: web::Path<String>, shell: web::Data<Shell>) -> Result<HttpResponse, NoDoors> {
    shell.admit(peer(&request), None).map_err(NoDoors::Slow)?;
    let (own, app) = holder(&request, &shell, &Method::DELETE, &format!("/api/v1/grants/{id}")).await?;
    let ended = end_own(&shell, own.person.id, id.into_inner(), |grant| concerns(grant, &app)).await?;
    Ok(if ended { HttpResponse::NoContent().finish() } else { HttpResponse::NotFound().finish() })
}

/// Whether a grant of its person is this app's business.
fn concerns(grant: &Grant, app: &Client) -> bool {
    grant.client == app.id || app.sees_beyond_its_grant()
}

/// Ends a person's own grant, and the tokens from it; false if they have none of this name that whoever asks `may` end.
pub(super) async fn end_own(
    shell: &Shell,
    person: PersonId,
    id: String,
    may: impl Fn(&Grant) -> bool,
) -> Result<bool, StoreError> {
    let Ok(id) = GrantId::try_from(id) else { return Ok(false) };
    let found = shell.records.find::<Grant>(&Key::Grant(id)).await?;
    if !found.is_some_and(|(grant, _)| grant.person.id == person && is_live(&grant, shell) && may(&grant)) {
        return Ok(false);
    }
    Ok(shell.revoke_for(By::Person(person), Target::Grant(id), Vec::new()).await?.is_ok())
}

pub(super) fn is_live(grant: &Grant, shell: &Shell) -> bool {
    grant.revoked.is_none() && shell.now() < grant.ends.min(grant.idle_ends)
}
