//! What statements give, as JavaScript gets it: shapes as text, chunks as bytes, counts and tokens.

use napi::bindgen_prelude::{BigInt, Null, Uint8Array};
use napi_derive::napi;
use ormdb_bindings::{Chunk, Error, ErrorCode, GraphResult, Outcome, Part, Parts, Token};
use ormdb_proto::Result;
use ormdb_proto::result::ResultShape;

use crate::completions::{Completions, Delivered, Stop};
use crate::error_text::thrown;
use crate::shape_text;

/// The outcome of a statement, or a part of a result.
#[napi(object, object_from_js = false)]
pub struct RawAnswer {
    /// `rows`, `written`, `plan` or `done`.
    pub kind: &'static str,
    /// The shape of the rows, if there are any.
    pub shape: Option<String>,
    /// The chunks of the rows.
    pub chunks: Option<Vec<Uint8Array>>,
    /// Rows created.
    pub created: Option<BigInt>,
    /// Rows updated.
    pub updated: Option<BigInt>,
    /// Rows deleted.
    pub deleted: Option<BigInt>,
    /// The version token.
    pub token: Option<String>,
    /// A plan, for people.
    pub text: Option<String>,
    /// A plan as JSON.
    pub json: Option<String>,
}

impl RawAnswer {
    const fn of_kind(kind: &'static str) -> RawAnswer {
        RawAnswer {
            kind,
            shape: None,
            chunks: None,
            created: None,
            updated: None,
            deleted: None,
            token: None,
            text: None,
            json: None,
        }
    }

    /// What JavaScript gets of rows.
    pub(crate) fn of_rows(result: GraphResult) -> Result<RawAnswer> {
        let token = result.trailer().token;
        let rows = RawAnswer::of_chunks(result.shape(), result.chunks())?;
        Ok(RawAnswer { token: Some(token.to_string()), ..rows })
    }

    /// What JavaScript gets of an outcome.
    pub(crate) fn of(outcome: Outcome) -> Result<RawAnswer> {
        Ok(match outcome {
            Outcome::Fetched(result) => RawAnswer::of_rows(result)?,
            Outcome::Written(written) => {
                let rows = match &written.returned {
                    Some(result) => RawAnswer::of_chunks(result.shape(), result.chunks())?,
                    None => RawAnswer::of_kind("written"),
                };
                RawAnswer {
                    kind: "written",
                    created: Some(written.created.into()),
                    updated: Some(written.updated.into()),
                    deleted: Some(written.deleted.into()),
                    token: Some(written.token.to_string()),
                    ..rows
                }
            }
            Outcome::Explained(plan) => {
                RawAnswer { text: Some(plan.text), json: Some(plan.json), ..RawAnswer::of_kind("plan") }
            }
            Outcome::Done { token } => RawAnswer::of_commit(token),
        })
    }

    /// What JavaScript gets of a commit.
    pub(crate) fn of_commit(token: Option<Token>) -> RawAnswer {
        RawAnswer { token: token.map(|token| token.to_string()), ..RawAnswer::of_kind("done") }
    }

    fn of_part(part: &Part) -> Result<RawAnswer> {
        let chunks = part.chunks().iter().map(|chunk| bytes(part.shape(), chunk)).collect::<Result<_>>()?;
        Ok(RawAnswer { chunks: Some(chunks), ..RawAnswer::of_kind("rows") })
    }

    fn of_chunks(shape: &ResultShape, chunks: &[Chunk]) -> Result<RawAnswer> {
        let chunks = chunks.iter().map(|chunk| bytes(shape, chunk)).collect::<Result<_>>()?;
        Ok(RawAnswer {
            shape: Some(shape_text::of(shape)?),
            chunks: Some(chunks),
            ..RawAnswer::of_kind("rows")
        })
    }
}

/// The bytes of a chunk, every checksum of it verified. They are brought together here, off the thread of JavaScript, which takes
/// them as they are.
fn bytes(shape: &ResultShape, chunk: &Chunk) -> Result<Uint8Array> {
    for block in chunk.entities() {
        for at in 0..block.column_types().len() {
            block.column(at)?;
        }
    }
    for slot in 0..shape.edge_blocks() {
        chunk.edges(slot)?;
    }
    let mut bytes = Vec::with_capacity(chunk.byte_len());
    for part in chunk.parts() {
        bytes.extend_from_slice(part);
    }
    Ok(Uint8Array::new(bytes))
}

/// The parts of a result that is streamed.
#[napi]
pub struct RawParts {
    /// Given up when nothing more is wanted.
    parts: Option<Parts>,
    shape: String,
}

#[napi]
impl RawParts {
    /// The shape of the rows.
    #[napi(getter)]
    pub fn shape(&self) -> String {
        self.shape.clone()
    }

    /// Asks for the next part; null behind the last one.
    #[napi]
    pub fn next(&self, completions: &Completions, number: u32) -> napi::Result<Stop> {
        let parts = self.parts.as_ref().ok_or_else(|| {
            thrown(&Error::new(ErrorCode::Internal, "a part was asked for of a result that was given up"))
        })?;
        Ok(completions.deliver(number, parts.next(), |part| {
            Ok(match part {
                Some(part) => Delivered::A(RawAnswer::of_part(&part)?),
                None => Delivered::F(Null),
            })
        }))
    }

    /// Ends the statement: nothing more is wanted of it.
    #[napi]
    pub fn close(&mut self) {
        if let Some(parts) = self.parts.take() {
            parts.next().cancel_handle().cancel();
        }
    }
}

impl RawParts {
    /// What JavaScript gets of a statement that is streamed.
    pub(crate) fn of(parts: Parts) -> Result<Delivered> {
        Ok(Delivered::D(RawParts { shape: shape_text::of(parts.shape())?, parts: Some(parts) }))
    }
}
