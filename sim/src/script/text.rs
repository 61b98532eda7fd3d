//! Scripts as text: a line for each operation, words with a space between them; `#` begins a comment.
//!
//! ```text
//! open buffer=4096 trigger=2
//! write synced put:0:k12:v7x30 del:1:k3 range:0:k1:k5
//! crash torn:77 states=3
//! ```

use std::fmt::{self, Write as _};
use std::str::{FromStr, SplitAsciiWhitespace};

use super::{
    Edge, Effect, End, Key, Kind, Lasting, Move, Op, Range, ReadTrouble, Script, Trouble, Value, Way, Write,
};
use crate::settings::Settings;

type Parsed<T> = Result<T, String>;

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ops.iter().try_for_each(|op| writeln!(f, "{}", op.to_string().trim_end()))
    }
}

impl FromStr for Script {
    type Err = String;

    fn from_str(text: &str) -> Parsed<Script> {
        let lines = text.lines().enumerate().filter(|(_, line)| {
            let line = line.trim();
            !line.is_empty() && !line.starts_with('#')
        });
        let ops = lines.map(|(at, line)| parse_op(line).map_err(|error| format!("line {}: {error}", at + 1)));
        Ok(Script { ops: ops.collect::<Parsed<_>>()? })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.number, self.padded) {
            (None, _) => f.write_str("k"),
            (Some(number), 0) => write!(f, "k{number}"),
            (Some(number), padded) => write!(f, "k{number}x{padded}"),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}x{}", self.seed, self.len)
    }
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Write { family, key, effect } = self;
        match effect {
            Effect::Put(value) => write!(f, "put:{family}:{key}:{value}"),
            Effect::Delete => write!(f, "del:{family}:{key}"),
            Effect::Merge(value) => write!(f, "merge:{family}:{key}:{value}"),
            Effect::DeleteRange(end) => write!(f, "range:{family}:{key}:{end}"),
        }
    }
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Edge::Open => f.write_str("-"),
            Edge::At(key) => write!(f, "{key}"),
            Edge::Beside(key) => write!(f, "!{key}"),
        }
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Move::First => f.write_str("first"),
            Move::Last => f.write_str("last"),
            Move::Next => f.write_str("next"),
            Move::Prev => f.write_str("prev"),
            Move::Seek(key) => write!(f, "seek:{key}"),
            Move::SeekBack(key) => write!(f, "back:{key}"),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Killed => f.write_str("killed"),
            End::Lost => f.write_str("lost"),
            End::Torn(seed) => write!(f, "torn:{seed}"),
        }
    }
}

/// The words of enums without contents, for both directions.
trait Word: Sized + Copy + PartialEq + 'static {
    const WORDS: &'static [(&'static str, Self)];

    fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, value)| *value == self).map_or("", |(word, _)| word)
    }

    fn of(word: &str) -> Parsed<Self> {
        let found = Self::WORDS.iter().find(|(known, _)| *known == word);
        found.map(|(_, value)| *value).ok_or_else(|| format!("{word} is none of these words"))
    }
}

impl Word for Lasting {
    const WORDS: &'static [(&'static str, Lasting)] =
        &[("synced", Lasting::Synced), ("buffered", Lasting::Buffered), ("interval", Lasting::Interval)];
}

impl Word for Way {
    const WORDS: &'static [(&'static str, Way)] = &[("forward", Way::Forward), ("back", Way::Back)];
}

impl Word for Kind {
    const WORDS: &'static [(&'static str, Kind)] =
        &[("serializable", Kind::Serializable), ("snapshot", Kind::Snapshot), ("locking", Kind::Locking)];
}

impl Word for Trouble {
    const WORDS: &'static [(&'static str, Trouble)] =
        &[("power", Trouble::Power), ("io", Trouble::Io), ("full", Trouble::Full), ("sync", Trouble::Sync)];
}

fn join<T: ToString>(words: impl IntoIterator<Item = T>) -> String {
    words.into_iter().fold(String::new(), |mut line, word| {
        line.push(' ');
        line.push_str(&word.to_string());
        line
    })
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Op::Open(settings) => write!(f, "open {settings}"),
            Op::Write { lasting, gap, writes } => {
                let gap = if *gap > 0 { format!(" gap={gap}") } else { String::new() };
                write!(f, "write {}{gap}{}", lasting.word(), join(writes))
            }
            Op::Begin { slot, kind } => write!(f, "begin {slot} {}", kind.word()),
            Op::Tx { slot, writes } => write!(f, "tx {slot}{}", join(writes)),
            Op::Undo { slot, writes } => write!(f, "undo {slot}{}", join(writes)),
            Op::Look { slot, family, keys } => write!(f, "look {slot} {family}{}", join(keys)),
            Op::Walk { slot, family, way } => write!(f, "walk {slot} {family} {}", way.word()),
            Op::Commit { slot, lasting } => write!(f, "commit {slot} {}", lasting.word()),
            Op::Rollback { slot } => write!(f, "rollback {slot}"),
            Op::Ingest { family, cut, rows } => {
                let rows = rows.iter().map(|(key, value)| format!("{key}:{value}"));
                write!(f, "ingest {family} {cut}{}", join(rows))
            }
            Op::Snapshot { slot } => write!(f, "snapshot {slot}"),
            Op::Release { slot } => write!(f, "release {slot}"),
            Op::Get { slot, family, keys } => write!(f, "get {slot} {family}{}", join(keys)),
            Op::Scan { slot, family, way } => write!(f, "scan {slot} {family} {}", way.word()),
            Op::Cursor { cursor, slot, family, range } => {
                write!(f, "cursor {cursor} {slot} {family} {} {}", range.start, range.end)
            }
            Op::Move { cursor, moves } => write!(f, "move {cursor}{}", join(moves)),
            Op::Flush { family } => write!(f, "flush {family}"),
            Op::FlushAll => f.write_str("flush-all"),
            Op::Compact { family, range } => write!(f, "compact {family} {} {}", range.start, range.end),
            Op::Work { steps } => write!(f, "work {steps}"),
            Op::Set { family, settings } => write!(f, "set {family} {settings}"),
            Op::Replace { family } => write!(f, "replace {family}"),
            Op::Checkpoint(settings) => write!(f, "checkpoint {settings}"),
            Op::Past { back, family } => write!(f, "past {back} {family}"),
            Op::Follow => f.write_str("follow"),
            Op::Verify => f.write_str("verify"),
            Op::Wait { ms } => write!(f, "wait {ms}"),
            Op::Arm { after, trouble, end } => write!(f, "arm {after} {} {end}", trouble.word()),
            Op::ArmRead { after, trouble } => match trouble {
                ReadTrouble::Io => write!(f, "arm-read {after} io"),
                ReadTrouble::Short => write!(f, "arm-read {after} short"),
                ReadTrouble::Flip(bit) => write!(f, "arm-read {after} flip:{bit}"),
            },
            Op::Crash { end, states, again, settings } => {
                write!(f, "crash {end}")?;
                if *states > 0 {
                    write!(f, " states={states}")?;
                }
                if *again > 0 {
                    write!(f, " again={again}")?;
                }
                f.write_char(' ')?;
                write!(f, "{settings}")
            }
        }
    }
}

/// The words of a line.
struct Words<'a> {
    words: std::iter::Peekable<SplitAsciiWhitespace<'a>>,
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Parsed<&'a str> {
        self.words.next().ok_or_else(|| "a word is missing".to_owned())
    }

    fn number<T: FromStr>(&mut self) -> Parsed<T> {
        number(self.next()?)
    }

    /// The number behind `name`, or zero if the next word is another.
    fn named<T: FromStr + Default>(&mut self, name: &str) -> Parsed<T> {
        let value = self.words.peek().and_then(|word| word.strip_prefix(name)?.strip_prefix('='));
        let Some(value) = value else { return Ok(T::default()) };
        self.words.next();
        number(value)
    }

    fn rest<T>(&mut self, parse: impl Fn(&str) -> Parsed<T>) -> Parsed<Vec<T>> {
        self.words.by_ref().map(parse).collect()
    }

    fn settings(&mut self) -> Parsed<Settings> {
        Settings::parse(self.words.by_ref())
    }

    fn range(&mut self) -> Parsed<Range> {
        Ok(Range { start: edge(self.next()?)?, end: edge(self.next()?)? })
    }
}

fn number<T: FromStr>(word: &str) -> Parsed<T> {
    word.parse().map_err(|_| format!("{word} is no such number"))
}

/// A number, and the one behind an `x`, or zero.
fn pair<A: FromStr, B: FromStr + Default>(word: &str) -> Parsed<(A, B)> {
    match word.split_once('x') {
        Some((first, second)) => Ok((number(first)?, number(second)?)),
        None => Ok((number(word)?, B::default())),
    }
}

fn key(word: &str) -> Parsed<Key> {
    let inner = word.strip_prefix('k').ok_or_else(|| format!("{word} is no key"))?;
    if inner.is_empty() {
        return Ok(Key { number: None, padded: 0 });
    }
    let (number, padded) = pair(inner)?;
    Ok(Key { number: Some(number), padded })
}

fn value(word: &str) -> Parsed<Value> {
    let (seed, len) = pair(word.strip_prefix('v').ok_or_else(|| format!("{word} is no value"))?)?;
    Ok(Value { seed, len })
}

fn edge(word: &str) -> Parsed<Edge> {
    match (word, word.strip_prefix('!')) {
        ("-", _) => Ok(Edge::Open),
        (_, Some(outside)) => key(outside).map(Edge::Beside),
        _ => key(word).map(Edge::At),
    }
}

fn write(word: &str) -> Parsed<Write> {
    let mut parts = word.split(':');
    let mut next = || parts.next().ok_or_else(|| format!("{word} is no write"));
    let (what, family, at) = (next()?, number(next()?)?, key(next()?)?);
    let effect = match what {
        "put" => Effect::Put(value(next()?)?),
        "merge" => Effect::Merge(value(next()?)?),
        "del" => Effect::Delete,
        "range" => Effect::DeleteRange(key(next()?)?),
        _ => return Err(format!("{word} is no write")),
    };
    Ok(Write { family, key: at, effect })
}

fn row(word: &str) -> Parsed<(Key, Value)> {
    let (at, written) = word.split_once(':').ok_or_else(|| format!("{word} is no row"))?;
    Ok((key(at)?, value(written)?))
}

fn a_move(word: &str) -> Parsed<Move> {
    match (word, word.split_once(':')) {
        ("first", _) => Ok(Move::First),
        ("last", _) => Ok(Move::Last),
        ("next", _) => Ok(Move::Next),
        ("prev", _) => Ok(Move::Prev),
        (_, Some(("seek", at))) => key(at).map(Move::Seek),
        (_, Some(("back", at))) => key(at).map(Move::SeekBack),
        _ => Err(format!("{word} is no move")),
    }
}

fn end(word: &str) -> Parsed<End> {
    match (word, word.strip_prefix("torn:")) {
        ("killed", _) => Ok(End::Killed),
        ("lost", _) => Ok(End::Lost),
        (_, Some(seed)) => number(seed).map(End::Torn),
        _ => Err(format!("{word} is no end")),
    }
}

fn read_trouble(word: &str) -> Parsed<ReadTrouble> {
    match (word, word.strip_prefix("flip:")) {
        ("io", _) => Ok(ReadTrouble::Io),
        ("short", _) => Ok(ReadTrouble::Short),
        (_, Some(bit)) => number(bit).map(ReadTrouble::Flip),
        _ => Err(format!("{word} is no trouble of a read")),
    }
}

fn parse_op(line: &str) -> Parsed<Op> {
    let mut words = Words { words: line.split_ascii_whitespace().peekable() };
    let w = &mut words;
    let op = match w.next()? {
        "open" => Op::Open(w.settings()?),
        "write" => {
            let lasting = Lasting::of(w.next()?)?;
            Op::Write { lasting, gap: w.named("gap")?, writes: w.rest(write)? }
        }
        "begin" => Op::Begin { slot: w.number()?, kind: Kind::of(w.next()?)? },
        "tx" => Op::Tx { slot: w.number()?, writes: w.rest(write)? },
        "undo" => Op::Undo { slot: w.number()?, writes: w.rest(write)? },
        "look" => Op::Look { slot: w.number()?, family: w.number()?, keys: w.rest(key)? },
        "walk" => Op::Walk { slot: w.number()?, family: w.number()?, way: Way::of(w.next()?)? },
        "commit" => Op::Commit { slot: w.number()?, lasting: Lasting::of(w.next()?)? },
        "rollback" => Op::Rollback { slot: w.number()? },
        "ingest" => Op::Ingest { family: w.number()?, cut: w.number()?, rows: w.rest(row)? },
        "snapshot" => Op::Snapshot { slot: w.number()? },
        "release" => Op::Release { slot: w.number()? },
        "get" => Op::Get { slot: w.number()?, family: w.number()?, keys: w.rest(key)? },
        "scan" => Op::Scan { slot: w.number()?, family: w.number()?, way: Way::of(w.next()?)? },
        "cursor" => {
            let (cursor, slot, family) = (w.number()?, w.number()?, w.number()?);
            Op::Cursor { cursor, slot, family, range: w.range()? }
        }
        "move" => Op::Move { cursor: w.number()?, moves: w.rest(a_move)? },
        "flush" => Op::Flush { family: w.number()? },
        "flush-all" => Op::FlushAll,
        "compact" => Op::Compact { family: w.number()?, range: w.range()? },
        "work" => Op::Work { steps: w.number()? },
        "set" => Op::Set { family: w.number()?, settings: w.settings()? },
        "replace" => Op::Replace { family: w.number()? },
        "checkpoint" => Op::Checkpoint(w.settings()?),
        "past" => Op::Past { back: w.number()?, family: w.number()? },
        "follow" => Op::Follow,
        "verify" => Op::Verify,
        "wait" => Op::Wait { ms: w.number()? },
        "arm" => Op::Arm { after: w.number()?, trouble: Trouble::of(w.next()?)?, end: end(w.next()?)? },
        "arm-read" => Op::ArmRead { after: w.number()?, trouble: read_trouble(w.next()?)? },
        "crash" => {
            let end = end(w.next()?)?;
            let (states, again) = (w.named("states")?, w.named("again")?);
            Op::Crash { end, states, again, settings: w.settings()? }
        }
        other => return Err(format!("{other} is no operation")),
    };
    match words.words.next() {
        Some(word) => Err(format!("{word} is too much")),
        None => Ok(op),
    }
}
