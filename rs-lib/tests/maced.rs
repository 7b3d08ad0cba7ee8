//! Tokens under a MAC (COSE_Mac0): what a lock refuses. Those that it takes are in `edhoc.rs`.
#![cfg(feature = "mac0")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[macro_use]
mod support;

use coset::iana;
use latchwork_coap::Code;
use latchwork_rs_lib::Refusal;
use support::mint::*;
use support::*;

/// A token with an OSCORE secret.
fn secret() -> Claims {
    good(osc(b"7", SECRET))
}

fn signed_claims() -> Claims {
    secret().set(CNF, public_key())
}

refuses! {
    /// R9200-5.10.1.1-03
    a_mac_by_another: maced_with(iana::Algorithm::HMAC_256_256, MAC_KID, &[1; 32], &signed_claims(), 32)
        => UNAUTHORIZED, Refusal::Forged,
    a_maced_token_that_was_changed: { let t = maced(&signed_claims()); let at = t.len() - 60; flipped(t, at) }
        => UNAUTHORIZED, Refusal::Forged,
    a_mac_that_was_cut: maced_with(iana::Algorithm::HMAC_256_256, MAC_KID, &MAC_KEY, &signed_claims(), 8)
        => UNAUTHORIZED, Refusal::Forged,
    no_mac_at_all: maced_with(iana::Algorithm::HMAC_256_256, MAC_KID, &MAC_KEY, &signed_claims(), 0)
        => UNAUTHORIZED, Refusal::Forged,
    /// HMAC 256/64 is another algorithm than the key's, whatever the length of the tag.
    a_mac_of_a_weaker_algorithm: maced_with(iana::Algorithm::HMAC_256_64, MAC_KID, &MAC_KEY, &signed_claims(), 8)
        => UNAUTHORIZED, Refusal::Forged,
    a_mac_named_after_a_weaker_algorithm: maced_with(iana::Algorithm::HMAC_256_64, MAC_KID, &MAC_KEY, &signed_claims(), 32)
        => UNAUTHORIZED, Refusal::WrongAlgorithm,
    a_mac_under_the_key_of_encryption: maced_with(iana::Algorithm::HMAC_256_256, KID, &MAC_KEY, &signed_claims(), 32)
        => UNAUTHORIZED, Refusal::WrongAlgorithm,
    a_mac_under_the_name_of_a_signing_key: maced_with(iana::Algorithm::HMAC_256_256, b"sign-1", &MAC_KEY, &signed_claims(), 32)
        => UNAUTHORIZED, Refusal::WrongAlgorithm,
    a_mac_under_a_retired_key: maced_with(iana::Algorithm::HMAC_256_256, b"mac-0", &[2; 32], &signed_claims(), 32)
        => UNAUTHORIZED, Refusal::RetiredKey,
    a_mac_under_an_unknown_key: maced_with(iana::Algorithm::HMAC_256_256, b"mac-9", &MAC_KEY, &signed_claims(), 32)
        => UNAUTHORIZED, Refusal::UnknownKey,
    a_secret_under_a_mac: maced(&secret()) => BAD_REQUEST, Refusal::WrongConfirmation,
    a_name_of_a_secret_under_a_mac: maced(&good(osc(b"7", SECRET)).set(CNF, map([(3, bytes(b"7"))])))
        => BAD_REQUEST, Refusal::WrongConfirmation,
    /// Everybody in the group could have made it.
    a_token_for_a_group_under_a_mac: maced(&signed_claims().set(AUD, GROUP)) => FORBIDDEN, Refusal::WrongAudience,
    a_maced_token_in_an_encrypted_one: {
        let inner = maced(&secret());
        encrypted_with(header(KID, &[9; 13]), &KEY, &inner)
    } => UNAUTHORIZED, Refusal::WrongAlgorithm,
    /// It names a key for DTLS; there is nobody here who could prove it.
    a_maced_token_of_a_public_key: maced(&signed_claims()) => BAD_REQUEST, Refusal::NotForOscore,
}

const SECRET: &[u8] = b"sixteen secrets!";
