//! Sessions: who asks, and within which limits.

mod context;

pub use context::CancelHandle;
pub(crate) use context::SessionContext;
