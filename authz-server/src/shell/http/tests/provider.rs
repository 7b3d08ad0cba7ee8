//! An OpenID provider that answers as told: truthfully, or with one lie.

use std::convert::Infallible;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::{App, HttpResponse, HttpServer, web};
use serde_json::{Value, json};
use tokio::time::Interval;

use crate::clock;
use crate::config::ProviderSettings as Settings;
use crate::core::bytes::{Hash32, base64url, from_base64url};
use crate::core::testing::Pair;
use crate::shell::form::Form;
use crate::shell::oidc::Provider;

/// What is wrong with the provider's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lie {
    Nothing,
    Audience,
    OtherAudienceToo,
    Nonce,
    NoNonce,
    Issuer,
    Expired,
    AlgNone,
    Hmac,
    Signature,
    UnknownKey,
    NoIdToken,
    NotJson,
    EmptySubject,
    Refuses,
    Redirects,
    Huge,
    OtherIssuerInDiscovery,
    PlainTokenEndpoint,
    Html,
    Drips,
    DiscoveryIsHtml,
    DiscoveryRedirects,
    KeysRedirect,
    KeysAreHuge,
    ManyKeys,
    ManyOtherKeys,
}

/// Every lie after which nobody may be signed in.
pub(super) const LIES: [Lie; 18] = [
    Lie::Audience,
    Lie::OtherAudienceToo,
    Lie::Nonce,
    Lie::NoNonce,
    Lie::Issuer,
    Lie::Expired,
    Lie::AlgNone,
    Lie::Hmac,
    Lie::Signature,
    Lie::UnknownKey,
    Lie::NoIdToken,
    Lie::NotJson,
    Lie::EmptySubject,
    Lie::Refuses,
    Lie::Redirects,
    Lie::Huge,
    Lie::Html,
    Lie::Drips,
];

/// Lies in what is read before anybody is sent there.
pub(super) const EARLY: [Lie; 4] = [Lie::DiscoveryIsHtml, Lie::DiscoveryRedirects, Lie::KeysRedirect, Lie::KeysAreHuge];

pub(super) struct State {
    pub(super) lie: Lie,
    /// Who is signed in there, with groups.
    pub(super) person: (&'static str, Vec<&'static str>),
    nonce: String,
    challenge: String,
    /// How often the token endpoint was asked.
    pub(super) redeemed: usize,
    /// How often its discovery document was read.
    pub(super) discovered: usize,
}

/// The provider, and its side of the story.
#[derive(Clone)]
pub(super) struct Idp {
    pub(super) issuer: String,
    pub(super) state: Arc<Mutex<State>>,
}

impl Idp {
    pub(super) fn start() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let issuer = format!("http://{}", socket.local_addr().unwrap());
        let state = State {
            lie: Lie::Nothing,
            person: ("emma", vec!["staff"]),
            nonce: String::new(),
            challenge: String::new(),
            redeemed: 0,
            discovered: 0,
        };
        let idp = Self { issuer, state: Arc::new(Mutex::new(state)) };
        let served = idp.clone();
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::new(served.clone()))
                .route("/.well-known/openid-configuration", web::get().to(discovery))
                .route("/jwks", web::get().to(jwks))
                .route("/token", web::post().to(token))
        });
        actix_web::rt::spawn(server.workers(1).disable_signals().listen(socket).unwrap().run());
        idp
    }

    pub(super) fn provider(&self) -> Provider {
        Provider::new(self.settings("idp")).unwrap()
    }

    pub(super) fn settings(&self, name: &str) -> Settings {
        Settings {
            name: name.into(),
            issuer: self.issuer.clone(),
            client_id: "latchwork".into(),
            client_secret: Some("shared".to_owned().into()),
            scopes: vec!["openid".into(), "profile".into()],
            ca_file: None,
            groups_claim: Some("groups".into()),
        }
    }

    /// The browser arrives with this URL, signs in as `person`, and is sent back with a code.
    pub(super) fn sign_in(&self, url: &str, person: &'static str, groups: &[&'static str]) {
        assert!(url.starts_with(&format!("{}/authorize?", self.issuer)), "{url}");
        let parameter = |name| super::parameter(url, name).unwrap();
        assert_eq!(parameter("code_challenge_method"), "S256");
        let mut state = self.state.lock().unwrap();
        state.person = (person, groups.to_vec());
        state.nonce = parameter("nonce");
        state.challenge = parameter("code_challenge");
    }

    pub(super) fn lie(&self, lie: Lie) {
        self.state.lock().unwrap().lie = lie;
    }
}

fn key() -> Pair {
    Pair::new(77)
}

async fn discovery(idp: web::Data<Idp>) -> HttpResponse {
    let mut state = idp.state.lock().unwrap();
    state.discovered += 1;
    let lie = state.lie;
    let issuer = &idp.issuer;
    match lie {
        Lie::DiscoveryIsHtml => return HttpResponse::Ok().content_type("text/html").body("<html>"),
        Lie::DiscoveryRedirects => return elsewhere(issuer),
        _ => {}
    }
    let told = if lie == Lie::OtherIssuerInDiscovery { "http://127.0.0.1:1" } else { issuer };
    let token = if lie == Lie::PlainTokenEndpoint { "http://elsewhere.example" } else { issuer };
    HttpResponse::Ok().json(json!({
        "issuer": told,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{token}/token"),
        "jwks_uri": format!("{issuer}/jwks"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256", "HS256", "none"],
        "authorization_response_iss_parameter_supported": true,
    }))
}

async fn jwks(idp: web::Data<Idp>) -> HttpResponse {
    let lie = idp.state.lock().unwrap().lie;
    let mut jwk = serde_json::to_value(key().public()).unwrap();
    jwk["kid"] = json!("idp-1");
    jwk["use"] = json!("sig");
    jwk["alg"] = json!("ES256");
    let other = json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "idp-1" });
    let others = |count| std::iter::repeat_n(other, count);
    match lie {
        Lie::KeysRedirect => elsewhere(&idp.issuer),
        Lie::KeysAreHuge => HttpResponse::Ok().json(json!({ "keys": [jwk], "x": "x".repeat(1 << 20) })),
        Lie::ManyKeys => {
            let named = |(n, mut other): (usize, Value)| {
                other["kid"] = json!(format!("other-{n}"));
                other
            };
            let keys: Vec<Value> = others(10_000).enumerate().map(named).chain([jwk]).collect();
            HttpResponse::Ok().json(json!({ "keys": keys }))
        }
        Lie::ManyOtherKeys => HttpResponse::Ok().json(json!({ "keys": others(10_000).collect::<Vec<_>>() })),
        _ => HttpResponse::Ok().json(json!({ "keys": [jwk] })),
    }
}

fn elsewhere(issuer: &str) -> HttpResponse {
    HttpResponse::Found().insert_header(("location", format!("{issuer}/jwks"))).finish()
}

/// A byte now and then, without an end.
struct Drip(Interval);

impl MessageBody for Drip {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<web::Bytes, Infallible>>> {
        self.0.poll_tick(context).map(|_| Some(Ok(web::Bytes::from_static(b" "))))
    }
}

async fn token(idp: web::Data<Idp>, body: web::Bytes) -> HttpResponse {
    let mut state = idp.state.lock().unwrap();
    state.redeemed += 1;
    let form = Form::parse(&body, &[]).unwrap();
    let verifier = form.value("code_verifier").unwrap_or_default();
    if Hash32::of(&[verifier.as_bytes()]).to_string() != state.challenge || form.value("code") != Some("the-code") {
        return HttpResponse::BadRequest().json(json!({ "error": "invalid_grant" }));
    }
    let id_token = match state.lie {
        Lie::Refuses => return HttpResponse::BadRequest().json(json!({ "error": "invalid_grant" })),
        Lie::NotJson => return HttpResponse::Ok().body("<html>"),
        Lie::Redirects => return elsewhere(&idp.issuer),
        Lie::Drips => {
            let drip = Drip(tokio::time::interval(Duration::from_millis(100)));
            return HttpResponse::Ok().content_type("application/json").body(drip);
        }
        Lie::Huge => return HttpResponse::Ok().content_type("application/json").body("x".repeat((1 << 20) + 1)),
        Lie::NoIdToken => None,
        lie => Some(id_token(&idp.issuer, &state, lie)),
    };
    let mut answer = json!({ "access_token": "opaque", "token_type": "Bearer", "expires_in": 60 });
    if let Some(id_token) = id_token {
        answer["id_token"] = json!(id_token);
    }
    match state.lie {
        Lie::Html => HttpResponse::Ok().content_type("text/html").body(answer.to_string()),
        _ => HttpResponse::Ok().json(answer),
    }
}

fn id_token(issuer: &str, state: &State, lie: Lie) -> String {
    let now = clock::now().0;
    let (subject, groups) = &state.person;
    let mut claims = json!({
        "iss": issuer, "sub": subject, "aud": "latchwork", "exp": now + 60, "iat": now, "nonce": state.nonce,
        "name": format!("{subject} the tester"), "groups": groups,
    });
    let mut header = json!({ "alg": "ES256", "kid": "idp-1" });
    match lie {
        Lie::Audience => claims["aud"] = json!("another"),
        Lie::OtherAudienceToo => claims["aud"] = json!(["latchwork", "another"]),
        Lie::Nonce => claims["nonce"] = json!("another"),
        Lie::NoNonce => drop(claims.as_object_mut().unwrap().remove("nonce")),
        Lie::Issuer => claims["iss"] = json!("http://127.0.0.1:1"),
        Lie::Expired => claims["exp"] = json!(now - 1),
        Lie::EmptySubject => claims["sub"] = json!(""),
        Lie::UnknownKey => header["kid"] = json!("idp-2"),
        Lie::AlgNone => return unsigned(&json!({ "alg": "none" }), &claims, ""),
        Lie::Hmac => {
            let header = json!({ "alg": "HS256" });
            let signed = unsigned(&header, &claims, "");
            let mac = hmac(b"shared", signed.trim_end_matches('.').as_bytes());
            return format!("{signed}{}", base64url(&mac));
        }
        _ => {}
    }
    let token = key().jws(header, claims);
    if lie != Lie::Signature {
        return token;
    }
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let mut signature = from_base64url(signature).unwrap();
    signature[10] ^= 1;
    format!("{signed}.{}", base64url(&signature))
}

fn unsigned(header: &Value, claims: &Value, signature: &str) -> String {
    format!("{}.{}.{signature}", base64url(header.to_string().as_bytes()), base64url(claims.to_string().as_bytes()))
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    use latchwork_crypto::{RustCrypto, Symmetric as _};
    RustCrypto.hmac_sha256(key, &[message]).unwrap()
}
