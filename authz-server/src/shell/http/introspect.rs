//! `POST /introspect` over HTTP: form or CBOR in, JSON or CBOR out (RFC 7662 §2, RFC 9200 §5.9).

use actix_web::{HttpRequest, HttpResponse, web};
use latchwork_ace::IntrospectionRequest;

use super::answer::{ACE_CBOR, wants_cbor};
use super::body::Body;
use super::channel;
use super::token::{authorization, content_type, form_of, peer, refused, unread};
use crate::core::introspect::{Answer, Question};
use crate::core::refusal::Refusal;
use crate::core::request::{Credential, Face, Presented};
use crate::shell::Shell;
use crate::shell::form;
use crate::shell::token::Denied;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/introspect").route(web::post().to(introspect)));
}

async fn introspect(request: HttpRequest, body: Body, shell: web::Data<Shell>) -> HttpResponse {
    let face = if content_type(&request) == ACE_CBOR { Face::CborHttp } else { Face::Form };
    let in_cbor = wants_cbor(&request, face == Face::CborHttp);
    match answered(&request, face, &body, &shell).await {
        Ok(answer) => told(&answer, in_cbor),
        // Not even a reason (RFC 9200 §5.9.3).
        Err(Denied::Refused(Refusal::NotAResourceServer(_))) => HttpResponse::Forbidden().finish(),
        Err(denied) => refused(&denied, in_cbor),
    }
}

async fn answered(request: &HttpRequest, face: Face, body: &[u8], shell: &Shell) -> Result<Answer, Denied> {
    let read = || match face {
        Face::Form => of_form(request, body),
        Face::CborHttp | Face::CborCoap => of_cbor(request, body),
    };
    let (credential, question) = read().map_err(|refusal| unread(request, shell, face, refusal))?;
    let presented = Presented { credential: channel::through(request, credential), proof: None };
    shell.introspect(&presented, &question, peer(request)).await
}

/// `token_type_hint` is not looked at: a token is found as what it is (RFC 7662 §2.1).
fn of_form(request: &HttpRequest, body: &[u8]) -> Result<(Credential, Question), Refusal> {
    let form = form_of(request, body, &[], "neither a form nor application/ace+cbor")?;
    let token = form.value("token").ok_or(Refusal::Malformed("token is missing"))?;
    Ok((form.credential(authorization(request)?)?, Question::of_text(Face::Form, token)))
}

fn of_cbor(request: &HttpRequest, body: &[u8]) -> Result<(Credential, Question), Refusal> {
    let asked = IntrospectionRequest::decode(body).map_err(|_| Refusal::Malformed("not a CBOR question"))?;
    let credential = form::beside_header(Credential::Nothing, authorization(request)?)?;
    Ok((credential, Question::of_bytes(Face::CborHttp, asked.token)))
}

fn told(answer: &Answer, in_cbor: bool) -> HttpResponse {
    if in_cbor {
        HttpResponse::Ok().content_type(ACE_CBOR).body(answer.to_cbor())
    } else {
        HttpResponse::Ok().json(answer.to_json())
    }
}
