//! What the tests share.

#![allow(dead_code)] // each test binary uses its part

/// Bytes from hexadecimal digits; spaces and line ends are for the reader.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    assert!(digits.len().is_multiple_of(2), "odd number of digits: {}", digits.len());
    digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// A CBOR byte string with this content.
pub(crate) fn bstr(content: &[u8]) -> Vec<u8> {
    let mut out = vec![0; content.len() + 9];
    let mut w = latchwork_cbor::Writer::new(&mut out);
    w.bytes(content).unwrap();
    w.finish().to_vec()
}
