//! Handshakes with lakers 0.8 by method 3, which is all that it speaks, in both roles: credentials by reference and by value, an item
//! in every EAD, message_4, the exporter; and what neither side takes. `protocol/edhoc/tests/peers.rs` has its elder, behind Python.

#[path = "../../../protocol/edhoc/tests/common/mod.rs"]
mod common;

use common::{BOTH, CRED_I, CRED_R, KID_I, KID_R, SK_I, SK_R, hex, id, key};
use lakers::{EdhocInitiator, EdhocInitiatorDone, EdhocResponder, EdhocResponderDone, credential_check_or_fetch};
use lakers_crypto_rustcrypto::Crypto;
use lakers_shared::{ConnId, CredentialTransfer, EADItem, EDHOCMethod, EDHOCSuite, EdhocMessageBuffer};
use latchwork_crypto::{CryptoError, Random, RustCrypto};
use latchwork_edhoc::initiator::{self, Key, Offer};
use latchwork_edhoc::responder::ReceivedMessage1;
use latchwork_edhoc::{Credential, Ead, IdCred, Identity, Method, Session};
use rand_core::{OsRng, RngCore as _};

struct System;

impl Random for System {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        OsRng.try_fill_bytes(out).map_err(|_| CryptoError::Backend)
    }
}

type Theirs = Crypto<OsRng>;

fn theirs() -> Theirs {
    Crypto::new(OsRng)
}

fn secret(scalar: &str) -> [u8; 32] {
    hex(scalar).try_into().unwrap()
}

fn credential(ccs: &str) -> lakers_shared::Credential {
    lakers_shared::Credential::parse_ccs(&hex(ccs)).unwrap()
}

fn buffer(message: &[u8]) -> EdhocMessageBuffer {
    EdhocMessageBuffer::new_from_slice(message).unwrap()
}

/// An item of theirs: its value is what stands behind the label, the head of its string included.
fn item(value: &[u8]) -> Option<EADItem> {
    let length = value.len();
    let head = match length {
        0..24 => vec![0x40 + length as u8],
        24..256 => vec![0x58, length as u8],
        _ => [&[0x59][..], &(length as u16).to_be_bytes()].concat(),
    };
    Some(EADItem {
        label: LABEL.try_into().unwrap(),
        is_critical: false,
        value: Some(buffer(&[head, value.to_vec()].concat())),
    })
}

/// What came to them is what we said.
fn assert_heard(ead: Option<EADItem>, said: &Option<EADItem>) {
    let show = |ead: &EADItem| (ead.label, ead.is_critical, ead.value.map(|value| value.as_slice().to_vec()));
    assert_eq!(ead.as_ref().map(show), said.as_ref().map(show));
}

const LABEL: u32 = 7;

/// How a handshake goes.
struct Talk {
    by_value: bool,
    /// What stands in EAD_1, EAD_2 and EAD_3.
    eads: [Option<usize>; 3],
    /// Theirs is another's key.
    wrong_key: bool,
    /// Which message gets its last bit turned on the way.
    turned: usize,
}

const PLAIN: Talk = Talk { by_value: false, eads: [None; 3], wrong_key: false, turned: 0 };

/// The number of the message at which it ended.
type Ended = usize;

impl Talk {
    fn values(&self) -> [Option<Vec<u8>>; 3] {
        self.eads.map(|length| length.map(|length| vec![0x5a; length]))
    }

    fn on_the_way(&self, number: usize, message: &[u8]) -> Vec<u8> {
        let mut message = message.to_vec();
        if number == self.turned {
            *message.last_mut().unwrap() ^= 1;
        }
        message
    }

    fn transfer(&self) -> CredentialTransfer {
        if self.by_value { CredentialTransfer::ByValue } else { CredentialTransfer::ByReference }
    }

    fn with_a_responder(&self) -> Result<(Session, EdhocResponderDone<Theirs>), Ended> {
        let (c, mut out) = (&RustCrypto, [0; 2000]);
        let values = self.values();
        let own = values.each_ref().map(|value| value.iter().map(|value| Ead::new(LABEL, value)).collect::<Vec<_>>());
        let said = values.each_ref().map(|value| value.as_ref().and_then(|value| item(value)));
        let (cred_i, cred_r, private) = (hex(CRED_I), hex(CRED_R), key(SK_I));

        let offer = Offer { method: Method::StaticDhStaticDh, prefer: &[], c_i: id(&[0x37]), eads: &own[0] };
        let (sent, message) = initiator::start(c, &mut System, &offer, &mut out).unwrap();
        let message = buffer(&self.on_the_way(1, message));
        let scalar = secret(if self.wrong_key { SK_I } else { SK_R });
        let responder = EdhocResponder::new(theirs(), EDHOCMethod::StatStat, scalar, credential(CRED_R));
        let (responder, c_i, ead) = responder.process_message_1(&message).map_err(|_| 1usize)?;
        assert_eq!(c_i.as_slice(), [0x37]);
        assert_heard(ead, &said[0]);

        let c_r = ConnId::from_slice(&[0x27]);
        let (responder, message) = responder.prepare_message_2(self.transfer(), c_r, &said[1]).unwrap();
        let mut message = self.on_the_way(2, message.as_slice());
        let received = sent.receive(c, &mut message, &[]).map_err(|_| 2usize)?;
        assert_eq!(received.id_cred(), if self.by_value { IdCred::Kccs(&cred_r) } else { KID_R });
        assert_eq!(received.eads().iter().collect::<Vec<_>>(), own[1]);
        let verified = received.verify(c, &Credential::ccs(&cred_r).unwrap()).map_err(|_| 2usize)?;

        let id_cred = if self.by_value { IdCred::Kccs(&cred_i) } else { KID_I };
        let identity = Identity { id_cred, cred: &cred_i, key: Key::Agree(&private) };
        let (sent, message) = verified.answer(c, &identity, &own[2], &mut out).unwrap();
        let message = buffer(&self.on_the_way(3, message));
        let (responder, id_cred, ead) = responder.parse_message_3(&message).map_err(|_| 3usize)?;
        assert_heard(ead, &said[2]);
        // A credential by value is compared with the one that is expected.
        let shown = credential_check_or_fetch(Some(credential(CRED_I)), id_cred).unwrap();
        let (responder, _) = responder.verify_message_3(shown).map_err(|_| 3usize)?;

        let (done, message) = responder.prepare_message_4(&None).unwrap();
        let mut message = self.on_the_way(4, message.as_slice());
        let (session, _) = sent.receive(c, &mut message, &[]).map_err(|_| 4usize)?;
        Ok((session, done))
    }

    fn with_an_initiator(&self) -> Result<(Session, EdhocInitiatorDone<Theirs>), Ended> {
        let (c, mut out) = (&RustCrypto, [0; 2000]);
        let values = self.values();
        let own = values.each_ref().map(|value| value.iter().map(|value| Ead::new(LABEL, value)).collect::<Vec<_>>());
        let said = values.each_ref().map(|value| value.as_ref().and_then(|value| item(value)));
        let (cred_i, cred_r, private) = (hex(CRED_I), hex(CRED_R), key(SK_R));

        let initiator = EdhocInitiator::new(theirs(), EDHOCMethod::StatStat, EDHOCSuite::CipherSuite2);
        let (initiator, message) = initiator.prepare_message_1(ConnId::from_slice(&[0x37]), &said[0]).unwrap();
        let message = self.on_the_way(1, message.as_slice());
        let received = ReceivedMessage1::parse(&message, BOTH, &[]).map_err(|_| 1usize)?;
        assert_eq!((received.method(), received.c_i()), (Method::StaticDhStaticDh, id(&[0x37])));
        assert_eq!(received.eads().iter().collect::<Vec<_>>(), own[0]);

        let id_cred = if self.by_value { IdCred::Kccs(&cred_r) } else { KID_R };
        let identity = Identity { id_cred, cred: &cred_r, key: &private as _ };
        let (sent, message) =
            received.answer(c, &mut System, &identity, id(&[0x27]), &own[1], &mut out).map_err(|_| 1usize)?;
        let message = buffer(&self.on_the_way(2, message));
        let (mut initiator, c_r, id_cred, ead) = initiator.parse_message_2(&message).map_err(|_| 2usize)?;
        assert_eq!(c_r.as_slice(), [0x27]);
        assert_heard(ead, &said[1]);
        initiator.set_identity(secret(if self.wrong_key { SK_R } else { SK_I }), credential(CRED_I)).unwrap();
        let shown = credential_check_or_fetch(Some(credential(CRED_R)), id_cred).unwrap();
        let initiator = initiator.verify_message_2(shown).map_err(|_| 2usize)?;

        let (initiator, message, _) = initiator.prepare_message_3(self.transfer(), &said[2]).unwrap();
        let mut message = self.on_the_way(3, message.as_slice());
        let received = sent.receive(c, &mut message, &[]).map_err(|_| 3usize)?;
        assert_eq!(received.id_cred(), if self.by_value { IdCred::Kccs(&cred_i) } else { KID_I });
        assert_eq!(received.eads().iter().collect::<Vec<_>>(), own[2]);
        let verified = received.verify(c, &Credential::ccs(&cred_i).unwrap()).map_err(|_| 3usize)?;

        let (session, message) = verified.answer(c, &[], &mut out).unwrap();
        let message = buffer(&self.on_the_way(4, message));
        let (done, ead) = initiator.process_message_4(&message).map_err(|_| 4usize)?;
        assert_heard(ead, &None);
        Ok((session, done))
    }
}

/// Both derive the same: the keys of OSCORE (RFC 9528 appendix A.1), and whatever else is asked for.
fn assert_same(session: &Session, mut export: impl FnMut(u8, &[u8], usize) -> Vec<u8>) {
    let keys = session.oscore(&RustCrypto).unwrap();
    assert_eq!(export(0, &[], 16), keys.master_secret.expose());
    assert_eq!(export(1, &[], 8), keys.master_salt.expose());
    let mut exported = [0; 40];
    session.export(&RustCrypto, 23, &[1, 2], &mut exported).unwrap();
    assert_eq!(export(23, &[1, 2], 40), exported);
}

/// The contexts of lakers have one byte of length (`encode_info`), and what is derived from more is wrong: 60 bytes beside a credential
/// by reference, none beside one by value.
#[test]
fn both_ways() {
    for (by_value, eads) in [
        (false, [None; 3]),
        (false, [Some(0); 3]),
        (false, [Some(24), None, Some(60)]),
        (false, [Some(256), Some(60), Some(60)]),
        (true, [None; 3]),
        (true, [Some(60), None, None]),
    ] {
        println!("by value: {by_value}, items of {eads:?}");
        let talk = Talk { by_value, eads, ..PLAIN };
        let (session, mut done) = talk.with_a_responder().unwrap();
        assert_same(&session, |label, context, length| done.edhoc_exporter(label, context, length)[..length].to_vec());
        let (session, mut done) = talk.with_an_initiator().unwrap();
        assert_same(&session, |label, context, length| done.edhoc_exporter(label, context, length)[..length].to_vec());
    }
}

/// A bit that is turned, or a key that is another's: who hears of it first stops.
#[test]
fn what_neither_takes() {
    for (talk, ended) in
        [(Talk { turned: 2, ..PLAIN }, 2), (Talk { turned: 3, ..PLAIN }, 3), (Talk { turned: 4, ..PLAIN }, 4)]
    {
        assert_eq!(talk.with_a_responder().err(), Some(ended));
        assert_eq!(talk.with_an_initiator().err(), Some(ended));
    }
    let thief = Talk { wrong_key: true, ..PLAIN };
    assert_eq!(thief.with_a_responder().err(), Some(2));
    assert_eq!(thief.with_an_initiator().err(), Some(3));
}
