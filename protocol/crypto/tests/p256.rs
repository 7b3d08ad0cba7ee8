//! Keys of our own on P-256.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod hex;

use hex::fixed;
use latchwork_crypto::{
    Agree, CryptoError, Ephemeral, P256Peer, P256Private, P256Public, Random, RustCrypto, Secret, Sign, Verify,
};

const P: &str = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
const N: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
/// RFC 9529 §3.4: Y and G_Y, and the secret with G_X.
const SCALAR: &str = "e2f4126777205e853b437d6eaca1e1f753cdcc3e2c69fa884b0a1a640977e418";
const G_Y: &str = "419701d7f00a26c2dc587a36dd752549f33763c893422c8ea0f955a13a4ff5d5";
const G_X: [&str; 2] = [
    "8af6f430ebe18d34184017a9a11bf511c8dff8f834730b96c1b7c8dbca2fc3b6",
    "51e8af6c6edb781601ad1d9c5fa8bf7aa15716c7c06a5d038503c614ff80c9b3",
];
const G_XY: &str = "2f0cb7e860ba538fbf5c8bded009f6259b4b628fe1eb7dbe9378e5ecf7a824ba";

fn key(scalar: &str) -> P256Private {
    P256Private::new(Secret::new(fixed(scalar))).unwrap()
}

/// Gives these numbers, then nothing.
struct Numbers(Vec<[u8; 32]>);

impl Random for Numbers {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        out.copy_from_slice(&self.0.pop().ok_or(CryptoError::Backend)?);
        Ok(())
    }
}

#[test]
fn agrees_with_the_rfc_whichever_way_the_peer_is_given() {
    let [x, y] = G_X.map(fixed);
    let mut other_y = fixed::<32>(P);
    // p - y, the other root.
    let mut borrow = false;
    for (digit, minus) in other_y.iter_mut().zip(y).rev() {
        let (difference, a) = digit.overflowing_sub(minus);
        let (difference, b) = difference.overflowing_sub(borrow.into());
        (*digit, borrow) = (difference, a || b);
    }
    for peer in [P256Peer::X(x), P256Peer::Point(P256Public { x, y }), P256Peer::Point(P256Public { x, y: other_y })] {
        assert_eq!(*key(SCALAR).agree(&peer).unwrap().expose(), fixed(G_XY), "{peer:?}");
    }
    assert_eq!(key(SCALAR).public().unwrap().x, fixed(G_Y));
}

#[test]
fn points_that_are_none() {
    let [x, y] = G_X.map(fixed);
    let mut beside = y;
    beside[31] ^= 1;
    for (what, peer, agrees) in [
        ("x = 0 is on the curve", P256Peer::X([0; 32]), true),
        (
            "x = 1 is not",
            P256Peer::X({
                let mut one = [0; 32];
                one[31] = 1;
                one
            }),
            false,
        ),
        (
            "RFC 9529 §4.2.3",
            P256Peer::X(fixed("a04e73601df544a70ba7ea1e57030f7d4b4eb7f673924e58d54ca77a5e7d4d4a")),
            false,
        ),
        ("RFC 9529 §4.2.2", P256Peer::X(fixed(P)), false),
        ("all ones", P256Peer::X([0xff; 32]), false),
        ("beside the curve", P256Peer::Point(P256Public { x, y: beside }), false),
        ("y = p", P256Peer::Point(P256Public { x, y: fixed(P) }), false),
        ("zeros", P256Peer::Point(P256Public { x: [0; 32], y: [0; 32] }), false),
    ] {
        match key(SCALAR).agree(&peer) {
            Ok(secret) => assert!(agrees && *secret.expose() != [0; 32], "{what}"),
            Err(error) => assert!(!agrees && error == CryptoError::BadKey, "{what}: {error}"),
        }
    }
}

#[test]
fn scalars_from_1_to_n_minus_1() {
    let mut last = fixed::<32>(N);
    last[31] -= 1;
    for (scalar, good) in [([0; 32], false), (fixed(N), false), ([0xff; 32], false), (last, true), ([1; 32], true)] {
        assert_eq!(P256Private::new(Secret::new(scalar)).is_ok(), good, "{scalar:x?}");
    }
    let (drawn, public) = RustCrypto.ephemeral(&mut Numbers(vec![fixed(SCALAR), fixed(N), [0; 32]])).unwrap();
    assert_eq!((*drawn.expose(), public), (fixed(SCALAR), fixed(G_Y)));
    assert_eq!(P256Private::generate(&mut Numbers(vec![[0; 32]; 9])).err(), Some(CryptoError::Backend));
    assert_eq!(P256Private::generate(&mut Numbers(Vec::new())).err(), Some(CryptoError::Backend));
}

/// RFC 6979 §A.2.5, SHA-256, message "sample".
#[test]
fn signs_as_the_rfc_does() {
    let key = key("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");
    let signature = key.sign_es256(&[b"sam", b"ple"]).unwrap();
    let expected = [
        "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
        "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
    ];
    assert_eq!(signature, fixed(&expected.concat()));
    RustCrypto.es256(&key.public().unwrap(), &[b"sample"], &signature).unwrap();
    assert_eq!(format!("{key:?}"), "P256Private(Secret([32 bytes]))");
}
