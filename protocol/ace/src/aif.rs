//! Authorization information format: which method is allowed on which path (RFC 9237).

use core::fmt;

use latchwork_cbor::{Full, Reader};

use crate::{
    Error,
    codec::{self, Put},
    registry::Method,
};

/// Rights, as the CBOR they came in: `[* [path and query: text, methods: bits of a uint]]`.
///
/// Small enough to be copied into a session: at most [`Aif::MAX_ENTRIES`] entries in [`Aif::MAX_LEN`] bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Aif<'t>(&'t [u8]);

/// Methods as bits (RFC 9237 §3): GET 1, POST 2, PUT 4 and so on; the same shifted left by 32 for resources that the holder creates.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Methods(pub u64);

impl<'t> Aif<'t> {
    /// The most entries we take.
    pub const MAX_ENTRIES: usize = 8;
    /// The most bytes we take.
    pub const MAX_LEN: usize = 96;

    /// Checks every entry once; the methods below then have nothing left to refuse.
    pub fn parse(scope: &'t [u8]) -> Result<Self, Error> {
        if scope.len() > Self::MAX_LEN {
            return Err(Error::TooLong);
        }
        let mut r = Reader::new(scope);
        let entries = r.array()?;
        if entries > Self::MAX_ENTRIES {
            return Err(Error::TooMany);
        }
        for _ in 0..entries {
            r.array_of(2)?;
            r.text()?;
            r.uint()?;
        }
        r.end()?;
        Ok(Self(scope))
    }

    /// Writes rights into `out`. More than [`Aif::parse`] takes is [`Full`] too.
    pub fn encode(entries: &[(&str, Methods)], out: &'t mut [u8]) -> Result<Self, Full> {
        let bytes = codec::whole(out, |w| {
            w.array(entries.len())?;
            entries.iter().try_for_each(|(path, methods)| {
                w.array(2)?;
                path.put(w)?;
                methods.0.put(w)
            })
        })?;
        Self::parse(bytes).map_err(|_| Full)
    }

    /// The CBOR.
    pub fn as_bytes(&self) -> &'t [u8] {
        self.0
    }

    /// Paths (with query, if they have one) and methods.
    pub fn iter(&self) -> impl Iterator<Item = (&'t str, Methods)> + use<'t> {
        let mut r = Reader::new(self.0);
        let entries = r.array().unwrap_or(0);
        (0..entries).map_while(move |_| {
            r.array_of(2).ok()?;
            Some((r.text().ok()?, Methods(r.uint().ok()?)))
        })
    }

    /// Whether `method` is allowed on a path and query in the form of a URI, such as `/a/led` and `x=1`.
    ///
    /// Byte for byte: no prefixes, no case folding, no decoding, and neither empty segments nor a final slash dropped (RFC 9237 §2.2).
    pub fn allows(&self, path: &str, query: Option<&str>, method: Method) -> bool {
        self.methods_at(|entry| {
            let (entry_path, entry_query) = split(entry);
            entry_path == path && entry_query == query
        })
        .contains(method)
    }

    /// Everything that is allowed on the resource that these Uri-Path and Uri-Query options name, composed to a URI as in RFC 7252
    /// §6.5: a slash inside a segment is `%2F` there, so it cannot pass for a separator. Empty: the resource is not covered (4.03); without the
    /// method in question: the method is not (4.05; RFC 9200 §5.10.2).
    pub fn methods_at_options<'o>(
        &self,
        uri_path: impl Iterator<Item = &'o [u8]> + Clone,
        uri_query: impl Iterator<Item = &'o [u8]> + Clone,
    ) -> Methods {
        self.methods_at(|entry| {
            let (entry_path, entry_query) = split(entry);
            let mut path = Expected(entry_path.as_bytes());
            for segment in uri_path.clone() {
                path.take(b'/');
                path.take_escaped(segment, b":@&");
            }
            if uri_path.clone().next().is_none() {
                path.take(b'/');
            }
            let mut query = Expected(entry_query.unwrap_or_default().as_bytes());
            for (place, argument) in uri_query.clone().enumerate() {
                if place > 0 {
                    query.take(b'&');
                }
                query.take_escaped(argument, b":@/?");
            }
            path.is_done() && query.is_done() && entry_query.is_some() == uri_query.clone().next().is_some()
        })
    }

    fn methods_at(&self, matches: impl Fn(&str) -> bool) -> Methods {
        Methods(self.iter().filter(|(entry, _)| matches(entry)).fold(0, |all, (_, methods)| all | methods.0))
    }
}

impl Methods {
    /// No method.
    pub const NONE: Self = Self(0);

    /// One method on an existing resource.
    pub const fn of(method: Method) -> Self {
        match method.0 {
            1..=32 => Self(1 << (method.0 - 1)),
            _ => Self::NONE,
        }
    }

    /// Both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is permitted on a resource that the holder created, as methods on an existing one (RFC 9237 §2.3).
    pub const fn dynamic(self) -> Self {
        Self(self.0 >> 32)
    }

    /// Whether this method is among them, on an existing resource. The Dynamic bits permit nothing there (RFC 9237 §6).
    pub const fn contains(self, method: Method) -> bool {
        self.0 & Self::of(method).0 != 0
    }
}

/// A path, and its query if it has one.
fn split(entry: &str) -> (&str, Option<&str>) {
    match entry.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (entry, None),
    }
}

/// What is still to come of a URI that is composed piece by piece. Once something else comes, nothing matches any more.
struct Expected<'e>(&'e [u8]);

impl Expected<'_> {
    fn take(&mut self, byte: u8) {
        self.0 = match self.0.split_first() {
            Some((&first, rest)) if first == byte => rest,
            _ => MISMATCH,
        };
    }

    fn take_escaped(&mut self, bytes: &[u8], also_plain: &[u8]) {
        for &byte in bytes {
            if is_plain(byte, also_plain) {
                self.take(byte);
            } else {
                self.take(b'%');
                self.take(hex_digit(byte >> 4));
                self.take(hex_digit(byte & 15));
            }
        }
    }

    fn is_done(&self) -> bool {
        self.0.is_empty()
    }
}

/// Unreserved characters and sub-delims but `&`, which separates queries, stand for themselves (RFC 7252 §6.5, steps 6 and 7; RFC 3986 §2).
fn is_plain(byte: u8, also_plain: &[u8]) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$'()*+,;=".contains(&byte) || also_plain.contains(&byte)
}

fn hex_digit(nibble: u8) -> u8 {
    match nibble {
        0..=9 => b'0' + nibble,
        _ => b'A' + (nibble - 10),
    }
}

impl fmt::Debug for Aif<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl fmt::Debug for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// Never becomes empty: a zero byte is not plain, so nobody takes it.
const MISMATCH: &[u8] = &[0];
