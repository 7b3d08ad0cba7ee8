//! `GET /trl` over HTTP: the token revocation list (RFC 9770 §6).
//!
//! Administrators show their bearer token; confidential clients and resource servers their secret (`Basic`), or a client assertion
//! as the bearer token, for a GET has no body to carry one; a person's app its DPoP-bound token of the people API.

use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};

use super::admin::is_admin;
use super::doors::holder;
use super::token::{one_header, peer};
use crate::core::bytes::Hidden;
use crate::core::refusal::{OAuthError, Refusal};
use crate::core::request::{Credential, Presented};
use crate::core::trl::{Query, Refused, Requester, problem};
use crate::shell::form::{basic_credentials, pairs};
use crate::shell::throttle::Wait;
use crate::shell::token::Denied;
use crate::shell::trl::{ACE_TRL_CBOR, PROBLEM_DETAILS_CBOR};
use crate::shell::{Shell, failed};
use crate::store::StoreError;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/trl").route(web::get().to(trl)));
}

async fn trl(request: HttpRequest, shell: web::Data<Shell>) -> HttpResponse {
    match answered(&request, &shell).await {
        Ok(Ok(payload)) => HttpResponse::Ok().content_type(ACE_TRL_CBOR).body(payload),
        Ok(Err(refused)) => {
            tracing::info!(detail = refused.detail, cursor = ?refused.cursor, "a query of the revocation list makes no sense");
            let payload = problem(&refused).unwrap_or_default();
            HttpResponse::BadRequest().content_type(PROBLEM_DETAILS_CBOR).body(payload)
        }
        Err(NoAnswer::Refused(error)) => {
            let mut answer = HttpResponse::build(StatusCode::from_u16(error.http).unwrap_or(StatusCode::BAD_REQUEST));
            if error.http == 401 {
                for scheme in CHALLENGES {
                    answer.append_header((header::WWW_AUTHENTICATE, scheme));
                }
            }
            answer.json(serde_json::json!({ "error": error.name }))
        }
        Err(NoAnswer::Slow(Wait(seconds))) => {
            HttpResponse::TooManyRequests().insert_header((header::RETRY_AFTER, seconds)).finish()
        }
    }
}

async fn answered(request: &HttpRequest, shell: &Shell) -> Result<Result<Vec<u8>, Refused>, NoAnswer> {
    let who = requester(request, shell).await?;
    let pairs = pairs(request.query_string().as_bytes())?;
    let query = Query::new(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    Ok(shell.query_list(&who, &query).await?)
}

async fn requester(request: &HttpRequest, shell: &Shell) -> Result<Requester, NoAnswer> {
    let authorization = one_header(request, header::AUTHORIZATION.as_str());
    let authorization = authorization.ok().flatten().ok_or(Refusal::NotPresented)?;
    let (scheme, value) = authorization.split_once(' ').ok_or(Refusal::NotPresented)?;
    let presented = match scheme.to_ascii_lowercase().as_str() {
        "dpop" => {
            shell.admit(peer(request), None).map_err(NoAnswer::Slow)?;
            let own = holder(request, shell, &Method::GET, "/trl").await;
            return own.map(|(grant, _)| Requester::Grant(grant.id)).map_err(|_| Refusal::NotPresented.into());
        }
        // What has a dot is a JWT; an administrator's token has none.
        "bearer" if !value.contains('.') => {
            return match is_admin(request, shell).await {
                Ok(()) => Ok(Requester::Administrator),
                Err(_) => Err(Refusal::NotPresented.into()),
            };
        }
        "bearer" => Credential::Assertion { id: None, jwt: Hidden::new(value.trim().as_bytes().to_vec()) },
        _ => {
            let (id, secret) = basic_credentials(authorization)?;
            Credential::Secret { id, secret }
        }
    };
    let presented = Presented { credential: presented, proof: None };
    Ok(shell.admitted(&presented, peer(request), shell.requester(&presented)).await?)
}

enum NoAnswer {
    Refused(OAuthError),
    Slow(Wait),
}

impl From<Refusal> for NoAnswer {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal.error())
    }
}

impl From<Denied> for NoAnswer {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Refused(refusal) => refusal.into(),
            Denied::Slow(wait) => Self::Slow(wait),
        }
    }
}

impl From<StoreError> for NoAnswer {
    fn from(cause: StoreError) -> Self {
        failed(cause).into()
    }
}

const CHALLENGES: [&str; 3] =
    ["Basic realm=\"latchwork\", charset=\"UTF-8\"", "Bearer realm=\"latchwork\"", "DPoP algs=\"ES256 EdDSA\""];
