//! EdDSA: the signatures of RFC 8032, and the forgeries that lax verifiers take.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use latchwork_crypto::{CryptoError, Dalek, RustCrypto, Verify};

use crate::hex::{fixed, hex};

mod hex;

/// What every backend says.
fn eddsa(public: &[u8; 32], message: &[&[u8]], signature: &[u8; 64]) -> Result<(), CryptoError> {
    let said = [&RustCrypto as &dyn Verify, &Dalek].map(|backend| backend.eddsa(public, message, signature));
    assert_eq!(said[0], said[1], "{public:02x?} {message:02x?} {signature:02x?}");
    said[0]
}

const PUBLIC: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
const MESSAGE: &[u8] = b"\x72";
const R: &str = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da";
const S: &str = "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

#[test]
fn takes_what_rfc_8032_signs() {
    // §7.1, tests 1 to 3 and SHA(abc).
    for (public, message, signature) in [
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (PUBLIC, "72", &format!("{R}{S}")),
        (
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
        (
            "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
        ),
    ] {
        let message = hex(message);
        for split in 0..=message.len() {
            let (a, b) = message.split_at(split);
            assert_eq!(eddsa(&fixed(public), &[a, b], &fixed(signature)), Ok(()), "{public}");
        }
    }
}

#[test]
fn refuses_every_changed_bit() {
    for bit in 0..512 {
        let mut signature: [u8; 64] = fixed(&format!("{R}{S}"));
        signature[bit / 8] ^= 1 << (bit % 8);
        let refused = eddsa(&fixed(PUBLIC), &[MESSAGE], &signature);
        assert_eq!(refused, Err(CryptoError::Forged), "bit {bit}");
    }
    for message in [&[][..], &[&b"\x73"[..]], &[MESSAGE, b"\0"]] {
        let refused = eddsa(&fixed(PUBLIC), message, &fixed(&format!("{R}{S}")));
        assert_eq!(refused, Err(CryptoError::Forged), "{message:02x?}");
    }
}

#[test]
fn refuses_a_second_form_of_a_signature() {
    for (s, form) in [
        ("f52db7415978abc61b2c2eb6aeebfca0387b2eaeb4302aeeb00d291612bb0c10", "S + L"),
        ("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010", "L"),
        ("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", "the highest"),
    ] {
        let refused = eddsa(&fixed(PUBLIC), &[MESSAGE], &fixed(&format!("{R}{s}")));
        assert_eq!(refused, Err(CryptoError::Forged), "S = {form}");
    }
}

#[test]
fn refuses_a_nonce_point_of_small_order() {
    // Made with the private key: R is the neutral element and S = k * a, so the equation of RFC 8032 §5.1.7 holds.
    let signature = "0100000000000000000000000000000000000000000000000000000000000000675d054595fa17cb6a44e3ada6ca385e55667e41a63fdab0ac22d10000354002";
    let refused = eddsa(&fixed(PUBLIC), &[MESSAGE], &fixed(signature));
    assert_eq!(refused, Err(CryptoError::Forged));
}

/// R8747-4-02
#[test]
fn refuses_keys_that_let_anybody_sign() {
    // Under a key of small order, the base point and S = 1 sign every message, or every eighth one.
    let base_and_one: [u8; 64] = fixed(
        "58666666666666666666666666666666666666666666666666666666666666660100000000000000000000000000000000000000000000000000000000000000",
    );
    for public in [
        // The points of order 1, 2, 4 and 8.
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        // The same in other writings: y not below the prime, and a sign where x is 0.
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        // No point at all.
        "0200000000000000000000000000000000000000000000000000000000000000",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ] {
        for message in 0..16 {
            let refused = eddsa(&fixed(public), &[&[message]], &base_and_one);
            assert_eq!(refused, Err(CryptoError::BadKey), "{public}");
        }
    }
}
