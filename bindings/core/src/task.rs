//! One operation that was asked for and not yet begun: waited for, or finished by a callback.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use ormdb::CancelHandle;
use ormdb_client::Stop;
use ormdb_proto::{Error, ErrorCode, Result};
use parking_lot::Mutex;
use tokio::runtime::{Handle, Runtime};

use crate::pool::{self, Lane};

/// How often it is asked whether an operation is still wanted.
const ASKED_EVERY: Duration = Duration::from_millis(50);

type BoxFuture<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

/// An operation. Nothing happens before [`wait`](Self::wait) or [`then`](Self::then).
#[must_use = "nothing happens before it is waited for"]
pub struct Task<T> {
    work: Work<T>,
    cancel: Cancel,
}

enum Work<T> {
    /// On a thread of this process.
    Here(Lane, Box<dyn FnOnce() -> Result<T> + Send>),
    /// On the runtime of connections.
    There(Arc<Runtime>, BoxFuture<T>),
    /// Known already.
    Known(Result<T>),
}

/// Stops an operation, from any thread; it ends with [`ErrorCode::Cancelled`]. An operation inside a transaction takes the
/// statements of the transaction that follow with it.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Way);

#[derive(Clone, Debug, Default)]
enum Way {
    #[default]
    Never,
    Embedded(CancelHandle),
    Remote(Stop),
}

impl Cancel {
    pub(crate) const fn embedded(handle: CancelHandle) -> Cancel {
        Cancel(Way::Embedded(handle))
    }

    /// Whether there is a way to stop it.
    pub const fn can_stop(&self) -> bool {
        !matches!(self.0, Way::Never)
    }

    /// Stops it. An operation that is over, or cannot be stopped, is left as it is.
    pub fn cancel(&self) {
        match &self.0 {
            Way::Never => {}
            Way::Embedded(handle) => handle.cancel(),
            Way::Remote(stop) => stop.stop(),
        }
    }
}

impl<T: Send + 'static> Task<Option<T>> {
    /// Nothing to be done, and nothing given.
    pub fn none() -> Task<Option<T>> {
        Task::known(Ok(None))
    }
}

impl<T: Send + 'static> Task<T> {
    pub(crate) fn here(lane: Lane, work: impl FnOnce() -> Result<T> + Send + 'static) -> Task<T> {
        Task { work: Work::Here(lane, Box::new(work)), cancel: Cancel::default() }
    }

    pub(crate) fn there(
        runtime: Arc<Runtime>,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Task<T> {
        let stop = Stop::default();
        let cancel = Cancel(Way::Remote(stop.clone()));
        Task { work: Work::There(runtime, Box::pin(async move { stop.run(work).await })), cancel }
    }

    pub(crate) fn known(result: Result<T>) -> Task<T> {
        Task { work: Work::Known(result), cancel: Cancel::default() }
    }

    pub(crate) fn stopped_by(mut self, cancel: Cancel) -> Task<T> {
        self.cancel = cancel;
        self
    }

    /// What stops it.
    pub fn cancel_handle(&self) -> Cancel {
        self.cancel.clone()
    }

    /// Whether [`wait`](Self::wait) carries it out on the thread that waits.
    pub const fn runs_here(&self) -> bool {
        matches!(self.work, Work::Here(..))
    }

    /// Carries it out, on this thread where the database is in this process, and returns its result.
    ///
    /// # Errors
    /// Those of the operation.
    pub fn wait(self) -> Result<T> {
        match self.work {
            Work::Here(_, work) => work(),
            Work::There(runtime, work) => runtime.block_on(work),
            Work::Known(result) => result,
        }
    }

    /// As [`wait`](Self::wait), but asks `stop` now and then whether it is still wanted, and cancels it where it is not. Where the
    /// database is in this process it is carried out on another thread, which costs some microseconds.
    ///
    /// # Errors
    /// Those of the operation; [`ErrorCode::Cancelled`] where it was stopped.
    pub fn wait_unless(self, mut stop: impl FnMut() -> bool) -> Result<T> {
        let cancel = self.cancel.clone();
        match self.work {
            Work::Known(result) => result,
            Work::There(runtime, mut work) => runtime.block_on(async move {
                loop {
                    tokio::select! {
                        biased;
                        done = &mut work => return done,
                        () = tokio::time::sleep(ASKED_EVERY) => if stop() { cancel.cancel() },
                    }
                }
            }),
            Work::Here(..) => {
                let (sender, receiver) = std::sync::mpsc::sync_channel(1);
                // It is waited for until it is there.
                self.then(move |result| drop(sender.send(result)));
                loop {
                    match receiver.recv_timeout(ASKED_EVERY) {
                        Ok(result) => return result,
                        Err(RecvTimeoutError::Timeout) if stop() => cancel.cancel(),
                        Err(RecvTimeoutError::Timeout) => {}
                        Err(RecvTimeoutError::Disconnected) => return Err(panicked()),
                    }
                }
            }
        }
    }

    /// Carries it out on another thread, and gives its result to `done` there; a request to a server is sent from this one. What is
    /// known already is given at once, on this thread.
    pub fn then(self, done: impl FnOnce(Result<T>) + Send + 'static) {
        match self.work {
            Work::Here(lane, work) => {
                let promise = Promise::new(done);
                pool::run(lane, move |started| promise.keep(started.and_then(|()| work())));
            }
            Work::There(runtime, work) => {
                let promise = Promise::new(done);
                Sent::begin(&runtime, async move { promise.keep(work.await) });
            }
            Work::Known(result) => done(result),
        }
    }
}

/// Work that was begun where it was asked for, so that its request is on its way before any other thread is woken; it goes on, on the
/// runtime, when what it waits for has come.
struct Sent {
    runtime: Handle,
    state: Mutex<SentState>,
}

/// Where such work is.
enum SentState {
    /// It is being begun.
    Beginning,
    /// What it waits for came meanwhile.
    Woken,
    /// It waits.
    Waiting(Pin<Box<dyn Future<Output = ()> + Send>>),
    /// The runtime has it.
    HandedOver,
}

impl Sent {
    fn begin(runtime: &Runtime, work: impl Future<Output = ()> + Send + 'static) {
        let sent =
            Arc::new(Sent { runtime: runtime.handle().clone(), state: Mutex::new(SentState::Beginning) });
        let mut work: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(work);
        let _within = runtime.enter();
        let waker = Waker::from(Arc::clone(&sent));
        if work.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            return;
        }
        let mut state = sent.state.lock();
        if matches!(*state, SentState::Woken) {
            drop(runtime.spawn(work));
        } else {
            *state = SentState::Waiting(work);
        }
    }
}

impl Wake for Sent {
    fn wake(self: Arc<Sent>) {
        let mut state = self.state.lock();
        *state = match std::mem::replace(&mut *state, SentState::HandedOver) {
            SentState::Beginning | SentState::Woken => SentState::Woken,
            SentState::Waiting(work) => {
                // A wake-up comes from the runtime, so that this wakes no thread; and its task may do what a waker may not.
                drop(self.runtime.spawn(work));
                SentState::HandedOver
            }
            SentState::HandedOver => SentState::HandedOver,
        };
    }
}

/// A callback that is called once, also where the work that it waits for ends in a panic.
struct Promise<T, F: FnOnce(Result<T>)> {
    done: Option<F>,
    of: PhantomData<fn(T)>,
}

impl<T, F: FnOnce(Result<T>)> Promise<T, F> {
    const fn new(done: F) -> Promise<T, F> {
        Promise { done: Some(done), of: PhantomData }
    }

    fn keep(mut self, result: Result<T>) {
        if let Some(done) = self.done.take() {
            done(result);
        }
    }
}

impl<T, F: FnOnce(Result<T>)> Drop for Promise<T, F> {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            done(Err(panicked()));
        }
    }
}

fn panicked() -> Error {
    let error = Error::new(ErrorCode::Internal, "the operation ended by a panic");
    error.hint("this is a bug of ormDB; what it printed before tells where")
}
