//! Types and their literals, in both languages.

use fastrand::Rng;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ty {
    Bool,
    I16,
    I32,
    I64,
    Dec,
    F32,
    F64,
    Text,
    Bytes,
    Uuid,
    Instant,
    Local,
    Date,
    Time,
    Interval,
    Json,
    Color,
    Ints,
    Texts,
}

pub const LABELS: [&str; 4] = ["red", "green", "blue", "amber"];
const WORDS: [&str; 12] = ["", "a", "ab", "Abc", "b", "\u{e9}a", "z%", "a_b", "10", " x ", "B\\", "ba\"c"];

/// A value, as each language writes it where its type is known.
#[derive(Clone, Debug)]
pub struct Lit {
    pub orm: String,
    pub sql: String,
}

impl Ty {
    pub const ALL: [Ty; 19] = [
        Ty::Bool,
        Ty::I16,
        Ty::I32,
        Ty::I64,
        Ty::Dec,
        Ty::F32,
        Ty::F64,
        Ty::Text,
        Ty::Bytes,
        Ty::Uuid,
        Ty::Instant,
        Ty::Local,
        Ty::Date,
        Ty::Time,
        Ty::Interval,
        Ty::Json,
        Ty::Color,
        Ty::Ints,
        Ty::Texts,
    ];

    pub const NUMBERS: [Ty; 6] = [Ty::I16, Ty::I32, Ty::I64, Ty::Dec, Ty::F32, Ty::F64];

    /// The type in a schema.
    pub const fn orm(self) -> &'static str {
        match self {
            Ty::Bool => "bool",
            Ty::I16 => "int16",
            Ty::I32 => "int32",
            Ty::I64 => "int64",
            Ty::Dec => "decimal(12,2)",
            Ty::F32 => "float32",
            Ty::F64 => "float64",
            Ty::Text => "string",
            Ty::Bytes => "bytes",
            Ty::Uuid => "uuid",
            Ty::Instant => "datetime",
            Ty::Local => "local_datetime",
            Ty::Date => "date",
            Ty::Time => "time",
            Ty::Interval => "interval",
            Ty::Json => "json",
            Ty::Color => "Color",
            Ty::Ints => "int32[]",
            Ty::Texts => "string[]",
        }
    }

    /// The type in a table.
    pub const fn sql(self) -> &'static str {
        match self {
            Ty::Bool => "bool",
            Ty::I16 => "int2",
            Ty::I32 => "int4",
            Ty::I64 => "int8",
            Ty::Dec => "numeric(12,2)",
            Ty::F32 => "float4",
            Ty::F64 => "float8",
            Ty::Text => "text",
            Ty::Bytes => "bytea",
            Ty::Uuid => "uuid",
            Ty::Instant => "timestamptz",
            Ty::Local => "timestamp",
            Ty::Date => "date",
            Ty::Time => "time",
            Ty::Interval => "interval",
            Ty::Json => "jsonb",
            Ty::Color => "color",
            Ty::Ints => "int4[]",
            Ty::Texts => "text[]",
        }
    }

    /// The type of a value in an expression, which has no bound on its digits.
    pub const fn cast(self) -> &'static str {
        match self {
            Ty::Dec => "numeric",
            other => other.sql(),
        }
    }

    /// Whether indexes and orders of it are tried.
    pub const fn is_key(self) -> bool {
        !matches!(self, Ty::Json | Ty::Ints | Ty::Texts)
    }

    pub const fn is_number(self) -> bool {
        matches!(self, Ty::I16 | Ty::I32 | Ty::I64 | Ty::Dec | Ty::F32 | Ty::F64)
    }

    /// A value of PostgreSQL as it stands in a JSON answer of ormDB.
    pub fn out(self, sql: &str) -> String {
        match self {
            Ty::F32 => format!("'{}' || ({sql})::text", super::json::SINGLE),
            Ty::F64 => format!("'{}' || ({sql})::text", super::json::FLOAT),
            Ty::Instant => format!("replace(to_json({sql})#>>'{{}}', '+00:00', 'Z')"),
            Ty::Bytes | Ty::Interval | Ty::Uuid | Ty::Time => format!("({sql})::text"),
            _ => sql.to_owned(),
        }
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn text(word: &str) -> Lit {
    Lit { orm: format!("{word:?}"), sql: format!("{}::text", quoted(word)) }
}

/// A value of few, so that rows meet.
pub fn literal(rng: &mut Rng, ty: Ty) -> Lit {
    let number = rng.i64(-3..8);
    of_number(rng, ty, number)
}

/// A value of more, for keys.
pub fn wide(rng: &mut Rng, ty: Ty) -> Lit {
    let number = rng.i64(-30..60);
    of_number(rng, ty, number)
}

fn of_number(rng: &mut Rng, ty: Ty, n: i64) -> Lit {
    let plain = |orm: String, sql: &str| Lit { sql: format!("'{sql}'::{}", ty.cast()), orm };
    let digits = n.rem_euclid(60);
    match ty {
        Ty::Bool => Lit { orm: (n % 2 == 0).to_string(), sql: (n % 2 == 0).to_string() },
        Ty::I16 | Ty::I32 => plain(n.to_string(), &n.to_string()),
        Ty::I64 => {
            let n = if rng.u8(..6) == 0 { n * 1_000_000_007 } else { n };
            plain(n.to_string(), &n.to_string())
        }
        Ty::Dec => {
            let (sign, size) = (if n < 0 { "-" } else { "" }, n.abs() * 25);
            let text = format!("{sign}{}.{:02}", size / 100, size % 100);
            plain(text.clone(), &text)
        }
        Ty::F32 | Ty::F64 => {
            #[expect(clippy::cast_precision_loss, reason = "few digits")]
            let value = n as f64 * 0.25;
            plain(format!("{value}e0"), &value.to_string())
        }
        Ty::Text => {
            let word = WORDS[usize::try_from(n.rem_euclid(12)).unwrap()];
            if (0..12).contains(&n) || n < 0 && n > -4 { text(word) } else { text(&format!("{word}{n}")) }
        }
        Ty::Bytes => plain(format!("x\"{digits:02}ff\""), &format!("\\x{digits:02}ff")),
        Ty::Uuid => {
            let uuid = format!("{digits:08}-0000-4000-8000-000000000000");
            plain(format!("uuid\"{uuid}\""), &uuid)
        }
        Ty::Instant | Ty::Local => {
            let fraction = ["", ".5", ".000001"][rng.usize(..3)];
            let at = format!(
                "2024-0{}-{:02}T{:02}:30:{digits:02}{fraction}",
                1 + n.rem_euclid(3),
                1 + digits % 28,
                digits % 24
            );
            if ty == Ty::Instant {
                plain(format!("datetime\"{at}Z\""), &format!("{at}Z"))
            } else {
                plain(format!("local_datetime\"{at}\""), &at)
            }
        }
        Ty::Date => {
            let at = format!("20{:02}-0{}-{:02}", 20 + n.rem_euclid(6), 1 + n.rem_euclid(9), 1 + digits % 28);
            plain(format!("date\"{at}\""), &at)
        }
        Ty::Time => {
            let at = format!("{:02}:{digits:02}:07{}", digits % 24, ["", ".25"][rng.usize(..2)]);
            plain(format!("time\"{at}\""), &at)
        }
        Ty::Interval => {
            let at = [
                "1 day",
                "2 months",
                "1 year 3 days",
                "-5 hours",
                "00:00:01.5",
                "30 days",
                "0 days",
                "1 month -2 days",
            ][usize::try_from(n.rem_euclid(8)).unwrap()];
            plain(format!("interval({at:?})"), at)
        }
        Ty::Json => {
            let document = [
                "{}",
                "[]",
                "null",
                "1",
                "1.5",
                "\"a\"",
                "{\"a\": 1, \"bb\": [1, 2, {\"c\": null}]}",
                "{\"bb\": {\"x\": \"y\"}, \"a\": \"1\"}",
                "[1, \"b\", null, true]",
                "{\"a\": null, \"c\": false}",
            ][usize::try_from(n.rem_euclid(10)).unwrap()];
            plain(format!("json({document:?})"), document)
        }
        Ty::Color => {
            let label = LABELS[usize::try_from(n.rem_euclid(4)).unwrap()];
            plain(label.to_owned(), label)
        }
        Ty::Ints => {
            let items: Vec<String> = (0..rng.usize(..4))
                .map(|_| if rng.u8(..6) == 0 { "null".to_owned() } else { rng.i64(-2..5).to_string() })
                .collect();
            let items = items.join(", ");
            Lit { orm: format!("[{items}]"), sql: format!("array[{items}]::int4[]") }
        }
        Ty::Texts => {
            let items: Vec<Lit> = (0..rng.usize(..4)).map(|_| text(WORDS[rng.usize(..6)])).collect();
            let join = |of: fn(&Lit) -> &str| items.iter().map(of).collect::<Vec<_>>().join(", ");
            Lit {
                orm: format!("[{}]", join(|l| &l.orm)),
                sql: format!("array[{}]::text[]", join(|l| &l.sql)),
            }
        }
    }
}

/// A value that says its own type; none of labels, which take theirs from their place.
pub fn typed(rng: &mut Rng, ty: Ty) -> Option<Lit> {
    let lit = literal(rng, ty);
    let orm = match ty {
        Ty::Color => return None,
        Ty::I16 => format!("int16({})", lit.orm),
        Ty::I64 => format!("int64({})", lit.orm),
        Ty::F32 => format!("float32({})", lit.orm),
        Ty::Ints | Ty::Texts if lit.orm == "[]" => return None,
        // The elements of a list of numbers are int64.
        Ty::Ints => return None,
        _ => lit.orm,
    };
    Some(Lit { orm, sql: lit.sql })
}
