//! ES256: the signatures of RFC 6979, and everything near to them.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use latchwork_crypto::{CryptoError, P256Public, RustCrypto, Verify};

use crate::hex::fixed;

mod hex;

/// RFC 6979 §A.2.5.
fn public() -> P256Public {
    P256Public {
        x: fixed("60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"),
        y: fixed("7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"),
    }
}

fn signature(r: &str, s: &str) -> [u8; 64] {
    fixed(&[r, s].concat())
}

const R: &str = "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716";
const S: &str = "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";

#[test]
fn takes_what_rfc_6979_signs() {
    for (message, r, s) in [
        (&b"sample"[..], R, S),
        (
            b"test",
            "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367",
            "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
        ),
        // n - s is as good as s: signatures are no names.
        (b"sample", R, "0834e36ad29a83bf2bc9385e491d6099c8fdf9d1ed67aa7ea5f51f93782857a9"),
    ] {
        for split in 0..=message.len() {
            let (a, b) = message.split_at(split);
            assert_eq!(RustCrypto.es256(&public(), &[a, b], &signature(r, s)), Ok(()), "{s}");
        }
    }
}

#[test]
fn refuses_numbers_out_of_range() {
    const ZERO: &str = "0000000000000000000000000000000000000000000000000000000000000000";
    const ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    const MOST: &str = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";
    for (r, s) in [(ZERO, ZERO), (ZERO, S), (R, ZERO), (ORDER, S), (R, ORDER), (MOST, S), (R, MOST), (ORDER, ORDER)] {
        let refused = RustCrypto.es256(&public(), &[b"sample"], &signature(r, s));
        assert_eq!(refused, Err(CryptoError::Forged), "{r} {s}");
    }
}

#[test]
fn refuses_every_changed_bit() {
    for bit in 0..512 {
        let mut signature = signature(R, S);
        signature[bit / 8] ^= 1 << (bit % 8);
        let refused = RustCrypto.es256(&public(), &[b"sample"], &signature);
        assert_eq!(refused, Err(CryptoError::Forged), "bit {bit} of the signature");
    }
    for bit in 0..48 {
        let mut message = *b"sample";
        message[bit / 8] ^= 1 << (bit % 8);
        let refused = RustCrypto.es256(&public(), &[&message], &signature(R, S));
        assert_eq!(refused, Err(CryptoError::Forged), "bit {bit} of the message");
    }
    for (message, forged) in [(&[&b"sampl"[..]][..], "short"), (&[b"sample", b"\0"], "long"), (&[], "none")] {
        assert_eq!(RustCrypto.es256(&public(), message, &signature(R, S)), Err(CryptoError::Forged), "{forged}");
    }
}

/// R8747-4-02
#[test]
fn refuses_points_beside_the_curve() {
    const PRIME: &str = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
    let zero = [0; 32];
    let P256Public { x, y } = public();
    let mut off = y;
    off[31] ^= 1;
    for (x, y) in [
        (zero, zero),
        (x, off),
        (x, zero),
        (zero, y),
        (y, x),
        (fixed(PRIME), y),
        (x, fixed(PRIME)),
        ([0xff; 32], [0xff; 32]),
    ] {
        let refused = RustCrypto.es256(&P256Public { x, y }, &[b"sample"], &signature(R, S));
        assert_eq!(refused, Err(CryptoError::BadKey), "{x:02x?} {y:02x?}");
    }
}

#[test]
fn refuses_the_key_of_another() {
    // The generator, the public key of the private key 1; and our own point turned over.
    let generator = P256Public {
        x: fixed("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"),
        y: fixed("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"),
    };
    let negated =
        P256Public { x: public().x, y: fixed("86fc01eef74743675be51616a9d7439b0d0e4df4d28160ae885c3d6b2bb9dd66") };
    for key in [generator, negated] {
        assert_eq!(RustCrypto.es256(&key, &[b"sample"], &signature(R, S)), Err(CryptoError::Forged));
    }
}
