//! Doors whose owners are asked first: their questions, and the page that waits for them.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use super::case::{Case, capital};
use super::{UnderWay, commit};
use crate::core::authorize::Need;
use crate::core::bytes::Hash32;
use crate::core::change::{Change, Key, Rev};
use crate::core::entropy::{Os, fresh};
use crate::core::records::{Answer, Authorization, ConsentRequest, Door, Person, Stage};
use crate::core::refusal::AuthorizationFault;
use crate::shell::Shell;
use crate::shell::http::answer::{Stop, page};
use crate::shell::http::guard::{BrowserKey, source_of};
use crate::shell::http::sign_in::away;
use crate::web::{Awaited, Waiting, date, may};

impl Case {
    /// The person agreed, or need not be asked: now the owners, or the end. `rev` is the record to replace, if there is one.
    pub(super) async fn ask_owners(
        self,
        shell: &Shell,
        browser: &BrowserKey,
        rev: Option<Rev>,
    ) -> Result<HttpResponse, Stop> {
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
}

impl UnderWay {
    /// Looks whether the owners have answered; goes on if all said yes.
    pub(super) async fn await_owners(
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
            return self.refuse(shell, person, AuthorizationFault::OwnerRefused).await;
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
