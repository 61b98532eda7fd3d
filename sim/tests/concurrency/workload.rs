//! What the threads do, and what has to hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

use std::time::Duration;

use ormdb::{Database, Error, ErrorCode, Isolation, Outcome, Params, Result, Retry, Session, Transaction};
use ormdb_sim::history::{Fate, Final, History, Op, Transaction as Recorded};

pub(crate) const SCHEMA: &str = r#"
entity Account {
  id       int64  @id
  balance  int64  @check(balance >= 0)
}
entity Claim {
  id     int64   @id @default(autoincrement())
  email  string  @unique
  owner  int64
}
entity Parent {
  id       int64    @id
  note     int64    @default(0)
  childs   Child[]
  pets     Pet[]
}
entity Child {
  id        int64   @id @default(autoincrement())
  parentId  int64
  parent    Parent  @relation(parentId -> Parent.id)
}
entity Pet {
  id        int64   @id @default(autoincrement())
  parentId  int64
  parent    Parent  @relation(parentId -> Parent.id, onDelete: cascade)
}
entity Counter {
  id  int64  @id
  n   int64
  @@index(n)
}
entity List {
  id     int64    @id
  items  int64[]
}
"#;

const ACCOUNTS: i64 = 12;
const MONEY: i64 = 100;
const EMAILS: usize = 24;
const PARENTS: i64 = 8;
const COUNTERS: i64 = 4;
const LISTS: i64 = 10;

/// What a round came to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) commits: u64,
    pub(crate) reads: u64,
    pub(crate) appends: u64,
    /// Transactions that were given up after all their retries.
    pub(crate) given_up: u64,
    /// Dependencies between transactions that were looked at.
    pub(crate) edges: u64,
    /// How long the threads ran.
    pub(crate) took: Duration,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Tally) {
        self.commits += other.commits;
        self.reads += other.reads;
        self.appends += other.appends;
        self.given_up += other.given_up;
        self.edges += other.edges;
        self.took += other.took;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { commits, reads, appends, given_up, edges, took } = self;
        let seconds = took.as_secs_f64();
        write!(
            f,
            "{seconds:.1} s, {commits} commits, {reads} reads, {appends} appends, {edges} dependencies, {given_up} given up"
        )
    }
}

/// One round: a level, lists and counters of its own, and what is known of them.
pub(crate) struct Round<'d> {
    database: &'d Database,
    level: Isolation,
    /// The first id of the round's lists and counters.
    base: i64,
    owners: Vec<AtomicUsize>,
    counted: Vec<AtomicI64>,
    next_value: AtomicI64,
    /// Numbers what happens.
    moments: AtomicU64,
    history: Mutex<History>,
    commits: AtomicU64,
    reads: AtomicU64,
    given_up: AtomicU64,
}

pub(crate) fn rows(transaction: &mut Transaction, text: &str) -> Result<Vec<serde_json::Value>> {
    match transaction.query(text, &Params::none())? {
        Outcome::Fetched(graph) => Ok(json(&graph)),
        other => panic!("{text} gave {other:?}"),
    }
}

pub(crate) fn json(graph: &ormdb::GraphResult) -> Vec<serde_json::Value> {
    serde_json::from_str::<serde_json::Value>(&graph.to_json().unwrap()).unwrap().as_array().unwrap().clone()
}

fn write(transaction: &mut Transaction, text: &str) -> Result<ormdb::MutationResult> {
    match transaction.query(text, &Params::none())? {
        Outcome::Written(written) => Ok(written),
        other => panic!("{text} gave {other:?}"),
    }
}

pub(crate) fn money_of(rows: &[serde_json::Value]) -> i64 {
    rows.iter().map(|row| row["balance"].as_i64().unwrap()).sum()
}

fn items_of(row: &serde_json::Value) -> Vec<i64> {
    row["items"].as_array().unwrap().iter().map(|item| item.as_i64().unwrap()).collect()
}

fn appends(history: &History) -> u64 {
    let ops = history.transactions.iter().flat_map(|transaction| &transaction.ops);
    ops.filter(|op| matches!(op, Op::Append { .. })).count() as u64
}

/// Moves money, in the way that is right at the level.
pub(crate) fn transfer(transaction: &mut Transaction, from: i64, to: i64, amount: i64) -> Result<()> {
    if transaction.isolation() == Isolation::ReadCommitted {
        write(transaction, &format!("update Account[{from}] set {{ balance -= {amount} }}"))?;
        write(transaction, &format!("update Account[{to}] set {{ balance += {amount} }}"))?;
        return Ok(());
    }
    let both =
        rows(transaction, &format!("Account where id in ({from}, {to}) order by id {{ id, balance }}"))?;
    for row in &both {
        let (id, balance) = (row["id"].as_i64().unwrap(), row["balance"].as_i64().unwrap());
        let balance = if id == from { balance - amount } else { balance + amount };
        write(transaction, &format!("update Account[{id}] set {{ balance: {balance} }}"))?;
    }
    Ok(())
}

/// How the statements of [`family`] may be refused.
pub(crate) const FAMILY_REFUSALS: [ErrorCode; 3] =
    [ErrorCode::UniqueViolation, ErrorCode::ForeignKeyViolation, ErrorCode::RecordNotFound];

/// Statements of a transaction that makes a parent or takes one away, or refers to one.
pub(crate) fn family(random: &mut fastrand::Rng) -> Vec<String> {
    let id = random.i64(0..PARENTS);
    match random.u8(..8) {
        0 => vec![format!("create Parent {{ id: {id} }}")],
        1 => vec![format!("delete Parent[{id}]")],
        2 => vec![format!("delete Child where parentId = {id}"), format!("delete Parent[{id}]")],
        3 => vec![format!("update Parent[{id}] set {{ note += 1, childs: create {{}} }}")],
        4 => {
            vec![format!("create Child {{ parentId: {id} }}"), format!("create Pet {{ parentId: {id} }}")]
        }
        5 => {
            vec![format!("upsert Parent[{id}] create {{ pets: create [{{}}, {{}}] }} update {{ note += 1 }}")]
        }
        6 => {
            vec![format!("Parent[{id}] for key share {{ id }}"), format!("create Pet {{ parentId: {id} }}")]
        }
        _ => vec![format!(
            "update Child where parentId = {id} limit 2 set {{ parentId: {} }}",
            random.i64(0..PARENTS)
        )],
    }
}

/// Makes the accounts, if they are not there.
pub(crate) fn open_accounts(session: &Session) -> i64 {
    for id in 0..ACCOUNTS {
        let text = format!("upsert Account[{id}] create {{ balance: {MONEY} }} update {{}}");
        session.query(&text, &Params::none()).unwrap();
    }
    ACCOUNTS * MONEY
}

pub(crate) const fn accounts() -> i64 {
    ACCOUNTS
}

impl<'d> Round<'d> {
    pub(crate) fn new(database: &'d Database, level: Isolation, round: u64) -> Round<'d> {
        let (session, base) = (database.session(), round as i64 * 100);
        open_accounts(&session);
        session.query("delete Claim", &Params::none()).unwrap();
        for id in base..base + LISTS {
            session.query(&format!("create List {{ id: {id}, items: [] }}"), &Params::none()).unwrap();
        }
        for id in base..base + COUNTERS {
            session.query(&format!("create Counter {{ id: {id}, n: 0 }}"), &Params::none()).unwrap();
        }
        Round {
            database,
            level,
            base,
            owners: (0..EMAILS).map(|_| AtomicUsize::new(0)).collect(),
            counted: (0..COUNTERS).map(|_| AtomicI64::new(0)).collect(),
            next_value: AtomicI64::new(1),
            moments: AtomicU64::new(1),
            history: Mutex::default(),
            commits: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
        }
    }

    /// One transaction of a thread.
    pub(crate) fn step(&self, thread: usize, random: &mut fastrand::Rng) {
        // A third of them read, most of the time.
        if thread.is_multiple_of(3) && random.u8(..) < 200 {
            return self.read(random);
        }
        match random.u8(..10) {
            0 | 1 => self.move_money(random),
            2 => self.claim(thread + 1, random),
            3 | 4 => self.family(random),
            5 | 6 => self.count(random),
            _ => self.append(random),
        }
    }

    /// Runs a body until it commits; says whether it did. Errors that are not expected are violations.
    fn transact(&self, expected: &[ErrorCode], body: impl FnMut(&mut Transaction) -> Result<()>) -> bool {
        let session = self.database.session().with_retry(Retry { retries_max: 64, ..Retry::default() });
        self.ended(session.transact_with(self.level, body), expected)
    }

    fn ended<T>(&self, ended: Result<T>, expected: &[ErrorCode]) -> bool {
        match ended {
            Ok(_) => {
                self.commits.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(Error { code: ErrorCode::SerializationConflict | ErrorCode::Deadlock, .. }) => {
                self.given_up.fetch_add(1, Ordering::Relaxed);
                false
            }
            Err(error) if expected.contains(&error.code) => false,
            Err(error) => panic!("{}: an error that nothing explains: {error:?}", self.level),
        }
    }

    /// Sums are right in every statement, and above read committed in every transaction; children have parents.
    fn read(&self, random: &mut fastrand::Rng) {
        let session = self.database.session();
        let mut transaction = session.begin(self.level, ormdb::Access::ReadOnly).unwrap();
        let mut sums = Vec::new();
        for _ in 0..random.usize(1..4) {
            let read = match random.u8(..4) {
                0 => rows(&mut transaction, "Account order by balance { balance }"),
                1 => rows(&mut transaction, "Account where balance >= 0 { id, balance }"),
                2 => rows(&mut transaction, "group Account { balance: int64(sum(balance)) }"),
                _ => rows(&mut transaction, "Account order by id { balance }"),
            };
            sums.push(money_of(&read.unwrap()));
        }
        assert!(
            sums.iter().all(|sum| *sum == ACCOUNTS * MONEY),
            "{}: money came or went: {sums:?}",
            self.level
        );
        for entity in ["Child", "Pet"] {
            let orphans = rows(&mut transaction, &format!("{entity} {{ id, parent {{ id }} }}")).unwrap();
            let orphan = orphans.iter().find(|row| row["parent"].is_null());
            assert!(orphan.is_none(), "{}: {entity} {orphan:?} has no parent", self.level);
        }
        let emails = rows(&mut transaction, "Claim { email }").unwrap();
        let different: BTreeSet<String> = emails.iter().map(|row| row["email"].to_string()).collect();
        assert_eq!(different.len(), emails.len(), "{}: an address has two owners", self.level);
        transaction.commit().unwrap();
        self.reads.fetch_add(1, Ordering::Relaxed);
    }

    fn move_money(&self, random: &mut fastrand::Rng) {
        let (from, to) = (random.i64(0..ACCOUNTS), random.i64(0..ACCOUNTS));
        if from != to {
            let amount = random.i64(1..40);
            let moved = |transaction: &mut Transaction| transfer(transaction, from, to, amount);
            self.transact(&[ErrorCode::CheckViolation], moved);
        }
    }

    /// Takes an address that is free, or gives back an own one.
    fn claim(&self, me: usize, random: &mut fastrand::Rng) {
        let at = random.usize(..EMAILS);
        let owner = &self.owners[at];
        if owner.load(Ordering::SeqCst) == me {
            // Whoever takes it behind the delete has to find it free.
            owner.store(0, Ordering::SeqCst);
            let gone = self.transact(&[], |transaction| {
                let text = format!("delete Claim[email: \"{at}@x\"] return {{ owner }}");
                let deleted = write(transaction, &text)?;
                assert_eq!(json(&deleted.returned.unwrap())[0]["owner"].as_i64(), Some(me as i64));
                Ok(())
            });
            if !gone {
                owner.store(me, Ordering::SeqCst);
            }
            return;
        }
        let text = format!("create Claim {{ email: \"{at}@x\", owner: {me} }}");
        let taken = if random.bool() {
            self.transact(&[ErrorCode::UniqueViolation], |transaction| write(transaction, &text).map(drop))
        } else {
            let alone = self.database.session().query(&text, &Params::none()).map(drop);
            self.ended(alone, &[ErrorCode::UniqueViolation])
        };
        if taken {
            let before = owner.swap(me, Ordering::SeqCst);
            assert_eq!(before, 0, "{}: {at}@x was taken by {me} and had an owner", self.level);
        }
    }

    /// Parents come and go while others begin to refer to them.
    fn family(&self, random: &mut fastrand::Rng) {
        let texts = family(random);
        self.transact(&FAMILY_REFUSALS, |transaction| {
            texts.iter().try_for_each(|text| transaction.query(text, &Params::none()).map(drop))
        });
    }

    fn count(&self, random: &mut fastrand::Rng) {
        let at = random.usize(..COUNTERS as usize);
        let id = self.base + at as i64;
        let by = random.i64(1..5);
        let counted = match random.u8(..4) {
            0 => {
                let text = format!("update Counter[{id}] set {{ n += {by} }}");
                let alone = self.database.session().query(&text, &Params::none()).map(drop);
                self.ended(alone, &[])
            }
            1 => self.transact(&[], |transaction| {
                let text = format!("Counter[{id}] for update {{ n }}");
                let n = rows(transaction, &text)?[0]["n"].as_i64().unwrap();
                write(transaction, &format!("update Counter[{id}] set {{ n: {} }}", n + by)).map(drop)
            }),
            2 => self.transact(&[], |transaction| {
                let text = format!("upsert Counter[{id}] create {{ n: 0 }} update {{ n += {by} }}");
                write(transaction, &text).map(drop)
            }),
            _ => self.transact(&[], |transaction| {
                transaction.savepoint("s")?;
                write(transaction, &format!("update Counter[{id}] set {{ n: -1 }}"))?;
                transaction.rollback_to("s")?;
                write(transaction, &format!("update Counter[{id}] set {{ n += {by} }}")).map(drop)
            }),
        };
        if counted {
            self.counted[at].fetch_add(by, Ordering::SeqCst);
        }
    }

    fn moment(&self) -> u64 {
        self.moments.fetch_add(1, Ordering::SeqCst)
    }

    /// Reads some lists and appends to some.
    fn append(&self, random: &mut fastrand::Rng) {
        let plan: Vec<(i64, bool)> =
            (0..random.usize(1..5)).map(|_| (self.base + random.i64(0..LISTS), random.bool())).collect();
        let mut ops = Vec::new();
        // Each attempt begins behind the moment that the one before took.
        let (mut began, mut before_next) = (0, self.moment());
        let done = self.transact(&[], |transaction| {
            (began, before_next) = (before_next, self.moment());
            ops.clear();
            for (list, appends) in &plan {
                if *appends {
                    let value = self.next_value.fetch_add(1, Ordering::SeqCst);
                    write(transaction, &format!("update List[{list}] set {{ items: items || [{value}] }}"))?;
                    ops.push(Op::Append { list: *list, value });
                } else {
                    let read = rows(transaction, &format!("List[{list}] {{ items }}"))?;
                    ops.push(Op::ReadList { list: *list, items: items_of(&read[0]) });
                }
            }
            Ok(())
        });
        if done {
            let (ended, level) = (self.moment(), self.level);
            let recorded = Recorded { ops, fate: Fate::Committed, level, began, ended };
            self.history.lock().unwrap().transactions.push(recorded);
        }
    }

    /// Looks at everything, with nobody at work.
    pub(crate) fn verify(self) -> Tally {
        let (session, level) = (self.database.session(), self.level);
        let all = |text: &str| json(&session.fetch(text, &Params::none()).unwrap());
        assert_eq!(money_of(&all("Account { balance }")), ACCOUNTS * MONEY, "{level}: money came or went");
        let owners: BTreeMap<String, usize> = all("Claim { email, owner }")
            .iter()
            .map(|row| (row["email"].as_str().unwrap().to_owned(), row["owner"].as_i64().unwrap() as usize))
            .collect();
        for (at, owner) in self.owners.iter().enumerate() {
            let found = owners.get(&format!("{at}@x")).copied().unwrap_or(0);
            assert_eq!(found, owner.load(Ordering::SeqCst), "{level}: who owns {at}@x");
        }
        for (at, counted) in self.counted.iter().enumerate() {
            let row = &all(&format!("Counter[{}] {{ n }}", self.base + at as i64))[0];
            assert_eq!(row["n"].as_i64(), Some(counted.load(Ordering::SeqCst)), "{level}: counter {at}");
        }
        let lists: BTreeMap<i64, Vec<i64>> = (self.base..self.base + LISTS)
            .map(|id| (id, items_of(&all(&format!("List[{id}] {{ items }}"))[0])))
            .collect();
        let history = self.history.into_inner().unwrap();
        let end = Final { lists, registers: BTreeMap::new() };
        let checked = history.check(Some(&end)).unwrap_or_else(|violation| panic!("{level}: {violation}"));
        let report = self.database.check(10).unwrap();
        assert_eq!(report.findings_total, 0, "{level}: {:?}", report.findings);
        let stats = self.database.engine_stats().locks;
        assert_eq!((stats.keys, stats.ranges, stats.waiting), (0, 0, 0), "{level}: locks that nobody holds");
        Tally {
            commits: self.commits.into_inner(),
            reads: self.reads.into_inner(),
            appends: appends(&history),
            given_up: self.given_up.into_inner(),
            edges: checked.edges,
            took: Duration::ZERO,
        }
    }
}
