use std::fmt::Write;

use ormdb_proto::schema::{Entity, FieldId, Index, RelationKind, Schema};

use super::resolve;
use crate::catalog::{Catalog, Grade, diff};
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

/// A named thing that keeps its number while its name and place change.
#[derive(Clone)]
struct Named {
    number: usize,
    name: String,
    was: Option<String>,
}

impl Named {
    fn new(number: usize) -> Named {
        Named { number, name: format!("n{number}"), was: None }
    }

    /// Gives it another name now and then.
    fn stir(&mut self, rng: &mut fastrand::Rng, round: usize) {
        self.was = None;
        if rng.u8(..3) == 0 {
            let new = format!("n{}r{round}", self.number);
            self.was = Some(std::mem::replace(&mut self.name, new));
        }
    }

    fn attribute(&self, mark: &str) -> String {
        self.was.as_ref().map_or(String::new(), |was| format!("{mark}(\"{was}\")"))
    }
}

/// Entities with their fields, of which each refers to the first entity by the field's own relation.
fn random_text(entities: &[(Named, Vec<Named>)]) -> String {
    let root = &entities.iter().find(|(e, _)| e.number == 0).unwrap().0.name;
    let mut text = String::new();
    for (entity, fields) in entities {
        writeln!(text, "entity {} {{\n  key int64 @id", entity.name).unwrap();
        for f in fields {
            let (name, was) = (&f.name, f.attribute("@was"));
            writeln!(text, "  {name} int64? {was} @check({name} != 7)\n  @@index({name}, key)").unwrap();
            if entity.number != 0 {
                let was = f.was.as_ref().map_or(String::new(), |was| format!("@was(\"to_{was}\")"));
                writeln!(text, "  to_{name} {root}? @relation({name} -> {root}.key) {was}").unwrap();
            }
        }
        writeln!(text, "  {}\n}}", entity.attribute("@@was")).unwrap();
    }
    text
}

/// Every id of the schema, under the numbers of the model.
fn ids(schema: &Schema, entities: &[(Named, Vec<Named>)]) -> Vec<(usize, usize, Vec<u32>)> {
    let mut all = Vec::new();
    for (entity, fields) in entities {
        let e = schema.entity(&entity.name).unwrap();
        for f in fields {
            let id = e.field(&f.name).unwrap().id;
            let mut ids = vec![e.id.0, id.0];
            ids.extend(e.relation(&format!("to_{}", f.name)).map(|r| r.id.0));
            ids.extend(e.foreign_keys.iter().filter(|k| k.fields == [id]).map(|k| k.id.0));
            ids.extend(e.indexes.iter().filter(|i| i.columns[0].field == id).map(|i| i.id.0));
            ids.extend(e.checks.iter().filter(|c| c.name.contains(&format!("_{}_", f.name))).map(|c| c.id.0));
            all.push((entity.number, f.number, ids));
        }
    }
    all.sort();
    all
}

#[test]
fn ids_stay_under_renames_and_reorders() {
    for seed in 0..20 {
        println!("seed {seed}");
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut entities: Vec<(Named, Vec<Named>)> = (0..rng.usize(2..5))
            .map(|e| (Named::new(e), (0..rng.usize(1..5)).map(Named::new).collect()))
            .collect();
        let mut schema = next(&random_text(&entities), &Schema::empty()).unwrap();
        let before = ids(&schema, &entities);
        for round in 0..5 {
            rng.shuffle(&mut entities);
            for (entity, fields) in &mut entities {
                entity.stir(&mut rng, round);
                rng.shuffle(fields);
                fields.iter_mut().for_each(|f| f.stir(&mut rng, round));
            }
            let text = random_text(&entities);
            let new = next(&text, &schema).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
            let changes = diff(&schema, &new);
            assert!(changes.iter().all(|c| c.grade == Grade::Metadata), "{changes:?}\n{text}");
            assert_eq!(ids(&new, &entities), before, "{text}");
            assert_eq!(new.next_ids, schema.next_ids);
            schema = new;
        }
    }
}

/// Every text of the test data, mangled: words and lines go, double, change places or turn into others.
#[test]
fn no_text_breaks_the_resolver() {
    let mut texts = vec![
        include_str!("../../../../../examples/blog/schema.ormdb").to_owned(),
        include_str!("../../../../../examples/chinook/schema.ormdb").to_owned(),
    ];
    for data in [
        include_str!("../testdata/relations"),
        include_str!("../testdata/changes"),
        include_str!("../testdata/errors"),
        include_str!("../testdata/renames"),
    ] {
        let inputs = data.split("apply\n").skip(1);
        texts.extend(inputs.filter_map(|part| part.split("----").next()).map(str::to_owned));
    }
    let words: Vec<String> = texts.iter().flat_map(|t| t.split_whitespace()).map(str::to_owned).collect();
    let mut resolved = 0;
    for seed in 0..3_000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let text = mangle(&texts[rng.usize(..texts.len())], &words, &mut rng);
        let before = Schema::empty();
        let base =
            parse_schema(&texts[rng.usize(..texts.len())]).ok().and_then(|ast| resolve(&ast, &before).ok());
        let previous = base.as_ref().unwrap_or(&before);
        let Ok(ast) = parse_schema(&text) else { continue };
        match resolve(&ast, previous) {
            Ok(schema) => {
                resolved += 1;
                diff(previous, &schema);
                Catalog::build(schema.clone(), "").unwrap_or_else(|e| panic!("seed {seed}: {e}\n{text}"));
                let again = resolve(&ast, &schema).unwrap_or_else(|e| panic!("seed {seed}: {e:?}\n{text}"));
                let changes = diff(&schema, &again);
                assert!(changes.is_empty(), "seed {seed}: {changes:?}\n{text}");
            }
            Err(errors) => {
                assert!(!errors.is_empty(), "seed {seed}");
                for error in errors {
                    assert!(error.detail.span.is_some(), "seed {seed}: {error:?}\n{text}");
                    assert_ne!(error.code, ormdb_proto::ErrorCode::Internal, "seed {seed}: {error}\n{text}");
                }
            }
        }
    }
    assert!(resolved > 100, "{resolved} of the texts were sound");
}

fn mangle(text: &str, words: &[String], rng: &mut fastrand::Rng) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for _ in 0..rng.usize(1..4) {
        let at = rng.usize(..lines.len());
        match rng.u8(..5) {
            0 => {
                lines.remove(at);
                if lines.is_empty() {
                    return String::new();
                }
            }
            1 => lines.insert(at, lines[at].clone()),
            2 => {
                let other = rng.usize(..lines.len());
                lines.swap(at, other);
            }
            _ => {
                let mut parts: Vec<String> = lines[at].split_whitespace().map(str::to_owned).collect();
                if !parts.is_empty() {
                    let part = rng.usize(..parts.len());
                    parts[part] = words[rng.usize(..words.len())].clone();
                }
                lines[at] = parts.join(" ");
            }
        }
    }
    lines.join("\n")
}
