//! What reads of registers tell. The order of their values is known in part: all come behind the first one, what somebody writes
//! behind what he read, and what was written behind what was there in time.

use std::collections::{BTreeMap, BTreeSet};

use super::cycles::{Graph, Kind};
use super::{Anomaly, AnomalyKind, Fate, Final, History, Op, Transaction, Writers, anomaly, has_snapshot};

/// What the registers had before all.
const BEFORE: Option<usize> = None;

/// A value of a register, by who wrote it; none of what was there before all.
type Version = Option<usize>;

/// Checks all reads of registers, and adds what follows of them.
pub(super) fn check(
    history: &History,
    writers: &Writers,
    end: Option<&Final>,
    graph: &mut Graph,
    seen: &mut BTreeSet<usize>,
) -> Result<(), Anomaly> {
    // By register: who read which version, and the versions that are known to follow one.
    let mut reads: BTreeMap<i64, Vec<(usize, Version)>> = BTreeMap::new();
    let mut follow: BTreeMap<i64, BTreeSet<(Version, usize)>> = BTreeMap::new();
    for (at, transaction) in history.transactions.iter().enumerate() {
        if transaction.fate != Fate::Committed {
            continue;
        }
        for (register, read, wrote) in foreign_reads(history, at, transaction)? {
            let version = version_of(history, writers, at, register, read)?;
            seen.extend(version);
            reads.entry(register).or_default().push((at, version));
            if wrote {
                follow.entry(register).or_default().insert((version, at));
            }
        }
    }
    if let Some(end) = end {
        for (register, value) in &end.registers {
            seen.extend(version_of(history, writers, usize::MAX, *register, Some(*value))?);
        }
        nothing_is_lost(history, writers, end)?;
    }
    lost_updates(history, &follow)?;
    in_time(history, writers, &mut follow);
    for (register, follow) in &follow {
        for (before, behind) in follow {
            if let Some(before) = before {
                graph.add(*before, *behind, Kind::Ww);
            }
            let readers = reads.get(register).into_iter().flatten().filter(|(_, version)| version == before);
            for (reader, _) in readers {
                graph.add(*reader, *behind, Kind::Rw);
            }
        }
    }
    for (reader, version) in reads.values().flatten() {
        if let Some(writer) = version {
            graph.add(*writer, *reader, Kind::Wr);
        }
    }
    Ok(())
}

/// What a transaction read of registers before it wrote them, and whether it wrote them later.
fn foreign_reads(
    history: &History,
    at: usize,
    transaction: &Transaction,
) -> Result<Vec<(i64, Option<i64>, bool)>, Anomaly> {
    let mut own: BTreeMap<i64, i64> = BTreeMap::new();
    let mut foreign: BTreeMap<i64, Vec<Option<i64>>> = BTreeMap::new();
    for op in &transaction.ops {
        match op {
            Op::Write { register, value } => {
                own.insert(*register, *value);
            }
            Op::ReadRegister { register, value } => match own.get(register) {
                Some(own) if Some(*own) != *value => {
                    let told = format!("{} does not see what it gave {register}", history.name(at));
                    return anomaly(AnomalyKind::Internal, told);
                }
                Some(_) => {}
                None => foreign.entry(*register).or_default().push(*value),
            },
            Op::Append { .. } | Op::ReadList { .. } => {}
        }
    }
    let mut reads = Vec::new();
    for (register, mut values) in foreign {
        values.dedup();
        if values.len() > 1 && has_snapshot(transaction.level) {
            return anomaly(AnomalyKind::Internal, format!("{} sees {register} change", history.name(at)));
        }
        // Somebody who sees each statement's own state replaces what is there when it writes, whatever it read.
        let wrote = own.contains_key(&register) && has_snapshot(transaction.level);
        reads.extend(values.into_iter().map(|value| (register, value, wrote)));
    }
    Ok(reads)
}

/// Who wrote what was read.
fn version_of(
    history: &History,
    writers: &Writers,
    reader: usize,
    register: i64,
    value: Option<i64>,
) -> Result<Version, Anomaly> {
    if value == history.registers_before.get(&register).copied() {
        return Ok(BEFORE);
    }
    let Some(value) = value else {
        return anomaly(AnomalyKind::Lost, format!("{} does not find {register}", history.name(reader)));
    };
    let Some((writer, again)) = writers.writes.get(&(register, value)).copied() else {
        let told = format!("{register} has {value}, and nobody wrote it");
        return anomaly(AnomalyKind::Garbage, told);
    };
    if history.transactions.get(writer).is_some_and(|transaction| transaction.fate == Fate::Aborted) {
        let told = format!("{register} has {value}, whose writer did not commit: {}", history.name(writer));
        return anomaly(AnomalyKind::AbortedRead, told);
    }
    if again {
        let told = format!("{register} has {value}, which its writer replaced: {}", history.name(writer));
        return anomaly(AnomalyKind::IntermediateRead, told);
    }
    Ok(Some(writer))
}

/// Two that read the same version and both replaced it: the second has lost what the first did.
fn lost_updates(
    history: &History,
    follow: &BTreeMap<i64, BTreeSet<(Version, usize)>>,
) -> Result<(), Anomaly> {
    for (register, follow) in follow {
        let mut replaced: BTreeMap<Version, usize> = BTreeMap::new();
        for (version, by) in follow {
            if let Some(other) = replaced.insert(*version, *by) {
                let told = format!(
                    "{} and {} replaced the same value of {register}",
                    history.name(other),
                    history.name(*by)
                );
                return anomaly(AnomalyKind::LostUpdate, told);
            }
        }
    }
    Ok(())
}

/// Whoever began to write when another had ended replaced what that one wrote, or what came behind it.
fn in_time(history: &History, writers: &Writers, follow: &mut BTreeMap<i64, BTreeSet<(Version, usize)>>) {
    let mut by_register: BTreeMap<i64, BTreeSet<usize>> = BTreeMap::new();
    for ((register, _), (writer, _)) in &writers.writes {
        if history.transactions.get(*writer).is_some_and(|t| t.fate == Fate::Committed) {
            by_register.entry(*register).or_default().insert(*writer);
        }
    }
    for (register, writers) in by_register {
        let follow = follow.entry(register).or_default();
        for behind in &writers {
            follow.insert((BEFORE, *behind));
            let Some(began) = history.transactions.get(*behind).map(|t| t.began) else { continue };
            for before in &writers {
                if history.transactions.get(*before).is_some_and(|t| t.ended < began) {
                    follow.insert((Some(*before), *behind));
                }
            }
        }
    }
}

/// Each register has what somebody gave it last, and of an acknowledged write something is there.
fn nothing_is_lost(history: &History, writers: &Writers, end: &Final) -> Result<(), Anomaly> {
    for (register, value) in writers.writes.keys() {
        let writer = writers.writes.get(&(*register, *value)).map(|(writer, _)| *writer);
        let is_committed =
            |at: usize| history.transactions.get(at).is_some_and(|t| t.fate == Fate::Committed);
        let now = end.registers.get(register);
        if writer.is_some_and(is_committed)
            && (now.is_none() || now == history.registers_before.get(register))
        {
            return anomaly(AnomalyKind::Lost, format!("{register} was given {value}, and has {now:?}"));
        }
        // What was replaced for certain does not come back.
        let Some(last) = now.and_then(|now| writers.writes.get(&(*register, *now))) else { continue };
        let (Some(last), Some(this)) =
            (history.transactions.get(last.0), writer.and_then(|writer| history.transactions.get(writer)))
        else {
            continue;
        };
        if this.fate == Fate::Committed && last.fate == Fate::Committed && this.began > last.ended {
            return anomaly(AnomalyKind::Lost, format!("{register} was given {value}, and has {now:?}"));
        }
    }
    Ok(())
}
