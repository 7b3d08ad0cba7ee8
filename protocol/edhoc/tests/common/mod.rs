//! The two parties of RFC 9529 §3, and handshakes between them.
#![allow(dead_code)]

use latchwork_crypto::{CryptoError, P256Private, Random, RustCrypto, Secret, Sign};
use latchwork_edhoc::{
    ConnectionId, Credential, Ead, Error, IdCred, Identity, Method, Session,
    initiator::{self, Key, Offer},
    responder::ReceivedMessage1,
};

pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    assert_eq!(digits.len() % 2, 0, "{digits}");
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

pub(crate) fn key(scalar: &str) -> P256Private {
    P256Private::new(Secret::new(hex(scalar).try_into().unwrap())).unwrap()
}

pub(crate) fn id(bytes: &[u8]) -> ConnectionId {
    ConnectionId::new(bytes).unwrap()
}

/// Gives one number, as if it were drawn.
pub(crate) struct Drawn(pub(crate) Vec<u8>);

impl Random for Drawn {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), CryptoError> {
        out.copy_from_slice(&self.0);
        Ok(())
    }
}

pub(crate) const X: &str = "368ec1f69aeb659ba37d5a8d45b21bdc0299dceaa8ef235f3ca42ce3530f9525";
pub(crate) const Y: &str = "e2f4126777205e853b437d6eaca1e1f753cdcc3e2c69fa884b0a1a640977e418";
pub(crate) const SK_I: &str = "fb13adeb6518cee5f88417660841142e830a81fe334380a953406a1305e8706b";
pub(crate) const SK_R: &str = "72cc4761dbd4c78f758931aa589d348d1ef874a7e303ede2f140dcf3e6aa4aac";
pub(crate) const CRED_I: &str = "
    a2 02 77 34 32 2d 35 30 2d 33 31 2d 46 46 2d 45 46 2d 33 37 2d 33 32 2d 33 39 08 a1
    01 a5 01 02 02 41 2b 20 01 21 58 20 ac 75 e9 ec e3 e5 0b fc 8e d6 03
    99 88 95 22 40 5c 47 bf 16 df 96 66 0a 41 29 8c b4 30 7f 7e b6 22 58
    20 6e 5d e6 11 38 8a 4b 8a 82 11 33 4a c7 d3 7e cb 52 a3 87 d2 57 e6
    db 3c 2a 93 df 21 ff 3a ff c8";
pub(crate) const CRED_R: &str = "
    a2 02 6b 65 78 61 6d 70 6c 65 2e 65 64 75 08 a1 01 a5 01 02 02 41 32
    20 01 21 58 20 bb c3 49 60 52 6e a4 d3 2e 94 0c ad 2a 23 41 48 dd c2
    17 91 a1 2a fb cb ac 93 62 20 46 dd 44 f0 22 58 20 45 19 e2 57 23 6b
    2a 0c e2 02 3f 09 31 f1 f3 86 ca 7a fd a6 4f cd e0 10 8c 22 4c 51 ea
    bf 60 72";

pub(crate) const KID_I: IdCred<'static> = IdCred::Kid(&[0x2b]);
pub(crate) const KID_R: IdCred<'static> = IdCred::Kid(&[0x32]);
pub(crate) const BOTH: &[Method] = &[Method::SignatureStaticDh, Method::StaticDhStaticDh];

/// What goes over the wire, changed on the way.
pub(crate) type OnTheWay<'w> = &'w mut dyn FnMut(usize, &mut Vec<u8>);

/// One handshake and how it may differ from the trace.
pub(crate) struct Handshake<'h> {
    pub(crate) method: Method,
    pub(crate) id_cred_i: IdCred<'h>,
    pub(crate) id_cred_r: IdCred<'h>,
    /// What each side believes to be the other's credential.
    pub(crate) cred_i_at_r: Vec<u8>,
    pub(crate) cred_r_at_i: Vec<u8>,
    /// EAD_1 to EAD_4.
    pub(crate) eads: [&'h [Ead<'h>]; 4],
    /// The labels that both know.
    pub(crate) known: &'h [u32],
    pub(crate) c_i: ConnectionId,
    pub(crate) c_r: ConnectionId,
    /// Whether the initiator's key is asked before message_3 is written.
    pub(crate) signs_before: bool,
}

impl Default for Handshake<'_> {
    fn default() -> Self {
        Self {
            method: Method::StaticDhStaticDh,
            id_cred_i: KID_I,
            id_cred_r: KID_R,
            cred_i_at_r: hex(CRED_I),
            cred_r_at_i: hex(CRED_R),
            eads: [&[]; 4],
            known: &[],
            c_i: id(&[0x37]),
            c_r: id(&[0x27]),
            signs_before: false,
        }
    }
}

/// At which message it ended, and why.
pub(crate) type Ended = (usize, Error);

impl Handshake<'_> {
    /// Runs it to message_4. The number that `on_the_way` gets is that of the message.
    pub(crate) fn run(&self, on_the_way: OnTheWay<'_>) -> Result<[Session; 2], Ended> {
        let c = &RustCrypto;
        let (key_i, key_r) = (key(SK_I), key(SK_R));
        let (cred_i, cred_r) = (hex(CRED_I), hex(CRED_R));
        let at = |number: usize| move |error| (number, error);
        let mut buffer = vec![0; 20_000];

        let offer = Offer { method: self.method, prefer: &[6], c_i: self.c_i, eads: self.eads[0] };
        let (sent_1, message) = initiator::start(c, &mut Drawn(hex(X)), &offer, &mut buffer).map_err(at(1))?;
        let mut message = message.to_vec();
        on_the_way(1, &mut message);

        let received = ReceivedMessage1::parse(&message, BOTH, self.known).map_err(at(1))?;
        assert_eq!(received.eads().iter().collect::<Vec<_>>(), shown(self.eads[0]));
        let identity = Identity { id_cred: self.id_cred_r, cred: &cred_r, key: &key_r as _ };
        let (sent_2, message) =
            received.answer(c, &mut Drawn(hex(Y)), &identity, self.c_r, self.eads[1], &mut buffer).map_err(at(1))?;
        let mut message = message.to_vec();
        on_the_way(2, &mut message);

        let received = sent_1.receive(c, &mut message, self.known).map_err(at(2))?;
        assert_eq!(received.eads().iter().collect::<Vec<_>>(), shown(self.eads[1]));
        let credential = Credential::ccs(&self.cred_r_at_i).unwrap();
        let verified = received.verify(c, &credential).map_err(at(2))?;
        let signature = if self.signs_before {
            let to_sign = verified.to_sign(c, (self.id_cred_i, &cred_i), self.eads[2], &mut buffer).map_err(at(3))?;
            key_i.sign_es256(&[to_sign]).unwrap()
        } else {
            [0; 64]
        };
        let key = match self.method {
            Method::SignatureStaticDh if self.signs_before => Key::Signed(&signature),
            Method::SignatureStaticDh => Key::Sign(&key_i),
            Method::StaticDhStaticDh => Key::Agree(&key_i),
        };
        let identity = Identity { id_cred: self.id_cred_i, cred: &cred_i, key };
        let (sent_3, message) = verified.answer(c, &identity, self.eads[2], &mut buffer).map_err(at(3))?;
        let mut message = message.to_vec();
        on_the_way(3, &mut message);

        let received = sent_2.receive(c, &mut message, self.known).map_err(at(3))?;
        assert_eq!(received.eads().iter().collect::<Vec<_>>(), shown(self.eads[2]));
        assert_eq!(received.id_cred(), self.id_cred_i);
        let credential = Credential::ccs(&self.cred_i_at_r).unwrap();
        let verified = received.verify(c, &credential).map_err(at(3))?;
        let (session_r, message) = verified.answer(c, self.eads[3], &mut buffer).map_err(at(4))?;
        let mut message = message.to_vec();
        on_the_way(4, &mut message);

        let (session_i, eads) = sent_3.receive(c, &mut message, self.known).map_err(at(4))?;
        assert_eq!(eads.iter().collect::<Vec<_>>(), shown(self.eads[3]));
        Ok([session_i, session_r])
    }

    /// Runs it undisturbed, and checks that both ends have the same keys.
    pub(crate) fn succeeds(&self) {
        let [i, r] = self.run(&mut |_, _| ()).unwrap();
        let [i, r] = [i, r].map(|session| session.oscore(&RustCrypto).unwrap());
        assert_eq!(i.master_secret.expose(), r.master_secret.expose());
        assert_eq!(i.master_salt.expose(), r.master_salt.expose());
        assert_eq!((i.sender_id, i.recipient_id), (r.recipient_id, r.sender_id));
    }
}

/// What the other end sees of them.
fn shown<'e>(eads: &[Ead<'e>]) -> Vec<Ead<'e>> {
    eads.iter().copied().filter(|ead| ead.label != 0).collect()
}
