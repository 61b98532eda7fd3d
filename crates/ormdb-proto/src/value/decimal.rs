//! Exact decimal numbers of up to 38 digits.
//!
//! Invariants: (1) the number is `unscaled / 10^scale`; (2) `scale <= SCALE_MAX` and `|unscaled| < 10^38`;
//! (3) the scale is kept as written: 1.50 prints as 1.50, and equals, hashes and sorts like 1.5; (4) arithmetic is
//! exact or says that it cannot be: no result is silently rounded, but for a division's, as in PostgreSQL.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use rkyv::{Archive, Deserialize, Serialize};

/// The most digits that a decimal may have.
pub const PRECISION_MAX: u8 = 38;
/// The most digits behind the point.
pub const SCALE_MAX: u8 = 38;
/// How many digits a quotient has at least, where 38 digits have room for them.
const QUOTIENT_DIGITS_MIN: i32 = 16;
/// The longest text that is read as a decimal: digits beyond the 38th can only be zeros.
const TEXT_BYTES_MAX: usize = 256;

/// An exact decimal number: `unscaled / 10^scale`.
#[derive(Clone, Copy, Debug, Archive, Serialize, Deserialize, serde::Serialize, serde::Deserialize)]
pub struct Decimal {
    unscaled: i128,
    scale: u8,
}

/// The text is not a decimal number of at most 38 digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseDecimalError {
    /// It is no number.
    #[error("not a decimal number")]
    Malformed,
    /// It has too many digits.
    #[error("a decimal number has at most 38 digits")]
    TooLarge,
}

/// `10^n`, for `n` up to 38.
const fn power(n: u8) -> Option<i128> {
    10i128.checked_pow(n as u32)
}

impl Decimal {
    /// Zero.
    pub const ZERO: Decimal = Decimal { unscaled: 0, scale: 0 };

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

    /// Whether it is zero, at whatever scale.
    pub const fn is_zero(self) -> bool {
        self.unscaled == 0
    }

    /// How many digits it has, leading zeros left out; at least one.
    pub fn digits(self) -> u32 {
        self.unscaled.unsigned_abs().checked_ilog10().map_or(1, |n| n + 1)
    }

    /// The same number with no zeros at its end behind the point.
    #[must_use]
    pub fn normalized(mut self) -> Decimal {
        while self.scale > 0 && self.unscaled % 10 == 0 {
            self.unscaled /= 10;
            self.scale -= 1;
        }
        self
    }

    /// The number at another scale, rounded half away from zero; none if it then has more than 38 digits.
    pub fn rescale(self, scale: u8) -> Option<Decimal> {
        if scale >= self.scale {
            let factor = power(scale - self.scale)?;
            return Decimal::new(self.unscaled.checked_mul(factor)?, scale);
        }
        let factor = power(self.scale - scale)?;
        let (quotient, rest) = (self.unscaled / factor, self.unscaled % factor);
        let round_up = rest.unsigned_abs() >= factor.unsigned_abs().div_ceil(2);
        Decimal::new(if round_up { quotient + self.unscaled.signum() } else { quotient }, scale)
    }

    /// The whole part, the digits behind the point dropped.
    pub fn truncated(self) -> i128 {
        power(self.scale).map_or(0, |factor| self.unscaled / factor)
    }

    /// The nearest whole number, halves away from zero.
    pub fn rounded(self) -> i128 {
        self.rescale(0).map_or(0, |d| d.unscaled)
    }

    /// The sum; none if it has more than 38 digits.
    pub fn checked_add(self, other: Decimal) -> Option<Decimal> {
        let (a, b) = aligned(self, other)?;
        Decimal::new(a.unscaled.checked_add(b.unscaled)?, a.scale)
    }

    /// The difference; none if it has more than 38 digits.
    pub fn checked_sub(self, other: Decimal) -> Option<Decimal> {
        self.checked_add(other.negated())
    }

    /// The product; none if it has more than 38 digits. The scales add up where there is room for the zeros.
    pub fn checked_mul(self, other: Decimal) -> Option<Decimal> {
        let product = |a: Decimal, b: Decimal| {
            Decimal::new(a.unscaled.checked_mul(b.unscaled)?, a.scale.checked_add(b.scale)?)
        };
        product(self, other).or_else(|| product(self.normalized(), other.normalized()))
    }

    /// The quotient, rounded half away from zero to at least 16 digits (PostgreSQL's choice of scale), to as many as
    /// 38 digits have room for; none of a zero divisor or if the whole part has more than 38 digits.
    pub fn checked_div(self, other: Decimal) -> Option<Decimal> {
        if other.is_zero() {
            return None;
        }
        let wanted = self.quotient_scale(other);
        (0..=wanted).rev().find_map(|scale| self.divided(other, scale))
    }

    /// What is left of a division that rounds toward zero; none of a zero divisor.
    pub fn checked_rem(self, other: Decimal) -> Option<Decimal> {
        if other.is_zero() {
            return None;
        }
        let (a, b) = aligned(self, other)?;
        Decimal::new(a.unscaled % b.unscaled, a.scale)
    }

    /// The number with the other sign.
    #[must_use]
    pub const fn negated(self) -> Decimal {
        Decimal { unscaled: -self.unscaled, scale: self.scale }
    }

    /// The nearest binary floating-point number.
    pub fn to_f64(self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// The decimal that the shortest text of `v` says (as PostgreSQL casts, to 15 digits); none of NaN, infinities
    /// and numbers of more than 38 digits.
    pub fn from_f64(v: f64) -> Option<Decimal> {
        if !v.is_finite() {
            return None;
        }
        let text = format!("{v:.14e}");
        text.parse::<Decimal>().ok().map(Decimal::normalized)
    }

    /// The scale of a quotient, as PostgreSQL chooses it from the weights of its digits in base 10,000.
    fn quotient_scale(self, other: Decimal) -> u8 {
        let (weight_a, first_a) = self.base_10000_head();
        let (weight_b, first_b) = other.base_10000_head();
        let weight = weight_a - weight_b - i32::from(first_a <= first_b);
        let scale = QUOTIENT_DIGITS_MIN - weight * 4;
        let scale =
            scale.max(i32::from(self.scale)).max(i32::from(other.scale)).clamp(0, i32::from(SCALE_MAX));
        u8::try_from(scale).unwrap_or(SCALE_MAX)
    }

    /// The weight of the first digit in base 10,000 and that digit.
    fn base_10000_head(self) -> (i32, u128) {
        if self.is_zero() {
            return (0, 0);
        }
        let magnitude = self.unscaled.unsigned_abs();
        let exponent = i32::try_from(self.digits()).unwrap_or(0) - 1 - i32::from(self.scale);
        let weight = exponent.div_euclid(4);
        let shift = weight * 4 + i32::from(self.scale);
        let power = 10u128.checked_pow(shift.unsigned_abs()).unwrap_or(1);
        (weight, if shift >= 0 { magnitude / power } else { magnitude.saturating_mul(power) })
    }

    /// The quotient at one scale, by long division; none if it has more than 38 digits.
    fn divided(self, other: Decimal, scale: u8) -> Option<Decimal> {
        let divisor = other.unscaled.unsigned_abs();
        let mut rest = self.unscaled.unsigned_abs();
        // quotient = a * 10^(scale + scale_b - scale_a) / b
        let shift = i32::from(scale) + i32::from(other.scale) - i32::from(self.scale);
        let mut divisor_scaled = divisor;
        if shift < 0 {
            divisor_scaled = divisor.checked_mul(10u128.checked_pow(shift.unsigned_abs())?)?;
        }
        let mut quotient = i128::try_from(rest / divisor_scaled).ok()?;
        rest %= divisor_scaled;
        for _ in 0..shift.max(0) {
            let mut digit = 0;
            let mut sum = 0u128;
            for _ in 0..10 {
                sum += rest;
                if sum >= divisor_scaled {
                    sum -= divisor_scaled;
                    digit += 1;
                }
            }
            rest = sum;
            quotient = quotient.checked_mul(10)?.checked_add(digit)?;
        }
        if rest >= divisor_scaled.div_ceil(2) {
            quotient = quotient.checked_add(1)?;
        }
        let negative = (self.unscaled < 0) != (other.unscaled < 0);
        Decimal::new(if negative { -quotient } else { quotient }, scale)
    }
}

/// Both numbers at the larger scale; at the least scale that loses nothing, if that has no room.
fn aligned(a: Decimal, b: Decimal) -> Option<(Decimal, Decimal)> {
    let at = |a: Decimal, b: Decimal| {
        let scale = a.scale.max(b.scale);
        Some((a.rescale(scale)?, b.rescale(scale)?))
    };
    at(a, b).or_else(|| at(a.normalized(), b.normalized()))
}

impl Ord for Decimal {
    fn cmp(&self, other: &Decimal) -> Ordering {
        if self.scale == other.scale {
            return self.unscaled.cmp(&other.unscaled);
        }
        let parts = |d: &Decimal, scale: u8| {
            let one = power(d.scale).unwrap_or(1);
            let widen = power(scale - d.scale).unwrap_or(1);
            (d.unscaled / one, (d.unscaled % one) * widen)
        };
        let scale = self.scale.max(other.scale);
        parts(self, scale).cmp(&parts(other, scale))
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Decimal) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Decimal) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl Hash for Decimal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let plain = self.normalized();
        (plain.unscaled, plain.scale).hash(state);
    }
}

impl From<i64> for Decimal {
    fn from(v: i64) -> Decimal {
        Decimal { unscaled: i128::from(v), scale: 0 }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.unscaled < 0 { "-" } else { "" };
        let magnitude = self.unscaled.unsigned_abs();
        if self.scale == 0 {
            return write!(f, "{sign}{magnitude}");
        }
        let one = 10u128.pow(u32::from(self.scale));
        let width = usize::from(self.scale);
        write!(f, "{sign}{}.{:0width$}", magnitude / one, magnitude % one)
    }
}

impl FromStr for Decimal {
    type Err = ParseDecimalError;

    /// Reads `12`, `-1.50`, `.5`, `1e-3`.
    fn from_str(text: &str) -> Result<Decimal, ParseDecimalError> {
        use ParseDecimalError::{Malformed, TooLarge};
        let text = text.trim();
        if text.len() > TEXT_BYTES_MAX {
            return Err(TooLarge);
        }
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| Malformed)?),
            None => (text, 0),
        };
        let (negative, digits) = match mantissa.as_bytes().first() {
            Some(b'-') => (true, mantissa.get(1..).unwrap_or_default()),
            Some(b'+') => (false, mantissa.get(1..).unwrap_or_default()),
            _ => (false, mantissa),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && fraction.is_empty() {
            return Err(Malformed);
        }
        let mut unscaled = 0i128;
        for byte in whole.bytes().chain(fraction.bytes()) {
            let digit = byte.checked_sub(b'0').filter(|d| *d < 10).ok_or(Malformed)?;
            unscaled =
                unscaled.checked_mul(10).and_then(|v| v.checked_add(i128::from(digit))).ok_or(TooLarge)?;
        }
        if negative {
            unscaled = -unscaled;
        }
        let mut scale = i32::try_from(fraction.len()).map_err(|_| TooLarge)?.saturating_sub(exponent);
        if unscaled == 0 {
            scale = scale.clamp(0, i32::from(SCALE_MAX));
        }
        while scale < 0 {
            unscaled = unscaled.checked_mul(10).ok_or(TooLarge)?;
            scale += 1;
        }
        while scale > i32::from(SCALE_MAX) && unscaled % 10 == 0 {
            unscaled /= 10;
            scale -= 1;
        }
        u8::try_from(scale).ok().and_then(|scale| Decimal::new(unscaled, scale)).ok_or(TooLarge)
    }
}

#[cfg(test)]
mod tests;
