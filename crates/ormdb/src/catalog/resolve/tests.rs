use std::fmt::Write;

use ormdb_proto::schema::{Entity, FieldId, Index, RelationKind, Schema};

use super::resolve;
use crate::catalog::{Catalog, diff};
use crate::text::parse_schema;

/// Applies schema texts one after the other. `apply` prints the changes, `refuse` the errors, `show` what is there.
#[test]
fn texts_become_schemas() {
    datadriven::walk("src/catalog/testdata", |file| {
        let mut schema = Schema::empty();
        file.run(|case| match case.directive.as_str() {
            "apply" => match next(&case.input, &schema) {
                Ok(new) => {
                    let changes = diff(&schema, &new);
                    schema = public(new);
                    changes.iter().map(|c| format!("{c}\n")).collect()
                }
                Err(errors) => errors,
            },
            "show" => show(&schema),
            other => panic!("unknown directive {other}"),
        });
    });
}

/// The next schema, or what is wrong with the text.
fn next(text: &str, previous: &Schema) -> Result<Schema, String> {
    let errors = |errors: Vec<ormdb_proto::Error>| -> String {
        errors.iter().map(|e| format!("{}\n", e.render(Some(text)))).collect()
    };
    let ast = parse_schema(text).map_err(errors)?;
    let schema = resolve(&ast, previous).map_err(errors)?;
    Catalog::build(schema.clone(), text).unwrap();
    Ok(schema)
}

/// The schema as it is when everything that was pending is done.
fn public(mut schema: Schema) -> Schema {
    for entity in &mut schema.entities {
        entity.indexes.iter_mut().for_each(|i| i.state = ormdb_proto::schema::IndexState::Public);
        let public = ormdb_proto::schema::ConstraintState::Public;
        entity.checks.iter_mut().for_each(|c| c.state = public);
        entity.foreign_keys.iter_mut().for_each(|k| k.state = public);
    }
    schema
}

fn show(schema: &Schema) -> String {
    let mut out = String::new();
    for e in &schema.enums {
        let labels: Vec<String> = e.labels.iter().map(|l| format!("{}={}", l.name, l.position)).collect();
        writeln!(out, "enum {} {}: {}", e.id, e.name, labels.join(" ")).unwrap();
    }
    for e in &schema.entities {
        show_entity(&mut out, schema, e);
    }
    out
}

fn show_entity(out: &mut String, schema: &Schema, e: &Entity) {
    let name = |id: &FieldId| e.field_by_id(*id).unwrap().name.clone();
    let names = |ids: &[FieldId]| ids.iter().map(name).collect::<Vec<_>>().join(" ");
    let implied = if e.implied { " implied" } else { "" };
    writeln!(out, "entity {} {}{implied} layout {} key ({})", e.id, e.name, e.layout, names(&e.primary_key))
        .unwrap();
    for f in &e.fields {
        let optional = if f.optional { "?" } else { "" };
        let hidden = if f.hidden { " hidden" } else { "" };
        write!(
            out,
            "  field {} {} {:?}{optional}{hidden} since {}",
            f.id,
            f.name,
            f.ty.scalar(),
            f.since_layout
        )
        .unwrap();
        if !f.absent_value.is_null() {
            write!(out, " absent {:?}", f.absent_value).unwrap();
        }
        if let Some(default) = &f.default {
            write!(out, " default {default:?}").unwrap();
        }
        out.push('\n');
    }
    for r in &e.relations {
        let target = &schema.entity_by_id(r.target).unwrap().name;
        let kind = match &r.kind {
            RelationKind::Forward { foreign_key } => format!("along {foreign_key}"),
            RelationKind::Inverse { foreign_key, to_one } => {
                format!("against {foreign_key} to {}", if *to_one { "one" } else { "many" })
            }
            RelationKind::Through { edge, near, far } => format!("through {edge} by {near} and {far}"),
        };
        writeln!(out, "  relation {} {} to {target} {kind}", r.id, r.name).unwrap();
    }
    for k in &e.foreign_keys {
        let target = schema.entity_by_id(k.target).unwrap();
        let remote: Vec<String> =
            k.references.iter().map(|id| target.field_by_id(*id).unwrap().name.clone()).collect();
        writeln!(
            out,
            "  foreign key {} {} ({}) to {}({}) {:?} {:?}",
            k.id,
            k.name,
            names(&k.fields),
            target.name,
            remote.join(" "),
            k.on_delete,
            k.on_update
        )
        .unwrap();
    }
    for i in &e.indexes {
        writeln!(out, "  index {}", show_index(i, &name)).unwrap();
    }
    for c in &e.checks {
        writeln!(out, "  check {} {}", c.id, c.name).unwrap();
    }
}

fn show_index(i: &Index, name: &dyn Fn(&FieldId) -> String) -> String {
    let columns: Vec<String> = i
        .columns
        .iter()
        .map(|c| format!("{}{}", name(&c.field), if c.descending { " desc" } else { "" }))
        .collect();
    let unique = i.unique.map_or(String::new(), |u| format!(" unique nulls {:?}", u.nulls));
    let covering: Vec<String> = i.covering.iter().map(name).collect();
    let covering =
        if covering.is_empty() { String::new() } else { format!(" covering ({})", covering.join(", ")) };
    let filter = if i.filter.is_some() { " partial" } else { "" };
    format!("{} {} ({}){unique}{covering}{filter} {:?}", i.id, i.name, columns.join(", "), i.origin)
}
