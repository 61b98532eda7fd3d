//! Embedded structs: fields of a row that belong together under one name.
//!
//! A struct is stored flat. Each of its members is an ordinary field of the entity, of a dotted name (`home.city`) and
//! an id of its own, so that rows, keys, indexes and expressions know nothing of structs. What the schema keeps here is
//! how they nest again.
//!
//! Invariants: (1) an optional struct has a presence flag: a hidden bool field named after it with a question mark
//! (`billing?`), which is true where the struct is there and null where it is not; (2) where a struct is not there,
//! all its members are null; (3) inside of optional structs, every stored field may be null, and `required` says
//! which may not where the struct is there.

use serde::{Deserialize, Serialize};

use super::{Entity, Field, FieldId, StructId};

/// A struct of the schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StructType {
    /// Its id.
    pub id: StructId,
    /// Its name.
    pub name: String,
    /// The comment above it.
    pub doc: Option<String>,
    /// The names of its members, in the order of the text.
    pub members: Vec<String>,
}

/// A struct in an entity, or in another struct of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Embedded {
    /// Its name, with those of the structs around it before it: `home`, `home.geo`.
    pub path: String,
    /// The struct.
    pub struct_type: StructId,
    /// The comment above it.
    pub doc: Option<String>,
    /// Its presence flag, if it is optional.
    pub presence: Option<FieldId>,
    /// The presence flag of the nearest optional struct around it.
    pub inside: Option<FieldId>,
}

/// What a field is to the struct that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Whether it is the presence flag of a struct, and no member.
    pub presence: bool,
    /// The presence flag of the nearest optional struct around it.
    pub inside: Option<FieldId>,
    /// Whether it has to have a value where that struct is there, or always where there is none.
    pub required: bool,
}

/// What the first names of a path lead to.
#[derive(Clone, Copy, Debug)]
pub enum Lead<'a> {
    /// A field, named by as many names of the path.
    Field(&'a Field, usize),
    /// A struct: the whole path.
    Struct(&'a Embedded),
    /// A name that the struct does not have, at this place of the path.
    Unknown(&'a Embedded, usize),
}

/// The sign behind the name of a struct that makes the name of its presence flag.
pub const PRESENCE_SIGN: char = '?';

impl Embedded {
    /// Whether it may be null.
    pub const fn optional(&self) -> bool {
        self.presence.is_some()
    }

    /// The name of a field or struct behind the name of this struct: `city` of `home.city`, `?` of its presence flag.
    pub fn rest<'n>(&self, name: &'n str) -> Option<&'n str> {
        let rest = name.strip_prefix(self.path.as_str())?;
        rest.strip_prefix('.').or((rest.len() == 1 && rest.starts_with(PRESENCE_SIGN)).then_some(rest))
    }
}

impl Field {
    /// Whether it is the presence flag of an optional struct.
    pub fn is_presence(&self) -> bool {
        self.embedded.is_some_and(|m| m.presence)
    }

    /// The presence flag without which it has no value.
    pub fn inside(&self) -> Option<FieldId> {
        self.embedded.and_then(|m| m.inside)
    }

    /// Whether the schema lets it be null; inside of an optional struct, where that is there.
    pub fn declared_optional(&self) -> bool {
        self.embedded.map_or(self.optional, |m| !m.required)
    }
}

impl Entity {
    /// The struct at a dotted path.
    pub fn embedded_at(&self, path: &str) -> Option<&Embedded> {
        self.embedded.iter().find(|e| e.path == path)
    }

    /// What the first names of a path lead to; none if the first one names neither a field nor a struct.
    pub fn lead(&self, path: &[String]) -> Option<Lead<'_>> {
        let (first, rest) = path.split_first()?;
        if let Some(field) = self.field(first) {
            return Some(Lead::Field(field, 1));
        }
        let mut at = self.embedded_at(first)?;
        for (place, name) in (1..).zip(rest) {
            let joined = format!("{}.{name}", at.path);
            if let Some(field) = self.field(&joined) {
                return Some(Lead::Field(field, place + 1));
            }
            match self.embedded_at(&joined) {
                Some(inner) => at = inner,
                None => return Some(Lead::Unknown(at, place)),
            }
        }
        Some(Lead::Struct(at))
    }

    /// The names of the members of a struct, structs in it included, without what is inside of those.
    pub fn struct_members<'a>(&'a self, of: &'a Embedded) -> impl Iterator<Item = &'a str> {
        let fields = self.fields.iter().filter(|f| !f.hidden).map(|f| f.name.as_str());
        let structs = self.embedded.iter().map(|e| e.path.as_str());
        fields.chain(structs).filter_map(|name| of.rest(name)).filter(|rest| !rest.contains('.'))
    }
}
