//! EDHOC with an attacker who knows every key: nothing is encrypted, every MAC is zeros, and each message is the fuzzer's.
#![no_main]

use latchwork_cbor::{Reader, Writer};
use latchwork_crypto::{
    Agree, CryptoError, Ephemeral, P256Peer, P256Public, Random, RustCrypto, Secret, Sign, Symmetric, Verify,
};
use latchwork_edhoc::{
    ConnectionId, Credential, Ead, Eads, Error, ErrorMessage, IdCred, Identity, Method, Session,
    correlation::{Posted, split_combined},
    initiator::{self, Key, Offer},
    responder::ReceivedMessage1,
};
use libfuzzer_sys::fuzz_target;

/// Crypto that hides nothing and proves nothing.
struct Transparent;

impl Symmetric for Transparent {
    fn ccm_seal(&self, _: &[u8; 16], _: &[u8; 13], _: &[u8], _: &mut [u8], tag: &mut [u8]) -> Result<(), CryptoError> {
        tag.fill(0);
        Ok(())
    }

    fn ccm_open(&self, _: &[u8; 16], _: &[u8; 13], _: &[u8], _: &mut [u8], _: &[u8]) -> Result<(), CryptoError> {
        Ok(())
    }

    fn sha256(&self, _: &[&[u8]]) -> Result<[u8; 32], CryptoError> {
        Ok([0; 32])
    }

    fn hmac_sha256(&self, _: &[u8], _: &[&[u8]]) -> Result<[u8; 32], CryptoError> {
        Ok([0; 32])
    }
}

impl Verify for Transparent {
    fn es256(&self, _: &P256Public, _: &[&[u8]], _: &[u8; 64]) -> Result<(), CryptoError> {
        Ok(())
    }
}

impl Agree for Transparent {
    fn agree(&self, _: &P256Peer) -> Result<Secret<32>, CryptoError> {
        Ok(Secret::new([0; 32]))
    }
}

impl Sign for Transparent {
    fn sign_es256(&self, _: &[&[u8]]) -> Result<[u8; 64], CryptoError> {
        Ok([0; 64])
    }
}

impl Ephemeral for Transparent {
    type Key = Self;

    fn ephemeral(&self, _: &mut (impl Random + ?Sized)) -> Result<(Self, [u8; 32]), CryptoError> {
        Ok((Self, [0; 32]))
    }
}

/// Always the same number.
struct One;

impl Random for One {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        out.fill(1);
        Ok(())
    }
}

const BOTH: &[Method] = &[Method::SignatureStaticDh, Method::StaticDhStaticDh];
const KNOWN: &[u32] = &[24];
const CREDENTIAL: Credential<'_> =
    Credential { cred: &[0xa0], key: P256Peer::Point(P256Public { x: [0; 32], y: [0; 32] }), kid: None };

fuzz_target!(|data: &[u8]| {
    let Some((&first, rest)) = data.split_first() else { return };
    let method = BOTH[usize::from(first & 1)];
    match first >> 1 & 3 {
        0 => decoders(rest),
        1 => drop(against_an_initiator(method, rest)),
        2 => drop(against_a_responder(rest)),
        _ => drop(strangers(rest)),
    }
});

/// The fuzzer's next message: a length in two bytes, and as much of it as there is.
fn message(data: &mut &[u8]) -> Vec<u8> {
    let Some((length, rest)) = data.split_first_chunk() else { return Vec::new() };
    let (message, rest) = rest.split_at(usize::from(u16::from_be_bytes(*length)).min(rest.len()));
    *data = rest;
    message.to_vec()
}

/// What decodes has one encoding.
fn decoders(data: &[u8]) {
    let mut room = vec![0; data.len() + 16];
    if let Ok(error) = ErrorMessage::parse(data) {
        assert_eq!(error.write(&mut room), Ok(data));
    }
    if let Ok(credential) = Credential::ccs(data) {
        assert_eq!(credential.cred, data);
    }
    if let Ok(Posted::Next(c_r, message)) = Posted::parse(&mut data.to_vec()) {
        let mut cbor = Writer::new(&mut room);
        c_r.write(&mut cbor).expect("room");
        assert_eq!([cbor.written(), message].concat(), data);
    }
    if let Ok((message, ciphertext)) = split_combined(&mut data.to_vec()) {
        assert_eq!(message.len() + ciphertext.len(), data.len());
    }
}

fn against_an_initiator(method: Method, mut data: &[u8]) -> Result<(), Error> {
    let (mut out, c_i) = ([0; 4096], ConnectionId::new(&[7]).expect("short"));
    let offer = Offer { method, prefer: &[6], c_i, eads: &[] };
    let (sent, _) = initiator::start(&Transparent, &mut One, &offer, &mut out)?;
    let mut message_2 = message(&mut data);
    let received = sent.receive(&Transparent, &mut message_2, KNOWN)?;
    check(received.eads(), received.id_cred());
    let eads = received.eads();
    let verified = received.verify(&Transparent, &CREDENTIAL)?;
    assert_ne!(verified.c_r(), c_i);
    let key = if method == Method::StaticDhStaticDh { Key::Agree(&Transparent) } else { Key::Sign(&Transparent) };
    let identity = Identity { id_cred: IdCred::Kid(&[1]), cred: &[0xa0], key };
    // What came is sent back, of whatever length.
    let back: Vec<Ead<'_>> = eads.iter().collect();
    let (sent, _) = verified.answer(&Transparent, &identity, &back, &mut out)?;
    let mut message_4 = message(&mut data);
    let (session, eads) = sent.receive(&Transparent, &mut message_4, KNOWN)?;
    check(eads, IdCred::Kid(&[]));
    keys(session)
}

fn against_a_responder(mut data: &[u8]) -> Result<(), Error> {
    let (mut out, message_1) = ([0; 4096], message(&mut data));
    let received = ReceivedMessage1::parse(&message_1, BOTH, KNOWN)?;
    check(received.eads(), IdCred::Kid(&[]));
    let c_r = ConnectionId::new(if received.c_i().as_bytes() == [1] { &[2] } else { &[1] }).expect("short");
    let identity = Identity { id_cred: IdCred::Kid(&[1]), cred: &[0xa0], key: &Transparent as &dyn Agree };
    let back: Vec<Ead<'_>> = received.eads().iter().collect();
    let (sent, _) = received.answer(&Transparent, &mut One, &identity, c_r, &back, &mut out)?;
    let mut message_3 = message(&mut data);
    let received = sent.receive(&Transparent, &mut message_3, KNOWN)?;
    check(received.eads(), received.id_cred());
    let back: Vec<Ead<'_>> = received.eads().iter().collect();
    let verified = received.verify(&Transparent, &CREDENTIAL)?;
    let (session, _) = verified.answer(&Transparent, &back, &mut out)?;
    keys(session)
}

/// Real keys, and somebody who has none: nothing he sends gets past the proofs.
fn strangers(mut data: &[u8]) -> Result<(), Error> {
    let (mut out, message_1) = ([0; 4096], message(&mut data));
    let (key, _) = RustCrypto.ephemeral(&mut One)?;
    let identity = Identity { id_cred: IdCred::Kid(&[1]), cred: &[0xa0], key: &key as &dyn Agree };
    let received = ReceivedMessage1::parse(&message_1, BOTH, KNOWN)?;
    let c_r = ConnectionId::new(if received.c_i().as_bytes() == [1] { &[2] } else { &[1] }).expect("short");
    let (sent, _) = received.answer(&RustCrypto, &mut One, &identity, c_r, &[], &mut out)?;
    assert!(sent.receive(&RustCrypto, &mut message(&mut data), KNOWN).is_err(), "forged");
    Ok(())
}

fn check(eads: Eads<'_>, id_cred: IdCred<'_>) {
    for ead in eads.iter() {
        assert!(ead.label != 0 && (!ead.critical || KNOWN.contains(&ead.label)));
    }
    if let IdCred::Kccs(map) | IdCred::Other(map) = id_cred {
        Reader::new(map).map().expect("a map");
    }
}

fn keys(session: Session) -> Result<(), Error> {
    assert_ne!(session.own_id(), session.peer_id());
    session.update(&Transparent, &[1])?.oscore(&Transparent).map(drop)
}
