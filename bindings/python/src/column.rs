//! Python objects of a column, all at once or one.
//!
//! Invariant: what a block says is checked as it is read: offsets, labels and UTF-8 of a hostile server give an error.

#![deny(clippy::indexing_slicing)]

use ormdb_proto::block::{Column, ColumnValues};
use ormdb_proto::value::{Decimal, Interval as ProtoInterval, temporal};
use ormdb_proto::{Error, ErrorCode};
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyBytes, PyDate, PyDateTime, PyFloat, PyInt, PyList, PyNone, PyString, PyTime, PyTzInfo,
};

use crate::error::exception;
use crate::interval::Interval;
use crate::layout::Labels;
use crate::types::Types;

type Object<'py> = Bound<'py, PyAny>;

/// The objects of all rows of a column.
pub(crate) fn objects<'py>(
    py: Python<'py>,
    column: &Column<'_>,
    labels: &Labels,
) -> PyResult<Vec<Object<'py>>> {
    let reader = Reader { py, column, labels };
    let rows = column.len();
    match column.values() {
        ColumnValues::Bool(bits) => {
            let (yes, no) = (PyBool::new(py, true).to_owned(), PyBool::new(py, false).to_owned());
            reader.all(|row| Ok(if bit(bits, row) { &yes } else { &no }.clone().into_any()))
        }
        ColumnValues::Int16(v) => reader.each(v, |v| Ok(PyInt::new(py, i16::from_le_bytes(v)).into_any())),
        ColumnValues::Int32(v) => reader.each(v, |v| Ok(PyInt::new(py, i32::from_le_bytes(v)).into_any())),
        ColumnValues::Int64(v) => reader.each(v, |v| Ok(PyInt::new(py, i64::from_le_bytes(v)).into_any())),
        ColumnValues::Float32(v) => {
            reader.each(v, |v| Ok(PyFloat::new(py, f64::from(f32::from_le_bytes(v))).into_any()))
        }
        ColumnValues::Float64(v) => {
            reader.each(v, |v| Ok(PyFloat::new(py, f64::from_le_bytes(v)).into_any()))
        }
        ColumnValues::Enum(v) => reader.each(v, |v| label(py, labels, u32::from_le_bytes(v))),
        ColumnValues::String { offsets, bytes } => {
            reader.ranges(offsets, bytes, |text| Ok(PyString::from_bytes(py, text)?.into_any()))
        }
        ColumnValues::List { offsets, elements } => {
            let items = objects(py, elements, labels)?;
            reader.all(|row| {
                let (start, end) = bounds(py, offsets, row)?;
                let items =
                    items.get(start..end).ok_or_else(|| malformed(py, "a list ends behind its elements"))?;
                Ok(PyList::new(py, items)?.into_any())
            })
        }
        ColumnValues::Decimal { .. }
        | ColumnValues::Bytes { .. }
        | ColumnValues::Json { .. }
        | ColumnValues::Uuid(_)
        | ColumnValues::DateTime(_)
        | ColumnValues::LocalDateTime(_)
        | ColumnValues::Date(_)
        | ColumnValues::Time(_)
        | ColumnValues::Interval(_)
        | ColumnValues::RowNumber(_) => (0..rows).map(|row| reader.one(row)).collect(),
    }
}

/// The object of one row of a column.
pub(crate) fn object<'py>(
    py: Python<'py>,
    column: &Column<'_>,
    labels: &Labels,
    row: usize,
) -> PyResult<Object<'py>> {
    Reader { py, column, labels }.one(row)
}

struct Reader<'a, 'py> {
    py: Python<'py>,
    column: &'a Column<'a>,
    labels: &'a Labels,
}

impl<'py> Reader<'_, 'py> {
    /// The objects of all rows, by their numbers.
    fn all(&self, make: impl Fn(usize) -> PyResult<Object<'py>>) -> PyResult<Vec<Object<'py>>> {
        let mut objects = Vec::with_capacity(self.column.len());
        match self.column.validity() {
            None => {
                for row in 0..self.column.len() {
                    objects.push(make(row)?);
                }
            }
            Some(valid) => {
                for row in 0..self.column.len() {
                    objects.push(if bit(valid, row) { make(row)? } else { self.absent(row)? });
                }
            }
        }
        Ok(objects)
    }

    /// The objects of all rows, by their values of fixed width.
    fn each<const N: usize>(
        &self,
        values: &[[u8; N]],
        make: impl Fn([u8; N]) -> PyResult<Object<'py>>,
    ) -> PyResult<Vec<Object<'py>>> {
        let mut objects = Vec::with_capacity(values.len());
        match self.column.validity() {
            None => {
                for value in values {
                    objects.push(make(*value)?);
                }
            }
            Some(valid) => {
                for (row, value) in values.iter().enumerate() {
                    objects.push(if bit(valid, row) { make(*value)? } else { self.absent(row)? });
                }
            }
        }
        Ok(objects)
    }

    /// The objects of all rows, by their bytes.
    fn ranges(
        &self,
        offsets: &[[u8; 4]],
        bytes: &[u8],
        make: impl Fn(&[u8]) -> PyResult<Object<'py>>,
    ) -> PyResult<Vec<Object<'py>>> {
        self.all(|row| make(range(self.py, offsets, bytes, row)?))
    }

    /// What stands where there is no value.
    fn absent(&self, row: usize) -> PyResult<Object<'py>> {
        if self.column.is_withheld(row) {
            return Ok(Types::get(self.py)?.withheld.bind(self.py).clone());
        }
        Ok(PyNone::get(self.py).to_owned().into_any())
    }

    fn one(&self, row: usize) -> PyResult<Object<'py>> {
        let py = self.py;
        if !self.column.is_valid(row) {
            return self.absent(row);
        }
        Ok(match self.column.values() {
            ColumnValues::Bool(bits) => PyBool::new(py, bit(bits, row)).to_owned().into_any(),
            ColumnValues::Int16(v) => PyInt::new(py, i16::from_le_bytes(self.at(v, row)?)).into_any(),
            ColumnValues::Int32(v) => PyInt::new(py, i32::from_le_bytes(self.at(v, row)?)).into_any(),
            ColumnValues::Int64(v) => PyInt::new(py, i64::from_le_bytes(self.at(v, row)?)).into_any(),
            ColumnValues::Float32(v) => {
                PyFloat::new(py, f64::from(f32::from_le_bytes(self.at(v, row)?))).into_any()
            }
            ColumnValues::Float64(v) => PyFloat::new(py, f64::from_le_bytes(self.at(v, row)?)).into_any(),
            ColumnValues::Decimal { values, scale, scales } => {
                let scale = match scales {
                    Some(scales) => {
                        scales.get(row).copied().ok_or_else(|| malformed(py, "a scale is missing"))?
                    }
                    None => *scale,
                };
                decimal(py, i128::from_le_bytes(self.at(values, row)?), scale)?
            }
            ColumnValues::String { offsets, bytes } => {
                PyString::from_bytes(py, range(py, offsets, bytes, row)?)?.into_any()
            }
            ColumnValues::Bytes { offsets, bytes } => {
                PyBytes::new(py, range(py, offsets, bytes, row)?).into_any()
            }
            ColumnValues::Json { offsets, bytes } => {
                let text = PyString::from_bytes(py, range(py, offsets, bytes, row)?)?;
                Types::get(py)?.json_loads.bind(py).call1((text,))?
            }
            ColumnValues::Uuid(v) => uuid(py, self.at(v, row)?)?,
            ColumnValues::DateTime(v) => {
                let utc = Types::get(py)?.utc.bind(py).cast::<PyTzInfo>()?;
                datetime(py, i64::from_le_bytes(self.at(v, row)?), Some(utc))?
            }
            ColumnValues::LocalDateTime(v) => datetime(py, i64::from_le_bytes(self.at(v, row)?), None)?,
            ColumnValues::Date(v) => date(py, i32::from_le_bytes(self.at(v, row)?))?,
            ColumnValues::Time(v) => time(py, i64::from_le_bytes(self.at(v, row)?))?,
            ColumnValues::Interval(v) => Bound::new(py, Interval(interval(self.at(v, row)?)))?.into_any(),
            ColumnValues::Enum(v) => label(py, self.labels, u32::from_le_bytes(self.at(v, row)?))?,
            ColumnValues::RowNumber(v) => PyInt::new(py, u32::from_le_bytes(self.at(v, row)?)).into_any(),
            ColumnValues::List { offsets, elements } => {
                let (start, end) = bounds(py, offsets, row)?;
                if end > elements.len() {
                    return Err(malformed(py, "a list ends behind its elements"));
                }
                let elements = Reader { py, column: elements, labels: self.labels };
                let items = (start..end).map(|at| elements.one(at)).collect::<PyResult<Vec<_>>>()?;
                PyList::new(py, items)?.into_any()
            }
        })
    }

    fn at<const N: usize>(&self, values: &[[u8; N]], row: usize) -> PyResult<[u8; N]> {
        values.get(row).copied().ok_or_else(|| malformed(self.py, "a column ends too early"))
    }
}

/// The error of bytes that are no valid result.
pub(crate) fn malformed(py: Python<'_>, what: &str) -> PyErr {
    let error = Error::new(ErrorCode::ProtocolViolation, format!("malformed result: {what}"));
    exception(py, &error, None)
}

fn bit(bits: &[u8], row: usize) -> bool {
    bits.get(row / 8).is_some_and(|byte| byte >> (row % 8) & 1 == 1)
}

fn bounds(py: Python<'_>, offsets: &[[u8; 4]], row: usize) -> PyResult<(usize, usize)> {
    let at = |row: usize| {
        let offset = offsets.get(row).map(|offset| u32::from_le_bytes(*offset));
        offset.and_then(|offset| usize::try_from(offset).ok())
    };
    match (at(row), at(row + 1)) {
        (Some(start), Some(end)) if start <= end => Ok((start, end)),
        _ => Err(malformed(py, "offsets descend")),
    }
}

fn range<'a>(py: Python<'_>, offsets: &[[u8; 4]], bytes: &'a [u8], row: usize) -> PyResult<&'a [u8]> {
    let (start, end) = bounds(py, offsets, row)?;
    bytes.get(start..end).ok_or_else(|| malformed(py, "a value ends behind its column"))
}

fn label<'py>(py: Python<'py>, labels: &Labels, position: u32) -> PyResult<Object<'py>> {
    let at = labels.binary_search_by_key(&position, |(position, _)| *position);
    match at.ok().and_then(|at| labels.get(at)) {
        Some((_, name)) => Ok(name.bind(py).clone().into_any()),
        None => Err(malformed(py, "an enum has a label that the shape lacks")),
    }
}

fn decimal(py: Python<'_>, unscaled: i128, scale: u8) -> PyResult<Object<'_>> {
    let decimal =
        Decimal::new(unscaled, scale).ok_or_else(|| malformed(py, "a decimal has too many digits"))?;
    Types::get(py)?.decimal.bind(py).call1((decimal.to_string(),))
}

/// A UUID, past the constructor, which looks at five ways to give it and is ten times as slow.
fn uuid(py: Python<'_>, bytes: [u8; 16]) -> PyResult<Object<'_>> {
    let types = Types::get(py)?;
    let uuid = types.uuid_new.bind(py).call1((&types.uuid,))?;
    let set = types.set_attribute.bind(py);
    set.call1((&uuid, pyo3::intern!(py, "int"), u128::from_be_bytes(bytes)))?;
    set.call1((&uuid, pyo3::intern!(py, "is_safe"), &types.uuid_safe))?;
    Ok(uuid)
}

/// The part of a clock's fields, which are small and never negative.
fn field(value: i8) -> u8 {
    u8::try_from(value).unwrap_or(0)
}

fn datetime<'py>(py: Python<'py>, micros: i64, zone: Option<&Bound<'py, PyTzInfo>>) -> PyResult<Object<'py>> {
    let at = temporal::civil_datetime(micros).ok_or_else(|| malformed(py, "a moment of no year"))?;
    let micros = u32::try_from(at.subsec_nanosecond() / 1000).unwrap_or(0);
    let (month, day) = (field(at.month()), field(at.day()));
    let (hour, minute, second) = (field(at.hour()), field(at.minute()), field(at.second()));
    let made = PyDateTime::new(py, i32::from(at.year()), month, day, hour, minute, second, micros, zone)?;
    Ok(made.into_any())
}

fn date(py: Python<'_>, days: i32) -> PyResult<Object<'_>> {
    let day = temporal::civil_date(days).ok_or_else(|| malformed(py, "a day of no year"))?;
    let made = PyDate::new(py, i32::from(day.year()), field(day.month()), field(day.day()))?;
    Ok(made.into_any())
}

fn time(py: Python<'_>, micros: i64) -> PyResult<Object<'_>> {
    let at = temporal::civil_time(micros).ok_or_else(|| malformed(py, "a time behind midnight"))?;
    let micros = u32::try_from(at.subsec_nanosecond() / 1000).unwrap_or(0);
    let made = PyTime::new(py, field(at.hour()), field(at.minute()), field(at.second()), micros, None)?;
    Ok(made.into_any())
}

fn interval(bytes: [u8; 16]) -> ProtoInterval {
    let [m0, m1, m2, m3, d0, d1, d2, d3, micros @ ..] = bytes;
    ProtoInterval {
        months: i32::from_le_bytes([m0, m1, m2, m3]),
        days: i32::from_le_bytes([d0, d1, d2, d3]),
        micros: i64::from_le_bytes(micros),
    }
}
