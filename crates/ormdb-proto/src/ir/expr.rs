//! Expressions: filters, orders, computed fields, checks and new values.

use std::fmt;

use rkyv::{Archive, Deserialize, Serialize};

use crate::error::Span;
use crate::value::Value;

/// A constant, and where it stands in a text. Two of the same value are equal, wherever they stand, and what is stored of one is
/// its value.
#[derive(Clone, Archive, Serialize, Deserialize, serde::Serialize, serde::Deserialize)]
#[serde(from = "Value", into = "Value")]
pub struct Literal {
    /// The value.
    pub value: Value,
    /// Where it stands in a text.
    pub span: Option<Span>,
}

impl PartialEq for Literal {
    fn eq(&self, other: &Literal) -> bool {
        self.value == other.value
    }
}

impl fmt::Debug for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl From<Value> for Literal {
    fn from(value: Value) -> Literal {
        Literal { value, span: None }
    }
}

impl From<Literal> for Value {
    fn from(literal: Literal) -> Value {
        literal.value
    }
}

/// An expression over a row, its to-one relations, and parameters. SQL's three-valued logic holds.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize, serde::Serialize, serde::Deserialize)]
#[rkyv(serialize_bounds(__S: rkyv::ser::Writer + rkyv::ser::Allocator, __S::Error: rkyv::rancor::Source))]
#[rkyv(deserialize_bounds(__D::Error: rkyv::rancor::Source))]
#[rkyv(bytecheck(bounds(__C: rkyv::validation::ArchiveContext, __C::Error: rkyv::rancor::Source)))]
#[serde(rename_all = "snake_case")]
pub enum Expr {
    /// A constant. Its type bends to its place: `1` is an int16 beside an int16 field, `"2024-01-01"` a date beside a date.
    Literal(Literal),
    /// A parameter, by name without the `$`. Bends like a literal.
    Param {
        /// The name.
        name: String,
        /// Where it stands in a text.
        span: Option<Span>,
    },
    /// A field, reached from the row at hand over to-one relations: `["genre", "name"]`. A bare word that is no
    /// field is a label of an enum, where an enum is wanted.
    Path {
        /// Relations, then the field.
        path: Vec<String>,
        /// Where it stands in a text.
        span: Option<Span>,
    },
    /// An operator of one operand.
    Unary {
        /// The operator.
        op: UnaryOp,
        /// The operand.
        #[rkyv(omit_bounds)]
        operand: Box<Expr>,
    },
    /// An operator of two operands.
    Binary {
        /// The operator.
        op: BinaryOp,
        /// The left operand.
        #[rkyv(omit_bounds)]
        left: Box<Expr>,
        /// The right operand.
        #[rkyv(omit_bounds)]
        right: Box<Expr>,
    },
    /// A match of text.
    Match {
        /// How the pattern is read.
        op: TextMatch,
        /// Whether case is ignored.
        insensitive: bool,
        /// The text.
        #[rkyv(omit_bounds)]
        text: Box<Expr>,
        /// The pattern.
        #[rkyv(omit_bounds)]
        pattern: Box<Expr>,
    },
    /// Whether the operand equals one of a list. The list is `List`, or a parameter or field of an array type.
    In {
        /// The operand.
        #[rkyv(omit_bounds)]
        operand: Box<Expr>,
        /// The list.
        #[rkyv(omit_bounds)]
        list: Box<Expr>,
        /// Whether the answer is turned round.
        negated: bool,
    },
    /// Expressions in order: the list of an `In`, or an array.
    List(#[rkyv(omit_bounds)] Vec<Expr>),
    /// Whether `low <= operand <= high`.
    Between {
        /// The operand.
        #[rkyv(omit_bounds)]
        operand: Box<Expr>,
        /// The least.
        #[rkyv(omit_bounds)]
        low: Box<Expr>,
        /// The greatest.
        #[rkyv(omit_bounds)]
        high: Box<Expr>,
        /// Whether the answer is turned round.
        negated: bool,
    },
    /// Whether the operand is null: never null itself. The operand may be a to-one relation.
    IsNull {
        /// The operand.
        #[rkyv(omit_bounds)]
        operand: Box<Expr>,
        /// Whether the answer is turned round.
        negated: bool,
    },
    /// All of them; true of none.
    And(#[rkyv(omit_bounds)] Vec<Expr>),
    /// One of them; false of none.
    Or(#[rkyv(omit_bounds)] Vec<Expr>),
    /// A function of the library.
    Call {
        /// Its name.
        function: String,
        /// Its arguments.
        #[rkyv(omit_bounds)]
        args: Vec<Expr>,
        /// Where it stands in a text.
        span: Option<Span>,
    },
    /// Whether rows of a relation satisfy a condition: `albums some (year >= 2000)`.
    Related {
        /// The relation, reached over to-one relations.
        path: Vec<String>,
        /// How many of them.
        quantifier: Quantifier,
        /// The condition on the related row; `And` of none is true.
        #[rkyv(omit_bounds)]
        filter: Box<Expr>,
        /// Where it stands in a text.
        span: Option<Span>,
    },
    /// An aggregate over the rows of a relation: `count(albums)`, `sum(lines.price where quantity > 1)`.
    Aggregate(#[rkyv(omit_bounds)] Box<RelationAggregate>),
}

/// An aggregate over the rows of a to-many relation.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize, serde::Serialize, serde::Deserialize)]
#[rkyv(serialize_bounds(__S: rkyv::ser::Writer + rkyv::ser::Allocator, __S::Error: rkyv::rancor::Source))]
#[rkyv(deserialize_bounds(__D::Error: rkyv::rancor::Source))]
#[rkyv(bytecheck(bounds(__C: rkyv::validation::ArchiveContext, __C::Error: rkyv::rancor::Source)))]
pub struct RelationAggregate {
    /// The function.
    pub function: AggregateFunction,
    /// Whether equal values count once.
    pub distinct: bool,
    /// The relation; none where the rows of a group are aggregated.
    pub relation: Vec<String>,
    /// What is aggregated of each related row; none for a count of rows.
    #[rkyv(omit_bounds)]
    pub value: Option<Expr>,
    /// Which related rows.
    #[rkyv(omit_bounds)]
    pub filter: Option<Expr>,
    /// Where it stands in a text.
    pub span: Option<Span>,
}

/// A function over many values.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Archive, Serialize, Deserialize, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum AggregateFunction {
    /// How many; nulls of a value do not count.
    Count,
    /// The sum; null of none.
    Sum,
    /// The mean; null of none.
    Avg,
    /// The least; null of none.
    Min,
    /// The greatest; null of none.
    Max,
}

/// How many related rows must satisfy a condition.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Archive, Serialize, Deserialize, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Quantifier {
    /// At least one.
    Some,
    /// All; true of none.
    Every,
    /// None.
    None,
    /// The one row of a to-one relation is there and satisfies it.
    Is,
    /// The one row of a to-one relation is not there, or does not satisfy it.
    IsNot,
}

/// An operator of one operand.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Archive, Serialize, Deserialize, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum UnaryOp {
    /// `not`
    Not,
    /// `-`
    Negate,
}

/// An operator of two operands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Archive, Serialize, Deserialize, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum BinaryOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`; of integers, rounds toward zero
    Divide,
    /// `%`
    Remainder,
    /// `||`
    Concat,
}

/// How a pattern is read.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Archive, Serialize, Deserialize, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum TextMatch {
    /// The text has it somewhere.
    Contains,
    /// The text begins with it.
    StartsWith,
    /// The text ends with it.
    EndsWith,
    /// SQL's LIKE: `%` any characters, `_` one, `\` escapes.
    Like,
    /// A regular expression that matches somewhere.
    Regex,
}

impl Expr {
    /// The path of one or more names, with no place in a text.
    pub fn path<'a>(names: impl IntoIterator<Item = &'a str>) -> Expr {
        Expr::Path { path: names.into_iter().map(str::to_owned).collect(), span: None }
    }

    /// A constant.
    pub fn literal(value: impl Into<Value>) -> Expr {
        Expr::Literal(Literal::from(value.into()))
    }

    /// `left op right`
    pub fn binary(op: BinaryOp, left: Expr, right: Expr) -> Expr {
        Expr::Binary { op, left: Box::new(left), right: Box::new(right) }
    }

    /// `function(args)`, which stands there in a text.
    pub fn call(function: &str, args: Vec<Expr>, span: Span) -> Expr {
        Expr::Call { function: function.to_owned(), args, span: Some(span) }
    }

    /// Where it stands in a text, from the first of its parts that know their place to the last.
    pub fn span(&self) -> Option<Span> {
        let own = match self {
            Expr::Param { span, .. }
            | Expr::Path { span, .. }
            | Expr::Call { span, .. }
            | Expr::Related { span, .. } => *span,
            Expr::Literal(literal) => literal.span,
            Expr::Aggregate(aggregate) => aggregate.span,
            _ => None,
        };
        let parts = own.into_iter().chain(self.children().into_iter().filter_map(Expr::span));
        parts.reduce(|a, b| {
            let first = if b.start < a.start { b } else { a };
            Span { end: a.end.max(b.end), ..first }
        })
    }

    /// The expressions directly below, those about related rows included.
    pub fn children(&self) -> Vec<&Expr> {
        match self {
            Expr::Literal(_) | Expr::Param { .. } | Expr::Path { .. } => Vec::new(),
            Expr::Unary { operand, .. } | Expr::IsNull { operand, .. } => vec![operand],
            Expr::Binary { left, right, .. } => vec![left, right],
            Expr::Match { text, pattern, .. } => vec![text, pattern],
            Expr::In { operand, list, .. } => vec![operand, list],
            Expr::Between { operand, low, high, .. } => vec![operand, low, high],
            Expr::List(items) | Expr::And(items) | Expr::Or(items) | Expr::Call { args: items, .. } => {
                items.iter().collect()
            }
            Expr::Related { filter, .. } => vec![filter],
            Expr::Aggregate(aggregate) => aggregate.value.iter().chain(&aggregate.filter).collect(),
        }
    }
}
