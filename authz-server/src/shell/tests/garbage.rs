//! What is no request in CBOR or JSON, for every endpoint that takes one.

/// Deeper than any stack frame of a parser that recursed would survive in a test's thread.
const DEEP: usize = 10_000;
/// What is of two bytes for each level has to fit 16 KiB, the limit of a body in these tests.
const SHORTER: usize = 8_000;

/// What is no message in CBOR, made beside one that is good: a map of fewer than 23 members.
pub(crate) fn cbor(good: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let nested = |byte: u8| [vec![byte; DEEP], vec![0]].concat();
    let maps = [[0xa1, 0].repeat(SHORTER), vec![0]].concat();
    let (first, members) = good.split_first().unwrap();
    let with = |member: &[u8]| [&[first + 1], members, member].concat();
    vec![
        ("nothing", vec![]),
        ("a text", vec![0x61, b'a']),
        ("an array", vec![0x80]),
        ("a map that breaks off", good[..good.len() - 1].to_vec()),
        ("a byte too many", [good, &[0]].concat()),
        ("a member twice", with(&with_key(good))),
        ("an indefinite map", [&[0xbf], members, &[0xff]].concat()),
        ("a text that is no UTF-8", vec![0xa1, 5, 0x61, 0xff]),
        ("a float where a number is due", vec![0xa1, 0x18, 33, 0xf9, 0x40, 0]),
        ("a map that claims 2^64 - 1 members", [&[0xbb][..], &[0xff; 8]].concat()),
        ("a text that claims 2^63 - 1 bytes", [&[0xa1, 5, 0x7b, 0x7f][..], &[0xff; 7]].concat()),
        ("10,000 arrays", nested(0x81)),
        ("8,000 maps", maps.clone()),
        ("10,000 tags", nested(0xc1)),
        ("10,000 arrays as a member", with(&[&[0x19, 0x03, 0xe7][..], &nested(0x81)].concat())),
        ("8,000 maps as a member", with(&[&[0x19, 0x03, 0xe7][..], &maps].concat())),
        ("10,000 tags as a member", with(&[&[0x19, 0x03, 0xe7][..], &nested(0xc1)].concat())),
        ("10,000 arrays as the audience", [&[0xa1, 5][..], &nested(0x81)].concat()),
        ("8,000 maps as the key", [&[0xa1, 4][..], &maps].concat()),
        ("10,000 arrays as the token", [&[0xa1, 11][..], &nested(0x81)].concat()),
        ("10,000 arrays as a key of the map", [&[0xa1][..], &nested(0x81), &[0]].concat()),
    ]
}

/// The first member of a map, whose value is a text or bytes of fewer than 24, or behind one byte of length.
fn with_key(map: &[u8]) -> Vec<u8> {
    let key = if map[1] == 0x18 { 2 } else { 1 };
    let head = map[1 + key];
    let value = match head & 0x1f {
        length @ 0..24 if head >> 5 != 0 => 1 + usize::from(length),
        24 => 2 + usize::from(map[2 + key]),
        _ => 1,
    };
    map[1..1 + key + value].to_vec()
}

/// What is no JSON object, or none of its kind: `member` is one that is read.
pub(crate) fn json(member: &str) -> Vec<(&'static str, Vec<u8>)> {
    let open = "[".repeat(DEEP);
    let (inner, outer) = ("[".repeat(SHORTER), "]".repeat(SHORTER));
    vec![
        ("nothing", Vec::new()),
        ("half an object", b"{".to_vec()),
        ("an array", b"[]".to_vec()),
        ("a text", b"\"x\"".to_vec()),
        ("null", b"null".to_vec()),
        ("bytes that are no UTF-8", b"{\"\xff\":1}".to_vec()),
        ("a second object", b"{}{}".to_vec()),
        ("a member of another type", format!("{{\"{member}\":{{\"a\":[true]}}}}").into_bytes()),
        ("a number past all bounds", format!("{{\"{member}\":1e999999}}").into_bytes()),
        ("10,000 arrays that begin", open.clone().into_bytes()),
        ("8,000 arrays", format!("{inner}{outer}").into_bytes()),
        ("10,000 arrays that begin in a member", format!("{{\"{member}\":{open}").into_bytes()),
        ("8,000 arrays in a member", format!("{{\"{member}\":{inner}{outer}}}").into_bytes()),
        ("3,000 objects", "{\"a\":".repeat(3_000).into_bytes()),
    ]
}
