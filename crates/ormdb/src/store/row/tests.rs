#![allow(clippy::indexing_slicing, reason = "test data")]

use ormdb_proto::schema::Field;
use ormdb_proto::schema::{EnumLabel, EnumType};

use super::super::random::{random_value, scalar_ref};
use super::*;

fn field(id: u32, ty: FieldType, since_layout: u32, absent_value: Value) -> Field {
    Field {
        id: FieldId(id),
        name: format!("f{id}"),
        mapped_name: None,
        doc: None,
        ty,
        optional: true,
        default: None,
        updated_at: false,
        computed: None,
        computation: ormdb_proto::schema::Computation::WhenRead,
        hidden: false,
        embedded: None,
        since_layout,
        absent_value,
    }
}

fn entity(fields: Vec<Field>, layout: u32) -> Entity {
    Entity {
        id: EntityId(7),
        name: "Thing".to_owned(),
        mapped_name: None,
        doc: None,
        implied: false,
        embedded: Vec::new(),
        primary_key: vec![FieldId(1)],
        fields,
        relations: Vec::new(),
        foreign_keys: Vec::new(),
        indexes: Vec::new(),
        checks: Vec::new(),
        default_order: Vec::new(),
        soft_delete: None,
        layout,
        next_field: 9,
    }
}

fn schema() -> Schema {
    let labels = (0..5).map(|n| EnumLabel { position: n, name: n.to_string() }).collect();
    let of = EnumType { id: EnumId(1), name: "E".to_owned(), doc: None, labels };
    Schema { enums: vec![of], ..Schema::empty() }
}

/// Bits, since a NaN does not equal itself.
fn same(a: &ValueRef<'_>, b: &ValueRef<'_>) -> bool {
    format!("{a:?}") == format!("{b:?}")
}

#[test]
fn rows_read_back() {
    let seed = 0x5eed_0004;
    let mut rng = fastrand::Rng::with_seed(seed);
    let types: Vec<FieldType> =
        every_scalar().into_iter().flat_map(|s| [FieldType::Scalar(s), FieldType::Array(s)]).collect();
    for _ in 0..300 {
        let chosen: Vec<FieldType> =
            (0..rng.usize(1..20)).map(|_| types[rng.usize(0..types.len())]).collect();
        let fields = chosen.iter().zip(1..).map(|(ty, id)| field(id, *ty, 1, Value::Null)).collect();
        let format = RowFormat::build(&schema(), &entity(fields, 3)).unwrap();
        let values: Vec<Value> = chosen.iter().map(|ty| random_value(&mut rng, *ty)).collect();
        let refs: Vec<ValueRef<'_>> = values.iter().map(scalar_ref).collect();
        let bytes = format.encode(&refs).unwrap();
        let view = format.view(&bytes).unwrap();
        for (slot, want) in refs.iter().enumerate() {
            let got = view.get(slot).unwrap();
            assert!(same(&got, want), "seed {seed}: {got:?} {want:?}");
        }
        // Cut anywhere, a row gives answers, whatever they are.
        for len in 0..bytes.len() {
            if let Ok(view) = format.view(&bytes[..len]) {
                drop(view.values());
            }
        }
    }
}

#[test]
fn a_patched_row_is_the_row_of_the_new_values() {
    let seed = 0x5eed_0005;
    let mut rng = fastrand::Rng::with_seed(seed);
    let types: Vec<FieldType> =
        every_scalar().into_iter().flat_map(|s| [FieldType::Scalar(s), FieldType::Array(s)]).collect();
    let [mut patched, mut other] = [0; 2];
    for _ in 0..2000 {
        let chosen: Vec<FieldType> =
            (0..rng.usize(1..20)).map(|_| types[rng.usize(0..types.len())]).collect();
        let fields = chosen.iter().zip(1..).map(|(ty, id)| field(id, *ty, 1, Value::Null)).collect();
        let format = RowFormat::build(&schema(), &entity(fields, 3)).unwrap();
        let [old, mut new] =
            [(); 2].map(|()| -> Vec<Value> { chosen.iter().map(|ty| random_value(&mut rng, *ty)).collect() });
        let slots: Vec<usize> = (0..chosen.len()).filter(|_| rng.u8(..4) == 0).collect();
        for slot in (0..chosen.len()).filter(|slot| !slots.contains(slot)) {
            new[slot] = old[slot].clone();
        }
        let encoded =
            |values: &[Value]| format.encode(&values.iter().map(scalar_ref).collect::<Vec<_>>()).unwrap();
        let changes = slots.iter().map(|slot| (*slot, scalar_ref(&new[*slot])));
        match format.patched(&encoded(&old), changes).unwrap() {
            Some(row) => {
                assert_eq!(row, encoded(&new), "seed {seed}");
                patched += 1;
            }
            None => other += 1,
        }
    }
    assert!(patched > 200 && other > 200, "{patched} {other}");
}

#[test]
fn a_row_is_patched_where_nothing_moves() {
    let (int, text) =
        (FieldType::Scalar(ScalarType::Int64), FieldType::Scalar(ScalarType::String { chars_max: None }));
    let fields =
        vec![field(1, int, 1, Value::Null), field(2, text, 1, Value::Null), field(3, int, 2, Value::Null)];
    let older = RowFormat::build(&schema(), &entity(fields[..2].to_vec(), 1)).unwrap();
    let format = RowFormat::build(&schema(), &entity(fields, 2)).unwrap();
    let row = format.encode(&[ValueRef::Int64(1), ValueRef::String("a"), ValueRef::Null]).unwrap();
    let patched = |row: &[u8], slot, value| format.patched(row, std::iter::once((slot, value))).unwrap();
    assert!(patched(&row, 0, ValueRef::Int64(2)).is_some());
    assert_eq!(patched(&row, 0, ValueRef::Null), None, "to null");
    assert_eq!(patched(&row, 2, ValueRef::Int64(2)), None, "from null");
    assert_eq!(patched(&row, 1, ValueRef::String("b")), None, "of any width");
    let old = older.encode(&[ValueRef::Int64(1), ValueRef::String("a")]).unwrap();
    assert_eq!(patched(&old, 0, ValueRef::Int64(2)), None, "of an older layout");
    let error = format.patched(&row, std::iter::once((0, ValueRef::Int32(2)))).unwrap_err();
    assert_eq!(error.code, ErrorCode::Internal);
}

#[test]
fn long_rows_have_wide_ends() {
    let string = FieldType::Scalar(ScalarType::String { chars_max: None });
    let fields = vec![field(1, string, 1, Value::Null), field(2, string, 1, Value::Null)];
    let format = RowFormat::build(&schema(), &entity(fields, 1)).unwrap();
    let long = "x".repeat(70_000);
    let bytes = format.encode(&[ValueRef::String(&long), ValueRef::String("tail")]).unwrap();
    let view = format.view(&bytes).unwrap();
    assert_eq!(view.get(0).unwrap(), ValueRef::String(&long));
    assert_eq!(view.get(1).unwrap(), ValueRef::String("tail"));
}

#[test]
fn older_rows_have_the_absent_values_of_younger_fields() {
    let int = FieldType::Scalar(ScalarType::Int32);
    let label = FieldType::Scalar(ScalarType::Enum(EnumId(1)));
    let old = entity(vec![field(1, int, 1, Value::Null), field(3, int, 1, Value::Null)], 1);
    let old_format = RowFormat::build(&schema(), &old).unwrap();
    let bytes = old_format.encode(&[ValueRef::Int32(1), ValueRef::Int32(3)]).unwrap();
    let mut fields = old.fields.clone();
    fields.insert(0, field(4, label, 2, Value::Enum("4".to_owned())));
    fields.push(field(5, int, 3, Value::Null));
    let format = RowFormat::build(&schema(), &entity(fields, 3)).unwrap();
    let view = format.view(&bytes).unwrap();
    let values = view.values().unwrap();
    assert_eq!(values, [ValueRef::Int32(1), ValueRef::Int32(3), ValueRef::Enum(4), ValueRef::Null]);
    let rewritten = format.encode(&values).unwrap();
    assert_eq!(format.view(&rewritten).unwrap().values().unwrap(), values);
    assert_eq!(old_format.view(&rewritten).unwrap_err().code, ErrorCode::Corrupt);
    assert_eq!(format.slot(FieldId(3)), Some(1));
}

#[test]
fn wrong_types_are_no_rows() {
    let int = FieldType::Scalar(ScalarType::Int32);
    let format = RowFormat::build(&schema(), &entity(vec![field(1, int, 1, Value::Null)], 1)).unwrap();
    assert_eq!(format.encode(&[ValueRef::Int64(1)]).unwrap_err().code, ErrorCode::Internal);
    assert_eq!(format.encode(&[]).unwrap_err().code, ErrorCode::Internal);
    assert_eq!(format.view(&[]).unwrap_err().code, ErrorCode::Corrupt);
    assert_eq!(format.view(&[1, 0x80, 0, 0, 0, 0, 0]).unwrap_err().code, ErrorCode::Corrupt);
}

#[test]
fn primary_keys_read_back() {
    let int = FieldType::Scalar(ScalarType::Int32);
    let text = FieldType::Scalar(ScalarType::String { chars_max: None });
    let mut of = entity(vec![field(1, int, 1, Value::Null), field(2, text, 1, Value::Null)], 1);
    of.primary_key = vec![FieldId(2), FieldId(1)];
    let rows = RowFormat::build(&schema(), &of).unwrap();
    let key = PrimaryKeyFormat::build(&of, &rows).unwrap();
    let values = [ValueRef::String("a\0b"), ValueRef::Int32(-5)];
    let bytes = key.encode(&values).unwrap();
    let read = key.decode(&bytes).unwrap();
    assert_eq!(read.iter().map(KeyValue::as_ref).collect::<Vec<_>>(), values);
    let row = rows.encode(&[ValueRef::Int32(-5), ValueRef::String("a\0b")]).unwrap();
    assert_eq!(key.encode_row(&rows.view(&row).unwrap()).unwrap(), bytes);
    assert_eq!(layout::primary_key_of(&key.row_key(&bytes)).unwrap(), bytes);
    assert!(key.decode(&bytes[..3]).is_err());
}
