//! Dependencies between transactions, and the circles that they must not make.
//!
//! Whatever its level, a transaction is part of no circle of `ww` and `wr`. Snapshots forbid circles in which no two `rw`
//! follow each other: with `ww`, `wr` and `rt` in `D`, these are the circles of `D` and `D ; rw` (Cerone and Gotsman, "Analysing
//! Snapshot Isolation"). Serializable ones forbid them all. An `rw` counts for the level of the one who read.
//!
//! Time needs no edge for each pair: a chain of moments stands between those that ended and those that begin.

use std::collections::{BTreeMap, BTreeSet};

use ormdb::Isolation;

use super::{Anomaly, AnomalyKind, History, anomaly, has_snapshot};

/// Why one transaction comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// It wrote what the other replaced.
    Ww,
    /// It wrote what the other read.
    Wr,
    /// It read what the other replaced.
    Rw,
    /// It ended before the other began.
    Rt,
    /// By any of the first kinds to one that read what the last replaced.
    Composed,
}

/// Who comes before whom.
pub(crate) struct Graph {
    edges: Vec<BTreeSet<(usize, Kind)>>,
}

impl Graph {
    pub(super) fn new(transactions: usize) -> Graph {
        Graph { edges: vec![BTreeSet::new(); transactions] }
    }

    /// Adds an edge; none leads from a transaction to itself.
    pub(super) fn add(&mut self, from: usize, to: usize, kind: Kind) {
        if from != to
            && let Some(edges) = self.edges.get_mut(from)
        {
            edges.insert((to, kind));
        }
    }

    /// Forgets all others.
    pub(super) fn retain(&mut self, kept: impl Fn(usize) -> bool) {
        for (at, edges) in self.edges.iter_mut().enumerate() {
            edges.retain(|(to, _)| kept(at) && kept(*to));
        }
    }

    pub(super) fn edges(&self) -> usize {
        self.edges.iter().map(BTreeSet::len).sum()
    }

    fn of(&self, at: usize) -> impl Iterator<Item = (usize, Kind)> + '_ {
        self.edges.get(at).into_iter().flatten().copied()
    }

    /// The edges that these conditions pick.
    fn picked(&self, pick: impl Fn(usize, Kind) -> bool) -> Graph {
        let mut edges = self.edges.clone();
        for (from, edges) in edges.iter_mut().enumerate() {
            edges.retain(|(_, kind)| pick(from, *kind));
        }
        Graph { edges }
    }

    /// With an edge for each way over one edge of this graph and one `rw` of `all` that leaves a reader.
    fn composed(&self, all: &Graph, is_reader: impl Fn(usize) -> bool) -> Graph {
        let edges = self.edges.iter().map(|edges| {
            let mut with = edges.clone();
            for (middle, _) in edges.iter().filter(|(middle, _)| is_reader(*middle)) {
                let anti = all.of(*middle).filter(|(_, kind)| *kind == Kind::Rw);
                with.extend(anti.map(|(to, _)| (to, Kind::Composed)));
            }
            with
        });
        Graph { edges: edges.collect() }
    }

    /// Adds the moments at which somebody ended, and who came before and behind them.
    fn with_time(&self, history: &History, happened: &[bool]) -> Graph {
        let mut edges = self.edges.clone();
        let mut moments: BTreeMap<u64, usize> = BTreeMap::new();
        let there =
            || history.transactions.iter().enumerate().filter(|(at, _)| happened.get(*at) == Some(&true));
        for (at, transaction) in there().filter(|(_, transaction)| transaction.fate == super::Fate::Committed)
        {
            let next = edges.len();
            let moment = *moments.entry(transaction.ended).or_insert(next);
            if moment == next {
                edges.push(BTreeSet::new());
            }
            edges[at].insert((moment, Kind::Rt));
        }
        let mut before: Option<usize> = None;
        for moment in moments.values() {
            if let Some(before) = before {
                edges[before].insert((*moment, Kind::Rt));
            }
            before = Some(*moment);
        }
        for (at, transaction) in there() {
            if let Some((_, moment)) = moments.range(..transaction.began).next_back() {
                edges[*moment].insert((at, Kind::Rt));
            }
        }
        Graph { edges }
    }

    /// A circle, as the way around it.
    fn cycle(&self) -> Option<Vec<(usize, Kind)>> {
        #[derive(Clone, Copy, PartialEq)]
        enum Color {
            New,
            Open,
            Done,
        }
        let mut colors = vec![Color::New; self.edges.len()];
        for root in 0..self.edges.len() {
            if colors[root] != Color::New {
                continue;
            }
            colors[root] = Color::Open;
            let mut way = vec![(root, self.of(root).collect::<Vec<_>>())];
            let mut taken: Vec<Kind> = Vec::new();
            while let Some((at, rest)) = way.last_mut() {
                let Some((to, kind)) = rest.pop() else {
                    colors[*at] = Color::Done;
                    way.pop();
                    taken.pop();
                    continue;
                };
                match colors[to] {
                    Color::Done => {}
                    Color::New => {
                        colors[to] = Color::Open;
                        taken.push(kind);
                        way.push((to, self.of(to).collect()));
                    }
                    Color::Open => {
                        taken.push(kind);
                        let begin = way.iter().position(|(at, _)| *at == to).unwrap_or(0);
                        let nodes = way.iter().skip(begin).map(|(at, _)| *at);
                        return Some(nodes.zip(taken.into_iter().skip(begin)).collect());
                    }
                }
            }
        }
        None
    }
}

/// Looks for the circles that the levels forbid.
pub(super) fn check(history: &History, graph: &Graph, happened: &[bool]) -> Result<(), Anomaly> {
    let level = |at: usize| history.transactions.get(at).map(|transaction| transaction.level);
    let writes = graph.picked(|_, kind| kind == Kind::Ww);
    refuse(history, AnomalyKind::WriteCycle, &writes)?;
    let dependent = graph.picked(|_, kind| matches!(kind, Kind::Ww | Kind::Wr));
    refuse(history, AnomalyKind::InformationCycle, &dependent)?;
    let in_time = dependent.with_time(history, happened);
    let at_snapshot = in_time.composed(graph, |at| level(at).is_some_and(has_snapshot));
    refuse(history, AnomalyKind::SnapshotCycle, &at_snapshot)?;
    let serial = graph.picked(|from, kind| kind != Kind::Rw || level(from) == Some(Isolation::Serializable));
    refuse(history, AnomalyKind::SerializationCycle, &serial.with_time(history, happened))
}

fn refuse(history: &History, kind: AnomalyKind, graph: &Graph) -> Result<(), Anomaly> {
    let Some(cycle) = graph.cycle() else { return Ok(()) };
    let is_transaction = |at: usize| at < history.transactions.len();
    let steps = cycle.iter().filter(|(at, _)| is_transaction(*at));
    let steps: Vec<String> = steps.map(|(at, kind)| format!("{} -{kind:?}->", history.name(*at))).collect();
    anomaly(kind, steps.join("\n    "))
}
