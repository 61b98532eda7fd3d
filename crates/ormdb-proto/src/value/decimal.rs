//! Exact decimal numbers of up to 38 digits.
//!
//! Invariants: (1) the number is `unscaled / 10^scale`; (2) `scale <= SCALE_MAX` and `|unscaled| < 10^38`;
//! (3) the scale is kept as written: 1.50 prints as 1.50 and equals 1.5.

use rkyv::{Archive, Deserialize, Serialize};

/// The most digits that a decimal may have.
pub const PRECISION_MAX: u8 = 38;
/// The most digits behind the point.
pub const SCALE_MAX: u8 = 38;

/// An exact decimal number: `unscaled / 10^scale`.
#[derive(Clone, Copy, Debug, Archive, Serialize, Deserialize, serde::Serialize, serde::Deserialize)]
pub struct Decimal {
    unscaled: i128,
    scale: u8,
}

impl Decimal {
    /// The number `unscaled / 10^scale`, or none if it has more than 38 digits or too large a scale.
    pub const fn new(unscaled: i128, scale: u8) -> Option<Decimal> {
        if scale > SCALE_MAX || unscaled.unsigned_abs() >= 10u128.pow(PRECISION_MAX as u32) {
            return None;
        }
        Some(Decimal { unscaled, scale })
    }

    /// The digits without the point.
    pub const fn unscaled(self) -> i128 {
        self.unscaled
    }

    /// How many digits stand behind the point.
    pub const fn scale(self) -> u8 {
        self.scale
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Decimal) -> bool {
        self.unscaled == other.unscaled && self.scale == other.scale
    }
}
