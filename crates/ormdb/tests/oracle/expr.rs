//! Random expressions, each in both languages.
//!
//! Invariants: (1) an expression over rows of a table never fails: their values are small, and divisors are not 0;
//! (2) the SQL of an expression says the type of every constant, as ormDB works it out.

use fastrand::Rng;

use super::schema::{Column, Model, Relation};
use super::value::{self, Lit, Ty};

/// An expression over rows under one alias.
#[derive(Clone, Debug)]
pub struct Expr {
    pub orm: String,
    pub sql: String,
    pub ty: Ty,
    /// Expressions of the same type that can stand in its place.
    pub parts: Vec<Expr>,
}

/// Makes expressions and aliases.
pub struct Maker<'m> {
    pub rng: &'m mut Rng,
    pub model: &'m Model,
    pub aliases: usize,
    /// Whether only fields of the row itself are named.
    pub local: bool,
}

impl Expr {
    fn of(orm: impl Into<String>, sql: impl Into<String>, ty: Ty) -> Expr {
        Expr { orm: orm.into(), sql: sql.into(), ty, parts: Vec::new() }
    }
}

/// PostgreSQL's functions of a float4 give a float8; those of ormDB stay with the type.
fn single(sql: String, ty: Ty) -> String {
    if ty == Ty::F32 { format!("({sql})::float4") } else { sql }
}

impl Maker<'_> {
    pub fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("t{}", self.aliases)
    }

    pub fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.rng.usize(..of.len())].clone()
    }

    fn chance(&mut self, of: u8) -> bool {
        self.rng.u8(..of) == 0
    }

    /// A field of this type, or behind a to-one relation.
    fn field(&mut self, ty: Ty, entity: usize, alias: &str, depth: usize) -> Option<Expr> {
        let model = self.model;
        let this = &model.entities[entity];
        if depth > 0 && !self.local && self.chance(4) {
            let ones: Vec<&Relation> = this.relations.iter().filter(|r| r.to_one).collect();
            if !ones.is_empty() {
                let relation = self.one(&ones);
                let below = self.alias();
                let behind = self.field(ty, relation.target, &below, depth - 1)?;
                let from = format!(
                    "{} {below} where {}",
                    model.entities[relation.target].name,
                    relation.condition(alias, &below)
                );
                return Some(Expr::of(
                    format!("{}.{}", relation.name, behind.orm),
                    format!("(select {} from {from})", behind.sql),
                    ty,
                ));
            }
        }
        let fields: Vec<&Column> = this.columns.iter().filter(|c| c.ty == ty).collect();
        if fields.is_empty() {
            return None;
        }
        let field = self.one(&fields);
        Some(Expr::of(field.orm(), format!("{alias}.{}", field.name), ty))
    }

    /// A value of this type; none where nothing says so.
    pub fn value(&mut self, ty: Ty, entity: usize, alias: &str, depth: usize) -> Option<Expr> {
        if depth == 0 || self.chance(4) {
            if let Some(field) = self.field(ty, entity, alias, depth).filter(|_| self.rng.u8(..8) > 0) {
                return Some(field);
            }
            return self.typed(ty);
        }
        if !matches!(ty, Ty::I64 | Ty::Dec)
            && self.chance(10)
            && let Some(made) = self.aggregate(ty, entity, alias, depth - 1)
        {
            return Some(made);
        }
        if self.chance(6)
            && let Some(chosen) = self.chosen(ty, entity, alias, depth - 1)
        {
            return Some(chosen);
        }
        let made = match ty {
            Ty::Bool => Some(self.condition(entity, alias, depth)),
            Ty::I16 | Ty::I32 | Ty::I64 | Ty::Dec | Ty::F32 | Ty::F64 => {
                self.number(ty, entity, alias, depth - 1)
            }
            Ty::Text => self.text(entity, alias, depth - 1),
            Ty::Date | Ty::Instant | Ty::Local | Ty::Time | Ty::Interval => {
                self.time(ty, entity, alias, depth - 1)
            }
            Ty::Ints | Ty::Texts => self.array(ty, entity, alias, depth - 1),
            Ty::Json => self.document(entity, alias, depth - 1),
            Ty::Bytes | Ty::Uuid | Ty::Color => None,
        };
        made.or_else(|| self.field(ty, entity, alias, depth)).or_else(|| self.typed(ty))
    }

    fn typed(&mut self, ty: Ty) -> Option<Expr> {
        let lit = value::typed(self.rng, ty)?;
        Some(Expr::of(lit.orm, lit.sql, ty))
    }

    /// A constant that takes its type from what it stands beside.
    fn beside(&mut self, ty: Ty) -> Expr {
        let Lit { orm, sql } = value::literal(self.rng, ty);
        Expr::of(orm, sql, ty)
    }

    fn chosen(&mut self, ty: Ty, entity: usize, alias: &str, depth: usize) -> Option<Expr> {
        let (a, b) = (self.value(ty, entity, alias, depth)?, self.value(ty, entity, alias, depth)?);
        let mut made = match self.rng.u8(..5) {
            0 | 1 => {
                let test = self.condition(entity, alias, depth);
                Expr::of(
                    format!("if({}, {}, {})", test.orm, a.orm, b.orm),
                    format!("(case when {} then {} else {} end)", test.sql, a.sql, b.sql),
                    ty,
                )
            }
            2 | 3 => Expr::of(
                format!("coalesce({}, {})", a.orm, b.orm),
                format!("coalesce({}, {})", a.sql, b.sql),
                ty,
            ),
            // A document has no order.
            _ if ty == Ty::Json => return None,
            _ => {
                Expr::of(format!("nullIf({}, {})", a.orm, b.orm), format!("nullif({}, {})", a.sql, b.sql), ty)
            }
        };
        if ty.is_key() && !matches!(ty, Ty::Bool | Ty::Color) && self.chance(3) {
            let name = self.one(&["greatest", "least"]);
            made = Expr::of(
                format!("{name}({}, {})", a.orm, b.orm),
                format!("{name}({}, {})", a.sql, b.sql),
                ty,
            );
        }
        made.parts = vec![a, b];
        Some(made)
    }

    fn number(&mut self, ty: Ty, entity: usize, alias: &str, depth: usize) -> Option<Expr> {
        if matches!(ty, Ty::I64 | Ty::Dec)
            && self.chance(2)
            && let Some(made) = self.aggregate(ty, entity, alias, depth)
        {
            return Some(made);
        }
        let sql = ty.cast();
        match (self.rng.u8(..8), ty) {
            (0 | 1, _) => {
                let (op, by) =
                    self.one(&[("+", 1), ("-", 2), ("*", 2), ("/", 3), ("%", 4), ("/", -2), ("%", -3)]);
                if matches!(ty, Ty::F32 | Ty::F64) && op == "%" {
                    return None;
                }
                let a = self.value(ty, entity, alias, depth)?;
                // A whole number that fits is an int32 by itself.
                let (by_orm, by_sql) = match ty {
                    Ty::F32 => (format!("float32({by}e0)"), format!("'{by}'::float4")),
                    Ty::F64 => (format!("{by}e0"), format!("'{by}'::float8")),
                    _ => (by.to_string(), format!("'{by}'::int4")),
                };
                let (orm, sql) = (format!("({} {op} {by_orm})", a.orm), format!("({} {op} {by_sql})", a.sql));
                if ty == Ty::I16 {
                    return Some(Expr::of(format!("int16{orm}"), format!("{sql}::int2"), ty));
                }
                Some(Expr { parts: vec![a], ..Expr::of(orm, sql, ty) })
            }
            (2, Ty::I32 | Ty::I64 | Ty::Dec | Ty::F32 | Ty::F64) => {
                let lower: &[Ty] = match ty {
                    Ty::I32 => &[Ty::I16, Ty::I32],
                    Ty::I64 => &[Ty::I16, Ty::I32, Ty::I64],
                    Ty::Dec => &[Ty::I16, Ty::I32, Ty::I64, Ty::Dec],
                    Ty::F32 => &[Ty::F32],
                    _ => &[Ty::I16, Ty::I32, Ty::I64, Ty::F32, Ty::F64],
                };
                let lower = self.one(lower);
                let (a, b) =
                    (self.value(ty, entity, alias, depth)?, self.value(lower, entity, alias, depth)?);
                let op = self.one(&["+", "-"]);
                Some(Expr::of(
                    format!("({} {op} {})", a.orm, b.orm),
                    format!("({} {op} {})", a.sql, b.sql),
                    ty,
                ))
            }
            (3, _) => {
                let a = self.value(ty, entity, alias, depth)?;
                Some(match self.rng.u8(..3) {
                    0 => Expr::of(format!("abs({})", a.orm), format!("abs({})", a.sql), ty),
                    1 => Expr::of(format!("-({})", a.orm), format!("-({})", a.sql), ty),
                    _ if matches!(ty, Ty::Dec | Ty::F32 | Ty::F64) => {
                        let (orm, sql) = self.one(&[
                            ("floor", "floor"),
                            ("ceil", "ceil"),
                            ("round", "round"),
                            ("truncate", "trunc"),
                        ]);
                        Expr::of(format!("{orm}({})", a.orm), single(format!("{sql}({})", a.sql), ty), ty)
                    }
                    _ if ty == Ty::I16 => return None,
                    _ => Expr::of(format!("(3 * {})", a.orm), format!("('3'::int4 * {})", a.sql), ty),
                })
            }
            (4, Ty::I32) => {
                let text = self.value(Ty::Text, entity, alias, depth)?;
                if self.rng.bool() {
                    return Some(Expr::of(
                        format!("length({})", text.orm),
                        format!("length({})", text.sql),
                        ty,
                    ));
                }
                let part = self.typed(Ty::Text)?;
                Some(Expr::of(
                    format!("position({}, {})", text.orm, part.orm),
                    format!("strpos({}, {})", text.sql, part.sql),
                    ty,
                ))
            }
            (5 | 6, Ty::I32) => self.part_of_time(entity, alias, depth),
            (4, Ty::I64) => {
                let of = self.one(&[Ty::Date, Ty::Instant, Ty::Local]);
                let at = self.value(of, entity, alias, depth)?;
                Some(Expr::of(
                    format!("epoch({})", at.orm),
                    format!("floor(extract(epoch from {}))::int8", at.sql),
                    ty,
                ))
            }
            (4 | 5, Ty::Dec) => {
                let (a, digits) = (self.value(ty, entity, alias, depth)?, self.rng.i32(-1..4));
                let (orm, sql) = self.one(&[("round", "round"), ("truncate", "trunc")]);
                Some(Expr::of(
                    format!("{orm}({}, {digits})", a.orm),
                    format!("{sql}({}, {digits})", a.sql),
                    ty,
                ))
            }
            (4, Ty::F64) => {
                let of = self.one(&[Ty::F32, Ty::F64]);
                let a = self.value(of, entity, alias, depth)?;
                Some(Expr::of(format!("sqrt(abs({}))", a.orm), format!("sqrt(abs({}))", a.sql), ty))
            }
            (5.., _) => {
                let froms: &[Ty] = match ty {
                    Ty::I16 => return None,
                    Ty::I32 => &[Ty::I16],
                    Ty::I64 => &[Ty::I16, Ty::I32],
                    Ty::Dec => &[Ty::I16, Ty::I32, Ty::I64],
                    Ty::F32 => &[Ty::I16, Ty::I32, Ty::I64, Ty::Dec],
                    _ => &[Ty::I16, Ty::I32, Ty::I64, Ty::Dec, Ty::F32],
                };
                let from = self.one(froms);
                let a = self.value(from, entity, alias, depth)?;
                let name = ty.orm().split('(').next().unwrap();
                Some(Expr::of(format!("{name}({})", a.orm), format!("({})::{sql}", a.sql), ty))
            }
            _ => None,
        }
    }

    fn part_of_time(&mut self, entity: usize, alias: &str, depth: usize) -> Option<Expr> {
        let of = self.one(&[Ty::Date, Ty::Instant, Ty::Local, Ty::Time]);
        let at = self.value(of, entity, alias, depth)?;
        let days: &[(&str, &str)] = &[
            ("year", "year"),
            ("quarter", "quarter"),
            ("month", "month"),
            ("week", "week"),
            ("day", "day"),
            ("dayOfWeek", "dow"),
            ("dayOfYear", "doy"),
        ];
        let clocks: &[(&str, &str)] = &[("hour", "hour"), ("minute", "minute"), ("second", "second")];
        let (orm, sql) = match of {
            Ty::Date => self.one(days),
            Ty::Time => self.one(clocks),
            _ => self.one(&[days, clocks].concat()),
        };
        Some(Expr::of(
            format!("{orm}({})", at.orm),
            format!("floor(extract({sql} from {}))::int4", at.sql),
            Ty::I32,
        ))
    }

    fn text(&mut self, entity: usize, alias: &str, depth: usize) -> Option<Expr> {
        let a = self.value(Ty::Text, entity, alias, depth)?;
        let n = self.rng.i32(-2..5);
        let size = self.rng.i32(0..5);
        let word = self.typed(Ty::Text)?;
        let call = |orm: &str, sql: &str| {
            Expr::of(format!("{orm}({})", a.orm), format!("{sql}({})", a.sql), Ty::Text)
        };
        Some(match self.rng.u8(..15) {
            0 => call("lower", "lower"),
            1 => call("upper", "upper"),
            2 => call("trim", "btrim"),
            3 => call("trimStart", "ltrim"),
            4 => call("reverse", "reverse"),
            5 => {
                let name = self.one(&["left", "right"]);
                Expr::of(format!("{name}({}, {n})", a.orm), format!("{name}({}, {n})", a.sql), Ty::Text)
            }
            6 => Expr::of(format!("repeat({}, {n})", a.orm), format!("repeat({}, {n})", a.sql), Ty::Text),
            7 => Expr::of(
                format!("substring({}, {n}, {size})", a.orm),
                format!("substr({}, {n}, {size})", a.sql),
                Ty::Text,
            ),
            8 => {
                let (orm, sql) = self.one(&[("padStart", "lpad"), ("padEnd", "rpad")]);
                Expr::of(
                    format!("{orm}({}, {n}, {})", a.orm, word.orm),
                    format!("{sql}({}, {n}, {})", a.sql, word.sql),
                    Ty::Text,
                )
            }
            9 => {
                let b = self.value(Ty::Text, entity, alias, depth)?;
                Expr::of(
                    format!("replace({}, {}, {})", a.orm, word.orm, b.orm),
                    format!("replace({}, {}, {})", a.sql, word.sql, b.sql),
                    Ty::Text,
                )
            }
            10 | 11 => {
                let b = self.value(Ty::Text, entity, alias, depth)?;
                if self.rng.bool() {
                    Expr::of(
                        format!("({} || {})", a.orm, b.orm),
                        format!("({} || {})", a.sql, b.sql),
                        Ty::Text,
                    )
                } else {
                    Expr::of(
                        format!("concat({}, {})", a.orm, b.orm),
                        format!("concat({}, {})", a.sql, b.sql),
                        Ty::Text,
                    )
                }
            }
            _ => {
                let from = self.one(&[
                    Ty::I16,
                    Ty::I32,
                    Ty::I64,
                    Ty::Dec,
                    Ty::Bool,
                    Ty::Uuid,
                    Ty::Date,
                    Ty::Color,
                    Ty::Interval,
                    Ty::Time,
                ]);
                let a = self.field(from, entity, alias, 1)?;
                Expr::of(format!("string({})", a.orm), format!("({})::text", a.sql), Ty::Text)
            }
        })
    }

    fn time(&mut self, ty: Ty, entity: usize, alias: &str, depth: usize) -> Option<Expr> {
        let sql = ty.sql();
        match (self.rng.u8(..4), ty) {
            (0, Ty::Date) => {
                let (a, days) = (self.value(ty, entity, alias, depth)?, self.rng.i32(-40..40));
                Some(Expr::of(format!("({} + {days})", a.orm), format!("({} + ({days}))", a.sql), ty))
            }
            (1, Ty::Date) => {
                let from = self.one(&[Ty::Instant, Ty::Local]);
                let a = self.value(from, entity, alias, depth)?;
                Some(Expr::of(format!("date({})", a.orm), format!("({})::date", a.sql), ty))
            }
            (2, Ty::Date | Ty::Instant | Ty::Local) => {
                let unit = self.one(&["day", "week", "month", "quarter", "year"]);
                let a = self.value(ty, entity, alias, depth)?;
                // A date is taken for an instant otherwise.
                let of = if ty == Ty::Date { format!("({})::timestamp", a.sql) } else { a.sql };
                Some(Expr::of(
                    format!("startOf({unit:?}, {})", a.orm),
                    format!("date_trunc('{unit}', {of})::{sql}"),
                    ty,
                ))
            }
            (3, Ty::Instant | Ty::Local) => {
                let other = if ty == Ty::Instant { Ty::Local } else { Ty::Instant };
                let zone = self.one(&["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "UTC"]);
                let a = self.value(other, entity, alias, depth)?;
                Some(Expr::of(
                    format!("atZone({}, {zone:?})", a.orm),
                    format!("(({}) at time zone '{zone}')", a.sql),
                    ty,
                ))
            }
            (0 | 1, Ty::Instant | Ty::Local | Ty::Time) => {
                let by = self.value(Ty::Interval, entity, alias, depth)?;
                let a = self.value(ty, entity, alias, depth)?;
                let op = self.one(&["+", "-"]);
                Some(Expr::of(
                    format!("({} {op} {})", a.orm, by.orm),
                    format!("({} {op} {})", a.sql, by.sql),
                    ty,
                ))
            }
            (0 | 1, Ty::Interval) => {
                let of = self.one(&[Ty::Instant, Ty::Local, Ty::Time, Ty::Interval]);
                let (a, b) = (self.value(of, entity, alias, depth)?, self.value(of, entity, alias, depth)?);
                Some(Expr::of(format!("({} - {})", a.orm, b.orm), format!("({} - {})", a.sql, b.sql), ty))
            }
            _ => None,
        }
    }

    /// What stands in a document.
    fn document(&mut self, entity: usize, alias: &str, depth: usize) -> Option<Expr> {
        let document = self.value(Ty::Json, entity, alias, depth)?;
        let (orm, sql) = self.steps();
        Some(Expr::of(
            format!("jsonAt({}, {orm})", document.orm),
            format!("({} #> '{{{sql}}}')", document.sql),
            Ty::Json,
        ))
    }

    fn steps(&mut self) -> (String, String) {
        let (orm, sql) = self.one(&[
            ("\"a\"", "a"),
            ("\"bb\"", "bb"),
            ("1", "1"),
            ("-1", "-1"),
            ("\"bb\", 2, \"c\"", "bb,2,c"),
            ("\"bb\", \"x\"", "bb,x"),
            ("\"bb\", 0", "bb,0"),
        ]);
        (orm.to_owned(), sql.to_owned())
    }

    fn of_document(&mut self, entity: usize, alias: &str, depth: usize) -> Option<Expr> {
        let document = self.value(Ty::Json, entity, alias, depth)?;
        let (d, j) = (&document.orm, &document.sql);
        let part = self.beside(Ty::Json);
        let name = self.one(&["a", "bb", "b", "c"]);
        let (orm, sql) = match self.rng.u8(..5) {
            0 => (format!("jsonHas({d}, {name:?})"), format!("(({j}) ? '{name}')")),
            1 | 2 => (format!("jsonContains({d}, {})", part.orm), format!("(({j}) @> {})", part.sql)),
            3 => {
                let kind = self.one(&["object", "array", "string", "number", "boolean", "null"]);
                (format!("(jsonType({d}) = {kind:?})"), format!("(jsonb_typeof({j}) = '{kind}')"))
            }
            _ => (
                format!("(jsonLength({d}) = 2)"),
                format!(
                    "(case jsonb_typeof({j}) when 'array' then jsonb_array_length({j}) when 'object' then \
                     (select count(*) from jsonb_object_keys({j})) end = 2)"
                ),
            ),
        };
        Some(Expr::of(orm, sql, Ty::Bool))
    }

    fn array(&mut self, ty: Ty, entity: usize, alias: &str, depth: usize) -> Option<Expr> {
        let (a, b) = (self.field(ty, entity, alias, depth)?, self.field(ty, entity, alias, depth)?);
        Some(Expr::of(format!("({} || {})", a.orm, b.orm), format!("({} || {})", a.sql, b.sql), ty))
    }

    /// An aggregate of a to-many relation that gives this type.
    fn aggregate(&mut self, ty: Ty, entity: usize, alias: &str, depth: usize) -> Option<Expr> {
        let model = self.model;
        let many: Vec<&Relation> = model.entities[entity].relations.iter().filter(|r| !r.to_one).collect();
        if many.is_empty() || self.local {
            return None;
        }
        let relation = self.one(&many);
        let below = self.alias();
        let from = format!(
            "{} {below} where {}",
            model.entities[relation.target].name,
            relation.condition(alias, &below)
        );
        let filter = self.chance(2).then(|| self.condition(relation.target, &below, depth.min(1)));
        let (also, and) = match &filter {
            Some(filter) => (format!(" where {}", filter.orm), format!(" and {}", filter.sql)),
            None => (String::new(), String::new()),
        };
        let name = &relation.name;
        if ty == Ty::I64 && self.rng.u8(..3) > 0 {
            if self.chance(3) {
                let of = self.one(&[Ty::I16, Ty::I32, Ty::Text, Ty::Color, Ty::Date]);
                let value = self.field(of, relation.target, &below, 0)?;
                return Some(Expr::of(
                    format!("count(distinct {name}.{}{also})", value.orm),
                    format!("(select count(distinct {}) from {from}{and})", value.sql),
                    ty,
                ));
            }
            return Some(Expr::of(
                format!("count({name}{also})"),
                format!("(select count(*) from {from}{and})"),
                ty,
            ));
        }
        let (function, of) = match ty {
            Ty::I64 => self.one(&[("sum", Ty::I16), ("sum", Ty::I32), ("min", Ty::I64), ("max", Ty::I64)]),
            Ty::F32 => self.one(&[("sum", Ty::F32), ("min", Ty::F32), ("max", Ty::F32)]),
            Ty::F64 => self.one(&[
                ("sum", Ty::F64),
                ("avg", Ty::F32),
                ("avg", Ty::F64),
                ("min", Ty::F64),
                ("max", Ty::F64),
            ]),
            Ty::I16 | Ty::I32 | Ty::Text | Ty::Date | Ty::Instant | Ty::Local | Ty::Time | Ty::Color => {
                (self.one(&["min", "max"]), ty)
            }
            Ty::Bool | Ty::Bytes | Ty::Uuid | Ty::Interval | Ty::Json | Ty::Ints | Ty::Texts => return None,
            Ty::Dec => self.one(&[
                ("sum", Ty::Dec),
                ("sum", Ty::I64),
                ("avg", Ty::I32),
                ("avg", Ty::Dec),
                ("min", Ty::Dec),
                ("avg", Ty::I64),
            ]),
        };
        // Sums of floats depend on their order unless they are exact.
        let depth = if matches!(of, Ty::F32 | Ty::F64) { 0 } else { depth.min(1) };
        let value = self.value(of, relation.target, &below, depth)?;
        let distinct = if self.chance(4) { "distinct " } else { "" };
        Some(Expr::of(
            format!("{function}({distinct}{name}: {}{also})", value.orm),
            format!("(select {function}({distinct}{}) from {from}{and})", value.sql),
            ty,
        ))
    }

    /// A condition.
    pub fn condition(&mut self, entity: usize, alias: &str, depth: usize) -> Expr {
        let made = if depth == 0 { None } else { self.connected(entity, alias, depth - 1) };
        made.or_else(|| self.compared(entity, alias, depth.saturating_sub(1)))
            .unwrap_or_else(|| Expr::of("true", "true", Ty::Bool))
    }

    fn connected(&mut self, entity: usize, alias: &str, depth: usize) -> Option<Expr> {
        match self.rng.u8(..9) {
            0 | 1 => {
                let parts: Vec<Expr> =
                    (0..self.rng.usize(2..4)).map(|_| self.condition(entity, alias, depth)).collect();
                let word = self.one(&[" and ", " or "]);
                let join = |of: fn(&Expr) -> &str| parts.iter().map(of).collect::<Vec<_>>().join(word);
                let (orm, sql) = (format!("({})", join(|e| &e.orm)), format!("({})", join(|e| &e.sql)));
                Some(Expr { parts, ..Expr::of(orm, sql, Ty::Bool) })
            }
            2 => {
                let inner = self.condition(entity, alias, depth);
                let (orm, sql) = (format!("not ({})", inner.orm), format!("not ({})", inner.sql));
                Some(Expr { parts: vec![inner], ..Expr::of(orm, sql, Ty::Bool) })
            }
            3 | 4 => self.related(entity, alias, depth),
            5 => self.of_document(entity, alias, depth),
            _ => None,
        }
    }

    fn related(&mut self, entity: usize, alias: &str, depth: usize) -> Option<Expr> {
        let model = self.model;
        let relations = &model.entities[entity].relations;
        if relations.is_empty() || self.local {
            return None;
        }
        let relation = self.one(relations);
        let below = self.alias();
        let target = &model.entities[relation.target].name;
        let join = relation.condition(alias, &below);
        let name = &relation.name;
        if relation.to_one && self.chance(4) {
            let (not, exists) = self.one(&[("", "not exists"), ("not ", "exists")]);
            return Some(Expr::of(
                format!("{name} is {not}null"),
                format!("{exists} (select 1 from {target} {below} where {join})"),
                Ty::Bool,
            ));
        }
        let filter = self.condition(relation.target, &below, depth);
        let exists = |not: &str, condition: &str| {
            format!("{not}exists (select 1 from {target} {below} where {join} and {condition})")
        };
        let (word, sql) = if relation.to_one {
            match self.rng.bool() {
                true => ("is", exists("", &filter.sql)),
                false => ("is not", exists("not ", &filter.sql)),
            }
        } else {
            match self.rng.u8(..4) {
                0 => return Some(Expr::of(format!("{name} some"), exists("", "true"), Ty::Bool)),
                1 => ("some", exists("", &filter.sql)),
                2 => ("every", exists("not ", &format!("({}) is not true", filter.sql))),
                _ => ("none", exists("not ", &filter.sql)),
            }
        };
        Some(Expr::of(format!("{name} {word} ({})", filter.orm), sql, Ty::Bool))
    }

    fn compared(&mut self, entity: usize, alias: &str, depth: usize) -> Option<Expr> {
        let ty = self.one(&Ty::ALL);
        let a = if depth > 0 && self.rng.bool() {
            self.value(ty, entity, alias, depth)
        } else {
            self.field(ty, entity, alias, 1)
        }?;
        // Predicates do not chain.
        let a = if ty == Ty::Bool { Expr::of(format!("({})", a.orm), format!("({})", a.sql), ty) } else { a };
        let made =
            |orm: String, sql: String| Some(Expr::of(format!("({orm})"), format!("({sql})"), Ty::Bool));
        if self.chance(6) {
            let not = self.one(&["", "not "]);
            return made(format!("({}) is {not}null", a.orm), format!("({}) is {not}null", a.sql));
        }
        match (self.rng.u8(..8), ty) {
            (0, _) if ty.is_key() => {
                let not = self.one(&["", "not "]);
                let items: Vec<Expr> = (0..self.rng.usize(1..4)).map(|_| self.beside(ty)).collect();
                let null = if self.chance(6) { ", null" } else { "" };
                let join = |of: fn(&Expr) -> &str| items.iter().map(of).collect::<Vec<_>>().join(", ");
                made(
                    format!("{} {not}in ({}{null})", a.orm, join(|e| &e.orm)),
                    format!("{} {not}in ({}{null})", a.sql, join(|e| &e.sql)),
                )
            }
            (1, _) if ty.is_key() => {
                let not = self.one(&["", "not "]);
                let (low, high) = (self.beside(ty), self.beside(ty));
                made(
                    format!("{} {not}between {} and {}", a.orm, low.orm, high.orm),
                    format!("{} {not}between {} and {}", a.sql, low.sql, high.sql),
                )
            }
            (2..=4, Ty::Text) => self.matched(&a),
            (0..=4, Ty::Ints | Ty::Texts) => {
                let (item, other) =
                    (self.beside(if ty == Ty::Ints { Ty::I32 } else { Ty::Text }), self.beside(ty));
                match self.rng.u8(..4) {
                    0 => made(
                        format!("has({}, {})", a.orm, item.orm),
                        format!("{} = any(({})::{})", item.sql, a.sql, ty.sql()),
                    ),
                    1 => made(
                        format!("hasEvery({}, {})", a.orm, other.orm),
                        format!("{} @> {}", a.sql, other.sql),
                    ),
                    2 => made(
                        format!("hasSome({}, {})", a.orm, other.orm),
                        format!("{} && {}", a.sql, other.sql),
                    ),
                    _ => made(format!("isEmpty({})", a.orm), format!("cardinality({}) = 0", a.sql)),
                }
            }
            (_, Ty::Bool) if self.rng.bool() => Some(a),
            _ => {
                let signs: &[&str] =
                    if ty.is_key() { &["=", "!=", "<", "<=", ">", ">="] } else { &["=", "!="] };
                let sign = self.one(signs);
                let other = if ty.is_number() && self.chance(4) { self.one(&Ty::NUMBERS) } else { ty };
                let b = if self.rng.bool() {
                    self.value(other, entity, alias, depth).unwrap_or_else(|| self.beside(ty))
                } else {
                    self.beside(ty)
                };
                made(format!("({}) {sign} ({})", a.orm, b.orm), format!("({}) {sign} ({})", a.sql, b.sql))
            }
        }
    }

    fn matched(&mut self, a: &Expr) -> Option<Expr> {
        let part = self.one(&["a", "b", "", "A", "%", "_", "\u{e9}", "ab", "\u{c9}", "\\"]);
        let sql_part = format!("'{part}'::text");
        let insensitive = self.chance(3);
        let lower = |of: &str| if insensitive { format!("lower({of})") } else { of.to_owned() };
        let also = if insensitive { " insensitive" } else { "" };
        let (text, wanted) = (lower(&a.sql), lower(&sql_part));
        let made =
            |orm: String, sql: String| Some(Expr::of(format!("({orm})"), format!("({sql})"), Ty::Bool));
        match self.rng.u8(..6) {
            0 => made(format!("{} contains {part:?}{also}", a.orm), format!("strpos({text}, {wanted}) > 0")),
            1 => {
                made(format!("{} startsWith {part:?}{also}", a.orm), format!("starts_with({text}, {wanted})"))
            }
            2 => made(
                format!("{} endsWith {part:?}{also}", a.orm),
                format!("right({text}, length({wanted})) = {wanted}"),
            ),
            3 => {
                let pattern = self.one(&["%a%", "_b", "a%", "", "%", "\\%", "a\\_b", "__", "%\u{c9}_"]);
                let word = self.one(&["like", "ilike"]);
                let not = self.one(&["", "not "]);
                made(
                    format!("{} {not}{word} {pattern:?}", a.orm),
                    format!("{} {not}{word} '{pattern}'::text", a.sql),
                )
            }
            _ => {
                let pattern = self.one(&["^a", "b$", "a|z", "[a-c]+", "^.$", "x*", "^(ab|10)$", "\\d"]);
                let sign = if insensitive { "~*" } else { "~" };
                made(
                    format!("{} matches {pattern:?}{also}", a.orm),
                    format!("{} {sign} '{pattern}'::text", a.sql),
                )
            }
        }
    }
}
