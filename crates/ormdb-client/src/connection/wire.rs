//! The way of frames to the server: whoever sends one writes it at once while nothing else is to be written; else a task does.
//!
//! Invariants: (1) frames leave whole, and in the order in which they were given by each sender; (2) the stream is closed when the task
//! ends, whoever still has a handle.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ormdb_proto::frame::{FrameHeader, FrameType, HEADER_LEN};
use ormdb_proto::message::{Credit, Message, encode};
use rkyv::util::AlignedVec;
use tokio::io::{AsyncWriteExt, BufWriter};
use tokio::sync::{Mutex, mpsc};
use tokio::time::MissedTickBehavior;

use crate::framed::write_frame;
use crate::pending::{Grant, Pending};
use crate::transport::WriteHalf;

/// Requests up to so many bytes are written by one system call.
const WRITE_BYTES: usize = 16 << 10;
/// Frames that wait to be written.
const OUTGOING_MAX: usize = 64;

/// The half of a stream that is written, behind its buffer.
pub(super) fn buffered(half: WriteHalf) -> BufWriter<WriteHalf> {
    BufWriter::with_capacity(WRITE_BYTES, half)
}

/// A handle to what writes.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Arc<Stream>,
    pending: Arc<Pending>,
    outgoing: mpsc::Sender<Outgoing>,
    /// Credit on its way to the server: at most one for each half window that came.
    grants: mpsc::UnboundedSender<Grant>,
}

/// What is written to; none once it is closed.
struct Stream(Mutex<Option<BufWriter<WriteHalf>>>);

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}

/// What the task is to write.
#[derive(Debug)]
enum Outgoing {
    Frame {
        header: FrameHeader,
        payload: AlignedVec,
        /// Whether a response is waited for.
        awaited: bool,
    },
    /// What is in the buffer already.
    Rest,
}

/// How much of a frame was written without waiting.
enum Now {
    Written,
    /// All of it lies in the buffer.
    Begun,
    NotAtAll,
}

impl Wire {
    /// A handle, and the task that writes what is not written at once; it gives signs of life at that beat.
    pub(super) fn new(
        write: BufWriter<WriteHalf>,
        pending: Arc<Pending>,
        heartbeat: Duration,
    ) -> (Wire, impl Future<Output = std::io::Result<()>> + Send + 'static) {
        let stream = Arc::new(Stream(Mutex::new(Some(write))));
        let (outgoing, queue) = mpsc::channel(OUTGOING_MAX);
        let (grants, granted) = mpsc::unbounded_channel();
        let closing = CloseOnDrop(Arc::clone(&stream));
        let writing = write_all(closing, (queue, granted), Arc::clone(&pending), heartbeat);
        (Wire { stream, pending, outgoing, grants }, writing)
    }

    /// Sends a request: at once where nothing else is to be written, without waking the task.
    pub(super) async fn send(&self, header: FrameHeader, payload: AlignedVec) {
        let left = match poll_fn(|context| Poll::Ready(self.write_now(context, &header, &payload))).await {
            Now::Written => return,
            Now::Begun => Outgoing::Rest,
            Now::NotAtAll => Outgoing::Frame { header, payload, awaited: true },
        };
        // If the task is gone, the reader answers every request as lost.
        drop(self.outgoing.send(left).await);
    }

    /// Sends a frame that has no response, without waiting for room.
    pub(super) fn post(&self, header: FrameHeader, payload: AlignedVec) {
        let outgoing = Outgoing::Frame { header, payload, awaited: false };
        let Err(mpsc::error::TrySendError::Full(outgoing)) = self.outgoing.try_send(outgoing) else { return };
        // Outside a runtime nothing is left that could send it; the end of the connection says the same.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let queue = self.outgoing.clone();
            runtime.spawn(async move { queue.send(outgoing).await.ok() });
        }
    }

    /// Gives the server credit.
    pub(super) fn grant(&self, grant: Grant) {
        // If the task is gone, so is the server.
        self.grants.send(grant).ok();
    }

    /// Where credit is given by who reads.
    pub(super) fn grants(&self) -> mpsc::UnboundedSender<Grant> {
        self.grants.clone()
    }

    /// Writes a frame that fits into the buffer, if that is empty and nobody else writes or waits to.
    fn write_now(&self, context: &mut Context<'_>, header: &FrameHeader, payload: &AlignedVec) -> Now {
        if self.outgoing.capacity() < OUTGOING_MAX || HEADER_LEN + payload.len() > WRITE_BYTES {
            return Now::NotAtAll;
        }
        let Ok(mut stream) = self.stream.0.try_lock() else { return Now::NotAtAll };
        let Some(write) = &mut *stream else { return Now::NotAtAll };
        if !write.buffer().is_empty() || !self.pending.sending(header.request) {
            return Now::NotAtAll;
        }
        let write = async {
            write_frame(write, header, [&**payload]).await?;
            write.flush().await
        };
        match pin!(write).poll(context) {
            Poll::Ready(Ok(())) => Now::Written,
            // The frame is in the buffer; the task goes on, and meets the error where there is one.
            Poll::Ready(Err(_)) | Poll::Pending => Now::Begun,
        }
    }
}

/// Closes a stream with the task that writes to it.
struct CloseOnDrop(Arc<Stream>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        // Who else has it writes without waiting, and is done at once.
        loop {
            if let Ok(mut stream) = self.0.0.try_lock() {
                return *stream = None;
            }
            std::hint::spin_loop();
        }
    }
}

async fn write_all(
    closing: CloseOnDrop,
    (mut queue, mut grants): (mpsc::Receiver<Outgoing>, mpsc::UnboundedReceiver<Grant>),
    pending: Arc<Pending>,
    heartbeat: Duration,
) -> std::io::Result<()> {
    // At a fixed beat, whatever else is written: the answers tell that the server is there.
    let mut beats = tokio::time::interval(heartbeat);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beats.reset();
    loop {
        let outgoing = tokio::select! {
            outgoing = queue.recv() => outgoing,
            Some(grant) = grants.recv() => Some(credit(grant)?),
            _ = beats.tick() => Some(ping()),
        };
        let mut stream = closing.0.0.lock().await;
        let Some(write) = &mut *stream else { return Ok(()) };
        match &outgoing {
            None => return write.shutdown().await,
            Some(Outgoing::Frame { header, payload, awaited })
                if !awaited || pending.sending(header.request) =>
            {
                write_frame(write, header, [&**payload]).await?;
            }
            Some(Outgoing::Frame { .. } | Outgoing::Rest) => {}
        }
        // One system call for all that is waiting.
        if queue.is_empty() && grants.is_empty() {
            write.flush().await?;
        }
    }
}

/// Credit for chunks that were taken.
fn credit(Grant { request, bytes }: Grant) -> std::io::Result<Outgoing> {
    let payload = encode(&Credit { bytes }).map_err(std::io::Error::other)?;
    let header = FrameHeader::of(Credit::KIND, request, [&*payload]).map_err(std::io::Error::other)?;
    Ok(Outgoing::Frame { header, payload, awaited: false })
}

fn ping() -> Outgoing {
    let header = FrameHeader { kind: FrameType::Ping, flags: 0, stream: 0, request: 0, length: 0, crc: 0 };
    Outgoing::Frame { header, payload: AlignedVec::new(), awaited: false }
}
