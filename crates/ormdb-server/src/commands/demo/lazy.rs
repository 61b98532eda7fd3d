//! How many SQL statements an ORM sends for a graph when it loads relations as they are touched.
//!
//! The count is of an ORM with an identity map, which is the best case: one statement for the roots, one for each
//! to-many relation of each row, and one for each different row that a to-one relation leads to.

use std::collections::HashSet;

use ormdb_proto::result::{Cardinality, GraphResult, Row};

use crate::exit::Result;

/// Statements, by what they load.
#[derive(Debug)]
pub(super) struct Statements {
    root: String,
    /// In the order in which they are met.
    relations: Vec<Relation>,
}

/// The statements of one relation.
#[derive(Debug)]
struct Relation {
    entity: String,
    name: String,
    statements: u64,
    /// The related rows that were loaded before, of a to-one relation.
    loaded: HashSet<usize>,
}

impl Statements {
    /// How many.
    pub(super) fn total(&self) -> u64 {
        1 + self.relations.iter().map(|relation| relation.statements).sum::<u64>()
    }

    /// What each is for.
    pub(super) fn explained(&self) -> String {
        let mut parts = vec![format!("1 for {}", self.root)];
        parts.extend(self.relations.iter().map(|relation| {
            let Relation { entity, name, statements, .. } = relation;
            format!("{statements} for {entity}.{name}")
        }));
        parts.join(", ")
    }

    /// The relation of a name, as rows of one entity have it.
    fn relation(&mut self, entity: &str, name: &str) -> &mut Relation {
        let found = self.relations.iter().position(|r| r.entity == entity && r.name == name);
        let at = found.unwrap_or_else(|| {
            self.relations.push(Relation {
                entity: entity.to_owned(),
                name: name.to_owned(),
                statements: 0,
                loaded: HashSet::new(),
            });
            self.relations.len() - 1
        });
        &mut self.relations[at]
    }

    fn visit(&mut self, row: &Row<'_>) -> Result<()> {
        let node = row.node();
        for (at, edge) in node.edges.iter().enumerate() {
            let children = row.edge(at)?;
            let relation = self.relation(&node.entity, &edge.alias);
            match edge.cardinality {
                Cardinality::Many => relation.statements += 1,
                Cardinality::One => {
                    for child in children.clone() {
                        relation.statements += u64::from(relation.loaded.insert(child.number()));
                    }
                }
            }
            for child in children {
                self.visit(&child)?;
            }
        }
        Ok(())
    }
}

/// The statements for a result of one chunk or more.
pub(super) fn statements(result: &GraphResult) -> Result<Statements> {
    let root = result.shape().node(0).map(|root| root.entity.clone()).unwrap_or_default();
    let mut statements = Statements { root, relations: Vec::new() };
    for row in result.roots()? {
        statements.visit(&row)?;
    }
    Ok(statements)
}
