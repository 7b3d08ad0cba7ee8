//! Peripherals of the firmware do the cryptography of a lock in C, and may fail.
#![allow(unsafe_code, reason = "the functions are C's")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand;
#[path = "../../tests/support/mod.rs"]
mod support;

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use core::ffi::c_void;
use latchwork::*;
use latchwork_coap::Code;
use latchwork_crypto::{Agree, CryptoError, P256Peer, P256Private, P256Public, Secret};
use p256::ecdsa::{Signature, VerifyingKey, signature::hazmat::PrehashVerifier};
use stand::visit::*;
use stand::*;
use support::mint::*;
use support::visitor::*;

const AES: usize = 0;
const VERIFY: usize = 1;
const GENERATE: usize = 2;
const AGREE: usize = 3;

/// Counts a call; how it is to fail, if it is.
unsafe fn called(context: *mut c_void, function: usize) -> Option<Broken> {
    let bench = unsafe { bench(context) };
    bench.calls[function] += 1;
    bench.broken.filter(|(broken, _)| *broken == function).map(|(_, how)| how)
}

unsafe fn take<const N: usize>(bytes: *const u8) -> [u8; N] {
    unsafe { *bytes.cast() }
}

unsafe extern "C" fn aes128(context: *mut c_void, key: *const u8, block: *mut u8) -> bool {
    match unsafe { called(context, AES) } {
        Some(how) => how == Broken::WritesNothing,
        None => {
            let mut out = unsafe { take::<16>(block) };
            aes::Aes128::new(&unsafe { take::<16>(key) }.into()).encrypt_block((&mut out).into());
            unsafe { block.cast::<[u8; 16]>().write(out) };
            true
        }
    }
}

unsafe extern "C" fn verify(
    context: *mut c_void,
    public_key: *const u8,
    digest: *const u8,
    signature: *const u8,
) -> i32 {
    if unsafe { called(context, VERIFY) }.is_some() {
        return -1;
    }
    let point = [&[4][..], &unsafe { take::<64>(public_key) }].concat();
    let (digest, signature) = unsafe { (take::<32>(digest), take::<64>(signature)) };
    let (Ok(key), Ok(signature)) = (VerifyingKey::from_sec1_bytes(&point), Signature::from_slice(&signature)) else {
        return 0;
    };
    key.verify_prehash(&digest, &signature).is_ok().into()
}

unsafe extern "C" fn generate(context: *mut c_void, private_key: *mut u8, public_x: *mut u8) -> bool {
    if unsafe { called(context, GENERATE) }.is_some() {
        return false;
    }
    let drawn = unsafe { bench(context) }.calls[GENERATE] as u8;
    let key = P256Private::new(Secret::new([drawn; 32])).unwrap();
    unsafe {
        private_key.cast::<[u8; 32]>().write(*key.expose());
        public_x.cast::<[u8; 32]>().write(key.public().unwrap().x);
    }
    true
}

unsafe extern "C" fn agree(
    context: *mut c_void,
    private_key: *const u8,
    peer_x: *const u8,
    peer_y: *const u8,
    shared_x: *mut u8,
) -> i32 {
    match unsafe { called(context, AGREE) } {
        Some(Broken::Fails) => return -1,
        Some(Broken::WritesNothing) => return 1,
        None => {}
    }
    // The lock's own never leaves the hardware.
    let private = if private_key.is_null() { [9; 32] } else { unsafe { take(private_key) } };
    let x = unsafe { take(peer_x) };
    let peer = match peer_y.is_null() {
        true => P256Peer::X(x),
        false => P256Peer::Point(P256Public { x, y: unsafe { take(peer_y) } }),
    };
    match P256Private::new(Secret::new(private)).unwrap().agree(&peer) {
        Ok(shared) => {
            unsafe { shared_x.cast::<[u8; 32]>().write(*shared.expose()) };
            1
        }
        Err(CryptoError::BadKey) => 0,
        Err(_) => -1,
    }
}

static ALL: Hardware = Hardware {
    aes128: Some(aes128),
    p256_verify: Some(verify),
    p256_generate: Some(generate),
    p256_agree: Some(agree),
};

/// A lock whose key is in its hardware.
fn lock(broken: Option<(usize, Broken)>) -> Stand {
    start(Bench { broken, ..bench_of(Some(NOW)) }, |config, board| {
        own_key(config, &lock_ccs(), b"");
        board.hardware = &raw const ALL;
    })
    .unwrap()
}

fn calls(stand: &Stand) -> [usize; 4] {
    unsafe { &*stand.bench }.calls
}

#[test]
fn everything_is_done_by_hardware() {
    let mut stand = lock(None);
    let mut phone = stand.enter(&encrypted(&token()));
    assert_eq!(stand.ask(&mut phone, Code::POST, "/door").2, EventKind::Served);
    let [aes, rest @ ..] = calls(&stand);
    assert!(aes > 20, "{aes} blocks");
    assert_eq!(rest, [0; 3]);
    for (method, verified, agreed) in [(BOTH[0], 2, 2), (BOTH[1], 1, 3)] {
        let (mut stand, mut ada) = (lock(None), Visitor { method, ..Visitor::new(1) });
        let token = ada.token();
        let (code, _, event) = stand.burst_in(&mut ada, &[with(&token)], &door());
        assert_eq!((code, event.kind), (Code::CHANGED, EventKind::Served));
        // Of the token, and in method 1 of the visitor; three agreements in method 3, one less in method 1.
        assert_eq!(calls(&stand)[1..], [verified, 1, agreed], "{method:?}");
    }
}

/// The library's own software does what the hardware does not; a key may be with the library then.
#[test]
fn a_half_of_the_work() {
    static HALF: Hardware = Hardware { aes128: Some(aes128), p256_verify: None, p256_generate: None, p256_agree: None };
    let mut stand = start(bench_of(Some(NOW)), |config, board| {
        with_own_key(config, board);
        board.hardware = &raw const HALF;
    })
    .unwrap();
    let mut ada = Visitor::new(1);
    let token = ada.token();
    assert_eq!(stand.burst_in(&mut ada, &[with(&token)], &door()).0, Code::CHANGED);
    assert!(calls(&stand)[AES] > 20);
    assert_eq!(calls(&stand)[1..], [0; 3]);
}

/// Whatever a peripheral does instead of its work, nobody gets in, and the lock works again as soon as it does.
#[test]
fn hardware_that_fails() {
    for broken in [
        (AES, Broken::Fails),
        (AES, Broken::WritesNothing),
        (VERIFY, Broken::Fails),
        (GENERATE, Broken::Fails),
        (AGREE, Broken::Fails),
        (AGREE, Broken::WritesNothing),
    ] {
        let (mut stand, mut ada) = (lock(Some(broken)), Visitor::new(1));
        if broken.0 == AES {
            assert_ne!(stand.upload(&encrypted(&token())).0, Code::CREATED, "{broken:?}");
        }
        let (sent, message) = ada.message_1(&[]);
        let (came, event) = stand.say(&message);
        if matches!(broken.0, GENERATE | AGREE) {
            assert_eq!(event.kind, EventKind::HandshakeFailed, "{broken:?}");
            assert_eq!(came.code(), Code::INTERNAL_SERVER_ERROR, "{broken:?}");
        } else {
            let greeted = ada.verify(sent, &came);
            let c_r = greeted.c_r();
            let (message_3, _) = ada.message_3(greeted, &[with(&ada.token())]);
            let (came, event) = stand.say_third(&c_r, &message_3);
            assert!(matches!(event.kind, EventKind::HandshakeFailed | EventKind::Refused), "{broken:?}: {event:?}");
            assert_ne!(came.code(), Code::CHANGED, "{broken:?}");
        }
        assert_eq!(stand.served(), 0, "{broken:?}");
        unsafe { &mut *stand.bench }.broken = None;
        let token = ada.token();
        assert_eq!(stand.burst_in(&mut ada, &[with(&token)], &door()).0, Code::CHANGED, "{broken:?}");
    }
}

/// A peer off the curve is refused, with the code of a bad message.
#[test]
fn a_bad_point_is_not_a_failure() {
    let mut stand = lock(None);
    let off_curve = [&[0xf5, 1, 2, 0x58, 0x20][..], &[0; 31], &[1, 1]].concat();
    let (came, event) = stand.say(&off_curve);
    assert_eq!((came.code(), event.kind), (Code::BAD_REQUEST, EventKind::HandshakeFailed));
    assert_eq!(calls(&stand)[1..], [0, 1, 1], "it was the hardware that refused it");
}

#[test]
fn half_of_a_pair_does_not_start() {
    for (what, hardware) in
        [("no generate", Hardware { p256_generate: None, ..ALL }), ("no agree", Hardware { p256_agree: None, ..ALL })]
    {
        let started = start(bench_of(Some(NOW)), |_, board| board.hardware = Box::leak(Box::new(hardware)));
        assert_eq!(started.err(), Some(Status::BadBoard), "{what}");
    }
    let started = start(bench_of(Some(NOW)), |_, board| board.hardware = (&raw const ALL).wrapping_byte_add(1));
    assert_eq!(started.err(), Some(Status::BadBoard), "misaligned");
}
