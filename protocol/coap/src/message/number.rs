//! Option numbers and content formats, by their registered names.

/// An option number; its lowest bits say how to treat it when it is unknown (RFC 7252 §5.4.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OptionNumber(pub u16);

#[allow(missing_docs)] // the registry's names
impl OptionNumber {
    pub const IF_MATCH: Self = Self(1);
    pub const URI_HOST: Self = Self(3);
    pub const ETAG: Self = Self(4);
    pub const IF_NONE_MATCH: Self = Self(5);
    pub const OBSERVE: Self = Self(6);
    pub const URI_PORT: Self = Self(7);
    pub const LOCATION_PATH: Self = Self(8);
    pub const OSCORE: Self = Self(9);
    pub const URI_PATH: Self = Self(11);
    pub const CONTENT_FORMAT: Self = Self(12);
    pub const MAX_AGE: Self = Self(14);
    pub const URI_QUERY: Self = Self(15);
    pub const HOP_LIMIT: Self = Self(16);
    pub const ACCEPT: Self = Self(17);
    pub const Q_BLOCK1: Self = Self(19);
    pub const LOCATION_QUERY: Self = Self(20);
    pub const EDHOC: Self = Self(21);
    pub const BLOCK2: Self = Self(23);
    pub const BLOCK1: Self = Self(27);
    pub const SIZE2: Self = Self(28);
    pub const Q_BLOCK2: Self = Self(31);
    pub const PROXY_URI: Self = Self(35);
    pub const PROXY_SCHEME: Self = Self(39);
    pub const SIZE1: Self = Self(60);
    pub const ECHO: Self = Self(252);
    pub const NO_RESPONSE: Self = Self(258);
    pub const REQUEST_TAG: Self = Self(292);
}

impl OptionNumber {
    /// Whoever does not know it must refuse the message.
    pub const fn is_critical(self) -> bool {
        self.0 & 1 == 1
    }

    /// A proxy that does not know it must not forward the message.
    pub const fn is_unsafe(self) -> bool {
        self.0 & 2 == 2
    }

    /// Not part of a cache key. Only meaningful when safe to forward.
    pub const fn is_no_cache_key(self) -> bool {
        self.0 & 0x1e == 0x1c
    }
}

/// A media type's number (RFC 7252 §12.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentFormat(pub u16);

#[allow(missing_docs)] // the registry's names
impl ContentFormat {
    pub const TEXT: Self = Self(0);
    pub const COSE_ENCRYPT0: Self = Self(16);
    pub const COSE_SIGN1: Self = Self(18);
    pub const ACE_CBOR: Self = Self(19);
    pub const LINK_FORMAT: Self = Self(40);
    pub const OCTET_STREAM: Self = Self(42);
    pub const JSON: Self = Self(50);
    pub const CBOR: Self = Self(60);
    pub const CWT: Self = Self(61);
    pub const CBOR_SEQ: Self = Self(63);
    pub const EDHOC_CBOR_SEQ: Self = Self(64);
    pub const CID_EDHOC_CBOR_SEQ: Self = Self(65);
    pub const COSE_KEY: Self = Self(101);
    pub const COSE_KEY_SET: Self = Self(102);
    pub const CONCISE_PROBLEM_DETAILS: Self = Self(257);
    pub const ACE_TRL_CBOR: Self = Self(262);
    pub const AIF_CBOR: Self = Self(290);
}
