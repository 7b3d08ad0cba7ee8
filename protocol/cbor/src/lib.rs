//! Strict, borrowed CBOR (RFC 8949) for devices without an allocator.
//!
//! [`Reader`] takes exactly one encoding of each integer and length: definite lengths and shortest forms (RFC 8949 §4.2.1). It refuses
//! duplicate keys (§5.6), text that is not UTF-8, reserved and unassigned values, and nesting or maps beyond fixed limits. It does
//! not ask for sorted keys or shortest floats: other people's tokens have neither. [`Writer`] fills a slice and writes what the reader takes.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! use latchwork_cbor::{Reader, Writer};
//!
//! let mut buffer = [0; 32];
//! let mut cbor = Writer::new(&mut buffer);
//! cbor.map(2)?.int(1)?.text("coap://as")?.int(40)?.bytes(&[1, 2])?;
//!
//! let mut cbor = Reader::new(cbor.finish());
//! assert_eq!(cbor.map()?, 2); // the whole map is sound from here on
//! assert_eq!((cbor.int()?, cbor.text()?), (1, "coap://as"));
//! assert_eq!((cbor.int()?, cbor.bytes()?), (40, &[1, 2][..]));
//! cbor.end()?;
//! # Ok(())
//! # }
//! ```
#![no_std]

mod error;
mod head;
mod reader;
mod time;
mod walk;
mod writer;

pub use error::{Error, Full, Kind};
pub use reader::Reader;
pub use writer::Writer;

/// The most entries a map may have.
pub const MAX_ENTRIES: usize = 64;

/// How deep arrays, maps and tags may nest in one item.
pub const MAX_DEPTH: usize = 8;
