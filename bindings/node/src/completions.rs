//! How operations that ended on another thread come back to JavaScript: one callback for all of them, which finds the promise by
//! its number. A promise of napi's own would cost a handle of the event loop each.

use std::sync::Arc;

use napi::bindgen_prelude::{Either7, FnArgs, Function, Null};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use ormdb_bindings::{Cancel, GraphResult, Outcome, Task};
use ormdb_proto::Result;

use crate::changes::Changes;
use crate::connection::Connection;
use crate::error_text;
use crate::outcome::{RawAnswer, RawParts};
use crate::transaction::Transaction;

/// What an operation gives to JavaScript.
pub(crate) type Delivered = Either7<RawAnswer, Connection, Transaction, RawParts, String, Null, Changes>;

/// The arguments of the callback: the number of the operation, its error as JSON or null, and what it gives.
type Arguments = FnArgs<(u32, Option<String>, Option<Delivered>)>;

/// The callback. It does not keep the process alive: JavaScript does, while it waits.
type Callback = ThreadsafeFunction<Arguments, (), Arguments, napi::Status, false, true>;

/// Where operations of one JavaScript environment come back.
#[napi]
#[derive(Clone)]
pub struct Completions(Arc<Callback>);

#[napi]
impl Completions {
    /// Completions that are given to `callback(number, error, value)`.
    #[napi(constructor)]
    pub fn new(callback: Function<'_, Arguments, ()>) -> napi::Result<Completions> {
        let callback = callback.build_threadsafe_function().weak::<true>().build()?;
        Ok(Completions(Arc::new(callback)))
    }
}

impl Completions {
    /// Carries out a task on another thread, makes what JavaScript gets of its result there, and delivers it.
    pub(crate) fn deliver<T: Send + 'static>(
        &self,
        number: u32,
        task: Task<T>,
        make: impl FnOnce(T) -> Result<Delivered> + Send + 'static,
    ) -> Stop {
        let stop = Stop(task.cancel_handle());
        let callback = Arc::clone(&self.0);
        task.then(move |result| {
            let (error, value) = match result.and_then(make) {
                Ok(value) => (None, Some(value)),
                Err(error) => (Some(error_text::of(&error)), None),
            };
            // An environment that has ended waits for nothing.
            callback.call((number, error, value).into(), ThreadsafeFunctionCallMode::NonBlocking);
        });
        stop
    }

    /// As [`Completions::deliver`], of a statement.
    pub(crate) fn deliver_outcome(&self, number: u32, task: Task<Outcome>) -> Stop {
        self.deliver(number, task, |outcome| RawAnswer::of(outcome).map(Delivered::A))
    }

    /// As [`Completions::deliver`], of a statement that gives rows.
    pub(crate) fn deliver_rows(&self, number: u32, task: Task<GraphResult>) -> Stop {
        self.deliver(number, task, |result| RawAnswer::of_rows(result).map(Delivered::A))
    }

    /// As [`Completions::deliver`], of what gives nothing.
    pub(crate) fn deliver_done(&self, number: u32, task: Task<()>) -> Stop {
        self.deliver(number, task, |()| Ok(Delivered::F(Null)))
    }
}

/// Stops an operation that is under way.
#[napi]
pub struct Stop(Cancel);

#[napi]
impl Stop {
    /// Stops it; one that is over is left as it is.
    #[napi]
    pub fn stop(&self) {
        self.0.cancel();
    }
}
