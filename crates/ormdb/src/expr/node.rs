//! The tree of a checked expression. The planner reads it to find what an index can answer.

use ormdb_proto::schema::{FieldId, FieldType};

use super::datum::Datum;
use super::functions::Function;
use super::text_match::Matcher;

/// One node of a checked expression.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// A constant, of the type of its place.
    Const(Datum<'static>),
    /// A stored field of the row.
    Field(FieldId),
    /// A value that the one who runs the expression supplies.
    External(usize),
    /// The value of a slot of a parameter: the same for all rows of a run.
    Param(usize),
    /// `not`
    Not(Box<Node>),
    /// `-` of a number or interval
    Negate(Box<Node>),
    /// A comparison; null if an operand is.
    Compare(Comparison, Box<Node>, Box<Node>),
    /// Arithmetic on numbers of the given type, or on times.
    Arithmetic(Arithmetic, FieldType, Box<Node>, Box<Node>),
    /// `||` of texts or arrays
    Concat(Box<Node>, Box<Node>),
    /// A match of text.
    Match(Matcher, Box<Node>),
    /// Whether the operand equals one of the elements.
    In { operand: Box<Node>, list: Vec<Node>, negated: bool },
    /// Whether the operand equals one of the elements of an array.
    InArray { operand: Box<Node>, array: Box<Node>, negated: bool },
    /// Whether the operand is null, or is not.
    IsNull { operand: Box<Node>, negated: bool },
    /// All of them.
    And(Vec<Node>),
    /// One of them.
    Or(Vec<Node>),
    /// A function of the library.
    Call(&'static Function, Vec<Node>),
    /// A conversion.
    Cast(FieldType, Box<Node>),
    /// An array of the elements.
    Array(Vec<Node>),
}

/// An operator that compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// An operator that calculates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Comparison {
    /// Whether an order of left and right satisfies it.
    pub(crate) const fn accepts(self, order: std::cmp::Ordering) -> bool {
        match self {
            Comparison::Equal => order.is_eq(),
            Comparison::NotEqual => order.is_ne(),
            Comparison::Less => order.is_lt(),
            Comparison::LessOrEqual => order.is_le(),
            Comparison::Greater => order.is_gt(),
            Comparison::GreaterOrEqual => order.is_ge(),
        }
    }

    /// The operator that says the same when left and right change places.
    pub(crate) const fn mirrored(self) -> Comparison {
        match self {
            Comparison::Equal => Comparison::Equal,
            Comparison::NotEqual => Comparison::NotEqual,
            Comparison::Less => Comparison::Greater,
            Comparison::LessOrEqual => Comparison::GreaterOrEqual,
            Comparison::Greater => Comparison::Less,
            Comparison::GreaterOrEqual => Comparison::LessOrEqual,
        }
    }
}

impl Node {
    /// The nodes directly below.
    pub(crate) fn children(&self) -> Vec<&Node> {
        match self {
            Node::Const(_) | Node::Field(_) | Node::External(_) | Node::Param(_) => Vec::new(),
            Node::Not(operand)
            | Node::Negate(operand)
            | Node::Cast(_, operand)
            | Node::IsNull { operand, .. } => vec![operand],
            Node::Match(matcher, text) => {
                let mut below: Vec<&Node> = vec![text];
                below.extend(matcher.pattern());
                below
            }
            Node::Compare(_, left, right)
            | Node::Arithmetic(_, _, left, right)
            | Node::Concat(left, right) => {
                vec![left, right]
            }
            Node::InArray { operand, array, .. } => vec![operand, array],
            Node::In { operand, list, .. } => {
                let mut below: Vec<&Node> = vec![operand];
                below.extend(list);
                below
            }
            Node::And(all) | Node::Or(all) | Node::Call(_, all) | Node::Array(all) => all.iter().collect(),
        }
    }

    /// Calls `see` for this node and every node below.
    pub(crate) fn visit(&self, see: &mut dyn FnMut(&Node)) {
        see(self);
        for child in self.children() {
            child.visit(see);
        }
    }

    /// Whether the value is the same for every row of a statement.
    pub(crate) fn is_constant(&self) -> bool {
        match self {
            Node::Field(_) | Node::External(_) => false,
            other => other.children().into_iter().all(Node::is_constant),
        }
    }
}
