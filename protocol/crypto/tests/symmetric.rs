//! AES-CCM, SHA-256, HMAC and HKDF against published vectors and against OpenSSL.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use latchwork_crypto::{CryptoError, RustCrypto, Symmetric, hkdf_sha256_expand, hkdf_sha256_extract};

use crate::hex::{fixed, hex};

mod hex;

#[test]
fn ccm_of_rfc_3610() {
    // §8, packet vectors 1 to 3: those with our lengths of nonce and tag. The first 8 bytes of a packet are not encrypted.
    let key = fixed("c0c1c2c3c4c5c6c7c8c9cacbcccdcecf");
    for (nonce, length, sealed) in [
        ("00000003020100a0a1a2a3a4a5", 31, "588c979a61c663d2f066d0c2c0f989806d5f6b61dac38417e8d12cfdf926e0"),
        ("00000004030201a0a1a2a3a4a5", 32, "72c91a36e135f8cf291ca894085c87e3cc15c439c9e43a3ba091d56e10400916"),
        ("00000005040302a0a1a2a3a4a5", 33, "51b1e5f44a197d1da46b0f8e2d282ae871e838bb64da8596574adaa76fbd9fb0c5"),
    ] {
        let packet: Vec<u8> = (0..length).collect();
        let (aad, plain) = packet.split_at(8);
        let (mut buf, mut tag) = (plain.to_vec(), [0; 8]);
        RustCrypto.ccm_seal(&key, &fixed(nonce), aad, &mut buf, &mut tag).unwrap();
        assert_eq!([&buf[..], &tag].concat(), hex(sealed));
        RustCrypto.ccm_open(&key, &fixed(nonce), aad, &mut buf, &tag).unwrap();
        assert_eq!(buf, plain);
    }
}

/// Bytes that count up.
fn counting(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

const KEY: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
const NONCE: [u8; 13] = [16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28];

#[test]
fn ccm_of_openssl() {
    // Made by OpenSSL 3 with both lengths of tag, on both sides of every block boundary and of the long form of the length of the
    // additional data (RFC 3610 §2.2): length of that data and of the plaintext, ciphertext with tag of 8, tag of 16.
    for (aad, plain, sealed, tag_16) in [
        (0, 0, "5e5234e976e983a6", "d5e7b9742adec972909274ecbe50c0c9"),
        (0, 1, "7ce20ef304b027bd1e", "cd0ce81f7dae5820ac8dbf7ed599e64c"),
        (1, 0, "b652e87c3cfb002e", "94ff2bb39832b23b2860b168c7509f5e"),
        (13, 15, "7ce07242bc59e8d3b350429a230a629d055fa0cea94df3", "262f57a6f7c25573927e196e9b081b81"),
        (14, 16, "7ce07242bc59e8d3b350429a230a628e0f212003e0773714", "1c94bf12d12b9a30dc65021d88a4623e"),
        (15, 17, "7ce07242bc59e8d3b350429a230a628e3aa672130ec8fb836b", "cdf27387764fdc2fd2ffa6db60524a54"),
        (
            16,
            31,
            "7ce07242bc59e8d3b350429a230a628e3ac2476a6b82883d255400c892a59b893601ece6ff9de4",
            "740d240185aa141d60f08cab6f678251",
        ),
        (
            30,
            33,
            "7ce07242bc59e8d3b350429a230a628e3ac2476a6b82883d255400c892a59b5c2561d93c0306613110",
            "0df519f876f8533f39ab15a775a1803c",
        ),
        (
            64,
            64,
            "7ce07242bc59e8d3b350429a230a628e3ac2476a6b82883d255400c892a59b5c255bbdfd05b582bd17458915b356b84ebcadd7f62f82563aa7dbedad1bfec930f180051b20514a19",
            "934a1fe08e9fbfae607929ae5f826a52",
        ),
        (65_279, 1, "7c47f9db0c3f125ef1", "81f74a6c64c5ab0a5e5e66c8bf9bfd96"),
        (65_280, 1, "7c87e614d4b84d3cf0", "7717b4695bc77cc204229624bc704999"),
    ] {
        let (aad, plain, sealed) = (counting(aad), counting(plain), hex(sealed));
        let (cipher, tag_8) = sealed.split_at(plain.len());
        for tag in [tag_8, &hex(tag_16)] {
            let (mut buf, mut made) = (plain.clone(), vec![0; tag.len()]);
            RustCrypto.ccm_seal(&KEY, &NONCE, &aad, &mut buf, &mut made).unwrap();
            assert_eq!((&buf[..], &made[..]), (cipher, tag), "{} and {}", aad.len(), plain.len());
            RustCrypto.ccm_open(&KEY, &NONCE, &aad, &mut buf, tag).unwrap();
            assert_eq!(buf, plain);
        }
    }
}

#[test]
fn ccm_refuses_every_changed_bit_and_leaves_nothing_behind() {
    for tag_length in [8, 16] {
        let (aad, plain) = (counting(9), [0xaa; 20]);
        let (mut cipher, mut tag) = (plain, vec![0; tag_length]);
        RustCrypto.ccm_seal(&KEY, &NONCE, &aad, &mut cipher, &mut tag).unwrap();

        let good = [&KEY[..], &NONCE, &aad, &cipher, &tag].concat();
        let open = |parts: &[u8]| {
            let (key, rest) = parts.split_first_chunk().unwrap();
            let (nonce, rest) = rest.split_first_chunk().unwrap();
            let (aad, rest) = rest.split_at(9);
            let (cipher, tag) = rest.split_at(plain.len());
            let mut buf = cipher.to_vec();
            (RustCrypto.ccm_open(key, nonce, aad, &mut buf, tag), buf)
        };
        assert_eq!(open(&good), (Ok(()), plain.to_vec()));
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&bad), (Err(CryptoError::Forged), vec![0; plain.len()]), "bit {bit}");
        }
    }
}

#[test]
fn ccm_refuses_other_lengths_and_leaves_nothing_behind() {
    for (length, tag_length) in [(20, 0), (20, 4), (20, 7), (20, 10), (20, 15), (20, 17), (65_536, 8), (65_536, 16)] {
        let (mut buf, mut tag) = (vec![0xaa; length], vec![0xaa; tag_length]);
        let refused = RustCrypto.ccm_seal(&KEY, &NONCE, &[], &mut buf, &mut tag);
        assert_eq!(refused, Err(CryptoError::BadLength), "{length} and {tag_length}");
        assert!(buf.iter().chain(&tag).all(|byte| *byte == 0));

        let mut buf = vec![0xaa; length];
        let refused = RustCrypto.ccm_open(&KEY, &NONCE, &[], &mut buf, &tag);
        assert_eq!(refused, Err(CryptoError::BadLength), "{length} and {tag_length}");
        assert!(buf.iter().all(|byte| *byte == 0));
    }
}

#[test]
fn a_short_tag_is_not_the_beginning_of_a_long_one() {
    let (mut buf, mut tag) = ([1; 4], [0; 16]);
    RustCrypto.ccm_seal(&KEY, &NONCE, &[], &mut buf, &mut tag).unwrap();
    let refused = RustCrypto.ccm_open(&KEY, &NONCE, &[], &mut buf, &tag[..8]);
    assert_eq!(refused, Err(CryptoError::Forged));
}

#[test]
fn sha256_of_fips_180() {
    let two_blocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    for (message, hash) in [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (two_blocks, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"),
    ] {
        for split in 0..=message.len() {
            let (a, b) = message.as_bytes().split_at(split);
            assert_eq!(RustCrypto.sha256(&[a, b]), Ok(fixed(hash)), "{message} at {split}");
        }
    }
    assert_eq!(RustCrypto.sha256(&[]), RustCrypto.sha256(&[b""]));
}

#[test]
fn hmac_of_rfc_4231() {
    let long = [0xaa; 131];
    for (key, message, tag) in [
        (&[0x0b; 20][..], &b"Hi There"[..], "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (&[0xaa; 20], &[0xdd; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
        (&hex("0102030405060708090a0b0c0d0e0f10111213141516171819"), &[0xcd; 50], "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
        (&long, b"Test Using Larger Than Block-Size Key - Hash Key First", "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
        (
            &long,
            b"This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.",
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        ),
    ] {
        let (a, b) = message.split_at(message.len() / 2);
        assert_eq!(RustCrypto.hmac_sha256(key, &[a, b]), Ok(fixed(tag)), "{tag}");
        assert_eq!(RustCrypto.hmac_sha256(key, &[message]), Ok(fixed(tag)), "{tag}");
    }
}

#[test]
fn hkdf_of_rfc_5869() {
    let counting = |from: u8, to: u8| (from..=to).collect::<Vec<_>>();
    for (ikm, salt, info, prk, okm) in [
        (
            vec![0x0b; 22],
            counting(0x00, 0x0c),
            counting(0xf0, 0xf9),
            "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            counting(0x00, 0x4f),
            counting(0x60, 0xaf),
            counting(0xb0, 0xff),
            "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
        ),
        (
            vec![0x0b; 22],
            vec![],
            vec![],
            "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ] {
        let (prk, okm) = (fixed(prk), hex(okm));
        assert_eq!(hkdf_sha256_extract(&RustCrypto, &salt, &ikm), Ok(prk));
        for length in 0..=okm.len() {
            let mut out = vec![0; length];
            hkdf_sha256_expand(&RustCrypto, &prk, &info, &mut out).unwrap();
            assert_eq!(out, okm[..length]);
        }
    }
}

#[test]
fn hkdf_ends_at_255_blocks() {
    let prk = hkdf_sha256_extract(&RustCrypto, &[], &[0x0b; 22]).unwrap();
    let mut longest = vec![0; 255 * 32];
    hkdf_sha256_expand(&RustCrypto, &prk, &[], &mut longest).unwrap();
    // By OpenSSL 3.
    let hash = fixed("35741a9b515760e7e640f60e9d8657af4d09e63be63e55b1b31ca0535721ab80");
    assert_eq!(RustCrypto.sha256(&[&longest]), Ok(hash));

    let mut longer = vec![0xaa; 255 * 32 + 1];
    assert_eq!(hkdf_sha256_expand(&RustCrypto, &prk, &[], &mut longer), Err(CryptoError::BadLength));
    assert!(longer.iter().all(|byte| *byte == 0));
}

/// A peripheral whose HMAC works once.
struct FailsLater(core::cell::Cell<bool>);

impl Symmetric for FailsLater {
    fn ccm_seal(&self, _: &[u8; 16], _: &[u8; 13], _: &[u8], _: &mut [u8], _: &mut [u8]) -> Result<(), CryptoError> {
        Err(CryptoError::Unsupported)
    }

    fn ccm_open(&self, _: &[u8; 16], _: &[u8; 13], _: &[u8], _: &mut [u8], _: &[u8]) -> Result<(), CryptoError> {
        Err(CryptoError::Unsupported)
    }

    fn sha256(&self, _: &[&[u8]]) -> Result<[u8; 32], CryptoError> {
        Err(CryptoError::Unsupported)
    }

    fn hmac_sha256(&self, key: &[u8], parts: &[&[u8]]) -> Result<[u8; 32], CryptoError> {
        if self.0.replace(true) { Err(CryptoError::Backend) } else { RustCrypto.hmac_sha256(key, parts) }
    }
}

#[test]
fn half_a_key_is_wiped_when_the_hardware_fails() {
    let hardware: &dyn Symmetric = &FailsLater(false.into());
    let mut out = [0xaa; 40];
    assert_eq!(hkdf_sha256_expand(hardware, &[1; 32], &[], &mut out), Err(CryptoError::Backend));
    assert_eq!(out, [0; 40]);
}
