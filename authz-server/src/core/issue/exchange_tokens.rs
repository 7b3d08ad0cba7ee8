//! What people's apps ask for a service, and what the service gets for it (RFC 8693).

use super::{Decision, Made};
use crate::core::api_token;
use crate::core::authenticate::Authenticated;
use crate::core::bytes::{Hash32, Hidden};
use crate::core::change::{Change, Key, Record};
use crate::core::entropy::Entropy;
use crate::core::exchange::{self, Standing};
use crate::core::grant::InUse;
use crate::core::names::{Audience, ClientId, ScopeName};
use crate::core::records::{Client, ClientAuth, ClientKind, Grant};
use crate::core::refusal::{AudienceFault, ExchangeFault, ProofFault, Refusal};
use crate::core::request::{Face, GrantAsked};
use crate::core::response::{IssuedResponse, Token};
use crate::core::scope::{Scope, ScopeAsked};
use crate::core::time::{Seconds, Timestamp};

/// A service that acts for a person.
pub(super) struct Acting<'f> {
    /// The app whose token it exchanges: the service gets nothing that the app would not get.
    pub(super) app: &'f Client,
    /// Under which rows.
    pub(super) standing: Standing<'f>,
    /// The most that subject token and rows let it do.
    pub(super) scope: Scope,
    /// The end of subject token and rows.
    pub(super) ends: Timestamp,
    /// The subject token.
    pub(super) subject: Hash32,
    /// What must be as it was.
    pub(super) guards: Vec<Change>,
}

impl Decision<'_> {
    /// The grant behind a subject token.
    pub(super) fn exchanged(&self, who: &Authenticated<'_>, token: &Hidden) -> Result<InUse, Refusal> {
        let client = who.client();
        // RFC 8693 §2.1: whoever comes by a token must not be able to make others of it.
        if matches!(client.kind, ClientKind::Native { .. }) || client.auth == ClientAuth::None {
            return Err(Refusal::GrantNotAllowed(client.id.clone()));
        }
        let subject = exchange::subject(token, client, self.facts, self.now)?;
        Ok(InUse { grant: subject.grant.0.clone(), changes: Vec::new(), refresh_token: None })
    }

    /// For what the service may exchange; none if nothing is exchanged.
    pub(super) fn acting(&self, who: &Authenticated<'_>, audience: &Audience) -> Result<Option<Acting<'_>>, Refusal> {
        let GrantAsked::TokenExchange { token } = &self.request.grant else { return Ok(None) };
        let Audience::Lock(_) = audience else { return Err(AudienceFault::NotGranted(audience.clone()).into()) };
        let exchange::Subject { token: (token, token_rev), grant: (grant, grant_rev), app, scope } =
            exchange::subject(token, who.client(), self.facts, self.now)?;
        let lock = &self.targets(audience)?.first().ok_or(ExchangeFault::NoRow)?.lock;
        let standing = Standing::at(&self.facts.rows, &who.client().id, &grant.person, lock, self.now)?;
        let mut guards =
            vec![Change::still(Key::Token(token.hash), *token_rev), Change::still(Key::Grant(grant.id), *grant_rev)];
        let rows = standing.rows.iter();
        guards.extend(rows.map(|(row, rev)| Change::still(Record::from(row.clone()).key(), *rev)));
        Ok(Some(Acting {
            app,
            scope: scope.only(|word| standing.covers(word)),
            ends: standing.until().map_or(token.expires, |until| until.min(token.expires)),
            standing,
            subject: token.hash,
            guards,
        }))
    }

    /// A JWT for the people API: minutes long, bound to the app's key.
    pub(super) fn api_token(
        &self,
        who: &Authenticated<'_>,
        grant: &Grant,
        entropy: &mut dyn Entropy,
    ) -> Result<Made, Refusal> {
        self.jwt(who, grant, &Audience::api_of(self.minting.issuer), None, entropy)
    }

    /// The same for a service that may act for this person somewhere: what it exchanges. `scope` is the most that it can get for it.
    pub(super) fn service_token(
        &self,
        who: &Authenticated<'_>,
        grant: &Grant,
        service: &ClientId,
        entropy: &mut dyn Entropy,
    ) -> Result<Made, Refusal> {
        if !Standing::anywhere(&self.facts.rows, service, &grant.person, self.now) {
            return Err(ExchangeFault::NoRow.into());
        }
        let consented = |word: &ScopeName| grant.consented.iter().any(|member| member.scope.contains(word));
        let scope: Scope = match &self.request.scope {
            Some(ScopeAsked::Aif(_)) => return Err(Refusal::UnknownScope("(AIF)".into())),
            Some(ScopeAsked::Text(words)) => words.only(consented),
            None => grant.consented.iter().flat_map(|member| member.scope.iter()).cloned().collect(),
        };
        if scope.is_empty() {
            return Err(Refusal::NothingGranted);
        }
        self.jwt(who, grant, &Audience::Service(service.clone()), Some(scope), entropy)
    }

    fn jwt(
        &self,
        who: &Authenticated<'_>,
        grant: &Grant,
        aud: &Audience,
        scope: Option<Scope>,
        entropy: &mut dyn Entropy,
    ) -> Result<Made, Refusal> {
        let (issuer, keys) = (self.minting.issuer, self.minting.keys);
        if self.request.face != Face::Form {
            return Err(Refusal::Malformed("a JWT has no CBOR form"));
        }
        let jkt = who.jkt().ok_or(ProofFault::Missing)?;
        let life = Seconds(self.minting.lifetimes.api.0.min(self.left(grant.ends)?));
        let says = api_token::Says { issuer, aud, scope: scope.as_ref(), jkt, life };
        let token = api_token::mint(grant, &says, keys, self.now, entropy)?;
        Ok(Made {
            hash: Hash32::of(&[token.as_bytes()]),
            response: IssuedResponse {
                token: Token::Jwt(token),
                expires_in: life.0,
                scope: scope.clone().map(ScopeAsked::Text),
                cnf: None,
                rs_cnf: None,
                profile: None,
                series: None,
                refresh_token: None,
                issued_token_type: None,
            },
            changes: Vec::new(),
            scope: scope.unwrap_or_default(),
            begins: None,
            expires: self.now + life,
            grant: Some(grant.id),
            profile: None,
            claims: None,
            acted: None,
        })
    }
}
