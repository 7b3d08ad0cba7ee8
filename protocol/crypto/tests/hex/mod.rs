//! Vectors are written in hexadecimal.

pub(crate) fn hex(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

#[allow(dead_code)]
pub(crate) fn fixed<const N: usize>(digits: &str) -> [u8; N] {
    hex(digits).try_into().unwrap()
}
