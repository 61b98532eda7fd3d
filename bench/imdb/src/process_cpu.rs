//! What processes used of processors, in microseconds.

use std::collections::HashMap;

use rustix::time::{ClockId, clock_gettime};

/// This process, all its threads.
pub(crate) fn own_micros() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

/// A process and all that it started, as the kernel tells it: in its ticks, of ten milliseconds each.
pub(crate) fn tree_micros(root: u32) -> f64 {
    let mut parents: HashMap<u32, (u32, u64)> = HashMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(text) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        // Behind the name, which may have anything in it: state, parent, and further on the ticks of user and system, then those
        // of children that have ended.
        let Some((_, fields)) = text.rsplit_once(')') else { continue };
        let number =
            |at: usize| fields.split_whitespace().nth(at).and_then(|field| field.parse::<u64>().ok());
        let (Some(parent), Some(user), Some(system), Some(of_children), Some(system_of_children)) =
            (number(1), number(11), number(12), number(13), number(14))
        else {
            continue;
        };
        let parent = u32::try_from(parent).unwrap_or(0);
        parents.insert(id, (parent, user + system + of_children + system_of_children));
    }
    let belongs = |mut id: u32| {
        while id != root {
            match parents.get(&id) {
                Some((parent, _)) if *parent != 0 => id = *parent,
                _ => return false,
            }
        }
        true
    };
    let ticks: u64 = parents.iter().filter(|(id, _)| belongs(**id)).map(|(_, (_, ticks))| ticks).sum();
    ticks as f64 * 1e6 / rustix::param::clock_ticks_per_second() as f64
}
