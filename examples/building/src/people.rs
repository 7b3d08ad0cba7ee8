//! People and their phones.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::building::program;
use crate::{Browser, Outcome, Page, Process, Witness};

/// Name and password of an account at the provider.
pub type Account = (&'static str, &'static str);

/// An employee.
pub const EMMA: Account = ("emma", "correct-horse-7");
/// A visitor.
pub const VICTOR: Account = ("victor", "visiting-today-3");
/// The owner of the laboratory.
pub const OLIVIA: Account = ("olivia", "my-own-door-9");
/// Somebody who wants what others have.
pub const THEO: Account = ("theo", "sticky-fingers-1");

/// Somebody's phone: the program `phone` with a storage of its own.
pub struct Phone {
    home: PathBuf,
    issuer: String,
    certificate: PathBuf,
    logs: PathBuf,
    filter: String,
    witness: Witness,
}

/// A sign-in that waits for its person at the browser.
pub struct SigningIn {
    app: Process,
    home: PathBuf,
    witness: Witness,
    /// The page that the app wants to show.
    pub url: String,
}

impl Phone {
    /// `witness` sees what the phone keeps, each time that changes.
    pub(crate) fn new(
        home: PathBuf,
        issuer: &str,
        certificate: PathBuf,
        logs: PathBuf,
        filter: &str,
        witness: Witness,
    ) -> Self {
        Self { home, issuer: issuer.to_owned(), certificate, logs, filter: filter.to_owned(), witness }
    }

    /// The phone's storage.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Starts a sign-in that asks for `audiences` beside what is open anyway.
    pub fn start_sign_in(&self, audiences: &[&str]) -> Outcome<SigningIn> {
        let mut command = self.command(&["sign-in", "--server", &self.issuer, "--certificate"])?;
        command.arg(&self.certificate);
        for audience in audiences {
            command.args(["--audience", audience]);
        }
        let name = format!("phone-{}", crate::building::random_hex(4)?);
        let mut app = Process::start(&name, &self.logs, &mut command)?;
        let url = app.line("open in a browser: ")?;
        Ok(SigningIn { app, home: self.home.clone(), witness: self.witness.clone(), url })
    }

    /// Signs in and consents, as somebody who knows the password.
    pub fn sign_in(&self, browser: &Browser, account: Account, audiences: &[&str]) -> Outcome<String> {
        let started = self.start_sign_in(audiences)?;
        let page = started.consent(browser, account)?;
        started.end(&page)
    }

    /// Runs a verb of the app; its output, or its complaint as an error.
    pub fn run(&self, arguments: &[&str]) -> Outcome<String> {
        let output = self.command(arguments)?.output()?;
        let mut log = File::options().create(true).append(true).open(self.logs.join("phones.log"))?;
        log.write_all(&output.stderr)?;
        look_into(&self.home, &self.witness);
        if output.status.success() {
            return Ok(String::from_utf8(output.stdout)?.trim().to_owned());
        }
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned().into())
    }

    fn command(&self, arguments: &[&str]) -> Outcome<Command> {
        let mut command = Command::new(program("phone")?);
        command.env("RUST_LOG", &self.filter).arg("--home").arg(&self.home).args(arguments);
        Ok(command)
    }
}

impl SigningIn {
    /// Goes from the app's page through the provider to the consent page, and allows what it says.
    pub fn consent(&self, browser: &Browser, account: Account) -> Outcome<Page> {
        let page = sign_in_at_provider(browser, browser.open(&self.url)?, account)?;
        browser.press(&page, "Allow", &[])
    }

    /// Waits until the app has its tokens. `page` is what the browser shows meanwhile.
    pub fn end(mut self, page: &Page) -> Outcome<String> {
        let status = self.app.end()?;
        let printed = self.app.printed()?;
        look_into(&self.home, &self.witness);
        if status.success() {
            return Ok(printed);
        }
        Err(format!("{printed}\nthe browser shows {}: {}", page.url, page.html).into())
    }
}

/// Shows the witness a phone's storage, if there is one already.
fn look_into(home: &Path, witness: &Witness) {
    let state = std::fs::read(home.join("tokens.json")).ok();
    if let Some(state) = state.and_then(|state| serde_json::from_slice(&state).ok()) {
        witness.saw_state(&state);
    }
}

/// Types name and password on the provider's page, if that is what the browser shows.
pub fn sign_in_at_provider(browser: &Browser, page: Page, (login, password): Account) -> Outcome<Page> {
    if page.html.contains("name=\"password\"") {
        return browser.press(&page, "Sign in", &[("login", login), ("password", password)]);
    }
    Ok(page)
}
