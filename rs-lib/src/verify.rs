//! From bytes to a [`Bearer`]: is this token genuine, current, and for us (RFC 9200 §5.10.1.1)?
//!
//! A bearer is nobody yet: anyone may carry a token past. Rights come with the proof of its key.

use crate::Refusal;
use crate::check::refuse_unless;
use crate::clock::{Ends, Now, Standing, Wall, begun};
use crate::holder::{HeldScope, Holder, KeyName, Names, Subject, TokenHash, TokenSeries};
use crate::introspect;
use crate::replay::{self, Count, Record};
use crate::revoked::{Revoked, Seen};
use crate::trust::{Freshness, IssuerId, Key, Trust};
#[cfg(feature = "mac0")]
use latchwork_ace::cose::Mac0;
use latchwork_ace::cose::{Encrypt0, Sign1, Token};
use latchwork_ace::registry::{Alg, Profile};
use latchwork_ace::{Aif, Audience, Claims, Cnf, OscMaterial, Scope, token_hash};
use latchwork_crypto::{CryptoError, Symmetric, Verify};
#[cfg(feature = "mac0")]
use subtle::ConstantTimeEq as _;

/// What a token is held against.
pub struct Verifier<'v, 'k, C> {
    /// Whom we trust.
    pub trust: &'v Trust<'k>,
    /// Revoked tokens, as the application learnt of them (RFC 9770 §11.1).
    pub revoked: &'v Revoked,
    /// Absolute paths of what there is to permit here.
    pub resources: &'v [&'v str],
    /// What flash and this boot know of tokens that count from receipt, by issuer ([`Sessions::records`]); empty, it
    /// is nothing, and such tokens are refused.
    ///
    /// [`Sessions::records`]: crate::Sessions::records
    pub records: &'v [Option<Record>],
    /// The present.
    pub now: &'v Now,
    /// The cryptography.
    pub crypto: &'v C,
}

/// A genuine token and what it says; nobody has proved its key.
pub struct Bearer<'r> {
    names: Names,
    issuer: IssuerId,
    ends: Ends,
    number: Option<u64>,
    subject: Subject,
    scope: &'r [u8],
    pub(crate) confirmation: Confirmation<'r>,
}

/// Which key the holder has to prove.
pub(crate) enum Confirmation<'r> {
    /// One that comes with the token, encrypted.
    Osc(OscMaterial<'r>),
    /// One of a session that exists.
    Kid(&'r [u8]),
    /// A public one, in a credential for EDHOC.
    Credential {
        /// The credential: a CWT Claims Set.
        ccs: &'r [u8],
        /// Names the series of tokens.
        series: &'r [u8],
    },
    /// A public one, bare.
    PublicKey,
}

impl Bearer<'_> {
    /// Names the token, for logs.
    pub fn token(&self) -> TokenHash {
        self.names.token
    }

    /// Copies what a session keeps. `key` names the proof-of-possession key.
    pub(crate) fn holder(&self, key: &[u8]) -> Result<Holder, Refusal> {
        self.holder_by(KeyName::new(self.issuer, key).ok_or(Refusal::UnsupportedMaterial)?, None)
    }

    /// The same, where the key is that of a credential.
    pub(crate) fn holder_of(&self, ccs: &[u8], series: &[u8], crypto: &impl Symmetric) -> Result<Holder, Refusal> {
        let hash = crypto.sha256(&[ccs]).map_err(|_| Refusal::Broken)?;
        let series = TokenSeries::new(self.issuer, series).ok_or(Refusal::UnsupportedMaterial)?;
        self.holder_by(KeyName::of_credential(self.issuer, hash), Some(series))
    }

    fn holder_by(&self, key: KeyName, series: Option<TokenSeries>) -> Result<Holder, Refusal> {
        Ok(Holder {
            names: self.names,
            key,
            series,
            subject: self.subject,
            ends: self.ends,
            count: self.number.map(|number| Count { number, started: false }),
            scope: HeldScope::new(self.scope).ok_or(Refusal::UnknownScope)?,
        })
    }
}

impl<C: Symmetric + Verify> Verifier<'_, '_, C> {
    /// Checks a token. `room` takes what it contains, secrets too: wipe it afterwards. It has to hold 4 bytes for each
    /// 3 of the token.
    pub fn verify<'r>(&self, token: &[u8], room: &'r mut [u8]) -> Result<Bearer<'r>, Refusal> {
        self.judge(token, Token::parse(token), room).map_err(Refusal::from)
    }

    /// The same, and what a revoked token says of itself.
    pub(crate) fn judge<'r>(
        &self,
        bytes: &[u8],
        token: Result<Token<'_>, latchwork_ace::Error>,
        room: &'r mut [u8],
    ) -> Result<Bearer<'r>, Rejected> {
        let envelope = token.map_err(Refusal::NotAToken)?;
        let names = self.names(bytes, Some(envelope.alg()), room)?;
        let (issuer, claims, envelope) = match envelope {
            Token::Encrypt0(outer) => {
                let (issuer, plaintext) = self.open(&outer, room)?;
                match Token::parse_nested(plaintext).map_err(Refusal::NotClaims)? {
                    None => (issuer, plaintext, Envelope::Encrypted),
                    Some(Token::Sign1(inner)) => {
                        let signer = self.check_signature(&inner)?;
                        refuse_unless!("iss", signer == issuer, Refusal::WrongIssuer.into());
                        (issuer, inner.payload, Envelope::Encrypted)
                    }
                    Some(_) => return Err(Refusal::WrongAlgorithm.into()),
                }
            }
            Token::Sign1(signed) => {
                let issuer = self.check_signature(&signed)?;
                (issuer, copied(signed.payload, room)?, Envelope::Signed)
            }
            #[cfg(feature = "mac0")]
            Token::Mac0(maced) => {
                let issuer = self.check_mac(&maced)?;
                (issuer, copied(maced.payload, room)?, Envelope::Maced)
            }
            #[cfg(not(feature = "mac0"))]
            Token::Mac0(_) => return Err(Refusal::WrongAlgorithm.into()),
        };
        self.check(names, issuer, claims, envelope)
    }

    /// Checks what a server said of a token that it was asked about. The answer came protected, so it may tell secrets.
    pub(crate) fn introspected<'r>(
        &self,
        names: Names,
        issuer: IssuerId,
        answer: &'r [u8],
    ) -> Result<Bearer<'r>, Rejected> {
        introspect::check_active(answer)?;
        self.check(names, issuer, answer, Envelope::Encrypted)
    }

    /// Checks genuine claims.
    fn check<'r>(
        &self,
        names: Names,
        issuer: IssuerId,
        claims: &'r [u8],
        envelope: Envelope,
    ) -> Result<Bearer<'r>, Rejected> {
        let claims = Claims::decode(claims);
        if let Some(revoked) = self.revoked.find(issuer, &names)
            && !cfg!(latchwork_disable = "revoked")
        {
            let seen = claims.ok().map(|claims| self.seen(&claims, issuer));
            return Err(Rejected::Revoked(revoked, seen));
        }
        let claims = claims.map_err(Refusal::NotClaims)?;

        // In the order of RFC 9200 §5.10.1.1: the first that fails decides the answer.
        let name = self.trust.issuer(issuer).ok_or(Refusal::WrongIssuer)?.name;
        let own = claims.iss.is_none_or(|iss| iss == name);
        refuse_unless!("iss", own, Refusal::WrongIssuer.into());
        let (ends, number) = self.period(&claims, issuer)?;
        let ours = claims.aud.is_some_and(|audience| self.is_for_us(audience, envelope, issuer));
        refuse_unless!("aud", ours, Refusal::WrongAudience.into());
        let scope = self.scope(claims.scope);
        refuse_unless!("scope", scope.is_some(), Refusal::UnknownScope.into());

        Ok(Bearer {
            names,
            issuer,
            ends,
            number,
            subject: self.subject(issuer, claims.sub)?,
            scope: scope.unwrap_or(NOTHING),
            confirmation: confirmation(&claims, envelope)?,
        })
    }

    /// What a revoked token says of itself: when it has expired, and which number goes with its hash.
    fn seen(&self, claims: &Claims<'_>, issuer: IssuerId) -> Seen {
        let uptime = claims.exi.map(|seconds| self.now.uptime.plus(seconds));
        let cti = claims.cti.filter(|_| claims.exi.is_some());
        let number = cti.and_then(|cti| replay::number(cti, self.trust.audience));
        Seen { issuer, ends: Ends { date: claims.exp, uptime }, number }
    }

    /// When the rights of this token end, if they have begun and not ended; and its number, if they count from now.
    fn period(&self, claims: &Claims<'_>, issuer: IssuerId) -> Result<(Ends, Option<u64>), Refusal> {
        let Now { wall, uptime } = *self.now;
        if let Some(exp) = claims.exp {
            match Ends::date(exp).standing(self.now) {
                Standing::Running => {}
                Standing::Over => refuse_unless!("exp", false, Refusal::Expired),
                Standing::CannotTell => refuse_unless!("clock", false, Refusal::ClockUnknown),
            }
        }
        if let Some(nbf) = claims.nbf {
            refuse_unless!("clock", wall != Wall::Unknown, Refusal::ClockUnknown);
            refuse_unless!("nbf", begun(nbf, wall), Refusal::NotYetValid);
        }
        let number = claims.exi.map(|_| self.number(claims.cti, issuer)).transpose()?;
        let counted = claims.exi.map(|seconds| uptime.plus(seconds));
        let made = match (&self.trust.freshness, claims.cnonce) {
            (Freshness::Nonce(nonces), Some(nonce)) => {
                let made = nonces.fresh(nonce, uptime, self.crypto);
                made.map(|made| made.plus(nonces.rights_for))
            }
            _ => None,
        };
        let wanted = matches!(self.trust.freshness, Freshness::Nonce(_)) || claims.cnonce.is_some();
        refuse_unless!("cnonce", !wanted || made.is_some(), Refusal::StaleNonce);

        let ends = Ends { date: claims.exp, uptime: [counted, made].into_iter().flatten().min() };
        refuse_unless!("endless", ends.date.is_some() || ends.uptime.is_some(), Refusal::Endless);
        refuse_unless!("exp", ends.standing(self.now) != Standing::Over, Refusal::Expired);
        Ok((ends, number))
    }

    /// The number of a token that counts from receipt, if it is not over (RFC 9200 §5.10.3).
    fn number(&self, cti: Option<&[u8]>, issuer: IssuerId) -> Result<u64, Refusal> {
        let number = cti.and_then(|cti| replay::number(cti, self.trust.audience)).ok_or(Refusal::NotNumbered)?;
        let good = replay::is_good(self.records, issuer, number).ok_or(Refusal::ExiUnsupported)?;
        refuse_unless!("exi", good, Refusal::Expired);
        Ok(number)
    }

    /// Whose token it is. The name itself is of any length, and nobody's business here.
    fn subject(&self, issuer: IssuerId, sub: Option<&str>) -> Result<Subject, Refusal> {
        let parts: [&[u8]; 3] = [&[issuer.0], &[u8::from(sub.is_some())], sub.unwrap_or_default().as_bytes()];
        let hash = self.crypto.sha256(&parts).map_err(|_| Refusal::Broken)?;
        let is_named = sub.is_some();
        hash.first_chunk().map(|hash| Subject { hash: *hash, is_named }).ok_or(Refusal::Broken)
    }

    fn is_for_us(&self, audience: Audience<'_>, envelope: Envelope, issuer: IssuerId) -> bool {
        let signed = envelope == Envelope::Signed;
        let mut names = audience.iter();
        names.any(|name| self.trust.is_audience(name, signed, issuer))
    }

    /// The scope, if it is an AIF and at least one of its entries is about something here. The others permit nothing,
    /// since nothing here answers to them.
    fn scope<'r>(&self, scope: Option<Scope<'r>>) -> Option<&'r [u8]> {
        let Some(Scope::Bytes(bytes)) = scope else {
            return None;
        };
        let aif = Aif::parse(bytes).ok()?;
        let known = |(entry, _): (&str, _)| {
            let path = entry.split_once('?').map_or(entry, |(path, _)| path);
            self.resources.contains(&path)
        };
        aif.iter().any(known).then_some(bytes)
    }

    fn open<'r>(&self, token: &Encrypt0<'_>, room: &'r mut [u8]) -> Result<(IssuerId, &'r [u8]), Refusal> {
        let (ciphertext, tag) = token.ciphertext.split_last_chunk().ok_or(Refusal::Forged)?;
        let iv = <&[u8; 13]>::try_from(token.iv).map_err(|_| Refusal::WrongAlgorithm)?;
        let mut aad = [0; AAD_LEN];
        let aad = token.aad(&mut aad).map_err(|_| Refusal::TooLong)?;
        let plaintext = room.get_mut(..ciphertext.len()).ok_or(Refusal::TooLong)?;

        let mut refusal = Refusal::UnknownKey;
        for (issuer, candidate) in self.trust.keys(token.kid) {
            refusal = match candidate.key {
                _ if candidate.retired && !cfg!(latchwork_disable = "retired") => Refusal::RetiredKey,
                Key::AesCcm(key) if token.alg == Alg::AES_CCM_16_128_128 => {
                    plaintext.iter_mut().zip(ciphertext).for_each(|(to, from)| *to = *from);
                    match self.decrypt(key.expose(), iv, aad, plaintext, tag) {
                        Ok(()) => return Ok((issuer, plaintext)),
                        Err(error) => error.into(),
                    }
                }
                _ => Refusal::WrongAlgorithm,
            };
        }
        Err(refusal)
    }

    fn decrypt(
        &self,
        key: &[u8; 16],
        iv: &[u8; 13],
        aad: &[u8],
        buf: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), CryptoError> {
        if cfg!(latchwork_disable = "tag") {
            // In CCM, encrypting again decrypts; the tag is of no interest to whoever does not check it.
            return self.crypto.ccm_seal(key, iv, aad, buf, &mut [0; TAG_LEN]);
        }
        self.crypto.ccm_open(key, iv, aad, buf, tag)
    }

    fn check_signature(&self, token: &Sign1<'_>) -> Result<IssuerId, Refusal> {
        let signature = <&[u8; 64]>::try_from(token.signature).map_err(|_| Refusal::Forged)?;
        let message = token.signed();
        let mut refusal = Refusal::UnknownKey;
        for (issuer, candidate) in self.trust.keys(token.kid) {
            let checked = match &candidate.key {
                _ if candidate.retired && !cfg!(latchwork_disable = "retired") => {
                    refusal = Refusal::RetiredKey;
                    continue;
                }
                Key::Es256(key) if token.alg == Alg::ES256 => self.crypto.es256(key, &message, signature),
                Key::EdDsa(key) if token.alg == Alg::EDDSA => self.crypto.eddsa(key, &message, signature),
                _ => {
                    refusal = Refusal::WrongAlgorithm;
                    continue;
                }
            };
            match checked {
                Ok(()) => return Ok(issuer),
                Err(_) if cfg!(latchwork_disable = "signature") => return Ok(issuer),
                Err(error) => refusal = error.into(),
            }
        }
        Err(refusal)
    }

    /// The whole tag of HMAC 256/256: a key is for one algorithm, and a shorter tag is another (RFC 9053 §3.1).
    #[cfg(feature = "mac0")]
    fn check_mac(&self, token: &Mac0<'_>) -> Result<IssuerId, Refusal> {
        let tag = <&[u8; 32]>::try_from(token.tag).map_err(|_| Refusal::Forged)?;
        let mut refusal = Refusal::UnknownKey;
        for (issuer, candidate) in self.trust.keys(token.kid) {
            refusal = match candidate.key {
                _ if candidate.retired && !cfg!(latchwork_disable = "retired") => Refusal::RetiredKey,
                Key::Hmac(key) if token.alg == Alg::HMAC_256_256 => {
                    let made = self.crypto.hmac_sha256(key.expose(), &token.maced()).map_err(|_| Refusal::Broken)?;
                    if bool::from(made.ct_eq(tag)) || cfg!(latchwork_disable = "mac") {
                        return Ok(issuer);
                    }
                    Refusal::Forged
                }
                _ => Refusal::WrongAlgorithm,
            };
        }
        Err(refusal)
    }

    /// The hash of a token over its bytes as they came (RFC 9770 §4). It may come in two parts, the first of a length
    /// that three divides.
    fn hash(&self, token: &[u8], end: &[u8], room: &mut [u8]) -> Result<TokenHash, Refusal> {
        let text = token_hash::input(token, room).map_err(|_| Refusal::TooLong)?;
        let mut end_room = [0; token_hash::input_len(MAX_END)];
        let end = token_hash::input(end, &mut end_room).map_err(|_| Refusal::TooLong)?;
        let hash = self.crypto.sha256(&[text, end]).map_err(|_| Refusal::Broken)?;
        Ok(TokenHash(hash))
    }

    /// What a token is called that came as these bytes, and with its other signature if it has one.
    pub(crate) fn names(&self, token: &[u8], alg: Option<Alg>, room: &mut [u8]) -> Result<Names, Refusal> {
        let name = self.hash(token, &[], room)?;
        let Some((before, s)) = token.split_last_chunk().filter(|_| alg == Some(Alg::ES256)) else {
            return Ok(Names::new(name, None));
        };
        let (before, end) = before.split_at(before.len() - before.len() % 3);
        let mut twin = [0; MAX_END];
        let bytes = end.iter().copied().chain(negated(s));
        let length = twin.iter_mut().zip(bytes).map(|(place, byte)| *place = byte).count();
        let twin = self.hash(before, twin.get(..length).unwrap_or_default(), room)?;
        Ok(Names::new(name, Some(twin)))
    }
}

/// Why a token is not taken.
#[derive(Debug)]
pub(crate) enum Rejected {
    /// It is not good.
    Refused(Refusal),
    /// It was good and was revoked, under this hash.
    Revoked(TokenHash, Option<Seen>),
}

impl From<Refusal> for Rejected {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Rejected> for Refusal {
    fn from(rejected: Rejected) -> Self {
        match rejected {
            Rejected::Refused(refusal) => refusal,
            Rejected::Revoked(..) => Self::Revoked,
        }
    }
}

/// How a token was protected.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Envelope {
    /// Its content is ours and the server's alone.
    Encrypted,
    /// Everyone can read it.
    Signed,
    /// Everyone can read it, and only we and the server can have made it: for a group that would be anybody in it.
    #[cfg(feature = "mac0")]
    Maced,
}

impl Envelope {
    /// What everyone can read holds no secret.
    fn is_readable(self) -> bool {
        self != Self::Encrypted
    }
}

fn copied<'r>(payload: &[u8], room: &'r mut [u8]) -> Result<&'r [u8], Refusal> {
    let claims = room.get_mut(..payload.len()).ok_or(Refusal::TooLong)?;
    claims.iter_mut().zip(payload).for_each(|(to, from)| *to = *from);
    Ok(claims)
}

/// A secret belongs into an encrypted token, a public key into a signed or MACed one (RFC 8747 §3.2, RFC 9200 §3.1). The other
/// way round is refused: a readable secret proves nothing, and an encrypted public key is no token of ours.
fn confirmation<'r>(claims: &Claims<'r>, envelope: Envelope) -> Result<Confirmation<'r>, Refusal> {
    let profile = claims.ace_profile;
    match (claims.cnf, envelope) {
        (Some(Cnf::Osc(material)), Envelope::Encrypted) => {
            let ours = profile.is_none_or(|profile| profile == Profile::COAP_OSCORE);
            refuse_unless!("profile", ours, Refusal::WrongProfile);
            Ok(Confirmation::Osc(material))
        }
        (Some(Cnf::Osc(material)), readable) if readable.is_readable() => {
            refuse_unless!("cnf", false, Refusal::WrongConfirmation);
            Ok(Confirmation::Osc(material))
        }
        (Some(Cnf::Kid(kid)), Envelope::Encrypted) => {
            let ours = profile.is_none_or(|profile| profile == Profile::COAP_OSCORE);
            refuse_unless!("profile", ours, Refusal::WrongProfile);
            Ok(Confirmation::Kid(kid))
        }
        (Some(Cnf::Kccs(ccs)), readable) if readable.is_readable() => {
            let ours = profile.is_none_or(|profile| profile == Profile::COAP_EDHOC_OSCORE);
            refuse_unless!("profile", ours, Refusal::WrongProfile);
            let series = claims.edhoc_info.and_then(|info| info.session_id).ok_or(Refusal::NoSeries)?;
            Ok(Confirmation::Credential { ccs, series })
        }
        (Some(Cnf::CoseKey(_)), readable) if readable.is_readable() => Ok(Confirmation::PublicKey),
        _ => Err(Refusal::WrongConfirmation),
    }
}

/// n - s, for the order n of P-256.
fn negated(s: &[u8; 32]) -> [u8; 32] {
    let mut difference = ORDER;
    let mut borrow = false;
    for (place, subtract) in difference.iter_mut().zip(s).rev() {
        let (byte, first) = place.overflowing_sub(*subtract);
        let (byte, second) = byte.overflowing_sub(u8::from(borrow));
        (*place, borrow) = (byte, first || second);
    }
    difference
}

impl From<CryptoError> for Refusal {
    fn from(error: CryptoError) -> Self {
        match error {
            CryptoError::Forged => Self::Forged,
            CryptoError::Unsupported => Self::WrongAlgorithm,
            CryptoError::BadKey | CryptoError::BadLength | CryptoError::Backend => Self::Broken,
        }
    }
}

/// AES-CCM-16-128-128.
const TAG_LEN: usize = 16;

/// Enc_structure around a protected header of up to 128 bytes.
const AAD_LEN: usize = 16 + 128;

/// The order of P-256 (SEC 2 §2.4.2).
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7,
    0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// s, and up to two bytes before it.
const MAX_END: usize = 32 + 2;

/// An AIF that permits nothing.
const NOTHING: &[u8] = &[0x80];
