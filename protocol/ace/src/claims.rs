//! The claims set of a CBOR Web Token (RFC 8392 §3, RFC 9200 §5.10).

use latchwork_cbor::{Full, Kind, Reader, Writer};

use crate::{
    Cnf, EdhocInfo, Error, Scope,
    codec::{self, Put, Raw, some},
    registry::{Claim, Profile},
};

/// What a token states. All claims are optional; what must be there is the verifier's business. Unknown claims are ignored
/// (RFC 8392 §3), a claim that comes twice is refused (§7.2).
#[derive(Debug, Clone, Copy, Default)]
pub struct Claims<'t> {
    /// The authorization server.
    pub iss: Option<&'t str>,
    /// The holder, by a name that the authorization server made for this audience.
    pub sub: Option<&'t str>,
    /// The resource servers that the token is for.
    pub aud: Option<Audience<'t>>,
    /// End of validity: good before this second (Unix time, rounded down).
    pub exp: Option<i64>,
    /// Begin of validity, in seconds of Unix time.
    pub nbf: Option<i64>,
    /// When the token was issued, in seconds of Unix time.
    pub iat: Option<i64>,
    /// Names the token. With `exi` it ends in a sequence number (RFC 9200 §5.10.3).
    pub cti: Option<&'t [u8]>,
    /// The key that the holder must prove.
    pub cnf: Option<Cnf<'t>>,
    /// What the holder may do.
    pub scope: Option<Scope<'t>>,
    /// The protocol between holder and resource server.
    pub ace_profile: Option<Profile>,
    /// The nonce of the resource server that asked for a fresh token (RFC 9200 §5.3.1).
    pub cnonce: Option<&'t [u8]>,
    /// Lifetime in seconds, counted from arrival by a resource server without a clock (RFC 9200 §5.10.3).
    pub exi: Option<u64>,
    /// The token series, under the profile of EDHOC and OSCORE.
    pub edhoc_info: Option<EdhocInfo<'t>>,
}

impl<'t> Claims<'t> {
    /// Reads a whole claims set.
    pub fn decode(bytes: &'t [u8]) -> Result<Self, Error> {
        let mut claims = Self::default();
        codec::whole_map(bytes, |label, r| {
            match label.map(Claim) {
                Some(Claim::ISS) => claims.iss = Some(r.text()?),
                Some(Claim::SUB) => claims.sub = Some(r.text()?),
                Some(Claim::AUD) => claims.aud = Some(Audience::read(r)?),
                Some(Claim::EXP) => claims.exp = Some(r.time()?),
                Some(Claim::NBF) => claims.nbf = Some(r.time()?),
                Some(Claim::IAT) => claims.iat = Some(r.time()?),
                Some(Claim::CTI) => claims.cti = Some(r.bytes()?),
                Some(Claim::CNF) => claims.cnf = Some(Cnf::read(r)?),
                Some(Claim::SCOPE) => claims.scope = Some(Scope::read(r)?),
                Some(Claim::ACE_PROFILE) => claims.ace_profile = Some(Profile(r.int()?)),
                Some(Claim::CNONCE) => claims.cnonce = Some(r.bytes()?),
                Some(Claim::EXI) => claims.exi = Some(r.uint()?),
                Some(Claim::EDHOC_INFO) => claims.edhoc_info = Some(EdhocInfo::read(r)?),
                _ => r.skip()?,
            }
            Ok(())
        })?;
        Ok(claims)
    }

    /// Writes a whole claims set, times as integers.
    pub fn encode<'w>(&self, out: &'w mut [u8]) -> Result<&'w [u8], Full> {
        codec::whole(out, |w| self.write(w))
    }

    /// Writes one map.
    pub fn write(&self, w: &mut Writer<'_>) -> Result<(), Full> {
        codec::write_map(
            w,
            &[
                some(Claim::ISS.0, &self.iss),
                some(Claim::SUB.0, &self.sub),
                some(Claim::AUD.0, &self.aud),
                some(Claim::EXP.0, &self.exp),
                some(Claim::NBF.0, &self.nbf),
                some(Claim::IAT.0, &self.iat),
                some(Claim::CTI.0, &self.cti),
                some(Claim::CNF.0, &self.cnf),
                some(Claim::SCOPE.0, &self.scope),
                some(Claim::ACE_PROFILE.0, &self.ace_profile.map(|profile| profile.0)),
                some(Claim::CNONCE.0, &self.cnonce),
                some(Claim::EXI.0, &self.exi),
                some(Claim::EDHOC_INFO.0, &self.edhoc_info),
            ],
        )
    }
}

/// The `aud` claim: one audience, or a list of them (RFC 8392 §3.1.3, RFC 7519 §4.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience<'t> {
    /// A single audience.
    One(&'t str),
    /// Several.
    List(AudienceList<'t>),
}

/// Several audiences, checked: an array of at least one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudienceList<'t>(&'t [u8]);

impl<'t> Audience<'t> {
    fn read(r: &mut Reader<'t>) -> Result<Self, Error> {
        match r.peek()? {
            Kind::Text => Ok(Self::One(r.text()?)),
            _ => {
                let mut at_start = *r;
                let audiences = r.array()?;
                if audiences == 0 {
                    return Err(Error::NoAudience);
                }
                for _ in 0..audiences {
                    r.text()?;
                }
                Ok(Self::List(AudienceList(at_start.item()?)))
            }
        }
    }

    /// Makes a list; its CBOR goes into `out`, which limits its length. An empty list is [`Full`] too.
    pub fn list(audiences: &[&str], out: &'t mut [u8]) -> Result<Self, Full> {
        if audiences.is_empty() {
            return Err(Full);
        }
        let list = codec::whole(out, |w| {
            w.array(audiences.len())?;
            audiences.iter().try_for_each(|audience| audience.put(w))
        })?;
        Ok(Self::List(AudienceList(list)))
    }

    /// Whether this is one of the audiences. Exact comparison.
    pub fn contains(&self, audience: &str) -> bool {
        self.iter().any(|one| one == audience)
    }

    /// The audiences one by one.
    pub fn iter(&self) -> impl Iterator<Item = &'t str> + use<'t> {
        let (one, mut list) = match *self {
            Self::One(one) => (Some(one), Reader::new(&[])),
            Self::List(AudienceList(list)) => (None, Reader::new(list)),
        };
        let left = list.array().unwrap_or(0);
        one.into_iter().chain((0..left).map_while(move |_| list.text().ok()))
    }
}

impl Put for Audience<'_> {
    fn put(&self, w: &mut Writer<'_>) -> Result<(), Full> {
        match self {
            Self::One(one) => one.put(w),
            Self::List(AudienceList(list)) => Raw(list).put(w),
        }
    }
}
