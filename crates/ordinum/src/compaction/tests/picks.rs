//! The choices of the picker, as text.

use super::*;
use crate::value_log::{ValueLogMeta, ValueShare};
use crate::version::LiveValueLog;

/// ```text
/// pick [quiet] trigger=N busy=N base=BYTES target=BYTES garbage=PERCENT ttl=SECONDS now=SECONDS pin=SEQNO running=NUMBER…
/// range from=LEVEL first=KEY last=KEY
/// level number:first-last/bytes[,deletions=PERCENT][,shadowed=PERCENT][,written=SECONDS][,seqno=N][,values=FILE:BYTES] …
/// values number/bytes …
/// ```
/// `running` names level-0 tables, or a table and what it overlaps one level deeper, that a running compaction claims.
#[test]
fn picks() {
    datadriven::walk("testdata/compaction_picker", |file| {
        file.run(|case| -> String {
            let number = |name: &str, default: u64| {
                case.args.get(name).map_or(default, |values| values[0].parse().unwrap())
            };
            let trigger = number("trigger", 4);
            let options = CompactionOptions {
                style: match case.args.get("ttl") {
                    Some(_) => CompactionStyle::Fifo { time_to_live: Duration::from_secs(number("ttl", 0)) },
                    None => CompactionStyle::Leveled,
                },
                level0_tables_trigger: trigger as usize,
                level0_tables_busy: number("busy", trigger) as usize,
                level_base_bytes: number("base", 1000),
                table_bytes_target: number("target", 800),
                garbage_percent: number("garbage", 1000) as u32,
                values: ValueOptions {
                    garbage_percent: number("values_garbage", 40) as u32,
                    ..options(&mut Rng::with_seed(0)).values
                },
                ..options(&mut Rng::with_seed(0))
            };
            let mut levels = Levels::default();
            let store = store(&MemoryFs::new());
            for line in case.input.lines() {
                let mut words = line.split_whitespace();
                let first = words.next().unwrap();
                if first == "values" {
                    levels.add_values(
                        words.map(|word| LiveValueLog::new(parse_values(word), Arc::clone(&store))),
                    );
                    continue;
                }
                let level: usize = first.parse().unwrap();
                let tables = words.map(|word| (level, LiveTable::new(parse_meta(word), Arc::clone(&store))));
                levels.apply(&[], tables.collect());
            }
            levels.check().unwrap();
            let running = case.args.get("running").cloned().unwrap_or_default();
            let claims = claims(&levels, &running.iter().map(|n| n.parse().unwrap()).collect::<Vec<u64>>());
            let pins = case.args.get("pin").map_or(Vec::new(), |pins| vec![seqno(pins[0].parse().unwrap())]);
            let picked = if case.directive == "pick" {
                let mood = if case.args.contains_key("quiet") { Mood::Quiet } else { Mood::Busy };
                let retention = &Retention::new(pins, seqno(1000));
                let unix_ms = number("now", 0) * 1000;
                let picking = Picking {
                    levels: &levels,
                    options: &options,
                    claims: &claims,
                    mood,
                    retention,
                    hidden_by: None,
                    unix_ms,
                };
                pick(&picking).map(|compaction| (compaction, String::new()))
            } else {
                let (first, last) = (case.args["first"][0].as_bytes(), case.args["last"][0].as_bytes());
                let meets = |smallest: &[u8], largest: &[u8]| smallest <= last && first <= largest;
                pick_range(&levels, &options, number("from", 0) as usize, &meets)
                    .map(|(compaction, next)| (compaction, format!("; then from level {next}")))
            };
            let cleaning = cleaning(&levels, &options);
            match picked {
                Some((compaction, then)) => format!("{}{then}\n{cleaning}", compaction.reason),
                None => format!("nothing\n{cleaning}"),
            }
        });
    });
}

/// A queue of tables that becomes levels leaves thousands in level 0: a range that is asked for took all of them in one merge.
#[test]
fn a_range_takes_no_more_of_level_0_than_a_merge_may_have() {
    let store = store(&MemoryFs::new());
    let mut levels = Levels::default();
    let tables =
        (1..=150).map(|n| (0, LiveTable::new(parse_meta(&format!("{n}:a-z/100")), Arc::clone(&store))));
    levels.apply(&[], tables.collect());
    let options = options(&mut Rng::with_seed(0));
    let mut from = 0;
    let mut taken = Vec::new();
    while let Some((compaction, next)) = pick_range(&levels, &options, from, &|_, _| true) {
        let numbers: Vec<FileNumber> = compaction.inputs.iter().map(|table| table.meta().number).collect();
        taken.push(numbers.len());
        let gone: Vec<(usize, FileNumber)> = compaction
            .inputs
            .iter()
            .map(|table| (compaction.level, table.meta().number))
            .chain(compaction.overlapping.iter().map(|table| (compaction.output_level, table.meta().number)))
            .collect();
        let number = 1000 + taken.len();
        let output = LiveTable::new(parse_meta(&format!("{number}:a-z/100")), Arc::clone(&store));
        levels.apply(&gone, vec![(compaction.output_level, output)]);
        from = next;
    }
    assert!(levels.level(0).is_empty());
    assert_eq!(taken.get(..3), Some(&[64, 64, 22][..]), "the oldest first");
}

/// What is said about the value log below level 0, if there is something to say.
fn cleaning(levels: &Levels, options: &CompactionOptions) -> String {
    let files: Vec<String> =
        given_up(levels, &options.values, 1, 0).iter().map(ToString::to_string).collect();
    if files.is_empty() {
        return String::new();
    }
    format!("gives up {}; behind by {}\n", files.join(" "), cleaning_behind(levels, &options.values))
}

fn parse_values(word: &str) -> ValueLogMeta {
    let (number, bytes) = word.split_once('/').unwrap();
    ValueLogMeta { number: FileNumber(number.parse().unwrap()), bytes: bytes.parse().unwrap(), entries: 100 }
}

fn claims(levels: &Levels, running: &[u64]) -> Vec<Claim> {
    let tables = (0..LEVELS).flat_map(|level| levels.level(level).iter().map(move |table| (level, table)));
    let named = tables.filter(|(_, table)| running.contains(&table.meta().number.0));
    let claimed = named.map(|(level, table)| {
        let (smallest, largest) = crate::version::user_range(table);
        Claim::of(&Compaction {
            level,
            output_level: if level == 0 { 0 } else { level + 1 },
            inputs: vec![Arc::clone(table)],
            overlapping: if level == 0 {
                Vec::new()
            } else {
                levels.overlapping(level + 1, smallest, largest)
            },
            method: Method::Merge,
            reason: String::new(),
        })
    });
    claimed.collect()
}

fn parse_meta(word: &str) -> FileMeta {
    let mut parts = word.split(',');
    let (number, rest) = parts.next().unwrap().split_once(':').unwrap();
    let (range, bytes) = rest.split_once('/').unwrap();
    let (first, last) = range.split_once('-').unwrap();
    let internal = |user_key: &str| {
        let mut key = Vec::new();
        push_internal(&mut key, user_key.as_bytes(), 257);
        key
    };
    let number: u64 = number.parse().unwrap();
    let mut meta = FileMeta {
        number: FileNumber(number),
        bytes: bytes.parse().unwrap(),
        entries: 100,
        smallest: internal(first),
        largest: internal(last),
        min_seqno: seqno(number),
        max_seqno: seqno(number),
        tally: Tally::default(),
        values: Vec::new(),
        range_tombstones: 0,
        origin: None,
    };
    for part in parts {
        let (name, value) = part.split_once('=').unwrap();
        if name == "values" {
            let (file, bytes) = value.split_once(':').unwrap();
            let (file, bytes) = (FileNumber(file.parse().unwrap()), bytes.parse().unwrap());
            meta.values.push(ValueShare { file, entries: 1, bytes });
            continue;
        }
        let value: u64 = value.parse().unwrap();
        match name {
            "deletions" => meta.tally.deletions = value,
            "shadowed" => meta.tally.shadowed = value,
            "written" => meta.tally.written_unix_ms = value * 1000,
            "seqno" => (meta.min_seqno, meta.max_seqno) = (seqno(value), seqno(value)),
            other => panic!("{other}"),
        }
    }
    meta
}
