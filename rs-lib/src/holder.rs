//! What a session keeps of its token.

use crate::clock::Ends;
use crate::replay::Count;
use crate::trust::IssuerId;
use latchwork_ace::Aif;

/// What a token granted, for as long as its session lasts.
pub struct Holder {
    pub(crate) names: Names,
    pub(crate) key: KeyName,
    /// The series that the token belongs to; none under the profile without EDHOC.
    pub(crate) series: Option<TokenSeries>,
    pub(crate) subject: Subject,
    pub(crate) ends: Ends,
    /// Of a token that counts from receipt.
    pub(crate) count: Option<Count>,
    pub(crate) scope: HeldScope,
}

/// Names the token in logs and records; SHA-256 over the token as RFC 9770 §4 hashes it, without the leading 0x01.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenHash(pub [u8; 32]);

impl core::fmt::Display for TokenHash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl core::fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}

/// The names of one token. Both s and n - s make an ES256 signature good, so whoever holds a signed token can give it a
/// second hash. Revoking one revokes both.
#[derive(Clone, Copy)]
pub(crate) struct Names {
    /// Its hash in the form in which it came.
    pub(crate) token: TokenHash,
    /// The beginning of the other; of a token that has none, of its own. So much is enough: a token whose hash begins the
    /// same would have to be minted, and revoked, to end a session that is not its own.
    twin: [u8; 8],
}

impl Names {
    pub(crate) fn new(token: TokenHash, twin: Option<TokenHash>) -> Self {
        Self { token, twin: twin.unwrap_or(token).beginning() }
    }

    /// Whether this is one of them.
    pub(crate) fn contain(&self, token: &TokenHash) -> bool {
        self.token == *token || (self.twin == token.beginning() && !cfg!(latchwork_disable = "twin"))
    }
}

impl TokenHash {
    fn beginning(&self) -> [u8; 8] {
        self.0.first_chunk().copied().unwrap_or_default()
    }
}

impl Holder {
    /// The token that this session rests on.
    pub fn token(&self) -> TokenHash {
        self.names.token
    }

    /// When its rights end.
    pub fn ends(&self) -> Ends {
        self.ends
    }

    /// Whose token it is, if it says.
    pub fn subject(&self) -> Option<Subject> {
        self.subject.is_named.then_some(self.subject)
    }

    /// The number of a token that counts from receipt.
    pub(crate) fn number(&self) -> Option<u64> {
        self.count.map(|count| count.number)
    }
}

/// Which proof-of-possession key a session has: the server that made it and the name it gave it, or a credential of the
/// client's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyName {
    pub(crate) issuer: IssuerId,
    len: u8,
    id: [u8; Self::MAX_LEN],
}

impl KeyName {
    /// The name that the server gave it. A credential has none that a server would know (RFC 9200 §5.3).
    pub(crate) fn kid(&self) -> Option<&[u8]> {
        self.id.get(..usize::from(self.len))
    }

    pub(crate) const MAX_LEN: usize = 32;

    pub(crate) fn new(issuer: IssuerId, name: &[u8]) -> Option<Self> {
        let mut id = [0; Self::MAX_LEN];
        Some(Self { issuer, len: copy(name, &mut id)?, id })
    }

    /// Names a credential by its hash. No name that a server gave has this length.
    pub(crate) const fn of_credential(issuer: IssuerId, hash: [u8; 32]) -> Self {
        Self { issuer, len: u8::MAX, id: hash }
    }
}

/// A credential is the same whichever server vouches for it, and has one session
/// (draft-ietf-ace-edhoc-oscore-profile §12); a name means something to its server alone.
impl PartialEq for KeyName {
    fn eq(&self, other: &Self) -> bool {
        let same_issuer = self.issuer == other.issuer || self.len == u8::MAX;
        same_issuer && (self.len, self.id) == (other.len, other.id)
    }
}

impl Eq for KeyName {}

/// Names a series of tokens of a server (draft-ietf-ace-edhoc-oscore-profile §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TokenSeries {
    issuer: IssuerId,
    len: u8,
    id: [u8; Self::MAX_LEN],
}

impl TokenSeries {
    const MAX_LEN: usize = 16;

    pub(crate) fn new(issuer: IssuerId, session_id: &[u8]) -> Option<Self> {
        let mut id = [0; Self::MAX_LEN];
        Some(Self { issuer, len: copy(session_id, &mut id)?, id })
    }
}

/// Whose token it is, as far as a lock knows: the beginning of a hash over the server and its `sub`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    pub(crate) hash: [u8; 8],
    /// Tokens of one server without `sub` are all the same somebody's.
    pub(crate) is_named: bool,
}

/// A copy of a token's scope.
#[derive(Clone, Copy)]
pub(crate) struct HeldScope {
    len: u8,
    aif: [u8; Self::MAX_LEN],
}

impl HeldScope {
    /// What `Aif` takes at most.
    const MAX_LEN: usize = 96;

    pub(crate) fn new(scope: &[u8]) -> Option<Self> {
        let mut aif = [0; Self::MAX_LEN];
        Some(Self { len: copy(scope, &mut aif)?, aif })
    }

    /// The scope again; it was checked before it was copied.
    pub(crate) fn aif(&self) -> Option<Aif<'_>> {
        Aif::parse(self.aif.get(..usize::from(self.len))?).ok()
    }
}

/// Copies to the beginning of a place that may be too short; the length.
fn copy(from: &[u8], to: &mut [u8]) -> Option<u8> {
    to.get_mut(..from.len())?.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    u8::try_from(from.len()).ok()
}
