//! Literals that are more than one token, or that may not fit their type.

use ormdb_proto::value::{Decimal, PRECISION_MAX, temporal};
use ormdb_proto::{Error, ErrorCode, Result, Value};

use super::cursor::Cursor;
use super::lexer::Lexeme;

/// The number at hand, if one is there.
pub(super) fn number(cursor: &mut Cursor<'_>, sign: &str) -> Result<Option<Value>> {
    let span = cursor.peek().span;
    let value = match &cursor.peek().lexeme {
        Lexeme::Integer(digits) => match format!("{sign}{digits}").parse() {
            Ok(number) => Some(Value::Int64(number)),
            Err(_) => decimal(sign, digits).map(Value::Decimal),
        },
        Lexeme::Decimal(digits) => decimal(sign, digits).map(Value::Decimal),
        Lexeme::Float(digits) => {
            let number: Option<f64> = format!("{sign}{digits}").parse().ok();
            let Some(number) = number.filter(|number| number.is_finite()) else {
                let message = "the number is out of the range of float64, which ends near 1.8e308";
                return Err(Error::new(ErrorCode::NumericOverflow, message).span(span));
            };
            Some(Value::Float64(number))
        }
        Lexeme::Word(_)
        | Lexeme::Quoted(_)
        | Lexeme::Param(_)
        | Lexeme::Text(_)
        | Lexeme::Bytes(_)
        | Lexeme::Symbol(_)
        | Lexeme::End => return Ok(None),
    };
    let Some(value) = value else {
        let message = format!("the number is too large: exact numbers have at most {PRECISION_MAX} digits");
        return Err(Error::new(ErrorCode::NumericOverflow, message).span(span));
    };
    cursor.advance();
    Ok(Some(value))
}

fn decimal(sign: &str, digits: &str) -> Option<Decimal> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let scale = u8::try_from(fraction.len()).ok()?;
    Decimal::new(format!("{sign}{whole}{fraction}").parse().ok()?, scale)
}

/// Reads `date"2024-01-31"`: the name of a type with a string directly behind it, if one stands here.
pub(super) fn typed_literal(cursor: &mut Cursor<'_>) -> Result<Option<Value>> {
    let ty = cursor.peek().span;
    let (Some(word), Lexeme::Text(text)) = (cursor.word(), &cursor.peek_at(1).lexeme) else {
        return Ok(None);
    };
    let span = cursor.peek_at(1).span;
    if span.start != ty.end {
        return Ok(None);
    }
    let value = match word {
        "datetime" => temporal::parse_datetime(text).map(Value::DateTime).map_err(|e| e.to_string()),
        "local_datetime" => {
            temporal::parse_local_datetime(text).map(Value::LocalDateTime).map_err(|e| e.to_string())
        }
        "date" => temporal::parse_date(text).map(Value::Date).map_err(|e| e.to_string()),
        "time" => temporal::parse_time(text).map(Value::Time).map_err(|e| e.to_string()),
        "uuid" => uuid::Uuid::try_parse(text)
            .map(|uuid| Value::Uuid(uuid.into_bytes()))
            .map_err(|_| format!("`{text}` is no uuid")),
        other => {
            let types = ["datetime", "local_datetime", "date", "time", "uuid", "x"];
            return Err(Error::new(
                ErrorCode::UnknownName,
                format!("there are no literals of a type `{other}`"),
            )
            .span(ty)
            .suggest(other, types));
        }
    };
    let value = value.map_err(|message| Error::new(ErrorCode::InvalidValue, message).span(span))?;
    cursor.advance();
    cursor.advance();
    Ok(Some(value))
}
