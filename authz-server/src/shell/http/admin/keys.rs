//! `/admin/api/v1/keys`: the signing keys, their phases, and the next one.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{AdminError, Posted, Presented, object};
use crate::core::bytes::hex;
use crate::core::rotation::{Phase, Purpose};
use crate::core::time::Timestamp;
use crate::shell::Shell;
use crate::shell::signing::SigningFault;

pub(super) fn routes(scope: actix_web::Scope) -> actix_web::Scope {
    scope
        .service(web::resource("/keys").route(web::get().to(list)))
        .service(web::resource("/keys/rotate").route(web::post().to(rotate)))
        .service(web::resource("/keys/{kid}").route(web::delete().to(remove)))
}

/// A signing key, as far as anybody may know it.
#[derive(Serialize)]
struct Shown {
    kid: String,
    purpose: Purpose,
    alg: &'static str,
    phase: Phase,
    made: Timestamp,
    signs_from: Timestamp,
}

/// What `keys rotate` sends.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rotation {
    /// Which purpose; left out: all.
    pub purpose: Option<Purpose>,
    /// Sign with the new key at once, though nobody had time to fetch it.
    pub now: bool,
}

async fn list(who: Presented, shell: web::Data<Shell>) -> Result<HttpResponse, AdminError> {
    who.check(&shell).await?;
    Ok(HttpResponse::Ok().json(shown(&shell)))
}

async fn rotate(who: Presented, shell: web::Data<Shell>, body: Posted<Rotation>) -> Result<HttpResponse, AdminError> {
    who.check(&shell).await?;
    let Rotation { purpose, now } = object(body)?;
    for purpose in Purpose::ALL.into_iter().filter(|each| purpose.is_none_or(|wanted| wanted == *each)) {
        shell.rotate(purpose, now).await?;
    }
    Ok(HttpResponse::Ok().json(shown(&shell)))
}

async fn remove(who: Presented, shell: web::Data<Shell>, kid: web::Path<String>) -> Result<HttpResponse, AdminError> {
    who.check(&shell).await?;
    shell.remove_signing_key(&kid).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn shown(shell: &Shell) -> serde_json::Value {
    let now = shell.now();
    let all = Purpose::ALL.into_iter().flat_map(|purpose| shell.keys.signing.all(purpose, now));
    let keys: Vec<Shown> = all
        .map(|(held, phase)| Shown {
            kid: hex(&held.signer.kid()),
            purpose: held.purpose,
            alg: held.signer.alg().name(),
            phase,
            made: held.made,
            signs_from: held.signs_from,
        })
        .collect();
    json!({ "keys": keys })
}

impl From<SigningFault> for AdminError {
    fn from(fault: SigningFault) -> Self {
        match fault {
            SigningFault::NoSuchKey => Self::NotFound,
            SigningFault::Conflict => Self::Conflict,
            SigningFault::Announced { .. } | SigningFault::TooMany(_) | SigningFault::Signs => {
                Self::NotNow(fault.to_string())
            }
            SigningFault::Store(_) | SigningFault::Keys(_) => Self::Ours(fault.to_string()),
        }
    }
}
