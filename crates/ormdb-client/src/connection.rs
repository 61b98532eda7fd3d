//! One connection: a task that writes requests, a task that reads responses, and the handles between.
//!
//! Invariants: (1) at most as many requests are waited for as the server takes at a time, so that none waits unread
//! behind another and a cancel gets through; (2) when either task ends, every request in flight is answered.

mod wire;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use ormdb_proto::frame::{FrameHeader, FrameType, violation};
use ormdb_proto::message::{Welcome, decode};
use ormdb_proto::{Error, ErrorCode, Result};
use rkyv::util::AlignedVec;
use tokio::io::{AsyncRead, BufReader, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;

use crate::address::Address;
use crate::client::ConnectOptions;
use crate::framed::{read_header, read_payload};
use crate::handshake;
use crate::pending::{Grant, Part, Pending, Response};
use crate::stop;
use crate::transport::{self, Link, ReadHalf};
use wire::Wire;

/// So many heartbeats long a server may be silent, though it is asked for signs of life.
const SILENT_HEARTBEATS_MAX: u32 = 3;
/// The longest time between two signs of life.
const HEARTBEAT_MAX: Duration = Duration::from_secs(60);
/// The shortest, whatever the server says.
const HEARTBEAT_MIN: Duration = Duration::from_millis(100);
/// Responses up to so many bytes are read by one system call.
const READ_BYTES: usize = 32 << 10;
/// One connection, shared by its handles; the last one to go closes it.
#[derive(Debug)]
pub(crate) struct Connection {
    pending: Arc<Pending>,
    wire: Wire,
    slots: Arc<Semaphore>,
    /// The number of the last statement that was prepared.
    prepared: AtomicU32,
    frame_bytes_max: u32,
    reader: JoinHandle<()>,
}

/// A request that is to be sent.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) kind: FrameType,
    pub(crate) stream: u32,
    pub(crate) wants: Wants,
    pub(crate) payload: AlignedVec,
}

/// What a statement has to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    Anything,
    /// Rows: one that gives none is not executed.
    Rows,
}

impl Connection {
    /// Connects and shakes hands.
    pub(crate) async fn open(address: &Address, options: &ConnectOptions) -> Result<Connection> {
        let connect = async {
            let link = transport::open(address, options).await?;
            Connection::over(link, address, options).await
        };
        tokio::time::timeout(options.connect_timeout, connect).await.unwrap_or_else(|_| {
            Err(Error::new(ErrorCode::ConnectionFailed, format!("{address} did not answer in time")))
        })
    }

    async fn over(link: Link, address: &Address, options: &ConnectOptions) -> Result<Connection> {
        let seen = Arc::new(AtomicU64::new(0));
        let read = Counted { stream: link.read, seen: Arc::clone(&seen) };
        let mut read = BufReader::with_capacity(READ_BYTES, read);
        let mut write = wire::buffered(link.write);
        let credentials = address.credentials().or(options.credentials.as_ref());
        let login = (options, credentials, link.binding);
        let welcome = handshake::shake_hands(&mut read, &mut write, login).await?;
        let pending = Arc::new(Pending::new(options.window_bytes));
        let heartbeat = heartbeat(&welcome);
        let (wire, writing) = Wire::new(write, Arc::clone(&pending), heartbeat);
        let responses = Responses {
            read,
            seen,
            length_max: options.frame_bytes_max,
            pending: Arc::clone(&pending),
            grants: wire.grants(),
        };
        let reader = tokio::spawn(responses.read_all(tokio::spawn(writing), heartbeat));
        let slots = usize::try_from(welcome.requests_max).unwrap_or(1).clamp(1, Semaphore::MAX_PERMITS);
        Ok(Connection {
            pending,
            wire,
            slots: Arc::new(Semaphore::new(slots)),
            prepared: AtomicU32::new(0),
            frame_bytes_max: welcome.frame_bytes_max,
            reader,
        })
    }

    /// Sends a request and waits for its response, for as long as the deadline says.
    pub(crate) async fn request(&self, asked: Asked, deadline: Option<Duration>) -> Result<Response> {
        within(deadline, self.exchange(asked)).await
    }

    async fn exchange(&self, Asked { kind, stream, wants, payload }: Asked) -> Result<Response> {
        let header = self.header_of(kind, wants, &payload)?;
        let _slot = self.slots.acquire().await.map_err(|_| closed())?;
        stop::check()?;
        let (id, answer) = self.pending.add()?;
        let _in_flight = InFlight { connection: self, id };
        let header = FrameHeader { request: id, ..header.on_stream(stream) };
        self.wire.send(header, payload).await;
        stop::answered(answer, || self.notify(FrameType::Cancel, 0, id)).await.map_err(|_| closed())?
    }

    /// Sends a request whose response is taken part by part, each within the deadline.
    pub(crate) async fn stream(
        self: &Arc<Self>,
        Asked { kind, stream, wants, payload }: Asked,
        deadline: Option<Duration>,
    ) -> Result<Parts> {
        let header = self.header_of(kind, wants, &payload)?;
        let slot = Arc::clone(&self.slots).acquire_owned();
        let slot = within(deadline, async { slot.await.map_err(|_| closed()) }).await?;
        let (id, receiver) = self.pending.add_in_parts()?;
        let connection = Arc::clone(self);
        let parts = Parts { connection, id, receiver, deadline, taken: 0, ended: None, slot: Some(slot) };
        let header = FrameHeader { request: id, ..header.on_stream(stream) };
        self.wire.send(header, payload).await;
        Ok(parts)
    }

    fn header_of(&self, kind: FrameType, wants: Wants, payload: &AlignedVec) -> Result<FrameHeader> {
        // Where the server takes no frame so long, it would close the connection and every other request with it.
        let header = FrameHeader::of(kind, 0, [&**payload])?;
        let header = match wants {
            Wants::Anything => header,
            Wants::Rows => header.for_rows(),
        };
        // The server then holds a part of a row's related rows, and not all of them; here they are joined.
        let header = if kind.is_statement() { header.for_divided() } else { header };
        if header.length > self.frame_bytes_max {
            let message = format!("the request of {} bytes is longer than the server takes", header.length);
            let mut error = Error::new(ErrorCode::LimitExceeded, message);
            error.detail.limit = Some(ormdb_proto::error::Limit {
                name: "frame_bytes_max".to_owned(),
                allowed: u64::from(self.frame_bytes_max),
                asked: u64::from(header.length),
            });
            return Err(error);
        }
        Ok(header)
    }

    /// The number of another prepared statement. It comes round after 2^32 of them.
    pub(crate) fn next_prepared(&self) -> u32 {
        self.prepared.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    /// Sends a frame that has no response, without waiting for room.
    pub(crate) fn notify(&self, kind: FrameType, stream: u32, request: u32) {
        let header = FrameHeader { kind, flags: 0, stream, request, length: 0, crc: 0 };
        self.wire.post(header, AlignedVec::new());
    }

    /// As [`Connection::notify`], of a message.
    pub(crate) fn notify_with(&self, kind: FrameType, payload: AlignedVec) {
        if let Ok(header) = FrameHeader::of(kind, 0, [&*payload]) {
            self.wire.post(header, payload);
        }
    }

    /// Whether it takes requests.
    pub(crate) fn is_open(&self) -> bool {
        self.pending.is_open()
    }

    /// Takes no new requests and closes the connection.
    pub(crate) fn close(&self) {
        self.pending.fail_all(&closed());
        self.reader.abort();
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.close();
    }
}

/// How long a connection may be quiet before it sends a sign of life.
fn heartbeat(welcome: &Welcome) -> Duration {
    match welcome.idle_timeout_ms {
        0 => HEARTBEAT_MAX,
        ms => (Duration::from_millis(u64::from(ms)) / 3).clamp(HEARTBEAT_MIN, HEARTBEAT_MAX),
    }
}

/// A request that is waited for. Dropped before its answer came, it is cancelled; afterwards there is nothing to do.
struct InFlight<'a> {
    connection: &'a Connection,
    id: u32,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if self.connection.pending.abandon(self.id) {
            self.connection.notify(FrameType::Cancel, 0, self.id);
        }
    }
}

/// A response that is taken part by part. Dropped before its end, the request is cancelled.
#[derive(Debug)]
pub(crate) struct Parts {
    connection: Arc<Connection>,
    id: u32,
    receiver: mpsc::UnboundedReceiver<Result<Part>>,
    /// How long each part may take.
    deadline: Option<Duration>,
    /// The bytes of the part that was taken last: whoever asks for the next one is done with it.
    taken: u64,
    /// Why nothing more comes.
    ended: Option<Error>,
    /// Its place among the requests in flight.
    slot: Option<OwnedSemaphorePermit>,
}

impl Parts {
    /// The next part; none behind the last one.
    ///
    /// # Errors
    /// The server's; `ConnectionFailed` if the connection is lost, whose detail says whether the statement may have been executed;
    /// `Cancelled` past the deadline. Behind an error comes the same.
    pub(crate) async fn next(&mut self) -> Result<Option<Part>> {
        if let Some(error) = &self.ended {
            return Err(error.clone());
        }
        let next = within(self.deadline, self.receive()).await;
        if let Err(error) = &next {
            self.ended = Some(error.clone());
            // Where it is the deadline's, the server goes on.
            self.cancel();
        }
        next
    }

    /// The response goes on for as long as it is taken, and each part as long as it takes: the request has no place among those
    /// in flight any more.
    pub(crate) fn go_on(&mut self) {
        self.slot = None;
        self.deadline = None;
    }

    async fn receive(&mut self) -> Result<Option<Part>> {
        if self.taken > 0
            && let Some(grant) = self.connection.pending.taken(self.id, std::mem::take(&mut self.taken))
        {
            self.connection.wire.grant(grant);
        }
        let part = self.receiver.recv().await.transpose()?;
        self.taken = part.as_ref().map_or(0, Part::cost);
        Ok(part)
    }

    fn cancel(&self) {
        if self.connection.pending.abandon(self.id) {
            self.connection.notify(FrameType::Cancel, 0, self.id);
        }
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// What comes of `work` within the deadline.
async fn within<T>(deadline: Option<Duration>, work: impl Future<Output = Result<T>>) -> Result<T> {
    let Some(deadline) = deadline else { return work.await };
    tokio::time::timeout(deadline, work).await.unwrap_or_else(|_| Err(too_late(deadline)))
}

fn too_late(deadline: Duration) -> Error {
    let message = format!("no answer within {} ms", deadline.as_millis());
    let mut error = Error::new(ErrorCode::Cancelled, message).hint("a write may have been executed");
    error.detail.maybe_executed = Some(true);
    error
}

fn closed() -> Error {
    Error::new(ErrorCode::ConnectionFailed, "the connection is closed")
}

/// What comes from the server.
struct Responses {
    read: BufReader<Counted>,
    /// How often bytes came.
    seen: Arc<AtomicU64>,
    length_max: u32,
    pending: Arc<Pending>,
    grants: mpsc::UnboundedSender<Grant>,
}

impl Responses {
    /// Reads until the connection ends, or the server gives no signs of life.
    async fn read_all(mut self, writer: JoinHandle<std::io::Result<()>>, heartbeat: Duration) {
        let mut writer = AbortOnDrop(writer);
        let (seen, pending) = (Arc::clone(&self.seen), Arc::clone(&self.pending));
        let reason = tokio::select! {
            reason = self.read_on() => reason,
            _ = &mut writer.0 => Error::new(ErrorCode::ConnectionFailed, "the server takes no more requests"),
            () = silence(&seen, heartbeat) => {
                Error::new(ErrorCode::ConnectionFailed, "the server gives no signs of life")
            }
        };
        drop(writer);
        pending.fail_all(&reason);
    }

    async fn read_on(&mut self) -> Error {
        loop {
            if let Err(error) = self.read_one().await {
                return error;
            }
        }
    }

    async fn read_one(&mut self) -> Result<()> {
        let header = read_header(&mut self.read, self.length_max).await?;
        let payload = read_payload(&mut self.read, &header).await?;
        match (header.request, header.kind) {
            (0, FrameType::GoingAway) => {
                self.pending.refuse_new(Error::new(ErrorCode::ShuttingDown, "the server is stopping"));
                Ok(())
            }
            // The answer to a heartbeat.
            (0, FrameType::Pong) => Ok(()),
            (0, FrameType::Error) => Err(decode::<Error>(&payload)?),
            (0, other) => Err(violation(format!("a frame of type {other:?} belongs to no request"))),
            _ => {
                if let Some(grant) = self.pending.take(&header, &payload)? {
                    // If the writer is gone, so is the server.
                    self.grants.send(grant).ok();
                }
                Ok(())
            }
        }
    }
}

/// Completes when nothing has come for several heartbeats.
async fn silence(seen: &AtomicU64, heartbeat: Duration) {
    let (mut last, mut silent) = (seen.load(Ordering::Relaxed), 0);
    while silent < SILENT_HEARTBEATS_MAX {
        tokio::time::sleep(heartbeat).await;
        let now = seen.load(Ordering::Relaxed);
        silent = if now == last { silent + 1 } else { 0 };
        last = now;
    }
}

/// A stream that counts how often bytes came.
struct Counted {
    stream: ReadHalf,
    seen: Arc<AtomicU64>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            self.seen.fetch_add(1, Ordering::Relaxed);
        }
        read
    }
}

/// Ends a task with its owner.
struct AbortOnDrop(JoinHandle<std::io::Result<()>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
