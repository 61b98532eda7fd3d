//! Responses on their way to a client.

use std::io;

use ormdb::StreamPart;
use ormdb_client::framed::write_frame;
use ormdb_proto::frame::{FrameHeader, FrameType, HEADER_LEN};
use ormdb_proto::message::{Changed, Done, Mutation, encode};
use ormdb_proto::result::{Chunk, ResultShape};
use ormdb_proto::{Description, Error, ErrorCode, GraphResult, MutationResult, Result};
use rkyv::util::AlignedVec;
use tokio::io::AsyncWrite;

/// A frame to be written.
#[derive(Debug)]
pub(super) struct Outgoing {
    header: FrameHeader,
    payload: Payload,
    /// The credit that it is still to be paid with.
    cost: u32,
}

impl Outgoing {
    fn new(header: FrameHeader, payload: Payload) -> Outgoing {
        let cost = if header.kind.costs_credit() { header.length } else { 0 };
        Outgoing { header, payload, cost }
    }

    /// The credit that it takes: of frames that cost any, their bytes.
    pub(super) const fn cost(&self) -> u32 {
        self.cost
    }

    /// The same frame, whose credit is spent.
    #[must_use]
    pub(super) fn paid(mut self) -> Outgoing {
        self.cost = 0;
        self
    }

    /// How many bytes it is.
    pub(super) fn byte_len(&self) -> usize {
        HEADER_LEN.saturating_add(usize::try_from(self.header.length).unwrap_or(usize::MAX))
    }

    /// Writes it, without a flush.
    ///
    /// # Errors
    /// Those of the stream.
    pub(super) async fn write(&self, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        match &self.payload {
            Payload::Message(payload) => write_frame(stream, &self.header, [&**payload]).await,
            Payload::Part(chunk) => write_frame(stream, &self.header, chunk.parts()).await,
            Payload::Chunk(result, at) => {
                let parts: Vec<&[u8]> = match result.chunks().get(*at) {
                    Some(chunk) => chunk.parts().collect(),
                    None => Vec::new(),
                };
                write_frame(stream, &self.header, parts).await
            }
        }
    }
}

#[derive(Debug)]
enum Payload {
    Message(AlignedVec),
    /// A chunk of a result, by its number: written from where it lies.
    Chunk(GraphResult, usize),
    /// A chunk of a result that is still being read.
    Part(Chunk),
}

/// What the longest frame is that a client takes, and which request is answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reply {
    pub(super) request: u32,
    pub(super) stream: u32,
    pub(super) frame_bytes_max: u32,
}

impl Reply {
    /// The last frame of a response.
    pub(super) fn last(self, kind: FrameType, payload: AlignedVec) -> Result<Outgoing> {
        let header = self.fitting(FrameHeader::of(kind, self.request, [&*payload])?)?;
        Ok(Outgoing::new(header.last(), Payload::Message(payload)))
    }

    /// The response of what is done.
    pub(super) fn done(self) -> Result<Vec<Outgoing>> {
        Ok(vec![self.last(FrameType::Done, encode(&Done { token: None })?)?])
    }

    /// The response of a statement that was prepared.
    pub(super) fn prepared(self, described: &Description) -> Result<Vec<Outgoing>> {
        Ok(vec![self.last(FrameType::Prepared, encode(described)?)?])
    }

    /// The response that is an error.
    pub(super) fn error(self, error: &Error) -> Result<Outgoing> {
        self.last(FrameType::Error, encode(error)?)
    }

    /// The response that is a graph.
    pub(super) fn fetched(self, result: &GraphResult) -> Result<Vec<Outgoing>> {
        let mut frames = self.graph(result)?;
        if let Some(trailer) = frames.last_mut() {
            trailer.header = trailer.header.last();
        }
        Ok(frames)
    }

    /// The response of a mutation: the graph that it returns, then its counts.
    pub(super) fn written(self, written: &MutationResult) -> Result<Vec<Outgoing>> {
        let mut frames = match &written.returned {
            Some(result) => self.graph(result)?,
            None => Vec::new(),
        };
        let MutationResult { created, updated, deleted, token, .. } = *written;
        frames.push(self.last(FrameType::Mutation, encode(&Mutation { created, updated, deleted, token })?)?);
        Ok(frames)
    }

    /// What a subscriber is told.
    pub(super) fn changed(self, changed: &Changed) -> Result<Outgoing> {
        self.message(FrameType::Changed, encode(changed)?)
    }

    /// A part of a result that is still being read.
    pub(super) fn part(self, part: StreamPart) -> Result<Outgoing> {
        match part {
            StreamPart::Shape(shape) => self.shape(&shape),
            StreamPart::Chunk(chunk) => self.chunk(chunk),
        }
    }

    /// The first frame of a result.
    fn shape(self, shape: &ResultShape) -> Result<Outgoing> {
        self.message(FrameType::Shape, encode(shape)?)
    }

    /// A part of a result.
    fn chunk(self, chunk: Chunk) -> Result<Outgoing> {
        let header = self.fitting(FrameHeader::of(FrameType::Chunk, self.request, chunk.parts())?)?;
        Ok(Outgoing::new(header, Payload::Part(chunk)))
    }

    fn graph(self, result: &GraphResult) -> Result<Vec<Outgoing>> {
        let mut frames = Vec::with_capacity(result.chunks().len() + 2);
        frames.push(self.shape(result.shape())?);
        for (at, chunk) in result.chunks().iter().enumerate() {
            let header = self.fitting(FrameHeader::of(FrameType::Chunk, self.request, chunk.parts())?)?;
            frames.push(Outgoing::new(header, Payload::Chunk(result.clone(), at)));
        }
        frames.push(self.message(FrameType::Trailer, encode(result.trailer())?)?);
        Ok(frames)
    }

    fn message(self, kind: FrameType, payload: AlignedVec) -> Result<Outgoing> {
        let header = self.fitting(FrameHeader::of(kind, self.request, [&*payload])?)?;
        Ok(Outgoing::new(header, Payload::Message(payload)))
    }

    fn fitting(self, header: FrameHeader) -> Result<FrameHeader> {
        if header.length > self.frame_bytes_max {
            let message =
                format!("the response has a frame of {} bytes, more than the client takes", header.length);
            let mut error = Error::new(ErrorCode::LimitExceeded, message).hint("ask for fewer rows");
            error.detail.limit = Some(ormdb_proto::error::Limit {
                name: "frame_bytes_max".to_owned(),
                allowed: u64::from(self.frame_bytes_max),
                asked: u64::from(header.length),
            });
            return Err(error);
        }
        Ok(header.on_stream(self.stream))
    }
}
