//! Floats to whole seconds, in integers only: a lock without floating point need not link any.

use crate::Error;

/// Where a binary float of IEEE 754 keeps its parts.
pub(crate) struct Format {
    exponent_bits: u32,
    fraction_bits: u32,
}

pub(crate) const HALF: Format = Format { exponent_bits: 5, fraction_bits: 10 };
pub(crate) const SINGLE: Format = Format { exponent_bits: 8, fraction_bits: 23 };
pub(crate) const DOUBLE: Format = Format { exponent_bits: 11, fraction_bits: 52 };

impl Format {
    /// The greatest integer that is not above the float.
    pub(crate) fn floor(&self, bits: u64) -> Result<i64, Error> {
        let highest_exponent = (1 << self.exponent_bits) - 1;
        let negative = bits >> (self.exponent_bits + self.fraction_bits) != 0;
        let exponent = (bits >> self.fraction_bits) & highest_exponent;
        let fraction = bits & ((1 << self.fraction_bits) - 1);
        if exponent == highest_exponent {
            return Err(Error::OutOfRange);
        }
        let mantissa = if exponent == 0 { fraction } else { fraction | (1 << self.fraction_bits) };
        // The value is mantissa * 2^(exponent - unit). Subnormals, where exponent is 0, are below 1 whichever way they are counted.
        let unit = (highest_exponent >> 1) + u64::from(self.fraction_bits);
        let (whole, exact) = match (exponent.checked_sub(unit), unit.saturating_sub(exponent)) {
            (Some(left), _) if left < mantissa.leading_zeros().into() => (mantissa << left, true),
            (Some(_), _) => return Err(Error::OutOfRange),
            (None, right @ 0..=63) => (mantissa >> right, mantissa & ((1 << right) - 1) == 0),
            (None, _) => (0, mantissa == 0),
        };
        let whole = i64::try_from(whole).map_err(|_| Error::OutOfRange)?;
        Ok(match (negative, exact) {
            (false, _) => whole,
            (true, true) => -whole,
            (true, false) => -whole - 1,
        })
    }
}
