//! `GET /apps`: a person signs in, sees which apps hold grants of theirs and for which doors, and ends them: a lost phone's, say.
//! Nobody sees or ends another person's.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::answer::{Stop, page, see_other};
use super::approvals::{app, posted, session};
use super::grants::{end_own, is_live};
use super::sign_in::{self, Then};
use super::token::peer;
use crate::core::change::Key;
use crate::core::names::Audience;
use crate::core::records::{Client, Door};
use crate::core::revoke::Target;
use crate::shell::Shell;
use crate::web::{Apps, OwnApp, date};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route(PATH, web::get().to(list)).route("/apps/{id}", web::post().to(end));
}

/// `GET /apps`
async fn list(request: HttpRequest, shell: web::Data<Shell>) -> Result<HttpResponse, Stop> {
    shell.admit(peer(&request), None)?;
    let Some(session) = session(&shell, &request) else {
        return sign_in::depart(&shell, &sign_in::query(&request)?, PATH, Then::Apps).await;
    };
    let doors = shell.records.all::<Door>().await?;
    let mut apps = Vec::new();
    for (grant, _) in shell.records.grants_of(&Target::Person(session.who.person.clone())).await? {
        if !is_live(&grant, &shell) {
            continue;
        }
        let client = shell.records.find::<Client>(&Key::Client(grant.client.clone())).await?;
        let members = grant.consented.iter().map(|member| &member.audience);
        apps.push(OwnApp {
            id: grant.id.to_string(),
            app: app(grant.client, client.map(|(client, _)| client)),
            doors: members.filter_map(|audience| title(audience, doors.iter().map(|(door, _)| door))).collect(),
            since: date(grant.created),
            until: date(grant.ends.min(grant.idle_ends)),
            device: grant.jkt.as_ref().map(ToString::to_string),
        });
    }
    let apps = Apps { person: &session.who.name, apps, csrf: &session.csrf() };
    Ok(page(StatusCode::OK, &apps, None))
}

/// `POST /apps/{id}`: ends one's own grant, and the tokens from it.
async fn end(
    request: HttpRequest,
    id: web::Path<String>,
    body: web::Bytes,
    shell: web::Data<Shell>,
) -> Result<HttpResponse, Stop> {
    shell.admit(peer(&request), None)?;
    let (session, _) = posted(&shell, &request, &body)?;
    let ended = end_own(&shell, session.who.person, id.into_inner(), |_| true).await?;
    if ended { Ok(see_other(PATH)) } else { Err(GONE) }
}

/// What people call the place that an audience names; None for our own API, which is no door.
fn title<'d>(audience: &Audience, mut doors: impl Iterator<Item = &'d Door>) -> Option<String> {
    match audience {
        Audience::Lock(lock) => {
            Some(doors.find(|door| door.lock == *lock).map_or_else(|| lock.to_string(), |door| door.title.clone()))
        }
        Audience::Group(group) => Some(group.to_string()),
        _ => None,
    }
}

const PATH: &str = "/apps";

const GONE: Stop = Stop::Theirs {
    title: "This app is gone",
    what: "It was ended already, or it does not act for you.",
    advice: "Open the page of your apps again to see which do.",
};
