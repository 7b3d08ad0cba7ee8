//! `GET /authorize` and what follows (RFC 6749 §4.1, RFC 8252, RFC 9207): sign-in, the app's consent page, the owners' consent,
//! the redirect. Nothing is stored before somebody has signed in; from then on each step commits before the browser moves on.

use actix_web::{HttpRequest, HttpResponse, web};

use super::answer::Stop;
use super::guard::{BrowserKey, same};
use super::sign_in::{self, STALE, Then, away};
use super::token::peer;
use crate::core::authorize::{self, Denied};
use crate::core::change::{Change, Guard, Key, OnConflict, Rev};
use crate::core::pushed::{self, Asked};
use crate::core::records::{Authorization, Client, Person, Seen, Stage};
use crate::core::redirect;
use crate::core::refusal::{AuthorizationFault, Refusal};
use crate::core::request::AuthorizationRequest;
use crate::shell::Shell;
use crate::shell::form::Form;
use crate::store::facts::Committed;

mod back;
mod case;
mod owners;

pub(super) use back::error_target;
use back::{refuse, refuse_app, refuse_person, untrusted};
use case::Case;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/authorize", web::get().to(start))
        .route("/authorize/{handle}", web::get().to(look))
        .route("/authorize/{handle}", web::post().to(answered));
}

/// `GET /authorize`
async fn start(request: HttpRequest, shell: web::Data<Shell>) -> Result<HttpResponse, Stop> {
    shell.admit(peer(&request), None)?;
    let query = sign_in::query(&request)?;
    let client = match authorize::client_id(&query) {
        Ok(id) => shell.records.find::<Client>(&Key::Client(id)).await?.map(|(client, _)| client),
        Err(_) => None,
    };
    match pushed::read(&query, client.as_ref(), &shell.keys.storage, shell.now()) {
        Ok(asked) if used(&shell, &asked).await? => {
            let refusal = AuthorizationFault::RequestUri.into();
            Ok(match client.is_some_and(|client| client.registered.is_some()) {
                true => untrusted(&shell, &refusal),
                false => refuse_app(&shell, &asked.request, &refusal),
            })
        }
        Ok(asked) => sign_in::depart(&shell, &query, &request.uri().to_string(), Then::App(Box::new(asked))).await,
        Err(Denied::Page(refusal)) => Ok(untrusted(&shell, &refusal)),
        Err(Denied::Redirect { redirect_uri, state, refusal }) => {
            Ok(refuse(&shell, &redirect_uri, state.as_deref(), &refusal, client.as_ref()))
        }
    }
}

/// Whether its reference led somebody here before. Who is still at the provider with it is not told, and stopped on return.
async fn used(shell: &Shell, asked: &Asked) -> Result<bool, Stop> {
    Ok(match &asked.once {
        Some(once) => shell.records.find::<Seen>(&Key::Seen(once.what)).await?.is_some(),
        None => false,
    })
}

/// Somebody signed in for this request.
pub(super) async fn signed_in(
    shell: &Shell,
    browser: &BrowserKey,
    request: AuthorizationRequest,
    person: Person,
) -> Result<HttpResponse, Stop> {
    let case = match Case::gather(shell, request, person).await? {
        Ok(case) => case,
        Err(refused) => return Ok(refused),
    };
    if redirect::is_claimed(&case.client, &case.request.redirect_uri) {
        return case.ask_owners(shell, browser, None).await;
    }
    let life = i64::from(shell.lifetimes.sign_in);
    let record = Authorization {
        id: browser.id(),
        request: case.request,
        stage: Stage::Consenting { person: case.person },
        expires: shell.now().plus(life),
    };
    commit(shell, &[Change::create(record)]).await?;
    Ok(away(&browser.page(), &browser.cookie(life)))
}

/// `GET /authorize/{handle}`: the page of a sign-in under way.
async fn look(request: HttpRequest, handle: web::Path<String>, shell: web::Data<Shell>) -> Result<HttpResponse, Stop> {
    shell.admit(peer(&request), None)?;
    let browser = BrowserKey::of(&request, &handle).ok_or(STALE)?;
    let under_way = UnderWay::find(&shell, &browser).await?;
    match &under_way.record.stage {
        Stage::Consenting { person } => {
            let case = match Case::gather(&shell, under_way.record.request.clone(), person.clone()).await? {
                Ok(case) => case,
                Err(refused) => return Ok(refused),
            };
            Ok(case.consent_page(&shell, &browser))
        }
        Stage::AwaitingOwners { person, requests } => under_way.await_owners(&shell, &browser, person, requests).await,
    }
}

/// `POST /authorize/{handle}`: the person's answer.
async fn answered(
    request: HttpRequest,
    handle: web::Path<String>,
    body: web::Bytes,
    shell: web::Data<Shell>,
) -> Result<HttpResponse, Stop> {
    shell.admit(peer(&request), None)?;
    let browser = BrowserKey::of(&request, &handle).ok_or(STALE)?;
    let form = Form::parse(&body, &[]).map_err(|_| STALE)?;
    let under_way = UnderWay::find(&shell, &browser).await?;
    if !same(form.value("csrf").unwrap_or_default(), &browser.csrf()) {
        return Err(STALE);
    }
    let asked = &under_way.record.request;
    match (&under_way.record.stage, form.value("answer")) {
        (Stage::Consenting { person }, Some("allow")) => {
            match Case::gather(&shell, asked.clone(), person.clone()).await? {
                Ok(case) => case.ask_owners(&shell, &browser, Some(under_way.rev)).await,
                Err(refused) => Ok(refused),
            }
        }
        (Stage::Consenting { person }, Some("deny")) => {
            commit(&shell, &[under_way.delete()]).await?;
            under_way.refuse(&shell, person, AuthorizationFault::PersonRefused).await
        }
        (Stage::AwaitingOwners { person, requests }, Some("deny")) => {
            let mut changes = vec![under_way.delete()];
            changes.extend(requests.iter().map(|id| Change::delete(Key::ConsentRequest(*id))));
            commit(&shell, &changes).await?;
            under_way.refuse(&shell, person, AuthorizationFault::PersonRefused).await
        }
        _ => Err(STALE),
    }
}

/// A sign-in that this browser has under way.
struct UnderWay {
    record: Authorization,
    rev: Rev,
}

impl UnderWay {
    async fn find(shell: &Shell, browser: &BrowserKey) -> Result<Self, Stop> {
        let found = shell.records.find::<Authorization>(&Key::Authorization(browser.id())).await?;
        let (record, rev) = found.filter(|(record, _)| shell.now() < record.expires).ok_or(STALE)?;
        Ok(Self { record, rev })
    }

    /// Its end, once only.
    fn delete(&self) -> Change {
        let mut change = Change::delete(Key::Authorization(self.record.id));
        change.guard = Guard::At(self.rev);
        change
    }

    async fn refuse(&self, shell: &Shell, person: &Person, fault: AuthorizationFault) -> Result<HttpResponse, Stop> {
        refuse_person(shell, &self.record.request, &fault.into(), person).await
    }
}

/// Everything or nothing; a record that moved under us makes the browser's page stale.
pub(super) async fn commit(shell: &Shell, changes: &[Change]) -> Result<(), Stop> {
    match shell.records.commit(changes).await? {
        Committed::Done(_) => Ok(()),
        Committed::Conflict(OnConflict::Retry | OnConflict::Refuse(_)) => Err(STALE),
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Server(fault) => Self::from(fault),
            other => Self::Ours(other.to_string()),
        }
    }
}
