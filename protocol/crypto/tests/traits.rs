//! What holds for every backend.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use latchwork_crypto::{ConstantTimeEq, CryptoError, P256Public, Secret, Verify, ct_eq};

#[test]
fn an_algorithm_that_is_missing_verifies_nothing() {
    struct Nothing;
    impl Verify for Nothing {}

    let public = P256Public { x: [0; 32], y: [0; 32] };
    assert_eq!(Nothing.es256(&public, &[], &[0; 64]), Err(CryptoError::Unsupported));
    assert_eq!(Nothing.eddsa(&[0; 32], &[], &[0; 64]), Err(CryptoError::Unsupported));
}

#[test]
fn a_secret_is_not_printed_and_compares_all_its_bytes() {
    let secret = Secret::new([0x5a; 16]);
    assert_eq!(format!("{secret:?}"), "Secret([16 bytes])");
    assert!(bool::from(secret.ct_eq(&secret.clone())));
    for at in 0..16 {
        let mut other = secret.clone();
        other.expose_mut()[at] ^= 0x80;
        assert!(!bool::from(secret.ct_eq(&other)), "byte {at}");
    }
    for (bytes, taken) in [(15, false), (16, true), (17, false)] {
        assert_eq!(Secret::<16>::try_from(&vec![0; bytes][..]).is_ok(), taken, "{bytes} bytes");
    }
}

#[test]
fn equal_is_equal_in_length_and_in_every_byte() {
    for (a, b, equal) in [
        (&b""[..], &b""[..], true),
        (b"ab", b"ab", true),
        (b"ab", b"ac", false),
        (b"ab", b"bb", false),
        (b"ab", b"abc", false),
        (b"", b"a", false),
    ] {
        assert_eq!(ct_eq(a, b), equal, "{a:?} {b:?}");
    }
}
