#![allow(clippy::indexing_slicing, reason = "test data")]

use ormdb_proto::schema::{Entity, IndexColumn, IndexOrigin, IndexState, ScalarType, Schema, Uniqueness};
use ormdb_proto::schema::{EntityId, Field};

use super::super::EntityStore;
use super::*;

fn entity(unique: Option<NullsDistinct>, covering: Vec<FieldId>) -> Entity {
    let field = |id: u32, ty: ScalarType| Field {
        id: FieldId(id),
        name: format!("f{id}"),
        mapped_name: None,
        doc: None,
        ty: FieldType::Scalar(ty),
        optional: true,
        default: None,
        updated_at: false,
        computed: None,
        computation: ormdb_proto::schema::Computation::WhenRead,
        hidden: false,
        embedded: None,
        since_layout: 1,
        absent_value: ormdb_proto::Value::Null,
    };
    let column = |id: u32, descending: bool| IndexColumn { field: FieldId(id), descending };
    Entity {
        id: EntityId(3),
        name: "Thing".to_owned(),
        mapped_name: None,
        doc: None,
        implied: false,
        fields: vec![
            field(1, ScalarType::Int64),
            field(2, ScalarType::String { chars_max: None }),
            field(3, ScalarType::Int32),
        ],
        embedded: Vec::new(),
        primary_key: vec![FieldId(1)],
        relations: Vec::new(),
        foreign_keys: Vec::new(),
        indexes: vec![Index {
            id: IndexId(9),
            name: "thing_idx".to_owned(),
            columns: vec![column(2, false), column(3, true)],
            covering,
            unique: unique.map(|nulls| Uniqueness { nulls }),
            filter: None,
            origin: IndexOrigin::Declared,
            state: IndexState::Public,
        }],
        checks: Vec::new(),
        default_order: Vec::new(),
        soft_delete: None,
        layout: 1,
        next_field: 9,
    }
}

fn entry_of(store: &EntityStore, values: &[ValueRef<'_>]) -> (IndexEntry, Vec<u8>) {
    let row = store.rows.encode(values).unwrap();
    let view = store.rows.view(&row).unwrap();
    let key = store.primary_key.encode_row(&view).unwrap();
    (store.indexes[0].entry(&view, &key).unwrap(), key)
}

#[test]
fn entries_lead_back_to_their_rows() {
    use NullsDistinct::{Distinct, NotDistinct};
    for unique in [None, Some(Distinct), Some(NotDistinct)] {
        for covering in [vec![], vec![FieldId(3), FieldId(2)]] {
            let covers = !covering.is_empty();
            let store = EntityStore::build(&Schema::empty(), &entity(unique, covering)).unwrap();
            let index = &store.indexes[0];
            for second in [ValueRef::Int32(5), ValueRef::Null] {
                let values = [ValueRef::Int64(-1), ValueRef::String("a\0"), second.clone()];
                let (entry, key) = entry_of(&store, &values);
                assert_eq!(index.primary_key(&entry.key, &entry.value).unwrap(), key);
                let columns = index.column_values(&entry.key).unwrap();
                assert_eq!(columns[0].as_ref(), values[1]);
                assert_eq!(columns[1].as_ref(), values[2]);
                assert!(entry.key.starts_with(&index.prefix(&values[1..2])));
                assert!(entry.key.starts_with(&index.prefix(&values[1..3])));
                let distinct_null = unique == Some(Distinct) && second.is_null();
                assert_eq!(entry.guards, unique.is_some() && !distinct_null);
                match index.covered(&entry.value).unwrap() {
                    Some(covered) => {
                        assert!(covers);
                        assert_eq!(covered.get(0).unwrap(), values[2]);
                        assert_eq!(covered.get(1).unwrap(), values[1]);
                    }
                    None => assert!(!covers),
                }
            }
        }
    }
}

#[test]
fn equal_columns_of_a_unique_index_meet() {
    let store = EntityStore::build(&Schema::empty(), &entity(Some(NullsDistinct::Distinct), vec![])).unwrap();
    let row = |id: i64, n: Option<i32>| {
        let n = n.map_or(ValueRef::Null, ValueRef::Int32);
        entry_of(&store, &[ValueRef::Int64(id), ValueRef::String("x"), n]).0.key
    };
    assert_eq!(row(1, Some(4)), row(2, Some(4)));
    assert_ne!(row(1, None), row(2, None));
    assert!(row(1, Some(5)) < row(1, Some(4)), "the second column descends");
}
