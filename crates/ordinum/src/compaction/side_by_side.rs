//! The seam of the threads that end with the work that they were started for.

use crate::error::{Error, Result};

/// Does each of the tasks, the first one on this thread and each other on one of its own; returns when all are done, with
/// the results in their order.
pub(super) fn side_by_side<T: Send, R: Send>(
    tasks: Vec<T>,
    work: impl Fn(T) -> Result<R> + Sync,
) -> Vec<Result<R>> {
    let work = &work;
    let mut tasks = tasks.into_iter();
    let Some(first) = tasks.next() else { return Vec::new() };
    std::thread::scope(|scope| {
        let others: Vec<_> = tasks.map(|task| scope.spawn(move || work(task))).collect();
        let mut results = vec![work(first)];
        results.extend(others.into_iter().map(|other| {
            let panicked = |_| Err(Error::Bug { message: "a thread of a compaction panicked".to_owned() });
            other.join().unwrap_or_else(panicked)
        }));
        results
    })
}
