//! What the hash of a token is computed over (RFC 9770 §4): the base64url text of the token's bytes, so that answers in CBOR and
//! in JSON lead to the same hash. The hash itself is [`PREFIX`] followed by SHA-256 of that text (§4.4).

use latchwork_cbor::Full;

/// Names SHA-256 (RFC 6920 §9.4); the first byte of a token hash.
pub const PREFIX: u8 = 1;

/// Length of a token hash.
pub const LEN: usize = 33;

/// Hands the text over piece by piece, for a hash that takes pieces.
pub fn stream(token: &[u8], mut update: impl FnMut(&[u8])) {
    let mut rest = token;
    while !rest.is_empty() {
        let (group, after) = rest.split_at_checked(3).unwrap_or((rest, &[]));
        let (text, len) = encode_group(group);
        update(text.get(..len).unwrap_or_default());
        rest = after;
    }
}

/// Writes the text into `out`, which must hold [`input_len`] bytes.
pub fn input<'o>(token: &[u8], out: &'o mut [u8]) -> Result<&'o [u8], Full> {
    let out = out.get_mut(..input_len(token.len())).ok_or(Full)?;
    let mut places = out.iter_mut();
    stream(token, |text| text.iter().zip(places.by_ref()).for_each(|(from, to)| *to = *from));
    Ok(out)
}

/// Length of the text for a token of `token_len` bytes.
pub const fn input_len(token_len: usize) -> usize {
    token_len / 3 * 4
        + match token_len % 3 {
            0 => 0,
            1 => 2,
            _ => 3,
        }
}

/// One to three bytes as up to four characters (RFC 4648 §5, without padding).
fn encode_group(group: &[u8]) -> ([u8; 4], usize) {
    let byte = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
    let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
    ([18, 12, 6, 0].map(|shift| character(bits >> shift & 63)), input_len(group.len()))
}

fn character(sextet: u32) -> u8 {
    #[allow(clippy::cast_possible_truncation)] // a sextet
    let sextet = sextet as u8;
    match sextet {
        0..=25 => b'A' + sextet,
        26..=51 => b'a' + (sextet - 26),
        52..=61 => b'0' + (sextet - 52),
        62 => b'-',
        _ => b'_',
    }
}
