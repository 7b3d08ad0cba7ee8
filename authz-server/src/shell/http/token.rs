//! `POST /token` over HTTP: form or CBOR in, JSON or CBOR out (RFC 6749 §5, RFC 9200 §5.8).

use std::net::IpAddr;

use actix_web::http::{StatusCode, header};
use actix_web::middleware::from_fn;
use actix_web::{HttpRequest, HttpResponse, web};
use latchwork_ace::ErrorResponse;
use latchwork_ace::registry::ErrorCode;

use super::answer::{ACE_CBOR, wants_cbor};
use super::body::Body;
use super::{channel, nonce};
use crate::core::refusal::{OAuthError, ProofFault, Refusal};
use crate::core::request::{Face, Presented, Proof, TokenRequest};
use crate::core::response::IssuedResponse;
use crate::shell::form::Form;
use crate::shell::throttle::Wait;
use crate::shell::token::Denied;
use crate::shell::{Shell, cbor, form};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/token").wrap(from_fn(nonce::offer)).route(web::post().to(token)));
}

async fn token(request: HttpRequest, body: Body, shell: web::Data<Shell>) -> HttpResponse {
    let face = match content_type(&request).as_str() {
        ACE_CBOR => Face::CborHttp,
        _ => Face::Form,
    };
    let in_cbor = wants_cbor(&request, face == Face::CborHttp);
    let from = peer(&request);
    let decided = match read(&request, face, &body, &shell) {
        Ok((presented, asked)) => shell.token(&presented, &asked, from).await,
        Err(refusal) => Err(unread(&request, &shell, face, refusal)),
    };
    match decided {
        Ok(issued) => granted(&issued, in_cbor),
        Err(denied) => refused(&denied, in_cbor),
    }
}

/// A form that a client posts to one of the endpoints where it authenticates, and how it does.
pub(super) fn posted(
    request: &HttpRequest,
    body: &[u8],
    shell: &Shell,
    repeatable: &[&str],
) -> Result<(Presented, Form), Denied> {
    let read = || {
        let form = form_of(request, body, repeatable, "not a form")?;
        let credential = channel::through(request, form.credential(authorization(request)?)?);
        Ok((Presented { credential, proof: proof(request, shell)? }, form))
    };
    read().map_err(|refusal| unread(request, shell, Face::Form, refusal))
}

/// The form that was posted; `otherwise` is what to say of any other content.
pub(super) fn form_of(
    request: &HttpRequest,
    body: &[u8],
    repeatable: &[&str],
    otherwise: &'static str,
) -> Result<Form, Refusal> {
    match content_type(request).as_str() {
        FORM => Form::parse(body, repeatable),
        _ => Err(Refusal::Malformed(otherwise)),
    }
}

/// What cannot be read counts for its address all the same.
pub(super) fn unread(request: &HttpRequest, shell: &Shell, face: Face, refusal: Refusal) -> Denied {
    match shell.admit(peer(request), None) {
        Ok(()) => shell.unread(face, None, refusal),
        Err(wait) => Denied::Slow(wait),
    }
}

/// The answer to a client that gets nothing.
pub(super) fn refused(denied: &Denied, in_cbor: bool) -> HttpResponse {
    match denied {
        Denied::Refused(refusal) => error(&refusal.error(), in_cbor, None),
        Denied::Slow(wait) => error(&OAuthError::TOO_MANY, in_cbor, Some(*wait)),
    }
}

pub(super) fn authorization(request: &HttpRequest) -> Result<Option<&str>, Refusal> {
    one_header(request, header::AUTHORIZATION.as_str())
        .map_err(|()| Refusal::Malformed("Authorization is not one line of text"))
}

/// The DPoP proof beside a request to this very path.
fn proof(request: &HttpRequest, shell: &Shell) -> Result<Option<Proof>, Refusal> {
    let header = one_header(request, "dpop").map_err(|()| Refusal::Proof(ProofFault::Malformed))?;
    Ok(header.map(|jwt| Proof {
        jwt: jwt.to_owned(),
        method: "POST".to_owned(),
        url: channel::endpoint(request, shell, request.path()),
        nonces: shell.nonces(),
    }))
}

fn read(request: &HttpRequest, face: Face, body: &[u8], shell: &Shell) -> Result<(Presented, TokenRequest), Refusal> {
    let authorization = authorization(request)?;
    let (asked, credential) = match face {
        Face::Form => {
            let form = form_of(request, body, &TokenRequest::MAY_REPEAT, "neither a form nor application/ace+cbor")?;
            (form.token_request()?, form.credential(authorization)?)
        }
        Face::CborHttp | Face::CborCoap => {
            let (asked, inside) = cbor::token_request(face, body)?;
            (asked, form::beside_header(inside, authorization)?)
        }
    };
    Ok((Presented { credential: channel::through(request, credential), proof: proof(request, shell)? }, asked))
}

/// The value of a header that may come once: `Err` when it comes twice or is no text.
pub(super) fn one_header<'r>(request: &'r HttpRequest, name: &str) -> Result<Option<&'r str>, ()> {
    let mut values = request.headers().get_all(name);
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| ()),
        (Some(_), Some(_)) => Err(()),
    }
}

/// Where the request came from. Only the plain listener, which a reverse proxy on this machine uses, believes `X-Forwarded-For`,
/// and of that the entry which the proxy itself wrote.
pub(super) fn peer(request: &HttpRequest) -> Option<IpAddr> {
    let direct = request.peer_addr().map(|peer| peer.ip());
    if request.app_config().secure() {
        return direct;
    }
    let forwarded = request.headers().get_all("x-forwarded-for").last().and_then(|value| value.to_str().ok());
    forwarded.and_then(|list| list.rsplit(',').next()).and_then(|last| last.trim().parse().ok()).or(direct)
}

pub(super) fn content_type(request: &HttpRequest) -> String {
    let value = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn granted(issued: &IssuedResponse, in_cbor: bool) -> HttpResponse {
    match (in_cbor || issued.is_cbor_only()).then(|| issued.to_cbor()).flatten() {
        Some(body) => HttpResponse::Ok().content_type(ACE_CBOR).body(body),
        None => HttpResponse::Ok().json(issued.to_json()),
    }
}

fn error(error: &OAuthError, in_cbor: bool, wait: Option<Wait>) -> HttpResponse {
    let mut answer = HttpResponse::build(StatusCode::from_u16(error.http).unwrap_or(StatusCode::BAD_REQUEST));
    if error.http == 401 {
        answer.insert_header((header::WWW_AUTHENTICATE, "Basic realm=\"latchwork\", charset=\"UTF-8\""));
    }
    if let Some(Wait(seconds)) = wait {
        answer.insert_header((header::RETRY_AFTER, seconds));
    }
    if *error == OAuthError::USE_DPOP_NONCE {
        answer.extensions_mut().insert(nonce::Wanted);
    }
    if in_cbor {
        let mut buffer = [0; 64];
        let body = ErrorResponse::new(ErrorCode(error.number.into())).encode(&mut buffer).unwrap_or_default().to_vec();
        return answer.content_type(ACE_CBOR).body(body);
    }
    answer.json(serde_json::json!({ "error": error.name }))
}

const FORM: &str = "application/x-www-form-urlencoded";
