//! The form face of `/token` (RFC 6749 §4 and appendix B; DESIGN: "CBOR and form").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchwork_ace::registry::Profile;
use serde::Deserialize;

use crate::core::bytes::{Blob, Hidden, from_base64url};
use crate::core::exchange;
use crate::core::jwk::PublicKey;
use crate::core::names::ClientId;
use crate::core::refusal::Refusal;
use crate::core::request::{Credential, Face, GrantAsked, ProfileAsked, ReqCnf, TokenRequest, refresh_from_text};
use crate::core::scope::ScopeAsked;

/// Decoded parameters, none of them twice.
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Parses `application/x-www-form-urlencoded`. A parameter that comes twice is refused (RFC 6749 §3.2), `repeatable` excepted.
    ///
    /// # Errors
    /// Not UTF-8, broken percent-encoding, too many parameters, or one twice.
    pub fn parse(body: &[u8], repeatable: &[&str]) -> Result<Self, Refusal> {
        let pairs = pairs(body)?;
        for (place, (name, _)) in pairs.iter().enumerate() {
            let before = pairs.iter().take(place);
            if !repeatable.contains(&name.as_str()) && before.clone().any(|(known, _)| known == name) {
                return Err(Refusal::Repeated(name.chars().filter(|c| !c.is_control()).take(40).collect()));
            }
        }
        Ok(Self(pairs))
    }

    /// The value; a parameter without a value counts as not sent (RFC 6749 §3.2).
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// Every value of a repeatable parameter.
    pub fn all<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        self.0.iter().filter(move |(known, value)| known == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// Every parameter that has a value, in order.
    #[must_use]
    pub fn pairs(&self) -> Vec<(String, String)> {
        self.0.iter().filter(|(_, value)| !value.is_empty()).cloned().collect()
    }

    /// Whether the parameter came at all, even without a value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// What is asked for at `/token`.
    ///
    /// # Errors
    /// A parameter is missing or not of its form.
    pub fn token_request(&self) -> Result<TokenRequest, Refusal> {
        let grant_type = self.value("grant_type").ok_or(Refusal::Malformed("grant_type is missing"))?;
        if grant_type != exchange::GRANT_TYPE && self.0.iter().filter(|(name, _)| name == "audience").count() > 1 {
            return Err(Refusal::Repeated("audience".into()));
        }
        let grant = match grant_type {
            "client_credentials" => GrantAsked::ClientCredentials,
            "authorization_code" => GrantAsked::AuthorizationCode {
                code: hidden(self.value("code").ok_or(Refusal::Malformed("code is missing"))?),
                redirect_uri: self.value("redirect_uri").map(str::to_owned),
                verifier: self.value("code_verifier").map(hidden),
            },
            "refresh_token" => GrantAsked::RefreshToken {
                token: refresh_from_text(
                    self.value("refresh_token").ok_or(Refusal::Malformed("refresh_token is missing"))?,
                ),
            },
            "urn:ietf:params:oauth:grant-type:device_code" => GrantAsked::DeviceCode {
                code: hidden(self.value("device_code").ok_or(Refusal::Malformed("device_code is missing"))?),
            },
            exchange::GRANT_TYPE => {
                let named = exchange::Named {
                    subject_token_type: self.value("subject_token_type"),
                    requested_token_type: self.value("requested_token_type"),
                    actor_token: self.value("actor_token").is_some(),
                    actor_token_type: self.value("actor_token_type").is_some(),
                    resource: self.value("resource").is_some(),
                };
                let token = self.value("subject_token").ok_or(Refusal::Malformed("subject_token is missing"))?;
                named.check()?;
                GrantAsked::TokenExchange { token: hidden(token) }
            }
            other => GrantAsked::Other(other.chars().filter(|c| !c.is_control()).take(60).collect()),
        };
        let scope = match self.value("scope") {
            Some(text) => Some(ScopeAsked::Text(text.parse().map_err(|_| Refusal::UnknownScope("(no scope)".into()))?)),
            None => None,
        };
        Ok(TokenRequest {
            face: Face::Form,
            grant,
            audience: self.all("audience").map(str::to_owned).collect(),
            scope,
            req_cnf: self.value("req_cnf").map(req_cnf).transpose()?,
            ace_profile: self.has("ace_profile").then(|| match self.value("ace_profile") {
                None => ProfileAsked::Tell,
                Some(name) => Profile::from_name(name).map_or(ProfileAsked::Only(None), ProfileAsked::only),
            }),
            series: None,
            cnonce: self
                .value("cnonce")
                .map(|text| from_base64url(text).map(Blob).ok_or(Refusal::Malformed("cnonce is not base64url")))
                .transpose()?,
        })
    }

    /// How the client says who it is: one way, never two (RFC 6749 §2.3). `basic` is the `Authorization` header.
    ///
    /// # Errors
    /// Two ways at once, or a credential that is not of its form.
    pub fn credential(&self, basic: Option<&str>) -> Result<Credential, Refusal> {
        let named = self.value("client_id").map(client_id).transpose()?;
        let secret = self.value("client_secret");
        let assertion = match (self.value("client_assertion_type"), self.value("client_assertion")) {
            (None, None) => None,
            (Some(JWT_BEARER), Some(jwt)) => Some(jwt),
            _ => return Err(Refusal::Malformed("client_assertion and its type belong together")),
        };
        match (basic, secret, assertion) {
            (Some(header), None, None) => {
                let (id, secret) = basic_credentials(header)?;
                match named {
                    Some(named) if named != id => Err(Refusal::Malformed("two client ids")),
                    _ => Ok(Credential::Secret { id, secret }),
                }
            }
            (None, Some(secret), None) => {
                let id = named.ok_or(Refusal::Malformed("client_secret without client_id"))?;
                Ok(Credential::Secret { id, secret: hidden(secret) })
            }
            (None, None, Some(jwt)) => Ok(Credential::Assertion { id: named, jwt: hidden(jwt) }),
            (None, None, None) => Ok(named.map_or(Credential::Nothing, |id| Credential::Public { id })),
            _ => Err(Refusal::Malformed("the client authenticates in two ways")),
        }
    }
}

/// The decoded pairs of a form or query as they came, repetitions and empty values included.
///
/// # Errors
/// Not UTF-8, broken percent-encoding, or too many parameters.
pub fn pairs(body: &[u8]) -> Result<Vec<(String, String)>, Refusal> {
    let text = std::str::from_utf8(body).map_err(|_| Refusal::Malformed("the form is not UTF-8"))?;
    let mut pairs = Vec::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        if pairs.len() == MAX_PARAMETERS {
            return Err(Refusal::Malformed("too many parameters"));
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        pairs.push((decode(name)?, decode(value)?));
    }
    Ok(pairs)
}

/// A CBOR payload's credential, or that of the `Authorization: Basic` header beside it; never both.
///
/// # Errors
/// Both came, or the header is not of its form.
pub fn beside_header(inside: Credential, basic: Option<&str>) -> Result<Credential, Refusal> {
    match (inside, basic) {
        (inside, None) => Ok(inside),
        (Credential::Nothing, Some(header)) => {
            let (id, secret) = basic_credentials(header)?;
            Ok(Credential::Secret { id, secret })
        }
        (Credential::Public { id: named }, Some(header)) => {
            let (id, secret) = basic_credentials(header)?;
            if named == id { Ok(Credential::Secret { id, secret }) } else { Err(Refusal::Malformed("two client ids")) }
        }
        (_, Some(_)) => Err(Refusal::Malformed("the client authenticates in two ways")),
    }
}

/// `Authorization: Basic`, both halves form-encoded (RFC 6749 §2.3.1).
pub(crate) fn basic_credentials(header: &str) -> Result<(ClientId, Hidden), Refusal> {
    let malformed = || Refusal::Malformed("Authorization is not Basic");
    let (scheme, encoded) = header.split_once(' ').ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return Err(Refusal::OtherScheme);
    }
    let plain = zeroize::Zeroizing::new(STANDARD.decode(encoded.trim()).map_err(|_| malformed())?);
    let plain = std::str::from_utf8(&plain).map_err(|_| malformed())?;
    let (id, secret) = plain.split_once(':').ok_or_else(malformed)?;
    let secret = decode(secret)?;
    Ok((client_id(&decode(id)?)?, Hidden::new(secret.into_bytes())))
}

/// `req_cnf` as JSON text: `jwk`, `kid` or `kccs`, exactly one.
fn req_cnf(json: &str) -> Result<ReqCnf, Refusal> {
    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Member {
        Jwk(serde_json::Value),
        Kid(String),
        Kccs(String),
        #[serde(other)]
        Other,
    }
    let malformed = Refusal::Malformed("req_cnf is not a JSON object with one key");
    let Ok(object) = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(json) else {
        return Err(malformed);
    };
    if object.len() != 1 {
        return Err(malformed);
    }
    let bytes = |text: &str| from_base64url(text).map(Blob).ok_or(Refusal::Malformed("req_cnf is not base64url"));
    match serde_json::from_value(serde_json::Value::Object(object)) {
        Ok(Member::Jwk(jwk)) => Ok(serde_json::from_value::<PublicKey>(jwk).map_or(ReqCnf::Unsupported, ReqCnf::Key)),
        Ok(Member::Kid(kid)) => Ok(ReqCnf::Kid(bytes(&kid)?)),
        Ok(Member::Kccs(ccs)) => Ok(super::cbor::kccs(&bytes(&ccs)?.0)),
        Ok(Member::Other) | Err(_) => Ok(ReqCnf::Unsupported),
    }
}

fn client_id(text: &str) -> Result<ClientId, Refusal> {
    text.parse().map_err(|_| Refusal::Malformed("client_id is none"))
}

fn hidden(text: &str) -> Hidden {
    Hidden::new(text.as_bytes().to_vec())
}

/// `+` is a space, `%XX` a byte; the result must be UTF-8 (RFC 6749 appendix B).
fn decode(text: &str) -> Result<String, Refusal> {
    let malformed = Refusal::Malformed("broken form encoding");
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|b| char::from(b).to_digit(16));
                match (digit(rest.next()), digit(rest.next())) {
                    (Some(high), Some(low)) => out.push(u8::try_from(high * 16 + low).unwrap_or_default()),
                    _ => return Err(malformed),
                }
            }
            other => out.push(other),
        }
    }
    String::from_utf8(out).map_err(|_| malformed)
}

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const MAX_PARAMETERS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::refusal::ExchangeFault;

    fn asked(body: &str) -> Result<TokenRequest, Refusal> {
        Form::parse(body.as_bytes(), &TokenRequest::MAY_REPEAT)?.token_request()
    }

    /// R6749-3.1-02
    #[test]
    fn forms_that_are_refused() {
        for (body, error) in [
            ("", "invalid_request"),
            ("grant_type=", "invalid_request"),
            ("grant_type=client_credentials&grant_type=client_credentials", "invalid_request"),
            ("grant_type=client_credentials&scope=a&scope=b", "invalid_request"),
            ("grant_type=client_credentials&audience=a&audience=b", "invalid_request"),
            ("grant_type=client_credentials&x=1&x=1", "invalid_request"),
            ("grant_type=%zz", "invalid_request"),
            ("grant_type=%f", "invalid_request"),
            ("grant_type=%ff", "invalid_request"),
            ("grant_type=authorization_code", "invalid_request"),
            ("grant_type=refresh_token", "invalid_request"),
            ("grant_type=urn:ietf:params:oauth:grant-type:device_code", "invalid_request"),
            ("grant_type=client_credentials&scope=a++b", "invalid_scope"),
            ("grant_type=client_credentials&scope=%22", "invalid_scope"),
            ("grant_type=client_credentials&cnonce=!!", "invalid_request"),
            ("grant_type=client_credentials&req_cnf=x", "invalid_request"),
            ("grant_type=client_credentials&req_cnf={}", "invalid_request"),
            ("grant_type=client_credentials&req_cnf=%7B%22kid%22%3A%22AA%22%2C%22jwk%22%3A1%7D", "invalid_request"),
            (r#"{"grant_type":"client_credentials"}"#, "invalid_request"),
            ("grant_type=refresh_token&refresh_token=x&audience=&audience=a", "invalid_request"),
        ] {
            let refusal = asked(body).expect_err(body);
            assert_eq!(refusal.error().name, error, "{body}: {refusal}");
        }
        let many = (0..65).map(|n| format!("p{n}=1")).collect::<Vec<_>>().join("&");
        assert!(Form::parse(many.as_bytes(), &[]).is_err());
        assert!(Form::parse(b"\xff=1", &[]).is_err());
    }

    /// R8693-2.1-01, R8693-2.1-02, R8693-2.1-03, R8693-2.1-04, R8693-2.2.2-01
    #[test]
    fn exchanges() {
        let good = [
            ("grant_type", exchange::GRANT_TYPE),
            ("subject_token", "x"),
            ("subject_token_type", exchange::ACCESS_TOKEN),
            ("audience", "urn:latchwork:lock:front"),
        ];
        let jwt = "urn:ietf:params:oauth:token-type:jwt";
        for (change, expected) in [
            (("x", None), Ok(())),
            (("subject_token_type", Some(jwt)), Ok(())),
            (("requested_token_type", Some(exchange::ACCESS_TOKEN)), Ok(())),
            (("requested_token_type", Some("")), Ok(())),
            (("audience", None), Ok(())),
            (("subject_token", None), Err(Refusal::Malformed(""))),
            (("subject_token", Some("")), Err(Refusal::Malformed(""))),
            (("subject_token_type", None), Err(Refusal::Malformed(""))),
            (
                ("subject_token_type", Some("urn:ietf:params:oauth:token-type:refresh_token")),
                Err(ExchangeFault::SubjectTokenType.into()),
            ),
            (
                ("subject_token_type", Some("urn:ietf:params:oauth:token-type:id_token")),
                Err(ExchangeFault::SubjectTokenType.into()),
            ),
            (("subject_token_type", Some("jwt")), Err(ExchangeFault::SubjectTokenType.into())),
            (("requested_token_type", Some(jwt)), Err(ExchangeFault::RequestedTokenType.into())),
            (
                ("requested_token_type", Some("urn:ietf:params:oauth:token-type:refresh_token")),
                Err(ExchangeFault::RequestedTokenType.into()),
            ),
            (("actor_token", Some("x")), Err(ExchangeFault::ActorToken.into())),
            (("actor_token_type", Some(jwt)), Err(Refusal::Malformed(""))),
            (("resource", Some("coap://front.example/door")), Err(ExchangeFault::Resource.into())),
            (("resource", Some("front#x")), Err(ExchangeFault::Resource.into())),
        ] {
            let pairs = crate::core::testing::varied(&good, &[change]);
            let body = openidconnect::url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
            let got = asked(&body).map(|asked| assert!(asked.subject_token().is_some()));
            // The words of what is malformed are for people.
            let got =
                got.map_err(|why| if matches!(why, Refusal::Malformed(_)) { Refusal::Malformed("") } else { why });
            assert_eq!(got, expected, "{change:?}");
        }
        for (fault, name) in [
            (ExchangeFault::SubjectTokenType, "invalid_request"),
            (ExchangeFault::RequestedTokenType, "invalid_request"),
            (ExchangeFault::ActorToken, "invalid_request"),
            (ExchangeFault::Resource, "invalid_target"),
        ] {
            assert_eq!(Refusal::from(fault).error().name, name, "{fault}");
        }
    }

    /// R6749-2.3-02, R7523-2.2-01
    #[test]
    fn credentials_come_one_way_only() {
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        let good = basic("robot:s3cret");
        for (header, body, outcome) in [
            (None, "", Ok("nothing")),
            (None, "client_id=app", Ok("public app")),
            (Some(good.clone()), "", Ok("secret robot s3cret")),
            (Some(good.clone()), "client_id=robot", Ok("secret robot s3cret")),
            (Some(basic("a%2Fb:x%3Ay+z")), "", Ok("secret a/b x:y z")),
            (None, "client_id=robot&client_secret=s3cret", Ok("secret robot s3cret")),
            (Some(good.clone()), "client_id=other", Err(())),
            (Some(good.clone()), "client_secret=s3cret&client_id=robot", Err(())),
            (None, "client_secret=s3cret", Err(())),
            (Some("Bearer x".into()), "", Err(())),
            (Some("Basic".into()), "", Err(())),
            (Some("Basic !!!".into()), "", Err(())),
            (Some(basic("nocolon")), "", Err(())),
            (Some(basic(":x")), "", Err(())),
            (Some(basic("a b:x")), "", Err(())),
            (None, "client_assertion=x", Err(())),
            (None, "client_assertion=x&client_assertion_type=y", Err(())),
            (
                Some(good),
                "client_assertion=x&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer",
                Err(()),
            ),
        ] {
            let form = Form::parse(body.as_bytes(), &[]).unwrap();
            let got = form.credential(header.as_deref()).map(|credential| match credential {
                Credential::Nothing => "nothing".to_owned(),
                Credential::Public { id } => format!("public {id}"),
                Credential::Secret { id, secret } => {
                    format!("secret {id} {}", String::from_utf8_lossy(secret.expose()))
                }
                other => format!("{other:?}"),
            });
            assert_eq!(got.as_deref().map_err(|_| ()), outcome, "{header:?} {body}");
        }
        let bearer = Form::parse(b"", &[]).unwrap().credential(Some("Bearer x"));
        assert_eq!(bearer.err(), Some(Refusal::OtherScheme));
    }
}
