//! Signing people in at the enterprise's own OpenID provider (OpenID Connect Core 1.0, code flow with PKCE).
//!
//! A provider is configured, never supplied: its issuer comes from the configuration, everything else from its discovery
//! document, and every URL in there passes [`fetch::allowed`]. What comes out is a [`SignedIn`], and nothing but a checked ID
//! token can make one.

pub mod fetch;

use std::sync::Arc;

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreClaimName, CoreClaimType, CoreClientAuthMethod,
    CoreErrorResponseType, CoreGenderClaim, CoreGrantType, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm, CoreJwsSigningAlgorithm, CoreResponseMode, CoreResponseType, CoreRevocableToken,
    CoreRevocationErrorResponse, CoreSubjectIdentifierType, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::url::Url;
use openidconnect::{
    AdditionalClaims, AdditionalProviderMetadata, AsyncHttpClient, AuthType, AuthorizationCode, Client, ClientId,
    ClientSecret, CsrfToken, DiscoveryError, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet,
    IdTokenFields, IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, ProviderMetadata,
    RedirectUrl, RequestTokenError, Scope, StandardErrorResponse, StandardTokenResponse, TokenResponse, UserInfoClaims,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use fetch::{Fetch, FetchError};

use crate::config::ProviderSettings as Settings;

/// Why a provider cannot be used at all. Found at start-up.
#[derive(Debug, thiserror::Error)]
pub enum BadSettings {
    /// The issuer is no URL, or one we may not fetch.
    #[error("issuer: {0:?} must be an https URL, or http on 127.0.0.1, [::1] or localhost")]
    Issuer(String),
    /// The CA file is unusable.
    #[error(transparent)]
    CaFile(#[from] fetch::BadCaFile),
}

/// A configured provider with its cached discovery document. `F` is the one way to it.
pub struct Provider<F = Fetch> {
    settings: Settings,
    issuer: IssuerUrl,
    fetch: F,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    good: Option<(Arc<Metadata>, i64)>,
    /// The last failure, so that a crowd waiting for a dead provider does not ask it one after the other.
    failed: Option<(SignInError, i64)>,
}

/// What a browser is sent away with, and what must be remembered about it until it returns.
pub struct Departure {
    /// Where the browser goes: the provider's authorization endpoint with everything in it.
    pub url: String,
    /// Comes back with the browser; single use.
    pub state: String,
    /// Comes back inside the ID token.
    pub nonce: String,
    /// Proves at the provider's token endpoint that the code came to the one who asked (RFC 7636).
    pub verifier: String,
}

/// What the browser brought back, beside the state that led us to the [`Departure`].
pub struct Arrival<'a> {
    /// The authorization code.
    pub code: &'a str,
    /// Who says he sent it (RFC 9207).
    pub iss: Option<&'a str>,
}

/// A person whom the provider vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// The provider's issuer.
    pub issuer: String,
    /// The subject there: with the issuer, the only name of a person.
    pub subject: String,
    /// What to call the person on a page; never used to decide.
    pub name: String,
    /// The groups that the provider lists, for policy.
    pub groups: Vec<String>,
}

/// Why nobody was signed in. The `Display` text is for the log; the page says less.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SignInError {
    /// The provider could not be reached, or not in time.
    #[error("provider unreachable: {0}")]
    Unreachable(String),
    /// The provider answered something that cannot be trusted: wrong issuer, audience, nonce, signature, algorithm or time, or
    /// no OpenID at all.
    #[error("provider's answer refused: {0}")]
    Nonsense(String),
    /// The provider itself said no to the code.
    #[error("provider refused the code: {0}")]
    Refused(String),
}

impl Provider {
    /// # Errors
    /// The issuer or the CA file cannot be used.
    pub fn new(settings: Settings) -> Result<Self, BadSettings> {
        let fetch = Fetch::new(settings.ca_file.as_deref())?;
        Self::over(settings, fetch)
    }
}

impl<F: for<'c> AsyncHttpClient<'c, Error = FetchError>> Provider<F> {
    /// A provider that is reached through `fetch`.
    ///
    /// # Errors
    /// The issuer cannot be used.
    pub fn over(settings: Settings, fetch: F) -> Result<Self, BadSettings> {
        let bad = || BadSettings::Issuer(settings.issuer.clone());
        let url = Url::parse(&settings.issuer).map_err(|_| bad())?;
        if !fetch::allowed(&url) || url.query().is_some() || url.fragment().is_some() {
            return Err(bad());
        }
        let issuer = IssuerUrl::new(settings.issuer.clone()).map_err(|_| bad())?;
        Ok(Self { settings, issuer, fetch, known: Mutex::default() })
    }

    /// The name in `/callback/{name}`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// The issuer as configured.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    /// Prepares a sign-in. `callback` is our own `/callback/{name}` URL; `state` starts with `prefix` and ends unguessably.
    ///
    /// # Errors
    /// The provider is unreachable or its discovery document is unusable.
    pub async fn depart(&self, callback: &str, prefix: &str, now: i64) -> Result<Departure, SignInError> {
        let metadata = self.metadata(now, MAX_AGE).await?;
        let party = self.party(&metadata, callback)?;
        let state = CsrfToken::new(format!("{prefix}{}", CsrfToken::new_random().secret()));
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let mut request = party
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, move || state, Nonce::new_random)
            .set_pkce_challenge(challenge);
        for scope in &self.settings.scopes {
            if scope != "openid" {
                request = request.add_scope(Scope::new(scope.clone()));
            }
        }
        let (url, state, nonce) = request.url();
        if !fetch::allowed(&url) {
            return Err(SignInError::Nonsense("authorization_endpoint is neither https nor on this machine".into()));
        }
        Ok(Departure {
            url: url.into(),
            state: state.into_secret(),
            nonce: nonce.secret().clone(),
            verifier: verifier.into_secret(),
        })
    }

    /// Redeems the code and checks the ID token against the departure's nonce.
    ///
    /// # Errors
    /// See [`SignInError`]. Nothing is kept of a failed sign-in.
    pub async fn arrive(
        &self,
        callback: &str,
        nonce: &str,
        verifier: &str,
        arrival: &Arrival<'_>,
        now: i64,
    ) -> Result<SignedIn, SignInError> {
        let metadata = self.metadata(now, MAX_AGE).await?;
        check_iss(&metadata, &self.issuer, arrival.iss)?;
        let party = self.party(&metadata, callback)?;
        let answer = party
            .exchange_code(AuthorizationCode::new(arrival.code.to_owned()))
            .map_err(|_| SignInError::Nonsense("no token_endpoint".into()))?
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.to_owned()))
            .request_async(&self.fetch)
            .await
            .map_err(token_error)?;
        let id_token = answer.id_token().ok_or_else(|| SignInError::Nonsense("no id_token".into()))?;
        let nonce = Nonce::new(nonce.to_owned());
        let verify = |party: &RelyingParty| {
            let verifier = party.id_token_verifier().set_allowed_algs(ALGORITHMS.iter().cloned());
            id_token.claims(&verifier, &nonce).cloned()
        };
        let claims = match verify(&party) {
            Ok(claims) => claims,
            // The provider may have new keys: look once more, unless we just did.
            Err(openidconnect::ClaimsVerificationError::SignatureVerification(_)) => {
                let metadata = self.metadata(now, RELOOK).await?;
                verify(&self.party(&metadata, callback)?).map_err(|e| SignInError::Nonsense(e.to_string()))?
            }
            Err(other) => return Err(SignInError::Nonsense(other.to_string())),
        };
        check_text(claims.subject().as_str())?;
        let mut extra = claims.additional_claims().other.clone();
        let mut name = claims
            .name()
            .and_then(|n| n.get(None))
            .map(|n| n.to_string())
            .or_else(|| claims.preferred_username().map(|n| n.to_string()));
        let wants_more = name.is_none() || self.settings.groups_claim.as_ref().is_some_and(|c| !extra.contains_key(c));
        if wants_more && metadata.userinfo_endpoint().is_some() {
            let more: UserInfoClaims<Extra, CoreGenderClaim> = party
                .user_info(answer.access_token().clone(), Some(claims.subject().clone()))
                .map_err(|e| SignInError::Nonsense(e.to_string()))?
                .request_async(&self.fetch)
                .await
                .map_err(|e| match e {
                    openidconnect::UserInfoError::Request(e) => fetch_error(e),
                    other => SignInError::Nonsense(other.to_string()),
                })?;
            name = name
                .or_else(|| more.name().and_then(|n| n.get(None)).map(|n| n.to_string()))
                .or_else(|| more.preferred_username().map(|n| n.to_string()));
            for (key, value) in &more.additional_claims().other {
                extra.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        Ok(SignedIn {
            issuer: self.settings.issuer.clone(),
            subject: claims.subject().to_string(),
            name: clip(&name.unwrap_or_else(|| claims.subject().to_string())),
            groups: self.settings.groups_claim.as_ref().map(|c| groups(extra.get(c))).unwrap_or_default(),
        })
    }

    async fn metadata(&self, now: i64, max_age: i64) -> Result<Arc<Metadata>, SignInError> {
        let recent = |at: i64, age: i64| (0..age).contains(&now.saturating_sub(at));
        let mut known = self.known.lock().await;
        if let Some((metadata, _)) = known.good.as_ref().filter(|(_, at)| recent(*at, max_age)) {
            return Ok(Arc::clone(metadata));
        }
        if let Some((error, _)) = known.failed.as_ref().filter(|(_, at)| recent(*at, REST)) {
            return Err(error.clone());
        }
        match Metadata::discover_async(self.issuer.clone(), &self.fetch).await {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                *known = Known { good: Some((Arc::clone(&metadata), now)), failed: None };
                Ok(metadata)
            }
            Err(error) => {
                let error = match error {
                    DiscoveryError::Request(error) => fetch_error(error),
                    other => SignInError::Nonsense(format!("discovery: {other}")),
                };
                known.failed = Some((error.clone(), now));
                Err(error)
            }
        }
    }

    fn party(&self, metadata: &Metadata, callback: &str) -> Result<RelyingParty, SignInError> {
        let callback = RedirectUrl::new(callback.to_owned()).map_err(|e| SignInError::Nonsense(e.to_string()))?;
        let secret = self.settings.client_secret.as_ref().map(|secret| ClientSecret::new(secret.to_string()));
        let methods = metadata.token_endpoint_auth_methods_supported();
        let offers = |method: &CoreClientAuthMethod| methods.is_none_or(|all| all.contains(method));
        let in_body =
            !offers(&CoreClientAuthMethod::ClientSecretBasic) && offers(&CoreClientAuthMethod::ClientSecretPost);
        let how = if in_body { AuthType::RequestBody } else { AuthType::BasicAuth };
        let client = ClientId::new(self.settings.client_id.clone());
        Ok(Client::from_provider_metadata(metadata.clone(), client, secret)
            .set_redirect_uri(callback)
            .set_auth_type(how))
    }
}

/// RFC 9207 §2.4: when announced, `iss` must be there; when there, it must be right.
fn check_iss(metadata: &Metadata, issuer: &IssuerUrl, iss: Option<&str>) -> Result<(), SignInError> {
    match iss {
        Some(iss) if iss == issuer.as_str() => Ok(()),
        Some(_) => Err(SignInError::Nonsense("iss names another provider".into())),
        None if metadata.additional_metadata().announces_iss => {
            Err(SignInError::Nonsense("iss announced but missing".into()))
        }
        None => Ok(()),
    }
}

/// OpenID Connect Core §2: a subject has at most 255 ASCII characters.
fn check_text(subject: &str) -> Result<(), SignInError> {
    match subject.len() {
        1..=255 => Ok(()),
        _ => Err(SignInError::Nonsense("subject of an impossible length".into())),
    }
}

fn groups(claim: Option<&serde_json::Value>) -> Vec<String> {
    let one = |v: &serde_json::Value| v.as_str().filter(|s| s.len() <= 256).map(str::to_owned);
    match claim {
        Some(serde_json::Value::Array(all)) => all.iter().filter_map(one).take(MAX_GROUPS).collect(),
        Some(single) => one(single).into_iter().collect(),
        None => Vec::new(),
    }
}

fn clip(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(80).collect()
}

fn fetch_error(error: FetchError) -> SignInError {
    match error {
        FetchError::NoAnswer(_) => SignInError::Unreachable(error.to_string()),
        other => SignInError::Nonsense(other.to_string()),
    }
}

fn token_error(error: RequestTokenError<FetchError, StandardErrorResponse<CoreErrorResponseType>>) -> SignInError {
    match error {
        RequestTokenError::Request(e) => fetch_error(e),
        RequestTokenError::ServerResponse(e) => SignInError::Refused(e.error().to_string()),
        // The body may hold tokens: it stays out of the log.
        RequestTokenError::Parse(e, _body) => SignInError::Nonsense(format!("token answer: at {}", e.path())),
        RequestTokenError::Other(e) => SignInError::Nonsense(e),
    }
}

/// Signatures accepted on ID tokens. `none` and the HMAC family are not among them.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 5] = [
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
];
/// Seconds a discovery document and its keys are believed.
const MAX_AGE: i64 = 600;
/// Seconds within which a bad signature does not make us look for new keys again.
const RELOOK: i64 = 10;
/// Seconds for which a provider that failed is left alone.
const REST: i64 = 2;
const MAX_GROUPS: usize = 256;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Announced {
    #[serde(default, rename = "authorization_response_iss_parameter_supported")]
    announces_iss: bool,
}
impl AdditionalProviderMetadata for Announced {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Extra {
    #[serde(flatten)]
    other: serde_json::Map<String, serde_json::Value>,
}
impl AdditionalClaims for Extra {}

type Metadata = ProviderMetadata<
    Announced,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;
type IdFields = IdTokenFields<
    Extra,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
type RelyingParty = Client<
    Extra,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    StandardTokenResponse<IdFields, CoreTokenType>,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

#[cfg(test)]
mod tests;
