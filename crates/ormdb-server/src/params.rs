//! Parameters from the command line.

use ormdb_proto::Value;
use ormdb_proto::ir::Params;

use crate::exit::{Failure, Result};

/// The parameters of `NAME=VALUE` arguments: a value is JSON, or else text.
pub(crate) fn parse(args: &[String]) -> Result<Params> {
    let mut params = Params::none();
    for arg in args {
        let Some((name, value)) = arg.split_once('=') else {
            return Err(Failure::Request(format!("`{arg}` is no parameter: write NAME=VALUE")));
        };
        let name = name.strip_prefix('$').unwrap_or(name);
        if params.get(name).is_some() {
            return Err(Failure::Request(format!("parameter `{name}` is given twice")));
        }
        params.0.push((name.to_owned(), self::value(value)));
    }
    Ok(params)
}

fn value(text: &str) -> Value {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(json) => Value::from_json(&json),
        Err(_) => Value::String(text.to_owned()),
    }
}
