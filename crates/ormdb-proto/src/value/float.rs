//! Floats as text, as PostgreSQL writes them.
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
