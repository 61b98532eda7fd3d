//! Ends waiting for locks from another thread.
//!
//! Invariant: whoever waits looks at the flag under the mutex of the queue that it waits with, and whoever raises the flag takes
//! that mutex before it wakes: no word is lost between the look and the sleep.

use std::fmt;
use std::sync::{Arc, Weak};

use super::LockTable;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};

/// Ends the waiting for locks of the transactions that it was given to ([`crate::Transaction::set_interrupt`]), now and from
/// now on. Clones are one.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    raised: AtomicBool,
    /// Where somebody who has it may wait.
    tables: Mutex<Vec<Weak<LockTable>>>,
    before_wait: Option<Box<dyn Fn() + Send + Sync>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("raised", &self.raised).finish_non_exhaustive()
    }
}

impl Interrupt {
    /// One whose transactions call this before they wait for a lock, on the thread that will wait: it may have other work, which it can give
    /// to another one. Nothing of the database is held meanwhile.
    pub fn telling(before_wait: impl Fn() + Send + Sync + 'static) -> Interrupt {
        let before_wait: Option<Box<dyn Fn() + Send + Sync>> = Some(Box::new(before_wait));
        Interrupt { shared: Arc::new(Shared { before_wait, ..Shared::default() }) }
    }

    pub(super) fn tells(&self) -> Option<&(dyn Fn() + Send + Sync)> {
        self.shared.before_wait.as_deref()
    }

    /// Has those who wait fail with [`crate::Error::Interrupted`], and whoever would wait from now on.
    pub fn raise(&self) {
        self.shared.raised.store(true, Ordering::SeqCst);
        let tables: Vec<_> = self.shared.tables.lock().iter().filter_map(Weak::upgrade).collect();
        for table in tables {
            table.wake(self);
        }
    }

    /// Whether it was raised.
    pub fn is_raised(&self) -> bool {
        self.shared.raised.load(Ordering::SeqCst)
    }

    /// From now on somebody may wait there.
    pub(crate) fn watch(&self, table: &Arc<LockTable>) {
        let mut tables = self.shared.tables.lock();
        if !tables.iter().any(|known| std::ptr::eq(known.as_ptr(), Arc::as_ptr(table))) {
            tables.push(Arc::downgrade(table));
        }
    }

    pub(super) fn is(&self, other: &Interrupt) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}
