//! Fetches, each at a snapshot of its own.

use ormdb_proto::ir::{Explain, Fetch, Params};
use ormdb_proto::result::Trailer;
use ormdb_proto::{Explanation, GraphResult, Result};

use super::Database;
use crate::context::Ctx;
use crate::exec::{self, FanOuts, StreamPart};
use crate::plan::Prepared;
use crate::session::SessionContext;

impl Database {
    pub(crate) fn fetch(
        &self,
        session: &SessionContext,
        fetch: &Fetch,
        params: &Params,
    ) -> Result<GraphResult> {
        let (catalog, snapshot) = self.snapshot_of(fetch, params)?;
        let ctx = self.context(&catalog, &snapshot, session, params);
        exec::fetch(&Ctx { is_of_now: fetch.as_of.is_none(), ..ctx }, fetch)
    }

    /// Runs a prepared fetch; none of a statement that is none, or needs more than a snapshot of now.
    pub(crate) fn fetch_prepared(
        &self,
        session: &SessionContext,
        prepared: &Prepared,
        params: &Params,
    ) -> Result<Option<GraphResult>> {
        let Some(shaped) = prepared.shaped() else { return Ok(None) };
        let (catalog, snapshot) = self.snapshot();
        exec::fetch_shaped(&self.context(&catalog, &snapshot, session, params), shaped).map(Some)
    }

    /// Hands the parts of a fetch on as they are made; none of a statement that does not stream.
    pub(crate) fn stream_prepared(
        &self,
        session: &SessionContext,
        prepared: &Prepared,
        params: &Params,
        fan_outs: FanOuts,
        see: &mut dyn FnMut(StreamPart) -> Result<()>,
    ) -> Result<Option<Trailer>> {
        let Some(shaped) = prepared.shaped() else {
            let Some(fetch) = prepared.lockless_fetch() else { return Ok(None) };
            let (catalog, snapshot) = self.snapshot_of(fetch, params)?;
            let ctx = self.context(&catalog, &snapshot, session, params);
            let ctx = Ctx { is_of_now: fetch.as_of.is_none(), ..ctx };
            return exec::stream(&ctx, fetch, fan_outs, see).map(Some);
        };
        let (catalog, snapshot) = self.snapshot();
        exec::stream_shaped(&self.context(&catalog, &snapshot, session, params), shaped, fan_outs, see)
            .map(Some)
    }

    pub(crate) fn explain(
        &self,
        session: &SessionContext,
        fetch: &Fetch,
        params: &Params,
        explain: Explain,
    ) -> Result<Explanation> {
        let (catalog, snapshot) = self.snapshot_of(fetch, params)?;
        let ctx = self.context(&catalog, &snapshot, session, params);
        exec::explain(&Ctx { is_of_now: fetch.as_of.is_none(), ..ctx }, fetch, explain)
    }
}
