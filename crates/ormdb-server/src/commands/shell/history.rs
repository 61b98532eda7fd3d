//! Where the shell keeps its history.

use std::path::PathBuf;

/// The file of the history; none where there is no home for it.
pub(super) fn path() -> Option<PathBuf> {
    let named =
        |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = named("ORMDB_HISTORY") {
        return Some(path);
    }
    let state = named("XDG_STATE_HOME").or_else(|| named("HOME").map(|home| home.join(".local/state")))?;
    let dir = state.join("ormdb");
    std::fs::create_dir_all(&dir).ok()?;
    Some(dir.join("history"))
}
