//! Histories of transactions that append to lists and read them, after "Elle" (Kingsbury and Alvaro): a list tells the order of
//! its writes, so that who read what before whom follows from the reads.
//!
//! Edges: `ww` from a write to the next of the same list, `wr` from a write to who read it as the last, `rw` from who read a
//! list to the write that follows what it saw. A cycle without `rw` is none of any level (G0, G1c); one with a single `rw` is
//! none of snapshot (G-single), one of any kind none of serializable (G2).

use std::collections::BTreeMap;
use std::collections::HashMap;

use ormdb::Isolation;

/// What a transaction did.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Append { list: i64, value: i64 },
    Read { list: i64, items: Vec<i64> },
}

#[derive(Debug, Default)]
pub(crate) struct History {
    transactions: Vec<Vec<Op>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edge {
    /// `ww` or `wr`.
    Depends,
    /// `rw`.
    Anti,
}

impl History {
    pub(crate) fn push(&mut self, ops: Vec<Op>) {
        self.transactions.push(ops);
    }

    pub(crate) fn appends(&self) -> u64 {
        let is_append = |op: &&Op| matches!(op, Op::Append { .. });
        self.transactions.iter().flatten().filter(is_append).count() as u64
    }

    /// Says what is wrong with the history, whose lists are these in the end.
    pub(crate) fn check(&self, lists: &BTreeMap<i64, Vec<i64>>, level: Isolation) -> Result<(), String> {
        let mut writers: HashMap<i64, usize> = HashMap::new();
        for (at, ops) in self.transactions.iter().enumerate() {
            for op in ops {
                if let Op::Append { list, value } = op {
                    writers.insert(*value, at);
                    let times = lists[list].iter().filter(|item| *item == value).count();
                    if times != 1 {
                        return Err(format!("{value} was appended to {list}, where it stands {times} times"));
                    }
                }
            }
        }
        for (list, items) in lists {
            if let Some(item) = items.iter().find(|item| !writers.contains_key(item)) {
                return Err(format!("{item} stands in {list}, and nobody who committed appended it"));
            }
        }
        let mut edges: Vec<Vec<(usize, Edge)>> = vec![Vec::new(); self.transactions.len()];
        let mut edge = |from: usize, to: usize, kind: Edge| {
            if from != to && !edges[from].contains(&(to, kind)) {
                edges[from].push((to, kind));
            }
        };
        for items in lists.values() {
            for pair in items.windows(2) {
                edge(writers[&pair[0]], writers[&pair[1]], Edge::Depends);
            }
        }
        for (at, ops) in self.transactions.iter().enumerate() {
            for op in ops {
                let Op::Read { list, items } = op else { continue };
                let all = &lists[list];
                if !all.starts_with(items) {
                    return Err(format!("{items:?} was read of {list}, which never was so: {all:?}"));
                }
                if let Some(last) = items.last() {
                    let writer = writers[last];
                    edge(writer, at, Edge::Depends);
                    // What it read of another's it read whole: not a state inside of a transaction (G1b).
                    let next = all.get(items.len());
                    if writer != at && next.is_some_and(|next| writers[next] == writer) {
                        return Err(format!("{items:?} was read of {list}, a state inside of a transaction"));
                    }
                }
                if let Some(next) = all.get(items.len()) {
                    edge(at, writers[next], Edge::Anti);
                }
            }
        }
        let cycle = |found: Option<Vec<usize>>, what: &str| match found {
            None => Ok(()),
            Some(cycle) => {
                let told: Vec<String> =
                    cycle.iter().map(|at| format!("T{at} {:?}", self.transactions[*at])).collect();
                Err(format!("{what}: {}", told.join(" -> ")))
            }
        };
        let depends = |kind: Edge| kind == Edge::Depends;
        cycle(any_cycle(&edges, depends), "a cycle of writes and of what was read of them (G0, G1c)")?;
        if level != Isolation::ReadCommitted {
            cycle(single(&edges), "a cycle with one read that was overtaken (G-single)")?;
        }
        if level == Isolation::Serializable {
            cycle(any_cycle(&edges, |_| true), "a cycle of reads that were overtaken (G2)")?;
        }
        Ok(())
    }
}

/// A cycle of edges of some kinds.
fn any_cycle(edges: &[Vec<(usize, Edge)>], kinds: impl Fn(Edge) -> bool) -> Option<Vec<usize>> {
    let mut state = vec![0u8; edges.len()];
    for start in 0..edges.len() {
        if state[start] != 0 {
            continue;
        }
        // A walk in depth: the path, and at each place the next edge to try.
        let mut path = vec![(start, 0)];
        state[start] = 1;
        while let Some((at, next)) = path.last_mut() {
            let Some((to, kind)) = edges[*at].get(*next).copied() else {
                state[*at] = 2;
                path.pop();
                continue;
            };
            *next += 1;
            if !kinds(kind) || state[to] == 2 {
                continue;
            }
            if state[to] == 1 {
                let from = path.iter().position(|(on_path, _)| *on_path == to)?;
                return Some(path[from..].iter().map(|(at, _)| *at).collect());
            }
            state[to] = 1;
            path.push((to, 0));
        }
    }
    None
}

/// A cycle with exactly one anti-dependency.
fn single(edges: &[Vec<(usize, Edge)>]) -> Option<Vec<usize>> {
    for (from, out) in edges.iter().enumerate() {
        for (to, _) in out.iter().filter(|(_, kind)| *kind == Edge::Anti) {
            let mut before: HashMap<usize, usize> = HashMap::from([(*to, *to)]);
            let mut next = vec![*to];
            while let Some(at) = next.pop() {
                if at == from {
                    let mut cycle = vec![at];
                    while let Some(last) = cycle.last().copied().filter(|last| last != to) {
                        cycle.push(before[&last]);
                    }
                    cycle.reverse();
                    return Some(cycle);
                }
                for (on, kind) in &edges[at] {
                    if *kind == Edge::Depends && !before.contains_key(on) {
                        before.insert(*on, at);
                        next.push(*on);
                    }
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(list: i64, value: i64) -> Op {
        Op::Append { list, value }
    }

    fn read(list: i64, items: &[i64]) -> Op {
        Op::Read { list, items: items.to_vec() }
    }

    /// The weakest level that forbids a history, from the strongest down.
    fn forbidden(transactions: &[&[Op]], lists: &[(i64, &[i64])]) -> Vec<Isolation> {
        let history = History { transactions: transactions.iter().map(|ops| ops.to_vec()).collect() };
        let lists = lists.iter().map(|(list, items)| (*list, items.to_vec())).collect();
        Isolation::ALL.into_iter().filter(|level| history.check(&lists, *level).is_err()).collect()
    }

    #[test]
    fn anomalies_are_found_at_their_level() {
        use Isolation::{Serializable, Snapshot};
        let all = Isolation::ALL;
        let serial: &[&[Op]] = &[&[append(1, 1)], &[read(1, &[1]), append(1, 2)], &[read(1, &[1, 2])]];
        assert_eq!(forbidden(serial, &[(1, &[1, 2])]), []);
        // Lost, aborted, intermediate, never there.
        assert_eq!(forbidden(serial, &[(1, &[1])]), all);
        assert_eq!(forbidden(&[&[append(1, 1)]], &[(1, &[1, 2])]), all);
        assert_eq!(forbidden(&[&[append(1, 1), append(1, 2)], &[read(1, &[1])]], &[(1, &[1, 2])]), all);
        assert_eq!(forbidden(&[&[append(1, 1), append(1, 2)], &[read(1, &[2])]], &[(1, &[1, 2])]), all);
        // G0, G1c.
        let crossed: &[&[Op]] = &[&[append(1, 1), append(2, 1001)], &[append(1, 2), append(2, 1002)]];
        assert_eq!(forbidden(crossed, &[(1, &[1, 2]), (2, &[1002, 1001])]), all);
        let circular: &[&[Op]] = &[&[append(1, 1), read(2, &[1002])], &[append(2, 1002), read(1, &[1])]];
        assert_eq!(forbidden(circular, &[(1, &[1]), (2, &[1002])]), all);
        // Read skew: one list before, one behind the same transaction.
        let skew: &[&[Op]] = &[&[append(1, 1), append(2, 2)], &[read(1, &[]), read(2, &[2])]];
        assert_eq!(forbidden(skew, &[(1, &[1]), (2, &[2])]), [Snapshot, Serializable]);
        // Write skew.
        let skew: &[&[Op]] = &[&[read(1, &[]), append(2, 2)], &[read(2, &[]), append(1, 1)]];
        assert_eq!(forbidden(skew, &[(1, &[1]), (2, &[2])]), [Serializable]);
    }
}
