//! Words for whoever watches, through the debugger; without `core::fmt`, which would double the image of a small lock.

use crate::board::debug;

/// Writes a text.
pub(crate) fn text(text: &str) {
    text.bytes().for_each(debug);
}

/// Writes a text and ends the line.
pub(crate) fn line(words: &str) {
    text(words);
    debug(b'\n');
}

/// Writes a number.
pub(crate) fn number(number: u32) {
    if number >= 10 {
        self::number(number / 10);
    }
    debug(b'0' + (number % 10) as u8);
}

/// Writes bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) {
    let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' + value - 10 };
    for byte in bytes {
        debug(digit(byte >> 4));
        debug(digit(byte & 15));
    }
}
