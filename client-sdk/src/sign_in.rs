//! Sign-in of a native app: authorization code with PKCE, bound to the installation key (RFC 8252, 7636, 9449 §10).

use serde::Deserialize;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::browser::{Browser, Loopback};
use crate::dpop;
use crate::encoding::{base64url, random_text};
use crate::error::Error;
use crate::key::PopKey;
use crate::server::Connection;

pub(crate) struct SignIn<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) key: &'a dyn PopKey,
}

/// What the server gives to an app: a token for its own API, and the means to get others.
pub(crate) struct Tokens {
    pub(crate) api_token: Zeroizing<String>,
    pub(crate) refresh_token: Zeroizing<String>,
}

impl Tokens {
    pub(crate) fn from_json(answer: &[u8]) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Answer {
            access_token: Zeroizing<String>,
            token_type: String,
            refresh_token: Zeroizing<String>,
        }
        let answer: Answer = serde_json::from_slice(answer).map_err(|_| Error::Nonsense("a token response"))?;
        if !answer.token_type.eq_ignore_ascii_case("DPoP") {
            return Err(Error::Nonsense("a token that is not bound to our key"));
        }
        Ok(Self { api_token: answer.access_token, refresh_token: answer.refresh_token })
    }
}

impl SignIn<'_> {
    /// Shows the server's page, waits for its answer and redeems the code.
    pub(crate) async fn run(&self, browser: &dyn Browser, audiences: &[String]) -> Result<Tokens, Error> {
        let receiver = Loopback::listen().await?;
        let (redirect_uri, state) = (receiver.redirect_uri()?, random_text()?);
        let verifier = Zeroizing::new(random_text()?);
        browser.open(&self.authorize_url(&redirect_uri, &state, &verifier, audiences)?)?;
        let answer = receiver.answer(&state).await?;
        let code = self.code(&answer)?;
        let api = self.connection.url("/api/v1");
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", &self.connection.server.client_id),
            ("code", code),
            ("redirect_uri", &redirect_uri),
            ("code_verifier", &verifier),
            ("audience", &api),
        ];
        Tokens::from_json(&self.connection.token(self.key, "application/json", &form).await?)
    }

    fn authorize_url(
        &self,
        redirect_uri: &str,
        state: &str,
        verifier: &str,
        audiences: &[String],
    ) -> Result<String, Error> {
        let challenge = base64url(&Sha256::digest(verifier));
        let jkt = dpop::thumbprint(self.key);
        let mut url =
            reqwest::Url::parse(&self.connection.url("/authorize")).map_err(|_| Error::Nonsense("the issuer"))?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.connection.server.client_id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("state", state)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256")
            .append_pair("dpop_jkt", &jkt)
            .extend_pairs(audiences.iter().map(|audience| ("audience", audience)));
        Ok(url.into())
    }

    /// The code, if the answer is from our server (RFC 9207 §2.4); `state` was compared when it came in.
    fn code<'a>(&self, answer: &'a [(String, String)]) -> Result<&'a str, Error> {
        let value = |wanted| answer.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
        if value("iss") != Some(&self.connection.server.issuer) {
            return Err(Error::ForeignAnswer);
        }
        match (value("code"), value("error")) {
            (Some(code), None) => Ok(code),
            (None, Some(error)) => Err(Error::SignInRefused(error.to_owned())),
            _ => Err(Error::ForeignAnswer),
        }
    }
}
