//! `GET /authorize` and what follows (RFC 6749 §4.1, RFC 8252, RFC 9207): sign-in, the app's consent page, the owners' consent,
//! the redirect. Each step commits before the browser moves on.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use openidconnect::url::form_urlencoded;

use super::answer::{Stop, page, see_other};
use super::guard::{BrowserKey, same, source_of};
use super::sign_in::{self, Purpose, Returned, STALE, away, choose, state_hash};
use super::token::peer;
use crate::core::authorize::{self, Denied, Need};
use crate::core::bytes::Hash32;
use crate::core::change::{Change, Guard, Key, OnConflict, Rev};
use crate::core::entropy::{Os, fresh};
use crate::core::facts::Target;
use crate::core::names::{Audience, LockName};
use crate::core::records::{Answer, Authorization, Client, ConsentRequest, Door, Lock, Person, Stage};
use crate::core::redirect;
use crate::core::refusal::{AudienceFault, AuthorizationFault, OAuthError, Refusal};
use crate::core::request::AuthorizationRequest;
use crate::core::scope::Scope;
use crate::core::time::Seconds;
use crate::shell::Shell;
use crate::shell::form::Form;
use crate::store::facts::Committed;
use crate::web::{Asked, Awaited, Consent, Message, Waiting, date, may, span};

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
    let asked = match authorize::check(&query, client.as_ref()) {
        Ok(asked) => asked,
        Err(Denied::Page(refusal)) => return Ok(untrusted(&shell, &refusal)),
        Err(Denied::Redirect { redirect_uri, state, refusal }) => {
            return Ok(refuse(&shell, &redirect_uri, state.as_deref(), &refusal, client.as_ref(), None));
        }
    };
    let named = query.iter().find(|(name, _)| name == sign_in::PROVIDER).map(|(_, value)| value.as_str());
    let provider = match choose(&shell, named, &request.uri().to_string()) {
        Ok(provider) => provider,
        Err(page) => return Ok(*page),
    };
    let browser = BrowserKey::fresh(&mut Os)?;
    let departure = match sign_in::depart(&shell, provider, Purpose::App, &browser).await {
        Ok(departure) => departure,
        Err(error) => {
            let back = error_target(&shell, &asked.redirect_uri, asked.state.as_deref(), "temporarily_unavailable");
            return Ok(sign_in::failed(&shell, provider.name(), &error, Some((&back, "Back to the app"))));
        }
    };
    let life = i64::from(shell.lifetimes.sign_in);
    let record = Authorization {
        id: browser.id(),
        request: asked,
        stage: Stage::AtProvider {
            provider: provider.name().to_owned(),
            state: state_hash(&departure.state),
            nonce: departure.nonce.clone(),
            verifier: departure.verifier.clone(),
        },
        expires: shell.now().plus(life),
    };
    commit(&shell, &[Change::create(record)]).await?;
    Ok(away(&departure.url, &browser.cookie(life)))
}

/// The provider sent the browser back.
pub(super) async fn signed_in(
    shell: &Shell,
    browser: &BrowserKey,
    state: &str,
    returned: Returned<'_>,
) -> Result<HttpResponse, Stop> {
    let under_way = UnderWay::find(shell, browser).await?;
    let Stage::AtProvider { provider, state: expected, nonce, verifier } = &under_way.record.stage else {
        return Err(STALE);
    };
    if provider != returned.provider.name() || *expected != state_hash(state) {
        return Err(STALE);
    }
    // Spent before it is used: whoever comes second with this state finds nothing.
    commit(shell, &[under_way.delete()]).await?;
    let request = under_way.record.request.clone();
    let person = match returned.person(shell, nonce, verifier).await {
        Ok(person) => person,
        Err(error) => {
            let back = error_target(shell, &request.redirect_uri, request.state.as_deref(), "access_denied");
            return Ok(sign_in::failed(shell, returned.provider.name(), &error, Some((&back, "Back to the app"))));
        }
    };
    let case = match Case::gather(shell, request, person).await? {
        Ok(case) => case,
        Err(refused) => return Ok(refused),
    };
    if redirect::is_claimed(&case.client, &case.request.redirect_uri) {
        return case.ask_owners(shell, browser, None).await;
    }
    let csrf = Hash32::of(&[browser.csrf().as_bytes()]);
    let stage = Stage::Consenting { person: case.person.clone(), csrf };
    let life = i64::from(shell.lifetimes.sign_in);
    let record =
        Authorization { id: browser.id(), request: case.request.clone(), stage, expires: shell.now().plus(life) };
    commit(shell, &[Change::create(record)]).await?;
    Ok(away(&browser.page(), &browser.cookie(life)))
}

/// `GET /authorize/{handle}`: the page of a sign-in under way.
async fn look(request: HttpRequest, handle: web::Path<String>, shell: web::Data<Shell>) -> Result<HttpResponse, Stop> {
    shell.admit(peer(&request), None)?;
    let browser = BrowserKey::of(&request, &handle).ok_or(STALE)?;
    let under_way = UnderWay::find(&shell, &browser).await?;
    match &under_way.record.stage {
        Stage::AtProvider { .. } => Err(STALE),
        Stage::Consenting { person, .. } => {
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
    let token = form.value("csrf").unwrap_or_default();
    if !same(token, &browser.csrf()) {
        return Err(STALE);
    }
    let asked = &under_way.record.request;
    match (&under_way.record.stage, form.value("answer")) {
        (Stage::Consenting { person, csrf }, Some("allow")) if *csrf == Hash32::of(&[token.as_bytes()]) => {
            match Case::gather(&shell, asked.clone(), person.clone()).await? {
                Ok(case) => case.ask_owners(&shell, &browser, Some(under_way.rev)).await,
                Err(refused) => Ok(refused),
            }
        }
        (Stage::Consenting { person, .. }, Some("deny")) => {
            commit(&shell, &[under_way.delete()]).await?;
            Ok(under_way.refuse(&shell, person, AuthorizationFault::PersonRefused))
        }
        (Stage::AwaitingOwners { person, requests }, Some("deny")) => {
            let mut changes = vec![under_way.delete()];
            changes.extend(requests.iter().map(|id| Change::delete(Key::ConsentRequest(*id))));
            commit(&shell, &changes).await?;
            Ok(under_way.refuse(&shell, person, AuthorizationFault::PersonRefused))
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

    fn refuse(&self, shell: &Shell, person: &Person, fault: AuthorizationFault) -> HttpResponse {
        let asked = &self.record.request;
        refuse_person(shell, asked, &fault.into(), person)
    }

    async fn await_owners(
        &self,
        shell: &Shell,
        browser: &BrowserKey,
        person: &Person,
        requests: &[Hash32],
    ) -> Result<HttpResponse, Stop> {
        let now = shell.now();
        let mut doors = Vec::new();
        let (mut waiting, mut denied) = (false, false);
        for id in requests {
            let Some((question, _)) = shell.records.find::<ConsentRequest>(&Key::ConsentRequest(*id)).await? else {
                denied = true;
                continue;
            };
            let (state, class) = match question.state {
                Answer::Waiting if now < question.expires => ("Waiting for the owner", "waiting"),
                Answer::Granted { .. } => ("The owner said yes", "granted"),
                Answer::Waiting | Answer::Denied { .. } => ("The owner said no", "denied"),
            };
            waiting |= class == "waiting";
            denied |= class == "denied";
            let door = shell.records.find::<Door>(&Key::Door(question.door.clone())).await?;
            let title = door.map_or_else(|| question.door.to_string(), |(door, _)| door.title);
            doors.push(Awaited { title, may: capital(&may(&question.scope)), state, class });
        }
        if denied {
            commit(shell, &[self.delete()]).await?;
            return Ok(self.refuse(shell, person, AuthorizationFault::OwnerRefused));
        }
        let case = match Case::gather(shell, self.record.request.clone(), person.clone()).await? {
            Ok(case) => case,
            Err(refused) => return Ok(refused),
        };
        if waiting {
            let waiting = Waiting {
                person: &person.name,
                app: &case.client.title,
                doors,
                until: date(self.record.expires),
                action: &browser.page(),
                csrf: &browser.csrf(),
            };
            return Ok(page(StatusCode::OK, &waiting, source_of(&self.record.request.redirect_uri).as_deref()));
        }
        case.finish(shell, browser, Some(self.rev)).await
    }
}

/// A person, an app, the doors asked for, and what each of them takes.
struct Case {
    client: Client,
    request: AuthorizationRequest,
    person: Person,
    doors: Vec<(Target, Need)>,
}

impl Case {
    /// Reads the records and asks policy. A refusal comes back as the redirect that tells the client.
    async fn gather(
        shell: &Shell,
        request: AuthorizationRequest,
        person: Person,
    ) -> Result<Result<Self, HttpResponse>, Stop> {
        let found = shell.records.find::<Client>(&Key::Client(request.client.clone())).await?;
        let Some((client, _)) = found else {
            return Ok(Err(untrusted(shell, &Refusal::UnknownClient(request.client))));
        };
        let now = shell.now();
        let refused = |refusal: &Refusal| Ok(Err(refuse_person(shell, &request, refusal, &person)));
        let mut doors = Vec::new();
        if request.audience.is_empty() {
            // No door named: every door that is open to this person without asking anybody.
            for (lock, _) in shell.records.all::<Lock>().await? {
                let Some(target) = shell.records.target(&lock.name, Some(&person.id)).await? else { continue };
                let targets = std::slice::from_ref(&target);
                let needs = authorize::consents_needed(&request, &client, &person, targets, shell.policy.as_ref(), now);
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
                    return refused(&unknown.into());
                }
            }
        }
        match authorize::consents_needed(&request, &client, &person, &targets, shell.policy.as_ref(), now) {
            Ok(needs) => doors.extend(targets.into_iter().zip(needs)),
            Err(refusal) => return refused(&refusal),
        }
        Ok(Ok(Self { client, request, person, doors }))
    }

    fn consent_page(&self, shell: &Shell, browser: &BrowserKey) -> HttpResponse {
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
            doors: self.doors.iter().map(asked).collect(),
            duration: span(i64::from(shell.lifetimes.grant)),
            action: &browser.page(),
            csrf: &browser.csrf(),
        };
        page(StatusCode::OK, &consent, source_of(&self.request.redirect_uri).as_deref())
    }

    /// The person agreed, or need not be asked: now the owners, or the end. `rev` is the record to replace, if there is one.
    async fn ask_owners(self, shell: &Shell, browser: &BrowserKey, rev: Option<Rev>) -> Result<HttpResponse, Stop> {
        let now = shell.now();
        let life = i64::from(shell.lifetimes.owner_answer);
        let expires = now.plus(life);
        let mut changes = Vec::new();
        let mut requests = Vec::new();
        let open = shell.records.all::<ConsentRequest>().await?;
        for (target, need) in &self.doors {
            let Need::Owner(scope) = need else { continue };
            let same_question = |(known, _): &&(ConsentRequest, Rev)| {
                known.door == target.door.name
                    && known.asker.id == self.person.id
                    && known.client == self.client.id
                    && known.scope == *scope
                    && known.state == Answer::Waiting
            };
            // Asking again prolongs the question instead of multiplying it.
            let known = open.iter().find(same_question);
            let id = match known {
                Some((known, _)) => known.id,
                None => Hash32(fresh(&mut Os)?),
            };
            requests.push(id);
            let question = ConsentRequest {
                id,
                door: target.door.name.clone(),
                asker: self.person.clone(),
                client: self.client.id.clone(),
                scope: scope.clone(),
                until: now.plus(i64::from(shell.lifetimes.owner_consent)),
                expires,
                state: Answer::Waiting,
            };
            // Not over an answer that comes at this moment.
            changes.push(match known {
                Some((_, rev)) => Change::replace(question, *rev),
                None => Change::create(question),
            });
        }
        if requests.is_empty() {
            return self.finish(shell, browser, rev).await;
        }
        let stage = Stage::AwaitingOwners { person: self.person.clone(), requests };
        let record = Authorization { id: browser.id(), request: self.request.clone(), stage, expires };
        changes.push(match rev {
            Some(rev) => Change::replace(record, rev),
            None => Change::create(record),
        });
        commit(shell, &changes).await?;
        Ok(away(&browser.page(), &browser.cookie(life)))
    }

    /// Everybody agreed: the code, and away with it.
    async fn finish(self, shell: &Shell, browser: &BrowserKey, rev: Option<Rev>) -> Result<HttpResponse, Stop> {
        let mut granted: Vec<(LockName, Scope)> = Vec::new();
        for (target, need) in &self.doors {
            match need {
                Need::Nothing(scope) => granted.push((target.lock.name.clone(), scope.clone())),
                Need::Owner(_) => {
                    let refusal = AuthorizationFault::OwnerRefused.into();
                    return Ok(refuse_person(shell, &self.request, &refusal, &self.person));
                }
            }
        }
        let (now, life) = (shell.now(), Seconds(shell.lifetimes.code));
        let (code, change) = authorize::code(&self.request, &self.person, &granted, life, now, &mut Os)?;
        let mut changes = vec![change];
        if let Some(rev) = rev {
            let mut end = Change::delete(Key::Authorization(browser.id()));
            end.guard = Guard::At(rev);
            changes.push(end);
        }
        commit(shell, &changes).await?;
        shell.audit.record(&serde_json::json!({
            "at": shell.now(), "event": "authorization", "outcome": "granted", "client": self.client.id,
            "person": self.person.id, "doors": granted.iter().map(|(lock, _)| lock).collect::<Vec<_>>(),
        }));
        let code = String::from_utf8_lossy(code.expose()).into_owned();
        let target = target(shell, &self.request.redirect_uri, &[("code", &code)], self.request.state.as_deref());
        Ok(away(&target, &browser.cookie(0)))
    }
}

/// The redirect target with the answer in its query (RFC 6749 §4.1.2, RFC 9207 §2).
fn target(shell: &Shell, redirect_uri: &str, answer: &[(&str, &str)], state: Option<&str>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(answer);
    if let Some(state) = state {
        query.append_pair("state", state);
    }
    query.append_pair("iss", &shell.issuer);
    let separator = if redirect_uri.contains('?') { '&' } else { '?' };
    format!("{redirect_uri}{separator}{}", query.finish())
}

fn error_target(shell: &Shell, redirect_uri: &str, state: Option<&str>, error: &str) -> String {
    target(shell, redirect_uri, &[("error", error)], state)
}

fn refuse_person(shell: &Shell, asked: &AuthorizationRequest, refusal: &Refusal, person: &Person) -> HttpResponse {
    let state = asked.state.as_deref();
    written_down(shell, refusal, Some(asked.client.as_str()), Some(person));
    see_other(&error_target(shell, &asked.redirect_uri, state, error_name(refusal)))
}

fn refuse(
    shell: &Shell,
    redirect_uri: &str,
    state: Option<&str>,
    refusal: &Refusal,
    client: Option<&Client>,
    person: Option<&Person>,
) -> HttpResponse {
    written_down(shell, refusal, client.map(|client| client.id.as_str()), person);
    see_other(&error_target(shell, redirect_uri, state, error_name(refusal)))
}

/// At this endpoint a person is refused, not a scope.
fn error_name(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::NothingGranted => OAuthError::ACCESS_DENIED.name,
        other => other.error().name,
    }
}

/// Neither client nor target can be trusted: a page, and never a redirect (RFC 6749 §4.1.2.1).
fn untrusted(shell: &Shell, refusal: &Refusal) -> HttpResponse {
    written_down(shell, refusal, None, None);
    let message = Message {
        title: "This app is not known here",
        what: "The request names an app or a way back to it that nobody registered, so it goes no further.",
        advice: Some("Tell whoever makes the app, or whoever administers Latchwork."),
        ..Message::default()
    };
    page(StatusCode::BAD_REQUEST, &message, None)
}

fn written_down(shell: &Shell, refusal: &Refusal, client: Option<&str>, person: Option<&Person>) {
    shell.audit.record(&serde_json::json!({
        "at": shell.now(), "event": "authorization", "outcome": "refused", "error": error_name(refusal),
        "reason": refusal.to_string(), "client": client, "person": person.map(|person| &person.id),
    }));
}

/// Everything or nothing; a record that moved under us makes the browser's page stale.
pub(super) async fn commit(shell: &Shell, changes: &[Change]) -> Result<(), Stop> {
    match shell.records.commit(changes).await? {
        Committed::Done(_) => Ok(()),
        Committed::Conflict(OnConflict::Retry | OnConflict::Refuse(_)) => Err(STALE),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Server(fault) => Self::from(fault),
            other => Self::Ours(other.to_string()),
        }
    }
}

/// As many as a request may name.
const MAX_DOORS: usize = 32;
