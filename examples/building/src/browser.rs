//! A person at a browser: keeps cookies, follows redirects, fills in forms. No script runs.

use reqwest::blocking::{Client, Response};
use reqwest::header::{LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Url};

use crate::{Outcome, Witness};

/// More redirects than any sign-in has.
const MAX_REDIRECTS: usize = 20;

/// One person's browser, with its own cookies.
pub struct Browser {
    http: Client,
    witness: Witness,
}

/// What the browser shows.
#[derive(Debug)]
pub struct Page {
    /// Where the redirects ended.
    pub url: Url,
    /// The HTTP status.
    pub status: u16,
    /// The HTML.
    pub html: String,
}

impl Browser {
    /// A new browser that trusts `certificate` (PEM) beside nothing else. `witness` sees codes, cookies and hidden fields.
    pub fn new(certificate: &[u8], witness: Witness) -> Outcome<Self> {
        // Fails where it was done before.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = Client::builder()
            .cookie_store(true)
            .redirect(Policy::none())
            .tls_certs_only([Certificate::from_pem(certificate)?])
            .build()?;
        Ok(Self { http, witness })
    }

    /// Opens `url` and follows where it leads.
    pub fn open(&self, url: &str) -> Outcome<Page> {
        let url = Url::parse(url)?;
        self.witness.saw_url(&url);
        self.follow(self.http.get(url).send()?)
    }

    /// Fills in the only form of `page` that has a button with `label`, presses it, and follows.
    pub fn press(&self, page: &Page, label: &str, fields: &[(&str, &str)]) -> Outcome<Page> {
        let form = forms(&page.html)
            .into_iter()
            .find(|form| form.buttons.iter().any(|button| button.label == label))
            .ok_or_else(|| format!("no button {label:?} on {}:\n{}", page.url, page.html))?;
        let mut values = form.hidden.clone();
        for (name, value) in &values {
            self.witness.saw(format!("the hidden field {name} at {}", page.url.path()), value);
        }
        values.extend(fields.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
        let pressed = form.buttons.iter().find(|button| button.label == label);
        if let Some((name, value)) = pressed.and_then(|button| button.value.clone()) {
            values.push((name, value));
        }
        let action = page.url.join(&form.action)?;
        self.follow(self.http.post(action).form(&values).send()?)
    }

    /// Follows the link of `page` that reads `text`.
    pub fn click(&self, page: &Page, text: &str) -> Outcome<Page> {
        let link = elements(&page.html, "<a")
            .find(|(_, after)| unescape(after.split("</a>").next().unwrap_or_default().trim()) == text)
            .and_then(|(tag, _)| attribute(tag, "href"))
            .ok_or_else(|| format!("no link {text:?} on {}:\n{}", page.url, page.html))?;
        self.open(page.url.join(&link)?.as_str())
    }

    fn follow(&self, mut response: Response) -> Outcome<Page> {
        for _ in 0..MAX_REDIRECTS {
            self.saw_cookies(&response);
            let Some(location) = response.headers().get(LOCATION) else {
                let (url, status) = (response.url().clone(), response.status().as_u16());
                return Ok(Page { url, status, html: response.text()? });
            };
            let next = response.url().join(location.to_str()?)?;
            self.witness.saw_url(&next);
            response = self.http.get(next).send()?;
        }
        Err("redirects without end".into())
    }

    fn saw_cookies(&self, response: &Response) {
        for cookie in response.headers().get_all(SET_COOKIE).iter().filter_map(|cookie| cookie.to_str().ok()) {
            if let Some((name, value)) = cookie.split(';').next().and_then(|cookie| cookie.split_once('=')) {
                self.witness.saw(format!("the cookie {name}"), value);
            }
        }
    }
}

struct Form {
    action: String,
    hidden: Vec<(String, String)>,
    buttons: Vec<Button>,
}

struct Button {
    label: String,
    value: Option<(String, String)>,
}

fn forms(html: &str) -> Vec<Form> {
    html.split("<form").skip(1).filter_map(|rest| rest.split("</form>").next()).map(form).collect()
}

fn form(html: &str) -> Form {
    let hidden = elements(html, "<input")
        .filter(|(tag, _)| attribute(tag, "type").as_deref() == Some("hidden"))
        .filter_map(|(tag, _)| Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default())))
        .collect();
    let buttons = elements(html, "<button")
        .map(|(tag, after)| Button {
            label: unescape(after.split("</button>").next().unwrap_or_default().trim()),
            value: attribute(tag, "name").zip(attribute(tag, "value")),
        })
        .collect();
    let tag = html.split('>').next().unwrap_or_default();
    Form { action: attribute(tag, "action").unwrap_or_default(), hidden, buttons }
}

/// Each element that `open` starts: the inside of its tag, and all that follows the tag.
fn elements<'h>(html: &'h str, open: &'static str) -> impl Iterator<Item = (&'h str, &'h str)> {
    html.split(open).skip(1).filter_map(|rest| rest.split_once('>'))
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    Some(unescape(rest.split('"').next()?))
}

fn unescape(text: &str) -> String {
    [
        ("&#38;", "&"),
        ("&#x26;", "&"),
        ("&#34;", "\""),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_its_hidden_fields_and_the_button_that_was_pressed() {
        let html = r#"<form method="post" action="/consent"><input type="hidden" name="csrf" value="a&#38;b">
            <input name="login"><button name="decision" value="allow">Allow</button><button>No</button></form>"#;
        let form = forms(html).pop().unwrap();
        assert_eq!(form.action, "/consent");
        assert_eq!(form.hidden, [("csrf".to_owned(), "a&b".to_owned())]);
        assert_eq!(form.buttons[0].value, Some(("decision".to_owned(), "allow".to_owned())));
        assert_eq!(form.buttons[1].label, "No");
    }
}
