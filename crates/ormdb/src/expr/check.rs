//! Checks names and types, and makes the tree that runs.
//!
//! A literal or parameter has no type of its own until its neighbour gives it one: `"2024-01-01"` is a date beside a
//! date. A bare word that is no field is a label where an enum stands beside it.

use ormdb_proto::error::Span;
use ormdb_proto::ir::{BinaryOp, Expr, Params, Quantifier, RelationAggregate, TextMatch, UnaryOp};
use ormdb_proto::schema::{Entity, FieldType, Relation, ScalarType, Schema};
use ormdb_proto::{Error, ErrorCode, Result, Value};

use super::cast;
use super::datum::Datum;
use super::eval;
use super::functions;
use super::node::{Arithmetic, Comparison, Node};
use super::scope::{External, Scope};
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
    params: &Params,
) -> Result<RowExpr> {
    let schema = scope.schema();
    let mut checker = Checker { scope, params, depth: 0 };
    let checked = checker.check(expr)?;
    let checked = match want {
        Some(want) => checker.assign(checked, want)?,
        None => checker.settle(checked)?,
    };
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
    Constant(Value),
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
    params: &'c Params,
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
        let checked = self.check_here(expr);
        self.depth -= 1;
        checked
    }

    fn check_here(&mut self, expr: &Expr) -> Result<Checked> {
        match expr {
            Expr::Literal(Value::Int64(v)) => {
                // A whole number is an int32 where it fits, as in SQL.
                constant(self.schema(), &i32::try_from(*v).map_or(Value::Int64(*v), Value::Int32))
            }
            Expr::Literal(value) => constant(self.schema(), value),
            Expr::Param { name, span } => match self.params.get(name) {
                Some(value) => constant(self.schema(), value),
                None => {
                    let known = self.params.0.iter().map(|(name, _)| name.as_str());
                    let error = Error::new(
                        ErrorCode::MissingParameter,
                        format!("the parameter `${name}` was not given"),
                    );
                    Err(at(error.suggest(name, known), *span))
                }
            },
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

    /// A field of the row, or behind its to-one relations.
    fn path(&mut self, path: &[String], span: Option<Span>) -> Result<Checked> {
        let entity = self.scope.entity();
        match path {
            [] => Err(Error::new(ErrorCode::InvalidQuery, "a path names no field")),
            [name] => {
                if let Some(field) = entity.field(name) {
                    return match &field.computed {
                        None => Ok(Checked::fixed(Node::Field(field.id), field.ty)),
                        Some(expr) => {
                            let computed = self.check(expr)?;
                            self.assign(computed, field.ty)
                        }
                    };
                }
                if entity.relation(name).is_some() {
                    let error = Error::new(
                        ErrorCode::TypeMismatch,
                        format!(
                            "`{name}` is a relation of {}, not a value; name one of its fields",
                            entity.name
                        ),
                    );
                    return Err(at(error.entity(entity.name.clone()).field(name.clone()), span));
                }
                let error = unknown_member(entity, name, span);
                let word = Bend::Word(name.clone(), error);
                Ok(Checked { node: Node::Const(Datum::NULL), ty: None, bend: word })
            }
            [first, rest @ ..] => {
                let relation = self.to_one(first, span)?;
                let tail = Expr::Path { path: rest.to_vec(), span };
                let external = self.scope.remote(relation, &tail, Value::Null)?;
                Ok(outside(external))
            }
        }
    }

    fn relation(&self, name: &str, span: Option<Span>) -> Result<&'s Relation> {
        let entity = self.scope.entity();
        if let Some(relation) = entity.relation(name) {
            return Ok(relation);
        }
        if entity.field(name).is_some() {
            let error = Error::new(
                ErrorCode::TypeMismatch,
                format!("`{name}` is a field of {}, not a relation", entity.name),
            );
            return Err(at(error.entity(entity.name.clone()).field(name), span));
        }
        Err(unknown_member(entity, name, span))
    }

    fn to_one(&self, name: &str, span: Option<Span>) -> Result<&'s Relation> {
        let relation = self.relation(name, span)?;
        if relation.kind.is_to_one() {
            return Ok(relation);
        }
        let entity = self.scope.entity();
        let error = Error::new(
            ErrorCode::TypeMismatch,
            format!(
                "`{name}` of {} leads to many rows; only to-one relations can be followed here",
                entity.name
            ),
        )
        .hint(format!("ask for `{name} some (…)`, or aggregate: `count({name})`"));
        Err(at(error.entity(entity.name.clone()).field(name), span))
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
                    (Node::Const(datum), Bend::Constant(_)) => {
                        let value = datum.view().to_value(&|_| None);
                        Ok(Checked { bend: Bend::Constant(value), ..negated })
                    }
                    _ => Ok(negated),
                }
            }
            Some(ty) => Err(self.mismatch("-", &[ty])),
        }
    }

    fn binary(&mut self, op: BinaryOp, left: &Expr, right: &Expr) -> Result<Checked> {
        let (left, right) = (self.check(left)?, self.check(right)?);
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
            (Node::Const(_), Node::Field(_)) => {
                Node::Compare(comparison.mirrored(), Box::new(right), Box::new(left))
            }
            _ => Node::Compare(comparison, Box::new(left), Box::new(right)),
        };
        Ok(fold(node, BOOL))
    }

    /// Brings two operands to types that can be compared.
    pub(super) fn compared(&mut self, left: Checked, right: Checked) -> Result<(Node, Node)> {
        let (left, right) = self.unify(left, right)?;
        match (left.ty, right.ty) {
            (Some(l), Some(r)) if types::common(l, r).is_none() => {
                let schema = self.schema();
                Err(Error::new(
                    ErrorCode::TypeMismatch,
                    format!("{} and {} cannot be compared", types::name(schema, l), types::name(schema, r)),
                ))
            }
            _ => Ok((left.node, right.node)),
        }
    }

    /// Bends the open one of two operands to the type of the other.
    pub(super) fn unify(&mut self, left: Checked, right: Checked) -> Result<(Checked, Checked)> {
        let open = |checked: &Checked| !matches!(checked.bend, Bend::Fixed);
        Ok(match (open(&left), open(&right)) {
            (true, false) => {
                let left = self.bend_beside(left, right.ty)?;
                (left, right)
            }
            (false, true) => {
                let right = self.bend_beside(right, left.ty)?;
                (left, right)
            }
            _ => (self.settle(left)?, self.settle(right)?),
        })
    }

    /// Bends an open operand to the type of its neighbour. Numbers stay as they are: they compare across types.
    fn bend_beside(&mut self, checked: Checked, beside: Option<FieldType>) -> Result<Checked> {
        let Some(beside) = beside else { return self.settle(checked) };
        match &checked.bend {
            Bend::Fixed => Ok(checked),
            Bend::Constant(value) => {
                if checked.ty.is_none_or(|ty| types::common(ty, beside).is_some()) {
                    return self.settle(checked);
                }
                let datum = cast::bend(self.schema(), value, beside)?;
                Ok(Checked::fixed(Node::Const(datum), beside))
            }
            Bend::Word(word, error) => match beside {
                FieldType::Scalar(ScalarType::Enum(_)) => {
                    let datum = Datum::of_value(self.schema(), &Value::Enum(word.clone()), beside);
                    let datum = datum.map_err(|e| at(e, error.detail.span))?;
                    Ok(Checked::fixed(Node::Const(datum), beside))
                }
                _ => self.settle(checked),
            },
            Bend::List(_) => {
                let element = FieldType::Scalar(beside.scalar());
                let Bend::List(items) = checked.bend else { return Err(open_list()) };
                let items = items.into_iter().map(|item| {
                    let item = self.bend_beside(item, Some(element))?;
                    self.convert(item, element)
                });
                let nodes = items.map(|item| item.map(|i| i.node)).collect::<Result<Vec<_>>>()?;
                Ok(fold(Node::Array(nodes), FieldType::Array(beside.scalar())))
            }
        }
    }

    /// Gives an open expression the type that it has by itself.
    pub(super) fn settle(&mut self, checked: Checked) -> Result<Checked> {
        match checked.bend {
            Bend::Fixed | Bend::Constant(_) => Ok(checked),
            Bend::Word(_, error) => Err(error),
            Bend::List(items) => {
                let items = items.into_iter().map(|i| self.settle(i)).collect::<Result<Vec<_>>>()?;
                let Some(ty) = self.common_type("a list", &items)? else {
                    return Ok(fold(
                        Node::Array(items.into_iter().map(|i| i.node).collect()),
                        FieldType::Array(TEXT.scalar()),
                    ));
                };
                let FieldType::Scalar(element) = ty else {
                    return Err(Error::new(ErrorCode::TypeMismatch, "arrays of arrays are not supported"));
                };
                let items = items.into_iter().map(|i| self.convert(i, ty));
                let nodes = items.map(|item| item.map(|i| i.node)).collect::<Result<Vec<_>>>()?;
                Ok(fold(Node::Array(nodes), FieldType::Array(element)))
            }
        }
    }

    /// One type for all of them; none if all are null.
    pub(super) fn common_type(&self, what: &str, items: &[Checked]) -> Result<Option<FieldType>> {
        let mut all: Option<FieldType> = None;
        for ty in items.iter().filter_map(|item| item.ty) {
            all = Some(match all {
                None => ty,
                Some(before) => {
                    types::common(before, ty).ok_or_else(|| self.mismatch(what, &[before, ty]))?
                }
            });
        }
        Ok(all)
    }

    /// Brings the members of a list of branches to one type: typed ones decide, constants bend.
    pub(super) fn branches(
        &mut self,
        what: &str,
        items: Vec<Checked>,
    ) -> Result<(Vec<Node>, Option<FieldType>)> {
        let fixed = items.iter().filter(|i| matches!(i.bend, Bend::Fixed)).find_map(|i| i.ty);
        let items =
            items.into_iter().map(|item| self.bend_beside(item, fixed)).collect::<Result<Vec<_>>>()?;
        let Some(ty) = self.common_type(what, &items)? else {
            return Ok((items.into_iter().map(|i| i.node).collect(), None));
        };
        let items =
            items.into_iter().map(|i| self.convert(i, ty).map(|i| i.node)).collect::<Result<Vec<_>>>()?;
        Ok((items, Some(ty)))
    }

    /// The expression as a value of `want`, where a value may be written there.
    pub(super) fn assign(&mut self, checked: Checked, want: FieldType) -> Result<Checked> {
        if let Bend::Constant(value) = &checked.bend {
            let datum = cast::bend(self.schema(), value, want)?;
            return Ok(Checked::fixed(Node::Const(datum), want));
        }
        let checked = self.bend_beside(checked, Some(want))?;
        self.convert(checked, want)
    }

    fn convert(&self, checked: Checked, want: FieldType) -> Result<Checked> {
        match checked.ty {
            None => Ok(Checked { ty: Some(want), ..checked }),
            Some(ty) if ty == want => Ok(checked),
            Some(ty) if types::assignable(ty, want) => {
                Ok(fold(Node::Cast(want, Box::new(checked.node)), want))
            }
            Some(ty) => {
                let schema = self.schema();
                Err(Error::new(
                    ErrorCode::TypeMismatch,
                    format!("{} is wanted here, not {}", types::name(schema, want), types::name(schema, ty)),
                ))
            }
        }
    }

    /// An expression of type bool.
    fn condition(&mut self, expr: &Expr) -> Result<Node> {
        let checked = self.check(expr)?;
        Ok(self.assign(checked, BOOL)?.node)
    }

    fn arithmetic(&mut self, symbol: &str, op: Arithmetic, left: Checked, right: Checked) -> Result<Checked> {
        let (left, right) = (self.number_or_time(left, &right)?, right);
        let right = self.number_or_time(right, &left)?;
        let (Some(l), Some(r)) = (left.ty, right.ty) else { return Ok(Checked::null()) };
        let result = types::arithmetic(op, l, r).or_else(|| time_arithmetic(op, l, r));
        let Some(ty) = result else { return Err(self.mismatch(symbol, &[l, r])) };
        Ok(fold(Node::Arithmetic(op, ty, Box::new(left.node), Box::new(right.node)), ty))
    }

    /// An operand of arithmetic: a text constant bends to the other operand's type, or to an interval beside a time.
    fn number_or_time(&mut self, checked: Checked, other: &Checked) -> Result<Checked> {
        let is_text = checked.ty.is_some_and(types::is_text);
        match (&checked.bend, other.ty) {
            (Bend::Constant(value), Some(beside)) if is_text && !types::is_text(beside) => {
                let want = if is_instant(beside) { INTERVAL } else { beside };
                let datum = cast::bend(self.schema(), value, want)?;
                Ok(Checked::fixed(Node::Const(datum), want))
            }
            _ => self.settle(checked),
        }
    }

    fn concat(&mut self, left: Checked, right: Checked) -> Result<Checked> {
        let (left, right) = (self.settle(left)?, self.settle(right)?);
        let (Some(l), Some(r)) = (left.ty, right.ty) else { return Ok(Checked::null()) };
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
        let array = match (&array.bend, operand.ty) {
            (Bend::Constant(value @ Value::Array(_)), Some(ty)) => {
                let datum = constant_list(self.schema(), value, ty)?;
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
            && let Some(checked) = self.relation_is_null(path, *span, negated)?
        {
            return Ok(checked);
        }
        let operand = self.check(operand)?;
        let operand = self.settle(operand)?;
        Ok(fold(Node::IsNull { operand: Box::new(operand.node), negated }, BOOL))
    }

    /// Whether a to-one relation leads nowhere, where the path names one.
    fn relation_is_null(
        &mut self,
        path: &[String],
        span: Option<Span>,
        negated: bool,
    ) -> Result<Option<Checked>> {
        let entity = self.scope.entity();
        let external = match path {
            [name] if entity.relation(name).is_some() => {
                let relation = self.to_one(name, span)?;
                self.scope.remote(relation, &Expr::Literal(Value::Bool(negated)), Value::Bool(!negated))?
            }
            [first, rest @ ..] if !rest.is_empty() => {
                let relation = self.to_one(first, span)?;
                let operand = Box::new(Expr::Path { path: rest.to_vec(), span });
                self.scope.remote(relation, &Expr::IsNull { operand, negated }, Value::Bool(!negated))?
            }
            _ => return Ok(None),
        };
        Ok(Some(outside(external)))
    }

    fn related(
        &mut self,
        path: &[String],
        quantifier: Quantifier,
        filter: &Expr,
        span: Option<Span>,
    ) -> Result<Checked> {
        let [first, rest @ ..] = path else {
            return Err(Error::new(ErrorCode::InvalidQuery, "a condition on related rows names no relation"));
        };
        if !rest.is_empty() {
            let relation = self.to_one(first, span)?;
            let tail =
                Expr::Related { path: rest.to_vec(), quantifier, filter: Box::new(filter.clone()), span };
            let absent = match quantifier {
                Quantifier::Some | Quantifier::Is => false,
                Quantifier::Every | Quantifier::None | Quantifier::IsNot => true,
            };
            return Ok(outside(self.scope.remote(relation, &tail, Value::Bool(absent))?));
        }
        let relation = self.relation(first, span)?;
        if !relation.kind.is_to_one() && matches!(quantifier, Quantifier::Is | Quantifier::IsNot) {
            let error = Error::new(
                ErrorCode::InvalidQuery,
                format!("`{first}` leads to many rows: ask for some, every or none"),
            );
            return Err(at(error.field(first.clone()), span));
        }
        Ok(outside(self.scope.related(relation, quantifier, filter, span)?))
    }

    fn aggregate(&mut self, aggregate: &RelationAggregate) -> Result<Checked> {
        use ormdb_proto::ir::AggregateFunction as F;
        let [first, rest @ ..] = aggregate.relation.as_slice() else {
            return Err(Error::new(ErrorCode::InvalidQuery, "an aggregate names no relation"));
        };
        if !rest.is_empty() {
            let relation = self.to_one(first, aggregate.span)?;
            let tail = RelationAggregate { relation: rest.to_vec(), ..aggregate.clone() };
            let absent = match aggregate.function {
                F::Count => Value::Int64(0),
                F::Sum | F::Avg | F::Min | F::Max => Value::Null,
            };
            return Ok(outside(self.scope.remote(relation, &Expr::Aggregate(Box::new(tail)), absent)?));
        }
        let relation = self.relation(first, aggregate.span)?;
        Ok(outside(self.scope.aggregate(relation, aggregate)?))
    }

    /// The error of an operator or function that does not take these types.
    pub(super) fn mismatch(&self, what: &str, given: &[FieldType]) -> Error {
        let given: Vec<String> = given.iter().map(|ty| types::name(self.schema(), *ty)).collect();
        Error::new(ErrorCode::TypeMismatch, format!("{what} does not take {}", given.join(" and ")))
    }
}

fn open_list() -> Error {
    Error::new(ErrorCode::Internal, "a list lost its elements")
}

/// A literal or parameter, of the type that it has by itself.
fn constant(schema: &Schema, value: &Value) -> Result<Checked> {
    if value.is_null() {
        return Ok(Checked::null());
    }
    let ty = cast::own_type(value)?;
    let node = match (ty, value) {
        // The label of an enum has no number before its place tells the enum.
        (_, Value::Enum(label)) => return Ok(word(label)),
        (Some(ty), value) => Node::Const(Datum::of_value(schema, value, ty)?),
        (None, _) => Node::Const(Datum::Array(Vec::new())),
    };
    Ok(Checked { node, ty, bend: Bend::Constant(value.clone()) })
}

fn word(label: &str) -> Checked {
    let error =
        Error::new(ErrorCode::TypeMismatch, format!("the label `{label}` stands where no enum is wanted"));
    Checked { node: Node::Const(Datum::NULL), ty: None, bend: Bend::Word(label.to_owned(), error) }
}

/// The elements of an array constant, beside an operand of type `beside`.
fn constant_list(schema: &Schema, value: &Value, beside: FieldType) -> Result<Vec<Datum<'static>>> {
    let Value::Array(items) = value else { return Ok(Vec::new()) };
    let element = |item: &Value| match cast::own_type(item)? {
        Some(ty) if !matches!(item, Value::Enum(_)) && types::common(ty, beside).is_some() => {
            Datum::of_value(schema, item, ty)
        }
        _ => cast::bend(schema, item, beside),
    };
    items.iter().map(element).collect()
}

const fn outside(external: External) -> Checked {
    Checked { node: Node::External(external.slot), ty: external.ty, bend: Bend::Fixed }
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

const fn is_instant(ty: FieldType) -> bool {
    matches!(
        ty,
        FieldType::Scalar(
            ScalarType::DateTime
                | ScalarType::LocalDateTime
                | ScalarType::Date
                | ScalarType::Time
                | ScalarType::Interval
        )
    )
}

/// The type of a sum or difference of times, as PostgreSQL has them.
const fn time_arithmetic(op: Arithmetic, left: FieldType, right: FieldType) -> Option<FieldType> {
    use ScalarType as T;
    let (FieldType::Scalar(left), FieldType::Scalar(right)) = (left, right) else { return None };
    let ty = match (op, left, right) {
        (
            Arithmetic::Add | Arithmetic::Subtract,
            T::DateTime | T::LocalDateTime | T::Time | T::Interval,
            T::Interval,
        ) => left,
        (Arithmetic::Add, T::Interval, T::DateTime | T::LocalDateTime | T::Time) => right,
        (Arithmetic::Add | Arithmetic::Subtract, T::Date, T::Interval) => T::LocalDateTime,
        (Arithmetic::Add, T::Interval, T::Date) => T::LocalDateTime,
        (Arithmetic::Subtract, T::DateTime, T::DateTime)
        | (Arithmetic::Subtract, T::LocalDateTime, T::LocalDateTime)
        | (Arithmetic::Subtract, T::Time, T::Time) => T::Interval,
        (Arithmetic::Subtract, T::Date, T::Date) => T::Int32,
        (Arithmetic::Add | Arithmetic::Subtract, T::Date, T::Int16 | T::Int32 | T::Int64) => T::Date,
        (Arithmetic::Add, T::Int16 | T::Int32 | T::Int64, T::Date) => T::Date,
        _ => return None,
    };
    Some(FieldType::Scalar(ty))
}

/// The error of a name that the entity does not have.
fn unknown_member(entity: &Entity, name: &str, span: Option<Span>) -> Error {
    let error = Error::new(ErrorCode::UnknownField, format!("{} has no field `{name}`", entity.name));
    at(error.entity(entity.name.clone()).field(name).suggest(name, entity.member_names()), span)
}

/// The error at a place in the text, unless it names one.
fn at(mut error: Error, span: Option<Span>) -> Error {
    error.detail.span = error.detail.span.or(span);
    error
}
