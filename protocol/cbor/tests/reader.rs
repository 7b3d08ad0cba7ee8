//! What the reader takes and what it refuses, byte by byte.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use latchwork_cbor::{Error, Kind, MAX_DEPTH, MAX_ENTRIES, Reader};

#[test]
fn refuses_what_is_not_strict() {
    for (bytes, error) in [
        // Nothing, and heads without what they announce.
        (&b""[..], Error::Truncated),
        (b"\x18", Error::Truncated),
        (b"\x19\x01", Error::Truncated),
        (b"\x1a\x01\x00\x00", Error::Truncated),
        (b"\x1b\x01\x00\x00\x00\x00\x00\x00", Error::Truncated),
        (b"\x43ab", Error::Truncated),
        (b"\x63ab", Error::Truncated),
        (b"\x82\x00", Error::Truncated),
        (b"\xa1\x00", Error::Truncated),
        (b"\xc1", Error::Truncated),
        (b"\xf9\x00", Error::Truncated),
        // Lengths that no memory holds; twice of them overflows.
        (b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff", Error::Truncated),
        (b"\x7b\xff\xff\xff\xff\xff\xff\xff\xff", Error::Truncated),
        (b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff", Error::Truncated),
        (b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff", Error::TooManyEntries),
        (b"\xbb\x80\x00\x00\x00\x00\x00\x00\x01", Error::TooManyEntries),
        (b"\x9a\xff\xff\xff\xff\x00", Error::Truncated),
        // Indefinite lengths, and a break on its own.
        (b"\x5f\x41a\xff", Error::Indefinite),
        (b"\x7f\x61a\xff", Error::Indefinite),
        (b"\x9f\x00\xff", Error::Indefinite),
        (b"\xbf\x00\x00\xff", Error::Indefinite),
        (b"\xff", Error::Indefinite),
        (b"\x1f", Error::Indefinite),
        (b"\x81\xff", Error::Indefinite),
        // Longer than need be.
        (b"\x18\x17", Error::NotShortest),
        (b"\x19\x00\xff", Error::NotShortest),
        (b"\x1a\x00\x00\xff\xff", Error::NotShortest),
        (b"\x1b\x00\x00\x00\x00\xff\xff\xff\xff", Error::NotShortest),
        (b"\x38\x17", Error::NotShortest),
        (b"\x58\x01a", Error::NotShortest),
        (b"\x78\x01a", Error::NotShortest),
        (b"\x98\x00", Error::NotShortest),
        (b"\xb8\x00", Error::NotShortest),
        (b"\xd8\x01\x00", Error::NotShortest),
        (b"\xa1\x18\x01\x00", Error::NotShortest),
        // Reserved and meaningless.
        (b"\x1c", Error::Reserved),
        (b"\x5d", Error::Reserved),
        (b"\x9e", Error::Reserved),
        (b"\xfc", Error::Reserved),
        (b"\xe0", Error::Reserved),
        (b"\xf3", Error::Reserved),
        (b"\xf7", Error::Reserved),
        (b"\xf8\x14", Error::Reserved),
        (b"\xf8\x20", Error::Reserved),
        (b"\xf8\xff", Error::Reserved),
        // Text: a lone continuation, an overlong slash, a surrogate, beyond U+10FFFF, cut short.
        (b"\x61\x80", Error::NotUtf8),
        (b"\x62\xc0\xaf", Error::NotUtf8),
        (b"\x63\xed\xa0\x80", Error::NotUtf8),
        (b"\x64\xf4\x90\x80\x80", Error::NotUtf8),
        (b"\x61\xc3", Error::NotUtf8),
        // The same key twice: next to each other, apart, of every kind, in a map within.
        (b"\xa2\x01\x00\x01\x00", Error::DuplicateKey),
        (b"\xa3\x01\x00\x02\x00\x01\x00", Error::DuplicateKey),
        (b"\xa3\x02\x00\x01\x00\x02\x00", Error::DuplicateKey),
        (b"\xa3\x03\x00\x01\x00\x01\x00", Error::DuplicateKey),
        (b"\xa2\x61a\x00\x61a\x00", Error::DuplicateKey),
        (b"\xa2\x20\x00\x20\x01", Error::DuplicateKey),
        (b"\xa2\x81\x01\x00\x81\x01\x00", Error::DuplicateKey),
        (b"\xa1\x08\xa1\x01\xa2\x01\x00\x01\x00", Error::DuplicateKey),
        (b"\x81\xa2\x01\x00\x01\x00", Error::DuplicateKey),
        (b"\xa1\xa2\x01\x00\x01\x00\x00", Error::DuplicateKey),
    ] {
        let mut cbor = Reader::new(bytes);
        assert_eq!(cbor.item(), Err(error), "{bytes:02x?}");
        assert_eq!(cbor.rest(), bytes, "{bytes:02x?} moved the reader");
    }
}

#[test]
fn a_map_is_checked_before_it_is_entered() {
    for (bytes, error) in [
        (&b"\xa2\x01\x00\x01\x00"[..], Error::DuplicateKey),
        (b"\xa2\x01\x00\x02", Error::Truncated),
        (b"\xa2\x01\x00\x02\x61\x80", Error::NotUtf8),
        (b"\xa1\x01\xa2\x00\x00\x00\x00", Error::DuplicateKey),
        (b"\xa1\x01\x9f\xff", Error::Indefinite),
    ] {
        let mut cbor = Reader::new(bytes);
        assert_eq!(cbor.map(), Err(error), "{bytes:02x?}");
        assert_eq!(cbor.rest(), bytes, "{bytes:02x?} moved the reader");
    }
}

#[test]
fn keys_that_only_look_alike_are_different() {
    for bytes in [
        &b"\xa4\x01\x00\x20\x00\x41\x01\x00\x61\x01\x00"[..], // 1, -1, h'01', "\x01"
        b"\xa3\x03\x00\x02\x00\x01\x00",                      // unsorted
        b"\xa2\x01\xa1\x02\x00\x02\xa1\x02\x00",              // each in a map of its own
        b"\xa2\x62ab\x00\x61a\x00",
    ] {
        assert_eq!(Reader::new(bytes).item(), Ok(bytes), "{bytes:02x?}");
    }
}

#[test]
fn limits_hold_to_the_one() {
    let map = |entries: usize| {
        let mut bytes = vec![0xb8, entries as u8];
        for key in 0..entries {
            bytes.extend(if key < 24 { vec![key as u8, 0] } else { vec![0x18, key as u8, 0] });
        }
        bytes
    };
    assert!(Reader::new(&map(MAX_ENTRIES)).item().is_ok());
    assert_eq!(Reader::new(&map(MAX_ENTRIES + 1)).item(), Err(Error::TooManyEntries));

    for opening in [&b"\x81"[..], b"\xa1\x00", b"\xc6"] {
        let nested = |depth: usize| [opening.repeat(depth), vec![0]].concat();
        assert!(Reader::new(&nested(MAX_DEPTH)).item().is_ok(), "{opening:02x?}");
        for depth in [MAX_DEPTH + 1, 1_000, 100_000] {
            let bytes = nested(depth);
            let refused = Reader::new(&bytes).item();
            assert_eq!(refused, Err(Error::TooDeep), "{depth} of {opening:02x?}");
        }
    }
    // An empty container counts as well, and so does one in a key.
    let empty = |depth: usize| [b"\x81".repeat(depth - 1), vec![0x80]].concat();
    assert!(Reader::new(&empty(MAX_DEPTH)).item().is_ok());
    assert_eq!(Reader::new(&empty(MAX_DEPTH + 1)).item(), Err(Error::TooDeep));
    let key = |depth: usize| [vec![0xa1], b"\x81".repeat(depth - 1), vec![0, 0]].concat();
    assert!(Reader::new(&key(MAX_DEPTH)).item().is_ok());
    assert_eq!(Reader::new(&key(MAX_DEPTH + 1)).item(), Err(Error::TooDeep));
}

/// An item with everything in it: a map of a tag, an array, floats, strings, negative and long integers.
const EVERYTHING: &[u8] =
    b"\xa5\x01\xd8\x3d\x82\x62\xc3\xbc\x42\x01\x02\x20\xf9\x3c\x00\x61a\x83\xf4\xf6\xfa\x3f\x80\x00\x00\
    \x19\x01\x00\xfb\x3f\xf0\x00\x00\x00\x00\x00\x00\x1a\x00\x01\x00\x00\x3b\xff\xff\xff\xff\xff\xff\xff\xff";

#[test]
fn truncated_anywhere_is_refused() {
    assert_eq!(Reader::new(EVERYTHING).item(), Ok(EVERYTHING));
    for length in 0..EVERYTHING.len() {
        let mut cbor = Reader::new(&EVERYTHING[..length]);
        assert_eq!(cbor.map().err(), Some(Error::Truncated), "{length}");
        assert_eq!(cbor.skip(), Err(Error::Truncated), "{length}");
    }
}

#[test]
fn trailing_bytes_are_for_the_caller_to_refuse() {
    let mut cbor = Reader::new(b"\x01\x02");
    assert_eq!((cbor.uint(), cbor.end()), (Ok(1), Err(Error::Trailing)));
    assert_eq!(cbor.rest(), b"\x02");
    assert_eq!((cbor.uint(), cbor.end()), (Ok(2), Ok(())));
    assert_eq!(cbor.peek(), Err(Error::Truncated));
}

#[test]
fn each_verb_takes_its_kind_only() {
    type Verb = fn(&mut Reader<'_>) -> Result<(), Error>;
    const VERBS: [(&str, &[Kind], Verb); 11] = [
        ("uint", &[Kind::Uint], |cbor| cbor.uint().map(drop)),
        ("int", &[Kind::Uint, Kind::Nint], |cbor| cbor.int().map(drop)),
        ("bytes", &[Kind::Bytes], |cbor| cbor.bytes().map(drop)),
        ("text", &[Kind::Text], |cbor| cbor.text().map(drop)),
        ("array", &[Kind::Array], |cbor| cbor.array().map(drop)),
        ("array_of", &[Kind::Array], |cbor| cbor.array_of(0)),
        ("map", &[Kind::Map], |cbor| cbor.map().map(drop)),
        ("tag", &[Kind::Tag], |cbor| cbor.tag().map(drop)),
        ("bool", &[Kind::Bool], |cbor| cbor.bool().map(drop)),
        ("null", &[Kind::Null], |cbor| cbor.null()),
        ("time", &[Kind::Uint, Kind::Nint, Kind::Float], |cbor| cbor.time().map(drop)),
    ];
    for (bytes, kind) in [
        (&b"\x00"[..], Kind::Uint),
        (b"\x20", Kind::Nint),
        (b"\x40", Kind::Bytes),
        (b"\x60", Kind::Text),
        (b"\x80", Kind::Array),
        (b"\xa0", Kind::Map),
        (b"\xc1\x00", Kind::Tag),
        (b"\xf4", Kind::Bool),
        (b"\xf5", Kind::Bool),
        (b"\xf6", Kind::Null),
        (b"\xf9\x3c\x00", Kind::Float),
        (b"\xfa\x3f\x80\x00\x00", Kind::Float),
        (b"\xfb\x3f\xf0\x00\x00\x00\x00\x00\x00", Kind::Float),
    ] {
        assert_eq!(Reader::new(bytes).peek(), Ok(kind));
        for (verb, takes, read) in VERBS {
            let mut cbor = Reader::new(bytes);
            if takes.contains(&kind) {
                assert_eq!(read(&mut cbor), Ok(()), "{verb} of {kind:?}");
            } else {
                assert_eq!(read(&mut cbor), Err(Error::Unexpected(kind)), "{verb} of {kind:?}");
                assert_eq!(cbor.rest(), bytes, "{verb} of {kind:?} moved the reader");
            }
        }
    }
    assert_eq!(Reader::new(b"\x81\x00").array_of(2), Err(Error::WrongLength));
    assert_eq!(Reader::new(b"\x81\x00").array_of(1), Ok(()));
}

#[test]
fn integers_reach_to_the_ends_of_their_type() {
    for (bytes, uint, int) in [
        (&b"\x00"[..], Ok(0), Ok(0)),
        (b"\x17", Ok(23), Ok(23)),
        (b"\x18\x18", Ok(24), Ok(24)),
        (b"\x20", Err(Error::Unexpected(Kind::Nint)), Ok(-1)),
        (b"\x1b\x7f\xff\xff\xff\xff\xff\xff\xff", Ok(i64::MAX as u64), Ok(i64::MAX)),
        (b"\x1b\x80\x00\x00\x00\x00\x00\x00\x00", Ok(1 << 63), Err(Error::OutOfRange)),
        (b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff", Ok(u64::MAX), Err(Error::OutOfRange)),
        (b"\x3b\x7f\xff\xff\xff\xff\xff\xff\xff", Err(Error::Unexpected(Kind::Nint)), Ok(i64::MIN)),
        (b"\x3b\x80\x00\x00\x00\x00\x00\x00\x00", Err(Error::Unexpected(Kind::Nint)), Err(Error::OutOfRange)),
    ] {
        assert_eq!(Reader::new(bytes).uint(), uint, "{bytes:02x?}");
        assert_eq!(Reader::new(bytes).int(), int, "{bytes:02x?}");
        assert_eq!(Reader::new(bytes).time(), int, "{bytes:02x?}");
    }
}

#[test]
fn times_round_down_and_are_finite() {
    for (bytes, seconds) in [
        (&b"\xf9\x00\x00"[..], Ok(0)),
        (b"\xf9\x80\x00", Ok(0)),  // -0.0
        (b"\xf9\x00\x01", Ok(0)),  // the smallest above 0
        (b"\xf9\x80\x01", Ok(-1)), // the greatest below 0
        (b"\xf9\x3e\x00", Ok(1)),  // 1.5
        (b"\xf9\xbe\x00", Ok(-2)), // -1.5
        (b"\xf9\x7b\xff", Ok(65_504)),
        (b"\xfa\x4e\x9c\xc3\x39", Ok(1_315_019_904)),
        (b"\xfb\x41\xd4\x52\xd9\xe2\x00\x00\x00", Ok(1_363_896_200)),
        (b"\xfb\x41\xd4\x52\xd9\xe2\x3f\xff\xff", Ok(1_363_896_200)),
        (b"\xfb\x41\xd4\x52\xd9\xe1\xff\xff\xff", Ok(1_363_896_199)),
        (b"\xfb\xc1\xd4\x52\xd9\xe2\x00\x00\x00", Ok(-1_363_896_200)),
        (b"\xfb\x43\xdf\xff\xff\xff\xff\xff\xff", Ok(0x7fff_ffff_ffff_fc00)),
        (b"\xfb\x43\xe0\x00\x00\x00\x00\x00\x00", Err(Error::OutOfRange)), // 2^63
        (b"\xfa\x7f\x7f\xff\xff", Err(Error::OutOfRange)),
        (b"\xfb\x7f\xef\xff\xff\xff\xff\xff\xff", Err(Error::OutOfRange)),
        // NaN and the infinities, in every width.
        (b"\xf9\x7e\x00", Err(Error::OutOfRange)),
        (b"\xf9\x7c\x00", Err(Error::OutOfRange)),
        (b"\xf9\xfc\x00", Err(Error::OutOfRange)),
        (b"\xfa\x7f\xc0\x00\x00", Err(Error::OutOfRange)),
        (b"\xfa\x7f\x80\x00\x00", Err(Error::OutOfRange)),
        (b"\xfb\x7f\xf8\x00\x00\x00\x00\x00\x00", Err(Error::OutOfRange)),
        (b"\xfb\xff\xf0\x00\x00\x00\x00\x00\x00", Err(Error::OutOfRange)),
        // RFC 8392 §2: the tag is omitted.
        (b"\xc1\x1a\x51\x4b\x67\xb0", Err(Error::Unexpected(Kind::Tag))),
        (b"\xc1\xfb\x41\xd4\x52\xd9\xec\x20\x00\x00", Err(Error::Unexpected(Kind::Tag))),
        (b"\x6a2026-11-24", Err(Error::Unexpected(Kind::Text))),
    ] {
        assert_eq!(Reader::new(bytes).time(), seconds, "{bytes:02x?}");
    }
}
