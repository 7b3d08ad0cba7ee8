//! RFC 9237.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::hex;
use latchwork_ace::{Aif, Error, aif::Methods, registry::Method};

const FIGURE_5: &str = "83 8267 2f732f74656d70 01 8266 2f612f6c6564 05 8265 2f64746c73 02";

fn options(values: &[&'static str]) -> impl Iterator<Item = &'static [u8]> + Clone {
    values.iter().map(|value| value.as_bytes()).collect::<Vec<_>>().into_iter()
}

/// R9237-2-02, R9237-3-01
#[test]
fn figure_5_both_ways() {
    let bytes = hex(FIGURE_5);
    let aif = Aif::parse(&bytes).unwrap();
    let entries = [("/s/temp", Methods(1)), ("/a/led", Methods(5)), ("/dtls", Methods(2))];
    assert_eq!(aif.iter().collect::<Vec<_>>(), entries);
    assert_eq!(Aif::encode(&entries, &mut [0; 96]).unwrap().as_bytes(), bytes);
    for (path, method, allowed) in [
        ("/s/temp", Method::GET, true),
        ("/s/temp", Method::POST, false),
        ("/a/led", Method::GET, true),
        ("/a/led", Method::PUT, true),
        ("/a/led", Method::POST, false),
        ("/dtls", Method::POST, true),
        ("/", Method::GET, false),
        ("", Method::GET, false),
        ("/a/led", Method(0), false),
        ("/a/led", Method(200), false),
    ] {
        assert_eq!(aif.allows(path, None, method), allowed, "{method:?} {path}");
    }
}

/// Trap 70: what looks like an allowed path is not one.
/// R9237-3-04
#[test]
fn comparison_is_exact() {
    let entries = [("/a", Methods(1)), ("/a?x=1", Methods(2)), ("/s/%2F?q=%26&r", Methods(1)), ("/", Methods(4))];
    let mut out = [0; 96];
    let aif = Aif::encode(&entries, &mut out).unwrap();

    for (path, query, methods) in [
        ("/a", None, 1),
        ("/a", Some("x=1"), 2),
        ("/a", Some("x=2"), 0),
        ("/a", Some(""), 0),
        ("/a/", None, 0),
        ("/A", None, 0),
        ("/%61", None, 0),
        ("//a", None, 0),
        ("a", None, 0),
        ("/a?x=1", None, 0),
        ("", None, 0),
        ("/", None, 4),
        ("/a\0", None, 0),
    ] {
        for method in 1..=7 {
            let method = Method(method);
            let allowed = Methods(methods).contains(method);
            assert_eq!(aif.allows(path, query, method), allowed, "{method:?} {path}?{query:?}");
        }
    }

    for (path, query, methods) in [
        (&["a"][..], &[][..], 1),
        (&["a"], &["x=1"], 2),
        (&["a"], &["x", "1"], 0),
        (&["a"], &["x=1", ""], 0),
        (&["a"], &[""], 0),
        (&["a", ""], &[], 0),
        (&["", "a"], &[], 0),
        (&["A"], &[], 0),
        (&["%61"], &[], 0),
        (&["a?x=1"], &[], 0),
        (&["a/"], &[], 0),
        (&[], &[], 4),
        (&[""], &[], 4),
        (&["", ""], &[], 0),
        (&["s", "/"], &["q=&", "r"], 1),
        (&["s", "%2F"], &["q=&", "r"], 0),
        (&["s", "", ""], &["q=&", "r"], 0),
        (&["s", "/"], &["q=", "r"], 0),
        (&["a\0"], &[], 0),
        (&["\0"], &[], 0),
    ] {
        assert_eq!(aif.methods_at_options(options(path), options(query)), Methods(methods), "{path:?} {query:?}");
    }
}

/// RFC 7252 §6.5 at work: the URIs of its example.
/// R9237-3-04
#[test]
fn options_compose_to_uris() {
    for (entry, path, query) in [
        ("/", &[][..], &[][..]),
        ("/r%C3%A9sum%C3%A9", &["résumé"], &[]),
        ("/a:@b!$&'()*+,;=c", &["a:@b!$&'()*+,;=c"], &[]),
        ("//%2F//?%2F%2F&?%26", &["", "/", "", ""], &["//", "?&"]),
    ] {
        let mut out = [0; 96];
        let aif = Aif::encode(&[(entry, Methods(1))], &mut out).unwrap();
        let expected = !entry.contains("?%2F"); // the RFC's example escapes slashes in queries, its rules do not
        assert_eq!(aif.methods_at_options(options(path), options(query)).contains(Method::GET), expected, "{entry}");
    }
    let mut out = [0; 96];
    let aif = Aif::encode(&[("//%2F//?//&?%26", Methods(1))], &mut out).unwrap();
    assert!(aif.methods_at_options(options(&["", "/", "", ""]), options(&["//", "?&"])).contains(Method::GET));
}

/// Trap 71: Dynamic bits sit 32 above the plain ones; they are kept, and grant nothing here. The first mask has all seven of both.
/// R9237-3-03
#[test]
fn masks_have_64_bits() {
    let mask = 545_460_846_719;
    let entries = [("/a/make-coffee", Methods(mask)), ("/b", Methods(u64::MAX << 32)), ("/c", Methods(1 << 32))];
    let mut out = [0; 96];
    let bytes = Aif::encode(&entries, &mut out).unwrap().as_bytes();
    let aif = Aif::parse(bytes).unwrap();
    assert_eq!(aif.iter().collect::<Vec<_>>(), entries);
    for method in 1..=7 {
        let method = Method(method);
        assert!(aif.allows("/a/make-coffee", None, method), "{method:?}");
        assert!(!aif.allows("/b", None, method), "{method:?}");
        assert!(!aif.allows("/c", None, method), "{method:?}");
    }
}

/// R9237-3-02
#[test]
fn repeated_paths_add_up() {
    let mut out = [0; 96];
    let aif = Aif::encode(&[("/a", Methods(1)), ("/a", Methods(2))], &mut out).unwrap();
    assert!(aif.allows("/a", None, Method::GET) && aif.allows("/a", None, Method::POST));
}

#[test]
fn limits_and_malformed_rights() {
    let eight = [&hex("88")[..], &hex("82612f01").repeat(8)].concat();
    let nine = [&hex("89")[..], &hex("82612f01").repeat(9)].concat();
    let path = |len: usize| {
        let mut out = [0; 128];
        let entries = [("x".repeat(len), Methods(1))];
        let entries = entries.each_ref().map(|(path, methods)| (path.as_str(), *methods));
        Aif::encode(&entries, &mut out).map(|aif| aif.as_bytes().len())
    };
    assert_eq!(Aif::parse(&eight).unwrap().iter().count(), 8);
    assert_eq!(Aif::parse(&nine), Err(Error::TooMany));
    assert_eq!(path(91), Ok(96));
    assert!(path(92).is_err());
    assert_eq!(Aif::parse(&[0; 97]), Err(Error::TooLong));

    let mut empty = Aif::parse(&[0x80]).unwrap().iter();
    assert_eq!(empty.next(), None);

    for (bytes, why) in [
        ("", "nothing"),
        ("82612f01", "a flat list, as another dialect has it"),
        ("81612f", "an entry that is no pair"),
        ("8183612f0101", "a triple"),
        ("8182412f01", "bytes for a path"),
        ("8182612f20", "a negative mask"),
        ("8182612f", "an end too soon"),
        ("8182612f0100", "more after the end"),
        ("9f82612f01ff", "an indefinite length"),
        ("8182612f1801", "a long form"),
        ("818261ff01", "text that is no UTF-8"),
        ("a1612f01", "a map"),
        ("8182612ff93c00", "a float"),
    ] {
        assert!(Aif::parse(&hex(bytes)).is_err(), "{why}");
    }
}
