//! Results that are taken chunk by chunk, while the server reads on.

use std::sync::Arc;

use ormdb_proto::Result;
use ormdb_proto::ir::Params;
use ormdb_proto::message::{self, Message, encode};
use ormdb_proto::result::{Chunk, ResultShape, RowPlan, Trailer, join};
use ormdb_proto::typed::FromRow;

use crate::client::Client;
use crate::connection::{Parts, Wants};
use crate::pending::{Part, unexpected};

/// A result that is taken chunk by chunk. The server sends no more ahead than the connection's window; dropped before its end, the
/// request is cancelled.
#[derive(Debug)]
pub struct ResultStream {
    /// Keeps its place, if it is of a pool.
    _client: Client,
    parts: Parts,
    shape: Arc<ResultShape>,
    trailer: Option<Trailer>,
    fan_outs: FanOuts,
}

/// What becomes of a root row whose related rows are too many for a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FanOuts {
    /// Its chunks are joined.
    Whole,
    /// Its chunks are handed on as they come.
    Divided,
}

impl Client {
    /// Fetches a graph chunk by chunk: the text must be a fetch, or a mutation that returns something. Nothing else of the connection
    /// waits for who is slow in taking the chunks.
    ///
    /// # Errors
    /// As [`fetch`](Self::fetch). The handle's deadline is that of each wait: for the shape here, and for each chunk.
    pub async fn stream(&self, text: &str, params: &Params) -> Result<ResultStream> {
        self.stream_text(text, params, FanOuts::Whole).await
    }

    /// As [`stream`](Self::stream), of rows of any size: where the related rows of one root row are too many for a chunk, they come in
    /// several, of which each but the last [goes on](Chunk::goes_on) in the next, which begins with the same root row. Neither side holds
    /// more than such a part. [`ormdb_proto::result::join`] makes one of both.
    ///
    /// # Errors
    /// As [`stream`](Self::stream).
    pub async fn stream_divided(&self, text: &str, params: &Params) -> Result<ResultStream> {
        self.stream_text(text, params, FanOuts::Divided).await
    }

    pub(crate) async fn stream_text(
        &self,
        text: &str,
        params: &Params,
        fan_outs: FanOuts,
    ) -> Result<ResultStream> {
        let query = message::Query { text: text.to_owned(), params: params.clone() };
        self.stream_of(message::Query::KIND, encode(&query)?, fan_outs).await
    }

    pub(crate) async fn stream_of(
        &self,
        kind: ormdb_proto::frame::FrameType,
        payload: rkyv::util::AlignedVec,
        fan_outs: FanOuts,
    ) -> Result<ResultStream> {
        let mut parts = self.parts_of(kind, Wants::Rows, payload).await?;
        match parts.next().await? {
            Some(Part::Shape(shape)) => {
                Ok(ResultStream { _client: self.clone(), parts, shape, trailer: None, fan_outs })
            }
            Some(Part::Response(_) | Part::Chunk(_) | Part::Trailer(_) | Part::Changed(..)) | None => {
                Err(unexpected("a graph"))
            }
        }
    }
}

impl ResultStream {
    /// What the chunks are like.
    pub const fn shape(&self) -> &Arc<ResultShape> {
        &self.shape
    }

    /// The next chunk; none behind the last one. Whoever asks for the next one is done with the one before: the server sends more.
    ///
    /// # Errors
    /// As [`Client::query`]: a statement may fail behind chunks that were taken. `Cancelled` if the chunk does not come within the
    /// deadline of the handle; the result ends with it.
    pub async fn next(&mut self) -> Result<Option<Chunk>> {
        let Some(chunk) = self.next_part().await? else { return Ok(None) };
        if self.fan_outs == FanOuts::Divided || !chunk.goes_on() {
            return Ok(Some(chunk));
        }
        let mut parts = vec![chunk];
        while parts.last().is_some_and(Chunk::goes_on) {
            parts.push(self.next_part().await?.ok_or_else(|| unexpected("the rest of a row"))?);
        }
        join(&self.shape, &parts).map(Some)
    }

    /// The next chunk as the server sent it.
    async fn next_part(&mut self) -> Result<Option<Chunk>> {
        loop {
            match self.parts.next().await? {
                Some(Part::Chunk(chunk)) => return Ok(Some(chunk)),
                Some(Part::Trailer(trailer)) => self.trailer = Some(trailer),
                // The counts of a write.
                Some(Part::Response(_)) => {}
                Some(Part::Shape(_) | Part::Changed(..)) => return Err(unexpected("one graph")),
                None => return Ok(None),
            }
        }
    }

    /// What is known of the result once its last chunk was taken.
    pub const fn trailer(&self) -> Option<&Trailer> {
        self.trailer.as_ref()
    }

    /// The rows as structs, chunk by chunk.
    ///
    /// # Errors
    /// As [`RowPlan::new`].
    pub fn typed<T: FromRow>(mut self) -> Result<RowStream<T>> {
        self.fan_outs = FanOuts::Whole;
        let plan = RowPlan::new(Arc::clone(&self.shape))?;
        Ok(RowStream { chunks: self, plan })
    }
}

/// The root rows of a result as structs, chunk by chunk.
pub struct RowStream<T: FromRow> {
    chunks: ResultStream,
    plan: RowPlan<T>,
}

impl<T: FromRow> RowStream<T> {
    /// The rows of the next chunk; none behind the last one.
    ///
    /// # Errors
    /// As [`ResultStream::next`] and [`RowPlan::read`].
    pub async fn next(&mut self) -> Result<Option<Vec<T>>> {
        let chunk = self.chunks.next().await?;
        chunk.map(|chunk| self.plan.read(&chunk)).transpose()
    }

    /// What is known of the result once its last chunk was taken.
    pub const fn trailer(&self) -> Option<&Trailer> {
        self.chunks.trailer()
    }
}
