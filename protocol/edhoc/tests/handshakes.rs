//! Handshakes that end well, and what they leave.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{BOTH, CRED_I, CRED_R, Handshake, hex, id};
use latchwork_crypto::RustCrypto;
use latchwork_edhoc::{Ead, IdCred};

#[test]
fn both_methods_with_every_way_to_name_a_credential() {
    let (cred_i, cred_r) = (hex(CRED_I), hex(CRED_R));
    // x5t, with a hash of no certificate: to us it is a name like any other.
    let x5t = hex("a11822822e4879f2a41b510c1f9b");
    for &method in BOTH {
        for id_cred_i in [IdCred::Kid(&[0x2b]), IdCred::Kid(&[0xaa; 300]), IdCred::Kccs(&cred_i), IdCred::Other(&x5t)] {
            for id_cred_r in [IdCred::Kid(&[]), IdCred::Kccs(&cred_r)] {
                Handshake { method, id_cred_i, id_cred_r, ..Handshake::default() }.succeeds();
            }
        }
    }
}

#[test]
fn connection_identifiers() {
    for (c_i, c_r) in [(&[][..], &[0][..]), (&[0x18], &[0x17]), (&[1, 2, 3, 4, 5, 6, 7], &[0xff]), (&[0, 0], &[0])] {
        Handshake { c_i: id(c_i), c_r: id(c_r), ..Handshake::default() }.succeeds();
    }
}

#[test]
fn external_authorization_data_of_any_length_in_any_message() {
    for &method in BOTH {
        for length in [0, 1, 23, 24, 60, 120, 200, 238, 255, 256, 512, 4096] {
            let token = vec![0x5a; length];
            for number in 0..4 {
                let items = [Ead::critical(24, &token), Ead::padding(Some(&[1, 2])), Ead::new(1, &[])];
                let mut eads: [&[Ead<'_>]; 4] = [&[]; 4];
                eads[number] = &items;
                Handshake { method, eads, known: &[24], ..Handshake::default() }.succeeds();
            }
        }
    }
}

/// A key in hardware is asked beforehand: the message is the same.
#[test]
fn a_signature_made_before() {
    let token = vec![0x5a; 300];
    let items = [Ead::critical(24, &token), Ead::padding(None)];
    for eads in [&[][..], &items] {
        let message_3 = |signs_before| {
            let mut message_3 = Vec::new();
            let handshake = Handshake {
                method: BOTH[0],
                eads: [&[], &[], eads, &[]],
                known: &[24],
                signs_before,
                ..Handshake::default()
            };
            handshake
                .run(&mut |number, message| {
                    if number == 3 {
                        message_3.clone_from(message)
                    }
                })
                .unwrap();
            message_3
        };
        assert_eq!(message_3(true), message_3(false));
    }
}

/// PLAINTEXT_2 is longer than one keystream (RFC 9528 Appendix G).
#[test]
fn message_2_beyond_the_reach_of_hkdf() {
    for length in [8100, 8160, 8200, 17_000] {
        let long = vec![7; length];
        let items = [Ead::new(1, &long)];
        Handshake { eads: [&[], &items, &[], &[]], ..Handshake::default() }.succeeds();
    }
}

#[test]
fn messages_fill_their_buffer_to_the_last_byte() {
    let lengths = |method| {
        let mut lengths = Vec::new();
        Handshake { method, ..Handshake::default() }.run(&mut |_, message| lengths.push(message.len())).unwrap();
        lengths
    };
    let [signature, static_dh] = [BOTH[0], BOTH[1]].map(lengths);
    assert_eq!(signature, [39, 45, 77, 9]);
    assert_eq!(static_dh, [39, 45, 19, 9]);
}

#[test]
fn keys_differ_by_label_context_session_and_update() {
    let c = &RustCrypto;
    let [i, r] = Handshake::default().run(&mut |_, _| ()).unwrap();
    let [other, _] = Handshake { c_i: id(&[9]), ..Handshake::default() }.run(&mut |_, _| ()).unwrap();
    let key = |session: &latchwork_edhoc::Session, label, context: &[u8]| {
        let mut key = [0; 48];
        session.export(c, label, context, &mut key).unwrap();
        key
    };
    assert_eq!(key(&i, 26, b"group"), key(&r, 26, b"group"));
    assert_eq!(format!("{i:?}"), "Session { own: 0x37, peer: 0x27, .. }");
    let mut keys = vec![key(&i, 26, b"group"), key(&i, 27, b"group"), key(&i, 26, b""), key(&other, 26, b"group")];
    let [i, r] = [i, r].map(|session| session.update(c, b"1").unwrap());
    assert_eq!(key(&i, 26, b"group"), key(&r, 26, b"group"));
    keys.push(key(&i, 26, b"group"));
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 5);
    assert!(i.export(c, 26, b"", &mut vec![0; 255 * 32]).is_ok());
    assert!(i.export(c, 26, b"", &mut vec![0; 255 * 32 + 1]).is_err());
}
