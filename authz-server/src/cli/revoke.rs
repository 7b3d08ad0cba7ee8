//! `latchwork revoke`: ends grants and tokens before their time.

use clap::Args;
use reqwest::Method;
use serde_json::Value;

use super::Failure;
use super::server::Server;
use crate::core::bytes::{Hash32, from_base64url};
use crate::core::names::{ClientId, GrantId, Jkt, LockName, PersonId};
use crate::core::revoke::Target;
use crate::shell::revocation::Revoked;

/// End grants and tokens before their time. Exit code 0 once it is durable, also if there was nothing to end
#[derive(Args)]
pub(super) struct Revoke {
    #[command(flatten)]
    what: What,
    /// Print what ended as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct What {
    /// Every grant and token of this client
    #[arg(long, value_name = "ID")]
    client: Option<ClientId>,
    /// Every grant of this person, and the tokens from them
    #[arg(long, value_name = "ISSUER#SUBJECT", value_parser = person)]
    person: Option<PersonId>,
    /// Every grant bound to this installation key, such as a lost phone's: its thumbprint
    #[arg(long, value_name = "JKT")]
    device: Option<Jkt>,
    /// This grant, and the tokens from it
    #[arg(long, value_name = "ID", value_parser = grant)]
    grant: Option<GrantId>,
    /// Every token that this lock takes; grants go on
    #[arg(long, value_name = "NAME")]
    lock: Option<LockName>,
    /// This access token, or its hash as the audit log and the revocation list have it
    #[arg(long, value_name = "TOKEN", value_parser = token)]
    token: Option<Hash32>,
}

impl What {
    fn target(self) -> Option<Target> {
        let Self { client, person, device, grant, lock, token } = self;
        client
            .map(Target::Client)
            .or(person.map(Target::Person))
            .or(device.map(Target::Device))
            .or(grant.map(Target::Grant))
            .or(lock.map(Target::Lock))
            .or(token.map(Target::Token))
    }
}

impl Revoke {
    pub(super) fn run(self) -> Result<(), Failure> {
        let target = self.what.target();
        let done: Option<Revoked> = self.server.connect()?.ask(Method::POST, "revoke", target.as_ref())?;
        let Revoked { grants, tokens } = done.unwrap_or_default();
        if self.json {
            return super::say(&Value::from_iter([("grants", grants), ("tokens", tokens)]));
        }
        super::say_line(&format!("{grants} grants ended, {tokens} tokens revoked"))
    }
}

fn person(text: &str) -> Result<PersonId, String> {
    let (issuer, subject) = text.split_once('#').ok_or("ISSUER#SUBJECT")?;
    PersonId::new(issuer, subject).map_err(|cause| cause.to_string())
}

fn grant(text: &str) -> Result<GrantId, String> {
    GrantId::try_from(text.to_owned()).map_err(|cause| cause.to_string())
}

/// A hash with or without its leading 0x01 is one; a token is longer.
#[allow(clippy::unnecessary_wraps)] // what clap asks for
fn token(text: &str) -> Result<Hash32, String> {
    let bytes = from_base64url(text).unwrap_or_default();
    let digest: Option<[u8; 32]> = match bytes.as_slice() {
        [1, digest @ ..] if digest.len() == 32 => digest.try_into().ok(),
        digest => digest.try_into().ok(),
    };
    Ok(digest.map_or_else(|| Hash32::of(&[text.as_bytes()]), Hash32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::bytes::base64url;

    #[test]
    fn a_token_or_its_hash() {
        let hash = Hash32::of(&[b"0123456789"]);
        let with_suite = base64url(&[&[1], &hash.0[..]].concat());
        for text in ["0123456789", &hash.to_string(), &with_suite] {
            assert_eq!(token(text), Ok(hash), "{text}");
        }
        assert_eq!(token("eyJh.e30.x"), Ok(Hash32::of(&[b"eyJh.e30.x"])));
    }

    #[test]
    fn who_and_what_is_nobody() {
        for (text, known) in
            [("https://idp.example#erik", true), ("erik", false), ("#erik", false), ("https://x#", false)]
        {
            assert_eq!(person(text).is_ok(), known, "{text}");
        }
    }
}
