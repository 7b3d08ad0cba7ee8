//! `GET /api/v1/doors`: a person's own doors, for the app that holds the person's grant. `Authorization: DPoP` (RFC 9449 §7).

use actix_web::http::{Method, header};
use actix_web::middleware::from_fn;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::nonce;
use super::token::{one_header, peer, refused};
use crate::core::api_token::{self, ApiRefusal};
use crate::core::authorize::{self, Need};
use crate::core::bytes::{Hash32, base64url};
use crate::core::change::Key;
use crate::core::names::{Audience, DoorName};
use crate::core::negotiate;
use crate::core::records::{Client, Grant, Lock, TokenRecord};
use crate::core::refusal::ProofFault;
use crate::core::request::Proof;
use crate::shell::Shell;
use crate::shell::throttle::Wait;
use crate::shell::token::Denied;
use crate::store::StoreError;
use crate::store::facts::Committed;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/api/v1/doors").wrap(from_fn(nonce::offer)).route(web::get().to(doors)));
}

/// A door as the app sees it.
#[derive(Serialize)]
struct OwnDoor {
    name: DoorName,
    title: String,
    audience: Audience,
    address: String,
    as_uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rs_cnf: Option<serde_json::Value>,
    scopes: String,
    profile: &'static str,
    state: State,
}

/// What it takes to open the door.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// Nothing: the grant has it, a refresh gives the token.
    Granted,
    /// A sign-in that names its audience.
    Available,
    /// The same, and an owner's yes.
    NeedsConsent,
}

async fn doors(request: HttpRequest, shell: web::Data<Shell>) -> Result<HttpResponse, NoDoors> {
    shell.admit(peer(&request), None).map_err(NoDoors::Slow)?;
    let (grant, app) = holder(&request, &shell, &Method::GET, "/api/v1/doors").await?;
    let mut own = Vec::new();
    for (lock, _) in shell.records.all::<Lock>().await? {
        let Some(target) = shell.records.target(&lock.name, Some(&grant.person.id)).await? else { continue };
        let targets = std::slice::from_ref(&target);
        let policy = shell.policy.as_ref();
        let audience = lock.audience();
        let member = grant.consented.iter().find(|member| member.audience == audience);
        if member.is_none() && !app.sees_beyond_its_grant() {
            continue;
        }
        // Of a door in the grant, what the grant has of it; of another, all that there is.
        let asked = member.map(|member| member.scope.clone()).unwrap_or_default();
        let needs = authorize::consents_needed(&asked, &app, &grant.person, targets, policy, shell.now());
        let Some(need) = needs.ok().and_then(|needs| needs.into_iter().next()) else { continue };
        let (scopes, state) = match (need, member) {
            (Need::Nothing(scope), Some(_)) => (scope, State::Granted),
            (Need::Nothing(scope), None) => (scope, State::Available),
            (Need::Owner(scope), _) => (scope, State::NeedsConsent),
        };
        // A door for which this app gets no token whatever it asks is none of its doors.
        let Some(profile) = negotiate::offered(&lock, &app.profiles) else { continue };
        own.push(OwnDoor {
            name: target.door.name,
            title: target.door.title,
            audience,
            address: lock.address,
            as_uri: format!("{}/token", shell.issuer),
            rs_cnf: lock.credential.map(|ccs| serde_json::json!({ "kccs": base64url(&ccs.0) })),
            scopes: scopes.to_string(),
            profile: profile.number().name().unwrap_or_default(),
            state,
        });
    }
    Ok(HttpResponse::Ok().json(own))
}

/// The grant behind the request, which is spent so that it cannot be replayed, and the app that holds it.
pub(super) async fn holder(
    request: &HttpRequest,
    shell: &Shell,
    method: &Method,
    path: &str,
) -> Result<(Grant, Client), NoDoors> {
    let authorization = one_header(request, header::AUTHORIZATION.as_str()).map_err(|()| ApiRefusal::NotOurs)?;
    let (scheme, token) = authorization.and_then(|value| value.split_once(' ')).ok_or(NoDoors::Nothing)?;
    if !scheme.eq_ignore_ascii_case("DPoP") {
        return Err(NoDoors::Nothing);
    }
    let jwt = one_header(request, "dpop").map_err(|()| ProofFault::Malformed).map_err(ApiRefusal::Proof)?;
    let proof = Proof {
        jwt: jwt.ok_or(ApiRefusal::Proof(ProofFault::Missing))?.to_owned(),
        method: method.to_string(),
        url: format!("{}{path}", shell.issuer),
        nonces: shell.nonces(),
    };
    let now = shell.now();
    let holder = api_token::check(token, &proof, &shell.issuer, &shell.keys.api_published(now), now)?;
    match shell.records.commit(&[holder.key.spend()]).await? {
        Committed::Done(_) => {}
        Committed::Conflict(_) => return Err(ApiRefusal::Proof(ProofFault::Replayed).into()),
    }
    let hash = Hash32::of(&[token.as_bytes()]);
    let issued = shell.records.find::<TokenRecord>(&Key::Token(hash)).await?;
    if !issued.is_some_and(|(record, _)| record.is_live(now)) {
        return Err(ApiRefusal::NotOurs.into());
    }
    let found = shell.records.find::<Grant>(&Key::Grant(holder.grant)).await?;
    let live = |grant: &Grant| grant.revoked.is_none() && now < grant.ends && grant.client == holder.client;
    let grant = found.map(|(grant, _)| grant).filter(live).ok_or(ApiRefusal::NotOurs)?;
    let app = shell.records.find::<Client>(&Key::Client(grant.client.clone())).await?;
    let (app, _) = app.ok_or(ApiRefusal::NotOurs)?;
    Ok((grant, app))
}

/// Why a request at the people API is not answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoDoors {
    #[error("no credential")]
    Nothing,
    #[error(transparent)]
    Refused(#[from] ApiRefusal),
    #[error("too many requests")]
    Slow(Wait),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl actix_web::ResponseError for NoDoors {
    fn error_response(&self) -> HttpResponse {
        let challenge = |error: &str| format!("DPoP algs=\"ES256 EdDSA\"{error}");
        let (error, challenge) = match self {
            Self::Nothing => ("invalid_token", challenge("")),
            Self::Refused(ApiRefusal::Proof(ProofFault::NonceMissing | ProofFault::Nonce)) => {
                let mut answer = HttpResponse::Unauthorized();
                answer.extensions_mut().insert(nonce::Wanted);
                return answer
                    .insert_header((header::WWW_AUTHENTICATE, challenge(", error=\"use_dpop_nonce\"")))
                    .json(serde_json::json!({ "error": "use_dpop_nonce" }));
            }
            Self::Refused(ApiRefusal::Proof(_)) => ("invalid_dpop_proof", challenge(", error=\"invalid_dpop_proof\"")),
            Self::Refused(_) => ("invalid_token", challenge(", error=\"invalid_token\"")),
            Self::Slow(wait) => return refused(&Denied::Slow(*wait), false),
            Self::Store(cause) => {
                tracing::error!(%cause, "the store failed");
                return HttpResponse::InternalServerError().json(serde_json::json!({ "error": "server_error" }));
            }
        };
        HttpResponse::Unauthorized()
            .insert_header((header::WWW_AUTHENTICATE, challenge))
            .json(serde_json::json!({ "error": error }))
    }
}
