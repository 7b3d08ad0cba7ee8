//! Devices without a browser (RFC 8628): `POST /device_authorization`, and the page where a person types the code. From there it goes on
//! as for an app: consent, owners, policy (`authorize`).

use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use actix_web::{HttpRequest, HttpResponse, web};

use super::answer::{Stop, page};
use super::authorize::commit;
use super::body::Body;
use super::guard::BrowserKey;
use super::nonce;
use super::session::Session;
use super::sign_in::{self, STALE, Then, away};
use super::token::{peer, posted, refused};
use crate::core::authenticate;
use crate::core::change::{Change, Key};
use crate::core::device::{self, Device};
use crate::core::entropy::Os;
use crate::core::records::{Authorization, Client, Person, Stage};
use crate::core::time::Seconds;
use crate::shell::Shell;
use crate::shell::devices::{INTERVAL, SPAN};
use crate::shell::form::Form;
use crate::shell::throttle::Wait;
use crate::shell::token::Denied;
use crate::web::DeviceCode;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/device_authorization")
                .wrap(from_fn(nonce::offer))
                .route(web::post().to(device_authorization)),
        )
        .route("/device", web::get().to(look))
        .route("/device", web::post().to(typed));
}

/// `POST /device_authorization` (§3.1, §3.2)
async fn device_authorization(request: HttpRequest, body: Body, shell: web::Data<Shell>) -> HttpResponse {
    let (from, life, now) = (address(&request), Seconds(shell.lifetimes.device_code), shell.now());
    let codes = match posted(&request, &body, &shell, &["audience"]) {
        Ok(_) if !shell.may_wait(peer(&request)) => Err(Denied::Slow(Wait(SPAN.unsigned_abs()))),
        Ok((presented, form)) => {
            let decide = |client: Option<&Client>| {
                let who = authenticate::by_method(&presented, client, &shell.keys.secrets, &shell.issuer, now)?;
                let (codes, change) = device::ask(&who, &form.pairs(), from, life, now, &mut Os)?;
                let mut changes = who.spend();
                changes.push(change);
                Ok((codes, changes))
            };
            shell.for_client("device authorization", &presented, peer(&request), decide).await
        }
        Err(denied) => Err(denied),
    };
    match codes {
        Ok(codes) => {
            let verification_uri = format!("{}/device", shell.issuer);
            HttpResponse::Ok().json(serde_json::json!({
                "device_code": String::from_utf8_lossy(codes.device_code.expose()),
                "user_code": codes.user_code,
                "verification_uri_complete": format!("{verification_uri}?user_code={}", codes.user_code),
                "verification_uri": verification_uri,
                "expires_in": life.0,
                "interval": INTERVAL,
            }))
        }
        Err(denied) => refused(&denied, false),
    }
}

/// `GET /device`: sign in, then the page for the code.
async fn look(request: HttpRequest, shell: web::Data<Shell>) -> Result<HttpResponse, Stop> {
    shell.admit(peer(&request), None)?;
    let query = sign_in::query(&request)?;
    let code = query.iter().find(|(name, _)| name == "user_code").map(|(_, code)| code.as_str());
    // What is no code of ours is not shown to anybody.
    let code = code.filter(|code| device::name_of(code).is_some());
    match Session::of(&shell, &request, SESSION) {
        Some(session) => Ok(code_page(&session, StatusCode::OK, code, None)),
        None => {
            let then = Then::Device { code: code.map(str::to_owned) };
            sign_in::depart(&shell, &query, &request.uri().to_string(), then).await
        }
    }
}

/// The person signed in.
pub(super) fn signed_in(
    shell: &Shell,
    browser: &BrowserKey,
    person: Person,
    code: Option<&str>,
) -> Result<HttpResponse, Stop> {
    let path = code.map_or("/device".to_owned(), |code| format!("/device?user_code={code}"));
    Session::begin(shell, SESSION, person, i64::from(shell.lifetimes.sign_in), browser, &path)
}

/// `POST /device`: the code, typed.
async fn typed(request: HttpRequest, body: web::Bytes, shell: web::Data<Shell>) -> Result<HttpResponse, Stop> {
    shell.admit(peer(&request), None)?;
    let session = Session::<Person>::of(&shell, &request, SESSION).ok_or(STALE)?;
    let form = Form::parse(&body, &[]).map_err(|_| STALE)?;
    if !session.sent(&form) {
        return Err(STALE);
    }
    let (now, person) = (shell.now(), session.who.clone());
    if !shell.may_type(&person.id.to_string(), peer(&request)) {
        shell.audit.record(&serde_json::json!({
            "at": now, "event": "device code", "outcome": "refused", "reason": "too many tries", "person": person.id,
        }));
        return Ok(code_page(&session, StatusCode::TOO_MANY_REQUESTS, None, Some(TOO_MANY)));
    }
    let found = match form.value("user_code").and_then(device::name_of) {
        Some(name) => shell.records.find::<Device>(&Key::Device(name)).await?,
        None => None,
    };
    let Some((device, _)) = found.filter(|(device, _)| device.waits(now)) else {
        shell.audit.record(&serde_json::json!({
            "at": now, "event": "device code", "outcome": "refused", "reason": "no such code", "person": person.id,
        }));
        return Ok(code_page(&session, StatusCode::NOT_FOUND, None, Some(UNKNOWN)));
    };
    let browser = BrowserKey::fresh(&mut Os)?;
    let record = Authorization {
        id: browser.id(),
        request: device.request(),
        stage: Stage::Consenting { person },
        expires: device.expires,
    };
    commit(&shell, &[Change::create(record)]).await?;
    Ok(away(&browser.page(), &browser.cookie(device.expires.since(now))))
}

/// What a person looks at to know their own device by.
fn address(request: &HttpRequest) -> String {
    peer(request).map(|address| address.to_canonical().to_string()).unwrap_or_default()
}

fn code_page(session: &Session<Person>, status: StatusCode, code: Option<&str>, wrong: Option<&str>) -> HttpResponse {
    let csrf = &session.csrf();
    page(status, &DeviceCode { person: &session.who.name, code: code.unwrap_or_default(), wrong, csrf }, None)
}

const SESSION: &str = "__Host-lw-device";
const UNKNOWN: &str = "No device waits with this code. Look at the device again: the code may have changed.";
const TOO_MANY: &str = "Too many codes were typed. Wait ten minutes, then type the one that the device shows.";
