//! Registered numbers, one type per registry (RFC 9200 §8, RFC 8392 §9, RFC 8747 §7, RFC 9203 §9, RFC 9053).
//!
//! The same number means different things in different maps (40 is `nonce1` at `/authz-info` and `exi` in a token), so each
//! map has its own type. All are structs rather than enums: numbers newer than us pass through unharmed.

use core::fmt;

pub mod unassigned;

/// Declares one registry: a struct, its constants, and the text names that JSON and forms use.
macro_rules! registry {
    (
        $(#[$doc:meta])* $Type:ident($repr:ty);
        $( $(#[$note:meta])* $CONST:ident = $value:expr, $name:literal; )*
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $Type(pub $repr);

        impl $Type {
            $( $(#[$note])* #[doc = concat!("`", $name, "`")] pub const $CONST: Self = Self($value); )*

            /// The registered text, as used in JSON and forms; `None` for a number we do not know.
            pub fn name(self) -> Option<&'static str> {
                match self {
                    $( Self::$CONST => Some($name), )*
                    _ => None,
                }
            }

            /// The number of a registered text. Exact comparison.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $( $name => Some(Self::$CONST), )*
                    _ => None,
                }
            }
        }

        impl fmt::Debug for $Type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.name() {
                    Some(name) => write!(f, "{name}({})", self.0),
                    None => write!(f, concat!(stringify!($Type), "({})"), self.0),
                }
            }
        }
    };
}

registry! {
    /// A parameter of `/token` and `/authz-info` (RFC 9200 §8.10; RFC 9201 §5; RFC 9203 §9.2).
    Param(i64);
    ACCESS_TOKEN = 1, "access_token";
    EXPIRES_IN = 2, "expires_in";
    REQ_CNF = 4, "req_cnf";
    AUDIENCE = 5, "audience";
    CNF = 8, "cnf";
    SCOPE = 9, "scope";
    CLIENT_ID = 24, "client_id";
    CLIENT_SECRET = 25, "client_secret";
    RESPONSE_TYPE = 26, "response_type";
    REDIRECT_URI = 27, "redirect_uri";
    STATE = 28, "state";
    CODE = 29, "code";
    ERROR = 30, "error";
    ERROR_DESCRIPTION = 31, "error_description";
    ERROR_URI = 32, "error_uri";
    GRANT_TYPE = 33, "grant_type";
    TOKEN_TYPE = 34, "token_type";
    USERNAME = 35, "username";
    PASSWORD = 36, "password";
    REFRESH_TOKEN = 37, "refresh_token";
    ACE_PROFILE = 38, "ace_profile";
    CNONCE = 39, "cnonce";
    NONCE1 = 40, "nonce1";
    RS_CNF = 41, "rs_cnf";
    NONCE2 = 42, "nonce2";
    CLIENT_RECIPIENT_ID = 43, "ace_client_recipientid";
    SERVER_RECIPIENT_ID = 44, "ace_server_recipientid";
    EDHOC_INFO = unassigned::PARAM_EDHOC_INFO, "edhoc_info";
}

registry! {
    /// A member of the AS Request Creation Hints (RFC 9200 §5.3, Table 1).
    HintMember(i64);
    AS = 1, "AS";
    KID = 2, "kid";
    AUDIENCE = 5, "audience";
    SCOPE = 9, "scope";
    CNONCE = 39, "cnonce";
}

registry! {
    /// Why the authorization server refused (RFC 9200 §5.8.3, Table 3).
    ErrorCode(i64);
    INVALID_REQUEST = 1, "invalid_request";
    INVALID_CLIENT = 2, "invalid_client";
    INVALID_GRANT = 3, "invalid_grant";
    UNAUTHORIZED_CLIENT = 4, "unauthorized_client";
    UNSUPPORTED_GRANT_TYPE = 5, "unsupported_grant_type";
    INVALID_SCOPE = 6, "invalid_scope";
    UNSUPPORTED_POP_KEY = 7, "unsupported_pop_key";
    INCOMPATIBLE_ACE_PROFILES = 8, "incompatible_ace_profiles";
}

registry! {
    /// What the client presents for its token (RFC 9200 §5.8.4.1, Table 4).
    GrantType(u64);
    PASSWORD = 0, "password";
    AUTHORIZATION_CODE = 1, "authorization_code";
    CLIENT_CREDENTIALS = 2, "client_credentials";
    REFRESH_TOKEN = 3, "refresh_token";
}

registry! {
    /// A parameter of `/introspect` that is no claim of the token (RFC 9200 §8.12, Table 6); the others have the numbers of [`Claim`].
    Introspection(i64);
    ACTIVE = 10, "active";
    TOKEN = 11, "token";
    CLIENT_ID = 24, "client_id";
    TOKEN_TYPE_HINT = 33, "token_type_hint";
    TOKEN_TYPE = 34, "token_type";
    USERNAME = 35, "username";
}

registry! {
    /// A member of what the revocation list answers (RFC 9770 §12).
    Trl(i64);
    FULL_SET = 0, "full_set";
    DIFF_SET = 1, "diff_set";
    CURSOR = 2, "cursor";
    MORE = 3, "more";
}

registry! {
    /// How a token is to be used (RFC 9200 §8.7). Texts compare without case; see [`TokenType::from_text`].
    TokenType(i64);
    BEARER = 1, "Bearer";
    POP = 2, "PoP";
}

registry! {
    /// Which protocol the client speaks to the resource server (RFC 9200 §8.8).
    Profile(i64);
    COAP_DTLS = 1, "coap_dtls";
    COAP_OSCORE = 2, "coap_oscore";
    MQTT_TLS = 3, "mqtt_tls";
    COAP_EDHOC_OSCORE = unassigned::PROFILE_COAP_EDHOC_OSCORE, "coap_edhoc_oscore";
}

registry! {
    /// A claim of a CBOR Web Token (RFC 8392 §4, RFC 8747 §3, RFC 9200 §8.14).
    Claim(i64);
    ISS = 1, "iss";
    SUB = 2, "sub";
    AUD = 3, "aud";
    EXP = 4, "exp";
    NBF = 5, "nbf";
    IAT = 6, "iat";
    CTI = 7, "cti";
    CNF = 8, "cnf";
    SCOPE = 9, "scope";
    ACE_PROFILE = 38, "ace_profile";
    CNONCE = 39, "cnonce";
    EXI = 40, "exi";
    EDHOC_INFO = unassigned::CLAIM_EDHOC_INFO, "edhoc_info";
}

registry! {
    /// A confirmation method: a member of `cnf`, `req_cnf` and `rs_cnf` (RFC 8747 §7.2, RFC 9203 §9.6).
    ///
    /// Not the COSE header parameters of the same names, which have other numbers.
    CnfMember(i64);
    COSE_KEY = 1, "COSE_Key";
    ENCRYPTED_COSE_KEY = 2, "Encrypted_COSE_Key";
    KID = 3, "kid";
    OSC = 4, "osc";
    CKT = 5, "ckt";
    X5T = unassigned::CNF_X5T, "x5t";
    X5U = unassigned::CNF_X5U, "x5u";
    C5T = unassigned::CNF_C5T, "c5t";
    C5U = unassigned::CNF_C5U, "c5u";
    KCWT = unassigned::CNF_KCWT, "kcwt";
    KCCS = unassigned::CNF_KCCS, "kccs";
    X5CHAIN = unassigned::CNF_X5CHAIN, "x5chain";
    X5BAG = unassigned::CNF_X5BAG, "x5bag";
    C5C = unassigned::CNF_C5C, "c5c";
    C5B = unassigned::CNF_C5B, "c5b";
}

registry! {
    /// A member of the OSCORE_Input_Material (RFC 9203 §3.2.1, Table 1).
    OscMember(i64);
    ID = 0, "id";
    VERSION = 1, "version";
    MS = 2, "ms";
    HKDF = 3, "hkdf";
    ALG = 4, "alg";
    SALT = 5, "salt";
    CONTEXT_ID = 6, "contextId";
}

registry! {
    /// A member of EDHOC_Information (draft-ietf-ace-edhoc-oscore-profile §3.4, Table 1).
    EdhocInfoMember(i64);
    SESSION_ID = 0, "session_id";
    METHODS = 1, "methods";
    CIPHER_SUITES = 2, "cipher_suites";
    MESSAGE_4 = 3, "message_4";
    COMB_REQ = 4, "comb_req";
    URI_PATH = 5, "uri_path";
    CRED_TYPES = 6, "cred_types";
    ID_CRED_TYPES = 7, "id_cred_types";
    EADS = 8, "eads";
    INITIATOR = 9, "initiator";
    RESPONDER = 10, "responder";
    TRUST_ANCHORS = 11, "trust_anchors";
}

registry! {
    /// A COSE algorithm (RFC 9053).
    Alg(i64);
    ES256 = -7, "ES256";
    EDDSA = -8, "EdDSA";
    ES384 = -35, "ES384";
    ES512 = -36, "ES512";
    DIRECT_HKDF_SHA_256 = -10, "direct+HKDF-SHA-256";
    SHA_256 = -16, "SHA-256";
    /// HMAC with SHA-256, cut to 64 bits.
    HMAC_256_64 = 4, "HMAC 256/64";
    /// HMAC with SHA-256; as an OSCORE HKDF value, HKDF with SHA-256.
    HMAC_256_256 = 5, "HMAC 256/256";
    HMAC_384_384 = 6, "HMAC 384/384";
    HMAC_512_512 = 7, "HMAC 512/512";
    A128GCM = 1, "A128GCM";
    A256GCM = 3, "A256GCM";
    AES_CCM_16_64_128 = 10, "AES-CCM-16-64-128";
    AES_CCM_16_64_256 = 11, "AES-CCM-16-64-256";
    AES_CCM_16_128_128 = 30, "AES-CCM-16-128-128";
    AES_CCM_16_128_256 = 31, "AES-CCM-16-128-256";
    CHACHA20_POLY1305 = 24, "ChaCha20/Poly1305";
}

registry! {
    /// A COSE header parameter (RFC 9052 §3.1).
    Header(i64);
    ALG = 1, "alg";
    CRIT = 2, "crit";
    CONTENT_TYPE = 3, "content type";
    KID = 4, "kid";
    IV = 5, "IV";
    PARTIAL_IV = 6, "Partial IV";
}

registry! {
    /// A COSE_Key parameter, common to all key types (RFC 9052 §7.1).
    KeyParam(i64);
    KTY = 1, "kty";
    KID = 2, "kid";
    ALG = 3, "alg";
    KEY_OPS = 4, "key_ops";
    BASE_IV = 5, "Base IV";
}

registry! {
    /// A COSE key type (RFC 9053 §7).
    KeyType(i64);
    OKP = 1, "OKP";
    EC2 = 2, "EC2";
    SYMMETRIC = 4, "Symmetric";
}

registry! {
    /// A COSE elliptic curve (RFC 9053 §7.1).
    Curve(i64);
    P_256 = 1, "P-256";
    P_384 = 2, "P-384";
    P_521 = 3, "P-521";
    X25519 = 4, "X25519";
    X448 = 5, "X448";
    ED25519 = 6, "Ed25519";
    ED448 = 7, "Ed448";
}

registry! {
    /// A CoAP Content-Format of the formats in this crate (RFC 9200 §8.16, RFC 8392 §9.3, RFC 9237 §5.3).
    ContentFormat(u16);
    ACE_CBOR = 19, "application/ace+cbor";
    CWT = 61, "application/cwt";
    EDHOC_CBOR_SEQ = 64, "application/edhoc+cbor-seq";
    CID_EDHOC_CBOR_SEQ = 65, "application/cid-edhoc+cbor-seq";
    CONCISE_PROBLEM_DETAILS_CBOR = 257, "application/concise-problem-details+cbor";
    ACE_TRL_CBOR = 262, "application/ace-trl+cbor";
    AIF_CBOR = 290, "application/aif+cbor";
    AIF_JSON = 291, "application/aif+json";
}

registry! {
    /// A request method by its CoAP code (RFC 7252 §12.1.1, RFC 8132 §6).
    Method(u8);
    GET = 1, "GET";
    POST = 2, "POST";
    PUT = 3, "PUT";
    DELETE = 4, "DELETE";
    FETCH = 5, "FETCH";
    PATCH = 6, "PATCH";
    IPATCH = 7, "iPATCH";
}

impl TokenType {
    /// The type that a JSON answer names; case does not matter there (RFC 6749 §5.1).
    pub fn from_text(text: &str) -> Option<Self> {
        [Self::BEARER, Self::POP].into_iter().find(|t| t.name().is_some_and(|name| name.eq_ignore_ascii_case(text)))
    }
}

/// CBOR tag of a CBOR Web Token (RFC 8392 §6).
pub const TAG_CWT: u64 = 61;

#[cfg(test)]
mod tests {
    use super::*;

    /// R9200-5.8.5-01
    #[test]
    fn names_and_numbers_agree() {
        for number in -70..300 {
            macro_rules! check {
                ($($Type:ident)*) => { $(
                    let value = $Type(number);
                    if let Some(name) = value.name() {
                        assert_eq!($Type::from_name(name), Some(value), "{value:?}");
                    }
                )* };
            }
            check!(Param HintMember Introspection ErrorCode TokenType Profile Claim CnfMember OscMember EdhocInfoMember Alg Header KeyParam KeyType Curve);
        }
        assert_eq!(GrantType::from_name("refresh_token"), Some(GrantType::REFRESH_TOKEN));
        assert_eq!(GrantType::from_name("Refresh_Token"), None);
        for (text, expected) in [("pop", Some(TokenType::POP)), ("BEARER", Some(TokenType::BEARER)), ("DPoP", None)] {
            assert_eq!(TokenType::from_text(text), expected, "{text}");
        }
        assert_eq!(ErrorCode(4711).name(), None);
    }

    /// The labels of drafts and hackathons mean nothing here (scope 12, cnf 25; TRL format 65002).
    #[test]
    fn labels_from_before_the_rfcs_are_unknown() {
        assert_eq!(Claim(12).name(), None);
        assert_eq!(Claim(25).name(), None);
        assert_eq!(Param(12).name(), None);
        assert_eq!(ContentFormat(65002).name(), None);
    }
}
