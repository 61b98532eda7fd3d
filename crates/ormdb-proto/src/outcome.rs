//! What a statement gives back.

use rkyv::{Archive, Deserialize, Serialize};

use crate::error::Result;
use crate::result::{GraphResult, ResultShape};
use crate::token::Token;

/// What a statement gives back.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The graph of a fetch.
    Fetched(GraphResult),
    /// What a write did.
    Written(MutationResult),
    /// The plan of an explained fetch.
    Explained(Explanation),
    /// A statement about a transaction was carried out.
    Done {
        /// The commit, where there was one.
        token: Option<Token>,
    },
}

impl Outcome {
    /// The graph that it has: that of a fetch, or what a write returned.
    pub fn into_graph(self) -> Option<GraphResult> {
        match self {
            Outcome::Fetched(result) => Some(result),
            Outcome::Written(written) => written.returned,
            Outcome::Explained(_) | Outcome::Done { .. } => None,
        }
    }
}

/// What a write did.
#[derive(Clone, Debug)]
pub struct MutationResult {
    /// How many rows it created, nested writes included.
    pub created: u64,
    /// How many rows it updated, nested writes and referential actions included.
    pub updated: u64,
    /// How many rows it deleted, nested writes and referential actions included.
    pub deleted: u64,
    /// The version that has the write; inside a transaction, the version that the transaction reads.
    pub token: Token,
    /// The graph that the statement asked to be returned.
    pub returned: Option<GraphResult>,
}

/// The plan of a fetch, and with `analyze` what happened when it ran.
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct Explanation {
    /// For people.
    pub text: String,
    /// For tools: a JSON document.
    pub json: String,
}

impl Explanation {
    /// The same, with the document of the tools as the text for people, a member on each line: what `explain json` answers.
    #[must_use]
    pub fn with_json_text(self) -> Explanation {
        let document: serde_json::Result<serde_json::Value> = serde_json::from_str(&self.json);
        let text = match document {
            Ok(document) => format!("{document:#}\n"),
            Err(_) => self.json.clone(),
        };
        Explanation { text, json: self.json }
    }
}

/// What a statement takes and gives, in the schema as it is.
#[derive(Clone, Debug, Default, PartialEq, Archive, Serialize, Deserialize)]
pub struct Description {
    /// Its parameters, each once.
    pub params: Vec<Parameter>,
    /// What its rows are like; none if it gives none, or if that depends on the value of a parameter.
    pub shape: Option<ResultShape>,
}

/// A parameter of a statement.
#[derive(Clone, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct Parameter {
    /// Its name, without the `$`.
    pub name: String,
    /// The type of its place, as a schema writes it: `decimal(12,2)`, `Role[]`; none where the place takes several types.
    pub ty: Option<String>,
}

impl Description {
    /// Checks the invariants of what came from outside.
    ///
    /// # Errors
    /// `ProtocolViolation`.
    pub fn validate(&self) -> Result<()> {
        self.shape.as_ref().map_or(Ok(()), ResultShape::validate)
    }
}
