//! Numbers that drafts suggest and nobody has assigned yet, all in one place.
//!
//! From draft-ietf-ace-edhoc-oscore-profile (Appendix C) unless noted. When IANA decides, only this file changes.

/// `edhoc_info` as a parameter. Another draft wants the same number for `ecdh_info`.
pub const PARAM_EDHOC_INFO: i64 = 47;
/// `edhoc_info` as a claim.
pub const CLAIM_EDHOC_INFO: i64 = 41;
/// The profile `coap_edhoc_oscore`.
pub const PROFILE_COAP_EDHOC_OSCORE: i64 = 4;

/// Hash of an X.509 certificate.
pub const CNF_X5T: i64 = 6;
/// Address of an X.509 certificate.
pub const CNF_X5U: i64 = 7;
/// Hash of a C509 certificate.
pub const CNF_C5T: i64 = 8;
/// Address of a C509 certificate.
pub const CNF_C5U: i64 = 9;
/// A CWT that carries a public key.
pub const CNF_KCWT: i64 = 10;
/// A CWT claims set that carries a public key.
pub const CNF_KCCS: i64 = 11;
/// A chain of X.509 certificates.
pub const CNF_X5CHAIN: i64 = 24;
/// A bag of X.509 certificates.
pub const CNF_X5BAG: i64 = 25;
/// A chain of C509 certificates.
pub const CNF_C5C: i64 = 26;
/// A bag of C509 certificates.
pub const CNF_C5B: i64 = 27;

/// EAD label of the AS Request Creation Hints in EDHOC.
pub const EAD_HINTS: u32 = 1;
/// EAD label that asks for a credential by value.
pub const EAD_CREDENTIAL_BY_VALUE: u32 = 15;
/// EAD label of an access token in EDHOC; sent as critical, that is, negative.
pub const EAD_ACCESS_TOKEN: u32 = 24;

/// The CoAP option that abbreviates a path (draft-ietf-core-uri-path-abbrev §2). Critical.
pub const OPTION_URI_PATH_ABBREV: u16 = 13;
/// What stands for `/.well-known/edhoc` in it (§6.2 there).
pub const ABBREV_EDHOC: u32 = 2;
