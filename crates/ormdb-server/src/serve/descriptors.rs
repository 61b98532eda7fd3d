//! The file descriptors that a server needs: one for each connection, and some for the database.

use crate::output;

/// What is left to the files of the database, with room to spare.
const OWN_MAX: u64 = 2_048;

/// Raises the limit of open files, as far as the system lets it, and warns if it does not reach for so many connections.
#[cfg(unix)]
pub(super) fn make_room(connections_max: usize) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let connections = u64::try_from(connections_max).unwrap_or(u64::MAX);
    let wanted = connections.saturating_add(OWN_MAX);
    let limit = getrlimit(Resource::Nofile);
    let Some(now) = limit.current.filter(|now| *now < wanted) else { return };
    let most = limit.maximum.map_or(wanted, |most| most.min(wanted));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(most), ..limit }).is_ok();
    let reached = if raised { most } else { now };
    if reached <= connections {
        output::diagnose(&format!(
            "warning: the system allows {reached} open files, too few for {connections} connections; raise its limit \
             (`ulimit -n`), or lower --connections-max"
        ));
    }
}

/// Nothing limits them here.
#[cfg(not(unix))]
pub(super) fn make_room(_connections_max: usize) {}
