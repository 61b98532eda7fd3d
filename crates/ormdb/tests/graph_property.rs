//! Graph fetches on random schemas and random data give what their definitions say.
//!
//! Each case is a random fetch; the answer is compared with one that is worked out naively over lists of rows.
//! `ORMDB_CASES` sets the number of cases, `ORMDB_SEED` begins with another seed; a failure prints the seed of its
//! schema.

#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub, reason = "a test fails by panicking")]

use std::sync::Arc;

use fastrand::Rng;
use ormdb::{Database, Intersections, Options, Outcome, Params, SemiJoins, Session, Transaction};
use serde_json::Value as Json;

#[path = "graph_property/generate.rs"]
mod generate;
#[path = "graph_property/model.rs"]
mod model;
#[path = "graph_property/query.rs"]
mod query;

use model::{Entity, Model, Reach, Val};

const CASES: u64 = 10_000;
const CASES_PER_SCHEMA: u64 = 40;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[test]
fn fetches_are_what_their_definitions_say() {
    let (cases, first) = (number("ORMDB_CASES", CASES), number("ORMDB_SEED", 1));
    println!("{cases} cases from ORMDB_SEED={first}");
    let mut rows_read = 0;
    for seed in first..first + cases.div_ceil(CASES_PER_SCHEMA) {
        let mut rng = Rng::with_seed(seed);
        let mut model = generate::model(&mut rng);
        let order = model.order_of_creation();
        let deleted = model.delete_some(&mut rng);
        let (session, mut open) = load(&model, &order, &deleted, seed);
        for case in 0..CASES_PER_SCHEMA {
            let entity = named_entity(&mut rng, &model);
            let select = query::select(&mut rng, &model, entity, 3);
            let this = &model.entities[entity];
            let mut rows: Vec<usize> = (0..this.rows.len()).collect();
            let mut name = this.name.clone();
            if rng.u8(..8) == 0 && !rows.is_empty() {
                let row = rng.usize(..rows.len());
                let part = |f: &usize| format!("{}: {}", this.fields[*f].name, this.rows[row][*f].text());
                name = format!("{name}[{}]", this.key.iter().map(part).collect::<Vec<_>>().join(", "));
                rows = vec![row];
            }
            let text = format!("{name}{}", select.text(&model, entity));
            let wanted = select.answer(&model, entity, rows);
            let place = || format!("ORMDB_SEED={seed} case {case}\n{}\n{text}", model.schema());
            let result = match &mut open {
                None => session.fetch(&text, &Params::none()),
                Some(txn) => txn.query(&text, &Params::none()).map(|outcome| match outcome {
                    Outcome::Fetched(result) => result,
                    other => panic!("{other:?} is no graph"),
                }),
            };
            let result = result.unwrap_or_else(|error| panic!("{}\n{}", place(), error.render(Some(&text))));
            let found = result.to_json_value().unwrap();
            rows_read += result.trailer().rows;
            if found != Json::Array(wanted.clone()) {
                let plan = ormdb::text::parse_statement(&text).unwrap().statement;
                let plan = session.explain(&plan, &Params::none(), ormdb::Explain::Analyze).unwrap();
                panic!("{}\nfound  {found}\nwanted {}\n{}", place(), Json::Array(wanted), plan.text);
            }
        }
    }
    println!("{rows_read} rows in the results");
}

fn named_entity(rng: &mut Rng, model: &Model) -> usize {
    let named: Vec<usize> = (0..model.entities.len()).filter(|e| !model.entities[*e].implied).collect();
    named[rng.usize(..named.len())]
}

/// A database in memory with the schema and the rows; of every fourth, the transaction that wrote them is still open
/// and reads its own writes.
fn load(
    model: &Model,
    order: &[(usize, usize)],
    deleted: &[(usize, usize)],
    seed: u64,
) -> (Session, Option<Transaction>) {
    let mut options = Options::default();
    options.engine.fs = Arc::new(ordinum::fs::MemoryFs::new());
    options.engine.background = ordinum::Background::Manual;
    // Whatever way the rows are looked for, they are the same.
    let sides = [SemiJoins::ByCost, SemiJoins::FromParents, SemiJoins::FromChildren];
    options.semi_joins = sides[usize::try_from(seed % 3).unwrap()];
    let ways = [Intersections::Always, Intersections::ByCost];
    options.intersections = ways[usize::try_from(seed / 3 % 2).unwrap()];
    let database = Database::open_with("/db", options).unwrap();
    let schema = model.schema();
    if let Err(errors) = database.apply_schema(&schema) {
        let errors: Vec<String> = errors.iter().map(|error| error.render(Some(&schema))).collect();
        panic!("ORMDB_SEED={seed}\n{schema}\n{}", errors.join("\n"));
    }
    let session = database.session();
    let mut txn = session.transaction().unwrap();
    let created = order.iter().map(|(entity, row)| create(model, *entity, *row));
    let deleted = deleted.iter().map(|(entity, row)| delete(model, *entity, *row));
    for statement in created.chain(deleted) {
        if let Err(error) = txn.query(&statement, &Params::none()) {
            panic!("ORMDB_SEED={seed}\n{schema}\n{statement}\n{}", error.render(Some(&statement)));
        }
    }
    if seed.is_multiple_of(4) {
        return (session, Some(txn));
    }
    txn.commit().unwrap();
    let report = database.check(10).unwrap();
    assert!(report.is_clean(), "ORMDB_SEED={seed}\n{schema}\n{:?}", report.findings);
    (session, None)
}

fn delete(model: &Model, entity: usize, row: usize) -> String {
    let Entity { name, fields, rows, key, .. } = &model.entities[entity];
    let part = |f: &usize| format!("{}: {}", fields[*f].name, rows[row][*f].text());
    format!("delete {name}[{}]", key.iter().map(part).collect::<Vec<_>>().join(", "))
}

/// The statement that writes a row: of an implied edge entity, by connecting what it joins.
fn create(model: &Model, entity: usize, row: usize) -> String {
    let Entity { name, fields, rows, implied, .. } = &model.entities[entity];
    let values = &rows[row];
    if !implied {
        let this = &model.entities[entity];
        let given = |at: &usize| fields[*at].made_of.is_none() && !values[*at].is_null();
        // Every second row gives its structs whole, and the others member by member.
        let whole = |at: usize| row.is_multiple_of(2) && this.struct_of(at).is_some();
        let plain = (0..fields.len()).filter(|at| given(at) && !whole(*at));
        let mut items: Vec<String> =
            plain.map(|at| format!("{}: {}", fields[at].name, values[at].text())).collect();
        for of in this.structs.iter().filter(|of| whole(of.members[0])) {
            let member =
                |at: &usize| format!("{}: {}", &fields[*at].name[of.name.len() + 1..], values[*at].text());
            let members: Vec<String> = of.members.iter().filter(|at| given(at)).map(member).collect();
            if members.is_empty() {
                items.push(format!("{}: null", of.name));
            } else {
                items.push(format!("{}: {{ {} }}", of.name, members.join(", ")));
            }
        }
        return format!("create {name} {{ {} }}", items.join(", "));
    }
    let key = |entity: &Entity, fields: &[usize], remote: &[usize]| {
        let part = |(local, remote): (&usize, &usize)| {
            format!("{}: {}", entity.fields[*remote].name, Val::text(&values[*local]))
        };
        fields.iter().zip(remote).map(part).collect::<Vec<_>>().join(", ")
    };
    for holder in &model.entities {
        for relation in &holder.relations {
            if let Reach::Through { edge, local, near, far, remote } = &relation.reach
                && *edge == entity
            {
                let target = &model.entities[relation.target];
                return format!(
                    "update {}[{}] set {{ {}: connect [{}] }}",
                    holder.name,
                    key(holder, near, local),
                    relation.name,
                    key(target, far, remote)
                );
            }
        }
    }
    panic!("no relation leads through {name}")
}
