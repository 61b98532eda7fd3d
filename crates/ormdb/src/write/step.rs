//! Assignments that go on from the value that is there: `+=`, `-=`, `*=`, `/=`.

use ormdb_proto::ir::{AssignOp, BinaryOp, Expr};
use ormdb_proto::schema::{Field, FieldType, ScalarType};
use ormdb_proto::value::ValueRef;
use ormdb_proto::{Result, Value};

use super::writer::Writer;
use crate::catalog::EntityInfo;
use crate::expr::Datum;
use crate::store::row::RowView;

/// The operation and its operand, if the assignment is such a step.
pub(super) fn step_of(op: &AssignOp) -> Option<(BinaryOp, &Expr)> {
    match op {
        AssignOp::Increment(operand) => Some((BinaryOp::Add, operand)),
        AssignOp::Decrement(operand) => Some((BinaryOp::Subtract, operand)),
        AssignOp::Multiply(operand) => Some((BinaryOp::Multiply, operand)),
        AssignOp::Divide(operand) => Some((BinaryOp::Divide, operand)),
        AssignOp::Set(_) | AssignOp::Struct(_) | AssignOp::Nested(_) => None,
    }
}

/// `field op operand`.
pub(super) fn expression(field: &Field, op: BinaryOp, operand: &Expr) -> Expr {
    Expr::binary(op, Expr::path([field.name.as_str()]), operand.clone())
}

impl Writer<'_> {
    /// The operand of a step from one int64 to another, as those of counters are; none if it is something else, which an
    /// expression says more of.
    pub(super) fn whole_operand(&self, field: &Field, operand: &Expr) -> Option<i64> {
        let operand = match operand {
            Expr::Literal(literal) => &literal.value,
            Expr::Param { name, .. } => self.ctx.params.require(name).ok()?,
            _ => return None,
        };
        match operand {
            Value::Int64(by) if field.ty == FieldType::Scalar(ScalarType::Int64) => Some(*by),
            _ => None,
        }
    }

    /// The value of `field op operand` for a row.
    pub(super) fn evaluate_step(
        &self,
        info: &EntityInfo,
        field: &Field,
        (op, operand): (BinaryOp, &Expr),
        row: &RowView<'_>,
    ) -> Result<Datum<'static>> {
        if let Some(by) = self.whole_operand(field, operand)
            && let ValueRef::Int64(from) = row.field(field.id)?
            && let Some(value) = whole(op, from, by)
        {
            return Ok(Datum::Ref(ValueRef::Int64(value)));
        }
        self.evaluate(info, field, &expression(field, op, operand), Some(row)).map_err(|error| {
            let error = if error.detail.entity.is_none() { error.entity(&info.name) } else { error };
            if error.detail.field.is_none() { error.field(&field.name) } else { error }
        })
    }
}

/// `from op by`; none if it does not fit, or is not defined.
fn whole(op: BinaryOp, from: i64, by: i64) -> Option<i64> {
    match op {
        BinaryOp::Add => from.checked_add(by),
        BinaryOp::Subtract => from.checked_sub(by),
        BinaryOp::Multiply => from.checked_mul(by),
        BinaryOp::Divide => from.checked_div(by),
        _ => None,
    }
}
