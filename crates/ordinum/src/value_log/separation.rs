//! Decides where the values of a flush or a merge go, and writes those that leave the table.

use super::{ValueLogMeta, ValueLogWriter, ValueOptions, ValuePointer};
use crate::error::Result;
use crate::file_name::FileNumber;
use crate::rate_limiter::Haste;
use crate::version::TableStore;

/// A value-log file is closed once it has this many bytes, so that its garbage can be taken back in parts.
const FILE_BYTES: u64 = 64 << 20;

/// The value-log files that a flush, or a slice of a merge, writes: begun when there is a value for them.
pub(crate) struct Separation<'a> {
    store: &'a TableStore,
    options: &'a ValueOptions,
    haste: Haste,
    /// Gives, and notes, the number of a file that is begun.
    begin_file: Box<dyn Fn() -> FileNumber + 'a>,
    open: Option<ValueLogWriter>,
    finished: Vec<ValueLogMeta>,
}

impl<'a> Separation<'a> {
    /// Nothing is written yet.
    pub(crate) fn new(
        store: &'a TableStore,
        options: &'a ValueOptions,
        haste: Haste,
        begin_file: impl Fn() -> FileNumber + 'a,
    ) -> Separation<'a> {
        Separation {
            store,
            options,
            haste,
            begin_file: Box::new(begin_file),
            open: None,
            finished: Vec::new(),
        }
    }

    /// Writes the value if it belongs to the value log, and says where it lies then.
    pub(crate) fn place(&mut self, value: &[u8]) -> Result<Option<ValuePointer>> {
        if !self.options.separates(value.len()) {
            return Ok(None);
        }
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(self.store.create_values(
                (self.begin_file)(),
                self.options.compression,
                self.haste,
            )?),
        };
        let pointer = open.add(value)?;
        if open.bytes() >= FILE_BYTES {
            self.close()?;
        }
        Ok(Some(pointer))
    }

    /// Makes what was written durable, and says what it is.
    pub(crate) fn finish(mut self) -> Result<Vec<ValueLogMeta>> {
        self.close()?;
        Ok(self.finished)
    }

    fn close(&mut self) -> Result<()> {
        if let Some(open) = self.open.take() {
            self.finished.push(open.finish()?);
        }
        Ok(())
    }
}
