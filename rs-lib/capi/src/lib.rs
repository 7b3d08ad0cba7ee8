//! `rs-lib` for firmware in C: `include/latchwork.h`, which is made from here, and a static library.
//!
//! The firmware owns all memory, gives clock, random numbers and flash as functions, and is asked to serve a request only once
//! its sender was found to be allowed to. A datagram goes in, a datagram comes out. Tokens are those of the OSCORE profile
//! (RFC 9203) and, where the lock has a key of its own, of the EDHOC-OSCORE profile; both by the machinery that firmware in Rust uses.
//!
//! | feature | what the library has in it |
//! |---|---|
//! | `aes` | AES in software; without it `Hardware::aes128` must be there |
//! | `edhoc` | EDHOC, over `Hardware::p256_agree`, or by the assembly of `es256-cortex-m4` |
//! | `ecdh-p256` | EDHOC, and portable P-256 for it |
//! | `es256-p256`, `es256-cortex-m4` | ES256 in software: portable, or assembly for Cortex-M4 |
//! | `eddsa-small`, `eddsa` | EdDSA in software |
//! | `panic-handler` | where a panic would end; for the static library |
//!
//! No function panics, allocates, or keeps anything outside of the memory that it was given. Each checks its pointers for
//! null, and refuses to be called from within a callback on the same lock. That pointers are what they are said to be, nobody can check.

#![no_std]
#![allow(unsafe_code, reason = "C has pointers and no lifetimes")]

mod board;
mod config;
mod crypto;
mod edhoc;
mod event;
mod hardware;
mod lock;
mod online;
#[cfg(feature = "panic-handler")]
mod panic;
mod serve;

pub use board::Board;
pub use config::{Bytes, Config, Issuer, Key, KeyKind, Scope};
pub use edhoc::OwnKey;
pub use event::{Event, EventKind};
pub use hardware::Hardware;
pub use lock::{
    Lock, Status, latchwork_align, latchwork_receive, latchwork_size, latchwork_start, latchwork_stop, latchwork_tick,
};
pub use online::{
    Answer, Question, Revoked, latchwork_introspection_request, latchwork_learn, latchwork_revoke,
    latchwork_revoke_again, latchwork_revoked,
};
pub use serve::{Request, Response, latchwork_request_option};

/// Bytes of memory that are enough for a lock on any processor. `latchwork_size` says how many it really takes.
pub const LATCHWORK_SIZE: usize = 20 * 1024;

/// An alignment that is enough for a lock on any processor, in bytes.
pub const LATCHWORK_ALIGN: usize = 16;

/// The longest datagram that a lock takes and sends, in bytes.
pub const LATCHWORK_DATAGRAM: usize = 1152;

/// A token is named by this many bytes: SHA-256 as RFC 9770 §4 hashes it, without the leading 0x01.
pub const LATCHWORK_HASH: usize = 32;

/// `Request::path` of a resource that is none of `Config::paths`.
pub const LATCHWORK_NO_PATH: usize = 0xffff_ffff;

/// How many authorization servers a lock can trust.
pub const LATCHWORK_ISSUERS: usize = 4;

/// How many keys all of them can have together.
pub const LATCHWORK_KEYS: usize = 8;

/// How many groups, scopes and paths a lock can have of each.
pub const LATCHWORK_NAMES: usize = 8;
