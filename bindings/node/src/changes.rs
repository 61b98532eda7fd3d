//! A subscription, as JavaScript has it.

use napi_derive::napi;
use ormdb_bindings::{Changed, Changes as Inner};
use serde_json::json;

use crate::completions::{Completions, Delivered, Stop};

/// A subscription.
#[napi]
pub struct Changes(Inner);

impl Changes {
    pub(crate) const fn new(inner: Inner) -> Changes {
        Changes(inner)
    }
}

#[napi]
impl Changes {
    /// The version from which on commits are told.
    #[napi(getter)]
    pub fn since(&self) -> String {
        self.0.since().to_string()
    }

    /// Asks for the next notice: `{"token", "entities", "schema"?, "everything"}` as JSON.
    #[napi]
    pub fn next(&self, completions: &Completions, number: u32) -> Stop {
        completions.deliver(number, self.0.next(None), |changed| {
            Ok(Delivered::E(changed.map_or_else(String::new, |changed| text(&changed))))
        })
    }

    /// Ends it.
    #[napi]
    pub fn close(&self) {
        // A subscription that has ended is closed.
        self.0.close().then(drop);
    }
}

fn text(Changed { token, entities, schema, everything }: &Changed) -> String {
    let mut text = json!({ "token": token.to_string(), "entities": entities, "everything": everything });
    if let Some(version) = schema {
        text["schema"] = json!(version);
    }
    text.to_string()
}
