//! The parameters of a statement: while it is compiled, and when it runs.
//!
//! A plan serves many values. An expression that compares with a parameter gets a slot, whose value is there when the plan
//! runs. Whoever looks at a value to compile with it pins the value: the plan serves runs with that value alone.
//!
//! Invariant: a value that was neither pinned nor given a slot has no part in the plan.

use std::cell::{Cell, RefCell};

use ormdb_proto::ir::Params;
use ormdb_proto::schema::{FieldType, ScalarType, Schema};
use ormdb_proto::value::ValueRef;
use ormdb_proto::{Result, Value};

use super::{Datum, cast};

/// What the name of a parameter begins with that stands for a literal of the statement; its number follows.
pub(crate) const LIFTED_SIGN: char = '\u{0}';

/// The values of parameters: those that were given, and the literals that were lifted out of the statement.
#[derive(Clone, Copy)]
pub(crate) struct Values<'p> {
    given: &'p Params,
    lifted: &'p [Value],
}

impl<'p> Values<'p> {
    pub(crate) const fn new(given: &'p Params, lifted: &'p [Value]) -> Values<'p> {
        Values { given, lifted }
    }

    /// The value of a parameter that a statement names.
    ///
    /// # Errors
    /// `MissingParameter` if it was not given.
    pub(crate) fn require(self, name: &str) -> Result<&'p Value> {
        match self.lifted(name) {
            Some(value) => Ok(value),
            None => self.given.require(name),
        }
    }

    fn get(self, name: &str) -> Option<&'p Value> {
        self.lifted(name).or_else(|| self.given.get(name))
    }

    fn lifted(self, name: &str) -> Option<&'p Value> {
        let number = name.strip_prefix(LIFTED_SIGN)?.parse::<usize>().ok()?;
        self.lifted.get(number)
    }
}

/// The parameters of a statement that is being compiled.
pub(crate) struct Parameters<'p> {
    values: Values<'p>,
    /// What was compiled in; none where the expression runs with these values alone.
    used: Option<RefCell<Used>>,
    /// Whether what is being compiled runs at once, when no slot has its value.
    at_once: Cell<bool>,
    /// What is wanted of parameters that have no value, where the statement is described and does not run.
    wanted: Option<&'p Wanted>,
}

/// The types of the places of parameters that have no value: the first that is found of each.
#[derive(Debug, Default)]
pub(crate) struct Wanted(RefCell<Vec<(String, FieldType)>>);

impl Wanted {
    /// Takes note of the type of a parameter's place.
    pub(crate) fn note(&self, name: &str, ty: FieldType) {
        let mut wanted = self.0.borrow_mut();
        if !wanted.iter().any(|(noted, _)| noted == name) {
            wanted.push((name.to_owned(), ty));
        }
    }

    /// The type of a parameter's place, if it was found.
    pub(crate) fn of(&self, name: &str) -> Option<FieldType> {
        self.0.borrow().iter().find(|(noted, _)| noted == name).map(|(_, ty)| *ty)
    }
}

/// How a plan depends on parameters.
#[derive(Debug, Default)]
pub(crate) struct Used {
    slots: Vec<Slot>,
    /// The values that were looked at.
    pins: Vec<(String, Value)>,
}

/// A parameter that is compared with.
#[derive(Debug)]
struct Slot {
    name: String,
    /// The type of its values.
    ty: FieldType,
    /// The type that they are bent to, where it is another.
    want: Option<FieldType>,
}

impl<'p> Parameters<'p> {
    /// Values that are compiled in.
    pub(crate) const fn fixed(values: Values<'p>) -> Parameters<'p> {
        Parameters { values, used: None, at_once: Cell::new(true), wanted: None }
    }

    /// No values: what is compiled is described, and does not run.
    pub(crate) fn described(wanted: &'p Wanted) -> Parameters<'p> {
        Parameters { wanted: Some(wanted), ..Parameters::none() }
    }

    /// The same values, for what is compiled a second time.
    pub(crate) const fn once_more(&self) -> Parameters<'p> {
        Parameters { values: self.values, used: None, at_once: Cell::new(true), wanted: self.wanted }
    }

    /// No values.
    pub(crate) const fn none() -> Parameters<'static> {
        Parameters::fixed(Values::new(const { &Params::none() }, &[]))
    }

    /// Values that change from run to run, as far as the statement allows it.
    pub(crate) fn open(values: Values<'p>) -> Parameters<'p> {
        Parameters { values, used: Some(RefCell::default()), at_once: Cell::new(false), wanted: None }
    }

    /// Compiles what runs at once: every value that it compares with is pinned.
    pub(crate) fn at_once<T>(&self, compile: impl FnOnce(&Parameters<'p>) -> T) -> T {
        let before = self.at_once.replace(true);
        let compiled = compile(self);
        self.at_once.set(before);
        compiled
    }

    /// Whether parameters have no values, and what is wanted of them is noted.
    pub(super) const fn are_described(&self) -> bool {
        self.wanted.is_some()
    }

    /// Takes note of the type of a parameter's place.
    pub(super) fn want(&self, name: &str, ty: FieldType) {
        if let Some(wanted) = self.wanted {
            wanted.note(name, ty);
        }
    }

    /// A value that is compiled in.
    pub(super) fn pin(&self, name: &str) -> Result<&'p Value> {
        let value = self.values.require(name)?;
        if let Some(used) = &self.used {
            let mut used = used.borrow_mut();
            if !used.pins.iter().any(|(pinned, _)| pinned == name) {
                used.pins.push((name.to_owned(), value.clone()));
            }
        }
        Ok(value)
    }

    /// A slot for a parameter, with the type of its value; none where the value has to be looked at.
    pub(super) fn slot(&self, name: &str) -> Result<Option<(usize, FieldType)>> {
        let Some(used) = self.used.as_ref().filter(|_| !self.at_once.get()) else { return Ok(None) };
        let Some(ty) = slot_type(self.values.require(name)?) else { return Ok(None) };
        let mut used = used.borrow_mut();
        used.slots.push(Slot { name: name.to_owned(), ty, want: None });
        Ok(Some((used.slots.len() - 1, ty)))
    }

    /// Bends the values of a slot to another type.
    pub(super) fn bend(&self, schema: &Schema, slot: usize, want: FieldType) -> Result<()> {
        let Some(used) = &self.used else { return Ok(()) };
        if let Some(slot) = used.borrow_mut().slots.get_mut(slot) {
            cast::bend(schema, self.values.require(&slot.name)?, want)?;
            slot.want = Some(want);
        }
        Ok(())
    }

    /// The values of the slots so far.
    ///
    /// # Errors
    /// As of [`Used::bind`].
    pub(crate) fn bound(&self, schema: &Schema) -> Result<Vec<Datum<'p>>> {
        self.used.as_ref().map_or(Ok(Vec::new()), |used| used.borrow().bind(schema, self.values))
    }

    /// How what was compiled depends on the values.
    pub(crate) fn used(self) -> Used {
        self.used.map(RefCell::into_inner).unwrap_or_default()
    }
}

impl Used {
    /// So many bytes the values take that were looked at, about.
    pub(crate) fn pinned_bytes(&self) -> usize {
        self.pins.iter().map(|(name, value)| name.len() + size(value)).sum()
    }

    /// Whether a plan serves these values.
    pub(crate) fn accepts(&self, values: Values<'_>) -> bool {
        let pinned =
            |(name, value): &(String, Value)| values.get(name).is_some_and(|given| is_same(given, value));
        let typed = |slot: &Slot| values.get(&slot.name).and_then(slot_type) == Some(slot.ty);
        self.pins.iter().all(pinned) && self.slots.iter().all(typed)
    }

    /// The values of the slots.
    ///
    /// # Errors
    /// Values that cannot be read as the type that they are compared with.
    pub(crate) fn bind<'v>(&self, schema: &Schema, values: Values<'v>) -> Result<Vec<Datum<'v>>> {
        let value = |slot: &Slot| {
            let value = values.require(&slot.name)?;
            match slot.want {
                Some(want) => cast::bend(schema, value, want),
                // Documents of equal meaning have one text.
                None if slot.ty.scalar() == ScalarType::Json => Datum::of_value(schema, value, slot.ty),
                // A slot's value is no label.
                None => Ok(Datum::Ref(ValueRef::of(value, &|_| None).unwrap_or(ValueRef::Null))),
            }
        };
        self.slots.iter().map(value).collect()
    }
}

/// Whether two values are told apart by nothing: numbers that are equal may yet be printed differently.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float32(a), Value::Float32(b)) => a.to_bits() == b.to_bits(),
        (Value::Float64(a), Value::Float64(b)) => a.to_bits() == b.to_bits(),
        (Value::Decimal(a), Value::Decimal(b)) => a.unscaled() == b.unscaled() && a.scale() == b.scale(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (a, b) => a == b,
    }
}

/// So many bytes a value takes, about.
fn size(value: &Value) -> usize {
    let beside = match value {
        Value::String(text) | Value::Json(text) | Value::Enum(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::Array(items) => items.iter().map(size).sum(),
        _ => 0,
    };
    size_of::<Value>() + beside
}

/// The type of a value that may stand in a slot: null, labels and lists decide how they are compiled.
fn slot_type(value: &Value) -> Option<FieldType> {
    match value {
        Value::Null | Value::Enum(_) | Value::Array(_) => None,
        other => match cast::own_type(other) {
            Ok(Some(ty @ FieldType::Scalar(scalar))) if !matches!(scalar, ScalarType::Enum(_)) => Some(ty),
            _ => None,
        },
    }
}
