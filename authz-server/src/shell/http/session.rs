//! A browser in which somebody signed in: a sealed cookie, which nobody but this server could have written, says who until when.

use actix_web::{HttpRequest, HttpResponse};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::answer::{Stop, see_other};
use super::guard::{BrowserKey, cookie, csrf, same};
use super::sealed::{open, seal};
use crate::core::time::Timestamp;
use crate::shell::Shell;
use crate::shell::form::Form;

/// Somebody, and what ties the forms on their pages to this browser.
pub(super) struct Session<W> {
    /// Who signed in.
    pub(super) who: W,
    value: String,
}

#[derive(Serialize, Deserialize)]
struct Said<W> {
    who: W,
    expires: Timestamp,
}

impl<W: Serialize + DeserializeOwned> Session<W> {
    /// Begins: from the sign-in of `browser`, which is over, to the page at `path`. `name` is the cookie's, `life` its seconds.
    pub(super) fn begin(
        shell: &Shell,
        name: &str,
        who: W,
        life: i64,
        browser: &BrowserKey,
        path: &str,
    ) -> Result<HttpResponse, Stop> {
        let said = Said { who, expires: shell.now().plus(life) };
        let mut answer = see_other(path);
        for cookie in [cookie(name.to_owned(), seal(shell, name, &said)?, life), browser.cookie(0)] {
            answer.add_cookie(&cookie).map_err(|cause| Stop::Ours(cause.to_string()))?;
        }
        Ok(answer)
    }

    /// None if nobody signed in, or too long ago.
    pub(super) fn of(shell: &Shell, request: &HttpRequest, name: &str) -> Option<Self> {
        let value = request.cookie(name)?.value().to_owned();
        let Said { who, expires } = open(shell, name, &value)?;
        (shell.now() < expires).then_some(Self { who, value })
    }

    /// What a form of ours carries.
    pub(super) fn csrf(&self) -> String {
        csrf(&self.value)
    }

    /// Whether the form came from a page of ours in this browser.
    pub(super) fn sent(&self, form: &Form) -> bool {
        same(form.value("csrf").unwrap_or_default(), &self.csrf())
    }
}
