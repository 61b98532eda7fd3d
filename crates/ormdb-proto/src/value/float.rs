//! Floats as text, as PostgreSQL writes and reads them.
//!
//! Invariants: (1) the digits are the fewest that read back as the same number; (2) what is printed is short: there is an
//! exponent where the digits alone would need zeros that say nothing.

/// The text of a float of 64 bits: `0.1`, `1e+308`, `Infinity`, `NaN`.
pub fn format_float64(v: f64) -> String {
    format_float(v, v.to_string(), format!("{v:e}"), 15)
}

/// The text of a float of 32 bits: `0.1`, `1e+06`, `Infinity`, `NaN`.
pub fn format_float32(v: f32) -> String {
    format_float(f64::from(v), v.to_string(), format!("{v:e}"), 6)
}

/// `exponent_end` is the first exponent that is written as one.
fn format_float(v: f64, plain: String, exponential: String, exponent_end: i32) -> String {
    if v.is_infinite() {
        return if v > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    // NaN has no exponent to split off.
    let Some((digits, exponent)) = exponential.split_once('e') else { return plain };
    match exponent.parse::<i32>() {
        Ok(exponent) if exponent < -4 || exponent >= exponent_end => format!("{digits}e{exponent:+03}"),
        _ => plain,
    }
}

/// Why a text is no float.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseFloatError {
    /// It is no number.
    #[error("is no number")]
    Malformed,
    /// It is a number beyond the largest float of 64 bits.
    #[error("is beyond float64")]
    OutOfRange,
}

/// The float of 64 bits nearest to the number that the text writes, without the space around it. The infinities and NaN
/// have names (`Infinity`, `-inf`, `NaN`, in any case); a number in digits is never read as infinite.
///
/// # Errors
/// What [`ParseFloatError`] lists.
pub fn parse_float64(text: &str) -> Result<f64, ParseFloatError> {
    let read: f64 = text.trim().parse().map_err(|_| ParseFloatError::Malformed)?;
    if read.is_infinite() && text.contains(|c: char| c.is_ascii_digit()) {
        return Err(ParseFloatError::OutOfRange);
    }
    Ok(read)
}

/// The nearest float of 32 bits, or none where a finite number has none.
pub fn narrow_float32(v: f64) -> Option<f32> {
    #[expect(clippy::cast_possible_truncation, reason = "rounds; what is too large is refused below")]
    let narrow = v as f32;
    (narrow.is_finite() || !v.is_finite()).then_some(narrow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_never_read_as_an_infinity() {
        assert_eq!(parse_float64(" 1.5 "), Ok(1.5));
        assert_eq!(parse_float64("-Infinity"), Ok(f64::NEG_INFINITY));
        assert_eq!(parse_float64("1e400"), Err(ParseFloatError::OutOfRange));
        assert_eq!(parse_float64("1,5"), Err(ParseFloatError::Malformed));
        assert_eq!(narrow_float32(1e39), None);
        assert_eq!(narrow_float32(f64::INFINITY), Some(f32::INFINITY));
        assert!(narrow_float32(f64::NAN).is_some_and(f32::is_nan));
    }
}
