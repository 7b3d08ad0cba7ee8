//! Messages from the RFC, and messages that are none.

use proptest::prelude::*;
use std::vec::Vec;

use super::*;

/// R7252-3-02, R7252-3.1-01
#[test]
fn refuses() {
    use ParseError::*;
    let rows: &[(&[u8], ParseError)] = &[
        (&[], NotCoap),
        (&[0x40, 1, 0], NotCoap),
        (&[0x00, 1, 0, 0], NotCoap),
        (&[0x80, 1, 0, 0], NotCoap),
        (&[0x49, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9], TokenTooLong),
        (&[0x4f, 1, 0, 0], Truncated),
        (&[0x44, 1, 0, 0, 1, 2], Truncated),
        (&[0x41, 0, 0, 0, 7], NotEmpty),
        (&[0x40, 0, 0, 0, 0xff, 1], NotEmpty),
        (&[0x40, 0, 0, 0, 0xb0], NotEmpty),
        (&[0x40, 1, 0, 0, 0xff], EmptyPayload),
        (&[0x40, 1, 0, 0, 0xb2, b'a'], Truncated),
        (&[0x40, 1, 0, 0, 0xd0], Truncated),
        (&[0x40, 1, 0, 0, 0xe0, 1], Truncated),
        (&[0x40, 1, 0, 0, 0xbd], Truncated),
        (&[0x40, 1, 0, 0, 0xf0], ReservedNibble),
        (&[0x40, 1, 0, 0, 0xbf, 1], ReservedNibble),
        (&[0x40, 1, 0, 0, 0xe0, 0xff, 0xff], NumberTooLarge),
        (&[0x40, 1, 0, 0, 0xe0, 0xfe, 0xf2, 0x10], NumberTooLarge),
    ];
    for (bytes, error) in rows {
        assert_eq!(Message::parse(bytes).map(|_| ()), Err(*error), "{bytes:02x?}");
    }
    // 65535 itself is a number
    let message = Message::parse(&[0x40, 1, 0, 0, 0xe0, 0xfe, 0xf2]).unwrap();
    assert_eq!(message.options.map(|(n, _)| n.0).collect::<Vec<_>>(), [65535]);
}

#[test]
fn rfc7252_figure_16() {
    // CON [0x7d34], GET, "/temperature", no token, and its piggybacked response (appendix A)
    let datagram = [&[0x40, 0x01, 0x7d, 0x34, 0xbb][..], b"temperature"].concat();
    let message = Message::parse(&datagram).unwrap();
    assert_eq!((message.kind, message.code, message.id), (Kind::Con, Code::GET, 0x7d34));
    assert!(message.options.path_eq("/temperature"));
    let datagram = [&[0x60, 0x45, 0x7d, 0x34, 0xff][..], b"22.3 C"].concat();
    let message = Message::parse(&datagram).unwrap();
    assert_eq!((message.kind, message.code, message.payload), (Kind::Ack, Code::CONTENT, &b"22.3 C"[..]));
}

#[test]
fn paths_are_compared_exactly() {
    let rows: &[(&[&str], &str, bool)] = &[
        (&["a"], "/a", true),
        (&["a"], "a", false),
        (&["a"], "/A", false),
        (&["a"], "/%61", false),
        (&["a"], "/a/", false),
        (&["a", ""], "/a/", true),
        (&["", "a"], "//a", true),
        (&["a", "b"], "/a/b", true),
        (&["a/b"], "/a/b", false),
        (&["a", "b"], "/a", false),
        (&["a"], "/a/b", false),
        (&[], "/", true),
        (&[], "", true),
        (&[""], "/", false),
        (&["a"], "/", false),
    ];
    for (segments, path, equal) in rows {
        let mut buf = [0; 64];
        let mut writer = Writer::new(&mut buf, Kind::Con, Code::GET, 1, Token::EMPTY);
        for segment in *segments {
            writer.option(OptionNumber::URI_PATH, segment.as_bytes()).unwrap();
        }
        let message = Message::parse(writer.finish().unwrap()).unwrap();
        assert_eq!(message.options.path_eq(path), *equal, "{segments:?} {path}");
    }
}

#[test]
fn uints() {
    for (value, bytes) in [(0u32, &[][..]), (1, &[1]), (255, &[255]), (256, &[1, 0]), (u32::MAX, &[255; 4])] {
        let mut buf = [0; 16];
        let mut writer = Writer::new(&mut buf, Kind::Con, Code::GET, 1, Token::EMPTY);
        writer.uint_option(OptionNumber::SIZE1, value).unwrap();
        let message = Message::parse(writer.finish().unwrap()).unwrap();
        assert_eq!(message.options.get(OptionNumber::SIZE1), Some(bytes));
        assert_eq!(message.options.uint(OptionNumber::SIZE1), Some(value));
        assert_eq!(message.options.uint16(OptionNumber::SIZE1), u16::try_from(value).ok());
    }
    let (options, _) = Options::parse(&[0xd2, 47, 0, 7]).unwrap();
    assert_eq!(options.uint(OptionNumber::SIZE1), Some(7), "leading zero");
    let (options, _) = Options::parse(&[0xd5, 47, 0, 0, 0, 0, 7]).unwrap();
    assert_eq!(options.uint(OptionNumber::SIZE1), None, "five bytes");
}

#[test]
fn the_writer_refuses() {
    let mut buf = [0; 8];
    let mut writer = Writer::new(&mut buf, Kind::Con, Code::GET, 1, Token::EMPTY);
    assert!(writer.option(OptionNumber::URI_PATH, b"abc").is_ok());
    assert!(writer.option(OptionNumber::URI_PATH, b"").is_err(), "no room");
    assert_eq!(writer.finish(), Err(Full));

    let mut buf = [0; 64];
    let mut writer = Writer::new(&mut buf, Kind::Con, Code::GET, 1, Token::EMPTY);
    assert!(writer.option(OptionNumber::URI_QUERY, b"").is_ok());
    assert!(writer.option(OptionNumber::URI_PATH, b"").is_err(), "descending");
    assert_eq!(writer.finish(), Err(Full));

    let mut writer = Writer::new(&mut buf, Kind::Con, Code::GET, 1, Token::EMPTY);
    assert!(writer.payload(b"x").is_ok());
    assert!(writer.option(OptionNumber::URI_PATH, b"").is_err(), "after the payload");
    assert_eq!(Writer::new(&mut [0; 3], Kind::Con, Code::GET, 1, Token::EMPTY).finish(), Err(Full));
    assert_eq!(Token::new(&[0; 9]), None);
}

#[test]
fn classes_of_options() {
    let rows = [
        (OptionNumber::URI_PATH, true, true),
        (OptionNumber::ETAG, false, false),
        (OptionNumber::OBSERVE, false, true),
        (OptionNumber::IF_MATCH, true, false),
        (OptionNumber::OSCORE, true, false),
    ];
    for (number, critical, proxy_unsafe) in rows {
        assert_eq!((number.is_critical(), number.is_unsafe()), (critical, proxy_unsafe), "{number:?}");
    }
    assert!(OptionNumber::SIZE1.is_no_cache_key() && OptionNumber::ECHO.is_no_cache_key());
    assert!(!OptionNumber::REQUEST_TAG.is_no_cache_key());
}

prop_compose! {
    fn options()(mut all in prop::collection::vec((any::<u16>(), prop::collection::vec(any::<u8>(), 0..400)), 0..8)) -> Vec<(u16, Vec<u8>)> {
        all.sort_by_key(|(number, _)| *number);
        all
    }
}

proptest! {
    #[test]
    fn round_trip(
        kind in 0u8..4, code in 1u8.., id: u16, token in prop::collection::vec(any::<u8>(), 0..=8),
        options in options(), payload in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let token = Token::new(&token).unwrap();
        let mut buf = [0; 4096];
        let mut writer = Writer::new(&mut buf, Kind::from_bits(kind), Code(code), id, token);
        for (number, value) in &options {
            writer.option(OptionNumber(*number), value).unwrap();
        }
        writer.payload(&payload).unwrap();
        let written = writer.finish().unwrap().to_vec();
        let message = Message::parse(&written).unwrap();
        prop_assert_eq!((message.kind, message.code, message.id, message.token), (Kind::from_bits(kind), Code(code), id, token));
        let read: Vec<_> = message.options.map(|(number, value)| (number.0, value.to_vec())).collect();
        prop_assert_eq!(read, options);
        prop_assert_eq!(message.payload, &payload[..]);
        let mut again = [0; 4096];
        prop_assert_eq!(message.write(&mut again).unwrap(), &written[..]);
    }

    /// R7252-3.1-01
    #[test]
    fn any_bytes_are_refused_or_round_trip(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(message) = Message::parse(&bytes) {
            let mut buf = [0; 128];
            // a longer form of a nibble may have been read; what we write is the shortest, and means the same
            let again = Message::parse(message.write(&mut buf).unwrap()).unwrap();
            prop_assert_eq!(again.payload, message.payload);
            prop_assert!(again.options.eq(message.options));
        }
    }
}
