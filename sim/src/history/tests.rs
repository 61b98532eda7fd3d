//! The anomalies that are known, each as the shortest history that has it, and histories that look like them and have none.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "test")]

use super::*;

/// A transaction a line: level, when it began and ended, how it ended (`ok`, `no`, `?`), and what it did: `a1=5` appends 5 to list
/// 1, `l1=4,5` reads it, `w1=5` gives register 1 a value, `r1=5` reads it, `r1=-` does not find it. A line `end` has what was
/// there in the end, `before` what was at the beginning.
fn check(text: &str) -> Result<Checked, AnomalyKind> {
    let mut history = History::default();
    let mut end = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap();
        if first == "before" || first == "end" {
            let mut state = Final::default();
            for op in words.map(parsed) {
                match op {
                    Op::ReadList { list, items } => {
                        state.lists.insert(list, items);
                    }
                    Op::ReadRegister { register, value } => {
                        state.registers.insert(register, value.unwrap());
                    }
                    other => panic!("{other}"),
                }
            }
            if first == "end" {
                end = Some(state);
            } else {
                (history.lists_before, history.registers_before) = (state.lists, state.registers);
            }
            continue;
        }
        let level = match first {
            "rc" => Isolation::ReadCommitted,
            "si" => Isolation::Snapshot,
            "ser" => Isolation::Serializable,
            other => panic!("{other}"),
        };
        let (began, ended) = words.next().unwrap().split_once('-').unwrap();
        let fate = match words.next().unwrap() {
            "ok" => Fate::Committed,
            "no" => Fate::Aborted,
            "?" => Fate::Unknown,
            other => panic!("{other}"),
        };
        let (began, ended) = (began.parse().unwrap(), ended.parse().unwrap());
        history.transactions.push(Transaction {
            ops: words.map(parsed).collect(),
            fate,
            level,
            began,
            ended,
        });
    }
    history.check(end.as_ref()).map_err(|anomaly| {
        println!("{anomaly}");
        anomaly.kind
    })
}

fn parsed(word: &str) -> Op {
    let (place, value) = word.split_once('=').unwrap();
    let (kind, at) = place.split_at(1);
    let at: i64 = at.parse().unwrap();
    let number = || value.parse().unwrap();
    match kind {
        "a" => Op::Append { list: at, value: number() },
        "l" => {
            let items = value.split(',').filter(|item| !item.is_empty());
            Op::ReadList { list: at, items: items.map(|item| item.parse().unwrap()).collect() }
        }
        "w" => Op::Write { register: at, value: number() },
        "r" => Op::ReadRegister { register: at, value: (value != "-").then(number) },
        other => panic!("{other}"),
    }
}

fn finds(kind: AnomalyKind, text: &str) {
    assert_eq!(check(text), Err(kind), "{text}");
}

fn passes(text: &str) {
    if let Err(kind) = check(text) {
        panic!("{kind:?} was found in {text}");
    }
}

#[test]
fn a_history_in_order_passes() {
    passes(
        "before l1=7 r1=3
         ser 1-2 ok a1=10 l1=7,10 w1=4
         ser 3-4 ok l1=7,10 r1=4 a1=11 a1=12
         rc 5-6 no a1=13
         si 7-8 ok l1=7,10,11,12 r1=4
         end l1=7,10,11,12 r1=4",
    );
}

#[test]
fn values_come_from_those_who_committed() {
    finds(AnomalyKind::AbortedRead, "rc 1-4 no a1=10\n rc 2-3 ok l1=10");
    finds(AnomalyKind::AbortedRead, "rc 1-4 no w1=10\n rc 2-3 ok r1=10");
    finds(AnomalyKind::Garbage, "rc 2-3 ok l1=10");
    finds(AnomalyKind::Garbage, "rc 2-3 ok r1=10");
    finds(AnomalyKind::IntermediateRead, "rc 1-4 ok a1=10 a1=11\n rc 2-3 ok l1=10\n rc 5-6 ok l1=10,11");
    finds(AnomalyKind::IntermediateRead, "rc 1-4 ok w1=10 w1=11\n rc 2-3 ok r1=10");
    finds(AnomalyKind::NotUnique, "rc 1-4 ok a1=10 a1=10");
}

#[test]
fn a_transaction_sees_what_it_did_and_one_state() {
    finds(AnomalyKind::Internal, "rc 1-2 ok a1=10 l1=");
    finds(AnomalyKind::Internal, "ser 1-2 ok w1=10 r1=-");
    finds(AnomalyKind::Internal, "si 1-9 ok l1= l1=10\n ser 2-3 ok a1=10");
    finds(AnomalyKind::Internal, "si 1-9 ok r1=- r1=10\n ser 2-3 ok w1=10");
    passes("rc 1-9 ok l1= l1=10\n ser 2-3 ok a1=10");
}

#[test]
fn a_list_has_one_order() {
    finds(
        AnomalyKind::Incompatible,
        "ser 1-9 ok a1=10\n ser 1-9 ok a1=11\n ser 1-9 ok l1=10,11\n ser 1-9 ok l1=11,10",
    );
}

#[test]
fn what_was_acknowledged_is_there_in_the_end() {
    finds(AnomalyKind::Lost, "ser 1-2 ok a1=10\n end l1=");
    finds(AnomalyKind::Lost, "ser 1-2 ok w1=10\n end");
    finds(AnomalyKind::Lost, "ser 1-2 ok w1=10\n ser 3-4 ok w1=11\n end r1=10");
    finds(AnomalyKind::Lost, "before l1=5\n ser 1-2 ok l1=");
    passes("ser 1-2 ? a1=10\n end l1=");
    passes("ser 1-2 ? a1=10\n ser 3-4 ok l1=10\n end l1=10");
}

#[test]
fn of_one_whose_end_is_unknown_all_is_there_or_nothing() {
    finds(AnomalyKind::Lost, "ser 1-2 ? a1=10 a2=20\n end l1=10 l2=");
}

/// G0: two lists have the writes of two in different orders.
#[test]
fn writes_make_no_circle() {
    finds(AnomalyKind::WriteCycle, "rc 1-9 ok a1=10 a2=20\n rc 1-9 ok a1=11 a2=21\n end l1=10,11 l2=21,20");
}

/// G1c: each has seen what the other did.
#[test]
fn what_is_known_makes_no_circle() {
    finds(AnomalyKind::InformationCycle, "rc 1-9 ok a1=10 l2=20\n rc 1-9 ok a2=20 l1=10");
    finds(AnomalyKind::InformationCycle, "rc 1-9 ok w1=10 r2=20\n rc 1-9 ok w2=20 r1=10");
}

/// G-single: it sees one write of another, and lacks the second one.
#[test]
fn a_snapshot_has_all_of_another_or_nothing() {
    let skewed = |level: &str| format!("ser 1-9 ok a1=10 a2=20\n {level} 1-9 ok l1=10 l2=\n end l1=10 l2=20");
    finds(AnomalyKind::SnapshotCycle, &skewed("si"));
    finds(AnomalyKind::SnapshotCycle, &skewed("ser"));
    passes(&skewed("rc"));
}

/// A long fork: two see the writes of two others in different orders. Snapshots are of one order.
#[test]
fn snapshots_do_not_fork() {
    finds(
        AnomalyKind::SnapshotCycle,
        "ser 1-9 ok a1=10\n ser 1-9 ok a2=20\n si 1-9 ok l1=10 l2=\n si 1-9 ok l1= l2=20\n end l1=10 l2=20",
    );
}

/// G2: write skew. Each reads what the other replaces.
#[test]
fn a_write_skew_is_of_snapshots() {
    let skew = |level: &str| format!("{level} 1-9 ok l1= a2=20\n {level} 1-9 ok l2= a1=10\n end l1=10 l2=20");
    finds(AnomalyKind::SerializationCycle, &skew("ser"));
    passes(&skew("si"));
    passes(&skew("rc"));
    let skew = |level: &str| {
        format!("before r1=1 r2=2\n {level} 1-9 ok r1=1 w2=20\n {level} 1-9 ok r2=2 w1=10\n end r1=10 r2=20")
    };
    finds(AnomalyKind::SerializationCycle, &skew("ser"));
    passes(&skew("si"));
}

/// A circle that needs a reader alone: Fekete, O'Neil and O'Neil, "A Read-Only Transaction Anomaly Under Snapshot Isolation".
#[test]
fn one_who_only_reads_can_close_a_circle() {
    let history = |level: &str| {
        format!(
            "{level} 1-9 ok l1= l2= a1=10
             {level} 2-3 ok l2= a2=20
             {level} 4-5 ok l1= l2=20
             end l1=10 l2=20"
        )
    };
    finds(AnomalyKind::SerializationCycle, &history("ser"));
    passes(&history("si"));
}

/// P4: both have read the value that both replace.
#[test]
fn an_update_is_not_lost() {
    let lost = |level: &str| {
        format!("before r1=1\n {level} 1-9 ok r1=1 w1=10\n {level} 1-9 ok r1=1 w1=11\n end r1=11")
    };
    finds(AnomalyKind::LostUpdate, &lost("si"));
    finds(AnomalyKind::LostUpdate, &lost("ser"));
    passes(&lost("rc"));
    // In a list, the second comes behind the first, and has not seen it.
    finds(AnomalyKind::SnapshotCycle, "si 1-9 ok l1= a1=10\n si 1-9 ok l1= a1=11\n end l1=10,11");
    passes("rc 1-9 ok l1= a1=10\n rc 1-9 ok l1= a1=11\n end l1=10,11");
}

/// Who begins behind a commit sees it.
#[test]
fn time_goes_forward() {
    finds(AnomalyKind::SnapshotCycle, "ser 1-2 ok a1=10\n si 3-4 ok l1=\n end l1=10");
    finds(AnomalyKind::SnapshotCycle, "ser 1-2 ok w1=10\n ser 3-4 ok r1=-\n end r1=10");
    passes("ser 1-3 ok a1=10\n si 2-4 ok l1=\n end l1=10");
}

/// The graph is as long as the history, and nothing recurses.
#[test]
fn a_long_history_is_checked() {
    let mut history = History::default();
    for at in 0..5_000 {
        let ops = vec![
            Op::ReadList { list: at % 7, items: (0..at / 7).map(|turn| turn * 7 + at % 7).collect() },
            Op::Append { list: at % 7, value: at },
            Op::Write { register: at % 40, value: at },
        ];
        let began = at.unsigned_abs() * 2;
        history.transactions.push(Transaction {
            ops,
            fate: Fate::Committed,
            level: Isolation::Serializable,
            began,
            ended: began + 1,
        });
    }
    let checked = history.check(None).unwrap();
    assert_eq!(checked.transactions, 5_000);
    assert!(checked.edges > 10_000, "{checked:?}");
}
