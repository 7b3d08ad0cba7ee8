//! Sign-in and both consents, with a provider that may lie.

use actix_web::test::TestRequest;
use serde_json::json;

use super::provider::{EARLY, Idp, LIES, Lie};
use super::{Got, ISSUER, World, admin, as_if_it_registered_itself, encoded, form, parameter};
use crate::config::ProviderSettings as Settings;
use crate::core::bytes::Hash32;
use crate::core::change::Change;
use crate::core::testing::Pair;
use crate::shell::oidc::{Provider, SignInError};

pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const LOOPBACK: &str = "http://127.0.0.1:7777/cb";
const FRONT: &str = "urn:latchwork:lock:front";

/// A browser: it keeps cookies and follows nothing by itself.
pub(super) struct Browser<'w> {
    world: &'w World,
    jar: Vec<(String, String)>,
}

impl<'w> Browser<'w> {
    pub(super) fn new(world: &'w World) -> Self {
        Self { world, jar: Vec::new() }
    }

    pub(super) async fn send(&mut self, mut request: TestRequest) -> Got {
        if !self.jar.is_empty() {
            let all: Vec<String> = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.insert_header(("cookie", all.join("; ")));
        }
        let got = self.world.ask(request).await;
        for (name, value) in got.cookies() {
            self.jar.retain(|(known, _)| *known != name);
            if !value.is_empty() {
                self.jar.push((name, value));
            }
        }
        got
    }

    pub(super) async fn get(&mut self, uri: &str) -> Got {
        self.send(TestRequest::get().uri(uri)).await
    }

    /// From `uri` to the provider, signed in there as `person`, and back at our callback.
    pub(super) async fn sign_in(&mut self, idp: &Idp, uri: &str, person: &'static str, groups: &[&'static str]) -> Got {
        let away = self.get(uri).await;
        assert_eq!(away.status, 303, "{}", away.text());
        idp.sign_in(away.location(), person, groups);
        self.get(&back(&idp.issuer, away.location())).await
    }

    /// Presses a button of the page.
    pub(super) async fn press(&mut self, page: &Got, answer: &str) -> Got {
        let html = page.text();
        let action = between(&html, "<form method=\"post\" action=\"", "\"");
        let csrf = between(&html, "name=\"csrf\" value=\"", "\"");
        self.send(form(&action, &[("csrf", &csrf), ("answer", answer)])).await
    }
}

pub(super) fn between(text: &str, before: &str, after: &str) -> String {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}")).1;
    rest.split_once(after).unwrap().0.to_owned()
}

/// The callback that the provider's answer to this URL leads to.
fn back(issuer: &str, url: &str) -> String {
    let state = parameter(url, "state").unwrap();
    format!("/callback/idp?{}", encoded(&[("code", "the-code"), ("state", &state), ("iss", issuer)]))
}

pub(super) fn request_with(change: impl FnOnce(&mut Vec<(&'static str, String)>)) -> String {
    let mut pairs = vec![
        ("response_type", "code".to_owned()),
        ("client_id", "app".into()),
        ("redirect_uri", LOOPBACK.into()),
        ("state", "app state&=".into()),
        ("code_challenge", Hash32::of(&[VERIFIER.as_bytes()]).to_string()),
        ("code_challenge_method", "S256".into()),
        ("dpop_jkt", Pair::new(5).public().thumbprint().to_string()),
        ("audience", FRONT.into()),
        ("scope", "door:open".into()),
    ];
    change(&mut pairs);
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
    format!("/authorize?{}", encoded(&pairs))
}

pub(super) fn request() -> String {
    request_with(|_| {})
}

pub(super) fn set(pairs: &mut Vec<(&'static str, String)>, name: &'static str, value: &str) {
    pairs.retain(|(known, _)| *known != name);
    if !value.is_empty() {
        pairs.push((name, value.to_owned()));
    }
}

/// R6749-3.1-01, R6749-4.1.2-02, R8252-6-02, R8252-8.6-01, R9700-2.1-05, R9700-4.16-01, R9207-2-01, R9207-2.3-01
#[actix_web::test]
async fn an_employee_signs_in_consents_and_goes_back_with_a_code() {
    let idp = Idp::start();
    let world = World::new(vec![idp.provider()]).await;
    let mut browser = Browser::new(&world);
    let signed_in = browser.sign_in(&idp, &request(), "emma", &["staff"]).await;
    assert_eq!(signed_in.status, 303, "{}", signed_in.text());
    let page = browser.get(signed_in.location()).await;
    let html = page.text();
    for shown in ["Door app", "emma the tester", "Front door", "Open it", "90 days", LOOPBACK] {
        assert!(html.contains(shown), "{shown}: {html}");
    }
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains("frame-ancestors 'none'") && policy.contains("form-action 'self' http://127.0.0.1:7777"),
        "{policy}"
    );
    assert_eq!(page.header("cache-control"), Some("no-store"));

    let done = browser.press(&page, "allow").await;
    assert_eq!(done.status, 303, "{}", done.text());
    let target = done.location().to_owned();
    assert!(target.starts_with("http://127.0.0.1:7777/cb?"), "{target}");
    assert_eq!(parameter(&target, "state").as_deref(), Some("app state&="));
    assert_eq!(parameter(&target, "iss").as_deref(), Some(ISSUER));
    assert!(parameter(&target, "code").unwrap().len() >= 40);
    assert!(!world.entries().contains(&parameter(&target, "code").unwrap()), "a code in the log");

    let again = browser.press(&page, "allow").await;
    assert_eq!(again.status, 400, "the page is spent");
    let signed_in = browser.sign_in(&idp, &request(), "emma", &["staff"]).await;
    let page = browser.get(signed_in.location()).await;
    assert!(page.text().contains("Open it"), "whoever said yes before is asked again: {}", page.text());
}

/// R6749-4.1.2-02, R9207-2-01
#[actix_web::test]
async fn saying_no_is_access_denied() {
    let idp = Idp::start();
    let world = World::new(vec![idp.provider()]).await;
    let mut browser = Browser::new(&world);
    let signed_in = browser.sign_in(&idp, &request(), "emma", &["staff"]).await;
    let page = browser.get(signed_in.location()).await;
    let done = browser.press(&page, "deny").await;
    assert_eq!(parameter(done.location(), "error").as_deref(), Some("access_denied"));
    assert_eq!(world.last_entry()["reason"], "authorization refused: the person refused");
    assert_eq!(parameter(done.location(), "iss").as_deref(), Some(ISSUER));
    assert_eq!(parameter(done.location(), "state").as_deref(), Some("app state&="));
}

/// R9700-2.1-01: a target that is taken away while the person looks gets nothing.
#[actix_web::test]
async fn a_target_that_is_taken_away() {
    let idp = Idp::start();
    let world = World::new(vec![idp.provider()]).await;
    let mut browser = Browser::new(&world);
    let back = browser.sign_in(&idp, &request(), "emma", &["staff"]).await;
    let consent = browser.get(back.location()).await;
    assert_eq!(consent.status, 200);
    let app = json!({ "client": [{ "id": "app", "title": "Door app", "kind": "native", "redirect_uris": ["com.example.other:/cb"] }] });
    assert_eq!(world.ask(admin("apply", &app)).await.status, 200);
    let got = browser.press(&consent, "allow").await;
    assert_eq!((got.status.as_u16(), got.header("location")), (400, None), "{}", got.text());
    assert!(world.entries().contains("redirect_uri not registered"));
}

#[actix_web::test]
async fn policy_refuses_at_the_door_of_the_server_room() {
    let idp = Idp::start();
    let world = World::new(vec![idp.provider()]).await;
    let mut browser = Browser::new(&world);
    let uri = request_with(|pairs| set(pairs, "audience", "urn:latchwork:lock:vault"));
    let done = browser.sign_in(&idp, &uri, "emma", &["staff"]).await;
    assert_eq!(parameter(done.location(), "error").as_deref(), Some("access_denied"));
    assert_eq!(world.last_entry()["reason"], "policy grants nothing of what was asked");
}

/// R9207-2-01: every answer names us, errors as well. R9700-2.1-01: targets compare exactly.
/// R6749-3.1-02, R6749-3.1.2.4-01
#[actix_web::test]
async fn requests_that_never_leave_for_the_provider() {
    let idp = Idp::start();
    let world = World::new(vec![idp.provider()]).await;
    for (name, value, redirected) in [
        ("client_id", "", None),
        ("client_id", "nobody", None),
        ("redirect_uri", "", None),
        ("redirect_uri", "http://127.0.0.1:7777/other", None),
        ("redirect_uri", "http://localhost:7777/cb", None),
        ("redirect_uri", "http://evil.example/cb", None),
        ("response_type", "token", Some("unsupported_response_type")),
        ("response_type", "", Some("invalid_request")),
        ("code_challenge", "", Some("invalid_request")),
        ("code_challenge", "short", Some("invalid_request")),
        ("code_challenge_method", "plain", Some("invalid_request")),
        ("dpop_jkt", "", Some("invalid_request")),
        ("audience", "http://lock.example", Some("invalid_target")),
        ("scope", "\"", Some("invalid_scope")),
    ] {
        let got = world.ask(TestRequest::get().uri(&request_with(|pairs| set(pairs, name, value)))).await;
        match redirected {
            None => assert_eq!(got.status, 400, "{name}={value}: {}", got.text()),
            Some(error) => {
                assert_eq!(parameter(got.location(), "error").as_deref(), Some(error), "{name}={value}");
                assert!(got.location().starts_with(LOOPBACK), "{}", got.location());
                assert_eq!(parameter(got.location(), "iss").as_deref(), Some(ISSUER), "{name}={value}");
            }
        }
        assert!(got.cookies().is_empty(), "{name}={value}");
    }
    for twice in ["scope", "state", "code_challenge", "client_id", "redirect_uri"] {
        let got = world.ask(TestRequest::get().uri(&format!("{}&{twice}=again", request()))).await;
        assert!(
            got.status == 400 || parameter(got.location(), "error").as_deref() == Some("invalid_request"),
            "{twice}"
        );
    }
}

/// Pages are shown to people, not read by other sites (RFC 9700 §2.6).
/// R9700-2.6-03
#[actix_web::test]
async fn no_page_may_be_read_by_another_site() {
    let idp = Idp::start();
    let world = World::new(vec![idp.provider()]).await;
    for (method, uri) in
        [("GET", request()), ("OPTIONS", request()), ("GET", "/approvals".into()), ("GET", "/authorize".into())]
    {
        for origin in ["https://web.example", "https://evil.example", "null"] {
            let asked = TestRequest::default().method(method.parse().unwrap()).uri(&uri);
            let asked = asked.insert_header(("origin", origin)).insert_header(("access-control-request-method", "GET"));
            let got = world.ask(asked).await;
            let allowed: Vec<_> =
                got.headers.iter().filter(|(name, _)| name.as_str().starts_with("access-control")).collect();
            assert!(allowed.is_empty(), "{method} {uri} from {origin}: {allowed:?}");
        }
    }
}

#[actix_web::test]
async fn a_provider_that_lies_signs_nobody_in() {
    for lie in LIES {
        let idp = Idp::start();
        let world = World::new(vec![idp.provider()]).await;
        idp.lie(lie);
        let mut browser = Browser::new(&world);
        let got = browser.sign_in(&idp, &request(), "emma", &["staff"]).await;
        assert!(got.status == 502 || got.status == 403, "{lie:?}: {} {}", got.status, got.text());
        assert!(got.text().contains("You are not signed in"), "{lie:?}");
        assert!(got.text().contains("Back to the app"), "{lie:?}");
        let back = between(&got.text(), &format!("href=\"{LOOPBACK}?"), "\"");
        assert!(back.contains("error=access_denied") && back.contains("iss=https%3A%2F%2Fas.example"), "{back}");
        assert_eq!(world.last_entry()["event"], "sign-in", "{lie:?}");
        let reason = world.last_entry()["reason"].to_string();
        let words = match lie {
            Lie::Refuses => SignInError::Refused("invalid_grant".into()),
            Lie::Redirects => SignInError::Nonsense("a redirect, which is not followed".into()),
            Lie::Huge => SignInError::Nonsense("an answer of more than 1 MiB".into()),
            Lie::Drips => SignInError::Unreachable(String::new()),
            _ => SignInError::Nonsense(String::new()),
        };
        assert!(reason.contains(&words.to_string()), "{lie:?}: {reason}");
        // The server lives, and the truth still works.
        idp.lie(Lie::Nothing);
        let got = browser.sign_in(&idp, &request(), "emma", &["staff"]).await;
        assert_eq!(got.status, 303, "after {lie:?}: {}", got.text());
    }
}

/// Leaving for the provider is free, and everybody may: nothing of it is stored here.
#[actix_web::test]
async fn who_only_leaves_fills_no_store() {
    let idp = Idp::start();
    let world = World::new(vec![idp.provider()]).await;
    let before = world.shell.records.store().scan(&[], None, 1_000).await.unwrap().len();
    for _ in 0..50 {
        assert_eq!(world.ask(TestRequest::get().uri(&request())).await.status, 303);
    }
    assert_eq!(world.shell.records.store().scan(&[], None, 1_000).await.unwrap().len(), before);
    // As long as a request may be, so that no browser drops it.
    let long = request_with(|pairs| {
        pairs.extend((0..24).map(|n| ("audience", format!("urn:latchwork:lock:{}{n:02}", "x".repeat(55)))));
        set(pairs, "state", &"s".repeat(500));
    });
    let got = world.ask(TestRequest::get().uri(&long)).await;
    let (name, value) = got.cookies().remove(0);
    assert!((3_000..4_096).contains(&(name.len() + value.len())), "{}", value.len());
    let longer = long.replace("ssss", "ssssssssssss");
    let got = world.ask(TestRequest::get().uri(&longer)).await;
    assert_eq!(parameter(got.location(), "error").as_deref(), Some("invalid_request"));
}

/// What lies before anybody is sent there keeps its visitor here; ten thousand keys are looked through, and none of another is taken.
#[actix_web::test]
async fn documents_that_lie() {
    for lie in EARLY {
        let idp = Idp::start();
        let world = World::new(vec![idp.provider()]).await;
        idp.lie(lie);
        let got = world.ask(TestRequest::get().uri(&request())).await;
        assert_eq!(got.status, 502, "{lie:?}: {}", got.text());
        assert!(got.text().contains("You are not signed in"), "{lie:?}: {}", got.text());
    }
    for (lie, status) in [(Lie::ManyKeys, 303), (Lie::ManyOtherKeys, 502)] {
        let idp = Idp::start();
        let world = World::new(vec![idp.provider()]).await;
        idp.lie(lie);
        let got = Browser::new(&world).sign_in(&idp, &request(), "emma", &["staff"]).await;
        assert_eq!(got.status, status, "{lie:?}: {}", got.text());
    }
}

#[actix_web::test]
async fn a_provider_that_cannot_be_used_gets_no_visitor() {
    let idp = Idp::start();
    let world = World::new(vec![idp.provider()]).await;
    idp.lie(Lie::OtherIssuerInDiscovery);
    for _ in 0..3 {
        let got = world.ask(TestRequest::get().uri(&request())).await;
        assert_eq!(got.status, 502, "{}", got.text());
    }
    assert!(idp.state.lock().unwrap().discovered < 3, "a provider that failed is left alone for a moment");
    // A token endpoint that we may not speak to shows when the code is to be redeemed.
    let idp = Idp::start();
    let world = World::new(vec![idp.provider()]).await;
    idp.lie(Lie::PlainTokenEndpoint);
    let got = Browser::new(&world).sign_in(&idp, &request(), "emma", &["staff"]).await;
    assert_eq!(got.status, 502, "{}", got.text());
    assert!(world.last_entry()["reason"].as_str().unwrap().contains("neither https nor on this machine"));
    // Nobody listens there at all.
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", socket.local_addr().unwrap());
    drop(socket);
    let settings = Settings { issuer: nobody, ..idp.settings("idp") };
    let world = World::new(vec![Provider::new(settings).unwrap()]).await;
    let got = world.ask(TestRequest::get().uri(&request())).await;
    assert_eq!(got.status, 502);
    assert!(got.text().contains("does not answer"), "{}", got.text());
    let world = World::new(Vec::new()).await;
    let got = world.ask(TestRequest::get().uri(&request())).await;
    assert_eq!(got.status, 503);
}

/// R9700-2.1-03, R9700-4.4.2-01
#[actix_web::test]
async fn a_state_is_good_once_in_its_own_browser_for_its_own_provider() {
    let idp = Idp::start();
    let world = World::new(vec![idp.provider(), Provider::new(idp.settings("other")).unwrap()]).await;
    let uri = format!("{}&latchwork_provider=idp", request());
    let mut browser = Browser::new(&world);
    let away = browser.get(&uri).await;
    idp.sign_in(away.location(), "emma", &["staff"]);
    let callback = back(&idp.issuer, away.location());
    let state = parameter(away.location(), "state").unwrap();
    let stale = |got: Got, what: &str| {
        assert_eq!(got.status, 400, "{what}: {}", got.text());
        assert!(got.text().contains("This sign-in is over"), "{what}");
    };
    stale(world.ask(TestRequest::get().uri(&callback)).await, "no cookie");
    let mut other = Browser::new(&world);
    other.get(&uri).await;
    stale(other.get(&callback).await, "another browser");
    stale(browser.get(&callback.replace("/idp?", "/other?")).await, "another provider");
    stale(browser.get(&callback.replace("/idp?", "/nobody?")).await, "no provider");
    stale(browser.get("/callback/idp?code=the-code").await, "no state");
    let bent = if state.ends_with('A') { "B" } else { "A" };
    let bent = format!("{}{bent}", &state[..state.len() - 1]);
    stale(browser.get(&callback.replace(&state, &bent)).await, "a bent state");
    assert_eq!(idp.state.lock().unwrap().redeemed, 0, "the code was never tried");
    let good = browser.get(&callback).await;
    assert_eq!(good.status, 303, "{}", good.text());
    stale(browser.get(&callback).await, "a second time");
    assert_eq!(idp.state.lock().unwrap().redeemed, 1);
}

/// R9700-2.1-04, R9207-2.4-01, R9207-2.4-02
#[actix_web::test]
async fn an_announced_iss_must_come_and_be_right() {
    for iss in [None, Some("http://127.0.0.1:1")] {
        let idp = Idp::start();
        let world = World::new(vec![idp.provider()]).await;
        let mut browser = Browser::new(&world);
        let away = browser.get(&request()).await;
        idp.sign_in(away.location(), "emma", &["staff"]);
        let state = parameter(away.location(), "state").unwrap();
        let mut pairs = vec![("code", "the-code"), ("state", &state)];
        pairs.extend(iss.map(|iss| ("iss", iss)));
        let got = browser.get(&format!("/callback/idp?{}", encoded(&pairs))).await;
        assert_eq!(got.status, 502, "{iss:?}: {}", got.text());
        assert_eq!(idp.state.lock().unwrap().redeemed, 0, "{iss:?}");
    }
}

/// R6749-10.12-02
#[actix_web::test]
async fn a_form_needs_its_cookie_and_its_token() {
    let idp = Idp::start();
    let world = World::new(vec![idp.provider()]).await;
    let mut browser = Browser::new(&world);
    let signed_in = browser.sign_in(&idp, &request(), "emma", &["staff"]).await;
    let page = browser.get(signed_in.location()).await;
    let action = signed_in.location().to_owned();
    let csrf = between(&page.text(), "name=\"csrf\" value=\"", "\"");
    let allow = |csrf: &str| form(&action, &[("csrf", csrf), ("answer", "allow")]);
    assert_eq!(browser.send(allow("")).await.status, 400, "no token");
    assert_eq!(browser.send(allow("wrong")).await.status, 400, "a wrong token");
    assert_eq!(world.ask(allow(&csrf)).await.status, 400, "no cookie");
    assert_eq!(world.ask(TestRequest::get().uri(&action)).await.status, 400, "the page without a cookie");
    let mut other = Browser::new(&world);
    other.get(&request()).await;
    assert_eq!(other.send(allow(&csrf)).await.status, 400, "another browser");
    assert_eq!(browser.send(allow(&csrf)).await.status, 303, "the real one");
}

#[actix_web::test]
async fn a_visitor_waits_for_the_owner_and_nobody_else() {
    let idp = Idp::start();
    let world = World::new(vec![idp.provider()]).await;
    for (answer, outcome) in [("allow", "code"), ("deny", "error")] {
        let mut visitor = Browser::new(&world);
        let signed_in = visitor.sign_in(&idp, &request(), "vera", &["visitors"]).await;
        let page = visitor.get(signed_in.location()).await;
        assert!(page.text().contains("The owner of this door is asked first"), "{}", page.text());
        let asked = visitor.press(&page, "allow").await;
        let waiting = visitor.get(asked.location()).await;
        assert!(waiting.text().contains("Waiting for the owner"), "{}", waiting.text());
        assert!(waiting.text().contains("http-equiv=\"refresh\""));

        let mut stranger = Browser::new(&world);
        let home = stranger.sign_in(&idp, "/approvals", "oscar", &[]).await;
        assert_eq!(home.location(), "/approvals");
        let list = stranger.get("/approvals").await;
        assert!(list.text().contains("Side door") && !list.text().contains("vera"), "{}", list.text());

        let mut owner = Browser::new(&world);
        owner.sign_in(&idp, "/approvals", "olga", &[]).await;
        let list = owner.get("/approvals").await;
        for shown in ["vera the tester", "Front door", "open it", "Door app"] {
            assert!(list.text().contains(shown), "{shown}: {}", list.text());
        }
        let named = format!("<code>{}</code>", "app");
        assert!(list.text().contains(&named) && !list.text().contains("registered itself"), "{}", list.text());
        let declared = as_if_it_registered_itself(&world, "app").await;
        let marked = owner.get("/approvals").await.text();
        assert!(marked.contains(&format!("{named} (registered itself)")), "{marked}");
        world.shell.records.commit(&[Change::put(declared)]).await.unwrap();
        let action = between(&list.text(), "action=\"/approvals/", "\"");
        let action = if action == "sign-out" {
            let html = list.text();
            let rest = html.split_once("action=\"/approvals/sign-out\"").unwrap().1.to_owned();
            format!("/approvals/{}", between(&rest, "action=\"/approvals/", "\""))
        } else {
            format!("/approvals/{action}")
        };
        let csrf = |page: &Got| between(&page.text(), "name=\"csrf\" value=\"", "\"");
        let stranger_page = stranger.get("/approvals").await;
        let theirs = form(&action, &[("csrf", &csrf(&stranger_page)), ("answer", "allow")]);
        assert_eq!(stranger.send(theirs).await.status, 400, "another owner");
        let forged = form(&action, &[("csrf", "forged"), ("answer", "allow")]);
        assert_eq!(owner.send(forged).await.status, 400, "a forged form");
        let own = || form(&action, &[("csrf", &csrf(&list)), ("answer", answer)]);
        assert_eq!(world.ask(own()).await.status, 400, "without a session");
        assert!(visitor.get(asked.location()).await.text().contains("Waiting for the owner"), "nothing happened yet");

        assert_eq!(owner.send(own()).await.status, 303);
        assert_eq!(world.last_entry()["event"], "owner's consent");
        let done = visitor.get(asked.location()).await;
        assert!(parameter(done.location(), outcome).is_some(), "{answer}: {}", done.location());
        let refused = "authorization refused: the owner refused or did not answer";
        assert_eq!(world.last_entry()["reason"] == refused, answer == "deny", "{answer}");
        assert_eq!(owner.send(own()).await.status, 400, "answered already");
        // Undo the yes for the next row.
        let consents = world.shell.records.all::<crate::core::records::AdvanceConsent>().await.unwrap();
        for (consent, _) in consents {
            let key = crate::core::change::Key::Consent((consent.door, consent.who));
            world.shell.records.commit(&[crate::core::change::Change::delete(key)]).await.unwrap();
        }
    }
}

#[actix_web::test]
async fn giving_up_takes_the_question_back() {
    let idp = Idp::start();
    let world = World::new(vec![idp.provider()]).await;
    let mut visitor = Browser::new(&world);
    let signed_in = visitor.sign_in(&idp, &request(), "vera", &["visitors"]).await;
    let page = visitor.get(signed_in.location()).await;
    let asked = visitor.press(&page, "allow").await;
    let waiting = visitor.get(asked.location()).await;
    let done = visitor.press(&waiting, "deny").await;
    assert_eq!(parameter(done.location(), "error").as_deref(), Some("access_denied"));
    assert!(world.shell.records.all::<crate::core::records::ConsentRequest>().await.unwrap().is_empty());
}

#[actix_web::test]
async fn an_owner_needs_nobody_and_a_stranger_gets_nothing() {
    let idp = Idp::start();
    let world = World::new(vec![idp.provider()]).await;
    let mut owner = Browser::new(&world);
    let page = owner.sign_in(&idp, &request(), "olga", &[]).await;
    let page = owner.get(page.location()).await;
    assert!(!page.text().contains("is asked first"));
    let done = owner.press(&page, "allow").await;
    assert!(parameter(done.location(), "code").is_some());
    let mut stranger = Browser::new(&world);
    let done = stranger.sign_in(&idp, &request(), "sam", &[]).await;
    assert_eq!(parameter(done.location(), "error").as_deref(), Some("access_denied"));
}

#[actix_web::test]
async fn a_confidential_client_needs_no_consent_page() {
    let idp = Idp::start();
    let world = World::new(vec![idp.provider()]).await;
    let mut browser = Browser::new(&world);
    let uri = request_with(|pairs| {
        set(pairs, "client_id", "web");
        set(pairs, "redirect_uri", "https://web.example/cb");
        set(pairs, "dpop_jkt", "");
    });
    let done = browser.sign_in(&idp, &uri, "emma", &["staff"]).await;
    assert!(done.location().starts_with("https://web.example/cb?code="), "{}", done.location());
}

#[actix_web::test]
async fn signing_out_ends_the_session_here() {
    let idp = Idp::start();
    let world = World::new(vec![idp.provider()]).await;
    let mut owner = Browser::new(&world);
    owner.sign_in(&idp, "/approvals", "olga", &[]).await;
    let page = owner.get("/approvals").await;
    let csrf = between(&page.text(), "name=\"csrf\" value=\"", "\"");
    assert_eq!(owner.send(form("/approvals/sign-out", &[("csrf", "wrong")])).await.status, 400);
    let out = owner.send(form("/approvals/sign-out", &[("csrf", &csrf)])).await;
    assert!(out.text().contains("Signed out"));
    assert_eq!(owner.get("/approvals").await.status, 303, "off to the provider again");
}
