//! A value that is replaced as a whole now and then, and read all the time, by many threads, at no shared cost.
//!
//! The database has a [`Matrix`]: a row for each thread that reads, a column for each [`Published`] value. A thread takes the
//! reference out of its own slot, uses it, and puts it back. Who replaces the value empties the slots of its column: a
//! thread that comes next, or that comes back, finds that out in its own slot, and then asks the value itself.
//!
//! Invariants:
//! (1) a reader that finds its slot full writes no memory that another thread writes, but for replacements;
//! (2) a slot holds the current value or nothing: the value is replaced, and its column emptied, under one lock, under
//!     which a reader also fills up. A thread that sleeps keeps nothing alive;
//! (3) a slot is filled only by a reader who was admitted; who refuses readers from now on empties the column
//!     ([`Published::expire`]) after saying so, and none gets past that;
//! (4) a row belongs to one thread at a time, and is handed to another when the thread ends; a column belongs to one
//!     value, until that is dropped.

mod matrix;
mod slot;

use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use crate::sync::Mutex;

pub(crate) use matrix::Matrix;
use slot::Slot;

/// A value that is replaced as a whole.
pub(crate) struct Published<T: Send + Sync + 'static> {
    current: Mutex<Arc<T>>,
    matrix: Arc<Matrix<T>>,
    column: usize,
}

impl<T: Send + Sync + 'static> Published<T> {
    /// Publishes a value, in a column of its own.
    pub(crate) fn new(matrix: &Arc<Matrix<T>>, value: T) -> Published<T> {
        let column = matrix.take_column();
        Published { current: Mutex::new(Arc::new(value)), matrix: Arc::clone(matrix), column }
    }

    /// The current value, to be kept.
    pub(crate) fn load(&self) -> Arc<T> {
        Arc::clone(&self.current.lock())
    }

    /// The current value, for a moment. `admit` is asked unless this thread was admitted since the column was emptied.
    pub(crate) fn read<E>(&self, admit: impl FnOnce() -> Result<(), E>) -> Result<View<'_, T>, E> {
        let slot = self.matrix.slot(self.column);
        if let Some(slot) = slot
            && let Some(value) = slot.take()
        {
            return Ok(View::new(self, value, Some(slot)));
        }
        let current = self.current.lock();
        match admit() {
            Ok(()) => Ok(View::new(self, Arc::clone(&current), slot)),
            Err(refused) => {
                drop(slot.and_then(Slot::empty));
                Err(refused)
            }
        }
    }

    /// Replaces the value.
    pub(crate) fn update(&self, change: impl FnOnce(&T) -> T) -> Arc<T> {
        let mut current = self.current.lock();
        let next = Arc::new(change(&current));
        let old = std::mem::replace(&mut *current, next);
        let stale = self.matrix.empty_column(self.column);
        // What goes may be large: not under the lock.
        drop(current);
        drop(stale);
        old
    }

    /// Makes every reader ask to be admitted again.
    pub(crate) fn expire(&self) {
        let current = self.current.lock();
        let stale = self.matrix.empty_column(self.column);
        drop(current);
        drop(stale);
    }
}

impl<T: Send + Sync + 'static> Drop for Published<T> {
    fn drop(&mut self) {
        drop(self.matrix.empty_column(self.column));
        self.matrix.give_column(self.column);
    }
}

/// A value that a thread reads; dropping it puts the reference back.
pub(crate) struct View<'a, T: Send + Sync + 'static> {
    published: &'a Published<T>,
    /// There until it is dropped.
    value: Option<Arc<T>>,
    /// None while the thread ends.
    slot: Option<&'a Slot<T>>,
    /// The slot is that of one thread.
    thread: PhantomData<*const ()>,
}

impl<'a, T: Send + Sync + 'static> View<'a, T> {
    fn new(published: &'a Published<T>, value: Arc<T>, slot: Option<&'a Slot<T>>) -> View<'a, T> {
        View { published, value: Some(value), slot, thread: PhantomData }
    }

    /// Whether the value was not replaced yet. To be asked before this thread reads the same value again.
    pub(crate) fn is_current(&self) -> bool {
        match self.slot {
            Some(slot) => slot.is_taken(),
            None => {
                self.value.as_ref().is_some_and(|value| Arc::ptr_eq(value, &self.published.current.lock()))
            }
        }
    }
}

impl<T: Send + Sync + 'static> Deref for View<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.value {
            Some(value) => value,
            None => unreachable!("it is taken when the view is dropped"),
        }
    }
}

impl<T: Send + Sync + 'static> Drop for View<'_, T> {
    fn drop(&mut self) {
        if let (Some(slot), Some(value)) = (self.slot, self.value.take()) {
            slot.put_back(value);
        }
    }
}

#[cfg(test)]
mod tests;
