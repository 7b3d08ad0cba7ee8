//! A person, an app, the doors asked for, and what each of them takes.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use super::back::{YES_DEVICE, answer_device, refuse_person, target, untrusted};
use super::commit;
use crate::core::authorize::{self, Need};
use crate::core::change::{Change, Guard, Key, Rev};
use crate::core::device::Answer;
use crate::core::entropy::Os;
use crate::core::facts::Target;
use crate::core::names::{Audience, LockName};
use crate::core::records::{Client, GrantKind, Lock, Person};
use crate::core::redirect;
use crate::core::refusal::{AudienceFault, AuthorizationFault, Refusal};
use crate::core::request::AuthorizationRequest;
use crate::core::scope::Scope;
use crate::core::time::Seconds;
use crate::shell::Shell;
use crate::shell::http::answer::{Stop, page};
use crate::shell::http::guard::{BrowserKey, source_of};
use crate::shell::http::sign_in::away;
use crate::web::{Asked, Consent, may, span};

/// Everything a consent is about.
pub(super) struct Case {
    pub(super) client: Client,
    pub(super) request: AuthorizationRequest,
    pub(super) person: Person,
    pub(super) doors: Vec<(Target, Need)>,
}

impl Case {
    /// Reads the records and asks policy. A refusal comes back as the redirect that tells the client.
    pub(super) async fn gather(
        shell: &Shell,
        request: AuthorizationRequest,
        person: Person,
    ) -> Result<Result<Self, HttpResponse>, Stop> {
        let found = shell.records.find::<Client>(&Key::Client(request.client.clone())).await?;
        let Some((client, _)) = found else {
            return Ok(Err(untrusted(shell, &Refusal::UnknownClient(request.client))));
        };
        if !client.is_admitted() {
            return Ok(Err(untrusted(shell, &AuthorizationFault::NotAdmitted.into())));
        }
        // What it may ask can have changed while the person was away.
        let stands = match &request.device {
            Some(_) => client.grants.contains(&GrantKind::DeviceCode),
            None => redirect::is_registered(&client, &request.redirect_uri),
        };
        if !stands {
            return Ok(Err(untrusted(shell, &AuthorizationFault::Redirect.into())));
        }
        let now = shell.now();
        let mut doors = Vec::new();
        if request.audience.is_empty() {
            // No door named: every door that is open to this person without asking anybody.
            for (lock, _) in shell.records.all::<Lock>().await? {
                let Some(target) = shell.records.target(&lock.name, Some(&person.id)).await? else { continue };
                let targets = std::slice::from_ref(&target);
                let needs =
                    authorize::consents_needed(&request.scope, &client, &person, targets, shell.policy.as_ref(), now);
                if let Some(Need::Nothing(scope)) = needs.ok().and_then(|needs| needs.into_iter().next()) {
                    doors.push((target, Need::Nothing(scope)));
                }
                if doors.len() == MAX_DOORS {
                    break;
                }
            }
            return Ok(Ok(Self { client, request, person, doors }));
        }
        let mut targets = Vec::new();
        for lock in &request.audience {
            match shell.records.target(lock, Some(&person.id)).await? {
                Some(target) => targets.push(target),
                None => {
                    let unknown = AudienceFault::Unknown(Audience::Lock(lock.clone()).to_string());
                    return refuse_person(shell, &request, &unknown.into(), &person).await.map(Err);
                }
            }
        }
        match authorize::consents_needed(&request.scope, &client, &person, &targets, shell.policy.as_ref(), now) {
            Ok(needs) => doors.extend(targets.into_iter().zip(needs)),
            Err(refusal) => return refuse_person(shell, &request, &refusal, &person).await.map(Err),
        }
        Ok(Ok(Self { client, request, person, doors }))
    }

    pub(super) fn consent_page(&self, shell: &Shell, browser: &BrowserKey) -> HttpResponse {
        let asked = |(target, need): &(Target, Need)| Asked {
            title: target.door.title.clone(),
            may: match need {
                Need::Nothing(scope) | Need::Owner(scope) => capital(&may(scope)),
            },
            asks_owner: matches!(need, Need::Owner(_)),
        };
        let consent = Consent {
            person: &self.person.name,
            app: &self.client.title,
            client: self.client.id.as_str(),
            target: &self.request.redirect_uri,
            device: self.request.device.as_ref().map(|asking| asking.from.as_str()),
            doors: self.doors.iter().map(asked).collect(),
            duration: span(i64::from(shell.lifetimes.grant)),
            action: &browser.page(),
            csrf: &browser.csrf(),
        };
        page(StatusCode::OK, &consent, source_of(&self.request.redirect_uri).as_deref())
    }

    /// Everybody agreed: the code, and away with it.
    pub(super) async fn finish(
        self,
        shell: &Shell,
        browser: &BrowserKey,
        rev: Option<Rev>,
    ) -> Result<HttpResponse, Stop> {
        let (mut granted, mut still): (Vec<(LockName, Scope)>, _) = (Vec::new(), Vec::new());
        for (target, need) in &self.doors {
            match need {
                Need::Nothing(scope) => {
                    granted.push((target.lock.name.clone(), scope.clone()));
                    // A lock that is removed at this moment is in no code.
                    still.push(Change::still(Key::Lock(target.lock.name.clone()), target.rev));
                }
                Need::Owner(_) => {
                    let refusal = AuthorizationFault::OwnerRefused.into();
                    return refuse_person(shell, &self.request, &refusal, &self.person).await;
                }
            }
        }
        let (now, life) = (shell.now(), Seconds(shell.lifetimes.code));
        let (code, change) = authorize::code(&self.request, &self.person, &granted, life, now, &mut Os)?;
        let mut changes = still;
        changes.push(change);
        if let Some(rev) = rev {
            let mut end = Change::delete(Key::Authorization(browser.id()));
            end.guard = Guard::At(rev);
            changes.push(end);
        }
        if let Some(asking) = &self.request.device {
            changes.push(answer_device(shell, asking, Answer::Yes).await?);
        }
        commit(shell, &changes).await?;
        shell.audit.record(&serde_json::json!({
            "at": shell.now(), "event": "authorization", "outcome": "granted", "client": self.client.id,
            "person": self.person.id, "doors": granted.iter().map(|(lock, _)| lock).collect::<Vec<_>>(),
        }));
        if self.request.device.is_some() {
            let mut answer = page(StatusCode::OK, &YES_DEVICE, None);
            answer.add_cookie(&browser.cookie(0)).map_err(|cause| Stop::Ours(cause.to_string()))?;
            return Ok(answer);
        }
        let code = String::from_utf8_lossy(code.expose()).into_owned();
        let target = target(shell, &self.request.redirect_uri, &[("code", &code)], self.request.state.as_deref());
        Ok(away(&target, &browser.cookie(0)))
    }
}

pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// As many as a request may name.
const MAX_DOORS: usize = 32;
