//! The same request by form, by CBOR over HTTP and by CBOR over CoAP: the same decision, the same answer, the same audit line.
//! And whatever is asked, a machine gets no more than it asked for and policy allows, and a refusal stores nothing.

use std::collections::BTreeSet;

use ace::cose_key::Key as Material;
use ace::registry::{GrantType, Profile};
use ace::token_request::AskedProfile;
use latchwork_ace as ace;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::core::bytes::base64url;
use crate::core::channel::ChannelIdentity;
use crate::core::entry::Outcome;
use crate::core::issue::{Issued, Refused};
use crate::core::policy::{Asked as Question, Policy as _, Who};
use crate::core::records::{Abilities, AceProfile, ClientAuth, Lock, Protection, TokenForm};
use crate::core::refusal::{KeyFault, Refusal};
use crate::core::request::{Credential, Face, Presented, Proof, TokenRequest};
use crate::core::response::Token;
use crate::core::scope::{self, AifEntry, Scope, ScopeAsked};
use crate::core::testing::*;
use crate::shell::cbor;
use crate::shell::form::Form;

/// What is asked, before it is written down in one way or another.
#[derive(Clone, Debug)]
struct Asked {
    who: Party,
    grant: Kind,
    audience: Option<&'static str>,
    scope: Option<Said>,
    key: Option<Bound>,
    profile: Option<Option<i64>>,
    cnonce: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Party {
    Robot,
    WrongSecret,
    Nobody,
    App,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Machine,
    Refresh,
    RefreshOfNobody,
    Password,
}

#[derive(Clone, Debug, PartialEq)]
enum Said {
    Words(Vec<&'static str>),
    /// Bits of methods for `/door`.
    Aif(u64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Bound {
    Shown,
    NotShown,
    Kid,
    Secret,
}

/// What fits mostly, so that most rows go far before something stops them.
fn asked() -> impl Strategy<Value = Asked> {
    use proptest::option::weighted;
    use proptest::sample::{select, subsequence};
    let words = prop_oneof![
        5 => subsequence(&["door:open", "door:state"][..], 1..=2),
        1 => subsequence(&["door:open", "door:state", "door:remove"][..], 1..=3),
    ];
    let scope = prop_oneof![5 => words.prop_map(Said::Words), 1 => (0_u64..16).prop_map(Said::Aif)];
    let who = prop_oneof![
        8 => Just(Party::Robot),
        1 => select(&[Party::WrongSecret, Party::Nobody][..]),
        2 => Just(Party::App),
    ];
    let grant = prop_oneof![
        8 => Just(Kind::Machine),
        2 => select(&[Kind::Refresh, Kind::RefreshOfNobody, Kind::Password][..]),
    ];
    let audience = prop_oneof![8 => select(OFFICE), 2 => select(ELSEWHERE)];
    let cnonce =
        prop_oneof![6 => proptest::collection::vec(any::<u8>(), 8..=32), 1 => Just(vec![1; 7]), 1 => Just(vec![1; 33])];
    (
        who,
        grant,
        weighted(0.95, audience),
        weighted(0.8, scope),
        weighted(
            0.4,
            select(&[Bound::Shown, Bound::Shown, Bound::Shown, Bound::NotShown, Bound::Kid, Bound::Secret][..]),
        ),
        weighted(0.4, select(&[None, None, None, Some(1), Some(2), Some(99)][..])),
        weighted(0.5, cnonce),
    )
        .prop_map(|(who, grant, audience, scope, key, profile, cnonce)| {
            let grant = if who == Party::App && grant == Kind::Machine { Kind::Refresh } else { grant };
            Asked { who, grant, audience, scope, key, profile, cnonce }
        })
}

fn abilities() -> impl Strategy<Value = Abilities> {
    (proptest::sample::subsequence(&AceProfile::ALL[..], 1..=3), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(profiles, reference, maced, wrapped)| Abilities {
            profiles: profiles.into_iter().collect(),
            form: if reference { TokenForm::Reference } else { TokenForm::SelfContained },
            protection: if maced { Protection::Maced } else { Protection::Signed },
            wrapped,
            ..Abilities::default()
        },
    )
}

impl Asked {
    fn id(&self) -> &'static str {
        match self.who {
            Party::Robot | Party::WrongSecret => "robot",
            Party::Nobody => "nobody",
            Party::App => "app",
        }
    }

    fn secret(&self) -> Option<&'static [u8]> {
        match self.who {
            Party::Robot | Party::Nobody => Some(SECRET),
            Party::WrongSecret => Some(b"guess"),
            Party::App => None,
        }
    }

    /// By the phone's key, where the client or the key has to show one.
    fn proof(&self) -> Option<Proof> {
        let shows = self.who == Party::App || matches!(self.key, Some(Bound::Shown | Bound::NotShown));
        shows.then(|| Pair::new(1).proof("p"))
    }

    fn is_for_the_api(&self) -> bool {
        self.who == Party::App && self.audience == Some(API)
    }

    /// Whether CoAP can ask it: a channel shows no wrong secret and no app, and its client gets keys of the server's only.
    fn fits_coap(&self) -> bool {
        matches!(self.who, Party::Robot | Party::Nobody)
    }

    fn form(&self, refresh: &[u8]) -> Result<(TokenRequest, Credential), Refusal> {
        let mut pairs = vec![("client_id", self.id().to_owned())];
        pairs.extend(self.secret().map(|secret| ("client_secret", String::from_utf8(secret.to_vec()).unwrap())));
        let (grant, token) = match self.grant {
            Kind::Machine => ("client_credentials", None),
            Kind::Refresh => ("refresh_token", Some(base64url(refresh))),
            Kind::RefreshOfNobody => ("refresh_token", Some(base64url(&[7; 48]))),
            Kind::Password => ("password", None),
        };
        pairs.push(("grant_type", grant.to_owned()));
        pairs.extend(token.map(|token| ("refresh_token", token)));
        pairs.extend(self.audience.map(|audience| ("audience", audience.to_owned())));
        if let Some(Said::Words(words)) = &self.scope {
            pairs.push(("scope", words.join(" ")));
        }
        pairs.extend(self.key.map(|key| {
            let key = match key {
                Bound::Shown | Bound::NotShown => json!({ "jwk": key.pair().public() }),
                Bound::Kid => json!({ "kid": base64url(KID) }),
                Bound::Secret => json!({ "jwk": { "kty": "oct", "k": base64url(&[9; 16]) } }),
            };
            ("req_cnf", key.to_string())
        }));
        pairs.extend(self.profile.map(|profile| {
            let name = profile.map(|number| Profile(number).name().unwrap_or("nonsense").to_owned());
            ("ace_profile", name.unwrap_or_default())
        }));
        pairs.extend(self.cnonce.as_ref().map(|nonce| ("cnonce", base64url(nonce))));
        let body = openidconnect::url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let form = Form::parse(body.as_bytes(), &[])?;
        Ok((form.token_request()?, form.credential(None)?))
    }

    fn cbor(&self, face: Face, refresh: &[u8]) -> Result<(TokenRequest, Credential), Refusal> {
        let pair = self.key.map(Bound::pair);
        let public = pair.as_ref().map(Pair::public);
        let words = match &self.scope {
            Some(Said::Words(words)) => Some(words.join(" ")),
            _ => None,
        };
        let aif = match self.scope {
            Some(Said::Aif(bits)) => scope::encode(&[AifEntry("/door".into(), bits)]),
            _ => None,
        };
        let text = words.as_deref().map(ace::Scope::Text);
        let (grant, token) = match self.grant {
            Kind::Machine => (GrantType::CLIENT_CREDENTIALS, None),
            Kind::Refresh => (GrantType::REFRESH_TOKEN, Some(refresh)),
            Kind::RefreshOfNobody => (GrantType::REFRESH_TOKEN, Some(&[7; 48][..])),
            Kind::Password => (GrantType::PASSWORD, None),
        };
        let message = ace::TokenRequest {
            client_id: (face == Face::CborHttp).then_some(self.id()),
            client_secret: self.secret().filter(|_| face == Face::CborHttp),
            grant_type: Some(grant),
            refresh_token: token,
            audience: self.audience,
            scope: text.or(aif.as_ref().map(|aif| ace::Scope::Bytes(&aif.0))),
            req_cnf: self.key.map(|key| match (key, &public) {
                (Bound::Kid, _) => ace::Cnf::Kid(KID),
                (Bound::Shown | Bound::NotShown, Some(crate::core::jwk::PublicKey::P256 { x, y })) => {
                    ace::Cnf::CoseKey(ace::CoseKey::p256(x, y))
                }
                _ => ace::Cnf::CoseKey(ace::CoseKey { kid: None, alg: None, key: Material::Symmetric { k: &[9; 16] } }),
            }),
            ace_profile: self.profile.map(|asked| match asked {
                None => AskedProfile::Tell,
                Some(number) => AskedProfile::Named(Profile(number)),
            }),
            cnonce: self.cnonce.as_deref(),
            ..Default::default()
        };
        cbor::token_request(face, message.encode(&mut [0; 1024]).unwrap())
    }
}

impl Bound {
    fn pair(self) -> Pair {
        Pair::new(if self == Self::NotShown { 2 } else { 1 })
    }
}

type Decided = Result<Box<Issued>, Box<Refused>>;

/// What one face comes to; what cannot be read is a refusal, too, without a decision.
fn decide(
    house: &House,
    read: Result<(TokenRequest, Credential), Refusal>,
    proof: Option<Proof>,
    channel: Option<&str>,
) -> Result<Decided, Refusal> {
    let (request, inside) = read?;
    let credential = match channel {
        Some(id) => Credential::Channel { id: id.parse().unwrap(), channel: ChannelIdentity::Oscore },
        None => inside,
    };
    Ok(house.decide_with(&Presented { credential, proof }, &request, &mut Counting(1)).map(Box::new))
}

/// What the world sees of it: the answer, what the token says, and the audit line but for the face (and a signature that is random).
fn seen(decided: &Result<Decided, Refusal>) -> Value {
    match decided {
        Err(unread) => json!({ "unread": unread.to_string(), "error": unread.error().name }),
        Ok(Err(refused)) => json!({ "entry": line(&refused.entry), "error": refused.refusal.error().name }),
        Ok(Ok(issued)) => {
            let mut answer = issued.response.to_json();
            answer.as_object_mut().unwrap().remove("access_token");
            let says = match &issued.response.token {
                Token::Cwt(token) if token.len() == 32 => base64url(token),
                Token::Cwt(token) => base64url(&claims_of(token)),
                Token::Jwt(_) => String::new(),
            };
            json!({ "entry": line(&issued.entry), "answer": answer, "says": says, "changes": issued.changes.len() })
        }
    }
}

fn line(entry: &crate::core::entry::Entry) -> Value {
    let mut line = serde_json::to_value(entry).unwrap();
    for varies in ["face", "token"] {
        line.as_object_mut().unwrap().remove(varies);
    }
    line
}

/// Only what was asked for, below what policy allows, and nothing stored for nothing.
fn is_within(house: &House, asked: &Asked, decided: &Result<Decided, Refusal>) -> Result<(), TestCaseError> {
    let issued = match decided {
        Err(_) => return Ok(()),
        Ok(Err(refused)) => {
            prop_assert_eq!(&refused.changes, &[]);
            return Ok(());
        }
        Ok(Ok(issued)) => issued,
    };
    prop_assert!(matches!(asked.who, Party::Robot | Party::App));
    let Outcome::Granted { scope: granted, .. } = &issued.entry.outcome else { panic!("{:?}", issued.entry) };
    if let Some(Said::Words(words)) = &asked.scope {
        let words: Scope = words.iter().map(|word| word.parse().unwrap()).collect();
        prop_assert!(granted.within(&words));
    }
    if let (Some(Said::Aif(bits)), Some(ScopeAsked::Aif(got))) = (&asked.scope, &issued.response.scope) {
        prop_assert!(
            scope::decode(got).unwrap().iter().all(|AifEntry(path, methods)| path == "/door" && methods & !bits == 0)
        );
    }
    if asked.who == Party::Robot
        && let Some(lock) = asked.audience.and_then(|audience| audience.strip_prefix("urn:latchwork:lock:"))
    {
        prop_assert!(!granted.is_empty());
        let target = house.target(lock, None).unwrap();
        let robot = machine("robot", ClientAuth::None);
        let question = Question { who: Who::Machine(&robot), door: &target.door, owner_consent: false, now: NOW };
        for word in granted.iter() {
            prop_assert!(house.policy.decide(&question, &[word]).unwrap()[0].allowed);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(Config::with_cases(300))]

    /// Over what CBOR has numbers for: client_credentials and refresh_token. The other grants are asked by form alone; what CBOR says to
    /// them stands below, in `grants_without_a_number_are_for_forms`.
    ///
    /// R9200-5.8.3-04, R9200-5.8.3-05
    #[test]
    fn agree(asked in asked(), abilities in abilities(), on in proptest::sample::select(&["front", "back", "shed", "safe"][..])) {
        let mut house = House::new();
        let lock = house.target(on, None).unwrap().lock;
        house.put(Lock { abilities, ..lock });
        let code = house.code(&person("pat", &["staff"]), &["front", "back"], &Pair::new(1));
        let first = house.ask(&app(Pair::new(1).proof("code")), &request(redeeming(&code), "front"));
        let refresh = first.ok().and_then(|issued| issued.response.refresh_token).map_or(vec![8; 48], |it| it.expose().to_vec());

        let by_cbor = decide(&house, asked.cbor(Face::CborHttp, &refresh), asked.proof(), None);
        is_within(&house, &asked, &by_cbor)?;
        if asked.is_for_the_api() {
            prop_assert!(!matches!(by_cbor, Ok(Ok(_))), "a JWT has no CBOR form");
        } else if !matches!(asked.scope, Some(Said::Aif(_))) {
            let by_form = decide(&house, asked.form(&refresh), asked.proof(), None);
            prop_assert_eq!(seen(&by_form), seen(&by_cbor));
        }
        if asked.fits_coap() {
            house.put(machine("robot", ClientAuth::Oscore));
            let by_coap = decide(&house, asked.cbor(Face::CborCoap, &refresh), None, Some(asked.id()));
            is_within(&house, &asked, &by_coap)?;
            match (&by_coap, asked.key) {
                // On a pre-shared context, keys of the server's only.
                (Ok(Err(refused)), Some(Bound::Shown | Bound::NotShown)) if refused.refusal == KeyFault::OscOnly.into() => {}
                (Ok(Ok(_)), Some(Bound::Shown | Bound::NotShown)) => prop_assert!(false, "a public key by OSCORE"),
                _ => prop_assert_eq!(seen(&by_coap), seen(&by_cbor)),
            }
        }
    }
}

/// Neither the device grant (RFC 8628) nor token exchange (RFC 8693) has a number (RFC 9200 §8.5), and what an authorization code needs
/// beside it has none either. By CBOR, over HTTP and CoAP, a grant of any other number is unsupported_grant_type, and one by name is no
/// request; by form the same client is told about its code or token, since there the grant is known.
///
/// R9200-5.8.4.1-01
#[test]
fn grants_without_a_number_are_for_forms() {
    let mut house = House::new();
    let numbered = |face, grant: u64| {
        let message = ace::TokenRequest {
            client_id: (face == Face::CborHttp).then_some("robot"),
            client_secret: (face == Face::CborHttp).then_some(SECRET),
            grant_type: Some(GrantType(grant)),
            audience: Some(OFFICE[0]),
            ..Default::default()
        };
        cbor::token_request(face, message.encode(&mut [0; 256]).unwrap())
    };
    let by_form = |grant: &str, more: &str| {
        let body = format!("grant_type={grant}&client_id=robot&client_secret={}&{more}", "a+secret+drawn+at+random");
        let form = Form::parse(body.as_bytes(), &[]).unwrap();
        Ok((form.token_request()?, form.credential(None)?))
    };
    for (name, more) in [
        ("urn:ietf:params:oauth:grant-type:device_code", "device_code=x"),
        (
            "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token=x&subject_token_type=urn:ietf:params:oauth:token-type:access_token",
        ),
        ("authorization_code", "code=x&redirect_uri=http://127.0.0.1/cb&code_verifier=x"),
    ] {
        let decided = decide(&house, by_form(name, more), None, None).unwrap();
        let error = decided.map(drop).unwrap_err().refusal.error().name;
        assert_ne!(error, "unsupported_grant_type", "{name} by form");
        // By its name, in CBOR.
        let text = [&[0xa1, 0x18, 33, 0x78, u8::try_from(name.len()).unwrap()], name.as_bytes()].concat();
        for face in [Face::CborHttp, Face::CborCoap] {
            let unread = cbor::token_request(face, &text).map(drop).unwrap_err();
            assert_eq!(unread.error().name, "invalid_request", "{name} by {face:?}");
        }
    }
    for (face, channel) in [(Face::CborHttp, None), (Face::CborCoap, Some("robot"))] {
        if channel.is_some() {
            house.put(machine("robot", ClientAuth::Oscore));
        }
        for grant in [0, 1, 4, 5, 6, 255, u64::MAX] {
            let refused = decide(&house, numbered(face, grant), None, channel).unwrap().map(drop).unwrap_err();
            let (error, number) = (refused.refusal.error().name, refused.refusal.error().number);
            assert_eq!((error, number), ("unsupported_grant_type", 5), "{grant} by {face:?}");
            assert_eq!(refused.changes, []);
        }
    }
}

/// What is generated above reaches tokens by each face, of each form, and refusals of many kinds.
#[test]
fn reach_tokens_and_refusals() {
    let mut runner = TestRunner::deterministic();
    let (mut tokens, mut reasons) = ([0; 3], BTreeSet::new());
    for _ in 0..300 {
        let asked = asked().new_tree(&mut runner).unwrap().current();
        let mut house = House::new();
        let mut decided = vec![
            decide(&house, asked.form(&[]), asked.proof(), None),
            decide(&house, asked.cbor(Face::CborHttp, &[]), asked.proof(), None),
        ];
        if asked.fits_coap() {
            house.put(machine("robot", ClientAuth::Oscore));
            decided.push(decide(&house, asked.cbor(Face::CborCoap, &[]), None, Some(asked.id())));
        }
        for (face, decided) in decided.iter().enumerate() {
            match decided {
                Ok(Ok(_)) => tokens[face] += 1,
                Ok(Err(refused)) => drop(reasons.insert(refused.refusal.to_string())),
                Err(unread) => drop(reasons.insert(unread.to_string())),
            }
        }
    }
    assert!(tokens.iter().all(|count| *count >= 10) && reasons.len() >= 12, "{tokens:?} {reasons:#?}");
}

const API: &str = "https://as.example:8443/api/v1";
const OFFICE: &[&str] =
    &["urn:latchwork:lock:front", "urn:latchwork:lock:back", "urn:latchwork:lock:shed", "urn:latchwork:lock:safe"];
const ELSEWHERE: &[&str] = &[
    "urn:latchwork:lock:vault",
    "urn:latchwork:lock:nowhere",
    "urn:latchwork:group:building",
    API,
    "coap://127.0.0.1",
];
const KID: &[u8] = &[1, 2, 3, 4];
