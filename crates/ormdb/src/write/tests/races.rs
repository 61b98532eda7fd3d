//! Concurrent writers: no duplicate owners, no orphans, no lost updates.

use ormdb_proto::ErrorCode;

use super::bench::Bench;

const THREADS: usize = 8;

/// Runs `work` on eight threads, each with its number and a seeded generator.
fn race(bench: &Bench, seed: u64, work: impl Fn(&Bench, usize, &mut fastrand::Rng) + Sync) {
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let work = &work;
            scope.spawn(move || {
                let salt = u64::try_from(thread).unwrap();
                work(bench, thread, &mut fastrand::Rng::with_seed(seed ^ salt));
            });
        }
    });
}

#[test]
fn one_claims_each_address() {
    let bench = Bench::new(
        "entity User {\n  id int64 @id @default(autoincrement())\n  email string @unique\n  owner int32\n}",
    );
    let claimed: Vec<std::sync::atomic::AtomicUsize> = (0..60).map(|_| 0.into()).collect();
    race(&bench, 1, |bench, thread, rng| {
        let mut order: Vec<usize> = (0..60).collect();
        rng.shuffle(&mut order);
        for n in order {
            match bench.retried(&format!("create User {{ email: \"u{n}@x\", owner: {thread} }}")) {
                Ok(_) => {
                    claimed[n].fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                }
                Err(error) => assert_eq!(error.code, ErrorCode::UniqueViolation, "{error}"),
            }
        }
    });
    assert!(claimed.iter().all(|n| n.load(std::sync::atomic::Ordering::SeqCst) == 1));
    assert_eq!(bench.rows("User").len(), 60);
    bench.audit();
}

#[test]
fn no_child_outlives_its_parent() {
    for action in ["cascade", "restrict", "setNull", "noAction"] {
        let bench = Bench::new(&format!(
            r#"
            entity P {{
              id  int64 @id
              cs  C[]
            }}
            entity C {{
              id   int64  @id @default(autoincrement())
              pId  int64?
              p    P?     @relation(pId -> P.id, onDelete: {action})
            }}
            "#
        ));
        race(&bench, 2, |bench, _, rng| {
            for _ in 0..40 {
                let p = rng.u8(0..6);
                let text = match rng.u8(0..4) {
                    0 => format!("delete P where id = {p}"),
                    1 => format!("upsert P[{p}] create {{ }} update {{ }}"),
                    2 => format!("delete C where pId = {p} limit 2"),
                    _ => format!("create C {{ pId: {p} }}"),
                };
                if let Err(error) = bench.retried(&text) {
                    assert_eq!(error.code, ErrorCode::ForeignKeyViolation, "{text}: {error}");
                }
            }
        });
        bench.audit();
    }
}

#[test]
fn no_increment_is_lost() {
    let bench =
        Bench::new("entity Counter {\n  id int64 @id\n  n int64 @default(0)\n  m int64 @default(0)\n}");
    bench.ok("create Counter [{ id: 1 }, { id: 2 }]");
    race(&bench, 3, |bench, _, rng| {
        for _ in 0..50 {
            // Two writers of different fields of one row must not undo each other either.
            let field = if rng.bool() { "n" } else { "m" };
            bench.retried(&format!("update Counter[1] set {{ {field} += 1 }}")).unwrap();
            bench.retried("upsert Counter[2] create { } update { n += 1 }").unwrap();
        }
    });
    let rows = bench.rows("Counter");
    let numbers: Vec<usize> = rows[0].split(' ').map(|n| n.parse().unwrap()).collect();
    assert_eq!(numbers[1] + numbers[2], THREADS * 50);
    assert_eq!(rows[1], format!("2 {} 0", THREADS * 50));
    bench.audit();
}

#[test]
fn many_upserts_make_one_row() {
    let bench = Bench::new(
        "entity Word {\n  id int64 @id @default(autoincrement())\n  text string @unique\n  n int64 @default(1)\n}",
    );
    race(&bench, 4, |bench, _, rng| {
        for _ in 0..60 {
            let word = rng.u8(0..5);
            bench
                .retried(&format!("upsert Word[text: \"w{word}\"] create {{ }} update {{ n += 1 }}"))
                .unwrap();
        }
    });
    let rows = bench.rows("Word");
    assert_eq!(rows.len(), 5);
    let total: usize = rows.iter().map(|r| r.rsplit(' ').next().unwrap().parse::<usize>().unwrap()).sum();
    assert_eq!(total, THREADS * 60);
    bench.audit();
}

#[test]
fn no_child_of_many_outlives_its_parent() {
    let bench = Bench::new(
        r#"
        entity P {
          id  int64 @id
          cs  C[]
        }
        entity C {
          id   int64  @id @default(autoincrement())
          pId  int64
          p    P      @relation(pId -> P.id, onDelete: cascade)
        }
        "#,
    );
    race(&bench, 5, |bench, thread, rng| {
        for _ in 0..60 {
            let (a, b, c) = (rng.u8(..6), rng.u8(..6), rng.u8(..6));
            let text = match thread % 4 {
                0 => format!("create P {{ id: {a} }}"),
                1 => format!("delete P where id = {a}"),
                _ => format!("create C [{{ pId: {a} }}, {{ pId: {b} }}, {{ pId: {c} }}]"),
            };
            if let Err(error) = bench.retried(&text) {
                let refused =
                    [ErrorCode::UniqueViolation, ErrorCode::ForeignKeyViolation, ErrorCode::Deadlock];
                assert!(refused.contains(&error.code), "{text}: {error}");
            }
        }
    });
    bench.audit();
}
