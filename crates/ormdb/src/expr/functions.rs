//! The library of functions: one table, read by the checker, by error messages and by whoever lists them.
//!
//! Invariants: (1) names are unique; (2) a strict function never sees a null; (3) a function that is not pure is
//! never computed ahead of its row.

use ormdb_proto::schema::{EnumLabel, FieldType, ScalarType};
use ormdb_proto::value::ValueRef;
use ormdb_proto::{Error, ErrorCode, Result};

use super::cast;
use super::check::{self, Checked, Checker};
use super::datum::Datum;
use super::eval;
use super::node::Node;
use super::types::{self, BOOL, FLOAT64, INT32, INT64, TEXT};
use super::{EvalEnv, RowSource};

mod array;
mod json;
mod math;
mod text;
mod time;

/// What a function takes in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Text.
    Text,
    /// A whole number.
    Int,
    /// Any number.
    Number,
    /// A date, a time, or both.
    Time,
    /// What has a date.
    Day,
    /// What has a time of day.
    Clock,
    /// An array.
    Array,
    /// A truth value.
    Bool,
    /// Any value, as the text that is printed of it.
    Printed,
    /// Anything, of one type with all other `Same` arguments.
    Same,
    /// Text or bytes or an array.
    Sized,
    /// A document.
    Json,
    /// A step in a document: the name of a member, or the place of an element.
    Step,
    /// A date with a time, of a zone or of none.
    Moment,
}

/// The type of what a function gives.
#[derive(Clone, Copy, Debug)]
enum Gives {
    /// Always this.
    Type(FieldType),
    /// The type of the first argument.
    First,
    /// The type that all `Same` arguments have.
    Common,
    /// An instant of a local time, and the other way round.
    Zoned,
    /// Float32 and float64 stay, anything else is a decimal or as it was.
    Rounded,
}

/// What a null argument does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nulls {
    /// The result is null.
    Strict,
    /// The function sees it.
    Seen,
}

type Run = for<'a> fn(&[Datum<'a>], &EvalEnv<'_>) -> Result<Datum<'static>>;

/// A function of the library.
#[derive(Debug)]
pub(crate) struct Function {
    name: &'static str,
    /// The required arguments.
    takes: &'static [Kind],
    /// The arguments that may follow.
    optional: &'static [Kind],
    /// What any number of further arguments are.
    rest: Option<Kind>,
    gives: Gives,
    nulls: Nulls,
    /// Whether equal arguments always give equal results.
    pure: bool,
    run: Run,
}

const fn strict(name: &'static str, takes: &'static [Kind], gives: Gives, run: Run) -> Function {
    Function { name, takes, optional: &[], rest: None, gives, nulls: Nulls::Strict, pure: true, run }
}

const T: Gives = Gives::Type(TEXT);
const I: Gives = Gives::Type(INT32);
const F: Gives = Gives::Type(FLOAT64);
const B: Gives = Gives::Type(BOOL);
const J: Gives = Gives::Type(JSON);
const JSON: FieldType = FieldType::Scalar(ScalarType::Json);
const DATE: Gives = Gives::Type(FieldType::Scalar(ScalarType::Date));
const NOW: Gives = Gives::Type(FieldType::Scalar(ScalarType::DateTime));

/// Every function, by name.
static LIBRARY: &[Function] = &[
    strict("lower", &[Kind::Text], T, text::lower),
    strict("upper", &[Kind::Text], T, text::upper),
    strict("length", &[Kind::Sized], I, text::length),
    strict("trim", &[Kind::Text], T, text::trim),
    strict("trimStart", &[Kind::Text], T, text::trim_start),
    strict("trimEnd", &[Kind::Text], T, text::trim_end),
    strict("reverse", &[Kind::Text], T, text::reverse),
    strict("replace", &[Kind::Text, Kind::Text, Kind::Text], T, text::replace),
    strict("left", &[Kind::Text, Kind::Int], T, text::left),
    strict("right", &[Kind::Text, Kind::Int], T, text::right),
    strict("repeat", &[Kind::Text, Kind::Int], T, text::repeat),
    strict("position", &[Kind::Text, Kind::Text], I, text::position),
    strict("splitPart", &[Kind::Text, Kind::Text, Kind::Int], T, text::split_part),
    strict("codePoint", &[Kind::Text], I, text::code_point),
    strict("character", &[Kind::Int], T, text::character),
    Function { optional: &[Kind::Int], ..strict("substring", &[Kind::Text, Kind::Int], T, text::substring) },
    Function { optional: &[Kind::Text], ..strict("padStart", &[Kind::Text, Kind::Int], T, text::pad_start) },
    Function { optional: &[Kind::Text], ..strict("padEnd", &[Kind::Text, Kind::Int], T, text::pad_end) },
    Function { rest: Some(Kind::Printed), nulls: Nulls::Seen, ..strict("concat", &[], T, text::concat) },
    strict("abs", &[Kind::Number], Gives::First, math::abs),
    strict("sign", &[Kind::Number], I, math::sign),
    strict("floor", &[Kind::Number], Gives::Rounded, math::floor),
    strict("ceil", &[Kind::Number], Gives::Rounded, math::ceil),
    Function { optional: &[Kind::Int], ..strict("round", &[Kind::Number], Gives::Rounded, math::round) },
    Function {
        optional: &[Kind::Int],
        ..strict("truncate", &[Kind::Number], Gives::Rounded, math::truncate)
    },
    strict("sqrt", &[Kind::Number], F, math::sqrt),
    strict("power", &[Kind::Number, Kind::Number], F, math::power),
    strict("exp", &[Kind::Number], F, math::exp),
    strict("ln", &[Kind::Number], F, math::ln),
    strict("log", &[Kind::Number, Kind::Number], F, math::log),
    strict("pi", &[], F, math::pi),
    strict("degrees", &[Kind::Number], F, math::degrees),
    strict("radians", &[Kind::Number], F, math::radians),
    strict("sin", &[Kind::Number], F, math::sin),
    strict("cos", &[Kind::Number], F, math::cos),
    strict("tan", &[Kind::Number], F, math::tan),
    strict("asin", &[Kind::Number], F, math::asin),
    strict("acos", &[Kind::Number], F, math::acos),
    strict("atan", &[Kind::Number], F, math::atan),
    strict("atan2", &[Kind::Number, Kind::Number], F, math::atan2),
    Function {
        rest: Some(Kind::Same),
        nulls: Nulls::Seen,
        ..strict("coalesce", &[Kind::Same], Gives::Common, first_value)
    },
    Function {
        rest: Some(Kind::Same),
        nulls: Nulls::Seen,
        ..strict("greatest", &[Kind::Same], Gives::Common, math::greatest)
    },
    Function {
        rest: Some(Kind::Same),
        nulls: Nulls::Seen,
        ..strict("least", &[Kind::Same], Gives::Common, math::least)
    },
    Function { nulls: Nulls::Seen, ..strict("nullIf", &[Kind::Same, Kind::Same], Gives::Common, null_if) },
    Function {
        nulls: Nulls::Seen,
        ..strict("if", &[Kind::Bool, Kind::Same, Kind::Same], Gives::Common, choose)
    },
    Function { pure: false, ..strict("now", &[], NOW, time::now) },
    Function { pure: false, ..strict("today", &[], DATE, time::today) },
    strict("year", &[Kind::Day], I, time::year),
    strict("quarter", &[Kind::Day], I, time::quarter),
    strict("month", &[Kind::Day], I, time::month),
    strict("week", &[Kind::Day], I, time::week),
    strict("day", &[Kind::Day], I, time::day),
    strict("dayOfWeek", &[Kind::Day], I, time::day_of_week),
    strict("dayOfYear", &[Kind::Day], I, time::day_of_year),
    strict("isoYear", &[Kind::Day], I, time::iso_year),
    strict("isoDayOfWeek", &[Kind::Day], I, time::iso_day_of_week),
    strict("hour", &[Kind::Clock], I, time::hour),
    strict("minute", &[Kind::Clock], I, time::minute),
    strict("second", &[Kind::Clock], I, time::second),
    strict("microsecond", &[Kind::Clock], I, time::microsecond),
    strict("fromEpoch", &[Kind::Number], NOW, time::from_epoch),
    strict("makeDate", &[Kind::Int, Kind::Int, Kind::Int], DATE, time::make_date),
    strict("epoch", &[Kind::Time], Gives::Type(INT64), time::epoch),
    strict("startOf", &[Kind::Text, Kind::Time], Gives::Common, time::start_of),
    strict("atZone", &[Kind::Moment, Kind::Text], Gives::Zoned, time::at_zone),
    Function { rest: Some(Kind::Step), ..strict("jsonAt", &[Kind::Json], J, json::at) },
    Function { rest: Some(Kind::Step), ..strict("jsonText", &[Kind::Json], T, json::text) },
    strict("jsonType", &[Kind::Json], T, json::kind),
    strict("jsonLength", &[Kind::Json], I, json::length),
    strict("jsonHas", &[Kind::Json, Kind::Text], B, json::has),
    strict("jsonContains", &[Kind::Json, Kind::Json], B, json::contains),
    Function { nulls: Nulls::Seen, ..strict("has", &[Kind::Array, Kind::Same], B, array::has) },
    strict("hasEvery", &[Kind::Array, Kind::Array], B, array::has_every),
    strict("hasSome", &[Kind::Array, Kind::Array], B, array::has_some),
    strict("isEmpty", &[Kind::Sized], B, array::is_empty),
];

/// Functions that convert: a type's name is a function to it.
const CONVERSIONS: &[(&str, ScalarType)] = &[
    ("bool", ScalarType::Bool),
    ("int16", ScalarType::Int16),
    ("int32", ScalarType::Int32),
    ("int64", ScalarType::Int64),
    ("float32", ScalarType::Float32),
    ("float64", ScalarType::Float64),
    ("decimal", types::decimal(0)),
    ("string", ScalarType::String { chars_max: None }),
    ("bytes", ScalarType::Bytes),
    ("uuid", ScalarType::Uuid),
    ("datetime", ScalarType::DateTime),
    ("local_datetime", ScalarType::LocalDateTime),
    ("date", ScalarType::Date),
    ("time", ScalarType::Time),
    ("interval", ScalarType::Interval),
    ("json", ScalarType::Json),
];

/// The function that gives the label of an enum, for its printed text; its list of labels are its further arguments.
static LABEL: Function = Function { rest: Some(Kind::Same), ..strict("label", &[Kind::Same], T, label) };

/// The names of all functions.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    LIBRARY.iter().map(|f| f.name).chain(CONVERSIONS.iter().map(|(name, _)| *name))
}

/// Checks a call.
pub(super) fn check(checker: &mut Checker<'_, '_>, name: &str, args: Vec<Checked>) -> Result<Checked> {
    if let Some((_, to)) = CONVERSIONS.iter().find(|(n, _)| *n == name) {
        return conversion(checker, name, *to, args);
    }
    let Some(function) = LIBRARY.iter().find(|f| f.name == name) else {
        let error = Error::new(ErrorCode::UnknownName, format!("no function is named `{name}`"));
        return Err(error.suggest(name, names()));
    };
    let least = function.takes.len();
    let most = if function.rest.is_some() { usize::MAX } else { least + function.optional.len() };
    if args.len() < least || args.len() > most {
        let wanted = match (most, least) {
            (usize::MAX, _) => format!("at least {least}"),
            (most, least) if most == least => least.to_string(),
            (most, least) => format!("{least} to {most}"),
        };
        return Err(Error::new(
            ErrorCode::InvalidQuery,
            format!("`{name}` takes {wanted} arguments, not {}", args.len()),
        ));
    }
    let kinds = function
        .takes
        .iter()
        .chain(function.optional)
        .copied()
        .chain(std::iter::repeat(function.rest.unwrap_or(Kind::Same)));
    function.bind(checker, args, kinds)
}

impl Function {
    /// Whether equal arguments always give equal results.
    pub(crate) const fn is_pure(&self) -> bool {
        self.pure
    }

    /// Its name.
    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// Brings the arguments to their kinds.
    fn bind(
        &'static self,
        checker: &mut Checker<'_, '_>,
        args: Vec<Checked>,
        kinds: impl Iterator<Item = Kind>,
    ) -> Result<Checked> {
        let mut nodes: Vec<Option<Node>> = Vec::with_capacity(args.len());
        let mut same: Vec<(usize, Checked)> = Vec::new();
        let mut first = None;
        let mut element = None;
        for (at, (arg, kind)) in args.into_iter().zip(kinds).enumerate() {
            if kind == Kind::Same {
                same.push((at, arg));
                nodes.push(None);
                continue;
            }
            let arg = match kind {
                Kind::Bool => checker.assign(arg, BOOL)?,
                Kind::Json => checker.assign(arg, JSON)?,
                // Of two arrays, a list is of what the first has.
                Kind::Array => checker.beside_array(arg, first)?,
                _ => {
                    let arg = checker.known(arg, kind.plain())?;
                    checker.settle(arg)?
                }
            };
            if let Some(ty) = arg.ty {
                if !kind.takes(ty) {
                    return Err(checker.mismatch(&format!("`{}`", self.name), &[ty]));
                }
                if let (Kind::Array, Some(first)) = (kind, first)
                    && types::common(first, ty).is_none()
                {
                    return Err(checker.mismatch(&format!("`{}`", self.name), &[first, ty]));
                }
                first = first.or(Some(ty));
                if let (FieldType::Array(scalar), "has") = (ty, self.name) {
                    element = Some(FieldType::Scalar(scalar));
                }
                if kind == Kind::Time {
                    element = Some(ty);
                }
            }
            nodes.push(Some(if kind == Kind::Printed { checker.as_text(arg) } else { arg.node }));
        }
        let mut common = element;
        if let (Some(element), "has") = (element, self.name) {
            for (at, arg) in same {
                let arg = checker.assign(arg, element)?;
                if let Some(node) = nodes.get_mut(at) {
                    *node = Some(arg.node);
                }
            }
        } else if !same.is_empty() {
            let (at, args): (Vec<usize>, Vec<Checked>) = same.into_iter().unzip();
            let (args, ty) = checker.branches(&format!("`{}`", self.name), args)?;
            common = ty;
            for (at, arg) in at.into_iter().zip(args) {
                if let Some(node) = nodes.get_mut(at) {
                    *node = Some(arg);
                }
            }
        }
        let args: Vec<Node> = nodes.into_iter().flatten().collect();
        if let ("startOf", Some(ty), Some(Node::Const(unit))) = (self.name, common, args.first())
            && let ValueRef::String(unit) = unit.view()
        {
            time::check_unit(unit, ty)?;
        }
        let ty = match self.gives {
            Gives::Type(ty) => Some(ty),
            Gives::First => first,
            Gives::Common => common,
            Gives::Rounded => first.map(math::rounded_type),
            Gives::Zoned => first.map(time::zoned_type),
        };
        Ok(match ty {
            Some(ty) => check::fold(Node::Call(self, args), ty),
            None => Checked::fixed(Node::Const(Datum::NULL), TEXT),
        })
    }

    /// The value of a call for a row.
    pub(super) fn call<'a>(
        &'static self,
        args: &'a [Node],
        row: &'a dyn RowSource,
        env: &EvalEnv<'a>,
    ) -> Result<Datum<'a>> {
        let mut values = Vec::with_capacity(args.len());
        for arg in args {
            let value = eval::eval(arg, row, env)?;
            if self.nulls == Nulls::Strict && value.is_null() {
                return Ok(Datum::NULL);
            }
            // What cannot change the answer is not computed: it may fail.
            if self.name == "coalesce" && !value.is_null() {
                return Ok(value);
            }
            if self.name == "if" && values.is_empty() {
                let chosen =
                    if matches!(value, Datum::Ref(ValueRef::Bool(true))) { args.get(1) } else { args.get(2) };
                return chosen.map_or(Ok(Datum::NULL), |chosen| eval::eval(chosen, row, env));
            }
            values.push(value);
        }
        (self.run)(&values, env)
    }
}

impl Kind {
    /// The type that is wanted, of a kind that is one type or as good as one.
    const fn plain(self) -> Option<FieldType> {
        match self {
            Kind::Text | Kind::Printed | Kind::Step => Some(TEXT),
            Kind::Int => Some(INT64),
            _ => None,
        }
    }

    const fn takes(self, ty: FieldType) -> bool {
        use ScalarType as S;
        match self {
            Kind::Text => types::is_text(ty),
            Kind::Int => types::is_integer(ty),
            Kind::Number => types::is_numeric(ty),
            Kind::Time => {
                matches!(ty, FieldType::Scalar(S::Date | S::Time | S::DateTime | S::LocalDateTime))
            }
            Kind::Day => matches!(ty, FieldType::Scalar(S::Date | S::DateTime | S::LocalDateTime)),
            Kind::Clock => matches!(ty, FieldType::Scalar(S::Time | S::DateTime | S::LocalDateTime)),
            Kind::Moment => matches!(ty, FieldType::Scalar(S::DateTime | S::LocalDateTime)),
            Kind::Step => types::is_text(ty) || types::is_integer(ty),
            Kind::Array => matches!(ty, FieldType::Array(_)),
            Kind::Sized => {
                types::is_text(ty) || matches!(ty, FieldType::Array(_) | FieldType::Scalar(S::Bytes))
            }
            Kind::Bool | Kind::Json | Kind::Printed | Kind::Same => true,
        }
    }
}

/// A call of a type's name: a conversion.
fn conversion(
    checker: &mut Checker<'_, '_>,
    name: &str,
    to: ScalarType,
    args: Vec<Checked>,
) -> Result<Checked> {
    let given = args.len();
    let mut args = args.into_iter();
    let (Some(arg), None) = (args.next(), args.next()) else {
        return Err(Error::new(ErrorCode::InvalidQuery, format!("`{name}` takes 1 argument, not {given}")));
    };
    let arg = checker.settle(arg)?;
    let want = FieldType::Scalar(to);
    match arg.ty {
        None => Ok(Checked::fixed(Node::Const(Datum::NULL), want)),
        Some(_) if types::is_text(want) => Ok(check::fold(checker.as_text(arg), want)),
        Some(ty) if cast::can_cast(ty, to) => Ok(check::fold(Node::Cast(want, Box::new(arg.node)), want)),
        Some(ty) => Err(checker.mismatch(&format!("`{name}`"), &[ty])),
    }
}

/// The label of an enum value, as text.
pub(super) fn enum_label(labels: Vec<EnumLabel>, operand: Node) -> Node {
    let mut args = vec![operand];
    for label in labels {
        args.push(Node::Const(Datum::Ref(ValueRef::Enum(label.position))));
        args.push(Node::Const(Datum::Text(label.name)));
    }
    Node::Call(&LABEL, args)
}

fn label(args: &[Datum<'_>], _: &EvalEnv<'_>) -> Result<Datum<'static>> {
    let [operand, labels @ ..] = args else { return Err(misused("label")) };
    let (pairs, _) = labels.as_chunks::<2>();
    let found = pairs.iter().find(|[position, _]| position.view() == operand.view());
    Ok(found.map_or(Datum::NULL, |[_, label]| label.clone().into_owned()))
}

fn first_value(args: &[Datum<'_>], _: &EvalEnv<'_>) -> Result<Datum<'static>> {
    Ok(args.iter().find(|arg| !arg.is_null()).map_or(Datum::NULL, |arg| arg.clone().into_owned()))
}

fn null_if(args: &[Datum<'_>], _: &EvalEnv<'_>) -> Result<Datum<'static>> {
    let [value, other] = args else { return Err(misused("nullIf")) };
    let same = eval::order(&value.view(), &other.view())?.is_some_and(std::cmp::Ordering::is_eq);
    Ok(if same { Datum::NULL } else { value.clone().into_owned() })
}

fn choose(args: &[Datum<'_>], _: &EvalEnv<'_>) -> Result<Datum<'static>> {
    let [condition, yes, no] = args else { return Err(misused("if")) };
    let chosen = if matches!(condition, Datum::Ref(ValueRef::Bool(true))) { yes } else { no };
    Ok(chosen.clone().into_owned())
}

/// The bug of a function that was called with arguments that its entry in the table does not allow.
fn misused(name: &str) -> Error {
    Error::new(ErrorCode::Internal, format!("`{name}` was called with arguments that it does not take"))
}

/// An argument that is text.
fn text_arg<'d>(args: &'d [Datum<'_>], at: usize, name: &str) -> Result<&'d str> {
    match args.get(at) {
        Some(Datum::Ref(ValueRef::String(text))) => Ok(text),
        Some(Datum::Text(text)) => Ok(text),
        _ => Err(misused(name)),
    }
}

/// An argument that is a whole number.
fn int_arg(args: &[Datum<'_>], at: usize, name: &str) -> Result<i64> {
    match args.get(at).map(Datum::view) {
        Some(ValueRef::Int16(v)) => Ok(i64::from(v)),
        Some(ValueRef::Int32(v)) => Ok(i64::from(v)),
        Some(ValueRef::Int64(v)) => Ok(v),
        _ => Err(misused(name)),
    }
}
