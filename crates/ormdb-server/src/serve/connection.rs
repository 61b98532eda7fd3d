//! One connection: reads requests, has them run, and sends the responses as they come.
//!
//! Invariants: (1) a request holds one of the connection's slots until its response is queued, and without a free slot
//! nothing more is read; (2) the number of a request in flight is not used twice; (3) when the connection ends, its
//! requests are cancelled and its transactions rolled back.

use std::collections::HashMap;
use std::sync::Arc;

use ormdb::{CancelHandle, Session};
use ormdb_client::framed::{ReadError, read_header, read_payload};
use ormdb_proto::bytes::AlignedBytes;
use ormdb_proto::frame::{FrameHeader, FrameType, violation};
use ormdb_proto::{Error, ErrorCode, Result};
use parking_lot::Mutex;
use rkyv::util::AlignedVec;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::link::{Incoming, ReadHalf, WriteHalf};
use super::outgoing::{self, Outgoing, Reply};
use super::transaction::{StreamRequest, Streams};
use super::{Shared, handshake, request};

/// Frames that wait for the client to read them.
const OUTGOING_MAX: usize = 64;

/// What the requests of a connection share.
#[derive(Clone)]
pub(super) struct Requests {
    pub(super) shared: Arc<Shared>,
    /// Who the client is, and what it may do.
    pub(super) session: Session,
    outgoing: mpsc::Sender<Outgoing>,
    in_flight: Arc<Mutex<HashMap<u32, Option<CancelHandle>>>>,
    slots: Arc<Semaphore>,
    frame_bytes_max: u32,
}

/// Why a connection ends.
enum End {
    /// The client is gone, or hears no more.
    Lost,
    /// Nothing is left to do.
    Quiet,
    /// The client broke the protocol or a limit, and is told so.
    Broken(Error),
}

/// Serves a connection until it ends.
pub(super) async fn run(incoming: Incoming, shared: Arc<Shared>) {
    let began = tokio::time::Instant::now();
    let handshake_ends = began + shared.options.handshake_timeout;
    // Who does not speak TLS here understands no frame either.
    let Ok(Ok(link)) = tokio::time::timeout_at(handshake_ends, incoming.open()).await else { return };
    let (mut read, mut write) = (BufReader::new(link.read), BufWriter::new(link.write));
    let greet = handshake::greet(&mut read, &mut write, (&shared, link.binding, link.admission));
    let greeted = match tokio::time::timeout_at(handshake_ends, greet).await {
        Ok(Ok(greeted)) => greeted,
        Ok(Err(ReadError::Lost(_))) => return,
        Ok(Err(ReadError::Broken(error))) => return handshake::refuse(read, write, &error).await,
        Err(_) => return handshake::refuse(read, write, &violation("the handshake took too long")).await,
    };

    let (outgoing, queue) = mpsc::channel(OUTGOING_MAX);
    let mut writer = Writer(tokio::spawn(outgoing::write_all(write, queue, shared.options.frame_timeout)));
    let slots = usize::try_from(shared.options.requests_max).unwrap_or(1).clamp(1, Semaphore::MAX_PERMITS);
    let requests = Requests {
        shared,
        outgoing,
        in_flight: Arc::default(),
        slots: Arc::new(Semaphore::new(slots)),
        frame_bytes_max: greeted.frame_bytes_max,
        session: greeted.session,
    };
    let cancel = CancelAll(Arc::clone(&requests.in_flight));
    let end = tokio::select! {
        end = read_requests(&mut read, &requests) => end,
        // The client does not read its responses.
        _ = &mut writer.0 => End::Lost,
    };
    drop((cancel, requests));
    match end {
        End::Lost => {}
        End::Quiet => {
            if let Ok(Ok(mut write)) = (&mut writer.0).await {
                // The client may be gone already.
                drop(write.shutdown().await);
            }
        }
        End::Broken(error) => {
            if let Ok(Ok(write)) = (&mut writer.0).await {
                handshake::refuse(read, write, &error).await;
            }
        }
    }
}

/// The writing task; ends with its owner.
struct Writer(tokio::task::JoinHandle<std::io::Result<WriteHalf>>);

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Cancels what is in flight when the connection ends.
struct CancelAll(Arc<Mutex<HashMap<u32, Option<CancelHandle>>>>);

impl Drop for CancelAll {
    fn drop(&mut self) {
        for cancel in self.0.lock().values().flatten() {
            cancel.cancel();
        }
    }
}

async fn read_requests(read: &mut BufReader<ReadHalf>, requests: &Requests) -> End {
    let mut streams = Streams::default();
    let mut draining = false;
    loop {
        // One future for the whole frame: what was read of it must not be lost to the other branches.
        let mut reading = std::pin::pin!(read_frame(read, requests));
        let frame = loop {
            tokio::select! {
                frame = &mut reading => break frame,
                () = requests.shared.stopped(), if !draining => {
                    draining = true;
                    requests.say_goodbye().await;
                }
                () = requests.all_answered(), if draining => return End::Quiet,
            }
        };
        let (header, payload) = match frame {
            Ok(Some(frame)) => frame,
            Ok(None) => return End::Quiet,
            Err(ReadError::Lost(_)) => return End::Lost,
            Err(ReadError::Broken(error)) => return End::Broken(error),
        };
        if let Err(error) = requests.take(header, payload, &mut streams, draining).await {
            return End::Broken(error);
        }
    }
}

/// Reads a frame; none if the connection was quiet for too long.
async fn read_frame(
    read: &mut BufReader<ReadHalf>,
    requests: &Requests,
) -> std::result::Result<Option<(FrameHeader, AlignedBytes)>, ReadError> {
    let options = &requests.shared.options;
    loop {
        match tokio::time::timeout(options.idle_timeout, read.fill_buf()).await {
            Ok(Ok([])) => return Err(ReadError::Lost(std::io::ErrorKind::UnexpectedEof.into())),
            Ok(Ok(_)) => break,
            Ok(Err(error)) => return Err(ReadError::Lost(error)),
            Err(_) if requests.is_idle() => return Ok(None),
            Err(_) => {}
        }
    }
    let frame = async {
        let header = read_header(read, options.frame_bytes_max).await?;
        let payload = read_payload(read, &header).await?;
        Ok((header, payload))
    };
    match tokio::time::timeout(options.frame_timeout, frame).await {
        Ok(frame) => frame.map(Some),
        Err(_) => Err(ReadError::Broken(violation("a frame did not come to its end in time"))),
    }
}

impl Requests {
    /// Takes a frame of the client.
    ///
    /// # Errors
    /// What ends the connection.
    async fn take(
        &self,
        header: FrameHeader,
        payload: AlignedBytes,
        streams: &mut Streams,
        draining: bool,
    ) -> Result<()> {
        let reply = self.reply(&header);
        match header.kind {
            FrameType::Ping => {
                self.send(reply.last(FrameType::Pong, AlignedVec::new())?).await;
                return Ok(());
            }
            FrameType::Cancel => {
                // One that was answered meanwhile needs no cancelling.
                if let Some(Some(cancel)) = self.in_flight.lock().get(&header.request) {
                    cancel.cancel();
                }
                return Ok(());
            }
            _ if !header.kind.is_request() || matches!(header.kind, FrameType::Hello | FrameType::Proof) => {
                return Err(violation(format!("a frame of type {:?} has no place here", header.kind)));
            }
            _ => {}
        }
        let unawaited = header.kind == FrameType::Rollback && header.request == 0;
        if header.request == 0 && !unawaited {
            return Err(violation("a request has the number 0"));
        }
        if !unawaited && self.in_flight.lock().insert(header.request, None).is_some() {
            return Err(violation(format!("request {} is in flight already", header.request)));
        }
        if draining && (header.stream == 0 || header.kind == FrameType::Begin) {
            self.answer(reply, Err(Error::new(ErrorCode::ShuttingDown, "the server is stopping"))).await;
            return Ok(());
        }
        let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else { return Ok(()) };
        if header.stream == 0
            && !matches!(header.kind, FrameType::Begin | FrameType::Commit | FrameType::Rollback)
        {
            self.start(header, payload, slot);
            return Ok(());
        }
        if let Err((request, error)) = streams.take(StreamRequest { header, payload, slot }, self) {
            if !unawaited {
                self.answer(reply, Err(error)).await;
            }
            drop(request.slot);
        }
        Ok(())
    }

    /// Starts a request outside of transactions.
    fn start(&self, header: FrameHeader, payload: AlignedBytes, slot: OwnedSemaphorePermit) {
        let session = self.session.beside();
        self.register(header.request, session.cancel_handle());
        let (requests, reply) = (self.clone(), self.reply(&header));
        tokio::spawn(async move {
            let outgoing = requests.outgoing.clone();
            let run = tokio::task::spawn_blocking(move || {
                // If the writer is gone, so is the client: the statement is cancelled with its connection.
                let send = |frame| drop(outgoing.blocking_send(frame));
                request::run(&session, &header, &payload, reply, &send)
            });
            let panicked = || Error::new(ErrorCode::Internal, "the statement panicked");
            let response = run.await.unwrap_or_else(|_| Err(panicked()));
            requests.answer(reply, response).await;
            drop(slot);
        });
    }

    pub(super) const fn reply(&self, header: &FrameHeader) -> Reply {
        Reply { request: header.request, stream: header.stream, frame_bytes_max: self.frame_bytes_max }
    }

    /// Makes a request in flight one that can be cancelled.
    pub(super) fn register(&self, request: u32, cancel: CancelHandle) {
        if let Some(place) = self.in_flight.lock().get_mut(&request) {
            *place = Some(cancel);
        }
    }

    /// Queues the response of a request, which is in flight no more.
    pub(super) async fn answer(&self, reply: Reply, response: Result<Vec<Outgoing>>) {
        // The number is free before the client sees the answer: it may use it again at once.
        self.in_flight.lock().remove(&reply.request);
        let frames = response.or_else(|error| reply.error(&error).map(|frame| vec![frame]));
        // An error that cannot be written has no place to go but the log of a client that waits: none is left out.
        let frames = frames.or_else(|error| {
            let short = Error::new(error.code, "the response cannot be written");
            reply.error(&short).map(|frame| vec![frame])
        });
        for frame in frames.unwrap_or_default() {
            self.send(frame).await;
        }
    }

    async fn say_goodbye(&self) {
        let reply = Reply { request: 0, stream: 0, frame_bytes_max: self.frame_bytes_max };
        if let Ok(frame) = reply.last(FrameType::GoingAway, AlignedVec::new()) {
            self.send(frame).await;
        }
    }

    async fn send(&self, frame: Outgoing) {
        // If the writer is gone, so is the client.
        drop(self.outgoing.send(frame).await);
    }

    fn slots_max(&self) -> u32 {
        self.shared.options.requests_max.max(1)
    }

    fn is_idle(&self) -> bool {
        self.slots.available_permits() >= usize::try_from(self.slots_max()).unwrap_or(usize::MAX)
    }

    /// Completes when no request is in flight.
    async fn all_answered(&self) {
        // An error means that the connection is over.
        drop(self.slots.acquire_many(self.slots_max()).await);
    }
}
