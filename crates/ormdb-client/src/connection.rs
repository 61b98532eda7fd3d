//! One connection: a task that writes requests, a task that reads responses, and the handles between.
//!
//! Invariants: (1) at most as many requests are waited for as the server takes at a time, so that none waits unread
//! behind another and a cancel gets through; (2) when either task ends, every request in flight is answered.

use std::sync::Arc;
use std::time::Duration;

use ormdb_proto::frame::{FrameHeader, FrameType, violation};
use ormdb_proto::message::{Welcome, decode};
use ormdb_proto::{Error, ErrorCode, Result};
use rkyv::util::AlignedVec;
use tokio::io::{AsyncWriteExt, BufReader, BufWriter};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use crate::address::Address;
use crate::client::ConnectOptions;
use crate::framed::{read_header, read_payload, write_frame};
use crate::handshake;
use crate::pending::{Pending, Response};
use crate::transport::{self, Link, ReadHalf, WriteHalf};

/// The longest time between two signs of life.
const HEARTBEAT_MAX: Duration = Duration::from_secs(60);
/// The shortest, whatever the server says.
const HEARTBEAT_MIN: Duration = Duration::from_millis(100);
/// Frames that wait to be written.
const OUTGOING_MAX: usize = 64;

/// One connection, shared by its handles; the last one to go closes it.
#[derive(Debug)]
pub(crate) struct Connection {
    pending: Arc<Pending>,
    outgoing: mpsc::Sender<Outgoing>,
    slots: Semaphore,
    frame_bytes_max: u32,
    reader: JoinHandle<()>,
}

#[derive(Debug)]
struct Outgoing {
    header: FrameHeader,
    payload: AlignedVec,
    /// Whether a response is waited for.
    awaited: bool,
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
        let (mut read, mut write) = (BufReader::new(link.read), BufWriter::new(link.write));
        let credentials = address.credentials().or(options.credentials.as_ref());
        let login = (options, credentials, link.binding);
        let welcome = handshake::shake_hands(&mut read, &mut write, login).await?;
        let pending = Arc::new(Pending::default());
        let (outgoing, queue) = mpsc::channel(OUTGOING_MAX);
        let length_max = options.frame_bytes_max;
        let writer = tokio::spawn(write_requests(write, queue, Arc::clone(&pending), heartbeat(&welcome)));
        let reader = tokio::spawn(read_responses(read, length_max, Arc::clone(&pending), writer));
        let slots = usize::try_from(welcome.requests_max).unwrap_or(1).clamp(1, Semaphore::MAX_PERMITS);
        Ok(Connection {
            pending,
            outgoing,
            slots: Semaphore::new(slots),
            frame_bytes_max: welcome.frame_bytes_max,
            reader,
        })
    }

    /// Sends a request and waits for its response, for as long as the deadline says.
    pub(crate) async fn request(
        &self,
        kind: FrameType,
        stream: u32,
        payload: AlignedVec,
        deadline: Option<Duration>,
    ) -> Result<Response> {
        let Some(deadline) = deadline else { return self.exchange(kind, stream, payload).await };
        match tokio::time::timeout(deadline, self.exchange(kind, stream, payload)).await {
            Ok(response) => response,
            Err(_) => {
                let message = format!("no answer within {} ms", deadline.as_millis());
                let mut error =
                    Error::new(ErrorCode::Cancelled, message).hint("a write may have been executed");
                error.detail.maybe_executed = Some(true);
                Err(error)
            }
        }
    }

    async fn exchange(&self, kind: FrameType, stream: u32, payload: AlignedVec) -> Result<Response> {
        // Where the server takes no frame so long, it would close the connection and every other request with it.
        let header = FrameHeader::of(kind, 0, [&*payload])?;
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
        let _slot = self.slots.acquire().await.map_err(|_| closed())?;
        let (id, answer) = self.pending.add()?;
        let _in_flight = InFlight { connection: self, id };
        let header = FrameHeader { request: id, ..header.on_stream(stream) };
        let outgoing = Outgoing { header, payload, awaited: true };
        // If the writer is gone, the reader answers every request as lost.
        drop(self.outgoing.send(outgoing).await);
        answer.await.map_err(|_| closed())?
    }

    /// Sends a frame that has no response, without waiting for room.
    pub(crate) fn notify(&self, kind: FrameType, stream: u32, request: u32) {
        let outgoing = Outgoing::notice(kind, stream, request);
        let Err(mpsc::error::TrySendError::Full(outgoing)) = self.outgoing.try_send(outgoing) else { return };
        // Outside a runtime nothing is left that could send it; the end of the connection says the same.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let queue = self.outgoing.clone();
            runtime.spawn(async move { queue.send(outgoing).await.ok() });
        }
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

impl Outgoing {
    /// A frame that no response is waited for.
    fn notice(kind: FrameType, stream: u32, request: u32) -> Outgoing {
        let header = FrameHeader { kind, flags: 0, stream, request, length: 0, crc: 0 };
        Outgoing { header, payload: AlignedVec::new(), awaited: false }
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

fn closed() -> Error {
    Error::new(ErrorCode::ConnectionFailed, "the connection is closed")
}

async fn write_requests(
    mut write: BufWriter<WriteHalf>,
    mut queue: mpsc::Receiver<Outgoing>,
    pending: Arc<Pending>,
    heartbeat: Duration,
) -> std::io::Result<()> {
    loop {
        // A sign of life, so that the server does not take a quiet connection for a dead one.
        let outgoing = match tokio::time::timeout(heartbeat, queue.recv()).await {
            Ok(Some(outgoing)) => outgoing,
            Ok(None) => return write.shutdown().await,
            Err(_) => Outgoing::notice(FrameType::Ping, 0, 0),
        };
        if !outgoing.awaited || pending.sending(outgoing.header.request) {
            write_frame(&mut write, &outgoing.header, [&*outgoing.payload]).await?;
        }
        // One system call for all that is waiting.
        if queue.is_empty() {
            write.flush().await?;
        }
    }
}

async fn read_responses(
    mut read: BufReader<ReadHalf>,
    length_max: u32,
    pending: Arc<Pending>,
    writer: JoinHandle<std::io::Result<()>>,
) {
    let mut writer = AbortOnDrop(writer);
    let reason = loop {
        let read = tokio::select! {
            read = read_response(&mut read, length_max, &pending) => read,
            _ = &mut writer.0 => Err(Error::new(ErrorCode::ConnectionFailed, "the server takes no more requests")),
        };
        if let Err(error) = read {
            break error;
        }
    };
    drop(writer);
    pending.fail_all(&reason);
}

async fn read_response(read: &mut BufReader<ReadHalf>, length_max: u32, pending: &Pending) -> Result<()> {
    let header = read_header(read, length_max).await?;
    let payload = read_payload(read, &header).await?;
    match (header.request, header.kind) {
        (0, FrameType::GoingAway) => {
            pending.refuse_new(Error::new(ErrorCode::ShuttingDown, "the server is stopping"));
            Ok(())
        }
        // The answer to a heartbeat.
        (0, FrameType::Pong) => Ok(()),
        (0, FrameType::Error) => Err(decode::<Error>(&payload)?),
        (0, other) => Err(violation(format!("a frame of type {other:?} belongs to no request"))),
        _ => pending.take(&header, &payload),
    }
}

/// Ends a task with its owner.
struct AbortOnDrop(JoinHandle<std::io::Result<()>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
