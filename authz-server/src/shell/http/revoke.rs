//! `POST /revoke` (RFC 7009): a client ends a token of its own.

use actix_web::middleware::from_fn;
use actix_web::{HttpRequest, HttpResponse, web};

use super::body::Body;
use super::nonce;
use super::token::{peer, posted, refused};
use crate::core::refusal::Refusal;
use crate::core::request::Face;
use crate::core::revoke::Named;
use crate::shell::Shell;
use crate::shell::token::Denied;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/revoke").wrap(from_fn(nonce::offer)).route(web::post().to(revoke)));
}

async fn revoke(request: HttpRequest, body: Body, shell: web::Data<Shell>) -> HttpResponse {
    match answered(&request, &body, &shell).await {
        Ok(()) => HttpResponse::Ok().finish(),
        Err(denied) => refused(&denied, false),
    }
}

/// `token_type_hint` is not looked at: a token is found as what it is (§2.1).
async fn answered(request: &HttpRequest, body: &[u8], shell: &Shell) -> Result<(), Denied> {
    let (presented, form) = posted(request, body, shell, &[])?;
    let missing = || shell.unread(Face::Form, presented.claimed_client(), Refusal::Malformed("token is missing"));
    let named = Named::new(form.value("token").ok_or_else(missing)?);
    shell.revoke_token(&presented, &named, peer(request)).await
}
