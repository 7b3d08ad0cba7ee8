//! RFC 9529: the trace of §3, byte for byte and in both roles, and the invalid messages of §4.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{BOTH, CRED_I, CRED_R, Drawn, KID_I, KID_R, SK_I, SK_R, X, Y, hex, id, key};
use latchwork_crypto::RustCrypto;
use latchwork_edhoc::{
    Credential, Error, ErrorMessage, Identity, Method, SUITE_2, Session,
    initiator::{self, Key, Offer},
    responder::ReceivedMessage1,
};

const WITH_SUITE_6: &str = "
    03 06 58 20 74 1a 13 d7 ba 04 8f bb 61 5e 94 38 6a a3 b6 1b ea 5b 3d
    8f 65 f3 26 20 b7 49 be e8 d2 78 ef a9 0e";
const ERROR: &str = "02 02";
const MESSAGE_1: &str = "
    03 82 06 02 58 20 8a f6 f4 30 eb e1 8d 34 18 40 17 a9 a1 1b f5 11 c8
    df f8 f8 34 73 0b 96 c1 b7 c8 db ca 2f c3 b6 37";
const MESSAGE_2: &str = "
    58 2b 41 97 01 d7 f0 0a 26 c2 dc 58 7a 36 dd 75 25 49 f3 37 63 c8 93
    42 2c 8e a0 f9 55 a1 3a 4f f5 d5 98 62 a1 ee f9 e0 e7 e1 88 6f cd";
const MESSAGE_3: &str = "52 e5 62 09 7b c4 17 dd 59 19 48 5a c7 89 1f fd 90 a9 fc";
const MESSAGE_4: &str = "48 28 c9 66 b7 ca 30 4f 83";

fn check_keys(session: Session, sender_id: u8, recipient_id: u8) {
    let c = &RustCrypto;
    let keys = session.oscore(c).unwrap();
    assert_eq!(keys.master_secret.expose()[..], hex("f9868f6a3aca78a05d1485b35030b162"));
    assert_eq!(keys.master_salt.expose()[..], hex("ada24c7dbfc85eeb"));
    assert_eq!((keys.sender_id, keys.recipient_id), (id(&[sender_id]), id(&[recipient_id])));

    let updated = session.update(c, &hex("a01158fdb820890cd6be169602b8bcea")).unwrap();
    let keys = updated.oscore(c).unwrap();
    assert_eq!(keys.master_secret.expose()[..], hex("49f72fac02b4658bda21e2dac66fc374"));
    assert_eq!(keys.master_salt.expose()[..], hex("dd8b24f2aa9b011a"));
    assert_eq!((updated.own_id(), updated.peer_id()), (id(&[recipient_id]), id(&[sender_id])));
}

#[test]
fn as_the_initiator() {
    let c = &RustCrypto;
    let error = hex(ERROR);
    let Ok(ErrorMessage::WrongSuite(suites)) = ErrorMessage::parse(&error) else { panic!("{error:x?}") };
    assert_eq!(suites.iter().collect::<Vec<_>>(), [SUITE_2]);

    let mut out = [0; 64];
    let offer = Offer { method: Method::StaticDhStaticDh, prefer: &[6], c_i: id(&[0x37]), eads: &[] };
    let (sent, message_1) = initiator::start(c, &mut Drawn(hex(X)), &offer, &mut out).unwrap();
    assert_eq!(message_1, hex(MESSAGE_1));

    let mut message_2 = hex(MESSAGE_2);
    let received = sent.receive(c, &mut message_2, &[]).unwrap();
    assert_eq!((received.id_cred(), received.eads().iter().count()), (KID_R, 0));
    let cred_r = hex(CRED_R);
    let verified = received.verify(c, &Credential::ccs(&cred_r).unwrap()).unwrap();
    assert_eq!(verified.c_r(), id(&[0x27]));

    let (cred_i, key_i) = (hex(CRED_I), key(SK_I));
    let identity = Identity { id_cred: KID_I, cred: &cred_i, key: Key::Agree(&key_i) };
    let (sent, message_3) = verified.answer(c, &identity, &[], &mut out).unwrap();
    assert_eq!(message_3, hex(MESSAGE_3));
    assert_eq!(sent.session().peer_id(), id(&[0x27]));

    let mut message_4 = hex(MESSAGE_4);
    let (session, eads) = sent.receive(c, &mut message_4, &[]).unwrap();
    assert_eq!(eads.as_bytes(), []);
    check_keys(session, 0x27, 0x37);
}

#[test]
fn as_the_responder() {
    let c = &RustCrypto;
    let refused = ReceivedMessage1::parse(&hex(WITH_SUITE_6), BOTH, &[]).err().unwrap();
    assert_eq!(refused, Error::WrongSuite);
    assert_eq!(refused.answer().write(&mut [0; 2]).unwrap(), hex(ERROR));

    let mut out = [0; 64];
    let message_1 = hex(MESSAGE_1);
    let received = ReceivedMessage1::parse(&message_1, BOTH, &[]).unwrap();
    assert_eq!((received.method(), received.c_i()), (Method::StaticDhStaticDh, id(&[0x37])));
    let (cred_r, key_r) = (hex(CRED_R), key(SK_R));
    let identity = Identity { id_cred: KID_R, cred: &cred_r, key: &key_r as _ };
    let (sent, message_2) = received.answer(c, &mut Drawn(hex(Y)), &identity, id(&[0x27]), &[], &mut out).unwrap();
    assert_eq!(message_2, hex(MESSAGE_2));
    assert_eq!(sent.c_r(), id(&[0x27]));

    let mut message_3 = hex(MESSAGE_3);
    let received = sent.receive(c, &mut message_3, &[]).unwrap();
    assert_eq!((received.id_cred(), received.eads().iter().count()), (KID_I, 0));
    let cred_i = hex(CRED_I);
    let verified = received.verify(c, &Credential::ccs(&cred_i).unwrap()).unwrap();
    let (session, message_4) = verified.answer(c, &[], &mut out).unwrap();
    assert_eq!(message_4, hex(MESSAGE_4));
    check_keys(session, 0x37, 0x27);
}

/// What a responder says to a message_1: at reading it, or at answering.
fn refusal(message: &[u8]) -> Option<Error> {
    let (cred_r, key_r) = (hex(CRED_R), key(SK_R));
    let identity = Identity { id_cred: KID_R, cred: &cred_r, key: &key_r as _ };
    ReceivedMessage1::parse(message, BOTH, &[])
        .and_then(|received| {
            received.answer(&RustCrypto, &mut Drawn(hex(Y)), &identity, id(&[0x27]), &[], &mut [0; 64]).map(drop)
        })
        .err()
}

#[test]
fn invalid_messages_1() {
    let g_x = "58 20 74 1a 13 d7 ba 04 8f bb 61 5e 94 38 6a a3 b6 1b ea 5b 3d 8f 65 f3 26 20 b7 49 be e8 d2 78 ef a9";
    for (section, message, error) in [
        ("4.1.1", format!("84 03 02 {g_x} 0e"), Error::Malformed),
        ("4.1.2", format!("03 02 {g_x} 41 0e"), Error::Malformed),
        ("4.1.3", format!("03 81 02 {g_x} 0e"), Error::Malformed),
        (
            "4.1.4",
            "03 02 78 20 20 61 69 72 20 73 70 65 65 64 20 6F 66 20 61 20 75 6E 6C
             61 64 65 6E 20 73 77 61 6C 6C 6F 77 20 0e"
                .into(),
            Error::Malformed,
        ),
        ("4.2.1", format!("03 82 02 18 18 {g_x} 0e"), Error::WrongSuite),
        (
            "4.2.2",
            "03 02 58 20 ff ff ff ff 00 00 00 01 00 00 00 00 00 00 00 00 00 00 00
             00 ff ff ff ff ff ff ff ff ff ff ff ff 0e"
                .into(),
            Error::BadPoint,
        ),
        (
            "4.2.3",
            "03 02 58 20 a0 4e 73 60 1d f5 44 a7 0b a7 ea 1e 57 03 0f 7d 4b 4e b7
             f6 73 92 4e 58 d5 4c a7 7a 5e 7d 4d 4a 0e"
                .into(),
            Error::BadPoint,
        ),
        (
            "4.2.4",
            "03 00 58 20 ed ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff ff
             ff ff ff ff ff ff ff ff ff ff ff ff 7f 0e"
                .into(),
            Error::WrongSuite,
        ),
        (
            "4.2.6",
            "03 02 58 1f d9 69 77 25 d2 3a 68 8b 12 d1 c7 e0 10 8a 08 c9 f7 1a 85
             a0 9c 20 81 49 76 ab 21 12 22 48 fc 0e"
                .into(),
            Error::Malformed,
        ),
        ("4.3.1", format!("19 00 03 02 {g_x} 0e"), Error::Malformed),
        ("4.3.2", format!("03 9F 06 02 FF {g_x} 0e"), Error::Malformed),
        ("method 0", format!("00 02 {g_x} 0e"), Error::MethodNotSupported),
        ("method 2", format!("02 02 {g_x} 0e"), Error::MethodNotSupported),
        ("method -1", format!("20 02 {g_x} 0e"), Error::MethodNotSupported),
        ("our own C_R", format!("03 02 {MESSAGE_1_G_X} 27"), Error::SameConnectionIds),
        ("critical EAD", format!("03 02 {MESSAGE_1_G_X} 37 20"), Error::UnknownCriticalEad(-1)),
        ("not an EAD", format!("03 02 {MESSAGE_1_G_X} 37 40"), Error::Malformed),
    ] {
        assert_eq!(refusal(&hex(&message)), Some(error), "{section}");
    }
    assert_eq!(refusal(&hex(MESSAGE_1)), None);
}

#[test]
fn a_method_that_the_application_does_not_take() {
    let message = hex(MESSAGE_1);
    let refused = ReceivedMessage1::parse(&message, &[Method::SignatureStaticDh], &[]).err();
    assert_eq!(refused, Some(Error::MethodNotSupported));
}

#[test]
fn invalid_message_2() {
    let offer = Offer { method: Method::StaticDhStaticDh, prefer: &[6], c_i: id(&[0x37]), eads: &[] };
    // §4.1.5: two items.
    let mut message = hex("
        58 20 41 97 01 d7 f0 0a 26 c2 dc 58 7a 36 dd 75 25 49 f3 37 63 c8 93
        42 2c 8e a0 f9 55 a1 3a 4f f5 d5 4B 98 62 a1 1d e4 2a 95 d7 85 38 6a");
    let mut out = [0; 64];
    let (sent, _) = initiator::start(&RustCrypto, &mut Drawn(hex(X)), &offer, &mut out).unwrap();
    assert_eq!(sent.receive(&RustCrypto, &mut message, &[]).err(), Some(Error::Malformed));
}

const MESSAGE_1_G_X: &str = "58 20 8af6f430ebe18d34184017a9a11bf511c8dff8f834730b96c1b7c8dbca2fc3b6";
