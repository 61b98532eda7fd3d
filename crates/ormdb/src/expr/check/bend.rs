//! Gives literals, parameters, labels and lists the type that stands beside them.

use ormdb_proto::error::Span;
use ormdb_proto::schema::{FieldType, ScalarType, Schema};
use ormdb_proto::{Error, ErrorCode, Result, Value};

use super::{Bend, Checked, Checker, at, fold};
use crate::expr::cast;
use crate::expr::datum::Datum;
use crate::expr::node::Node;
use crate::expr::types::{self, TEXT};

impl Checker<'_, '_> {
    /// Brings two operands to types that can be compared.
    pub(in crate::expr) fn compared(&mut self, left: Checked, right: Checked) -> Result<(Node, Node)> {
        let (left, right) = self.unify(left, right)?;
        match (left.ty, right.ty) {
            (Some(l), Some(r)) if types::common(l, r).is_none() => {
                let schema = self.schema();
                Err(Error::new(
                    ErrorCode::TypeMismatch,
                    format!("{} and {} cannot be compared", schema.type_name(l), schema.type_name(r)),
                ))
            }
            _ => Ok((left.node, right.node)),
        }
    }

    /// Bends the open one of two operands to the type of the other.
    pub(in crate::expr) fn unify(&mut self, left: Checked, right: Checked) -> Result<(Checked, Checked)> {
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
    pub(super) fn bend_beside(&mut self, checked: Checked, beside: Option<FieldType>) -> Result<Checked> {
        let Some(beside) = beside else { return self.settle(checked) };
        match &checked.bend {
            Bend::Fixed => Ok(checked),
            Bend::Constant(value, span) => {
                if checked.ty.is_none_or(|ty| types::common(ty, beside).is_some()) {
                    return self.settle(checked);
                }
                let datum = cast::bend(self.schema(), value, beside).map_err(|error| at(error, *span))?;
                Ok(Checked::fixed(Node::Const(datum), beside))
            }
            Bend::Param(slot, span) => {
                if checked.ty.is_none_or(|ty| types::common(ty, beside).is_some()) {
                    return self.settle(checked);
                }
                self.params.bend(self.schema(), *slot, beside).map_err(|error| at(error, *span))?;
                Ok(Checked::fixed(Node::Param(*slot), beside))
            }
            Bend::Unknown(name) => {
                self.params.want(name, beside);
                Ok(Checked::fixed(Node::Const(Datum::NULL), beside))
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

    /// A parameter without a value as one of this type, if there is one; anything else as it is.
    pub(in crate::expr) fn known(&mut self, checked: Checked, want: Option<FieldType>) -> Result<Checked> {
        match &checked.bend {
            Bend::Unknown(_) => self.bend_beside(checked, want),
            _ => Ok(checked),
        }
    }

    /// Gives an open expression the type that it has by itself.
    pub(in crate::expr) fn settle(&mut self, checked: Checked) -> Result<Checked> {
        match checked.bend {
            Bend::Fixed | Bend::Constant(..) | Bend::Param(..) | Bend::Unknown(_) => Ok(checked),
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
    pub(in crate::expr) fn common_type(&self, what: &str, items: &[Checked]) -> Result<Option<FieldType>> {
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
    pub(in crate::expr) fn branches(
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
    pub(in crate::expr) fn assign(&mut self, checked: Checked, want: FieldType) -> Result<Checked> {
        if let Bend::Constant(value, span) = &checked.bend {
            let datum = cast::bend(self.schema(), value, want).map_err(|error| at(error, *span))?;
            return Ok(Checked::fixed(Node::Const(datum), want));
        }
        let checked = self.bend_beside(checked, Some(want))?;
        self.convert(checked, want)
    }

    pub(super) fn convert(&self, checked: Checked, want: FieldType) -> Result<Checked> {
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
                    format!("{} is wanted here, not {}", schema.type_name(want), schema.type_name(ty)),
                ))
            }
        }
    }
}

fn open_list() -> Error {
    Error::new(ErrorCode::Internal, "a list lost its elements")
}

/// A literal or parameter, of the type that it has by itself.
pub(super) fn constant(schema: &Schema, value: &Value, span: Option<Span>) -> Result<Checked> {
    if value.is_null() {
        return Ok(Checked::null());
    }
    let ty = cast::own_type(value)?;
    let node = match (ty, value) {
        // The label of an enum has no number before its place tells the enum.
        (_, Value::Enum(label)) => return Ok(word(label)),
        // As above; until then they are texts.
        (Some(FieldType::Array(_)), Value::Array(items)) if items.iter().any(is_label) => {
            let texts = items.iter().map(|item| match item {
                Value::Enum(label) => Datum::Text(label.clone()),
                _ => Datum::NULL,
            });
            Node::Const(Datum::Array(texts.collect()))
        }
        (Some(ty), value) => Node::Const(Datum::of_value(schema, value, ty)?),
        (None, _) => Node::Const(Datum::Array(Vec::new())),
    };
    Ok(Checked { node, ty, bend: Bend::Constant(value.clone(), span) })
}

const fn is_label(value: &Value) -> bool {
    matches!(value, Value::Enum(_))
}

fn word(label: &str) -> Checked {
    let error =
        Error::new(ErrorCode::TypeMismatch, format!("the label `{label}` stands where no enum is wanted"));
    Checked { node: Node::Const(Datum::NULL), ty: None, bend: Bend::Word(label.to_owned(), error) }
}

/// The elements of an array constant, beside an operand of type `beside`.
pub(super) fn constant_list(
    schema: &Schema,
    value: &Value,
    beside: FieldType,
) -> Result<Vec<Datum<'static>>> {
    let Value::Array(items) = value else { return Ok(Vec::new()) };
    let element = |item: &Value| match cast::own_type(item)? {
        Some(ty) if !matches!(item, Value::Enum(_)) && types::common(ty, beside).is_some() => {
            Datum::of_value(schema, item, ty)
        }
        _ => cast::bend(schema, item, beside),
    };
    items.iter().map(element).collect()
}
