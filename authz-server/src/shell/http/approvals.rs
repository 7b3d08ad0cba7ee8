//! `GET /approvals`: an owner signs in, sees what is asked of the own doors, and answers. Nobody sees or answers for another's door.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::answer::{Stop, page, see_other};
use super::authorize::commit;
use super::guard::{BrowserKey, cookie};
use super::session::Session;
use super::sign_in::{self, Then};
use super::token::peer;
use crate::core::authorize;
use crate::core::bytes::Hash32;
use crate::core::change::Key;
use crate::core::names::{ClientId, PersonId};
use crate::core::records::{Client, ConsentRequest, Door, Person};
use crate::shell::Shell;
use crate::shell::form::Form;
use crate::web::{App, Approvals, Question, date, may};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/approvals", web::get().to(list))
        .route("/approvals/sign-out", web::post().to(sign_out))
        .route("/approvals/{id}", web::post().to(answered));
}

/// `GET /approvals`
async fn list(request: HttpRequest, shell: web::Data<Shell>) -> Result<HttpResponse, Stop> {
    shell.admit(peer(&request), None)?;
    let Some(session) = session(&shell, &request) else {
        return sign_in::depart(&shell, &sign_in::query(&request)?, "/approvals", Then::Approvals).await;
    };
    let now = shell.now();
    let doors: Vec<Door> = shell
        .records
        .all::<Door>()
        .await?
        .into_iter()
        .map(|(door, _)| door)
        .filter(|door| door.owners.contains(&session.who.person))
        .collect();
    let mut requests = Vec::new();
    for (question, _) in shell.records.all::<ConsentRequest>().await? {
        let Some(door) = doors.iter().find(|door| door.name == question.door) else { continue };
        if !authorize::may_answer(&question, door, &session.who.person, now) {
            continue;
        }
        let client = shell.records.find::<Client>(&Key::Client(question.client.clone())).await?;
        requests.push(Question {
            id: question.id.to_string(),
            door: door.title.clone(),
            asker: question.asker.name.clone(),
            asker_id: question.asker.id.to_string(),
            app: app(question.client, client.map(|(client, _)| client)),
            may: may(&question.scope),
            until: date(question.until),
        });
    }
    let approvals = Approvals {
        person: &session.who.name,
        person_id: &session.who.person.to_string(),
        owned: doors.into_iter().map(|door| door.title).collect(),
        requests,
        csrf: &session.csrf(),
    };
    Ok(page(StatusCode::OK, &approvals, None))
}

/// An app as people see it: two may have one title, and one that registered itself chose its own.
pub(super) fn app(id: ClientId, client: Option<Client>) -> App {
    let itself = client.as_ref().is_some_and(|client| client.registered.is_some());
    App { title: client.map_or_else(|| id.to_string(), |client| client.title), id: id.to_string(), itself }
}

/// `POST /approvals/{id}`: the owner's answer.
async fn answered(
    request: HttpRequest,
    id: web::Path<String>,
    body: web::Bytes,
    shell: web::Data<Shell>,
) -> Result<HttpResponse, Stop> {
    shell.admit(peer(&request), None)?;
    let (session, form) = posted(&shell, &request, &body)?;
    let yes = match form.value("answer") {
        Some("allow") => true,
        Some("deny") => false,
        _ => return Err(ENDED),
    };
    let id = Hash32::from_text(&id).ok_or(GONE)?;
    let (question, rev) = shell.records.find::<ConsentRequest>(&Key::ConsentRequest(id)).await?.ok_or(GONE)?;
    let (door, _) = shell.records.find::<Door>(&Key::Door(question.door.clone())).await?.ok_or(GONE)?;
    let changes = authorize::answer(&question, rev, &door, &session.who.person, yes, shell.now()).ok_or(GONE)?;
    commit(&shell, &changes).await?;
    shell.audit.record(&serde_json::json!({
        "at": shell.now(), "event": "owner's consent", "outcome": if yes { "granted" } else { "refused" },
        "door": question.door, "owner": session.who.person, "person": question.asker.id, "client": question.client,
        "until": question.until,
    }));
    Ok(see_other("/approvals"))
}

/// `POST /approvals/sign-out`
async fn sign_out(request: HttpRequest, body: web::Bytes, shell: web::Data<Shell>) -> Result<HttpResponse, Stop> {
    posted(&shell, &request, &body)?;
    let message = crate::web::Message {
        title: "Signed out",
        what: "This browser no longer answers for your doors, nor ends your apps.",
        link: Some(("/approvals", "Sign in again")),
        ..Default::default()
    };
    let mut answer = page(StatusCode::OK, &message, None);
    answer.add_cookie(&cookie(SESSION.to_owned(), String::new(), 0)).map_err(|cause| Stop::Ours(cause.to_string()))?;
    Ok(answer)
}

/// Somebody signed in, to see the page at `path`.
pub(super) fn signed_in(shell: &Shell, browser: &BrowserKey, person: Person, path: &str) -> Result<HttpResponse, Stop> {
    let owner = Owner { person: person.id, name: person.name };
    Session::begin(shell, SESSION, owner, i64::from(shell.lifetimes.session), browser, path)
}

/// Who answers for doors and ends apps.
#[derive(Serialize, Deserialize)]
pub(super) struct Owner {
    pub(super) person: PersonId,
    /// What their provider calls them.
    pub(super) name: String,
}

/// Who signed in here.
pub(super) fn session(shell: &Shell, request: &HttpRequest) -> Option<Session<Owner>> {
    Session::of(shell, request, SESSION)
}

/// The same for a form, which must come from a page of ours.
pub(super) fn posted(shell: &Shell, request: &HttpRequest, body: &[u8]) -> Result<(Session<Owner>, Form), Stop> {
    let session = session(shell, request).ok_or(ENDED)?;
    let form = Form::parse(body, &[]).map_err(|_| ENDED)?;
    if session.sent(&form) { Ok((session, form)) } else { Err(ENDED) }
}

const SESSION: &str = "__Host-lw-session";

const ENDED: Stop = Stop::Theirs {
    title: "You are not signed in any more",
    what: "Your answer was not taken.",
    advice: "Open the page again, sign in, and answer there.",
};

const GONE: Stop = Stop::Theirs {
    title: "This question is gone",
    what: "It was answered already, nobody waits for it any more, or it is not about a door of yours.",
    advice: "Open the approvals page again to see what is still asked.",
};
