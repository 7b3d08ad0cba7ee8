//! `/register`: clients register themselves behind an initial access token (RFC 7591) and look after that (RFC 7592).

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;
use zeroize::Zeroizing;

use super::body::Body;
use super::token::{content_type, one_header, peer, refused};
use crate::core::refusal::OAuthError;
use crate::core::registration::Fault;
use crate::shell::Shell;
use crate::shell::register::NotRegistered;
use crate::shell::throttle::Wait;
use crate::shell::token::Denied;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/register", web::post().to(register)).service(
        web::resource("/register/{id}")
            .route(web::get().to(read))
            .route(web::put().to(update))
            .route(web::delete().to(delete)),
    );
}

async fn register(request: HttpRequest, shell: web::Data<Shell>, body: Body) -> HttpResponse {
    let done = async {
        let token = bearer(&request, &shell)?;
        is_json(&request)?;
        Ok(HttpResponse::Created().json(shell.register(&token, &body).await?))
    };
    answered(&request, &shell, done.await)
}

async fn read(request: HttpRequest, shell: web::Data<Shell>, id: web::Path<String>) -> HttpResponse {
    let done = async {
        let token = bearer(&request, &shell)?;
        Ok(HttpResponse::Ok().json(shell.registration(&id, &token).await?))
    };
    answered(&request, &shell, done.await)
}

async fn update(request: HttpRequest, shell: web::Data<Shell>, id: web::Path<String>, body: Body) -> HttpResponse {
    let done = async {
        let token = bearer(&request, &shell)?;
        is_json(&request)?;
        Ok(HttpResponse::Ok().json(shell.reregister(&id, &token, &body).await?))
    };
    answered(&request, &shell, done.await)
}

async fn delete(request: HttpRequest, shell: web::Data<Shell>, id: web::Path<String>) -> HttpResponse {
    let done = async {
        let token = bearer(&request, &shell)?;
        shell.deregister(&id, &token).await?;
        Ok(HttpResponse::NoContent().finish())
    };
    answered(&request, &shell, done.await)
}

enum Not {
    Slow(Wait),
    Presented,
    Registered(NotRegistered),
}

impl From<NotRegistered> for Not {
    fn from(why: NotRegistered) -> Self {
        Self::Registered(why)
    }
}

/// The token, in the header only (RFC 6750 §2.1).
fn bearer(request: &HttpRequest, shell: &Shell) -> Result<Zeroizing<String>, Not> {
    shell.admit(peer(request), None).map_err(Not::Slow)?;
    let value = one_header(request, header::AUTHORIZATION.as_str()).ok().flatten().ok_or(Not::Presented)?;
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("Bearer") => Ok(Zeroizing::new(token.trim().to_owned())),
        _ => Err(Not::Presented),
    }
}

fn is_json(request: &HttpRequest) -> Result<(), Not> {
    match content_type(request).as_str() {
        "application/json" => Ok(()),
        _ => Err(Not::Registered(Fault::Metadata("the body is application/json").into())),
    }
}

fn answered(request: &HttpRequest, shell: &Shell, done: Result<HttpResponse, Not>) -> HttpResponse {
    let why = match done {
        Ok(answer) => return answer,
        Err(Not::Slow(wait)) => return refused(&Denied::Slow(wait), false),
        Err(Not::Presented) => None,
        Err(Not::Registered(why)) => Some(why),
    };
    if matches!(why, None | Some(NotRegistered::Token)) {
        shell.authenticated(peer(request), None, false);
    }
    let reason = why.as_ref().map_or_else(|| "no token".to_owned(), ToString::to_string);
    shell.audit.record(&json!({
        "at": shell.now(), "event": "registration", "outcome": "refused", "path": request.path(), "reason": reason,
    }));
    let say = |status: StatusCode, error: &str, description: Option<String>| {
        let mut body = json!({ "error": error });
        if let (Some(description), Some(members)) = (description, body.as_object_mut()) {
            members.insert("error_description".into(), description.into());
        }
        HttpResponse::build(status).json(body)
    };
    let challenged = |challenge: &str, error: &str| {
        let mut answer = say(StatusCode::UNAUTHORIZED, error, None);
        if let Ok(challenge) = challenge.parse() {
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        answer
    };
    match why {
        // RFC 6750 §3.1: no error code to who shows nothing.
        None => challenged(r#"Bearer realm="registration""#, "invalid_token"),
        Some(NotRegistered::Token) => {
            challenged(r#"Bearer realm="registration", error="invalid_token""#, "invalid_token")
        }
        Some(NotRegistered::Fault(fault)) => say(StatusCode::BAD_REQUEST, fault.name(), Some(fault.to_string())),
        Some(NotRegistered::Busy) => {
            say(StatusCode::SERVICE_UNAVAILABLE, OAuthError::TEMPORARILY_UNAVAILABLE.name, None)
        }
        Some(ours @ (NotRegistered::Store(_) | NotRegistered::Entropy(_))) => {
            tracing::error!(cause = %ours, "a registration failed");
            say(StatusCode::INTERNAL_SERVER_ERROR, OAuthError::SERVER_ERROR.name, None)
        }
    }
}
