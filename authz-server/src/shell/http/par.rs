//! `POST /par`: a client hands over what it will ask at `/authorize` (RFC 9126).

use actix_web::middleware::from_fn;
use actix_web::{HttpRequest, HttpResponse, web};

use super::body::Body;
use super::nonce;
use super::token::{peer, posted, refused};
use crate::shell::Shell;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/par").wrap(from_fn(nonce::offer)).route(web::post().to(par)));
}

async fn par(request: HttpRequest, body: Body, shell: web::Data<Shell>) -> HttpResponse {
    let pushed = match posted(&request, &body, &shell, &["audience"]) {
        Ok((presented, form)) => shell.push(&presented, &form.pairs(), peer(&request)).await,
        Err(denied) => Err(denied),
    };
    match pushed {
        Ok((request_uri, expires_in)) => {
            HttpResponse::Created().json(serde_json::json!({ "request_uri": request_uri, "expires_in": expires_in }))
        }
        Err(denied) => refused(&denied, false),
    }
}
