use ormdb_proto::error::ErrorCode;
use ormdb_proto::ir::{BinaryOp, Expr, Params, TextMatch, UnaryOp};
use ormdb_proto::schema::{
    Entity, EntityId, EnumId, EnumLabel, EnumType, Field, FieldId, FieldType, ScalarType, Schema,
};
use ormdb_proto::value::{Decimal, ValueRef};
use ormdb_proto::{Error, Result, Value};

use super::{EvalEnv, RowExpr, RowSource};

const FIELDS: &[(&str, ScalarType)] = &[
    ("flag", ScalarType::Bool),
    ("small", ScalarType::Int16),
    ("medium", ScalarType::Int32),
    ("big", ScalarType::Int64),
    ("real", ScalarType::Float64),
    ("price", ScalarType::Decimal { precision: 12, scale: 2 }),
    ("name", ScalarType::String { chars_max: Some(40) }),
    ("born", ScalarType::Date),
    ("at", ScalarType::DateTime),
    ("role", ScalarType::Enum(EnumId(1))),
    ("nothing", ScalarType::Int32),
];

fn schema() -> Schema {
    let label = |position, name: &str| EnumLabel { position, name: name.to_owned() };
    let role = EnumType {
        id: EnumId(1),
        name: "Role".into(),
        doc: None,
        labels: vec![label(10, "reader"), label(20, "author")],
    };
    let mut id = 0;
    let mut field = |name: &str, ty| {
        id += 1;
        Field {
            id: FieldId(id),
            name: name.to_owned(),
            mapped_name: None,
            doc: None,
            ty,
            optional: true,
            default: None,
            updated_at: false,
            computed: None,
            computation: ormdb_proto::schema::Computation::WhenRead,
            hidden: false,
            embedded: None,
            since_layout: 1,
            absent_value: Value::Null,
        }
    };
    let mut fields: Vec<Field> =
        FIELDS.iter().map(|(name, ty)| field(name, FieldType::Scalar(*ty))).collect();
    fields.push(field("tags", FieldType::Array(ScalarType::String { chars_max: None })));
    let mut double = field("double", FieldType::Scalar(ScalarType::Int64));
    double.computed = Some(Expr::binary(BinaryOp::Multiply, Expr::path(["big"]), Expr::literal(2)));
    fields.push(double);
    let entity = Entity {
        id: EntityId(1),
        name: "Thing".into(),
        mapped_name: None,
        doc: None,
        implied: false,
        fields,
        embedded: Vec::new(),
        primary_key: vec![FieldId(4)],
        relations: Vec::new(),
        foreign_keys: Vec::new(),
        indexes: Vec::new(),
        checks: Vec::new(),
        default_order: Vec::new(),
        soft_delete: None,
        layout: 1,
        next_field: 100,
    };
    Schema { enums: vec![role], entities: vec![entity], ..Schema::empty() }
}

struct Row;

impl RowSource for Row {
    fn field(&self, field: FieldId) -> Result<ValueRef<'_>> {
        Ok(match field.0 {
            1 => ValueRef::Bool(true),
            2 => ValueRef::Int16(7),
            3 => ValueRef::Int32(-3),
            4 => ValueRef::Int64(40),
            5 => ValueRef::Float64(2.5),
            6 => ValueRef::Decimal(Decimal::new(1250, 2).unwrap()),
            7 => ValueRef::String("Bj\u{f6}rk"),
            8 => ValueRef::Date(19_782),
            9 => ValueRef::DateTime(1_709_210_096_000_000),
            10 => ValueRef::Enum(20),
            12 => ValueRef::Array(vec![ValueRef::String("a"), ValueRef::String("b")]),
            _ => ValueRef::Null,
        })
    }
}

fn try_eval(expr: &Expr, params: &Params) -> Result<Value> {
    let schema = schema();
    let compiled = RowExpr::compile(&schema, &schema.entities[0], expr, None, params)?;
    compiled.eval_value(&Row, &EvalEnv::at(0))
}

fn eval(expr: Expr) -> Value {
    try_eval(&expr, &Params::none()).unwrap()
}

fn fails(expr: Expr) -> Error {
    try_eval(&expr, &Params::none()).unwrap_err()
}

fn field(name: &str) -> Expr {
    Expr::path([name])
}

fn lit(value: impl Into<Value>) -> Expr {
    Expr::literal(value)
}

fn op(op: BinaryOp, left: Expr, right: Expr) -> Expr {
    Expr::binary(op, left, right)
}

fn call(function: &str, args: Vec<Expr>) -> Expr {
    Expr::Call { function: function.to_owned(), args, span: None }
}

fn dec(unscaled: i128, scale: u8) -> Value {
    Value::Decimal(Decimal::new(unscaled, scale).unwrap())
}

#[test]
fn numbers_of_all_widths_compare_by_value() {
    use BinaryOp::{Equal, Greater, Less};
    assert_eq!(eval(op(Equal, field("small"), lit(7i64))), Value::Bool(true));
    assert_eq!(eval(op(Less, field("small"), field("big"))), Value::Bool(true));
    assert_eq!(eval(op(Equal, field("price"), lit(dec(125, 1)))), Value::Bool(true));
    assert_eq!(eval(op(Greater, field("price"), field("real"))), Value::Bool(true));
    assert_eq!(eval(op(Less, field("small"), lit(100_000i64))), Value::Bool(true));
    assert_eq!(eval(op(Equal, lit(dec(75, 1)), field("small"))), Value::Bool(false));
}

#[test]
fn constants_bend_to_their_place() {
    use BinaryOp::Equal;
    assert_eq!(eval(op(Equal, field("born"), lit("2024-02-29"))), Value::Bool(true));
    assert_eq!(eval(op(Equal, lit("2024-02-29T12:34:56Z"), field("at"))), Value::Bool(true));
    assert_eq!(eval(op(Equal, field("role"), lit("author"))), Value::Bool(true));
    assert_eq!(eval(op(Equal, field("role"), field("author"))), Value::Bool(true));
    assert_eq!(eval(field("role")), Value::Enum("author".into()));
    let params = Params::none().with("day", "2024-02-29");
    let param = Expr::Param { name: "day".into(), span: None };
    assert_eq!(try_eval(&op(Equal, field("born"), param.clone()), &params), Ok(Value::Bool(true)));
    assert_eq!(try_eval(&param, &Params::none()).unwrap_err().code, ErrorCode::MissingParameter);
    assert_eq!(fails(op(Equal, field("born"), lit("soon"))).code, ErrorCode::InvalidValue);
    let error = fails(op(Equal, field("role"), field("autor")));
    assert_eq!(error.detail.suggestion.as_deref(), Some("author"));
    assert_eq!(fails(op(Equal, field("name"), lit(5))).code, ErrorCode::TypeMismatch);
}

#[test]
fn unknown_names_suggest() {
    let error = fails(field("nmae"));
    assert_eq!((error.code, error.detail.suggestion.as_deref()), (ErrorCode::UnknownField, Some("name")));
    let error = fails(call("uper", vec![field("name")]));
    assert_eq!((error.code, error.detail.suggestion.as_deref()), (ErrorCode::UnknownName, Some("upper")));
}

#[test]
fn logic_has_three_values() {
    let null = || op(BinaryOp::Equal, field("nothing"), lit(1));
    let yes = || field("flag");
    let no = || Expr::Unary { op: UnaryOp::Not, operand: Box::new(field("flag")) };
    assert_eq!(eval(null()), Value::Null);
    assert_eq!(eval(Expr::And(vec![null(), no()])), Value::Bool(false));
    assert_eq!(eval(Expr::And(vec![null(), yes()])), Value::Null);
    assert_eq!(eval(Expr::Or(vec![null(), yes()])), Value::Bool(true));
    assert_eq!(eval(Expr::Or(vec![null(), no()])), Value::Null);
    assert_eq!(eval(Expr::And(vec![])), Value::Bool(true));
    assert_eq!(eval(Expr::Or(vec![])), Value::Bool(false));
    let is_null = |negated| Expr::IsNull { operand: Box::new(field("nothing")), negated };
    assert_eq!((eval(is_null(false)), eval(is_null(true))), (Value::Bool(true), Value::Bool(false)));
}

#[test]
fn membership_knows_nulls() {
    let within = |operand: Expr, list: Vec<Expr>, negated| {
        eval(Expr::In { operand: Box::new(operand), list: Box::new(Expr::List(list)), negated })
    };
    assert_eq!(within(field("small"), vec![lit(1), lit(7)], false), Value::Bool(true));
    assert_eq!(within(field("small"), vec![lit(1), lit(Value::Null)], false), Value::Null);
    assert_eq!(within(field("small"), vec![lit(7), lit(Value::Null)], true), Value::Bool(false));
    assert_eq!(within(field("nothing"), vec![], false), Value::Bool(false));
    assert_eq!(within(field("nothing"), vec![lit(1)], true), Value::Null);
    let params = Params::none().with("ids", vec![Value::from(7i64), Value::from(8i64)]);
    let list = Box::new(Expr::Param { name: "ids".into(), span: None });
    let expr = Expr::In { operand: Box::new(field("small")), list, negated: false };
    assert_eq!(try_eval(&expr, &params), Ok(Value::Bool(true)));
    let list = Box::new(field("tags"));
    assert_eq!(eval(Expr::In { operand: Box::new(lit("b")), list, negated: false }), Value::Bool(true));
    let between = |low: i32, high: i32| Expr::Between {
        operand: Box::new(field("small")),
        low: Box::new(lit(low)),
        high: Box::new(lit(high)),
        negated: false,
    };
    assert_eq!((eval(between(7, 9)), eval(between(8, 9))), (Value::Bool(true), Value::Bool(false)));
}

#[test]
fn arithmetic_never_wraps() {
    use BinaryOp::{Add, Divide, Multiply, Remainder, Subtract};
    assert_eq!(eval(op(Divide, field("medium"), lit(2))), Value::Int32(-1));
    assert_eq!(eval(op(Remainder, field("medium"), lit(2))), Value::Int32(-1));
    assert_eq!(eval(op(Add, field("small"), field("big"))), Value::Int64(47));
    assert_eq!(eval(op(Multiply, field("price"), lit(3))), dec(3750, 2));
    assert_eq!(eval(op(Subtract, field("price"), lit(dec(5, 1)))), dec(1200, 2));
    assert_eq!(fails(op(Divide, field("big"), lit(0))).code, ErrorCode::DivisionByZero);
    assert_eq!(fails(op(Add, field("big"), lit(i64::MAX))).code, ErrorCode::NumericOverflow);
    assert_eq!(eval(field("double")), Value::Int64(80));
    let day = op(Add, field("born"), lit(1));
    assert_eq!(eval(day), Value::Date(19_783));
    let month = op(Add, field("born"), call("interval", vec![lit("1 year")]));
    assert_eq!(eval(month), Value::LocalDateTime(20_147 * 86_400_000_000));
}

#[test]
fn text_matches() {
    let matches = |op, insensitive, pattern: &str| {
        let (text, pattern) = (Box::new(field("name")), Box::new(lit(pattern)));
        eval(Expr::Match { op, insensitive, text, pattern }) == Value::Bool(true)
    };
    assert!(matches(TextMatch::Contains, false, "j\u{f6}"));
    assert!(!matches(TextMatch::Contains, false, "J"));
    assert!(matches(TextMatch::Contains, true, "J\u{d6}"));
    assert!(matches(TextMatch::StartsWith, false, "Bj"));
    assert!(matches(TextMatch::EndsWith, true, "RK"));
    assert!(matches(TextMatch::Like, false, "B%k"));
    assert!(matches(TextMatch::Like, false, "_j_rk"));
    assert!(matches(TextMatch::Like, true, "%J%r%"));
    assert!(!matches(TextMatch::Like, false, "B%x"));
    assert!(!matches(TextMatch::Like, false, "\\%%"));
    assert!(matches(TextMatch::Regex, false, "^B.*k$"));
    let (text, pattern) = (Box::new(field("name")), Box::new(lit("(")));
    let broken = Expr::Match { op: TextMatch::Regex, insensitive: false, text, pattern };
    assert_eq!(fails(broken).code, ErrorCode::InvalidValue);
}

#[test]
fn the_library() {
    let check = |function: &str, args: Vec<Expr>, wanted: Value| {
        assert_eq!(eval(call(function, args)), wanted, "{function}");
    };
    check("lower", vec![field("name")], "bj\u{f6}rk".into());
    check("upper", vec![field("name")], "BJ\u{d6}RK".into());
    check("length", vec![field("name")], Value::Int32(5));
    check("length", vec![field("tags")], Value::Int32(2));
    check("substring", vec![field("name"), lit(2), lit(3)], "j\u{f6}r".into());
    check("padStart", vec![lit("7"), lit(3), lit("0")], "007".into());
    check("concat", vec![field("name"), field("nothing"), lit("-"), field("small")], "Bj\u{f6}rk-7".into());
    check("concat", vec![field("role")], "author".into());
    check("round", vec![lit(dec(2345, 3)), lit(2)], dec(235, 2));
    check("round", vec![lit(2.5)], Value::Float64(2.0));
    check("floor", vec![lit(dec(-15, 1))], dec(-2, 0));
    check("ceil", vec![lit(dec(15, 1))], dec(2, 0));
    check("coalesce", vec![field("nothing"), field("small")], Value::Int32(7));
    check("greatest", vec![field("nothing"), field("small"), lit(9)], Value::Int32(9));
    check("nullIf", vec![field("small"), lit(7)], Value::Null);
    check("if", vec![field("flag"), lit("yes"), lit("no")], "yes".into());
    check("year", vec![field("born")], Value::Int32(2024));
    check("dayOfWeek", vec![field("born")], Value::Int32(4));
    check("hour", vec![field("at")], Value::Int32(12));
    check("startOf", vec![lit("month"), field("born")], Value::Date(19_754));
    check("now", vec![], Value::DateTime(0));
    check("int64", vec![lit("12")], Value::Int64(12));
    check("string", vec![field("price")], "12.50".into());
    check("has", vec![field("tags"), lit("b")], Value::Bool(true));
    check("hasEvery", vec![field("tags"), Expr::List(vec![lit("a"), lit("c")])], Value::Bool(false));
    check("isEmpty", vec![field("tags")], Value::Bool(false));
    assert_eq!(fails(call("lower", vec![field("small")])).code, ErrorCode::TypeMismatch);
    assert_eq!(fails(call("lower", vec![])).code, ErrorCode::InvalidQuery);
}

#[test]
fn a_part_of_a_time_is_asked_of_what_has_it() {
    let time = || Expr::literal(Value::Time(0));
    for expr in [
        call("hour", vec![field("born")]),
        call("minute", vec![field("born")]),
        call("second", vec![field("born")]),
        call("year", vec![time()]),
        call("dayOfYear", vec![time()]),
        call("startOf", vec![lit("year"), time()]),
        call("startOf", vec![lit("week"), time()]),
    ] {
        assert_eq!(fails(expr.clone()).code, ErrorCode::TypeMismatch, "{expr:?}");
    }
    assert_eq!(fails(call("startOf", vec![lit("yaer"), field("born")])).code, ErrorCode::InvalidValue);
    assert_eq!(eval(call("startOf", vec![lit("hour"), time()])), Value::Time(0));
    assert_eq!(eval(call("hour", vec![time()])), Value::Int32(0));
}

#[test]
fn floats_are_named_as_in_postgresql() {
    let as_float = |text: &str| call("float64", vec![lit(text)]);
    let round = |text: &str| eval(call("string", vec![as_float(text)]));
    for text in ["1e+308", "Infinity", "-Infinity", "NaN", "2.5"] {
        assert_eq!(round(text), text.into());
    }
    let error = fails(call("int64", vec![as_float("1e308")]));
    assert_eq!((error.code, error.message.contains("1e+308")), (ErrorCode::NumericOverflow, true), "{error}");
    assert_eq!(fails(as_float("1e400")).code, ErrorCode::NumericOverflow);
}

#[test]
fn a_wanted_type_is_given_or_refused() {
    let schema = schema();
    let entity = &schema.entities[0];
    let want = FieldType::Scalar(ScalarType::Int16);
    let value = |expr: &Expr| {
        RowExpr::compile(&schema, entity, expr, Some(want), &Params::none())
            .and_then(|compiled| compiled.eval_value(&Row, &EvalEnv::at(0)))
    };
    assert_eq!(value(&lit(5i64)), Ok(Value::Int16(5)));
    assert_eq!(value(&field("big")), Ok(Value::Int16(40)));
    assert_eq!(value(&lit(70_000i64)).unwrap_err().code, ErrorCode::NumericOverflow);
    assert_eq!(value(&field("name")).unwrap_err().code, ErrorCode::TypeMismatch);
    assert_eq!(value(&lit(Value::Null)), Ok(Value::Null));
}
