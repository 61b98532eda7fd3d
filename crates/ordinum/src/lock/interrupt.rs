//! Ends waiting for locks from another thread.
//!
//! Invariant: whoever waits looks at the flag under the mutex of the queue that it waits with, and whoever raises the flag takes
//! that mutex before it wakes: no word is lost between the look and the sleep.

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

#[derive(Debug, Default)]
struct Shared {
    raised: AtomicBool,
    /// Where somebody who has it may wait.
    tables: Mutex<Vec<Weak<LockTable>>>,
}

impl Interrupt {
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
