//! An OpenID provider that says what a fuzzer wants, reached without a network; what it is asked is held against the rules.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Ready, ready};
use std::rc::Rc;

use latchwork_authz_server::config::ProviderSettings;
use latchwork_authz_server::core::bytes::{base64url, from_base64url};
use latchwork_authz_server::shell::oidc::fetch::{FetchError, MAX_ANSWER, allowed};
use latchwork_authz_server::shell::oidc::{Arrival, Provider, SignedIn};
use openidconnect::url::Url;
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use serde_json::Value;

use crate::{NOW, SigningKey};

/// The provider's issuer in the configuration.
const IDP: &str = "https://idp.example";
const CALLBACK: &str = "https://as.example/callback/idp";
const PREFIX: &str = "handle.";

/// What the provider says, in the order of being asked: each a status, and a body.
///
/// Text, in blocks with an empty line between them: `STATUS content-type`, then the body. In a body, `NONCE` is the nonce of the
/// sign-in, and `{"SIGN": [header, claims]}` as the value of `id_token` becomes a token that the key of `SigningKey::fixed` signed.
struct Script {
    answers: RefCell<VecDeque<(u16, String, String)>>,
    nonce: RefCell<String>,
    /// The claims that were signed last, as the provider wrote them.
    signed: RefCell<Option<Value>>,
    asked: RefCell<usize>,
}

#[derive(Clone)]
struct Told(Rc<Script>);

impl Told {
    fn answer(&self, request: &HttpRequest) -> Result<HttpResponse, FetchError> {
        let url = Url::parse(&request.uri().to_string()).map_err(|why| FetchError::NotHttp(why.to_string()))?;
        if !allowed(&url) {
            return Err(FetchError::NotAllowed(url.to_string()));
        }
        *self.0.asked.borrow_mut() += 1;
        let said = self.0.answers.borrow_mut().pop_front();
        let (status, kind, body) = said.ok_or_else(|| FetchError::NoAnswer("the script is over".to_owned()))?;
        if (300..400).contains(&status) {
            return Err(FetchError::Redirect);
        }
        let body = self.signed(body.replace("NONCE", &self.0.nonce.borrow()));
        if body.len() > MAX_ANSWER {
            return Err(FetchError::TooLong);
        }
        let mut answer = openidconnect::http::Response::builder().status(status);
        if !kind.is_empty() {
            answer = answer.header("content-type", kind);
        }
        answer.body(body.into_bytes()).map_err(|why| FetchError::NotHttp(why.to_string()))
    }

    fn signed(&self, body: String) -> String {
        let Ok(mut told) = serde_json::from_str::<Value>(&body) else { return body };
        let Some([header, claims]) = told.pointer("/id_token/SIGN").and_then(Value::as_array).map(Vec::as_slice) else {
            return body;
        };
        let jwt = format!("{}.{}", base64url(header.to_string().as_bytes()), base64url(claims.to_string().as_bytes()));
        *self.0.signed.borrow_mut() = Some(claims.clone());
        told["id_token"] = SigningKey::fixed().sign(&jwt).into();
        told.to_string()
    }
}

impl<'c> AsyncHttpClient<'c> for Told {
    type Error = FetchError;
    type Future = Ready<Result<HttpResponse, FetchError>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        ready(self.answer(&request))
    }
}

/// What came of a sign-in.
pub struct Visit {
    /// Who is signed in, if anybody.
    pub signed_in: Option<SignedIn>,
    /// How often the provider was asked.
    pub asked: usize,
    /// What it signed last.
    signed: Option<Value>,
}

impl Visit {
    /// Plays a script; none where it is no text.
    ///
    /// # Panics
    /// The browser is sent to where it must not go.
    #[must_use]
    pub fn play(data: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(data).ok()?;
        let answers = text.split("\n\n").map(|block| {
            let (head, body) = block.split_once('\n').unwrap_or((block, ""));
            let (status, kind) = head.split_once(' ').unwrap_or((head, ""));
            let status = status.parse().ok().filter(|status| (200..600).contains(status)).unwrap_or(200);
            (status, kind.to_owned(), body.to_owned())
        });
        let script = Rc::new(Script {
            answers: RefCell::new(answers.collect()),
            nonce: RefCell::default(),
            signed: RefCell::default(),
            asked: RefCell::default(),
        });
        let settings = ProviderSettings {
            name: "idp".into(),
            issuer: IDP.into(),
            client_id: "latchwork".into(),
            client_secret: Some("shared".to_owned().into()),
            scopes: vec!["openid".into(), "profile".into()],
            ca_file: None,
            groups_claim: Some("groups".into()),
        };
        let provider = Provider::over(settings, Told(Rc::clone(&script))).ok()?;
        let signed_in = at_once(sign_in(&provider, &script));
        let (asked, signed) = (*script.asked.borrow(), script.signed.borrow().clone());
        Some(Self { signed_in, asked, signed })
    }

    /// What holds whatever the provider said: nobody comes in but whom it vouched for, to us, now, in this sign-in.
    ///
    /// # Panics
    /// It does not hold.
    pub fn check(&self) {
        assert!(self.asked <= 8, "asked without end: {}", self.asked);
        let Some(SignedIn { issuer, subject, name, groups }) = &self.signed_in else { return };
        let claims = self.signed.as_ref().expect("nobody is in without a signature of the provider's");
        assert_eq!((issuer.as_str(), &claims["iss"]), (IDP, &Value::from(IDP)));
        assert_eq!(claims["sub"], subject.as_str());
        let ours = [Value::from("latchwork"), Value::from(vec!["latchwork"])];
        assert!(ours.contains(&claims["aud"]), "for somebody else, too: {claims}");
        assert!((1..=255).contains(&subject.len()) && name.chars().count() <= 80, "{self:?}");
        assert!(!name.chars().any(char::is_control));
        assert!(groups.len() <= 256 && groups.iter().all(|group| group.len() <= 256));
    }
}

impl std::fmt::Debug for Visit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} after {} questions", self.signed_in, self.asked)
    }
}

async fn sign_in(provider: &Provider<Told>, script: &Script) -> Option<SignedIn> {
    let departure = provider.depart(CALLBACK, PREFIX, NOW.0).await.ok()?;
    let url = Url::parse(&departure.url).expect("a URL");
    assert!(allowed(&url), "a browser is sent to {url}");
    let value = |name: &str| url.query_pairs().filter(|(known, _)| known == name).last().map(|(_, it)| it.into_owned());
    assert!(departure.state.starts_with(PREFIX) && departure.state.len() > PREFIX.len() + 20);
    assert_eq!(value("state").as_deref(), Some(&*departure.state), "{url}");
    assert_eq!(value("nonce").as_deref(), Some(&*departure.nonce), "{url}");
    assert_eq!(value("code_challenge_method").as_deref(), Some("S256"), "{url}");
    assert!(
        value("code_challenge").is_some_and(|challenge| from_base64url(&challenge).is_some_and(|it| it.len() == 32))
    );
    assert!(!departure.url.contains(&departure.verifier), "the verifier stays here");
    *script.nonce.borrow_mut() = departure.nonce.clone();
    let arrival = Arrival { code: "the code", iss: Some(IDP) };
    // Long enough after, so that new keys are looked for.
    provider.arrive(CALLBACK, &departure.nonce, &departure.verifier, &arrival, NOW.0 + 20).await.ok()
}

/// Nothing here waits for anything.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(it) => it,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

#[cfg(test)]
mod tests {
    use super::Visit;

    /// A seed that stops early would leave most of the target unseen. Its name says how it ends.
    #[test]
    fn the_seeds_end_as_they_say() {
        let mut known = 0;
        for seed in std::fs::read_dir("../seeds/server_provider").expect("seeds") {
            let path = seed.expect("a seed").path();
            let visit = Visit::play(&std::fs::read(&path).expect("a seed")).expect("text");
            visit.check();
            let expected = path.file_name().expect("a name").to_string_lossy().starts_with("in_");
            assert_eq!(visit.signed_in.is_some(), expected, "{}: {visit:?}", path.display());
            known += usize::from(expected);
        }
        assert!(known >= 4);
    }
}
