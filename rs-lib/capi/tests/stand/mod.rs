//! A lock as C would have it: a board of functions, a config of pointers, and memory.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use crate::support::mint::*;
use crate::support::{self, Phone, Response as Came, request, upload_payload};
use core::ffi::c_void;
use latchwork::*;
use latchwork_coap::Code;
use latchwork_rs_lib::Event as Happened;
use std::ptr::{null, null_mut};

pub mod visit;

pub const SECRET: &[u8] = b"sixteen secrets!";

/// What the functions of the board work on.
pub struct Bench {
    pub date: Option<i64>,
    pub uptime: u64,
    pub drawn: u64,
    pub has_random: bool,
    pub flash: Vec<([u8; 8], u64)>,
    pub served: Vec<(u8, usize, Vec<u8>)>,
    /// Calls back into the lock from within `serve`, and what came of it.
    pub nested: Option<(*mut Lock, Option<Status>)>,
    /// How often each function of the hardware was called, and one of them that does not work.
    pub calls: [usize; 4],
    pub broken: Option<(usize, Broken)>,
    /// What its server says of tokens, and what it was asked.
    pub answers: Vec<(Vec<u8>, Said)>,
    pub asked: Vec<Vec<u8>>,
}

/// What the function returns, the issuer, and the payload.
pub type Said = (i32, usize, Vec<u8>);

/// How a peripheral fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// It says so.
    Fails,
    /// It does not say so, and has written nothing.
    WritesNothing,
}

/// SAFETY of all below: `context` is the bench of the test, which has no reference to it while a lock is called.
pub unsafe fn bench<'b>(context: *mut c_void) -> &'b mut Bench {
    unsafe { &mut *context.cast() }
}

unsafe extern "C" fn random(context: *mut c_void, out: *mut u8, len: usize) -> bool {
    let bench = unsafe { bench(context) };
    bench.drawn += 1;
    for at in 0..len {
        unsafe { out.add(at).write((bench.drawn >> (8 * (len - 1 - at).min(7))) as u8) };
    }
    bench.has_random
}

unsafe extern "C" fn uptime(context: *mut c_void) -> u64 {
    unsafe { bench(context) }.uptime
}

unsafe extern "C" fn clock(context: *mut c_void, earliest: *mut i64, latest: *mut i64) -> bool {
    let date = unsafe { bench(context) }.date;
    unsafe {
        earliest.write(date.unwrap_or_default());
        latest.write(date.unwrap_or_default());
    }
    date.is_some()
}

unsafe extern "C" fn read(context: *mut c_void, series: *const u8, number: *mut u64) -> i32 {
    let series = unsafe { *series.cast::<[u8; 8]>() };
    match unsafe { bench(context) }.flash.iter().find(|(name, _)| *name == series) {
        Some((_, found)) => {
            unsafe { number.write(*found) };
            1
        }
        None => 0,
    }
}

unsafe extern "C" fn write(context: *mut c_void, series: *const u8, number: u64) -> bool {
    let series = unsafe { *series.cast::<[u8; 8]>() };
    let flash = &mut unsafe { bench(context) }.flash;
    flash.retain(|(name, _)| *name != series);
    flash.push((series, number));
    true
}

unsafe extern "C" fn serve(context: *mut c_void, request: *const Request, response: *mut Response) {
    let bench = unsafe { bench(context) };
    let (request, response) = unsafe { (&*request, &mut *response) };
    let mut value = Bytes { data: null(), len: 0 };
    assert!(unsafe { latchwork_request_option(request, 11, 0, &raw mut value) });
    let segment = unsafe { std::slice::from_raw_parts(value.data, value.len) }.to_vec();
    assert!(!unsafe { latchwork_request_option(request, 11, 9, null_mut()) });
    bench.served.push((request.method, request.path, segment));
    if let Some((lock, came)) = &mut bench.nested {
        *came = Some(unsafe { latchwork_tick(*lock) });
    }
    response.code = 0x44;
    response.format = 0;
    unsafe { response.payload.write(b'!') };
    response.payload_len = 1;
}

pub fn bytes_of(text: &[u8]) -> Bytes {
    Bytes { data: text.as_ptr(), len: text.len() }
}

/// A lock, its memory, and all that it points to.
pub struct Stand {
    pub lock: *mut Lock,
    pub bench: *mut Bench,
    _memory: Vec<u128>,
}

/// How a config or a board may be wrong.
pub type Change = fn(&mut Config, &mut Board);

pub fn start(bench: Bench, change: impl FnOnce(&mut Config, &mut Board)) -> Result<Stand, Status> {
    let door = b"\x81\x82\x65/door\x02";
    let leak = |bytes: &[u8]| bytes_of(bytes.to_vec().leak());
    let keys = vec![
        Key { kind: KeyKind::AesCcm as u8, retired: false, kid: leak(KID), key: leak(&KEY) },
        Key { kind: KeyKind::AesCcm as u8, retired: true, kid: leak(b"front-0"), key: leak(&[2; 16]) },
        Key { kind: KeyKind::Es256 as u8, retired: false, kid: leak(b"sign-1"), key: leak(&signing_key()) },
    ]
    .leak();
    let issuers = vec![Issuer {
        name: leak(ISSUER.as_bytes()),
        token_uri: leak(b"https://as.example/token"),
        keys: keys.as_ptr(),
        keys_len: keys.len(),
        ceiling: Bytes { data: null(), len: 0 },
    }]
    .leak();
    let scopes = vec![Scope { name: leak(b"door:open"), grants: leak(door) }].leak();
    let paths = vec![leak(b"/light"), leak(b"/door")].leak();
    let mut config = Config {
        audience: leak(LOCK.as_bytes()),
        groups: null(),
        groups_len: 0,
        issuers: issuers.as_ptr(),
        issuers_len: 1,
        scopes: scopes.as_ptr(),
        scopes_len: 1,
        paths: paths.as_ptr(),
        paths_len: 2,
        nonce_fresh: 0,
        nonce_rights: 0,
        own_key: null(),
    };
    let bench = Box::into_raw(Box::new(bench));
    let mut board = Board {
        context: bench.cast(),
        random: Some(random),
        uptime: Some(uptime),
        clock: Some(clock),
        flash_read: Some(read),
        flash_write: Some(write),
        serve: Some(serve),
        introspect: None,
        hardware: null(),
    };
    change(&mut config, &mut board);
    let config = Box::leak(Box::new(config));
    let mut memory = vec![0u128; LATCHWORK_SIZE / 16];
    let mut lock = null_mut();
    let at = memory.as_mut_ptr().cast();
    match unsafe { latchwork_start(at, LATCHWORK_SIZE, config, &raw const board, &raw mut lock) } {
        Status::Ok => Ok(Stand { lock, bench, _memory: memory }),
        status => Err(status),
    }
}

pub fn bench_of(date: Option<i64>) -> Bench {
    Bench {
        date,
        uptime: 1_000_000,
        drawn: 0,
        has_random: true,
        flash: vec![],
        served: vec![],
        nested: None,
        calls: [0; 4],
        broken: None,
        answers: vec![],
        asked: vec![],
    }
}

/// x and y of the key that tokens are signed with.
fn signing_key() -> Vec<u8> {
    es256().verifying_key().to_sec1_point(false).as_bytes()[1..].to_vec()
}

impl Stand {
    pub fn new() -> Self {
        start(bench_of(Some(NOW)), |_, _| {}).unwrap()
    }

    pub fn receive(&mut self, datagram: &[u8]) -> (Status, Vec<u8>, Event) {
        // Message IDs differ, so that nothing is a repetition.
        let mut datagram = datagram.to_vec();
        let bench = unsafe { &mut *self.bench };
        bench.uptime += 1;
        datagram[2..4].copy_from_slice(&(bench.uptime as u16).to_be_bytes());
        self.receive_again(&datagram)
    }

    pub fn receive_again(&mut self, datagram: &[u8]) -> (Status, Vec<u8>, Event) {
        let mut out = [0; LATCHWORK_DATAGRAM];
        let (mut length, mut event) = (7, Event { kind: EventKind::Busy, code: 0, token: [0; 32] });
        let status = unsafe {
            let (from, to) = (datagram.as_ptr(), out.as_mut_ptr());
            latchwork_receive(self.lock, 5, from, datagram.len(), to, out.len(), &raw mut length, &raw mut event)
        };
        (status, out[..length].to_vec(), event)
    }

    pub fn upload(&mut self, token: &[u8]) -> (Code, Came, Event) {
        let payload = upload_payload(token, Some(&[1; 8]), Some(b"me"));
        let (status, datagram, event) = self.receive(&request(Code::POST, "/authz-info", support::FORMAT_19, &payload));
        assert_eq!(status, Status::Ok);
        let came = Came { datagram, event: Happened::Block };
        (came.code(), came, event)
    }

    pub fn enter(&mut self, token: &[u8]) -> Phone {
        let (_, came, event) = self.upload(token);
        assert_eq!(event.kind, EventKind::Uploaded);
        Phone::derive(&came, &[], b"me", SECRET, None)
    }

    pub fn ask(&mut self, phone: &mut Phone, code: Code, path: &str) -> (Code, Vec<u8>, EventKind) {
        let (datagram, mut sent) = phone.protect(&request(code, path, &[], &[]));
        let (_, datagram, event) = self.receive(&datagram);
        let (code, payload) = phone.open(&mut sent, &Came { datagram, event: Happened::Block });
        (code, payload, event.kind)
    }

    pub fn served(&self) -> usize {
        unsafe { &*self.bench }.served.len()
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        assert_eq!(unsafe { latchwork_stop(self.lock) }, Status::Ok);
        drop(unsafe { Box::from_raw(self.bench) });
    }
}

pub fn token() -> Claims {
    good(osc(b"7", SECRET))
}
