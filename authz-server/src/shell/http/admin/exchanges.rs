//! The rows by which services act for people (RFC 8693): what there is, and taking one away.

use actix_web::{HttpResponse, Scope, web};
use serde_json::{Value, json};

use super::{AdminError, Presented, commit, gone, written_down};
use crate::core::change::{Change, Record};
use crate::core::exchange::{PeopleGroup, Whose};
use crate::core::records::Exchange;
use crate::shell::Shell;

pub(super) fn routes(scope: Scope) -> Scope {
    scope
        .service(web::resource("/exchanges").route(web::get().to(list)))
        .service(web::resource("/exchanges/{id}").route(web::delete().to(remove)))
}

async fn list(who: Presented, shell: web::Data<Shell>) -> Result<HttpResponse, AdminError> {
    who.check(&shell).await?;
    let list: Vec<_> = shell.records.all::<Exchange>().await?.iter().map(|(row, _)| shown(row)).collect();
    Ok(HttpResponse::Ok().json(json!({ "exchanges": list })))
}

/// As it is declared, and its name.
fn shown(row: &Exchange) -> Value {
    let (who, group, issuer) = match &row.whose {
        Whose::Person(id) => (Some(id), None, None),
        Whose::Group(PeopleGroup { issuer, name }) => (None, Some(name), Some(issuer)),
    };
    json!({
        "id": row.id(), "service": row.service, "who": who, "group": group, "issuer": issuer, "audience": row.audience,
        "scope": row.scope.to_string(), "from": row.from, "until": row.until,
    })
}

/// Takes a row away, as if it had never been: a wider one that it stood before counts again.
async fn remove(who: Presented, shell: web::Data<Shell>, id: web::Path<String>) -> Result<HttpResponse, AdminError> {
    who.check(&shell).await?;
    let rows = shell.records.all::<Exchange>().await?;
    let found = rows.into_iter().find(|(row, _)| row.id().to_string() == *id);
    let (row, rev) = found.ok_or(AdminError::NotFound)?;
    let name = row.to_string();
    commit(&shell, &[Change::remove(Record::from(row).key(), rev)]).await?;
    written_down(&shell, &gone("exchange", name));
    Ok(HttpResponse::NoContent().finish())
}
