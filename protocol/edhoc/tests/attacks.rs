//! What others do to a handshake, and how it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{BOTH, CRED_I, CRED_R, Drawn, Handshake, KID_I, KID_R, SK_I, SK_R, X, Y, hex, id, key};
use latchwork_crypto::{Agree, CryptoError, P256Peer, P256Private, P256Public, RustCrypto, Secret, hkdf_sha256_expand};
use latchwork_edhoc::{
    Credential, Ead, Error, ErrorMessage, Identity, Method,
    initiator::{self, Key, Offer, SentMessage1, VerifiedMessage2},
    responder::{ReceivedMessage1, SentMessage2},
};
use proptest::prelude::*;

fn sent_1(method: Method) -> (SentMessage1<P256Private>, Vec<u8>) {
    let offer = Offer { method, prefer: &[6], c_i: id(&[0x37]), eads: &[] };
    let mut out = [0; 64];
    let (sent, message) = initiator::start(&RustCrypto, &mut Drawn(hex(X)), &offer, &mut out).unwrap();
    (sent, message.to_vec())
}

fn sent_2(method: Method) -> (SentMessage2<P256Private>, Vec<u8>) {
    let (_, message_1) = sent_1(method);
    let (cred_r, key_r) = (hex(CRED_R), key(SK_R));
    let identity = Identity { id_cred: KID_R, cred: &cred_r, key: &key_r as _ };
    let mut out = [0; 64];
    let (sent, message) = ReceivedMessage1::parse(&message_1, BOTH, &[])
        .unwrap()
        .answer(&RustCrypto, &mut Drawn(hex(Y)), &identity, id(&[0x27]), &[], &mut out)
        .unwrap();
    (sent, message.to_vec())
}

fn verified_2(method: Method) -> VerifiedMessage2 {
    let (_, mut message_2) = sent_2(method);
    let cred_r = hex(CRED_R);
    let received = sent_1(method).0.receive(&RustCrypto, &mut message_2, &[]).unwrap();
    received.verify(&RustCrypto, &Credential::ccs(&cred_r).unwrap()).unwrap()
}

#[test]
fn no_changed_bit_passes() {
    for &method in BOTH {
        let mut lengths = Vec::new();
        let handshake = Handshake { method, ..Handshake::default() };
        handshake.run(&mut |_, message| lengths.push(message.len())).unwrap();
        for (number, length) in (1..).zip(lengths) {
            for at in 0..length {
                let bit = 1 << (at % 8);
                let ended = handshake.run(&mut |message, bytes| {
                    if message == number {
                        bytes[at] ^= bit;
                    }
                });
                let (ended, error) = ended.err().unwrap_or_else(|| panic!("message {number}, byte {at}: passed"));
                // A change in message_1 shows in message_2, any other at once.
                assert!(ended == number || (number, ended) == (1, 2), "message {number}, byte {at}: {ended} {error}");
                assert!(!error.is_ours(), "message {number}, byte {at}: {error}");
            }
        }
    }
}

#[test]
fn nothing_cut_off_or_added_passes() {
    for &method in BOTH {
        for number in 1..=4 {
            let handshake = Handshake { method, ..Handshake::default() };
            let mut cut = 0;
            loop {
                let mut was_cut = false;
                let ended = handshake.run(&mut |message, bytes| {
                    if message == number && cut < bytes.len() {
                        bytes.truncate(cut);
                        was_cut = true;
                    }
                });
                if !was_cut {
                    break;
                }
                assert_eq!(ended.err(), Some((number, Error::Malformed)), "message {number} of {cut} bytes");
                cut += 1;
            }
            for byte in [0x00, 0x40, 0xf6, 0xff] {
                let ended = handshake.run(&mut |message, bytes| {
                    if message == number {
                        bytes.push(byte);
                    }
                });
                // A zero behind message_1 is padding, and is missed in the hash.
                let (at, error) = ended.err().unwrap();
                let is_due = if (number, byte) == (1, 0) { at == 2 } else { (at, error) == (number, Error::Malformed) };
                assert!(is_due, "message {number} + {byte:x}: {at} {error}");
            }
        }
    }
}

/// Two bytes from anybody once stopped another implementation.
#[test]
fn short_and_lying_messages() {
    for message in
        ["", "58ff", "58", "40", "41ff", "47ffffffffffffff", "5f", "5bffffffffffffffff", "59ffff00", "f6", "8140"]
    {
        for &method in BOTH {
            let mut bytes = hex(message);
            let received = sent_2(method).0.receive(&RustCrypto, &mut bytes, &[]);
            assert_eq!(received.err(), Some(Error::Malformed), "message_3 {message}");
            let mut bytes = hex(message);
            let received = sent_1(method).0.receive(&RustCrypto, &mut bytes, &[]);
            assert_eq!(received.err(), Some(Error::Malformed), "message_2 {message}");
        }
    }
    let mut tag_only = hex("480000000000000000");
    assert_eq!(sent_2(BOTH[1]).0.receive(&RustCrypto, &mut tag_only, &[]).err(), Some(Error::DecryptionFailed));
}

#[test]
fn another_credential_than_the_peer_has() {
    let other = |cred: &str, from: &str, to: &str| hex(&cred.split_whitespace().collect::<String>().replace(from, to));
    // The same key under another name, and another key under the same name.
    let x_of_y = "419701d7f00a26c2dc587a36dd752549f33763c893422c8ea0f955a13a4ff5d5";
    let y_of_y = "5e4f0dd8a3da0baa16b9d3ad56a0c1860a940af85914915e25019b402417e99d";
    let i = [
        "ac75e9ece3e50bfc8ed60399889522405c47bf16df96660a41298cb4307f7eb6",
        "6e5de611388a4b8a8211334ac7d37ecb52a387d257e6db3c2a93df21ff3affc8",
    ];
    let r = [
        "bbc34960526ea4d32e940cad2a234148ddc21791a12afbcbac93622046dd44f0",
        "4519e257236b2a0ce2023f0931f1f386ca7afda64fcde0108c224c51eabf6072",
    ];
    let swap = |cred: &str, [x, y]: [&str; 2]| {
        let text: String = cred.split_whitespace().collect();
        hex(&text.replace(x, x_of_y).replace(y, y_of_y))
    };
    for &method in BOTH {
        let good = || Handshake { method, ..Handshake::default() };
        for (what, handshake, ended) in [
            ("R renamed", Handshake { cred_r_at_i: other(CRED_R, "2e656475", "2e636f6d"), ..good() }, 2),
            ("R replaced", Handshake { cred_r_at_i: swap(CRED_R, r), ..good() }, 2),
            ("I for R", Handshake { cred_r_at_i: hex(CRED_I), ..good() }, 2),
            ("I renamed", Handshake { cred_i_at_r: other(CRED_I, "34322d", "34332d"), ..good() }, 3),
            ("I replaced", Handshake { cred_i_at_r: swap(CRED_I, i), ..good() }, 3),
            ("R for I", Handshake { cred_i_at_r: hex(CRED_R), ..good() }, 3),
        ] {
            assert_eq!(
                handshake.run(&mut |_, _| ()).err(),
                Some((ended, Error::NotAuthenticated)),
                "{method:?} {what}"
            );
        }
    }
}

#[test]
fn credentials_that_do_not_fit() {
    let mut beside = P256Public { x: [1; 32], y: [2; 32] };
    beside.y[31] ^= 1;
    let cred_i = hex(CRED_I);
    let x = *Credential::ccs(&cred_i).unwrap().key.x();
    for (method, key, error) in [
        (BOTH[0], P256Peer::X(x), Some(Error::UnfitCredential)),
        (BOTH[0], P256Peer::Point(beside), Some(Error::BadPoint)),
        (BOTH[1], P256Peer::X(x), None),
        (BOTH[1], P256Peer::Point(beside), Some(Error::BadPoint)),
        (BOTH[1], P256Peer::X([0xff; 32]), Some(Error::BadPoint)),
    ] {
        let private = common::key(SK_I);
        let own = if method == BOTH[0] { Key::Sign(&private) } else { Key::Agree(&private) };
        let identity = Identity { id_cred: KID_I, cred: &cred_i, key: own };
        let mut out = [0; 128];
        let (_, message_3) = verified_2(method).answer(&RustCrypto, &identity, &[], &mut out).unwrap();
        let mut message_3 = message_3.to_vec();
        let received = sent_2(method).0.receive(&RustCrypto, &mut message_3, &[]).unwrap();
        let verified = received.verify(&RustCrypto, &Credential { cred: &cred_i, key, kid: None });
        assert_eq!(verified.err(), error, "{method:?} {key:?}");
    }
}

#[test]
fn a_key_of_the_wrong_kind_is_our_own_fault() {
    let (cred_i, private) = (hex(CRED_I), key(SK_I));
    for (method, key) in [(BOTH[0], Key::Agree(&private)), (BOTH[1], Key::Sign(&private))] {
        let identity = Identity { id_cred: KID_I, cred: &cred_i, key };
        let error = verified_2(method).answer(&RustCrypto, &identity, &[], &mut [0; 128]).err().unwrap();
        assert!(error == Error::WrongKey && error.is_ours());
    }
}

#[test]
fn critical_items_that_nobody_knows() {
    for &method in BOTH {
        for number in 0..4 {
            let (critical, ignored) = ([Ead::critical(24, &[])], [Ead::new(24, &[])]);
            for (items, known, passes) in
                [(&critical, &[][..], false), (&critical, &[1], false), (&critical, &[24], true), (&ignored, &[], true)]
            {
                let mut eads: [&[Ead<'_>]; 4] = [&[]; 4];
                eads[number] = items;
                let ended = Handshake { method, eads, known, ..Handshake::default() }.run(&mut |_, _| ()).err();
                let refused = Some((number + 1, Error::UnknownCriticalEad(-24)));
                assert_eq!(ended, if passes { None } else { refused }, "EAD_{} {known:?}", number + 1);
            }
        }
    }
    let answer = Error::UnknownCriticalEad(-24).answer();
    assert_eq!(answer, ErrorMessage::Unspecified("Critical EAD not supported"));
}

#[test]
fn points_off_the_curve() {
    // P-256 has no points of small order; x = 0 is an ordinary point, and nobody's.
    let one = format!("{:064x}", 1);
    let p = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
    for (x, error) in [(&one[..], Error::BadPoint), (p, Error::BadPoint), (&"ff".repeat(32), Error::BadPoint)] {
        let (sent, message_1) = sent_1(BOTH[1]);
        let (_, mut message_2) = sent_2(BOTH[1]);
        message_2[2..34].copy_from_slice(&hex(x));
        assert_eq!(sent.receive(&RustCrypto, &mut message_2, &[]).err(), Some(error), "G_Y {x}");

        let mut message_1 = message_1;
        message_1[6..38].copy_from_slice(&hex(x));
        let (cred_r, key_r) = (hex(CRED_R), key(SK_R));
        let identity = Identity { id_cred: KID_R, cred: &cred_r, key: &key_r as _ };
        let mut out = [0xee; 64];
        let answered = ReceivedMessage1::parse(&message_1, BOTH, &[]).unwrap().answer(
            &RustCrypto,
            &mut Drawn(hex(Y)),
            &identity,
            id(&[0x27]),
            &[],
            &mut out,
        );
        assert_eq!(answered.err(), Some(error), "G_X {x}");
        assert_eq!(out, [0xee; 64], "nothing was written");
    }
    let zero = Handshake::default().run(&mut |number, message| {
        if number == 1 {
            message[6..38].fill(0);
        }
    });
    assert_eq!(zero.err().unwrap().0, 2);
}

/// message_2 with any plaintext, as somebody can make it who answers message_1 with an ephemeral key of his own.
fn message_2_of(plaintext: &[u8]) -> Vec<u8> {
    let prk_2e = hex("5aa0d69f3e3d1e0c479f0b8a486690c9802630c3466b1dc92371c982563170b5");
    let th_2 = "356efd53771425e008f3fe3a86c83ff4c6b16e57028ff39d5236c182b202084b";
    let length = u8::try_from(plaintext.len()).unwrap();
    assert!(length < 24);
    let info = [hex("005820"), hex(th_2), vec![length]].concat();
    let mut text = plaintext.to_vec();
    let mut keystream = vec![0; text.len()];
    hkdf_sha256_expand(&RustCrypto, &prk_2e.try_into().unwrap(), &info, &mut keystream).unwrap();
    text.iter_mut().zip(keystream).for_each(|(to, from)| *to ^= from);
    let g_y = hex("419701d7f00a26c2dc587a36dd752549f33763c893422c8ea0f955a13a4ff5d5");
    [vec![0x58, 32 + length], g_y, text].concat()
}

#[test]
fn plaintexts_that_break_the_rules() {
    for (what, plaintext, error) in [
        ("RFC 9529 §4.1.6", "27 a1 04 42 32 10 48 fa 5e fa 2e bf 92 0b f3", Some(Error::Malformed)),
        ("RFC 9529 §4.1.7", "27 41 32 48 fa 5e fa 2e bf 92 0b f3", Some(Error::Malformed)),
        ("RFC 9529 §4.2.5", "27 32 44 fa 5e fa 2e", Some(Error::Malformed)),
        ("our own C_I", "37 32 48 09 43 30 5c 89 9f 5c 54", Some(Error::SameConnectionIds)),
        ("C_R too long", "48 0000000000000000 32 48 09 43 30", Some(Error::Malformed)),
        ("C_R missing", "32 48 09 43 30 5c 89 9f 5c 54", Some(Error::Malformed)),
        ("an item that is none", "27 32 48 09 43 30 5c 89 9f 5c 54 40", Some(Error::Malformed)),
        ("a critical item", "27 32 48 09 43 30 5c 89 9f 5c 54 20", Some(Error::UnknownCriticalEad(-1))),
        ("empty", "", Some(Error::Malformed)),
        ("the trace", "27 32 48 09 43 30 5c 89 9f 5c 54", None),
    ] {
        let mut message = message_2_of(&hex(plaintext));
        let received = sent_1(BOTH[1]).0.receive(&RustCrypto, &mut message, &[]);
        assert_eq!(received.err(), error, "{what}");
    }
}

#[test]
fn a_buffer_that_is_too_small_keeps_no_plaintext() {
    let (cred_i, private) = (hex(CRED_I), key(SK_I));
    let identity = Identity { id_cred: KID_I, cred: &cred_i, key: Key::Sign(&private) };
    for room in 0..77 {
        let mut out = vec![0xee; room];
        let error = verified_2(BOTH[0]).answer(&RustCrypto, &identity, &[], &mut out).err();
        assert_eq!(error, Some(Error::NoRoom), "{room}");
        assert_eq!(out, vec![0xee; room], "{room}");
    }
    assert!(verified_2(BOTH[0]).answer(&RustCrypto, &identity, &[], &mut [0; 77]).is_ok());
    let offer = Offer { method: BOTH[0], prefer: &[6], c_i: id(&[0x37]), eads: &[] };
    for room in 0..39 {
        let mut out = vec![0; room];
        let started = initiator::start(&RustCrypto, &mut Drawn(hex(X)), &offer, &mut out);
        assert_eq!(started.err(), Some(Error::NoRoom), "{room}");
    }
}

#[test]
fn hardware_that_fails_ends_the_session_and_leaves_nothing() {
    struct Broken;
    impl Agree for Broken {
        fn agree(&self, _: &P256Peer) -> Result<Secret<32>, CryptoError> {
            Err(CryptoError::Backend)
        }
    }
    impl latchwork_crypto::Sign for Broken {
        fn sign_es256(&self, _: &[&[u8]]) -> Result<[u8; 64], CryptoError> {
            Err(CryptoError::Backend)
        }
    }
    let cred_i = hex(CRED_I);
    let failed = Error::Crypto(CryptoError::Backend);
    for (method, key) in [(BOTH[0], Key::Sign(&Broken)), (BOTH[1], Key::Agree(&Broken))] {
        let mut out = [0xee; 128];
        let identity = Identity { id_cred: KID_I, cred: &cred_i, key };
        let token = Ead::new(24, b"secret");
        let error = verified_2(method).answer(&RustCrypto, &identity, &[token], &mut out).err();
        assert_eq!(error, Some(failed));
        assert!(!out.windows(6).any(|window| window == b"secret"));
    }
    assert!(failed.is_ours());
    assert_eq!(failed.answer(), ErrorMessage::Unspecified(""));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..100), method in 0..2_usize) {
        let _ = ErrorMessage::parse(&bytes);
        let _ = Credential::ccs(&bytes);
        if let Ok(received) = ReceivedMessage1::parse(&bytes, BOTH, &[]) {
            prop_assert!(received.eads().iter().count() <= bytes.len());
        }
        let text = [vec![0x58, 100], vec![0; 100 - bytes.len()], bytes.clone()].concat();
        for mut bytes in [bytes, text] {
            prop_assert!(sent_2(BOTH[method]).0.receive(&RustCrypto, &mut bytes, &[]).is_err());
        }
    }

    /// Whatever is inside message_2, it must not pass the MAC.
    #[test]
    fn no_plaintext_2_does_harm(plaintext in prop::collection::vec(any::<u8>(), 0..23)) {
        let mut message = message_2_of(&plaintext);
        if let Ok(received) = sent_1(BOTH[1]).0.receive(&RustCrypto, &mut message, &[]) {
            let cred_r = hex(CRED_R);
            prop_assert!(received.verify(&RustCrypto, &Credential::ccs(&cred_r).unwrap()).is_err());
        }
    }
}
