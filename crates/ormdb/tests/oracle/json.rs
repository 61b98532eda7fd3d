//! JSON with the digits of its numbers, so that `1.50` and `1.5` are two things.

use std::fmt;

/// A document.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// What stands before a float64 that PostgreSQL wrote: it is compared as a number, since 1e+20 is 100000000000000000000.
pub const FLOAT: &str = "float:";

/// What stands before a float32: the shortest text of one is not always the same, where two are as near.
pub const SINGLE: &str = "single:";

/// Whether two texts are of one number.
fn is_same<T: std::str::FromStr + PartialOrd + Copy>(found: &str, wanted: &str) -> bool {
    match (found.parse::<T>(), wanted.parse::<T>()) {
        #[expect(clippy::eq_op, reason = "what is not equal to itself is no number")]
        (Ok(a), Ok(b)) => a == b || (a != a && b != b),
        _ => found == wanted,
    }
}

impl Json {
    /// Reads a document.
    pub fn parse(text: &str) -> Json {
        let mut reader = Reader { rest: text };
        let value = reader.value();
        assert!(reader.rest.trim().is_empty(), "more than one document: {text}");
        value
    }

    /// Whether what ormDB answered is what PostgreSQL did.
    pub fn is(&self, wanted: &Json) -> bool {
        match (self, wanted) {
            (Json::Number(found) | Json::Text(found), Json::Text(wanted)) if wanted.starts_with(FLOAT) => {
                is_same::<f64>(found, &wanted[FLOAT.len()..])
            }
            (Json::Number(found) | Json::Text(found), Json::Text(wanted)) if wanted.starts_with(SINGLE) => {
                is_same::<f32>(found, &wanted[SINGLE.len()..])
            }
            (Json::Array(found), Json::Array(wanted)) => {
                found.len() == wanted.len() && found.iter().zip(wanted).all(|(a, b)| a.is(b))
            }
            (Json::Object(found), Json::Object(wanted)) => {
                found.len() == wanted.len()
                    && found.iter().zip(wanted).all(|((a, x), (b, y))| a == b && x.is(y))
            }
            (found, wanted) => found == wanted,
        }
    }
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    fn eat(&mut self, sign: char) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self) -> Json {
        if self.eat('[') {
            let mut items = Vec::new();
            while !self.eat(']') {
                items.push(self.value());
                self.eat(',');
            }
            return Json::Array(items);
        }
        if self.eat('{') {
            let mut members = Vec::new();
            while !self.eat('}') {
                let Json::Text(name) = self.value() else { panic!("a member without a name") };
                assert!(self.eat(':'), "a member without a value: {}", self.rest);
                members.push((name, self.value()));
                self.eat(',');
            }
            return Json::Object(members);
        }
        if self.rest.starts_with('"') {
            return Json::Text(self.text());
        }
        let end = self.rest.find([',', ']', '}', ' ', '\n', ':']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        assert!(!word.is_empty(), "no JSON: {rest}");
        self.rest = rest;
        match word {
            "null" => Json::Null,
            "true" => Json::Bool(true),
            "false" => Json::Bool(false),
            number => Json::Number(number.to_owned()),
        }
    }

    fn text(&mut self) -> String {
        let mut escaped = false;
        let end = self.rest[1..].find(|c: char| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let (text, rest) = self.rest.split_at(end.unwrap() + 2);
        self.rest = rest;
        serde_json::from_str(text).unwrap()
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, items: &[String], ends: [char; 2]| {
            write!(f, "{}{}{}", ends[0], items.join(","), ends[1])
        };
        match self {
            Json::Null => f.write_str("null"),
            Json::Bool(v) => write!(f, "{v}"),
            Json::Number(v) => f.write_str(v),
            Json::Text(v) => write!(f, "{v:?}"),
            Json::Array(items) => list(f, &items.iter().map(Json::to_string).collect::<Vec<_>>(), ['[', ']']),
            Json::Object(members) => {
                let members: Vec<String> = members.iter().map(|(k, v)| format!("{k:?}:{v}")).collect();
                list(f, &members, ['{', '}'])
            }
        }
    }
}
