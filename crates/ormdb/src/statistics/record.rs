//! How the statistics of an entity are stored.
//!
//! ```text
//! | version u8 = 1 | rows i64 | sampled u8: 0 nothing follows, 1 |
//!   fields u32 | field … |                                          field id u32 | nulls f64 | distinct f64 |
//!                                                                   common u32 | value, share f64 … | bounds u32 | value … |
//!   combined u32 | fields u32 | field id u32 … | distinct f64 …
//! value      | length u16 | bytes |                                 numbers are little-endian
//! ```
//!
//! Invariant: what another version wrote, or what is damaged, reads as nothing: statistics can be made again.

#![deny(clippy::indexing_slicing)]

use ormdb_proto::schema::FieldId;

use super::figures::{EntityFigures, FieldFigures, cut};

const VERSION: u8 = 1;
/// The most elements of a list that are read.
const ELEMENTS_MAX: u32 = 4096;

/// The record of an entity.
pub(super) fn encode(rows: i64, sampled: Option<&EntityFigures>) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.extend_from_slice(&rows.to_le_bytes());
    out.push(u8::from(sampled.is_some()));
    let Some(sampled) = sampled else { return out };
    let mut fields: Vec<_> = sampled.fields.iter().collect();
    fields.sort_unstable_by_key(|(id, _)| **id);
    push_len(&mut out, fields.len());
    for (id, field) in fields {
        out.extend_from_slice(&id.0.to_le_bytes());
        out.extend_from_slice(&field.nulls.to_le_bytes());
        out.extend_from_slice(&field.distinct.to_le_bytes());
        push_len(&mut out, field.common.len());
        for (value, share) in &field.common {
            push_value(&mut out, value);
            out.extend_from_slice(&share.to_le_bytes());
        }
        push_len(&mut out, field.bounds.len());
        field.bounds.iter().for_each(|bound| push_value(&mut out, bound));
    }
    push_len(&mut out, sampled.combined.len());
    for (fields, distinct) in &sampled.combined {
        push_len(&mut out, fields.len());
        fields.iter().for_each(|field| out.extend_from_slice(&field.0.to_le_bytes()));
        out.extend_from_slice(&distinct.to_le_bytes());
    }
    out
}

/// The rows of a record, and what was sampled; none if it cannot be read.
pub(super) fn decode(bytes: &[u8]) -> Option<(i64, Option<EntityFigures>)> {
    let mut reader = Reader(bytes);
    if reader.take::<1>()? != [VERSION] {
        return None;
    }
    let rows = i64::from_le_bytes(reader.take()?);
    if reader.take::<1>()? == [0] {
        return Some((rows, None));
    }
    let mut sampled = EntityFigures::default();
    for _ in 0..reader.len()? {
        let id = FieldId(u32::from_le_bytes(reader.take()?));
        let (nulls, distinct) = (reader.number()?, reader.number()?);
        let mut field = FieldFigures { nulls, distinct, ..FieldFigures::default() };
        for _ in 0..reader.len()? {
            field.common.push((reader.value()?, reader.number()?));
        }
        for _ in 0..reader.len()? {
            field.bounds.push(reader.value()?);
        }
        sampled.fields.insert(id, field);
    }
    for _ in 0..reader.len()? {
        let mut fields = Vec::new();
        for _ in 0..reader.len()? {
            fields.push(FieldId(u32::from_le_bytes(reader.take()?)));
        }
        sampled.combined.push((fields, reader.number()?));
    }
    Some((rows, Some(sampled)))
}

/// Decodes arbitrary bytes as a record: what is read is written as it was read.
pub(crate) fn fuzz(bytes: &[u8]) {
    let Some((rows, sampled)) = decode(bytes) else { return };
    let written = encode(rows, sampled.as_ref());
    let again = decode(&written);
    // Long values are cut when they are written.
    let written_again = again.map(|(rows, sampled)| encode(rows, sampled.as_ref()));
    assert_eq!(written_again, Some(written), "a record reads back");
}

/// A record of some figures.
pub(crate) fn seed() -> Vec<u8> {
    let field = FieldFigures {
        nulls: 0.25,
        distinct: 40.0,
        common: vec![(b"a".to_vec(), 0.5), (b"b".to_vec(), 0.125)],
        bounds: vec![b"c".to_vec(), b"dd".to_vec()],
    };
    let fields = [(FieldId(1), field)].into_iter().collect();
    encode(100, Some(&EntityFigures { fields, combined: vec![(vec![FieldId(1), FieldId(2)], 60.0)] }))
}

fn push_len(out: &mut Vec<u8>, len: usize) {
    out.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
}

fn push_value(out: &mut Vec<u8>, value: &[u8]) {
    let value = cut(value);
    out.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend_from_slice(value);
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn len(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take()?)).filter(|len| *len <= ELEMENTS_MAX)
    }

    fn number(&mut self) -> Option<f64> {
        Some(f64::from_le_bytes(self.take()?)).filter(|number| number.is_finite())
    }

    fn value(&mut self) -> Option<Vec<u8>> {
        let len = usize::from(u16::from_le_bytes(self.take()?));
        let (value, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(value.to_vec())
    }
}

#[cfg(test)]
mod tests;
