//! Checks names and types, and makes the tree that runs: operators here, names and constants below.
//!
//! A literal or parameter has no type of its own until its neighbour gives it one: `"2024-01-01"` is a date beside a
//! date. A bare word that is no field is a label where an enum stands beside it.

mod bend;
mod names;

use ormdb_proto::error::Span;
use ormdb_proto::ir::{BinaryOp, Expr, TextMatch, UnaryOp};
use ormdb_proto::schema::{FieldType, ScalarType, Schema};
use ormdb_proto::{Error, ErrorCode, Result, Value};

use self::bend::{constant, constant_list};
use super::cast;
use super::datum::Datum;
use super::eval;
use super::functions;
use super::node::{Arithmetic, Comparison, Node};
use super::parameters::Parameters;
use super::scope::Scope;
use super::text_match::{Matcher, Pattern};
use super::types::{self, BOOL, INTERVAL, TEXT};
use super::{EvalEnv, NoRow, RowExpr};

/// The deepest nesting of an expression, computed fields that it names included.
const DEPTH_MAX: usize = 256;

/// Checks an expression and bends it to a wanted type.
pub(super) fn compile(
    scope: &mut dyn Scope<'_>,
    expr: &Expr,
    want: Option<FieldType>,
    params: &Parameters<'_>,
) -> Result<RowExpr> {
    let schema = scope.schema();
    let mut checker = Checker { scope, params, depth: 0 };
    let checked = checker.check(expr)?;
    let checked = match want {
        Some(want) => checker.assign(checked, want),
        None => checker.settle(checked),
    };
    let checked = checked.map_err(|error| within(error, expr))?;
    let labels = match checked.ty.map(FieldType::scalar) {
        Some(ScalarType::Enum(id)) => schema.enum_by_id(id).cloned(),
        _ => None,
    };
    Ok(RowExpr { root: checked.node, ty: checked.ty, labels })
}

/// An expression whose names are known.
pub(super) struct Checked {
    pub(super) node: Node,
    /// None for null.
    pub(super) ty: Option<FieldType>,
    bend: Bend,
}

/// Whether the type is still open.
enum Bend {
    /// It is not.
    Fixed,
    /// A literal or parameter, as it was given.
    Constant(Value, Option<Span>),
    /// A parameter with a slot.
    Param(usize, Option<Span>),
    /// A parameter without a value, of a statement that is described.
    Unknown(String),
    /// A list of such, or of what else.
    List(Vec<Checked>),
    /// A bare word that is no field: a label, or the error.
    Word(String, Error),
}

impl Checked {
    pub(super) const fn fixed(node: Node, ty: FieldType) -> Checked {
        Checked { node, ty: Some(ty), bend: Bend::Fixed }
    }

    const fn null() -> Checked {
        Checked { node: Node::Const(Datum::NULL), ty: None, bend: Bend::Fixed }
    }
}

pub(super) struct Checker<'c, 's> {
    scope: &'c mut dyn Scope<'s>,
    params: &'c Parameters<'c>,
    depth: usize,
}

impl<'s> Checker<'_, 's> {
    pub(super) fn schema(&self) -> &'s Schema {
        self.scope.schema()
    }

    pub(super) fn check(&mut self, expr: &Expr) -> Result<Checked> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Error::new(
                ErrorCode::LimitExceeded,
                format!("the expression nests deeper than {DEPTH_MAX}, computed fields included"),
            ));
        }
        let checked = match self.scope.given(expr)? {
            Some(external) => Ok(names::outside(external)),
            None => self.check_here(expr).map_err(|error| within(error, expr)),
        };
        self.depth -= 1;
        checked
    }

    fn check_here(&mut self, expr: &Expr) -> Result<Checked> {
        match expr {
            Expr::Literal(literal) => {
                let value = match &literal.value {
                    // A whole number is an int32 where it fits, as in SQL.
                    Value::Int64(v) => &i32::try_from(*v).map_or(Value::Int64(*v), Value::Int32),
                    other => other,
                };
                constant(self.schema(), value, literal.span)
            }
            Expr::Param { name, .. } if self.params.are_described() => {
                Ok(Checked { bend: Bend::Unknown(name.clone()), ..Checked::null() })
            }
            Expr::Param { name, span } => {
                let value = self.params.pin(name).map_err(|error| at(error, *span))?;
                constant(self.schema(), value, *span)
            }
            Expr::Path { path, span } => self.path(path, *span),
            Expr::Unary { op: UnaryOp::Not, operand } => {
                let operand = self.condition(operand)?;
                Ok(fold(Node::Not(Box::new(operand)), BOOL))
            }
            Expr::Unary { op: UnaryOp::Negate, operand } => self.negate(operand),
            Expr::Binary { op, left, right } => self.binary(*op, left, right),
            Expr::Match { op, insensitive, text, pattern } => {
                self.text_match(*op, *insensitive, text, pattern)
            }
            Expr::In { operand, list, negated } => self.in_list(operand, list, *negated),
            Expr::List(items) => self.list(items),
            Expr::Between { operand, low, high, negated } => {
                let least = Expr::binary(BinaryOp::GreaterOrEqual, (**operand).clone(), (**low).clone());
                let most = Expr::binary(BinaryOp::LessOrEqual, (**operand).clone(), (**high).clone());
                let both = Node::And(vec![self.condition(&least)?, self.condition(&most)?]);
                Ok(fold(if *negated { Node::Not(Box::new(both)) } else { both }, BOOL))
            }
            Expr::IsNull { operand, negated } => self.is_null(operand, *negated),
            Expr::And(all) => {
                let all = all.iter().map(|e| self.condition(e)).collect::<Result<Vec<_>>>()?;
                Ok(fold(Node::And(all), BOOL))
            }
            Expr::Or(all) => {
                let all = all.iter().map(|e| self.condition(e)).collect::<Result<Vec<_>>>()?;
                Ok(fold(Node::Or(all), BOOL))
            }
            Expr::Call { function, args, span } => {
                let args = args.iter().map(|arg| self.check(arg)).collect::<Result<Vec<_>>>()?;
                functions::check(self, function, args).map_err(|error| at(error, *span))
            }
            Expr::Related { path, quantifier, filter, span } => {
                self.related(path, *quantifier, filter, *span)
            }
            Expr::Aggregate(aggregate) => self.aggregate(aggregate),
        }
    }

    fn negate(&mut self, operand: &Expr) -> Result<Checked> {
        let operand = self.check(operand)?;
        let operand = self.settle(operand)?;
        match operand.ty {
            None => Ok(Checked::null()),
            Some(ty) if types::is_numeric(ty) || ty == INTERVAL => {
                let negated = fold(Node::Negate(Box::new(operand.node)), ty);
                // A negated literal bends like a literal.
                match (&negated.node, operand.bend) {
                    (Node::Const(datum), Bend::Constant(_, span)) => {
                        let value = datum.view().to_value(&|_| None);
                        Ok(Checked { bend: Bend::Constant(value, span), ..negated })
                    }
                    _ => Ok(negated),
                }
            }
            Some(ty) => Err(self.mismatch("-", &[ty])),
        }
    }

    fn binary(&mut self, op: BinaryOp, left: &Expr, right: &Expr) -> Result<Checked> {
        let (left, right) = match op {
            BinaryOp::Equal
            | BinaryOp::NotEqual
            | BinaryOp::Less
            | BinaryOp::LessOrEqual
            | BinaryOp::Greater
            | BinaryOp::GreaterOrEqual => (self.comparand(left)?, self.comparand(right)?),
            BinaryOp::Add
            | BinaryOp::Subtract
            | BinaryOp::Multiply
            | BinaryOp::Divide
            | BinaryOp::Remainder
            | BinaryOp::Concat => (self.check(left)?, self.check(right)?),
        };
        let comparison = match op {
            BinaryOp::Equal => Comparison::Equal,
            BinaryOp::NotEqual => Comparison::NotEqual,
            BinaryOp::Less => Comparison::Less,
            BinaryOp::LessOrEqual => Comparison::LessOrEqual,
            BinaryOp::Greater => Comparison::Greater,
            BinaryOp::GreaterOrEqual => Comparison::GreaterOrEqual,
            BinaryOp::Add => return self.arithmetic("+", Arithmetic::Add, left, right),
            BinaryOp::Subtract => return self.arithmetic("-", Arithmetic::Subtract, left, right),
            BinaryOp::Multiply => return self.arithmetic("*", Arithmetic::Multiply, left, right),
            BinaryOp::Divide => return self.arithmetic("/", Arithmetic::Divide, left, right),
            BinaryOp::Remainder => return self.arithmetic("%", Arithmetic::Remainder, left, right),
            BinaryOp::Concat => return self.concat(left, right),
        };
        let (left, right) = self.compared(left, right)?;
        let node = match (&left, &right) {
            (Node::Const(_) | Node::Param(_), Node::Field(_)) => {
                Node::Compare(comparison.mirrored(), Box::new(right), Box::new(left))
            }
            _ => Node::Compare(comparison, Box::new(left), Box::new(right)),
        };
        Ok(fold(node, BOOL))
    }

    /// An operand of a comparison: the value of a parameter may change from run to run.
    fn comparand(&mut self, expr: &Expr) -> Result<Checked> {
        if let Expr::Param { name, span } = expr
            && self.scope.given(expr)?.is_none()
            && let Some((slot, ty)) = self.params.slot(name).map_err(|error| at(error, *span))?
        {
            return Ok(Checked { node: Node::Param(slot), ty: Some(ty), bend: Bend::Param(slot, *span) });
        }
        self.check(expr)
    }

    /// An expression of type bool.
    fn condition(&mut self, expr: &Expr) -> Result<Node> {
        let checked = self.check(expr)?;
        Ok(self.assign(checked, BOOL).map_err(|error| within(error, expr))?.node)
    }

    fn arithmetic(&mut self, symbol: &str, op: Arithmetic, left: Checked, right: Checked) -> Result<Checked> {
        let (left, right) = (self.number_or_time(left, &right)?, right);
        let right = self.number_or_time(right, &left)?;
        let (Some(l), Some(r)) = (left.ty, right.ty) else { return Ok(Checked::null()) };
        let result = types::arithmetic(op, l, r).or_else(|| types::time_arithmetic(op, l, r));
        let Some(ty) = result else { return Err(self.mismatch(symbol, &[l, r])) };
        Ok(fold(Node::Arithmetic(op, ty, Box::new(left.node), Box::new(right.node)), ty))
    }

    /// An operand of arithmetic: a text constant bends to the other operand's type, or to an interval beside a time.
    fn number_or_time(&mut self, checked: Checked, other: &Checked) -> Result<Checked> {
        let is_text = checked.ty.is_some_and(types::is_text);
        let interval_or = |beside| if types::is_instant(beside) { INTERVAL } else { beside };
        match (&checked.bend, other.ty) {
            (Bend::Unknown(_), Some(beside)) => self.bend_beside(checked, Some(interval_or(beside))),
            (Bend::Constant(value, span), Some(beside)) if is_text && !types::is_text(beside) => {
                let want = interval_or(beside);
                let datum = cast::bend(self.schema(), value, want).map_err(|error| at(error, *span))?;
                Ok(Checked::fixed(Node::Const(datum), want))
            }
            _ => self.settle(checked),
        }
    }

    fn concat(&mut self, left: Checked, right: Checked) -> Result<Checked> {
        let (l, r) = (left.ty, right.ty);
        let array = |ty: Option<FieldType>| ty.filter(|ty| matches!(ty, FieldType::Array(_))).or(Some(TEXT));
        let (left, right) = (self.known(left, array(r))?, self.known(right, array(l))?);
        let (left, right) = (self.beside_array(left, r)?, self.beside_array(right, l)?);
        let (l, r) = match (left.ty, right.ty) {
            (Some(l), Some(r)) => (l, r),
            // An array beside null is what it is.
            (Some(FieldType::Array(_)), None) => return Ok(left),
            (None, Some(FieldType::Array(_))) => return Ok(right),
            _ => return Ok(Checked::null()),
        };
        if let (FieldType::Array(_), FieldType::Array(_)) = (l, r)
            && let Some(ty) = types::common(l, r)
        {
            let (left, right) = (self.convert(left, ty)?, self.convert(right, ty)?);
            return Ok(fold(Node::Concat(Box::new(left.node), Box::new(right.node)), ty));
        }
        if !types::is_text(l) && !types::is_text(r) {
            return Err(self.mismatch("||", &[l, r]));
        }
        let (left, right) = (self.as_text(left), self.as_text(right));
        Ok(fold(Node::Concat(Box::new(left), Box::new(right)), TEXT))
    }

    /// A list beside an array: its elements are of the array's type where they have none by themselves (nulls, labels, none at
    /// all), and where texts stand for that type. Numbers and texts stay what they are.
    pub(super) fn beside_array(&mut self, checked: Checked, beside: Option<FieldType>) -> Result<Checked> {
        let Some(beside @ FieldType::Array(element)) = beside else { return self.settle(checked) };
        let element = FieldType::Scalar(element);
        let is_read = !types::is_numeric(element) && !types::is_text(element);
        match &checked.bend {
            Bend::List(items) if is_read || items.iter().all(|item| item.ty.is_none()) => {
                self.bend_beside(checked, Some(beside))
            }
            Bend::Constant(value @ Value::Array(_), span) if is_read || checked.ty.is_none() => {
                let datum = cast::bend(self.schema(), value, beside).map_err(|error| at(error, *span))?;
                Ok(Checked::fixed(Node::Const(datum), beside))
            }
            _ => self.settle(checked),
        }
    }

    /// The value as the text that is printed of it.
    pub(super) fn as_text(&self, checked: Checked) -> Node {
        match checked.ty {
            Some(ty) if types::is_text(ty) => checked.node,
            Some(FieldType::Scalar(ScalarType::Enum(id))) => {
                let labels = self.schema().enum_by_id(id).map(|e| e.labels.clone()).unwrap_or_default();
                functions::enum_label(labels, checked.node)
            }
            Some(_) | None => Node::Cast(TEXT, Box::new(checked.node)),
        }
    }

    fn text_match(
        &mut self,
        op: TextMatch,
        insensitive: bool,
        text: &Expr,
        pattern: &Expr,
    ) -> Result<Checked> {
        let (text, pattern) = (self.check(text)?, self.check(pattern)?);
        let (text, pattern) = (self.known(text, Some(TEXT))?, self.known(pattern, Some(TEXT))?);
        let (text, pattern) = (self.settle(text)?, self.settle(pattern)?);
        for operand in [&text, &pattern] {
            if let Some(ty) = operand.ty.filter(|ty| !types::is_text(*ty)) {
                return Err(self.mismatch("a match of text", &[ty]));
            }
        }
        let matcher = match pattern.node {
            Node::Const(Datum::Text(pattern)) => {
                Matcher::Constant(Pattern::compile(op, insensitive, &pattern)?)
            }
            Node::Const(_) => Matcher::Null,
            node => Matcher::PerRow { op, insensitive, pattern: Box::new(node) },
        };
        Ok(fold(Node::Match(matcher, Box::new(text.node)), BOOL))
    }

    fn in_list(&mut self, operand: &Expr, list: &Expr, negated: bool) -> Result<Checked> {
        let operand = self.check(operand)?;
        let Expr::List(items) = list else {
            return self.in_array(operand, list, negated);
        };
        let items = items.iter().map(|item| self.check(item)).collect::<Result<Vec<_>>>()?;
        let typed = items.iter().filter(|item| matches!(item.bend, Bend::Fixed)).find_map(|item| item.ty);
        let operand = match (&operand.bend, typed) {
            (Bend::Fixed, _) | (_, None) => self.settle(operand)?,
            (_, beside) => self.bend_beside(operand, beside)?,
        };
        let mut list = Vec::with_capacity(items.len());
        for item in items {
            let item = self.bend_beside(item, operand.ty)?;
            if let (Some(l), Some(r)) = (operand.ty, item.ty)
                && types::common(l, r).is_none()
            {
                return Err(self.mismatch("in", &[l, r]));
            }
            list.push(item.node);
        }
        Ok(fold(Node::In { operand: Box::new(operand.node), list, negated }, BOOL))
    }

    fn in_array(&mut self, operand: Checked, list: &Expr, negated: bool) -> Result<Checked> {
        let array = self.check(list)?;
        let array = self.known(array, operand.ty.map(|ty| FieldType::Array(ty.scalar())))?;
        let array = match (&array.bend, operand.ty) {
            (Bend::Constant(value @ Value::Array(_), span), Some(ty)) => {
                let datum = constant_list(self.schema(), value, ty).map_err(|error| at(error, *span))?;
                let list = datum.into_iter().map(Node::Const).collect();
                return Ok(fold(Node::In { operand: Box::new(operand.node), list, negated }, BOOL));
            }
            _ => self.settle(array)?,
        };
        let Some(array_ty) = array.ty else { return Ok(Checked { ty: Some(BOOL), ..Checked::null() }) };
        let FieldType::Array(element) = array_ty else {
            return Err(Error::new(ErrorCode::TypeMismatch, "a list or an array is wanted behind `in`"));
        };
        let operand = self.bend_beside(operand, Some(FieldType::Scalar(element)))?;
        if let Some(ty) = operand.ty
            && types::common(ty, FieldType::Scalar(element)).is_none()
        {
            return Err(self.mismatch("in", &[ty, array_ty]));
        }
        Ok(fold(
            Node::InArray { operand: Box::new(operand.node), array: Box::new(array.node), negated },
            BOOL,
        ))
    }

    fn list(&mut self, items: &[Expr]) -> Result<Checked> {
        let items = items.iter().map(|item| self.check(item)).collect::<Result<Vec<_>>>()?;
        Ok(Checked { node: Node::Const(Datum::NULL), ty: None, bend: Bend::List(items) })
    }

    fn is_null(&mut self, operand: &Expr, negated: bool) -> Result<Checked> {
        if let Expr::Path { path, span } = operand
            && self.scope.given(operand)?.is_none()
            && let Some(checked) = self.relation_is_null(path, *span, negated)?
        {
            return Ok(checked);
        }
        let operand = self.check(operand)?;
        let operand = self.settle(operand)?;
        Ok(fold(Node::IsNull { operand: Box::new(operand.node), negated }, BOOL))
    }

    /// The error of an operator or function that does not take these types.
    pub(super) fn mismatch(&self, what: &str, given: &[FieldType]) -> Error {
        let given: Vec<String> = given.iter().map(|ty| self.schema().type_name(*ty)).collect();
        Error::new(ErrorCode::TypeMismatch, format!("{what} does not take {}", given.join(" and ")))
    }
}

/// Computes a node of constants. One that fails stays, and fails when it is reached.
pub(super) fn fold(node: Node, ty: FieldType) -> Checked {
    let constant = node.children().iter().all(|child| matches!(child, Node::Const(_)));
    let pure = !matches!(&node, Node::Call(function, _) if !function.is_pure());
    let node = if constant && pure && !matches!(node, Node::Const(_) | Node::External(_) | Node::Field(_)) {
        let computed = eval::eval(&node, &NoRow, &EvalEnv::at(0)).map(Datum::into_owned);
        computed.map_or(node, Node::Const)
    } else {
        node
    };
    Checked::fixed(node, ty)
}

/// The error at the place of an expression, unless it names one.
fn within(error: Error, expr: &Expr) -> Error {
    if error.detail.span.is_some() { error } else { at(error, expr.span()) }
}

/// The error at a place in the text, unless it names one.
fn at(mut error: Error, span: Option<Span>) -> Error {
    error.detail.span = error.detail.span.or(span);
    error
}
