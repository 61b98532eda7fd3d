//! The way of frames to a client: whoever has a whole response writes it at once while nothing else is to be written; else a task does.
//!
//! Invariants: (1) frames leave whole, and those of one sender in the order in which it gave them; (2) who writes at once does not wait:
//! what the socket does not take is left to the task; (3) the stream is closed when the task ends, whoever still has a handle.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncWriteExt, BufWriter};
use tokio::sync::{Mutex, mpsc};

use super::link::WriteHalf;
use super::outgoing::Outgoing;

/// Frames that wait for the client to read them.
const QUEUED_MAX: usize = 64;
/// Responses up to so many bytes are one system call.
const WRITE_BYTES: usize = 32 << 10;

/// The half of a stream that is written, behind its buffer.
pub(super) fn buffered(half: WriteHalf) -> BufWriter<WriteHalf> {
    BufWriter::with_capacity(WRITE_BYTES, half)
}

/// A handle to what writes.
#[derive(Clone)]
pub(super) struct Wire {
    stream: Arc<Stream>,
    queue: mpsc::Sender<Queued>,
}

/// What is written to.
struct Stream {
    /// None once it is closed.
    write: Mutex<Option<BufWriter<WriteHalf>>>,
    /// How many frames wait for the task, or are being written by it: none may be overtaken by its sender.
    queued: AtomicUsize,
}

/// What the task is to write.
enum Queued {
    Frame(Outgoing),
    /// What is in the buffer already.
    Rest,
}

/// Why a frame was not queued.
pub(super) enum Refused {
    /// There is no room.
    Full,
    /// The client is gone.
    Closed,
}

impl Wire {
    /// A handle, and the task that writes what is not written at once; it ends when the last handle is gone, and gives the stream back.
    pub(super) fn new(
        write: BufWriter<WriteHalf>,
        frame_timeout: Duration,
    ) -> (Wire, impl Future<Output = io::Result<WriteHalf>> + Send + 'static) {
        let stream = Arc::new(Stream { write: Mutex::new(Some(write)), queued: AtomicUsize::new(0) });
        let (queue, queued) = mpsc::channel(QUEUED_MAX);
        let writing = write_all(CloseOnDrop(Arc::clone(&stream)), queued, frame_timeout);
        (Wire { stream, queue }, writing)
    }

    /// Queues a frame, and waits for room; false if the client is gone.
    pub(super) async fn send(&self, frame: Outgoing) -> bool {
        let Ok(place) = self.queue.reserve().await else { return false };
        self.put(place, frame);
        true
    }

    /// Queues a frame if there is room.
    ///
    /// # Errors
    /// Why there is none, with the frame.
    pub(super) fn try_send(&self, frame: Outgoing) -> Result<(), (Refused, Outgoing)> {
        match self.queue.try_reserve() {
            Ok(place) => {
                self.put(place, frame);
                Ok(())
            }
            Err(mpsc::error::TrySendError::Full(())) => Err((Refused::Full, frame)),
            Err(mpsc::error::TrySendError::Closed(())) => Err((Refused::Closed, frame)),
        }
    }

    /// Writes or queues the frames that end a response, without waiting; calls `first` before one of them is on its way.
    ///
    /// # Errors
    /// The frames, where there is no room for them.
    pub(super) fn finish(&self, frames: Vec<Outgoing>, first: impl FnOnce()) -> Result<(), Vec<Outgoing>> {
        let first = match self.write_now(&frames, first) {
            Ok(()) => return Ok(()),
            Err(first) => first,
        };
        let Ok(places) = self.queue.try_reserve_many(frames.len()) else { return Err(frames) };
        first();
        for (place, frame) in places.zip(frames) {
            self.put(place, frame);
        }
        Ok(())
    }

    fn put(&self, place: mpsc::Permit<'_, Queued>, frame: Outgoing) {
        self.stream.queued.fetch_add(1, Ordering::Relaxed);
        place.send(Queued::Frame(frame));
    }

    /// Writes frames that fit into the buffer, if that is empty and nobody else writes or waits to; gives `first` back if not.
    fn write_now<F: FnOnce()>(&self, frames: &[Outgoing], first: F) -> Result<(), F> {
        if frames.iter().map(Outgoing::byte_len).sum::<usize>() >= WRITE_BYTES {
            return Err(first);
        }
        // For the rest, so that it finds room.
        let Ok(place) = self.queue.try_reserve() else { return Err(first) };
        let Ok(mut stream) = self.stream.write.try_lock() else { return Err(first) };
        let Some(write) = &mut *stream else { return Err(first) };
        // Written frames are counted down under the lock: what this thread queued is seen.
        if !write.buffer().is_empty() || self.stream.queued.load(Ordering::Relaxed) > 0 {
            return Err(first);
        }
        first();
        let writing = async {
            for frame in frames {
                frame.write(write).await?;
            }
            write.flush().await
        };
        match pin!(writing).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => {}
            // All of it is in the buffer; the task goes on, and meets the error where there is one.
            Poll::Pending | Poll::Ready(Err(_)) => place.send(Queued::Rest),
        }
        Ok(())
    }
}

/// Closes a stream with the task that writes to it.
struct CloseOnDrop(Arc<Stream>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        // Who else has it writes without waiting, and is done at once.
        loop {
            if let Ok(mut write) = self.0.write.try_lock() {
                return *write = None;
            }
            std::hint::spin_loop();
        }
    }
}

/// Writes frames as they come, until nobody is left to send one or the client does not read them.
async fn write_all(
    closing: CloseOnDrop,
    mut queue: mpsc::Receiver<Queued>,
    frame_timeout: Duration,
) -> io::Result<WriteHalf> {
    let stream = &closing.0;
    while let Some(queued) = queue.recv().await {
        let step = async {
            let mut stream_of = stream.write.lock().await;
            let Some(write) = &mut *stream_of else { return Err(closed()) };
            if let Queued::Frame(frame) = &queued {
                frame.write(write).await?;
                stream.queued.fetch_sub(1, Ordering::Relaxed);
            }
            // One system call for all that is waiting.
            if queue.is_empty() { write.flush().await } else { Ok(()) }
        };
        tokio::time::timeout(frame_timeout, step).await??;
    }
    let mut write = stream.write.lock().await.take().ok_or_else(closed)?;
    tokio::time::timeout(frame_timeout, write.flush()).await??;
    Ok(write.into_inner())
}

fn closed() -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}
