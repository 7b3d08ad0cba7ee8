//! Which pages of other sites may read our answers (CORS, of the Fetch standard): those at an origin that an administrator gave a
//! client, at the endpoints that such a client calls, and never with cookies.
//!
//! A preflight does not say which client asks, so the origins of all clients count together. This guards people's browsers, not
//! this server: whoever is no browser sends what it likes.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{HttpResponse, web};

use super::token::{peer, refused};
use crate::core::names::Origin;
use crate::shell::Shell;
use crate::shell::token::Denied;

/// Answers preflights, and marks the answers that a registered origin may read.
pub(super) async fn cors<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let Some(methods) = methods(request.path()) else {
        return next.call(request).await.map(ServiceResponse::map_into_left_body);
    };
    let Some(origin) = request.headers().get(header::ORIGIN).cloned() else {
        let answer = next.call(request).await;
        return answer.map(|answer| varying(answer).map_into_left_body());
    };
    // Whose origin it is costs a look into the store: counted before, like anything else that does.
    let counted =
        request.app_data::<web::Data<Shell>>().map_or(Ok(()), |shell| shell.admit(peer(request.request()), None));
    if let Err(wait) = counted {
        let answer = refused(&Denied::Slow(wait), false);
        return Ok(varying(request.into_response(answer)).map_into_right_body());
    }
    let known = is_known(&request, &origin).await;
    let asks_first =
        *request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if asks_first {
        let status = if known { StatusCode::NO_CONTENT } else { StatusCode::FORBIDDEN };
        let mut answer = HttpResponse::new(status);
        if known {
            let headers = answer.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ASKED);
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, TEN_MINUTES);
            allow(headers, origin);
        }
        return Ok(varying(request.into_response(answer)).map_into_right_body());
    }
    let mut answer = match next.call(request).await {
        Ok(answer) => varying(answer),
        Err(error) => return Err(error),
    };
    if known {
        allow(answer.headers_mut(), origin);
        answer.headers_mut().insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, READ);
    }
    Ok(answer.map_into_left_body())
}

async fn is_known(request: &ServiceRequest, origin: &HeaderValue) -> bool {
    let origin = origin.to_str().ok().and_then(|text| text.parse::<Origin>().ok());
    let (Some(origin), Some(shell)) = (origin, request.app_data::<web::Data<Shell>>()) else { return false };
    match shell.records.is_origin(&origin).await {
        Ok(known) => known,
        Err(cause) => {
            tracing::error!(%cause, "the origins cannot be read");
            false
        }
    }
}

fn allow(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
}

/// Answers differ by origin, also for caches.
fn varying<B>(mut answer: ServiceResponse<B>) -> ServiceResponse<B> {
    answer.headers_mut().append(header::VARY, HeaderValue::from_static("Origin"));
    answer
}

/// What a page may ask at this path; `None` where it may ask nothing.
fn methods(path: &str) -> Option<&'static str> {
    match path {
        "/token" | "/par" | "/revoke" | "/device_authorization" => Some("POST"),
        "/jwks.json" => Some("GET"),
        _ if path.starts_with("/.well-known/oauth-authorization-server") => Some("GET"),
        _ if path.starts_with("/api/v1/") => Some("GET, POST, DELETE"),
        _ => None,
    }
}

const ASKED: HeaderValue = HeaderValue::from_static("authorization, content-type, dpop");
const READ: HeaderValue = HeaderValue::from_static("dpop-nonce, www-authenticate, retry-after");
const TEN_MINUTES: HeaderValue = HeaderValue::from_static("600");
