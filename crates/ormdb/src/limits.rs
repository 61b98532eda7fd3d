//! What one statement may use, at most.

/// What one statement may use. A statement that meets a limit ends with an error that names it; nothing is cut off
/// silently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The deepest nesting of includes.
    pub depth_max: u32,
    /// The most rows that a fetch may return, over all levels.
    pub rows_max: u64,
    /// The most related rows that one row may have in an include.
    pub fan_out_max: u64,
    /// The most edges of a result, over all includes.
    pub edges_max: u64,
    /// The most bytes of a result.
    pub result_bytes_max: u64,
    /// The most memory for intermediate rows and the result, in bytes.
    pub memory_bytes_max: u64,
    /// The longest time, in milliseconds; 0 means no bound.
    pub time_ms_max: u64,
    /// The longest time that a lock of another transaction is waited for, in milliseconds; 0: not at all.
    pub lock_wait_ms_max: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            depth_max: 32,
            rows_max: 50_000_000,
            fan_out_max: 10_000_000,
            edges_max: 100_000_000,
            result_bytes_max: 2 << 30,
            memory_bytes_max: 2 << 30,
            time_ms_max: 0,
            lock_wait_ms_max: 10_000,
        }
    }
}
