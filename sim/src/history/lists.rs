//! What reads of lists tell: their order is that of the appends.

use std::collections::{BTreeMap, BTreeSet};

use super::cycles::{Graph, Kind};
use super::{Anomaly, AnomalyKind, Fate, Final, History, Op, Transaction, Writers, anomaly, has_snapshot};

/// A read of a list, without what the reader itself had appended.
struct Read<'h> {
    reader: usize,
    list: i64,
    items: &'h [i64],
}

/// Checks all reads of lists, and adds what follows of them.
pub(super) fn check(
    history: &History,
    writers: &Writers,
    end: Option<&Final>,
    graph: &mut Graph,
    seen: &mut BTreeSet<usize>,
) -> Result<(), Anomaly> {
    let mut reads = Vec::new();
    for (reader, transaction) in history.transactions.iter().enumerate() {
        if transaction.fate == Fate::Committed {
            gather(history, reader, transaction, &mut reads)?;
        }
    }
    let orders = orders(history, &reads, end)?;
    for (list, items) in &orders {
        let before = history.lists_before.get(list).map_or(0, Vec::len);
        let mut last: Option<usize> = None;
        for item in items.iter().skip(before) {
            let (writer, _) = writer_of(history, writers, *list, *item)?;
            seen.insert(writer);
            if let Some(last) = last {
                graph.add(last, writer, Kind::Ww);
            }
            last = Some(writer);
        }
    }
    if let Some(end) = end {
        nothing_is_lost(history, end)?;
    }
    for Read { reader, list, items } in &reads {
        let before = history.lists_before.get(list).map_or(0, Vec::len);
        if items.len() > before
            && let Some(item) = items.last()
        {
            let (writer, has_more) = writer_of(history, writers, *list, *item)?;
            if has_more {
                let told = format!("{} read {list} as {items:?}", history.name(*reader));
                return anomaly(AnomalyKind::IntermediateRead, told);
            }
            graph.add(writer, *reader, Kind::Wr);
        }
        if let Some(next) = orders.get(list).and_then(|all| all.get(items.len())) {
            let (writer, _) = writer_of(history, writers, *list, *next)?;
            graph.add(*reader, writer, Kind::Rw);
        }
    }
    Ok(())
}

/// The reads of a transaction, each of which must show what it did itself.
fn gather<'h>(
    history: &History,
    reader: usize,
    transaction: &'h Transaction,
    reads: &mut Vec<Read<'h>>,
) -> Result<(), Anomaly> {
    let mut own: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    let mut foreign: BTreeMap<i64, &[i64]> = BTreeMap::new();
    for op in &transaction.ops {
        match op {
            Op::Append { list, value } => own.entry(*list).or_default().push(*value),
            Op::ReadList { list, items } => {
                let own = own.get(list).map(Vec::as_slice).unwrap_or_default();
                let Some(others) = items.strip_suffix(own) else {
                    let told = format!("{} does not see what it appended to {list}", history.name(reader));
                    return anomaly(AnomalyKind::Internal, told);
                };
                let before = foreign.insert(*list, others);
                if has_snapshot(transaction.level) && before.is_some_and(|before| before != others) {
                    let told = format!("{} sees {list} change", history.name(reader));
                    return anomaly(AnomalyKind::Internal, told);
                }
                reads.push(Read { reader, list: *list, items: others });
            }
            Op::Write { .. } | Op::ReadRegister { .. } => {}
        }
    }
    Ok(())
}

/// The order of the appends of each list: the longest that was read.
fn orders(
    history: &History,
    reads: &[Read<'_>],
    end: Option<&Final>,
) -> Result<BTreeMap<i64, Vec<i64>>, Anomaly> {
    let mut orders = history.lists_before.clone();
    let told = reads.iter().map(|read| (read.list, read.items));
    let at_end =
        end.into_iter().flat_map(|end| end.lists.iter().map(|(list, items)| (*list, items.as_slice())));
    for (list, items) in told.chain(at_end) {
        let order = orders.entry(list).or_default();
        if items.len() > order.len() {
            if !items.starts_with(order) {
                return incompatible(list, order, items);
            }
            *order = items.to_vec();
        } else if !order.starts_with(items) {
            return incompatible(list, items, order);
        }
    }
    // What was there stays there.
    for Read { reader, list, items } in reads {
        let before = history.lists_before.get(list).map_or(0, Vec::len);
        if items.len() < before {
            let told = format!("{} does not see what {list} had before all", history.name(*reader));
            return anomaly(AnomalyKind::Lost, told);
        }
    }
    Ok(orders)
}

fn incompatible<T>(list: i64, one: &[i64], other: &[i64]) -> Result<T, Anomaly> {
    anomaly(AnomalyKind::Incompatible, format!("{list} was read as {one:?} and as {other:?}"))
}

/// Who appended the item, and whether it appended more.
fn writer_of(history: &History, writers: &Writers, list: i64, item: i64) -> Result<(usize, bool), Anomaly> {
    let Some((writer, has_more)) = writers.appends.get(&(list, item)).copied() else {
        return anomaly(AnomalyKind::Garbage, format!("{item} stands in {list}, and nobody appended it"));
    };
    if history.transactions.get(writer).is_some_and(|transaction| transaction.fate == Fate::Aborted) {
        let told =
            format!("{item} stands in {list}, and its writer did not commit: {}", history.name(writer));
        return anomaly(AnomalyKind::AbortedRead, told);
    }
    Ok((writer, has_more))
}

/// What was acknowledged stands in its list, once; of a transaction whose end is unknown, all or nothing.
fn nothing_is_lost(history: &History, end: &Final) -> Result<(), Anomaly> {
    for (at, transaction) in history.transactions.iter().enumerate() {
        let mut found = BTreeSet::new();
        for op in &transaction.ops {
            let Op::Append { list, value } = op else { continue };
            let items = end.lists.get(list).map(Vec::as_slice).unwrap_or_default();
            let times = items.iter().filter(|item| *item == value).count();
            let is_lost = times == 0 && transaction.fate == Fate::Committed;
            if times > 1 || is_lost {
                let told = format!("{value} stands {times} times in {list}: {}", history.name(at));
                return anomaly(AnomalyKind::Lost, told);
            }
            found.insert(times);
        }
        if found.len() > 1 {
            return anomaly(AnomalyKind::Lost, format!("a part is there of {}", history.name(at)));
        }
    }
    Ok(())
}
