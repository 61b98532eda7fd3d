//! One slot: a reference that its thread takes and puts back, and that others may only remove.
//!
//! ```text
//! empty --take--> taken --put back--> full --take--> taken
//!                   |                   |
//!                   +------ empty ------+   by anyone: what is put back then is dropped
//! ```

#![allow(unsafe_code, reason = "a counted reference is kept in an atomic pointer")]

use crate::planted::{Bug, planted};
use crate::sync::atomic::{AtomicPtr, Ordering};
use std::marker::PhantomData;
use std::ptr;
use std::sync::Arc;

/// A slot. Invariant: the pointer is null (empty), [`taken`], or came from [`Arc::into_raw`] and stands for one count.
pub(super) struct Slot<T> {
    state: AtomicPtr<T>,
    owns: PhantomData<Arc<T>>,
}

/// What stands in a slot whose reference is in use: an address at which no `T` can be.
fn taken<T>() -> *mut T {
    ptr::without_provenance_mut(1)
}

impl<T> Slot<T> {
    pub(super) fn new() -> Slot<T> {
        Slot { state: AtomicPtr::new(ptr::null_mut()), owns: PhantomData }
    }

    /// Takes the reference, if there is one; the slot counts as taken from now on.
    pub(super) fn take(&self) -> Option<Arc<T>> {
        // Acquire: what was emptied, or filled, before is seen as such.
        owned(self.state.swap(taken(), Ordering::Acquire))
    }

    /// Whether it was taken, and not emptied since.
    pub(super) fn is_taken(&self) -> bool {
        ptr::eq(self.state.load(Ordering::Relaxed), taken())
    }

    /// Puts a reference in, unless the slot was emptied since it was taken.
    pub(super) fn put_back(&self, value: Arc<T>) {
        let value = Arc::into_raw(value).cast_mut();
        if planted(Bug::PutBackStale) {
            drop(owned(self.state.swap(value, Ordering::Release)));
            return;
        }
        // Release: who removes the reference and drops it does so behind this thread's use of it.
        if self.state.compare_exchange(taken(), value, Ordering::Release, Ordering::Relaxed).is_err() {
            // The slot did not take the count over.
            drop(owned(value));
        }
    }

    /// Empties the slot, and returns what was in it.
    pub(super) fn empty(&self) -> Option<Arc<T>> {
        owned(self.state.swap(ptr::null_mut(), Ordering::AcqRel))
    }
}

/// The reference that a pointer from a slot stands for.
fn owned<T>(state: *mut T) -> Option<Arc<T>> {
    if state.is_null() || ptr::eq(state, taken()) {
        return None;
    }
    // SAFETY: any other pointer came from `Arc::into_raw` with one count, and whoever calls this has removed it from the
    // slot by an atomic exchange, or was refused by the slot: the count is turned back into a reference once.
    Some(unsafe { Arc::from_raw(state) })
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        drop(self.empty());
    }
}
