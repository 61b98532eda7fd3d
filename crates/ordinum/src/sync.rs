//! The seam of locks, condition variables, atomics and what threads keep for themselves: ordinarily those of parking_lot and of
//! the standard library, at no cost. With the feature `shuttle` a model checker has them, which runs threads one at a time
//! and decides at each of these operations who goes on: see [`crate::models`].
//!
//! Counters that decide nothing stay with the standard library. So do the words of an arena, which are memory of their own kind:
//! [`step`] stands before each of their uses.

#[cfg(feature = "shuttle")]
mod modelled;

#[cfg(not(feature = "shuttle"))]
pub(crate) use std::{sync::atomic, thread_local};

#[cfg(feature = "shuttle")]
pub(crate) use modelled::{Condvar, Mutex, MutexGuard, RwLock, atomic, step, thread_local};
#[cfg(not(feature = "shuttle"))]
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};

/// Another thread may go on here, where there is a model checker: no code otherwise.
#[cfg(not(feature = "shuttle"))]
#[inline(always)]
pub(crate) const fn step() {}
