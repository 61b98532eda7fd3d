//! A schema and its data, as the test knows them: lists of lists, and nothing of the database's.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt::Write;

use super::query::Expr;

/// A value. Null stands for itself and for an unknown truth.
#[derive(Clone, Debug, PartialEq)]
pub enum Val {
    Null,
    Bool(bool),
    Int(i64),
    /// Hundredths.
    Dec(i64),
    Text(String),
    /// Days since 2024-01-01, at most 27.
    Date(i64),
    /// The number of a label of `Color`.
    Label(usize),
}

pub const LABELS: [&str; 4] = ["red", "green", "blue", "amber"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ty {
    Bool,
    Int16,
    Int32,
    Int64,
    Dec,
    Text,
    Date,
    Color,
}

#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    pub ty: Ty,
    pub optional: bool,
    pub unique: bool,
    /// Of a stored computed field: another field, and what is added to it.
    pub made_of: Option<(usize, i64)>,
}

#[derive(Clone, Debug)]
pub enum Reach {
    /// Local fields hold the key of the target's fields.
    Forward { local: Vec<usize>, remote: Vec<usize> },
    /// The target's fields hold the key of local fields.
    Inverse { local: Vec<usize>, remote: Vec<usize>, to_one: bool },
    /// Rows of an edge entity hold both keys.
    Through { edge: usize, local: Vec<usize>, near: Vec<usize>, far: Vec<usize>, remote: Vec<usize> },
}

#[derive(Clone, Debug)]
pub struct Relation {
    pub name: String,
    pub target: usize,
    pub reach: Reach,
    /// How the schema text declares it.
    pub declaration: String,
}

impl Relation {
    pub fn to_one(&self) -> bool {
        matches!(self.reach, Reach::Forward { .. } | Reach::Inverse { to_one: true, .. })
    }
}

/// An embedded struct: its members are fields of dotted names.
#[derive(Clone, Debug)]
pub struct Struct {
    pub name: String,
    /// If so, a row has it where its first member, which is required, is not null.
    pub optional: bool,
    pub members: Vec<usize>,
}

#[derive(Clone, Debug, Default)]
pub struct Entity {
    pub name: String,
    pub fields: Vec<Field>,
    pub key: Vec<usize>,
    pub relations: Vec<Relation>,
    pub indexes: Vec<Vec<(usize, bool)>>,
    /// For each index, the fields that it covers beside its columns.
    pub covered: Vec<Vec<usize>>,
    /// For each index, the condition of the rows that it has, where it has not all.
    pub conditions: Vec<Option<Expr>>,
    /// Whether the schema text says nothing of it: the edges of an implied many-to-many relation.
    pub implied: bool,
    /// Whether deleted rows are kept.
    pub keeps: bool,
    pub structs: Vec<Struct>,
    pub rows: Vec<Vec<Val>>,
    /// The rows that are deleted and kept.
    pub dead: BTreeSet<usize>,
}

#[derive(Clone, Debug, Default)]
pub struct Model {
    pub entities: Vec<Entity>,
}

impl Val {
    pub fn is_null(&self) -> bool {
        *self == Val::Null
    }

    /// SQL's order of two values; none if one is null.
    pub fn compare(&self, other: &Val) -> Option<Ordering> {
        Some(match (self, other) {
            (Val::Null, _) | (_, Val::Null) => return None,
            (Val::Bool(a), Val::Bool(b)) => a.cmp(b),
            (Val::Int(a), Val::Int(b)) | (Val::Dec(a), Val::Dec(b)) | (Val::Date(a), Val::Date(b)) => {
                a.cmp(b)
            }
            (Val::Int(a), Val::Dec(b)) => (i128::from(*a) * 100).cmp(&i128::from(*b)),
            (Val::Dec(a), Val::Int(b)) => i128::from(*a).cmp(&(i128::from(*b) * 100)),
            (Val::Text(a), Val::Text(b)) => a.chars().cmp(b.chars()),
            (Val::Label(a), Val::Label(b)) => a.cmp(b),
            _ => panic!("{self:?} and {other:?} do not compare"),
        })
    }

    /// The value as the query language writes it.
    pub fn text(&self) -> String {
        match self {
            Val::Null => "null".to_owned(),
            Val::Bool(v) => v.to_string(),
            Val::Int(v) => v.to_string(),
            Val::Dec(v) => decimal(*v),
            Val::Text(v) => format!("{v:?}"),
            Val::Date(v) => format!("\"2024-01-{:02}\"", v + 1),
            Val::Label(v) => LABELS[*v].to_owned(),
        }
    }

    pub fn json(&self) -> serde_json::Value {
        match self {
            Val::Null => serde_json::Value::Null,
            Val::Bool(v) => (*v).into(),
            Val::Int(v) => (*v).into(),
            Val::Dec(v) => serde_json::from_str(&decimal(*v)).unwrap(),
            Val::Text(v) => v.as_str().into(),
            Val::Date(v) => format!("2024-01-{:02}", v + 1).into(),
            Val::Label(v) => LABELS[*v].into(),
        }
    }
}

fn decimal(hundredths: i64) -> String {
    let sign = if hundredths < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", hundredths.abs() / 100, hundredths.abs() % 100)
}

impl Ty {
    pub fn name(self) -> &'static str {
        match self {
            Ty::Bool => "bool",
            Ty::Int16 => "int16",
            Ty::Int32 => "int32",
            Ty::Int64 => "int64",
            Ty::Dec => "decimal(10,2)",
            Ty::Text => "string",
            Ty::Date => "date",
            Ty::Color => "Color",
        }
    }

    pub fn is_number(self) -> bool {
        matches!(self, Ty::Int16 | Ty::Int32 | Ty::Int64 | Ty::Dec)
    }

    /// Whether values of both types compare.
    pub fn compares(self, other: Ty) -> bool {
        self == other || (self.is_number() && other.is_number())
    }
}

impl Entity {
    /// The struct that a field is a member of.
    pub fn struct_of(&self, field: usize) -> Option<&Struct> {
        self.structs.iter().find(|s| s.members.contains(&field))
    }

    /// The fields of a struct as its declaration has them.
    fn declaration(&self, of: &Struct) -> String {
        // The entity may be in a namespace; its structs are in none.
        let mut out = format!("struct {} {{\n", struct_name(&self.name, of));
        for field in of.members.iter().map(|f| &self.fields[*f]) {
            let optional = if field.optional { "?" } else { "" };
            let name = field.name.rsplit('.').next().unwrap();
            writeln!(out, "  {name} {}{optional}", field.ty.name()).unwrap();
        }
        out + "}\n"
    }
}

fn struct_name(entity: &str, of: &Struct) -> String {
    format!("{}_{}", entity.replace('.', "_"), of.name)
}

impl Model {
    /// The live rows that a relation leads to from a row: each once, in the order of the target's rows.
    pub fn related(&self, entity: usize, row: usize, relation: &Relation) -> Vec<usize> {
        let mut rows = self.reached(entity, row, relation);
        rows.retain(|row| !self.entities[relation.target].dead.contains(row));
        rows
    }

    /// As [`Model::related`], with the deleted rows.
    pub fn reached(&self, entity: usize, row: usize, relation: &Relation) -> Vec<usize> {
        let own = &self.entities[entity].rows[row];
        let equal = |a: &[Val], at: &[usize], b: &[Val], bt: &[usize]| {
            at.iter().zip(bt).all(|(x, y)| a[*x].compare(&b[*y]) == Some(Ordering::Equal))
        };
        let targets = &self.entities[relation.target].rows;
        let found = |matches: &dyn Fn(&[Val]) -> bool| {
            targets.iter().enumerate().filter(|(_, t)| matches(t)).map(|(at, _)| at).collect()
        };
        match &relation.reach {
            Reach::Forward { local, remote } | Reach::Inverse { local, remote, .. } => {
                found(&|target| equal(own, local, target, remote))
            }
            Reach::Through { edge, local, near, far, remote } => {
                let Entity { rows, dead, .. } = &self.entities[*edge];
                let edges = || rows.iter().enumerate().filter(|(at, _)| !dead.contains(at)).map(|(_, e)| e);
                found(&|target| {
                    edges().any(|edge| equal(own, local, edge, near) && equal(edge, far, target, remote))
                })
            }
        }
    }

    /// The order of two rows by primary key.
    pub fn by_key(&self, entity: usize, a: usize, b: usize) -> Ordering {
        let Entity { rows, key, .. } = &self.entities[entity];
        let orders = key.iter().map(|field| rows[a][*field].compare(&rows[b][*field]).unwrap());
        orders.fold(Ordering::Equal, Ordering::then)
    }

    /// The schema as text.
    pub fn schema(&self) -> String {
        let mut out = format!("enum Color {{ {} }}\n", LABELS.join(", "));
        for (number, entity) in self.entities.iter().enumerate().filter(|(_, e)| !e.implied) {
            entity.structs.iter().for_each(|of| out.push_str(&entity.declaration(of)));
            let (space, name) = entity.name.split_once('.').unwrap_or(("", &entity.name));
            if !space.is_empty() {
                writeln!(out, "namespace {space} {{").unwrap();
            }
            writeln!(out, "entity {name} {{").unwrap();
            for of in &entity.structs {
                let optional = if of.optional { "?" } else { "" };
                writeln!(out, "  {} {}{optional}", of.name, struct_name(&entity.name, of)).unwrap();
            }
            for (at, field) in entity.fields.iter().enumerate() {
                if entity.struct_of(at).is_some() {
                    continue;
                }
                let optional = if field.optional { "?" } else { "" };
                let unique = if field.unique { " @unique" } else { "" };
                let made = field.made_of.map_or(String::new(), |(source, by)| {
                    format!(" = {} + {by} @stored", entity.fields[source].name)
                });
                writeln!(out, "  {} {}{optional}{made}{unique}", field.name, field.ty.name()).unwrap();
            }
            if entity.keeps {
                out.push_str("  gone datetime?\n  @@softDelete(gone)\n");
            }
            for relation in &entity.relations {
                writeln!(out, "  {} {}", relation.name, relation.declaration).unwrap();
            }
            let names = |fields: &mut dyn Iterator<Item = String>| fields.collect::<Vec<_>>().join(", ");
            let key = names(&mut entity.key.iter().map(|f| entity.fields[*f].name.clone()));
            writeln!(out, "  @@id({key})").unwrap();
            for ((index, covered), of) in entity.indexes.iter().zip(&entity.covered).zip(&entity.conditions) {
                let column = |(field, descending): &(usize, bool)| {
                    format!("{}{}", entity.fields[*field].name, if *descending { " desc" } else { "" })
                };
                let mut extra =
                    covered.iter().filter(|f| !entity.key.contains(f) && index.iter().all(|c| c.0 != **f));
                let extra = names(&mut extra.by_ref().map(|f| entity.fields[*f].name.clone()));
                let covering = if extra.is_empty() { extra } else { format!(" covering ({extra})") };
                let of =
                    of.as_ref().map(|of| format!(" where {}", of.text(self, number))).unwrap_or_default();
                writeln!(out, "  @@index({}){covering}{of}", names(&mut index.iter().map(column))).unwrap();
            }
            out.push_str(if space.is_empty() { "}\n" } else { "}\n}\n" });
        }
        out
    }
}
