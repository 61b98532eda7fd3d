//! Rows: the stored fields of an entity as a tuple, under the layout that wrote it.
//!
//! Invariants: (1) slots are the stored fields in the order of their ids, at every layout; (2) a row of an older layout
//! has the absent value of each field that is younger; (3) a row names its layout, never its fields.
//!
//! ```text
//! | layout varint | tuple (store::tuple) |
//! ```

#![deny(clippy::indexing_slicing)]

use ormdb_proto::schema::{Entity, EntityId, EnumId, FieldId, FieldType, ScalarType, Schema};
use ormdb_proto::value::ValueRef;
use ormdb_proto::{Error, ErrorCode, Result, Value};

use super::key::{self, KeyReader, KeyValue};
use super::tuple::{TupleLayout, TupleView};
use super::{corrupt, layout, varint};

/// How the rows of an entity are encoded, at its present layout and at the older ones.
#[derive(Debug)]
pub(crate) struct RowFormat {
    layout: u32,
    slots: Vec<Slot>,
    /// The layouts at which stored fields were added, ascending; the last holds for the present one.
    shapes: Vec<Shape>,
}

#[derive(Debug)]
struct Slot {
    field: FieldId,
    ty: FieldType,
    absent: Value,
    /// The labels of the field's enum, for its absent value.
    labels: Vec<(String, u32)>,
}

#[derive(Debug)]
struct Shape {
    since: u32,
    tuple: TupleLayout,
    /// For each slot, its place in the tuple.
    places: Vec<Option<usize>>,
}

/// A row as it lies, its fields reached by slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowView<'a> {
    format: &'a RowFormat,
    shape: &'a Shape,
    tuple: TupleView<'a>,
}

/// What a row has in a slot, without a look at the value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Raw<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// A null.
    Null,
    /// Nothing: the row is older than the field.
    Absent,
}

impl RowFormat {
    /// The encodings of the rows of `entity`.
    ///
    /// # Errors
    /// `Internal` if a field's enum is not in the schema.
    pub(crate) fn build(schema: &Schema, entity: &Entity) -> Result<RowFormat> {
        let mut stored: Vec<_> = entity.fields.iter().filter(|f| f.is_stored()).collect();
        stored.sort_unstable_by_key(|f| f.id);
        let slots = stored
            .iter()
            .map(|field| {
                let labels = match field.ty.scalar() {
                    ScalarType::Enum(id) => labels_of(schema, id)?,
                    _ => Vec::new(),
                };
                Ok(Slot { field: field.id, ty: field.ty, absent: field.absent_value.clone(), labels })
            })
            .collect::<Result<Vec<_>>>()?;
        let mut starts: Vec<u32> = stored.iter().map(|f| f.since_layout).collect();
        starts.push(0);
        starts.sort_unstable();
        starts.dedup();
        let shapes = starts
            .into_iter()
            .map(|since| {
                let there = |f: &&&ormdb_proto::schema::Field| f.since_layout <= since;
                let mut next = 0;
                let places = stored
                    .iter()
                    .map(|f| {
                        there(&f).then(|| {
                            next += 1;
                            next - 1
                        })
                    })
                    .collect();
                Shape { since, tuple: TupleLayout::new(stored.iter().filter(there).map(|f| f.ty)), places }
            })
            .collect();
        Ok(RowFormat { layout: entity.layout, slots, shapes })
    }

    /// How many slots rows have.
    pub(crate) const fn slot_count(&self) -> usize {
        self.slots.len()
    }

    /// The slot of a stored field; none of a computed one.
    pub(crate) fn slot(&self, field: FieldId) -> Option<usize> {
        self.slots.binary_search_by_key(&field, |slot| slot.field).ok()
    }

    /// The field of a slot.
    pub(crate) fn field(&self, slot: usize) -> Option<FieldId> {
        self.slots.get(slot).map(|slot| slot.field)
    }

    /// The value of a slot in rows that are older than its field.
    ///
    /// # Errors
    /// `Internal` if there is no such slot.
    pub(crate) fn absent_value(&self, slot: usize) -> Result<ValueRef<'_>> {
        self.slots.get(slot).map_or_else(no_slot, Slot::absent_value)
    }

    /// The type of a slot.
    pub(crate) fn ty(&self, slot: usize) -> Option<FieldType> {
        self.slots.get(slot).map(|slot| slot.ty)
    }

    /// Encodes a row at the present layout: one value for each slot.
    ///
    /// # Errors
    /// `Internal` if the values are not of the fields' types.
    pub(crate) fn encode(&self, values: &[ValueRef<'_>]) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(ROW_ROOM_BYTES);
        varint::push_u32(&mut out, self.layout);
        self.shape(self.layout)?.tuple.encode(values, &mut out)?;
        Ok(out)
    }

    /// A row of the present layout with new values in some slots, as [`RowFormat::encode`] gives it of all values; none if that
    /// cannot be had by putting bytes where the old ones stand.
    ///
    /// # Errors
    /// `Internal` if a value is not of its field's type.
    pub(crate) fn patched<'v>(
        &self,
        row: &[u8],
        changes: impl Iterator<Item = (usize, ValueRef<'v>)>,
    ) -> Result<Option<Vec<u8>>> {
        let mut rest = row;
        if varint::take_u32(&mut rest) != Some(self.layout) {
            return Ok(None);
        }
        let shape = self.shape(self.layout)?;
        let mut patched = row.to_vec();
        let Some(tuple) = patched.get_mut(row.len() - rest.len()..) else { return Ok(None) };
        for (slot, value) in changes {
            let Some(Some(place)) = shape.places.get(slot) else { return Ok(None) };
            if !shape.tuple.patch(tuple, *place, &value)? {
                return Ok(None);
            }
        }
        Ok(Some(patched))
    }

    /// A view of a row of this or an older layout.
    ///
    /// # Errors
    /// `Corrupt` if the bytes are no row, or one of a layout that does not exist yet.
    pub(crate) fn view<'a>(&'a self, mut bytes: &'a [u8]) -> Result<RowView<'a>> {
        let layout = varint::take_u32(&mut bytes).ok_or_else(|| corrupt("a row has no layout"))?;
        if layout > self.layout {
            return Err(corrupt(format!("a row has layout {layout}, which its entity has not reached yet")));
        }
        let shape = self.shape(layout)?;
        Ok(RowView { format: self, shape, tuple: shape.tuple.view(bytes)? })
    }

    fn shape(&self, layout: u32) -> Result<&Shape> {
        self.shapes
            .iter()
            .rev()
            .find(|shape| shape.since <= layout)
            .ok_or_else(|| Error::new(ErrorCode::Internal, "an entity has no layout"))
    }
}

impl<'a> RowView<'a> {
    /// The value of a slot.
    ///
    /// # Errors
    /// `Corrupt` if its bytes are no such value; `Internal` if there is no such slot.
    pub(crate) fn get(&self, slot: usize) -> Result<ValueRef<'a>> {
        match self.shape.places.get(slot) {
            Some(Some(place)) => self.tuple.get(*place),
            Some(None) => self.format.slots.get(slot).map_or_else(no_slot, Slot::absent_value),
            None => no_slot(),
        }
    }

    /// The bytes of a slot's value, as [`TupleView::raw`] gives them.
    ///
    /// # Errors
    /// As of [`TupleView::raw`].
    #[inline]
    pub(crate) fn raw(&self, slot: usize) -> Result<Raw<'a>> {
        match self.shape.places.get(slot) {
            Some(Some(place)) => Ok(self.tuple.raw(*place)?.map_or(Raw::Null, Raw::Bytes)),
            Some(None) => Ok(Raw::Absent),
            None => no_slot().map(|_| Raw::Null),
        }
    }

    /// The value of a field.
    ///
    /// # Errors
    /// As of [`RowView::get`]; `Internal` of a field that is not stored.
    pub(crate) fn field(&self, field: FieldId) -> Result<ValueRef<'a>> {
        self.format.slot(field).map_or_else(no_slot, |slot| self.get(slot))
    }

    /// The values of all slots.
    ///
    /// # Errors
    /// As of [`RowView::get`].
    pub(crate) fn values(&self) -> Result<Vec<ValueRef<'a>>> {
        (0..self.format.slots.len()).map(|slot| self.get(slot)).collect()
    }
}

impl Slot {
    fn absent_value(&self) -> Result<ValueRef<'_>> {
        let position = |label: &str| self.labels.iter().find(|(l, _)| l == label).map(|(_, p)| *p);
        ValueRef::of(&self.absent, &position).ok_or_else(|| {
            Error::new(ErrorCode::Internal, "the default of older rows is no label of its enum")
        })
    }
}

fn no_slot<'a>() -> Result<ValueRef<'a>> {
    Err(Error::new(ErrorCode::Internal, "a row has no such field"))
}

fn labels_of(schema: &Schema, id: EnumId) -> Result<Vec<(String, u32)>> {
    let found = schema.enum_by_id(id);
    let found = found.ok_or_else(|| Error::new(ErrorCode::Internal, format!("no enum has the id {id}")))?;
    Ok(found.labels.iter().map(|l| (l.name.clone(), l.position)).collect())
}

/// Room that is made for a row at once: most take no more.
const ROW_ROOM_BYTES: usize = 256;
/// Room that is made for each field of a primary key at once: numbers and identifiers take no more.
const FIELD_ROOM_BYTES: usize = 16;

/// How the primary keys of an entity are encoded.
#[derive(Clone, Debug)]
pub(crate) struct PrimaryKeyFormat {
    entity: EntityId,
    fields: Vec<(usize, FieldType)>,
}

impl PrimaryKeyFormat {
    pub(super) fn build(entity: &Entity, rows: &RowFormat) -> Result<PrimaryKeyFormat> {
        let fields = entity
            .primary_key
            .iter()
            .map(|field| {
                let slot = rows.slot(*field);
                slot.and_then(|slot| Some((slot, rows.ty(slot)?))).ok_or_else(|| {
                    Error::new(ErrorCode::Internal, format!("`{}` does not store its key", entity.name))
                })
            })
            .collect::<Result<_>>()?;
        Ok(PrimaryKeyFormat { entity: entity.id, fields })
    }

    /// The key's fields, in key order: the slot and the type of each.
    pub(crate) fn fields(&self) -> &[(usize, FieldType)] {
        &self.fields
    }

    /// The slots of the key's fields, in key order.
    pub(crate) fn slots(&self) -> impl ExactSizeIterator<Item = usize> {
        self.fields.iter().map(|(slot, _)| *slot)
    }

    /// The encoded key of values in key order; of fewer values, what the keys of all rows that have them begin with.
    ///
    /// # Errors
    /// `Internal` of a null.
    pub(crate) fn encode(&self, values: &[ValueRef<'_>]) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        for value in values {
            key::push_key_field(&mut out, value)?;
        }
        Ok(out)
    }

    /// The encoded key of a row.
    ///
    /// # Errors
    /// As of [`RowView::get`].
    pub(crate) fn encode_row(&self, row: &RowView<'_>) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(self.fields.len() * FIELD_ROOM_BYTES);
        for (slot, _) in &self.fields {
            key::push_key_field(&mut out, &row.get(*slot)?)?;
        }
        Ok(out)
    }

    /// The key of the row of an encoded primary key.
    pub(crate) fn row_key(&self, primary_key: &[u8]) -> Vec<u8> {
        layout::row_key(self.entity, primary_key)
    }

    /// Whether [`PrimaryKeyFormat::decode`] gives all fields back as they were.
    pub(crate) fn is_lossless(&self) -> bool {
        self.fields.iter().all(|(_, ty)| key::is_lossless(*ty))
    }

    /// The values of an encoded key, in key order.
    ///
    /// # Errors
    /// `Corrupt` if the bytes are no such key; `Internal` if the key is not lossless.
    pub(crate) fn decode(&self, primary_key: &[u8]) -> Result<Vec<KeyValue>> {
        let mut reader = KeyReader::new(primary_key);
        let values = self.fields.iter().map(|(_, ty)| reader.key_field(*ty)).collect::<Result<Vec<_>>>()?;
        if reader.rest().is_empty() { Ok(values) } else { Err(corrupt("a primary key is too long")) }
    }
}

/// Every scalar type, both widths of decimals.
pub(super) fn every_scalar() -> Vec<ScalarType> {
    vec![
        ScalarType::Bool,
        ScalarType::Int16,
        ScalarType::Int32,
        ScalarType::Int64,
        ScalarType::Float32,
        ScalarType::Float64,
        ScalarType::Decimal { precision: 12, scale: 2 },
        ScalarType::Decimal { precision: 38, scale: 10 },
        ScalarType::String { chars_max: None },
        ScalarType::Bytes,
        ScalarType::Uuid,
        ScalarType::DateTime,
        ScalarType::LocalDateTime,
        ScalarType::Date,
        ScalarType::Time,
        ScalarType::Interval,
        ScalarType::Json,
        ScalarType::Enum(EnumId(1)),
    ]
}

/// Reads arbitrary bytes as a tuple of every type.
pub(crate) fn fuzz(bytes: &[u8]) {
    let scalars = every_scalar();
    let types = scalars.iter().flat_map(|s| [FieldType::Scalar(*s), FieldType::Array(*s)]);
    let layout = TupleLayout::new(types);
    let mut rest = bytes;
    if varint::take_u32(&mut rest).is_none() {
        return;
    }
    if let Ok(view) = layout.view(rest) {
        for at in 0..layout.len() {
            // An error is an answer too: only a panic is a finding.
            drop(view.get(at));
        }
    }
}

#[cfg(test)]
mod tests;
