//! One connection: reads requests, has them run, and sends the responses as they come.
//!
//! Invariants: (1) a request but a subscription holds one of the connection's slots until its response is queued, and without a
//! free slot nothing more is read; (2) the number of a request in flight is not used twice; (3) when the connection ends, its
//! requests are cancelled and its transactions rolled back.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ormdb::{CancelHandle, Session};
use ormdb_client::framed::{ReadError, read_header, read_payload};
use ormdb_proto::bytes::AlignedBytes;
use ormdb_proto::frame::{FrameHeader, FrameType, violation};
use ormdb_proto::message::{self, decode};
use ormdb_proto::{Error, ErrorCode, Result};
use parking_lot::Mutex;
use rkyv::util::AlignedVec;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::busy_poll::BusyPoll;
use super::link::{Incoming, ReadHalf, WriteHalf};
use super::outgoing::{Outgoing, Reply};
use super::prepared::{PreparedStatements, Taken};
use super::request::{Body, Looked};
use super::sender::{BlockingSender, Sender};
use super::subscription::Subscriptions;
use super::transaction::{StreamRequest, Streams};
use super::window::Window;
use super::wire::{self, Wire};
use super::writes::Held;
use super::{Shared, handshake, reactors, request};

/// So many requests are looked at before others have their turn.
const BURST_MAX: u32 = 16;

/// What the requests of a connection share.
#[derive(Clone)]
pub(super) struct Requests {
    pub(super) shared: Arc<Shared>,
    /// Who the client is, and what it may do.
    pub(super) session: Session,
    wire: Wire,
    in_flight: Arc<Mutex<HashMap<u32, InFlight>>>,
    slots: Arc<Semaphore>,
    frame_bytes_max: u32,
    window_bytes: u32,
}

/// A request in flight.
struct InFlight {
    /// What stops its statement, once that runs.
    cancel: Option<CancelHandle>,
    /// Its statement is not to run, or to stop.
    is_cancelled: bool,
    window: Arc<Window>,
}

impl InFlight {
    fn cancel(&mut self) {
        self.is_cancelled = true;
        if let Some(cancel) = &self.cancel {
            cancel.cancel();
        }
        self.window.close();
    }
}

/// What the reader of a connection keeps of it.
#[derive(Default)]
struct State {
    /// Whether no other connection of the reactor asks for anything, and nothing is to be read behind the request at hand.
    is_alone: bool,
    busy_poll: BusyPoll,
    streams: Streams,
    prepared: PreparedStatements,
    subscriptions: Subscriptions,
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
    let (mut read, mut write) = (BufReader::new(link.read), wire::buffered(link.write));
    let greet = handshake::greet(&mut read, &mut write, (&shared, link.binding, link.admission));
    let greeted = match tokio::time::timeout_at(handshake_ends, greet).await {
        Ok(Ok(greeted)) => greeted,
        Ok(Err(ReadError::Lost(_))) => return,
        Ok(Err(ReadError::Broken(error))) => return handshake::refuse(read, write, &error).await,
        Err(_) => return handshake::refuse(read, write, &violation("the handshake took too long")).await,
    };

    let (wire, writing) = Wire::new(write, shared.options.frame_timeout);
    let mut writer = Writer(tokio::spawn(writing));
    let slots = usize::try_from(shared.options.requests_max).unwrap_or(1).clamp(1, Semaphore::MAX_PERMITS);
    let requests = Requests {
        shared,
        wire,
        in_flight: Arc::default(),
        slots: Arc::new(Semaphore::new(slots)),
        frame_bytes_max: greeted.frame_bytes_max,
        window_bytes: greeted.window_bytes,
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
struct CancelAll(Arc<Mutex<HashMap<u32, InFlight>>>);

impl Drop for CancelAll {
    fn drop(&mut self) {
        self.0.lock().values_mut().for_each(InFlight::cancel);
    }
}

async fn read_requests(read: &mut BufReader<ReadHalf>, requests: &Requests) -> End {
    let mut state = State::default();
    let (mut draining, mut burst) = (false, 0);
    let shared = &requests.shared;
    let moment = shared.options.busy_poll;
    loop {
        let waits_since = if read.buffer().is_empty() {
            Some(state.busy_poll.wait(read, (&shared.busy_polls, moment)).await)
        } else {
            None
        };
        let frame = {
            // One future for the whole frame: what was read of it must not be lost to the other branches.
            let mut reading = std::pin::pin!(read_frame(read, requests));
            loop {
                tokio::select! {
                    frame = &mut reading => break frame,
                    () = requests.shared.stopped(), if !draining => {
                        draining = true;
                        requests.say_goodbye().await;
                    }
                    () = requests.all_answered(), if draining => return End::Quiet,
                }
            }
        };
        let (header, payload) = match frame {
            Ok(Some(frame)) => frame,
            Ok(None) => return End::Quiet,
            Err(ReadError::Lost(_)) => return End::Lost,
            Err(ReadError::Broken(error)) => return End::Broken(error),
        };
        if let Some(since) = waits_since {
            state.busy_poll.came(since, moment);
        }
        state.is_alone = reactors::asks(requests.number()) && read.buffer().is_empty();
        if let Err(error) = requests.take(header, payload, &mut state, draining).await {
            return End::Broken(error);
        }
        // Requests that came at once are answered at once; other tasks have their turn all the same.
        burst = if read.buffer().is_empty() { 0 } else { burst + 1 };
        if burst == BURST_MAX {
            burst = 0;
            tokio::task::yield_now().await;
        }
    }
}

/// Reads a frame; none if the connection was quiet for too long.
async fn read_frame(
    read: &mut BufReader<ReadHalf>,
    requests: &Requests,
) -> std::result::Result<Option<(FrameHeader, AlignedBytes)>, ReadError> {
    let options = &requests.shared.options;
    match tokio::time::timeout(options.idle_timeout, read.fill_buf()).await {
        Ok(Ok([])) => return Err(ReadError::Lost(std::io::ErrorKind::UnexpectedEof.into())),
        Ok(Ok(_)) => {}
        Ok(Err(error)) => return Err(ReadError::Lost(error)),
        // A client gives signs of life whatever it waits for: one that does not is gone.
        Err(_) => return Ok(None),
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
        state: &mut State,
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
                if let Some(request) = self.in_flight.lock().get_mut(&header.request) {
                    request.cancel();
                }
                return Ok(());
            }
            FrameType::Credit => {
                let message::Credit { bytes } = decode(&payload)?;
                // One that was answered meanwhile needs no credit.
                let in_flight = self.in_flight.lock();
                return in_flight.get(&header.request).map_or(Ok(()), |request| request.window.grant(bytes));
            }
            _ if !header.kind.is_request() || matches!(header.kind, FrameType::Hello | FrameType::Proof) => {
                return Err(violation(format!("a frame of type {:?} has no place here", header.kind)));
            }
            _ => {}
        }
        let unawaited =
            header.request == 0 && matches!(header.kind, FrameType::Rollback | FrameType::ClosePrepared);
        if header.request == 0 && !unawaited {
            return Err(violation("a request has the number 0"));
        }
        let window = Arc::new(Window::new(self.window_bytes));
        let in_flight = InFlight { cancel: None, is_cancelled: false, window: Arc::clone(&window) };
        if !unawaited && self.in_flight.lock().insert(header.request, in_flight).is_some() {
            return Err(violation(format!("request {} is in flight already", header.request)));
        }
        if draining && (header.stream == 0 || header.kind == FrameType::Begin) {
            let stopping = Error::new(ErrorCode::ShuttingDown, "the server is stopping");
            self.answer(reply, window, Err(stopping)).await;
            return Ok(());
        }
        if header.kind == FrameType::Subscribe {
            if let Err(error) = state.subscriptions.start(self, &header, &payload, &window) {
                self.answer(reply, window, Err(error)).await;
            }
            return Ok(());
        }
        let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else { return Ok(()) };
        let body = match state.prepared.take(&header, payload, (&self.session, reply)) {
            Taken::Request(body) => body,
            Taken::Answered(response) => {
                if !unawaited {
                    self.answer(reply, window, response).await;
                }
                return Ok(());
            }
        };
        if header.stream == 0
            && !matches!(header.kind, FrameType::Begin | FrameType::Commit | FrameType::Rollback)
        {
            match caught(|| Ok(request::look(&self.session, &header, body, reply))) {
                Ok(Looked::Begun(Body::Prepared(prepared, params))) if prepared.writes() => {
                    self.write(&header, (prepared, params), (window, slot), state.is_alone);
                }
                Ok(Looked::Begun(body)) => self.start(StreamRequest { header, body, window, slot }),
                Ok(Looked::Done(response)) => self.answer_at_once(reply, (window, slot), response),
                Err(panicked) => self.answer_at_once(reply, (window, slot), Err(panicked)),
            }
            return Ok(());
        }
        if let Err((request, error)) = state.streams.take(StreamRequest { header, body, window, slot }, self)
        {
            if !unawaited {
                self.answer(reply, request.window, Err(error)).await;
            }
            drop(request.slot);
        }
        Ok(())
    }

    /// Starts a request outside of transactions, on a thread that may wait, which answers it too.
    fn start(&self, StreamRequest { header, body, window, slot }: StreamRequest) {
        let session = self.session.beside();
        self.register(header.request, session.cancel_handle());
        let (requests, reply) = (self.clone(), self.reply(&header));
        let work = move |mut sender: BlockingSender| {
            let response = caught(|| request::run(&session, &header, body, reply, &mut sender));
            let window = Arc::clone(&sender.sender.window);
            drop(sender);
            requests.answer_at_once(reply, (window, slot), response);
        };
        if let Some(place) = self.shared.workers.place_now() {
            let sender = self.blocking_sender_at(window, Some(place));
            drop(self.shared.workers.run(move || work(sender)));
            return;
        }
        let requests = self.clone();
        tokio::spawn(async move {
            let sender = requests.blocking_sender(window).await;
            drop(requests.shared.workers.run(move || work(sender)));
        });
    }

    /// What a statement sends its response with, once there is a place for it to run.
    pub(super) async fn blocking_sender(&self, window: Arc<Window>) -> BlockingSender {
        let place = self.shared.workers.place().await;
        self.blocking_sender_at(window, place)
    }

    fn blocking_sender_at(&self, window: Arc<Window>, place: Option<OwnedSemaphorePermit>) -> BlockingSender {
        let workers = self.shared.workers.clone();
        BlockingSender { sender: self.sender(window), workers, place, runtime: Handle::current() }
    }

    fn sender(&self, window: Arc<Window>) -> Sender {
        let stall_timeout = self.shared.options.stall_timeout;
        Sender { wire: self.wire.clone(), window, stall_timeout }
    }

    pub(super) const fn reply(&self, header: &FrameHeader) -> Reply {
        Reply { request: header.request, stream: header.stream, frame_bytes_max: self.frame_bytes_max }
    }

    /// Makes a request in flight one whose statement can be cancelled; one that was cancelled while it waited for its turn is at once.
    pub(super) fn register(&self, request: u32, cancel: CancelHandle) {
        if let Some(in_flight) = self.in_flight.lock().get_mut(&request) {
            if in_flight.is_cancelled {
                cancel.cancel();
            }
            in_flight.cancel = Some(cancel);
        }
    }

    /// Writes or queues a response that is there, without waiting; where there is no room for it, others wait for that.
    pub(super) fn answer_at_once(&self, reply: Reply, (window, slot): Held, response: Result<Vec<Outgoing>>) {
        let response = match response {
            Ok(frames) if self.is_within_window(&frames) => {
                // The number is free before the client sees the end of the answer: it may use it again at once.
                let free = || drop(self.in_flight.lock().remove(&reply.request));
                match self.wire.finish(frames, free) {
                    Ok(()) => return,
                    Err(frames) => Ok(frames),
                }
            }
            response => response,
        };
        let requests = self.clone();
        tokio::spawn(async move {
            requests.answer(reply, window, response).await;
            drop(slot);
        });
    }

    /// Whether the frames of a response take no more than the credit that it begins with.
    fn is_within_window(&self, frames: &[Outgoing]) -> bool {
        let cost: u64 = frames.iter().map(|frame| u64::from(frame.cost())).sum();
        self.window_bytes == 0 || cost <= u64::from(self.window_bytes)
    }

    /// Queues the response of a request, which is in flight no more then.
    pub(super) async fn answer(&self, reply: Reply, window: Arc<Window>, response: Result<Vec<Outgoing>>) {
        let sender = self.sender(window);
        let mut response = response;
        if let Ok(frames) = &mut response
            && let Some(last) = frames.pop()
        {
            response = self.send_all(&sender, std::mem::take(frames)).await.map(|()| vec![last]);
        }
        let last = response.or_else(|error| reply.error(&error).map(|frame| vec![frame]));
        // An error that cannot be written has no place to go but the log of a client that waits: none is left out.
        let last = last.or_else(|error| {
            let short = Error::new(error.code, "the response cannot be written");
            reply.error(&short).map(|frame| vec![frame])
        });
        // The number is free before the client sees the end of the answer: it may use it again at once.
        self.in_flight.lock().remove(&reply.request);
        for frame in last.unwrap_or_default() {
            self.send(frame).await;
        }
    }

    async fn send_all(&self, sender: &Sender, frames: Vec<Outgoing>) -> Result<()> {
        for frame in frames {
            sender.send(frame).await?;
        }
        Ok(())
    }

    async fn say_goodbye(&self) {
        let reply = Reply { request: 0, stream: 0, frame_bytes_max: self.frame_bytes_max };
        if let Ok(frame) = reply.last(FrameType::GoingAway, AlignedVec::new()) {
            self.send(frame).await;
        }
    }

    /// Queues a frame.
    pub(super) async fn send(&self, frame: Outgoing) {
        // If the writer is gone, so is the client.
        self.wire.send(frame).await;
    }

    /// What tells the connection from others.
    fn number(&self) -> usize {
        Arc::as_ptr(&self.in_flight).addr()
    }

    /// Whether nothing else is in flight than the request at hand.
    pub(super) fn is_at_one(&self) -> bool {
        self.in_flight.lock().len() == 1
    }

    fn slots_max(&self) -> u32 {
        self.shared.options.requests_max.max(1)
    }

    /// Completes when no request is in flight.
    async fn all_answered(&self) {
        // An error means that the connection is over.
        drop(self.slots.acquire_many(self.slots_max()).await);
    }
}

/// What comes of a request; a panic is a defect, of which the client is told.
pub(super) fn caught<T>(run: impl FnOnce() -> Result<T>) -> Result<T> {
    let panicked = || Error::new(ErrorCode::Internal, "the statement panicked");
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err(panicked()))
}
