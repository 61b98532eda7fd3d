//! What those need of a database who follow its log.

use ordinum::SeqNo;

use super::Database;
use crate::changes::Hub;

impl Database {
    /// Those who are told of commits.
    pub(crate) fn hub(&self) -> &Hub {
        &self.inner.hub
    }

    /// The storage engine.
    pub(crate) fn engine(&self) -> &ordinum::Db {
        &self.inner.engine
    }

    /// The newest version that is durable.
    pub(crate) fn durable_seqno(&self) -> SeqNo {
        self.inner.engine.position().seqno
    }
}
