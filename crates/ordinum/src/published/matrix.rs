//! The slots of all threads for all values: a row for each thread, a column for each value.
//!
//! Invariants:
//! (1) rows and columns never move while the matrix lives, and are found without a lock;
//! (2) rows of threads that have ended, and columns of values that are gone, are empty, and are given out again;
//! (3) a thread remembers its row in each matrix that it has read from, and forgets those that are gone.

use std::cell::{Cell, RefCell};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock, Weak};

use super::slot::Slot;
use crate::padded::Padded;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::thread_local;

/// Slots that stand side by side: those of one thread.
const SLOTS_PER_BLOCK: usize = 16;

/// Numbers the matrices of this process, from 1.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// The matrix that this thread has read from last, and its row there. No matrix has the number 0.
    static LAST: Cell<(u64, usize)> = const { Cell::new((0, 0)) };
    static ROWS: RefCell<RowsOfThread> = const { RefCell::new(RowsOfThread(Vec::new())) };
}

/// The slots of a database.
pub(crate) struct Matrix<T: Send + Sync + 'static> {
    id: u64,
    rows: Lasting<Padded<Row<T>>>,
    /// The rows that were ever given out are those below.
    rows_used: AtomicUsize,
    free_rows: Mutex<Vec<usize>>,
    columns: Mutex<Columns>,
}

#[derive(Default)]
struct Columns {
    used: usize,
    free: Vec<usize>,
}

/// The slots of a thread.
struct Row<T> {
    blocks: Lasting<Padded<[Slot<T>; SLOTS_PER_BLOCK]>>,
}

impl<T: Send + Sync + 'static> Matrix<T> {
    pub(crate) fn new() -> Arc<Matrix<T>> {
        Arc::new(Matrix {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            rows: Lasting::new(),
            rows_used: AtomicUsize::new(0),
            free_rows: Mutex::default(),
            columns: Mutex::default(),
        })
    }

    pub(super) fn take_column(&self) -> usize {
        let mut columns = self.columns.lock();
        columns.free.pop().unwrap_or_else(|| {
            columns.used += 1;
            columns.used - 1
        })
    }

    /// Takes an empty column back.
    pub(super) fn give_column(&self, column: usize) {
        self.columns.lock().free.push(column);
    }

    /// The slot of this thread in the column; none while the thread ends.
    pub(super) fn slot(self: &Arc<Self>, column: usize) -> Option<&Slot<T>> {
        let (matrix, row) = LAST.with(Cell::get);
        let row = if matrix == self.id { row } else { self.row_of_thread()? };
        let blocks = &self.rows.get(row)?.blocks;
        let (block, slot) = (column / SLOTS_PER_BLOCK, column % SLOTS_PER_BLOCK);
        let block = blocks
            .get(block)
            .unwrap_or_else(|| blocks.grow(block, || Padded(std::array::from_fn(|_| Slot::new()))));
        block.get(slot)
    }

    #[cold]
    fn row_of_thread(self: &Arc<Self>) -> Option<usize> {
        let find = |rows: &RefCell<RowsOfThread>| {
            let mut rows = rows.try_borrow_mut().ok()?;
            Some(rows.find(self.id).unwrap_or_else(|| {
                let row = self.take_row();
                rows.add(RowOfThread {
                    matrix: self.id,
                    row,
                    owner: Arc::downgrade(self) as Weak<dyn TakesRows>,
                });
                row
            }))
        };
        let row = ROWS.try_with(find).ok()??;
        LAST.with(|last| last.set((self.id, row)));
        Some(row)
    }

    fn take_row(&self) -> usize {
        let mut free = self.free_rows.lock();
        free.pop().unwrap_or_else(|| {
            let row = self.rows_used.load(Ordering::Relaxed);
            self.rows.grow(row, || Padded(Row { blocks: Lasting::new() }));
            self.rows_used.store(row + 1, Ordering::Release);
            row
        })
    }

    /// Empties the column, and returns what was in it.
    pub(super) fn empty_column(&self, column: usize) -> Vec<Arc<T>> {
        let rows = (0..self.rows_used.load(Ordering::Acquire)).filter_map(|row| self.rows.get(row));
        let slots =
            rows.filter_map(|row| row.blocks.get(column / SLOTS_PER_BLOCK)?.get(column % SLOTS_PER_BLOCK));
        slots.filter_map(Slot::empty).collect()
    }
}

#[cfg(test)]
impl<T: Send + Sync + 'static> Matrix<T> {
    pub(super) fn rows_used(&self) -> usize {
        self.rows_used.load(Ordering::Acquire)
    }

    pub(super) fn columns_used(&self) -> usize {
        self.columns.lock().used
    }
}

/// A matrix that a thread can give its row back to.
trait TakesRows {
    fn give_row(&self, row: usize);
}

impl<T: Send + Sync + 'static> TakesRows for Matrix<T> {
    fn give_row(&self, row: usize) {
        let blocks = self.rows.get(row).into_iter().flat_map(|row| row.blocks.iter());
        blocks.flat_map(|block| block.iter()).for_each(|slot| drop(slot.empty()));
        self.free_rows.lock().push(row);
    }
}

/// The rows that a thread has; they are given back when it ends.
struct RowsOfThread(Vec<RowOfThread>);

impl RowsOfThread {
    fn find(&self, matrix: u64) -> Option<usize> {
        self.0.iter().find(|row| row.matrix == matrix).map(|row| row.row)
    }

    fn add(&mut self, row: RowOfThread) {
        self.0.retain(|row| row.owner.strong_count() > 0);
        self.0.push(row);
    }
}

impl Drop for RowsOfThread {
    fn drop(&mut self) {
        // What still reads on this thread, in another destructor, must not take a row that is given back.
        LAST.try_with(|last| last.set((0, 0))).unwrap_or_default();
    }
}

/// The row of a thread in one matrix.
struct RowOfThread {
    matrix: u64,
    row: usize,
    owner: Weak<dyn TakesRows>,
}

impl Drop for RowOfThread {
    fn drop(&mut self) {
        if let Some(matrix) = self.owner.upgrade() {
            matrix.give_row(self.row);
        }
    }
}

/// A list whose items stay where they are: bucket *n* has 2^*n* of them.
struct Lasting<T> {
    buckets: [OnceLock<Box<[T]>>; BUCKETS],
}

/// Enough for sixteen million items.
const BUCKETS: usize = 24;

impl<T> Lasting<T> {
    fn new() -> Lasting<T> {
        Lasting { buckets: [const { OnceLock::new() }; BUCKETS] }
    }

    /// The bucket of an item, and its place there.
    fn place(index: usize) -> (usize, usize) {
        let bucket = (index + 1).ilog2();
        (bucket as usize, index + 1 - (1 << bucket))
    }

    fn get(&self, index: usize) -> Option<&T> {
        let (bucket, at) = Self::place(index);
        self.buckets.get(bucket)?.get()?.get(at)
    }

    /// The item, which is made, and others with it, unless it is there.
    fn grow(&self, index: usize, make: impl Fn() -> T) -> &T {
        let (bucket, at) = Self::place(index);
        &self.buckets[bucket].get_or_init(|| (0..1 << bucket).map(|_| make()).collect())[at]
    }

    fn iter(&self) -> impl Iterator<Item = &T> {
        self.buckets.iter().filter_map(OnceLock::get).flat_map(|bucket| bucket.iter())
    }
}
